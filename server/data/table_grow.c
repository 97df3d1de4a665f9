/* table_grow.c - linear hashing: the load decides, one bucket splits or merges per change of the
 * table.
 *
 * Mean load is kept below LOAD_NUM/LOAD_DEN of the slots, which two choices per key make possible:
 * the buckets that are not split yet get twice the keys of the others and pass on what they cannot
 * hold. An entry keeps the choice it was placed by, so that its position in a scan never changes.
 * Memory for growth that is not there: the chains grow instead. */
#include "data/table_priv.h"

#include "base/prefetch.h"

enum { LOAD_NUM = 7, LOAD_DEN = 8, SHRINK_NUM = 3, SHRINK_DEN = 8 };

/* Make one bucket more exist. */
static bool bucket_add(struct table *t)
{
    if (!linear_add(&t->linear, entry_pool_slab(t->pool), sizeof(struct table_bucket)))
        return false;
    *bucket_at(t, t->linear.buckets - 1) = (struct table_bucket){.tags = {0}};
    return true;
}

/* Give the last bucket back; it is empty. */
static void bucket_drop(struct table *t)
{
    linear_drop(&t->linear, entry_pool_slab(t->pool), sizeof(struct table_bucket));
}

/* --- splitting and merging -------------------------------------------------------------------- */

static void bucket_prefetch(const struct table_bucket *b)
{
    for (unsigned i = 0; i < bucket_slots(b); i++)
        prefetch(slot_get(b, i));
}

/* Put the entries of `old` (a copy) and its chain where they belong now; the chain's buckets are
 * freed. */
static void bucket_spread(struct table *t, const struct table_bucket *old)
{
    struct table_bucket copy = *old;
    for (bool more = true; more;) {
        more = bucket_chained(&copy);
        for (unsigned i = 0; i < bucket_slots(&copy); i++) {
            struct entry *e = slot_get(&copy, i);
            if (!e)
                continue;
            uint8_t tag = copy.tags[i];
            uint64_t hash = table_hash(t, entry_cache(e), entry_key(e));
            uint32_t to = bucket_address(t->linear.buckets, hash_half(hash, tag & SECOND));
            bucket_put(t, bucket_at(t, to), e, tag);
        }
        if (more) {
            struct table_bucket *next = bucket_next(&copy);
            copy = *next;
            slab_free(entry_pool_slab(t->pool), next, sizeof *next);
            t->overflow--;
        }
    }
}

/* How many keys of the source are displaced is known, not which: both get the number. */
static void bucket_split(struct table *t)
{
    struct table_bucket *source = bucket_at(t, bucket_source(t->linear.buckets));
    bucket_prefetch(source);
    if (!bucket_add(t))
        return;
    struct table_bucket old = *source;
    *source = (struct table_bucket){.tags = {0}};
    bucket_displace(source, bucket_displaced(&old));
    bucket_displace(bucket_at(t, t->linear.buckets - 1), bucket_displaced(&old));
    bucket_spread(t, &old);
}

static void bucket_merge(struct table *t)
{
    uint32_t last = t->linear.buckets - 1;
    struct table_bucket old = *bucket_at(t, last);
    bucket_prefetch(&old);
    bucket_displace(bucket_at(t, bucket_source(last)), bucket_displaced(&old));
    bucket_drop(t);
    bucket_spread(t, &old);
}

void table_grow(struct table *t)
{
    uint64_t slots = (uint64_t)t->linear.buckets * TABLE_SLOTS;
    if (t->linear.buckets == 0) {
        bool made = bucket_add(t);
        CHECK(made); /* bookkeeping */
    } else if (t->len * LOAD_DEN > slots * LOAD_NUM && t->linear.buckets < UINT32_MAX / 2) {
        bucket_split(t);
    }
}

void table_shrink(struct table *t)
{
    uint64_t slots = (uint64_t)t->linear.buckets * TABLE_SLOTS;
    if (t->linear.buckets > 1 && t->len * SHRINK_DEN < slots * SHRINK_NUM)
        bucket_merge(t);
    if (t->len > 0)
        return;
    while (t->linear.buckets > 1)
        bucket_merge(t);
    if (t->linear.buckets)
        bucket_drop(t);
}
