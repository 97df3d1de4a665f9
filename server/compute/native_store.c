/* native_store.c - see native_store.h: chunks, the newest first. */
#include "compute/native_store.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 64 << 10 };

struct native_chunk {
    struct native_chunk *next;
    size_t bytes;
};
_Static_assert(sizeof(struct native_chunk) == 16, "what is behind it is aligned for any value");

void *native_store_take(struct native_store *s, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes > s->left) {
        size_t room = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        struct native_chunk *c = xalloc(sizeof *c + room);
        *c = (struct native_chunk){s->chunks, room};
        s->chunks = c;
        s->left = room;
        s->held += sizeof *c + room;
    }
    uint8_t *end = (uint8_t *)(s->chunks + 1) + s->chunks->bytes;
    s->left -= bytes;
    return end - s->left - bytes;
}

void *native_store_take_within(struct native_store *s, size_t bytes, size_t most)
{
    bool more = bytes > most || s->held > most - bytes;
    return more && bytes > s->left ? NULL : native_store_take(s, bytes ? bytes : 1);
}

void native_store_clear(struct native_store *s)
{
    while (s->chunks) {
        struct native_chunk *next = s->chunks->next;
        free(s->chunks);
        s->chunks = next;
    }
    s->left = s->held = 0;
}
