/* routing.c - see routing.h. */
#include "node/routing.h"

#include "wire/peer.h"

#include <sys/random.h>

enum { ROUTING_MS = 5, ROUTING_BYTES_MAX = 256 << 20 };

/* --- ports of the router ---------------------------------------------------------------------- */

/* By mail to this worker, so that nothing comes back while the router is at work. */
static void port_local(void *ctx, const struct op *op)
{
    struct worker *w = ctx;
    forward_op(w, op, w->index);
}

static void port_submit(void *ctx, struct op *op)
{
    worker_submit(ctx, op);
}

static void port_send(void *ctx, void *link, struct slice message)
{
    (void)ctx;
    struct buf *out = peers_begin(link, PEER_RECORDS);
    wire_peer_put(out, WIRE_PEER_FORWARD);
    buf_add(out, message.data, message.len);
    peers_end(link);
}

static void port_everywhere(void *ctx, const struct ticket *to, const struct errand *errand)
{
    everywhere_here(ctx, to, errand);
}

/* --- what the thread tells it ----------------------------------------------------------------- */

static msec_t now_of(const struct worker *w)
{
    return loop_mono_ms(w->loop);
}

struct router_link *routing_up(struct worker *w, struct peers_link *k)
{
    const struct peer_hello *other = peers_link_other(k);
    return router_up(w->router, other->node_id, other->from_shard, k, now_of(w));
}

void routing_down(struct worker *w, struct router_link *l)
{
    router_down(w->router, l, now_of(w));
}

bool routing_message(struct worker *w, struct router_link *l, struct slice body)
{
    return router_message(w->router, l, body, w->arena, now_of(w));
}

void routing_news(struct worker *w, const struct grid_state *state, struct replica_member self)
{
    router_set_grid(w->router, state, self, now_of(w));
}

void routing_reroute(void *ctx, const struct op *op)
{
    struct worker *w = ctx;
    if (unlikely(atomic_load_explicit(&w->node->refused, memory_order_relaxed))) {
        worker_reply(w, &op->ticket, &(struct result){.status = GRID_EENTERING});
        return;
    }
    router_take(w->router, op, now_of(w));
}

bool routing_takes(struct worker *w, const struct op *op)
{
    return router_takes(w->router, op, now_of(w));
}

/* --- time, life ------------------------------------------------------------------------------- */

static void routing_tick(void *ctx)
{
    struct worker *w = ctx;
    w->routing = false;
    (void)router_tick(w->router, now_of(w));
}

void routing_turn(struct worker *w)
{
    if (w->routing || !router_busy(w->router))
        return;
    w->routing = true;
    loop_timer_set(&w->route, ROUTING_MS);
}

void routing_init(struct worker *w)
{
    struct router_conf conf = {.thread = w->index,
                               .bytes_max = ROUTING_BYTES_MAX / w->node->shards};
    struct router_ports ports = {w,         port_local,     port_submit, worker_reply,
                                 port_send, port_everywhere};
    CHECK(getrandom(conf.session.bytes, sizeof conf.session.bytes, 0) == sizeof conf.session.bytes);
    w->router = router_new(&conf, &ports);
    loop_timer_init(&w->route, w->loop, routing_tick, w);
}

void routing_release(struct worker *w)
{
    if (!w->router)
        return;
    router_free(w->router);
    w->router = NULL;
}
