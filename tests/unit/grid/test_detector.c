/* test_detector.c - C9: who is silent for how long, and what speaks against a node.
 * LINK: grid control raft replica base */
#include "grid/detector.h"
#include "grid/news_priv.h"
#include "tests/lib/unit.h"

enum { PERIOD = 700, BEAT = 100 };

static const struct replica_member nodes[] = {{2, 1}, {3, 4}, {9, 1}};

static struct grid_detector begin(msec_t now)
{
    struct grid_detector d;
    grid_detector_init(&d, PERIOD, BEAT);
    grid_detector_set(&d, nodes, 3, now);
    grid_detector_start(&d, now);
    grid_detector_check(&d);
    return d;
}

static msec_t silence(const struct grid_detector *d, uint32_t number, msec_t now)
{
    const struct grid_watch *w = grid_detector_watch(d, number);
    ck_assert_ptr_nonnull(w);
    return grid_detector_silence(d, w, now);
}

START_TEST(a_new_leader_grants_a_full_period)
{
    struct grid_detector d = begin(5000);
    ck_assert_uint_eq(grid_detector_next(&d), 5000 + PERIOD);
    ck_assert_uint_eq(silence(&d, 3, 5000 + PERIOD - 1), PERIOD - 1);
    ck_assert_uint_eq(silence(&d, 3, 5000 + PERIOD), PERIOD);
    grid_detector_start(&d, 9000);
    ck_assert_uint_eq(silence(&d, 3, 9000), 0);
    ck_assert(!grid_detector_watch(&d, 3)->came);
    grid_detector_release(&d);
}
END_TEST

START_TEST(beacons_that_echo_keep_a_node_alive)
{
    struct grid_detector d = begin(0);
    for (msec_t now = BEAT; now < 5000; now += BEAT) {
        grid_detector_hear(&d, nodes[0], now - 20, now);
        ck_assert_uint_lt(silence(&d, 2, now), PERIOD / 2);
        ck_assert(grid_detector_watch(&d, 2)->came);
    }
    grid_detector_release(&d);
}
END_TEST

START_TEST(who_hears_nothing_is_dead_though_it_is_heard)
{
    struct grid_detector d = begin(0);
    grid_detector_hear(&d, nodes[0], 50, 100);
    msec_t now = 200;
    for (; now < 5000 && silence(&d, 2, now) < PERIOD; now += BEAT)
        grid_detector_hear(&d, nodes[0], 50, now);
    ck_assert_uint_le(now, 50 + PERIOD + 4 * BEAT);
    grid_detector_release(&d);
}
END_TEST

START_TEST(a_closed_link_halves_the_wait_and_proves_nothing)
{
    struct grid_detector d = begin(0);
    grid_detector_hear(&d, nodes[1], 90, 100);
    grid_detector_hint(&d, nodes[1], 120);
    ck_assert_uint_lt(silence(&d, 3, 200), PERIOD);
    ck_assert_uint_ge(silence(&d, 3, 120 + PERIOD / 2), PERIOD);
    grid_detector_hear(&d, nodes[1], 190, 200); /* it is alive after all */
    ck_assert_uint_lt(silence(&d, 3, 120 + PERIOD / 2), PERIOD);
    grid_detector_release(&d);
}
END_TEST

START_TEST(another_boot_is_another_node)
{
    struct grid_detector d = begin(0);
    struct replica_member other = {3, 5};
    grid_detector_hear(&d, other, 400, 400);
    ck_assert_uint_eq(silence(&d, 3, 600), 600);
    grid_detector_hint(&d, other, 400);
    ck_assert_uint_eq(silence(&d, 3, 600), 600);
    grid_detector_set(&d, &other, 1, 650);
    ck_assert_uint_eq(silence(&d, 3, 650), 0);
    ck_assert_ptr_null(grid_detector_watch(&d, 2));
    grid_detector_release(&d);
}
END_TEST

struct row {
    uint32_t context, partition;
    uint64_t value;
};

static bool even(const void *ctx, const void *row)
{
    (void)ctx;
    return ((const struct row *)row)->partition % 2 == 0;
}

START_TEST(news_keep_the_newest_of_each_key)
{
    struct news n;
    news_init(&n, sizeof(struct row), 8);
    for (uint32_t i = 0; i < 1000; i++) {
        struct row r = {1, i, 5};
        ck_assert(news_put(&n, &r));
        ck_assert(!news_put(&n, &r));
        r.value = i;
        ck_assert(news_put(&n, &r) == (i != 5));
    }
    news_check(&n);
    ck_assert_uint_eq(n.len, 1000);
    news_keep(&n, even, NULL);
    news_check(&n);
    ck_assert_uint_eq(n.len, 500);
    struct row again = {1, 4, 9};
    ck_assert(news_put(&n, &again));
    ck_assert_uint_eq(n.len, 500);
    news_release(&n);
}
END_TEST

UNIT_MAIN("grid/detector", a_new_leader_grants_a_full_period, beacons_that_echo_keep_a_node_alive,
          who_hears_nothing_is_dead_though_it_is_heard,
          a_closed_link_halves_the_wait_and_proves_nothing, another_boot_is_another_node,
          news_keep_the_newest_of_each_key)
