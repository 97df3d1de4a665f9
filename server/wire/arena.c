/* arena.c - a list of chunks, newest first; the place moves forward in the newest one.
 *
 *   chunks -> [header|used....|place -> free....]  -> [header|used....] -> ... -> NULL
 *
 * Chunks double, so that a turn takes few of them; an allocation larger than that has a chunk of
 * its own size.
 * A reset keeps one chunk, the largest that is not above ARENA_KEEP_BYTES: after a few turns the
 * usual turn fits in it. */
#include "wire/arena.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 8 };

struct chunk {
    struct chunk *next;
    size_t bytes; /* behind this header */
};

struct arena {
    uint8_t *place;
    uint8_t *end;
    struct chunk *chunks;
    size_t before; /* given out from the chunks behind the first */
    size_t limit;
    bool refused;
};

static uint8_t *chunk_start(struct chunk *c)
{
    return (uint8_t *)(c + 1);
}

static void arena_enter(struct arena *a, struct chunk *c)
{
    a->chunks = c;
    a->place = chunk_start(c);
    a->end = a->place + c->bytes;
}

struct arena *arena_new(size_t limit)
{
    struct arena *a = xcalloc(1, sizeof *a);
    a->limit = limit;
    struct chunk *c = xalloc(sizeof *c + ARENA_CHUNK_BYTES);
    *c = (struct chunk){NULL, ARENA_CHUNK_BYTES};
    arena_enter(a, c);
    return a;
}

size_t arena_used(const struct arena *a)
{
    return a->before + a->chunks->bytes - (size_t)(a->end - a->place);
}

/* The newest chunk is full. */
static __attribute__((noinline)) void *alloc_slow(struct arena *a, size_t bytes)
{
    size_t used = arena_used(a);
    if (used > a->limit || bytes > a->limit - used) {
        a->refused = true;
        return NULL;
    }
    size_t want = a->chunks->bytes < ARENA_KEEP_BYTES ? a->chunks->bytes * 2 : ARENA_KEEP_BYTES;
    if (want > a->limit - used)
        want = a->limit - used;
    if (want < bytes)
        want = bytes;
    struct chunk *c = malloc(sizeof *c + want); /* user data: may fail politely */
    if (!c) {
        a->refused = true;
        return NULL;
    }
    a->before = used;
    *c = (struct chunk){a->chunks, want};
    arena_enter(a, c);
    a->place += bytes;
    return chunk_start(c);
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    if (unlikely(bytes > SIZE_MAX / 2)) {
        a->refused = true;
        return NULL;
    }
    size_t whole = (bytes + (ALIGN - 1)) & ~(size_t)(ALIGN - 1);
    if (unlikely(whole > (size_t)(a->end - a->place)))
        return alloc_slow(a, whole);
    void *p = a->place;
    a->place += whole;
    return p;
}

void *arena_calloc(struct arena *a, size_t n, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(n, bytes, &total)) {
        a->refused = true;
        return NULL;
    }
    void *p = arena_alloc(a, total);
    if (p && total)
        memset(p, 0, total);
    return p;
}

void arena_reset(struct arena *a)
{
    struct chunk *keep = NULL;
    for (struct chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        bool better = c->bytes <= ARENA_KEEP_BYTES && (!keep || c->bytes > keep->bytes);
        if (better) {
            free(keep);
            keep = c;
        } else {
            free(c);
        }
    }
    keep->next = NULL; /* the first chunk is below the bound, so there is always one */
    a->before = 0;
    a->refused = false;
    arena_enter(a, keep);
}

bool arena_refused(const struct arena *a)
{
    return a->refused;
}

void arena_forgive(struct arena *a)
{
    a->refused = false;
}

void arena_check(const struct arena *a)
{
    CHECK(a->chunks);
    CHECK(a->place >= chunk_start(a->chunks) && a->place <= a->end);
    CHECK(a->end == chunk_start(a->chunks) + a->chunks->bytes);
    size_t behind = 0;
    for (const struct chunk *c = a->chunks->next; c; c = c->next)
        behind += c->bytes;
    CHECK(a->before <= behind);
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    for (struct chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(a);
}
