/* wal.c - opening, writing and syncing. Which bytes go where is in wal_format.c and README.md.
 *
 * Room is counted in bytes of batches since the log was opened:
 *
 *   0 ---- written ---- accepted ------------------- prepared
 *                       |  what wal_has_room() gives |  a sixteenth of a segment is held back
 * Segments are one run of bytes for batches, so what is accepted always fits, whatever the
 * sizes. */
#include "store/wal_priv.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>

enum { BATCH_OVERHEAD = BATCH_HEADER_BYTES + BATCH_TAIL_BYTES + 8, BATCH_KEEP = 1 << 20 };

static uint64_t held_back(const struct wal *w)
{
    return w->segment_bytes / 16;
}

/* What a record costs in the log beside its payload. */
static uint64_t record_cost(uint64_t bytes)
{
    return round8(bytes + RECORD_HEADER_BYTES) + INDEX_ENTRY_BYTES;
}

enum grid_err wal_open(const struct wal_conf *conf, char *why, struct wal **ret_wal)
{
    struct wal *w = xcalloc(1, sizeof *w);
    w->disk = conf->disk;
    w->dir = xstrdup(conf->dir);
    w->segment_bytes = conf->segment_bytes ? conf->segment_bytes : WAL_SEGMENT_BYTES;
    w->ahead_bytes = conf->ahead_bytes ? conf->ahead_bytes : w->segment_bytes - SEGMENT_DATA;
    CHECK(w->segment_bytes >= WAL_SEGMENT_BYTES_MIN && w->segment_bytes % 4096 == 0 &&
          w->segment_bytes <= UINT32_MAX / 2);
    CHECK(w->ahead_bytes >= w->segment_bytes - SEGMENT_DATA);
    w->incarnation = 1;
    w->next_number = 1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_mutex_init(&w->making, NULL);
    enum grid_err err = segments_load(w, conf->create, why);
    if (err) {
        wal_free(w);
        return err;
    }
    uint8_t seed[24];
    store_u64(seed, conf->random);
    store_u64(seed + 8, w->incarnation);
    store_u64(seed + 16, w->next_number);
    w->stamp = hash_key(slice_make(seed, sizeof seed), conf->random) | 1;
    *ret_wal = w;
    return GRID_OK;
}

void wal_free(struct wal *w)
{
    if (!w)
        return;
    segments_free(w);
    pthread_mutex_destroy(&w->lock);
    pthread_mutex_destroy(&w->making);
    free(w->lost);
    free(w->dir);
    free(w);
}

/* --- batches ---------------------------------------------------------------------------------- */

void wal_batch_init(struct wal_batch *b, struct wal *w)
{
    *b = (struct wal_batch){.wal = w};
}

static void batch_begin(struct wal_batch *b)
{
    struct wal *w = b->wal;
    CHECK(w->recovered);
    b->first_lsn = w->next_lsn;
    buf_reserve(&b->bytes, BATCH_HEADER_BYTES);
    b->bytes.len = BATCH_HEADER_BYTES;
    atomic_fetch_add(&w->accepted, BATCH_OVERHEAD);
}

static void pad8(struct buf *b)
{
    size_t n = (size_t)round8(b->len) - b->len;
    memset(buf_reserve(b, n), 0, n);
    b->len += n;
}

uint64_t wal_batch_add(struct wal_batch *b, const struct record *r)
{
    struct wal *w = b->wal;
    CHECK(r->context <= UINT16_MAX);
    if (!b->count)
        batch_begin(b);
    size_t at = b->bytes.len;
    uint64_t lsn = w->next_lsn++;
    CHECK(lsn == b->first_lsn + b->count);
    buf_reserve(&b->bytes, RECORD_HEADER_BYTES);
    b->bytes.len += RECORD_HEADER_BYTES;
    record_encode(r, &b->bytes);
    uint8_t *header = b->bytes.data + at;
    size_t length = b->bytes.len - at - RECORD_HEADER_BYTES;
    struct record_header h = {(uint32_t)length, (uint16_t)r->context, r->partition,
                              crc32c(0, slice_make(header + RECORD_HEADER_BYTES, length))};
    record_header_put(header, &h, w->stamp, lsn);
    pad8(&b->bytes);
    index_entry_put(buf_reserve(&b->index, INDEX_ENTRY_BYTES), &h);
    b->index.len += INDEX_ENTRY_BYTES;
    b->count++;
    atomic_fetch_add(&w->accepted, record_cost(length));
    return lsn;
}

void wal_batch_reset(struct wal_batch *b)
{
    b->bytes.len = b->index.len = 0;
    b->count = 0;
    buf_shrink(&b->bytes, BATCH_KEEP);
    buf_shrink(&b->index, BATCH_KEEP);
}

void wal_batch_release(struct wal_batch *b)
{
    buf_release(&b->bytes);
    buf_release(&b->index);
}

bool wal_has_room(struct wal *w, size_t bytes)
{
    return atomic_load_explicit(&w->accepted, memory_order_relaxed) + record_cost(bytes) +
               BATCH_OVERHEAD + held_back(w) <=
           atomic_load_explicit(&w->prepared, memory_order_relaxed);
}

size_t wal_record_max(const struct wal *w)
{
    return (size_t)(w->ahead_bytes - held_back(w) - record_cost(8) - BATCH_OVERHEAD);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Append index and tail. */
static void batch_end(struct wal_batch *b, uint64_t stamp)
{
    buf_add(&b->bytes, b->index.data, b->index.len);
    pad8(&b->bytes);
    CHECK(b->bytes.len < UINT32_MAX - BATCH_TAIL_BYTES);
    struct batch_tail t = {b->first_lsn, b->count, (uint32_t)b->bytes.len + BATCH_TAIL_BYTES};
    batch_tail_put(buf_reserve(&b->bytes, BATCH_TAIL_BYTES), &t, stamp, buf_slice(&b->index));
    b->bytes.len += BATCH_TAIL_BYTES;
}

/* Go on to the next prepared segment. There is one: fits() said so. */
static void segment_next(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    struct segment *next = NULL;
    if (w->current) {
        next = segment_find(w, w->current->number + 1);
    } else {
        for (size_t i = w->segments_len; i-- > 0;) {
            if (!w->segments[i]->bad && w->segments[i]->incarnation == w->incarnation)
                next = w->segments[i];
        }
    }
    CHECK(next);
    w->current = next;
    w->current_at = SEGMENT_DATA;
    pthread_mutex_unlock(&w->lock);
}

/* Bytes of batches that fit what is made. */
static bool fits(struct wal *w, uint64_t length)
{
    return atomic_load(&w->written_bytes) + length < atomic_load(&w->prepared);
}

static enum grid_err piece_write(struct wal *w, struct slice piece, uint64_t last_lsn, char *why)
{
    struct segment *s = w->current;
    int error = s->file->ops->pwrite(s->file, piece, w->current_at);
    if (error)
        return wal_fail(w, why, "write to", "", error);
    if (!w->dirty) {
        w->dirty = true;
        w->dirty_number = s->number;
    }
    w->current_at += piece.len;
    pthread_mutex_lock(&w->lock);
    s->last_lsn = last_lsn;
    pthread_mutex_unlock(&w->lock);
    return GRID_OK;
}

static enum grid_err bytes_write(struct wal *w, struct slice bytes, uint64_t last_lsn, char *why)
{
    while (bytes.len) {
        if (w->current_at == w->current->bytes)
            segment_next(w);
        uint64_t left = w->current->bytes - w->current_at;
        size_t n = bytes.len < left ? bytes.len : (size_t)left;
        enum grid_err err = piece_write(w, slice_make(bytes.data, n), last_lsn, why);
        if (err)
            return err;
        bytes = slice_make(bytes.data + n, bytes.len - n);
    }
    return GRID_OK;
}

/* Room that was not asked for: make it now. */
static enum grid_err room_make(struct wal *w, uint64_t length, char *why)
{
    while (!fits(w, length)) {
        enum grid_err err = wal_prepare(w, why);
        if (err)
            return err;
    }
    return GRID_OK;
}

static enum grid_err batch_write(struct wal *w, struct wal_batch *b, char *why)
{
    batch_end(b, w->stamp);
    enum grid_err err = room_make(w, b->bytes.len, why);
    if (err)
        return err;
    if (!w->current || w->current_at == w->current->bytes)
        segment_next(w);
    struct batch_header h = {.stamp = w->stamp,
                             .place = wal_place(w->current->number, w->current_at),
                             .first_lsn = b->first_lsn,
                             .durable_lsn = atomic_load(&w->durable_lsn),
                             .length = (uint32_t)b->bytes.len,
                             .count = b->count,
                             .format = WAL_FORMAT};
    batch_header_put(b->bytes.data, &h);
    pthread_mutex_lock(&w->lock);
    if (!w->current->first_lsn) {
        w->current->first_lsn = b->first_lsn;
        w->current->first_at = w->current_at;
    }
    pthread_mutex_unlock(&w->lock);
    uint64_t last = b->first_lsn + b->count - 1;
    err = bytes_write(w, buf_slice(&b->bytes), last, why);
    if (err)
        return err;
    w->written_lsn = last;
    atomic_fetch_add(&w->written_bytes, b->bytes.len);
    return GRID_OK;
}

enum grid_err wal_write(struct wal *w, struct wal_batch *b, char *why)
{
    if (!b->count)
        return GRID_OK;
    CHECK(b->first_lsn == w->written_lsn + 1);
    return batch_write(w, b, why);
}

enum grid_err wal_sync(struct wal *w, char *why, uint64_t *ret_lsn)
{
    for (uint64_t n = w->dirty_number; w->dirty && n <= w->current->number; n++) {
        pthread_mutex_lock(&w->lock);
        struct segment *s = segment_find(w, n);
        pthread_mutex_unlock(&w->lock);
        int error = s->file->ops->sync(s->file);
        if (error) {
            (void)wal_fail(w, why, "sync", "", error);
            return GRID_EIO;
        }
    }
    if (w->dirty)
        atomic_fetch_add(&w->syncs, 1);
    w->dirty = false;
    atomic_store(&w->durable_lsn, w->written_lsn);
    if (ret_lsn)
        *ret_lsn = w->written_lsn;
    return GRID_OK;
}

uint64_t wal_durable(const struct wal *w)
{
    return atomic_load(&w->durable_lsn);
}

/* An empty batch: says that everything before it was durable. Its loss loses nothing. */
static void mark_write(struct wal *w)
{
    struct wal_batch b;
    char why[STORE_WHY_BYTES];
    if (w->written_lsn != atomic_load(&w->durable_lsn) || !w->current)
        return;
    wal_batch_init(&b, w);
    b.first_lsn = w->written_lsn + 1;
    buf_reserve(&b.bytes, BATCH_HEADER_BYTES);
    b.bytes.len = BATCH_HEADER_BYTES;
    if (fits(w, BATCH_OVERHEAD) && !batch_write(w, &b, why))
        (void)!wal_sync(w, why, NULL);
    wal_batch_release(&b);
}

void wal_close(struct wal *w)
{
    if (w && w->recovered)
        mark_write(w);
    wal_free(w);
}

/* --- looking ---------------------------------------------------------------------------------- */

void wal_stats(struct wal *w, struct wal_stats *ret_stats)
{
    struct wal_stats st = {.durable_lsn = wal_durable(w),
                           .written_lsn = wal_durable(w),
                           .syncs = atomic_load(&w->syncs),
                           .written_bytes = atomic_load(&w->written_bytes)};
    uint64_t used = atomic_load(&w->accepted) + held_back(w), made = atomic_load(&w->prepared);
    st.room_bytes = made > used ? made - used : 0;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->segments_len; i++) {
        const struct segment *s = w->segments[i];
        st.bytes += s->bytes_there;
        if (!st.first_lsn)
            st.first_lsn = s->first_lsn;
        if (s->last_lsn > st.written_lsn)
            st.written_lsn = s->last_lsn;
    }
    st.segments = w->segments_len + w->spares_len;
    st.bytes += w->spares_len * w->segment_bytes;
    pthread_mutex_unlock(&w->lock);
    *ret_stats = st;
}

uint64_t wal_behind(struct wal *w, uint64_t lsn)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < w->segments_len; i++)
        if (w->segments[i]->first_lsn && w->segments[i]->last_lsn > lsn)
            bytes += w->segments[i]->bytes_there;
    pthread_mutex_unlock(&w->lock);
    return bytes;
}

void wal_check(struct wal *w)
{
    pthread_mutex_lock(&w->lock);
    uint64_t number = 0, incarnation = 0;
    for (size_t i = 0; i < w->segments_len; i++) {
        const struct segment *s = w->segments[i];
        CHECK(s->number > number && s->refs > 0);
        CHECK(s->bad || s->incarnation >= incarnation);
        number = s->number;
        incarnation = s->bad ? incarnation : s->incarnation;
    }
    CHECK(number < w->next_number);
    CHECK(atomic_load(&w->durable_lsn) <= w->written_lsn || !w->recovered);
    pthread_mutex_unlock(&w->lock);
}
