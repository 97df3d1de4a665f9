/* test_pool.c - threads for long work: each is run once, the urgent first, to the end of the node.
 * LINK: node net store session coordination compute wire command shard grid control
 * LINK: raft replica data base pb frame conf
 */
#include "node/pool.h"

#include "base/alloc.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Work that waits until it is let go on. */
struct held {
    struct pool_work work;
    pthread_barrier_t *begun, *end;
};

struct noted {
    struct pool_work work;
    atomic_uint *runs;
    unsigned order;
    bool stopping;
    struct pool_thread *by;
};

static void held_run(struct pool_work *w, struct pool_thread *t)
{
    struct held *h = container_of(w, struct held, work);
    (void)t;
    pthread_barrier_wait(h->begun);
    pthread_barrier_wait(h->end);
}

static void noted_run(struct pool_work *w, struct pool_thread *t)
{
    struct noted *n = container_of(w, struct noted, work);
    n->stopping = pool_stopping(t->pool);
    n->by = t;
    n->order = atomic_fetch_add(n->runs, 1) + 1;
}

static struct noted noted(atomic_uint *runs, enum pool_priority priority)
{
    return (struct noted){.work = {.priority = priority, .run = noted_run}, .runs = runs};
}

struct gate {
    pthread_barrier_t begun, end;
    struct held held;
};

/* The only thread of the pool is busy until gate_open(). */
static void gate_shut(struct gate *g, struct pool *p)
{
    pthread_barrier_init(&g->begun, NULL, 2);
    pthread_barrier_init(&g->end, NULL, 2);
    g->held = (struct held){{.priority = POOL_FIRST, .run = held_run}, &g->begun, &g->end};
    ck_assert(pool_post(p, &g->held.work));
    pthread_barrier_wait(&g->begun);
}

static void gate_open(struct gate *g)
{
    pthread_barrier_wait(&g->end);
}

START_TEST(the_urgent_is_run_first_and_else_what_came_first)
{
    atomic_uint runs = 0;
    struct pool *p = pool_new("pool", 1);
    struct noted late = noted(&runs, POOL_LAST), a = noted(&runs, POOL_USUAL);
    struct noted b = noted(&runs, POOL_USUAL), urgent = noted(&runs, POOL_FIRST);
    struct gate g;
    gate_shut(&g, p);
    struct noted *const all[] = {&late, &a, &b, &urgent};
    for (size_t i = 0; i < 4; i++)
        ck_assert(pool_post(p, &all[i]->work));
    ck_assert_uint_eq(pool_waiting(p), 4);
    gate_open(&g);
    pool_stop(p);
    ck_assert(urgent.order == 1 && a.order == 2 && b.order == 3 && late.order == 4);
    pool_free(p);
}
END_TEST

START_TEST(what_waits_when_the_pool_stops_is_run_and_told_so)
{
    atomic_uint runs = 0;
    struct pool *p = pool_new("pool", 1);
    struct noted before = noted(&runs, POOL_USUAL), after = before;
    struct gate g;
    gate_shut(&g, p);
    ck_assert(pool_post(p, &before.work));
    pool_tell_stop(p);
    ck_assert(pool_stopping(p));
    ck_assert(pool_post(p, &after.work)); /* who is still at work may need more */
    gate_open(&g);
    pool_stop(p);
    ck_assert(before.stopping && after.stopping);
    ck_assert_uint_eq(runs, 2);
    struct noted never = noted(&runs, POOL_FIRST);
    ck_assert(!pool_post(p, &never.work));
    pool_stop(p); /* again */
    pool_free(p);
    ck_assert_uint_eq(runs, 2);
}
END_TEST

enum { POSTERS = 4, EACH = 500 };

struct poster {
    struct pool *pool;
    struct noted works[EACH];
};

static void *poster_body(void *arg)
{
    struct poster *p = arg;
    for (size_t i = 0; i < EACH; i++)
        CHECK(pool_post(p->pool, &p->works[i].work));
    return NULL;
}

START_TEST(what_many_threads_post_is_run_once_each)
{
    atomic_uint runs = 0;
    pthread_t threads[POSTERS];
    struct poster *all = xcalloc(POSTERS, sizeof *all);
    struct pool *p = pool_new("pool", 3);
    ck_assert_uint_eq(pool_threads(p), 3);
    for (size_t i = 0; i < POSTERS; i++) {
        all[i].pool = p;
        for (size_t k = 0; k < EACH; k++)
            all[i].works[k] = noted(&runs, (enum pool_priority)(k % POOL_PRIORITIES));
        pthread_create(&threads[i], NULL, poster_body, &all[i]);
    }
    for (size_t i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    pool_stop(p);
    ck_assert_uint_eq(runs, POSTERS * EACH);
    for (size_t i = 0; i < POSTERS * EACH; i++)
        ck_assert_uint_ne(all[i / EACH].works[i % EACH].order, 0);
    pool_free(p);
    free(all);
}
END_TEST

static atomic_uint freed;

static void kept_free(void *state)
{
    atomic_fetch_add(&freed, *(unsigned *)state);
}

static void keep_run(struct pool_work *w, struct pool_thread *t)
{
    static unsigned one = 1;
    (void)w;
    t->kept = (struct pool_kept){&one, kept_free};
}

START_TEST(what_a_thread_keeps_is_freed_at_its_end)
{
    struct pool *p = pool_new("pool", 1);
    struct pool_work w = {.priority = POOL_USUAL, .run = keep_run};
    ck_assert(pool_post(p, &w));
    pool_free(p);
    ck_assert_uint_eq(freed, 1);
    pool_free(NULL);
    pool_stop(NULL);
}
END_TEST

UNIT_MAIN("node/pool", the_urgent_is_run_first_and_else_what_came_first,
          what_waits_when_the_pool_stops_is_run_and_told_so,
          what_many_threads_post_is_run_once_each, what_a_thread_keeps_is_freed_at_its_end)
