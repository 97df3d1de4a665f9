/* grid_module.h - native modules: functions in C that a node of a grid runs next to the data, in
 * its own process: tasks, jobs, maps, broadcasts and services, each told of in a grid_module_*.h.
 * What they may do is what those in Lua may do (gridd-modules(7)), without the bounds of a sandbox:
 * a native function that crashes takes its node along.
 *
 * A program with a node inside names its modules in struct grid_node_conf (gridd.h). gridd loads
 * them from the files *.so of its `module_dir` (gridd.conf(5)), each of which says GRID_MODULE()
 * once. A function is known as MODULE.NAME; where the grid has a deployed one of that name, that
 * comes first. What a node has is its own affair: load a module at every node that may lead data it
 * is called for. None there: GRID_ENO_TASK.
 *
 * Nothing here has to be linked: all goes through the tables that a function is given. */
#ifndef GRID_MODULE_H
#define GRID_MODULE_H

#include <grid_module_broadcast.h>
#include <grid_module_job.h>
#include <grid_module_map.h>
#include <grid_module_service.h>
#include <grid_module_task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when what was compiled before would not be understood; another one is refused by name.
 * Tables and structs of one ABI only grow at their ends. */
#define GRID_MODULE_ABI 1

/* --- what a module has ------------------------------------------------------------------------ */

enum grid_native_kind {
    GRID_NATIVE_TASK = 1,
    GRID_NATIVE_JOB = 2,
    GRID_NATIVE_MAP = 3,
    GRID_NATIVE_BROADCAST = 4,
    GRID_NATIVE_SERVICE = 5
};
enum grid_native_flag { GRID_NATIVE_NO_WRITES = 1 };

struct grid_native {
    enum grid_native_kind kind;
    unsigned flags;     /* of enum grid_native_flag, or-ed; of tasks */
    const char *name;   /* a-z A-Z 0-9 _ , at most 64 */
    const char *help;   /* one line, or NULL */
    void *ctx;          /* what its functions are given: several threads at a time may be */
    grid_task_fn *task; /* GRID_NATIVE_TASK */
    /* GRID_NATIVE_MAP; all nodes that lead data of the cache, or are asked for the map, have it. */
    grid_map_fn *map;
    enum grid_reducer reducer;
    grid_reduce_fn *reduce; /* GRID_REDUCE_BY */
    grid_final_fn *final;   /* of what is reduced; or NULL */
    /* GRID_NATIVE_SERVICE; all nodes have it that lead the context it is deployed in, or (of mode
     * node) have its labels. Each but `call` may be NULL. */
    grid_service_fn *start, *stop, *health, *tick;
    uint32_t every_ms; /* of tick: 1 to a day */
    grid_service_call_fn *call;
    /* GRID_NATIVE_JOB; all nodes have it that may lead the partitions of its jobs. */
    grid_job_fn *job;
    grid_broadcast_fn *broadcast; /* GRID_NATIVE_BROADCAST */
};

struct grid_native_module {
    uint32_t abi;           /* GRID_MODULE_ABI */
    uint32_t function_size; /* sizeof(struct grid_native) */
    const char *name;       /* as of functions */
    const struct grid_native *functions;
    size_t functions_len; /* at most 128 */
};

/* A module of an array of functions: to be named in grid_node_conf; and of a file of its own. */
#define GRID_MODULE_INIT(its_name, array)                                                          \
    {                                                                                              \
        GRID_MODULE_ABI, (uint32_t)sizeof(struct grid_native), its_name, array,                    \
            sizeof(array) / sizeof((array)[0])                                                     \
    }
#define GRID_MODULE(its_name, array)                                                               \
    GRID_API const struct grid_native_module grid_module = GRID_MODULE_INIT(its_name, array)

#ifdef __cplusplus
}
#endif
#endif
