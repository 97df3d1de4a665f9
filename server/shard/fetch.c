/* fetch.c - keys that are brought into memory for the shard itself: an op that nobody sent, so that
 * it takes the way of all ops to the cold store. */
#include "shard/others_priv.h"

#include <stdlib.h>

/* The ticket of such an op. */
struct fetch {
    struct partition *partition;
    fetch_done_fn *done;
};

void fetch_keys(struct shard *s, struct partition *p, const struct fetch_key *keys, uint32_t len,
                fetch_done_fn *done, msec_t now)
{
    struct op *ops = xcalloc(len + 1, sizeof *ops);
    struct fetch *f = xalloc(sizeof *f);
    *f = (struct fetch){p, done};
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
                    .ticket = {.owner = f}};
    struct job j = {.s = s, .op = &op, .now = now};
    p->holds++;
    fetch_run(&j);
    free(ops);
}

void fetch_done(struct job *j, enum grid_err err)
{
    struct fetch f = *(struct fetch *)j->op->ticket.owner;
    free(j->op->ticket.owner);
    f.partition->holds--;
    f.done(j->s, f.partition, f.partition->context ? err : GRID_ENO_CONTEXT, j->now);
}

void fetch_run(struct job *j)
{
    const struct op *op = j->op;
    struct partition *p = ((struct fetch *)op->ticket.owner)->partition;
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
