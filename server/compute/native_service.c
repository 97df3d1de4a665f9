/* native_service.c - a service in C: the table that its functions call, over what a service in Lua
 * asks its host for, and their runs. */
#include <grid_module.h>

#include "base/alloc.h"
#include "base/list.h"
#include "base/log.h"
#include "compute/native.h"
#include "compute/native_service.h"
#include "compute/native_store.h"
#include "compute/report.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOG_BYTES = 1024 };

/* The public part comes first: a grid_instance is one. */
struct native_service {
    struct grid_instance instance;
    const struct native *native;
    const struct service_host *host;
    struct native_store scratch; /* of the function that runs */
    struct buf *out;
    struct buf why;    /* of what was asked last and is not so */
    enum grid_err err; /* ... */
    bool failed;       /* it said why */
};

static struct native_service *service_of(struct grid_instance *i)
{
    return container_of(i, struct native_service, instance);
}

static struct slice slice_of(struct grid_bytes b)
{
    return slice_make(b.data, b.len);
}

static struct grid_bytes bytes_of(struct slice s)
{
    return (struct grid_bytes){s.data, s.len};
}

/* --- what it asks ----------------------------------------------------------------------------- */

/* `how` in what is asked; GRID_EBAD_REQUEST. */
static enum grid_err how_take(struct service_ask *a, const struct grid_write *how)
{
    if (!how)
        return GRID_OK;
    if ((unsigned)how->condition > IF_VERSION || (unsigned)how->ttl > TTL_KEEP || how->media.len ||
        how->type != GRID_BYTES)
        return GRID_EBAD_REQUEST;
    a->condition = (enum op_condition)how->condition;
    a->version = how->version;
    a->ttl = (enum op_ttl)how->ttl;
    a->ttl_ms = how->ttl_ms;
    a->affinity = slice_of(how->affinity);
    return GRID_OK;
}

/* Bytes that were got are in the scratch then. */
static enum grid_err ask(struct native_service *n, const struct service_ask *a,
                         struct service_got *got, struct grid_bytes *ret_bytes)
{
    const struct service_host *h = n->host;
    *got = (struct service_got){.value = BUF_INIT};
    bool full = ret_bytes && n->scratch.held > NATIVE_SCRATCH_MAX;
    enum grid_err err = full ? GRID_EFULL : h->ask(h->ctx, a, got);
    n->err = err;
    n->why.len = 0;
    if (err) {
        buf_add(&n->why, got->value.data, got->value.len);
    } else if (ret_bytes && got->value.len) {
        void *to = native_store_take(&n->scratch, got->value.len);
        memcpy(to, got->value.data, got->value.len);
        *ret_bytes = (struct grid_bytes){to, got->value.len};
    }
    buf_release(&got->value);
    return err;
}

static struct service_ask asked(enum op_kind kind, const char *cache, struct grid_bytes key)
{
    return (struct service_ask){
        .kind = kind, .cache = slice_str(cache ? cache : ""), .key = slice_of(key)};
}

static enum grid_err instance_get(struct grid_instance *i, const char *cache, struct grid_bytes key,
                                  struct grid_bytes affinity, struct grid_seen *ret_seen)
{
    struct service_ask a = asked(OP_GET, cache, key);
    struct service_got got;
    struct grid_bytes value = {NULL, 0};
    a.affinity = slice_of(affinity);
    enum grid_err err = ask(service_of(i), &a, &got, &value);
    if (!err)
        *ret_seen = (struct grid_seen){.key = key, .value = value, .version = got.version};
    return err;
}

static enum grid_err instance_put(struct grid_instance *i, const char *cache, struct grid_bytes key,
                                  struct grid_bytes value, const struct grid_write *how,
                                  uint64_t *ret_version)
{
    struct service_ask a = asked(OP_PUT, cache, key);
    struct service_got got;
    a.value = slice_of(value);
    enum grid_err err = how_take(&a, how);
    if (!err)
        err = ask(service_of(i), &a, &got, NULL);
    if (!err && ret_version)
        *ret_version = got.version;
    return err;
}

static enum grid_err instance_delete(struct grid_instance *i, const char *cache,
                                     struct grid_bytes key, const struct grid_write *how)
{
    struct service_ask a = asked(OP_DELETE, cache, key);
    struct service_got got;
    enum grid_err err = how_take(&a, how);
    if (!err)
        err = ask(service_of(i), &a, &got, NULL);
    return !err && !got.number ? GRID_ENOT_FOUND : err;
}

static enum grid_err instance_incr(struct grid_instance *i, const char *cache,
                                   struct grid_bytes key, int64_t by, const struct grid_write *how,
                                   int64_t *ret_number)
{
    struct service_ask a = asked(OP_INCR, cache, key);
    struct service_got got;
    a.delta = by;
    enum grid_err err = how_take(&a, how);
    if (!err)
        err = ask(service_of(i), &a, &got, NULL);
    if (!err && ret_number)
        *ret_number = got.number;
    return err;
}

static enum grid_err instance_run(struct grid_instance *i, const char *cache, const char *task,
                                  struct grid_bytes key, struct grid_bytes affinity,
                                  struct grid_bytes argument, struct grid_bytes *ret_result)
{
    struct service_ask a = asked(OP_CALL, cache, key);
    struct service_got got;
    struct grid_bytes result = {NULL, 0};
    a.affinity = slice_of(affinity);
    a.task = slice_str(task ? task : "");
    a.value = slice_of(argument);
    enum grid_err err = ask(service_of(i), &a, &got, &result);
    if (!err && ret_result)
        *ret_result = result;
    return err;
}

/* --- the rest of its table -------------------------------------------------------------------- */

static enum grid_err answer(struct grid_instance *i, struct grid_bytes bytes)
{
    struct native_service *n = service_of(i);
    if (n->failed)
        return GRID_ESERVICE;
    if (bytes.len > SERVICE_ANSWER_MAX - n->out->len)
        return GRID_ETOO_LARGE;
    if (bytes.len)
        buf_add(n->out, bytes.data, bytes.len);
    return GRID_OK;
}

static void say(struct native_service *n, struct slice text)
{
    report_fault(n->out, slice_str(n->native->path), text, "native code\n");
    n->failed = true;
}

static enum grid_err fail(struct grid_instance *i, const char *text)
{
    say(service_of(i), slice_str(text ? text : ""));
    return GRID_ESERVICE;
}

static void log_text(struct grid_instance *i, const char *text)
{
    log_line(LOG_INFO, "service", "%s: %.*s", i->name, (int)LOG_BYTES, text);
}

static void *scratch(struct grid_instance *i, size_t bytes)
{
    return native_store_take_within(&service_of(i)->scratch, bytes, NATIVE_SCRATCH_MAX);
}

static void forget(struct grid_instance *i)
{
    native_store_clear(&service_of(i)->scratch);
}

static bool over(struct grid_instance *i)
{
    const struct native_service *n = service_of(i);
    return n->host->over(n->host->ctx);
}

static const struct grid_instance_api api = {
    .size = sizeof api,
    .get = instance_get,
    .put = instance_put,
    .remove = instance_delete,
    .incr = instance_incr,
    .run = instance_run,
    .answer = answer,
    .fail = fail,
    .log = log_text,
    .alloc = scratch,
    .over = over,
    .forget = forget,
};

/* --- runs ------------------------------------------------------------------------------------- */

/* A function did not say why: its outcome, with why what it asked last had that one. */
static void say_outcome(struct native_service *n, enum grid_err err)
{
    char text[SERVICE_ERROR_MAX];
    bool why = err == n->err && n->why.len;
    int len = snprintf(text, sizeof text, "%s%s%.*s", err_text(err), why ? ": " : "",
                       why ? (int)n->why.len : 0, why ? (const char *)n->why.data : "");
    say(n, slice_make(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1));
}

bool native_service_run(struct native_service *n, enum service_function f, uint64_t token,
                        struct slice method, struct slice arg, struct buf *out)
{
    const struct grid_native *g = n->native->given;
    grid_service_fn *const functions[SERVICE_FNS] = {
        [SERVICE_FN_START] = g->start,
        [SERVICE_FN_STOP] = g->stop,
        [SERVICE_FN_HEALTH] = g->health,
        [SERVICE_FN_TICK] = g->tick,
    };
    enum grid_err err = GRID_OK;
    n->out = out;
    n->failed = false;
    n->err = GRID_OK;
    n->instance.token = token;
    if (f == SERVICE_FN_CALL && !g->call)
        say(n, slice_str("the service has no function call"));
    else if (f == SERVICE_FN_CALL)
        err = g->call(&n->instance, bytes_of(method), bytes_of(arg));
    else if (functions[f])
        err = functions[f](&n->instance);
    if (err && !n->failed)
        say_outcome(n, err);
    native_store_clear(&n->scratch);
    return !n->failed;
}

void native_service_facts(const struct native_service *n, struct service_facts *ret_facts)
{
    const struct grid_native *g = n->native->given;
    *ret_facts = (struct service_facts){.every_ms = g->tick ? g->every_ms : 0,
                                        .has_health = g->health != NULL};
}

struct native_service *native_service_new(const struct native *native,
                                          const struct service_host *host)
{
    struct native_service *n = xcalloc(1, sizeof *n);
    n->native = native;
    n->host = host;
    n->instance = (struct grid_instance){.api = &api,
                                         .name = native->path,
                                         .node = host->node,
                                         .argument = bytes_of(host->arg),
                                         .key = bytes_of(host->key),
                                         .number = host->number,
                                         .ctx = native->given->ctx};
    return n;
}

void native_service_free(struct native_service *n)
{
    if (!n)
        return;
    native_store_clear(&n->scratch);
    buf_release(&n->why);
    free(n);
}
