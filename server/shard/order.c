/* order.c - the order of ops on a key.
 *
 * An op that waits (for the cold store, at the gate, for a lease) has a claim on each of its keys,
 * and so has what waits behind it. A queue is the claims on one key, in the order the ops came:
 *
 *   read read write read        the first reads, or the first write, are granted: their op may be
 *   \-granted-/ ^next           done, once all its claims are
 *
 * An op makes its claims at once, and they are in the order of the ops: nobody waits in a circle.
 * Keys are told apart by their hashes; who shares one with another waits in vain, but not long. */
#include "shard/order_priv.h"

#include "base/alloc.h"
#include "shard/park_priv.h"

#include <stdlib.h>

struct queue {
    struct list link; /* in its bucket */
    const struct partition *partition;
    uint64_t hash;
    struct list claims;
    struct claim *next; /* the first that is not granted, or NULL */
    size_t writers;
};

void order_init(struct order *o)
{
    for (size_t i = 0; i < ORDER_BUCKETS; i++)
        list_init(&o->queues[i]);
}

static size_t bucket_of(const struct partition *p, uint64_t hash)
{
    return (hash ^ p->index) % ORDER_BUCKETS;
}

static struct queue *queue_find(const struct order *o, const struct partition *p, uint64_t hash)
{
    const struct list *bucket = &o->queues[bucket_of(p, hash)];
    list_for_each (it, bucket) {
        struct queue *q = list_entry(it, struct queue, link);
        if (q->partition == p && q->hash == hash)
            return q;
    }
    return NULL;
}

static struct queue *queue_new(struct order *o, const struct partition *p, uint64_t hash)
{
    struct queue *q = xcalloc(1, sizeof *q);
    q->partition = p;
    q->hash = hash;
    list_init(&q->claims);
    list_init(&q->link);
    list_push_back(&o->queues[bucket_of(p, hash)], &q->link);
    return q;
}

static struct claim *claim_after(const struct claim *c)
{
    return c->link.next == &c->queue->claims ? NULL : list_entry(c->link.next, struct claim, link);
}

static struct claim *claim_first(const struct queue *q)
{
    return list_entry(q->claims.next, struct claim, link);
}

static struct claim *claim_last(const struct queue *q)
{
    return list_entry(q->claims.prev, struct claim, link);
}

/* --- keys of an op ---------------------------------------------------------------------------- */

/* What goes through many keys has no place among those that are for one. */
static uint32_t keys_of(const struct op *op)
{
    if (op->kind == OP_SCAN || op->kind == OP_COUNT)
        return 0;
    return op->batch_len ? op->batch_len : op->keys_len ? op->keys_len : 1;
}

static uint64_t key_hash(const struct partition *p, const struct op *op, uint32_t at)
{
    const struct op *o = op->batch_len ? &op->batch[at] : op;
    struct slice key = op->keys_len ? op->keys[at] : o->key;
    return content_hash(p->content, cache_number(o->cache), key);
}

bool order_waits(const struct order *o, const struct partition *p, const struct op *op)
{
    bool writes = op_changes(op);
    uint32_t keys = p->queued ? keys_of(op) : 0;
    for (uint32_t i = 0; i < keys; i++) {
        const struct queue *q = queue_find(o, p, key_hash(p, op, i));
        if (q && (writes || q->writers))
            return true;
    }
    return false;
}

/* --- claims ----------------------------------------------------------------------------------- */

static void claim_add(struct order *o, struct parked *w, uint64_t hash)
{
    struct queue *q = queue_find(o, w->partition, hash);
    if (!q)
        q = queue_new(o, w->partition, hash);
    bool first = list_empty(&q->claims);
    if (!first && claim_last(q)->parked == w)
        return; /* it names the key twice */
    struct claim *c = &w->claims[w->claims_len++];
    *c = (struct claim){.queue = q, .parked = w, .writes = op_changes(&w->op)};
    c->granted = c->writes ? first : !q->writers;
    q->writers += c->writes;
    w->behind += !c->granted;
    list_push_back(&q->claims, &c->link);
    if (!c->granted && !q->next)
        q->next = c;
}

void order_join(struct order *o, struct partition *p, struct parked *w)
{
    uint32_t keys = keys_of(&w->op);
    w->partition = p;
    list_push_back(&p->queue, &w->link);
    p->queued++;
    p->holds++;
    partition_shut(p);
    for (uint32_t i = 0; i < keys; i++)
        claim_add(o, w, key_hash(p, &w->op, i));
}

/* Of those before the next one all are granted: reads, or one write, which is the first then. */
static void queue_grant(struct queue *q, struct list *ready)
{
    for (struct claim *c; (c = q->next);) {
        if (c->writes ? claim_first(q) != c : claim_first(q)->writes)
            return;
        struct parked *w = c->parked;
        c->granted = true;
        q->next = claim_after(c);
        if (--w->behind == 0 && !w->held && list_empty(&w->ready))
            list_push_back(ready, &w->ready);
    }
}

static void claim_end(struct claim *c, struct list *ready)
{
    struct queue *q = c->queue;
    if (q->next == c)
        q->next = claim_after(c);
    q->writers -= c->writes;
    list_remove(&c->link);
    queue_grant(q, ready);
    if (!list_empty(&q->claims))
        return;
    list_remove(&q->link);
    free(q);
}

void order_leave(struct parked *w, struct list *ready)
{
    struct partition *p = w->partition;
    for (uint32_t i = 0; i < w->claims_len; i++)
        claim_end(&w->claims[i], ready);
    w->claims_len = w->behind = 0;
    w->partition = NULL;
    list_remove(&w->link);
    p->queued--;
    p->holds--;
    partition_shut(p);
}

/* --- invariant -------------------------------------------------------------------------------- */

static void queue_check(const struct queue *q)
{
    size_t writers = 0;
    bool granted = true;
    CHECK(!list_empty(&q->claims) && claim_first(q)->granted);
    list_for_each (it, &q->claims) {
        const struct claim *c = list_entry(it, struct claim, link);
        bool may = c->writes ? c == claim_first(q) : !writers;
        CHECK(c->granted == may && (c->granted || c->parked->behind));
        CHECK(c->granted || !granted || q->next == c);
        granted = c->granted;
        writers += c->writes;
        CHECK(c->parked->partition == q->partition);
    }
    CHECK(writers == q->writers && (!granted || !q->next));
}

void order_check(const struct order *o)
{
    for (size_t i = 0; i < ORDER_BUCKETS; i++)
        list_for_each (it, &o->queues[i])
            queue_check(list_entry(it, struct queue, link));
}
