/* content.c - looking and changing.
 *
 *              table: (cache, key) -> entry or tombstone
 *   effect ->  expiry: entries with a deadline          -> counts
 *              tombstones: oldest first
 *   session -> sessions
 *
 * Each entry is linked and unlinked here alone, in all places at once. */
#include "data/content_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum {
    LINK_BYTES = 16,
    SESSION_BYTES = 192
}; /* what content_need() adds per effect and for a session */

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
    for (size_t at = 0; at < sizeof *c; at += 64)
        __builtin_prefetch((const char *)c + at);
}

void content_prefetch(const struct content *c, uint64_t hash, const struct session_id *id,
                      int stage)
{
    table_prefetch(&c->table, hash, stage);
    if (id)
        sessions_prefetch(c->sessions, id, stage);
}

const struct entry *content_get(struct content *c, uint32_t cache, struct slice key, uint64_t hash)
{
    struct entry *e = table_find(&c->table, (uint16_t)cache, key, hash);
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

static void entry_link(struct content *c, struct entry *e, uint64_t hash)
{
    table_link(&c->table, e, hash);
    c->entry_bytes += slab_size(entry_bytes(e));
    if (entry_is_tombstone(e))
        tombstone_add(c, e);
    else
        expiry_add(&c->expiry, e);
}

static void entry_replace(struct content *c, struct entry **place, struct entry *e)
{
    struct entry *old = *place;
    *place = e;
    c->entry_bytes += slab_size(entry_bytes(e)) - slab_size(entry_bytes(old));
    expiry_replace(&c->expiry, old, e);
    if (entry_is_tombstone(old))
        tombstone_remove(c, old);
    if (entry_is_tombstone(e))
        tombstone_add(c, e);
    entry_free(c->table.pool, old);
}

void content_unlink(struct content *c, struct entry *e)
{
    table_unlink(&c->table, e, table_hash(&c->table, entry_cache(e), entry_key(e)));
    c->entry_bytes -= slab_size(entry_bytes(e));
    if (entry_is_tombstone(e))
        tombstone_remove(c, e);
    else
        expiry_remove(&c->expiry, e);
    entry_free(c->table.pool, e);
}

enum grid_err content_insert_cold(struct content *c, const struct entry_parts *parts, uint64_t hash)
{
    if (parts->key.len == 0 || parts->key.len > KEY_BYTES_MAX ||
        parts->affinity.len > KEY_BYTES_MAX || parts->value.len > UINT32_MAX || parts->tombstone)
        return GRID_ECORRUPT;
    if (table_find(&c->table, parts->cache, parts->key, hash))
        return GRID_OK;
    struct entry *e = entry_new(c->table.pool, parts);
    if (!e)
        return GRID_ENOMEM;
    e->bits &= (uint16_t)~ENTRY_CLOCK; /* read ahead is not used yet */
    entry_link(c, e, hash);
    return GRID_OK;
}

/* --- changing --------------------------------------------------------------------------------- */

static struct entry_parts effect_parts(const struct effect *e, uint64_t version)
{
    return (struct entry_parts){.key = e->key,
                                .affinity = e->affinity,
                                .value = e->value,
                                .version = version,
                                .deadline = e->deadline,
                                .cache = (uint16_t)e->cache,
                                .tombstone = e->kind != EFFECT_PUT};
}

size_t content_need(const struct content *c, const struct record *rec)
{
    (void)c;
    size_t n = rec->has_session ? (size_t)SESSION_BYTES : 0;
    for (size_t i = 0; i < rec->effects_len; i++) {
        struct entry_parts parts = effect_parts(&rec->effects[i], rec->version);
        n += entry_parts_size(&parts) + LINK_BYTES;
        n += parts.deadline ? sizeof(struct entry *) : 0;
    }
    return n;
}

enum grid_err content_stage(struct content *c, const struct record *rec)
{
    CHECK(!c->staged && rec->effects_len <= RECORD_EFFECTS_MAX);
    if (rec->effects_len > 1) {
        c->staged = malloc(rec->effects_len * sizeof *c->staged);
        if (!c->staged)
            return GRID_ENOMEM;
    } else {
        c->staged = &c->staged_one;
    }
    for (size_t i = 0; i < rec->effects_len; i++) {
        const struct effect *e = &rec->effects[i];
        struct staged *st = &c->staged[c->staged_len++];
        *st = (struct staged){NULL, 0};
        if (e->kind == EFFECT_SESSION_END)
            continue;
        struct entry_parts parts = effect_parts(e, rec->version);
        st->hash = e->hash ? e->hash : table_hash(&c->table, parts.cache, e->key);
        st->entry = entry_new(c->table.pool, &parts);
        if (!st->entry) {
            content_unstage(c);
            return GRID_ENOMEM;
        }
    }
    return GRID_OK;
}

static void staged_clear(struct content *c)
{
    if (c->staged != &c->staged_one)
        free(c->staged);
    c->staged = NULL;
    c->staged_len = 0;
}

void content_unstage(struct content *c)
{
    for (uint32_t i = 0; i < c->staged_len; i++)
        if (c->staged[i].entry)
            entry_free(c->table.pool, c->staged[i].entry);
    staged_clear(c);
}

static void entry_apply(struct content *c, const struct effect *effect, const struct staged *st)
{
    struct entry *e = st->entry;
    struct entry **old = table_place(&c->table, entry_cache(e), entry_key(e), st->hash);
    if (effect->kind != EFFECT_PUT || effect->created)
        counts_add(&c->counts, effect->cache, effect->kind == EFFECT_PUT ? 1 : -1);
    if (!old)
        entry_link(c, e, st->hash);
    else if (entry_version(*old) <= entry_version(e))
        entry_replace(c, old, e);
    else
        entry_free(c->table.pool, e);
}

static void session_end(struct content *c, const struct effect *effect)
{
    struct session_id id;
    CHECK(effect->key.len == sizeof id.bytes);
    memcpy(id.bytes, effect->key.data, sizeof id.bytes);
    sessions_end(c->sessions, &id);
}

void content_apply(struct content *c, const struct record *rec)
{
    CHECK(c->staged && c->staged_len == rec->effects_len);
    for (size_t i = 0; i < rec->effects_len; i++) {
        if (c->staged[i].entry)
            entry_apply(c, &rec->effects[i], &c->staged[i]);
        else
            session_end(c, &rec->effects[i]);
    }
    staged_clear(c);
    if (rec->has_session) {
        struct session_change change = {rec->session, rec->version, rec->time_ms};
        sessions_apply(c->sessions, &change);
    }
    if (rec->version > c->last)
        c->last = rec->version;
}

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
