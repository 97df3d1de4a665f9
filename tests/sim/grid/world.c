/* world.c - the events of a history in their order. */
#include "tests/sim/grid/world.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ORDER_BITS = 24 };

struct tally tally;
enum grid_sabotage grid_sabotage;

uint64_t below(struct world *w, uint64_t n)
{
    return n ? prng_below(&w->prng, n) : 0;
}

bool chance(struct world *w, unsigned per_10000)
{
    return below(w, 10000) < per_10000;
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
    w->fault = xalloc(512);
    va_list args;
    va_start(args, fmt);
    int at = snprintf(w->fault, 512, "at %lu ms: ", (unsigned long)w->now);
    (void)vsnprintf(w->fault + at, 512 - (size_t)at, fmt, args);
    va_end(args);
    trace(w, "FAULT %s", w->fault);
}

struct event *event_at(struct world *w, msec_t at, enum event_kind kind, unsigned node)
{
    struct event *e = xcalloc(1, sizeof *e);
    e->kind = kind;
    e->node = node;
    e->life = w->nodes[node].life;
    heap_push(&w->events, &e->heap, at << ORDER_BITS | (w->order++ & ((1 << ORDER_BITS) - 1)));
    return e;
}

void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->prng.state = seed * 0x9e3779b97f4a7c15u + 1;
    w->now = 1;
    w->mix = (struct mix){.nodes = 3, .expect = 3, .delay_max = 2, .disk_max = 5, .length = 10000};
}

static void event_free(struct event *e)
{
    packet_free(e->packet);
    grid_state_unref(e->state);
    free(e);
}

void world_release(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        node_stop(w, &w->nodes[i], true);
        disk_release(&w->nodes[i].disk);
    }
    struct heap_node *h;
    while ((h = heap_min(&w->events)) != NULL) {
        heap_remove(&w->events, h);
        event_free(container_of(h, struct event, heap));
    }
    heap_release(&w->events);
    free(w->tickets);
    free(w->fault);
    codec_forget();
}

static void happen(struct world *w, struct event *e)
{
    struct simnode *n = &w->nodes[e->node];
    bool same = e->life == n->life;
    struct packet *p = e->packet;
    struct grid_state *s = e->state;
    switch (e->kind) {
    case EVENT_ARRIVE:
        if (w->cut[e->from][e->node])
            break;
        e->packet = NULL;
        node_arrive(w, n, e->from, p);
        break;
    case EVENT_WRITTEN:
        if (same)
            node_written(w, n, e->job);
        break;
    case EVENT_WAKE:
        if (same)
            node_wake(w, n);
        break;
    case EVENT_ADOPT:
        if (!same)
            break;
        e->state = NULL;
        shards_adopt(w, n, s);
        break;
    case EVENT_CLOSED:
        if (same)
            node_closed(w, n, e->from);
        break;
    case EVENT_ASK:
        if (same)
            shards_ask(w, n, &e->ask);
        break;
    case EVENT_RESUME:
        if (same)
            node_resume(w, n);
        break;
    case EVENT_SHARD:
        if (same)
            shards_tick(w, n);
        break;
    case EVENT_FAULT:
        faults_step(w);
        break;
    }
}

void world_run(struct world *w, msec_t until)
{
    struct heap_node *h;
    while (!w->fault && (h = heap_min(&w->events)) != NULL && h->key >> ORDER_BITS <= until) {
        msec_t at = h->key >> ORDER_BITS;
        bool later = at > w->now;
        if (later)
            check_reads(w);
        w->now = at > w->now ? at : w->now;
        heap_remove(&w->events, h);
        struct event *e = container_of(h, struct event, heap);
        tally.events++;
        happen(w, e);
        event_free(e);
    }
    if (!w->fault && until > w->now)
        w->now = until;
}
