/* warm.c - the warm-up: an incomplete partition is read from the checkpoint in key order until
 * all of it is in memory.
 *
 *   stopped --room--> reading: (cache, key) > warm_after --done, nothing evicted since--> complete
 *      ^                 |  each answer asks for the next page
 *      +--- no room, or a read failed: again after 1 s, 2 s, 4 s .. 64 s
 *
 * Dropped caches are purged first, for they still count. What is in memory, tombstones too,
 * overrides what is read. Few reads are under way at a time. */
#include "shard/shard_priv.h"

enum {
    WARM_READS_MAX = 2,
    WARM_ENTRIES = 500,
    WARM_BYTES = 1 << 20,
    RETRY_MS = 1000,
    RETRY_DOUBLINGS = 6
};

static void warm_ask(struct shard *s, struct partition *p)
{
    struct cold_range range = {.kind = COLD_WARM,
                               .cache = UINT32_MAX,
                               .after_cache = p->warm_cache,
                               .after = slice_make(p->warm_after, p->warm_len),
                               .limit = WARM_ENTRIES,
                               .bytes = WARM_BYTES};
    p->warming = true;
    s->warm_reads++;
    cold_ask_range(s, p, &range, NULL);
}

static void warm_begin(struct partition *p)
{
    p->warm_cache = 0;
    p->warm_len = 0;
    p->warm_evictions = p->evictions;
}

void warm_start(struct shard *s, struct partition *p, msec_t now)
{
    if (content_complete(p->content) || p->damaged || p->warming || p->purge ||
        s->warm_reads >= WARM_READS_MAX || now < p->warm_retry_at || !memory_warm_room(s, p))
        return;
    if (p->evictions != p->warm_evictions)
        warm_begin(p);
    warm_ask(s, p);
}

/* The next page comes after this entry. */
static void warm_move(struct partition *p, uint32_t cache, struct slice key)
{
    CHECK(key.len <= KEY_BYTES_MAX);
    p->warm_cache = cache;
    p->warm_len = (uint16_t)key.len;
    memcpy(p->warm_after, key.data, key.len);
}

/* False: an entry could not be taken in. */
static bool warm_insert(struct shard *s, struct partition *p, const struct cold_page *page)
{
    for (size_t i = 0; i < page->len; i++) {
        const struct cold_entry *e = &page->entries[i];
        uint32_t cache = page->caches[i];
        if (!partition_has_cache(s, p, cache))
            continue; /* dropped, but not from the checkpoint yet */
        if (partition_insert_cold(s, p, cache, e, content_hash(p->content, cache, e->key)))
            return false;
    }
    if (page->len)
        warm_move(p, page->caches[page->len - 1], page->entries[page->len - 1].key);
    return true;
}

static void warm_retry(struct partition *p, msec_t now)
{
    unsigned doublings = p->warm_failures < RETRY_DOUBLINGS ? p->warm_failures : RETRY_DOUBLINGS;
    p->warm_failures++;
    p->warm_retry_at = now + ((msec_t)RETRY_MS << doublings);
}

void warm_answer(struct shard *s, struct partition *p, const struct cold_page *page, msec_t now)
{
    p->warming = false;
    s->warm_reads--;
    if (!p->context || p->damaged || content_complete(p->content))
        return;
    if (page->err || !warm_insert(s, p, page)) {
        warm_retry(p, now);
        return;
    }
    p->warm_failures = 0;
    if (!page->done) {
        warm_start(s, p, now);
    } else if (p->evictions == p->warm_evictions && !p->purge) {
        content_set_complete(p->content, true);
        p->warmed++;
    } else {
        warm_begin(p);
    }
}
