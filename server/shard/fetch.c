/* fetch.c - keys that are brought into memory for the shard itself: an op that nobody sent, so that
 * it takes the way of all ops to the cold store. */
#include "shard/others_priv.h"

#include <stdlib.h>

/* The ticket of such an op is the partition and what to call: nothing is left to be freed when the
 * shard forgets it. */
static struct partition *partition_asking(const struct op *op)
{
    return op->ticket.owner;
}

static fetch_done_fn *done_of(const struct op *op)
{
    return (fetch_done_fn *)(uintptr_t)op->ticket.number;
}

void fetch_keys(struct shard *s, struct partition *p, const struct fetch_key *keys, uint32_t len,
                fetch_done_fn *done, msec_t now)
{
    struct op *ops = xcalloc(len + 1, sizeof *ops);
    for (uint32_t i = 0; i < len; i++) {
        ops[i].kind = OP_GET;
        ops[i].cache = p->context_id << 16 | keys[i].cache;
        ops[i].key = keys[i].key;
    }
    struct op op = {.kind = OP_FETCH,
                    .cache = p->context_id << 16,
                    .partition = p->index,
                    .batch = ops,
                    .batch_len = len,
                    .ticket = {.owner = p, .number = (uintptr_t)done}};
    struct job j = {.s = s, .op = &op, .now = now};
    p->holds++;
    fetch_run(&j);
    free(ops);
}

void fetch_done(struct job *j, enum grid_err err)
{
    struct partition *p = partition_asking(j->op);
    p->holds--;
    done_of(j->op)(j->s, p, p->context ? err : GRID_ENO_CONTEXT, j->now);
}

void fetch_run(struct job *j)
{
    const struct op *op = j->op;
    struct partition *p = partition_asking(op);
    j->partition = p;
    if (!p->context || p->damaged) {
        fetch_done(j, GRID_EDAMAGED);
        return;
    }
    bool complete = content_complete(p->content);
    uint32_t missing = 0;
    j->keys = scratch_keys(j->s, op->batch_len);
    j->keys_len = op->batch_len;
    for (uint32_t i = 0; i < op->batch_len; i++) {
        struct key_state *k = &j->keys[i];
        uint32_t cache = cache_number(op->batch[i].cache);
        *k = (struct key_state){.op = &op->batch[i], .key = op->batch[i].key};
        k->hash = content_hash(p->content, cache, k->key);
        k->missing =
            !complete && !job_absent(j, i) && !content_get(p->content, cache, k->key, k->hash);
        missing += k->missing;
    }
    if (missing)
        job_park_keys(j);
    else
        fetch_done(j, GRID_OK);
}
