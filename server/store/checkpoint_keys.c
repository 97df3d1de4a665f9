/* checkpoint_keys.c - what the changes of one key make of it: the last one that builds on nothing,
 * or its row when there is none, then those behind it, all edits at once. */
#include "base/alloc.h"
#include "base/hash.h"
#include "data/parts.h"
#include "store/checkpoint_priv.h"

#include <stdlib.h>

/* --- rows that changes build on --------------------------------------------------------------- */

struct base {
    uint64_t name; /* hash of its key; 0: free */
    uint64_t left; /* bytes not counted yet */
};

static struct base *base_slot(const struct bases *b, uint64_t name)
{
    size_t i = name & (b->cap - 1);
    while (b->slots[i].name && b->slots[i].name != name)
        i = (i + 1) & (b->cap - 1);
    return &b->slots[i];
}

static void bases_grow(struct bases *b)
{
    struct base *old = b->slots;
    size_t cap = b->cap;
    b->cap = cap ? cap * 2 : 1024;
    b->slots = xcalloc(b->cap, sizeof *b->slots);
    for (size_t i = 0; i < cap; i++) {
        if (old[i].name)
            *base_slot(b, old[i].name) = old[i];
    }
    free(old);
}

void bases_clear(struct bases *b)
{
    if (b->len)
        memset(b->slots, 0, b->cap * sizeof *b->slots);
    b->len = 0;
    b->bytes = 0;
}

static void base_take(struct bases *b, struct base *base, uint64_t bytes)
{
    uint64_t n = bytes < base->left ? bytes : base->left;
    base->left -= n;
    b->bytes += n;
}

/* A row counts when it is met first, a value in parts by the parts that edits touch. */
static enum grid_err base_meet(struct bases *b, const struct rows *r, struct slice key,
                               struct base *base)
{
    struct slice row;
    struct entry_row found;
    enum grid_err err = r->kv->ops->get(r->txn, KV_ENTRIES, key, &row);
    if (err)
        return err == GRID_ENOT_FOUND ? GRID_OK : err;
    base->left = row.len;
    base_take(b, base, row.len);
    if (!entry_row_get(key, row, &found))
        base->left = found.parts ? found.bytes : 0;
    return GRID_OK;
}

enum grid_err bases_count(struct bases *b, const struct rows *r, struct slice key,
                          const struct effect *e)
{
    if (b->len * 2 >= b->cap)
        bases_grow(b);
    uint64_t name = hash_key(key, 0) | 1;
    struct base *base = base_slot(b, name);
    if (!base->name) {
        enum grid_err err = base_meet(b, r, key, base);
        if (err)
            return err;
        base->name = name;
        b->len++;
    }
    if (base->left && e->kind == EFFECT_EDIT)
        base_take(b, base, parts_edits(e->value) * r->part_bytes);
    return GRID_OK;
}

/* --- changes of a key ------------------------------------------------------------------------- */

static enum grid_err base_read(struct rows *r, struct slice key, struct entry_row *ret_row)
{
    struct slice row;
    enum grid_err err = r->kv->ops->get(r->txn, KV_ENTRIES, key, &row);
    return err ? err : entry_row_get(key, row, ret_row);
}

static struct entry_row base_of(const struct effect *e)
{
    return (struct entry_row){
        .entry = {
            .affinity = e->affinity, .value = e->value, .deadline = e->deadline, .type = e->type}};
}

/* The deadline is changed, edits are collected. */
static enum grid_err changes_sort_out(struct checkpoint_entry *e, const struct change *run,
                                      size_t n, struct slice *edits, size_t *ret_edits)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        const struct effect *change = &run[i].effect;
        if (change->kind == EFFECT_DEADLINE)
            e->deadline = change->deadline;
        else if (change->type == e->type)
            edits[len++] = change->value;
        else
            return GRID_ECORRUPT;
    }
    *ret_edits = len;
    return GRID_OK;
}

/* The value is in r->value then. */
static enum grid_err whole_edit(struct rows *r, struct checkpoint_entry *e,
                                const struct slice *edits, size_t edits_len)
{
    if (!value_valid(e->type, e->value))
        return GRID_ECORRUPT;
    r->value.len = 0;
    fields_fold(e->value, edits, edits_len, &r->value);
    e->value = buf_slice(&r->value);
    return e->value.len && e->value.len <= FIELDS_BYTES_MAX ? GRID_OK : GRID_ECORRUPT;
}

/* Changes that build on `row`. `had_parts`: as for entry_write(). */
static enum grid_err changes_apply(struct rows *r, struct slice key, struct entry_row *row,
                                   const struct change *run, size_t n, bool had_parts)
{
    struct slice *edits = xcalloc(n + 1, sizeof *edits);
    size_t len = 0;
    enum grid_err err = changes_sort_out(&row->entry, run, n, edits, &len);
    if (!err && row->parts)
        err = parts_edit(r, key, row, edits, len);
    else if (!err && len)
        err = whole_edit(r, &row->entry, edits, len);
    free(edits);
    return err || row->parts ? err : entry_write(r, key, &row->entry, had_parts);
}

enum grid_err key_write(struct rows *r, struct slice key, const struct change *run, size_t n,
                        bool had_parts)
{
    struct entry_row row;
    enum grid_err err = GRID_OK;
    size_t from = n;
    while (from && effect_changes(&run[from - 1].effect))
        from--;
    const struct effect *base = from ? &run[from - 1].effect : NULL;
    if (base && !effect_puts(base))
        return from < n ? GRID_ENOT_FOUND : entry_remove(r, key, had_parts);
    if (base)
        row = base_of(base);
    else
        err = base_read(r, key, &row);
    had_parts &= base != NULL;
    if (err)
        return err;
    row.entry.version = run[n - 1].version;
    return from < n ? changes_apply(r, key, &row, run + from, n - from, had_parts)
                    : entry_write(r, key, &row.entry, had_parts);
}
