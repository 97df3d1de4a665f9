/* router.h - operations of one thread that another node has to do: asked there, asked again, and
 * answered as if they had been done here. Pure; used by the thread alone that owns the partitions
 * (index % shards), on behalf of all sessions of the node.
 *
 *   session --op--> own shard --answer--> session             the node leads the partition
 *                       | handed back: another node's
 *                       v
 *                    router --ASK--> the leader's router --op--> its shard
 *                       ^ <--ANSWER-- or the link broke,           |
 *                       |   another leads, or NOT_PRIMARY <--------+
 *                       +- held until somebody leads, then asked again
 *
 * Of a partition, operations stay in the order in which they came: while one is held, later ones
 * wait behind it. Those that are under way when one is refused are refused as well, though the
 * leader might take them by then: each ASK carries the round it was sent in, and a leader takes
 * none of a round in which it refused one of that partition. The next round begins when all are
 * back. Each asking has a number of its own: an answer that an older one gets, by a leader that is
 * slow and leads again, is passed over.
 *
 * What is asked again is not done behind what its connection asked later of that key and was done
 * meanwhile, or may have been: an earlier answer, such as FULL, may have been lost with its link.
 * A read is refused then: NOT_PRIMARY. A write says which write may have overtaken it (op.later);
 * who leads looks whether one did, and leaves it in doubt.
 *
 * R13: a write without a session of its own gets the router's, so it may be asked any number of
 * times. When nobody has answered after `hold_ms`: IN_DOUBT when it may have been done, NOT_PRIMARY
 * when it was not. Who asks again by himself is not held while the partition waits for a node that
 * is down. One that was asked for in vain may be done later: who refuses it then without having
 * looked whether it was done (FEW_COPIES, FULL, BUSY, ...) leaves it in doubt.
 *
 * Errands (errand.h) of sessions that are for the whole grid are taken to the other nodes, too.
 * Invariant (router_check): see there. */
#ifndef GRIDD_SESSION_ROUTER_H
#define GRIDD_SESSION_ROUTER_H

#include "control/state.h"
#include "session/errand.h"
#include "shard/op.h"
#include "wire/arena.h"

struct router;      /* opaque */
struct router_link; /* opaque: the way to one shard of one node */
struct session;

/* What a router wants done. None of these calls back into it. */
struct router_ports {
    void *ctx;
    /* Do `op` at the shard of this thread: copied. It is `direct`; answered by session_result(). */
    void (*local)(void *ctx, const struct op *op);
    /* The same: borrowed, and yours to write to, until the arena of the turn is reset. */
    void (*submit)(void *ctx, struct op *op);
    /* session_result() on the thread of `to`. */
    void (*reply)(void *ctx, const struct ticket *to, const struct result *res);
    /* Give a message of wire/forward.h to the link; copied. When it is down: dropped. */
    void (*send)(void *ctx, void *link, struct slice message);
    /* As session_ports.everywhere, on the threads of this node only. */
    void (*everywhere)(void *ctx, const struct ticket *to, const struct errand *errand);
};

enum { ROUTER_HOLD_MS = 10000, ROUTER_ERRAND_MS = 1000, ROUTER_MESSAGE_MAX = 63 << 20 };

struct router_conf {
    uint32_t thread;           /* of its tickets */
    struct session_id session; /* random: of what it asks for others (R13) */
    size_t bytes_max;          /* of operations under way; more are answered BUSY */
    msec_t hold_ms;            /* 0: ROUTER_HOLD_MS */
};

struct router *router_new(const struct router_conf *conf, const struct router_ports *ports);
void router_free(struct router *r); /* NULL is fine; what waits is forgotten */

/* `now`, here and below: ms of any clock that only grows. */

/* What the grid agreed on, and which member this node is. Borrowed until the next call. Ops that
 * were submitted before are to be done before. */
void router_set_grid(struct router *r, const struct grid_state *state, struct replica_member self,
                     msec_t now);

/* An op for the shard of this thread, those of ports.local among them. True: it has to wait behind
 * others of its partition and was copied, or answered. False: the shard's. */
bool router_takes(struct router *r, const struct op *op, msec_t now);
/* The shard handed it back (shard_ports.reroute). */
void router_take(struct router *r, const struct op *op, msec_t now);

/* A link is up, to `shard` of the node with that id; `link` is for ports.send. */
struct router_link *router_up(struct router *r, const uint8_t node_id[GRID_ID_BYTES],
                              uint32_t shard, void *link, msec_t now);
/* ... and down: what is asked by it is asked again. The handle is gone. */
void router_down(struct router *r, struct router_link *l, msec_t now);
/* A message came. It and the arena stay until the ops of the turn are done. False: it makes no
 * sense. */
MUST_USE
bool router_message(struct router *r, struct router_link *l, struct slice message,
                    struct arena *arena, msec_t now);

/* Run `errand`, whose kind is not 0, on all threads of all nodes that can be reached, or of the one
 * that it is for (another than this); answered as session_ports.everywhere says. */
void router_errand(struct router *r, const struct ticket *to, const struct errand *errand,
                   msec_t now);

/* Do what is due. Returns the ms until it wants to be called again; UINT64_MAX: not by itself. */
msec_t router_tick(struct router *r, msec_t now);

/* Something waits that router_tick() has to look after. */
bool router_busy(const struct router *r);

struct router_stats {
    uint64_t asked, again, served, in_doubt; /* sent; of them again; for others; given up */
    size_t waiting, bytes;                   /* now */
};
void router_stats(const struct router *r, struct router_stats *ret_stats);
void router_check(const struct router *r);

/* session.c: the answer to one of its own tickets. */
struct router_waiter;
void router_result(struct router_waiter *w, const struct ticket *to, const struct result *res);

#endif
