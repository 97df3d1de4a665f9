/* world.c - the events of a history in their order. */
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDER_BITS = 24 };

struct tally tally;

uint64_t below(struct world *w, uint64_t n)
{
    return n ? prng_below(&w->prng, n) : 0;
}

bool chance(struct world *w, unsigned per_10000)
{
    return per_10000 && below(w, 10000) < per_10000;
}

void trace(const struct world *w, const char *fmt, ...)
{
    if (!w->trace)
        return;
    va_list args;
    va_start(args, fmt);
    printf("%7lu ", (unsigned long)w->now);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

void world_fail(struct world *w, const char *fmt, ...)
{
    if (w->fault)
        return;
    enum { BYTES = 4000 };
    w->fault = xalloc(BYTES);
    va_list args;
    va_start(args, fmt);
    int at = snprintf(w->fault, BYTES, "at %lu ms: ", (unsigned long)w->now);
    (void)vsnprintf(w->fault + at, BYTES - (size_t)at, fmt, args);
    va_end(args);
    trace(w, "FAULT %s", w->fault);
}

static void push(struct world *w, struct event *e, msec_t at)
{
    heap_push(&w->events, &e->heap, at << ORDER_BITS | (w->order++ & ((1 << ORDER_BITS) - 1)));
}

struct event *event_free_at(struct world *w, msec_t at, enum event_kind kind)
{
    struct event *e = xcalloc(1, sizeof *e);
    e->kind = kind;
    push(w, e, at > w->now ? at : w->now);
    return e;
}

struct event *event_at(struct world *w, msec_t at, enum event_kind kind, unsigned node,
                       unsigned actor)
{
    struct event *e = event_free_at(w, at, kind);
    e->node = node;
    e->actor = actor;
    e->life = w->nodes[node].life;
    return e;
}

void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->prng.state = seed * 0x9e3779b97f4a7c15u + 1;
    w->now = 1;
    w->history = history_new();
    net_init(w);
    maps_init(w);
    work_init(w);
}

static void event_free(struct event *e)
{
    grid_state_unref(e->state);
    free(e->op);
    free(e);
}

void world_release(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        simnode_stop(n, true);
        disk_release(&n->disk);
        catalog_unref(n->catalog);
        catalog_unref(n->stored);
        arena_free(n->arena);
        arena_free(n->scratch);
        for (unsigned k = 0; k < SHARDS_MAX; k++) {
            for (size_t r = 0; r < n->shards[k].log_len; r++)
                buf_release(&n->shards[k].log[r]);
            free(n->shards[k].log);
            free(n->shards[k].bad);
        }
    }
    maps_release(w);
    work_release(w);
    struct heap_node *h;
    while ((h = heap_min(&w->events)) != NULL) {
        heap_remove(&w->events, h);
        event_free(container_of(h, struct event, heap));
    }
    heap_release(&w->events);
    net_release(w);
    ways_release(w);
    free(w->answered);
    history_free(w->history);
    grid_state_unref(w->newest);
    free(w->fault);
}

/* Of a thread. True: it is put off, for the thread does not run. */
static bool put_off(struct world *w, struct event *e)
{
    struct simnode *n = &w->nodes[e->node];
    if (!node_stalled(n, e->actor))
        return false;
    uint64_t order = e->heap.key & ((1 << ORDER_BITS) - 1); /* what came first stays first */
    heap_push(&w->events, &e->heap, n->stalled_until[e->actor] << ORDER_BITS | order);
    return true;
}

/* True: the event is kept. */
static bool happen(struct world *w, struct event *e)
{
    struct simnode *n = &w->nodes[e->node];
    if (e->life) {
        if (e->life != n->life) {
            if (e->kind == EVENT_PIPE)
                net_again(w, e);
            return false;
        }
        if (put_off(w, e))
            return true;
    }
    machine_enter(n);
    switch (e->kind) {
    case EVENT_PIPE:
        net_arrive(w, e);
        break;
    case EVENT_DOWN:
        net_down(w, e);
        break;
    case EVENT_CLIENTS:
        clients_step(w);
        break;
    case EVENT_REPLY:
        clients_reply(w, e);
        break;
    case EVENT_TOLD:
        ways_told(w, e);
        break;
    case EVENT_FIBER:
    case EVENT_TIMER:
    case EVENT_NOTE:
    case EVENT_INSIDE:
    case EVENT_SAID:
        machine_event(w, e);
        break;
    case EVENT_NET:
        net_step(w);
        break;
    case EVENT_FAULT:
        faults_step(w);
        break;
    case EVENT_CHECK:
        check_now(w);
        break;
    default:
        if (e->actor == 0)
            node_event(n, e);
        else
            shard_event(&n->shards[e->actor - 1], e);
    }
    return false;
}

void world_run(struct world *w, msec_t until)
{
    struct heap_node *h;
    while (!w->fault && (h = heap_min(&w->events)) != NULL && h->key >> ORDER_BITS <= until) {
        msec_t at = h->key >> ORDER_BITS;
        w->now = at > w->now ? at : w->now;
        heap_remove(&w->events, h);
        struct event *e = container_of(h, struct event, heap);
        tally.events++;
        if (!happen(w, e))
            event_free(e);
    }
    if (!w->fault && until > w->now)
        w->now = until;
}
