/* load.c - clients that write and read without pause while their server dies and comes back, and
 * write down each request with its outcome.
 *
 *   load run ENDPOINT HISTORY SEED   until standard input ends; then what is on its way is awaited
 *   load read ENDPOINT HISTORY ROUND add what the grid now has
 *
 * A context has one worker with many requests on their way and one that waits for each. The history
 * is read by check_history.py; a line is one of (times: monotonic microseconds)
 *
 *   op WORKER NUMBER KIND CONTEXT KEY T0 T1 OUTCOME VERSION ARGUMENT RESULT TTL
 *   final ROUND CONTEXT KEY VERSION DEADLINE VALUE T      (by scan)
 *   count ROUND CONTEXT N
 *   end WORKER OPS                                        (the worker wrote down all of its own) */
#include <grid.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 40000,
    WINDOW = 24,
    PLAIN_KEYS = 60,
    EXPIRING_KEYS = 30,
    COUNTERS = 10,
    BATCHES = 6,
    MANY = 8,
    VALUE_MAX = 200 << 10,
    KEY_BYTES = 24,
    VALUE_NAME_BYTES = 32,
    SHORT_TTL_MS = 300,
    LONG_TTL_MS = 3600000,
};

static const char *const contexts[] = {"sync", "async", "memory"};
enum { CONTEXTS = sizeof contexts / sizeof *contexts };

enum kind { PUT, GET, DELETE, INCR, CAS, EXPIRE, BATCH };
static const char *const kinds[] = {"put", "get", "del", "incr", "cas", "expire", "batch"};

static FILE *history;
static atomic_bool stopping;

struct worker;

/* One request on its way, or an idle place for one. */
struct slot {
    struct worker *worker;
    enum kind kind;
    char key[KEY_BYTES];
    char value[VALUE_NAME_BYTES]; /* argument: name of the value, or a number */
    uint64_t number;
    uint64_t sent_us;
    uint64_t ttl_ms; /* 0: for ever */
    bool busy;
    bool compares; /* the get of a cas */
};

struct worker {
    unsigned id;
    const char *endpoint, *context;
    unsigned window;
    uint64_t random, numbers, written;
    struct grid *grid;
    struct grid_cache *cache;
    struct slot slots[WINDOW];
    char *scratch; /* VALUE_MAX bytes */
    pthread_t thread;
};

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "load: %s: %s\n", what, why);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static unsigned dice(struct worker *w, unsigned sides)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((w->random >> 33) % sides);
}

static struct grid_bytes bytes_of(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}

/* --- values: the name says all that follows it ------------------------------------------------ */

static size_t value_len(const char *name)
{
    unsigned hash = 2166136261u;
    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    hash ^= hash >> 15;
    return strlen(name) + 1 +
           (hash % 1000 == 0 ? hash % (VALUE_MAX - 100)
            : hash % 50 == 0 ? hash % 5000
                             : hash % 120);
}

static struct grid_bytes value_make(struct worker *w, const char *name)
{
    size_t len = value_len(name), head = strlen(name);
    memcpy(w->scratch, name, head);
    w->scratch[head] = ':';
    for (size_t i = head + 1; i < len; i++)
        w->scratch[i] = (char)('a' + (i * 7 + head) % 26);
    return (struct grid_bytes){w->scratch, len};
}

/* Name of a value that was read; "garbled" when it is not what its name says; a number is
 * itself. */
static const char *value_name(const void *data, size_t len, char name[VALUE_NAME_BYTES])
{
    const char *text = data, *colon = memchr(text, ':', len);
    size_t head = colon ? (size_t)(colon - text) : len;
    if (head == 0 || head >= VALUE_NAME_BYTES)
        return "garbled";
    memcpy(name, text, head);
    name[head] = '\0';
    if (!colon)
        return name[strspn(name, "-0123456789")] ? "garbled" : name;
    if (len != value_len(name))
        return "garbled";
    for (size_t i = head + 1; i < len; i++)
        if (text[i] != (char)('a' + (i * 7 + head) % 26))
            return "garbled";
    return name;
}

/* --- the history ------------------------------------------------------------------------------ */

static void write_down(struct slot *s, enum grid_err err, uint64_t version, const char *result)
{
    struct worker *w = s->worker;
    fprintf(history,
            "op %u %" PRIu64 " %s %s %s %" PRIu64 " %" PRIu64 " %s %" PRIu64 " %s %s %" PRIu64 "\n",
            w->id, s->number, kinds[s->kind], w->context, s->key, s->sent_us, now_us(),
            grid_err_name(err), version, s->value[0] ? s->value : "-", result, s->ttl_ms);
    w->written++;
}

static void slot_begin(struct slot *s, enum kind kind, const char *family, unsigned keys)
{
    struct worker *w = s->worker;
    s->kind = kind;
    s->number = w->numbers++;
    s->ttl_ms = 0;
    s->value[0] = '\0';
    snprintf(s->key, sizeof s->key, "%s%u", family, dice(w, keys));
    s->sent_us = now_us();
}

static void slot_name_value(struct slot *s)
{
    snprintf(s->value, sizeof s->value, "%u.%" PRIu64, s->worker->id, s->number);
}

/* --- many requests on their way --------------------------------------------------------------- */

static void cas_send(struct slot *s, const struct grid_result *seen);

static void slot_done(void *arg, const struct grid_result *r)
{
    struct slot *s = arg;
    char name[VALUE_NAME_BYTES], number[24];
    const char *result = "-";
    if (s->kind == GET && r->err == GRID_OK)
        result = value_name(r->value.data, r->value.len, name);
    if (s->kind == INCR && r->err == GRID_OK) {
        snprintf(number, sizeof number, "%" PRId64, r->number);
        result = number;
    }
    write_down(s, r->err, r->version, result);
    s->busy = false;
    if (s->compares) {
        s->compares = false;
        if (r->err == GRID_OK || r->err == GRID_ENOT_FOUND)
            cas_send(s, r);
    }
}

/* The number that was read, plus one, if nobody was faster. */
static void cas_send(struct slot *s, const struct grid_result *seen)
{
    char text[24] = "0";
    if (seen->err == GRID_OK && seen->value.len < sizeof text) {
        memcpy(text, seen->value.data, seen->value.len);
        text[seen->value.len] = '\0';
    }
    struct grid_write how = {.condition = seen->err ? GRID_IF_ABSENT : GRID_IF_VERSION,
                             .version = seen->err ? 0 : seen->version};
    s->kind = CAS;
    s->number = s->worker->numbers++;
    snprintf(s->value, sizeof s->value, "%lld", strtoll(text, NULL, 10) + 1);
    s->sent_us = now_us();
    s->busy = true;
    grid_put_async(s->worker->cache, bytes_of(s->key), bytes_of(s->value), &how, slot_done, s);
}

static void put_send(struct slot *s)
{
    struct grid_write how = {.ttl = s->ttl_ms ? GRID_TTL_SET : GRID_TTL_NONE, .ttl_ms = s->ttl_ms};
    slot_name_value(s);
    grid_put_async(s->worker->cache, bytes_of(s->key), value_make(s->worker, s->value), &how,
                   slot_done, s);
}

static uint64_t ttl_choose(struct worker *w)
{
    static const uint64_t choices[] = {0, SHORT_TTL_MS, LONG_TTL_MS};
    return choices[dice(w, 3)];
}

static void slot_send(struct slot *s)
{
    struct worker *w = s->worker;
    unsigned lot = dice(w, 100);
    s->busy = true;
    if (lot < 35) {
        slot_begin(s, PUT, "p", PLAIN_KEYS);
        put_send(s);
    } else if (lot < 55) {
        slot_begin(s, GET, "p", PLAIN_KEYS);
        grid_get_async(w->cache, bytes_of(s->key), (struct grid_bytes){0}, slot_done, s);
    } else if (lot < 63) {
        slot_begin(s, DELETE, "p", PLAIN_KEYS);
        grid_delete_async(w->cache, bytes_of(s->key), NULL, slot_done, s);
    } else if (lot < 80) {
        slot_begin(s, INCR, "n", COUNTERS);
        snprintf(s->value, sizeof s->value, "%u", dice(w, 5) + 1);
        grid_incr_async(w->cache, bytes_of(s->key), atoll(s->value), NULL, slot_done, s);
    } else if (lot < 88) {
        slot_begin(s, GET, "c", COUNTERS);
        s->compares = true;
        grid_get_async(w->cache, bytes_of(s->key), (struct grid_bytes){0}, slot_done, s);
    } else if (lot < 96) {
        slot_begin(s, PUT, "e", EXPIRING_KEYS);
        s->ttl_ms = ttl_choose(w);
        put_send(s);
    } else {
        slot_begin(s, EXPIRE, "e", EXPIRING_KEYS);
        s->ttl_ms = ttl_choose(w);
        struct grid_write how = {.ttl = s->ttl_ms ? GRID_TTL_SET : GRID_TTL_NONE,
                                 .ttl_ms = s->ttl_ms};
        grid_expire_async(w->cache, bytes_of(s->key), &how, slot_done, s);
    }
}

/* --- one at a time: what has no asynchronous twin --------------------------------------------- */

/* Two keys that always have the same value, and the number of times they were written. */
static void batch_do(struct slot *s)
{
    struct worker *w = s->worker;
    char keys[3][KEY_BYTES + 2];
    struct grid_item items[3] = {{.op = GRID_PUT}, {.op = GRID_PUT}, {.op = GRID_INCR, .delta = 1}};
    slot_begin(s, BATCH, "b", BATCHES);
    slot_name_value(s);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(keys[i], sizeof keys[i], "%s:%c", s->key, "xyn"[i]);
        items[i].key = bytes_of(keys[i]);
        if (i < 2)
            items[i].value = value_make(w, s->value);
    }
    uint64_t version = 0;
    enum grid_err err = grid_batch(w->cache, bytes_of(s->key), items, 3, &version, NULL);
    write_down(s, err, version, "-");
}

static void many_do(struct slot *s)
{
    struct worker *w = s->worker;
    struct slot parts[MANY];
    struct grid_item items[MANY];
    char *values[MANY];
    memset(items, 0, sizeof items);
    for (unsigned i = 0; i < MANY; i++) {
        parts[i] = *s;
        slot_begin(&parts[i], PUT, "m", 1);
        snprintf(parts[i].key, sizeof parts[i].key, "m%u", i * 4 + dice(w, 4));
        slot_name_value(&parts[i]);
        struct grid_bytes value = value_make(w, parts[i].value);
        values[i] = malloc(value.len);
        if (!values[i])
            die("values", "no memory");
        memcpy(values[i], value.data, value.len);
        items[i] = (struct grid_item){
            .op = GRID_PUT, .key = bytes_of(parts[i].key), .value = {values[i], value.len}};
    }
    enum grid_err err = grid_put_many(w->cache, items, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        write_down(&parts[i], err ? err : items[i].err, items[i].result.version, "-");
        free(values[i]);
    }
}

static void plain_do(struct slot *s)
{
    struct worker *w = s->worker;
    char name[VALUE_NAME_BYTES];
    uint64_t version = 0;
    enum grid_err err;
    if (dice(w, 2)) {
        slot_begin(s, PUT, "p", PLAIN_KEYS);
        slot_name_value(s);
        err = grid_put(w->cache, bytes_of(s->key), value_make(w, s->value), NULL, &version);
        write_down(s, err, version, "-");
        return;
    }
    struct grid_value value = {0};
    slot_begin(s, GET, "p", PLAIN_KEYS);
    err = grid_get(w->cache, bytes_of(s->key), (struct grid_bytes){0}, &value);
    write_down(s, err, value.version, err ? "-" : value_name(value.data, value.len, name));
    grid_value_release(&value);
}

/* --- workers ---------------------------------------------------------------------------------- */

static void worker_connect(struct worker *w)
{
    struct grid_options options = {
        .endpoints = w->endpoint, .timeout_ms = TIMEOUT_MS, .name = "load"};
    char why[GRID_WHY_BYTES], path[32];
    snprintf(path, sizeof path, "%s/data", w->context);
    enum grid_err err = grid_connect(&options, &w->grid, why);
    if (err)
        die(grid_err_name(err), why);
    err = grid_cache_open(w->grid, path, &w->cache);
    if (err)
        die(path, grid_error(w->grid));
    w->scratch = malloc(VALUE_MAX);
    if (!w->scratch)
        die("values", "no memory");
}

static void worker_close(struct worker *w)
{
    free(w->scratch);
    grid_close(w->grid);
}

/* Requests that a worker may have begun by now: the history is to stay readable. */
static uint64_t allowed(const struct worker *w, uint64_t begun_us)
{
    return (now_us() - begun_us) * (w->window == 1 ? 2 : 3) / 1000;
}

static void *worker_body(void *arg)
{
    struct worker *w = arg;
    void (*const one_at_a_time[])(struct slot *) = {batch_do, many_do, plain_do};
    uint64_t begun_us = now_us();
    worker_connect(w);
    for (unsigned i = 0; i < WINDOW; i++)
        w->slots[i].worker = w;
    while (!atomic_load(&stopping)) {
        uint64_t may = allowed(w, begun_us);
        for (unsigned i = 0; i < w->window && w->numbers < may; i++) {
            if (w->window == 1)
                one_at_a_time[dice(w, 3)](&w->slots[0]);
            else if (!w->slots[i].busy)
                slot_send(&w->slots[i]);
        }
        (void)grid_poll(w->grid, 1);
    }
    if (w->window > 1)
        grid_flush(w->grid);
    fprintf(history, "end %u %" PRIu64 "\n", w->id, w->written);
    worker_close(w);
    return NULL;
}

static void load(const char *endpoint, uint64_t seed)
{
    static struct worker workers[2 * CONTEXTS];
    for (unsigned i = 0; i < 2 * CONTEXTS; i++) {
        struct worker *w = &workers[i];
        w->id = i;
        w->endpoint = endpoint;
        w->context = contexts[i / 2];
        w->window = i % 2 ? WINDOW : 1;
        w->random = seed * 1000 + i;
        if (pthread_create(&w->thread, NULL, worker_body, w) != 0)
            die("threads", "none left");
    }
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {
    }
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < 2 * CONTEXTS; i++)
        pthread_join(workers[i].thread, NULL);
}

/* --- reading back ----------------------------------------------------------------------------- */

/* Entries by scan; with `file` they are written to it. */
static uint64_t scan(struct worker *w, const char *round, FILE *file)
{
    char name[VALUE_NAME_BYTES];
    struct grid_scan *scan;
    struct grid_entry e;
    uint64_t n = 0;
    enum grid_err err = grid_scan_start(w->cache, NULL, &scan);
    if (err)
        die("scan", grid_error(w->grid));
    while ((err = grid_scan_next(scan, &e)) == GRID_OK) {
        n++;
        if (file)
            fprintf(file, "final %s %s %.*s %" PRIu64 " %" PRIu64 " %s %" PRIu64 "\n", round,
                    w->context, (int)e.key.len, (const char *)e.key.data, e.version, e.deadline_ms,
                    value_name(e.value.data, e.value.len, name), now_us());
    }
    if (err != GRID_ENOT_FOUND)
        die("scan", grid_error(w->grid));
    grid_scan_free(scan);
    return n;
}

/* What has a short time to live goes meanwhile: wait until a count is that of the scan before and
 * after it. */
static void read_back(const char *endpoint, const char *context, const char *round)
{
    struct worker w = {.endpoint = endpoint, .context = context};
    uint64_t end = now_us() + 10000000, before, count, after;
    worker_connect(&w);
    do {
        before = scan(&w, round, NULL);
        if (grid_count(w.cache, &count))
            die("count", grid_error(w.grid));
        after = scan(&w, round, NULL);
    } while ((before != count || after != count) && now_us() < end);
    scan(&w, round, history);
    fprintf(history, "count %s %s %" PRIu64 "\n", round, context, count);
    worker_close(&w);
}

int main(int argc, char **argv)
{
    bool runs = argc == 5 && strcmp(argv[1], "run") == 0;
    if (!runs && !(argc == 5 && strcmp(argv[1], "read") == 0)) {
        fprintf(stderr,
                "usage: load run ENDPOINT HISTORY SEED | load read ENDPOINT HISTORY ROUND\n");
        return 2;
    }
    history = fopen(argv[3], "a");
    if (!history)
        die(argv[3], "cannot be opened");
    if (runs)
        load(argv[2], strtoull(argv[4], NULL, 10));
    for (unsigned i = 0; !runs && i < CONTEXTS; i++)
        read_back(argv[2], contexts[i], argv[4]);
    if (fclose(history) != 0)
        die(argv[3], "cannot be written");
    return 0;
}
