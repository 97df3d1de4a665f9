/* simulator.c - see simulator.h. */
#include "tests/lib/simulator.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SEEDS_PER_LINE = 100, SEEDS_ENOUGH = 1000, FAILURES_ENOUGH = 10 };

struct options {
    uint64_t seeds, start;
    bool one, stats, trace; /* one: --seed */
    const char *sabotage, *story;
};

static const struct simulator *sim;
static bool quiet; /* a failure is wanted, and not told */
static struct {
    uint64_t seed;
    const char *story; /* NULL: none */
} running;

static void failure_tell(const char *why)
{
    printf("not ok seed %" PRIu64 "%s%s: %s\n# again: build/%s%s%s --seed %" PRIu64 " --trace\n",
           running.seed, running.story ? " of " : "", running.story ? running.story : "", why,
           sim->program, running.story ? " --story " : "", running.story ? running.story : "",
           running.seed);
}

static void on_death(int sig)
{
    if (!quiet)
        failure_tell(sig == SIGABRT ? "a CHECK failed" : "it crashed");
    fflush(stdout);
    _exit(3);
}

static bool seed_run(uint64_t seed, const char *story, bool trace)
{
    running.seed = seed;
    running.story = story;
    const char *why = sim->run(seed, story, trace);
    if (why && !quiet)
        failure_tell(why);
    return !why;
}

/* --- what happened ---------------------------------------------------------------------------- */

static void counts_print(void)
{
    for (size_t i = 0; i < sim->counts_len; i++)
        printf("# %12" PRIu64 "  %s\n", sim->counts[i], sim->count_names[i]);
}

static bool all_happened(void)
{
    bool all = true;
    for (size_t i = 0; i < sim->counts_len; i++) {
        if (sim->counts[i])
            continue;
        printf("# never: %s\n", sim->count_names[i]);
        all = false;
    }
    return all;
}

/* --- seeds ------------------------------------------------------------------------------------ */

static unsigned seeds_run(uint64_t start, uint64_t seeds, bool trace)
{
    unsigned failed = 0;
    uint64_t from = start, end = start + seeds;
    for (uint64_t s = start; s < end && failed < FAILURES_ENOUGH; s++) {
        if (!seed_run(s, NULL, trace)) {
            failed++;
            from = s + 1;
        } else if (s + 1 - from == SEEDS_PER_LINE || s + 1 == end) {
            printf("ok seeds %" PRIu64 " to %" PRIu64 "\n", from, s);
            from = s + 1;
        }
        fflush(stdout);
    }
    if (seeds < SEEDS_ENOUGH || !sim->all_happen)
        return failed;
    bool all = all_happened();
    printf("%s every_kind_of_event_happens\n", all ? "ok" : "not ok");
    return failed + !all;
}

static unsigned kept_run(void)
{
    unsigned failed = 0;
    for (size_t i = 0; i < sim->kept_len; i++)
        failed += seeds_run(sim->kept[i], 1, false);
    return failed;
}

/* --- bugs ------------------------------------------------------------------------------------- */

struct search {
    const char *story; /* NULL: seeds */
    unsigned bug, seeds;
    uint64_t passed; /* seeds before the first */
};

/* Seeds until one fails; tells each by a byte. */
static void search_body(const struct search *x, int told)
{
    bool good = true;
    dup2(told, STDERR_FILENO); /* what a CHECK says is not wanted */
    sim->break_rule(x->bug);
    for (unsigned i = 1; i <= x->seeds && good; i++)
        good = write(told, "", 1) == 1 && seed_run(x->passed + i, x->story, false);
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

static bool told_by_a_story(unsigned bug)
{
    struct simulator_story s;
    for (size_t at = 0; sim->story && sim->story(at, &s); at++)
        if (s.rules >> bug & 1)
            return true;
    return false;
}

static unsigned bug_named(const char *name)
{
    for (unsigned bug = 1; bug < sim->bugs_len; bug++)
        if (strcmp(name, sim->bugs[bug].name) == 0)
            return bug;
    return 0;
}

static unsigned bug_run(unsigned bug)
{
    struct search x = {NULL, bug, sim->bugs[bug].seeds, sim->passed ? sim->passed(bug) : 0};
    unsigned took = search_run(&x);
    if (took)
        printf("ok %s is_found # by seed %" PRIu64 "\n", sim->bugs[bug].name, x.passed + took);
    else
        printf("not ok %s is_found within %u seeds\n", sim->bugs[bug].name, x.seeds);
    return !took;
}

static unsigned bugs_run(const char *name)
{
    unsigned failed = 0, one = bug_named(name);
    bool all = strcmp(name, "all") == 0, untold = strcmp(name, "untold") == 0;
    if (!all && !untold && !one) {
        printf("not ok no such sabotage: %s\n", name);
        return 1;
    }
    quiet = !one;
    for (unsigned bug = 1; bug < sim->bugs_len; bug++)
        if (bug == one || all || (untold && !told_by_a_story(bug)))
            failed += bug_run(bug);
    quiet = false;
    return failed;
}

/* --- stories ---------------------------------------------------------------------------------- */

static unsigned story_needs(const struct simulator_story *s, unsigned bug)
{
    struct search x = {s->name, bug, s->seeds, 0};
    quiet = true;
    unsigned took = search_run(&x);
    quiet = false;
    if (took)
        printf("ok %s fails_with %s # at seed %u\n", s->name, sim->bugs[bug].name, took);
    else
        printf("not ok %s fails_with %s\n", s->name, sim->bugs[bug].name);
    return !took;
}

static unsigned story_run(const struct simulator_story *s, const struct options *o)
{
    unsigned failed = 0;
    for (unsigned i = 1; !o->one && i <= s->seeds && !failed; i++)
        failed += !seed_run(i, s->name, o->trace);
    if (o->one)
        failed += !seed_run(o->start, s->name, o->trace);
    printf("%s %s\n", failed ? "not ok" : "ok", s->name);
    if (o->one || o->sabotage)
        return failed;
    for (unsigned bug = 1; bug < sim->bugs_len; bug++)
        if (s->rules >> bug & 1)
            failed += story_needs(s, bug);
    return failed;
}

static unsigned stories_run(const char *name, const struct options *o)
{
    unsigned failed = 0, run = 0;
    struct simulator_story s;
    for (size_t at = 0; sim->story && sim->story(at, &s); at++) {
        if (strcmp(name, "all") != 0 && strcmp(name, s.name) != 0)
            continue;
        failed += story_run(&s, o);
        run++;
    }
    if (!run && strcmp(name, "all") != 0)
        printf("not ok no such story: %s\n", name);
    return failed + (!run && strcmp(name, "all") != 0);
}

/* --- command line ----------------------------------------------------------------------------- */

static void usage(void)
{
    fprintf(stderr,
            "usage: %s [--seeds N] [--start S|random] [--seed S] [--trace] [--stats]\n"
            "       [--story all|NAME] [--sabotage all|untold|NAME]\n",
            sim->program);
    exit(2);
}

static uint64_t number_of(const char *text)
{
    char *end;
    if (strcmp(text, "random") == 0)
        return (uint64_t)time(NULL) * 1000;
    uint64_t number = strtoull(text, &end, 10);
    if (!*text || *end)
        usage();
    return number;
}

static void option_take(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "--seeds") == 0)
        o->seeds = number_of(value);
    else if (strcmp(name, "--start") == 0)
        o->start = number_of(value);
    else if (strcmp(name, "--seed") == 0)
        o->start = number_of(value), o->one = true;
    else if (strcmp(name, "--story") == 0)
        o->story = value;
    else if (strcmp(name, "--sabotage") == 0)
        o->sabotage = value;
    else
        usage();
}

static struct options options_read(int argc, char **argv)
{
    struct options o = {.start = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--stats") == 0)
            o.stats = true;
        else if (strcmp(argv[i], "--trace") == 0)
            o.trace = true;
        else if (i + 1 < argc)
            option_take(&o, argv[i], argv[i + 1]), i++;
        else
            usage();
    }
    if (o.one)
        o.seeds = 1;
    else if (o.start != 1 && !o.seeds)
        o.seeds = sim->seeds;
    return o;
}

static unsigned all_run(const struct options *o)
{
    unsigned failed = stories_run("all", o) + kept_run() + seeds_run(1, sim->seeds, false);
    failed += bugs_run("untold");
    return failed + (sim->more ? sim->more() : 0);
}

int simulator_main(const struct simulator *s, int argc, char **argv)
{
    sim = s;
    struct options o = options_read(argc, argv);
    unsigned failed;
    signal(SIGABRT, on_death);
    signal(SIGSEGV, on_death);
    if (o.sabotage && (o.one || o.story)) {
        if (!bug_named(o.sabotage))
            usage();
        s->break_rule(bug_named(o.sabotage));
    }
    if (o.story)
        failed = stories_run(o.story, &o);
    else if (o.seeds)
        failed = seeds_run(o.start, o.seeds, o.trace);
    else if (o.sabotage)
        failed = bugs_run(o.sabotage);
    else
        failed = all_run(&o);
    if (o.stats)
        counts_print();
    return failed != 0;
}
