/* fields.c - the packed form of a hash value, edits of it, and both forms by one view. */
#include "base/alloc.h"
#include "base/hash.h"
#include "data/fields_priv.h"

#include <stdlib.h>

/* --- writing ---------------------------------------------------------------------------------- */

static void field_add(struct buf *out, int edit, struct slice field, const struct slice *value)
{
    size_t bytes = 1 + 2 * VARINT_BYTES_MAX + field.len + (value ? value->len : 0);
    uint8_t *start = buf_reserve(out, bytes), *to = start;
    if (edit)
        *to++ = (uint8_t)edit;
    to = write_slice(to, field);
    if (value)
        to = write_slice(to, *value);
    out->len += (size_t)(to - start);
}

void fields_pack(struct buf *out, struct slice field, struct slice value)
{
    field_add(out, 0, field, &value);
}

void fields_edit_set(struct buf *out, struct slice field, struct slice value)
{
    field_add(out, EDIT_SET, field, &value);
}

void fields_edit_remove(struct buf *out, struct slice field)
{
    field_add(out, EDIT_REMOVE, field, NULL);
}

/* --- an index of fields: each with the last edit of it, in order of appearance ---------------- */

enum { INDEX_FEW = 8 };

struct change {
    const uint8_t *at; /* v length, field, and when it sets: v length, value */
    size_t len;        /* of these bytes; 0: the field is removed */
    bool done;
};

/* Few are looked through; of more there are slots by hash, twice as many. */
struct index {
    struct change few[INDEX_FEW], *changes;
    uint32_t len;
    uint32_t *slots; /* number + 1; 0: free */
    uint32_t mask;
    uint64_t seed;
};

/* Room for `max` fields. */
static void index_init(struct index *x, size_t max)
{
    CHECK(max <= FIELDS_BYTES_MAX);
    x->changes = x->few;
    x->slots = NULL;
    x->len = 0;
    if (max <= INDEX_FEW)
        return;
    uint32_t slots = 4 * INDEX_FEW;
    while (slots < 2 * max)
        slots *= 2;
    x->changes = xalloc(max * sizeof *x->changes);
    x->slots = xcalloc(slots, sizeof *x->slots);
    x->mask = slots - 1;
    x->seed = (uintptr_t)x->slots ^ (uintptr_t)x; /* nobody outside knows it */
}

static void index_release(struct index *x)
{
    if (x->changes != x->few)
        free(x->changes);
    free(x->slots);
}

static bool change_of(const struct change *c, struct slice name)
{
    struct slice its;
    bytes_next(c->at, &its);
    return slice_eq(its, name);
}

/* Its change, or NULL; then *ret_slot is where it belongs. */
static struct change *index_find(const struct index *x, struct slice name, uint32_t *ret_slot)
{
    *ret_slot = 0;
    if (!x->slots) {
        for (uint32_t i = 0; i < x->len; i++)
            if (change_of(&x->changes[i], name))
                return &x->changes[i];
        return NULL;
    }
    uint32_t slot = (uint32_t)hash_key(name, x->seed) & x->mask;
    for (; x->slots[slot]; slot = (slot + 1) & x->mask)
        if (change_of(&x->changes[x->slots[slot] - 1], name))
            return &x->changes[x->slots[slot] - 1];
    *ret_slot = slot;
    return NULL;
}

/* False: the field was there before, and has this change now. */
static bool index_put(struct index *x, const struct field *field, size_t len)
{
    uint32_t slot;
    struct change *c = index_find(x, field->name, &slot);
    bool fresh = !c;
    if (fresh) {
        c = &x->changes[x->len++];
        if (x->slots)
            x->slots[slot] = x->len;
    }
    *c = (struct change){.at = field->at, .len = len};
    return fresh;
}

/* --- bytes from outside ----------------------------------------------------------------------- */

static bool each_once(struct slice packed, size_t fields)
{
    struct index x;
    bool once = true;
    index_init(&x, fields);
    for (const uint8_t *at = packed.data, *end = slice_end(packed); at < end && once;) {
        struct field field;
        at = field_next(at, &field);
        once = index_put(&x, &field, 0);
    }
    index_release(&x);
    return once;
}

bool fields_packed_valid(struct slice packed)
{
    if (!packed.len || packed.len > FIELDS_BYTES_MAX)
        return false;
    struct reader r = {packed.data, packed.data + packed.len, false};
    size_t fields = 0;
    for (; read_left(&r) && !r.bad; fields++) {
        read_slice(&r, 0, UINT32_MAX);
        read_slice(&r, 0, UINT32_MAX);
    }
    return !r.bad && each_once(packed, fields);
}

bool fields_edits_valid(struct slice edits)
{
    if (!edits.len)
        return true;
    if (edits.len > FIELDS_BYTES_MAX)
        return false;
    struct reader r = {edits.data, edits.data + edits.len, false};
    while (read_left(&r) && !r.bad) {
        uint8_t kind = read_u8(&r);
        if (kind != EDIT_SET && kind != EDIT_REMOVE)
            return false;
        read_slice(&r, 0, UINT32_MAX);
        if (kind == EDIT_SET)
            read_slice(&r, 0, UINT32_MAX);
    }
    return !r.bad;
}

/* --- folding ---------------------------------------------------------------------------------- */

static size_t edits_count(struct slice edits)
{
    size_t n = 0;
    struct field field;
    for (const uint8_t *at = edits.data, *end = slice_end(edits); at < end; n++)
        at = edit_next(at, &field);
    return n;
}

static void index_edits(struct index *x, struct slice edits)
{
    for (const uint8_t *at = edits.data, *end = slice_end(edits); at < end;) {
        struct field field;
        at = edit_next(at, &field);
        index_put(x, &field, field.remove ? 0 : (size_t)(at - field.at));
    }
}

static uint8_t *bytes_put(uint8_t *to, const uint8_t *from, size_t len)
{
    if (len)
        memcpy(to, from, len);
    return to + len;
}

/* The fields of `packed` as they are now; what stays is copied in runs. */
static uint8_t *packed_fold(struct slice packed, struct index *x, uint8_t *to)
{
    const uint8_t *at = packed.data, *end = slice_end(packed), *run = at;
    while (at < end) {
        struct field field;
        uint32_t slot;
        const uint8_t *next = field_next(at, &field);
        struct change *c = index_find(x, field.name, &slot);
        if (c) {
            to = bytes_put(to, run, (size_t)(at - run));
            to = bytes_put(to, c->at, c->len);
            c->done = true;
            run = next;
        }
        at = next;
    }
    return bytes_put(to, run, (size_t)(end - run));
}

void fields_fold(struct slice packed, const struct slice *edits, size_t edits_len, struct buf *out)
{
    size_t changes = 0, bytes = packed.len;
    for (size_t i = 0; i < edits_len; i++) {
        changes += edits_count(edits[i]);
        bytes += edits[i].len;
    }
    struct index x;
    index_init(&x, changes);
    for (size_t i = 0; i < edits_len; i++)
        index_edits(&x, edits[i]);
    uint8_t *start = buf_reserve(out, bytes), *to = packed_fold(packed, &x, start);
    for (uint32_t i = 0; i < x.len; i++)
        if (!x.changes[i].done)
            to = bytes_put(to, x.changes[i].at, x.changes[i].len);
    out->len += (size_t)(to - start);
    index_release(&x);
}

/* --- views ------------------------------------------------------------------------------------ */

uint64_t fields_len(struct fields_view v)
{
    if (v.map)
        return map_len(v.map);
    uint64_t n = 0;
    struct field field;
    for (const uint8_t *at = v.packed.data, *end = slice_end(v.packed); at < end; n++)
        at = field_next(at, &field);
    return n;
}

size_t fields_packed_bytes(struct fields_view v)
{
    return v.map ? map_packed_bytes(v.map) : v.packed.len;
}

bool fields_get(struct fields_view v, struct slice field, struct slice *ret_value)
{
    if (v.map)
        return map_get(v.map, field, ret_value);
    for (const uint8_t *at = v.packed.data, *end = slice_end(v.packed); at < end;) {
        struct field found;
        at = field_next(at, &found);
        if (slice_eq(found.name, field)) {
            *ret_value = found.value;
            return true;
        }
    }
    return false;
}

void fields_each(struct fields_view v, fields_each_fn *each, void *ctx)
{
    if (v.map) {
        map_each(v.map, each, ctx);
        return;
    }
    for (const uint8_t *at = v.packed.data, *end = slice_end(v.packed); at < end;) {
        struct field field;
        at = field_next(at, &field);
        each(ctx, field.name, field.value);
    }
}

uint64_t fields_scan(struct fields_view v, uint64_t cursor, fields_each_fn *each, void *ctx)
{
    if (v.map)
        return map_scan(v.map, cursor, each, ctx);
    fields_each(v, each, ctx);
    return 0;
}

void fields_random(struct fields_view v, uint64_t random, struct slice *ret_field,
                   struct slice *ret_value)
{
    struct field field;
    if (v.map) {
        map_random(v.map, random, &field);
    } else {
        const uint8_t *at = v.packed.data;
        for (uint64_t skip = random % fields_len(v) + 1; skip; skip--)
            at = field_next(at, &field);
    }
    *ret_field = field.name;
    *ret_value = field.value;
}

void fields_store(struct fields_view v, struct buf *out)
{
    if (v.map)
        map_store(v.map, out);
    else
        buf_add(out, v.packed.data, v.packed.len);
}
