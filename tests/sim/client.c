/* client.c - the clients: a write is sent again until it is answered, with the same number
 * (R13). */
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

struct delivery *delivery_add(struct world *w, struct op *op, unsigned context)
{
    if (w->deliveries_len % 256 == 0)
        w->deliveries = xrealloc(w->deliveries, w->deliveries_len + 256, sizeof *w->deliveries);
    struct delivery *d = &w->deliveries[w->deliveries_len];
    *d = (struct delivery){.waiting = true,
                           .kind = op->kind,
                           .context = context,
                           .generation = w->generations[context],
                           .step = w->step,
                           .since = w->now};
    op->ticket.number = w->deliveries_len++;
    return d;
}

void op_send(struct world *w, struct op *op)
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
    op.age_ms = w->now - r->since;
    struct delivery *d = delivery_add(w, &op, r->context);
    d->write = true;
    d->client = r->client;
    d->slot = slot;
    d->number = r->number;
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
                          .since = w->now};
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

void read_send(struct world *w, unsigned context, unsigned key, bool keys_only)
{
    char text[32];
    struct op op = {.kind = OP_GET,
                    .keys_only = keys_only,
                    .cache = w->caches[context],
                    .partition = (uint16_t)key_partition(key),
                    .key = key_text(key, text)};
    struct delivery *d = delivery_add(w, &op, context);
    d->key = key;
    d->keys_only = keys_only;
    op_send(w, &op);
}

void client_read(struct world *w)
{
    if (w->calm)
        return;
    unsigned context = (unsigned)below(w, SIM_CONTEXTS);
    unsigned key = (unsigned)below(w, w->mix.keys);
    if (context != SIM_MEMORY && chance(w, 10))
        count_agrees(w, context, key_partition(key));
    else
        read_send(w, context, key, chance(w, 20));
}

/* --- the end of waiting ----------------------------------------------------------------------- */

void client_crashed(struct world *w)
{
    for (size_t i = 0; i < w->deliveries_len; i++)
        w->deliveries[i].waiting = false;
    scan_crashed(w);
}

void client_dropped(struct world *w, unsigned context)
{
    for (unsigned i = 0; i < SIM_CLIENTS; i++)
        for (unsigned k = 0; k < SIM_WINDOW; k++)
            if (w->clients[i].window[k].context == context)
                w->clients[i].window[k].open = false;
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
    for (unsigned i = 0; i < SIM_SCANS; i++)
        if (w->scans[i].open)
            return true;
    return false;
}
