/* promise.c - records of replicated partitions that are not committed yet, and who waits for them:
 * a pool, and in it a list for each partition, by version.
 *
 *   partition.promises: first -> ... -> last     shard.promising: partitions that have any
 *
 * What the log has of them must not go into the checkpoint, for it may be cut (R9): so the oldest
 * promise says how far a checkpoint may go. */
#include "shard/shard_priv.h"

#include <stdlib.h>

/* Index + 1; 0: none. */
static struct promise *promise_at(const struct shard *s, uint32_t at)
{
    return &s->promises.all[at - 1];
}

static uint32_t promise_take(struct promises *all)
{
    if (!all->free) {
        uint32_t cap = all->cap ? all->cap * 2 : 256;
        all->all = xrealloc(all->all, cap, sizeof *all->all);
        for (uint32_t i = cap; i > all->cap; i--) {
            all->all[i - 1].next = all->free;
            all->free = i;
        }
        all->cap = cap;
    }
    uint32_t at = all->free;
    all->free = all->all[at - 1].next;
    return at;
}

static void promise_drop(struct shard *s, struct partition *p)
{
    uint32_t at = p->promises.first;
    struct promise *f = promise_at(s, at);
    if (unlikely(f->answer.bytes.len))
        free((void *)(uintptr_t)f->answer.bytes.data);
    p->promises.first = f->next;
    f->next = s->promises.free;
    s->promises.free = at;
    if (p->promises.first)
        return;
    p->promises.last = 0;
    list_remove(&p->promises.link);
    p->holds--;
}

/* Before the last one: it was made when nobody else had to ack. */
static void promise_insert(struct shard *s, struct partition *p, uint32_t at)
{
    struct promise *f = promise_at(s, at);
    uint32_t *place = &p->promises.first;
    while (promise_at(s, *place)->version < f->version)
        place = &promise_at(s, *place)->next;
    f->next = *place;
    *place = at;
}

void promise_add(struct shard *s, struct partition *p, const struct promise *promise)
{
    uint32_t at = promise_take(&s->promises);
    struct promise *f = promise_at(s, at);
    *f = *promise;
    f->next = 0;
    f->answer.bytes = slice_own(promise->answer.bytes);
    if (!p->promises.last) {
        p->promises.first = p->promises.last = at;
        list_push_back(&s->promises.partitions, &p->promises.link);
        p->holds++;
    } else if (likely(promise_at(s, p->promises.last)->version < f->version)) {
        promise_at(s, p->promises.last)->next = at;
        p->promises.last = at;
    } else {
        promise_insert(s, p, at);
    }
}

void promises_keep(struct shard *s, struct partition *p)
{
    while (p->promises.first) {
        struct promise f = *promise_at(s, p->promises.first);
        if (replica_pending(&p->replica, f.version))
            return;
        if (f.waited)
            answer_send(s, &f.to, &f.answer, f.version);
        promise_drop(s, p);
    }
}

/* Nobody here will say any more whether it is committed. */
void promises_break(struct shard *s, struct partition *p)
{
    for (uint32_t at = p->promises.first; at; at = promise_at(s, at)->next) {
        struct promise *f = promise_at(s, at);
        struct answer a = {.status = GRID_EIN_DOUBT};
        if (f->waited)
            answer_send(s, &f->to, &a, 0);
        f->waited = false;
    }
}

void promises_cut(struct shard *s, struct partition *p, uint64_t version)
{
    uint32_t keep = 0;
    promises_break(s, p);
    for (uint32_t at = p->promises.first; at && promise_at(s, at)->version <= version;
         at = promise_at(s, at)->next)
        keep++;
    struct promise *kept = keep ? xcalloc(keep, sizeof *kept) : NULL;
    for (uint32_t i = 0; p->promises.first; i++) {
        if (i < keep)
            kept[i] = *promise_at(s, p->promises.first);
        promise_drop(s, p);
    }
    for (uint32_t i = 0; i < keep; i++) {
        kept[i].answer.bytes = slice_make(NULL, 0);
        promise_add(s, p, &kept[i]);
    }
    free(kept);
}

void promises_release(struct promises *all)
{
    free(all->all);
}
