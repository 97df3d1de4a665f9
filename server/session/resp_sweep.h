/* resp_sweep.h - all keys of a cache, some partitions at a time: what SCAN, KEYS, RANDOMKEY and
 * FLUSHALL have in common. A sweep is the job of a request that is taken in steps: ask, wait until
 * nothing is in flight, look at the pages, ask again. */
#ifndef GRIDD_SESSION_RESP_SWEEP_H
#define GRIDD_SESSION_RESP_SWEEP_H

#include "session/resp_priv.h"

enum { SWEEP_PAGES_MAX = 128 /* asked for at once */ };

/* Keys of one partition, as they came. */
struct sweep_page {
    struct buf keys; /* u8 type, u16 length, the key */
    uint32_t len;
    uint64_t next; /* where to go on within the partition; 0: it is done */
};

struct sweep {
    uint32_t partitions;
    uint32_t at;     /* the first that is asked next */
    uint64_t number; /* where in it; 0: its start */
    struct sweep_page *pages;
    uint32_t pages_len;
    enum grid_err err; /* the first */
};

/* The whole cache, from the place (`at`, `number`) on. */
void sweep_init(struct sweep *w, uint32_t partitions, uint32_t at, uint64_t number);
void sweep_release(struct sweep *w);
static inline bool sweep_done(const struct sweep *w)
{
    return w->at >= w->partitions;
}
/* Ask up to `pages` partitions for up to `limit` keys with `prefix` each. `w` must stay where it is
 * until nothing is in flight. False: there is no room in this turn. */
bool sweep_ask(struct resp_session *r, struct sweep *w, uint32_t pages, uint32_t limit,
               struct slice prefix);
/* The next key of a page; *at begins with 0. */
bool sweep_key(const struct sweep_page *page, size_t *at, struct slice *ret_key,
               enum value_type *ret_type);
/* The pages are dealt with up to (not with) `page`: the next ask begins where it ends, or, when it
 * is the last, behind it. */
void sweep_move(struct sweep *w, uint32_t pages);

#endif
