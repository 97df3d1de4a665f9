/* shards.c - a shard's thread, as server/node has it in worker.c and replication.c: mail, links,
 * turns, and the log of its own on a virtual disk. */
#include "tests/sim/whole/bugs.h"
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"
#include "tests/sim/whole/world.h"

#include "base/alloc.h"
#include "shard/others_priv.h"
#include "wire/peer.h"

#include <stdlib.h>

enum { ROOM_BYTES = 4 << 20, MAIL_MS = 3, ASYNC_MS = 100 };

static struct effect effects[RECORD_EFFECTS_MAX];

/* A turn that began before its thread was stopped has the time of then. */
static msec_t wall(const struct simshard *h)
{
    const struct simnode *n = h->node;
    unsigned actor = 1 + h->index;
    msec_t now = n->stalled_until[actor] == n->w->now ? n->stalled_at[actor] : n->w->now;
    return WALL + now + (msec_t)n->wall;
}

static int node_numbered(const struct simshard *h, uint32_t number)
{
    const struct world *w = h->node->w;
    const struct grid_node *g = h->state ? grid_state_node(h->state, number) : NULL;
    for (unsigned i = 0; g && i < w->nodes_len; i++)
        if (memcmp(w->nodes[i].info.id, g->info.id, GRID_ID_BYTES) == 0)
            return (int)i;
    return -1;
}

static struct simlink *link_to(const struct simshard *h, const struct shard_to *to,
                               unsigned *ret_side)
{
    struct simnode *n = h->node;
    int other = node_numbered(h, to->member.node);
    if (other < 0 || to->shard >= n->w->mix.shards)
        return NULL;
    return net_link(n->w, n->index, 1 + h->index, (unsigned)other, 1 + to->shard, ret_side);
}

/* --- ports ------------------------------------------------------------------------------------ */

void shards_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    struct simshard *h = ctx;
    if (!h->router) { /* who waits may be gone, too */
        world_fail(h->node->w, "node %u ends, and still answers", h->node->index);
        return;
    }
    if (to->owner && to->part != TRAIN) { /* a train is a connection of its own */
        router_result(to->owner, to, res);
        return;
    }
    if (to->part < CLIENTS)
        trace(h->node->w, "node %u tells client %u of attempt %lu: %s", h->node->index, to->part,
              (unsigned long)to->number, res->status ? err_name(res->status) : "done");
    clients_answer(h->node->w, to, res);
}

static uint64_t p_log(void *ctx, const struct record *rec, bool sync)
{
    struct simshard *h = ctx;
    if (h->log_len == h->log_cap) {
        h->log_cap = h->log_cap ? h->log_cap * 2 : 256;
        h->log = xrealloc(h->log, h->log_cap, sizeof *h->log);
    }
    if (h->log_len == h->syncing && !h->wanted)
        h->unsynced_since = h->node->w->now;
    h->log[h->log_len] = (struct buf)BUF_INIT;
    record_encode(rec, &h->log[h->log_len]);
    h->wanted = h->wanted || sync;
    tally.records++;
    return ++h->log_len;
}

static bool p_has_room(void *ctx, size_t bytes)
{
    struct simnode *n = ((struct simshard *)ctx)->node;
    (void)bytes;
    if (n->stored != n->catalog && !bug_blind)
        return false;
    if (n->w->now >= n->full_until || n->room > 0) {
        n->room -= n->w->now < n->full_until;
        return true;
    }
    tally.full++;
    return false;
}

static void p_cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                       uint32_t cache, struct slice key)
{
    struct simnode *n = ((struct simshard *)ctx)->node;
    const struct partition *p = part_of(n, context, partition);
    (void)token, (void)cache, (void)key;
    if (!p || !p->damaged)
        world_fail(n->w, "a cold read, though all is in memory");
}

static void p_cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition,
                        uint32_t cache, uint32_t after_cache, struct slice after, uint32_t limit,
                        size_t bytes)
{
    (void)after_cache, (void)limit, (void)bytes;
    p_cold_get(ctx, token, context, partition, cache, after);
}

static void p_soon(void *ctx)
{
    (void)ctx;
}

static msec_t p_mono(void *ctx)
{
    return node_mono(((struct simshard *)ctx)->node);
}

static void p_send(void *ctx, const struct shard_to *to, enum shard_class class,
                   const struct shard_message *m)
{
    struct simshard *h = ctx;
    unsigned side;
    struct simlink *l = link_to(h, to, &side);
    if (!l)
        return;
    struct buf bytes = BUF_INIT;
    wire_peer_put(&bytes, WIRE_PEER_SHARD);
    wire_shard_encode(m, &bytes);
    net_send(h->node->w, l, side, class, &bytes);
}

static size_t p_room(void *ctx, const struct shard_to *to, enum shard_class class)
{
    unsigned side;
    const struct simlink *l = link_to(ctx, to, &side);
    return l && (class != SHARD_BULK || !l->pipes[side][class].full) ? ROOM_BYTES : 0;
}

static struct event *to_control(struct simshard *h, enum event_kind kind)
{
    struct simnode *n = h->node;
    msec_t at = n->w->now + below(n->w, MAIL_MS);
    h->up_at = at > h->up_at ? at : h->up_at;
    return event_at(n->w, h->up_at, kind, n->index, 0);
}

static void p_ask(void *ctx, const struct part_change *change, uint64_t number)
{
    struct simshard *h = ctx;
    struct event *e = to_control(h, EVENT_ASKED);
    e->class = h->index;
    e->change = *change;
    e->number = number;
    tally.promoted += change->kind == PART_PROMOTE;
    tally.shrunk += change->kind == PART_SHRINK;
    tally.handed += change->kind == PART_HAND_OVER;
    tally.given_back += change->kind == PART_GIVE_BACK;
    trace(h->node->w, "node %u asks for change %d of %u/%u in epoch %u: %u.%u", h->node->index,
          (int)change->kind, change->context, change->partition, change->epoch, change->member.node,
          change->member.boot);
}

static void p_report(void *ctx, const struct plan_report *r)
{
    struct event *e = to_control(ctx, EVENT_TELL);
    e->is_report = true;
    e->report = *r;
}

static void p_progress(void *ctx, const struct plan_progress *p)
{
    to_control(ctx, EVENT_TELL)->progress = *p;
}

static bool p_lease_held(void *ctx, struct replica_member by, uint64_t revision, msec_t now)
{
    return grid_lease_held(grid_member_leases(((struct simshard *)ctx)->node->member), by, revision,
                           now);
}

static msec_t p_lease_granted(void *ctx, struct replica_member to)
{
    return grid_lease_granted(grid_member_leases(((struct simshard *)ctx)->node->member), to);
}

static void p_log_read(void *ctx, struct log_read *l)
{
    struct simshard *h = ctx;
    h->read = l;
    (void)event_at(h->node->w, h->node->w->now + 1 + below(h->node->w, 200), EVENT_READ,
                   h->node->index, 1 + h->index);
}

/* As node/reading.c. What a checkpoint had is given up from time to time. */
static void log_read(struct simshard *h)
{
    struct log_read *l = h->read;
    struct world *w = h->node->w;
    size_t at = l->after > h->log_first ? l->after : h->log_first;
    bool more = true;
    if (below(w, 50) == 0 && h->durable > h->log_first)
        h->log_first += below(w, h->durable - h->log_first);
    while (more && at < h->durable) {
        struct record r;
        struct slice bytes = buf_slice(&h->log[at++]);
        CHECK(record_peek(bytes, &r));
        more = log_read_take(l, at, r.context, r.partition, bytes);
    }
    l->done = at >= h->durable;
    if (l->done)
        l->reached = at;
    tally.surveys += !l->bytes_max;
    tally.pages += l->bytes.len > 0;
    h->read = NULL;
    shard_log_read(h->s, l);
}

static const struct shard_grid_ports grid_ports = {
    p_mono, p_send, p_room, p_ask, p_report, p_progress, p_lease_held, p_lease_granted, p_log_read};

/* --- links, news ------------------------------------------------------------------------------ */

/* The shard hears of a link when the state knows who is at its other end, the router at once. */
void shard_link(struct simshard *h, struct end *end, unsigned other, bool up)
{
    const struct world *w = h->node->w;
    if (!h->s)
        return;
    shard_dirty(h);
    route_link(h, end, other, up);
    if (up && !end->told && h->state) {
        const struct grid_node *g = grid_state_node_by_id(h->state, w->nodes[other].info.id);
        if (!g)
            return;
        end->told = g->number;
        shard_peer_linked(h->s, g->number, true, wall(h));
    } else if (!up && end->told) {
        shard_peer_linked(h->s, end->told, false, wall(h));
        end->told = 0;
    }
}

/* As its checkpoint says at the next start; of a node that goes on under a new boot id, too. */
static void bad_keep(struct simshard *h)
{
    h->bad = xrealloc(h->bad, h->s->partitions_len + 1, sizeof *h->bad);
    h->bad_len = 0;
    list_for_each (it, &h->s->partitions) {
        const struct partition *p = list_entry(it, struct partition, link);
        if (p->damaged && p->context)
            h->bad[h->bad_len++] = (struct bad_copy){p->context_id, p->index};
    }
}

void shard_news(struct simshard *h, struct grid_state *state, struct replica_member self)
{
    struct world *w = h->node->w;
    struct grid_state *old = h->state;
    route_ops(h, wall(h)); /* what came before is done by what was known then */
    h->state = grid_state_ref(state);
    if (h->self.node && !replica_member_eq(h->self, self))
        bad_keep(h);
    h->self = h->over ? (struct replica_member){0, 0} : self;
    shard_set_grid(h->s, h->state, h->self, wall(h));
    for (unsigned i = 0; i < w->nodes_len; i++)
        for (unsigned k = 1; k <= w->mix.shards; k++) {
            unsigned side;
            struct simlink *l = net_link(w, h->node->index, 1 + h->index, i, k, &side);
            if (l)
                shard_link(h, &l->ends[side], i, true);
        }
    route_news(h);
    machine_news(h);
    if (h->index == 0)
        ways_news(h);
    grid_state_unref(old);
}

void shard_message_in(struct simshard *h, struct end *end, struct slice bytes)
{
    struct simnode *n = h->node;
    unsigned from = end->link->ends[1 - end->side].node;
    if (h->s && wire_peer_take(&bytes) == WIRE_PEER_FORWARD) {
        route_message(h, end, bytes);
        shard_dirty(h);
        return;
    }
    const struct grid_node *g =
        h->state ? grid_state_node_by_id(h->state, n->w->nodes[from].info.id) : NULL;
    if (!h->s || !g)
        return; /* the state does not know it yet: it asks again */
    struct shard_message m;
    arena_reset(n->arena);
    enum grid_err err = wire_shard_decode(bytes, n->arena, &m);
    if (err || m.replica.from.node != g->number) {
        world_fail(n->w, "a shard of node %u cannot read what node %u said", n->index, from);
        return;
    }
    shard_receive(h->s, &m, wall(h));
    shard_dirty(h);
}

static unsigned hand_over_all(struct simshard *h)
{
    unsigned left = 0;
    for (size_t i = 0; h->state && i < h->state->tables_len; i++) {
        const struct grid_table *t = h->state->tables[i];
        for (uint32_t p = h->index; p < t->partitions; p += h->node->w->mix.shards) {
            struct replica_config c;
            left += !shard_handed_over(h->s, t->context, p);
            if (!grid_state_config(h->state, t->context, p, &c) || !c.led || c.in_sync < 2 ||
                !replica_member_eq(c.members[0], h->self))
                continue;
            struct plan_ask ask = {t->context, p, (uint32_t)c.epoch, h->self,
                                   c.members[1 + p % (c.in_sync - 1u)]};
            (void)shard_hand_over(h->s, &ask, wall(h));
            left++;
        }
    }
    shard_dirty(h);
    return left;
}

/* As drain_look(): at its end nothing is served any more. */
bool shard_drained(struct simshard *h, bool late)
{
    if (!h->over && (hand_over_all(h) == 0 || late)) {
        h->over = true;
        h->self = (struct replica_member){0, 0};
        if (h->state)
            shard_set_grid(h->s, h->state, h->self, wall(h));
        shard_dirty(h);
    }
    return h->over;
}

/* --- the turn --------------------------------------------------------------------------------- */

static void turn_at(struct simshard *h, msec_t at)
{
    if (h->turn_due && h->turn_due <= at)
        return;
    h->turn_due = at;
    (void)event_at(h->node->w, at, EVENT_TURN, h->node->index, 1 + h->index);
}

void shard_dirty(struct simshard *h)
{
    turn_at(h, h->node->w->now);
}

static void log_sync(struct simshard *h)
{
    struct simnode *n = h->node;
    struct world *w = n->w;
    if (h->syncing > h->durable || h->log_len == h->durable)
        return;
    msec_t by = h->unsynced_since + ASYNC_MS;
    if (!h->wanted && w->now < by) {
        turn_at(h, by);
        return;
    }
    h->wanted = false;
    h->syncing = h->log_len;
    h->unsynced_since = w->now;
    msec_t at = w->now + below(w, w->mix.disk_max + 1);
    if (w->now < n->slow_until)
        at += below(w, 500);
    event_at(w, at, EVENT_SYNCED, n->index, 1 + h->index)->number = h->syncing;
}

static void turn(struct simshard *h)
{
    struct world *w = h->node->w;
    if (h->turn_due > w->now || !h->turn_due)
        return;
    h->turn_due = 0;
    route_ops(h, wall(h));
    route_turn(h);
    if (h->room)
        shard_peer_room(h->s);
    h->room = false;
    machine_turn(h);
    msec_t next = shard_turn(h->s, wall(h));
    h->written = h->log_len;
    log_sync(h);
    if (next != UINT64_MAX)
        turn_at(h, w->now + 1 + (next > 1000 ? 1000 : next));
    if (below(w, 128) == 0)
        shard_check(h->s);
    machine_check(h);
}

static void tick(struct simshard *h)
{
    struct world *w = h->node->w;
    msec_t next = shard_tick(h->s, wall(h));
    next = next > 1000 ? 1000 : next < 10 ? 10 : next;
    (void)event_at(w, w->now + next, EVENT_TICK, h->node->index, 1 + h->index);
}

void shard_event(struct simshard *h, struct event *e)
{
    switch (e->kind) {
    case EVENT_NEWS:
        h->astray = e->astray;
        shard_news(h, e->state, e->self);
        break;
    case EVENT_HAND:
        (void)shard_hand_over(h->s, &e->ask, wall(h));
        break;
    case EVENT_AGAIN:
        shard_say_again(h->s);
        break;
    case EVENT_ANSWERED:
        shard_answered(h->s, e->number, e->err, wall(h));
        break;
    case EVENT_SYNCED:
        h->durable = e->number;
        shard_durable(h->s, h->durable, wall(h));
        break;
    case EVENT_READ:
        log_read(h);
        break;
    case EVENT_OP:
        clients_op(h, e);
        break;
    case EVENT_OWN:
        route_submit(h, e->op);
        break;
    case EVENT_ROUTE:
        route_tick(h);
        return;
    case EVENT_MAP:
        map_event(h);
        break;
    case EVENT_GREET:
        ways_greet(h, e);
        return;
    case EVENT_TICK:
        tick(h);
        break;
    case EVENT_TURN:
        turn(h);
        return;
    default:
        return;
    }
    shard_dirty(h);
}

/* --- damage ----------------------------------------------------------------------------------- */

void shard_damage(struct simshard *h, uint32_t context, uint32_t partition)
{
    tally.damaged++;
    trace(h->node->w, "node %u: partition %u of context %u is damaged", h->node->index, partition,
          context);
    shard_recover_damage(h->s, context, (uint16_t)partition);
    shard_dirty(h);
}

/* --- life ------------------------------------------------------------------------------------- */

static void recover(struct simshard *h)
{
    for (size_t i = 0; i < h->bad_len; i++)
        shard_recover_damage(h->s, h->bad[i].context, h->bad[i].partition);
    for (size_t i = 0; i < h->log_len; i++) {
        struct record r;
        CHECK(record_decode(buf_slice(&h->log[i]), effects, RECORD_EFFECTS_MAX, &r) == GRID_OK);
        if (!shard_recover_record(h->s, &r, i + 1, NULL, NULL))
            world_fail(h->node->w, "node %u: record %zu cannot be recovered", h->node->index,
                       i + 1);
    }
}

void shard_start(struct simshard *h)
{
    struct simnode *n = h->node;
    struct world *w = n->w;
    struct shard_conf conf = {.index = h->index,
                              .shards = w->mix.shards,
                              .epoch = n->starts,
                              .hash_seed = (w->seed * 31 + n->index) * 1009 + n->starts,
                              .tail_bytes = below(w, 2) ? 2048 + below(w, 8192) : 0};
    struct shard_ports ports = {.ctx = h,
                                .reply = shards_reply,
                                .log_append = p_log,
                                .log_has_room = p_has_room,
                                .cold_get = p_cold_get,
                                .cold_scan = p_cold_scan,
                                .checkpoint_soon = p_soon,
                                .grid = &grid_ports,
                                .reroute = route_reroute,
                                .aside = map_aside};
    work_ports(h, &ports);
    h->s = shard_new(&conf, &ports, n->catalog);
    route_start(h);
    h->turn_due = h->mail_at = h->up_at = 0;
    h->room = h->wanted = h->over = h->astray = false;
    h->self = (struct replica_member){0, 0};
    h->written = h->syncing = h->durable = h->log_len;
    recover(h);
    trace(w, "node %u: shard %u has %zu records", n->index, h->index, h->log_len);
    (void)event_at(w, w->now + below(w, 10), EVENT_TICK, n->index, 1 + h->index);
    shard_dirty(h);
}

void shard_stop(struct simshard *h, bool power)
{
    maps_shard_stop(h);
    route_stop(h);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    tally.from_memory += stats.rejoined[0];
    tally.from_log += stats.rejoined[1];
    tally.copied += stats.rejoined[2];
    bad_keep(h);
    shard_free(h->s);
    log_read_free(h->read);
    h->read = NULL;
    h->s = NULL;
    grid_state_unref(h->state);
    h->state = NULL;
    size_t least = power ? h->durable : h->written;
    size_t keep = least + below(h->node->w, h->log_len - least + 1);
    while (h->log_len > keep)
        buf_release(&h->log[--h->log_len]);
    if (h->log_first > h->log_len)
        h->log_first = h->log_len;
}
