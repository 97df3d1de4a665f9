/* grid_topology.c - who owns what, pushed to clients that asked for it in their Hello: all of it
 * after the greeting, then what changes. A client that does not read gets the sum of what it
 * missed. Who is told that the node is astray asks others. */
#include "session/grid_priv.h"

#include "control/state.h"
#include "wire/topology.h"

/* Who is not among the nodes that it knows of: it was removed, or is not in yet. */
#define NOBODY UINT32_MAX

/* Number of this node if it has lost touch with the grid; else 0. */
static uint32_t astray(const struct session *s, const struct grid_state *now)
{
    if (!s->ports->astray || !s->ports->astray(s->ports->ctx))
        return 0;
    const struct grid_node *self = grid_state_node_by_id(now, s->view->node_id);
    return self ? self->number : NOBODY;
}

void grid_topology_push(struct session *s)
{
    struct grid_session *g = grid_of(s);
    const struct grid_state *now = session_grid(s);
    if (!g->wants_topology || s->state != OPEN || !now || !grid_state_founded(now) ||
        session_unsent(s) > s->limits.output)
        return;
    uint32_t lost = astray(s, now);
    bool same = g->told && (g->told == now || !wire_topology_differs(g->told, now));
    if (same && g->told_astray == (lost != 0))
        return; /* the client is fine with the older revision */
    wire_topology_push(&s->out, g->told, now, lost);
    g->told_astray = lost != 0;
    grid_state_unref(g->told);
    g->told = grid_state_ref((struct grid_state *)(uintptr_t)now);
}

void grid_topology_release(struct session *s)
{
    grid_state_unref(grid_of(s)->told);
    grid_of(s)->told = NULL;
}
