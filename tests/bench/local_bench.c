/* local_bench.c - what a program pays for calls to the node that it has inside: local_bench DIR
 * [KEYS [ROUNDS]]. A get of another thread's shard, alone and by several threads, beside a get by
 * mail; puts; tasks in C, and what they pay for a read; as JSON, a line each. Built with libgridd
 * as programs are. */
#include "server/gridd.h"

extern const struct grid_native_module grid_module; /* bench_module.c */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VALUE_LEN = 100, THREADS_MAX = 4, KEY_BYTES = 24 };

static unsigned keys = 10000, rounds = 1000000;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "local_bench: %s: %s\n", what, why);
    exit(1);
}

static void tell_ns(const char *what, double ns)
{
    printf("{\"by\": \"%s\", \"ns\": %.0f}\n", what, ns);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct grid_bytes key_of(unsigned i, char to[KEY_BYTES])
{
    return (struct grid_bytes){to, (size_t)snprintf(to, KEY_BYTES, "key%010u", i)};
}

static const struct grid_bytes by_key;

static void fill(struct grid_node_cache *c)
{
    char key[KEY_BYTES], value[VALUE_LEN] = "value";
    for (unsigned i = 0; i < keys; i++)
        if (grid_node_put(c, key_of(i, key), (struct grid_bytes){value, sizeof value}, NULL, NULL))
            die("put", "refused");
}

static void *gets(void *arg)
{
    struct grid_node_cache *c = arg;
    char(*names)[KEY_BYTES] = malloc(keys * sizeof *names);
    struct grid_value v;
    for (unsigned i = 0; names && i < keys; i++)
        key_of(i, names[i]);
    for (unsigned i = 0; names && i < rounds; i++) {
        const char *name = names[i * 2654435761u % keys];
        if (grid_node_get(c, (struct grid_bytes){name, strlen(name)}, by_key, &v) ||
            v.len != VALUE_LEN)
            die("get", "wrong");
        free(v.data);
    }
    free(names);
    return NULL;
}

static void measure_gets(struct grid_node_cache *c, unsigned threads)
{
    pthread_t all[THREADS_MAX];
    double began = now_ns();
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&all[i], NULL, gets, c))
            die("thread", "none");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(all[i], NULL);
    double took = (now_ns() - began) / rounds;
    char what[32];
    snprintf(what, sizeof what, "get, %u threads", threads);
    tell_ns(what, took);
}

struct told {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void tell(void *arg, const struct grid_result *r)
{
    struct told *t = arg;
    (void)r;
    pthread_mutex_lock(&t->lock);
    t->done = true;
    pthread_cond_signal(&t->cond);
    pthread_mutex_unlock(&t->lock);
}

static void measure_mail(struct grid_node_cache *c)
{
    unsigned n = rounds / 50 + 1;
    char key[KEY_BYTES];
    struct told t = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    double began = now_ns();
    for (unsigned i = 0; i < n; i++) {
        t.done = false;
        grid_node_get_async(c, key_of(i % keys, key), by_key, tell, &t);
        pthread_mutex_lock(&t.lock);
        while (!t.done)
            pthread_cond_wait(&t.cond, &t.lock);
        pthread_mutex_unlock(&t.lock);
    }
    tell_ns("get, by mail", (now_ns() - began) / n);
}

static void measure_puts(struct grid_node_cache *c)
{
    unsigned n = rounds / 50 + 1;
    char key[KEY_BYTES], value[VALUE_LEN] = "value";
    double began = now_ns();
    for (unsigned i = 0; i < n; i++)
        if (grid_node_put(c, key_of(i % keys, key), (struct grid_bytes){value, sizeof value}, NULL,
                          NULL))
            die("put", "refused");
    tell_ns("put, durable", (now_ns() - began) / n);
}

/* What a read costs inside of a task, as the task measured it; and a task that reads, adds and
 * writes, blocking. */
static void measure_tasks(struct grid_node_cache *c)
{
    char number[24], why[GRID_NODE_WHY_BYTES];
    unsigned n = rounds / 50 + 1;
    struct grid_bytes key = {"k", 1}, one = {"1", 1};
    struct grid_value v;
    for (unsigned reads = 10; reads <= 1000; reads *= 10) {
        struct grid_bytes argument = {number, (size_t)snprintf(number, sizeof number, "%u", reads)};
        if (grid_node_run(c, "bench.fill", key, by_key, argument, NULL, why) ||
            grid_node_run(c, "bench.reads", key, by_key, argument, &v, why) ||
            grid_node_run(c, "bench.reads", key, by_key, argument, &v, why))
            die("task", why);
        char what[32];
        snprintf(what, sizeof what, "read in a task of %u", reads);
        snprintf(number, sizeof number, "%.*s", (int)v.len, (char *)v.data);
        tell_ns(what, strtod(number, NULL));
        free(v.data);
    }
    double began = now_ns();
    for (unsigned i = 0; i < n; i++)
        if (grid_node_run(c, "bench.add", key, by_key, one, NULL, why))
            die("task", why);
    tell_ns("task, durable", (now_ns() - began) / n);
}

int main(int argc, char **argv)
{
    char why[GRID_NODE_WHY_BYTES];
    if (argc < 2)
        die("usage", "local_bench DIR [KEYS [ROUNDS]]");
    if (argc > 2)
        keys = (unsigned)strtoul(argv[2], NULL, 10);
    if (argc > 3)
        rounds = (unsigned)strtoul(argv[3], NULL, 10);
    struct grid_node_conf conf = {
        .modules = (const struct grid_native_module *const[]){&grid_module, NULL},
        .data = argv[1],
        .client = "127.0.0.1:0",
        .memory = 256 << 20,
        .text = "log { level = error }\nlisten { http = off resp = off }"};
    struct grid_node *n = grid_node_start(&conf, why);
    struct grid_node_cache *c;
    if (!n)
        die("start", why);
    if (grid_node_cache_open(n, "default/default", &c))
        die("cache", "none");
    fill(c);
    for (unsigned i = 1; i <= THREADS_MAX; i *= 2)
        measure_gets(c, i);
    measure_mail(c);
    measure_puts(c);
    measure_tasks(c);
    grid_node_cache_free(c);
    grid_node_stop(n);
    return 0;
}
