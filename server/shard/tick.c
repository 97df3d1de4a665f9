/* tick.c - bounded background work: expiry (R14), ends of sessions (R13), eviction, warm-up,
 * purging what was dropped, sweeping what has expired on disk.
 *
 * Expiry is driven by the heap of next deadlines. The rest looks at a few partitions per tick,
 * in turn: the list of partitions is rotated, so that every partition has its turn however many
 * there are. */
#include "shard/others_priv.h"

#include <stdlib.h>

enum {
    EXPIRE_PER_TICK = 1000,
    SESSIONS_PER_LOOK = 64,
    LOOKS_PER_TICK = 64,  /* partitions */
    PURGE_BUCKETS = 1024, /* in a tick */
    FREE_STEPS = 5000,    /* fields of hashes that were removed */
    TICK_MS = 100,        /* when there is nothing to do */
};

/* --- expiry ----------------------------------------------------------------------------------- */

/* A record of one effect, by the shard itself: nobody waits for it. */
static enum grid_err effect_record(struct shard *s, struct partition *p, const struct effect *e,
                                   msec_t now)
{
    struct record rec = {.time_ms = now, .effects = e, .effects_len = 1};
    struct answer none = {.status = GRID_OK};
    return record_make(s, p, &rec, NULL, &none);
}

bool expire_record(struct shard *s, struct partition *p, uint32_t cache, struct slice key,
                   msec_t now)
{
    struct effect e = {.kind = EFFECT_EXPIRE, .cache = cache, .key = key};
    if (effect_record(s, p, &e, now))
        return false;
    s->stats.expired++;
    return true;
}

/* True: there is more that can be done now. */
static bool expire_tick(struct shard *s, struct heap *expiry, msec_t now)
{
    for (unsigned i = 0; i < EXPIRE_PER_TICK; i++) {
        struct heap_node *n = heap_min(expiry);
        if (!n || n->key > now)
            return false;
        struct partition *p = container_of(n, struct partition, expiry);
        const struct entry *due = content_due(p->content, now);
        CHECK(due);
        if (!expire_record(s, p, entry_cache(due), entry_key(due), now))
            return false; /* the log is full: later */
    }
    const struct heap_node *n = heap_min(expiry);
    return n && n->key <= now;
}

/* At most `wait`; what is due already waits for room in the log. */
static msec_t expire_wait(const struct heap *expiry, msec_t now, msec_t wait)
{
    const struct heap_node *n = heap_min(expiry);
    return n && n->key > now && n->key < now + wait ? n->key - now : wait;
}

/* --- sessions --------------------------------------------------------------------------------- */

static void sessions_tick(struct shard *s, struct partition *p, msec_t now)
{
    msec_t ttl = (msec_t)catalog_setting(s->catalog, SETTING_session_ttl);
    for (unsigned i = 0; i < SESSIONS_PER_LOOK && !p->damaged; i++) {
        const struct session_id *id = sessions_due(content_sessions(p->content), now, ttl);
        if (!id)
            return;
        struct session_id copy = *id;
        struct effect e = {.kind = EFFECT_SESSION_END,
                           .key = slice_make(copy.bytes, SESSION_ID_BYTES)};
        if (effect_record(s, p, &e, now))
            return; /* the log is full: later */
    }
}

/* --- what was dropped ------------------------------------------------------------------------- */

struct gone {
    const struct shard *shard;
    const struct partition *partition;
};

static bool cache_gone(void *ctx, uint16_t cache)
{
    const struct gone *g = ctx;
    return !g->partition->context || !partition_has_cache(g->shard, g->partition, cache);
}

/* True: there is nothing to be done now. A partition goes when nothing names it any more. */
static bool purge_tick(struct shard *s, struct partition *p, unsigned *buckets)
{
    struct gone g = {s, p};
    if (p->purge)
        p->purge = !content_purge(p->content, cache_gone, &g, &p->purge_cursor, buckets);
    bool done = !p->purge;
    partition_account(s, p);
    if (!p->context && done && !p->holds && !p->waiting.len)
        partition_free(s, p);
    return done;
}

/* --- the tick --------------------------------------------------------------------------------- */

static bool partition_tick(struct shard *s, struct partition *p, unsigned *buckets, msec_t now)
{
    if (!p->context)
        return purge_tick(s, p, buckets);
    bool done = !p->purge || purge_tick(s, p, buckets);
    if (p->tidy) {
        p->tidy = content_tidy(p->content);
        partition_account(s, p);
        done &= !p->tidy;
    }
    if (unlikely(p->role == REPLICA_NONE))
        idle_tick(s, p, now);
    if (p->gate == GATE_OPEN) /* who does not decide, ends nothing (R14) */
        sessions_tick(s, p, now);
    warm_start(s, p, now);
    sweep_start(s, p, now);
    return done;
}

/* True: something has to be gone on with. */
static bool partitions_tick(struct shard *s, msec_t now)
{
    bool more = false;
    unsigned buckets = PURGE_BUCKETS;
    size_t looks = s->partitions_len < LOOKS_PER_TICK ? s->partitions_len : LOOKS_PER_TICK;
    for (; looks && !list_empty(&s->partitions); looks--) {
        struct partition *p = list_entry(s->partitions.next, struct partition, link);
        list_remove(&p->link);
        list_push_back(&s->partitions, &p->link);
        more |= !partition_tick(s, p, &buckets, now);
    }
    return more;
}

msec_t shard_tick(struct shard *s, msec_t now)
{
    s->now = now;
    bool more = expire_tick(s, &s->expiry, now);
    more |= expire_tick(s, &s->expiry_memory, now);
    more |= partitions_tick(s, now);
    more |= digests_run(s);
    more |= doomed_tick(s);
    more |= memory_tick(s);
    more |= entry_pool_tidy(s->pool, FREE_STEPS);
    if (more)
        return 0;
    msec_t wait = expire_wait(&s->expiry, now, TICK_MS);
    return expire_wait(&s->expiry_memory, now, wait);
}
