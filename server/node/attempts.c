/* attempts.c - a job that runs on a thread of the pool: begun, run from its checkpoint as often as
 * what it read had changed, until its last step is taken or another attempt has begun. What the
 * grid cannot do at the moment is asked again; only a fence, a cancellation or the node's end make
 * an attempt give up. */
#include "node/jobs_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "compute/native.h"
#include "data/value.h"

#include <stdlib.h>
#include <time.h>

enum { WAIT_MS_MIN = 10, WAIT_MS_MAX = 500, MEMORY = 32 << 20, RUN_BITS = 24, CONFLICTS_FAST = 8 };

static bool attempt_stopped(void *ctx)
{
    const struct attempt *a = ctx;
    return atomic_load_explicit(&a->fenced, memory_order_relaxed) || pool_stopping(a->jobs->pool) ||
           (a->deadline && clock_wall_ms() >= a->deadline);
}

/* Longer each time. False: it is to stop. */
static bool attempt_waits(struct attempt *a, unsigned *ms)
{
    if (attempt_stopped(a))
        return false;
    nanosleep(&(struct timespec){.tv_nsec = (long)*ms * 1000000}, NULL);
    *ms = *ms * 2 < WAIT_MS_MAX ? *ms * 2 : WAIT_MS_MAX;
    return !attempt_stopped(a);
}

/* It was not done, or may have been; and may be asked again as it is. */
static bool passing(enum grid_err err)
{
    return err_retryable(err) || err == GRID_EIN_DOUBT || err == GRID_ECLOSED ||
           err == GRID_ENOT_PRIMARY || err == GRID_EENTERING || err == GRID_EBUSY ||
           err == GRID_EFEW_COPIES;
}

/* The answer stays until the next one. */
enum grid_err attempt_ask(struct attempt *a, const struct op *op)
{
    unsigned ms = WAIT_MS_MIN;
    for (;;) {
        inside_answer_release(&a->answer);
        inside_wait(a->jobs->node, op, &a->answer);
        enum grid_err err = a->answer.result.status;
        if (!passing(err) || !attempt_waits(a, &ms))
            return err;
    }
}

/* Of the job itself: until it is known. An attempt that gave up without, and had begun, would stand
 * in the row of the job as one that runs, for as long as its node lives. */
static enum grid_err ask_own(struct attempt *a, const struct op *op)
{
    unsigned ms = WAIT_MS_MIN;
    for (;;) {
        enum grid_err err = attempt_ask(a, op);
        bool known = err == GRID_OK || err == GRID_ENOT_FOUND || err == GRID_ENO_CONTEXT ||
                     err == GRID_ENO_CACHE || err == GRID_EBAD_REQUEST;
        if (known || !attempt_waits(a, &ms))
            return err;
    }
}

/* --- what code asks for ----------------------------------------------------------------------- */

static struct op op_of(const struct attempt *a, enum op_kind kind, uint32_t cache, struct slice key)
{
    return (struct op){.kind = kind,
                       .cache = cache,
                       .partition = a->partition,
                       .slot = job_id_slot(&a->id),
                       .key = key};
}

static enum grid_err port_get(void *ctx, uint32_t cache, struct slice key, struct job_got *ret_got)
{
    struct attempt *a = ctx;
    struct op op = op_of(a, OP_GET, cache, key);
    enum grid_err err = attempt_ask(a, &op);
    const struct result *res = &a->answer.result;
    *ret_got = (struct job_got){.there = err == GRID_OK, .version = res->version};
    ret_got->hash = ret_got->there && !value_is_bytes((enum value_type)res->type);
    if (ret_got->there && !ret_got->hash)
        ret_got->value = value_bytes((enum value_type)res->type, res->value);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

static enum job_answer port_step(void *ctx, const struct job_step *step, const struct slice *writes,
                                 uint32_t writes_len, enum grid_err *ret_err)
{
    struct attempt *a = ctx;
    struct buf head = BUF_INIT;
    uint8_t key[JOB_KEY_BYTES];
    struct slice *args = xcalloc(writes_len + 2u, sizeof *args);
    job_step_encode(step, &head);
    args[0] = slice_str("step");
    args[1] = buf_slice(&head);
    if (writes_len)
        memcpy(args + 2, writes, writes_len * sizeof *writes);
    job_id_key(&a->id, key);
    struct slice at = slice_make(key, sizeof key);
    struct op op = jobs_op(a->context, a->partition, &at, command_job_step, args, writes_len + 2);
    op.affinity = buf_slice(&a->affinity);
    unsigned ms = WAIT_MS_MIN;
    enum grid_err err = attempt_ask(a, &op);
    while (err && step->kind == JOB_STEP_FAIL && attempt_waits(a, &ms)) /* who else would say it? */
        err = attempt_ask(a, &op);
    buf_release(&head);
    free(args);
    if (err && (passing(err) || attempt_stopped(a)))
        return JOB_FENCED; /* it is to stop */
    *ret_err = err;
    return err ? JOB_FENCED : (enum job_answer)a->answer.result.number;
}

static enum grid_err port_run(void *ctx, struct slice task, uint32_t cache, struct slice key,
                              struct slice arg, uint64_t number, struct job_got *ret_got)
{
    struct attempt *a = ctx;
    struct op op = {.cache = cache, .key = key, .value = arg};
    struct task_room room;
    const char *why = NULL;
    enum grid_err err = op_place(a->catalog, &op, &why);
    if (!err)
        err = inside_task(a->jobs->node, &op, task, &room, &why);
    if (err) {
        ret_got->value = slice_str(why ? why : err_text(err));
        return err;
    }
    op.has_session = !op.reads_only;
    memcpy(op.session.id.bytes, a->id.bytes, SESSION_ID_BYTES);
    op.session.number = number;
    op.session.lowest = number >> RUN_BITS << RUN_BITS | 1;
    err = attempt_ask(a, &op);
    ret_got->value = a->answer.result.value;
    return err;
}

static uint64_t port_now_us(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static void port_log(void *ctx, const char *text)
{
    const struct attempt *a = ctx;
    char id[JOB_ID_TEXT + 1];
    job_id_text(&a->id, id);
    log_info("job", "%s: %s", id, text);
}

/* --- the attempt ------------------------------------------------------------------------------ */

struct op jobs_op(uint32_t context, uint16_t partition, const struct slice *key,
                  procedure_fn *procedure, const struct slice *args, uint32_t args_len)
{
    return (struct op){.kind = OP_CALL,
                       .cache = cache_hidden(context),
                       .partition = partition,
                       .key = *key,
                       .procedure = procedure,
                       .finds_keys = true,
                       .args = args,
                       .args_len = args_len,
                       .keys = key,
                       .keys_len = 1};
}

/* False: it is not this attempt's turn. */
static bool begin(struct attempt *a, uint64_t version)
{
    uint8_t key[JOB_KEY_BYTES], number[8], module[8];
    job_id_key(&a->id, key);
    store_u64(number, a->number);
    store_u64(module, version);
    struct slice at = slice_make(key, sizeof key);
    const struct slice args[] = {slice_str("begin"), slice_make(number, 8), slice_make(module, 8),
                                 slice_str(a->self)};
    struct op op = jobs_op(a->context, a->partition, &at, command_job_begin, args, 4);
    return ask_own(a, &op) == GRID_OK && a->answer.result.number == JOB_TAKEN;
}

/* The row as it is now, in `bytes`. False: it is gone, or another's. */
static bool row_read(struct attempt *a, struct buf *bytes, struct job_row *ret_row)
{
    uint8_t key[JOB_KEY_BYTES];
    job_id_key(&a->id, key);
    struct op op = op_of(a, OP_GET, cache_hidden(a->context), slice_make(key, sizeof key));
    if (ask_own(a, &op))
        return false;
    const struct result *res = &a->answer.result;
    struct slice value = value_bytes((enum value_type)res->type, res->value);
    bytes->len = 0;
    buf_add(bytes, value.data, value.len);
    return job_row_decode(buf_slice(bytes), ret_row);
}

/* What cannot run fails. */
static void refuse(struct attempt *a, const struct job_row *row, const char *why)
{
    enum grid_err err;
    struct job_step s = {.kind = JOB_STEP_FAIL,
                         .attempt = a->number,
                         .step = row->step + 1,
                         .progress = JOB_PROGRESS_NONE,
                         .bytes = slice_str(why)};
    (void)port_step(a, &s, NULL, 0, &err);
}

static void refuse_missing(struct attempt *a, const struct job_row *row)
{
    static const char old[] = "the version of its module that it began with is kept no more: the "
                              "module was removed, or replaced too often";
    const struct node *n = a->jobs->node;
    const struct module *m;
    char none[WHY_BYTES];
    bool there = catalog_code(a->catalog, MODULE_JOB, row->name, &m);
    natives_missing(n->natives, a->catalog, MODULE_JOB, row->name, n->conf.name, none);
    refuse(a, row, there ? old : none);
}

static enum job_outcome once(struct attempt *a, const struct job_row *row)
{
    static const struct job_ports ports = {.get = port_get,
                                           .scan = attempt_scan,
                                           .step = port_step,
                                           .run = port_run,
                                           .stopped = attempt_stopped,
                                           .now_us = port_now_us,
                                           .log = port_log};
    const struct catalog *c = a->catalog;
    const struct natives *natives = a->jobs->node->natives;
    const struct module *m = catalog_job_version(c, row->name, row->module), *of_task;
    struct job_ports mine = ports;
    struct job_run_conf conf = {.catalog = c, .row = *row, .id = a->id, .memory = MEMORY};
    mine.ctx = a;
    bool task = !m && catalog_task(c, row->name, &of_task);
    conf.module = m;
    if (!m && !task)
        conf.native = natives_find(natives, MODULE_JOB, row->name);
    if (!m && !task && !conf.native && !natives_find(natives, MODULE_TASK, row->name)) {
        refuse_missing(a, row);
        return JOB_RUN_ENDED;
    }
    return job_run(&conf, &mine);
}

/* With which it goes on: what runs keeps the version that it began with, be it replaced since. One
 * that was never begun, or has failed and is tried again, begins with what is deployed. */
static uint64_t version_of(const struct catalog *c, const struct job_row *row)
{
    const struct module *m;
    if (row->status == JOB_RUNNING)
        return row->module;
    bool there = catalog_code(c, MODULE_JOB, row->name, &m) || catalog_task(c, row->name, &m);
    return there ? m->info.version : 0;
}

/* A node that took it over may know less than the one that began it. False: it is to stop. */
static bool catalog_await(struct attempt *a, uint64_t version)
{
    unsigned ms = WAIT_MS_MIN;
    while (a->catalog->modules_revision < version) {
        if (!attempt_waits(a, &ms))
            return false;
        catalog_unref(a->catalog);
        a->catalog = inside_catalog(a->jobs->node);
    }
    return true;
}

void attempt_run(struct attempt *a)
{
    struct buf bytes = BUF_INIT;
    struct job_row row;
    a->catalog = inside_catalog(a->jobs->node);
    enum job_outcome outcome = JOB_RUN_CONFLICT;
    bool good = row_read(a, &bytes, &row) && catalog_await(a, row.module) &&
                begin(a, version_of(a->catalog, &row));
    unsigned ms = 1;
    for (unsigned i = 0; good && outcome == JOB_RUN_CONFLICT; i++) {
        if (i > CONFLICTS_FAST && !attempt_waits(a, &ms))
            break;
        good = row_read(a, &bytes, &row) && row.status == JOB_RUNNING && row.attempt == a->number;
        if (!good)
            break;
        struct slice placed = row.affinity.len ? row.affinity : row.key;
        a->affinity.len = 0;
        buf_add(&a->affinity, placed.data, placed.len);
        a->deadline = row.deadline;
        attempt_scans_forget(a); /* it goes on from its checkpoint, with what is there now */
        outcome = once(a, &row);
    }
    inside_answer_release(&a->answer);
    catalog_unref(a->catalog);
    attempt_scans_forget(a);
    free(a->items);
    buf_release(&a->cursor);
    buf_release(&a->affinity);
    buf_release(&bytes);
}
