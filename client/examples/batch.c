/* batch.c - things that belong together: one affinity key puts them into one partition, a batch
 * changes all of them or none. */
#include <grid.h>

#include <stdio.h>
#include <string.h>

static struct grid_bytes bytes(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}

int main(int argc, char **argv)
{
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400"};
    struct grid_bytes customer = bytes("customer:7");
    struct grid_item order[] = {
        {.op = GRID_PUT, .key = bytes("order:1"), .value = bytes("2 hammers")},
        {.op = GRID_INCR, .key = bytes("customer:7:orders"), .delta = 1},
        {.op = GRID_DELETE, .key = bytes("customer:7:basket")},
    };
    enum { ITEMS = sizeof order / sizeof *order };
    struct grid *grid;
    struct grid_cache *cache;
    struct grid_value value;
    uint64_t version;
    size_t failed_at = ITEMS;
    char why[GRID_WHY_BYTES];

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    struct grid_write with_customer = {.affinity = customer};
    err = grid_cache_open(grid, "default/default", &cache);
    if (!err)
        err = grid_put(cache, order[2].key, bytes("2 hammers"), &with_customer, NULL);
    if (!err)
        err = grid_batch(cache, customer, order, ITEMS, &version, &failed_at);
    /* What was written with an affinity key is read with it. */
    if (!err)
        err = grid_get(cache, order[1].key, customer, &value);
    if (err) {
        fprintf(stderr, "%s: %s", grid_err_name(err), grid_error(grid));
        fprintf(stderr, failed_at < ITEMS ? " (item %zu)\n" : "\n", failed_at);
    } else {
        printf("order number %.*s written at version %llu\n", (int)value.len,
               (const char *)value.data, (unsigned long long)version);
        grid_value_release(&value);
    }
    grid_close(grid);
    return err ? 1 : 0;
}
