/* test_pace.c - open-loop accounting: a server that stands still must show, by virtual time and no
 * sleeping.
 * LINK: bench base */
#include "tests/bench/hist.h"
#include "tests/bench/pace.h"
#include "tests/lib/unit.h"

enum { US = 1000, MS = 1000 * US, SECOND = 1000 * MS };

static struct hist open_loop, from_send;

/* One connection, one request in flight, a server that takes 100 us, but stands still once from
 * `stall` on. Every answer is counted from the intended time into `open_loop`, and from the real
 * send into `from_send`. */
static uint64_t serve(struct pace *p, uint64_t requests, uint64_t stall, uint64_t stall_ns)
{
    uint64_t now = p->start_ns;
    hist_clear(&open_loop);
    hist_clear(&from_send);
    for (uint64_t i = 0; i < requests; i++) {
        while (!pace_due(p, now))
            now = pace_next(p);
        uint64_t sent = now, intended = pace_take(p, now);
        now += 100 * US;
        if (sent <= stall && now > stall)
            now += stall_ns;
        hist_record(&open_loop, now - intended);
        hist_record(&from_send, now - sent);
    }
    return now;
}

START_TEST(a_stall_of_a_second_shows_in_the_percentiles)
{
    struct pace p;
    pace_init(&p, 5 * (uint64_t)SECOND, 1000, 1, 0);
    serve(&p, 10000, 7 * (uint64_t)SECOND, SECOND);
    /* 1,000 of the 10,000 requests were meant for the stall: a tenth of all waited for up to a
     * second. */
    ck_assert_uint_gt(hist_percentile(&open_loop, 99), 850 * MS);
    ck_assert_uint_gt(hist_percentile(&open_loop, 95), 400 * MS);
    ck_assert_uint_lt(hist_percentile(&open_loop, 85), 1 * MS);
    /* Counted from the real send, one single request would have seen it. */
    ck_assert_uint_lt(hist_percentile(&from_send, 99.9), 1 * MS);
}
END_TEST

START_TEST(without_a_stall_intended_and_real_times_agree)
{
    struct pace p;
    pace_init(&p, SECOND, 1000, 1, 0);
    uint64_t end = serve(&p, 1000, UINT64_MAX, 0);
    ck_assert_uint_eq(end, SECOND + 999 * (uint64_t)MS + 100 * US);
    ck_assert_mem_eq(&open_loop, &from_send, sizeof open_loop);
}
END_TEST

START_TEST(a_server_too_slow_for_the_rate_falls_behind_for_ever)
{
    struct pace p;
    pace_init(&p, 0, 20000, 1, 0); /* every 50 us; the server takes 100 */
    serve(&p, 10000, UINT64_MAX, 0);
    ck_assert_uint_gt(hist_percentile(&open_loop, 100), 499 * MS);
    ck_assert_uint_lt(hist_percentile(&from_send, 100), 101 * US);
}
END_TEST

START_TEST(connections_take_turns_at_even_distances)
{
    struct pace p[4];
    for (unsigned i = 0; i < 4; i++)
        pace_init(&p[i], 1000, 1e6, 4, i); /* 1 us between any two */
    for (uint64_t k = 0; k < 1000; k++) {
        uint64_t at = 1000 + k * US;
        ck_assert(!pace_due(&p[k % 4], at - 1));
        ck_assert(pace_due(&p[k % 4], at));
        ck_assert_uint_eq(pace_take(&p[k % 4], at + 12345), at);
    }
}
END_TEST

START_TEST(a_closed_loop_is_due_at_once_and_counts_from_the_send)
{
    struct pace p;
    pace_init(&p, 0, 0, 50, 3);
    for (uint64_t now = 7; now < 100; now += 13) {
        ck_assert(pace_due(&p, now));
        ck_assert_uint_eq(pace_take(&p, now), now);
    }
}
END_TEST

UNIT_MAIN("bench/pace", a_stall_of_a_second_shows_in_the_percentiles,
          without_a_stall_intended_and_real_times_agree,
          a_server_too_slow_for_the_rate_falls_behind_for_ever,
          connections_take_turns_at_even_distances,
          a_closed_loop_is_due_at_once_and_counts_from_the_send)
