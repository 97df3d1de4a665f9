/* service_priv.h - a service that runs, as its files see it. */
#ifndef GRIDD_COMPUTE_SERVICE_PRIV_H
#define GRIDD_COMPUTE_SERVICE_PRIV_H

#include "compute/report.h"
#include "compute/service.h"

struct native_service;
struct service_code {
    struct native_service *native; /* one in C: there is no machine then; or NULL */
    struct vm *vm;
    const struct service_host *host;
    char name[2 * MODULE_NAME_MAX + 2]; /* MODULE.SERVICE */
    struct service_facts facts;
    bool has[SERVICE_FNS];
    struct script script; /* of the run */
    enum service_function function;
    uint64_t token;
    struct slice method, arg;
    struct buf *out;
    bool well;
};

/* service.c: what grid.service() found for this run: its table is at `at`. */
void service_keep(lua_State *L, int at);
/* service_api.c: the functions of `s`, a table at -1. */
void service_api(lua_State *L);

static inline struct service_code *service_of(lua_State *L)
{
    return script_of(L)->service;
}

#endif
