/* service.c - numbers from a service, many asked for at a time: each comes once, whoever hands them
 * out. Before: gridctl module deploy tickets.lua, gridctl service deploy tickets.office */
#include <grid.h>

#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 50 }; /* 64 may wait for one instance */

struct tickets {
    int len, failed;
    long list[CALLS];
};

/* Called once for each call, from grid_flush(). */
static void taken(void *arg, const struct grid_result *result)
{
    struct tickets *t = arg;
    char text[32];
    snprintf(text, sizeof text, "%.*s", (int)result->value.len, (const char *)result->value.data);
    if (result->err && t->failed++ == 0)
        fprintf(stderr, "%s: %s\n", grid_err_text(result->err), result->detail);
    if (!result->err)
        t->list[t->len++] = atol(text);
}

static int compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400"};
    struct tickets t = {0};
    const struct grid_bytes none = {NULL, 0};
    struct grid *grid;
    char why[GRID_WHY_BYTES];
    int twice = 0;

    enum grid_err err = grid_connect(&options, &grid, why);
    if (err) {
        fprintf(stderr, "%s: %s\n", grid_err_text(err), why);
        return 1;
    }
    for (int i = 0; i < CALLS; i++)
        grid_service_call_async(grid, "tickets.office", none, "next", none, false, taken, &t);
    grid_flush(grid); /* until each has its outcome */
    qsort(t.list, (size_t)t.len, sizeof *t.list, compare);
    for (int i = 1; i < t.len; i++)
        twice += t.list[i] == t.list[i - 1];
    if (!t.failed)
        printf("%d tickets, %d of them twice\n", t.len, twice);
    grid_close(grid);
    return t.failed || twice ? 1 : 0;
}
