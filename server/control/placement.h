/* placement.h - which nodes should hold which partitions of one context: a pure function of the
 * nodes and of what they hold today.
 *
 * In this order: every partition has as many copies as wanted and possible, on different nodes; the
 * copies of a partition are spread over as many zones as possible; no node has more than 1.05 times
 * its share of copies, and of primaries, where a share follows the weight (a share below 20 is
 * rounded up to a whole number); what is well where it is today stays. Where something is free to
 * choose, the order of a hash of (seed, node, partition) decides (rendezvous hashing: Thaler,
 * Ravishankar 1998), so that different contexts spread differently.
 * Zones come before balance: a small zone that must hold a copy of everything is loaded more. */
#ifndef GRIDD_CONTROL_PLACEMENT_H
#define GRIDD_CONTROL_PLACEMENT_H

#include <stdbool.h>
#include <stdint.h>

enum { PLACE_NONE = UINT16_MAX, PLACE_NODES_MAX = 1024, PLACE_ZONE_NONE = 0 };

struct place_node {
    uint64_t id;     /* the node's, or a hash of it: never an index */
    uint32_t weight; /* capacity beside the others; 0 counts as 1 */
    uint32_t zone;   /* PLACE_ZONE_NONE: a zone of its own */
    bool takes;      /* holds partitions of this context: selected, not draining, alive */
};

struct place_conf {
    const struct place_node *nodes;
    uint32_t nodes_len;  /* at most PLACE_NODES_MAX */
    uint32_t partitions; /* 1.. */
    uint32_t copies;     /* 1..: primary and backups; more than there are nodes: all of them */
    uint64_t seed;       /* of the context */
};

/* Copies of each partition that place() gives: `copies`, or the nodes that take some. */
uint32_t place_copies(const struct place_conf *conf);
/* Rows of conf->copies node indexes, a row per partition, the primary first, PLACE_NONE where there
 * is none. `today` may name nodes that take nothing; they lose what they have. The order of backups
 * means nothing, and those that stay keep theirs. */
void place(const struct place_conf *conf, const uint16_t *today, uint16_t *ret_wanted);

#endif
