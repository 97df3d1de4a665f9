/* gridload_protocol.c - the protocols by name, and what the text protocols share. */
#include "tests/bench/gridload.h"

static const struct protocol *const protocols[] = {
    &protocol_grid, &protocol_resp, &protocol_resp_wait, &protocol_memcached, &protocol_echo};

const struct protocol *protocol_find(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (strcmp(protocols[i]->name, name) == 0)
            return protocols[i];
    }
    return NULL;
}

size_t request_bytes_max(const struct keys *keys)
{
    return (keys->value_bytes + KEY_TEXT_BYTES + TASK_BYTES_MAX + 96) * keys->per_write;
}

size_t decimal_write(uint8_t *to, uint64_t n)
{
    uint8_t digits[20];
    size_t len = 0;
    do {
        digits[len++] = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n);
    for (size_t i = 0; i < len; i++)
        to[i] = digits[len - 1 - i];
    return len;
}

long decimal_line(struct slice in, uint64_t *ret_n)
{
    uint64_t n = 0;
    size_t i = 0;
    while (i < in.len && i < 12 && in.data[i] >= '0' && in.data[i] <= '9')
        n = n * 10 + in.data[i++] - '0';
    if (i + 2 > in.len)
        return i < 12 ? PARSE_MORE : PARSE_MALFORMED;
    if (i == 0 || in.data[i] != '\r' || in.data[i + 1] != '\n')
        return PARSE_MALFORMED;
    *ret_n = n;
    return (long)(i + 2);
}
