/* raft.h - consensus of one node: an event goes in, what is to be done comes out. Pure: no clock,
 * disk, socket or chance, no callback; entries are bytes it cannot read. Source: D. Ongaro,
 * "Consensus: Bridging Theory and Practice" (2014); its figures and sections are named in the code,
 * and the rules C1..C9 of the README.
 *
 *   events: tick, message, written, submit, change, transfer, read, snapshot
 *                               | raft_step()
 *   update: persist (one transaction) | messages | restore, entries to apply | reads | refused
 *
 * The disk may be slow: the caller hands `persist` on, goes on with other events, and says
 * RAFT_EVENT_PERSISTED when it is synced. Messages go out at once: what promises something that is
 * not on disk yet (a vote, an acknowledgement) the engine keeps back itself (C1).
 * One thread. All that an update points at is borrowed until the next raft_step(). */
#ifndef GRIDD_RAFT_RAFT_H
#define GRIDD_RAFT_RAFT_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "raft/membership.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- what is kept and sent -------------------------------------------------------------------- */

enum raft_entry_kind {
    RAFT_ENTRY_NOOP = 1,   /* first of each leader; no data */
    RAFT_ENTRY_COMMAND,    /* data: the caller's */
    RAFT_ENTRY_MEMBERSHIP, /* data: raft_membership_decode() */
};
struct raft_entry {
    uint64_t index; /* 1.. without gaps */
    uint64_t term;  /* 1.., never falls along the log */
    enum raft_entry_kind kind;
    struct slice data;
};

/* The whole state after entry `index` (C6: one object, never put together from parts). */
struct raft_snapshot {
    uint64_t index, term;              /* 0: there is none */
    struct raft_membership membership; /* as of index (C5) */
    struct slice data;
};

enum raft_message_kind {
    RAFT_MESSAGE_PREVOTE = 1,    /* term it would stand in; index, log_term: the end of its log */
    RAFT_MESSAGE_PREVOTE_REPLY,  /* ok: term as asked; else term: of the one who refuses */
    RAFT_MESSAGE_VOTE,           /* as PREVOTE; force: the leader wanted it (transfer) */
    RAFT_MESSAGE_VOTE_REPLY,     /* ok */
    RAFT_MESSAGE_APPEND,         /* index, log_term: before the entries; commit; round; entries */
    RAFT_MESSAGE_APPEND_REPLY,   /* round as got. ok: index is the last one that matches and is on
                                * disk, asked the last one that matches. Else asked: index of the
                                * refused APPEND; index, log_term: the last that may match (C7) */
    RAFT_MESSAGE_SNAPSHOT,       /* index, log_term, membership; offset, total, data: a part */
    RAFT_MESSAGE_SNAPSHOT_REPLY, /* index, log_term as got. ok: it is on disk; else offset: of the
                                  * part wanted next */
    RAFT_MESSAGE_TIMEOUT_NOW,    /* stand for election at once (transfer) */
};
/* Fields that a kind does not name are 0. Values may be hostile: what makes no sense is dropped. */
struct raft_message {
    enum raft_message_kind kind;
    uint32_t from, to; /* node numbers; the link must vouch for `from` */
    uint64_t term;
    uint64_t index, log_term;
    uint64_t commit;
    uint64_t round;
    uint64_t asked;
    bool ok;
    bool force;
    const struct raft_entry *entries; /* indexes follow one another from index + 1 */
    size_t entries_len;
    const struct raft_membership *membership; /* of SNAPSHOT, else NULL */
    uint64_t offset, total;
    struct slice data;
};

/* One transaction, synced before RAFT_EVENT_PERSISTED (C1): all of it or nothing, in the order of
 * the numbers; several may be joined into one. A write that fails ends the node (C8). */
struct raft_persist {
    uint64_t number; /* 1.. in each life of the engine; 0: there is nothing to write */
    uint64_t term;   /* always set: put both */
    uint32_t vote;
    const struct raft_snapshot *snapshot; /* put in place of the one on disk; NULL: keep that */
    /* Then, of the log: */
    uint64_t drop_to;                 /* remove entries up to this index; 0: none */
    uint64_t cut_from;                /* remove entries from this index on; 0: none */
    const struct raft_entry *entries; /* then add these, in place of any with the same index */
    size_t entries_len;
};

/* --- making one ------------------------------------------------------------------------------- */

/* Zero takes the default. */
struct raft_conf {
    uint32_t self;               /* number of this node, never used again by another disk (C8) */
    uint64_t seed;               /* of this life: makes election timeouts differ between nodes */
    uint32_t heartbeat_ms;       /* 100 */
    uint32_t election_ms_min;    /* 400: no vote against a leader heard within this */
    uint32_t election_ms_max;    /* 800: patience without a leader is drawn between the two */
    uint32_t append_bytes_max;   /* 256 KiB: of one APPEND; a single entry may be larger */
    uint32_t window_bytes_max;   /* 4 MiB: sent to one node and not yet acknowledged */
    uint32_t window_entries_max; /* 4096: the same in entries */
    uint32_t chunk_bytes;        /* 256 KiB: of a snapshot in one message */
    uint64_t snapshot_bytes_max; /* 256 MiB: larger ones are refused */
    uint32_t command_bytes_max;  /* 16 MiB: of one entry */
    uint64_t pending_bytes_max;  /* 64 MiB: submitted and not yet committed */
    uint32_t reads_max;          /* 4096: waiting at once */
    uint32_t snapshot_entries;   /* 10000: a snapshot is wanted when so many are in front of it */
    uint64_t snapshot_bytes;     /* 16 MiB: the same in bytes */
    uint32_t keep_entries;       /* 2000: kept behind a snapshot for those who lag a little */
};

/* What the disk holds, in one read transaction. Of an empty disk: all zero. */
struct raft_stored {
    uint64_t term;
    uint32_t vote;
    struct raft_snapshot snapshot;
    const struct raft_entry *entries; /* from snapshot.index + 1 or earlier, without gaps */
    size_t entries_len;
};

/* The state that a new grid begins with: a snapshot of index 1, term 1. To be put on the disk of
 * each founding node (the same on each) before raft_new(); everyone else starts empty, and is told
 * by a leader once it is added. Borrows `data`. */
void raft_found(const struct raft_membership *members, struct slice data,
                struct raft_stored *ret_stored);

struct raft; /* opaque */

/* A follower as the disk knows it; copies what it needs. The caller loads its state from
 * disk.snapshot first (if it has an index) and is given the entries behind it to apply, again.
 * GRID_ECORRUPT: `disk` contradicts itself. *ret_raft is the caller's; release with raft_free(). */
MUST_USE
enum grid_err raft_new(const struct raft_conf *conf, const struct raft_stored *disk, msec_t now,
                       struct raft **ret_raft);
void raft_free(struct raft *r); /* NULL is fine */

/* --- the call --------------------------------------------------------------------------------- */

enum raft_change_op {
    RAFT_ADD = 1, /* a new node as learner */
    RAFT_PROMOTE, /* a learner that has caught up becomes voter */
    RAFT_DEMOTE,  /* a voter becomes learner */
    RAFT_REMOVE,  /* a voter or learner */
};

enum raft_event_kind {
    RAFT_EVENT_TICK = 1,  /* time has passed; due at raft_view.wake at the latest */
    RAFT_EVENT_RECEIVE,   /* message */
    RAFT_EVENT_PERSISTED, /* written: all writes up to this number are synced */
    RAFT_EVENT_SUBMIT,    /* commands, commands_len: entries to add, in order, all or none */
    RAFT_EVENT_CHANGE,    /* change, node: the members become others (one node at a time) */
    RAFT_EVENT_TRANSFER,  /* node: to become leader instead; 0: the best one */
    RAFT_EVENT_CLOSED,    /* the link with node is closed: a hint that it may be gone */
    RAFT_EVENT_READ,      /* read: when may the state be read linearizably? Ids are the caller's */
    RAFT_EVENT_SNAPSHOT_MADE, /* index, data: the whole state after that applied entry; copied */
};
struct raft_event {
    enum raft_event_kind kind;
    msec_t now; /* monotonic */
    const struct raft_message *message;
    uint64_t written;
    const struct slice *commands;
    size_t commands_len;
    enum raft_change_op change;
    uint32_t node;
    uint64_t read;
    uint64_t index;
    struct slice data;
};

enum raft_refusal {
    RAFT_ACCEPTED = 0,
    RAFT_NOT_LEADER,   /* ask raft_view.leader */
    RAFT_TRANSFERRING, /* leadership is being handed over: ask again soon */
    RAFT_NOT_READY,    /* no entry of this term is committed yet (C3): ask again soon */
    RAFT_CHANGING,     /* an earlier change is not committed yet: ask again soon */
    RAFT_LAGGING,      /* the node is silent or too far behind for that: ask again later */
    RAFT_FULL,         /* too much is waiting: ask again later */
    RAFT_INVALID,      /* never possible: too large, no such node, the last voter, too many */
};

struct raft_update {
    struct raft_persist persist;
    const struct raft_message *messages; /* to be sent now, in order; may be lost */
    size_t messages_len;
    /* The state becomes this first; NULL: it stays. It is on disk. */
    const struct raft_snapshot *restore;
    /* Then these are applied: committed, on this disk, in order, once in this life. */
    const struct raft_entry *committed;
    size_t committed_len;
    /* Then these reads may look at the state. */
    const uint64_t *reads;
    size_t reads_len;
    const uint64_t *reads_failed; /* no longer leader: ask elsewhere */
    size_t reads_failed_len;
    /* The answer to SUBMIT, CHANGE or TRANSFER (READ: reads_failed). Accepted entries have the
     * indexes `index`.. and `term`: if another term is committed there, they are lost; until then,
     * whatever happens to the leader, they are in doubt. A transfer has ended when the leader
     * changes, or when raft_view.transfer is 0 again: not done. */
    enum raft_refusal refused;
    uint64_t index, term;
    bool changed;         /* role, term, leader, ready or members in raft_view() */
    bool snapshot_wanted; /* make one of a state not older than this; said until it is made */
};

/* The one call. *ret_update is overwritten. */
void raft_step(struct raft *r, const struct raft_event *event, struct raft_update *ret_update);

/* --- looking ---------------------------------------------------------------------------------- */

enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_view {
    enum raft_role role;
    uint64_t term;
    uint32_t leader;                        /* 0: not known */
    bool ready;                             /* leader, and an entry of its term is applied here */
    uint32_t transfer;                      /* the leader hands over to this node; 0: no */
    uint64_t last, commit, applied, stable; /* of the log; stable: on disk */
    uint64_t snapshot;                      /* index of the newest */
    uint64_t dropped;                       /* messages that made no sense, since the start */
    msec_t wake;                            /* when TICK is due */
    const struct raft_membership *members;  /* in force (C5); borrowed until the next step */
    bool members_committed;
};
struct raft_view raft_view(const struct raft *r);

/* How far a member is, as a leader knows. False: this is no leader, or that no member. */
struct raft_progress {
    uint64_t match;   /* last entry known to be on its disk */
    msec_t heard;     /* when it last answered; of a new leader: when it began */
    bool by_snapshot; /* is being sent one */
};
MUST_USE
bool raft_progress(const struct raft *r, uint32_t node, struct raft_progress *ret_progress);

void raft_check(const struct raft *r);

#endif
