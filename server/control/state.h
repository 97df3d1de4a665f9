/* state.h - everything the grid agreed on: its nodes, the catalog, and who holds which partition.
 * Pure. Changed by commands only (command.h); read by anyone.
 *
 * A state is immutable once published and reference-counted (atomically): each thread reads its own
 * pointer without locks. grid_state_copy() shares nodes, catalog and tables, and a command copies
 * what it touches: of a table, the chunk of 64 partitions (4 KB or less).
 *
 *   node      enter            gone                 remove
 *     ----------> NODE_UP <-----------> NODE_DOWN -----------> a tombstone: its id comes never back
 *                    |       enter                                 ^
 *                    +---------------------------------------------+
 *
 * A node's number stays; each time it enters it gets the next boot. A boot that is gone is gone for
 * ever (R10): only a new boot id enters.
 *
 *   partition   led ---last in-sync member gone---> unled ---it came back, or LEAD, RECOVER---> led
 *               led ---its last copy is gone for good---> lost ---RESET---> led, empty
 *
 * Invariants (grid_state_check): numbers and boots are never used again; living nodes have
 * different ids and names; a table of each context, with a row for each partition; who leads, and
 * who is in sync where somebody leads, and who is joining, is a node that is up, in its present
 * boot; unled or lost means that nobody is joining; no node knows less than the level of the grid;
 * epochs and the level only grow (seen from outside). */
#ifndef GRIDD_CONTROL_STATE_H
#define GRIDD_CONTROL_STATE_H

#include "control/catalog.h"
#include "control/placement.h"
#include "replica/config.h"

enum {
    GRID_ID_BYTES = 16,               /* of a grid, a node, a boot */
    GRID_NODES_MAX = PLACE_NODES_MAX, /* living ones */
    GRID_REMOVED_MAX = 65536,
    GRID_SESSIONS_MAX = 512, /* proposers whose last commands are remembered */
    GRID_SESSION_WINDOW = 64,
    GRID_LABELS_BYTES_MAX = 255,
    GRID_ADDRESS_BYTES_MAX = 127,
    GRID_PAST_BOOTS = 8,
    GRID_EPOCH_MAX = (1 << 24) - 1,
};

enum node_state { NODE_UP = 0, NODE_DOWN = 1 };
enum node_address { ADDRESS_CLIENT, ADDRESS_PEER, ADDRESS_HTTP, ADDRESS_RESP, ADDRESSES };

/* What a node says of itself when it enters. */
struct node_info {
    uint8_t id[GRID_ID_BYTES];      /* for ever; kept in its data directory */
    uint8_t boot_id[GRID_ID_BYTES]; /* of this start, or of this life: random */
    char name[NAME_BYTES_MAX + 1];
    char labels[GRID_LABELS_BYTES_MAX + 1]; /* KEY=VALUE,KEY=VALUE; `zone` spreads copies */
    char address[ADDRESSES][GRID_ADDRESS_BYTES_MAX + 1]; /* HOST:PORT as others reach it, or "" */
    uint32_t weight;                                     /* capacity beside the others, 1.. */
    uint32_t shards;                                     /* 1.. */
    uint32_t level; /* the highest feature level it knows (level.h); 0: it told none */
};

struct grid_node {
    uint32_t number; /* 1.., never used again */
    uint32_t boot;   /* 1.., of the present life when up, else of the last */
    struct node_info info;
    enum node_state state;
    bool draining;                  /* holds nothing new, and what it has goes elsewhere */
    bool voter;                     /* as the membership of raft said last */
    msec_t since;                   /* unix ms: when it came up or went down */
    uint64_t past[GRID_PAST_BOOTS]; /* first halves of boot ids that are gone; 0: none */
};

struct grid_nodes; /* private: shared lists */
struct grid_removed;
struct grid_sessions;

struct grid_table { /* who holds the partitions of a context; opaque but for this */
    unsigned refs;
    uint32_t context; /* id */
    uint32_t partitions;
    struct grid_chunk *chunks[]; /* private; equal pointers mean equal rows */
};

struct grid_state {
    uint64_t revision; /* +1 by each command that changed anything; 0: not founded */
    char grid[NAME_BYTES_MAX + 1];
    uint8_t grid_id[GRID_ID_BYTES];
    struct catalog *catalog;       /* NULL: not founded */
    const struct grid_node *nodes; /* living: up or down, by number */
    size_t nodes_len;
    uint32_t node_next;         /* number the next node gets */
    uint32_t level;             /* feature level of the grid (level.h), 1..; all nodes know it */
    bool rebalance_paused;      /* by an operator: redundancy is restored, nothing else moves */
    struct grid_table **tables; /* one per context of the catalog, in its order */
    size_t tables_len;
    /* private */
    struct grid_nodes *nodes_shared;
    struct grid_removed *removed;
    struct grid_sessions *sessions;
    unsigned refs;
};

/* Not founded: revision 0, nothing in it. One reference, the caller's. */
struct grid_state *grid_state_new(void);
/* A copy to be changed and published; one reference, the caller's. Cheap: see above. */
struct grid_state *grid_state_copy(const struct grid_state *s);
struct grid_state *grid_state_ref(struct grid_state *s);
void grid_state_unref(struct grid_state *s); /* NULL is fine */
void grid_state_check(const struct grid_state *s);

static inline bool grid_state_founded(const struct grid_state *s)
{
    return s->revision > 0;
}

/* Lookups among the living: NULL when there is none. Borrowed from the state. */
const struct grid_node *grid_state_node(const struct grid_state *s, uint32_t number);
const struct grid_node *grid_state_node_by_id(const struct grid_state *s, const uint8_t *id);
const struct grid_node *grid_state_node_named(const struct grid_state *s, struct slice name);
/* The number that a removed node had, or 0. */
uint32_t grid_state_removed(const struct grid_state *s, const uint8_t *id);
size_t grid_state_removed_len(const struct grid_state *s);
/* Whether this life of a node is the present one, and not known to be over. */
bool grid_state_lives(const struct grid_state *s, struct replica_member m);
/* The value of a label: empty when the node has none of that name. */
struct slice grid_node_label(const struct grid_node *n, const char *key);
/* Whether it has that label, LABEL=VALUE; empty: each has. */
bool grid_node_labelled(const struct grid_node *n, struct slice label);
/* Whether a context keeps copies on the node, by its labels alone (`nodes = LABEL=VALUE`). */
bool grid_node_selected(const struct grid_node *n, const struct context_info *info);

/* R1. False: there is no such partition. */
bool grid_state_config(const struct grid_state *s, uint32_t context, uint32_t partition,
                       struct replica_config *ret_config);
/* {0, 0}: nobody leads, or there is no such partition. */
struct replica_member grid_state_primary(const struct grid_state *s, uint32_t context,
                                         uint32_t partition);
/* 0: there is no such partition. */
uint32_t grid_state_epoch(const struct grid_state *s, uint32_t context, uint32_t partition);
/* Nodes that had a copy until they went down or fell behind, and may get it back: where a log tail
 * is enough to catch up. Hints for the planner, newest first; returns how many. */
enum { GRID_AWAY_MAX = 3 };
uint32_t grid_state_away(const struct grid_state *s, uint32_t context, uint32_t partition,
                         uint32_t ret_nodes[GRID_AWAY_MAX]);

/* What differs between two states, of which one came from the other; cheap, for shared chunks are
 * skipped. A partition of a context that only one of them has is not reported. Use:
 *   struct grid_change at = {0};
 *   while (grid_state_next_change(before, after, &at))
 *       ... at.context, at.partition ...  */
struct grid_change {
    uint32_t context;
    uint32_t partition;
    size_t table; /* private, as is what follows */
    uint32_t next;
};
bool grid_state_next_change(const struct grid_state *before, const struct grid_state *after,
                            struct grid_change *at);

struct grid_summary { /* for `status` and metrics; one pass over all rows */
    uint64_t partitions;
    uint64_t unled; /* nobody leads, a copy may come back */
    uint64_t lost;
    uint64_t short_of_copies; /* fewer in sync than the context asks and the nodes allow */
    uint64_t below_min;       /* fewer in sync than min_in_sync: no writes */
    uint64_t joining;         /* copies on their way */
    uint64_t surplus;         /* copies beyond what is asked, to be dropped */
    uint64_t unplaced;        /* copies that are asked, and for which there are too few nodes */
};
void grid_state_summary(const struct grid_state *s, struct grid_summary *ret_summary);
/* Of the context of s->tables[table]; added to *sum. */
void grid_state_summary_add(const struct grid_state *s, size_t table, struct grid_summary *sum);
/* Copies that a partition of the context should have, given the nodes it has today. */
uint32_t grid_state_copies(const struct grid_state *s, const struct context_info *info);
/* Of each partition: those that are asked beside. `all` asks for as many as there are nodes. */
uint32_t grid_state_unplaced(const struct grid_state *s, const struct context_info *info);

/* Voters that raft has yet to be given before it survives the loss of as many as it should. */
uint32_t grid_state_voters_missing(const struct grid_state *s);

struct grid_load {   /* of one node */
    uint32_t copies; /* in sync */
    uint32_t primaries;
    uint32_t joining;
    uint32_t kept; /* of copies: it is drained, and there are too few others to take them */
    uint32_t last; /* it is the only member in sync, or one of those an unled partition waits for */
};
/* One per node, in the order of s->nodes. One pass over all rows. */
void grid_state_loads(const struct grid_state *s, struct grid_load *ret_loads);

#endif
