/* ports.h - what a shard wants done: effects that go out. Plain structs of functions that only
 * enqueue: none of them calls back into the shard. */
#ifndef GRIDD_SHARD_PORTS_H
#define GRIDD_SHARD_PORTS_H

#include "control/plan.h"
#include "data/record.h"
#include "shard/log_read.h"
#include "shard/message.h"
#include "shard/op.h"

/* An entry as the cold store has it; slices borrowed for the call. */
struct cold_entry {
    struct slice key;
    struct slice affinity;
    struct slice value; /* stored form */
    uint64_t version;
    msec_t deadline;
    uint8_t type; /* enum value_type */
};

/* What a shard wants done. None of these calls back into the shard. */
struct shard_ports {
    void *ctx;
    /* Answer an op. Slices of `res` are valid for this call only. */
    void (*reply)(void *ctx, const struct ticket *to, const struct result *res);
    /* Append to this shard's log; returns its lsn (1, 2, 3, ... without gaps). `sync`: somebody
     * waits for it to be durable. */
    uint64_t (*log_append)(void *ctx, const struct record *rec, bool sync);
    /* Whether the log can take `bytes` more; false: disk full, writes get FULL. */
    bool (*log_has_room)(void *ctx, size_t bytes);
    /* Look `key` up in the checkpoint as it is now or later; answered by shard_cold_found() with
     * the same token, never from inside this call. `cache`, here and below: number within the
     * context, as in struct effect. */
    void (*cold_get)(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                     uint32_t cache, struct slice key);
    /* Read up to `limit` entries or `bytes` (at least one entry) of (partition, cache) in key
     * order, keys > `after` (empty: from the start); cache UINT32_MAX: of all caches of the
     * partition (warm-up; then `after_cache` is the cache of `after`), in order of (cache, key).
     * Answered by shard_cold_scanned(). */
    void (*cold_scan)(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                      uint32_t cache, uint32_t after_cache, struct slice after, uint32_t limit,
                      size_t bytes);
    /* Memory is short: checkpoint soon, so that dirty entries become clean. May be called often. */
    void (*checkpoint_soon)(void *ctx);
    const struct shard_grid_ports *grid; /* NULL: no other nodes; ctx is the same */
    /* NULL, or where ops go that would be answered NOT_PRIMARY and are not `direct`: they were not
     * done. `op` is valid for this call only. */
    void (*reroute)(void *ctx, const struct op *op);
    uint64_t (*mono_us)(void *ctx), (*cpu_us)(void *ctx); /* NULL: code has steps as its bounds */
    /* NULL, or: this shard begins to serve a partition as its primary, or no longer does. Without a
     * grid it does from when the partition is first used. */
    void (*led)(void *ctx, uint32_t context, uint16_t partition, bool led);
    /* NULL, or: a record that changed `key` of the hidden cache was applied by its primary, but may
     * not be committed yet: who acts on it reads it first (R6). `key` is borrowed. */
    void (*touched)(void *ctx, uint32_t context, uint16_t partition, struct slice key);
    /* NULL, or: whether this node has room for one more job of that name, MODULE.JOB. */
    bool (*admits)(void *ctx, struct slice name);
    /* Do a call that is `aside` (copied), of a partition that is led here at this moment, and
     * answer it as reply() does, later. NULL: GRID_EUNSUPPORTED is the answer. */
    void (*aside)(void *ctx, const struct op *op);
};

/* Another node's shard that holds the same partition. */
struct shard_to {
    struct replica_member member;
    uint32_t shard; /* partition % its shards */
};

/* What a shard wants done with other nodes; of these, too, none calls back into the shard. */
struct shard_grid_ports {
    /* clock_mono_ms(), as it is now: leases are looked at after the read (R7). */
    msec_t (*mono)(void *ctx);
    /* Give a message to the link; all of a turn may travel together. When the link is down, it is
     * dropped. What it borrows is good for the call. */
    void (*peer_send)(void *ctx, const struct shard_to *to, enum shard_class class,
                      const struct shard_message *m);
    /* Bytes of that class that the link would take now, about; 0: none, or it is down. When it was
     * 0, shard_peer_room() tells that there is room again. */
    size_t (*peer_room)(void *ctx, const struct shard_to *to, enum shard_class class);
    /* Propose to the grid; answered by shard_answered() with the same number. */
    void (*ask)(void *ctx, const struct part_change *change, uint64_t number);
    /* For the leader's planner. Both may be said again when the leader has changed: ask
     * shard_say_again(). */
    void (*report)(void *ctx, const struct plan_report *r);
    void (*progress)(void *ctx, const struct plan_progress *p);
    /* grid/leases.h: grid_lease_held(), grid_lease_granted(); {0, 0}: to anybody. */
    bool (*lease_held)(void *ctx, struct replica_member by, uint64_t revision, msec_t now);
    msec_t (*lease_granted)(void *ctx, struct replica_member to);
    /* R11: read this shard's log on disk, by another thread; one at a time. `l` is the port's until
     * shard_log_read() gives it back. What was read last and is behind, is wanted no more: else the
     * log is kept for a while. */
    void (*log_read)(void *ctx, struct log_read *l);
};

#endif
