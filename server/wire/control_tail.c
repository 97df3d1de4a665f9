/* control_tail.c - the last commands, for those who follow.
 * A delta: the revision it begins behind (8 bytes), then of each command its length (4 bytes) and
 * its bytes; little-endian. */
#include "wire/control_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { DELTA_HEAD = 8, DELTA_ITEM = 4 };

struct tail_item {
    uint8_t *data;
    size_t len;
};

struct control_tail {
    size_t bytes_max, bytes;
    uint64_t newest;        /* revision; the items are those up to it */
    struct tail_item *ring; /* cap is a power of two */
    size_t cap, first, len;
};

struct control_tail *control_tail_new(size_t bytes_max)
{
    struct control_tail *t = xcalloc(1, sizeof *t);
    t->bytes_max = bytes_max;
    return t;
}

static struct tail_item *item(const struct control_tail *t, size_t i)
{
    return &t->ring[(t->first + i) & (t->cap - 1)];
}

static void drop_oldest(struct control_tail *t)
{
    t->bytes -= item(t, 0)->len;
    free(item(t, 0)->data);
    t->first = (t->first + 1) & (t->cap - 1);
    t->len--;
}

void control_tail_free(struct control_tail *t)
{
    while (t && t->len)
        drop_oldest(t);
    if (t)
        free(t->ring);
    free(t);
}

static void make_room(struct control_tail *t)
{
    if (t->len < t->cap)
        return;
    size_t cap = t->cap ? 2 * t->cap : 64;
    struct tail_item *ring = xcalloc(cap, sizeof *ring);
    for (size_t i = 0; i < t->len; i++)
        ring[i] = *item(t, i);
    free(t->ring);
    t->ring = ring;
    t->cap = cap;
    t->first = 0;
}

void control_tail_add(struct control_tail *t, uint64_t revision, struct slice command)
{
    if (revision != t->newest + 1)
        while (t->len)
            drop_oldest(t);
    make_room(t);
    struct tail_item *to = item(t, t->len++);
    to->data = xalloc(command.len ? command.len : 1);
    to->len = command.len;
    if (command.len)
        memcpy(to->data, command.data, command.len);
    t->bytes += command.len;
    t->newest = revision;
    while (t->len > 1 && t->bytes > t->bytes_max)
        drop_oldest(t);
}

bool control_tail_delta(const struct control_tail *t, uint64_t have, size_t bytes_max,
                        uint64_t *ret_revision, struct buf *out)
{
    if (!t->newest || have > t->newest || t->newest - have > t->len)
        return false;
    size_t at = t->len - (size_t)(t->newest - have), begun = out->len;
    buf_add_u64(out, have);
    for (; at < t->len; at++, have++) {
        const struct tail_item *i = item(t, at);
        if (out->len > begun + DELTA_HEAD && out->len - begun + i->len > bytes_max)
            break;
        buf_add_u32(out, (uint32_t)i->len);
        buf_add(out, i->data, i->len);
    }
    *ret_revision = have;
    return true;
}

static enum grid_err step(struct grid_state *working, struct slice command, struct arena *arena)
{
    struct grid_command c;
    struct grid_outcome *outcome = xalloc(sizeof *outcome);
    enum grid_err err = wire_command_decode(command, arena, &c);
    if (!err) {
        (void)grid_state_apply(working, &c, outcome);
        wire_command_release(&c);
        if (!outcome->changed) /* where it came from, it did change something */
            err = GRID_ECORRUPT;
    }
    free(outcome);
    return err;
}

enum grid_err wire_delta_apply(struct grid_state *working, struct slice delta, struct arena *arena)
{
    if (delta.len < DELTA_HEAD)
        return GRID_ECORRUPT;
    if (load_u64(delta.data) != working->revision)
        return GRID_ESTALE;
    for (size_t at = DELTA_HEAD; at < delta.len;) {
        if (delta.len - at < DELTA_ITEM)
            return GRID_ECORRUPT;
        size_t len = load_u32(delta.data + at);
        at += DELTA_ITEM;
        if (len > delta.len - at)
            return GRID_ECORRUPT;
        arena_reset(arena);
        enum grid_err err = step(working, slice_make(delta.data + at, len), arena);
        if (err)
            return err;
        at += len;
    }
    return GRID_OK;
}
