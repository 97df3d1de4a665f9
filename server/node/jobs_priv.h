/* jobs_priv.h - what the files of jobs share. */
#ifndef GRIDD_NODE_JOBS_PRIV_H
#define GRIDD_NODE_JOBS_PRIV_H

#include "compute/job_run.h"
#include "node/inside.h"
#include "node/jobs.h"
#include "node/node_priv.h"
#include "node/pool.h"

struct jobs {
    struct node *node;
    struct pool *pool;
    unsigned threads, of_module; /* that run at once */
    pthread_mutex_t lock;        /* of what follows */
    struct list running;         /* of struct attempt */
    unsigned running_len;
};

/* One that runs on this node. */
struct attempt {
    struct pool_work work;
    struct list link; /* in jobs.running */
    struct jobs *jobs;
    struct worker *worker; /* that asked for it */
    struct job_id id;
    uint32_t context;
    uint16_t partition;
    uint64_t number;
    atomic_bool fenced;
    char self[JOB_NODE_MAX + 1];
    char module[MODULE_NAME_MAX + 1];
    struct catalog *catalog;
    struct inside_answer answer; /* what code was given last */
    struct job_item *items;
    struct buf affinity;
    msec_t deadline;
};

/* attempts.c: run it; frees nothing. */
void attempt_run(struct attempt *a);
/* A call of a procedure at a job's or schedule's key in the hidden cache, which `key` is. `args`
 * begin with the name. */
struct op jobs_op(uint32_t context, uint16_t partition, const struct slice *key,
                  procedure_fn *procedure, const struct slice *args, uint32_t args_len);

#endif
