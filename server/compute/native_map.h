/* native_map.h - a map in C, in the machine of map.h: its functions, and the rows of one key that
 * they reduce. Private to the machine. */
#ifndef GRIDD_COMPUTE_NATIVE_MAP_H
#define GRIDD_COMPUTE_NATIVE_MAP_H

#include "compute/map_priv.h"

struct native_map; /* opaque */

struct native_map *native_map_new(struct map_machine *m);
void native_map_free(struct native_map *n); /* NULL is fine */
/* The machine's `native` is what runs from now on: all that was before is forgotten. */
void native_map_begin(struct native_map *n);
/* In the machine's `mode`. */
MUST_USE
enum grid_err native_map_run(struct native_map *n);
/* Bytes that it holds. */
size_t native_map_bytes(const struct native_map *n);

#endif
