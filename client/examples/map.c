/* map.c - a question about all entries of a cache, answered where they lie: what is in all carts,
 * summed by kind. The map is in stock.lua: gridctl module deploy stock.lua */
#include <grid.h>

#include <stdio.h>
#include <string.h>

static struct grid_bytes bytes(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}

static enum grid_err fill(struct grid_cache *cache)
{
    static const char *const carts[][2] = {
        {"cart:1", "3 apples"}, {"cart:2", "2 pears"}, {"cart:3", "4 apples"}};
    enum grid_err err = GRID_OK;
    for (size_t i = 0; !err && i < sizeof carts / sizeof *carts; i++)
        err = grid_put(cache, bytes(carts[i][0]), bytes(carts[i][1]), NULL, NULL);
    return err;
}

static enum grid_err print(struct grid_cache *cache)
{
    struct grid_map *map;
    struct grid_map_row row;
    enum grid_err err = grid_task_map(cache, "stock.total", bytes(""), NULL, &map);
    if (err)
        return err;
    while (!(err = grid_map_next(map, &row)))
        printf("%.*s %.*s\n", (int)row.value.len, (const char *)row.value.data, (int)row.key.len,
               (const char *)row.key.data);
    grid_map_free(map);
    return err == GRID_ENOT_FOUND ? GRID_OK : err; /* which is how rows end */
}

int main(int argc, char **argv)
{
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400"};
    struct grid *grid;
    struct grid_cache *cache;
    char why[GRID_WHY_BYTES];

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    err = grid_cache_open(grid, "default/default", &cache);
    if (!err)
        err = fill(cache);
    if (!err)
        err = print(cache);
    if (err)
        fprintf(stderr, "%s: %s\n", grid_err_name(err), grid_error(grid));
    grid_close(grid);
    return err ? 1 : 0;
}
