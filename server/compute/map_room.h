/* map_room.h - the memory that all maps of a node have together: a machine has its own bound, and
 * many may run at once. Told after each page, by any thread. */
#ifndef GRIDD_COMPUTE_MAP_ROOM_H
#define GRIDD_COMPUTE_MAP_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    MAP_ROOM_MAX = 1 << 30,   /* of all; */
    MAP_ROOM_SMALL = 16 << 20 /* with less than that one may go on when there is more */
};

struct map_room {
    atomic_size_t held;
};

/* What a machine holds, *held so far, is `bytes` now. False: there is no room for it. */
static inline bool map_room_set(struct map_room *r, size_t *held, size_t bytes)
{
    size_t more = bytes - *held; /* modulo: it may be less */
    size_t all = atomic_fetch_add(&r->held, more) + more;
    *held = bytes;
    return all <= MAP_ROOM_MAX || bytes < MAP_ROOM_SMALL;
}

#endif
