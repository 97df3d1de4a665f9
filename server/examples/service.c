/* service.c - a service that keeps its state in the grid it is itself a part of: it counts the
 * names that are read from stdin, one a line, together with all other instances. Any of them may
 * end or be killed: as long as most of them live, the counts go on.
 * cc service.c $(pkg-config --cflags --libs gridd gridclient)
 * ./a.out DIRECTORY HOST:PORT [HOST:PORT of another...]     the first instance names no other */
#include <grid.h>
#include <gridd.h>

#include <stdio.h>
#include <string.h>

static void fault(void *ctx, const char *why)
{
    (void)ctx; /* the others go on; a real service would end here, and be started again */
    fprintf(stderr, "the node of this instance has ended: %s\n", why);
}

static void answer(struct grid *grid, struct grid_cache *cache, const char *name)
{
    struct grid_bytes key = {name, strlen(name)};
    int64_t count;
    if (grid_incr(cache, key, 1, NULL, &count))
        printf("%s: %s\n", name, grid_error(grid));
    else
        printf("%s %lld\n", name, (long long)count);
    fflush(stdout);
}

static int serve(struct grid_node *node)
{
    struct grid_options options = {.endpoints = grid_node_address(node, GRID_DOOR_CLIENT),
                                   .timeout_ms = 20000};
    struct grid *grid;
    struct grid_cache *cache;
    char why[GRID_WHY_BYTES], line[256];
    if (grid_connect(&options, &grid, why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int code = grid_cache_open(grid, "default/default", &cache) ? 1 : 0;
    while (!code && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0])
            answer(grid, cache, line);
    }
    grid_close(grid);
    return code;
}

int main(int argc, char **argv)
{
    char why[GRID_NODE_WHY_BYTES];
    if (argc < 3) {
        fprintf(stderr, "usage: %s DIRECTORY HOST:PORT [HOST:PORT of another...]\n", argv[0]);
        return 2;
    }
    /* argv ends in NULL, as the list of peers does. Who knows no other founds the grid. */
    const char *const *others = (const char *const *)(argc > 3 ? argv + 3 : argv + 2);
    struct grid_node_conf conf = {
        .text = "log { level = warn }\nlisten { http = off resp = off }",
        .name = strrchr(argv[2], ':') + 1,
        .data = argv[1],
        .labels = (const char *const[]){"role=data", NULL},
        .memory = 256 << 20,
        .client = "127.0.0.1:0",
        .peer = argv[2],
        .peers = others,
        .bootstrap_expect = argc > 3 ? 0 : 1,
        .fault = fault,
    };
    struct grid_node *node = grid_node_start(&conf, why);
    if (!node) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int code = serve(node);
    grid_node_stop(node); /* hands over what it is primary of */
    return code;
}
