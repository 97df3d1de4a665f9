/* test_grid.c - partitions that several nodes hold: SEEDS=n for longer runs, SEED=s for one.
 * LINK: store shard grid control replica data base */
#include "tests/unit/shard/grid_world.h"

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void life(uint64_t seed)
{
    static const enum durability kinds[] = {DURABILITY_SYNC, DURABILITY_ASYNC, DURABILITY_SYNC,
                                            DURABILITY_MEMORY};
    struct prng prng = {seed};
    struct world *w = world_new(seed, 2 + (unsigned)prng_below(&prng, 3), kinds[seed % 4]);
    world_run(w, 500);
    w->faults = true;
    if (seed % 3 == 0) /* records of others wait for long until what they change is there */
        w->cold_in = 100 + (unsigned)prng_below(&prng, 400);
    w->crash_in = prng_below(&prng, 3) ? 4000 + (unsigned)prng_below(&prng, 8000) : 0;
    w->pause_in = prng_below(&prng, 2) ? 3000 + (unsigned)prng_below(&prng, 8000) : 0;
    w->cut_in = prng_below(&prng, 3) ? 0 : 4000;
    w->link_in = prng_below(&prng, 2) ? 500 + (unsigned)prng_below(&prng, 4000) : 0;
    if (w->durability != DURABILITY_SYNC) /* all copies may be lost together */
        w->crash_in = 0;
    world_run(w, 10000);
    world_heal(w);
    if (getenv("VERBOSE"))
        printf("seed %llu: %llu ops, %llu retries, %llu kills, %llu pauses, %llu copies, %llu "
               "mends, revision %llu\n",
               (unsigned long long)seed, (unsigned long long)w->ops_done,
               (unsigned long long)w->retries, (unsigned long long)w->kills,
               (unsigned long long)w->pauses, (unsigned long long)w->copies,
               (unsigned long long)w->mends, (unsigned long long)w->truth->revision);
    world_free(w);
}

START_TEST(nothing_acknowledged_is_lost_whatever_happens)
{
    uint64_t seed = number_of("SEED", 0), seeds = seed ? 1 : number_of("SEEDS", 12);
    for (uint64_t s = seed ? seed : number_of("START", 1); seeds; s++, seeds--)
        life(s);
}
END_TEST

UNIT_MAIN("shard/grid", nothing_acknowledged_is_lost_whatever_happens)
