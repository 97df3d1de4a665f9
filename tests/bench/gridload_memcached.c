/* gridload_memcached.c - get and set of memcached's text protocol. */
#include "tests/bench/gridload.h"

static size_t memcached_encode(const struct conn *c, const struct keys *keys,
                               const struct request *r, uint8_t *to)
{
    (void)c;
    uint8_t *p = to;
    memcpy(p, r->op == LOAD_GET ? "get " : "set ", 4);
    memcpy(p + 4, r->key, KEY_TEXT_BYTES);
    p += 4 + KEY_TEXT_BYTES;
    if (r->op == LOAD_PUT) {
        memcpy(p, " 0 0 ", 5);
        p += 5;
        p += decimal_write(p, keys->value_bytes);
        memcpy(p, "\r\n", 2);
        p += 2;
        value_write(keys, r->key, p);
        p += keys->value_bytes;
    }
    memcpy(p, "\r\n", 2);
    return (size_t)(p + 2 - to);
}

/* "VALUE <key> <flags> <length>\r\n<bytes>\r\nEND\r\n" */
static long value_parse(struct slice in, struct answer *a)
{
    const uint8_t *end = memchr(in.data, '\n', in.len);
    if (!end)
        return in.len < 512 ? PARSE_MORE : PARSE_MALFORMED;
    const uint8_t *number = end;
    while (number > in.data && number[-1] != ' ')
        number--;
    uint64_t len;
    if (decimal_line(slice_make(number, (size_t)(end - number) + 1), &len) <= 0 ||
        len > VALUE_BYTES_MAX)
        return PARSE_MALFORMED;
    size_t start = (size_t)(end - in.data) + 1;
    size_t whole = start + len + strlen("\r\nEND\r\n");
    if (in.len < whole)
        return PARSE_MORE;
    if (memcmp(in.data + start + len, "\r\nEND\r\n", 7) != 0)
        return PARSE_MALFORMED;
    a->value = slice_make(in.data + start, len);
    return (long)whole;
}

static long memcached_parse(struct slice in, struct answer *ret_answer)
{
    static const char stored[] = "STORED\r\n", none[] = "END\r\n";
    if (slice_has_prefix(in, slice_str("VALUE ")))
        return value_parse(in, ret_answer);
    if (slice_has_prefix(in, slice_str(stored)))
        return sizeof stored - 1;
    if (slice_has_prefix(in, slice_str(none))) {
        ret_answer->kind = ANSWER_MISSING;
        return sizeof none - 1;
    }
    const uint8_t *end = in.len ? memchr(in.data, '\n', in.len) : NULL;
    if (!end)
        return PARSE_MORE;
    ret_answer->kind = ANSWER_REFUSED;
    ret_answer->error = slice_make(in.data, (size_t)(end - in.data));
    return (long)(end - in.data + 1);
}

const struct protocol protocol_memcached = {
    .name = "memcached", .encode = memcached_encode, .parse = memcached_parse};
