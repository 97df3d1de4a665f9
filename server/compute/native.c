/* native.c - see native.h. A sorted array: it is read far more often than made. */
#include <grid_module.h>

#include "base/alloc.h"
#include "base/json.h"
#include "compute/native.h"
#include "compute/service.h"

#include <stdio.h>
#include <stdlib.h>

enum { FUNCTION_BYTES_MIN = offsetof(struct grid_native, task) + sizeof(grid_task_fn *) };

struct natives {
    struct native **list;
    size_t len;
};

struct owned { /* one allocation each */
    struct native native;
    struct grid_native given;
};

struct natives *natives_new(void)
{
    return xcalloc(1, sizeof(struct natives));
}

void natives_free(struct natives *n)
{
    for (size_t i = 0; n && i < n->len; i++)
        free(n->list[i]);
    if (n)
        free(n->list);
    free(n);
}

/* --- what is registered ----------------------------------------------------------------------- */

/* Of each kind, NULL or what is wrong with the functions that it needs. */
static const char *task_fault(const struct grid_native *f)
{
    return f->task ? NULL : "has no function";
}

static const char *map_fault(const struct grid_native *f)
{
    if (!f->map)
        return "has no function";
    if (f->reducer < GRID_REDUCE_NOT || f->reducer > GRID_REDUCE_MAX)
        return "reduces in a way that this node does not know";
    if ((f->reducer == GRID_REDUCE_BY) != (f->reduce != NULL))
        return "has a reduce function without GRID_REDUCE_BY, or that without one";
    if (f->final && f->reducer == GRID_REDUCE_NOT)
        return "has a last function, but reduces nothing";
    return NULL;
}

static const char *life_fault(const struct grid_native *f)
{
    if (!f->call && !f->tick && !f->start)
        return "has no function";
    if (f->tick && (!f->every_ms || f->every_ms > SERVICE_EVERY_MAX))
        return "has a tick, whose every_ms is 1 to a day";
    return NULL;
}

static const char *job_fault(const struct grid_native *f)
{
    return f->job ? NULL : "has no function";
}

static const char *broadcast_fault(const struct grid_native *f)
{
    return f->broadcast ? NULL : "has no function";
}

static const struct {
    const char *(*fault)(const struct grid_native *f); /* NULL: no kind */
    unsigned flags;                                    /* that it may have */
} kinds[] = {
    [GRID_NATIVE_TASK] = {task_fault, GRID_NATIVE_NO_WRITES},
    [GRID_NATIVE_JOB] = {job_fault, 0},
    [GRID_NATIVE_MAP] = {map_fault, 0},
    [GRID_NATIVE_BROADCAST] = {broadcast_fault, 0},
    [GRID_NATIVE_SERVICE] = {life_fault, 0},
};

/* NULL, or what is wrong with a function. */
static const char *function_fault(const struct grid_native *f)
{
    if (!f->name || !module_name_good(slice_str(f->name)))
        return "is no name of a function: a-z A-Z 0-9 _ , at most 64";
    unsigned kind = (unsigned)f->kind;
    if (kind >= sizeof kinds / sizeof *kinds || !kinds[kind].fault)
        return "is of a kind that this node does not know";
    if (f->flags & ~kinds[kind].flags)
        return "has flags that its kind has not, or this node does not know";
    if (f->help && (strlen(f->help) > MODULE_HELP_MAX || strchr(f->help, '\n') ||
                    !utf8_valid(slice_str(f->help))))
        return "has a help that is no line of text, or a long one";
    return kinds[kind].fault(f);
}

static int compare(const struct native *n, struct slice path)
{
    return slice_cmp(slice_make(n->path, n->path_len), path);
}

/* Where it is, or would be. */
static size_t place_of(const struct natives *n, struct slice path)
{
    size_t low = 0, high = n->len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(n->list[middle], path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct native *find(const struct natives *n, struct slice path)
{
    size_t at = place_of(n, path);
    return at < n->len && compare(n->list[at], path) == 0 ? n->list[at] : NULL;
}

static struct grid_native function_at(const struct grid_native_module *m, size_t i)
{
    struct grid_native f;
    size_t bytes = m->function_size < sizeof f ? m->function_size : sizeof f;
    memset(&f, 0, sizeof f);
    memcpy(&f, (const char *)m->functions + i * m->function_size, bytes);
    return f;
}

static bool function_add(struct natives *n, const char *module, const struct grid_native *f,
                         struct buf *ret_why)
{
    const char *fault = function_fault(f);
    struct owned *o = xcalloc(1, sizeof *o);
    snprintf(o->native.path, sizeof o->native.path, "%s.%s", module, f->name ? f->name : "");
    struct slice path = slice_str(o->native.path);
    if (!fault && find(n, path))
        fault = "is registered twice";
    if (fault) {
        buf_printf(ret_why, "native module %s: %s %s", module, o->native.path, fault);
        free(o);
        return false;
    }
    o->native.path_len = path.len;
    o->native.kind = (enum module_kind)f->kind;
    o->native.flags = f->flags & GRID_NATIVE_NO_WRITES ? MODULE_NO_WRITES : 0;
    snprintf(o->native.help, sizeof o->native.help, "%s", f->help ? f->help : "");
    o->given = *f;
    o->given.name = o->given.help = NULL;
    o->native.given = &o->given;
    size_t at = place_of(n, path);
    n->list = xrealloc(n->list, n->len + 1, sizeof(struct native *));
    memmove(n->list + at + 1, n->list + at, (n->len - at) * sizeof(struct native *));
    n->list[at] = &o->native;
    n->len++;
    return true;
}

static void module_drop(struct natives *n, const char *module)
{
    size_t len = strlen(module), kept = 0;
    for (size_t i = 0; i < n->len; i++) {
        struct native *f = n->list[i];
        if (strncmp(f->path, module, len) == 0 && f->path[len] == '.')
            free(f);
        else
            n->list[kept++] = f;
    }
    n->len = kept;
}

static bool module_there(const struct natives *n, const char *module)
{
    size_t len = strlen(module);
    for (size_t i = 0; i < n->len; i++)
        if (strncmp(n->list[i]->path, module, len) == 0 && n->list[i]->path[len] == '.')
            return true;
    return false;
}

bool natives_add(struct natives *n, const struct grid_native_module *m, struct buf *ret_why)
{
    if (m->abi != GRID_MODULE_ABI) {
        buf_printf(ret_why, "a native module of ABI %u: this node takes %u", m->abi,
                   GRID_MODULE_ABI);
        return false;
    }
    if (!m->name || !module_name_good(slice_str(m->name))) {
        buf_printf(ret_why, "a native module whose name is none: a-z A-Z 0-9 _ , at most 64");
        return false;
    }
    if (m->function_size < FUNCTION_BYTES_MIN || !m->functions || !m->functions_len ||
        m->functions_len > MODULE_FUNCTIONS_MAX || module_there(n, m->name)) {
        buf_printf(ret_why, "native module %s: %s", m->name,
                   module_there(n, m->name) ? "there are two of that name"
                                            : "it has no functions, or more than 128");
        return false;
    }
    for (size_t i = 0; i < m->functions_len; i++) {
        struct grid_native f = function_at(m, i);
        if (!function_add(n, m->name, &f, ret_why)) {
            module_drop(n, m->name);
            return false;
        }
    }
    return true;
}

const struct native *natives_find(const struct natives *n, enum module_kind kind, struct slice path)
{
    const struct native *f = n ? find(n, path) : NULL;
    return f && f->kind == kind ? f : NULL;
}

const struct native *natives_at(const struct natives *n, size_t i)
{
    return n && i < n->len ? n->list[i] : NULL;
}

void natives_missing(const struct natives *n, const struct catalog *c, enum module_kind kind,
                     struct slice path, const char *node, char *why)
{
    struct slice module, name;
    const struct native *f = n ? find(n, path) : NULL;
    catalog_code_missing(c, kind, path, why);
    if (!module_path_split(path, &module, &name) || catalog_module_named(c, module))
        return;
    if (!node && !natives_at(n, 0))
        return; /* who has none is not asked for them */
    if (f && f->kind != kind)
        snprintf(why, WHY_BYTES, "%s is a %s, not a %s", f->path, module_kind_text(f->kind),
                 module_kind_text(kind));
    else
        snprintf(why, WHY_BYTES, "no module %.*s is deployed, and %s%s has no %s of that name",
                 (int)module.len, (const char *)module.data, node ? "node " : "this node",
                 node ? node : "", module_kind_text(kind));
}
