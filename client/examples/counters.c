/* counters.c - numbers that many clients add to. An increment is done exactly once: when the
 * connection breaks, the client sends it again with the same number, and the server answers what it
 * answered before. */
#include <grid.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct grid_options options = {
        .endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400",
        .name = "counters example",
        .timeout_ms = 2000, /* of each call, repetitions included */
    };
    struct grid_bytes key = {"visits", 6};
    struct grid_write for_a_day = {.ttl = GRID_TTL_SET, .ttl_ms = 24 * 60 * 60 * 1000};
    struct grid *grid;
    struct grid_cache *cache;
    char why[GRID_WHY_BYTES];
    int64_t before = 0, after = 0;

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    err = grid_cache_open(grid, "default/default", &cache);
    if (!err)
        err = grid_incr(cache, key, 0, NULL, &before); /* reads it; absent counts as 0 */
    for (int i = 0; !err && i < 10; i++)
        err = grid_incr(cache, key, 1, &for_a_day, &after);
    if (err == GRID_EIN_DOUBT) /* the server did not answer in time: it was added once, or not */
        fprintf(stderr, "cannot tell: %s\n", grid_error(grid));
    else if (err)
        fprintf(stderr, "%s: %s\n", grid_err_name(err), grid_error(grid));
    else
        printf("visits went from %lld to %lld\n", (long long)before, (long long)after);
    grid_close(grid);
    return err ? 1 : 0;
}
