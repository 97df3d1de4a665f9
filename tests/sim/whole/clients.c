/* clients.c - who uses the grid: one operation at a time, said again under its number until it is
 * answered, and written down. Beside them fillers, that nobody waits for. */
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

enum { AGAIN_MS = 400, STEP_MS = 2, FILLER_KEYS = 60 };

static void key_text(unsigned key, char *text)
{
    snprintf(text, 24, "k%u", key);
}

const struct cache_info *clients_cache(const struct grid_state *s, unsigned context)
{
    char path[24];
    snprintf(path, sizeof path, "w%u/c", context);
    return s && grid_state_founded(s) ? catalog_cache_named(s->catalog, slice_str(path)) : NULL;
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
    op->direct = c->kind == CLIENT_KNOWS;
    op->asks_again = c->kind == CLIENT_FOLLOWS || c->kind == CLIENT_ROAMS;
    if (c->op.kind == HISTORY_READ || c->kind == CLIENT_GUEST)
        return;
    op->has_session = true;
    memset(op->session.id.bytes, (int)who + 1, SESSION_ID_BYTES);
    op->session.number = op->session.lowest = c->number;
    op->age_ms = c->sent_at - c->first_at;
}

/* --- ways to the grid ------------------------------------------------------------------------- */

uint32_t clients_partition(const struct world *w, unsigned context, unsigned key)
{
    return key % w->contexts[context].info.partitions;
}

static void send(struct world *w, struct client *c)
{
    uint32_t partition = clients_partition(w, c->context, c->key);
    struct simnode *n = c->local ? way_any(w) : way_choose(w, c, partition);
    c->sent_at = w->now;
    c->attempt = 0;
    if (!n) {
        c->again_at = w->now + 10;
        return;
    }
    c->attempt = ++w->attempts;
    c->asked = n->index;
    c->asked_life = n->life;
    struct event *e = event_at(w, way_ms(w), EVENT_OP, n->index, 1 + partition % w->mix.shards);
    e->client = (unsigned)(c - w->clients);
    e->number = c->attempt;
    e->sent = *c;
}

static void filler_send(struct world *w)
{
    unsigned context = (unsigned)below(w, w->contexts_len), key = (unsigned)below(w, FILLER_KEYS);
    uint32_t partition = clients_partition(w, context, key);
    struct simnode *n = way_known(w, context, partition);
    if (!n)
        return;
    struct event *e = event_at(w, way_ms(w), EVENT_OP, n->index, 1 + partition % w->mix.shards);
    e->client = FILLER;
    e->class = context;
    e->number = key;
}

static void filler_op(struct simshard *h, const struct event *e)
{
    static const uint8_t bytes[2048] = {1};
    struct world *w = h->node->w;
    const struct cache_info *cache = clients_cache(h->state, e->class);
    char key[24];
    if (!cache)
        return;
    snprintf(key, sizeof key, "f%lu", (unsigned long)e->number);
    struct op op = {.kind = below(w, 8) == 0 ? OP_DELETE : OP_PUT,
                    .cache = cache->id,
                    .partition = (uint16_t)clients_partition(w, e->class, (unsigned)e->number),
                    .key = slice_str(key),
                    .value = slice_make(bytes, 1 + below(w, sizeof bytes)),
                    .ticket = {.part = FILLER}};
    if (op.kind == OP_PUT && below(w, 4) == 0) {
        op.ttl = TTL_SET;
        op.ttl_ms = 1 + below(w, 3000);
    }
    route_submit(h, &op);
}

/* An attempt got to a node. */
void clients_op(struct simshard *h, const struct event *e)
{
    struct world *w = h->node->w;
    char key[24], value[24];
    struct slice args[TASK_ARGS_LEN];
    if (e->client == FILLER) {
        filler_op(h, e);
        return;
    }
    if (e->client == TRAIN) {
        train_op(h, e);
        return;
    }
    if (e->client == MAPPER) {
        map_op(h, e);
        return;
    }
    if (e->client == WORKER) {
        work_op(h, e);
        return;
    }
    const struct client *c = &e->sent; /* as it was then: it may have gone on since */
    const struct cache_info *cache = clients_cache(h->state, c->context);
    struct ticket to = {.number = e->number, .part = e->client};
    bool outside = c->kind == CLIENT_FOLLOWS && !h->self.node; /* sessions see to that */
    if (!cache || outside) {
        enum grid_err err = outside ? GRID_EENTERING : GRID_ENO_CACHE;
        clients_answer(w, &to, &(struct result){.status = err});
        return;
    }
    key_text(c->key, key);
    snprintf(value, sizeof value, "%ld", (long)c->op.value);
    struct op op = {.cache = cache->id,
                    .partition = (uint16_t)clients_partition(w, c->context, c->key),
                    .key = slice_str(key),
                    .value = slice_str(value),
                    .ticket = to};
    op_fill(c, e->client, &op);
    if (c->op.kind != HISTORY_PUT && c->op.kind != HISTORY_PUT_IF_ABSENT &&
        c->op.kind != HISTORY_PUT_IF_VERSION)
        op.value = slice_make(NULL, 0);
    if (task_counts(w, c))
        task_fill(c, &op, args);
    route_submit(h, &op);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answered_once(struct world *w, const struct ticket *to)
{
    if (to->number >= w->answered_len) {
        size_t len = 2 * (to->number + 512);
        w->answered = xrealloc(w->answered, len, 1);
        memset(w->answered + w->answered_len, 0, len - w->answered_len);
        w->answered_len = len;
    }
    if (w->answered[to->number])
        world_fail(w, "client %u is answered twice for attempt %lu", to->part,
                   (unsigned long)to->number);
    w->answered[to->number] = 1;
}

void clients_answer(struct world *w, const struct ticket *to, const struct result *res)
{
    if (to->part == TRAIN)
        train_answer(w, to, res);
    if (to->part == MAPPER)
        map_answer(w, to, res);
    if (to->part == WORKER)
        work_answer(w, to, res);
    if (to->part == INSIDER)
        machine_answer(w, to, res);
    if (to->part >= CLIENTS)
        return;
    answered_once(w, to);
    char text[32] = "";
    struct event *e = event_free_at(w, way_ms(w), EVENT_REPLY);
    e->client = to->part;
    e->number = to->number;
    e->reply = (struct told){res->status, res->version, res->number, 0};
    if (res->repeated && res->status)
        e->reply.version = HISTORY_NOTHING; /* not kept: see done() */
    if (res->status == GRID_OK && res->value.len && res->value.len < sizeof text) {
        memcpy(text, res->value.data, res->value.len);
        e->reply.value = strtoll(text, NULL, 10);
    }
    if (res->reply == REPLY_BULK)
        e->reply.number = e->reply.value;
}

/* When all copies went down at once, the history of what they had ends: of what was under way then,
 * writes may have been done. */
static void record(struct world *w, const struct client *c, const char *key)
{
    msec_t over = w->contexts[c->context].tainted[clients_partition(w, c->context, c->key)];
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
    if (!c->busy || c->attempt != e->number) {
        tally.twice += r->err == GRID_OK;
        return; /* of an earlier delivery */
    }
    if (r->err == GRID_OK) {
        done(w, c, r, HISTORY_OK);
    } else if (r->err == GRID_ENOT_FOUND && c->op.kind == HISTORY_READ) {
        done(w, c, r, HISTORY_NO);
    } else if (r->err == GRID_ENOT_FOUND || r->err == GRID_ECONDITION) {
        done(w, c, r, HISTORY_NO);
    } else if (r->err == GRID_ETASK) {
        tally.wrong_times++;
        done(w, c, r, HISTORY_FAILED);
    } else if (r->err == GRID_EBAD_REQUEST || r->err == GRID_ENOT_NUMBER ||
               r->err == GRID_ECORRUPT ||
               (r->err == GRID_ESTALE &&
                !w->contexts[c->context].tainted[clients_partition(w, c->context, c->key)])) {
        world_fail(w, "client %u was told %s", e->client, err_name(r->err));
    } else if (c->kind == CLIENT_GUEST) {
        tally.doubts += r->err == GRID_EIN_DOUBT;
        tally.failed += r->err != GRID_EIN_DOUBT;
        done(w, c, r, r->err == GRID_EIN_DOUBT ? HISTORY_IN_DOUBT : HISTORY_FAILED);
    } else {
        tally.retries++;
        if (r->err == GRID_EENTERING)
            way_outside(w, c);
        c->attempt = 0;
        c->again_at = w->now + 1 + below(w, 30);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void clients_make(struct world *w)
{
    bool mixed = below(w, 4) != 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        c->kind = mixed ? (enum client_kind)below(w, 4) : CLIENT_KNOWS;
        c->patience = AGAIN_MS;
        if (c->kind == CLIENT_ROAMS)
            c->patience = 20 + below(w, AGAIN_MS);
        if (c->kind == CLIENT_GUEST)
            c->patience = below(w, 2) ? 300 + below(w, 3000) : 3600000;
        w->followers[i].home = (unsigned)below(w, w->mix.nodes);
    }
}

/* False: it waits on. */
static bool given_up(struct world *w, struct client *c)
{
    const struct simnode *n = &w->nodes[c->asked];
    bool closed = n->life != c->asked_life && c->kind != CLIENT_KNOWS;
    if (!c->attempt)
        return true;
    if (!closed && w->now < c->sent_at + c->patience)
        return false;
    way_failed(w, c);
    if (c->kind == CLIENT_GUEST) {
        tally.doubts++;
        done(w, c, NULL, HISTORY_IN_DOUBT);
    }
    return true;
}

void clients_step(struct world *w)
{
    event_free_at(w, w->now + STEP_MS, EVENT_CLIENTS);
    if (!w->contexts_len || !w->contexts[0].made)
        return;
    maps_step(w);
    work_step(w);
    for (unsigned i = 0; i < w->mix.clients; i++) {
        struct client *c = &w->clients[i];
        if (w->now < c->again_at || (!c->busy && w->quiet))
            continue;
        if (!c->busy)
            draw(w, c);
        else if (!given_up(w, c))
            continue;
        if (c->busy)
            send(w, c);
    }
    if (!w->quiet && below(w, 4) == 0)
        filler_send(w);
    if (!w->quiet && below(w, 16) == 0)
        train_send(w);
}

bool clients_idle(const struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].busy)
            return false;
    return maps_idle(w) && work_idle(w);
}

/* Each key is read once more, so that what was lost is missed. */
void clients_read_all(struct world *w)
{
    unsigned all = w->contexts_len * KEYS;
    for (unsigned i = 0; i < all && !w->fault;) {
        struct client *c = &w->clients[0];
        c->kind = i % 2 ? CLIENT_ROAMS : CLIENT_KNOWS;
        c->patience = AGAIN_MS;
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
