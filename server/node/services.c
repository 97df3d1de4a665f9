/* services.c - see services.h. */
#include "node/services.h"

#include "base/alloc.h"
#include "base/codec.h"
#include "base/log.h"
#include "compute/native.h"
#include "compute/sabotage.h"
#include "compute/service.h"
#include "compute/service_call.h"
#include "control/settings.h"
#include "coordination/holder.h"
#include "data/value.h"
#include "node/inside.h"
#include "node/pool.h"
#include "node/replication.h"
#include "node/routing.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOOK_MS = 5, END_MS = 2000, END_LOOK_MS = 10 };
/* Of code in C, which is the same for as long as the node runs; no version of a module. */
#define CODE_NATIVE UINT64_MAX

struct services {
    struct worker *worker;
    struct holder *holder;
    struct loop_timer timer, ending;
    msec_t looked_at;
    struct ended *ended; /* while it ends */
    msec_t end_by;
    atomic_bool hurry; /* that is over */
};

/* An instance, as the threads of the pool have it. Its worker changes it while no work runs. */
struct living {
    struct pool_work work;
    struct note note;
    struct services *services;
    struct life *life;
    struct node *node;
    atomic_bool over;
    struct service_code *code;
    struct service_host host;
    struct module *module;       /* its own reference; or */
    const struct native *native; /* in C */
    char context[NAME_BYTES_MAX + 1];
    uint32_t context_id, partition;
    bool fenced; /* it is bound to that partition */
    struct service_work todo;
    struct service_outcome outcome;
    struct buf out;
};

/* --- what its code asks ----------------------------------------------------------------------- */

static bool host_over(void *ctx)
{
    const struct living *v = ctx;
    return atomic_load_explicit(v->todo.kind == SERVICE_STOP ? &v->services->hurry : &v->over,
                                memory_order_acquire);
}

static uint64_t host_mono_us(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static msec_t host_wall_ms(void *ctx)
{
    (void)ctx;
    return clock_wall_ms();
}

static enum grid_err told(struct service_got *got, enum grid_err err, struct slice why)
{
    if (why.len)
        buf_add(&got->value, why.data, why.len);
    return err;
}

static void op_fill(const struct service_ask *a, struct op *op)
{
    *op = (struct op){.kind = a->kind,
                      .value = a->value,
                      .delta = a->delta,
                      .ttl = a->ttl,
                      .ttl_ms = a->ttl_ms,
                      .condition = a->condition,
                      .version = a->version};
}

static enum grid_err answer_take(const struct result *res, const struct service_ask *a,
                                 struct service_got *got)
{
    got->version = res->version;
    got->number = res->number;
    struct slice bytes = res->value;
    if (a->kind == OP_GET && !res->status && !value_is_bytes((enum value_type)res->type))
        return GRID_EWRONG_TYPE;
    if (a->kind == OP_GET && !res->status)
        bytes = value_bytes((enum value_type)res->type, bytes);
    if ((a->kind == OP_GET || a->kind == OP_CALL) && bytes.len)
        buf_add(&got->value, bytes.data, bytes.len);
    return res->status;
}

/* What lies in the partition that the instance is bound to is done here, by the lead that its token
 * is of, or not at all: this thread may have stood still for any time since it looked. */
static enum grid_err host_ask(void *ctx, const struct service_ask *a, struct service_got *got)
{
    struct living *v = ctx;
    char path[PATH_BYTES_MAX + 1];
    const char *why = NULL;
    struct task_room room;
    struct inside_answer answer = {.memory = NULL};
    struct op op;
    struct slice cache = a->cache;
    if (!cache.len || !memchr(cache.data, '/', cache.len)) {
        snprintf(path, sizeof path, "%s/%.*s", v->context,
                 (int)(cache.len < NAME_BYTES_MAX ? cache.len : NAME_BYTES_MAX),
                 cache.len ? (const char *)cache.data : "");
        cache = slice_str(path);
    }
    op_fill(a, &op);
    enum grid_err err = inside_place(v->node, cache, a->key, a->affinity, &op, &why);
    if (!err && a->kind == OP_CALL)
        err = inside_task(v->node, &op, a->task, &room, &why);
    if (err)
        return told(got, err, why ? slice_str(why) : slice_make(NULL, 0));
    bool own =
        v->fenced && cache_context(op.cache) == v->context_id && op.partition == v->partition;
    op.direct = own;
    op.epoch = own && !WORK_RULE_OFF(FENCE) ? service_token_epoch(v->todo.token) : 0;
    if (host_over(v))
        return told(got, GRID_EDENIED, slice_str("it does not live here any more"));
    inside_wait(v->node, &op, &answer);
    err = answer_take(&answer.result, a, got);
    inside_answer_release(&answer);
    if (own && err == GRID_ENOT_PRIMARY) {
        got->value.len = 0;
        return told(got, GRID_EDENIED, slice_str("it does not live here any more"));
    }
    return err;
}

/* --- on the pool ------------------------------------------------------------------------------ */

static void done_run(struct note *note, void *thread);

static void work_start(struct living *v)
{
    const struct service_info *info = life_service(v->life);
    struct slice module, name;
    bool split = module_path_split(slice_str(info->name), &module, &name);
    CHECK(split);
    v->code = v->native ? service_open_native(v->native, &v->host)
                        : service_open(&v->module->info, name, &v->host, &v->out);
    if (!v->code) {
        v->outcome.failed = true;
        return;
    }
    struct service_facts facts;
    service_facts(v->code, &facts);
    v->outcome.every_ms = facts.every_ms;
    v->outcome.has_health = facts.has_health;
}

static size_t line_len(const struct buf *b)
{
    const uint8_t *end = b->len ? memchr(b->data, '\n', b->len) : NULL;
    return end ? (size_t)(end - b->data) : b->len;
}

static void work_run(struct pool_work *w, struct pool_thread *t)
{
    static const enum service_function functions[] = {
        [SERVICE_START] = SERVICE_FN_START,   [SERVICE_STOP] = SERVICE_FN_STOP,
        [SERVICE_HEALTH] = SERVICE_FN_HEALTH, [SERVICE_TICK] = SERVICE_FN_TICK,
        [SERVICE_CALL] = SERVICE_FN_CALL,
    };
    struct living *v = container_of(w, struct living, work);
    (void)t;
    v->out.len = 0;
    v->outcome = (struct service_outcome){.failed = false};
    if (v->todo.kind == SERVICE_START)
        work_start(v);
    if (v->code && !v->outcome.failed)
        v->outcome.failed = !service_run(v->code, functions[v->todo.kind], v->todo.token,
                                         v->todo.method, v->todo.arg, &v->out, &v->outcome.broken);
    if (v->todo.kind == SERVICE_STOP && v->outcome.failed)
        log_warn("service", "%s: it did not stop as it should: %.*s", life_service(v->life)->name,
                 (int)line_len(&v->out), (const char *)v->out.data);
    if (v->todo.kind == SERVICE_STOP) { /* freed here, for that takes long */
        service_close(v->code);
        v->code = NULL;
    }
    v->outcome.text = buf_slice(&v->out);
    worker_post(v->services->worker, &v->note);
}

/* --- ports of the holder ---------------------------------------------------------------------- */

static bool port_leads(void *ctx, uint32_t context, uint32_t partition, uint64_t *ret_epoch)
{
    struct services *s = ctx;
    return shard_leads(s->worker->shard, context, partition, ret_epoch);
}

static bool in_grid(const struct worker *w)
{
    return !w->replication || replication_self(w).node;
}

static bool port_labelled(void *ctx, const char *labels)
{
    const struct services *s = ctx;
    const struct node *n = s->worker->node;
    if (s->worker->index != 0 || !in_grid(s->worker))
        return false;
    bool has = !labels[0];
    for (size_t i = 0; i < n->conf.labels_len && !has; i++)
        has = strcmp(n->conf.labels[i], labels) == 0;
    return has;
}

static uint64_t port_code(void *ctx, const struct service_info *info)
{
    const struct services *s = ctx;
    const struct module *m;
    struct slice name = slice_str(info->name);
    if (catalog_code(s->worker->catalog, MODULE_SERVICE, name, &m))
        return m->info.version;
    return natives_find(s->worker->node->natives, MODULE_SERVICE, name) ? CODE_NATIVE : 0;
}

static struct living *living_new(struct services *s, struct life *l)
{
    const struct service_info *info = life_service(l);
    const struct catalog *c = s->worker->catalog;
    const struct context_info *context = catalog_context(c, info->context);
    const struct module *m = NULL;
    struct living *v = xcalloc(1, sizeof *v);
    v->services = s;
    v->life = l;
    v->node = s->worker->node;
    v->work.run = work_run;
    v->note.run = done_run;
    snprintf(v->context, sizeof v->context, "%s", context ? context->name : "");
    v->context_id = info->context;
    v->partition = life_partition(l);
    v->fenced = info->mode != SERVICE_NODE;
    if (catalog_code(c, MODULE_SERVICE, slice_str(info->name), &m))
        v->module = module_ref((struct module *)(uintptr_t)m);
    else
        v->native = natives_find(v->node->natives, MODULE_SERVICE, slice_str(info->name));
    v->host = (struct service_host){.ctx = v,
                                    .ask = host_ask,
                                    .over = host_over,
                                    .mono_us = host_mono_us,
                                    .wall_ms = host_wall_ms,
                                    .node = v->node->conf.name,
                                    .key = life_key(l),
                                    .arg = info->arg,
                                    .number = life_number(l),
                                    .steps = INT64_MAX / 4,
                                    .memory = (size_t)catalog_setting(c, SETTING_script_memory)};
    return v;
}

/* Without threads that take it, it failed; told by mail, as all is. */
static void port_run(void *ctx, struct life *l, const struct service_work *w)
{
    struct services *s = ctx;
    void **host = life_host(l);
    if (!*host)
        *host = living_new(s, l);
    struct living *v = *host;
    v->todo = *w;
    v->host.time_us = (uint64_t)catalog_setting(s->worker->catalog, SETTING_service_time) * 1000;
    v->work.priority = w->kind == SERVICE_STOP ? POOL_FIRST : POOL_USUAL;
    if (pool_post(v->node->service_pool, &v->work))
        return;
    v->outcome = (struct service_outcome){.failed = true, .text = slice_str("the node stops")};
    worker_post(s->worker, &v->note);
}

static void port_over(void *ctx, struct life *l)
{
    struct living *v = *life_host(l);
    (void)ctx;
    if (v)
        atomic_store_explicit(&v->over, true, memory_order_release);
}

static void port_gone(void *ctx, struct life *l)
{
    struct living *v = *life_host(l);
    (void)ctx;
    service_close(v->code);
    module_unref(v->module);
    buf_release(&v->out);
    free(v);
}

static void port_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    struct services *s = ctx;
    forward_result(s->worker, to, res);
}

/* --- on the worker ---------------------------------------------------------------------------- */

static msec_t mono(const struct services *s)
{
    return loop_mono_ms(s->worker->loop);
}

static void timer_set(struct services *s)
{
    msec_t next = holder_tick(s->holder, mono(s));
    s->looked_at = mono(s);
    if (next != UINT64_MAX)
        loop_timer_set(&s->timer, next);
}

static void timer_over(void *ctx)
{
    struct services *s = ctx;
    if (!s->worker->ended)
        timer_set(s);
}

static void done_run(struct note *note, void *thread)
{
    struct living *v = container_of(note, struct living, note);
    struct services *s = v->services;
    (void)thread;
    holder_done(s->holder, v->life, &v->outcome, mono(s));
}

void services_look(struct worker *w)
{
    struct services *s = w->services;
    if (!w->catalog->services_len && !holder_lives(s->holder))
        return;
    holder_set(s->holder, w->catalog, mono(s));
    timer_set(s);
}

void services_turn(struct worker *w)
{
    struct services *s = w->services;
    if (unlikely(w->catalog->services_len) && mono(s) >= s->looked_at + LOOK_MS)
        services_look(w);
}

static void call(struct worker *w, const struct op *op)
{
    const uint8_t *head = op->args[3].data;
    const struct ticket *to = &op->ticket;
    if (op->args_len != SERVICE_CALL_ARGS || op->args[3].len != SERVICE_HEAD_BYTES) {
        forward_result(w, to, &(struct result){.status = GRID_EBAD_REQUEST});
        return;
    }
    struct service_call c = {.name = op->args[0],
                             .key = op->key,
                             .method = op->args[1],
                             .arg = op->args[2],
                             .known = load_u64(head),
                             .number = load_u32(head + 8),
                             .again = head[12],
                             .ticket = *to};
    services_look(w);
    holder_call(w->services->holder, &c, op->partition, mono(w->services));
}

void services_begin(struct aside *a)
{
    call(a->worker, &a->op);
    free(a);
}

struct here {
    struct note note;
    struct op op;
    /* then all that hangs on it */
};

static void here_run(struct note *note, void *thread)
{
    struct here *h = container_of(note, struct here, note);
    call(thread, &h->op);
    free(h);
}

void services_here(void *worker, const struct op *op)
{
    struct worker *w = worker;
    struct here *h = xalloc(sizeof *h + op_copy_bytes(op));
    *h = (struct here){{.run = here_run}, *op};
    op_copy_fill(&h->op, h + 1);
    worker_post(&w->node->workers[0], &h->note);
}

/* --- what there is ---------------------------------------------------------------------------- */

struct listing {
    struct worker *worker;
    struct share *share;
    size_t cap;
    msec_t mono, wall;
};

/* Texts are put one behind the other, and found when they do not move any more. */
static void list_one(void *ctx, const struct life_facts *f)
{
    struct listing *l = ctx;
    struct share *s = l->share;
    if (s->instances_len == l->cap)
        return;
    struct admin_instance *i = &s->instances[s->instances_len++];
    *i = (struct admin_instance){.number = f->number,
                                 .partition = f->partition,
                                 .node = l->worker->node->conf.name,
                                 .state = f->state,
                                 .token = f->token,
                                 .since_ms = l->wall - (l->mono - f->since),
                                 .calls = f->calls,
                                 .failures = f->failures};
    i->key.len = f->key.len;
    if (f->key.len)
        buf_add(&s->texts, f->key.data, f->key.len);
    buf_printf(&s->texts, "%s", f->info->name);
    buf_add_u8(&s->texts, 0);
    if (f->error.len)
        buf_add(&s->texts, f->error.data, f->error.len);
    buf_add_u8(&s->texts, 0);
}

void services_visit(struct worker *w, struct job *j, struct share *share)
{
    const struct holder *h = w->services->holder;
    struct listing l = {w, share, holder_lives(h), loop_mono_ms(w->loop), clock_wall_ms()};
    share->instances = xcalloc(l.cap, sizeof *share->instances);
    holder_each(h, slice_str(j->request.name), list_one, &l);
    const uint8_t *at = share->texts.data;
    for (size_t i = 0; i < share->instances_len; i++) {
        struct admin_instance *one = &share->instances[i];
        one->key.data = at;
        at += one->key.len;
        one->service = (const char *)at;
        at += strlen(one->service) + 1;
        one->error = (const char *)at;
        at += strlen(one->error) + 1;
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

struct ended { /* of a worker */
    struct note note;
    struct worker *worker;
    void (*done)(struct node *n);
};

static void ended_run(struct note *note, void *thread)
{
    struct ended *e = container_of(note, struct ended, note);
    struct node *n = thread;
    void (*done)(struct node *) = e->done;
    free(e);
    if (--n->services_ending == 0)
        done(n);
}

static void end_look(void *ctx)
{
    struct services *s = ctx;
    if (holder_lives(s->holder) && mono(s) < s->end_by) {
        loop_timer_set(&s->ending, END_LOOK_MS);
        return;
    }
    if (holder_lives(s->holder))
        log_warn("service",
                 "%zu instances have not stopped in %u ms: Lua is ended, C is waited for",
                 holder_lives(s->holder), (unsigned)END_MS);
    atomic_store_explicit(&s->hurry, true, memory_order_release);
    s->ended->note.run = ended_run;
    loop_post(s->worker->node->loop, &s->ended->note.mail);
}

static void end_run(struct note *note, void *thread)
{
    struct ended *e = container_of(note, struct ended, note);
    struct worker *w = thread;
    struct services *s = w->services;
    s->ended = e;
    s->end_by = mono(s) + END_MS;
    holder_close(s->holder, mono(s));
    end_look(s);
}

void services_end(struct node *n, void (*done)(struct node *n))
{
    n->services_ending = n->shards;
    for (unsigned i = 0; i < n->shards; i++) {
        struct ended *e = xcalloc(1, sizeof *e);
        *e = (struct ended){{.run = end_run}, &n->workers[i], done};
        worker_post(&n->workers[i], &e->note);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void services_init(struct worker *w)
{
    const struct holder_ports ports = {NULL,     port_leads, port_labelled, port_code,
                                       port_run, port_over,  port_gone,     port_reply};
    struct services *s = xcalloc(1, sizeof *s);
    struct holder_ports own = ports;
    own.ctx = s;
    s->worker = w;
    s->holder = holder_new(&own);
    loop_timer_init(&s->timer, w->loop, timer_over, s);
    loop_timer_init(&s->ending, w->loop, end_look, s);
    w->services = s;
}

void services_rest(struct worker *w)
{
    loop_timer_stop(&w->services->timer);
    loop_timer_stop(&w->services->ending);
}

void services_release(struct worker *w)
{
    if (!w->services)
        return;
    holder_free(w->services->holder);
    free(w->services);
    w->services = NULL;
}
