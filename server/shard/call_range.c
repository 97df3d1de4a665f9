/* call_range.c - what a task goes through (call_scan()) of a partition that is not in memory as a
 * whole: brought in from the checkpoint, page by page, before the task begins again.
 *
 *   call_scan -> parked, a page is asked -> its entries are taken in -> ... -> done: begins again
 *
 * When anything left memory meanwhile, it is begun anew: a range that does not fit in memory is
 * BUSY in the end. */
#include "shard/shard_priv.h"

enum { PAGE_ENTRIES = 1000 };

static struct slice prefix_of(const struct more_range *r)
{
    return slice_make(r->prefix, r->prefix_len);
}

bool call_range_here(const struct job *j, const struct cache_info *cache, struct slice prefix)
{
    const struct partition *p = j->partition;
    const struct more_range *r = j->parked ? j->parked->range : NULL;
    if (likely(content_complete(p->content)))
        return true;
    return r && r->done && r->cache == cache_number(cache->id) &&
           slice_has_prefix(prefix, prefix_of(r)) && p->evictions == r->evictions;
}

static struct slice slice_into(uint8_t *to, struct slice s)
{
    if (s.len)
        memcpy(to, s.data, s.len);
    return slice_make(to, s.len);
}

static void page_ask(struct job *j)
{
    struct more_range *r = j->parked->range;
    uint8_t first[KEY_BYTES_MAX];
    struct cold_range range = {.kind = COLD_SCAN,
                               .cache = r->cache,
                               .after = slice_make(r->after, r->after_len),
                               .limit = PAGE_ENTRIES,
                               .bytes = SCAN_BYTES_MAX};
    if (!r->after_len)
        range.after = scan_before(prefix_of(r), first);
    j->parked->missing = 1;
    cold_ask_range(j->s, j->partition, &range, j->parked);
}

void call_fetch_range(struct job *j)
{
    if (!job_park(j))
        return;
    struct more_range *r = parked_range(j->s, j->parked);
    if (!r) {
        j->kept = false;
        job_fail(j, GRID_EBUSY);
        return;
    }
    *r = (struct more_range){.cache = cache_number(j->range_cache->id),
                             .evictions = j->partition->evictions};
    r->prefix_len = (uint16_t)slice_into(r->prefix, j->range_prefix).len;
    page_ask(j);
}

/* Before any of it is taken in: what leaves for it may be newer than what it has. */
static void page_room(struct job *j, const struct cold_page *page)
{
    size_t need = 0;
    for (size_t i = 0; i < page->len; i++) {
        const struct cold_entry *e = &page->entries[i];
        if (!slice_has_prefix(e->key, prefix_of(j->parked->range)))
            continue;
        need += e->key.len + e->affinity.len + e->value.len;
        memory_give(j->s, j->partition, need);
    }
}

/* False: it was asked for again. */
static bool page_new(struct job *j, const struct cold_page *page)
{
    const struct content *content = j->partition->content;
    if (likely(content_complete(content) || content_left(content) <= page->clean))
        return true;
    if (job_park(j))
        page_ask(j);
    return false;
}

/* Of one that memory knows nothing newer of; room was made before. */
static enum grid_err entry_take(struct job *j, const struct cold_entry *e)
{
    struct partition *p = j->partition;
    uint32_t cache = j->parked->range->cache;
    uint64_t hash = content_hash(p->content, cache, e->key);
    if (!partition_has_cache(j->s, p, cache))
        return GRID_OK; /* dropped, but not from the checkpoint yet */
    if (content_complete(p->content) || content_get(p->content, cache, e->key, hash))
        return GRID_OK;
    return partition_insert_cold(j->s, p, cache, e, hash);
}

bool call_range_take(struct job *j)
{
    const struct cold_page *page = j->parked->page;
    struct more_range *r = j->parked->range;
    enum grid_err err = GRID_OK;
    j->parked->page = NULL;
    page_room(j, page);
    if (unlikely(!page_new(j, page)))
        return false;
    r->done = page->done;
    for (size_t i = 0; i < page->len && !err; i++) {
        struct slice key = page->entries[i].key;
        r->done = r->done || scan_beyond(key, prefix_of(r));
        if (slice_has_prefix(key, prefix_of(r)))
            err = entry_take(j, &page->entries[i]);
        r->after_len = (uint16_t)slice_into(r->after, key).len;
    }
    if (err) {
        job_fail(j, err);
        return false;
    }
    if (r->done)
        return true;
    if (job_keep(j))
        page_ask(j);
    else
        job_fail(j, GRID_EBUSY);
    return false;
}
