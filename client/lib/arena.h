/* arena.h - memory that is given back all at once, for messages unpacked by protobuf-c: bounded,
 * because a small message may unpack to a large one. */
#ifndef GRIDCLIENT_ARENA_H
#define GRIDCLIENT_ARENA_H

#include <protobuf-c/protobuf-c.h>

enum { ARENA_BYTES_MAX = 256 << 20 };

struct arena {
    ProtobufCAllocator allocator; /* gives NULL beyond ARENA_BYTES_MAX */
    struct arena_chunk *chunks;
    unsigned char *at; /* the rest of the newest chunk: `free` bytes */
    size_t used, free;
};

void gc_arena_init(struct arena *a);
void gc_arena_release(struct arena *a);

#endif
