/* test_placement.c - properties of the plan, for many drawn grids: complete, spread, balanced, and
 * no more moves than needed.
 * LINK: control base */
#include "base/alloc.h"
#include "base/prng.h"
#include "control/placement.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

enum { NODES = 40, GRIDS = 150 };

struct grid {
    struct place_node nodes[NODES];
    struct place_conf conf;
    uint16_t *today, *wanted;
};

static size_t cells(const struct grid *g)
{
    return (size_t)g->conf.partitions * g->conf.copies;
}

static struct grid *grid_new(uint32_t nodes, uint32_t partitions, uint32_t copies, uint64_t seed)
{
    struct grid *g = xcalloc(1, sizeof *g);
    g->conf = (struct place_conf){g->nodes, nodes, partitions, copies, seed};
    struct prng r = {seed};
    for (uint32_t i = 0; i < NODES; i++)
        g->nodes[i] = (struct place_node){prng_next(&r), 1, PLACE_ZONE_NONE, true};
    g->today = xalloc(cells(g) * sizeof *g->today);
    g->wanted = xalloc(cells(g) * sizeof *g->wanted);
    for (size_t i = 0; i < cells(g); i++)
        g->today[i] = PLACE_NONE;
    return g;
}

static void grid_free(struct grid *g)
{
    free(g->today);
    free(g->wanted);
    free(g);
}

/* Carry the plan out. Returns the copies that had to be made. */
static size_t grid_plan(struct grid *g)
{
    size_t made = 0;
    uint32_t n = g->conf.copies;
    place(&g->conf, g->today, g->wanted);
    for (size_t i = 0; i < cells(g); i++) {
        bool there = g->wanted[i] == PLACE_NONE;
        for (size_t k = i / n * n; k < i / n * n + n; k++)
            there |= g->today[k] == g->wanted[i];
        made += !there;
    }
    memcpy(g->today, g->wanted, cells(g) * sizeof *g->today);
    return made;
}

static uint32_t zones_of(const struct grid *g)
{
    uint32_t zones = 0;
    for (uint32_t i = 0; i < g->conf.nodes_len; i++) {
        bool first = g->nodes[i].takes;
        for (uint32_t k = 0; k < i && first; k++)
            first = !(g->nodes[k].takes && g->nodes[k].zone == g->nodes[i].zone &&
                      g->nodes[i].zone != PLACE_ZONE_NONE);
        zones += first;
    }
    return zones;
}

static uint32_t row_zones(const struct grid *g, const uint16_t *row, uint32_t n)
{
    uint32_t zones = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool first = true;
        for (uint32_t k = 0; k < i && first; k++)
            first = g->nodes[row[k]].zone == PLACE_ZONE_NONE ||
                    g->nodes[row[k]].zone != g->nodes[row[i]].zone;
        zones += first;
    }
    return zones;
}

/* Every partition has all its copies, on different nodes that take them, in as many zones as there
 * are. */
static void complete_check(const struct grid *g)
{
    uint32_t copies = place_copies(&g->conf), zones = zones_of(g);
    for (uint32_t p = 0; p < g->conf.partitions; p++) {
        const uint16_t *row = g->wanted + (size_t)p * g->conf.copies;
        for (uint32_t i = 0; i < g->conf.copies; i++) {
            ck_assert_int_eq(row[i] == PLACE_NONE, i >= copies);
            ck_assert(i >= copies || (row[i] < g->conf.nodes_len && g->nodes[row[i]].takes));
            for (uint32_t k = 0; k < i && i < copies; k++)
                ck_assert_uint_ne(row[i], row[k]);
        }
        ck_assert_uint_eq(row_zones(g, row, copies), zones < copies ? zones : copies);
    }
}

/* No node above 1.05 times its share by weight, rounded up, of copies and of primaries. */
static void balance_check(const struct grid *g)
{
    uint32_t all[NODES] = {0}, first[NODES] = {0}, weight = 0, copies = place_copies(&g->conf);
    for (size_t i = 0; i < cells(g); i++) {
        if (g->wanted[i] == PLACE_NONE)
            continue;
        all[g->wanted[i]]++;
        first[g->wanted[i]] += i % g->conf.copies == 0;
    }
    for (uint32_t i = 0; i < g->conf.nodes_len; i++)
        weight += g->nodes[i].takes ? g->nodes[i].weight : 0;
    for (uint32_t i = 0; i < g->conf.nodes_len; i++) {
        double share = (double)g->conf.partitions * g->nodes[i].weight / weight;
        ck_assert_msg(all[i] <= 1.05 * share * copies + 1, "node %u: %u copies, its share is %.1f",
                      i, all[i], share * copies);
        ck_assert_msg(first[i] <= 1.05 * share + 1, "node %u: %u primaries, its share is %.1f", i,
                      first[i], share);
    }
}

START_TEST(a_new_grid_is_complete_spread_and_balanced)
{
    for (uint64_t seed = 1; seed <= GRIDS; seed++) {
        struct prng r = {seed};
        uint32_t nodes = 1 + (uint32_t)prng_below(&r, 12);
        uint32_t partitions = 1u << prng_below(&r, 11), copies = 1 + (uint32_t)prng_below(&r, 4);
        struct grid *g = grid_new(nodes, partitions, copies, seed);
        grid_plan(g);
        complete_check(g);
        balance_check(g);
        grid_free(g);
    }
}
END_TEST

START_TEST(weights_are_followed)
{
    struct grid *g = grid_new(5, 1024, 2, 7);
    for (uint32_t i = 0; i < 5; i++)
        g->nodes[i].weight = 1 + i % 3;
    grid_plan(g);
    complete_check(g);
    balance_check(g);
    grid_free(g);
}
END_TEST

START_TEST(copies_lie_in_different_zones_even_when_one_is_small)
{
    static const uint32_t zones[] = {1, 1, 1, 2, 3};
    for (uint32_t copies = 1; copies <= 4; copies++) {
        struct grid *g = grid_new(5, 256, copies, copies);
        for (uint32_t i = 0; i < 5; i++)
            g->nodes[i].zone = zones[i];
        grid_plan(g);
        complete_check(g);
        grid_free(g);
    }
}
END_TEST

START_TEST(a_plan_that_is_good_is_left_alone)
{
    for (uint64_t seed = 1; seed <= GRIDS; seed++) {
        struct prng r = {seed};
        struct grid *g = grid_new(1 + (uint32_t)prng_below(&r, 12), 512, 2, seed);
        for (uint32_t i = 0; i < g->conf.nodes_len; i++)
            g->nodes[i].zone = (uint32_t)prng_below(&r, 4);
        grid_plan(g);
        uint16_t *before = xalloc(cells(g) * sizeof *before);
        memcpy(before, g->today, cells(g) * sizeof *before);
        ck_assert_uint_eq(grid_plan(g), 0);
        ck_assert_mem_eq(before, g->today, cells(g) * sizeof *before);
        free(before);
        grid_free(g);
    }
}
END_TEST

START_TEST(a_dead_node_costs_its_own_copies_and_little_more)
{
    for (uint32_t nodes = 3; nodes <= 12; nodes++) {
        struct grid *g = grid_new(nodes, 1024, 2, nodes);
        grid_plan(g);
        size_t lost = 0;
        for (size_t i = 0; i < cells(g); i++)
            lost += g->today[i] == 1;
        g->nodes[1].takes = false;
        size_t made = grid_plan(g);
        complete_check(g);
        balance_check(g);
        ck_assert_uint_ge(made, lost);
        ck_assert_msg(made <= lost + lost / 10 + 2, "%u nodes: %zu lost, %zu made", nodes, lost,
                      made);
        grid_free(g);
    }
}
END_TEST

START_TEST(a_new_node_takes_its_share_and_nothing_else_moves)
{
    for (uint32_t nodes = 2; nodes <= NODES; nodes += nodes / 8 + 1) {
        struct grid *g = grid_new(nodes, 1024, 2, nodes);
        g->nodes[0].takes = false;
        grid_plan(g);
        g->nodes[0].takes = true;
        size_t made = grid_plan(g), taken = 0;
        for (size_t i = 0; i < cells(g); i++)
            taken += g->today[i] == 0;
        complete_check(g);
        balance_check(g);
        ck_assert_msg(made <= taken + taken / 10 + 2, "%u nodes: it took %zu, %zu were made", nodes,
                      taken, made);
        ck_assert_uint_ge(taken, 1024 * 2 / nodes * 9 / 10);
        grid_free(g);
    }
}
END_TEST

START_TEST(whatever_comes_and_goes_the_plan_stays_complete_and_balanced)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct prng r = {seed};
        struct grid *g =
            grid_new(2 + (uint32_t)prng_below(&r, 8), 256, 1 + (uint32_t)prng_below(&r, 3), seed);
        for (int step = 0; step < 20; step++) {
            struct place_node *n = &g->nodes[prng_below(&r, g->conf.nodes_len)];
            n->takes = !n->takes;
            grid_plan(g);
            complete_check(g);
            if (place_copies(&g->conf))
                balance_check(g);
        }
        grid_free(g);
    }
}
END_TEST

START_TEST(a_primary_that_stays_is_kept_and_a_lost_one_is_replaced_by_one_with_the_data)
{
    struct grid *g = grid_new(6, 1024, 3, 3);
    grid_plan(g);
    uint16_t *before = xalloc(cells(g) * sizeof *before);
    memcpy(before, g->today, cells(g) * sizeof *before);
    g->nodes[2].takes = false;
    grid_plan(g);
    uint32_t changed = 0;
    for (uint32_t p = 0; p < 1024; p++) {
        const uint16_t *was = before + (size_t)p * 3, *now = g->today + (size_t)p * 3;
        ck_assert(now[0] == was[0] || now[0] == was[1] || now[0] == was[2]);
        changed += was[0] != 2 && now[0] != was[0];
    }
    ck_assert_uint_le(changed, 1024 / 20);
    free(before);
    grid_free(g);
}
END_TEST

UNIT_MAIN("control/placement", a_new_grid_is_complete_spread_and_balanced, weights_are_followed,
          copies_lie_in_different_zones_even_when_one_is_small, a_plan_that_is_good_is_left_alone,
          a_dead_node_costs_its_own_copies_and_little_more,
          a_new_node_takes_its_share_and_nothing_else_moves,
          whatever_comes_and_goes_the_plan_stays_complete_and_balanced,
          a_primary_that_stays_is_kept_and_a_lost_one_is_replaced_by_one_with_the_data)
