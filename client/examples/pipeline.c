/* pipeline.c - 10,000 puts without waiting for each: the client packs what is queued into few
 * writes. */
#include <grid.h>

#include <stdio.h>
#include <string.h>

enum { PUTS = 10000 };

struct tally {
    int ok, failed;
    enum grid_err first;
};

/* Called once for each put, from grid_poll() or grid_flush(), in any order. */
static void put_done(void *arg, const struct grid_result *result)
{
    struct tally *tally = arg;
    if (result->err == GRID_OK) {
        tally->ok++;
        return;
    }
    if (tally->failed++ == 0)
        tally->first = result->err;
}

int main(int argc, char **argv)
{
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400"};
    struct tally tally = {0};
    struct grid *grid;
    struct grid_cache *cache;
    char why[GRID_WHY_BYTES];

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    err = grid_cache_open(grid, "default/default", &cache);
    for (int i = 0; !err && i < PUTS; i++) {
        char key[32], value[32];
        struct grid_bytes k = {key, (size_t)snprintf(key, sizeof key, "pipeline:%d", i)};
        struct grid_bytes v = {value, (size_t)snprintf(value, sizeof value, "value %d", i)};
        grid_put_async(cache, k, v, NULL, put_done, &tally); /* copies key and value */
        if (i % 256 == 255)
            grid_poll(grid, 0); /* send and receive a little, do not wait */
    }
    if (!err)
        grid_flush(grid); /* until each has its outcome */
    if (!err && tally.failed)
        err = tally.first;
    if (err)
        fprintf(stderr, "%d of %d puts failed: %s\n", PUTS - tally.ok, PUTS, grid_err_text(err));
    else
        printf("%d puts done\n", tally.ok);
    grid_close(grid);
    return err ? 1 : 0;
}
