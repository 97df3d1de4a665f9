/* peek.c - a GET without a job: of what is in memory, is committed, and may be told now. All else
 * goes the usual way. */
#include "shard/peek.h"

#include "shard/others_priv.h"

static struct partition *partition_open(struct shard *s, const struct op *op)
{
    const struct route *r = route_find(s, op->cache);
    if (!r || op->partition >= r->context->info->partitions ||
        op->partition % s->conf.shards != s->conf.index)
        return NULL;
    struct partition *p = r->context->partitions[op->partition / s->conf.shards];
    return p && !p->shut && p->role == REPLICA_PRIMARY ? p : NULL;
}

/* False: it is nothing that is shown as it lies there. */
static bool entry_show(const struct entry *e, bool keys_only, struct result *ret_res)
{
    if (entry_is_map(e))
        return false;
    *ret_res = (struct result){
        .version = entry_version(e), .deadline = entry_deadline(e), .type = (uint8_t)entry_type(e)};
    if (!keys_only)
        ret_res->value = entry_value(e);
    return true;
}

enum grid_err shard_peek(struct shard *s, const struct op *op, msec_t now, struct result *ret_res)
{
    struct partition *p = partition_open(s, op);
    if (!p || op_valid_read(op))
        return GRID_EBUSY;
    uint32_t cache = cache_number(op->cache);
    const struct entry *e =
        content_get(p->content, cache, op->key, content_hash(p->content, cache, op->key));
    if (!e && !content_complete(p->content))
        return GRID_EBUSY;
    if (e && replica_pending(&p->replica, entry_version(e))) /* R6 */
        return GRID_EBUSY;
    bool live = e && !entry_is_tombstone(e) && !entry_expired(e, now);
    *ret_res = (struct result){.status = GRID_ENOT_FOUND};
    if (live && !entry_show(e, op->keys_only, ret_res))
        return GRID_EBUSY;
    if (p->replica.set && !lease_asked(s, p)) /* R7: after the read */
        return GRID_EBUSY;
    s->stats.reads++;
    if (live)
        s->stats.hits++;
    else
        s->stats.misses++;
    return ret_res->status;
}
