/* test_native_job.c - jobs in C: what they see, what their steps are, how they end; as those in Lua
 * (test_job_run.c).
 * LINK: compute command shard replica control data base */
#include <grid_module.h>

#include "compute/native.h"
#include "tests/unit/compute/job_stage.h"

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

static const struct grid_bytes none;

/* --- the jobs --------------------------------------------------------------------------------- */

static enum grid_err knows(struct grid_attempt *a)
{
    char said[64];
    snprintf(said, sizeof said, "%.*s%.*s%u%.*s", (int)a->key.len, (const char *)a->key.data,
             (int)a->argument.len, (const char *)a->argument.data, a->number, (int)a->state.len,
             a->has_state ? (const char *)a->state.data : "");
    ck_assert(strlen(a->id) == JOB_ID_TEXT && a->ctx == NULL);
    return grid_attempt_result(a, text(said));
}

static enum grid_err checkpoints(struct grid_attempt *a)
{
    enum grid_err err = grid_attempt_put(a, NULL, text("x"), text("1"), NULL);
    if (!err)
        err = grid_attempt_checkpoint(a, text("half"), 0.5);
    return err ? err : grid_attempt_result(a, text("end"));
}

static enum grid_err reads_and_puts(struct grid_attempt *a)
{
    struct grid_seen seen;
    if (grid_attempt_get(a, NULL, text("k"), &seen) || seen.version != 9 || seen.value.len != 1)
        return GRID_EIO;
    return grid_attempt_put(a, NULL, text("k"), text("6"), NULL);
}

static enum grid_err deletes(struct grid_attempt *a)
{
    struct grid_seen seen;
    if (grid_attempt_get(a, NULL, text("none"), &seen) != GRID_ENOT_FOUND)
        return GRID_EIO;
    enum grid_err err = grid_attempt_delete(a, NULL, text("k"));
    return err || grid_attempt_get(a, NULL, text("k"), &seen) == GRID_ENOT_FOUND ? err : GRID_EIO;
}

static enum grid_err adds(struct grid_attempt *a)
{
    enum grid_err err = grid_attempt_incr(a, NULL, text("k"), 1);
    return err ? err : grid_attempt_incr(a, NULL, text("k"), 4);
}

static enum grid_err adds_and_reads(struct grid_attempt *a)
{
    struct grid_seen seen;
    enum grid_err err = grid_attempt_incr(a, NULL, text("k"), 1);
    if (!err)
        err = grid_attempt_get(a, NULL, text("k"), &seen);
    if (!err && seen.version)
        return GRID_EIO; /* it is the job's own */
    if (!err)
        err = grid_attempt_result(a, seen.value);
    return err ? err : grid_attempt_incr(a, NULL, text("k"), 1);
}

static enum grid_err elsewhere(struct grid_attempt *a)
{
    const struct grid_write how = {.ttl = GRID_TTL_SET, .ttl_ms = 5},
                            wrong = {.condition = GRID_IF_ABSENT};
    struct grid_seen seen;
    bool good = grid_attempt_put(a, "nowhere", text("x"), text("v"), NULL) == GRID_ENO_CACHE &&
                grid_attempt_put(a, "d", text(""), text("v"), NULL) == GRID_EBAD_REQUEST &&
                grid_attempt_put(a, "d", text("x"), text("v"), &wrong) == GRID_EBAD_REQUEST &&
                grid_attempt_put(a, "d", text("x"), text("v"), &how) == GRID_OK &&
                grid_attempt_get(a, "d", text("x"), &seen) == GRID_OK && seen.value.len == 1 &&
                grid_attempt_incr(a, "d", text("x"), 1) == GRID_ENOT_NUMBER;
    return good ? GRID_OK : GRID_EIO;
}

static enum grid_err scans(struct grid_attempt *a)
{
    struct grid_bytes cursor = none;
    const struct grid_seen *list;
    size_t len;
    enum grid_err err = grid_attempt_scan(a, NULL, none, &cursor, 0, &list, &len);
    if (err || len != 1 || list[0].value.len != 1 || list[0].version != 5 || !cursor.len)
        return GRID_EIO;
    err = grid_attempt_scan(a, NULL, none, &cursor, 0, &list, &len);
    if (err || len != 1 || list[0].type != GRID_HASH || list[0].value.len || cursor.len)
        return GRID_EIO;
    return grid_attempt_result(a, list[0].key);
}

static enum grid_err runs(struct grid_attempt *a)
{
    struct grid_bytes result;
    if (grid_attempt_run(a, NULL, "m.bad", text("q"), text("1"), &result) != GRID_ETASK)
        return GRID_EIO;
    enum grid_err err = grid_attempt_result(a, result);
    if (!err)
        err = grid_attempt_run(a, NULL, "m.t", text("q"), text("5"), &result);
    grid_attempt_log(a, "ran");
    return err ? err : grid_attempt_result(a, result);
}

static enum grid_err fails(struct grid_attempt *a)
{
    (void)!grid_attempt_put(a, NULL, text("x"), text("1"), NULL);
    (void)!grid_attempt_result(a, text("nothing of this"));
    return grid_attempt_fail(a, "no");
}

static enum grid_err bounded(struct grid_attempt *a)
{
    static char bytes[JOB_STATE_MAX + 1];
    char key[16];
    bool good =
        grid_attempt_checkpoint(a, (struct grid_bytes){bytes, sizeof bytes}, -1) ==
            GRID_ETOO_LARGE &&
        grid_attempt_checkpoint(a, none, 2) == GRID_EBAD_REQUEST &&
        grid_attempt_result(a, (struct grid_bytes){bytes, JOB_RESULT_MAX + 1}) == GRID_ETOO_LARGE &&
        !grid_attempt_alloc(a, 33 << 20) && grid_attempt_alloc(a, 1 << 20);
    for (unsigned i = 0; good && i <= 9000; i++) {
        snprintf(key, sizeof key, "%u", i);
        enum grid_err err = grid_attempt_delete(a, NULL, text(key));
        good = err == (i < 9000 ? GRID_OK : GRID_EFULL);
    }
    return good ? grid_attempt_fail(a, "as it should") : GRID_OK;
}

static enum grid_err goes_on(struct grid_attempt *a)
{
    struct grid_seen seen;
    if (grid_attempt_checkpoint(a, text("1"), -1) != GRID_ESTOPPING)
        return GRID_OK;
    bool over = grid_attempt_stopped(a) &&
                grid_attempt_put(a, NULL, text("x"), text("1"), NULL) == GRID_ESTOPPING &&
                grid_attempt_get(a, NULL, text("x"), &seen) == GRID_ESTOPPING &&
                grid_attempt_checkpoint(a, text("2"), -1) == GRID_ESTOPPING;
    return over ? GRID_OK : GRID_EIO; /* whatever it says now */
}

static enum grid_err loops(struct grid_attempt *a)
{
    while (!grid_attempt_stopped(a))
        ;
    return GRID_EIO;
}

/* --- how they go ------------------------------------------------------------------------------ */

static enum job_outcome play(struct stage *s, grid_job_fn *job, const char *state)
{
    const struct grid_native functions[] = {{.kind = GRID_NATIVE_JOB, .name = "j", .job = job}};
    const struct grid_native_module m = GRID_MODULE_INIT("m", functions);
    struct buf fault = BUF_INIT;
    struct natives *n = natives_new();
    struct world *w = world_new();
    ck_assert(natives_add(n, &m, &fault));
    struct job_run_conf conf = stage_conf(w, state);
    conf.native = natives_find(n, MODULE_JOB, slice_str("m.j"));
    enum job_outcome outcome = stage_play(s, &conf);
    world_free(w);
    natives_free(n);
    return outcome;
}

static const struct {
    grid_job_fn *job;
    const char *says;
} cases[] = {
    {knows, "done 4 [kA2]\n"},
    {checkpoints, "more 4 [half] put x=1\ndone 5 [end]\n"},
    {reads_and_puts, "done 4 [] put k=6@9\n"},
    {deletes, "done 4 [] read none@0 delete k\n"},
    {adds, "done 4 [] add k+5\n"},
    {adds_and_reads, "done 4 [6] put k=7@9\n"},
    {elsewhere, "done 4 [] put x=v\n"},
    {scans, "done 4 [b]\n"},
    {runs, "run m.bad q 1 50331649\nrun m.t q 5 50331650\nlog ran\ndone 4 [it failed7]\n"},
    {fails, "fail 4 [no]\n"},
    {bounded, "fail 4 [as it should]\n"},
};

START_TEST(what_a_job_does_is_in_its_steps)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stage s = {.value = "5"};
        ck_assert_int_eq(play(&s, cases[i].job, NULL), JOB_RUN_ENDED);
        ck_assert_str_eq((const char *)s.said.data, cases[i].says);
        buf_release(&s.said);
    }
}
END_TEST

START_TEST(it_goes_on_from_its_state)
{
    struct stage s = {.value = "5"};
    ck_assert_int_eq(play(&s, knows, "half"), JOB_RUN_ENDED);
    ck_assert_str_eq((const char *)s.said.data, "done 4 [kA2half]\n");
    buf_release(&s.said);
}
END_TEST

START_TEST(nothing_of_it_goes_on_when_it_is_fenced_or_meets_a_conflict)
{
    struct stage fenced = {.answer = JOB_FENCED}, conflict = {.answer = JOB_CONFLICT};
    ck_assert_int_eq(play(&fenced, goes_on, NULL), JOB_RUN_LOST);
    ck_assert_str_eq((const char *)fenced.said.data, "more 4 [1]\n");
    ck_assert_int_eq(play(&conflict, goes_on, NULL), JOB_RUN_CONFLICT);
    ck_assert_str_eq((const char *)conflict.said.data, "more 4 [1]\n");
    buf_release(&fenced.said);
    buf_release(&conflict.said);
}
END_TEST

START_TEST(one_that_looks_ends_when_it_is_told_to_stop)
{
    struct stage s = {.stop_after = 1000};
    ck_assert_int_eq(play(&s, loops, NULL), JOB_RUN_LOST);
    ck_assert_str_eq((const char *)s.said.data, "");
    buf_release(&s.said);
}
END_TEST

START_TEST(what_is_refused_at_the_end_fails_the_job)
{
    struct stage s = {.err = GRID_ENOT_NUMBER};
    ck_assert_int_eq(play(&s, adds, NULL), JOB_RUN_ENDED);
    ck_assert_ptr_nonnull(strstr((const char *)s.said.data, "\nfail 4 [what it wrote"));
    buf_release(&s.said);
}
END_TEST

UNIT_MAIN("compute/native_job", what_a_job_does_is_in_its_steps, it_goes_on_from_its_state,
          nothing_of_it_goes_on_when_it_is_fenced_or_meets_a_conflict,
          one_that_looks_ends_when_it_is_told_to_stop, what_is_refused_at_the_end_fails_the_job)
