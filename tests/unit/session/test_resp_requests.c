/* test_resp_requests.c - requests of Redis clients become calls, results become replies in order.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/prng.h"
#include "session/meters.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_resp.h"

START_TEST(replies_keep_the_order_of_requests_whatever_order_results_come_in)
{
    enum { REQUESTS = 200 };
    struct prng prng = {7};
    for (int round = 0; round < 20; round++) {
        struct fake *f = fake_resp();
        struct buf wanted = BUF_INIT;
        for (int i = 0; i < REQUESTS; i++) {
            char line[64];
            snprintf(line, sizeof line, i % 5 ? "GET k%d" : "ECHO v%d", i);
            fake_line(f, line);
            buf_printf(&wanted, "$%d|v%d|", i < 10 ? 2 : i < 100 ? 3 : 4, i);
        }
        buf_add_u8(&wanted, 0);
        fake_offer(f);
        struct buf got = BUF_INIT;
        while (f->ops_len) {
            size_t at = (size_t)prng_below(&prng, f->ops_len);
            struct slice key = f->ops[at]->key;
            char value[32];
            snprintf(value, sizeof value, "v%.*s", (int)key.len - 1, (const char *)key.data + 1);
            fake_bulk(f->ops[at], value);
            f->ops[at] = f->ops[--f->ops_len];
            buf_printf(&got, "%s", fake_said(f));
        }
        buf_add_u8(&got, 0);
        ck_assert_str_eq((char *)got.data, (char *)wanted.data);
        buf_release(&got);
        buf_release(&wanted);
        fake_free(f);
    }
}
END_TEST

START_TEST(a_call_has_the_whole_command_and_its_keys)
{
    struct fake *f = fake_resp();
    fake_ask(f, "SET k v EX 10");
    ck_assert_uint_eq(f->ops_len, 1);
    const struct op *op = f->ops[0];
    ck_assert_int_eq(op->kind, OP_CALL);
    ck_assert(op->procedure == command_set);
    ck_assert_uint_eq(op->cache, f->cache);
    ck_assert_uint_eq(op->args_len, 5);
    ck_assert(fake_arg_is(op, 0, "SET") && fake_arg_is(op, 4, "10"));
    ck_assert_uint_eq(op->keys_len, 1);
    ck_assert(slice_eq(op->key, slice_str("k")) && slice_eq(op->keys[0], op->key));
    ck_assert(!op->reads_only);
    fake_ok(op);
    ck_says(f, "+OK|");
    fake_free(f);
}
END_TEST

START_TEST(a_node_that_stops_answers_what_is_in_flight_and_refuses_what_still_comes)
{
    static const char said[] = "-LOADING The node is stopping; nothing was done|";
    struct fake *f = fake_resp();
    fake_ask(f, "GET k");
    ck_assert(session_part(f->session, SESSION_LEAVES));
    ck_asks(f, "PING", ""); /* behind the other */
    ck_assert(session_part(f->session, SESSION_REFUSES));
    fake_ask(f, "INCR k");
    fake_ask(f, "PING");
    ck_assert_uint_eq(f->ops_len, 1);
    fake_bulk(f->ops[0], "v");
    char all[256];
    snprintf(all, sizeof all, "$1|v|+PONG|%s%s", said, said);
    ck_says(f, all);
    ck_asks(f, "RESET", said);
    ck_asks(f, "INCR k", said);
    session_stop(f->session, "the node is stopping");
    ck_assert(session_finished(f->session));
    fake_free(f);
}
END_TEST

START_TEST(debug_sleep_is_refused_until_an_administrator_allows_it)
{
    struct fake *f = fake_resp();
    char why[WHY_BYTES];
    ck_asks(f, "DEBUG SLEEP 0.5",
            "-ERR DEBUG command not allowed. An administrator can allow it: gridctl settings set "
            "debug_commands 1|");
    ck_assert_int_eq(catalog_setting_set(f->catalog, slice_str("debug_commands"), 1, why), GRID_OK);
    fake_ask(f, "DEBUG SLEEP 0.5");
    fake_ask(f, "PING");
    fake_expect_nothing(f);
    ck_assert_uint_eq(f->sleep_ms, 500);
    session_result(&f->sleep_ticket, &(struct result){.reply = REPLY_OK});
    fake_offer(f);
    ck_says(f, "+OK|+PONG|");
    ck_asks(f, "DEBUG JMAP", "-ERR DEBUG knows one subcommand: DEBUG SLEEP seconds|");
    const struct {
        const char *line;
        msec_t ms;
    } cases[] = {{"DEBUG SLEEP -1", 0}, {"DEBUG SLEEP x", 0}, {"debug sleep 1e9", 3600000}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_ask(f, cases[i].line);
        ck_assert_uint_eq(f->sleep_ms, cases[i].ms);
        session_result(&f->sleep_ticket, &(struct result){.reply = REPLY_OK});
        ck_says(f, "+OK|");
    }
    fake_free(f);
}
END_TEST

START_TEST(keys_of_several_partitions_are_asked_for_one_by_one)
{
    struct fake *f = fake_resp();
    fake_ask(f, "MSET a 1 b 2 c 3");
    ck_assert_uint_eq(f->ops_len, 3);
    ck_assert(fake_arg_is(f->ops[1], 1, "b") && fake_arg_is(f->ops[1], 2, "2"));
    ck_assert_uint_eq(f->ops[1]->args_len, 3);
    fake_ok(f->ops[2]);
    fake_ok(f->ops[0]);
    fake_expect_nothing(f);
    fake_ok(f->ops[1]);
    ck_says(f, "+OK|");
    fake_turn_end(f);
    fake_ask(f, "DEL a b c");
    for (size_t i = 3; i--;)
        fake_integer(f->ops[i], i != 1);
    ck_says(f, ":2|");
    fake_turn_end(f);
    fake_ask(f, "MGET a b c");
    ck_assert(f->ops[0]->procedure == command_get_or_null);
    fake_bulk(f->ops[2], "three");
    fake_answer(f->ops[1], (struct result){.reply = REPLY_NULL});
    fake_bulk(f->ops[0], "one");
    ck_says(f, "*3|$3|one|$-1|$5|three|");
    fake_free(f);
}
END_TEST

START_TEST(the_first_error_of_a_split_command_is_its_reply)
{
    struct fake *f = fake_resp();
    fake_ask(f, "MSET a 1 b 2 c 3");
    fake_ok(f->ops[0]);
    fake_answer(f->ops[1], (struct result){.status = GRID_EFULL});
    fake_answer(f->ops[2], (struct result){.status = GRID_EDAMAGED});
    ck_assert_int_eq(strncmp(fake_said(f), "-OOM ", 5), 0);
    fake_turn_end(f);
    fake_ask(f, "MGET a b");
    fake_bulk(f->ops[1], "x");
    fake_answer(f->ops[0], (struct result){.status = GRID_EDAMAGED});
    ck_assert_int_eq(strncmp(fake_said(f), "-CLUSTERDOWN ", 13), 0);
    fake_free(f);
}
END_TEST

START_TEST(what_lies_in_one_partition_is_one_call)
{
    struct fake *f = fake_resp();
    fake_ask(f, "MSET {t}a 1 {t}b 2");
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(f->ops[0]->procedure == command_mset);
    ck_assert_uint_eq(f->ops[0]->keys_len, 2);
    ck_assert(slice_eq(f->ops[0]->keys[1], slice_str("{t}b")));
    fake_ok(f->ops[0]);
    ck_says(f, "+OK|");
    fake_free(f);
    f = fake_resp_new();
    fake_one_partition(f);
    f->peer.cache = "one/c";
    fake_connect_to(f, &resp_door);
    fake_ask(f, "MSETNX a 1 b 2 c 3");
    ck_assert_uint_eq(f->ops_len, 1);
    fake_integer(f->ops[0], 1);
    ck_says(f, ":1|");
    fake_free(f);
}
END_TEST

START_TEST(what_must_be_atomic_does_not_cross_partitions)
{
    static const char *const lines[] = {"MSETNX a 1 b 2", "RENAME a b", "COPY a b", "LCS a b"};
    struct fake *f = fake_resp();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_asks(f, lines[i], "-CROSSSLOT Keys in request don't hash to the same slot|");
    ck_assert_uint_eq(f->ops_len, 0);
    fake_free(f);
}
END_TEST

START_TEST(a_long_split_command_waits_for_room_and_loses_no_key)
{
    enum { KEYS = 3000, AT_ONCE = 100 };
    struct fake *f = fake_resp_new();
    f->limits.requests = AT_ONCE;
    fake_connect_to(f, &resp_door);
    struct buf line = BUF_INIT;
    buf_printf(&line, "*%d\r\n$3\r\nDEL\r\n", KEYS + 1);
    for (int i = 0; i < KEYS; i++)
        buf_printf(&line, "$5\r\nk%04d\r\n", i);
    fake_send_bytes(f, line.data, line.len);
    fake_line(f, "PING");
    int seen = 0;
    while (f->in.len) {
        fake_offer(f);
        ck_assert_uint_le(f->ops_len, AT_ONCE);
        for (size_t i = 0; i < f->ops_len; i++, seen++) {
            char key[16];
            snprintf(key, sizeof key, "k%04d", seen);
            ck_assert(slice_eq(f->ops[i]->key, slice_str(key)));
            fake_integer(f->ops[i], 1);
        }
        fake_turn_end(f);
    }
    ck_assert_int_eq(seen, KEYS);
    ck_says(f, ":3000|+PONG|");
    buf_release(&line);
    fake_free(f);
}
END_TEST

START_TEST(a_turn_takes_its_budget_and_says_that_more_is_there)
{
    struct fake *f = fake_resp();
    f->budget = 4;
    for (int i = 0; i < 6; i++)
        fake_line(f, "GET k");
    fake_line(f, "DEL a b c d");
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 4);
    ck_assert(f->more);
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 8); /* two GETs, two of the keys */
    ck_assert(f->more);
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 10);
    ck_assert(!f->more);
    for (size_t i = 0; i < 10; i++)
        fake_integer(f->ops[i], 1);
    ck_says(f, ":1|:1|:1|:1|:1|:1|:4|");
    fake_free(f);
}
END_TEST

START_TEST(refusals_are_worded_as_in_redis)
{
    static const struct {
        const char *line, *reply;
    } cases[] = {
        {"FOO", "-ERR unknown command 'FOO', with args beginning with: |"},
        {"foo a 'b c'", "-ERR unknown command 'foo', with args beginning with: 'a' 'b c' |"},
        {"get", "-ERR wrong number of arguments for 'get' command|"},
        {"GET a b", "-ERR wrong number of arguments for 'get' command|"},
        {"client", "-ERR wrong number of arguments for 'client' command|"},
        {"client foo", "-ERR unknown subcommand 'foo'. Try CLIENT HELP.|"},
        {"client id 1", "-ERR wrong number of arguments for 'client|id' command|"},
        {"get ''", "-ERR the key is empty|"},
        {"select 1", "-ERR DB index is out of range|"},
        {"hello 4", "-NOPROTO unsupported protocol version|"},
        {"client setname 'a b'",
         "-ERR Client names cannot contain spaces, newlines or special characters.|"},
        {"client kill type ''", "-ERR Unknown client type ''|"},
        {"client kill user ''", "-ERR No such user ''|"},
        {"config set a", "-ERR wrong number of arguments for 'config|set' command|"},
        {"config set a b c", "-ERR syntax error|"},
        {"grid.use no/such", "-ERR no such cache: name it CONTEXT/CACHE|"},
    };
    struct fake *f = fake_resp();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_asks(f, cases[i].line, cases[i].reply);
    ck_assert_uint_eq(f->ops_len, 0);
    fake_free(f);
}
END_TEST

START_TEST(a_broken_stream_ends_the_connection_behind_the_answers)
{
    struct fake *f = fake_resp();
    fake_line(f, "GET k");
    fake_line(f, "*1");
    fake_line(f, "!4");
    fake_line(f, "PING");
    fake_offer(f);
    ck_assert(!session_wants_read(f->session));
    ck_assert(!session_finished(f->session));
    fake_bulk(f->ops[0], "v");
    ck_says(f, "$1|v|-ERR Protocol error: expected '$', got '!'|");
    ck_assert(session_finished(f->session));
    fake_free(f);
}
END_TEST

START_TEST(values_beyond_the_output_limit_are_refused_and_writes_are_answered)
{
    struct fake *f = fake_resp_new();
    f->limits.output = 100;
    f->limits.output_max = 200;
    fake_connect_to(f, &resp_door);
    static char value[151];
    memset(value, 'v', 150);
    fake_line(f, "GET a");
    fake_line(f, "GET b");
    fake_line(f, "SET c 1");
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 3);
    fake_ok(f->ops[2]);
    fake_bulk(f->ops[0], value);
    fake_bulk(f->ops[1], value);
    const char *said = fake_said(f);
    ck_assert_int_eq(strncmp(said, "$150|", 5), 0);
    ck_assert_ptr_nonnull(strstr(said, "|-TRYAGAIN "));
    ck_assert_str_eq(said + strlen(said) - 5, "|+OK|");
    fake_free(f);
}
END_TEST

START_TEST(no_replies_are_given_to_who_wants_none)
{
    struct fake *f = fake_resp();
    ck_asks(f, "CLIENT REPLY SKIP", "");
    ck_asks(f, "PING", "");
    ck_asks(f, "PING", "+PONG|");
    ck_asks(f, "CLIENT REPLY OFF", "");
    fake_line(f, "GET a");
    fake_line(f, "PING");
    fake_line(f, "CLIENT REPLY ON");
    fake_line(f, "PING");
    fake_offer(f);
    fake_bulk(f->ops[0], "v");
    ck_says(f, "+OK|+PONG|");
    fake_free(f);
}
END_TEST

START_TEST(what_waited_is_sent_before_a_reply_that_nobody_wants)
{
    struct fake *f = fake_resp();
    fake_line(f, "GET a");
    fake_line(f, "ECHO x");
    fake_line(f, "GET b");
    fake_line(f, "CLIENT REPLY SKIP");
    fake_line(f, "PING");
    fake_offer(f);
    fake_bulk(f->ops[0], "v");
    ck_says(f, "$1|v|$1|x|");
    session_check(f->session);
    fake_bulk(f->ops[1], "w");
    ck_says(f, "$1|w|");
    ck_asks(f, "ECHO y", "$1|y|");
    fake_free(f);
}
END_TEST

START_TEST(a_stranger_is_asked_who_he_is)
{
    struct fake *f = fake_resp_new();
    f->password = "secret";
    f->ports.authenticate = fake_authenticate;
    fake_connect_to(f, &resp_door);
    ck_asks(f, "GET k", "-NOAUTH Authentication required.|");
    ck_assert(session_expects(f->session));
    ck_asks(f, "AUTH ann wrong", "-WRONGPASS invalid username-password pair or user is disabled.|");
    ck_asks(f, "*11", "-ERR Protocol error: unauthenticated multibulk length|");
    fake_free(f);
    f = fake_resp_new();
    f->password = "secret";
    f->ports.authenticate = fake_authenticate;
    fake_connect_to(f, &resp_door);
    fake_ask(f, "HELLO 3 AUTH ann secret SETNAME me");
    ck_assert_int_eq(strncmp(fake_said(f), "%7|$6|server|", 13), 0);
    ck_asks(f, "CLIENT GETNAME", "$2|me|");
    ck_assert(!session_expects(f->session));
    fake_ask(f, "GET k");
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert_uint_eq(f->ops[0]->flags & CALL_RESP3, CALL_RESP3);
    fake_answer(f->ops[0], (struct result){.reply = REPLY_NULL});
    ck_says(f, "_|");
    ck_asks(f, "RESET", "+RESET|");
    ck_asks(f, "GET k", "-NOAUTH Authentication required.|");
    fake_free(f);
}
END_TEST

START_TEST(a_certificate_stands_for_a_password)
{
    struct fake *f = fake_resp_new();
    f->password = "secret";
    f->ports.authenticate = fake_authenticate;
    fake_connect_to(f, &resp_door);
    session_proved(f->session, "carl");
    ck_asks(f, "PING", "+PONG|");
    fake_free(f);
}
END_TEST

START_TEST(another_cache_is_used_when_nothing_is_under_way)
{
    struct fake *f = fake_resp_new();
    fake_one_partition(f);
    fake_connect_to(f, &resp_door);
    fake_line(f, "GET k");
    fake_line(f, "GRID.USE one/c");
    fake_line(f, "GET k");
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(!session_wants_read(f->session));
    fake_bulk(f->ops[0], "a");
    ck_assert(session_wants_read(f->session));
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 2);
    ck_assert_uint_ne(f->ops[1]->cache, f->cache);
    fake_bulk(f->ops[1], "b");
    ck_says(f, "$1|a|+OK|$1|b|");
    fake_free(f);
}
END_TEST

START_TEST(a_full_arena_delays_a_request_by_a_turn)
{
    struct fake *f = fake_resp();
    arena_free(f->arena);
    f->arena = arena_new(1);
    for (int i = 0; i < 200; i++)
        fake_line(f, "GET k");
    fake_offer(f);
    size_t first = f->ops_len;
    ck_assert(first > 0 && first < 200);
    ck_assert(f->more);
    for (size_t i = 0; i < first; i++)
        fake_ok(f->ops[i]);
    fake_turn_end(f);
    fake_offer(f);
    ck_assert_uint_gt(f->ops_len, 0);
    fake_free(f);
}
END_TEST

START_TEST(a_closed_session_drops_what_comes_late)
{
    struct fake *f = fake_resp();
    fake_line(f, "GET a");
    fake_line(f, "MGET a b c");
    fake_line(f, "PING");
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 4);
    session_close(f->session);
    f->session = NULL;
    for (size_t i = 0; i < 4; i++)
        ck_assert_ptr_null(fake_answer(f->ops[i], (struct result){.reply = REPLY_OK}));
    fake_free(f);
}
END_TEST

START_TEST(clients_are_listed_and_ended_by_each_other)
{
    struct fake *f = fake_resp();
    ck_asks(f, "CLIENT SETNAME first", "+OK|");
    struct session *first = f->session;
    fake_connect_to(f, &resp_door);
    fake_ask(f, "CLIENT LIST");
    fake_errands();
    const char *list = fake_said(f);
    ck_assert_ptr_nonnull(strstr(list, " name=first "));
    ck_assert_ptr_nonnull(strstr(list, " cmd=client|list "));
    fake_ask(f, "CLIENT KILL ADDR '' SKIPME no"); /* nobody's */
    fake_errands();
    ck_says(f, ":0|");
    fake_ask(f, "CLIENT KILL TYPE normal");
    fake_errands();
    ck_says(f, ":1|");
    ck_assert(session_finished(first));
    ck_assert(!session_finished(f->session));
    session_free(first);
    fake_free(f);
}
END_TEST

START_TEST(a_histogram_is_of_the_operations_that_are_named)
{
    struct fake *f = fake_resp();
    fake_ask(f, "GET k");
    meters_turn(errands_meters(f->ports.errands), 100);
    fake_bulk(f->ops[0], "v");
    ck_says(f, "$1|v|");
    fake_ask(f, "LATENCY HISTOGRAM nosuch Call_Reads");
    fake_errands();
    ck_says(f, "*2|$10|call_reads|*4|$5|calls|:1|$14|histogram_usec|*2|:100|:1|");
    fake_ask(f, "LATENCY HISTOGRAM nosuch ''");
    fake_errands();
    ck_says(f, "*0|");
    fake_free(f);
}
END_TEST

START_TEST(subcommands_are_an_array_and_no_subcommands_a_set)
{
    struct fake *f = fake_resp();
    fake_ask(f, "HELLO 3");
    fake_said(f);
    fake_ask(f, "COMMAND INFO memory");
    ck_assert_ptr_nonnull(strstr(fake_said(f), "~1|+@slow|~0|~0|*2|*10|$11|memory|help|"));
    fake_ask(f, "COMMAND INFO ping");
    const char *ping = fake_said(f);
    ck_assert_str_eq(ping + strlen(ping) - 6, "~0|~0|");
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/resp_requests",
          replies_keep_the_order_of_requests_whatever_order_results_come_in,
          a_call_has_the_whole_command_and_its_keys,
          a_node_that_stops_answers_what_is_in_flight_and_refuses_what_still_comes,
          debug_sleep_is_refused_until_an_administrator_allows_it,
          keys_of_several_partitions_are_asked_for_one_by_one,
          the_first_error_of_a_split_command_is_its_reply, what_lies_in_one_partition_is_one_call,
          what_must_be_atomic_does_not_cross_partitions,
          a_long_split_command_waits_for_room_and_loses_no_key,
          a_turn_takes_its_budget_and_says_that_more_is_there,
          a_histogram_is_of_the_operations_that_are_named,
          subcommands_are_an_array_and_no_subcommands_a_set, refusals_are_worded_as_in_redis,
          a_broken_stream_ends_the_connection_behind_the_answers,
          values_beyond_the_output_limit_are_refused_and_writes_are_answered,
          no_replies_are_given_to_who_wants_none,
          what_waited_is_sent_before_a_reply_that_nobody_wants, a_stranger_is_asked_who_he_is,
          a_certificate_stands_for_a_password, another_cache_is_used_when_nothing_is_under_way,
          a_full_arena_delays_a_request_by_a_turn, a_closed_session_drops_what_comes_late,
          clients_are_listed_and_ended_by_each_other)
