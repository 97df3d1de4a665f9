/* linear.h - linear hashing: addresses of buckets, and their memory, for the table of a
 * partition and for the map of a hash value.
 *
 * Of n buckets with 2^level <= n < 2^(level+1), address a of a hash is its low level+1 bits,
 * without the highest when that is >= n. Buckets are added and dropped at the end, one by one.
 * They lie in segments of 1, 1, 2, 4, 8, then of 8 up to bucket 128, then 16 for each doubling, so
 * that nothing is ever moved.
 *
 * Scans: a bucket of address a and depth d (bits of its address) holds the hashes whose low d bits
 * are a. In the order of reversed bits these are one interval; splitting a bucket halves its
 * interval, merging joins two. The cursor is a point in that order, so what is behind it stays
 * behind it.
 * Source: Litwin, Linear Hashing (1980). */
#ifndef GRIDD_DATA_LINEAR_H
#define GRIDD_DATA_LINEAR_H

#include "base/err.h"
#include "data/slab.h"

struct linear {
    void **segments; /* NULL: no buckets */
    uint32_t buckets;
    size_t bytes; /* of segments and their directory, as allocated */
};

/* One bucket more at the end, uninitialised. False: no memory. */
bool linear_add(struct linear *l, struct slab *slab, size_t bucket_bytes);
/* Give the last bucket back. */
void linear_drop(struct linear *l, struct slab *slab, size_t bucket_bytes);

/* --- where a bucket lies ---------------------------------------------------------------------- */

static inline unsigned bucket_level(uint32_t b)
{
    return 31 - (unsigned)__builtin_clz(b | 1);
}

static inline unsigned segment_bits(unsigned level)
{
    return level < 4 ? level : level < 7 ? 3 : level - 4;
}

static inline uint32_t segment_first(unsigned level)
{
    static const uint8_t small[8] = {1, 2, 3, 4, 5, 7, 11, 19};
    return level < 8 ? small[level] : 19 + 16 * (level - 7);
}

static inline uint32_t segment_of(uint32_t b, uint32_t *ret_offset)
{
    if (b == 0) {
        *ret_offset = 0;
        return 0;
    }
    unsigned level = bucket_level(b), bits = segment_bits(level);
    uint32_t in_level = b - (UINT32_C(1) << level);
    *ret_offset = in_level & ((UINT32_C(1) << bits) - 1);
    return segment_first(level) + (in_level >> bits);
}

static inline void *linear_at(const struct linear *l, uint32_t b, size_t bucket_bytes)
{
    uint32_t offset, segment = segment_of(b, &offset);
    return (uint8_t *)l->segments[segment] + offset * bucket_bytes;
}

/* --- which bucket a hash belongs to ----------------------------------------------------------- */

static inline uint32_t bucket_address(uint32_t buckets, uint32_t hash)
{
    unsigned level = bucket_level(buckets);
    uint32_t a = hash & (uint32_t)((UINT64_C(2) << level) - 1);
    return a >= buckets ? a & ((UINT32_C(1) << level) - 1) : a;
}

/* The bucket that bucket `b` > 0 is split from, and merged with. */
static inline uint32_t bucket_source(uint32_t b)
{
    return b - (UINT32_C(1) << bucket_level(b));
}

/* The bucket that a scan visits at `cursor`; *ret_next: where it goes on, 0: done. Any number is a
 * safe cursor. There is at least one bucket. */
uint32_t linear_scan(uint32_t buckets, uint64_t cursor, uint64_t *ret_next);
/* Where a hash stands in that order: it is behind a cursor that is greater. */
uint32_t linear_order(uint32_t hash);

#endif
