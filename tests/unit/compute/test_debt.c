/* test_debt.c - what was ended at its bounds waits, so that all such runs have a small share.
 * LINK: compute command shard replica control data base */
#include "compute/debt.h"

#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

enum { TIME = 5000, SECOND = 1000000 };

static struct slice key_of(unsigned i)
{
    static char text[16];
    snprintf(text, sizeof text, "code %u", i);
    return slice_str(text);
}

static struct debt_ruling ask(struct debt *d, unsigned code, bool known, uint64_t now)
{
    debt_check(d);
    return debt_ask(d, key_of(code), known, TIME, now);
}

START_TEST(what_was_ended_waits_twice_as_long_each_time)
{
    struct debt d = {0};
    uint64_t now = 1;
    debt_charge(&d, key_of(1), TIME, true, now);
    ck_assert(!ask(&d, 1, true, now).refused); /* once may be the machine's fault */
    now += SECOND;
    for (unsigned i = 1; i < 6; i++) {
        struct debt_ruling r = ask(&d, 1, true, now);
        ck_assert(!r.refused && r.times == i && r.time_us == TIME);
        debt_charge(&d, key_of(1), TIME, true, now);
        r = ask(&d, 1, true, now);
        ck_assert(r.refused && r.times == i + 1);
        ck_assert_uint_eq(r.wait_us, (uint64_t)SECOND << (i - 1));
        ck_assert(ask(&d, 1, true, now + r.wait_us - 1).refused);
        now += r.wait_us;
    }
    debt_charge(&d, key_of(1), UINT64_MAX / 2, true, now);
    ck_assert_uint_eq(ask(&d, 1, true, now).wait_us, DEBT_WAIT_MAX_US);
}
END_TEST

START_TEST(code_that_is_known_and_owes_nothing_is_not_touched)
{
    struct debt d = {0};
    debt_charge(&d, key_of(1), TIME, true, 1);
    struct debt_ruling known = ask(&d, 2, true, 2), new = ask(&d, 2, false, 2);
    ck_assert(!known.refused && known.time_us == TIME);
    ck_assert(!new.refused &&new.time_us == DEBT_NEW_LEAST_US);
    ck_assert_uint_eq(ask(&d, 2, false, 1 + SECOND).time_us, TIME);
    ck_assert_uint_eq(debt_ask(&d, key_of(2), false, 50 * TIME, 2).time_us, TIME);
    ck_assert_uint_eq(debt_ask(&d, key_of(2), false, 50, 2).time_us, 50);
}
END_TEST

START_TEST(new_code_without_end_has_a_small_share_too)
{
    struct debt d = {0};
    uint64_t took = 0;
    debt_charge(&d, key_of(0), TIME, true, 1);
    for (unsigned now = 1; now < SECOND; now += 50) {
        struct debt_ruling r = ask(&d, now, false, now);
        ck_assert(!r.refused || (r.times == 0 && r.wait_us <= DEBT_NEW_WAIT_MAX_US));
        if (r.refused)
            continue;
        ck_assert_uint_eq(r.time_us, DEBT_NEW_LEAST_US);
        debt_charge(&d, key_of(now), 800, false, now);
        took += 800;
        ck_assert(!ask(&d, now + 1, true, now).refused);
    }
    ck_assert_uint_le(took * DEBT_NEW_WAIT, SECOND + 800 * DEBT_NEW_WAIT);
}
END_TEST

/* However many there are, and whether they were seen before or are made anew for each call. */
START_TEST(all_that_are_ended_have_their_share_together)
{
    for (unsigned codes = 1; codes <= 1000; codes *= 10) {
        struct debt d = {0};
        uint64_t now = 1, whole = 0;
        for (unsigned i = 0; now < 100 * (uint64_t)SECOND; i++, now += 100) {
            struct debt_ruling r = ask(&d, i % codes, false, now);
            if (r.refused)
                continue;
            debt_charge(&d, key_of(i % codes), r.time_us, r.time_us == TIME, now);
            whole += r.time_us == TIME ? TIME : 0;
        }
        ck_assert_uint_le(whole * DEBT_SHARE, now + 2 * (uint64_t)TIME * DEBT_SHARE);
    }
}
END_TEST

START_TEST(what_was_ended_is_forgotten)
{
    struct debt d = {0};
    for (unsigned i = 0; i < 3 * DEBT_CODES; i++)
        debt_charge(&d, key_of(i), TIME, false, 1 + i);
    ck_assert_uint_eq(d.len, DEBT_CODES);
    ck_assert(ask(&d, 3 * DEBT_CODES - 1, true, 1000).refused);
    ck_assert(!ask(&d, 0, true, 1000).refused);
    (void)ask(&d, 0, true, 2 * SECOND + DEBT_REMEMBER_US);
    ck_assert_uint_eq(d.len, 0);
}
END_TEST

UNIT_MAIN("compute/debt", what_was_ended_waits_twice_as_long_each_time,
          code_that_is_known_and_owes_nothing_is_not_touched,
          new_code_without_end_has_a_small_share_too, all_that_are_ended_have_their_share_together,
          what_was_ended_is_forgotten)
