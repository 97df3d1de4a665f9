/* main.c - one node's shards in a world made from a seed: see tests/lib/simulator.h.
 * LINK: sim shard replica control data store base */
#include "tests/lib/simulator.h"
#include "tests/sim/story.h"

#include <stdio.h>

static enum sabotage broken;
static struct tally sum;

static void break_rule(unsigned bug)
{
    broken = (enum sabotage)bug;
}

static void tally_add(const struct tally *t)
{
#define X(name, text) sum.name += t->name;
#include "tests/sim/tally.def"
#undef X
}

static const char *run(uint64_t seed, const char *story, bool trace)
{
    static char why[sizeof((struct world *)NULL)->why];
    (void)trace;
    if (story)
        return story_run(story, (unsigned)seed);
    struct world w = {.seed = seed, .sabotage = broken};
    world_run(&w);
    world_release(&w);
    tally_add(&w.tally);
    snprintf(why, sizeof why, "%s", w.why);
    return w.failed ? why : NULL;
}

static bool story(size_t at, struct simulator_story *ret_story)
{
    static const char *const names[] = {
#define X(name, limit) #name,
        STORIES(X)
#undef X
    };
    if (at >= sizeof names / sizeof *names)
        return false;
    *ret_story = (struct simulator_story){names[at], STORY_FATES, 0};
    return true;
}

static const struct simulator_bug bugs[SABOTAGES] = {
#define X(name, text, seeds) [SABOTAGE_##name] = {text, seeds},
#include "tests/sim/sabotage.def"
#undef X
};

static const uint64_t kept[] = {
    1795959663187, /* a fold passed in silence over what could be read at the start */
};

static const char *const counts[] = {
#define X(name, text) text,
#include "tests/sim/tally.def"
#undef X
};

int main(int argc, char **argv)
{
    _Static_assert(sizeof sum == sizeof counts / sizeof *counts * sizeof(uint64_t), "all are told");
    static const struct simulator sim = {
        .program = "sim",
        .seeds = 1000,
        .run = run,
        .story = story,
        .break_rule = break_rule,
        .bugs = bugs,
        .bugs_len = SABOTAGES,
        .kept = kept,
        .kept_len = sizeof kept / sizeof *kept,
        .counts = (const uint64_t *)&sum,
        .count_names = counts,
        .counts_len = sizeof counts / sizeof *counts,
        .all_happen = true,
    };
    return simulator_main(&sim, argc, argv);
}
