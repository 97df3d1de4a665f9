/* test_text.c - escapes, base64, numbers, durations, the shell's words, records of load and dump.
 * LINK: ctl
 */
#include "client/gridctl/record.h"
#include "client/gridctl/text.h"
#include "client/gridctl/value.h"
#include "client/gridctl/words.h"
#include "tests/lib/unit.h"

#include <string.h>

/* Bytes that try all cases: every byte, every pair that matters, cut-off and overlong UTF-8. */
static size_t fill_bytes(char *bytes, unsigned seed, size_t len)
{
    static const char *const pieces[] = {
        "\\",          "\t",           "\n",           "\\t",
        "\\x41",       "\xc3\xa4",     "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "\xc3",        "\xed\xa0\x80", "\xc0\xaf",     "\xc2\x80",
        "{\"base64\"", "\"",           "\x7f",         "plain"};
    size_t n = 0;
    while (n + 16 < len) {
        seed = seed * 1103515245 + 12345;
        unsigned pick = seed >> 16;
        if (pick % 3 == 0) {
            bytes[n++] = (char)(pick >> 3);
            continue;
        }
        const char *piece = pieces[pick / 3 % (sizeof pieces / sizeof *pieces)];
        memcpy(bytes + n, piece, strlen(piece));
        n += strlen(piece);
    }
    return n;
}

START_TEST(escapes_are_lossless_and_keep_to_one_line)
{
    char bytes[600];
    for (unsigned seed = 0; seed < 500; seed++) {
        struct text escaped = {0}, back = {0};
        size_t len = fill_bytes(bytes, seed, sizeof bytes);
        escape_add(&escaped, bytes, len);
        ck_assert(utf8_valid(escaped.data, escaped.len));
        for (size_t i = 0; i < escaped.len; i++)
            ck_assert_int_ge((unsigned char)escaped.data[i], ' ');
        unescape_add(&back, escaped.data, escaped.len);
        ck_assert_uint_eq(back.len, len);
        ck_assert_mem_eq(back.data, bytes, len);
        text_release(&escaped);
        text_release(&back);
    }
}
END_TEST

START_TEST(a_backslash_that_begins_no_escape_stands_for_itself)
{
    static const char *const cases[][2] = {
        {"C:\\dir", "C:\\dir"}, {"\\", "\\"},       {"a\\", "a\\"},
        {"\\x4", "\\x4"},       {"\\xzz", "\\xzz"}, {"\\x41", "A"},
        {"\\\\x41", "\\x41"},   {"\\t\\n", "\t\n"}, {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text out = {0};
        unescape_add(&out, cases[i][0], strlen(cases[i][0]));
        ck_assert_str_eq(text_str(&out), cases[i][1]);
        text_release(&out);
    }
}
END_TEST

START_TEST(base64_is_lossless_and_refuses_what_is_not_its_own)
{
    static const char *const wrong[] = {
        "a", "ab", "abc", "a===", "ab=c", "a b=", "====", "abc\xff"};
    char bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 37);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct text text = {0}, back = {0};
        base64_add(&text, bytes, len);
        ck_assert(base64_decode(text_str(&text), text.len, &back));
        ck_assert_uint_eq(back.len, len);
        if (len)
            ck_assert_mem_eq(back.data, bytes, len);
        text_release(&text);
        text_release(&back);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct text back = {0};
        ck_assert_msg(!base64_decode(wrong[i], strlen(wrong[i]), &back), "%s", wrong[i]);
        text_release(&back);
    }
}
END_TEST

START_TEST(durations_have_units)
{
    static const struct {
        const char *text;
        uint64_t plain, ms;
    } cases[] = {{"0", 1000, 0},       {"10", 1000, 10000}, {"10", 1, 10},
                 {"500ms", 1000, 500}, {"10s", 1, 10000},   {"5m", 1, 300000},
                 {"2h", 1, 7200000},   {"1d", 1, 86400000}, {"100000d", 1, 8640000000000}};
    static const char *const wrong[] = {"",
                                        "s",
                                        "-1",
                                        "1.5s",
                                        "1 s",
                                        "1sec",
                                        "100001d",
                                        "1S",
                                        "0x10",
                                        "99999999999999999999",
                                        "9223372036854775807",
                                        "1ms "};
    uint64_t ms = 7;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(value_duration(cases[i].text, cases[i].plain, &ms), "%s", cases[i].text);
        ck_assert_uint_eq(ms, cases[i].ms);
    }
    ms = 7;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!value_duration(wrong[i], 1000, &ms), "%s", wrong[i]);
    ck_assert_uint_eq(ms, 7);
}
END_TEST

START_TEST(sizes_have_units_of_1024)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0},
                 {"4096", 4096},
                 {"64K", 65536},
                 {"64k", 65536},
                 {"1Ki", 1024},
                 {"2KiB", 2048},
                 {"64MB", 64 << 20},
                 {"1Mi", 1 << 20},
                 {"2G", (uint64_t)2 << 30},
                 {"1T", (uint64_t)1 << 40},
                 {"7B", 7}};
    static const char *const wrong[] = {"",    "K",   "1.5G",     "-1",  "1X",
                                        "1GG", "1iB", "8388608T", "1 K", "9223372036854775808",
                                        "1KBi"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_msg(value_size(cases[i].text, &bytes), "%s", cases[i].text);
        ck_assert_uint_eq(bytes, cases[i].bytes);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_msg(!value_size(wrong[i], &bytes), "%s", wrong[i]);
}
END_TEST

START_TEST(numbers_are_shown_for_people)
{
    char buf[VALUE_TEXT_BYTES];
    ck_assert_str_eq(value_size_text(buf, 0), "0 B");
    ck_assert_str_eq(value_size_text(buf, 1536), "1.5 KiB");
    ck_assert_str_eq(value_size_text(buf, UINT64_MAX), "16.0 EiB");
    ck_assert_str_eq(value_count_text(buf, 7), "7");
    ck_assert_str_eq(value_count_text(buf, 123456), "123,456");
    ck_assert_str_eq(value_count_text(buf, UINT64_MAX), "18,446,744,073,709,551,615");
    ck_assert_str_eq(value_duration_text(buf, 999), "999ms");
    ck_assert_str_eq(value_duration_text(buf, 10000), "10s");
    ck_assert_str_eq(value_duration_text(buf, 3700000), "1h 1m");
    ck_assert_str_eq(value_duration_text(buf, 90000000), "1d 1h");
}
END_TEST

START_TEST(words_follow_the_quoting_of_sh)
{
    static const struct {
        const char *line;
        const char *words[5];
    } cases[] = {
        {"", {NULL}},
        {"  \t ", {NULL}},
        {"# nothing", {NULL}},
        {"a b", {"a", "b"}},
        {" a\tb \n", {"a", "b"}},
        {"a#b #c", {"a#b"}},
        {"'a b' c", {"a b", "c"}},
        {"a'b c'd", {"ab cd"}},
        {"'' \"\"", {"", ""}},
        {"'a\\b'", {"a\\b"}},
        {"\"a\\\"b\\\\c\\d\"", {"a\"b\\c\\d"}},
        {"\"'\" '\"'", {"'", "\""}},
        {"a\\ b \\' \\\\", {"a b", "'", "\\"}},
        {"put c/d k '{\"a\": 1}'", {"put", "c/d", "k", "{\"a\": 1}"}},
    };
    static const char *const wrong[] = {"'a", "\"a", "a\\", "\"a\\\"", "'a' \"b 'c'"};
    struct words w;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = 0;
        ck_assert_ptr_null(words_split(cases[i].line, &w));
        for (; cases[i].words[n]; n++) {
            ck_assert_uint_lt(n, w.len);
            ck_assert_str_eq(w.list[n], cases[i].words[n]);
        }
        ck_assert_uint_eq(w.len, n);
        words_release(&w);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(words_split(wrong[i], &w) != NULL, "%s", wrong[i]);
        words_release(&w);
    }
}
END_TEST

START_TEST(more_words_than_there_is_room_for_are_refused)
{
    char line[WORDS_MAX * 2 + 3];
    struct words w;
    for (size_t i = 0; i < sizeof line - 1; i++)
        line[i] = i % 2 ? ' ' : 'a';
    line[sizeof line - 1] = '\0';
    ck_assert_str_eq(words_split(line, &w), "too many words");
    words_release(&w);
    line[WORDS_MAX * 2] = '\0';
    ck_assert_ptr_null(words_split(line, &w));
    ck_assert_uint_eq(w.len, WORDS_MAX);
    words_release(&w);
}
END_TEST

/* --- records --- */

static void check_bytes(struct grid_bytes bytes, const char *expected)
{
    ck_assert_uint_eq(bytes.len, strlen(expected));
    ck_assert_int_eq(bytes.len ? memcmp(bytes.data, expected, bytes.len) : 0, 0);
}

START_TEST(a_dump_is_read_back_as_it_was)
{
    char key[100], value[600], why[RECORD_WHY_BYTES] = "";
    for (unsigned seed = 0; seed < 400; seed++) {
        struct record_options options = {.format = seed % 2 ? RECORD_JSONL : RECORD_TSV};
        struct grid_entry entry = {.key = {key, fill_bytes(key, seed, sizeof key)},
                                   .value = {value, fill_bytes(value, ~seed, seed)},
                                   .deadline_ms = seed % 4 == 3 ? 1700000000000 : 0};
        if (options.format == RECORD_JSONL && seed % 3 == 0)
            entry.affinity = (struct grid_bytes){value, seed % 50};
        struct records *records = records_new(&options, why);
        struct text line = {0};
        struct record record;
        ck_assert(record_write(&line, options.format, &entry));
        ck_assert_ptr_eq(memchr(line.data, '\n', line.len), line.data + line.len - 1);
        ck_assert_msg(records_parse(records, line.data, line.len - 1, &record, why) == RECORD_OK,
                      "%s", why);
        ck_assert_uint_eq(record.key.len, entry.key.len);
        ck_assert_mem_eq(record.key.data, key, entry.key.len);
        ck_assert_uint_eq(record.value.len, entry.value.len);
        if (entry.value.len)
            ck_assert_mem_eq(record.value.data, value, entry.value.len);
        ck_assert_uint_eq(record.affinity.len, entry.affinity.len);
        if (entry.affinity.len)
            ck_assert_mem_eq(record.affinity.data, value, entry.affinity.len);
        ck_assert_uint_eq(record.deadline_ms,
                          options.format == RECORD_JSONL ? entry.deadline_ms : 0);
        text_release(&line);
        records_free(records);
    }
}
END_TEST

/* A hash of the names and values given by turns, through a line and back. */
static void hash_through(const struct grid_bytes *parts, size_t n, const char *form)
{
    struct text hash = {0}, line = {0};
    for (size_t i = 0; i < n; i += 2) {
        text_reserve(&hash, grid_hash_add(NULL, parts[i], parts[i + 1]));
        hash.len += grid_hash_add(hash.data + hash.len, parts[i], parts[i + 1]);
    }
    struct grid_entry entry = {
        .key = {"k", 1}, .value = {hash.data, hash.len}, .type = GRID_HASH, .deadline_ms = 7};
    char why[RECORD_WHY_BYTES] = "";
    struct record_options options = {.format = RECORD_JSONL};
    struct records *records = records_new(&options, why);
    struct record record;
    ck_assert(!record_write(&line, RECORD_TSV, &entry));
    ck_assert(record_write(&line, RECORD_JSONL, &entry));
    ck_assert_ptr_nonnull(strstr(text_str(&line), form));
    ck_assert_msg(records_parse(records, line.data, line.len - 1, &record, why) == RECORD_OK, "%s",
                  why);
    ck_assert(record.type == GRID_HASH && record.deadline_ms == 7);
    ck_assert_uint_eq(record.value.len, hash.len);
    ck_assert_mem_eq(record.value.data, hash.data, hash.len);
    entry.value.len = 0; /* the grid did not show it */
    ck_assert(!record_write(&line, RECORD_JSONL, &entry));
    text_release(&hash);
    text_release(&line);
    records_free(records);
}

START_TEST(a_hash_and_a_media_type_come_back_from_a_line)
{
    const struct grid_bytes text[] = {{"a", 1}, {"1", 1}, {"", 0}, {"\xff", 1}};
    const struct grid_bytes raw[] = {{"a", 1}, {"1", 1}, {"\xff\xfe", 2}, {"\0", 1}};
    const struct grid_bytes zero[] = {{"\0", 1}, {"1", 1}};
    hash_through(text, 4, "\"hash\": {\"a\": \"1\", \"\": {\"base64\": \"/w==\"}}");
    hash_through(raw, 4, "\"hash\": [[\"a\", \"1\"], [{\"base64\": ");
    hash_through(zero, 2, "\"hash\": [[");
    struct grid_entry entry = {
        .key = {"k", 1}, .value = {"v", 1}, .type = GRID_MEDIA, .media = {"text/plain", 10}};
    struct record_options options = {.format = RECORD_JSONL};
    struct records *records = records_new(&options, NULL);
    char why[RECORD_WHY_BYTES];
    struct record record;
    struct text line = {0};
    ck_assert(record_write(&line, RECORD_JSONL, &entry));
    ck_assert_int_eq(records_parse(records, line.data, line.len - 1, &record, why), RECORD_OK);
    ck_assert(record.type == GRID_MEDIA && record.media.len == 10 && record.value.len == 1);
    text_release(&line);
    records_free(records);
}
END_TEST

struct record_case {
    struct record_options options;
    const char *line;
    const char *key, *value, *affinity; /* key NULL: value is a part of the message */
};

static const struct record_case record_cases[] = {
    {{.format = RECORD_TSV}, "k\tv", "k", "v", ""},
    {{.format = RECORD_TSV}, "k\t", "k", "", ""},
    {{.format = RECORD_TSV}, "k\ta\tb", "k", "a\tb", ""},
    {{.format = RECORD_TSV}, "k\\tx\ta\\nb", "k\tx", "a\nb", ""},
    {{.format = RECORD_TSV, .raw = true}, "k\ta\\nb", "k", "a\\nb", ""},
    {{.format = RECORD_TSV, .key = "2"}, "a\tk\tb", "k", "a\tb", ""},
    {{.format = RECORD_TSV, .key = "3"}, "a\tb\tk", "k", "a\tb", ""},
    {{.format = RECORD_TSV, .key = "1", .affinity = "3"}, "k\tb\tx", "k", "b\tx", "x"},
    {{.format = RECORD_TSV}, "key only", NULL, "no TAB", ""},
    {{.format = RECORD_TSV}, "\tv", NULL, "the key has 0 bytes", ""},
    {{.format = RECORD_TSV, .key = "3"}, "a\tb", NULL, "no column 3, which is the key", ""},
    {{.format = RECORD_TSV, .affinity = "3"},
     "a\tb",
     NULL,
     "no column 3, which is the affinity",
     ""},
    {{.format = RECORD_JSONL}, "{\"key\": \"k\", \"value\": \"v\"}", "k", "v", ""},
    {{.format = RECORD_JSONL}, "{\"key\": {\"base64\": \"aw==\"}, \"value\": \"\"}", "k", "", ""},
    {{.format = RECORD_JSONL, .key = "id"},
     " {\"id\": 17, \"a b\" : \"x \\\" y\"} ",
     "17",
     "{\"id\":17,\"a b\":\"x \\\" y\"}",
     ""},
    {{.format = RECORD_JSONL, .key = "id", .affinity = "o"},
     "{\"id\":\"1\",\"o\":\"z\",\"n\":1.10}",
     "1",
     "{\"id\":\"1\",\"o\":\"z\",\"n\":1.10}",
     "z"},
    {{.format = RECORD_JSONL}, "{\"key\": \"k\"", NULL, "not JSON", ""},
    {{.format = RECORD_JSONL}, "[1]", NULL, "not a JSON object", ""},
    {{.format = RECORD_JSONL}, "{\"value\": \"v\"}", NULL, "no field \"key\"", ""},
    {{.format = RECORD_JSONL}, "{\"key\": \"k\"}", NULL, "no field \"value\"", ""},
    {{.format = RECORD_JSONL}, "{\"key\": \"k\", \"value\": 5}", NULL, "is neither a string", ""},
    {{.format = RECORD_JSONL}, "{\"key\": 1.5, \"value\": \"\"}", NULL, "is neither a string", ""},
    {{.format = RECORD_JSONL},
     "{\"key\": {\"base64\": \"?\"}, \"value\": \"\"}",
     NULL,
     "neither",
     ""},
    {{.format = RECORD_JSONL},
     "{\"key\": \"k\", \"value\": \"\", \"deadline_ms\": -1}",
     NULL,
     "deadline_ms",
     ""},
    {{.format = RECORD_JSONL},
     "{\"key\":\"k\",\"hash\":{\"a\":1,\"b\":\"x\"}}",
     "k",
     "\1a\0011\1b\1x",
     ""},
    {{.format = RECORD_JSONL}, "{\"key\":\"k\",\"hash\":[[\"a\",\"1\"]]}", "k", "\1a\0011", ""},
    {{.format = RECORD_JSONL}, "{\"key\":\"k\",\"hash\":{}}", NULL, "is empty", ""},
    {{.format = RECORD_JSONL},
     "{\"key\":\"k\",\"hash\":\"a\"}",
     NULL,
     "neither an object nor an array",
     ""},
    {{.format = RECORD_JSONL}, "{\"key\":\"k\",\"hash\":[\"a\"]}", NULL, "[field, value]", ""},
    {{.format = RECORD_JSONL},
     "{\"key\":\"k\",\"hash\":{\"a\":null}}",
     NULL,
     "field \"a\" of the hash",
     ""},
    {{.format = RECORD_JSONL},
     "{\"key\":\"k\",\"value\":\"v\",\"media\":\"\"}",
     NULL,
     "media type has 0 bytes",
     ""},
    {{.format = RECORD_JSONL, .key = "id"}, "{\"id\": null}", NULL, "is neither a string", ""},
};

START_TEST(records_are_read_or_refused_with_the_reason)
{
    for (size_t i = 0; i < sizeof record_cases / sizeof *record_cases; i++) {
        const struct record_case *c = &record_cases[i];
        char why[RECORD_WHY_BYTES] = "";
        struct record record;
        struct records *records = records_new(&c->options, why);
        ck_assert_msg(records != NULL, "%s", why);
        enum record_outcome outcome =
            records_parse(records, c->line, strlen(c->line), &record, why);
        ck_assert_msg(outcome == (c->key ? RECORD_OK : RECORD_BAD), "%zu: %s", i, why);
        if (c->key) {
            check_bytes(record.key, c->key);
            check_bytes(record.value, c->value);
            check_bytes(record.affinity, c->affinity);
        } else {
            ck_assert_msg(strstr(why, c->value), "%zu: %s", i, why);
        }
        records_free(records);
    }
}
END_TEST

START_TEST(a_header_names_the_columns)
{
    struct record_options options = {.header = true, .key = "name", .affinity = "2"};
    char why[RECORD_WHY_BYTES];
    struct record record;
    struct records *records = records_new(&options, why);
    ck_assert_int_eq(records_parse(records, "size\tname", 9, &record, why), RECORD_SKIP);
    ck_assert_int_eq(records_parse(records, "5\tk", 3, &record, why), RECORD_OK);
    check_bytes(record.key, "k");
    check_bytes(record.value, "5");
    check_bytes(record.affinity, "k");
    records_free(records);
    records = records_new(&options, why);
    ck_assert_int_eq(records_parse(records, "size\tnom", 8, &record, why), RECORD_BAD);
    ck_assert_ptr_nonnull(strstr(why, "no column \"name\""));
    records_free(records);
    options.header = false;
    ck_assert_ptr_null(records_new(&options, why));
    ck_assert_ptr_nonnull(strstr(why, "\"name\" is not a column number"));
}
END_TEST

START_TEST(lines_end_at_newlines_and_at_the_end_of_the_file)
{
    static const char data[] = "one\n\nlast without newline";
    char copy[sizeof data];
    memcpy(copy, data, sizeof data);
    FILE *f = fmemopen(copy, sizeof data - 1, "r");
    struct lines lines = {.file = f};
    const char *line;
    size_t len;
    ck_assert_int_eq(lines_next(&lines, &line, &len), LINES_OK);
    check_bytes((struct grid_bytes){line, len}, "one");
    ck_assert_int_eq(lines_next(&lines, &line, &len), LINES_OK);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(lines_next(&lines, &line, &len), LINES_OK);
    check_bytes((struct grid_bytes){line, len}, "last without newline");
    ck_assert_uint_eq(lines.number, 3);
    ck_assert_uint_eq(lines.bytes, sizeof data - 1);
    ck_assert_int_eq(lines_next(&lines, &line, &len), LINES_END);
    lines_release(&lines);
    fclose(f);
}
END_TEST

UNIT_MAIN("gridctl/text", escapes_are_lossless_and_keep_to_one_line,
          a_backslash_that_begins_no_escape_stands_for_itself,
          base64_is_lossless_and_refuses_what_is_not_its_own, durations_have_units,
          sizes_have_units_of_1024, numbers_are_shown_for_people, words_follow_the_quoting_of_sh,
          more_words_than_there_is_room_for_are_refused, a_dump_is_read_back_as_it_was,
          a_hash_and_a_media_type_come_back_from_a_line,
          records_are_read_or_refused_with_the_reason, a_header_names_the_columns,
          lines_end_at_newlines_and_at_the_end_of_the_file)
