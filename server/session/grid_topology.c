/* grid_topology.c - who owns what, pushed to clients that asked for it in their Hello: all of it
 * after the greeting, then what changes. A client that does not read gets the sum of what it
 * missed. */
#include "session/grid_priv.h"

#include "control/state.h"
#include "wire/topology.h"

void grid_topology_push(struct session *s)
{
    struct grid_session *g = grid_of(s);
    const struct grid_state *now = session_grid(s);
    if (!g->wants_topology || s->state != OPEN || !now || !grid_state_founded(now) ||
        session_unsent(s) > s->limits.output)
        return;
    if (g->told && (g->told == now || !wire_topology_differs(g->told, now)))
        return; /* the client is fine with the older revision */
    wire_topology_push(&s->out, g->told, now);
    grid_state_unref(g->told);
    g->told = grid_state_ref((struct grid_state *)(uintptr_t)now);
}

void grid_topology_release(struct session *s)
{
    grid_state_unref(grid_of(s)->told);
    grid_of(s)->told = NULL;
}
