/* gridload_resp.c - GET and SET of Redis, RESP2. */
#include "tests/bench/gridload.h"

static size_t resp_encode(const struct conn *c, const struct keys *keys, const struct request *r,
                          uint8_t *to)
{
    static const char get[] = "*2\r\n$3\r\nGET\r\n$16\r\n", set[] = "*3\r\n$3\r\nSET\r\n$16\r\n";
    (void)c;
    uint8_t *p = to;
    memcpy(p, r->op == LOAD_GET ? get : set, sizeof get - 1);
    p += sizeof get - 1;
    memcpy(p, r->key, KEY_TEXT_BYTES);
    p += KEY_TEXT_BYTES;
    if (r->op == LOAD_PUT) {
        memcpy(p, "\r\n$", 3);
        p += 3;
        p += decimal_write(p, keys->value_bytes);
        memcpy(p, "\r\n", 2);
        p += 2;
        value_write(keys, r->key, p);
        p += keys->value_bytes;
    }
    memcpy(p, "\r\n", 2);
    return (size_t)(p + 2 - to);
}

/* "$<length>\r\n<bytes>\r\n", "$-1\r\n" for a key that is not there. */
static long bulk_parse(struct slice in, struct answer *a)
{
    if (in.len >= 5 && memcmp(in.data, "$-1\r\n", 5) == 0) {
        a->kind = ANSWER_MISSING;
        return 5;
    }
    if (in.len >= 2 && in.data[1] == '-')
        return in.len < 5 ? PARSE_MORE : PARSE_MALFORMED;
    uint64_t len;
    long head = decimal_line(slice_make(in.data + 1, in.len - 1), &len);
    if (head <= 0)
        return head;
    size_t start = (size_t)head + 1;
    if (len > VALUE_BYTES_MAX)
        return PARSE_MALFORMED;
    if (in.len < start + len + 2)
        return PARSE_MORE;
    a->value = slice_make(in.data + start, len);
    return (long)(start + len + 2);
}

static long resp_parse(struct slice in, struct answer *ret_answer)
{
    if (in.len == 0)
        return PARSE_MORE;
    if (in.data[0] == '$')
        return bulk_parse(in, ret_answer);
    const uint8_t *end = memchr(in.data, '\n', in.len);
    if (!end)
        return PARSE_MORE;
    if (in.data[0] == '-') {
        ret_answer->kind = ANSWER_REFUSED;
        ret_answer->error = slice_make(in.data + 1, (size_t)(end - in.data) - 1);
    } else if (in.data[0] != '+') {
        return PARSE_MALFORMED;
    }
    return (long)(end - in.data + 1);
}

const struct protocol protocol_resp = {.name = "resp", .encode = resp_encode, .parse = resp_parse};
