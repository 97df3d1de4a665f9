/* op.c - names of operations, from op.def; copies of whole ops. */
#include "shard/op.h"

struct op_row {
    const char *text;
    bool writes;
};

static const struct op_row op_rows[] = {
#define X(name, code, text, writes) [code] = {text, writes},
#include "shard/op.def"
#undef X
    [OP_CALL] = {"call", true},
};

static const struct op_row *op_row(enum op_kind kind)
{
    size_t i = (size_t)kind;
    return i < sizeof op_rows / sizeof *op_rows && op_rows[i].text ? &op_rows[i] : NULL;
}

const char *op_text(enum op_kind kind)
{
    const struct op_row *row = op_row(kind);
    return row ? row->text : "?";
}

bool op_writes(enum op_kind kind)
{
    const struct op_row *row = op_row(kind);
    return row && row->writes;
}

/* --- copies ----------------------------------------------------------------------------------- */

/* ops of a batch | args | keys | steps | bytes of all slices */

static size_t op_slice_bytes(const struct op *op)
{
    return op->key.len + op->affinity.len + op->value.len + op->prefix.len + op->cursor.len;
}

static void slice_move(struct slice *s, uint8_t **at)
{
    const struct slice from = *s;
    s->data = *at; /* maybe NULL, where nothing is copied at all */
    if (!from.len)
        return;
    memcpy(*at, from.data, from.len);
    *at += from.len;
}

static void op_slices_move(struct op *op, uint8_t **at)
{
    slice_move(&op->key, at);
    slice_move(&op->affinity, at);
    slice_move(&op->value, at);
    slice_move(&op->prefix, at);
    slice_move(&op->cursor, at);
}

static size_t slices_bytes(const struct slice *s, uint32_t len)
{
    size_t bytes = len * sizeof *s;
    for (uint32_t i = 0; i < len; i++)
        bytes += s[i].len;
    return bytes;
}

/* Bytes of what hangs on an op beside its own slices. */
static size_t op_lists_bytes(const struct op *op)
{
    size_t bytes = op->batch_len * sizeof(struct op) + op->steps_len * sizeof(struct op_step) +
                   slices_bytes(op->args, op->args_len) + slices_bytes(op->keys, op->keys_len);
    for (uint32_t i = 0; i < op->batch_len; i++)
        bytes += op_slice_bytes(&op->batch[i]);
    return bytes;
}

static const struct slice *slices_move(const struct slice *from, uint32_t len, struct slice *to,
                                       uint8_t **at)
{
    for (uint32_t i = 0; i < len; i++) {
        to[i] = from[i];
        slice_move(&to[i], at);
    }
    return to;
}

uint8_t *op_copy_fill(struct op *op, void *to)
{
    struct op *batch = to;
    struct slice *args = (struct slice *)(void *)(batch + op->batch_len);
    struct slice *keys = args + op->args_len;
    struct op_step *steps = (struct op_step *)(void *)(keys + op->keys_len);
    uint8_t *at = (uint8_t *)(steps + op->steps_len);
    op_slices_move(op, &at);
    for (uint32_t i = 0; i < op->batch_len; i++) {
        batch[i] = op->batch[i];
        op_slices_move(&batch[i], &at);
    }
    if (op->steps_len)
        memcpy(steps, op->steps, op->steps_len * sizeof *steps);
    op->batch = batch;
    op->args = slices_move(op->args, op->args_len, args, &at);
    op->keys = slices_move(op->keys, op->keys_len, keys, &at);
    op->steps = steps;
    return at;
}

size_t op_copy_bytes(const struct op *op)
{
    return op_slice_bytes(op) + op_lists_bytes(op);
}

size_t result_copy_bytes(const struct result *res)
{
    size_t bytes = res->value.len + res->cursor.len;
    for (uint32_t i = 0; i < res->items_len; i++)
        bytes += sizeof(struct scan_item) + res->items[i].key.len + res->items[i].value.len +
                 res->items[i].affinity.len;
    return bytes;
}

void result_copy_fill(struct result *res, void *to)
{
    struct scan_item *items = to;
    uint8_t *at = res->items_len ? (uint8_t *)(items + res->items_len) : to; /* `to` may be NULL */
    slice_move(&res->value, &at);
    slice_move(&res->cursor, &at);
    for (uint32_t i = 0; i < res->items_len; i++) {
        items[i] = res->items[i];
        slice_move(&items[i].key, &at);
        slice_move(&items[i].value, &at);
        slice_move(&items[i].affinity, &at);
    }
    res->items = res->items_len ? items : NULL;
}
