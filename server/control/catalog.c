/* catalog.c - lookups, copies, reference counts and the invariant. Changes: catalog_change.c. */
#include "control/catalog.h"

#include "base/alloc.h"
#include "control/settings.h"

#include <stdio.h>
#include <stdlib.h>

const struct setting_row setting_rows[SETTINGS_LEN] = {
#define X(name, value, min, max, unit, help) {#name, value, min, max, unit, help},
#include "control/settings.def"
#undef X
};

struct catalog *catalog_new_empty(void)
{
    struct catalog *c = xcalloc(1, sizeof *c);
    c->revision = 1;
    c->context_next = 1;
    c->refs = 1;
    c->settings = xcalloc(SETTINGS_LEN, sizeof *c->settings);
    for (unsigned i = 0; i < SETTINGS_LEN; i++)
        c->settings[i] = setting_rows[i].value;
    return c;
}

struct catalog *catalog_new(void)
{
    struct catalog *c = catalog_new_empty();
    struct context_info info = {.name = "default",
                                .partitions = PARTITIONS_DEFAULT,
                                .backups = 1,
                                .durability = DURABILITY_SYNC,
                                .min_in_sync = 1};
    char why[WHY_BYTES];
    CHECK(catalog_context_create(c, &info, why) == GRID_OK);
    CHECK(catalog_cache_create(c, slice_str("default/default"), 0, why) == GRID_OK);
    return c;
}

struct catalog *catalog_copy(const struct catalog *c)
{
    struct catalog *copy = xalloc(sizeof *copy);
    /* not *c: others may be counting its references */
    *copy = (struct catalog){.revision = c->revision,
                             .contexts_len = c->contexts_len,
                             .context_next = c->context_next,
                             .modules_len = c->modules_len,
                             .old_len = c->old_len,
                             .modules_revision = c->modules_revision,
                             .services_len = c->services_len,
                             .services_revision = c->services_revision,
                             .refs = 1};
    copy->settings = xcalloc(SETTINGS_LEN, sizeof *copy->settings);
    memcpy(copy->settings, c->settings, SETTINGS_LEN * sizeof *copy->settings);
    copy->contexts = xcalloc(c->contexts_len, sizeof *copy->contexts);
    for (size_t i = 0; i < c->contexts_len; i++) {
        const struct context_info *from = &c->contexts[i];
        copy->contexts[i] = *from;
        copy->contexts[i].caches = xcalloc(from->caches_len, sizeof *from->caches);
        if (from->caches_len)
            memcpy(copy->contexts[i].caches, from->caches, from->caches_len * sizeof *from->caches);
    }
    copy->modules = xcalloc(c->modules_len, sizeof *copy->modules);
    for (size_t i = 0; i < c->modules_len; i++)
        copy->modules[i] = module_ref(c->modules[i]);
    copy->old = xcalloc(c->old_len, sizeof *copy->old);
    for (size_t i = 0; i < c->old_len; i++)
        copy->old[i] = module_ref(c->old[i]);
    copy->services = xcalloc(c->services_len, sizeof *copy->services);
    for (size_t i = 0; i < c->services_len; i++)
        copy->services[i] = service_ref(c->services[i]);
    return copy;
}

struct catalog *catalog_ref(struct catalog *c)
{
    __atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void catalog_unref(struct catalog *c)
{
    if (!c || __atomic_fetch_sub(&c->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (size_t i = 0; i < c->contexts_len; i++)
        free(c->contexts[i].caches);
    for (size_t i = 0; i < c->modules_len; i++)
        module_unref(c->modules[i]);
    for (size_t i = 0; i < c->old_len; i++)
        module_unref(c->old[i]);
    for (size_t i = 0; i < c->services_len; i++)
        service_unref(c->services[i]);
    free(c->services);
    free(c->modules);
    free(c->old);
    free(c->contexts);
    free(c->settings);
    free(c);
}

const struct context_info *catalog_context(const struct catalog *c, uint32_t context_id)
{
    size_t low = 0, high = c->contexts_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->contexts[mid].id < context_id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < c->contexts_len && c->contexts[low].id == context_id ? &c->contexts[low] : NULL;
}

const struct context_info *catalog_context_named(const struct catalog *c, struct slice name)
{
    for (size_t i = 0; i < c->contexts_len; i++)
        if (slice_eq(slice_str(c->contexts[i].name), name))
            return &c->contexts[i];
    return NULL;
}

const struct cache_info *catalog_cache(const struct catalog *c, uint32_t cache_id)
{
    const struct context_info *info = catalog_context(c, cache_context(cache_id));
    if (unlikely(info && cache_number(cache_id) == CACHE_HIDDEN))
        return &info->hidden;
    size_t low = 0, high = info ? info->caches_len : 0;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (info->caches[mid].id < cache_id)
            low = mid + 1;
        else
            high = mid;
    }
    return info && low < info->caches_len && info->caches[low].id == cache_id ? &info->caches[low]
                                                                              : NULL;
}

const struct cache_info *catalog_cache_named(const struct catalog *c, struct slice path)
{
    const uint8_t *slash = path.len ? memchr(path.data, '/', path.len) : NULL;
    if (!slash)
        return NULL;
    size_t head = (size_t)(slash - path.data);
    const struct context_info *info = catalog_context_named(c, slice_make(path.data, head));
    struct slice name = slice_make(slash + 1, path.len - head - 1);
    for (size_t i = 0; info && i < info->caches_len; i++)
        if (slice_eq(slice_str(info->caches[i].name), name))
            return &info->caches[i];
    return NULL;
}

bool catalog_dropped(const struct catalog *c, uint32_t context_id, uint32_t cache)
{
    const struct context_info *info = catalog_context(c, context_id);
    if (!info)
        return context_id < c->context_next;
    if (cache == UINT32_MAX)
        return false;
    return cache > UINT16_MAX ||
           (cache < info->cache_next && !catalog_cache(c, context_id << 16 | cache));
}

int64_t catalog_setting(const struct catalog *c, unsigned index)
{
    CHECK(index < SETTINGS_LEN);
    return c->settings[index];
}

const struct module *catalog_module_named(const struct catalog *c, struct slice name)
{
    for (size_t i = 0; i < c->modules_len; i++)
        if (slice_eq(slice_str(c->modules[i]->info.name), name))
            return c->modules[i];
    return NULL;
}

const struct module_function *catalog_function(const struct catalog *c, struct slice name,
                                               const struct module **ret_module)
{
    for (size_t i = 0; i < c->modules_len; i++) {
        const struct module_function *f = module_function_named(c->modules[i], name);
        if (!f || f->kind != MODULE_FUNCTION)
            continue;
        *ret_module = c->modules[i];
        return f;
    }
    return NULL;
}

const struct module_function *catalog_code(const struct catalog *c, enum module_kind kind,
                                           struct slice name, const struct module **ret_module)
{
    const uint8_t *dot = name.len && c->modules_len ? memchr(name.data, '.', name.len) : NULL;
    if (!dot)
        return NULL;
    struct slice head = slice_make(name.data, (size_t)(dot - name.data));
    struct slice tail = slice_make(dot + 1, name.len - head.len - 1);
    const struct module *m = catalog_module_named(c, head); /* none has a bad name */
    const struct module_function *f = m ? module_function_named(m, tail) : NULL;
    if (!f || f->kind != kind || !slice_eq(slice_str(f->name), tail))
        return NULL;
    *ret_module = m;
    return f;
}

static bool has_job(const struct module *m, struct slice name)
{
    struct slice head, tail;
    const struct module_function *f = NULL;
    if (module_path_split(name, &head, &tail) && slice_eq(slice_str(m->info.name), head))
        f = module_function_named(m, tail);
    return f && f->kind == MODULE_JOB && slice_eq(slice_str(f->name), tail);
}

const struct module *catalog_job_version(const struct catalog *c, struct slice name,
                                         uint64_t version)
{
    const struct module *m = NULL;
    if (catalog_code(c, MODULE_JOB, name, &m) && m->info.version == version)
        return m;
    for (size_t i = 0; i < c->old_len; i++)
        if (c->old[i]->info.version == version && has_job(c->old[i], name))
            return c->old[i];
    return NULL;
}

void catalog_code_missing(const struct catalog *c, enum module_kind kind, struct slice name,
                          char *why)
{
    const char *what = module_kind_text(kind);
    struct slice head, tail;
    if (!module_path_split(name, &head, &tail)) {
        snprintf(why, WHY_BYTES, "a %s is named MODULE.NAME", what);
        return;
    }
    const struct module *m = catalog_module_named(c, head);
    const struct module_function *f = m ? module_function_named(m, tail) : NULL;
    if (!m)
        snprintf(why, WHY_BYTES, "no module %.*s is deployed", (int)head.len,
                 (const char *)head.data);
    else if (f && f->kind != kind && slice_eq(slice_str(f->name), tail))
        snprintf(why, WHY_BYTES, "%.*s is a %s, not a %s", (int)name.len, (const char *)name.data,
                 module_kind_text(f->kind), what);
    else
        snprintf(why, WHY_BYTES, "module %.*s has no %s %.*s", (int)head.len,
                 (const char *)head.data, what, (int)tail.len, (const char *)tail.data);
}

const struct module_function *catalog_task(const struct catalog *c, struct slice name,
                                           const struct module **ret_module)
{
    return catalog_code(c, MODULE_TASK, name, ret_module);
}

const struct service *catalog_service(const struct catalog *c, struct slice name)
{
    for (size_t i = 0; i < c->services_len; i++)
        if (slice_eq(slice_str(c->services[i]->info.name), name))
            return c->services[i];
    return NULL;
}

static void services_check(const struct catalog *c)
{
    CHECK(c->services_len <= SERVICES_MAX);
    for (size_t i = 0; i < c->services_len; i++) {
        const struct service_info *s = &c->services[i]->info;
        const struct context_info *context = catalog_context(c, s->context);
        CHECK(!service_fault(s) && context);
        CHECK(s->version >= 1 && s->version <= c->services_revision);
        CHECK(i == 0 || strcmp(c->services[i - 1]->info.name, s->name) < 0);
        for (uint32_t k = 0; k < service_bound(s); k++)
            CHECK(s->partitions[k] < context->partitions);
    }
}

static void modules_check(const struct catalog *c)
{
    size_t bytes = 0;
    for (size_t i = 0; i < c->modules_len; i++) {
        const struct module *m = c->modules[i], *owner;
        CHECK(!module_fault(&m->info));
        CHECK(m->info.version >= 1 && m->info.version <= c->modules_revision);
        CHECK(i == 0 || strcmp(c->modules[i - 1]->info.name, m->info.name) < 0);
        for (size_t k = 0; k < m->info.functions_len; k++)
            CHECK(
                m->info.functions[k].kind != MODULE_FUNCTION ||
                (catalog_function(c, slice_str(m->info.functions[k].name), &owner) && owner == m));
        bytes += module_bytes(&m->info);
    }
    CHECK(c->modules_len <= MODULES_MAX && bytes <= MODULES_BYTES_MAX);
    bytes = 0;
    for (size_t i = 0; i < c->old_len; i++) {
        const struct module_info *m = &c->old[i]->info;
        size_t of_name = 0;
        for (size_t k = 0; k < c->old_len; k++)
            of_name += strcmp(c->old[k]->info.name, m->name) == 0;
        CHECK(!module_fault(m) && module_jobs(m) && of_name <= MODULE_OLD_MAX);
        CHECK(m->version >= 1 && m->version < c->modules_revision);
        bytes += module_bytes(m);
    }
    CHECK(bytes <= MODULES_OLD_BYTES_MAX);
}

void catalog_check(const struct catalog *c)
{
    CHECK(c->revision >= 1 && c->contexts_len <= CONTEXTS_MAX);
    for (size_t i = 0; i < c->contexts_len; i++) {
        const struct context_info *info = &c->contexts[i];
        CHECK(info->id >= 1 && info->id < c->context_next);
        CHECK(i == 0 || c->contexts[i - 1].id < info->id);
        CHECK(catalog_context_named(c, slice_str(info->name)) == info);
        CHECK(info->hidden.id == cache_hidden(info->id) && info->cache_next <= CACHE_HIDDEN);
        CHECK(info->partitions && (info->partitions & (info->partitions - 1)) == 0);
        for (size_t k = 0; k < info->caches_len; k++) {
            CHECK(cache_context(info->caches[k].id) == info->id);
            CHECK(cache_number(info->caches[k].id) < info->cache_next);
            CHECK(k == 0 || info->caches[k - 1].id < info->caches[k].id);
        }
    }
    modules_check(c);
    services_check(c);
}
