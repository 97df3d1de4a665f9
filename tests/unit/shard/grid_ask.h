/* grid_ask.h - an op for the first partition of the world of grid_world.h, and what its gate is. */
#ifndef GRIDD_TESTS_SHARD_GRID_ASK_H
#define GRIDD_TESTS_SHARD_GRID_ASK_H

#include "tests/unit/shard/grid_world.h"

static void strict_ask(struct world *w, struct wnode *n, enum op_kind kind, uint64_t number)
{
    struct op op = {.kind = kind,
                    .cache = w_cache(w),
                    .key = slice_str("k"),
                    .delta = 1,
                    .ticket = {.number = number, .part = CLIENTS + 1}};
    w->digests[number].status = GRID_EIO; /* no answer yet */
    shard_submit(n->s, &op, WALL + w->now);
}

static const struct partition *first_partition(const struct wnode *n)
{
    return n->s ? n->s->contexts[n->w->context]->partitions[0] : NULL;
}

static void gate_await(struct world *w, const struct wnode *n, enum gate gate)
{
    for (int i = 0; i < 10000 && (!first_partition(n) || first_partition(n)->gate != gate); i++)
        world_step(w);
    ck_assert_ptr_nonnull(first_partition(n));
    ck_assert_int_eq(first_partition(n)->gate, gate);
}

#endif
