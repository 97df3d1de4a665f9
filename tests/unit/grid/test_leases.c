/* test_leases.c - R7: what is held and what is granted, by the clock of each.
 * LINK: grid control raft replica base */
#include "grid/leases.h"
#include "tests/lib/unit.h"

static const struct replica_member a1 = {1, 1}, a2 = {1, 2}, b1 = {2, 1};

START_TEST(a_lease_counts_from_the_sending)
{
    struct grid_leases *l = grid_leases_new(0);
    ck_assert(!grid_lease_held(l, a1, 5, 1000));
    grid_lease_hold(l, a1, 5, 1000);
    ck_assert(grid_lease_held(l, a1, 5, 1000 + GRID_LEASE_MS - 1));
    ck_assert(!grid_lease_held(l, a1, 5, 1000 + GRID_LEASE_MS));
    grid_lease_hold(l, a1, 5, 900); /* an echo that came late takes nothing back */
    ck_assert(grid_lease_held(l, a1, 5, 1000 + GRID_LEASE_MS - 1));
    grid_leases_free(l);
}
END_TEST

START_TEST(a_lease_is_of_one_boot)
{
    struct grid_leases *l = grid_leases_new(0);
    grid_lease_hold(l, a1, 1, 1000);
    ck_assert(!grid_lease_held(l, a2, 1, 1000));
    ck_assert(!grid_lease_held(l, b1, 1, 1000));
    grid_lease_hold(l, a2, 1, 1000);
    ck_assert(grid_lease_held(l, a2, 1, 1000));
    ck_assert(!grid_lease_held(l, a1, 1, 1000));
    grid_leases_free(l);
}
END_TEST

START_TEST(a_lease_asks_for_the_revision_it_was_granted_at)
{
    struct grid_leases *l = grid_leases_new(0);
    grid_lease_hold(l, a1, 7, 1000);
    ck_assert(!grid_lease_held(l, a1, 6, 1000));
    ck_assert(grid_lease_held(l, a1, 7, 1000));
    ck_assert(grid_lease_held(l, a1, 8, 1000));
    grid_leases_free(l);
}
END_TEST

START_TEST(a_grant_outlasts_the_lease_by_the_allowance_for_clocks)
{
    struct grid_leases *l = grid_leases_new(0);
    grid_lease_grant(l, a1, 10000);
    ck_assert_uint_eq(grid_lease_granted(l, a1), 10000 + GRID_GRACE_MS);
    grid_lease_grant(l, a1, 9000);
    ck_assert_uint_eq(grid_lease_granted(l, a1), 10000 + GRID_GRACE_MS);
    ck_assert_uint_gt(GRID_GRACE_MS * 10, GRID_LEASE_MS * 15);
    grid_leases_free(l);
}
END_TEST

START_TEST(what_earlier_boots_were_granted_is_kept)
{
    struct grid_leases *l = grid_leases_new(0);
    grid_lease_grant(l, a1, 10000);
    grid_lease_grant(l, a2, 20000);
    ck_assert_uint_eq(grid_lease_granted(l, a1), 10000 + GRID_GRACE_MS);
    ck_assert_uint_eq(grid_lease_granted(l, a2), 20000 + GRID_GRACE_MS);
    grid_leases_free(l);
}
END_TEST

START_TEST(a_start_counts_as_a_grant_to_all)
{
    struct grid_leases *l = grid_leases_new(5000);
    ck_assert_uint_eq(grid_lease_granted(l, b1), 5000 + GRID_GRACE_MS);
    grid_lease_grant(l, b1, 5100);
    grid_lease_release(l, b1);
    ck_assert_uint_eq(grid_lease_granted(l, b1), 5000 + GRID_GRACE_MS);
    grid_leases_free(l);
}
END_TEST

START_TEST(what_is_given_back_need_not_be_waited_for)
{
    struct grid_leases *l = grid_leases_new(0);
    grid_lease_grant(l, a2, 10000);
    grid_lease_release(l, a1); /* another boot's word */
    ck_assert_uint_eq(grid_lease_granted(l, a2), 10000 + GRID_GRACE_MS);
    grid_lease_release(l, a2);
    ck_assert_uint_le(grid_lease_granted(l, a2), 10000);
    grid_leases_free(l);
}
END_TEST

START_TEST(what_was_granted_to_anybody_is_known)
{
    struct grid_leases *l = grid_leases_new(0);
    grid_lease_grant(l, a1, 20000);
    grid_lease_grant(l, b1, 10000);
    struct replica_member anybody = {0, 0};
    ck_assert_uint_eq(grid_lease_granted(l, anybody), 20000 + GRID_GRACE_MS);
    grid_lease_release(l, a1);
    ck_assert_uint_ge(grid_lease_granted(l, anybody), 10000 + GRID_GRACE_MS);
    grid_leases_free(l);
}
END_TEST

START_TEST(a_boot_that_is_gone_holds_nothing)
{
    struct grid_leases *l = grid_leases_new(0);
    struct replica_member far = {70000, 1};
    grid_lease_hold(l, a1, 1, 1000);
    grid_lease_hold(l, far, 1, 1000);
    ck_assert(grid_lease_held(l, far, 1, 1000));
    grid_leases_drop(l);
    ck_assert(!grid_lease_held(l, a1, 1, 1000));
    ck_assert(!grid_lease_held(l, far, 1, 1000));
    grid_leases_free(l);
}
END_TEST

START_TEST(numbers_beyond_the_table_have_no_leases)
{
    struct grid_leases *l = grid_leases_new(0);
    struct replica_member beyond = {GRID_NUMBERS_MAX, 1};
    grid_lease_hold(l, beyond, 1, 1000);
    grid_lease_grant(l, beyond, 1000);
    grid_lease_release(l, beyond);
    ck_assert(!grid_lease_held(l, beyond, 1, 1000));
    grid_leases_free(l);
}
END_TEST

UNIT_MAIN("grid/leases", a_lease_counts_from_the_sending, a_lease_is_of_one_boot,
          a_lease_asks_for_the_revision_it_was_granted_at,
          a_grant_outlasts_the_lease_by_the_allowance_for_clocks,
          what_earlier_boots_were_granted_is_kept, a_start_counts_as_a_grant_to_all,
          what_was_granted_to_anybody_is_known, what_is_given_back_need_not_be_waited_for,
          a_boot_that_is_gone_holds_nothing, numbers_beyond_the_table_have_no_leases)
