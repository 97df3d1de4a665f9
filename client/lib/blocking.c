/* blocking.c - waiting for one request, and the calls on one key that do. */
#include "grid_priv.h"

#include <stdio.h>
#include <stdlib.h>

static void on_waited(struct request *r, const struct outcome *o)
{
    struct wait *w = r->to;
    w->done = true;
    w->err = o->err;
    if (o->response && w->take) {
        enum grid_err taken = w->take(w, o->response);
        if (!w->err)
            w->err = taken;
    }
    snprintf(w->detail, ERROR_BYTES, "%s", o->detail);
}

enum grid_err gc_may_block(struct grid *g)
{
    if (g->depth || g->closing)
        return gc_fail(g, GRID_EBAD_REQUEST, "a completion must not block");
    g->error[0] = '\0';
    return GRID_OK;
}

enum grid_err gc_wait(struct grid *g, struct request *r, struct wait *w)
{
    char detail[ERROR_BYTES];
    enum grid_err err = gc_may_block(g);
    if (err) {
        free(r);
        return err;
    }
    if (!r)
        return gc_fail(g, GRID_ENOMEM, "");
    w->done = false;
    w->detail = detail;
    r->finish = on_waited;
    r->to = w;
    gc_request_submit(r);
    while (!w->done)
        gc_turn(g, -1);
    return gc_fail(g, w->err, detail);
}

void grid_value_release(struct grid_value *v)
{
    free(v->data);
    *v = (struct grid_value){0};
}

bool gc_value_take(struct grid_value *v, struct grid_bytes value, struct grid_bytes media)
{
    size_t bytes = value.len + media.len;
    uint8_t *data = malloc(bytes ? bytes : 1);
    if (!data)
        return false;
    if (value.len)
        memcpy(data, value.data, value.len);
    if (media.len)
        memcpy(data + value.len, media.data, media.len);
    v->data = data;
    v->len = value.len;
    v->media = (struct grid_bytes){media.len ? data + value.len : NULL, media.len};
    return true;
}

enum grid_err gc_take_value(struct wait *w, const struct wire_response *a)
{
    struct grid_value v = {
        .version = a->version, .deadline_ms = a->deadline_ms, .type = (enum grid_type)a->type};
    if (a->status || !w->to)
        return GRID_OK;
    if (!gc_value_take(&v, a->value, a->media))
        return GRID_ENOMEM;
    *(struct grid_value *)w->to = v;
    return GRID_OK;
}

enum grid_err grid_get(struct grid_cache *c, struct grid_bytes key, struct grid_bytes affinity,
                       struct grid_value *ret_value)
{
    struct wire_key k = {.key = key, .affinity = affinity};
    struct wait w = {.take = gc_take_value, .to = ret_value};
    return gc_wait(c->grid, gc_key_request(c, GRID__OP__GET, &k), &w);
}

static enum grid_err take_version(struct wait *w, const struct wire_response *a)
{
    uint64_t *version = w->to;
    if (version && (a->status == GRID_OK || a->status == GRID_ECONDITION))
        *version = a->version;
    return GRID_OK;
}

static enum grid_err take_number(struct wait *w, const struct wire_response *a)
{
    int64_t *number = w->to;
    if (number && a->status == GRID_OK)
        *number = a->result;
    return GRID_OK;
}

static enum grid_err take_deleted(struct wait *w, const struct wire_response *a)
{
    (void)w;
    return gc_key_outcome(GRID__OP__DELETE, (enum grid_err)a->status, a->result);
}

static struct grid_bytes affinity_of(const struct grid_write *how)
{
    return how ? how->affinity : (struct grid_bytes){NULL, 0};
}

enum grid_err grid_put(struct grid_cache *c, struct grid_bytes key, struct grid_bytes value,
                       const struct grid_write *how, uint64_t *ret_version)
{
    struct wire_key k = {.key = key, .value = value, .affinity = affinity_of(how), .how = how};
    struct wait w = {.take = take_version, .to = ret_version};
    return gc_wait(c->grid, gc_key_request(c, GRID__OP__PUT, &k), &w);
}

enum grid_err grid_delete(struct grid_cache *c, struct grid_bytes key, const struct grid_write *how)
{
    struct wire_key k = {.key = key, .affinity = affinity_of(how), .how = how};
    struct wait w = {.take = take_deleted};
    return gc_wait(c->grid, gc_key_request(c, GRID__OP__DELETE, &k), &w);
}

enum grid_err grid_incr(struct grid_cache *c, struct grid_bytes key, int64_t by,
                        const struct grid_write *how, int64_t *ret_number)
{
    struct wire_key k = {.key = key, .affinity = affinity_of(how), .how = how, .delta = by};
    struct wait w = {.take = take_number, .to = ret_number};
    return gc_wait(c->grid, gc_key_request(c, GRID__OP__INCR, &k), &w);
}

enum grid_err grid_expire(struct grid_cache *c, struct grid_bytes key, const struct grid_write *how,
                          uint64_t *ret_version)
{
    struct wire_key k = {.key = key, .affinity = affinity_of(how), .how = how};
    struct wait w = {.take = take_version, .to = ret_version};
    return gc_wait(c->grid, gc_key_request(c, GRID__OP__EXPIRE, &k), &w);
}

enum grid_err grid_task_run(struct grid_cache *c, const char *name, struct grid_bytes key,
                            struct grid_bytes affinity, struct grid_bytes argument,
                            struct grid_value *ret_result)
{
    struct wire_key k = {
        .key = key, .value = argument, .affinity = affinity, .name = {name, strlen(name)}};
    struct wait w = {.take = gc_take_value, .to = ret_result};
    return gc_wait(c->grid, gc_key_request(c, GRID__OP__RUN, &k), &w);
}

enum grid_err grid_ping(struct grid *g)
{
    struct wait w = {0};
    return gc_wait(g, gc_request_new(g, GRID__OP__PING, NULL, 0), &w);
}
