/* copy_in.c - R11 at who joins: WIPE, pieces between the records of the stream, COPIED; all of it
 * in the log, so that a restart knows what it has. */
#include "shard/others_priv.h"

#include <stdlib.h>

enum { WIPE_RETRY_MS = 100 };

static bool logged(const struct partition *p)
{
    return p->context->info->durability != DURABILITY_MEMORY;
}

static void restate_begin(const struct partition *p, struct record *rec)
{
    rec->context = p->context_id;
    rec->partition = p->index;
    rec->restates = true;
}

/* The log has room for it. */
static enum grid_err restate_do(struct shard *s, struct partition *p, const struct record *rec,
                                uint64_t *ret_lsn)
{
    *ret_lsn = 0;
    enum grid_err err = content_stage(p->content, rec);
    if (err)
        return err;
    if (logged(p))
        *ret_lsn = s->logged = s->ports.log_append(s->ports.ctx, rec, true);
    content_apply(p->content, rec);
    if (logged(p))
        marks_add(&s->marks, p, rec->version, *ret_lsn, record_size_max(rec));
    partition_account(s, p);
    return GRID_OK;
}

enum grid_err record_restate(struct shard *s, struct partition *p, struct record *rec,
                             uint64_t *ret_lsn)
{
    restate_begin(p, rec);
    if (logged(p) && !s->ports.log_has_room(s->ports.ctx, record_size_max(rec)))
        return GRID_EFULL;
    return restate_do(s, p, rec, ret_lsn);
}

/* By a record without effects, for which the log keeps room. What others have ends before it, and
 * neither tail nor log lead to it: so they are copied. */
void partition_depart(struct shard *s, struct partition *p)
{
    struct record rec = {.version = replica_peek(&p->replica)};
    uint64_t lsn;
    if (!s->sharing || p->replica.role != REPLICA_PRIMARY || !rec.version || wipe_due(p))
        return;
    tail_forget(p);
    p->stored_from = UINT64_MAX;
    restate_begin(p, &rec);
    if (!restate_do(s, p, &rec, &lsn))
        replica_restate(&p->replica, rec.version);
    partition_touch(s, p);
}

/* --- wiping ----------------------------------------------------------------------------------- */

/* What it had is void: the log is to say so before it has anything else. */
static void wipe_log(struct shard *s, struct partition *p, bool copying)
{
    struct effect effects[] = {{.kind = EFFECT_WIPE}, {.kind = EFFECT_COPIED}};
    struct record rec = {
        .version = replica_last(&p->replica), .effects = effects, .effects_len = copying ? 1 : 2};
    uint64_t lsn;
    p->others->in.lame = record_restate(s, p, &rec, &lsn);
    p->others->in.wipe_at = mono_now(s) + WIPE_RETRY_MS;
}

void port_wipe(void *ctx, struct replica *r, bool copying, uint32_t round)
{
    struct shard *s = ctx;
    struct partition *p = container_of(r, struct partition, replica);
    struct others *o = others_of(p);
    later_forget(p);
    mend_forget(p);
    promises_cut(s, p, 0);
    partition_wipe(s, p);
    tail_forget(p);
    p->stored_from = UINT64_MAX;
    o->clean_due = o->mended = 0;
    o->in.number = 0;
    o->in.end = UINT64_MAX;
    o->in.round = round;
    o->in.base = replica_last(r);
    p->clean_era = UINT64_MAX; /* what the log has of before says nothing any more */
    wipe_log(s, p, copying);
    content_committed(p->content, r->commit);
    partition_touch(s, p);
}

bool wipe_due(const struct partition *p)
{
    return p->others && p->others->in.lame;
}

/* What it says next is answered by another copy at once. */
static bool wipe_rests(const struct shard *s, const struct partition *p)
{
    return p->replica.copying && p->replica.role != REPLICA_PRIMARY &&
           mono_now(s) < p->others->in.wipe_at;
}

void wipe_run(struct shard *s, struct partition *p)
{
    struct replica *r = &p->replica;
    if (!wipe_due(p) || wipe_rests(s, p))
        return;
    if (!r->broken) {
        p->others->in.round = 0; /* pieces that are on their way are not taken */
        replica_break(r, mono_now(s));
    }
    if (r->role != REPLICA_PRIMARY)
        return;
    if (!content_copying(p->content)) /* an operator gave up what was damaged */
        partition_wipe(s, p);
    wipe_log(s, p, r->copying);
    if (!wipe_due(p) && !p->damaged)
        r->broken = false;
}

msec_t wipe_next(const struct shard *s, const struct partition *p)
{
    if (wipe_due(p) && wipe_rests(s, p))
        return p->others->in.wipe_at;
    bool waits = wipe_due(p) && p->replica.role == REPLICA_PRIMARY;
    return waits ? mono_now(s) + WIPE_RETRY_MS : UINT64_MAX;
}

/* --- pieces ----------------------------------------------------------------------------------- */

void taken_send(struct shard *s, struct partition *p, uint32_t round, uint64_t number)
{
    struct shard_message m = {
        .kind = SHARD_TAKEN,
        .number = number,
        .replica = {.from = p->replica.self, .epoch = p->replica.epoch, .round = round}};
    message_send(s, p, replica_primary(&p->replica), SHARD_URGENT, &m);
}

/* Only what a copy brings. */
static bool piece_sane(const struct partition *p, const struct record *rec)
{
    if (rec->context != p->context_id || rec->partition != p->index || !rec->restates)
        return false;
    for (size_t i = 0; i < rec->effects_len; i++)
        if (rec->effects[i].kind != EFFECT_ADOPT && rec->effects[i].kind != EFFECT_SESSION)
            return false;
    return true;
}

/* Say so when it is stored; without a log, it is. */
static void piece_settle(struct shard *s, struct partition *p, struct inflight *f, msec_t now)
{
    f->partition = p;
    if (f->lsn)
        inflight_add(s, f);
    else
        copy_stored(s, f, now);
}

void copy_stored(struct shard *s, const struct inflight *f, msec_t now)
{
    (void)now;
    struct partition *p = f->partition;
    if (!p->context || !p->others || p->others->in.round != f->round)
        return;
    taken_send(s, p, f->round, f->version);
    if (f->kind == STORED_COPY && !content_copying(p->content)) {
        replica_ack(&p->replica, p->others->in.base);
        replica_copied(&p->replica, mono_now(s));
    }
    partition_touch(s, p);
}

/* All pieces are here. They were read when other records had been made already: what they say is
 * whole when those are here, too. A log without room takes pieces and no records. */
void copy_finish(struct shard *s, struct partition *p, msec_t now)
{
    struct others *o = p->others;
    struct effect copied = {.kind = EFFECT_COPIED};
    struct record rec = {
        .version = replica_last(&p->replica), .effects = &copied, .effects_len = 1};
    struct inflight f = {.version = o->in.number, .round = o->in.round, .kind = STORED_COPY};
    if (replica_last(&p->replica) < o->in.end ||
        !replica_current(&p->replica, replica_primary(&p->replica), p->replica.epoch, o->in.round))
        return;
    o->in.end = UINT64_MAX;
    if (record_restate(s, p, &rec, &f.lsn))
        partition_break(s, p);
    else
        piece_settle(s, p, &f, now);
}

void piece_take(struct shard *s, struct partition *p, const struct shard_message *m, msec_t now)
{
    struct others *o = p->others;
    if (!o || wipe_due(p) || o->in.round != m->replica.round || !content_copying(p->content) ||
        !replica_current(&p->replica, m->replica.from, m->replica.epoch, m->replica.round))
        return;
    if (m->number != o->in.number + 1)
        return; /* the link lost some: another copy will come */
    struct record rec;
    struct inflight f = {.version = m->number, .round = m->replica.round, .kind = STORED_PIECE};
    enum grid_err err = GRID_ECORRUPT;
    if (m->records_len == 1)
        err = record_decode(m->records[0], s->sharing->effects, RECORD_EFFECTS_MAX, &rec);
    if (!err && !piece_sane(p, &rec))
        err = GRID_ECORRUPT;
    uint64_t made = err ? 0 : rec.version;
    if (!err && rec.effects_len) {
        rec.version = replica_last(&p->replica);
        err = record_restate(s, p, &rec, &f.lsn);
    }
    if (err) {
        partition_break(s, p);
        return;
    }
    o->in.number = m->number;
    if (!m->last) {
        piece_settle(s, p, &f, now);
        return;
    }
    o->in.end = made;
    copy_finish(s, p, now);
}
