/* raft_priv.h - the engine from inside.
 *
 *   raft.c       making one, the call, what a step ends with    | figure 3.1
 *   election.c   time-out, pre-vote, vote                       | 3.4, 4.2.3, 9.6
 *   follow.c     entries from a leader                          | 3.5, 3.6
 *   lead.c       entries to the others, commit, quorum          | 3.5, 3.6, 6.2
 *   ask.c        submit, change, transfer                       | 4.1, 4.2, 3.10
 *   read.c       read index                                     | 6.4
 *   snapshot.c   making, sending, taking in                     | chapter 5
 *   message.c    what a message must look like
 */
#ifndef GRIDD_RAFT_RAFT_PRIV_H
#define GRIDD_RAFT_RAFT_PRIV_H

#include "base/prng.h"
#include "raft/journal.h"
#include "raft/raft.h"
#include "raft/sabotage.h"

enum { RAFT_MEMBERS_MAX = RAFT_VOTERS_MAX + RAFT_LEARNERS_MAX };
#define RAFT_NUMBER_MAX (UINT64_MAX >> 2) /* of indexes and terms: larger ones are made up */

struct snapshot { /* immutable, shared by those who send it */
    unsigned refs;
    struct raft_snapshot s; /* data is owned */
};

/* How a leader reaches one member.
 *
 *   PROBE --(it matches)--> STREAM --(refused)--> PROBE
 *     |                       |                     the entry it needs is gone: SNAPSHOT
 *     +---> SNAPSHOT <--------+    SNAPSHOT --(it is on its disk)--> STREAM */
enum peer_mode { PEER_PROBE, PEER_STREAM, PEER_SNAPSHOT };
struct peer {
    uint32_t id;
    enum peer_mode mode;
    bool sent;       /* PROBE, SNAPSHOT: one is under way */
    uint64_t next;   /* to be sent; STREAM: what is before it has been sent */
    uint64_t match;  /* the last on its disk */
    uint64_t commit; /* what it was told */
    uint64_t round;  /* the newest it answered */
    msec_t heard;
    struct snapshot *snapshot; /* SNAPSHOT: what it is sent */
    uint64_t offset;           /* what it has of it */
};

struct incoming { /* a snapshot being received */
    uint32_t from;
    uint64_t index, term, total;
    struct raft_membership membership;
    struct buf data;
};

struct read {
    uint64_t id;
    uint64_t index; /* 0: waits for the first commit of the term (C3) */
    uint64_t round; /* that must be answered; 0: the next one */
};

struct raft {
    struct raft_conf conf;
    struct prng prng;
    msec_t now;

    /* figure 3.1: on disk, once written; the log beside them */
    uint64_t term;
    uint32_t vote;
    struct journal log;
    struct snapshot *snapshot; /* the newest; NULL: none */

    /* the disk */
    uint64_t writes;      /* transactions asked for */
    uint64_t written;     /* on disk */
    msec_t disk_moved_at; /* a write was begun on an idle disk, or one was done */
    uint64_t vote_write;  /* the one with this term and vote */
    bool write_due;       /* in this step: */
    bool write_snapshot;
    uint64_t write_drop, write_cut; /* 0: none */
    uint64_t write_from;            /* first entry to write; 0: none */

    /* figure 3.1: volatile */
    enum raft_role role;
    uint32_t leader;
    uint64_t commit, applied;
    struct snapshot *restore; /* replaces the state once transaction restore_write is on disk */
    uint64_t restore_write;

    /* follower, candidate */
    msec_t election_at;
    bool leader_heard; /* at: */
    msec_t leader_heard_at;
    bool leader_closed; /* its link, and nothing was heard of it since, at: */
    msec_t leader_closed_at;
    bool vote_owed;    /* the vote is to be told once it is on disk */
    uint64_t verified; /* the log agrees with this leader's up to here (C2) */
    uint64_t told;     /* what it was told of that */
    uint64_t round;    /* leader: of the newest; follower: the newest seen */
    bool ack_due;      /* something was acknowledged less far than it will be */
    struct incoming *incoming;
    uint32_t granted[RAFT_VOTERS_MAX]; /* who voted for us, in this round */
    unsigned granted_len;
    unsigned tries; /* terms begun since a leader was heard */
    bool forced;    /* the leader wanted it */
    bool asked;     /* for votes: own one is on disk */

    /* leader */
    struct peer peers[RAFT_MEMBERS_MAX]; /* the other members */
    unsigned peers_len;
    uint64_t first;    /* its no-op: nothing is committed by counting before it (C3) */
    bool beat;         /* in this step: everyone is sent something */
    msec_t beat_at;    /* next */
    uint32_t transfer; /* 0: none */
    bool transfer_sent;
    msec_t transfer_until;
    struct read *reads; /* in order of round */
    size_t reads_len, reads_cap;

    /* the update being made */
    struct raft_message *out;
    size_t out_len, out_cap;
    uint64_t *done, *failed; /* reads */
    size_t done_len, done_cap, failed_len, failed_cap;
    uint64_t dropped;
    bool changed;
    struct snapshot *lent; /* the restore of the last update */
};

/* --- raft.c --- */
/* A message of this term from this node; the rest is the caller's to fill in. */
struct raft_message *raft_send(struct raft *r, enum raft_message_kind kind, uint32_t to);
void raft_append(struct raft *r, uint64_t term, enum raft_entry_kind kind, struct slice data);
void raft_cut(struct raft *r, uint64_t from);
/* A term and a vote to be written. */
void raft_set_term(struct raft *r, uint64_t term, uint32_t vote);
void raft_commit(struct raft *r, uint64_t upto);
void raft_become(struct raft *r, enum raft_role role, uint32_t leader);
/* The value that a majority of the voters reaches. */
uint64_t raft_quorum(const struct raft *r, uint64_t (*of)(const struct raft *r, uint32_t voter));
const struct raft_membership *raft_members(const struct raft *r);

/* --- election.c --- */
void election_tick(struct raft *r);
void election_reset(struct raft *r);
/* Follow in `term`, or go on following in this one. */
void election_follow(struct raft *r, uint64_t term, uint32_t leader);
/* The link with that node is closed. */
void election_closed(struct raft *r, uint32_t node);
void election_written(struct raft *r);
void election_prevote(struct raft *r, const struct raft_message *m);
void election_vote(struct raft *r, const struct raft_message *m);
void election_reply(struct raft *r, const struct raft_message *m);
void election_timeout_now(struct raft *r, const struct raft_message *m);

/* --- follow.c --- */
void follow_append(struct raft *r, const struct raft_message *m);
/* What became true of the disk is told. */
void follow_end(struct raft *r);
/* To be told to whom is at an older term. */
void follow_refuse(struct raft *r, const struct raft_message *m);

/* --- lead.c --- */
void lead_begin(struct raft *r);
void lead_leave(struct raft *r);
void lead_tick(struct raft *r);
void lead_reply(struct raft *r, const struct raft_message *m);
void lead_members_changed(struct raft *r);
void lead_commit(struct raft *r);
void lead_end(struct raft *r);
msec_t lead_quorum_heard(const struct raft *r);
struct peer *lead_peer(struct raft *r, uint32_t id);
bool lead_silent(const struct raft *r, const struct peer *p);
/* All it has of the log is known now. */
void lead_matched(struct raft *r, struct peer *p, uint64_t match);

/* --- ask.c --- */
enum raft_refusal ask_submit(struct raft *r, const struct raft_event *ev);
enum raft_refusal ask_change(struct raft *r, const struct raft_event *ev);
enum raft_refusal ask_transfer(struct raft *r, uint32_t node);
void ask_transfer_go(struct raft *r);

/* --- read.c --- */
void read_add(struct raft *r, uint64_t id);
/* Whether a new round must be begun for someone. */
bool read_wants_round(const struct raft *r);
void read_round_begun(struct raft *r);
void read_end(struct raft *r);
void read_fail_all(struct raft *r);

/* --- snapshot.c --- */
struct snapshot *snapshot_new(uint64_t index, uint64_t term, const struct raft_membership *m,
                              struct slice data);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
static inline uint64_t snapshot_index(const struct raft *r)
{
    return r->snapshot ? r->snapshot->s.index : 0;
}
void snapshot_made(struct raft *r, uint64_t index, struct slice data);
bool snapshot_wanted(const struct raft *r);
void snapshot_send(struct raft *r, struct peer *p);
void snapshot_stop(struct peer *p);
void snapshot_receive(struct raft *r, const struct raft_message *m);
void snapshot_reply(struct raft *r, const struct raft_message *m);
void snapshot_forget_incoming(struct raft *r);

/* --- message.c --- */
bool message_valid(const struct raft *r, const struct raft_message *m);

#endif
