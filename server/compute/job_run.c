/* job_run.c - an attempt: what it gathers between two steps, its machine, its end.
 *
 *   row --> the code: reads (a key remembers the version that was there), writes (gathered)
 *              |  checkpoint: one step of all that      conflict: the attempt goes on from its row
 *              '- returns: the last step, with its result
 *
 * A task that is scheduled or submitted as a job is run as the only thing that it does. */
#include "compute/job_run_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { RUN_BITS = 24 }; /* tasks that one step may run */

/* --- steps ------------------------------------------------------------------------------------ */

bool job_step_do(struct job_run *r, struct job_step *s, enum grid_err *ret_err)
{
    struct buf bytes = BUF_INIT;
    struct slice *writes = xcalloc(r->keys_len + 1, sizeof *writes);
    size_t *ends = xcalloc(r->keys_len + 1, sizeof *ends);
    uint32_t len = 0;
    s->attempt = r->row.attempt;
    s->step = r->row.step + 1;
    for (uint32_t i = 0; i < r->keys_len; i++) {
        struct job_write w = r->keys[i].w;
        if (w.kind == JOB_READ && !w.checked)
            continue;
        w.value = w.kind == JOB_PUT ? job_key_value(&r->keys[i]) : slice_make(NULL, 0);
        job_write_encode(&w, &bytes);
        ends[len++] = bytes.len;
    }
    for (uint32_t i = 0, at = 0; i < len; at = (uint32_t)ends[i++])
        writes[i] = slice_make(bytes.data + at, ends[i] - at);
    *ret_err = GRID_OK;
    enum job_answer answer = r->ports->step(r->ports->ctx, s, writes, len, ret_err);
    buf_release(&bytes);
    free(writes);
    free(ends);
    if (*ret_err)
        return false;
    if (answer != JOB_TAKEN) {
        r->over = true;
        r->outcome = answer == JOB_CONFLICT ? JOB_RUN_CONFLICT : JOB_RUN_LOST;
        return false;
    }
    r->row.step = s->step;
    r->runs = 0;
    job_keys_forget(r);
    return true;
}

/* The last one. What the job wrote since the checkpoint goes with its result, or nowhere. */
static void finish(struct job_run *r, enum job_step_kind kind)
{
    enum grid_err err;
    size_t most = JOB_RESULT_MAX;
    struct job_step s = {.kind = kind, .progress = JOB_PROGRESS_NONE};
    if (kind == JOB_STEP_FAIL)
        job_keys_forget(r);
    else
        s.progress = JOB_PROGRESS_WHOLE;
    s.bytes = slice_make(r->out->data, r->out->len < most ? r->out->len : most);
    if (job_step_do(r, &s, &err)) {
        r->outcome = JOB_RUN_ENDED;
    } else if (err && kind != JOB_STEP_FAIL) {
        r->out->len = 0;
        buf_printf(r->out, "what it wrote since its last checkpoint is refused: %s", err_text(err));
        finish(r, JOB_STEP_FAIL);
    } else if (err) {
        r->outcome = JOB_RUN_LOST;
    }
}

/* --- the machine ------------------------------------------------------------------------------ */

static void take_result(lua_State *L, void *ctx)
{
    const struct script *s = ctx;
    struct buf *out = s->job->out;
    out->len = 0;
    if (lua_isnil(L, -1))
        return;
    struct slice text = report_value(L, -1, "a result");
    if (text.len > JOB_RESULT_MAX)
        luaL_error(L, "the result is larger than %d bytes", JOB_RESULT_MAX);
    buf_add(out, text.data, text.len);
}

static void take_error(lua_State *L, void *ctx)
{
    const struct script *s = ctx;
    report_error(L, s->job->out, s->job->row.name);
}

/* One that has to stop is out of time. */
static uint64_t clock_us(void *ctx)
{
    const struct script *s = ctx;
    const struct job_ports *ports = s->job->ports;
    return ports->stopped(ports->ctx) ? UINT64_MAX : ports->now_us(ports->ctx);
}

static struct slice last_part(struct slice name)
{
    const uint8_t *dot = memchr(name.data, '.', name.len);
    size_t at = dot ? (size_t)(dot - name.data) + 1 : 0;
    return slice_make(name.data + at, name.len - at);
}

static void code_run(struct job_run *r)
{
    struct vm_conf conf = {
        .memory_max = r->conf->memory, .open = redis_open, .caught = redis_caught};
    struct script s = {.job = r,
                       .kind = MODULE_JOB,
                       .loading = true,
                       .name = last_part(r->row.name),
                       .push = job_api_push,
                       .take = take_result,
                       .out = r->out};
    struct vm_run run;
    struct vm_fault fault;
    struct vm *vm = vm_new(&conf);
    if (!vm) {
        buf_add_text(r->out, "there is no memory for it");
        finish(r, JOB_STEP_FAIL);
        return;
    }
    library_run_alone(&s, r->conf->module, &run);
    run.steps = INT64_MAX / 2;
    run.time_us = r->conf->time_us ? r->conf->time_us : UINT64_MAX / 4;
    run.now_us = clock_us;
    run.error = take_error;
    memcpy(&run.seed, r->conf->id.bytes + JOB_ID_BYTES - sizeof run.seed, sizeof run.seed);
    enum vm_end end = vm_run(vm, &run, &fault);
    if (r->over || end == VM_TIME) {
        /* somebody else goes on, or looks after its deadline */
    } else if (end == VM_DONE) {
        finish(r, JOB_STEP_DONE);
    } else {
        if (end != VM_FAILED)
            report_fault(r->out, r->row.name, slice_str(fault.text), fault.trace);
        finish(r, JOB_STEP_FAIL);
    }
    vm_free(vm);
}

/* One that is over has somebody else who goes on, or looks after its deadline. */
static void native_run(struct job_run *r)
{
    bool good = job_native_run(r);
    if (!r->over && (good || !r->ports->stopped(r->ports->ctx)))
        finish(r, good ? JOB_STEP_DONE : JOB_STEP_FAIL);
}

static void task_run(struct job_run *r)
{
    struct job_got got = {.there = false};
    const struct job_ports *ports = r->ports;
    enum grid_err err = ports->run(ports->ctx, r->row.name, (uint32_t)r->row.cache, r->row.key,
                                   r->row.arg, (r->row.step << RUN_BITS) + 1, &got);
    if (err != GRID_OK && err != GRID_ETASK && err != GRID_ENO_TASK && ports->stopped(ports->ctx))
        return;
    if (err && !got.value.len)
        buf_add_text(r->out, err_text(err));
    else
        buf_add(r->out, got.value.data, got.value.len);
    finish(r, err ? JOB_STEP_FAIL : JOB_STEP_DONE);
}

enum job_outcome job_run(const struct job_run_conf *conf, const struct job_ports *ports)
{
    struct buf out = BUF_INIT;
    struct job_run r = {
        .conf = conf, .ports = ports, .row = conf->row, .out = &out, .outcome = JOB_RUN_LOST};
    buf_add(&r.state, conf->row.state.data, conf->row.state.len);
    if (conf->module)
        code_run(&r);
    else if (conf->native)
        native_run(&r);
    else
        task_run(&r);
    job_keys_forget(&r);
    free(r.keys);
    buf_release(&r.state);
    buf_release(&out);
    return r.outcome;
}
