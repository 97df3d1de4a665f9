/* grid.h - control states for tests: nodes numbered from 1, commands in one line. */
#ifndef GRIDD_TESTS_CONTROL_GRID_H
#define GRIDD_TESTS_CONTROL_GRID_H

#include "base/buf.h"
#include "control/command.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static struct grid_outcome out; /* of the last command */

/* The node `n` in its life `life`. */
static inline struct node_info info_of(uint32_t n, uint32_t life)
{
    struct node_info i = {.weight = 1, .shards = 2};
    store_u32(i.id, n);
    i.id[15] = 1;
    store_u32(i.boot_id, n);
    store_u32(i.boot_id + 4, life);
    snprintf(i.name, sizeof i.name, "n%u", n);
    snprintf(i.address[ADDRESS_PEER], sizeof *i.address, "10.0.0.%u:4712", n);
    return i;
}

static inline enum grid_err apply(struct grid_state *s, const struct grid_command *c)
{
    enum grid_err err = grid_state_apply(s, c, &out);
    ck_assert_int_eq(err, out.err);
    grid_state_check(s);
    return err;
}

static inline struct grid_state *founded(uint32_t nodes)
{
    struct grid_state *s = grid_state_new();
    struct node_info founders[GRID_FOUNDERS_MAX];
    bool voter[GRID_FOUNDERS_MAX];
    uint8_t id[GRID_ID_BYTES] = "grid";
    for (uint32_t i = 0; i < nodes; i++) {
        founders[i] = info_of(i + 1, 1);
        voter[i] = i < 3;
    }
    struct grid_command c = {
        .kind = GRID_FOUND, .now = 1000, .u.found = {"home", id, founders, voter, nodes, NULL, 0}};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    return s;
}

static inline enum grid_err enter(struct grid_state *s, uint32_t n, uint32_t life)
{
    struct node_info i = info_of(n, life);
    struct grid_command c = {.kind = GRID_ENTER, .now = 2000, .u.enter = &i};
    return apply(s, &c);
}

/* Any number of nodes, in their present boots. */
static inline void gone(struct grid_state *s, const uint32_t *nodes, size_t len)
{
    struct replica_member m[GRID_NODES_MAX];
    for (size_t i = 0; i < len; i++)
        m[i] = (struct replica_member){nodes[i], grid_state_node(s, nodes[i])->boot};
    struct grid_command c = {.kind = GRID_GONE, .now = 3000, .u.gone = {m, len}};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
}

static inline void gone_one(struct grid_state *s, uint32_t node)
{
    gone(s, &node, 1);
}

static inline enum grid_err removed(struct grid_state *s, uint32_t node, bool accept_loss)
{
    struct grid_command c = {.kind = GRID_REMOVE, .now = 4000, .u.remove = {node, accept_loss}};
    return apply(s, &c);
}

static inline enum grid_err drained(struct grid_state *s, uint32_t node, bool on)
{
    struct grid_command c = {.kind = GRID_DRAIN, .now = 4000, .u.drain = {node, on}};
    return apply(s, &c);
}

static inline enum grid_err set_setting(struct grid_state *s, const char *name, int64_t value)
{
    struct grid_command c = {.kind = GRID_SETTING_SET, .u.setting = {slice_str(name), value}};
    return apply(s, &c);
}

static inline uint32_t make_context(struct grid_state *s, const char *name, uint32_t partitions,
                                    uint32_t backups, enum durability durability,
                                    uint32_t min_in_sync)
{
    struct context_info info = {.partitions = partitions,
                                .backups = backups,
                                .durability = durability,
                                .min_in_sync = min_in_sync};
    snprintf(info.name, sizeof info.name, "%s", name);
    struct grid_command c = {.kind = GRID_CONTEXT_CREATE, .u.context = &info};
    ck_assert_msg(apply(s, &c) == GRID_OK, "%s", out.why);
    return catalog_context_named(s->catalog, slice_str(name))->id;
}

static inline struct replica_member present(const struct grid_state *s, uint32_t node)
{
    return (struct replica_member){node, grid_state_node(s, node)->boot};
}

static inline struct replica_config config(const struct grid_state *s, uint32_t context,
                                           uint32_t partition)
{
    struct replica_config c;
    if (!grid_state_config(s, context, partition, &c)) /* an assertion costs a write */
        ck_abort();
    replica_config_check(&c);
    return c;
}

/* A change of the partition as it is now. */
static inline enum grid_err part(struct grid_state *s, enum part_change_kind kind, uint32_t context,
                                 uint32_t partition, struct replica_member m)
{
    struct part_change p = {kind, context, partition, grid_state_epoch(s, context, partition), m};
    struct grid_command c = {.kind = GRID_PARTS, .now = 5000, .u.parts = {&p, 1}};
    return apply(s, &c);
}

#endif
