/* promise_priv.h - records that are not committed yet, and who waits for them: on their way to this
 * node's disk (write.c), or to other members (promise.c). */
#ifndef GRIDD_SHARD_PROMISE_PRIV_H
#define GRIDD_SHARD_PROMISE_PRIV_H

#include "shard/partition_priv.h"

/* --- inflight: records on their way to the disk (R4) ------------------------------------------ */

struct answer { /* the small result of a write */
    enum grid_err status;
    uint32_t failed_at;
    uint64_t version;
    int64_t number;
    enum reply_kind reply;
    struct slice bytes; /* of the reply; borrowed for the call */
};

enum stored_kind { STORED_RECORD, STORED_PIECE, STORED_COPY, STORED_MEND };

struct inflight {
    uint64_t lsn;
    struct partition *partition;
    uint64_t version; /* PIECE: its number */
    uint32_t round;   /* PIECE, COPY */
    uint8_t kind;     /* enum stored_kind */
    bool answered;    /* somebody waits */
    struct ticket to;
    struct answer answer; /* its bytes are this record's own */
};

/* --- promise.c: records of replicated partitions that are not committed yet ------------------- */

struct promise {
    uint64_t version;
    uint64_t lsn; /* 0: it is in no log */
    msec_t since;
    uint32_t next;
    bool waited; /* somebody waits */
    struct ticket to;
    struct answer answer; /* its bytes are this promise's own */
};

struct promises {
    struct promise *all;
    uint32_t cap, free;
    struct list partitions; /* that have any */
};

/* Copies the bytes of the answer. */
void promise_add(struct shard *s, struct partition *p, const struct promise *promise);
/* Answer what is committed. */
void promises_keep(struct shard *s, struct partition *p);
/* This node is not asked any more: IN_DOUBT to all who wait. */
void promises_break(struct shard *s, struct partition *p);
/* Those that a new primary does not tell of for too long are in doubt. */
void promises_look(struct shard *s, msec_t now);
/* Somebody waits for one of them. */
bool promises_waited(const struct shard *s, const struct partition *p);
/* Forget those after `version`: they never happened, if nobody else has them. IN_DOUBT to who waits
 * for them. */
void promises_cut(struct shard *s, struct partition *p, uint64_t version);
/* Who waits is not answered: at the end of the shard, when it may be gone. */
void promises_forget(struct shard *s);
void promises_release(struct promises *all);

#endif
