/* checkpoint_priv.h - rows of the checkpoint (README.md draws them) and what its files share. */
#ifndef GRIDD_STORE_CHECKPOINT_PRIV_H
#define GRIDD_STORE_CHECKPOINT_PRIV_H

#include "data/fields.h"

#include "store/checkpoint.h"

#include <endian.h>

#include <stdatomic.h>

enum {
    ENTRY_PREFIX_BYTES = 6, /* context, partition, cache; big-endian, so that keys sort by them */
    HEAD_KEY_BYTES = 4,
    SESSION_KEY_BYTES = HEAD_KEY_BYTES + SESSION_ID_BYTES,
    PART_KEY_BYTES = 4,     /* big-endian, behind the key of the entry's row */
    WHOLE_BYTES = 16 << 10, /* a larger hash is in parts */
    WHOLE_PARTS = 16,       /* so many of that size */
    PARTS_MAX = FIELDS_BYTES_MAX / (WHOLE_BYTES / WHOLE_PARTS),
};

struct checkpoint {
    struct kv *kv;
    char *path;
    _Atomic uint64_t applied_lsn;
    struct fold *fold; /* memory for the next; NULL: none is kept. The writer's */
};

/* A partition's row while it is worked on. */
struct head_row {
    uint64_t version;
    bool damaged;
    bool copying; /* a copy is coming in */
    size_t len;
    size_t cap;
    uint32_t *caches; /* in no order, those with entries */
    uint64_t *counts;
};

struct entry_key {
    uint16_t context;
    uint16_t partition;
    uint16_t cache;
    struct slice key;
};

/* A value in parts (data/parts.h) is not in its row; `entry.value` is empty then. */
struct entry_row {
    struct checkpoint_entry entry;
    uint32_t parts; /* 0: the value is here */
    uint64_t bytes; /* of all parts */
    uint64_t seed;
};

static inline void store_be16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline uint64_t load_be64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

static inline uint16_t load_be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Keys; `to` has room for KV_KEY_BYTES_MAX. */
struct slice head_key(uint8_t *to, uint32_t context, uint16_t partition);
struct slice session_key(uint8_t *to, uint32_t context, uint16_t partition,
                         const struct session_id *id);
struct slice entry_key(uint8_t *to, uint32_t context, uint16_t partition, uint32_t cache,
                       struct slice key);
bool entry_key_parse(struct slice row, struct entry_key *ret_key);
/* Of a part of the entry whose row key is `entry`. */
struct slice part_key(uint8_t *to, struct slice entry, uint32_t part);
bool part_key_parse(struct slice key, struct slice *ret_entry, uint32_t *ret_part);

/* Values are u32 CRC-32C of key and rest, then the rest. row_open: the rest. GRID_ECORRUPT. */
void row_seal(struct slice key, struct buf *row);
MUST_USE
enum grid_err row_open(struct slice key, struct slice row, struct slice *ret_rest);
/* A value that row_seal() will finish. */
void row_begin(struct buf *row);

/* Cache and key of the entry are not looked at: they are in `key`. */
void entry_row_put(struct buf *row, struct slice key, const struct entry_row *r);
/* Slices borrow from `key` and `row`. */
MUST_USE
enum grid_err entry_row_get(struct slice key, struct slice row, struct entry_row *ret_row);
void head_row_put(struct buf *row, struct slice key, const struct head_row *h);
/* Replaces what is in `h`, whose arrays are used again. */
MUST_USE
enum grid_err head_row_get(struct slice key, struct slice row, struct head_row *h);
void head_row_release(struct head_row *h);
/* The count of a cache, made when it is missing. Borrowed until the next call. */
uint64_t *head_row_count(struct head_row *h, uint32_t cache);
void head_row_drop(struct head_row *h, size_t at);

/* --- checkpoint_parts.c: rows of entries in a write transaction ------------------------------- */

/* The first three are set, the rest is {0}; reuse, rows_release(). */
struct rows {
    struct kv *kv;
    struct kv_txn *txn;
    size_t part_bytes;           /* of a part, on average */
    struct buf row, value, more; /* scratch */
};
void rows_release(struct rows *r);

/* Append the value of an entry in parts. GRID_ECORRUPT: some are missing or unreadable. Any
 * transaction. */
MUST_USE
enum grid_err parts_read(struct kv *kv, struct kv_txn *t, struct slice key,
                         const struct entry_row *row, struct buf *out);
/* Write an entry anew: its value whole or in parts, as its size asks for. `had_parts`: there may be
 * parts of an earlier one. `e` may borrow from rows of the transaction and from r->value. */
MUST_USE
enum grid_err entry_write(struct rows *r, struct slice key, const struct checkpoint_entry *e,
                          bool had_parts);
/* Fold edits into an entry that is in parts. GRID_ECORRUPT: parts that cannot be read have nothing
 * but the edits then, or nothing would be left. */
MUST_USE
enum grid_err parts_edit(struct rows *r, struct slice key, struct entry_row *row,
                         const struct slice *edits, size_t edits_len);
MUST_USE
enum grid_err entry_remove(struct rows *r, struct slice key, bool had_parts);
/* Give up what cannot be read of the parts below `prefix` (a partition): entries go on without
 * them, parts of no entry are removed. */
MUST_USE
enum grid_err parts_give_up(struct rows *r, struct slice prefix);

/* --- checkpoint_keys.c: what changes make of a key -------------------------------------------- */

/* What a record did to one key. */
struct change {
    uint64_t version;
    struct effect effect;
};

/* The changes of one key, in the order of the log; those before the last that builds on nothing may
 * be left out. GRID_ENOT_FOUND: what they build on is missing;
 * GRID_ECORRUPT: it is unreadable or of another type. */
MUST_USE
enum grid_err key_write(struct rows *r, struct slice key, const struct change *run, size_t n,
                        bool had_parts);

/* Rows that the changes of a transaction build on: it writes them, or their parts, besides its
 * records. Clear with {0}, release `slots` with free(). */
struct bases {
    struct base *slots; /* by hash, linear probing */
    size_t len, cap;
    uint64_t bytes;
};
/* Before the change is gathered. */
MUST_USE
enum grid_err bases_count(struct bases *b, const struct rows *r, struct slice key,
                          const struct effect *e);
void bases_clear(struct bases *b);

/* --- checkpoint_fold.c ------------------------------------------------------------------------ */

void fold_free(struct fold *f); /* NULL is fine */

/* --- rows ------------------------------------------------------------------------------------- */

/* Remove all rows that begin with `prefix`. */
MUST_USE
enum grid_err rows_wipe(struct kv *kv, struct kv_txn *t, enum kv_table table, struct slice prefix);
/* At most *left of them. GRID_EBUSY: there are more. */
MUST_USE
enum grid_err rows_wipe_some(struct kv *kv, struct kv_txn *t, enum kv_table table,
                             struct slice prefix, size_t *left);

MUST_USE
enum grid_err number_get(struct kv_txn *t, struct kv *kv, const char *name, uint64_t *ret_number);
MUST_USE
enum grid_err number_put(struct kv_txn *t, struct kv *kv, const char *name, uint64_t number);

#endif
