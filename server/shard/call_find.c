/* call_find.c - tasks: procedures that find their keys as they run, and change all or nothing.
 *
 *   the op's key -> the procedure -> call_find: another key, of any cache of the context
 *        ^                |                |  not in memory: the op is parked, in its place
 *        |                |                '-- when it is here, all begins again
 *        '- no room: once '-> changes, made together when it returns (call.c)
 *
 * Nothing is changed while it runs, so it may begin again at any time. Keys have numbers in the
 * order in which they were found, and are found again among the first few of them, or by their
 * hash: open addressing, half full. */
#include "shard/shard_priv.h"

#include "base/hash.h"

enum { KEYS_TRIED = 4, KEYS_MIN = 8, PLACES_MIN = 16, SCAN_BUCKETS = 64 };

void call_find_begin(struct call *c)
{
    struct call_memory *m = &c->job->s->call;
    c->keys = c->job->keys;
    c->keys_len = 1;
    m->keys_cap = 1;
    m->places = NULL;
    m->places_len = 0;
}

/* --- places ----------------------------------------------------------------------------------- */

/* Its number among the first few; c->keys_len: it is none of them. */
static inline uint32_t key_try(const struct call *c, const struct cache_info *cache,
                               struct slice key)
{
    uint32_t n = c->keys_len < KEYS_TRIED ? c->keys_len : (uint32_t)KEYS_TRIED;
    for (uint32_t i = 0; i < n; i++)
        if (c->keys[i].cache->id == cache->id && slice_eq(c->keys[i].key, key))
            return i;
    return c->keys_len;
}

/* Of the key, or the free one where it would be. */
static uint32_t *place_of(const struct call *c, const struct cache_info *cache, struct slice key,
                          uint64_t hash)
{
    const struct call_memory *m = &c->job->s->call;
    uint32_t at = (uint32_t)hash & (m->places_len - 1);
    for (; m->places[at]; at = (at + 1) & (m->places_len - 1)) {
        const struct key_state *k = &c->keys[m->places[at] - 1];
        if (k->hash == hash && k->cache->id == cache->id && slice_eq(k->key, key))
            break;
    }
    return &m->places[at];
}

static void places_grow(struct call *c)
{
    struct call_memory *m = &c->job->s->call;
    m->places_len = m->places_len ? m->places_len * 2 : (uint32_t)PLACES_MIN;
    m->places = call_memory_take(m, m->places_len * sizeof *m->places);
    memset(m->places, 0, m->places_len * sizeof *m->places);
    for (uint32_t i = 0; i < c->keys_len; i++) {
        const struct key_state *k = &c->keys[i];
        *place_of(c, k->cache, k->key, k->hash) = i + 1;
    }
}

static void keys_grow(struct call *c)
{
    struct call_memory *m = &c->job->s->call;
    m->keys_cap = m->keys_cap < KEYS_MIN ? (uint32_t)KEYS_MIN : m->keys_cap * 2;
    struct key_state *keys = call_memory_take(m, m->keys_cap * sizeof *keys);
    memcpy(keys, c->keys, c->keys_len * sizeof *keys);
    c->keys = keys;
}

/* --- keys ------------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct call *c, const struct cache_info *cache, struct slice key)
{
    return content_hash(c->job->partition->content, cache_number(cache->id), key);
}

/* A key that was not looked at so far. */
static enum grid_err key_look(struct call *c, struct key_state *k)
{
    struct job *j = c->job;
    const struct content *content = j->partition->content;
    call_key_look(j, k);
    if (likely(k->seen || content_complete(content) || call_key_absent(j, k)))
        return GRID_OK;
    j->wanted = k;
    return GRID_EBUSY;
}

/* *ret_place: where it goes, when it is found by its hash; else NULL. True: it is there. */
static bool key_placed(struct call *c, const struct cache_info *cache, struct slice key,
                       uint64_t hash, uint32_t **ret_place)
{
    const struct call_memory *m = &c->job->s->call;
    *ret_place = NULL;
    if (likely(c->keys_len < KEYS_TRIED))
        return false;
    if (unlikely(2 * c->keys_len >= m->places_len))
        places_grow(c);
    *ret_place = place_of(c, cache, key, hash);
    return **ret_place;
}

static enum grid_err key_add(struct call *c, const struct cache_info *cache, struct slice key,
                             uint64_t hash)
{
    struct call_memory *m = &c->job->s->call;
    if (unlikely(c->keys_len == RECORD_EFFECTS_MAX))
        return GRID_EFULL;
    if (unlikely(c->keys_len == m->keys_cap))
        keys_grow(c);
    struct key_state *k = &c->keys[c->keys_len];
    enum grid_err err = call_key_name(k, c->job, key, hash);
    k->cache = cache;
    if (unlikely(err))
        return err;
    k->key = call_memory_keep(m, key);
    err = key_look(c, k);
    c->keys_len += !err;
    return err;
}

enum grid_err call_find(struct call *c, const struct cache_info *cache, struct slice key,
                        uint32_t *ret_key)
{
    CHECK(c->job->op->finds_keys && cache_context(cache->id) == c->job->partition->context_id);
    uint32_t *place, number = key_try(c, cache, key);
    if (number == c->keys_len) {
        uint64_t hash = hash_of(c, cache, key);
        if (key_placed(c, cache, key, hash, &place)) {
            *ret_key = *place - 1;
            return GRID_OK;
        }
        enum grid_err err = key_add(c, cache, key, hash);
        if (unlikely(err))
            return err;
        if (place)
            *place = c->keys_len;
    }
    *ret_key = number;
    return GRID_OK;
}

uint32_t call_found(const struct call *c, const struct cache_info *cache, struct slice key)
{
    const struct call_memory *m = &c->job->s->call;
    uint32_t number = key_try(c, cache, key);
    if (number < c->keys_len)
        return number;
    uint32_t place = m->places_len ? *place_of(c, cache, key, hash_of(c, cache, key)) : 0;
    return place ? place - 1 : UINT32_MAX;
}

/* --- scans ------------------------------------------------------------------------------------ */

struct found {
    struct job *job;
    uint32_t cache;
    struct slice prefix;
    size_t len;
};

static void found_add(void *ctx, const struct entry *e)
{
    struct found *f = ctx;
    struct shard *s = f->job->s;
    if (entry_cache(e) != f->cache || !slice_has_prefix(entry_key(e), f->prefix))
        return;
    if (entry_version(e) > f->job->depends)
        f->job->depends = entry_version(e);
    if (entry_is_tombstone(e) || entry_expired(e, f->job->now))
        return;
    if (f->len == s->bucket_cap) {
        s->bucket_cap = s->bucket_cap ? s->bucket_cap * 2 : 16;
        s->bucket = xrealloc(s->bucket, s->bucket_cap, sizeof *s->bucket);
    }
    s->bucket[f->len++] = e;
}

enum grid_err call_scan(struct call *c, const struct cache_info *cache, struct slice prefix,
                        uint64_t cursor, uint64_t *ret_cursor, const struct entry *const **ret_list,
                        size_t *ret_len)
{
    struct job *j = c->job;
    struct found f = {.job = j, .cache = cache_number(cache->id), .prefix = prefix};
    unsigned buckets = 0;
    if (unlikely(!call_range_here(j, cache, prefix))) {
        j->range_cache = cache;
        j->range_prefix = call_memory_keep(&j->s->call, prefix);
        return GRID_EBUSY;
    }
    do
        cursor = content_scan(j->partition->content, cursor, found_add, &f);
    while (cursor && ++buckets < SCAN_BUCKETS);
    *ret_cursor = cursor;
    *ret_list = j->s->bucket;
    *ret_len = f.len;
    return GRID_OK;
}

/* --- what it sees ----------------------------------------------------------------------------- */

const struct cache_info *call_cache(const struct call *c)
{
    return c->job->cache;
}

uint64_t call_entries(const struct call *c, const struct cache_info *cache)
{
    return content_count(c->job->partition->content, cache_number(cache->id));
}

bool call_admits(const struct call *c, struct slice name)
{
    const struct shard_ports *ports = &c->job->s->ports;
    return !ports->admits || ports->admits(ports->ctx, name);
}

const struct context_info *call_context(const struct call *c)
{
    return c->job->context->info;
}
