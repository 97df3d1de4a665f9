/* task_priv.h - a task that runs, as its files see it: keys as it left them so far. */
#ifndef GRIDD_COMPUTE_TASK_PRIV_H
#define GRIDD_COMPUTE_TASK_PRIV_H

#include "compute/report.h"
#include "compute/task.h"
#include "control/catalog.h"

enum {
    TASK_WRITTEN_MAX = 32 << 20, /* bytes of values that one task may write */
    TASK_CACHES = 4,             /* that it is remembered where they are */
};

/* A key as the task sees it: as it was, or as it made it. */
struct task_key {
    const struct cache_info *cache; /* NULL: it was not looked at */
    uint32_t number;                /* in the call */
    bool there, changed;
    bool valued;        /* changed: its value, too, which is the task's own */
    uint8_t type;       /* enum value_type */
    struct slice key;   /* the call's */
    struct slice value; /* the bytes of a BYTES or MEDIA value */
    size_t room;        /* that the task's own value has */
    uint64_t version;   /* 0: it is not there, or it is changed */
    msec_t deadline;    /* unix ms, 0: for ever */
};

struct task {
    struct call *call;
    struct slice name;      /* MODULE.TASK */
    struct task_key **keys; /* by their number in the call */
    uint32_t keys_len, keys_cap;
    size_t written, result_max;
    bool reads_only;
    const struct cache_info *caches[TASK_CACHES]; /* used last */
};

/* NULL: there is none of that name in the context; empty: that of the request. */
const struct cache_info *task_cache(struct task *t, struct slice name);
/* Errors as call_find(). */
MUST_USE
enum grid_err task_find(struct task *t, const struct cache_info *cache, struct slice key,
                        struct task_key **ret_key);
/* What it made of the key that an entry is of; NULL: nothing. */
const struct task_key *task_made(const struct task *t, const struct cache_info *cache,
                                 struct slice key);
/* The value is copied. GRID_EFULL: it would have written too much. */
MUST_USE
enum grid_err task_put(struct task *t, struct task_key *k, struct slice value, msec_t deadline);
/* Of one that is there. */
void task_expire(struct task_key *k, msec_t deadline);
void task_remove(struct task_key *k);
/* The value at `at` of the stack, a text or as JSON, is more of the result: a line of it, or all
 * that is left. */
void task_answer_add(lua_State *L, int at, bool line);
struct native;
/* native_task.c: one in C. */
void native_task_run(struct call *c, const struct native *f, struct slice name,
                     struct slice argument, size_t result_max);
/* All that it changed becomes the call's changes. */
void task_make(struct task *t);

#endif
