/* slab.h - memory for the small objects of one shard: entries, buckets. One thread.
 * Objects have no header: who frees says how many bytes it asked for. Sizes are rounded to
 * classes: steps of 4 bytes up to 512, of 8 up to 1 KiB, then steps of at most 12.5 % up to 32
 * KiB; larger ones come from malloc. A page that becomes empty serves any class again; a chunk
 * without pages in use goes back to the system (one is kept).
 * Invariant (slab_check): bytes in use = sum over pages of objects in use; no page is in two
 * lists. */
#ifndef GRIDD_DATA_SLAB_H
#define GRIDD_DATA_SLAB_H

#include "base/err.h"
#include "data/chunks.h"

#include <stddef.h>
#include <stdint.h>

struct slab; /* opaque */

enum { SLAB_PAGE_BYTES = 64 << 10, SLAB_COLOURS = 16, SLAB_LINE_BYTES = 64 };

/* Where the page of a small object keeps what it knows of itself, for who fetches that ahead of
 * slab_free(): in another line of each of 16 pages, or all of them would compete for the same few
 * places of the caches. */
static inline uintptr_t slab_head(uintptr_t object)
{
    uintptr_t page = object / SLAB_PAGE_BYTES;
    return page * SLAB_PAGE_BYTES + page % SLAB_COLOURS * SLAB_LINE_BYTES;
}

struct slab *slab_new(void);
/* All objects must have been freed. NULL is fine. */
void slab_free_all(struct slab *s);
/* Where its chunks come from. */
struct chunks *slab_source(const struct slab *s);
/* `bytes` > 0, uninitialised; aligned to 4, 8 or 64 as `bytes` is a multiple of it. NULL: the
 * system has none. */
void *slab_alloc(struct slab *s, size_t bytes);
/* `bytes` as asked for. NULL is fine. */
void slab_free(struct slab *s, void *p, size_t bytes);
/* What an object of `bytes` takes: `bytes` rounded to its class. */
size_t slab_size(size_t bytes);
/* Sum of slab_size() of all objects. */
size_t slab_used(const struct slab *s);
/* Taken from the system: pages that are or were in use, and large objects. */
size_t slab_held(const struct slab *s);
void slab_check(const struct slab *s);

#endif
