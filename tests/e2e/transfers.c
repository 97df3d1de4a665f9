/* transfers.c - clients that run the task bank.transfer of tests/e2e/tasks without pause, each with
 * one on its way, and judge what they are told.
 *
 *   transfers ENDPOINTS CACHE CLIENTS BRANCHES SEED      until standard input ends
 *
 * A transfer counts, in the branch, how many its client has made there, and answers the count: the
 * next one each time, however often it was sent. On standard output, at the end: for each client
 * and branch a line "count CLIENT:BRANCH N", then one line NAME=NUMBER ...
 *   done      transfers made
 *   refused   the task failed, for there was too little; nothing was changed
 *   failed    any other outcome: of the first one a line on standard error
 *   wrong     answers that are not the next count
 *   longest   ms that one transfer took */
#include <grid.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, BRANCHES_MAX = 64, TIMEOUT_MS = 60000, AMOUNT_MAX = 9 };

struct client {
    unsigned number, branches;
    unsigned seed;
    const char *endpoints, *path;
    uint64_t counts[BRANCHES_MAX];
    uint64_t done, refused, failed, wrong, longest_ms;
};

static atomic_bool stopping;

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void judge(struct client *c, unsigned branch, const struct grid_value *result)
{
    char want[24];
    int len = snprintf(want, sizeof want, "%" PRIu64, ++c->counts[branch]);
    c->done++;
    c->wrong += result->len != (size_t)len || memcmp(result->data, want, result->len) != 0;
}

static void transfer(struct client *c, struct grid *grid, struct grid_cache *cache)
{
    char key[32], argument[96];
    unsigned branch = (unsigned)rand_r(&c->seed) % c->branches;
    int amount = rand_r(&c->seed) % (2 * AMOUNT_MAX + 1) - AMOUNT_MAX;
    int key_len = snprintf(key, sizeof key, "branch%u", branch);
    int len = snprintf(argument, sizeof argument, "{\"client\": \"c%u\", \"amount\": %d}",
                       c->number, amount);
    struct grid_value result;
    uint64_t begun = now_ms();
    enum grid_err err = grid_task_run(
        cache, "bank.transfer", (struct grid_bytes){key, (size_t)key_len},
        (struct grid_bytes){NULL, 0}, (struct grid_bytes){argument, (size_t)len}, &result);
    uint64_t took = now_ms() - begun;
    c->longest_ms = took > c->longest_ms ? took : c->longest_ms;
    if (err == GRID_OK) {
        judge(c, branch, &result);
        grid_value_release(&result);
    } else if (err == GRID_ETASK) {
        c->refused++;
    } else if (c->failed++ == 0) {
        fprintf(stderr, "transfers: c%u: %s: %s\n", c->number, grid_err_name(err),
                grid_error(grid));
    }
}

static void *run(void *arg)
{
    struct client *c = arg;
    struct grid_options options = {.endpoints = c->endpoints, .timeout_ms = TIMEOUT_MS};
    struct grid *grid;
    struct grid_cache *cache;
    char why[GRID_WHY_BYTES];
    if (grid_connect(&options, &grid, why)) {
        fprintf(stderr, "transfers: c%u: %s\n", c->number, why);
        c->failed++;
        return NULL;
    }
    if (grid_cache_open(grid, c->path, &cache)) {
        fprintf(stderr, "transfers: c%u: %s\n", c->number, grid_error(grid));
        c->failed++;
    }
    while (!stopping && !c->failed)
        transfer(c, grid, cache);
    grid_close(grid);
    return NULL;
}

static unsigned number_of(const char *text, unsigned max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (!*text || *end || n < 1 || n > max) {
        fprintf(stderr, "transfers: %s: a number from 1 to %u\n", text, max);
        exit(2);
    }
    return (unsigned)n;
}

static void wait_for_the_end(void)
{
    char bytes[64];
    while (read(STDIN_FILENO, bytes, sizeof bytes) > 0)
        ;
    stopping = true;
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS_MAX];
    pthread_t threads[CLIENTS_MAX];
    struct client all = {0};
    if (argc != 6) {
        fprintf(stderr, "usage: transfers ENDPOINTS CACHE CLIENTS BRANCHES SEED\n");
        return 2;
    }
    unsigned n = number_of(argv[3], CLIENTS_MAX), branches = number_of(argv[4], BRANCHES_MAX);
    unsigned seed = number_of(argv[5], UINT32_MAX / 2);
    for (unsigned i = 0; i < n; i++) {
        clients[i] = (struct client){.number = i,
                                     .branches = branches,
                                     .seed = seed + i,
                                     .endpoints = argv[1],
                                     .path = argv[2]};
        if (pthread_create(&threads[i], NULL, run, &clients[i]))
            return 2;
    }
    wait_for_the_end();
    for (unsigned i = 0; i < n; i++) {
        struct client *c = &clients[i];
        pthread_join(threads[i], NULL);
        for (unsigned b = 0; b < branches; b++)
            printf("count c%u:branch%u %" PRIu64 "\n", i, b, c->counts[b]);
        all.done += c->done;
        all.refused += c->refused;
        all.failed += c->failed;
        all.wrong += c->wrong;
        all.longest_ms = c->longest_ms > all.longest_ms ? c->longest_ms : all.longest_ms;
    }
    printf("done=%" PRIu64 " refused=%" PRIu64 " failed=%" PRIu64 " wrong=%" PRIu64
           " longest=%" PRIu64 "\n",
           all.done, all.refused, all.failed, all.wrong, all.longest_ms);
    return all.failed || all.wrong ? 1 : 0;
}
