/* callers.c - many calls of libgridclient at a fixed rate, for as long as standard input stays
 * open: what programs feel while nodes die, drain and join. Each line that is read asks for one
 * JSON object about the time since the line before.
 *
 * Open loop: a call has a time that it is meant for, and its latency counts from then. A call that
 * failed is an error, and is made again: the latency counts to the success. So max_us is also the
 * longest time that a key could not be reached.
 * LINK: bench client base */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/prng.h"
#include "tests/bench/hist.h"

#include <event2/event.h>
#include <getopt.h>
#include <grid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_BYTES = 17, PERCENT = 100, TICK_US = 1000, LINE_BYTES = 64 };

static struct {
    const char *endpoints, *cache;
    unsigned long clients, slots, keys, value_bytes, put_percent, rate, timeout_ms;
} options = {.clients = 4,
             .slots = 128,
             .keys = 1000000,
             .value_bytes = 100,
             .put_percent = 50,
             .rate = 4000,
             .timeout_ms = 10000};

/* One call after the other. */
struct slot {
    struct grid_cache *cache;
    uint64_t due_ns; /* of the call that is made, or of the next */
    uint64_t key;
    bool put;
    bool busy;
    bool again; /* the same once more: it failed */
};

static struct slot *slots;
static uint64_t period_ns;
static struct prng prng = {1};
static struct hist latency;
static uint64_t since_ns, errors, doubts;
static char first_error[128];
static char *value;

static void call_make(struct slot *s);

static void call_done(void *arg, const struct grid_result *r)
{
    struct slot *s = arg;
    s->busy = false;
    if (r->err == GRID_ECANCELLED)
        return;
    bool ok = r->err == GRID_OK || (r->err == GRID_ENOT_FOUND && !s->put);
    if (!ok) {
        if (errors++ == 0)
            snprintf(first_error, sizeof first_error, "%s: %.80s", grid_err_name(r->err),
                     r->detail);
        doubts += r->err == GRID_EIN_DOUBT;
        s->again = true;
        return; /* the next tick makes it again */
    }
    uint64_t now = clock_mono_ns();
    hist_record(&latency, now > s->due_ns ? now - s->due_ns : 0);
    s->due_ns += period_ns;
    s->again = false;
    if (s->due_ns <= now)
        call_make(s);
}

static void call_make(struct slot *s)
{
    char key[KEY_BYTES];
    if (!s->again) {
        s->key = prng_below(&prng, options.keys);
        s->put = prng_below(&prng, PERCENT) < options.put_percent;
    }
    snprintf(key, sizeof key, "key:%012llu", (unsigned long long)s->key);
    struct grid_bytes k = {key, KEY_BYTES - 1}, v = {value, options.value_bytes};
    s->busy = true;
    if (s->put) {
        memcpy(value, key, v.len < k.len ? v.len : k.len);
        grid_put_async(s->cache, k, v, NULL, call_done, s);
    } else {
        grid_get_async(s->cache, k, (struct grid_bytes){0}, call_done, s);
    }
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    uint64_t now = clock_mono_ns();
    for (unsigned long i = 0; i < options.slots; i++) {
        if (!slots[i].busy && (slots[i].again || slots[i].due_ns <= now))
            call_make(&slots[i]);
    }
}

static void report(void)
{
    uint64_t now = clock_mono_ns(), waiting = 0, late = 0;
    for (unsigned long i = 0; i < options.slots; i++) {
        uint64_t waited = now > slots[i].due_ns ? now - slots[i].due_ns : 0;
        waiting += slots[i].busy;
        late = waited > late ? waited : late;
    }
    hist_check(&latency);
    printf("{\"seconds\": %.3f, \"calls\": %llu, \"errors\": %llu, \"in_doubt\": %llu, "
           "\"first_error\": \"%s\", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
           "\"max_us\": %.1f, \"waiting\": %llu, \"waiting_us\": %.1f}\n",
           (double)(now - since_ns) / 1e9, (unsigned long long)latency.count,
           (unsigned long long)errors, (unsigned long long)doubts, first_error,
           (double)hist_percentile(&latency, 50) / 1e3, (double)hist_percentile(&latency, 99) / 1e3,
           (double)hist_percentile(&latency, 99.9) / 1e3,
           (double)hist_percentile(&latency, 100) / 1e3, (unsigned long long)waiting,
           (double)late / 1e3);
    fflush(stdout);
    hist_clear(&latency);
    errors = doubts = 0;
    first_error[0] = '\0';
    since_ns = now;
}

static void line_read(evutil_socket_t fd, short what, void *arg)
{
    char line[LINE_BYTES];
    (void)what;
    ssize_t n = read(fd, line, sizeof line);
    for (ssize_t i = 0; i < n; i++) {
        if (line[i] == '\n')
            report();
    }
    if (n <= 0)
        event_base_loopbreak(arg);
}

static struct grid *client_open(struct event_base *base, struct grid_cache **ret_cache)
{
    char why[GRID_WHY_BYTES] = "";
    struct grid_options o = {.endpoints = options.endpoints,
                             .timeout_ms = (uint32_t)options.timeout_ms,
                             .pipeline_max = (uint32_t)options.slots + 1,
                             .base = base};
    struct grid *g;
    enum grid_err err = grid_connect(&o, &g, why);
    if (!err)
        err = grid_cache_open(g, options.cache, ret_cache);
    if (err) {
        fprintf(stderr, "callers: %s: %s %s\n", options.cache, grid_err_text(err), why);
        exit(1);
    }
    return g;
}

static void options_read(int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned long *number;
        const char **text;
    } all[] = {{"endpoints", NULL, &options.endpoints},
               {"cache", NULL, &options.cache},
               {"clients", &options.clients, NULL},
               {"slots", &options.slots, NULL},
               {"keys", &options.keys, NULL},
               {"rate", &options.rate, NULL},
               {"put-percent", &options.put_percent, NULL},
               {"value-bytes", &options.value_bytes, NULL},
               {"timeout", &options.timeout_ms, NULL}};
    enum { OPTIONS = sizeof all / sizeof *all };
    struct option table[OPTIONS + 1] = {{0}};
    for (int i = 0; i < OPTIONS; i++)
        table[i] = (struct option){all[i].name, required_argument, NULL, i};
    for (int i; (i = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (i >= OPTIONS)
            exit(2);
        if (all[i].text)
            *all[i].text = optarg;
        else
            *all[i].number = strtoul(optarg, NULL, 10);
    }
    if (!options.endpoints || !options.cache || !options.clients || !options.rate ||
        !options.keys || options.slots < options.clients) {
        fprintf(stderr, "callers: --endpoints and --cache are needed, slots >= clients >= 1\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    options_read(argc, argv);
    struct event_base *base = event_base_new();
    struct grid **grids = xcalloc(options.clients, sizeof(struct grid *));
    struct grid_cache **caches = xcalloc(options.clients, sizeof(struct grid_cache *));
    slots = xcalloc(options.slots, sizeof *slots);
    value = xcalloc(1, options.value_bytes + 1);
    memset(value, 'v', options.value_bytes);
    for (unsigned long i = 0; i < options.clients; i++)
        grids[i] = client_open(base, &caches[i]);
    period_ns = options.slots * UINT64_C(1000000000) / options.rate;
    since_ns = clock_mono_ns();
    for (unsigned long i = 0; i < options.slots; i++)
        slots[i] = (struct slot){.cache = caches[i % options.clients],
                                 .due_ns = since_ns + period_ns * i / options.slots};
    hist_clear(&latency);
    struct timeval every = {.tv_usec = TICK_US};
    struct event *ticks = event_new(base, -1, EV_PERSIST, tick, NULL);
    struct event *lines = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, line_read, base);
    event_add(ticks, &every);
    event_add(lines, NULL);
    printf("{}\n"); /* ready */
    fflush(stdout);
    event_base_dispatch(base);
    event_free(ticks);
    event_free(lines);
    for (unsigned long i = 0; i < options.clients; i++)
        grid_close(grids[i]);
    event_base_free(base);
    free(grids);
    free(caches);
    free(slots);
    free(value);
    return 0;
}
