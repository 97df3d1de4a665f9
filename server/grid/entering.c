/* entering.c - the leader's part in who enters, and who votes. */
#include "grid/parts_priv.h"

#include <stdio.h>

enum { ENTER_AGAIN_MS = 1000, REFUSED_AGAIN_MS = 5000 };

bool entering_knock(const struct grid_member *m, const struct grid_peer *p)
{
    return p->hello && p->proven && m->now < p->proven + FRESH_MS;
}

static bool may(const struct grid_member *m, const struct node_info *info, bool may_enter)
{
    const struct grid_node *n = grid_state_node_by_id(m->state, info->id);
    if (!n || n->state == NODE_DOWN)
        return !grid_state_removed(m->state, info->id);
    return may_enter && !id_eq(n->info.boot_id, info->boot_id);
}

static void enter(struct grid_member *m, const struct node_info *info)
{
    struct grid_command c = {.kind = GRID_ENTER, .now = m->wall};
    c.u.enter = info;
    (void)lead_submit(m, &c, &m->lead->enter_index);
}

void entering_step(struct grid_member *m, bool may_enter)
{
    if (m->phase == GRID_ENTERING && m->now >= m->self_enter_at && may(m, &m->info, may_enter)) {
        m->self_enter_at = m->now + ENTER_AGAIN_MS;
        enter(m, &m->info);
    }
    for (size_t i = 0; i < m->peers_len && m->lead; i++) {
        struct grid_peer *p = m->peers[i];
        if (!entering_knock(m, p) || !may(m, &p->hello->info, may_enter))
            continue;
        bool same = id_eq(p->enter_boot, p->hello->info.boot_id);
        msec_t again = p->enter_at + (p->refused[0] ? REFUSED_AGAIN_MS : ENTER_AGAIN_MS);
        if (p->enter_at && same && m->now < again)
            continue;
        p->enter_at = m->now;
        id_copy(p->enter_boot, p->hello->info.boot_id);
        enter(m, &p->hello->info);
    }
}

void entering_applied(struct grid_member *m, const struct grid_command *c,
                      const struct grid_outcome *o)
{
    if (c->kind != GRID_ENTER)
        return;
    struct grid_peer *p = known_by_id(m, c->u.enter->id);
    if (!p) {
        if (o->err && id_eq(c->u.enter->boot_id, m->info.boot_id))
            member_why(m, "%s", o->why);
        return;
    }
    bool told = o->err && o->err != GRID_ESTALE;
    snprintf(p->refused, sizeof p->refused, "%s", told ? o->why : "");
    p->welcome = m->lead != NULL;
}

/* --- voters --- */

static bool flags_differ(const struct grid_member *m, const struct raft_membership *members)
{
    for (size_t i = 0; i < m->state->nodes_len; i++) {
        const struct grid_node *n = &m->state->nodes[i];
        if (n->voter != raft_is_voter(members, n->number))
            return true;
    }
    return false;
}

static void write_flags(struct grid_member *m, const struct raft_membership *members)
{
    struct grid_command c = {.kind = GRID_VOTERS, .now = m->wall};
    c.u.voters.list = members->voters;
    c.u.voters.len = members->voters_len;
    (void)lead_submit(m, &c, &m->lead->voters_index);
}

/* A learner that nobody wants to vote now. */
static uint32_t leftover(const struct raft_membership *members, uint32_t add)
{
    for (unsigned i = 0; i < members->learners_len; i++)
        if (members->learners[i] != add)
            return members->learners[i];
    return 0;
}

void voters_step(struct grid_member *m, uint32_t add, uint32_t drop)
{
    struct raft_view v = raft_view(m->raft);
    if (!v.members_committed || m->lead->voters_index > v.applied)
        return;
    struct raft_membership members = *v.members;
    if (flags_differ(m, &members)) {
        write_flags(m, &members);
        return;
    }
    uint32_t rest = leftover(&members, add);
    bool is_last = members.voters_len == 1;
    if (rest)
        (void)consensus_change(m, RAFT_REMOVE, rest);
    else if (add && raft_is_learner(&members, add))
        (void)consensus_change(m, RAFT_PROMOTE, add);
    else if (add && !raft_is_voter(&members, add))
        (void)consensus_change(m, RAFT_ADD, add);
    else if (drop && drop == m->self.node && !is_last)
        (void)consensus_transfer(m, 0);
    else if (drop && raft_is_voter(&members, drop) && !is_last)
        (void)consensus_change(m, RAFT_REMOVE, drop);
}
