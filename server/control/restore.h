/* restore.h - the control state in its parts, for wire: to write a snapshot, and to build a state
 * from one. What comes in is hostile; grid_state_restored() has the last word. */
#ifndef GRIDD_CONTROL_RESTORE_H
#define GRIDD_CONTROL_RESTORE_H

#include "control/state.h"

enum { GRID_ROW_MEMBERS_MAX = REPLICA_MEMBERS_MAX + GRID_AWAY_MAX };

/* A partition, unpacked: members as in struct replica_config, behind them the nodes that are away
 * (boot 0). */
struct grid_row {
    uint32_t epoch;
    uint32_t born;
    bool led;
    bool lost;
    uint8_t in_sync;
    uint8_t complete;
    uint8_t len;
    uint8_t away;
    struct replica_member m[GRID_ROW_MEMBERS_MAX];
};

/* What a proposer's last commands came to (C8). */
struct grid_session {
    uint64_t session;
    uint64_t high;                    /* the greatest number applied */
    uint64_t used;                    /* revision when it was used last */
    uint64_t mask;                    /* bit i: high - i was applied */
    uint8_t err[GRID_SESSION_WINDOW]; /* of number n at n % WINDOW: enum grid_err */
};

struct grid_tombstone {
    uint32_t number;
    uint8_t id[GRID_ID_BYTES];
};

/* `partition` < t->partitions. */
void grid_table_row(const struct grid_table *t, uint32_t partition, struct grid_row *ret_row);
const struct grid_session *grid_state_sessions(const struct grid_state *s, size_t *ret_len);
const struct grid_tombstone *grid_state_tombstones(const struct grid_state *s, size_t *ret_len);

/* Into a state of grid_state_new(), in this order: nodes and tombstones by number, a table for each
 * context of `catalog` (taken) with its rows, sessions. False: more than there may be, or bounds
 * are broken that memory depends on. */
bool grid_state_restore_nodes(struct grid_state *s, const struct grid_node *list, size_t len);
bool grid_state_restore_tombstones(struct grid_state *s, const struct grid_tombstone *list,
                                   size_t len);
bool grid_state_restore_session(struct grid_state *s, const struct grid_session *session);
/* Empty rows for all contexts. */
void grid_state_restore_catalog(struct grid_state *s, struct catalog *catalog_take);
/* `table` < s->tables_len, `partition` within it. */
bool grid_state_restore_row(struct grid_state *s, size_t table, uint32_t partition,
                            const struct grid_row *row);
/* Whether all that together is a sound state: NULL, or what is wrong. */
const char *grid_state_fault(const struct grid_state *s);

#endif
