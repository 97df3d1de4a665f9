/* jobs.c - see jobs.h. An op on a job finds its partition by the id; one on a schedule by the key
 * that it was made with. */
#include "session/jobs.h"

#include "base/hash.h"
#include "session/may.h"

#include <stdio.h>

enum { SUBMIT = JOB_ACTIONS_LEN, ATTEMPTS_USUAL = 1 };

static struct fault bad(const char *why)
{
    return (struct fault){GRID_EBAD_REQUEST, why};
}

static void call_set(struct op *op, struct job_room *room, procedure_fn *procedure, uint32_t args)
{
    op->kind = OP_CALL;
    op->procedure = procedure;
    op->finds_keys = true;
    op->value = slice_make(NULL, 0);
    op->args = room->args;
    op->args_len = args;
    op->keys = &room->key;
    op->keys_len = 1;
}

/* Its key in the hidden cache takes the place of the client's, which says where that is. */
static void hidden_set(struct op *op, struct job_room *room, size_t len)
{
    op->affinity = op->affinity.len ? op->affinity : op->key;
    op->cache = cache_hidden(cache_context(op->cache));
    op->key = room->key = slice_make(room->key_bytes, len);
}

static bool labels_good(struct slice all)
{
    struct slice labels;
    if (all.len > JOB_LABELS_MAX)
        return false;
    (void)job_anywhere(all, &labels);
    for (size_t i = 0; i < labels.len; i++)
        if (labels.data[i] <= ' ' || labels.data[i] == 0x7f)
            return false;
    return !labels.len || memchr(labels.data, '=', labels.len);
}

static struct fault ask_judge(const struct job_ask *a)
{
    const uint64_t times[] = {a->backoff_ms, a->time_ms, a->delay_ms, a->keep_ms, a->every_ms};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] > JOB_MS_MAX)
            return bad("a time is more than 100 years");
    if (a->priority >= JOB_PRIORITIES)
        return bad("a priority is 0, which goes first, to 9");
    if (a->attempts > JOB_ATTEMPTS_MAX)
        return bad("a job is tried 1000 times at most");
    if (!labels_good(a->labels))
        return bad("labels are LABEL=VALUE");
    return no_fault;
}

static bool name_good(struct slice name)
{
    const uint8_t *dot = name.len ? memchr(name.data, '.', name.len) : NULL;
    size_t len = dot ? (size_t)(dot - name.data) : 0;
    return dot && module_name_good(slice_make(name.data, len)) &&
           module_name_good(slice_make(dot + 1, name.len - len - 1));
}

/* The row goes to the arena. NULL data: there is no room. */
static struct slice row_keep(struct session *s, struct buf *bytes)
{
    uint8_t *kept = arena_alloc(s->arena, bytes->len);
    struct slice row = slice_make(NULL, 0);
    if (kept) {
        memcpy(kept, bytes->data, bytes->len);
        row = slice_make(kept, bytes->len);
    }
    buf_release(bytes);
    return row;
}

/* --- submit, create --------------------------------------------------------------------------- */

static struct fault work_judge(const struct op *op, struct slice name, const struct job_ask *ask)
{
    if (!name_good(name))
        return (struct fault){GRID_ENO_TASK, "a job is named MODULE.JOB"};
    if (op->value.len > JOB_ARG_MAX)
        return (struct fault){GRID_ETOO_LARGE, "an argument has at most 1 MiB"};
    return ask_judge(ask);
}

static struct fault submit(struct session *s, struct op *op, struct slice name,
                           const struct job_ask *ask, struct job_room *room)
{
    struct job_id id;
    struct buf bytes = BUF_INIT;
    struct fault f = session_place(s, op);
    if (!f.err)
        f = work_judge(op, name, ask);
    if (f.err)
        return f;
    if (ask->id.len != JOB_ID_BYTES)
        return bad("the id of a job has 16 bytes");
    memcpy(id.bytes, ask->id.data, JOB_ID_BYTES);
    if (job_id_context(&id) != cache_context(op->cache) || job_id_slot(&id) != op->slot)
        return bad("the id of a job begins with its context and the slot of its key");
    msec_t now = s->ports->now_us(s->ports->ctx) / 1000;
    struct job_row row = {.priority = ask->priority,
                          .cache = op->cache,
                          .slot = op->slot,
                          .attempts_max = ask->attempts ? ask->attempts : ATTEMPTS_USUAL,
                          .backoff_ms = ask->backoff_ms ? ask->backoff_ms : 1000,
                          .due = ask->delay_ms ? now + ask->delay_ms : 0,
                          .deadline = ask->time_ms ? now + ask->time_ms : 0,
                          .keep_ms = ask->keep_ms ? ask->keep_ms : (uint64_t)JOB_KEEP_MS,
                          .name = name,
                          .key = op->key,
                          .affinity = op->affinity,
                          .arg = op->value,
                          .labels = ask->labels};
    job_row_encode(&row, &bytes);
    room->args[0] = slice_str("submit");
    room->args[1] = row_keep(s, &bytes);
    job_id_key(&id, room->key_bytes);
    hidden_set(op, room, JOB_KEY_BYTES);
    call_set(op, room, command_job_submit, 2);
    return room->args[1].data ? no_fault : (struct fault){GRID_EBUSY, NULL};
}

static struct fault schedule_create(struct session *s, struct op *op, struct slice name,
                                    const struct job_ask *ask, struct job_room *room)
{
    struct buf bytes = BUF_INIT;
    struct fault f = session_place(s, op);
    if (!f.err)
        f = work_judge(op, name, ask);
    if (f.err)
        return f;
    struct schedule_row row = {.every_ms = ask->every_ms,
                               .priority = ask->priority,
                               .cache = op->cache,
                               .slot = op->slot,
                               .attempts_max = ask->attempts ? ask->attempts : ATTEMPTS_USUAL,
                               .backoff_ms = ask->backoff_ms ? ask->backoff_ms : 1000,
                               .time_ms = ask->time_ms,
                               .keep_ms = ask->keep_ms ? ask->keep_ms : (uint64_t)JOB_KEEP_MS,
                               .name = ask->schedule,
                               .cron = ask->cron,
                               .job = name,
                               .key = op->key,
                               .affinity = op->affinity,
                               .arg = op->value,
                               .labels = ask->labels};
    char *why = arena_alloc(s->arena, CRON_WHY_BYTES);
    const char *fault = why ? schedule_fault(&row, why) : NULL;
    if (!why || fault)
        return (struct fault){why ? GRID_EBAD_REQUEST : GRID_EBUSY, fault};
    schedule_row_encode(&row, &bytes);
    room->args[0] = slice_str("put");
    room->args[1] = row_keep(s, &bytes);
    hidden_set(op, room, schedule_key(row.name, room->key_bytes));
    call_set(op, room, command_schedule_put, 2);
    return room->args[1].data ? no_fault : (struct fault){GRID_EBUSY, NULL};
}

/* --- of one that is there --------------------------------------------------------------------- */

static struct fault job_find(struct session *s, struct op *op, const struct job_ask *ask,
                             struct job_room *room)
{
    struct job_id id;
    if (ask->id.len != JOB_ID_BYTES)
        return bad("the id of a job has 16 bytes");
    memcpy(id.bytes, ask->id.data, JOB_ID_BYTES);
    const struct context_info *context = catalog_context(session_catalog(s), job_id_context(&id));
    if (!context || job_id_slot(&id) >= 16384)
        return (struct fault){GRID_ENOT_FOUND, "there is no such job"};
    job_id_key(&id, room->key_bytes);
    *op = (struct op){
        .cache = cache_hidden(context->id), .session = op->session, .age_ms = op->age_ms};
    op->key = room->key = slice_make(room->key_bytes, JOB_KEY_BYTES);
    op->slot = job_id_slot(&id);
    op->partition = slot_partition(op->slot, context->partitions);
    return no_fault;
}

static struct fault schedule_find(struct session *s, struct op *op, const struct job_ask *ask,
                                  struct job_room *room)
{
    struct fault f = session_place(s, op);
    if (!f.err && (!ask->schedule.len || ask->schedule.len > SCHEDULE_NAME_MAX))
        f = bad("no schedule is named");
    if (!f.err)
        hidden_set(op, room, schedule_key(ask->schedule, room->key_bytes));
    return f;
}

static void alter_set(struct op *op, struct job_room *room, enum schedule_alter what)
{
    store_u64(room->numbers[0], what);
    room->args[0] = slice_str("alter");
    room->args[1] = slice_make(room->numbers[0], 8);
    call_set(op, room, command_schedule_alter, 2);
}

static void act_set(struct op *op, struct job_room *room, unsigned action, struct slice name)
{
    switch (action) {
    case ACTION_JOB_CANCEL: /* a name is what rights were looked at for: it has to be the job's */
        room->args[0] = slice_str("cancel");
        room->args[1] = name;
        call_set(op, room, command_job_cancel, name.len ? 2 : 1);
        break;
    case ACTION_SCHEDULE_PAUSE:
        alter_set(op, room, SCHEDULE_PAUSE);
        break;
    case ACTION_SCHEDULE_RESUME:
        alter_set(op, room, SCHEDULE_RESUME);
        break;
    case ACTION_SCHEDULE_REMOVE:
        alter_set(op, room, SCHEDULE_REMOVE);
        break;
    case ACTION_SCHEDULE_RUN:
        memset(room->numbers, 0, sizeof room->numbers);
        room->args[0] = slice_str("fire");
        room->args[1] = slice_make(room->numbers[0], 8);
        room->args[2] = slice_make(room->numbers[1], 8);
        call_set(op, room, command_schedule_fire, 3);
        break;
    default:
        op->kind = OP_GET;
        op->value = slice_make(NULL, 0);
        break;
    }
}

struct fault session_job(struct session *s, struct op *op, struct slice name,
                         const struct job_ask *ask)
{
    struct job_room *room = arena_alloc(s->arena, sizeof *room);
    struct fault f;
    if (!room)
        return (struct fault){GRID_EBUSY, NULL};
    if (ask->action == SUBMIT)
        return submit(s, op, name, ask, room);
    if (ask->action == ACTION_SCHEDULE_CREATE)
        return schedule_create(s, op, name, ask, room);
    if (ask->action > JOB_ACTIONS_LEN)
        return (struct fault){GRID_EUNSUPPORTED, "this server does not know the action"};
    bool job = ask->action == ACTION_JOB_SHOW || ask->action == ACTION_JOB_CANCEL;
    f = job ? job_find(s, op, ask, room) : schedule_find(s, op, ask, room);
    if (!f.err)
        act_set(op, room, ask->action, name);
    return f;
}

struct fault session_job_cancel(struct session *s, struct op *op, const struct job_id *id,
                                struct job_room *room)
{
    const struct job_ask ask = {.id = slice_make(id->bytes, JOB_ID_BYTES)};
    struct fault f = job_find(s, op, &ask, room);
    if (!f.err)
        act_set(op, room, ACTION_JOB_CANCEL, slice_make(NULL, 0));
    return f;
}

/* --- answers ---------------------------------------------------------------------------------- */

enum grid_err session_job_row(struct session *s, const struct result *res, struct job_row *ret_row)
{
    if (res->status)
        return res->status;
    if (!job_row_decode(value_bytes((enum value_type)res->type, res->value), ret_row))
        return GRID_EDAMAGED;
    return session_may(s, RIGHT_COMPUTE, ret_row->name) ? GRID_OK : GRID_EDENIED;
}

static enum grid_err schedule_shown(struct session *s, const struct result *res, struct buf *out)
{
    struct schedule_row row;
    if (!schedule_row_decode(value_bytes((enum value_type)res->type, res->value), &row))
        return GRID_EDAMAGED;
    if (!session_may(s, RIGHT_COMPUTE, row.job))
        return GRID_EDENIED;
    wire_schedule_add(out, session_catalog(s), &row);
    return GRID_OK;
}

static void shown(struct session *s, unsigned action, struct result *res, struct buf *out)
{
    struct job_row job;
    struct job_id id = {{0}};
    enum grid_err err =
        action == ACTION_JOB_SHOW ? session_job_row(s, res, &job) : schedule_shown(s, res, out);
    if (!err && action == ACTION_JOB_SHOW)
        wire_job_add(out, session_catalog(s), &id, &job);
    *res = (struct result){.status = err, .value = buf_slice(out)};
}

bool session_job_looks(unsigned action)
{
    return action == ACTION_JOB_SHOW || action == ACTION_SCHEDULE_SHOW;
}

void session_job_said(struct session *s, unsigned action, struct result *res, struct buf *out)
{
    if (res->status) {
        if (!session_job_looks(action) && res->status != GRID_ENO_TASK) /* why, in words */
            res->value = slice_make(NULL, 0);
        return;
    }
    if (session_job_looks(action)) {
        shown(s, action, res, out);
        return;
    }
    struct result told = {.version = res->version, .repeated = res->repeated};
    if (action == ACTION_SCHEDULE_RUN) {
        told.status = res->reply == REPLY_BULK ? GRID_OK : GRID_ENOT_FOUND;
        told.value = res->value;
    } else if (res->number == JOB_GONE) {
        told.status = GRID_ENOT_FOUND;
    } else if (action == SUBMIT && res->number == JOB_FENCED) {
        told.status = GRID_EEXISTS;
        told.version = 0;
    } else if (res->number != JOB_TAKEN) {
        told.status = GRID_ECONDITION;
        told.version = 0;
    }
    *res = told;
}

const char *session_job_why(unsigned action, enum grid_err err)
{
    if (err == GRID_EBUSY && (action == SUBMIT || action == ACTION_SCHEDULE_RUN))
        return "too many jobs wait already, where its key is or of its module";
    if (err == GRID_ECONDITION && action == ACTION_JOB_CANCEL)
        return "the job has ended already";
    if (err == GRID_EEXISTS && action == SUBMIT)
        return "another job was submitted with that id";
    if (err == GRID_EEXISTS && action == ACTION_SCHEDULE_CREATE)
        return "there is a schedule of that name already";
    if (err == GRID_EDENIED)
        return "access denied: who asks has not the right compute of the code that it runs";
    if (err == GRID_ENOT_FOUND)
        return action <= ACTION_JOB_CANCEL ? "there is no such job"
                                           : "there is no such schedule at that key";
    return NULL;
}

/* --- lists ------------------------------------------------------------------------------------ */

static uint64_t list_run(struct errands *here, const struct errand *e, struct buf *out)
{
    (void)e;
    if (here->jobs.tell)
        here->jobs.tell(here->jobs.ctx, out);
    return 0;
}

static uint64_t work_run(struct errands *here, const struct errand *e, struct buf *out)
{
    if (here->jobs.work && here->host.first)
        here->jobs.work(here->jobs.ctx, e, out);
    return 0;
}

void errands_set_jobs(struct errands *e, errand_jobs_fn *tell, errand_work_fn *work, void *ctx)
{
    e->jobs = (struct errand_jobs){tell, work, ctx};
}

bool work_errand(struct errand *e)
{
    static const uint32_t args[WORK_KINDS] = {[WORK_LOAD] = 0, [WORK_BEGIN] = 2, [WORK_RUNS] = 1};
    e->run = work_run;
    return e->number >= 0 && e->number < WORK_KINDS && e->args_len == args[e->number];
}

bool jobs_errand(struct errand *e)
{
    e->run = list_run;
    return e->args_len == 0;
}

struct errand session_job_list(void)
{
    return (struct errand){.kind = ERRAND_JOBS, .run = list_run};
}
