/* client.c - the clients, and what they hold the node to. A write is sent again until it is
 * answered, with the same number (R13); what it did is judged when its record is made, what is
 * told when the answer comes. */
#include "tests/sim/world.h"

#include "base/alloc.h"

#include <stdlib.h>

static struct session_id session_of(unsigned client)
{
    struct session_id id;
    memset(id.bytes, (int)client + 1, sizeof id.bytes);
    return id;
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct delivery *delivery_add(struct world *w, struct op *op)
{
    if (w->deliveries_len % 256 == 0)
        w->deliveries = xrealloc(w->deliveries, w->deliveries_len + 256, sizeof *w->deliveries);
    struct delivery *d = &w->deliveries[w->deliveries_len];
    *d = (struct delivery){.waiting = true, .kind = op->kind, .step = w->step, .since = w->now};
    op->ticket.number = w->deliveries_len++;
    return d;
}

static void op_send(struct world *w, struct op *op)
{
    struct node_shard *n = &w->shards[op->partition % w->mix.shards];
    shard_submit_all(n->shard, &op, 1, w->now);
}

static uint64_t lowest_of(const struct client *c)
{
    uint64_t lowest = c->next;
    for (unsigned i = 0; i < SIM_WINDOW; i++)
        if (c->window[i].open && c->window[i].number < lowest)
            lowest = c->window[i].number;
    return lowest;
}

static void request_send(struct world *w, struct client *c, unsigned slot)
{
    static uint8_t values[SIM_BATCH][SIM_VALUE_MAX];
    const struct request *r = &c->window[slot];
    char keys[SIM_BATCH][32];
    struct op ops[SIM_BATCH];
    for (unsigned i = 0; i < r->keys_len; i++) {
        ops[i] = (struct op){.kind = r->kinds[i],
                             .condition = r->condition,
                             .ttl = r->ttl,
                             .ttl_ms = r->ttl_ms,
                             .version = r->version,
                             .delta = r->delta,
                             .cache = w->caches[r->context],
                             .partition = (uint16_t)key_partition(r->keys[0]),
                             .key = key_text(r->keys[i], keys[i]),
                             .value = request_value(r, i, values[i])};
    }
    struct op op = ops[0];
    if (r->kind == OP_BATCH)
        op = (struct op){.kind = OP_BATCH,
                         .cache = op.cache,
                         .partition = op.partition,
                         .batch = ops,
                         .batch_len = r->keys_len};
    op.has_session = true;
    op.session = (struct record_session){
        .id = session_of(r->client), .number = r->number, .lowest = lowest_of(c)};
    struct delivery *d = delivery_add(w, &op);
    d->write = true;
    d->client = r->client;
    d->slot = slot;
    d->number = r->number;
    d->context = r->context;
    op_send(w, &op);
}

static void request_draw(struct world *w, struct client *c, struct request *r)
{
    static const enum op_kind kinds[] = {OP_PUT, OP_PUT, OP_PUT, OP_DELETE, OP_EXPIRE, OP_BATCH};
    unsigned key = (unsigned)below(w, w->mix.keys);
    *r = (struct request){.open = true,
                          .context = (unsigned)below(w, SIM_CONTEXTS),
                          .client = (unsigned)(c - w->clients),
                          .number = c->next++,
                          .keys_len = 1,
                          .value_seed = prng_next(&w->prng),
                          .value_len = 30 + below(w, w->mix.value_max),
                          .delta = 1 + (int64_t)below(w, 9),
                          .step = w->step};
    r->kind = is_counter(key) ? OP_INCR : kinds[below(w, 6)];
    r->keys_len = r->kind == OP_BATCH ? SIM_BATCH : 1;
    for (unsigned i = 0; i < r->keys_len; i++) {
        r->keys[i] = key;
        r->kinds[i] = r->kind == OP_BATCH ? kinds[below(w, 4)] : r->kind;
        if (is_counter(key))
            r->kinds[i] = OP_INCR;
        key = (key + SIM_PARTITIONS) % SIM_KEYS;
    }
    if (r->kind == OP_INCR)
        return;
    if (r->kind != OP_BATCH && chance(w, 25))
        r->condition = (enum op_condition)(1 + below(w, 3));
    r->version = model_state(&w->model, r->context, r->keys[0])->version;
    if (r->kind != OP_BATCH && chance(w, w->mix.ttl_percent)) {
        r->ttl = TTL_SET;
        r->ttl_ms = 1 + below(w, 400);
    }
}

/* A new request, or an open one once more. */
void client_write(struct world *w)
{
    struct client *c = &w->clients[below(w, SIM_CLIENTS)];
    unsigned slot = (unsigned)below(w, SIM_WINDOW);
    struct request *r = &c->window[slot];
    bool waits = false;
    for (size_t i = 0; r->open && i < w->deliveries_len && !waits; i++)
        waits = w->deliveries[i].waiting && w->deliveries[i].write &&
                w->deliveries[i].client == r->client && w->deliveries[i].number == r->number;
    if (waits && !chance(w, w->mix.repeat_percent))
        return;
    if (!r->open && w->calm)
        return;
    if (!r->open)
        request_draw(w, c, r);
    request_send(w, c, slot);
}

static void read_send(struct world *w, unsigned context, unsigned key)
{
    char text[32];
    struct op op = {.kind = OP_GET,
                    .cache = w->caches[context],
                    .partition = (uint16_t)key_partition(key),
                    .key = key_text(key, text)};
    struct delivery *d = delivery_add(w, &op);
    d->context = context;
    d->key = key;
    op_send(w, &op);
}

void client_read(struct world *w)
{
    if (w->calm)
        return;
    read_send(w, (unsigned)below(w, SIM_CONTEXTS), (unsigned)below(w, w->mix.keys));
}

/* --- records ---------------------------------------------------------------------------------- */

static unsigned context_of(const struct world *w, uint32_t id)
{
    unsigned c = 0;
    while (c < SIM_CONTEXTS && cache_context(w->caches[c]) != id)
        c++;
    return c;
}

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
    bool put = e->kind == EFFECT_PUT;
    bool there = model_state(&w->model, r->context, r->keys[i])->there;
    if (key_parse(e->key) != r->keys[i] || put != want->there)
        world_fail(w, "key %u: the record does something else", r->keys[i]);
    else if (put && (value_hash(e->value) != want->value || e->deadline != want->deadline))
        world_fail(w, "key %u: the record holds another value or deadline", r->keys[i]);
    else if (put && e->created == there)
        world_fail(w, "key %u: created is %d", r->keys[i], e->created);
}

static void record_expiry(struct world *w, unsigned context, const struct record *r, uint64_t lsn)
{
    for (size_t i = 0; i < r->effects_len; i++) {
        const struct effect *e = &r->effects[i];
        if (e->kind == EFFECT_SESSION_END)
            continue;
        unsigned key = key_parse(e->key);
        const struct state *s = model_state(&w->model, context, key);
        if (e->kind != EFFECT_EXPIRE || !s->there || !s->deadline || s->deadline > w->now)
            world_fail(w, "key %u: removed before its time", key);
        struct state gone = {.step = w->step, .lsn = lsn, .version = r->version};
        model_set(&w->model, context, key, &gone);
    }
}

void client_record(struct world *w, struct node_shard *n, const struct record *r, uint64_t lsn)
{
    (void)n;
    unsigned context = context_of(w, r->context);
    version_grows(w, context, r->partition, r->version);
    if (!r->has_session) {
        record_expiry(w, context, r, lsn);
        return;
    }
    const struct client *c = &w->clients[(unsigned)r->session.id.bytes[0] - 1];
    const struct request *q = NULL;
    for (unsigned i = 0; i < SIM_WINDOW; i++)
        if (c->window[i].open && c->window[i].number == r->session.number)
            q = &c->window[i];
    if (!q || model_applied(&w->model, q)) {
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
    w->repeats += res->repeated;
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
        seen.value = value_hash(res->value);
    }
    if (!model_may_see(&w->model, d->context, d->key, d->step, d->since, w->now,
                       node_of_key(w, d->key)->durable, &seen))
        world_fail(w, "context %u key %u: a read gives %s, version %llx, which it never was",
                   d->context, d->key, seen.there ? "a value" : "nothing",
                   (unsigned long long)seen.version);
}

void client_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    struct world *w = ctx;
    struct delivery *d = &w->deliveries[to->number];
    if (!d->waiting) {
        world_fail(w, "answered twice");
        return;
    }
    d->waiting = false;
    d->status = res->status;
    d->counted = res->number;
    if (d->write)
        write_reply(w, d, res);
    else if (d->kind == OP_GET)
        get_reply(w, d, res);
    w->writes += d->write;
    w->reads += !d->write;
}

void client_crashed(struct world *w)
{
    for (size_t i = 0; i < w->deliveries_len; i++)
        w->deliveries[i].waiting = false;
}

bool client_busy(const struct world *w)
{
    for (unsigned i = 0; i < SIM_CLIENTS; i++)
        for (unsigned k = 0; k < SIM_WINDOW; k++)
            if (w->clients[i].window[k].open)
                return true;
    for (size_t i = 0; i < w->deliveries_len; i++)
        if (w->deliveries[i].waiting)
            return true;
    return false;
}

/* --- at the end ------------------------------------------------------------------------------- */

static void quiet(struct world *w)
{
    for (unsigned rounds = 0; rounds < 2000 && !w->failed; rounds++)
        for (unsigned i = 0; i < w->mix.shards; i++) {
            node_cold(w, &w->shards[i]);
            node_log(w, &w->shards[i]);
        }
}

static void count_agrees(struct world *w, unsigned context, unsigned partition)
{
    struct op op = {
        .kind = OP_COUNT, .cache = w->caches[context], .partition = (uint16_t)partition};
    int64_t want = 0;
    for (unsigned k = partition; k < SIM_KEYS; k += SIM_PARTITIONS) {
        const struct state *s = model_state(&w->model, context, k);
        bool expired = s->deadline && s->deadline <= w->now;
        want += s->there && !(context == SIM_MEMORY && expired); /* R14: until its record */
    }
    size_t at = (size_t)(delivery_add(w, &op) - w->deliveries);
    op_send(w, &op);
    const struct delivery *d = &w->deliveries[at];
    if (!(w->flipped && d->status == GRID_EDAMAGED) && d->counted != want)
        world_fail(w, "context %u partition %u: count is %lld, should be %lld", context, partition,
                   (long long)d->counted, (long long)want);
}

void client_agree(struct world *w)
{
    for (unsigned i = 0; i < w->mix.shards; i++)
        for (unsigned k = 0; k < 100; k++)
            shard_tick(w->shards[i].shard, w->now);
    w->step++;
    for (unsigned c = 0; c < SIM_CONTEXTS && !w->failed; c++) {
        for (unsigned k = 0; k < SIM_KEYS && !w->failed; k++)
            read_send(w, c, k);
        quiet(w);
        for (unsigned p = 0; p < SIM_PARTITIONS && !w->failed; p++)
            count_agrees(w, c, p);
    }
    if (client_busy(w) && !w->failed)
        world_fail(w, "reads are not answered though all is quiet");
    for (unsigned k = 0; k < SIM_COUNTERS && !w->flipped && !w->failed; k++)
        if (w->model.acked[k] > model_state(&w->model, SIM_SYNC, k)->number)
            world_fail(w, "counter %u lost an increment", k);
}
