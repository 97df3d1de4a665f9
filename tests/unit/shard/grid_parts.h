/* grid_parts.h - some nodes of one shard each in one process: real shards, replicas, leases, grid
 * state and planner; a network, disks and a control log made from a seed.
 *
 * Links keep order within a class, and lose a suffix when they go down. A node may crash (what was
 * not synced is lost), be paused, be cut off from the control log. Clients count with exactly-once
 * increments and read; what they are told is held against what they asked. Here: what there is, the
 * network, and the ports of a shard; the rest is in grid_world.h. */
#ifndef GRIDD_TESTS_SHARD_GRID_PARTS_H
#define GRIDD_TESTS_SHARD_GRID_PARTS_H

#include "base/alloc.h"
#include "base/hash.h"
#include "base/prng.h"
#include "control/command.h"
#include "control/plan.h"
#include "control/settings.h"
#include "data/fields.h"
#include "grid/leases.h"
#include "shard/call.h"
#include "shard/others_priv.h"
#include "store/checkpoint.h"
#include "tests/lib/unit.h"

#include <stdio.h>

enum {
    NODES_MAX = 5,
    CLIENTS = 8,
    COUNTERS = 12,
    PARTITIONS = 4,
    CLASSES = 3,
    WALL = 1000000,
    ACKED = 512
};

struct parcel { /* a message on its way */
    struct parcel *next;
    msec_t at;
    bool beacon;
    struct replica_member from, echo_of;
    uint64_t revision;
    msec_t sent, echo;
    struct shard_message m;
    struct buf bytes;
    size_t *lens;
};

struct pipe { /* one class of one direction */
    struct parcel *first, *last;
    msec_t at;
    size_t bytes;
};

struct question { /* a cold read */
    uint64_t token;
    struct buf key;
    uint32_t context, cache, after_cache, limit;
    size_t bytes;
    uint16_t partition;
    bool scan;
};

struct wnode {
    struct world *w;
    unsigned index;
    struct shard *s; /* NULL: down */
    struct grid_state *known;
    struct grid_leases *leases;
    struct replica_member self;
    uint8_t id[GRID_ID_BYTES];
    uint8_t boot_id[GRID_ID_BYTES];
    uint64_t start;
    struct disk *disk;
    struct store_mem *store;
    struct wal *wal;
    struct wal_batch batch;
    struct checkpoint *checkpoint;
    struct question *questions;
    size_t questions_len;
    struct log_read *read; /* asked for; NULL: nothing */
    uint64_t retention;    /* of the log */
    struct buf base;
    uint64_t durable;
    uint64_t mended[PARTITIONS]; /* lsn of the last that the log was told of */
    bool fold_soon, full;
    msec_t paused_until, cut_until, back_at, heard, told_at;
    msec_t beat_at, turn_at, tick_at;
    msec_t sent_to_me[NODES_MAX]; /* newest `sent` of each one's beacons */
    struct plan_report reports[PARTITIONS];
    bool reported[PARTITIONS];
    bool led[PARTITIONS]; /* as the shard told */
};

struct proposal {
    struct proposal *next;
    msec_t at;
    unsigned node;
    uint64_t start;
    struct part_change change;
    uint64_t number;
    bool answered;
    enum grid_err err;
};

struct client {
    uint64_t number;
    unsigned counter;
    bool busy, reads, local;
    uint64_t attempt;
    msec_t first_at, sent_at, again_at;
    uint64_t floor; /* acked when it began */
};

struct world {
    uint64_t seed;
    struct prng prng;
    msec_t now;
    unsigned nodes_len;
    enum durability durability;
    struct wnode nodes[NODES_MAX];
    struct pipe pipes[NODES_MAX][NODES_MAX][CLASSES];
    bool linked[NODES_MAX][NODES_MAX];
    msec_t link_at[NODES_MAX][NODES_MAX];
    struct grid_state *truth;
    struct plan *plan;
    msec_t plan_at;
    struct proposal *proposals;
    uint64_t commands;
    struct client clients[CLIENTS];
    uint64_t acked[COUNTERS], issued[COUNTERS];
    msec_t acked_at[COUNTERS][ACKED]; /* the last times */
    struct result digests[NODES_MAX];
    bool faults, quiet, lossy, gentle;
    unsigned crash_in, pause_in, cut_in, link_in, sync_in, fold_in, cold_in; /* one in so many ms */
    size_t value_bytes;
    uint64_t memory_limit;
    uint64_t ops_done, retries, copies, copied_bytes, mends, kills, pauses, folds, surveys, pages;
    uint64_t rejoined[3];
    uint32_t context;
};

static uint64_t below(struct world *w, uint64_t n)
{
    return prng_below(&w->prng, n);
}

static bool chance(struct world *w, unsigned one_in)
{
    return one_in && below(w, one_in) == 0;
}

static uint32_t w_cache(const struct world *w)
{
    return w->context << 16 | 1;
}

/* --- the network ------------------------------------------------------------------------------ */

static void parcel_free(struct parcel *c)
{
    buf_release(&c->bytes);
    free(c->lens);
    free(c);
}

static void pipe_clear(struct pipe *p)
{
    while (p->first) {
        struct parcel *c = p->first;
        p->first = c->next;
        parcel_free(c);
    }
    *p = (struct pipe){0};
}

static void parcel_give(struct world *w, unsigned from, unsigned to, unsigned class,
                        struct parcel *c)
{
    struct pipe *p = &w->pipes[from][to][class];
    if (!w->linked[from][to]) {
        parcel_free(c);
        return;
    }
    c->at = w->now + 1 + below(w, chance(w, 20) ? 30 : 3);
    if (c->at < p->at)
        c->at = p->at;
    p->at = c->at;
    p->bytes += c->bytes.len;
    if (p->last && p->first)
        p->last->next = c;
    else
        p->first = c;
    p->last = c;
}

static struct wnode *node_numbered(struct world *w, uint32_t number)
{
    for (unsigned i = 0; i < w->nodes_len; i++) {
        const struct grid_node *n = grid_state_node_by_id(w->truth, w->nodes[i].id);
        if (n && n->number == number)
            return &w->nodes[i];
    }
    return NULL;
}

/* --- ports ------------------------------------------------------------------------------------ */

static msec_t p_mono(void *ctx)
{
    return ((struct wnode *)ctx)->w->now;
}

static void p_send(void *ctx, const struct shard_to *to, enum shard_class class,
                   const struct shard_message *m)
{
    struct wnode *n = ctx;
    struct wnode *other = node_numbered(n->w, to->member.node);
    ck_assert_uint_eq(to->shard, 0);
    if (!other)
        return;
    n->w->copies += m->kind == SHARD_REPLICA && m->replica.kind == REPLICA_COPY;
    n->w->mends += m->kind == SHARD_MEND && m->last;
    if (m->kind == SHARD_REPLICA && m->replica.kind == REPLICA_ACK && m->replica.version) /* R4 */
        ck_assert_uint_le(n->mended[m->partition], n->durable);
    struct parcel *c = xcalloc(1, sizeof *c);
    c->m = *m;
    c->lens = xcalloc(m->records_len + 1, sizeof *c->lens);
    for (size_t i = 0; i < m->records_len; i++) {
        c->lens[i] = m->records[i].len;
        buf_add(&c->bytes, m->records[i].data, m->records[i].len);
    }
    n->w->copied_bytes += m->kind == SHARD_PIECE ? c->bytes.len : 0;
    parcel_give(n->w, n->index, other->index, class, c);
}

static size_t p_room(void *ctx, const struct shard_to *to, enum shard_class class)
{
    struct wnode *n = ctx;
    const struct wnode *other = node_numbered(n->w, to->member.node);
    if (!other || !n->w->linked[n->index][other->index])
        return 0;
    size_t queued = n->w->pipes[n->index][other->index][class].bytes, most = 256 << 10;
    return queued < most ? most - queued : 0;
}

static void p_ask(void *ctx, const struct part_change *change, uint64_t number)
{
    struct wnode *n = ctx;
    struct proposal *p = xcalloc(1, sizeof *p);
    *p = (struct proposal){.next = n->w->proposals,
                           .at = n->w->now + 1 + below(n->w, 20),
                           .node = n->index,
                           .start = n->start,
                           .change = *change,
                           .number = number};
    n->w->proposals = p;
}

static void p_report(void *ctx, const struct plan_report *r)
{
    struct wnode *n = ctx;
    if (r->context != n->w->context)
        return;
    n->reports[r->partition] = *r;
    n->reported[r->partition] = true;
}

static void p_progress(void *ctx, const struct plan_progress *p)
{
    (void)ctx;
    (void)p;
}

static bool p_lease_held(void *ctx, struct replica_member by, uint64_t revision, msec_t now)
{
    return grid_lease_held(((struct wnode *)ctx)->leases, by, revision, now);
}

static msec_t p_lease_granted(void *ctx, struct replica_member to)
{
    struct wnode *n = ctx;
    return to.node ? grid_lease_granted(n->leases, to) : n->w->now + GRID_GRACE_MS;
}

static void p_log_read(void *ctx, struct log_read *l)
{
    struct wnode *n = ctx;
    ck_assert(!n->read); /* one at a time */
    n->read = l;
}

static const struct shard_grid_ports grid_ports = {
    p_mono, p_send, p_room, p_ask, p_report, p_progress, p_lease_held, p_lease_granted, p_log_read};

#endif
