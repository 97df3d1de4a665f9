/* place.c - which context, and which of its partitions. */
#include "session/session_priv.h"

#include "base/hash.h"
#include "control/settings.h"

struct fault session_context(struct session *s, uint32_t cache,
                             const struct context_info **ret_context)
{
    const struct catalog *c = session_catalog(s);
    if (likely(s->known.cache == cache && s->known.revision == c->revision && cache)) {
        *ret_context = &c->contexts[s->known.context];
        return no_fault;
    }
    *ret_context = catalog_context(c, cache_context(cache));
    if (unlikely(!*ret_context))
        return (struct fault){GRID_ENO_CONTEXT, NULL};
    if (unlikely(!catalog_cache(c, cache) || cache_number(cache) == CACHE_HIDDEN))
        return (struct fault){GRID_ENO_CACHE, NULL};
    s->known.revision = c->revision;
    s->known.cache = cache;
    s->known.context = (size_t)(*ret_context - c->contexts);
    return no_fault;
}

static struct fault check_sizes(const struct catalog *c, const struct op *op)
{
    if (unlikely(op->key.len == 0))
        return (struct fault){GRID_EBAD_REQUEST, "the key is empty"};
    if (unlikely(op->key.len > KEY_BYTES_MAX))
        return (struct fault){GRID_ETOO_LARGE, "a key has at most 480 bytes"};
    if (unlikely(op->affinity.len > KEY_BYTES_MAX))
        return (struct fault){GRID_ETOO_LARGE, "an affinity key has at most 480 bytes"};
    if (unlikely(op->value.len > (size_t)catalog_setting(c, SETTING_max_value)))
        return (struct fault){GRID_ETOO_LARGE, "the value is larger than max_value"};
    return no_fault;
}

void session_place_by(struct op *op, const struct context_info *context, struct slice placed_by)
{
    op->slot = hash_slot(placed_by);
    op->partition = slot_partition(op->slot, context->partitions);
}

enum grid_err op_place(const struct catalog *c, struct op *op, const char **ret_why)
{
    const struct context_info *context = catalog_context(c, cache_context(op->cache));
    *ret_why = NULL;
    if (!context)
        return GRID_ENO_CONTEXT;
    if (!catalog_cache(c, op->cache))
        return GRID_ENO_CACHE;
    struct fault f = check_sizes(c, op);
    *ret_why = f.why;
    if (!f.err)
        session_place_by(op, context, op->affinity.len ? op->affinity : op->key);
    return f.err;
}

struct fault session_place(struct session *s, struct op *op)
{
    const struct context_info *context;
    struct fault f = session_context(s, op->cache, &context);
    if (likely(!f.err))
        f = check_sizes(session_catalog(s), op);
    if (likely(!f.err))
        session_place_by(op, context, op->affinity.len ? op->affinity : op->key);
    return f;
}

/* A node that is alone has it done by shard: partition i is on shard i while i < shards. In a grid
 * each partition is asked for where it is led. */
uint32_t session_count_parts(const struct session *s, const struct context_info *context)
{
    uint32_t shards = s->view->shards;
    return session_in_grid(s) || context->partitions < shards ? context->partitions : shards;
}

struct op session_count_op(const struct session *s, uint32_t cache, uint32_t i)
{
    return (struct op){.kind = OP_COUNT,
                       .cache = cache,
                       .all_partitions = !session_in_grid(s),
                       .partition = (uint16_t)i};
}
