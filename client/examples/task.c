/* task.c - work sent to the data: a transfer between two accounts, done where they are, as one
 * change and exactly once. The task is in bank.lua: gridctl module deploy bank.lua */
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
    struct grid_bytes ann = bytes("account:ann"), bob = bytes("account:bob");
    struct grid_bytes branch = bytes("branch:7"); /* both are kept with it, in one partition */
    struct grid_write at_branch = {.affinity = branch};
    struct grid *grid;
    struct grid_cache *cache;
    struct grid_value result;
    char why[GRID_WHY_BYTES];

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    err = grid_cache_open(grid, "default/default", &cache);
    if (!err)
        err = grid_put(cache, ann, bytes("100"), &at_branch, NULL);
    if (!err)
        err = grid_put(cache, bob, bytes("0"), &at_branch, NULL);
    if (!err)
        err = grid_task_run(cache, "bank.transfer", ann, branch,
                            bytes("{\"to\": \"account:bob\", \"amount\": 500}"), &result);
    if (err == GRID_ETASK) { /* it failed, so it changed nothing */
        printf("refused: %s\n", grid_error(grid));
        err = grid_task_run(cache, "bank.transfer", ann, branch,
                            bytes("{\"to\": \"account:bob\", \"amount\": 30}"), &result);
    }
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_name(err), grid_error(grid));
    } else {
        printf("ann and bob have %.*s\n", (int)result.len, (const char *)result.data);
        grid_value_release(&result);
    }
    grid_close(grid);
    return err ? 1 : 0;
}
