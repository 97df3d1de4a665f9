/* replica_priv.h - what the files of this room share: the other members, and what is under way. */
#ifndef GRIDD_REPLICA_REPLICA_PRIV_H
#define GRIDD_REPLICA_REPLICA_PRIV_H

#include "replica/replica.h"
#include "replica/sabotage.h"

/* What the primary knows of another member.
 *
 *   SILENT --STATUS--> STREAM <--ack of a whole copy-- COPYING
 *     ^                  |                                ^
 *     |                  +--KNOCK, no progress--> SILENT  |
 *     +--KNOCK-- CUTTING <----------STATUS--------SILENT--+
 *
 *   LOST: it cannot go on, and must leave the set first. IDLE: this node, and who is eligible: it
 * comes back as joining. */
enum peer_state { PEER_IDLE, PEER_SILENT, PEER_STREAM, PEER_CUTTING, PEER_COPYING, PEER_LOST };

struct replica_peer {
    struct replica_member member;
    uint64_t acked;  /* it holds the records so far, since this node leads */
    uint64_t sent;   /* the stream is there */
    msec_t since;    /* it owes an ack, and none came since then; 0: it owes nothing */
    msec_t asked_at; /* when the question without an answer was asked last */
    uint32_t round;  /* of the last HELLO */
    uint32_t copy;   /* round of the copy that is under way or was; 0: none */
    uint8_t state;   /* enum peer_state */
    bool slow;       /* its acks came too late once */
    bool broken;     /* so it says of what it has */
};

enum { BEFORE_MAX = 4 };

struct replica_set {
    uint8_t len, in_sync, complete; /* as in the configuration */
    uint8_t self;                   /* index; len: no member */
    bool led;
    uint8_t before_len;
    struct replica_member before[BEFORE_MAX]; /* R9: see before_find() */
    msec_t formed;                            /* since when it is in force */
    /* primary */
    uint8_t ask;    /* enum replica_ask, unanswered */
    uint8_t adding; /* index + 1 of who counts as in sync already (R8); 0: nobody */
    uint8_t tries;  /* how often its promotion was asked for in this epoch */
    uint8_t target; /* R12: index + 1; 0: no hand-over */
    bool handed;    /* one was asked for in this epoch, whatever became of it */
    uint8_t blocks; /* index of whose lease is missing */
    /* other members */
    bool served;  /* R12: see served_last() */
    bool synced;  /* its log is a part of the primary's */
    bool knocked; /* and no HELLO came yet */
    bool cutting;
    bool ack_due;
    uint32_t answered; /* round of the HELLO in force; 0: none */
    uint32_t copy;     /* round of the copy that is under way, or came last */
    uint64_t mark;     /* primary: end of the tail it took over; others: common point of the cut */
    uint64_t told;     /* primary: commit told to all; others: last ack sent */
    uint64_t heard;    /* others: commit of the primary */
    msec_t grace;      /* R9: leases granted before end here; of a primary that serves: 0 */
    msec_t stopped;    /* R12: since then */
    msec_t blocked;    /* reads wait for a lease since then; 0: they do not */
    msec_t ticked;     /* last tick, while somebody owes something */
    msec_t retry_at;   /* ask, knock: again then */
    msec_t tell_at;    /* 0: nothing to tell */
    struct replica_peer peers[]; /* all members, this node too */
};

#define NEVER UINT64_MAX

static inline bool member_none(struct replica_member m)
{
    return m.node == 0;
}

static inline struct replica_peer *peers_end(struct replica_set *s)
{
    return &s->peers[s->len];
}

/* --- replica.c -------------------------------------------------------------------------------- */

void wake(struct replica *r);
/* R5 at the primary, what was heard elsewhere. True: commit moved. */
bool commit_update(struct replica *r);
/* Index of a member, or -1. */
int set_find(const struct replica_set *s, struct replica_member m);
/* Whether the peer's ack and lease count (R8). */
bool counts(const struct replica_set *s, unsigned i);
/* A message of the kind, with everything in it that all have. */
struct replica_message message(const struct replica *r, enum replica_message_kind kind,
                               uint32_t round);

/* --- primary.c -------------------------------------------------------------------------------- */

void primary_receive(struct replica *r, const struct replica_message *m, msec_t now);
void primary_flush(struct replica *r, msec_t now);
void primary_tick(struct replica *r, msec_t now);
msec_t primary_next(const struct replica *r);
/* Where the records after `version` are. */
enum replica_kept kept(struct replica *r, uint64_t version);
void primary_hello(struct replica *r, struct replica_peer *p, msec_t now);
/* The copy to a peer ends, if there is one. */
void primary_forget(struct replica *r, struct replica_peer *p);

/* --- asks.c ----------------------------------------------------------------------------------- */

/* What the control plane should do, and whether a takeover is over. */
void asks_drive(struct replica *r, msec_t now);
msec_t asks_next(const struct replica *r);
/* Whether it cannot rely on what it has, and one that has all left the set: it commits nothing. */
bool outlived(const struct replica *r);

/* --- member.c --------------------------------------------------------------------------------- */

enum replica_verdict member_receive(struct replica *r, const struct replica_message *m, msec_t now);
void member_flush(struct replica *r, msec_t now);
void member_tick(struct replica *r, msec_t now);
void member_knock(struct replica *r, msec_t now);

#endif
