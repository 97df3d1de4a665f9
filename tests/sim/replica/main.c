/* main.c - the replication of one partition in a world made from a seed: see
 * tests/lib/simulator.h. */
#include "tests/lib/simulator.h"
#include "tests/sim/replica/story.h"

#include <stdio.h>
#include <string.h>

enum replica_sabotage replica_sabotage;
static struct tally sum;
static struct world world; /* large; its memory is used again */

static void tally_add(const struct tally *t)
{
#define X(name, text) sum.name += t->name;
#include "tests/sim/replica/tally.def"
#undef X
}

static void world_renew(void)
{
    struct sim_record *logs[NODES_MAX + 1], *truth = world.judge.truth;
    struct event *heap = world.heap;
    size_t cap = world.heap_cap;
    for (int i = 0; i <= NODES_MAX; i++)
        logs[i] = world.nodes[i].log;
    memset(&world, 0, sizeof world);
    for (int i = 0; i <= NODES_MAX; i++)
        world.nodes[i].log = logs[i];
    world.judge.truth = truth;
    world.heap = heap;
    world.heap_cap = cap;
}

static const struct story *story_find(const char *name)
{
    for (size_t i = 0; name && i < stories_len; i++)
        if (strcmp(name, stories[i].name) == 0)
            return &stories[i];
    return NULL;
}

static const char *run(uint64_t seed, const char *story, bool trace)
{
    static char why[sizeof world.why + 40];
    world_renew();
    world.seed = seed;
    world.trace = trace;
    world.story = story_find(story);
    world_run(&world);
    tally_add(&world.tally);
    snprintf(why, sizeof why, "at %.6f s: %s", (double)world.now / 1e6, world.why);
    return world.failed ? why : NULL;
}

static bool story(size_t at, struct simulator_story *ret_story)
{
    if (at >= stories_len)
        return false;
    *ret_story = (struct simulator_story){stories[at].name, SEEDS_PER_STORY,
                                          UINT64_C(1) << stories[at].rule};
    return true;
}

static void break_rule(unsigned bug)
{
    replica_sabotage = (enum replica_sabotage)bug;
}

static const struct simulator_bug bugs[REPLICA_SABOTAGES] = {
#define X(name, text, seeds) [REPLICA_SABOTAGE_##name] = {text, seeds},
#include "tests/sim/replica/sabotage.def"
#undef X
};

static const char *const counts[] = {
#define X(name, text) text,
#include "tests/sim/replica/tally.def"
#undef X
};

int main(int argc, char **argv)
{
    _Static_assert(sizeof sum == sizeof counts / sizeof *counts * sizeof(uint64_t), "all are told");
    static const uint64_t kept[] = {
        520104, 539866,           /* only an operator can help */
        465337, 2040233, 2066986, /* a damaged primary is left alone, and misses an epoch */
        466328                    /* the faults end while a node sleeps */
    };
    static const struct simulator sim = {
        .program = "sim-replica",
        .seeds = 300,
        .kept = kept,
        .kept_len = sizeof kept / sizeof kept[0],
        .run = run,
        .story = story,
        .break_rule = break_rule,
        .bugs = bugs,
        .bugs_len = REPLICA_SABOTAGES,
        .counts = (const uint64_t *)&sum,
        .count_names = counts,
        .counts_len = sizeof counts / sizeof *counts,
        .all_happen = true,
    };
    return simulator_main(&sim, argc, argv);
}
