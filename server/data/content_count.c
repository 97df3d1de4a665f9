/* content_count.c - few caches per context are the rule: a sorted array. */
#include "base/alloc.h"
#include "data/content_priv.h"

#include <stdlib.h>

static uint32_t counts_before(const struct counts *counts, uint32_t cache)
{
    uint32_t low = 0, high = counts->len;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (counts->items[mid].cache < cache)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool counts_has(const struct counts *counts, uint32_t at, uint32_t cache)
{
    return at < counts->len && counts->items[at].cache == cache;
}

/* The item of `cache`, made when it is not there. */
static struct cache_count *counts_item(struct counts *counts, uint32_t cache)
{
    uint32_t at = counts_before(counts, cache);
    if (counts_has(counts, at, cache))
        return &counts->items[at];
    if (counts->len == counts->cap) {
        counts->cap = counts->cap ? counts->cap * 2 : 1;
        counts->items = xrealloc(counts->items, counts->cap, sizeof *counts->items);
    }
    memmove(&counts->items[at + 1], &counts->items[at],
            (counts->len++ - at) * sizeof *counts->items);
    counts->items[at] = (struct cache_count){.cache = cache};
    return &counts->items[at];
}

uint64_t counts_get(const struct counts *counts, uint32_t cache)
{
    uint32_t at = counts_before(counts, cache);
    return counts_has(counts, at, cache) ? counts->items[at].count : 0;
}

void counts_set(struct counts *counts, uint32_t cache, uint64_t count)
{
    counts_item(counts, cache)->count = count;
}

void counts_add(struct counts *counts, uint32_t cache, int delta)
{
    struct cache_count *item = counts_item(counts, cache);
    if (delta > 0)
        item->count++;
    else if (delta < 0 && item->count > 0)
        item->count--;
}

void counts_drop(struct counts *counts, content_gone_fn *gone, void *ctx)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < counts->len; i++)
        if (!gone(ctx, (uint16_t)counts->items[i].cache))
            counts->items[kept++] = counts->items[i];
    counts->len = kept;
}

size_t counts_bytes(const struct counts *counts)
{
    return counts->cap * sizeof *counts->items;
}

void counts_release(struct counts *counts)
{
    free(counts->items);
    *counts = (struct counts){.items = NULL};
}
