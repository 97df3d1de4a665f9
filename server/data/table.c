/* table.c - finding, linking and scanning. The layout is drawn in table_priv.h. */
#include "data/table_priv.h"

#include "base/hash.h"

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

/* High bit of byte i set: slot i has this tag. Free slots may match too. */
static inline uint64_t bucket_match(const struct table_bucket *b, uint8_t tag)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), low = ones * TAG_MASK;
    uint64_t differ = (load_u64(b->tags) & low) ^ ones * tag;
    uint64_t same = ~(differ + low) & ~low;
    return same & (bucket_chained(b) ? UINT64_C(0x0000ffffffffffff) : UINT64_C(0x00ffffffffffffff));
}

static inline bool entry_matches(const struct entry *e, uint16_t cache, struct slice key)
{
    return e->cache == cache && entry_key_len(e) == key.len &&
           memcmp(entry_key_at(e), key.data, key.len) == 0;
}

static inline struct table_place chain_find(struct table_bucket *b, uint16_t cache,
                                            struct slice key, uint8_t tag)
{
    for (;; b = b->next) {
        for (uint64_t m = bucket_match(b, tag); m; m &= m - 1) {
            unsigned slot = (unsigned)__builtin_ctzll(m) / 8;
            if (b->slots[slot] && entry_matches(b->slots[slot], cache, key))
                return (struct table_place){b, slot};
        }
        if (likely(!bucket_chained(b)))
            return (struct table_place){NULL, 0};
    }
}

static inline struct table_bucket *bucket_of(const struct table *t, uint64_t hash, bool second)
{
    return bucket_at(t, bucket_address(t->linear.buckets, hash_half(hash, second)));
}

/* *ret_home is the bucket whose chain it is in. */
static inline struct table_place place_find(const struct table *t, uint16_t cache, struct slice key,
                                            uint64_t hash, struct table_bucket **ret_home)
{
    if (unlikely(!t->linear.buckets))
        return (struct table_place){NULL, 0};
    uint8_t tag = hash_tag(hash);
    *ret_home = bucket_of(t, hash, false);
    struct table_place at = chain_find(*ret_home, cache, key, tag);
    if (at.bucket || !bucket_displaced(*ret_home))
        return at;
    *ret_home = bucket_of(t, hash, true);
    return chain_find(*ret_home, cache, key, tag);
}

struct entry **table_place(const struct table *t, uint16_t cache, struct slice key, uint64_t hash)
{
    struct table_bucket *home;
    struct table_place at = place_find(t, cache, key, hash, &home);
    return at.bucket ? &at.bucket->slots[at.slot] : NULL;
}

struct entry *table_find(const struct table *t, uint16_t cache, struct slice key, uint64_t hash)
{
    struct entry **place = table_place(t, cache, key, hash);
    return place ? *place : NULL;
}

static inline void entries_prefetch(const struct table_bucket *b, uint64_t m, bool changes)
{
    for (; m; m &= m - 1) {
        uintptr_t e = (uintptr_t)b->slots[__builtin_ctzll(m) / 8]; /* 0 in a free slot: harmless */
        __builtin_prefetch((const void *)e);
        if (changes) { /* its key is looked at, then it is given back to its page */
            __builtin_prefetch((const void *)(e + 47));
            __builtin_prefetch((const void *)(e & ~(uintptr_t)(SLAB_PAGE_BYTES - 1)));
        } else { /* 16 + 100 bytes lie on three lines mostly */
            __builtin_prefetch((const void *)(e + 64));
            __builtin_prefetch((const void *)(e + 128));
        }
    }
}

/* The entries of the first bucket, or its second bucket. */
static inline bool bucket_prefetch(const struct table *t, const struct table_bucket *b,
                                   uint64_t hash, bool changes)
{
    uint64_t m = bucket_match(b, hash_tag(hash));
    entries_prefetch(b, m, changes);
    if (m || !bucket_displaced(b))
        return false;
    __builtin_prefetch(bucket_of(t, hash, true));
    return true;
}

bool table_prefetch(const struct table *t, uint64_t hash, bool changes, int stage)
{
    if (!t->linear.buckets)
        return false;
    uint32_t a = bucket_address(t->linear.buckets, hash_half(hash, stage == 3));
    if (stage == 2)
        return bucket_prefetch(t, bucket_at(t, a), hash, changes);
    if (stage == 0)
        __builtin_prefetch(bucket_segment(t, a));
    else if (stage == 1)
        __builtin_prefetch(bucket_at(t, a));
    else
        entries_prefetch(bucket_at(t, a), bucket_match(bucket_at(t, a), hash_tag(hash)), changes);
    return stage < 2;
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
        at.bucket->slots[at.slot] = e;
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
    CHECK(at.bucket && at.bucket->slots[at.slot] == e);
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
            struct table_bucket *next = b->next;
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
    for (;; b = b->next) {
        for (unsigned i = 0; i < bucket_slots(b); i++)
            if (b->slots[i])
                each(ctx, b->slots[i]);
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

/* --- the invariant ---------------------------------------------------------------------------- */

/* The entries of bucket `a` stand where they belong; adds what is displaced from each first
 * bucket. */
static size_t chain_check(const struct table *t, uint32_t a, uint32_t *chained)
{
    size_t len = 0;
    for (const struct table_bucket *b = bucket_at(t, a);; b = b->next) {
        size_t here = 0;
        for (unsigned i = 0; i < bucket_slots(b); i++) {
            const struct entry *e = b->slots[i];
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
