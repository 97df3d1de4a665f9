/* grid_world.h - the world of grid_parts.h as it runs: nodes, the control log, faults, and
 * what has to hold in the end. */
#ifndef GRIDD_TESTS_SHARD_GRID_WORLD_H
#define GRIDD_TESTS_SHARD_GRID_WORLD_H

#include "tests/unit/shard/grid_clients.h"

static void p_led(void *ctx, uint32_t context, uint16_t partition, bool led)
{
    struct wnode *n = ctx;
    if (context != n->w->context)
        return;
    ck_assert(n->led[partition] != led);
    n->led[partition] = led;
}

/* What it told last is so. */
static void led_check(const struct wnode *n)
{
    list_for_each (it, &n->s->partitions) {
        const struct partition *p = list_entry(it, struct partition, link);
        bool serves = p->gate == GATE_OPEN || p->gate == GATE_FEW || p->gate == GATE_READS;
        bool leads = p->role == REPLICA_PRIMARY && serves;
        if (p->context_id == n->w->context && n->led[p->index] != leads) /* Check is slow */
            ck_abort_msg("partition %u: it was told otherwise", (unsigned)p->index);
    }
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void node_open(struct wnode *n)
{
    struct world *w = n->w;
    struct shard_conf conf = {.shards = 1,
                              .epoch = ++n->start,
                              .hash_seed = w->seed * 31 + n->index,
                              .tail_bytes = below(w, 2) ? 1 + below(w, 8192) : 0,
                              .idle_keep_ms = below(w, 2) ? 500 : 0};
    struct shard_ports ports = {.ctx = n,
                                .reply = p_reply,
                                .log_append = p_log,
                                .log_has_room = p_has_room,
                                .cold_get = p_cold_get,
                                .cold_scan = p_cold_scan,
                                .checkpoint_soon = p_soon,
                                .grid = &grid_ports,
                                .led = p_led};
    memset(n->led, 0, sizeof n->led);
    n->s = shard_new(&conf, &ports, n->known->catalog);
    n->leases = grid_leases_new(w->now);
    store_open(n);
    for (size_t i = 0; i < GRID_ID_BYTES; i++)
        n->boot_id[i] = (uint8_t)below(w, 256);
    n->self = (struct replica_member){0};
    n->heard = w->now;
    memset(n->sent_to_me, 0, sizeof n->sent_to_me);
    memset(n->reported, 0, sizeof n->reported);
    memset(n->mended, 0, sizeof n->mended);
    n->turn_at = n->tick_at = 0;
}

static void link_set(struct world *w, unsigned a, unsigned b, bool up)
{
    if (w->linked[a][b] == up)
        return;
    w->linked[a][b] = w->linked[b][a] = up;
    for (unsigned class = 0; class < CLASSES && !up; class ++) {
        pipe_clear(&w->pipes[a][b][class]);
        pipe_clear(&w->pipes[b][a][class]);
    }
    for (int i = 0; i < 2; i++) {
        struct wnode *n = &w->nodes[i ? a : b];
        const struct grid_node *other =
            n->known ? grid_state_node_by_id(n->known, w->nodes[i ? b : a].id) : NULL;
        if (n->s && other)
            shard_peer_linked(n->s, other->number, up, WALL + w->now);
        n->turn_at = 0;
    }
}

static void node_kill(struct wnode *n)
{
    struct world *w = n->w;
    w->kills++;
    list_for_each (it, &n->s->partitions) /* who waits hears that the connection broke */
        promises_break(n->s, list_entry(it, struct partition, link));
    shard_free(n->s);
    grid_leases_free(n->leases);
    n->s = NULL;
    n->paused_until = 0;
    store_crash(n);
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (i != n->index)
            link_set(w, n->index, i, false);
    n->back_at = w->now + 20 + below(w, 3000);
}

static bool node_runs(const struct wnode *n)
{
    return n->s && n->paused_until <= n->w->now;
}

static void command_do(struct world *w, const struct grid_command *c, struct grid_outcome *out)
{
    struct grid_state *next = grid_state_copy(w->truth);
    struct grid_command with = *c;
    with.now = WALL + w->now;
    grid_state_apply(next, &with, out);
    grid_state_check(next);
    grid_state_unref(w->truth);
    w->truth = next;
}

static struct node_info info_of(const struct wnode *n)
{
    struct node_info info = {.weight = 1, .shards = 1};
    memcpy(info.id, n->id, GRID_ID_BYTES);
    memcpy(info.boot_id, n->boot_id, GRID_ID_BYTES);
    snprintf(info.name, sizeof info.name, "n%u", n->index);
    snprintf(info.address[ADDRESS_PEER], sizeof info.address[0], "h%u:1", n->index);
    return info;
}

/* Its life in the state that it knows. */
static struct replica_member life_of(const struct wnode *n)
{
    const struct grid_node *g = grid_state_node_by_id(n->known, n->id);
    if (!g || g->state != NODE_UP || memcmp(g->info.boot_id, n->boot_id, GRID_ID_BYTES) != 0)
        return (struct replica_member){0};
    return (struct replica_member){g->number, g->boot};
}

static void node_learn(struct wnode *n)
{
    struct world *w = n->w;
    if (n->known->revision == w->truth->revision && n->told_at)
        return;
    const struct grid_node *g = grid_state_node_by_id(w->truth, n->id);
    bool over = g && g->state == NODE_DOWN && !memcmp(g->info.boot_id, n->boot_id, GRID_ID_BYTES);
    bool was_in = n->self.node || over;
    grid_state_unref(n->known);
    n->known = grid_state_ref(w->truth);
    n->told_at = w->now;
    n->self = life_of(n);
    if (was_in && !n->self.node) { /* its life is over: it comes with another */
        grid_leases_drop(n->leases);
        for (size_t i = 0; i < GRID_ID_BYTES; i++)
            n->boot_id[i] = (uint8_t)below(w, 256);
    }
    shard_set_grid(n->s, n->known, n->self, WALL + w->now);
    memset(n->reported, 0, n->self.node ? 0 : sizeof n->reported);
    n->turn_at = 0;
}

static void beacon_send(struct wnode *n, unsigned to)
{
    struct parcel *c = xcalloc(1, sizeof *c);
    c->beacon = true;
    c->from = n->self;
    c->revision = n->known->revision;
    c->sent = n->w->now;
    c->echo = n->sent_to_me[to];
    parcel_give(n->w, n->index, to, SHARD_URGENT, c);
}

static void beacon_take(struct wnode *n, unsigned from, const struct parcel *c)
{
    if (c->sent > n->sent_to_me[from])
        n->sent_to_me[from] = c->sent;
    if (!c->from.node || !n->self.node || !grid_state_lives(n->known, c->from))
        return;
    grid_lease_grant(n->leases, c->from, n->w->now);
    if (c->echo)
        grid_lease_hold(n->leases, c->from, c->revision, c->echo);
}

static void parcel_open(struct parcel *c)
{
    struct slice *records = xcalloc(c->m.records_len + 1, sizeof *records);
    size_t at = 0;
    for (size_t i = 0; i < c->m.records_len; i++) {
        records[i] = slice_make(c->bytes.data + at, c->lens[i]);
        at += c->lens[i];
    }
    c->m.records = records;
}

/* All that came so far is taken together, as in a turn. */
static void parcels_take(struct wnode *n, struct parcel **parcels, size_t len)
{
    struct shard_message *messages = xcalloc(len + 1, sizeof *messages);
    for (size_t i = 0; i < len; i++)
        messages[i] = parcels[i]->m;
    shard_receive_all(n->s, messages, len, WALL + n->w->now);
    for (size_t i = 0; i < len; i++) {
        free((void *)(uintptr_t)messages[i].records);
        parcel_free(parcels[i]);
    }
    free(messages);
    if (len)
        n->turn_at = 0;
}

static void node_receive(struct wnode *n)
{
    struct world *w = n->w;
    struct parcel **parcels = NULL;
    size_t len = 0;
    for (unsigned from = 0; from < w->nodes_len; from++) {
        for (unsigned class = 0; class < CLASSES; class ++) {
            struct pipe *p = &w->pipes[from][n->index][class];
            while (p->first && p->first->at <= w->now) {
                struct parcel *c = p->first;
                p->first = c->next;
                p->bytes -= c->bytes.len;
                if (c->beacon) {
                    beacon_take(n, from, c);
                    parcel_free(c);
                    continue;
                }
                parcel_open(c);
                parcels = xrealloc(parcels, len + 1, sizeof(struct parcel *));
                parcels[len++] = c;
            }
        }
    }
    parcels_take(n, parcels, len);
    free(parcels);
}

static void node_run(struct wnode *n)
{
    struct world *w = n->w;
    if (!n->s && w->now >= n->back_at)
        node_open(n);
    if (!node_runs(n))
        return;
    bool control = n->cut_until <= w->now;
    if (control)
        n->heard = w->now;
    if (control && (chance(w, 20) || !n->told_at))
        node_learn(n);
    node_receive(n);
    if (w->now >= n->beat_at) {
        n->beat_at = w->now + 100;
        for (unsigned i = 0; i < w->nodes_len; i++)
            if (i != n->index)
                beacon_send(n, i);
        shard_peer_room(n->s);
    }
    store_run(n);
    if (w->now >= n->tick_at) {
        msec_t wait = shard_tick(n->s, WALL + w->now);
        n->tick_at = w->now + (wait < 20 ? 20 : wait);
        n->turn_at = 0;
    }
    if (w->now >= n->turn_at) {
        shard_peer_room(n->s);
        msec_t wait = shard_turn(n->s, WALL + w->now);
        n->turn_at = wait > 1000 ? w->now + 1000 : w->now + wait + 1;
        led_check(n);
        if (chance(w, 64))
            shard_check(n->s);
    }
}

/* --- the control log -------------------------------------------------------------------------- */

static void proposals_run(struct world *w)
{
    for (struct proposal **at = &w->proposals; *at;) {
        struct proposal *p = *at;
        struct wnode *n = &w->nodes[p->node];
        if (w->now < p->at ||
            (n->s && n->start == p->start && (n->cut_until > w->now || n->paused_until > w->now))) {
            at = &p->next;
            continue;
        }
        if (!p->answered) {
            struct grid_outcome out;
            struct grid_command c = {.kind = GRID_PARTS, .u.parts = {.list = &p->change, .len = 1}};
            command_do(w, &c, &out);
            p->answered = true;
            p->err = (enum grid_err)out.part_err[0];
            if (w->faults && chance(w, 10))
                p->err = GRID_EIN_DOUBT;
            p->at = w->now + 1 + below(w, 20);
            continue;
        }
        *at = p->next;
        if (n->s && n->start == p->start && node_runs(n)) {
            shard_answered(n->s, p->number, p->err, WALL + w->now);
            n->turn_at = 0;
        }
        free(p);
    }
}

static void nodes_enter(struct world *w, bool others_may)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct wnode *n = &w->nodes[i];
        if (!node_runs(n) || n->cut_until > w->now || n->self.node)
            continue;
        const struct grid_node *g = grid_state_node_by_id(w->truth, n->id);
        bool same = g && memcmp(g->info.boot_id, n->boot_id, GRID_ID_BYTES) == 0;
        if (same || (g && g->state == NODE_UP && !others_may))
            continue;
        struct node_info info = info_of(n);
        struct grid_outcome out;
        struct grid_command c = {.kind = GRID_ENTER, .u.enter = &info};
        command_do(w, &c, &out);
    }
}

static void plan_run(struct world *w)
{
    static struct plan_output out;
    struct plan_node nodes[NODES_MAX];
    struct plan_report reports[NODES_MAX * PARTITIONS];
    struct plan_input in = {.state = w->truth, .now = WALL + w->now, .nodes = nodes};
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct wnode *n = &w->nodes[i];
        const struct grid_node *g = grid_state_node_by_id(w->truth, n->id);
        if (!g || g->state != NODE_UP)
            continue;
        bool same = memcmp(g->info.boot_id, n->boot_id, GRID_ID_BYTES) == 0;
        nodes[in.nodes_len++] = (struct plan_node){.number = g->number,
                                                   .silent_ms = same ? w->now - n->heard : 10000,
                                                   .heard = true,
                                                   .restarted = n->s && !same};
        for (unsigned p = 0; p < PARTITIONS; p++)
            if (node_runs(n) && n->cut_until <= w->now && n->reported[p] && n->self.node)
                reports[in.reports_len++] = n->reports[p];
    }
    in.reports = reports;
    plan_next(w->plan, &in, &out);
    struct grid_outcome outcome;
    if (out.gone_len) {
        struct grid_command c = {.kind = GRID_GONE,
                                 .u.gone = {.list = out.gone, .len = out.gone_len}};
        command_do(w, &c, &outcome);
    }
    if (out.parts_len) {
        struct grid_command c = {.kind = GRID_PARTS,
                                 .u.parts = {.list = out.parts, .len = out.parts_len}};
        command_do(w, &c, &outcome);
    }
    for (size_t i = 0; i < out.asks_len; i++) {
        struct wnode *n = node_numbered(w, out.asks[i].primary.node);
        if (n && node_runs(n) && n->cut_until <= w->now)
            (void)shard_hand_over(n->s, &out.asks[i], WALL + w->now);
    }
    nodes_enter(w, out.may_enter);
}

/* --- faults ----------------------------------------------------------------------------------- */

static void faults_run(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct wnode *n = &w->nodes[i];
        if (n->s && chance(w, w->crash_in))
            node_kill(n);
        if (node_runs(n) && chance(w, w->pause_in)) {
            n->paused_until = w->now + below(w, w->gentle || chance(w, 2) ? 300 : 3000);
            w->pauses++;
        }
        if (chance(w, w->cut_in))
            n->cut_until = w->now + below(w, w->gentle ? 300 : 2000);
    }
    if (w->nodes_len > 1 && chance(w, w->link_in)) {
        unsigned a = (unsigned)below(w, w->nodes_len), b = (unsigned)below(w, w->nodes_len);
        if (a != b) {
            link_set(w, a, b, false);
            w->link_at[a][b] = w->link_at[b][a] = w->now + below(w, 1500);
        }
    }
}

static void links_run(struct world *w)
{
    for (unsigned a = 0; a < w->nodes_len; a++)
        for (unsigned b = 0; b < a; b++)
            if (!w->linked[a][b] && w->now >= w->link_at[a][b] && w->nodes[a].s && w->nodes[b].s)
                link_set(w, a, b, true);
}

/* --- the world -------------------------------------------------------------------------------- */

static void world_found(struct world *w)
{
    struct node_info infos[NODES_MAX];
    bool voters[NODES_MAX] = {true};
    for (unsigned i = 0; i < w->nodes_len; i++)
        infos[i] = info_of(&w->nodes[i]);
    uint8_t grid_id[GRID_ID_BYTES] = {1};
    struct catalog *small = catalog_new();
    small->contexts[0].partitions = 1; /* of `default`, which is always there */
    struct grid_outcome out;
    struct grid_command found = {.kind = GRID_FOUND,
                                 .u.found = {.grid = "g",
                                             .grid_id = grid_id,
                                             .founders = infos,
                                             .voter = voters,
                                             .adopt = small,
                                             .epoch = 1,
                                             .founders_len = w->nodes_len}};
    command_do(w, &found, &out);
    ck_assert_msg(out.err == GRID_OK, "%s", out.why);
    catalog_unref(small);
    struct context_info info = {.name = "w",
                                .partitions = PARTITIONS,
                                .backups = w->nodes_len > 1 ? 1 + (uint32_t)below(w, 2) : 0,
                                .durability = w->durability,
                                .memory_limit = w->memory_limit,
                                .full_policy = FULL_EVICT,
                                .min_in_sync = 1 + (uint32_t)chance(w, 3)};
    struct grid_command context = {.kind = GRID_CONTEXT_CREATE, .u.context = &info};
    command_do(w, &context, &out);
    ck_assert_msg(out.err == GRID_OK, "%s", out.why);
    w->context = catalog_context_named(w->truth->catalog, slice_str("w"))->id;
    struct grid_command cache = {.kind = GRID_CACHE_CREATE, .u.cache = {slice_str("w/c"), 0}};
    command_do(w, &cache, &out);
    ck_assert_msg(out.err == GRID_OK, "%s", out.why);
    struct grid_command set = {.kind = GRID_SETTING_SET,
                               .u.setting = {slice_str("rebuild_delay"), (int64_t)below(w, 2000)}};
    command_do(w, &set, &out);
}

static struct world *world_new(uint64_t seed, unsigned nodes, enum durability durability)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->seed = seed;
    w->prng.state = seed;
    w->now = 1000;
    w->nodes_len = nodes;
    w->durability = durability;
    w->plan = plan_new();
    w->truth = grid_state_new();
    w->value_bytes = chance(w, 2) ? 100 : 4000;
    w->gentle = durability == DURABILITY_MEMORY; /* or all copies of something are gone */
    w->sync_in = durability == DURABILITY_ASYNC && seed % 8 == 1 ? 40 : 3;
    w->fold_in = 100 + (unsigned)below(w, 1000);
    w->cold_in = 2;
    w->memory_limit = chance(w, 2) ? 60000 + below(w, 200000) : 0;
    w->lossy = durability == DURABILITY_MEMORY && w->memory_limit; /* what is evicted is gone */
    for (unsigned i = 0; i < nodes; i++) {
        struct wnode *n = &w->nodes[i];
        n->w = w;
        n->index = i;
        n->id[0] = (uint8_t)(i + 1);
        n->boot_id[0] = 1;
        n->retention = chance(w, 2) ? 0 : 4 << 20;
    }
    world_found(w);
    for (unsigned i = 0; i < nodes; i++) {
        struct wnode *n = &w->nodes[i];
        uint8_t boot_id[GRID_ID_BYTES];
        memcpy(boot_id, n->boot_id, sizeof boot_id);
        n->known = grid_state_ref(w->truth);
        node_open(n);
        memcpy(n->boot_id, boot_id, sizeof boot_id);
    }
    return w;
}

static void world_free(struct world *w)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct wnode *n = &w->nodes[i];
        if (n->s) {
            shard_check(n->s);
            shard_free(n->s);
            store_close(n);
            grid_leases_free(n->leases);
        }
        grid_state_unref(n->known);
        store_free(n);
        for (unsigned to = 0; to < w->nodes_len; to++)
            for (unsigned class = 0; class < CLASSES; class ++)
                pipe_clear(&w->pipes[i][to][class]);
    }
    while (w->proposals) {
        struct proposal *p = w->proposals;
        w->proposals = p->next;
        free(p);
    }
    plan_free(w->plan);
    grid_state_unref(w->truth);
    free(w);
}

static void world_step(struct world *w)
{
    w->now++;
    if (w->faults)
        faults_run(w);
    links_run(w);
    proposals_run(w);
    if (w->now >= w->plan_at) {
        w->plan_at = w->now + 50;
        plan_run(w);
    }
    for (unsigned i = 0; i < w->nodes_len; i++)
        node_run(&w->nodes[i]);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_run(w, &w->clients[i]);
    if (!w->quiet && chance(w, 4))
        filler_send(w);
    if (!w->quiet && chance(w, 8))
        field_send(w);
}

static void world_run(struct world *w, msec_t ms)
{
    for (msec_t end = w->now + ms; w->now < end;)
        world_step(w);
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool world_settled(const struct world *w)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].busy)
            return false;
    for (unsigned p = 0; p < PARTITIONS; p++) {
        struct replica_config config;
        ck_assert(grid_state_config(w->truth, w->context, p, &config));
        const struct context_info *info = catalog_context(w->truth->catalog, w->context);
        if (!config.led || config.in_sync != config.len ||
            config.in_sync != grid_state_copies(w->truth, info))
            return false;
    }
    for (unsigned i = 0; i < w->nodes_len; i++)
        for (unsigned p = 0; p < PARTITIONS && w->nodes[i].s; p++) {
            const struct partition *q = w->nodes[i].s->contexts[w->context]->partitions[p];
            if (q && !content_complete(q->content))
                return false;
        }
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (!node_runs(&w->nodes[i]) || !w->nodes[i].self.node ||
            w->nodes[i].known->revision != w->truth->revision ||
            !list_empty(&w->nodes[i].s->sharing->copies))
            return false;
    return w->proposals == NULL;
}

/* For who looks for a fault. */
static void world_show(struct world *w)
{
    for (unsigned p = 0; p < PARTITIONS; p++) {
        struct replica_config c;
        grid_state_config(w->truth, w->context, p, &c);
        printf("partition %u: epoch %llu led %d lost %d in sync %u complete %u:", p,
               (unsigned long long)c.epoch, c.led, c.lost, c.in_sync, c.complete);
        for (int i = 0; i < c.len; i++)
            printf(" %u.%u", c.members[i].node, c.members[i].boot);
        printf("\n");
        for (unsigned i = 0; i < w->nodes_len; i++) {
            struct shard_partition_info info;
            struct wnode *n = &w->nodes[i];
            if (!n->s || !shard_partition_info(n->s, w->context, (uint16_t)p, &info))
                continue;
            printf(
                "  node %u (%u.%u, revision %llu of %llu, durable %llu): epoch %llu %s, %s, last "
                "%llx, commit %llx, left %llu\n",
                i, n->self.node, n->self.boot, (unsigned long long)n->known->revision,
                (unsigned long long)w->truth->revision, (unsigned long long)n->durable,
                (unsigned long long)info.epoch, info.role, info.state,
                (unsigned long long)info.version, (unsigned long long)info.commit,
                (unsigned long long)info.bytes_left);
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].busy)
            printf("client %u: counter %u reads %d since %llu, now %llu\n", i,
                   w->clients[i].counter, w->clients[i].reads,
                   (unsigned long long)w->clients[i].first_at, (unsigned long long)w->now);
    fflush(stdout);
}

/* As `verify` does it, while nothing is written. */
static void replicas_equal(struct world *w)
{
    for (unsigned p = 0; p < PARTITIONS; p++) {
        struct replica_config config;
        ck_assert(grid_state_config(w->truth, w->context, p, &config));
        for (int i = 0; i < config.in_sync; i++) {
            struct wnode *n = node_numbered(w, config.members[i].node);
            struct ticket to = {.part = CLIENTS + 1, .number = (uint64_t)i};
            w->digests[i].status = GRID_ENOT_FOUND;
            shard_digest(n->s, w->context, (uint16_t)p, &to);
            n->tick_at = 0;
        }
        world_run(w, 500);
        for (int i = 0; i < config.in_sync; i++) {
            const struct result *res = &w->digests[i], *first = &w->digests[0];
            const struct wnode *n = node_numbered(w, config.members[i].node);
            ck_assert_msg(!res->status && res->number == first->number &&
                              res->version == first->version,
                          "seed %llu: partition %u: node %u: %s, %llx at %llx, not %llx at %llx",
                          (unsigned long long)w->seed, p, n->index, err_name(res->status),
                          (unsigned long long)res->number, (unsigned long long)res->version,
                          (unsigned long long)first->number, (unsigned long long)first->version);
            const struct partition *q = n->s->contexts[w->context]->partitions[p];
            ck_assert_uint_eq(q->replica.commit, res->version);
            ck_assert_uint_eq(content_total(q->content),
                              content_total(node_numbered(w, config.members[0].node)
                                                ->s->contexts[w->context]
                                                ->partitions[p]
                                                ->content));
        }
    }
}

static void counters_exact(struct world *w)
{
    for (unsigned c = 0; c < COUNTERS; c++) {
        struct replica_member m = grid_state_primary(w->truth, w->context, counter_partition(c));
        const struct wnode *n = node_numbered(w, m.node);
        struct content *content =
            n->s->contexts[w->context]->partitions[counter_partition(c)]->content;
        char text[16];
        struct slice key = counter_key(c, text);
        const struct entry *e = content_get(content, 1, key, content_hash(content, 1, key));
        uint64_t value =
            e && !entry_is_tombstone(e) ? strtoull((const char *)entry_value(e).data, NULL, 10) : 0;
        char copy[32] = "0";
        if (e && !entry_is_tombstone(e))
            snprintf(copy, sizeof copy, "%.*s", (int)entry_value(e).len,
                     (const char *)entry_value(e).data);
        value = strtoull(copy, NULL, 10);
        ck_assert_msg(value == w->acked[c] || w->lossy,
                      "seed %llu: counter %u is %llu, acknowledged %llu",
                      (unsigned long long)w->seed, c, (unsigned long long)value,
                      (unsigned long long)w->acked[c]);
    }
}

/* Faults end, all come back; then nothing may be missing. */
static inline void world_heal(struct world *w)
{
    w->faults = false;
    w->cold_in = 2;
    for (unsigned i = 0; i < w->nodes_len; i++) {
        struct wnode *n = &w->nodes[i];
        n->paused_until = n->cut_until = n->back_at = 0;
        for (unsigned to = 0; to < w->nodes_len; to++)
            w->link_at[i][to] = 0;
    }
    struct grid_outcome out;
    struct context_info roomy = *catalog_context(w->truth->catalog, w->context);
    roomy.memory_limit = 0; /* all comes into memory, to be compared */
    struct grid_command alter = {.kind = GRID_CONTEXT_ALTER, .u.context = &roomy};
    command_do(w, &alter, &out);
    ck_assert_msg(out.err == GRID_OK, "%s", out.why);
    world_run(w, 1000);
    w->quiet = true;
    for (int i = 0; i < 300 && !world_settled(w); i++)
        world_run(w, 100);
    if (!world_settled(w))
        world_show(w);
    ck_assert_msg(world_settled(w), "seed %llu: it does not come to rest",
                  (unsigned long long)w->seed);
    world_run(w, 4000); /* what expires, expires everywhere */
    ck_assert_msg(world_settled(w), "seed %llu: it does not stay at rest",
                  (unsigned long long)w->seed);
    replicas_equal(w);
    counters_exact(w);
}

#endif
