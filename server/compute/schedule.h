/* schedule.h - schedules as data: what the hidden cache has of each, and the procedures that change
 * it. A schedule lives in the partition of its key. Its ticks are times; that of a tick (fire)
 * moves the schedule on and puts a job there, as one record: so there is one run of each tick in
 * the grid, whoever fires it, and nothing of one when it is not done. Of ticks that nobody fired,
 * for all copies were away or it was paused, the latest is caught up with, once. */
#ifndef GRIDD_COMPUTE_SCHEDULE_H
#define GRIDD_COMPUTE_SCHEDULE_H

#include "compute/cron.h"
#include "compute/job.h"

enum {
    SCHEDULE_NAME_MAX = NAME_BYTES_MAX,
    SCHEDULE_RUNS = 20, /* that its history has */
    SCHEDULES_PER_PARTITION = 1000,
    SCHEDULE_EVERY_MIN = 1000, /* ms */
};

/* X(field, largest) */
#define SCHEDULE_NUMBERS(X)                                                                        \
    X(every_ms, JOB_MS_MAX) /* 0: by `cron` */                                                     \
    X(made, UINT64_MAX)                                                                            \
    X(last, UINT64_MAX) /* tick that was fired last; at first: when it was made */                 \
    X(paused, 1)                                                                                   \
    X(priority, JOB_PRIORITIES - 1)                                                                \
    X(cache, UINT32_MAX)                                                                           \
    X(slot, 16383)                                                                                 \
    X(attempts_max, JOB_ATTEMPTS_MAX)                                                              \
    X(backoff_ms, JOB_MS_MAX)                                                                      \
    X(time_ms, JOB_MS_MAX) /* from a tick to its job's deadline; 0: none */                        \
    X(keep_ms, JOB_MS_MAX)                                                                         \
    X(fired, UINT64_MAX) /* runs so far */

#define SCHEDULE_SLICES(X)                                                                         \
    X(name, SCHEDULE_NAME_MAX)                                                                     \
    X(cron, CRON_TEXT_MAX)                                                                         \
    X(job, 2 * MODULE_NAME_MAX + 1) /* MODULE.JOB, or a task */                                    \
    X(key, KEY_BYTES_MAX)                                                                          \
    X(affinity, KEY_BYTES_MAX)                                                                     \
    X(arg, JOB_ARG_MAX)                                                                            \
    X(labels, JOB_LABELS_MAX)

struct schedule_run {
    struct job_id id;
    uint64_t tick, ended, status; /* ended 0: not yet */
};

struct schedule_row {
#define X(field, most) uint64_t field;
    SCHEDULE_NUMBERS(X)
#undef X
#define X(field, most) struct slice field;
    SCHEDULE_SLICES(X)
#undef X
    uint64_t runs_len;
    struct schedule_run runs[SCHEDULE_RUNS]; /* newest last */
};

void schedule_row_encode(const struct schedule_row *r, struct buf *out);
MUST_USE
bool schedule_row_decode(struct slice bytes, struct schedule_row *ret_row);
/* NULL, or what is wrong with it; `why`: CRON_WHY_BYTES to say it in. */
const char *schedule_fault(const struct schedule_row *r, char *why);

/* The tick after `after`; 0: none. */
msec_t schedule_next(const struct schedule_row *r, msec_t after);
/* The one to fire now: the latest that is due and was not fired; 0: none is due. */
msec_t schedule_due(const struct schedule_row *r, msec_t now);

/* Its key in the hidden cache. Returns the length. */
enum { SCHEDULE_KEY_MAX = 1 + SCHEDULE_NAME_MAX };
size_t schedule_key(struct slice name, uint8_t ret_key[SCHEDULE_KEY_MAX]);

/* Arguments behind the name; answers: INTEGER enum job_answer.
 *
 * put    the row. GRID_EEXISTS: there is one of that name. GRID_ENO_TASK: there is no such job
 * alter  enum schedule_alter (8 bytes)
 * fire   the tick that was last, and the one that is due (8 bytes each; 0: by hand, now). The job's
 *        id is answered (BULK); NULL: another did it, or it is paused */
procedure_fn command_schedule_put, command_schedule_alter, command_schedule_fire;
enum schedule_alter { SCHEDULE_PAUSE = 0, SCHEDULE_RESUME = 1, SCHEDULE_REMOVE = 2 };

#endif
