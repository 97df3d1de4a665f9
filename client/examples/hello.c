/* hello.c - connect, write a key, read it back.
 * cc hello.c $(pkg-config --cflags --libs gridclient) && ./a.out [HOST:PORT,...] */
#include <grid.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400"};
    struct grid_bytes key = {"greeting", 8}, value = {"hello, grid", 11}, no_affinity = {NULL, 0};
    struct grid *grid;
    struct grid_cache *cache;
    struct grid_value found;
    char why[GRID_WHY_BYTES];

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    /* default/default is always there; others are made with `gridctl cache create`. */
    err = grid_cache_open(grid, "default/default", &cache);
    if (!err)
        err = grid_put(cache, key, value, NULL, NULL);
    if (!err)
        err = grid_get(cache, key, no_affinity, &found);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_name(err), grid_error(grid));
    } else {
        printf("greeting = %.*s (version %llu)\n", (int)found.len, (const char *)found.data,
               (unsigned long long)found.version);
        grid_value_release(&found); /* the copy is ours */
    }
    grid_close(grid); /* caches go with it */
    return err ? 1 : 0;
}
