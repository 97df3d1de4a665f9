/* bench_module.c - native tasks and maps that the benches run: what a node in C is asked beside the
 * same in Lua. `add` reads, adds the argument, writes; `reads` reads as many keys as the argument
 * says, and answers how many nanoseconds each took. */
#include <grid_module.h>

#include "tests/bench/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t number_of(struct grid_bytes b)
{
    return decimal(b.data, b.len);
}

static struct grid_bytes text_of(int64_t number, char to[24])
{
    char *end = to + 24, *at = end;
    uint64_t n = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    if (number < 0)
        *--at = '-';
    return (struct grid_bytes){at, (size_t)(end - at)};
}

static enum grid_err add(struct grid_call *c)
{
    struct grid_seen seen = {.value = {"0", 1}};
    char text[24];
    enum grid_err err = grid_call_get(c, NULL, c->key, &seen);
    if (err && err != GRID_ENOT_FOUND)
        return err;
    struct grid_bytes sum = text_of(number_of(seen.value) + number_of(c->argument), text);
    err = grid_call_put(c, NULL, c->key, sum, NULL);
    return err ? err : grid_call_result(c, sum);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Keys k0, k1, ...; each is read once. */
static enum grid_err reads(struct grid_call *c)
{
    int64_t keys = number_of(c->argument);
    char(*names)[24] = grid_call_alloc(c, (size_t)keys * sizeof *names);
    char text[24];
    struct grid_seen seen;
    size_t bytes = 0;
    for (int64_t i = 0; i < keys; i++)
        snprintf(names[i], sizeof names[i], "k%lld", (long long)i);
    uint64_t began = now_ns();
    for (int64_t i = 0; i < keys; i++) {
        struct grid_bytes key = {names[i], strlen(names[i])};
        enum grid_err err = grid_call_get(c, NULL, key, &seen);
        if (err && err != GRID_ENOT_FOUND)
            return err;
        bytes += seen.value.len;
    }
    uint64_t took = now_ns() - began;
    return grid_call_result(c, text_of((int64_t)(took / (uint64_t)(keys ? keys : 1)), text));
}

/* Writes k0, k1, ... */
static enum grid_err fill(struct grid_call *c)
{
    static const char value[100];
    int64_t keys = number_of(c->argument);
    enum grid_err err = GRID_OK;
    for (int64_t i = 0; i < keys && !err; i++) {
        char name[24];
        int len = snprintf(name, sizeof name, "k%lld", (long long)i);
        err = grid_call_put(c, NULL, (struct grid_bytes){name, (size_t)len},
                            (struct grid_bytes){value, sizeof value}, NULL);
    }
    return err;
}

static enum grid_err map_sum(struct grid_mapper *m, const struct grid_mapped *e)
{
    return grid_mapper_emit_integer(m, (struct grid_bytes){"sum", 3}, number_of(e->value));
}

static enum grid_err map_count(struct grid_mapper *m, const struct grid_mapped *e)
{
    (void)e;
    return grid_mapper_emit_integer(m, (struct grid_bytes){"count", 5}, 1);
}

static const struct grid_native functions[] = {
    {.kind = GRID_NATIVE_TASK, .name = "add", .task = add},
    {.kind = GRID_NATIVE_TASK, .name = "fill", .task = fill},
    {.kind = GRID_NATIVE_TASK, .flags = GRID_NATIVE_NO_WRITES, .name = "reads", .task = reads},
    {.kind = GRID_NATIVE_MAP, .name = "sum", .map = map_sum, .reducer = GRID_REDUCE_SUM},
    {.kind = GRID_NATIVE_MAP, .name = "count", .map = map_count, .reducer = GRID_REDUCE_SUM},
};
GRID_MODULE("bench", functions);
