/* main.c - seeds of the replication of one partition, and rules to be missed; prints lines
 * "ok NAME" and "not ok NAME".
 *   sim-replica [--seeds N] [--start S|random] [--seed S] [--stats] [--trace]
 *   sim-replica --story all|NAME                      told scenarios
 *   sim-replica --sabotage all|rest|NAME              each broken rule is found; the rest: those of
 *                                                     which no story tells
 *   sim-replica                                       300 seeds, all stories, the rest */
#include "tests/sim/replica/story.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum replica_sabotage replica_sabotage;
static struct world world; /* large; its memory is used again */
static bool running, quiet;

static void on_abort(int sig)
{
    (void)sig;
    if (running && !quiet)
        printf("not ok seed %" PRIu64 " at %.6f s: a CHECK failed\n# replay: build/sim-replica "
               "--seed %" PRIu64 "\n",
               world.seed, (double)world.now / 1e6, world.seed);
    fflush(stdout);
    _exit(3);
}

/* --- what happened ---------------------------------------------------------------------------- */

static void tally_add(struct tally *sum, const struct tally *t)
{
#define X(name, text) sum->name += t->name;
#include "tests/sim/replica/tally.def"
#undef X
}

static void tally_print(const struct tally *t)
{
#define X(name, text) printf("# %10" PRIu64 "  %s\n", t->name, text);
#include "tests/sim/replica/tally.def"
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
#include "tests/sim/replica/tally.def"
#undef X
    return full;
}

/* --- seeds ------------------------------------------------------------------------------------ */

enum { SEEDS_PER_LINE = 100, SEEDS_ENOUGH = 1000, SEEDS_DEFAULT = 300 };

struct options {
    uint64_t seeds, start;
    bool seeds_run, stats, trace;
    const char *sabotage, *story;
};

static bool seed_run(const struct story *story, uint64_t seed, bool trace, struct tally *sum)
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
    world.seed = seed;
    world.trace = trace;
    world.story = story;
    running = true;
    world_run(&world);
    running = false;
    tally_add(sum, &world.tally);
    if (world.failed && !quiet)
        printf("not ok seed %" PRIu64
               " at %.6f s: %s\n# replay: build/sim-replica %s%s --seed %" PRIu64 " --trace\n",
               seed, (double)world.now / 1e6, world.why, story ? "--story " : "",
               story ? story->name : "", seed);
    return !world.failed;
}

static unsigned seeds_run(const struct options *o)
{
    struct tally sum = {0};
    unsigned failed = 0, line_failed = 0;
    printf("# seeds %" PRIu64 " to %" PRIu64 "\n", o->start, o->start + o->seeds - 1);
    for (uint64_t i = 0; i < o->seeds; i++) {
        line_failed += !seed_run(NULL, o->start + i, o->trace, &sum);
        if ((i + 1) % SEEDS_PER_LINE && i + 1 != o->seeds)
            continue;
        if (!line_failed)
            printf("ok replicas_keep_every_promise up to %" PRIu64 "\n", o->start + i);
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

static const struct plot {
    const char *name;
    unsigned seeds;
} plots[REPLICA_SABOTAGES] = {
#define X(name, text, seeds) [REPLICA_SABOTAGE_##name] = {text, seeds},
#include "tests/sim/replica/sabotage.def"
#undef X
};

struct search {
    const struct story *story; /* NULL: seeds */
    enum replica_sabotage how;
    unsigned seeds;
};

/* Seeds until one fails; tells each by a byte. */
static void search_body(const struct search *x, int told)
{
    struct tally none = {0};
    bool good = true;
    dup2(told, STDERR_FILENO); /* what a CHECK says is not wanted */
    replica_sabotage = x->how;
    for (unsigned i = 0; i < x->seeds && good; i++)
        good = write(told, "", 1) == 1 && seed_run(x->story, 1 + i, false, &none);
    fflush(stdout);
    _exit(good ? 0 : 3);
}

/* In a process of its own, for a CHECK may find it first: the number of seeds it took, or 0. */
static unsigned search_run(const struct search *x)
{
    int result[2];
    unsigned took = 0;
    fflush(stdout);
    if (pipe(result) != 0)
        return 0;
    pid_t child = fork();
    if (child == 0)
        search_body(x, result[1]);
    close(result[1]);
    char bytes[512];
    for (ssize_t n; (n = read(result[0], bytes, sizeof bytes)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            took += !bytes[i];
    close(result[0]);
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && status ? took : 0;
}

/* --- stories ---------------------------------------------------------------------------------- */

static unsigned story_run(const struct story *s, const struct options *o)
{
    struct tally none = {0};
    unsigned failed = 0;
    uint64_t start = o->seeds == 1 ? o->start : 1, len = o->seeds == 1 ? 1 : SEEDS_PER_STORY;
    for (uint64_t i = 0; i < len; i++)
        failed += !seed_run(s, start + i, o->trace, &none);
    printf("%s %s\n", failed ? "not ok" : "ok", s->name);
    if (!s->rule || len == 1)
        return failed;
    bool was = quiet;
    quiet = true;
    struct search x = {s, (enum replica_sabotage)s->rule, SEEDS_PER_STORY};
    unsigned took = search_run(&x);
    quiet = was;
    if (took)
        printf("ok %s needs its rule # it fails at seed %u\n", s->name, took);
    else
        printf("not ok %s ends well without its rule\n", s->name);
    return failed + !took;
}

static unsigned stories_run(const char *name, const struct options *o)
{
    unsigned failed = 0, run = 0;
    for (size_t i = 0; i < stories_len; i++) {
        if (strcmp(name, "all") != 0 && strcmp(name, stories[i].name) != 0)
            continue;
        failed += story_run(&stories[i], o);
        run++;
    }
    if (!run)
        printf("not ok no such story: %s\n", name);
    return failed + !run;
}

/* --- broken rules ----------------------------------------------------------------------------- */

/* Whether a story shows it. */
static bool told(enum replica_sabotage how)
{
    for (size_t i = 0; i < stories_len; i++)
        if (stories[i].rule == (unsigned)how)
            return true;
    return false;
}

static unsigned plots_run(const char *name)
{
    unsigned failed = 0, run = 0;
    quiet = strcmp(name, "all") == 0 || strcmp(name, "rest") == 0;
    for (unsigned how = 1; how < REPLICA_SABOTAGES; how++) {
        if (strcmp(name, "rest") == 0 ? told((enum replica_sabotage)how)
                                      : !quiet && strcmp(name, plots[how].name) != 0)
            continue;
        struct search x = {NULL, (enum replica_sabotage)how, plots[how].seeds};
        unsigned took = search_run(&x);
        failed += !took;
        run++;
        if (took)
            printf("ok %s is_found # by seed %u\n", plots[how].name, took);
        else
            printf("not ok %s is_found within %u seeds\n", plots[how].name, plots[how].seeds);
    }
    quiet = false;
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
    struct options o = {.seeds = SEEDS_DEFAULT, .start = 1, .seeds_run = true};
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
        } else if (strcmp(argv[i], "--trace") == 0) {
            o.trace = true;
        } else if (strcmp(argv[i], "--story") == 0) {
            o.story = value ? value : "all";
            o.seeds_run = false;
        } else if (strcmp(argv[i], "--sabotage") == 0) {
            o.sabotage = value ? value : "all";
            o.seeds_run = false;
        }
    }
    if (argc == 1) {
        o.story = "all";
        o.sabotage = "rest";
    }
    return o;
}

int main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    unsigned failed = 0;
    signal(SIGABRT, on_abort);
    if (o.seeds_run)
        failed += seeds_run(&o);
    if (o.story)
        failed += stories_run(o.story, &o);
    if (o.sabotage)
        failed += plots_run(o.sabotage);
    return failed != 0;
}
