/* test_cold.c - larger than memory, restart, warm-up, damage.
 * LINK: shard replica control data base */
#include "tests/unit/shard/harness.h"

/* A partition whose three keys are in the checkpoint only. */
static struct harness *cold_new(uint32_t *ret_cache)
{
    struct harness *h = h_new();
    *ret_cache = h_cache(h, "default/default");
    h_put(h, *ret_cache, "a", "1");
    h_put(h, *ret_cache, "b", "2");
    h_put(h, *ret_cache, "c", "3");
    h_checkpoint(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    return h;
}

START_TEST(a_miss_on_an_incomplete_partition_asks_the_cold_store)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct answered *get = h_get(h, c, "b");
    struct answered *none = h_get(h, c, "none");
    ck_waits(get);
    ck_waits(none);
    h_cold(h);
    ck_value(get, "2");
    ck_answer(none, GRID_ENOT_FOUND);
    ck_value(h_get(h, c, "b"), "2"); /* resident now */
    h_free(h);
}
END_TEST

START_TEST(ops_on_one_missing_key_share_one_cold_read_and_keep_their_order)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct op incr = h_op(OP_INCR, c, "a");
    incr.delta = 1;
    struct answered *x = h_do(h, incr), *y = h_do(h, incr), *get = h_get(h, c, "a");
    ck_assert_uint_eq(h->questions_len, 1);
    h_cold(h);
    h_durable(h);
    ck_assert_int_eq(x->number, 2);
    ck_assert_int_eq(y->number, 3);
    ck_value(get, "3");
    h_free(h);
}
END_TEST

START_TEST(a_write_faults_in_so_that_counts_and_conditions_are_exact)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct op op = h_op(OP_PUT, c, "a");
    op.condition = IF_ABSENT;
    struct answered *cas = h_do(h, op);
    struct answered *fresh = h_put(h, c, "new", "1"), *old = h_put(h, c, "b", "9");
    h_cold(h);
    h_durable(h);
    ck_answer(cas, GRID_ECONDITION);
    ck_answer(fresh, GRID_OK);
    ck_answer(old, GRID_OK);
    ck_assert_int_eq(h_count(h, c)->number, 4);
    struct answered *del = h_delete(h, c, "c");
    h_cold(h);
    h_durable(h);
    ck_answer(del, GRID_OK);
    ck_assert_int_eq(h_count(h, c)->number, 3);
    h_free(h);
}
END_TEST

START_TEST(a_batch_faults_all_its_keys_in)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct op ops[] = {h_op(OP_INCR, c, "a"), h_op(OP_DELETE, c, "b"), h_op(OP_PUT, c, "new")};
    ops[0].delta = 10;
    struct op op = {.kind = OP_BATCH, .cache = c, .batch = ops, .batch_len = 3};
    struct answered *a = h_do(h, op);
    ck_assert_uint_eq(h->questions_len, 3);
    h_cold(h);
    h_durable(h);
    ck_answer(a, GRID_OK);
    ck_value(h_get(h, c, "a"), "11");
    ck_assert_int_eq(h_count(h, c)->number, 3);
    h_free(h);
}
END_TEST

START_TEST(a_deleted_key_does_not_come_back_from_the_checkpoint)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    h_delete(h, c, "a");
    h_cold(h);
    h_durable(h);
    ck_answer(h_get(h, c, "a"), GRID_ENOT_FOUND); /* the tombstone says so */
    ck_assert_uint_eq(h->questions_len, 0);
    h_checkpoint(h);
    struct answered *get = h_get(h, c, "a");
    h_cold(h);
    ck_answer(get, GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

START_TEST(an_answer_older_than_what_left_memory_is_asked_again)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    shard_tick(h->s, h->now); /* the warm-up asks for everything ... */
    ck_assert_uint_eq(h->questions_len, 1);
    struct question early = h->questions[0];
    struct cold_entry stale = {
        slice_str("a"), slice_str(""), slice_str("1"), version_make(EPOCH, 1), 0, VALUE_BYTES};
    h->questions_len = 0;
    struct answered *del = h_delete(h, c, "a");
    h_cold(h);
    h_durable(h);
    ck_answer(del, GRID_OK);
    h_checkpoint(h); /* ... and gets it from before the delete, whose tombstone is gone by now */
    uint32_t cache = cache_number(c);
    shard_cold_scanned(h->s, early.token, GRID_OK, &stale, &cache, 1, true, h->now);
    question_release(&early);
    h_cold(h);
    ck_answer(h_get(h, c, "a"), GRID_ENOT_FOUND);
    ck_assert_int_eq(h_count(h, c)->number, 2);
    h_free(h);
}
END_TEST

START_TEST(a_batch_does_not_trust_an_absence_that_is_out_of_date)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct op ops[] = {h_op(OP_PUT, c, "new"), h_op(OP_INCR, c, "a")};
    ops[0].condition = IF_ABSENT;
    struct op op = {.kind = OP_BATCH, .cache = c, .batch = ops, .batch_len = 2};
    struct answered *batch = h_do(h, op);
    h_cold_one(h, 0, GRID_OK); /* "new" is absent; "a" is still asked for */
    struct answered *put = h_put(h, c, "d", "made meanwhile");
    h_cold_one(h, 1, GRID_OK);
    h_checkpoint(h);
    ck_answer(put, GRID_OK);
    h_evict(h); /* "d" is newer than what is known of "new" */
    for (bool asked = false; !asked;) {
        ck_assert_uint_gt(h->questions_len, 0);
        ck_waits(batch);
        h_cold_one(h, 0, GRID_OK);
        for (size_t i = 0; i < h->questions_len; i++)
            asked = asked || slice_eq(buf_slice(&h->questions[i].key), slice_str("new"));
    }
    h_cold(h);
    h_durable(h);
    ck_answer(batch, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(an_eviction_during_the_warm_up_makes_it_begin_again)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct shard_stats stats;
    h->page_max = 1;
    shard_tick(h->s, h->now);
    h_cold_one(h, 0, GRID_OK);
    h_cold_one(h, 0, GRID_OK);
    h_evict(h);
    shard_stats(h->s, &stats);
    ck_assert_uint_gt(stats.evicted, 0);
    h_cold(h);
    ck_assert_uint_eq(h->questions_len, 0);
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_complete, 0);
    struct answered *get = h_get(h, c, "a");
    h_cold(h);
    ck_value(get, "1");
    shard_tick(h->s, h->now);
    h_cold(h);
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_complete, 1);
    h_free(h);
}
END_TEST

START_TEST(a_failed_cold_read_fails_the_ops_that_asked_alone)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct answered *get = h_get(h, c, "a"), *put = h_put(h, c, "b", "x");
    h_cold_err(h, GRID_EIO);
    ck_answer(get, GRID_EIO);
    ck_answer(put, GRID_EIO);
    get = h_get(h, c, "a");
    h_cold(h);
    ck_value(get, "1");
    h_free(h);
}
END_TEST

START_TEST(a_warm_up_whose_read_failed_tries_again_later)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct shard_stats stats;
    msec_t wait = 1000;
    for (unsigned failures = 0; failures < 10; failures++) {
        shard_tick(h->s, h->now);
        ck_assert_uint_eq(h_cold_err(h, GRID_EIO), 1);
        h->now += wait - 1;
        shard_tick(h->s, h->now);
        ck_assert_uint_eq(h->questions_len, 0);
        h->now++;
        wait = wait < 64000 ? wait * 2 : wait;
    }
    shard_tick(h->s, h->now);
    h_cold(h);
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_complete, 1);
    h_free(h);
}
END_TEST

START_TEST(the_warm_up_makes_a_partition_complete)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_complete, 0);
    shard_tick(h->s, h->now);
    h_cold(h);
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_complete, 1);
    ck_value(h_get(h, c, "c"), "3");
    ck_answer(h_get(h, c, "none"), GRID_ENOT_FOUND);
    ck_assert_int_eq(h_count(h, c)->number, 3);
    h_free(h);
}
END_TEST

START_TEST(what_the_log_has_overrides_the_checkpoint_after_a_restart)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    h_put(h, c, "a", "new");
    h_delete(h, c, "b");
    h_put(h, c, "d", "4");
    h_cold(h);
    h_durable(h);
    h_restart(h, h->log_len, EPOCH + 2, 0);
    ck_value(h_get(h, c, "a"), "new");
    ck_answer(h_get(h, c, "b"), GRID_ENOT_FOUND);
    ck_value(h_get(h, c, "d"), "4");
    ck_assert_int_eq(h_count(h, c)->number, 3);
    shard_tick(h->s, h->now);
    h_cold(h);
    ck_value(h_get(h, c, "c"), "3");
    ck_value(h_get(h, c, "a"), "new");
    ck_answer(h_get(h, c, "b"), GRID_ENOT_FOUND);
    ck_assert_int_eq(h_count(h, c)->number, 3);
    h_free(h);
}
END_TEST

START_TEST(versions_go_on_in_a_new_epoch_after_a_lost_tail)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    h_put(h, c, "a", "1");
    h_durable(h);
    h_put(h, c, "a", "lost");
    h_restart(h, 1, EPOCH + 1, 0);
    ck_value(h_get(h, c, "a"), "1");
    struct answered *put = h_put(h, c, "a", "2");
    h_durable(h);
    ck_assert_uint_eq(put->version, version_make(EPOCH + 1, 2));
    h_free(h);
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

enum { MANY = 1500, BIG_BYTES = 4000, LIMIT = 1 << 20 };

static struct answered *put_big(struct harness *h, uint32_t c, unsigned i)
{
    static char value[BIG_BYTES + 1], key[16];
    memset(value, 'v', BIG_BYTES);
    snprintf(key, sizeof key, "key-%u", i);
    return h_put(h, c, key, value);
}

static uint64_t memory_bytes(const struct harness *h)
{
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    return stats.memory_bytes;
}

START_TEST(a_full_memory_context_refuses_by_default_but_reads_and_deletes_go_on)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, LIMIT, FULL_REFUSE);
    unsigned i = 0;
    while (put_big(h, c, i)->status == GRID_OK)
        i++;
    ck_assert_uint_gt(i, 200);
    ck_assert_uint_le(memory_bytes(h), LIMIT);
    ck_assert_int_eq(put_big(h, c, i)->status, GRID_EFULL);
    ck_answer(put_big(h, c, 0), GRID_OK); /* no more than it has */
    ck_answer(h_get(h, c, "key-0"), GRID_OK);
    ck_answer(h_delete(h, c, "key-0"), GRID_OK);
    ck_answer(put_big(h, c, i), GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(a_memory_context_that_evicts_takes_every_write)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, LIMIT, FULL_EVICT);
    for (unsigned i = 0; i < MANY; i++)
        ck_answer(put_big(h, c, i), GRID_OK);
    ck_assert_uint_le(memory_bytes(h), LIMIT + LIMIT / 4);
    ck_assert_int_lt(h_count(h, c)->number, MANY);
    ck_answer(h_get(h, c, "key-1499"), GRID_OK);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_gt(stats.evicted, 0);
    h_free(h);
}
END_TEST

START_TEST(a_disk_context_evicts_clean_entries_and_reads_them_back)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "d", DURABILITY_ASYNC, LIMIT, FULL_REFUSE);
    for (unsigned i = 0; i < MANY; i++) {
        struct answered *put = put_big(h, c, i);
        h_cold(h);
        ck_answer(put, GRID_OK);
        if (i % 100 == 99)
            h_checkpoint(h);
    }
    for (int i = 0; i < 100; i++)
        shard_tick(h->s, h->now);
    h_cold(h);
    ck_assert_uint_le(memory_bytes(h), LIMIT + LIMIT / 4);
    ck_assert_int_eq(h_count(h, c)->number, MANY);
    for (unsigned i = 0; i < MANY; i += 7) {
        char key[16];
        snprintf(key, sizeof key, "key-%u", i);
        struct answered *get = h_get(h, c, key);
        h_cold(h);
        ck_answer(get, GRID_OK);
        ck_assert_uint_eq(get->value.len, BIG_BYTES);
    }
    ck_assert_uint_le(memory_bytes(h), LIMIT + LIMIT / 4);
    h_free(h);
}
END_TEST

START_TEST(a_disk_context_of_dirty_entries_asks_for_a_checkpoint_and_refuses_in_the_end)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "d", DURABILITY_ASYNC, LIMIT, FULL_REFUSE);
    struct answered *put = NULL;
    static char big[1 << 20];
    memset(big, 'b', sizeof big - 1);
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "big-%u", i);
        put = h_put(h, c, key, big);
        if (put->status == GRID_EFULL)
            break;
    }
    ck_answer(put, GRID_EFULL);
    ck_assert_int_gt(h->checkpoint_asked, 0);
    ck_assert_uint_le(memory_bytes(h), LIMIT + LIMIT / 4 + (16 << 20));
    h_checkpoint(h);
    put = h_put(h, c, "big-more", big);
    h_cold(h);
    ck_answer(put, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(the_limit_of_the_shard_counts_all_contexts)
{
    struct harness *h = h_new_limit(LIMIT);
    uint32_t e = h_context(h, "e", DURABILITY_MEMORY, 0, FULL_EVICT);
    uint32_t r = h_context(h, "r", DURABILITY_MEMORY, 0, FULL_REFUSE);
    for (unsigned i = 0; i < 400; i++)
        ck_answer(put_big(h, e, i), GRID_OK);
    unsigned i = 0;
    while (put_big(h, r, i)->status == GRID_OK)
        i++;
    ck_assert_uint_gt(i, 100); /* what evicts makes way for what does not */
    ck_assert_uint_le(memory_bytes(h), LIMIT + LIMIT / 4);
    h_free(h);
}
END_TEST

START_TEST(a_delete_before_an_eviction_is_not_undone_by_the_checkpoint)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "d", DURABILITY_ASYNC, LIMIT, FULL_REFUSE);
    h_put(h, c, "k", "old");
    h_checkpoint(h);
    ck_answer(h_delete(h, c, "k"), GRID_OK); /* not in the checkpoint yet */
    for (unsigned i = 0; i < 200; i++)
        put_big(h, c, i);
    h_durable(h);
    for (unsigned i = 200; i < 500; i++)
        put_big(h, c, i);
    h_cold(h);
    struct answered *get = h_get(h, c, "k");
    h_cold(h);
    ck_answer(get, GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

START_TEST(a_write_to_a_cold_key_is_done_even_if_nothing_else_can_be_evicted)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    h_set_limit(h, 1);
    for (unsigned i = 0; i < 5; i++) {
        struct answered *put = h_put(h, c, "a", "new");
        h_cold(h);
        h_checkpoint(h);
        ck_answer(put, GRID_OK);
        shard_tick(h->s, h->now);
    }
    h_free(h);
}
END_TEST

/* The checkpoint never catches up with the deletes: each round leaves some of its own dirty. */
START_TEST(puts_and_deletes_go_on_over_a_limit_far_smaller_than_the_data)
{
    enum { ROUNDS = 40, PUTS = 600, SLACK_BYTES = 16 << 20 };
    struct harness *h = h_new();
    uint32_t c = h_context(h, "d", DURABILITY_ASYNC, LIMIT, FULL_REFUSE);
    char key[16];
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t before = h->log_len;
        h->number = 1;
        for (unsigned i = 0; i < ANSWERS_MAX; i++)
            h->answers[i].times = 0;
        for (unsigned i = 0; i < PUTS; i++) {
            struct answered *put = put_big(h, c, round * PUTS + i);
            h_cold(h);
            ck_answer(put, GRID_OK);
            if (i % 3 == 0) {
                snprintf(key, sizeof key, "key-%u", round * PUTS + i);
                struct answered *gone = h_delete(h, c, key);
                h_cold(h);
                ck_answer(gone, GRID_OK);
            }
        }
        h_durable(h);
        h_checkpoint_to(h, before); /* the fold ends where the round began */
        for (unsigned i = 0; i < 20; i++)
            shard_tick(h->s, h->now);
        h_cold(h);
    }
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_gt(stats.evicted, (ROUNDS - 2) * PUTS / 2);
    ck_assert_int_eq(h_count(h, c)->number, ROUNDS * PUTS * 2 / 3);
    ck_assert_uint_le(memory_bytes(h), LIMIT + LIMIT / 4 + SLACK_BYTES);
    h_free(h);
}
END_TEST

/* --- what expires on disk --------------------------------------------------------------------- */

/* Ticks for `ms`; answers cold reads, keeps the checkpoint up. Returns how many were asked. */
static size_t tick_for(struct harness *h, msec_t ms)
{
    size_t asked = 0;
    for (msec_t end = h->now + ms; h->now < end; h->now += 50) {
        shard_tick(h->s, h->now);
        asked += h->questions_len;
        h_cold(h);
    }
    h_checkpoint(h);
    shard_check(h->s);
    return asked;
}

static struct answered *put_until(struct harness *h, uint32_t c, unsigned i, msec_t ttl_ms)
{
    char key[16];
    snprintf(key, sizeof key, "key-%u", i);
    struct op op = h_op(OP_PUT, c, key);
    op.value = slice_str("value");
    op.ttl = ttl_ms ? TTL_SET : TTL_NONE;
    op.ttl_ms = ttl_ms;
    return h_do(h, op);
}

START_TEST(what_expires_on_disk_only_is_removed_and_no_longer_counted)
{
    enum { KEYS = 1200 };
    struct harness *h = h_new();
    uint32_t c = h_context(h, "d", DURABILITY_ASYNC, 0, FULL_REFUSE);
    for (unsigned i = 0; i < KEYS; i++)
        ck_answer(put_until(h, c, i, i % 3 ? 60000 : i % 2 ? 6000000 : 0), GRID_OK);
    h_checkpoint(h);
    h->number = 1;
    for (unsigned i = 0; i < ANSWERS_MAX; i++)
        h->answers[i].times = 0;
    h_set_limits(h, 1);
    tick_for(h, 10000);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.evicted, KEYS);
    ck_assert_uint_eq(tick_for(h, 10000), 0); /* nothing is due: nothing is read */
    ck_assert_int_eq(h_count(h, c)->number, KEYS);
    h->now += 60000;
    struct answered *put = put_until(h, c, 1, 0); /* written anew: stays */
    h_cold(h);
    ck_answer(put, GRID_OK);
    ck_assert_uint_gt(tick_for(h, 5000), 0);
    ck_assert_int_eq(h_count(h, c)->number, KEYS / 3 + 1);
    ck_assert_uint_eq(h->store_len, KEYS / 3 + 1);
    ck_assert_uint_eq(tick_for(h, 5000), 0);
    h->now += 6000000;
    tick_for(h, 5000);
    ck_assert_int_eq(h_count(h, c)->number, KEYS / 6 + 1);
    h_free(h);
}
END_TEST

START_TEST(a_sweep_goes_on_after_a_failed_read_and_a_full_log)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "d", DURABILITY_ASYNC, 0, FULL_REFUSE);
    for (unsigned i = 0; i < 20; i++)
        ck_answer(put_until(h, c, i, 1000), GRID_OK);
    h_checkpoint(h);
    h_set_limits(h, 1);
    tick_for(h, 100);
    h->now += 2000;
    shard_tick(h->s, h->now);
    ck_assert_uint_eq(h_cold_err(h, GRID_EIO), 1);
    h->log_full = true;
    tick_for(h, 3000);
    ck_assert_int_eq(h_count(h, c)->number, 20);
    h->log_full = false;
    tick_for(h, 3000);
    ck_assert_int_eq(h_count(h, c)->number, 0);
    h_free(h);
}
END_TEST

/* --- damage ----------------------------------------------------------------------------------- */

START_TEST(a_damaged_partition_refuses_everything_until_it_is_given_up)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct op other = h_op(OP_PUT, c, "k");
    other.partition = 1;
    shard_recover_damage(h->s, cache_context(c), 0);
    enum op_kind kinds[] = {OP_GET, OP_PUT, OP_DELETE, OP_INCR, OP_EXPIRE, OP_SCAN, OP_COUNT};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct op op = h_op(kinds[i], c, "k");
        op.limit = 10;
        ck_answer(h_do(h, op), GRID_EDAMAGED);
    }
    struct answered *put = h_do(h, other);
    h_durable(h);
    ck_answer(put, GRID_OK);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_damaged, 1);
    shard_recover_give_up(h->s, cache_context(c), 0);
    put = h_put(h, c, "k", "v");
    h_cold(h);
    h_durable(h);
    ck_answer(put, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(a_corrupt_entry_on_disk_damages_its_partition_and_no_other)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    struct op other = h_op(OP_PUT, c, "k");
    other.partition = 1;
    struct answered *get = h_get(h, c, "a"), *waits = h_get(h, c, "b");
    h_cold_one(h, 0, GRID_ECORRUPT);
    ck_answer(get, GRID_EDAMAGED);
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_damaged, 1);
    struct shard_partition_info info;
    ck_assert(shard_partition_info(h->s, cache_context(c), 0, &info));
    ck_assert_str_eq(info.state, "damaged");
    ck_answer(h_put(h, c, "c", "x"), GRID_EDAMAGED);
    h_cold(h);
    ck_answer(waits, GRID_EDAMAGED);
    struct answered *put = h_do(h, other);
    h_cold(h);
    h_durable(h);
    ck_answer(put, GRID_OK);
    shard_tick(h->s, h->now);
    ck_assert_uint_eq(h->questions_len, 0);
    h_free(h);
}
END_TEST

START_TEST(a_warm_up_that_meets_a_corrupt_entry_damages_the_partition)
{
    uint32_t c;
    struct harness *h = cold_new(&c);
    shard_tick(h->s, h->now);
    ck_assert_uint_eq(h_cold_err(h, GRID_ECORRUPT), 1);
    ck_answer(h_get(h, c, "a"), GRID_EDAMAGED);
    h_free(h);
}
END_TEST

START_TEST(a_partition_that_is_given_up_goes_on_with_what_the_checkpoint_has)
{
    uint32_t c, cache = 1;
    uint64_t count = 3;
    struct harness *h = cold_new(&c);
    h->capture = true;
    struct answered *get = h_get(h, c, "a"), *bad = h_get(h, c, "b"),
                    *put = h_put(h, c, "a", "new");
    h_cold_one(h, 0, GRID_OK);
    h_durable(h);
    ck_answer(put, GRID_OK);
    ck_answer(get, GRID_OK);
    shard_tick(h->s, h->now); /* a page of the warm-up, from before */
    h_cold_one(h, 0, GRID_ECORRUPT);
    ck_answer(bad, GRID_EDAMAGED);
    h_checkpoint(h);
    ck_assert(shard_recover_give_up(h->s, cache_context(c), 0));
    shard_recover_checkpoint(h->s, cache_context(c), 0, put->version, &count, &cache, 1);
    shard_check(h->s);
    ck_assert(!shard_recover_give_up(h->s, cache_context(c), 0));
    ck_assert_uint_eq(h->questions_len, 1);
    h_cold(h);
    get = h_get(h, c, "a");
    h_cold(h);
    ck_value(get, "new");
    ck_assert_int_eq(h_count(h, c)->number, 3);
    put = h_put(h, c, "d", "4");
    h_cold(h);
    h_durable(h);
    ck_answer(put, GRID_OK);
    ck_assert_int_eq(h_count(h, c)->number, 4);
    for (int i = 0; i < 3; i++) {
        shard_tick(h->s, h->now);
        h_cold(h);
    }
    struct shard_stats stats;
    shard_stats(h->s, &stats);
    ck_assert_uint_eq(stats.partitions_complete, 1);
    shard_check(h->s);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/cold", a_miss_on_an_incomplete_partition_asks_the_cold_store,
          ops_on_one_missing_key_share_one_cold_read_and_keep_their_order,
          a_write_faults_in_so_that_counts_and_conditions_are_exact, a_batch_faults_all_its_keys_in,
          a_deleted_key_does_not_come_back_from_the_checkpoint,
          an_answer_older_than_what_left_memory_is_asked_again,
          a_batch_does_not_trust_an_absence_that_is_out_of_date,
          an_eviction_during_the_warm_up_makes_it_begin_again,
          a_failed_cold_read_fails_the_ops_that_asked_alone,
          a_warm_up_whose_read_failed_tries_again_later, the_warm_up_makes_a_partition_complete,
          what_the_log_has_overrides_the_checkpoint_after_a_restart,
          versions_go_on_in_a_new_epoch_after_a_lost_tail,
          a_full_memory_context_refuses_by_default_but_reads_and_deletes_go_on,
          a_memory_context_that_evicts_takes_every_write,
          a_disk_context_evicts_clean_entries_and_reads_them_back,
          a_disk_context_of_dirty_entries_asks_for_a_checkpoint_and_refuses_in_the_end,
          the_limit_of_the_shard_counts_all_contexts,
          a_delete_before_an_eviction_is_not_undone_by_the_checkpoint,
          a_write_to_a_cold_key_is_done_even_if_nothing_else_can_be_evicted,
          puts_and_deletes_go_on_over_a_limit_far_smaller_than_the_data,
          what_expires_on_disk_only_is_removed_and_no_longer_counted,
          a_sweep_goes_on_after_a_failed_read_and_a_full_log,
          a_damaged_partition_refuses_everything_until_it_is_given_up,
          a_corrupt_entry_on_disk_damages_its_partition_and_no_other,
          a_warm_up_that_meets_a_corrupt_entry_damages_the_partition,
          a_partition_that_is_given_up_goes_on_with_what_the_checkpoint_has)
