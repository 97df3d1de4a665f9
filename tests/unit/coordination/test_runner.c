/* test_runner.c - what a runner asks for when it is told this and that.
 * LINK: coordination compute command shard replica control data base */
#include "coordination/runner.h"
#include "base/alloc.h"
#include "tests/lib/unit.h"

/* --- one runner ------------------------------------------------------------------------------- */

struct asks {
    struct runner *r;
    struct buf said; /* a line for each thing asked */
    enum runner_place place;
    struct slice full; /* labels that no node has room for */
    bool holds, alive;
    uint64_t era;
};

static void say(struct asks *a, const char *what, struct slice key)
{
    buf_printf(&a->said, "%s %.*s\n", what, (int)key.len, (const char *)key.data);
}

static bool a_holds(void *ctx, uint32_t context, uint16_t partition)
{
    (void)context;
    (void)partition;
    return ((struct asks *)ctx)->holds;
}

static void a_scan(void *ctx, uint64_t era, uint32_t context, uint16_t partition,
                   struct slice cursor)
{
    (void)context;
    (void)partition;
    ((struct asks *)ctx)->era = era;
    say(ctx, "scan", cursor);
}

static void a_look(void *ctx, uint64_t era, uint32_t context, uint16_t partition, struct slice key)
{
    (void)context;
    (void)partition;
    ((struct asks *)ctx)->era = era;
    say(ctx, "look", slice_make(key.data, 1));
}

static enum runner_place a_start(void *ctx, const struct runner_job *job)
{
    struct asks *a = ctx;
    buf_printf(&a->said, "start %.*s %llu", (int)job->name.len, (const char *)job->name.data,
               (unsigned long long)job->attempt);
    if (job->labels.len)
        buf_printf(&a->said, " %.*s", (int)job->labels.len, (const char *)job->labels.data);
    buf_printf(&a->said, "%s\n", job->anywhere ? " anywhere" : "");
    return a->full.len && slice_eq(a->full, job->labels) ? RUNNER_LATER : a->place;
}

static bool a_alive(void *ctx, struct slice node, const struct runner_job *job)
{
    (void)node;
    (void)job;
    return ((struct asks *)ctx)->alive;
}

static void a_expire(void *ctx, uint32_t context, uint16_t partition, const struct job_id *id)
{
    (void)context;
    (void)partition;
    (void)id;
    say(ctx, "expire", slice_str("it"));
}

static void a_fire(void *ctx, uint32_t context, uint16_t partition, struct slice key,
                   const struct schedule_row *row, msec_t tick)
{
    (void)context;
    (void)partition;
    (void)key;
    struct asks *a = ctx;
    buf_printf(&a->said, "fire %.*s %llu\n", (int)row->name.len, (const char *)row->name.data,
               (unsigned long long)tick);
}

static struct asks *asks_new(void)
{
    struct asks *a = xcalloc(1, sizeof *a);
    struct runner_ports ports = {a, a_holds, a_scan, a_look, a_start, a_alive, a_expire, a_fire};
    a->r = runner_new(&ports);
    return a;
}

static void asks_free(struct asks *a)
{
    runner_check(a->r);
    runner_free(a->r);
    buf_release(&a->said);
    free(a);
}

static void ck_said(struct asks *a, const char *want)
{
    runner_check(a->r);
    buf_add_u8(&a->said, 0);
    ck_assert_str_eq((const char *)a->said.data, want);
    a->said.len = 0;
}

static void tell_more(struct asks *a, uint8_t number, uint8_t more, uint64_t version,
                      const struct job_row *with)
{
    struct buf bytes = BUF_INIT;
    struct job_row row = *with;
    uint8_t key[JOB_KEY_BYTES] = {'j', number, more};
    row.name = row.name.len ? row.name : slice_str("m.j");
    row.key = slice_str("k");
    job_row_encode(&row, &bytes);
    struct runner_entry e = {slice_make(key, sizeof key), buf_slice(&bytes), version};
    if (!version)
        e.value = slice_make(NULL, 0);
    runner_row(a->r, a->era, 1, 0, &e);
    buf_release(&bytes);
}

static void tell_job(struct asks *a, uint8_t number, uint64_t version, const struct job_row *with)
{
    tell_more(a, number, 0, version, with);
}

static void touch_more(struct asks *a, uint8_t number, uint8_t more)
{
    uint8_t key[JOB_KEY_BYTES] = {'j', number, more};
    runner_touched(a->r, 1, 0, slice_make(key, sizeof key));
}

static void touch(struct asks *a, uint8_t number)
{
    touch_more(a, number, 0);
}

START_TEST(what_is_led_is_scanned_if_there_is_anything)
{
    struct asks *a = asks_new();
    runner_led(a->r, 1, 0, true);
    ck_said(a, "");
    runner_tick(a->r, 1);
    ck_said(a, "");
    a->holds = true;
    runner_led(a->r, 1, 0, true);
    runner_tick(a->r, 1);
    ck_said(a, "scan \n");
    runner_page(a->r, a->era, 1, 0, NULL, 0, slice_str("c"));
    ck_said(a, "scan c\n");
    runner_unread(a->r, a->era, 1, 0, slice_make(NULL, 0), 1);
    ck_assert_uint_eq(runner_tick(a->r, 1), 500);
    runner_tick(a->r, 501);
    ck_said(a, "scan \n");
    asks_free(a);
}
END_TEST

START_TEST(what_is_touched_is_read_and_once_at_a_time)
{
    struct asks *a = asks_new();
    touch(a, 1);
    touch(a, 1);
    touch(a, 1);
    ck_said(a, "look j\n");
    tell_job(a, 1, 5, &(struct job_row){.due = 100});
    ck_said(a, "look j\n");
    tell_job(a, 1, 6, &(struct job_row){.due = 100});
    ck_said(a, "");
    ck_assert_uint_eq(runner_tick(a->r, 10), 90);
    runner_tick(a->r, 100);
    ck_said(a, "start m.j 1\n");
    asks_free(a);
}
END_TEST

START_TEST(an_older_row_says_nothing_and_another_life_of_the_lead_neither)
{
    struct asks *a = asks_new();
    touch(a, 1);
    tell_job(a, 1, 7, &(struct job_row){.status = JOB_DONE});
    tell_job(a, 1, 5, &(struct job_row){.status = JOB_QUEUED});
    runner_tick(a->r, 1);
    ck_said(a, "look j\n");
    touch(a, 1);
    uint64_t era = a->era;
    runner_led(a->r, 1, 0, false);
    a->era = era;
    tell_job(a, 1, 9, &(struct job_row){.status = JOB_QUEUED});
    runner_tick(a->r, 1);
    ck_said(a, "look j\n");
    asks_free(a);
}
END_TEST

START_TEST(the_first_in_priority_goes_first_and_those_without_a_place_wait)
{
    struct asks *a = asks_new();
    a->place = RUNNER_NODE_FULL;
    for (uint8_t i = 1; i <= 3; i++) {
        touch(a, i);
        tell_job(a, i, 5,
                 &(struct job_row){.priority = 5u - i,
                                   .name = i == 3 ? slice_str("a.b") : slice_str("m.j")});
    }
    a->said.len = 0;
    runner_tick(a->r, 1);
    ck_said(a, "start a.b 1\nstart m.j 1\nstart m.j 1\n");
    ck_assert_uint_eq(runner_queued(a->r, slice_str("m.other")), 2);
    ck_assert_uint_eq(runner_queued(a->r, slice_make(NULL, 0)), 3);
    a->place = RUNNER_MODULE_FULL;
    runner_tick(a->r, 2);
    ck_said(a, "start a.b 1\nstart m.j 1\nstart m.j 1\n");
    a->place = RUNNER_STARTED;
    runner_tick(a->r, 3);
    ck_said(a, "start a.b 1\nstart m.j 1\nstart m.j 1\n");
    runner_tick(a->r, 4);
    ck_said(a, "");
    asks_free(a);
}
END_TEST

/* `count` of those that want that label, from `number` on. */
static void wanting(struct asks *a, unsigned number, unsigned count, const char *labels,
                    unsigned priority)
{
    for (unsigned i = number; i < number + count; i++) {
        touch_more(a, (uint8_t)i, (uint8_t)(i >> 8));
        tell_more(a, (uint8_t)i, (uint8_t)(i >> 8), 5,
                  &(struct job_row){.labels = slice_str(labels), .priority = priority});
    }
    a->said.len = 0;
}

START_TEST(many_without_a_place_hold_up_no_others_but_those_of_their_kind)
{
    struct asks *a = asks_new();
    wanting(a, 0, 1000, "zone=b", 1);
    wanting(a, 1000, 2, "*zone=c", 2);
    wanting(a, 1002, 1, "*zone=d", 3);
    a->place = RUNNER_NODE_FULL;
    ck_assert_uint_eq(runner_tick(a->r, 1), UINT64_MAX);
    ck_said(a, "start m.j 1 zone=b\nstart m.j 1 zone=c anywhere\nstart m.j 1 zone=d anywhere\n");
    a->full = slice_str("zone=b");
    a->place = RUNNER_STARTED;
    runner_tick(a->r, 2);
    ck_said(a, "start m.j 1 zone=b\nstart m.j 1 zone=c anywhere\nstart m.j 1 zone=c anywhere\n"
               "start m.j 1 zone=d anywhere\n");
    asks_free(a);
}
END_TEST

START_TEST(more_than_are_tried_at_once_are_tried_at_once_after)
{
    struct asks *a = asks_new();
    unsigned tried = 0;
    wanting(a, 0, 600, "zone=b", 1);
    a->place = RUNNER_STARTED;
    for (msec_t now = 1; tried < 600; now++) {
        msec_t wait = runner_tick(a->r, now);
        for (size_t i = 0; i < a->said.len; i++)
            tried += a->said.data[i] == '\n';
        ck_assert(tried == 600 || wait == 1);
        ck_assert(a->said.len);
        a->said.len = 0;
    }
    asks_free(a);
}
END_TEST

START_TEST(one_that_runs_is_begun_again_only_when_nobody_runs_it)
{
    struct asks *a = asks_new();
    a->alive = true;
    touch(a, 1);
    tell_job(a, 1, 5, &(struct job_row){.status = JOB_RUNNING, .attempt = 3});
    a->said.len = 0;
    ck_assert_uint_eq(runner_tick(a->r, 1), 1000);
    ck_said(a, "");
    a->alive = false;
    runner_tick(a->r, 1001);
    ck_said(a, "start m.j 4\n");
    ck_assert_uint_eq(runner_tick(a->r, 1001), 5000); /* it did not begin: again */
    runner_tick(a->r, 6001);
    ck_said(a, "start m.j 4\n");
    asks_free(a);
}
END_TEST

static struct job_id id_of(uint8_t number)
{
    return (struct job_id){{number}};
}

START_TEST(one_that_another_node_did_not_take_is_placed_again_soon)
{
    struct asks *a = asks_new();
    struct job_id id = id_of(1);
    touch(a, 1);
    tell_job(a, 1, 5, &(struct job_row){.labels = slice_str("*zone=x")});
    a->said.len = 0;
    a->place = RUNNER_LATER;
    runner_tick(a->r, 1);
    a->place = RUNNER_STARTED;
    ck_assert_uint_eq(runner_tick(a->r, 2), 5000);
    ck_said(a, "start m.j 1 zone=x anywhere\nstart m.j 1 zone=x anywhere\n");
    runner_lost(a->r, 1, 0, &id, 3, 10); /* another attempt */
    ck_assert_uint_eq(runner_tick(a->r, 10), 4992);
    runner_lost(a->r, 1, 0, &id, 1, 10);
    ck_assert_uint_eq(runner_tick(a->r, 10), 50);
    runner_tick(a->r, 60);
    ck_said(a, "start m.j 1 zone=x anywhere\n");
    asks_free(a);
}
END_TEST

START_TEST(one_that_its_node_does_not_run_any_more_is_taken_over)
{
    struct asks *a = asks_new();
    struct job_id id = id_of(1);
    a->alive = true;
    touch(a, 1);
    tell_job(a, 1, 5, &(struct job_row){.status = JOB_RUNNING, .attempt = 3});
    a->said.len = 0;
    runner_tick(a->r, 1);
    runner_lost(a->r, 1, 0, &id, 2, 2);
    runner_tick(a->r, 2);
    ck_said(a, "");
    runner_lost(a->r, 1, 0, &id, 3, 3);
    runner_lost(a->r, 1, 0, &id, 3, 3);
    runner_tick(a->r, 3);
    ck_said(a, "start m.j 4\n");
    tell_job(a, 1, 6, &(struct job_row){.status = JOB_DONE, .attempt = 3});
    runner_lost(a->r, 1, 0, &id, 3, 4); /* it had just ended */
    runner_tick(a->r, 5000);
    ck_said(a, "");
    asks_free(a);
}
END_TEST

START_TEST(a_deadline_passes_for_who_waits_and_who_runs)
{
    struct asks *a = asks_new();
    a->place = RUNNER_NODE_FULL;
    a->alive = true;
    touch(a, 1);
    tell_job(a, 1, 5, &(struct job_row){.deadline = 50});
    touch(a, 2);
    tell_job(a, 2, 5, &(struct job_row){.deadline = 60, .status = JOB_RUNNING, .attempt = 1});
    runner_tick(a->r, 1);
    a->said.len = 0;
    runner_tick(a->r, 50);
    ck_said(a, "expire it\n");
    runner_tick(a->r, 60);
    ck_said(a, "expire it\n");
    asks_free(a);
}
END_TEST

START_TEST(what_ends_is_counted_once_and_what_had_ended_before_it_was_led_is_not)
{
    struct asks *a = asks_new();
    struct runner_stats s;
    struct buf bytes = BUF_INIT;
    uint8_t key[JOB_KEY_BYTES] = {'j', 9};
    struct job_row old = {.status = JOB_DONE, .name = slice_str("m.j"), .key = slice_str("k")};
    a->holds = true;
    runner_led(a->r, 1, 0, true);
    runner_tick(a->r, 1);
    job_row_encode(&old, &bytes);
    struct runner_entry e = {slice_make(key, sizeof key), buf_slice(&bytes), 3};
    runner_page(a->r, a->era, 1, 0, &e, 1, slice_make(NULL, 0));
    touch(a, 1);
    tell_job(a, 1, 5, &(struct job_row){.status = JOB_RUNNING, .attempt = 1});
    tell_job(a, 1, 6, &(struct job_row){.status = JOB_DONE, .attempt = 1});
    tell_job(a, 1, 7, &(struct job_row){.status = JOB_DONE, .attempt = 1});
    touch(a, 2); /* it ended before it was looked at */
    tell_job(a, 2, 8, &(struct job_row){.status = JOB_CANCELLED});
    runner_stats(a->r, &s);
    ck_assert(s.done == 1 && s.cancelled == 1 && s.failed == 0 && s.ended == 3);
    buf_release(&bytes);
    asks_free(a);
}
END_TEST

START_TEST(a_schedule_is_fired_when_it_is_due_and_again_until_that_is_done)
{
    struct asks *a = asks_new();
    struct buf bytes = BUF_INIT;
    struct schedule_row row = {.every_ms = 1000,
                               .made = 100,
                               .last = 100,
                               .name = slice_str("s"),
                               .job = slice_str("m.j"),
                               .key = slice_str("k")};
    schedule_row_encode(&row, &bytes);
    runner_touched(a->r, 1, 0, slice_str("ss"));
    struct runner_entry e = {slice_str("ss"), buf_slice(&bytes), 5};
    runner_row(a->r, a->era, 1, 0, &e);
    a->said.len = 0;
    ck_assert_uint_eq(runner_tick(a->r, 200), 900);
    runner_tick(a->r, 1100);
    ck_said(a, "fire s 1100\n");
    runner_tick(a->r, 1600);
    ck_said(a, "fire s 1100\n");
    buf_release(&bytes);
    asks_free(a);
}
END_TEST

UNIT_MAIN("coordination/runner", what_is_led_is_scanned_if_there_is_anything,
          what_is_touched_is_read_and_once_at_a_time,
          an_older_row_says_nothing_and_another_life_of_the_lead_neither,
          the_first_in_priority_goes_first_and_those_without_a_place_wait,
          many_without_a_place_hold_up_no_others_but_those_of_their_kind,
          more_than_are_tried_at_once_are_tried_at_once_after,
          one_that_runs_is_begun_again_only_when_nobody_runs_it,
          one_that_another_node_did_not_take_is_placed_again_soon,
          one_that_its_node_does_not_run_any_more_is_taken_over,
          a_deadline_passes_for_who_waits_and_who_runs,
          what_ends_is_counted_once_and_what_had_ended_before_it_was_led_is_not,
          a_schedule_is_fired_when_it_is_due_and_again_until_that_is_done)
