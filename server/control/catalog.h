/* catalog.h - contexts, caches, settings, modules and services: the part of the control state that
 * shards and sessions need.
 * A catalog is immutable once published and reference-counted (atomically), so that each thread
 * reads its own pointer without locks. A change makes a new catalog with revision + 1. Ids are
 * never used again.
 * Invariant (catalog_check): ids and names are unique; each cache's context exists; of all modules
 * one at most has a function of Redis clients of a name; each service's context exists; revision
 * only grows. */
#ifndef GRIDD_CONTROL_CATALOG_H
#define GRIDD_CONTROL_CATALOG_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "control/module.h"
#include "control/service.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    NAME_BYTES_MAX = 64, /* names: a-z A-Z 0-9 _ - . ; first a letter or digit */
    CONTEXTS_MAX = 1024,
    CACHES_MAX = 4096, /* per context */
    PARTITIONS_DEFAULT = 1024,
    PARTITIONS_MAX = 16384,
    CACHE_HIDDEN = 0xffff, /* number of the cache of each context that is the grid's own */
};

enum durability { DURABILITY_SYNC = 0, DURABILITY_ASYNC = 1, DURABILITY_MEMORY = 2 };
enum full_policy { FULL_REFUSE = 0, FULL_EVICT = 1 };
enum { BACKUPS_ALL = 255 };

struct cache_info {
    uint32_t id; /* global: context id << 16 | number within the context */
    char name[NAME_BYTES_MAX + 1];
    msec_t ttl_ms; /* default time to live; 0: for ever */
};

struct context_info {
    uint32_t id; /* 1..65535 */
    char name[NAME_BYTES_MAX + 1];
    uint32_t partitions; /* a power of two, 1..PARTITIONS_MAX */
    uint32_t backups;    /* 0..6, or BACKUPS_ALL */
    enum durability durability;
    enum full_policy full_policy; /* what a memory context does at its limit */
    uint64_t memory_limit;        /* bytes on one node; 0: only the node's own limit */
    uint32_t min_in_sync;
    char nodes[NAME_BYTES_MAX * 2 + 2]; /* LABEL=VALUE, empty: all nodes */
    struct cache_info *caches;          /* sorted by id */
    size_t caches_len;
    uint32_t cache_next; /* number the next cache gets */
    /* CACHE_HIDDEN: jobs and schedules, in the partition of the data that they work on; what is the
     * key of an entry of it begins with a letter that says what it is. No client can name it. */
    struct cache_info hidden;
};

struct setting {
    const char *name; /* static, from settings.def */
    int64_t value;
};

struct catalog {
    uint64_t revision;
    struct context_info *contexts; /* sorted by id */
    size_t contexts_len;
    uint32_t context_next;   /* id the next context gets */
    int64_t *settings;       /* one per row of settings.def, in its order */
    struct module **modules; /* sorted by name */
    size_t modules_len;
    struct module *
        *old; /* versions that were replaced, for jobs that began with them; newest last */
    size_t old_len;
    uint64_t modules_revision; /* +1 by each change of them; no version is above it */
    struct service **services; /* sorted by name */
    size_t services_len;
    uint64_t services_revision; /* likewise */
    /* private: reference count */
    unsigned refs;
};

static inline uint32_t cache_context(uint32_t cache_id)
{
    return cache_id >> 16;
}

static inline uint32_t cache_number(uint32_t cache_id)
{
    return cache_id & 0xffff;
}

/* The hidden cache of a context. */
static inline uint32_t cache_hidden(uint32_t context_id)
{
    return context_id << 16 | CACHE_HIDDEN;
}

/* A catalog of revision 1 with context `default` (1 backup, sync) and cache `default/default`. One
 * reference, the caller's. */
struct catalog *catalog_new(void);
/* A copy to be changed and published; one reference, the caller's. */
struct catalog *catalog_copy(const struct catalog *c);
struct catalog *catalog_ref(struct catalog *c);
void catalog_unref(struct catalog *c); /* NULL is fine */
void catalog_check(const struct catalog *c);

/* Of contexts, caches, nodes, ... */
bool control_name_good(struct slice name);

/* Lookups: NULL when there is none. Borrowed from the catalog. */
const struct context_info *catalog_context(const struct catalog *c, uint32_t context_id);
const struct context_info *catalog_context_named(const struct catalog *c, struct slice name);
/* The hidden one, too: who takes an id from a client looks for that. */
const struct cache_info *catalog_cache(const struct catalog *c, uint32_t cache_id);
/* `path` is "context/cache". */
const struct cache_info *catalog_cache_named(const struct catalog *c, struct slice path);
/* Whether a cache was there once and is no more: ids are never used again, so one that is greater
 * than all that were given is one that this catalog does not know yet. `cache`: number within the
 * context; UINT32_MAX: the context. */
bool catalog_dropped(const struct catalog *c, uint32_t context_id, uint32_t cache);
/* The value of a setting by its index (enum setting_index of settings.h). */
int64_t catalog_setting(const struct catalog *c, unsigned index);
const struct module *catalog_module_named(const struct catalog *c, struct slice name);
/* In any case of letters; NULL: no module has it, or it is of another kind. */
const struct module_function *catalog_function(const struct catalog *c, struct slice name,
                                               const struct module **ret_module);
/* Of that kind, which is not that of Redis clients; `name` is MODULE.NAME, as they are written.
 * NULL: there is none. */
const struct module_function *catalog_code(const struct catalog *c, enum module_kind kind,
                                           struct slice name, const struct module **ret_module);
/* The version of its module that has that job, be it a replaced one; NULL: it is kept no more. */
const struct module *catalog_job_version(const struct catalog *c, struct slice name,
                                         uint64_t version);
/* Of a name that catalog_code() does not find: says why, in `why` (size WHY_BYTES). */
void catalog_code_missing(const struct catalog *c, enum module_kind kind, struct slice name,
                          char *why);
const struct module_function *catalog_task(const struct catalog *c, struct slice name,
                                           const struct module **ret_module);
/* `name` is MODULE.SERVICE. */
const struct service *catalog_service(const struct catalog *c, struct slice name);

/* Changes, on an unpublished copy only; the caller adds to the revision when it publishes. On an
 * error nothing is changed and `why` (size WHY_BYTES) says what was wrong, for the user.
 * context_create copies from `want` everything but ids and caches, and makes no cache. */
enum { WHY_BYTES = 200 };
MUST_USE
enum grid_err catalog_context_create(struct catalog *c, const struct context_info *want, char *why);
/* Replaces backups, memory_limit, min_in_sync, full_policy, nodes; durability sync<->async. Others:
 * GRID_EUNSUPPORTED. */
MUST_USE
enum grid_err catalog_context_alter(struct catalog *c, const struct context_info *want, char *why);
MUST_USE
enum grid_err catalog_context_drop(struct catalog *c, struct slice name, char *why);
MUST_USE
enum grid_err catalog_cache_create(struct catalog *c, struct slice path, msec_t ttl_ms, char *why);
MUST_USE
enum grid_err catalog_cache_drop(struct catalog *c, struct slice path, char *why);
MUST_USE
enum grid_err catalog_setting_set(struct catalog *c, struct slice name, int64_t value, char *why);
/* `want` gets its version. One of that name is replaced, or (`replace` false) GRID_EEXISTS. */
MUST_USE
enum grid_err catalog_module_deploy(struct catalog *c, const struct module_info *want, bool replace,
                                    char *why);
/* Empty: all of them. */
MUST_USE
enum grid_err catalog_module_remove(struct catalog *c, struct slice name, char *why);
/* Forget what was replaced. */
void catalog_modules_forget(struct catalog *c);

/* Who leads a partition of a context: number of a node, 0: nobody. */
typedef uint32_t catalog_leads_fn(const void *ctx, uint32_t context, uint32_t partition);
/* `want` gets its version, and the partitions of its instances: those it has already, as long as it
 * is of the same context, and new ones on as many nodes as there are (`leads`; NULL: there is one).
 * GRID_ENO_SERVICE: no module has its code. */
MUST_USE
enum grid_err catalog_service_deploy(struct catalog *c, const struct service_info *want,
                                     catalog_leads_fn *leads, const void *ctx, char *why);
/* Instance `number` of one of COPIES is bound to partition `to`, which none of it is, instead of
 * `from`. GRID_ESTALE: it is bound to another one; GRID_ECONDITION: that cannot be. */
struct service_move {
    struct slice name;
    uint32_t number, from, to;
};
MUST_USE
enum grid_err catalog_service_move(struct catalog *c, const struct service_move *m, char *why);
MUST_USE
enum grid_err catalog_service_stop(struct catalog *c, struct slice name, char *why);

/* Add one read from disk or a peer, ids as given (used when decoding a snapshot). GRID_ECORRUPT
 * when it breaks the invariant. */
MUST_USE
enum grid_err catalog_restore_context(struct catalog *c, const struct context_info *info);
/* By name; modules_revision is set before. */
MUST_USE
enum grid_err catalog_restore_module(struct catalog *c, const struct module_info *info);
/* One that was replaced; in their order. */
MUST_USE
enum grid_err catalog_restore_old(struct catalog *c, const struct module_info *info);
/* By name, behind all contexts; services_revision is set before. */
MUST_USE
enum grid_err catalog_restore_service(struct catalog *c, const struct service_info *info);
/* An empty catalog to restore into: no contexts, settings at their defaults. */
struct catalog *catalog_new_empty(void);

#endif
