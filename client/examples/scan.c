/* scan.c - all keys that begin alike, from all partitions, page by page. */
#include <grid.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400"};
    struct grid_scan_options fruit = {.prefix = {"fruit:", 6}};
    const char *const names[] = {"fruit:apple", "fruit:pear", "fruit:plum", "tool:hammer"};
    struct grid *grid;
    struct grid_cache *cache;
    struct grid_scan *scan;
    struct grid_entry entry; /* borrowed until the next call on the scan */
    char why[GRID_WHY_BYTES];
    size_t found = 0, bytes = 0;

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    err = grid_cache_open(grid, "default/default", &cache);
    for (size_t i = 0; !err && i < sizeof names / sizeof *names; i++) {
        struct grid_bytes key = {names[i], strlen(names[i])}, value = {"ripe", 4};
        err = grid_put(cache, key, value, NULL, NULL);
    }
    if (!err)
        err = grid_scan_start(cache, &fruit, &scan);
    if (!err) {
        while ((err = grid_scan_next(scan, &entry)) == GRID_OK) {
            found++;
            bytes += entry.key.len + entry.value.len;
        }
        grid_scan_free(scan);
        if (err == GRID_ENOT_FOUND) /* the end */
            err = GRID_OK;
    }
    if (err)
        fprintf(stderr, "%s: %s\n", grid_err_name(err), grid_error(grid));
    else
        printf("%zu keys begin with fruit:, %zu bytes\n", found, bytes);
    grid_close(grid);
    return err ? 1 : 0;
}
