/* snapshot.h - all entries of one cache in one partition as of one moment, read by slices while
 * writes go on. Of partitions that this shard leads; one at a time of each.
 *
 *   snapshot_begin -> snapshot_step: MORE, WAITS -> DONE -> snapshot_end
 *                                 '---> BROKEN: what was read is worth nothing
 *
 * What was read counts only when it is DONE: then all of it was committed while this node still led
 * the partition (R6, R7), so it is what was there at a moment between begin and end. */
#ifndef GRIDD_SHARD_SNAPSHOT_H
#define GRIDD_SHARD_SNAPSHOT_H

#include "base/buf.h"
#include "shard/shard.h"

struct snapshot; /* opaque */

/* A row, as it stands in a page: this head (not aligned), key, value. */
struct snapshot_row {
    uint64_t version;
    uint32_t value_len;
    uint16_t key_len;
    uint8_t type;   /* enum value_type; the value of a HASH is left out */
    uint8_t unused; /* 0 */
};
_Static_assert(sizeof(struct snapshot_row) == 16, "rows are packed");

enum { SNAPSHOT_BUCKETS = 64, SNAPSHOT_KEPT_MAX = 32 << 20 };

/* GRID_ENOT_PRIMARY: it is not led here, or about to move; GRID_EBUSY: another one of the partition
 * is under way; GRID_ENO_CACHE, GRID_EDAMAGED, GRID_ELOST. */
MUST_USE
enum grid_err snapshot_begin(struct shard *s, uint32_t cache, uint16_t partition, msec_t now,
                             struct snapshot **ret_snapshot);

enum snapshot_state {
    SNAPSHOT_MORE,
    SNAPSHOT_WAITS, /* for the disk, a commit or a lease: ask again in a later turn */
    SNAPSHOT_DONE,
    SNAPSHOT_BROKEN,
};
/* Read about `buckets` buckets more, or a page of the disk, of which there is no more than one. */
enum snapshot_state snapshot_step(struct shard *s, struct snapshot *n, unsigned buckets);
/* Rows that were read and not taken yet; what changes meanwhile adds to them. More than
 * SNAPSHOT_KEPT_MAX bytes: it is broken. */
size_t snapshot_bytes(const struct snapshot *n);
/* Move them to `to`, which is empty; its memory is used for the next ones. */
void snapshot_take(struct snapshot *n, struct buf *to);
uint64_t snapshot_version(const struct snapshot *n);    /* of the last record that it has */
void snapshot_end(struct shard *s, struct snapshot *n); /* NULL is fine */

#endif
