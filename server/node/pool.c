/* pool.c - see pool.h: lists by priority under one lock. */
#include "node/pool.h"

#include "base/alloc.h"
#include "node/threads_priv.h"

#include <stdlib.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list waiting[POOL_PRIORITIES];
    size_t len;
    bool ended;           /* under the lock: nothing is taken any more */
    atomic_bool stopping; /* likewise set under it */
    struct pool_thread *threads;
    pthread_t *ids;
    unsigned threads_len;
};

static struct pool_work *first(struct pool *p)
{
    for (size_t i = 0; i < POOL_PRIORITIES; i++) {
        struct list *it = list_pop_front(&p->waiting[i]);
        if (!it)
            continue;
        p->len--;
        return list_entry(it, struct pool_work, link);
    }
    return NULL;
}

/* NULL: it has stopped, and nothing waits. */
static struct pool_work *take(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    struct pool_work *w;
    while (!(w = first(p)) && !atomic_load(&p->stopping))
        pthread_cond_wait(&p->more, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return w;
}

static void *thread_body(void *arg)
{
    struct pool_thread *t = arg;
    struct pool_work *w;
    thread_give_way();
    while ((w = take(t->pool)))
        w->run(w, t);
    if (t->kept.free)
        t->kept.free(t->kept.state);
    return NULL;
}

struct pool *pool_new(const char *name, unsigned threads)
{
    struct pool *p = xcalloc(1, sizeof *p);
    CHECK(threads > 0 && pthread_mutex_init(&p->lock, NULL) == 0 &&
          pthread_cond_init(&p->more, NULL) == 0);
    for (size_t i = 0; i < POOL_PRIORITIES; i++)
        list_init(&p->waiting[i]);
    p->threads = xcalloc(threads, sizeof *p->threads);
    p->ids = xcalloc(threads, sizeof *p->ids);
    for (unsigned i = 0; i < threads; i++) {
        p->threads[i] = (struct pool_thread){.pool = p, .index = i};
        if (!thread_start_shard(&p->ids[i], name, i, thread_body, &p->threads[i])) {
            pool_free(p);
            return NULL;
        }
        p->threads_len++;
    }
    return p;
}

bool pool_post(struct pool *p, struct pool_work *w)
{
    pthread_mutex_lock(&p->lock);
    bool taken = !p->ended;
    if (taken) {
        list_push_back(&p->waiting[w->priority], &w->link);
        p->len++;
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    return taken;
}

bool pool_stopping(const struct pool *p)
{
    return atomic_load_explicit(&p->stopping, memory_order_relaxed);
}

size_t pool_waiting(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    size_t len = p->len;
    pthread_mutex_unlock(&p->lock);
    return len;
}

unsigned pool_threads(const struct pool *p)
{
    return p->threads_len;
}

void pool_tell_stop(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stopping, true);
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
}

/* What came after the threads had looked for the last time is run here. */
static void run_left(struct pool *p)
{
    struct pool_thread here = {.pool = p, .index = p->threads_len};
    for (struct pool_work *w;;) {
        pthread_mutex_lock(&p->lock);
        w = first(p);
        p->ended = !w;
        pthread_mutex_unlock(&p->lock);
        if (!w)
            break;
        w->run(w, &here);
    }
    if (here.kept.free)
        here.kept.free(here.kept.state);
}

void pool_stop(struct pool *p)
{
    if (!p || p->ended)
        return;
    pool_tell_stop(p);
    for (unsigned i = 0; i < p->threads_len; i++)
        pthread_join(p->ids[i], NULL);
    run_left(p);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pool_stop(p);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->more);
    free(p->threads);
    free(p->ids);
    free(p);
}
