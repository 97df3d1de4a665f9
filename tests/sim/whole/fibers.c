/* fibers.c - see fibers.h. Threads that are over are kept for the next one. */
#include "tests/sim/whole/fibers.h"

#include "base/alloc.h"
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

enum { SLOW_MS = 300, STALL_OF = 40 };

struct fiber {
    struct list link;
    struct simnode *node;
    fiber_fn *body;
    void *ctx, *arg;
    sem_t go, back;
    uint64_t number; /* of the event that it waits for */
    bool over;
};

static struct fiber *current;
static struct list idle = {&idle, &idle};

static void *fiber_body(void *arg)
{
    struct fiber *f = arg;
    for (;;) {
        while (sem_wait(&f->go)) {
        }
        f->body(f->ctx, f->arg);
        f->over = true;
        sem_post(&f->back);
    }
    return NULL;
}

/* A process that is forked has none of the threads. */
static void forked(void)
{
    list_init(&idle);
}

__attribute__((constructor)) static void forks_watch(void)
{
    CHECK(pthread_atfork(NULL, NULL, forked) == 0);
}

struct fiber *fiber_new(struct simnode *n, fiber_fn *body, void *ctx, void *arg)
{
    struct list *it = list_pop_front(&idle);
    struct fiber *f = it ? list_entry(it, struct fiber, link) : xcalloc(1, sizeof *f);
    f->node = n;
    f->body = body;
    f->ctx = ctx;
    f->arg = arg;
    f->number = 0;
    f->over = false;
    list_init(&f->link);
    if (it)
        return f;
    pthread_t id;
    CHECK(sem_init(&f->go, 0, 0) == 0 && sem_init(&f->back, 0, 0) == 0 &&
          pthread_create(&id, NULL, fiber_body, f) == 0 && pthread_detach(id) == 0);
    return f;
}

void fiber_free(struct fiber *f)
{
    list_push_back(&idle, &f->link);
}

struct list *fiber_link(struct fiber *f)
{
    return &f->link;
}

struct fiber *fiber_of(struct list *link)
{
    return list_entry(link, struct fiber, link);
}

struct simnode *fiber_node(const struct fiber *f)
{
    return f->node;
}

void *fiber_ctx(const struct fiber *f)
{
    return f->ctx;
}

bool fiber_go(struct fiber *f)
{
    f->number = 0;
    current = f;
    sem_post(&f->go);
    while (sem_wait(&f->back)) {
    }
    current = NULL;
    return f->over;
}

/* Now and then the system has no processor for it. */
void fiber_wake(struct fiber *f, msec_t ms)
{
    struct world *w = f->node->w;
    ms += work_below(w, w->calm || work_below(w, 8) ? 3 : SLOW_MS);
    if (!w->calm && work_below(w, STALL_OF) == 0)
        ms += work_below(w, w->mix.pause_max);
    struct event *e = event_at(w, w->now + ms, EVENT_FIBER, f->node->index, 0);
    e->what = f;
    e->number = f->number = ++w->work_numbers;
}

bool fiber_awaits(struct list *first, struct list *head, const struct fiber *f, uint64_t number)
{
    for (struct list *it = first; it != head; it = it->next)
        if (fiber_of(it) == f)
            return f->number == number;
    return false;
}

struct fiber *fiber_here(void)
{
    return current;
}

void fiber_wait(void)
{
    struct fiber *f = current;
    sem_post(&f->back);
    while (sem_wait(&f->go)) {
    }
}

void fiber_sleep(msec_t ms)
{
    fiber_wake(current, ms);
    fiber_wait();
}

int sim_nanosleep(const struct timespec *for_time, struct timespec *left);
int sim_nanosleep(const struct timespec *for_time, struct timespec *left)
{
    (void)left;
    if (!machine_dead(current->node))
        fiber_sleep((msec_t)for_time->tv_sec * 1000 + (msec_t)for_time->tv_nsec / 1000000);
    return 0;
}
