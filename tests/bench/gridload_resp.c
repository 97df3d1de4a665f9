/* gridload_resp.c - Redis, RESP2. A key of the key space is a string, or the field of a hash: ten
 * fields, named by the key's last digit, in a hash that is named by the others; or a number that a
 * script reads, adds to and writes. */
#include "tests/bench/gridload.h"

#include "base/buf.h"
#include "base/sha1.h"

#include <stdio.h>

enum { HASH_NAME_BYTES = KEY_TEXT_BYTES - 1 };

static uint8_t *put(uint8_t *p, const void *bytes, size_t len)
{
    memcpy(p, bytes, len);
    return p + len;
}

#define PUT_TEXT(p, text) put(p, text, sizeof(text) - 1)

static uint8_t *put_value(uint8_t *p, const struct keys *keys, const uint8_t key[KEY_TEXT_BYTES])
{
    p = PUT_TEXT(p, "$");
    p += decimal_write(p, keys->value_bytes);
    p = PUT_TEXT(p, "\r\n");
    value_write(keys, key, p);
    return PUT_TEXT(p + keys->value_bytes, "\r\n");
}

static uint8_t *put_key(uint8_t *p, const uint8_t key[KEY_TEXT_BYTES])
{
    p = PUT_TEXT(p, "$16\r\n");
    p = put(p, key, KEY_TEXT_BYTES);
    return PUT_TEXT(p, "\r\n");
}

static size_t string_encode(const struct keys *keys, const struct request *r, uint8_t *to)
{
    uint8_t *p = to;
    if (r->op == LOAD_GET)
        return (size_t)(put_key(PUT_TEXT(p, "*2\r\n$3\r\nGET\r\n"), r->key) - to);
    p = put_key(PUT_TEXT(p, "*3\r\n$3\r\nSET\r\n"), r->key);
    return (size_t)(put_value(p, keys, r->key) - to);
}

/* EVALSHA and FCALL run the same lines: `keys` and `args` are what each calls them. */
#define ADD(keys, args)                                                                            \
    "local v = tonumber(redis.call('GET', " keys "[1]) or 0) + tonumber(" args "[1]); "            \
    "redis.call('SET', " keys "[1], v); return v"
static const char script[] = ADD("KEYS", "ARGV");
static const char library[] =
    "#!lua name=bench\nredis.register_function('add', function(keys, args) " ADD("keys",
                                                                                 "args") " end)";

/* A read is no request of theirs: it reads what was written. */
static size_t script_encode(const struct keys *keys, const struct request *r, uint8_t *to)
{
    static char sha[SHA1_HEX];
    if (r->op == LOAD_GET)
        return string_encode(keys, r, to);
    if (!sha[0])
        sha1_hex(slice_make(script, sizeof script - 1), sha);
    uint8_t *p = to;
    if (keys->shape[0] == 'e') {
        p = put(PUT_TEXT(p, "*5\r\n$7\r\nEVALSHA\r\n$40\r\n"), sha, sizeof sha);
        p = PUT_TEXT(p, "\r\n$1\r\n1\r\n");
    } else {
        p = PUT_TEXT(p, "*5\r\n$5\r\nFCALL\r\n$3\r\nadd\r\n$1\r\n1\r\n");
    }
    return (size_t)(PUT_TEXT(put_key(p, r->key), "$1\r\n1\r\n") - to);
}

/* The ten keys that differ in the last digit. */
static size_t mset_encode(const struct keys *keys, const struct request *r, uint8_t *to)
{
    if (r->op == LOAD_GET)
        return string_encode(keys, r, to);
    uint8_t *p = PUT_TEXT(to, "*21\r\n$4\r\nMSET\r\n"), key[KEY_TEXT_BYTES];
    memcpy(key, r->key, sizeof key);
    for (unsigned i = 0; i < MSET_KEYS; i++) {
        key[KEY_TEXT_BYTES - 1] = (uint8_t)('0' + i);
        p = put_value(put_key(p, key), keys, key);
    }
    return (size_t)(p - to);
}

static size_t hash_encode(const struct keys *keys, const struct request *r, uint8_t *to)
{
    bool get = r->op == LOAD_GET;
    uint8_t *p = get ? PUT_TEXT(to, "*3\r\n$4\r\nHGET\r\n$15\r\n")
                     : PUT_TEXT(to, "*4\r\n$4\r\nHSET\r\n$15\r\n");
    p = put(p, r->key, HASH_NAME_BYTES);
    p = PUT_TEXT(p, "\r\n$1\r\n");
    *p++ = r->key[HASH_NAME_BYTES];
    p = PUT_TEXT(p, "\r\n");
    return (size_t)((get ? p : put_value(p, keys, r->key)) - to);
}

static size_t resp_encode(const struct conn *c, const struct keys *keys, const struct request *r,
                          uint8_t *to)
{
    (void)c;
    switch (keys->shape[0]) {
    case 'm':
        return mset_encode(keys, r, to);
    case 'h':
        return hash_encode(keys, r, to);
    case 'e':
    case 'f':
        return script_encode(keys, r, to);
    default:
        return string_encode(keys, r, to);
    }
}

/* One command, and the first line of its answer, which is all that is there then. */
static bool ask(struct conn *c, const char *const *words, size_t len, struct slice *ret_line)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "*%zu\r\n", len);
    for (size_t i = 0; i < len; i++)
        buf_printf(&b, "$%zu\r\n%s\r\n", strlen(words[i]), words[i]);
    bool sent = conn_send_all(c, buf_slice(&b));
    buf_release(&b);
    c->in_len = 0;
    do
        if (!sent || !conn_receive(c))
            return false;
    while (c->in[c->in_len - 1] != '\n');
    *ret_line = slice_make(c->in, c->in_len);
    c->in_len = 0;
    return true;
}

static bool starts(struct slice line, const char *text)
{
    size_t len = strlen(text);
    return line.len >= len && memcmp(line.data, text, len) == 0;
}

/* False: it is neither `good` nor `known` that is at the front of the answer. */
static bool ask_for(struct conn *c, const char *const words[3], const char *good, const char *known)
{
    struct slice line;
    bool answered = ask(c, words, words[2] ? 3 : 2, &line);
    if (answered && (starts(line, good) || starts(line, known)))
        return true;
    fprintf(stderr, "gridload: %s: %.*s\n", words[0], answered ? (int)line.len : 0,
            answered ? (const char *)line.data : "");
    return false;
}

/* A gridd is told which cache is meant; a redis has one. */
static bool resp_setup(struct conn *c, const struct options *o, struct keys *keys)
{
    const char *use[3] = {"GRID.USE", o->cache, NULL};
    const char *script_load[3] = {"SCRIPT", "LOAD", script};
    const char *library_load[3] = {"FUNCTION", "LOAD", library};
    if (strcmp(o->cache, "default/default") != 0 && !ask_for(c, use, "+OK\r\n", "+OK\r\n"))
        return false;
    if (keys->shape[0] == 'e')
        return ask_for(c, script_load, "$40\r\n", "$40\r\n");
    if (keys->shape[0] == 'f')
        return ask_for(c, library_load, "$5\r\nbench", "-ERR Library 'bench' already exists");
    return true;
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
    } else if (in.data[0] != '+' && in.data[0] != ':') {
        return PARSE_MALFORMED;
    }
    return (long)(end - in.data + 1);
}

static size_t wait_encode(const struct conn *c, const struct keys *keys, const struct request *r,
                          uint8_t *to)
{
    (void)c;
    uint8_t *p = to + string_encode(keys, r, to);
    if (r->op == LOAD_PUT)
        p = PUT_TEXT(p, "*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n");
    return (size_t)(p - to);
}

/* "+OK" and ":<replicas that have it>" are one answer. */
static long wait_parse(struct slice in, struct answer *ret_answer)
{
    long first = resp_parse(in, ret_answer);
    if (first <= 0 || in.data[0] == '$')
        return first;
    struct slice rest = slice_make(in.data + first, in.len - (size_t)first);
    long second = resp_parse(rest, ret_answer);
    if (second > 0 && (rest.data[0] != ':' || rest.data[1] == '0')) {
        ret_answer->kind = ANSWER_REFUSED;
        ret_answer->error = slice_str("no replica has it");
    }
    return second > 0 ? first + second : second;
}

const struct protocol protocol_resp_wait = {
    .name = "resp-wait", .setup = resp_setup, .encode = wait_encode, .parse = wait_parse};
const struct protocol protocol_resp = {
    .name = "resp", .setup = resp_setup, .encode = resp_encode, .parse = resp_parse};
