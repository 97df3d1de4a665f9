/* chunks.c - slots hold what is ready: the preparing thread fills empty ones, the owner empties
 * full ones, so neither waits for the other. */
#include "data/chunks.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { TOUCH_BYTES = 4096, SETTLE_MS = 1000 };

struct chunks {
    _Atomic(uint8_t *) ready[CHUNKS_AHEAD_MAX];
    atomic_uint wanted;
    unsigned taken; /* since it settled */
    msec_t settle_at;
};

static uint8_t *chunk_map(void)
{
    uint8_t *map = mmap(NULL, 2 * (size_t)CHUNK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)map & (CHUNK_BYTES - 1));
    if (before)
        munmap(map, before);
    munmap(map + before + CHUNK_BYTES, CHUNK_BYTES - before);
    /* a hint: address translation is half of a miss */
    madvise(map + before, CHUNK_BYTES, MADV_HUGEPAGE);
    return map + before;
}

struct chunks *chunks_new(void)
{
    return xcalloc(1, sizeof(struct chunks));
}

void chunks_free(struct chunks *c)
{
    for (unsigned i = 0; c && i < CHUNKS_AHEAD_MAX; i++)
        if (c->ready[i])
            chunk_release(c->ready[i]);
    free(c);
}

/* --- the owner -------------------------------------------------------------------------------- */

static uint8_t *ready_take(struct chunks *c)
{
    uint8_t *chunk = NULL;
    for (unsigned i = 0; i < CHUNKS_AHEAD_MAX && !chunk; i++)
        if (atomic_load_explicit(&c->ready[i], memory_order_relaxed))
            chunk = atomic_exchange(&c->ready[i], NULL);
    return chunk;
}

static unsigned worth_wanting(const struct chunks *c)
{
    return c->taken < CHUNKS_AHEAD_MAX ? c->taken : (unsigned)CHUNKS_AHEAD_MAX;
}

uint8_t *chunk_take(struct chunks *c)
{
    c->taken++;
    if (atomic_load_explicit(&c->wanted, memory_order_relaxed) < worth_wanting(c))
        atomic_store(&c->wanted, worth_wanting(c));
    uint8_t *chunk = ready_take(c);
    return chunk ? chunk : chunk_map();
}

void chunk_release(uint8_t *chunk)
{
    munmap(chunk, CHUNK_BYTES);
}

static unsigned ready_len(const struct chunks *c)
{
    unsigned len = 0;
    for (unsigned i = 0; i < CHUNKS_AHEAD_MAX; i++)
        len += atomic_load_explicit(&c->ready[i], memory_order_relaxed) != NULL;
    return len;
}

void chunks_settle(struct chunks *c, msec_t mono)
{
    if (mono < c->settle_at)
        return;
    c->settle_at = mono + SETTLE_MS;
    unsigned wanted = worth_wanting(c);
    c->taken = 0;
    atomic_store(&c->wanted, wanted);
    for (unsigned more = ready_len(c); more > wanted; more--)
        chunk_release(ready_take(c));
}

/* --- the other thread ------------------------------------------------------------------------- */

bool chunks_wanting(const struct chunks *c)
{
    unsigned wanted = atomic_load_explicit(&c->wanted, memory_order_relaxed);
    return unlikely(wanted > 0) && ready_len(c) < wanted;
}

static void touch(uint8_t *chunk)
{
    for (size_t at = 0; at < CHUNK_BYTES; at += TOUCH_BYTES)
        *(volatile uint8_t *)(chunk + at) = 0;
}

static void ready_put(struct chunks *c, uint8_t *chunk)
{
    unsigned i = 0;
    while (i < CHUNKS_AHEAD_MAX && atomic_load_explicit(&c->ready[i], memory_order_relaxed))
        i++;
    CHECK(i < CHUNKS_AHEAD_MAX);
    atomic_store(&c->ready[i], chunk);
}

bool chunks_prepare(struct chunks *c)
{
    uint8_t *chunk = chunks_wanting(c) ? chunk_map() : NULL;
    if (!chunk)
        return false;
    touch(chunk);
    ready_put(c, chunk);
    return chunks_wanting(c);
}
