/* message.h - what the shards that hold a partition say to each other. Plain structs; server/wire
 * makes bytes of them. All of one link and class arrive in order, or not at all.
 *
 *   REPLICA  replica/message.h; RECORDS with the records themselves
 *   PIECE    R11: a part of the content, as records that restate. Number 1, 2, ... in each copy
 *   TAKEN    pieces up to `number` are stored: so many more may come
 *   WANT     R9: what a cut touched: records that name keys and sessions; the last says so
 *   MEND     what those are now, and others that changed since, number 1, 2, ...; the last says so,
 *            with the history that they belong to */
#ifndef GRIDD_SHARD_MESSAGE_H
#define GRIDD_SHARD_MESSAGE_H

#include "base/slice.h"
#include "replica/message.h"

enum shard_message_kind {
    SHARD_REPLICA = 1,
    SHARD_PIECE = 2,
    SHARD_TAKEN = 3,
    SHARD_WANT = 4,
    SHARD_MEND = 5,
};

/* May overtake each other; see session/peer.h. */
enum shard_class { SHARD_URGENT, SHARD_RECORDS, SHARD_BULK };

struct shard_message {
    enum shard_message_kind kind;
    uint32_t context;
    uint16_t partition;
    bool last;                      /* PIECE, WANT, MEND */
    bool refused;                   /* MEND: it cannot be told; only a copy helps */
    uint64_t number;                /* PIECE, TAKEN, MEND */
    struct replica_message replica; /* REPLICA; of all others from, epoch, round; WANT: version, the
                                     * common point; MEND: history */
    const struct slice *records;    /* each one encoded: data/record.h */
    size_t records_len;
};

#endif
