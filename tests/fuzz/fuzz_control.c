/* fuzz_control.c - the control state, a command, a delta (the first byte says which). A state that
 * is accepted is sound and comes back the same; a command leaves any state sound, and comes back
 * the same.
 * LINK: wire control replica base pb frame */
#include "tests/fuzz/fuzz.h"

#include "base/alloc.h"
#include "control/restore.h"
#include "wire/control.h"

#include <stdlib.h>

static struct grid_state *small(void)
{
    struct node_info founders[3] = {0};
    static const uint8_t id[GRID_ID_BYTES] = "grid";
    static const bool voter[3] = {true, true, true};
    struct grid_outcome *out = xalloc(sizeof *out);
    struct catalog *c = catalog_new_empty();
    struct context_info info = {.name = "default", .partitions = 4, .backups = 1};
    CHECK(catalog_context_create(c, &info, out->why) == GRID_OK);
    for (int i = 0; i < 3; i++) {
        founders[i].id[0] = founders[i].boot_id[0] = (uint8_t)(1 + i);
        founders[i].name[0] = (char)('a' + i);
        founders[i].weight = founders[i].shards = 1;
    }
    struct grid_command found = {.kind = GRID_FOUND,
                                 .u.found = {"home", id, founders, voter, 3, c, 3}};
    struct grid_state *s = grid_state_new();
    CHECK(grid_state_apply(s, &found, out) == GRID_OK);
    catalog_unref(c);
    free(out);
    return s;
}

static void try_state(struct slice in)
{
    struct grid_state *s = NULL, *again = NULL;
    struct buf once = BUF_INIT, twice = BUF_INIT;
    if (wire_state_decode(in, &s) != GRID_OK)
        return;
    grid_state_check(s);
    wire_state_encode(s, &once);
    CHECK(wire_state_decode(buf_slice(&once), &again) == GRID_OK);
    wire_state_encode(again, &twice);
    CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)));
    grid_state_unref(s);
    grid_state_unref(again);
    buf_release(&once);
    buf_release(&twice);
}

static void try_command(struct slice in, struct arena *a)
{
    struct grid_command c, again;
    struct buf once = BUF_INIT, twice = BUF_INIT;
    if (wire_command_decode(in, a, &c) != GRID_OK)
        return;
    struct grid_state *s = small();
    struct grid_outcome *out = xalloc(sizeof *out);
    (void)grid_state_apply(s, &c, out);
    grid_state_check(s);
    wire_command_encode(&c, &once);
    if (wire_command_decode(buf_slice(&once), a, &again) == GRID_OK) { /* the arena may be full */
        wire_command_encode(&again, &twice);
        CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)));
        wire_command_release(&again);
    }
    wire_command_release(&c);
    grid_state_unref(s);
    free(out);
    buf_release(&once);
    buf_release(&twice);
}

static void try_delta(struct slice in, struct arena *a)
{
    struct grid_state *s = small();
    enum grid_err err = wire_delta_apply(s, in, a);
    CHECK(err == GRID_OK || err == GRID_ESTALE || err == GRID_ECORRUPT || err == GRID_ENEWER);
    grid_state_check(s);
    grid_state_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    struct slice in = slice_make(data + 1, len - 1);
    struct arena *a = arena_new(4 << 20);
    if (data[0] % 3 == 0)
        try_state(in);
    else if (data[0] % 3 == 1)
        try_command(in, a);
    else
        try_delta(in, a);
    arena_free(a);
    return 0;
}
