/* routes.c - the router of a shard's thread, as server/node/routing.c has it: its links, its clock,
 * the mail to itself, and the ops of a turn. */
#include "tests/sim/whole/machine.h"

#include "base/alloc.h"
#include "session/router_priv.h"
#include "wire/peer.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUTING_MS = 5, MAIL_MS = 3, NODE_BYTES = 64 << 10 };

static msec_t mono(const struct simshard *h)
{
    return node_mono(h->node);
}

struct op *route_keep(const struct op *op)
{
    struct op *copy = xalloc(sizeof *copy + op_copy_bytes(op));
    *copy = *op;
    op_copy_fill(copy, copy + 1);
    return copy;
}

/* --- ports ------------------------------------------------------------------------------------ */

static void p_local(void *ctx, const struct op *op)
{
    struct simshard *h = ctx;
    struct world *w = h->node->w;
    msec_t at = w->now + below(w, MAIL_MS);
    h->own_at = at > h->own_at ? at : h->own_at;
    event_at(w, h->own_at, EVENT_OWN, h->node->index, 1 + h->index)->op = route_keep(op);
}

static void p_submit(void *ctx, struct op *op)
{
    route_submit(ctx, op);
}

static void p_send(void *ctx, void *link, struct slice message)
{
    struct simshard *h = ctx;
    struct end *end = link;
    struct buf bytes = BUF_INIT;
    wire_peer_put(&bytes, WIRE_PEER_FORWARD);
    buf_add(&bytes, message.data, message.len);
    net_send(h->node->w, end->link, end->side, SHARD_RECORDS, &bytes);
    tally.passed++;
}

static void p_everywhere(void *ctx, const struct ticket *to, const struct errand *errand)
{
    machine_errand(ctx, to, errand);
}

/* --- what the thread tells it ----------------------------------------------------------------- */

void route_link(struct simshard *h, struct end *end, unsigned other, bool up)
{
    machine_enter(h->node);
    if (up && !end->route) {
        unsigned shard = end->link->ends[1 - end->side].actor - 1;
        end->route = router_up(h->router, h->node->w->nodes[other].info.id, shard, end, mono(h));
    } else if (!up && end->route) {
        router_down(h->router, end->route, mono(h));
        end->route = NULL;
    }
}

void route_message(struct simshard *h, struct end *end, struct slice body)
{
    struct simnode *n = h->node;
    arena_reset(n->arena);
    if (!n->w->calm && chance(n->w, n->w->mix.crowd)) {
        (void)arena_alloc(n->arena, ARENA_BYTES);
        tally.crowded++;
    }
    if (end->route && !router_message(h->router, end->route, body, n->arena, mono(h)))
        world_fail(n->w, "the router of node %u was told what makes no sense", n->index);
}

void route_news(struct simshard *h)
{
    router_set_grid(h->router, h->state, h->self, mono(h));
}

/* Done at the end of the turn, as all that came in it. */
void route_submit(struct simshard *h, const struct op *op)
{
    shard_dirty(h);
    if (router_takes(h->router, op, mono(h)))
        return;
    if (h->ops_len == h->ops_cap) {
        h->ops_cap = h->ops_cap ? 2 * h->ops_cap : 16;
        h->ops = xrealloc(h->ops, h->ops_cap, sizeof *h->ops);
    }
    h->ops[h->ops_len++] = route_keep(op);
}

void route_reroute(void *ctx, const struct op *op)
{
    struct simshard *h = ctx;
    struct grid_member_status s;
    grid_member_status(h->node->member, mono(h), &s);
    if (s.for_good)
        shards_reply(h, &op->ticket, &(struct result){.status = GRID_EENTERING});
    else
        router_take(h->router, op, mono(h));
}

static void ops_free(struct simshard *h)
{
    while (h->ops_len)
        free(h->ops[--h->ops_len]);
}

void route_ops(struct simshard *h, msec_t wall)
{
    shard_submit_all(h->s, h->ops, h->ops_len, wall);
    ops_free(h);
}

void route_turn(struct simshard *h)
{
    struct world *w = h->node->w;
    if (h->routing || !router_busy(h->router))
        return;
    h->routing = true;
    (void)event_at(w, w->now + ROUTING_MS, EVENT_ROUTE, h->node->index, 1 + h->index);
}

void route_tick(struct simshard *h)
{
    h->routing = false;
    (void)router_tick(h->router, mono(h));
    if (below(h->node->w, 64) == 0)
        router_check(h->router);
    route_turn(h);
}

/* For who looks for a fault. */
void route_show(const struct simshard *h)
{
    const struct simnode *n = h->node;
    list_for_each (it, &h->router->flights) {
        const struct flight *f = list_entry(it, struct flight, all);
        printf("node %u: since %lu op %d of %x/%u of %u, attempt %lx, is %s%s\n", n->index,
               (unsigned long)(node_mono(n) - f->since), (int)f->op.kind, f->op.cache,
               f->op.partition, f->op.ticket.part, (unsigned long)f->op.ticket.number,
               f->state == FLIGHT_SENT ? "sent" : "held", f->link ? " to another node" : "");
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void route_start(struct simshard *h)
{
    struct world *w = h->node->w;
    struct router_conf conf = {.thread = h->index, .hold_ms = w->mix.hold};
    struct router_ports ports = {h, p_local, p_submit, shards_reply, p_send, p_everywhere};
    conf.bytes_max = below(w, 8) ? (size_t)NODE_BYTES << 10 : NODE_BYTES;
    for (unsigned i = 0; i < SESSION_ID_BYTES; i++)
        conf.session.bytes[i] = (uint8_t)(64 + below(w, 192)); /* no client has such */
    h->router = router_new(&conf, &ports);
    h->routing = false;
    h->own_at = 0;
}

void route_stop(struct simshard *h)
{
    struct router_stats stats;
    router_stats(h->router, &stats);
    tally.again += stats.again;
    tally.served += stats.served;
    tally.given_up += stats.in_doubt;
    router_free(h->router);
    h->router = NULL;
    ops_free(h);
    free(h->ops);
    h->ops = NULL;
    h->ops_cap = 0;
}
