/* recover.c - the state before the first op: from the checkpoint and from the log behind it.
 *
 * Everything found is committed (R10: a sole member goes on from its disk). A partition that has
 * anything in the checkpoint is incomplete until the warm-up has read it; one that lives in the
 * log alone is complete. */
#include "shard/others_priv.h"

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
    if (!s->sharing || !p->replica.epoch)
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

void shard_recover_copying(struct shard *s, uint32_t context, uint16_t partition)
{
    struct partition *p = recover_partition(s, context, partition);
    if (p)
        content_set_copying(p->content);
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
bool names_dropped(const struct shard *s, const struct partition *p, const struct record *rec)
{
    for (size_t i = 0; i < rec->effects_len; i++) {
        if (effect_has_key(&rec->effects[i]) && !partition_has_cache(s, p, rec->effects[i].cache))
            return true;
    }
    return false;
}

/* Bring in what the effect changes. */
static enum grid_err base_bring(struct shard *s, struct partition *p, const struct effect *e,
                                shard_base_fn *base, void *ctx)
{
    uint64_t hash = content_hash(p->content, e->cache, e->key);
    if (content_complete(p->content) || content_get(p->content, e->cache, e->key, hash))
        return GRID_OK;
    struct cold_entry found;
    if (!base)
        return GRID_OK; /* it was fetched, or is nowhere */
    enum grid_err err = base(ctx, p->context_id, p->index, e->cache, e->key, &found);
    if (err)
        return err;
    return partition_insert_cold(s, p, e->cache, &found, hash);
}

/* Effect by effect: one may change what another one made, or what is in the checkpoint alone. */
static enum grid_err effects_replay(struct shard *s, struct partition *p, const struct record *rec,
                                    shard_base_fn *base, void *ctx)
{
    enum grid_err err = GRID_OK;
    for (size_t i = 0; i < rec->effects_len && !err; i++) {
        const struct effect *e = &rec->effects[i];
        if (effect_changes(e) && !partition_has_cache(s, p, e->cache))
            continue; /* what it changes may be purged already */
        if (effect_changes(e))
            err = base_bring(s, p, e, base, ctx);
        if (!err)
            err = content_replay(p->content, rec, i);
    }
    return err ? err : content_replay(p->content, rec, rec->effects_len);
}

enum grid_err record_replay(struct shard *s, struct partition *p, const struct record *rec,
                            shard_base_fn *base, void *ctx)
{
    for (size_t i = 0; i < rec->effects_len; i++)
        if (unlikely(effect_changes(&rec->effects[i])))
            return effects_replay(s, p, rec, base, ctx);
    enum grid_err err = content_stage(p->content, rec);
    if (!err)
        content_apply(p->content, rec);
    return err;
}

/* While a copy comes in, or keys are mended, is counted by looking: what the record is about is
 * brought from the checkpoint, and where it is not, it is nowhere. Returns the record with what it
 * means here. */
static enum grid_err record_look(struct shard *s, struct partition *p, const struct record *rec,
                                 shard_base_fn *base, void *ctx, struct record *ret_record)
{
    struct effect *effects = scratch_effects(s, (uint32_t)rec->effects_len);
    size_t n = 0;
    for (size_t i = 0; i < rec->effects_len; i++) {
        struct effect e = rec->effects[i];
        if (effect_has_key(&e) && partition_has_cache(s, p, e.cache)) {
            enum grid_err err = base_bring(s, p, &e, base, ctx);
            if (err && err != GRID_ENOT_FOUND)
                return err;
            const struct entry *there =
                content_get(p->content, e.cache, e.key, content_hash(p->content, e.cache, e.key));
            e.created = !there || entry_is_tombstone(there);
            if (!there && !effect_puts(&e))
                continue;
        }
        effects[n++] = e;
    }
    *ret_record = *rec;
    ret_record->effects = effects;
    ret_record->effects_len = n;
    return GRID_OK;
}

static bool record_recover(struct shard *s, struct partition *p, const struct record *rec,
                           shard_base_fn *base, void *ctx)
{
    struct record looked = *rec;
    bool look =
        base && !content_complete(p->content) && (content_copying(p->content) || record_mends(rec));
    if (look && record_look(s, p, rec, base, ctx, &looked))
        return false;
    return record_replay(s, p, &looked, base, ctx) == GRID_OK;
}

/* Others may want it, and it may have to be cut yet. */
static void record_recovered(struct shard *s, struct partition *p, const struct record *rec,
                             uint64_t lsn)
{
    if (rec->version <= replica_last(&p->replica))
        return;
    record_keep(s, p, rec);
    struct promise promise = {.version = rec->version, .lsn = lsn, .since = rec->time_ms};
    promise_add(s, p, &promise);
}

bool shard_recover_record(struct shard *s, const struct record *rec, uint64_t lsn,
                          shard_base_fn *base, void *ctx)
{
    struct partition *p = recover_partition(s, rec->context, rec->partition);
    s->logged = lsn;
    if (!p || (rec->version <= content_clean(p->content) && !rec->restates))
        return true; /* dropped, or in the checkpoint */
    if (record_wipes(rec))
        partition_wipe(s, p);
    bool whole = p->damaged || record_recover(s, p, rec, base, ctx);
    if (!whole)
        partition_damage(s, p); /* never serve a hole */
    if (names_dropped(s, p, rec)) {
        p->purge = true;
        content_set_complete(p->content, false); /* its count was not told */
    }
    if (record_mends(rec)) { /* the checkpoint may have what was cut */
        p->unfolded = true;
        p->clean_era = UINT64_MAX;
    }
    if (rec->restates) {
        replica_restate(&p->replica, rec->version);
        p->tail = 0;
    } else {
        if (s->sharing)
            record_recovered(s, p, rec, lsn);
        replica_recover(&p->replica, rec->version);
    }
    marks_add(&s->marks, p, rec->version, lsn, record_size_max(rec));
    partition_committed(s, p);
    return whole;
}

void shard_recover_damage(struct shard *s, uint32_t context, uint16_t partition)
{
    struct partition *p = recover_partition(s, context, partition);
    if (!p)
        return;
    partition_damage(s, p);
    if (p->replica.epoch) /* it was found while the node runs */
        partition_break(s, p);
}

bool shard_recover_give_up(struct shard *s, uint32_t context, uint16_t partition)
{
    struct partition *p = recover_partition(s, context, partition);
    if (!p || !p->damaged)
        return false;
    partition_empty(s, p);
    partition_depart(s, p); /* what is lost here another may have yet, and bring back later */
    return true;
}
