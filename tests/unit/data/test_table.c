/* test_table.c - finding, growth, shrink, scan and memory of the table.
 * LINK: data base */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/prng.h"
#include "data/content.h"
#include "data/table.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static struct entry *make(struct entry_pool *pool, uint16_t cache, uint64_t key, uint64_t version)
{
    uint8_t bytes[8];
    store_u64(bytes, key);
    struct entry_parts parts = {.key = slice_make(bytes, 1 + key % 8),
                                .value = slice_str("v"),
                                .version = version,
                                .cache = cache};
    struct entry *e = entry_new(pool, &parts);
    ck_assert_ptr_nonnull(e);
    return e;
}

static struct entry *find(const struct table *t, uint16_t cache, uint64_t key)
{
    uint8_t bytes[8];
    store_u64(bytes, key);
    struct slice k = slice_make(bytes, 1 + key % 8);
    uint64_t hash = table_hash(t, cache, k);
    for (int stage = 0; stage < 3; stage++)
        table_prefetch(t, hash, stage % 2, stage);
    return table_find(t, cache, k, hash);
}

static void link_entry(struct table *t, struct entry *e)
{
    table_link(t, e, table_hash(t, entry_cache(e), entry_key(e)));
}

static void unlink_entry(struct table *t, struct entry *e)
{
    table_unlink(t, e, table_hash(t, entry_cache(e), entry_key(e)));
    entry_free(t->pool, e);
}

/* Keys of eight bytes, so that each number is a key of its own. */
static uint64_t key_of(uint64_t i)
{
    return i * 8 + 7;
}

START_TEST(an_empty_table_takes_no_memory_and_finds_nothing)
{
    struct entry_pool *pool = entry_pool_new();
    struct table t;
    table_init(&t, pool, 1);
    ck_assert_ptr_null(find(&t, 1, 5));
    ck_assert_uint_eq(table_scan(&t, 77, NULL, NULL), 0);
    ck_assert_uint_eq(table_bytes(&t), 0);
    table_check(&t);
    table_release(&t);
    entry_pool_free(pool);
}
END_TEST

START_TEST(the_same_key_in_two_caches_is_two_entries)
{
    struct entry_pool *pool = entry_pool_new();
    struct table t;
    table_init(&t, pool, 1);
    struct entry *a = make(pool, 1, 9, 1), *b = make(pool, 2, 9, 2);
    link_entry(&t, a);
    link_entry(&t, b);
    ck_assert_ptr_eq(find(&t, 1, 9), a);
    ck_assert_ptr_eq(find(&t, 2, 9), b);
    ck_assert_ptr_null(find(&t, 3, 9));
    unlink_entry(&t, a);
    unlink_entry(&t, b);
    table_release(&t);
    entry_pool_free(pool);
}
END_TEST

START_TEST(every_key_is_found_while_the_table_grows_and_shrinks)
{
    enum { KEYS = 20000 };
    struct entry_pool *pool = entry_pool_new();
    struct table t;
    table_init(&t, pool, 42);
    for (uint64_t i = 0; i < KEYS; i++) {
        link_entry(&t, make(pool, 1, key_of(i), i));
        if (i < 300 || i % 2500 == 0)
            table_check(&t);
    }
    table_check(&t);
    for (uint64_t i = 0; i < KEYS; i++)
        ck_assert_uint_eq(entry_version(find(&t, 1, key_of(i))), i);
    for (uint64_t i = 0; i < KEYS; i++) {
        unlink_entry(&t, find(&t, 1, key_of(i)));
        if (i > KEYS - 300 || i % 2500 == 0)
            table_check(&t);
    }
    ck_assert_uint_eq(table_bytes(&t), 0);
    ck_assert_uint_eq(slab_used(entry_pool_slab(pool)), 0);
    table_release(&t);
    entry_pool_free(pool);
}
END_TEST

START_TEST(a_release_of_a_full_table_gives_all_buckets_back)
{
    struct entry_pool *pool = entry_pool_new();
    struct table t;
    table_init(&t, pool, 42);
    struct entry *all[1000];
    for (uint64_t i = 0; i < 1000; i++)
        link_entry(&t, all[i] = make(pool, 1, key_of(i), i));
    for (uint64_t i = 0; i < 1000; i++)
        entry_free(pool, all[i]);
    table_release(&t);
    ck_assert_uint_eq(slab_used(entry_pool_slab(pool)), 0);
    entry_pool_free(pool);
}
END_TEST

/* Random links, unlinks and replacements against an array. */
static void walk_randomly(uint64_t seed)
{
    enum { KEYS = 600, STEPS = 20000 };
    struct prng r = {seed};
    struct entry_pool *pool = entry_pool_new();
    struct table t;
    table_init(&t, pool, prng_next(&r));
    struct entry *model[KEYS] = {NULL};
    uint64_t often = prng_below(&r, 100);
    for (unsigned step = 0; step < STEPS; step++) {
        if (step % 2000 == 0)
            often = prng_below(&r, 101);
        uint64_t i = prng_below(&r, KEYS);
        bool put = prng_below(&r, 100) < often;
        ck_assert_ptr_eq(find(&t, 1, key_of(i)), model[i]);
        if (put && !model[i]) {
            link_entry(&t, model[i] = make(pool, 1, key_of(i), step));
        } else if (put) {
            struct entry *e = make(pool, 1, key_of(i), step);
            table_set(table_place(&t, 1, entry_key(e), table_hash(&t, 1, entry_key(e))), e);
            entry_free(pool, model[i]);
            model[i] = e;
        } else if (model[i]) {
            unlink_entry(&t, model[i]);
            model[i] = NULL;
        }
        if (step % 97 == 0)
            table_check(&t);
    }
    for (unsigned i = 0; i < KEYS; i++)
        if (model[i])
            unlink_entry(&t, model[i]);
    table_release(&t);
    slab_check(entry_pool_slab(pool));
    entry_pool_free(pool);
}

START_TEST(a_random_walk_agrees_with_an_array)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        walk_randomly(seed);
}
END_TEST

/* --- scanning --------------------------------------------------------------------------------- */

enum { SCAN_KEYS = 3000 };

struct seen {
    unsigned times[SCAN_KEYS];
};

static void see(void *ctx, struct entry *e)
{
    struct seen *seen = ctx;
    seen->times[load_u64(entry_key(e).data) / 8]++;
}

START_TEST(a_scan_of_a_table_at_rest_visits_each_entry_once)
{
    static const unsigned sizes[] = {1, 6, 7, 8, 13, 50, 100, 333, 777, 1500, SCAN_KEYS};
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++) {
        struct entry_pool *pool = entry_pool_new();
        struct table t;
        table_init(&t, pool, 7);
        for (uint64_t i = 0; i < sizes[n]; i++)
            link_entry(&t, make(pool, 1, key_of(i), i));
        struct seen seen = {{0}};
        uint64_t cursor = 0;
        do
            cursor = table_scan(&t, cursor, see, &seen);
        while (cursor);
        for (uint64_t i = 0; i < sizes[n]; i++) {
            ck_assert_uint_eq(seen.times[i], 1);
            unlink_entry(&t, find(&t, 1, key_of(i)));
        }
        table_release(&t);
        entry_pool_free(pool);
    }
}
END_TEST

/* Keys below `steady` stay all the time; the others come and go in waves between the steps of the
 * scan. */
static void scan_while_changing(uint64_t seed)
{
    struct prng r = {seed};
    struct entry_pool *pool = entry_pool_new();
    struct table t;
    table_init(&t, pool, prng_next(&r));
    struct entry *model[SCAN_KEYS] = {NULL};
    uint64_t steady = 1 + prng_below(&r, 400);
    for (uint64_t i = 0; i < SCAN_KEYS; i++)
        if (i < steady || prng_below(&r, 2))
            link_entry(&t, model[i] = make(pool, 1, key_of(i), i));
    struct seen seen = {{0}};
    uint64_t cursor = 0, often = 50;
    for (unsigned step = 0; step == 0 || cursor; step++) {
        cursor = table_scan(&t, cursor, see, &seen);
        if (step % 5 == 0)
            often = prng_below(&r, 101);
        for (uint64_t n = prng_below(&r, 300); n; n--) {
            uint64_t i = steady + prng_below(&r, SCAN_KEYS - steady);
            if (model[i] && prng_below(&r, 100) >= often) {
                unlink_entry(&t, model[i]);
                model[i] = NULL;
            } else if (!model[i] && prng_below(&r, 100) < often) {
                link_entry(&t, model[i] = make(pool, 1, key_of(i), i));
            }
        }
    }
    for (uint64_t i = 0; i < steady; i++)
        ck_assert_msg(seen.times[i] > 0, "seed %llu lost key %llu", (unsigned long long)seed,
                      (unsigned long long)i);
    for (uint64_t i = 0; i < SCAN_KEYS; i++)
        if (model[i])
            unlink_entry(&t, model[i]);
    table_release(&t);
    entry_pool_free(pool);
}

START_TEST(a_scan_of_a_changing_table_misses_no_entry_that_stays)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        scan_while_changing(seed);
}
END_TEST

static void ignore(void *ctx, struct entry *e)
{
    (void)e;
    ++*(unsigned *)ctx;
}

START_TEST(any_cursor_is_safe_and_leads_to_the_end)
{
    struct prng r = {5};
    struct entry_pool *pool = entry_pool_new();
    struct table t;
    table_init(&t, pool, 7);
    for (uint64_t i = 0; i < 500; i++)
        link_entry(&t, make(pool, 1, key_of(i), i));
    for (int n = 0; n < 1000; n++) {
        uint64_t cursor = prng_next(&r);
        unsigned steps = 0, visits = 0;
        do
            cursor = table_scan(&t, cursor, ignore, &visits);
        while (cursor && ++steps <= t.linear.buckets);
        ck_assert_uint_eq(cursor, 0);
    }
    for (uint64_t i = 0; i < 500; i++)
        unlink_entry(&t, find(&t, 1, key_of(i)));
    table_release(&t);
    entry_pool_free(pool);
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

/* Overhead per entry of `entries` of 16-byte keys and 100-byte values over 1024 partitions,
 * everything counted. */
static double overhead(unsigned entries)
{
    enum { PARTITIONS = 1024, KEY = 16, VALUE = 100 };
    struct entry_pool *pool = entry_pool_new();
    struct content **contents = xcalloc(PARTITIONS, sizeof *contents);
    for (unsigned i = 0; i < PARTITIONS; i++)
        contents[i] = content_new(pool, 99);
    uint8_t value[VALUE] = {1};
    for (unsigned i = 0; i < entries; i++) {
        char key[KEY + 1];
        snprintf(key, sizeof key, "key:%012u", i);
        struct content *c = contents[slot_partition(hash_slot(slice_str(key)), PARTITIONS)];
        struct entry_parts parts = {
            .key = slice_str(key), .value = slice_make(value, VALUE), .version = 1, .cache = 1};
        ck_assert_int_eq(content_insert_cold(c, &parts, content_hash(c, 1, parts.key)), GRID_OK);
    }
    size_t bytes = 0;
    for (unsigned i = 0; i < PARTITIONS; i++)
        bytes += content_bytes(contents[i]);
    size_t slack = slab_held(entry_pool_slab(pool)) - slab_used(entry_pool_slab(pool));
    double per_entry = (double)(bytes + slack) / entries - KEY - VALUE;
    for (unsigned i = 0; i < PARTITIONS; i++)
        content_free(contents[i]);
    free(contents);
    entry_pool_free(pool);
    return per_entry;
}

START_TEST(a_million_small_entries_have_at_most_32_bytes_of_overhead_each)
{
    ck_assert_double_le(overhead(1000000), 32.0);
}
END_TEST

START_TEST(the_overhead_does_not_depend_on_the_fill)
{
    static const unsigned fills[] = {700000, 1300000};
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++)
        ck_assert_double_le(overhead(fills[i]), 33.0);
}
END_TEST

UNIT_MAIN("data/table", an_empty_table_takes_no_memory_and_finds_nothing,
          the_same_key_in_two_caches_is_two_entries,
          every_key_is_found_while_the_table_grows_and_shrinks,
          a_release_of_a_full_table_gives_all_buckets_back, a_random_walk_agrees_with_an_array,
          a_scan_of_a_table_at_rest_visits_each_entry_once,
          a_scan_of_a_changing_table_misses_no_entry_that_stays,
          any_cursor_is_safe_and_leads_to_the_end,
          a_million_small_entries_have_at_most_32_bytes_of_overhead_each,
          the_overhead_does_not_depend_on_the_fill)
