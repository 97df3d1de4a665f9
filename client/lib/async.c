/* async.c - requests on one key: checked, encoded, sent; completions. The hot path. */
#include "grid_priv.h"
#include "wait.h"

const char *gc_key_fault(const struct grid *g, const struct wire_key *k, enum grid_err *ret_err)
{
    const struct grid_write *how = k->how;
    *ret_err = GRID_EBAD_REQUEST;
    if (k->key.len == 0)
        return "the key is empty";
    if (how && how->ttl == GRID_TTL_SET && how->ttl_ms == 0)
        return "a time to live must be more than 0";
    if (how && how->media.len > MEDIA_BYTES_MAX)
        return "a media type has at most 127 bytes";
    *ret_err = GRID_ETOO_LARGE;
    if (k->key.len > KEY_BYTES_MAX)
        return "a key has at most 480 bytes";
    if (k->affinity.len > KEY_BYTES_MAX)
        return "an affinity key has at most 480 bytes";
    if (k->value.len > g->frame_max)
        return "the value is larger than the server takes";
    return NULL;
}

static struct request *refused_request(struct grid *g, uint32_t op, enum grid_err err,
                                       const char *why)
{
    struct request *r = gc_calloc(1, sizeof *r);
    r->grid = g;
    r->op = op;
    r->numbers = 1;
    list_init(&r->queue);
    list_init(&r->pending);
    list_init(&r->write);
    r->refusal = err;
    r->why = why;
    return r;
}

struct request *gc_key_request(struct grid_cache *c, uint32_t op, const struct wire_key *key)
{
    enum grid_err err;
    const char *fault = gc_key_fault(c->grid, key, &err);
    if (unlikely(fault))
        return refused_request(c->grid, op, err, fault);
    bool local = unlikely(c->grid->read_local) && op == GRID__OP__GET;
    size_t len = gc_wire_key_len(key) + gc_wire_number_len(REQUEST_READ_LOCAL, local);
    struct request *r = gc_request_new(c->grid, op, c, len);
    if (unlikely(!r))
        return NULL;
    gc_wire_put_number(gc_wire_put_key(r->body, key), REQUEST_READ_LOCAL, local);
    r->local = local;
    r->changes = r->is_write = op != GRID__OP__GET && op != GRID__OP__LOCATE;
    request_route(r, key->affinity.len ? key->affinity : key->key);
    return r;
}

enum grid_err gc_key_outcome(uint32_t op, enum grid_err err, int64_t result)
{
    return op == GRID__OP__DELETE && err == GRID_OK && result == 0 ? GRID_ENOT_FOUND : err;
}

static void on_done(struct request *r, const struct outcome *o)
{
    const struct wire_response *a = o->response;
    struct grid_result result = {.err = o->err, .detail = o->detail};
    if (likely(a != NULL)) {
        result.err = gc_key_outcome(r->op, o->err, a->result);
        result.value = a->value;
        result.version = a->version;
        result.deadline_ms = a->deadline_ms;
        result.number = a->result;
        result.type = (enum grid_type)a->type;
        result.media = a->media;
    }
    r->done(r->arg, &result);
}

static void start(struct grid_cache *c, uint32_t op, const struct wire_key *key, grid_done_fn *done,
                  void *arg)
{
    struct request *r = gc_key_request(c, op, key);
    gc_start_async(c->grid, r ? r : refused_request(c->grid, op, GRID_ENOMEM, "out of memory"),
                   done, arg);
}

void gc_start_async(struct grid *g, struct request *r, grid_done_fn *done, void *arg)
{
    if (unlikely(!r))
        r = refused_request(g, GRID__OP__NONE, GRID_ENOMEM, "out of memory");
    r->is_async = true;
    r->finish = on_done;
    r->done = done;
    r->arg = arg;
    gc_request_submit(r);
}

static struct grid_bytes affinity_of(const struct grid_write *how)
{
    return how ? how->affinity : (struct grid_bytes){NULL, 0};
}

void grid_get_async(struct grid_cache *c, struct grid_bytes key, struct grid_bytes affinity,
                    grid_done_fn *done, void *arg)
{
    struct wire_key k = {.key = key, .affinity = affinity};
    start(c, GRID__OP__GET, &k, done, arg);
}

void grid_put_async(struct grid_cache *c, struct grid_bytes key, struct grid_bytes value,
                    const struct grid_write *how, grid_done_fn *done, void *arg)
{
    struct wire_key k = {.key = key, .value = value, .affinity = affinity_of(how), .how = how};
    start(c, GRID__OP__PUT, &k, done, arg);
}

void grid_delete_async(struct grid_cache *c, struct grid_bytes key, const struct grid_write *how,
                       grid_done_fn *done, void *arg)
{
    struct wire_key k = {.key = key, .affinity = affinity_of(how), .how = how};
    start(c, GRID__OP__DELETE, &k, done, arg);
}

void grid_incr_async(struct grid_cache *c, struct grid_bytes key, int64_t by,
                     const struct grid_write *how, grid_done_fn *done, void *arg)
{
    struct wire_key k = {.key = key, .affinity = affinity_of(how), .how = how, .delta = by};
    start(c, GRID__OP__INCR, &k, done, arg);
}

void grid_task_run_async(struct grid_cache *c, const char *name, struct grid_bytes key,
                         struct grid_bytes affinity, struct grid_bytes argument, grid_done_fn *done,
                         void *arg)
{
    struct wire_key k = {
        .key = key, .value = argument, .affinity = affinity, .name = {name, strlen(name)}};
    start(c, GRID__OP__RUN, &k, done, arg);
}

void grid_expire_async(struct grid_cache *c, struct grid_bytes key, const struct grid_write *how,
                       grid_done_fn *done, void *arg)
{
    struct wire_key k = {.key = key, .affinity = affinity_of(how), .how = how};
    start(c, GRID__OP__EXPIRE, &k, done, arg);
}
