/* schedule.c - schedules: rows, ticks, procedures. */
#include "compute/schedule.h"

#include "command/procedures.h"
#include "compute/job_priv.h"
#include "compute/sabotage.h"

enum { ROW_FORMAT = 1, ROW = 1, WHAT = 1, LAST = 1, TICK, FIRE_ARGS, SCHEDULE = 0, RANDOM = 12 };

/* --- rows ------------------------------------------------------------------------------------- */

static void add_number(struct buf *out, uint64_t v)
{
    uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX);
    out->len += (size_t)(write_varint(start, v) - start);
}

static void add_slice(struct buf *out, struct slice s)
{
    uint8_t *start = buf_reserve(out, VARINT_BYTES_MAX + s.len);
    out->len += (size_t)(write_slice(start, s) - start);
}

void schedule_row_encode(const struct schedule_row *r, struct buf *out)
{
    buf_add_u8(out, ROW_FORMAT);
#define X(field, most) add_number(out, r->field);
    SCHEDULE_NUMBERS(X)
#undef X
#define X(field, most) add_slice(out, r->field);
    SCHEDULE_SLICES(X)
#undef X
    add_number(out, r->runs_len);
    for (size_t i = 0; i < r->runs_len; i++) {
        buf_add(out, r->runs[i].id.bytes, JOB_ID_BYTES);
        add_number(out, r->runs[i].tick);
        add_number(out, r->runs[i].ended);
        add_number(out, r->runs[i].status);
    }
}

bool schedule_row_decode(struct slice bytes, struct schedule_row *ret_row)
{
    struct reader r = {bytes.data, bytes.data + bytes.len, false};
    struct schedule_row *row = ret_row;
    r.bad = read_u8(&r) != ROW_FORMAT;
#define X(field, most) row->field = read_varint(&r, (most));
    SCHEDULE_NUMBERS(X)
#undef X
#define X(field, most) row->field = read_slice(&r, 0, (most));
    SCHEDULE_SLICES(X)
#undef X
    row->runs_len = read_varint(&r, SCHEDULE_RUNS);
    for (size_t i = 0; i < row->runs_len; i++) {
        const uint8_t *id = read_bytes(&r, JOB_ID_BYTES);
        if (id)
            memcpy(row->runs[i].id.bytes, id, JOB_ID_BYTES);
        row->runs[i].tick = read_varint(&r, UINT64_MAX);
        row->runs[i].ended = read_varint(&r, UINT64_MAX);
        row->runs[i].status = read_varint(&r, JOB_STATUSES - 1);
    }
    return !r.bad && !read_left(&r) && row->name.len && row->job.len && row->key.len;
}

const char *schedule_fault(const struct schedule_row *r, char *why)
{
    struct cron cron;
    if (!control_name_good(r->name))
        return "a schedule is named as caches are: 1 to 64 of a-z A-Z 0-9 _ - .";
    if (!r->every_ms == !r->cron.len)
        return "a schedule goes by `every` or by `cron`";
    if (r->cron.len)
        return cron_parse(r->cron, &cron, why) ? NULL : why;
    return r->every_ms < SCHEDULE_EVERY_MIN ? "`every` is 1 s at least" : NULL;
}

/* --- ticks ------------------------------------------------------------------------------------ */

/* Those of `every` are counted from when it was made. */
msec_t schedule_next(const struct schedule_row *r, msec_t after)
{
    struct cron cron;
    char why[CRON_WHY_BYTES];
    if (r->cron.len)
        return cron_parse(r->cron, &cron, why) ? cron_next(&cron, after) : 0;
    if (!r->every_ms)
        return 0;
    if (after < r->made)
        return r->made + r->every_ms;
    return after + r->every_ms - (after - r->made) % r->every_ms;
}

/* Ticks are looked through from late to early: those missed may be very many. */
msec_t schedule_due(const struct schedule_row *r, msec_t now)
{
    msec_t due = schedule_next(r, r->last);
    if (r->paused || !due || due > now)
        return 0;
    if (r->every_ms)
        return now - (now - r->made) % r->every_ms;
    for (msec_t back = 3600000; back < now - due; back *= 8) {
        msec_t late = schedule_next(r, now - back);
        if (!late || late > now)
            continue;
        due = late;
        break;
    }
    for (msec_t next; (next = schedule_next(r, due)) && next <= now;)
        due = next;
    return due;
}

size_t schedule_key(struct slice name, uint8_t ret_key[SCHEDULE_KEY_MAX])
{
    CHECK(name.len <= SCHEDULE_NAME_MAX);
    ret_key[0] = 's';
    if (name.len)
        memcpy(ret_key + 1, name.data, name.len);
    return 1 + name.len;
}

/* --- procedures ------------------------------------------------------------------------------- */

static void row_put(struct call *c, uint32_t key, const struct schedule_row *row)
{
    struct buf bytes = BUF_INIT;
    schedule_row_encode(row, &bytes);
    uint8_t *kept = call_alloc(c, bytes.len);
    memcpy(kept, bytes.data, bytes.len);
    call_put(c, key, VALUE_BYTES, slice_make(kept, bytes.len), 0);
    buf_release(&bytes);
}

static bool entry_row(const struct entry *e, struct schedule_row *ret_row)
{
    return e && value_is_bytes(entry_type(e)) && schedule_row_decode(entry_string(e), ret_row);
}

/* False: answered. */
static bool fits(struct call *c, uint32_t args)
{
    struct slice key = call_key(c, SCHEDULE);
    bool good = c->args_len == args && key.len > 1 && key.data[0] == 's' &&
                cache_number(call_cache(c)->id) == CACHE_HIDDEN;
    if (!good)
        job_refuse(c, GRID_EBAD_REQUEST);
    return good;
}

void command_schedule_put(struct call *c)
{
    struct schedule_row row;
    char why[CRON_WHY_BYTES];
    if (!fits(c, ROW + 1))
        return;
    if (!schedule_row_decode(c->args[ROW], &row) || schedule_fault(&row, why)) {
        job_refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    if (call_entry(c, SCHEDULE)) {
        c->reply = (struct reply){REPLY_ERROR, GRID_EEXISTS, slice_str("there is one")};
        return;
    }
    if (job_code_missing(c, row.job))
        return;
    if (call_entries(c, call_cache(c)) >= JOBS_PER_PARTITION) {
        job_refuse(c, GRID_EBUSY);
        return;
    }
    row.made = row.last = c->now;
    row.runs_len = row.fired = 0;
    row_put(c, SCHEDULE, &row);
    job_reply_code(c, JOB_TAKEN);
}

void command_schedule_alter(struct call *c)
{
    struct schedule_row row;
    if (!fits(c, WHAT + 1))
        return;
    uint64_t what = c->args[WHAT].len == 8 ? load_u64(c->args[WHAT].data) : UINT64_MAX;
    if (what > SCHEDULE_REMOVE) {
        job_refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    if (!entry_row(call_entry(c, SCHEDULE), &row)) {
        job_reply_code(c, JOB_GONE);
        return;
    }
    row.paused = what == SCHEDULE_PAUSE;
    if (what == SCHEDULE_REMOVE)
        call_remove(c, SCHEDULE);
    else
        row_put(c, SCHEDULE, &row);
    job_reply_code(c, JOB_TAKEN);
}

static void run_add(struct schedule_row *row, const struct job_id *id, msec_t tick)
{
    if (row->runs_len == SCHEDULE_RUNS)
        memmove(row->runs, row->runs + 1, --row->runs_len * sizeof *row->runs);
    row->runs[row->runs_len++] =
        (struct schedule_run){.id = *id, .tick = tick, .status = JOB_QUEUED};
    row->fired++;
}

static struct job_row job_of(const struct schedule_row *row, msec_t tick)
{
    return (struct job_row){.priority = row->priority,
                            .cache = row->cache,
                            .slot = row->slot,
                            .attempts_max = row->attempts_max,
                            .backoff_ms = row->backoff_ms,
                            .deadline = row->time_ms ? tick + row->time_ms : 0,
                            .keep_ms = row->keep_ms,
                            .name = row->job,
                            .key = row->key,
                            .affinity = row->affinity,
                            .arg = row->arg,
                            .labels = row->labels,
                            .schedule = row->name};
}

void command_schedule_fire(struct call *c)
{
    struct schedule_row row;
    uint8_t random[RANDOM + 4], key[JOB_KEY_BYTES];
    uint32_t at;
    if (!fits(c, FIRE_ARGS))
        return;
    if (c->args[LAST].len != 8 || c->args[TICK].len != 8) {
        job_refuse(c, GRID_EBAD_REQUEST);
        return;
    }
    uint64_t last = load_u64(c->args[LAST].data), tick = load_u64(c->args[TICK].data);
    bool good = entry_row(call_entry(c, SCHEDULE), &row);
    bool turn = (row.last == last && tick > last) || WORK_RULE_OFF(TICK);
    if (!good || (tick && (row.paused || !turn || tick > c->now))) {
        reply_null(c);
        return;
    }
    if (call_entries(c, call_cache(c)) >= JOBS_PER_PARTITION) {
        job_refuse(c, GRID_EBUSY);
        return;
    }
    store_u64(random, call_random(c));
    store_u64(random + 8, call_random(c));
    struct job_id id = job_id_make(call_context(c)->id, (uint16_t)row.slot, random);
    job_id_key(&id, key);
    if (call_find(c, call_cache(c), slice_make(key, sizeof key), &at)) {
        reply_null(c); /* nobody sees it: it begins again */
        return;
    }
    struct job_row job = job_of(&row, tick ? tick : c->now);
    row.last = tick ? tick : row.last;
    run_add(&row, &id, tick ? tick : c->now);
    job_row_new(c, at, &job);
    row_put(c, SCHEDULE, &row);
    buf_add(c->raw, id.bytes, JOB_ID_BYTES);
    reply_bulk(c, buf_slice(c->raw));
}

enum grid_err schedule_run_ended(struct call *c, const struct job_id *id, const struct job_row *job)
{
    struct schedule_row row;
    uint8_t key[SCHEDULE_KEY_MAX];
    uint32_t at;
    size_t len = schedule_key(job->schedule, key);
    enum grid_err err = call_find(c, call_cache(c), slice_make(key, len), &at);
    if (err || !entry_row(call_entry(c, at), &row))
        return err;
    for (size_t i = 0; i < row.runs_len; i++) {
        if (memcmp(row.runs[i].id.bytes, id->bytes, JOB_ID_BYTES) != 0)
            continue;
        row.runs[i].status = job->status;
        row.runs[i].ended = job->ended;
        row_put(c, at, &row);
    }
    return GRID_OK;
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {command_schedule_put, 84, true, ROW + 1, 0, 0, 0, false, true, false},
        {command_schedule_alter, 85, true, WHAT + 1, 0, 0, 0, false, true, false},
        {command_schedule_fire, 86, true, FIRE_ARGS, 0, 0, 0, false, true, false},
    };
    procedures_add(ours, sizeof ours / sizeof *ours);
}
