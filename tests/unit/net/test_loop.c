/* test_loop.c - turns and timers.
 * LINK: net base */
#include "net/loop.h"
#include "tests/lib/unit.h"

#include <unistd.h>

static msec_t now;

static msec_t clock_of_test(void *ctx)
{
    (void)ctx;
    return now;
}

struct alarm {
    struct loop_timer timer;
    unsigned fired;
    msec_t every; /* 0: once */
};

static void on_alarm(void *ctx)
{
    struct alarm *a = ctx;
    a->fired++;
    if (a->every)
        loop_timer_set(&a->timer, a->every);
}

START_TEST(timers_fire_once_when_their_time_has_come)
{
    struct loop *l = loop_new(&(struct loop_hooks){0});
    now = 1000;
    loop_set_clock(l, clock_of_test, NULL);
    struct alarm a = {0}, b = {0};
    loop_timer_init(&a.timer, l, on_alarm, &a);
    loop_timer_init(&b.timer, l, on_alarm, &b);
    loop_timer_set(&a.timer, 100);
    loop_timer_set(&b.timer, 50);
    loop_timer_set(&b.timer, 200); /* replaces */
    for (now = 1000; now < 1300; now++) {
        loop_turn(l, false);
        ck_assert_uint_eq(a.fired, now >= 1100);
        ck_assert_uint_eq(b.fired, now >= 1200);
    }
    loop_timer_set(&a.timer, 10);
    loop_timer_stop(&a.timer);
    ck_assert(!loop_timer_active(&a.timer));
    now += 100;
    loop_turn(l, false);
    ck_assert_uint_eq(a.fired, 1);
    loop_check(l);
    loop_free(l);
}
END_TEST

START_TEST(a_timer_wakes_a_blocked_loop_and_repeats_when_set_anew)
{
    struct loop *l = loop_new(&(struct loop_hooks){0});
    struct alarm a = {.every = 1};
    loop_timer_init(&a.timer, l, on_alarm, &a);
    loop_timer_set(&a.timer, 1);
    while (a.fired < 5)
        loop_turn(l, true);
    loop_timer_stop(&a.timer);
    loop_free(l);
}
END_TEST

static void on_ready(void *ctx, int fd)
{
    char byte;
    *(unsigned *)ctx += read(fd, &byte, 1) == 1;
}

static void count_turn(void *ctx)
{
    ++*(unsigned *)ctx;
}

START_TEST(a_watched_descriptor_is_reported_in_a_turn_that_then_ends_once)
{
    unsigned turns = 0, bytes = 0;
    struct loop *l = loop_new(&(struct loop_hooks){.ctx = &turns, .turn_end = count_turn});
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    struct loop_watch *w = loop_watch(l, ends[0], on_ready, &bytes);
    ck_assert_int_eq(write(ends[1], "ab", 2), 2);
    loop_turn(l, true);
    ck_assert_uint_eq(bytes, 1);
    ck_assert_uint_eq(turns, 1);
    loop_turn(l, true);
    ck_assert_uint_eq(bytes, 2);
    loop_again(l);
    loop_turn(l, true); /* returns though nothing is ready */
    ck_assert_uint_eq(turns, 3);
    loop_unwatch(w);
    close(ends[0]);
    close(ends[1]);
    loop_free(l);
}
END_TEST

START_TEST(a_stop_before_the_run_ends_it)
{
    unsigned turns = 0;
    struct loop *l = loop_new(&(struct loop_hooks){.ctx = &turns, .turn_end = count_turn});
    loop_stop(l);
    loop_run(l);
    ck_assert_uint_eq(turns, 1);
    loop_free(l);
}
END_TEST

UNIT_MAIN("net/loop", timers_fire_once_when_their_time_has_come,
          a_timer_wakes_a_blocked_loop_and_repeats_when_set_anew,
          a_watched_descriptor_is_reported_in_a_turn_that_then_ends_once,
          a_stop_before_the_run_ends_it)
