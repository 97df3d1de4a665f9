/* greeter.c - a microservice that is itself the grid: it offers a service in C, of which there is
 * one instance in the grid, and calls it for each name that is read from stdin. Start several: when
 * the process is killed that has the instance, another one has it, and counts on.
 * cc greeter.c $(pkg-config --cflags --libs gridd gridclient)
 * ./a.out DIRECTORY HOST:PORT [HOST:PORT of another...]     the first one names no other
 *
 * Any client may call it, too, at the address that it prints:
 *   gridctl --endpoints HOST:PORT service call greeter.hello hello --arg ann */
#include <grid.h>
#include <gridd.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

/* --- the service ------------------------------------------------------------------------------ */

struct life { /* of the instance, in this process */
    unsigned calls;
};

static enum grid_err greeter_start(struct grid_instance *i)
{
    i->own = calloc(1, sizeof(struct life));
    return i->own ? GRID_OK : GRID_ENOMEM;
}

/* What is counted in all lives is in the grid, by name of the service. */
static enum grid_err greeter_call(struct grid_instance *i, struct grid_bytes method,
                                  struct grid_bytes name)
{
    struct life *life = i->own;
    char answer[256];
    int64_t count;
    if (method.len != 5 || memcmp(method.data, "hello", 5) != 0)
        return grid_instance_fail(i, "there is one method: hello");
    enum grid_err err = grid_instance_incr(i, "default/default", text(i->name), 1, NULL, &count);
    if (err)
        return err;
    snprintf(answer, sizeof answer, "hello %.*s, number %lld; %u of them by %s", (int)name.len,
             (const char *)name.data, (long long)count, ++life->calls, i->node);
    return grid_instance_answer(i, text(answer));
}

static enum grid_err greeter_stop(struct grid_instance *i)
{
    free(i->own);
    return GRID_OK;
}

static const struct grid_native functions[] = {{.kind = GRID_NATIVE_SERVICE,
                                                .name = "hello",
                                                .help = "greets, and counts",
                                                .start = greeter_start,
                                                .stop = greeter_stop,
                                                .call = greeter_call}};
static const struct grid_native_module greeter = GRID_MODULE_INIT("greeter", functions);

/* --- the program ------------------------------------------------------------------------------ */

/* Whoever comes first deploys it. */
static enum grid_err offer(struct grid *grid)
{
    const struct grid_service want = {.name = "greeter.hello", .mode = GRID_SINGLETON};
    struct grid_service_info *list;
    size_t len;
    enum grid_err err = grid_service_list(grid, want.name, &list, &len);
    if (err == GRID_ENO_SERVICE)
        return grid_service_deploy(grid, &want);
    if (!err)
        free(list);
    return err;
}

static int serve(struct grid_node *node)
{
    struct grid_options options = {.endpoints = grid_node_address(node, GRID_DOOR_CLIENT),
                                   .timeout_ms = 20000};
    struct grid *grid;
    char why[GRID_WHY_BYTES], line[200];
    if (grid_connect(&options, &grid, why)) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    printf("%s\n", options.endpoints);
    fflush(stdout);
    enum grid_err err = offer(grid);
    while (!err && fgets(line, sizeof line, stdin)) {
        struct grid_value answer;
        line[strcspn(line, "\n")] = '\0';
        /* one that is greeted twice minds less than one that is not */
        if (grid_service_call(grid, "greeter.hello", text(""), "hello", text(line), true,
                              &answer)) {
            printf("%s\n", grid_error(grid));
        } else {
            printf("%.*s\n", (int)answer.len, (char *)answer.data);
            grid_value_release(&answer);
        }
        fflush(stdout);
    }
    if (err)
        fprintf(stderr, "%s\n", grid_error(grid));
    grid_close(grid);
    return err ? 1 : 0;
}

int main(int argc, char **argv)
{
    char why[GRID_NODE_WHY_BYTES];
    if (argc < 3) {
        fprintf(stderr, "usage: %s DIRECTORY HOST:PORT [HOST:PORT of another...]\n", argv[0]);
        return 2;
    }
    struct grid_node_conf conf = {
        .size = sizeof conf,
        .text = "log { level = warn }\nlisten { http = off resp = off }",
        .name = strrchr(argv[2], ':') + 1,
        .data = argv[1],
        .memory = 256 << 20,
        .client = "127.0.0.1:0",
        .peer = argv[2],
        .peers = (const char *const *)(argc > 3 ? argv + 3 : argv + 2),
        .bootstrap_expect = argc > 3 ? 0 : 1,
        .modules = (const struct grid_native_module *const[]){&greeter, NULL},
    };
    struct grid_node *node = grid_node_start(&conf, why);
    if (!node) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int code = serve(node);
    grid_node_stop(node);
    return code;
}
