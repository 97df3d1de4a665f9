/* partition_priv.h - partitions and contexts as this room keeps them, and what a log position
 * means for them. */
#ifndef GRIDD_SHARD_PARTITION_PRIV_H
#define GRIDD_SHARD_PARTITION_PRIV_H

#include "base/heap.h"
#include "base/list.h"
#include "control/catalog.h"
#include "data/content.h"
#include "replica/replica.h"
#include "shard/shard.h"
#include "shard/tail_priv.h"

/* --- partitions ------------------------------------------------------------------------------- */

/* Whether ops are done (gate.c). OPEN is 0, so that the usual case is one look. */
enum gate { GATE_OPEN = 0, GATE_FEW, GATE_READS, GATE_HOLD, GATE_AWAY, GATE_LOST, GATE_DAMAGED };

/* Records that are not committed yet, oldest first: places in shard.promises.all, 0: none. */
struct promise_list {
    uint32_t first, last;
    struct list link; /* in shard.promises.partitions */
};

/* What it has to do with other nodes: others_priv.h. */
struct others;

struct partition {
    struct content *content;
    struct shard_context *context; /* NULL: dropped, to be purged */
    uint32_t context_id;
    uint16_t index;
    uint8_t gate;  /* enum gate: gate_put() */
    bool shut;     /* it is not open, or ops wait: who comes is looked at twice */
    uint8_t role;  /* as it was last looked at: enum replica_role, ... */
    uint8_t phase; /* ... and replica_phase */
    bool lost;     /* the grid says that no copy is left */
    bool unfolded; /* mended, and the checkpoint does not know yet: nothing leaves memory */
    bool damaged;
    bool tidy;    /* tombstones that nobody needs are left */
    bool purge;   /* entries of dropped caches may be there */
    bool warming; /* a warm-up read is under way */
    bool led;     /* as shard_ports.led was told */
    struct replica replica;
    struct list link;        /* in shard.partitions */
    struct heap waiting;     /* of struct waiting, by the version they wait for (R6) */
    struct list lapsed;      /* of those, who waits for a lease alone (R7) */
    struct heap_node expiry; /* in shard.expiry or expiry_memory, by the next deadline */
    uint64_t bytes;          /* content's, as counted in shard and context */
    uint64_t evictions;      /* entries that left memory so far */
    uint64_t purge_cursor;
    unsigned holds;     /* marks, in-flight writes and cold reads that name this partition */
    uint64_t era;       /* marks.c */
    uint64_t clean_era; /* marks of earlier eras say nothing: it was wiped since */
    uint32_t era_at;
    uint64_t warm_evictions; /* evictions when the warm-up began */
    msec_t warm_retry_at;    /* after reads that failed: when to try again */
    unsigned warm_failures;  /* of them, in a row */
    uint64_t warmed;         /* how often it became complete */
    uint32_t warm_cache;     /* where the warm-up goes on */
    uint16_t warm_len;
    struct promise_list promises;
    struct list queue;      /* ops that wait, in the order they came */
    uint32_t queued;        /* how many */
    uint32_t held, leases;  /* of them: at the gate; for a lease */
    struct list holding;    /* in shard.holding, when any is at the gate, or lapsed */
    struct list woken;      /* in shard.woken: there is something to send, or to look at */
    struct list stuck;      /* in shard.stuck: a link took no more */
    msec_t frozen_until;    /* no writes until then (verify); 0: it is not */
    msec_t idle_since;      /* it is no member, and what it has is kept for a while; 0: a member */
    struct heap_node timer; /* in shard.timers */
    uint64_t committed;     /* commit of the replica when it was last looked at */
    tail_place tail;        /* of the last record, in shard.tail */
    uint64_t stored_from;   /* seq: later records are in the log on disk, as far as is known */
    struct others *others;  /* NULL: nothing is under way */
    uint64_t scan_epoch;    /* cursors of another one begin again */
    uint8_t warm_after[KEY_BYTES_MAX];
};

struct shard_context {
    uint32_t id;
    const struct context_info *info; /* of shard.catalog */
    struct partition **partitions;   /* at index / shards; NULL: not used yet */
    uint32_t partitions_len;
    uint64_t bytes;
    uint64_t limit; /* this shard's part of memory_limit; 0: none */
    uint32_t hand;  /* eviction: partition to look at next */
};

static inline void partition_shut(struct partition *p)
{
    p->shut = p->gate != GATE_OPEN || p->queued;
}

static inline void gate_put(struct partition *p, enum gate gate)
{
    p->gate = (uint8_t)gate;
    partition_shut(p);
}

/* --- partition.c ------------------------------------------------------------------------------ */

struct partition *partition_of(struct shard *s, struct shard_context *c, uint16_t index);
void partition_free(struct shard *s, struct partition *p);
/* Its context is gone: nothing reaches it but what is under way. */
void partition_drop(struct shard *s, struct partition *p);
void partition_account(struct shard *s, struct partition *p);
/* Its gate, role or context may have changed: tell who wants to know where it is led. */
void partition_led_look(struct shard *s, struct partition *p);
/* Whether the cache (number in the context) was not dropped: a dropped one may still be in the
 * checkpoint and in the log; one that a primary knows earlier than this node is there. */
bool partition_has_cache(const struct shard *s, const struct partition *p, uint32_t cache);
/* Everything up to the commit of `p` is visible now: drop tombstones, answer who waited. */
void partition_committed(struct shard *s, struct partition *p);
/* Add an entry of the checkpoint, when its key is not in memory. */
MUST_USE
enum grid_err partition_insert_cold(struct shard *s, struct partition *p, uint32_t cache,
                                    const struct cold_entry *e, uint64_t hash);
/* What it holds cannot be relied on: refuse it until an operator gives the loss up. */
void partition_damage(struct shard *s, struct partition *p);
/* Forget what it holds in memory, and that it was damaged. */
void partition_empty(struct shard *s, struct partition *p);
void partition_wipe(struct shard *s, struct partition *p);
/* Go on freeing what partitions held before. True: there is more. */
bool doomed_tick(struct shard *s);
void doomed_release(struct shard *s);
/* Begin or go on reading an incomplete partition from the checkpoint, when there is room. */
void warm_start(struct shard *s, struct partition *p, msec_t now);

/* Go on with looking for what has expired on disk, or begin with `p` when there may be
 * something. */
void sweep_start(struct shard *s, struct partition *p, msec_t now);
/* `p` goes, or its content does. */
void sweep_forget(struct shard *s, const struct partition *p);

/* --- marks.c: log position -> versions of partitions ------------------------------------------ */

struct marks {
    struct list eras;
    uint64_t number;
};
typedef void partition_mark_fn(void *ctx, struct partition *p, uint64_t version);

void marks_init(struct marks *m);
void marks_add(struct marks *m, struct partition *p, uint64_t version, uint64_t lsn, size_t bytes);
/* Tell `done` the last version of each partition up to `lsn`, once, and forget them. */
void marks_reach(struct marks *m, uint64_t lsn, partition_mark_fn *done, void *ctx);
/* Of all eras that have any of the lsns first..last; UINT64_MAX for who was wiped, so that its
 * versions do not tell its records. Returns the last lsn of those eras. */
uint64_t marks_between(const struct marks *m, uint64_t first, uint64_t last,
                       partition_mark_fn *each, void *ctx);
void marks_release(struct marks *m);

/* --- memory.c --------------------------------------------------------------------------------- */

enum room { ROOM_THERE, ROOM_MADE, ROOM_FULL };

/* Whether `need` bytes more may be taken in `p`'s context. MADE: entries were evicted, so look
 * again at what is there, then ask with `evict` false. */
enum room memory_room(struct shard *s, struct partition *p, size_t need, bool evict);
/* Evict for `need` bytes more, as far as that goes. */
void memory_give(struct shard *s, struct partition *p, size_t need);
/* Whether the warm-up may bring more. */
bool memory_warm_room(const struct shard *s, const struct partition *p);
/* True: there is more to evict now. */
bool memory_tick(struct shard *s);

#endif
