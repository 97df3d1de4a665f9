/* topology.h - who owns what, as clients are pushed it (Topology of client.proto). */
#ifndef GRIDD_WIRE_TOPOLOGY_H
#define GRIDD_WIRE_TOPOLOGY_H

#include "base/buf.h"
#include "control/state.h"

/* Append the frame of a push to `out`: all of `now`, or, with `before`, an earlier state that led
 * to it, what is different. `astray`: number of this node if it has lost touch with the grid; else
 * 0. */
void wire_topology_push(struct buf *out, const struct grid_state *before,
                        const struct grid_state *now, uint32_t astray);
/* Whether a client would see a difference. */
bool wire_topology_differs(const struct grid_state *before, const struct grid_state *now);

#endif
