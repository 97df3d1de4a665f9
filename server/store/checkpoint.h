/* checkpoint.h - the entries of one shard on disk, sorted, with the lsn up to which the log is
 * folded in.
 *
 * Threads: `checkpoint` is the only writer (run, rest, purge, mark_damaged, give_up). get, scan,
 * sessions, heads and stats are for any thread at any time, each with a snapshot of its own.
 * checkpoint_close() when nobody is inside. Everything in it carries a CRC-32C, since LMDB has
 * none: a flipped byte is GRID_ECORRUPT for whoever reads it.
 * Invariant: what is stored is exactly the effect of all records <= applied lsn of living caches;
 * of damaged partitions, of those that are readable. */
#ifndef GRIDD_STORE_CHECKPOINT_H
#define GRIDD_STORE_CHECKPOINT_H

#include "data/cuts.h"
#include "store/kv.h"
#include "store/wal.h"

struct checkpoint; /* opaque */

/* 1: without types of values, 2: without copies, 3: with a number of known damage; read as well */
enum { CHECKPOINT_FORMAT = 4 };

/* Takes the kv over, closes it on an error too. `create`: the shard is new and the store empty.
 * Else one without our own rows is GRID_ECORRUPT. A newer format: GRID_ENEWER; an older one is of
 * this format from then on. `path` is for the texts; `why` as in wal.h. */
MUST_USE
enum grid_err checkpoint_open_kv(struct kv **kv, bool create, const char *path, char *why,
                                 struct checkpoint **ret_cp);
/* The same over LMDB in the directory `path` (made when `create`). Besides: GRID_EDENIED,
 * GRID_EIO, GRID_EIN_USE. */
MUST_USE
enum grid_err checkpoint_open(const char *path, bool create, char *why, struct checkpoint **ret_cp);
void checkpoint_close(struct checkpoint *cp); /* NULL is fine */

/* The last record folded in. Any thread. */
uint64_t checkpoint_applied(const struct checkpoint *cp);

/* --- folding the log in ----------------------------------------------------------------------- */

struct checkpoint_limits {
    void *ctx;
    /* Whether a cache (number within the context) still exists; NULL: all do. Entries of others
     * are not stored. UINT32_MAX: the context. */
    bool (*alive)(void *ctx, uint32_t context, uint32_t cache);
    /* Asked now and then; true: stop at the next transaction. NULL: never. */
    bool (*stop)(void *ctx);
    const struct cuts *cuts; /* records that are left out; NULL: none */
    uint64_t accounted_lsn;  /* what is lost up to here was told whose it was by others */
    size_t changes_max;      /* keys per transaction, 0: 500,000: records of 64 MiB of log */
    size_t bytes_max;   /* of records held in memory per transaction, 0: 64 MiB; about four times
                         * that of rows may be read to be edited */
    size_t whole_bytes; /* a larger hash is stored in parts of a sixteenth each, 0: 16 KiB */
};

enum { CHECKPOINT_DAMAGED_MAX = 64 };

struct checkpoint_report {
    uint64_t applied_lsn; /* now */
    uint64_t records;     /* folded */
    uint64_t changes;     /* keys written or removed */
    uint64_t transactions;
    /* Partitions whose rows, or records, were found unreadable and are marked damaged now; of many,
     * some. */
    struct wal_place damaged[CHECKPOINT_DAMAGED_MAX];
    size_t damaged_len;
    uint64_t lost_first, lost_last; /* GRID_ECORRUPT: of these lsns; 0: the store is damaged */
    char text[STORE_WHY_BYTES];     /* what went wrong; empty: nothing */
};

/* Fold the records up to `upto_lsn` (durable) in. `reader` was made at checkpoint_applied(); it
 * stays the caller's and is moved on.
 * GRID_ENO_SPACE: stopped after the last good transaction; make a new reader at
 * checkpoint_applied() and try again later; nothing is lost.
 * GRID_ECORRUPT: the log is damaged behind applied_lsn otherwise than recovery found it and does
 * not tell whose records are lost: find that out, mark it, and go on with limits->accounted_lsn; or
 * the store is: stop checkpointing, the next start finds out which partitions it hit. GRID_EIO: the
 * caller ends the node. */
MUST_USE
enum grid_err checkpoint_run(struct checkpoint *cp, struct wal_reader *reader, uint64_t upto_lsn,
                             const struct checkpoint_limits *limits,
                             struct checkpoint_report *report);

/* Give back the memory that checkpoint_run() keeps for its next transaction (up to twice the
 * bytes of the largest): no more will come for a while. */
void checkpoint_rest(struct checkpoint *cp);

/* Remember that these partitions lost something, until they are given up. With what recovery found
 * before the first checkpoint_run(); at any time, when a damaged entry was read. */
MUST_USE
enum grid_err checkpoint_mark_damaged(struct checkpoint *cp, const struct wal_place *places,
                                      size_t n, char *why);

/* Forget that a partition lost something: rows of it that cannot be read are removed, its entries
 * are counted anew. All records that are to count were folded in before. One transaction, durable
 * on return; on an error nothing is changed. */
MUST_USE
enum grid_err checkpoint_give_up(struct checkpoint *cp, const struct wal_place *place, char *why);

/* Remove at most `changes_max` entries and sessions of caches and contexts that `limits->alive`
 * denies. *ret_more: there is more to do. */
MUST_USE
enum grid_err checkpoint_purge(struct checkpoint *cp, const struct checkpoint_limits *limits,
                               bool *ret_more);

/* --- reading ---------------------------------------------------------------------------------- */

struct checkpoint_entry {
    uint32_t cache; /* number within the context */
    uint64_t version;
    msec_t deadline;
    struct slice key;
    struct slice affinity; /* empty: the key itself */
    struct slice value;    /* stored form */
    uint8_t type;          /* enum value_type */
};

/* The entry is copied into `out` (its earlier content is lost), where ret_entry's slices point.
 * GRID_ENOT_FOUND; GRID_ECORRUPT: the partition is damaged. */
MUST_USE
enum grid_err checkpoint_get(struct checkpoint *cp, uint32_t context, uint16_t partition,
                             uint32_t cache, struct slice key, struct buf *out,
                             struct checkpoint_entry *ret_entry);

/* A page of entries; arrays and slices are in it. Clear with {0} before the first use, reuse at
 * will, checkpoint_page_release(). */
struct checkpoint_page {
    struct checkpoint_entry *entries;
    size_t len;
    size_t cap;
    bool done; /* nothing follows */
    struct buf bytes;
};
/* Up to `limit` entries, stopping behind `bytes_max` bytes (at least one entry), in key order, >
 * `after` (empty: from the start). cache UINT32_MAX: all caches of the partition in (cache, key)
 * order, `after_cache` being the cache of `after`. GRID_ECORRUPT. */
MUST_USE
enum grid_err checkpoint_scan(struct checkpoint *cp, uint32_t context, uint16_t partition,
                              uint32_t cache, uint32_t after_cache, struct slice after,
                              uint32_t limit, size_t bytes_max, struct checkpoint_page *page);
void checkpoint_page_release(struct checkpoint_page *page);

/* Every partition that ever had a record; for shard_recover_checkpoint() and
 * shard_recover_damage(). */
struct checkpoint_head {
    uint32_t context;
    uint16_t partition;
    bool damaged;     /* marked, or this row itself was: then version and counts are 0 */
    bool copying;     /* between WIPE and COPIED */
    uint64_t version; /* of its last record */
    const uint32_t *caches;
    const uint64_t *counts;
    size_t caches_len;
};
typedef void checkpoint_head_fn(void *ctx, const struct checkpoint_head *head);
MUST_USE
enum grid_err checkpoint_heads(struct checkpoint *cp, checkpoint_head_fn *each, void *ctx);
/* Version of one partition, 0: none or unreadable; for struct wal_visit. */
uint64_t checkpoint_head_version(struct checkpoint *cp, uint32_t context, uint16_t partition);

/* Every session with results (R13); for shard_recover_session(). `damaged`: the row is
 * unreadable: its partition is damaged. */
typedef void checkpoint_session_fn(void *ctx, uint32_t context, uint16_t partition,
                                   struct session_id id, struct slice stored, bool damaged);
MUST_USE
enum grid_err checkpoint_sessions(struct checkpoint *cp, checkpoint_session_fn *each, void *ctx);

/* Head and sessions of one partition. */
MUST_USE
enum grid_err checkpoint_partition(struct checkpoint *cp, const struct wal_place *place,
                                   checkpoint_head_fn *head, checkpoint_session_fn *session,
                                   void *ctx);

struct checkpoint_stats {
    uint64_t applied_lsn;
    uint64_t used_bytes, file_bytes;
};
void checkpoint_stats(struct checkpoint *cp, struct checkpoint_stats *ret_stats);

#endif
