/* call.c - calls: procedures of the node's side, sent once, alone or as the steps of a
 * transaction. A record without a session that is not the shard's own is held against what the
 * call that just ran must lead to. */
#include "tests/sim/world.h"

#include "base/alloc.h"
#include "shard/call.h"

#include <stdio.h>
#include <stdlib.h>

struct named { /* the argument of a procedure */
    struct world *world;
    size_t call;
    unsigned step;
};

static struct named named_of(const struct call *c)
{
    struct named n;
    CHECK(c->args_len == 1 && c->args[0].len == sizeof n);
    memcpy(&n, c->args[0].data, sizeof n);
    return n;
}

/* --- procedures ------------------------------------------------------------------------------- */

static struct slice kept(struct call *c, struct slice s)
{
    uint8_t *to = call_alloc(c, s.len);
    if (s.len)
        memcpy(to, s.data, s.len);
    return slice_make(to, s.len);
}

static int64_t do_set(struct call *c, const struct call_step *p)
{
    uint8_t value[SIM_FIELD_MAX];
    bool was = call_entry(c, 0);
    call_put(c, 0, VALUE_BYTES, kept(c, field_value(p->seed, value)), p->deadline);
    return was;
}

static int64_t do_count(struct call *c, const struct call_step *p)
{
    char text[32] = "";
    const struct entry *e = call_entry(c, 0);
    struct slice old = e ? entry_string(e) : slice_make(NULL, 0);
    if (old.len)
        memcpy(text, old.data, old.len < sizeof text ? old.len : sizeof text - 1);
    long long number = strtoll(text, NULL, 10) + p->delta;
    snprintf(text, sizeof text, "%lld", number);
    call_put(c, 0, VALUE_BYTES, kept(c, slice_str(text)), e ? entry_deadline(e) : 0);
    return number;
}

static int64_t do_move(struct call *c, const struct call_step *p)
{
    const struct entry *e = call_entry(c, 0);
    (void)p;
    if (!e)
        return 0;
    struct slice value = entry_value(e);
    if (entry_is_map(e)) {
        fields_store(entry_fields(e), c->raw);
        value = kept(c, buf_slice(c->raw));
    }
    call_put(c, 1, entry_type(e), value, entry_deadline(e));
    call_remove(c, 0);
    return 1;
}

static int64_t do_remove(struct call *c, const struct call_step *p)
{
    (void)p;
    if (!call_entry(c, 0))
        return 0;
    call_remove(c, 0);
    return 1;
}

static int64_t do_expire(struct call *c, const struct call_step *p)
{
    if (!call_entry(c, 0))
        return 0;
    call_expire(c, 0, p->deadline);
    return 1;
}

static int64_t do_field(struct call *c, const struct call_step *p)
{
    char name[8];
    uint8_t bytes[SIM_FIELD_MAX];
    struct slice field = field_text(p->field, name), value = field_value(p->seed, bytes), old;
    const struct entry *e = call_entry(c, 0);
    if (e && entry_type(e) != VALUE_HASH)
        return -1;
    if (!e) {
        fields_pack(c->raw, field, value);
        call_put(c, 0, VALUE_HASH, kept(c, buf_slice(c->raw)), 0);
        return 1;
    }
    struct world *w = named_of(c).world;
    w->tally.edits++;
    w->tally.maps += entry_is_map(e);
    fields_edit_set(c->raw, field, value);
    call_edit(c, 0, kept(c, buf_slice(c->raw)));
    return !fields_get(entry_fields(e), field, &old);
}

static int64_t do_drop(struct call *c, const struct call_step *p)
{
    char name[8];
    struct slice field = field_text(p->field, name), old;
    const struct entry *e = call_entry(c, 0);
    if (!e)
        return 0;
    if (entry_type(e) != VALUE_HASH)
        return -1;
    if (!fields_get(entry_fields(e), field, &old))
        return 0;
    if (fields_len(entry_fields(e)) == 1) {
        call_remove(c, 0);
        return 1;
    }
    fields_edit_remove(c->raw, field);
    call_edit(c, 0, kept(c, buf_slice(c->raw)));
    return 1;
}

typedef int64_t do_fn(struct call *c, const struct call_step *p);

static do_fn *const procedures[] = {
    [STEP_SET] = do_set,       [STEP_COUNT] = do_count,   [STEP_MOVE] = do_move,
    [STEP_REMOVE] = do_remove, [STEP_EXPIRE] = do_expire, [STEP_FIELD] = do_field,
    [STEP_DROP] = do_drop,
};

static void step_run(struct call *c)
{
    struct named n = named_of(c);
    const struct call_step *p = &n.world->calls[n.call].steps[n.step];
    c->reply = (struct reply){.kind = REPLY_INTEGER, .number = procedures[p->kind](c, p)};
}

/* What was told, in bytes: they outlive what the call looked at. */
static void call_tell(struct call *c, struct call_sent *k, struct slice told)
{
    struct named n = named_of(c);
    c->raw->len = 0;
    buf_add(c->raw, told.data, told.len);
    c->reply = (struct reply){.kind = REPLY_RAW};
    k->ran = true;
    n.world->running = k;
    call_foresee(n.world, k);
}

static void single_run(struct call *c)
{
    char told[SIM_CALL_TEXT];
    struct named n = named_of(c);
    step_run(c);
    int len = snprintf(told, sizeof told, "%lld;", (long long)c->reply.number);
    call_tell(c, &n.world->calls[n.call], slice_make(told, (size_t)len));
}

static void transaction_run(struct call *c)
{
    char told[SIM_CALL_TEXT];
    struct named n = named_of(c);
    struct call_sent *k = &n.world->calls[n.call];
    size_t at = 0;
    for (uint32_t i = 0; i < call_steps(c); i++) {
        enum grid_err err = k->steps[i].err = call_step(c, i);
        if (err)
            at += (size_t)snprintf(told + at, sizeof told - at, "%s;", err_name(err));
        else
            at +=
                (size_t)snprintf(told + at, sizeof told - at, "%lld;", (long long)c->reply.number);
        if (err && err != GRID_EFULL)
            world_fail(n.world, "a step ends with %s", err_name(err));
        n.world->tally.call_full += err == GRID_EFULL;
        n.world->tally.call_steps++;
    }
    CHECK(at < sizeof told);
    call_tell(c, k, slice_make(told, at));
}

/* --- asking ----------------------------------------------------------------------------------- */

static void step_draw(struct world *w, struct call_step *p, unsigned key)
{
    static const enum step_kind kinds[] = {STEP_SET,    STEP_MOVE,  STEP_REMOVE,
                                           STEP_EXPIRE, STEP_FIELD, STEP_FIELD,
                                           STEP_FIELD,  STEP_FIELD, STEP_DROP};
    *p = (struct call_step){.kind = is_counter(key) ? STEP_COUNT : kinds[below(w, 9)],
                            .key = key,
                            .other = key + SIM_PARTITIONS,
                            .field = (unsigned)below(w, SIM_FIELDS),
                            .seed = 1 + (uint32_t)below(w, UINT32_MAX),
                            .delta = 1 + (int64_t)below(w, 9)};
    if (p->other >= SIM_KEYS)
        p->other = key - SIM_PARTITIONS;
    if (p->kind == STEP_EXPIRE || (p->kind == STEP_SET && chance(w, 30)))
        p->deadline = chance(w, 20) ? w->now - below(w, 3) : w->now + 1 + below(w, 400);
    if (p->kind == STEP_EXPIRE && chance(w, 30))
        p->deadline = 0;
}

static struct call_sent *call_draw(struct world *w)
{
    if (w->calls_len % 256 == 0)
        w->calls = xrealloc(w->calls, w->calls_len + 256, sizeof *w->calls);
    struct call_sent *k = &w->calls[w->calls_len++];
    unsigned key = (unsigned)below(w, w->mix.keys);
    memset(k, 0, sizeof *k);
    k->context = (unsigned)below(w, SIM_CONTEXTS);
    k->len = chance(w, 40) ? 2 + (unsigned)below(w, SIM_STEPS - 1) : 1;
    w->running = NULL; /* the array may have moved */
    for (unsigned i = 0; i < k->len; i++) {
        step_draw(w, &k->steps[i], key);
        if (chance(w, 50)) /* else the same key again */
            key = (key + SIM_PARTITIONS) % SIM_KEYS;
    }
    return k;
}

void client_call(struct world *w)
{
    struct named names[SIM_STEPS + 1];
    struct slice args[SIM_STEPS + 1], keys[2 * SIM_STEPS];
    struct op_step steps[SIM_STEPS];
    char texts[2 * SIM_STEPS][32];
    if (w->calm)
        return;
    struct call_sent *k = call_draw(w);
    struct op op = {.kind = OP_CALL,
                    .cache = w->caches[k->context],
                    .partition = (uint16_t)key_partition(k->steps[0].key),
                    .procedure = k->len > 1 ? transaction_run : single_run,
                    .args = args,
                    .keys = keys,
                    .steps = steps,
                    .args_len = 1 + k->len,
                    .steps_len = k->len > 1 ? k->len : 0};
    for (unsigned i = 0; i <= k->len; i++) {
        names[i] = (struct named){w, w->calls_len - 1, i ? i - 1 : 0};
        args[i] = slice_make(&names[i], sizeof names[i]);
    }
    for (unsigned i = 0; i < k->len; i++) {
        const struct call_step *p = &k->steps[i];
        steps[i] = (struct op_step){step_run, 1 + i, 1, op.keys_len, p->kind == STEP_MOVE ? 2 : 1};
        keys[op.keys_len] = key_text(p->key, texts[op.keys_len]);
        op.keys_len++;
        if (p->kind == STEP_MOVE) {
            keys[op.keys_len] = key_text(p->other, texts[op.keys_len]);
            op.keys_len++;
        }
    }
    op.key = keys[0];
    if (!op.steps_len)
        op.args_len = 1;
    delivery_add(w, &op, k->context)->slot = (unsigned)(w->calls_len - 1);
    op_send(w, &op);
}

/* --- judging ---------------------------------------------------------------------------------- */

static const char *change_fault(const struct world *w, unsigned context,
                                const struct call_change *c, const struct effect *e)
{
    if (e->kind != c->kind || key_parse(e->key) != c->key ||
        e->cache != cache_number(w->caches[context]))
        return "something else";
    if (e->kind == EFFECT_PUT && value_shown(e->type, e->value) != c->state.value)
        return "another value";
    if (e->kind == EFFECT_EDIT && (e->type != VALUE_HASH || value_hash(e->value) != c->edits))
        return "other edits";
    if ((e->kind == EFFECT_PUT || e->kind == EFFECT_DEADLINE) && e->deadline != c->state.deadline)
        return "another deadline";
    return e->kind == EFFECT_PUT && e->created != c->created ? "not as new as it is" : NULL;
}

void call_record(struct world *w, unsigned context, const struct record *r, uint64_t lsn)
{
    struct call_sent *k = w->running;
    if (!k || k->recorded || k->context != context || r->effects_len != k->changes_len) {
        world_fail(w, "a record of %zu effects, and the call does not make it", r->effects_len);
        return;
    }
    for (unsigned i = 0; i < k->changes_len; i++) {
        const char *fault = change_fault(w, context, &k->changes[i], &r->effects[i]);
        if (fault)
            world_fail(w, "change %u of a call, key %u: %s", i, k->changes[i].key, fault);
    }
    k->recorded = true;
    k->lsn = lsn;
    k->version = r->version;
    call_apply(w, k);
}

/* It said that it was not done. */
static void call_refused(struct world *w, const struct call_sent *k, const struct result *res)
{
    bool damaged = w->flipped && res->status == GRID_EDAMAGED;
    if (!damaged && res->status != GRID_EFULL && res->status != GRID_EBUSY)
        world_fail(w, "a call answers %s", err_name(res->status));
    else if (k->recorded)
        world_fail(w, "a call answers %s, and was done", err_name(res->status));
}

static void counted(struct world *w, const struct call_sent *k)
{
    for (unsigned i = 0; i < k->len; i++)
        if (k->steps[i].kind == STEP_COUNT && !k->steps[i].err)
            w->model.acked[k->steps[i].key] += k->steps[i].delta;
}

void call_reply(struct world *w, struct call_sent *k, const struct result *res)
{
    struct node_shard *n = node_of_key(w, k->steps[0].key);
    if (res->status) {
        call_refused(w, k, res);
        return;
    }
    if (!k->ran || res->reply != REPLY_RAW || !slice_eq(res->value, slice_str(k->told)))
        world_fail(w, "a call is told %.*s, should be %s", (int)res->value.len,
                   (const char *)res->value.data, k->told);
    if (k->context == SIM_MEMORY && k->changes_len) {
        k->recorded = true;
        k->version = res->version;
        call_apply(w, k);
    }
    if (k->changes_len && (!k->recorded || k->version != res->version))
        world_fail(w, "a call is told another version than its record's");
    if (k->context == SIM_SYNC && (k->recorded ? k->lsn : k->seen) > n->durable)
        world_fail(w, "a call is answered before it, or what it saw, is durable (R4, R6)");
    if (k->context == SIM_SYNC && k->recorded) {
        n->acked = k->lsn > n->acked ? k->lsn : n->acked;
        counted(w, k);
    }
    w->tally.calls++;
    w->tally.call_idle += !k->changes_len;
}
