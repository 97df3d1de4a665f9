/* grid_module_job.h - jobs in C, a part of grid_module.h: long work in the partition of its key, as
 * gridd-modules(7), JOBS, tells. An attempt of a job runs on a thread of the node that jobs have of
 * their own: it may take as long as it likes, and waits for what it asks. Nothing ends it but
 * itself: when the attempt is over (cancelled, out of time, or another one has begun elsewhere)
 * each function below says GRID_ESTOPPING from then on, and it should return. */
#ifndef GRID_MODULE_JOB_H
#define GRID_MODULE_JOB_H

#include <grid_module_task.h>

#ifdef __cplusplus
extern "C" {
#endif

struct grid_attempt;
struct grid_attempt_api { /* by the inline functions below */
    size_t size;
    enum grid_err (*get)(struct grid_attempt *a, const char *cache, struct grid_bytes key,
                         struct grid_seen *ret_seen);
    enum grid_err (*put)(struct grid_attempt *a, const char *cache, struct grid_bytes key,
                         struct grid_bytes value, const struct grid_write *how);
    enum grid_err (*remove)(struct grid_attempt *a, const char *cache, struct grid_bytes key);
    enum grid_err (*incr)(struct grid_attempt *a, const char *cache, struct grid_bytes key,
                          int64_t by);
    enum grid_err (*scan)(struct grid_attempt *a, const char *cache, struct grid_bytes prefix,
                          struct grid_bytes *cursor, uint32_t limit,
                          const struct grid_seen **ret_list, size_t *ret_len);
    enum grid_err (*checkpoint)(struct grid_attempt *a, struct grid_bytes state, double progress);
    enum grid_err (*run)(struct grid_attempt *a, const char *cache, const char *task,
                         struct grid_bytes key, struct grid_bytes argument,
                         struct grid_bytes *ret_result);
    enum grid_err (*result)(struct grid_attempt *a, struct grid_bytes bytes);
    enum grid_err (*fail)(struct grid_attempt *a, const char *text);
    void (*log)(struct grid_attempt *a, const char *text);
    void *(*alloc)(struct grid_attempt *a, size_t bytes);
    bool (*stopped)(struct grid_attempt *a);
};

/* What a job is given; good until it returns, on its thread. */
struct grid_attempt {
    const struct grid_attempt_api *api;
    const char *id; /* of the job, as clients write it */
    struct grid_bytes key, argument;
    bool has_state;          /* it goes on from a checkpoint: */
    struct grid_bytes state; /* what that kept; of the one before, once it has made another */
    uint32_t number;         /* which attempt, from 1 */
    void *ctx;               /* grid_native.ctx */
};

/* GRID_OK: it is done, with its result, and all that it wrote since its last checkpoint. Else it
 * has failed, with a text, that of grid_attempt_fail() or that of the outcome, and is tried again
 * if it was submitted so. It may be begun more than once: from its last checkpoint, when its node
 * has died, or a key that it had read was changed meanwhile. So it keeps nothing outside. */
typedef enum grid_err grid_job_fn(struct grid_attempt *a);

/* Keys of the job's partition, in any cache of its context; NULL: the job's. What is got is as it
 * was committed, or as the job left it, and stays until the job changes that key, or its next
 * checkpoint. GRID_ENOT_FOUND; GRID_EWRONG_TYPE: a hash; GRID_ENO_CACHE, GRID_EBAD_REQUEST;
 * GRID_EFULL: more than 9000 keys, or 32 MiB, since the last checkpoint. */
static inline enum grid_err grid_attempt_get(struct grid_attempt *a, const char *cache,
                                             struct grid_bytes key, struct grid_seen *ret_seen)
{
    return a->api->get(a, cache, key, ret_seen);
}

/* Gathered, and done with the next checkpoint or the end. Of `how` (may be NULL) the time to live
 * counts. */
static inline enum grid_err grid_attempt_put(struct grid_attempt *a, const char *cache,
                                             struct grid_bytes key, struct grid_bytes value,
                                             const struct grid_write *how)
{
    return a->api->put(a, cache, key, value, how);
}
static inline enum grid_err grid_attempt_delete(struct grid_attempt *a, const char *cache,
                                                struct grid_bytes key)
{
    return a->api->remove(a, cache, key);
}

/* Reads nothing, so it meets no conflict. GRID_ENOT_NUMBER, GRID_EOVERFLOW: now, or where it is
 * done, which fails the job. */
static inline enum grid_err grid_attempt_incr(struct grid_attempt *a, const char *cache,
                                              struct grid_bytes key, int64_t by)
{
    return a->api->incr(a, cache, key, by);
}

/* A page of what is committed, of keys that begin so; 1000 entries if `limit` is 0. *cursor is
 * empty at first, and again behind the last page; else it is for the next one. Page and cursor stay
 * until the next scan. Values of hashes are left out; nothing of it is remembered as read. Pages
 * are in the order of keys and of one moment, up to 32 MiB: see gridd-modules(7). */
static inline enum grid_err grid_attempt_scan(struct grid_attempt *a, const char *cache,
                                              struct grid_bytes prefix, struct grid_bytes *cursor,
                                              uint32_t limit, const struct grid_seen **ret_list,
                                              size_t *ret_len)
{
    return a->api->scan(a, cache, prefix, cursor, limit, ret_list, ret_len);
}

/* Do all that was gathered, and keep the state (1 MiB at most), as one change. `progress`: 0 to 1;
 * less than 0: as before. GRID_ESTOPPING: also when a key that was read has changed: nothing was
 * done, return, and the job goes on from its last checkpoint. */
static inline enum grid_err grid_attempt_checkpoint(struct grid_attempt *a, struct grid_bytes state,
                                                    double progress)
{
    return a->api->checkpoint(a, state, progress);
}

/* A task of any partition, once, if the job does the same again from the same state. The result
 * (ret_result may be NULL) stays until the next one. GRID_ETASK: it failed, and its text is the
 * result. */
static inline enum grid_err grid_attempt_run(struct grid_attempt *a, const char *cache,
                                             const char *task, struct grid_bytes key,
                                             struct grid_bytes argument,
                                             struct grid_bytes *ret_result)
{
    return a->api->run(a, cache, task, key, argument, ret_result);
}

/* More of the result. GRID_ETOO_LARGE: it has 64 KiB at most. */
static inline enum grid_err grid_attempt_result(struct grid_attempt *a, struct grid_bytes bytes)
{
    return a->api->result(a, bytes);
}

/* Why it fails, for people, copied; returns GRID_ETASK, to be returned. */
static inline enum grid_err grid_attempt_fail(struct grid_attempt *a, const char *text)
{
    return a->api->fail(a, text);
}

/* A line of the node's log. */
static inline void grid_attempt_log(struct grid_attempt *a, const char *text)
{
    a->api->log(a, text);
}

/* Memory until the job returns; NULL: more than 32 MiB. */
static inline void *grid_attempt_alloc(struct grid_attempt *a, size_t bytes)
{
    return a->api->alloc(a, bytes);
}

/* The attempt is over. */
static inline bool grid_attempt_stopped(struct grid_attempt *a)
{
    return a->api->stopped(a);
}

#ifdef __cplusplus
}
#endif
#endif
