/* sweep.c - expired entries that are on disk only (R14). The heap of deadlines knows what is in
 * memory, so in a partition that does not fit in memory the checkpoint is read through, when an
 * entry that was evicted may be due: a page at a time, one partition of the shard at a time,
 * slowly. Reads never show such an entry; the sweep is for the counts and the disk.
 *
 *   idle --partition with something due, no room to warm it up--> page, pause, page ... --> idle
 *
 * The content keeps the earliest deadline it has evicted; a pass finds it anew. */
#include "shard/shard_priv.h"

enum { SWEEP_ENTRIES = 500, SWEEP_BYTES = 256 << 10, PAUSE_MS = 100, RETRY_MS = 1000 };

static bool sweep_due(const struct shard *s, const struct partition *p, msec_t now)
{
    msec_t due = content_cold_deadline(p->content);
    return due && due <= now && p->context && p->gate == GATE_OPEN && !p->purge &&
           !content_complete(p->content) && !memory_warm_room(s, p);
}

void sweep_forget(struct shard *s, const struct partition *p)
{
    if (s->sweep.partition == p)
        s->sweep.partition = NULL;
}

/* The next page comes after this entry. */
static void sweep_move(struct sweep *w, uint32_t cache, struct slice key)
{
    CHECK(key.len <= KEY_BYTES_MAX);
    w->cache = cache;
    w->after_len = (uint16_t)key.len;
    memcpy(w->after, key.data, key.len);
}

static void sweep_ask(struct shard *s)
{
    struct sweep *w = &s->sweep;
    struct cold_range range = {.kind = COLD_SWEEP,
                               .cache = UINT32_MAX,
                               .after_cache = w->cache,
                               .after = slice_make(w->after, w->after_len),
                               .limit = SWEEP_ENTRIES,
                               .bytes = SWEEP_BYTES};
    w->asked = true;
    cold_ask_range(s, w->partition, &range, NULL);
}

void sweep_start(struct shard *s, struct partition *p, msec_t now)
{
    struct sweep *w = &s->sweep;
    if (w->asked || now < w->next_at)
        return;
    if (!w->partition && sweep_due(s, p, now)) {
        w->partition = p;
        w->cache = w->after_len = 0;
        w->earliest = 0;
        content_set_cold_deadline(p->content, 0); /* evictions from now on lower it */
    }
    if (w->partition && !content_watched(w->partition->content))
        sweep_ask(s);
}

static msec_t earlier(msec_t a, msec_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* False: the log is full. */
static bool sweep_entry(struct shard *s, struct partition *p, uint32_t cache,
                        const struct cold_entry *e, msec_t now)
{
    if (!e->deadline || !partition_has_cache(s, p, cache))
        return true;
    if (e->deadline > now) {
        s->sweep.earliest = earlier(s->sweep.earliest, e->deadline);
        return true;
    }
    if (content_get(p->content, cache, e->key, content_hash(p->content, cache, e->key)))
        return true; /* replaced, removed, or the heap has it */
    return expire_record(s, p, cache, e->key, now);
}

void sweep_answer(struct shard *s, struct partition *p, const struct cold_page *page, msec_t now)
{
    struct sweep *w = &s->sweep;
    w->asked = false;
    if (w->partition != p)
        return;
    w->next_at = now + (page->err ? RETRY_MS : PAUSE_MS);
    if (!p->context || p->gate != GATE_OPEN || content_complete(p->content)) {
        if (!content_complete(p->content))
            content_set_cold_deadline(p->content, 1); /* it was not read to its end */
        w->partition = NULL;
        return;
    }
    if (content_watched(p->content)) /* who watches hears of what is in memory only */
        return;
    for (size_t i = 0; i < page->len; i++) {
        if (!sweep_entry(s, p, page->caches[i], &page->entries[i], now)) {
            w->next_at = now + RETRY_MS;
            return;
        }
        sweep_move(w, page->caches[i], page->entries[i].key);
    }
    if (page->err || !page->done)
        return;
    content_set_cold_deadline(p->content, earlier(content_cold_deadline(p->content), w->earliest));
    w->partition = NULL;
}
