/* membership.h - this node as a member of a grid: the control plane (grid/member.h) on the control
 * thread, with its links to other nodes, its disk, and what it tells the shards' threads.
 *
 *   peers (control links) --message--> grid_member --state, self--> note --> every worker
 *   raft_disk --written-->               |    ^
 *   worker --note: ask, progress, report-+    +--- administration: commands
 *
 * All of it runs on the control thread; what other threads may call says so. A node without peers
 * has none. */
#ifndef GRIDD_NODE_MEMBERSHIP_H
#define GRIDD_NODE_MEMBERSHIP_H

#include "grid/member.h"
#include "node/node_priv.h"

struct membership; /* opaque */

/* Listen for other nodes, before the data directory is touched. Makes n->membership. */
MUST_USE
enum grid_err membership_listen(struct node *n, char *why);
/* Where it listens for them. */
void membership_address(const struct node *n, char ret_text[NET_ADDR_BYTES]);
/* The data directory is open, nothing is recovered: read what was promised and stored. */
MUST_USE
enum grid_err membership_open(struct node *n, char *why);
/* The workers are made, and do not run yet. */
MUST_USE
enum grid_err membership_start(struct node *n, char *why);
/* SIGHUP, in this order. What may change of `conf`: certificates of links are taken over, the rest
 * is looked at; with an error nothing has changed. */
MUST_USE
enum grid_err membership_judge(struct node *n, const struct node_conf *conf, char *why);
/* n->conf is the new one. */
void membership_reload(struct node *n);
/* The end of a turn of the control thread. */
void membership_turn_end(struct node *n);
/* Clean stop: leadership and primaries go to others, then `done` is called. */
void membership_leave(struct node *n, void (*done)(struct node *n));
/* In this order: links end, the loop is freed by the caller, the rest. NULL is fine. */
void membership_stop(struct node *n);
void membership_free(struct node *n);

/* A command of an operator; `done` is called on the control thread, once. */
typedef void membership_done_fn(void *ctx, const struct grid_done *d);
void membership_propose(struct node *n, const struct grid_command *c, membership_done_fn *done,
                        void *ctx);
void membership_change(struct node *n, const struct part_change *change, membership_done_fn *done,
                       void *ctx);
/* `done` is called when this node's workers know the revision, perhaps at once. */
void membership_known(struct node *n, uint64_t revision, membership_done_fn *done, void *ctx);
/* For the leader's planner; NULL: not of this kind. */
void membership_tell(struct node *n, const struct plan_report *report,
                     const struct plan_progress *progress);
/* The newest state; revision 0 before there is one. Control thread. */
const struct grid_state *membership_state(const struct node *n);
struct replica_member membership_self(const struct node *n);
/* To that node by the control link; false: there is none. `bytes`: with the byte of its kind. */
bool membership_post(struct node *n, const uint8_t *id, struct slice bytes);
/* Any thread: what it waits for before it is in the grid (WAITS_BYTES); false: it is in. */
bool membership_waits(struct node *n, char *why);
/* The grid does not let it in, for it was removed, say. On the control thread. */
bool membership_refused(struct node *n);
/* For metrics: nodes linked with, leaders heard of, other nodes that went down. */
void membership_counts(const struct node *n, uint64_t *ret_peers, uint64_t *ret_leaders,
                       uint64_t *ret_failovers);
void membership_status(const struct node *n, struct grid_member_status *ret_status);
struct peers_trouble;
struct peers_twin;
/* Of the control links: see peers_trouble(). */
bool membership_trouble(const struct node *n, size_t index, struct peers_trouble *ret_trouble);
bool membership_twin(const struct node *n, size_t index, struct peers_twin *ret_twin);
struct grid_leases *membership_leases(const struct node *n);
/* Of a node of membership_state(): see grid_member_level(). */
uint32_t membership_level(const struct node *n, const struct grid_node *of);

#endif
