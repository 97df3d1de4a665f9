/* linear.c - segments of buckets, and the order of a scan. */
#include "data/linear.h"

#include <string.h>

static size_t segment_bytes(uint32_t first_bucket, size_t bucket_bytes)
{
    unsigned bits = first_bucket ? segment_bits(bucket_level(first_bucket)) : 0;
    return bucket_bytes << bits;
}

/* Pointers in the directory for that many segments. */
static size_t directory_bytes(uint32_t segments)
{
    uint32_t step = segments <= 2 ? 1 : segments <= 8 ? 2 : 8;
    return (segments + step - 1) / step * step * sizeof(void *);
}

static bool directory_resize(struct linear *l, struct slab *slab, uint32_t from, uint32_t to)
{
    size_t old = from ? directory_bytes(from) : 0, new = to ? directory_bytes(to) : 0;
    if (old == new)
        return true;
    void **d = new ? slab_alloc(slab, new) : NULL;
    if (new && !d)
        return false;
    if (d && old)
        memcpy(d, l->segments, (from < to ? from : to) * sizeof *d);
    if (old)
        slab_free(slab, l->segments, old);
    l->segments = d;
    l->bytes += (new ? slab_size(new) : 0) - (old ? slab_size(old) : 0);
    return true;
}

bool linear_add(struct linear *l, struct slab *slab, size_t bucket_bytes)
{
    uint32_t offset, segment = segment_of(l->buckets, &offset);
    if (offset == 0) {
        size_t bytes = segment_bytes(l->buckets, bucket_bytes);
        void *memory = slab_alloc(slab, bytes);
        if (!memory)
            return false;
        if (!directory_resize(l, slab, segment, segment + 1)) {
            slab_free(slab, memory, bytes);
            return false;
        }
        l->segments[segment] = memory;
        l->bytes += slab_size(bytes);
    }
    l->buckets++;
    return true;
}

void linear_drop(struct linear *l, struct slab *slab, size_t bucket_bytes)
{
    CHECK(l->buckets > 0);
    uint32_t offset, segment = segment_of(--l->buckets, &offset);
    if (offset)
        return;
    size_t bytes = segment_bytes(l->buckets, bucket_bytes);
    slab_free(slab, l->segments[segment], bytes);
    l->bytes -= slab_size(bytes);
    bool smaller = directory_resize(l, slab, segment + 1, segment);
    CHECK(smaller); /* bookkeeping */
}

/* --- scanning --------------------------------------------------------------------------------- */

static uint32_t bits_reversed(uint32_t v)
{
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(v);
}

uint32_t linear_order(uint32_t hash)
{
    return bits_reversed(hash);
}

static unsigned bucket_depth(uint32_t buckets, uint32_t a)
{
    unsigned level = bucket_level(buckets);
    uint32_t whole = UINT32_C(1) << level;
    return a >= whole || a < buckets - whole ? level + 1 : level;
}

uint32_t linear_scan(uint32_t buckets, uint64_t cursor, uint64_t *ret_next)
{
    uint32_t at = (uint32_t)cursor, a = bucket_address(buckets, bits_reversed(at));
    uint64_t width = UINT64_C(1) << (32 - bucket_depth(buckets, a));
    uint64_t next = (at & ~(width - 1)) + width;
    *ret_next = next > UINT32_MAX ? 0 : next;
    return a;
}
