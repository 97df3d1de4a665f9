/* inside.c - calls of a program to the grid by its own nodes, by gridd.h alone: what is written is
 * read, in memory and from other nodes, by many threads, while partitions move and nodes end. */
#include "tests/e2e/embed_grid.h"

enum { COUNTERS = 4, READERS = 2, MOVES = 4 };

static const struct grid_bytes nowhere;

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

static struct grid_node_cache *cache_of(struct grid_node *n)
{
    struct grid_node_cache *c = NULL;
    enum grid_err err = GRID_ENO_CONTEXT;
    for (double began = look_now_s(); err;) {
        err = grid_node_cache_open(n, "default/default", &c);
        if (err && !look_again(began))
            return NULL;
    }
    return c;
}

static bool reads(struct grid_node_cache *c, const char *key, const char *value)
{
    struct grid_value v;
    if (grid_node_get(c, text(key), nowhere, &v))
        return false;
    bool same = v.len == strlen(value) && (!v.len || memcmp(v.data, value, v.len) == 0);
    free(v.data);
    return same;
}

static enum grid_err writes(struct grid_node_cache *c, const char *key, const char *value)
{
    return grid_node_put(c, text(key), text(value), NULL, NULL);
}

/* --- one node --------------------------------------------------------------------------------- */

static void values(struct grid_node_cache *c)
{
    struct grid_value v;
    uint64_t version = 0, other = 0;
    struct grid_write once = {.condition = GRID_IF_ABSENT};
    check("what is put is read", !writes(c, "a", "1") && reads(c, "a", "1"), "not so");
    check("the empty value, too", !writes(c, "a", "") && reads(c, "a", ""), "not so");
    check("what is not there is not found",
          grid_node_get(c, text("b"), nowhere, &v) == GRID_ENOT_FOUND, "it was");
    check("a put has a version",
          !grid_node_put(c, text("b"), text("2"), &once, &version) && version, "0");
    check("a condition holds",
          grid_node_put(c, text("b"), text("3"), &once, &other) == GRID_ECONDITION &&
              other == version,
          "it did not");
    struct grid_write exact = {.condition = GRID_IF_VERSION, .version = version};
    check("so does one of a version", !grid_node_put(c, text("b"), text("4"), &exact, NULL),
          "it did not");
    struct grid_write typed = {.media = text("text/plain"), .ttl = GRID_TTL_SET, .ttl_ms = 3600000};
    bool good = !grid_node_put(c, text("m"), text("hello"), &typed, NULL) &&
                !grid_node_get(c, text("m"), nowhere, &v);
    check("a media type and a deadline come back",
          good && v.type == GRID_MEDIA && v.media.len == 10 && v.len == 5 && v.deadline_ms &&
              memcmp(v.media.data, "text/plain", 10) == 0,
          "not so");
    if (good)
        free(v.data);
    struct grid_write none = {.ttl = GRID_TTL_NONE};
    check("a deadline is taken away",
          !grid_node_expire(c, text("m"), &none, &other) &&
              !grid_node_get(c, text("m"), nowhere, &v) && !v.deadline_ms,
          "it was not");
    free(v.data);
    int64_t number = 0;
    check("a counter counts",
          !grid_node_incr(c, text("n"), 40, NULL, &number) &&
              !grid_node_incr(c, text("n"), 2, NULL, &number) && number == 42 &&
              reads(c, "n", "42"),
          "it does not");
    check("what is no number does not",
          grid_node_incr(c, text("m"), 1, NULL, &number) == GRID_ENOT_NUMBER, "it does");
    check("a key is deleted once",
          !grid_node_delete(c, text("n"), NULL) &&
              grid_node_delete(c, text("n"), NULL) == GRID_ENOT_FOUND,
          "not so");
    struct grid_write placed = {.affinity = text("customer 7")};
    check("an affinity places it",
          !grid_node_put(c, text("order"), text("book"), &placed, NULL) &&
              !grid_node_get(c, text("order"), placed.affinity, &v),
          "it does not");
    free(v.data);
    char *large = calloc(1, 1 << 20), key[600];
    memset(key, 'k', sizeof key);
    struct grid_bytes big = {large, 1 << 20};
    check("a large value comes whole",
          !grid_node_put(c, text("large"), big, NULL, NULL) &&
              !grid_node_get(c, text("large"), nowhere, &v) && v.len == big.len,
          "it does not");
    free(v.data);
    free(large);
    struct grid_write wrong = {.ttl = (enum grid_ttl)9};
    check("what is wrong is refused",
          grid_node_put(c, (struct grid_bytes){key, sizeof key}, text(""), NULL, NULL) ==
                  GRID_ETOO_LARGE &&
              writes(c, "", "x") == GRID_EBAD_REQUEST &&
              grid_node_get(c, nowhere, nowhere, &v) == GRID_EBAD_REQUEST &&
              grid_node_put(c, text("w"), text(""), &wrong, NULL) == GRID_EBAD_REQUEST,
          "it was not");
}

struct heard {
    atomic_uint calls, good;
};

static void hear(void *arg, const struct grid_result *r)
{
    struct heard *h = arg;
    atomic_fetch_add(&h->good, r->err == GRID_OK);
    atomic_fetch_add(&h->calls, 1);
}

static bool heard_soon(struct heard *h, unsigned calls)
{
    for (double began = look_now_s(); atomic_load(&h->calls) < calls;)
        if (!look_again(began))
            return false;
    return atomic_load(&h->calls) == calls;
}

static void asynchronous(struct grid_node_cache *c)
{
    struct heard h = {0};
    char key[16];
    for (unsigned i = 0; i < KEYS; i++) {
        snprintf(key, sizeof key, "async%u", i);
        grid_node_put_async(c, text(key), text(key), NULL, hear, &h);
        grid_node_get_async(c, text(key), nowhere, hear, &h);
        grid_node_incr_async(c, text("count"), 1, NULL, hear, &h);
    }
    check("what is asked without waiting is told, in order",
          heard_soon(&h, 3 * KEYS) && atomic_load(&h.good) == 3 * KEYS, "not all");
    struct heard end = {0};
    grid_node_expire_async(c, text("count"), NULL, hear, &end);
    grid_node_delete_async(c, text("count"), NULL, hear, &end);
    grid_node_delete_async(c, text("count"), NULL, hear, &end);
    grid_node_run_async(c, "no.such", text("count"), nowhere, nowhere, hear, &end);
    grid_node_run_async(c, "nosuch", text("count"), nowhere, nowhere, hear, &end);
    check("so is what fails", heard_soon(&end, 5) && atomic_load(&end.good) == 2, "not so");
}

/* A program that was compiled when the configuration ended before `modules`. */
static void an_older_program(void)
{
    char path[PATH_BYTES], why[GRID_NODE_WHY_BYTES] = "";
    struct seen *s = seen_new();
    struct grid_node_conf conf = alone(path, "older", s);
    static const int garbage[64] = {-1};
    conf.size = offsetof(struct grid_node_conf, modules);
    conf.modules = (const struct grid_native_module *const *)(const void *)garbage;
    conf.text = "log { level = error }\nlisten { http = off resp = off }";
    struct grid_node *n = grid_node_start(&conf, why);
    check("what an older program does not know is not looked at", n != NULL, why);
    grid_node_stop(n);
    free(s);
}

static void one_node(void)
{
    char path[PATH_BYTES], why[GRID_NODE_WHY_BYTES] = "";
    struct seen *s = seen_new();
    struct grid_node_conf conf = alone(path, "one", s);
    struct grid_node *n = grid_node_start(&conf, why);
    struct grid_node_cache *c = n ? cache_of(n) : NULL, *none = NULL;
    if (!check("a node starts", c != NULL, why))
        return;
    check("a cache that is not there is not opened",
          grid_node_cache_open(n, "default/none", &none) == GRID_ENO_CACHE &&
              grid_node_cache_open(n, "none/x", &none) == GRID_ENO_CONTEXT &&
              grid_node_cache_open(n, "x", &none) == GRID_EBAD_REQUEST,
          "it was");
    values(c);
    asynchronous(c);
    check("a task that is none is none",
          grid_node_run(c, "no.such", text("k"), nowhere, nowhere, NULL, why) == GRID_ENO_TASK &&
              why[0],
          why);
    grid_node_cache_free(c);
    grid_node_stop(n);
    free(s);
}

/* --- while partitions move -------------------------------------------------------------------- */

/* A counter that one thread adds to; who reads it never reads less than was acknowledged before. */
struct counter {
    char key[16];
    atomic_ullong told, doubts; /* ... and so many may have been added that nobody was told of */
};

struct story {
    struct counter counters[COUNTERS];
    struct grid_node_cache *at[NODES];
    atomic_bool over;
    atomic_int failed_get, failed_add;        /* the last outcomes that were none */
    atomic_uint early, failures, reads, adds; /* early: a write is not seen that was told of */
};

struct part {
    struct story *story;
    unsigned index;
};

static void *count_on(void *arg)
{
    struct part *p = arg;
    struct counter *k = &p->story->counters[p->index];
    unsigned at = 0;
    while (!atomic_load(&p->story->over)) {
        int64_t number = 0;
        enum grid_err err = grid_node_incr(p->story->at[at++ % 2], text(k->key), 1, NULL, &number);
        if (err)
            atomic_store(&p->story->failed_add, (int)err);
        if (err == GRID_EIN_DOUBT)
            atomic_fetch_add(&k->doubts, 1);
        else if (err)
            atomic_fetch_add(&p->story->failures, 1);
        else
            atomic_store(&k->told, (unsigned long long)number);
        atomic_fetch_add(&p->story->adds, !err);
    }
    return NULL;
}

static void *read_on(void *arg)
{
    struct part *p = arg;
    struct story *s = p->story;
    for (unsigned i = 0; !atomic_load(&s->over); i++) {
        struct counter *k = &s->counters[i % COUNTERS];
        struct grid_value v;
        unsigned long long least = atomic_load(&k->told);
        if (!least)
            continue;
        enum grid_err err = grid_node_get(s->at[p->index % 2], text(k->key), nowhere, &v);
        if (err) {
            atomic_store(&s->failed_get, (int)err);
            atomic_fetch_add(&s->failures, 1);
            continue;
        }
        char number[24] = "";
        memcpy(number, v.data, v.len < sizeof number - 1 ? v.len : sizeof number - 1);
        free(v.data);
        if (strtoull(number, NULL, 10) < least)
            atomic_fetch_add(&s->early, 1);
        atomic_fetch_add(&s->reads, 1);
    }
    return NULL;
}

/* Everything leaves a node, and comes back. */
static bool moved(struct trio *t, unsigned node)
{
    struct grid_cache *cache;
    struct grid *g = client_of(t->node[2], &cache);
    bool good = g && !grid_node_drain(g, t->conf[node].name, true);
    for (double began = look_now_s(); good;) {
        struct grid_status *s;
        unsigned left = 1;
        if (!grid_get_status(g, &s)) {
            left = 0;
            for (size_t i = 0; i < s->nodes_len; i++)
                if (strcmp(s->nodes[i].name, t->conf[node].name) == 0)
                    left = s->nodes[i].primaries;
            grid_free(s);
        }
        if (!left)
            break;
        good = look_again(began);
    }
    good = good && !grid_node_drain(g, t->conf[node].name, false);
    if (g)
        grid_close(g);
    return good && healthy_soon(t, 2);
}

static void sums(struct story *s)
{
    bool good = true;
    for (unsigned i = 0; i < COUNTERS; i++) {
        struct counter *k = &s->counters[i];
        struct grid_value v = {.len = 0};
        char number[24] = "";
        good = !grid_node_get(s->at[i % NODES], text(k->key), nowhere, &v) && good;
        memcpy(number, v.len ? v.data : "", v.len < sizeof number ? v.len : 0);
        free(v.data);
        unsigned long long n = strtoull(number, NULL, 10), told = atomic_load(&k->told);
        good = n >= told && n <= told + atomic_load(&k->doubts) && good;
    }
    check("each was counted once, wherever it is read", good, "not so");
}

/* A machine that has no time for a node makes the others take it for dead: what it was asked is in
 * doubt then. Else nothing may be. */
static bool sure(struct trio *t, struct story *s)
{
    bool doubts = false, dead = false;
    for (unsigned i = 0; i < COUNTERS; i++)
        doubts = doubts || atomic_load(&s->counters[i].doubts);
    for (unsigned i = 0; i < NODES; i++)
        dead = dead || said(t->seen[i], "took this node for dead");
    return !doubts || dead;
}

static void a_grid(void)
{
    static struct trio t;
    static struct story s;
    struct part parts[COUNTERS + READERS];
    pthread_t threads[COUNTERS + READERS];
    char seen[160];
    if (!check("three nodes start", trio_start(&t, "grid") && healthy_soon(&t, 0), "not all"))
        return;
    for (unsigned i = 0; i < NODES; i++)
        s.at[i] = cache_of(t.node[i]);
    for (unsigned i = 0; i < COUNTERS; i++)
        snprintf(s.counters[i].key, sizeof s.counters[i].key, "counter%u", i);
    for (unsigned i = 0; i < COUNTERS + READERS; i++) {
        parts[i] = (struct part){&s, i < COUNTERS ? i : i - COUNTERS};
        pthread_create(&threads[i], NULL, i < COUNTERS ? count_on : read_on, &parts[i]);
    }
    bool good = true;
    for (unsigned i = 0; i < MOVES; i++)
        good = moved(&t, i % 2) && good;
    atomic_store(&s.over, true);
    for (unsigned i = 0; i < COUNTERS + READERS; i++)
        pthread_join(threads[i], NULL);
    snprintf(seen, sizeof seen, "%u reads, %u adds, %u failed (%s, %s), %u early",
             atomic_load(&s.reads), atomic_load(&s.adds), atomic_load(&s.failures),
             grid_err_name((enum grid_err)atomic_load(&s.failed_get)),
             grid_err_name((enum grid_err)atomic_load(&s.failed_add)), atomic_load(&s.early));
    printf("# %s\n", seen);
    check("partitions move while threads write and read", good, seen);
    check("nobody reads what was before a write that was told",
          !atomic_load(&s.early) && atomic_load(&s.reads) > 1000, seen);
    check("nothing fails meanwhile", !atomic_load(&s.failures) && sure(&t, &s), seen);
    sums(&s);
    for (unsigned i = 0; i < NODES; i++)
        grid_node_cache_free(s.at[i]);
    trio_free(&t);
}

/* --- the end ---------------------------------------------------------------------------------- */

struct asker {
    struct grid_node_cache *cache;
    atomic_bool over;
    atomic_uint done, ended;
};

static void *ask_on(void *arg)
{
    struct asker *a = arg;
    char key[16];
    for (unsigned i = 0; !atomic_load(&a->over); i++) {
        struct grid_value v;
        snprintf(key, sizeof key, "key%u", i % KEYS); /* some of them lie at this node */
        enum grid_err got = grid_node_get(a->cache, text(key), nowhere, &v);
        if (!got)
            free(v.data);
        enum grid_err put = writes(a->cache, key, "v");
        atomic_fetch_add(&a->done, 1);
        atomic_fetch_add(&a->ended, got == GRID_ECLOSED && put == GRID_ECLOSED);
    }
    return NULL;
}

static void a_fault(void)
{
    static struct trio t;
    struct asker a = {0};
    pthread_t thread;
    if (!check("three nodes start again", trio_start(&t, "fault") && healthy_soon(&t, 0),
               "not all"))
        return;
    a.cache = cache_of(t.node[1]);
    pthread_create(&thread, NULL, ask_on, &a);
    double began = look_now_s();
    while (atomic_load(&a.done) < 100 && look_again(began))
        continue;
    atomic_store(&sync_fails, true);
    while (!atomic_load(&a.ended) && look_again(began))
        continue;
    check("a node that has failed is closed to its program", atomic_load(&a.ended) > 0,
          "it is not");
    atomic_store(&a.over, true);
    pthread_join(thread, NULL);
    atomic_store(&sync_fails, false);
    grid_node_cache_free(a.cache);
    trio_free(&t);
}

int main(void)
{
    root_make();
    one_node();
    an_older_program();
    a_grid();
    a_fault();
    root_remove();
    return failed ? 1 : 0;
}
