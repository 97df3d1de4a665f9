/* jobs.h - jobs and schedules as ops: what each door asks, and what the answer means. */
#ifndef GRIDD_SESSION_JOBS_H
#define GRIDD_SESSION_JOBS_H

#include "session/session_priv.h"
#include "wire/jobs.h"

enum { JOB_KEEP_MS = 3600000 };

/* `op` has cache, key, affinity and, what is an argument, value. It becomes what asks for `ask`, of
 * that name (SUBMIT: action JOB_ACTIONS_LEN). What it borrows stays until the arena is reset. */
struct fault session_job(struct session *s, struct op *op, struct slice name,
                         const struct job_ask *ask);

/* What an op borrows. */
enum { JOB_ARGS_MAX = 3 };
struct job_room {
    struct slice args[JOB_ARGS_MAX];
    struct slice key;
    uint8_t key_bytes[SCHEDULE_KEY_MAX]; /* the longer one */
    uint8_t numbers[2][8];
};
/* Cancel, when it is known that who asks may: from an answer, too. */
struct fault session_job_cancel(struct session *s, struct op *op, const struct job_id *id,
                                struct job_room *room);

/* What was told: the status is set, and the value is made of what a client is told, in `out` where
 * it is none of the result's. */
void session_job_said(struct session *s, unsigned action, struct result *res, struct buf *out);
/* It only looks: whether who asks may see it is known when the row is. Others take the right for
 * the name that they give (of none: of all code), which then has to be the job's. */
bool session_job_looks(unsigned action);
/* The row of a job that was looked at, of `res`. GRID_EDENIED: who asks may not run its code. */
MUST_USE
enum grid_err session_job_row(struct session *s, const struct result *res, struct job_row *ret_row);
/* For people; NULL: the text of the status says it. */
const char *session_job_why(unsigned action, enum grid_err err);

/* One of them, from another node, fits. */
bool jobs_errand(struct errand *e);
bool work_errand(struct errand *e);
/* All jobs and schedules of the grid: an errand, answered with a JobList. */
struct errand session_job_list(void);

#endif
