/* job_places.c - jobs that do not run where they lie: at the node that has most room for them, as
 * nodes say when they are asked (coordination/spread.h).
 *
 *   runner --start--> fresh loads? --no--> LOAD to all nodes, and LATER
 *                        '-- yes --> the least loaded one --BEGIN--> its pool, whose attempt begins
 *                                        by a step of the job's partition; or it says no
 *
 * What is asked are errands (session/errand.h); one that is lost costs time, for only that step
 * counts. A node that runs what lies elsewhere looks at its rows itself: whoever leads the
 * partition writes there that another attempt is wanted, or none. */
#include "node/jobs_priv.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "coordination/spread.h"
#include "data/value.h"
#include "node/replication.h"
#include "node/routing.h"
#include "proto/slot.h"

#include <stdlib.h>

enum { FRESH_MS = 20, NAMED_BYTES = JOB_ID_BYTES + 8 };
enum arg { NAMED, NAME }; /* id and attempt; of BEGIN the name, too */
static const char yes[] = "y", no[] = "n";

/* --- who has room ----------------------------------------------------------------------------- */

struct job_places {
    bool asking;
    msec_t since; /* mono; when what is known was told; 0: nothing is */
    struct spread_load *nodes;
    struct spread_load **fit; /* of them; for a choice */
    size_t len;
};

struct job_places *job_places_new(void)
{
    return xcalloc(1, sizeof(struct job_places));
}

void job_places_free(struct job_places *p)
{
    free(p->nodes);
    free(p->fit);
    free(p);
}

/* What runs here. With the lock. */
static void load_here(const struct jobs *j, struct replica_member self, struct spread_load *l)
{
    *l = (struct spread_load){.member = self,
                              .places = pool_stopping(j->pool) ? 0 : j->threads,
                              .of_module = j->of_module};
    list_for_each (it, &j->running)
        spread_add(l, slice_str(list_entry(it, struct attempt, link)->module));
}

static void loads_take(struct worker *w, struct slice told)
{
    struct jobs *j = w->node->jobs;
    struct job_places *p = j->places;
    pthread_mutex_lock(&j->lock);
    p->asking = false;
    p->since = loop_mono_ms(w->loop);
    p->len = 0;
    while (p->len < GRID_NODES_MAX) { /* others say it: there are no more */
        p->nodes = xrealloc(p->nodes, p->len + 1, sizeof *p->nodes);
        if (!spread_decode(&told, &p->nodes[p->len]))
            break;
        p->len++;
    }
    p->fit = xrealloc(p->fit, p->len + 1, sizeof(struct spread_load *));
    pthread_mutex_unlock(&j->lock);
}

/* --- asking ----------------------------------------------------------------------------------- */

struct asking {
    struct asker asker;
    struct list link; /* worker.jobs.asking */
    struct worker *worker;
    int64_t what; /* enum work */
    struct job_id id;
    uint32_t context;
    uint16_t partition;
    uint64_t attempt;
};

static void answered(struct asker *asker, const struct ticket *to, const struct result *res)
{
    struct asking *a = container_of(asker, struct asking, asker);
    struct worker *w = a->worker;
    (void)to;
    /* of who does not answer: what is not begun can be begun elsewhere, and who begins second finds
     * that out; what runs may run */
    bool lost = slice_eq(res->value, slice_str(no)) || (a->what == WORK_BEGIN && !res->value.len);
    if (a->what == WORK_LOAD)
        loads_take(w, res->value);
    else if (lost)
        runner_lost(w->jobs.runner, a->context, a->partition, &a->id, a->attempt, clock_wall_ms());
    w->jobs.dirty = true;
    list_remove(&a->link);
    free(a);
}

/* `job` NULL: of all nodes. */
static void ask(struct worker *w, enum work what, uint32_t node, const struct runner_job *job)
{
    struct asking *a = xcalloc(1, sizeof *a);
    uint8_t named[NAMED_BYTES];
    asker_init(&a->asker, answered);
    a->worker = w;
    a->what = what;
    list_init(&a->link);
    list_push_back(&w->jobs.asking, &a->link);
    struct errand e = {.kind = ERRAND_WORK, .number = what, .node = node};
    if (job) {
        a->id = job->id;
        a->context = job->context;
        a->partition = job->partition;
        a->attempt = job->attempt;
        memcpy(named, job->id.bytes, JOB_ID_BYTES);
        store_u64(named + JOB_ID_BYTES, job->attempt);
        e.args[NAMED] = slice_make(named, sizeof named);
        e.args[NAME] = job->name;
        e.args_len = what == WORK_BEGIN ? 2 : 1;
    }
    CHECK(errand_known(&e));
    everywhere(w, &(struct ticket){.owner = &a->asker, .thread = w->index}, &e);
}

void job_places_release(struct worker *w)
{
    while (!list_empty(&w->jobs.asking))
        free(list_entry(list_pop_front(&w->jobs.asking), struct asking, link));
}

/* --- the choice ------------------------------------------------------------------------------- */

static bool fits(const struct grid_state *s, const struct spread_load *l, struct slice label)
{
    const struct grid_node *n = grid_state_node(s, l->member.node);
    return n && grid_state_lives(s, l->member) && !n->draining && grid_node_labelled(n, label);
}

static bool anybody(const struct grid_state *s, struct slice label)
{
    bool found = false;
    for (size_t i = 0; i < s->nodes_len && !found; i++)
        found = grid_node_labelled(&s->nodes[i], label);
    return found;
}

/* The node that is to run it, which counts as run there from now on; 0: none has room. With the
 * lock. */
static uint32_t choose(struct job_places *p, const struct grid_state *s,
                       const struct runner_job *job)
{
    struct slice module = module_part(job->name);
    for (size_t i = 0; i < p->len; i++)
        p->fit[i] = fits(s, &p->nodes[i], job->labels) ? &p->nodes[i] : NULL;
    struct spread_load *l =
        spread_pick(p->fit, p->len, module, load_u64(job->id.bytes + JOB_ID_BYTES - 8));
    if (l)
        spread_add(l, module);
    return l ? l->member.node : 0;
}

enum runner_place job_places_start(struct worker *w, const struct runner_job *job)
{
    struct jobs *j = w->node->jobs;
    struct job_places *p = j->places;
    const struct grid_state *s = replication_state(w);
    if (!s || !anybody(s, job->labels))
        return RUNNER_NOWHERE;
    pthread_mutex_lock(&j->lock);
    bool fresh = p->since && loop_mono_ms(w->loop) < p->since + FRESH_MS, begins = !p->asking;
    uint32_t node = fresh ? choose(p, s, job) : 0;
    p->asking |= !fresh;
    pthread_mutex_unlock(&j->lock);
    if (!fresh && begins)
        ask(w, WORK_LOAD, 0, NULL);
    w->jobs.later = w->jobs.later || !node;
    if (!node)
        return RUNNER_LATER;
    if (node == replication_self(w).node) {
        enum runner_place place = attempt_start(w, job);
        w->jobs.later = w->jobs.later || place != RUNNER_STARTED;
        return place == RUNNER_STARTED ? place : RUNNER_LATER;
    }
    atomic_fetch_add(&j->handed, 1);
    ask(w, WORK_BEGIN, node, job);
    return RUNNER_STARTED;
}

void job_places_runs(struct worker *w, uint32_t node, const struct runner_job *job)
{
    ask(w, WORK_RUNS, node, job);
}

/* --- what others ask -------------------------------------------------------------------------- */

static bool named_read(const struct worker *w, const struct errand *e, struct runner_job *job)
{
    *job = (struct runner_job){.attempt = load_u64(e->args[NAMED].data + JOB_ID_BYTES)};
    memcpy(job->id.bytes, e->args[NAMED].data, JOB_ID_BYTES);
    job->context = job_id_context(&job->id);
    const struct context_info *c = catalog_context(w->catalog, job->context);
    if (!c || job_id_slot(&job->id) >= SLOTS)
        return false;
    job->partition = (uint16_t)slot_partition(job_id_slot(&job->id), c->partitions);
    job->name = e->args_len > NAME ? e->args[NAME] : slice_make(NULL, 0);
    return true;
}

void job_places_told(void *ctx, const struct errand *e, struct buf *out)
{
    struct worker *w = ctx;
    struct jobs *j = w->node->jobs;
    struct runner_job job;
    struct spread_load load;
    if (e->number == WORK_LOAD) {
        pthread_mutex_lock(&j->lock);
        load_here(j, w->replication ? replication_self(w) : (struct replica_member){0}, &load);
        pthread_mutex_unlock(&j->lock);
        if (load.member.node)
            spread_encode(&load, out);
        return;
    }
    bool done = e->args_len > NAMED && e->args[NAMED].len == NAMED_BYTES && named_read(w, e, &job);
    if (done && e->number == WORK_RUNS)
        done = jobs_run_here(j, &job);
    else if (done)
        done = attempt_start(w, &job) == RUNNER_STARTED;
    buf_add_text(out, done ? yes : no);
}

/* --- what runs here and lies elsewhere -------------------------------------------------------- */

struct watched {
    struct inside_call call;
    struct jobs *jobs;
    struct job_id id;
    uint8_t key[JOB_KEY_BYTES];
};

static void watched_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct watched *v = container_of(c, struct watched, call);
    struct slice key = slice_make(v->key, sizeof v->key);
    if (on && res->status == GRID_OK)
        job_row_seen(on, key, value_bytes((enum value_type)res->type, res->value), true);
    else if (on && res->status == GRID_ENOT_FOUND)
        job_row_seen(on, key, slice_make(NULL, 0), false);
    free(v);
}

static void watch(struct worker *w, const struct attempt *a)
{
    struct watched *v = xcalloc(1, sizeof *v);
    job_id_key(&a->id, v->key);
    v->call.done = watched_done;
    v->call.op = (struct op){.kind = OP_GET,
                             .cache = cache_hidden(a->context),
                             .partition = a->partition,
                             .slot = job_id_slot(&a->id),
                             .key = slice_make(v->key, sizeof v->key)};
    inside_ask(w->node, &v->call);
}

msec_t job_places_watch(struct worker *w)
{
    struct jobs *j = w->node->jobs;
    msec_t now = loop_mono_ms(w->loop);
    uint64_t epoch;
    bool any = false, due = now >= w->jobs.watch_at;
    pthread_mutex_lock(&j->lock);
    list_for_each (it, &j->running) {
        const struct attempt *a = list_entry(it, struct attempt, link);
        if (a->partition % w->node->shards != w->index ||
            shard_leads(w->shard, a->context, a->partition, &epoch))
            continue;
        any = true;
        if (due)
            watch(w, a);
    }
    pthread_mutex_unlock(&j->lock);
    if (due)
        w->jobs.watch_at = now + WATCH_MS;
    return any ? w->jobs.watch_at - now : UINT64_MAX;
}
