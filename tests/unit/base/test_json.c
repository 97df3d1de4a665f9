/* test_json.c - JSON and base64 as they are written, UTF-8 as it is judged.
 * LINK: base */
#include "base/json.h"
#include "tests/lib/unit.h"

static const struct {
    const char *bytes;
    size_t len;
    bool valid;
} utf8[] = {
    {"", 0, true},
    {"a\0b", 3, true},
    {"\xc3\xa9", 2, true},
    {"\xe2\x82\xac", 3, true},
    {"\xf0\x9f\x98\x80", 4, true},
    {"\xf4\x8f\xbf\xbf", 4, true},
    {"\x80", 1, false},
    {"\xc3", 1, false},
    {"\xc0\x80", 2, false},         /* not the shortest form */
    {"\xe0\x80\x80", 3, false},     /* not the shortest form */
    {"\xed\xa0\x80", 3, false},     /* a surrogate */
    {"\xf4\x90\x80\x80", 4, false}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", 4, false},
    {"\xe2\x82", 2, false},
    {"\xe2\x28\xa1", 3, false},
    {"\xf0\x9f\x98", 3, false},
};

START_TEST(utf8_is_what_the_standard_says)
{
    for (size_t i = 0; i < sizeof utf8 / sizeof *utf8; i++)
        ck_assert_msg(utf8_valid(slice_make(utf8[i].bytes, utf8[i].len)) == utf8[i].valid, "%zu",
                      i);
}
END_TEST

static const struct {
    const char *bytes;
    size_t len;
    const char *json;
} strings[] = {
    {"", 0, "\"\""},
    {"plain", 5, "\"plain\""},
    {"\"\\/", 3, "\"\\\"\\\\/\""},
    {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
    {"a\0\x1f\x7f", 4, "\"a\\u0000\\u001f\\u007f\""},
    {"\xc3\xa9", 2, "\"\xc3\xa9\""},
    {"\xff\xfe", 2, "{\"base64\":\"//4=\"}"},
};

START_TEST(bytes_are_a_string_or_base64)
{
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        struct buf out = BUF_INIT;
        json_add_bytes(&out, slice_make(strings[i].bytes, strings[i].len));
        ck_assert_msg(slice_eq(buf_slice(&out), slice_str(strings[i].json)), "%.*s", (int)out.len,
                      (const char *)out.data);
        buf_release(&out);
    }
}
END_TEST

START_TEST(names_get_commas_between_them)
{
    struct buf out = BUF_INIT;
    buf_add_text(&out, "{");
    json_add_name(&out, "a");
    buf_add_text(&out, "1");
    json_add_name(&out, "b");
    buf_add_text(&out, "[");
    json_add_comma(&out);
    buf_add_text(&out, "2]}");
    ck_assert(slice_eq(buf_slice(&out), slice_str("{\"a\":1,\"b\":[2]}")));
    buf_release(&out);
}
END_TEST

/* RFC 4648, section 10 */
static const struct {
    const char *plain, *coded;
} base64[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

START_TEST(base64_is_that_of_the_rfc_and_back)
{
    for (size_t i = 0; i < sizeof base64 / sizeof *base64; i++) {
        struct buf out = BUF_INIT;
        uint8_t back[16];
        size_t len;
        base64_add(&out, slice_str(base64[i].plain));
        ck_assert(slice_eq(buf_slice(&out), slice_str(base64[i].coded)));
        ck_assert(base64_decode(buf_slice(&out), back, &len));
        ck_assert(slice_eq(slice_make(back, len), slice_str(base64[i].plain)));
        out.len = 0;
        base64url_add(&out, slice_str(base64[i].plain));
        ck_assert(base64_decode(buf_slice(&out), back, &len));
        ck_assert(slice_eq(slice_make(back, len), slice_str(base64[i].plain)));
        buf_release(&out);
    }
}
END_TEST

START_TEST(what_is_no_base64_is_refused)
{
    static const char *const bad[] = {
        "Z", "Zg=", "Zg===", "====", "Z===", "Zh==", "Zm9=", "Z g=", "Zm9vY"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t to[16];
        size_t len;
        ck_assert_msg(!base64_decode(slice_str(bad[i]), to, &len), "%s", bad[i]);
    }
}
END_TEST

UNIT_MAIN("base/json", utf8_is_what_the_standard_says, bytes_are_a_string_or_base64,
          names_get_commas_between_them, base64_is_that_of_the_rfc_and_back,
          what_is_no_base64_is_refused)
