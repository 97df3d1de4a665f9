/* topology.h - the nodes of a grid and which of them is primary of each partition, as far as this
 * client was told. No I/O. Everything that comes from a server is bounded and checked. */
#ifndef GRIDCLIENT_TOPOLOGY_H
#define GRIDCLIENT_TOPOLOGY_H

#include "mem.h"
#include "target.h"
#include "wire.h"

enum { SHARDS_MAX = 4096 }; /* of a node */

struct link;

/* A node. It stays until the grid is closed, for links point here. */
struct member {
    uint32_t number;
    uint32_t shards; /* 0: it has told nothing that makes sense */
    uint32_t room;   /* of by_shard */
    bool up;
    bool astray; /* it said so itself, and no other has told anything since */
    struct endpoint endpoint;
    struct link **by_shard; /* NULL: none made yet */
    size_t bucket;          /* of its first shard, among all shards of all nodes */
};

struct ownership { /* of a context */
    uint32_t id;
    uint32_t partitions; /* 0: it is gone */
    uint32_t *primaries; /* number of a node, 0: nobody */
};

struct topology {
    uint64_t revision; /* 0: nothing is known: a node that is alone, or not yet */
    bool astray;       /* who told it has lost touch with the grid */
    struct member **members;
    size_t members_len;
    size_t buckets;
    struct ownership *contexts;
    size_t contexts_len;
};

/* What was pushed. False: it is malformed, and nothing is known any more. */
GRID_MUST_USE bool gc_topology_take(struct topology *t, struct grid_bytes body);
/* The primary of the partition that has `slot`, if it is known and up; else NULL. */
struct member *gc_topology_owner(const struct topology *t, uint32_t context, uint16_t slot);
void gc_topology_release(struct topology *t);

#endif
