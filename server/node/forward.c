/* forward.c - operations on partitions of another shard, and their results: copied flat into one
 * allocation each. */
#include "node/node_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct forwarded_op {
    struct note note;
    struct op op;
    /* then all that hangs on it */
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

static void op_run(struct note *n, void *thread)
{
    struct forwarded_op *f = container_of(n, struct forwarded_op, note);
    worker_submit(thread, &f->op);
    worker_keep(thread, n);
}

void forward_op(struct worker *from, const struct op *op, unsigned owner)
{
    struct forwarded_op *f = xalloc(sizeof *f + op_copy_bytes(op));
    f->note = (struct note){.run = op_run};
    f->op = *op;
    op_copy_fill(&f->op, f + 1);
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
