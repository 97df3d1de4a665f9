/* services_told.c - what operators do with services: deployed, stopped (changes of the catalog),
 * and listed with their instances, of which each node tells those that it has. */
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "compute/native.h"
#include "node/membership.h"

#include <stdio.h>
#include <stdlib.h>

/* Its code is deployed, or this node has it. */
static enum grid_err code_judge(const struct node *n, const struct catalog *c,
                                struct service_info *info, char *why)
{
    const struct module *m;
    struct slice name = slice_str(info->name);
    if (catalog_code(c, MODULE_SERVICE, name, &m))
        return GRID_OK;
    info->native = natives_find(n->natives, MODULE_SERVICE, name) != NULL;
    if (info->native)
        return GRID_OK;
    natives_missing(n->natives, c, MODULE_SERVICE, name, n->conf.name, why);
    return GRID_ENO_SERVICE;
}

enum grid_err service_info_of(const struct job *j, const struct catalog *c,
                              struct service_info *ret_info, char *why)
{
    const struct admin_request *r = &j->request;
    const char *name = r->context.name[0] ? r->context.name : "default";
    const struct context_info *context = catalog_context_named(c, slice_str(name));
    if (!context) {
        snprintf(why, WHY_BYTES, "no context %s", name);
        return GRID_ENO_CONTEXT;
    }
    *ret_info = (struct service_info){.mode = r->mode,
                                      .context = context->id,
                                      .copies = r->mode == SERVICE_COPIES ? r->copies : 1,
                                      .arg = r->source};
    snprintf(ret_info->name, sizeof ret_info->name, "%s", r->name);
    memcpy(ret_info->labels, r->labels, sizeof ret_info->labels);
    return code_judge(j->node, c, ret_info, why);
}

enum grid_err service_deploy(const struct job *j, struct catalog *c, char *why)
{
    struct service_info info;
    enum grid_err err = service_info_of(j, c, &info, why);
    return err ? err : catalog_service_deploy(c, &info, NULL, NULL, why);
}

/* --- told ------------------------------------------------------------------------------------- */

/* Of one service: those that some node has, then those that none has. */
struct gathered {
    struct admin_instance *list;
    size_t len, cap;
};

static void add(struct gathered *g, const struct admin_instance *i)
{
    if (g->len == g->cap) {
        g->cap = g->cap ? g->cap * 2 : 16;
        g->list = xrealloc(g->list, g->cap, sizeof *g->list);
    }
    g->list[g->len++] = *i;
}

static void add_of(struct gathered *g, const char *service, const struct admin_instance *list,
                   size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(list[i].service, service) == 0)
            add(g, &list[i]);
}

static bool has(const struct gathered *g, uint32_t number)
{
    for (size_t i = 0; i < g->len; i++)
        if (g->list[i].number == number)
            return true;
    return false;
}

static int instance_compare(const void *a, const void *b)
{
    const struct admin_instance *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    int nodes = strcmp(x->node, y->node);
    return nodes ? nodes : slice_cmp(x->key, y->key);
}

static void gather(const struct job *j, const struct service_info *info, struct gathered *g)
{
    for (unsigned i = 0; i < j->node->shards; i++)
        add_of(g, info->name, j->shares[i].instances, j->shares[i].instances_len);
    for (size_t k = 0; k < j->words_len; k++)
        if (j->words[k].there)
            add_of(g, info->name, j->words[k].reply.instances, j->words[k].reply.instances_len);
    for (uint32_t i = 0; i < service_bound(info); i++)
        if (!has(g, i))
            add(g, &(struct admin_instance){.service = info->name,
                                            .number = i,
                                            .partition = info->partitions[i],
                                            .node = "",
                                            .state = "nowhere",
                                            .error = ""});
    if (g->len)
        qsort(g->list, g->len, sizeof *g->list, instance_compare);
}

static bool wanted(const struct job *j, const struct service_info *info)
{
    return !j->request.name[0] || strcmp(j->request.name, info->name) == 0;
}

/* To another node: what is here. */
static void instances_reply(struct job *j, struct admin_reply *reply)
{
    struct gathered g = {0};
    for (unsigned i = 0; i < j->node->shards; i++)
        for (size_t k = 0; k < j->shares[i].instances_len; k++)
            add(&g, &j->shares[i].instances[k]);
    reply->instances = g.list;
    reply->instances_len = g.len;
    reply_encode(j, reply);
    free(g.list);
}

void services_reply(struct job *j, struct admin_reply *reply)
{
    const struct catalog *c = j->catalog;
    if (j->remote) {
        instances_reply(j, reply);
        return;
    }
    struct admin_service *list = xcalloc(c->services_len, sizeof *list);
    struct gathered *g = xcalloc(c->services_len, sizeof *g);
    for (size_t i = 0; i < c->services_len; i++) {
        const struct service_info *info = &c->services[i]->info;
        if (!wanted(j, info))
            continue;
        gather(j, info, &g[i]);
        list[reply->services_len++] = (struct admin_service){
            info, catalog_context(c, info->context)->name, g[i].list, g[i].len};
    }
    if (j->request.name[0] && !reply->services_len) {
        j->err = GRID_ENO_SERVICE;
        snprintf(j->why, sizeof j->why, "no service %s is deployed", j->request.name);
    }
    reply->services = list;
    reply_encode(j, reply);
    for (size_t i = 0; i < c->services_len; i++)
        free(g[i].list);
    free(g);
    free(list);
}
