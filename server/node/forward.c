/* forward.c - operations on partitions of another shard, and their results: copied flat into one
 * allocation each. */
#include "node/node_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct forwarded_op {
    struct note note;
    struct op op;
    /* then the ops of a batch, then bytes */
};

struct forwarded_result {
    struct note note;
    struct ticket to;
    struct result result;
    /* then scan items, then bytes */
};

static struct slice slice_move(struct slice from, uint8_t **to)
{
    if (!from.len)
        return (struct slice){NULL, 0};
    memcpy(*to, from.data, from.len);
    struct slice s = slice_make(*to, from.len);
    *to += from.len;
    return s;
}

static size_t op_bytes(const struct op *op)
{
    return op->key.len + op->affinity.len + op->value.len + op->prefix.len + op->cursor.len;
}

static void op_move(struct op *op, const struct op *from, uint8_t **to)
{
    *op = *from;
    op->key = slice_move(from->key, to);
    op->affinity = slice_move(from->affinity, to);
    op->value = slice_move(from->value, to);
    op->prefix = slice_move(from->prefix, to);
    op->cursor = slice_move(from->cursor, to);
}

static void op_run(struct note *n, void *thread)
{
    struct forwarded_op *f = container_of(n, struct forwarded_op, note);
    worker_submit(thread, &f->op);
    worker_keep(thread, n);
}

void forward_op(struct worker *from, const struct op *op, unsigned owner)
{
    size_t bytes = op_bytes(op);
    for (uint32_t i = 0; i < op->batch_len; i++)
        bytes += sizeof(struct op) + op_bytes(&op->batch[i]);
    struct forwarded_op *f = xalloc(sizeof *f + bytes);
    f->note = (struct note){.run = op_run};
    struct op *batch = (struct op *)(f + 1);
    uint8_t *to = (uint8_t *)(batch + op->batch_len);
    op_move(&f->op, op, &to);
    for (uint32_t i = 0; i < op->batch_len; i++)
        op_move(&batch[i], &op->batch[i], &to);
    f->op.batch = op->batch_len ? batch : NULL;
    worker_post(&from->node->workers[owner], &f->note);
}

static void result_run(struct note *n, void *thread)
{
    struct forwarded_result *f = container_of(n, struct forwarded_result, note);
    worker_dirty(thread, session_result(&f->to, &f->result));
    free(f);
}

void forward_result(struct worker *from, const struct ticket *to, const struct result *res)
{
    size_t bytes = res->value.len + res->cursor.len;
    for (uint32_t i = 0; i < res->items_len; i++)
        bytes += sizeof(struct scan_item) + res->items[i].key.len + res->items[i].value.len +
                 res->items[i].affinity.len;
    struct forwarded_result *f = xalloc(sizeof *f + bytes);
    f->note = (struct note){.run = result_run};
    f->to = *to;
    f->result = *res;
    struct scan_item *items = (struct scan_item *)(f + 1);
    uint8_t *at = (uint8_t *)(items + res->items_len);
    f->result.value = slice_move(res->value, &at);
    f->result.cursor = slice_move(res->cursor, &at);
    for (uint32_t i = 0; i < res->items_len; i++) {
        items[i] = res->items[i];
        items[i].key = slice_move(res->items[i].key, &at);
        items[i].value = slice_move(res->items[i].value, &at);
        items[i].affinity = slice_move(res->items[i].affinity, &at);
    }
    f->result.items = res->items_len ? items : NULL;
    worker_post(&from->node->workers[to->thread], &f->note);
}
