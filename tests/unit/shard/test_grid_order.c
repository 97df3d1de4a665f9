/* test_grid_order.c - ops on one key are done in the order in which they came, when they wait for a
 * lease or at the gate.
 * LINK: store shard grid control replica data base */
#include "tests/unit/shard/grid_ask.h"

/* Two nodes with a copy each. */
static struct world *calm_world(void)
{
    struct world *w = world_new(1, 2, DURABILITY_SYNC);
    w->quiet = true;
    for (int i = 0; i < 10000 && !world_settled(w); i++)
        world_step(w);
    ck_assert(world_settled(w));
    world_run(w, 200);
    return w;
}

START_TEST(what_waits_for_a_lease_is_done_before_what_came_later)
{
    struct world *w = calm_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    const struct result *told = w->digests;
    strict_ask(w, n, OP_INCR, 0);
    world_run(w, 200);
    ck_assert_int_eq(told[0].status, GRID_OK);
    w->nodes[!n->index].paused_until = w->now + GRID_LEASE_MS + 100;
    world_run(w, GRID_LEASE_MS + 50);
    strict_ask(w, n, OP_GET, 1);
    strict_ask(w, n, OP_INCR, 2);
    strict_ask(w, n, OP_GET, 3);
    world_run(w, 10);
    ck_assert_int_eq(told[1].status, GRID_EIO);
    shard_check(n->s);
    world_run(w, 300);
    for (unsigned i = 1; i <= 3; i++)
        ck_assert_int_eq(told[i].status, GRID_OK);
    ck_assert_uint_eq(told[1].version, told[0].version);
    ck_assert_uint_gt(told[2].version, told[0].version);
    ck_assert_uint_eq(told[3].version, told[2].version);
    world_heal(w);
    world_free(w);
}
END_TEST

START_TEST(a_read_waits_behind_a_write_that_is_held_and_one_of_another_key_does_not)
{
    struct world *w = calm_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    const struct result *told = w->digests;
    struct op other = {.kind = OP_GET, .cache = w_cache(w), .key = slice_str("other")};
    other.ticket = (struct ticket){.number = 2, .part = CLIENTS + 1};
    world_run(w, 200);
    ck_assert(shard_freeze(n->s, w->context, 0, 500, WALL + w->now));
    gate_await(w, n, GATE_READS);
    strict_ask(w, n, OP_INCR, 0);
    strict_ask(w, n, OP_GET, 1);
    w->digests[2].status = GRID_EIO;
    shard_submit(n->s, &other, WALL + w->now);
    world_run(w, 50);
    shard_check(n->s);
    ck_assert_int_eq(told[0].status, GRID_EIO);
    ck_assert_int_eq(told[1].status, GRID_EIO);
    ck_assert_int_eq(told[2].status, GRID_ENOT_FOUND);
    world_run(w, 600);
    ck_assert_int_eq(told[0].status, GRID_OK);
    ck_assert_int_eq(told[1].status, GRID_OK);
    ck_assert_uint_eq(told[1].version, told[0].version);
    world_free(w);
}
END_TEST

START_TEST(all_that_wait_are_refused_with_the_first_that_waited_too_long)
{
    struct world *w = calm_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    const struct result *told = w->digests;
    ck_assert(shard_freeze(n->s, w->context, 0, 10000, WALL + w->now));
    gate_await(w, n, GATE_READS);
    strict_ask(w, n, OP_INCR, 0);
    world_run(w, HOLD_MS_MAX - 100);
    strict_ask(w, n, OP_INCR, 1);
    strict_ask(w, n, OP_GET, 2);
    world_run(w, 50);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(told[i].status, GRID_EIO);
    world_run(w, 100);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(told[i].status, GRID_ENOT_PRIMARY);
    shard_check(n->s);
    world_free(w);
}
END_TEST

/* The other leads from now on, while writes wait here. */
static void frozen_hand_over(struct world *w, struct wnode *n)
{
    struct replica_config c;
    struct grid_outcome out;
    ck_assert(shard_freeze(n->s, w->context, 0, 10000, WALL + w->now));
    ck_assert(grid_state_config(w->truth, w->context, 0, &c));
    struct part_change over = {PART_HAND_OVER, w->context, 0, (uint32_t)c.epoch, c.members[1]};
    command_do(w, &(struct grid_command){.kind = GRID_PARTS, .u.parts = {&over, 1}}, &out);
    ck_assert_int_eq(out.part_err[0], GRID_OK);
}

/* What a copy may say is not refused with what waits there, nor begun again. */
START_TEST(a_local_read_that_waits_for_the_checkpoint_asks_it_once)
{
    uint8_t cursor[] = {2 /* PASS_DISK */, 0, 0, 0, 0, 0, 0, 0, 0};
    struct world *w = calm_world();
    struct wnode *n = node_numbered(w, grid_state_primary(w->truth, w->context, 0).node);
    struct partition *p = n->s->contexts[w->context]->partitions[0];
    struct op scan = {.kind = OP_SCAN, .cache = w_cache(w), .local = true, .limit = 10};
    strict_ask(w, n, OP_INCR, 0);
    frozen_hand_over(w, n);
    for (int i = 0; i < 5000 && !replica_copy_reads(&p->replica, mono_now(n->s)); i++)
        world_step(w);
    ck_assert(p->gate == GATE_AWAY && p->frozen_until);
    content_set_complete(p->content, false);
    store_u64(cursor + 1, p->scan_epoch);
    scan.cursor = slice_make(cursor, sizeof cursor);
    scan.ticket = (struct ticket){.number = 1, .part = CLIENTS + 1};
    w->digests[1].status = GRID_EIO;
    n->questions_len = 0;
    shard_submit(n->s, &scan, WALL + w->now);
    ck_assert_uint_eq(n->questions_len, 1);
    shard_turn(n->s, WALL + w->now);
    ck_assert_uint_eq(n->questions_len, 1);
    world_run(w, 200);
    ck_assert_int_eq(w->digests[1].status, GRID_OK);
    shard_check(n->s);
    world_free(w);
}
END_TEST

UNIT_MAIN("shard/grid_order", what_waits_for_a_lease_is_done_before_what_came_later,
          a_read_waits_behind_a_write_that_is_held_and_one_of_another_key_does_not,
          all_that_wait_are_refused_with_the_first_that_waited_too_long,
          a_local_read_that_waits_for_the_checkpoint_asks_it_once)
