/* table.h - (cache, key) -> entry, of one partition. Pure; used by the owning shard only. Owns
 * neither entries nor pool.
 * Buckets of one cache line: 9 entries, 9 tags. A key lives in its first bucket, or in its second
 * one when the first was full, or in a chain behind the first. Grows and shrinks by linear
 * hashing, one bucket at a time.
 * Source: Litwin, Linear Hashing (1980); Azar et al., Balanced Allocations (1994).
 * Invariant (table_check): each entry is found by its key; len is the number of entries; a
 * bucket's count of displaced keys is never too low; no bucket has a longer chain than it needs. */
#ifndef GRIDD_DATA_TABLE_H
#define GRIDD_DATA_TABLE_H

#include "data/entry.h"
#include "data/linear.h"

enum { TABLE_SLOTS = 9 };

struct table_bucket;

/* Where an entry stands; good until the next call that changes the table. */
struct table_place {
    struct table_bucket *bucket; /* NULL: it is not there */
    unsigned slot;
};

struct table {
    struct entry_pool *pool;
    struct linear linear;
    uint32_t overflow; /* chained buckets */
    size_t len;
    uint64_t seed;
};

/* Of buckets and directory, as allocated. */
size_t table_bytes(const struct table *t);
/* Takes no memory until the first entry is linked. */
void table_init(struct table *t, struct entry_pool *pool, uint64_t hash_seed);
/* Frees the buckets; the entries must be gone. */
void table_release(struct table *t);

uint64_t table_hash(const struct table *t, uint16_t cache, struct slice key);
/* Stages 0 to 3, each for all hashes of a turn that ask for more (true); then look up. `changes`:
 * it will be replaced. */
bool table_prefetch(const struct table *t, uint64_t hash, bool changes, int stage);
/* After these stages: an entry that may be the one, or NULL. Another one is seldom. */
const struct entry *table_guess(const struct table *t, uint64_t hash);
/* The entry or tombstone, or NULL. Borrowed. */
struct entry *table_find(const struct table *t, uint16_t cache, struct slice key, uint64_t hash);
/* Link `e`, whose key must be absent. */
void table_link(struct table *t, struct entry *e, uint64_t hash);
struct table_place table_place(const struct table *t, uint16_t cache, struct slice key,
                               uint64_t hash);
struct entry *table_at(struct table_place at);
/* Put another entry of the same key there. */
void table_set(struct table_place at, struct entry *e);
/* Unlink `e`, which is in the table. */
void table_unlink(struct table *t, const struct entry *e, uint64_t hash);

typedef void table_each_fn(void *ctx, struct entry *e);
/* Visit the entries of one bucket (9, seldom more) and return the cursor to go on with; 0: the
 * table is done. Start with 0.
 * An entry that is in the table during the whole scan is visited at least once, however the table
 * grows or shrinks between calls; exactly once when it does not change. Any number is a safe
 * cursor. `each` must not change the table. */
uint64_t table_scan(const struct table *t, uint64_t cursor, table_each_fn *each, void *ctx);
/* The same, but what is in the table during the whole scan is visited exactly once, and nothing
 * that stands before the cursor: see table_order(). */
uint64_t table_scan_once(const struct table *t, uint64_t cursor, table_each_fn *each, void *ctx);
/* Where an entry stands in the order of scans, as long as it is there: one that is replaced in its
 * place stays. It was visited when the cursor is greater. */
uint32_t table_order(const struct table *t, struct table_place at);

void table_check(const struct table *t);

#endif
