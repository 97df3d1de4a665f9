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
    struct forwarded_result *f = xalloc(sizeof *f + result_copy_bytes(res));
    f->note = (struct note){.run = result_run};
    f->to = *to;
    f->result = *res;
    result_copy_fill(&f->result, f + 1);
    worker_post(&from->node->workers[to->thread], &f->note);
}
