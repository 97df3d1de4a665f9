/* main.c - whole control planes in a world made from a seed: see tests/lib/simulator.h. */
#include "tests/sim/grid/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONVERGE_MS = 60000 };

static void liveness(struct world *w)
{
    const char *why = "";
    faults_end(w);
    for (msec_t end = w->now + CONVERGE_MS; !w->fault && w->now < end;) {
        world_run(w, w->now + 200);
        faults_see_removed(w);          /* a removal was under way when the faults ended */
        if (!w->fault && !w->founded) { /* a spare that was left out may come in */
            continue;
        }
        for (unsigned i = 0; i < w->nodes_len; i++)
            if (w->nodes[i].stays_down) {
                w->nodes[i].stays_down = false;
                node_start(w, &w->nodes[i]);
            }
        if (!w->fault && world_converged(w, &why))
            return;
    }
    (void)(w->fault || world_converged(w, &why));
    world_fail(w, "no peace after the faults: %s", why);
}

static char *seed_run(uint64_t seed, bool trace)
{
    struct world *w = calloc(1, sizeof *w);
    world_init(w, seed);
    w->trace = trace;
    faults_draw(w);
    world_run(w, w->mix.length);
    if (!w->fault)
        liveness(w);
    char *fault = w->fault;
    w->fault = NULL;
    world_release(w);
    free(w);
    return fault;
}

static const char *run(uint64_t seed, const char *story, bool trace)
{
    static char *fault; /* of the last one */
    free(fault);
    fault = story ? story_run(story, seed, trace) : seed_run(seed, trace);
    return fault;
}

static void break_rule(unsigned bug)
{
    grid_sabotage = (enum grid_sabotage)bug;
}

static unsigned measure(void)
{
    return times_measure() + idle_measure();
}

static const struct simulator_bug bugs[] = {
    {"", 0},
#define X(name, text, seeds) {text, seeds},
#include "tests/sim/grid/sabotage.def"
#undef X
};

static const char *const counts[] = {
#define X(name, text) text,
#include "tests/sim/grid/tally.def"
#undef X
};

int main(int argc, char **argv)
{
    _Static_assert(sizeof tally == sizeof counts / sizeof *counts * sizeof(uint64_t),
                   "all are told");
    static const struct simulator sim = {
        .program = "sim-grid",
        .seeds = 300,
        .run = run,
        .story = story_at,
        .break_rule = break_rule,
        .bugs = bugs,
        .bugs_len = sizeof bugs / sizeof *bugs,
        .counts = (const uint64_t *)&tally,
        .count_names = counts,
        .counts_len = sizeof counts / sizeof *counts,
        .more = measure,
    };
    return simulator_main(&sim, argc, argv);
}
