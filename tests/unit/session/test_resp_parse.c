/* test_resp_parse.c - requests of Redis clients out of bytes, however they are cut.
 * LINK: session base */
#include "base/prng.h"
#include "session/resp_parse.h"
#include "tests/lib/unit.h"

enum { BULK_MAX = 1000 };

static const struct resp_bounds friendly = {.bulk_max = BULK_MAX};

/* The arguments of the first request, each in brackets; or what is wrong. */
static enum resp_parsed parse(const char *bytes, size_t len, const struct resp_bounds *bounds,
                              struct buf *told, size_t *ret_used)
{
    struct resp_parser p;
    resp_parser_init(&p);
    enum resp_parsed status = resp_parse(&p, (const uint8_t *)bytes, len, bounds);
    resp_parser_check(&p);
    told->len = 0;
    for (uint32_t i = 0; status == RESP_WHOLE && i < p.spans_len; i++) {
        struct slice arg = resp_parser_arg(&p, (const uint8_t *)bytes, i);
        buf_add_u8(told, '[');
        buf_add(told, arg.data, arg.len);
        buf_add_u8(told, ']');
    }
    if (status == RESP_BROKEN)
        buf_printf(told, "%s", p.why);
    *ret_used = p.at;
    buf_add_u8(told, 0);
    resp_parser_release(&p);
    return status;
}

START_TEST(requests_are_read_and_refused_as_redis_does)
{
    static const struct {
        const char *bytes;
        enum resp_parsed status;
        const char *told;
    } cases[] = {
        {"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", RESP_WHOLE, "[GET][k]"},
        {"*1\r\n$0\r\n\r\n", RESP_WHOLE, "[]"},
        {"*1\r\n$4\r\nPINGxx", RESP_WHOLE, "[PING]"},
        {"*0\r\n", RESP_EMPTY, ""},
        {"*-1\r\n", RESP_EMPTY, ""},
        {"*1\r", RESP_MORE, ""},
        {"*1\r\n$4\r\nPIN", RESP_MORE, ""},
        {"*1\r\n$4\r\nPING\r", RESP_MORE, ""},
        {"*x", RESP_MORE, ""},
        {"*x\r\n", RESP_BROKEN, "Protocol error: invalid multibulk length"},
        {"*01\r\n", RESP_BROKEN, "Protocol error: invalid multibulk length"},
        {"*+1\r\n", RESP_BROKEN, "Protocol error: invalid multibulk length"},
        {"*\r\n", RESP_BROKEN, "Protocol error: invalid multibulk length"},
        {"*99999999999999999999\r\n", RESP_BROKEN, "Protocol error: invalid multibulk length"},
        {"*1048577\r\n", RESP_BROKEN, "Protocol error: invalid multibulk length"},
        {"*1\r\n$-1\r\n", RESP_BROKEN, "Protocol error: invalid bulk length"},
        {"*1\r\n$-0\r\n", RESP_BROKEN, "Protocol error: invalid bulk length"},
        {"*1\r\n$1001\r\n", RESP_BROKEN, "Protocol error: invalid bulk length"},
        {"*1\r\n!4\r\n", RESP_BROKEN, "Protocol error: expected '$', got '!'"},
        {"PING\r\n", RESP_WHOLE, "[PING]"},
        {"PING\n", RESP_WHOLE, "[PING]"},
        {"  set  k \t v \r\n", RESP_WHOLE, "[set][k][v]"},
        {"\r\n", RESP_EMPTY, ""},
        {"PING", RESP_MORE, ""},
        {"a \"b c\" 'd e'\n", RESP_WHOLE, "[a][b c][d e]"},
        {"a \"\\x41\\n\\q\" ''\n", RESP_WHOLE, "[a][A\nq][]"},
        {"a 'it\\'s' '\\n'\n", RESP_WHOLE, "[a][it's][\\n]"},
        {"a\"b\"\n", RESP_WHOLE, "[ab]"},
        {"a \"b\n", RESP_BROKEN, "Protocol error: unbalanced quotes in request"},
        {"a \"b\"c\n", RESP_BROKEN, "Protocol error: unbalanced quotes in request"},
        {"a 'b\n", RESP_BROKEN, "Protocol error: unbalanced quotes in request"},
    };
    struct buf told = BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t used;
        size_t len = strlen(cases[i].bytes);
        enum resp_parsed status = parse(cases[i].bytes, len, &friendly, &told, &used);
        ck_assert_msg(status == cases[i].status && strcmp((char *)told.data, cases[i].told) == 0,
                      "case %zu: %d '%s'", i, status, (char *)told.data);
        if (status == RESP_WHOLE || status == RESP_EMPTY)
            ck_assert_uint_eq(used, len);
    }
    buf_release(&told);
}
END_TEST

START_TEST(a_stranger_may_ask_for_little)
{
    static const struct resp_bounds stranger = {.bulk_max = 1 << 20, .stranger = true};
    struct buf told = BUF_INIT;
    size_t used;
    static const char many[] = "*11\r\n", large[] = "*1\r\n$16385\r\n";
    ck_assert_int_eq(parse(many, sizeof many - 1, &stranger, &told, &used), RESP_BROKEN);
    ck_assert_str_eq((char *)told.data, "Protocol error: unauthenticated multibulk length");
    ck_assert_int_eq(parse(large, sizeof large - 1, &stranger, &told, &used), RESP_BROKEN);
    ck_assert_str_eq((char *)told.data, "Protocol error: unauthenticated bulk length");
    buf_release(&told);
}
END_TEST

START_TEST(lines_without_an_end_are_bounded)
{
    static const struct {
        const char *head, *why;
    } cases[] = {
        {"*", "Protocol error: too big mbulk count string"},
        {"*1\r\n$", "Protocol error: too big bulk count string"},
        {"a", "Protocol error: too big inline request"},
    };
    struct buf told = BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf bytes = BUF_INIT;
        size_t used;
        buf_printf(&bytes, "%s", cases[i].head);
        while (bytes.len < RESP_LINE_MAX)
            buf_add_u8(&bytes, 'x');
        ck_assert_int_eq(parse((char *)bytes.data, bytes.len, &friendly, &told, &used), RESP_MORE);
        for (int n = 0; n < 10; n++)
            buf_add_u8(&bytes, 'x');
        ck_assert_int_eq(parse((char *)bytes.data, bytes.len, &friendly, &told, &used),
                         RESP_BROKEN);
        ck_assert_str_eq((char *)told.data, cases[i].why);
        buf_release(&bytes);
    }
    buf_release(&told);
}
END_TEST

START_TEST(a_request_that_comes_in_pieces_is_not_read_from_its_start_again)
{
    struct buf bytes = BUF_INIT;
    buf_printf(&bytes, "*100\r\n");
    for (int i = 0; i < 100; i++)
        buf_printf(&bytes, "$3\r\n%03d\r\n", i);
    struct resp_parser p;
    resp_parser_init(&p);
    size_t looked = 0;
    for (size_t len = 1; len < bytes.len; len++) {
        ck_assert_int_eq(resp_parse(&p, bytes.data, len, &friendly), RESP_MORE);
        ck_assert_uint_ge(p.at, looked);
        ck_assert_uint_le(len - p.at, 10); /* at most the argument that is not whole */
        looked = p.at;
    }
    ck_assert_int_eq(resp_parse(&p, bytes.data, bytes.len, &friendly), RESP_WHOLE);
    ck_assert(slice_eq(resp_parser_arg(&p, bytes.data, 99), slice_str("099")));
    resp_parser_release(&p);
    buf_release(&bytes);
}
END_TEST

UNIT_MAIN("session/resp_parse", requests_are_read_and_refused_as_redis_does,
          a_stranger_may_ask_for_little, lines_without_an_end_are_bounded,
          a_request_that_comes_in_pieces_is_not_read_from_its_start_again)
