/* test_response.c - what we write by hand, read back by protobuf-c as a client does.
 * LINK: wire control base pb frame */
#include "wire/response.h"

#include "base/prng.h"
#include "client.pb-c.h"
#include "proto/frame.h"
#include "tests/lib/unit.h"

/* The only frame in `b`, unpacked; b is emptied. */
static Grid__Response *read_back(struct buf *b)
{
    size_t body;
    ck_assert_int_eq(frame_peek(b->data, b->len, SIZE_MAX, &body), FRAME_WHOLE);
    ck_assert_uint_eq(b->len, FRAME_HEADER_BYTES + body);
    Grid__Response *m = grid__response__unpack(NULL, body, b->data + FRAME_HEADER_BYTES);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->base.n_unknown_fields, 0);
    ck_assert_uint_eq(grid__response__get_packed_size(m), body); /* nothing superfluous either */
    buf_release(b);
    return m;
}

static struct slice got(ProtobufCBinaryData b)
{
    return slice_make(b.data, b.len);
}

START_TEST(a_result_arrives_with_every_field_at_every_size_of_number)
{
    static const uint64_t numbers[] = {0,     1,          127,        128,       16383,
                                       16384, 0xffffffff, 1ull << 56, UINT64_MAX};
    static const int64_t results[] = {0, 1, -1, 63, -64, 64, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        for (size_t k = 0; k < sizeof results / sizeof *results; k++) {
            struct result res = {.status = GRID_ECONDITION,
                                 .repeated = i % 2,
                                 .version = numbers[i],
                                 .deadline = numbers[i],
                                 .number = results[k],
                                 .value = slice_str("the value"),
                                 .cursor = slice_str("cursor"),
                                 .failed_at = (uint32_t)i};
            struct buf b = BUF_INIT;
            wire_response_result(&b, numbers[i], &res, numbers[i]);
            Grid__Response *m = read_back(&b);
            ck_assert_uint_eq(m->number, numbers[i]);
            ck_assert_uint_eq(m->status, GRID_ECONDITION);
            ck_assert_uint_eq(m->version, numbers[i]);
            ck_assert_uint_eq(m->deadline_ms, numbers[i]);
            ck_assert_int_eq(m->result, results[k]);
            ck_assert(slice_eq(got(m->value), res.value));
            ck_assert(slice_eq(got(m->cursor), res.cursor));
            ck_assert_uint_eq(m->failed_at, i);
            ck_assert_int_eq(m->repeated_, i % 2);
            ck_assert_uint_eq(m->topology, numbers[i]);
            grid__response__free_unpacked(m, NULL);
        }
    }
}
END_TEST

START_TEST(values_of_any_length_arrive_whole)
{
    static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 2097151, 2097152};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t *data = malloc(lengths[i] + 1);
        memset(data, 0x5a, lengths[i] + 1);
        struct result res = {.value = slice_make(data, lengths[i])};
        struct buf b = BUF_INIT;
        wire_response_result(&b, 1, &res, 0);
        Grid__Response *m = read_back(&b);
        ck_assert(slice_eq(got(m->value), res.value));
        grid__response__free_unpacked(m, NULL);
        free(data);
    }
}
END_TEST

START_TEST(types_arrive_and_media_types_apart_from_the_bytes)
{
    static const struct {
        uint8_t type;
        const char *stored, *media, *value;
    } cases[] = {{VALUE_BYTES, "\4text", "", "\4text"},
                 {VALUE_MEDIA, "\4textbytes", "text", "bytes"},
                 {VALUE_MEDIA, "\1t", "t", ""},
                 {VALUE_HASH, "\1f\1v", "", "\1f\1v"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice stored = slice_str(cases[i].stored);
        struct slice media = slice_str(cases[i].media), value = slice_str(cases[i].value);
        struct scan_item item = {.key = slice_str("k"), .value = stored, .type = cases[i].type};
        struct wire_item many = {.value = stored, .type = cases[i].type};
        struct result res = {.value = stored, .type = cases[i].type};
        res.items = &item;
        res.items_len = 1;
        struct buf b = BUF_INIT;
        wire_response_result(&b, 1, &res, 7);
        Grid__Response *m = read_back(&b);
        ck_assert(m->type == cases[i].type && m->items[0]->type == cases[i].type);
        ck_assert(slice_eq(got(m->media), media) && slice_eq(got(m->items[0]->media), media));
        ck_assert(slice_eq(got(m->value), value) && slice_eq(got(m->items[0]->value), value));
        grid__response__free_unpacked(m, NULL);
        wire_response_items(&b, 1, &many, 1, 0);
        m = read_back(&b);
        ck_assert(m->items[0]->type == cases[i].type && slice_eq(got(m->items[0]->media), media));
        ck_assert(slice_eq(got(m->items[0]->value), value));
        grid__response__free_unpacked(m, NULL);
    }
}
END_TEST

START_TEST(a_page_of_a_scan_arrives_in_order)
{
    enum { N = 300 };
    struct scan_item items[N];
    uint8_t value[N];
    memset(value, 7, sizeof value);
    for (size_t i = 0; i < N; i++)
        items[i] = (struct scan_item){
            slice_make(&value, i % 200 + 1), slice_make(value, i), version_make(3, i), i * 1000,
            slice_make(value, i % 3),        VALUE_BYTES};
    struct result res = {.items = items, .items_len = N, .cursor = slice_str("go on")};
    struct buf b = BUF_INIT;
    wire_response_result(&b, 9, &res, 0);
    Grid__Response *m = read_back(&b);
    ck_assert_uint_eq(m->n_items, N);
    for (size_t i = 0; i < N; i++) {
        ck_assert(slice_eq(got(m->items[i]->key), items[i].key));
        ck_assert(slice_eq(got(m->items[i]->value), items[i].value));
        ck_assert_uint_eq(m->items[i]->version, items[i].version);
        ck_assert_uint_eq(m->items[i]->deadline_ms, items[i].deadline);
        ck_assert(slice_eq(got(m->items[i]->affinity), items[i].affinity));
    }
    grid__response__free_unpacked(m, NULL);
}
END_TEST

START_TEST(items_of_a_many_key_answer_arrive_in_place_within_the_bound)
{
    struct wire_item items[] = {
        {GRID_OK, 5, 6, -7, slice_str("v"), 0},
        {GRID_ENOT_FOUND, 0, 0, 0, {NULL, 0}, 0},
        {GRID_ETOO_LARGE, UINT64_MAX, UINT64_MAX, INT64_MIN, {NULL, 0}, 0},
    };
    struct buf b = BUF_INIT;
    wire_response_items(&b, UINT64_MAX, items, 3, UINT64_MAX);
    ck_assert_uint_le(b.len, wire_response_items_max(3, 1));
    Grid__Response *m = read_back(&b);
    ck_assert_uint_eq(m->n_items, 3);
    ck_assert_uint_eq(m->items[0]->version, 5);
    ck_assert_int_eq(m->items[0]->result, -7);
    ck_assert(slice_eq(got(m->items[0]->value), slice_str("v")));
    ck_assert_uint_eq(m->items[1]->status, GRID_ENOT_FOUND);
    ck_assert_int_eq(m->items[2]->result, INT64_MIN);
    grid__response__free_unpacked(m, NULL);
}
END_TEST

START_TEST(frames_are_added_behind_what_waits_already)
{
    struct buf b = BUF_INIT;
    for (uint64_t i = 1; i <= 1000; i++)
        wire_response_status(&b, i, GRID_EBUSY, slice_str("why"), 0);
    size_t at = 0;
    for (uint64_t i = 1; i <= 1000; i++) {
        size_t body;
        ck_assert_int_eq(frame_peek(b.data + at, b.len - at, 1000, &body), FRAME_WHOLE);
        Grid__Response *m = grid__response__unpack(NULL, body, b.data + at + FRAME_HEADER_BYTES);
        ck_assert_uint_eq(m->number, i);
        ck_assert_str_eq(m->detail, "why");
        grid__response__free_unpacked(m, NULL);
        at += FRAME_HEADER_BYTES + body;
    }
    ck_assert_uint_eq(at, b.len);
    buf_release(&b);
}
END_TEST

START_TEST(cache_and_location_arrive)
{
    struct context_info context = {.id = 2,
                                   .name = "orders",
                                   .partitions = 64,
                                   .backups = 1,
                                   .durability = DURABILITY_MEMORY,
                                   .full_policy = FULL_EVICT};
    struct cache_info cache = {.id = 2 << 16 | 5, .name = "lines"};
    struct buf b = BUF_INIT;
    wire_response_cache(&b, 4, &context, &cache, 0);
    Grid__Response *m = read_back(&b);
    ck_assert_int_eq(m->result, 2 << 16 | 5);
    ck_assert_str_eq(m->context->name, "orders");
    ck_assert_uint_eq(m->context->partitions, 64);
    ck_assert_uint_eq(m->context->durability, DURABILITY_MEMORY);
    grid__response__free_unpacked(m, NULL);

    static const char *const in_sync[] = {"a", "b"};
    struct wire_location l = {7, 3, "a", in_sync, 2, 120, 2, "127.0.0.1:7400"};
    wire_response_location(&b, 5, &l, 0);
    m = read_back(&b);
    ck_assert_uint_eq(m->location->partition, 7);
    ck_assert_uint_eq(m->location->n_in_sync, 2);
    ck_assert_str_eq(m->location->in_sync[1], "b");
    ck_assert_str_eq(m->location->address, "127.0.0.1:7400");
    grid__response__free_unpacked(m, NULL);
}
END_TEST

START_TEST(a_whole_admin_reply_arrives)
{
    static const uint8_t id[16] = {1, 2, 3};
    const char *problems[] = {"one", "two"}, *labels[] = {"zone=a"}, *notes[] = {"three"};
    struct admin_metric metrics[] = {{"gets", 12, "", true}, {"memory", 34, "bytes", false}};
    struct admin_node node = {.name = "a",
                              .node_id = id,
                              .address = "host:1",
                              .version = "0.1",
                              .labels = labels,
                              .labels_len = 1,
                              .state = "serving",
                              .metrics = metrics,
                              .metrics_len = 2,
                              .kept = 6};
    struct admin_status status = {.grid = "shop",
                                  .problems = problems,
                                  .problems_len = 2,
                                  .notes = notes,
                                  .notes_len = 1,
                                  .nodes = &node,
                                  .nodes_len = 1,
                                  .partitions_damaged = 5,
                                  .misplaced = 13,
                                  .unplaced = 14};
    struct cache_info cache = {.id = 65537, .name = "default", .ttl_ms = 8};
    struct context_info info = {.id = 1, .name = "default", .caches = &cache, .caches_len = 1};
    struct admin_context context = {&info, 10, 20, 2};
    struct admin_cache caches = {&info, &cache, 30};
    static const char *const names[] = {"a", "b"};
    struct admin_partition partition = {"default", 7, 1,     2, 3, 4, "ok", "a",
                                        names,     2, names, 1, 0, 0, NULL, 0};
    int64_t settings[SETTINGS_LEN];
    for (int i = 0; i < SETTINGS_LEN; i++)
        settings[i] = i - 1;
    struct admin_reply reply = {.status = &status,
                                .contexts = &context,
                                .contexts_len = 1,
                                .caches = &caches,
                                .caches_len = 1,
                                .settings = settings,
                                .partitions = &partition,
                                .partitions_len = 1,
                                .revision = 44};
    struct buf body = BUF_INIT, b = BUF_INIT;
    wire_admin_reply_encode(&reply, &body);
    wire_response_admin(&b, 6, GRID_OK, slice_make(NULL, 0), buf_slice(&body), 0);
    buf_release(&body);
    Grid__Response *m = read_back(&b);
    const Grid__AdminReply *r = m->admin;
    ck_assert_str_eq(r->status->grid, "shop");
    ck_assert_str_eq(r->status->problems[1], "two");
    ck_assert_str_eq(r->status->nodes[0]->labels[0], "zone=a");
    ck_assert_str_eq(r->status->nodes[0]->metrics[1]->unit, "bytes");
    ck_assert(slice_eq(got(r->status->nodes[0]->node_id), slice_make(id, 16)));
    ck_assert_uint_eq(r->status->partitions_damaged, 5);
    ck_assert_str_eq(r->status->notes[0], "three");
    ck_assert_uint_eq(r->status->misplaced, 13);
    ck_assert_uint_eq(r->status->unplaced, 14);
    ck_assert_uint_eq(r->status->nodes[0]->kept, 6);
    ck_assert_uint_eq(r->contexts[0]->bytes, 20);
    ck_assert_str_eq(r->caches[0]->name, "default/default");
    ck_assert_uint_eq(r->caches[0]->entries, 30);
    ck_assert_uint_eq(r->n_settings, SETTINGS_LEN);
    ck_assert_str_eq(r->settings[SETTING_max_value]->name, "max_value");
    ck_assert_int_eq(r->settings[SETTING_max_value]->value, SETTING_max_value - 1);
    ck_assert_uint_eq(r->partitions[0]->shard, 2); /* from 1 */
    ck_assert_uint_eq(r->revision, 44);
    grid__response__free_unpacked(m, NULL);
}
END_TEST

START_TEST(an_empty_admin_reply_is_there_and_a_failed_one_is_not)
{
    struct buf b = BUF_INIT;
    wire_response_admin(&b, 6, GRID_OK, slice_make(NULL, 0), slice_make(NULL, 0), 0);
    Grid__Response *m = read_back(&b);
    ck_assert_ptr_nonnull(m->admin);
    grid__response__free_unpacked(m, NULL);
    wire_response_admin(&b, 6, GRID_EEXISTS, slice_str("orders is there"), slice_make("x", 1), 0);
    m = read_back(&b);
    ck_assert_ptr_null(m->admin);
    ck_assert_str_eq(m->detail, "orders is there");
    grid__response__free_unpacked(m, NULL);
}
END_TEST

START_TEST(a_hello_reply_arrives)
{
    static const uint8_t id[16] = {9, 8, 7};
    struct wire_hello_reply r = {GRID_EAUTH, "no",   1,      1, 2, 4, slice_make(id, 16),
                                 "a",        "shop", 100000, 7, 8, 9, "0.1.0"};
    struct buf b = BUF_INIT;
    wire_hello_reply(&b, &r);
    Grid__HelloReply *m =
        grid__hello_reply__unpack(NULL, b.len - FRAME_HEADER_BYTES, b.data + FRAME_HEADER_BYTES);
    ck_assert_uint_eq(m->status, GRID_EAUTH);
    ck_assert_str_eq(m->detail, "no");
    ck_assert_uint_eq(m->shard, 2);
    ck_assert_uint_eq(m->shards, 4);
    ck_assert(slice_eq(got(m->node_id), slice_make(id, 16)));
    ck_assert_uint_eq(m->frame_max, 100000);
    ck_assert_uint_eq(m->value_max, 9);
    ck_assert_str_eq(m->server, "0.1.0");
    grid__hello_reply__free_unpacked(m, NULL);
    buf_release(&b);
}
END_TEST

UNIT_MAIN("wire/response", a_result_arrives_with_every_field_at_every_size_of_number,
          values_of_any_length_arrive_whole, types_arrive_and_media_types_apart_from_the_bytes,
          a_page_of_a_scan_arrives_in_order,
          items_of_a_many_key_answer_arrive_in_place_within_the_bound,
          frames_are_added_behind_what_waits_already, cache_and_location_arrive,
          a_whole_admin_reply_arrives, an_empty_admin_reply_is_there_and_a_failed_one_is_not,
          a_hello_reply_arrives)
