/* inside.c - see inside.h. A call goes to its worker by mail, with a copy of all that hangs on it;
 * its answer comes there, too. Until then it is in the worker's list: what is in it at the end is
 * answered then.
 *
 * Whoever posts counts himself in `posting` first and looks at `open` then; who ends the node turns
 * that off and waits until nobody posts: so no mail is posted to a worker that is gone.
 *
 * A worker holds the lock of its shard for as long as it runs, but while it waits in its loop. A
 * thread of the program that finds it free reads there in less than a mail takes, and touches
 * nothing but the shard. When the worker wants it back it says so first: however many readers there
 * are, it waits for those alone that are at it. */
#include "node/inside.h"

#include "node/node_priv.h"
#include "node/replication.h"

#include "base/alloc.h"
#include "shard/peek.h"

#include <sched.h>
#include <stdalign.h>
#include <stdlib.h>

enum { SPINS = 40, SPINS_OF_WORKER = 400, PEEK_BYTES_MAX = 64 << 10 };

static inline void cpu_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

/* Who holds the lock has the shard. */
struct lender {
    alignas(64) pthread_mutex_t lock;
    atomic_bool wanted;    /* by the worker: nobody else takes it */
    bool lent;             /* by the worker, which waits */
    struct worker *worker; /* NULL: it does not run, or has ended */
};

struct inside {
    atomic_bool open;
    atomic_uint posting; /* threads that do now */
    atomic_bool lends;
    struct lender *lenders; /* one per shard; stay until the node is freed */
    unsigned lenders_len;
    pthread_mutex_t lock; /* of what follows */
    struct catalog *catalog;
    struct list waiting; /* of struct waiting: who waits now */
    msec_t wait_until;   /* mono; 0: for as long as it takes */
};

struct asked_op {
    struct note note;
    struct inside_call *call;
    struct op op;
    /* then all that hangs on it */
};

static void call_fail(struct inside_call *c, enum grid_err err, struct worker *on)
{
    struct result res = {.status = err};
    c->done(c, &res, on);
}

static void answered(struct asker *a, const struct ticket *to, const struct result *res)
{
    struct inside_call *c = container_of(a, struct inside_call, asker);
    (void)to;
    list_remove(&c->here);
    c->done(c, res, c->worker->ended ? NULL : c->worker);
}

static bool outside(const struct worker *w)
{
    return w->replication && !replication_self(w).node;
}

static void ask_run(struct note *n, void *thread)
{
    struct asked_op *a = container_of(n, struct asked_op, note);
    struct inside_call *c = a->call;
    struct worker *w = thread;
    enum grid_err err = w->ended      ? GRID_ECLOSED
                        : w->stopping ? GRID_ESTOPPING
                        : outside(w)  ? GRID_EENTERING
                                      : GRID_OK;
    if (err) {
        free(a);
        call_fail(c, err, w->ended ? NULL : w);
        return;
    }
    list_push_back(&w->inside, &c->here);
    worker_keep(w, n);
    worker_submit(w, &a->op);
}

static bool posting_begin(struct node *n)
{
    atomic_fetch_add(&n->inside->posting, 1);
    return atomic_load(&n->inside->open);
}

static void posting_end(struct node *n)
{
    atomic_fetch_sub(&n->inside->posting, 1);
}

void inside_ask(struct node *n, struct inside_call *c)
{
    bool open = posting_begin(n);
    if (open) {
        struct worker *w = &n->workers[c->op.partition % n->shards];
        struct asked_op *a = xalloc(sizeof *a + op_copy_bytes(&c->op));
        asker_init(&c->asker, answered);
        c->worker = w;
        c->changes = op_changes(&c->op);
        c->op.ticket = (struct ticket){.owner = &c->asker, .thread = w->index};
        *a = (struct asked_op){.note = {.run = ask_run}, .call = c, .op = c->op};
        op_copy_fill(&a->op, a + 1);
        worker_post(w, &a->note);
    }
    posting_end(n);
    if (!open)
        call_fail(c, GRID_ECLOSED, NULL);
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct waiting { /* stays until it is answered, though nobody waits any more */
    struct inside_call call;
    struct inside *inside;
    struct list link; /* of inside.waiting */
    struct inside_answer answer;
    pthread_cond_t told;
    bool done, left; /* under inside.lock */
};

static void waiting_free(struct waiting *w)
{
    pthread_cond_destroy(&w->told);
    free(w);
}

static void waiting_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct waiting *w = container_of(c, struct waiting, call);
    struct inside *i = w->inside;
    size_t bytes = result_copy_bytes(res);
    (void)on;
    w->answer.memory = bytes ? xalloc(bytes) : NULL;
    w->answer.result = *res;
    result_copy_fill(&w->answer.result, w->answer.memory);
    pthread_mutex_lock(&i->lock);
    bool left = w->left;
    w->done = true;
    pthread_cond_signal(&w->told); /* with the lock: it is gone when the other has it */
    pthread_mutex_unlock(&i->lock);
    if (left) {
        inside_answer_release(&w->answer);
        waiting_free(w);
    }
}

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* With the lock. False: for too long. */
static bool waits_on(struct waiting *w)
{
    struct inside *i = w->inside;
    if (!i->wait_until)
        return pthread_cond_wait(&w->told, &i->lock) == 0;
    struct timespec until = {(time_t)(i->wait_until / 1000),
                             (long)(i->wait_until % 1000) * 1000000};
    return pthread_cond_timedwait(&w->told, &i->lock, &until) == 0;
}

void inside_wait(struct node *n, const struct op *op, struct inside_answer *ret_answer)
{
    struct inside *i = n->inside;
    *ret_answer = (struct inside_answer){.result.status = GRID_ECLOSED};
    struct waiting *w = xalloc(sizeof *w);
    *w = (struct waiting){.call = {.op = *op, .done = waiting_done}, .inside = i};
    cond_init(&w->told);
    inside_ask(n, &w->call);
    pthread_mutex_lock(&i->lock);
    list_push_back(&i->waiting, &w->link);
    while (!w->done && waits_on(w)) {
    }
    list_remove(&w->link);
    w->left = !w->done;
    bool done = w->done;
    pthread_mutex_unlock(&i->lock);
    if (done) {
        *ret_answer = w->answer;
        waiting_free(w);
    } else if (op_changes(op)) {
        ret_answer->result.status = GRID_EIN_DOUBT;
    }
}

void inside_hurry(struct node *n, msec_t ms)
{
    pthread_mutex_lock(&n->inside->lock);
    n->inside->wait_until = clock_mono_ms() + ms;
    list_for_each (it, &n->inside->waiting)
        pthread_cond_signal(&list_entry(it, struct waiting, link)->told);
    pthread_mutex_unlock(&n->inside->lock);
}

void inside_answer_release(struct inside_answer *a)
{
    free(a->memory);
    *a = (struct inside_answer){.memory = NULL};
}

/* --- lending ---------------------------------------------------------------------------------- */

static struct lender *lender_of(const struct worker *w)
{
    return &w->node->inside->lenders[w->index];
}

static bool lender_try(struct lender *l, unsigned spins)
{
    for (unsigned i = 0; i < spins; i++) {
        if (pthread_mutex_trylock(&l->lock) == 0)
            return true;
        cpu_pause();
    }
    return false;
}

void inside_own(struct worker *w)
{
    pthread_mutex_lock(&lender_of(w)->lock);
    lender_of(w)->worker = w;
}

void inside_wait_turn(void *worker, bool begins)
{
    struct worker *w = worker;
    struct lender *l = lender_of(w);
    if (begins) {
        l->lent = atomic_load_explicit(&w->node->inside->lends, memory_order_relaxed);
        if (l->lent)
            pthread_mutex_unlock(&l->lock);
    } else if (l->lent) {
        atomic_store_explicit(&l->wanted, true, memory_order_relaxed);
        if (!lender_try(l, SPINS_OF_WORKER))
            pthread_mutex_lock(&l->lock);
        atomic_store_explicit(&l->wanted, false, memory_order_relaxed);
    }
}

void inside_disown(struct worker *w)
{
    lender_of(w)->worker = NULL;
    pthread_mutex_unlock(&lender_of(w)->lock);
}

void inside_lend(struct node *n)
{
    atomic_store_explicit(&n->inside->lends, true, memory_order_relaxed);
}

bool inside_peek(struct node *n, const struct op *get, inside_take_fn *take, void *ctx)
{
    struct lender *l = &n->inside->lenders[get->partition % n->inside->lenders_len];
    struct result res;
    if (atomic_load_explicit(&l->wanted, memory_order_relaxed) || !lender_try(l, SPINS))
        return false;
    bool done = l->worker && !node_failed(n) &&
                shard_peek(l->worker->shard, get, clock_wall_ms(), &res) != GRID_EBUSY &&
                res.value.len <= PEEK_BYTES_MAX;
    if (done)
        take(ctx, &res);
    pthread_mutex_unlock(&l->lock);
    return done;
}

/* --- where it goes ---------------------------------------------------------------------------- */

struct catalog *inside_catalog(struct node *n)
{
    pthread_mutex_lock(&n->inside->lock);
    struct catalog *c = catalog_ref(n->inside->catalog);
    pthread_mutex_unlock(&n->inside->lock);
    return c;
}

static enum grid_err cache_find(const struct catalog *c, struct slice path, struct op *op,
                                const char **ret_why)
{
    const struct cache_info *cache = catalog_cache_named(c, path);
    const uint8_t *slash = path.len ? memchr(path.data, '/', path.len) : NULL;
    *ret_why = NULL;
    if (cache) {
        op->cache = cache->id;
        return GRID_OK;
    }
    if (!slash) {
        *ret_why = "a cache is named CONTEXT/CACHE";
        return GRID_EBAD_REQUEST;
    }
    struct slice context = slice_make(path.data, (size_t)(slash - path.data));
    return catalog_context_named(c, context) ? GRID_ENO_CACHE : GRID_ENO_CONTEXT;
}

enum grid_err inside_place(struct node *n, struct slice cache, struct slice key,
                           struct slice affinity, struct op *op, const char **ret_why)
{
    struct catalog *c = inside_catalog(n);
    enum grid_err err = cache_find(c, cache, op, ret_why);
    op->key = key;
    op->affinity = affinity;
    if (!err)
        err = op_place(c, op, ret_why);
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

/* --- life ------------------------------------------------------------------------------------- */

void inside_init(struct node *n)
{
    n->inside = xcalloc(1, sizeof *n->inside);
    pthread_mutex_init(&n->inside->lock, NULL);
    n->inside->catalog = catalog_new_empty();
    list_init(&n->inside->waiting);
}

void inside_release(struct node *n)
{
    catalog_unref(n->inside->catalog);
    pthread_mutex_destroy(&n->inside->lock);
    for (unsigned i = 0; i < n->inside->lenders_len; i++)
        pthread_mutex_destroy(&n->inside->lenders[i].lock);
    free(n->inside->lenders);
    free(n->inside);
}

void inside_news(struct worker *w)
{
    struct inside *i = w->node->inside;
    struct catalog *old = NULL;
    pthread_mutex_lock(&i->lock);
    if (w->catalog->revision >= i->catalog->revision) {
        old = i->catalog;
        i->catalog = catalog_ref(w->catalog);
    }
    pthread_mutex_unlock(&i->lock);
    catalog_unref(old);
}

void inside_open(struct node *n)
{
    struct inside *i = n->inside;
    i->lenders = aligned_alloc(alignof(struct lender), n->shards * sizeof *i->lenders);
    CHECK(i->lenders);
    memset(i->lenders, 0, n->shards * sizeof *i->lenders);
    for (; i->lenders_len < n->shards; i->lenders_len++)
        pthread_mutex_init(&i->lenders[i->lenders_len].lock, NULL);
    atomic_store(&n->inside->open, true);
}

void inside_close(struct node *n)
{
    atomic_store(&n->inside->open, false);
    while (atomic_load(&n->inside->posting))
        sched_yield();
}

bool inside_idle(const struct worker *w)
{
    return list_empty(&w->inside);
}

void inside_end(struct worker *w)
{
    while (!list_empty(&w->inside)) {
        struct list *it = list_pop_front(&w->inside);
        struct inside_call *c = list_entry(it, struct inside_call, here);
        call_fail(c, c->changes ? GRID_EIN_DOUBT : GRID_ECLOSED, NULL);
    }
}
