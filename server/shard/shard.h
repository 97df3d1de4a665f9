/* shard.h - the partitions of one thread. Pure: time comes in as an argument, effects go out by
 * ports that only enqueue.
 *
 * The life of a write: submit -> session lookup (R13) -> evaluate -> record (R2) -> log_append
 * (R3) -> apply, pending -> shard_durable (R4) -> commit (R5) -> reply. A read of a pending
 * entry waits for its commit (R6). A partition is `complete` when every live entry is in memory;
 * else a miss asks the cold store and the op is parked. Invariant (shard_check): see there. */
#ifndef GRIDD_SHARD_SHARD_H
#define GRIDD_SHARD_SHARD_H

#include "control/catalog.h"
#include "data/record.h"
#include "shard/op.h"

struct shard; /* opaque */

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
};

struct shard_conf {
    unsigned index;        /* this shard, 0.. */
    unsigned shards;       /* of the node; owns the partitions with index % shards == index */
    uint64_t epoch;        /* of all partitions: number of this start of the node (R10) */
    uint64_t memory_limit; /* bytes for this shard; 0: none */
    uint64_t hash_seed;
};

struct shard *shard_new(const struct shard_conf *conf, const struct shard_ports *ports,
                        struct catalog *catalog);
void shard_free(struct shard *s); /* NULL is fine; parked ops are forgotten unanswered */

/* Recovery, before the first submit, in this order: shard_recover_checkpoint for each partition
 * in the checkpoint (then shard_recover_copying, if it is so), shard_recover_session for each
 * stored session, shard_recover_record for each record of the log behind the checkpoint,
 * shard_recover_damage for each damaged partition. */
void shard_recover_checkpoint(struct shard *s, uint32_t context, uint16_t partition,
                              uint64_t version, const uint64_t *cache_counts,
                              const uint32_t *caches, size_t caches_len);
/* It has a part of a copy: until the log brings the rest, changes of absent keys mean nothing. */
void shard_recover_copying(struct shard *s, uint32_t context, uint16_t partition);
void shard_recover_session(struct shard *s, uint32_t context, uint16_t partition,
                           struct session_id id, struct slice stored);
/* Reads an entry of the checkpoint, which a record changes but does not hold: *ret_entry is good
 * until the next call. */
typedef enum grid_err shard_base_fn(void *ctx, uint32_t context, uint16_t partition, uint32_t cache,
                                    struct slice key, struct cold_entry *ret_entry);
/* False: the record changes what is nowhere or cannot be read, or memory ran out: its partition is
 * damaged from now on. */
MUST_USE
bool shard_recover_record(struct shard *s, const struct record *rec, uint64_t lsn,
                          shard_base_fn *base, void *ctx);
void shard_recover_damage(struct shard *s, uint32_t context, uint16_t partition);
/* Forget the damage of a partition and what it holds in memory: it goes on with what the
 * checkpoint has, which is told next by shard_recover_checkpoint() and shard_recover_session(). So
 * all its records were folded in, and unreadable rows removed, before. At any time. False: it is
 * not damaged. */
bool shard_recover_give_up(struct shard *s, uint32_t context, uint16_t partition);

/* A new catalog: contexts and caches may have come or gone. Takes its own reference. */
void shard_set_catalog(struct shard *s, struct catalog *catalog);

/* Do `op`: replies through the port, at once or later. `now`: unix ms. */
void shard_submit(struct shard *s, const struct op *op, msec_t now);
/* The same for the ops of a turn, in order; cheaper than one after the other. */
void shard_submit_all(struct shard *s, struct op *const *ops, size_t len, msec_t now);
/* The log is durable up to and including `lsn`. */
void shard_durable(struct shard *s, uint64_t lsn, msec_t now);
/* The checkpoint has everything up to `lsn`: entries that old are clean now. */
void shard_checkpointed(struct shard *s, uint64_t lsn);
/* Answers of the cold store. `found` NULL: no such key. `err` GRID_ECORRUPT: the partition is
 * damaged from now on; the caller remembers that for the next start. Another `err`: who asked gets
 * it, and a warm-up tries again later. */
void shard_cold_found(struct shard *s, uint64_t token, enum grid_err err,
                      const struct cold_entry *found, msec_t now);
void shard_cold_scanned(struct shard *s, uint64_t token, enum grid_err err,
                        const struct cold_entry *entries, const uint32_t *caches, size_t len,
                        bool done, msec_t now);
/* Bounded background work: expiry, session ends, eviction, warm-up, purging dropped caches.
 * Returns the ms until it wants to be called again (0: there is more to do now). */
msec_t shard_tick(struct shard *s, msec_t now);

struct shard_stats {
    uint64_t entries, entry_bytes, memory_bytes, memory_limit;
    uint64_t reads, writes, hits, misses, expired, evicted, cold_reads, repeated, parked;
    uint64_t partitions, partitions_complete, partitions_damaged;
};
void shard_stats(const struct shard *s, struct shard_stats *ret_stats);

struct shard_partition_info {
    uint64_t epoch;
    uint64_t version; /* of the last record; 0: none */
    uint64_t entries, bytes;
    bool damaged;
    const char *state; /* "ok", "warming" or "damaged"; static */
};
/* False: no such context or partition, or another shard's. */
bool shard_partition_info(const struct shard *s, uint32_t context, uint16_t partition,
                          struct shard_partition_info *ret_info);
struct shard_usage {
    uint64_t entries, bytes;
};
/* What this shard holds of a context; zeros for one that does not exist. */
void shard_context_usage(const struct shard *s, uint32_t context, struct shard_usage *ret_usage);
/* Entries of a cache (global id) in this shard's partitions. */
uint64_t shard_cache_entries(const struct shard *s, uint32_t cache);
void shard_check(const struct shard *s);

#endif
