/* world.h - some nodes of server/raft, their disks and links, on a virtual clock. One seed is one
 * history: what happens, and how likely each kind of it is, is drawn from it. */
#ifndef GRIDD_TESTS_SIM_RAFT_WORLD_H
#define GRIDD_TESTS_SIM_RAFT_WORLD_H

#include "base/prng.h"
#include "raft/raft.h"
#include "raft/sabotage.h"

enum { NODES_MAX = 10, TERMS_MAX = 4096, INDEXES_MAX = 16384, WRITES_MAX = 512, SEEN_SLOTS = 8192 };

struct sim_entry {
    uint64_t term;
    enum raft_entry_kind kind;
    struct slice data;
    uint64_t chain; /* hash of this and all before it */
};

struct store { /* what a disk holds, or a process believes that it will */
    uint64_t term;
    uint32_t vote;
    struct raft_snapshot snapshot;
    uint64_t snapshot_chain;
    uint64_t first; /* index of entries[0] */
    struct sim_entry *entries;
    size_t len, cap;
};

struct sim_read {
    uint64_t id, at_least;
};

struct node {
    uint32_t id;
    bool exists, alive, removed;
    struct raft *raft;
    struct store mem, disk;
    struct raft_persist writes[WRITES_MAX]; /* not yet on disk, oldest first; deep copies */
    unsigned writes_len;
    unsigned writing; /* so many are being written, as one transaction */
    uint64_t written_us;
    uint64_t offset_ms, rate; /* of its clock: parts in 1000 */
    uint64_t paused_until_us, disk_us, stalled_until_us, restart_us;
    /* its state */
    uint64_t applied, state;
    uint64_t making; /* a snapshot of this index is being made; 0: none */
    struct slice made;
    /* what was seen of it */
    struct raft_view view;
    uint64_t prevote_term, prevotes, votes;
    uint64_t leader_heard_ms, leader_heard_term;
    uint64_t closed_ms; /* when the leader's link was, and nothing was heard since; 0: no */
    uint64_t heard_ms[NODES_MAX]; /* answers to it as leader */
    uint64_t refused_at[NODES_MAX];
    uint64_t refusals[NODES_MAX]; /* of it by others, in one term */
    struct sim_read reads[64];
    unsigned reads_len;
};

struct delivery {
    uint64_t at_us, order;
    bool calm; /* sent after the faults, in answer to what was */
    const struct raft_message *message;
};

/* How likely: per seed. */
struct mix {
    unsigned voters, spares;
    unsigned loss, repetition;          /* in 1000 */
    unsigned delay_us, jitter_us, late; /* late: in 1000, by seconds */
    unsigned crash, cut, one_way, pause, stall, fail, change, transfer, snapshot, read, burst,
        zombie, close;
    unsigned disk_us;
    uint64_t fault_us;
    struct raft_conf conf;
    unsigned state_bytes;
};

struct seen { /* Log Matching: index and term determine all before */
    uint64_t index, term, chain;
    uint64_t seed;
};

struct tally {
#define X(name, text) uint64_t name;
#include "tests/sim/raft/tally.def"
#undef X
};

struct world {
    uint64_t seed, now_us, steps, order;
    struct prng prng;
    struct mix mix;
    struct node nodes[NODES_MAX]; /* [i].id is i + 1 */
    bool cut[NODES_MAX][NODES_MAX];
    uint64_t heal_us, chaos_us, ops_us;
    struct delivery *heap;
    size_t heap_len, heap_cap;
    bool answers;             /* to what was sent in the calm */
    bool calm;                /* the faults have ended */
    uint64_t mark, mark_term; /* an entry submitted since then */
    bool failed, verbose;
    char why[300];
    uint64_t commands; /* made so far */
    struct tally tally;
    /* what is agreed on, by index */
    uint64_t committed;
    uint64_t terms[INDEXES_MAX], chains[INDEXES_MAX], states[INDEXES_MAX];
    uint64_t committed_in[INDEXES_MAX]; /* term */
    uint16_t members_at[INDEXES_MAX];
    struct raft_membership members[1024];
    unsigned members_len;
    uint32_t leaders[TERMS_MAX];
    bool noops[TERMS_MAX];
    struct seen *seen;
    uint8_t *arena;
    size_t arena_len;
};

/* --- main.c --- */
void world_run(struct world *w);

/* --- chance --- */
static inline uint64_t below(struct world *w, uint64_t n)
{
    return prng_below(&w->prng, n);
}
static inline bool chance(struct world *w, unsigned in_1000)
{
    return below(w, 1000) < in_1000;
}

/* --- node.c: the process, its disk and links --- */
void *keep(struct world *w, const void *data, size_t len); /* until the seed's end */
void node_start(struct world *w, struct node *n);
void node_crash(struct world *w, struct node *n);
void node_step(struct world *w, struct node *n, struct raft_event *ev);
void node_disk(struct world *w, struct node *n);
void node_make_snapshot(struct world *w, struct node *n);
msec_t node_now(const struct world *w, const struct node *n);
uint64_t node_wake_us(const struct world *w, const struct node *n);
void deliver(struct world *w);

/* --- store.c --- */
bool store_chain(const struct store *s, uint64_t index, uint64_t *ret_chain);
uint64_t store_last(const struct store *s);
void store_apply(struct world *w, struct store *s, const struct raft_persist *p);
void store_copy(struct store *to, const struct store *from);
uint64_t mix64(uint64_t a, uint64_t b);
uint64_t hash_slice(uint64_t h, struct slice s);

/* --- judge.c --- */
void fail(struct world *w, const struct node *n, const char *fmt, ...) PRINTF_LIKE(3, 4);
void judge_before(struct world *w, struct node *n, const struct raft_event *ev);
void judge_update(struct world *w, struct node *n, const struct raft_update *u);
void judge_after(struct world *w, struct node *n, const struct raft_event *ev,
                 const struct raft_view *before);
struct slice state_bytes(struct world *w, const struct node *n);
void judge_restore(struct world *w, struct node *n, const struct raft_snapshot *s);
void judge_snapshot(struct world *w, struct node *n, const struct raft_snapshot *s);
const struct raft_membership *agreed_members(const struct world *w, uint64_t index);

/* --- chaos.c --- */
void mix_draw(struct world *w);
void chaos(struct world *w);
void operate(struct world *w);
void operate_calm(struct world *w);
void calm_down(struct world *w);
bool converged(struct world *w);

#endif
