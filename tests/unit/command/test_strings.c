/* test_strings.c - strings, case by case as redis-server answers.
 * LINK: command shard replica control data base */
#include "tests/unit/command/cases.h"

START_TEST(set_writes_and_get_reads)
{
    static const struct command_case cases[] = {
        {"GET k", "$-1"},
        {"SET k v", "+OK"},
        {"GET k", "$1 v"},
        {"SET k ''", "+OK"},
        {"GET k", "$0"},
        {"SET k 'a b\\x00\\xff'", "+OK"},
        {"GET k", "$5 a b\\x00\\xff"},
        {"STRLEN k", ":5"},
        {"STRLEN none", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(set_refuses_options_that_exclude_each_other)
{
    static const struct command_case cases[] = {
        {"SET k v NX XX", "-ERR syntax error"},
        {"SET k v XX NX", "-ERR syntax error"},
        {"SET k v EX 10 PX 10", "-ERR syntax error"},
        {"SET k v EX 10 KEEPTTL", "-ERR syntax error"},
        {"SET k v KEEPTTL EX 10", "-ERR syntax error"},
        {"SET k v KEEPTTL EXAT 10", "-ERR syntax error"},
        {"SET k v PXAT 1 EXAT 10", "-ERR syntax error"},
        {"SET k v PERSIST", "-ERR syntax error"},
        {"SET k v EX", "-ERR syntax error"},
        {"SET k v PX", "-ERR syntax error"},
        {"SET k v nx EX", "-ERR syntax error"},
        {"SET k v ''", "-ERR syntax error"},
        {"SET k v what", "-ERR syntax error"},
        {"SET k v NXX", "-ERR syntax error"},
        {"EXISTS k", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(set_refuses_times_out_of_range_and_writes_nothing)
{
    static const struct command_case cases[] = {
        {"SET k v EX 0", "-ERR invalid expire time in 'set' command"},
        {"SET k v EX -1", "-ERR invalid expire time in 'set' command"},
        {"SET k v PX 0", "-ERR invalid expire time in 'set' command"},
        {"SET k v EXAT 0", "-ERR invalid expire time in 'set' command"},
        {"SET k v PXAT -5", "-ERR invalid expire time in 'set' command"},
        {"SET k v EX abc", "-ERR value is not an integer or out of range"},
        {"SET k v EX 1.5", "-ERR value is not an integer or out of range"},
        {"SET k v EX 9223372036854775808", "-ERR value is not an integer or out of range"},
        {"SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"},
        {"SET k v EX 9223372036854775", "-ERR invalid expire time in 'set' command"},
        {"SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command"},
        {"SET k v EXAT 9223372036854775807", "-ERR invalid expire time in 'set' command"},
        {"SETEX k 0 v", "-ERR invalid expire time in 'setex' command"},
        {"SETEX k -1 v", "-ERR invalid expire time in 'setex' command"},
        {"SETEX k x v", "-ERR value is not an integer or out of range"},
        {"PSETEX k 0 v", "-ERR invalid expire time in 'psetex' command"},
        {"PSETEX k 9223372036854775807 v", "-ERR invalid expire time in 'psetex' command"},
        {"SETEX k 9223372036854775807 v", "-ERR invalid expire time in 'setex' command"},
        {"EXISTS k", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(set_takes_options_in_any_case_and_order)
{
    static const struct command_case cases[] = {
        {"SET k v xX", "$-1"},
        {"SET k v nX", "+OK"},
        {"SET k w Nx", "$-1"},
        {"SET k w xx eX 100", "+OK"},
        {"TTL k", ":100"},
        {"SET k x pXaT 99999999999999 XX", "+OK"},
        {"PEXPIRETIME k", ":99999999999999"},
        {"SET k x EXAT 9999999999", "+OK"},
        {"EXPIRETIME k", ":9999999999"},
        {"SET k y KEEPTTL", "+OK"},
        {"EXPIRETIME k", ":9999999999"},
        {"SET k y", "+OK"},
        {"TTL k", ":-1"},
        {"SET k y EX 10 EX 20", "+OK"},
        {"TTL k", ":20"},
        {"SET new v KEEPTTL", "+OK"},
        {"TTL new", ":-1"},
        {"SET k v EXAT 1", "+OK"},
        {"EXISTS k", ":0"},
        {"SET none v PXAT 1", "+OK"},
        {"EXISTS none", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(set_with_get_answers_what_was_there)
{
    static const struct command_case cases[] = {
        {"SET k new GET", "$-1"},
        {"GET k", "$3 new"},
        {"SET k newer GET", "$3 new"},
        {"GET k", "$5 newer"},
        {"SET k other NX GET", "$5 newer"},
        {"GET k", "$5 newer"},
        {"SET k third XX GET", "$5 newer"},
        {"SET none v XX GET", "$-1"},
        {"EXISTS none", ":0"},
        {"SET fresh v NX GET", "$-1"},
        {"GET fresh", "$1 v"},
        {"HSET h f v", ":1"},
        {"SET h v GET", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SET h v NX GET", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SET h v EX 0 GET", "-ERR invalid expire time in 'set' command"},
        {"TYPE h", "+hash"},
        {"SET h v", "+OK"},
        {"TYPE h", "+string"},
        {"SET k v EX 100 GET", "$5 third"},
        {"TTL k", ":100"},
        {"SET k v GET", "$1 v"},
        {"TTL k", ":-1"},
    };
    RUN(cases);
}
END_TEST

START_TEST(setnx_getset_getdel)
{
    static const struct command_case cases[] = {
        {"SETNX k v", ":1"},
        {"SETNX k w", ":0"},
        {"GET k", "$1 v"},
        {"HSET h f v", ":1"},
        {"SETNX h v", ":0"},
        {"GETSET k w", "$1 v"},
        {"GETSET none v", "$-1"},
        {"GETSET h v", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SET t v EX 100", "+OK"},
        {"GETSET t w", "$1 v"},
        {"TTL t", ":-1"},
        {"GETDEL k", "$1 w"},
        {"GETDEL k", "$-1"},
        {"GETDEL h", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"EXISTS h", ":1"},
        {"SETEX k 100 v", "+OK"},
        {"TTL k", ":100"},
        {"PSETEX k 100000 v", "+OK"},
        {"TTL k", ":100"},
        {"HSET h f v", ":0"},
        {"SETEX h 100 v", "+OK"},
        {"TYPE h", "+string"},
    };
    RUN(cases);
}
END_TEST

START_TEST(getex_changes_the_deadline_alone)
{
    static const struct command_case cases[] = {
        {"SET k v", "+OK"},
        {"GETEX k", "$1 v"},
        {"TTL k", ":-1"},
        {"GETEX k EX 100", "$1 v"},
        {"TTL k", ":100"},
        {"GETEX k PX 200000", "$1 v"},
        {"TTL k", ":200"},
        {"GETEX k EXAT 9999999999", "$1 v"},
        {"EXPIRETIME k", ":9999999999"},
        {"GETEX k PXAT 99999999999999", "$1 v"},
        {"PEXPIRETIME k", ":99999999999999"},
        {"GETEX k PERSIST", "$1 v"},
        {"TTL k", ":-1"},
        {"GETEX k PERSIST", "$1 v"},
        {"GETEX none EX 10", "$-1"},
        {"GETEX k EX 0", "-ERR invalid expire time in 'getex' command"},
        {"GETEX none EX 0", "$-1"},
        {"GETEX k EX", "-ERR syntax error"},
        {"GETEX k EX x", "-ERR value is not an integer or out of range"},
        {"GETEX k EX 10 PX 10", "-ERR syntax error"},
        {"GETEX k EX 10 PERSIST", "-ERR syntax error"},
        {"GETEX k PERSIST EX 10", "-ERR syntax error"},
        {"GETEX k KEEPTTL", "-ERR syntax error"},
        {"GETEX k NX", "-ERR syntax error"},
        {"HSET h f v", ":1"},
        {"GETEX h", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"GETEX h EX 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"GETEX k EXAT 1", "$1 v"},
        {"GET k", "$-1"},
    };
    RUN(cases);
}
END_TEST

START_TEST(mset_and_mget_take_a_key_twice)
{
    static const struct command_case cases[] = {
        {"MSET a 1 b 2", "+OK"},
        {"MGET a b none", "*3 $1 1 $1 2 $-1"},
        {"MSET a 1 a 2 a 3", "+OK"},
        {"GET a", "$1 3"},
        {"MGET a a", "*2 $1 3 $1 3"},
        {"HSET h f v", ":1"},
        {"MGET h a", "*2 $-1 $1 3"},
        {"MSET h v", "+OK"},
        {"MGET h", "*1 $1 v"},
        {"MSETNX c 1 a 2", ":0"},
        {"EXISTS c", ":0"},
        {"MSETNX c 1 c 2", ":1"},
        {"GET c", "$1 2"},
        {"SET t v EX 100", "+OK"},
        {"MSET t w", "+OK"},
        {"TTL t", ":-1"},
    };
    RUN(cases);
}
END_TEST

START_TEST(append_and_ranges)
{
    static const struct command_case cases[] = {
        {"APPEND k abc", ":3"},
        {"APPEND k ''", ":3"},
        {"APPEND k def", ":6"},
        {"GET k", "$6 abcdef"},
        {"APPEND none ''", ":0"},
        {"EXISTS none", ":1"},
        {"SET t a EX 100", "+OK"},
        {"APPEND t b", ":2"},
        {"TTL t", ":100"},
        {"GETRANGE k 0 2", "$3 abc"},
        {"GETRANGE k 0 -1", "$6 abcdef"},
        {"GETRANGE k -3 -1", "$3 def"},
        {"GETRANGE k -100 100", "$6 abcdef"},
        {"GETRANGE k 4 2", "$0"},
        {"GETRANGE k -1 -3", "$0"},
        {"GETRANGE k -3 1", "$0"},
        {"GETRANGE k 100 200", "$0"},
        {"GETRANGE k 0 -100", "$1 a"},
        {"GETRANGE k -9223372036854775808 9223372036854775807", "$6 abcdef"},
        {"GETRANGE k a 1", "-ERR value is not an integer or out of range"},
        {"GETRANGE k 0 b", "-ERR value is not an integer or out of range"},
        {"GETRANGE none 0 -1", "$0"},
        {"SUBSTR k 1 2", "$2 bc"},
        {"HSET h f v", ":1"},
        {"GETRANGE h 0 -1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"APPEND h x", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"STRLEN h", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
    };
    RUN(cases);
}
END_TEST

START_TEST(setrange_pads_with_zero_bytes)
{
    static const struct command_case cases[] = {
        {"SETRANGE k 3 abc", ":6"},
        {"GET k", "$6 \\x00\\x00\\x00abc"},
        {"SETRANGE k 0 xy", ":6"},
        {"GET k", "$6 xy\\x00abc"},
        {"SETRANGE k 10 ''", ":6"},
        {"STRLEN k", ":6"},
        {"SETRANGE none 10 ''", ":0"},
        {"EXISTS none", ":0"},
        {"SETRANGE k -1 a", "-ERR offset is out of range"},
        {"SETRANGE k a a", "-ERR value is not an integer or out of range"},
        {"SETRANGE k 9223372036854775807 a",
         "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
        {"SETRANGE k 999999999 a", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
        {"SETRANGE none 0 ab", ":2"},
        {"GET none", "$2 ab"},
        {"HSET h f v", ":1"},
        {"SETRANGE h 0 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SETRANGE h -1 a", "-ERR offset is out of range"},
        {"SETRANGE h 0 ''", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SET t abc EX 100", "+OK"},
        {"SETRANGE t 1 x", ":3"},
        {"TTL t", ":100"},
    };
    RUN(cases);
}
END_TEST

START_TEST(numbers_are_those_of_redis)
{
    static const struct command_case cases[] = {
        {"INCR n", ":1"},
        {"INCR n", ":2"},
        {"DECR n", ":1"},
        {"INCRBY n 10", ":11"},
        {"DECRBY n 3", ":8"},
        {"INCRBY n -20", ":-12"},
        {"GET n", "$3 -12"},
        {"INCRBY n 9223372036854775807", ":9223372036854775795"},
        {"INCRBY n 9223372036854775807", "-ERR increment or decrement would overflow"},
        {"SET n 9223372036854775807", "+OK"},
        {"INCR n", "-ERR increment or decrement would overflow"},
        {"DECRBY n -1", "-ERR increment or decrement would overflow"},
        {"GET n", "$19 9223372036854775807"},
        {"SET n -9223372036854775808", "+OK"},
        {"DECR n", "-ERR increment or decrement would overflow"},
        {"INCRBY n 9223372036854775807", ":-1"},
        {"DECRBY n -9223372036854775808", "-ERR decrement would overflow"},
        {"DECRBY n 9223372036854775808", "-ERR value is not an integer or out of range"},
        {"INCRBY n 1.5", "-ERR value is not an integer or out of range"},
        {"INCRBY n ''", "-ERR value is not an integer or out of range"},
        {"INCRBY n ' 1'", "-ERR value is not an integer or out of range"},
        {"INCRBY n +1", "-ERR value is not an integer or out of range"},
        {"INCRBY n 01", "-ERR value is not an integer or out of range"},
        {"INCRBY n -0", "-ERR value is not an integer or out of range"},
        {"INCRBY n 1x", "-ERR value is not an integer or out of range"},
        {"INCRBY n '1\\x00'", "-ERR value is not an integer or out of range"},
        {"SET s abc", "+OK"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"SET s ' 1'", "+OK"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"SET s 01", "+OK"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"SET s ''", "+OK"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"SET s -0", "+OK"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"SET s 99999999999999999999", "+OK"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"SET s 9223372036854775808", "+OK"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"HSET h f v", ":1"},
        {"INCR h", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"INCRBY h x", "-ERR value is not an integer or out of range"},
        {"SET t 5 EX 100", "+OK"},
        {"INCR t", ":6"},
        {"TTL t", ":100"},
    };
    RUN(cases);
}
END_TEST

START_TEST(floats_are_those_of_redis)
{
    static const struct command_case cases[] = {
        {"INCRBYFLOAT f 1.5", "$3 1.5"},
        {"INCRBYFLOAT f 1.5", "$1 3"},
        {"INCRBYFLOAT f -3", "$1 0"},
        {"INCRBYFLOAT f 0.1", "$3 0.1"},
        {"INCRBYFLOAT f 0.2", "$3 0.3"},
        {"INCRBYFLOAT f 1e3", "$22 1000.29999999999999999"},
        {"INCRBYFLOAT f 1e20", "$21 100000000000000001000"},
        {"INCRBYFLOAT f 0x10", "$21 100000000000000001016"},
        {"INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity"},
        {"INCRBYFLOAT f -inf", "-ERR increment would produce NaN or Infinity"},
        {"INCRBYFLOAT f nan", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f abc", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f ''", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f ' 1'", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f '1 '", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f 1e5000", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f 1e-5000", "-ERR value is not a valid float"},
        {"SET f 3", "+OK"},
        {"INCRBYFLOAT f 1.1", "$3 4.1"},
        {"SET f -1", "+OK"},
        {"INCRBYFLOAT f 1", "$1 0"},
        {"SET f 0", "+OK"},
        {"INCRBYFLOAT f -0.0", "$1 0"},
        {"SET f 1.0e2", "+OK"},
        {"INCRBYFLOAT f 0", "$3 100"},
        {"SET f abc", "+OK"},
        {"INCRBYFLOAT f 1", "-ERR value is not a valid float"},
        {"SET f inf", "+OK"},
        {"INCRBYFLOAT f 1", "-ERR increment would produce NaN or Infinity"},
        {"SET f '1\\x00'", "+OK"},
        {"INCRBYFLOAT f 1", "-ERR value is not a valid float"},
        {"HSET h f v", ":1"},
        {"INCRBYFLOAT h 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"INCRBYFLOAT h x", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SET t 1 EX 100", "+OK"},
        {"INCRBYFLOAT t 1", "$1 2"},
        {"TTL t", ":100"},
        {"SET f 17179869184.0000000001", "+OK"},
        {"INCRBYFLOAT f 1", "$11 17179869185"},
        {"SET f 123456789012345678", "+OK"},
        {"INCRBYFLOAT f 0.5", "$20 123456789012345678.5"},
    };
    RUN(cases);
}
END_TEST

START_TEST(lcs_finds_the_longest_common_subsequence)
{
    static const struct command_case cases[] = {
        {"MSET a ohmytext b mynewtext", "+OK"},
        {"LCS a b", "$6 mytext"},
        {"LCS a b LEN", ":6"},
        {"LCS a b IDX", "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6"},
        {"LCS a b IDX MINMATCHLEN 4", "*4 $7 matches *1 *2 *2 :4 :7 *2 :5 :8 $3 len :6"},
        {"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
         "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6"},
        {"LCS a b IDX WITHMATCHLEN",
         "*4 $7 matches *2 *3 *2 :4 :7 *2 :5 :8 :4 *3 *2 :2 :3 *2 :0 :1 :2 $3 len :6"},
        {"LCS a b IDX MINMATCHLEN -3",
         "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6"},
        {"LCS a b IDX MINMATCHLEN 100", "*4 $7 matches *0 $3 len :6"},
        {"LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX."},
        {"LCS a b MINMATCHLEN", "-ERR syntax error"},
        {"LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range"},
        {"LCS a b what", "-ERR syntax error"},
        {"LCS a b MINMATCHLEN 2", "$6 mytext"},
        {"LCS a b WITHMATCHLEN", "$6 mytext"},
        {"LCS a none", "$0"},
        {"LCS none none LEN", ":0"},
        {"LCS none a IDX", "*4 $7 matches *0 $3 len :0"},
        {"LCS a a", "$8 ohmytext"},
        {"LCS a a IDX WITHMATCHLEN", "*4 $7 matches *1 *3 *2 :0 :7 *2 :0 :7 :8 $3 len :8"},
        {"SET c abcabcabc", "+OK"},
        {"SET d cbacbacba", "+OK"},
        {"LCS c d", "$5 cbabc"},
        {"LCS c d IDX WITHMATCHLEN",
         "*4 $7 matches *5 *3 *2 :8 :8 *2 :6 :6 :1 *3 *2 :7 :7 *2 :4 :4 :1 *3 *2 :6 :6 *2 :2 :2 :1 "
         "*3 *2 :4 :4 *2 :1 :1 :1 *3 *2 :2 :2 *2 :0 :0 :1 $3 len :5"},
        {"HSET h f v", ":1"},
        {"LCS a h", "-ERR The specified keys must contain string values"},
        {"LCS h h LEN IDX", "-ERR The specified keys must contain string values"},
        {"LCS h a what", "-ERR The specified keys must contain string values"},
    };
    RUN(cases);
}
END_TEST

/* --- what has no case in Redis ---------------------------------------------------------------- */

START_TEST(a_word_with_a_zero_byte_is_no_option)
{
    static const struct command_case cases[] = {
        {"SET k v 'nx\\x00'", "-ERR syntax error"},
        {"SET k v 'nx\\x00aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", "-ERR syntax error"},
        {"GETEX k 'persist\\x00'", "-ERR syntax error"},
        {"LCS k k 'len\\x00'", "-ERR syntax error"},
        {"EXISTS k", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(what_has_no_deadline_gets_that_of_the_cache)
{
    static const struct command_case cases[] = {
        {"SET k v", "+OK"},      {"PTTL k", ":1000"},     {"SET k v EX 100", "+OK"},
        {"TTL k", ":100"},       {"APPEND k w", ":2"},    {"TTL k", ":100"},
        {"APPEND a w", ":1"},    {"PTTL a", ":1000"},     {"INCR n", ":1"},
        {"PTTL n", ":1000"},     {"MSET k 1 m 2", "+OK"}, {"PTTL k", ":1000"},
        {"PTTL m", ":1000"},     {"HSET h f v", ":1"},    {"PTTL h", ":1000"},
        {"HINCRBY i f 1", ":1"}, {"PTTL i", ":1000"},     {"PERSIST h", ":1"},
        {"HSET h g v", ":1"},    {"TTL h", ":-1"},        {"SET k v KEEPTTL", "+OK"},
        {"PTTL k", ":1000"},
    };
    struct world *w = world_new();
    w->cache = h_cache(w->h, "default/short");
    cases_run_in(w, cases, sizeof cases / sizeof *cases);
    w->h->now += 1000;
    ASK(w, "GET k", "$-1");
    ASK(w, "HGET h f", "$1 v");
    world_free(w);
}
END_TEST

START_TEST(what_changes_nothing_makes_no_record)
{
    static const char *const lines[] = {
        "GET k",          "SET k v NX",      "SET none v XX",
        "SET k v EX 0",   "SETNX k v",       "MSETNX none v k v",
        "GETEX k",        "GETEX k PERSIST", "SETRANGE k 5 ''",
        "INCR k",         "INCRBYFLOAT k 1", "PERSIST k",
        "EXPIRE k 10 XX", "EXPIRE none 10",  "DEL none",
        "RENAME k k",     "RENAMENX k h",    "COPY k h",
        "HSETNX h f w",   "HDEL h none",     "HDEL none f",
        "HINCRBY h f 1",  "GETDEL none",     "SET k v GET NX",
        "HSET k f v",     "GETSET h v",
    };
    struct world *w = world_new();
    ask(w, "SET k v");
    ask(w, "HSET h f v");
    size_t records = w->h->log_len;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ask(w, lines[i]);
        ck_assert_msg(w->h->log_len == records, "%s", lines[i]);
    }
    world_free(w);
}
END_TEST

START_TEST(a_reply_shows_what_was_there_when_it_is_replaced)
{
    struct world *w = world_new();
    ASK(w, "SET k old-and-long-enough-to-be-elsewhere", "+OK");
    ASK(w, "GETSET k new", "$35 old-and-long-enough-to-be-elsewhere");
    ASK(w, "GETDEL k", "$3 new");
    ASK(w, "SET k v PX 100", "+OK");
    ASK(w, "GETEX k PXAT 1", "$1 v");
    ASK(w, "EXISTS k", ":0");
    world_free(w);
}
END_TEST

/* A value at the limit, or one byte beyond it. */
static const char *ask_large(struct world *w, const char *head, size_t len)
{
    static struct words words;
    static uint8_t large[(16 << 20) + 64];
    words = (struct words){.len = 0};
    words_read(&words, head);
    memset(large, 'x', sizeof large);
    words.at[words.len++] = slice_make(large, len);
    ask_words(w, &words);
    return w->text;
}

START_TEST(no_value_grows_beyond_the_limit)
{
    enum { MAX = 16 << 20 };
    static const char *const refusals[] = {"SET k",    "SETNX k", "GETSET k", "SETEX k 100",
                                           "APPEND s", "MSET k",  "HSET h f", "SETRANGE s 1"};
    struct world *w = world_new();
    ASK(w, "SET s a", "+OK");
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const char *got = ask_large(w, refusals[i], i == 4 || i == 6 || i == 7 ? MAX : MAX + 1);
        ck_assert_msg(strcmp(got, "-ERR string exceeds maximum allowed size "
                                  "(proto-max-bulk-len)") == 0,
                      "%s -> %.60s", refusals[i], got);
    }
    ASK(w, "EXISTS k h", ":0");
    ASK(w, "GET s", "$1 a");
    ck_assert_str_eq(ask_large(w, "SET k", MAX), "+OK");
    ASK(w, "STRLEN k", ":16777216");
    ASK(w, "APPEND k a", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    world_free(w);
}
END_TEST

UNIT_MAIN("command/strings", set_writes_and_get_reads, set_refuses_options_that_exclude_each_other,
          set_refuses_times_out_of_range_and_writes_nothing,
          set_takes_options_in_any_case_and_order, set_with_get_answers_what_was_there,
          setnx_getset_getdel, getex_changes_the_deadline_alone, mset_and_mget_take_a_key_twice,
          append_and_ranges, setrange_pads_with_zero_bytes, numbers_are_those_of_redis,
          floats_are_those_of_redis, lcs_finds_the_longest_common_subsequence,
          a_word_with_a_zero_byte_is_no_option, what_has_no_deadline_gets_that_of_the_cache,
          what_changes_nothing_makes_no_record, a_reply_shows_what_was_there_when_it_is_replaced,
          no_value_grows_beyond_the_limit)
