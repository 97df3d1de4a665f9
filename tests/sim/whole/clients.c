/* clients.c - who uses the grid: one operation at a time, said again under its number until it is
 * answered, and written down. Beside them fillers, that nobody waits for. */
#include "tests/sim/whole/world.h"

#include <stdio.h>
#include <stdlib.h>

enum { AGAIN_MS = 400, STEP_MS = 2, FILLER = CLIENTS, FILLER_KEYS = 60 };

static void key_text(unsigned key, char *text)
{
    snprintf(text, 24, "k%u", key);
}

static const struct cache_info *cache_of(const struct simshard *h, unsigned context)
{
    char path[24];
    snprintf(path, sizeof path, "w%u/c", context);
    return h->state && grid_state_founded(h->state)
               ? catalog_cache_named(h->state->catalog, slice_str(path))
               : NULL;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static void draw(struct world *w, struct client *c)
{
    struct simkey *k;
    c->context = (unsigned)below(w, w->contexts_len);
    c->key = (unsigned)below(w, KEYS);
    k = &w->contexts[c->context].keys[c->key];
    c->op = (struct history_op){.client = (uint32_t)(c - w->clients), .invoked = (int64_t)w->now};
    unsigned what = (unsigned)below(w, 100);
    if (what < 35) {
        c->op.kind = HISTORY_READ;
    } else if (k->counter || what < 50) {
        c->op.kind = HISTORY_INCR;
        c->op.by = 1;
    } else if (what < 75 || (what < 88 && !k->version)) {
        c->op.kind = HISTORY_PUT;
    } else if (what < 88) {
        c->op.kind = HISTORY_PUT_IF_VERSION;
        c->op.expected = k->version;
    } else if (what < 94) {
        c->op.kind = HISTORY_PUT_IF_ABSENT;
    } else {
        c->op.kind = HISTORY_DELETE;
    }
    if (c->op.kind != HISTORY_READ && c->op.kind != HISTORY_INCR)
        c->op.value = (w->values += 1000);
    c->local = w->mix.local && c->op.kind == HISTORY_READ && below(w, 3) == 0;
    c->number += c->op.kind != HISTORY_READ;
    c->busy = true;
    c->doubt = false;
    c->first_at = w->now;
}

static void op_fill(const struct client *c, unsigned who, struct op *op)
{
    static const enum op_kind kinds[] = {
        [HISTORY_READ] = OP_GET,           [HISTORY_PUT] = OP_PUT,
        [HISTORY_DELETE] = OP_DELETE,      [HISTORY_PUT_IF_ABSENT] = OP_PUT,
        [HISTORY_PUT_IF_VERSION] = OP_PUT, [HISTORY_INCR] = OP_INCR};
    op->kind = kinds[c->op.kind];
    op->delta = c->op.by;
    op->condition = c->op.kind == HISTORY_PUT_IF_ABSENT    ? IF_ABSENT
                    : c->op.kind == HISTORY_PUT_IF_VERSION ? IF_VERSION
                                                           : IF_ALWAYS;
    op->version = c->op.expected;
    op->local = c->local;
    if (c->op.kind == HISTORY_READ)
        return;
    op->has_session = true;
    memset(op->session.id.bytes, (int)who + 1, SESSION_ID_BYTES);
    op->session.number = op->session.lowest = c->number;
    op->age_ms = c->sent_at - c->first_at;
}

/* --- ways to the grid ------------------------------------------------------------------------- */

static struct simnode *any_node(struct world *w)
{
    struct simnode *n = &w->nodes[below(w, w->nodes_len)];
    return n->running ? n : NULL;
}

/* Where some node takes the primary to be; at times just any. */
static struct simnode *target(struct world *w, unsigned context, uint32_t partition)
{
    struct simnode *n = any_node(w);
    if (!n || below(w, 12) == 0)
        return n;
    const struct simshard *h = &n->shards[partition % w->mix.shards];
    const struct cache_info *cache = cache_of(h, context);
    if (!cache)
        return NULL;
    struct replica_member m = grid_state_primary(h->state, cache_context(cache->id), partition);
    const struct grid_node *g = grid_state_node(h->state, m.node);
    for (unsigned i = 0; g && i < w->nodes_len; i++)
        if (memcmp(w->nodes[i].info.id, g->info.id, GRID_ID_BYTES) == 0)
            return w->nodes[i].running ? &w->nodes[i] : NULL;
    return NULL;
}

static uint32_t partition_of_key(const struct world *w, unsigned context, unsigned key)
{
    return key % w->contexts[context].info.partitions;
}

static msec_t way(struct world *w)
{
    return w->now + 1 + below(w, w->mix.delay_max);
}

static void send(struct world *w, struct client *c)
{
    uint32_t partition = partition_of_key(w, c->context, c->key);
    struct simnode *n = c->local ? any_node(w) : target(w, c->context, partition);
    c->sent_at = w->now;
    c->attempt = 0;
    if (!n) {
        c->again_at = w->now + 10;
        return;
    }
    c->attempt = ++w->attempts;
    struct event *e = event_at(w, way(w), EVENT_OP, n->index, 1 + partition % w->mix.shards);
    e->client = (unsigned)(c - w->clients);
    e->number = c->attempt;
    e->sent = *c;
}

static void filler_send(struct world *w)
{
    unsigned context = (unsigned)below(w, w->contexts_len), key = (unsigned)below(w, FILLER_KEYS);
    uint32_t partition = partition_of_key(w, context, key);
    struct simnode *n = target(w, context, partition);
    if (!n)
        return;
    struct event *e = event_at(w, way(w), EVENT_OP, n->index, 1 + partition % w->mix.shards);
    e->client = FILLER;
    e->class = context;
    e->number = key;
}

static void filler_op(struct simshard *h, const struct event *e)
{
    static const uint8_t bytes[2048] = {1};
    struct world *w = h->node->w;
    const struct cache_info *cache = cache_of(h, e->class);
    char key[24];
    if (!cache)
        return;
    snprintf(key, sizeof key, "f%lu", (unsigned long)e->number);
    struct op op = {.kind = below(w, 8) == 0 ? OP_DELETE : OP_PUT,
                    .cache = cache->id,
                    .partition = (uint16_t)partition_of_key(w, e->class, (unsigned)e->number),
                    .key = slice_str(key),
                    .value = slice_make(bytes, 1 + below(w, sizeof bytes)),
                    .ticket = {.part = FILLER}};
    if (op.kind == OP_PUT && below(w, 4) == 0) {
        op.ttl = TTL_SET;
        op.ttl_ms = 1 + below(w, 3000);
    }
    shard_submit(h->s, &op, WALL + w->now);
}

/* An attempt got to a node. */
void clients_op(struct simshard *h, const struct event *e)
{
    struct world *w = h->node->w;
    char key[24], value[24];
    if (e->client == FILLER) {
        filler_op(h, e);
        return;
    }
    const struct client *c = &e->sent; /* as it was then: it may have gone on since */
    const struct cache_info *cache = cache_of(h, c->context);
    if (!cache)
        return;
    key_text(c->key, key);
    snprintf(value, sizeof value, "%ld", (long)c->op.value);
    struct op op = {.cache = cache->id,
                    .partition = (uint16_t)partition_of_key(w, c->context, c->key),
                    .key = slice_str(key),
                    .value = slice_str(value),
                    .ticket = {.number = e->number, .part = e->client}};
    op_fill(c, e->client, &op);
    if (c->op.kind != HISTORY_PUT && c->op.kind != HISTORY_PUT_IF_ABSENT &&
        c->op.kind != HISTORY_PUT_IF_VERSION)
        op.value = slice_make(NULL, 0);
    shard_submit(h->s, &op, WALL + w->now);
}

/* --- answers ---------------------------------------------------------------------------------- */

void clients_answer(struct world *w, const struct ticket *to, const struct result *res)
{
    if (to->part >= CLIENTS)
        return;
    char text[32] = "";
    struct event *e = event_free_at(w, way(w), EVENT_REPLY);
    e->client = to->part;
    e->number = to->number;
    e->reply = (struct told){res->status, res->version, res->number, 0};
    if (res->repeated && res->status)
        e->reply.version = HISTORY_NOTHING; /* not kept: see done() */
    if (res->status == GRID_OK && res->value.len && res->value.len < sizeof text) {
        memcpy(text, res->value.data, res->value.len);
        e->reply.value = strtoll(text, NULL, 10);
    }
}

/* When all copies went down at once, the history of what they had ends: of what was under way then,
 * writes may have been done. */
static void record(struct world *w, const struct client *c, const char *key)
{
    msec_t over = w->contexts[c->context].tainted[partition_of_key(w, c->context, c->key)];
    struct history_op op = c->op;
    if (over && c->first_at > over)
        return;
    if (c->local) /* as things were when the leases were granted, at the earliest */
        op.invoked -= (int64_t)(GRID_LEASE_MS / RATE_MIN) + 2;
    if (over && op.kind == HISTORY_READ)
        return;
    if (over)
        op.outcome = HISTORY_IN_DOUBT;
    history_add(w->history, key, &op);
}

static void done(struct world *w, struct client *c, const struct told *r,
                 enum history_outcome outcome)
{
    char key[32];
    struct simcontext *context = &w->contexts[c->context];
    c->op.outcome = outcome;
    c->op.returned = (int64_t)w->now;
    if (r) {
        if (c->op.kind == HISTORY_READ || c->op.kind == HISTORY_INCR)
            c->op.value = c->op.kind == HISTORY_INCR ? r->number : r->value;
        c->op.version = r->version;
        if (c->op.kind == HISTORY_DELETE && outcome == HISTORY_OK && !r->number)
            c->op.outcome = HISTORY_NO;
        if (c->op.kind == HISTORY_DELETE)
            c->op.version = HISTORY_UNTOLD;
        if (c->op.outcome == HISTORY_NO && c->op.kind != HISTORY_DELETE)
            c->op.version = !r->version                     ? HISTORY_NOTHING
                            : r->version == HISTORY_NOTHING ? HISTORY_UNTOLD
                                                            : r->version;
        if (outcome == HISTORY_OK && r->version)
            context->keys[c->key].version = r->version;
    }
    snprintf(key, sizeof key, "w%u/k%u", c->context, c->key);
    record(w, c, key);
    trace(w, "client %u: %s kind %d value %ld version %lx by %lu: outcome %d",
          (unsigned)(c - w->clients), key, (int)c->op.kind, (long)c->op.value,
          (unsigned long)c->op.version, (unsigned long)c->op.expected, (int)c->op.outcome);
    tally.ops++;
    c->busy = false;
    c->again_at = w->now + below(w, w->mix.pace);
}

void clients_reply(struct world *w, const struct event *e)
{
    struct client *c = &w->clients[e->client];
    const struct told *r = &e->reply;
    if (!c->busy || c->attempt != e->number)
        return; /* of an earlier delivery */
    if (r->err == GRID_OK) {
        done(w, c, r, HISTORY_OK);
    } else if (r->err == GRID_ENOT_FOUND && c->op.kind == HISTORY_READ) {
        done(w, c, r, HISTORY_NO);
    } else if (r->err == GRID_ENOT_FOUND || r->err == GRID_ECONDITION) {
        done(w, c, r, HISTORY_NO);
    } else if (r->err == GRID_EBAD_REQUEST || r->err == GRID_ENOT_NUMBER ||
               (r->err == GRID_ESTALE &&
                !w->contexts[c->context].tainted[partition_of_key(w, c->context, c->key)])) {
        world_fail(w, "client %u was told %s", e->client, err_name(r->err));
    } else {
        tally.retries++;
        c->attempt = 0;
        c->again_at = w->now + 1 + below(w, 30);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void clients_step(struct world *w)
{
    event_free_at(w, w->now + STEP_MS, EVENT_CLIENTS);
    if (!w->contexts_len || !w->contexts[0].made)
        return;
    for (unsigned i = 0; i < w->mix.clients; i++) {
        struct client *c = &w->clients[i];
        if (w->now < c->again_at || (!c->busy && w->quiet))
            continue;
        if (!c->busy)
            draw(w, c);
        else if (c->attempt && w->now < c->sent_at + AGAIN_MS)
            continue;
        send(w, c);
    }
    if (!w->quiet && below(w, 4) == 0)
        filler_send(w);
}

bool clients_idle(const struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].busy)
            return false;
    return true;
}

/* Each key is read once more, so that what was lost is missed. */
void clients_read_all(struct world *w)
{
    unsigned all = w->contexts_len * KEYS;
    for (unsigned i = 0; i < all && !w->fault;) {
        struct client *c = &w->clients[0];
        c->op = (struct history_op){.kind = HISTORY_READ, .invoked = (int64_t)w->now};
        c->context = i / KEYS;
        c->key = i % KEYS;
        c->local = false;
        c->busy = true;
        c->first_at = w->now;
        send(w, c);
        for (msec_t end = w->now + 5000; c->busy && !w->fault && w->now < end;)
            world_run(w, w->now + 5);
        if (c->busy)
            world_fail(w, "in peace w%u/k%u cannot be read", c->context, c->key);
        i++;
    }
}

void clients_end(struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].busy)
            done(w, &w->clients[i], NULL, HISTORY_IN_DOUBT);
}
