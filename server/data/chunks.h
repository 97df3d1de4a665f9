/* chunks.h - memory for a slab, in chunks from the system. While chunks are taken fast, another
 * thread makes some ready ahead: the first touch of fresh memory costs more than filling it.
 *
 *   owner:  chunk_take() -- wanted: as many as were taken within a second, at most 8 --.
 *               ^------------------------- ready <-- chunks_prepare(), the other thread <-'
 *
 * Who takes none gives back what is ready within two seconds (chunks_settle). */
#ifndef GRIDD_DATA_CHUNKS_H
#define GRIDD_DATA_CHUNKS_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum { CHUNK_BYTES = 4 << 20, CHUNKS_AHEAD_MAX = 8 };

struct chunks; /* opaque */

struct chunks *chunks_new(void);
/* What is ready goes back; NULL is fine. */
void chunks_free(struct chunks *c);

/* By the owner alone. A chunk is aligned to its size; NULL: the system has none. */
uint8_t *chunk_take(struct chunks *c);
void chunk_release(uint8_t *chunk);
/* Now and then; `mono` in ms. */
void chunks_settle(struct chunks *c, msec_t mono);

/* Fewer are ready than are wanted. Any thread. */
bool chunks_wanting(const struct chunks *c);
/* Make one ready, if it is wanted; true: another is wanted. By one thread at a time. */
bool chunks_prepare(struct chunks *c);

#endif
