/* recover.c - the state before the first op: from the checkpoint and from the log behind it.
 *
 * Everything found is committed (R10: a sole member goes on from its disk). A partition that has
 * anything in the checkpoint is incomplete until the warm-up has read it; one that lives in the
 * log alone is complete. */
#include "shard/shard_priv.h"

static struct partition *recover_partition(struct shard *s, uint32_t context, uint16_t index)
{
    struct shard_context *c = shard_context_of(s, context);
    if (!c || index >= c->info->partitions || index % s->conf.shards != s->conf.index)
        return NULL; /* of a context that was dropped */
    return partition_of(s, c, index);
}

void shard_recover_checkpoint(struct shard *s, uint32_t context, uint16_t partition,
                              uint64_t version, const uint64_t *cache_counts,
                              const uint32_t *caches, size_t caches_len)
{
    struct partition *p = recover_partition(s, context, partition);
    if (!p)
        return;
    replica_recover(&p->replica, version);
    content_committed(p->content, version);
    content_cleaned(p->content, version);
    for (size_t i = 0; i < caches_len; i++) {
        if (!cache_counts[i] || !partition_has_cache(s, p, caches[i]))
            continue;
        content_set_count(p->content, caches[i], cache_counts[i]);
        content_set_complete(p->content, false);
    }
    partition_account(s, p);
}

void shard_recover_session(struct shard *s, uint32_t context, uint16_t partition,
                           struct session_id id, struct slice stored)
{
    struct partition *p = recover_partition(s, context, partition);
    if (!p)
        return;
    if (sessions_restore(content_sessions(p->content), id, stored))
        partition_damage(s, p); /* exactly-once cannot be kept */
    partition_account(s, p);
}

/* A cache may have been dropped while its records were on their way to the checkpoint. */
static bool names_dropped(const struct shard *s, const struct partition *p,
                          const struct record *rec)
{
    for (size_t i = 0; i < rec->effects_len; i++) {
        if (rec->effects[i].kind != EFFECT_SESSION_END &&
            !partition_has_cache(s, p, rec->effects[i].cache))
            return true;
    }
    return false;
}

void shard_recover_record(struct shard *s, const struct record *rec, uint64_t lsn)
{
    struct partition *p = recover_partition(s, rec->context, rec->partition);
    if (!p || rec->version <= content_clean(p->content))
        return; /* dropped, or in the checkpoint */
    if (content_stage(p->content, rec)) {
        partition_damage(s, p); /* no memory for it: never serve a hole */
        return;
    }
    content_apply(p->content, rec);
    if (names_dropped(s, p, rec)) {
        p->purge = true;
        content_set_complete(p->content, false); /* its count was not told */
    }
    replica_recover(&p->replica, rec->version);
    marks_add(&s->marks, p, rec->version, lsn, record_size_max(rec));
    partition_committed(s, p);
}

void shard_recover_damage(struct shard *s, uint32_t context, uint16_t partition)
{
    struct partition *p = recover_partition(s, context, partition);
    if (p)
        partition_damage(s, p);
}

bool shard_recover_give_up(struct shard *s, uint32_t context, uint16_t partition)
{
    struct partition *p = recover_partition(s, context, partition);
    if (!p || !p->damaged)
        return false;
    partition_empty(s, p);
    return true;
}
