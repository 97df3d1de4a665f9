/* grid_module_broadcast.h - broadcasts in C, a part of grid_module.h: code that runs once on each
 * node, or on those with a label, as gridd-modules(7) tells of grid.broadcast(). It sees no data,
 * and runs on the thread of a shard: it should be quick, and must not wait. */
#ifndef GRID_MODULE_BROADCAST_H
#define GRID_MODULE_BROADCAST_H

#include <grid.h>

#ifdef __cplusplus
extern "C" {
#endif

struct grid_visit;
struct grid_visit_api { /* by the inline functions below */
    size_t size;
    enum grid_err (*result)(struct grid_visit *v, struct grid_bytes bytes);
    enum grid_err (*emit)(struct grid_visit *v, struct grid_bytes row);
    enum grid_err (*fail)(struct grid_visit *v, const char *text);
    void (*log)(struct grid_visit *v, const char *text);
    void *(*alloc)(struct grid_visit *v, size_t bytes);
};

/* What a broadcast is given; good until it returns, on its thread. */
struct grid_visit {
    const struct grid_visit_api *api;
    const char *node;          /* its name */
    const char *const *labels; /* of the node, "NAME=VALUE" */
    size_t labels_len;
    struct grid_bytes argument;
    void *ctx; /* grid_native.ctx */
};

/* Its rows and result are the node's answer, when it returns GRID_OK; else a text is, that of
 * grid_visit_fail() or that of the outcome, with GRID_ETASK. */
typedef enum grid_err grid_broadcast_fn(struct grid_visit *v);

/* More of the answer; a row is a line of it. GRID_ETOO_LARGE: it has 64 KiB at most. */
static inline enum grid_err grid_visit_result(struct grid_visit *v, struct grid_bytes bytes)
{
    return v->api->result(v, bytes);
}
static inline enum grid_err grid_visit_emit(struct grid_visit *v, struct grid_bytes row)
{
    return v->api->emit(v, row);
}

/* Why it fails, for people, copied; returns GRID_ETASK, to be returned. */
static inline enum grid_err grid_visit_fail(struct grid_visit *v, const char *text)
{
    return v->api->fail(v, text);
}

/* A line of the node's log. */
static inline void grid_visit_log(struct grid_visit *v, const char *text)
{
    v->api->log(v, text);
}

/* Memory until the function returns; NULL: more than 32 MiB. */
static inline void *grid_visit_alloc(struct grid_visit *v, size_t bytes)
{
    return v->api->alloc(v, bytes);
}

#ifdef __cplusplus
}
#endif
#endif
