/* grid_module.h - native modules: functions in C that a node of a grid runs next to the data, in
 * its own process: tasks (here) and maps (grid_module_map.h). What they may do is what those in Lua
 * may do (gridd-modules(7)), without the bounds of a sandbox: a native function that crashes takes
 * its node along, and a task that takes long holds up all who ask the same shard.
 *
 * A program with a node inside names its modules in struct grid_node_conf (gridd.h). gridd loads
 * them from the files *.so of its `module_dir` (gridd.conf(5)), each of which says GRID_MODULE()
 * once. A function is known as MODULE.NAME; where the grid has a deployed one of that name, that
 * comes first. What a node has is its own affair: load a module at every node that may lead data it
 * is called for. None there: GRID_ENO_TASK.
 *
 * Nothing here has to be linked: all goes through the tables that a function is given. */
#ifndef GRID_MODULE_H
#define GRID_MODULE_H

#include <grid.h>
#include <grid_module_map.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when what was compiled before would not be understood; another one is refused by name.
 * Tables and structs of one ABI only grow at their ends. */
#define GRID_MODULE_ABI 1

/* --- a call that runs ------------------------------------------------------------------------- */

/* An entry as the function sees it, with its own changes. Bytes are borrowed: of a value until the
 * function changes that key, else until it returns. */
struct grid_seen {
    struct grid_bytes key, value;
    uint64_t version;     /* 0: the function has changed it, or it is not there */
    uint64_t deadline_ms; /* unix ms; 0: for ever */
    enum grid_type type;
};

struct grid_call;
struct grid_call_api { /* by the inline functions below */
    size_t size;
    enum grid_err (*get)(struct grid_call *c, const char *cache, struct grid_bytes key,
                         struct grid_seen *ret_seen);
    enum grid_err (*put)(struct grid_call *c, const char *cache, struct grid_bytes key,
                         struct grid_bytes value, const struct grid_write *how);
    enum grid_err (*remove)(struct grid_call *c, const char *cache, struct grid_bytes key);
    enum grid_err (*incr)(struct grid_call *c, const char *cache, struct grid_bytes key, int64_t by,
                          int64_t *ret_number);
    enum grid_err (*expire)(struct grid_call *c, const char *cache, struct grid_bytes key,
                            const struct grid_write *how);
    enum grid_err (*scan)(struct grid_call *c, const char *cache, struct grid_bytes prefix,
                          uint32_t limit, const struct grid_seen **ret_list, size_t *ret_len);
    enum grid_err (*result)(struct grid_call *c, struct grid_bytes bytes);
    enum grid_err (*emit)(struct grid_call *c, struct grid_bytes row);
    enum grid_err (*fail)(struct grid_call *c, const char *text);
    void (*log)(struct grid_call *c, const char *text);
    void *(*alloc)(struct grid_call *c, size_t bytes);
    uint64_t (*random)(struct grid_call *c);
};

/* What a function is given; good until it returns, on its thread. */
struct grid_call {
    const struct grid_call_api *api;
    struct grid_bytes key, argument;
    const char *cache; /* the one that was asked for, named within its context */
    uint64_t now_ms;   /* unix ms: the same for all of the call */
    void *ctx;         /* grid_native.ctx */
};

/* A task: key and argument are the caller's. All that it changes is one record with its result,
 * done exactly once when it returns GRID_OK; else nothing is changed, and the caller gets
 * GRID_ETASK with a text: that of grid_call_fail(), or that of the outcome. It must not wait, nor
 * keep anything of the call. It may be begun more than once before it is done: when a key has to be
 * fetched from disk, every function below says GRID_EBUSY from then on; return, and it begins
 * again. */
typedef enum grid_err grid_task_fn(struct grid_call *c);

/* `cache`, here and below: within the context of the call; NULL: the one that was asked for. Keys
 * are those of the call's partition. GRID_ENOT_FOUND. GRID_EWRONG_TYPE: a hash. GRID_ENO_CACHE,
 * GRID_EBAD_REQUEST, GRID_ETOO_LARGE; GRID_EFULL: more than 10000 keys. */
static inline enum grid_err grid_call_get(struct grid_call *c, const char *cache,
                                          struct grid_bytes key, struct grid_seen *ret_seen)
{
    return c->api->get(c, cache, key, ret_seen);
}

/* `how`: condition, version and time to live count; NULL: always, the cache's time to live. Of what
 * the function itself has written there is no version yet. GRID_ECONDITION; GRID_EFULL: more than
 * 32 MiB are written; GRID_EDENIED: the function is GRID_NATIVE_NO_WRITES, here and below. */
static inline enum grid_err grid_call_put(struct grid_call *c, const char *cache,
                                          struct grid_bytes key, struct grid_bytes value,
                                          const struct grid_write *how)
{
    return c->api->put(c, cache, key, value, how);
}

/* GRID_ENOT_FOUND: there was none. */
static inline enum grid_err grid_call_delete(struct grid_call *c, const char *cache,
                                             struct grid_bytes key)
{
    return c->api->remove(c, cache, key);
}

/* ret_number may be NULL. GRID_ENOT_NUMBER, GRID_EOVERFLOW. */
static inline enum grid_err grid_call_incr(struct grid_call *c, const char *cache,
                                           struct grid_bytes key, int64_t by, int64_t *ret_number)
{
    return c->api->incr(c, cache, key, by, ret_number);
}

/* Only its time to live, as how->ttl says. GRID_ENOT_FOUND. */
static inline enum grid_err grid_call_expire(struct grid_call *c, const char *cache,
                                             struct grid_bytes key, const struct grid_write *how)
{
    return c->api->expire(c, cache, key, how);
}

/* What a cache has in this partition, of keys that begin so, in no order; `limit` at most (0:
 * 1000; never more than 10000). Values of hashes are left out. */
static inline enum grid_err grid_call_scan(struct grid_call *c, const char *cache,
                                           struct grid_bytes prefix, uint32_t limit,
                                           const struct grid_seen **ret_list, size_t *ret_len)
{
    return c->api->scan(c, cache, prefix, limit, ret_list, ret_len);
}

/* More of the result; a row is a line of it. GRID_ETOO_LARGE: a result has 64 KiB at most, that of
 * a function that writes nothing as many as a value. */
static inline enum grid_err grid_call_result(struct grid_call *c, struct grid_bytes bytes)
{
    return c->api->result(c, bytes);
}
static inline enum grid_err grid_call_emit(struct grid_call *c, struct grid_bytes row)
{
    return c->api->emit(c, row);
}

/* Why it fails, for people, copied; returns GRID_ETASK, to be returned. */
static inline enum grid_err grid_call_fail(struct grid_call *c, const char *text)
{
    return c->api->fail(c, text);
}

/* A line of the node's log. */
static inline void grid_call_log(struct grid_call *c, const char *text)
{
    c->api->log(c, text);
}

/* Memory until the function returns; NULL: it had 32 MiB, with what it wrote. */
static inline void *grid_call_alloc(struct grid_call *c, size_t bytes)
{
    return c->api->alloc(c, bytes);
}
static inline uint64_t grid_call_random(struct grid_call *c)
{
    return c->api->random(c);
}

/* --- what a module has ------------------------------------------------------------------------ */

enum grid_native_kind { GRID_NATIVE_TASK = 1, GRID_NATIVE_MAP = 3 };
enum grid_native_flag { GRID_NATIVE_NO_WRITES = 1 };

struct grid_native {
    enum grid_native_kind kind;
    unsigned flags;     /* of enum grid_native_flag, or-ed; of tasks */
    const char *name;   /* a-z A-Z 0-9 _ , at most 64 */
    const char *help;   /* one line, or NULL */
    void *ctx;          /* grid_call.ctx; of a program: it may be called by several threads */
    grid_task_fn *task; /* GRID_NATIVE_TASK */
    /* GRID_NATIVE_MAP; all nodes that lead data of the cache, or are asked for the map, have it. */
    grid_map_fn *map;
    enum grid_reducer reducer;
    grid_reduce_fn *reduce; /* GRID_REDUCE_BY */
    grid_final_fn *final;   /* of what is reduced; or NULL */
};

struct grid_native_module {
    uint32_t abi;           /* GRID_MODULE_ABI */
    uint32_t function_size; /* sizeof(struct grid_native) */
    const char *name;       /* as of functions */
    const struct grid_native *functions;
    size_t functions_len; /* at most 128 */
};

/* A module of an array of functions: to be named in grid_node_conf; and of a file of its own. */
#define GRID_MODULE_INIT(its_name, array)                                                          \
    {                                                                                              \
        GRID_MODULE_ABI, (uint32_t)sizeof(struct grid_native), its_name, array,                    \
            sizeof(array) / sizeof((array)[0])                                                     \
    }
#define GRID_MODULE(its_name, array)                                                               \
    GRID_API const struct grid_native_module grid_module = GRID_MODULE_INIT(its_name, array)

#ifdef __cplusplus
}
#endif
#endif
