/* native.h - functions in C that this node has, by what their modules register (grid_module.h).
 * Filled before the node runs, and never changed then: all its threads read it. */
#ifndef GRIDD_COMPUTE_NATIVE_H
#define GRIDD_COMPUTE_NATIVE_H

#include "base/buf.h"
#include "base/err.h"
#include "control/catalog.h"

struct natives; /* opaque; NULL has none */
struct grid_native;
struct grid_native_module;

struct native {
    char path[2 * MODULE_NAME_MAX + 2]; /* MODULE.NAME */
    size_t path_len;
    enum module_kind kind;
    unsigned flags; /* of enum module_flag */
    char help[MODULE_HELP_MAX + 1];
    const struct grid_native *given; /* a copy; what it points at is the module's */
};

struct natives *natives_new(void);
void natives_free(struct natives *n); /* NULL is fine */
/* Copied but for its functions and their ctx, which stay until the end. False: nothing of it is
 * taken, and `ret_why` says why, with its name. */
MUST_USE
bool natives_add(struct natives *n, const struct grid_native_module *m, struct buf *ret_why);
/* NULL: there is none. */
const struct native *natives_find(const struct natives *n, enum module_kind kind,
                                  struct slice path);
/* Of a name that neither the catalog nor this has: says why, in `why` (size WHY_BYTES). `node`: its
 * name, or NULL: this one, which is told of only if it has any. */
void natives_missing(const struct natives *n, const struct catalog *c, enum module_kind kind,
                     struct slice path, const char *node, char *why);
/* In the order of their paths; NULL: there are no more. */
const struct native *natives_at(const struct natives *n, size_t i);

#endif
