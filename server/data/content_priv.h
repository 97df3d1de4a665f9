/* content_priv.h - the struct shared by content.c (looking and changing), content_sweep.c (what
 * leaves) and content_count.c. */
#ifndef GRIDD_DATA_CONTENT_PRIV_H
#define GRIDD_DATA_CONTENT_PRIV_H

#include "data/content.h"
#include "data/expiry.h"
#include "data/table.h"

struct cache_count {
    uint32_t cache;
    uint64_t count;
};

/* Live entries per cache, sorted by cache. */
struct counts {
    struct cache_count *items;
    uint32_t len, cap;
};

struct staged {
    struct entry *entry; /* NULL: the effect has none */
    uint64_t hash;
};

struct content {
    struct table table;
    struct expiry expiry;
    struct sessions *sessions;
    struct counts counts;
    struct entry_links tombstones; /* next: the oldest, prev: the newest */
    size_t tombstones_len;
    size_t entry_bytes; /* of entries in the table, with rounding */
    uint64_t last, commit, clean, left;
    uint64_t hand; /* CLOCK: cursor */
    msec_t cold_deadline;
    struct staged *staged;
    struct staged staged_one; /* place for the usual case */
    uint32_t staged_len;
    bool complete;
    bool stored; /* there is a checkpoint */
};

/* --- content.c -------------------------------------------------------------------------------- */

/* Take `e` out of everything and free it. */
void content_unlink(struct content *c, struct entry *e);

/* --- content_sweep.c: the list of tombstones -------------------------------------------------- */

void tombstone_add(struct content *c, struct entry *e);
void tombstone_remove(struct content *c, const struct entry *e);

/* --- content_count.c -------------------------------------------------------------------------- */

uint64_t counts_get(const struct counts *counts, uint32_t cache);
void counts_set(struct counts *counts, uint32_t cache, uint64_t count);
/* Never below 0: what the disk says may be wrong. */
void counts_add(struct counts *counts, uint32_t cache, int delta);
void counts_drop(struct counts *counts, content_gone_fn *gone, void *ctx);
size_t counts_bytes(const struct counts *counts);
void counts_release(struct counts *counts);

#endif
