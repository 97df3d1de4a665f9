/* meta.h - the data directory as a whole: who owns it, which node it is, how it is divided, and
 * the catalog.
 *
 *   missing or empty --meta_open--> half-made (fresh) --meta_made--> made --meta_open--> made
 * A crash before meta_made() leaves it half-made: nothing was served from it, so the next start
 * makes the rest again. Used by one thread. Holds the lock from meta_open() to meta_close(). */
#ifndef GRIDD_STORE_META_H
#define GRIDD_STORE_META_H

#include "base/buf.h"
#include "base/err.h"
#include "store/disk.h"

struct meta; /* opaque */

enum { META_FORMAT = 1, NODE_ID_BYTES = 16, META_SHARDS_MAX = 1024, META_GRID_BYTES = 64 };

struct meta_conf {
    const char *dir;  /* made with mode 0700 when it is missing (its parent must exist) */
    const char *grid; /* name for a new directory; an existing one of another name is refused */
    unsigned shards;  /* for a new directory; an existing one keeps its own */
};

struct meta_info {
    uint8_t node_id[NODE_ID_BYTES]; /* random, made once */
    char grid[META_GRID_BYTES + 1];
    unsigned shards;
    uint64_t
        /* number of this start, 1, 2, 3...: durable when meta_open() returns, never used again */
        boot;
    bool fresh;   /* half-made: open the shards with create, then call meta_made() */
    bool control; /* the node has been member of a grid: DIR/control must be there */
};

/* GRID_EIN_USE: another process has it (its pid in `why`); GRID_ENEWER; GRID_ECORRUPT: something
 * is missing or damaged, or the directory holds other things; GRID_ECONDITION: of another grid;
 * GRID_EDENIED; GRID_ENO_SPACE; GRID_EIO. `why` (STORE_WHY_BYTES) gets the line for the user. */
MUST_USE
enum grid_err meta_open(const struct meta_conf *conf, char *why, struct meta **ret_meta);
const struct meta_info *meta_info(const struct meta *m);
/* The shards are there: from now on a missing one is damage. Durable on return. */
MUST_USE
enum grid_err meta_made(struct meta *m, char *why);
/* The catalog as it was last stored. GRID_ENOT_FOUND: none yet; GRID_ECORRUPT. Appended to
 * `out`. */
MUST_USE
enum grid_err meta_catalog_get(struct meta *m, char *why, uint64_t *ret_revision, struct buf *out);
/* Durable on return. GRID_ENO_SPACE: unchanged, may be tried again. GRID_EIO: the caller ends
 * the process. */
MUST_USE
enum grid_err meta_catalog_set(struct meta *m, uint64_t revision, struct slice catalog, char *why);
/* DIR/control is there: from now on a missing one is damage, for what it promised under this node
 * id must never be forgotten. Durable on return. */
MUST_USE
enum grid_err meta_control_made(struct meta *m, char *why);
void meta_close(struct meta *m); /* NULL is fine; unlocks */

#endif
