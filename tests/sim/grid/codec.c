/* codec.c - commands and states as bytes, without protobuf: a command is its fields, a state is the
 * number of one that is remembered. Fast, so that many seeds are run; server/wire has tests of its
 * own. An older node (its level is 1) cannot read what needs more, and knows of no levels: they are
 * not in the states that it writes. */
#include "tests/sim/grid/world.h"

#include "base/alloc.h"
#include "control/level.h"
#include "control/restore.h"

#include <stdlib.h>

/* --- commands --------------------------------------------------------------------------------- */

static uint8_t decoded[1 << 20]; /* what the last decoded command borrows */

static void add_list(struct buf *out, const void *list, size_t len, size_t bytes)
{
    buf_add_u32(out, (uint32_t)len);
    buf_add(out, list, len * bytes);
}

static void command_encode(void *ctx, const struct grid_command *c, struct buf *out)
{
    (void)ctx;
    buf_add(out, c, sizeof *c);
    switch (c->kind) {
    case GRID_ENTER:
    case GRID_ALTER:
        buf_add(out, c->u.enter, sizeof *c->u.enter);
        break;
    case GRID_GONE:
        add_list(out, c->u.gone.list, c->u.gone.len, sizeof *c->u.gone.list);
        break;
    case GRID_PARTS:
        add_list(out, c->u.parts.list, c->u.parts.len, sizeof *c->u.parts.list);
        break;
    case GRID_VOTERS:
        add_list(out, c->u.voters.list, c->u.voters.len, sizeof *c->u.voters.list);
        break;
    case GRID_CONTEXT_CREATE:
        buf_add(out, c->u.context, sizeof *c->u.context);
        break;
    case GRID_CACHE_CREATE:
        add_list(out, c->u.cache.path.data, c->u.cache.path.len, 1);
        break;
    case GRID_LEVELS:
        add_list(out, c->u.levels.list, c->u.levels.len, sizeof *c->u.levels.list);
        break;
    case GRID_MODULE_DEPLOY: /* of one function */
        buf_add(out, c->u.module.info, sizeof *c->u.module.info);
        buf_add(out, c->u.module.info->functions, sizeof *c->u.module.info->functions);
        buf_add(out, c->u.module.info->source.data, c->u.module.info->source.len);
        break;
    default:
        break;
    }
}

static const void *after_len(size_t bytes, size_t *ret_len)
{
    uint32_t len;
    memcpy(&len, decoded, sizeof len);
    CHECK(len * bytes + 16 <= sizeof decoded);
    *ret_len = len;
    memmove(decoded, decoded + 4, len * bytes); /* aligned */
    return decoded;
}

static const struct module_info *decoded_module(void)
{
    static struct module_info info;
    memcpy(&info, decoded, sizeof info);
    info.functions = (const void *)(decoded + sizeof info);
    info.source.data = decoded + sizeof info + sizeof *info.functions;
    return &info;
}

static uint32_t levels_lowest(const struct grid_command *c)
{
    uint32_t lowest = UINT32_MAX;
    for (size_t i = 0; i < c->u.levels.len; i++)
        lowest = c->u.levels.list[i].level < lowest ? c->u.levels.list[i].level : lowest;
    return lowest;
}

static enum grid_err command_decode(void *ctx, struct slice in, struct grid_command *c)
{
    const struct simnode *n = ctx;
    CHECK(in.len >= sizeof *c && in.len <= sizeof decoded);
    memcpy(c, in.data, sizeof *c);
    memcpy(decoded, in.data + sizeof *c, in.len - sizeof *c);
    switch (c->kind) {
    case GRID_ENTER:
    case GRID_ALTER:
        c->u.enter = (const void *)decoded;
        break;
    case GRID_GONE:
        c->u.gone.list = after_len(sizeof *c->u.gone.list, &c->u.gone.len);
        break;
    case GRID_PARTS:
        c->u.parts.list = after_len(sizeof *c->u.parts.list, &c->u.parts.len);
        break;
    case GRID_VOTERS:
        c->u.voters.list = after_len(sizeof *c->u.voters.list, &c->u.voters.len);
        break;
    case GRID_CONTEXT_CREATE:
        c->u.context = (const void *)decoded;
        break;
    case GRID_CACHE_CREATE:
        c->u.cache.path.data = after_len(1, &c->u.cache.path.len);
        break;
    case GRID_LEVELS:
        c->u.levels.list = after_len(sizeof *c->u.levels.list, &c->u.levels.len);
        return levels_lowest(c) > node_info_level(&n->info) ? GRID_ENEWER : GRID_OK;
    case GRID_MODULE_DEPLOY:
        c->u.module.info = decoded_module();
        break;
    default:
        break;
    }
    return grid_command_level(c) > node_info_level(&n->info) ? GRID_ENEWER : GRID_OK;
}

static void command_release(void *ctx, struct grid_command *c)
{
    (void)ctx;
    (void)c;
}

/* --- states --- */

static struct grid_state **states;
static size_t states_len;

static struct grid_state *without_levels(const struct grid_state *s)
{
    struct grid_state *copy = grid_state_copy(s);
    struct grid_node *list = xcalloc(s->nodes_len + 1, sizeof *list);
    for (size_t i = 0; i < s->nodes_len; i++) {
        list[i] = s->nodes[i];
        list[i].info.level = 0;
    }
    CHECK(grid_state_restore_nodes(copy, list, s->nodes_len));
    free(list);
    return copy;
}

static void state_encode(void *ctx, const struct grid_state *s, struct buf *out)
{
    const struct simnode *n = ctx;
    bool older = node_info_level(&n->info) == GRID_LEVEL_FIRST && s->level == GRID_LEVEL_FIRST;
    tally.snapshots++;
    states = xrealloc(states, states_len + 1, sizeof *states);
    states[states_len] = older ? without_levels(s) : grid_state_copy(s);
    buf_add_u64(out, states_len++);
    static const uint8_t filling[1000];
    for (unsigned i = 0; i < 600; i++) /* more than a piece */
        buf_add(out, filling, sizeof filling);
}

static enum grid_err state_decode(void *ctx, struct slice in, struct grid_state **ret_state)
{
    const struct simnode *n = ctx;
    if (in.len != 600008)
        return GRID_ECORRUPT;
    uint64_t at = load_u64(in.data);
    CHECK(at < states_len);
    if (states[at]->level > node_info_level(&n->info))
        return GRID_ENEWER;
    *ret_state = grid_state_copy(states[at]);
    return GRID_OK;
}

void codec_forget(void)
{
    for (size_t i = 0; i < states_len; i++)
        grid_state_unref(states[i]);
    free(states);
    states = NULL;
    states_len = 0;
}

/* --- the tail: a ring of commands --- */

enum { TAIL = 64 };

struct control_tail {
    uint64_t newest; /* revision of the last one; 0: none */
    size_t len;
    struct buf commands[TAIL]; /* by revision % TAIL */
};

static struct control_tail *tail_new(size_t bytes_max)
{
    (void)bytes_max;
    return xcalloc(1, sizeof(struct control_tail));
}

static void tail_free(struct control_tail *t)
{
    for (unsigned i = 0; i < TAIL; i++)
        buf_release(&t->commands[i]);
    free(t);
}

static void tail_add(struct control_tail *t, uint64_t revision, struct slice command)
{
    t->len = revision == t->newest + 1 ? t->len + 1 : 1;
    if (t->len > TAIL)
        t->len = TAIL;
    t->newest = revision;
    struct buf *b = &t->commands[revision % TAIL];
    b->len = 0;
    buf_add(b, command.data, command.len);
}

static bool tail_delta(const struct control_tail *t, uint64_t have, size_t bytes_max,
                       uint64_t *ret_revision, struct buf *out)
{
    (void)bytes_max;
    if (have >= t->newest || have < t->newest - t->len)
        return false;
    uint64_t to = have + 5 < t->newest ? have + 5 : t->newest;
    buf_add_u64(out, have);
    for (uint64_t r = have + 1; r <= to; r++) {
        buf_add_u32(out, (uint32_t)t->commands[r % TAIL].len);
        buf_add(out, t->commands[r % TAIL].data, t->commands[r % TAIL].len);
    }
    *ret_revision = to;
    return true;
}

static enum grid_err delta_apply(void *ctx, struct grid_state *working, struct slice delta)
{
    if (load_u64(delta.data) != working->revision)
        return GRID_ESTALE;
    struct grid_outcome *o = xcalloc(1, sizeof *o);
    enum grid_err err = GRID_OK;
    for (size_t at = 8; at < delta.len;) {
        size_t len = load_u32(delta.data + at);
        struct grid_command c;
        err = command_decode(ctx, slice_make(delta.data + at + 4, len), &c);
        if (err)
            break;
        (void)grid_state_apply(working, &c, o);
        at += 4 + len;
    }
    free(o);
    return err;
}

struct grid_codec sim_codec(struct simnode *n)
{
    return (struct grid_codec){
        n,        command_encode, command_decode, command_release, state_encode, state_decode,
        tail_new, tail_free,      tail_add,       tail_delta,      delta_apply};
}
