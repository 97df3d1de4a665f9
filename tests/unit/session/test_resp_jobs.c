/* test_resp_jobs.c - what takes several steps: transactions, and sweeps over all keys.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/hash.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_resp.h"

START_TEST(a_transaction_is_one_call_of_steps)
{
    struct fake *f = fake_resp();
    ck_asks(f, "MULTI", "+OK|");
    ck_asks(f, "SET {t}a 1", "+QUEUED|");
    ck_asks(f, "MGET {t}a {t}b", "+QUEUED|");
    ck_assert_uint_eq(f->ops_len, 0);
    fake_ask(f, "EXEC");
    ck_assert_uint_eq(f->ops_len, 1);
    const struct op *op = f->ops[0];
    ck_assert(op->procedure == command_exec);
    ck_assert_uint_eq(op->steps_len, 2);
    ck_assert_uint_eq(op->steps[0].args_at, 1);
    ck_assert_uint_eq(op->steps[0].args_len, 3);
    ck_assert(op->steps[1].procedure == command_mget);
    ck_assert_uint_eq(op->steps[1].keys_at, 1);
    ck_assert_uint_eq(op->steps[1].keys_len, 2);
    ck_assert_uint_eq(op->keys_len, 3);
    ck_assert(slice_eq(op->keys[2], slice_str("{t}b")));
    fake_raw(op, "*2\r\n+OK\r\n*2\r\n$1\r\n1\r\n$-1\r\n");
    ck_says(f, "*2|+OK|*2|$1|1|$-1|");
    ck_asks(f, "EXEC", "-ERR EXEC without MULTI|");
    fake_free(f);
}
END_TEST

START_TEST(a_transaction_with_something_refused_in_it_is_not_done)
{
    static const struct {
        const char *line, *reply;
    } cases[] = {
        {"FOO", "-ERR unknown command 'FOO', with args beginning with: |"},
        {"GET", "-ERR wrong number of arguments for 'get' command|"},
        {"GET b", "-CROSSSLOT Keys in request don't hash to the same slot|"},
        {"MGET a b", "-CROSSSLOT Keys in request don't hash to the same slot|"},
        {"GRID.USE default/default", "-ERR Command not allowed inside a transaction|"},
    };
    struct fake *f = fake_resp();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_asks(f, "MULTI", "+OK|");
        ck_asks(f, "GET a", "+QUEUED|");
        ck_asks(f, cases[i].line, cases[i].reply);
        ck_asks(f, "EXEC", "-EXECABORT Transaction discarded because of previous errors.|");
    }
    ck_asks(f, "MULTI", "+OK|");
    ck_asks(f, "MULTI", "-ERR MULTI calls can not be nested|");
    ck_asks(f, "WATCH a", "-ERR WATCH inside MULTI is not allowed|");
    ck_asks(f, "DISCARD", "+OK|");
    ck_asks(f, "DISCARD", "-ERR DISCARD without MULTI|");
    ck_assert_uint_eq(f->ops_len, 0);
    fake_free(f);
}
END_TEST

START_TEST(commands_of_the_session_answer_in_their_places)
{
    struct fake *f = fake_resp();
    ck_asks(f, "MULTI", "+OK|");
    fake_line(f, "ECHO first");
    fake_line(f, "SET a 1");
    fake_line(f, "PING");
    fake_line(f, "HGETALL a");
    fake_line(f, "DBSIZE");
    fake_line(f, "SELECT 5");
    fake_offer(f);
    fake_said(f);
    fake_ask(f, "EXEC");
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert_uint_eq(f->ops[0]->steps_len, 2);
    fake_raw(f->ops[0], "*2\r\n+OK\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    fake_expect_nothing(f);
    fake_turn_end(f);
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, FAKE_SHARDS);
    for (size_t i = 0; i < FAKE_SHARDS; i++)
        fake_answer(f->ops[i], (struct result){.number = 2});
    fake_line(f, "PING");
    fake_offer(f);
    ck_says(f, "*6|$5|first|+OK|+PONG|*2|$1|f|$1|v|:8|-ERR DB index is out of range|+PONG|");
    fake_free(f);
}
END_TEST

/* The call may have been done by another node, whose bytes are nobody's promise. */
START_TEST(an_answer_of_replies_that_make_no_sense_is_none)
{
    static const char *const cases[] = {
        "",
        "*2",
        "*2\r\n",
        "*1\r\n+OK\r\n",
        "*3\r\n+OK\r\n+OK\r\n+OK\r\n",
        "+OK\r\n+OK\r\n+OK\r\n",
        "*2\r\n+OK\r\n$5\r\nab\r\n",
        "*2\r\n+OK\r\n$1\r\nabc",
        "*2\r\n+OK\r\n$9223372036854775807\r\nab\r\n",
        "*2\r\n+OK\r\n*9223372036854775807\r\n+a\r\n",
        "*2\r\n+OK\r\n*-2\r\n",
        "*2\r\n+OK\r\n$x\r\n",
        "*2\r\n+OK\r\n\r\n",
        "*2\r\n+OK\r\n\n",
        "*2\r\n+OK\r\n:1\r\n+OK\r\n",
        "*2\r\n+OK\r\n*2\r\n+OK\r\n",
    };
    struct fake *f = fake_resp();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_line(f, "MULTI");
        fake_line(f, "SET a 1");
        fake_line(f, "PING");
        fake_line(f, "GET a");
        fake_offer(f);
        fake_said(f);
        fake_ask(f, "EXEC");
        ck_assert_uint_eq(f->ops_len, 1);
        fake_raw(f->ops[0], cases[i]);
        fake_turn_end(f);
        fake_offer(f);
        ck_says(f, "-INDOUBT no answer: the write may or may not have been done|");
        ck_asks(f, "PING", "+PONG|");
    }
    fake_free(f);
}
END_TEST

START_TEST(watched_keys_are_compared_by_their_versions)
{
    struct fake *f = fake_resp();
    fake_line(f, "WATCH {t}a {t}b");
    fake_line(f, "MULTI");
    fake_line(f, "SET {t}a 1");
    fake_line(f, "EXEC");
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 2); /* EXEC waits for the versions */
    ck_assert(f->ops[0]->kind == OP_GET && f->ops[0]->keys_only);
    fake_answer(f->ops[1], (struct result){.status = GRID_ENOT_FOUND});
    fake_answer(f->ops[0], (struct result){.version = 77});
    fake_turn_end(f);
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 1);
    const struct op *op = f->ops[0];
    ck_assert_uint_eq(op->steps[0].args_at, 3);
    ck_assert_uint_eq(load_u64(op->args[1].data), 77);
    ck_assert_uint_eq(load_u64(op->args[2].data), 0);
    ck_assert(slice_eq(op->keys[1], slice_str("{t}b")));
    ck_assert_uint_eq(op->steps[0].keys_at, 2);
    fake_answer(op, (struct result){.reply = REPLY_NULL_ARRAY});
    ck_says(f, "+OK|+OK|+QUEUED|*-1|");
    fake_free(f);
}
END_TEST

START_TEST(what_is_watched_lies_where_the_transaction_does)
{
    struct fake *f = fake_resp();
    ck_asks(f, "WATCH a b", "-CROSSSLOT Keys in request don't hash to the same slot|");
    fake_ask(f, "WATCH a");
    fake_answer(f->ops[0], (struct result){.version = 1});
    ck_says(f, "+OK|");
    ck_asks(f, "WATCH b", "-CROSSSLOT Keys in request don't hash to the same slot|");
    ck_asks(f, "MULTI", "+OK|");
    ck_asks(f, "SET b 1", "+QUEUED|");
    fake_ask(f, "EXEC");
    ck_assert_int_eq(strncmp(fake_said(f), "-EXECABORT ", 11), 0);
    ck_asks(f, "MULTI", "+OK|");
    ck_asks(f, "EXEC", "*0|"); /* nothing is watched any more */
    fake_free(f);
}
END_TEST

START_TEST(late_versions_are_not_for_the_next_list)
{
    struct fake *f = fake_resp();
    fake_line(f, "WATCH a");
    fake_line(f, "UNWATCH");
    fake_line(f, "WATCH b");
    fake_offer(f);
    fake_answer(f->ops[1], (struct result){.version = 2});
    fake_answer(f->ops[0], (struct result){.version = 1});
    ck_says(f, "+OK|+OK|+OK|");
    fake_turn_end(f);
    fake_line(f, "MULTI");
    fake_line(f, "GET b");
    fake_line(f, "EXEC");
    fake_offer(f);
    ck_assert_uint_eq(load_u64(f->ops[0]->args[1].data), 2);
    fake_raw(f->ops[0], "*1\r\n$-1\r\n");
    ck_says(f, "+OK|+QUEUED|*1|$-1|");
    fake_free(f);
}
END_TEST

/* --- sweeps ----------------------------------------------------------------------------------- */

enum { PARTITIONS = 1024 };

/* Answers every scan there is: partition p has the keys "p:0" .. "p:n-1", n = p % 3. */
static void scans_answer(struct fake *f)
{
    for (size_t i = 0; i < f->ops_len; i++) {
        const struct op *op = f->ops[i];
        char keys[2][16];
        struct scan_item items[2];
        uint32_t len = op->partition % 3;
        ck_assert_int_eq(op->kind, OP_SCAN);
        ck_assert(op->numbered && op->keys_only);
        for (uint32_t k = 0; k < len; k++) {
            snprintf(keys[k], sizeof keys[k], "%u:%u", op->partition, k);
            items[k] =
                (struct scan_item){.key = slice_str(keys[k]), .type = k ? VALUE_HASH : VALUE_BYTES};
        }
        fake_answer(op, (struct result){.items = items, .items_len = len});
    }
    fake_turn_end(f);
}

START_TEST(keys_visits_every_partition_once)
{
    struct fake *f = fake_resp();
    uint32_t asked = 0;
    fake_line(f, "KEYS 7*:1");
    fake_line(f, "PING");
    while (f->in.len) {
        fake_offer(f);
        for (size_t i = 0; i < f->ops_len; i++)
            ck_assert_uint_eq(f->ops[i]->partition, asked++);
        if (f->ops_len)
            ck_assert(slice_eq(f->ops[0]->prefix, slice_str("7")));
        scans_answer(f);
    }
    ck_assert_uint_eq(asked, PARTITIONS);
    unsigned wanted = 0;
    for (unsigned p = 0; p < PARTITIONS; p++)
        wanted += p % 3 == 2 && (p / 100 == 7 || p / 10 == 7 || p == 7);
    const char *said = fake_said(f);
    ck_assert_uint_eq(strtoul(said + 1, NULL, 10), wanted);
    ck_assert_str_eq(said + strlen(said) - 7, "|+PONG|");
    fake_free(f);
}
END_TEST

START_TEST(scan_gives_every_key_by_small_cursors)
{
    struct fake *f = fake_resp();
    char cursor[32] = "0";
    unsigned keys = 0, pages = 0;
    do {
        char line[64];
        snprintf(line, sizeof line, "SCAN %s COUNT 10 TYPE hash", cursor);
        fake_line(f, line);
        while (f->in.len) {
            fake_offer(f);
            scans_answer(f);
        }
        char *end, *said = strchr(fake_said(f), '|') + 1; /* behind "*2" */
        said = strchr(said, '|') + 1;
        snprintf(cursor, sizeof cursor, "%lu", strtoul(said, &end, 10));
        ck_assert_uint_lt(strtoul(cursor, NULL, 10), PARTITIONS);
        keys += (unsigned)strtoul(strchr(said, '*') + 1, NULL, 10);
        pages++;
    } while (strcmp(cursor, "0") != 0);
    ck_assert_uint_eq(keys, PARTITIONS / 3);
    ck_assert_uint_gt(pages, 20);
    fake_free(f);
}
END_TEST

START_TEST(a_scan_goes_on_within_a_partition)
{
    struct fake *f = fake_resp();
    struct scan_item item = {.key = slice_str("k")};
    fake_ask(f, "SCAN 0 COUNT 1");
    fake_answer(f->ops[0], (struct result){.items = &item, .items_len = 1, .number = 9});
    fake_turn_end(f);
    fake_offer(f);
    ck_says(f, "*2|$4|9216|*1|$1|k|"); /* 9 * 1024 + 0 */
    fake_ask(f, "SCAN 9219");
    ck_assert_uint_eq(f->ops[0]->partition, 3);
    ck_assert_uint_eq(f->ops[0]->number_cursor, 9);
    fake_answer(f->ops[0], (struct result){.status = GRID_EDAMAGED});
    fake_offer(f);
    ck_assert_int_eq(strncmp(fake_said(f), "-CLUSTERDOWN ", 13), 0);
    fake_free(f);
}
END_TEST

START_TEST(flushall_removes_what_it_finds)
{
    struct fake *f = fake_resp();
    unsigned removed = 0;
    fake_line(f, "FLUSHALL ASYNC");
    while (f->in.len) {
        fake_offer(f);
        if (!f->ops_len || f->ops[0]->kind == OP_SCAN) {
            scans_answer(f);
            continue;
        }
        for (size_t i = 0; i < f->ops_len; i++) {
            ck_assert(f->ops[i]->procedure == command_del);
            ck_assert_uint_eq(f->ops[i]->keys_len, f->ops[i]->partition % 3);
            removed += f->ops[i]->keys_len;
            fake_integer(f->ops[i], f->ops[i]->keys_len);
        }
        fake_turn_end(f);
    }
    ck_says(f, "+OK|");
    ck_assert_uint_eq(removed, 1023); /* 341 * (1 + 2) */
    fake_free(f);
}
END_TEST

START_TEST(randomkey_looks_at_every_partition_before_it_gives_up)
{
    struct fake *f = fake_resp();
    bool asked[PARTITIONS] = {false};
    fake_line(f, "RANDOMKEY");
    while (f->in.len) {
        fake_offer(f);
        for (size_t i = 0; i < f->ops_len; i++) {
            asked[f->ops[i]->partition] = true;
            fake_answer(f->ops[i], (struct result){.status = GRID_OK});
        }
        fake_turn_end(f);
    }
    for (unsigned p = 0; p < PARTITIONS; p++)
        ck_assert(asked[p]);
    ck_says(f, "$-1|");
    fake_free(f);
}
END_TEST

START_TEST(a_client_that_goes_during_a_sweep_leaves_nothing_behind)
{
    struct fake *f = fake_resp();
    fake_ask(f, "KEYS *");
    size_t len = f->ops_len;
    ck_assert_uint_gt(len, 1);
    fake_answer(f->ops[0], (struct result){.status = GRID_OK});
    session_close(f->session);
    f->session = NULL;
    for (size_t i = 1; i < len; i++)
        fake_answer(f->ops[i], (struct result){.status = GRID_OK});
    fake_free(f);
}
END_TEST

START_TEST(what_may_be_set_is_told_by_every_connection)
{
    struct fake *f = fake_resp();
    fake_ask(f, "CONFIG SET hash-max-listpack-value 32 maxmemory 1kb");
    fake_errands();
    ck_says(f, "+OK|");
    struct session *first = f->session;
    fake_connect_to(f, &resp_door);
    ck_asks(f, "CONFIG GET maxmemory hash-max-listpack-value",
            "*4|$23|hash-max-listpack-value|$2|32|$9|maxmemory|$4|1024|");
    ck_asks(f, "CONFIG SET databases 3",
            "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set "
            "immutable config|");
    ck_asks(f, "CONFIG SET foo 1",
            "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'|");
    fake_ask(f, "CONFIG SET proto-max-bulk-len 1mb");
    ck_assert_uint_eq(f->admins, 1);
    ck_assert_int_eq(f->admin.op, ADMIN_SETTINGS_SET);
    ck_assert_int_eq(f->admin.value, 1 << 20);
    session_admin_result(&f->admin_ticket, GRID_OK, slice_make(NULL, 0), slice_make(NULL, 0));
    ck_says(f, "+OK|");
    session_free(first);
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/resp_jobs", a_transaction_is_one_call_of_steps,
          a_transaction_with_something_refused_in_it_is_not_done,
          commands_of_the_session_answer_in_their_places,
          an_answer_of_replies_that_make_no_sense_is_none,
          watched_keys_are_compared_by_their_versions,
          what_is_watched_lies_where_the_transaction_does, late_versions_are_not_for_the_next_list,
          keys_visits_every_partition_once, scan_gives_every_key_by_small_cursors,
          a_scan_goes_on_within_a_partition, flushall_removes_what_it_finds,
          randomkey_looks_at_every_partition_before_it_gives_up,
          a_client_that_goes_during_a_sweep_leaves_nothing_behind,
          what_may_be_set_is_told_by_every_connection)
