/* cold.c - questions to the cold store, and the ops that wait for their answers.
 *
 * An answer shows the checkpoint as it was at some time after the question, so it has every
 * record up to the partition's clean version of that time. Whatever left memory since with a
 * later version (evicted, or a tombstone dropped) may be missing from it: then the question is
 * asked again. What is in memory always overrides the answer; in a partition that has become
 * complete meanwhile, what is not in memory is not there.
 *
 *   token = generation << 32 | slot;  key questions are found by hash too: one serves many ops */
#include "shard/others_priv.h"

#include <stdlib.h>

struct cold_waiter {
    struct list link;
    struct parked *parked;
    uint32_t at; /* which key of the op */
};

void cold_init(struct shard *s)
{
    for (unsigned i = 0; i < COLD_BUCKETS; i++)
        list_init(&s->cold_buckets[i]);
}

static struct list *cold_bucket(struct shard *s, uint64_t hash)
{
    return &s->cold_buckets[hash % COLD_BUCKETS];
}

static uint32_t cold_slot_take(struct shard *s)
{
    if (s->cold_free_len)
        return s->cold_free[--s->cold_free_len];
    if (s->cold_len == s->cold_cap) {
        s->cold_cap = s->cold_cap ? s->cold_cap * 2 : 64;
        s->cold = xrealloc(s->cold, s->cold_cap, sizeof(struct cold *));
        s->cold_free = xrealloc(s->cold_free, s->cold_cap, sizeof *s->cold_free);
    }
    return s->cold_len++;
}

static struct cold *cold_new(struct shard *s, enum cold_kind kind, struct partition *p,
                             struct slice key)
{
    struct cold *c = xcalloc(1, sizeof *c + key.len);
    uint32_t slot = cold_slot_take(s);
    c->kind = kind;
    c->token = (uint64_t)++s->cold_generation << 32 | slot;
    c->partition = p;
    c->key_len = (uint16_t)key.len;
    if (key.len)
        memcpy(c->key, key.data, key.len);
    list_init(&c->link);
    list_init(&c->waiters);
    p->holds++;
    s->cold[slot] = c;
    s->stats.cold_reads++;
    return c;
}

static struct cold *cold_of(struct shard *s, uint64_t token, bool key)
{
    uint32_t slot = (uint32_t)token;
    struct cold *c = slot < s->cold_len ? s->cold[slot] : NULL;
    return c && c->token == token && (c->kind == COLD_KEY) == key ? c : NULL;
}

static void cold_free(struct shard *s, struct cold *c)
{
    uint32_t slot = (uint32_t)c->token;
    s->cold[slot] = NULL;
    s->cold_free[s->cold_free_len++] = slot;
    list_remove(&c->link);
    c->partition->holds--;
    free(c);
}

void cold_release(struct shard *s)
{
    for (uint32_t i = 0; i < s->cold_len; i++) {
        struct cold *c = s->cold[i];
        if (!c)
            continue;
        struct list *it;
        while ((it = list_pop_front(&c->waiters)))
            free(list_entry(it, struct cold_waiter, link));
        cold_free(s, c);
    }
    free(s->cold);
    free(s->cold_free);
}

static struct slice cold_key(const struct cold *c)
{
    return slice_make(c->key, c->key_len);
}

void cold_ask_again(struct shard *s, const struct partition *p)
{
    for (uint32_t i = 0; i < s->cold_len; i++) {
        if (s->cold[i] && s->cold[i]->partition == p)
            s->cold[i]->outdated = true;
    }
}

static bool cold_stale(const struct cold *c)
{
    const struct content *content = c->partition->content;
    if (c->outdated)
        return true;
    return !content_complete(content) && content_left(content) > c->asked_clean;
}

/* --- keys ------------------------------------------------------------------------------------- */

static void cold_get_send(struct shard *s, struct cold *c)
{
    struct partition *p = c->partition;
    c->asked_clean = content_clean(p->content);
    c->outdated = false;
    s->ports.cold_get(s->ports.ctx, c->token, p->context_id, p->index, c->cache, cold_key(c));
}

static struct cold *cold_key_find(struct shard *s, struct partition *p, uint32_t cache,
                                  struct slice key, uint64_t hash)
{
    list_for_each (it, cold_bucket(s, hash)) {
        struct cold *c = list_entry(it, struct cold, link);
        if (c->partition == p && c->cache == cache && c->hash == hash && slice_eq(cold_key(c), key))
            return c;
    }
    return NULL;
}

void cold_ask_key(struct shard *s, struct partition *p, uint32_t cache, struct slice key,
                  uint64_t hash, struct parked *parked, uint32_t at)
{
    struct cold *c = cold_key_find(s, p, cache, key, hash);
    if (!c) {
        c = cold_new(s, COLD_KEY, p, key);
        c->cache = cache;
        c->hash = hash;
        list_push_back(cold_bucket(s, hash), &c->link);
        cold_get_send(s, c);
    }
    struct cold_waiter *w = xalloc(sizeof *w);
    w->parked = parked;
    w->at = at;
    list_push_back(&c->waiters, &w->link);
    parked->missing++;
}

static void cold_key_answer(struct shard *s, struct cold *c, enum grid_err err, bool absent,
                            msec_t now)
{
    uint64_t clean = c->asked_clean;
    struct list *it;
    while ((it = list_pop_front(&c->waiters))) {
        struct cold_waiter *w = list_entry(it, struct cold_waiter, link);
        struct parked *parked = w->parked;
        if (err)
            parked->err = err;
        if (absent)
            parked_absent(parked, w->at, clean);
        if (--parked->missing == 0)
            list_push_back(&s->ready, &parked->ready);
        free(w);
    }
    cold_free(s, c);
    parked_go(s, now);
}

/* Whether the answer still matters: memory may know by now. */
static bool cold_wanted(const struct shard *s, const struct cold *c)
{
    const struct partition *p = c->partition;
    return p->context && !p->damaged && !content_complete(p->content) &&
           partition_has_cache(s, p, c->cache) &&
           !content_get(p->content, c->cache, cold_key(c), c->hash);
}

/* Whether an op waits for other keys too, which may be here by now. */
static bool cold_of_many(const struct cold *c)
{
    list_for_each (it, &c->waiters) {
        if (list_entry(it, struct cold_waiter, link)->parked->keys > 1)
            return true;
    }
    return false;
}

/* Make room, then take the entry in: before, so that it is not evicted at once. The keys of a
 * batch must not evict each other: the tick makes room for them. */
static enum grid_err cold_insert(struct shard *s, const struct cold *c,
                                 const struct cold_entry *found)
{
    struct partition *p = c->partition;
    if (!cold_of_many(c))
        memory_give(s, p, found->key.len + found->affinity.len + found->value.len);
    return partition_insert_cold(s, p, c->cache, found, c->hash);
}

/* What a failed read means: the partition is damaged, or just this one failed. Who asked asks again
 * where there is a good copy. */
static enum grid_err cold_failed(struct shard *s, struct partition *p, enum grid_err err)
{
    if (err != GRID_ECORRUPT)
        return err;
    if (p->context && !p->damaged) {
        partition_damage(s, p);
        partition_break(s, p);
    }
    return p->gate == GATE_HOLD || p->gate == GATE_AWAY ? GRID_ENOT_PRIMARY : GRID_EDAMAGED;
}

void shard_cold_found(struct shard *s, uint64_t token, enum grid_err err,
                      const struct cold_entry *found, msec_t now)
{
    struct cold *c = cold_of(s, token, true);
    if (!c)
        return;
    bool absent = false;
    if (!err && cold_wanted(s, c)) {
        if (cold_stale(c)) {
            cold_get_send(s, c);
            return;
        }
        absent = !found;
        if (found)
            err = cold_insert(s, c, found);
    }
    cold_key_answer(s, c, cold_failed(s, c->partition, err), absent, now);
}

/* --- ranges ----------------------------------------------------------------------------------- */

static void cold_scan_send(struct shard *s, struct cold *c)
{
    struct partition *p = c->partition;
    c->asked_clean = content_clean(p->content);
    c->outdated = false;
    s->ports.cold_scan(s->ports.ctx, c->token, p->context_id, p->index, c->cache, c->after_cache,
                       cold_key(c), c->limit, c->bytes);
}

void cold_ask_range(struct shard *s, struct partition *p, const struct cold_range *range,
                    void *asker)
{
    struct cold *c = cold_new(s, range->kind, p, range->after);
    c->cache = range->cache;
    c->after_cache = range->after_cache;
    c->limit = range->limit;
    c->bytes = range->bytes;
    c->asker = asker;
    cold_scan_send(s, c);
}

void shard_cold_scanned(struct shard *s, uint64_t token, enum grid_err err,
                        const struct cold_entry *entries, const uint32_t *caches, size_t len,
                        bool done, msec_t now)
{
    struct cold *c = cold_of(s, token, false);
    if (!c)
        return;
    struct partition *p = c->partition;
    if (!err && p->context && cold_stale(c)) {
        cold_scan_send(s, c);
        return;
    }
    struct cold_page page = {cold_failed(s, p, err), entries, caches, len, done, c->asked_clean};
    void *asker = c->asker;
    enum cold_kind kind = c->kind;
    cold_free(s, c);
    if (kind == COLD_SCAN)
        scan_answer(s, asker, &page, now);
    else if (kind == COLD_COPY)
        copy_answer(s, asker, &page);
    else if (kind == COLD_DIGEST)
        digest_answer(s, asker, &page);
    else if (kind == COLD_SNAPSHOT)
        snapshot_answer(asker, &page);
    else
        (kind == COLD_WARM ? warm_answer : sweep_answer)(s, p, &page, now);
}
