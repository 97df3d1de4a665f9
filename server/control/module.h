/* module.h - users' code that is deployed to the grid: functions, tasks, ... under a name. Part of
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
    /* Versions that were replaced, of modules with jobs: the newest ones of each, and of all. */
    MODULE_OLD_MAX = 3,
    MODULES_OLD_BYTES_MAX = 1 << 20,
};

/* NATIVE ones are of a node (compute/native.h): in lists for people, never in a catalog. */
enum module_engine { MODULE_LUA = 1, MODULE_NATIVE = 2 };

/* X(NAME, code, text): what a function is; all but those of Redis clients, who call them by their
 * own name, are known as MODULE.NAME. */
#define MODULE_KIND_LIST(X)                                                                        \
    X(FUNCTION, 0, "function")                                                                     \
    X(TASK, 1, "task")                                                                             \
    X(JOB, 2, "job")                                                                               \
    X(MAP, 3, "map")                                                                               \
    X(BROADCAST, 4, "broadcast")                                                                   \
    X(SERVICE, 5, "service")

enum module_kind {
#define X(name, code, text) MODULE_##name = (code),
    MODULE_KIND_LIST(X)
#undef X
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
    unsigned flags;                 /* enum module_flag, or-ed; of a task: NO_WRITES or none; of
                                     * later kinds none */
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
const char *module_kind_text(enum module_kind kind);
/* Has it functions of kinds that came after tasks? */
bool module_works(const struct module_info *info);
/* Has it jobs? */
bool module_jobs(const struct module_info *info);
/* MODULE.NAME in its parts. False: it is no such name. */
bool module_path_split(struct slice path, struct slice *ret_module, struct slice *ret_name);

#endif
