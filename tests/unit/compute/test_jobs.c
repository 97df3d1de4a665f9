/* test_jobs.c - the procedures of jobs and schedules in a shard.
 * LINK: compute command shard replica control data base */
#include "compute/schedule.h"
#include "tests/unit/compute/tasks.h"

static struct job_id the_id;

static struct op job_op(struct world *w, struct slice key, procedure_fn *procedure,
                        const struct slice *args, uint32_t args_len)
{
    struct op op = h_op(OP_CALL, cache_hidden(cache_context(w->c)), "");
    op.key = key;
    op.affinity = slice_str("k");
    op.partition = partition_of("k");
    op.procedure = procedure;
    op.finds_keys = true;
    op.args = args;
    op.args_len = args_len;
    op.keys = &op.key;
    op.keys_len = 1;
    return op;
}

static struct answered *call_at(struct world *w, struct slice key, procedure_fn *procedure,
                                const struct slice *args, uint32_t args_len)
{
    struct op op = job_op(w, key, procedure, args, args_len);
    op.keys = &key;
    struct answered *a = h_do(w->h, op);
    for (int i = 0; i < 20 && !a->times; i++) {
        h_durable(w->h);
        h_cold(w->h);
    }
    ck_assert_int_eq(a->times, 1);
    return a;
}

static struct answered *call(struct world *w, procedure_fn *procedure, const struct slice *args,
                             uint32_t args_len)
{
    uint8_t key[JOB_KEY_BYTES];
    job_id_key(&the_id, key);
    return call_at(w, slice_make(key, sizeof key), procedure, args, args_len);
}

static struct job_row row_of(const char *name)
{
    return (struct job_row){.name = slice_str(name),
                            .key = slice_str("k"),
                            .arg = slice_str("{}"),
                            .priority = 5,
                            .attempts_max = 1,
                            .backoff_ms = 1000,
                            .keep_ms = 60000};
}

static enum job_answer submit(struct world *w, struct job_row row)
{
    struct buf bytes = BUF_INIT;
    row.cache = w->c;
    row.slot = hash_slot(slice_str("k"));
    the_id = job_id_make(cache_context(w->c), (uint16_t)row.slot, (const uint8_t *)"0123456789ab");
    job_row_encode(&row, &bytes);
    const struct slice args[] = {slice_str("submit"), buf_slice(&bytes)};
    struct answered *a = call(w, command_job_submit, args, 2);
    buf_release(&bytes);
    ck_answer(a, GRID_OK);
    return (enum job_answer)a->number;
}

static enum job_answer begin_attempt(struct world *w, uint64_t attempt, const char *node)
{
    uint8_t number[8], version[8];
    store_u64(number, attempt);
    store_u64(version, 7);
    const struct slice args[] = {slice_str("begin"), slice_make(number, 8), slice_make(version, 8),
                                 slice_str(node)};
    struct answered *a = call(w, command_job_begin, args, 4);
    ck_answer(a, GRID_OK);
    return (enum job_answer)a->number;
}

static struct answered *step(struct world *w, struct job_step s, const struct job_write *writes,
                             size_t len)
{
    struct buf head = BUF_INIT, bytes[4] = {BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT};
    struct slice args[6] = {slice_str("step")};
    s.progress = s.progress ? s.progress : JOB_PROGRESS_NONE;
    job_step_encode(&s, &head);
    args[1] = buf_slice(&head);
    for (size_t i = 0; i < len; i++) {
        job_write_encode(&writes[i], &bytes[i]);
        args[2 + i] = buf_slice(&bytes[i]);
    }
    struct answered *a = call(w, command_job_step, args, (uint32_t)(2 + len));
    buf_release(&head);
    for (size_t i = 0; i < len; i++)
        buf_release(&bytes[i]);
    return a;
}

static void ck_step(struct answered *a, enum job_answer want)
{
    ck_answer(a, GRID_OK);
    ck_assert_int_eq(a->number, want);
}

static struct job_row row_now(struct world *w)
{
    static struct buf bytes;
    uint8_t key[JOB_KEY_BYTES];
    struct job_row row;
    job_id_key(&the_id, key);
    struct op op = h_op(OP_GET, cache_hidden(cache_context(w->c)), "");
    op.key = slice_make(key, sizeof key);
    op.partition = partition_of("k");
    struct answered *a = h_do(w->h, op);
    h_durable(w->h);
    ck_answer(a, GRID_OK);
    buf_set(&bytes, buf_slice(&a->value));
    ck_assert(job_row_decode(buf_slice(&bytes), &row));
    return row;
}

static struct job_write put_of(struct world *w, const char *key, const char *value)
{
    return (struct job_write){
        .kind = JOB_PUT, .cache = w->c, .key = slice_str(key), .value = slice_str(value)};
}

/* --- jobs ------------------------------------------------------------------------------------- */

static struct world *job_world(void)
{
    struct world *w = world_new();
    deploy(w, MOD "grid.job('j', function(j) end) grid.task('t', function(t) end) "
                  "grid.broadcast('b', function(b) end)");
    return w;
}

START_TEST(a_job_is_queued_runs_and_is_done_with_its_result)
{
    struct world *w = job_world();
    ck_assert_int_eq(submit(w, row_of("m.j")), JOB_TAKEN);
    ck_assert_uint_eq(row_now(w).status, JOB_QUEUED);
    ck_assert_int_eq(begin_attempt(w, 1, "n"), JOB_TAKEN);
    ck_assert_uint_eq(row_now(w).status, JOB_RUNNING);
    struct job_write put = put_of(w, "k", "v");
    ck_step(step(w,
                 (struct job_step){.kind = JOB_STEP_MORE,
                                   .attempt = 1,
                                   .step = 1,
                                   .stated = 1,
                                   .bytes = slice_str("half"),
                                   .progress = 5000},
                 &put, 1),
            JOB_TAKEN);
    has(w, w->c, "k", "v");
    struct job_row row = row_now(w);
    ck_assert(slice_eq(row.state, slice_str("half")));
    ck_assert_uint_eq(row.progress, 5000);
    ck_assert_uint_eq(row.module, 7);
    ck_step(step(w,
                 (struct job_step){
                     .kind = JOB_STEP_DONE, .attempt = 1, .step = 2, .bytes = slice_str("result")},
                 NULL, 0),
            JOB_TAKEN);
    row = row_now(w);
    ck_assert_uint_eq(row.status, JOB_DONE);
    ck_assert(slice_eq(row.result, slice_str("result")));
    w->h->now += 60000;
    for (int i = 0; i < 5; i++)
        shard_tick(w->h->s, w->h->now);
    h_durable(w->h);
    ck_assert_int_eq(begin_attempt(w, 2, "n"), JOB_GONE);
    world_free(w);
}
END_TEST

START_TEST(a_job_of_an_id_is_there_once)
{
    struct world *w = job_world();
    ck_assert_int_eq(submit(w, row_of("m.j")), JOB_TAKEN);
    ck_assert_int_eq(begin_attempt(w, 1, "n"), JOB_TAKEN);
    ck_assert_int_eq(submit(w, row_of("m.j")), JOB_TAKEN);
    ck_assert_int_eq(submit(w, row_of("m.t")), JOB_FENCED); /* that is another one */
    struct job_row other = row_of("m.j");
    other.arg = slice_str("{1}");
    ck_assert_int_eq(submit(w, other), JOB_FENCED);
    struct job_row row = row_now(w);
    ck_assert_uint_eq(row.status, JOB_RUNNING);
    ck_assert(slice_eq(row.name, slice_str("m.j")));
    world_free(w);
}
END_TEST

static struct answered *submit_asked(struct world *w, const char *name)
{
    struct buf bytes = BUF_INIT;
    struct job_row row = row_of(name);
    row.cache = w->c;
    the_id = job_id_make(cache_context(w->c), 1, (const uint8_t *)"no such code");
    job_row_encode(&row, &bytes);
    const struct slice args[] = {slice_str("submit"), buf_slice(&bytes)};
    struct answered *a = call(w, command_job_submit, args, 2);
    buf_release(&bytes);
    return a;
}

static void ck_missing(struct answered *a, const char *why)
{
    ck_answer(a, GRID_ENO_TASK);
    ck_assert_msg(slice_eq(buf_slice(&a->value), slice_str(why)), "%.*s", (int)a->value.len,
                  (const char *)a->value.data);
}

START_TEST(a_job_whose_code_is_not_there_is_refused_and_says_so)
{
    struct world *w = job_world();
    ck_missing(submit_asked(w, "other.j"), "no module other is deployed");
    ck_missing(submit_asked(w, "m.none"), "module m has no job none");
    ck_missing(submit_asked(w, "m.b"), "m.b is a broadcast, not a job");
    ck_answer(submit_asked(w, "m.t"), GRID_OK);    /* a task is run as a job */
    ck_answer(submit_asked(w, "m.gone"), GRID_OK); /* there is one of that id: a repetition */
    world_free(w);
}
END_TEST

START_TEST(only_the_next_attempt_begins_and_only_the_newest_ones_step_counts)
{
    struct world *w = job_world();
    submit(w, row_of("m.j"));
    ck_assert_int_eq(begin_attempt(w, 2, "a"), JOB_FENCED);
    ck_assert_int_eq(begin_attempt(w, 1, "a"), JOB_TAKEN);
    ck_assert_int_eq(begin_attempt(w, 1, "a"), JOB_TAKEN); /* asked again */
    ck_assert_int_eq(begin_attempt(w, 1, "b"), JOB_FENCED);
    ck_assert_int_eq(begin_attempt(w, 2, "b"), JOB_TAKEN);
    struct job_write put = put_of(w, "k", "old");
    struct job_step s = {.kind = JOB_STEP_MORE, .attempt = 1, .step = 1};
    ck_step(step(w, s, &put, 1), JOB_FENCED);
    has(w, w->c, "k", NULL);
    s.attempt = 2;
    put.value = slice_str("new");
    ck_step(step(w, s, &put, 1), JOB_TAKEN);
    s.step = 3;
    ck_step(step(w, s, &put, 1), JOB_FENCED);
    has(w, w->c, "k", "new");
    world_free(w);
}
END_TEST

START_TEST(a_step_that_is_repeated_is_done_once)
{
    struct world *w = job_world();
    submit(w, row_of("m.j"));
    begin_attempt(w, 1, "n");
    struct job_write add = {.kind = JOB_ADD, .cache = w->d, .key = slice_str("n"), .delta = 5};
    struct job_step s = {.kind = JOB_STEP_MORE, .attempt = 1, .step = 1};
    ck_step(step(w, s, &add, 1), JOB_TAKEN);
    ck_step(step(w, s, &add, 1), JOB_TAKEN);
    has(w, w->d, "n", "5");
    s = (struct job_step){.kind = JOB_STEP_DONE, .attempt = 1, .step = 2};
    ck_step(step(w, s, &add, 1), JOB_TAKEN);
    ck_step(step(w, s, &add, 1), JOB_TAKEN);
    has(w, w->d, "n", "10");
    world_free(w);
}
END_TEST

START_TEST(what_was_read_and_has_changed_since_is_a_conflict_that_changes_nothing)
{
    struct world *w = job_world();
    submit(w, row_of("m.j"));
    begin_attempt(w, 1, "n");
    put(w, w->c, "k", "1");
    struct job_write writes[] = {
        {.kind = JOB_READ, .cache = w->c, .key = slice_str("k"), .checked = 1, .version = 1},
        put_of(w, "x", "2")};
    struct job_step s = {.kind = JOB_STEP_MORE, .attempt = 1, .step = 1};
    ck_step(step(w, s, writes, 2), JOB_CONFLICT);
    has(w, w->c, "x", NULL);
    ck_assert_uint_eq(row_now(w).step, 0);
    writes[0].version = get_at(w, w->c, "k", "k")->version;
    ck_step(step(w, s, writes, 2), JOB_TAKEN);
    has(w, w->c, "x", "2");
    world_free(w);
}
END_TEST

START_TEST(what_cannot_be_written_is_an_error_and_the_attempt_goes_on)
{
    struct world *w = job_world();
    submit(w, row_of("m.j"));
    begin_attempt(w, 1, "n");
    put(w, w->c, "k", "text");
    const struct {
        struct job_write write;
        enum grid_err err;
    } cases[] = {
        {{.kind = JOB_ADD, .cache = w->c, .key = slice_str("k"), .delta = 1}, GRID_ENOT_NUMBER},
        {{.kind = JOB_PUT, .cache = w->c + 77, .key = slice_str("k")}, GRID_ENO_CACHE},
        {{.kind = JOB_PUT, .cache = cache_hidden(cache_context(w->c)), .key = slice_str("k")},
         GRID_ENO_CACHE},
        {{.kind = JOB_PUT, .cache = 1 << 16 | 1, .key = slice_str("k")}, GRID_EBAD_REQUEST},
    };
    struct job_step s = {.kind = JOB_STEP_MORE, .attempt = 1, .step = 1};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_answer(step(w, s, &cases[i].write, 1), cases[i].err);
    struct job_write good = put_of(w, "k", "v");
    ck_step(step(w, s, &good, 1), JOB_TAKEN);
    world_free(w);
}
END_TEST

START_TEST(one_that_fails_is_tried_again_later_each_time_and_then_is_failed)
{
    struct world *w = job_world();
    struct job_row row = row_of("m.j");
    row.attempts_max = 3;
    submit(w, row);
    for (uint64_t i = 1; i <= 3; i++) {
        ck_assert_int_eq(begin_attempt(w, i, "n"), JOB_TAKEN);
        struct job_step s = {
            .kind = JOB_STEP_FAIL, .attempt = i, .step = i, .bytes = slice_str("why")};
        ck_step(step(w, s, NULL, 0), JOB_TAKEN);
        row = row_now(w);
        ck_assert(slice_eq(row.result, slice_str("why")));
        ck_assert_uint_eq(row.status, i < 3 ? JOB_QUEUED : JOB_FAILED);
        if (i < 3)
            ck_assert_uint_eq(row.due, w->h->now + (1000u << (i - 1)));
    }
    ck_assert_int_eq(begin_attempt(w, 4, "n"), JOB_FENCED);
    world_free(w);
}
END_TEST

START_TEST(what_is_cancelled_or_late_is_over_for_its_attempt)
{
    struct world *w = job_world();
    const struct slice cancel[] = {slice_str("cancel")};
    struct job_row row = row_of("m.j");
    submit(w, row);
    begin_attempt(w, 1, "n");
    struct job_step expire = {.kind = JOB_STEP_EXPIRE};
    ck_step(step(w, expire, NULL, 0), JOB_FENCED);
    const struct slice other[] = {slice_str("cancel"), slice_str("work.other")};
    ck_assert_int_eq(call(w, command_job_cancel, other, 2)->number, JOB_GONE);
    ck_assert_int_eq(call(w, command_job_cancel, cancel, 1)->number, JOB_TAKEN);
    ck_assert_int_eq(call(w, command_job_cancel, cancel, 1)->number, JOB_FENCED);
    ck_assert_uint_eq(row_now(w).status, JOB_CANCELLED);
    ck_step(step(w, (struct job_step){.kind = JOB_STEP_DONE, .attempt = 1, .step = 1}, NULL, 0),
            JOB_FENCED);
    world_free(w);
    w = job_world();
    row.deadline = w->h->now + 100;
    submit(w, row);
    begin_attempt(w, 1, "n");
    w->h->now += 100;
    ck_step(step(w, expire, NULL, 0), JOB_TAKEN);
    ck_assert_uint_eq(row_now(w).status, JOB_FAILED);
    world_free(w);
}
END_TEST

START_TEST(keys_that_are_on_disk_are_fetched_for_a_step)
{
    struct world *w = job_world();
    submit(w, row_of("m.j"));
    begin_attempt(w, 1, "n");
    put(w, w->c, "k", "1");
    put(w, w->c, "x", "1");
    h_checkpoint(w->h);
    h_set_limits(w->h, 1);
    for (int i = 0; i < 5; i++)
        shard_tick(w->h->s, w->h->now);
    h_set_limits(w->h, 0);
    struct job_write writes[] = {
        {.kind = JOB_ADD, .cache = w->c, .key = slice_str("k"), .delta = 1},
        {.kind = JOB_ADD, .cache = w->c, .key = slice_str("x"), .delta = 1}};
    struct job_step s = {.kind = JOB_STEP_DONE, .attempt = 1, .step = 1};
    ck_step(step(w, s, writes, 2), JOB_TAKEN);
    has(w, w->c, "k", "2");
    has(w, w->c, "x", "2");
    world_free(w);
}
END_TEST

START_TEST(bytes_that_are_no_call_are_refused)
{
    struct world *w = job_world();
    const struct slice args[] = {slice_str("x"), slice_str("\1\377\377"), slice_str("y")};
    ck_answer(call(w, command_job_submit, args, 2), GRID_EBAD_REQUEST);
    ck_answer(call(w, command_job_submit, args, 3), GRID_EBAD_REQUEST);
    ck_answer(call(w, command_job_begin, args, 3), GRID_EBAD_REQUEST);
    ck_answer(call(w, command_job_step, args, 2), GRID_EBAD_REQUEST);
    ck_answer(call(w, command_schedule_put, args, 2), GRID_EBAD_REQUEST);
    ck_answer(call(w, command_schedule_fire, args, 3), GRID_EBAD_REQUEST);
    world_free(w);
}
END_TEST

/* --- schedules -------------------------------------------------------------------------------- */

static struct answered *schedule_call(struct world *w, procedure_fn *procedure,
                                      const struct slice *args, uint32_t args_len)
{
    return call_at(w, slice_str("severy"), procedure, args, args_len);
}

static struct answered *schedule_put(struct world *w, const char *job)
{
    struct buf bytes = BUF_INIT;
    struct schedule_row row = {.name = slice_str("every"),
                               .every_ms = 1000,
                               .job = slice_str(job),
                               .key = slice_str("k"),
                               .cache = w->c,
                               .slot = hash_slot(slice_str("k")),
                               .attempts_max = 1,
                               .keep_ms = 1000};
    schedule_row_encode(&row, &bytes);
    const struct slice args[] = {slice_str("put"), buf_slice(&bytes)};
    struct answered *a = schedule_call(w, command_schedule_put, args, 2);
    buf_release(&bytes);
    return a;
}

static void schedule_make(struct world *w)
{
    ck_missing(schedule_put(w, "m.none"), "module m has no job none");
    ck_answer(schedule_put(w, "m.j"), GRID_OK);
    ck_answer(schedule_put(w, "m.j"), GRID_EEXISTS);
}

static struct answered *fire(struct world *w, uint64_t last, uint64_t tick)
{
    uint8_t a[8], b[8];
    store_u64(a, last);
    store_u64(b, tick);
    const struct slice args[] = {slice_str("fire"), slice_make(a, 8), slice_make(b, 8)};
    struct answered *got = schedule_call(w, command_schedule_fire, args, 3);
    ck_answer(got, GRID_OK);
    return got;
}

static struct schedule_row schedule_now(struct world *w)
{
    static struct buf bytes;
    struct schedule_row row;
    struct op op = h_op(OP_GET, cache_hidden(cache_context(w->c)), "severy");
    op.partition = partition_of("k");
    struct answered *a = h_do(w->h, op);
    h_durable(w->h);
    ck_answer(a, GRID_OK);
    buf_set(&bytes, buf_slice(&a->value));
    ck_assert(schedule_row_decode(buf_slice(&bytes), &row));
    return row;
}

START_TEST(a_tick_is_fired_once_and_its_end_is_in_the_history)
{
    struct world *w = job_world();
    schedule_make(w);
    uint64_t made = schedule_now(w).made, tick = made + 1000;
    ck_assert_int_eq(fire(w, made, tick)->reply, REPLY_NULL); /* it is not due */
    w->h->now += 1500;
    struct answered *a = fire(w, made, tick);
    ck_assert_int_eq(a->reply, REPLY_BULK);
    ck_assert_uint_eq(a->value.len, JOB_ID_BYTES);
    memcpy(the_id.bytes, a->value.data, JOB_ID_BYTES);
    ck_assert_int_eq(fire(w, made, tick)->reply, REPLY_NULL);
    ck_assert_uint_eq(row_now(w).status, JOB_QUEUED);
    begin_attempt(w, 1, "n");
    ck_step(step(w, (struct job_step){.kind = JOB_STEP_DONE, .attempt = 1, .step = 1}, NULL, 0),
            JOB_TAKEN);
    struct schedule_row row = schedule_now(w);
    ck_assert_uint_eq(row.last, tick);
    ck_assert_uint_eq(row.runs_len, 1);
    ck_assert_uint_eq(row.runs[0].status, JOB_DONE);
    ck_assert_uint_eq(row.runs[0].tick, tick);
    world_free(w);
}
END_TEST

START_TEST(a_paused_schedule_is_fired_by_hand_only_and_a_removed_one_not_at_all)
{
    struct world *w = job_world();
    uint8_t what[8];
    const struct slice alter[] = {slice_str("alter"), slice_make(what, 8)};
    schedule_make(w);
    uint64_t made = schedule_now(w).made;
    store_u64(what, SCHEDULE_PAUSE);
    ck_answer(schedule_call(w, command_schedule_alter, alter, 2), GRID_OK);
    w->h->now += 1500;
    ck_assert_int_eq(fire(w, made, made + 1000)->reply, REPLY_NULL);
    ck_assert_int_eq(fire(w, made, 0)->reply, REPLY_BULK);
    ck_assert_uint_eq(schedule_now(w).last, made);
    store_u64(what, SCHEDULE_REMOVE);
    ck_answer(schedule_call(w, command_schedule_alter, alter, 2), GRID_OK);
    ck_assert_int_eq(fire(w, made, 0)->reply, REPLY_NULL);
    world_free(w);
}
END_TEST

START_TEST(the_latest_of_missed_ticks_is_due)
{
    struct schedule_row row = {.every_ms = 1000, .made = 500, .last = 500};
    ck_assert_uint_eq(schedule_due(&row, 1499), 0);
    ck_assert_uint_eq(schedule_due(&row, 1500), 1500);
    ck_assert_uint_eq(schedule_due(&row, 99999), 99500);
    row.last = 99500;
    ck_assert_uint_eq(schedule_due(&row, 99999), 0);
    struct schedule_row cron = {.cron = slice_str("0 3 * * *"), .made = 1, .last = 1};
    msec_t day = 86400000, three = 3 * 3600000;
    ck_assert_uint_eq(schedule_due(&cron, 400 * day), 399 * day + three);
    ck_assert_uint_eq(schedule_due(&cron, 400 * day + three), 400 * day + three);
}
END_TEST

/* --- cron ------------------------------------------------------------------------------------- */

START_TEST(cron_finds_the_next_time)
{
    const struct {
        const char *text;
        msec_t after, next;
    } cases[] = {
        {"* * * * *", 0, 60000},
        {"*/15 * * * *", 60000, 900000},
        {"0 0 1 1 *", 1, UINT64_C(31536000000)},
        {"0 0 29 2 *", 1, UINT64_C(68169600000)},  /* 1972-02-29 */
        {"30 4 * * mon", 1, UINT64_C(361800000)},  /* Monday 5 January 1970, 04:30 */
        {"30 4 * * 7", 1, UINT64_C(275400000)},    /* Sunday 4 January */
        {"0 12 13 * fri", 1, UINT64_C(129600000)}, /* Friday 2 January: one is enough */
        {"5,10-12/2 0 * * *", 300000, 600000},
        {"@hourly", 1, 3600000},
        {"0 0 * feb-mar tue", 1, UINT64_C(2851200000)}, /* 3 February 1970 */
    };
    char why[CRON_WHY_BYTES];
    struct cron c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(cron_parse(slice_str(cases[i].text), &c, why), "%s: %s", cases[i].text, why);
        ck_assert_msg(cron_next(&c, cases[i].after) == cases[i].next, "%s: %llu", cases[i].text,
                      (unsigned long long)cron_next(&c, cases[i].after));
    }
}
END_TEST

START_TEST(what_is_no_cron_is_refused_with_the_field_that_is_wrong)
{
    const struct {
        const char *text, *says;
    } cases[] = {
        {"", "five fields"},
        {"* * * *", "five fields"},
        {"* * * * * *", "five fields"},
        {"60 * * * *", "the minute"},
        {"* 24 * * *", "the hour"},
        {"* * 0 * *", "day of the month"},
        {"* * * 13 *", "the month"},
        {"* * * * 8", "the week"},
        {"*/0 * * * *", "the minute"},
        {"5-1 * * * *", "the minute"},
        {"x * * * *", "the minute"},
        {"0 0 30 2 *", "no such day"},
        {"1,,2 * * * *", "the minute"},
        {"99999999999 * * * *", "the minute"},
    };
    char why[CRON_WHY_BYTES];
    struct cron c;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert(!cron_parse(slice_str(cases[i].text), &c, why));
        ck_assert_msg(strstr(why, cases[i].says) != NULL, "%s: %s", cases[i].text, why);
    }
}
END_TEST

UNIT_MAIN("compute/jobs", a_job_is_queued_runs_and_is_done_with_its_result,
          a_job_of_an_id_is_there_once, a_job_whose_code_is_not_there_is_refused_and_says_so,
          only_the_next_attempt_begins_and_only_the_newest_ones_step_counts,
          a_step_that_is_repeated_is_done_once,
          what_was_read_and_has_changed_since_is_a_conflict_that_changes_nothing,
          what_cannot_be_written_is_an_error_and_the_attempt_goes_on,
          one_that_fails_is_tried_again_later_each_time_and_then_is_failed,
          what_is_cancelled_or_late_is_over_for_its_attempt,
          keys_that_are_on_disk_are_fetched_for_a_step, bytes_that_are_no_call_are_refused,
          a_tick_is_fired_once_and_its_end_is_in_the_history,
          a_paused_schedule_is_fired_by_hand_only_and_a_removed_one_not_at_all,
          the_latest_of_missed_ticks_is_due, cron_finds_the_next_time,
          what_is_no_cron_is_refused_with_the_field_that_is_wrong)
