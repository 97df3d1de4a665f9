/* task.h - atomic tasks, which modules of the grid hold (control/module.h): the procedures that run
 * them in a shard (shard/call.h, op.finds_keys).
 *
 * A task runs at the partition of its key. What it reads is what lies there, in any cache of the
 * context; what it writes is one record with its result, or nothing when it fails. */
#ifndef GRIDD_COMPUTE_TASK_H
#define GRIDD_COMPUTE_TASK_H

#include "control/module.h"
#include "shard/call.h"

/* Arguments are TASK_ARGS: MODULE.TASK, what the task is given, and what library.h says of the last
 * one. Answered: REPLY_BULK, or REPLY_OK when its result is empty; GRID_ETASK with text that says
 * why it failed and where; GRID_ENO_TASK. `_ro`: of those that are read-only, else GRID_EBUSY: the
 * door knows less than the shard. */
procedure_fn command_task, command_task_ro;

enum {
    TASK_ARGS = 3,
    TASK_NAME_BYTES = 2 * MODULE_NAME_MAX + 1,
    TASK_RESULT_MAX = SESSION_ANSWER_MAX, /* of `_ro`: as large as a value may be */
    TASK_DETAIL_MAX = 4096,
};

#endif
