/* replica.h - one member's side of the replication of one partition. Pure; embedded by the shard in
 * its partition. Rules R1-R12 and where they live: README.md.
 *
 *              replica_configure()
 *   NONE ----> JOINING ----> BACKUP <----> PRIMARY: TAKEOVER --> SERVING <--> STOPPED (R12)
 *    ^            |            |  ^           |
 *    +------------+------------+--|-----------+     BACKUP --> ELIGIBLE (below min_in_sync)
 *    +-- WAITING (nobody leads) <-+-----------+
 *
 * The shard tells it what happens and asks what is allowed. What it wants goes out by ports, which
 * only enqueue; after any call that may have changed something it says wake() once, and the shard
 * calls replica_flush() before its turn ends. So many records cost one message and one ack.
 *
 * A record at the primary:  replica_peek -> log, apply -> replica_advance ... replica_ack when
 * stored -> commit moved?. At another member: replica_receive says TAKE -> for each record
 * replica_take -> log, apply -> replica_advance ... replica_ack -> flush sends the ack.
 *
 * Without ports (NULL), and in a configuration with one member, nothing is ever sent.
 * Invariant (replica_check): commit <= last; acked <= last; of a primary commit <= the ack of every
 * member that counts (R5, R8); nobody but a primary has an ask or serves. */
#ifndef GRIDD_REPLICA_REPLICA_H
#define GRIDD_REPLICA_REPLICA_H

#include "replica/ports.h"

enum replica_role {
    REPLICA_NONE,     /* no member: what it has is material for catching up (R10) */
    REPLICA_JOINING,  /* catches up (R11) */
    REPLICA_ELIGIBLE, /* complete, out of the set: as joining, but it may lead */
    REPLICA_BACKUP,   /* in sync */
    REPLICA_PRIMARY,
    REPLICA_WAITING /* nobody leads; tell the planner replica_last() (R10) */
};

enum replica_phase {
    REPLICA_IDLE,     /* not primary */
    REPLICA_TAKEOVER, /* R9: waits for the old lease to end and for its tail to be acked */
    REPLICA_SERVING,
    REPLICA_STOPPED /* R12: reads only, until the hand-over was made or given up */
};

struct replica {
    const struct replica_ports *ports; /* NULL: a sole member without others */
    const struct replica_times *times;
    struct replica_history history; /* .last: version of the last record */
    uint64_t acked;                 /* this node holds the records so far, as R4 asks */
    uint64_t commit;                /* every member in sync does (R5) */
    uint64_t sure;                  /* backup: see replica_copy_reads() */
    struct replica_set *set;        /* the other members, and what is under way; NULL: none */
    struct replica_member self;
    uint32_t epoch; /* of the configuration in force (R1); 0: none */
    uint32_t reign; /* primary: since that epoch nobody else can have led */
    uint32_t round; /* last one begun or answered */
    uint8_t role;   /* enum replica_role */
    uint8_t phase;  /* enum replica_phase */
    uint8_t min_in_sync;
    bool copying; /* the content is a part of a copy */
    bool broken;  /* the content cannot be relied on */
    bool stray;   /* it can, but what it has too much of cannot be cut */
    bool woken;   /* wake() was said, flush() did not follow yet */
};

/* An empty partition with no configuration. `ports` and `times` outlive it; NULL: see above. */
void replica_open(struct replica *r, const struct replica_ports *ports,
                  const struct replica_times *times);
void replica_close(struct replica *r);
/* A sole member that serves, in `epoch` > 0, whatever is configured elsewhere. */
void replica_init(struct replica *r, uint64_t epoch);

/* R10: at a start, before the first configuration. A record found on disk, or in the checkpoint, in
 * order of their versions (others are passed over). */
void replica_recover(struct replica *r, uint64_t version);
/* A record of this node's own said what the last one is (data/record.h: WIPE, MEND, ADOPT). Also
 * later, of a primary that has no other in sync: who joins is copied. */
void replica_restate(struct replica *r, uint64_t version);
/* What was found is a part of a copy that never ended. Who is made primary with such a part cannot
 * rely on it (replica_break). */
void replica_recover_copying(struct replica *r);
/* At any time: the log on disk has epochs before those that were recovered. */
void replica_recalled(struct replica *r, const struct replica_history *older);

/* R1: the control state says `c`; `self` is this node's present life. NULL: the partition is no
 * more, or this node's life is over. Older epochs than the one in force are passed over, so is the
 * same one again but for min_in_sync. */
void replica_configure(struct replica *r, const struct replica_config *c,
                       struct replica_member self, unsigned min_in_sync, msec_t now);

/* Primary. Whether it takes writes now: SERVING. */
static inline bool replica_admits(const struct replica *r)
{
    return r->phase == REPLICA_SERVING;
}
/* Fewer are in sync than min_in_sync: nothing will be committed for now (R5). Refuse writes. */
bool replica_short(const struct replica *r);
/* Primary. Whether an answer to a read that was done at `now` or before may be given (R7): ask when
 * the read is done. False: park it and ask again soon; a member whose lease is missing for long is
 * asked out. */
bool replica_reads(struct replica *r, msec_t now);
/* Backup. Whether its copy may answer a read at `now`, asked after the read. It has every record
 * that was acknowledged, and as long as every other member lends this node a lease nobody has
 * led without it for longer than a lease lasts: so old its answers may be, and no older. What it
 * lacks is surely absent once `sure` is committed: it may have come into the set without
 * tombstones. */
bool replica_copy_reads(const struct replica *r, msec_t now);
/* Whether a record is committed, as far as a backup knows: else it must not be shown (R6). */
bool replica_copy_shows(const struct replica *r, uint64_t version);
/* The version of the next record (R2): seq + 1 in the epoch in force. 0: there is none, the numbers
 * are used up or a record of a later epoch is there. */
uint64_t replica_peek(const struct replica *r);
/* The record of that version is in the log and applied: it is the last one now. */
void replica_advance(struct replica *r, uint64_t version);
/* This node holds every record up to `version` (R4). True: commit moved (R5). Older ones and
 * such as were cut since are fine. */
bool replica_ack(struct replica *r, uint64_t version);
/* Whether a record is not committed yet: who read it must wait (R6). */
static inline bool replica_pending(const struct replica *r, uint64_t version)
{
    return version > r->commit;
}

static inline uint64_t replica_last(const struct replica *r)
{
    return r->history.last;
}

/* Send what there is to send. Call when woken, and whenever a link takes more again. */
void replica_flush(struct replica *r, msec_t now);
/* When replica_tick() is due; UINT64_MAX: never. Changes with any call. */
msec_t replica_next(const struct replica *r);
void replica_tick(struct replica *r, msec_t now);
/* The link to a node came up, or went down with what was in it. */
void replica_linked(struct replica *r, uint32_t node, bool up, msec_t now);

enum replica_verdict {
    REPLICA_DONE,    /* nothing more to do */
    REPLICA_TAKE,    /* RECORDS: take them, one by one */
    REPLICA_EARLY,   /* of a newer epoch than this node knows: drop, or keep until configured */
    REPLICA_STALE,   /* of an older one: refused, and the sender was told */
    REPLICA_STRANGER /* nobody who may say that */
};
/* A message came in; any bytes that decode are fine. Also for pieces of copies and cuts: see
 * replica_current(). */
enum replica_verdict replica_receive(struct replica *r, const struct replica_message *m,
                                     msec_t now);
/* Of a RECORDS that is to be taken, for each record in order. True: it is new; log it, apply it and
 * say replica_advance(). False: it is there already, or does not follow. */
bool replica_take(const struct replica *r, uint64_t version);
/* Whether a piece of a copy or of a cut, sent by `from` in `epoch` for `round`, is still wanted. */
bool replica_current(const struct replica *r, struct replica_member from, uint64_t epoch,
                     uint32_t round);
/* The cut that cut() asked for in `round` is there: the primary's keys and its history as they were
 * then. False: it is not wanted any more, or makes no sense. */
bool replica_mendable(const struct replica *r, uint32_t round,
                      const struct replica_history *history);
/* Primary. A piece of what `from` fetches for its cut of `round` is there: it gets on. */
void replica_mending(struct replica *r, struct replica_member from, uint32_t round, msec_t now);
/* Primary. Whether a piece of the copy to `to` may be given now: the link has all records that were
 * made before. */
bool replica_may_copy(const struct replica *r, struct replica_member to);
/* Primary. Whether `to` is streamed to, and not in sync. */
bool replica_rejoins(const struct replica *r, struct replica_member to);
/* Whether the record `version` of this node's log is the next one after `after`, and not cut. */
bool replica_follows(const struct replica *r, uint64_t after, uint64_t version);
/* It is done: log and content are what the primary's were at `history`. The next replica_ack()
 * waits until that is on disk, for `async` too: half of it is nothing. */
void replica_mended(struct replica *r, const struct replica_history *history, msec_t now);
/* The copy is whole and on disk, for `async` too; only `memory` does not wait. */
void replica_copied(struct replica *r, msec_t now);
/* Content or log cannot be relied on: no more acks, a copy is needed. Of a primary: it goes on as
 * it is, refusing is the shard's, asks nobody out that may be good, and gives way to such a one. */
void replica_break(struct replica *r, msec_t now);
/* What cut() asked for cannot be done: a copy is needed, unless it leads before that. */
void replica_stray(struct replica *r, msec_t now);
/* Whether that is to be expected. */
bool replica_gives_way(const struct replica *r);

/* What became of the ask `what` that was made in `epoch`; once for each. GRID_OK, GRID_ESTALE: the
 * configuration that shows it comes, or came. GRID_ECONDITION, or retryable: it was not done, and
 * will not be. Else: in doubt (R8). */
void replica_answered(struct replica *r, uint64_t epoch, enum replica_ask what, enum grid_err err,
                      msec_t now);
/* R12: hand over to `to`, a backup. Again for the same is fine. False: not possible now. */
bool replica_hand_over(struct replica *r, struct replica_member to, msec_t now);
/* R12: this node handed over, and who leads now has not got its acks yet. */
bool replica_handing_over(const struct replica *r);

struct replica_view { /* of one other member, for people and planners */
    struct replica_member member;
    uint64_t acked;
    bool in_sync, joining, copying;
};
/* By index; false: no more. */
bool replica_view(const struct replica *r, unsigned index, struct replica_view *ret_view);
/* {0, 0}: nobody, or not known. */
struct replica_member replica_primary(const struct replica *r);

void replica_check(const struct replica *r);

#endif
