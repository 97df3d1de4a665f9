/* jobs_priv.h - what the files of jobs share. */
#ifndef GRIDD_NODE_JOBS_PRIV_H
#define GRIDD_NODE_JOBS_PRIV_H

#include "compute/job_run.h"
#include "node/inside.h"
#include "node/jobs.h"
#include "node/node_priv.h"
#include "node/pool.h"
#include "session/errand.h"

struct jobs {
    struct node *node;
    struct pool *pool;
    unsigned threads, of_module; /* that run at once */
    pthread_mutex_t lock;        /* of what follows */
    struct list running;         /* of struct attempt */
    unsigned running_len;
    struct job_places *places; /* job_places.c */
    atomic_ullong handed;      /* jobs that another node was told to begin */
    uint64_t attempts;         /* begun here; with the lock */
};

/* One that runs on this node. */
enum { SCANS_KEPT = 2 };
struct attempt {
    struct pool_work work;
    struct list link; /* in jobs.running */
    struct jobs *jobs;
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
    struct attempt_snapshot *scans[SCANS_KEPT]; /* attempt_scan.c; the newest first */
    struct buf affinity, cursor;
    msec_t deadline;
};

/* jobs.c: begin it on this node. */
enum runner_place attempt_start(struct worker *w, const struct runner_job *job);
bool jobs_run_here(struct jobs *j, const struct runner_job *job);
/* The row of a job, or that there is none any more: ends those attempts here that are not its. */
void job_row_seen(struct worker *w, struct slice key, struct slice value, bool there);
/* Of MODULE.NAME. */
static inline struct slice module_part(struct slice name)
{
    const uint8_t *dot = name.len ? memchr(name.data, '.', name.len) : NULL;
    return slice_make(name.data, dot ? (size_t)(dot - name.data) : name.len);
}

/* job_places.c: where a job goes that need not, or cannot, run here. */
enum { WATCH_MS = 1000, LATER_MS = 100 };
enum runner_place job_places_start(struct worker *w, const struct runner_job *job);
/* Ask `node` whether it runs it; the runner is told when it does not. */
void job_places_runs(struct worker *w, uint32_t node, const struct runner_job *job);
/* Look at the rows of what runs here and is led elsewhere, now and then. Returns the ms until it
 * wants to be called again; UINT64_MAX: there is nothing of that kind. */
msec_t job_places_watch(struct worker *w);
/* What another node asks; see errand_work_fn. */
void job_places_told(void *worker, const struct errand *e, struct buf *out);
void job_places_release(struct worker *w);
struct job_places *job_places_new(void);
void job_places_free(struct job_places *p);

/* attempts.c: asked again until it is known, or the attempt has to end. What it borrows stays until
 * the next one. */
enum grid_err attempt_ask(struct attempt *a, const struct op *op);
/* attempt_scan.c: job_ports.scan; forget what was scanned. */
enum grid_err attempt_scan(void *attempt, uint32_t cache, struct slice prefix, struct slice cursor,
                           uint32_t limit, struct job_page *ret_page);
void attempt_scans_forget(struct attempt *a);

/* attempts.c: run it; frees nothing. */
void attempt_run(struct attempt *a);
/* A call of a procedure at a job's or schedule's key in the hidden cache, which `key` is. `args`
 * begin with the name. */
struct op jobs_op(uint32_t context, uint16_t partition, const struct slice *key,
                  procedure_fn *procedure, const struct slice *args, uint32_t args_len);

#endif
