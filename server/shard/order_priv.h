/* order_priv.h - ops that wait, by the keys they are for: who comes later waits behind them. */
#ifndef GRIDD_SHARD_ORDER_PRIV_H
#define GRIDD_SHARD_ORDER_PRIV_H

#include "shard/partition_priv.h"

enum { ORDER_BUCKETS = 4096 };

struct parked;
struct queue; /* order.c */

/* That an op is for a key. */
struct claim {
    struct list link; /* in its queue, in the order the ops came */
    struct queue *queue;
    struct parked *parked;
    bool writes, granted;
};

struct order {
    struct list queues[ORDER_BUCKETS]; /* by key */
};

void order_init(struct order *o);
/* Whether such an op, which does not wait yet, has to: behind others for its keys. */
bool order_waits(const struct order *o, const struct partition *p, const struct op *op);
/* It waits from now on, behind all that came before. */
void order_join(struct order *o, struct partition *p, struct parked *w);
/* It is done, or was refused: those that waited for it alone are put into `ready`. */
void order_leave(struct parked *w, struct list *ready);
void order_check(const struct order *o);

#endif
