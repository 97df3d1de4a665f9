/* map.h - maps, which modules of the grid hold (control/module.h): a function that is run once for
 * each entry of a cache and emits rows, a key and a value each; rows of one key are reduced to one.
 * A machine of its own runs it, a page of entries at a time. Pure; one thread at a time.
 *
 *   map_begin -> map_page, map_merge ... -> map_take, or map_finish
 *
 * Rows between nodes ("emitted"):  u32 key length | u32 value length | u8 what | key | value
 *   what: 'i' a 64-bit integer, 'd' a double, 's' bytes, 'j' JSON
 * Rows for clients ("shown"):      u32 key length | u32 value length | key | value as text */
#ifndef GRIDD_COMPUTE_MAP_H
#define GRIDD_COMPUTE_MAP_H

#include "base/buf.h"
#include "control/module.h"
#include "shard/call.h"

/* Calls of these are done beside the shards (op.aside), by who has machines for it: the first is
 * one shard's part of a map, the second all of it. They are never run by a shard. */
procedure_fn command_map_part, command_map;

enum { MAP_PART_ARGS = 6, MAP_ARGS = 6 };

struct map_machine; /* opaque */
struct native;

struct map_limits {
    size_t memory;                    /* of the machine */
    size_t rows_bytes;                /* emitted and not taken, where nothing is reduced */
    uint64_t page_us;                 /* that one page may take; 0: any time */
    uint64_t (*now_us)(void *nobody); /* NULL: time is not looked at */
    /* True: what runs ends, with GRID_ESTOPPING; asked when the time is. NULL: never. */
    bool (*stopped)(void *ctx);
    void *ctx;
    uint64_t seed; /* of hashes */
};

/* NULL: there is no memory for it. */
struct map_machine *map_machine_new(const struct map_limits *limits);
void map_machine_free(struct map_machine *m); /* NULL is fine */

/* It holds little more than a new one does. */
bool map_machine_small(const struct map_machine *m);

/* All that was before is forgotten. Module and argument are borrowed until the next map_begin(). */
void map_begin(struct map_machine *m, const struct module *module,
               const struct module_function *function, struct slice arg);
/* The same of one in C (native.h). */
void map_begin_native(struct map_machine *m, const struct native *native, struct slice arg);
/* The rest: GRID_ETASK, map_fault() says why; GRID_ETOO_LARGE: more rows than rows_bytes. Then what
 * it holds is worth nothing. */

/* A page of rows of shard/snapshot.h. */
MUST_USE
enum grid_err map_page(struct map_machine *m, struct slice page);
/* Rows that others have emitted: combined with those that are here. Any bytes are fine:
 * GRID_EBAD_REQUEST. */
MUST_USE
enum grid_err map_merge(struct map_machine *m, struct slice emitted);
/* Append what was emitted so far and forget it. */
MUST_USE
enum grid_err map_take(struct map_machine *m, struct buf *emitted);
/* The same, after the map's last function, if it has one; as shown, by key where it reduces. */
MUST_USE
enum grid_err map_finish(struct map_machine *m, struct buf *shown);
/* Lines for people; good until the next call. */
struct slice map_fault(const struct map_machine *m);
/* Known after the first of them: rows of one key become one. */
bool map_reduces(const struct map_machine *m);
size_t map_rows_bytes(const struct map_machine *m);
/* All that it holds. */
size_t map_machine_bytes(const struct map_machine *m);

/* Rows as shown, of rows as emitted. False: they are none. */
MUST_USE
bool map_rows_show(struct slice emitted, struct buf *shown);

/* A key of those that a map is limited to: u16 length, of which the highest bit says that what it
 * is placed by follows | key | u16 length | that one. Moves *at behind it. False: it is none. */
struct map_key {
    struct slice key, placed_by;
};
MUST_USE
bool map_key_read(struct slice keys, size_t *at, struct map_key *ret_key);

#endif
