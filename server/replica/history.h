/* history.h - which records a replica has, in a few numbers: the last one, and the last one of each
 * of the newest epochs before. Plain data, borrowed and copied freely.
 *
 * An epoch has one primary, which adds to a log that it has. So who has a record of an epoch has
 * all that came before it, and two logs are equal up to the lower end of the newest epoch that
 * they share: their common point (R9, R11).
 * Invariant (replica_history_check): ends descend, below last, one per epoch. */
#ifndef GRIDD_REPLICA_HISTORY_H
#define GRIDD_REPLICA_HISTORY_H

#include "base/err.h"

#include <stdint.h>

enum { REPLICA_ENDS_MAX = 7 };

struct replica_history {
    uint64_t last;                   /* version; 0: no record */
    uint64_t ends[REPLICA_ENDS_MAX]; /* last version of each epoch before, the newest first */
    uint8_t ends_len;
    bool torn; /* there were epochs before those of the list */
};

/* The next record, of a greater version than the last. */
void replica_history_add(struct replica_history *h, uint64_t version);
/* Forget what is beyond `version`, which it has (or 0). */
void replica_history_cut(struct replica_history *h, uint64_t version);
/* Take on what `older`, of the same log, knows of epochs before, if it has the oldest record that
 * `h` knows of. */
void replica_history_extend(struct replica_history *h, const struct replica_history *older);
/* The last version that it has of those up to `version`; 0: none. */
uint64_t replica_history_floor(const struct replica_history *h, uint64_t version);
/* The last version that both have; 0: they begin to differ at the first record. False: it cannot be
 * told, for the lists are too short. */
bool replica_history_common(const struct replica_history *a, const struct replica_history *b,
                            uint64_t *ret_version);
/* False for one from the wire that breaks the invariant. */
bool replica_history_valid(const struct replica_history *h);
void replica_history_check(const struct replica_history *h);

#endif
