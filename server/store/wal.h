/* wal.h - the write-ahead log of one shard: records with lsn 1, 2, 3, ... in pre-filled,
 * recycled segments. README.md draws the format.
 *
 * Threads: each function names who calls it. `shard` builds batches, `log` writes and syncs
 * them, `checkpoint` reads, reclaims and prepares. A batch is handed from shard to log by the
 * caller's own mailbox, in the order it was begun.
 * Order of life: wal_open -> wal_recover -> (anything) -> wal_close.
 *
 * Promises: a record whose wal_sync succeeded is found by the next wal_recover, or its partition
 * is named damaged. What is recovered is a prefix of what was written. Nothing is recovered that
 * was not written by this log. */
#ifndef GRIDD_STORE_WAL_H
#define GRIDD_STORE_WAL_H

#include "base/buf.h"
#include "base/err.h"
#include "data/record.h"
#include "store/disk.h"

struct wal;        /* opaque */
struct wal_reader; /* opaque */

enum { WAL_FORMAT = 1, WAL_SEGMENT_BYTES = 64 << 20, WAL_SEGMENT_BYTES_MIN = 16 << 10 };

struct wal_conf {
    struct disk *disk;
    const char *dir;        /* DIR/shard-N/wal; copied */
    uint64_t segment_bytes; /* multiple of 4096, 0: WAL_SEGMENT_BYTES */
    uint64_t
        /* room wal_prepare() keeps ready, 0: one segment. At least twice the largest record to
         * be accepted */
        ahead_bytes;
    uint64_t
        /* any random number, another one at each open: nobody outside can then forge log bytes
         * inside a value */
        random;
    bool
        /* the shard is new: a missing directory is made. Else a missing or empty log is
         * GRID_ECORRUPT */
        create;
};

/* Every `why` below: NULL, or STORE_WHY_BYTES that get one line (path, reason, what to do) when
 * the call fails. */

/* Open the log, create nothing but the directory. *ret_wal is the caller's; release with
 * wal_close() or wal_free().
 * GRID_ENEWER, GRID_ECORRUPT, GRID_EDENIED, GRID_EIO. */
MUST_USE
enum grid_err wal_open(const struct wal_conf *conf, char *why, struct wal **ret_wal);
/* log; after the last wal_sync: writes a closing mark so that the next recovery can tell damage
 * of the tail from a torn write. Frees. */
void wal_close(struct wal *w); /* NULL is fine */
/* Free without writing anything, as a crash would. Readers are freed before. */
void wal_free(struct wal *w); /* NULL is fine */

/* --- recovery --------------------------------------------------------------------------------- */

struct wal_place {
    uint32_t context;
    uint16_t partition;
};

/* What was found. `damaged` are partitions that surely lost a durable record. `unattributable`:
 * durable records were lost and the log does not tell whose; then every partition that is not
 * proven unharmed counts as damaged: ask wal_report_damaged(). Clear with {0} before use, free
 * with wal_report_release(). */
struct wal_report {
    uint64_t last_lsn; /* the log goes on at last_lsn + 1 */
    uint64_t records;  /* visited */
    uint64_t
        /* dropped behind the last record: written, never reported durable. 0 when nothing was
         * there */
        torn_bytes;
    uint64_t lost_records; /* durable and unreadable */
    uint64_t repaired;     /* records read by means of their batch's second index */
    bool unattributable;
    struct wal_place *damaged;
    size_t damaged_len;
    char text[STORE_WHY_BYTES]; /* one line for the log; empty: nothing to tell */
    void *proven;               /* private */
};

struct wal_visit {
    void *ctx;
    /* A record in lsn order; slices borrowed for the call. Of a partition known to be damaged
     * nothing more is visited. */
    void (*record)(void *ctx, const struct record *rec, uint64_t lsn);
    /* Version the checkpoint has for a partition, 0: none. NULL: none has any. Lets unharmed
     * partitions be proven so. */
    uint64_t (*head)(void *ctx, uint32_t context, uint16_t partition);
    /* Every record, without effects, in lsn order; all of them before the first call of `record`.
     * NULL: the log is read once. */
    void (*survey)(void *ctx, const struct record *head, uint64_t lsn);
};

/* Damage must be accounted for (checkpoint_mark_damaged) before the first wal_prepare(): new
 * segments say that all before them is settled. Read all records > `from_lsn` (the checkpoint's
 * applied lsn); then the log can be written. Damage is not an error: see the report. The
 * recovered records are durable when this returns. GRID_ENEWER, GRID_EIO, GRID_EDENIED. Before
 * any other thread has the log. */
MUST_USE
enum grid_err wal_recover(struct wal *w, uint64_t from_lsn, const struct wal_visit *visit,
                          char *why, struct wal_report *report);
/* Whether the partition must be refused. */
bool wal_report_damaged(const struct wal_report *r, uint32_t context, uint16_t partition);
void wal_report_release(struct wal_report *r);

/* --- writing ---------------------------------------------------------------------------------- */

/* Records on their way to the log. Invariant: first_lsn + count is the lsn the next
 * wal_batch_add() returns. */
struct wal_batch {
    struct wal *wal;
    struct buf bytes; /* header, records */
    struct buf index; /* second copy of the record headers */
    uint64_t first_lsn;
    uint32_t count;
};

/* shard: an empty batch of `w`, which may be reused after wal_batch_reset(). */
void wal_batch_init(struct wal_batch *b, struct wal *w);
/* shard: encode `r` behind the others; its lsn. wal_has_room() for it must have said true this
 * turn; small records of the shard's own (expiry, session ends) may go without asking: a
 * sixteenth of a segment is held back for them. */
uint64_t wal_batch_add(struct wal_batch *b, const struct record *r);
/* shard: forget the content after it was written; gives memory above 1 MiB back. */
void wal_batch_reset(struct wal_batch *b);
void wal_batch_release(struct wal_batch *b);

/* shard: whether a record of `bytes` (record_size_max) can be accepted and will surely fit.
 * false: no space is prepared (yet). */
bool wal_has_room(struct wal *w, size_t bytes);
/* The largest record that wal_has_room() can ever say true to. */
size_t wal_record_max(const struct wal *w);
/* Any thread: bytes of the segments with records behind `lsn`, as much as must be read when the
 * process dies now and the checkpoint is there. */
uint64_t wal_behind(struct wal *w, uint64_t lsn);
/* shard: whether wal_prepare() has work to do; cheap. */
bool wal_wants_room(const struct wal *w);
/* any thread, one at a time: make segments until ahead_bytes are ready. Slow
 * when nothing can be recycled: 64 MiB are written. GRID_ENO_SPACE: disk full; nothing is lost,
 * call again later. GRID_EIO: the caller ends the node. */
MUST_USE
enum grid_err wal_prepare(struct wal *w, char *why);

/* log: write the batch (empty: nothing happens). GRID_EIO, GRID_ENO_SPACE: the caller ends the
 * process. */
MUST_USE
enum grid_err wal_write(struct wal *w, struct wal_batch *b, char *why);
/* log: make everything written durable. ret_lsn gets the last durable lsn. GRID_EIO: the caller
 * ends the node, never retries. */
MUST_USE
enum grid_err wal_sync(struct wal *w, char *why, uint64_t *ret_lsn);

/* Any thread: last lsn that is durable. */
uint64_t wal_durable(const struct wal *w);

/* --- reading behind the writer ---------------------------------------------------------------- */

struct wal_item {
    uint64_t lsn;
    bool known; /* recovery found this lost, or not to be decoded, too: its report told whose */
    bool lost;  /* durable and unreadable: lsn..last_lsn; everything below is unset but places */
    uint64_t last_lsn;
    const struct wal_place *places; /* lost: whose records; NULL: unknown */
    size_t places_len;
    uint32_t context; /* of the record, so that it can be skipped undecoded */
    uint16_t partition;
    struct slice payload; /* for record_decode(); borrowed until the next call */
};

/* checkpoint: a reader of the records > `after_lsn` up to a bound, 0 until set. The caller's;
 * wal_reader_free(). */
struct wal_reader *wal_reader_new(struct wal *w, uint64_t after_lsn);
/* any thread: the same with `lsn`, which must be durable, for its only bound. It may be behind what
 * is reclaimed: that is lost, then. */
struct wal_reader *wal_reader_open(struct wal *w, uint64_t after_lsn, uint64_t lsn);
/* Read up to and including `lsn`, which must be durable. */
void wal_reader_bound(struct wal_reader *r, uint64_t lsn);
/* The next record. GRID_ENOT_FOUND: the bound is reached. GRID_EIO, GRID_ENEWER. */
MUST_USE
enum grid_err wal_reader_next(struct wal_reader *r, char *why, struct wal_item *ret_item);
void wal_reader_free(struct wal_reader *r); /* NULL is fine */

/* checkpoint: records <= `lsn` are in the checkpoint: segments of nothing else are recycled or
 * unlinked, oldest first, while those kept are more than `retention_bytes`. No reader of
 * wal_reader_new() may be behind `lsn`. */
MUST_USE
enum grid_err wal_reclaim(struct wal *w, uint64_t lsn, uint64_t retention_bytes, char *why);

struct wal_stats {
    uint64_t segments, bytes; /* on disk, spares included */
    uint64_t room_bytes;      /* prepared and not yet promised */
    uint64_t first_lsn;       /* oldest record still there, 0: none */
    uint64_t written_lsn, durable_lsn;
    uint64_t syncs, written_bytes;
};
void wal_stats(struct wal *w, struct wal_stats *ret_stats); /* any thread */
void wal_check(struct wal *w);

#endif
