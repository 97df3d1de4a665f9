/* log.h - the entries of one node in memory, and who takes part as they say. Private to the room.
 *
 *   base      base + 1 ...... stable ...... last
 *   (index,   on disk                 being written
 *    term)
 *
 * base: the entry before the first; its content is in the snapshot, or nothing.
 * Membership takes effect when appended (C5): a mark for each, so that a cut rolls back.
 * Invariant (log_check): terms do not fall; marks rise, and the first is of the snapshot. */
#ifndef GRIDD_RAFT_LOG_H
#define GRIDD_RAFT_LOG_H

#include "raft/raft.h"

struct log_note {
    uint64_t write; /* number of the transaction that has it */
    uint64_t sum;   /* bytes of all entries up to this one, in this life */
};

struct log_mark {
    uint64_t index; /* of the entry, or of the snapshot */
    struct raft_membership membership;
};

struct log {
    uint64_t base, base_term;
    uint64_t base_write; /* number of the transaction that made it the base */
    uint64_t base_sum;
    uint64_t stable;
    struct raft_entry *entries; /* data is owned */
    struct log_note *notes;
    size_t len, cap;
    struct log_mark *marks; /* never empty; [0] is of the snapshot */
    size_t marks_len, marks_cap;
};

enum { LOG_ENTRY_OVERHEAD = 32 }; /* an entry counts as its data and this */

/* Empty behind (index, term), which transaction `write` makes the base. */
void log_init(struct log *l, uint64_t index, uint64_t term, uint64_t write,
              const struct raft_membership *m);
void log_release(struct log *l);

static inline uint64_t log_last(const struct log *l)
{
    return l->base + l->len;
}

static inline const struct raft_entry *log_at(const struct log *l, uint64_t index)
{
    return &l->entries[index - l->base - 1];
}

/* False: it is not known, being too old or not there yet. */
bool log_term(const struct log *l, uint64_t index, uint64_t *ret_term);
uint64_t log_last_term(const struct log *l);
/* The largest index <= `upto` whose term is <= `term`; base when there is none. */
uint64_t log_floor(const struct log *l, uint64_t upto, uint64_t term);
/* Bytes of the entries from + 1 .. to. */
uint64_t log_bytes(const struct log *l, uint64_t from, uint64_t to);

/* Copy behind the last; index is set here. A membership must be well-formed. */
void log_append(struct log *l, const struct raft_entry *e, uint64_t write);
/* Remove the entries from `from` on. */
void log_cut(struct log *l, uint64_t from);
/* Remove the entries up to `to`, which is the base then. */
void log_drop(struct log *l, uint64_t to);
/* Transactions up to `write` are on disk. */
void log_written(struct log *l, uint64_t write);

/* In force: the newest, committed or not. */
const struct log_mark *log_members(const struct log *l);
/* As of an entry. */
const struct log_mark *log_members_at(const struct log *l, uint64_t index);
/* The snapshot is of `index` now: older marks go. */
void log_marks_drop(struct log *l, uint64_t index);

void log_check(const struct log *l);

#endif
