/* config.h - R1: who holds a partition, as the control log says it. Plain data; changed by making
 * a new one with epoch + 1.
 *
 *   members: | primary, other in-sync ... | eligible ... | joining ... |
 *            0                            in_sync        complete       len
 *
 * In sync: has every committed record; the primary, if there is one, is the first. Eligible: was
 * in sync when the set fell below min_in_sync, so nothing has been committed without it since
 * (KIP-966). Joining: is catching up. A member is a node's one life: after a restart it is another.
 * Invariant (replica_config_check): in_sync <= complete <= len; no node twice; who leads is in
 * sync. */
#ifndef GRIDD_REPLICA_CONFIG_H
#define GRIDD_REPLICA_CONFIG_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { REPLICA_MEMBERS_MAX = 32 }; /* so `backups = all` means 31 at most */

struct replica_member {
    uint32_t node; /* number that the grid gave it, 1.., never used again; 0: nobody */
    uint32_t boot; /* number of its start, 1.. */
};

struct replica_config {
    uint64_t epoch; /* 1..2^24-1; 0: none is known */
    uint64_t born;  /* what was recorded in an epoch before this one is void: then the partition
                       was made, or reset; 0: nothing is void. <= epoch */
    bool led;       /* the first member is primary; else nobody is: all copies are down, or lost */
    bool lost;      /* no copy is left: operations say so until an operator resets it */
    uint8_t in_sync;
    uint8_t complete;
    uint8_t len;
    struct replica_member members[REPLICA_MEMBERS_MAX];
};

static inline bool replica_member_eq(struct replica_member a, struct replica_member b)
{
    return a.node == b.node && a.boot == b.boot;
}

/* Its index, or -1. */
static inline int replica_config_find(const struct replica_config *c, struct replica_member m)
{
    for (int i = 0; i < c->len; i++)
        if (replica_member_eq(c->members[i], m))
            return i;
    return -1;
}

void replica_config_check(const struct replica_config *c);

#endif
