/* replica.h - one partition's replication: which version comes next, what is acknowledged, what
 * is committed. Pure. Rules R1-R14: README.md. The in-sync set holds this node alone, so the
 * lowest acknowledgement over it is its own. Versions of a partition only grow, over epochs too,
 * so they are compared whole. Invariant (replica_check): commit <= acked <= last; the next
 * version is greater than every one before. */
#ifndef GRIDD_REPLICA_REPLICA_H
#define GRIDD_REPLICA_REPLICA_H

#include "base/err.h"

#include <stdint.h>

struct replica {
    uint64_t epoch;  /* of the configuration in force (R1) */
    uint64_t last;   /* version of the last record given or recovered; 0: none */
    uint64_t acked;  /* last record this node holds as safely as the context asks (R4) */
    uint64_t commit; /* last record every in-sync member has acknowledged (R5) */
};

/* An empty partition. `epoch` > 0. */
void replica_init(struct replica *r, uint64_t epoch);
/* A record found on disk at start; it was or may have been acknowledged, so it counts as
 * committed (R10). Any order. */
void replica_recover(struct replica *r, uint64_t version);
/* A record of this node's own said what the partition's last one is now (data/record.h): more was
 * cut, or a copy came in. Not below the commit, but at a start. */
void replica_restate(struct replica *r, uint64_t version);
/* The version of the next record (R2): seq + 1 in the epoch in force. 0: there is none, the
 * numbers are used up or a record of a later epoch was recovered. */
uint64_t replica_peek(const struct replica *r);
/* The record of that version is made: it is the last one now. */
void replica_advance(struct replica *r, uint64_t version);
/* This node holds every record up to `version` (R4). True when commit moved (R5). Older ones are
 * fine. */
bool replica_ack(struct replica *r, uint64_t version);
/* Whether a record is not committed yet: who read it must wait (R6). */
static inline bool replica_pending(const struct replica *r, uint64_t version)
{
    return version > r->commit;
}

void replica_check(const struct replica *r);

#endif
