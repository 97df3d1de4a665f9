/* test_grid_reset.c - a partition whose last copy is gone begins again.
 * LINK: store shard grid control replica data base */
#include "tests/unit/shard/grid_ask.h"

static void down_for_long(struct wnode *n)
{
    node_kill(n);
    n->back_at = n->w->now + 1000000;
}

/* Node 0 has on its disk a copy of what is lost: node 1 led without it, and is no more. */
static struct wnode *lost_world(struct world **ret_world)
{
    struct world *w = *ret_world = world_new(1, 2, DURABILITY_SYNC);
    struct wnode *n = &w->nodes[0], *other = &w->nodes[1];
    const struct result *told = w->digests;
    w->quiet = true;
    for (int i = 0; i < 10000 && !world_settled(w); i++)
        world_step(w);
    ck_assert(world_settled(w));
    strict_ask(w, node_numbered(w, grid_state_primary(w->truth, w->context, 0).node), OP_INCR, 0);
    world_run(w, 200);
    ck_assert_int_eq(told[0].status, GRID_OK);
    down_for_long(n);
    gate_await(w, other, GATE_OPEN);
    down_for_long(other);
    struct grid_outcome out;
    uint32_t gone = grid_state_node_by_id(w->truth, other->id)->number;
    struct grid_command c = {.kind = GRID_REMOVE, .u.remove = {gone, true}};
    command_do(w, &c, &out);
    ck_assert_msg(out.err == GRID_OK, "%s", out.why);
    struct replica_config config;
    ck_assert(grid_state_config(w->truth, w->context, 0, &config));
    ck_assert(config.lost);
    n->back_at = w->now;
    for (int i = 0; i < 10000 && !(n->s && n->self.node); i++)
        world_step(w);
    gate_await(w, n, GATE_LOST);
    return n;
}

static void first_reset(struct world *w)
{
    struct replica_config config;
    struct grid_outcome out;
    ck_assert(grid_state_config(w->truth, w->context, 0, &config));
    struct part_change change = {PART_RESET, w->context, 0, (uint32_t)config.epoch, {0, 0}};
    command_do(w, &(struct grid_command){.kind = GRID_PARTS, .u.parts = {&change, 1}}, &out);
    ck_assert_int_eq(out.part_err[0], GRID_OK);
}

/* The log must say that it is void before it has anything that is not. */
START_TEST(what_a_reset_made_void_does_not_come_back_though_the_log_was_full)
{
    struct world *w;
    struct wnode *n = lost_world(&w);
    const struct result *told = w->digests;
    n->full = true;
    first_reset(w);
    world_run(w, 1000);
    strict_ask(w, n, OP_GET, 0);
    world_run(w, 100);
    ck_assert_int_ne(told[0].status, GRID_OK);
    n->full = false;
    gate_await(w, n, GATE_OPEN);
    strict_ask(w, n, OP_COUNT, 1);
    world_run(w, 100);
    ck_assert_int_eq(told[1].status, GRID_OK);
    ck_assert_int_eq(told[1].number, 0);
    struct op op = {.kind = OP_INCR,
                    .cache = w_cache(w),
                    .key = slice_str("other"),
                    .delta = 1,
                    .ticket = {.number = 1, .part = CLIENTS + 1}};
    shard_submit(n->s, &op, WALL + w->now);
    world_run(w, 200);
    ck_assert_int_eq(told[1].status, GRID_OK);
    node_kill(n);
    n->back_at = w->now;
    gate_await(w, n, GATE_OPEN);
    strict_ask(w, n, OP_GET, 0);
    strict_ask(w, n, OP_COUNT, 1);
    world_run(w, 200);
    ck_assert_int_eq(told[0].status, GRID_ENOT_FOUND);
    ck_assert_int_eq(told[1].status, GRID_OK);
    ck_assert_int_eq(told[1].number, 1);
    world_free(w);
}
END_TEST

UNIT_MAIN("shard/grid_reset", what_a_reset_made_void_does_not_come_back_though_the_log_was_full)
