/* mapping.h - maps on a node: a shard's part of one (command_map_part), and the whole of it for who
 * asked (command_map), as calls that are done beside the shards.
 *
 *   client -> session -> whole (mapping.c) --inside--> part: snapshots, page by page -> pool: Lua
 *                          ^ pool: combined              of the partitions that this shard leads
 *                          '----- rows, and of which partitions -----'
 *
 * A part answers of which of the partitions that it was asked for its rows are: all of each of
 * those, as of one moment, and nothing of the others, which are asked for again at who leads them
 * then (coordination/gather.h). So what moves, or whose node dies, is neither missed nor counted
 * twice. */
#ifndef GRIDD_NODE_MAPPING_H
#define GRIDD_NODE_MAPPING_H

#include "compute/map.h"
#include "node/aside.h"
#include "node/pool.h"

struct node;

aside_fn mapping_part_begin, mapping_begin;

/* Arguments, both of MAP_PART_ARGS and MAP_ARGS. */
enum mapping_arg {
    MAPPING_NAME,     /* MODULE.MAP */
    MAPPING_ARG,      /* what each call of the map is given */
    MAPPING_REVISION, /* modules_revision that the door knew, 8 bytes */
    MAPPING_WHICH,    /* part: u16 each; whole: a bit for each that is done already, or nothing */
    MAPPING_TIME,     /* ms that it may take, 4 bytes */
    MAPPING_KEYS,     /* these only, as map_key_read() has them; nothing: all there are */
};

enum {
    MAPPING_PAGE = 256 << 10,
    MAPPING_ROWS_MAX = 32 << 20,   /* of one part */
    MAPPING_MEMORY = 256 << 20,    /* of a machine */
    MAPPING_ENOUGH = 1 << 20,      /* rows that are not reduced go out when there are so many */
    MAPPING_SHOWN_MAX = 48 << 20,  /* of one answer */
    MAPPING_SLICE_MS = 300,        /* after which a part answers with what it has */
    MAPPING_PAGE_US = 5 * 1000000, /* that the code may take for one page */
};

/* Any thread; what is given is used again. NULL is fine. *held is what it was told to hold. */
void mapping_machine_give(struct node *n, struct map_machine *m, size_t *held);
/* Tell what it holds now. False: all maps of the node hold too much, it has to end; then why. */
MUST_USE
bool mapping_room(struct node *n, const struct map_machine *m, size_t *held, struct slice *ret_why);

/* A map that is deployed, or one in C. */
struct mapping_code {
    struct catalog *catalog; /* a reference: release with catalog_unref() */
    const struct module *module;
    const struct module_function *function;
    const struct native *native; /* in C: of the node; or NULL */
};
/* The map of that name, in the worker's catalog first. GRID_ENOT_PRIMARY: the door knew more;
 * GRID_ENO_TASK, GRID_EBAD_REQUEST. */
MUST_USE
enum grid_err mapping_find(const struct op *op, struct worker *w, struct mapping_code *ret_code);
/* A machine for it; NULL: there is no memory. */
struct map_machine *mapping_begun(struct node *n, const struct mapping_code *code,
                                  const struct op *op);
/* Of mapping_find()'s error: says why, in `why` (size WHY_BYTES), or nothing. */
void mapping_missing(const struct op *op, const struct worker *w, enum grid_err err, char *why);

/* How long it may take, as its arguments say. */
msec_t mapping_time(const struct op *op);

struct map_stats {
    uint64_t running, done, failed, result_bytes, read_bytes;
};
/* A part has read so much. Any thread. */
void mapping_read(struct node *n, size_t bytes);
void mapping_stats(struct node *n, struct map_stats *ret_stats);

/* --- for the node ----------------------------------------------------------------------------- */

void mapping_init(struct node *n);
/* The worker's loop has ended, its shard is there: forget what it was at. */
void mapping_worker_end(struct worker *w);
void mapping_release(struct node *n);
struct list *mapping_parts(struct worker *w);
void mapping_parts_end(struct worker *w);

#endif
