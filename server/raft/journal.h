/* journal.h - the entries of one node in memory, and who takes part as they say. Private.
 *
 *   base      base + 1 ...... stable ...... last
 *   (index,   on disk                 being written
 *    term)
 *
 * base: the entry before the first; its content is in the snapshot, or nothing.
 * Membership takes effect when appended (C5): a mark for each, so that a cut rolls back.
 * Invariant (journal_check): terms do not fall; marks rise, and the first is of the snapshot. */
#ifndef GRIDD_RAFT_JOURNAL_H
#define GRIDD_RAFT_JOURNAL_H

#include "raft/raft.h"

struct note {
    uint64_t write; /* number of the transaction that has it */
    uint64_t sum;   /* bytes of all entries up to this one, in this life */
};

struct mark {
    uint64_t index; /* of the entry, or of the snapshot */
    struct raft_membership membership;
};

struct journal {
    uint64_t base, base_term;
    uint64_t base_write; /* number of the transaction that made it the base */
    uint64_t base_sum;
    uint64_t stable;
    struct raft_entry *entries; /* data is owned */
    struct note *notes;
    size_t len, cap;
    struct mark *marks; /* never empty; [0] is of the snapshot */
    size_t marks_len, marks_cap;
};

enum { LOG_ENTRY_OVERHEAD = 32 }; /* an entry counts as its data and this */

/* Empty behind (index, term), which transaction `write` makes the base. */
void journal_init(struct journal *l, uint64_t index, uint64_t term, uint64_t write,
                  const struct raft_membership *m);
void journal_release(struct journal *l);

static inline uint64_t journal_last(const struct journal *l)
{
    return l->base + l->len;
}

static inline const struct raft_entry *journal_at(const struct journal *l, uint64_t index)
{
    return &l->entries[index - l->base - 1];
}

/* False: it is not known, being too old or not there yet. */
bool journal_term(const struct journal *l, uint64_t index, uint64_t *ret_term);
uint64_t journal_last_term(const struct journal *l);
/* The largest index <= `upto` whose term is <= `term`; base when there is none. */
uint64_t journal_floor(const struct journal *l, uint64_t upto, uint64_t term);
/* Bytes of the entries from + 1 .. to. */
uint64_t journal_bytes(const struct journal *l, uint64_t from, uint64_t to);

/* Copy behind the last; index is set here. A membership must be well-formed. */
void journal_append(struct journal *l, const struct raft_entry *e, uint64_t write);
/* Remove the entries from `from` on. */
void journal_cut(struct journal *l, uint64_t from);
/* Remove the entries up to `to`, which is the base then. */
void journal_drop(struct journal *l, uint64_t to);
/* Transactions up to `write` are on disk. */
void journal_written(struct journal *l, uint64_t write);

/* In force: the newest, committed or not. */
const struct mark *journal_members(const struct journal *l);
/* As of an entry. */
const struct mark *journal_members_at(const struct journal *l, uint64_t index);
/* The snapshot is of `index` now: older marks go. */
void journal_marks_drop(struct journal *l, uint64_t index);

void journal_check(const struct journal *l);

#endif
