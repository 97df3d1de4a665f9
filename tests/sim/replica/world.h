/* world.h - one partition on some nodes: their replicas and shards, disks, links and clocks, the
 * control plane, clients, and a judge who sees all of it. One seed is one history: what happens,
 * and how likely each kind of it is, is drawn from it. Times are in us of the world's clock; a
 * node's own clock is in ms, and of its own speed. */
#ifndef GRIDD_TESTS_SIM_REPLICA_WORLD_H
#define GRIDD_TESTS_SIM_REPLICA_WORLD_H

#include "base/prng.h"
#include "replica/sabotage.h"
#include "tests/sim/replica/node.h"

/* --- what is under way ------------------------------------------------------------------------ */

enum event_kind {
    EVENT_PACKET,
    EVENT_DISK,
    EVENT_TICK,
    EVENT_BEAT,
    EVENT_CLIENT,
    EVENT_REQUEST,
    EVENT_READ, /* the second half of one */
    EVENT_REPLY,
    EVENT_STATE,
    EVENT_PROPOSAL,
    EVENT_ANSWER,
    EVENT_ENTER,
    EVENT_HEARTBEAT,
    EVENT_PLAN,
    EVENT_HAND_OVER,
    EVENT_START,
    EVENT_LINK,
    EVENT_COPY,
    EVENT_CHAOS,
    EVENT_HEAL,
};

enum packet_kind { PACKET_REPLICA, PACKET_PIECE, PACKET_MEND_ASK, PACKET_MEND, PACKET_BEACON };

struct packet {
    enum packet_kind kind;
    uint32_t link; /* life of the link that it is in */
    struct replica_message m;
    struct sim_record *records; /* of RECORDS; COPY, MEND: the log, or its end */
    size_t records_len;
    unsigned piece;
    uint32_t keys, sessions; /* MEND: which */
    struct content content;  /* PIECE, MEND */
    msec_t sent, echo;       /* BEACON */
    struct replica_member to;
    uint64_t revision;
};

struct proposal {
    enum replica_ask what;
    struct part_change change;
};

struct event {
    usec_t at;
    uint64_t order;
    enum event_kind kind;
    uint32_t from, to; /* nodes, or client; 0: the control plane */
    uint32_t process;  /* of `to`; 0: any */
    uint64_t a, b;
    void *data; /* struct packet, grid_state, proposal, request, reply */
};

/* --- clients ---------------------------------------------------------------------------------- */

struct client {
    uint8_t kind, key;
    uint64_t ticket; /* of the request under way; answers to others are late */
    uint32_t number;
    int64_t value;
    usec_t invoked, deadline, retry_at;
    bool busy;
    bool local;         /* any copy may answer */
    uint64_t floor;     /* version of the key that was told to somebody before */
    uint64_t floor_all; /* of any key */
    uint64_t era;
    uint64_t done; /* since the faults ended */
};

/* --- the judge -------------------------------------------------------------------------------- */

struct judge {
    struct sim_record *truth; /* all that was committed, by seq - 1 */
    uint64_t len;
    struct content content; /* after it */
    uint64_t floor[KEYS];   /* newest version told */
    struct {                /* ... and how it grew, the last times */
        usec_t at;
        uint64_t version;
    } past[KEYS][PAST];
    unsigned past_len[KEYS]; /* how often it has */
    uint64_t floor_all;
    uint32_t numbers[CLIENTS_MAX];
    uint64_t era;  /* grows with each loss that is allowed */
    uint64_t born; /* epochs before are void */
    uint64_t loss; /* who commits in this epoch or a later one has what is left; 0: no loss */
};

/* --- the world -------------------------------------------------------------------------------- */

struct mix { /* what this seed is like; chances are in 1000 for each step of chaos */
    unsigned nodes, copies, min_in_sync, clients;
    enum durability durability;
    usec_t fault_us, chaos_us, delay_us, think_us, disk_us;
    usec_t attempt_us; /* after so long a client asks again; 0: as usual */
    unsigned crash, power, pause, suspect, cut, cut_control, outage, hand_over, move, slow, trim,
        damage;
    unsigned loss, repeat, late, lost_answer, late_proposal; /* of a message */
    bool mute;                                               /* clients get no answers */
    unsigned rate; /* clocks differ by so many parts in 1000 */
};

struct tally {
#define X(name, text) uint64_t name;
#include "tests/sim/replica/tally.def"
#undef X
};

struct control {
    struct grid_state *state;
    uint32_t context;
    usec_t down_until;
    bool returned; /* who leads was alone, and started anew */
    usec_t heard[NODES_MAX + 1];
    struct {
        struct replica_member member;
        uint64_t version; /* of its last record, + 1; 0: it does not wait */
    } reports[NODES_MAX + 1];
};

struct world {
    uint64_t seed;
    struct prng prng;
    struct mix mix;
    struct tally tally;
    usec_t now;
    uint64_t order, tickets;
    struct event *heap;
    size_t heap_len, heap_cap;
    struct node nodes[NODES_MAX + 1];       /* by number */
    bool cut[NODES_MAX + 1][NODES_MAX + 1]; /* from, to; 0 is the control plane */
    uint32_t link[NODES_MAX + 1][NODES_MAX + 1];
    usec_t last_at[NODES_MAX + 1][NODES_MAX + 1];
    struct control control;
    struct client clients[CLIENTS_MAX];
    struct judge judge;
    const struct story *story; /* NULL: a mix */
    unsigned deed;             /* of it, the next */
    uint32_t first_paused;
    unsigned given_up; /* requests, reads too */
    bool calm;         /* the faults are over */
    bool silent;       /* clients ask nothing new */
    usec_t calm_at;
    bool failed, trace;
    char why[200];
};

void world_run(struct world *w);
void world_fail(struct world *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
uint64_t below(struct world *w, uint64_t n);
bool chance(struct world *w, unsigned in_1000);
struct event *world_post(struct world *w, usec_t at, enum event_kind kind, uint32_t to);
/* To a node that runs now; lost when it does not any more. */
struct event *world_post_to(struct world *w, usec_t delay, enum event_kind kind, uint32_t to);
void world_send(struct world *w, uint32_t from, uint32_t to, struct packet *p);
/* It is not paused any more: what its links have comes at once, in order. */
void world_wake(struct world *w, struct node *n);
void world_link_reset(struct world *w, uint32_t a, uint32_t b);
usec_t world_delay(struct world *w);

/* control.c */
void control_init(struct world *w);
void control_release(struct world *w);
void control_proposal(struct world *w, struct event *e);
void control_enter(struct world *w, const struct event *e);
void control_heartbeat(struct world *w, const struct event *e);
void control_plan(struct world *w);
void control_gone(struct world *w, const struct replica_member *list, size_t len);
bool control_config(const struct world *w, struct replica_config *ret_config);
struct replica_member control_member(const struct world *w, uint32_t number);
void control_part(struct world *w, enum part_change_kind kind, struct replica_member member);

/* client.c */
void client_init(struct world *w, unsigned i);
/* `again`: what was refused is tried again, nothing else. */
void client_step(struct world *w, unsigned i, bool again);
void client_reply(struct world *w, const struct event *e);

/* chaos.c */
void mix_draw(struct world *w);
void chaos_step(struct world *w);
/* For so long, or at most so long. */
void chaos_crash(struct world *w, struct node *n, usec_t down);
void chaos_cut(struct world *w, uint32_t from, uint32_t to, usec_t us);
void chaos_heal(struct world *w, const struct event *e);
void chaos_damage(struct world *w, uint32_t node);
void chaos_end(struct world *w);

/* judge.c */
void judge_init(struct world *w);
void judge_release(struct world *w);
/* A replica calls these records committed now. */
void judge_committed(struct node *n);
/* Version of the key that a local read that begins now may not be older than. */
uint64_t judge_floor_local(const struct world *w, uint8_t key);
void judge_told(struct world *w, const struct client *c, const struct reply *r);
/* R10: nobody leads an unled partition who knows less than another that was in sync. */
/* Whether it has all that was ever committed. */
bool judge_has_all(const struct world *w, uint32_t node);
void judge_led(struct world *w, const struct replica_config *unled, struct replica_member leads);
/* All is void before epoch `born`; or, 0: what the primary of `epoch` has is what is left. */
void judge_loss(struct world *w, uint64_t born, uint64_t epoch);
bool judge_converged(struct world *w, const char **ret_why);

#endif
