/* node.c - one node: its process, and the ports between the member and the world. */
#include "tests/sim/grid/world.h"

#include "base/alloc.h"
#include "control/level.h"

#include <stdio.h>
#include <stdlib.h>

struct port { /* what a member's ports are given */
    struct world *world;
    struct simnode *node;
};

static struct port port_of[NODES];

msec_t node_clock(const struct world *w, const struct simnode *n)
{
    return n->offset + (msec_t)((double)w->now * n->rate);
}

static msec_t true_time(const struct world *w, const struct simnode *n, msec_t local)
{
    if (local <= node_clock(w, n))
        return w->now;
    msec_t at = (msec_t)((double)(local - n->offset) / n->rate) + 1;
    return at > w->now ? at : w->now;
}

/* --- ports ------------------------------------------------------------------------------------ */

static struct simnode *target(struct world *w, const struct grid_to *to)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        if (memcmp(n->info.id, to->id, GRID_ID_BYTES) == 0)
            return n;
    }
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (to->address && strcmp(w->nodes[i].address, to->address) == 0)
            return &w->nodes[i];
    return NULL;
}

static void port_send(void *ctx, const struct grid_to *to, const struct grid_message *msg)
{
    struct port *p = ctx;
    struct world *w = p->world;
    struct simnode *n = target(w, to);
    if (!n || n == p->node || p->node->broken || w->cut[p->node->index][n->index])
        return;
    if (!w->quiet && below(w, 1000) < w->mix.loss)
        return;
    msec_t at = w->now + 1 + below(w, w->mix.delay_max);
    msec_t *last = &w->in_order[p->node->index][n->index];
    if (at < *last && !w->mix.reorder)
        at = *last;
    *last = at;
    struct event *e = event_at(w, at, EVENT_ARRIVE, n->index);
    e->from = p->node->index;
    e->packet = packet_new(msg);
}

static void port_persist(void *ctx, const struct grid_persist *job)
{
    struct port *p = ctx;
    struct world *w = p->world;
    struct simnode *n = p->node;
    if (n->broken)
        return;
    struct write *write = write_new(job);
    *n->writes_end = write;
    n->writes_end = &write->next;
    msec_t start = n->disk_free_at > w->now ? n->disk_free_at : w->now;
    n->disk_free_at = start + below(w, w->mix.disk_max + 1);
    if (SABOTAGE(EARLY_PERSISTED)) {
        event_at(w, w->now, EVENT_WRITTEN, n->index)->job = job->job;
        n->disk_free_at = start + 50;
    } else {
        event_at(w, n->disk_free_at, EVENT_WRITTEN, n->index)->job = job->job;
    }
}

static void port_publish(void *ctx, struct grid_state *state)
{
    struct port *p = ctx;
    if (p->node->broken)
        return;
    check_published(p->world, p->node, state);
    msec_t at = p->world->now + below(p->world, 4);
    event_at(p->world, at, EVENT_ADOPT, p->node->index)->state = grid_state_ref(state);
}

static void port_done(void *ctx, const struct grid_done *d)
{
    struct port *p = ctx;
    struct world *w = p->world;
    if (d->ticket == GRID_TICKET_NONE)
        return;
    struct ticket *t = &w->tickets[d->ticket - 1];
    trace(w, "node %u is told of (%lu): %s", p->node->index, (unsigned long)d->ticket,
          d->err ? err_name(d->err) : "done");
    bool decided = d->err != GRID_EIN_DOUBT && d->err != GRID_ECLOSED;
    if (decided && grid_member_state(p->node->member)->revision < d->revision)
        world_fail(w, "ticket %lu is told before its state", (unsigned long)d->ticket);
    if (t->answered)
        world_fail(w, "ticket %lu was answered twice", (unsigned long)d->ticket);
    t->answered = true;
    t->err = d->err;
    t->revision = d->revision;
    if (t->partition) {
        shards_done(w, p->node, t, d);
        return;
    }
    if (t->deploy && d->err == GRID_EUNSUPPORTED)
        tally.too_high++;
    if (t->deploy && !d->err)
        tally.deployed++;
    if (d->err == GRID_EEXISTS && t->cache)
        world_fail(w, "a command was applied twice: %s", d->why);
    if (d->err == GRID_EIN_DOUBT)
        tally.doubt++;
    else if (d->err)
        tally.refused++;
}

static void port_ask(void *ctx, const struct plan_ask *ask)
{
    struct port *p = ctx;
    event_at(p->world, p->world->now + below(p->world, 4), EVENT_ASK, p->node->index)->ask = *ask;
}

static void port_notice(void *ctx, const struct grid_notice *notice)
{
    struct port *p = ctx;
    struct simnode *n = p->node;
    snprintf(n->why, sizeof n->why, "%s", notice->why);
    trace(p->world, "node %u: notice %d member %u.%u leader %u term %lu %s", n->index,
          (int)notice->kind, notice->member.node, notice->member.boot, notice->leader,
          (unsigned long)notice->term, notice->why);
    switch (notice->kind) {
    case GRID_NOTICE_FOUNDED:
        tally.founded++;
        check_identity(p->world, n);
        break;
    case GRID_NOTICE_IN:
        tally.entered++;
        n->in = true;
        n->self = notice->member;
        n->refused = false;
        break;
    case GRID_NOTICE_GONE:
        n->in = false;
        shards_gone(p->world, n);
        break;
    case GRID_NOTICE_REFUSED:
        n->refused = true;
        break;
    case GRID_NOTICE_BROKEN:
        check_broken(p->world, n, notice->why);
        break;
    case GRID_NOTICE_LEADER:
        tally.leaders++;
        break;
    }
}

/* --- life ------------------------------------------------------------------------------------- */

void node_make(struct world *w, unsigned index, uint32_t expect)
{
    struct simnode *n = &w->nodes[index];
    memset(n, 0, sizeof *n);
    n->index = index;
    n->expect = expect;
    n->writes_end = &n->writes;
    snprintf(n->address, sizeof n->address, "10.0.0.%u:1", index + 1);
    store_u64(n->info.id, prng_next(&w->prng));
    store_u64(n->info.id + 8, prng_next(&w->prng));
    snprintf(n->info.name, sizeof n->info.name, "n%u", index);
    memcpy(n->info.address[ADDRESS_PEER], n->address, sizeof n->address);
    n->info.weight = n->info.shards = 1;
    n->info.level = GRID_LEVEL;
    n->rate = 1;
    if (w->mix.skew)
        n->rate = 0.9 + (double)below(w, 2001) / 10000;
    n->offset = 1 + below(w, 1000000);
    port_of[index] = (struct port){w, n};
    if (index >= w->nodes_len)
        w->nodes_len = index + 1;
}

static void after(struct world *w, struct simnode *n)
{
    if (!n->member || n->run != RUNNING)
        return;
    if (n->broken) {
        node_stop(w, n, false);
        return;
    }
    check_leaders(w, n);
    msec_t at = true_time(w, n, grid_member_next(n->member));
    if (n->wake > w->now && n->wake <= at)
        return;
    n->wake = at;
    event_at(w, at, EVENT_WAKE, n->index);
}

void node_start(struct world *w, struct simnode *n)
{
    if (n->run != DOWN || n->removed)
        return;
    n->life++;
    n->run = RUNNING;
    n->started = w->now;
    n->wake = 0;
    n->in = n->refused = n->broken = false;
    n->known = n->info.level > n->known ? n->info.level : n->known;
    shards_reset(w, n);
    store_u64(n->info.boot_id, prng_next(&w->prng));
    store_u64(n->info.boot_id + 8, prng_next(&w->prng));
    const char *peers[NODES];
    unsigned len = 0;
    for (unsigned i = 0; i < w->mix.nodes; i++)
        peers[len++] = w->nodes[i].address;
    struct catalog *catalog = catalog_new();
    catalog->contexts[0].partitions = PARTITIONS;
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
                                    .adopt = catalog,
                                    .seed = {prng_next(&w->prng), prng_next(&w->prng)}};
    struct grid_ports ports = {&port_of[n->index], port_send, port_persist, port_publish,
                               port_done,          port_ask,  port_notice};
    struct grid_codec codec = sim_codec(n);
    n->member = grid_member_new(&conf, &ports, &codec, node_clock(w, n), 1700000000000u + w->now);
    catalog_unref(catalog);
    trace(w, "node %u starts (life %lu, number %u, level %u)", n->index, (unsigned long)n->life,
          n->disk.identity.number, n->info.level);
    after(w, n);
    event_at(w, w->now + 1 + below(w, 100), EVENT_SHARD, n->index);
}

/* What was on its way to the disk got there up to some point. */
static void writes_end(struct world *w, struct simnode *n)
{
    bool lost = false;
    while (n->writes) {
        struct write *first = n->writes;
        n->writes = first->next;
        lost = lost || below(w, 2) == 0;
        if (lost)
            write_free(first);
        else
            disk_apply(&n->disk, first);
    }
    n->writes_end = &n->writes;
    n->disk_free_at = 0;
}

void node_stop(struct world *w, struct simnode *n, bool power)
{
    if (n->run == DOWN)
        return;
    trace(w, "node %u stops%s", n->index, power ? " (power)" : "");
    n->run = DOWN;
    n->life++;
    grid_member_free(n->member);
    n->member = NULL;
    shards_reset(w, n);
    writes_end(w, n);
    for (size_t i = 0; i < n->held_len; i++)
        packet_free(n->held[i]);
    n->held_len = 0;
    for (unsigned i = 0; i < w->nodes_len && !power; i++)
        if (i != n->index && !w->cut[n->index][i])
            event_at(w, w->now + 1 + below(w, w->mix.delay_max + 1), EVENT_CLOSED, i)->from =
                n->index;
}

void node_pause(struct world *w, struct simnode *n, msec_t for_ms)
{
    if (n->run != RUNNING)
        return;
    trace(w, "node %u is paused for %lu ms", n->index, (unsigned long)for_ms);
    n->run = PAUSED;
    event_at(w, w->now + for_ms, EVENT_RESUME, n->index);
}

void node_resume(struct world *w, struct simnode *n)
{
    if (n->run != PAUSED)
        return;
    trace(w, "node %u goes on", n->index);
    n->run = RUNNING;
    n->wake = 0;
    for (size_t i = 0; i < n->held_len; i++) {
        struct event *e = event_at(w, w->now, EVENT_ARRIVE, n->index);
        e->from = n->held_from[i];
        e->packet = n->held[i];
    }
    n->held_len = 0;
    for (struct write *x = n->writes; x; x = x->next)
        event_at(w, w->now, EVENT_WRITTEN, n->index)->job = x->job;
    event_at(w, w->now, EVENT_SHARD, n->index);
    after(w, n);
}

void node_wake(struct world *w, struct simnode *n)
{
    if (n->run != RUNNING || w->now < n->wake)
        return;
    n->wake = 0;
    msec_t now = node_clock(w, n);
    if (grid_member_next(n->member) <= now)
        grid_member_step(n->member, now, 1700000000000u + w->now);
    after(w, n);
}

void node_arrive(struct world *w, struct simnode *n, unsigned from, struct packet *p)
{
    if (n->run == PAUSED && n->held_len < sizeof n->held / sizeof *n->held) {
        n->held[n->held_len] = p;
        n->held_from[n->held_len++] = from;
        return;
    }
    if (n->run == RUNNING) {
        grid_member_receive(n->member, node_clock(w, n), packet_message(p), w->nodes[from].address);
        grid_member_step(n->member, node_clock(w, n), 1700000000000u + w->now);
        after(w, n);
    }
    packet_free(p);
}

void node_written(struct world *w, struct simnode *n, uint64_t job)
{
    if (n->run != RUNNING)
        return;
    bool all = SABOTAGE(EARLY_PERSISTED) && w->now < n->disk_free_at;
    while (n->writes && n->writes->job <= job && !all) {
        struct write *first = n->writes;
        n->writes = first->next;
        disk_apply(&n->disk, first);
    }
    if (!n->writes)
        n->writes_end = &n->writes;
    grid_member_persisted(n->member, node_clock(w, n), job);
    grid_member_step(n->member, node_clock(w, n), 1700000000000u + w->now);
    after(w, n);
}

void node_closed(struct world *w, struct simnode *n, unsigned other)
{
    if (n->run != RUNNING)
        return;
    grid_member_closed(n->member, node_clock(w, n), w->nodes[other].info.id);
    after(w, n);
}

uint64_t ticket_new(struct world *w, struct simnode *n)
{
    if (w->tickets_len == w->tickets_cap) {
        w->tickets_cap = w->tickets_cap ? w->tickets_cap * 2 : 256;
        w->tickets = xrealloc(w->tickets, w->tickets_cap, sizeof *w->tickets);
    }
    w->tickets[w->tickets_len] = (struct ticket){.open = true, .node = n->index};
    return ++w->tickets_len;
}
