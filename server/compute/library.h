/* library.h - libraries of functions and tasks, which modules of the grid hold (control/module.h):
 * what their source says of itself, and the procedures that call functions in a shard
 * (shard/call.h); those of tasks: task.h.
 *
 * The first level of a library runs with every call, and tells by redis.register_function() and
 * grid.task() what there is; then the function runs. So nothing is left from one call to the next,
 * and all nodes have the same. What is expensive is kept by the module's version: the compiled
 * code, and the function, when nothing that it can reach ever changes. */
#ifndef GRIDD_COMPUTE_LIBRARY_H
#define GRIDD_COMPUTE_LIBRARY_H

#include "base/buf.h"
#include "control/module.h"
#include "shard/call.h"

/* Arguments are the command's as the client sent it, and one more at the end: modules_revision of
 * the catalog that the door has, 8 bytes. A shard that does not know as much yet does not do it
 * (GRID_ENOT_PRIMARY): what was deployed before is there for who saw that. */
procedure_fn command_fcall, command_fcall_ro;

enum { LIBRARY_EXTRA_BYTES = 8 };

static const char library_no_function[] = "ERR Function not found";

/* As eval_keys(). */
int64_t library_keys(const struct slice *args, uint32_t args_len, bool extra,
                     const char **ret_fault);

/* What reading a source may take: as for a call. */
struct library_limits {
    struct call_limits run;
    uint64_t (*now_us)(void *nobody); /* NULL: not bounded by time */
};

/* Run the first level of `source`, which is borrowed, and see what it registers. `name`: of the
 * module; empty: what the first line says ("#!lua name=NAME"). Functions are the caller's, to be
 * freed. False: ret_fault, which was empty, says why, with name and line. */
bool library_read(struct slice source, struct slice name, const struct library_limits *limits,
                  struct module_info *ret_info, struct buf *ret_fault);
/* What is behind the first line; numbers of lines are those of the source. */
struct slice library_code(struct slice source);
/* Only the first line; the name as far as it goes. */
bool library_head_read(struct slice source, struct slice name, struct module_info *ret_info,
                       struct buf *ret_fault);

#endif
