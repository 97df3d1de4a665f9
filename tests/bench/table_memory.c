/* table_memory.c - bytes and time per entry of the table: table_memory [entries] [value bytes]
 * [partitions].
 * Memory by accounting and as resident set; then ns per get and put at random, one at a time and
 * prefetched by sixteen.
 * LINK: data base */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/prng.h"
#include "data/content.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEY = 16, TURN = 16, ROUNDS = 2000000 };

struct world {
    struct entry_pool *pool;
    struct content **contents;
    unsigned entries, value_bytes, partitions;
    uint8_t *value;
};

struct target {
    char key[KEY + 1];
    struct content *content;
    uint64_t hash;
};

static size_t resident(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%*s %ld", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void target_make(const struct world *w, unsigned i, struct target *t)
{
    snprintf(t->key, sizeof t->key, "key:%012u", i);
    struct slice key = slice_make(t->key, KEY);
    t->content = w->contents[slot_partition(hash_slot(key), w->partitions)];
    t->hash = content_hash(t->content, 1, key);
}

static void put(const struct world *w, struct target *t, uint64_t version, bool created)
{
    struct effect effect = {.kind = EFFECT_PUT,
                            .created = created,
                            .cache = 1,
                            .key = slice_make(t->key, KEY),
                            .value = slice_make(w->value, w->value_bytes)};
    struct record rec = {.version = version, .effects = &effect, .effects_len = 1};
    if (content_stage(t->content, &rec))
        exit(EXIT_FAILURE);
    content_apply(t->content, &rec);
    content_committed(t->content, version);
}

static uint64_t get(const struct target *t)
{
    const struct entry *e = content_get(t->content, 1, slice_make(t->key, KEY), t->hash);
    return e ? entry_version(e) + entry_value(e).data[0] : 0;
}

/* ns per operation on random keys, TURN at a time; making the keys is not counted. */
static double measure(const struct world *w, bool puts, bool prefetch)
{
    struct prng r = {7};
    struct target turn[TURN];
    uint64_t ns = 0, sum = 0;
    for (unsigned n = 0; n < ROUNDS / TURN; n++) {
        for (unsigned i = 0; i < TURN; i++)
            target_make(w, (unsigned)prng_below(&r, w->entries), &turn[i]);
        uint64_t start = clock_mono_ns();
        for (unsigned i = 0; prefetch && i < TURN; i++)
            content_prefetch_self(turn[i].content);
        for (int stage = 0; prefetch && stage < CONTENT_STAGES; stage++)
            for (unsigned i = 0; i < TURN; i++)
                content_prefetch(turn[i].content, turn[i].hash, NULL, false, stage);
        for (unsigned i = 0; i < TURN; i++) {
            if (puts)
                put(w, &turn[i], 2 + n, false);
            else
                sum += get(&turn[i]);
        }
        ns += clock_mono_ns() - start;
    }
    if (!puts && sum == 0)
        exit(EXIT_FAILURE);
    return (double)ns / ROUNDS;
}

static void memory_print(const struct world *w, size_t resident_before)
{
    size_t rss = resident() - resident_before;
    size_t data = (size_t)w->entries * (KEY + w->value_bytes), bytes = 0;
    for (unsigned i = 0; i < w->partitions; i++)
        bytes += content_bytes(w->contents[i]);
    struct slab *slab = entry_pool_slab(w->pool);
    size_t all = bytes + slab_held(slab) - slab_used(slab);
    double n = w->entries;
    printf("entries %u, key %d, value %u, partitions %u\n", w->entries, KEY, w->value_bytes,
           w->partitions);
    printf("overhead per entry: accounted %.2f, with unused parts of pages %.2f, resident %.2f\n",
           (double)(bytes - data) / n, (double)(all - data) / n, ((double)rss - (double)data) / n);
}

static unsigned argument(int argc, char **argv, int at, unsigned otherwise)
{
    return argc > at ? (unsigned)strtoul(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct world w = {.entries = argument(argc, argv, 1, 1000000),
                      .value_bytes = argument(argc, argv, 2, 100),
                      .partitions = argument(argc, argv, 3, 1024)};
    if (!w.entries || !w.value_bytes || !w.partitions || w.partitions > SLOTS)
        return EXIT_FAILURE;
    w.value = xcalloc(w.value_bytes, 1);
    size_t before = resident();
    w.pool = entry_pool_new();
    w.contents = xcalloc(w.partitions, sizeof(struct content *));
    for (unsigned i = 0; i < w.partitions; i++)
        w.contents[i] = content_new(w.pool, 12345);
    for (unsigned i = 0; i < w.entries; i++) {
        struct target t;
        target_make(&w, i, &t);
        put(&w, &t, 1, true);
    }
    memory_print(&w, before);
    static const char *const what[] = {"get", "put"};
    for (int puts = 0; puts < 2; puts++)
        printf("%s: %.0f ns, prefetched %.0f ns\n", what[puts], measure(&w, puts, false),
               measure(&w, puts, true));
    for (unsigned i = 0; i < w.partitions; i++)
        content_free(w.contents[i]);
    entry_pool_free(w.pool);
    free(w.contents);
    free(w.value);
    return EXIT_SUCCESS;
}
