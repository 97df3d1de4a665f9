/* machine.c - see machine.h. */
#include "tests/sim/whole/machine.h"

#include "base/alloc.h"
#include "base/log.h"
#include "compute/service_call.h"
#include "coordination/holder.h"
#include "node/aside.h"
#include "node/inside.h"
#include "node/jobs.h"
#include "node/node_priv.h"
#include "node/pool.h"
#include "node/replication.h"
#include "node/services.h"
#include "session/errand.h"
#include "tests/sim/whole/fibers.h"
#include "tests/sim/whole/work.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAIL_MS = 3, NODE_BITS = 8, JOB_THREADS = 4 };

struct loop {
    struct worker *worker;
};

struct posted {
    struct list link;
    struct note *note;
    struct worker *worker;
};

struct machine {
    struct node node; /* as its files see it */
    struct simnode *sim;
    bool dead;
    char *label;
    struct worker workers[SHARDS_MAX];
    struct loop loops[SHARDS_MAX];
    struct list notes;  /* of struct posted */
    struct list calls;  /* of struct inside_call */
    struct list fibers; /* that run */
};

static struct machine *of(struct node *n)
{
    return container_of(n, struct machine, node);
}

static struct simshard *shard_of(const struct worker *w)
{
    return &of(w->node)->sim->shards[w->index];
}

struct worker *machine_worker(struct simshard *h)
{
    struct machine *m = h->node->machine;
    return m ? &m->workers[h->index] : NULL;
}

static struct event *mail_at(const struct worker *w, enum event_kind kind)
{
    struct simnode *n = of(w->node)->sim;
    return event_at(n->w, n->w->now + work_below(n->w, MAIL_MS), kind, n->index, 1 + w->index);
}

/* --- clocks ----------------------------------------------------------------------------------- */

static const struct machine *here; /* whose code runs */

void machine_enter(const struct simnode *n)
{
    here = n->machine;
}

msec_t sim_wall_ms(void);
uint64_t sim_mono_us(void);

msec_t sim_wall_ms(void)
{
    return node_wall(here->sim);
}

uint64_t sim_mono_us(void)
{
    return node_mono(here->sim) * 1000;
}

msec_t loop_wall_ms(struct loop *l)
{
    return node_wall(of(l->worker->node)->sim);
}

msec_t loop_mono_ms(struct loop *l)
{
    return node_mono(of(l->worker->node)->sim);
}

void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fire)(void *ctx), void *ctx)
{
    *t = (struct loop_timer){.loop = l, .fire = fire, .ctx = ctx};
}

/* The key is the number of its event; 0: it is not set. */
void loop_timer_set(struct loop_timer *t, msec_t ms)
{
    const struct worker *w = t->loop->worker;
    struct simnode *n = of(w->node)->sim;
    if (of(w->node)->dead)
        return;
    msec_t at = node_true(n, node_mono(n) + (ms < 3600000 ? ms : 3600000));
    struct event *e = event_at(n->w, at, EVENT_TIMER, n->index, 1 + w->index);
    e->what = t;
    e->number = t->node.key = ++n->w->work_numbers;
}

void loop_timer_stop(struct loop_timer *t)
{
    t->node.key = 0;
}

/* --- mail ------------------------------------------------------------------------------------- */

void worker_post(struct worker *w, struct note *note)
{
    struct machine *m = of(w->node);
    struct posted *p = xcalloc(1, sizeof *p);
    p->note = note;
    p->worker = w;
    list_push_back(&m->notes, &p->link);
    if (!m->dead)
        (void)mail_at(w, EVENT_NOTE);
}

/* Nobody here stops in the way that would. */
void loop_post(struct loop *l, struct mail *mail)
{
    (void)l, (void)mail;
}

static void note_run(struct machine *m, const struct worker *of_worker)
{
    list_for_each_safe (it, &m->notes) {
        struct posted *p = list_entry(it, struct posted, link);
        struct worker *w = p->worker;
        if (of_worker && w != of_worker)
            continue;
        struct note *note = p->note;
        list_remove(it);
        free(p);
        note->run(note, w);
        return;
    }
}

struct said { /* an answer on its way */
    struct ticket to;
    struct result res;
};

void forward_result(struct worker *from, const struct ticket *to, const struct result *res)
{
    if (of(from->node)->dead)
        return;
    services_sim_says(of(from->node)->sim, res);
    size_t bytes = result_copy_bytes(res);
    struct said *s = xalloc(sizeof *s + bytes);
    *s = (struct said){*to, *res};
    result_copy_fill(&s->res, s + 1);
    mail_at(from, EVENT_SAID)->op = (struct op *)s;
}

/* --- what the files of the node ask ----------------------------------------------------------- */

const struct grid_state *replication_state(const struct worker *w)
{
    return shard_of(w)->state;
}

struct replica_member replication_self(const struct worker *w)
{
    return shard_of(w)->self;
}

/* Of errands there are those that jobs send. */
struct errands {
    struct errand_jobs jobs;
    bool first;
};

void errands_set_jobs(struct errands *e, errand_jobs_fn *tell, errand_work_fn *work, void *ctx)
{
    e->jobs = (struct errand_jobs){tell, work, ctx};
}

static uint64_t work_run(struct errands *e, const struct errand *errand, struct buf *out)
{
    if (e->first)
        e->jobs.work(e->jobs.ctx, errand, out);
    return 0;
}

bool errand_known(struct errand *e)
{
    e->run = work_run;
    return e->kind == ERRAND_WORK;
}

uint64_t errand_run(struct errands *here_too, const struct errand *e, struct buf *out)
{
    return e->run(here_too, e, out);
}

void worker_dirty(struct worker *w, struct session *s)
{
    (void)w, (void)s;
}

struct catalog *inside_catalog(struct node *n)
{
    struct machine *m = of(n);
    struct catalog *newest = m->workers[0].catalog;
    for (unsigned i = 1; i < n->shards; i++)
        if (m->workers[i].catalog->revision > newest->revision)
            newest = m->workers[i].catalog;
    return catalog_ref(newest);
}

enum grid_err inside_place(struct node *n, struct slice cache, struct slice key,
                           struct slice affinity, struct op *op, const char **ret_why)
{
    struct catalog *c = inside_catalog(n);
    const struct cache_info *info = catalog_cache_named(c, cache);
    *ret_why = NULL;
    op->cache = info ? info->id : 0;
    op->key = key;
    op->affinity = affinity;
    enum grid_err err = info ? op_place(c, op, ret_why) : GRID_ENO_CACHE;
    catalog_unref(c);
    return err;
}

enum grid_err inside_task(struct node *n, struct op *op, struct slice name, struct task_room *room,
                          const char **ret_why)
{
    struct catalog *c = inside_catalog(n);
    enum grid_err err = op_task(c, n->natives, op, name, room, ret_why);
    catalog_unref(c);
    return err;
}

static void call_told(struct inside_call *c, const struct result *res, struct worker *on)
{
    const struct machine *was = here;
    here = of(c->worker->node);
    c->done(c, res, on);
    here = was;
}

void inside_ask(struct node *n, struct inside_call *c)
{
    struct machine *m = of(n);
    struct world *w = m->sim->w;
    c->worker = &m->workers[c->op.partition % n->shards];
    c->changes = op_changes(&c->op);
    if (m->dead) {
        call_told(c, &(struct result){.status = GRID_ECLOSED}, NULL);
        return;
    }
    c->op.ticket =
        (struct ticket){.part = INSIDER, .number = ++w->work_numbers << NODE_BITS | m->sim->index};
    list_push_back(&m->calls, &c->here);
    mail_at(c->worker, EVENT_INSIDE)->op = route_keep(&c->op);
}

void machine_answer(struct world *w, const struct ticket *to, const struct result *res)
{
    struct machine *m = w->nodes[to->number & ((1 << NODE_BITS) - 1)].machine;
    list_for_each (it, &m->calls) {
        struct inside_call *c = list_entry(it, struct inside_call, here);
        if (c->op.ticket.number != to->number)
            continue;
        struct worker *on = c->worker;
        list_remove(it);
        call_told(c, res, on); /* it may be freed then */
        shard_dirty(shard_of(on));
        return;
    }
    world_fail(w, "what code of node %u asked is answered twice", m->sim->index);
}

static void inside_take(struct simshard *h, const struct op *op)
{
    enum grid_err err = h->over ? GRID_ESTOPPING : !h->self.node ? GRID_EENTERING : GRID_OK;
    if (err)
        machine_answer(h->node->w, &op->ticket, &(struct result){.status = err});
    else
        route_submit(h, op);
}

struct waiting {
    struct inside_call call;
    struct fiber *fiber;
    struct inside_answer *answer;
    bool done;
};

static void waiting_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct waiting *w = container_of(c, struct waiting, call);
    size_t bytes = result_copy_bytes(res);
    (void)on;
    work_told(of(c->worker->node)->sim, w->fiber, &c->op, res);
    w->answer->memory = bytes ? xalloc(bytes) : NULL;
    w->answer->result = *res;
    result_copy_fill(&w->answer->result, w->answer->memory);
    w->done = true;
    if (!of(c->worker->node)->dead)
        fiber_wake(w->fiber, 0);
}

/* A thread may stand still before anybody hears what it asks, and before it sees the answer. */
void inside_wait(struct node *n, const struct op *op, struct inside_answer *ret_answer)
{
    struct machine *m = of(n);
    struct waiting w = {
        .call = {.op = *op, .done = waiting_done}, .fiber = fiber_here(), .answer = ret_answer};
    *ret_answer = (struct inside_answer){.result.status = GRID_ECLOSED};
    if (!m->dead)
        fiber_sleep(0);
    if (m->dead)
        return;
    work_asks(w.fiber, op);
    inside_ask(n, &w.call);
    while (!w.done && !m->dead)
        fiber_wait();
    if (w.done)
        return;
    list_remove(&w.call.here);
    if (op_changes(op))
        ret_answer->result.status = GRID_EIN_DOUBT;
}

void inside_answer_release(struct inside_answer *a)
{
    free(a->memory);
    *a = (struct inside_answer){.memory = NULL};
}

/* --- pools ------------------------------------------------------------------------------------ */

struct pool {
    struct machine *machine;
    unsigned threads, running;
    struct list waiting[POOL_PRIORITIES];
};
static struct machine *being_made;

struct pool *pool_new(const char *name, unsigned threads)
{
    struct pool *p = xcalloc(1, sizeof *p);
    (void)name;
    p->machine = being_made;
    p->threads = threads;
    for (unsigned i = 0; i < POOL_PRIORITIES; i++)
        list_init(&p->waiting[i]);
    return p;
}

static void work_body(void *pool, void *work)
{
    struct pool_thread t = {.pool = pool};
    struct pool_work *w = work;
    w->run(w, &t);
}

static void pool_go(struct pool *p)
{
    struct list *it = NULL;
    for (unsigned i = 0; i < POOL_PRIORITIES && !it && p->running < p->threads; i++)
        it = list_pop_front(&p->waiting[i]);
    if (!it)
        return;
    struct machine *m = p->machine;
    p->running++;
    struct fiber *f = fiber_new(m->sim, work_body, p, list_entry(it, struct pool_work, link));
    list_push_back(&m->fibers, fiber_link(f));
    if (!m->dead)
        fiber_wake(f, 0);
}

bool pool_post(struct pool *p, struct pool_work *w)
{
    if (p->machine->dead)
        return false;
    list_push_back(&p->waiting[w->priority], &w->link);
    pool_go(p);
    return true;
}

bool pool_stopping(const struct pool *p)
{
    return p->machine->dead;
}

void pool_tell_stop(struct pool *p)
{
    (void)p;
}

void pool_stop(struct pool *p)
{
    (void)p;
}

void pool_free(struct pool *p)
{
    free(p);
}

static void fiber_run(struct machine *m, struct fiber *f)
{
    here = m;
    bool over = fiber_go(f);
    if (!over)
        return;
    struct pool *p = fiber_ctx(f);
    list_remove(fiber_link(f));
    work_fiber_over(m->sim->w, f);
    fiber_free(f);
    p->running--;
    pool_go(p);
}

/* --- what happens ----------------------------------------------------------------------------- */

void machine_aside(void *shard, const struct op *op)
{
    struct simshard *h = shard;
    if (op->procedure != command_service) {
        map_aside(shard, op);
        return;
    }
    struct aside *a = xalloc(sizeof *a + op_copy_bytes(op));
    *a = (struct aside){machine_worker(h), *op};
    op_copy_fill(&a->op, a + 1);
    services_begin(a);
}

void machine_news(struct simshard *h)
{
    struct machine *m = h->node->machine;
    if (!m)
        return;
    struct worker *w = &m->workers[h->index];
    catalog_unref(w->catalog);
    w->catalog = catalog_ref(grid_state_founded(h->state) ? h->state->catalog : h->node->catalog);
    w->stopping = h->over;
    here = m;
    services_look(w);
}

void machine_turn(struct simshard *h)
{
    struct machine *m = h->node->machine;
    if (!m)
        return;
    here = m;
    jobs_turn(&m->workers[h->index]);
    services_turn(&m->workers[h->index]);
}

void machine_event(struct world *w, struct event *e)
{
    struct simnode *n = &w->nodes[e->node];
    struct machine *m = n->machine;
    struct simshard *h = e->actor ? &n->shards[e->actor - 1] : NULL;
    struct loop_timer *t = e->what;
    here = m;
    switch (e->kind) {
    case EVENT_FIBER:
        if (fiber_awaits(m->fibers.next, &m->fibers, e->what, e->number))
            fiber_run(m, e->what);
        break;
    case EVENT_TIMER:
        if (t->node.key == e->number) {
            t->node.key = 0;
            t->fire(t->ctx);
        }
        break;
    case EVENT_NOTE:
        note_run(m, &m->workers[e->actor - 1]);
        break;
    case EVENT_INSIDE:
        inside_take(h, e->op);
        break;
    case EVENT_SAID:
        shards_reply(h, &((struct said *)e->op)->to, &((struct said *)e->op)->res);
        break;
    default:
        break;
    }
    if (h)
        shard_dirty(h);
}

void machine_errand(struct simshard *h, const struct ticket *to, const struct errand *errand)
{
    struct worker *w = machine_worker(h);
    if (w)
        everywhere_here(w, to, errand);
    else
        world_fail(h->node->w, "an errand of nobody");
}

void machine_check(struct simshard *h)
{
    struct worker *w = machine_worker(h);
    if (w && work_below(h->node->w, 128) == 0)
        runner_check(w->jobs.runner);
}

static void show_job(void *ctx, uint32_t context, struct slice key, struct slice row)
{
    struct job_row r;
    struct job_id id;
    char text[JOB_ID_TEXT + 1];
    const struct machine *m = ctx;
    if (!job_key_id(key, &id) || !job_row_decode(row, &r) || job_ended(&r))
        return;
    job_id_text(&id, text);
    printf("node %u knows job %s of context %u: %s at %.*s, attempt %lu, due %lu\n", m->sim->index,
           text, context, job_status_text(r.status), (int)r.node.len, (const char *)r.node.data,
           (unsigned long)r.attempt, (unsigned long)r.due);
}

void machine_show(struct machine *m)
{
    for (unsigned i = 0; m && i < m->node.shards; i++)
        runner_each(m->workers[i].jobs.runner, show_job, m);
    for (struct list *it = m ? m->calls.next : NULL; m && it != &m->calls; it = it->next) {
        const struct inside_call *c = list_entry(it, struct inside_call, here);
        printf("node %u: code waits for op %d of %x/%u, attempt %lx\n", m->sim->index,
               (int)c->op.kind, c->op.cache, c->op.partition, (unsigned long)c->op.ticket.number);
    }
}

bool machine_idle(const struct machine *m)
{
    return !m || list_empty(&m->fibers);
}

bool machine_dead(const struct simnode *n)
{
    return n->machine->dead;
}

/* --- life ------------------------------------------------------------------------------------- */

struct machine *machine_new(struct simnode *n)
{
    struct world *w = n->w;
    if (!w->work)
        return NULL;
    struct machine *m = xcalloc(1, sizeof *m);
    being_made = m;
    m->sim = n;
    list_init(&m->notes);
    list_init(&m->calls);
    list_init(&m->fibers);
    log_set_level(LOG_ERROR);
    n->wall = (int)work_below(w, 400) - 200;
    m->node.shards = w->mix.shards;
    m->node.workers = m->workers;
    m->node.conf.name = n->info.name;
    m->node.conf.job_threads = 1 + (unsigned)work_below(w, JOB_THREADS);
    m->node.conf.jobs_per_module = work_below(w, 3) ? 0 : 2;
    m->label = work_label(n->index);
    m->node.labels = &m->label;
    m->node.conf.labels = (const char *const *)&m->label;
    m->node.conf.labels_len = 1;
    m->node.service_pool = pool_new("service", 2);
    jobs_init(&m->node);
    CHECK(jobs_start(&m->node));
    for (unsigned i = 0; i < m->node.shards; i++) {
        struct worker *k = &m->workers[i];
        k->node = &m->node;
        k->index = i;
        m->loops[i].worker = k;
        k->loop = &m->loops[i];
        k->shard = n->shards[i].s;
        k->catalog = catalog_ref(n->catalog);
        k->replication = (struct replication *)m; /* there is one: that is all they look at */
        k->router = n->shards[i].router;
        k->ports.errands = xcalloc(1, sizeof(struct errands));
        k->ports.errands->first = i == 0;
        jobs_worker_init(k);
        services_init(k);
    }
    return m;
}

/* As a node that is told to end, but nobody hears of it: threads see that it does, and end. */
void machine_stop(struct machine *m)
{
    if (!m)
        return;
    m->dead = true;
    while (!list_empty(&m->fibers))
        fiber_run(m, fiber_of(m->fibers.next));
    here = m;
    while (!list_empty(&m->notes))
        note_run(m, NULL);
    while (!list_empty(&m->calls)) {
        struct inside_call *c = list_entry(list_pop_front(&m->calls), struct inside_call, here);
        c->done(c, &(struct result){.status = GRID_ECLOSED}, NULL);
    }
    for (unsigned i = 0; i < m->node.shards; i++) {
        jobs_worker_release(&m->workers[i]);
        services_release(&m->workers[i]);
        catalog_unref(m->workers[i].catalog);
        free(m->workers[i].ports.errands);
    }
    jobs_free(&m->node);
    pool_free(m->node.service_pool);
    free(m);
}
