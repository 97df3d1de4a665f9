/* work_services.c - services of all modes: deployed, deployed again, stopped, and called. A call
 * writes to the partition that its instance is bound to, with the token that it has; so whoever is
 * over and still writes, or answers, is seen: tokens never go back, in the order of what is stored,
 * nor in the order of answers. */
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"

#include "base/alloc.h"
#include "compute/service_call.h"
#include "data/value.h"
#include "node/services.h"
#include "proto/slot.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CALLERS = 3,
    PLACES = 96,
    COPIES = 2,
    KEYS_CALLED = 3,
    DEPLOY_ONE_OF = 30, /* looks */
    AGAIN_ONE_OF = 1500,
    TEXT = 64,
};

static const struct {
    const char *name;
    enum service_mode mode;
    unsigned instances; /* that are called */
} services[] = {
    {"m.one", SERVICE_SINGLETON, 1},
    {"m.some", SERVICE_COPIES, COPIES},
    {"m.key", SERVICE_KEY, KEYS_CALLED},
    {"m.node", SERVICE_NODE, 1},
};
enum { SERVICES = sizeof services / sizeof *services };

struct write_done {
    uint64_t version, token;
};

/* A key that the instances of one place write. */
struct place {
    char key[TEXT];
    unsigned context;
    uint32_t partition;
    uint64_t best; /* token that was answered with */
    const struct simnode *by;
    uint64_t by_life;
    struct buf writes;
};

struct caller {
    struct work_ask ask;
    unsigned service, instance;
    bool again;
    uint64_t calls;
    char key[TEXT]; /* that is written */
};

struct services_sim {
    struct caller callers[CALLERS];
    struct place places[PLACES];
    unsigned places_len;
    bool answered[SERVICES][COPIES + KEYS_CALLED]; /* since all is well */
};

static const struct service *deployed(const struct world *w, unsigned service)
{
    return w->newest ? catalog_service(w->newest->catalog, slice_str(services[service].name))
                     : NULL;
}

static struct place *place_named(struct services_sim *s, struct slice key)
{
    for (unsigned i = 0; i < s->places_len; i++)
        if (slice_eq(slice_str(s->places[i].key), key))
            return &s->places[i];
    return NULL;
}

static void place_make(struct services_sim *s, const char *key, unsigned context,
                       uint32_t partition)
{
    if (place_named(s, slice_str(key)) || s->places_len == PLACES)
        return;
    struct place *p = &s->places[s->places_len++];
    *p = (struct place){.context = context, .partition = partition, .writes = BUF_INIT};
    snprintf(p->key, sizeof p->key, "%s", key);
}

/* --- operators -------------------------------------------------------------------------------- */

static void propose(struct world *w, const struct grid_command *c)
{
    struct simnode *n = &w->nodes[work_below(w, w->nodes_len)];
    if (n->running)
        (void)node_propose(n, c);
}

static void deploy(struct world *w, unsigned service)
{
    const struct cache_info *cache = clients_cache(w->newest, service % w->contexts_len);
    if (!cache)
        return;
    struct service_info info = {.mode = services[service].mode,
                                .context = cache_context(cache->id),
                                .copies = services[service].mode == SERVICE_COPIES ? COPIES : 1};
    snprintf(info.name, sizeof info.name, "%s", services[service].name);
    propose(w, &(struct grid_command){.kind = GRID_SERVICE_DEPLOY, .u.service = &info});
}

static void operators_step(struct world *w)
{
    for (unsigned i = 0; i < SERVICES; i++) {
        bool there = deployed(w, i);
        if (!there && work_below(w, DEPLOY_ONE_OF) == 0)
            deploy(w, i);
        if (!there || w->quiet || work_below(w, AGAIN_ONE_OF))
            continue;
        struct slice name = slice_str(services[i].name);
        if (work_below(w, 2))
            deploy(w, i);
        else
            propose(w, &(struct grid_command){.kind = GRID_SERVICE_STOP, .u.name = name});
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

/* A key of the instance's partition: its own, or one that is found there. */
static bool key_find(struct world *w, const struct caller *c, const struct service_info *info,
                     char *ret_key, uint16_t *ret_partition)
{
    unsigned context = c->service % w->contexts_len;
    uint16_t slot;
    for (unsigned i = 0; i < 200; i++) {
        bool bound = service_bound(info);
        if (bound)
            snprintf(ret_key, TEXT, "of-%.16s-%u-%u", services[c->service].name, c->instance, i);
        else
            snprintf(ret_key, TEXT, "%.16s-%u", services[c->service].name, c->instance);
        if (!work_place(w, context, ret_key, &slot, ret_partition))
            return false;
        if (!bound || info->partitions[c->instance] == *ret_partition)
            return true;
    }
    return false;
}

static void call_send(struct world *w, struct services_sim *s, unsigned index)
{
    struct caller *c = &s->callers[index];
    const struct service *v = deployed(w, c->service);
    uint16_t partition;
    if (!v || !key_find(w, c, &v->info, c->key, &partition))
        return;
    c->calls++;
    c->again = work_below(w, 3) == 0;
    unsigned context = c->service % w->contexts_len;
    if (v->info.mode != SERVICE_NODE)
        place_make(s, c->key, context, partition);
    work_send(w, &c->ask, WORK_SERVICE, index, context, partition);
}

/* As session_service(). */
void services_sim_op(struct simshard *h, struct services_sim *s, unsigned index,
                     const struct ticket *to)
{
    const struct caller *c = &s->callers[index];
    const struct simnode *n = h->node;
    const struct catalog *known = h->state ? h->state->catalog : NULL;
    struct slice name = slice_str(services[c->service].name);
    const struct service *v = known ? catalog_service(known, name) : NULL;
    if (!v)
        return; /* it hears that there is none, and asks again */
    const struct service_info *info = &v->info;
    uint8_t head[SERVICE_HEAD_BYTES];
    char arg[2 * TEXT];
    uint32_t number = info->mode == SERVICE_COPIES ? c->instance : 0;
    struct slice key = info->mode == SERVICE_KEY ? slice_str(c->key) : name;
    snprintf(arg, sizeof arg, "%s %lu", c->key, (unsigned long)c->calls);
    store_u64(head, known->services_revision);
    store_u32(head + 8, number);
    head[12] = c->again;
    struct slice args[SERVICE_CALL_ARGS] = {name, slice_str("m"), slice_str(arg),
                                            slice_make(head, sizeof head)};
    struct op op = {.kind = OP_CALL,
                    .cache = cache_hidden(info->context),
                    .key = key,
                    .procedure = command_service,
                    .args = args,
                    .args_len = SERVICE_CALL_ARGS,
                    .keys = &key,
                    .keys_len = 1,
                    .reads_only = true,
                    .aside = true,
                    .once = !c->again,
                    .ticket = *to};
    if (info->mode == SERVICE_KEY) {
        op.slot = slot_of(key.data, key.len);
        op.partition = slot_partition(op.slot, catalog_context(known, info->context)->partitions);
    } else if (service_bound(info)) {
        op.partition = info->partitions[number];
    }
    if (info->mode == SERVICE_NODE)
        services_here(machine_worker(h), &op);
    else
        route_submit((struct simshard *)(uintptr_t)&n->shards[op.partition % n->w->mix.shards],
                     &op);
}

void services_sim_answer(struct world *w, struct services_sim *s, unsigned index,
                         const struct result *res)
{
    struct caller *c = &s->callers[index];
    c->ask.again_at = w->now + work_below(w, 100);
    if (res->status)
        return;
    tally.services++;
    if (w->work->wind_up)
        s->answered[c->service][c->instance] = true;
}

/* --- what is seen ----------------------------------------------------------------------------- */

/* Numbers behind `text`, which ends with a space. */
static uint64_t number_behind(struct slice text, size_t at)
{
    char digits[24] = "";
    if (at < text.len)
        snprintf(digits, sizeof digits, "%.*s", (int)(text.len - at), (const char *)text.data + at);
    return strtoull(digits, NULL, 10);
}

/* It looked whether it is still here, a moment ago: so nobody else can have answered for it. */
void services_sim_says(struct simnode *n, const struct result *res)
{
    struct world *w = n->w;
    struct services_sim *s = w->work->services;
    const uint8_t *space =
        s && !res->status && res->value.len ? memchr(res->value.data, ' ', res->value.len) : NULL;
    if (!space)
        return;
    size_t len = (size_t)(space - res->value.data);
    struct place *p = place_named(s, slice_make(res->value.data, len));
    uint64_t token = number_behind(res->value, len + 1);
    if (!p)
        return;
    if (token < p->best && !work_tainted(w, p->context, p->partition))
        world_fail(w, "node %u answers for %s with %lx, after %lx", n->index, p->key,
                   (unsigned long)token, (unsigned long)p->best);
    bool other = p->by != n || p->by_life != n->life;
    if (token == p->best && other && !work_tainted(w, p->context, p->partition))
        world_fail(w, "node %u answers for %s with %lx, as node %u did", n->index, p->key,
                   (unsigned long)token, p->by->index);
    p->best = token > p->best ? token : p->best;
    p->by = n;
    p->by_life = n->life;
}

void services_sim_wrote(struct simnode *n, struct services_sim *s, const struct op *op,
                        const struct result *res)
{
    if (op->kind != OP_PUT)
        return;
    struct place *p = place_named(s, op->key);
    tally.fenced += res->status == GRID_ENOT_PRIMARY;
    if (!p || res->status)
        return;
    struct write_done d = {res->version, number_behind(op->value, 0)};
    buf_add(&p->writes, &d, sizeof d);
    trace(n->w, "node %u writes %s by %lx: version %lx", n->index, p->key, (unsigned long)d.token,
          (unsigned long)d.version);
}

/* --- life ------------------------------------------------------------------------------------- */

static bool all_answered(const struct services_sim *s)
{
    for (unsigned i = 0; i < SERVICES; i++)
        for (unsigned k = 0; k < services[i].instances; k++)
            if (!s->answered[i][k])
                return false;
    return true;
}

bool services_sim_idle(const struct world *w, const struct services_sim *s)
{
    for (unsigned i = 0; i < CALLERS; i++)
        if (s->callers[i].ask.attempt)
            return false;
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (!machine_idle(w->nodes[i].machine))
            return false;
    return !w->work->wind_up || all_answered(s);
}

void services_sim_step(struct world *w, struct services_sim *s)
{
    operators_step(w);
    for (unsigned i = 0; i < CALLERS; i++) {
        struct caller *c = &s->callers[i];
        bool over = w->work->wind_up ? all_answered(s) : w->quiet;
        if (!work_may_ask(w, &c->ask) || over)
            continue;
        c->service = (unsigned)work_below(w, SERVICES);
        c->instance = (unsigned)work_below(w, services[c->service].instances);
        call_send(w, s, i);
    }
}

void services_sim_show(const struct services_sim *s)
{
    for (unsigned i = 0; i < SERVICES; i++)
        for (unsigned k = 0; k < services[i].instances; k++)
            if (!s->answered[i][k])
                printf("%s, instance %u, does not answer\n", services[i].name, k);
}

struct work_ask *services_sim_ask(struct services_sim *s, unsigned index)
{
    return &s->callers[index].ask;
}

struct services_sim *services_sim_new(void)
{
    return xcalloc(1, sizeof(struct services_sim));
}

void services_sim_free(struct services_sim *s)
{
    for (unsigned i = 0; s && i < s->places_len; i++)
        buf_release(&s->places[i].writes);
    free(s);
}

/* --- judged ----------------------------------------------------------------------------------- */

static int by_version(const void *a, const void *b)
{
    const struct write_done *x = a, *y = b;
    return x->version < y->version ? -1 : x->version > y->version;
}

static void place_judge(struct world *w, struct place *p)
{
    struct write_done last;
    struct slice value =
        work_stored(w, p->context, p->partition, false, slice_str(p->key), &last.version);
    last.token = number_behind(value, 0);
    if (last.version)
        buf_add(&p->writes, &last, sizeof last); /* who wrote it may not know */
    struct write_done *list = (struct write_done *)(void *)p->writes.data;
    size_t len = p->writes.len / sizeof *list;
    if (!len || work_tainted(w, p->context, p->partition))
        return;
    qsort(list, len, sizeof *list, by_version);
    for (size_t i = 1; i < len; i++)
        if (list[i].token < list[i - 1].token)
            world_fail(w, "%s was written by %lx (version %lx) after %lx (version %lx)", p->key,
                       (unsigned long)list[i].token, (unsigned long)list[i].version,
                       (unsigned long)list[i - 1].token, (unsigned long)list[i - 1].version);
}

void services_sim_judge(struct world *w, struct services_sim *s)
{
    for (unsigned i = 0; i < s->places_len && !w->fault; i++)
        place_judge(w, &s->places[i]);
}
