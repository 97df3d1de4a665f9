/* recorder.c - clients that write down what they ask of a grid and what they are told, for
 * check-history, and for how long they were not served.
 *
 *   recorder --endpoints HOST:PORT[,...] --history FILE [OPTION VALUE]...
 *
 * until --seconds are over or SIGTERM or SIGINT comes; then every key is read once more. A client
 * has one request on its way. Keys r0, r1, ... are put, put if, deleted and read, with values that
 * nobody else puts; keys c0, c1, ... are incremented by one and read. A line is written as
 * tests/lib/history.h says, times in microseconds of the monotonic clock: histories of several
 * recorders on one machine may be joined if --first keeps their clients apart.
 *
 * On standard output: what happened in each second, and at last one line NAME=NUMBER ...:
 *   requests done doubt failed   (done: with the outcome ok or no)
 *   gap_ms       the longest time without any request done, by whomever
 *   wait_ms      the longest time that a key was asked for before something of it was done again
 *   unread       keys that could not be read at the end
 * Exit code: 0; 1 some key is unread; 2 wrong usage, no connection, or no room for the history. */
#include <grid.h>

#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS_MAX = 1000, KEYS_MAX = 100000, SECONDS_MAX = 36000, KEY_BYTES = 96 };
enum { NO_CONNECTION = 2 };

enum kind { READ, PUT, DELETE, ABSENT, VERSION, INCR };
static const char *const kinds[] = {"read", "put", "delete", "absent", "version", "incr"};
enum outcome { OK, NO, DOUBT, FAILED };
static const char *const outcomes[] = {"ok", "no", "doubt", "failed"};

/* What registers are asked, in percent. */
static const struct {
    enum kind kind;
    unsigned percent;
} mix[] = {{READ, 45}, {PUT, 25}, {VERSION, 15}, {ABSENT, 8}, {DELETE, 7}};

static struct {
    const char *endpoints, *cache, *history, *prefix, *ca, *cert, *key, *user, *password;
    long clients, keys, counters, seconds, timeout, settle, rate, seed, first;
} options = {.cache = "default/default",
             .prefix = "",
             .clients = 10,
             .keys = 40,
             .counters = 25,
             .seconds = SECONDS_MAX,
             .timeout = 2000,
             .settle = 30000,
             .rate = 200,
             .seed = 1};

static atomic_bool stopping;
static uint64_t begun_us;

/* --- what happened; `lock` is held ------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *history;
static uint64_t totals[4], seconds[SECONDS_MAX + 1][4];
static uint64_t last_done_us, gap_us, gap_at_us, wait_us, wait_at_us;
static uint64_t *asked_us; /* of each key: the first request since something of it was done; 0 */

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "recorder: %s: %s\n", what, why);
    exit(NO_CONNECTION);
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void note_asked(size_t key, uint64_t at_us)
{
    pthread_mutex_lock(&lock);
    if (!asked_us[key])
        asked_us[key] = at_us;
    pthread_mutex_unlock(&lock);
}

static void note_outcome(size_t key, enum outcome outcome, uint64_t at_us)
{
    uint64_t second = (at_us - begun_us) / 1000000;
    seconds[second < SECONDS_MAX ? second : SECONDS_MAX][outcome]++;
    totals[outcome]++;
    if (outcome > NO)
        return;
    if (at_us > last_done_us && at_us - last_done_us > gap_us) {
        gap_us = at_us - last_done_us;
        gap_at_us = last_done_us;
    }
    last_done_us = at_us > last_done_us ? at_us : last_done_us;
    if (asked_us[key] && at_us > asked_us[key] && at_us - asked_us[key] > wait_us) {
        wait_us = at_us - asked_us[key];
        wait_at_us = asked_us[key];
    }
    asked_us[key] = 0;
}

static void say_seconds(uint64_t until_us)
{
    for (uint64_t s = 0; s < SECONDS_MAX && s <= (until_us - begun_us) / 1000000; s++)
        printf("second %" PRIu64 ": %" PRIu64 " done, %" PRIu64 " in doubt, %" PRIu64 " failed\n",
               s, seconds[s][OK] + seconds[s][NO], seconds[s][DOUBT], seconds[s][FAILED]);
}

/* --- clients ---------------------------------------------------------------------------------- */

struct client {
    unsigned id;
    uint64_t random, values;
    struct grid *grid;
    struct grid_cache *cache;
    uint64_t *versions; /* of each key, as this client saw it last; 0: nothing, or never */
    pthread_t thread;
};

struct request {
    enum kind kind;
    size_t key;
    char name[KEY_BYTES];
    int64_t value;     /* put */
    uint64_t expected; /* put if version */
    uint64_t sent_us;
    struct client *client;
    enum outcome outcome;
    bool answered;
};

static unsigned dice(struct client *c, unsigned sides)
{
    c->random = c->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((c->random >> 33) % sides);
}

static bool is_counter(size_t key)
{
    return (long)key < options.keys * options.counters / 100;
}

/* Whether the grid has surely not done it, nor will. */
static bool not_done(enum grid_err err)
{
    static const enum grid_err refusals[] = {
        GRID_EFULL,        GRID_ETOO_LARGE,  GRID_EBAD_REQUEST, GRID_ENO_CONTEXT, GRID_ENO_CACHE,
        GRID_EBUSY,        GRID_ENOT_NUMBER, GRID_EOVERFLOW,    GRID_EDENIED,     GRID_EAUTH,
        GRID_EPROTOCOL,    GRID_EDAMAGED,    GRID_ELOST,        GRID_ESTOPPING,   GRID_ETIMEOUT,
        GRID_EUNREACHABLE, GRID_ETLS,        GRID_ENO_SPACE,    GRID_EWRONG_TYPE, GRID_ENOT_PRIMARY,
        GRID_EFEW_COPIES};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (err == refusals[i])
            return true;
    return false;
}

static enum outcome outcome_of(const struct request *q, enum grid_err err)
{
    if (err == GRID_OK)
        return OK;
    if (err == GRID_ENOT_FOUND || err == GRID_ECONDITION)
        return NO;
    return q->kind == READ || not_done(err) ? FAILED : DOUBT;
}

/* The result as text: a value that is no number is garbled. */
static const char *result_text(const struct request *q, const struct grid_result *r, char text[32])
{
    if (q->outcome != OK || (q->kind != READ && q->kind != INCR))
        return "-";
    if (q->kind == INCR) {
        snprintf(text, 32, "%" PRId64, r->number);
        return text;
    }
    if (r->value.len == 0 || r->value.len > 20)
        return "garbled";
    snprintf(text, 32, "%.*s", (int)r->value.len, (const char *)r->value.data);
    return text[strspn(text, "0123456789")] ? "garbled" : text;
}

static void on_answer(void *arg, const struct grid_result *r)
{
    struct request *q = arg;
    char argument[48] = "-", result[32], version[24] = "-", returned[24] = "-";
    uint64_t at_us = now_us();
    q->answered = true;
    q->outcome = outcome_of(q, r->err);
    if (q->outcome != DOUBT)
        snprintf(returned, sizeof returned, "%" PRIu64, at_us);
    if (q->kind == PUT || q->kind == ABSENT)
        snprintf(argument, sizeof argument, "%" PRId64, q->value);
    else if (q->kind == VERSION)
        snprintf(argument, sizeof argument, "%" PRId64 "@%" PRIu64, q->value, q->expected);
    else if (q->kind == INCR)
        snprintf(argument, sizeof argument, "1");
    bool nothing = q->outcome == NO && q->kind != ABSENT;
    if (q->outcome <= NO && (r->version || nothing))
        snprintf(version, sizeof version, "%" PRIu64, r->version);
    if (q->outcome <= NO)
        q->client->versions[q->key] = q->kind == DELETE ? 0 : r->version;
    pthread_mutex_lock(&lock);
    if (fprintf(history, "%u %s %" PRIu64 " %s %s %s %s %s %s\n", q->client->id, q->name,
                q->sent_us, returned, outcomes[q->outcome], kinds[q->kind], argument,
                result_text(q, r, result), version) < 0)
        die(options.history, "cannot be written");
    note_outcome(q->key, q->outcome, at_us);
    pthread_mutex_unlock(&lock);
}

static void send_put(struct client *c, struct request *q, struct grid_bytes key)
{
    char text[24];
    struct grid_write how = {.version = q->expected,
                             .condition = q->kind == ABSENT    ? GRID_IF_ABSENT
                                          : q->kind == VERSION ? GRID_IF_VERSION
                                                               : GRID_ALWAYS};
    q->value = ((int64_t)c->id + 1) * 1000000000 + (int64_t)++c->values;
    snprintf(text, sizeof text, "%" PRId64, q->value);
    grid_put_async(c->cache, key, (struct grid_bytes){text, strlen(text)}, &how, on_answer, q);
}

/* Ask, and wait for the answer. */
static enum outcome ask(struct client *c, enum kind kind, size_t key)
{
    struct request q = {.kind = kind, .key = key, .client = c};
    snprintf(q.name, sizeof q.name, "%.64s%c%zu", options.prefix, is_counter(key) ? 'c' : 'r', key);
    if (kind == VERSION && !(q.expected = c->versions[key]))
        q.kind = ABSENT;
    struct grid_bytes name = {q.name, strlen(q.name)};
    q.sent_us = now_us();
    note_asked(key, q.sent_us);
    if (q.kind == READ)
        grid_get_async(c->cache, name, (struct grid_bytes){0}, on_answer, &q);
    else if (q.kind == DELETE)
        grid_delete_async(c->cache, name, NULL, on_answer, &q);
    else if (q.kind == INCR)
        grid_incr_async(c->cache, name, 1, NULL, on_answer, &q);
    else
        send_put(c, &q, name);
    while (!q.answered)
        (void)grid_poll(c->grid, -1);
    return q.outcome;
}

static enum kind choose(struct client *c, size_t key)
{
    unsigned lot = dice(c, 100), i = 0;
    if (is_counter(key))
        return lot < 70 ? INCR : READ;
    while (lot >= mix[i].percent)
        lot -= mix[i++].percent;
    return mix[i].kind;
}

/* False: stopped before it could. */
static bool client_connect(struct client *c)
{
    struct grid_options how = {.endpoints = options.endpoints,
                               .timeout_ms = (uint32_t)options.timeout,
                               .ca = options.ca,
                               .cert = options.cert,
                               .key = options.key,
                               .user = options.user,
                               .password = options.password,
                               .name = "recorder"};
    char why[GRID_WHY_BYTES];
    uint64_t end = now_us() + (uint64_t)options.settle * 1000;
    enum grid_err err;
    while ((err = grid_connect(&how, &c->grid, why))) {
        if (err != GRID_ETIMEOUT && err != GRID_EUNREACHABLE && err != GRID_ESTOPPING)
            die(grid_err_name(err), why);
        if (now_us() > end || atomic_load(&stopping))
            return false;
    }
    if ((err = grid_cache_open(c->grid, options.cache, &c->cache)))
        die(options.cache, grid_error(c->grid));
    c->versions = calloc((size_t)options.keys, sizeof *c->versions);
    if (!c->versions)
        die("versions", "no memory");
    return true;
}

static void client_close(struct client *c)
{
    grid_close(c->grid);
    free(c->versions);
}

static void pace(const struct client *c, uint64_t *due_us)
{
    uint64_t now = now_us(), step = 1000000 / (uint64_t)options.rate;
    *due_us = *due_us + step < now ? now : *due_us + step;
    while (now < *due_us && !atomic_load(&stopping)) {
        (void)grid_poll(c->grid, (int)((*due_us - now) / 1000) + 1);
        now = now_us();
    }
}

static void *client_body(void *arg)
{
    struct client *c = arg;
    if (!client_connect(c))
        return NULL;
    uint64_t due_us = now_us();
    while (!atomic_load(&stopping)) {
        size_t key = dice(c, (unsigned)options.keys);
        (void)ask(c, choose(c, key), key);
        if (options.rate)
            pace(c, &due_us);
    }
    client_close(c);
    return NULL;
}

/* Every key once more; returns how many could not be read. */
static size_t read_all(void)
{
    struct client c = {.id = (unsigned)(options.first + options.clients)};
    uint64_t end = now_us() + (uint64_t)options.settle * 1000;
    size_t key = 0, keys = (size_t)options.keys;
    while (!client_connect(&c)) /* what it sends may be lost, too */
        if (now_us() >= end)
            return keys;
    while (key < keys && now_us() < end)
        key += ask(&c, READ, key) <= NO;
    client_close(&c);
    return keys - key;
}

/* --- the command line ------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char **text;
    long *number, min, max;
} table[] = {
    {"endpoints", &options.endpoints, NULL, 0, 0},
    {"history", &options.history, NULL, 0, 0},
    {"cache", &options.cache, NULL, 0, 0},
    {"prefix", &options.prefix, NULL, 0, 0}, /* of all keys, which must be new to the cache */
    {"ca", &options.ca, NULL, 0, 0},
    {"cert", &options.cert, NULL, 0, 0},
    {"key", &options.key, NULL, 0, 0},
    {"user", &options.user, NULL, 0, 0},
    {"password", &options.password, NULL, 0, 0},
    {"clients", NULL, &options.clients, 1, CLIENTS_MAX},
    {"keys", NULL, &options.keys, 1, KEYS_MAX},
    {"counters", NULL, &options.counters, 0, 100}, /* percent of the keys */
    {"seconds", NULL, &options.seconds, 1, SECONDS_MAX},
    {"timeout", NULL, &options.timeout, 1, 600000}, /* ms, of each request */
    {"settle", NULL, &options.settle, 1, 600000},   /* ms, for connecting; for the last reads */
    {"rate", NULL, &options.rate, 0, 1000000},      /* requests per second and client; 0: any */
    {"seed", NULL, &options.seed, 0, INT32_MAX},
    {"first", NULL, &options.first, 0, 1000000}, /* number of the first client */
};
enum { OPTIONS = sizeof table / sizeof *table };

static void parse(int argc, char **argv)
{
    struct option names[OPTIONS + 1] = {{0}};
    int at;
    for (size_t i = 0; i < OPTIONS; i++)
        names[i] = (struct option){table[i].name, required_argument, NULL, (int)i};
    while ((at = getopt_long(argc, argv, "", names, NULL)) >= 0) {
        char *end = optarg;
        if (at >= OPTIONS)
            exit(NO_CONNECTION);
        if (table[at].text) {
            *table[at].text = optarg;
            continue;
        }
        *table[at].number = strtol(optarg, &end, 10);
        if (end == optarg || *end || *table[at].number < table[at].min ||
            *table[at].number > table[at].max)
            die(table[at].name, "a number within its limits is expected");
    }
    if (optind != argc || !options.endpoints || !options.history)
        die("usage", "recorder --endpoints HOST:PORT[,...] --history FILE [OPTION VALUE]...");
}

static void run(struct client *clients, sigset_t *signals)
{
    for (long i = 0; i < options.clients; i++) {
        clients[i].id = (unsigned)(options.first + i);
        clients[i].random = (uint64_t)options.seed * 1000003 + clients[i].id;
        if (pthread_create(&clients[i].thread, NULL, client_body, &clients[i]) != 0)
            die("threads", "none left");
    }
    struct timespec most = {.tv_sec = options.seconds};
    (void)sigtimedwait(signals, NULL, &most);
    atomic_store(&stopping, true);
    for (long i = 0; i < options.clients; i++)
        pthread_join(clients[i].thread, NULL);
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS_MAX];
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    parse(argc, argv);
    history = fopen(options.history, "w");
    if (!history)
        die(options.history, "cannot be opened");
    asked_us = calloc((size_t)options.keys, sizeof *asked_us);
    if (!asked_us)
        die("keys", "no memory");
    begun_us = last_done_us = now_us();
    run(clients, &signals);
    size_t unread = read_all();
    if (fclose(history) != 0)
        die(options.history, "cannot be written");
    say_seconds(now_us());
    printf("requests=%" PRIu64 " done=%" PRIu64 " doubt=%" PRIu64 " failed=%" PRIu64
           " gap_ms=%" PRIu64 " gap_at_ms=%" PRIu64 " wait_ms=%" PRIu64 " wait_at_ms=%" PRIu64
           " unread=%zu\n",
           totals[OK] + totals[NO] + totals[DOUBT] + totals[FAILED], totals[OK] + totals[NO],
           totals[DOUBT], totals[FAILED], gap_us / 1000, (gap_at_us - begun_us) / 1000,
           wait_us / 1000, (wait_at_us - begun_us) / 1000, unread);
    free(asked_us);
    return unread != 0;
}
