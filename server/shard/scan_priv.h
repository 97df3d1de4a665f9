/* scan_priv.h - where a scan of a partition stands, and its two kinds of cursors. */
#ifndef GRIDD_SHARD_SCAN_PRIV_H
#define GRIDD_SHARD_SCAN_PRIV_H

#include "shard/partition_priv.h"

enum scan_pass { PASS_MEMORY = 1, PASS_DISK = 2 };

struct scan {
    enum scan_pass pass;
    uint64_t at;   /* bucket to visit */
    uint64_t next; /* where that visit led when `after` was given */
    uint64_t evictions;
    bool incomplete;
    struct slice after; /* last key given; MEMORY: of this bucket; empty: none */
};

/* From the start. */
struct scan scan_start(const struct partition *p);

/* Among keys in their order: the greatest before all that begin with `prefix`, or close to it, in
 * `out` (KEY_BYTES_MAX); whether one is behind all of them. */
struct slice scan_before(struct slice prefix, uint8_t *out);
bool scan_beyond(struct slice key, struct slice prefix);

/* --- scan_number.c: cursors that are numbers -------------------------------------------------- */

/* Where a scan stands that cannot be told by a number. */
struct scan_saved {
    uint64_t number; /* that stands for it */
    uint32_t cache;
    uint16_t partition;
    uint16_t after_len;
    uint8_t *after;
};

/* A ring: the oldest is forgotten. */
struct scan_numbers {
    struct scan_saved *saved; /* NULL: none yet */
    uint64_t generation;      /* of the next */
};

/* The number of `c`, which has no place inside a bucket; never 0. */
uint64_t scan_number_make(struct scan_numbers *n, const struct partition *p, uint32_t cache,
                          const struct scan *c);
/* What `number` stands for; the start, when nobody knows. `after` is borrowed until the next
 * scan_number_make(). */
struct scan scan_number_find(const struct scan_numbers *n, const struct partition *p,
                             uint32_t cache, uint64_t number);
void scan_numbers_release(struct scan_numbers *n);

#endif
