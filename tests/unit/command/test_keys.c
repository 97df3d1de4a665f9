/* test_keys.c - keys whatever they hold, case by case as redis-server answers.
 * LINK: command shard replica control data base */
#include "tests/unit/command/cases.h"

START_TEST(del_and_exists_count_as_redis_does)
{
    static const struct command_case cases[] = {
        {"DEL none", ":0"},       {"MSET a 1 b 2 c 3", "+OK"},
        {"HSET h f v", ":1"},     {"EXISTS a b c h none", ":4"},
        {"EXISTS a a a", ":3"},   {"TOUCH a a none", ":2"},
        {"DEL a a none", ":1"},   {"DEL b c h", ":3"},
        {"EXISTS a b c h", ":0"}, {"UNLINK a", ":0"},
        {"SET a 1", "+OK"},       {"UNLINK a a", ":1"},
    };
    RUN(cases);
}
END_TEST

START_TEST(type_says_what_a_key_holds)
{
    static const struct command_case cases[] = {
        {"SET s v", "+OK"},  {"HSET h f v", ":1"},   {"TYPE s", "+string"},
        {"TYPE h", "+hash"}, {"TYPE none", "+none"},
    };
    RUN(cases);
}
END_TEST

START_TEST(expire_sets_moves_and_ends_life)
{
    static const struct command_case cases[] = {
        {"EXPIRE none 10", ":0"},
        {"SET k v", "+OK"},
        {"TTL k", ":-1"},
        {"PTTL k", ":-1"},
        {"EXPIRETIME k", ":-1"},
        {"PEXPIRETIME k", ":-1"},
        {"TTL none", ":-2"},
        {"PTTL none", ":-2"},
        {"EXPIRETIME none", ":-2"},
        {"PEXPIRETIME none", ":-2"},
        {"EXPIRE k 100", ":1"},
        {"TTL k", ":100"},
        {"PEXPIRE k 200000", ":1"},
        {"TTL k", ":200"},
        {"EXPIREAT k 9999999999", ":1"},
        {"EXPIRETIME k", ":9999999999"},
        {"PEXPIREAT k 99999999999999", ":1"},
        {"PEXPIRETIME k", ":99999999999999"},
        {"EXPIRETIME k", ":100000000000"},
        {"PEXPIREAT k 99999999999500", ":1"},
        {"EXPIRETIME k", ":100000000000"},
        {"PERSIST k", ":1"},
        {"PERSIST k", ":0"},
        {"PERSIST none", ":0"},
        {"TTL k", ":-1"},
        {"EXPIRE k 0", ":1"},
        {"EXISTS k", ":0"},
        {"SET k v", "+OK"},
        {"EXPIRE k -1", ":1"},
        {"EXISTS k", ":0"},
        {"SET k v", "+OK"},
        {"EXPIREAT k 1", ":1"},
        {"EXISTS k", ":0"},
        {"SET k v", "+OK"},
        {"PEXPIREAT k -9223372036854775808", ":1"},
        {"EXISTS k", ":0"},
        {"HSET h f v", ":1"},
        {"EXPIRE h 100", ":1"},
        {"TTL h", ":100"},
        {"HSET h g w", ":1"},
        {"TTL h", ":100"},
        {"HDEL h f", ":1"},
        {"TTL h", ":100"},
        {"EXPIRE h -1", ":1"},
        {"EXISTS h", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(expire_refuses_what_is_no_time)
{
    static const struct command_case cases[] = {
        {"SET k v", "+OK"},
        {"EXPIRE k x", "-ERR value is not an integer or out of range"},
        {"EXPIRE k ''", "-ERR value is not an integer or out of range"},
        {"EXPIRE k 1.5", "-ERR value is not an integer or out of range"},
        {"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"},
        {"EXPIRE k 9223372036854775", "-ERR invalid expire time in 'expire' command"},
        {"EXPIRE k -9223372036854775808", "-ERR invalid expire time in 'expire' command"},
        {"PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"},
        {"EXPIREAT k 9223372036854775807", "-ERR invalid expire time in 'expireat' command"},
        {"EXPIRE k 9223372036854775808", "-ERR value is not an integer or out of range"},
        {"EXPIRE none x", "-ERR value is not an integer or out of range"},
        {"EXPIRE none 9223372036854775807", "-ERR invalid expire time in 'expire' command"},
        {"PEXPIRE none 9223372036854775807 NX", "-ERR invalid expire time in 'pexpire' command"},
        {"TTL k", ":-1"},
    };
    RUN(cases);
}
END_TEST

START_TEST(expire_flags_compare_with_the_deadline_that_is)
{
    static const struct command_case cases[] = {
        {"SET k v", "+OK"},
        {"EXPIRE k 100 XX", ":0"},
        {"EXPIRE k 100 GT", ":0"},
        {"TTL k", ":-1"},
        {"EXPIRE k 100 NX", ":1"},
        {"EXPIRE k 200 NX", ":0"},
        {"EXPIRE k 200 XX", ":1"},
        {"TTL k", ":200"},
        {"EXPIRE k 100 GT", ":0"},
        {"EXPIRE k 300 GT", ":1"},
        {"TTL k", ":300"},
        {"EXPIRE k 400 LT", ":0"},
        {"EXPIRE k 100 LT", ":1"},
        {"TTL k", ":100"},
        {"PERSIST k", ":1"},
        {"EXPIRE k 500 LT", ":1"},
        {"TTL k", ":500"},
        {"EXPIRE k 600 XX GT", ":1"},
        {"TTL k", ":600"},
        {"EXPIRE k 50 XX LT", ":1"},
        {"TTL k", ":50"},
        {"EXPIRE k 100 nx gt",
         "-ERR NX and XX, GT or LT options at the same time are not compatible"},
        {"EXPIRE k 100 NX XX",
         "-ERR NX and XX, GT or LT options at the same time are not compatible"},
        {"EXPIRE k 100 GT LT", "-ERR GT and LT options at the same time are not compatible"},
        {"EXPIRE k 100 NX GT LT",
         "-ERR NX and XX, GT or LT options at the same time are not compatible"},
        {"EXPIRE k 100 AB", "-ERR Unsupported option AB"},
        {"EXPIRE k 100 NX AB", "-ERR Unsupported option AB"},
        {"EXPIRE k 100 ''", "-ERR Unsupported option"},
        {"EXPIRE k x AB", "-ERR Unsupported option AB"},
        {"EXPIRE k x NX XX",
         "-ERR NX and XX, GT or LT options at the same time are not compatible"},
        {"EXPIRE none 100 AB", "-ERR Unsupported option AB"},
        {"EXPIREAT k 1 GT", ":0"},
        {"EXISTS k", ":1"},
        {"EXPIREAT k 1 LT", ":1"},
        {"EXISTS k", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(rename_moves_value_and_deadline)
{
    static const struct command_case cases[] = {
        {"SET a 1", "+OK"},
        {"RENAME a b", "+OK"},
        {"GET b", "$1 1"},
        {"EXISTS a", ":0"},
        {"RENAME none b", "-ERR no such key"},
        {"RENAME none none", "-ERR no such key"},
        {"RENAMENX none b", "-ERR no such key"},
        {"GET b", "$1 1"},
        {"SET c 2 EX 100", "+OK"},
        {"RENAME c b", "+OK"},
        {"GET b", "$1 2"},
        {"TTL b", ":100"},
        {"RENAME b b", "+OK"},
        {"GET b", "$1 2"},
        {"SET d 3", "+OK"},
        {"RENAMENX b d", ":0"},
        {"RENAMENX b b", ":0"},
        {"RENAMENX b e", ":1"},
        {"GET e", "$1 2"},
        {"TTL e", ":100"},
        {"HSET h f v g w", ":2"},
        {"RENAME h e", "+OK"},
        {"HGETALL e", "*4 $1 f $1 v $1 g $1 w"},
        {"TTL e", ":-1"},
        {"SET s 1 EX 100", "+OK"},
        {"HSET h f v", ":1"},
        {"RENAME h s", "+OK"},
        {"TTL s", ":-1"},
    };
    RUN(cases);
}
END_TEST

START_TEST(copy_leaves_the_source)
{
    static const struct command_case cases[] = {
        {"SET a 1 EX 100", "+OK"},
        {"COPY a b", ":1"},
        {"GET a", "$1 1"},
        {"GET b", "$1 1"},
        {"TTL b", ":100"},
        {"COPY a b", ":0"},
        {"SET a 2", "+OK"},
        {"COPY a b", ":0"},
        {"GET b", "$1 1"},
        {"COPY a b REPLACE", ":1"},
        {"GET b", "$1 2"},
        {"TTL b", ":-1"},
        {"COPY a b replace REPLACE", ":1"},
        {"COPY none b", ":0"},
        {"COPY none b REPLACE", ":0"},
        {"EXISTS b", ":1"},
        {"COPY a a", "-ERR source and destination objects are the same"},
        {"COPY a a REPLACE", "-ERR source and destination objects are the same"},
        {"COPY none none", "-ERR source and destination objects are the same"},
        {"COPY a c DB 0", ":1"},
        {"GET c", "$1 2"},
        {"COPY a c DB x", "-ERR value is not an integer or out of range"},
        {"COPY a c DB 99999", "-ERR DB index is out of range"},
        {"COPY a c DB -1", "-ERR DB index is out of range"},
        {"COPY a c DB", "-ERR syntax error"},
        {"COPY a c what", "-ERR syntax error"},
        {"COPY a c REPLACE what", "-ERR syntax error"},
        {"HSET h f v g w", ":2"},
        {"COPY h c REPLACE", ":1"},
        {"HGETALL c", "*4 $1 f $1 v $1 g $1 w"},
        {"HSET c f changed", ":0"},
        {"HGET h f", "$1 v"},
    };
    RUN(cases);
}
END_TEST

START_TEST(object_tells_redis_encodings)
{
    static const struct command_case cases[] = {
        {"SET s 123", "+OK"},
        {"OBJECT ENCODING s", "$3 int"},
        {"SET s -9223372036854775808", "+OK"},
        {"OBJECT ENCODING s", "$3 int"},
        {"SET s 9223372036854775808", "+OK"},
        {"OBJECT ENCODING s", "$6 embstr"},
        {"SET s abc", "+OK"},
        {"OBJECT ENCODING s", "$6 embstr"},
        {"SET s ''", "+OK"},
        {"OBJECT ENCODING s", "$6 embstr"},
        {"SET s aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "+OK"},
        {"OBJECT ENCODING s", "$6 embstr"},
        {"SET s aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "+OK"},
        {"OBJECT ENCODING s", "$3 raw"},
        {"HSET h f v", ":1"},
        {"OBJECT ENCODING h", "$8 listpack"},
        {"HSET h f aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ":0"},
        {"OBJECT ENCODING h", "$8 listpack"},
        {"HSET h f aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ":0"},
        {"OBJECT ENCODING h", "$9 hashtable"},
        {"OBJECT ENCODING none", "$-1"},
        {"OBJECT REFCOUNT none", "$-1"},
        {"SET s 9999", "+OK"},
        {"OBJECT REFCOUNT s", ":2147483647"},
        {"SET s 10000", "+OK"},
        {"OBJECT REFCOUNT s", ":1"},
        {"SET s -1", "+OK"},
        {"OBJECT REFCOUNT s", ":1"},
        {"OBJECT REFCOUNT h", ":1"},
        {"OBJECT IDLETIME none", "$-1"},
        {"OBJECT IDLETIME h", ":0"},
        {"OBJECT FREQ none", "$-1"},
        {"OBJECT FREQ h", "-ERR An LFU maxmemory policy is not selected, access frequency not "
                          "tracked. Please note that when switching between policies at runtime "
                          "LRU and LFU data will take some time to adjust."},
    };
    RUN(cases);
}
END_TEST

START_TEST(restore_refuses_what_dump_did_not_make)
{
    static const struct command_case cases[] = {
        {"SET k v", "+OK"},
        {"RESTORE k 0 junk", "-BUSYKEY Target key name already exists."},
        {"RESTORE n 0 junk", "-ERR DUMP payload version or checksum are wrong"},
        {"RESTORE n 0 ''", "-ERR DUMP payload version or checksum are wrong"},
        {"RESTORE n -1 junk", "-ERR Invalid TTL value, must be >= 0"},
        {"RESTORE n x junk", "-ERR value is not an integer or out of range"},
        {"RESTORE k x junk", "-BUSYKEY Target key name already exists."},
        {"RESTORE n 0 junk REPLACE", "-ERR DUMP payload version or checksum are wrong"},
        {"RESTORE k 0 junk REPLACE", "-ERR DUMP payload version or checksum are wrong"},
        {"RESTORE n 0 junk what", "-ERR syntax error"},
        {"RESTORE n 0 junk IDLETIME", "-ERR syntax error"},
        {"RESTORE n 0 junk IDLETIME x", "-ERR value is not an integer or out of range"},
        {"RESTORE n 0 junk IDLETIME -1", "-ERR Invalid IDLETIME value, must be >= 0"},
        {"RESTORE n 0 junk FREQ 256", "-ERR Invalid FREQ value, must be >= 0 and <= 255"},
        {"RESTORE n 0 junk FREQ -1", "-ERR Invalid FREQ value, must be >= 0 and <= 255"},
        {"RESTORE n 0 junk FREQ 1 IDLETIME 1", "-ERR syntax error"},
        {"RESTORE n 0 junk IDLETIME 1 FREQ 1", "-ERR syntax error"},
        {"RESTORE k 0 junk what", "-ERR syntax error"},
        {"EXISTS n", ":0"},
        {"GET k", "$1 v"},
        {"DUMP none", "$-1"},
    };
    RUN(cases);
}
END_TEST

START_TEST(memory_usage_of_a_key_that_is_not_there)
{
    static const struct command_case cases[] = {
        {"MEMORY USAGE none", "$-1"},
        {"MEMORY USAGE none SAMPLES 5", "$-1"},
        {"MEMORY USAGE none SAMPLES -1", "-ERR syntax error"},
        {"MEMORY USAGE none SAMPLES x", "-ERR value is not an integer or out of range"},
        {"MEMORY USAGE none SAMPLES", "-ERR syntax error"},
        {"MEMORY USAGE none what 5", "-ERR syntax error"},
    };
    RUN(cases);
}
END_TEST

/* --- what has no case in Redis ---------------------------------------------------------------- */

START_TEST(deadlines_far_away_are_told_without_overflow)
{
    static const struct command_case cases[] = {
        {"SET k v PXAT 9223372036854775807", "+OK"},
        {"PEXPIRETIME k", ":9223372036854775807"},
        {"EXPIRETIME k", ":9223372036854776"},
        {"PTTL k", ":9223372036853775807"},
        {"TTL k", ":9223372036853776"},
    };
    RUN(cases);
}
END_TEST

/* RESTORE `key` from the last reply, which was to DUMP, with one byte changed and some cut off. */
static const char *restore(struct world *w, const char *line, size_t flip, size_t cut)
{
    static struct words words;
    words = (struct words){.len = 0};
    words_read(&words, line);
    size_t head = 1;
    while (w->reply.data[head - 1] != '\n')
        head++;
    struct slice dump = slice_make(w->reply.data + head, w->reply.len - head - 2 - cut);
    if (flip < dump.len)
        w->reply.data[head + flip] ^= 1;
    struct slice options[4];
    uint32_t options_len = words.len - 3;
    for (uint32_t i = 0; i < options_len; i++)
        options[i] = words.at[3 + i];
    words.len = 3;
    word_add(&words, dump);
    for (uint32_t i = 0; i < options_len; i++)
        words.at[words.len++] = options[i];
    ask_words(w, &words);
    return w->text;
}

#define WHOLE SIZE_MAX, 0

START_TEST(restore_makes_what_was_dumped)
{
    struct world *w = world_new();
    ask(w, "SET s 'a\\x00b'");
    ask(w, "HSET h f v '' ''");
    ask(w, "DUMP s");
    ck_assert_str_eq(restore(w, "RESTORE t 0", WHOLE), "+OK");
    ASK(w, "GET t", "$3 a\\x00b");
    ASK(w, "TTL t", ":-1");
    ask(w, "DUMP h");
    ck_assert_str_eq(restore(w, "RESTORE t 5000", WHOLE),
                     "-BUSYKEY Target key name already exists.");
    ask(w, "DUMP h");
    ck_assert_str_eq(restore(w, "RESTORE t 5000 REPLACE IDLETIME 5", WHOLE), "+OK");
    ASK(w, "HGETALL t", "*4 $1 f $1 v $0  $0");
    ASK(w, "PTTL t", ":5000");
    ask(w, "DUMP h");
    ck_assert_str_eq(restore(w, "RESTORE u 99999999999999 absttl FREQ 5", WHOLE), "+OK");
    ASK(w, "PEXPIRETIME u", ":99999999999999");
    ask(w, "DUMP h");
    ck_assert_str_eq(restore(w, "RESTORE h 1 ABSTTL REPLACE", WHOLE), "+OK");
    ASK(w, "EXISTS h", ":0");
    ask(w, "DUMP s");
    ck_assert_str_eq(restore(w, "RESTORE v 9223372036854775807", WHOLE),
                     "-ERR Invalid TTL value, must be >= 0");
    world_free(w);
}
END_TEST

START_TEST(a_changed_dump_is_refused_wherever_the_change_is)
{
    static const char wrong[] = "-ERR DUMP payload version or checksum are wrong";
    struct world *w = world_new();
    ask(w, "HSET h field value g w");
    ask(w, "DUMP h");
    size_t len = w->reply.len - 7;
    for (size_t i = 0; i < len; i++) {
        ask(w, "DUMP h");
        ck_assert_str_eq(restore(w, "RESTORE n 0", i, 0), wrong);
        ask(w, "DUMP h");
        ck_assert_str_eq(restore(w, "RESTORE n 0", SIZE_MAX, i + 1), wrong);
    }
    ASK(w, "EXISTS n", ":0");
    world_free(w);
}
END_TEST

/* `stored` with the frame that DUMP gives it. */
static const char *restore_forged(struct world *w, uint8_t type, struct slice stored)
{
    struct buf b = BUF_INIT;
    static struct words words;
    words = (struct words){.len = 0};
    words_read(&words, "RESTORE n 0");
    buf_add_u8(&b, type);
    buf_add(&b, stored.data, stored.len);
    buf_add_u16(&b, 1);
    buf_add_u64(&b, hash_key(buf_slice(&b), 0x6772));
    word_add(&words, buf_slice(&b));
    buf_release(&b);
    ask_words(w, &words);
    return w->text;
}

START_TEST(a_forged_dump_is_no_value)
{
    static const char bad[] = "-ERR Bad data format";
    struct world *w = world_new();
    static const struct {
        uint8_t type;
        const char *bytes;
        size_t len;
    } cases[] = {
        {VALUE_HASH, "", 0},             /* empty */
        {VALUE_HASH, "\1f", 2},          /* a field without a value */
        {VALUE_HASH, "\1f\1v\1f\1w", 8}, /* a field twice */
        {VALUE_HASH, "\1f\5v", 4},       /* longer than what is there */
        {VALUE_HASH, "\201\0f\1v", 5},   /* a long form of a short number */
        {VALUE_MEDIA, "", 0},            /* no length */
        {VALUE_MEDIA, "\0abc", 4},       /* no media type */
        {VALUE_MEDIA, "\4abc", 4},       /* longer than what is there */
        {VALUE_TYPES, "abc", 3},         /* no such type */
        {255, "abc", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_str_eq(restore_forged(w, cases[i].type, slice_make(cases[i].bytes, cases[i].len)),
                         bad);
    ASK(w, "EXISTS n", ":0");
    ck_assert_str_eq(restore_forged(w, VALUE_HASH, slice_str("\1f\1v")), "+OK");
    ASK(w, "HGETALL n", "*2 $1 f $1 v");
    world_free(w);
}
END_TEST

START_TEST(memory_usage_grows_with_the_value)
{
    struct world *w = world_new();
    ask(w, "SET k v");
    ask(w, "MEMORY USAGE k");
    int64_t small = atoll(w->text + 1);
    ck_assert_int_gt(small, 2);
    ck_assert_int_lt(small, 100);
    ask(w, "SETRANGE k 1000 v");
    ask(w, "MEMORY USAGE k SAMPLES 0");
    ck_assert_int_gt(atoll(w->text + 1), 1000);
    world_free(w);
}
END_TEST

UNIT_MAIN("command/keys", del_and_exists_count_as_redis_does, type_says_what_a_key_holds,
          expire_sets_moves_and_ends_life, expire_refuses_what_is_no_time,
          expire_flags_compare_with_the_deadline_that_is, rename_moves_value_and_deadline,
          copy_leaves_the_source, object_tells_redis_encodings,
          restore_refuses_what_dump_did_not_make, memory_usage_of_a_key_that_is_not_there,
          deadlines_far_away_are_told_without_overflow, restore_makes_what_was_dumped,
          a_changed_dump_is_refused_wherever_the_change_is, a_forged_dump_is_no_value,
          memory_usage_grows_with_the_value)
