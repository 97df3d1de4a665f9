/* test_grid_fence.c - an op of an epoch: done by who has led since, or not at all.
 * LINK: store shard grid control replica data base */
#include "tests/unit/shard/grid_world.h"

static struct replica_config config_now(const struct world *w)
{
    struct replica_config c;
    ck_assert(grid_state_config(w->truth, w->context, 0, &c));
    return c;
}

static struct wnode *leader(struct world *w)
{
    return node_numbered(w, config_now(w).members[0].node);
}

static const struct partition *first_partition(const struct wnode *n)
{
    return n->s ? n->s->contexts[n->w->context]->partitions[0] : NULL;
}

static void serves(struct world *w, const struct wnode *n)
{
    for (int i = 0; i < 10000 && (!first_partition(n) || first_partition(n)->gate != GATE_OPEN);
         i++)
        world_step(w);
    ck_assert_int_eq(first_partition(n)->gate, GATE_OPEN);
}

/* What a thread asks that knows of that epoch. */
static enum grid_err ask_of(struct world *w, struct wnode *n, enum op_kind kind, uint64_t epoch)
{
    struct op op = {.kind = kind,
                    .cache = w_cache(w),
                    .key = slice_str("k"),
                    .delta = 1,
                    .direct = true,
                    .epoch = (uint32_t)epoch,
                    .ticket = {.number = 0, .part = CLIENTS + 1}};
    w->digests[0].status = GRID_EIO; /* no answer yet */
    shard_submit(n->s, &op, WALL + w->now);
    for (int i = 0; i < 5000 && w->digests[0].status == GRID_EIO; i++)
        world_step(w);
    return w->digests[0].status;
}

/* Returns who leads then. */
static struct wnode *hand_over(struct world *w)
{
    struct replica_config c = config_now(w);
    struct grid_outcome out;
    ck_assert_uint_eq(c.in_sync, 2);
    struct part_change over = {PART_HAND_OVER, w->context, 0, (uint32_t)c.epoch, c.members[1]};
    command_do(w, &(struct grid_command){.kind = GRID_PARTS, .u.parts = {&over, 1}}, &out);
    ck_assert_int_eq(out.part_err[0], GRID_OK);
    struct wnode *n = leader(w);
    node_learn(n);
    serves(w, n);
    return n;
}

static struct world *settled_world(void)
{
    struct world *w = world_new(1, 2, DURABILITY_SYNC);
    w->quiet = true;
    for (int i = 0; i < 10000 && !world_settled(w); i++)
        world_step(w);
    ck_assert(world_settled(w));
    return w;
}

START_TEST(an_op_of_an_epoch_is_done_while_its_lead_goes_on)
{
    struct world *w = settled_world();
    struct wnode *n = leader(w), *other = &w->nodes[!n->index];
    uint64_t epoch = config_now(w).epoch;
    ck_assert_int_eq(ask_of(w, n, OP_INCR, epoch), GRID_OK);
    node_kill(other); /* it leads on, by other configurations */
    other->back_at = w->now + 1000000;
    for (int i = 0; i < 10000 && config_now(w).epoch == epoch; i++)
        world_step(w);
    ck_assert_uint_gt(config_now(w).epoch, epoch);
    serves(w, n);
    ck_assert_int_eq(ask_of(w, n, OP_INCR, epoch), GRID_OK);
    ck_assert_int_eq(ask_of(w, n, OP_INCR, config_now(w).epoch), GRID_OK);
    world_free(w);
}
END_TEST

START_TEST(who_leads_again_does_nothing_of_its_earlier_lead)
{
    struct world *w = settled_world();
    struct wnode *first = leader(w);
    uint64_t epoch = config_now(w).epoch;
    ck_assert_int_eq(ask_of(w, first, OP_INCR, epoch), GRID_OK);
    struct wnode *second = hand_over(w);
    ck_assert_ptr_ne(second, first);
    ck_assert_int_eq(ask_of(w, first, OP_INCR, epoch), GRID_ENOT_PRIMARY);
    ck_assert_int_eq(ask_of(w, second, OP_INCR, config_now(w).epoch), GRID_OK);
    world_run(w, 500);
    if (leader(w) == second) /* the planner may have done it */
        (void)hand_over(w);
    ck_assert_ptr_eq(leader(w), first);
    serves(w, first);
    ck_assert_int_eq(ask_of(w, first, OP_INCR, epoch), GRID_ENOT_PRIMARY);
    ck_assert_int_eq(ask_of(w, first, OP_GET, epoch), GRID_ENOT_PRIMARY);
    ck_assert_int_eq(ask_of(w, first, OP_INCR, config_now(w).epoch), GRID_OK);
    ck_assert_int_eq(w->digests[0].number, 3);
    world_free(w);
}
END_TEST

UNIT_MAIN("shard/grid_fence", an_op_of_an_epoch_is_done_while_its_lead_goes_on,
          who_leads_again_does_nothing_of_its_earlier_lead)
