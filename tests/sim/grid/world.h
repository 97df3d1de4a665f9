/* world.h - whole grids of 1 to 7 members in one process: virtual time, network, disks, clocks and
 * shards that do as little as the control plane needs of them. One seed, one history. */
#ifndef TESTS_SIM_GRID_WORLD_H
#define TESTS_SIM_GRID_WORLD_H

#include "tests/lib/simulator.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/prng.h"
#include "grid/member.h"
#include "grid/sabotage.h"
#include "tests/sim/grid/disk.h"

enum { NODES = 8, PARTITIONS = 16, TERMS = 4096, REVISIONS = 65536, BOOTS = 4096 };

/* --- messages that are on their way --- */

struct packet; /* a message and all it borrows */
struct packet *packet_new(const struct grid_message *msg);
const struct grid_message *packet_message(const struct packet *p);
void packet_free(struct packet *p);

/* --- nodes --- */

enum run { DOWN, RUNNING, PAUSED };

struct part { /* a partition as a shard of the node sees it */
    uint64_t epoch;
    struct replica_config config;
    msec_t wait;                  /* local time: serves from then on */
    bool stopped;                 /* for a hand-over */
    struct replica_member adding; /* counted from the moment of asking */
    msec_t good_at;               /* when all leases were held last */
    bool asking;                  /* a change is unanswered */
    uint64_t asking_ticket;
};

struct simnode {
    unsigned index;
    struct node_info info;
    char address[32];
    uint32_t expect;
    bool removed; /* by an operator, for ever */
    bool stays_down;
    uint32_t known; /* the highest level that it ever knew: its disk may have what needs it */
    bool broken;    /* it cannot read the log: it ends with the call */
    enum run run;
    uint64_t life; /* counts processes: events of earlier ones are void */
    msec_t started;
    struct simdisk disk;
    struct write *writes; /* in order */
    struct write **writes_end;
    uint64_t disk_free_at;
    struct grid_member *member;
    struct grid_identity told; /* of the newest write given */
    double rate;               /* of its clock */
    msec_t offset;
    msec_t wake;
    bool in;
    char why[WHY_BYTES];
    bool refused;
    /* its shards */
    struct grid_state *state; /* adopted */
    struct replica_member self;
    struct part parts[PARTITIONS];
    struct final {
        uint32_t boot; /* of a node that is down */
        msec_t until;
    } finals[NODES + 1];
    msec_t stop_at; /* a clean stop ends then; 0: none is under way */
    /* packets that came while it was paused */
    struct packet *held[512];
    unsigned held_from[512];
    size_t held_len;
};

/* --- the world --- */

enum event_kind {
    EVENT_ARRIVE,
    EVENT_WRITTEN,
    EVENT_WAKE,
    EVENT_ADOPT,
    EVENT_CLOSED,
    EVENT_FAULT,
    EVENT_ASK,
    EVENT_RESUME,
    EVENT_SHARD
};

struct event {
    struct heap_node heap;
    enum event_kind kind;
    unsigned node;
    uint64_t life;
    unsigned from;
    struct packet *packet;
    uint64_t job;
    struct grid_state *state;
    struct plan_ask ask;
};

struct ticket {
    bool open;
    bool cache; /* CACHE_CREATE of a name of its own */
    bool deploy;
    bool answered;
    enum grid_err err;
    uint64_t revision;
    unsigned node;
    uint32_t partition; /* of a change, + 1; 0: none */
    uint64_t epoch;
};

struct mix { /* what a seed has in store */
    unsigned nodes, expect;
    unsigned kill, power, pause, cut, oneway, ask, drain, remove, clean, join; /* per 10,000 */
    unsigned loss;                                                             /* per 1,000 */
    msec_t delay_max, disk_max;
    bool skew, reorder;
    unsigned old; /* per 10,000: a node that starts is of an older version */
    bool spare;   /* one more candidate than expected, in place of one that is down */
    msec_t length;
};

struct world {
    uint64_t seed;
    struct prng prng;
    struct mix mix;
    msec_t now; /* true time */
    struct heap events;
    uint64_t order; /* ties */
    struct simnode nodes[NODES];
    unsigned nodes_len;
    bool cut[NODES][NODES];
    msec_t in_order[NODES][NODES];
    bool quiet; /* no faults any more */
    struct ticket *tickets;
    size_t tickets_len, tickets_cap;
    /* what the checkers remember */
    bool founded;
    uint8_t grid_id[GRID_ID_BYTES];
    uint8_t leader_of[TERMS]; /* node + 1 */
    uint64_t digest[REVISIONS];
    uint32_t gone[NODES + 1]; /* by number: the highest boot known to be over */
    uint64_t gone_revision[NODES + 1];
    uint64_t newest; /* revision */
    uint32_t level;  /* of the grid, then */
    bool trace;
    void (*on_gone)(struct world *w, uint32_t number); /* for stories */
    msec_t mark;
    char *fault; /* what broke; NULL: nothing */
};

struct tally {
#define X(name, text) uint64_t name;
#include "tests/sim/grid/tally.def"
#undef X
};

extern struct tally tally;

/* world.c */
void world_init(struct world *w, uint64_t seed);
void world_release(struct world *w);
void world_run(struct world *w, msec_t until);
void world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct event *event_at(struct world *w, msec_t at, enum event_kind kind, unsigned node);
uint64_t below(struct world *w, uint64_t n);
bool chance(struct world *w, unsigned per_10000);
void trace(const struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* node.c */
void node_make(struct world *w, unsigned index, uint32_t expect);
void node_start(struct world *w, struct simnode *n);
void node_stop(struct world *w, struct simnode *n, bool power);
void node_pause(struct world *w, struct simnode *n, msec_t for_ms);
void node_resume(struct world *w, struct simnode *n);
void node_wake(struct world *w, struct simnode *n);
void node_arrive(struct world *w, struct simnode *n, unsigned from, struct packet *p);
void node_written(struct world *w, struct simnode *n, uint64_t job);
void node_closed(struct world *w, struct simnode *n, unsigned other);
msec_t node_clock(const struct world *w, const struct simnode *n);
struct grid_codec sim_codec(struct simnode *n);
void codec_forget(void);
uint64_t ticket_new(struct world *w, struct simnode *n);

/* shards.c */
void shards_adopt(struct world *w, struct simnode *n, struct grid_state *s);
void shards_tick(struct world *w, struct simnode *n);
void shards_ask(struct world *w, struct simnode *n, const struct plan_ask *ask);
void shards_done(struct world *w, struct simnode *n, struct ticket *t, const struct grid_done *d);
void shards_gone(struct world *w, struct simnode *n);
void shards_reset(struct world *w, struct simnode *n);
bool shards_serve(const struct world *w, const struct simnode *n, unsigned partition);

/* check.c */
void check_published(struct world *w, struct simnode *n, const struct grid_state *s);
void check_leaders(struct world *w, struct simnode *n);
void check_reads(struct world *w);
void check_grants(struct world *w, struct simnode *n);
/* `n` cannot read the log. */
void check_broken(struct world *w, struct simnode *n, const char *why);
void check_identity(struct world *w, struct simnode *n);
bool world_converged(struct world *w, const char **ret_why);

/* faults.c */
void faults_draw(struct world *w);
/* Of a module: it needs a higher level than the first. */
struct grid_command deploy_command(void);
void faults_step(struct world *w);
void faults_end(struct world *w);
/* Whom the newest state calls removed stays away: what they are told is looked at in stories. */
void faults_see_removed(struct world *w);

/* story.c */
bool story_at(size_t at, struct simulator_story *ret_story);
/* NULL: it ends well; else what broke, to be freed. */
char *story_run(const char *name, uint64_t seed, bool tracing);
/* How long deaths and elections take; how much happens at rest. How many are not as they should. */
unsigned times_measure(void);
unsigned idle_measure(void);
#endif
