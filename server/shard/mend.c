/* mend.c - R9: a member has records after the common point that never happened.
 *
 *   member                                    primary
 *     | keys and sessions they touched: WANT --> and those that its own records after the common
 *     |                                          point touched (some from the checkpoint: fetch.c)
 *     | kept until all is here <------ MEND ---- as they are now, all at one moment
 *     | MEND, ADOPT, REMOVE ..., COPIED: log and content in one turn; then it has what the
 *     | primary had at that moment
 *
 * Until then it has what it had, and may lead with it. It says of each piece that it came: the
 * primary waits as long as it gets on. It asks for a whole copy instead when the tail does not
 * reach back, when not all is in memory (what the checkpoint has is counted by versions, and those
 * go back here), or when a checkpoint already has what was cut. */
#include "data/fields.h"
#include "shard/others_priv.h"

#include <stdlib.h>

enum {
    ASK_AGAIN_MS = 1000,
    PIECE_BYTES = 64 << 10, /* a slow link brings one within the second */
    PIECE_EFFECTS = 1000,
    PIECE_EXTRA = 512, /* that the log needs for each */
    PIECES_BYTES = 64 << 20
};

struct mend { /* at the member */
    uint64_t common;
    uint32_t round;
    msec_t asked_at;
    struct buf want;   /* a record that names what is wanted */
    struct buf pieces; /* u32 length, record */
    uint64_t number;   /* of the last piece */
    bool whole;
    struct replica_history history;
};

struct want { /* at the primary, while keys are fetched */
    struct replica_message message;
    size_t len;
    uint8_t bytes[];
};

/* --- what records touched --------------------------------------------------------------------- */

struct touched {
    struct fetch_key *keys;
    struct session_id *sessions;
    size_t keys_len, keys_cap, sessions_len, sessions_cap;
};

static void touched_release(struct touched *t)
{
    free(t->keys);
    free(t->sessions);
}

static void touched_session(struct touched *t, const uint8_t *id)
{
    if (t->sessions_len == t->sessions_cap) {
        t->sessions_cap = t->sessions_cap ? t->sessions_cap * 2 : 16;
        t->sessions = xrealloc(t->sessions, t->sessions_cap, sizeof *t->sessions);
    }
    memcpy(t->sessions[t->sessions_len++].bytes, id, SESSION_ID_BYTES);
}

static void touched_record(struct touched *t, const struct record *r)
{
    if (r->has_session)
        touched_session(t, r->session.id.bytes);
    for (size_t i = 0; i < r->effects_len; i++) {
        const struct effect *e = &r->effects[i];
        if (!effect_has_key(e)) {
            touched_session(t, e->key.data); /* SESSION_END */
            continue;
        }
        if (t->keys_len == t->keys_cap) {
            t->keys_cap = t->keys_cap ? t->keys_cap * 2 : 64;
            t->keys = xrealloc(t->keys, t->keys_cap, sizeof *t->keys);
        }
        t->keys[t->keys_len++] = (struct fetch_key){e->cache, e->key};
    }
}

static int keys_order(const void *a, const void *b)
{
    const struct fetch_key *x = a, *y = b;
    return x->cache != y->cache ? (x->cache > y->cache) - (x->cache < y->cache)
                                : slice_cmp(x->key, y->key);
}

static int sessions_order(const void *a, const void *b)
{
    return memcmp(a, b, SESSION_ID_BYTES);
}

/* Each once. */
static void touched_once(struct touched *t)
{
    size_t n = 0;
    if (t->keys_len)
        qsort(t->keys, t->keys_len, sizeof *t->keys, keys_order);
    for (size_t i = 0; i < t->keys_len; i++)
        if (!n || keys_order(&t->keys[n - 1], &t->keys[i]))
            t->keys[n++] = t->keys[i];
    t->keys_len = n;
    n = 0;
    if (t->sessions_len)
        qsort(t->sessions, t->sessions_len, sizeof *t->sessions, sessions_order);
    for (size_t i = 0; i < t->sessions_len; i++)
        if (!n || sessions_order(&t->sessions[n - 1], &t->sessions[i]))
            t->sessions[n++] = t->sessions[i];
    t->sessions_len = n;
}

static bool touched_bytes(struct shard *s, struct slice bytes, struct touched *t)
{
    struct record rec;
    if (record_decode(bytes, s->sharing->effects, RECORD_EFFECTS_MAX, &rec) || rec.restates)
        return false;
    touched_record(t, &rec);
    return true;
}

/* By all records after `version`. False: not all of them are kept. */
static bool touched_after(struct shard *s, const struct partition *p, uint64_t version,
                          struct touched *t)
{
    tail_place place;
    struct tail_record r;
    if (version == replica_last(&p->replica))
        return true;
    bool kept = tail_find_after(&s->sharing->tail, p->tail, version, &place);
    for (; kept && place && tail_at(&s->sharing->tail, place, &r); place = r.after)
        kept = touched_bytes(s, r.bytes, t);
    return kept;
}

/* --- the member asks -------------------------------------------------------------------------- */

void mend_forget(struct partition *p)
{
    struct mend *m = p->others ? p->others->mend : NULL;
    if (!m)
        return;
    buf_release(&m->want);
    buf_release(&m->pieces);
    free(m);
    p->others->mend = NULL;
}

static void want_send(struct shard *s, struct partition *p)
{
    struct mend *mend = p->others->mend;
    struct slice record = buf_slice(&mend->want);
    struct shard_message m = {.kind = SHARD_WANT,
                              .last = true,
                              .replica = {.from = p->replica.self,
                                          .epoch = p->replica.epoch,
                                          .round = mend->round,
                                          .version = mend->common},
                              .records = &record,
                              .records_len = 1};
    mend->asked_at = mono_now(s);
    mend->pieces.len = 0;
    mend->number = 0;
    message_send(s, p, replica_primary(&p->replica), SHARD_RECORDS, &m);
}

/* As a record that removes all of it. False: it is too much. */
static bool want_encode(struct shard *s, const struct partition *p, struct touched *t,
                        struct buf *out)
{
    touched_once(t);
    if (t->keys_len + t->sessions_len > RECORD_EFFECTS_MAX)
        return false;
    struct effect *effects = s->sharing->effects;
    size_t n = 0;
    for (size_t i = 0; i < t->keys_len; i++)
        effects[n++] = (struct effect){
            .kind = EFFECT_REMOVE, .cache = t->keys[i].cache, .key = t->keys[i].key};
    for (size_t i = 0; i < t->sessions_len; i++)
        effects[n++] = (struct effect){.kind = EFFECT_SESSION_END,
                                       .key = slice_make(t->sessions[i].bytes, SESSION_ID_BYTES)};
    struct record rec = {.context = p->context_id,
                         .partition = p->index,
                         .version = replica_last(&p->replica),
                         .effects = effects,
                         .effects_len = n};
    record_encode(&rec, out);
    return true;
}

static bool mendable(const struct partition *p, uint64_t common)
{
    return content_complete(p->content) && !content_copying(p->content) && !p->damaged &&
           list_empty(&p->others->later) && content_clean(p->content) <= common;
}

void port_cut(void *ctx, struct replica *r, uint64_t common, uint32_t round)
{
    struct shard *s = ctx;
    struct partition *p = container_of(r, struct partition, replica);
    struct others *o = others_of(p);
    struct touched t = {0};
    mend_forget(p);
    struct mend *m = o->mend = xcalloc(1, sizeof *m);
    m->common = common;
    m->round = round;
    o->hopeless = !mendable(p, common) || !touched_after(s, p, common, &t) ||
                  !want_encode(s, p, &t, &m->want);
    touched_release(&t);
    if (!o->hopeless)
        want_send(s, p);
    partition_touch(s, p);
}

/* --- the primary answers ---------------------------------------------------------------------- */

struct answering {
    struct shard *s;
    struct partition *p;
    const struct replica_message *to;
    struct effect effects[PIECE_EFFECTS];
    size_t len, bytes;
    uint64_t number;
};

static void mend_send(struct answering *a, bool last, bool refused)
{
    struct partition *p = a->p;
    struct sharing *g = a->s->sharing;
    struct record rec = {.context = p->context_id,
                         .partition = p->index,
                         .restates = true,
                         .version = replica_last(&p->replica),
                         .effects = a->effects,
                         .effects_len = a->len};
    const uint8_t *at = g->values.data;
    for (size_t i = 0; i < a->len; i++) {
        struct slice *value = &a->effects[i].value;
        if (value->data || !value->len)
            continue;
        value->data = at;
        at += value->len;
    }
    g->bytes.len = 0;
    record_encode(&rec, &g->bytes);
    struct slice record = buf_slice(&g->bytes);
    struct shard_message m = {.kind = SHARD_MEND,
                              .last = last,
                              .refused = refused,
                              .number = ++a->number,
                              .replica = {.from = p->replica.self,
                                          .epoch = p->replica.epoch,
                                          .round = a->to->round,
                                          .history = p->replica.history},
                              .records = &record,
                              .records_len = 1};
    message_send(a->s, p, a->to->from, stream_class(p, a->to->from), &m);
    a->len = a->bytes = g->values.len = 0;
}

static void answer_add(struct answering *a, const struct effect *e)
{
    a->effects[a->len++] = *e;
    a->bytes += e->key.len + e->value.len;
    if (a->len == PIECE_EFFECTS || a->bytes >= PIECE_BYTES)
        mend_send(a, false, false);
}

static void answer_key(struct answering *a, const struct fetch_key *k)
{
    struct content *c = a->p->content;
    const struct entry *e = content_get(c, k->cache, k->key, content_hash(c, k->cache, k->key));
    struct effect effect = {.kind = EFFECT_REMOVE, .cache = k->cache, .key = k->key};
    if (e && !entry_is_tombstone(e)) {
        effect.kind = EFFECT_ADOPT;
        effect.affinity = entry_affinity(e);
        effect.type = (uint8_t)entry_type(e);
        effect.value = entry_value(e);
        effect.deadline = entry_deadline(e);
        effect.number = entry_version(e);
    }
    if (e && effect.kind == EFFECT_ADOPT && entry_is_map(e)) {
        size_t before = a->s->sharing->values.len;
        fields_store(entry_fields(e), &a->s->sharing->values);
        effect.value = slice_make(NULL, a->s->sharing->values.len - before);
    }
    answer_add(a, &effect);
}

static void answer_session(struct answering *a, const struct session_id *id)
{
    struct buf *values = &a->s->sharing->values;
    size_t before = values->len;
    struct effect e = {.kind = EFFECT_SESSION_END, .key = slice_make(id->bytes, SESSION_ID_BYTES)};
    if (sessions_store(content_sessions(a->p->content), id, values)) {
        e.kind = EFFECT_SESSION;
        e.value = slice_make(NULL, values->len - before);
    }
    answer_add(a, &e);
}

static void touched_answer(struct shard *s, struct partition *p, const struct replica_message *to,
                           const struct touched *t, bool refused)
{
    struct answering *a = xcalloc(1, sizeof *a);
    a->s = s;
    a->p = p;
    a->to = to;
    s->sharing->values.len = 0;
    for (size_t i = 0; i < t->keys_len && !refused; i++)
        answer_key(a, &t->keys[i]);
    for (size_t i = 0; i < t->sessions_len && !refused; i++)
        answer_session(a, &t->sessions[i]);
    mend_send(a, true, refused);
    free(a);
}

static bool all_here(struct partition *p, const struct touched *t)
{
    bool here = content_complete(p->content);
    for (size_t i = 0; i < t->keys_len && !here; i++) {
        const struct fetch_key *k = &t->keys[i];
        if (!content_get(p->content, k->cache, k->key, content_hash(p->content, k->cache, k->key)))
            return false;
    }
    return true;
}

static void want_fetched(struct shard *s, struct partition *p, enum grid_err err, msec_t now);

/* Answer, or fetch what is missing first. */
static void want_answer(struct shard *s, struct partition *p, bool fetched, msec_t now)
{
    struct want *w = p->others->want;
    struct touched t = {0};
    bool known = touched_bytes(s, slice_make(w->bytes, w->len), &t) &&
                 touched_after(s, p, w->message.version, &t);
    touched_once(&t);
    if (known && !fetched && !all_here(p, &t)) {
        p->others->want_fetching = true;
        fetch_keys(s, p, t.keys, (uint32_t)t.keys_len, want_fetched, now);
    } else {
        touched_answer(s, p, &w->message, &t, !known);
        free(w);
        p->others->want = NULL;
    }
    touched_release(&t);
}

static void want_fetched(struct shard *s, struct partition *p, enum grid_err err, msec_t now)
{
    struct others *o = p->others;
    if (!o || !p->context)
        return;
    o->want_fetching = false;
    if (!o->want)
        return;
    if (!err && p->replica.role == REPLICA_PRIMARY && o->want->message.epoch == p->replica.epoch &&
        !o->want_newer)
        want_answer(s, p, true, now);
    free(o->want); /* it is asked again */
    o->want = NULL;
    o->want_newer = false;
}

static bool member_of(const struct replica *r, struct replica_member m)
{
    struct replica_view view;
    for (unsigned i = 0; replica_view(r, i, &view); i++)
        if (replica_member_eq(view.member, m))
            return true;
    return false;
}

void want_take(struct shard *s, struct partition *p, const struct shard_message *m, msec_t now)
{
    const struct replica *r = &p->replica;
    if (r->role != REPLICA_PRIMARY || m->replica.epoch != r->epoch || m->records_len != 1 ||
        !member_of(r, m->replica.from) || p->damaged || partition_applied(p) < replica_last(r))
        return; /* it is asked again */
    struct others *o = others_of(p);
    if (o->want_fetching) {
        o->want_newer = true; /* it is asked again */
        return;
    }
    free(o->want);
    struct want *w = o->want = xalloc(sizeof *w + m->records[0].len);
    w->message = m->replica;
    w->len = m->records[0].len;
    memcpy(w->bytes, m->records[0].data, w->len);
    want_answer(s, p, false, now);
}

void want_forget(struct partition *p)
{
    free(p->others->want);
    p->others->want = NULL;
}

/* --- the member mends ------------------------------------------------------------------------- */

static bool mend_piece_sane(const struct partition *p, const struct record *rec)
{
    if (rec->context != p->context_id || rec->partition != p->index || !rec->restates)
        return false;
    for (size_t i = 0; i < rec->effects_len; i++) {
        enum effect_kind kind = rec->effects[i].kind;
        if (kind != EFFECT_ADOPT && kind != EFFECT_REMOVE && kind != EFFECT_SESSION &&
            kind != EFFECT_SESSION_END)
            return false;
    }
    return true;
}

/* R4: nothing is held until all of it is on disk, for `async` too: the log has not got any more
 * what it replaces, and half of it is nothing. */
static void mend_settle(struct shard *s, struct partition *p, uint64_t version, uint64_t lsn)
{
    struct inflight f = {.lsn = lsn, .partition = p, .version = version, .kind = STORED_MEND};
    p->others->mended = lsn;
    if (lsn)
        inflight_add(s, &f);
    else
        replica_ack(&p->replica, version);
}

void mend_stored(struct shard *s, const struct inflight *f)
{
    struct partition *p = f->partition;
    if (!p->context || !p->others || p->others->mended != f->lsn)
        return; /* there was another, or it was wiped */
    p->others->mended = 0;
    bool sync = p->context->info->durability == DURABILITY_SYNC;
    replica_ack(&p->replica, sync ? f->version : replica_last(&p->replica));
    partition_touch(s, p);
}

/* The log takes all pieces now, or none: half of it is nothing, and who is in sync may have to lead
 * the next moment. It waits for room, or is asked out (R8); who joins takes a copy instead. */
static bool pieces_fit(struct shard *s, const struct partition *p, const struct mend *m)
{
    return p->context->info->durability == DURABILITY_MEMORY ||
           s->ports.log_has_room(s->ports.ctx, m->pieces.len + m->number * PIECE_EXTRA);
}

/* All pieces, one after the other. False: not all of it is done; *ret_begun: some is. */
static bool pieces_apply(struct shard *s, struct partition *p, const struct mend *m,
                         uint64_t *ret_lsn, bool *ret_begun)
{
    struct effect *effects = s->sharing->effects;
    const uint8_t *at = m->pieces.data, *end = at + m->pieces.len;
    for (bool first = true; at < end; first = false) {
        *ret_begun = !first;
        struct record rec;
        size_t len = load_u32(at);
        if (record_decode(slice_make(at + 4, len), effects + 1, PIECE_EFFECTS, &rec))
            return false;
        at += 4 + len;
        rec.version = m->history.last;
        if (first) {
            effects[0] = (struct effect){.kind = EFFECT_MEND};
            rec.effects = effects;
            rec.effects_len++;
        }
        if (at == end)
            ((struct effect *)(uintptr_t)rec.effects)[rec.effects_len++] =
                (struct effect){.kind = EFFECT_COPIED};
        if (record_restate(s, p, &rec, ret_lsn))
            return false;
    }
    return true;
}

static void mend_do(struct shard *s, struct partition *p)
{
    struct mend *m = p->others->mend;
    struct replica_history history = m->history;
    uint64_t lsn = 0;
    bool begun = false;
    if (!replica_mendable(&p->replica, m->round, &history))
        return;
    promises_cut(s, p, m->common);
    waiting_refuse(s, p);
    tail_forget(p);
    p->unfolded = true;
    p->clean_era = UINT64_MAX;
    if (!pieces_apply(s, p, m, &lsn, &begun)) {
        if (begun) { /* neither what it had, nor what it was to have */
            replica_restate(&p->replica, history.last);
            partition_damage(s, p);
            partition_break(s, p);
        } else {
            replica_stray(&p->replica, mono_now(s));
        }
        return;
    }
    if (!lsn)
        p->unfolded = false;
    replica_mended(&p->replica, &history, mono_now(s));
    mend_settle(s, p, history.last, lsn);
    partition_account(s, p);
}

void mend_run(struct shard *s, struct partition *p, msec_t now)
{
    (void)now;
    struct others *o = p->others;
    if (!o || !o->mend)
        return;
    if (!replica_current(&p->replica, replica_primary(&p->replica), p->replica.epoch,
                         o->mend->round)) {
        mend_forget(p); /* another round has begun */
        o->hopeless = false;
    } else if (o->hopeless) {
        o->hopeless = false;
        mend_forget(p);
        replica_stray(&p->replica, mono_now(s));
    } else if (o->mend->whole && p->replica.role == REPLICA_BACKUP && !pieces_fit(s, p, o->mend)) {
        o->mend->asked_at = mono_now(s); /* it is looked at again */
    } else if (o->mend->whole) {
        if (mendable(p, o->mend->common) && pieces_fit(s, p, o->mend))
            mend_do(s, p);
        else
            replica_stray(&p->replica, mono_now(s));
        mend_forget(p);
    } else if (mono_now(s) >= o->mend->asked_at + ASK_AGAIN_MS) {
        want_send(s, p);
    }
}

msec_t mend_next(const struct partition *p)
{
    const struct mend *m = p->others ? p->others->mend : NULL;
    return m ? m->asked_at + ASK_AGAIN_MS : UINT64_MAX;
}

void mend_take(struct shard *s, struct partition *p, const struct shard_message *m, msec_t now)
{
    (void)now;
    struct mend *mend = p->others ? p->others->mend : NULL;
    struct record rec;
    if (!mend || mend->whole || mend->round != m->replica.round || m->records_len != 1 ||
        !replica_current(&p->replica, m->replica.from, m->replica.epoch, m->replica.round))
        return;
    p->others->hopeless |= m->refused;
    if (m->number == 1)
        mend->pieces.len = mend->number = 0;
    if (m->number != mend->number + 1 || m->refused)
        return;
    struct slice piece = m->records[0];
    if (record_decode(piece, s->sharing->effects, PIECE_EFFECTS, &rec) || !mend_piece_sane(p, &rec))
        return;
    if (mend->pieces.len + piece.len > PIECES_BYTES) {
        p->others->hopeless = true;
        return;
    }
    buf_add_u32(&mend->pieces, (uint32_t)piece.len);
    buf_add(&mend->pieces, piece.data, piece.len);
    mend->number = m->number;
    mend->asked_at = mono_now(s);
    taken_send(s, p, mend->round, mend->number);
    mend->whole = m->last;
    mend->history = m->replica.history;
}
