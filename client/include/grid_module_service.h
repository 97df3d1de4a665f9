/* grid_module_service.h - services in C, a part of grid_module.h: code that lives as long as its
 * instance is on this node, and is called by name, as gridd-services(7) tells. Each function runs
 * on a thread of the node that services have of their own, one of an instance at a time, and may
 * wait for what it asks; for nothing else, and not for long: there are few such threads. */
#ifndef GRID_MODULE_SERVICE_H
#define GRID_MODULE_SERVICE_H

#include <grid_module_task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct grid_instance;
struct grid_instance_api { /* by the inline functions below */
    size_t size;
    enum grid_err (*get)(struct grid_instance *i, const char *cache, struct grid_bytes key,
                         struct grid_bytes affinity, struct grid_seen *ret_seen);
    enum grid_err (*put)(struct grid_instance *i, const char *cache, struct grid_bytes key,
                         struct grid_bytes value, const struct grid_write *how,
                         uint64_t *ret_version);
    enum grid_err (*remove)(struct grid_instance *i, const char *cache, struct grid_bytes key,
                            const struct grid_write *how);
    enum grid_err (*incr)(struct grid_instance *i, const char *cache, struct grid_bytes key,
                          int64_t by, const struct grid_write *how, int64_t *ret_number);
    enum grid_err (*run)(struct grid_instance *i, const char *cache, const char *task,
                         struct grid_bytes key, struct grid_bytes affinity,
                         struct grid_bytes argument, struct grid_bytes *ret_result);
    enum grid_err (*answer)(struct grid_instance *i, struct grid_bytes bytes);
    enum grid_err (*fail)(struct grid_instance *i, const char *text);
    void (*log)(struct grid_instance *i, const char *text);
    void *(*alloc)(struct grid_instance *i, size_t bytes);
    bool (*over)(struct grid_instance *i);
    void (*forget)(struct grid_instance *i);
};

/* An instance, the same in all that runs in its life. */
struct grid_instance {
    const struct grid_instance_api *api;
    const char *name, *node;    /* MODULE.NAME; that of the node */
    struct grid_bytes argument; /* that it was deployed with */
    struct grid_bytes key;      /* of mode key; else empty */
    uint32_t number;            /* of copies: which one, from 0 */
    uint64_t token;             /* fencing: greater than those of all that lived before */
    void *ctx;                  /* grid_native.ctx, of all instances */
    void *own;                  /* the instance's own: NULL at first */
};

/* start: before all others; an outcome other than GRID_OK: it does not live, and is started again
 * after a while. stop: after all others, when start has failed, too: what is held is let go; the
 * instance may live elsewhere by then. health: each second; other than GRID_OK: it is stopped, and
 * started anew. tick: every grid_native.every_ms. */
typedef enum grid_err grid_service_fn(struct grid_instance *i);

/* A call: what it says with grid_instance_answer() is its answer, when it returns GRID_OK; else its
 * caller gets GRID_ESERVICE with a text, that of grid_instance_fail() or that of the outcome. */
typedef enum grid_err grid_service_call_fn(struct grid_instance *i, struct grid_bytes method,
                                           struct grid_bytes argument);

/* `cache`: "context/cache", or one of the service's context. Of any partition: an affinity key that
 * the key was written with is said (in how->affinity). What lies in the partition that the instance
 * lives with is done only while it does: GRID_EDENIED: it does not live here any more, here and
 * below. What is got stays until the function returns, or grid_instance_forget(); GRID_EFULL: there
 * are 32 MiB of it, and nothing was asked. Hashes cannot be used. GRID_EIN_DOUBT: it may have been
 * done. GRID_ENOT_FOUND and the like: as in grid.h. */
static inline enum grid_err grid_instance_get(struct grid_instance *i, const char *cache,
                                              struct grid_bytes key, struct grid_bytes affinity,
                                              struct grid_seen *ret_seen)
{
    return i->api->get(i, cache, key, affinity, ret_seen);
}

/* `how`, here and below: condition, version, time to live, affinity; NULL: always, the cache's time
 * to live. ret_version and ret_number may be NULL. */
static inline enum grid_err grid_instance_put(struct grid_instance *i, const char *cache,
                                              struct grid_bytes key, struct grid_bytes value,
                                              const struct grid_write *how, uint64_t *ret_version)
{
    return i->api->put(i, cache, key, value, how, ret_version);
}
static inline enum grid_err grid_instance_delete(struct grid_instance *i, const char *cache,
                                                 struct grid_bytes key,
                                                 const struct grid_write *how)
{
    return i->api->remove(i, cache, key, how);
}
static inline enum grid_err grid_instance_incr(struct grid_instance *i, const char *cache,
                                               struct grid_bytes key, int64_t by,
                                               const struct grid_write *how, int64_t *ret_number)
{
    return i->api->incr(i, cache, key, by, how, ret_number);
}

/* A task; ret_result may be NULL. */
static inline enum grid_err grid_instance_run(struct grid_instance *i, const char *cache,
                                              const char *task, struct grid_bytes key,
                                              struct grid_bytes affinity,
                                              struct grid_bytes argument,
                                              struct grid_bytes *ret_result)
{
    return i->api->run(i, cache, task, key, affinity, argument, ret_result);
}

/* More of the answer. GRID_ETOO_LARGE: it has 16 MiB at most. */
static inline enum grid_err grid_instance_answer(struct grid_instance *i, struct grid_bytes bytes)
{
    return i->api->answer(i, bytes);
}

/* Why it fails, for people, copied; returns GRID_ESERVICE, to be returned. */
static inline enum grid_err grid_instance_fail(struct grid_instance *i, const char *text)
{
    return i->api->fail(i, text);
}

/* A line of the node's log. */
static inline void grid_instance_log(struct grid_instance *i, const char *text)
{
    i->api->log(i, text);
}

/* Memory until the function returns; NULL: more than 32 MiB, with what it has got. */
static inline void *grid_instance_alloc(struct grid_instance *i, size_t bytes)
{
    return i->api->alloc(i, bytes);
}

/* What it has got, and that memory, is not needed any more. */
static inline void grid_instance_forget(struct grid_instance *i)
{
    i->api->forget(i);
}

/* It does not live here any more: what takes long should end. */
static inline bool grid_instance_over(struct grid_instance *i)
{
    return i->api->over(i);
}

#ifdef __cplusplus
}
#endif
#endif
