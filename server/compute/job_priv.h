/* job_priv.h - what the files of jobs and schedules share. */
#ifndef GRIDD_COMPUTE_JOB_PRIV_H
#define GRIDD_COMPUTE_JOB_PRIV_H

#include "base/codec.h"
#include "command/command_priv.h"
#include "compute/job.h"

MUST_USE
bool job_step_decode(struct slice bytes, struct job_step *ret_step);
MUST_USE
bool job_write_decode(struct slice bytes, struct job_write *ret_write);

/* Leave `err`; nothing is changed. */
void job_refuse(struct call *c, enum grid_err err);
/* True: neither the grid nor this node has a job or task of that name, and the call is refused. */
MUST_USE
bool job_code_missing(struct call *c, struct slice name);
/* The bytes stay until the call's end. */
void job_row_put(struct call *c, uint32_t key, const struct job_row *row, msec_t deadline);
void job_reply_code(struct call *c, enum job_answer answer);
/* A job with that row is new: at key `key` of the call. */
void job_row_new(struct call *c, uint32_t key, struct job_row *row);
/* A run of a schedule has ended, as `row` says: schedule.c. GRID_EBUSY: see call_again(). */
MUST_USE
enum grid_err schedule_run_ended(struct call *c, const struct job_id *id,
                                 const struct job_row *row);

#endif
