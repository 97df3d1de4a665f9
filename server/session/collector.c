/* collector.c - one allocation for the places, one growing buffer for the values of all of them. */
#include "session/collector.h"

#include "session/session_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct collector {
    enum waiter waiter;
    enum gather gather;
    struct session *session;
    struct list node;
    uint64_t number;
    uint32_t parts;
    uint32_t waiting; /* answers still to come */
    struct buf values;
    enum grid_err err; /* GATHER_SUM: the first error */
    int64_t sum;
    size_t *places; /* where in `values` the value of an item begins */
    struct wire_item items[];
};

struct collector *collector_new(struct session *s, uint64_t number, enum gather gather,
                                uint32_t parts)
{
    CHECK(parts > 0);
    size_t places = gather == GATHER_PLACES ? parts : 0;
    struct collector *c = xcalloc(1, sizeof *c + places * sizeof c->items[0]);
    c->waiter = WAITER_COLLECTOR;
    c->gather = gather;
    c->session = s;
    c->number = number;
    c->parts = parts;
    c->waiting = parts;
    c->places = places ? xcalloc(places, sizeof *c->places) : NULL;
    list_push_back(&s->collectors, &c->node);
    return c;
}

struct ticket collector_ticket(struct collector *c, uint32_t part)
{
    struct ticket t = session_ticket(c->session, c->number, part);
    t.owner = c;
    return t;
}

struct session *collector_session(const struct collector *c)
{
    return c->session;
}

static void collector_free(struct collector *c)
{
    c->session->collected -= c->values.len;
    list_remove(&c->node);
    buf_release(&c->values);
    free(c->places);
    free(c);
}

void collectors_free(struct session *s)
{
    list_for_each_safe (it, &s->collectors)
        collector_free(list_entry(it, struct collector, node));
}

/* What becomes of a value: kept, or an error because there is no room. */
static enum grid_err room_for(const struct collector *c, size_t bytes)
{
    const struct session *s = c->session;
    if (bytes > s->limits.reply || c->values.len > s->limits.reply - bytes)
        return GRID_ETOO_LARGE;
    size_t held = s->collected + session_unsent(s);
    return held + bytes > s->limits.output_max ? GRID_EBUSY : GRID_OK;
}

static void add_place(struct collector *c, uint32_t part, const struct result *res)
{
    struct wire_item *item = &c->items[part];
    *item = (struct wire_item){res->status, res->version, res->deadline,
                               res->number, {NULL, 0},    res->type};
    if (!res->value.len)
        return;
    enum grid_err err = room_for(c, res->value.len);
    if (err) {
        *item = (struct wire_item){.status = err};
        return;
    }
    c->places[part] = c->values.len;
    item->value.len = res->value.len;
    buf_add(&c->values, res->value.data, res->value.len);
    c->session->collected += res->value.len;
}

static void add_sum(struct collector *c, const struct result *res)
{
    if (res->status && !c->err)
        c->err = res->status;
    c->sum += res->number;
}

static void answer(struct collector *c)
{
    for (uint32_t i = 0; c->places && i < c->parts; i++)
        if (c->items[i].value.len)
            c->items[i].value.data = c->values.data + c->places[i];
    struct collection all = {
        .err = c->err, .sum = c->sum, .items = c->places ? c->items : NULL, .len = c->parts};
    c->session->door->collected(c->session, c->number, &all);
}

void collector_add(struct collector *c, uint32_t part, const struct result *res)
{
    CHECK(part < c->parts && c->waiting > 0);
    c->waiting--;
    if (!c->session->closed) {
        if (c->gather == GATHER_PLACES)
            add_place(c, part, res);
        else
            add_sum(c, res);
        if (c->waiting == 0)
            answer(c);
    }
    if (c->waiting == 0)
        collector_free(c);
}

void collectors_check(const struct session *s)
{
    size_t bytes = 0;
    uint32_t waiting = 0;
    list_for_each (it, &s->collectors) {
        const struct collector *c = list_entry(it, struct collector, node);
        CHECK(c->session == s);
        CHECK(c->waiting > 0 && c->waiting <= c->parts);
        bytes += c->values.len;
        waiting += c->waiting;
    }
    CHECK(bytes == s->collected);
    CHECK(waiting <= s->in_flight);
}
