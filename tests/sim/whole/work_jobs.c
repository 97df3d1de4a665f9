/* work_jobs.c - jobs and schedules: submitted, cancelled and looked at until they have ended, while
 * all goes wrong. Each step of a job leaves a mark in its partition, in the record that says that
 * it was done; so at the end a job's row says exactly what there is to be found of it. A task
 * elsewhere that a step has run is done once, though the step may be tried again until it is
 * done. */
#include "tests/sim/whole/fibers.h"
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"

#include "base/alloc.h"
#include "compute/job_priv.h"
#include "compute/schedule.h"
#include "data/value.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    JOBS = 16,
    SCHEDULES = 2,
    STEPS_MAX = 6,
    NEW_ONE_OF = 60, /* looks */
    LOOK_MS = 200,
    FRESH_MS = 1500, /* of a tick, until it must have been fired */
    KEEP_MS = 100 * 24 * 3600 * 1000u,
    LIVES = 256,
    TEXT = 64,
};

enum simjob_state { JOB_UNUSED, JOB_TOLD, JOB_KNOWN, JOB_OVER, JOB_AWAY };

struct simjob {
    enum simjob_state state; /* TOLD: submitted; KNOWN: and answered; AWAY: lost with its data */
    struct work_ask ask;
    enum { ASK_SUBMIT, ASK_LOOK, ASK_CANCEL } asked;
    struct job_id id;
    unsigned context;
    uint16_t slot, partition;
    char key[16], arg[24], labels[16];
    unsigned total;
    const char *what;
    struct job_row row; /* as it was submitted; then what is there at its end, of numbers */
    msec_t cancel_at;
    char result[TEXT];
};

struct simschedule {
    enum simjob_state state; /* OVER: paused, and all its runs have ended */
    struct work_ask ask;
    enum { ASK_PUT, ASK_SEE, ASK_PAUSE } asked;
    unsigned context;
    uint16_t slot, partition;
    char name[16], key[16];
    msec_t every, paused_at;
    struct schedule_row row;
};

struct life { /* an attempt that has begun */
    const struct fiber *fiber;
    struct job_id id;
    uint64_t attempt;
    struct replica_member member;
    bool ends; /* it has asked for its last step */
};

struct jobs_sim {
    struct simjob jobs[JOBS];
    unsigned len, schedules_len;
    struct simschedule schedules[SCHEDULES];
    struct life lives[LIVES];
};

/* --- what is drawn ---------------------------------------------------------------------------- */

static void job_draw(struct world *w, struct jobs_sim *j)
{
    static const char *const whats[] = {"plain", "blind", "blind", "clash",
                                        "task",  "task",  "fail",  "never"};
    struct simjob *k = &j->jobs[j->len];
    unsigned context = (unsigned)work_below(w, w->contexts_len);
    snprintf(k->key, sizeof k->key, "j%u", j->len);
    if (!work_place(w, context, k->key, &k->slot, &k->partition))
        return;
    uint8_t random[JOB_ID_BYTES];
    for (unsigned i = 0; i < JOB_ID_BYTES; i++)
        random[i] = (uint8_t)work_below(w, 256);
    const struct cache_info *cache = clients_cache(w->newest, context);
    k->context = context;
    k->id = job_id_make(cache_context(cache->id), k->slot, random);
    k->total = 1 + (unsigned)work_below(w, STEPS_MAX);
    k->what = whats[work_below(w, sizeof whats / sizeof *whats)];
    snprintf(k->arg, sizeof k->arg, "%u %s", k->total, k->what);
    k->cancel_at = work_below(w, 6) == 0 ? w->now + work_below(w, 2000) : 0;
    bool labelled = work_below(w, 6) == 0;
    msec_t now = WALL + w->now;
    snprintf(k->labels, sizeof k->labels, "%s%s", work_below(w, 2) ? "*" : "",
             labelled ? work_label((unsigned)work_below(w, 2)) : "");
    k->row = (struct job_row){
        .priority = work_below(w, JOB_PRIORITIES),
        .cache = cache->id,
        .slot = k->slot,
        .attempts_max = 1 + work_below(w, 5),
        .backoff_ms = 1 + work_below(w, 200),
        .due = work_below(w, 5) ? 0 : now + work_below(w, 1000),
        .deadline = labelled || work_below(w, 6) == 0 ? now + 100 + work_below(w, 4000) : 0,
        .keep_ms = KEEP_MS,
        .name = slice_str("m.steps"),
        .key = slice_str(k->key),
        .arg = slice_str(k->arg),
        .labels = slice_str(k->labels),
    };
    k->state = JOB_TOLD;
    j->len++;
    trace(w, "job %s of w%u/%u is submitted: %s", k->key, context, k->partition, k->arg);
}

static void schedule_draw(struct world *w, struct jobs_sim *j)
{
    struct simschedule *s = &j->schedules[j->schedules_len];
    s->context = (unsigned)work_below(w, w->contexts_len);
    snprintf(s->key, sizeof s->key, "s%u", j->schedules_len);
    snprintf(s->name, sizeof s->name, "every%u", j->schedules_len);
    if (!work_place(w, s->context, s->key, &s->slot, &s->partition))
        return;
    s->every = SCHEDULE_EVERY_MIN + work_below(w, 500);
    s->state = JOB_TOLD;
    j->schedules_len++;
}

/* --- what is asked ---------------------------------------------------------------------------- */

struct work_ask *jobs_sim_ask(struct jobs_sim *j, enum work_kind kind, unsigned index)
{
    return kind == WORK_JOB ? &j->jobs[index].ask : &j->schedules[index].ask;
}

static void call_set(struct op *op, procedure_fn *procedure, const struct slice *args, uint32_t len)
{
    op->kind = OP_CALL;
    op->procedure = procedure;
    op->finds_keys = true;
    op->args = args;
    op->args_len = len;
    op->keys = &op->key;
    op->keys_len = 1;
}

static void job_op(struct simshard *h, const struct simjob *k, struct op *op)
{
    uint8_t key[JOB_KEY_BYTES];
    struct buf row = BUF_INIT;
    struct slice args[2];
    job_id_key(&k->id, key);
    op->key = slice_make(key, sizeof key);
    op->kind = OP_GET;
    if (k->asked == ASK_SUBMIT) {
        job_row_encode(&k->row, &row);
        args[0] = slice_str("submit");
        args[1] = buf_slice(&row);
        op->affinity = slice_str(k->key);
        call_set(op, command_job_submit, args, 2);
    } else if (k->asked == ASK_CANCEL) {
        args[0] = slice_str("cancel");
        call_set(op, command_job_cancel, args, 1);
    }
    route_submit(h, op);
    buf_release(&row);
}

static void schedule_op(struct simshard *h, const struct simschedule *s, struct op *op)
{
    uint8_t key[SCHEDULE_KEY_MAX], what[8];
    struct buf row = BUF_INIT;
    struct slice args[2];
    op->key = slice_make(key, schedule_key(slice_str(s->name), key));
    op->affinity = slice_str(s->key);
    op->kind = OP_GET;
    if (s->asked == ASK_PUT) {
        struct schedule_row r = {.every_ms = s->every,
                                 .cache = clients_cache(h->state, s->context)->id,
                                 .slot = s->slot,
                                 .attempts_max = JOB_ATTEMPTS_MAX, /* disks may be full */
                                 .backoff_ms = 50,
                                 .keep_ms = KEEP_MS,
                                 .name = slice_str(s->name),
                                 .job = slice_str("m.tick"),
                                 .key = slice_str(s->key)};
        schedule_row_encode(&r, &row);
        args[0] = slice_str("put");
        args[1] = buf_slice(&row);
        call_set(op, command_schedule_put, args, 2);
    } else if (s->asked == ASK_PAUSE) {
        store_u64(what, SCHEDULE_PAUSE);
        args[0] = slice_str("alter");
        args[1] = slice_make(what, 8);
        call_set(op, command_schedule_alter, args, 2);
    }
    route_submit(h, op);
    buf_release(&row);
}

void jobs_sim_op(struct simshard *h, struct jobs_sim *j, enum work_kind kind, unsigned index,
                 const struct ticket *to)
{
    bool job = kind == WORK_JOB;
    const struct simjob *k = job ? &j->jobs[index] : NULL;
    const struct simschedule *s = job ? NULL : &j->schedules[index];
    const struct cache_info *cache = clients_cache(h->state, job ? k->context : s->context);
    if (!cache)
        return;
    struct op op = {.cache = cache_hidden(cache_context(cache->id)),
                    .slot = job ? k->slot : s->slot,
                    .partition = job ? k->partition : s->partition,
                    .ticket = *to};
    if (job)
        job_op(h, k, &op);
    else
        schedule_op(h, s, &op);
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool is_answer(const struct result *res, enum job_answer answer)
{
    return !res->status && res->number == (int64_t)answer;
}

static void job_gone(struct world *w, struct simjob *k)
{
    if (!work_tainted(w, k->context, k->partition))
        world_fail(w, "job %s of w%u/%u is gone", k->key, k->context, k->partition);
    k->state = JOB_AWAY;
}

static void job_seen(struct world *w, struct simjob *k, struct slice bytes)
{
    struct job_row r;
    if (!job_row_decode(bytes, &r)) {
        world_fail(w, "the row of job %s cannot be read", k->key);
        return;
    }
    if (!job_ended(&r))
        return;
    snprintf(k->result, sizeof k->result, "%.*s", (int)r.result.len, (const char *)r.result.data);
    k->row = r;
    k->state = JOB_OVER;
    trace(w, "job %s is %s after %lu steps and %lu failures: %s", k->key, job_status_text(r.status),
          (unsigned long)r.step, (unsigned long)r.failures, k->result);
}

static void job_answer(struct world *w, struct simjob *k, const struct result *res)
{
    k->ask.again_at = w->now + work_below(w, k->asked == ASK_LOOK ? LOOK_MS : 10);
    if (k->asked == ASK_SUBMIT && is_answer(res, JOB_TAKEN)) {
        k->state = JOB_KNOWN;
        tally.jobs++;
    } else if (k->asked == ASK_CANCEL && !res->status) {
        k->cancel_at = 0;
        tally.jobs_cancelled += is_answer(res, JOB_TAKEN);
    } else if (k->asked == ASK_LOOK && res->status == GRID_ENOT_FOUND) {
        job_gone(w, k);
    } else if (k->asked == ASK_LOOK && !res->status) {
        job_seen(w, k, value_bytes((enum value_type)res->type, res->value));
    }
}

static bool runs_ended(const struct schedule_row *r)
{
    for (size_t i = 0; i < r->runs_len; i++)
        if (!r->runs[i].ended)
            return false;
    return true;
}

static void schedule_answer(struct world *w, struct simschedule *s, const struct result *res)
{
    s->ask.again_at = w->now + work_below(w, LOOK_MS);
    if (s->asked == ASK_PUT && (is_answer(res, JOB_TAKEN) || res->status == GRID_EEXISTS))
        s->state = JOB_KNOWN;
    if (s->asked == ASK_PAUSE && !res->status)
        s->paused_at = w->now;
    if (s->asked != ASK_SEE)
        return;
    struct schedule_row r;
    if (res->status == GRID_ENOT_FOUND)
        s->state = JOB_AWAY;
    else if (!res->status &&
             schedule_row_decode(value_bytes((enum value_type)res->type, res->value), &r) &&
             r.paused && runs_ended(&r))
        s->state = JOB_OVER;
}

void jobs_sim_answer(struct world *w, struct jobs_sim *j, enum work_kind kind, unsigned index,
                     const struct result *res)
{
    if (kind == WORK_JOB)
        job_answer(w, &j->jobs[index], res);
    else
        schedule_answer(w, &j->schedules[index], res);
}

/* --- attempts --------------------------------------------------------------------------------- */

/* The last step of one that runs may be done before it hears of it. */
void work_asks(struct fiber *f, const struct op *op)
{
    struct jobs_sim *j = fiber_node(f)->w->work->jobs;
    struct job_step s;
    if (!j || op->kind != OP_CALL || op->procedure != command_job_step ||
        !job_step_decode(op->args[1], &s) || s.kind == JOB_STEP_MORE)
        return;
    for (unsigned i = 0; i < LIVES; i++)
        if (j->lives[i].fiber == f)
            j->lives[i].ends = true;
}

/* While an attempt lives no other begins: it is on a node that is taken for alive, and it has not
 * asked for its end. */
static void begun(struct world *w, struct jobs_sim *j, struct life *now, bool tainted)
{
    struct life *place = NULL;
    for (unsigned i = 0; i < LIVES; i++) {
        struct life *l = &j->lives[i];
        if (!l->fiber) {
            place = l;
            continue;
        }
        if (memcmp(&l->id, &now->id, sizeof l->id) != 0 || l->ends)
            continue;
        /* It may have begun long ago, and hears of it now. */
        const struct life *older = now->attempt < l->attempt ? now : l;
        if (!tainted && w->newest && grid_state_lives(w->newest, older->member))
            world_fail(w, "attempt %lu of a job begins at %u.%u while %lu of it runs at %u.%u",
                       (unsigned long)now->attempt, now->member.node, now->member.boot,
                       (unsigned long)l->attempt, l->member.node, l->member.boot);
    }
    char id[JOB_ID_TEXT + 1];
    job_id_text(&now->id, id);
    trace(w, "attempt %lu of %s begins at %u.%u", (unsigned long)now->attempt, id, now->member.node,
          now->member.boot);
    CHECK(place);
    *place = *now;
    tally.attempts++;
}

/* Then rows may be older than what was answered. */
static bool op_tainted(const struct world *w, const struct op *op)
{
    for (unsigned i = 0; i < w->contexts_len; i++) {
        const struct cache_info *cache = clients_cache(w->newest, i);
        if (cache && cache_context(cache->id) == cache_context(op->cache))
            return work_tainted(w, i, op->partition);
    }
    return true;
}

void work_told(struct simnode *n, struct fiber *f, const struct op *op, const struct result *res)
{
    struct world *w = n->w;
    if (w->work->services)
        services_sim_wrote(n, w->work->services, op, res);
    if (!w->work->jobs || op->kind != OP_CALL || op->procedure != command_job_begin ||
        !is_answer(res, JOB_TAKEN))
        return;
    struct life l = {.fiber = f, .attempt = load_u64(op->args[1].data)};
    char text[JOB_NODE_MAX + 1];
    snprintf(text, sizeof text, "%.*s", (int)op->args[3].len, (const char *)op->args[3].data);
    const char *life = strrchr(text, '#');
    CHECK(life && sscanf(life, "#%u.%u", &l.member.node, &l.member.boot) == 2 &&
          job_key_id(op->key, &l.id));
    begun(w, w->work->jobs, &l, op_tainted(w, op));
}

void work_fiber_over(struct world *w, const struct fiber *f)
{
    struct jobs_sim *j = w->work->jobs;
    for (unsigned i = 0; j && i < LIVES; i++)
        if (j->lives[i].fiber == f)
            j->lives[i].fiber = NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

static void job_step(struct world *w, struct jobs_sim *j, unsigned index)
{
    struct simjob *k = &j->jobs[index];
    if (k->state == JOB_OVER || k->state == JOB_AWAY || !work_may_ask(w, &k->ask))
        return;
    k->asked = k->state == JOB_TOLD                     ? ASK_SUBMIT
               : k->cancel_at && w->now >= k->cancel_at ? ASK_CANCEL
                                                        : ASK_LOOK;
    work_send(w, &k->ask, WORK_JOB, index, k->context, k->partition);
}

static void schedule_step(struct world *w, struct jobs_sim *j, unsigned index)
{
    struct simschedule *s = &j->schedules[index];
    bool pause = w->work->wind_up && !s->paused_at;
    if (s->state == JOB_OVER || s->state == JOB_AWAY || !work_may_ask(w, &s->ask) ||
        (s->state == JOB_KNOWN && !w->work->wind_up))
        return;
    s->asked = s->state == JOB_TOLD ? ASK_PUT : pause ? ASK_PAUSE : ASK_SEE;
    work_send(w, &s->ask, WORK_SCHEDULE, index, s->context, s->partition);
}

void jobs_sim_step(struct world *w, struct jobs_sim *j)
{
    if (!w->quiet && j->len < JOBS && work_below(w, NEW_ONE_OF) == 0)
        job_draw(w, j);
    if (!w->quiet && j->schedules_len < SCHEDULES && work_below(w, 4 * NEW_ONE_OF) == 0)
        schedule_draw(w, j);
    for (unsigned i = 0; i < j->len; i++)
        job_step(w, j, i);
    for (unsigned i = 0; i < j->schedules_len; i++)
        schedule_step(w, j, i);
}

bool jobs_sim_idle(const struct world *w, const struct jobs_sim *j)
{
    for (unsigned i = 0; i < j->len; i++)
        if (j->jobs[i].state < JOB_OVER)
            return false;
    for (unsigned i = 0; w->work->wind_up && i < j->schedules_len; i++)
        if (j->schedules[i].state < JOB_OVER)
            return false;
    return true;
}

struct jobs_sim *jobs_sim_new(struct world *w)
{
    (void)w;
    return xcalloc(1, sizeof(struct jobs_sim));
}

void jobs_sim_free(struct jobs_sim *j)
{
    free(j);
}

void jobs_sim_show(const struct jobs_sim *j)
{
    char id[JOB_ID_TEXT + 1];
    for (unsigned i = 0; i < j->len; i++) {
        const struct simjob *k = &j->jobs[i];
        job_id_text(&k->id, id);
        if (k->state < JOB_OVER)
            printf("job %s of w%u/%u, %s, is asked for: %d, %s\n", k->key, k->context, k->partition,
                   k->arg, (int)k->asked, id);
    }
    for (unsigned i = 0; i < LIVES; i++) {
        const struct life *l = &j->lives[i];
        if (!l->fiber)
            continue;
        job_id_text(&l->id, id);
        printf("attempt %lu of %s runs at %u.%u\n", (unsigned long)l->attempt, id, l->member.node,
               l->member.boot);
    }
}

/* --- judged ----------------------------------------------------------------------------------- */

static long number_at(struct world *w, unsigned context, uint32_t partition, const char *key)
{
    uint64_t version;
    char text[TEXT];
    struct slice s = work_stored(w, context, partition, false, slice_str(key), &version);
    snprintf(text, sizeof text, "%.*s", (int)s.len, s.len ? (const char *)s.data : "");
    return strtol(text, NULL, 10);
}

/* The marks of the steps that were done, no more and no less. */
static unsigned job_log_judge(struct world *w, const struct simjob *k)
{
    char key[TEXT], want[TEXT] = "";
    uint64_t version;
    unsigned steps = (unsigned)(k->row.step - k->row.failures);
    for (unsigned i = 1, len = 0; i <= steps && len < sizeof want - 4; i++)
        len += (unsigned)snprintf(want + len, sizeof want - len, ",%u", i);
    if (strcmp(k->what, "blind") == 0)
        snprintf(want, sizeof want, "%u", steps * (steps + 1) / 2);
    if (!steps)
        want[0] = '\0';
    snprintf(key, sizeof key, "log-%s", k->key);
    struct slice log = work_stored(w, k->context, k->partition, false, slice_str(key), &version);
    if (!slice_eq(log, slice_str(want)))
        world_fail(w, "job %s, %s after %u steps, left [%.*s], not [%s]", k->key,
                   job_status_text(k->row.status), steps, (int)log.len, (const char *)log.data,
                   want);
    if (k->row.status == JOB_DONE && (steps != k->total || (unsigned)atoi(k->result) != steps))
        world_fail(w, "job %s is done after %u of %u steps: %s", k->key, steps, k->total,
                   k->result);
    return steps;
}

/* A task of each step, once for each time that the step was tried and failed. */
static void job_marks_judge(struct world *w, const struct simjob *k, unsigned steps)
{
    char key[TEXT], text[8 * TEXT];
    uint16_t slot, partition;
    uint64_t version;
    unsigned last = 0, twice = 0;
    snprintf(key, sizeof key, "mark-%s", k->key);
    if (strcmp(k->what, "task") != 0 || !work_place(w, k->context, key, &slot, &partition) ||
        work_tainted(w, k->context, partition))
        return;
    struct slice s = work_stored(w, k->context, partition, false, slice_str(key), &version);
    snprintf(text, sizeof text, "%.*s", (int)s.len, s.len ? (const char *)s.data : "");
    for (const char *at = text; *at; at = strchr(at + 1, ',') ? strchr(at + 1, ',') : "") {
        unsigned n = (unsigned)atoi(at + 1);
        if (n != last && n != last + 1)
            world_fail(w, "tasks of job %s did %s", k->key, text);
        twice += n == last;
        last = n;
    }
    if (last < steps || last > steps + 1 || twice > k->row.failures)
        world_fail(w, "tasks of job %s did [%s] of %u steps, %lu failures", k->key, text, steps,
                   (unsigned long)k->row.failures);
}

struct sums {
    long all[CONTEXTS][PARTITIONS], clash[CONTEXTS][PARTITIONS];
};

static void sums_judge(struct world *w, const struct sums *s)
{
    for (unsigned c = 0; c < w->contexts_len; c++)
        for (unsigned p = 0; p < w->contexts[c].info.partitions; p++) {
            if (work_tainted(w, c, p))
                continue;
            long all = number_at(w, c, p, "sum"), clash = number_at(w, c, p, "shared");
            if (all != s->all[c][p] || clash != s->clash[c][p])
                world_fail(w, "jobs of w%u/%u counted %ld and %ld, not %ld and %ld", c, p, all,
                           clash, s->all[c][p], s->clash[c][p]);
        }
}

static void run_show(struct world *w, const struct simschedule *s, const struct schedule_run *run)
{
    uint8_t key[JOB_KEY_BYTES];
    uint64_t version;
    struct job_row row;
    job_id_key(&run->id, key);
    struct slice bytes =
        work_stored(w, s->context, s->partition, true, slice_make(key, sizeof key), &version);
    if (job_row_decode(bytes, &row))
        world_fail(w, "a run of schedule %s at %lu is %s: %.*s", s->name, (unsigned long)run->tick,
                   job_status_text(row.status), (int)row.result.len, (const char *)row.result.data);
}

/* Each tick was fired once, and of those of the end, when all was well, none was left out. */
static void schedule_judge(struct world *w, const struct simschedule *s)
{
    struct schedule_row r;
    uint8_t key[SCHEDULE_KEY_MAX];
    char ticks[TEXT];
    uint64_t version;
    struct slice name = slice_make(key, schedule_key(slice_str(s->name), key));
    if (s->state != JOB_OVER || work_tainted(w, s->context, s->partition))
        return;
    struct slice row = work_stored(w, s->context, s->partition, true, name, &version);
    if (!schedule_row_decode(row, &r)) {
        world_fail(w, "schedule %s is gone", s->name);
        return;
    }
    snprintf(ticks, sizeof ticks, "ticks-%s", s->key);
    long did = number_at(w, s->context, s->partition, ticks);
    for (size_t i = 0; i < r.runs_len; i++) {
        if (r.runs[i].status != JOB_DONE)
            run_show(w, s, &r.runs[i]);
    }
    if ((uint64_t)did != r.fired)
        world_fail(w, "schedule %s was fired %lu times, and done %ld times", s->name,
                   (unsigned long)r.fired, did);
    msec_t from = WALL + w->whole_at + FRESH_MS, to = WALL + s->paused_at - FRESH_MS;
    for (size_t i = 0; i < r.runs_len; i++) {
        msec_t tick = r.runs[i].tick, last = i ? r.runs[i - 1].tick : r.made;
        if (tick <= last || (tick - r.made) % r.every_ms)
            world_fail(w, "schedule %s was fired at %lu after %lu", s->name, (unsigned long)tick,
                       (unsigned long)last);
        if (i && last + r.every_ms < tick && last + r.every_ms > from && tick < to)
            world_fail(w, "of schedule %s a tick after %lu is missing", s->name,
                       (unsigned long)last);
    }
    if (r.last + r.every_ms < to && r.last + r.every_ms > from)
        world_fail(w, "of schedule %s the tick after %lu is missing", s->name,
                   (unsigned long)r.last);
    tally.ticks += r.fired;
}

void jobs_sim_judge(struct world *w, struct jobs_sim *j)
{
    struct sums sums = {.all = {{0}}};
    for (unsigned i = 0; i < j->len && !w->fault; i++) {
        const struct simjob *k = &j->jobs[i];
        if (k->state != JOB_OVER || work_tainted(w, k->context, k->partition))
            continue;
        unsigned steps = job_log_judge(w, k);
        job_marks_judge(w, k, steps);
        sums.all[k->context][k->partition] += steps;
        if (strcmp(k->what, "clash") == 0)
            sums.clash[k->context][k->partition] += steps;
    }
    if (!w->fault)
        sums_judge(w, &sums);
    for (unsigned i = 0; i < j->schedules_len && !w->fault; i++)
        schedule_judge(w, &j->schedules[i]);
}
