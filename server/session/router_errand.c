/* router_errand.c - errands of sessions to all nodes, and those of other nodes here.
 *
 *   session --> trip --+--everywhere--> the threads of this node --+--> added up --> session
 *                      +--ERRAND-----> other nodes --TOLD---------+
 *
 * A node that does not answer, because its link is down or in ROUTER_ERRAND_MS, is passed over. */
#include "session/router_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

_Static_assert((int)ERRAND_ARGS_MAX == (int)WIRE_ERRAND_ARGS_MAX, "all arguments arrive");

struct trip {
    struct router_waiter waiter; /* for what this node's threads say */
    struct list all;             /* router.trips, in the order they began */
    struct router *router;
    struct ticket to;
    uint64_t number;
    msec_t since;
    bool here; /* this node's threads have not answered */
    int64_t sum;
    struct buf told;
    uint32_t left; /* of the links below */
    uint32_t len;
    struct router_link *links[];
};

/* --- of this node ----------------------------------------------------------------------------- */

static void trip_free(struct trip *t)
{
    list_remove(&t->all);
    buf_release(&t->told);
    free(t);
}

static void trip_end(struct trip *t)
{
    struct router *r = t->router;
    struct result res = {.number = t->sum, .value = buf_slice(&t->told)};
    struct ticket to = t->to;
    list_remove(&t->all);
    r->ports.reply(r->ports.ctx, &to, &res);
    trip_free(t);
}

static void trip_add(struct trip *t, int64_t sum, struct slice told)
{
    t->sum += sum;
    if (told.len)
        buf_add(&t->told, told.data, told.len);
}

static void trip_here(struct router_waiter *w, const struct ticket *to, const struct result *res)
{
    struct trip *t = container_of(w, struct trip, waiter);
    (void)to;
    t->here = false;
    trip_add(t, res->number, res->value);
    if (!t->left)
        trip_end(t);
}

/* That link will say no more. */
static bool trip_drop(struct trip *t, const struct router_link *l)
{
    for (uint32_t i = 0; i < t->len; i++) {
        if (t->links[i] != l)
            continue;
        t->links[i] = NULL;
        t->left--;
        return true;
    }
    return false;
}

void trip_told(struct router *r, struct router_link *l, const struct wire_forward *m)
{
    list_for_each (it, &r->trips) {
        struct trip *t = list_entry(it, struct trip, all);
        if (t->number != m->number)
            continue;
        if (!trip_drop(t, l))
            return;
        trip_add(t, m->errand.number, m->told);
        if (!t->left && !t->here)
            trip_end(t);
        return;
    }
}

void trips_down(struct router *r, const struct router_link *l)
{
    list_for_each_safe (it, &r->trips) {
        struct trip *t = list_entry(it, struct trip, all);
        if (trip_drop(t, l) && !t->left && !t->here)
            trip_end(t);
    }
}

msec_t trips_tick(struct router *r)
{
    msec_t next = UINT64_MAX;
    list_for_each_safe (it, &r->trips) {
        struct trip *t = list_entry(it, struct trip, all);
        if (!t->left)
            continue; /* of its own threads each answers */
        if (r->now - t->since < ROUTER_ERRAND_MS) {
            msec_t left = t->since + ROUTER_ERRAND_MS - r->now;
            return left < next ? left : next;
        }
        for (uint32_t i = 0; i < t->len; i++)
            t->links[i] = NULL;
        t->left = 0;
        if (!t->here)
            trip_end(t);
    }
    return next;
}

/* A node may have several links here: the first will do. Those that are down in the state are not
 * waited for. */
static void trip_send(struct router *r, struct trip *t, const struct errand *errand)
{
    struct wire_errand e = {errand->kind, errand->number, errand->args_len, {{NULL, 0}}};
    memcpy(e.args, errand->args, sizeof e.args);
    r->out.len = 0;
    wire_forward_errand(&r->out, t->number, router_revision(r), &e);
    list_for_each (it, &r->links) {
        struct router_link *l = list_entry(it, struct router_link, all);
        const struct grid_node *n = l->node ? grid_state_node(r->state, l->node) : NULL;
        bool twice = false;
        for (uint32_t i = 0; i < t->len; i++)
            twice |= t->links[i]->node == l->node;
        bool meant = !errand->node || errand->node == l->node;
        if (!n || n->state != NODE_UP || twice || !meant || r->out.len > ROUTER_MESSAGE_MAX)
            continue;
        t->links[t->len++] = l;
        r->ports.send(r->ports.ctx, l->link, buf_slice(&r->out));
    }
    t->left = t->len;
}

void router_errand(struct router *r, const struct ticket *to, const struct errand *errand,
                   msec_t now)
{
    size_t links = 0;
    list_for_each (it, &r->links)
        links++;
    router_now(r, now);
    struct trip *t = xcalloc(1, sizeof *t + links * sizeof *t->links);
    t->waiter = (struct router_waiter){WAITER_ROUTER, trip_here};
    t->router = r;
    t->to = *to;
    t->number = ++r->number;
    t->since = r->now;
    t->here = !errand->node;
    list_push_back(&r->trips, &t->all);
    trip_send(r, t, errand);
    struct ticket here = {.owner = &t->waiter, .thread = r->conf.thread};
    if (t->here)
        r->ports.everywhere(r->ports.ctx, &here, errand);
    else if (!t->left)
        trip_end(t);
}

void trips_free(struct router *r)
{
    list_for_each_safe (it, &r->trips)
        trip_free(list_entry(it, struct trip, all));
}

/* --- of others -------------------------------------------------------------------------------- */

static void told_send(struct router_link *l, uint64_t number, const struct result *res)
{
    struct router *r = l->router;
    if (!l->link || !number)
        return;
    r->out.len = 0;
    wire_forward_told(&r->out, number, router_revision(r), res->number, res->value);
    if (r->out.len <= ROUTER_MESSAGE_MAX)
        r->ports.send(r->ports.ctx, l->link, buf_slice(&r->out));
}

static void served(struct router_waiter *w, const struct ticket *to, const struct result *res)
{
    struct asked *a = container_of(w, struct asked, waiter);
    (void)to;
    told_send(a->link, a->number, res);
    asked_free(a);
}

void errand_serve(struct router *r, struct router_link *l, const struct wire_forward *m)
{
    struct errand e = {.kind = (enum errand_kind)m->errand.kind,
                       .number = m->errand.number,
                       .args_len = m->errand.args_len};
    memcpy(e.args, m->errand.args, sizeof e.args);
    if (m->errand.kind > ERRAND_KINDS || !errand_known(&e)) {
        told_send(l, m->number, &(struct result){.status = GRID_OK});
        return;
    }
    struct asked *a = asked_new(l, m->number);
    a->waiter.result = served;
    struct ticket to = {.owner = &a->waiter, .thread = r->conf.thread};
    r->ports.everywhere(r->ports.ctx, &to, &e);
}
