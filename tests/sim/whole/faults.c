/* faults.c - what a seed does to its world: its mix is drawn first, then each 10 ms some things go
 * wrong. At the end all faults stop, and all must be well. */
#include "tests/sim/whole/world.h"

#include "shard/others_priv.h"

#include <stdio.h>

enum { STEP_MS = 10, DAMAGE_MS = 3000 };

static unsigned some(struct world *w, unsigned most)
{
    return below(w, 2) ? 0 : (unsigned)below(w, most + 1);
}

static void contexts_draw(struct world *w)
{
    w->contexts_len = 1 + (unsigned)below(w, CONTEXTS);
    for (unsigned i = 0; i < w->contexts_len; i++) {
        struct context_info *c = &w->contexts[i].info;
        uint32_t backups = (uint32_t)below(w, 8);
        snprintf(c->name, sizeof c->name, "w%u", i);
        c->partitions = 1u << below(w, 4);
        c->backups = backups == 7 ? BACKUPS_ALL : backups == 6 ? 0 : backups > 3 ? 2 : 1;
        c->durability = below(w, 2) ? DURABILITY_SYNC : (enum durability)below(w, 3);
        c->min_in_sync = c->backups && w->mix.nodes > 2 && below(w, 4) == 0 ? 2 : 1;
        trace(w, "%s: %u partitions, %u backups, durability %d, min in sync %u", c->name,
              c->partitions, c->backups, (int)c->durability, c->min_in_sync);
        for (unsigned k = 0; k < KEYS; k++)
            w->contexts[i].keys[k].counter = below(w, 3) == 0;
    }
}

void faults_draw(struct world *w)
{
    struct mix *m = &w->mix;
    m->local = w->seed % 2; /* not drawn: the others are as they were without */
    m->damage = w->seed % 4 == 1;
    m->crowd = w->seed % 4 == 3 ? 1500 : 0;
    m->nodes = below(w, 3) ? 3 : 1 + (unsigned)below(w, NODES);
    m->expect = below(w, 3) ? m->nodes : 1 + (unsigned)below(w, m->nodes);
    m->shards = 1 + (unsigned)below(w, SHARDS_MAX);
    m->kill = some(w, 40);
    m->power = some(w, 30);
    m->all = some(w, 6);
    m->pause = some(w, 60);
    m->stall = some(w, 60);
    m->drop = some(w, 100);
    m->cut = some(w, 60);
    m->oneway = some(w, 40);
    m->slow = some(w, 40);
    m->full = some(w, 40);
    m->wipe = below(w, 3) ? 0 : 100;
    m->drain = some(w, 15);
    m->remove = below(w, 5) ? 0 : 4;
    m->leave = some(w, 20);
    m->cache = some(w, 60);
    m->delay_max = 1 + below(w, below(w, 4) ? 3 : 40);
    m->disk_max = 1 + below(w, below(w, 4) ? 6 : 80);
    m->pause_max = below(w, 2) ? 900 : 6000;
    m->clog = some(w, 50);
    m->skew = below(w, 2);
    m->length = 4000 + below(w, 12000);
    m->clients = 2 + (unsigned)below(w, CLIENTS - 1);
    m->pace = 10 + below(w, 60);
    m->bad = w->seed % 8 == 5 && m->nodes > 2 ? 60 : 0; /* of two none can be stopped to help */
    if (m->bad) /* what only a node has that is down is not given up */
        m->wipe = m->remove = 0;
    m->hold = below(w, 3) ? 0 : below(w, 2) ? 200 + below(w, 2000) : 600000;
    contexts_draw(w);
    clients_make(w);
    trace(w, "%u nodes of %u shards, %u found, delay %lu, disk %lu%s", m->nodes, m->shards,
          m->expect, (unsigned long)m->delay_max, (unsigned long)m->disk_max,
          m->skew ? ", skew" : "");
    for (unsigned i = 0; i < m->nodes; i++)
        node_make(w, i, i < m->expect ? m->expect : 0);
    for (unsigned i = 0; i < m->nodes; i++)
        if (i < m->expect)
            simnode_start(&w->nodes[i]);
        else
            w->nodes[i].back_at = 1 + below(w, 6000);
    event_free_at(w, w->now + STEP_MS, EVENT_FAULT);
    event_free_at(w, w->now + 1, EVENT_NET);
    event_free_at(w, w->now + 1, EVENT_CLIENTS);
    event_free_at(w, w->now + 1, EVENT_CHECK);
}

static struct simnode *any(struct world *w)
{
    return &w->nodes[below(w, w->nodes_len)];
}

/* --- operators -------------------------------------------------------------------------------- */

static bool propose(struct world *w, const struct grid_command *c)
{
    return node_propose(any(w), c);
}

static void fill(struct simnode *n)
{
    n->full_until = n->w->now + below(n->w, 4000);
    n->room = (unsigned)below(n->w, 50);
    trace(n->w, "the disk of node %u is full", n->index);
}

/* What the clients use is there, sooner or later. */
static void contexts_make(struct world *w)
{
    char path[24];
    if (!w->newest || below(w, 20))
        return;
    for (unsigned i = 0; i < w->contexts_len; i++) {
        struct simcontext *x = &w->contexts[i];
        snprintf(path, sizeof path, "w%u/c", i);
        if (catalog_cache_named(w->newest->catalog, slice_str(path))) {
            x->made = true;
            continue;
        }
        bool there = catalog_context_named(w->newest->catalog, slice_str(x->info.name)) != NULL;
        struct grid_command c = {.kind = GRID_CONTEXT_CREATE, .u.context = &x->info};
        if (there)
            c = (struct grid_command){.kind = GRID_CACHE_CREATE, .u.cache = {slice_str(path), 0}};
        (void)propose(w, &c);
        if (!w->calm && w->mix.full && below(w, 3) == 0)
            fill(any(w)); /* some will not get to know it in time */
        return;
    }
}

static void cache_change(struct world *w)
{
    char path[40];
    bool drop = w->caches && below(w, 2);
    snprintf(path, sizeof path, "%s/x%lu", below(w, 2) ? "default" : "w0",
             (unsigned long)(drop ? below(w, w->caches) : w->caches++));
    struct grid_command c = {.kind = drop ? GRID_CACHE_DROP : GRID_CACHE_CREATE,
                             .u.cache = {slice_str(path), 0}};
    (void)propose(w, &c);
}

static void setting(struct world *w, const char *name, int64_t value)
{
    struct grid_command c = {.kind = GRID_SETTING_SET, .u.setting = {slice_str(name), value}};
    (void)propose(w, &c);
}

static void drain(struct world *w, struct simnode *about, bool on)
{
    struct grid_command c = {.kind = GRID_DRAIN, .u.drain = {about->disk.identity.number, on}};
    if (about->disk.identity.number)
        (void)propose(w, &c);
}

static void remove_one(struct world *w)
{
    const struct simnode *about = any(w);
    struct grid_command c = {.kind = GRID_REMOVE, .u.remove = {about->disk.identity.number, false}};
    unsigned left = 0;
    for (unsigned i = 0; i < w->nodes_len; i++)
        left += !w->nodes[i].removed;
    if (!about->running && about->disk.identity.number && left > 2)
        (void)propose(w, &c);
}

/* What is lost for good begins again. */
static void reset_lost(struct world *w)
{
    for (size_t t = 0; w->newest && t < w->newest->tables_len; t++)
        for (uint32_t p = 0; p < w->newest->tables[t]->partitions; p++) {
            struct replica_config c;
            uint32_t id = w->newest->tables[t]->context;
            if (!grid_state_config(w->newest, id, p, &c) || !c.lost)
                continue;
            struct part_change change = {PART_RESET, id, p, (uint32_t)c.epoch, {0, 0}};
            struct grid_command command = {.kind = GRID_PARTS, .u.parts = {&change, 1}};
            (void)propose(w, &command);
            return;
        }
}

/* --- faults ----------------------------------------------------------------------------------- */

static void cut(struct world *w, bool oneway)
{
    unsigned a = (unsigned)below(w, w->nodes_len), b = (unsigned)below(w, w->nodes_len);
    tally.cuts++;
    if (below(w, 3) == 0 && !oneway) { /* one from all others */
        for (unsigned i = 0; i < w->nodes_len; i++)
            w->cut[a][i] = w->cut[i][a] = i != a;
        trace(w, "node %u is cut off", a);
        return;
    }
    if (a == b)
        return;
    w->cut[a][b] = true;
    w->cut[b][a] = w->cut[b][a] || !oneway;
    trace(w, "cut %u %s %u", a, oneway ? "->" : "<->", b);
}

static void heal(struct world *w)
{
    memset(w->cut, 0, sizeof w->cut);
    trace(w, "the network is whole");
}

static void down(struct world *w, struct simnode *n, bool power)
{
    if (!n->running)
        return;
    tally.kills += !power;
    tally.powers += power;
    simnode_stop(n, power);
    n->back_at = w->now + 5 + below(w, below(w, 2) ? 300 : 4000);
}

static void drop(struct world *w)
{
    unsigned a = (unsigned)below(w, w->nodes_len), b = (unsigned)below(w, w->nodes_len);
    if (a >= b)
        return;
    tally.drops++;
    unsigned x = (unsigned)below(w, 1 + w->mix.shards), y = 1 + (unsigned)below(w, w->mix.shards);
    net_drop(w, &w->links[a][b][x][x ? y : 0]);
}

static bool has_disk(const struct world *w, uint32_t number)
{
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (w->nodes[i].disk.identity.number == number)
            return true;
    return false;
}

struct voters {
    uint64_t index; /* of the log: told there */
    struct raft_membership members;
};

static void voters_of(const struct simdisk *d, struct voters *v)
{
    if (d->snapshot.index > v->index)
        *v = (struct voters){d->snapshot.index, d->snapshot.membership};
    for (size_t i = 0; i < d->entries_len; i++) {
        const struct raft_entry *e = &d->entries[i];
        if (e->kind != RAFT_ENTRY_MEMBERSHIP || e->index < v->index)
            continue;
        v->index = e->index;
        CHECK(raft_membership_decode(e->data, &v->members));
    }
}

/* As far as it knows: an entry of members counts once it is appended, before any state tells. */
static struct raft_membership node_voters(const struct simnode *n)
{
    struct voters v = {0};
    voters_of(&n->disk, &v);
    for (const struct write *under_way = n->writes; under_way; under_way = under_way->next)
        voters_of(&under_way->raft, &v);
    return v.members;
}

static bool log_does_without(const struct world *w, uint32_t number)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct raft_membership m = node_voters(&w->nodes[i]);
        bool whole = m.voters_len > 2;
        for (uint8_t k = 0; k < m.voters_len; k++)
            whole = whole && has_disk(w, m.voters[k]);
        if (raft_is_voter(&m, number) && !whole)
            return false;
    }
    return true;
}

/* Nobody waits for what is on its disk, and the control log does without. */
static bool spare(const struct world *w, const struct simnode *n)
{
    struct grid_load loads[GRID_NODES_MAX];
    const struct grid_state *s = w->newest;
    const struct grid_node *known = s ? grid_state_node_by_id(s, n->info.id) : NULL;
    unsigned voters = 0;
    if (n->running || !known || known->state != NODE_DOWN)
        return false;
    for (size_t i = 0; i < s->nodes_len; i++) {
        voters += s->nodes[i].voter;
        if (s->nodes[i].voter && !has_disk(w, s->nodes[i].number))
            return false;
    }
    grid_state_loads(s, loads);
    return !loads[known - s->nodes].last && (!known->voter || voters > 2) &&
           log_does_without(w, known->number);
}

static void wipe(struct simnode *n)
{
    if (!spare(n->w, n))
        return;
    tally.wiped++;
    node_wipe(n);
}

static void threads(struct world *w)
{
    const struct mix *m = &w->mix;
    if (chance(w, m->pause)) {
        tally.pauses++;
        node_stall(any(w), ACTORS, 20 + below(w, m->pause_max));
    }
    if (chance(w, m->stall)) {
        tally.stalls++;
        node_stall(any(w), (unsigned)below(w, 1 + m->shards), 20 + below(w, m->pause_max / 2));
    }
    if (chance(w, m->slow))
        any(w)->slow_until = w->now + below(w, 3000);
    if (chance(w, m->full))
        fill(any(w));
    if (chance(w, m->kill))
        down(w, any(w), false);
    if (chance(w, m->power))
        down(w, any(w), true);
    if (chance(w, m->all)) {
        bool power = below(w, 2);
        trace(w, "all go down");
        for (unsigned i = 0; i < w->nodes_len; i++)
            down(w, &w->nodes[i], power);
    }
    if (chance(w, m->wipe))
        wipe(any(w));
    if (chance(w, m->leave))
        node_leave(any(w));
}

static void people(struct world *w)
{
    const struct mix *m = &w->mix;
    contexts_make(w);
    if (w->now / STEP_MS % 100 == 30)
        setting(w, "rebuild_delay", (int64_t)(w->seed % 4 * 700));
    if (chance(w, m->cache))
        cache_change(w);
    if (chance(w, m->drain))
        drain(w, any(w), below(w, 2));
    if (chance(w, m->remove))
        remove_one(w);
    if (below(w, 30) == 0)
        reset_lost(w);
}

/* --- damage ----------------------------------------------------------------------------------- */

/* Its thread runs; and it has the partition as the newest state says. */
static bool good(struct world *w, uint32_t id, uint32_t partition, struct replica_member m)
{
    const struct simnode *n = node_of(w, m.node);
    const struct partition *p = n && n->running && !n->leave_by ? part_of(n, id, partition) : NULL;
    return p && replica_member_eq(p->replica.self, m) && !p->damaged && !p->replica.broken &&
           !node_stalled(n, 0) && !node_stalled(n, 1 + partition % w->mix.shards);
}

/* One of several good copies: of these one is left. Not where one is enough, and which of two goes
 * is the planner's choice; while nodes die only where all is on their disks. */
static void damage(struct world *w)
{
    if (!w->newest || !w->newest->tables_len)
        return;
    const struct grid_table *t = w->newest->tables[below(w, w->newest->tables_len)];
    uint32_t partition = (uint32_t)below(w, t->partitions);
    struct replica_config c;
    if (!grid_state_config(w->newest, t->context, partition, &c) || !c.led)
        return;
    const struct context_info *info = catalog_context(w->newest->catalog, t->context);
    if (info->durability == DURABILITY_MEMORY || !info->backups ||
        (info->durability != DURABILITY_SYNC && !w->calm))
        return;
    unsigned len = 0;
    struct replica_member goods[REPLICA_MEMBERS_MAX];
    for (unsigned i = 0; i < c.in_sync; i++)
        if (good(w, t->context, partition, c.members[i]))
            goods[len++] = c.members[i];
    if (len < 2)
        return;
    struct simnode *n = node_of(w, goods[below(w, len)].node);
    shard_damage(&n->shards[partition % w->mix.shards], t->context, partition);
}

/* Whether its disk said so when it started, or will when it does. */
static bool bad_from_start(const struct world *w, const struct simnode *n, uint32_t id, uint32_t p)
{
    const struct simshard *h = &n->shards[p % w->mix.shards];
    for (size_t i = 0; i < h->bad_len; i++)
        if (h->bad[i].context == id && h->bad[i].partition == p)
            return true;
    return false;
}

/* Who has most, of those that are up; nobody remembers a copy without records. */
static struct replica_member most(struct world *w, uint32_t id, uint32_t partition)
{
    struct replica_member best = {0};
    uint64_t best_last = 0;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct simnode *n = &w->nodes[i];
        const struct partition *p = n->running ? part_of(n, id, partition) : NULL;
        uint64_t last = p ? replica_last(&p->replica) : 0;
        if (!n->running || (p && (p->damaged || p->replica.copying)) ||
            (best.node && last <= best_last))
            continue;
        best = n->self;
        best_last = last;
    }
    return best;
}

static bool all_run(const struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (!w->nodes[i].running && !w->nodes[i].removed)
            return false;
    return true;
}

/* A damaged copy that was alone, and started anew, or was taken for dead, before it had given the
 * lead back, does not know to whom: an operator stops it, and has the one lead that has most. */
static void rescue(struct world *w, uint32_t id, uint32_t partition)
{
    struct replica_config c;
    if (!grid_state_config(w->newest, id, partition, &c) || c.in_sync != 1)
        return;
    struct simnode *n = node_of(w, c.members[0].node);
    const struct partition *p = n && n->running ? part_of(n, id, partition) : NULL;
    if (!n || !bad_from_start(w, n, id, partition))
        return;
    if (c.led && p && p->damaged && p->replica.phase == REPLICA_SERVING && all_run(w)) {
        simnode_stop(n, false);
        n->back_at = w->now + 5000;
    } else if (!c.led && !n->running) {
        struct part_change change = {PART_RECOVER, id, partition, (uint32_t)c.epoch,
                                     most(w, id, partition)};
        struct grid_command command = {.kind = GRID_PARTS, .u.parts = {&change, 1}};
        (void)propose(w, &command);
    }
}

static void rescue_all(struct world *w)
{
    for (size_t t = 0; w->newest && t < w->newest->tables_len; t++)
        for (uint32_t p = 0; p < w->newest->tables[t]->partitions; p++)
            rescue(w, w->newest->tables[t]->context, p);
}

static void calm_people(struct world *w)
{
    contexts_make(w);
    if (below(w, 20) == 0)
        reset_lost(w);
    if (w->mix.damage && w->now - w->calm_at > DAMAGE_MS && below(w, 20) == 0)
        rescue_all(w);
    if (below(w, 20) == 0)
        setting(w, "rebuild_delay", 500);
    for (size_t i = 0; w->newest && i < w->newest->nodes_len; i++)
        if (w->newest->nodes[i].draining && below(w, 20) == 0) {
            struct grid_command c = {.kind = GRID_DRAIN,
                                     .u.drain = {w->newest->nodes[i].number, false}};
            (void)propose(w, &c);
        }
}

void faults_step(struct world *w)
{
    event_free_at(w, w->now + STEP_MS, EVENT_FAULT);
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        node_leaving(n);
        node_store(n);
        if (!n->running && n->back_at && w->now >= n->back_at)
            simnode_start(n);
    }
    if (w->calm) {
        calm_people(w);
        bool soon = w->now - w->calm_at < DAMAGE_MS;
        if (w->mix.damage && soon && below(w, 4) == 0)
            damage(w);
        return;
    }
    people(w);
    threads(w);
    if (chance(w, w->mix.bad))
        damage(w);
    if (chance(w, w->mix.drop))
        drop(w);
    if (chance(w, w->mix.cut))
        cut(w, false);
    if (chance(w, w->mix.oneway))
        cut(w, true);
    if (chance(w, 80))
        heal(w);
}

void faults_end(struct world *w)
{
    heal(w);
    w->calm = true;
    w->calm_at = w->now;
    w->mix.delay_max = w->mix.delay_max < 10 ? w->mix.delay_max : 10;
    w->mix.disk_max = w->mix.disk_max < 20 ? w->mix.disk_max : 20;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct simnode *n = &w->nodes[i];
        n->slow_until = n->full_until = 0;
        if (!n->running)
            n->back_at = w->now + 1 + below(w, 500);
    }
}
