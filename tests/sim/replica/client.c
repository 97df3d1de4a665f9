/* client.c - asks one thing at a time, again and again with the same number, until it is answered
 * or its patience ends (R13). */
#include "base/alloc.h"
#include "tests/sim/replica/world.h"

#include <string.h>

enum { ATTEMPT_US = 150000, PATIENCE_US = 2500000 };

void client_init(struct world *w, unsigned i)
{
    w->clients[i] = (struct client){0};
    world_post(w, 20000 + below(w, 50000), EVENT_CLIENT, i);
}

static uint32_t target(struct world *w, bool local)
{
    struct replica_config c;
    if (!local && control_config(w, &c) && c.led && !chance(w, 150))
        return c.members[0].node;
    return 1 + (uint32_t)below(w, w->mix.nodes);
}

static void draw(struct world *w, unsigned i)
{
    static const uint8_t kinds[] = {OP_PUT,      OP_INCR,     OP_INCR,     OP_STAMP,   OP_DELETE,
                                    OP_READ_KEY, OP_READ_KEY, OP_READ_KEY, OP_READ_KEY};
    struct client *c = &w->clients[i];
    c->kind = kinds[below(w, sizeof kinds)];
    c->key = (uint8_t)below(w, KEYS);
    c->value = (int64_t)w->order;
    c->number++;
    c->ticket = (++w->tickets) * CLIENTS_MAX + i;
    c->busy = true;
    c->invoked = w->now;
    c->deadline = w->now + PATIENCE_US;
    c->local = c->kind == OP_READ_KEY && chance(w, 300);
    c->floor = c->local ? judge_floor_local(w, c->key) : w->judge.floor[c->key];
    c->floor_all = w->judge.floor_all;
    c->era = w->judge.era;
}

static void attempt(struct world *w, unsigned i)
{
    struct client *c = &w->clients[i];
    uint32_t to = target(w, c->local);
    c->retry_at = w->now + (w->mix.attempt_us ? w->mix.attempt_us : ATTEMPT_US);
    if (!w->nodes[to].alive || chance(w, w->mix.loss))
        return;
    unsigned times = 1 + chance(w, w->mix.repeat);
    for (; times; times--) {
        bool late = chance(w, w->mix.late);
        struct event *e =
            world_post_to(w, world_delay(w) + (late ? below(w, 2000000) : 0), EVENT_REQUEST, to);
        struct request *q = xalloc(sizeof *q);
        *q = (struct request){.ticket = c->ticket,
                              .value = c->value,
                              .number = c->number,
                              .client = (uint8_t)i,
                              .kind = c->kind,
                              .key = c->key,
                              .local = c->local,
                              .expires = c->kind == OP_PUT && c->value % 4 == 0};
        e->data = q;
    }
}

void client_step(struct world *w, unsigned i, bool again)
{
    struct client *c = &w->clients[i];
    if (again) {
        if (c->busy && w->now >= c->retry_at)
            attempt(w, i);
        return;
    }
    usec_t next = w->now + 1000 + below(w, w->mix.think_us);
    if (c->busy && w->now >= c->deadline) {
        c->busy = false;
        w->given_up++;
        w->tally.doubts += c->kind != OP_READ_KEY;
    } else if (!c->busy && !w->silent) {
        draw(w, i);
    }
    if (c->busy && w->now >= c->retry_at)
        attempt(w, i);
    if (c->busy && next > c->retry_at)
        next = c->retry_at > w->now ? c->retry_at : w->now + 1000;
    world_post(w, next, EVENT_CLIENT, i);
}

void client_reply(struct world *w, const struct event *e)
{
    const struct reply *r = e->data;
    struct client *c = &w->clients[e->to];
    if (!c->busy || r->ticket != c->ticket)
        return;
    if (r->status == REPLY_RETRY) {
        c->retry_at = w->now + 3000;
        world_post(w, c->retry_at, EVENT_CLIENT, e->to)->a = true;
        return;
    }
    judge_told(w, c, r);
    w->tally.writes += c->kind != OP_READ_KEY;
    w->tally.reads += c->kind == OP_READ_KEY;
    c->busy = false;
    c->retry_at = 0;
    c->done += w->calm;
}
