/* job_run_priv.h - an attempt that runs, as its files see it. */
#ifndef GRIDD_COMPUTE_JOB_RUN_PRIV_H
#define GRIDD_COMPUTE_JOB_RUN_PRIV_H

#include "compute/job_run.h"
#include "compute/task_priv.h"

enum {
    JOB_WRITTEN_MAX = 32 << 20, /* bytes of what it gathers between two steps */
    JOB_KEYS_MAX = 9000,        /* keys it reads or writes between two steps */
};

/* A key that it read or wrote since the last step. */
struct job_key {
    struct job_write w;
    struct buf bytes; /* its key, then its value */
    bool read;        /* as it is stored: */
    bool there, hash;
    size_t stored_len; /* bytes of the stored value, behind the key; then what it wrote */
    uint32_t next;     /* of its bucket: place + 1 */
};

enum { JOB_BUCKETS = 1024 };
struct job_run {
    const struct job_run_conf *conf;
    const struct job_ports *ports;
    struct job_row row; /* step, state, ... as they are now */
    struct buf state;
    struct buf *out; /* the result, or why it failed */
    struct job_key *keys;
    uint32_t keys_len, keys_cap;
    uint32_t buckets[JOB_BUCKETS];
    size_t bytes;
    uint64_t runs; /* tasks that it ran since the last step */
    enum job_outcome outcome;
    bool over;
};

/* --- job_keys.c --- */

void job_keys_forget(struct job_run *r);
/* NULL: they are too many. A new one is neither read nor written. */
struct job_key *job_key_of(struct job_run *r, uint32_t cache, struct slice key);
struct slice job_key_value(const struct job_key *k);
void job_key_set(struct job_run *r, struct job_key *k, enum job_write_kind kind,
                 struct slice value);
/* A cache of the job's context. */
bool job_cache_named(const struct job_run *r, struct slice name, uint32_t *ret_cache);
/* As it is stored, once; what was added to it is added: GRID_ENOT_NUMBER, GRID_EOVERFLOW. Errors of
 * the port. */
MUST_USE
enum grid_err job_key_read(struct job_run *r, struct job_key *k);
/* GRID_ENOT_NUMBER, GRID_EOVERFLOW. */
MUST_USE
enum grid_err job_key_add(struct job_run *r, struct job_key *k, int64_t by);

/* --- the attempt --- */

/* Do a step with all that was gathered. True: taken. False: `r->over`, or *ret_err. */
bool job_step_do(struct job_run *r, struct job_step *s, enum grid_err *ret_err);
/* native_job.c: run the function in C. False: it failed, and r->out says why. */
bool job_native_run(struct job_run *r);
/* job_api.c: the table that the code is given is left on the stack. */
int job_api_push(lua_State *L, void *script);

#endif
