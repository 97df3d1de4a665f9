/* native_job.c - a job in C: the table that it calls, over what an attempt keeps for jobs in Lua,
 * too (job_keys.c, job_run.c). */
#include <grid_module.h>

#include "base/list.h"
#include "compute/job_run_priv.h"
#include "compute/native.h"
#include "compute/native_store.h"

#include <stdio.h>

enum { SCAN_USUAL = 1000, LOG_BYTES = 1024, RUN_BITS = 24 };
#define TTL_MS_MAX (JOB_MS_MAX - 1)

/* The public part comes first: a grid_attempt is one. */
struct native_job {
    struct grid_attempt attempt;
    struct job_run *r;
    struct native_store scratch, page; /* of the job; of its last scan */
    struct buf answer;                 /* of its last run */
    bool failed;                       /* it said why */
    char id[JOB_ID_TEXT + 1];
};

static struct native_job *job_of(struct grid_attempt *a)
{
    return container_of(a, struct native_job, attempt);
}

static struct slice slice_of(struct grid_bytes b)
{
    return slice_make(b.data, b.len);
}

static struct grid_bytes bytes_of(struct slice s)
{
    return (struct grid_bytes){s.data, s.len};
}

/* --- whether it goes on ----------------------------------------------------------------------- */

static bool is_over(struct job_run *r)
{
    r->over = r->over || r->ports->stopped(r->ports->ctx);
    return r->over;
}

static bool attempt_stopped(struct grid_attempt *a)
{
    return is_over(job_of(a)->r);
}

/* Of what waited: the attempt may be over. */
static enum grid_err waited(struct job_run *r, enum grid_err err)
{
    return err && is_over(r) ? GRID_ESTOPPING : err;
}

/* --- keys ------------------------------------------------------------------------------------- */

static enum grid_err cache_at(struct job_run *r, const char *name, uint32_t *ret_cache)
{
    if (is_over(r))
        return GRID_ESTOPPING;
    *ret_cache = (uint32_t)r->row.cache;
    return !name || job_cache_named(r, slice_str(name), ret_cache) ? GRID_OK : GRID_ENO_CACHE;
}

static enum grid_err key_at(struct job_run *r, const char *name, struct grid_bytes key,
                            struct job_key **ret_key)
{
    uint32_t cache;
    enum grid_err err = cache_at(r, name, &cache);
    if (err)
        return err;
    if (!key.len)
        return GRID_EBAD_REQUEST;
    if (key.len > KEY_BYTES_MAX)
        return GRID_ETOO_LARGE;
    *ret_key = r->bytes < JOB_WRITTEN_MAX ? job_key_of(r, cache, slice_of(key)) : NULL;
    return *ret_key ? GRID_OK : GRID_EFULL;
}

static enum grid_err attempt_get(struct grid_attempt *a, const char *cache, struct grid_bytes key,
                                 struct grid_seen *ret_seen)
{
    struct job_run *r = job_of(a)->r;
    struct job_key *k;
    enum grid_err err = key_at(r, cache, key, &k);
    if (!err)
        err = waited(r, job_key_read(r, k));
    if (err)
        return err;
    if (k->hash && k->w.kind == JOB_READ)
        return GRID_EWRONG_TYPE;
    if (!k->there)
        return GRID_ENOT_FOUND;
    *ret_seen = (struct grid_seen){.key = bytes_of(k->w.key), .value = bytes_of(job_key_value(k))};
    if (k->w.kind == JOB_READ)
        ret_seen->version = k->w.version;
    return GRID_OK;
}

/* As of struct job_write. */
static enum grid_err ttl_of(const struct grid_write *how, uint64_t *ret_ttl)
{
    *ret_ttl = 0;
    if (!how || how->ttl == GRID_TTL_DEFAULT)
        return GRID_OK;
    if (how->ttl == GRID_TTL_NONE)
        *ret_ttl = 1;
    else if (how->ttl == GRID_TTL_SET && how->ttl_ms && how->ttl_ms <= TTL_MS_MAX)
        *ret_ttl = how->ttl_ms + 1;
    return *ret_ttl ? GRID_OK : GRID_EBAD_REQUEST;
}

static enum grid_err attempt_put(struct grid_attempt *a, const char *cache, struct grid_bytes key,
                                 struct grid_bytes value, const struct grid_write *how)
{
    struct job_run *r = job_of(a)->r;
    struct job_key *k;
    uint64_t ttl;
    enum grid_err err = how && how->condition != GRID_ALWAYS ? GRID_EBAD_REQUEST : GRID_OK;
    if (!err)
        err = ttl_of(how, &ttl);
    if (!err && value.len > JOB_WRITTEN_MAX)
        err = GRID_ETOO_LARGE;
    if (!err)
        err = key_at(r, cache, key, &k);
    if (err)
        return err;
    job_key_set(r, k, JOB_PUT, slice_of(value));
    k->w.ttl_ms = ttl;
    return GRID_OK;
}

static enum grid_err attempt_delete(struct grid_attempt *a, const char *cache,
                                    struct grid_bytes key)
{
    struct job_run *r = job_of(a)->r;
    struct job_key *k;
    enum grid_err err = key_at(r, cache, key, &k);
    if (!err)
        job_key_set(r, k, JOB_DELETE, slice_make(NULL, 0));
    return err;
}

static enum grid_err attempt_incr(struct grid_attempt *a, const char *cache, struct grid_bytes key,
                                  int64_t by)
{
    struct job_run *r = job_of(a)->r;
    struct job_key *k;
    enum grid_err err = key_at(r, cache, key, &k);
    return err ? err : job_key_add(r, k, by);
}

/* --- scan ------------------------------------------------------------------------------------- */

static struct grid_bytes kept(struct native_store *s, struct slice from)
{
    void *to = native_store_take(s, from.len ? from.len : 1);
    if (from.len)
        memcpy(to, from.data, from.len);
    return (struct grid_bytes){to, from.len};
}

static enum grid_err attempt_scan(struct grid_attempt *a, const char *cache_name,
                                  struct grid_bytes prefix, struct grid_bytes *cursor,
                                  uint32_t limit, const struct grid_seen **ret_list,
                                  size_t *ret_len)
{
    struct native_job *j = job_of(a);
    struct job_run *r = j->r;
    struct native_store page = {NULL, 0, 0};
    struct job_page got = {.len = 0};
    uint32_t cache;
    enum grid_err err = cache_at(r, cache_name, &cache);
    if (!err && (prefix.len > KEY_BYTES_MAX || limit > SCAN_LIMIT_MAX))
        err = GRID_EBAD_REQUEST;
    if (!err)
        err = waited(r, r->ports->scan(r->ports->ctx, cache, slice_of(prefix), slice_of(*cursor),
                                       limit ? limit : SCAN_USUAL, &got));
    if (err)
        return err;
    struct grid_seen *list = native_store_take(&page, (got.len + 1) * sizeof *list);
    for (size_t i = 0; i < got.len; i++) {
        const struct job_item *it = &got.items[i];
        list[i] = (struct grid_seen){.key = kept(&page, it->key),
                                     .value = kept(&page, it->value),
                                     .version = it->version,
                                     .type = it->hash ? GRID_HASH : GRID_BYTES};
    }
    *cursor = got.cursor.len ? kept(&page, got.cursor) : (struct grid_bytes){NULL, 0};
    native_store_clear(&j->page); /* the cursor that was given lay there */
    j->page = page;
    *ret_list = list;
    *ret_len = got.len;
    return GRID_OK;
}

/* --- steps, tasks ----------------------------------------------------------------------------- */

static enum grid_err attempt_checkpoint(struct grid_attempt *a, struct grid_bytes state,
                                        double progress)
{
    struct job_run *r = job_of(a)->r;
    enum grid_err err;
    struct job_step s = {.kind = JOB_STEP_MORE,
                         .progress = JOB_PROGRESS_NONE,
                         .stated = 1,
                         .bytes = slice_of(state)};
    if (is_over(r))
        return GRID_ESTOPPING;
    if (state.len > JOB_STATE_MAX)
        return GRID_ETOO_LARGE;
    if (!(progress <= 1))
        return GRID_EBAD_REQUEST;
    if (progress >= 0)
        s.progress = (uint64_t)(progress * JOB_PROGRESS_WHOLE);
    if (job_step_do(r, &s, &err))
        return GRID_OK;
    return r->over ? GRID_ESTOPPING : waited(r, err);
}

static enum grid_err attempt_run(struct grid_attempt *a, const char *cache_name, const char *task,
                                 struct grid_bytes key, struct grid_bytes argument,
                                 struct grid_bytes *ret_result)
{
    struct native_job *j = job_of(a);
    struct job_run *r = j->r;
    struct job_got got = {.there = false};
    uint32_t cache;
    enum grid_err err = cache_at(r, cache_name, &cache);
    if (err)
        return err;
    uint64_t number = (r->row.step << RUN_BITS) + ++r->runs;
    if (r->runs >> RUN_BITS)
        return GRID_EFULL;
    err = r->ports->run(r->ports->ctx, slice_str(task ? task : ""), cache, slice_of(key),
                        slice_of(argument), number, &got);
    j->answer.len = 0;
    if (got.value.len)
        buf_add(&j->answer, got.value.data, got.value.len);
    if (ret_result)
        *ret_result = bytes_of(buf_slice(&j->answer));
    return err == GRID_ETASK ? err : waited(r, err);
}

/* --- the rest of its table -------------------------------------------------------------------- */

static enum grid_err attempt_result(struct grid_attempt *a, struct grid_bytes bytes)
{
    struct native_job *j = job_of(a);
    if (j->failed)
        return GRID_ETASK;
    if (bytes.len > JOB_RESULT_MAX - j->r->out->len)
        return GRID_ETOO_LARGE;
    if (bytes.len)
        buf_add(j->r->out, bytes.data, bytes.len);
    return GRID_OK;
}

static void say(struct native_job *j, const char *text)
{
    report_fault(j->r->out, j->r->row.name, slice_str(text), "native code\n");
    j->failed = true;
}

static enum grid_err attempt_fail(struct grid_attempt *a, const char *text)
{
    say(job_of(a), text ? text : "");
    return GRID_ETASK;
}

static void attempt_log(struct grid_attempt *a, const char *text)
{
    const struct job_ports *ports = job_of(a)->r->ports;
    char line[LOG_BYTES];
    snprintf(line, sizeof line, "%s", text);
    ports->log(ports->ctx, line);
}

static void *attempt_alloc(struct grid_attempt *a, size_t bytes)
{
    return native_store_take_within(&job_of(a)->scratch, bytes, NATIVE_SCRATCH_MAX);
}

static const struct grid_attempt_api api = {
    .size = sizeof api,
    .get = attempt_get,
    .put = attempt_put,
    .remove = attempt_delete,
    .incr = attempt_incr,
    .scan = attempt_scan,
    .checkpoint = attempt_checkpoint,
    .run = attempt_run,
    .result = attempt_result,
    .fail = attempt_fail,
    .log = attempt_log,
    .alloc = attempt_alloc,
    .stopped = attempt_stopped,
};

bool job_native_run(struct job_run *r)
{
    const struct grid_native *given = r->conf->native->given;
    struct buf state = BUF_INIT;
    struct native_job j = {.r = r,
                           .attempt = {.api = &api,
                                       .key = bytes_of(r->row.key),
                                       .argument = bytes_of(r->row.arg),
                                       .has_state = r->row.stated,
                                       .number = (uint32_t)r->row.attempt,
                                       .ctx = given->ctx}};
    buf_add(&state, r->state.data, r->state.len);
    job_id_text(&r->conf->id, j.id);
    j.attempt.id = j.id;
    j.attempt.state = bytes_of(buf_slice(&state));
    enum grid_err err = given->job(&j.attempt);
    if (err && !j.failed)
        say(&j, err_text(err));
    native_store_clear(&j.scratch);
    native_store_clear(&j.page);
    buf_release(&j.answer);
    buf_release(&state);
    return !j.failed;
}
