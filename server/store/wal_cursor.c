/* wal_cursor.c - reading the log: what is a record, what was never durable, what is lost.
 *
 * Batches follow each other without gaps, over the ends of segments too; each says how long it
 * is. Where the next one is not, there are three cases, told apart by what is known to have been
 * durable:
 *
 *   expect == open_lsn of the next incarnation   the log was recovered up to here, the rest dropped
 *   expect >  durable                            a torn tail: the log ends here
 *   expect <= durable                            damage: say what is lost, go on at the next batch
 *
 * `durable` is the largest of: the reader's bound; open_lsn - 1 of later incarnations; the
 * claims in the headers of all later batches (each says what its writer had synced). A batch
 * whose header is lost is found from its end, where the tail stands right before the next batch.
 * Positions are multiples of 8, so looking for the next batch means looking for the stamp. */
#include "store/wal_priv.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>

enum { WINDOW_BYTES = 256 << 10, SCAN_BYTES = 64 << 10 };

static uint64_t segment_end(const struct segment *s)
{
    return s->bytes < s->bytes_there ? s->bytes : s->bytes_there;
}

static const struct segment *segment_at(const struct wal_cursor *c, size_t i)
{
    return c->segments[i];
}

/* Whether batches run from segment i over into i + 1. */
static bool joined(const struct wal_cursor *c, size_t i)
{
    if (i + 1 >= c->segments_len)
        return false;
    const struct segment *a = segment_at(c, i), *b = segment_at(c, i + 1);
    return !a->bad && !b->bad && a->number + 1 == b->number && a->incarnation == b->incarnation &&
           a->bytes_there >= a->bytes;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static bool fill_from(struct wal_cursor *c, struct wal_pos pos, size_t want)
{
    c->window.len = 0;
    c->window_pos = pos;
    while (c->window.len < want) {
        const struct segment *s = segment_at(c, pos.segment);
        uint64_t end = segment_end(s);
        if (pos.at < end) {
            size_t n = want - c->window.len, got = 0;
            if (n > end - pos.at)
                n = (size_t)(end - pos.at);
            int error = s->file->ops->pread(s->file, buf_reserve(&c->window, n), n, pos.at, &got);
            if (error) {
                c->err = disk_err(error) == GRID_EDENIED ? GRID_EDENIED : GRID_EIO;
                c->error = error;
                return false;
            }
            c->window.len += got;
            if (got < n)
                return true;
        }
        if (!joined(c, pos.segment))
            return true;
        pos = (struct wal_pos){pos.segment + 1, SEGMENT_DATA};
    }
    return true;
}

static bool add_bytes(const struct wal_cursor *c, struct wal_pos pos, uint64_t n,
                      struct wal_pos *ret_pos)
{
    while (pos.at + n >= segment_at(c, pos.segment)->bytes) {
        if (!joined(c, pos.segment)) {
            if (pos.at + n > segment_at(c, pos.segment)->bytes)
                return false;
            break; /* at the very end of what there is */
        }
        n -= segment_at(c, pos.segment)->bytes - pos.at;
        pos = (struct wal_pos){pos.segment + 1, SEGMENT_DATA};
    }
    pos.at += n;
    *ret_pos = pos;
    return true;
}

static bool sub_bytes(const struct wal_cursor *c, struct wal_pos pos, uint64_t n,
                      struct wal_pos *ret_pos)
{
    while (pos.at < SEGMENT_DATA + n) {
        if (pos.segment == 0 || !joined(c, pos.segment - 1))
            return false;
        n -= pos.at - SEGMENT_DATA;
        pos.segment--;
        pos.at = segment_at(c, pos.segment)->bytes;
    }
    pos.at -= n;
    *ret_pos = pos;
    return true;
}

/* Bytes from `from` to `to` when that is ahead and joined, else UINT64_MAX. */
static uint64_t distance(const struct wal_cursor *c, struct wal_pos from, struct wal_pos to)
{
    uint64_t n = 0;
    for (; from.segment < to.segment; from = (struct wal_pos){from.segment + 1, SEGMENT_DATA}) {
        if (!joined(c, from.segment))
            return UINT64_MAX;
        n += segment_at(c, from.segment)->bytes - from.at;
    }
    return from.segment == to.segment && to.at >= from.at ? n + to.at - from.at : UINT64_MAX;
}

/* `len` bytes from `pos`, over the ends of segments; NULL: they are not all there, or c->err is
 * set. Borrowed until the next call. */
static const uint8_t *bytes_at(struct wal_cursor *c, struct wal_pos pos, uint64_t len)
{
    uint64_t ahead = c->window.len ? distance(c, c->window_pos, pos) : UINT64_MAX;
    if (ahead != UINT64_MAX && ahead <= c->window.len && len <= c->window.len - ahead)
        return c->window.data + ahead;
    if (c->err || pos.segment >= c->segments_len)
        return NULL;
    size_t want = len > WINDOW_BYTES ? (size_t)len : WINDOW_BYTES;
    if (!fill_from(c, pos, want))
        return NULL;
    return c->window.len >= len ? c->window.data : NULL;
}

/* --- batches ---------------------------------------------------------------------------------- */

static bool batch_at(struct wal_cursor *c, struct wal_pos pos, struct batch_header *ret_header)
{
    const struct segment *s = segment_at(c, pos.segment);
    if (s->bad || pos.at + 8 > segment_end(s))
        return false;
    const uint8_t *p = bytes_at(c, pos, BATCH_HEADER_BYTES);
    if (!p)
        return false;
    enum grid_err err = batch_header_get(p, s->stamp, wal_place(s->number, pos.at), ret_header);
    if (err == GRID_ENEWER)
        c->err = err;
    return !err;
}

/* The first whole batch header at or behind `pos` in the same segment. */
static bool batch_search_segment(struct wal_cursor *c, struct wal_pos *pos,
                                 struct batch_header *ret_header)
{
    const struct segment *s = segment_at(c, pos->segment);
    if (s->bad)
        return false;
    uint8_t stamp[8];
    store_u64(stamp, s->stamp);
    while (!c->err && pos->at + 8 <= segment_end(s)) {
        uint64_t n = segment_end(s) - pos->at;
        n = n > SCAN_BYTES ? SCAN_BYTES : n & ~UINT64_C(7);
        const uint8_t *p = bytes_at(c, *pos, n);
        if (!p)
            return false;
        uint64_t i = 0;
        while (i < n && memcmp(p + i, stamp, 8) != 0)
            i += 8;
        pos->at += i;
        if (i == n)
            continue;
        if (batch_at(c, *pos, ret_header))
            return true;
        pos->at += 8;
    }
    return false;
}

/* The same over the segments up to index `last`. */
static bool batch_search(struct wal_cursor *c, struct wal_pos *pos, size_t last,
                         struct batch_header *ret_header)
{
    for (;;) {
        if (batch_search_segment(c, pos, ret_header))
            return true;
        if (c->err || pos->segment >= last)
            return false;
        *pos = (struct wal_pos){pos->segment + 1, SEGMENT_DATA};
    }
}

/* Index of the first segment of the next incarnation; segments_len: there is none. */
static size_t next_incarnation(const struct wal_cursor *c)
{
    size_t i = c->pos.segment, known = i;
    while (known > 0 && segment_at(c, known)->bad)
        known--;
    uint64_t now = segment_at(c, known)->bad ? 0 : segment_at(c, known)->incarnation;
    while (i < c->segments_len && (segment_at(c, i)->bad || segment_at(c, i)->incarnation == now))
        i++;
    return i;
}

/* Read what all later batches claim about durability, once. */
static void claims_read(struct wal_cursor *c)
{
    if (c->claims_read)
        return;
    c->claims_read = true;
    struct wal_pos pos = c->pos;
    struct batch_header h;
    while (batch_search(c, &pos, c->segments_len - 1, &h)) {
        if (h.durable_lsn > c->durable)
            c->durable = h.durable_lsn;
        c->torn_bytes += h.length;
        if (!add_bytes(c, pos, h.length, &pos))
            pos.at += 8;
    }
}

static void batch_leave(struct wal_cursor *c)
{
    c->in_batch = false;
    c->chained = add_bytes(c, c->batch.pos, c->batch.length, &c->pos);
    if (!c->chained) /* runs over the last segment there is, or into a lost one */
        c->pos.at = segment_at(c, c->pos.segment)->bytes;
}

/* Remember in the segments what begins in them and how far they reach. */
static void batch_note(struct wal_cursor *c)
{
    struct segment *s = c->segments[c->batch.pos.segment];
    if (!c->wal->recovered && !s->first_lsn) { /* later the writer knows it better */
        s->first_lsn = c->batch.first_lsn;
        s->first_at = c->batch.pos.at;
    }
}

/* Copy the batch's second index, when its tail is whole. */
static void index_load(struct wal_cursor *c)
{
    struct batch_view *b = &c->batch;
    const uint64_t stamp = segment_at(c, b->pos.segment)->stamp;
    uint64_t index_bytes = (uint64_t)b->count * INDEX_ENTRY_BYTES;
    uint64_t padded = round8(index_bytes);
    struct batch_tail t;
    struct wal_pos pos;
    b->indexed = false;
    if (padded + BATCH_HEADER_BYTES + BATCH_TAIL_BYTES > b->length ||
        !add_bytes(c, b->pos, b->length - BATCH_TAIL_BYTES - padded, &pos))
        return;
    const uint8_t *p = bytes_at(c, pos, padded + BATCH_TAIL_BYTES);
    if (!p || !batch_tail_get(p + padded, stamp, &t) || t.count != b->count ||
        t.first_lsn != b->first_lsn ||
        !batch_tail_check(p + padded, stamp, slice_make(p, (size_t)index_bytes)))
        return;
    c->index.len = 0;
    buf_add(&c->index, p, (size_t)index_bytes);
    b->indexed = true;
}

static void batch_enter(struct wal_cursor *c)
{
    c->in_batch = true;
    c->record = 0;
    c->record_at = BATCH_HEADER_BYTES;
    c->index.len = 0;
    batch_note(c);
    (void)bytes_at(c, c->batch.pos,
                   c->batch.length); /* one read for all of it, when it is all there */
    index_load(c);
}

/* --- records ---------------------------------------------------------------------------------- */

/* The header of the next record, from where it stands or from the index. */
static bool record_header_find(struct wal_cursor *c, struct record_header *ret_header)
{
    const struct batch_view *b = &c->batch;
    struct wal_pos pos;
    uint64_t stamp = segment_at(c, b->pos.segment)->stamp;
    if (add_bytes(c, b->pos, c->record_at, &pos)) {
        const uint8_t *p = bytes_at(c, pos, RECORD_HEADER_BYTES);
        if (p && record_header_get(p, stamp, b->first_lsn + c->record, ret_header))
            return true;
    }
    if (c->err || !b->indexed)
        return false;
    index_entry_get(c->index.data + (size_t)c->record * INDEX_ENTRY_BYTES, ret_header);
    c->repaired++;
    return true;
}

static const uint8_t *payload_find(struct wal_cursor *c, const struct record_header *h)
{
    struct wal_pos pos;
    uint64_t at = c->record_at + RECORD_HEADER_BYTES;
    if (at + h->length > c->batch.length || !add_bytes(c, c->batch.pos, at, &pos))
        return NULL;
    return bytes_at(c, pos, h->length);
}

/* Take the next record of the batch, whole or lost. */
static void record_take(struct wal_cursor *c, struct wal_item *item)
{
    const struct batch_view *b = &c->batch;
    struct record_header h;
    uint64_t lsn = b->first_lsn + c->record;
    *item = (struct wal_item){.lsn = lsn, .last_lsn = lsn, .lost = true};
    if (!record_header_find(c, &h)) {
        item->last_lsn = b->first_lsn + b->count - 1;
        c->record = b->count;
        return;
    }
    c->place = (struct wal_place){h.context, h.partition};
    const uint8_t *p = payload_find(c, &h);
    if (p && crc32c(0, slice_make(p, h.length)) == h.crc) {
        item->lost = false;
        item->context = h.context;
        item->partition = h.partition;
        item->payload = slice_make(p, h.length);
    } else {
        item->places = &c->place;
        item->places_len = 1;
    }
    c->record++;
    c->record_at += round8(RECORD_HEADER_BYTES + (uint64_t)h.length);
}

/* --- holes ------------------------------------------------------------------------------------ */

/* The batch that ends where the one at `end` begins, by its tail. */
static bool batch_before(struct wal_cursor *c, struct wal_pos end, struct batch_view *ret_batch)
{
    struct wal_pos pos;
    struct batch_tail t;
    uint64_t stamp = segment_at(c, end.segment)->stamp;
    if (!sub_bytes(c, end, BATCH_TAIL_BYTES, &pos))
        return false;
    const uint8_t *p = bytes_at(c, pos, BATCH_TAIL_BYTES);
    if (!p || !batch_tail_get(p, stamp, &t) || !t.count || !sub_bytes(c, end, t.length, &pos) ||
        distance(c, c->pos, pos) == UINT64_MAX)
        return false;
    *ret_batch = (struct batch_view){.pos = pos,
                                     .first_lsn = t.first_lsn,
                                     .length = t.length,
                                     .count = t.count,
                                     .header_lost = true};
    return true;
}

static void hole_make(struct wal_cursor *c, uint64_t last, struct wal_item *item)
{
    *item = (struct wal_item){.lsn = c->expect, .last_lsn = last, .lost = true};
    c->expect = last + 1;
}

/* There is no batch where one should be. True: *item is a hole. False: go round again, or
 * *ret_end. */
static bool hole_cross(struct wal_cursor *c, struct wal_item *item, bool *ret_end)
{
    size_t next = next_incarnation(c);
    struct wal_pos pos = c->pos;
    struct batch_header h;
    bool found = batch_search(c, &pos, next - 1, &h);
    if (c->err)
        return false;
    if (found && h.first_lsn <= c->expect) { /* what was lost is behind us */
        c->pos = pos;
        c->chained = true;
        return false;
    }
    uint64_t durable = next < c->segments_len ? segment_at(c, next)->open_lsn - 1 : 0;
    if (c->durable > durable)
        durable = c->durable;
    if (c->expect > durable) {
        claims_read(c);
        if (c->expect > c->durable) {
            *ret_end = true;
            return false;
        }
        durable = c->durable;
    }
    uint64_t limit = next < c->segments_len ? segment_at(c, next)->open_lsn - 1 : UINT64_MAX;
    if (!found || h.first_lsn - 1 > limit) { /* a mark may stand at the very end */
        bool jump = next < c->segments_len;
        c->pos =
            jump ? (struct wal_pos){next, SEGMENT_DATA}
                 : (struct wal_pos){c->segments_len - 1, segment_at(c, c->segments_len - 1)->bytes};
        c->chained = jump;
        hole_make(c, jump ? limit : durable, item);
        return true;
    }
    c->chained = true;
    uint64_t last = h.first_lsn - 1;
    if (batch_before(c, pos, &c->batch) && c->batch.first_lsn + c->batch.count == h.first_lsn) {
        c->salvage = true;
        c->pos = c->batch.pos;
        if (c->batch.first_lsn <= c->expect)
            return false;
        last = c->batch.first_lsn - 1;
    } else {
        c->pos = pos;
    }
    hole_make(c, last, item);
    return true;
}

/* Enter the batch at pos when it is the one expected. False: nothing there. */
static bool batch_step(struct wal_cursor *c)
{
    struct batch_header h;
    if (c->pos.at == segment_at(c, c->pos.segment)->bytes && joined(c, c->pos.segment))
        c->pos = (struct wal_pos){c->pos.segment + 1, SEGMENT_DATA};
    if (c->salvage) {
        c->salvage = false;
        batch_enter(c);
        return true;
    }
    if (!batch_at(c, c->pos, &h) || h.first_lsn > c->expect)
        return false;
    c->batch = (struct batch_view){
        .pos = c->pos, .first_lsn = h.first_lsn, .length = h.length, .count = h.count};
    if (h.first_lsn + h.count > c->seen + 1)
        c->seen = h.first_lsn + h.count - 1;
    if (h.first_lsn + h.count <= c->expect) { /* a mark, or all of it is behind us */
        batch_note(c);
        batch_leave(c);
        return true;
    }
    batch_enter(c);
    return true;
}

static void incarnation_enter(struct wal_cursor *c, size_t next)
{
    c->pos = (struct wal_pos){next, SEGMENT_DATA};
    c->in_batch = c->salvage = false;
    c->chained = true;
    c->claims_read = false;
    c->torn_bytes = 0;
}

enum grid_err cursor_next(struct wal_cursor *c, struct wal_item *item)
{
    bool end = c->segments_len == 0;
    while (!c->err && !end && c->expect <= c->bound) {
        size_t next = next_incarnation(c);
        if (next < c->segments_len && c->expect >= segment_at(c, next)->open_lsn) {
            incarnation_enter(c, next);
            continue;
        }
        if (!c->in_batch) {
            if (!batch_step(c) && !c->err && hole_cross(c, item, &end))
                return c->err;
            continue;
        }
        if (c->record >= c->batch.count) {
            batch_leave(c);
            continue;
        }
        record_take(c, item);
        if (c->err)
            break;
        if (item->last_lsn < c->expect)
            continue;
        if (item->lost && item->lsn < c->expect)
            item->lsn = c->expect;
        if (item->lost && next == c->segments_len && item->lsn > c->durable) {
            claims_read(c);
            if (item->lsn > c->durable) {
                c->torn_bytes += c->batch.length;
                end = true;
                break;
            }
        }
        c->expect = item->last_lsn + 1;
        return c->err;
    }
    return c->err ? c->err : GRID_ENOT_FOUND;
}

/* --- life ------------------------------------------------------------------------------------- */

static void cursor_forget(struct wal_cursor *c)
{
    for (size_t i = 0; i < c->segments_len; i++)
        segment_unref(c->wal, c->segments[i]);
    free(c->segments);
    c->segments = NULL;
    c->segments_len = 0;
    c->window.len = 0;
}

static void cursor_snapshot(struct wal_cursor *c)
{
    struct wal *w = c->wal;
    pthread_mutex_lock(&w->lock);
    c->segments = xcalloc(w->segments_len + 1, sizeof(struct segment *));
    for (size_t i = 0; i < w->segments_len; i++) {
        c->segments[i] = w->segments[i];
        c->segments[i]->refs++;
    }
    c->segments_len = w->segments_len;
    pthread_mutex_unlock(&w->lock);
}

void cursor_refresh(struct wal_cursor *c)
{
    uint64_t number = c->segments_len ? c->segments[c->pos.segment]->number : 0;
    uint64_t batch = c->in_batch || c->salvage ? c->segments[c->batch.pos.segment]->number : number;
    cursor_forget(c);
    cursor_snapshot(c);
    for (size_t i = 0; i < c->segments_len; i++) {
        if (c->segments[i]->number == number)
            c->pos.segment = i;
        if (c->segments[i]->number == batch)
            c->batch.pos.segment = i;
    }
    if (!number)
        c->pos = (struct wal_pos){0, SEGMENT_DATA};
}

/* Where the first batch of a segment begins. The writer knows for the segments it made. */
static uint64_t segment_first(struct wal_cursor *c, size_t i, uint64_t *ret_at)
{
    struct wal *w = c->wal;
    struct segment *s = c->segments[i];
    struct wal_pos pos = {i, SEGMENT_DATA};
    struct batch_header h;
    pthread_mutex_lock(&w->lock);
    uint64_t lsn = s->first_lsn;
    *ret_at = s->first_at;
    pthread_mutex_unlock(&w->lock);
    bool ours = w->recovered && s->incarnation == w->incarnation;
    if (lsn || ours || !batch_search_segment(c, &pos, &h))
        return lsn;
    *ret_at = pos.at;
    return h.first_lsn;
}

/* To the last segment that begins at or before `expect`; the first one when none does. */
static void cursor_start(struct wal_cursor *c)
{
    c->pos = (struct wal_pos){0, SEGMENT_DATA};
    for (size_t i = c->segments_len; i-- > 0 && !c->err;) {
        const struct segment *s = segment_at(c, i);
        uint64_t at = 0;
        uint64_t lsn = segment_first(c, i, &at);
        if (!s->bad && s->open_lsn > c->seen + 1)
            c->seen = s->open_lsn - 1;
        if (!lsn || lsn > c->expect)
            continue;
        c->pos = (struct wal_pos){i, at};
        return;
    }
}

void cursor_init(struct wal_cursor *c, struct wal *w, uint64_t after_lsn)
{
    *c = (struct wal_cursor){
        .wal = w, .expect = after_lsn + 1, .bound = UINT64_MAX, .chained = true};
    cursor_snapshot(c);
    cursor_start(c);
}

void cursor_release(struct wal_cursor *c)
{
    cursor_forget(c);
    buf_release(&c->window);
    buf_release(&c->index);
}

uint64_t cursor_reach(const struct wal_cursor *c)
{
    struct wal_pos pos = c->pos, end;
    if (c->segments_len == 0)
        return 0;
    if (c->in_batch && add_bytes(c, c->batch.pos, c->batch.length, &end) &&
        end.segment > pos.segment)
        pos = end;
    return segment_at(c, pos.segment)->number;
}

bool cursor_start_is_missing(struct wal_cursor *c, uint64_t from_lsn)
{
    struct wal_pos pos = {0, SEGMENT_DATA};
    struct batch_header h;
    if (!c->segments_len)
        return false;
    size_t last = c->segments_len - 1;
    const struct segment *s = segment_at(c, 0);
    /* A later life would say with what lsn it began. What is gone by right is in the checkpoint. */
    return !s->bad && s->number > s->open_number && from_lsn < s->open_lsn &&
           segment_at(c, last)->incarnation == s->incarnation && !batch_search(c, &pos, last, &h) &&
           !c->err;
}

/* A segment is whole before anything is written to it, and the one after it is there before it
 * is full. */
bool cursor_end_is_damage(const struct wal_cursor *c)
{
    struct wal_pos pos;
    for (size_t i = c->pos.segment; i < c->segments_len; i++) {
        const struct segment *s = segment_at(c, i);
        if (s->bad || s->doubtful || s->bytes_there < s->bytes)
            return true;
        if (i + 1 < c->segments_len && s->number + 1 != segment_at(c, i + 1)->number)
            return true;
    }
    if (c->segments_len == 0)
        return false;
    if (c->in_batch && !add_bytes(c, c->batch.pos, c->batch.length, &pos))
        return true;
    return !c->chained || c->pos.at >= segment_at(c, c->segments_len - 1)->bytes;
}
