/* jobs.c - see jobs.h. */
#include "wire/jobs.h"

#include "client.pb-c.h"
#include "wire/wire_priv.h"

#include <stdio.h>

#define SAME_CODE(ours, theirs) _Static_assert((int)(ours) == (int)(theirs), #ours)
#define X(name, code, text) SAME_CODE(ACTION_##name, GRID__JOB_ACTION__##name);
JOB_ACTIONS(X)
#undef X

enum { PATH_BYTES = 2 * NAME_BYTES_MAX + 2 };

static ProtobufCBinaryData bytes_of(struct slice s)
{
    return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)s.data, .len = s.len};
}

/* Texts in rows end with a zero here. */
struct texts {
    char *at;
    char room[2048];
};

static char *text_of(struct texts *t, struct slice s)
{
    char *start = t->at;
    size_t left = (size_t)(t->room + sizeof t->room - start);
    size_t len = s.len < left ? s.len : left - 1;
    if (len)
        memcpy(start, s.data, len);
    start[len] = '\0';
    if (!wire_text_ok(start))
        start[0] = '\0';
    t->at = start + len + 1;
    return start;
}

static char *path_of(const struct catalog *catalog, uint64_t cache, char path[PATH_BYTES])
{
    const struct context_info *context = catalog_context(catalog, cache_context((uint32_t)cache));
    const struct cache_info *info = catalog_cache(catalog, (uint32_t)cache);
    snprintf(path, PATH_BYTES, "%s/%s", context ? context->name : "?", info ? info->name : "?");
    return path;
}

static void list_add(struct buf *out, Grid__JobInfo *job, Grid__ScheduleInfo *schedule)
{
    Grid__JobList list = GRID__JOB_LIST__INIT;
    list.n_jobs = job != NULL;
    list.jobs = &job;
    list.n_schedules = schedule != NULL;
    list.schedules = &schedule;
    wire_pack(&list.base, out);
}

void wire_job_add(struct buf *out, const struct catalog *catalog, const struct job_id *id,
                  const struct job_row *row)
{
    char path[PATH_BYTES];
    struct texts t;
    struct slice labels;
    struct job_id mine = *id;
    Grid__JobInfo m;
    grid__job_info__init(&m);
    t.at = t.room;
    const uint8_t *life =
        row->node.len ? memchr(row->node.data, '#', row->node.len) : NULL; /* NAME#LIFE */
    struct slice node =
        life ? slice_make(row->node.data, (size_t)(life - row->node.data)) : row->node;
    m.id = bytes_of(slice_make(mine.bytes, JOB_ID_BYTES));
    m.status = (uint32_t)row->status;
    m.name = text_of(&t, row->name);
    m.cache = path_of(catalog, row->cache, path);
    m.key = bytes_of(row->key);
    m.affinity = bytes_of(row->affinity);
    m.priority = (uint32_t)row->priority;
    m.attempt = row->attempt;
    m.step = row->step;
    m.failures = (uint32_t)row->failures;
    m.attempts = (uint32_t)row->attempts_max;
    m.progress = row->progress == JOB_PROGRESS_NONE ? 0 : (uint32_t)row->progress + 1;
    m.module = row->module;
    m.submitted_ms = row->submitted;
    m.due_ms = row->due;
    m.began_ms = row->began;
    m.ended_ms = row->ended;
    m.deadline_ms = row->deadline;
    m.result = bytes_of(row->result);
    m.node = text_of(&t, node);
    (void)job_anywhere(row->labels, &labels);
    m.labels = text_of(&t, labels);
    m.schedule = text_of(&t, row->schedule);
    list_add(out, &m, NULL);
}

void wire_schedule_add(struct buf *out, const struct catalog *catalog,
                       const struct schedule_row *row)
{
    char path[PATH_BYTES];
    struct texts t;
    struct schedule_run mine[SCHEDULE_RUNS];
    Grid__ScheduleRun runs[SCHEDULE_RUNS], *list[SCHEDULE_RUNS];
    Grid__ScheduleInfo m;
    grid__schedule_info__init(&m);
    t.at = t.room;
    for (size_t i = 0; i < row->runs_len; i++) {
        mine[i] = row->runs[i];
        runs[i] = (Grid__ScheduleRun)GRID__SCHEDULE_RUN__INIT;
        runs[i].id = bytes_of(slice_make(mine[i].id.bytes, JOB_ID_BYTES));
        runs[i].tick_ms = mine[i].tick;
        runs[i].ended_ms = mine[i].ended;
        runs[i].status = (uint32_t)mine[i].status;
        list[i] = &runs[i];
    }
    m.name = text_of(&t, row->name);
    m.job = text_of(&t, row->job);
    m.cron = text_of(&t, row->cron);
    m.every_ms = row->every_ms;
    m.cache = path_of(catalog, row->cache, path);
    m.key = bytes_of(row->key);
    m.affinity = bytes_of(row->affinity);
    m.arg = bytes_of(row->arg);
    m.paused = row->paused != 0;
    m.made_ms = row->made;
    m.last_ms = row->last;
    m.next_ms = row->paused ? 0 : schedule_next(row, row->last);
    m.fired = row->fired;
    m.n_runs = row->runs_len;
    m.runs = list;
    list_add(out, NULL, &m);
}

bool wire_hidden_add(struct buf *out, const struct catalog *catalog, struct slice key,
                     struct slice value)
{
    struct job_row job;
    struct schedule_row schedule;
    struct job_id id;
    if (job_key_id(key, &id) && job_row_decode(value, &job))
        wire_job_add(out, catalog, &id, &job);
    else if (key.len && key.data[0] == 's' && schedule_row_decode(value, &schedule))
        wire_schedule_add(out, catalog, &schedule);
    else
        return false;
    return true;
}
