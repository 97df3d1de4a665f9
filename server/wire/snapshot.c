/* snapshot.c - control.proto. Decoding is strict: what is on disk was written by us, so what is
 * odd is damage. */
#include "wire/snapshot.h"

#include "base/alloc.h"
#include "control.pb-c.h"
#include "control/settings.h"
#include "wire/wire_priv.h"

/* Decoded structs are larger than their bytes; a catalog that grows beyond this is not one of
 * ours. */
enum { GROWTH = 128, ARENA_FLOOR = 1 << 20 };

static void fill_cache(Control__Cache *to, const struct cache_info *from)
{
    control__cache__init(to);
    to->id = from->id;
    to->name = wire_text(from->name);
    to->ttl_ms = from->ttl_ms;
}

static void fill_context(Control__Context *to, const struct context_info *from,
                         Control__Cache *caches, Control__Cache **list)
{
    control__context__init(to);
    to->id = from->id;
    to->name = wire_text(from->name);
    to->partitions = from->partitions;
    to->backups = from->backups;
    to->durability = (uint32_t)from->durability;
    to->full_policy = (uint32_t)from->full_policy;
    to->memory_limit = from->memory_limit;
    to->min_in_sync = from->min_in_sync;
    to->nodes = wire_text(from->nodes);
    to->cache_next = from->cache_next;
    for (size_t i = 0; i < from->caches_len; i++) {
        fill_cache(&caches[i], &from->caches[i]);
        list[i] = &caches[i];
    }
    to->caches = list;
    to->n_caches = from->caches_len;
}

static size_t caches_total(const struct catalog *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->contexts_len; i++)
        n += c->contexts[i].caches_len;
    return n;
}

void wire_catalog_encode(const struct catalog *c, struct buf *out)
{
    struct arena *a = arena_new(SIZE_MAX / 2);
    size_t caches_len = caches_total(c);
    Control__Context *contexts = wire_take(a, c->contexts_len, sizeof *contexts);
    Control__Context **context_list = wire_take(a, c->contexts_len, sizeof *context_list);
    Control__Cache *caches = wire_take(a, caches_len, sizeof *caches);
    Control__Cache **cache_list = wire_take(a, caches_len, sizeof *cache_list);
    for (size_t i = 0, at = 0; i < c->contexts_len; i++) {
        fill_context(&contexts[i], &c->contexts[i], caches + at, cache_list + at);
        context_list[i] = &contexts[i];
        at += c->contexts[i].caches_len;
    }
    Control__Setting settings[SETTINGS_LEN];
    Control__Setting *setting_list[SETTINGS_LEN];
    for (unsigned i = 0; i < SETTINGS_LEN; i++) {
        control__setting__init(&settings[i]);
        settings[i].name = wire_text(setting_rows[i].name);
        settings[i].value = catalog_setting(c, i);
        setting_list[i] = &settings[i];
    }
    Control__Catalog m;
    control__catalog__init(&m);
    m.format = CATALOG_FORMAT;
    m.revision = c->revision;
    m.context_next = c->context_next;
    m.contexts = context_list;
    m.n_contexts = c->contexts_len;
    m.settings = setting_list;
    m.n_settings = SETTINGS_LEN;
    wire_pack(&m.base, out);
    arena_free(a);
}

static enum grid_err restore_context(struct catalog *c, const Control__Context *m, struct arena *a)
{
    struct context_info info = {
        .id = m->id,
        .partitions = m->partitions,
        .backups = m->backups,
        .durability = (enum durability)m->durability,
        .full_policy = (enum full_policy)m->full_policy,
        .memory_limit = m->memory_limit,
        .min_in_sync = m->min_in_sync,
        .cache_next = m->cache_next,
        .caches_len = m->n_caches,
    };
    if (m->durability > DURABILITY_MEMORY || m->full_policy > FULL_EVICT ||
        m->n_caches > CACHES_MAX || !wire_text_copy(info.name, sizeof info.name, m->name) ||
        !wire_text_copy(info.nodes, sizeof info.nodes, m->nodes))
        return GRID_ECORRUPT;
    info.caches = arena_calloc(a, m->n_caches, sizeof *info.caches);
    if (!info.caches)
        return GRID_ECORRUPT;
    for (size_t i = 0; i < m->n_caches; i++) {
        const Control__Cache *from = m->caches[i];
        info.caches[i].id = from->id;
        info.caches[i].ttl_ms = from->ttl_ms;
        if (!wire_text_copy(info.caches[i].name, sizeof info.caches[i].name, from->name))
            return GRID_ECORRUPT;
    }
    return catalog_restore_context(c, &info);
}

static enum grid_err restore_setting(struct catalog *c, const Control__Setting *m)
{
    char why[WHY_BYTES];
    enum grid_err err = catalog_setting_set(c, slice_str(m->name), m->value, why);
    return err == GRID_OK || err == GRID_ENO_SETTING ? GRID_OK : GRID_ECORRUPT;
}

static enum grid_err restore(struct catalog *c, const Control__Catalog *m, struct arena *a)
{
    if (m->revision == 0 || m->n_contexts > CONTEXTS_MAX)
        return GRID_ECORRUPT;
    for (size_t i = 0; i < m->n_contexts; i++) {
        enum grid_err err = restore_context(c, m->contexts[i], a);
        if (err)
            return err;
        if (m->contexts[i]->id >= m->context_next)
            return GRID_ECORRUPT;
    }
    for (size_t i = 0; i < m->n_settings; i++) {
        enum grid_err err = restore_setting(c, m->settings[i]);
        if (err)
            return err;
    }
    c->revision = m->revision;
    c->context_next = m->context_next;
    return GRID_OK;
}

enum grid_err wire_catalog_decode(struct slice in, struct catalog **ret_catalog)
{
    if (in.len > SIZE_MAX / GROWTH / 2)
        return GRID_ECORRUPT;
    struct arena *a = arena_new(ARENA_FLOOR + in.len * GROWTH);
    struct catalog *c = NULL;
    enum grid_err err = GRID_ECORRUPT;
    const Control__Catalog *m =
        (const Control__Catalog *)(void *)wire_unpack(&control__catalog__descriptor, in, a);
    if (!m)
        goto out;
    err = m->format > CATALOG_FORMAT ? GRID_ENEWER : m->format == 0 ? GRID_ECORRUPT : GRID_OK;
    if (err)
        goto out;
    c = catalog_new_empty();
    err = restore(c, m, a);
    if (err)
        goto out;
    *ret_catalog = c;
    c = NULL;
out:
    catalog_unref(c);
    arena_free(a);
    return err;
}
