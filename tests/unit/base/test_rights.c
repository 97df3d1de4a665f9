/* test_rights.c - lines of rights: who may do what.
 * LINK: base */
#include "base/rights.h"

#include "tests/lib/unit.h"

#include <string.h>

static const struct {
    const char *line;
    bool good;
} lines[] = {
    {"ann: read", true},
    {"ann:read,write,compute,admin", true},
    {"ann: read=shop/*, write=shop/carts , compute = bank.*", true},
    {"*: read", true},
    {"CN of a certificate: admin", true},
    {"ann:", true},
    {"ann: ", true},
    {"", false},
    {"ann", false},
    {": read", false},
    {" ann: read", false},
    {"ann: reads", false},
    {"ann: READ", false},
    {"ann: read,", false},
    {"ann: ,read", false},
    {"ann: read=", false},
    {"ann: read= , write", false},
    {"ann: admin=x", false},
    {"ann: read write", false},
    {"a23456789012345678901234567890123456789012345678901234567890123: read", true},
    {"a234567890123456789012345678901234567890123456789012345678901234: read", false},
};

START_TEST(a_line_is_a_name_and_rights)
{
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(rights_line_good(lines[i].line) == lines[i].good, "%s", lines[i].line);
    ck_assert_uint_eq(rights_line_name("ann : read"), 3);
}
END_TEST

static const char *const list[] = {
    "ann: read, write=shop/*, compute=bank.*, compute=eval",
    "op: admin",
    "nobody:",
};

static const struct {
    const char *user;
    enum right right;
    const char *name; /* NULL: any */
    bool have;
} asked[] = {
    {"ann", RIGHT_READ, "shop/carts", true},
    {"ann", RIGHT_READ, NULL, true},
    {"ann", RIGHT_WRITE, "shop/carts", true},
    {"ann", RIGHT_WRITE, "shop", false},
    {"ann", RIGHT_WRITE, "other/shop/x", false},
    {"ann", RIGHT_WRITE, NULL, false},
    {"ann", RIGHT_COMPUTE, "bank.transfer", true},
    {"ann", RIGHT_COMPUTE, "eval", true},
    {"ann", RIGHT_COMPUTE, "evaluate", false},
    {"ann", RIGHT_COMPUTE, "bankrupt.all", false},
    {"ann", RIGHT_ADMIN, NULL, false},
    {"ann", RIGHT_ANYBODY, NULL, true},
    {"op", RIGHT_ADMIN, NULL, true},
    {"op", RIGHT_READ, "shop/carts", false},
    {"nobody", RIGHT_READ, "shop/carts", false},
    {"nobody", RIGHT_ANYBODY, NULL, true},
    {"bob", RIGHT_ADMIN, NULL, true},
    {"", RIGHT_WRITE, "shop/carts", true},
};

START_TEST(who_is_named_has_what_is_said_and_others_have_all)
{
    struct rights_list *l = rights_list_new(list, sizeof list / sizeof *list);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct slice name = slice_str(asked[i].name ? asked[i].name : "");
        if (!asked[i].name)
            name = slice_make(NULL, 0);
        ck_assert_msg(rights_have(rights_of(l, asked[i].user), asked[i].right, name) ==
                          asked[i].have,
                      "%zu: %s", i, asked[i].user);
    }
    rights_list_free(l);
    ck_assert_ptr_null(rights_of(NULL, "ann"));
}
END_TEST

START_TEST(a_star_stands_for_who_is_not_named)
{
    static const char *const lines_of_all[] = {"*: read", "ann: write"};
    struct rights_list *l = rights_list_new(lines_of_all, 2);
    ck_assert(rights_have(rights_of(l, "bob"), RIGHT_READ, slice_str("a/b")));
    ck_assert(rights_have(rights_of(l, ""), RIGHT_READ, slice_str("a/b")));
    ck_assert(!rights_have(rights_of(l, ""), RIGHT_WRITE, slice_str("a/b")));
    ck_assert(!rights_have(rights_of(l, "ann"), RIGHT_READ, slice_str("a/b")));
    rights_list_free(l);
}
END_TEST

UNIT_MAIN("base/rights", a_line_is_a_name_and_rights,
          who_is_named_has_what_is_said_and_others_have_all, a_star_stands_for_who_is_not_named)
