/* errand.h - what sessions of different threads want of each other: a message published, a list of
 * clients. An errand visits every thread, does its work there among the sessions of that thread,
 * and its answers are gathered (session_ports.everywhere). */
#ifndef GRIDD_SESSION_ERRAND_H
#define GRIDD_SESSION_ERRAND_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct errands; /* opaque: what the sessions of one thread keep for each other */

enum { ERRAND_ARGS_MAX = 8 };

/* Errands for all nodes of the grid, by their numbers there. Numbers are for ever. */
enum errand_kind {
    ERRAND_HERE = 0, /* for the threads of this node */
    ERRAND_PUBLISH = 1,
    ERRAND_NAMES = 2,
    ERRAND_COUNTS = 3,
    ERRAND_JOBS = 4,
    ERRAND_BROADCAST = 5,
    ERRAND_WORK = 6, /* enum work */
    ERRAND_KINDS = ERRAND_WORK,
};

/* One piece of work; plain data but for the slices. */
struct errand {
    enum errand_kind kind;
    /* Returns what is to be summed up; appends to `out` what is to be given back. */
    uint64_t (*run)(struct errands *here, const struct errand *e, struct buf *out);
    int64_t number;
    uint32_t args_len;
    struct slice args[ERRAND_ARGS_MAX];
    uint32_t
        node; /* for this one alone, and not for the others; 0: for all, this node among them */
};

struct catalog;
/* What code that runs on this node sees of it (broadcast.c). */
struct errand_host {
    void *ctx;
    bool first; /* of the threads of the node: such code runs on one of them */
    const char *node;
    const struct catalog *(*catalog)(void *ctx);
    const char *const *(*labels)(void *ctx, size_t *ret_len);
    uint64_t (*mono_us)(void *nobody);
    const struct natives *natives; /* compute/native.h; may be NULL */
};

struct meters;
struct errands *errands_new(void);
void errands_host(struct errands *e, const struct errand_host *host);
/* After the sessions; those that are closed and wait for answers are freed, too. NULL is fine. */
void errands_free(struct errands *e);
/* What the sessions of this thread count; of the thread's. */
struct meters *errands_meters(struct errands *e);
/* Who tells of the jobs and schedules of this thread's partitions: appends JobLists. */
typedef void errand_jobs_fn(void *ctx, struct buf *out);
struct errand_jobs {
    errand_jobs_fn *tell; /* NULL: nobody does */
    void (*work)(void *ctx, const struct errand *e, struct buf *out);
    void *ctx;
};
/* What nodes ask each other of jobs: errand.number of ERRAND_WORK, for ever. */
enum work {
    WORK_LOAD = 0,  /* what runs there: coordination/spread.h */
    WORK_BEGIN = 1, /* a job: y or n */
    WORK_RUNS = 2,  /* whether it does: y or n */
    WORK_KINDS
};
/* On the first thread of a node; appends the answer. */
typedef void errand_work_fn(void *ctx, const struct errand *e, struct buf *out);
void errands_set_jobs(struct errands *e, errand_jobs_fn *tell, errand_work_fn *work, void *ctx);
/* Find what to run by the kind. False: there is no such kind, or what came from another node does
 * not fit it. */
bool errand_known(struct errand *e);
uint64_t errand_run(struct errands *here, const struct errand *e, struct buf *out);

#endif
