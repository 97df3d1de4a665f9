/* test_http_text.c - what stands in targets and header fields.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "session/http_text.h"
#include "tests/lib/unit.h"

START_TEST(percent_decoding_takes_any_byte_and_refuses_half_of_one)
{
    static const struct {
        const char *in, *out;
        size_t len;
        bool plus, good;
    } cases[] = {
        {"", "", 0, false, true},
        {"a%2Fb", "a/b", 3, false, true},
        {"%00%ff", "\0\xff", 2, false, true},
        {"a+b", "a+b", 3, false, true},
        {"a+b%2B", "a b+", 4, true, true},
        {"%", "", 0, false, false},
        {"%4", "", 0, false, false},
        {"%g0", "", 0, false, false},
        {"%0g", "", 0, false, false},
        {"a%%41", "", 0, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t out[16];
        size_t len;
        bool good = percent_decode(slice_str(cases[i].in), cases[i].plus, out, &len);
        ck_assert_msg(good == cases[i].good, "%s", cases[i].in);
        if (good)
            ck_assert(slice_eq(slice_make(out, len), slice_make(cases[i].out, cases[i].len)));
    }
}
END_TEST

START_TEST(durations_have_a_unit_or_are_seconds)
{
    static const struct {
        const char *text;
        msec_t ms; /* 0: none */
    } cases[] = {
        {"1", 1000},
        {"250ms", 250},
        {"2S", 2000},
        {"3m", 180000},
        {"1h", 3600000},
        {"1d", 86400000},
        {"0", 0},
        {"", 0},
        {"-1", 0},
        {"1.5s", 0},
        {"s", 0},
        {"1w", 0},
        {"1 s", 0},
        {"18446744073709551616", 0},
        {"18446744073709551615", 0},
        {"0x1", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        msec_t ms = 0;
        bool good = duration_parse(slice_str(cases[i].text), &ms);
        ck_assert_msg(good == (cases[i].ms != 0), "%s", cases[i].text);
        ck_assert_uint_eq(good ? ms : 0, cases[i].ms);
    }
}
END_TEST

START_TEST(integers_have_64_bits)
{
    static const struct {
        const char *text;
        bool good;
        int64_t number;
    } cases[] = {
        {"0", true, 0},
        {"-5", true, -5},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"-", false, 0},
        {"", false, 0},
        {"+1", false, 0},
        {"1e3", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t number = 0;
        ck_assert_msg(integer_parse(slice_str(cases[i].text), &number) == cases[i].good, "%s",
                      cases[i].text);
        ck_assert_int_eq(number, cases[i].number);
    }
}
END_TEST

/* `strong`, `weak`: whether version 7 matches; -1: no such list. */
static const struct {
    const char *text;
    int strong, weak;
} tags[] = {
    {"*", 1, 1},
    {" * ", 1, 1},
    {"\"7\"", 1, 1},
    {"W/\"7\"", 0, 1},
    {"\"6\", \"7\"", 1, 1},
    {"\"6\" ,W/\"8\"\t, \"7\"", 1, 1},
    {"\"6\"", 0, 0},
    {"\"foreign\", \"\"", 0, 0},
    {"\"07\"", 0, 0},
    {"\"a,b\", \"7\"", 1, 1},
    {"", -1, -1},
    {"7", -1, -1},
    {"\"7", -1, -1},
    {"\"7\",", -1, -1},
    {"\"7\" \"8\"", -1, -1},
    {"*, \"7\"", -1, -1},
    {"w/\"7\"", -1, -1},
    {"\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\","
     "\"15\",\"16\",\"17\"",
     -1, -1},
};

START_TEST(entity_tags_match_as_the_rfc_says)
{
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        struct tags t;
        int strong = tags_parse(slice_str(tags[i].text), false, &t) ? tags_match(&t, 7) : -1;
        ck_assert_msg(strong == tags[i].strong, "%s: %d", tags[i].text, strong);
        int weak = tags_parse(slice_str(tags[i].text), true, &t) ? tags_match(&t, 7) : -1;
        ck_assert_msg(weak == tags[i].weak, "%s: %d", tags[i].text, weak);
        if (weak >= 0)
            ck_assert(!tags_match(&t, 0));
    }
}
END_TEST

/* NULL: malformed; "?": more is to come. */
static const struct {
    const char *in, *body;
    size_t behind; /* bytes that are not its own */
} chunks[] = {
    {"0\r\n\r\n", "", 0},
    {"3\r\nabc\r\n0\r\n\r\nGET", "abc", 3},
    {"1;x=y\r\na\r\n1\r\nb\r\n00\r\nA: b\r\nC: d\r\n\r\n", "ab", 0},
    {"", "?", 0},
    {"3\r\nab", "?", 0},
    {"0\r\n\r", "?", 0},
    {"\r\n", NULL, 0},
    {";\r\n", NULL, 0},
    {"3\nabc\r\n0\r\n\r\n", NULL, 0},
    {"3\r\nabcd\r\n", NULL, 0},
    {"3\r\nabc\n0\r\n\r\n", NULL, 0},
    {"3 \r\nabc\r\n0\r\n\r\n", NULL, 0},
    {"0x3\r\nabc\r\n0\r\n\r\n", NULL, 0},
    {"000000003\r\nabc\r\n0\r\n\r\n", NULL, 0},
    {"1;\x01\r\na\r\n0\r\n\r\n", NULL, 0},
    {"1;\n\r\na\r\n0\r\n\r\n", NULL, 0},
    {"0\r\nA\n\r\n", NULL, 0},
    {"0\r\n\rX", NULL, 0},
};

START_TEST(chunks_are_read_strictly_whole_or_byte_by_byte)
{
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        for (size_t piece = 1; piece <= strlen(chunks[i].in) + 1; piece++) {
            const uint8_t *at = (const uint8_t *)chunks[i].in, *end = at + strlen(chunks[i].in);
            struct chunked c = {0};
            uint8_t body[16];
            enum chunked_step step = CHUNKED_MORE;
            while (step == CHUNKED_MORE && at < end) {
                size_t used, n = (size_t)(end - at) < piece ? (size_t)(end - at) : piece;
                step = chunked_run(&c, at, n, body, &used);
                at += step == CHUNKED_BAD ? 0 : used;
            }
            if (!chunks[i].body) {
                ck_assert_int_eq(step, CHUNKED_BAD);
            } else if (chunks[i].body[0] == '?') {
                ck_assert_int_eq(step, CHUNKED_MORE);
            } else {
                ck_assert_int_eq(step, CHUNKED_DONE);
                ck_assert_uint_eq((size_t)(end - at), chunks[i].behind);
                ck_assert(slice_eq(slice_make(body, c.bytes), slice_str(chunks[i].body)));
            }
        }
    }
}
END_TEST

START_TEST(lines_of_chunks_are_bounded)
{
    static uint8_t text[20000];
    size_t used;
    struct chunked c = {0};
    memset(text, 'a', sizeof text);
    memcpy(text, "1;", 2);
    ck_assert_int_eq(chunked_run(&c, text, 1000, NULL, &used), CHUNKED_BAD);
    c = (struct chunked){0};
    memcpy(text, "0\r\n", 3);
    ck_assert_int_eq(chunked_run(&c, text, sizeof text, NULL, &used), CHUNKED_BAD);
}
END_TEST

UNIT_MAIN("session/http_text", percent_decoding_takes_any_byte_and_refuses_half_of_one,
          durations_have_a_unit_or_are_seconds, integers_have_64_bits,
          entity_tags_match_as_the_rfc_says, chunks_are_read_strictly_whole_or_byte_by_byte,
          lines_of_chunks_are_bounded)
