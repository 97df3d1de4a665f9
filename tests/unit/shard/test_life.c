/* test_life.c - expiry (R14), dropped caches and contexts, listings.
 * LINK: shard replica control data base */
#include "shard/shard_priv.h"
#include "tests/unit/shard/harness.h"

static struct answered *put_ttl(struct harness *h, uint32_t c, const char *key, msec_t ttl_ms)
{
    struct op op = h_op(OP_PUT, c, key);
    op.value = slice_str("v");
    op.ttl = TTL_SET;
    op.ttl_ms = ttl_ms;
    return h_do(h, op);
}

START_TEST(an_expired_entry_is_invisible_at_once_and_removed_by_record)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    put_ttl(h, c, "k", 100);
    h_durable(h);
    h->now += 99;
    ck_value(h_get(h, c, "k"), "v");
    ck_assert_uint_le(shard_tick(h->s, h->now), 1);
    h->now += 1;
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    ck_assert_uint_eq(h->log_len, 1);
    shard_tick(h->s, h->now);
    ck_assert_uint_eq(h->log_len, 2);
    struct effect effects[2];
    struct record r;
    ck_assert_int_eq(record_decode(buf_slice(&h->log[1].bytes), effects, 2, &r), GRID_OK);
    ck_assert_int_eq(r.effects[0].kind, EFFECT_EXPIRE);
    h_durable(h);
    ck_assert_int_eq(h_count(h, c)->number, 0);
    h_free(h);
}
END_TEST

START_TEST(a_write_on_an_expired_entry_finds_nothing_and_counts_stay_exact)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    const char *keys[] = {"put", "incr", "delete", "expire", "left"};
    for (size_t i = 0; i < 5; i++)
        put_ttl(h, c, keys[i], 10);
    h->now += 10;
    struct op put = h_op(OP_PUT, c, "put");
    put.condition = IF_ABSENT;
    struct op incr = h_op(OP_INCR, c, "incr");
    incr.delta = 2;
    ck_answer(h_do(h, put), GRID_OK);
    struct answered *n = h_do(h, incr);
    ck_answer(n, GRID_OK);
    ck_assert_int_eq(n->number, 2);
    ck_answer(h_delete(h, c, "delete"), GRID_ENOT_FOUND);
    ck_answer(h_do(h, h_op(OP_EXPIRE, c, "expire")), GRID_ENOT_FOUND);
    shard_tick(h->s, h->now);
    ck_assert_int_eq(h_count(h, c)->number, 2);
    h_free(h);
}
END_TEST

START_TEST(counts_from_the_log_agree_after_expired_entries_were_replaced)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    put_ttl(h, c, "a", 10);
    put_ttl(h, c, "b", 10);
    h->now += 10;
    h_put(h, c, "a", "again");
    shard_tick(h->s, h->now);
    h_durable(h);
    ck_assert_int_eq(h_count(h, c)->number, 1);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    ck_assert_int_eq(h_count(h, c)->number, 1);
    h_free(h);
}
END_TEST

START_TEST(a_tick_expires_a_bounded_number_and_says_there_is_more)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    for (unsigned i = 0; i < 3000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        put_ttl(h, c, key, 10);
    }
    h->now += 10;
    ck_assert_uint_eq(shard_tick(h->s, h->now), 0);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_gt(stats.expired, 0);
    ck_assert_uint_lt(stats.expired, 3000);
    for (int i = 0; i < 100 && shard_tick(h->s, h->now) == 0; i++)
        ;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.expired, 3000);
    ck_assert_uint_eq(stats.entries, 0);
    h_free(h);
}
END_TEST

START_TEST(expiry_waits_while_the_log_is_full)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    put_ttl(h, c, "k", 10);
    h_durable(h);
    h->now += 10;
    h->log_full = true;
    ck_assert_uint_gt(shard_tick(h->s, h->now), 0); /* no busy loop */
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    h->log_full = false;
    shard_tick(h->s, h->now);
    ck_assert_uint_eq(h->log_len, 2);
    h_free(h);
}
END_TEST

static void cache_drop(struct harness *h, const char *path)
{
    char why[WHY_BYTES];
    struct catalog *next = catalog_copy(h->catalog);
    ck_assert_int_eq(catalog_cache_drop(next, slice_str(path), why), GRID_OK);
    h_publish(h, next);
}

static void context_drop(struct harness *h, const char *name)
{
    char why[WHY_BYTES];
    struct catalog *next = catalog_copy(h->catalog);
    ck_assert_int_eq(catalog_context_drop(next, slice_str(name), why), GRID_OK);
    h_publish(h, next);
}

START_TEST(a_dropped_cache_is_gone_at_once_and_purged_by_ticks)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default"), d = h_cache(h, "default/short");
    for (unsigned i = 0; i < 1000; i++) {
        char key[16];
        snprintf(key, sizeof key, "%u", i);
        h_put(h, c, key, "v");
        h_put(h, d, key, "v");
    }
    h_durable(h);
    cache_drop(h, "default/short");
    ck_answer(h_get(h, d, "1"), GRID_ENO_CACHE);
    for (int i = 0; i < 100; i++)
        shard_tick(h->s, h->now);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.entries, 1000);
    ck_value(h_get(h, c, "1"), "v");
    h_free(h);
}
END_TEST

static unsigned purging(const struct harness *h)
{
    unsigned n = 0;
    list_for_each (it, &h->s->partitions)
        n += list_entry(it, const struct partition, link)->purge;
    return n;
}

START_TEST(nothing_is_purged_where_nothing_was_dropped)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "k", "v");
    h_durable(h);
    uint32_t other = h_context(h, "other", DURABILITY_SYNC, 0, FULL_REFUSE);
    h_put(h, other, "k", "v");
    h_durable(h);
    ck_assert_uint_eq(purging(h), 0);
    cache_drop(h, "default/short");
    ck_assert_uint_eq(purging(h), 1);
    shard_tick(h->s, h->now);
    ck_assert_uint_eq(purging(h), 0);
    h_free(h);
}
END_TEST

START_TEST(a_dropped_context_answers_what_is_under_way_and_gives_its_memory_back)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "gone", DURABILITY_SYNC, 0, FULL_REFUSE);
    struct answered *put = h_put(h, c, "k", "v"), *get = h_get(h, c, "k");
    context_drop(h, "gone");
    ck_answer(h_get(h, c, "k"), GRID_ENO_CACHE);
    for (int i = 0; i < 10; i++)
        shard_tick(h->s, h->now);
    h_durable(h);
    ck_answer(put, GRID_OK);
    ck_value(get, "v");
    shard_checkpointed(h->s, h->log_len);
    for (int i = 0; i < 10; i++)
        shard_tick(h->s, h->now);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.entry_bytes, 0);
    ck_assert_uint_eq(stats.partitions, 0);
    h_free(h);
}
END_TEST

struct harmed {
    uint64_t version;
    unsigned len;
};

static void harmed_add(void *ctx, uint32_t context, uint16_t partition, uint64_t version)
{
    struct harmed *h = ctx;
    (void)context, (void)partition;
    h->version = version;
    h->len++;
}

START_TEST(who_may_have_had_what_the_log_lost_is_remembered_until_the_checkpoint_has_it)
{
    struct harness *h = h_new();
    struct harmed seen = {0};
    uint32_t c = h_context(h, "c", DURABILITY_SYNC, 0, FULL_REFUSE);
    h_put(h, c, "k", "1");
    h_put(h, c, "k", "2");
    h_durable(h);
    ck_assert_uint_eq(shard_log_lost(h->s, 1, 1, harmed_add, &seen), h->log_len);
    ck_assert_uint_eq(seen.len, 1);
    ck_assert_uint_eq(seen.version & SEQ_MASK, 2);
    ck_assert_uint_eq(shard_log_lost(h->s, h->log_len + 1, h->log_len + 1, harmed_add, &seen), 0);
    shard_checkpointed(h->s, h->log_len);
    ck_assert_uint_eq(shard_log_lost(h->s, 1, 1, harmed_add, &seen), 0);
    ck_assert_uint_eq(seen.len, 1);
    h_free(h);
}
END_TEST

START_TEST(an_op_that_waits_for_the_cold_store_hears_that_its_context_was_dropped)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "gone", DURABILITY_SYNC, 0, FULL_REFUSE);
    h_put(h, c, "k", "v");
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct answered *get = h_get(h, c, "k"), *put = h_put(h, c, "k", "w");
    context_drop(h, "gone");
    shard_tick(h->s, h->now);
    h_cold(h);
    ck_answer(get, GRID_ENO_CACHE);
    ck_answer(put, GRID_ENO_CACHE);
    h_free(h);
}
END_TEST

START_TEST(a_dropped_cache_does_not_come_back_from_checkpoint_or_log)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default"), d = h_cache(h, "default/short");
    struct shard_stats stats;
    h_put(h, c, "k", "v");
    struct op op = h_op(OP_PUT, d, "k");
    op.ttl = TTL_NONE;
    h_do(h, op);
    h_checkpoint(h);
    op.key = slice_str("tail");
    h_do(h, op);
    h_durable(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct answered *get = h_get(h, d, "k");
    shard_tick(h->s, h->now); /* asks for the warm-up */
    cache_drop(h, "default/short");
    h_cold(h);
    ck_answer(get, GRID_ENO_CACHE);
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 10; i++) {
            shard_tick(h->s, h->now);
            h_cold(h);
        }
        shard_check(h->s);
        shard_stats(h->s, &stats);
        ck_assert_uint_eq(stats.entries, 1);
        ck_assert_uint_eq(stats.partitions_complete, 1);
        h_restart(h, h->log_len, EPOCH + 2, 0);
    }
    h_free(h);
}
END_TEST

START_TEST(too_many_waiting_ops_are_refused_as_busy)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "k", "v");
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    static char big[16 << 20];
    memset(big, 'b', sizeof big - 1);
    struct answered *a = NULL;
    for (unsigned i = 0; i < 40; i++) {
        a = h_put(h, c, "k", big);
        if (a->times)
            break;
    }
    ck_answer(a, GRID_EBUSY);
    h_cold(h);
    h_free(h);
}
END_TEST

START_TEST(listings_tell_entries_and_states)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "a", "v");
    h_put(h, c, "b", "v");
    h_durable(h);
    struct shard_partition_info info;
    ck_assert(shard_partition_info(h->s, cache_context(c), 0, &info));
    ck_assert_uint_eq(info.entries, 2);
    ck_assert_uint_eq(info.version, version_make(EPOCH, 2));
    ck_assert_uint_eq(info.epoch, EPOCH);
    ck_assert_str_eq(info.state, "ok");
    ck_assert(shard_partition_info(h->s, cache_context(c), 1, &info)); /* not used yet */
    ck_assert_uint_eq(info.entries, 0);
    ck_assert(!shard_partition_info(h->s, 99, 0, &info));
    ck_assert(!shard_partition_info(h->s, cache_context(c), PARTITIONS_DEFAULT, &info));
    struct shard_usage usage;
    shard_context_usage(h->s, cache_context(c), &usage);
    ck_assert_uint_eq(usage.entries, 2);
    ck_assert_uint_gt(usage.bytes, 0);
    ck_assert_uint_eq(shard_cache_entries(h->s, c), 2);
    shard_recover_damage(h->s, cache_context(c), 0);
    ck_assert(shard_partition_info(h->s, cache_context(c), 0, &info));
    ck_assert_str_eq(info.state, "damaged");
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/life", an_expired_entry_is_invisible_at_once_and_removed_by_record,
          a_write_on_an_expired_entry_finds_nothing_and_counts_stay_exact,
          counts_from_the_log_agree_after_expired_entries_were_replaced,
          a_tick_expires_a_bounded_number_and_says_there_is_more,
          expiry_waits_while_the_log_is_full, a_dropped_cache_is_gone_at_once_and_purged_by_ticks,
          nothing_is_purged_where_nothing_was_dropped,
          a_dropped_context_answers_what_is_under_way_and_gives_its_memory_back,
          who_may_have_had_what_the_log_lost_is_remembered_until_the_checkpoint_has_it,
          an_op_that_waits_for_the_cold_store_hears_that_its_context_was_dropped,
          a_dropped_cache_does_not_come_back_from_checkpoint_or_log,
          too_many_waiting_ops_are_refused_as_busy, listings_tell_entries_and_states)
