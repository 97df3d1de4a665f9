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

/* What was told: the status is set, and the value is made of what a client is told, in `out` where
 * it is none of the result's. */
void session_job_said(const struct session *s, unsigned action, struct result *res,
                      struct buf *out);
/* For people; NULL: the text of the status says it. */
const char *session_job_why(unsigned action, enum grid_err err);

/* One of them, from another node, fits. */
bool jobs_errand(struct errand *e);
/* All jobs and schedules of the grid: an errand, answered with a JobList. */
struct errand session_job_list(void);

#endif
