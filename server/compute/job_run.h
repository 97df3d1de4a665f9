/* job_run.h - one attempt of a job: its code on a machine of its own, beside the shards. It asks
 * for what it reads by ports that wait for the answer, so it has a thread for as long as it runs;
 * what it writes is gathered and goes out with its next step. */
#ifndef GRIDD_COMPUTE_JOB_RUN_H
#define GRIDD_COMPUTE_JOB_RUN_H

#include "compute/job.h"

struct job_got {
    bool there;
    uint64_t version;
    struct slice value; /* borrowed until the next call of a port */
    bool hash;          /* its value is none of bytes */
};

struct job_item {
    struct slice key, value;
    uint64_t version;
    bool hash;
};

struct job_page {
    const struct job_item *items; /* borrowed until the next call of a port */
    size_t len;
    struct slice cursor; /* empty: that was the end */
};

/* All wait; errors of get, scan and run are the code's, which may catch them. */
struct job_ports {
    void *ctx;
    enum grid_err (*get)(void *ctx, uint32_t cache, struct slice key, struct job_got *ret_got);
    enum grid_err (*scan)(void *ctx, uint32_t cache, struct slice prefix, struct slice cursor,
                          uint32_t limit, struct job_page *ret_page);
    /* Asked again until it is known what became of it, or the attempt is over (JOB_FENCED).
     * `*ret_err`: the job's writes cannot be done. */
    enum job_answer (*step)(void *ctx, const struct job_step *step, const struct slice *writes,
                            uint32_t writes_len, enum grid_err *ret_err);
    /* A task of any partition; `number` names it among those of the job (R13): once for each. Of
     * one that failed the value is why. */
    enum grid_err (*run)(void *ctx, struct slice task, uint32_t cache, struct slice key,
                         struct slice arg, uint64_t number, struct job_got *ret_got);
    /* Cancelled, fenced, or the node stops: looked at by the hook, so often. */
    bool (*stopped)(void *ctx);
    uint64_t (*now_us)(void *ctx);
    void (*log)(void *ctx, const char *text);
};

struct native;
struct job_run_conf {
    const struct catalog *catalog;
    const struct module *module; /* of a job; */
    const struct native *native; /* or one in C; of a task neither: it is run, that is all */
    struct job_row row;          /* as the attempt began, or went on */
    struct job_id id;
    size_t memory;
    uint64_t time_us; /* until its deadline; 0: it has none */
};

enum job_outcome {
    JOB_RUN_ENDED,    /* its last step was taken */
    JOB_RUN_CONFLICT, /* what it had read has changed: from the last checkpoint again */
    JOB_RUN_LOST,     /* it is not this attempt's any more, or has to end */
};
enum job_outcome job_run(const struct job_run_conf *conf, const struct job_ports *ports);

#endif
