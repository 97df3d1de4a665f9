/* jobs.c - see jobs.h.
 *
 *   shard --led, touched--> runner --look, scan--> inside.h --> rows --> runner
 *                             '-- start --> pool: attempts.c;  expire, fire --> inside.h */
#include "node/jobs_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "data/value.h"
#include "node/replication.h"
#include "session/errand.h"
#include "wire/jobs.h"

#include <stdio.h>
#include <stdlib.h>

enum { SCAN_ROWS = 100, QUEUE_MAX = 10000, QUEUE_MODULE_MAX = 5000, LIST_BYTES_MAX = 4 << 20 };

/* --- who runs here ---------------------------------------------------------------------------- */

/* This life of this node, as rows say it. */
static void self_text(const struct worker *w, char text[JOB_NODE_MAX + 1])
{
    struct replica_member self = {0};
    if (w->replication)
        self = replication_self(w);
    if (!self.node)
        self.boot = (uint32_t)w->node->view.epoch;
    snprintf(text, JOB_NODE_MAX + 1, "%s#%u.%u", w->node->conf.name, self.node, self.boot);
}

bool jobs_run_here(struct jobs *j, const struct runner_job *job)
{
    bool found = false;
    pthread_mutex_lock(&j->lock);
    list_for_each (it, &j->running) {
        const struct attempt *a = list_entry(it, struct attempt, link);
        found |= a->number == job->attempt && memcmp(a->id.bytes, job->id.bytes, JOB_ID_BYTES) == 0;
    }
    pthread_mutex_unlock(&j->lock);
    return found;
}

static bool port_alive(void *ctx, struct slice node, const struct runner_job *job)
{
    struct worker *w = ctx;
    char self[JOB_NODE_MAX + 1], text[JOB_NODE_MAX + 1];
    struct replica_member m = {0};
    self_text(w, self);
    if (slice_eq(node, slice_str(self)))
        return jobs_run_here(w->node->jobs, job);
    snprintf(text, sizeof text, "%.*s", (int)node.len, (const char *)node.data);
    const char *life = strrchr(text, '#');
    bool lives = w->replication && life && sscanf(life, "#%u.%u", &m.node, &m.boot) == 2 &&
                 m.node && grid_state_lives(replication_state(w), m);
    if (lives && m.node != replication_self(w).node)
        job_places_runs(w, m.node, job);
    return lives;
}

static bool has_label(const struct worker *w, struct slice label)
{
    const struct node *n = w->node;
    bool found = !label.len;
    for (size_t i = 0; i < n->conf.labels_len; i++)
        found |= slice_eq(label, slice_str(n->labels[i]));
    return found;
}

/* --- attempts --------------------------------------------------------------------------------- */

static void poke_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    w->jobs.dirty = true;
    free(n);
}

static void poke(struct worker *w)
{
    struct note *n = xalloc(sizeof *n);
    *n = (struct note){.run = poke_run};
    worker_post(w, n);
}

static void attempt_body(struct pool_work *work, struct pool_thread *t)
{
    struct attempt *a = container_of(work, struct attempt, work);
    struct jobs *j = a->jobs;
    (void)t;
    attempt_run(a);
    pthread_mutex_lock(&j->lock);
    list_remove(&a->link);
    j->running_len--;
    for (unsigned i = 0; i < j->node->shards && !pool_stopping(j->pool); i++)
        poke(&j->node->workers[i]); /* with the lock: see jobs_tell_stop() */
    pthread_mutex_unlock(&j->lock);
    free(a);
}

static enum runner_place place_take(struct jobs *j, struct attempt *a)
{
    unsigned of_module = 0;
    enum runner_place place = RUNNER_STARTED;
    pthread_mutex_lock(&j->lock);
    list_for_each (it, &j->running)
        of_module += strcmp(list_entry(it, struct attempt, link)->module, a->module) == 0;
    if (!j->pool || pool_stopping(j->pool) || j->running_len >= j->threads)
        place = RUNNER_NODE_FULL;
    else if (j->of_module && of_module >= j->of_module)
        place = RUNNER_MODULE_FULL;
    if (place == RUNNER_STARTED) {
        list_push_back(&j->running, &a->link);
        j->running_len++;
        j->attempts++;
    }
    pthread_mutex_unlock(&j->lock);
    return place;
}

static void module_of(struct slice name, char module[MODULE_NAME_MAX + 1])
{
    struct slice part = module_part(name);
    snprintf(module, MODULE_NAME_MAX + 1, "%.*s", (int)part.len, (const char *)part.data);
}

enum runner_place attempt_start(struct worker *w, const struct runner_job *job)
{
    struct jobs *j = w->node->jobs;
    if (jobs_run_here(j, job)) /* a lead ago: a second one would begin, too: it is the same node */
        return RUNNER_STARTED;
    struct attempt *a = xcalloc(1, sizeof *a);
    a->work = (struct pool_work){.priority = POOL_USUAL, .run = attempt_body};
    a->jobs = j;
    a->id = job->id;
    a->context = job->context;
    a->partition = job->partition;
    a->number = job->attempt;
    list_init(&a->link);
    self_text(w, a->self);
    module_of(job->name, a->module);
    enum runner_place place = place_take(j, a);
    if (place == RUNNER_STARTED && pool_post(j->pool, &a->work)) {
        poke(&w->node->workers[job->partition % w->node->shards]); /* see job_places_watch() */
        return place;
    }
    if (place == RUNNER_STARTED) { /* it stops */
        pthread_mutex_lock(&j->lock);
        list_remove(&a->link);
        j->running_len--;
        pthread_mutex_unlock(&j->lock);
        place = RUNNER_NODE_FULL;
    }
    free(a);
    return place;
}

/* One with a key runs beside its data if it may: only there its reads and steps are near. */
static enum runner_place port_start(void *ctx, const struct runner_job *job)
{
    struct worker *w = ctx;
    bool here = has_label(w, job->labels);
    if (here && (!job->anywhere || !w->replication))
        return attempt_start(w, job);
    return w->replication ? job_places_start(w, job) : RUNNER_NOWHERE;
}

/* Another attempt has begun, or none is wanted any more. */
static void attempts_fence(struct jobs *j, const struct job_id *id, const struct job_row *row)
{
    bool over = !row || job_ended(row);
    pthread_mutex_lock(&j->lock);
    list_for_each (it, &j->running) {
        struct attempt *a = list_entry(it, struct attempt, link);
        if (memcmp(a->id.bytes, id->bytes, JOB_ID_BYTES) == 0 && (over || row->attempt > a->number))
            atomic_store(&a->fenced, true);
    }
    pthread_mutex_unlock(&j->lock);
}

/* --- what the runner asks --------------------------------------------------------------------- */

struct question {
    struct inside_call call;
    struct worker *worker;
    uint64_t era;
    uint32_t context;
    uint16_t partition;
    size_t key_len;
    uint8_t key[KEY_BYTES_MAX];
};

static struct question *question_new(struct worker *w, uint64_t era, uint32_t context,
                                     uint16_t partition, struct slice key)
{
    struct question *q = xcalloc(1, sizeof *q);
    q->worker = w;
    q->era = era;
    q->context = context;
    q->partition = partition;
    q->key_len = key.len;
    if (key.len)
        memcpy(q->key, key.data, key.len);
    return q;
}

void job_row_seen(struct worker *w, struct slice key, struct slice value, bool there)
{
    struct job_id id;
    struct job_row row;
    if (!job_key_id(key, &id))
        return;
    if (!there)
        attempts_fence(w->node->jobs, &id, NULL);
    else if (job_row_decode(value, &row))
        attempts_fence(w->node->jobs, &id, &row);
}

static void look_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct question *q = container_of(c, struct question, call);
    struct slice key = slice_make(q->key, q->key_len);
    bool there = res->status == GRID_OK;
    if (on && (there || res->status == GRID_ENOT_FOUND)) {
        struct runner_entry e = {.key = key};
        if (there) {
            e.version = res->version;
            e.value = value_bytes((enum value_type)res->type, res->value);
        }
        job_row_seen(on, key, e.value, there);
        runner_row(on->jobs.runner, q->era, q->context, q->partition, &e);
    } else if (on) {
        runner_unread(on->jobs.runner, q->era, q->context, q->partition, key, clock_wall_ms());
    }
    if (on)
        on->jobs.dirty = true;
    free(q);
}

static void port_look(void *ctx, uint64_t era, uint32_t context, uint16_t partition,
                      struct slice key)
{
    struct worker *w = ctx;
    struct question *q = question_new(w, era, context, partition, key);
    q->call.done = look_done;
    q->call.op = (struct op){.kind = OP_GET,
                             .direct = true,
                             .cache = cache_hidden(context),
                             .partition = partition,
                             .key = slice_make(q->key, q->key_len)};
    inside_ask(w->node, &q->call);
}

static void scan_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct question *q = container_of(c, struct question, call);
    if (on && res->status == GRID_OK) {
        struct runner_entry *list = xcalloc(res->items_len + 1, sizeof *list);
        for (uint32_t i = 0; i < res->items_len; i++) {
            const struct scan_item *it = &res->items[i];
            list[i] = (struct runner_entry){
                it->key, value_bytes((enum value_type)it->type, it->value), it->version};
        }
        runner_page(on->jobs.runner, q->era, q->context, q->partition, list, res->items_len,
                    res->cursor);
        free(list);
    } else if (on) {
        runner_unread(on->jobs.runner, q->era, q->context, q->partition, slice_make(NULL, 0),
                      clock_wall_ms());
    }
    if (on)
        on->jobs.dirty = true;
    free(q);
}

static void port_scan(void *ctx, uint64_t era, uint32_t context, uint16_t partition,
                      struct slice cursor)
{
    struct worker *w = ctx;
    struct question *q = question_new(w, era, context, partition, slice_make(NULL, 0));
    q->call.done = scan_done;
    q->call.op = (struct op){.kind = OP_SCAN,
                             .direct = true,
                             .cache = cache_hidden(context),
                             .partition = partition,
                             .cursor = cursor,
                             .limit = SCAN_ROWS};
    inside_ask(w->node, &q->call);
}

static bool port_holds(void *ctx, uint32_t context, uint16_t partition)
{
    const struct worker *w = ctx;
    return shard_partition_entries(w->shard, cache_hidden(context), partition) > 0;
}

/* Whatever became of it: its key is touched when it was done. */
static void asked_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    (void)res;
    (void)on;
    free(container_of(c, struct question, call));
}

static void port_expire(void *ctx, uint32_t context, uint16_t partition, const struct job_id *id)
{
    struct worker *w = ctx;
    uint8_t key[JOB_KEY_BYTES];
    struct buf head = BUF_INIT;
    job_id_key(id, key);
    struct slice at = slice_make(key, sizeof key);
    job_step_encode(&(struct job_step){.kind = JOB_STEP_EXPIRE, .progress = JOB_PROGRESS_NONE},
                    &head);
    const struct slice args[] = {slice_str("step"), buf_slice(&head)};
    struct question *q = question_new(w, 0, context, partition, at);
    q->call.done = asked_done;
    q->call.op = jobs_op(context, partition, &at, command_job_step, args, 2);
    inside_ask(w->node, &q->call);
    buf_release(&head);
}

static void port_fire(void *ctx, uint32_t context, uint16_t partition, struct slice key,
                      const struct schedule_row *row, msec_t tick)
{
    struct worker *w = ctx;
    uint8_t last[8], now[8];
    store_u64(last, row->last);
    store_u64(now, tick);
    const struct slice args[] = {slice_str("fire"), slice_make(last, 8), slice_make(now, 8)};
    struct question *q = question_new(w, 0, context, partition, key);
    q->call.done = asked_done;
    q->call.op = jobs_op(context, partition, &key, command_schedule_fire, args, 3);
    q->call.op.affinity = row->affinity.len ? row->affinity : row->key;
    inside_ask(w->node, &q->call);
}

/* --- ports of the shard ----------------------------------------------------------------------- */

void jobs_led(void *ctx, uint32_t context, uint16_t partition, bool led)
{
    struct worker *w = ctx;
    runner_led(w->jobs.runner, context, partition, led);
    w->jobs.dirty = true;
}

void jobs_touched(void *ctx, uint32_t context, uint16_t partition, struct slice key)
{
    struct worker *w = ctx;
    runner_touched(w->jobs.runner, context, partition, key);
    w->jobs.dirty = true;
}

bool jobs_admits(void *ctx, struct slice name)
{
    const struct worker *w = ctx;
    return runner_queued(w->jobs.runner, slice_make(NULL, 0)) < QUEUE_MAX &&
           runner_queued(w->jobs.runner, name) < QUEUE_MODULE_MAX;
}

/* --- what is told ----------------------------------------------------------------------------- */

struct telling {
    const struct worker *worker;
    struct buf *out;
};

static void tell_each(void *ctx, uint32_t context, struct slice key, struct slice row)
{
    const struct telling *t = ctx;
    (void)context;
    if (t->out->len < LIST_BYTES_MAX)
        (void)wire_hidden_add(t->out, t->worker->catalog, key, row);
}

static void tell(void *ctx, struct buf *out)
{
    const struct worker *w = ctx;
    runner_each(w->jobs.runner, tell_each, &(struct telling){w, out});
}

void jobs_stats(const struct worker *w, struct job_stats *ret_stats)
{
    *ret_stats = (struct job_stats){.places = 0};
    runner_stats(w->jobs.runner, &ret_stats->runner);
}

void jobs_node_stats(struct node *n, struct job_stats *stats)
{
    struct jobs *j = n->jobs;
    pthread_mutex_lock(&j->lock);
    stats->attempts = j->attempts;
    stats->running = j->running_len;
    stats->places = j->threads;
    pthread_mutex_unlock(&j->lock);
    stats->handed = atomic_load(&j->handed);
}

/* --- life ------------------------------------------------------------------------------------- */

static void jobs_tick(void *ctx)
{
    ((struct worker *)ctx)->jobs.dirty = true;
}

void jobs_turn(struct worker *w)
{
    if (!w->jobs.dirty || w->stopping)
        return;
    w->jobs.dirty = w->jobs.later = false;
    msec_t wait = runner_tick(w->jobs.runner, loop_wall_ms(w->loop));
    msec_t watch = w->replication ? job_places_watch(w) : UINT64_MAX;
    wait = watch < wait ? watch : wait;
    if (w->jobs.later && wait > LATER_MS)
        wait = LATER_MS;
    if (wait == UINT64_MAX)
        loop_timer_stop(&w->jobs.timer);
    else
        loop_timer_set(&w->jobs.timer, wait);
}

void jobs_worker_init(struct worker *w)
{
    struct runner_ports ports = {.ctx = w,
                                 .holds = port_holds,
                                 .scan = port_scan,
                                 .look = port_look,
                                 .start = port_start,
                                 .alive = port_alive,
                                 .expire = port_expire,
                                 .fire = port_fire};
    w->jobs.runner = runner_new(&ports);
    errands_set_jobs(w->ports.errands, tell, job_places_told, w);
    list_init(&w->jobs.asking);
    list_init(&w->jobs.scans);
    loop_timer_init(&w->jobs.timer, w->loop, jobs_tick, w);
}

void jobs_worker_release(struct worker *w)
{
    if (w->loop)
        loop_timer_stop(&w->jobs.timer);
    if (w->jobs.runner)
        job_places_release(w);
    runner_free(w->jobs.runner);
    w->jobs.runner = NULL;
}

void jobs_init(struct node *n)
{
    n->jobs = xcalloc(1, sizeof *n->jobs);
    n->jobs->node = n;
    n->jobs->threads = n->conf.job_threads ? n->conf.job_threads : 4 * n->shards;
    n->jobs->of_module = n->conf.jobs_per_module;
    list_init(&n->jobs->running);
    n->jobs->places = job_places_new();
    pthread_mutex_init(&n->jobs->lock, NULL);
}

bool jobs_start(struct node *n)
{
    n->jobs->pool = pool_new("job", n->jobs->threads);
    return n->jobs->pool != NULL;
}

/* From then on nothing is posted to workers, which may be gone before the pool. */
void jobs_tell_stop(struct node *n)
{
    if (!n->jobs || !n->jobs->pool)
        return;
    pthread_mutex_lock(&n->jobs->lock);
    pool_tell_stop(n->jobs->pool);
    pthread_mutex_unlock(&n->jobs->lock);
}

void jobs_stop(struct node *n)
{
    if (n->jobs)
        pool_stop(n->jobs->pool);
}

void jobs_free(struct node *n)
{
    if (!n->jobs)
        return;
    pool_free(n->jobs->pool);
    job_places_free(n->jobs->places);
    pthread_mutex_destroy(&n->jobs->lock);
    free(n->jobs);
    n->jobs = NULL;
}
