/* main.c - stories, seeds, sabotage; prints lines "ok NAME" and "not ok NAME".
 *   sim                                               all of these, 1000 seeds from 1
 *   sim [--seeds N] [--start S|random] [--seed S]     seeds, each with a mix of its own
 *   sim --stories                                     told scenarios
 *   sim --sabotage all|NAME                           a broken node must be found out (how, of one)
 * --stats: with counts of what happened.
 * LINK: sim shard replica control data store base */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct options {
    uint64_t seeds, start;
    bool seeds_run, stories, stats;
    const char *sabotage;
};

static const struct world *running;

static void on_abort(int sig)
{
    (void)sig;
    if (!running)
        _exit(3);
    if (!running->quiet)
        printf("not ok seed %" PRIu64 ", step %" PRIu64 "%s: a CHECK failed\n"
               "# replay: make sim SEED=%" PRIu64 "\n",
               running->seed, running->step, running->flipped ? " (a bit flipped)" : "",
               running->seed);
    fflush(stdout);
    _exit(3);
}

/* --- what happened ---------------------------------------------------------------------------- */

static void tally_add(struct tally *sum, const struct tally *t)
{
#define X(name, text) sum->name += t->name;
#include "tests/sim/tally.def"
#undef X
}

static void tally_print(const struct tally *t)
{
#define X(name, text) printf("# %10" PRIu64 "  %s\n", t->name, text);
#include "tests/sim/tally.def"
#undef X
}

static bool tally_full(const struct tally *t)
{
    bool full = true;
#define X(name, text)                                                                              \
    if (!t->name) {                                                                                \
        printf("# never: %s\n", text);                                                             \
        full = false;                                                                              \
    }
#include "tests/sim/tally.def"
#undef X
    return full;
}

/* --- seeds ------------------------------------------------------------------------------------ */

enum { SEEDS_PER_LINE = 100, SEEDS_ENOUGH = 1000 };

static bool seed_run(uint64_t seed, enum sabotage sabotage, bool quiet, struct tally *sum)
{
    struct world w = {.seed = seed, .sabotage = sabotage, .quiet = quiet};
    running = &w;
    world_run(&w);
    world_release(&w);
    running = NULL;
    tally_add(sum, &w.tally);
    return !w.failed;
}

/* Lines of SEEDS_PER_LINE seeds. The number that failed. */
static unsigned seeds_run(const struct options *o)
{
    struct tally sum = {0};
    unsigned failed = 0, line_failed = 0;
    printf("# seeds %" PRIu64 " to %" PRIu64 "\n", o->start, o->start + o->seeds - 1);
    for (uint64_t i = 0; i < o->seeds; i++) {
        line_failed += !seed_run(o->start + i, SABOTAGE_NONE, false, &sum);
        if ((i + 1) % SEEDS_PER_LINE && i + 1 != o->seeds)
            continue;
        if (!line_failed)
            printf("ok seeds_keep_every_promise up to %" PRIu64 "\n", o->start + i);
        fflush(stdout);
        failed += line_failed;
        line_failed = 0;
    }
    if (o->stats)
        tally_print(&sum);
    if (o->seeds < SEEDS_ENOUGH)
        return failed;
    bool full = tally_full(&sum);
    printf("%s every_kind_of_fault_happened\n", full ? "ok" : "not ok");
    return failed + !full;
}

/* --- sabotage --------------------------------------------------------------------------------- */

struct plot {
    const char *name;
    unsigned seeds;
};

static const struct plot plots[SABOTAGES] = {
#define X(name, text, seeds) [SABOTAGE_##name] = {text, seeds},
#include "tests/sim/sabotage.def"
#undef X
};

/* Seeds until one fails; tells each by a byte. */
static void plot_body(enum sabotage how, bool quiet, int told)
{
    struct tally none = {0};
    bool good = true;
    dup2(told, STDERR_FILENO); /* what a CHECK says is not wanted */
    for (unsigned i = 0; i < plots[how].seeds && good; i++)
        good = write(told, "", 1) == 1 && seed_run(1 + i, how, quiet, &none);
    fflush(stdout);
    _exit(good ? 0 : 3);
}

/* In a process of its own, for a CHECK may find it first: the number of seeds it took, or 0. */
static unsigned plot_found(enum sabotage how, bool quiet)
{
    int result[2];
    unsigned took = 0;
    fflush(stdout);
    if (pipe(result) != 0)
        return 0;
    pid_t child = fork();
    if (child == 0)
        plot_body(how, quiet, result[1]);
    close(result[1]);
    char bytes[512];
    for (ssize_t n; (n = read(result[0], bytes, sizeof bytes)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            took += !bytes[i];
    close(result[0]);
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && status ? took : 0;
}

static unsigned plots_run(const char *name)
{
    unsigned failed = 0, run = 0;
    for (unsigned how = 1; how < SABOTAGES; how++) {
        if (strcmp(name, "all") != 0 && strcmp(name, plots[how].name) != 0)
            continue;
        unsigned took = plot_found((enum sabotage)how, strcmp(name, "all") == 0);
        failed += !took;
        run++;
        if (took)
            printf("ok %s is_found # by seed %u\n", plots[how].name, took);
        else
            printf("not ok %s is_found within %u seeds\n", plots[how].name, plots[how].seeds);
    }
    if (!run)
        printf("not ok no such sabotage: %s\n", name);
    return failed + !run;
}

/* --- command line ----------------------------------------------------------------------------- */

static uint64_t number_of(const char *text)
{
    if (text && strcmp(text, "random") == 0)
        return (uint64_t)time(NULL) * 1000;
    return text ? strtoull(text, NULL, 10) : 0;
}

static struct options options_read(int argc, char **argv)
{
    struct options o = {.seeds = 1000, .start = 1, .seeds_run = true};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--seeds") == 0) {
            o.seeds = number_of(value);
        } else if (strcmp(argv[i], "--start") == 0) {
            o.start = number_of(value);
        } else if (strcmp(argv[i], "--seed") == 0) {
            o.start = number_of(value);
            o.seeds = 1;
        } else if (strcmp(argv[i], "--stats") == 0) {
            o.stats = true;
        } else if (strcmp(argv[i], "--stories") == 0) {
            o.stories = true;
            o.seeds_run = false;
        } else if (strcmp(argv[i], "--sabotage") == 0) {
            o.sabotage = value ? value : "all";
            o.seeds_run = false;
        }
    }
    if (argc == 1) {
        o.stories = true;
        o.sabotage = "all";
    }
    return o;
}

int main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    unsigned failed = 0;
    signal(SIGABRT, on_abort);
    if (o.stories)
        failed += stories_run();
    if (o.sabotage)
        failed += plots_run(o.sabotage);
    if (o.seeds_run)
        failed += seeds_run(&o);
    return failed != 0;
}
