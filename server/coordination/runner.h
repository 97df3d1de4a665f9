/* runner.h - which jobs and schedules of one shard are to be run, and when. Pure: it knows what the
 * hidden cache has of the partitions that the shard leads, by reading it, and acts on what is
 * committed only. What it decides is asked of the procedures of compute/job.h, which say whether it
 * is so: a runner that knows too little, or too much, does no harm.
 *
 *   led ----> SCAN of the partition -.        timer: due, deadline, next tick, nobody runs it
 *   touched -> GET of the key --------+-> item ---+-> ready (queue.h) -> start, when there is a
 *                                                 |   place, here or on a node with its labels
 *                                                 '-> expire, fire
 *
 * Who runs a job stands in its row; it goes on there when another node leads the partition. Only
 * when that life of that node is over (or it says that it does not run it) the job is begun again,
 * from its checkpoint, by whoever leads. Invariant (runner_check): see there. */
#ifndef GRIDD_COORDINATION_RUNNER_H
#define GRIDD_COORDINATION_RUNNER_H

#include "compute/job.h"
#include "compute/schedule.h"

struct runner; /* opaque */

enum runner_place {
    RUNNER_STARTED,     /* it was asked to begin, here or at another node */
    RUNNER_NODE_FULL,   /* no more run on this node now */
    RUNNER_MODULE_FULL, /* ... of this module */
    RUNNER_NOWHERE,     /* no node has its labels */
    RUNNER_LATER,       /* of those nodes that may run it none has a place, as far as is known */
};

struct runner_job {
    struct job_id id;
    uint32_t context;
    uint16_t partition;
    uint64_t attempt; /* that is to begin */
    struct slice name, labels;
    bool anywhere; /* it may as well run at a node that does not lead its partition */
};

/* What it wants done; none calls back into it. */
struct runner_ports {
    void *ctx;
    /* Whether the hidden cache has anything of it. */
    bool (*holds)(void *ctx, uint32_t context, uint16_t partition);
    /* Read: answered by runner_page(), runner_row() or runner_unread(), with the same era. */
    void (*scan)(void *ctx, uint64_t era, uint32_t context, uint16_t partition,
                 struct slice cursor);
    void (*look)(void *ctx, uint64_t era, uint32_t context, uint16_t partition, struct slice key);
    enum runner_place (*start)(void *ctx, const struct runner_job *job);
    /* Whether `node`, as a row says it, may be running that attempt. */
    bool (*alive)(void *ctx, struct slice node, const struct runner_job *job);
    /* The step JOB_STEP_EXPIRE; a tick. `row` is borrowed. */
    void (*expire)(void *ctx, uint32_t context, uint16_t partition, const struct job_id *id);
    void (*fire)(void *ctx, uint32_t context, uint16_t partition, struct slice key,
                 const struct schedule_row *row, msec_t tick);
};

struct runner *runner_new(const struct runner_ports *ports);
void runner_free(struct runner *r); /* NULL is fine */

/* shard_ports.led, shard_ports.touched. */
void runner_led(struct runner *r, uint32_t context, uint16_t partition, bool led);
void runner_touched(struct runner *r, uint32_t context, uint16_t partition, struct slice key);

struct runner_entry {
    struct slice key, value;
    uint64_t version; /* 0: it is not there */
};
void runner_row(struct runner *r, uint64_t era, uint32_t context, uint16_t partition,
                const struct runner_entry *e);
/* `cursor` empty: that is all. */
void runner_page(struct runner *r, uint64_t era, uint32_t context, uint16_t partition,
                 const struct runner_entry *list, size_t len, struct slice cursor);
/* It could not be read, now; `key` empty: the page. */
void runner_unread(struct runner *r, uint64_t era, uint32_t context, uint16_t partition,
                   struct slice key, msec_t now);

/* Who was to begin that attempt, or to run it, says that he does not. */
void runner_lost(struct runner *r, uint32_t context, uint16_t partition, const struct job_id *id,
                 uint64_t attempt, msec_t now);

/* Do what is due. Returns the ms until it wants to be called again; UINT64_MAX: not by itself. To
 * be called after each of the above, and when a place has become free. */
msec_t runner_tick(struct runner *r, msec_t now);

/* Jobs that are queued here: of the module that the name begins with; empty: all. */
size_t runner_queued(const struct runner *r, struct slice name);

struct runner_stats {
    uint64_t queued, running, ended, schedules; /* now; ended ones are kept for a while */
    uint64_t started, taken_over, fired, done, failed, cancelled;
};
void runner_stats(const struct runner *r, struct runner_stats *ret_stats);
/* All that it knows, in any order: key and row, of a job without arg, state and result. */
typedef void runner_each_fn(void *ctx, uint32_t context, struct slice key, struct slice row);
void runner_each(const struct runner *r, runner_each_fn *each, void *ctx);
void runner_check(const struct runner *r);

#endif
