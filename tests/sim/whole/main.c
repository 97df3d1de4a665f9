/* main.c - a whole grid in a world made from a seed: see tests/lib/simulator.h. */
#include "tests/lib/simulator.h"
#include "tests/sim/whole/bugs.h"
#include "tests/sim/whole/work.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONVERGE_MS = 60000 };

static void converge(struct world *w)
{
    const char *why = "";
    for (msec_t end = w->now + CONVERGE_MS; !w->fault && w->now < end;) {
        world_run(w, w->now + 200);
        if (!w->fault && world_converged(w, &why))
            return;
    }
    if (!w->fault && w->trace)
        world_show(w);
    world_fail(w, "no peace after the faults: %s", why);
}

static void liveness(struct world *w)
{
    faults_end(w);
    world_run(w, w->now + 1000);
    w->quiet = true;
    converge(w);
    w->whole_at = w->now;
    if (!w->fault)
        world_run(w, w->now + 4000); /* what expires, expires everywhere */
    work_wind_up(w);
    if (!w->fault)
        clients_read_all(w);
    if (!w->fault)
        converge(w);
    if (!w->fault && w->work)
        world_run(w, w->now + 500); /* what was written last is committed everywhere */
    if (!w->fault)
        check_equal(w);
}

static const char *run(uint64_t seed, const char *story, bool trace)
{
    static char *fault; /* of the last one */
    struct world *w = calloc(1, sizeof *w);
    (void)story;
    free(fault);
    world_init(w, seed);
    w->trace = trace;
    faults_draw(w);
    world_run(w, w->mix.length);
    if (!w->fault)
        liveness(w);
    if (!w->fault) {
        clients_end(w);
        check_history(w);
        work_judge(w);
    }
    fault = w->fault;
    w->fault = NULL;
    tally.virtual_ms += w->now;
    world_release(w);
    free(w);
    return fault;
}

static const uint64_t kept[] = {
#define X(seed, text) seed,
#include "tests/sim/whole/seeds.def"
#undef X
};

static const char *const counts[] = {
#define X(name, text) text,
#include "tests/sim/whole/tally.def"
#undef X
};

int main(int argc, char **argv)
{
    _Static_assert(sizeof tally == sizeof counts / sizeof *counts * sizeof(uint64_t),
                   "all are told");
    static const struct simulator sim = {
        .program = "sim-whole",
        .seeds = 300,
        .kept = kept,
        .kept_len = sizeof kept / sizeof *kept,
        .run = run,
        .break_rule = bug_use,
        .bugs = bugs,
        .bugs_len = BUGS,
        .passed = bug_passed,
        .counts = (const uint64_t *)&tally,
        .count_names = counts,
        .counts_len = sizeof counts / sizeof *counts,
    };
    return simulator_main(&sim, argc, argv);
}
