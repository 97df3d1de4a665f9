/* test_admin.c - what nodes ask each other for an operator, and what they answer.
 * LINK: wire shard command grid raft control replica data base pb frame */
#include "tests/lib/unit.h"
#include "wire/admin.h"

START_TEST(a_question_comes_back_as_it_was)
{
    struct admin_letter l = {.number = 77, .request = {.op = ADMIN_VERIFY, .partition = 128}};
    struct admin_letter got;
    struct buf out = BUF_INIT;
    strcpy(l.request.name, "orders");
    strcpy(l.request.context.name, "shop");
    l.request.count = 64;
    l.request.only[0] = 0x8000000000000001;
    l.request.all_partitions = true;
    wire_admin_letter_encode(&l, &out);
    ck_assert_int_eq(wire_admin_letter_decode(buf_slice(&out), &got), GRID_OK);
    ck_assert(!got.is_answer && got.request.all_partitions);
    ck_assert_uint_eq(got.number, 77);
    ck_assert_int_eq(got.request.op, ADMIN_VERIFY);
    ck_assert_str_eq(got.request.name, "orders");
    ck_assert_str_eq(got.request.context.name, "shop");
    ck_assert_uint_eq(got.request.partition, 128);
    ck_assert_uint_eq(got.request.count, 64);
    ck_assert(got.request.only[0] == l.request.only[0] && !got.request.only[1]);
    for (size_t len = 0; len < out.len; len++)
        ck_assert_int_eq(wire_admin_letter_decode(slice_make(out.data, len), &got),
                         GRID_EBAD_REQUEST);
    buf_release(&out);
}
END_TEST

START_TEST(a_revision_that_is_to_be_known_comes_back_and_is_never_0)
{
    struct admin_letter l = {.number = 9, .known = 1ull << 40}, got;
    struct buf out = BUF_INIT;
    wire_admin_letter_encode(&l, &out);
    ck_assert_int_eq(wire_admin_letter_decode(buf_slice(&out), &got), GRID_OK);
    ck_assert(!got.is_answer && got.number == 9 && got.known == l.known && !got.request.op);
    memset(out.data + out.len - 8, 0, 8);
    ck_assert_int_eq(wire_admin_letter_decode(buf_slice(&out), &got), GRID_EBAD_REQUEST);
    buf_release(&out);
}
END_TEST

START_TEST(an_answer_brings_its_reply)
{
    static const uint8_t id[16] = "0123456789abcde";
    const char *problems[] = {"the disk is full"};
    struct admin_metric metric = {"reads", 5, "", true};
    struct admin_node node = {.name = "b",
                              .node_id = id,
                              .address = "h:1",
                              .version = "1.0",
                              .uptime_ms = 12,
                              .state = "serving",
                              .metrics = &metric,
                              .metrics_len = 1};
    struct admin_status status = {.grid = "g",
                                  .problems = problems,
                                  .problems_len = 1,
                                  .nodes = &node,
                                  .nodes_len = 1,
                                  .entries = 9,
                                  .bytes = 90,
                                  .bytes_left = 900};
    struct context_info info = {.id = 3, .name = "shop"};
    struct admin_context context = {&info, 4, 40, 2};
    struct admin_partition partition = {.context = "shop",
                                        .partition = 6,
                                        .shard = 1,
                                        .version = 1ull << 40 | 7,
                                        .digest = 0xfedcba9876543210,
                                        .entries = 8,
                                        .state = "ok"};
    struct admin_reply reply = {.status = &status,
                                .contexts = &context,
                                .contexts_len = 1,
                                .partitions = &partition,
                                .partitions_len = 1};
    struct admin_reply got;
    struct admin_letter l = {.is_answer = true, .number = 3}, told;
    struct arena *a = arena_new(1 << 20);
    struct buf body = BUF_INIT, out = BUF_INIT;
    wire_admin_reply_encode(&reply, &body);
    l.reply = buf_slice(&body);
    wire_admin_letter_encode(&l, &out);
    ck_assert_int_eq(wire_admin_letter_decode(buf_slice(&out), &told), GRID_OK);
    ck_assert(told.is_answer && told.err == GRID_OK);
    ck_assert_int_eq(wire_admin_reply_decode(told.reply, a, &got), GRID_OK);
    ck_assert_str_eq(got.status->nodes[0].version, "1.0");
    ck_assert_uint_eq(got.status->nodes[0].metrics[0].value, 5);
    ck_assert_str_eq(got.status->problems[0], "the disk is full");
    ck_assert_uint_eq(got.status->bytes_left, 900);
    ck_assert_uint_eq(got.contexts[0].info->id, 3);
    ck_assert_uint_eq(got.contexts[0].entries, 4);
    ck_assert_uint_eq(got.partitions[0].digest, partition.digest);
    ck_assert_uint_eq(got.partitions[0].version, partition.version);
    ck_assert_uint_eq(got.partitions[0].shard, 1);
    ck_assert_int_eq(wire_admin_reply_decode(slice_str("\xff\xff"), a, &got), GRID_EBAD_REQUEST);
    arena_free(a);
    buf_release(&body);
    buf_release(&out);
}
END_TEST

UNIT_MAIN("wire/admin", a_question_comes_back_as_it_was,
          a_revision_that_is_to_be_known_comes_back_and_is_never_0, an_answer_brings_its_reply)
