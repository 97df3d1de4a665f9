/* test_requests.c - one key, blocking and asynchronous, when the server answers.
 * LINK: client */
#include "fixture.h"

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

START_TEST(ten_thousand_puts_are_answered_each_once)
{
    enum { N = 10000 };
    struct dones dones = {0};
    begin(NULL);
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        grid_put_async(cache, bytes(key), bytes("v"), NULL, on_done, &dones);
    }
    ck_assert_uint_eq(dones.len, 0);
    grid_flush(grid);
    ck_assert_uint_eq(dones.len, N);
    ck_assert_uint_eq(fake_count(&fake, PUT), N);
    for (size_t i = 0; i < N; i++)
        ck_assert_uint_le(fake.seen[i].lowest, fake.seen[i].number);
    end();
}
END_TEST

START_TEST(the_lowest_number_waits_for_the_oldest_unanswered_write)
{
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin(&conf);
    grid_put_async(cache, bytes("a"), bytes("v"), NULL, on_done, &dones);
    ck_assert_int_eq(put("b"), GRID_OK);
    ck_assert_int_eq(put("c"), GRID_OK);
    uint64_t first = fake_nth(&fake, PUT, 0).number;
    ck_assert_uint_eq(fake_nth(&fake, PUT, 2).lowest, first);
    ck_assert_uint_gt(fake_nth(&fake, PUT, 2).number, first);
    ck_assert_uint_eq(dones.len, 0);
    end();
    ck_assert_uint_eq(dones.len, 1);
}
END_TEST

START_TEST(answers_out_of_order_find_their_requests)
{
    struct dones first = {0}, second = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_LATER}}, .script_len = 1};
    begin(&conf);
    grid_incr_async(cache, bytes("a"), 5, NULL, on_done, &first);
    grid_incr_async(cache, bytes("b"), -7, NULL, on_done, &second);
    grid_flush(grid);
    ck_assert_int_eq(first.number, 5);
    ck_assert_int_eq(second.number, -7);
    end();
}
END_TEST

START_TEST(reads_carry_no_lowest)
{
    struct grid_value v;
    begin(NULL);
    ck_assert_int_eq(grid_get(cache, bytes("k"), none, &v), GRID_OK);
    grid_value_release(&v);
    ck_assert_uint_eq(fake_nth(&fake, GET, 0).lowest, 0);
    end();
}
END_TEST

START_TEST(a_failed_condition_tells_the_version_there_is)
{
    uint64_t version = 0;
    struct fake_conf conf = {.script = {{.status = GRID_ECONDITION}}, .script_len = 1};
    struct grid_write how = {
        .condition = GRID_IF_VERSION, .version = 4711, .ttl = GRID_TTL_SET, .ttl_ms = 1234};
    begin(&conf);
    ck_assert_int_eq(grid_put(cache, bytes("k"), bytes("v"), &how, &version), GRID_ECONDITION);
    ck_assert_uint_eq(version, 77);
    struct fake_seen seen = fake_nth(&fake, PUT, 0);
    ck_assert_uint_eq(seen.condition, GRID_IF_VERSION);
    ck_assert_uint_eq(seen.version, 4711);
    ck_assert_uint_eq(seen.ttl_ms, 1234);
    end();
}
END_TEST

START_TEST(errors_come_with_their_detail)
{
    struct fake_conf conf = {.script = {{.status = GRID_EFULL, .detail = "no room"}},
                             .script_len = 1};
    begin(&conf);
    ck_assert_int_eq(put("k"), GRID_EFULL);
    ck_assert_str_eq(grid_error(grid), "no room");
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_str_eq(grid_error(grid), "");
    end();
}
END_TEST

START_TEST(faults_of_the_caller_are_told_without_the_server)
{
    static char key[481];
    struct grid_write forever = {.ttl = GRID_TTL_SET};
    struct dones dones = {0};
    memset(key, 'k', sizeof key);
    begin(NULL);
    ck_assert_int_eq(grid_put(cache, none, none, NULL, NULL), GRID_EBAD_REQUEST);
    ck_assert_int_eq(grid_put(cache, (struct grid_bytes){key, 481}, none, NULL, NULL),
                     GRID_ETOO_LARGE);
    ck_assert_int_eq(grid_put(cache, (struct grid_bytes){key, 480}, none, NULL, NULL), GRID_OK);
    ck_assert_int_eq(grid_put(cache, bytes("k"), none, &forever, NULL), GRID_EBAD_REQUEST);
    grid_put_async(cache, none, none, NULL, on_done, &dones);
    ck_assert_uint_eq(dones.len, 0);
    ck_assert_uint_eq(grid_poll(grid, 0), 0);
    ck_assert_uint_eq(dones.len, 1);
    ck_assert_int_eq(dones.err, GRID_EBAD_REQUEST);
    ck_assert_uint_eq(fake_count(&fake, PUT), 1);
    end();
}
END_TEST

START_TEST(a_request_larger_than_a_frame_is_refused_before_it_is_sent)
{
    struct fake_conf conf = {.frame_max = 8192};
    static const size_t too_large[] = {9000, 8190};
    char *value = calloc(1, 9000);
    begin(&conf);
    for (size_t i = 0; i < 2; i++) {
        struct grid_bytes v = {value, too_large[i]};
        ck_assert_int_eq(grid_put(cache, bytes("k"), v, NULL, NULL), GRID_ETOO_LARGE);
    }
    struct grid_bytes fits = {value, 8000};
    ck_assert_int_eq(grid_put(cache, bytes("k"), fits, NULL, NULL), GRID_OK);
    ck_assert_uint_eq(fake_count(&fake, PUT), 1);
    free(value);
    end();
}
END_TEST

START_TEST(large_values_come_whole)
{
    struct fake_conf conf = {.value_bytes = 5 << 20};
    struct grid_value v;
    begin(&conf);
    ck_assert_int_eq(grid_get(cache, bytes("k"), none, &v), GRID_OK);
    ck_assert_uint_eq(v.len, 5 << 20);
    grid_value_release(&v);
    end();
}
END_TEST

START_TEST(an_absent_key_of_a_delete_is_not_found)
{
    struct fake_conf conf = {.script = {{.status = GRID_ENOT_FOUND}}, .script_len = 1};
    begin(&conf);
    ck_assert_int_eq(grid_delete(cache, bytes("k"), NULL), GRID_ENOT_FOUND);
    ck_assert_int_eq(grid_delete(cache, bytes("k"), NULL), GRID_OK);
    end();
}
END_TEST

START_TEST(each_key_goes_to_the_connection_of_its_shard)
{
    static const struct {
        const char *key;
        uint32_t slot; /* as CLUSTER KEYSLOT of Redis says */
    } keys[] = {{"foo", 12182}, {"bar", 5061}, {"hello", 866}, {"{foo}.x", 12182}};
    struct fake_conf conf = {.shards = 3, .partitions = 64};
    begin(&conf);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        ck_assert_int_eq(put(keys[i].key), GRID_OK);
        ck_assert_uint_eq(fake_nth(&fake, PUT, i).shard, keys[i].slot * 64 / 16384 % 3 + 1);
    }
    ck_assert_uint_eq(fake.sessions, 1);
    end();
}
END_TEST

static unsigned chain_left;
static void put_next(void *arg, const struct grid_result *r)
{
    on_done(arg, r);
    if (chain_left && chain_left--)
        grid_put_async(cache, bytes("k"), bytes("v"), NULL, put_next, arg);
}

START_TEST(a_completion_may_start_requests)
{
    struct dones dones = {0};
    chain_left = 50;
    begin(NULL);
    grid_put_async(cache, bytes("k"), bytes("v"), NULL, put_next, &dones);
    grid_flush(grid);
    ck_assert_uint_eq(dones.len, 51);
    end();
}
END_TEST

static void block(void *arg, const struct grid_result *r)
{
    on_done(arg, r);
    ck_assert_int_eq(put("other"), GRID_EBAD_REQUEST);
    ck_assert_str_eq(grid_error(grid), "a completion must not block");
}

START_TEST(a_blocking_call_in_a_completion_is_refused)
{
    struct dones dones = {0};
    begin(NULL);
    grid_put_async(cache, bytes("k"), bytes("v"), NULL, block, &dones);
    grid_flush(grid);
    ck_assert_uint_eq(dones.len, 1);
    end();
}
END_TEST

START_TEST(closing_ends_everything_as_cancelled_once)
{
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    fake_start(&fake, &conf);
    connect_with((struct grid_options){.pipeline_max = 2});
    for (int i = 0; i < 10; i++)
        grid_get_async(cache, bytes("k"), none, on_done, &dones);
    grid_close(grid);
    ck_assert_uint_eq(dones.len, 10);
    ck_assert_int_eq(dones.err, GRID_ECANCELLED);
    fake_stop(&fake);
}
END_TEST

START_TEST(no_more_than_pipeline_max_are_on_their_way)
{
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}, {.act = FAKE_SILENT}},
                             .script_len = 2};
    fake_start(&fake, &conf);
    connect_with((struct grid_options){.pipeline_max = 2});
    for (int i = 0; i < 5; i++)
        grid_put_async(cache, bytes("k"), bytes("v"), NULL, on_done, &dones);
    grid_poll(grid, 0);
    fake_await(&fake, PUT, 2);
    ck_assert_int_eq(grid_ping(grid), GRID_OK); /* blocking calls pass by */
    ck_assert_uint_eq(fake_count(&fake, PUT), 2);
    end();
    ck_assert_uint_eq(dones.len, 5);
}
END_TEST

UNIT_MAIN("client/requests", get_copies_the_value_out,
          writes_carry_growing_numbers_and_the_lowest_unanswered,
          ten_thousand_puts_are_answered_each_once,
          the_lowest_number_waits_for_the_oldest_unanswered_write,
          answers_out_of_order_find_their_requests, reads_carry_no_lowest,
          a_failed_condition_tells_the_version_there_is, errors_come_with_their_detail,
          faults_of_the_caller_are_told_without_the_server,
          a_request_larger_than_a_frame_is_refused_before_it_is_sent, large_values_come_whole,
          an_absent_key_of_a_delete_is_not_found, each_key_goes_to_the_connection_of_its_shard,
          a_completion_may_start_requests, a_blocking_call_in_a_completion_is_refused,
          closing_ends_everything_as_cancelled_once, no_more_than_pipeline_max_are_on_their_way)
