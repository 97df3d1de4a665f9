/* level.c - which command needs which feature level. */
#include "control/level.h"

#include "control/settings.h"

#include <stdio.h>

static uint32_t setting_level(struct slice name)
{
    static const struct {
        const char *name;
        uint32_t level;
    } rows[] = {
#define X(name, level) {#name, level},
        SETTING_LEVELS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (slice_eq(name, slice_str(rows[i].name)))
            return rows[i].level;
    return GRID_LEVEL_FIRST;
}

uint32_t grid_command_level(const struct grid_command *c)
{
    switch (c->kind) {
    case GRID_FOUND:
    case GRID_ENTER:
    case GRID_GONE:
    case GRID_ALTER:
    case GRID_DRAIN:
    case GRID_REMOVE:
    case GRID_PARTS:
    case GRID_VOTERS:
    case GRID_POLICY:
    case GRID_CONTEXT_CREATE:
    case GRID_CONTEXT_ALTER:
    case GRID_CONTEXT_DROP:
    case GRID_CACHE_CREATE:
    case GRID_CACHE_DROP:
    case GRID_LEVELS: /* written when all nodes know it */
        break;
    case GRID_SETTING_SET:
        return setting_level(c->u.setting.name);
    case GRID_MODULE_DEPLOY:
        return module_works(c->u.module.info) ? GRID_LEVEL_WORK : GRID_LEVEL_MODULES;
    case GRID_MODULE_REMOVE:
        return GRID_LEVEL_MODULES;
    case GRID_SERVICE_DEPLOY:
        return c->u.service && c->u.service->native ? GRID_LEVEL_NATIVE : GRID_LEVEL_WORK;
    case GRID_SERVICE_STOP:
        return GRID_LEVEL_WORK;
    case GRID_SERVICE_MOVE:
        return GRID_LEVEL_SPREAD;
    }
    return GRID_LEVEL_FIRST;
}

void grid_level_too_old(const struct grid_state *s, const struct node_info *info, char *why)
{
    snprintf(why, WHY_BYTES,
             "the grid uses feature level %u, and this version of gridd knows levels up to %u: "
             "start a newer version",
             s->level, node_info_level(info));
}
