/* test_bits.c - bits of strings, case by case as redis-server answers.
 * LINK: command shard replica control data base */
#include "tests/unit/command/cases.h"

START_TEST(setbit_and_getbit_count_from_the_highest_bit)
{
    static const struct command_case cases[] = {
        {"GETBIT k 0", ":0"},
        {"SETBIT k 7 1", ":0"},
        {"GET k", "$1 \\x01"},
        {"SETBIT k 7 1", ":1"},
        {"SETBIT k 0 1", ":0"},
        {"GET k", "$1 \\x81"},
        {"GETBIT k 0", ":1"},
        {"GETBIT k 1", ":0"},
        {"GETBIT k 7", ":1"},
        {"GETBIT k 100", ":0"},
        {"SETBIT k 0 0", ":1"},
        {"GET k", "$1 \\x01"},
        {"SETBIT k 20 0", ":0"},
        {"STRLEN k", ":3"},
        {"SETBIT k 23 1", ":0"},
        {"GET k", "$3 \\x01\\x00\\x01"},
        {"SETBIT none 15 0", ":0"},
        {"GET none", "$2 \\x00\\x00"},
        {"SET t a EX 100", "+OK"},
        {"SETBIT t 0 1", ":0"},
        {"TTL t", ":100"},
        {"SETBIT k -1 1", "-ERR bit offset is not an integer or out of range"},
        {"SETBIT k x 1", "-ERR bit offset is not an integer or out of range"},
        {"SETBIT k 4294967296000 1", "-ERR bit offset is not an integer or out of range"},
        {"SETBIT k 0 2", "-ERR bit is not an integer or out of range"},
        {"SETBIT k 0 x", "-ERR bit is not an integer or out of range"},
        {"SETBIT k x x", "-ERR bit offset is not an integer or out of range"},
        {"GETBIT k -1", "-ERR bit offset is not an integer or out of range"},
        {"GETBIT k x", "-ERR bit offset is not an integer or out of range"},
        {"HSET h f v", ":1"},
        {"SETBIT h 0 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"SETBIT h 0 2", "-ERR bit is not an integer or out of range"},
        {"GETBIT h 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"GETBIT h x", "-ERR bit offset is not an integer or out of range"},
    };
    RUN(cases);
}
END_TEST

START_TEST(bitcount_counts_in_bytes_and_bits)
{
    static const struct command_case cases[] = {
        {"SET k foobar", "+OK"},
        {"BITCOUNT k", ":26"},
        {"BITCOUNT k 0 0", ":4"},
        {"BITCOUNT k 1 1", ":6"},
        {"BITCOUNT k 1 1 BYTE", ":6"},
        {"BITCOUNT k 5 30 BIT", ":17"},
        {"BITCOUNT k 5 6 bit", ":2"},
        {"BITCOUNT k 0 -1", ":26"},
        {"BITCOUNT k -2 -1", ":7"},
        {"BITCOUNT k -1 -2", ":0"},
        {"BITCOUNT k -1 -2 what", ":0"},
        {"BITCOUNT k 3 1", ":0"},
        {"BITCOUNT k -100 100", ":26"},
        {"BITCOUNT k 100 200", ":0"},
        {"BITCOUNT k 0 -1 BIT", ":26"},
        {"BITCOUNT k -10 -3 BIT", ":4"},
        {"BITCOUNT k 0", "-ERR syntax error"},
        {"BITCOUNT k 0 x", "-ERR value is not an integer or out of range"},
        {"BITCOUNT k x 0", "-ERR value is not an integer or out of range"},
        {"BITCOUNT k 0 1 what", "-ERR syntax error"},
        {"BITCOUNT k 0 1 BIT more", "-ERR syntax error"},
        {"BITCOUNT none", ":0"},
        {"BITCOUNT none 0", ":0"},
        {"BITCOUNT none 0 x", ":0"},
        {"SET k ''", "+OK"},
        {"BITCOUNT k", ":0"},
        {"BITCOUNT k 0 -1", ":0"},
        {"SET k aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "+OK"},
        {"BITCOUNT k", ":153"},
        {"BITCOUNT k 3 390 BIT", ":144"},
        {"BITCOUNT k -9223372036854775808 9223372036854775807", ":153"},
        {"BITCOUNT k -9223372036854775808 9223372036854775807 BIT", ":153"},
        {"HSET h f v", ":1"},
        {"BITCOUNT h", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"BITCOUNT h 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
    };
    RUN(cases);
}
END_TEST

START_TEST(bitpos_finds_the_first_bit)
{
    static const struct command_case cases[] = {
        {"SET k '\\xff\\xf0\\x00'", "+OK"},
        {"BITPOS k 0", ":12"},
        {"BITPOS k 1", ":0"},
        {"BITPOS k 1 2", ":-1"},
        {"BITPOS k 0 2", ":16"},
        {"BITPOS k 1 1", ":8"},
        {"BITPOS k 0 0 0", ":-1"},
        {"BITPOS k 0 0 7 BIT", ":-1"},
        {"BITPOS k 0 0 12 BIT", ":12"},
        {"BITPOS k 1 3 12 BIT", ":3"},
        {"BITPOS k 0 -1", ":16"},
        {"BITPOS k 1 -2 -1", ":8"},
        {"BITPOS k 1 -100 100", ":0"},
        {"BITPOS k 0 13 -1 BIT", ":13"},
        {"BITPOS k 1 12 -1 BIT", ":-1"},
        {"BITPOS k 0 100", ":-1"},
        {"BITPOS k 0 2 1", ":-1"},
        {"SET f '\\xff\\xff'", "+OK"},
        {"BITPOS f 0", ":16"},
        {"BITPOS f 0 0", ":16"},
        {"BITPOS f 0 0 -1", ":-1"},
        {"BITPOS f 0 1", ":16"},
        {"BITPOS f 0 2", ":-1"},
        {"BITPOS f 0 -1", ":16"},
        {"BITPOS none 0", ":0"},
        {"BITPOS none 1", ":-1"},
        {"BITPOS none 0 x", ":0"},
        {"BITPOS k 2", "-ERR The bit argument must be 1 or 0."},
        {"BITPOS k -1", "-ERR The bit argument must be 1 or 0."},
        {"BITPOS k x", "-ERR value is not an integer or out of range"},
        {"BITPOS none 2", "-ERR The bit argument must be 1 or 0."},
        {"BITPOS k 0 x", "-ERR value is not an integer or out of range"},
        {"BITPOS k 0 0 x", "-ERR value is not an integer or out of range"},
        {"BITPOS k 0 0 1 what", "-ERR syntax error"},
        {"BITPOS k 0 0 x what", "-ERR syntax error"},
        {"BITPOS k 0 0 1 BIT more", "-ERR syntax error"},
        {"SET e ''", "+OK"},
        {"BITPOS e 0", ":-1"},
        {"BITPOS e 1", ":-1"},
        {"BITPOS e 0 0 -1", ":-1"},
        {"HSET h f v", ":1"},
        {"BITPOS h 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"BITPOS h 2", "-ERR The bit argument must be 1 or 0."},
    };
    RUN(cases);
}
END_TEST

START_TEST(bitop_combines_strings)
{
    static const struct command_case cases[] = {
        {"SET a '\\xf0\\x0f\\xff'", "+OK"},
        {"SET b '\\xff\\x01'", "+OK"},
        {"BITOP AND d a b", ":3"},
        {"GET d", "$3 \\xf0\\x01\\x00"},
        {"BITOP OR d a b", ":3"},
        {"GET d", "$3 \\xff\\x0f\\xff"},
        {"BITOP xor d a b", ":3"},
        {"GET d", "$3 \\x0f\\x0e\\xff"},
        {"BITOP NOT d a", ":3"},
        {"GET d", "$3 \\x0f\\xf0\\x00"},
        {"BITOP AND d a none", ":3"},
        {"GET d", "$3 \\x00\\x00\\x00"},
        {"BITOP OR d a a a", ":3"},
        {"GET d", "$3 \\xf0\\x0f\\xff"},
        {"BITOP AND d none", ":0"},
        {"EXISTS d", ":0"},
        {"BITOP AND d none none", ":0"},
        {"SET d v EX 100", "+OK"},
        {"BITOP AND d a", ":3"},
        {"GET d", "$3 \\xf0\\x0f\\xff"},
        {"TTL d", ":-1"},
        {"BITOP NOT d none", ":0"},
        {"EXISTS d", ":0"},
        {"BITOP AND a a b", ":3"},
        {"GET a", "$3 \\xf0\\x01\\x00"},
        {"BITOP what d a", "-ERR syntax error"},
        {"BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key."},
        {"HSET h f v", ":1"},
        {"BITOP AND d a h", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"BITOP what d h", "-ERR syntax error"},
        {"BITOP NOT d a h", "-ERR BITOP NOT must be called with a single source key."},
        {"BITOP AND h a", ":3"},
        {"TYPE h", "+string"},
    };
    RUN(cases);
}
END_TEST

START_TEST(a_bit_that_is_so_already_makes_no_record)
{
    struct world *w = world_new();
    ask(w, "SETBIT k 9 1");
    size_t records = w->h->log_len;
    ASK(w, "SETBIT k 9 1", ":1");
    ASK(w, "SETBIT k 3 0", ":0");
    ck_assert_uint_eq(w->h->log_len, records);
    ASK(w, "SETBIT k 16 0", ":0"); /* longer by a byte */
    ck_assert_uint_eq(w->h->log_len, records + 1);
    world_free(w);
}
END_TEST

/* Against one bit after the other. */
START_TEST(ranges_of_bits_are_exact_wherever_they_begin_and_end)
{
    enum { BITS = 200 };
    struct world *w = world_new();
    struct words words = {.len = 0};
    uint8_t value[BITS / 8];
    for (size_t i = 0; i < sizeof value; i++)
        value[i] = (uint8_t)(i * 37 + (i % 5 == 0 ? 0xff : 0));
    words_read(&words, "SET k");
    word_add(&words, slice_make(value, sizeof value));
    ask_words(w, &words);
    char line[64], want[24];
    for (int from = 0; from < BITS; from += 7) {
        int count = 0, first = -1;
        for (int to = from; to < BITS; to++) {
            bool bit = value[to / 8] >> (7 - to % 8) & 1;
            count += bit;
            first = first < 0 && bit ? to : first;
            if (to % 9)
                continue;
            snprintf(line, sizeof line, "BITCOUNT k %d %d BIT", from, to);
            snprintf(want, sizeof want, ":%d", count);
            ASK(w, line, want);
            snprintf(line, sizeof line, "BITPOS k 1 %d %d BIT", from, to);
            snprintf(want, sizeof want, ":%d", first);
            ASK(w, line, want);
        }
    }
    world_free(w);
}
END_TEST

UNIT_MAIN("command/bits", setbit_and_getbit_count_from_the_highest_bit,
          bitcount_counts_in_bytes_and_bits, bitpos_finds_the_first_bit, bitop_combines_strings,
          a_bit_that_is_so_already_makes_no_record,
          ranges_of_bits_are_exact_wherever_they_begin_and_end)
