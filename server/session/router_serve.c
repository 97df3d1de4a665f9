/* router_serve.c - links, and what other nodes ask this one to do.
 *
 * Of a partition in which an operation was refused, no other of the same round is taken: see
 * router.h. A refusal is remembered for as long as the link lives, or until a later round comes. */
#include "session/router_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { REFUSAL_BUCKETS = sizeof((struct router_link *)NULL)->refusals / sizeof(struct refusal *) };

struct refusal {
    uint32_t key;
    uint64_t round;
    struct refusal *chain;
};

/* --- refusals --------------------------------------------------------------------------------- */

static struct refusal **refusal_at(struct router_link *l, uint32_t key)
{
    struct refusal **at = &l->refusals[key % REFUSAL_BUCKETS];
    while (*at && (*at)->key != key)
        at = &(*at)->chain;
    return at;
}

static void refusal_add(struct router_link *l, uint32_t key, uint64_t round)
{
    struct refusal **at = refusal_at(l, key);
    if (!*at) {
        *at = xcalloc(1, sizeof **at);
        (*at)->key = key;
    }
    if ((*at)->round < round)
        (*at)->round = round;
}

/* Whether that round is over; a later one forgets it. */
static bool refusal_has(struct router_link *l, uint32_t key, uint64_t round)
{
    struct refusal **at = refusal_at(l, key), *f = *at;
    if (likely(!f))
        return false;
    if (round <= f->round)
        return true;
    *at = f->chain;
    free(f);
    return false;
}

static void refusals_free(struct router_link *l)
{
    for (size_t i = 0; i < REFUSAL_BUCKETS; i++) {
        for (struct refusal *f = l->refusals[i], *next; f; f = next) {
            next = f->chain;
            free(f);
        }
        l->refusals[i] = NULL;
    }
}

/* --- links ------------------------------------------------------------------------------------ */

static void link_name(const struct router *r, struct router_link *l)
{
    const struct grid_node *n = r->state ? grid_state_node_by_id(r->state, l->node_id) : NULL;
    l->node = n ? n->number : 0;
}

void links_name(struct router *r)
{
    list_for_each (it, &r->links)
        link_name(r, list_entry(it, struct router_link, all));
}

struct router_link *link_to(const struct router *r, uint32_t node, uint32_t partition)
{
    const struct grid_node *n = grid_state_node(r->state, node);
    if (!n)
        return NULL;
    uint32_t shard = partition % n->info.shards;
    list_for_each (it, &r->links) {
        struct router_link *l = list_entry(it, struct router_link, all);
        if (l->node == node && l->shard == shard)
            return l;
    }
    return NULL;
}

struct router_link *router_up(struct router *r, const uint8_t node_id[GRID_ID_BYTES],
                              uint32_t shard, void *link, msec_t now)
{
    struct router_link *l = xcalloc(1, sizeof *l);
    router_now(r, now);
    list_init(&l->asked);
    l->router = r;
    l->shard = shard;
    l->link = link;
    memcpy(l->node_id, node_id, GRID_ID_BYTES);
    link_name(r, l);
    list_push_back(&r->links, &l->all);
    places_go(r);
    return l;
}

/* When nobody needs it any more. */
static void link_free(struct router_link *l)
{
    if (l->link || !list_empty(&l->asked))
        return;
    refusals_free(l);
    list_remove(&l->all);
    free(l);
}

struct asked *asked_new(struct router_link *l, uint64_t number)
{
    struct asked *a = xcalloc(1, sizeof *a);
    a->waiter.waiter = WAITER_ROUTER;
    a->link = l;
    a->number = number;
    list_push_back(&l->asked, &a->all);
    return a;
}

void asked_free(struct asked *a)
{
    struct router_link *l = a->link;
    list_remove(&a->all);
    free(a);
    link_free(l);
}

void router_down(struct router *r, struct router_link *l, msec_t now)
{
    router_now(r, now);
    l->link = NULL;
    list_remove(&l->all);
    list_push_back(&r->gone, &l->all);
    trips_down(r, l);
    flights_down(r, l);
    link_free(l);
}

static void list_free(struct list *links)
{
    list_for_each_safe (it, links) {
        struct router_link *l = list_entry(it, struct router_link, all);
        list_for_each_safe (at, &l->asked)
            free(list_entry(at, struct asked, all));
        refusals_free(l);
        free(l);
    }
}

void links_free(struct router *r)
{
    list_free(&r->links);
    list_free(&r->gone);
}

/* --- operations of others --------------------------------------------------------------------- */

static void answer_send(struct router_link *l, uint64_t number, const struct result *res,
                        bool writes)
{
    struct router *r = l->router;
    struct result small = {.status = writes ? GRID_EIN_DOUBT : GRID_ETOO_LARGE};
    r->out.len = 0;
    wire_forward_answer(&r->out, number, router_revision(r), res);
    if (r->out.len > ROUTER_MESSAGE_MAX) {
        r->out.len = 0;
        wire_forward_answer(&r->out, number, router_revision(r), &small);
    }
    r->ports.send(r->ports.ctx, l->link, buf_slice(&r->out));
}

/* Who asked may ask again: see router.c. */
static bool asked_again(const struct asked *a, const struct result *res)
{
    switch (res->status) {
    case GRID_ENOT_PRIMARY:
    case GRID_ESTOPPING:
        return true;
    case GRID_EIN_DOUBT:
        return !res->repeated;
    default:
        return res->status && a->revision > router_revision(a->link->router);
    }
}

static void asked_result(struct router_waiter *w, const struct ticket *to, const struct result *res)
{
    struct asked *a = container_of(w, struct asked, waiter);
    struct router_link *l = a->link;
    (void)to;
    if (l->link) {
        if (asked_again(a, res) && !RULE_OFF(ORDER))
            refusal_add(l, a->key, a->round);
        answer_send(l, a->number, res, a->writes);
    }
    asked_free(a);
}

static void ask_refuse(struct router_link *l, uint64_t number, enum grid_err err)
{
    struct result res = {.status = err};
    answer_send(l, number, &res, false);
}

static void ask_serve(struct router *r, struct router_link *l, const struct wire_forward *m)
{
    struct op *op = m->op;
    uint32_t key = place_key(op);
    if (unlikely(refusal_has(l, key, m->round))) {
        ask_refuse(l, m->number, GRID_ENOT_PRIMARY);
        return;
    }
    struct asked *a = asked_new(l, m->number);
    a->waiter.result = asked_result;
    a->round = m->round;
    a->revision = m->revision;
    a->key = key;
    a->writes = op_changes(op);
    r->stats.served++;
    op->direct = true;
    op->ticket = (struct ticket){.owner = &a->waiter, .number = m->number};
    op->ticket.thread = r->conf.thread;
    r->ports.submit(r->ports.ctx, op);
}

bool router_message(struct router *r, struct router_link *l, struct slice message,
                    struct arena *arena, msec_t now)
{
    struct wire_forward m;
    enum grid_err err = wire_forward_decode(message, arena, &m);
    router_now(r, now);
    if (unlikely(err)) {
        enum grid_err why = err == GRID_ENOMEM ? GRID_EBUSY : err;
        if (m.kind == WIRE_ASK && m.number)
            ask_refuse(l, m.number, why);
        if (m.kind == WIRE_ANSWER && err != GRID_EBAD_REQUEST)
            flight_unread(r, l, m.number, why);
        return err != GRID_EBAD_REQUEST;
    }
    switch (m.kind) {
    case WIRE_ASK:
        ask_serve(r, l, &m);
        break;
    case WIRE_ANSWER:
        if (!flight_may_be_told(r, m.number, &m.result))
            return false;
        flight_answered(r, l, m.number, m.revision, &m.result);
        break;
    case WIRE_ERRAND:
        errand_serve(r, l, &m);
        break;
    case WIRE_TOLD:
        trip_told(r, l, &m);
        break;
    }
    return true;
}
