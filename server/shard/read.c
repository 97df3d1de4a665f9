/* read.c - GET and COUNT. A read that depends on a pending entry or tombstone waits for its
 * commit (R6); what it saw is what it answers then, so a key that is written all the time does
 * not starve its readers. */
#include "shard/shard_priv.h"

/* In its stored form, which a map is written down in. False: larger than any value may be. */
static bool typed_show(struct job *j, const struct entry *e, struct slice *ret_value)
{
    *ret_value = entry_value(e);
    if (!entry_is_map(e))
        return true;
    if (fields_packed_bytes(entry_fields(e)) > shard_value_max(j->s))
        return false;
    struct buf *shown = &j->s->shown;
    shown->len = 0;
    buf_shrink(shown, SHOWN_KEEP);
    fields_store(entry_fields(e), shown);
    *ret_value = buf_slice(shown);
    return true;
}

static void get_answer(struct job *j, const struct entry *e)
{
    struct result res = {.status = GRID_ENOT_FOUND};
    bool live = !entry_is_tombstone(e) && !entry_expired(e, j->now);
    if (live) {
        res = (struct result){.version = entry_version(e), .deadline = entry_deadline(e)};
        j->s->stats.hits++;
        if (likely(!(e->bits & ENTRY_TYPED))) {
            res.value = j->op->keys_only ? res.value : entry_value(e);
        } else {
            res.type = (uint8_t)entry_type(e);
            if (!j->op->keys_only && !typed_show(j, e, &res.value)) {
                job_fail(j, GRID_ETOO_LARGE);
                return;
            }
        }
    } else {
        j->s->stats.misses++;
    }
    job_reply_at(j, entry_version(e), &res, live && !entry_is_map(e) ? e : NULL);
}

void get_run(struct job *j)
{
    const struct op *op = j->op;
    struct partition *p = j->partition;
    enum grid_err err = op_valid_read(op);
    if (err) {
        job_fail(j, err);
        return;
    }
    uint64_t hash = job_hash(j);
    const struct entry *e = content_get(p->content, cache_number(op->cache), op->key, hash);
    if (likely(e != NULL)) {
        get_answer(j, e);
        return;
    }
    if (content_complete(p->content) || job_absent(j, 0)) {
        j->s->stats.misses++;
        job_fail(j, GRID_ENOT_FOUND);
        return;
    }
    j->key = (struct key_state){.op = op, .key = op->key, .hash = hash, .missing = true};
    j->keys = &j->key;
    j->keys_len = 1;
    job_park_keys(j);
}

void count_run(struct job *j)
{
    uint32_t cache = cache_number(j->op->cache);
    struct result res = {.status = GRID_OK};
    if (!j->op->all_partitions)
        res.number = (int64_t)content_count(j->partition->content, cache);
    for (uint32_t i = 0; j->op->all_partitions && i < j->context->partitions_len; i++) {
        const struct partition *p = j->context->partitions[i];
        if (p && (p->role != REPLICA_PRIMARY || (p->damaged && p->gate == GATE_HOLD)))
            continue; /* who leads it counts it, or who is to */
        if (p && p->damaged) {
            job_fail(j, GRID_EDAMAGED);
            return;
        }
        res.number += p ? (int64_t)content_count(p->content, cache) : 0;
    }
    job_reply(j, &res);
}
