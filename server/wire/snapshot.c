/* snapshot.c - control.proto. Decoding is strict: what is on disk was written by us, so what is
 * odd is damage. */
#include "wire/snapshot.h"

#include "base/alloc.h"
#include "control.pb-c.h"
#include "control/settings.h"
#include "wire/control_priv.h"

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
    for (size_t i = 0; caches && i < from->caches_len; i++) {
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

void wire_fill_control_context(Control__Context *to, const struct context_info *from)
{
    fill_context(to, from, NULL, NULL);
    to->n_caches = 0;
}

void wire_fill_module(struct arena *a, Control__Module *to, const struct module_info *from)
{
    Control__Function *functions = wire_take(a, from->functions_len, sizeof *functions);
    control__module__init(to);
    to->name = wire_text(from->name);
    to->engine = (uint32_t)from->engine;
    to->version = from->version;
    to->source.len = from->source.len;
    to->source.data = wire_take(a, from->source.len, 1);
    if (from->source.len)
        memcpy(to->source.data, from->source.data, from->source.len);
    to->functions = wire_take(a, from->functions_len, sizeof *to->functions);
    to->n_functions = from->functions_len;
    for (size_t i = 0; i < from->functions_len; i++) {
        control__function__init(&functions[i]);
        functions[i].name = wire_text(from->functions[i].name);
        functions[i].help = wire_text(from->functions[i].help);
        functions[i].flags = from->functions[i].flags;
        functions[i].kind = (uint32_t)from->functions[i].kind;
        to->functions[i] = &functions[i];
    }
}

static Control__Module **fill_list(struct arena *a, struct module *const *from, size_t len)
{
    Control__Module *all = wire_take(a, len, sizeof *all);
    Control__Module **list = wire_take(a, len, sizeof *list);
    for (size_t i = 0; i < len; i++) {
        wire_fill_module(a, &all[i], &from[i]->info);
        list[i] = &all[i];
    }
    return list;
}

static void fill_modules(struct arena *a, Control__Catalog *m, const struct catalog *c)
{
    m->modules = fill_list(a, c->modules, c->modules_len);
    m->n_modules = c->modules_len;
    m->old_modules = fill_list(a, c->old, c->old_len);
    m->n_old_modules = c->old_len;
    m->modules_revision = c->modules_revision;
}

void wire_fill_service(struct arena *a, Control__Service *to, const struct service_info *from)
{
    control__service__init(to);
    to->name = wire_text(from->name);
    to->mode = (uint32_t)from->mode;
    to->context = from->context;
    to->copies = from->copies;
    to->labels = wire_text(from->labels);
    to->version = from->version;
    to->native = from->native;
    to->n_partitions = service_bound(from);
    to->partitions = wire_take(a, to->n_partitions, sizeof *to->partitions);
    for (size_t i = 0; i < to->n_partitions; i++)
        to->partitions[i] = from->partitions[i];
    bool moved = false;
    for (size_t i = 0; i < to->n_partitions; i++)
        moved |= from->bound[i] != 0;
    to->n_bound = moved ? to->n_partitions : 0;
    to->bound = wire_take(a, to->n_bound, sizeof *to->bound);
    for (size_t i = 0; i < to->n_bound; i++)
        to->bound[i] = from->bound[i];
    to->arg.len = from->arg.len;
    to->arg.data = wire_take(a, from->arg.len, 1);
    if (from->arg.len)
        memcpy(to->arg.data, from->arg.data, from->arg.len);
}

static void fill_services(struct arena *a, Control__Catalog *m, const struct catalog *c)
{
    Control__Service *services = wire_take(a, c->services_len, sizeof *services);
    m->services = wire_take(a, c->services_len, sizeof *m->services);
    m->n_services = c->services_len;
    m->services_revision = c->services_revision;
    for (size_t i = 0; i < c->services_len; i++) {
        wire_fill_service(a, &services[i], &c->services[i]->info);
        m->services[i] = &services[i];
    }
}

Control__Catalog *wire_fill_catalog(struct arena *a, const struct catalog *c)
{
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
    Control__Setting *settings = wire_take(a, SETTINGS_LEN, sizeof *settings);
    Control__Setting **setting_list = wire_take(a, SETTINGS_LEN, sizeof *setting_list);
    for (unsigned i = 0; i < SETTINGS_LEN; i++) {
        control__setting__init(&settings[i]);
        settings[i].name = wire_text(setting_rows[i].name);
        settings[i].value = catalog_setting(c, i);
        setting_list[i] = &settings[i];
    }
    Control__Catalog *m = wire_take(a, 1, sizeof *m);
    control__catalog__init(m);
    m->format = CATALOG_FORMAT;
    m->revision = c->revision;
    m->context_next = c->context_next;
    m->contexts = context_list;
    m->n_contexts = c->contexts_len;
    m->settings = setting_list;
    m->n_settings = SETTINGS_LEN;
    fill_modules(a, m, c);
    fill_services(a, m, c);
    return m;
}

void wire_catalog_encode(const struct catalog *c, struct buf *out)
{
    struct arena *a = arena_new(SIZE_MAX / 2);
    wire_pack(&wire_fill_catalog(a, c)->base, out);
    arena_free(a);
}

bool wire_take_context(const Control__Context *m, struct context_info *ret_info)
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
        return false;
    *ret_info = info;
    return true;
}

static enum grid_err restore_context(struct catalog *c, const Control__Context *m, struct arena *a)
{
    struct context_info info;
    if (!wire_take_context(m, &info))
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

bool wire_take_module(const Control__Module *m, struct arena *a, struct module_info *ret_info)
{
    struct module_info info = {.engine = (enum module_engine)m->engine,
                               .version = m->version,
                               .source = wire_bytes(m->source),
                               .functions_len = m->n_functions};
    if (m->n_functions > MODULE_FUNCTIONS_MAX || m->engine != MODULE_LUA ||
        !wire_text_copy(info.name, sizeof info.name, m->name))
        return false;
    struct module_function *functions = arena_calloc(a, m->n_functions, sizeof *functions);
    if (!functions)
        return false;
    for (size_t i = 0; i < m->n_functions; i++) {
        const Control__Function *from = m->functions[i];
        functions[i].flags = from->flags;
        functions[i].kind = (enum module_kind)from->kind;
        if (!wire_text_copy(functions[i].name, sizeof functions[i].name, from->name) ||
            !wire_text_copy(functions[i].help, sizeof functions[i].help, from->help) ||
            from->kind >= MODULE_KINDS)
            return false;
    }
    info.functions = functions;
    *ret_info = info;
    return true;
}

static enum grid_err restore_modules(struct catalog *c, const Control__Catalog *m, struct arena *a)
{
    c->modules_revision = m->modules_revision;
    for (size_t i = 0; i < m->n_modules; i++) {
        struct module_info info;
        if (!wire_take_module(m->modules[i], a, &info) || catalog_restore_module(c, &info))
            return GRID_ECORRUPT;
    }
    for (size_t i = 0; i < m->n_old_modules; i++) {
        struct module_info info;
        if (!wire_take_module(m->old_modules[i], a, &info) || catalog_restore_old(c, &info))
            return GRID_ECORRUPT;
    }
    return GRID_OK;
}

bool wire_take_service(const Control__Service *m, struct service_info *ret_info)
{
    struct service_info info = {.mode = (enum service_mode)m->mode,
                                .context = m->context,
                                .copies = m->copies,
                                .version = m->version,
                                .native = m->native,
                                .arg = wire_bytes(m->arg)};
    if (m->mode >= SERVICE_MODES_LEN || m->n_partitions > SERVICE_COPIES_MAX ||
        (m->n_bound && m->n_bound != m->n_partitions) ||
        !wire_text_copy(info.name, sizeof info.name, m->name) ||
        !wire_text_copy(info.labels, sizeof info.labels, m->labels))
        return false;
    for (size_t i = 0; i < m->n_partitions; i++) {
        info.partitions[i] = (uint16_t)m->partitions[i];
        info.bound[i] = m->n_bound ? m->bound[i] : 0;
        if (m->partitions[i] >= PARTITIONS_MAX)
            return false;
    }
    *ret_info = info;
    return true;
}

static enum grid_err restore_services(struct catalog *c, const Control__Catalog *m)
{
    c->services_revision = m->services_revision;
    for (size_t i = 0; i < m->n_services; i++) {
        struct service_info info;
        if (!wire_take_service(m->services[i], &info) ||
            m->services[i]->n_partitions != service_bound(&info) ||
            catalog_restore_service(c, &info))
            return GRID_ECORRUPT;
    }
    return GRID_OK;
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
    enum grid_err err = restore_modules(c, m, a);
    return err ? err : restore_services(c, m);
}

enum grid_err wire_take_catalog(const Control__Catalog *m, struct arena *a,
                                struct catalog **ret_catalog)
{
    if (m->format > CATALOG_FORMAT)
        return GRID_ENEWER;
    if (m->format == 0)
        return GRID_ECORRUPT;
    struct catalog *c = catalog_new_empty();
    enum grid_err err = restore(c, m, a);
    if (err)
        catalog_unref(c);
    else
        *ret_catalog = c;
    return err;
}

struct arena *wire_arena_for(struct slice in)
{
    return in.len > SIZE_MAX / GROWTH / 2 ? NULL : arena_new(ARENA_FLOOR + in.len * GROWTH);
}

enum grid_err wire_catalog_decode(struct slice in, struct catalog **ret_catalog)
{
    struct arena *a = wire_arena_for(in);
    if (!a)
        return GRID_ECORRUPT;
    const Control__Catalog *m =
        (const Control__Catalog *)(void *)wire_unpack(&control__catalog__descriptor, in, a);
    enum grid_err err = m ? wire_take_catalog(m, a, ret_catalog) : (enum grid_err)GRID_ECORRUPT;
    arena_free(a);
    return err;
}
