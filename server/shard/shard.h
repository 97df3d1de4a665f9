/* shard.h - the partitions of one thread. Pure: time comes in as an argument, effects go out by
 * ports that only enqueue.
 *
 * The life of a write: submit -> session lookup (R13) -> evaluate -> record (R2) -> log_append
 * (R3) -> apply, pending -> shard_durable (R4) -> commit (R5) -> reply. A read of a pending
 * entry waits for its commit (R6). A partition is `complete` when every live entry is in memory;
 * else a miss asks the cold store and the op is parked. Invariant (shard_check): see there. */
#ifndef GRIDD_SHARD_SHARD_H
#define GRIDD_SHARD_SHARD_H

#include "shard/ports.h"

struct shard; /* opaque */
struct natives;

struct shard_conf {
    unsigned index;        /* this shard, 0.. */
    unsigned shards;       /* of the node; owns the partitions with index % shards == index */
    uint64_t epoch;        /* number of this start of the node; without a grid, of all partitions,
                            * too (R10) */
    uint64_t memory_limit; /* bytes for this shard; 0: none */
    uint64_t hash_seed;
    const struct natives *natives; /* of the node, for procedures: call_natives(); may be NULL */
    /* With grid ports: nothing is served before shard_set_grid() says what. */
    size_t tail_bytes;   /* records kept in memory for replicas that were away; 0: 64 MiB */
    msec_t idle_keep_ms; /* a copy that nobody needs is kept so long, to catch up from; 0: 20 s */
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

/* The log has lost records of first..last and does not say whose. Each partition that may have had
 * any, twice perhaps, with its last version (UINT64_MAX: says nothing) up to the lsn returned. */
typedef void shard_lost_fn(void *ctx, uint32_t context, uint16_t partition, uint64_t version);
uint64_t shard_log_lost(struct shard *s, uint64_t first, uint64_t last, shard_lost_fn *each,
                        void *ctx);

/* A new catalog: contexts and caches may have come or gone. Takes its own reference. Without a grid
 * only. */
void shard_set_catalog(struct shard *s, struct catalog *catalog);
/* A newer state of the grid, and this node's present life in it ({0, 0}: it is in no grid, or not
 * any more: nothing is served). Takes its own reference. `now`: unix ms, as everywhere. */
void shard_set_grid(struct shard *s, struct grid_state *state, struct replica_member self,
                    msec_t now);

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
/* --- other nodes ------------------------------------------------------------------------------ */

/* At the end of each turn: send what the turn made for other nodes. Returns the ms until it wants
 * to be called again (UINT64_MAX: when something happens). */
msec_t shard_turn(struct shard *s, msec_t now);
/* A message came from the life that it names (the link proves it). Any bytes that decode are
 * fine. */
void shard_receive(struct shard *s, const struct shard_message *m, msec_t now);
/* The same for the messages of a turn, in order; cheaper than one after the other. */
void shard_receive_all(struct shard *s, const struct shard_message *messages, size_t len,
                       msec_t now);
/* A link to a shard of `node` (number) came up, or went down with all that waited in it. */
void shard_peer_linked(struct shard *s, uint32_t node, bool up, msec_t now);
/* Links have room again. */
void shard_peer_room(struct shard *s);
/* The log was read as was asked. Takes `l`. */
void shard_log_read(struct shard *s, struct log_read *l);
/* What became of an ask. */
void shard_answered(struct shard *s, uint64_t number, enum grid_err err, msec_t now);
/* R12, the planner asks: stop, drain, hand over. False: not possible now, or out of date. */
bool shard_hand_over(struct shard *s, const struct plan_ask *ask, msec_t now);
/* Another leads what was handed over, needs nothing more of it; nobody waits here for a write. */
bool shard_handed_over(const struct shard *s, uint32_t context, uint32_t partition);
/* Say reports and progress again. */
void shard_say_again(struct shard *s);
/* Everything in the log up to here is committed, or was cut: fold no further (R9). `durable`: up to
 * where it could be folded else. */
uint64_t shard_settled(const struct shard *s, uint64_t durable);

/* Bounded background work: expiry, session ends, eviction, warm-up, purging dropped caches.
 * Returns the ms until it wants to be called again (0: there is more to do now). */
msec_t shard_tick(struct shard *s, msec_t now);

/* Where the memory of entries comes from. Owner: the shard's thread. */
struct chunks *shard_memory(const struct shard *s);

struct shard_stats {
    uint64_t entries, entry_bytes, memory_bytes, memory_limit;
    uint64_t reads, writes, hits, misses, expired, evicted, cold_reads, repeated, parked;
    uint64_t local_reads; /* answered by copies that do not lead */
    uint64_t partitions, partitions_complete, partitions_damaged;
    uint64_t entries_led;     /* of partitions that it is the primary of */
    uint64_t pending_records; /* of those, that are not committed yet */
    uint64_t bytes_left;      /* that copies on their way to other nodes still need, about */
    /* copies on other nodes that came into sync: from records in memory, in the log on disk, or as
     * a whole */
    uint64_t rejoined[3];
};
void shard_stats(const struct shard *s, struct shard_stats *ret_stats);

struct shard_partition_info {
    uint64_t epoch;
    uint64_t version; /* of the last record; 0: none */
    uint64_t commit;  /* of the last one that is committed, as far as known here */
    uint64_t entries, bytes;
    bool damaged;
    const char *role; /* "primary", "backup", "joining", "eligible", "waiting", "none"; static */
    const char
        *state; /* "ok", "warming", "damaged", "taking over", "stopped", "copying"...; static */
    unsigned members;    /* others, of a primary */
    uint64_t bytes_left; /* joining members of a primary: about what they still need */
};
/* False: no such context or partition, or another shard's. */
bool shard_partition_info(const struct shard *s, uint32_t context, uint16_t partition,
                          struct shard_partition_info *ret_info);
/* Verify: the sum of all entries and results of the partition as it is after its last record,
 * answered by reply(): version is that record's, number is the sum. Any copy has it, and equal
 * ones have equal sums. GRID_EBUSY: it changes all the time; GRID_ENOT_PRIMARY: no copy is here. */
void shard_digest(struct shard *s, uint32_t context, uint16_t partition, const struct ticket *to);
/* This copy is not to be relied on: it is made anew as soon as another one leads. */
void shard_break(struct shard *s, uint32_t context, uint32_t partition);
/* It was not, yet. */
bool shard_broken(const struct shard *s, uint32_t context, uint32_t partition);
/* So that sums of all copies can be taken at one version: writes wait for `ms` (0: no more).
 * False: this node does not lead it. */
bool shard_freeze(struct shard *s, uint32_t context, uint16_t partition, msec_t ms, msec_t now);
/* Whether it serves the partition as its primary, and may tell what it read there, now (R7). Such
 * one has *ret_epoch, as the grid agreed on it in the state that was told last. */
bool shard_leads(struct shard *s, uint32_t context, uint32_t partition, uint64_t *ret_epoch);
struct shard_usage {
    uint64_t entries, bytes;
};
/* Of a context (zeros: none such): entries that it is the primary of, memory of all copies. */
void shard_context_usage(const struct shard *s, uint32_t context, struct shard_usage *ret_usage);
/* Entries of a cache (global id) in this shard's partitions. */
uint64_t shard_cache_entries(const struct shard *s, uint32_t cache);
/* Of one partition, led here or not. 0: another shard's, too. */
uint64_t shard_partition_entries(const struct shard *s, uint32_t cache, uint16_t partition);
void shard_check(const struct shard *s);

#endif
