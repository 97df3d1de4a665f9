/* test_peer.c - what nodes say to each other, there and back.
 * LINK: wire shard command grid raft control replica data base pb frame */
#include "base/alloc.h"
#include "peer.pb-c.h"
#include "raft/raft.h"
#include "tests/lib/unit.h"
#include "wire/peer.h"

static struct node_info info_make(void)
{
    struct node_info n = {
        .id = "id", .boot_id = "boot", .name = "a", .labels = "zone=x", .weight = 3, .shards = 4};
    strcpy(n.address[ADDRESS_PEER], "10.0.0.1:7401");
    strcpy(n.address[ADDRESS_RESP], "10.0.0.1:7403");
    return n;
}

static bool info_eq(const struct node_info *a, const struct node_info *b)
{
    return !memcmp(a->id, b->id, GRID_ID_BYTES) && !memcmp(a->boot_id, b->boot_id, GRID_ID_BYTES) &&
           !strcmp(a->name, b->name) && !strcmp(a->labels, b->labels) &&
           !memcmp(a->address, b->address, sizeof a->address) && a->weight == b->weight &&
           a->shards == b->shards;
}

/* Encoded, and decoded again; the arena holds it. */
static struct grid_message there_and_back(const struct grid_message *m, struct arena *a,
                                          struct buf *bytes)
{
    struct grid_message back;
    wire_grid_encode(m, bytes);
    ck_assert_int_eq(wire_grid_decode(buf_slice(bytes), a, &back), GRID_OK);
    ck_assert_int_eq(back.kind, m->kind);
    ck_assert_mem_eq(back.grid_id, m->grid_id, GRID_ID_BYTES);
    ck_assert_mem_eq(back.from, m->from, GRID_ID_BYTES);
    ck_assert(replica_member_eq(back.member, m->member));
    for (size_t len = 0; len < bytes->len; len++) { /* a torn one is never taken for another */
        struct grid_message torn;
        enum grid_err err = wire_grid_decode(slice_make(bytes->data, len), a, &torn);
        ck_assert(err || torn.kind == m->kind);
    }
    struct buf again = BUF_INIT;
    wire_grid_encode(&back, &again);
    ck_assert(slice_eq(buf_slice(&again), buf_slice(bytes)));
    buf_release(&again);
    return back;
}

#define BEGIN(k)                                                                                   \
    struct arena *a = arena_new(64 << 20);                                                         \
    struct buf bytes = BUF_INIT;                                                                   \
    struct grid_message m = {.kind = (k), .grid_id = "grid", .from = "node", .member = {3, 7}}
#define END()                                                                                      \
    arena_free(a);                                                                                 \
    buf_release(&bytes)

START_TEST(hello_and_welcome_come_as_they_went)
{
    BEGIN(GRID_MSG_HELLO);
    struct node_info n = info_make();
    struct grid_sight sights[2] = {{"x", "h:1", true}, {"y", "h:2", false}};
    memset(m.grid_id, 0, sizeof m.grid_id);
    m.member = (struct replica_member){0, 0};
    m.u.hello = (struct grid_hello){.info = &n,
                                    .grid = "shop",
                                    .bootstrap_expect = 3,
                                    .founder = "f",
                                    .sights = sights,
                                    .sights_len = 2,
                                    .echo = 9};
    struct grid_message b = there_and_back(&m, a, &bytes);
    ck_assert(info_eq(b.u.hello.info, &n));
    ck_assert_str_eq(b.u.hello.grid, "shop");
    ck_assert_uint_eq(b.u.hello.sights_len, 2);
    ck_assert_str_eq(b.u.hello.sights[1].address, "h:2");
    ck_assert(b.u.hello.sights[0].heard && !b.u.hello.sights[1].heard);
    bytes.len = 0;
    m.kind = GRID_MSG_WELCOME;
    m.u.welcome = (struct grid_welcome){.grid = "shop",
                                        .boot_id = "b",
                                        .you = {4, 1},
                                        .refused = "",
                                        .sent = 5,
                                        .leader = 2,
                                        .leader_id = "l",
                                        .leader_address = "h:3",
                                        .nodes = sights,
                                        .nodes_len = 1};
    b = there_and_back(&m, a, &bytes);
    ck_assert_ptr_nonnull(b.u.welcome.refused);
    ck_assert_uint_eq(b.u.welcome.you.node, 4);
    bytes.len = 0;
    m.u.welcome.refused = NULL;
    b = there_and_back(&m, a, &bytes);
    ck_assert_ptr_null(b.u.welcome.refused);
    END();
}
END_TEST

START_TEST(beacons_come_as_they_went)
{
    BEGIN(GRID_MSG_BEACON);
    uint32_t quiet[] = {4, 9};
    m.u.beacon = (struct grid_beacon){.sent = 11,
                                      .to = {5, 6},
                                      .echo = 7,
                                      .revision = 8,
                                      .term = 9,
                                      .leader = 1,
                                      .probe = true,
                                      .follow = true,
                                      .stops = true,
                                      .gone = true,
                                      .quiet = quiet,
                                      .quiet_len = 2};
    struct grid_message b = there_and_back(&m, a, &bytes);
    ck_assert_uint_eq(b.u.beacon.quiet[1], 9);
    ck_assert(b.u.beacon.probe && !b.u.beacon.released && b.u.beacon.follow && b.u.beacon.gone);
    ck_assert(b.u.beacon.stops);
    ck_assert_uint_lt(bytes.len, 100);
    END();
}
END_TEST

START_TEST(raft_messages_come_as_they_went)
{
    BEGIN(GRID_MSG_RAFT);
    struct raft_entry entries[] = {{8, 2, RAFT_ENTRY_NOOP, {NULL, 0}},
                                   {9, 3, RAFT_ENTRY_COMMAND, slice_str("data")}};
    struct raft_membership members = {2, 1, {1, 2}, {5}};
    struct raft_message r = {.kind = RAFT_MESSAGE_APPEND,
                             .from = 1,
                             .to = 2,
                             .term = 3,
                             .index = 7,
                             .log_term = 2,
                             .commit = 6,
                             .round = 4,
                             .entries = entries,
                             .entries_len = 2};
    m.u.raft = &r;
    struct grid_message b = there_and_back(&m, a, &bytes);
    ck_assert_uint_eq(b.u.raft->entries_len, 2);
    ck_assert_uint_eq(b.u.raft->entries[1].index, 9);
    ck_assert(slice_eq(b.u.raft->entries[1].data, slice_str("data")));
    ck_assert_ptr_null(b.u.raft->membership);
    r = (struct raft_message){.kind = RAFT_MESSAGE_SNAPSHOT,
                              .from = 1,
                              .to = 2,
                              .term = 3,
                              .membership = &members,
                              .offset = 5,
                              .total = 9,
                              .data = slice_str("part")};
    bytes.len = 0;
    b = there_and_back(&m, a, &bytes);
    ck_assert(raft_membership_eq(b.u.raft->membership, &members));
    END();
}
END_TEST

START_TEST(the_stream_and_proposals_come_as_they_went)
{
    BEGIN(GRID_MSG_PIECE);
    m.u.piece = (struct grid_piece){1, 2, 30, slice_str("abc")};
    ck_assert(slice_eq(there_and_back(&m, a, &bytes).u.piece.bytes, slice_str("abc")));
    bytes.len = 0;
    m.kind = GRID_MSG_DELTA;
    m.u.delta = (struct grid_delta){4, slice_str("d")};
    ck_assert_uint_eq(there_and_back(&m, a, &bytes).u.delta.revision, 4);
    bytes.len = 0;
    m.kind = GRID_MSG_PROPOSE;
    m.u.propose = (struct grid_propose){UINT64_MAX, 2, slice_str("c")};
    ck_assert_uint_eq(there_and_back(&m, a, &bytes).u.propose.session, UINT64_MAX);
    struct grid_outcome o = {.err = GRID_EEXISTS,
                             .why = "it is",
                             .changed = true,
                             .member = {1, 2},
                             .part_err = {0, GRID_ESTALE}};
    bytes.len = 0;
    m.kind = GRID_MSG_OUTCOME;
    m.u.answer = (struct grid_answer){1, 2, 3, &o, 2};
    struct grid_message b = there_and_back(&m, a, &bytes);
    ck_assert_int_eq(b.u.answer.outcome->err, GRID_EEXISTS);
    ck_assert_str_eq(b.u.answer.outcome->why, "it is");
    ck_assert_uint_eq(b.u.answer.outcome->part_err[1], GRID_ESTALE);
    END();
}
END_TEST

START_TEST(news_and_asks_come_as_they_went)
{
    BEGIN(GRID_MSG_NEWS);
    struct plan_report reports[] = {{1, 2, {3, 4}, 5, 6, false}, {7, 8, {9, 10}, 0, 0, true}};
    struct plan_progress progress[] = {{1, 2, 3000000000000}};
    m.u.news = (struct grid_news){reports, 2, progress, 1};
    struct grid_message b = there_and_back(&m, a, &bytes);
    ck_assert_uint_eq(b.u.news.reports[1].member.boot, 10);
    ck_assert(b.u.news.reports[1].broken && !b.u.news.reports[0].broken);
    ck_assert_uint_eq(b.u.news.progress[0].bytes_left, 3000000000000);
    bytes.len = 0;
    m.kind = GRID_MSG_ASK;
    m.u.ask = (struct plan_ask){1, 2, 3, {4, 5}, {6, 7}};
    b = there_and_back(&m, a, &bytes);
    ck_assert_uint_eq(b.u.ask.to.boot, 7);
    END();
}
END_TEST

START_TEST(what_breaks_a_limit_is_refused)
{
    BEGIN(GRID_MSG_BEACON);
    uint32_t quiet[GRID_QUIET_MAX + 1] = {0};
    struct grid_message back;
    m.u.beacon = (struct grid_beacon){.quiet = quiet, .quiet_len = GRID_QUIET_MAX + 1};
    wire_grid_encode(&m, &bytes);
    ck_assert_int_eq(wire_grid_decode(buf_slice(&bytes), a, &back), GRID_EBAD_REQUEST);
    bytes.len = 0;
    m.kind = GRID_MSG_HELLO;
    struct node_info n = info_make();
    m.u.hello = (struct grid_hello){.info = &n, .grid = "a\nb"};
    wire_grid_encode(&m, &bytes);
    ck_assert_int_eq(wire_grid_decode(buf_slice(&bytes), a, &back), GRID_EBAD_REQUEST);
    ck_assert_int_eq(wire_grid_decode(slice_make(NULL, 0), a, &back), GRID_EUNSUPPORTED);
    END();
}
END_TEST

/* --- shard ------------------------------------------------------------------------------------ */

#define AT(epoch, seq) (UINT64_C(epoch) << 40 | (seq))

static struct shard_message shard_make(const struct slice *records, size_t len)
{
    return (struct shard_message){
        .kind = SHARD_REPLICA,
        .context = 70000,
        .partition = 1023,
        .number = 5,
        .last = true,
        .replica = {.kind = REPLICA_RECORDS,
                    .from = {300, 4},
                    .epoch = 9,
                    .round = 10,
                    .copying = true,
                    .served = true,
                    .stray = true,
                    .copy = 12,
                    .version = AT(9, 7),
                    .commit = AT(9, 6),
                    .history = {.last = AT(9, 7),
                                .ends = {AT(8, 90), AT(5, 80)},
                                .ends_len = 2,
                                .torn = true}},
        .records = records,
        .records_len = len,
    };
}

START_TEST(records_come_as_they_went_and_are_read_in_place)
{
    uint8_t big[70000] = {1};
    struct slice records[] = {slice_str("one"), slice_make(big, sizeof big), slice_str("three")};
    struct shard_message m = shard_make(records, 3), b;
    struct arena *a = arena_new(1 << 20);
    struct buf out = BUF_INIT;
    wire_shard_encode(&m, &out);
    ck_assert_int_eq(wire_shard_decode(buf_slice(&out), a, &b), GRID_OK);
    ck_assert_uint_eq(b.records_len, 3);
    for (int i = 0; i < 3; i++)
        ck_assert(slice_eq(b.records[i], records[i]));
    ck_assert(b.records[1].data > out.data && b.records[1].data < out.data + out.len);
    ck_assert_uint_eq(b.context, 70000);
    ck_assert_uint_eq(b.partition, 1023);
    ck_assert_uint_eq(b.replica.version, m.replica.version);
    ck_assert_uint_eq(b.replica.commit, m.replica.commit);
    ck_assert(b.last && !b.refused && b.replica.copying && !b.replica.broken);
    ck_assert(b.replica.served);
    ck_assert(b.replica.stray);
    ck_assert_uint_eq(b.replica.history.ends[1], AT(5, 80));
    ck_assert(b.replica.history.torn);
    struct buf again = BUF_INIT;
    wire_shard_encode(&b, &again);
    ck_assert(slice_eq(buf_slice(&again), buf_slice(&out)));
    buf_release(&again);
    buf_release(&out);
    arena_free(a);
}
END_TEST

START_TEST(it_is_the_protobuf_that_peer_proto_says)
{
    struct slice records[] = {slice_str("one"), slice_str("two")};
    struct shard_message m = shard_make(records, 2);
    struct buf out = BUF_INIT;
    wire_shard_encode(&m, &out);
    Peer__Shard *p = peer__shard__unpack(NULL, out.len, out.data);
    ck_assert_ptr_nonnull(p);
    ck_assert_uint_eq(p->kind, SHARD_REPLICA);
    ck_assert_uint_eq(p->replica, REPLICA_RECORDS);
    ck_assert_uint_eq(p->node, 300);
    ck_assert_uint_eq(p->epoch, 9);
    ck_assert_uint_eq(p->round, 10);
    ck_assert_uint_eq(p->version, m.replica.version);
    ck_assert_uint_eq(p->number, 5);
    ck_assert_uint_eq(p->flags, 57);
    ck_assert_uint_eq(p->copy, 12);
    ck_assert_uint_eq(p->history->n_ends, 2);
    ck_assert_uint_eq(p->n_records, 2);
    ck_assert_uint_eq(peer__shard__get_packed_size(p), out.len);
    peer__shard__free_unpacked(p, NULL);
    buf_release(&out);
}
END_TEST

START_TEST(a_shard_message_that_is_none_is_refused)
{
    struct shard_message b, m = shard_make(NULL, 0);
    struct arena *a = arena_new(1 << 20);
    struct buf out = BUF_INIT;
    m.replica.history.ends[0] = AT(9, 8); /* does not descend */
    wire_shard_encode(&m, &out);
    ck_assert_int_eq(wire_shard_decode(buf_slice(&out), a, &b), GRID_EBAD_REQUEST);
    out.len = 0;
    m = shard_make(NULL, 0);
    m.kind = SHARD_PIECE; /* with the kind of a replica's message */
    wire_shard_encode(&m, &out);
    ck_assert_int_eq(wire_shard_decode(buf_slice(&out), a, &b), GRID_EBAD_REQUEST);
    out.len = 0;
    m.kind = (enum shard_message_kind)100;
    wire_shard_encode(&m, &out);
    ck_assert_int_eq(wire_shard_decode(buf_slice(&out), a, &b), GRID_EUNSUPPORTED);
    ck_assert_int_eq(wire_shard_decode(slice_str("\x0a\xff\xff\xff\xff\x0f"), a, &b),
                     GRID_EBAD_REQUEST);
    buf_release(&out);
    arena_free(a);
}
END_TEST

UNIT_MAIN("wire/peer", hello_and_welcome_come_as_they_went, beacons_come_as_they_went,
          raft_messages_come_as_they_went, the_stream_and_proposals_come_as_they_went,
          news_and_asks_come_as_they_went, what_breaks_a_limit_is_refused,
          records_come_as_they_went_and_are_read_in_place, it_is_the_protobuf_that_peer_proto_says,
          a_shard_message_that_is_none_is_refused)
