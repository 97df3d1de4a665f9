/* shard_priv.h - what the files of this room share. See README.md for the reading order. */
#ifndef GRIDD_SHARD_PRIV_H
#define GRIDD_SHARD_PRIV_H

#include "base/alloc.h"
#include "base/heap.h"
#include "base/list.h"
#include "control/settings.h"
#include "data/content.h"
#include "data/sessions.h"
#include "replica/replica.h"
#include "shard/shard.h"

enum {
    PARKED_MAX = 100000,          /* ops that wait in one shard */
    PARKED_BYTES_MAX = 256 << 20, /* and what they hold */
    ROUTES = 64,                  /* remembered cache lookups */
    COLD_BUCKETS = 4096,
    COLD_ROUNDS_MAX = 16, /* how often one op goes back to the cold store */
};

/* --- partitions ---------------------------------------------------------------------------------------------- */

struct partition {
    struct list link;              /* in shard.partitions */
    struct shard_context *context; /* NULL: dropped, to be purged */
    uint32_t context_id;
    uint16_t index;
    bool damaged;
    bool tidy;        /* tombstones that nobody needs are left */
    bool purge;       /* entries of dropped caches may be there */
    bool warming;     /* a warm-up read is under way */
    bool warm_failed; /* the checkpoint could not be read */
    struct replica replica;
    struct content *content;
    struct heap waiting;     /* of struct waiting, by the version they wait for (R6) */
    struct heap_node expiry; /* in shard.expiry, by the next deadline */
    uint64_t bytes;          /* content's, as counted in shard and context */
    uint64_t evictions;      /* entries that left memory so far */
    uint64_t purge_cursor;
    unsigned holds; /* marks, in-flight writes and cold reads that name this partition */
    uint64_t era;   /* marks.c */
    uint32_t era_at;
    uint64_t warm_evictions; /* evictions when the warm-up began */
    uint32_t warm_cache;     /* where the warm-up goes on */
    uint16_t warm_len;
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

/* --- marks.c: log position -> versions of partitions ---------------------------------------------------------- */

struct marks {
    struct list eras;
    uint64_t number;
};
typedef void partition_mark_fn(void *ctx, struct partition *p, uint64_t version);

void marks_init(struct marks *m);
void marks_add(struct marks *m, struct partition *p, uint64_t version, uint64_t lsn, size_t bytes);
/* Tell `done` the last version of each partition up to `lsn`, once, and forget them. */
void marks_reach(struct marks *m, uint64_t lsn, partition_mark_fn *done, void *ctx);
void marks_release(struct marks *m);

/* --- park.c: ops and results that wait -------------------------------------------------------------------------- */

/* A copy of an op that waits for the cold store. */
struct parked {
    struct list link; /* in shard.parked_ops */
    struct op op;
    size_t bytes;
    msec_t since;
    uint32_t missing;             /* answers it still waits for */
    unsigned rounds;              /* how often it was parked */
    enum grid_err err;            /* of a cold read */
    const struct cold_page *page; /* what a SCAN asked for, while it runs */
    uint64_t absent_clean;        /* absent[] holds while nothing later than this has left memory */
    uint32_t keys;
    uint8_t *absent; /* per key of the op: known to be nowhere */
};

/* A result that waits for a commit (R6). */
struct waiting {
    struct heap_node node; /* in partition.waiting, by version */
    struct ticket to;
    struct result res;
    const struct entry *entry; /* that res.value points into, or NULL */
    size_t bytes;
};

/* Copy `op`; NULL: too much is parked. */
struct parked *parked_new(struct shard *s, const struct op *op, msec_t now);
void parked_free(struct shard *s, struct parked *w);
/* Key `at` of the op is in a checkpoint as new as `clean` not there, and not in memory. */
void parked_absent(struct parked *w, uint32_t at, uint64_t clean);
void parked_forget(struct parked *w);
/* All answers are there: do the op. */
void parked_run(struct shard *s, struct parked *w, msec_t now);
/* Answer `res` when `version` is committed; keeps a reference to `entry`, copies the rest. False: too much is parked. */
bool wait_commit(struct shard *s, struct partition *p, uint64_t version, const struct ticket *to,
                 const struct result *res, const struct entry *entry);
/* Answer what waits for nothing any more. */
void waiting_answer(struct shard *s, struct partition *p);
void waiting_forget(struct shard *s, struct partition *p);

/* --- inflight: records on their way to the disk (R4) ------------------------------------------------------------ */

struct answer { /* the small result of a write */
    enum grid_err status;
    uint32_t failed_at;
    uint64_t version;
    int64_t number;
};

struct inflight {
    uint64_t lsn;
    struct partition *partition;
    uint64_t version;
    bool answered; /* nobody waits */
    struct ticket to;
    struct answer answer;
};

/* --- cold.c: questions to the cold store ---------------------------------------------------------------------------- */

enum cold_kind { COLD_KEY, COLD_SCAN, COLD_WARM };

struct cold {
    struct list link;    /* in its bucket (keys) */
    struct list waiters; /* of struct cold_waiter (keys) */
    enum cold_kind kind;
    uint64_t token;
    struct partition *partition;
    uint64_t asked_clean; /* the answer has everything up to this version */
    uint64_t hash;
    uint32_t cache;
    uint32_t after_cache;
    uint32_t limit;
    size_t bytes;
    struct parked *scan;
    uint16_t key_len; /* the key, or what a range comes after */
    uint8_t key[];
};

struct cold_range {
    uint32_t cache;
    uint32_t after_cache;
    struct slice after;
    uint32_t limit;
    size_t bytes;
};

struct cold_page {
    enum grid_err err;
    const struct cold_entry *entries;
    const uint32_t *caches;
    size_t len;
    bool done;
};

void cold_init(struct shard *s);
void cold_release(struct shard *s);
void cold_ask_key(struct shard *s, struct partition *p, uint32_t cache, struct slice key,
                  uint64_t hash, struct parked *parked, uint32_t at);
/* For the scan op `scan`, or for the warm-up when it is NULL. */
void cold_ask_range(struct shard *s, struct partition *p, const struct cold_range *range,
                    struct parked *scan);

/* --- the shard --------------------------------------------------------------------------------------------------------- */

struct route {
    const struct cache_info *cache;
    struct shard_context *context;
};

struct shard {
    struct shard_conf conf;
    struct shard_ports ports;
    struct catalog *catalog;
    struct route routes[ROUTES];
    struct shard_context **contexts; /* by id */
    uint32_t contexts_len;
    struct entry_pool *pool;
    struct list partitions; /* all, dropped ones too; rotated by tick and eviction */
    size_t partitions_len;
    uint64_t bytes;
    struct heap expiry; /* of partition.expiry */
    struct marks marks;
    struct inflight *inflight; /* ring, by lsn */
    size_t inflight_first, inflight_len, inflight_cap;
    struct list parked_ops;
    size_t parked, parked_bytes;
    struct cold **cold; /* by slot */
    uint32_t cold_len, cold_cap;
    uint32_t *cold_free;
    uint32_t cold_free_len;
    uint32_t cold_generation;
    struct list cold_buckets[COLD_BUCKETS];
    unsigned warm_reads;
    struct key_state *keys; /* scratch */
    uint32_t keys_cap;
    struct effect *effects;
    uint32_t effects_cap;
    struct scan_item *items;
    const struct entry **bucket;
    size_t bucket_cap;
    struct shard_stats stats;
};

/* A cache's info and context, remembered until the catalog changes. NULL: no such cache. */
const struct route *route_find(struct shard *s, uint32_t cache_id);
struct shard_context *shard_context_of(const struct shard *s, uint32_t id);
struct key_state *scratch_keys(struct shard *s, uint32_t len);
struct effect *scratch_effects(struct shard *s, uint32_t len);

/* --- job.c: one op being done -------------------------------------------------------------------------------------------- */

struct key_state { /* one key of a write */
    const struct op *op;
    const struct cache_info *cache;
    uint64_t hash;
    const struct entry *stored; /* what is there, expired or not */
    const struct entry *live;   /* the same, NULL when expired */
    uint64_t seen;              /* version of the entry or tombstone that was looked at */
    bool missing;               /* on disk perhaps */
    int64_t number;
    uint8_t text[20];
};

struct job {
    struct shard *s;
    const struct op *op;
    struct parked *parked; /* the copy, when it was parked before */
    bool kept;             /* it is parked again */
    struct shard_context *context;
    const struct cache_info *cache;
    struct partition *partition;
    msec_t now;
    struct key_state *keys;
    uint32_t keys_len;
    struct key_state key;
    uint64_t depends; /* version a refusal depends on */
    uint32_t failed_at;
};

void job_reply(struct job *j, const struct result *res);
void job_fail(struct job *j, enum grid_err err);
/* Reply when `version` is committed (R6). */
void job_reply_at(struct job *j, uint64_t version, const struct result *res,
                  const struct entry *entry);
uint64_t job_hash(const struct job *j);
/* Milliseconds it was parked. */
msec_t job_waited(const struct job *j);
/* Whether key `at` is known to be on disk neither. */
bool job_absent(const struct job *j, uint32_t at);
/* Keep a copy of the op for later. False: too much is parked, and the op is answered. */
bool job_park(struct job *j);
/* Park until all keys marked missing are here. */
void job_park_keys(struct job *j);

void get_run(struct job *j);
void count_run(struct job *j);
void scan_run(struct job *j);
void write_run(struct job *j);
void scan_answer(struct shard *s, struct parked *w, const struct cold_page *page, msec_t now);
void warm_answer(struct shard *s, struct partition *p, const struct cold_page *page, msec_t now);

/* --- evaluate.c, batch.c ------------------------------------------------------------------------------------------------- */

MUST_USE
enum grid_err op_valid_read(const struct op *op);
MUST_USE
enum grid_err op_valid_write(const struct op *op, uint64_t value_max);
MUST_USE
enum grid_err key_evaluate(struct key_state *k, msec_t now, struct effect *ret_effect);
bool number_parse(struct slice text, int64_t *ret_number);
/* `out`: 20 bytes. Returns the length. */
size_t number_format(int64_t number, uint8_t *out);
MUST_USE
enum grid_err batch_keys(struct job *j, uint64_t value_max);

/* --- write.c --------------------------------------------------------------------------------------------------------------- */

/* Make the record of `rec` (session, effects, time set) the partition's next, and answer `a` to `to` (may be NULL) when it
 * is committed. On an error nothing is changed or answered. */
MUST_USE
enum grid_err record_make(struct shard *s, struct partition *p, struct record *rec,
                          const struct ticket *to, const struct answer *a);

/* --- partition.c ------------------------------------------------------------------------------------------------------------ */

struct partition *partition_of(struct shard *s, struct shard_context *c, uint16_t index);
void partition_free(struct shard *s, struct partition *p);
/* Its context is gone: nothing reaches it but what is under way. */
void partition_drop(struct shard *s, struct partition *p);
void partition_account(struct shard *s, struct partition *p);
/* Everything up to the commit of `p` is visible now: drop tombstones, answer who waited. */
void partition_committed(struct shard *s, struct partition *p);
/* Add an entry of the checkpoint, when its key is not in memory. */
MUST_USE
enum grid_err partition_insert_cold(struct shard *s, struct partition *p, uint32_t cache,
                                    const struct cold_entry *e, uint64_t hash);
/* Begin or go on reading an incomplete partition from the checkpoint, when there is room. */
void warm_start(struct shard *s, struct partition *p);

/* --- memory.c ----------------------------------------------------------------------------------------------------------------- */

enum room { ROOM_THERE, ROOM_MADE, ROOM_FULL };

/* Whether `need` bytes more may be taken in `p`'s context. MADE: entries were evicted, so look again at what is there, then
 * ask with `evict` false. */
enum room memory_room(struct shard *s, struct partition *p, size_t need, bool evict);
/* Whether the warm-up may bring more. */
bool memory_warm_room(const struct shard *s, const struct partition *p);
/* True: there is more to evict now. */
bool memory_tick(struct shard *s);

#endif
