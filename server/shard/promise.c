/* promise.c - records of replicated partitions that are not committed yet, and who waits for them:
 * a pool, and in it a list for each partition, by version.
 *
 *   partition.promises: first -> ... -> last     shard.promising: partitions that have any
 *
 * What the log has of them must not go into the checkpoint, for it may be cut (R9): so the oldest
 * promise says how far a checkpoint may go.
 *
 * Who leads no more, but is in sync, hears of what became of them: they are kept, and answered when
 * the new primary commits them. What is cut is in doubt, for others may have it yet. */
#include "shard/shard_priv.h"

#include <stdlib.h>

enum { TOLD_MS_MAX = 3000 }; /* by the new primary; then it is in doubt */

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

static void promise_free(struct shard *s, uint32_t at)
{
    struct promise *f = promise_at(s, at);
    if (unlikely(f->answer.bytes.len))
        free((void *)(uintptr_t)f->answer.bytes.data);
    f->next = s->promises.free;
    s->promises.free = at;
}

/* The last one is gone. */
static void promises_end(struct partition *p)
{
    p->promises.last = 0;
    list_remove(&p->promises.link);
    p->holds--;
}

static void promise_drop(struct shard *s, struct partition *p)
{
    uint32_t at = p->promises.first;
    p->promises.first = promise_at(s, at)->next;
    promise_free(s, at);
    if (!p->promises.first)
        promises_end(p);
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

static void promise_doubt(struct shard *s, struct promise *f)
{
    struct answer a = {.status = GRID_EIN_DOUBT};
    if (f->waited)
        answer_send(s, &f->to, &a, 0);
    f->waited = false;
}

/* Nobody here will say any more whether it is committed. */
void promises_break(struct shard *s, struct partition *p)
{
    for (uint32_t at = p->promises.first; at; at = promise_at(s, at)->next)
        promise_doubt(s, promise_at(s, at));
}

void promises_cut(struct shard *s, struct partition *p, uint64_t version)
{
    uint32_t *place = &p->promises.first, last = 0;
    while (*place && promise_at(s, *place)->version <= version) {
        last = *place;
        place = &promise_at(s, last)->next;
    }
    uint32_t cut = *place;
    *place = 0;
    if (!cut)
        return;
    p->promises.last = last;
    while (cut) {
        struct promise *f = promise_at(s, cut);
        uint32_t next = f->next;
        promise_doubt(s, f); /* who leads may be gone before all have cut it */
        promise_free(s, cut);
        cut = next;
    }
    if (!p->promises.first)
        promises_end(p);
}

bool promises_waited(const struct shard *s, const struct partition *p)
{
    uint32_t at = p->promises.first;
    while (at && !promise_at(s, at)->waited)
        at = promise_at(s, at)->next;
    return at;
}

void promises_look(struct shard *s, msec_t now)
{
    list_for_each (it, &s->promises.partitions) {
        struct partition *p = list_entry(it, struct partition, promises.link);
        if (p->role == REPLICA_PRIMARY)
            continue;
        for (uint32_t at = p->promises.first; at; at = promise_at(s, at)->next)
            if (now >= promise_at(s, at)->since + TOLD_MS_MAX)
                promise_doubt(s, promise_at(s, at));
    }
}

void promises_forget(struct shard *s)
{
    list_for_each (it, &s->promises.partitions) {
        const struct partition *p = list_entry(it, struct partition, promises.link);
        for (uint32_t at = p->promises.first; at; at = promise_at(s, at)->next)
            promise_at(s, at)->waited = false;
    }
}

void promises_release(struct promises *all)
{
    free(all->all);
}
