/* services.h - services on this node: each worker has the instances of the partitions that it leads
 * (coordination/holder.h), the first one those of mode node, too; their code runs on threads of its
 * own (pool.h), one piece of work at a time for each instance.
 *
 *   worker: holder --work--> pool: compute/service.h --note--> worker: holder
 *                                     '-- asks (inside.h) --> any worker */
#ifndef GRIDD_NODE_SERVICES_H
#define GRIDD_NODE_SERVICES_H

#include "node/administration_priv.h"
#include "node/aside.h"

struct services; /* of a worker; opaque */

/* Control thread, before the worker runs; then after it has ended, before and after its loop. */
void services_init(struct worker *w);
void services_rest(struct worker *w);
void services_release(struct worker *w);
/* What is led, or deployed, may have changed; and at the end of each turn. */
void services_look(struct worker *w);
void services_turn(struct worker *w);
/* Control thread: all are told to stop; `done` is called there when they have, or not in time. */
void services_end(struct node *n, void (*done)(struct node *n));
/* A call came to this shard; see aside.h. */
void services_begin(struct aside *a);
/* session_ports.service */
void services_here(void *worker, const struct op *op);
/* SERVICE_LIST: those of this worker. */
void services_visit(struct worker *w, struct job *j, struct share *share);

#endif
