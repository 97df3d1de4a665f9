/* level.h - feature levels: what older nodes cannot read is not in the control log before the last
 * of them is gone or upgraded. Pure.
 *
 * A node knows all levels up to that of its version, and says so when it enters, and in its
 * beacons. The level of the grid (grid_state.level) is one that all its nodes know, those that are
 * down included: it stands in the state, so it is the same at each index of the log wherever that
 * is applied. It only rises: the leader writes LEVELS when all nodes know more (grid/levels.c).
 * What needs a higher one is refused before it is proposed, and a node that knows less than the
 * grid's is not let in.
 *
 * To add a command, a kind of change, a setting or a field of one: give it the level of the coming
 * release here and in level.c. */
#ifndef GRIDD_CONTROL_LEVEL_H
#define GRIDD_CONTROL_LEVEL_H

#include "control/command.h"

enum {
    GRID_LEVEL_FIRST = 1, /* of versions that tell none */
    GRID_LEVEL_MODULES = 2,
    GRID_LEVEL_WORK = 3,   /* modules with jobs, maps, broadcasts, services; services deployed */
    GRID_LEVEL_NATIVE = 4, /* services in C deployed; replaced versions of modules kept */
    GRID_LEVEL_SPREAD = 4, /* copies of services that move; broadcasts and tasks asked for once */
    GRID_LEVEL = GRID_LEVEL_NATIVE, /* that this version knows */
};

/* X(name, level): settings that not all versions know. */
#define SETTING_LEVELS(X)                                                                          \
    X(script_steps, GRID_LEVEL_MODULES)                                                            \
    X(script_time, GRID_LEVEL_MODULES)                                                             \
    X(script_memory, GRID_LEVEL_MODULES)                                                           \
    X(service_time, GRID_LEVEL_WORK)

static inline uint32_t node_info_level(const struct node_info *info)
{
    return info->level ? info->level : GRID_LEVEL_FIRST;
}

/* That of the grid which the command needs. */
uint32_t grid_command_level(const struct grid_command *c);
/* Why a node that knows less than the grid's level does not enter: WHY_BYTES. */
void grid_level_too_old(const struct grid_state *s, const struct node_info *info, char *why);

#endif
