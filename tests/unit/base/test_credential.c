/* test_credential.c - a line of gridctl user hash is read; anything else is none.
 * LINK: base */
#include "base/credential.h"
#include "tests/lib/unit.h"

#include <string.h>

#define SALT "00112233445566778899aabbccddeeff"
#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"

START_TEST(a_line_is_read)
{
    struct credential c;
    ck_assert(credential_parse("a.b@c-1_d:pbkdf2-sha256:4096:" SALT ":" HASH, &c));
    ck_assert_str_eq(c.user, "a.b@c-1_d");
    ck_assert_uint_eq(c.rounds, 4096);
    ck_assert_uint_eq(c.salt[0], 0);
    ck_assert_uint_eq(c.salt[15], 0xff);
    ck_assert_uint_eq(c.hash[1], 1);
    ck_assert_uint_eq(c.hash[31], 0xff);
}
END_TEST

START_TEST(anything_else_is_none_and_sets_nothing)
{
    static const char *const lines[] = {
        "",
        ":",
        "a",
        "a:",
        "a:secret",
        "a:sha256:1:" SALT ":" HASH,
        ":pbkdf2-sha256:1:" SALT ":" HASH,
        " a:pbkdf2-sha256:1:" SALT ":" HASH,
        "a b:pbkdf2-sha256:1:" SALT ":" HASH,
        "-a:pbkdf2-sha256:1:" SALT ":" HASH,
        "a:pbkdf2-sha256:0:" SALT ":" HASH,
        "a:pbkdf2-sha256:-1:" SALT ":" HASH,
        "a:pbkdf2-sha256:100001:" SALT ":" HASH,
        "a:pbkdf2-sha256:99999999999999999999999:" SALT ":" HASH,
        "a:pbkdf2-sha256::" SALT ":" HASH,
        "a:pbkdf2-sha256:1x:" SALT ":" HASH,
        "a:pbkdf2-sha256:1:" SALT "0:" HASH,
        "a:pbkdf2-sha256:1::" HASH,
        "a:pbkdf2-sha256:1:" SALT ":",
        "a:pbkdf2-sha256:1:" SALT ":" HASH "0",
        "a:pbkdf2-sha256:1:" SALT ":" HASH ":",
        "a:pbkdf2-sha256:1:0g112233445566778899aabbccddeeff:" HASH,
        "a:pbkdf2-sha256:1:0A112233445566778899AABBCCDDEEFF:" HASH,
        "0123456789012345678901234567890123456789012345678901234567890123:"
        "pbkdf2-sha256:1:" SALT ":" HASH,
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct credential c = {.user = "as it was"};
        ck_assert_msg(!credential_parse(lines[i], &c), "%s", lines[i]);
        ck_assert_str_eq(c.user, "as it was");
    }
}
END_TEST

UNIT_MAIN("base/credential", a_line_is_read, anything_else_is_none_and_sets_nothing)
