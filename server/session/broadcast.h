/* broadcast.h - code that runs once on each node (compute/broadcast.h): asked at a door. */
#ifndef GRIDD_SESSION_BROADCAST_H
#define GRIDD_SESSION_BROADCAST_H

#include "session/grid_priv.h"

enum { GRID_PART_BROADCAST = 1 << 30 }; /* ticket.part of its answer; lower ones are of jobs */

/* errand_known() of such an errand. */
bool broadcast_errand(struct errand *e);
void broadcast_begin(struct grid_session *g, const struct wire_request *r);
void broadcast_end(struct grid_session *g, uint64_t number, const struct result *res);

#endif
