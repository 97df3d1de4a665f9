/* answer.c - what is held against the node: a record is judged when it is made, an answer when it
 * is told. */
#include "tests/sim/world.h"

/* --- records ---------------------------------------------------------------------------------- */

static void version_grows(struct world *w, unsigned context, unsigned partition, uint64_t version)
{
    uint64_t *highest = &w->model.version[context][partition];
    if (version <= *highest)
        world_fail(w, "version %llx after %llx", (unsigned long long)version,
                   (unsigned long long)*highest);
    *highest = version;
}

static void outcome_apply(struct world *w, const struct request *r, const struct outcome *o,
                          uint64_t version, uint64_t lsn)
{
    unsigned shard = key_partition(r->keys[0]) % w->mix.shards;
    struct applied a = {r->context, shard,   r->client, r->number,
                        lsn,        version, o->status, o->result};
    model_add(&w->model, &a);
    for (unsigned i = 0; !o->status && i < r->keys_len; i++) {
        struct state s = o->states[i];
        s.step = w->step;
        s.lsn = lsn;
        s.version = version;
        model_set(&w->model, r->context, r->keys[i], &s);
    }
}

static void effect_agrees(struct world *w, const struct request *r, unsigned i,
                          const struct state *want, const struct effect *e)
{
    bool put = e->kind == EFFECT_PUT, deadline = e->kind == EFFECT_DEADLINE;
    bool there = model_state(&w->model, r->context, r->keys[i])->there;
    if (key_parse(e->key) != r->keys[i] || e->cache != cache_number(w->caches[r->context]) ||
        (put || deadline) != want->there || (deadline && want->type != VALUE_HASH))
        world_fail(w, "key %u: the record does something else", r->keys[i]);
    else if (put && (value_shown(e->type, e->value) != want->value))
        world_fail(w, "key %u: the record holds another value", r->keys[i]);
    else if (want->there && e->deadline != want->deadline)
        world_fail(w, "key %u: the record holds another deadline", r->keys[i]);
    else if (put && e->created == there)
        world_fail(w, "key %u: created is %d", r->keys[i], e->created);
}

static void record_expiry(struct world *w, unsigned context, const struct record *r, uint64_t lsn)
{
    for (size_t i = 0; i < r->effects_len; i++) {
        const struct effect *e = &r->effects[i];
        w->tally.sessions_ended += e->kind == EFFECT_SESSION_END;
        if (e->kind == EFFECT_SESSION_END || e->cache != cache_number(w->caches[context]))
            continue; /* of a dropped cache: nobody is told */
        unsigned key = key_parse(e->key);
        const struct state *s = model_state(&w->model, context, key);
        if (e->kind != EFFECT_EXPIRE || !s->there || !s->deadline || s->deadline > w->now)
            world_fail(w, "key %u: removed before its time", key);
        struct state gone = {.step = w->step, .lsn = lsn, .version = r->version};
        model_set(&w->model, context, key, &gone);
    }
}

void client_record(struct world *w, const struct record *r, uint64_t lsn)
{
    unsigned context = context_of(w, r->context);
    if (context == SIM_CONTEXTS) {
        world_fail(w, "a record of a dropped context");
        return;
    }
    version_grows(w, context, r->partition, r->version);
    if (!r->has_session) {
        bool own = !r->effects_len || r->effects[0].kind == EFFECT_EXPIRE ||
                   r->effects[0].kind == EFFECT_SESSION_END;
        (own ? record_expiry : call_record)(w, context, r, lsn);
        return;
    }
    const struct client *c = &w->clients[(unsigned)r->session.id.bytes[0] - 1];
    const struct request *q = NULL;
    for (unsigned i = 0; i < SIM_WINDOW; i++)
        if (c->window[i].open && c->window[i].number == r->session.number)
            q = &c->window[i];
    if (!q || q->context != context || model_applied(&w->model, q)) {
        world_fail(w, "request %llu is done twice", (unsigned long long)r->session.number);
        return;
    }
    struct outcome o = model_evaluate(&w->model, q, w->now);
    size_t effects = o.status ? 0 : q->keys_len;
    if (o.status != r->session.status || r->effects_len != effects) {
        world_fail(w, "%s ends with %s, should with %s", op_text(q->kind),
                   err_name(r->session.status), err_name(o.status));
        return;
    }
    for (unsigned i = 0; i < effects; i++)
        effect_agrees(w, q, i, &o.states[i], &r->effects[i]);
    outcome_apply(w, q, &o, r->version, lsn);
}

/* --- answers ---------------------------------------------------------------------------------- */

static bool not_done(enum grid_err err)
{
    return err == GRID_EFULL || err == GRID_EBUSY;
}

static void write_settle(struct world *w, struct request *r, const struct result *res)
{
    if (r->context == SIM_MEMORY && !res->repeated) {
        struct outcome o = model_evaluate(&w->model, r, w->now);
        outcome_apply(w, r, &o, model_applied(&w->model, r) ? 0 : res->version, 0);
    }
    const struct applied *a = model_applied(&w->model, r);
    if (!a) {
        world_fail(w, "%s answered %s, never done", op_text(r->kind), err_name(res->status));
        return;
    }
    struct node_shard *n = node_of_key(w, r->keys[0]);
    if (r->context == SIM_SYNC && a->lsn > n->durable)
        world_fail(w, "answered before it is durable (R4)");
    if (r->context == SIM_SYNC && a->lsn > n->acked)
        n->acked = a->lsn;
    if (a->status != res->status || (!res->status && a->result != res->number))
        world_fail(w, "%s: told %s %lld, was %s %lld", op_text(r->kind), err_name(res->status),
                   (long long)res->number, err_name(a->status), (long long)a->result);
    if (!res->status && a->version != res->version)
        world_fail(w, "%s: told another version than the record's", op_text(r->kind));
    if (r->kind == OP_INCR && !res->status && r->context == SIM_SYNC)
        w->model.acked[r->keys[0]] += r->delta;
    w->tally.repeated += res->repeated;
    w->tally.refused += res->status == GRID_ECONDITION;
    w->tally.batches += r->kind == OP_BATCH;
    r->open = false;
}

static void write_reply(struct world *w, const struct delivery *d, const struct result *res)
{
    struct request *r = &w->clients[d->client].window[d->slot];
    if (!r->open || r->number != d->number)
        return; /* answered by another delivery */
    bool damaged = w->model.damaged[r->context][key_partition(r->keys[0])];
    if (w->flipped && (res->status == GRID_EDAMAGED || damaged)) {
        r->open = false;
        return;
    }
    if (not_done(res->status)) {
        if (r->context == SIM_MEMORY)
            r->open = false; /* its limit may stay reached */
        return;
    }
    if (res->status == GRID_ESTALE && w->now - r->since > SIM_SESSION_TTL / 2) {
        r->open = false; /* in doubt */
        return;
    }
    write_settle(w, r, res);
}

static void get_reply(struct world *w, const struct delivery *d, const struct result *res)
{
    if (res->status == GRID_EBUSY || (w->flipped && res->status == GRID_EDAMAGED))
        return;
    if (res->status && res->status != GRID_ENOT_FOUND) {
        world_fail(w, "get answers %s", err_name(res->status));
        return;
    }
    struct state seen = {.there = !res->status};
    if (seen.there) {
        seen.version = res->version;
        seen.deadline = res->deadline;
        seen.value = value_shown(res->type, res->value);
        seen.unknown = d->keys_only && !res->value.len;
    }
    if (!model_may_see(&w->model, d->context, d->key, d->step, d->since, w->now,
                       node_of_key(w, d->key)->durable, &seen))
        world_fail(w, "context %u key %u: a read gives %s, version %llx, which it never was",
                   d->context, d->key, seen.there ? "a value" : "nothing",
                   (unsigned long long)seen.version);
}

static void reply_count(struct world *w, const struct delivery *d, const struct result *res)
{
    w->tally.writes += d->write;
    w->tally.reads += d->kind == OP_GET;
    w->tally.looks += d->keys_only;
    w->tally.told_full += res->status == GRID_EFULL;
    w->tally.told_stale += res->status == GRID_ESTALE;
    w->tally.told_damaged += res->status == GRID_EDAMAGED;
}

void client_reply(struct world *w, const struct ticket *to, const struct result *res)
{
    struct delivery *d = &w->deliveries[to->number];
    if (!d->waiting) {
        world_fail(w, "answered twice");
        return;
    }
    d->waiting = false;
    d->status = res->status;
    d->counted = res->number;
    if (d->generation != w->generations[d->context])
        return; /* the cache was dropped meanwhile: any answer will do */
    if (d->write)
        write_reply(w, d, res);
    else if (d->kind == OP_GET)
        get_reply(w, d, res);
    else if (d->kind == OP_CALL)
        call_reply(w, &w->calls[d->slot], res);
    else if (d->kind == OP_SCAN)
        scan_reply(w, &w->scans[d->slot], d, res);
    reply_count(w, d, res);
}
