/* catalog.c - contexts and caches of the world; a change is told to all shards at once and is never
 * lost: the control state has a store of its own. */
#include "tests/sim/world.h"

#include <stdio.h>

static const char *const context_names[] = {"s", "a", "m"};

static void cache_make(struct world *w, struct catalog *c, unsigned context)
{
    char why[WHY_BYTES], path[16];
    snprintf(path, sizeof path, "%s/c", context_names[context]);
    CHECK(catalog_cache_create(c, slice_str(path), 0, why) == GRID_OK);
    w->caches[context] = catalog_cache_named(c, slice_str(path))->id;
}

static void context_make(struct world *w, struct catalog *c, unsigned context)
{
    char why[WHY_BYTES];
    struct context_info want = {.partitions = SIM_PARTITIONS,
                                .durability = (enum durability)context,
                                .min_in_sync = 1,
                                .full_policy = FULL_REFUSE};
    snprintf(want.name, sizeof want.name, "%s", context_names[context]);
    CHECK(catalog_context_create(c, &want, why) == GRID_OK);
    cache_make(w, c, context);
}

void contexts_make(struct world *w)
{
    char why[WHY_BYTES];
    w->catalog = catalog_new();
    CHECK(catalog_setting_set(w->catalog, slice_str("session_ttl"), SIM_SESSION_TTL, why) ==
          GRID_OK);
    for (unsigned i = 0; i < SIM_CONTEXTS; i++)
        context_make(w, w->catalog, i);
}

static void catalog_publish(struct world *w, struct catalog *next, unsigned context)
{
    next->revision++;
    catalog_unref(w->catalog);
    w->catalog = next;
    w->generations[context]++;
    for (unsigned i = 0; i < w->mix.shards; i++) {
        shard_set_catalog(w->shards[i].shard, next);
        w->shards[i].purge = true;
    }
    model_forget(&w->model, context);
    client_dropped(w, context);
    scan_dropped(w, context);
}

void cache_make_again(struct world *w, unsigned context)
{
    char why[WHY_BYTES], path[16];
    struct catalog *next = catalog_copy(w->catalog);
    snprintf(path, sizeof path, "%s/c", context_names[context]);
    CHECK(catalog_cache_drop(next, slice_str(path), why) == GRID_OK);
    cache_make(w, next, context);
    catalog_publish(w, next, context);
    w->tally.cache_drops++;
}

void context_make_again(struct world *w, unsigned context)
{
    char why[WHY_BYTES];
    struct catalog *next = catalog_copy(w->catalog);
    CHECK(catalog_context_drop(next, slice_str(context_names[context]), why) == GRID_OK);
    context_make(w, next, context);
    catalog_publish(w, next, context);
    memset(w->model.version[context], 0, sizeof w->model.version[context]);
    memset(w->model.damaged[context], 0, sizeof w->model.damaged[context]);
    w->tally.context_drops++;
}

unsigned context_of(const struct world *w, uint32_t id)
{
    unsigned c = 0;
    while (c < SIM_CONTEXTS && cache_context(w->caches[c]) != id)
        c++;
    return c;
}
