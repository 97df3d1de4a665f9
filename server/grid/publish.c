/* publish.c - a new state: what it says of this node comes first, then the shards get it, then
 * those who waited for it. Order matters: a boot that the state calls gone is granted nothing from
 * then on, and shards read what was granted after they have the state (R9). */
#include "grid/parts_priv.h"

void publish_take(struct grid_member *m, struct grid_state *s)
{
    uint64_t newest = m->newer ? m->newer->revision : m->state->revision;
    if (s->revision <= newest) {
        grid_state_unref(s);
        return;
    }
    grid_state_unref(m->newer);
    m->newer = s;
}

static void removed(struct grid_member *m, const struct grid_state *s)
{
    uint32_t was = grid_state_removed(s, m->info.id);
    if (!was)
        return;
    member_life_over(m);
    if (m->phase == GRID_REFUSED)
        return;
    member_why(m,
               "this node was removed from the grid (as node %u): only an empty data directory "
               "may join again",
               was);
    m->for_good = true;
    member_phase(m, GRID_REFUSED);
    member_notice(m, GRID_NOTICE_REFUSED, m->why);
}

/* Whether this node has just come in. */
static bool look_for_self(struct grid_member *m, const struct grid_state *s)
{
    const struct grid_node *n = grid_state_node_by_id(s, m->info.id);
    if (!n) {
        removed(m, s);
        return false;
    }
    if (n->state == NODE_UP && id_eq(n->info.boot_id, m->info.boot_id)) {
        m->self.boot = n->boot;
        return m->phase != GRID_IN;
    }
    if (m->self.boot && n->boot >= m->self.boot)
        member_life_over(m);
    return false;
}

static void come_in(struct grid_member *m)
{
    member_phase(m, GRID_IN);
    m->why[0] = 0;
    m->entered_at = m->now;
    m->beat_next = m->now;
    member_notice(m, GRID_NOTICE_IN, NULL);
}

/* Shards write down what they do by a state: not before the disk knows of which grid it is, or the
 * next start would take any older state (catalog_known), and what was made since for dropped. */
static bool may_publish(struct grid_member *m)
{
    if (!m->newer)
        return false;
    const struct grid_node *n = grid_state_node_by_id(m->newer, m->info.id);
    if (n && !m->identity.number) {
        m->identity.number = m->self.node = n->number;
        consensus_persist(m, true, NULL);
    }
    return m->stable.number != 0 || SABOTAGE(HASTY_MEMBER);
}

void publish_step(struct grid_member *m)
{
    while (may_publish(m)) {
        struct grid_state *before = m->state;
        struct grid_state *s = m->newer;
        m->newer = NULL;
        bool in = look_for_self(m, s);
        m->state = s;
        known_of_state(m);
        if (!s->catalog || s->catalog->revision >= m->catalog_known)
            m->ports.publish(m->ports.ctx, s);
        if (in)
            come_in(m);
        beacons_leases(m);
        if (m->lead)
            lead_watch(m);
        grid_state_unref(before);
        asking_published(m);
    }
}
