/* catalog_service.c - services deployed and stopped: changes of an unpublished catalog. */
#include "control/catalog.h"

#include "base/alloc.h"
#include "control/state_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHOICES = 64, UNLED = SERVICE_COPIES_MAX + 1 };

/* Where it is, or would be. */
static size_t place_of(const struct catalog *c, const char *name, bool *ret_there)
{
    size_t at = 0;
    while (at < c->services_len && strcmp(c->services[at]->info.name, name) < 0)
        at++;
    *ret_there = at < c->services_len && strcmp(c->services[at]->info.name, name) == 0;
    return at;
}

static void service_insert(struct catalog *c, const struct service_info *info)
{
    bool there;
    size_t at = place_of(c, info->name, &there);
    if (there) {
        service_unref(c->services[at]);
    } else {
        c->services = xrealloc(c->services, c->services_len + 1, sizeof *c->services);
        memmove(&c->services[at + 1], &c->services[at],
                (c->services_len++ - at) * sizeof *c->services);
    }
    c->services[at] = service_new(info);
}

/* --- which partitions ------------------------------------------------------------------------- */

struct binding {
    struct service_info *info;
    const struct context_info *context;
    catalog_leads_fn *leads;
    const void *ctx;
};

/* Instances before `i` that the node has, which leads this partition, or more: it is no good. */
static uint32_t load_of(const struct binding *b, uint32_t i, uint16_t partition)
{
    uint32_t node = b->leads ? b->leads(b->ctx, b->context->id, partition) : 1, load = 0;
    for (uint32_t k = 0; k < i; k++) {
        uint16_t other = b->info->partitions[k];
        if (other == partition)
            return 2 * UNLED;
        load += !b->leads || b->leads(b->ctx, b->context->id, other) == node;
    }
    return node ? load : UNLED;
}

static uint16_t choose(const struct binding *b, uint32_t i)
{
    struct slice name = slice_str(b->info->name);
    uint32_t least = UINT32_MAX;
    uint16_t best = 0;
    for (uint32_t choice = 0; choice < CHOICES && least; choice++) {
        uint16_t p = service_candidate(name, i, choice, b->context->partitions);
        uint32_t load = load_of(b, i, p);
        if (load >= least)
            continue;
        least = load;
        best = p;
    }
    return best;
}

/* --- changes ---------------------------------------------------------------------------------- */

static enum grid_err code_judge(const struct catalog *c, const struct service_info *want, char *why)
{
    const struct module *m;
    if (want->native || catalog_code(c, MODULE_SERVICE, slice_str(want->name), &m))
        return GRID_OK; /* who has been asked has that in C */
    catalog_code_missing(c, MODULE_SERVICE, slice_str(want->name), why);
    return GRID_ENO_SERVICE;
}

enum grid_err catalog_service_deploy(struct catalog *c, const struct service_info *want,
                                     catalog_leads_fn *leads, const void *ctx, char *why)
{
    bool there;
    const char *fault = service_fault(want);
    if (fault) {
        snprintf(why, WHY_BYTES, "%s", fault);
        return GRID_EBAD_REQUEST;
    }
    struct service_info info = *want;
    const struct context_info *context = catalog_context(c, info.context);
    if (!context) {
        snprintf(why, WHY_BYTES, "the context of the service is not there any more");
        return GRID_ENO_CONTEXT;
    }
    enum grid_err err = code_judge(c, want, why);
    if (err)
        return err;
    size_t at = place_of(c, info.name, &there);
    if (!there && c->services_len == SERVICES_MAX) {
        snprintf(why, WHY_BYTES, "there are as many services as a grid can have: %d", SERVICES_MAX);
        return GRID_EFULL;
    }
    const struct service_info *old = there ? &c->services[at]->info : NULL;
    uint32_t kept = old && old->context == info.context ? service_bound(old) : 0;
    struct binding b = {&info, context, leads, ctx};
    memset(info.partitions, 0, sizeof info.partitions);
    memset(info.bound, 0, sizeof info.bound);
    for (uint32_t i = 0; i < service_bound(&info); i++)
        info.partitions[i] = i < kept ? old->partitions[i] : choose(&b, i);
    info.version = ++c->services_revision;
    service_insert(c, &info);
    return GRID_OK;
}

static bool movable(const struct service_info *info, const struct service_move *m,
                    const struct context_info *context)
{
    bool may = info->mode == SERVICE_COPIES && m->number < info->copies && context &&
               m->to < context->partitions;
    for (uint32_t i = 0; may && i < info->copies; i++)
        may = info->partitions[i] != m->to;
    return may;
}

enum grid_err catalog_service_move(struct catalog *c, const struct service_move *m, char *why)
{
    const struct service *is = catalog_service(c, m->name);
    if (!is) {
        snprintf(why, WHY_BYTES, "the service is not deployed any more");
        return GRID_ENO_SERVICE;
    }
    struct service_info info = is->info;
    if (!movable(&info, m, catalog_context(c, info.context))) {
        snprintf(why, WHY_BYTES, "the instance cannot be bound to that partition");
        return GRID_ECONDITION;
    }
    if (info.partitions[m->number] != m->from) {
        snprintf(why, WHY_BYTES, "the instance is bound to another partition");
        return GRID_ESTALE;
    }
    info.partitions[m->number] = (uint16_t)m->to;
    info.bound[m->number] = ++c->services_revision;
    struct service *old = service_ref((struct service *)(uintptr_t)is); /* info.arg is its */
    service_insert(c, &info);
    service_unref(old);
    return GRID_OK;
}

enum grid_err catalog_service_stop(struct catalog *c, struct slice name, char *why)
{
    for (size_t i = 0; i < c->services_len; i++) {
        if (!slice_eq(slice_str(c->services[i]->info.name), name))
            continue;
        service_unref(c->services[i]);
        memmove(&c->services[i], &c->services[i + 1],
                (--c->services_len - i) * sizeof *c->services);
        c->services_revision++;
        return GRID_OK;
    }
    snprintf(why, WHY_BYTES, "no service %.*s is deployed",
             (int)(name.len < SERVICE_NAME_BYTES ? name.len : SERVICE_NAME_BYTES),
             name.len ? (const char *)name.data : "");
    return GRID_ENO_SERVICE;
}

enum grid_err catalog_restore_service(struct catalog *c, const struct service_info *info)
{
    const struct context_info *context = catalog_context(c, info->context);
    bool good =
        !service_fault(info) && context && c->services_len < SERVICES_MAX && info->version >= 1 &&
        info->version <= c->services_revision &&
        (!c->services_len || strcmp(c->services[c->services_len - 1]->info.name, info->name) < 0);
    for (uint32_t i = 0; good && i < service_bound(info); i++)
        good = info->partitions[i] < context->partitions &&
               info->bound[i] <= c->services_revision &&
               (!info->bound[i] || info->bound[i] > info->version);
    if (!good)
        return GRID_ECORRUPT;
    service_insert(c, info);
    return GRID_OK;
}
