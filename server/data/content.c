/* content.c - looking, and linking.
 *
 *              table: (cache, key) -> entry or tombstone
 *   effect ->  expiry: entries with a deadline          -> counts
 *              tombstones: oldest first
 *   session -> sessions
 *
 * Each entry is linked and unlinked here alone, in all places at once. */
#include "data/content_priv.h"

#include "base/alloc.h"
#include "base/prefetch.h"

#include <limits.h>
#include <stdlib.h>

struct content *content_new(struct entry_pool *pool, uint64_t hash_seed)
{
    struct content *c = xcalloc(1, sizeof *c);
    table_init(&c->table, pool, hash_seed);
    c->sessions = sessions_new(hash_seed);
    c->complete = true;
    return c;
}

void content_set_stored(struct content *c)
{
    c->stored = true;
}

static void entry_drop(void *ctx, struct entry *e)
{
    entry_free(ctx, e);
}

void content_free(struct content *c)
{
    if (!c)
        return;
    content_unstage(c);
    uint64_t cursor = 0;
    do
        cursor = table_scan(&c->table, cursor, entry_drop, c->table.pool);
    while (cursor);
    entry_pool_tidy(c->table.pool, UINT_MAX);
    table_release(&c->table);
    expiry_release(&c->expiry);
    sessions_free(c->sessions);
    counts_release(&c->counts);
    free(c);
}

/* --- looking ---------------------------------------------------------------------------------- */

uint64_t content_hash(const struct content *c, uint32_t cache, struct slice key)
{
    return table_hash(&c->table, (uint16_t)cache, key);
}

void content_prefetch_self(const struct content *c)
{
#pragma GCC unroll 8
    for (size_t at = 0; at < sizeof *c; at += 64)
        prefetch((const char *)c + at);
}

bool content_prefetch(const struct content *c, uint64_t hash, const struct session_id *id,
                      bool changes, int stage)
{
    if (id)
        sessions_prefetch(c->sessions, id, stage);
    return table_prefetch(&c->table, hash, changes, stage);
}

const struct fields *content_guess_map(const struct content *c, uint64_t hash)
{
    const struct entry *e = table_guess(&c->table, hash);
    return e && entry_is_map(e) ? entry_map(e) : NULL;
}

const struct entry *content_get(struct content *c, uint32_t cache, struct slice key, uint64_t hash)
{
    struct table_place place = table_place(&c->table, (uint16_t)cache, key, hash);
    struct entry *e = place.bucket ? table_at(place) : NULL;
    c->seen = place;
    c->seen_hash = hash;
    if (e && !(e->bits & ENTRY_CLOCK))
        e->bits |= ENTRY_CLOCK;
    return e;
}

struct each {
    content_each_fn *fn;
    void *ctx;
};

static void each_const(void *ctx, struct entry *e)
{
    const struct each *each = ctx;
    each->fn(each->ctx, e);
}

uint64_t content_scan(const struct content *c, uint64_t cursor, content_each_fn *each, void *ctx)
{
    struct each call = {each, ctx};
    return table_scan(&c->table, cursor, each_const, &call);
}

uint64_t content_scan_once(const struct content *c, uint64_t cursor, content_each_fn *each,
                           void *ctx)
{
    struct each call = {each, ctx};
    return table_scan_once(&c->table, cursor, each_const, &call);
}

void content_set_watch(struct content *c, struct content_watch *w)
{
    CHECK(!w || !c->watch);
    c->watch = w;
}

const struct content_watch *content_watched(const struct content *c)
{
    return c->watch;
}

uint64_t content_count(const struct content *c, uint32_t cache)
{
    return counts_get(&c->counts, cache);
}

uint64_t content_total(const struct content *c)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->counts.len; i++)
        n += c->counts.items[i].count;
    return n;
}

size_t content_bytes(const struct content *c)
{
    return sizeof *c + c->entry_bytes + table_bytes(&c->table) + expiry_bytes(&c->expiry) +
           sessions_bytes(c->sessions) + counts_bytes(&c->counts);
}

struct sessions *content_sessions(struct content *c)
{
    return c->sessions;
}

bool content_complete(const struct content *c)
{
    return c->complete;
}

uint64_t content_commit(const struct content *c)
{
    return c->commit;
}

uint64_t content_clean(const struct content *c)
{
    return c->clean;
}

uint64_t content_last(const struct content *c)
{
    return c->last;
}

uint64_t content_left(const struct content *c)
{
    return c->left;
}

void content_set_copying(struct content *c)
{
    c->copying = true;
}

bool content_copying(const struct content *c)
{
    return c->copying;
}

void content_set_complete(struct content *c, bool complete)
{
    c->complete = complete;
    c->cold_deadline = complete ? 0 : 1;
}

void content_set_count(struct content *c, uint32_t cache, uint64_t count)
{
    counts_set(&c->counts, cache, count);
}

/* --- linking ---------------------------------------------------------------------------------- */

void content_link(struct content *c, struct entry *e, uint64_t hash)
{
    c->seen.bucket = NULL;
    table_link(&c->table, e, hash);
    c->entry_bytes += entry_size(e);
    if (entry_is_tombstone(e))
        tombstone_add(c, e);
    else
        expiry_add(&c->expiry, e);
}

void content_unlink(struct content *c, struct entry *e)
{
    c->seen.bucket = NULL;
    table_unlink(&c->table, e, table_hash(&c->table, entry_cache(e), entry_key(e)));
    c->entry_bytes -= entry_size(e);
    if (entry_is_tombstone(e))
        tombstone_remove(c, e);
    else
        expiry_remove(&c->expiry, e);
    entry_free(c->table.pool, e);
}

struct entry *content_map_new(struct content *c, const struct entry_parts *parts)
{
    struct entry_parts of_map = *parts;
    of_map.map = fields_new(entry_pool_slab(c->table.pool), parts->value, c->table.seed);
    struct entry *e = of_map.map ? entry_new(c->table.pool, &of_map) : NULL;
    if (!e)
        fields_free(of_map.map);
    return e;
}

enum grid_err content_insert_cold(struct content *c, const struct entry_parts *parts, uint64_t hash)
{
    if (parts->key.len == 0 || parts->key.len > KEY_BYTES_MAX ||
        parts->affinity.len > KEY_BYTES_MAX || parts->value.len >= UINT32_MAX || parts->tombstone ||
        !value_valid(parts->type, parts->value))
        return GRID_ECORRUPT;
    if (table_find(&c->table, parts->cache, parts->key, hash))
        return GRID_OK;
    struct entry *e = content_entry_new(c, parts);
    if (!e)
        return GRID_ENOMEM;
    e->bits &= (uint16_t)~ENTRY_CLOCK; /* read ahead is not used yet */
    content_link(c, e, hash);
    return GRID_OK;
}

/* --- committed, in the checkpoint ------------------------------------------------------------- */

bool content_committed(struct content *c, uint64_t version)
{
    if (version > c->commit)
        c->commit = version;
    if (version > c->last)
        c->last = version;
    return content_tidy(c);
}

bool content_cleaned(struct content *c, uint64_t version)
{
    if (version > c->clean)
        c->clean = version;
    return content_tidy(c);
}
