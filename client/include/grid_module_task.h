/* grid_module_task.h - tasks in C, a part of grid_module.h: they run on the shard of their key, as
 * gridd-modules(7) tells of tasks, and hold up all who ask the same shard while they run. */
#ifndef GRID_MODULE_TASK_H
#define GRID_MODULE_TASK_H

#include <grid.h>

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif
#endif
