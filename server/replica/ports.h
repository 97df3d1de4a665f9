/* ports.h - what a replica wants done, and how long it waits for others: given by the shard, one
 * table for all of its partitions. Ports enqueue and never call back. */
#ifndef GRIDD_REPLICA_PORTS_H
#define GRIDD_REPLICA_PORTS_H

#include "base/clock.h"
#include "replica/message.h"

struct replica;

enum replica_ask {
    REPLICA_ASK_NONE,
    REPLICA_ASK_SHRINK,    /* PART_SHRINK (R8) */
    REPLICA_ASK_PROMOTE,   /* PART_PROMOTE (R11) */
    REPLICA_ASK_HAND_OVER, /* PART_HAND_OVER (R12) */
    REPLICA_ASK_GIVE_BACK  /* PART_GIVE_BACK (R9) */
};

/* Nowhere; in memory; in the log on disk, for stream() alone; being looked for, so ask again. */
enum replica_kept { REPLICA_GONE, REPLICA_KEPT, REPLICA_STORED, REPLICA_UNKNOWN };

/* One table for all partitions of a shard. */
struct replica_ports {
    void *ctx;
    /* To the shard of `to` that has the partition. When it cannot, it is lost. */
    void (*send)(void *ctx, struct replica *r, struct replica_member to,
                 const struct replica_message *m);
    /* The same with the records after m->version, in order, as many as the link takes now. Returns
     * the version of the last one (m->version: none now; called again at the next flush or tick),
     * or UINT64_MAX: what follows m->version is not kept any more. With nothing to add
     * (m->version is the last) send the message all the same. */
    uint64_t (*stream)(void *ctx, struct replica *r, struct replica_member to,
                       const struct replica_message *m);
    /* Where the records after `version` are all kept. */
    enum replica_kept (*kept)(void *ctx, struct replica *r, uint64_t version);
    /* Older epochs are being looked for on disk, for replica_recalled(). False: they were. */
    bool (*recall)(void *ctx, struct replica *r);
    /* Propose to the control plane, compare-and-set on the epoch; then replica_answered(). */
    void (*ask)(void *ctx, struct replica *r, enum replica_ask what, struct replica_member member);
    /* R11, at the primary: begin to send all content to `to`, in the link that the stream goes by:
     * what is read when the last record was v goes before any record later than v. Each piece
     * carries `round`. The COPY message was sent just before. It stands until copy_end; pieces are
     * given while replica_may_copy(). */
    void (*copy)(void *ctx, struct replica *r, struct replica_member to, uint32_t round);
    /* The link was down, perhaps: `pieces` are there, go on after them. False: it cannot. */
    bool (*copy_on)(void *ctx, struct replica *r, struct replica_member to, uint64_t pieces);
    void (*copy_end)(void *ctx, struct replica *r, struct replica_member to);
    /* R9, at another member: records after `common` never happened. Fetch from the primary the keys
     * and sessions that they touched, together with those that its own records after `common`
     * touched, as they are when its last record is v, and its history then. When all is here, bring
     * content and log there in one turn, and say replica_mended(). Until then this member has what
     * it had, and may become primary with it. Replaces the cut before. A piece carries `round`. */
    void (*cut)(void *ctx, struct replica *r, uint64_t common, uint32_t round);
    /* Forget the content, in the log too. copying: a copy follows (its pieces carry `round`), and
     * the last record is replica_last() then: a WIPE of that version. Else there is none, and
     * nothing follows. */
    void (*wipe)(void *ctx, struct replica *r, bool copying, uint32_t round);
    /* Call replica_flush() before this turn ends, and look at commit, role and phase again. */
    void (*wake)(void *ctx, struct replica *r);
    /* R7. Whether `by` grants this node reads at `now`, as of the grid state that `r` was
     * configured from (grid_lease_held). True for a life that this state calls gone: such a one is
     * no member in sync, and leads again only after who is has come back. */
    bool (*lease_held)(void *ctx, struct replica *r, struct replica_member by, msec_t now);
    /* R9. When what this node granted to `to` ends (grid_lease_granted), the past: nothing. `to`
     * {0, 0}: to anybody; now + GRID_GRACE_MS is right, 0 when the grid never had another node. */
    msec_t (*lease_granted)(void *ctx, struct replica *r, struct replica_member to);
};

/* R8 and the other times; one for all partitions. */
struct replica_times {
    msec_t timeout_ms; /* replica_timeout: who does not ack for so long is asked out */
    msec_t retry_ms;   /* a question without an answer is asked again */
    msec_t tell_ms;    /* a commit that no record carries is told after so long */
    msec_t stop_ms;    /* R12: for so long a hand-over may stop writes */
};

#endif
