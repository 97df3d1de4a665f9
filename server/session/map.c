/* map.c - a map as an op: a call that is done beside the shards (compute/map.h), at a partition
 * that this node leads, if it leads any: all partitions are asked from there. */
#include "session/map.h"

#include "base/codec.h"
#include "compute/map.h"
#include "control/state.h"
#include "wire/request.h"

enum { LOOKS = 64, MAP_TIME_MS = 60000, MAP_TIME_MS_MAX = 24 * 3600 * 1000 };

static bool led_here(const struct session *s, const struct grid_state *grid, uint32_t context,
                     uint32_t partition)
{
    struct replica_config c = {0};
    if (!grid)
        return true;
    if (!grid_state_config(grid, context, partition, &c) || !c.led)
        return false;
    const struct grid_node *n = grid_state_node(grid, c.members[0].node);
    return n && memcmp(n->info.id, s->view->node_id, sizeof n->info.id) == 0;
}

/* Of this thread's, so that no other has to be asked. */
static uint16_t partition_near(const struct session *s, const struct context_info *context)
{
    const struct grid_state *grid = session_grid(s);
    uint32_t shards = s->view->shards, first = s->ports->shard % context->partitions;
    for (uint32_t i = 0, p = first; i < LOOKS && p < context->partitions; i++, p += shards)
        if (led_here(s, grid, context->id, p))
            return (uint16_t)p;
    return (uint16_t)first;
}

struct fault session_map(struct session *s, struct op *op, const struct map_request *r)
{
    const struct context_info *context;
    struct slice module, name;
    struct fault f = session_context(s, op->cache, &context);
    if (f.err)
        return f;
    if (!module_path_split(r->name, &module, &name))
        return (struct fault){GRID_ENO_TASK, "a map is named MODULE.MAP"};
    if (r->cursor.len && r->cursor.len != (context->partitions + 7) / 8)
        return (struct fault){GRID_EBAD_REQUEST, "the cursor is none of this server's"};
    if (r->time_ms > MAP_TIME_MS_MAX)
        return (struct fault){GRID_EBAD_REQUEST, "a map takes a day at most"};
    struct map_room *room = arena_alloc(s->arena, sizeof *room);
    if (!room)
        return (struct fault){GRID_EBUSY, NULL};
    store_u64(room->revision, session_catalog(s)->modules_revision);
    store_u32(room->time, r->time_ms ? r->time_ms : MAP_TIME_MS);
    room->key = r->name;
    const struct slice args[MAP_ARGS] = {r->name,
                                         r->argument,
                                         slice_make(room->revision, sizeof room->revision),
                                         r->cursor,
                                         slice_make(room->time, sizeof room->time),
                                         r->keys};
    memcpy(room->args, args, sizeof args);
    *op = (struct op){.kind = OP_CALL,
                      .procedure = command_map,
                      .aside = true,
                      .reads_only = true,
                      .asks_again = true,
                      .cache = op->cache,
                      .partition = partition_near(s, context),
                      .key = room->key,
                      .keys = &room->key,
                      .keys_len = 1,
                      .args = room->args,
                      .args_len = MAP_ARGS};
    return no_fault;
}
