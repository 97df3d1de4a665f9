/* world.c - a seed's life: its mix, its events, its quiet end. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void world_fail(struct world *w, const char *fmt, ...)
{
    if (w->failed)
        return;
    w->failed = true;
    int at = snprintf(w->why, sizeof w->why, "step %llu%s: ", (unsigned long long)w->step,
                      w->flipped ? " (a bit flipped)" : "");
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->why + at, sizeof w->why - (size_t)at, fmt, args);
    va_end(args);
}

uint64_t below(struct world *w, uint64_t n)
{
    return prng_below(&w->prng, n);
}

bool chance(struct world *w, unsigned percent)
{
    return below(w, 100) < percent;
}

static unsigned draw(struct world *w, unsigned low, unsigned high)
{
    return low + (unsigned)below(w, high - low + 1);
}

static void mix_draw(struct world *w)
{
    struct mix *m = &w->mix;
    *m = (struct mix){.shards = draw(w, 1, SIM_SHARDS),
                      .keys = draw(w, SIM_COUNTERS + 2, SIM_KEYS),
                      .value_max = draw(w, 1, SIM_VALUE_MAX - 30),
                      .ttl_percent = draw(w, 0, 60),
                      .repeat_percent = draw(w, 0, 50),
                      .memory_limit = chance(w, 50) ? draw(w, 10000, 80000) : 0,
                      .segment_bytes = 4096 * draw(w, 4, 12),
                      .changes_max = draw(w, 1, 30),
                      .write = draw(w, 10, 60),
                      .read = draw(w, 5, 40),
                      .scan = draw(w, 0, 20),
                      .call = draw(w, 0, 40),
                      .log = draw(w, 20, 80),
                      .fold = draw(w, 1, 30),
                      .cold = draw(w, 5, 40),
                      .tick = draw(w, 2, 20),
                      .leap = draw(w, 0, 1),
                      .crash = draw(w, 0, 2),
                      .stop = draw(w, 0, 1),
                      .fault = draw(w, 0, 1),
                      .full = chance(w, 30),
                      .drop = chance(w, 30),
                      .flip = chance(w, 30),
                      .steps = draw(w, 200, 2000)};
}

/* --- events ----------------------------------------------------------------------------------- */

static struct node_shard *any_shard(struct world *w)
{
    return &w->shards[below(w, w->mix.shards)];
}
static void event_log(struct world *w)
{
    node_log(w, any_shard(w));
}
static void event_fold(struct world *w)
{
    node_fold(w, any_shard(w));
}
static void event_cold(struct world *w)
{
    node_cold(w, any_shard(w));
}
static void event_tick(struct world *w)
{
    w->now += below(w, 50);
    shard_tick(any_shard(w)->shard, w->now);
}
/* Time for sessions to end and requests to be too old. */
static void event_leap(struct world *w)
{
    w->now += below(w, 2 * SIM_SESSION_TTL);
}
static void event_crash(struct world *w)
{
    w->tally.crashes++;
    node_crash(w);
}
static void event_stop(struct world *w)
{
    w->tally.stops++;
    node_restart(w, FLIP_NONE);
}

static void event_flip(struct world *w)
{
    uint64_t what = below(w, 4);
    if (w->flipped && chance(w, 70))
        return;
    if (what == 3)
        node_flip_log(w);
    else if (what == 2)
        node_flip_store(w, any_shard(w));
    else
        node_restart(w, what == 0 ? FLIP_STOPPED : FLIP_CRASHED);
}

static void event_fault(struct world *w)
{
    static const enum disk_fault kinds[] = {DISK_FAULT_READ, DISK_FAULT_WRITE, DISK_FAULT_SYNC};
    uint64_t what = below(w, 5);
    unsigned skip = (unsigned)below(w, 12);
    if (what == 0)
        disk_mem_stop_after(w->disk, skip);
    else if (what == 1)
        store_mem_fail_commit(any_shard(w)->store, GRID_EIO, skip / 4, 1);
    else
        disk_mem_fail(w->disk, kinds[what - 2], skip, 1);
    w->tally.disk_stops += what == 0;
    w->tally.commit_failures += what == 1;
    w->tally.read_failures += what == 2;
    w->tally.write_failures += what == 3;
    w->tally.sync_failures += what == 4;
}

/* A disk or a store gets full, or has room again. */
static void event_full(struct world *w)
{
    struct node_shard *n = any_shard(w);
    struct checkpoint_stats stats;
    bool room = w->full && chance(w, 50);
    w->full = true;
    if (chance(w, 60)) {
        disk_mem_set_capacity(w->disk, room ? 0 : disk_mem_used(w->disk) + below(w, 20000));
    } else {
        checkpoint_stats(n->checkpoint, &stats);
        store_mem_set_capacity(n->store, room ? 0 : stats.used_bytes + below(w, 5000));
    }
}

static void event_drop(struct world *w)
{
    unsigned context = (unsigned)below(w, SIM_CONTEXTS);
    if (chance(w, 60))
        cache_make_again(w, context);
    else
        context_make_again(w, context);
}

struct event {
    unsigned weight;
    void (*run)(struct world *w);
};

enum { CALM_EVENTS = 7 };

static void event_run(struct world *w)
{
    const struct mix *m = &w->mix;
    const struct event events[] = {
        {m->write * 10, client_write}, {m->read * 10, client_read}, {m->scan * 10, scan_send},
        {m->log * 10, event_log},      {m->fold * 10, event_fold},  {m->cold * 10, event_cold},
        {m->tick * 10, event_tick},    {m->crash * 3, event_crash}, {m->stop * 3, event_stop},
        {m->fault * 3, event_fault},   {m->full * 10, event_full},  {m->flip * 5, event_flip},
        {m->leap, event_leap},         {m->drop * 4, event_drop},   {m->call * 10, client_call}};
    size_t n = w->calm ? CALM_EVENTS : sizeof events / sizeof *events;
    unsigned all = 0;
    for (size_t i = 0; i < n; i++)
        all += events[i].weight;
    uint64_t pick = below(w, all);
    size_t i = 0;
    for (; pick >= events[i].weight; i++)
        pick -= events[i].weight;
    events[i].run(w);
}

static void step(struct world *w)
{
    w->step++;
    event_run(w);
    if (w->dead && !w->failed)
        node_crash(w);
    for (unsigned s = 0; s < w->mix.shards && !w->failed && w->step % 8 == 0; s++)
        shard_check(w->shards[s].shard);
}

/* Faults stop; a node that cannot fold because of damage is started again. */
static void calm_down(struct world *w)
{
    bool stuck = false;
    disk_mem_set_capacity(w->disk, 0);
    disk_mem_stop_after(w->disk, UINT64_MAX);
    for (unsigned kind = 0; kind < DISK_FAULTS; kind++)
        disk_mem_fail(w->disk, (enum disk_fault)kind, 0, 0);
    for (unsigned i = 0; i < w->mix.shards; i++) {
        store_mem_set_capacity(w->shards[i].store, 0);
        store_mem_fail_commit(w->shards[i].store, GRID_EIO, 0, 0);
        stuck |= w->shards[i].stuck;
    }
    w->calm = true;
    if (stuck)
        node_crash(w);
}

/* The liveness phase. */
static void world_settle(struct world *w)
{
    calm_down(w);
    for (unsigned i = 0; i < 40000 && client_busy(w) && !w->failed; i++)
        step(w);
    if (client_busy(w) && !w->failed)
        world_fail(w, "faults have ended, and not all is answered");
    if (!w->failed)
        world_agree(w);
    if (!w->failed) {
        node_crash(w);
        world_agree(w);
    }
}

void world_run(struct world *w)
{
    w->prng.state = w->seed * 0x9e3779b97f4a7c15u;
    w->now = 1000000;
    mix_draw(w);
    contexts_make(w);
    w->model.shards = w->mix.shards;
    for (unsigned i = 0; i < SIM_CLIENTS; i++)
        w->clients[i].next = 1;
    node_make(w);
    while (w->step < w->mix.steps && !w->failed)
        step(w);
    if (!w->failed)
        world_settle(w);
}

void world_release(struct world *w)
{
    node_release(w);
    catalog_unref(w->catalog);
    model_release(&w->model);
    free(w->deliveries);
    free(w->calls);
}
