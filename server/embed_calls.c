/* embed_calls.c - gridd.h: the program's own calls. An op of each, as a session would make it; a
 * blocking one waits for its answer, or finds it in memory (node/inside.h). */
#include "embed_priv.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "node/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_MS = 10000, PAUSE_MS_MAX = 64 };

struct grid_node_cache {
    struct node *node;
    uint32_t cache, partitions; /* of its context; both are for ever */
};

enum grid_err grid_node_cache_open(struct grid_node *n, const char *path,
                                   struct grid_node_cache **ret_cache)
{
    struct op op = {.kind = OP_GET};
    const char *why;
    enum grid_err err =
        inside_place(n->node, slice_str(path), slice_str("any"), slice_str(""), &op, &why);
    if (err)
        return err;
    struct catalog *catalog = inside_catalog(n->node);
    const struct context_info *context = catalog_context(catalog, cache_context(op.cache));
    struct grid_node_cache *c = xcalloc(1, sizeof *c);
    *c = (struct grid_node_cache){n->node, op.cache, context ? context->partitions : 1};
    catalog_unref(catalog);
    inside_lend(n->node);
    *ret_cache = c;
    return GRID_OK;
}

void grid_node_cache_free(struct grid_node_cache *c)
{
    free(c);
}

/* --- ops -------------------------------------------------------------------------------------- */

static struct slice slice_of(struct grid_bytes b)
{
    return slice_make(b.data, b.len);
}

static struct op op_at(const struct grid_node_cache *c, enum op_kind kind, struct grid_bytes key,
                       struct grid_bytes affinity)
{
    struct op op = {
        .kind = kind, .cache = c->cache, .key = slice_of(key), .affinity = slice_of(affinity)};
    op.slot = hash_slot(op.affinity.len ? op.affinity : op.key);
    op.partition = slot_partition(op.slot, c->partitions);
    return op;
}

static struct op op_how(const struct grid_node_cache *c, enum op_kind kind, struct grid_bytes key,
                        const struct grid_write *how)
{
    static const struct grid_write usual;
    how = how ? how : &usual;
    struct op op = op_at(c, kind, key, how->affinity);
    op.condition = (enum op_condition)how->condition;
    op.version = how->version;
    op.ttl = (enum op_ttl)how->ttl;
    op.ttl_ms = how->ttl_ms;
    op.type = (uint8_t)how->type;
    return op;
}

/* A value with a media type has a form of its own, in `to`: data/value.h. False: it is no type. */
static bool value_store(struct op *op, struct grid_bytes value, const struct grid_write *how,
                        struct buf *to)
{
    op->value = slice_of(value);
    if (!how || !how->media.len)
        return !how || how->type != GRID_MEDIA;
    if (how->media.len > MEDIA_BYTES_MAX || how->type == GRID_HASH)
        return false;
    op->type = VALUE_MEDIA;
    buf_add_u8(to, (uint8_t)how->media.len);
    buf_add(to, how->media.data, how->media.len);
    if (value.len)
        buf_add(to, value.data, value.len);
    op->value = buf_slice(to);
    return true;
}

/* That nobody leads it is news for who knows of nodes. */
static enum grid_err outcome(enum grid_err err)
{
    return err == GRID_ENOT_PRIMARY ? GRID_EUNREACHABLE : err;
}

static struct slice media_of(const struct result *res)
{
    return value_media((enum value_type)res->type, res->value);
}

/* Bytes, and the media type behind them. */
static void value_take(void *ctx, const struct result *res)
{
    struct grid_value *v = ctx;
    struct slice bytes = value_bytes((enum value_type)res->type, res->value);
    struct slice media = media_of(res);
    *v = (struct grid_value){.len = bytes.len,
                             .version = res->version,
                             .deadline_ms = res->deadline,
                             .type = (enum grid_type)res->type};
    if (res->status)
        return;
    v->data = xalloc(bytes.len + media.len + 1);
    if (bytes.len)
        memcpy(v->data, bytes.data, bytes.len);
    if (media.len)
        memcpy((char *)v->data + bytes.len, media.data, media.len);
    if (media.len)
        v->media = (struct grid_bytes){(char *)v->data + bytes.len, media.len};
}

/* --- blocking --------------------------------------------------------------------------------- */

/* Clients ask again for as long as they have patience, and so does who waits here, when it was
 * surely not done because nobody leads the partition just now, or this node is about to enter. */
static void wait_for(const struct grid_node_cache *c, const struct op *op,
                     struct inside_answer *ret_answer)
{
    msec_t until = clock_mono_ms() + PATIENCE_MS;
    for (msec_t pause = 1;; pause += pause < PAUSE_MS_MAX ? pause : 0) {
        inside_wait(c->node, op, ret_answer);
        enum grid_err err = ret_answer->result.status;
        if ((err != GRID_ENOT_PRIMARY && err != GRID_EENTERING) || clock_mono_ms() >= until)
            return;
        inside_answer_release(ret_answer);
        nanosleep(&(struct timespec){.tv_nsec = (long)pause * 1000000}, NULL);
    }
}

struct got {
    enum grid_err err;
    struct grid_value *value;
};

static void get_take(void *ctx, const struct result *res)
{
    struct got *g = ctx;
    g->err = res->status;
    if (!res->status)
        value_take(g->value, res);
}

enum grid_err grid_node_get(struct grid_node_cache *c, struct grid_bytes key,
                            struct grid_bytes affinity, struct grid_value *ret_value)
{
    struct op op = op_at(c, OP_GET, key, affinity);
    struct got got = {.value = ret_value};
    if (inside_peek(c->node, &op, get_take, &got))
        return got.err;
    struct inside_answer a;
    wait_for(c, &op, &a);
    get_take(&got, &a.result);
    inside_answer_release(&a);
    return outcome(got.err);
}

static enum grid_err ask(const struct grid_node_cache *c, const struct op *op,
                         struct result *ret_res)
{
    struct inside_answer a;
    wait_for(c, op, &a);
    *ret_res = a.result;
    ret_res->value = slice_make(NULL, 0);
    inside_answer_release(&a);
    return outcome(ret_res->status);
}

enum grid_err grid_node_put(struct grid_node_cache *c, struct grid_bytes key,
                            struct grid_bytes value, const struct grid_write *how,
                            uint64_t *ret_version)
{
    struct op op = op_how(c, OP_PUT, key, how);
    struct result res = {.status = GRID_EBAD_REQUEST};
    struct buf stored = BUF_INIT;
    enum grid_err err = res.status;
    if (value_store(&op, value, how, &stored))
        err = ask(c, &op, &res);
    if (ret_version && (!err || err == GRID_ECONDITION))
        *ret_version = res.version;
    buf_release(&stored);
    return err;
}

enum grid_err grid_node_delete(struct grid_node_cache *c, struct grid_bytes key,
                               const struct grid_write *how)
{
    struct op op = op_how(c, OP_DELETE, key, how);
    struct result res;
    enum grid_err err = ask(c, &op, &res);
    return !err && !res.number ? GRID_ENOT_FOUND : err;
}

enum grid_err grid_node_incr(struct grid_node_cache *c, struct grid_bytes key, int64_t by,
                             const struct grid_write *how, int64_t *ret_number)
{
    struct op op = op_how(c, OP_INCR, key, how);
    struct result res;
    op.delta = by;
    enum grid_err err = ask(c, &op, &res);
    if (!err && ret_number)
        *ret_number = res.number;
    return err;
}

enum grid_err grid_node_expire(struct grid_node_cache *c, struct grid_bytes key,
                               const struct grid_write *how, uint64_t *ret_version)
{
    struct op op = op_how(c, OP_EXPIRE, key, how);
    struct result res;
    enum grid_err err = ask(c, &op, &res);
    if (!err && ret_version)
        *ret_version = res.version;
    return err;
}

static enum grid_err op_run(const struct grid_node_cache *c, struct op *op, const char *name,
                            struct grid_bytes argument, struct task_room *room,
                            const char **ret_why)
{
    op->value = slice_of(argument);
    return inside_task(c->node, op, slice_str(name), room, ret_why);
}

enum grid_err grid_node_run(struct grid_node_cache *c, const char *name, struct grid_bytes key,
                            struct grid_bytes affinity, struct grid_bytes argument,
                            struct grid_value *ret_result, char *why)
{
    struct op op = op_at(c, OP_GET, key, affinity);
    struct task_room room;
    const char *fault;
    struct inside_answer a = {.memory = NULL};
    a.result.status = op_run(c, &op, name, argument, &room, &fault);
    if (!a.result.status)
        wait_for(c, &op, &a);
    enum grid_err err = outcome(a.result.status);
    if (!err && ret_result)
        value_take(ret_result, &a.result);
    if (why)
        snprintf(why, GRID_NODE_WHY_BYTES, "%.*s", (int)a.result.value.len,
                 err ? (const char *)a.result.value.data : "");
    if (why && err && !a.result.value.len)
        snprintf(why, GRID_NODE_WHY_BYTES, "%s", fault ? fault : err_text(err));
    inside_answer_release(&a);
    return err;
}

/* --- without waiting -------------------------------------------------------------------------- */

struct call_async {
    struct inside_call call;
    grid_done_fn *done;
    void *arg;
    bool deletes;
};

static void async_tell(const struct call_async *a, const struct result *res)
{
    struct slice bytes = value_bytes((enum value_type)res->type, res->value);
    struct slice media = media_of(res);
    bool text = res->status == GRID_ETASK;
    char detail[GRID_NODE_WHY_BYTES] = "";
    enum grid_err err = outcome(res->status);
    if (err)
        snprintf(detail, sizeof detail, "%.*s", text ? (int)bytes.len : 100,
                 text ? (const char *)bytes.data : err_text(err));
    struct grid_result told = {.err = a->deletes && !err && !res->number ? GRID_ENOT_FOUND : err,
                               .version = res->version,
                               .deadline_ms = res->deadline,
                               .number = res->number,
                               .detail = detail,
                               .type = (enum grid_type)res->type,
                               .media = {media.data, media.len}};
    if (!err)
        told.value = (struct grid_bytes){bytes.data, bytes.len};
    a->done(a->arg, &told);
}

static void async_done(struct inside_call *c, const struct result *res, struct worker *on)
{
    struct call_async *a = container_of(c, struct call_async, call);
    (void)on;
    async_tell(a, res);
    free(a);
}

/* `err`: it is refused here. */
static void async_ask(const struct grid_node_cache *c, const struct op *op, grid_done_fn *done,
                      void *arg, enum grid_err err)
{
    struct call_async *a = xcalloc(1, sizeof *a);
    *a = (struct call_async){.call = {.op = *op, .done = async_done},
                             .done = done,
                             .arg = arg,
                             .deletes = op->kind == OP_DELETE};
    if (!err) {
        inside_ask(c->node, &a->call);
        return;
    }
    struct result res = {.status = err};
    async_done(&a->call, &res, NULL);
}

void grid_node_get_async(struct grid_node_cache *c, struct grid_bytes key,
                         struct grid_bytes affinity, grid_done_fn *done, void *arg)
{
    struct op op = op_at(c, OP_GET, key, affinity);
    async_ask(c, &op, done, arg, GRID_OK);
}

void grid_node_put_async(struct grid_node_cache *c, struct grid_bytes key, struct grid_bytes value,
                         const struct grid_write *how, grid_done_fn *done, void *arg)
{
    struct op op = op_how(c, OP_PUT, key, how);
    struct buf stored = BUF_INIT;
    bool good = value_store(&op, value, how, &stored);
    async_ask(c, &op, done, arg, good ? GRID_OK : GRID_EBAD_REQUEST);
    buf_release(&stored);
}

void grid_node_delete_async(struct grid_node_cache *c, struct grid_bytes key,
                            const struct grid_write *how, grid_done_fn *done, void *arg)
{
    struct op op = op_how(c, OP_DELETE, key, how);
    async_ask(c, &op, done, arg, GRID_OK);
}

void grid_node_incr_async(struct grid_node_cache *c, struct grid_bytes key, int64_t by,
                          const struct grid_write *how, grid_done_fn *done, void *arg)
{
    struct op op = op_how(c, OP_INCR, key, how);
    op.delta = by;
    async_ask(c, &op, done, arg, GRID_OK);
}

void grid_node_expire_async(struct grid_node_cache *c, struct grid_bytes key,
                            const struct grid_write *how, grid_done_fn *done, void *arg)
{
    struct op op = op_how(c, OP_EXPIRE, key, how);
    async_ask(c, &op, done, arg, GRID_OK);
}

void grid_node_run_async(struct grid_node_cache *c, const char *name, struct grid_bytes key,
                         struct grid_bytes affinity, struct grid_bytes argument, grid_done_fn *done,
                         void *arg)
{
    struct op op = op_at(c, OP_GET, key, affinity);
    struct task_room room;
    const char *fault;
    async_ask(c, &op, done, arg, op_run(c, &op, name, argument, &room, &fault));
}
