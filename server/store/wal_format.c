/* wal_format.c - the bytes of the log. Everything is little-endian; each header has a CRC of its
 * own.
 *
 * A header is believed only with the stamp of its segment's incarnation and, for batches, its
 * own place: stale bytes of a recycled segment have another place, those of another life of the
 * log another stamp, and bytes that a client put into a value cannot have the stamp, which is
 * random and never leaves the node. */
#include "base/hash.h"
#include "store/wal_priv.h"

static const char segment_magic[8] = {'G', 'R', 'I', 'D', 'W', 'A', 'L', '\n'};

void segment_header_put(uint8_t *to, const struct segment *s)
{
    memcpy(to, segment_magic, 8);
    store_u32(to + 8, WAL_FORMAT);
    store_u32(to + 12, 0);
    store_u64(to + 16, s->number);
    store_u64(to + 24, s->bytes);
    store_u64(to + 32, s->stamp);
    store_u64(to + 40, s->incarnation);
    store_u64(to + 48, s->open_lsn);
    store_u64(to + 56, s->open_number);
    store_u32(to + 64, crc32c(0, slice_make(to, 64)));
}

static enum grid_err segment_copy_get(const uint8_t *from, struct segment *s)
{
    if (memcmp(from, segment_magic, 8) != 0 ||
        load_u32(from + 64) != crc32c(0, slice_make(from, 64)))
        return GRID_ECORRUPT;
    if (load_u32(from + 8) > WAL_FORMAT)
        return GRID_ENEWER;
    if (load_u64(from + 16) != s->number)
        return GRID_ECORRUPT;
    s->bytes = load_u64(from + 24);
    s->stamp = load_u64(from + 32);
    s->incarnation = load_u64(from + 40);
    s->open_lsn = load_u64(from + 48);
    s->open_number = load_u64(from + 56);
    if (s->bytes < SEGMENT_DATA || s->bytes > UINT32_MAX || s->bytes % 8 || s->open_lsn == 0 ||
        s->open_number > s->number)
        return GRID_ECORRUPT;
    return GRID_OK;
}

enum grid_err segment_header_get(const uint8_t *page, size_t len, struct segment *s)
{
    enum grid_err err = GRID_ECORRUPT;
    if (len >= SEGMENT_HEADER_BYTES)
        err = segment_copy_get(page, s);
    if (err == GRID_ECORRUPT && len >= SEGMENT_HEADER_COPY + SEGMENT_HEADER_BYTES)
        err = segment_copy_get(page + SEGMENT_HEADER_COPY, s);
    return err;
}

void batch_header_put(uint8_t *to, const struct batch_header *h)
{
    store_u64(to, h->stamp);
    store_u64(to + 8, h->place);
    store_u64(to + 16, h->first_lsn);
    store_u64(to + 24, h->durable_lsn);
    store_u32(to + 32, h->length);
    store_u32(to + 36, h->count);
    store_u16(to + 40, h->format);
    store_u16(to + 42, 0);
    store_u32(to + 44, crc32c(0, slice_make(to, 44)));
}

enum grid_err batch_header_get(const uint8_t *from, uint64_t stamp, uint64_t place,
                               struct batch_header *ret_header)
{
    if (load_u64(from) != stamp || load_u64(from + 8) != place ||
        load_u32(from + 44) != crc32c(0, slice_make(from, 44)))
        return GRID_ENOT_FOUND;
    struct batch_header h = {
        .stamp = stamp,
        .place = place,
        .first_lsn = load_u64(from + 16),
        .durable_lsn = load_u64(from + 24),
        .length = load_u32(from + 32),
        .count = load_u32(from + 36),
        .format = load_u16(from + 40),
    };
    if (h.format > WAL_FORMAT)
        return GRID_ENEWER;
    uint64_t least = BATCH_HEADER_BYTES + BATCH_TAIL_BYTES +
                     (uint64_t)h.count * (RECORD_HEADER_BYTES + INDEX_ENTRY_BYTES);
    if (h.length % 8 || h.length < least || h.first_lsn == 0 || h.durable_lsn >= h.first_lsn ||
        h.first_lsn > UINT64_MAX / 2)
        return GRID_ENOT_FOUND;
    *ret_header = h;
    return GRID_OK;
}

/* Binds a record to its lsn and to this life of the log. */
static uint32_t record_seed(uint64_t stamp, uint64_t lsn)
{
    return (uint32_t)((stamp + lsn) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

void index_entry_put(uint8_t *to, const struct record_header *h)
{
    store_u32(to, h->length);
    store_u16(to + 4, h->context);
    store_u16(to + 6, h->partition);
    store_u32(to + 8, h->crc);
}

void index_entry_get(const uint8_t *from, struct record_header *ret_header)
{
    *ret_header = (struct record_header){load_u32(from), load_u16(from + 4), load_u16(from + 6),
                                         load_u32(from + 8)};
}

void record_header_put(uint8_t *to, const struct record_header *h, uint64_t stamp, uint64_t lsn)
{
    index_entry_put(to, h);
    store_u32(to + 12, crc32c(record_seed(stamp, lsn), slice_make(to, 12)));
}

bool record_header_get(const uint8_t *from, uint64_t stamp, uint64_t lsn,
                       struct record_header *ret_header)
{
    if (load_u32(from + 12) != crc32c(record_seed(stamp, lsn), slice_make(from, 12)))
        return false;
    index_entry_get(from, ret_header);
    return true;
}

static uint32_t tail_crc(const uint8_t *tail, uint64_t stamp, struct slice index)
{
    uint8_t bytes[8];
    store_u64(bytes, stamp);
    uint32_t crc = crc32c(0, slice_make(bytes, 8));
    return crc32c(crc32c(crc, index), slice_make(tail, 16));
}

/*  u64 first lsn | u32 count | u32 length | u32 CRC of stamp and these | u32 CRC of stamp, index
 * and these */
void batch_tail_put(uint8_t *to, const struct batch_tail *t, uint64_t stamp, struct slice index)
{
    store_u64(to, t->first_lsn);
    store_u32(to + 8, t->count);
    store_u32(to + 12, t->length);
    store_u32(to + 16, tail_crc(to, stamp, slice_make(NULL, 0)));
    store_u32(to + 20, tail_crc(to, stamp, index));
}

bool batch_tail_get(const uint8_t *from, uint64_t stamp, struct batch_tail *ret_tail)
{
    if (load_u32(from + 16) != tail_crc(from, stamp, slice_make(NULL, 0)))
        return false;
    *ret_tail = (struct batch_tail){load_u64(from), load_u32(from + 8), load_u32(from + 12)};
    return true;
}

bool batch_tail_check(const uint8_t *from, uint64_t stamp, struct slice index)
{
    return load_u32(from + 20) == tail_crc(from, stamp, index);
}
