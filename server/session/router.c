/* router.c - flights: operations that are not done here.
 *
 *   HELD --place_go(): somebody leads, nothing of an older round is under way--> SENT
 *   SENT --NOT_PRIMARY, the link is down--> HELD
 *   SENT --somebody else leads, and who was asked is down or says nothing--> HELD
 *   SENT --answered--> gone;  either --hold_ms are over--> gone */
#include "session/router_priv.h"

#include "base/alloc.h"
#include "data/value.h"

#include <stdlib.h>

enum { AGAIN_MS = 5, AGAIN_MS_MAX = 80, RECALL_MS = 100 };

uint64_t router_revision(const struct router *r)
{
    return r->state ? r->state->revision : 0;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Who says so has looked whether it was done before (R13), or would refuse it at any time. */
static bool settles(enum grid_err err)
{
    switch (err) {
    case GRID_OK:
    case GRID_ENOT_FOUND:
    case GRID_ECONDITION:
    case GRID_ENOT_NUMBER:
    case GRID_EOVERFLOW:
    case GRID_EWRONG_TYPE:
    case GRID_ESTALE:
    case GRID_EEXISTS: /* of op.sole */
    case GRID_EBAD_REQUEST:
    case GRID_ECROSS_PARTITION:
    case GRID_ETASK:
    case GRID_ESERVICE:
        return true;
    default:
        return false;
    }
}

/* --- what is asked again ---------------------------------------------------------------------- */

/* Whether one connection asks both of one key, as far as that is easily said. */
static bool meets(const struct op *a, const struct op *b)
{
    bool many = a->batch_len || b->batch_len || a->keys_len > 1 || b->keys_len > 1;
    if (a->ticket.owner != b->ticket.owner || a->kind == OP_SCAN || b->kind == OP_SCAN)
        return false;
    return many || (a->cache == b->cache && slice_eq(a->key, b->key));
}

/* A write of its session that who leads can look for: see op.later. */
static bool looked_for(const struct op *op, const struct op *later)
{
    return op_changes(op) && op_changes(later) && op->session.number < later->session.number &&
           memcmp(&op->session.id, &later->session.id, sizeof op->session.id) == 0;
}

/* Of a write this hides that a round went on: it is left in doubt then. */
static bool overtaking_off(const struct flight *f)
{
    return op_changes(&f->op) ? RULE_OFF(LATER) || RULE_OFF(ORDER) : RULE_OFF(OVERTAKEN);
}

/* `later` came later and was done, or may have been: `f` must not be done after it. A read sees
 * what is there when it is done, so it is not asked again. */
static void overtake(struct flight *f, const struct op *later)
{
    if (overtaking_off(f))
        return;
    if (!looked_for(&f->op, later))
        f->overtaken = true;
    else if (f->op.later < later->session.number)
        f->op.later = later->session.number;
}

/* `f` was done, or may have been. */
static void overtake_earlier(struct router *r, const struct flight *f)
{
    const struct list *owned = flights_of(r, f->op.ticket.owner);
    for (struct list *it = f->owned.prev; it != owned; it = it->prev) {
        struct flight *e = list_entry(it, struct flight, owned);
        if (e->place == f->place && meets(&e->op, &f->op))
            overtake(e, &f->op);
    }
}

/* True: it must not be asked again. */
static bool flight_overtaken(struct router *r, struct flight *f)
{
    if (!f->asked)
        return false;
    const struct list *owned = flights_of(r, f->op.ticket.owner);
    for (struct list *it = f->owned.next; !f->overtaken && it != owned; it = it->next) {
        const struct flight *g = list_entry(it, struct flight, owned);
        bool may = op_changes(&g->op) && (g->doubt || g->state == FLIGHT_SENT);
        if (may && g->place == f->place && meets(&f->op, &g->op))
            overtake(f, &g->op);
    }
    return f->overtaken;
}

/* --- the end of a flight ---------------------------------------------------------------------- */

/* It is answered, and gone. That it was not done this time says nothing of earlier ones. */
static void flight_deliver(struct router *r, struct flight *f, const struct result *res)
{
    static const struct result in_doubt = {.status = GRID_EIN_DOUBT};
    struct ticket to = f->op.ticket;
    if (f->doubt && (op_changes(&f->op) || f->op.once) && !settles(res->status) &&
        !RULE_OFF(SURE)) {
        res = &in_doubt;
        r->stats.in_doubt++;
    }
    if (settles(res->status) || res->status == GRID_EIN_DOUBT)
        overtake_earlier(r, f);
    flight_remove(r, f);
    f->place->held--; /* who is answered was under way no more */
    list_remove(&f->here);
    list_remove(&f->stamped);
    if (RULE_OFF(TWICE) && r->stats.again)
        r->ports.reply(r->ports.ctx, &to, res);
    r->ports.reply(r->ports.ctx, &to, res);
    free(f);
}

static void flight_fail(struct router *r, struct flight *f, enum grid_err err)
{
    struct result res = {.status = err};
    flight_deliver(r, f, &res);
}

static void flight_hold(struct flight *f)
{
    f->state = FLIGHT_HELD;
    f->link = NULL;
    f->place->sent--;
    f->place->held++;
}

/* It may have been done, or is yet to be; nobody will say. */
static void flight_lose(struct flight *f)
{
    flight_hold(f);
    f->doubt = true;
    f->overtaken = f->overtaken || f->op.once;
}

/* Nobody answered for too long. */
static void flight_give_up(struct router *r, struct flight *f)
{
    if (f->state == FLIGHT_SENT)
        flight_lose(f);
    flight_fail(r, f, GRID_ENOT_PRIMARY);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void flight_refresh(struct router *r, struct flight *f, struct op *op)
{
    *op = f->op;
    op->age_ms += r->now - f->since;
    if (list_empty(&f->stamped))
        return;
    const struct flight *first = list_entry(r->stamped.next, struct flight, stamped);
    op->session.lowest = RULE_OFF(LOWEST) ? r->number : first->op.session.number;
}

/* False: it is answered instead. */
static bool flight_encode(struct router *r, struct flight *f)
{
    struct op op;
    flight_refresh(r, f, &op);
    r->out.len = 0;
    wire_forward_ask(&r->out, f->number, router_revision(r), f->place->round, &op);
    if (r->out.len <= ROUTER_MESSAGE_MAX)
        return true;
    flight_fail(r, f, GRID_ETOO_LARGE);
    return false;
}

static void flight_send(struct router *r, struct flight *f, struct router_link *l)
{
    if (f->asked)
        flight_renumber(r, f);
    if (l && !flight_encode(r, f))
        return;
    f->state = FLIGHT_SENT;
    f->link = l;
    f->revision = router_revision(r);
    f->place->sent++;
    f->place->held--;
    f->place->moved_at = 0;
    r->stats.asked++;
    r->stats.again += f->asked;
    f->asked = true;
    if (l) {
        r->ports.send(r->ports.ctx, l->link, buf_slice(&r->out));
        return;
    }
    struct op op;
    flight_refresh(r, f, &op);
    op.ticket = (struct ticket){.owner = &r->waiter, .number = f->number};
    op.ticket.thread = r->conf.thread;
    r->ports.local(r->ports.ctx, &op);
}

static void place_fail(struct router *r, struct place *p, enum grid_err err)
{
    list_for_each_safe (it, &p->flights) {
        struct flight *f = list_entry(it, struct flight, here);
        if (f->state == FLIGHT_HELD)
            flight_fail(r, f, err);
    }
}

/* Who waits for a node that is down may wait for long, and hears of it, if he asks again by
 * himself. */
static void place_tell(struct router *r, struct place *p, const struct replica_config *c)
{
    bool down = false;
    for (uint8_t i = 0; i < c->in_sync; i++) {
        const struct grid_node *n = grid_state_node(r->state, c->members[i].node);
        down = down || !n || n->state != NODE_UP;
    }
    list_for_each_safe (it, &p->flights) {
        struct flight *f = list_entry(it, struct flight, here);
        if (down && f->state == FLIGHT_HELD && f->op.asks_again)
            flight_give_up(r, f);
    }
}

/* Whom to ask, by what the grid agreed on. False: nobody, for now or for ever. */
static bool place_leader(struct router *r, struct place *p, uint32_t *ret_node)
{
    struct replica_config c;
    if (!r->state)
        return false;
    if (!grid_state_config(r->state, p->key >> 16, p->key & 0xffff, &c)) {
        place_fail(r, p, GRID_ENO_CONTEXT);
        return false;
    }
    if (c.lost)
        place_fail(r, p, GRID_ELOST);
    if (!c.led) {
        place_tell(r, p, &c);
        return false;
    }
    if (c.epoch != p->epoch && p->sent == 0) {
        p->epoch = c.epoch;
        p->tries = 0;
        p->again_at = 0;
    }
    *ret_node = c.members[0].node;
    return true;
}

/* Most that are under way came before. */
static struct list *held_first(struct place *p)
{
    struct list *it = &p->flights;
    for (uint32_t left = p->held; left;) {
        it = it->prev;
        left -= list_entry(it, struct flight, here)->state == FLIGHT_HELD;
    }
    return it;
}

/* Send what is held, if that is possible now. */
static void place_go(struct router *r, struct place *p)
{
    uint32_t node;
    if (!p->held || p->refused || !place_leader(r, p, &node) || r->now < p->again_at ||
        (p->sent && node != p->node))
        return;
    bool here = node == r->self.node;
    struct router_link *l = here ? NULL : link_to(r, node, p->key & 0xffff);
    if (!here && !l)
        return;
    p->node = node;
    for (struct list *it = held_first(p), *next; it != &p->flights; it = next) {
        struct flight *f = list_entry(it, struct flight, here);
        next = it->next;
        if (f->state == FLIGHT_HELD && flight_overtaken(r, f))
            flight_fail(r, f, GRID_ENOT_PRIMARY);
        else if (f->state == FLIGHT_HELD)
            flight_send(r, f, l);
    }
}

/* Something of it came back. It may be gone then. */
static void place_settle(struct router *r, struct place *p)
{
    if (p->refused && p->sent == 0) {
        msec_t wait = (msec_t)AGAIN_MS << p->tries;
        p->again_at = r->now + (wait < AGAIN_MS_MAX ? wait : AGAIN_MS_MAX);
        p->tries += wait < AGAIN_MS_MAX;
        p->round = ++r->round;
        p->refused = false;
    }
    if (!list_empty(&p->flights))
        place_go(r, p);
    if (list_empty(&p->flights))
        place_free(r, p);
}

/* Who was asked and leads no more answers soon, if it lives and hears: that is cheaper than asking
 * another what it may have done. Else its link may be dead for long before it is down. */
static void place_recall(struct router *r, struct place *p)
{
    uint32_t node;
    if (!p->sent || p->node == r->self.node || !place_leader(r, p, &node) || node == p->node)
        return;
    const struct grid_node *n = grid_state_node(r->state, p->node);
    p->moved_at = p->moved_at ? p->moved_at : r->now;
    if (n && n->state == NODE_UP && r->now - p->moved_at < RECALL_MS)
        return;
    list_for_each (it, &p->flights) {
        struct flight *f = list_entry(it, struct flight, here);
        if (f->state == FLIGHT_SENT)
            flight_lose(f);
    }
    p->round = ++r->round;
    p->refused = false;
}

void places_go(struct router *r)
{
    list_for_each_safe (it, &r->places) {
        struct place *p = list_entry(it, struct place, all);
        place_recall(r, p);
        place_settle(r, p);
    }
}

/* --- what comes in ---------------------------------------------------------------------------- */

static bool needs_session(const struct op *op)
{
    return op_changes(op) && !op->has_session && !RULE_OFF(NO_SESSION);
}

static struct flight *flight_new(struct router *r, const struct op *op)
{
    size_t bytes = sizeof(struct flight) + op_copy_bytes(op);
    if (r->waiting && bytes > r->conf.bytes_max - r->bytes)
        return NULL;
    struct flight *f = xalloc(bytes);
    *f = (struct flight){.number = ++r->number, .since = r->now, .bytes = bytes, .op = *op};
    op_copy_fill(&f->op, f + 1);
    f->op.direct = true;
    f->op.local = false; /* no copy here may: the primary does */
    f->op.hash = 0;
    list_init(&f->stamped);
    if (needs_session(op)) {
        f->op.has_session = true;
        f->op.session = (struct record_session){.id = r->conf.session, .number = f->number};
        list_push_back(&r->stamped, &f->stamped);
    }
    flight_add(r, f);
    return f;
}

static void take(struct router *r, const struct op *op)
{
    struct flight *f = flight_new(r, op);
    if (!f) {
        struct result res = {.status = GRID_EBUSY};
        r->ports.reply(r->ports.ctx, &op->ticket, &res);
        return;
    }
    struct place *p = place_find(r, place_key(op));
    if (!p)
        p = place_new(r, place_key(op));
    f->place = p;
    p->held++;
    list_push_back(&p->flights, &f->here);
    place_go(r, p);
    if (list_empty(&p->flights))
        place_free(r, p);
}

/* One that was given to the own shard, on its way there: one before it was refused meanwhile. */
static bool flight_recall(struct router *r, const struct op *op)
{
    struct flight *f = flight_find(r, op->ticket.number);
    if (f && !f->place->refused)
        return false;
    struct result res = {.status = GRID_ENOT_PRIMARY};
    flight_answered(r, NULL, op->ticket.number, router_revision(r), &res);
    return true;
}

void router_take(struct router *r, const struct op *op, msec_t now)
{
    router_now(r, now);
    take(r, op);
}

bool router_takes(struct router *r, const struct op *op, msec_t now)
{
    router_now(r, now);
    if (op->direct && op->ticket.owner == &r->waiter)
        return flight_recall(r, op);
    if (!r->waiting || op->direct || op->all_partitions || op->local ||
        !place_find(r, place_key(op)))
        return false;
    take(r, op);
    return true;
}

/* Not done, though it may be done by and by. `revision`: who is behind knows less. */
static bool refused(const struct flight *f, uint64_t revision, const struct result *res)
{
    switch (res->status) {
    case GRID_ENOT_PRIMARY:
    case GRID_ESTOPPING:
        return true;
    case GRID_EIN_DOUBT: /* the leader changed before its commit; of what is repeated it did not */
        return f->op.has_session && !res->repeated;
    case GRID_ENO_CONTEXT:
    case GRID_ENO_CACHE:
    case GRID_EBAD_REQUEST:
        return revision < f->revision;
    default:
        return false;
    }
}

static bool value_fits(unsigned type, struct slice stored)
{
    return !stored.len || value_valid(type, stored);
}

bool flight_may_be_told(const struct router *r, uint64_t number, const struct result *res)
{
    const struct flight *f = flight_find(r, number);
    if (!f || res->status)
        return true;
    const struct op *op = &f->op;
    if (res->items_len && op->kind != OP_SCAN)
        return false;
    if (op->kind == OP_SCAN && !op->numbered && res->items_len > op->limit)
        return false;
    for (uint32_t i = 0; i < res->items_len; i++)
        if (!value_fits(res->items[i].type, res->items[i].value))
            return false;
    return op->kind != OP_GET || value_fits(res->type, res->value);
}

void flight_answered(struct router *r, struct router_link *l, uint64_t number, uint64_t revision,
                     const struct result *res)
{
    struct flight *f = flight_find(r, number);
    if (!f || f->state != FLIGHT_SENT || f->link != l)
        return; /* given up */
    struct place *p = f->place;
    flight_hold(f);
    if (RULE_OFF(NOT_FOUND) && res->status == GRID_ENOT_PRIMARY)
        flight_fail(r, f, GRID_ENOT_FOUND);
    else if (!refused(f, revision, res))
        flight_deliver(r, f, res);
    else {
        p->refused = true;
        f->doubt = f->doubt || res->status == GRID_EIN_DOUBT;
    }
    place_settle(r, p);
}

void flight_unread(struct router *r, struct router_link *l, uint64_t number, enum grid_err err)
{
    struct flight *f = flight_find(r, number);
    if (!f || f->state != FLIGHT_SENT || f->link != l)
        return;
    struct place *p = f->place;
    flight_lose(f);
    flight_fail(r, f, err);
    place_settle(r, p);
}

static void flight_local(struct router_waiter *w, const struct ticket *to, const struct result *res)
{
    struct router *r = container_of(w, struct router, waiter);
    flight_answered(r, NULL, to->number, router_revision(r), res);
}

void router_result(struct router_waiter *w, const struct ticket *to, const struct result *res)
{
    w->result(w, to, res);
}

void flights_down(struct router *r, struct router_link *l)
{
    list_for_each (it, &r->flights) {
        struct flight *f = list_entry(it, struct flight, all);
        if (f->state == FLIGHT_SENT && f->link == l && !RULE_OFF(DEAD_LINK))
            flight_lose(f);
    }
    places_go(r);
}

void router_set_grid(struct router *r, const struct grid_state *state, struct replica_member self,
                     msec_t now)
{
    router_now(r, now);
    r->state = state && grid_state_founded(state) ? state : NULL;
    r->self = self;
    links_name(r);
    places_go(r);
}

/* --- time ------------------------------------------------------------------------------------- */

/* When the first of what is held may be tried again; ms. */
static msec_t places_next(const struct router *r)
{
    msec_t next = UINT64_MAX;
    list_for_each (it, &r->places) {
        const struct place *p = list_entry(it, struct place, all);
        msec_t recall = p->sent && p->moved_at ? p->moved_at + RECALL_MS : 0;
        if (p->again_at > r->now && p->again_at - r->now < next)
            next = p->again_at - r->now;
        if (recall > r->now && recall - r->now < next)
            next = recall - r->now;
    }
    return next;
}

static msec_t flights_tick(struct router *r)
{
    while (!list_empty(&r->flights)) {
        struct flight *f = list_entry(r->flights.next, struct flight, all);
        if (r->now - f->since < r->conf.hold_ms)
            return f->since + r->conf.hold_ms - r->now;
        struct place *p = f->place;
        flight_give_up(r, f);
        place_settle(r, p);
    }
    return UINT64_MAX;
}

msec_t router_tick(struct router *r, msec_t now)
{
    router_now(r, now);
    msec_t next = flights_tick(r), trips = trips_tick(r);
    places_go(r);
    msec_t places = places_next(r);
    next = trips < next ? trips : next;
    return places < next ? places : next;
}

bool router_busy(const struct router *r)
{
    return r->waiting || !list_empty(&r->trips);
}

/* --- life ------------------------------------------------------------------------------------- */

struct router *router_new(const struct router_conf *conf, const struct router_ports *ports)
{
    struct router *r = xcalloc(1, sizeof *r);
    r->waiter = (struct router_waiter){WAITER_ROUTER, flight_local};
    r->conf = *conf;
    r->ports = *ports;
    if (!r->conf.hold_ms)
        r->conf.hold_ms = ROUTER_HOLD_MS;
    list_init(&r->flights);
    list_init(&r->stamped);
    for (size_t i = 0; i < ROUTER_OWNERS; i++)
        list_init(&r->by_owner[i]);
    list_init(&r->places);
    list_init(&r->links);
    list_init(&r->gone);
    list_init(&r->trips);
    return r;
}

void router_free(struct router *r)
{
    if (!r)
        return;
    trips_free(r);
    links_free(r);
    list_for_each_safe (it, &r->flights)
        free(list_entry(it, struct flight, all));
    list_for_each_safe (it, &r->places)
        free(list_entry(it, struct place, all));
    buf_release(&r->out);
    free(r);
}

void router_stats(const struct router *r, struct router_stats *ret_stats)
{
    *ret_stats = r->stats;
    ret_stats->waiting = r->waiting;
    ret_stats->bytes = r->bytes;
}

/* Each flight is in its partition, each partition has one; either has them in the order they
 * came. */
void router_check(const struct router *r)
{
    size_t flights = 0, bytes = 0, here = 0;
    msec_t last = 0;
    list_for_each (it, &r->flights) {
        const struct flight *f = list_entry(it, struct flight, all);
        CHECK(f->since >= last && flight_find(r, f->number) == f);
        CHECK(place_find(r, place_key(&f->op)) == f->place);
        last = f->since;
        flights++;
        bytes += f->bytes;
    }
    CHECK(flights == r->waiting && bytes == r->bytes);
    list_for_each (it, &r->places) {
        const struct place *p = list_entry(it, struct place, all);
        uint32_t sent = 0, held = 0;
        last = 0;
        CHECK(!list_empty(&p->flights) && p->round <= r->round);
        list_for_each (at, &p->flights) {
            const struct flight *f = list_entry(at, struct flight, here);
            CHECK(f->place == p && f->since >= last);
            last = f->since;
            sent += f->state == FLIGHT_SENT;
            held += f->state == FLIGHT_HELD;
            here++;
        }
        CHECK(sent == p->sent && held == p->held);
    }
    CHECK(here == flights);
}
