/* gateway.c - a node without data: it is in the grid, knows where everything is, and serves HTTP
 * and Redis clients of its host; the data stay on the nodes that are labelled role=data.
 * cc gateway.c $(pkg-config --cflags --libs gridd gridclient)
 * ./a.out DIRECTORY HOST:PORT HOST:PORT-of-a-node... */
#include <grid.h>
#include <gridd.h>

#include <signal.h>
#include <stdio.h>

/* The context `default` is on every node until somebody says otherwise; others are made with
 * `gridctl context create NAME --nodes role=data`. */
static int data_elsewhere(struct grid_node *node)
{
    struct grid_options options = {.endpoints = grid_node_address(node, GRID_DOOR_CLIENT),
                                   .timeout_ms = 20000};
    struct grid_context_info want = {.name = "default", .nodes = "role=data"};
    struct grid *grid;
    char why[GRID_WHY_BYTES];
    if (grid_connect(&options, &grid, why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int code = grid_context_alter(grid, &want, GRID_FIELD_NODES) ? 1 : 0;
    if (code)
        fprintf(stderr, "%s\n", grid_error(grid));
    grid_close(grid);
    return code;
}

int main(int argc, char **argv)
{
    char why[GRID_NODE_WHY_BYTES];
    if (argc < 4) {
        fprintf(stderr, "usage: %s DIRECTORY HOST:PORT HOST:PORT-of-a-node...\n", argv[0]);
        return 2;
    }
    /* Signals are the program's: this one waits for them. The threads of a node take none. */
    sigset_t end;
    int number;
    sigemptyset(&end);
    sigaddset(&end, SIGINT);
    sigaddset(&end, SIGTERM);
    sigprocmask(SIG_BLOCK, &end, NULL);

    struct grid_node_conf conf = {
        .text = "log { level = warn }",
        .name = "gateway",
        .data = argv[1],
        .labels = (const char *const[]){"role=gateway", NULL},
        .memory = 64 << 20,
        .client = "127.0.0.1:0",
        .http = "127.0.0.1:0",
        .resp = "127.0.0.1:0",
        .peer = argv[2],
        .peers = (const char *const *)(argv + 3), /* NULL is behind the last one */
    };
    struct grid_node *node = grid_node_start(&conf, why);
    if (!node) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int code = data_elsewhere(node);
    if (!code) {
        printf("client %s\n", grid_node_address(node, GRID_DOOR_CLIENT));
        printf("http %s\n", grid_node_address(node, GRID_DOOR_HTTP));
        printf("resp %s\n", grid_node_address(node, GRID_DOOR_RESP));
        fflush(stdout);
        sigwait(&end, &number);
    }
    grid_node_stop(node);
    return code;
}
