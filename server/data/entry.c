/* entry.c - laying out entries, and the references to them: a small open-addressed map entry ->
 * count. */
#include "data/entry.h"

#include "base/alloc.h"

#include <limits.h>
#include <stdlib.h>

struct pin {
    const struct entry *entry; /* NULL: free */
    size_t count;
    bool unlinked; /* it left the table; freed with the last reference */
};

struct entry_pool {
    struct slab *slab;
    struct pin *pins;
    size_t pins_len, pins_cap; /* cap: a power of two, or 0 */
    struct fields **dying;     /* maps that are freed by and by */
    size_t dying_len, dying_cap;
    struct buf scratch;
};

enum { DYING_STEPS = 32, SCRATCH_KEEP = 64 << 10 };

struct entry_pool *entry_pool_new(void)
{
    struct entry_pool *p = xcalloc(1, sizeof *p);
    p->slab = slab_new();
    return p;
}

void entry_pool_free(struct entry_pool *p)
{
    if (!p)
        return;
    CHECK(p->pins_len == 0);
    entry_pool_tidy(p, UINT_MAX);
    free(p->dying);
    buf_release(&p->scratch);
    slab_free_all(p->slab);
    free(p->pins);
    free(p);
}

struct slab *entry_pool_slab(struct entry_pool *p)
{
    return p->slab;
}

size_t entry_pool_bytes(const struct entry_pool *p)
{
    size_t bytes = sizeof *p + p->pins_cap * sizeof *p->pins + p->scratch.cap;
    for (size_t i = 0; i < p->dying_len; i++)
        bytes += fields_bytes(p->dying[i]);
    return bytes + p->dying_cap * sizeof(struct fields *);
}

struct buf *entry_pool_scratch(struct entry_pool *p)
{
    p->scratch.len = 0;
    buf_shrink(&p->scratch, SCRATCH_KEEP);
    return &p->scratch;
}

/* --- maps that are freed by and by ------------------------------------------------------------ */

bool entry_pool_tidy(struct entry_pool *p, unsigned steps)
{
    while (p->dying_len && steps) {
        unsigned some = steps < DYING_STEPS ? steps : (unsigned)DYING_STEPS;
        if (fields_free_some(p->dying[p->dying_len - 1], some))
            p->dying_len--;
        steps -= some;
    }
    return p->dying_len > 0;
}

__attribute__((noinline)) static void map_drop(struct entry_pool *p, struct fields *map)
{
    if (fields_free_some(map, DYING_STEPS))
        return;
    if (p->dying_len == p->dying_cap) {
        p->dying_cap = p->dying_cap ? p->dying_cap * 2 : 8;
        p->dying = xrealloc(p->dying, p->dying_cap, sizeof(struct fields *));
    }
    p->dying[p->dying_len++] = map;
}

/* --- layout ----------------------------------------------------------------------------------- */

/* Where everything goes. */
struct layout {
    size_t value; /* bytes of it, type and form included */
    size_t all;
    bool wide;
};

static inline struct layout layout_of(const struct entry_parts *parts)
{
    struct layout l = {parts->tombstone ? 0 : parts->value.len, 0, false};
    if (unlikely(parts->type && !parts->tombstone))
        l.value = 1 + (parts->map ? sizeof parts->map : parts->value.len);
    l.wide = l.value > UINT8_MAX || parts->cache > UINT8_MAX;
    l.all = sizeof(struct entry) + parts->key.len + l.value;
    l.all += l.wide ? (size_t)ENTRY_WIDE_BYTES : 0;
    if (parts->tombstone)
        l.all += ENTRY_LINK_BYTES;
    else
        l.all += (parts->deadline ? (size_t)ENTRY_DEADLINE_BYTES : 0) +
                 (parts->affinity.len ? 2 + parts->affinity.len : 0);
    return l;
}

size_t entry_parts_size(const struct entry_parts *parts)
{
    if (parts->type != VALUE_HASH || parts->map || parts->value.len <= FIELDS_PACKED_BYTES)
        return slab_size(layout_of(parts).all);
    struct entry_parts of_map = *parts;
    of_map.value = slice_make(NULL, sizeof parts->map);
    return slab_size(layout_of(&of_map).all) + fields_bytes_of(parts->value);
}

static uint8_t *bytes_put(uint8_t *to, struct slice s)
{
    if (s.len)
        memcpy(to, s.data, s.len);
    return to + s.len;
}

/* Type and form, and the value. */
__attribute__((noinline)) static void typed_put(uint8_t *at, const struct entry_parts *parts)
{
    *at++ = (uint8_t)(parts->type | (parts->map ? ENTRY_MAP : 0));
    if (parts->map)
        memcpy(at, &parts->map, sizeof parts->map);
    else
        bytes_put(at, parts->value);
}

/* Returns where what stands before the key goes. */
__attribute__((noinline)) static uint8_t *wide_put(struct entry *e, const struct entry_parts *parts,
                                                   size_t value)
{
    store_u32(e->data, (uint32_t)value);
    store_u16(e->data + 4, parts->cache);
    store_u16(e->data + 6, 0);
    return e->data + ENTRY_WIDE_BYTES;
}

struct entry *entry_new(struct entry_pool *p, const struct entry_parts *parts)
{
    if (unlikely(p->dying_len))
        entry_pool_tidy(p, DYING_STEPS);
    CHECK(parts->key.len > 0 && parts->key.len <= KEY_BYTES_MAX);
    CHECK(parts->affinity.len <= KEY_BYTES_MAX && parts->value.len < UINT32_MAX);
    struct layout l = layout_of(parts);
    struct entry *e = slab_alloc(p->slab, l.all);
    if (unlikely(!e))
        return NULL;
    unsigned bits = (unsigned)parts->key.len | ENTRY_CLOCK;
    uint8_t *at = e->data;
    e->version = parts->version;
    e->cache = (uint8_t)parts->cache;
    e->value_len = (uint8_t)l.value;
    if (unlikely(l.wide)) {
        bits |= ENTRY_WIDE;
        at = wide_put(e, parts, l.value);
    }
    if (parts->tombstone) {
        e->bits = (uint16_t)(bits | ENTRY_TOMBSTONE);
        bytes_put(at + ENTRY_LINK_BYTES, parts->key);
        return e;
    }
    if (parts->deadline) {
        bits |= ENTRY_DEADLINE;
        store_u64(at, parts->deadline);
        store_u32(at + 8, 0);
        at += ENTRY_DEADLINE_BYTES;
    }
    if (parts->affinity.len) {
        bits |= ENTRY_AFFINITY;
        store_u16(at, (uint16_t)parts->affinity.len);
        at += 2;
    }
    at = bytes_put(at, parts->key);
    at = bytes_put(at, parts->affinity);
    if (likely(!parts->type)) {
        bytes_put(at, parts->value);
    } else {
        bits |= ENTRY_TYPED;
        typed_put(at, parts);
    }
    e->bits = (uint16_t)bits;
    return e;
}

__attribute__((noinline)) struct slice entry_odd_value(const struct entry *e)
{
    const uint8_t *at = entry_value_at(e);
    if (!(e->bits & ENTRY_TYPED))
        return slice_make(at, entry_value_len(e));
    return slice_make(at + 1, *at & ENTRY_MAP ? 0 : entry_value_len(e) - 1);
}

__attribute__((noinline)) size_t entry_odd_bytes(const struct entry *e)
{
    return (size_t)(entry_value_at(e) - (const uint8_t *)e) + entry_value_len(e);
}

size_t entry_map_bytes(const struct entry *e)
{
    return entry_is_map(e) ? fields_bytes(entry_map(e)) : 0;
}

void entry_forget_map(struct entry *e)
{
    CHECK(entry_is_map(e));
    e->data[entry_value_at(e) - e->data] &= (uint8_t)~ENTRY_MAP;
}

/* --- references ------------------------------------------------------------------------------- */

static size_t pin_home(const struct entry_pool *p, const struct entry *e)
{
    return ((uintptr_t)e >> 2) * UINT64_C(0x9e3779b97f4a7c15) >> 32 & (p->pins_cap - 1);
}

/* Its pin, or the free place where it would stand. */
static struct pin *pin_find(struct entry_pool *p, const struct entry *e)
{
    size_t at = pin_home(p, e);
    while (p->pins[at].entry && p->pins[at].entry != e)
        at = (at + 1) & (p->pins_cap - 1);
    return &p->pins[at];
}

static void pins_resize(struct entry_pool *p, size_t cap)
{
    struct pin *old = p->pins;
    size_t old_cap = p->pins_cap;
    p->pins = xcalloc(cap, sizeof *p->pins);
    p->pins_cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].entry)
            *pin_find(p, old[i].entry) = old[i];
    free(old);
}

/* Close the gap at `at`: what was pushed past it moves back. */
static void pin_erase(struct entry_pool *p, size_t at)
{
    size_t mask = p->pins_cap - 1;
    for (size_t next = (at + 1) & mask; p->pins[next].entry; next = (next + 1) & mask) {
        size_t home = pin_home(p, p->pins[next].entry);
        if (((next - home) & mask) >= ((next - at) & mask)) {
            p->pins[at] = p->pins[next];
            at = next;
        }
    }
    p->pins[at] = (struct pin){NULL, 0, false};
    p->pins_len--;
}

void entry_free(struct entry_pool *p, struct entry *e)
{
    if (unlikely(e->bits & (ENTRY_PINNED | ENTRY_TYPED))) {
        if (e->bits & ENTRY_PINNED) {
            pin_find(p, e)->unlinked = true;
            return;
        }
        if (entry_is_map(e))
            map_drop(p, entry_map(e));
    }
    slab_free(p->slab, e, entry_bytes(e));
}

void entry_ref(struct entry_pool *p, const struct entry *e)
{
    CHECK(!entry_is_map(e));
    if (!(e->bits & ENTRY_PINNED)) {
        if (p->pins_len * 2 >= p->pins_cap)
            pins_resize(p, p->pins_cap ? p->pins_cap * 2 : 16);
        struct entry *mine = (struct entry *)(uintptr_t)e;
        mine->bits |= ENTRY_PINNED;
        *pin_find(p, e) = (struct pin){e, 0, false};
        p->pins_len++;
    }
    pin_find(p, e)->count++;
}

void entry_unref(struct entry_pool *p, const struct entry *e)
{
    CHECK(e->bits & ENTRY_PINNED);
    struct pin *pin = pin_find(p, e);
    CHECK(pin->entry == e && pin->count > 0);
    if (--pin->count)
        return;
    bool unlinked = pin->unlinked;
    pin_erase(p, (size_t)(pin - p->pins));
    if (p->pins_cap > 1024 && p->pins_len < p->pins_cap / 8)
        pins_resize(p, p->pins_cap / 2);
    struct entry *mine = (struct entry *)(uintptr_t)e;
    mine->bits &= (uint16_t)~ENTRY_PINNED;
    if (unlinked)
        entry_free(p, mine);
}
