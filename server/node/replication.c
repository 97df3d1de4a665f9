/* replication.c - see replication.h. Asks go to the control thread and their outcomes come back as
 * notes; messages go by the data links of this thread. */
#include "node/replication.h"

#include "base/alloc.h"
#include "base/log.h"
#include "control/settings.h"
#include "node/inside.h"
#include "node/membership.h"
#include "node/routing.h"
#include "node/services.h"
#include "wire/peer.h"

#include <stdlib.h>

enum { ROOM_BYTES = 4 << 20, DRAIN_LOOK_MS = 10, DRAIN_MS = 3000 };

struct replication {
    struct worker *worker;
    struct peers *peers;
    struct grid_leases *leases;
    struct grid_state *state; /* NULL: nothing is known yet */
    struct replica_member self;
    bool astray;
    struct loop_timer tick; /* of shard_turn() */
    struct loop_timer look; /* while draining */
    msec_t drain_by;
    struct drain *drain;
    struct shard_message *messages; /* of this turn; what they borrow is good until its end */
    size_t messages_len, messages_cap;
    bool room; /* links took something: the shard may have more */
    bool over; /* drained: it serves nothing any more, whatever it is made primary of */
};

/* --- who is who ------------------------------------------------------------------------------- */

const struct grid_state *replication_state(const struct worker *w)
{
    return w->replication ? w->replication->state : NULL;
}

struct replica_member replication_self(const struct worker *w)
{
    return w->replication ? w->replication->self : (struct replica_member){0, 0};
}

bool replication_astray(const struct worker *w)
{
    return w->replication && w->replication->astray;
}

static const struct grid_node *node_of(const struct replication *r, uint32_t number)
{
    return r->state ? grid_state_node(r->state, number) : NULL;
}

static struct peers_link *link_to(const struct replication *r, uint32_t number, uint32_t shard)
{
    const struct grid_node *n = node_of(r, number);
    return n ? peers_find(r->peers, n->info.id, shard) : NULL;
}

struct peers_link *replication_link(struct worker *w, uint32_t number, uint32_t partition)
{
    const struct grid_node *n = node_of(w->replication, number);
    return n ? peers_find(w->replication->peers, n->info.id, partition % n->info.shards) : NULL;
}

/* The number that the grid gave to who is at the other end; 0: none yet. */
static uint32_t number_of(const struct replication *r, const struct peers_link *k)
{
    const struct grid_node *n =
        r->state ? grid_state_node_by_id(r->state, peers_link_other(k)->node_id) : NULL;
    return n ? n->number : 0;
}

/* --- ports of the shard ----------------------------------------------------------------------- */

static msec_t port_mono(void *ctx)
{
    (void)ctx;
    return clock_mono_ms();
}

static enum peer_class class_of(enum shard_class class)
{
    static const enum peer_class classes[] = {
        [SHARD_URGENT] = PEER_URGENT, [SHARD_RECORDS] = PEER_RECORDS, [SHARD_BULK] = PEER_BULK};
    return classes[class];
}

static void port_peer_send(void *ctx, const struct shard_to *to, enum shard_class class,
                           const struct shard_message *m)
{
    struct worker *w = ctx;
    struct peers_link *k = link_to(w->replication, to->member.node, to->shard);
    if (!k)
        return;
    struct buf *out = peers_begin(k, class_of(class));
    wire_peer_put(out, WIRE_PEER_SHARD);
    wire_shard_encode(m, out);
    peers_end(k);
}

static size_t port_peer_room(void *ctx, const struct shard_to *to, enum shard_class class)
{
    struct worker *w = ctx;
    struct peers_link *k = link_to(w->replication, to->member.node, to->shard);
    if (!k)
        return 0;
    return class != SHARD_BULK || peers_room(k) ? ROOM_BYTES : 0;
}

/* A question of a shard to the control plane, and its answer. */
struct ask {
    struct note note;
    struct worker *worker;
    struct part_change change;
    uint64_t number;
    enum grid_err err;
};

static void answer_run(struct note *n, void *thread)
{
    struct ask *a = container_of(n, struct ask, note);
    struct worker *w = thread;
    shard_answered(w->shard, a->number, a->err, loop_wall_ms(w->loop));
    free(a);
}

static void ask_done(void *ctx, const struct grid_done *d)
{
    struct ask *a = ctx;
    if (d->err == GRID_ECLOSED) {
        free(a);
        return;
    }
    a->err = d->err ? d->err : d->parts_len ? (enum grid_err)d->part_err[0] : GRID_OK;
    log_debug("replica", "context %u partition %u epoch %u: asked kind %d about %u.%u: %s",
              a->change.context, a->change.partition, a->change.epoch, (int)a->change.kind,
              a->change.member.node, a->change.member.boot, a->err ? err_text(a->err) : "done");
    a->note.run = answer_run;
    worker_post(a->worker, &a->note);
}

static void ask_run(struct note *n, void *thread)
{
    struct ask *a = container_of(n, struct ask, note);
    membership_change(thread, &a->change, ask_done, a);
}

static void port_ask(void *ctx, const struct part_change *change, uint64_t number)
{
    struct worker *w = ctx;
    struct ask *a = xalloc(sizeof *a);
    *a = (struct ask){{.run = ask_run}, w, *change, number, GRID_OK};
    loop_post(w->node->loop, &a->note.mail);
}

struct telling {
    struct note note;
    bool is_report;
    union {
        struct plan_report report;
        struct plan_progress progress;
    };
};

static void telling_run(struct note *n, void *thread)
{
    struct telling *t = container_of(n, struct telling, note);
    membership_tell(thread, t->is_report ? &t->report : NULL, t->is_report ? NULL : &t->progress);
    free(t);
}

static void port_report(void *ctx, const struct plan_report *report)
{
    struct worker *w = ctx;
    struct telling *t = xalloc(sizeof *t);
    *t = (struct telling){.note = {.run = telling_run}, .is_report = true, .report = *report};
    loop_post(w->node->loop, &t->note.mail);
}

static void port_progress(void *ctx, const struct plan_progress *progress)
{
    struct worker *w = ctx;
    struct telling *t = xalloc(sizeof *t);
    *t = (struct telling){.note = {.run = telling_run}, .progress = *progress};
    loop_post(w->node->loop, &t->note.mail);
}

static bool port_lease_held(void *ctx, struct replica_member by, uint64_t revision, msec_t now)
{
    struct worker *w = ctx;
    return grid_lease_held(w->replication->leases, by, revision, now);
}

static msec_t port_lease_granted(void *ctx, struct replica_member to)
{
    struct worker *w = ctx;
    return grid_lease_granted(w->replication->leases, to);
}

const struct shard_grid_ports replication_ports = {
    .mono = port_mono,
    .peer_send = port_peer_send,
    .peer_room = port_peer_room,
    .ask = port_ask,
    .report = port_report,
    .progress = port_progress,
    .lease_held = port_lease_held,
    .lease_granted = port_lease_granted,
    .log_read = reading_ask,
};

/* --- links ------------------------------------------------------------------------------------ */

void replication_take(struct worker *w)
{
    struct replication *r = w->replication;
    if (!r->messages_len)
        return;
    shard_receive_all(w->shard, r->messages, r->messages_len, loop_wall_ms(w->loop));
    r->messages_len = 0;
}

static void message_keep(struct replication *r, const struct shard_message *m)
{
    if (r->messages_len == r->messages_cap) {
        r->messages_cap = r->messages_cap ? 2 * r->messages_cap : 64;
        r->messages = xrealloc(r->messages, r->messages_cap, sizeof *r->messages);
    }
    r->messages[r->messages_len++] = *m;
}

/* What a link is to its users. A link may be up before the state knows who is at its other end:
 * then the shard hears of it with the news. */
struct side {
    uint32_t number; /* by which the shard was told; 0: not yet */
    struct router_link *route;
};

static void link_tell(struct replication *r, struct peers_link *k)
{
    uint32_t number = number_of(r, k);
    struct side *side = peers_link_owner(k);
    if (!number || side->number)
        return;
    side->number = number;
    replication_take(r->worker); /* of a link before this one */
    shard_peer_linked(r->worker->shard, number, true, loop_wall_ms(r->worker->loop));
}

static void link_tell_each(void *ctx, struct peers_link *k)
{
    if (peers_link_owner(k))
        link_tell(ctx, k);
}

static void link_up(void *ctx, struct peers_link *k)
{
    struct replication *r = ctx;
    struct side *side = xcalloc(1, sizeof *side);
    peers_link_set_owner(k, side);
    link_tell(r, k);
    side->route = routing_up(r->worker, k);
}

static void link_down(void *ctx, struct peers_link *k, const char *why)
{
    struct replication *r = ctx;
    struct side *side = peers_link_owner(k);
    log_debug("replica", "no link with shard %u of %s: %s", peers_link_other(k)->from_shard,
              peers_link_other(k)->node, why);
    peers_link_set_owner(k, NULL);
    routing_down(r->worker, side->route);
    replication_take(r->worker);
    if (side->number)
        shard_peer_linked(r->worker->shard, side->number, false, loop_wall_ms(r->worker->loop));
    free(side);
}

static void link_room(void *ctx, struct peers_link *k)
{
    (void)k;
    ((struct replication *)ctx)->room = true;
}

static void link_message(void *ctx, struct peers_link *k, enum peer_class class, struct slice body)
{
    struct replication *r = ctx;
    struct worker *w = r->worker;
    (void)class;
    enum wire_peer_kind kind = wire_peer_take(&body);
    if (kind == WIRE_PEER_FORWARD) {
        const struct side *side = peers_link_owner(k);
        if (!routing_message(w, side->route, body))
            peers_link_close(k, "it asked for what makes no sense");
        return;
    }
    uint32_t number = number_of(r, k);
    if (!number)
        return; /* the state does not know it yet: it asks again */
    if (kind != WIRE_PEER_SHARD)
        return;
    struct shard_message m;
    enum grid_err err = wire_shard_decode(body, w->arena, &m);
    if (!err && m.replica.from.node != number)
        err = GRID_EBAD_REQUEST;
    if (err && err != GRID_EUNSUPPORTED)
        peers_link_close(k, "it said what makes no sense");
    else if (!err)
        message_keep(r, &m);
}

/* --- news ------------------------------------------------------------------------------------- */

struct news {
    struct note note;
    struct grid_state *state;
    struct replica_member self;
    bool astray;
};

static void catalog_take(struct worker *w, struct catalog *c)
{
    if (c == w->catalog)
        return;
    catalog_unref(w->catalog);
    w->catalog = catalog_ref(c);
    folding_set_catalog(w, c);
    inside_news(w);
    atomic_store(&w->log_interval_ms, (int)catalog_setting(c, SETTING_log_sync_interval));
}

static void links_want(struct replication *r)
{
    const struct grid_state *s = r->state;
    struct peers_node *nodes = xcalloc(s->nodes_len, sizeof *nodes);
    for (size_t i = 0; i < s->nodes_len; i++) {
        memcpy(nodes[i].id, s->nodes[i].info.id, GRID_ID_BYTES);
        nodes[i].address = s->nodes[i].info.address[ADDRESS_PEER];
        nodes[i].shards = s->nodes[i].info.shards;
    }
    peers_set_grid_id(r->peers, s->grid_id);
    peers_set_nodes(r->peers, nodes, s->nodes_len);
    free(nodes);
}

static void news_run(struct note *note, void *thread)
{
    struct news *n = container_of(note, struct news, note);
    struct worker *w = thread;
    struct replication *r = w->replication;
    struct grid_state *old = r->state;
    worker_do(w); /* what came before is done by what was known then */
    r->state = n->state;
    r->self = n->self;
    w->ports.outside = !r->self.node;
    r->astray = n->astray;
    if (grid_state_founded(r->state)) {
        catalog_take(w, r->state->catalog);
        links_want(r);
    }
    if (r->over)
        r->self = (struct replica_member){0, 0};
    shard_set_grid(w->shard, r->state, r->self, loop_wall_ms(w->loop));
    services_look(w); /* at each state: a lead that went and came back was another's meanwhile */
    peers_each(r->peers, link_tell_each, r);
    routing_news(w, r->state, r->self);
    worker_news(w);
    grid_state_unref(old);
    free(n);
}

void replication_news(struct node *n, struct grid_state *state, struct replica_member self,
                      bool astray)
{
    for (unsigned i = 0; i < n->shards; i++) {
        struct news *news = xalloc(sizeof *news);
        *news = (struct news){{.run = news_run}, grid_state_ref(state), self, astray};
        worker_post(&n->workers[i], &news->note);
    }
}

/* --- hand-overs ------------------------------------------------------------------------------- */

struct handing {
    struct note note;
    struct plan_ask ask;
};

static void handing_run(struct note *n, void *thread)
{
    struct handing *h = container_of(n, struct handing, note);
    struct worker *w = thread;
    (void)shard_hand_over(w->shard, &h->ask, loop_wall_ms(w->loop)); /* the planner asks again */
    free(h);
}

void replication_hand_over(struct node *n, const struct plan_ask *ask)
{
    struct handing *h = xalloc(sizeof *h);
    *h = (struct handing){{.run = handing_run}, *ask};
    worker_post(&n->workers[ask->partition % n->shards], &h->note);
}

static void again_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    shard_say_again(w->shard);
    free(n);
}

void replication_again(struct node *n)
{
    for (unsigned i = 0; i < n->shards; i++) {
        struct note *note = xalloc(sizeof *note);
        *note = (struct note){.run = again_run};
        worker_post(&n->workers[i], note);
    }
}

/* --- leaving ---------------------------------------------------------------------------------- */

/* Hand over what this node leads and others have in sync; how much is left. Who leads then begins
 * when this node has acked as its backup: so it stays for that. */
static unsigned hand_over_all(struct replication *r)
{
    struct worker *w = r->worker;
    unsigned left = 0;
    for (size_t i = 0; r->state && i < r->state->tables_len; i++) {
        const struct grid_table *t = r->state->tables[i];
        for (uint32_t p = w->index; p < t->partitions; p += w->node->shards) {
            struct replica_config c;
            left += !shard_handed_over(w->shard, t->context, p);
            if (!grid_state_config(r->state, t->context, p, &c) || !c.led || c.in_sync < 2 ||
                !replica_member_eq(c.members[0], r->self))
                continue;
            struct plan_ask ask = {t->context, p, (uint32_t)c.epoch, r->self,
                                   c.members[1 + p % (c.in_sync - 1u)]};
            (void)shard_hand_over(w->shard, &ask, loop_wall_ms(w->loop));
            left++;
        }
    }
    return left;
}

struct drain {
    struct note note;
    struct worker *worker;
    void (*done)(struct node *n);
};

/* On control, once for each worker. */
static void drained_run(struct note *note, void *thread)
{
    struct drain *d = container_of(note, struct drain, note);
    struct node *n = thread;
    if (--n->draining == 0)
        d->done(n);
    free(d);
}

static void drain_look(void *ctx)
{
    struct replication *r = ctx;
    struct worker *w = r->worker;
    unsigned left = hand_over_all(r);
    if (left && loop_mono_ms(w->loop) < r->drain_by) {
        loop_timer_set(&r->look, DRAIN_LOOK_MS);
        return;
    }
    if (left)
        log_warn("replica", "shard %u: %u partitions were not handed over", w->index, left);
    /* The leases that others gave are given back next (grid_member_released). */
    r->over = true;
    r->self = (struct replica_member){0, 0};
    if (r->state)
        shard_set_grid(w->shard, r->state, r->self, loop_wall_ms(w->loop));
    struct drain *d = r->drain;
    r->drain = NULL;
    d->note.run = drained_run;
    loop_post(w->node->loop, &d->note.mail);
}

static void drain_run(struct note *note, void *thread)
{
    struct worker *w = thread;
    struct replication *r = w->replication;
    r->drain = container_of(note, struct drain, note);
    r->drain_by = loop_mono_ms(w->loop) + DRAIN_MS;
    loop_timer_set(&r->look, 0);
}

void replication_drain(struct node *n, void (*done)(struct node *n))
{
    n->draining = n->shards;
    for (unsigned i = 0; i < n->shards; i++) {
        struct drain *d = xalloc(sizeof *d);
        *d = (struct drain){{.run = drain_run}, &n->workers[i], done};
        worker_post(&n->workers[i], &d->note);
    }
}

/* --- the turn, life --------------------------------------------------------------------------- */

static void tick_fired(void *ctx)
{
    (void)ctx; /* the turn's end does it */
}

void replication_work(struct worker *w)
{
    struct replication *r = w->replication;
    if (r->room)
        shard_peer_room(w->shard);
    r->room = false;
    msec_t next = shard_turn(w->shard, loop_wall_ms(w->loop));
    atomic_store(&w->settled, shard_settled(w->shard, wal_durable(w->wal)));
    if (next != UINT64_MAX)
        loop_timer_set(&r->tick, next);
}

void replication_send(struct worker *w)
{
    peers_turn_end(w->replication->peers);
}

struct peers *replication_peers(struct worker *w)
{
    return w->replication->peers;
}

void replication_init(struct worker *w, const struct replication_conf *conf)
{
    struct replication *r = w->replication = xcalloc(1, sizeof *r);
    r->worker = w;
    r->leases = conf->leases;
    routing_init(w);
    loop_timer_init(&r->tick, w->loop, tick_fired, r);
    loop_timer_init(&r->look, w->loop, drain_look, r);
    struct peers_conf peers = {
        .loop = w->loop,
        .kind = PEER_DATA,
        .self = conf->self,
        .shard = w->index,
        .tls = conf->tls,
        .resolver = conf->resolver,
        .ports = {r, link_up, link_message, link_room, link_down},
    };
    r->peers = peers_new(&peers);
}

void replication_stop(struct worker *w)
{
    if (!w->replication)
        return;
    loop_timer_stop(&w->replication->tick);
    loop_timer_stop(&w->replication->look);
    loop_timer_stop(&w->route);
    peers_stop(w->replication->peers);
}

void replication_free(struct worker *w)
{
    if (!w->replication)
        return;
    peers_free(w->replication->peers);
    grid_state_unref(w->replication->state);
    free(w->replication->drain);
    free(w->replication->messages);
    free(w->replication);
}
