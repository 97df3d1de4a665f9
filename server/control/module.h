/* module.h - users' code that is deployed to the grid: functions and tasks under a name. Part of
 * the catalog; immutable and reference-counted (atomically), so that catalogs share it.
 * Its version is the revision of all modules that it was deployed by: versions grow, and none is
 * used again, so a version names its code for ever. */
#ifndef GRIDD_CONTROL_MODULE_H
#define GRIDD_CONTROL_MODULE_H

#include "base/sha1.h"

#include <stdbool.h>

enum {
    MODULE_NAME_MAX = 64, /* of modules and functions: a-z A-Z 0-9 _ */
    MODULE_HELP_MAX = 255,
    MODULE_FUNCTIONS_MAX = 128,
    MODULE_SOURCE_MAX = 256 << 10,
    MODULES_MAX = 128,
    MODULES_BYTES_MAX = 1 << 20, /* of all together: the control state stays small */
};

enum module_engine { MODULE_LUA = 1 };

enum module_kind {
    MODULE_FUNCTION = 0, /* Redis clients call it, by its own name */
    MODULE_TASK = 1,     /* clients run it, by MODULE.TASK */
    MODULE_KINDS
};

/* X(NAME, bit, text): what a function says of itself. */
#define MODULE_FLAGS(X)                                                                            \
    X(NO_WRITES, 1, "no-writes")                                                                   \
    X(ALLOW_OOM, 2, "allow-oom")                                                                   \
    X(ALLOW_STALE, 4, "allow-stale")                                                               \
    X(NO_CLUSTER, 8, "no-cluster")                                                                 \
    X(ALLOW_CROSS_SLOT, 16, "allow-cross-slot-keys")

enum module_flag {
#define X(name, bit, text) MODULE_##name = (bit),
    MODULE_FLAGS(X)
#undef X
        MODULE_FLAGS_ALL = 31
};

struct module_function {
    char name[MODULE_NAME_MAX + 1];
    char help[MODULE_HELP_MAX + 1]; /* one line, or "" */
    unsigned flags;                 /* enum module_flag, or-ed; of a task: NO_WRITES or none */
    enum module_kind kind;
};

struct module_info {
    char name[MODULE_NAME_MAX + 1];
    enum module_engine engine;
    uint64_t version;
    struct slice source;
    const struct module_function *functions;
    size_t functions_len;
};

struct module {
    struct module_info info; /* functions by name, in any case of letters */
    char digest[SHA1_HEX];   /* of the source */
    unsigned refs;           /* private */
};

/* A copy of what is borrowed; one reference, the caller's. */
struct module *module_new(const struct module_info *info);
struct module *module_ref(struct module *m);
void module_unref(struct module *m); /* NULL is fine */
/* Of any kind, in any case of letters; NULL: it has none of that name. */
const struct module_function *module_function_named(const struct module *m, struct slice name);
/* What counts against MODULES_BYTES_MAX. */
size_t module_bytes(const struct module_info *info);
bool module_name_good(struct slice name);
/* NULL, or what is wrong with it by itself; functions may stand in any order. Static. */
const char *module_fault(const struct module_info *info);
/* 0: there is none. */
unsigned module_flag_named(struct slice text);
/* Of one flag. */
const char *module_flag_text(unsigned flag);
const char *module_kind_text(enum module_kind kind); /* "function", "task" */

#endif
