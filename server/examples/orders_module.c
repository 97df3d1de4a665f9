/* orders_module.c - a native module: a task that sells one thing, one that counts what is left, and
 * a map that tells who has bought how much.
 * Made into orders_module.so, it is loaded by every gridd whose module_dir has it; a program with a
 * node inside names such a module in grid_node_conf. Then, with any client:
 *
 *   gridctl run orders.sell --cache default/default --key tea --arg anna
 *   gridctl map orders.bought --cache default/default */
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

/* Of "order:CUSTOMER:THING", which is how many, the customer and that. */
static enum grid_err bought(struct grid_mapper *m, const struct grid_mapped *e)
{
    static const char order[] = "order:";
    struct grid_bytes customer = {(const char *)e->key.data + sizeof order - 1, 0};
    int64_t n;
    if (e->key.len < sizeof order || memcmp(e->key.data, order, sizeof order - 1) != 0)
        return GRID_OK;
    const char *end = memchr(customer.data, ':', e->key.len - (sizeof order - 1));
    if (!end || !grid_integer_read(e->value, &n))
        return grid_mapper_fail(m, "there is an order that is none");
    customer.len = (size_t)(end - (const char *)customer.data);
    return grid_mapper_emit_integer(m, customer, n);
}

static const struct grid_native functions[] = {
    {.kind = GRID_NATIVE_TASK, .name = "sell", .help = "sells one, to ARGUMENT", .task = sell},
    {.kind = GRID_NATIVE_TASK,
     .flags = GRID_NATIVE_NO_WRITES,
     .name = "left",
     .help = "how many there are",
     .task = left},
    {.kind = GRID_NATIVE_MAP,
     .name = "bought",
     .help = "things by customer",
     .map = bought,
     .reducer = GRID_REDUCE_SUM},
};
GRID_MODULE("orders", functions);
