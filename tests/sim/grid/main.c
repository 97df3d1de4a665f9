/* main.c - seeds, stories, and bugs that must be found.
 *   sim-grid [--seeds N] [--start S|random] [--seed S] [--trace] [--stats]
 *   sim-grid --sabotage all|NAME    with --seed or --story: that, with the bug
 *   sim-grid --story NAME|all
 *   sim-grid --times           how long deaths and elections take
 *   sim-grid                   stories, times, 300 seeds, all bugs */
#include "tests/sim/grid/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct world *world;
static bool tracing;

static const struct bug {
    const char *name, *text;
    unsigned seeds;
} bugs[] = {
    {"", "", 0},
#define X(name, text, seeds) {#name, text, seeds},
#include "tests/sim/grid/sabotage.def"
#undef X
};

enum { CONVERGE_MS = 60000 };

static void liveness(struct world *w)
{
    const char *why = "";
    faults_end(w);
    for (msec_t end = w->now + CONVERGE_MS; !w->fault && w->now < end;) {
        world_run(w, w->now + 200);
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

/* NULL: all is well; else what broke, to be freed. */
static char *run_seed(uint64_t seed)
{
    struct world *w = world = calloc(1, sizeof *w);
    world_init(w, seed);
    w->trace = tracing;
    faults_draw(w);
    world_run(w, w->mix.length);
    if (!w->fault)
        liveness(w);
    char *fault = w->fault;
    w->fault = NULL;
    world_release(w);
    free(w);
    tally.seeds++;
    return fault;
}

static void died(int sig)
{
    fprintf(stderr, "seed %lu died of signal %d at %lu ms\n  build/sim-grid --seed %lu --trace\n",
            (unsigned long)world->seed, sig, (unsigned long)world->now, (unsigned long)world->seed);
    signal(sig, SIG_DFL);
    raise(sig);
}

static int run_seeds(uint64_t start, uint64_t seeds)
{
    for (uint64_t s = start; s < start + seeds; s++) {
        char *fault = run_seed(s);
        if (!fault)
            continue;
        printf("not ok seed %lu: %s\n  build/sim-grid --seed %lu --trace\n", (unsigned long)s,
               fault, (unsigned long)s);
        free(fault);
        return 1;
    }
    printf("ok %lu seeds\n", (unsigned long)seeds);
    return 0;
}

/* In a process of its own: a bug may break a CHECK. */
static int run_bug(unsigned bug)
{
    for (uint64_t s = 1; s <= bugs[bug].seeds; s++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            if (!freopen("/dev/null", "w", stderr))
                _exit(2);
            grid_sabotage = (enum grid_sabotage)bug;
            char *fault = run_seed(s);
            if (!fault && s <= 5)
                fault = story_fault(s);
            _exit(fault ? 1 : 0);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        if (status) {
            printf("ok sabotage %s found by seed %lu\n", bugs[bug].text, (unsigned long)s);
            return 0;
        }
    }
    printf("not ok sabotage %s: not found in %u seeds\n", bugs[bug].text, bugs[bug].seeds);
    return 1;
}

static void use_bug(const char *name)
{
    for (unsigned i = 1; i < sizeof bugs / sizeof *bugs; i++)
        if (strcmp(name, bugs[i].text) == 0)
            grid_sabotage = (enum grid_sabotage)i;
}

static int run_bugs(const char *name)
{
    int failed = 0;
    for (unsigned i = 1; i < sizeof bugs / sizeof *bugs; i++)
        if (strcmp(name, "all") == 0 || strcmp(name, bugs[i].text) == 0)
            failed += run_bug(i);
    return failed;
}

static void print_tally(void)
{
    const struct tally *t = &tally;
    printf("%lu seeds, %lu events: %lu kills, %lu power losses, %lu pauses, %lu cuts, %lu founded, "
           "%lu entered, %lu gone, %lu leaders, %lu asked, %lu refused, %lu in doubt, %lu "
           "snapshots, %lu changes of partitions, %lu handed over, %lu removed, %lu left\n",
           t->seeds, t->events, t->kills, t->powers, t->pauses, t->cuts, t->founded, t->entered,
           t->gone, t->leaders, t->asked, t->refused, t->doubt, t->snapshots, t->promoted,
           t->handed, t->removed, t->left);
}

int main(int argc, char **argv)
{
    uint64_t start = 1, seeds = 0;
    const char *sabotage = NULL, *story = NULL;
    bool stats = false, times = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(arg, "--trace") == 0)
            tracing = true;
        else if (strcmp(arg, "--stats") == 0)
            stats = true;
        else if (strcmp(arg, "--times") == 0)
            times = true;
        else if (strcmp(arg, "--seeds") == 0)
            seeds = strtoull(value, NULL, 10), i++;
        else if (strcmp(arg, "--start") == 0)
            start = strcmp(value, "random") == 0 ? (uint64_t)time(NULL) * 1000
                                                 : strtoull(value, NULL, 10),
            i++;
        else if (strcmp(arg, "--seed") == 0)
            start = strtoull(value, NULL, 10), seeds = 1, i++;
        else if (strcmp(arg, "--story") == 0)
            story = value, i++;
        else if (strcmp(arg, "--sabotage") == 0)
            sabotage = value, i++;
        else
            return fprintf(stderr, "what is %s?\n", arg), 2;
    }
    signal(SIGABRT, died);
    signal(SIGSEGV, died);
    int failed = 0;
    if (sabotage && (seeds || story))
        use_bug(sabotage);
    if (sabotage && !seeds && !story)
        failed = run_bugs(sabotage);
    else if (story)
        failed = stories_run(strcmp(story, "all") == 0 ? NULL : story);
    else if (times)
        failed = stories_times() + stories_idle();
    else if (seeds)
        failed = run_seeds(start, seeds);
    else
        failed = stories_run(NULL) + stories_times() + stories_idle() + run_seeds(start, 300) +
                 run_bugs("all");
    if (stats)
        print_tally();
    return failed != 0;
}
