/* write.c - the life of a write, and of every other record.
 *
 *   write_run: R13 lookup -> keys (missing ones faulted in) -> evaluate -> room -> record_make
 *   record_make: version (R2) -> log (R3) -> apply, pending -> ack (R4) -> commit (R5) -> answer
 *
 * `memory` and `async` ack at once, `sync` when shard_durable() has reached the record: until
 * then it is in the ring of in-flight records, with the answer that waits for it. Where other
 * members have to ack too, the answer is a promise instead (promise.c). */
#include "shard/others_priv.h"

#include <stdlib.h>

/* --- the ring of in-flight records ------------------------------------------------------------ */

static void inflight_grow(struct shard *s)
{
    size_t cap = s->inflight_cap ? s->inflight_cap * 2 : 256;
    struct inflight *ring = xcalloc(cap, sizeof *ring);
    for (size_t i = 0; i < s->inflight_len; i++)
        ring[i] = s->inflight[(s->inflight_first + i) & (s->inflight_cap - 1)];
    free(s->inflight);
    s->inflight = ring;
    s->inflight_cap = cap;
    s->inflight_first = 0;
}

struct slice slice_own(struct slice s)
{
    if (likely(!s.len))
        return slice_make(NULL, 0);
    uint8_t *copy = xalloc(s.len);
    memcpy(copy, s.data, s.len);
    return slice_make(copy, s.len);
}

static struct inflight *inflight_new(struct shard *s)
{
    if (s->inflight_len == s->inflight_cap)
        inflight_grow(s);
    return &s->inflight[(s->inflight_first + s->inflight_len++) & (s->inflight_cap - 1)];
}

void answer_send(struct shard *s, const struct ticket *to, const struct answer *a, uint64_t version)
{
    struct result res = {.status = a->status,
                         .reply = a->reply,
                         .version = a->status ? a->version : version,
                         .number = a->number,
                         .value = a->bytes,
                         .failed_at = a->failed_at};
    s->ports.reply(s->ports.ctx, to, &res);
}

/* True: the commit moved, and the partition is accounted for. */
static bool partition_ack(struct shard *s, struct partition *p, uint64_t version)
{
    if (unlikely(p->others != NULL) && p->others->mended)
        return false;
    if (!replica_ack(&p->replica, version))
        return false;
    p->committed = p->replica.commit;
    partition_committed(s, p);
    if (unlikely(p->promises.first))
        promises_keep(s, p);
    return true;
}

/* Its partition has other members since it was made: they have to ack too. */
ASIDE static void inflight_promise(struct shard *s, const struct inflight *f, msec_t now)
{
    struct promise promise = {.version = f->version,
                              .lsn = f->lsn,
                              .since = now,
                              .waited = true,
                              .to = f->to,
                              .answer = f->answer};
    promise_add(s, f->partition, &promise);
}

ASIDE static void stored_aside(struct shard *s, const struct inflight *f, msec_t now)
{
    if (f->kind == STORED_MEND)
        mend_stored(s, f);
    else
        copy_stored(s, f, now);
}

void shard_durable(struct shard *s, uint64_t lsn, msec_t now)
{
    while (s->inflight_len && s->inflight[s->inflight_first].lsn <= lsn) {
        struct inflight f = s->inflight[s->inflight_first];
        s->inflight_first = (s->inflight_first + 1) & (s->inflight_cap - 1);
        s->inflight_len--;
        f.partition->holds--;
        if (unlikely(f.kind != STORED_RECORD)) {
            stored_aside(s, &f, now);
            continue;
        }
        partition_ack(s, f.partition, f.version);
        if (f.answered && likely(!replica_pending(&f.partition->replica, f.version)))
            answer_send(s, &f.to, &f.answer, f.version);
        else if (f.answered)
            inflight_promise(s, &f, now);
        if (unlikely(f.answer.bytes.len))
            free((void *)(uintptr_t)f.answer.bytes.data);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

/* R3. Returns its lsn; 0: there is no log. */
static uint64_t record_log(struct shard *s, struct partition *p, const struct record *rec,
                           size_t bytes)
{
    if (unlikely(p->replica.ports != NULL))
        record_keep(s, p, rec);
    if (!bytes)
        return 0;
    bool sync = p->context->info->durability == DURABILITY_SYNC;
    uint64_t lsn = s->logged = s->ports.log_append(s->ports.ctx, rec, sync);
    marks_add(&s->marks, p, rec->version, lsn, bytes);
    return lsn;
}

void inflight_add(struct shard *s, const struct inflight *f)
{
    *inflight_new(s) = *f;
    f->partition->holds++;
}

/* It waits for the disk, and its answer with it. */
static void record_wait(struct shard *s, struct partition *p, uint64_t version, uint64_t lsn,
                        const struct ticket *to, const struct answer *a)
{
    struct inflight *f = inflight_new(s);
    *f = (struct inflight){
        .lsn = lsn, .partition = p, .version = version, .answered = to, .answer = *a};
    if (to)
        f->to = *to;
    f->answer.bytes = slice_own(a->bytes);
    p->holds++;
}

/* R5: others have to ack it, too. */
ASIDE static void record_share(struct shard *s, struct partition *p, const struct record *rec,
                               uint64_t lsn, const struct ticket *to, const struct answer *a)
{
    struct promise promise = {
        .version = rec->version, .lsn = lsn, .since = rec->time_ms, .waited = to, .answer = *a};
    if (to)
        promise.to = *to;
    promise_add(s, p, &promise);
    replica_advance(&p->replica, rec->version);
    struct inflight f = {.lsn = lsn, .partition = p, .version = rec->version};
    if (lsn && p->context->info->durability == DURABILITY_SYNC)
        inflight_add(s, &f);
    else
        partition_ack(s, p, rec->version);
    partition_account(s, p);
}

/* R4: when it is acknowledged, and so who is answered when. */
static void record_settle(struct shard *s, struct partition *p, const struct record *rec,
                          uint64_t lsn, const struct ticket *to, const struct answer *a)
{
    uint64_t version = rec->version;
    if (unlikely(p->replica.set != NULL)) {
        record_share(s, p, rec, lsn, to, a);
        return;
    }
    replica_advance(&p->replica, version);
    if (p->context->info->durability == DURABILITY_SYNC) {
        partition_account(s, p);
        record_wait(s, p, version, lsn, to, a);
        return;
    }
    if (!partition_ack(s, p, version))
        partition_account(s, p);
    if (to)
        answer_send(s, to, a, version);
}

/* Returns the bytes it may take in the log; 0: it is in none. */
static size_t record_begin(const struct partition *p, struct record *rec)
{
    rec->context = p->context_id;
    rec->partition = p->index;
    rec->version = replica_peek(&p->replica);
    return p->context->info->durability == DURABILITY_MEMORY ? 0 : record_size_max(rec);
}

void record_applied(struct shard *s, struct partition *p, struct record *rec,
                    const struct ticket *to, const struct answer *a)
{
    uint64_t lsn = record_log(s, p, rec, record_begin(p, rec));
    record_settle(s, p, rec, lsn, to, a);
}

ASIDE static void hidden_touched(struct shard *s, const struct partition *p, const struct effect *e)
{
    if (s->ports.touched)
        s->ports.touched(s->ports.ctx, p->context_id, p->index, e->key);
}

/* Effects on the hidden cache are told. */
static inline void record_hidden(struct shard *s, const struct partition *p,
                                 const struct record *rec)
{
    for (size_t i = 0; i < rec->effects_len; i++)
        if (unlikely(rec->effects[i].cache == CACHE_HIDDEN) && effect_has_key(&rec->effects[i]))
            hidden_touched(s, p, &rec->effects[i]);
}

enum grid_err record_make(struct shard *s, struct partition *p, struct record *rec,
                          const struct ticket *to, const struct answer *a)
{
    if (unlikely(p->gate != GATE_OPEN))
        return gate_record(p);
    size_t bytes = record_begin(p, rec);
    if (!rec->version)
        return GRID_EDAMAGED;
    if (unlikely(p->replica.ports != NULL) && record_too_large(rec))
        return GRID_ETOO_LARGE;
    if (bytes && !s->ports.log_has_room(s->ports.ctx, bytes))
        return GRID_EFULL;
    enum grid_err err = content_stage(p->content, rec);
    if (err)
        return err;
    uint64_t lsn = record_log(s, p, rec, bytes);
    content_apply(p->content, rec);
    record_hidden(s, p, rec);
    record_settle(s, p, rec, lsn, to, a);
    return GRID_OK;
}

/* --- one write -------------------------------------------------------------------------------- */

/* What of an answer is kept in the record: its number, or what a refusal tells beside the
 * status. */
static int64_t result_store(const struct op *op, const struct answer *a)
{
    if (!a->status)
        return a->number;
    return op->kind == OP_BATCH ? (int64_t)a->failed_at : (int64_t)a->version;
}

/* Of a call its kind of reply is kept in the place of the status, for a call that was done has
 * GRID_OK; the bytes of the reply, if any, only of one that finds its keys (a task), which may have
 * a status, too. */
enum { STORED_REPLY = 0x80 };

static void session_fill(const struct op *op, enum grid_err status, const struct answer *a,
                         struct record *rec)
{
    rec->has_session = true;
    rec->session = op->session;
    rec->session.status = status;
    rec->session.result = result_store(op, a);
}

void session_store(const struct op *op, const struct answer *a, struct record *rec)
{
    session_fill(op, a->status ? a->status : (enum grid_err)(STORED_REPLY | a->reply), a, rec);
    if (op->finds_keys)
        rec->session.answer = a->bytes;
}

/* A number that named no call before is BAD_REQUEST, and the other way round. */
static struct result call_restore(const struct session_answer *stored)
{
    struct result res = {.repeated = true, .version = stored->version, .number = stored->result};
    res.value = stored->answer;
    if (!((unsigned)stored->status & STORED_REPLY)) {
        res.status = stored->status ? stored->status : GRID_EBAD_REQUEST;
        res.version = 0;
        return res;
    }
    res.reply = (enum reply_kind)((unsigned)stored->status & ~(unsigned)STORED_REPLY);
    if (res.reply == REPLY_NONE || (res.reply > REPLY_INTEGER && !stored->answer.len)) {
        res.reply = REPLY_NONE;
        res.status = GRID_EIN_DOUBT; /* it was done, but what it answered is not known */
    }
    return res;
}

static struct result result_restore(const struct op *op, const struct session_answer *stored)
{
    if (op->kind == OP_CALL)
        return call_restore(stored);
    struct result res = {.status = stored->status, .repeated = true};
    if (unlikely((unsigned)res.status & STORED_REPLY)) {
        res.status = GRID_EBAD_REQUEST;
    } else if (!res.status) {
        res.version = stored->version;
        res.number = stored->result;
    } else if (op->kind == OP_BATCH) {
        res.failed_at = (uint32_t)stored->result;
    } else {
        res.version = (uint64_t)stored->result;
    }
    return res;
}

static bool too_old(const struct job *j)
{
    msec_t limit = (msec_t)catalog_setting(j->s->catalog, SETTING_session_ttl) / 2;
    return j->op->age_ms > limit || job_waited(j) > limit - j->op->age_ms;
}

/* It is asked again, and may be behind what came later. */
ASIDE static bool session_overtaken(struct job *j)
{
    static const struct result in_doubt = {.status = GRID_EIN_DOUBT, .repeated = true};
    const struct sessions *sessions = content_sessions(j->partition->content);
    if (!sessions_overtaken(sessions, &j->op->session, j->op->later))
        return false;
    job_reply(j, &in_doubt);
    return true;
}

static inline bool session_look(struct job *j)
{
    const struct op *op = j->op;
    if (!op->has_session)
        return false;
    if (unlikely(op->later) && session_overtaken(j))
        return true;
    struct session_answer stored;
    struct result res;
    switch (sessions_find(content_sessions(j->partition->content), &op->session, &stored)) {
    case SESSION_REPEATED:
        res = result_restore(op, &stored);
        j->s->stats.repeated++;
        job_reply_at(j, stored.version, &res, NULL);
        return true;
    case SESSION_FORGOTTEN:
        job_fail(j, GRID_ESTALE);
        return true;
    case SESSION_FULL:
        job_fail(j, GRID_EFULL);
        return true;
    case SESSION_NEW:
        break;
    }
    if (unlikely(op->sole) &&
        sessions_known(content_sessions(j->partition->content), &op->session.id)) {
        job_fail(j, GRID_EEXISTS);
        return true;
    }
    if (likely(!too_old(j)))
        return false;
    job_fail(j, GRID_ESTALE);
    return true;
}

bool session_answered(struct job *j)
{
    return session_look(j);
}

/* Name the keys and check what can be checked without looking. */
static enum grid_err write_keys(struct job *j)
{
    const struct op *op = j->op;
    uint64_t value_max = (uint64_t)catalog_setting(j->s->catalog, SETTING_max_value);
    if (op->kind != OP_BATCH) {
        j->keys = &j->key;
        j->keys_len = 1;
        j->key =
            (struct key_state){.op = op, .key = op->key, .cache = j->cache, .hash = job_hash(j)};
        return op_valid_write(op, value_max);
    }
    return batch_keys(j, value_max);
}

/* Look all keys up. False: some are on disk only; the op is parked until they are here (or is
 * answered BUSY). */
static bool keys_find(struct job *j)
{
    struct partition *p = j->partition;
    bool complete = content_complete(p->content);
    uint32_t missing = 0;
    j->depends = 0;
    for (uint32_t i = 0; i < j->keys_len; i++) {
        struct key_state *k = &j->keys[i];
        const struct entry *e =
            content_get(p->content, cache_number(k->op->cache), k->op->key, k->hash);
        k->missing = !e && !complete && !job_absent(j, i);
        missing += k->missing;
        k->seen = e ? entry_version(e) : 0;
        k->stored = e && !entry_is_tombstone(e) ? e : NULL;
        k->live = k->stored && !entry_expired(k->stored, j->now) ? k->stored : NULL;
    }
    if (missing)
        job_park_keys(j);
    return missing == 0;
}

/* Evaluate all keys into scratch.effects; stops at the first that fails. */
static void keys_evaluate(struct job *j, struct answer *a)
{
    struct effect *effects = scratch_effects(j->s, j->keys_len);
    *a = (struct answer){.status = GRID_OK};
    for (uint32_t i = 0; i < j->keys_len; i++) {
        struct key_state *k = &j->keys[i];
        a->status = key_evaluate(k, j->now, &effects[i]);
        if (!a->status)
            continue;
        a->failed_at = i;
        a->version = a->status == GRID_ECONDITION && k->live ? entry_version(k->live) : 0;
        j->depends = k->seen;
        return;
    }
    a->number = j->op->kind == OP_BATCH ? (int64_t)j->keys_len : j->keys[0].number;
}

/* Bytes the effects will take beyond what they replace. */
static size_t keys_need(const struct job *j)
{
    size_t need = 0;
    for (uint32_t i = 0; i < j->keys_len; i++) {
        const struct effect *e = &j->s->effects[i];
        if (e->kind != EFFECT_PUT)
            continue;
        struct entry_parts parts = {.key = e->key,
                                    .affinity = e->affinity,
                                    .value = e->value,
                                    .type = e->type,
                                    .deadline = e->deadline};
        size_t size = entry_parts_size(&parts);
        size_t old = j->keys[i].stored ? entry_bytes(j->keys[i].stored) : 0;
        need += size > old ? size - old : 0;
    }
    return need;
}

/* A refusal changes nothing. With a session it is a record without effects all the same, so that
 * a repetition that is still under way cannot be done after the client was told that it was not
 * (R13). */
static void write_refuse(struct job *j, const struct answer *a)
{
    struct result res = {.status = a->status, .version = a->version, .failed_at = a->failed_at};
    job_reply_at(j, j->depends, &res, NULL);
}

static void write_record(struct job *j, const struct answer *a)
{
    const struct op *op = j->op;
    struct record rec = {.time_ms = j->now};
    if (op->has_session)
        session_fill(op, a->status, a, &rec);
    if (!a->status) {
        rec.effects = j->s->effects;
        rec.effects_len = j->keys_len;
    }
    enum grid_err err = record_make(j->s, j->partition, &rec, &op->ticket, a);
    if (err)
        job_fail(j, err);
}

void write_run(struct job *j)
{
    if (session_look(j))
        return;
    enum grid_err err = write_keys(j);
    if (err) {
        job_fail(j, err);
        return;
    }
    struct answer a;
    /* An op that comes from the cold store evicts nothing: it could be what it waited for. */
    for (bool again = !job_was_cold(j);; again = false) {
        if (!keys_find(j))
            return;
        keys_evaluate(j, &a);
        if (a.status)
            break;
        enum room room = memory_room(j->s, j->partition, keys_need(j), again);
        if (room == ROOM_FULL) {
            job_fail(j, GRID_EFULL);
            return;
        }
        if (room == ROOM_THERE)
            break;
    }
    if (a.status && !j->op->has_session)
        write_refuse(j, &a);
    else
        write_record(j, &a);
}
