/* test_resp.c - replies as bytes, in both versions of the protocol.
 * LINK: command shard replica control data base */
#include "command/resp.h"

#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>

/* What `b` holds, which is emptied. */
static void ck_bytes(struct buf *b, const char *want)
{
    ck_assert_msg(slice_eq(buf_slice(b), slice_str(want)), "%.*s, not %s", (int)b->len,
                  (const char *)b->data, want);
    b->len = 0;
}

START_TEST(numbers_have_all_their_digits)
{
    static const struct {
        int64_t number;
        const char *want;
    } cases[] = {
        {0, ":0\r\n"},
        {7, ":7\r\n"},
        {-1, ":-1\r\n"},
        {10, ":10\r\n"},
        {99, ":99\r\n"},
        {100, ":100\r\n"},
        {12345, ":12345\r\n"},
        {-98765, ":-98765\r\n"},
        {INT64_MAX, ":9223372036854775807\r\n"},
        {INT64_MIN, ":-9223372036854775808\r\n"},
    };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        resp_integer(&b, cases[i].number);
        ck_bytes(&b, cases[i].want);
    }
    for (int64_t n = 1, i = 0; i < 18; i++, n *= 10) {
        char want[32];
        snprintf(want, sizeof want, ":%lld\r\n", (long long)(n * 10 - 1));
        resp_integer(&b, n * 10 - 1);
        ck_bytes(&b, want);
    }
    buf_release(&b);
}
END_TEST

START_TEST(bulk_strings_hold_any_bytes)
{
    struct buf b = BUF_INIT;
    resp_bulk(&b, slice_make(NULL, 0));
    ck_bytes(&b, "$0\r\n\r\n");
    resp_bulk(&b, slice_str("a\r\nb"));
    ck_bytes(&b, "$4\r\na\r\nb\r\n");
    resp_bulk(&b, slice_make("\0", 1));
    ck_assert(slice_eq(buf_slice(&b), slice_make("$1\r\n\0\r\n", 7)));
    buf_release(&b);
}
END_TEST

START_TEST(lines_cannot_be_broken)
{
    struct buf b = BUF_INIT;
    resp_error(&b, slice_str("ERR a\r\n+OK\r\n"));
    ck_bytes(&b, "-ERR a  +OK  \r\n");
    resp_status(&b, slice_str("a\nb"));
    ck_bytes(&b, "+a b\r\n");
    buf_release(&b);
}
END_TEST

START_TEST(resp2_writes_what_it_lacks_as_it_has_it)
{
    static const char *const want[2] = {
        "$-1\r\n*-1\r\n$3\r\n1.5\r\n$3\r\ninf\r\n:1\r\n$2\r\nhi\r\n*4\r\n*2\r\n*2\r\n",
        "_\r\n_\r\n,1.5\r\n,inf\r\n#t\r\n=6\r\ntxt:hi\r\n%2\r\n~2\r\n>2\r\n"};
    struct buf b = BUF_INIT;
    for (int resp3 = 0; resp3 < 2; resp3++) {
        resp_null(&b, resp3);
        resp_null_array(&b, resp3);
        resp_double(&b, 1.5, resp3);
        resp_double(&b, INFINITY, resp3);
        resp_boolean(&b, true, resp3);
        resp_verbatim(&b, slice_str("hi"), resp3);
        resp_map(&b, 2, resp3);
        resp_set(&b, 2, resp3);
        resp_push(&b, 2, resp3);
        ck_bytes(&b, want[resp3]);
    }
    buf_release(&b);
}
END_TEST

START_TEST(every_kind_of_reply_is_written)
{
    static const struct {
        struct reply reply;
        const char *resp2, *resp3;
    } cases[] = {
        {{REPLY_OK, 0, {NULL, 0}}, "+OK\r\n", "+OK\r\n"},
        {{REPLY_NULL, 0, {NULL, 0}}, "$-1\r\n", "_\r\n"},
        {{REPLY_NULL_ARRAY, 0, {NULL, 0}}, "*-1\r\n", "_\r\n"},
        {{REPLY_INTEGER, -5, {NULL, 0}}, ":-5\r\n", ":-5\r\n"},
        {{REPLY_BULK, 0, {(const uint8_t *)"ab", 2}}, "$2\r\nab\r\n", "$2\r\nab\r\n"},
        {{REPLY_STATUS, 0, {(const uint8_t *)"hash", 4}}, "+hash\r\n", "+hash\r\n"},
        {{REPLY_ERROR, 0, {(const uint8_t *)"ERR x", 5}}, "-ERR x\r\n", "-ERR x\r\n"},
        {{REPLY_RAW, 0, {(const uint8_t *)"*0\r\n", 4}}, "*0\r\n", "*0\r\n"},
    };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        resp_reply(&b, &cases[i].reply, false);
        ck_bytes(&b, cases[i].resp2);
        resp_reply(&b, &cases[i].reply, true);
        ck_bytes(&b, cases[i].resp3);
    }
    buf_release(&b);
}
END_TEST

START_TEST(every_status_has_a_code_and_a_text)
{
    static const enum grid_err all[] = {
        GRID_EWRONG_TYPE,  GRID_ENOT_NUMBER, GRID_EOVERFLOW, GRID_EFULL,    GRID_ENOMEM,
        GRID_ETOO_LARGE,   GRID_EBUSY,       GRID_ENO_SPACE, GRID_ELOST,    GRID_EDAMAGED,
        GRID_ESTOPPING,    GRID_ENO_CONTEXT, GRID_ENO_CACHE, GRID_ECORRUPT, GRID_ECROSS_PARTITION,
        GRID_EBAD_REQUEST,
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct slice line = resp_error_of(all[i]);
        const uint8_t *space = memchr(line.data, ' ', line.len);
        ck_assert_ptr_nonnull(space);
        for (const uint8_t *p = line.data; p < space; p++)
            ck_assert(*p >= 'A' && *p <= 'Z');
        ck_assert(!memchr(line.data, '\r', line.len) && !memchr(line.data, '\n', line.len));
    }
}
END_TEST

UNIT_MAIN("command/resp", numbers_have_all_their_digits, bulk_strings_hold_any_bytes,
          lines_cannot_be_broken, resp2_writes_what_it_lacks_as_it_has_it,
          every_kind_of_reply_is_written, every_status_has_a_code_and_a_text)
