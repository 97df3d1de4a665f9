/* arena.h - memory that is given back all at once: a pointer that moves forward in a chunk. One
 * thread's.
 * Lives for one turn of a loop: what was decoded in the turn is borrowed from here until
 * arena_reset().
 * Over its limit it returns NULL: what comes from outside is refused politely, it never ends the
 * process.
 * The first chunk is there in any case; the limit bounds growth beyond it.
 * Invariant (arena_check): the place lies inside the newest chunk; no more was given out than
 * chunks hold. */
#ifndef GRIDD_WIRE_ARENA_H
#define GRIDD_WIRE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

enum { ARENA_CHUNK_BYTES = 64 << 10, ARENA_KEEP_BYTES = 1 << 20 };

struct arena; /* opaque */

/* An arena that gives out at most `limit` bytes (or ARENA_CHUNK_BYTES) between two resets. The
 * caller's; release with arena_free(). */
struct arena *arena_new(size_t limit);
/* `bytes` aligned for any plain struct, not cleared; NULL over the limit or without memory (then
 * arena_refused() is true).
 * 0 bytes: a place of its own that holds nothing. */
void *arena_alloc(struct arena *a, size_t bytes);
/* The same, cleared; `n * bytes` is checked for overflow. */
void *arena_calloc(struct arena *a, size_t n, size_t bytes);
/* Everything given out is gone. Keeps up to ARENA_KEEP_BYTES for the next turn, the rest goes
 * back to the system. */
void arena_reset(struct arena *a);
/* Bytes given out since the last reset. */
size_t arena_used(const struct arena *a);
/* Whether an allocation was refused since the last reset or arena_forgive(). */
bool arena_refused(const struct arena *a);
void arena_forgive(struct arena *a);
void arena_check(const struct arena *a);
void arena_free(struct arena *a); /* NULL is fine */

#endif
