/* tail_priv.h - the newest records of all partitions of a shard, encoded: what other replicas are
 * sent, and catch up from (R11). Bounded: the oldest go first, whoever they belong to.
 *
 *   chunk 7: | version, the one before, places before and after, length | bytes | ... |  chunk 8:
 *
 * A partition keeps the place of its last record; from there the others are found backwards, and
 * from any of them forwards again.
 * Invariant (tail_check): bytes are the sum of the chunks'. */
#ifndef GRIDD_SHARD_TAIL_PRIV_H
#define GRIDD_SHARD_TAIL_PRIV_H

#include "base/buf.h"
#include "data/record.h"

enum { TAIL_CHUNK_BYTES = 256 << 10, TAIL_CHUNK_BYTES_MIN = 256 };

struct tail_chunk;

struct tail {
    struct tail_chunk **chunks; /* ring, by number */
    uint64_t first;             /* number of the oldest, 1.. */
    size_t len, cap;
    size_t bytes, bytes_max;
    size_t chunk_bytes; /* a sixteenth of bytes_max, within limits */
};

typedef uint64_t tail_place; /* where a record is; 0: nowhere */

struct tail_record {
    uint64_t version;
    uint64_t version_before; /* of the partition's record before, kept or not; 0: there is none */
    tail_place before;       /* it; 0, or of a chunk that is gone: it is not kept */
    tail_place after;        /* the next of the partition; 0: it is the last */
    struct slice bytes;
};

void tail_init(struct tail *t, size_t bytes_max);
void tail_release(struct tail *t);
/* Keep a record of a partition whose last record is `version_before`, at `before`. */
tail_place tail_add(struct tail *t, tail_place before, uint64_t version_before,
                    const struct record *r);
/* The same of one that is encoded. */
tail_place tail_add_bytes(struct tail *t, tail_place before, uint64_t version_before,
                          uint64_t version, struct slice bytes);
/* False: it is not there any more. Borrowed until the next tail_add. */
bool tail_at(const struct tail *t, tail_place at, struct tail_record *ret_record);
/* The partition's record after `version`, looked for backwards from its last one. False: it is not
 * kept, or there is none after. */
bool tail_find_after(const struct tail *t, tail_place last, uint64_t version,
                     tail_place *ret_place);
void tail_check(const struct tail *t);

#endif
