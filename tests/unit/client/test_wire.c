/* test_wire.c - the sans-I/O core against protobuf-c, and against bytes that mean nothing.
 * LINK: client */
#include "tests/lib/unit.h"
#include "client.pb-c.h"
#include "client/lib/wire.h"
#include "proto/frame.h"
#include "proto/slot.h"

#include <string.h>

static struct grid_bytes bytes(const char *text)
{
    return (struct grid_bytes){text, strlen(text)};
}

static bool same(ProtobufCBinaryData a, const char *text)
{
    return a.len == strlen(text) && memcmp(a.data, text, a.len) == 0;
}

START_TEST(a_request_reads_as_it_was_meant)
{
    struct grid_write how = {.condition = GRID_IF_VERSION,
                             .version = UINT64_MAX,
                             .ttl = GRID_TTL_SET,
                             .ttl_ms = 1ull << 40,
                             .type = GRID_MEDIA,
                             .media = bytes("text/plain")};
    struct wire_key k = {.op = 4,
                         .cache = 9,
                         .key = bytes("key"),
                         .value = bytes("value"),
                         .affinity = bytes("affinity"),
                         .how = &how,
                         .delta = INT64_MIN};
    struct wire_head head = {.number = 1ull << 50, .op = 6, .cache = 7, .lowest = 3, .age_ms = 400};
    uint8_t frame[512], *body = frame + 256;
    size_t len = gc_wire_key_len(&k) + gc_wire_item_len(&k);
    uint8_t *end = gc_wire_put_item(gc_wire_put_key(body, &k), &k);
    ck_assert_uint_eq((size_t)(end - body), len);
    size_t head_len = gc_wire_head(frame, &head, len);
    memmove(frame + head_len, body, len);
    size_t body_len;
    ck_assert_int_eq(frame_peek(frame, head_len + len, 1024, &body_len), FRAME_WHOLE);
    Grid__Request *q = grid__request__unpack(NULL, body_len, frame + FRAME_HEADER_BYTES);
    ck_assert_ptr_nonnull(q);
    ck_assert_uint_eq(q->number, head.number);
    ck_assert_uint_eq(q->op, 6);
    ck_assert_uint_eq(q->cache, 7);
    ck_assert_uint_eq(q->lowest, 3);
    ck_assert_uint_eq(q->age_ms, 400);
    ck_assert(same(q->key, "key") && same(q->value, "value") && same(q->affinity, "affinity"));
    ck_assert_uint_eq(q->condition, GRID_IF_VERSION);
    ck_assert_uint_eq(q->version, UINT64_MAX);
    ck_assert_int_eq(q->delta, INT64_MIN);
    ck_assert_uint_eq(q->ttl, GRID_TTL_SET);
    ck_assert_uint_eq(q->ttl_ms, how.ttl_ms);
    ck_assert(same(q->media, "text/plain") && q->type == GRID_MEDIA);
    ck_assert_uint_eq(q->n_items, 1);
    const Grid__Item *i = q->items[0];
    ck_assert_uint_eq(i->op, 4);
    ck_assert_uint_eq(i->cache, 9);
    ck_assert(same(i->key, "key") && same(i->value, "value") && same(i->affinity, "affinity"));
    ck_assert_int_eq(i->delta, INT64_MIN);
    ck_assert_uint_eq(i->ttl_ms, how.ttl_ms);
    ck_assert(same(i->media, "text/plain") && i->type == GRID_MEDIA);
    grid__request__free_unpacked(q, NULL);
}
END_TEST

START_TEST(a_response_reads_as_it_was_meant)
{
    uint8_t packed[256], value[] = "value", key[] = "key";
    char detail[] = "why";
    Grid__ItemResult items[2];
    Grid__ItemResult *list[] = {&items[0], &items[1]};
    Grid__Response a;
    grid__response__init(&a);
    for (size_t i = 0; i < 2; i++) {
        grid__item_result__init(&items[i]);
        items[i].key = (ProtobufCBinaryData){3, key};
        items[i].result = -(int64_t)i;
        items[i].type = GRID_HASH;
    }
    a.type = GRID_MEDIA;
    a.media = (ProtobufCBinaryData){3, key};
    a.number = UINT64_MAX;
    a.status = 2;
    a.value = (ProtobufCBinaryData){5, value};
    a.result = INT64_MIN;
    a.detail = detail;
    a.items = list;
    a.n_items = 2;
    a.topology = 12;
    struct wire_response r;
    struct wire_item item;
    ck_assert(gc_wire_response((struct grid_bytes){packed, grid__response__pack(&a, packed)}, &r));
    ck_assert_uint_eq(r.number, UINT64_MAX);
    ck_assert_uint_eq(r.status, 2);
    ck_assert_mem_eq(r.value.data, "value", 5);
    ck_assert_mem_eq(r.detail.data, "why", 3);
    ck_assert_int_eq(r.result, INT64_MIN);
    ck_assert_uint_eq(r.topology, 12);
    ck_assert_uint_eq(r.items.len, 2);
    for (int i = 0; i < 2; i++) {
        ck_assert(gc_wire_item_next(&r.items, &item));
        ck_assert_int_eq(item.result, -i);
        ck_assert_uint_eq(item.key.len, 3);
        ck_assert_uint_eq(item.type, GRID_HASH);
    }
    ck_assert_uint_eq(r.type, GRID_MEDIA);
    ck_assert_mem_eq(r.media.data, "key", r.media.len);
    ck_assert(!gc_wire_item_next(&r.items, &item));
}
END_TEST

START_TEST(a_hash_is_walked_as_it_was_made)
{
    static uint8_t packed[40000], big[20000];
    const struct grid_bytes parts[] = {bytes("field"), bytes("value"), bytes(""),
                                       {big, 130},     {big, 17000},   bytes("")};
    size_t len = 0, at = 0;
    for (size_t i = 0; i < 6; i += 2) {
        size_t need = grid_hash_add(NULL, parts[i], parts[i + 1]);
        ck_assert_uint_eq(grid_hash_add(packed + len, parts[i], parts[i + 1]), need);
        len += need;
    }
    struct grid_bytes hash = {packed, len}, field, value;
    for (size_t i = 0; i < 6; i += 2) {
        ck_assert(grid_hash_next(hash, &at, &field, &value));
        ck_assert(field.len == parts[i].len && value.len == parts[i + 1].len);
        ck_assert(!field.len || memcmp(field.data, parts[i].data, field.len) == 0);
        ck_assert(!value.len || memcmp(value.data, parts[i + 1].data, value.len) == 0);
    }
    ck_assert(!grid_hash_next(hash, &at, &field, &value));
    ck_assert_uint_eq(at, len);
}
END_TEST

START_TEST(a_walk_over_bytes_that_are_no_hash_stops_before_their_end)
{
    static const char *const bad[] = {"\1", "\1a", "\1a\2b", "\xff\xff\xff\xff\xff\xff", "\x81"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct grid_bytes hash = bytes(bad[i]), field, value;
        size_t at = 0;
        char *copy = malloc(hash.len); /* of that length, for sanitizers */
        memcpy(copy, bad[i], hash.len);
        hash.data = copy;
        ck_assert(!grid_hash_next(hash, &at, &field, &value));
        ck_assert_uint_lt(at, hash.len);
        free(copy);
    }
}
END_TEST

/* What both take for a message says the same to both; what we decode lies within the input. */
START_TEST(any_bytes_are_decoded_or_refused)
{
    uint64_t dice = 88172645463325252u;
    size_t both = 0;
    for (int round = 0; round < 200000; round++) {
        uint8_t data[48];
        size_t len = (size_t)(round % (int)sizeof data);
        for (size_t i = 0; i < len; i++) {
            dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
            data[i] = (uint8_t)(dice & 3 ? dice >> 8 & 0x7f : dice >> 8);
        }
        struct grid_bytes body = {data, len};
        struct wire_hello_reply hello;
        struct wire_response r;
        struct wire_item item;
        gc_wire_hello_reply(body, &hello);
        gc_wire_context_partitions(body);
        bool ours = gc_wire_response(body, &r);
        Grid__Response *theirs = grid__response__unpack(NULL, len, data);
        if (ours && theirs && theirs->number) {
            both++;
            ck_assert_uint_eq(theirs->number, r.number);
            ck_assert_uint_eq(theirs->n_items, r.items.len);
        }
        if (theirs)
            grid__response__free_unpacked(theirs, NULL);
        while (ours && gc_wire_item_next(&r.items, &item))
            ck_assert(!item.key.len ||
                      ((const uint8_t *)item.key.data >= data &&
                       (const uint8_t *)item.key.data + item.key.len <= data + len));
    }
    ck_assert_uint_gt(both, 0);
}
END_TEST

START_TEST(slots_are_those_of_redis_cluster)
{
    static const struct {
        const char *key;
        uint16_t slot;
    } cases[] = {{"123456789", 0x31c3 & 16383},
                 {"foo", 12182},
                 {"bar", 5061},
                 {"hello", 866},
                 {"", 0},
                 {"{foo}bar", 12182},
                 {"x{foo}{bar}", 12182}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(slot_of(cases[i].key, strlen(cases[i].key)), cases[i].slot);
    ck_assert_uint_eq(slot_of("{}foo", 5), slot_crc16((const uint8_t *)"{}foo", 5) & 16383);
    ck_assert_uint_eq(slot_partition(16383, 1024), 1023);
}
END_TEST

UNIT_MAIN("client/wire", a_request_reads_as_it_was_meant, a_response_reads_as_it_was_meant,
          a_hash_is_walked_as_it_was_made,
          a_walk_over_bytes_that_are_no_hash_stops_before_their_end,
          any_bytes_are_decoded_or_refused, slots_are_those_of_redis_cluster)
