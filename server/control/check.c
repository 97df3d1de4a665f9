/* check.c - what holds of every control state: for tests, and for what comes from outside. */
#include "control/state_priv.h"

#include "base/alloc.h"
#include "control/level.h"

#include <stdlib.h>

static const char *nodes_fault(const struct grid_state *s)
{
    struct apply a = {NULL, NULL, &(struct grid_outcome){0}, false};
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        if (!n->number || n->number >= s->node_next || !n->boot)
            return "a node's number or boot is not one that was given";
        if (i && s->nodes[i - 1].number >= n->number)
            return "nodes are not in order";
        if (n->state > NODE_DOWN || node_info_check(&a, &n->info))
            return "a node is described badly";
        if (node_info_level(&n->info) < s->level)
            return "a node does not know the level of the grid";
        if (grid_state_node_by_id(s, n->info.id) != n || grid_state_removed(s, n->info.id) ||
            grid_state_node_named(s, slice_str(n->info.name)) != n)
            return "two nodes have one id or name";
    }
    for (size_t i = 0; i < s->removed->len; i++) {
        uint32_t number = s->removed->list[i].number;
        if (!number || number >= s->node_next || grid_state_node(s, number) ||
            (i && s->removed->list[i - 1].number >= number))
            return "a removed node's number is not one that was given";
    }
    if (s->nodes_len > GRID_NODES_MAX || s->removed->len > GRID_REMOVED_MAX)
        return "too many nodes";
    return s->node_next == 1 + s->nodes_len + s->removed->len ? NULL : "a node's number is missing";
}

static bool member_known(const struct grid_state *s, struct replica_member m)
{
    const struct grid_node *n = grid_state_node(s, m.node);
    return n && m.boot >= 1 && m.boot <= n->boot;
}

static bool row_shape_good(const struct grid_row *r)
{
    if (r->in_sync > r->complete || r->complete > r->len || r->len > REPLICA_MEMBERS_MAX ||
        r->away > GRID_AWAY_MAX)
        return false;
    for (int i = 0; i < r->len + r->away; i++)
        for (int k = 0; k < i; k++)
            if (r->m[i].node == r->m[k].node)
                return false;
    return r->epoch >= 1 && r->epoch <= GRID_EPOCH_MAX && r->born <= r->epoch &&
           r->lost == (r->in_sync == 0) && !(r->led && r->lost) && (!r->lost || r->len == 0);
}

static const char *row_fault(const struct grid_state *s, const struct context_info *info,
                             const struct grid_row *r)
{
    if (!row_shape_good(r))
        return "a partition's configuration is out of shape";
    for (int i = 0; i < r->len; i++) {
        bool eligible = i >= r->in_sync && i < r->complete;
        if (!member_known(s, r->m[i]))
            return "a partition has a member that never was";
        if (!grid_state_lives(s, r->m[i]) && !eligible && (r->led || i >= r->complete))
            return "a partition is held by one that is down";
    }
    for (int i = r->len; i < r->len + r->away; i++)
        if (!grid_state_node(s, r->m[i].node) || r->m[i].boot)
            return "a partition waits for a node that is none";
    if (!r->led && r->complete < r->len)
        return "a member joins where nobody leads";
    if (r->led && r->in_sync < r->complete && r->in_sync >= info->min_in_sync)
        return "a member is eligible though enough are in sync";
    if (!r->led && !r->lost && info->durability == DURABILITY_MEMORY && r->epoch < GRID_EPOCH_MAX)
        return "a partition in memory waits for one that is down";
    return NULL;
}

static const char *tables_fault(const struct grid_state *s)
{
    if (s->tables_len != s->catalog->contexts_len)
        return "tables and contexts differ";
    for (size_t k = 0; k < s->tables_len; k++) {
        const struct context_info *info = &s->catalog->contexts[k];
        const struct grid_table *t = s->tables[k];
        if (t->context != info->id || t->partitions != info->partitions)
            return "a table is of another context";
        for (uint32_t i = 0; i < t->partitions; i++) {
            struct grid_row r;
            grid_table_row(t, i, &r);
            const char *fault = row_fault(s, info, &r);
            if (fault)
                return fault;
        }
    }
    return NULL;
}

static const char *sessions_fault(const struct grid_state *s)
{
    for (size_t i = 0; i < s->sessions->len; i++) {
        const struct grid_session *e = &s->sessions->list[i];
        if (!e->session || !e->high || !(e->mask & 1) || e->used > s->revision)
            return "a proposer's session is out of shape";
        for (size_t k = 0; k < i; k++)
            if (s->sessions->list[k].session == e->session)
                return "a proposer has two sessions";
    }
    return s->sessions->len <= GRID_SESSIONS_MAX ? NULL : "too many sessions";
}

const char *grid_state_fault(const struct grid_state *s)
{
    if (!s->revision)
        return s->nodes_len || s->removed->len || s->tables_len || s->sessions->len || s->catalog
                   ? "something is there before the founding"
                   : NULL;
    if (!s->catalog || !control_name_good(slice_str(s->grid)) || !s->level)
        return "a grid has a name, a catalog and a level";
    const char *fault = nodes_fault(s);
    if (!fault)
        fault = tables_fault(s);
    return fault ? fault : sessions_fault(s);
}

void grid_state_check(const struct grid_state *s)
{
    const char *fault = grid_state_fault(s);
    if (fault)
        check_failed(fault, __FILE__, __LINE__, __func__);
    if (s->catalog)
        catalog_check(s->catalog);
}
