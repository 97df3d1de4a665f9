/* world.c - a seed's life: its mix, its events, its quiet end. */
#include "tests/sim/world.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void world_fail(struct world *w, const char *fmt, ...)
{
    if (w->failed)
        return;
    w->failed = true;
    va_list args;
    va_start(args, fmt);
    printf("not ok seed %llu, step %llu: ", (unsigned long long)w->seed,
           (unsigned long long)w->step);
    vprintf(fmt, args);
    printf("\n# replay: make sim SEED=%llu\n", (unsigned long long)w->seed);
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
                      .log = draw(w, 20, 80),
                      .fold = draw(w, 1, 30),
                      .cold = draw(w, 5, 40),
                      .tick = draw(w, 2, 20),
                      .crash = draw(w, 0, 2),
                      .stop = draw(w, 0, 1),
                      .fault = draw(w, 0, 1),
                      .full = chance(w, 30),
                      .flip = chance(w, 20),
                      .steps = draw(w, 200, 900)};
}

static void catalog_make(struct world *w)
{
    static const char *const names[] = {"s", "a", "m"};
    char why[WHY_BYTES], path[16];
    w->catalog = catalog_new();
    for (unsigned i = 0; i < SIM_CONTEXTS; i++) {
        struct context_info want = {.partitions = SIM_PARTITIONS,
                                    .durability = (enum durability)i,
                                    .min_in_sync = 1,
                                    .full_policy = FULL_REFUSE};
        snprintf(want.name, sizeof want.name, "%s", names[i]);
        snprintf(path, sizeof path, "%s/c", names[i]);
        CHECK(catalog_context_create(w->catalog, &want, why) == GRID_OK);
        CHECK(catalog_cache_create(w->catalog, slice_str(path), 0, why) == GRID_OK);
        w->caches[i] = catalog_cache_named(w->catalog, slice_str(path))->id;
    }
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
static void event_stop(struct world *w)
{
    node_restart(w, false);
}
static void event_flip(struct world *w)
{
    if (!w->flipped)
        node_restart(w, true);
}

static void event_fault(struct world *w)
{
    if (chance(w, 50))
        disk_mem_stop_after(w->disk, below(w, 12));
    else
        store_mem_fail_commit(any_shard(w)->store, GRID_EIO, (unsigned)below(w, 3), 1);
}

static void event_full(struct world *w)
{
    bool again = w->full && chance(w, 50);
    w->full = true;
    disk_mem_set_capacity(w->disk, again ? 0 : disk_mem_used(w->disk) + below(w, 20000));
}

struct event {
    unsigned weight;
    void (*run)(struct world *w);
};

static void step(struct world *w)
{
    const struct mix *m = &w->mix;
    const struct event events[] = {
        {m->write * 10, client_write}, {m->read * 10, client_read}, {m->log * 10, event_log},
        {m->fold * 10, event_fold},    {m->cold * 10, event_cold},  {m->tick * 10, event_tick},
        {m->crash * 3, node_crash},    {m->stop * 3, event_stop},   {m->fault * 3, event_fault},
        {m->full * 10, event_full},    {m->flip * 3, event_flip}};
    size_t n = w->calm ? 6 : sizeof events / sizeof *events;
    unsigned all = 0;
    for (size_t i = 0; i < n; i++)
        all += events[i].weight;
    uint64_t pick = below(w, all);
    size_t i = 0;
    for (; pick >= events[i].weight; i++)
        pick -= events[i].weight;
    w->step++;
    events[i].run(w);
    if (w->dead && !w->failed)
        node_crash(w);
    for (unsigned s = 0; s < m->shards && w->shards[s].shard && w->step % 8 == 0; s++)
        shard_check(w->shards[s].shard);
}

void world_run(struct world *w)
{
    w->prng.state = w->seed * 0x9e3779b97f4a7c15u;
    w->now = 1000000;
    mix_draw(w);
    catalog_make(w);
    w->model.shards = w->mix.shards;
    for (unsigned i = 0; i < SIM_CLIENTS; i++)
        w->clients[i].next = 1;
    node_make(w);
    while (w->step < w->mix.steps && !w->failed)
        step(w);
    disk_mem_set_capacity(w->disk, 0);
    disk_mem_stop_after(w->disk, UINT64_MAX);
    for (unsigned i = 0; i < w->mix.shards; i++)
        store_mem_fail_commit(w->shards[i].store, GRID_EIO, 0, 0);
    w->calm = true;
    for (unsigned i = 0; i < 20000 && client_busy(w) && !w->failed; i++)
        step(w);
    if (client_busy(w) && !w->failed)
        world_fail(w, "faults have ended, and not all is answered");
    if (!w->failed)
        client_agree(w);
    if (!w->failed) {
        node_crash(w);
        client_agree(w);
    }
    if (w->verbose)
        printf("# seed %llu: %llu writes, %llu reads, %llu repeated, %llu crashes%s%s\n",
               (unsigned long long)w->seed, (unsigned long long)w->writes,
               (unsigned long long)w->reads, (unsigned long long)w->repeats,
               (unsigned long long)w->crashes, w->flipped ? ", a bit flipped" : "",
               w->full ? ", disk full" : "");
    node_release(w);
    catalog_unref(w->catalog);
    model_release(&w->model);
    free(w->deliveries);
}
