/* node.c - one process: its clock, its leases, what the control plane tells it, and the ports of
 * its replica. shard.c has what is in the partition. */
#include "base/alloc.h"
#include "base/list.h"
#include "tests/sim/replica/world.h"

#include <stdlib.h>
#include <string.h>

static const struct replica_times node_times = {
    .timeout_ms = 600, .retry_ms = 60, .tell_ms = 15, .stop_ms = 250};

msec_t node_now(const struct node *n)
{
    return (n->offset_us + n->w->now * n->rate / 1000) / 1000;
}

static struct node *node_of(struct replica *r)
{
    return container_of(r, struct node, r);
}

/* --- ports ------------------------------------------------------------------------------------ */

static struct packet *packet_new(const struct replica_message *m)
{
    struct packet *p = xcalloc(1, sizeof *p);
    p->kind = PACKET_REPLICA;
    p->m = *m;
    return p;
}

static void records_copy(struct packet *p, const struct node *n, uint64_t first, uint64_t last)
{
    p->records_len = last >= first ? last - first + 1 : 0;
    if (!p->records_len)
        return;
    p->records = xalloc(p->records_len * sizeof *p->records);
    memcpy(p->records, n->log + first - 1, p->records_len * sizeof *p->records);
}

static void on_send(void *ctx, struct replica *r, struct replica_member to,
                    const struct replica_message *m)
{
    (void)ctx;
    struct node *n = node_of(r);
    struct packet *p = packet_new(m);
    n->w->tally.stale += m->kind == REPLICA_REFUSED;
    if (m->kind == REPLICA_STATUS)
        p->m.pieces = n->in_next;
    if (m->kind == REPLICA_COPY)
        records_copy(p, n, 1, m->history.last & SEQ_MASK);
    world_send(n->w, n->number, to.node, p);
}

static enum replica_kept on_kept(void *ctx, struct replica *r, uint64_t version)
{
    (void)ctx;
    struct node *n = node_of(r);
    uint64_t seq = version & SEQ_MASK;
    if (seq >= n->floor)
        return REPLICA_KEPT;
    if (n->w->mix.durability == DURABILITY_MEMORY || seq < n->gone)
        return REPLICA_GONE;
    return chance(n->w, 300) ? REPLICA_UNKNOWN : REPLICA_STORED;
}

static bool on_recall(void *ctx, struct replica *r)
{
    (void)ctx;
    struct node *n = node_of(r);
    if (n->recalled)
        return false;
    n->w->tally.recalled++;
    n->recalled = true;
    struct replica_history older;
    disk_history(&n->disk, &older);
    replica_recalled(r, &older);
    return true;
}

enum { RECORDS_PER_MESSAGE = 16 };

/* What memory does not have any more, for who is not in sync. */
static uint64_t stored_stream(struct node *n, struct replica_member to,
                              const struct replica_message *m)
{
    struct sim_record records[RECORDS_PER_MESSAGE];
    if (!replica_rejoins(&n->r, to) || n->w->mix.durability == DURABILITY_MEMORY ||
        (m->version & SEQ_MASK) < n->gone)
        return UINT64_MAX;
    if (chance(n->w, 300)) { /* it takes its time */
        n->woken = true;
        return m->version;
    }
    size_t len = disk_read(n, m->version, records, RECORDS_PER_MESSAGE);
    if (!len && (n->durable & SEQ_MASK) <= (m->version & SEQ_MASK))
        return m->version; /* it is on its way to the disk */
    if (!len) {
        n->gone = n->floor;
        return UINT64_MAX;
    }
    n->w->tally.stored++;
    struct packet *p = packet_new(m);
    p->records_len = len;
    p->records = xalloc(len * sizeof *p->records);
    memcpy(p->records, records, len * sizeof *p->records);
    world_send(n->w, n->number, to.node, p);
    return records[len - 1].version;
}

static uint64_t on_stream(void *ctx, struct replica *r, struct replica_member to,
                          const struct replica_message *m)
{
    struct node *n = node_of(r);
    uint64_t first = (m->version & SEQ_MASK) + 1, last = replica_last(r) & SEQ_MASK;
    (void)ctx;
    if (first <= n->floor)
        return stored_stream(n, to, m);
    if (last >= first + RECORDS_PER_MESSAGE)
        last = first + RECORDS_PER_MESSAGE - 1;
    struct packet *p = packet_new(m);
    records_copy(p, n, first, last);
    world_send(n->w, n->number, to.node, p);
    return last >= first ? n->log[last - 1].version : m->version;
}

static void answer_later(struct node *n, const struct proposal *q, enum grid_err err, usec_t delay)
{
    struct event *e = world_post_to(n->w, delay, EVENT_ANSWER, n->number);
    e->a = (uint64_t)err;
    struct proposal *copy = xalloc(sizeof *copy);
    *copy = *q;
    e->data = copy;
}

static void on_ask(void *ctx, struct replica *r, enum replica_ask what, struct replica_member about)
{
    (void)ctx;
    static const enum part_change_kind kinds[] = {0, PART_SHRINK, PART_PROMOTE, PART_HAND_OVER,
                                                  PART_GIVE_BACK};
    struct node *n = node_of(r);
    struct world *w = n->w;
    struct proposal q = {what, {kinds[what], w->control.context, 0, r->epoch, about}};
    if (w->cut[n->number][0]) {
        w->tally.in_doubt++;
        answer_later(n, &q, GRID_EIN_DOUBT, 100000 + below(w, 400000));
        return;
    }
    bool late = chance(w, w->mix.late_proposal);
    struct event *e = world_post(w, w->now + (late ? 300000 + below(w, 2000000) : world_delay(w)),
                                 EVENT_PROPOSAL, 0);
    e->from = n->number;
    e->process = 0;
    e->a = n->process;
    e->b = late;
    struct proposal *copy = xalloc(sizeof *copy);
    *copy = q;
    e->data = copy;
    if (late)
        answer_later(n, &q, GRID_EIN_DOUBT, 50000 + below(w, 200000));
}

static void on_copy(void *ctx, struct replica *r, struct replica_member to, uint32_t round)
{
    (void)ctx;
    struct node *n = node_of(r);
    n->w->tally.copies++;
    n->out[to.node - 1] = (struct outgoing){true, round, 0, to};
    struct event *e = world_post_to(n->w, world_delay(n->w), EVENT_COPY, n->number);
    e->a = to.node;
    e->b = round;
}

static bool on_copy_on(void *ctx, struct replica *r, struct replica_member to, uint64_t pieces)
{
    (void)ctx;
    struct node *n = node_of(r);
    struct outgoing *o = &n->out[to.node - 1];
    if (!o->on || pieces > o->next)
        return false;
    bool ended = o->next > KEYS + 1;
    o->next = (unsigned)pieces;
    if (!ended || pieces > KEYS + 1)
        return true;
    struct event *e = world_post_to(n->w, 500, EVENT_COPY, n->number);
    e->a = to.node;
    e->b = o->round;
    return true;
}

static void on_copy_end(void *ctx, struct replica *r, struct replica_member to)
{
    (void)ctx;
    node_of(r)->out[to.node - 1].on = false;
}

static void on_cut(void *ctx, struct replica *r, uint64_t common, uint32_t round)
{
    (void)ctx;
    struct node *n = node_of(r);
    n->cut_round = round;
    n->cut_common = common;
    n->cut_asked = true;
}

static void on_wipe(void *ctx, struct replica *r, bool copying, uint32_t round)
{
    (void)ctx;
    struct node *n = node_of(r);
    struct item it = {.kind = ITEM_WIPE, .version = replica_last(r)};
    n->damaged = n->silent = false;
    if (!RULE_OFF(NOT_WIPED) || !copying)
        memset(&n->content, 0, sizeof n->content);
    n->floor = 0;
    if (copying) {
        const struct packet *p = n->arriving;
        n->floor = p->records_len;
        n->in_round = round;
        n->in_next = 0;
        it.records_len = p->records_len;
        it.records = xalloc(1 + p->records_len * sizeof *p->records);
        if (p->records_len) {
            memcpy(it.records, p->records, p->records_len * sizeof *p->records);
            memcpy(n->log, p->records, p->records_len * sizeof *p->records);
        }
    }
    n->seen_commit = 0;
    shard_item(n, &it);
}

static void on_wake(void *ctx, struct replica *r)
{
    (void)ctx;
    node_of(r)->woken = true;
}

static bool on_lease(void *ctx, struct replica *r, struct replica_member by, msec_t now)
{
    (void)ctx;
    struct node *n = node_of(r);
    if (!grid_state_lives(n->state, by))
        return true;
    return n->held[by.node].boot == by.boot && now < n->held[by.node].until &&
           (n->held[by.node].revision <= n->state->revision || RULE_OFF(REVISION_BLIND));
}

static msec_t on_granted(void *ctx, struct replica *r, struct replica_member to)
{
    (void)ctx;
    struct node *n = node_of(r);
    if (!to.node)
        return node_now(n) + GRACE_MS;
    msec_t floor = n->started + GRACE_MS;
    return n->granted[to.node] > floor ? n->granted[to.node] : floor;
}

const struct replica_ports node_ports = {.send = on_send,
                                         .stream = on_stream,
                                         .kept = on_kept,
                                         .recall = on_recall,
                                         .ask = on_ask,
                                         .copy = on_copy,
                                         .copy_on = on_copy_on,
                                         .copy_end = on_copy_end,
                                         .cut = on_cut,
                                         .wipe = on_wipe,
                                         .wake = on_wake,
                                         .lease_held = on_lease,
                                         .lease_granted = on_granted};

/* --- life ------------------------------------------------------------------------------------- */

void node_init(struct world *w, uint32_t number)
{
    struct node *n = &w->nodes[number];
    struct sim_record *log = n->log;
    memset(n, 0, sizeof *n);
    n->log = log ? log : xalloc(LOG_MAX * sizeof *log);
    n->w = w;
    n->number = number;
    n->lives = 1;
    n->rate = 1000 - w->mix.rate / 2 + below(w, w->mix.rate + 1);
    n->offset_us = 1000000 + below(w, 1000000000);
    n->disk_us = 100 + below(w, w->mix.disk_us);
}

/* What it knew of the grid, and who it was in it. */
static void node_forget(struct node *n)
{
    grid_state_unref(n->state);
    n->state = NULL;
    memset(n->held, 0, sizeof n->held);
    memset(n->granted, 0, sizeof n->granted);
    memset(n->heard, 0, sizeof n->heard);
    memset(n->out, 0, sizeof n->out);
    n->waiting_len = 0;
    n->tick_at = 0;
    n->woken = n->cut_asked = n->entering = false;
}

void node_start(struct node *n)
{
    struct world *w = n->w;
    n->alive = true;
    n->paused_until = 0;
    n->started = node_now(n);
    n->seen_commit = 0;
    replica_open(&n->r, &node_ports, &node_times);
    memset(&n->content, 0, sizeof n->content);
    n->floor = n->restated = n->gone = 0;
    n->recalled = false;
    shard_recover(n);
    if (!RULE_OFF(SAME_LIFE) || n->lives == 1)
        n->self = (struct replica_member){0};
    world_post_to(w, below(w, BEAT_MS * 1000), EVENT_BEAT, n->number);
}

void node_stop(struct node *n)
{
    struct world *w = n->w;
    size_t unsynced = n->disk.len - n->disk.synced;
    size_t keep = n->disk.synced + below(w, unsynced + 1);
    if (RULE_OFF(LYING_DISK))
        keep = below(w, n->disk.len + 1);
    if (w->mix.durability == DURABILITY_MEMORY)
        keep = 0;
    disk_cut(&n->disk, keep);
    disk_durable(n);
    replica_close(&n->r);
    node_forget(n);
    n->alive = false;
    n->process++;
    if (!RULE_OFF(SAME_LIFE))
        n->lives++;
}

void node_release(struct node *n)
{
    if (n->alive)
        replica_close(&n->r);
    node_forget(n);
    disk_cut(&n->disk, 0);
    free(n->disk.items);
    n->disk.items = NULL;
    n->disk.cap = 0;
}

/* --- the control plane ------------------------------------------------------------------------ */

static void boot_id(const struct node *n, uint8_t *id)
{
    memset(id, 0, GRID_ID_BYTES);
    id[0] = (uint8_t)n->number;
    id[1] = (uint8_t)n->lives;
    id[2] = (uint8_t)(n->lives >> 8);
    id[15] = 1;
}

static void enter(struct node *n)
{
    struct world *w = n->w;
    n->entering = true;
    if (w->cut[n->number][0])
        return;
    struct event *e = world_post(w, w->now + world_delay(w), EVENT_ENTER, 0);
    e->from = n->number;
    e->a = n->lives;
}

/* Its boot in the state says who it is. */
static void identify(struct node *n)
{
    uint8_t id[GRID_ID_BYTES];
    boot_id(n, id);
    const struct grid_node *g = grid_state_node(n->state, n->number);
    if (memcmp(g->info.boot_id, id, sizeof id) != 0)
        return;
    if (g->state != NODE_UP) {
        n->lives++; /* over before it began */
        return;
    }
    n->self = (struct replica_member){g->number, g->boot};
    n->entering = false;
}

static void state_arrived(struct node *n, struct event *e)
{
    struct grid_state *s = e->data;
    if (n->state && s->revision <= n->state->revision)
        return;
    e->data = n->state;
    n->state = s;
    if (!n->self.node)
        identify(n);
    if (n->self.node && !grid_state_lives(s, n->self)) {
        n->w->tally.returns++;
        replica_configure(&n->r, NULL, n->self, 0, node_now(n));
        n->self = (struct replica_member){0};
        n->lives++;
        n->silent = n->damaged;
    }
    struct replica_config c;
    if (!n->self.node) {
        enter(n);
        return;
    }
    CHECK(grid_state_config(s, n->w->control.context, 0, &c));
    const struct context_info *info = catalog_context(s->catalog, n->w->control.context);
    uint8_t before = n->r.phase;
    uint64_t epoch = n->r.epoch;
    replica_configure(&n->r, &c, n->self, info->min_in_sync, node_now(n));
    if (n->r.phase == REPLICA_TAKEOVER && (before != REPLICA_TAKEOVER || n->r.epoch > epoch))
        n->w->tally.takeovers++;
}

/* --- beacons and leases (R7) ------------------------------------------------------------------ */

static void beacons(struct node *n)
{
    struct world *w = n->w;
    world_post_to(w, BEAT_MS * 1000 + below(w, 2000), EVENT_BEAT, n->number);
    if (!n->state || (!n->self.node && !n->entering))
        enter(n); /* also: send me the state */
    else if (n->entering)
        enter(n);
    if (!w->cut[n->number][0]) {
        struct event *e = world_post(w, w->now + world_delay(w), EVENT_HEARTBEAT, 0);
        e->from = n->number;
        e->a = n->self.boot;
        if (n->r.role == REPLICA_WAITING)
            e->b = 1 + (n->r.copying || n->damaged ? 0 : replica_last(&n->r));
    }
    if (!n->self.node)
        return;
    for (uint32_t i = 1; i <= w->mix.nodes; i++) {
        if (i == n->number)
            continue;
        struct packet *p = xcalloc(1, sizeof *p);
        p->kind = PACKET_BEACON;
        p->m.from = n->self;
        p->sent = node_now(n);
        p->to = n->heard[i];
        p->echo = n->heard_sent[i];
        p->revision = n->state->revision;
        world_send(w, n->number, i, p);
    }
}

static void beacon_arrived(struct node *n, const struct packet *p)
{
    struct replica_member from = p->m.from;
    if (!n->self.node || !n->state || !grid_state_lives(n->state, from))
        return;
    msec_t now = node_now(n);
    n->heard[from.node] = from;
    n->heard_sent[from.node] = p->sent;
    if (now + GRACE_MS > n->granted[from.node])
        n->granted[from.node] = now + GRACE_MS;
    if (!replica_member_eq(p->to, n->self))
        return;
    msec_t until = p->echo + LEASE_MS;
    if (n->held[from.node].boot == from.boot && n->held[from.node].until >= until)
        return;
    if (n->held[from.node].revision < p->revision)
        n->held[from.node].revision = p->revision;
    n->held[from.node].boot = from.boot;
    n->held[from.node].until = until;
}

/* --- what happens ----------------------------------------------------------------------------- */

static void hand_over(struct node *n, uint32_t to)
{
    struct replica_view v;
    for (unsigned i = 0; replica_view(&n->r, i, &v); i++)
        if (v.member.node == to)
            replica_hand_over(&n->r, v.member, node_now(n));
}

void node_event(struct node *n, struct event *e)
{
    struct packet *p = e->data;
    switch (e->kind) {
    case EVENT_PACKET:
        if (p->kind == PACKET_BEACON)
            beacon_arrived(n, p);
        else
            shard_packet(n, e->from, p);
        break;
    case EVENT_DISK:
        shard_disk_done(n);
        break;
    case EVENT_TICK:
        n->tick_at = 0;
        replica_tick(&n->r, node_now(n));
        break;
    case EVENT_BEAT:
        n->leased = RULE_OFF(LEASE_FIRST) && replica_reads(&n->r, node_now(n));
        shard_expire(n);
        beacons(n);
        break;
    case EVENT_REQUEST:
        shard_request(n, e);
        break;
    case EVENT_READ:
        shard_read(n, e->data);
        break;
    case EVENT_STATE:
        state_arrived(n, e);
        break;
    case EVENT_ANSWER:
        replica_answered(&n->r, ((struct proposal *)e->data)->change.epoch,
                         ((struct proposal *)e->data)->what, (enum grid_err)e->a, node_now(n));
        break;
    case EVENT_HAND_OVER:
        hand_over(n, (uint32_t)e->a);
        break;
    case EVENT_LINK:
        replica_linked(&n->r, (uint32_t)e->a, e->b, node_now(n));
        break;
    case EVENT_COPY:
        shard_copy_step(n, (uint32_t)e->a, (uint32_t)e->b);
        break;
    default:
        CHECK(false && "an event of a node");
    }
}

static void tick_set(struct node *n)
{
    msec_t next = replica_next(&n->r), now = node_now(n);
    if (next == UINT64_MAX)
        return;
    usec_t at = n->w->now + 1 + (next > now ? (next - now) * 1000 * 1000 / n->rate : 0);
    if (n->tick_at && n->tick_at <= at)
        return;
    n->tick_at = at;
    world_post_to(n->w, at - n->w->now, EVENT_TICK, n->number);
}

void node_turn(struct node *n)
{
    if (n->cut_asked)
        shard_cut(n);
    if (n->woken) {
        n->woken = false;
        replica_flush(&n->r, node_now(n));
    }
    n->w->tally.served += n->phase == REPLICA_TAKEOVER && n->r.phase == REPLICA_SERVING;
    n->phase = n->r.phase;
    replica_check(&n->r);
    shard_committed(n);
    if (n->cut_asked)
        shard_cut(n);
    shard_sync(n);
    tick_set(n);
}
