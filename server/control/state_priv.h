/* state_priv.h - what the files of the control state share. */
#ifndef GRIDD_CONTROL_STATE_PRIV_H
#define GRIDD_CONTROL_STATE_PRIV_H

#include "control/command.h"
#include "control/restore.h"

/* --- shared parts: immutable while more than one state refers to them ------------------------ */

struct grid_nodes {
    unsigned refs;
    size_t len;
    struct grid_node list[]; /* by number */
};

struct grid_removed {
    unsigned refs;
    size_t len;
    struct grid_tombstone list[]; /* by number */
};

struct grid_sessions {
    unsigned refs;
    size_t len;
    struct grid_session list[]; /* in no order */
};

enum { CHUNK_ROWS = 64 };

struct chunk_head {
    uint32_t epoch;
    uint32_t born;
    bool led;
    bool lost;
    uint8_t in_sync;
    uint8_t complete;
    uint8_t len;
    uint8_t away;
};

struct grid_chunk {
    unsigned refs;
    uint32_t width; /* members that a row has room for */
    struct chunk_head heads[CHUNK_ROWS];
    struct replica_member members[]; /* width per row */
};

static inline uint32_t grid_table_chunks(uint32_t partitions)
{
    return (partitions + CHUNK_ROWS - 1) / CHUNK_ROWS;
}

/* Members of a row in place; their number is head->len, those away follow. */
static inline const struct replica_member *grid_table_members(const struct grid_table *t,
                                                              uint32_t partition,
                                                              const struct chunk_head **ret_head)
{
    const struct grid_chunk *c = t->chunks[partition / CHUNK_ROWS];
    *ret_head = &c->heads[partition % CHUNK_ROWS];
    return c->members + (size_t)(partition % CHUNK_ROWS) * c->width;
}

/* All rows zero. */
struct grid_table *grid_table_new(uint32_t context, uint32_t partitions);
void grid_table_unref(struct grid_table *t);
struct grid_table *grid_table_ref(struct grid_table *t);
/* *t becomes a table of its own when others share it. */
void grid_table_set(struct grid_table **t, uint32_t partition, const struct grid_row *row);

/* The state's own lists, to be changed in place. */
struct grid_node *grid_nodes_own(struct grid_state *s);
/* Takes its place by number; `n->number` is not there yet. */
void grid_nodes_insert(struct grid_state *s, const struct grid_node *n);
void grid_nodes_delete(struct grid_state *s, uint32_t number);
void grid_nodes_set_all(struct grid_state *s, const struct grid_node *list, size_t len);
void grid_removed_set_all(struct grid_state *s, const struct grid_tombstone *list, size_t len);
void grid_removed_insert(struct grid_state *s, const struct grid_tombstone *t);
struct grid_session *grid_sessions_own(struct grid_state *s, size_t room);
/* `c` is taken; tables follow its contexts: new ones are empty, those of dropped ones go. */
void grid_state_catalog_set(struct grid_state *s, struct catalog *c_take);
struct grid_table **grid_state_table(struct grid_state *s, uint32_t context);
const struct grid_table *grid_state_table_of(const struct grid_state *s, uint32_t context);

/* --- one row (rows.c) --------------------------------------------------------------------- */

struct grid_row_view { /* what decides about a row */
    const struct grid_state *s;
    const struct context_info *info;
};

/* Who does not live any more drops out (see GRID_GONE). True: the row changed. */
bool grid_row_gone(const struct grid_row_view *v, struct grid_row *r);
/* A node came back in its present boot. True: the row changed. */
bool grid_row_returned(const struct grid_row_view *v, uint32_t node, struct grid_row *r);
/* A node that is down will never be back. True: the row changed. */
bool grid_row_removed(const struct grid_row_view *v, uint32_t node, struct grid_row *r);
/* Whether removing the node would cost records. */
bool grid_row_needs(const struct grid_row_view *v, uint32_t node, const struct grid_row *r);
/* min_in_sync or durability are others now: whoever is not eligible by them is not any more. True:
 * the row changed. */
bool grid_row_settle_eligible(const struct grid_row_view *v, struct grid_row *r);
/* A change asked for; all but RESET. `why` as in catalog.h. */
enum grid_err grid_row_change(const struct grid_row_view *v, const struct part_change *c,
                              struct grid_row *r, char *why);
/* All of `nodes` in sync and empty, the first leads. */
void grid_row_begin(const struct replica_member *members, uint32_t len, uint32_t epoch,
                    struct grid_row *r);

/* --- placement of a context (placing.c) ------------------------------------------------------ */

struct placing {
    struct place_conf conf;
    struct place_node *nodes; /* in the order of s->nodes */
    uint16_t *rows;           /* conf.copies per partition: indexes of nodes */
};

/* Nodes that are selected, not draining, and up; or down for less than `patience` at `now`. */
void placing_init(struct placing *p, const struct grid_state *s, const struct context_info *info,
                  msec_t now, msec_t patience);
/* Where the copies should be, given a table (or NULL: it is new). */
void placing_place(struct placing *p, const struct grid_state *s, const struct grid_table *t);
void placing_release(struct placing *p);

/* --- applying --------------------------------------------------------------------------------- */

struct apply {
    struct grid_state *s;
    const struct grid_command *c;
    struct grid_outcome *out;
    bool same; /* it was so already */
};

enum grid_err grid_apply_refuse(struct apply *a, enum grid_err err, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
enum grid_err apply_enter(struct apply *a);
enum grid_err apply_gone(struct apply *a);
enum grid_err apply_alter(struct apply *a);
enum grid_err apply_drain(struct apply *a);
enum grid_err apply_remove(struct apply *a);
enum grid_err apply_parts(struct apply *a);
enum grid_err apply_voters(struct apply *a);
enum grid_err apply_levels(struct apply *a);
enum grid_err node_info_check(struct apply *a, const struct node_info *info);

#endif
