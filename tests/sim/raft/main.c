/* main.c - the consensus engine in a world made from a seed: see tests/lib/simulator.h. */
#include "tests/lib/simulator.h"
#include "tests/sim/raft/world.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

enum raft_sabotage raft_sabotage;
static struct tally sum;

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

static void tally_add(const struct tally *t)
{
#define X(name, text) sum.name += t->name;
#include "tests/sim/raft/tally.def"
#undef X
}

static const char *run(uint64_t seed, const char *story, bool trace)
{
    static struct world *w; /* large; some of its memory is used again */
    (void)story;
    w = w ? w : xcalloc(1, sizeof *w);
    struct seen *seen = w->seen ? w->seen : xcalloc(SEEN_SLOTS, sizeof *seen);
    uint8_t *arena = w->arena;
    memset(w, 0, sizeof *w);
    w->seen = seen;
    w->arena = arena;
    w->seed = seed;
    w->verbose = trace;
    world_run(w);
    tally_add(&w->tally);
    world_end(w);
    return w->failed ? w->why : NULL;
}

static void break_rule(unsigned bug)
{
    raft_sabotage = (enum raft_sabotage)bug;
}

static const struct simulator_bug bugs[RAFT_SABOTAGES] = {
#define X(name, text, seeds) [RAFT_SABOTAGE_##name] = {text, seeds},
#include "tests/sim/raft/sabotage.def"
#undef X
};

static const char *const counts[] = {
#define X(name, text) text,
#include "tests/sim/raft/tally.def"
#undef X
};

int main(int argc, char **argv)
{
    _Static_assert(sizeof sum == sizeof counts / sizeof *counts * sizeof(uint64_t), "all are told");
    static const struct simulator sim = {
        .program = "sim-raft",
        .seeds = 1000,
        .run = run,
        .break_rule = break_rule,
        .bugs = bugs,
        .bugs_len = RAFT_SABOTAGES,
        .counts = (const uint64_t *)&sum,
        .count_names = counts,
        .counts_len = sizeof counts / sizeof *counts,
        .all_happen = true,
    };
    return simulator_main(&sim, argc, argv);
}
