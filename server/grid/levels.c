/* levels.c - the feature level of the grid (control/level.h): raised by the leader when all nodes
 * know more, and looked at before anything is proposed. */
#include "base/alloc.h"
#include "control/level.h"
#include "grid/parts_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum { NAMED = 3 };

/* A node says it all the time. What the state has is for those that are down, and may be less: a
 * version that does not know levels leaves them out of its snapshots. */
uint32_t grid_member_level(const struct grid_member *m, const struct grid_node *n)
{
    const struct grid_peer *p = known_by_id(m, n->info.id);
    struct replica_member life = {n->number, n->boot};
    uint32_t told = 0;
    if (SABOTAGE(LEVEL_OF_RECORD))
        told = 0;
    else if (replica_member_eq(m->self, life))
        told = m->info.level;
    else if (p && replica_member_eq(p->life, life))
        told = p->level;
    return told ? told : node_info_level(&n->info);
}

/* Nobody may be under way into the grid who could not read it. (An ENTER behind it is judged by
 * what it says.) */
void levels_step(struct grid_member *m)
{
    const struct grid_state *s = m->applied;
    uint64_t applied = raft_view(m->raft).applied;
    if (m->lead->enter_index > applied || m->lead->levels_index > applied)
        return;
    struct node_level *list = xcalloc(s->nodes_len, sizeof *list);
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        list[i] = (struct node_level){{n->number, n->boot}, grid_member_level(m, n)};
        if (SABOTAGE(BLIND_LEVEL) && n->state == NODE_DOWN)
            list[i].level = GRID_LEVEL;
        lowest = list[i].level < lowest ? list[i].level : lowest;
    }
    struct grid_command c = {.kind = GRID_LEVELS, .now = m->wall};
    c.u.levels.list = list;
    c.u.levels.len = s->nodes_len;
    if (lowest > s->level)
        (void)lead_submit(m, &c, &m->lead->levels_index);
    free(list);
}

/* Who knows less than `level`: " a (1), b (1)". */
static void older_nodes(const struct grid_member *m, const struct grid_state *s, uint32_t level,
                        char *text, size_t cap)
{
    size_t older = 0, len = 0;
    for (size_t i = 0; i < s->nodes_len; i++) {
        uint32_t known = grid_member_level(m, &s->nodes[i]);
        if (known < level && older++ < NAMED && len < cap)
            len += (size_t)snprintf(text + len, cap - len, "%s %s (level %u)", len ? "," : "",
                                    s->nodes[i].info.name, known);
    }
    if (older > NAMED && len < cap)
        snprintf(text + len, cap - len, ", and %zu more", older - NAMED);
}

bool levels_refuse(const struct grid_member *m, const struct grid_state *s,
                   const struct grid_command *c, struct grid_outcome *ret_outcome)
{
    uint32_t level = grid_command_level(c);
    char older[WHY_BYTES] = "";
    if (level <= s->level || SABOTAGE(UNASKED_LEVEL))
        return false;
    older_nodes(m, s, level, older, sizeof older);
    *ret_outcome = (struct grid_outcome){.err = GRID_EUNSUPPORTED};
    int len = snprintf(ret_outcome->why, WHY_BYTES,
                       "this needs feature level %u, and the grid is at %u: ", level, s->level);
    snprintf(ret_outcome->why + len, WHY_BYTES - (size_t)len,
             older[0] ? "upgrade or remove the older nodes:%s" : "%ssay it again in a moment",
             older);
    return true;
}
