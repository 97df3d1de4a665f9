/* test_hashes.c - hashes, case by case as redis-server answers.
 * LINK: command shard replica control data base */
#include "tests/unit/command/cases.h"

START_TEST(hset_counts_new_fields_once)
{
    static const struct command_case cases[] = {
        {"HSET h f v", ":1"},
        {"HSET h f w", ":0"},
        {"HSET h f x g y", ":1"},
        {"HGETALL h", "*4 $1 f $1 x $1 g $1 y"},
        {"HSET new a 1 a 2 b 3", ":2"},
        {"HGETALL new", "*4 $1 a $1 2 $1 b $1 3"},
        {"HSET h f 1 f 2 n 1 n 2", ":1"},
        {"HGET h f", "$1 2"},
        {"HGET h n", "$1 2"},
        {"HLEN h", ":3"},
        {"HSET h '' ''", ":1"},
        {"HGET h ''", "$0"},
        {"HEXISTS h ''", ":1"},
        {"HSET h 'a\\x00b' '\\xff\\r\\n'", ":1"},
        {"HGET h 'a\\x00b'", "$3 \\xff"},
        {"HSET h f", "-ERR wrong number of arguments for 'hset' command"},
        {"HSET h f v g", "-ERR wrong number of arguments for 'hset' command"},
        {"HMSET h f v g", "-ERR wrong number of arguments for 'hmset' command"},
        {"HMSET h f v g w", "+OK"},
        {"HMGET h f g none f", "*4 $1 v $1 w $-1 $1 v"},
        {"HMSET n a 1 a 2", "+OK"},
        {"HGETALL n", "*2 $1 a $1 2"},
    };
    RUN(cases);
}
END_TEST

START_TEST(a_string_is_no_hash)
{
    static const struct command_case cases[] = {
        {"SET s v", "+OK"},
        {"HSET s f v", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HSET s f v g", "-ERR wrong number of arguments for 'hset' command"},
        {"HMSET s f v", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HSETNX s f v", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HGET s f", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HMGET s f", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HGETALL s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HDEL s f", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HEXISTS s f", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HLEN s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HSTRLEN s f", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HKEYS s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HVALS s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HINCRBY s f 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HINCRBY s f x", "-ERR value is not an integer or out of range"},
        {"HINCRBYFLOAT s f 1",
         "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HINCRBYFLOAT s f x", "-ERR value is not a valid float"},
        {"HINCRBYFLOAT s f inf", "-ERR value is NaN or Infinity"},
        {"HRANDFIELD s", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HRANDFIELD s 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HRANDFIELD s x", "-ERR value is not an integer or out of range"},
        {"HRANDFIELD s 1 what", "-ERR syntax error"},
        {"HSCAN s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"HSCAN s x", "-ERR invalid cursor"},
        {"HSCAN s 0 what", "-WRONGTYPE Operation against a key holding the wrong kind of value"},
        {"GET s", "$1 v"},
    };
    RUN(cases);
}
END_TEST

START_TEST(what_is_not_there_is_empty)
{
    static const struct command_case cases[] = {
        {"HGET none f", "$-1"},
        {"HMGET none f g", "*2 $-1 $-1"},
        {"HGETALL none", "*0"},
        {"HDEL none f", ":0"},
        {"HEXISTS none f", ":0"},
        {"HLEN none", ":0"},
        {"HSTRLEN none f", ":0"},
        {"HKEYS none", "*0"},
        {"HVALS none", "*0"},
        {"HRANDFIELD none", "$-1"},
        {"HRANDFIELD none 3", "*0"},
        {"HRANDFIELD none -3 WITHVALUES", "*0"},
        {"HSCAN none 0", "*2 $1 0 *0"},
        {"HSCAN none 0 what", "*2 $1 0 *0"},
        {"HSCAN none 12345", "*2 $1 0 *0"},
        {"EXISTS none", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(hsetnx_and_hdel)
{
    static const struct command_case cases[] = {
        {"HSETNX h f v", ":1"},       {"HSETNX h f w", ":0"},
        {"HSETNX h g x", ":1"},       {"HGETALL h", "*4 $1 f $1 v $1 g $1 x"},
        {"HDEL h f f none", ":1"},    {"HGETALL h", "*2 $1 g $1 x"},
        {"HDEL h g g", ":1"},         {"EXISTS h", ":0"},
        {"HSET h a 1 b 2 c 3", ":3"}, {"HDEL h a b c", ":3"},
        {"TYPE h", "+none"},          {"HSET h a 1", ":1"},
        {"HKEYS h", "*1 $1 a"},       {"HVALS h", "*1 $1 1"},
        {"HSTRLEN h a", ":1"},        {"HSTRLEN h none", ":0"},
        {"HEXISTS h a", ":1"},        {"HEXISTS h none", ":0"},
    };
    RUN(cases);
}
END_TEST

START_TEST(hash_numbers_are_those_of_redis)
{
    static const struct command_case cases[] = {
        {"HINCRBY h n 5", ":5"},
        {"HINCRBY h n -10", ":-5"},
        {"HGET h n", "$2 -5"},
        {"HINCRBY h n 9223372036854775807", ":9223372036854775802"},
        {"HINCRBY h n 9223372036854775807", "-ERR increment or decrement would overflow"},
        {"HSET h n -9223372036854775808", ":0"},
        {"HINCRBY h n -1", "-ERR increment or decrement would overflow"},
        {"HINCRBY h n x", "-ERR value is not an integer or out of range"},
        {"HINCRBY h n 1.5", "-ERR value is not an integer or out of range"},
        {"HSET h s abc", ":1"},
        {"HINCRBY h s 1", "-ERR hash value is not an integer"},
        {"HSET h s ' 1'", ":0"},
        {"HINCRBY h s 1", "-ERR hash value is not an integer"},
        {"HSET h s ''", ":0"},
        {"HINCRBY h s 1", "-ERR hash value is not an integer"},
        {"HINCRBYFLOAT h f 1.5", "$3 1.5"},
        {"HINCRBYFLOAT h f 1.5", "$1 3"},
        {"HINCRBYFLOAT h f 0.1", "$3 3.1"},
        {"HINCRBYFLOAT h f 1e3", "$22 1003.09999999999999998"},
        {"HINCRBYFLOAT h f -1003.1", "$1 0"},
        {"HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity"},
        {"HINCRBYFLOAT h f nan", "-ERR value is not a valid float"},
        {"HINCRBYFLOAT h f x", "-ERR value is not a valid float"},
        {"HSET h s abc", ":0"},
        {"HINCRBYFLOAT h s 1", "-ERR hash value is not a float"},
        {"HSET h s inf", ":0"},
        {"HINCRBYFLOAT h s 1", "-ERR increment would produce NaN or Infinity"},
        {"HSET h s '1\\x00'", ":0"},
        {"HINCRBYFLOAT h s 1", "-ERR hash value is not a float"},
        {"HINCRBYFLOAT none f 1e-5000", "-ERR value is not a valid float"},
        {"EXISTS none", ":0"},
        {"HSET h big 1e4932", ":1"},
        {"HINCRBYFLOAT h big 1e4932", "-ERR increment would produce NaN or Infinity"},
    };
    RUN(cases);
}
END_TEST

START_TEST(hrandfield_checks_its_count)
{
    static const struct command_case cases[] = {
        {"HSET h f v", ":1"},
        {"HRANDFIELD h", "$1 f"},
        {"HRANDFIELD h 1", "*1 $1 f"},
        {"HRANDFIELD h 5", "*1 $1 f"},
        {"HRANDFIELD h -2", "*2 $1 f $1 f"},
        {"HRANDFIELD h 0", "*0"},
        {"HRANDFIELD h 1 WITHVALUES", "*2 $1 f $1 v"},
        {"HRANDFIELD h -2 withvalues", "*4 $1 f $1 v $1 f $1 v"},
        {"HRANDFIELD h 0 WITHVALUES", "*0"},
        {"HRANDFIELD h x", "-ERR value is not an integer or out of range"},
        {"HRANDFIELD h 1 what", "-ERR syntax error"},
        {"HRANDFIELD h x what", "-ERR value is not an integer or out of range"},
        {"HRANDFIELD h 1 WITHVALUES 2", "-ERR syntax error"},
        {"HRANDFIELD h 9223372036854775807", "*1 $1 f"},
        {"HRANDFIELD h 9223372036854775807 WITHVALUES", "-ERR value is out of range"},
        {"HRANDFIELD h -9223372036854775807 WITHVALUES", "-ERR value is out of range"},
        {"HRANDFIELD h -9223372036854775808", "-ERR value is out of range, value must between "
                                              "-9223372036854775807 and 9223372036854775807"},
        {"HRANDFIELD h 9223372036854775808", "-ERR value is not an integer or out of range"},
        {"HRANDFIELD none 9223372036854775807 WITHVALUES", "-ERR value is out of range"},
    };
    RUN(cases);
}
END_TEST

START_TEST(hscan_of_a_small_hash_is_one_page)
{
    static const struct command_case cases[] = {
        {"HSET h a 1 b 2 aa 3", ":3"},
        {"HSCAN h 0", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 aa $1 3"},
        {"HSCAN h 0 COUNT 1", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 aa $1 3"},
        {"HSCAN h 0 MATCH a*", "*2 $1 0 *4 $1 a $1 1 $2 aa $1 3"},
        {"HSCAN h 0 MATCH * COUNT 100", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 aa $1 3"},
        {"HSCAN h 0 match b count 1", "*2 $1 0 *2 $1 b $1 2"},
        {"HSCAN h 0 MATCH none", "*2 $1 0 *0"},
        {"HSCAN h 5", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 aa $1 3"},
        {"HSCAN h x", "-ERR invalid cursor"},
        {"HSCAN h -1", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 aa $1 3"},
        {"HSCAN h 0 COUNT 0", "-ERR syntax error"},
        {"HSCAN h 0 COUNT -1", "-ERR syntax error"},
        {"HSCAN h 0 COUNT x", "-ERR value is not an integer or out of range"},
        {"HSCAN h 0 COUNT", "-ERR syntax error"},
        {"HSCAN h 0 MATCH", "-ERR syntax error"},
        {"HSCAN h 0 what 1", "-ERR syntax error"},
        {"HSCAN h 0 MATCH a* MATCH b", "*2 $1 0 *2 $1 b $1 2"},
        {"HSCAN h 18446744073709551615", "*2 $1 0 *6 $1 a $1 1 $1 b $1 2 $2 aa $1 3"},
        {"HSCAN h 18446744073709551616", "-ERR invalid cursor"},
    };
    RUN(cases);
}
END_TEST

START_TEST(resp3_has_maps_nulls_and_nested_pairs)
{
    static const struct command_case cases[] = {
        {"GET none", "_"},
        {"MGET none", "*1 _"},
        {"HGET none f", "_"},
        {"HGETALL none", "%0"},
        {"HSET h f v", ":1"},
        {"HGETALL h", "%1 $1 f $1 v"},
        {"HKEYS h", "*1 $1 f"},
        {"HMGET h none f", "*2 _ $1 v"},
        {"HRANDFIELD h", "$1 f"},
        {"HRANDFIELD none", "_"},
        {"HRANDFIELD none 2", "*0"},
        {"HRANDFIELD h 1", "*1 $1 f"},
        {"HRANDFIELD h 1 WITHVALUES", "*1 *2 $1 f $1 v"},
        {"HRANDFIELD h -2 WITHVALUES", "*2 *2 $1 f $1 v *2 $1 f $1 v"},
        {"HSCAN h 0", "*2 $1 0 *2 $1 f $1 v"},
        {"HINCRBYFLOAT h n 1.5", "$3 1.5"},
        {"INCRBYFLOAT n 1.5", "$3 1.5"},
        {"MSET a ohmytext b mynewtext", "+OK"},
        {"LCS a b IDX", "%2 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6"},
        {"LCS a b LEN", ":6"},
        {"DUMP none", "_"},
        {"OBJECT ENCODING none", "_"},
        {"MEMORY USAGE none", "_"},
        {"SET none v XX GET", "_"},
    };
    RUN3(cases);
}
END_TEST

/* --- large hashes ----------------------------------------------------------------------------- */

enum { FIELDS = 600 };

/* h: fields 0..FIELDS-1, each with the value v<field>. */
static struct world *large_hash(void)
{
    struct world *w = world_new();
    char line[64];
    for (int i = 0; i < FIELDS; i++) {
        snprintf(line, sizeof line, "HSET h %d v%d", i, i);
        ASK(w, line, ":1");
    }
    ASK(w, "HLEN h", ":600");
    return w;
}

START_TEST(a_large_hash_answers_as_a_small_one)
{
    struct world *w = large_hash();
    ASK(w, "HGET h 599", "$4 v599");
    ASK(w, "HMGET h 0 none 17", "*3 $2 v0 $-1 $3 v17");
    ASK(w, "HSET h 0 x 0 y new 1 new 2", ":1");
    ASK(w, "HMGET h 0 new", "*2 $1 y $1 2");
    ASK(w, "HDEL h 0 0 1 none", ":2");
    ASK(w, "HEXISTS h 0", ":0");
    ASK(w, "HINCRBY h n 7", ":7");
    ASK(w, "HLEN h", ":600");
    ASK(w, "OBJECT ENCODING h", "$9 hashtable");
    ASK(w, "RENAME h i", "+OK");
    ASK(w, "HLEN i", ":600");
    ASK(w, "HGET i 599", "$4 v599");
    ASK(w, "COPY i j", ":1");
    ASK(w, "HSET j 599 other", ":0");
    ASK(w, "HGET i 599", "$4 v599");
    world_free(w);
}
END_TEST

START_TEST(a_change_costs_what_it_changes_whatever_the_hash_is)
{
    struct world *w = large_hash();
    size_t records = w->h->log_len;
    ask(w, "HSET h 5 w");
    ask(w, "HDEL h 6");
    ask(w, "HINCRBY h n 1");
    ck_assert_uint_eq(w->h->log_len, records + 3);
    for (size_t i = records; i < records + 3; i++)
        ck_assert_uint_lt(w->h->log[i].bytes.len, 100);
    world_free(w);
}
END_TEST

/* As many words as a command may have here, the same fields again and again. */
START_TEST(many_fields_in_one_command_are_counted_once)
{
    struct world *w = world_new();
    struct words words = {.len = 0};
    words_read(&words, "HSET h");
    for (int i = 0; i < 62; i++) {
        char field[8];
        snprintf(field, sizeof field, "%d", i % 50);
        word_add(&words, slice_str(field));
        word_add(&words, slice_str(i < 50 ? "old" : "new"));
    }
    ask_words(w, &words);
    ck_assert_str_eq(w->text, ":50");
    ask_words(w, &words);
    ck_assert_str_eq(w->text, ":0");
    ASK(w, "HMGET h 0 11 12 49", "*4 $3 new $3 new $3 old $3 old");
    words.len = 0;
    words_read(&words, "HDEL h");
    for (int i = 0; i < 60; i++) {
        char field[8];
        snprintf(field, sizeof field, "%d", i % 40);
        word_add(&words, slice_str(field));
    }
    ask_words(w, &words);
    ck_assert_str_eq(w->text, ":40");
    ASK(w, "HLEN h", ":10");
    world_free(w);
}
END_TEST

/* --- some of them ----------------------------------------------------------------------------- */

/* Elements of an array in the last reply that are fields, in `seen`; how many elements. */
static size_t fields_seen(struct world *w, const char *from, unsigned *seen)
{
    size_t n = 0;
    for (const char *p = from; (p = strchr(p, '$')); n++) {
        p = strchr(p, ' ') + 1;
        if (isdigit((unsigned char)*p))
            seen[atoi(p)]++;
    }
    (void)w;
    return n;
}

START_TEST(hrandfield_gives_different_fields_or_with_repetitions)
{
    static const struct {
        const char *line;
        size_t elements, once; /* once: fields, each at most once; 0: any */
    } cases[] = {
        {"HRANDFIELD h 10", 10, 10},
        {"HRANDFIELD h 400", 400, 400},
        {"HRANDFIELD h 600", 600, 600},
        {"HRANDFIELD h 1000", 600, 600},
        {"HRANDFIELD h 20 WITHVALUES", 40, 20},
        {"HRANDFIELD h -300", 300, 0},
    };
    struct world *w = large_hash();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned seen[FIELDS] = {0};
        ask(w, cases[i].line);
        ck_assert_uint_eq(fields_seen(w, w->text, seen), cases[i].elements);
        size_t different = 0;
        bool twice = false;
        for (size_t f = 0; f < FIELDS; f++) {
            different += seen[f] > 0;
            twice |= seen[f] > 1;
        }
        if (cases[i].once) {
            ck_assert_uint_eq(different, cases[i].once);
            ck_assert(!twice);
        } else {
            ck_assert(twice);
            ck_assert_uint_gt(different, 50);
        }
    }
    world_free(w);
}
END_TEST

START_TEST(hrandfield_reaches_every_field_and_favours_none)
{
    enum { DRAWS = 4000, FEW_FIELDS = 20 };
    struct world *w = world_new();
    unsigned seen[FEW_FIELDS] = {0};
    char line[64];
    for (int i = 0; i < FEW_FIELDS; i++) {
        snprintf(line, sizeof line, "HSET h %d v", i);
        ask(w, line);
    }
    ck_assert_uint_gt(ANSWERS_MAX, w->h->number + DRAWS / 10);
    for (int i = 0; i < DRAWS / 10; i++) {
        ask(w, "HRANDFIELD h -10");
        fields_seen(w, w->text, seen);
    }
    for (int i = 0; i < FEW_FIELDS; i++) {
        ck_assert_uint_gt(seen[i], DRAWS / FEW_FIELDS / 2);
        ck_assert_uint_lt(seen[i], DRAWS / FEW_FIELDS * 2);
    }
    world_free(w);
}
END_TEST

/* The same field or key again and again. */
START_TEST(an_answer_does_not_grow_beyond_its_limit)
{
    enum { VALUE = 12 << 20, TIMES = 50 };
    static uint8_t value[VALUE];
    struct world *w = world_new();
    struct words words = {.len = 0};
    words_read(&words, "HSET h f");
    words.at[words.len++] = slice_make(value, VALUE);
    ask_words(w, &words);
    words.len = 0;
    words_read(&words, "SET k");
    words.at[words.len++] = slice_make(value, VALUE);
    ask_words(w, &words);
    static const char *const heads[] = {"HMGET h", "MGET k"};
    for (int i = 0; i < 2; i++) {
        words.len = 0;
        words_read(&words, heads[i]);
        while (words.len < TIMES)
            word_add(&words, slice_str(i ? "k" : "f"));
        ask_words(w, &words);
        ck_assert_str_eq(w->text, "-ERR the answer would be too large");
    }
    ask(w, "HRANDFIELD h 1");
    ck_assert_str_eq(w->text, "*1 $1 f");
    world_free(w);
}
END_TEST

START_TEST(an_answer_that_would_be_too_large_is_refused_before_it_is_made)
{
    struct world *w = large_hash();
    ASK(w, "HRANDFIELD h -100000000", "-ERR the answer would be too large");
    ASK(w, "HRANDFIELD h -4611686018427387903 WITHVALUES", "-ERR the answer would be too large");
    ck_assert_uint_lt(w->reply.cap, 1 << 20);
    world_free(w);
}
END_TEST

START_TEST(hscan_finds_each_field_while_the_hash_grows_and_shrinks)
{
    struct world *w = large_hash();
    unsigned seen[2 * FIELDS] = {0};
    char line[64];
    uint64_t cursor = 0;
    int pages = 0;
    do {
        snprintf(line, sizeof line, "HSCAN h %llu COUNT 20", (unsigned long long)cursor);
        ask(w, line);
        const char *p = strchr(w->text, '$');
        cursor = strtoull(strchr(p, ' ') + 1, NULL, 10);
        fields_seen(w, strchr(p + 1, '*'), seen);
        snprintf(line, sizeof line, pages % 2 ? "HDEL h %d" : "HSET h %d v", FIELDS + pages / 2);
        ask(w, line);
        pages++;
    } while (cursor);
    ck_assert_int_gt(pages, 10);
    for (int i = 0; i < FIELDS; i++)
        ck_assert_uint_ge(seen[i], 1);
    world_free(w);
}
END_TEST

UNIT_MAIN("command/hashes", hset_counts_new_fields_once, a_string_is_no_hash,
          what_is_not_there_is_empty, hsetnx_and_hdel, hash_numbers_are_those_of_redis,
          hrandfield_checks_its_count, hscan_of_a_small_hash_is_one_page,
          resp3_has_maps_nulls_and_nested_pairs, a_large_hash_answers_as_a_small_one,
          a_change_costs_what_it_changes_whatever_the_hash_is,
          many_fields_in_one_command_are_counted_once,
          hrandfield_gives_different_fields_or_with_repetitions,
          hrandfield_reaches_every_field_and_favours_none, an_answer_does_not_grow_beyond_its_limit,
          an_answer_that_would_be_too_large_is_refused_before_it_is_made,
          hscan_finds_each_field_while_the_hash_grows_and_shrinks)
