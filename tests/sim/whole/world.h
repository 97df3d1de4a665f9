/* world.h - whole grids of 1 to 7 nodes in one process: real members of the control plane, real
 * shards, joined as server/node does; virtual time, network, disks, clocks and clients. One seed,
 * one history. */
#ifndef TESTS_SIM_WHOLE_WORLD_H
#define TESTS_SIM_WHOLE_WORLD_H

#include "base/heap.h"
#include "base/list.h"
#include "base/prng.h"
#include "tests/sim/whole/clients.h"

#define RATE_MIN 0.9 /* of a clock */
#define WALL UINT64_C(1700000000000)
enum { ARENA_BYTES = 64 << 20 }; /* for what a node is told */

/* --- the world -------------------------------------------------------------------------------- */

enum event_kind {
    EVENT_PIPE,
    EVENT_DOWN, /* of a link, as one end hears of it */
    EVENT_WRITTEN,
    EVENT_WAKE,
    EVENT_NEWS,
    EVENT_HAND,
    EVENT_AGAIN,
    EVENT_ASKED,
    EVENT_ANSWERED,
    EVENT_TELL,
    EVENT_TURN,
    EVENT_TICK,
    EVENT_SYNCED,
    EVENT_READ,
    EVENT_OP,
    EVENT_OWN,
    EVENT_ROUTE,
    EVENT_MAP,
    EVENT_FIBER, /* machine.h */
    EVENT_TIMER,
    EVENT_NOTE,
    EVENT_INSIDE,
    EVENT_SAID,
    EVENT_GREET,
    EVENT_REPLY,
    EVENT_TOLD,
    EVENT_CLIENTS,
    EVENT_NET,
    EVENT_FAULT,
    EVENT_CHECK
};

struct told {
    enum grid_err err;
    uint64_t version;
    int64_t number;
    int64_t value; /* GET */
};

struct event {
    struct heap_node heap;
    enum event_kind kind;
    unsigned node, actor;
    uint64_t life; /* 0: of no process */
    struct simlink *link;
    unsigned side, class, client;
    uint64_t number;
    enum grid_err err;
    struct grid_state *state;
    struct replica_member self;
    struct op *op;
    void *what;
    bool is_report, astray;
    union {
        struct plan_ask ask;
        struct part_change change;
        struct plan_report report;
        struct plan_progress progress;
        struct told reply;
        struct client sent;
    };
};

struct mix { /* what a seed has in store; chances per 10,000 each 10 ms */
    unsigned nodes, expect, shards, later;
    unsigned kill, power, all, pause, stall, drop, cut, oneway, slow, full, wipe, drain, remove,
        leave, cache;
    msec_t delay_max, disk_max, pause_max;
    unsigned clog;
    bool skew, local; /* local: some reads are */
    unsigned crowd;   /* of messages of routers: there is no memory for one */
    bool damage;      /* copies turn bad when all is calm */
    unsigned bad;     /* and before */
    msec_t length, pace, hold;
    unsigned clients;
};

struct world {
    uint64_t seed;
    struct prng prng;
    struct mix mix;
    msec_t now; /* true time */
    struct heap events;
    uint64_t order;
    struct simnode nodes[NODES];
    unsigned nodes_len;
    struct simlink links[NODES][NODES][ACTORS][ACTORS]; /* lower node first */
    bool cut[NODES][NODES];
    bool calm;                /* no faults any more */
    msec_t calm_at, whole_at; /* all was well, for the first time since */
    bool quiet;               /* clients end what they began */
    struct simcontext contexts[CONTEXTS];
    unsigned contexts_len;
    struct client clients[CLIENTS];
    struct follower followers[CLIENTS];
    struct train trains[TRAINS]; /* by number */
    uint64_t trains_len;
    struct simmap *map;
    struct list map_parts;
    struct prng map_prng; /* its own: stories without maps are as they were */
    uint64_t map_attempts;
    struct simwork *work; /* jobs, services; NULL: none in this seed */
    uint64_t work_numbers;
    uint64_t attempts;
    uint8_t *answered; /* by attempt */
    size_t answered_len;
    int64_t values;
    uint64_t caches;
    struct history *history;
    bool founded;
    uint8_t grid_id[GRID_ID_BYTES];
    uint64_t digest[REVISIONS];
    struct grid_state *newest;
    uint64_t rows[CONTEXTS][PARTITIONS]; /* epochs seen, to grow only */
    bool trace;
    char *fault;
};

struct tally {
#define X(name, text) uint64_t name;
#include "tests/sim/whole/tally.def"
#undef X
};
extern struct tally tally;

/* world.c */
void world_init(struct world *w, uint64_t seed);
void world_release(struct world *w);
void world_run(struct world *w, msec_t until);
void world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
void trace(const struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Of a thread of a process: void when that is over, put off while it is stalled. */
struct event *event_at(struct world *w, msec_t at, enum event_kind kind, unsigned node,
                       unsigned actor);
struct event *event_free_at(struct world *w, msec_t at, enum event_kind kind);
uint64_t below(struct world *w, uint64_t n);
bool chance(struct world *w, unsigned per_10000);

/* net.c */
void net_init(struct world *w);
void net_release(struct world *w);
/* NULL: that end takes the link for down. */
struct simlink *net_link(struct world *w, unsigned from, unsigned actor, unsigned to,
                         unsigned to_actor, unsigned *ret_side);
void net_send(struct world *w, struct simlink *l, unsigned side, unsigned class, struct buf *bytes);
void net_arrive(struct world *w, struct event *e);
void net_again(struct world *w, struct event *e); /* it was for a process that is over */
void net_down(struct world *w, struct event *e);
void net_drop(struct world *w, struct simlink *l);
void net_closed(struct world *w, unsigned node, bool told); /* a process ended */
void net_step(struct world *w);

/* node.c */
void node_make(struct world *w, unsigned index, uint32_t expect);
void simnode_start(struct simnode *n);
/* Its disk is lost: it is a new node, with the name it had. It must not run. */
void node_wipe(struct simnode *n);
/* What it knows of contexts goes to its disk, if there is room. */
void node_store(struct simnode *n);
void simnode_stop(struct simnode *n, bool power);
void node_stall(struct simnode *n, unsigned actor, msec_t for_ms); /* ACTORS: all of it */
void node_leave(struct simnode *n);
void node_leaving(struct simnode *n);
msec_t node_mono(const struct simnode *n);
msec_t node_wall(const struct simnode *n);
msec_t node_true(const struct simnode *n, msec_t local);
bool node_stalled(const struct simnode *n, unsigned actor);
void node_step(struct simnode *n);
void node_message(struct simnode *n, unsigned from, struct slice bytes);
void node_event(struct simnode *n, struct event *e);
bool node_propose(struct simnode *n, const struct grid_command *c);

/* shards.c */
void shard_start(struct simshard *h);
void shard_stop(struct simshard *h, bool power);
void shard_message_in(struct simshard *h, struct end *end, struct slice bytes);
void shard_event(struct simshard *h, struct event *e);
void shard_news(struct simshard *h, struct grid_state *state, struct replica_member self);
void shard_link(struct simshard *h, struct end *end, unsigned other, bool up);
bool shard_drained(struct simshard *h, bool late);
void shard_dirty(struct simshard *h);
void shard_damage(struct simshard *h, uint32_t context, uint32_t partition);
void shards_reply(void *shard, const struct ticket *to, const struct result *res);

/* routes.c */
void route_start(struct simshard *h);
void route_stop(struct simshard *h);
void route_link(struct simshard *h, struct end *end, unsigned other, bool up);
void route_message(struct simshard *h, struct end *end, struct slice body);
void route_news(struct simshard *h);
void route_submit(struct simshard *h, const struct op *op);
struct op *route_keep(const struct op *op); /* a copy of all; free() it */
void route_reroute(void *shard, const struct op *op);
void route_ops(struct simshard *h, msec_t wall);
void route_turn(struct simshard *h);
void route_tick(struct simshard *h);
void route_show(const struct simshard *h);

/* check.c */
void check_published(struct simnode *n, const struct grid_state *s);
void check_now(struct world *w);
/* NULL: it is not there. */
const struct partition *part_of(const struct simnode *n, uint32_t id, uint32_t partition);
/* The node with that number in the newest state, or NULL. */
struct simnode *node_of(struct world *w, uint32_t number);
bool world_converged(struct world *w, const char **ret_why);
void check_equal(struct world *w);
void check_history(struct world *w);
void world_show(struct world *w);

/* faults.c */
void faults_draw(struct world *w);
void faults_step(struct world *w);
void faults_end(struct world *w);
bool faults_take_one(struct world *w);
#endif
