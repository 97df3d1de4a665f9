/* table.c - finding, linking and scanning. The layout is drawn in table_priv.h. */
#include "data/table_priv.h"

#include "base/hash.h"
#include "base/prefetch.h"

void table_init(struct table *t, struct entry_pool *pool, uint64_t hash_seed)
{
    *t = (struct table){.pool = pool, .seed = hash_seed};
}

size_t table_bytes(const struct table *t)
{
    return t->linear.bytes + t->overflow * sizeof(struct table_bucket);
}

uint64_t table_hash(const struct table *t, uint16_t cache, struct slice key)
{
    return hash_key(key, t->seed + cache * UINT64_C(0x9e3779b97f4a7c15));
}

/* --- finding ---------------------------------------------------------------------------------- */

/* Bit i: slot i has this tag. Free slots may match too. */
static inline unsigned bucket_match(const struct table_bucket *b, uint8_t tag)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * TAG_MASK;
    uint64_t differ = (load_u64(b->tags) & low) ^ ones * tag;
    uint64_t same = (~(differ + low) & ~low) >> 7;                      /* bit 0 of each byte */
    unsigned m = (unsigned)(same * UINT64_C(0x0102040810204080) >> 56); /* side by side */
    bool last = (b->tags[LINK] & TAG_MASK) == tag && !bucket_chained(b);
    return m | (unsigned)last << LINK;
}

/* What is looked for, as the head of an entry that is not wide has it. */
struct wanted {
    struct slice key;
    uint32_t head; /* key length, cache */
    uint16_t cache;
    uint8_t tag;
};
enum { LINE_BYTES = 64 };
enum { HEAD_MASK = ENTRY_KEY_MASK | ENTRY_WIDE | 0xff << 16 };

static inline struct wanted wanted_of(uint16_t cache, struct slice key, uint64_t hash)
{
    return (struct wanted){key, (uint32_t)key.len | (uint32_t)cache << 16, cache, hash_tag(hash)};
}

static inline bool entry_matches(const struct entry *e, const struct wanted *w)
{
    uint32_t head = e->bits | (uint32_t)e->cache << 16;
    if (unlikely((head & HEAD_MASK) != w->head) &&
        (!(e->bits & ENTRY_WIDE) || entry_key_len(e) != w->key.len || entry_cache(e) != w->cache))
        return false;
    return memcmp(entry_key_at(e), w->key.data, w->key.len) == 0;
}

/* The slot of `b` itself that has it; TABLE_SLOTS: none. */
static inline unsigned bucket_find(const struct table_bucket *b, const struct wanted *w)
{
    for (unsigned m = bucket_match(b, w->tag); m; m &= m - 1) {
        unsigned slot = (unsigned)__builtin_ctz(m);
        const struct entry *e = slot_get(b, slot);
        if (e && entry_matches(e, w))
            return slot;
    }
    return TABLE_SLOTS;
}

static inline struct table_place chain_find(struct table_bucket *b, const struct wanted *w)
{
    for (;; b = bucket_next(b)) {
        unsigned slot = bucket_find(b, w);
        if (slot < TABLE_SLOTS)
            return (struct table_place){b, slot};
        if (!bucket_chained(b))
            return (struct table_place){NULL, 0};
    }
}

static inline struct table_bucket *bucket_of(const struct table *t, uint64_t hash, bool second)
{
    return bucket_at(t, bucket_address(t->linear.buckets, hash_half(hash, second)));
}

/* Where it is when it is not in its first bucket itself. *ret_home: see place_find(). */
__attribute__((noinline)) static struct table_place place_further(const struct table *t,
                                                                  const struct wanted *w,
                                                                  uint64_t hash,
                                                                  struct table_bucket **ret_home)
{
    struct table_bucket *first = *ret_home;
    struct table_place at = {NULL, 0};
    if (bucket_chained(first))
        at = chain_find(bucket_next(first), w);
    if (at.bucket || !bucket_displaced(first))
        return at;
    *ret_home = bucket_of(t, hash, true);
    return chain_find(*ret_home, w);
}

/* *ret_home is the bucket whose chain it is in. */
static inline struct table_place place_find(const struct table *t, uint16_t cache, struct slice key,
                                            uint64_t hash, struct table_bucket **ret_home)
{
    if (unlikely(!t->linear.buckets))
        return (struct table_place){NULL, 0};
    struct wanted w = wanted_of(cache, key, hash);
    struct table_bucket *first = *ret_home = bucket_of(t, hash, false);
    unsigned slot = bucket_find(first, &w);
    if (likely(slot < TABLE_SLOTS))
        return (struct table_place){first, slot};
    if (!bucket_chained(first) && !bucket_displaced(first))
        return (struct table_place){NULL, 0};
    return place_further(t, &w, hash, ret_home);
}

struct table_place table_place(const struct table *t, uint16_t cache, struct slice key,
                               uint64_t hash)
{
    struct table_bucket *home;
    return place_find(t, cache, key, hash, &home);
}

struct entry *table_at(struct table_place at)
{
    return slot_get(at.bucket, at.slot);
}

void table_set(struct table_place at, struct entry *e)
{
    slot_set(at.bucket, at.slot, e);
}

struct entry *table_find(const struct table *t, uint16_t cache, struct slice key, uint64_t hash)
{
    struct table_place at = table_place(t, cache, key, hash);
    return at.bucket ? table_at(at) : NULL;
}

static inline void entries_prefetch(const struct table_bucket *b, unsigned m, bool changes)
{
    for (; m; m &= m - 1) {
        uintptr_t e = (uintptr_t)slot_get(b, (unsigned)__builtin_ctz(m)); /* 0: harmless */
        prefetch((const void *)e);
        if (changes) { /* its key is looked at, then it is given back to its page */
            prefetch((const void *)(e + 47));
            prefetch((const void *)slab_head(e));
        } else { /* 12 + 16 + 100 bytes lie on two lines, or three */
            prefetch((const void *)(e + 64));
            prefetch((const void *)(e + 127));
        }
    }
}

/* The entries of a bucket; or, if there are none and it is the first, the second bucket. Out of
 * line: the stages before need no registers saved. */
static __attribute__((noinline)) bool bucket_prefetch(const struct table *t, uint32_t address,
                                                      uint64_t hash, bool changes, bool second)
{
    const struct table_bucket *b = bucket_at(t, address);
    unsigned m = bucket_match(b, hash_tag(hash));
    entries_prefetch(b, m, changes);
    if (m || second || !bucket_displaced(b))
        return false;
    prefetch(bucket_of(t, hash, true));
    return true;
}

bool table_prefetch(const struct table *t, uint64_t hash, bool changes, int stage)
{
    if (!t->linear.buckets)
        return false;
    uint32_t a = bucket_address(t->linear.buckets, hash_half(hash, stage == 3));
    if (stage >= 2)
        return bucket_prefetch(t, a, hash, changes, stage == 3);
    if (stage == 0)
        prefetch(bucket_segment(t, a));
    else
        prefetch(bucket_at(t, a));
    return true;
}

const struct entry *table_guess(const struct table *t, uint64_t hash)
{
    if (!t->linear.buckets)
        return NULL;
    const struct table_bucket *b = bucket_of(t, hash, false);
    unsigned m = bucket_match(b, hash_tag(hash));
    return m ? slot_get(b, (unsigned)__builtin_ctz(m)) : NULL;
}

/* --- changing --------------------------------------------------------------------------------- */

void table_link(struct table *t, struct entry *e, uint64_t hash)
{
    if (!t->linear.buckets)
        table_grow(t);
    uint8_t tag = hash_tag(hash);
    struct table_bucket *first = bucket_of(t, hash, false);
    struct table_place at = bucket_free_slot(first);
    if (unlikely(!at.bucket)) {
        struct table_bucket *second = bucket_of(t, hash, true);
        at = bucket_free_slot(second);
        if (at.bucket) {
            tag |= SECOND;
            bucket_displace(first, 1);
        }
    }
    if (likely(at.bucket)) {
        slot_set(at.bucket, at.slot, e);
        at.bucket->tags[at.slot] = tag;
    } else {
        bucket_put(t, first, e, tag);
    }
    t->len++;
    table_grow(t);
}

void table_unlink(struct table *t, const struct entry *e, uint64_t hash)
{
    struct table_bucket *home;
    struct table_place at = place_find(t, entry_cache(e), entry_key(e), hash, &home);
    CHECK(at.bucket && table_at(at) == e);
    bool second = at.bucket->tags[at.slot] & SECOND;
    bucket_take(t, home, at);
    struct table_bucket *first = bucket_of(t, hash, false);
    if (second && bucket_displaced(first) != DISPLACED_MAX)
        first->tags[META]--;
    t->len--;
    table_shrink(t);
}

void table_release(struct table *t)
{
    t->len = 0;
    for (uint32_t i = 0; i < t->linear.buckets; i++) {
        struct table_bucket *b = bucket_at(t, i);
        while (bucket_chained(b)) {
            struct table_bucket *next = bucket_next(b);
            *b = *next;
            slab_free(entry_pool_slab(t->pool), next, sizeof *next);
            t->overflow--;
        }
        *b = (struct table_bucket){.tags = {0}};
    }
    table_shrink(t);
    CHECK(table_bytes(t) == 0);
}

/* --- scanning --------------------------------------------------------------------------------- */

static void chain_visit(const struct table_bucket *b, table_each_fn *each, void *ctx)
{
    for (;; b = bucket_next(b)) {
        for (unsigned i = 0; i < bucket_slots(b); i++) {
            struct entry *e = slot_get(b, i);
            if (e)
                each(ctx, e);
        }
        if (!bucket_chained(b))
            return;
    }
}

uint64_t table_scan(const struct table *t, uint64_t cursor, table_each_fn *each, void *ctx)
{
    if (!t->linear.buckets)
        return 0;
    uint64_t next;
    uint32_t a = linear_scan(t->linear.buckets, cursor, &next);
    chain_visit(bucket_at(t, a), each, ctx);
    return next;
}

static uint32_t slot_order(const struct table *t, const struct table_bucket *b, unsigned slot)
{
    const struct entry *e = slot_get(b, slot);
    uint64_t hash = table_hash(t, entry_cache(e), entry_key(e));
    return linear_order(hash_half(hash, b->tags[slot] & SECOND));
}

uint32_t table_order(const struct table *t, struct table_place at)
{
    return slot_order(t, at.bucket, at.slot);
}

/* What comes next is read ahead. */
static void chain_prefetch(const struct table_bucket *b)
{
    for (unsigned i = 0; i < bucket_slots(b); i++) {
        uintptr_t e = (uintptr_t)slot_get(b, i); /* NULL: harmless */
        prefetch((const void *)e);
        prefetch((const void *)(e + LINE_BYTES));
    }
}

/* Of a bucket that was merged, a part may have been visited before. */
static void chain_rest_visit(const struct table *t, const struct table_bucket *b, uint64_t cursor,
                             table_each_fn *each, void *ctx)
{
    for (;; b = bucket_next(b)) {
        for (unsigned i = 0; i < bucket_slots(b); i++)
            if (slot_get(b, i) && slot_order(t, b, i) >= cursor)
                each(ctx, slot_get(b, i));
        if (!bucket_chained(b))
            return;
    }
}

uint64_t table_scan_once(const struct table *t, uint64_t cursor, table_each_fn *each, void *ctx)
{
    if (!t->linear.buckets)
        return 0;
    uint64_t next, after, start;
    uint32_t a = linear_scan(t->linear.buckets, cursor, &next);
    uint32_t b = linear_scan(t->linear.buckets, next, &after);
    start = linear_order(a);
    chain_prefetch(bucket_at(t, b));
    prefetch(bucket_at(t, linear_scan(t->linear.buckets, after, &after)));
    if (likely(start == cursor))
        chain_visit(bucket_at(t, a), each, ctx);
    else
        chain_rest_visit(t, bucket_at(t, a), cursor, each, ctx);
    return next;
}

/* --- the invariant ---------------------------------------------------------------------------- */

/* The entries of bucket `a` stand where they belong; adds what is displaced from each first
 * bucket. */
static size_t chain_check(const struct table *t, uint32_t a, uint32_t *chained)
{
    size_t len = 0;
    for (const struct table_bucket *b = bucket_at(t, a);; b = bucket_next(b)) {
        size_t here = 0;
        for (unsigned i = 0; i < bucket_slots(b); i++) {
            const struct entry *e = slot_get(b, i);
            if (!e)
                continue;
            uint64_t hash = table_hash(t, entry_cache(e), entry_key(e));
            here++;
            CHECK((b->tags[i] & TAG_MASK) == hash_tag(hash));
            CHECK(bucket_address(t->linear.buckets, hash_half(hash, b->tags[i] & SECOND)) == a);
            CHECK(table_find(t, entry_cache(e), entry_key(e), hash) == e);
        }
        len += here;
        if (!bucket_chained(b)) {
            CHECK(b == bucket_at(t, a) || here >= 2);
            return len;
        }
        CHECK(here == TABLE_SLOTS - 1);
        ++*chained;
    }
}

void table_check(const struct table *t)
{
    CHECK((t->linear.buckets == 0) == (t->linear.segments == NULL));
    CHECK(t->linear.buckets || (t->len == 0 && table_bytes(t) == 0));
    size_t len = 0;
    uint32_t chained = 0;
    for (uint32_t a = 0; a < t->linear.buckets; a++)
        len += chain_check(t, a, &chained);
    CHECK(len == t->len && chained == t->overflow);
}
