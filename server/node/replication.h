/* replication.h - what a shard's thread has to do with other nodes: its links, what its shard says
 * by them, and what the grid tells. The picture is in membership.h. A node without peers has none
 * of it (worker.replication NULL). */
#ifndef GRIDD_NODE_REPLICATION_H
#define GRIDD_NODE_REPLICATION_H

#include "grid/leases.h"
#include "node/node_priv.h"
#include "node/peers.h"

struct replication; /* opaque */

struct replication_conf {
    struct peer_hello self;
    struct tls *tls; /* of TLS_PEER_NODE; NULL: plain. Borrowed, as is what follows */
    struct resolver *resolver;
    struct grid_leases *leases;
};

/* Control thread, before the worker runs. */
void replication_init(struct worker *w, const struct replication_conf *conf);
struct peers *replication_peers(struct worker *w);
extern const struct shard_grid_ports replication_ports; /* ctx: the worker */

/* What the grid agreed on, as this thread knows it; NULL: the node is alone, or knows nothing
 * yet. */
const struct grid_state *replication_state(const struct worker *w);
struct replica_member replication_self(const struct worker *w);
/* This node has lost touch with the others, which may know more. */
bool replication_astray(const struct worker *w);
/* The link to the shard of that node that has the partition; NULL: none is up. */
struct peers_link *replication_link(struct worker *w, uint32_t node, uint32_t partition);

/* Control thread: tell every worker. `self` {0, 0}: this node is not in the grid, or not any
 * more. */
void replication_news(struct node *n, struct grid_state *state, struct replica_member self,
                      bool astray);
void replication_hand_over(struct node *n, const struct plan_ask *ask);
/* The leader has changed: progress and positions are said again. */
void replication_again(struct node *n);
/* Control thread: primaries go to others; `done` is called there when none is left, or nothing more
 * can be done. */
void replication_drain(struct node *n, void (*done)(struct node *n));

/* Give the shard what other nodes' shards said so far in this turn: before it is told of links or
 * of the grid, and before the ops of the turn. */
void replication_take(struct worker *w);
/* In worker_turn_end: before the log is handed over, and last of all. */
void replication_work(struct worker *w);
void replication_send(struct worker *w);
/* The loop will not run again: links end; then the loop is freed, then this. */
void replication_stop(struct worker *w);
void replication_free(struct worker *w);

#endif
