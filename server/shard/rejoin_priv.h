/* rejoin_priv.h - R11: records out that only the log on disk has (rejoin.c). */
#ifndef GRIDD_SHARD_REJOIN_PRIV_H
#define GRIDD_SHARD_REJOIN_PRIV_H

#include "shard/shard_priv.h"

struct outgoing;

/* How a member that joins is brought up to date. */
enum rejoin_way { REJOIN_KEPT, REJOIN_STORED, REJOIN_COPY, REJOIN_WAYS };

/* Reading the log on disk (rejoin.c). */
struct rejoin {
    struct list waiting;     /* others of partitions that it is read for */
    struct log_read *survey; /* the last one; NULL: none yet */
    msec_t surveyed_at;
    bool survey_wanted;
    bool asked;       /* it is being read */
    bool scanning;    /* from page to page */
    uint64_t reached; /* lsn: the scan is there */
    msec_t due;       /* the next page may be asked for; 0: at once */
    struct tail page;
};

void rejoin_init(struct rejoin *j);
void rejoin_release(struct rejoin *j);
enum replica_kept port_kept(void *ctx, struct replica *r, uint64_t version);
bool port_recall(void *ctx, struct replica *r);
/* The tail does not have what follows `version`. True: the log on disk has, perhaps: it is told
 * when that is there. */
bool rejoin_wants(struct shard *s, struct partition *p, struct outgoing *out, uint64_t version);
void rejoin_leave(struct outgoing *out);
/* Read on. */
void rejoin_run(struct shard *s);
/* When that is due: ms from now. */
msec_t rejoin_next(struct shard *s);

#endif
