/* check.c - what must hold whatever happens, judged from outside. */
#include "tests/sim/whole/machine.h"
#include "tests/sim/whole/work.h"

#include "base/hash.h"
#include "replica/replica_priv.h"
#include "shard/others_priv.h"

#include <stdio.h>

enum { LOOK_MS = 7 };

/* --- the control plane ------------------------------------------------------------------------ */

static uint64_t mix_in(uint64_t h, uint64_t v)
{
    struct prng p = {h ^ v * 0xff51afd7ed558ccdu};
    return prng_next(&p);
}

/* All that followers see. */
static uint64_t digest_of(const struct grid_state *s)
{
    uint64_t h = mix_in(s->revision, s->catalog->revision);
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        h = mix_in(h, (uint64_t)n->number << 32 | n->boot);
        h = mix_in(h, hash_key(slice_make(n->info.boot_id, GRID_ID_BYTES), 3));
        h = mix_in(h, (uint64_t)n->state << 1 | (uint64_t)n->draining);
    }
    for (size_t t = 0; t < s->tables_len; t++)
        for (uint32_t i = 0; i < s->tables[t]->partitions; i++) {
            struct replica_config c;
            CHECK(grid_state_config(s, s->tables[t]->context, i, &c));
            h = mix_in(h, c.epoch << 8 | (uint64_t)c.led << 1 | c.lost);
            h = mix_in(h, (uint64_t)c.in_sync << 16 | (uint64_t)c.complete << 8 | c.len);
            for (unsigned k = 0; k < c.len; k++)
                h = mix_in(h, (uint64_t)c.members[k].node << 32 | c.members[k].boot);
        }
    return h ? h : 1;
}

static uint32_t context_id(const struct grid_state *s, unsigned context)
{
    char name[8];
    snprintf(name, sizeof name, "w%u", context);
    const struct context_info *info =
        grid_state_founded(s) ? catalog_context_named(s->catalog, slice_str(name)) : NULL;
    return info ? info->id : 0;
}

/* Nobody who had everything is left: what was not synced may be lost. */
static bool all_over(const struct replica_config *c, const struct grid_state *s)
{
    for (unsigned i = 0; i < c->in_sync; i++)
        if (grid_state_lives(s, c->members[i]))
            return false;
    return true;
}

static void taint(struct world *w, unsigned context, uint32_t partition, const char *why)
{
    msec_t *tainted = &w->contexts[context].tainted[partition];
    if (!*tainted)
        trace(w, "w%u partition %u may lose what was not synced: %s", context, partition, why);
    tally.tainted += !*tainted;
    *tainted = *tainted ? *tainted : w->now;
}

static void newer(struct world *w, struct grid_state *s)
{
    for (unsigned i = 0; i < w->contexts_len; i++) {
        uint32_t id = context_id(s, i);
        for (uint32_t p = 0; id && p < w->contexts[i].info.partitions; p++) {
            struct replica_config now, then;
            if (!grid_state_config(s, id, p, &now))
                continue;
            if (now.epoch < w->rows[i][p])
                world_fail(w, "the epoch of w%u/%u went back", i, p);
            if (now.epoch > w->rows[i][p] || !w->rows[i][p])
                trace(w, "w%u/%u: epoch %lu%s%s, %u in sync of %u: %u.%u %u.%u %u.%u", i, p,
                      (unsigned long)now.epoch, now.led ? "" : " unled", now.lost ? " lost" : "",
                      now.in_sync, now.len, now.members[0].node, now.members[0].boot,
                      now.members[1].node, now.members[1].boot, now.members[2].node,
                      now.members[2].boot);
            w->rows[i][p] = now.epoch;
            bool had = w->newest && grid_state_config(w->newest, id, p, &then);
            if (w->contexts[i].info.durability == DURABILITY_SYNC) {
                if (now.lost)
                    world_fail(w, "partition w%u/%u is lost", i, p);
                continue;
            }
            if (now.lost || !now.led || (had && all_over(&then, s)))
                taint(w, i, p, now.lost ? "lost" : !now.led ? "unled" : "all went down");
        }
    }
    grid_state_unref(w->newest);
    w->newest = grid_state_ref(s);
}

void check_published(struct simnode *n, const struct grid_state *s)
{
    struct world *w = n->w;
    if (!grid_state_founded(s) || s->revision >= REVISIONS)
        return;
    if (!n->disk.identity.number)
        world_fail(w, "node %u goes by a state of a grid that its disk does not know", n->index);
    if (w->founded && memcmp(w->grid_id, s->grid_id, GRID_ID_BYTES) != 0)
        world_fail(w, "node %u has the state of a second grid", n->index);
    memcpy(w->grid_id, s->grid_id, GRID_ID_BYTES);
    w->founded = true;
    uint64_t digest = digest_of(s), *known = &w->digest[s->revision];
    if (*known && *known != digest)
        world_fail(w, "node %u has another state of revision %lu than others", n->index,
                   (unsigned long)s->revision);
    if (!*known)
        grid_state_check(s);
    *known = digest;
    if (!w->newest || s->revision > w->newest->revision)
        newer(w, (struct grid_state *)(uintptr_t)s);
}

/* --- shards ----------------------------------------------------------------------------------- */

const struct partition *part_of(const struct simnode *n, uint32_t id, uint32_t partition)
{
    const struct shard *s = n->shards[partition % n->w->mix.shards].s;
    if (!s || id >= s->contexts_len || !s->contexts[id])
        return NULL;
    const struct shard_context *c = s->contexts[id];
    uint32_t at = partition / n->w->mix.shards;
    return at < c->partitions_len ? c->partitions[at] : NULL;
}

/* Would answer a read now (R7). */
static bool serves(const struct simnode *n, uint32_t id, uint32_t partition)
{
    const struct simshard *h = &n->shards[partition % n->w->mix.shards];
    const struct partition *p = n->running && h->state ? part_of(n, id, partition) : NULL;
    if (!p || p->replica.role != REPLICA_PRIMARY ||
        (p->replica.phase != REPLICA_SERVING && p->replica.phase != REPLICA_STOPPED) ||
        node_stalled(n, 1 + h->index))
        return false;
    const struct replica_set *set = p->replica.set;
    for (unsigned i = 0; set && i < set->len; i++)
        if (i != set->self && (i < set->complete || counts(set, i)) &&
            !grid_lease_held(grid_member_leases(n->member), set->peers[i].member,
                             h->state->revision, node_mono(n)))
            return false;
    return true;
}

static void check_serving(struct world *w, unsigned context)
{
    uint32_t id = w->newest ? context_id(w->newest, context) : 0;
    for (uint32_t p = 0; id && p < w->contexts[context].info.partitions; p++) {
        const struct simnode *first = NULL;
        for (unsigned i = 0; i < w->nodes_len; i++) {
            const struct simnode *n = &w->nodes[i];
            if (w->contexts[context].tainted[p] || !serves(n, id, p))
                continue;
            if (first)
                world_fail(
                    w, "nodes %u (%u.%u, epoch %lu) and %u (%u.%u, epoch %lu) both serve w%u/%u",
                    first->index, first->self.node, first->self.boot,
                    (unsigned long)part_of(first, id, p)->replica.epoch, n->index, n->self.node,
                    n->self.boot, (unsigned long)part_of(n, id, p)->replica.epoch, context, p);
            first = n;
        }
    }
}

void check_now(struct world *w)
{
    event_free_at(w, w->now + LOOK_MS, EVENT_CHECK);
    for (unsigned i = 0; i < w->contexts_len; i++)
        check_serving(w, i);
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (w->newest && grid_state_removed(w->newest, w->nodes[i].info.id) &&
            !w->nodes[i].removed) {
            w->nodes[i].removed = true;
            tally.removed++;
        }
}

/* --- at the end ------------------------------------------------------------------------------- */

struct sum {
    uint64_t entries, hash;
};

static void sum_entry(void *ctx, const struct entry *e)
{
    struct sum *sum = ctx;
    if (entry_is_tombstone(e))
        return;
    uint64_t h = hash_key(entry_key(e), 7) ^ hash_key(entry_value(e), 9) * 3 ^
                 entry_version(e) * 0x9e3779b97f4a7c15u ^ entry_deadline(e) * 31;
    sum->entries++;
    sum->hash += h * 0xbf58476d1ce4e5b9u;
}

static struct sum sum_of(const struct partition *p)
{
    struct sum sum = {0};
    uint64_t cursor = 0;
    do
        cursor = content_scan(p->content, cursor, sum_entry, &sum);
    while (cursor);
    struct buf ids = BUF_INIT, stored = BUF_INIT;
    sessions_ids(content_sessions(p->content), &ids);
    for (size_t at = 0; at < ids.len; at += SESSION_ID_BYTES) {
        struct session_id id;
        memcpy(id.bytes, ids.data + at, SESSION_ID_BYTES);
        stored.len = 0;
        CHECK(sessions_store(content_sessions(p->content), &id, &stored));
        sum.hash += hash_key(buf_slice(&stored), hash_key(slice_make(id.bytes, 16), 5));
    }
    sum.hash += content_total(p->content) * 12345;
    buf_release(&ids);
    buf_release(&stored);
    return sum;
}

struct simnode *node_of(struct world *w, uint32_t number)
{
    const struct grid_node *g = grid_state_node(w->newest, number);
    for (unsigned i = 0; g && i < w->nodes_len; i++)
        if (memcmp(w->nodes[i].info.id, g->info.id, GRID_ID_BYTES) == 0)
            return &w->nodes[i];
    return NULL;
}

static void equal(struct world *w, unsigned context, uint32_t id, uint32_t partition)
{
    struct replica_config c;
    struct sum first = {0};
    uint64_t last = 0;
    CHECK(grid_state_config(w->newest, id, partition, &c));
    for (unsigned i = 0; i < c.in_sync; i++) {
        const struct simnode *n = node_of(w, c.members[i].node);
        const struct partition *p = n ? part_of(n, id, partition) : NULL;
        if (!p) {
            world_fail(w, "node %u has no w%u/%u", c.members[i].node, context, partition);
            return;
        }
        struct sum sum = sum_of(p);
        if (!i) {
            first = sum;
            last = replica_last(&p->replica);
        }
        if (sum.hash != first.hash || sum.entries != first.entries ||
            replica_last(&p->replica) != last || p->replica.commit != last)
            world_fail(w,
                       "w%u/%u: node %u has %lu entries to %lx (commit %lx, sum %lx), not %lu to "
                       "%lx (sum %lx)",
                       context, partition, n->index, (unsigned long)sum.entries,
                       (unsigned long)replica_last(&p->replica), (unsigned long)p->replica.commit,
                       (unsigned long)sum.hash, (unsigned long)first.entries, (unsigned long)last,
                       (unsigned long)first.hash);
    }
}

void check_equal(struct world *w)
{
    for (unsigned i = 0; i < w->contexts_len; i++) {
        uint32_t id = context_id(w->newest, i);
        for (uint32_t p = 0; id && p < w->contexts[i].info.partitions && !w->fault; p++)
            equal(w, i, id, p);
    }
    for (unsigned i = 0; i < w->nodes_len; i++)
        for (unsigned k = 0; k < w->mix.shards; k++)
            if (w->nodes[i].shards[k].s) {
                shard_check(w->nodes[i].shards[k].s);
                router_check(w->nodes[i].shards[k].router);
            }
}

void check_history(struct world *w)
{
    struct buf words = BUF_INIT;
    struct history_limits limits = {.bytes_max = 32 << 20, .steps_max = 3000000};
    enum history_verdict v = history_judge(w->history, &limits, &words);
    tally.hard += v == HISTORY_TOO_HARD;
    if (v == HISTORY_BAD)
        world_fail(w, "%.*s", (int)words.len, (const char *)words.data);
    buf_release(&words);
}

static bool node_well(const struct simnode *n, const struct simnode **leader, char *why, size_t len)
{
    const struct world *w = n->w;
    struct grid_member_status s;
    snprintf(why, len, "node %u does not run", n->index);
    if (!n->running)
        return false;
    grid_member_status(n->member, node_mono(n), &s);
    snprintf(why, len, "node %u is not in: phase %d, %s", n->index, (int)s.phase, s.why);
    if (s.phase != GRID_IN)
        return false;
    snprintf(why, len, "nodes %u and %u lead", n->index, *leader ? (*leader)->index : 0);
    if (s.leads && *leader)
        return false;
    *leader = s.leads ? n : *leader;
    for (unsigned i = 0; i < w->mix.shards; i++) {
        const struct simshard *h = &n->shards[i];
        snprintf(why, len, "shard %u of node %u lags behind", i, n->index);
        if (!h->state || h->state->revision != w->newest->revision)
            return false;
        snprintf(why, len, "shard %u of node %u has copies going out", i, n->index);
        if (!list_empty(&h->s->sharing->copies))
            return false;
        snprintf(why, len, "operations wait in the router of shard %u of node %u", i, n->index);
        if (router_busy(h->router))
            return false;
    }
    return true;
}

bool world_converged(struct world *w, const char **ret_why)
{
    static char why[400];
    const struct simnode *leader = NULL;
    *ret_why = why;
    snprintf(why, sizeof why, "there is no grid");
    if (!w->newest)
        return false;
    for (unsigned i = 0; i < w->nodes_len; i++)
        if (!w->nodes[i].removed && !node_well(&w->nodes[i], &leader, why, sizeof why))
            return false;
    snprintf(why, sizeof why, "nobody leads");
    if (!leader)
        return false;
    struct grid_summary sum;
    grid_state_summary(w->newest, &sum);
    snprintf(why, sizeof why,
             "of %lu partitions %lu unled, %lu lost, %lu short of copies, %lu joining, %lu surplus",
             (unsigned long)sum.partitions, (unsigned long)sum.unled, (unsigned long)sum.lost,
             (unsigned long)sum.short_of_copies, (unsigned long)sum.joining,
             (unsigned long)sum.surplus);
    if (sum.unled || sum.lost || sum.short_of_copies || sum.joining || sum.surplus)
        return false;
    snprintf(why, sizeof why, "clients wait");
    return clients_idle(w);
}

/* For who looks for a fault. */
static void show_copies(const struct world *w, uint32_t id, uint32_t p)
{
    for (unsigned k = 0; k < w->nodes_len; k++) {
        const struct simnode *n = &w->nodes[k];
        const struct shard *s = n->shards[p % w->mix.shards].s;
        struct shard_partition_info info;
        if (s && shard_partition_info(s, id, (uint16_t)p, &info))
            printf("  node %u (%u.%u): epoch %lu %s, %s, last %lx, commit %lx, left %lu\n", k,
                   n->self.node, n->self.boot, (unsigned long)info.epoch, info.role, info.state,
                   (unsigned long)info.version, (unsigned long)info.commit,
                   (unsigned long)info.bytes_left);
    }
}

void world_show(struct world *w)
{
    for (size_t t = 0; w->newest && t < w->newest->tables_len; t++)
        for (uint32_t p = 0; p < w->newest->tables[t]->partitions; p++) {
            struct replica_config c;
            uint32_t id = w->newest->tables[t]->context;
            CHECK(grid_state_config(w->newest, id, p, &c));
            printf("%u/%u: epoch %lu led %d lost %d in sync %u complete %u:", id, p,
                   (unsigned long)c.epoch, c.led, c.lost, c.in_sync, c.complete);
            for (unsigned i = 0; i < c.len; i++)
                printf(" %u.%u", c.members[i].node, c.members[i].boot);
            printf("\n");
            show_copies(w, id, p);
        }
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct simnode *n = &w->nodes[i];
        printf("node %u: running %d removed %d, revision %lu of %lu\n", i, n->running, n->removed,
               n->member ? (unsigned long)grid_member_state(n->member)->revision : 0,
               w->newest ? (unsigned long)w->newest->revision : 0);
        for (unsigned k = 0; k < w->mix.shards; k++)
            if (n->shards[k].router)
                route_show(&n->shards[k]);
        machine_show(n->machine);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        if (w->clients[i].busy)
            printf("client %u: w%u/k%u kind %d since %lu\n", i, w->clients[i].context,
                   w->clients[i].key, (int)w->clients[i].op.kind,
                   (unsigned long)w->clients[i].first_at);
    work_show(w);
    fflush(stdout);
}
