/* batch.c - the keys of an atomic batch: valid, of one context, each at most once. */
#include "shard/shard_priv.h"

#include <stdlib.h>

static bool batch_kind(enum op_kind kind)
{
    return kind == OP_PUT || kind == OP_DELETE || kind == OP_INCR || kind == OP_EXPIRE;
}

static enum grid_err batch_key(struct job *j, uint32_t at, uint64_t value_max)
{
    const struct op *op = &j->op->batch[at];
    if (!batch_kind(op->kind) || cache_context(op->cache) != j->context->id)
        return GRID_EBAD_REQUEST;
    const struct cache_info *cache = catalog_cache(j->s->catalog, op->cache);
    if (!cache)
        return GRID_ENO_CACHE;
    uint64_t hash = content_hash(j->partition->content, cache_number(op->cache), op->key);
    j->keys[at] = (struct key_state){.op = op, .key = op->key, .cache = cache, .hash = hash};
    return op_valid_write(op, value_max);
}

static bool same_key(const struct key_state *a, const struct key_state *b)
{
    return a->hash == b->hash && a->op->cache == b->op->cache && slice_eq(a->op->key, b->op->key);
}

/* Open addressing over the hashes; `seen` holds indexes + 1. Returns the first key that was
 * there before, or keys_len. */
static uint32_t batch_twice(const struct job *j, uint32_t *seen, uint32_t size)
{
    for (uint32_t i = 0; i < j->keys_len; i++) {
        uint32_t at = (uint32_t)j->keys[i].hash & (size - 1);
        for (; seen[at]; at = (at + 1) & (size - 1)) {
            if (same_key(&j->keys[seen[at] - 1], &j->keys[i]))
                return i;
        }
        seen[at] = i + 1;
    }
    return j->keys_len;
}

enum grid_err batch_keys(struct job *j, uint64_t value_max)
{
    const struct op *op = j->op;
    if (op->batch_len == 0)
        return GRID_EBAD_REQUEST;
    if (op->batch_len > RECORD_EFFECTS_MAX)
        return GRID_ETOO_LARGE;
    j->keys = scratch_keys(j->s, op->batch_len);
    j->keys_len = op->batch_len;
    for (uint32_t i = 0; i < op->batch_len; i++) {
        enum grid_err err = batch_key(j, i, value_max);
        if (err) {
            j->failed_at = i;
            return err;
        }
    }
    uint32_t size = 16;
    while (size < 2 * op->batch_len)
        size *= 2;
    uint32_t *seen = xcalloc(size, sizeof *seen);
    j->failed_at = batch_twice(j, seen, size);
    free(seen);
    if (j->failed_at < j->keys_len)
        return GRID_EBAD_REQUEST;
    j->failed_at = 0;
    return GRID_OK;
}
