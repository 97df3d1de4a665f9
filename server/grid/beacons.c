/* beacons.c - every member to every other, ten times a second: that it lives, what it grants (R7),
 * how far its state is, whom it follows. */
#include "grid/parts_priv.h"

enum { HEARD_MS = 2 * GRID_LEASE_MS, HURRY_MS = 2000 };

void leader_heard(struct grid_member *m, uint64_t term, uint32_t leader)
{
    if (term < m->term || (term == m->term && (!leader || m->leader == leader)))
        return;
    bool changed = m->leader != leader;
    m->term = term;
    m->leader = leader;
    if (!changed)
        return;
    member_notice(m, GRID_NOTICE_LEADER, NULL);
    m->news_at = m->now;
    asking_leader(m);
}

static size_t quiet_nodes(const struct grid_member *m, uint32_t *quiet)
{
    size_t len = 0;
    for (size_t i = 0; i < m->state->nodes_len && len < GRID_QUIET_MAX; i++) {
        const struct grid_node *n = &m->state->nodes[i];
        if (n->state != NODE_UP || n->number == m->self.node)
            continue;
        const struct grid_peer *p = known_by_id(m, n->info.id);
        msec_t floor = m->woke > m->entered_at ? m->woke : m->entered_at;
        bool mine = p && p->life.boot == n->boot;
        msec_t heard = mine && p->heard > floor ? p->heard : floor;
        if (m->now >= heard + member_failure_timeout(m) && p && (mine || !p->life.boot))
            quiet[len++] = n->number;
    }
    return len;
}

bool grid_member_astray(const struct grid_member *m, msec_t now)
{
    size_t up = 0, heard = 0;
    if (m->phase != GRID_IN || m->lead)
        return m->phase != GRID_IN && member_founded(m);
    for (size_t i = 0; i < m->state->nodes_len; i++) {
        const struct grid_node *n = &m->state->nodes[i];
        const struct grid_peer *p = known_by_id(m, n->info.id);
        if (n->state != NODE_UP)
            continue;
        msec_t last =
            p && p->life.boot == n->boot && p->heard > m->entered_at ? p->heard : m->entered_at;
        bool lately = n->number == m->self.node || now < last + member_failure_timeout(m);
        if (lately && n->number == m->leader && n->number != m->self.node)
            return false;
        up++;
        heard += lately;
    }
    return 2 * heard <= up;
}

void beacon_send(struct grid_member *m, struct grid_peer *p, bool probe)
{
    struct grid_message msg;
    uint32_t quiet[GRID_QUIET_MAX];
    member_message(m, &msg, GRID_MSG_BEACON);
    struct grid_beacon *b = &msg.u.beacon;
    b->sent = m->now;
    b->to = p->life;
    b->echo = p->newest;
    b->revision = m->state->revision;
    b->term = m->term;
    b->leader = m->leader;
    b->probe = probe;
    b->released = m->released;
    b->stops = m->step_down;
    b->level = m->info.level;
    b->follow = stream_wanted(m, p);
    b->restart = m->piece_bad;
    if (p->number == m->leader && m->phase == GRID_IN) {
        b->quiet = quiet;
        b->quiet_len = quiet_nodes(m, quiet);
    }
    member_send(m, p, &msg);
}

/* It is heard, and what it grants ends before the next beacon brings more: the way is long. Then it
 * is asked twice as often, and to answer at once, until that would leave plenty for a while. */
static bool hurried(const struct grid_member *m, struct grid_peer *p)
{
    msec_t least = m->now < p->hurry_until ? 2 * GRID_BEAT_MS : GRID_BEAT_MS / 2;
    if (m->released || m->now >= p->heard + HEARD_MS || !grid_state_lives(m->state, p->life))
        return false;
    if (!grid_lease_held(m->leases, p->life, m->state->revision, m->now + least))
        p->hurry_until = m->now + HURRY_MS;
    return m->now < p->hurry_until;
}

static void beat(struct grid_member *m, bool all)
{
    for (size_t i = 0; i < m->peers_len; i++) {
        struct grid_peer *p = m->peers[i];
        const struct grid_node *n = grid_state_node_by_id(m->state, p->id);
        bool up = n && n->state == NODE_UP, hurry = up && hurried(m, p);
        if (hurry && all)
            m->hurry_next = m->now + GRID_BEAT_MS / 2;
        bool due = up || (p->number && p->number == m->leader) || m->phase == GRID_ENTERING;
        if (hurry || (all && due))
            beacon_send(m, p, hurry);
    }
}

void beacons_step(struct grid_member *m)
{
    bool all = m->now >= m->beat_next;
    if (!all && m->now < m->hurry_next)
        return;
    m->hurry_next = UINT64_MAX;
    if (all)
        m->beat_next += GRID_BEAT_MS;
    if (m->beat_next <= m->now)
        m->beat_next = m->now + GRID_BEAT_MS;
    if (m->self.boot)
        beat(m, all);
}

/* Leases that were granted at a revision we had not seen yet. */
void beacons_leases(struct grid_member *m)
{
    for (size_t i = 0; i < m->peers_len; i++) {
        struct grid_peer *p = m->peers[i];
        if (!p->held || p->held_revision > m->state->revision)
            continue;
        grid_lease_hold(m->leases, p->life, p->held_revision, p->held);
        p->held = 0;
    }
}

static void hold(struct grid_member *m, struct grid_peer *p, const struct grid_beacon *b)
{
    if (!b->echo || b->echo > m->now || !m->self.boot || !replica_member_eq(b->to, m->self) ||
        m->released)
        return;
    if (b->revision <= m->state->revision) {
        msec_t from = SABOTAGE(LONG_LEASE) ? m->now + GRID_LEASE_MS : b->echo;
        grid_lease_hold(m->leases, p->life, b->revision, from);
    } else if (b->echo > p->held) {
        p->held = b->echo;
        p->held_revision = b->revision;
    }
}

/* To any life that is not known to be over: also to one newer than our state, and from a node that
 * enters, for its echo proves to the leader that it hears. Nothing rests on grants of such. */
static void grant(struct grid_member *m, struct grid_peer *p, const struct grid_beacon *b)
{
    if (b->released) {
        grid_lease_release(m->leases, p->life);
        p->newest = 0;
        return;
    }
    grid_lease_grant(m->leases, p->life, m->now);
    if (b->sent > p->newest)
        p->newest = b->sent;
}

/* A life that is over, as far as our state says; what it says is true for ever. */
static bool is_over(const struct grid_member *m, const struct grid_peer *p,
                    struct replica_member life)
{
    const struct grid_node *n = grid_state_node_by_id(m->state, p->id);
    if (!n)
        return grid_state_removed(m->state, p->id) != 0;
    return n->number == life.node &&
           (n->boot > life.boot || (n->boot == life.boot && n->state == NODE_DOWN));
}

static void tell_gone(struct grid_member *m, struct grid_peer *p)
{
    if (m->now < p->told_gone + HELLO_MS)
        return;
    p->told_gone = m->now;
    /* its next HELLO is answered in full; the stream tells it, too */
    struct grid_message msg;
    member_message(m, &msg, GRID_MSG_BEACON);
    msg.u.beacon.sent = m->now;
    msg.u.beacon.to = p->life;
    msg.u.beacon.revision = m->state->revision;
    msg.u.beacon.term = m->term;
    msg.u.beacon.leader = m->leader;
    msg.u.beacon.gone = true;
    member_send(m, p, &msg);
}

void member_on_beacon(struct grid_member *m, struct grid_peer *p, const struct grid_message *msg)
{
    const struct grid_beacon *b = &msg->u.beacon;
    struct replica_member life = msg->member;
    if (b->leader) /* a term that somebody stands in may never come: its disk forgets it */
        leader_heard(m, b->term, b->leader);
    if (b->revision > p->revision)
        p->revision = b->revision;
    if (b->gone && m->self.boot && replica_member_eq(b->to, m->self)) {
        member_life_over(m);
        return;
    }
    if (b->follow)
        stream_asked(m, p, b);
    if (!life.node || !life.boot || (p->number && p->number != life.node))
        return;
    if (is_over(m, p, life) && !SABOTAGE(GRANT_TO_GONE)) {
        tell_gone(m, p);
        return;
    }
    p->number = life.node;
    if (life.boot < p->life.boot)
        return;
    if (life.boot > p->life.boot) {
        p->newest = 0;
        p->held = 0;
    }
    p->life = life;
    p->heard = m->now;
    p->stops = b->stops;
    p->level = b->level;
    hold(m, p, b);
    grant(m, p, b);
    if (m->lead) {
        bool echoed = replica_member_eq(b->to, m->self);
        grid_detector_hear(&m->detector, life, echoed ? b->echo : 0, m->now);
        pairs_heard(m, life.node, b->quiet, b->quiet_len);
    }
    if (b->probe)
        beacon_send(m, p, false);
}
