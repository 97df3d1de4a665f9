/* arena.c - see arena.h. A pointer that moves forward in the newest of a list of chunks. */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>

enum { CHUNK_BYTES = 64 << 10, ALIGN = alignof(max_align_t) };

struct arena_chunk {
    struct arena_chunk *next;
    alignas(ALIGN) unsigned char data[];
};

static void *arena_alloc(void *ctx, size_t bytes)
{
    struct arena *a = ctx;
    if (bytes > ARENA_BYTES_MAX)
        return NULL;
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (bytes > a->free) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        if (room > ARENA_BYTES_MAX - a->used)
            return NULL;
        struct arena_chunk *c = malloc(sizeof *c + room);
        if (!c)
            return NULL;
        c->next = a->chunks;
        a->chunks = c;
        a->used += room;
        a->at = c->data;
        a->free = room;
    }
    void *p = a->at;
    a->at += bytes;
    a->free -= bytes;
    return p;
}

static void arena_free(void *ctx, void *p)
{
    (void)ctx, (void)p;
}

void gc_arena_init(struct arena *a)
{
    *a = (struct arena){.allocator = {arena_alloc, arena_free, a}};
}

void gc_arena_release(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
    gc_arena_init(a);
}
