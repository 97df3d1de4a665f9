/* transfer_bench.c - moves one from an account to the savings of the same key, two caches of one
 * context, as fast as many clients can that each do one transfer after the other: by a task where
 * the data is, or by reads and a batch of conditional writes, which is made again when somebody was
 * faster.
 *
 *   transfer_bench ENDPOINTS task|client CLIENTS ACCOUNTS SECONDS
 *
 * Needs the caches bench/accounts and bench/savings, and the task bench.transfer. Prints one JSON
 * object; fails when a transfer fails, or money was made or lost.
 * LINK: bench client base */
#include "base/clock.h"
#include "base/prng.h"
#include "tests/bench/hist.h"

#include <grid.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS_MAX = 256, NUMBER_BYTES = 24, BEGIN = 1000 };

struct client {
    struct grid *grid;
    struct grid_cache *accounts, *savings;
    struct prng prng;
    struct hist latency;
    uint64_t done, again;
    pthread_t thread;
};

static struct {
    const char *endpoints;
    bool by_task;
    unsigned clients, accounts, seconds;
} options;
static uint64_t ends_ns; /* set before the threads begin */

static _Noreturn void fail(struct grid *grid, const char *what, enum grid_err err)
{
    fprintf(stderr, "transfer_bench: %s: %s %s\n", what, grid_err_name(err),
            grid ? grid_error(grid) : "");
    exit(1);
}

static struct grid_bytes text_of(char text[NUMBER_BYTES], const char *format, long long n)
{
    int len = snprintf(text, NUMBER_BYTES, format, n);
    return (struct grid_bytes){text, (size_t)len};
}

/* --- a transfer ------------------------------------------------------------------------------- */

static bool by_task(struct client *c, struct grid_bytes key)
{
    const struct grid_bytes none = {NULL, 0}, one = {"1", 1};
    enum grid_err err = grid_task_run(c->accounts, "bench.transfer", key, none, one, NULL);
    if (err)
        fail(c->grid, "a task", err);
    return true;
}

static long long balance(struct client *c, struct grid_cache *of, struct grid_bytes key,
                         struct grid_write *ret_same)
{
    struct grid_value v;
    char text[NUMBER_BYTES] = "";
    enum grid_err err = grid_get(of, key, (struct grid_bytes){NULL, 0}, &v);
    if (err)
        fail(c->grid, "get", err);
    memcpy(text, v.data, v.len < sizeof text ? v.len : sizeof text - 1);
    *ret_same = (struct grid_write){.condition = GRID_IF_VERSION, .version = v.version};
    grid_value_release(&v);
    return atoll(text);
}

/* False: somebody was faster. */
static bool by_client(struct client *c, struct grid_bytes key)
{
    char left[NUMBER_BYTES], right[NUMBER_BYTES];
    struct grid_item items[2] = {{.op = GRID_PUT, .cache = c->accounts, .key = key},
                                 {.op = GRID_PUT, .cache = c->savings, .key = key}};
    items[0].value = text_of(left, "%lld", balance(c, c->accounts, key, &items[0].how) - 1);
    items[1].value = text_of(right, "%lld", balance(c, c->savings, key, &items[1].how) + 1);
    enum grid_err err = grid_batch(c->accounts, key, items, 2, NULL, NULL);
    if (err && err != GRID_ECONDITION)
        fail(c->grid, "batch", err);
    return !err;
}

/* --- clients ---------------------------------------------------------------------------------- */

static void client_open(struct client *c, unsigned number)
{
    struct grid_options how = {.endpoints = options.endpoints, .timeout_ms = 10000};
    char why[GRID_WHY_BYTES];
    enum grid_err err = grid_connect(&how, &c->grid, why);
    if (err)
        fail(NULL, why, err);
    err = grid_cache_open(c->grid, "bench/accounts", &c->accounts);
    if (!err)
        err = grid_cache_open(c->grid, "bench/savings", &c->savings);
    if (err)
        fail(c->grid, "open", err);
    c->prng = (struct prng){number + 1};
    hist_clear(&c->latency);
}

static void *client_run(void *arg)
{
    struct client *c = arg;
    char text[NUMBER_BYTES];
    while (clock_mono_ns() < ends_ns) {
        struct grid_bytes key =
            text_of(text, "account%lld", (long long)prng_below(&c->prng, options.accounts));
        uint64_t begun = clock_mono_ns();
        while (!(options.by_task ? by_task : by_client)(c, key))
            c->again++;
        hist_record(&c->latency, clock_mono_ns() - begun);
        c->done++;
    }
    return NULL;
}

static void accounts_fill(struct client *c)
{
    char text[NUMBER_BYTES], begin[NUMBER_BYTES];
    struct grid_bytes value = text_of(begin, "%lld", BEGIN);
    for (unsigned i = 0; i < options.accounts; i++) {
        struct grid_bytes key = text_of(text, "account%lld", i);
        enum grid_err err = grid_put(c->accounts, key, value, NULL, NULL);
        if (!err)
            err = grid_put(c->savings, key, value, NULL, NULL);
        if (err)
            fail(c->grid, "put", err);
    }
}

static void accounts_check(struct client *c, uint64_t done)
{
    char text[NUMBER_BYTES];
    struct grid_write same;
    long long moved = 0;
    for (unsigned i = 0; i < options.accounts; i++) {
        struct grid_bytes key = text_of(text, "account%lld", i);
        long long left = balance(c, c->accounts, key, &same);
        if (left + balance(c, c->savings, key, &same) != 2 * BEGIN)
            fail(NULL, "money was made or lost", GRID_OK);
        moved += BEGIN - left;
    }
    if ((uint64_t)moved != done)
        fail(NULL, "a transfer was lost or done twice", GRID_OK);
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS_MAX];
    struct hist all;
    uint64_t done = 0, again = 0;
    if (argc != 6) {
        fprintf(stderr, "usage: transfer_bench ENDPOINTS task|client CLIENTS ACCOUNTS SECONDS\n");
        return 2;
    }
    options.endpoints = argv[1];
    options.by_task = strcmp(argv[2], "task") == 0;
    options.clients = (unsigned)atoi(argv[3]) % (CLIENTS_MAX + 1);
    options.accounts = (unsigned)atoi(argv[4]);
    options.seconds = (unsigned)atoi(argv[5]);
    for (unsigned i = 0; i < options.clients; i++)
        client_open(&clients[i], i);
    accounts_fill(&clients[0]);
    uint64_t begun = clock_mono_ns();
    ends_ns = begun + options.seconds * UINT64_C(1000000000);
    for (unsigned i = 0; i < options.clients; i++)
        if (pthread_create(&clients[i].thread, NULL, client_run, &clients[i]))
            return 2;
    hist_clear(&all);
    for (unsigned i = 0; i < options.clients; i++) {
        pthread_join(clients[i].thread, NULL);
        done += clients[i].done;
        again += clients[i].again;
        hist_merge(&all, &clients[i].latency);
    }
    double took = (double)(clock_mono_ns() - begun) / 1e9;
    accounts_check(&clients[0], done);
    printf("{\"per_second\": %.0f, \"again\": %.4f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n",
           (double)done / took, (double)again / (double)done,
           (double)hist_percentile(&all, 50) / 1e3, (double)hist_percentile(&all, 99) / 1e3);
    for (unsigned i = 0; i < options.clients; i++)
        grid_close(clients[i].grid);
    return 0;
}
