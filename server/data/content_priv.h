/* content_priv.h - the struct shared by content.c (looking, linking), content_change.c (records),
 * content_sweep.c (what leaves) and content_count.c. */
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

enum staged_how {
    STAGED_NOTHING,
    STAGED_ENTRY,  /* a new entry, linked or in place of an older one */
    STAGED_CHANGE, /* a new entry in place of the one it was made of; they may share a map */
    STAGED_IN_MAP, /* `entry` is in the table, its map has the rest */
};

struct staged {
    struct entry *entry;
    uint64_t hash;
    enum staged_how how;
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
    struct table_place seen; /* where content_get() found what it gave last, or nowhere */
    uint64_t seen_hash;
    struct staged *staged;
    struct staged staged_one; /* place for the usual case */
    uint32_t staged_len;
    struct content_watch *watch; /* NULL: nobody */
    bool complete;
    bool stored;  /* there is a checkpoint */
    bool copying; /* a copy of another replica's is coming in */
};

/* --- content.c -------------------------------------------------------------------------------- */

/* An entry that is a map of the fields in the value. NULL: no memory. */
struct entry *content_map_new(struct content *c, const struct entry_parts *parts);
/* A map is made when the value is a large hash. NULL: no memory. */
static inline struct entry *content_entry_new(struct content *c, const struct entry_parts *parts)
{
    if (unlikely(parts->type == VALUE_HASH && parts->value.len > FIELDS_PACKED_BYTES))
        return content_map_new(c, parts);
    return entry_new(c->table.pool, parts);
}
/* Link `e`, whose key is not there; take it out of everything and free it. */
void content_link(struct content *c, struct entry *e, uint64_t hash);
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
