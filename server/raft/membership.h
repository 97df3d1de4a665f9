/* membership.h - who takes part in a grid's consensus. Plain data; changed one node at a time
 * (thesis, 4.1), so that any two majorities, before and after, have a voter in common.
 * Invariant (raft_membership_valid): numbers > 0, each once, sorted, at least one voter. */
#ifndef GRIDD_RAFT_MEMBERSHIP_H
#define GRIDD_RAFT_MEMBERSHIP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { RAFT_VOTERS_MAX = 7, RAFT_LEARNERS_MAX = 64 };

struct raft_membership {
    uint8_t voters_len;
    uint8_t learners_len;
    uint32_t voters[RAFT_VOTERS_MAX];     /* elect and commit */
    uint32_t learners[RAFT_LEARNERS_MAX]; /* have the log, do not count */
};

bool raft_is_voter(const struct raft_membership *m, uint32_t node);
bool raft_is_learner(const struct raft_membership *m, uint32_t node);
/* Put in, whatever it was. False: no room; unchanged. */
bool raft_membership_add_voter(struct raft_membership *m, uint32_t node);
bool raft_membership_add_learner(struct raft_membership *m, uint32_t node);
/* Fine for a node that is not in it. */
void raft_membership_remove(struct raft_membership *m, uint32_t node);
bool raft_membership_eq(const struct raft_membership *a, const struct raft_membership *b);
bool raft_membership_valid(const struct raft_membership *m);

/* The data of an entry: u8 voters_len | u8 learners_len | u32 little-endian each. */
void raft_membership_encode(const struct raft_membership *m, struct buf *to);
/* False: it is none; *ret_membership is not set. */
MUST_USE
bool raft_membership_decode(struct slice s, struct raft_membership *ret_membership);

#endif
