/* checkpoint_rows.c - rows as bytes. What is read is not trusted: the CRC first, then every
 * length. */
#include "store/checkpoint_priv.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>

struct slice head_key(uint8_t *to, uint32_t context, uint16_t partition)
{
    store_be16(to, context);
    store_be16(to + 2, partition);
    return slice_make(to, HEAD_KEY_BYTES);
}

struct slice session_key(uint8_t *to, uint32_t context, uint16_t partition,
                         const struct session_id *id)
{
    head_key(to, context, partition);
    memcpy(to + HEAD_KEY_BYTES, id->bytes, SESSION_ID_BYTES);
    return slice_make(to, SESSION_KEY_BYTES);
}

struct slice entry_key(uint8_t *to, uint32_t context, uint16_t partition, uint32_t cache,
                       struct slice key)
{
    CHECK(key.len <= KEY_BYTES_MAX && cache <= UINT16_MAX);
    head_key(to, context, partition);
    store_be16(to + HEAD_KEY_BYTES, cache);
    if (key.len)
        memcpy(to + ENTRY_PREFIX_BYTES, key.data, key.len);
    return slice_make(to, ENTRY_PREFIX_BYTES + key.len);
}

bool entry_key_parse(struct slice row, struct entry_key *ret_key)
{
    if (row.len <= ENTRY_PREFIX_BYTES || row.len > ENTRY_PREFIX_BYTES + KEY_BYTES_MAX)
        return false;
    *ret_key =
        (struct entry_key){load_be16(row.data), load_be16(row.data + 2), load_be16(row.data + 4),
                           slice_make(row.data + ENTRY_PREFIX_BYTES, row.len - ENTRY_PREFIX_BYTES)};
    return true;
}

void row_begin(struct buf *row)
{
    row->len = 0;
    buf_add_u32(row, 0);
}

static uint32_t row_crc(struct slice key, struct slice rest)
{
    return crc32c(crc32c(0, key), rest);
}

void row_seal(struct slice key, struct buf *row)
{
    store_u32(row->data, row_crc(key, slice_make(row->data + 4, row->len - 4)));
}

enum grid_err row_open(struct slice key, struct slice row, struct slice *ret_rest)
{
    if (row.len < 4)
        return GRID_ECORRUPT;
    struct slice rest = slice_make(row.data + 4, row.len - 4);
    if (load_u32(row.data) != row_crc(key, rest))
        return GRID_ECORRUPT;
    *ret_rest = rest;
    return GRID_OK;
}

bool part_key_parse(struct slice key, struct slice *ret_entry, uint32_t *ret_part)
{
    if (key.len <= ENTRY_PREFIX_BYTES + PART_KEY_BYTES)
        return false;
    *ret_entry = slice_make(key.data, key.len - PART_KEY_BYTES);
    const uint8_t *p = key.data + ret_entry->len;
    *ret_part = (uint32_t)load_be16(p) << 16 | load_be16(p + 2);
    return true;
}

struct slice part_key(uint8_t *to, struct slice entry, uint32_t part)
{
    memcpy(to, entry.data, entry.len);
    store_be16(to + entry.len, part >> 16);
    store_be16(to + entry.len + 2, part);
    return slice_make(to, entry.len + PART_KEY_BYTES);
}

/* u64 version | u64 deadline | u16 length of affinity, 9 bits, type, 6 bits, in parts, 1 bit |
 * affinity | value, or: u32 parts | u64 bytes | u64 seed. In rows of format 1 type and last bit
 * were 0, as they are in those of BYTES. */
enum {
    AFFINITY_MASK = 0x1ff,
    TYPE_SHIFT = 9,
    TYPE_MASK = 0x3f,
    IN_PARTS = 1 << 15,
    ENTRY_ROW_BYTES = 18,
    PARTED_BYTES = 20,
};
_Static_assert((int)KEY_BYTES_MAX <= AFFINITY_MASK && (int)VALUE_TYPES <= TYPE_MASK, "both fit");

void entry_row_put(struct buf *row, struct slice key, const struct entry_row *r)
{
    const struct checkpoint_entry *e = &r->entry;
    CHECK(e->affinity.len <= KEY_BYTES_MAX && e->type < VALUE_TYPES);
    unsigned bits = (unsigned)e->affinity.len | (unsigned)e->type << TYPE_SHIFT;
    row_begin(row);
    buf_add_u64(row, e->version);
    buf_add_u64(row, e->deadline);
    buf_add_u16(row, (uint16_t)(r->parts ? bits | IN_PARTS : bits));
    buf_add(row, e->affinity.data, e->affinity.len);
    if (r->parts) {
        buf_add_u32(row, r->parts);
        buf_add_u64(row, r->bytes);
        buf_add_u64(row, r->seed);
    } else {
        buf_add(row, e->value.data, e->value.len);
    }
    row_seal(key, row);
}

static bool parted_get(struct slice rest, struct entry_row *r)
{
    if (rest.len != PARTED_BYTES)
        return false;
    r->parts = load_u32(rest.data);
    r->bytes = load_u64(rest.data + 4);
    r->seed = load_u64(rest.data + 12);
    return r->parts && r->parts <= PARTS_MAX && r->entry.type == VALUE_HASH &&
           r->bytes <= FIELDS_BYTES_MAX;
}

enum grid_err entry_row_get(struct slice key, struct slice row, struct entry_row *ret_row)
{
    struct slice rest;
    struct entry_key k;
    enum grid_err err = row_open(key, row, &rest);
    if (err)
        return err;
    if (!entry_key_parse(key, &k) || rest.len < ENTRY_ROW_BYTES)
        return GRID_ECORRUPT;
    unsigned bits = load_u16(rest.data + 16), type = bits >> TYPE_SHIFT & TYPE_MASK;
    size_t affinity = bits & AFFINITY_MASK, at = ENTRY_ROW_BYTES + affinity;
    if (at > rest.len || type >= VALUE_TYPES)
        return GRID_ECORRUPT;
    struct entry_row r = {
        .entry = {.cache = k.cache,
                  .version = load_u64(rest.data),
                  .deadline = load_u64(rest.data + 8),
                  .key = k.key,
                  .affinity = slice_make(rest.data + ENTRY_ROW_BYTES, affinity),
                  .value = slice_make(rest.data + at, rest.len - at),
                  .type = (uint8_t)type},
    };
    if (bits & IN_PARTS) {
        if (!parted_get(r.entry.value, &r))
            return GRID_ECORRUPT;
        r.entry.value = slice_make(NULL, 0);
    }
    *ret_row = r;
    return GRID_OK;
}

enum { HEAD_DAMAGED = 1, HEAD_COPYING = 2 };

void head_row_put(struct buf *row, struct slice key, const struct head_row *h)
{
    row_begin(row);
    buf_add_u8(row, (uint8_t)((h->damaged ? HEAD_DAMAGED : 0) | (h->copying ? HEAD_COPYING : 0)));
    buf_add_u64(row, h->version);
    buf_add_u32(row, (uint32_t)h->len);
    for (size_t i = 0; i < h->len; i++) {
        buf_add_u32(row, h->caches[i]);
        buf_add_u64(row, h->counts[i]);
    }
    row_seal(key, row);
}

uint64_t *head_row_count(struct head_row *h, uint32_t cache)
{
    for (size_t i = 0; i < h->len; i++) {
        if (h->caches[i] == cache)
            return &h->counts[i];
    }
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 4;
        h->caches = xrealloc(h->caches, h->cap, sizeof *h->caches);
        h->counts = xrealloc(h->counts, h->cap, sizeof *h->counts);
    }
    h->caches[h->len] = cache;
    h->counts[h->len] = 0;
    return &h->counts[h->len++];
}

void head_row_drop(struct head_row *h, size_t at)
{
    h->len--;
    h->caches[at] = h->caches[h->len];
    h->counts[at] = h->counts[h->len];
}

enum grid_err head_row_get(struct slice key, struct slice row, struct head_row *h)
{
    struct slice rest;
    enum grid_err err = row_open(key, row, &rest);
    if (err)
        return err;
    if (key.len != HEAD_KEY_BYTES || rest.len < 13 ||
        rest.len != 13 + (uint64_t)load_u32(rest.data + 9) * 12)
        return GRID_ECORRUPT;
    size_t n = load_u32(rest.data + 9);
    h->damaged = rest.data[0] & HEAD_DAMAGED;
    h->copying = rest.data[0] & HEAD_COPYING;
    h->version = load_u64(rest.data + 1);
    h->len = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = rest.data + 13 + i * 12;
        *head_row_count(h, load_u32(p)) = load_u64(p + 4);
    }
    return GRID_OK;
}

void head_row_release(struct head_row *h)
{
    free(h->caches);
    free(h->counts);
    *h = (struct head_row){0};
}

enum grid_err number_get(struct kv_txn *t, struct kv *kv, const char *name, uint64_t *ret_number)
{
    struct slice row, rest;
    enum grid_err err = kv->ops->get(t, KV_META, slice_str(name), &row);
    if (!err)
        err = row_open(slice_str(name), row, &rest);
    if (!err && rest.len != 8)
        err = GRID_ECORRUPT;
    if (!err)
        *ret_number = load_u64(rest.data);
    return err;
}

enum grid_err number_put(struct kv_txn *t, struct kv *kv, const char *name, uint64_t number)
{
    struct buf row = BUF_INIT;
    row_begin(&row);
    buf_add_u64(&row, number);
    row_seal(slice_str(name), &row);
    enum grid_err err = kv->ops->put(t, KV_META, slice_str(name), buf_slice(&row));
    buf_release(&row);
    return err;
}
