/* jobs.c - jobs and schedules: submitted, asked for, waited for. */
#include "admin_priv.h"
#include "wait.h"

#include <openssl/rand.h>
#include <stdlib.h>

enum { PRIORITY_USUAL = 5, POLL_MS_MIN = 10, POLL_MS_MAX = 500, KEY_BYTES = 24 };

/* --- ids -------------------------------------------------------------------------------------- */

void grid_job_text(const struct grid_job *job, char ret_text[GRID_JOB_TEXT])
{
    for (size_t i = 0; i < GRID_JOB_ID; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", job->id[i]);
}

bool grid_job_parse(const char *text, struct grid_job *ret_job)
{
    static const char hex[] = "0123456789abcdef";
    if (strlen(text) != GRID_JOB_TEXT - 1)
        return false;
    for (size_t i = 0; i < GRID_JOB_ID; i++) {
        const char *a = strchr(hex, text[2 * i]), *b = strchr(hex, text[2 * i + 1]);
        if (!a || !b)
            return false;
        ret_job->id[i] = (uint8_t)((a - hex) << 4 | (b - hex));
    }
    return true;
}

/* It says where it is. */
static void id_make(const struct grid_cache *c, struct grid_bytes placed_by, struct grid_job *job)
{
    uint16_t slot = slot_of(placed_by.data, placed_by.len);
    if (RAND_bytes(job->id, GRID_JOB_ID) != 1)
        memset(job->id, 0, GRID_JOB_ID);
    job->id[0] = (uint8_t)(c->id >> 24);
    job->id[1] = (uint8_t)(c->id >> 16);
    job->id[2] = (uint8_t)(slot >> 8);
    job->id[3] = (uint8_t)slot;
}

/* A job that is about nothing in particular: its key spreads it over the partitions. */
static struct grid_bytes key_make(char key[KEY_BYTES])
{
    uint8_t bytes[8] = {0};
    (void)RAND_bytes(bytes, sizeof bytes);
    int len = snprintf(key, KEY_BYTES, "job-");
    for (size_t i = 0; i < sizeof bytes; i++)
        len += snprintf(key + len, KEY_BYTES - (size_t)len, "%02x", bytes[i]);
    return (struct grid_bytes){key, (size_t)len};
}

/* --- requests --------------------------------------------------------------------------------- */

struct asked {
    struct grid_bytes key, affinity, argument;
    const char *name; /* MODULE.JOB; NULL: none */
};

/* `anywhere`: wherever it lies, it may run at any node with the labels; `room` is for the text. */
static void how_set(Grid__JobAsk *m, const struct grid_job_how *how, bool anywhere,
                    char room[GRID_LABELS_BYTES])
{
    const char *labels = how && how->labels ? how->labels : "";
    m->priority = how && how->priority ? how->priority : PRIORITY_USUAL;
    m->labels = text_of(labels);
    if (anywhere) {
        snprintf(room, GRID_LABELS_BYTES, "*%s", labels);
        m->labels = room;
    }
    if (!how)
        return;
    m->attempts = how->attempts;
    m->backoff_ms = how->backoff_ms;
    m->time_ms = how->deadline_ms;
    m->delay_ms = how->delay_ms;
    m->keep_ms = how->keep_ms;
}

/* `c` NULL: it is of no cache. NULL: there is no memory. */
static struct request *job_request(struct grid *g, struct grid_cache *c, uint32_t op,
                                   const struct asked *a, const Grid__JobAsk *m)
{
    struct grid_bytes name = {a->name, a->name ? strlen(a->name) : 0};
    struct wire_key k = {
        .key = a->key, .value = a->argument, .affinity = a->affinity, .name = name};
    size_t ask_len = grid__job_ask__get_packed_size(m);
    size_t len = (c ? gc_wire_key_len(&k) : gc_wire_bytes_len(REQUEST_NAME, name.len)) +
                 gc_wire_bytes_len(REQUEST_JOB, ask_len);
    uint8_t *ask = malloc(ask_len + 1);
    struct request *r = ask ? gc_request_new(g, op, c, len) : NULL;
    if (r) {
        grid__job_ask__pack(m, ask);
        uint8_t *at =
            c ? gc_wire_put_key(r->body, &k) : gc_wire_put_bytes(r->body, REQUEST_NAME, name);
        gc_wire_put_bytes(at, REQUEST_JOB, (struct grid_bytes){ask, ask_len});
        if (c)
            request_route(r, a->affinity.len ? a->affinity : a->key);
    }
    free(ask);
    return r;
}

static struct request *submit_request(struct grid_cache *c, struct asked *a,
                                      const struct grid_job_how *how, struct grid_job *ret_job)
{
    Grid__JobAsk m;
    char key[KEY_BYTES], labels[GRID_LABELS_BYTES];
    bool anywhere = !a->key.len;
    if (anywhere)
        a->key = key_make(key);
    grid__job_ask__init(&m);
    how_set(&m, how, anywhere, labels);
    id_make(c, a->affinity.len ? a->affinity : a->key, ret_job);
    m.id.data = ret_job->id;
    m.id.len = GRID_JOB_ID;
    struct request *r = job_request(c->grid, c, GRID__OP__SUBMIT, a, &m);
    if (r)
        r->changes = r->is_write = true;
    return r;
}

enum grid_err grid_task_submit(struct grid_cache *c, const char *name, struct grid_bytes key,
                               struct grid_bytes affinity, struct grid_bytes argument,
                               const struct grid_job_how *how, struct grid_job *ret_job)
{
    struct asked a = {key, affinity, argument, name};
    struct wait w = {0};
    return gc_wait(c->grid, submit_request(c, &a, how, ret_job), &w);
}

void grid_task_submit_async(struct grid_cache *c, const char *name, struct grid_bytes key,
                            struct grid_bytes affinity, struct grid_bytes argument,
                            const struct grid_job_how *how, struct grid_job *ret_job,
                            grid_done_fn *done, void *arg)
{
    struct asked a = {key, affinity, argument, name};
    gc_start_async(c->grid, submit_request(c, &a, how, ret_job), done, arg);
}

/* --- what is told ----------------------------------------------------------------------------- */

static size_t job_bytes(const Grid__JobInfo *m)
{
    return rounded(m->key.len) + rounded(m->result.len);
}

static void take_id(struct grid_job *to, ProtobufCBinaryData from)
{
    memset(to->id, 0, sizeof to->id);
    if (from.len == GRID_JOB_ID)
        memcpy(to->id, from.data, GRID_JOB_ID);
}

static void take_job(struct heap *h, struct grid_job_info *to, const Grid__JobInfo *from)
{
    take_id(&to->job, from->id);
    to->status = (enum grid_job_status)from->status;
    SET_TEXT(to->name, from->name);
    SET_TEXT(to->cache, from->cache);
    to->key = heap_copy(h, from->key);
    to->priority = from->priority;
    to->failures = from->failures;
    to->attempts = from->attempts;
    to->attempt = from->attempt;
    to->step = from->step;
    to->progress = (int)from->progress - 1;
    to->submitted_ms = from->submitted_ms;
    to->due_ms = from->due_ms;
    to->began_ms = from->began_ms;
    to->ended_ms = from->ended_ms;
    to->deadline_ms = from->deadline_ms;
    to->result = heap_copy(h, from->result);
    SET_TEXT(to->node, from->node);
    SET_TEXT(to->labels, from->labels);
    SET_TEXT(to->schedule, from->schedule);
}

static enum grid_err jobs_take(const Grid__JobList *m, struct grid_job_info **ret_list,
                               size_t *ret_len)
{
    size_t bytes = rounded((m->n_jobs + 1) * sizeof **ret_list);
    for (size_t i = 0; i < m->n_jobs; i++)
        bytes += job_bytes(m->jobs[i]);
    struct heap h = {calloc(1, bytes)};
    if (!h.at)
        return GRID_ENOMEM;
    struct grid_job_info *list = heap_take(&h, (m->n_jobs + 1) * sizeof *list);
    for (size_t i = 0; i < m->n_jobs; i++)
        take_job(&h, &list[i], m->jobs[i]);
    *ret_list = list;
    *ret_len = m->n_jobs;
    return GRID_OK;
}

static size_t schedule_bytes(const Grid__ScheduleInfo *m)
{
    return rounded(m->key.len) + rounded(m->affinity.len) + rounded(m->arg.len) +
           rounded(m->n_runs * sizeof(struct grid_schedule_run));
}

static void take_schedule(struct heap *h, struct grid_schedule_info *to,
                          const Grid__ScheduleInfo *from)
{
    SET_TEXT(to->name, from->name);
    SET_TEXT(to->job, from->job);
    SET_TEXT(to->cron, from->cron);
    SET_TEXT(to->cache, from->cache);
    to->every_ms = from->every_ms;
    to->key = heap_copy(h, from->key);
    to->affinity = heap_copy(h, from->affinity);
    to->argument = heap_copy(h, from->arg);
    to->paused = from->paused;
    to->made_ms = from->made_ms;
    to->last_ms = from->last_ms;
    to->next_ms = from->next_ms;
    to->fired = from->fired;
    to->runs = heap_take(h, from->n_runs * sizeof *to->runs);
    to->runs_len = from->n_runs;
    for (size_t i = 0; i < from->n_runs; i++) {
        take_id(&to->runs[i].job, from->runs[i]->id);
        to->runs[i].status = (enum grid_job_status)from->runs[i]->status;
        to->runs[i].tick_ms = from->runs[i]->tick_ms;
        to->runs[i].ended_ms = from->runs[i]->ended_ms;
    }
}

static enum grid_err schedules_take(const Grid__JobList *m, struct grid_schedule_info **ret_list,
                                    size_t *ret_len)
{
    size_t bytes = rounded((m->n_schedules + 1) * sizeof **ret_list);
    for (size_t i = 0; i < m->n_schedules; i++)
        bytes += schedule_bytes(m->schedules[i]);
    struct heap h = {calloc(1, bytes)};
    if (!h.at)
        return GRID_ENOMEM;
    struct grid_schedule_info *list = heap_take(&h, (m->n_schedules + 1) * sizeof *list);
    for (size_t i = 0; i < m->n_schedules; i++)
        take_schedule(&h, &list[i], m->schedules[i]);
    *ret_list = list;
    *ret_len = m->n_schedules;
    return GRID_OK;
}

struct told {
    struct grid_job_info **jobs; /* NULL: schedules are wanted */
    struct grid_schedule_info **schedules;
    size_t *len;
};

static enum grid_err take_list(struct wait *w, const struct wire_response *a)
{
    const struct told *t = w->to;
    if (a->status)
        return GRID_OK;
    Grid__JobList *m = grid__job_list__unpack(NULL, a->value.len, a->value.data);
    if (!m)
        return GRID_EBAD_REQUEST;
    enum grid_err err =
        t->jobs ? jobs_take(m, t->jobs, t->len) : schedules_take(m, t->schedules, t->len);
    grid__job_list__free_unpacked(m, NULL);
    return err;
}

static enum grid_err ask(struct grid *g, const char *name, const Grid__JobAsk *m, struct told *t)
{
    struct asked none = {.name = name};
    struct wait w = {.take = t ? take_list : NULL, .to = t};
    struct request *r = job_request(g, NULL, GRID__OP__JOB, &none, m);
    if (r && !t)
        r->changes = r->is_write = true;
    return gc_wait(g, r, &w);
}

static Grid__JobAsk ask_of(Grid__JobAction action, const struct grid_job *job)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } id = {job ? job->id : NULL};
    Grid__JobAsk m;
    grid__job_ask__init(&m);
    m.action = action;
    m.id.data = id.out;
    m.id.len = job ? GRID_JOB_ID : 0;
    return m;
}

/* --- jobs ------------------------------------------------------------------------------------- */

enum grid_err grid_job_show(struct grid *g, const struct grid_job *job,
                            struct grid_job_info **ret_info)
{
    size_t len = 0;
    struct grid_job_info *info;
    struct told t = {.jobs = &info, .len = &len};
    Grid__JobAsk m = ask_of(GRID__JOB_ACTION__JOB_SHOW, job);
    enum grid_err err = ask(g, NULL, &m, &t);
    if (err)
        return err;
    info->job = *job;
    *ret_info = info;
    return GRID_OK;
}

enum grid_err grid_job_wait(struct grid *g, const struct grid_job *job, uint64_t timeout_ms,
                            struct grid_job_info **ret_info)
{
    uint64_t until = gc_now_ms() + timeout_ms, poll = POLL_MS_MIN;
    for (;;) {
        struct grid_job_info *info;
        enum grid_err err = grid_job_show(g, job, &info);
        uint64_t now = gc_now_ms();
        if (!err && (info->status > GRID_JOB_RUNNING || now >= until)) {
            *ret_info = info;
            return info->status > GRID_JOB_RUNNING ? GRID_OK : GRID_ETIMEOUT;
        }
        if (err)
            return err;
        grid_free(info);
        uint64_t next = now + poll < until ? now + poll : until;
        while (now < next) {
            gc_turn(g, (int)(next - now));
            now = gc_now_ms();
        }
        poll = poll * 2 < POLL_MS_MAX ? poll * 2 : POLL_MS_MAX;
    }
}

enum grid_err grid_job_cancel(struct grid *g, const struct grid_job *job)
{
    Grid__JobAsk m = ask_of(GRID__JOB_ACTION__JOB_CANCEL, job);
    struct grid_job_info *info;
    enum grid_err err = ask(g, NULL, &m, NULL);
    if (err != GRID_EDENIED || grid_job_show(g, job, &info))
        return err;
    err = ask(g, info->name, &m, NULL); /* who may run some code only says which it is */
    grid_free(info);
    return err;
}

enum grid_err grid_job_list(struct grid *g, struct grid_job_info **ret_list, size_t *ret_len)
{
    struct told t = {.jobs = ret_list, .len = ret_len};
    Grid__JobAsk m = ask_of(GRID__JOB_ACTION__JOB_LIST, NULL);
    return ask(g, NULL, &m, &t);
}

/* --- schedules -------------------------------------------------------------------------------- */

enum grid_err grid_schedule_create(struct grid_cache *c, const struct grid_schedule *want)
{
    bool anywhere = !want->key.len;
    struct asked a = {want->key, want->affinity, want->argument, want->job};
    struct wait w = {0};
    char labels[GRID_LABELS_BYTES];
    Grid__JobAsk m = ask_of(GRID__JOB_ACTION__SCHEDULE_CREATE, NULL);
    if (anywhere)
        a.key = (struct grid_bytes){want->name, strlen(want->name)};
    how_set(&m, &want->how, anywhere, labels);
    m.schedule = text_of(want->name);
    m.cron = text_of(want->cron);
    m.every_ms = want->every_ms;
    struct request *r = job_request(c->grid, c, GRID__OP__JOB, &a, &m);
    if (r)
        r->changes = r->is_write = true;
    return gc_wait(c->grid, r, &w);
}

enum grid_err grid_schedule_act(struct grid_cache *c, const char *name, struct grid_bytes key,
                                struct grid_bytes affinity, enum grid_schedule_act act)
{
    struct asked a = {.key = key, .affinity = affinity};
    struct wait w = {0};
    Grid__JobAsk m = ask_of((Grid__JobAction)act, NULL);
    if (!key.len)
        a.key = (struct grid_bytes){name, strlen(name)};
    m.schedule = text_of(name);
    struct request *r = job_request(c->grid, c, GRID__OP__JOB, &a, &m);
    if (r)
        r->changes = r->is_write = true;
    return gc_wait(c->grid, r, &w);
}

enum grid_err grid_schedule_list(struct grid *g, struct grid_schedule_info **ret_list,
                                 size_t *ret_len)
{
    struct told t = {.schedules = ret_list, .len = ret_len};
    Grid__JobAsk m = ask_of(GRID__JOB_ACTION__JOB_LIST, NULL);
    return ask(g, NULL, &m, &t);
}
