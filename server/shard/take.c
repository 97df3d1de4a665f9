/* take.c - messages of other nodes; and records of a primary, at another member.
 *
 *   RECORDS -> tail, log (R3) -> applied, pending -> ack when stored (R4)
 *                            \-> later: what one changes is in the checkpoint alone, and is fetched
 *
 * What is in the log and the tail is acknowledged, applied or not: it cannot be lost, and nobody
 * reads it before it is applied. Order is kept: behind one that waits, all wait. */
#include "shard/others_priv.h"

#include <stdlib.h>

enum { LATER_RETRY_MS = 200 };

/* --- applying, perhaps later ------------------------------------------------------------------ */

uint64_t partition_applied(const struct partition *p)
{
    const struct others *o = p->others;
    if (!o || list_empty(&o->later))
        return replica_last(&p->replica);
    return list_entry(o->later.next, const struct later, link)->version - 1;
}

/* What it changes that may be in the checkpoint alone. */
static uint32_t keys_missing(struct shard *s, struct partition *p, const struct record *rec,
                             struct fetch_key *keys, uint32_t max)
{
    uint32_t n = 0;
    for (size_t i = 0; i < rec->effects_len && n < max; i++) {
        const struct effect *e = &rec->effects[i];
        if (!effect_changes(e) || !partition_has_cache(s, p, e->cache))
            continue;
        uint64_t hash = content_hash(p->content, e->cache, e->key);
        if (!content_get(p->content, e->cache, e->key, hash))
            keys[n++] = (struct fetch_key){e->cache, e->key};
    }
    return n;
}

static void record_apply(struct shard *s, struct partition *p, const struct record *rec)
{
    if (p->damaged || record_replay(s, p, rec, NULL, NULL) != GRID_OK) {
        partition_damage(s, p);
        partition_break(s, p);
    }
    if (names_dropped(s, p, rec)) {
        p->purge = true; /* it came after this node had purged */
        p->purge_cursor = 0;
    }
}

static void later_add(struct shard *s, struct partition *p, uint64_t version, uint64_t lsn,
                      struct slice bytes)
{
    struct later *l = xalloc(sizeof *l + bytes.len);
    l->version = version;
    l->lsn = lsn;
    l->len = bytes.len;
    memcpy(l->bytes, bytes.data, bytes.len);
    list_push_back(&others_of(p)->later, &l->link);
    list_init(&l->all);
    if (lsn)
        list_push_back(&s->sharing->later, &l->all);
}

static void later_free(struct later *l)
{
    list_remove(&l->all);
    free(l);
}

void later_forget(struct partition *p)
{
    struct list *it;
    while (p->others && (it = list_pop_front(&p->others->later)))
        later_free(list_entry(it, struct later, link));
}

static void later_fetched(struct shard *s, struct partition *p, enum grid_err err, msec_t now)
{
    struct others *o = p->others;
    if (!p->context || !o)
        return;
    o->fetched = err ? 0 : o->fetching;
    o->fetching = 0;
    o->retry_at = err ? now + LATER_RETRY_MS : 0;
    later_run(s, p, now); /* at once, before anything leaves again */
    partition_touch(s, p);
}

msec_t later_next(const struct shard *s, const struct partition *p)
{
    const struct others *o = p->others;
    bool waits = o && !o->fetching && !list_empty(&o->later);
    return waits ? mono_now(s) + LATER_RETRY_MS : UINT64_MAX;
}

/* False: it has to wait for a fetch. */
static bool later_apply(struct shard *s, struct partition *p, const struct later *l, msec_t now)
{
    struct record rec;
    enum grid_err err =
        record_decode(slice_make(l->bytes, l->len), s->sharing->effects, RECORD_EFFECTS_MAX, &rec);
    CHECK(!err); /* it was decoded before */
    if (content_complete(p->content) || p->damaged || p->others->fetched == l->version) {
        record_apply(s, p, &rec);
        return true;
    }
    struct fetch_key *keys = xcalloc(rec.effects_len + 1, sizeof *keys);
    uint32_t missing = keys_missing(s, p, &rec, keys, (uint32_t)rec.effects_len);
    if (!missing) {
        record_apply(s, p, &rec);
    } else {
        p->others->fetching = l->version;
        fetch_keys(s, p, keys, missing, later_fetched, now);
    }
    free(keys);
    return !missing;
}

void later_run(struct shard *s, struct partition *p, msec_t now)
{
    struct others *o = p->others;
    if (!o || o->fetching || list_empty(&o->later) || now < o->retry_at)
        return;
    while (!list_empty(&o->later) && !o->fetching) {
        struct later *l = list_entry(o->later.next, struct later, link);
        if (!later_apply(s, p, l, now))
            break;
        list_remove(&l->link);
        later_free(l);
    }
    partition_committed(s, p);
    if (list_empty(&o->later) && o->clean_due)
        p->tidy = content_cleaned(p->content, o->clean_due);
    partition_account(s, p);
}

/* --- records ---------------------------------------------------------------------------------- */

static void record_take(struct shard *s, struct partition *p, const struct record *rec,
                        struct slice bytes, msec_t now)
{
    enum durability durability = p->context->info->durability;
    uint64_t lsn = 0;
    if (durability != DURABILITY_MEMORY)
        lsn = s->logged = s->ports.log_append(s->ports.ctx, rec, durability == DURABILITY_SYNC);
    p->tail =
        tail_add_bytes(&s->sharing->tail, p->tail, replica_last(&p->replica), rec->version, bytes);
    struct fetch_key key;
    bool waits = (p->others && !list_empty(&p->others->later)) ||
                 (!content_complete(p->content) && keys_missing(s, p, rec, &key, 1));
    replica_advance(&p->replica, rec->version);
    if (waits)
        later_add(s, p, rec->version, lsn, bytes);
    else
        record_apply(s, p, rec);
    if (lsn) {
        struct promise promise = {.version = rec->version, .lsn = lsn, .since = now};
        marks_add(&s->marks, p, rec->version, lsn, bytes.len);
        promise_add(s, p, &promise);
    }
    struct inflight f = {.lsn = lsn, .partition = p, .version = rec->version};
    if (durability == DURABILITY_SYNC)
        inflight_add(s, &f);
    else if (!p->others || !p->others->mended)
        replica_ack(&p->replica, rec->version);
}

static bool record_sane(const struct partition *p, const struct record *rec)
{
    return rec->context == p->context_id && rec->partition == p->index && !rec->restates &&
           rec->version;
}

/* As many as there is room for; the rest comes again. */
static void records_take(struct shard *s, struct partition *p, const struct shard_message *m,
                         msec_t now)
{
    bool logged = p->context->info->durability != DURABILITY_MEMORY;
    if (wipe_due(p))
        return;
    for (size_t i = 0; i < m->records_len; i++) {
        struct record rec;
        size_t left = m->records_len - i;
        if (i % RECORDS_AHEAD == 0 && left > 1)
            records_fetch(p, m->records + i, left < RECORDS_AHEAD ? left : (size_t)RECORDS_AHEAD);
        if (!record_peek(m->records[i], &rec) || !record_sane(p, &rec))
            break;
        if (!replica_take(&p->replica, rec.version))
            continue;
        if (record_decode(m->records[i], s->sharing->effects, RECORD_EFFECTS_MAX, &rec) ||
            (logged && !s->ports.log_has_room(s->ports.ctx, m->records[i].len)))
            break;
        record_take(s, p, &rec, m->records[i], now);
    }
    partition_account(s, p);
    if (p->others)
        copy_finish(s, p, now);
}

/* --- messages --------------------------------------------------------------------------------- */

void message_take(struct shard *s, const struct shard_message *m, msec_t now, msec_t mono)
{
    struct partition *p = partition_there(s, m->context, m->partition);
    if (!p || !replica_history_valid(&m->replica.history))
        return;
    struct replica_message said = m->replica;
    said.pieces = m->number;
    switch (m->kind) {
    case SHARD_REPLICA:
        if (replica_receive(&p->replica, &said, mono) == REPLICA_TAKE)
            records_take(s, p, m, now);
        break;
    case SHARD_PIECE:
        piece_take(s, p, m, now);
        break;
    case SHARD_TAKEN:
        copy_taken(s, p, m);
        replica_mending(&p->replica, m->replica.from, m->replica.round, mono);
        break;
    case SHARD_WANT:
        want_take(s, p, m, now);
        break;
    case SHARD_MEND:
        mend_take(s, p, m, now);
        break;
    }
    partition_touch(s, p);
}

void shard_receive(struct shard *s, const struct shard_message *m, msec_t now)
{
    if (s->sharing)
        message_take(s, m, now, mono_now(s));
}
