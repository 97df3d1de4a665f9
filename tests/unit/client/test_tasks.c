/* test_tasks.c - tasks run by name: where they go, what comes back, how often they are done.
 * LINK: client */
#include "fixture.h"

static enum grid_err run(const char *key, const char *argument, struct grid_value *ret_result)
{
    return grid_task_run(cache, "bank.transfer", bytes(key), none, bytes(argument), ret_result);
}

START_TEST(name_and_argument_go_there_and_the_result_comes_back)
{
    struct grid_value v;
    begin(NULL);
    ck_assert_int_eq(
        grid_task_run(cache, "bank.transfer", bytes("k"), bytes("aff"), bytes("{5}"), &v), GRID_OK);
    ck_assert_uint_eq(v.len, strlen("bank.transfer({5})"));
    ck_assert_mem_eq(v.data, "bank.transfer({5})", v.len);
    ck_assert_int_eq(v.type, GRID_BYTES);
    grid_value_release(&v);
    struct fake_seen seen = fake_nth(&fake, RUN, 0);
    ck_assert_str_eq(seen.key, "k");
    ck_assert_str_eq(seen.affinity, "aff");
    ck_assert_uint_eq(seen.cache, 101);
    end();
}
END_TEST

START_TEST(a_result_may_be_empty_or_not_wanted)
{
    struct grid_value v;
    begin(NULL);
    ck_assert_int_eq(grid_task_run(cache, "a.b", bytes("k"), none, none, &v), GRID_OK);
    ck_assert_mem_eq(v.data, "a.b()", v.len);
    grid_value_release(&v);
    ck_assert_int_eq(run("k", "", NULL), GRID_OK);
    end();
}
END_TEST

START_TEST(it_goes_to_the_shard_of_the_affinity_key)
{
    static const struct {
        const char *key, *affinity;
        uint32_t slot; /* as CLUSTER KEYSLOT of Redis says */
    } cases[] = {
        {"foo", "", 12182}, {"bar", "", 5061}, {"foo", "bar", 5061}, {"foo", "hello", 866}};
    struct fake_conf conf = {.shards = 3, .partitions = 64};
    begin(&conf);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_eq(
            grid_task_run(cache, "a.b", bytes(cases[i].key), bytes(cases[i].affinity), none, NULL),
            GRID_OK);
        ck_assert_uint_eq(fake_nth(&fake, RUN, i).shard, cases[i].slot * 64 / 16384 % 3 + 1);
    }
    end();
}
END_TEST

START_TEST(after_a_lost_answer_it_is_asked_again_with_the_same_number)
{
    struct fake_conf conf = {.script = {{.act = FAKE_DROP}, {.status = GRID_EBUSY}},
                             .script_len = 2};
    struct grid_value v;
    begin(&conf);
    ck_assert_int_eq(run("k", "x", &v), GRID_OK);
    ck_assert_mem_eq(v.data, "bank.transfer(x)", v.len);
    grid_value_release(&v);
    ck_assert_uint_eq(fake_count(&fake, RUN), 3);
    struct fake_seen first = fake_nth(&fake, RUN, 0);
    ck_assert_uint_eq(first.lowest, first.number);
    for (size_t i = 1; i < 3; i++) {
        ck_assert_uint_eq(fake_nth(&fake, RUN, i).number, first.number);
        ck_assert_uint_eq(fake_nth(&fake, RUN, i).lowest, first.number);
    }
    end();
}
END_TEST

START_TEST(one_without_an_answer_is_in_doubt)
{
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin_hasty(&conf);
    ck_assert_int_eq(run("k", "x", NULL), GRID_EIN_DOUBT);
    end();
}
END_TEST

/* That a task failed is its outcome; that there is none now says nothing of an earlier sending. */
START_TEST(a_failure_after_a_lost_answer_is_believed_a_missing_task_is_not)
{
    struct fake_conf failed = {.script = {{.act = FAKE_DROP}, {.status = GRID_ETASK}},
                               .script_len = 2};
    struct fake_conf missing = {.script = {{.act = FAKE_DROP}, {.status = GRID_ENO_TASK}},
                                .script_len = 2};
    begin(&failed);
    ck_assert_int_eq(run("k", "", NULL), GRID_ETASK);
    end();
    begin(&missing);
    ck_assert_int_eq(run("k", "", NULL), GRID_EIN_DOUBT);
    end();
}
END_TEST

START_TEST(all_lines_of_a_failure_reach_the_caller)
{
    static char text[3000];
    struct fake_conf conf = {.script = {{.status = GRID_ETASK, .detail = text},
                                        {.status = GRID_ETASK, .detail = text},
                                        {.status = GRID_ENO_TASK, .detail = "no module nope"}},
                             .script_len = 3};
    struct dones dones = {0};
    int len = snprintf(text, sizeof text, "bank:7: not enough\nstack traceback:\n");
    memset(text + len, 'x', sizeof text - 1 - (size_t)len);
    begin(&conf);
    ck_assert_int_eq(run("k", "", NULL), GRID_ETASK);
    ck_assert_str_eq(grid_error(grid), text);
    grid_task_run_async(cache, "bank.transfer", bytes("k"), none, none, on_done, &dones);
    grid_flush(grid);
    ck_assert_int_eq(dones.err, GRID_ETASK);
    ck_assert_mem_eq(dones.detail, text, sizeof dones.detail - 1);
    ck_assert_int_eq(run("k", "", NULL), GRID_ENO_TASK);
    ck_assert_str_eq(grid_error(grid), "no module nope");
    end();
}
END_TEST

START_TEST(a_failure_without_end_is_cut_off)
{
    static char text[100000];
    struct fake_conf conf = {.script = {{.status = GRID_ETASK, .detail = text}}, .script_len = 1};
    memset(text, 'x', sizeof text - 1);
    begin(&conf);
    ck_assert_int_eq(run("k", "", NULL), GRID_ETASK);
    ck_assert_uint_eq(strlen(grid_error(grid)), 4096);
    end();
}
END_TEST

static void take_result(void *arg, const struct grid_result *r)
{
    char *text = arg;
    ck_assert_int_eq(r->err, GRID_OK);
    ck_assert_uint_lt(r->value.len, 64);
    memcpy(text, r->value.data, r->value.len);
    text[r->value.len] = '\0';
}

START_TEST(results_of_asynchronous_ones_find_their_requests)
{
    struct fake_conf conf = {.script = {{.act = FAKE_LATER}}, .script_len = 1};
    char first[64] = "", second[64] = "", name[] = "m.one";
    begin(&conf);
    grid_task_run_async(cache, name, bytes("a"), none, bytes("1"), take_result, first);
    name[0] = 'x'; /* it was copied */
    grid_task_run_async(cache, "m.two", bytes("b"), none, bytes("2"), take_result, second);
    grid_flush(grid);
    ck_assert_str_eq(first, "m.one(1)");
    ck_assert_str_eq(second, "m.two(2)");
    end();
}
END_TEST

START_TEST(faults_of_the_caller_are_told_without_the_server)
{
    struct fake_conf conf = {.frame_max = 8192};
    static char argument[9000];
    begin(&conf);
    ck_assert_int_eq(run("", "", NULL), GRID_EBAD_REQUEST);
    struct grid_bytes large = {argument, sizeof argument};
    ck_assert_int_eq(grid_task_run(cache, "a.b", bytes("k"), none, large, NULL), GRID_ETOO_LARGE);
    large.len = 8190;
    ck_assert_int_eq(grid_task_run(cache, "a.b", bytes("k"), none, large, NULL), GRID_ETOO_LARGE);
    ck_assert_uint_eq(fake_count(&fake, RUN), 0);
    end();
}
END_TEST

UNIT_MAIN("client/tasks", name_and_argument_go_there_and_the_result_comes_back,
          a_result_may_be_empty_or_not_wanted, it_goes_to_the_shard_of_the_affinity_key,
          after_a_lost_answer_it_is_asked_again_with_the_same_number,
          one_without_an_answer_is_in_doubt,
          a_failure_after_a_lost_answer_is_believed_a_missing_task_is_not,
          all_lines_of_a_failure_reach_the_caller, a_failure_without_end_is_cut_off,
          results_of_asynchronous_ones_find_their_requests,
          faults_of_the_caller_are_told_without_the_server)
