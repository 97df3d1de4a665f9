/* node.c - a process: its life, and its control thread, as server/node/membership.c has it. */
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "control/level.h"
#include "wire/control.h"
#include "wire/peer.h"

#include <stdio.h>
#include <stdlib.h>

enum { ASK_MS = 5000, LEAVE_MS = 2000, DRAIN_MS = 3000, MAIL_MS = 3 };

/* Tickets of the member: an ask of a shard, or an operator's. */
enum { TICKET_NONE = 0, TICKET_OPERATOR = 1, TICKET_LEAVE = 2 };

msec_t node_mono(const struct simnode *n)
{
    return n->offset + (msec_t)((double)n->w->now * n->rate);
}

msec_t node_true(const struct simnode *n, msec_t local)
{
    if (local <= node_mono(n))
        return n->w->now;
    double at = (double)(local - n->offset) / n->rate + 1;
    return at > 1e12 ? (msec_t)1e12 : (msec_t)at > n->w->now ? (msec_t)at : n->w->now + 1;
}

bool node_stalled(const struct simnode *n, unsigned actor)
{
    return n->stalled_until[actor] > n->w->now;
}

msec_t node_wall(const struct simnode *n)
{
    return WALL + n->w->now + (msec_t)n->wall;
}

/* --- what the member wants -------------------------------------------------------------------- */

static void send_on(struct simnode *n, unsigned to, const struct grid_message *msg)
{
    unsigned side, class = msg->kind == GRID_MSG_PIECE   ? SHARD_BULK
                           : msg->kind == GRID_MSG_DELTA ? SHARD_RECORDS
                                                         : SHARD_URGENT;
    struct simlink *l = net_link(n->w, n->index, 0, to, 0, &side);
    if (!l)
        return;
    struct buf bytes = BUF_INIT;
    wire_grid_encode(msg, &bytes);
    net_send(n->w, l, side, class, &bytes);
}

static void port_send(void *ctx, const struct grid_to *to, const struct grid_message *msg)
{
    struct simnode *n = ctx;
    struct world *w = n->w;
    static const uint8_t nobody[GRID_ID_BYTES];
    bool all = memcmp(to->id, nobody, GRID_ID_BYTES) == 0;
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (i != n->index &&
            (all ? !n->broadcast : memcmp(to->id, w->nodes[i].info.id, GRID_ID_BYTES) == 0))
            send_on(n, i, msg);
    n->broadcast = n->broadcast || all;
}

static void port_persist(void *ctx, const struct grid_persist *job)
{
    struct simnode *n = ctx;
    struct world *w = n->w;
    struct write *write = write_new(job);
    *n->writes_end = write;
    n->writes_end = &write->next;
    msec_t start = n->disk_free_at > w->now ? n->disk_free_at : w->now;
    start = start > n->full_until ? start : n->full_until;
    n->disk_free_at = start + below(w, w->mix.disk_max + 1);
    if (w->now < n->slow_until)
        n->disk_free_at += below(w, 300);
    event_at(w, n->disk_free_at, EVENT_WRITTEN, n->index, 0)->number = job->job;
}

static void port_publish(void *ctx, struct grid_state *state)
{
    struct simnode *n = ctx;
    check_published(n, state);
    grid_state_unref(n->news);
    grid_state_unref(n->last);
    n->news = grid_state_ref(state);
    n->last = grid_state_ref(state);
}

static struct event *to_shard(struct simnode *n, unsigned shard, enum event_kind kind)
{
    struct simshard *h = &n->shards[shard];
    msec_t at = n->w->now + below(n->w, MAIL_MS);
    h->mail_at = at > h->mail_at ? at : h->mail_at;
    return event_at(n->w, h->mail_at, kind, n->index, 1 + shard);
}

struct asked { /* by a shard; the ticket is its address */
    unsigned shard;
    uint64_t number;
};

static void port_done(void *ctx, const struct grid_done *d)
{
    struct simnode *n = ctx;
    if (d->ticket == TICKET_OPERATOR && d->err)
        trace(n->w, "an operator is told: %s", d->why ? d->why : err_name(d->err));
    if (d->ticket == TICKET_NONE || d->ticket == TICKET_OPERATOR)
        return;
    if (d->ticket == TICKET_LEAVE) {
        n->left = true;
        return;
    }
    struct asked *a = (struct asked *)(uintptr_t)d->ticket;
    if (d->err != GRID_ECLOSED && n->running) {
        struct event *e = to_shard(n, a->shard, EVENT_ANSWERED);
        e->number = a->number;
        e->err = d->err ? d->err : d->parts_len ? (enum grid_err)d->part_err[0] : GRID_OK;
    }
    free(a);
}

static void port_ask(void *ctx, const struct plan_ask *ask)
{
    struct simnode *n = ctx;
    to_shard(n, ask->partition % n->w->mix.shards, EVENT_HAND)->ask = *ask;
}

static void port_notice(void *ctx, const struct grid_notice *notice)
{
    struct simnode *n = ctx;
    struct world *w = n->w;
    trace(w, "node %u: notice %d member %u.%u leader %u term %lu %s", n->index, (int)notice->kind,
          notice->member.node, notice->member.boot, notice->leader, (unsigned long)notice->term,
          notice->why ? notice->why : "");
    switch (notice->kind) {
    case GRID_NOTICE_FOUNDED:
        break;
    case GRID_NOTICE_IN:
        tally.entered++;
        n->in = true;
        n->self = notice->member;
        break;
    case GRID_NOTICE_GONE:
        tally.gone++;
        n->in = false;
        n->self = (struct replica_member){0, 0};
        break;
    case GRID_NOTICE_REFUSED:
        n->refused = true;
        break;
    case GRID_NOTICE_BROKEN:
        world_fail(w, "node %u: %s", n->index, notice->why);
        break;
    case GRID_NOTICE_LEADER:
        for (unsigned i = 0; i < w->mix.shards; i++)
            (void)to_shard(n, i, EVENT_AGAIN);
        break;
    }
}

/* --- codec ------------------------------------------------------------------------------------ */

static void command_encode(void *ctx, const struct grid_command *c, struct buf *out)
{
    (void)ctx;
    wire_command_encode(c, out);
}

static enum grid_err command_decode(void *ctx, struct slice in, struct grid_command *c)
{
    struct simnode *n = ctx;
    arena_reset(n->scratch);
    return wire_command_decode(in, n->scratch, c);
}

static void command_release(void *ctx, struct grid_command *c)
{
    (void)ctx;
    wire_command_release(c);
}

static void state_encode(void *ctx, const struct grid_state *s, struct buf *out)
{
    (void)ctx;
    wire_state_encode(s, out);
}

static enum grid_err state_decode(void *ctx, struct slice in, struct grid_state **ret_state)
{
    (void)ctx;
    return wire_state_decode(in, ret_state);
}

static enum grid_err delta_apply(void *ctx, struct grid_state *working, struct slice delta)
{
    struct simnode *n = ctx;
    arena_reset(n->scratch);
    return wire_delta_apply(working, delta, n->scratch);
}

/* --- the turn of the control thread ----------------------------------------------------------- */

/* As membership.c: on a full disk it comes later. */
void node_store(struct simnode *n)
{
    if (n->stored == n->catalog || n->w->now < n->full_until)
        return;
    catalog_unref(n->stored);
    n->stored = catalog_ref(n->catalog);
}

static void news_tell(struct simnode *n)
{
    struct grid_state *s = n->last;
    bool astray = grid_member_astray(n->member, node_mono(n));
    bool same = replica_member_eq(n->self, n->told) && astray == n->astray;
    if (!s || (!n->news && same))
        return;
    if (grid_state_founded(s) && s->catalog != n->catalog) {
        catalog_unref(n->catalog);
        n->catalog = catalog_ref(s->catalog);
        node_store(n);
        tally.unstored += n->stored != n->catalog;
    }
    for (unsigned i = 0; i < n->w->mix.shards; i++) {
        struct event *e = to_shard(n, i, EVENT_NEWS);
        e->state = grid_state_ref(s);
        e->self = n->self;
        e->astray = astray;
    }
    tally.astray += astray && !n->astray;
    n->told = n->self;
    n->astray = astray;
    grid_state_unref(n->news);
    n->news = NULL;
}

void node_step(struct simnode *n)
{
    struct world *w = n->w;
    if (!n->running || !n->member)
        return;
    n->broadcast = false;
    grid_member_step(n->member, node_mono(n), node_wall(n));
    news_tell(n);
    if (below(w, 64) == 0)
        grid_member_check(n->member);
    msec_t at = node_true(n, grid_member_next(n->member));
    if (n->wake > w->now && n->wake <= at)
        return;
    n->wake = at > w->now ? at : w->now;
    (void)event_at(w, n->wake, EVENT_WAKE, n->index, 0);
}

void node_message(struct simnode *n, unsigned from, struct slice bytes)
{
    struct grid_message msg;
    arena_reset(n->arena);
    enum grid_err err = wire_grid_decode(bytes, n->arena, &msg);
    if (err) {
        world_fail(n->w, "node %u cannot read what node %u said: %s", n->index, from,
                   err_name(err));
        return;
    }
    grid_member_receive(n->member, node_mono(n), &msg, n->w->nodes[from].address);
    node_step(n);
}

static void written(struct simnode *n, uint64_t job)
{
    while (n->writes && n->writes->job <= job) {
        struct write *first = n->writes;
        n->writes = first->next;
        disk_apply(&n->disk, first);
    }
    if (!n->writes)
        n->writes_end = &n->writes;
    grid_member_persisted(n->member, node_mono(n), job);
}

static void ask_take(struct simnode *n, const struct event *e)
{
    struct asked *a = xalloc(sizeof *a);
    *a = (struct asked){.shard = e->class, .number = e->number};
    tally.asked++;
    enum grid_err err =
        grid_member_change(n->member, &e->change, node_mono(n) + ASK_MS, (uint64_t)(uintptr_t)a);
    if (err)
        port_done(n, &(struct grid_done){.ticket = (uint64_t)(uintptr_t)a, .err = err});
}

void node_event(struct simnode *n, struct event *e)
{
    switch (e->kind) {
    case EVENT_WRITTEN:
        written(n, e->number);
        break;
    case EVENT_WAKE:
        if (n->wake != n->w->now && n->wake > n->w->now)
            return;
        break;
    case EVENT_ASKED:
        ask_take(n, e);
        break;
    case EVENT_TELL:
        if (e->is_report)
            grid_member_report(n->member, &e->report);
        else
            grid_member_progress(n->member, &e->progress);
        break;
    default:
        break;
    }
    node_step(n);
}

/* An operator's command; nobody waits for the outcome. */
bool node_propose(struct simnode *n, const struct grid_command *c)
{
    if (!n->running || !n->in || node_stalled(n, 0))
        return false;
    bool ok = grid_member_propose(n->member, c, node_mono(n) + ASK_MS, TICKET_OPERATOR) == GRID_OK;
    node_step(n);
    return ok;
}

/* --- life ------------------------------------------------------------------------------------- */

static void disk_make(struct simnode *n)
{
    for (unsigned i = 0; i < GRID_ID_BYTES; i += 8)
        store_u64(n->info.id + i, prng_next(&n->w->prng));
    n->catalog = catalog_new();
    n->catalog->contexts[0].partitions = 2;
    n->stored = catalog_ref(n->catalog);
}

void node_wipe(struct simnode *n)
{
    trace(n->w, "node %u (number %u) loses its disk", n->index, n->disk.identity.number);
    disk_release(&n->disk);
    memset(&n->disk, 0, sizeof n->disk);
    catalog_unref(n->catalog);
    catalog_unref(n->stored);
    for (unsigned i = 0; i < SHARDS_MAX; i++) {
        struct simshard *h = &n->shards[i];
        h->bad_len = 0;
        while (h->log_len)
            buf_release(&h->log[--h->log_len]);
        h->written = h->syncing = h->durable = h->log_first = 0;
    }
    disk_make(n);
    if (n->expect < n->w->nodes_len)
        n->expect = 0; /* or as many of these found another grid */
}

void node_make(struct world *w, unsigned index, uint32_t expect)
{
    struct simnode *n = &w->nodes[index];
    n->w = w;
    n->index = index;
    n->expect = expect;
    n->writes_end = &n->writes;
    snprintf(n->address, sizeof n->address, "10.0.0.%u:1", index + 1);
    disk_make(n);
    snprintf(n->info.name, sizeof n->info.name, "n%u", index);
    memcpy(n->info.address[ADDRESS_PEER], n->address, sizeof n->address);
    n->info.weight = 1;
    if (w->work)
        snprintf(n->info.labels, sizeof n->info.labels, "%s", work_label(index));
    n->info.level = GRID_LEVEL;
    n->info.shards = w->mix.shards;
    n->rate = w->mix.skew ? RATE_MIN + (double)below(w, 2001) / 10000 : 1;
    n->offset = 1 + below(w, 1000000);
    n->arena = arena_new(ARENA_BYTES);
    n->scratch = arena_new(ARENA_BYTES);
    for (unsigned i = 0; i < SHARDS_MAX; i++) {
        n->shards[i].node = n;
        n->shards[i].index = i;
    }
    if (index >= w->nodes_len)
        w->nodes_len = index + 1;
}

void simnode_start(struct simnode *n)
{
    struct world *w = n->w;
    if (n->running || n->removed)
        return;
    n->life++;
    n->starts++;
    n->running = true;
    n->wake = n->back_at = n->leave_by = 0;
    n->in = n->refused = n->left = n->leave_sent = n->astray = false;
    catalog_unref(n->catalog);
    n->catalog = catalog_ref(n->stored);
    n->self = n->told = (struct replica_member){0, 0};
    memset(n->stalled_until, 0, sizeof n->stalled_until);
    for (unsigned i = 0; i < GRID_ID_BYTES; i += 8)
        store_u64(n->info.boot_id + i, prng_next(&w->prng));
    const char *peers[NODES];
    unsigned len = 0;
    for (unsigned i = 0; i < w->nodes_len; i++)
        peers[len++] = w->nodes[i].address;
    struct raft_stored stored = {.term = n->disk.term,
                                 .vote = n->disk.vote,
                                 .snapshot = n->disk.snapshot,
                                 .entries = n->disk.entries,
                                 .entries_len = n->disk.entries_len};
    struct grid_member_conf conf = {.grid = "sim",
                                    .info = &n->info,
                                    .peers = peers,
                                    .peers_len = len,
                                    .bootstrap_expect = n->expect,
                                    .identity = n->disk.identity,
                                    .raft = &stored,
                                    .adopt = n->catalog,
                                    .adopt_epoch = 1,
                                    .catalog_known = n->catalog->revision,
                                    .seed = {prng_next(&w->prng), prng_next(&w->prng)}};
    struct grid_ports ports = {n,         port_send, port_persist, port_publish,
                               port_done, port_ask,  port_notice};
    struct grid_codec codec = {n,
                               command_encode,
                               command_decode,
                               command_release,
                               state_encode,
                               state_decode,
                               control_tail_new,
                               control_tail_free,
                               control_tail_add,
                               control_tail_delta,
                               delta_apply};
    n->member = grid_member_new(&conf, &ports, &codec, node_mono(n), node_wall(n));
    trace(w, "node %u starts (number %u)", n->index, n->disk.identity.number);
    for (unsigned i = 0; i < w->mix.shards; i++)
        shard_start(&n->shards[i]);
    n->machine = machine_new(n);
    node_step(n);
}

/* What was on its way to the disk got there up to some point. */
static void writes_end(struct simnode *n)
{
    bool lost = false;
    while (n->writes) {
        struct write *first = n->writes;
        n->writes = first->next;
        lost = lost || below(n->w, 2) == 0;
        if (lost)
            write_free(first);
        else
            disk_apply(&n->disk, first);
    }
    n->writes_end = &n->writes;
    n->disk_free_at = 0;
}

void simnode_stop(struct simnode *n, bool power)
{
    if (!n->running)
        return;
    trace(n->w, "node %u (%u.%u) stops%s", n->index, n->self.node, n->self.boot,
          power ? ": power" : "");
    machine_stop(n->machine);
    n->machine = NULL;
    n->running = false;
    n->life++;
    for (unsigned i = 0; i < n->w->mix.shards; i++)
        shard_stop(&n->shards[i], power);
    grid_member_free(n->member);
    n->member = NULL;
    grid_state_unref(n->news);
    grid_state_unref(n->last);
    n->news = n->last = NULL;
    writes_end(n);
    net_closed(n->w, n->index, !power);
}

/* One thread does not run, or none. */
void node_stall(struct simnode *n, unsigned actor, msec_t for_ms)
{
    if (!n->running)
        return;
    trace(n->w, "node %u: %s does not run for %lu ms", n->index,
          actor == ACTORS ? "all"
          : actor         ? "a shard"
                          : "control",
          (unsigned long)for_ms);
    for (unsigned i = 0; i < ACTORS; i++)
        if ((actor == ACTORS || actor == i) && n->stalled_until[i] < n->w->now + for_ms) {
            n->stalled_at[i] = n->w->now;
            n->stalled_until[i] = n->w->now + for_ms;
        }
}

/* A clean stop: as membership_leave(). */
void node_leave(struct simnode *n)
{
    if (!n->running || !n->in || n->leave_by || node_stalled(n, 0))
        return;
    trace(n->w, "node %u (%u.%u) leaves", n->index, n->self.node, n->self.boot);
    tally.left++;
    n->leave_by = n->w->now + DRAIN_MS;
    grid_member_step_down(n->member, node_mono(n));
    node_step(n);
}

void node_leaving(struct simnode *n)
{
    struct world *w = n->w;
    if (!n->running || !n->leave_by || node_stalled(n, 0))
        return;
    if (n->left || w->now > n->leave_by + LEAVE_MS) {
        simnode_stop(n, false);
        n->back_at = w->now + 1 + below(w, 2000);
        return;
    }
    if (n->leave_sent || (!grid_member_may_drain(n->member) && w->now < n->leave_by))
        return;
    unsigned open = 0;
    for (unsigned i = 0; i < w->mix.shards; i++)
        open += node_stalled(n, 1 + i) || !shard_drained(&n->shards[i], w->now >= n->leave_by);
    if (open)
        return;
    n->leave_sent = true;
    n->leave_by = w->now;
    grid_member_released(n->member, node_mono(n));
    enum grid_err err = grid_member_leave(n->member, node_mono(n) + LEAVE_MS, TICKET_LEAVE);
    n->left = n->left || err;
    node_step(n);
}
