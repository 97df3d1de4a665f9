/* job_stage.h - an attempt of a job that asks a partition of one key: each step that it takes, each
 * task that it runs and each line of its log is a line of what was said. */
#ifndef GRIDD_TESTS_UNIT_COMPUTE_JOB_STAGE_H
#define GRIDD_TESTS_UNIT_COMPUTE_JOB_STAGE_H

#include "compute/job_priv.h"
#include "compute/job_run.h"
#include "tests/unit/compute/tasks.h"

/* A partition of one key, `k`, and what was asked of it. */
struct stage {
    struct buf said; /* a line for each step */
    const char *value;
    uint64_t version;
    unsigned gets, stop_after; /* looks after which it is to stop; 0: never */
    enum job_answer answer;
    enum grid_err err;
};

static enum grid_err s_get(void *ctx, uint32_t cache, struct slice key, struct job_got *ret_got)
{
    struct stage *s = ctx;
    (void)cache;
    s->gets++;
    bool there = s->value && slice_eq(key, slice_str("k"));
    *ret_got = (struct job_got){.there = there, .version = there ? s->version : 0};
    if (there)
        ret_got->value = slice_str(s->value);
    return GRID_OK;
}

static enum grid_err s_scan(void *ctx, uint32_t cache, struct slice prefix, struct slice cursor,
                            uint32_t limit, struct job_page *ret_page)
{
    static const struct job_item items[] = {
        {{(const uint8_t *)"a", 1}, {(const uint8_t *)"1", 1}, 5, false},
        {{(const uint8_t *)"b", 1}, {NULL, 0}, 6, true}};
    (void)ctx;
    (void)cache;
    (void)prefix;
    (void)limit;
    *ret_page = (struct job_page){cursor.len ? items + 1 : items, 1, {NULL, 0}};
    if (!cursor.len)
        ret_page->cursor = slice_str("more");
    return GRID_OK;
}

static enum job_answer s_step(void *ctx, const struct job_step *step, const struct slice *writes,
                              uint32_t writes_len, enum grid_err *ret_err)
{
    static const char *const kinds[] = {"more", "done", "fail", "expire"};
    static const char *const whats[] = {"read", "put", "delete", "add"};
    struct stage *s = ctx;
    int line = (int)step->bytes.len;
    const uint8_t *end = line ? memchr(step->bytes.data, '\n', step->bytes.len) : NULL;
    if (end)
        line = (int)(end - step->bytes.data);
    buf_printf(&s->said, "%s %llu [%.*s]", kinds[step->kind], (unsigned long long)step->step, line,
               (const char *)step->bytes.data);
    for (uint32_t i = 0; i < writes_len; i++) {
        struct job_write w;
        ck_assert(job_write_decode(writes[i], &w));
        buf_printf(&s->said, " %s %.*s", whats[w.kind], (int)w.key.len, (const char *)w.key.data);
        if (w.kind == JOB_PUT)
            buf_printf(&s->said, "=%.*s", (int)w.value.len, (const char *)w.value.data);
        if (w.kind == JOB_ADD)
            buf_printf(&s->said, "+%lld", (long long)w.delta);
        if (w.checked)
            buf_printf(&s->said, "@%llu", (unsigned long long)w.version);
    }
    buf_add_u8(&s->said, '\n');
    *ret_err = step->kind == JOB_STEP_FAIL ? GRID_OK : s->err;
    return s->answer;
}

static enum grid_err s_run(void *ctx, struct slice task, uint32_t cache, struct slice key,
                           struct slice arg, uint64_t number, struct job_got *ret_got)
{
    struct stage *s = ctx;
    (void)cache;
    buf_printf(&s->said, "run %.*s %.*s %.*s %llu\n", (int)task.len, (const char *)task.data,
               (int)key.len, (const char *)key.data, (int)arg.len, (const char *)arg.data,
               (unsigned long long)number);
    ret_got->value = slice_str(slice_eq(task, slice_str("m.bad")) ? "it failed" : "7");
    return slice_eq(task, slice_str("m.bad")) ? GRID_ETASK : GRID_OK;
}

static bool s_stopped(void *ctx)
{
    struct stage *s = ctx;
    return s->stop_after && --s->stop_after == 0 ? (s->stop_after = 1, true) : false;
}

static uint64_t s_now(void *ctx)
{
    (void)ctx;
    return 1;
}

static void s_log(void *ctx, const char *text)
{
    struct stage *s = ctx;
    buf_printf(&s->said, "log %s\n", text);
}

/* A job m.j of key `k`, argument `A`, in its second attempt. */
static struct job_run_conf stage_conf(const struct world *w, const char *state)
{
    return (struct job_run_conf){.catalog = w->h->catalog,
                                 .row = {.name = slice_str("m.j"),
                                         .key = slice_str("k"),
                                         .arg = slice_str("A"),
                                         .cache = w->c,
                                         .attempt = 2,
                                         .step = 3,
                                         .stated = state != NULL,
                                         .state = slice_str(state ? state : "")},
                                 .memory = 8 << 20};
}

static enum job_outcome stage_play(struct stage *s, const struct job_run_conf *conf)
{
    const struct job_ports ports = {s, s_get, s_scan, s_step, s_run, s_stopped, s_now, s_log};
    s->version = 9;
    enum job_outcome outcome = job_run(conf, &ports);
    buf_add_u8(&s->said, 0);
    return outcome;
}

#endif
