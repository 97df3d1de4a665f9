/* test_hidden.c - the cache of each context that is the grid's own, and who is told of it.
 * LINK: shard replica control data base */
#include "tests/unit/shard/harness.h"

enum { HIDDEN = CTX_SYNC << 16 | CACHE_HIDDEN };

static struct told {
    struct buf keys; /* "key;" of each that was touched */
    unsigned led, lost;
} told;

static void t_touched(void *ctx, uint32_t context, uint16_t partition, struct slice key)
{
    (void)ctx;
    ck_assert_uint_eq(context, CTX_SYNC);
    ck_assert_uint_eq(partition, 0);
    buf_add(&told.keys, key.data, key.len);
    buf_add_u8(&told.keys, ';');
}

static void t_led(void *ctx, uint32_t context, uint16_t partition, bool led)
{
    (void)ctx;
    (void)partition;
    ck_assert_uint_eq(context, CTX_SYNC);
    told.led += led;
    told.lost += !led;
}

static struct harness *h_telling(void)
{
    struct harness *h = h_new();
    struct shard_ports ports = h->ports;
    struct shard_conf conf = {.shards = 1, .epoch = EPOCH, .hash_seed = 42};
    ports.led = t_led;
    ports.touched = t_touched;
    shard_free(h->s);
    h->s = shard_new(&conf, &ports, h->catalog);
    told.led = told.lost = 0;
    told.keys.len = 0;
    return h;
}

static void ck_touched(const char *want)
{
    ck_assert(slice_eq(buf_slice(&told.keys), slice_str(want)));
    told.keys.len = 0;
}

START_TEST(the_hidden_cache_keeps_entries_as_others_do)
{
    struct harness *h = h_new();
    h_put(h, HIDDEN, "j1", "job");
    h_put(h, h_cache(h, "default/default"), "j1", "data");
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct answered *a = h_get(h, HIDDEN, "j1");
    h_cold(h);
    ck_value(a, "job");
    struct op scan = {.kind = OP_SCAN, .cache = HIDDEN, .limit = 10};
    struct buf cursor = BUF_INIT, keys = BUF_INIT;
    do {
        a = h_do(h, scan);
        h_cold(h);
        ck_answer(a, GRID_OK);
        buf_add(&keys, a->keys.data, a->keys.len);
        buf_set(&cursor, buf_slice(&a->cursor));
        scan.cursor = buf_slice(&cursor);
    } while (cursor.len);
    ck_assert(slice_eq(buf_slice(&keys), slice_str("j1=job;")));
    buf_release(&cursor);
    buf_release(&keys);
    ck_assert_uint_eq(shard_partition_entries(h->s, HIDDEN, 0), 1);
    ck_assert_uint_eq(shard_partition_entries(h->s, HIDDEN, 1), 0);
    h_free(h);
}
END_TEST

START_TEST(when_other_caches_are_dropped_it_stays)
{
    char why[WHY_BYTES];
    struct harness *h = h_new();
    h_put(h, HIDDEN, "j1", "job");
    h_put(h, h_cache(h, "default/short"), "k", "data");
    h_durable(h);
    struct catalog *next = catalog_copy(h->catalog);
    ck_assert_int_eq(catalog_cache_drop(next, slice_str("default/short"), why), GRID_OK);
    h_publish(h, next);
    for (int i = 0; i < 10; i++)
        shard_tick(h->s, h->now);
    ck_value(h_get(h, HIDDEN, "j1"), "job");
    ck_assert(!catalog_dropped(h->catalog, CTX_SYNC, CACHE_HIDDEN));
    h_free(h);
}
END_TEST

START_TEST(what_changes_it_is_told_and_nothing_else)
{
    struct harness *h = h_telling();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "k", "v");
    ck_touched("");
    h_put(h, HIDDEN, "j1", "v");
    ck_touched("j1;");
    struct op put = h_op(OP_PUT, HIDDEN, "j2");
    put.value = slice_str("v");
    put.ttl = TTL_SET;
    put.ttl_ms = 10;
    h_do(h, put);
    h_delete(h, HIDDEN, "j1");
    h_get(h, HIDDEN, "j2");
    ck_touched("j2;j1;");
    h->now += 10;
    shard_tick(h->s, h->now);
    ck_touched("j2;");
    h_durable(h);
    h_free(h);
}
END_TEST

START_TEST(what_was_not_changed_is_not_told)
{
    struct harness *h = h_telling();
    struct op put = h_op(OP_PUT, HIDDEN, "j1");
    put.condition = IF_PRESENT;
    put.value = slice_str("v");
    struct answered *a = h_do(h, put);
    ck_answer(a, GRID_ECONDITION);
    h->log_full = true;
    a = h_put(h, HIDDEN, "j1", "v");
    ck_answer(a, GRID_EFULL);
    ck_touched("");
    h_free(h);
}
END_TEST

START_TEST(a_shard_says_what_it_leads_until_that_is_damaged)
{
    struct harness *h = h_telling();
    ck_assert_uint_eq(told.led, 0);
    h_put(h, HIDDEN, "j1", "v");
    h_put(h, HIDDEN, "j2", "v");
    ck_assert_uint_eq(told.led, 1);
    shard_recover_damage(h->s, CTX_SYNC, 0);
    ck_assert_uint_eq(told.lost, 1);
    h_checkpoint(h);
    ck_assert(shard_recover_give_up(h->s, CTX_SYNC, 0));
    ck_assert_uint_eq(told.led, 2);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard: the hidden cache", the_hidden_cache_keeps_entries_as_others_do,
          when_other_caches_are_dropped_it_stays, what_changes_it_is_told_and_nothing_else,
          what_was_not_changed_is_not_told, a_shard_says_what_it_leads_until_that_is_damaged)
