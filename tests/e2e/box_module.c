/* box_module.c - a native module for tests/e2e/native: a service whose instance reads what it is
 * asked for, and tells who it is. */
#include <grid_module.h>

#include <stdio.h>
#include <string.h>

static bool is(struct grid_bytes b, const char *s)
{
    return b.len == strlen(s) && memcmp(b.data, s, b.len) == 0;
}

/* --- a service -------------------------------------------------------------------------------- */

static const struct grid_bytes none;

static enum grid_err box_call(struct grid_instance *i, struct grid_bytes method,
                              struct grid_bytes key)
{
    struct grid_seen seen;
    char who[200];
    if (is(method, "who")) {
        int len = snprintf(who, sizeof who, "%s %llu", i->node, (unsigned long long)i->token);
        return grid_instance_answer(i, (struct grid_bytes){who, (size_t)len});
    }
    enum grid_err err = grid_instance_get(i, "default/default", key, none, &seen);
    return err ? err : grid_instance_answer(i, seen.value);
}

static const struct grid_native functions[] = {
    {.kind = GRID_NATIVE_SERVICE, .name = "reader", .help = "reads", .call = box_call},
};
GRID_MODULE("box", functions);
