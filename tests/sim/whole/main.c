/* main.c - seeds, and bugs that must be found.
 *   sim-whole [--seeds N] [--start S|random] [--seed S] [--trace] [--stats] [--nodes N]
 *   sim-whole --sabotage all|NAME    with --seed: that, with the bug
 *   sim-whole                        what make test runs */
#include "tests/sim/whole/world.h"
#include "tests/sim/whole/bugs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONVERGE_MS = 60000, FIXED_SEEDS = 60 };

static struct world *world;
static bool tracing, showing;

static void converge(struct world *w)
{
    const char *why = "";
    for (msec_t end = w->now + CONVERGE_MS; !w->fault && w->now < end;) {
        world_run(w, w->now + 200);
        if (!w->fault && world_converged(w, &why))
            return;
    }
    if (!w->fault && showing)
        world_show(w);
    world_fail(w, "no peace after the faults: %s", why);
}

static void liveness(struct world *w)
{
    faults_end(w);
    world_run(w, w->now + 1000);
    w->quiet = true;
    converge(w);
    if (!w->fault)
        world_run(w, w->now + 4000); /* what expires, expires everywhere */
    if (!w->fault)
        clients_read_all(w);
    if (!w->fault)
        converge(w);
    if (!w->fault)
        check_equal(w);
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
    if (!w->fault) {
        clients_end(w);
        check_history(w);
    }
    char *fault = w->fault;
    w->fault = NULL;
    tally.virtual_ms += w->now;
    tally.seeds++;
    world_release(w);
    free(w);
    return fault;
}

static void died(int sig)
{
    fprintf(stderr, "seed %lu died of signal %d at %lu ms\n  build/sim-whole --seed %lu --trace\n",
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
        printf("not ok seed %lu: %s\n  build/sim-whole --seed %lu --trace\n", (unsigned long)s,
               fault, (unsigned long)s);
        free(fault);
        return 1;
    }
    printf("ok %lu seeds\n", (unsigned long)seeds);
    return 0;
}

static int run_kept(void)
{
    static const uint64_t kept[] = {
#define X(seed, text) seed,
#include "tests/sim/whole/seeds.def"
#undef X
    };
    int failed = 0;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        failed += run_seeds(kept[i], 1);
    return failed;
}

/* In a process of its own: a bug may break a CHECK. */
static int run_bug(const struct bug *bug)
{
    for (uint64_t s = 1; s <= bug->seeds; s++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            if (!freopen("/dev/null", "w", stderr))
                _exit(2);
            bug_use(bug);
            char *fault = run_seed(s);
            _exit(fault ? 1 : 0);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        if (status) {
            printf("ok sabotage %s found by seed %lu\n", bug->text, (unsigned long)s);
            return 0;
        }
    }
    printf("not ok sabotage %s: not found in %u seeds\n", bug->text, bug->seeds);
    return 1;
}

static int run_bugs(const char *name)
{
    int failed = 0;
    for (const struct bug *b = bugs; b->text; b++)
        if (strcmp(name, "all") == 0 || strcmp(name, b->text) == 0)
            failed += run_bug(b);
    return failed;
}

static void print_tally(void)
{
    const struct tally *t = &tally;
    printf("%lu seeds, %lu events, %lu s: %lu kills, %lu power losses, %lu pauses, %lu stalls, %lu "
           "cuts, %lu drops, %lu gone, %lu entered, %lu removed, %lu left; %lu asked: %lu shrunk, "
           "%lu promoted, %lu handed over; %lu operations, %lu retries, %lu records, %lu tainted, "
           "%lu too hard\n",
           t->seeds, t->events, t->virtual_ms / 1000, t->kills, t->powers, t->pauses, t->stalls,
           t->cuts, t->drops, t->gone, t->entered, t->removed, t->left, t->asked, t->shrunk,
           t->promoted, t->handed, t->ops, t->retries, t->records, t->tainted, t->hard);
}

int main(int argc, char **argv)
{
    uint64_t start = 1, seeds = 0;
    const char *sabotage = NULL;
    bool stats = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(arg, "--trace") == 0)
            tracing = showing = true;
        else if (strcmp(arg, "--show") == 0)
            showing = true;
        else if (strcmp(arg, "--stats") == 0)
            stats = true;
        else if (strcmp(arg, "--seeds") == 0)
            seeds = strtoull(value, NULL, 10), i++;
        else if (strcmp(arg, "--start") == 0)
            start = strcmp(value, "random") == 0 ? (uint64_t)time(NULL) * 1000
                                                 : strtoull(value, NULL, 10),
            i++;
        else if (strcmp(arg, "--seed") == 0)
            start = strtoull(value, NULL, 10), seeds = 1, i++;
        else if (strcmp(arg, "--sabotage") == 0)
            sabotage = value, i++;
        else
            return fprintf(stderr, "what is %s?\n", arg), 2;
    }
    signal(SIGABRT, died);
    signal(SIGSEGV, died);
    int failed = 0;
    for (const struct bug *b = bugs; sabotage && seeds && b->text; b++)
        if (strcmp(sabotage, b->text) == 0)
            bug_use(b);
    if (sabotage && !seeds)
        failed = run_bugs(sabotage);
    else if (seeds)
        failed = run_seeds(start, seeds);
    else
        failed = run_kept() + run_seeds(1, FIXED_SEEDS) + run_bugs("all");
    if (stats)
        print_tally();
    return failed != 0;
}
