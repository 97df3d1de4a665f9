/* sleeping.c - connections that asked to sleep (DEBUG SLEEP): each is answered when its time has
 * come, the worker goes on meanwhile. */
#include "node/node_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct sleeper {
    struct list all; /* worker.sleepers */
    struct loop_timer timer;
    struct worker *worker;
    struct ticket to;
};

static void sleeper_free(struct sleeper *s)
{
    loop_timer_stop(&s->timer);
    list_remove(&s->all);
    free(s);
}

static void sleeper_wake(void *ctx)
{
    struct sleeper *s = ctx;
    struct worker *w = s->worker;
    struct result res = {.status = GRID_OK, .reply = REPLY_OK};
    /* Timers run at the end of a turn, and what is measured is how long it slept. */
    meters_turn(w->meters, (uint32_t)clock_mono_us());
    worker_dirty(w, session_result(&s->to, &res));
    sleeper_free(s);
}

void sleeping(void *worker, const struct ticket *to, msec_t ms)
{
    struct worker *w = worker;
    struct sleeper *s = xalloc(sizeof *s);
    s->worker = w;
    s->to = *to;
    list_push_back(&w->sleepers, &s->all);
    loop_timer_init(&s->timer, w->loop, sleeper_wake, s);
    loop_timer_set(&s->timer, w->stopping ? 0 : ms);
}

void sleeping_end(struct worker *w)
{
    list_for_each (it, &w->sleepers)
        loop_timer_set(&list_entry(it, struct sleeper, all)->timer, 0);
}

void sleeping_release(struct worker *w)
{
    list_for_each_safe (it, &w->sleepers)
        sleeper_free(list_entry(it, struct sleeper, all));
}
