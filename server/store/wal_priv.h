/* wal_priv.h - what the files of the log share: the format (drawn in README.md), segments, and
 * the cursor. */
#ifndef GRIDD_STORE_WAL_PRIV_H
#define GRIDD_STORE_WAL_PRIV_H

#include "base/buf.h"
#include "store/wal.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SEGMENT_DATA = 4096,        /* where batches begin */
    SEGMENT_HEADER_COPY = 2048, /* the second copy of the header, in another sector */
    SEGMENT_HEADER_BYTES = 68,
    BATCH_HEADER_BYTES = 48,
    BATCH_TAIL_BYTES = 24,
    RECORD_HEADER_BYTES = 16,
    INDEX_ENTRY_BYTES = 12,
};

struct segment {
    unsigned refs; /* guarded by wal.lock */
    struct disk_file *file;
    uint64_t number;
    uint64_t bytes;       /* as its header says */
    uint64_t bytes_there; /* of the file, when it was opened */
    uint64_t stamp;       /* random, one per incarnation: marks its batches */
    uint64_t incarnation; /* of the log: +1 at each recovery */
    uint64_t open_lsn;    /* the incarnation began with this lsn: older ones end before it */
    uint64_t open_number; /* ... and with this segment */
    bool bad;             /* no readable header, and nothing is known of it */
    bool doubtful;        /* no readable header; taken to be of the incarnation before it */
    uint64_t first_lsn;   /* of the first batch that begins here; 0: none or unknown */
    uint64_t first_at;
    uint64_t last_lsn; /* of the last batch that touches it */
};

struct lost { /* lsn first..last */
    uint64_t first, last;
};

struct wal {
    struct disk *disk;
    char *dir;
    uint64_t segment_bytes;
    uint64_t ahead_bytes;
    uint64_t stamp;
    uint64_t incarnation;
    uint64_t open_lsn;
    uint64_t open_number;
    bool foreign; /* a segment of another log was found */
    bool recovered;
    struct lost *lost; /* what recovery told, lsns ascending; nothing is added later */
    size_t lost_len, lost_cap;

    pthread_mutex_t lock;      /* segments, spares, and the numbers in each segment */
    pthread_mutex_t making;    /* one maker of segments at a time */
    struct segment **segments; /* by number; the last ones are prepared and empty */
    size_t segments_len;
    size_t segments_cap;
    uint64_t *spares; /* numbers of the files free-N.wal that wait to be used again */
    size_t spares_len;
    uint64_t next_number;

    /* shard */
    uint64_t next_lsn;
    _Atomic uint64_t accepted; /* bytes promised since the log was opened */
    _Atomic uint64_t prepared; /* bytes of batches that fit the segments made since */

    /* log */
    struct segment *current; /* NULL: nothing was written yet */
    uint64_t current_at;
    uint64_t dirty_number; /* first segment written to since the last sync */
    bool dirty;
    uint64_t written_lsn;
    _Atomic uint64_t durable_lsn;
    _Atomic uint64_t written_bytes;
    _Atomic uint64_t syncs;
};

/* --- wal_format.c ----------------------------------------------------------------------------- */

struct batch_header {
    uint64_t stamp;
    uint64_t place; /* segment << 32 | offset */
    uint64_t first_lsn;
    uint64_t durable_lsn;
    uint32_t length; /* header to tail, a multiple of 8 */
    uint32_t count;
    uint16_t format;
};

struct batch_tail {
    uint64_t first_lsn;
    uint32_t count;
    uint32_t length;
};

struct record_header {
    uint32_t length;
    uint16_t context;
    uint16_t partition;
    uint32_t crc; /* of the payload */
};

static inline uint64_t round8(uint64_t n)
{
    return (n + 7) & ~UINT64_C(7);
}

static inline uint64_t wal_place(uint64_t number, uint64_t at)
{
    return number << 32 | at;
}

void segment_header_put(uint8_t *to, const struct segment *s);
/* From either copy. GRID_ECORRUPT, GRID_ENEWER. */
MUST_USE
enum grid_err segment_header_get(const uint8_t *page, size_t len, struct segment *s);
void batch_header_put(uint8_t *to, const struct batch_header *h);
/* GRID_ENOT_FOUND: no batch of this stamp begins at this place. GRID_ENEWER. */
MUST_USE
enum grid_err batch_header_get(const uint8_t *from, uint64_t stamp, uint64_t place,
                               struct batch_header *ret_header);
void record_header_put(uint8_t *to, const struct record_header *h, uint64_t stamp, uint64_t lsn);
bool record_header_get(const uint8_t *from, uint64_t stamp, uint64_t lsn,
                       struct record_header *ret_header);
void index_entry_put(uint8_t *to, const struct record_header *h);
void index_entry_get(const uint8_t *from, struct record_header *ret_header);
void batch_tail_put(uint8_t *to, const struct batch_tail *t, uint64_t stamp, struct slice index);
bool batch_tail_get(const uint8_t *from, uint64_t stamp, struct batch_tail *ret_tail);
bool batch_tail_check(const uint8_t *from, uint64_t stamp, struct slice index);

/* --- wal_segment.c ---------------------------------------------------------------------------- */

/* "What PATH: the system's text". NULL `why` is fine. Returns disk_err(error). */
enum grid_err wal_fail(const struct wal *w, char *why, const char *what, const char *name,
                       int error);
void wal_say(char *why, const char *fmt, ...) PRINTF_LIKE(2, 3);
MUST_USE
enum grid_err segments_load(struct wal *w, bool create, char *why);
/* Take the segments behind number `last` out of the log, to be used again. After recovery only. */
MUST_USE
enum grid_err segments_cut(struct wal *w, uint64_t last, char *why);
/* The segment of that number, or NULL. wal.lock is held. */
struct segment *segment_find(const struct wal *w, uint64_t number);
void segment_unref(struct wal *w, struct segment *s);
void segments_free(struct wal *w);

/* --- wal_cursor.c ----------------------------------------------------------------------------- */

struct wal_pos {
    size_t segment; /* index into cursor.segments */
    uint64_t at;
};

/* The batch a cursor is in. */
struct batch_view {
    struct wal_pos pos;
    uint64_t first_lsn;
    uint64_t length;
    uint32_t count;
    bool header_lost; /* found by its tail */
    bool indexed;     /* cursor.index has its second index */
};

struct wal_cursor {
    struct wal *wal;
    struct segment **segments; /* referenced */
    size_t segments_len;
    struct wal_pos pos; /* of the next batch */
    uint64_t expect;    /* lsn to come */
    uint64_t bound;     /* last one wanted */
    uint64_t durable;   /* known to have been durable */
    uint64_t seen;      /* the log surely reached this lsn */
    bool claims_read;   /* `durable` has the claims of all batches to the end */
    bool chained; /* `pos` is where a batch ended or a segment began: the next one must be there */
    uint64_t torn_bytes; /* of batches behind the end */
    uint64_t repaired;
    enum grid_err err;
    int error; /* errno of GRID_EIO */

    struct buf window; /* bytes from window_pos on, across segments */
    struct wal_pos window_pos;

    bool in_batch;
    struct batch_view batch;
    uint32_t record;    /* next one of the batch */
    uint64_t record_at; /* its offset in the batch */
    bool salvage;       /* `batch` was found by its tail and is entered next */
    struct buf index;
    struct wal_place place;
};

/* Snapshot of the segments; at the first record > after_lsn. `bound`: last lsn wanted;
 * `durable`: known durable. */
void cursor_init(struct wal_cursor *c, struct wal *w, uint64_t after_lsn);
/* Take the segments made since, forget bytes read ahead. */
void cursor_refresh(struct wal_cursor *c);
/* GRID_ENOT_FOUND: the bound or the end of the log. GRID_EIO, GRID_ENEWER. */
MUST_USE
enum grid_err cursor_next(struct wal_cursor *c, struct wal_item *ret_item);
void cursor_release(struct wal_cursor *c);
/* Number of the last segment that what stands here, whole or torn, touches; 0: there are none. */
uint64_t cursor_reach(const struct wal_cursor *c);
/* Whether the log, which ends here, was cut off or cannot be read on, so that it may have gone
 * on. */
bool cursor_end_is_damage(const struct wal_cursor *c);
/* Whether the first segment goes on what is not there, and nothing tells how far that had come. */
bool cursor_start_is_missing(struct wal_cursor *c, uint64_t from_lsn);

#endif
