/* routing.h - operations that another node has to do, and those that others ask this one for: the
 * router (session/router.h) of a shard's thread, its links and its clock. A node without peers has
 * none of it (worker.router NULL). */
#ifndef GRIDD_NODE_ROUTING_H
#define GRIDD_NODE_ROUTING_H

#include "node/node_priv.h"
#include "node/peers.h"
#include "session/router.h"

/* Control thread, before the worker runs. */
void routing_init(struct worker *w);
void routing_release(struct worker *w);
/* At the end of a turn. */
void routing_turn(struct worker *w);
/* The handle of a link that is up. */
struct router_link *routing_up(struct worker *w, struct peers_link *k);
void routing_down(struct worker *w, struct router_link *l);
/* A message came, without the byte in front. False: it makes no sense. */
bool routing_message(struct worker *w, struct router_link *l, struct slice body);
void routing_news(struct worker *w, const struct grid_state *state, struct replica_member self);
/* shard_ports.reroute */
void routing_reroute(void *ctx, const struct op *op);
bool routing_takes(struct worker *w, const struct op *op);

#endif
