/* job.h - jobs as data: what the hidden cache (control/catalog.h) has of each, and the procedures
 * that change it (shard/call.h, op.finds_keys).
 *
 *   submit --> QUEUED --begin--> RUNNING --step: DONE--> DONE      kept for keep_ms, then gone
 *                ^                |  | '---step: FAIL--> FAILED
 *                |   step: FAIL, to be tried again  '--step: MORE: writes, state, progress
 *                '----------------'        any of both --cancel--> CANCELLED, --deadline--> FAILED
 *
 * A job lives in the partition of its key, beside the data that it works on: what it writes there,
 * and how far it is, are one record (step). An attempt begins by a number that is one more than
 * the last, and only the newest attempt's next step is taken (fencing): so what it writes is
 * there exactly once, whoever runs it, however often that one dies. */
#ifndef GRIDD_COMPUTE_JOB_H
#define GRIDD_COMPUTE_JOB_H

#include "base/buf.h"
#include "control/catalog.h"
#include "shard/call.h"

enum {
    JOB_PLACE_BYTES = 4,
    JOB_ID_BYTES = 16, /* context and slot, 2 bytes each, then random ones: it says where it is */
    JOB_KEY_BYTES = 1 + JOB_ID_BYTES,
    JOB_ARG_MAX = 1 << 20,
    JOB_STATE_MAX = 1 << 20,   /* of a checkpoint */
    JOB_RESULT_MAX = 64 << 10, /* or why it failed */
    JOB_NODE_MAX = NAME_BYTES_MAX + 32,
    JOB_LABELS_MAX = 2 * NAME_BYTES_MAX + 1,
    JOB_PRIORITIES = 10, /* 0 goes first */
    JOB_PRIORITY_USUAL = 5,
    JOB_PROGRESS_WHOLE = 10000,
    JOB_PROGRESS_NONE = 10001, /* it said nothing */
    JOB_ATTEMPTS_MAX = 1000,
    JOBS_PER_PARTITION = 10000, /* in the hidden cache; from half of that on, those that have ended
                                 * are kept for a minute at most, down to 10 s */
};
#define JOB_MS_MAX (UINT64_C(100) * 366 * 24 * 3600 * 1000)

/* X(NAME, code, text) */
#define JOB_STATUS_LIST(X)                                                                         \
    X(QUEUED, 0, "queued")                                                                         \
    X(RUNNING, 1, "running")                                                                       \
    X(DONE, 2, "done")                                                                             \
    X(FAILED, 3, "failed")                                                                         \
    X(CANCELLED, 4, "cancelled")

enum job_status {
#define X(name, code, text) JOB_##name = (code),
    JOB_STATUS_LIST(X)
#undef X
        JOB_STATUSES
};
const char *job_status_text(uint64_t status);

/* X(field, largest): times are unix ms, 0: not yet, or none. */
#define JOB_NUMBERS(X)                                                                             \
    X(status, JOB_STATUSES - 1)                                                                    \
    X(priority, JOB_PRIORITIES - 1)                                                                \
    X(cache, UINT32_MAX)           /* global id, of what it works on if it names none */           \
    X(slot, 16383)                 /* that it was placed by */                                     \
    X(attempt, UINT32_MAX)         /* that runs, or ran last; 0: none so far */                    \
    X(step, UINT64_MAX >> 24)      /* that was done last */                                        \
    X(stated, 1)                   /* there is a checkpoint: `state`, which may be empty */        \
    X(progress, JOB_PROGRESS_NONE) /* of JOB_PROGRESS_WHOLE */                                     \
    X(module, UINT64_MAX)          /* version that it runs with */                                 \
    X(failures, JOB_ATTEMPTS_MAX)                                                                  \
    X(attempts_max, JOB_ATTEMPTS_MAX) /* it is failed by so many failures */                       \
    X(backoff_ms, JOB_MS_MAX)         /* before it is tried again; twice as long each time */      \
    X(submitted, UINT64_MAX)                                                                       \
    X(due, UINT64_MAX) /* it does not begin earlier */                                             \
    X(began, UINT64_MAX)                                                                           \
    X(ended, UINT64_MAX)                                                                           \
    X(deadline, UINT64_MAX)                                                                        \
    X(keep_ms, JOB_MS_MAX)

/* X(field, most bytes) */
#define JOB_SLICES(X)                                                                              \
    X(name, 2 * MODULE_NAME_MAX + 1) /* MODULE.JOB */                                              \
    X(key, KEY_BYTES_MAX)                                                                          \
    X(affinity, KEY_BYTES_MAX) /* empty: the key itself */                                         \
    X(arg, JOB_ARG_MAX)                                                                            \
    X(state, JOB_STATE_MAX)                                                                        \
    X(result, JOB_RESULT_MAX)                                                                      \
    X(node, JOB_NODE_MAX)       /* that runs it, or ran it last: NAME#LIFE */                      \
    X(labels, JOB_LABELS_MAX)   /* see job_anywhere() */                                           \
    X(schedule, NAME_BYTES_MAX) /* that it is a run of; empty: none */

struct job_row {
#define X(field, most) uint64_t field;
    JOB_NUMBERS(X)
#undef X
#define X(field, most) struct slice field;
    JOB_SLICES(X)
#undef X
};

void job_row_encode(const struct job_row *r, struct buf *out);
/* Slices are of `bytes`. False: it is none. */
MUST_USE
bool job_row_decode(struct slice bytes, struct job_row *ret_row);
static inline bool job_ended(const struct job_row *r)
{
    return r->status != JOB_QUEUED && r->status != JOB_RUNNING;
}

/* A row's labels: of nodes that may run it, LABEL=VALUE or nothing; JOB_ANYWHERE in front: its key
 * says where the job lies, and nothing of where it runs. */
enum { JOB_ANYWHERE = '*' };
static inline bool job_anywhere(struct slice labels, struct slice *ret_labels)
{
    bool anywhere = labels.len && labels.data[0] == JOB_ANYWHERE;
    *ret_labels = anywhere ? slice_make(labels.data + 1, labels.len - 1) : labels;
    return anywhere;
}

/* --- ids -------------------------------------------------------------------------------------- */

struct job_id {
    uint8_t bytes[JOB_ID_BYTES];
};
/* `random`: JOB_ID_BYTES - 4 bytes. */
struct job_id job_id_make(uint32_t context, uint16_t slot, const uint8_t *random);
uint32_t job_id_context(const struct job_id *id);
uint16_t job_id_slot(const struct job_id *id);
/* Its key in the hidden cache. */
void job_id_key(const struct job_id *id, uint8_t ret_key[JOB_KEY_BYTES]);
/* False: the key is no job's. */
bool job_key_id(struct slice key, struct job_id *ret_id);
enum { JOB_ID_TEXT = 2 * JOB_ID_BYTES };
void job_id_text(const struct job_id *id, char ret_text[JOB_ID_TEXT + 1]);
bool job_id_parse(struct slice text, struct job_id *ret_id);

/* --- procedures ------------------------------------------------------------------------------- */

/* Each is of the job's key in the hidden cache; the op's affinity is what the job was placed by.
 * Arguments behind the name. Answers: INTEGER enum job_answer, but where told.
 *
 * submit  the row. Nothing when there is one of that id.  GRID_EBUSY: too many there, or waiting.
 *         GRID_ENO_TASK, with why: there is no such job
 * begin   attempt (8 bytes), version of the module (8 bytes), node. Answered with the row (BULK):
 *         that attempt runs now, or does already. NULL: it is not to be begun
 * step    struct job_step, then what it writes, one argument each
 * cancel  nothing, or the name of the job that is meant: one of another name is GONE */
procedure_fn command_job_submit, command_job_begin, command_job_step, command_job_cancel;

/* Handed on by the shard (op.aside): all of a cache in the partition as of one moment, whose keys
 * begin with JOB_SCAN_PREFIX; at the job's key there. Answered with rows of shard/snapshot.h, in no
 * order (BULK). GRID_ETOO_LARGE: they would be more than JOB_SCAN_MAX bytes. */
procedure_fn command_job_scan;
enum { JOB_SCAN_PREFIX = 1, JOB_SCAN_ARGS, JOB_SCAN_MAX = 32 << 20 };

enum job_answer {
    JOB_TAKEN = 0,
    JOB_GONE = 1,     /* there is no such job */
    JOB_FENCED = 2,   /* it is not, or no more, this attempt's turn: nothing was changed */
    JOB_CONFLICT = 3, /* a key that it had read has changed: nothing was changed */
};

enum job_step_kind {
    JOB_STEP_MORE = 0,   /* a checkpoint */
    JOB_STEP_DONE = 1,   /* the end, with its result */
    JOB_STEP_FAIL = 2,   /* it failed: tried again, or the end */
    JOB_STEP_EXPIRE = 3, /* its deadline has passed: whoever runs it, and if nobody does */
    JOB_STEP_KINDS,
};

struct job_step {
    uint64_t kind, attempt, step; /* the step is one more than the row's */
    uint64_t progress, stated;
    struct slice bytes; /* state, result or why */
};
void job_step_encode(const struct job_step *s, struct buf *out);

/* A key that the attempt has read or writes; encoded as an argument. */
enum job_write_kind { JOB_READ = 0, JOB_PUT = 1, JOB_DELETE = 2, JOB_ADD = 3, JOB_WRITE_KINDS };
struct job_write {
    uint64_t kind;
    uint64_t cache;   /* global id */
    uint64_t checked; /* the key has to have `version` (0: to be absent) */
    uint64_t version;
    uint64_t ttl_ms; /* PUT: + 1; 0: the cache's own */
    int64_t delta;   /* ADD */
    struct slice key, value;
};
void job_write_encode(const struct job_write *w, struct buf *out);

#endif
