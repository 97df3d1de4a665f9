/* measure.h - the numbers of a node, for gridctl, monitoring systems and Redis's INFO: each
 * worker tells what it has, control adds it up and makes samples of it (base/metrics.h). */
#ifndef GRIDD_NODE_MEASURE_H
#define GRIDD_NODE_MEASURE_H

#include "node/jobs.h"
#include "node/mapping.h"
#include "node/node_priv.h"
#include "wire/admin.h"

struct process_stats {
    uint64_t cpu_us, resident_bytes, open_fds, max_fds, threads, started_ms;
};

struct grid_stats {
    uint64_t revision, nodes, nodes_down, peers, leader, voter, term, leader_changes, failovers;
    uint64_t primaries, backups, joining_here; /* copies here */
    uint64_t unled, lost, short_of_copies, below_min, joining;
};

/* The names of its fields stand in metrics.def. */
struct measures {
    struct shard_stats stats;
    struct loop_stats loop;
    struct wal_stats wal;
    struct checkpoint_stats checkpoint;
    struct meters meters;
    struct histogram syncs, folds;
    struct job_stats jobs;
    struct map_stats maps; /* likewise of the node */
    uint64_t log_records, log_lag, folded_records, checkpoint_lag;
    /* Of the node as a whole: set by measures_tell(). */
    struct process_stats process;
    uint64_t shards, certificate_expiry;
    struct grid_stats grid;
};

/* What is wrong with a node, so that it is not ready. */
struct problem {
    const char *reason; /* one word, for machines */
    char text[240];     /* for people */
};
enum { PROBLEMS_MAX = 5 };

/* On the worker. */
void measures_visit(struct worker *w, struct measures *to);
/* On control. */
void measures_add(struct measures *to, const struct measures *from);
size_t measures_problems(const struct node *n, const struct measures *sum,
                         struct problem list[PROBLEMS_MAX]);
/* Append all samples; `usage`: of the contexts, in the order of the catalog. */
void measures_tell(struct node *n, const struct catalog *catalog, struct measures *sum,
                   const struct shard_usage *usage, struct buf *samples);
/* The same for gridctl. `names` keeps the texts, the list is the caller's. */
struct admin_metric *measures_admin(struct slice samples, struct buf *names, size_t *ret_len);

#endif
