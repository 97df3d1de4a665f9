/* table_priv.h - buckets and their addresses, shared by table.c and its growth.
 *
 *   bucket, 64 bytes:  9 tags of one byte | meta | 9 entries of 6 bytes: their addresses, which
 *   have no more on any machine that gives 48 bits to programs (table_set() looks)
 *   chained: the 9th is the next bucket of the chain
 *   tag = 7 bits of the hash, and whether the entry is here by its second address
 *   meta = how many keys whose first address this is stand in their second one (127: or more), and
 *   whether chained
 *
 * Each key has two hashes, low and high half of its 64 bits; addresses: linear.h. */
#ifndef GRIDD_DATA_TABLE_PRIV_H
#define GRIDD_DATA_TABLE_PRIV_H

#include "data/linear.h"
#include "data/table.h"

#include <stddef.h>

enum {
    META = TABLE_SLOTS,
    CHAINED = 0x80,
    DISPLACED_MAX = 0x7f,
    SECOND = 0x80,
    TAG_MASK = 0x7f,
    SLOT_BYTES = 6,
    LINK = TABLE_SLOTS - 1, /* slot of the next bucket of a chain */
};

struct table_bucket {
    uint8_t tags[TABLE_SLOTS + 1];          /* the last is meta */
    uint8_t slots[TABLE_SLOTS][SLOT_BYTES]; /* 0: free */
};
_Static_assert(sizeof(struct table_bucket) == 64, "a bucket is a cache line");

/* The two bytes before a slot are read with it, and dropped: so no read goes beyond the bucket. */
static inline void *slot_get(const struct table_bucket *b, unsigned slot)
{
    const uint8_t *at = (const uint8_t *)b + offsetof(struct table_bucket, slots);
    return (void *)(uintptr_t)(load_u64(at + slot * SLOT_BYTES - 2) >> 16);
}

static inline void slot_set(struct table_bucket *b, unsigned slot, const void *p)
{
    uintptr_t v = (uintptr_t)p;
    CHECK(v >> 16 <= UINT32_MAX);
    store_u16(b->slots[slot], (uint16_t)v);
    store_u32(b->slots[slot] + 2, (uint32_t)(v >> 16));
}

static inline struct table_bucket *bucket_at(const struct table *t, uint32_t b)
{
    return linear_at(&t->linear, b, sizeof(struct table_bucket));
}

/* Where the directory names the segment of bucket `b`. */
static inline void *const *bucket_segment(const struct table *t, uint32_t b)
{
    uint32_t offset;
    return &t->linear.segments[segment_of(b, &offset)];
}

static inline uint32_t hash_half(uint64_t hash, bool second)
{
    return (uint32_t)(second ? hash >> 32 : hash);
}

static inline uint8_t hash_tag(uint64_t hash)
{
    return (uint8_t)(hash >> 57);
}

static inline bool bucket_chained(const struct table_bucket *b)
{
    return b->tags[META] & CHAINED;
}

static inline unsigned bucket_slots(const struct table_bucket *b)
{
    return bucket_chained(b) ? TABLE_SLOTS - 1 : TABLE_SLOTS;
}

static inline struct table_bucket *bucket_next(const struct table_bucket *b)
{
    return slot_get(b, LINK);
}

static inline unsigned bucket_displaced(const struct table_bucket *b)
{
    return b->tags[META] & DISPLACED_MAX;
}

/* Add `n`; once it is DISPLACED_MAX it stays. */
static inline void bucket_displace(struct table_bucket *b, unsigned n)
{
    unsigned sum = bucket_displaced(b) + n;
    b->tags[META] = (uint8_t)((b->tags[META] & CHAINED) |
                              (sum > DISPLACED_MAX ? (unsigned)DISPLACED_MAX : sum));
}

/* --- table_bucket.c: one bucket and its chain ------------------------------------------------- */

/* A free slot in `b` itself, or a slot of NULL bucket. */
struct table_place bucket_free_slot(struct table_bucket *b);
/* Put an entry in `b` or its chain, which grows when need be. */
void bucket_put(struct table *t, struct table_bucket *b, struct entry *e, uint8_t tag);
/* Empty a slot of `first` or its chain; the chain stays as short as it can be. */
void bucket_take(struct table *t, struct table_bucket *first, struct table_place at);

/* --- table_grow.c ----------------------------------------------------------------------------- */

/* Add, or take away, one bucket if the load asks for it. */
void table_grow(struct table *t);
void table_shrink(struct table *t);

#endif
