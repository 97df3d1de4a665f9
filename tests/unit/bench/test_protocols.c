/* test_protocols.c - the bytes of the load generator's protocols: what is sent is what the server's
 * own decoder reads; answers are read alike whole and in pieces, and a wrong one is never taken for
 * a right one.
 * LINK: bench base frame pb */
#include "base/alloc.h"
#include "client.pb-c.h"
#include "proto/frame.h"
#include "tests/bench/gridload.h"
#include "tests/lib/unit.h"

static struct keys keys_of(size_t value_bytes)
{
    struct options o = {
        .distribution = "uniform", .shape = "string", .keys = 1000, .value_bytes = value_bytes};
    struct keys k;
    keys_init(&k, &o);
    return k;
}

struct answer_case {
    const struct protocol *protocol;
    const char *bytes;
    enum answer_kind kind;
    const char *value;
};

static const struct answer_case answer_cases[] = {
    {&protocol_resp, "$5\r\nhello\r\n", ANSWER_OK, "hello"},
    {&protocol_resp, "$0\r\n\r\n", ANSWER_OK, ""},
    {&protocol_resp, "$-1\r\n", ANSWER_MISSING, ""},
    {&protocol_resp, "+OK\r\n", ANSWER_OK, ""},
    {&protocol_resp, ":1\r\n", ANSWER_OK, ""},
    {&protocol_resp, "-ERR no\r\n", ANSWER_REFUSED, ""},
    {&protocol_memcached, "VALUE key:000000000001 0 5\r\nhello\r\nEND\r\n", ANSWER_OK, "hello"},
    {&protocol_memcached, "VALUE k 0 3\r\nE\r\n\r\nEND\r\n", ANSWER_OK, "E\r\n"},
    {&protocol_memcached, "END\r\n", ANSWER_MISSING, ""},
    {&protocol_memcached, "STORED\r\n", ANSWER_OK, ""},
    {&protocol_memcached, "SERVER_ERROR out of memory\r\n", ANSWER_REFUSED, ""},
};

START_TEST(an_answer_is_read_only_when_whole_and_stops_at_its_end)
{
    for (size_t i = 0; i < sizeof answer_cases / sizeof *answer_cases; i++) {
        const struct answer_case *c = &answer_cases[i];
        size_t len = strlen(c->bytes);
        char two[256];
        snprintf(two, sizeof two, "%s%s", c->bytes, c->bytes);
        for (size_t cut = 0; cut < len; cut++) {
            struct answer part = {0};
            ck_assert_int_eq(c->protocol->parse(slice_make(two, cut), &part), PARSE_MORE);
        }
        struct answer a = {0};
        ck_assert_int_eq(c->protocol->parse(slice_make(two, 2 * len), &a), (long)len);
        ck_assert_int_eq(a.kind, c->kind);
        ck_assert(slice_eq(a.value, slice_str(c->value)));
    }
}
END_TEST

START_TEST(malformed_answers_are_refused)
{
    static const struct {
        const struct protocol *protocol;
        const char *bytes;
    } cases[] = {
        {&protocol_resp, "$x\r\nhello\r\n"},
        {&protocol_resp, "$99999999999999999999\r\n"},
        {&protocol_resp, "*1\r\n"},
        {&protocol_memcached, "VALUE key 0 x\r\nhello\r\nEND\r\n"},
        {&protocol_memcached, "VALUE key 0 5\r\nhello too long\r\nEND\r\n"},
        {&protocol_echo, "\xff\xff\xff\xff"},
        {&protocol_grid, "\x02\0\0\0\x08\x80"}, /* a number without an end */
        {&protocol_grid, "\x02\0\0\0\x22\x05"}, /* a value longer than the message */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a = {0};
        size_t len = cases[i].protocol == &protocol_grid ? 6 : strlen(cases[i].bytes);
        ck_assert_int_eq(cases[i].protocol->parse(slice_make(cases[i].bytes, len), &a),
                         PARSE_MALFORMED);
    }
}
END_TEST

START_TEST(a_grid_request_is_what_the_generated_decoder_reads)
{
    struct keys k = keys_of(300);
    struct conn c = {.cache = 4711, .once = true};
    struct request r = {.op = LOAD_PUT, .number = 1 << 20, .lowest = 99};
    uint8_t *bytes = xalloc(request_bytes_max(&k));
    key_write(r.key, 123);
    size_t len = protocol_grid.encode(&c, &k, &r, bytes), body;
    ck_assert_uint_le(len, request_bytes_max(&k));
    ck_assert_int_eq(frame_peek(bytes, len, len, &body), FRAME_WHOLE);
    Grid__Request *q = grid__request__unpack(NULL, body, bytes + FRAME_HEADER_BYTES);
    ck_assert_ptr_nonnull(q);
    ck_assert_uint_eq(FRAME_HEADER_BYTES + body, len);
    ck_assert_uint_eq(q->number, 1 << 20);
    ck_assert_uint_eq(q->lowest, 99);
    ck_assert_int_eq(q->op, GRID__OP__PUT);
    ck_assert_uint_eq(q->cache, 4711);
    ck_assert(slice_eq(slice_make(q->key.data, q->key.len), slice_str("key:000000000123")));
    ck_assert(value_right(&k, 123, slice_make(q->value.data, q->value.len)));
    grid__request__free_unpacked(q, NULL);
    free(bytes);
    keys_release(&k);
}
END_TEST

static long grid_answer(const Grid__Response *r, uint8_t *to, struct answer *ret_answer)
{
    size_t len = grid__response__pack(r, to + FRAME_HEADER_BYTES);
    frame_write_header(to, len);
    *ret_answer = (struct answer){0};
    return protocol_grid.parse(slice_make(to, FRAME_HEADER_BYTES + len), ret_answer);
}

START_TEST(a_grid_answer_is_read_whatever_other_fields_it_has)
{
    uint8_t bytes[512];
    char value[] = "hello", detail[] = "because";
    struct answer a;
    Grid__Response r;
    grid__response__init(&r);
    r.number = 77;
    r.version = UINT64_MAX;
    r.deadline_ms = 1234567;
    r.value = (ProtobufCBinaryData){5, (uint8_t *)value};
    r.topology = 3;
    ck_assert_int_gt(grid_answer(&r, bytes, &a), 0);
    ck_assert_int_eq(a.kind, ANSWER_OK);
    ck_assert_uint_eq(a.number, 77);
    ck_assert(slice_eq(a.value, slice_str("hello")));
    r.status = GRID_ENOT_FOUND;
    ck_assert_int_gt(grid_answer(&r, bytes, &a), 0);
    ck_assert_int_eq(a.kind, ANSWER_MISSING);
    r.status = GRID_EFULL;
    r.detail = detail;
    ck_assert_int_gt(grid_answer(&r, bytes, &a), 0);
    ck_assert_int_eq(a.kind, ANSWER_REFUSED);
    ck_assert(slice_eq(a.error, slice_str("because")));
    r.number = 0;
    ck_assert_int_gt(grid_answer(&r, bytes, &a), 0);
    ck_assert_int_eq(a.kind, ANSWER_PUSH);
}
END_TEST

START_TEST(keys_of_a_shard_are_drawn_for_it_alone_and_filled_without_gap)
{
    struct keys k = keys_of(10);
    uint64_t found = 0;
    k.partitions = 1024;
    k.shards = 3;
    for (uint32_t shard = 0; shard < k.shards; shard++) {
        for (uint64_t key = 0; (key = keys_next(&k, key, shard)) < k.count; key++)
            found++;
        for (int i = 0; i < 100; i++) {
            uint64_t key = keys_draw(&k, shard);
            ck_assert_uint_eq(keys_next(&k, key, shard), key);
        }
    }
    ck_assert_uint_eq(found, k.count);
    keys_release(&k);
}
END_TEST

START_TEST(zipf_keys_are_skewed_and_within_the_space)
{
    static unsigned seen[1000];
    struct options o = {
        .distribution = "zipf", .shape = "string", .keys = 1000, .theta = 0.99, .seed = 5};
    struct keys k;
    unsigned most = 0;
    keys_init(&k, &o);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < 100000; i++) {
        uint64_t key = keys_draw(&k, 0);
        ck_assert_uint_lt(key, 1000);
        if (++seen[key] > most)
            most = seen[key];
    }
    /* 1 / zeta(1000, 0.99) = 0.130: the hottest key's share */
    ck_assert_uint_gt(most, 12000);
    ck_assert_uint_lt(most, 16000);
    keys_release(&k);
}
END_TEST

START_TEST(a_value_with_one_wrong_byte_or_of_another_key_is_not_right)
{
    struct keys k = keys_of(100);
    uint8_t key[KEY_TEXT_BYTES], value[100];
    key_write(key, 5);
    value_write(&k, key, value);
    ck_assert(value_right(&k, 5, slice_make(value, 100)));
    ck_assert(!value_right(&k, 6, slice_make(value, 100)));
    ck_assert(!value_right(&k, 5, slice_make(value, 99)));
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] ^= 1;
        ck_assert(!value_right(&k, 5, slice_make(value, 100)));
        value[i] ^= 1;
    }
    keys_release(&k);
}
END_TEST

START_TEST(each_shape_is_the_command_a_redis_client_sends)
{
    static const struct {
        const char *shape;
        enum load_op op;
        const char *bytes;
    } cases[] = {
        {"string", LOAD_GET, "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000123\r\n"},
        {"string", LOAD_PUT, "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000123\r\n$2\r\nke\r\n"},
        {"hash", LOAD_GET, "*3\r\n$4\r\nHGET\r\n$15\r\nkey:00000000012\r\n$1\r\n3\r\n"},
        {"hash", LOAD_PUT, "*4\r\n$4\r\nHSET\r\n$15\r\nkey:00000000012\r\n$1\r\n3\r\n$2\r\nke\r\n"},
        {"mset", LOAD_PUT, "*21\r\n$4\r\nMSET\r\n$16\r\nkey:000000000120\r\n$2\r\nke\r\n"},
    };
    struct request r = {.number = 1};
    key_write(r.key, 123);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o = {
            .distribution = "uniform", .shape = cases[i].shape, .keys = 1000, .value_bytes = 2};
        struct keys k;
        keys_init(&k, &o);
        uint8_t *bytes = xalloc(request_bytes_max(&k));
        r.op = cases[i].op;
        size_t len = protocol_resp.encode(NULL, &k, &r, bytes), want = strlen(cases[i].bytes);
        ck_assert_uint_le(len, request_bytes_max(&k));
        ck_assert_uint_ge(len, want);
        ck_assert_mem_eq(bytes, cases[i].bytes, want);
        ck_assert(len == want || k.per_write == MSET_KEYS);
        free(bytes);
        keys_release(&k);
    }
}
END_TEST

UNIT_MAIN("bench/protocols", an_answer_is_read_only_when_whole_and_stops_at_its_end,
          malformed_answers_are_refused, a_grid_request_is_what_the_generated_decoder_reads,
          a_grid_answer_is_read_whatever_other_fields_it_has,
          keys_of_a_shard_are_drawn_for_it_alone_and_filled_without_gap,
          zipf_keys_are_skewed_and_within_the_space, each_shape_is_the_command_a_redis_client_sends,
          a_value_with_one_wrong_byte_or_of_another_key_is_not_right)
