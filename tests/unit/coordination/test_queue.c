/* test_queue.c - who is tried first, and whom a line without a place holds up.
 * LINK: coordination compute command shard replica control data base */
#include "coordination/queue.h"
#include "base/alloc.h"
#include "tests/lib/unit.h"

enum { JOBS = 200 };

/* The number of the first; -1: nobody. */
static int first(const struct queue *q, const struct queued *all)
{
    struct queued *e = queue_first(q);
    return e ? (int)(e - all) : -1;
}

static void ck_first(struct queue *q, const struct queued *all, int want)
{
    queue_check(q);
    ck_assert_int_eq(first(q, all), want);
}

START_TEST(priorities_go_first_then_who_came_first_whatever_their_kind)
{
    struct queue q;
    struct queued all[4] = {{.order = 0}};
    queue_init(&q);
    queue_put(&q, &all[0], 5, 1);
    queue_put(&q, &all[1], 5, 2);
    queue_put(&q, &all[2], 5, 1);
    queue_put(&q, &all[3], 0, 1);
    static const int order[] = {3, 0, 1, 2, -1};
    for (int i = 0; i < 5; i++) {
        ck_first(&q, all, order[i]);
        if (order[i] >= 0)
            queue_remove(&q, &all[order[i]]);
    }
    queue_release(&q);
}
END_TEST

START_TEST(a_line_that_is_set_aside_keeps_its_order_and_holds_up_no_other)
{
    struct queue q;
    struct queued all[5] = {{.order = 0}};
    queue_init(&q);
    for (unsigned i = 0; i < 4; i++)
        queue_put(&q, &all[i], 5, i == 3 ? 2 : 1);
    queue_aside(&q, &all[0]);
    ck_first(&q, all, 3);
    queue_put(&q, &all[4], 5, 1); /* behind them, aside */
    queue_remove(&q, &all[0]);    /* it was cancelled */
    ck_first(&q, all, 3);
    queue_aside(&q, &all[3]);
    ck_first(&q, all, -1);
    queue_again(&q);
    static const int order[] = {1, 2, 3, 4};
    for (int i = 0; i < 4; i++) {
        ck_first(&q, all, order[i]);
        queue_remove(&q, &all[order[i]]);
        queue_remove(&q, &all[order[i]]); /* fine */
    }
    queue_release(&q);
}
END_TEST

START_TEST(whatever_is_put_taken_and_set_aside_all_that_wait_are_found)
{
    struct queue q;
    struct queued *all = xcalloc(JOBS, sizeof *all);
    uint32_t dice = 7;
    queue_init(&q);
    for (int step = 0; step < 5000; step++) {
        dice = dice * 1664525 + 1013904223;
        struct queued *e = &all[(dice >> 8) % JOBS], *of = queue_first(&q);
        if (dice >> 28 == 0)
            queue_again(&q);
        else if (dice >> 28 < 4 && of)
            queue_aside(&q, of);
        else if (queue_has(e))
            queue_remove(&q, e);
        else
            queue_put(&q, e, (dice >> 16) % 10, (dice >> 20) % 100);
        size_t waiting = 0;
        for (int i = 0; i < JOBS; i++)
            waiting += queue_has(&all[i]);
        ck_assert_uint_eq(queue_check(&q), waiting);
    }
    for (int i = 0; i < JOBS; i++)
        queue_remove(&q, &all[i]);
    queue_release(&q);
    free(all);
}
END_TEST

UNIT_MAIN("coordination/queue", priorities_go_first_then_who_came_first_whatever_their_kind,
          a_line_that_is_set_aside_keeps_its_order_and_holds_up_no_other,
          whatever_is_put_taken_and_set_aside_all_that_wait_are_found)
