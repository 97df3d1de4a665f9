/* jobs.c - the procedures of jobs: job.h has the picture. Each looks at the row as it is, and
 * changes all that it does as one record, or nothing. */
#include "command/procedures.h"
#include "compute/job_priv.h"
#include "compute/native.h"
#include "compute/sabotage.h"

enum {
    NAME,
    ROW = 1,     /* submit */
    ATTEMPT = 1, /* begin */
    VERSION,
    NODE,
    BEGIN_ARGS,
    STEP = 1, /* step */
    WRITES,
    CANCEL_NAME = 1,
    JOB = 0, /* key of the call */
};
#define BACKOFF_MS_MAX UINT64_C(3600000)
#define KEEP_CROWDED_MS UINT64_C(10000)

/* --- rows ------------------------------------------------------------------------------------- */

void job_refuse(struct call *c, enum grid_err err)
{
    bool refused = call_refuse(c, err);
    CHECK(refused); /* none of these is a step */
    reply_null(c);  /* nobody sees it */
}

void job_reply_code(struct call *c, enum job_answer answer)
{
    reply_integer(c, answer);
}

void job_row_put(struct call *c, uint32_t key, const struct job_row *row, msec_t deadline)
{
    struct buf bytes = BUF_INIT;
    job_row_encode(row, &bytes);
    uint8_t *kept = call_alloc(c, bytes.len);
    memcpy(kept, bytes.data, bytes.len);
    call_put(c, key, VALUE_BYTES, slice_make(kept, bytes.len), deadline);
    buf_release(&bytes);
}

/* False: answered. */
static bool row_look(struct call *c, struct job_row *ret_row)
{
    const struct entry *e = call_entry(c, JOB);
    if (e && value_is_bytes(entry_type(e)) && job_row_decode(entry_string(e), ret_row))
        return true;
    job_reply_code(c, JOB_GONE);
    return false;
}

static bool hidden(const struct call *c)
{
    return cache_number(call_cache(c)->id) == CACHE_HIDDEN;
}

/* --- submit, begin, cancel -------------------------------------------------------------------- */

/* A task is run as a job, too. What other nodes have in C is not known here. */
static bool code_known(const struct call *c, struct slice name)
{
    const struct module *m;
    const struct natives *natives = call_natives(c);
    return catalog_code(call_catalog(c), MODULE_JOB, name, &m) ||
           catalog_task(call_catalog(c), name, &m) || natives_find(natives, MODULE_JOB, name) ||
           natives_find(natives, MODULE_TASK, name);
}

bool job_code_missing(struct call *c, struct slice name)
{
    char why[WHY_BYTES];
    if (code_known(c, name))
        return false;
    natives_missing(call_natives(c), call_catalog(c), MODULE_JOB, name, NULL, why);
    c->raw->len = 0;
    buf_add(c->raw, why, strlen(why));
    bool refused = call_refuse_saying(c, GRID_ENO_TASK, buf_slice(c->raw));
    CHECK(refused);
    reply_null(c); /* nobody sees it */
    return true;
}

void job_row_new(struct call *c, uint32_t key, struct job_row *row)
{
    row->status = JOB_QUEUED;
    row->attempt = row->step = row->stated = row->failures = row->began = row->ended = 0;
    row->progress = JOB_PROGRESS_NONE;
    row->submitted = c->now;
    row->state = row->result = row->node = slice_make(NULL, 0);
    job_row_put(c, key, row, 0);
}

/* Submitted again it is the same job, or none at all. */
static enum job_answer submitted_again(struct call *c, const struct job_row *row)
{
    struct job_row is;
    const struct entry *e = call_entry(c, JOB);
    bool same = value_is_bytes(entry_type(e)) && job_row_decode(entry_string(e), &is) &&
                slice_eq(is.name, row->name) && slice_eq(is.arg, row->arg);
    return same ? JOB_TAKEN : JOB_FENCED;
}

void command_job_submit(struct call *c)
{
    struct job_row row;
    struct job_id id;
    if (c->args_len != ROW + 1 || !hidden(c) || !job_key_id(call_key(c, JOB), &id) ||
        !job_row_decode(c->args[ROW], &row)) {
        job_refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    if (!call_entry(c, JOB)) {
        if (job_code_missing(c, row.name))
            return;
        if (call_entries(c, call_cache(c)) >= JOBS_PER_PARTITION || !call_admits(c, row.name)) {
            job_refuse(c, GRID_EBUSY);
            return;
        }
        job_row_new(c, JOB, &row);
        job_reply_code(c, JOB_TAKEN);
        return;
    }
    job_reply_code(c, submitted_again(c, &row));
}

void command_job_begin(struct call *c)
{
    struct job_row row;
    if (c->args_len != BEGIN_ARGS || !hidden(c) || c->args[ATTEMPT].len != 8 ||
        c->args[VERSION].len != 8 || c->args[NODE].len > JOB_NODE_MAX) {
        job_refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    uint64_t attempt = load_u64(c->args[ATTEMPT].data);
    if (!row_look(c, &row))
        return;
    bool again =
        row.status == JOB_RUNNING && row.attempt == attempt && slice_eq(row.node, c->args[NODE]);
    if (again) {
        job_reply_code(c, JOB_TAKEN);
        return;
    }
    bool turn = row.attempt + 1 == attempt || WORK_RULE_OFF(BEGIN);
    if (job_ended(&row) || !turn || attempt > UINT32_MAX) {
        job_reply_code(c, JOB_FENCED);
        return;
    }
    row.status = JOB_RUNNING;
    row.attempt = attempt;
    row.module = load_u64(c->args[VERSION].data);
    row.began = row.began ? row.began : c->now;
    row.node = c->args[NODE];
    job_row_put(c, JOB, &row, 0);
    job_reply_code(c, JOB_TAKEN);
}

/* Where there are many, those that have ended make room: less time the more there are, but as much
 * as who waits for one needs to look. */
static msec_t kept_ms(const struct call *c, const struct job_row *row)
{
    uint64_t there = call_entries(c, call_cache(c)), half = JOBS_PER_PARTITION / 2;
    uint64_t keep = row->keep_ms ? row->keep_ms : 1, most = KEEP_CROWDED_MS;
    if (there <= half)
        return keep;
    if (there < JOBS_PER_PARTITION)
        most += (JOBS_PER_PARTITION - there) * KEEP_CROWDED_MS * 5 / half;
    return keep < most ? keep : most;
}

/* It is over: kept for a while. GRID_EBUSY: something has to be fetched. */
static enum grid_err row_end(struct call *c, struct job_row *row, enum job_status status)
{
    struct job_id id;
    enum grid_err err = GRID_OK;
    row->status = status;
    row->ended = c->now;
    row->state = slice_make(NULL, 0);
    row->stated = 0;
    if (row->schedule.len && job_key_id(call_key(c, JOB), &id))
        err = schedule_run_ended(c, &id, row);
    if (!err)
        job_row_put(c, JOB, row, c->now + kept_ms(c, row));
    return err;
}

void command_job_cancel(struct call *c)
{
    struct job_row row;
    if (c->args_len > CANCEL_NAME + 1 || !hidden(c)) {
        job_refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    if (!row_look(c, &row))
        return;
    if (c->args_len > CANCEL_NAME && !slice_eq(c->args[CANCEL_NAME], row.name)) {
        job_reply_code(c, JOB_GONE);
        return;
    }
    if (job_ended(&row)) {
        job_reply_code(c, JOB_FENCED);
        return;
    }
    row.result = slice_str("it was cancelled");
    if (row_end(c, &row, JOB_CANCELLED) && call_again(c))
        reply_null(c); /* nobody sees it */
    else
        job_reply_code(c, JOB_TAKEN);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void write_put(struct call *c, uint32_t key, const struct cache_info *cache,
                      const struct job_write *w)
{
    msec_t ttl = w->ttl_ms ? w->ttl_ms - 1 : cache->ttl_ms;
    call_put(c, key, VALUE_BYTES, w->value, ttl ? c->now + ttl : 0);
}

static enum grid_err write_add(struct call *c, uint32_t key, const struct cache_info *cache,
                               const struct job_write *w)
{
    const struct entry *e = call_entry(c, key);
    int64_t number = 0;
    char text[INTEGER_BYTES];
    if (e && (!value_is_bytes(entry_type(e)) || !arg_integer(entry_string(e), &number)))
        return GRID_ENOT_NUMBER;
    if (__builtin_add_overflow(number, w->delta, &number))
        return GRID_EOVERFLOW;
    size_t len = integer_format(number, text);
    char *kept = call_alloc(c, len);
    memcpy(kept, text, len);
    msec_t ttl = cache->ttl_ms;
    call_put(c, key, VALUE_BYTES, slice_make(kept, len),
             e     ? entry_deadline(e)
             : ttl ? c->now + ttl
                   : 0);
    return GRID_OK;
}

/* One key, of which the steps' kinds make no difference. */
static enum grid_err write_do(struct call *c, const struct job_write *w, bool look_only,
                              bool *ret_conflict)
{
    const struct cache_info *cache = catalog_cache(call_catalog(c), (uint32_t)w->cache);
    uint32_t key;
    if (cache_context((uint32_t)w->cache) != call_context(c)->id)
        return GRID_EBAD_REQUEST;
    if (!cache || cache_number(cache->id) == CACHE_HIDDEN)
        return GRID_ENO_CACHE;
    if (w->value.len > call_value_max(c))
        return GRID_ETOO_LARGE;
    enum grid_err err = call_find(c, cache, w->key, &key);
    if (err)
        return err;
    if (w->checked && call_version(c, key) != w->version)
        *ret_conflict = true;
    if (look_only || w->kind == JOB_READ)
        return GRID_OK;
    if (w->kind == JOB_ADD)
        return write_add(c, key, cache, w);
    if (w->kind == JOB_PUT)
        write_put(c, key, cache, w);
    else if (call_entry(c, key))
        call_remove(c, key);
    return GRID_OK;
}

static enum grid_err writes_do(struct call *c, bool look_only, bool *ret_conflict)
{
    for (uint32_t i = WRITES; i < c->args_len; i++) {
        struct job_write w;
        if (!job_write_decode(c->args[i], &w))
            return GRID_EBAD_REQUEST;
        enum grid_err err = write_do(c, &w, look_only, ret_conflict);
        if (err)
            return err;
    }
    return GRID_OK;
}

static enum grid_err step_fail(struct call *c, struct job_row *row, struct slice why)
{
    row->failures++;
    row->result = why;
    if (row->failures >= row->attempts_max)
        return row_end(c, row, JOB_FAILED);
    unsigned twice = row->failures < 20 ? (unsigned)row->failures - 1 : 20;
    uint64_t wait =
        row->backoff_ms > BACKOFF_MS_MAX >> twice ? BACKOFF_MS_MAX : row->backoff_ms << twice;
    row->status = JOB_QUEUED;
    row->due = c->now + wait;
    job_row_put(c, JOB, row, 0);
    return GRID_OK;
}

static enum grid_err step_row(struct call *c, struct job_row *row, const struct job_step *s)
{
    row->step = s->kind == JOB_STEP_EXPIRE ? row->step : s->step;
    if (s->progress != JOB_PROGRESS_NONE)
        row->progress = s->progress;
    switch ((enum job_step_kind)s->kind) {
    case JOB_STEP_MORE:
        row->state = s->bytes;
        row->stated = s->stated;
        job_row_put(c, JOB, row, 0);
        return GRID_OK;
    case JOB_STEP_DONE:
        row->result = s->bytes;
        return row_end(c, row, JOB_DONE);
    case JOB_STEP_FAIL:
        return step_fail(c, row, s->bytes);
    case JOB_STEP_EXPIRE:
        row->result = slice_str("its deadline has passed");
        return row_end(c, row, JOB_FAILED);
    case JOB_STEP_KINDS:
        break;
    }
    return GRID_EBAD_REQUEST;
}

/* Whether the step is this one's turn; else answered. */
static bool step_turn(struct call *c, const struct job_row *row, const struct job_step *s)
{
    if (s->kind == JOB_STEP_EXPIRE) {
        if (!job_ended(row) && row->deadline && row->deadline <= c->now)
            return true;
    } else if (WORK_RULE_OFF(STEP) && row->status == JOB_RUNNING) {
        return true;
    } else if (row->attempt == s->attempt && row->step == s->step) {
        job_reply_code(c, JOB_TAKEN); /* it was done before: this is a repetition */
        return false;
    } else if (row->status == JOB_RUNNING && row->attempt == s->attempt &&
               row->step + 1 == s->step) {
        return true;
    }
    job_reply_code(c, JOB_FENCED);
    return false;
}

void command_job_step(struct call *c)
{
    struct job_row row;
    struct job_step s;
    bool conflict = false;
    if (c->args_len <= STEP || !hidden(c) || !job_step_decode(c->args[STEP], &s)) {
        job_refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    if (!row_look(c, &row) || !step_turn(c, &row, &s))
        return;
    enum grid_err err = writes_do(c, true, &conflict);
    if (!err && conflict) {
        job_reply_code(c, JOB_CONFLICT);
        return;
    }
    if (!err)
        err = writes_do(c, false, &conflict);
    if (!err)
        err = step_row(c, &row, &s);
    if (call_again(c))
        reply_null(c); /* nobody sees it */
    else if (err)
        c->reply = (struct reply){REPLY_ERROR, err, slice_str(err_text(err))};
    else
        job_reply_code(c, JOB_TAKEN);
}

/* No shard runs it. */
void command_job_scan(struct call *c)
{
    reply_null(c);
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {command_job_submit, 80, true, ROW + 1, 0, 0, 0, false, true, false},
        {command_job_begin, 81, true, BEGIN_ARGS, 0, 0, 0, false, true, false},
        {command_job_step, 82, true, -(STEP + 1), 0, 0, 0, false, true, false},
        {command_job_cancel, 83, true, -1, 0, 0, 0, false, true, false},
        {command_job_scan, 87, false, JOB_SCAN_ARGS, 0, 0, 0, false, false, true},
    };
    procedures_add(ours, sizeof ours / sizeof *ours);
}
