/* placement.c - shares, then copies, then primaries.
 *
 *   shares     water-filling: zones by weight, none above what spread allows it; nodes within them
 *   copies     what is there and allowed stays; what is missing goes to the first node of the hash
 *              order that has room. Where none has, and where a node has too much, a chain of moves
 *              node -> node -> ... -> one with room is looked for, shortest first.
 *   primaries  the same with moves within a partition: a backup becomes the primary */
#include "control/placement.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/prng.h"

#include <stdlib.h>
#include <string.h>

struct step { /* how a chain reached a node: `partition` would move from `from` */
    uint16_t from;
    bool seen;
    uint32_t partition;
};

struct plan {
    const struct place_conf *conf;
    uint32_t copies;   /* of each partition */
    uint32_t zones;    /* that take something */
    uint16_t *zone;    /* of each node, 0 .. zones-1 */
    uint32_t per_zone; /* copies of a partition that a zone may have */
    uint16_t *rows;    /* the result */
    uint32_t *load;    /* of each node: copies, later primaries */
    uint32_t *cap;
    double *share;
    struct step *steps;
    uint16_t *queue;
};

static uint64_t score(const struct plan *p, uint32_t node, uint32_t partition)
{
    struct prng r = {p->conf->seed ^ p->conf->nodes[node].id};
    r.state = prng_next(&r) + partition;
    return prng_next(&r);
}

static uint16_t *row(const struct plan *p, uint32_t partition)
{
    return p->rows + (size_t)partition * p->conf->copies;
}

static uint64_t weight_of(const struct place_node *n)
{
    return n->weight ? n->weight : 1;
}

/* --- shares ----------------------------------------------------------------------------------- */

struct vessel {
    uint64_t weight;
    double limit; /* no more than this fits */
    double share;
};

/* Give `total` out by weight; what does not fit into one goes to the others. */
static void water_fill(struct vessel *v, uint32_t len, double total)
{
    bool *full = xcalloc(len ? len : 1, sizeof *full);
    for (bool again = true; again;) {
        double left = total;
        uint64_t weight = 0;
        for (uint32_t i = 0; i < len; i++) {
            if (full[i])
                left -= v[i].limit;
            else
                weight += v[i].weight;
        }
        again = false;
        for (uint32_t i = 0; i < len && weight; i++) {
            if (full[i])
                continue;
            v[i].share = left * (double)v[i].weight / (double)weight;
            if (v[i].share > v[i].limit) {
                v[i].share = v[i].limit;
                full[i] = again = true;
            }
        }
    }
    free(full);
}

static uint32_t round_up(double share)
{
    uint32_t up = (uint32_t)share;
    return (double)up + 1e-9 < share ? up + 1 : up;
}

/* A twentieth above the share, at least the share rounded up. */
static uint32_t cap_of(double share)
{
    uint32_t up = round_up(share), more = (uint32_t)(share * 1.05);
    return more > up ? more : up;
}

static uint32_t zone_nodes(const struct plan *p, uint32_t zone)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->conf->nodes_len; i++)
        n += p->conf->nodes[i].takes && p->zone[i] == zone;
    return n;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void zones_find(struct plan *p)
{
    const struct place_conf *c = p->conf;
    for (uint32_t i = 0; i < c->nodes_len; i++) {
        uint32_t k = 0;
        while (k < i && !(c->nodes[k].takes && c->nodes[i].zone != PLACE_ZONE_NONE &&
                          c->nodes[k].zone == c->nodes[i].zone))
            k++;
        p->zone[i] = k < i ? p->zone[k] : UINT16_MAX;
        if (k == i && c->nodes[i].takes)
            p->zone[i] = (uint16_t)p->zones++;
    }
    for (p->per_zone = 1;; p->per_zone++) { /* the least that leaves room for all copies */
        uint32_t room = 0;
        for (uint32_t z = 0; z < p->zones; z++)
            room += least(p->per_zone, zone_nodes(p, z));
        if (room >= p->copies)
            return;
    }
}

static void copies_share(struct plan *p)
{
    const struct place_conf *c = p->conf;
    double partitions = c->partitions;
    struct vessel *zones = xcalloc(p->zones, sizeof *zones);
    struct vessel *nodes = xcalloc(c->nodes_len, sizeof *nodes);
    for (uint32_t i = 0; i < c->nodes_len; i++)
        if (c->nodes[i].takes)
            zones[p->zone[i]].weight += weight_of(&c->nodes[i]);
    for (uint32_t z = 0; z < p->zones; z++)
        zones[z].limit = partitions * least(p->per_zone, zone_nodes(p, z));
    water_fill(zones, p->zones, partitions * p->copies);
    for (uint32_t z = 0; z < p->zones; z++) {
        for (uint32_t i = 0; i < c->nodes_len; i++) {
            bool in = c->nodes[i].takes && p->zone[i] == z;
            nodes[i] = (struct vessel){in ? weight_of(&c->nodes[i]) : 0, in ? partitions : 0, 0};
        }
        water_fill(nodes, c->nodes_len, zones[z].share);
        for (uint32_t i = 0; i < c->nodes_len; i++)
            if (nodes[i].weight)
                p->share[i] = nodes[i].share;
    }
    for (uint32_t i = 0; i < c->nodes_len; i++)
        p->cap[i] = least(cap_of(p->share[i]), c->partitions);
    free(nodes);
    free(zones);
}

/* --- copies ----------------------------------------------------------------------------------- */

static bool holds(const struct plan *p, uint32_t partition, uint32_t node)
{
    const uint16_t *r = row(p, partition);
    for (uint32_t i = 0; i < p->copies; i++)
        if (r[i] == node)
            return true;
    return false;
}

/* Whether `node` may have a copy of `partition`, were that of `without` (PLACE_NONE: of nobody)
 * gone. */
static bool may_hold(const struct plan *p, uint32_t partition, uint32_t node, uint32_t without)
{
    const uint16_t *r = row(p, partition);
    uint32_t in_zone = 0;
    if (!p->conf->nodes[node].takes || holds(p, partition, node))
        return false;
    for (uint32_t i = 0; i < p->copies; i++)
        in_zone += r[i] != PLACE_NONE && r[i] != without && p->zone[r[i]] == p->zone[node];
    return in_zone < p->per_zone;
}

static void replace(struct plan *p, uint32_t partition, uint16_t from, uint16_t to)
{
    uint16_t *r = row(p, partition);
    uint32_t i = 0;
    while (r[i] != from)
        i++;
    r[i] = to;
}

typedef bool may_move_fn(const struct plan *p, uint32_t partition, uint32_t from, uint32_t to);
typedef void move_fn(struct plan *p, uint32_t partition, uint16_t from, uint16_t to);

static bool copy_may_move(const struct plan *p, uint32_t partition, uint32_t from, uint32_t to)
{
    return holds(p, partition, from) && may_hold(p, partition, to, from);
}

/* Breadth-first from the nodes in the queue (marked seen) to one with room; then every partition on
 * the way moves. False: there is none. Returns the node it began with in *ret_first. */
static bool chain(struct plan *p, uint32_t queued, may_move_fn *may_move, move_fn *move,
                  uint16_t *ret_first)
{
    const struct place_conf *c = p->conf;
    for (uint32_t at = 0; at < queued; at++) {
        uint16_t from = p->queue[at];
        if (p->load[from] < p->cap[from]) {
            uint16_t to = from;
            for (; p->steps[to].from != PLACE_NONE; to = p->steps[to].from) {
                uint16_t giver = p->steps[to].from;
                move(p, p->steps[to].partition, giver, to);
                p->load[giver]--;
                p->load[to]++;
            }
            *ret_first = to;
            return true;
        }
        for (uint32_t q = 0; q < c->partitions && queued < c->nodes_len; q++) {
            for (uint16_t to = 0; to < c->nodes_len; to++) {
                if (p->steps[to].seen || !may_move(p, q, from, to))
                    continue;
                p->steps[to] = (struct step){from, true, q};
                p->queue[queued++] = to;
            }
        }
    }
    return false;
}

static void chain_begin(struct plan *p)
{
    for (uint32_t i = 0; i < p->conf->nodes_len; i++)
        p->steps[i] = (struct step){PLACE_NONE, false, 0};
}

static uint32_t chain_from(struct plan *p, uint32_t queued, uint16_t node)
{
    p->steps[node].seen = true;
    p->queue[queued] = node;
    return queued + 1;
}

/* What of today's copies may stay. */
static void copies_keep(struct plan *p, const uint16_t *today)
{
    const struct place_conf *c = p->conf;
    for (uint32_t q = 0; q < c->partitions; q++) {
        const uint16_t *was = today + (size_t)q * c->copies;
        uint32_t n = 0;
        for (uint32_t i = 0; i < c->copies && n < p->copies; i++) {
            if (was[i] >= c->nodes_len || !may_hold(p, q, was[i], PLACE_NONE))
                continue;
            row(p, q)[n++] = was[i];
            p->load[was[i]]++;
        }
    }
}

/* The node that gets one more copy of `partition`. */
static uint16_t copy_place(struct plan *p, uint32_t partition)
{
    const struct place_conf *c = p->conf;
    uint16_t best = PLACE_NONE;
    uint64_t best_score = 0;
    for (uint16_t i = 0; i < c->nodes_len; i++) {
        if (p->load[i] >= p->cap[i] || !may_hold(p, partition, i, PLACE_NONE))
            continue;
        uint64_t s = score(p, i, partition);
        if (best == PLACE_NONE || s > best_score) {
            best = i;
            best_score = s;
        }
    }
    return best;
}

static uint16_t copy_make_room(struct plan *p, uint32_t partition)
{
    for (;;) {
        uint32_t queued = 0;
        uint16_t first;
        chain_begin(p);
        for (uint16_t i = 0; i < p->conf->nodes_len; i++)
            if (may_hold(p, partition, i, PLACE_NONE))
                queued = chain_from(p, queued, i);
        CHECK(queued > 0); /* per_zone leaves room */
        if (chain(p, queued, copy_may_move, replace, &first))
            return first;
        for (uint32_t i = 0; i < p->conf->nodes_len; i++) /* whole numbers leave none */
            p->cap[i] += p->conf->nodes[i].takes;
    }
}

static void copies_fill(struct plan *p)
{
    for (uint32_t q = 0; q < p->conf->partitions; q++) {
        for (uint32_t i = 0; i < p->copies; i++) {
            if (row(p, q)[i] != PLACE_NONE)
                continue;
            uint16_t node = copy_place(p, q);
            if (node == PLACE_NONE)
                node = copy_make_room(p, q);
            row(p, q)[i] = node;
            p->load[node]++;
        }
    }
}

/* Take from who has more than its cap, as far as that can be done. */
static void relieve(struct plan *p, may_move_fn *may_move, move_fn *move)
{
    for (uint16_t i = 0; i < p->conf->nodes_len; i++) {
        bool moved = true;
        uint16_t first;
        while (moved && p->load[i] > p->cap[i]) {
            chain_begin(p);
            moved = chain(p, chain_from(p, 0, i), may_move, move, &first);
        }
    }
}

/* Caps that add up to what there is: shares rounded down, and one more for those who have most. */
static void caps_tighten(struct plan *p)
{
    uint32_t left = 0, len = p->conf->nodes_len;
    for (uint32_t i = 0; i < len; i++) {
        p->cap[i] = (uint32_t)(p->share[i] + 1e-9);
        left += p->load[i];
    }
    for (uint32_t i = 0; i < len; i++)
        left -= least(left, p->cap[i]);
    for (; left; left--) {
        uint32_t most = len;
        for (uint32_t i = 0; i < len; i++)
            if (p->conf->nodes[i].takes && (double)p->cap[i] < p->share[i] - 1e-9 &&
                (most == len || p->load[i] > p->load[most]))
                most = i;
        if (most == len)
            return;
        p->cap[most]++;
    }
}

/* Nobody above the cap; and when a node has much less than its share (it is new), nobody above the
 * share, so that it gets a whole one. */
static void balance(struct plan *p, may_move_fn *may_move, move_fn *move)
{
    bool poor = false;
    relieve(p, may_move, move);
    for (uint32_t i = 0; i < p->conf->nodes_len; i++)
        poor |= p->load[i] + 1.0 < p->share[i] * 0.95;
    if (!poor)
        return;
    caps_tighten(p);
    relieve(p, may_move, move);
}

/* --- primaries -------------------------------------------------------------------------------- */

static void primaries_share(struct plan *p)
{
    const struct place_conf *c = p->conf;
    struct vessel *nodes = xcalloc(c->nodes_len, sizeof *nodes);
    for (uint32_t i = 0; i < c->nodes_len; i++)
        nodes[i] = (struct vessel){c->nodes[i].takes ? weight_of(&c->nodes[i]) : 0, p->load[i], 0};
    water_fill(nodes, c->nodes_len, c->partitions);
    for (uint32_t i = 0; i < c->nodes_len; i++) {
        p->share[i] = nodes[i].share;
        p->cap[i] = cap_of(nodes[i].share);
        p->load[i] = 0;
    }
    free(nodes);
}

static bool was_there(const struct plan *p, const uint16_t *was, uint16_t node)
{
    for (uint32_t i = 0; i < p->conf->copies; i++)
        if (was[i] == node)
            return true;
    return false;
}

/* Today's primary when it stays; else a node that has the data, the least loaded for its share. */
static uint32_t primary_choose(const struct plan *p, uint32_t partition, const uint16_t *was)
{
    const uint16_t *r = row(p, partition);
    uint32_t best = 0;
    double best_rank = 0;
    for (uint32_t i = 0; i < p->copies; i++) {
        if (r[i] == was[0])
            return i;
        double rank = (double)(p->load[r[i]] + 1) / (p->cap[r[i]] + 1.0) +
                      (was_there(p, was, r[i]) ? 0 : 1e6);
        if (i == 0 || rank < best_rank) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

static bool primary_may_move(const struct plan *p, uint32_t partition, uint32_t from, uint32_t to)
{
    return row(p, partition)[0] == from && holds(p, partition, to);
}

static void primary_move(struct plan *p, uint32_t partition, uint16_t from, uint16_t to)
{
    uint16_t *r = row(p, partition);
    for (uint32_t i = 1; i < p->copies; i++)
        if (r[i] == to)
            r[i] = from;
    r[0] = to;
}

static void primaries_choose(struct plan *p, const uint16_t *today)
{
    for (uint32_t q = 0; q < p->conf->partitions; q++) {
        uint16_t *r = row(p, q);
        uint16_t to = r[primary_choose(p, q, today + (size_t)q * p->conf->copies)];
        if (to != r[0])
            primary_move(p, q, r[0], to);
        p->load[r[0]]++;
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

uint32_t place_copies(const struct place_conf *conf)
{
    uint32_t takers = 0;
    for (uint32_t i = 0; i < conf->nodes_len; i++)
        takers += conf->nodes[i].takes;
    return least(conf->copies, takers);
}

void place(const struct place_conf *conf, const uint16_t *today, uint16_t *ret_wanted)
{
    CHECK(conf->nodes_len <= PLACE_NODES_MAX && conf->copies > 0 && conf->partitions > 0);
    struct plan p = {.conf = conf, .copies = place_copies(conf), .rows = ret_wanted};
    for (size_t i = 0; i < (size_t)conf->partitions * conf->copies; i++)
        ret_wanted[i] = PLACE_NONE;
    if (!p.copies)
        return;
    p.zone = xcalloc(conf->nodes_len, sizeof *p.zone);
    p.load = xcalloc(conf->nodes_len, sizeof *p.load);
    p.cap = xcalloc(conf->nodes_len, sizeof *p.cap);
    p.share = xcalloc(conf->nodes_len, sizeof *p.share);
    p.steps = xcalloc(conf->nodes_len, sizeof *p.steps);
    p.queue = xcalloc(conf->nodes_len, sizeof *p.queue);
    zones_find(&p);
    copies_share(&p);
    copies_keep(&p, today);
    copies_fill(&p);
    balance(&p, copy_may_move, replace);
    primaries_share(&p);
    primaries_choose(&p, today);
    balance(&p, primary_may_move, primary_move);
    free(p.zone);
    free(p.load);
    free(p.cap);
    free(p.share);
    free(p.steps);
    free(p.queue);
}
