/* others_priv.h - what the files share that deal with other nodes.
 *
 *   others.c    the grid's state, roles, the turn       replica ports: send, ask, leases
 *   stream.c    records out: from the tail to the links
 *   rejoin.c    R11: records out that only the log on disk has
 *   take.c      messages in, and records of other primaries
 *   fetch.c     keys brought into memory, for what is no client's op
 *   copy_out.c, copy_in.c   R11: a whole copy
 *   mend.c      R9: what a cut touched is brought from the primary
 *   digest.c    sums to be compared */
#ifndef GRIDD_SHARD_OTHERS_PRIV_H
#define GRIDD_SHARD_OTHERS_PRIV_H

#include "shard/rejoin_priv.h"
#include "shard/shard_priv.h"

#define ASIDE __attribute__((noinline)) /* not in the way of who has no others */

enum { HOLD_LOOK_MS = 5 }; /* ops that wait are looked at so often */

/* A shard's. */
struct sharing {
    struct replica_ports ports;
    struct replica_times times;
    struct grid_state *state; /* NULL: none was told yet */
    struct replica_member self;
    struct tail tail;
    struct rejoin rejoin;
    struct list woken;  /* partitions: there is something to send, or to look at */
    struct list stuck;  /* a link took no more */
    struct list copies; /* going out */
    struct pace {
        uint64_t ops; /* of clients, so far */
        msec_t served_at, at;
        int64_t room;   /* bytes that may be copied at `at`; below 0: too many were */
    } pace;             /* of copies */
    struct list ended;  /* copies that wait for a page of the checkpoint, for nothing */
    struct list later;  /* of all partitions, those in the log, in its order */
    struct heap timers; /* of replicas, and of mends */
    uint64_t asks;      /* numbers given */
    msec_t progress_at;
    msec_t settle_at;
    uint64_t settled; /* lsn: so far nothing of the log may be cut any more */
    struct buf bytes; /* scratch: what goes into the next message */
    struct buf values;
    struct effect *effects; /* scratch: RECORD_EFFECTS_MAX */
};

struct copy; /* copy_out.c */
struct mend; /* mend.c */
struct want;

/* What goes to one other member. */
struct outgoing {
    struct replica_member to;
    uint64_t version;  /* the last record that was sent, at `at` */
    tail_place at;     /* 0: look for it; of rejoin.page when it is stored, else of the tail */
    bool stored;       /* what follows is on disk alone, and is waited for */
    bool scanned;      /* ... by the scan under way */
    uint8_t way;       /* enum rejoin_way, since it was in sync last */
    struct copy *copy; /* NULL: none is under way */
};

/* A record that is in the log and not in memory yet: what it changes is being fetched. */
struct later {
    struct list link; /* of its partition's */
    struct list all;  /* of the shard's */
    uint64_t version;
    uint64_t lsn; /* 0: it is in no log */
    size_t len;
    uint8_t bytes[];
};

/* A partition's, while there is anything. */
struct others {
    struct partition *partition;
    struct outgoing *out;
    uint32_t out_len;
    uint64_t ask; /* number of the one in force; 0: none */
    uint64_t ask_epoch;
    uint8_t ask_what; /* enum replica_ask */
    struct replica_member ask_member;
    struct list rejoining; /* in rejoin.waiting */
    uint64_t page_last;    /* the scan has brought the records up to this version */
    tail_place page_at;    /* where that is in the page; 0: it has none of this partition */
    uint64_t goal;         /* the last record when the scan began, or ended before; its lsn */
    uint64_t goal_lsn;
    struct list later;
    uint64_t fetching;  /* version of the first of `later`, for which keys are fetched; or 0 */
    uint64_t fetched;   /* what that changes is here, or nowhere */
    msec_t retry_at;    /* ... which failed; 0: it did not */
    uint64_t clean_due; /* the checkpoint has so much, memory does not yet */
    struct mend *mend;
    bool hopeless;   /* ... it cannot be: a copy is needed */
    uint64_t mended; /* lsn: until it is on disk, nothing is held (R4); 0: it is */
    bool want_fetching, want_newer;
    struct want *want; /* of another member, while keys are fetched */
    struct {
        uint64_t number; /* of the last piece */
        uint64_t base;   /* the last record when it began */
        uint64_t end;    /* all pieces are here: it ends with this record; UINT64_MAX: not yet */
        uint32_t round;
        bool lame;      /* the log had no room for the WIPE: nothing is taken, or made, before */
        msec_t wipe_at; /* ... and for so long nothing is said of it */
    } in;               /* a copy that comes in */
};

/* --- others.c --------------------------------------------------------------------------------- */

void sharing_init(struct shard *s);
void sharing_release(struct shard *s);
/* A new partition: with other nodes or alone. */
void partition_share(struct shard *s, struct partition *p);
void partition_unshare(struct shard *s, struct partition *p);
/* Its context is gone. */
void partition_leave(struct shard *s, struct partition *p);
struct others *others_of(struct partition *p);
/* NULL: there is none, or it is another shard's. */
struct partition *partition_there(const struct shard *s, uint32_t context, uint32_t index);
/* Look at it before the turn ends. */
void partition_touch(struct shard *s, struct partition *p);
msec_t mono_now(const struct shard *s);
/* Where a member's shard is; false: the node is not known. */
bool member_place(const struct shard *s, const struct partition *p, struct replica_member m,
                  struct shard_to *ret_to);
void message_send(struct shard *s, const struct partition *p, struct replica_member to,
                  enum shard_class class, struct shard_message *m);
/* Why an op for a partition that is not here is refused. */
enum grid_err partition_absent(const struct shard *s, const struct shard_context *c,
                               uint16_t index);
/* It is no member: what it has is forgotten in time. */
void idle_tick(struct shard *s, struct partition *p, msec_t now);
/* The content cannot be relied on any more; a copy is needed. */
void partition_break(struct shard *s, struct partition *p);

/* --- stream.c --------------------------------------------------------------------------------- */

/* No message takes it. */
bool record_too_large(const struct record *rec);
/* Keep a record for others. Before it is the partition's last. */
void record_keep(struct shard *s, struct partition *p, const struct record *rec);
/* The records that are kept are of another log than what comes. */
void tail_forget(struct partition *p);
/* The tail ends with the newest record, or none of it is kept. */
void partition_tail_check(const struct shard *s, const struct partition *p);
struct outgoing *outgoing_of(struct partition *p, struct replica_member to);
enum shard_class stream_class(const struct partition *p, struct replica_member to);
uint64_t port_stream(void *ctx, struct replica *r, struct replica_member to,
                     const struct replica_message *m);

/* --- ahead.c ---------------------------------------------------------------------------------- */

enum { RECORDS_AHEAD = 64 };
/* Let what they will change be on its way from memory; RECORDS_AHEAD at most. */
void records_fetch(const struct partition *p, const struct slice *records, size_t len);

/* --- take.c ----------------------------------------------------------------------------------- */

/* `mono`: mono_now(), or of just before. */
void message_take(struct shard *s, const struct shard_message *m, msec_t now, msec_t mono);
/* Apply what waits, as far as it is possible. */
void later_run(struct shard *s, struct partition *p, msec_t now);
void later_forget(struct partition *p);
/* When later_run() is due, by mono_now(). */
msec_t later_next(const struct shard *s, const struct partition *p);
/* The version up to which memory has all records. */
uint64_t partition_applied(const struct partition *p);

/* --- recover.c -------------------------------------------------------------------------------- */

/* Apply a record that may change what it does not hold. */
MUST_USE
enum grid_err record_replay(struct shard *s, struct partition *p, const struct record *rec,
                            shard_base_fn *base, void *ctx);
bool names_dropped(const struct shard *s, const struct partition *p, const struct record *rec);

/* --- fetch.c ---------------------------------------------------------------------------------- */

/* A key by the number of its cache in the context. */
struct fetch_key {
    uint32_t cache;
    struct slice key;
};
/* `p` may have lost its context meanwhile; then err is set. */
typedef void fetch_done_fn(struct shard *s, struct partition *p, enum grid_err err, msec_t now);
/* When all keys are in memory, or are known to be nowhere, call `done`: perhaps at once. */
void fetch_keys(struct shard *s, struct partition *p, const struct fetch_key *keys, uint32_t len,
                fetch_done_fn *done, msec_t now);
void fetch_run(struct job *j);
void fetch_done(struct job *j, enum grid_err err);

/* --- copy_out.c ------------------------------------------------------------------------------- */

void port_copy(void *ctx, struct replica *r, struct replica_member to, uint32_t round);
bool port_copy_on(void *ctx, struct replica *r, struct replica_member to, uint64_t pieces);
void port_copy_end(void *ctx, struct replica *r, struct replica_member to);
void copy_taken(struct shard *s, struct partition *p, const struct shard_message *m);
/* Send what the windows and clients allow. When there is more to do; UINT64_MAX: not by time. */
msec_t copies_run(struct shard *s);
void copy_answer(struct shard *s, struct copy *c, const struct cold_page *page);
/* About what is left to be sent. */
uint64_t copies_left(const struct partition *p);
void copies_say(struct shard *s);
/* All of a partition, of the shard. */
void copies_end(struct shard *s, struct partition *p);
void copies_release(struct shard *s);

/* --- copy_in.c -------------------------------------------------------------------------------- */

void port_wipe(void *ctx, struct replica *r, bool copying, uint32_t round);
/* Whether the log does not know yet that what it has was wiped. Who leads says so when there is
 * room, and makes nothing before; others are brought a copy, which begins by that. */
bool wipe_due(const struct partition *p);
void wipe_run(struct shard *s, struct partition *p);
/* When wipe_run() is due. */
msec_t wipe_next(const struct shard *s, const struct partition *p);
void piece_take(struct shard *s, struct partition *p, const struct shard_message *m, msec_t now);
void copy_finish(struct shard *s, struct partition *p, msec_t now);
/* Tell the primary that pieces up to `number`, of a copy or a cut, are there. */
void taken_send(struct shard *s, struct partition *p, uint32_t round, uint64_t number);
void copy_stored(struct shard *s, const struct inflight *f, msec_t now);
/* Apply and log a record that restates. */
MUST_USE
enum grid_err record_restate(struct shard *s, struct partition *p, struct record *rec,
                             uint64_t *ret_lsn);

/* What it has is not what its log says any more: nobody is to be brought on from that. */
void partition_depart(struct shard *s, struct partition *p);

/* --- digest.c --------------------------------------------------------------------------------- */

struct digest;
/* True: there is more to do now. */
bool digests_run(struct shard *s);
void digest_answer(struct shard *s, struct digest *d, const struct cold_page *page);
void digests_release(struct shard *s);

/* --- mend.c ----------------------------------------------------------------------------------- */

void port_cut(void *ctx, struct replica *r, uint64_t common, uint32_t round);
void want_take(struct shard *s, struct partition *p, const struct shard_message *m, msec_t now);
void mend_take(struct shard *s, struct partition *p, const struct shard_message *m, msec_t now);
void mend_run(struct shard *s, struct partition *p, msec_t now);
void mend_forget(struct partition *p);
void mend_stored(struct shard *s, const struct inflight *f);
void want_forget(struct partition *p);
/* When mend_run() is due. */
msec_t mend_next(const struct partition *p);

#endif
