/* jobs.h - what clients ask of jobs and schedules, and what they are told: messages JobAsk and
 * JobList of client.proto. */
#ifndef GRIDD_WIRE_JOBS_H
#define GRIDD_WIRE_JOBS_H

#include "compute/schedule.h"

/* X(NAME, code of client.proto, text) */
#define JOB_ACTIONS(X)                                                                             \
    X(JOB_SHOW, 0, "show")                                                                         \
    X(JOB_CANCEL, 1, "cancel")                                                                     \
    X(JOB_LIST, 2, "list")                                                                         \
    X(SCHEDULE_CREATE, 3, "create")                                                                \
    X(SCHEDULE_PAUSE, 4, "pause")                                                                  \
    X(SCHEDULE_RESUME, 5, "resume")                                                                \
    X(SCHEDULE_REMOVE, 6, "remove")                                                                \
    X(SCHEDULE_RUN, 7, "run")                                                                      \
    X(SCHEDULE_SHOW, 8, "show")

enum job_action {
#define X(name, code, text) ACTION_##name = (code),
    JOB_ACTIONS(X)
#undef X
        JOB_ACTIONS_LEN
};

struct job_ask {
    unsigned action; /* may be any number */
    struct slice id, labels, schedule, cron;
    uint64_t priority, attempts, backoff_ms, time_ms, delay_ms, keep_ms, every_ms;
};

/* Append a JobList of one: such lists behind each other are one list. `catalog` names caches. */
void wire_job_add(struct buf *out, const struct catalog *catalog, const struct job_id *id,
                  const struct job_row *row);
void wire_schedule_add(struct buf *out, const struct catalog *catalog,
                       const struct schedule_row *row);
/* The same for entries of the hidden cache. False: it is none. */
bool wire_hidden_add(struct buf *out, const struct catalog *catalog, struct slice key,
                     struct slice row);

#endif
