/* member.h - the control plane of one node: finds or founds the grid, keeps its log when it is a
 * voter, follows when it is none, leads when it is elected. Pure; driven by the control thread.
 *
 *   SEEKING --(all N candidates promised)--> founds ----+
 *      |                                                 v
 *      +--(WELCOME of a grid)--> ENTERING --(its boot is in the state)--> IN
 *                                   ^                                      |
 *                                   +------ new boot id <--(boot gone)-----+
 *   REFUSED: removed, or of another grid: for people to see to.
 *
 * What happens comes in by the calls below, with the time (clock_mono_ms) as an argument, read when
 * the message is there (a grant counts from then); what the member wants goes out by its ports,
 * which only enqueue. After a burst of calls, and at grid_member_next(), the shell calls
 * grid_member_step().
 *
 * R7 lives in leases.h. C1: the member sends what depends on the disk after persisted() alone.
 * Invariant (grid_member_check): states are published in the order of their revisions. */
#ifndef GRIDD_GRID_MEMBER_H
#define GRIDD_GRID_MEMBER_H

#include "base/buf.h"
#include "base/prng.h"
#include "grid/leases.h"
#include "grid/message.h"

enum {
    GRID_TICKET_NONE = 0, /* the member's own: done() may be called with it, for nobody */
    GRID_BEAT_MS = 100,
    GRID_PEERS_MAX = 64,          /* addresses of the conf */
    GRID_PROPOSALS_MAX = 1 << 16, /* of this node, waiting for an outcome */
};

struct grid_member; /* opaque */

/* What a node must not forget, beside raft's own. Kept in the same store, written in order. */
struct grid_identity {
    uint8_t grid_id[GRID_ID_BYTES]; /* zeros: none yet. Once set, for ever */
    uint32_t number;                /* 0: none yet. Once set, for ever */
    uint8_t founder[GRID_ID_BYTES]; /* promised to it; zeros: to nobody */
};

/* To be on disk, as a whole and in the order given, before persisted() is called. */
struct grid_persist {
    uint64_t job;                         /* 1, 2, ... */
    const struct grid_identity *identity; /* NULL: as it was */
    const struct raft_persist *raft;      /* NULL: as it was */
};

/* Where a message goes: the link to the node `id`, whoever dialled it; where there is none, or id
 * is zeros, dial `address` (HOST:PORT; empty: drop it). */
struct grid_to {
    uint8_t id[GRID_ID_BYTES];
    const char *address;
};

enum grid_phase { GRID_SEEKING, GRID_ENTERING, GRID_IN, GRID_REFUSED };

enum grid_notice_kind {
    GRID_NOTICE_FOUNDED, /* this node has founded the grid */
    GRID_NOTICE_IN,      /* `member` is in the published state */
    GRID_NOTICE_GONE,    /* `member` is over: all replicas drop out. It enters again by itself */
    GRID_NOTICE_REFUSED, /* `why`; it goes on asking, seldom */
    GRID_NOTICE_LEADER,  /* `leader` (0: nobody known) in `term`. Said again: reports of progress
                            and of unled partitions that are still true */
    GRID_NOTICE_BROKEN,  /* `why`: the log cannot be read by this version; end the node */
};

struct grid_notice {
    enum grid_notice_kind kind;
    struct replica_member member;
    const char *why;
    uint32_t leader;
    uint64_t term;
};

/* What became of a proposal; once for each ticket. GRID_EIN_DOUBT: no answer in time; GRID_ECLOSED:
 * the member was stopped. `parts` of a PARTS: as grid_outcome's part_err. */
struct grid_done {
    uint64_t ticket;
    uint64_t revision; /* of the state that shows it, when err is GRID_OK */
    enum grid_err err;
    const char *why;
    struct replica_member member; /* ENTER, ALTER */
    const uint8_t *part_err;
    size_t parts_len;
};

/* All only enqueue and never call back. What they are given is borrowed for the call: persist, too,
 * copies what it keeps. */
struct grid_ports {
    void *ctx;
    void (*send)(void *ctx, const struct grid_to *to, const struct grid_message *msg);
    void (*persist)(void *ctx, const struct grid_persist *p);
    /* Once the node's number is on disk; grid_state_ref() to keep it. */
    void (*publish)(void *ctx, struct grid_state *state);
    void (*done)(void *ctx, const struct grid_done *done);
    void (*ask)(void *ctx, const struct plan_ask *ask); /* for the shard that leads it (R12) */
    void (*notice)(void *ctx, const struct grid_notice *notice);
};

/* Encoding lives above this room: server/wire/control.h, given by the shell. */
struct control_tail;
struct grid_codec {
    void *ctx;
    /* At most CONTROL_COMMAND_BYTES_MAX. */
    void (*command_encode)(void *ctx, const struct grid_command *c, struct buf *out);
    /* What the command borrows lives until the next decode or apply. */
    enum grid_err (*command_decode)(void *ctx, struct slice in, struct grid_command *ret_command);
    void (*command_release)(void *ctx, struct grid_command *c);
    void (*state_encode)(void *ctx, const struct grid_state *s, struct buf *out);
    enum grid_err (*state_decode)(void *ctx, struct slice in, struct grid_state **ret_state);
    struct control_tail *(*tail_new)(size_t bytes_max);
    void (*tail_free)(struct control_tail *t);
    void (*tail_add)(struct control_tail *t, uint64_t revision, struct slice command);
    bool (*tail_delta)(const struct control_tail *t, uint64_t have, size_t bytes_max,
                       uint64_t *ret_revision, struct buf *out);
    enum grid_err (*delta_apply)(void *ctx, struct grid_state *working, struct slice delta);
};

struct grid_member_conf {
    const char *grid;               /* name */
    const struct node_info *info;   /* of this start: boot_id is fresh */
    const char *const *peers;       /* HOST:PORT of others, of this node too */
    size_t peers_len;               /* at most GRID_PEERS_MAX */
    uint32_t bootstrap_expect;      /* 0: joins only; 1: a grid of its own */
    struct grid_identity identity;  /* from disk */
    const struct raft_stored *raft; /* from disk; NULL: nothing there */
    const struct catalog *adopt;    /* of a data directory without a grid; NULL: none. Not together
                                      with bootstrap_expect > 1 on more than one node */
    uint32_t adopt_epoch;
    bool has_data; /* `adopt` is of what is stored here: it becomes a grid, and never joins one */
    /* Revision of the catalog that the shards were recovered with. Of the grid that the node is in
     * (identity.number), nothing older is published: a voter that starts has states of before, by
     * which what was made since would be dropped. */
    uint64_t catalog_known;
    uint64_t seed[2]; /* random, of this start */
};

/* Copies what it is given. What it wants goes out with the first step(). */
struct grid_member *grid_member_new(const struct grid_member_conf *conf, const struct grid_ports *p,
                                    const struct grid_codec *codec, msec_t now, msec_t wall);
void grid_member_free(struct grid_member *m); /* NULL is fine */

/* Timers, and what the calls since put together. `wall`: unix ms, for what people read. */
void grid_member_step(struct grid_member *m, msec_t now, msec_t wall);
/* When step() is due, if nothing happens before. Now or the past: at once. */
msec_t grid_member_next(const struct grid_member *m);

/* A message came in; `address` is where its sender can be dialled, if the link knows (or ""). */
void grid_member_receive(struct grid_member *m, msec_t now, const struct grid_message *msg,
                         const char *address);
/* Job number `job`, and all before it, are on disk. */
void grid_member_persisted(struct grid_member *m, msec_t now, uint64_t job);
/* A link was closed, or could not be made: a hint. */
void grid_member_closed(struct grid_member *m, msec_t now, const uint8_t *id);
/* The addresses that `peers` stand for are these now (DNS), or this node's own are. */
void grid_member_peers(struct grid_member *m, const char *const *peers, size_t len);
void grid_member_alter(struct grid_member *m, const struct node_info *info);

/* Propose; the outcome comes by done() with this ticket. `deadline` (as now): give up with
 * GRID_EIN_DOUBT. session, number and now of the command are the member's to fill in. Where it
 * needs a higher level than the grid's, the outcome is GRID_EUNSUPPORTED. GRID_EBUSY: too many
 * wait. */
MUST_USE
enum grid_err grid_member_propose(struct grid_member *m, const struct grid_command *c,
                                  msec_t deadline, uint64_t ticket);
/* The same for one partition; all until the next step() travel together. */
MUST_USE
enum grid_err grid_member_change(struct grid_member *m, const struct part_change *change,
                                 msec_t deadline, uint64_t ticket);
/* For the leader's planner. The latest of each is kept and said again while it is of use. */
void grid_member_progress(struct grid_member *m, const struct plan_progress *p);
void grid_member_report(struct grid_member *m, const struct plan_report *r);

/* Clean stop, in this order: step_down: hand leadership to another voter, if this node leads; once
 * may_drain() says that asks are answered soon, the shell drains; released: no shard answers a read
 * any more, so leases are given back; leave: the grid is told that this boot is over. Then free. */
void grid_member_step_down(struct grid_member *m, msec_t now);
bool grid_member_may_drain(const struct grid_member *m);
void grid_member_released(struct grid_member *m, msec_t now);
MUST_USE
enum grid_err grid_member_leave(struct grid_member *m, msec_t deadline, uint64_t ticket);

/* --- to look at ---------------------------------------------------------------------------- */
/* The newest state published; revision 0 before there is one. Borrowed until the next call. */
struct grid_state *grid_member_state(const struct grid_member *m);
/* Shared with the shards; lives until free. */
struct grid_leases *grid_member_leases(const struct grid_member *m);

struct grid_member_status {
    enum grid_phase phase;
    struct replica_member self; /* {0, 0}: not entered */
    bool leads;                 /* the log */
    bool voter;
    uint32_t leader; /* 0: not known */
    uint64_t term;
    uint64_t index;      /* of the log: applied here */
    char why[WHY_BYTES]; /* what it waits for; empty when it is IN and all is well */
    bool for_good; /* it is not let in, and that does not pass by itself: removed, too old, ... */
    uint32_t suspects[GRID_QUIET_MAX]; /* nodes up in the state and not heard of for long */
    size_t suspects_len;
    bool settled;       /* of the leader: nothing is under way */
    uint32_t misplaced; /* of the leader: partitions that are not yet where they should be */
};
void grid_member_status(const struct grid_member *m, msec_t now,
                        struct grid_member_status *ret_status);
/* Others may know more: this life is over, or neither the leader was heard lately nor most of the
 * nodes that are up. Clients are better off elsewhere. */
bool grid_member_astray(const struct grid_member *m, msec_t now);
/* The highest feature level that a node of the published state knows, as far as is known here. */
uint32_t grid_member_level(const struct grid_member *m, const struct grid_node *n);
void grid_member_check(const struct grid_member *m);

#endif
