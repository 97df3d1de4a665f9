/* jobs.h - jobs and schedules of this node: a runner (coordination/runner.h) on each worker says
 * what is to be run, a pool of its own runs it (compute/job_run.h), and all of both is asked of
 * partitions by node/inside.h. */
#ifndef GRIDD_NODE_JOBS_H
#define GRIDD_NODE_JOBS_H

#include "coordination/runner.h"

struct jobs; /* of a node; opaque */
struct node;
struct worker;

/* Before the shards are made. */
void jobs_init(struct node *n);
/* False: no threads. Then: what runs is told to end; it has ended; nothing is left. */
MUST_USE
bool jobs_start(struct node *n);
void jobs_tell_stop(struct node *n);
void jobs_stop(struct node *n);
void jobs_free(struct node *n);

/* Of a worker; its loop is there. */
void jobs_worker_init(struct worker *w);
void jobs_worker_release(struct worker *w);
/* At the end of a turn. */
void jobs_turn(struct worker *w);

/* Numbers: of the partitions that a worker leads; of the node, which are set beside their sum. All
 * are uint64_t. */
struct job_stats {
    struct runner_stats runner;
    uint64_t attempts, handed, running, places; /* of the node */
};
void jobs_stats(const struct worker *w, struct job_stats *ret_stats);
void jobs_node_stats(struct node *n, struct job_stats *stats);

/* Ports of the shard. */
void jobs_led(void *worker, uint32_t context, uint16_t partition, bool led);
void jobs_touched(void *worker, uint32_t context, uint16_t partition, struct slice key);
bool jobs_admits(void *worker, struct slice name);

#endif
