/* test_requests.c - one key, blocking and asynchronous, when all goes well and when the server says no.
 * LINK: client */
#include "tests/lib/unit.h"
#include "fake_server.h"

#include <grid.h>

enum {
    GET = GRID__OP__GET,
    PUT = GRID__OP__PUT,
    INCR = GRID__OP__INCR,
    OPEN = GRID__OP__OPEN_CACHE
};

static struct fake fake;
static struct grid *grid;
static struct grid_cache *cache;

static struct grid_bytes bytes(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}
static const struct grid_bytes none;

static void begin_with(const struct fake_conf *conf, struct grid_options options)
{
    char why[GRID_WHY_BYTES];
    fake_start(&fake, conf);
    options.endpoints = fake.endpoint;
    if (!options.timeout_ms)
        options.timeout_ms = 20000;
    ck_assert_msg(grid_connect(&options, &grid, why) == GRID_OK, "%s", why);
    ck_assert_int_eq(grid_cache_open(grid, "default/default", &cache), GRID_OK);
}

static void begin(const struct fake_conf *conf)
{
    begin_with(conf, (struct grid_options){0});
}

static void end(void)
{
    grid_close(grid);
    fake_stop(&fake);
}

START_TEST(get_copies_the_value_out)
{
    struct grid_value v;
    begin(NULL);
    ck_assert_int_eq(grid_get(cache, bytes("apple"), none, &v), GRID_OK);
    ck_assert_uint_eq(v.len, 5);
    ck_assert_mem_eq(v.data, "apple", 5);
    ck_assert_uint_eq(v.version, 9);
    grid_value_release(&v);
    ck_assert_ptr_null(v.data);
    end();
}
END_TEST

START_TEST(writes_carry_growing_numbers_and_the_lowest_unanswered)
{
    uint64_t version = 0;
    begin(NULL);
    ck_assert_int_eq(grid_put(cache, bytes("k"), bytes("v"), NULL, &version), GRID_OK);
    ck_assert_int_eq(grid_put(cache, bytes("k"), bytes("v"), NULL, NULL), GRID_OK);
    struct fake_seen first = fake_nth(&fake, PUT, 0), second = fake_nth(&fake, PUT, 1);
    ck_assert_uint_eq(version, first.number);
    ck_assert_uint_eq(first.lowest, first.number);
    ck_assert_uint_gt(second.number, first.number);
    ck_assert_uint_eq(second.lowest, second.number);
    ck_assert_uint_eq(first.cache, 101);
    end();
}
END_TEST

static unsigned dones;
static enum grid_err last_err;
static void count_done(void *arg, const struct grid_result *result)
{
    dones++;
    last_err = result->err;
    if (arg)
        *(uint64_t *)arg = result->version;
}

START_TEST(ten_thousand_puts_are_answered_each_once)
{
    enum { N = 10000 };
    begin(NULL);
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        grid_put_async(cache, bytes(key), bytes("v"), NULL, count_done, NULL);
    }
    ck_assert_uint_eq(dones, 0);
    grid_flush(grid);
    ck_assert_uint_eq(dones, N);
    ck_assert_uint_eq(fake_count(&fake, PUT), N);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_le(fake.seen[i].lowest, fake.seen[i].number);
    end();
}
END_TEST

UNIT_MAIN("client/requests", get_copies_the_value_out,
          writes_carry_growing_numbers_and_the_lowest_unanswered,
          ten_thousand_puts_are_answered_each_once)
