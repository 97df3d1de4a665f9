/* main.c - seeds of the consensus engine, and bugs to be found; prints "ok NAME" and "not ok".
 *   sim-raft [--seeds N] [--start S|random] [--seed S] [--stats]
 *   sim-raft --sabotage all|NAME                     each bug is found
 *   sim-raft                                         1,000 seeds, then all bugs */
#include "tests/sim/raft/world.h"

#include "base/alloc.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum raft_sabotage raft_sabotage;
static struct world *world;
static bool verbose; /* one seed: who stood where is told */

/* --- one seed --------------------------------------------------------------------------------- */

static void found(struct world *w)
{
    struct raft_membership m = {0};
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[i];
        n->id = i + 1;
        n->rate = 970 + below(w, 60);
        n->offset_ms = below(w, 1000000);
        n->disk_us = 1 + below(w, w->mix.disk_us);
        if (i < w->mix.voters)
            raft_membership_add_voter(&m, n->id);
    }
    w->members[0] = m;
    w->members_len = 1;
    w->committed = 1;
    w->terms[1] = 1;
    w->chains[1] = w->states[1] = 1;
    w->members_at[1] = 0;
    uint8_t *p = keep(w, NULL, 24);
    store_u64(p, 1);
    store_u64(p + 8, 1);
    store_u64(p + 16, hash_slice(0, slice_make(p, 16)));
    struct raft_stored stored;
    raft_found(&m, slice_make(p, 24), &stored);
    for (unsigned i = 0; i < w->mix.voters; i++) {
        struct store *d = &w->nodes[i].disk;
        d->term = stored.term;
        d->snapshot = stored.snapshot;
        d->snapshot_chain = 1;
        node_start(w, &w->nodes[i]);
    }
}

/* The next thing that happens anywhere. */
static void turn(struct world *w)
{
    enum { NET, DISK, WAKE, CHAOS, OPERATE } what = OPERATE;
    uint64_t at = w->ops_us;
    struct node *who = NULL;
    if (!w->calm && w->chaos_us < at)
        at = w->chaos_us, what = CHAOS;
    if (w->heap_len && w->heap[0].at_us < at)
        at = w->heap[0].at_us, what = NET;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[i];
        uint64_t wake = node_wake_us(w, n);
        uint64_t done = n->alive && n->writing ? n->written_us : UINT64_MAX;
        if (done < n->paused_until_us)
            done = n->paused_until_us;
        if (wake < at)
            at = wake, what = WAKE, who = n;
        if (done < at)
            at = done, what = DISK, who = n;
    }
    w->now_us = at > w->now_us ? at : w->now_us;
    struct raft_event tick = {.kind = RAFT_EVENT_TICK};
    switch (what) {
    case NET:
        deliver(w);
        break;
    case DISK:
        node_disk(w, who);
        break;
    case WAKE:
        node_step(w, who, &tick);
        break;
    case CHAOS:
        chaos(w);
        break;
    case OPERATE:
        if (w->calm)
            operate_calm(w);
        else
            operate(w);
    }
}

enum { PATIENCE_US = 20000000 };

void world_run(struct world *w)
{
    w->prng.state = mix64(w->seed, 0x72616674);
    w->heal_us = UINT64_MAX;
    mix_draw(w);
    found(w);
    while (!w->failed && w->now_us < w->mix.fault_us)
        turn(w);
    if (w->failed)
        return;
    calm_down(w);
    uint64_t until = w->now_us + PATIENCE_US;
    while (!w->failed && !converged(w)) {
        turn(w);
        if (w->now_us > until)
            fail(w, NULL, "no agreement %d s after the last fault", PATIENCE_US / 1000000);
    }
}

static void world_end(struct world *w)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        struct node *n = &w->nodes[i];
        raft_free(n->raft);
        free(n->mem.entries);
        free(n->disk.entries);
    }
    free(w->heap);
}

static bool seed_run(uint64_t seed, bool quiet, struct tally *sum)
{
    struct world *w = world;
    struct seen *seen = w->seen ? w->seen : xcalloc(SEEN_SLOTS, sizeof *seen);
    uint8_t *arena = w->arena;
    memset(w, 0, sizeof *w);
    w->seen = seen;
    w->arena = arena;
    w->seed = seed;
    w->quiet = quiet;
    w->verbose = verbose;
    world_run(w);
    bool failed = w->failed;
#define X(name, text) sum->name += w->tally.name;
#include "tests/sim/raft/tally.def"
#undef X
    world_end(w);
    return !failed;
}

static void on_abort(int sig)
{
    (void)sig;
    if (!world->quiet)
        printf("not ok seed %lu, %.3f s: a CHECK failed\n# replay: make sim-raft SEED=%lu\n",
               (unsigned long)world->seed, (double)world->now_us / 1e6, (unsigned long)world->seed);
    fflush(stdout);
    _exit(3);
}

/* --- many ------------------------------------------------------------------------------------- */

struct options {
    uint64_t seeds, start;
    bool stats;
    const char *sabotage;
};

enum { SEEDS_PER_LINE = 1000, SEEDS_ENOUGH = 1000 };

static bool tally_tell(const struct tally *t, bool all)
{
    bool full = true;
#define X(name, text)                                                                              \
    if (all || !t->name)                                                                           \
        printf("# %10lu  %s\n", (unsigned long)t->name, text);                                     \
    full &= t->name != 0;
#include "tests/sim/raft/tally.def"
#undef X
    return full;
}

static unsigned seeds_run(const struct options *o)
{
    struct tally sum = {0};
    unsigned failed = 0, line_failed = 0;
    for (uint64_t i = 0; i < o->seeds; i++) {
        line_failed += !seed_run(o->start + i, false, &sum);
        if ((i + 1) % SEEDS_PER_LINE && i + 1 != o->seeds)
            continue;
        if (!line_failed)
            printf("ok seeds_keep_the_properties_and_converge up to %lu\n",
                   (unsigned long)(o->start + i));
        fflush(stdout);
        failed += line_failed;
        line_failed = 0;
    }
    bool enough = o->seeds >= SEEDS_ENOUGH;
    bool full = tally_tell(&sum, o->stats);
    if (enough)
        printf("%s every_kind_of_event_happened\n", full ? "ok" : "not ok");
    return failed + (enough && !full);
}

/* --- bugs ------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned seeds;
} bugs[RAFT_SABOTAGES] = {
#define X(name, text, seeds) [RAFT_SABOTAGE_##name] = {text, seeds},
#include "tests/sim/raft/sabotage.def"
#undef X
};

/* In a process of its own, for a CHECK may find it: the number of seeds it took, or 0. */
static unsigned bug_found(unsigned which, bool quiet)
{
    int told[2];
    unsigned took = 0;
    fflush(stdout);
    if (pipe(told) != 0)
        return 0;
    pid_t child = fork();
    if (child == 0) {
        struct tally none = {0};
        bool good = true;
        raft_sabotage = (enum raft_sabotage)which;
        dup2(told[1], STDERR_FILENO); /* what a CHECK says is not wanted */
        for (unsigned i = 1; i <= bugs[which].seeds && good; i++) {
            good = write(told[1], "", 1) == 1;
            world->quiet = quiet;
            good = good && seed_run(i, quiet, &none);
        }
        fflush(stdout);
        _exit(good ? 0 : 3);
    }
    close(told[1]);
    char bytes[512];
    for (ssize_t n; (n = read(told[0], bytes, sizeof bytes)) > 0;)
        for (ssize_t i = 0; i < n; i++)
            took += !bytes[i];
    close(told[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : took;
}

static unsigned bugs_run(const char *name)
{
    bool all = strcmp(name, "all") == 0;
    unsigned failed = 0, known = 0;
    for (unsigned i = 1; i < RAFT_SABOTAGES; i++) {
        if (!all && strcmp(name, bugs[i].name) != 0)
            continue;
        known++;
        unsigned took = bug_found(i, all);
        failed += !took;
        printf("%s sabotage_is_found: %s, by seed %u\n", took ? "ok" : "not ok", bugs[i].name,
               took);
    }
    if (!known)
        printf("not ok no such sabotage: %s\n", name);
    return failed + !known;
}

int main(int argc, char **argv)
{
    struct options o = {.seeds = 0, .start = 1};
    world = xcalloc(1, sizeof *world);
    signal(SIGABRT, on_abort);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--stats") == 0) {
            o.stats = true;
            continue;
        }
        if (!value)
            return 2;
        if (strcmp(argv[i], "--seeds") == 0)
            o.seeds = strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--start") == 0)
            o.start = strcmp(value, "random") == 0 ? (uint64_t)time(NULL) * 1000000
                                                   : strtoull(value, NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            o.start = strtoull(value, NULL, 10), o.seeds = 1, verbose = true;
        else if (strcmp(argv[i], "--sabotage") == 0)
            o.sabotage = value;
        else
            return 2;
        i++;
    }
    if (!o.seeds && !o.sabotage)
        o = (struct options){.seeds = 1000, .start = 1, .sabotage = "all"};
    unsigned failed = o.seeds ? seeds_run(&o) : 0;
    if (o.sabotage)
        failed += bugs_run(o.sabotage);
    return failed ? 1 : 0;
}
