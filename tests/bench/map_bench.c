/* map_bench.c - a map over a cache beside reading all of it out and adding up in C.
 * LINK: client
 *
 *   map_bench HOST:PORT [KEYS [VALUE BYTES]]
 *
 * The node has the entries and the module in Lua from this program, that in C from its module_dir
 * (bench_module.c). Prints what each took each round, as JSON, a line each. */
#include "grid.h"
#include "tests/bench/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MANY = 1000, ROUNDS = 5, KEY_BYTES = 16, IN_FLIGHT = 8 };

static const char source[] =
    "#!lua name=lua\n"
    "grid.map{name='sum', map=function(e, emit) emit('sum', e.number) end, reduce='sum'}\n"
    "grid.map{name='size', map=function(e, emit) emit('size', e.size) end, reduce='sum'}\n"
    "grid.map{name='count', map=function(e, emit) emit('count') end, reduce='count'}\n"
    "grid.map{name='text', map=function(e, emit) emit(string.sub(e.value, 1, 3), 1) end,\n"
    "  reduce=function(key, a, b) return a + b end}\n";

struct bench {
    struct grid *grid;
    struct grid_cache *cache;
    size_t keys, value_bytes, next;
    char *names; /* KEY_BYTES each */
    struct grid_item *items;
    long long sum;
    size_t got, failed;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const struct bench *b, const char *what)
{
    fprintf(stderr, "map_bench: %s: %s\n", what, grid_error(b->grid));
    exit(1);
}

static struct grid_bytes key_at(const struct bench *b, size_t i)
{
    return (struct grid_bytes){b->names + i * KEY_BYTES, KEY_BYTES};
}

/* A number with zeros before it, so that it has as many bytes as is wanted. */
static void load(struct bench *b)
{
    char *values = malloc(MANY * (b->value_bytes + 1));
    for (size_t i = 0; i < b->keys; i += MANY) {
        size_t n = b->keys - i < MANY ? b->keys - i : MANY;
        for (size_t k = 0; k < n; k++) {
            char *v = values + k * (b->value_bytes + 1);
            char digits[24];
            int len = snprintf(digits, sizeof digits, "%zu", i + k);
            memset(v, '0', b->value_bytes);
            memcpy(v + b->value_bytes - (size_t)len, digits, (size_t)len);
            b->items[k] = (struct grid_item){.key = key_at(b, i + k), .value = {v, b->value_bytes}};
        }
        if (grid_put_many(b->cache, b->items, n))
            die(b, "load");
    }
    free(values);
}

static double by_many(struct bench *b)
{
    double began = now();
    b->sum = 0;
    for (size_t i = 0; i < b->keys; i += MANY) {
        size_t n = b->keys - i < MANY ? b->keys - i : MANY;
        for (size_t k = 0; k < n; k++)
            b->items[k] = (struct grid_item){.key = key_at(b, i + k)};
        if (grid_get_many(b->cache, b->items, n))
            die(b, "get_many");
        for (size_t k = 0; k < n; k++) {
            b->sum += decimal(b->items[k].result.data, b->items[k].result.len);
            grid_value_release(&b->items[k].result);
        }
    }
    return now() - began;
}

static void got(void *arg, const struct grid_result *r)
{
    struct bench *b = arg;
    b->failed += r->err != GRID_OK;
    b->sum += decimal(r->value.data, r->value.len);
    b->got++;
}

static double by_pipeline(struct bench *b)
{
    double began = now();
    struct grid_bytes none = {NULL, 0};
    b->sum = 0;
    b->got = b->failed = 0;
    for (size_t i = 0; i < b->keys; i++) {
        grid_get_async(b->cache, key_at(b, i), none, got, b);
        while (i - b->got > 4000)
            grid_poll(b->grid, -1);
    }
    grid_flush(b->grid);
    if (b->failed)
        die(b, "get");
    return now() - began;
}

static double by_scan(struct bench *b)
{
    double began = now();
    struct grid_scan_options how = {.page = 10000};
    struct grid_scan *s;
    struct grid_entry e;
    b->sum = 0;
    if (grid_scan_start(b->cache, &how, &s))
        die(b, "scan");
    while (!grid_scan_next(s, &e))
        b->sum += decimal(e.value.data, e.value.len);
    grid_scan_free(s);
    return now() - began;
}

static double by_map(struct bench *b, const char *name)
{
    double began = now();
    struct grid_map *m;
    struct grid_map_row row;
    struct grid_bytes none = {NULL, 0};
    if (grid_task_map(b->cache, name, none, NULL, &m))
        die(b, name);
    enum grid_err err;
    while (!(err = grid_map_next(m, &row)))
        b->sum = atoll((const char *)row.value.data);
    if (err != GRID_ENOT_FOUND)
        die(b, name);
    grid_map_free(m);
    return now() - began;
}

static double by_sum(struct bench *b)
{
    return by_map(b, "lua.sum");
}

static double by_size(struct bench *b)
{
    return by_map(b, "lua.size");
}

static double by_count(struct bench *b)
{
    return by_map(b, "lua.count");
}

static double by_text(struct bench *b)
{
    return by_map(b, "lua.text");
}

static double by_sum_c(struct bench *b)
{
    return by_map(b, "bench.sum");
}

static double by_count_c(struct bench *b)
{
    return by_map(b, "bench.count");
}

static const struct {
    const char *name;
    double (*by)(struct bench *b);
    int sums;
} ways[] = {
    {"get_many of 1000", by_many, 1},
    {"gets, pipelined", by_pipeline, 1},
    {"scan", by_scan, 1},
    {"map in C: sum", by_sum_c, 1},
    {"map in C: count", by_count_c, 0},
    {"map in Lua: sum", by_sum, 1},
    {"map in Lua: sizes", by_size, 0},
    {"map in Lua: count", by_count, 0},
    {"map in Lua: reduced by code", by_text, 0},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* Another one begins each round. */
static void measure(struct bench *b)
{
    static double seconds[WAYS][ROUNDS];
    long long want = 0;
    for (int r = 0; r < ROUNDS; r++) {
        for (int k = 0; k < WAYS; k++) {
            int i = r ? (k + r) % WAYS : k;
            seconds[i][r] = ways[i].by(b);
            want = r || k ? want : b->sum;
            if (ways[i].sums && b->sum != want)
                die(b, "the sums differ");
        }
    }
    for (int i = 0; i < WAYS; i++) {
        printf("{\"by\": \"%s\", \"seconds\": [", ways[i].name);
        for (int r = 0; r < ROUNDS; r++)
            printf("%s%.4f", r ? ", " : "", seconds[i][r]);
        printf("]}\n");
    }
}

int main(int argc, char **argv)
{
    struct bench b = {.keys = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000,
                      .value_bytes = argc > 3 ? strtoul(argv[3], NULL, 10) : 100};
    struct grid_options options = {.endpoints = argc > 1 ? argv[1] : "127.0.0.1:7400",
                                   .timeout_ms = 60000};
    char why[512];
    if (grid_connect(&options, &b.grid, why)) {
        fprintf(stderr, "map_bench: %s\n", why);
        return 1;
    }
    if (grid_cache_open(b.grid, "default/default", &b.cache))
        die(&b, "open");
    b.names = malloc(b.keys * KEY_BYTES + 1);
    b.items = calloc(MANY, sizeof *b.items);
    for (size_t i = 0; i < b.keys; i++)
        snprintf(b.names + i * KEY_BYTES, KEY_BYTES + 1, "k%015u", (unsigned)i);
    load(&b);
    struct grid_module_info *info;
    struct grid_bytes text = {source, sizeof source - 1};
    if (grid_module_deploy(b.grid, NULL, text, &info))
        die(&b, "deploy");
    free(info);
    measure(&b);
    grid_close(b.grid);
    free(b.names);
    free(b.items);
    return 0;
}
