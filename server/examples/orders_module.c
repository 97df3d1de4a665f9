/* orders_module.c - a native module: a task that sells one thing, and one that counts what is left.
 * Made into orders_module.so, it is loaded by every gridd whose module_dir has it; a program with a
 * node inside names such a module in grid_node_conf. Then, with any client:
 *
 *   gridctl run orders.sell --cache default/default --key tea --arg anna */
#include <grid_module.h>

#include <stdio.h>
#include <string.h>

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

/* One of `key` less, and the customer, who is the argument, has one more: both or nothing. */
static enum grid_err sell(struct grid_call *c)
{
    char order[256];
    int64_t left;
    enum grid_err err = grid_call_incr(c, NULL, c->key, -1, &left);
    if (err)
        return err;
    if (left < 0)
        return grid_call_fail(c, "sold out");
    int len = snprintf(order, sizeof order, "order:%.*s:%.*s", (int)c->argument.len,
                       (const char *)c->argument.data, (int)c->key.len, (const char *)c->key.data);
    if (len >= (int)sizeof order)
        return grid_call_fail(c, "the name is too long");
    err = grid_call_incr(c, NULL, text(order), 1, NULL);
    return err ? err : grid_call_result(c, text(left ? "sold" : "sold the last one"));
}

static enum grid_err left(struct grid_call *c)
{
    struct grid_seen seen;
    enum grid_err err = grid_call_get(c, NULL, c->key, &seen);
    if (err == GRID_ENOT_FOUND)
        return grid_call_result(c, text("0"));
    return err ? err : grid_call_result(c, seen.value);
}

static const struct grid_native functions[] = {
    {.kind = GRID_NATIVE_TASK, .name = "sell", .help = "sells one, to ARGUMENT", .task = sell},
    {.kind = GRID_NATIVE_TASK,
     .flags = GRID_NATIVE_NO_WRITES,
     .name = "left",
     .help = "how many there are",
     .task = left},
};
GRID_MODULE("orders", functions);
