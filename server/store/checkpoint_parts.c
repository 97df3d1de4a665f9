/* checkpoint_parts.c - the values of entries, in their row or in parts.
 *
 *   a hash above WHOLE_BYTES is in rows of their own, one for each part (data/parts.h), part_bytes
 *   each on average: a change of a few fields reads and writes a few pages, however large the hash
 *   grows: a part is split when there are part_bytes more
 *   shrinks below a quarter, or grows to the double at once: put together and written anew
 *
 * Parts are numbered without a gap, so that those of an earlier value are found whatever its row
 * says. */
#include "base/alloc.h"
#include "base/hash.h"
#include "data/fields.h"
#include "data/parts.h"
#include "store/checkpoint_priv.h"

#include <stdlib.h>

enum { SHRINK = 4 };

void rows_release(struct rows *r)
{
    buf_release(&r->row);
    buf_release(&r->value);
    buf_release(&r->more);
}

/* --- one part --------------------------------------------------------------------------------- */

static enum grid_err part_open(struct slice key, struct slice row, struct slice *ret_packed)
{
    enum grid_err err = row_open(key, row, ret_packed);
    if (!err && ret_packed->len && !fields_packed_valid(*ret_packed))
        err = GRID_ECORRUPT;
    return err;
}

/* *ret_packed borrows. GRID_ECORRUPT: unreadable or missing. */
static enum grid_err part_get(struct rows *r, struct slice key, uint32_t part,
                              struct slice *ret_packed)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice row, name = part_key(bytes, key, part);
    enum grid_err err = r->kv->ops->get(r->txn, KV_PARTS, name, &row);
    if (!err)
        err = part_open(name, row, ret_packed);
    return err == GRID_ENOT_FOUND ? GRID_ECORRUPT : err;
}

/* `row` was begun by row_begin(). */
static enum grid_err part_put(struct rows *r, struct slice key, uint32_t part, struct buf *row)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct slice name = part_key(bytes, key, part);
    row_seal(name, row);
    return r->kv->ops->put(r->txn, KV_PARTS, name, buf_slice(row));
}

static enum grid_err parts_remove(struct rows *r, struct slice key, uint32_t from)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    enum grid_err err = GRID_OK;
    while (!err)
        err = r->kv->ops->del(r->txn, KV_PARTS, part_key(bytes, key, from++));
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* The cursor moves to a part: the next row most of the time. */
static enum grid_err part_walk(const struct kv_ops *ops, struct kv_cursor *c, struct slice name,
                               bool first, struct slice *ret_row)
{
    struct slice found;
    enum grid_err err = GRID_ENOT_FOUND;
    if (!first)
        err = ops->next(c, &found, ret_row);
    if (err || !slice_eq(found, name))
        err = ops->seek(c, name, &found, ret_row);
    if (!err && !slice_eq(found, name))
        err = GRID_ENOT_FOUND;
    return err == GRID_ENOT_FOUND ? GRID_ECORRUPT : err;
}

enum grid_err parts_read(struct kv *kv, struct kv_txn *t, struct slice key,
                         const struct entry_row *row, struct buf *out)
{
    uint8_t bytes[KV_KEY_BYTES_MAX];
    struct kv_cursor *c;
    uint64_t total = 0;
    enum grid_err err = kv->ops->cursor(t, KV_PARTS, &c);
    if (err)
        return err;
    for (uint32_t i = 0; i < row->parts && !err; i++) {
        struct slice one, packed, name = part_key(bytes, key, i);
        err = part_walk(kv->ops, c, name, i == 0, &one);
        if (!err)
            err = row_open(name, one, &packed);
        if (!err && (total += packed.len) > row->bytes)
            err = GRID_ECORRUPT;
        if (!err)
            buf_add(out, packed.data, packed.len);
    }
    kv->ops->cursor_close(c);
    return !err && total != row->bytes ? GRID_ECORRUPT : err;
}

static enum grid_err row_put(struct rows *r, struct slice key, const struct entry_row *row)
{
    entry_row_put(&r->row, key, row);
    return r->kv->ops->put(r->txn, KV_ENTRIES, key, buf_slice(&r->row));
}

/* The row first: what it borrows is gone with the next change. */
static enum grid_err parted_write(struct rows *r, struct slice key, struct entry_row *row,
                                  struct slice packed)
{
    struct dealt d;
    size_t parts = packed.len / r->part_bytes;
    row->parts = parts < PARTS_MAX ? (uint32_t)parts : PARTS_MAX;
    row->bytes = packed.len;
    row->seed = hash_key(key, row->entry.version);
    parts_deal(&d, packed, row->parts, row->seed);
    enum grid_err err = row_put(r, key, row);
    for (uint32_t i = 0; i < row->parts && !err; i++) {
        struct slice part = dealt_part(&d, i);
        row_begin(&r->row);
        buf_add(&r->row, part.data, part.len);
        err = part_put(r, key, i, &r->row);
    }
    dealt_release(&d);
    return err;
}

enum grid_err entry_write(struct rows *r, struct slice key, const struct checkpoint_entry *e,
                          bool had_parts)
{
    struct entry_row row = {.entry = *e};
    bool whole = e->type != VALUE_HASH || e->value.len <= r->part_bytes * WHOLE_PARTS;
    enum grid_err err = whole ? row_put(r, key, &row) : parted_write(r, key, &row, e->value);
    return !err && had_parts ? parts_remove(r, key, row.parts) : err;
}

enum grid_err entry_remove(struct rows *r, struct slice key, bool had_parts)
{
    enum grid_err err = r->kv->ops->del(r->txn, KV_ENTRIES, key);
    if (err == GRID_ENOT_FOUND)
        err = GRID_OK;
    return !err && had_parts ? parts_remove(r, key, 0) : err;
}

/* --- edits ------------------------------------------------------------------------------------ */

/* An unreadable part is taken for an empty one: GRID_ECORRUPT, but what the log had is kept. */
static enum grid_err part_edit(struct rows *r, struct slice key, struct entry_row *row,
                               uint32_t part, struct slice edits)
{
    struct slice packed = {NULL, 0};
    enum grid_err bad = part_get(r, key, part, &packed);
    if (bad && bad != GRID_ECORRUPT)
        return bad;
    if (bad)
        packed = slice_make(NULL, 0);
    row_begin(&r->row);
    size_t head = r->row.len;
    fields_fold(packed, &edits, 1, &r->row);
    row->bytes += r->row.len - head;
    row->bytes -= packed.len;
    enum grid_err err = part_put(r, key, part, &r->row);
    return err ? err : bad;
}

static enum grid_err part_add(struct rows *r, struct slice key, struct entry_row *row)
{
    struct slice packed;
    uint32_t from = parts_source(row->parts);
    enum grid_err err = part_get(r, key, from, &packed);
    if (err)
        return err;
    row_begin(&r->row);
    row_begin(&r->more);
    parts_split(packed, row->parts, row->seed, &r->row, &r->more);
    err = part_put(r, key, from, &r->row);
    if (!err)
        err = part_put(r, key, row->parts, &r->more);
    row->parts += !err;
    return err;
}

/* The entry's row is borrowed: it is written last, from a copy. */
static enum grid_err parts_edit_each(struct rows *r, struct slice key, struct entry_row *row,
                                     const struct slice *edits, size_t edits_len)
{
    struct dealt d;
    enum grid_err err = GRID_OK, bad = GRID_OK;
    parts_deal_edits(&d, edits, edits_len, row->parts, row->seed);
    for (uint32_t i = 0; i < row->parts && !err; i++) {
        struct slice part = dealt_part(&d, i);
        err = part.len ? part_edit(r, key, row, i, part) : GRID_OK;
        if (err == GRID_ECORRUPT) {
            bad = err;
            err = GRID_OK;
        }
    }
    dealt_release(&d);
    while (!err && !bad && row->bytes / r->part_bytes > row->parts && row->parts < PARTS_MAX)
        err = part_add(r, key, row);
    if (err && err != GRID_ECORRUPT)
        return err;
    bad = err ? err : bad;
    err = row_put(r, key, row);
    return err ? err : bad;
}

/* Put it together, fold, write it anew. */
static enum grid_err parts_rewrite(struct rows *r, struct slice key, const struct entry_row *row,
                                   const struct slice *edits, size_t edits_len)
{
    struct checkpoint_entry e = row->entry;
    r->value.len = r->more.len = 0;
    enum grid_err err = parts_read(r->kv, r->txn, key, row, &r->more);
    if (!err && !value_valid(e.type, buf_slice(&r->more)))
        err = GRID_ECORRUPT;
    if (err)
        return err;
    fields_fold(buf_slice(&r->more), edits, edits_len, &r->value);
    e.value = buf_slice(&r->value);
    if (!e.value.len || e.value.len > FIELDS_BYTES_MAX)
        return GRID_ECORRUPT;
    return entry_write(r, key, &e, true);
}

enum grid_err parts_edit(struct rows *r, struct slice key, struct entry_row *row,
                         const struct slice *edits, size_t edits_len)
{
    uint8_t affinity[KEY_BYTES_MAX];
    uint64_t more = 0;
    if (row->entry.affinity.len)
        memcpy(affinity, row->entry.affinity.data, row->entry.affinity.len);
    row->entry.affinity.data = affinity;
    for (size_t i = 0; i < edits_len; i++)
        more += edits[i].len;
    if (more > row->bytes) {
        enum grid_err err = parts_rewrite(r, key, row, edits, edits_len);
        if (err != GRID_ECORRUPT)
            return err;
    }
    enum grid_err err = parts_edit_each(r, key, row, edits, edits_len);
    if (!err && (!row->bytes || row->bytes > FIELDS_BYTES_MAX))
        err = GRID_ECORRUPT;
    if (!err && row->bytes / r->part_bytes < row->parts / SHRINK)
        err = parts_rewrite(r, key, row, NULL, 0);
    return err;
}

/* --- giving up -------------------------------------------------------------------------------- */

/* Unreadable parts are empty from now on; an entry without any field is removed. */
static enum grid_err parts_mend(struct rows *r, struct slice key, struct entry_row *row)
{
    uint8_t affinity[KEY_BYTES_MAX];
    if (row->entry.affinity.len)
        memcpy(affinity, row->entry.affinity.data, row->entry.affinity.len);
    row->entry.affinity.data = affinity;
    row->bytes = 0;
    enum grid_err err = GRID_OK;
    for (uint32_t i = 0; i < row->parts && !err; i++) {
        struct slice packed;
        err = part_get(r, key, i, &packed);
        if (!err)
            row->bytes += packed.len;
        if (err != GRID_ECORRUPT)
            continue;
        row_begin(&r->row);
        err = part_put(r, key, i, &r->row);
    }
    if (err)
        return err;
    return row->bytes ? row_put(r, key, row) : entry_remove(r, key, true);
}

/* The row keys of entries in parts, each behind its length. */
static enum grid_err parted_list(struct rows *r, struct slice prefix, struct buf *keys)
{
    const struct kv_ops *ops = r->kv->ops;
    struct kv_cursor *c;
    struct entry_row found;
    struct slice key, row;
    enum grid_err err = ops->cursor(r->txn, KV_ENTRIES, &c);
    if (err)
        return err;
    err = ops->seek(c, prefix, &key, &row);
    while (!err && slice_has_prefix(key, prefix)) {
        if (!entry_row_get(key, row, &found) && found.parts) {
            buf_add_u16(keys, (uint16_t)key.len);
            buf_add(keys, key.data, key.len);
        }
        err = ops->next(c, &key, &row);
    }
    ops->cursor_close(c);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

/* Whether the part belongs to an entry. */
static enum grid_err part_owned(struct rows *r, struct slice key, bool *ret_owned)
{
    struct entry_row owner;
    struct slice entry, row;
    uint32_t part;
    *ret_owned = false;
    if (!part_key_parse(key, &entry, &part))
        return GRID_OK;
    enum grid_err err = r->kv->ops->get(r->txn, KV_ENTRIES, entry, &row);
    if (!err)
        *ret_owned = !entry_row_get(entry, row, &owner) && part < owner.parts;
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

static enum grid_err orphans_remove(struct rows *r, struct slice prefix)
{
    const struct kv_ops *ops = r->kv->ops;
    struct kv_cursor *c;
    struct slice key, row;
    bool owned;
    enum grid_err err = ops->cursor(r->txn, KV_PARTS, &c);
    if (err)
        return err;
    err = ops->seek(c, prefix, &key, &row);
    while (!err && slice_has_prefix(key, prefix)) {
        err = part_owned(r, key, &owned);
        if (!err && !owned)
            err = ops->cursor_del(c);
        if (!err)
            err = ops->next(c, &key, &row);
    }
    ops->cursor_close(c);
    return err == GRID_ENOT_FOUND ? GRID_OK : err;
}

enum grid_err parts_give_up(struct rows *r, struct slice prefix)
{
    struct buf keys = BUF_INIT;
    enum grid_err err = parted_list(r, prefix, &keys);
    for (size_t at = 0; at < keys.len && !err;) {
        struct slice row, key = slice_make(keys.data + at + 2, load_u16(keys.data + at));
        struct entry_row found;
        at += 2 + key.len;
        err = r->kv->ops->get(r->txn, KV_ENTRIES, key, &row);
        if (!err)
            err = entry_row_get(key, row, &found);
        if (!err)
            err = parts_mend(r, key, &found);
    }
    buf_release(&keys);
    return err ? err : orphans_remove(r, prefix);
}
