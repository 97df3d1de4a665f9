/* quota.h - how many connections a node has, over all listeners and threads. Any thread. */
#ifndef GRIDD_NET_QUOTA_H
#define GRIDD_NET_QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>

struct quota {
    _Atomic unsigned live;
    _Atomic unsigned max; /* 0: no limit; may be changed at any time */
};

#define QUOTA_INIT(limit)                                                                          \
    {                                                                                              \
        0, (limit)                                                                                 \
    }

/* False: the limit is reached, nothing taken. */
static inline bool quota_take(struct quota *q)
{
    unsigned max = atomic_load_explicit(&q->max, memory_order_relaxed);
    unsigned before = atomic_fetch_add_explicit(&q->live, 1, memory_order_relaxed);
    if (!max || before < max)
        return true;
    atomic_fetch_sub_explicit(&q->live, 1, memory_order_relaxed);
    return false;
}

static inline void quota_give(struct quota *q)
{
    atomic_fetch_sub_explicit(&q->live, 1, memory_order_relaxed);
}

#endif
