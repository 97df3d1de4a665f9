/* log_read.h - R11: one reading of a shard's log on disk, for replicas that rejoin. The shard asks,
 * who has the log goes through its records in order and tells log_read_take() each, and the shard
 * gets it back. Plain data, no locks: one thread has it at a time.
 *
 *   survey    what the log has of each partition: its newest records without a gap
 *   a page    records of some partitions, about `bytes_max` of them, from an lsn on */
#ifndef GRIDD_SHARD_LOG_READ_H
#define GRIDD_SHARD_LOG_READ_H

#include "base/buf.h"
#include "data/record.h"
#include "replica/history.h"

struct log_want {
    uint32_t context;
    uint16_t partition;
    uint64_t after; /* version */
};

struct log_mark { /* up to `lsn` the log has no record of the partition after `version` */
    uint64_t lsn, version;
};

struct log_chain {
    uint32_t context;
    uint16_t partition;
    uint64_t from; /* seq of the record before the first */
    struct replica_history history;
    struct log_mark *marks; /* some, the oldest first */
    uint32_t marks_len;
    uint64_t marked; /* log_read.passed at the last one */
};

struct log_read {
    /* asked */
    uint64_t after;         /* lsn: of the records behind it */
    size_t bytes_max;       /* 0: a survey */
    struct log_want *wants; /* of a page, by context and partition */
    size_t wants_len;
    /* answered */
    uint64_t reached; /* lsn: read up to here */
    bool done;        /* ... which is as far as the log is durable */
    struct buf bytes; /* u32 length, record; ... */
    struct log_chain *chains;
    size_t chains_len, chains_cap;
    uint32_t *slots; /* chains by context and partition; 0: none */
    size_t slots_len;
    uint64_t passed; /* bytes of records */
};

struct log_read *log_read_new(uint64_t after, size_t bytes_max);
void log_read_free(struct log_read *l); /* NULL is fine */
/* In order of partitions. */
void log_read_want(struct log_read *l, const struct log_want *want);
/* The next record of the log; what was lost of it is passed over. False: that is enough. */
bool log_read_take(struct log_read *l, uint64_t lsn, uint32_t context, uint16_t partition,
                   struct slice record);
/* Of a page, in order; *at begins with 0. False: no more. */
bool log_read_next(const struct log_read *l, size_t *at, struct slice *ret_record);
/* Of a survey. NULL: the log has nothing of it. */
const struct log_chain *log_read_chain(const struct log_read *l, uint32_t context,
                                       uint16_t partition);
/* An lsn before which nothing is of use to who has the records up to `version`. */
uint64_t log_chain_start(const struct log_chain *c, uint64_t version);

#endif
