/* call.c - procedures: OP_CALL.
 *
 *   keys (missing ones faulted in) -> the procedure -> changes -> room -> record -> reply at commit
 *                                         |-> none: reply when what it looked at is committed (R6)
 *
 * A procedure is pure, so when room had to be made for its changes it runs again: what it looked
 * at may have left. The steps of a transaction cannot run again, for each sees the changes of
 * those before: room is made ahead, then each step's changes are staged and applied at once, with
 * the version that the one record will have. Nobody sees them before its commit. */
#include "shard/call.h"

#include "shard/shard_priv.h"

#include <stdlib.h>

enum {
    BLOCK_BYTES = 64 << 10,
    EFFECT_OVERHEAD = 64, /* bytes of an effect in a record and an entry beside its slices */
};

/* --- memory of a call ------------------------------------------------------------------------- */

static void block_add(struct call_memory *m, size_t bytes)
{
    if (m->len == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 8;
        m->blocks = xrealloc(m->blocks, m->cap, sizeof *m->blocks);
    }
    m->left = bytes > BLOCK_BYTES ? bytes : (size_t)BLOCK_BYTES;
    m->at = m->blocks[m->len++] = xalloc(m->left);
}

static void *memory_take(struct call_memory *m, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (bytes > m->left)
        block_add(m, bytes);
    uint8_t *p = m->at;
    m->at += bytes;
    m->left -= bytes;
    return p;
}

/* All but one block of the usual size goes back. */
static void memory_reset(struct call_memory *m)
{
    if (likely(m->len == 0))
        return;
    while (m->len > 1)
        free(m->blocks[--m->len]);
    m->at = m->blocks[0];
    m->left = BLOCK_BYTES; /* at least */
}

void call_memory_release(struct call_memory *m)
{
    for (size_t i = 0; i < m->len; i++)
        free(m->blocks[i]);
    free(m->blocks);
    free(m->effects);
    buf_release(&m->raw);
}

void *call_alloc(struct call *c, size_t bytes)
{
    return memory_take(&c->job->s->call, bytes);
}

static struct slice keep(struct call *c, struct slice s)
{
    if (!s.len)
        return slice_make(NULL, 0);
    uint8_t *copy = call_alloc(c, s.len);
    memcpy(copy, s.data, s.len);
    return slice_make(copy, s.len);
}

/* --- looking ---------------------------------------------------------------------------------- */

static struct key_state *key_of(const struct call *c, uint32_t key)
{
    CHECK(key < c->keys_len);
    return &c->job->keys[c->keys_at + key];
}

struct slice call_key(const struct call *c, uint32_t key)
{
    return key_of(c, key)->key;
}

/* Look at the key as it is now. */
static void key_look(struct job *j, struct key_state *k)
{
    const struct entry *e =
        content_get(j->partition->content, cache_number(j->op->cache), k->key, k->hash);
    k->seen = e ? entry_version(e) : 0;
    k->stored = e && !entry_is_tombstone(e) ? e : NULL;
    k->live = k->stored && !entry_expired(k->stored, j->now) ? k->stored : NULL;
    if (k->seen > j->depends)
        j->depends = k->seen;
}

const struct entry *call_entry(struct call *c, uint32_t key)
{
    struct key_state *k = key_of(c, key);
    if (c->job->transaction)
        key_look(c->job, k);
    return k->live;
}

uint64_t call_version(struct call *c, uint32_t key)
{
    const struct entry *e = call_entry(c, key);
    return e ? entry_version(e) : 0;
}

msec_t call_deadline(const struct call *c)
{
    msec_t ttl = c->job->cache->ttl_ms;
    return ttl ? c->now + ttl : 0;
}

size_t call_value_max(const struct call *c)
{
    return (size_t)catalog_setting(c->job->s->catalog, SETTING_max_value);
}

uint64_t call_random(struct call *c)
{
    return prng_next(&c->job->s->call.prng);
}

uint32_t call_steps(const struct call *c)
{
    return c->job->op->steps_len;
}

/* --- changing --------------------------------------------------------------------------------- */

static struct effect *effect_add(struct call *c, uint32_t key, enum effect_kind kind)
{
    struct job *j = c->job;
    struct call_memory *m = &j->s->call;
    const struct key_state *k = key_of(c, key);
    if (m->effects_len == m->effects_cap) {
        m->effects_cap = m->effects_cap ? m->effects_cap * 2 : 64;
        m->effects = xrealloc(m->effects, m->effects_cap, sizeof *m->effects);
    }
    struct effect *e = &m->effects[m->effects_len++];
    *e = (struct effect){
        .kind = kind, .cache = cache_number(j->op->cache), .key = k->key, .hash = k->hash};
    return e;
}

void call_put(struct call *c, uint32_t key, enum value_type type, struct slice stored,
              msec_t deadline)
{
    struct key_state *k = key_of(c, key);
    if (c->job->transaction)
        key_look(c->job, k);
    if (unlikely(deadline && deadline <= c->now)) {
        if (k->live)
            effect_add(c, key, EFFECT_REMOVE);
        return;
    }
    struct effect *e = effect_add(c, key, EFFECT_PUT);
    e->created = !k->stored;
    e->type = (uint8_t)type;
    e->value = stored;
    e->deadline = deadline;
    if (k->live)
        e->affinity = entry_affinity(k->live);
}

void call_edit(struct call *c, uint32_t key, struct slice edits)
{
    const struct entry *live = call_entry(c, key);
    CHECK(live && edits.len);
    struct effect *e = effect_add(c, key, EFFECT_EDIT);
    e->type = (uint8_t)entry_type(live);
    e->value = edits;
}

void call_expire(struct call *c, uint32_t key, msec_t deadline)
{
    const struct entry *live = call_entry(c, key);
    CHECK(live);
    if (deadline && deadline <= c->now)
        effect_add(c, key, EFFECT_REMOVE);
    else
        effect_add(c, key, EFFECT_DEADLINE)->deadline = deadline;
}

void call_remove(struct call *c, uint32_t key)
{
    CHECK(call_entry(c, key));
    effect_add(c, key, EFFECT_REMOVE);
}

/* Bytes that the effects from `from` on will take, beyond what a put replaces. */
static size_t effects_need(const struct call_memory *m, size_t from)
{
    size_t need = 0;
    for (size_t i = from; i < m->effects_len; i++) {
        const struct effect *e = &m->effects[i];
        if (e->kind == EFFECT_REMOVE)
            continue;
        struct entry_parts parts = {.key = e->key,
                                    .affinity = e->affinity,
                                    .value = e->value,
                                    .type = e->kind == EFFECT_PUT ? e->type : (uint8_t)VALUE_BYTES,
                                    .deadline = e->deadline};
        need += entry_parts_size(&parts);
    }
    return need;
}

/* --- running ---------------------------------------------------------------------------------- */

static enum grid_err keys_name(struct job *j)
{
    const struct op *op = j->op;
    uint32_t len = op->keys_len ? op->keys_len : 1;
    if (len == 1) {
        j->keys = &j->key;
        j->key = (struct key_state){.op = op, .key = op->key, .hash = job_hash(j)};
    } else {
        j->keys = scratch_keys(j->s, len);
    }
    j->keys_len = len;
    for (uint32_t i = 0; i < len; i++) {
        struct slice key = len == 1 ? op->key : op->keys[i];
        if (!key.len)
            return GRID_EBAD_REQUEST;
        if (key.len > KEY_BYTES_MAX)
            return GRID_ETOO_LARGE;
        if (len > 1)
            j->keys[i] = (struct key_state){
                .op = op,
                .key = key,
                .hash = content_hash(j->partition->content, cache_number(op->cache), key)};
    }
    return GRID_OK;
}

/* False: some are on disk only; the op is parked until they are here (or is answered BUSY). */
static bool keys_look(struct job *j)
{
    bool complete = content_complete(j->partition->content);
    uint32_t missing = 0;
    j->depends = 0;
    for (uint32_t i = 0; i < j->keys_len; i++) {
        struct key_state *k = &j->keys[i];
        key_look(j, k);
        k->missing = !k->seen && !complete && !job_absent(j, i);
        missing += k->missing;
    }
    if (unlikely(missing))
        job_park_keys(j);
    return missing == 0;
}

static void step_begin(struct call *c)
{
    c->raw->len = 0;
    c->reply = (struct reply){0};
}

static void step_end(struct call *c)
{
    CHECK(c->reply.kind != REPLY_NONE);
    if (c->reply.kind == REPLY_RAW)
        c->reply.bytes = buf_slice(c->raw);
}

/* The entry that the reply's bytes lie in: it can be kept instead of them. */
static const struct entry *reply_entry(const struct job *j, const struct reply *r)
{
    if (r->kind != REPLY_BULK || !r->bytes.len)
        return NULL;
    for (uint32_t i = 0; i < j->keys_len && i < 4; i++) {
        const struct entry *e = j->keys[i].live;
        if (!e || entry_is_map(e))
            continue;
        struct slice v = entry_value(e);
        if (r->bytes.data >= v.data && r->bytes.data < v.data + v.len)
            return e;
    }
    return NULL;
}

static void answer_unchanged(struct job *j, const struct call *c)
{
    struct result res = {
        .reply = c->reply.kind, .number = c->reply.number, .value = c->reply.bytes};
    if (likely(!replica_pending(&j->partition->replica, j->depends)))
        job_reply(j, &res);
    else
        job_reply_at(j, j->depends, &res, reply_entry(j, &c->reply));
}

static void answer_recorded(struct job *j, const struct call *c)
{
    struct call_memory *m = &j->s->call;
    if (unlikely(m->effects_len > RECORD_EFFECTS_MAX)) {
        job_fail(j, GRID_ETOO_LARGE);
        return;
    }
    struct record rec = {.time_ms = j->now, .effects = m->effects, .effects_len = m->effects_len};
    struct answer a = {.number = c->reply.number, .reply = c->reply.kind, .bytes = c->reply.bytes};
    enum grid_err err = record_make(j->s, j->partition, &rec, &j->op->ticket, &a);
    if (err)
        job_fail(j, err);
}

static void single_run(struct job *j, struct call *c)
{
    struct call_memory *m = &j->s->call;
    /* What comes from the cold store evicts nothing: it could be what it waited for. */
    for (bool again = !j->parked;; again = false) {
        if (!keys_look(j))
            return;
        m->effects_len = 0;
        step_begin(c);
        j->op->procedure(c);
        step_end(c);
        if (!m->effects_len) {
            answer_unchanged(j, c);
            return;
        }
        enum room room = memory_room(j->s, j->partition, effects_need(m, 0), again);
        if (room == ROOM_FULL) {
            job_fail(j, GRID_EFULL);
            return;
        }
        if (room == ROOM_THERE)
            break;
    }
    answer_recorded(j, c);
}

/* --- transactions ----------------------------------------------------------------------------- */

/* About what all steps may take: their arguments. */
static size_t transaction_need(const struct op *op)
{
    size_t need = 0;
    for (uint32_t i = 0; i < op->args_len; i++)
        need += op->args[i].len;
    return need + op->steps_len * (size_t)EFFECT_OVERHEAD;
}

static enum grid_err step_room(struct job *j, size_t first)
{
    struct call_memory *m = &j->s->call;
    if (m->effects_len > RECORD_EFFECTS_MAX)
        return GRID_ETOO_LARGE;
    if (memory_room(j->s, j->partition, effects_need(m, first), false) == ROOM_FULL)
        return GRID_EFULL;
    if (j->context->info->durability == DURABILITY_MEMORY)
        return GRID_OK;
    struct record all = {.effects = m->effects, .effects_len = m->effects_len};
    return j->s->ports.log_has_room(j->s->ports.ctx, record_size_max(&all)) ? GRID_OK : GRID_EFULL;
}

/* Make the changes of a step, pending; their slices stay until the record is written. */
static enum grid_err step_apply(struct call *c, size_t first)
{
    struct job *j = c->job;
    struct call_memory *m = &j->s->call;
    enum grid_err err = step_room(j, first);
    struct record rec = {.context = j->partition->context_id,
                         .partition = j->partition->index,
                         .version = replica_peek(&j->partition->replica),
                         .effects = m->effects + first,
                         .effects_len = m->effects_len - first,
                         .time_ms = j->now};
    if (!err && !rec.version)
        err = GRID_EDAMAGED;
    for (size_t i = first; i < m->effects_len && !err; i++) {
        m->effects[i].value = keep(c, m->effects[i].value);
        m->effects[i].affinity = keep(c, m->effects[i].affinity);
    }
    if (!err)
        err = content_stage(j->partition->content, &rec);
    if (err)
        m->effects_len = first;
    else
        content_apply(j->partition->content, &rec);
    return err;
}

enum grid_err call_step(struct call *c, uint32_t step)
{
    struct job *j = c->job;
    struct call whole = *c;
    const struct op_step *s = &j->op->steps[step];
    size_t first = j->s->call.effects_len;
    CHECK(step < j->op->steps_len && s->args_at + s->args_len <= j->op->args_len &&
          s->keys_at + s->keys_len <= j->keys_len);
    c->args = j->op->args + s->args_at;
    c->args_len = s->args_len;
    c->keys_at = s->keys_at;
    c->keys_len = s->keys_len;
    step_begin(c);
    s->procedure(c);
    step_end(c);
    enum grid_err err = GRID_OK;
    if (j->s->call.effects_len > first) {
        if (c->reply.kind != REPLY_RAW) /* it may lie in what is replaced now */
            c->reply.bytes = keep(c, c->reply.bytes);
        err = step_apply(c, first);
        if (err)
            c->reply = (struct reply){0};
    }
    struct reply reply = c->reply;
    *c = whole;
    c->reply = reply;
    return err;
}

static void transaction_end(struct job *j, struct call *c)
{
    struct call_memory *m = &j->s->call;
    struct slice bytes = c->reply.bytes;
    if (!m->effects_len) {
        answer_unchanged(j, c);
        return;
    }
    struct record rec = {.time_ms = j->now, .effects = m->effects, .effects_len = m->effects_len};
    struct answer a = {.number = c->reply.number, .reply = c->reply.kind, .bytes = bytes};
    record_applied(j->s, j->partition, &rec, &j->op->ticket, &a);
}

static void transaction_run(struct job *j, struct call *c)
{
    if (!j->parked)
        memory_give(j->s, j->partition, transaction_need(j->op));
    if (!keys_look(j))
        return;
    j->transaction = true;
    j->s->call.effects_len = 0;
    step_begin(c);
    j->op->procedure(c);
    step_end(c);
    transaction_end(j, c);
}

void call_run(struct job *j)
{
    const struct op *op = j->op;
    struct call_memory *m = &j->s->call;
    enum grid_err err = keys_name(j);
    if (err) {
        job_fail(j, err);
        return;
    }
    struct call c = {.now = j->now,
                     .flags = op->flags,
                     .args = op->args,
                     .args_len = op->args_len,
                     .keys_len = j->keys_len,
                     .raw = &m->raw,
                     .job = j};
    if (op->steps_len)
        transaction_run(j, &c);
    else
        single_run(j, &c);
    memory_reset(m);
    if (unlikely(m->raw.cap > CALL_RAW_KEEP)) {
        m->raw.len = 0;
        buf_shrink(&m->raw, CALL_RAW_KEEP);
    }
}
