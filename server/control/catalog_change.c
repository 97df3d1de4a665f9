/* catalog_change.c - changes of an unpublished catalog; each checks all before it touches
 * anything. */
#include "control/catalog.h"

#include "base/alloc.h"
#include "control/settings.h"
#include "control/state_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BACKUPS_MAX = 6, CACHE_NUMBER_MAX = 65534, CONTEXT_ID_MAX = 65535 };

static enum grid_err refuse(char *why, enum grid_err err, const char *fmt, ...) PRINTF_LIKE(3, 4);
static enum grid_err refuse(char *why, enum grid_err err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, WHY_BYTES, fmt, ap);
    va_end(ap);
    return err;
}

static bool name_char(uint8_t c, bool first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return !first && (c == '_' || c == '-' || c == '.');
}

bool control_name_good(struct slice name)
{
    if (name.len < 1 || name.len > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!name_char(name.data[i], i == 0))
            return false;
    return true;
}

static enum grid_err name_refuse(char *why)
{
    return refuse(why, GRID_EBAD_REQUEST,
                  "a name is 1 to %d of a-z A-Z 0-9 _ - . and begins with a letter or digit",
                  NAME_BYTES_MAX);
}

static enum grid_err context_values_check(const struct context_info *w, char *why)
{
    if (w->partitions < 1 || w->partitions > PARTITIONS_MAX ||
        (w->partitions & (w->partitions - 1)))
        return refuse(why, GRID_EBAD_REQUEST,
                      "partitions is %u, not a power of two between 1 and %d", w->partitions,
                      PARTITIONS_MAX);
    if (w->backups > BACKUPS_MAX && w->backups != BACKUPS_ALL)
        return refuse(why, GRID_EBAD_REQUEST, "backups is %u, not 0 to %d or all", w->backups,
                      BACKUPS_MAX);
    if (w->durability > DURABILITY_MEMORY)
        return refuse(why, GRID_EBAD_REQUEST, "durability is not sync, async or memory");
    if (w->full_policy > FULL_EVICT)
        return refuse(why, GRID_EBAD_REQUEST,
                      "the policy of a full context is not refuse or evict");
    uint32_t copies = (w->backups == BACKUPS_ALL ? BACKUPS_MAX : w->backups) + 1;
    if (w->min_in_sync < 1 || w->min_in_sync > copies)
        return refuse(why, GRID_EBAD_REQUEST, "min-in-sync is %u, not 1 to %u (backups + 1)",
                      w->min_in_sync, copies);
    if (w->nodes[0] && !strchr(w->nodes, '='))
        return refuse(why, GRID_EBAD_REQUEST, "nodes is \"%s\", not LABEL=VALUE", w->nodes);
    return GRID_OK;
}

static struct context_info *context_find(struct catalog *c, struct slice name)
{
    const struct context_info *found = catalog_context_named(c, name);
    return found ? &c->contexts[found - c->contexts] : NULL;
}

static void context_append(struct catalog *c, const struct context_info *info)
{
    c->contexts = xrealloc(c->contexts, c->contexts_len + 1, sizeof *c->contexts);
    struct context_info *place = &c->contexts[c->contexts_len++];
    *place = *info;
    place->hidden = (struct cache_info){.id = cache_hidden(info->id), .name = "(hidden)"};
}

enum grid_err catalog_context_create(struct catalog *c, const struct context_info *want, char *why)
{
    struct context_info info = *want;
    if (!info.partitions)
        info.partitions = PARTITIONS_DEFAULT;
    if (!info.min_in_sync)
        info.min_in_sync = 1;
    if (!control_name_good(slice_str(info.name)))
        return name_refuse(why);
    if (context_find(c, slice_str(info.name)))
        return refuse(why, GRID_EEXISTS, "context %s exists already", info.name);
    enum grid_err err = context_values_check(&info, why);
    if (err)
        return err;
    if (c->contexts_len == CONTEXTS_MAX || c->context_next > CONTEXT_ID_MAX)
        return refuse(why, GRID_EFULL, "there are as many contexts as a grid can have");
    info.id = c->context_next++;
    info.caches = NULL;
    info.caches_len = 0;
    info.cache_next = 1;
    context_append(c, &info);
    return GRID_OK;
}

enum grid_err catalog_context_alter(struct catalog *c, const struct context_info *want, char *why)
{
    struct context_info *info = context_find(c, slice_str(want->name));
    if (!info)
        return refuse(why, GRID_ENO_CONTEXT, "no context %s", want->name);
    enum grid_err err = context_values_check(want, why);
    if (err)
        return err;
    if (want->partitions != info->partitions)
        return refuse(why, GRID_EUNSUPPORTED,
                      "the number of partitions is fixed when a context is made");
    if (want->durability != info->durability &&
        (want->durability == DURABILITY_MEMORY || info->durability == DURABILITY_MEMORY))
        return refuse(why, GRID_EUNSUPPORTED, "durability changes between sync and async only");
    info->backups = want->backups;
    info->durability = want->durability;
    info->full_policy = want->full_policy;
    info->memory_limit = want->memory_limit;
    info->min_in_sync = want->min_in_sync;
    memcpy(info->nodes, want->nodes, sizeof info->nodes);
    return GRID_OK;
}

enum grid_err catalog_context_drop(struct catalog *c, struct slice name, char *why)
{
    struct context_info *info = context_find(c, name);
    if (!info)
        return refuse(why, GRID_ENO_CONTEXT, "no context %.*s", (int)name.len,
                      (const char *)name.data);
    if (strcmp(info->name, "default") == 0)
        return refuse(why, GRID_EUNSUPPORTED, "the context default always exists");
    for (size_t i = 0; i < c->services_len; i++)
        if (c->services[i]->info.context == info->id)
            return refuse(why, GRID_ECONDITION, "the service %s is deployed there: stop it first",
                          c->services[i]->info.name);
    free(info->caches);
    size_t after = (size_t)(c->contexts + c->contexts_len - (info + 1));
    memmove(info, info + 1, after * sizeof *info);
    c->contexts_len--;
    return GRID_OK;
}

/* The context of a path and the name behind its slash. */
static enum grid_err path_split(struct catalog *c, struct slice path, char *why,
                                struct context_info **ret_info, struct slice *ret_name)
{
    const uint8_t *slash = path.len ? memchr(path.data, '/', path.len) : NULL;
    if (!slash)
        return refuse(why, GRID_EBAD_REQUEST, "a cache is named context/cache");
    struct slice head = slice_make(path.data, (size_t)(slash - path.data));
    *ret_name = slice_make(slash + 1, path.len - head.len - 1);
    *ret_info = context_find(c, head);
    if (!*ret_info)
        return refuse(why, GRID_ENO_CONTEXT, "no context %.*s", (int)head.len,
                      (const char *)head.data);
    return GRID_OK;
}

enum grid_err catalog_cache_create(struct catalog *c, struct slice path, msec_t ttl_ms, char *why)
{
    struct context_info *info;
    struct slice name;
    enum grid_err err = path_split(c, path, why, &info, &name);
    if (err)
        return err;
    if (!control_name_good(name))
        return name_refuse(why);
    if (catalog_cache_named(c, path))
        return refuse(why, GRID_EEXISTS, "cache %.*s exists already", (int)path.len,
                      (const char *)path.data);
    if (info->caches_len == CACHES_MAX || info->cache_next > CACHE_NUMBER_MAX)
        return refuse(why, GRID_EFULL, "context %s has as many caches as it can have", info->name);
    struct cache_info cache = {.id = info->id << 16 | info->cache_next++, .ttl_ms = ttl_ms};
    memcpy(cache.name, name.data, name.len);
    info->caches = xrealloc(info->caches, info->caches_len + 1, sizeof *info->caches);
    info->caches[info->caches_len++] = cache;
    return GRID_OK;
}

enum grid_err catalog_cache_drop(struct catalog *c, struct slice path, char *why)
{
    struct context_info *info;
    struct slice name;
    enum grid_err err = path_split(c, path, why, &info, &name);
    if (err)
        return err;
    const struct cache_info *found = catalog_cache_named(c, path);
    if (!found)
        return refuse(why, GRID_ENO_CACHE, "no cache %.*s", (int)path.len, (const char *)path.data);
    if (slice_eq(path, slice_str("default/default")))
        return refuse(why, GRID_EUNSUPPORTED, "the cache default/default always exists");
    size_t at = (size_t)(found - info->caches);
    memmove(&info->caches[at], &info->caches[at + 1], (info->caches_len - at - 1) * sizeof *found);
    info->caches_len--;
    return GRID_OK;
}

enum grid_err catalog_setting_set(struct catalog *c, struct slice name, int64_t value, char *why)
{
    for (unsigned i = 0; i < SETTINGS_LEN; i++) {
        const struct setting_row *row = &setting_rows[i];
        if (!slice_eq(slice_str(row->name), name))
            continue;
        if (value < row->min || value > row->max)
            return refuse(why, GRID_EBAD_REQUEST, "%s is %lld, not %lld to %lld %s", row->name,
                          (long long)value, (long long)row->min, (long long)row->max, row->unit);
        c->settings[i] = value;
        return GRID_OK;
    }
    return refuse(why, GRID_ENO_SETTING, "no setting %.*s", (int)name.len, (const char *)name.data);
}

/* --- modules ---------------------------------------------------------------------------------- */

static enum grid_err functions_judge(const struct catalog *c, const struct module_info *want,
                                     char *why)
{
    const struct module *owner;
    for (size_t i = 0; i < want->functions_len; i++) {
        const char *name = want->functions[i].name;
        if (want->functions[i].kind == MODULE_FUNCTION &&
            catalog_function(c, slice_str(name), &owner) &&
            strcmp(owner->info.name, want->name) != 0)
            return refuse(why, GRID_EEXISTS, "Function %s already exists", name);
    }
    return GRID_OK;
}

/* Together with all others, but that of its own name. */
static enum grid_err room_judge(const struct catalog *c, const struct module_info *want, char *why)
{
    size_t bytes = module_bytes(want), len = 1;
    for (size_t i = 0; i < c->modules_len; i++) {
        const struct module_info *m = &c->modules[i]->info;
        if (strcmp(m->name, want->name) == 0)
            continue;
        bytes += module_bytes(m);
        len++;
    }
    if (len > MODULES_MAX)
        return refuse(why, GRID_EFULL, "there are as many modules as a grid can have: %d",
                      MODULES_MAX);
    if (bytes > MODULES_BYTES_MAX)
        return refuse(why, GRID_EFULL, "all modules together would be %zu bytes, of %d at most",
                      bytes, MODULES_BYTES_MAX);
    return GRID_OK;
}

static void old_drop(struct catalog *c, size_t at)
{
    module_unref(c->old[at]);
    memmove(&c->old[at], &c->old[at + 1], (--c->old_len - at) * sizeof *c->old);
}

/* The oldest go, until what is kept is within its bounds. */
static void old_trim(struct catalog *c, const char *name)
{
    size_t of_name = 0, bytes = 0;
    for (size_t i = 0; i < c->old_len; i++) {
        of_name += strcmp(c->old[i]->info.name, name) == 0;
        bytes += module_bytes(&c->old[i]->info);
    }
    for (size_t i = 0; of_name > MODULE_OLD_MAX; i++) {
        if (strcmp(c->old[i]->info.name, name) != 0)
            continue;
        of_name--;
        bytes -= module_bytes(&c->old[i]->info);
        old_drop(c, i--);
    }
    while (bytes > MODULES_OLD_BYTES_MAX) {
        bytes -= module_bytes(&c->old[0]->info);
        old_drop(c, 0);
    }
}

/* Jobs that began with it end with it. */
static void old_keep(struct catalog *c, struct module *m)
{
    if (!module_jobs(&m->info)) {
        module_unref(m);
        return;
    }
    c->old = xrealloc(c->old, c->old_len + 1, sizeof *c->old);
    c->old[c->old_len++] = m;
    old_trim(c, m->info.name);
}

static void module_insert(struct catalog *c, const struct module_info *info)
{
    size_t at = 0;
    while (at < c->modules_len && strcmp(c->modules[at]->info.name, info->name) < 0)
        at++;
    if (at < c->modules_len && strcmp(c->modules[at]->info.name, info->name) == 0) {
        old_keep(c, c->modules[at]);
    } else {
        c->modules = xrealloc(c->modules, c->modules_len + 1, sizeof *c->modules);
        memmove(&c->modules[at + 1], &c->modules[at], (c->modules_len++ - at) * sizeof *c->modules);
    }
    c->modules[at] = module_new(info);
}

enum grid_err catalog_module_deploy(struct catalog *c, const struct module_info *want, bool replace,
                                    char *why)
{
    const char *fault = module_fault(want);
    if (fault)
        return refuse(why, GRID_EBAD_REQUEST, "%s", fault);
    if (!replace && catalog_module_named(c, slice_str(want->name)))
        return refuse(why, GRID_EEXISTS, "Library '%s' already exists", want->name);
    enum grid_err err = functions_judge(c, want, why);
    if (!err)
        err = room_judge(c, want, why);
    if (err)
        return err;
    struct module_info info = *want;
    info.version = ++c->modules_revision;
    module_insert(c, &info);
    return GRID_OK;
}

enum grid_err catalog_module_remove(struct catalog *c, struct slice name, char *why)
{
    size_t left = 0;
    if (name.len && !catalog_module_named(c, name))
        return refuse(why, GRID_ENOT_FOUND, "Library not found");
    for (size_t i = 0; i < c->modules_len; i++) {
        struct module *m = c->modules[i];
        if (!name.len || slice_eq(slice_str(m->info.name), name))
            module_unref(m);
        else
            c->modules[left++] = m;
    }
    c->modules_len = left;
    for (size_t i = c->old_len; i > 0; i--)
        if (!name.len || slice_eq(slice_str(c->old[i - 1]->info.name), name))
            old_drop(c, i - 1);
    c->modules_revision++;
    return GRID_OK;
}

void catalog_modules_forget(struct catalog *c)
{
    while (c->old_len)
        old_drop(c, c->old_len - 1);
}

enum grid_err catalog_restore_module(struct catalog *c, const struct module_info *info)
{
    char why[WHY_BYTES];
    bool good =
        info->version >= 1 && info->version <= c->modules_revision && !module_fault(info) &&
        (!c->modules_len || strcmp(c->modules[c->modules_len - 1]->info.name, info->name) < 0) &&
        !functions_judge(c, info, why) && !room_judge(c, info, why);
    if (!good)
        return GRID_ECORRUPT;
    module_insert(c, info);
    return GRID_OK;
}

enum grid_err catalog_restore_old(struct catalog *c, const struct module_info *info)
{
    size_t len = c->old_len + 1;
    if (info->version < 1 || info->version >= c->modules_revision || module_fault(info) ||
        !module_jobs(info))
        return GRID_ECORRUPT;
    old_keep(c, module_new(info));
    return c->old_len == len ? GRID_OK : GRID_ECORRUPT; /* else there were more than are kept */
}

/* --- read from disk or a peer ----------------------------------------------------------------- */

static bool cache_repeated(const struct context_info *info, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(info->caches[i].name, info->caches[at].name) == 0)
            return true;
    return false;
}

enum grid_err catalog_restore_context(struct catalog *c, const struct context_info *info)
{
    char why[WHY_BYTES];
    bool good = info->id >= 1 && info->id <= CONTEXT_ID_MAX &&
                (!c->contexts_len || c->contexts[c->contexts_len - 1].id < info->id) &&
                c->contexts_len < CONTEXTS_MAX && control_name_good(slice_str(info->name)) &&
                !context_find(c, slice_str(info->name)) &&
                context_values_check(info, why) == GRID_OK && info->caches_len <= CACHES_MAX &&
                info->cache_next <= CACHE_NUMBER_MAX + 1;
    for (size_t i = 0; good && i < info->caches_len; i++) {
        const struct cache_info *k = &info->caches[i];
        good = cache_context(k->id) == info->id && cache_number(k->id) < info->cache_next &&
               (i == 0 || info->caches[i - 1].id < k->id) &&
               control_name_good(slice_str(k->name)) && !cache_repeated(info, i);
    }
    if (!good)
        return GRID_ECORRUPT;
    struct context_info copy = *info;
    copy.caches = xcalloc(info->caches_len, sizeof *info->caches);
    if (info->caches_len)
        memcpy(copy.caches, info->caches, info->caches_len * sizeof *info->caches);
    context_append(c, &copy);
    return GRID_OK;
}
