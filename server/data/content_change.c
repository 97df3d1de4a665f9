/* content_change.c - a record is staged, then applied.
 *
 *   effect            staged                                         applied
 *   PUT, REMOVE ...   a new entry or tombstone                       linked, or replaces; counted
 *   EDIT              packed: a new entry, which may be a map        replaces
 *                     map: in the map (fields_stage)                 in the map, which is packed
 *                                                                    again when it is small
 *   DEADLINE          a new entry; a map is shared for the moment    replaces, and has the map
 *
 * What an EDIT or a DEADLINE changes must be there, but in a content that is still being copied; an
 * effect older than what is there is left out, but one of a record that restates. */
#include "base/alloc.h"
#include "data/content_priv.h"

#include <stdlib.h>

enum {
    LINK_BYTES = 16,
    SESSION_BYTES = 192,
    FIELD_BYTES = 48,
    PACK_BYTES = FIELDS_PACKED_BYTES / 4,
}; /* what content_need() adds per effect, for a session, per edit; when a map becomes packed */

/* What is not the usual case stays out of its way. */
#define ASIDE __attribute__((noinline, cold))

static struct entry_parts effect_parts(const struct effect *e, uint64_t version)
{
    if (unlikely(e->kind == EFFECT_ADOPT))
        version = e->number;
    return (struct entry_parts){.key = e->key,
                                .affinity = e->affinity,
                                .value = e->value,
                                .type = e->type,
                                .version = version,
                                .deadline = e->deadline,
                                .cache = (uint16_t)e->cache,
                                .tombstone = !effect_puts(e)};
}

size_t content_need(const struct content *c, const struct record *rec)
{
    (void)c;
    size_t n = rec->has_session ? SESSION_BYTES + rec->session.answer.len : 0;
    for (size_t i = 0; i < rec->effects_len; i++) {
        struct entry_parts parts = effect_parts(&rec->effects[i], rec->version);
        if (effect_changes(&rec->effects[i]))
            n += FIELD_BYTES + parts.value.len; /* the rest replaces what is there */
        else
            n += entry_parts_size(&parts) + LINK_BYTES;
        n += parts.deadline ? sizeof(struct entry *) : 0;
    }
    return n;
}

/* --- staging ---------------------------------------------------------------------------------- */

/* What an entry is made of, to make another one of it. */
static struct entry_parts parts_of(const struct entry *e)
{
    return (struct entry_parts){.key = entry_key(e),
                                .affinity = entry_affinity(e),
                                .value = entry_value(e),
                                .map = entry_is_map(e) ? entry_map(e) : NULL,
                                .type = (uint8_t)entry_type(e),
                                .version = entry_version(e),
                                .deadline = entry_deadline(e),
                                .cache = entry_cache(e)};
}

/* The packed fields of `base`, edited, are the value of a new entry. */
static enum grid_err packed_stage(struct content *c, const struct entry *base,
                                  const struct effect *e, uint64_t version, struct staged *st)
{
    struct entry_parts parts = parts_of(base);
    struct buf *after = entry_pool_scratch(c->table.pool);
    if (e->value.len > FIELDS_BYTES_MAX - parts.value.len)
        return GRID_ETOO_LARGE;
    fields_fold(parts.value, &e->value, 1, after);
    if (!after->len)
        return GRID_ECORRUPT;
    parts.value = buf_slice(after);
    parts.version = version;
    st->entry = content_entry_new(c, &parts);
    st->how = STAGED_CHANGE;
    return st->entry ? GRID_OK : GRID_ENOMEM;
}

static enum grid_err edit_stage(struct content *c, struct entry *base, const struct effect *e,
                                uint64_t version, struct staged *st)
{
    if (entry_type(base) != VALUE_HASH || e->type != VALUE_HASH)
        return GRID_ECORRUPT;
    if (!entry_is_map(base))
        return packed_stage(c, base, e, version, st);
    enum grid_err err = fields_stage(entry_map(base), e->value);
    if (!err)
        *st = (struct staged){base, st->hash, STAGED_IN_MAP};
    return err;
}

static enum grid_err deadline_stage(struct content *c, const struct entry *base,
                                    const struct effect *e, uint64_t version, struct staged *st)
{
    struct entry_parts parts = parts_of(base);
    parts.deadline = e->deadline;
    parts.version = version;
    st->entry = entry_new(c->table.pool, &parts);
    st->how = STAGED_CHANGE;
    return st->entry ? GRID_OK : GRID_ENOMEM;
}

/* EDIT, DEADLINE. */
ASIDE static enum grid_err change_stage(struct content *c, const struct effect *e, uint64_t version,
                                        struct staged *st)
{
    struct entry *base = table_find(&c->table, (uint16_t)e->cache, e->key, st->hash);
    if (base && entry_version(base) > version)
        return GRID_OK;
    if (!base || entry_is_tombstone(base))
        return c->copying ? GRID_OK : GRID_ECORRUPT;
    return e->kind == EFFECT_EDIT ? edit_stage(c, base, e, version, st)
                                  : deadline_stage(c, base, e, version, st);
}

static enum grid_err effect_stage(struct content *c, const struct effect *e, uint64_t version,
                                  struct staged *st)
{
    *st = (struct staged){NULL, 0, STAGED_NOTHING};
    if (unlikely(!effect_has_key(e)))
        return GRID_OK;
    st->hash = e->hash ? e->hash : table_hash(&c->table, (uint16_t)e->cache, e->key);
    if (unlikely(effect_changes(e)))
        return change_stage(c, e, version, st);
    struct entry_parts parts = effect_parts(e, version);
    st->how = STAGED_ENTRY;
    st->entry = content_entry_new(c, &parts);
    return st->entry ? GRID_OK : GRID_ENOMEM;
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
    enum grid_err err = GRID_OK;
    for (size_t i = 0; i < rec->effects_len && !err; i++)
        err = effect_stage(c, &rec->effects[i], rec->version, &c->staged[c->staged_len++]);
    if (err)
        content_unstage(c);
    return err;
}

static void staged_clear(struct content *c)
{
    if (c->staged != &c->staged_one)
        free(c->staged);
    c->staged = NULL;
    c->staged_len = 0;
}

static bool maps_shared(const struct entry *a, const struct entry *b)
{
    return entry_is_map(a) && entry_is_map(b) && entry_map(a) == entry_map(b);
}

static void effect_unstage(struct content *c, const struct staged *st)
{
    struct entry *e = st->entry;
    if (st->how == STAGED_IN_MAP) {
        fields_unstage(entry_map(e));
        return;
    }
    if (!e)
        return;
    const struct entry *base = table_find(&c->table, entry_cache(e), entry_key(e), st->hash);
    if (base && maps_shared(base, e))
        entry_forget_map(e);
    entry_free(c->table.pool, e);
}

void content_unstage(struct content *c)
{
    for (uint32_t i = 0; i < c->staged_len; i++)
        effect_unstage(c, &c->staged[i]);
    staged_clear(c);
}

/* --- applying --------------------------------------------------------------------------------- */

ASIDE static void watch_tell(const struct content *c, struct table_place place)
{
    c->watch->replaced(c->watch, table_at(place), table_order(&c->table, place));
}

static void entry_replace(struct content *c, struct table_place place, struct entry *e)
{
    struct entry *old = table_at(place);
    if (unlikely(c->watch != NULL))
        watch_tell(c, place);
    table_set(place, e);
    c->entry_bytes += entry_size(e) - entry_size(old);
    expiry_replace(&c->expiry, old, e);
    if (entry_is_tombstone(old))
        tombstone_remove(c, old);
    if (entry_is_tombstone(e))
        tombstone_add(c, e);
    entry_free(c->table.pool, old);
}

/* What is changed was looked at just before, mostly. */
static inline struct table_place place_of(const struct content *c, const struct entry *e,
                                          uint64_t hash)
{
    if (likely(c->seen.bucket && c->seen_hash == hash)) {
        const struct entry *seen = table_at(c->seen);
        if (likely(entry_cache(seen) == entry_cache(e) && slice_eq(entry_key(seen), entry_key(e))))
            return c->seen;
    }
    return table_place(&c->table, entry_cache(e), entry_key(e), hash);
}

/* How many entries more there are when `e` takes the place. */
static int entries_more(const struct content *c, const struct effect *effect,
                        struct table_place old)
{
    if (likely(!c->copying) || (!old.bucket && !c->complete))
        return effect_puts(effect) ? effect->created : -1;
    bool there = old.bucket && !entry_is_tombstone(table_at(old));
    return effect_puts(effect) - there;
}

static void entry_apply(struct content *c, const struct effect *effect, const struct staged *st,
                        bool restates)
{
    struct entry *e = st->entry;
    struct table_place old = place_of(c, e, st->hash);
    bool newer = !old.bucket || entry_version(table_at(old)) <= entry_version(e) || restates;
    int more = newer || !c->copying ? entries_more(c, effect, old) : 0;
    if (more)
        counts_add(&c->counts, effect->cache, more);
    if (!old.bucket)
        content_link(c, e, st->hash);
    else if (newer)
        entry_replace(c, old, e);
    else
        entry_free(c->table.pool, e);
}

/* A map that has become small; without memory it stays one. */
ASIDE static void map_pack(struct content *c, struct table_place place)
{
    struct entry_parts parts = parts_of(table_at(place));
    struct buf *packed = entry_pool_scratch(c->table.pool);
    fields_store(entry_fields(table_at(place)), packed);
    parts.map = NULL;
    parts.value = buf_slice(packed);
    struct entry *e = entry_new(c->table.pool, &parts);
    if (e)
        entry_replace(c, place, e);
}

ASIDE static void map_apply(struct content *c, const struct staged *st, uint64_t version)
{
    struct entry *e = st->entry;
    size_t before = entry_size(e);
    if (unlikely(c->watch != NULL))
        watch_tell(c, table_place(&c->table, entry_cache(e), entry_key(e), st->hash));
    fields_apply(entry_map(e));
    e->version = version;
    c->entry_bytes += entry_size(e) - before;
    if (fields_packed_bytes(entry_fields(e)) < PACK_BYTES)
        map_pack(c, table_place(&c->table, entry_cache(e), entry_key(e), st->hash));
}

ASIDE static void change_apply(struct content *c, const struct staged *st)
{
    struct entry *e = st->entry;
    struct table_place place = table_place(&c->table, entry_cache(e), entry_key(e), st->hash);
    if (maps_shared(table_at(place), e)) {
        c->entry_bytes -= fields_bytes(entry_map(e));
        entry_forget_map(table_at(place));
    }
    entry_replace(c, place, e);
}

/* What is about no key. A copy comes into a content that is empty: see content.h. */
ASIDE static void other_apply(struct content *c, const struct effect *effect)
{
    struct session_id id;
    if (effect->kind == EFFECT_SESSION_END || effect->kind == EFFECT_SESSION) {
        CHECK(effect->key.len == sizeof id.bytes);
        memcpy(id.bytes, effect->key.data, sizeof id.bytes);
    }
    if (effect->kind == EFFECT_SESSION_END) {
        sessions_end(c->sessions, &id);
    } else if (effect->kind == EFFECT_SESSION) {
        enum grid_err err = sessions_restore(c->sessions, id, effect->value);
        CHECK(!err); /* it was found valid */
    } else if (effect->kind == EFFECT_WIPE) {
        CHECK(c->copying && !c->table.len);
    } else if (effect->kind == EFFECT_MEND) {
        c->copying = true;
    } else if (effect->kind == EFFECT_COPIED) {
        c->copying = false;
    }
}

static inline void effect_apply(struct content *c, const struct effect *effect,
                                const struct staged *st, const struct record *rec)
{
    if (likely(st->how == STAGED_ENTRY))
        entry_apply(c, effect, st, rec->restates);
    else if (st->how == STAGED_CHANGE)
        change_apply(c, st);
    else if (st->how == STAGED_IN_MAP)
        map_apply(c, st, rec->version);
    else
        other_apply(c, effect);
}

/* What is cut was never committed, so never in the checkpoint: `clean` stays what it is. At a start
 * it may have been taken for committed. */
ASIDE static void restate(struct content *c, uint64_t version)
{
    c->last = version;
    if (c->commit > version)
        c->commit = version;
}

void content_apply(struct content *c, const struct record *rec)
{
    CHECK(c->staged && c->staged_len == rec->effects_len);
    for (size_t i = 0; i < rec->effects_len; i++)
        effect_apply(c, &rec->effects[i], &c->staged[i], rec);
    staged_clear(c);
    if (rec->has_session) {
        struct session_change change = {rec->session, rec->version, rec->time_ms};
        sessions_apply(c->sessions, &change);
    }
    if (unlikely(rec->restates))
        restate(c, rec->version);
    else if (rec->version > c->last)
        c->last = rec->version;
}

enum grid_err content_replay(struct content *c, const struct record *rec, size_t effect)
{
    struct record one = *rec;
    bool last = effect == rec->effects_len;
    one.effects = rec->effects + effect;
    one.effects_len = last ? 0 : 1;
    one.has_session = rec->has_session && last;
    enum grid_err err = content_stage(c, &one);
    if (!err)
        content_apply(c, &one);
    return err;
}
