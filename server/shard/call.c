/* call.c - procedures: OP_CALL.
 *
 *   keys (missing ones faulted in) -> the procedure -> changes -> room -> record -> reply at commit
 *                                         |-> none: reply when what it looked at is committed (R6)
 *
 * A procedure is pure, so when room had to be made for its changes it runs again: what it looked
 * at may have left. Transactions: call_steps.c. Scripts: call_do.c. Tasks, which find their keys as
 * they run: call_find.c. */
#include "shard/shard_priv.h"

#include "base/hash.h"

enum {
    KEYS_AHEAD = 64,   /* keys that are fetched together: see ahead.c */
    ENTRIES_TRIED = 4, /* whether a reply lies in them */
    FIELD_BYTES = 48,  /* of a new field in a map, beside itself */
};

/* --- looking ---------------------------------------------------------------------------------- */

static struct key_state *key_of(const struct call *c, uint32_t key)
{
    CHECK(key < c->keys_len);
    return &c->keys[key];
}

struct slice call_key(const struct call *c, uint32_t key)
{
    return key_of(c, key)->key;
}

void call_key_look(struct job *j, struct key_state *k)
{
    const struct entry *e =
        content_get(j->partition->content, cache_number(k->cache->id), k->key, k->hash);
    k->seen = e ? entry_version(e) : 0;
    k->stored = e && !entry_is_tombstone(e) ? e : NULL;
    k->live = k->stored && !entry_expired(k->stored, j->now) ? k->stored : NULL;
    if (k->seen > j->depends)
        j->depends = k->seen;
}

/* The steps of a transaction see what those before have changed. */
static struct key_state *key_now(const struct call *c, uint32_t key)
{
    struct key_state *k = key_of(c, key);
    if (unlikely(c->job->transaction))
        call_key_look(c->job, k);
    return k;
}

const struct entry *call_entry(struct call *c, uint32_t key)
{
    return key_now(c, key)->live;
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
    return shard_value_max(c->job->s);
}

void *call_alloc(struct call *c, size_t bytes)
{
    return call_memory_take(&c->job->s->call, bytes);
}

uint64_t call_random(struct call *c)
{
    return prng_next(&c->job->s->call.prng);
}

/* --- changing --------------------------------------------------------------------------------- */

static struct effect *effect_add(const struct call *c, const struct key_state *k,
                                 enum effect_kind kind)
{
    struct effect *e = call_effect_new(&c->job->s->call);
    *e = (struct effect){
        .kind = kind, .cache = cache_number(k->cache->id), .key = k->key, .hash = k->hash};
    return e;
}

/* What a put needs beyond what it replaces; one that is no larger than that needs nothing. */
static void put_need(struct call_memory *m, const struct key_state *k, const struct effect *e)
{
    size_t old = k->stored ? entry_bytes(k->stored) : 0;
    size_t bytes = sizeof(struct entry) + e->key.len + e->value.len;
    if (likely(bytes <= old && !e->affinity.len && !e->deadline && !e->type))
        return;
    struct entry_parts parts = {.key = e->key,
                                .affinity = e->affinity,
                                .value = e->value,
                                .type = e->type,
                                .deadline = e->deadline};
    size_t size = entry_parts_size(&parts);
    m->need += size > old ? size - old : 0;
}

static bool leads_here(const struct job *j, struct slice key)
{
    return slot_partition(hash_slot(key), j->context->info->partitions) == j->op->partition;
}

/* What a key that is there was placed by stays; a new one is placed as the op was. */
static struct slice affinity_of(const struct job *j, const struct key_state *k)
{
    if (k->live)
        return entry_affinity(k->live);
    struct slice a = j->op->affinity;
    if (unlikely(j->op->finds_keys) && !a.len && !leads_here(j, k->key))
        a = j->op->key;
    return likely(!a.len) || slice_eq(a, k->key) ? slice_make(NULL, 0) : a;
}

void call_put(struct call *c, uint32_t key, enum value_type type, struct slice stored,
              msec_t deadline)
{
    const struct key_state *k = key_now(c, key);
    if (unlikely(deadline && deadline <= c->now)) {
        if (k->live)
            effect_add(c, k, EFFECT_REMOVE);
        return;
    }
    struct effect *e = effect_add(c, k, EFFECT_PUT);
    e->created = !k->stored;
    e->type = (uint8_t)type;
    e->value = stored;
    e->deadline = deadline;
    e->affinity = affinity_of(c->job, k);
    put_need(&c->job->s->call, k, e);
}

void call_edit(struct call *c, uint32_t key, struct slice edits)
{
    const struct key_state *k = key_now(c, key);
    CHECK(k->live && edits.len);
    struct effect *e = effect_add(c, k, EFFECT_EDIT);
    e->type = (uint8_t)entry_type(k->live);
    e->value = edits;
    if (edits.data[0] != EDIT_REMOVE)
        c->job->s->call.need += edits.len + FIELD_BYTES;
}

void call_expire(struct call *c, uint32_t key, msec_t deadline)
{
    const struct key_state *k = key_now(c, key);
    CHECK(k->live);
    if (deadline && deadline <= c->now) {
        effect_add(c, k, EFFECT_REMOVE);
        return;
    }
    effect_add(c, k, EFFECT_DEADLINE)->deadline = deadline;
    if (deadline && !entry_deadline(k->live))
        c->job->s->call.need += ENTRY_DEADLINE_BYTES;
}

void call_remove(struct call *c, uint32_t key)
{
    const struct key_state *k = key_now(c, key);
    CHECK(k->live);
    effect_add(c, k, EFFECT_REMOVE);
}

/* --- keys ------------------------------------------------------------------------------------- */

enum grid_err call_key_name(struct key_state *k, const struct job *j, struct slice key,
                            uint64_t hash)
{
    *k = (struct key_state){.op = j->op, .key = key, .cache = j->cache, .hash = hash};
    if (unlikely(key.len == 0))
        return GRID_EBAD_REQUEST;
    return unlikely(key.len > KEY_BYTES_MAX) ? GRID_ETOO_LARGE : GRID_OK;
}

static void keys_fetch(const struct content *content, const struct key_state *keys, uint32_t len,
                       bool changes)
{
    uint64_t left = UINT64_MAX >> (KEYS_AHEAD - len); /* a bit for each that asks for more */
    for (int stage = 0; stage < CONTENT_STAGES; stage++) {
        for (uint64_t m = left; m; m &= m - 1) {
            unsigned i = (unsigned)__builtin_ctzll(m);
            if (!content_prefetch(content, keys[i].hash, NULL, changes, stage))
                left &= ~(UINT64_C(1) << i);
        }
    }
}

static enum grid_err keys_name(struct job *j)
{
    const struct op *op = j->op;
    const struct content *content = j->partition->content;
    if (likely(op->keys_len <= 1)) {
        j->keys = &j->key;
        j->keys_len = 1;
        return call_key_name(&j->key, j, op->key, job_hash(j));
    }
    j->keys = scratch_keys(j->s, op->keys_len);
    j->keys_len = op->keys_len;
    for (uint32_t i = 0; i < op->keys_len; i++) {
        uint64_t hash = content_hash(content, cache_number(op->cache), op->keys[i]);
        enum grid_err err = call_key_name(&j->keys[i], j, op->keys[i], hash);
        if (err)
            return err;
    }
    for (uint32_t i = 0; i < op->keys_len; i += KEYS_AHEAD)
        keys_fetch(content, j->keys + i,
                   op->keys_len - i < KEYS_AHEAD ? op->keys_len - i : (uint32_t)KEYS_AHEAD,
                   !op->reads_only);
    return GRID_OK;
}

bool call_look(struct job *j)
{
    bool complete = content_complete(j->partition->content);
    uint32_t missing = 0, live = 0;
    j->depends = 0;
    for (uint32_t i = 0; i < j->keys_len; i++) {
        struct key_state *k = &j->keys[i];
        call_key_look(j, k);
        k->missing = !k->seen && !complete && !job_absent(j, i);
        missing += k->missing;
        live += k->live != NULL;
    }
    if (unlikely(missing)) {
        job_park_keys(j);
        return false;
    }
    if (j->op->reads_only) {
        j->s->stats.hits += live;
        j->s->stats.misses += j->keys_len - live;
    }
    return true;
}

/* --- running ---------------------------------------------------------------------------------- */

void call_procedure(struct call *c, procedure_fn *procedure)
{
    c->raw->len = 0;
    c->reply = (struct reply){.kind = REPLY_NONE};
    procedure(c);
    CHECK(c->reply.kind != REPLY_NONE);
    if (c->reply.kind == REPLY_RAW)
        c->reply.bytes = buf_slice(c->raw);
}

/* The entry that the reply's bytes lie in: it can be kept instead of them. A map is changed in
 * place, so what lies in one is copied. */
static const struct entry *reply_entry(const struct job *j, const struct reply *r)
{
    if (r->kind != REPLY_BULK || !r->bytes.len)
        return NULL;
    for (uint32_t i = 0; i < j->keys_len && i < ENTRIES_TRIED; i++) {
        const struct entry *e = j->keys[i].live;
        if (!e || entry_is_map(e))
            continue;
        struct slice v = entry_value(e);
        if (r->bytes.data >= v.data && r->bytes.data < v.data + v.len)
            return e;
    }
    return NULL;
}

/* What is told; a task that failed has a status. */
static struct answer answer_of(const struct call *c)
{
    const struct reply *r = &c->reply;
    if (unlikely(c->job->op->finds_keys) && r->kind == REPLY_ERROR)
        return (struct answer){.status = (enum grid_err)r->number, .bytes = r->bytes};
    return (struct answer){.number = r->number, .reply = r->kind, .bytes = r->bytes};
}

void call_answer(struct job *j, const struct call *c)
{
    struct answer a = answer_of(c);
    struct result res = {
        .status = a.status, .reply = a.reply, .number = a.number, .value = a.bytes};
    if (likely(!replica_pending(&j->partition->replica, j->depends)))
        job_reply(j, &res);
    else
        job_reply_at(j, j->depends, &res, reply_entry(j, &c->reply));
}

static void changes_record(struct job *j, const struct call *c)
{
    struct call_memory *m = &j->s->call;
    struct record rec = {.time_ms = j->now, .effects = m->effects, .effects_len = m->effects_len};
    struct answer a = answer_of(c);
    if (unlikely(j->op->has_session))
        session_store(j->op, &a, &rec);
    if (a.bytes.len && a.reply != REPLY_RAW) /* it may lie in what is replaced now */
        a.bytes = call_memory_keep(m, a.bytes);
    enum grid_err err = GRID_ETOO_LARGE;
    if (likely(rec.effects_len <= RECORD_EFFECTS_MAX &&
               (rec.effects_len <= 1 || record_size_max(&rec) <= CALL_RECORD_BYTES_MAX)))
        err = record_make(j->s, j->partition, &rec, &j->op->ticket, &a);
    if (err)
        job_fail(j, err);
}

/* It cannot go on: something has to be fetched first, or it refused. */
static bool halted(struct job *j)
{
    if (likely(!j->wanted && !j->range_cache && !j->refused))
        return false;
    if (j->wanted)
        call_fetch_wanted(j);
    else if (j->range_cache)
        call_fetch_range(j);
    else
        job_fail(j, j->refused);
    return true;
}

/* Bytes that an answer takes that is kept. */
static size_t answer_need(const struct job *j, const struct call *c)
{
    return j->op->finds_keys && j->op->has_session ? c->reply.bytes.len : 0;
}

static void single_run(struct job *j, struct call *c)
{
    struct call_memory *m = &j->s->call;
    bool finds = j->op->finds_keys;
    /* What comes from the cold store evicts nothing: it could be what it waited for. */
    for (bool again = !job_was_cold(j);; again = false) {
        if (!call_look(j))
            return;
        m->effects_len = m->need = 0;
        if (unlikely(finds))
            call_find_begin(c);
        call_procedure(c, j->op->procedure);
        if (unlikely(finds) && halted(j))
            return;
        if (!m->effects_len && !call_recorded(j->op)) {
            call_answer(j, c);
            return;
        }
        size_t need = m->need + answer_need(j, c);
        enum room room = memory_room(j->s, j->partition, need, again);
        if (room == ROOM_FULL) {
            job_fail(j, GRID_EFULL);
            return;
        }
        if (room == ROOM_THERE)
            break;
    }
    call_effects_once(m, 0);
    changes_record(j, c);
}

void call_run(struct job *j)
{
    const struct op *op = j->op;
    struct call_memory *m = &j->s->call;
    if (unlikely(op->aside)) {
        aside_run(j);
        return;
    }
    if (unlikely(op->has_session) && session_answered(j))
        return;
    if (unlikely(j->parked && j->parked->page) && !call_range_take(j))
        return;
    enum grid_err err = keys_name(j);
    if (unlikely(err)) {
        job_fail(j, err);
        return;
    }
    struct call c = {.now = j->now,
                     .flags = op->flags,
                     .args = op->args,
                     .args_len = op->steps_len ? op->steps[0].args_at : op->args_len,
                     .keys_len = j->keys_len,
                     .keys = j->keys,
                     .raw = &m->raw,
                     .job = j};
    if (unlikely(op->steps_len || op->makes_steps))
        transaction_run(j, &c);
    else
        single_run(j, &c);
    call_memory_reset(m);
}
