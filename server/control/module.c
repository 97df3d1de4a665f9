/* module.c - one allocation: the module, its functions, its source. */
#include "control/module.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <strings.h>

static const struct {
    unsigned flag;
    const char *text;
} flags[] = {
#define X(name, bit, text) {bit, text},
    MODULE_FLAGS(X)
#undef X
};

enum { FLAGS = sizeof flags / sizeof *flags };

static int function_compare(const void *a, const void *b)
{
    const struct module_function *f = a, *g = b;
    return strcasecmp(f->name, g->name);
}

struct module *module_new(const struct module_info *info)
{
    size_t functions = info->functions_len * sizeof *info->functions;
    struct module *m = xalloc(sizeof *m + functions + info->source.len);
    struct module_function *list = (struct module_function *)(m + 1);
    uint8_t *source = (uint8_t *)list + functions;
    *m = (struct module){.info = *info, .refs = 1};
    if (functions)
        memcpy(list, info->functions, functions);
    qsort(list, info->functions_len, sizeof *list, function_compare);
    if (info->source.len)
        memcpy(source, info->source.data, info->source.len);
    m->info.functions = list;
    m->info.source = slice_make(source, info->source.len);
    sha1_hex(m->info.source, m->digest);
    return m;
}

struct module *module_ref(struct module *m)
{
    __atomic_fetch_add(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void module_unref(struct module *m)
{
    if (m && __atomic_fetch_sub(&m->refs, 1, __ATOMIC_ACQ_REL) == 1)
        free(m);
}

const struct module_function *module_function_named(const struct module *m, struct slice name)
{
    struct module_function wanted;
    if (name.len > MODULE_NAME_MAX || !name.len)
        return NULL;
    memcpy(wanted.name, name.data, name.len);
    wanted.name[name.len] = '\0';
    return bsearch(&wanted, m->info.functions, m->info.functions_len, sizeof wanted,
                   function_compare);
}

size_t module_bytes(const struct module_info *info)
{
    size_t bytes = info->source.len + strlen(info->name);
    for (size_t i = 0; i < info->functions_len; i++)
        bytes += strlen(info->functions[i].name) + strlen(info->functions[i].help);
    return bytes;
}

bool module_name_good(struct slice name)
{
    if (name.len < 1 || name.len > MODULE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i], letter = (uint8_t)(c | 0x20);
        if ((letter < 'a' || letter > 'z') && (c < '0' || c > '9') && c != '_')
            return false;
    }
    return true;
}

static bool flags_good(const struct module_function *f)
{
    unsigned kind = (unsigned)f->kind; /* it may come from outside */
    unsigned may = kind == MODULE_FUNCTION ? (unsigned)MODULE_FLAGS_ALL
                   : kind == MODULE_TASK   ? (unsigned)MODULE_NO_WRITES
                                           : 0;
    return kind < MODULE_KINDS && !(f->flags & ~may);
}

const char *module_fault(const struct module_info *info)
{
    if (!module_name_good(slice_str(info->name)))
        return "a module is named by 1 to 64 letters, digits and _";
    if (info->engine != MODULE_LUA)
        return "no such engine";
    if (!info->source.len || info->source.len > MODULE_SOURCE_MAX)
        return "the source of a module is 1 to 262144 bytes";
    if (!info->functions_len || info->functions_len > MODULE_FUNCTIONS_MAX)
        return "a module has 1 to 128 functions and tasks";
    for (size_t i = 0; i < info->functions_len; i++) {
        const struct module_function *f = &info->functions[i];
        if (!module_name_good(slice_str(f->name)))
            return "a function is named by 1 to 64 letters, digits and _";
        if (!flags_good(f))
            return "no such kind of function, or none of its flags";
        for (size_t k = 0; k < i; k++)
            if (function_compare(f, &info->functions[k]) == 0)
                return "a function is there twice";
    }
    return NULL;
}

unsigned module_flag_named(struct slice text)
{
    for (size_t i = 0; i < FLAGS; i++)
        if (slice_eq(slice_str(flags[i].text), text))
            return flags[i].flag;
    return 0;
}

const char *module_flag_text(unsigned flag)
{
    for (size_t i = 0; i < FLAGS; i++)
        if (flags[i].flag == flag)
            return flags[i].text;
    return "?";
}

const char *module_kind_text(enum module_kind kind)
{
    static const char *const texts[] = {
#define X(name, code, text) [code] = text,
        MODULE_KIND_LIST(X)
#undef X
    };
    return (unsigned)kind < MODULE_KINDS ? texts[kind] : "?";
}

bool module_works(const struct module_info *info)
{
    for (size_t i = 0; i < info->functions_len; i++)
        if (info->functions[i].kind > MODULE_TASK)
            return true;
    return false;
}

bool module_jobs(const struct module_info *info)
{
    bool any = false;
    for (size_t i = 0; i < info->functions_len; i++)
        any |= info->functions[i].kind == MODULE_JOB;
    return any;
}

bool module_path_split(struct slice path, struct slice *ret_module, struct slice *ret_name)
{
    const uint8_t *dot = path.len ? memchr(path.data, '.', path.len) : NULL;
    size_t len = dot ? (size_t)(dot - path.data) : 0;
    if (!dot)
        return false;
    *ret_module = slice_make(path.data, len);
    *ret_name = slice_make(dot + 1, path.len - len - 1);
    return module_name_good(*ret_module) && module_name_good(*ret_name);
}
