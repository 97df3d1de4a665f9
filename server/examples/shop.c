/* shop.c - a program with a node inside that works on its data where it lies: it sells what is read
 * from stdin, "KEY CUSTOMER" a line. The sale is a task in C, done all or nothing at the node that
 * leads the key; what is left is read in this process, without a connection.
 * cc shop.c $(pkg-config --cflags --libs gridd)
 * ./a.out DIRECTORY */
#include <gridd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

/* One of the key less, one of the customer's more; there are three of everything. */
static enum grid_err sell(struct grid_call *c)
{
    struct grid_seen seen;
    int64_t left, has;
    char answer[64];
    enum grid_err err = grid_call_get(c, NULL, c->key, &seen);
    if (err == GRID_ENOT_FOUND)
        err = grid_call_put(c, NULL, c->key, text("3"), NULL);
    if (!err)
        err = grid_call_incr(c, NULL, c->key, -1, &left);
    if (!err && left < 0)
        return grid_call_fail(c, "sold out");
    if (!err)
        err = grid_call_incr(c, NULL, c->argument, 1, &has);
    if (err)
        return err;
    snprintf(answer, sizeof answer, "%lld for you", (long long)has);
    return grid_call_result(c, text(answer));
}

static void serve(struct grid_node_cache *cache, const char *key, const char *customer)
{
    static const struct grid_bytes by_key;
    char why[GRID_NODE_WHY_BYTES];
    struct grid_value said, left;
    if (grid_node_run(cache, "shop.sell", text(key), by_key, text(customer), &said, why)) {
        printf("%s: %.*s\n", key, (int)strcspn(why, "\n"), why);
    } else if (grid_node_get(cache, text(key), by_key, &left) == GRID_OK) {
        printf("%s: %.*s, %.*s left\n", key, (int)said.len, (char *)said.data, (int)left.len,
               (char *)left.data);
        free(said.data);
        free(left.data);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct grid_native functions[] = {
        {.kind = GRID_NATIVE_TASK, .name = "sell", .task = sell}};
    static const struct grid_native_module shop = GRID_MODULE_INIT("shop", functions);
    char why[GRID_NODE_WHY_BYTES], line[256], *customer;
    struct grid_node_conf conf = {
        .size = sizeof conf,
        .text = "log { level = warn }\nlisten { http = off resp = off }",
        .data = argc > 1 ? argv[1] : "./data",
        .memory = 256 << 20,
        .client = "127.0.0.1:0",
        .modules = (const struct grid_native_module *const[]){&shop, NULL},
    };
    struct grid_node *node = grid_node_start(&conf, why);
    struct grid_node_cache *cache;
    if (!node || grid_node_cache_open(node, "default/default", &cache)) {
        fprintf(stderr, "%s\n", node ? "no cache default/default" : why);
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if ((customer = strchr(line, ' ')))
            *customer++ = '\0';
        if (customer)
            serve(cache, line, customer);
    }
    grid_node_cache_free(cache);
    grid_node_stop(node);
    return 0;
}
