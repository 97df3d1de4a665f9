/* test_gate.c - who may come in by name and password, and what guessing costs.
 * LINK: net base */
#include "net/gate.h"
#include "tests/lib/unit.h"

#include <string.h>

/* gridctl user hash --rounds 1000, of "right" and "other" */
static const char *const lines[] = {
    "ann:pbkdf2-sha256:1000:2aa07eb94182324a5c93e8b388134b34:"
    "ec757c6c0111fbef54e035ab62fab2ce5b54bc48a357a57e085f9e40bb3c45e8",
    "bob:pbkdf2-sha256:1000:7c7b40de4e5e2d43f44bed311c63113f:"
    "9867d69b51a973ca26cc3d8e879d17f33619285e197332f1b08165359202f570",
};

static const struct {
    const char *user, *password;
    enum grid_err want;
} visits[] = {
    {"ann", "right", GRID_OK},     {"bob", "other", GRID_OK},    {"ann", "other", GRID_EAUTH},
    {"bob", "right", GRID_EAUTH},  {"eve", "right", GRID_EAUTH}, {"", "", GRID_EAUTH},
    {"ann", "", GRID_EAUTH},       {"ann", "Right", GRID_EAUTH}, {"ANN", "right", GRID_EAUTH},
    {"ann", "right ", GRID_EAUTH}, {"ann", "right", GRID_OK},
};

START_TEST(the_right_password_opens_and_no_other)
{
    struct gate *g = gate_new(lines, 2);
    for (size_t i = 0; i < sizeof visits / sizeof *visits; i++)
        ck_assert_msg(gate_ask(g, visits[i].user, visits[i].password, 5) == visits[i].want, "%s %s",
                      visits[i].user, visits[i].password);
    gate_free(g);
}
END_TEST

START_TEST(what_was_right_once_is_quick)
{
    struct gate *g = gate_new(lines, 2);
    for (int i = 0; i < 10 * GATE_SLOW_PER_SECOND; i++)
        ck_assert_int_eq(gate_ask(g, "ann", "right", 5), GRID_OK);
    ck_assert_uint_eq(gate_slow(g), 1);
    gate_free(g);
}
END_TEST

START_TEST(guesses_are_few_a_second_and_keep_nobody_out_who_was_in)
{
    struct gate *g = gate_new(lines, 2);
    ck_assert_int_eq(gate_ask(g, "ann", "right", 10000), GRID_OK);
    int tried = 0;
    for (int i = 0; i < 1000; i++)
        tried += gate_ask(g, i % 2 ? "ann" : "nobody", "guess", 10000) == GRID_EAUTH;
    ck_assert_int_eq(tried, GATE_SLOW_PER_SECOND - 1);
    ck_assert_int_eq(gate_ask(g, "bob", "other", 10999), GRID_EBUSY);
    ck_assert_int_eq(gate_ask(g, "ann", "right", 10999), GRID_OK);
    ck_assert_int_eq(gate_ask(g, "bob", "other", 11000), GRID_OK);
    gate_free(g);
}
END_TEST

START_TEST(a_password_without_end_costs_nothing)
{
    static char password[GATE_PASSWORD_BYTES_MAX + 2];
    struct gate *g = gate_new(lines, 2);
    memset(password, 'a', sizeof password - 1);
    ck_assert_int_eq(gate_ask(g, "ann", password, 5), GRID_EAUTH);
    ck_assert_uint_eq(gate_slow(g), 0);
    gate_free(g);
}
END_TEST

START_TEST(a_gate_without_users_opens_to_nobody)
{
    static const char *const none[] = {"not a line"};
    struct gate *g = gate_new(none, 1);
    ck_assert_int_eq(gate_ask(g, "", "", 5), GRID_EAUTH);
    ck_assert_int_eq(gate_ask(g, "not", "a line", 5), GRID_EAUTH);
    gate_free(g);
}
END_TEST

UNIT_MAIN("net/gate", the_right_password_opens_and_no_other, what_was_right_once_is_quick,
          guesses_are_few_a_second_and_keep_nobody_out_who_was_in,
          a_password_without_end_costs_nothing, a_gate_without_users_opens_to_nobody)
