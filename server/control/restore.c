/* restore.c - a control state put together from what a snapshot says. */
#include "control/state_priv.h"

const struct grid_session *grid_state_sessions(const struct grid_state *s, size_t *ret_len)
{
    *ret_len = s->sessions->len;
    return s->sessions->list;
}

const struct grid_tombstone *grid_state_tombstones(const struct grid_state *s, size_t *ret_len)
{
    *ret_len = s->removed->len;
    return s->removed->list;
}

bool grid_state_restore_nodes(struct grid_state *s, const struct grid_node *list, size_t len)
{
    if (len > GRID_NODES_MAX)
        return false;
    grid_nodes_set_all(s, list, len);
    return true;
}

bool grid_state_restore_tombstones(struct grid_state *s, const struct grid_tombstone *list,
                                   size_t len)
{
    if (len > GRID_REMOVED_MAX)
        return false;
    grid_removed_set_all(s, list, len);
    return true;
}

bool grid_state_restore_session(struct grid_state *s, const struct grid_session *session)
{
    size_t at = s->sessions->len;
    if (at == GRID_SESSIONS_MAX)
        return false;
    grid_sessions_own(s, 1)[at] = *session;
    return true;
}

void grid_state_restore_catalog(struct grid_state *s, struct catalog *catalog_take)
{
    grid_state_catalog_set(s, catalog_take);
}

bool grid_state_restore_row(struct grid_state *s, size_t table, uint32_t partition,
                            const struct grid_row *row)
{
    if (row->len > REPLICA_MEMBERS_MAX || row->away > GRID_AWAY_MAX)
        return false;
    grid_table_set(&s->tables[table], partition, row);
    return true;
}
