/* resp_keyed.c - commands on keys: a call of a procedure at their partition.
 *
 * All keys in one partition (so always where the context has one only): one call, and the command
 * is atomic as in Redis. Else, where the command allows it, one call for each key, and the answers
 * are put together. A split command stays in the input until the last of its calls is submitted, so
 * a long one waits for room like any requests do. */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "command/commands.h"

#include <stdlib.h>

enum { KEY_MIN = 1 };

struct resp_keys resp_keys_of(const struct resp_command *c, const struct slice *args,
                              uint32_t args_len)
{
    if (unlikely(c->flags & RESP_SCRIPT))
        return resp_script_keys(c, args, args_len);
    if (c->first <= 0)
        return (struct resp_keys){0, 0, 0};
    int64_t last = c->last >= 0 ? c->last : (int64_t)args_len + c->last;
    if (last >= (int64_t)args_len)
        last = (int64_t)args_len - 1;
    if (last < c->first)
        return (struct resp_keys){0, 0, 0};
    return (struct resp_keys){(uint32_t)c->first, (uint32_t)last, (uint32_t)c->step};
}

const char *resp_key_fault(struct slice key)
{
    if (likely(key.len >= KEY_MIN && key.len <= KEY_BYTES_MAX))
        return NULL;
    return key.len ? "ERR a key has at most 480 bytes" : "ERR the key is empty";
}

const struct context_info *resp_context(struct resp_session *r, enum grid_err *ret_err)
{
    const struct context_info *context;
    struct fault f = session_context(&r->base, r->cache, &context);
    *ret_err = f.err;
    return likely(!f.err) ? context : NULL;
}

static uint32_t keys_len(const struct resp_keys *k)
{
    return (k->last - k->first) / k->step + 1;
}

/* Everything of a call but its arguments and keys. */
static inline void call_fill(struct resp_session *r, const struct resp_command *c, struct op *op)
{
    *op = (struct op){
        .kind = OP_CALL,
        .cache = r->cache,
        .procedure = c->procedure,
        .flags = r->resp3 ? CALL_RESP3 : 0,
        .reads_only = !resp_writes(c),
        .makes_steps = (c->flags & RESP_SCRIPT) != 0,
    };
}

/* --- one partition ---------------------------------------------------------------------------- */

/* The keys stand side by side, or are gathered. NULL: no room. */
static const struct slice *keys_gather(struct resp_session *r, const struct resp_request *q,
                                       const struct resp_keys *k, uint32_t len)
{
    if (likely(k->step == 1 || len == 1))
        return q->args + k->first;
    struct slice *keys = arena_alloc(r->base.arena, len * sizeof *keys);
    for (uint32_t i = 0; keys && i < len; i++)
        keys[i] = q->args[k->first + i * k->step];
    return keys;
}

static enum resp_taken call_whole(struct resp_session *r, const struct resp_request *q,
                                  const struct resp_keys *k, uint16_t slot_of_keys,
                                  const struct context_info *context)
{
    uint32_t len = keys_len(k);
    char moved[RESP_MOVED];
    if (resp_moved(r, slot_of_keys, slot_partition(slot_of_keys, context->partitions), moved)) {
        resp_refuse(r, moved);
        return RESP_TAKEN;
    }
    struct op *op = arena_alloc(r->base.arena, sizeof *op);
    const struct slice *keys = op ? keys_gather(r, q, k, len) : NULL;
    if (unlikely(!keys))
        return resp_no_room(q->turn);
    call_fill(r, q->command, op);
    op->slot = slot_of_keys;
    op->partition = slot_partition(slot_of_keys, context->partitions);
    op->key = keys[0];
    op->keys = keys;
    op->keys_len = len;
    op->args = q->args;
    op->args_len = q->args_len;
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    slot->writes = !op->reads_only;
    session_submit(&r->base, op, session_ticket(&r->base, number, 0));
    return RESP_TAKEN;
}

/* --- several partitions ---------------------------------------------------------------------- */

/* Elements of an array that is put together. */
struct parts {
    struct buf bytes;
    uint32_t len;
    enum grid_err err; /* the first */
    struct resp_span at[];
};

static void parts_free(void *state)
{
    struct parts *p = state;
    buf_release(&p->bytes);
    free(p);
}

static void parts_say(struct resp_session *r, uint64_t number, struct parts *p)
{
    struct buf *out = resp_open(r, number);
    if (p->err) {
        resp_error(out, resp_error_of(p->err));
    } else {
        resp_array(out, p->len);
        for (uint32_t i = 0; i < p->len; i++)
            buf_add(out, p->bytes.data + p->at[i].at, p->at[i].len);
    }
    resp_close(r, number);
}

static void array_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                         uint32_t part, const struct result *res)
{
    struct parts *p = slot->state;
    enum grid_err err = res->status;
    if (!err && resp_too_much(r, p->bytes.len + res->value.len))
        err = GRID_EBUSY;
    if (err && !p->err)
        p->err = err;
    if (!err) {
        struct reply reply = {res->reply, res->number, res->value};
        size_t from = p->bytes.len;
        resp_reply(&p->bytes, &reply, r->resp3);
        p->at[part] = (struct resp_span){(uint32_t)from, (uint32_t)(p->bytes.len - from)};
    }
    if (--slot->left == 0)
        parts_say(r, number, p);
}

/* The first error, kept as the reply that it is. */
static void error_keep(struct resp_slot *slot, const struct result *res)
{
    if (slot->state || (!res->status && res->reply != REPLY_ERROR))
        return;
    struct buf *line = xcalloc(1, sizeof *line);
    struct slice text = res->status ? resp_error_of(res->status) : res->value;
    buf_add(line, text.data, text.len);
    slot->state = line;
    slot->state_free = parts_free; /* a buffer comes first there, too */
}

static void sum_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                       uint32_t part, const struct result *res)
{
    (void)part;
    error_keep(slot, res);
    slot->sum += res->number;
    if (--slot->left)
        return;
    struct buf *out = resp_open(r, number);
    if (slot->state)
        resp_error(out, buf_slice(slot->state));
    else
        resp_integer(out, slot->sum);
    resp_close(r, number);
}

static void ok_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                      uint32_t part, const struct result *res)
{
    (void)part;
    error_keep(slot, res);
    if (--slot->left)
        return;
    struct buf *out = resp_open(r, number);
    if (slot->state)
        resp_error(out, buf_slice(slot->state));
    else
        resp_status(out, slice_str("OK"));
    resp_close(r, number);
}

static void split_begin(struct resp_session *r, const struct resp_request *q,
                        const struct resp_keys *k)
{
    struct resp_slot *slot = resp_slot_new(r, &r->job.number);
    uint32_t len = keys_len(k);
    slot->left = len;
    slot->sum = 0;
    slot->writes = true;
    if (q->command->split == RESP_SPLIT_SUM) {
        slot->result = sum_result;
    } else if (q->command->split == RESP_SPLIT_OK) {
        slot->result = ok_result;
    } else {
        struct parts *p = xcalloc(1, sizeof *p + len * sizeof *p->at);
        p->len = len;
        slot->result = array_result;
        slot->state = p;
        slot->state_free = parts_free;
    }
    r->job.begun = true;
    r->job.at = 0;
}

/* The call for key i: the command's name, the key, what belongs to it. NULL: no room. */
static struct op *split_op(struct resp_session *r, const struct resp_request *q,
                           const struct resp_keys *k, uint32_t i,
                           const struct context_info *context)
{
    struct op *op =
        arena_alloc(r->base.arena, sizeof *op + (1 + (size_t)k->step) * sizeof(struct slice));
    if (unlikely(!op))
        return NULL;
    struct slice *args = (struct slice *)(op + 1);
    args[0] = q->args[0];
    for (uint32_t j = 0; j < k->step; j++)
        args[1 + j] = q->args[k->first + i * k->step + j];
    call_fill(r, q->command, op);
    if (q->command->split == RESP_SPLIT_ARRAY) /* MGET */
        op->procedure = command_get_or_null;
    session_place_by(op, context, args[1]);
    op->key = args[1];
    op->keys = &args[1];
    op->keys_len = 1;
    op->args = args;
    op->args_len = 1 + k->step;
    return op;
}

static enum resp_taken call_split(struct resp_session *r, const struct resp_request *q,
                                  const struct resp_keys *k, const struct context_info *context)
{
    if (!r->job.begun)
        split_begin(r, q, k);
    for (uint32_t len = keys_len(k); r->job.at < len; r->job.at++) {
        if (r->base.in_flight >= r->base.limits.requests)
            return RESP_LATER;
        if (q->turn->budget == 0)
            return resp_no_room(q->turn);
        struct op *op = split_op(r, q, k, r->job.at, context);
        if (!op)
            return resp_no_room(q->turn);
        q->turn->budget--;
        session_submit(&r->base, op, session_ticket(&r->base, r->job.number, r->job.at));
    }
    r->job.begun = false;
    return RESP_TAKEN;
}

/* The context is gone while a split command is half done: its other parts fail. */
static enum resp_taken split_give_up(struct resp_session *r, const struct resp_keys *k,
                                     enum grid_err err)
{
    struct result res = {.status = err};
    r->job.begun = false;
    for (uint32_t len = keys_len(k); r->job.at < len; r->job.at++) {
        struct resp_slot *slot = resp_slot_at(r, r->job.number);
        slot->result(r, slot, r->job.number, r->job.at, &res);
    }
    return RESP_TAKEN;
}

/* --- which of the two ------------------------------------------------------------------------ */

/* Checks all keys. *ret_slot: of the first; *ret_one: all lie in its partition. */
static const char *keys_look(const struct resp_request *q, const struct resp_keys *k,
                             const struct context_info *context, uint16_t *ret_slot, bool *ret_one)
{
    *ret_one = true;
    for (uint32_t i = k->first; i <= k->last; i += k->step) {
        const char *fault = resp_key_fault(q->args[i]);
        if (unlikely(fault))
            return fault;
        if (i == k->first) {
            *ret_slot = hash_slot(q->args[i]);
        } else if (*ret_one) {
            uint16_t other = hash_slot(q->args[i]);
            *ret_one = slot_partition(other, context->partitions) ==
                       slot_partition(*ret_slot, context->partitions);
        }
    }
    return NULL;
}

static enum resp_taken refuse(struct resp_session *r, const char *line)
{
    resp_refuse(r, line);
    return RESP_TAKEN;
}

enum resp_taken resp_call(struct resp_session *r, const struct resp_request *q)
{
    struct resp_request script = {0};
    if (unlikely(q->command->flags & RESP_SCRIPT)) {
        enum resp_taken taken = resp_script_complete(r, q, &script);
        if (!script.command)
            return taken;
        q = &script;
    }
    struct resp_keys k = resp_keys_of(q->command, q->args, q->args_len);
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    if (unlikely(r->job.begun))
        return context ? call_split(r, q, &k, context) : split_give_up(r, &k, err);
    if (unlikely(!context)) {
        struct buf *out = resp_open_now(r);
        resp_error(out, resp_error_of(err));
        resp_close_now(r);
        return RESP_TAKEN;
    }
    CHECK(k.first);
    uint16_t slot = 0;
    bool one = true;
    const char *fault = keys_look(q, &k, context, &slot, &one);
    if (unlikely(fault))
        return refuse(r, fault);
    bool splits = q->command->split != RESP_SPLIT_NONE;
    if (splits && (q->args_len - k.first) % k.step)
        return refuse(r, "ERR wrong number of arguments for 'mset' command");
    if (likely(one && (!splits || keys_len(&k) <= r->base.limits.items)))
        return call_whole(r, q, &k, slot, context);
    if (!splits)
        return refuse(r, resp_crossslot);
    return call_split(r, q, &k, context);
}
