/* test_glob.c - patterns as Redis reads them.
 * LINK: base */
#include "base/glob.h"
#include "tests/lib/unit.h"

START_TEST(patterns_match_as_in_redis)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"", "", true},          {"", "a", false},         {"*", "", false},
        {"*", "abc", true},      {"a*c", "abbbc", true},   {"a*c", "ab", false},
        {"a**c", "ac", true},    {"*a*b*", "xaxbx", true}, {"*a*b", "xaxbx", false},
        {"?", "a", true},        {"?", "", false},         {"a?c", "abc", true},
        {"[ab]c", "bc", true},   {"[ab]c", "cc", false},   {"[^ab]c", "cc", true},
        {"[^ab]c", "ac", false}, {"[a-c]", "b", true},     {"[c-a]", "b", true},
        {"[a-c]", "d", false},   {"[a", "a", true},        {"[\\]]", "]", true},
        {"\\*", "*", true},      {"\\*", "a", false},      {"\\", "\\", true},
        {"[]", "a", false},      {"[^]", "a", true},       {"a\\bc", "abc", true},
        {"*[ab]", "xxb", true},  {"abc", "ab", false},     {"ab", "abc", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(glob_matches(slice_str(cases[i].pattern), slice_str(cases[i].text)) ==
                          cases[i].matches,
                      "'%s' and '%s'", cases[i].pattern, cases[i].text);
}
END_TEST

START_TEST(many_stars_cost_no_more_than_the_product_of_the_lengths)
{
    enum { LEN = 5000 };
    static char pattern[LEN], text[LEN];
    for (size_t i = 0; i < LEN - 2; i += 2)
        memcpy(pattern + i, "*a", 2);
    memset(pattern + LEN - 2, 'b', 1);
    memset(text, 'a', LEN - 1);
    ck_assert(!glob_matches(slice_str(pattern), slice_str(text)));
}
END_TEST

START_TEST(every_match_begins_with_the_prefix)
{
    ck_assert(slice_eq(glob_prefix(slice_str("user:*")), slice_str("user:")));
    ck_assert(slice_eq(glob_prefix(slice_str("us\\er")), slice_str("us")));
    ck_assert(slice_eq(glob_prefix(slice_str("user")), slice_str("user")));
    ck_assert_uint_eq(glob_prefix(slice_str("*")).len, 0);
}
END_TEST

UNIT_MAIN("base/glob", patterns_match_as_in_redis,
          many_stars_cost_no_more_than_the_product_of_the_lengths,
          every_match_begins_with_the_prefix)
