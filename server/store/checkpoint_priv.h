/* checkpoint_priv.h - rows of the checkpoint (README.md draws them) and what its files share. */
#ifndef GRIDD_STORE_CHECKPOINT_PRIV_H
#define GRIDD_STORE_CHECKPOINT_PRIV_H

#include "store/checkpoint.h"

#include <endian.h>

#include <stdatomic.h>

enum {
    ENTRY_PREFIX_BYTES = 6, /* context, partition, cache; big-endian, so that keys sort by them */
    HEAD_KEY_BYTES = 4,
    SESSION_KEY_BYTES = HEAD_KEY_BYTES + SESSION_ID_BYTES,
};

struct checkpoint {
    struct kv *kv;
    char *path;
    _Atomic uint64_t applied_lsn;
    uint64_t damage_lsn; /* damage of the log up to here is accounted for */
};

/* A partition's row while it is worked on. */
struct head_row {
    uint64_t version;
    bool damaged;
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

/* Values are u32 CRC-32C of key and rest, then the rest. row_open: the rest. GRID_ECORRUPT. */
void row_seal(struct slice key, struct buf *row);
MUST_USE
enum grid_err row_open(struct slice key, struct slice row, struct slice *ret_rest);
/* A value that row_seal() will finish. */
void row_begin(struct buf *row);

/* Of `e`, cache and key are not looked at: they are in `key`. */
void entry_row_put(struct buf *row, struct slice key, const struct checkpoint_entry *e);
/* Slices borrow from `key` and `row`. */
MUST_USE
enum grid_err entry_row_get(struct slice key, struct slice row, struct checkpoint_entry *ret_entry);
void head_row_put(struct buf *row, struct slice key, const struct head_row *h);
/* Replaces what is in `h`, whose arrays are used again. */
MUST_USE
enum grid_err head_row_get(struct slice key, struct slice row, struct head_row *h);
void head_row_release(struct head_row *h);
/* The count of a cache, made when it is missing. Borrowed until the next call. */
uint64_t *head_row_count(struct head_row *h, uint32_t cache);
void head_row_drop(struct head_row *h, size_t at);

MUST_USE
enum grid_err number_get(struct kv_txn *t, struct kv *kv, const char *name, uint64_t *ret_number);
MUST_USE
enum grid_err number_put(struct kv_txn *t, struct kv *kv, const char *name, uint64_t number);

#endif
