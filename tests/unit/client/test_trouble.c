/* test_trouble.c - connections that break, servers that go and come back, answers that never come:
 * at most once, and said so.
 * LINK: client */
#include "fixture.h"

#include <event2/event.h>

START_TEST(a_write_is_repeated_with_the_same_number)
{
    struct fake_conf conf = {.script = {{.act = FAKE_DROP}, {.act = FAKE_DROP}}, .script_len = 2};
    begin(&conf);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&fake, PUT), 3);
    for (size_t i = 0; i < 3; i++) {
        struct fake_seen s = fake_nth(&fake, PUT, i);
        ck_assert_uint_eq(s.number, fake_nth(&fake, PUT, 0).number);
        ck_assert_uint_eq(s.lowest, s.number);
        ck_assert_uint_eq(s.connection, i);
    }
    ck_assert_uint_eq(fake.sessions, 1);
    end();
}
END_TEST

START_TEST(bad_answers_break_the_connection_and_nothing_else)
{
    static const enum fake_act acts[] = {FAKE_GARBAGE, FAKE_HUGE, FAKE_EMPTY, FAKE_HALF};
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        struct fake_conf conf = {.script = {{.act = acts[i]}}, .script_len = 1};
        begin(&conf);
        ck_assert_int_eq(put("k"), GRID_OK);
        ck_assert_uint_eq(fake_count(&fake, PUT), 2);
        ck_assert_uint_eq(fake_nth(&fake, PUT, 1).connection, 1);
        end();
    }
}
END_TEST

START_TEST(odd_answers_harm_nobody)
{
    static const enum fake_act acts[] = {FAKE_TWICE, FAKE_STRANGER, FAKE_DRIP};
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        struct dones dones = {0};
        struct fake_conf conf = {.script = {{.act = acts[i]}, {.act = acts[i]}}, .script_len = 2};
        begin(&conf);
        grid_put_async(cache, bytes("a"), bytes("v"), NULL, on_done, &dones);
        grid_put_async(cache, bytes("b"), bytes("v"), NULL, on_done, &dones);
        grid_flush(grid);
        ck_assert_int_eq(put("c"), GRID_OK);
        ck_assert_uint_eq(dones.len, 2);
        ck_assert_uint_eq(fake_count(&fake, PUT), 3);
        ck_assert_uint_eq(fake.connections, 1);
        end();
    }
}
END_TEST

START_TEST(an_unanswered_write_is_in_doubt)
{
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin_hasty(&conf);
    ck_assert_int_eq(put("k"), GRID_EIN_DOUBT);
    ck_assert_ptr_nonnull(strstr(grid_error(grid), "no answer"));
    ck_assert_int_eq(put("k"), GRID_OK); /* over a new connection */
    ck_assert_uint_eq(fake.connections, 2);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 1).lowest, fake_nth(&fake, PUT, 1).number);
    end();
}
END_TEST

START_TEST(an_unanswered_read_timed_out)
{
    struct grid_value v;
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin_hasty(&conf);
    ck_assert_int_eq(grid_get(cache, bytes("k"), none, &v), GRID_ETIMEOUT);
    end();
}
END_TEST

START_TEST(what_could_not_be_sent_is_unreachable)
{
    begin_hasty(NULL);
    fake_down(&fake);
    /* The break is noticed before anything is sent: nothing is in flight and it is readable. */
    while (grid_ping(grid) == GRID_OK)
        ;
    ck_assert_int_eq(put("k"), GRID_EUNREACHABLE);
    ck_assert_ptr_nonnull(strstr(grid_error(grid), fake.endpoint));
    ck_assert_ptr_nonnull(strcasestr(grid_error(grid), "connection refused"));
    fake_up(&fake);
    ck_assert_int_eq(put("k"), GRID_OK);
    end();
}
END_TEST

START_TEST(a_restart_of_the_server_is_not_seen)
{
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    begin(&conf);
    for (int i = 0; i < 100; i++)
        grid_incr_async(cache, bytes("k"), i, NULL, on_done, &dones);
    grid_poll(grid, 0);
    fake_await(&fake, INCR, 1);
    fake_down(&fake);
    for (int i = 0; i < 20; i++)
        grid_poll(grid, 1); /* refused connections */
    fake_up(&fake);
    grid_flush(grid);
    ck_assert_uint_eq(dones.len, 100);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_eq(fake.sessions, 1);
    end();
}
END_TEST

START_TEST(busy_is_tried_again_with_the_same_number)
{
    struct fake_conf conf = {.script = {{.status = GRID_EBUSY},
                                        {.status = GRID_ESTOPPING},
                                        {.status = GRID_ENOT_PRIMARY}},
                             .script_len = 3};
    begin(&conf);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&fake, PUT), 4);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 3).number, fake_nth(&fake, PUT, 0).number);
    ck_assert_uint_eq(fake.connections, 1);
    end();
}
END_TEST

START_TEST(in_doubt_is_asked_again_with_the_same_number)
{
    struct fake_conf conf = {.script = {{.status = GRID_EIN_DOUBT}}, .script_len = 1};
    begin(&conf);
    ck_assert_int_eq(put("k"), GRID_OK);
    ck_assert_uint_eq(fake_count(&fake, PUT), 2);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 1).number, fake_nth(&fake, PUT, 0).number);
    end();
    struct fake_conf busy = {.script = {{.status = GRID_EIN_DOUBT}}, .script_len = 32};
    for (size_t i = 1; i < 32; i++)
        busy.script[i].status = GRID_EBUSY;
    begin_hasty(&busy);
    ck_assert_int_eq(put("k"), GRID_EIN_DOUBT); /* it stays so */
    end();
}
END_TEST

START_TEST(busy_until_the_deadline_was_not_done)
{
    struct fake_conf conf = {.script_len = 32};
    for (size_t i = 0; i < 32; i++)
        conf.script[i].status = GRID_EBUSY;
    begin_hasty(&conf);
    ck_assert_int_eq(put("k"), GRID_ETIMEOUT);
    ck_assert_str_eq(grid_error(grid), "too many requests in progress");
    end();
}
END_TEST

START_TEST(what_the_server_said_until_the_deadline_is_told)
{
    struct fake_conf conf = {.script_len = 32};
    for (size_t i = 0; i < 32; i++)
        conf.script[i] = (struct fake_step){.status = GRID_EENTERING, .detail = "it was removed"};
    begin_hasty(&conf);
    ck_assert_int_eq(put("k"), GRID_ETIMEOUT);
    ck_assert_str_eq(grid_error(grid), "it was removed");
    end();
}
END_TEST

START_TEST(busy_after_a_lost_answer_stays_in_doubt)
{
    struct fake_conf conf = {.script_len = 32};
    conf.script[0].act = FAKE_DROP;
    for (size_t i = 1; i < 32; i++)
        conf.script[i].status = GRID_EBUSY;
    begin_hasty(&conf);
    ck_assert_int_eq(put("k"), GRID_EIN_DOUBT);
    end();
}
END_TEST

START_TEST(a_refusal_after_a_lost_answer_says_nothing_of_before)
{
    struct fake_conf conf = {.script = {{.act = FAKE_DROP}, {.status = GRID_EFULL}},
                             .script_len = 2};
    begin(&conf);
    ck_assert_int_eq(put("k"), GRID_EIN_DOUBT);
    end();
}
END_TEST

START_TEST(a_stored_outcome_after_a_lost_answer_is_the_outcome)
{
    static const enum grid_err stored[] = {GRID_ECONDITION, GRID_ENOT_NUMBER, GRID_EOVERFLOW,
                                           GRID_EWRONG_TYPE, GRID_ETASK};
    for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) {
        struct fake_conf conf = {.script = {{.act = FAKE_DROP}, {.status = stored[i]}},
                                 .script_len = 2};
        begin(&conf);
        ck_assert_int_eq(put("k"), stored[i]);
        end();
    }
}
END_TEST

START_TEST(a_cache_made_anew_is_opened_again)
{
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.status = GRID_ENO_CACHE}, {.status = GRID_ENO_CACHE}},
                             .script_len = 2};
    begin(&conf);
    grid_put_async(cache, bytes("a"), bytes("v"), NULL, on_done, &dones);
    grid_put_async(cache, bytes("b"), bytes("v"), NULL, on_done, &dones);
    grid_flush(grid);
    ck_assert_uint_eq(dones.len, 2);
    ck_assert_int_eq(dones.err, GRID_OK);
    ck_assert_uint_eq(fake_count(&fake, OPEN), 2);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 0).cache, 101);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 2).cache, 102);
    ck_assert_uint_eq(fake_nth(&fake, PUT, 2).number, fake_nth(&fake, PUT, 0).number);
    end();
}
END_TEST

START_TEST(a_cache_that_is_gone_is_said_to_be)
{
    struct fake_conf conf = {.script = {{.status = GRID_ENO_CACHE}, {.status = GRID_ENO_CACHE}},
                             .script_len = 2,
                             .caches_gone = 1};
    begin(&conf);
    ck_assert_int_eq(put("k"), GRID_ENO_CACHE);
    ck_assert_int_eq(put("k"), GRID_OK);
    end();
}
END_TEST

/* --- connecting ------------------------------------------------------------------------------- */

static enum grid_err try(const char *endpoints, uint32_t timeout_ms, char why[GRID_WHY_BYTES])
{
    struct grid_options options = {.endpoints = endpoints, .timeout_ms = timeout_ms};
    grid = NULL;
    return grid_connect(&options, &grid, why);
}

START_TEST(refusals_that_last_are_told_at_once)
{
    static const struct {
        struct fake_conf conf;
        enum grid_err err;
        const char *text;
    } cases[] = {
        {{.hello_status = 14, .hello_detail = "unknown user"}, GRID_EAUTH, "unknown user"},
        {{.hello_status = 13, .hello_detail = "this is grid 'b'"}, GRID_EDENIED, "grid 'b'"},
        {{.hello_status = 15, .hello_detail = "speaks 7"}, GRID_EPROTOCOL, "speaks 7"},
        {{.version = 7}, GRID_EPROTOCOL, "version"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[GRID_WHY_BYTES];
        fake_start(&fake, &cases[i].conf);
        ck_assert_int_eq(try(fake.endpoint, 60000, why), cases[i].err);
        ck_assert_ptr_nonnull(strstr(why, cases[i].text));
        ck_assert_ptr_nonnull(strstr(why, fake.endpoint));
        fake_stop(&fake);
    }
}
END_TEST

START_TEST(what_is_no_gridd_is_said_to_be_none)
{
    struct fake_conf conf = {.hello_garbage = true};
    char why[GRID_WHY_BYTES];
    fake_start(&fake, &conf);
    ck_assert_int_eq(try(fake.endpoint, 200, why), GRID_EUNREACHABLE);
    ck_assert_ptr_nonnull(strstr(why, "is it a gridd?"));
    fake_stop(&fake);
}
END_TEST

START_TEST(a_server_that_says_nothing_is_unreachable)
{
    struct fake_conf conf = {.hello_silent = true};
    char why[GRID_WHY_BYTES];
    fake_start(&fake, &conf);
    ck_assert_int_eq(try(fake.endpoint, 300, why), GRID_EUNREACHABLE);
    ck_assert_ptr_nonnull(strstr(why, "no answer in time"));
    fake_stop(&fake);
}
END_TEST

START_TEST(connecting_goes_on_until_it_works)
{
    struct fake_conf conf = {.hang_ups = 4};
    begin(&conf);
    ck_assert_int_eq(put("k"), GRID_OK);
    end();
}
END_TEST

START_TEST(the_next_endpoint_is_tried)
{
    struct fake dead;
    char endpoints[160], why[GRID_WHY_BYTES];
    fake_start(&dead, NULL);
    fake_stop(&dead);
    fake_start(&fake, NULL);
    snprintf(endpoints, sizeof endpoints, "%s, %s", dead.endpoint, fake.endpoint);
    connect_with((struct grid_options){.endpoints = endpoints});
    ck_assert_int_eq(put("k"), GRID_OK);
    end();
    ck_assert_int_eq(try(endpoints, 200, why), GRID_EUNREACHABLE);
    ck_assert_ptr_nonnull(strstr(why, dead.endpoint));
}
END_TEST

START_TEST(bad_endpoints_are_refused_by_name)
{
    static const char *const bad[] = {":7400",   "host:", "host:0", "host:65536",
                                      "host:7x", "a,,b",  "[::1",   "[::1]7400",
                                      ",",       "a:1,",  "[]:1",   "::1:7400"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[GRID_WHY_BYTES];
        ck_assert_int_eq(try(bad[i], 100, why), GRID_EBAD_REQUEST);
        ck_assert_ptr_nonnull(strstr(why, "is not HOST:PORT"));
    }
}
END_TEST

START_TEST(credentials_and_name_are_told_to_the_server)
{
    fake_start(&fake, NULL);
    connect_with((struct grid_options){.user = "u", .password = "p", .name = "me"});
    ck_assert_str_eq(fake.user, "u");
    ck_assert_str_eq(fake.password, "p");
    ck_assert_str_eq(fake.client, "me");
    end();
}
END_TEST

/* --- on the caller's base --------------------------------------------------------------------- */

static struct event_base *base;
static void stop_after_three(void *arg, const struct grid_result *r)
{
    struct dones *d = arg;
    on_done(d, r);
    if (d->len == 3)
        event_base_loopbreak(base);
}

START_TEST(the_callers_loop_drives_it)
{
    struct dones dones = {0};
    struct fake_conf conf = {.script = {{.act = FAKE_DROP}, {.status = GRID_EBUSY}},
                             .script_len = 2};
    base = event_base_new();
    fake_start(&fake, &conf);
    connect_with((struct grid_options){.base = base});
    for (int i = 0; i < 3; i++)
        grid_put_async(cache, bytes("k"), bytes("v"), NULL, stop_after_three, &dones);
    ck_assert_int_eq(event_base_dispatch(base), 0);
    ck_assert_uint_eq(dones.len, 3);
    ck_assert_int_eq(put("k"), GRID_OK); /* blocking calls work beside it */
    end();
    event_base_free(base);
}
END_TEST

START_TEST(deadlines_pass_on_the_callers_loop)
{
    struct dones dones = {.len = 2};
    struct fake_conf conf = {.script = {{.act = FAKE_SILENT}}, .script_len = 1};
    base = event_base_new();
    fake_start(&fake, &conf);
    connect_with((struct grid_options){.base = base, .timeout_ms = 300});
    grid_put_async(cache, bytes("k"), bytes("v"), NULL, stop_after_three, &dones);
    ck_assert_int_eq(event_base_dispatch(base), 0);
    ck_assert_int_eq(dones.err, GRID_EIN_DOUBT);
    end();
    event_base_free(base);
}
END_TEST

UNIT_MAIN("client/trouble", a_write_is_repeated_with_the_same_number,
          bad_answers_break_the_connection_and_nothing_else, odd_answers_harm_nobody,
          an_unanswered_write_is_in_doubt, an_unanswered_read_timed_out,
          what_could_not_be_sent_is_unreachable, a_restart_of_the_server_is_not_seen,
          in_doubt_is_asked_again_with_the_same_number, busy_is_tried_again_with_the_same_number,
          busy_until_the_deadline_was_not_done, what_the_server_said_until_the_deadline_is_told,
          busy_after_a_lost_answer_stays_in_doubt,
          a_refusal_after_a_lost_answer_says_nothing_of_before,
          a_stored_outcome_after_a_lost_answer_is_the_outcome, a_cache_made_anew_is_opened_again,
          a_cache_that_is_gone_is_said_to_be, refusals_that_last_are_told_at_once,
          what_is_no_gridd_is_said_to_be_none, a_server_that_says_nothing_is_unreachable,
          connecting_goes_on_until_it_works, the_next_endpoint_is_tried,
          bad_endpoints_are_refused_by_name, credentials_and_name_are_told_to_the_server,
          the_callers_loop_drives_it, deadlines_pass_on_the_callers_loop)
