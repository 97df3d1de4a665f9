/* table_grow.c - linear hashing: the load decides, one bucket splits or merges per change of the
 * table.
 *
 * Mean load is kept below LOAD_NUM/LOAD_DEN of the slots, which two choices per key make possible:
 * the buckets that are not split yet get twice the keys of the others and pass on what they cannot
 * hold. An entry keeps the choice it was placed by, so that its position in a scan never changes.
 * Memory for growth that is not there: the chains grow instead. */
#include "data/table_priv.h"

enum { LOAD_NUM = 7, LOAD_DEN = 8, SHRINK_NUM = 3, SHRINK_DEN = 8 };

/* --- segments --------------------------------------------------------------------------------- */

static size_t segment_bytes(uint32_t first_bucket)
{
    unsigned bits = first_bucket ? segment_bits(bucket_level(first_bucket)) : 0;
    return sizeof(struct table_bucket) << bits;
}

/* Pointers in the directory for that many segments. */
static size_t directory_bytes(uint32_t segments)
{
    uint32_t step = segments <= 2 ? 1 : segments <= 8 ? 2 : 8;
    return (segments + step - 1) / step * step * sizeof(struct table_bucket *);
}

static bool directory_resize(struct table *t, uint32_t from, uint32_t to)
{
    size_t old = from ? directory_bytes(from) : 0, new = to ? directory_bytes(to) : 0;
    if (old == new)
        return true;
    struct slab *slab = entry_pool_slab(t->pool);
    struct table_bucket **d = new ? slab_alloc(slab, new) : NULL;
    if (new && !d)
        return false;
    if (d && old)
        memcpy(d, t->segments, (from < to ? from : to) * sizeof *d);
    if (old)
        slab_free(slab, t->segments, old);
    t->segments = d;
    t->bytes += (new ? slab_size(new) : 0) - (old ? slab_size(old) : 0);
    return true;
}

/* Make bucket t->buckets exist. */
static bool bucket_add(struct table *t)
{
    uint32_t offset, segment = segment_of(t->buckets, &offset);
    if (offset == 0) {
        size_t bytes = segment_bytes(t->buckets);
        struct table_bucket *memory = slab_alloc(entry_pool_slab(t->pool), bytes);
        if (!memory)
            return false;
        if (!directory_resize(t, segment, segment + 1)) {
            slab_free(entry_pool_slab(t->pool), memory, bytes);
            return false;
        }
        t->segments[segment] = memory;
        t->bytes += slab_size(bytes);
    }
    t->segments[segment][offset] = (struct table_bucket){.tags = {0}};
    t->buckets++;
    return true;
}

/* Give the last bucket back; it is empty. */
static void bucket_drop(struct table *t)
{
    uint32_t offset, segment = segment_of(--t->buckets, &offset);
    if (offset)
        return;
    size_t bytes = segment_bytes(t->buckets);
    slab_free(entry_pool_slab(t->pool), t->segments[segment], bytes);
    t->bytes -= slab_size(bytes);
    bool smaller = directory_resize(t, segment + 1, segment);
    CHECK(smaller); /* bookkeeping */
}

/* --- splitting and merging -------------------------------------------------------------------- */

/* The bucket that bucket `b` was split from. */
static uint32_t bucket_source(uint32_t b)
{
    return b - (UINT32_C(1) << bucket_level(b));
}

static void bucket_prefetch(const struct table_bucket *b)
{
    for (unsigned i = 0; i < bucket_slots(b); i++)
        __builtin_prefetch(b->slots[i]);
}

/* Put the entries of `old` (a copy) and its chain where they belong now; the chain's buckets are
 * freed. */
static void bucket_spread(struct table *t, const struct table_bucket *old)
{
    struct table_bucket copy = *old;
    for (bool more = true; more;) {
        more = bucket_chained(&copy);
        for (unsigned i = 0; i < bucket_slots(&copy); i++) {
            struct entry *e = copy.slots[i];
            if (!e)
                continue;
            uint8_t tag = copy.tags[i];
            uint64_t hash = table_hash(t, entry_cache(e), entry_key(e));
            uint32_t to = bucket_address(t->buckets, hash_half(hash, tag & SECOND));
            bucket_put(t, bucket_at(t, to), e, tag);
        }
        if (more) {
            struct table_bucket *next = copy.next;
            copy = *next;
            slab_free(entry_pool_slab(t->pool), next, sizeof *next);
            t->overflow--;
            t->bytes -= sizeof *next;
        }
    }
}

/* How many keys of the source are displaced is known, not which: both get the number. */
static void bucket_split(struct table *t)
{
    struct table_bucket *source = bucket_at(t, bucket_source(t->buckets));
    bucket_prefetch(source);
    if (!bucket_add(t))
        return;
    struct table_bucket old = *source;
    *source = (struct table_bucket){.tags = {0}};
    bucket_displace(source, bucket_displaced(&old));
    bucket_displace(bucket_at(t, t->buckets - 1), bucket_displaced(&old));
    bucket_spread(t, &old);
}

static void bucket_merge(struct table *t)
{
    uint32_t last = t->buckets - 1;
    struct table_bucket old = *bucket_at(t, last);
    bucket_prefetch(&old);
    bucket_displace(bucket_at(t, bucket_source(last)), bucket_displaced(&old));
    bucket_drop(t);
    bucket_spread(t, &old);
}

void table_grow(struct table *t)
{
    uint64_t slots = (uint64_t)t->buckets * TABLE_SLOTS;
    if (t->buckets == 0) {
        bool made = bucket_add(t);
        CHECK(made); /* bookkeeping */
    } else if (t->len * LOAD_DEN > slots * LOAD_NUM && t->buckets < UINT32_MAX / 2) {
        bucket_split(t);
    }
}

void table_shrink(struct table *t)
{
    uint64_t slots = (uint64_t)t->buckets * TABLE_SLOTS;
    if (t->buckets > 1 && t->len * SHRINK_DEN < slots * SHRINK_NUM)
        bucket_merge(t);
    if (t->len > 0)
        return;
    while (t->buckets > 1)
        bucket_merge(t);
    if (t->buckets)
        bucket_drop(t);
}
