/* test_stream.c - bytes in, bytes out: cutting, limits, back-pressure, endings.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/prng.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake.h"

START_TEST(frames_cut_anywhere_are_taken_when_whole)
{
    struct fake *f = fake_new();
    fake_greet(f);
    struct buf all = BUF_INIT;
    for (uint64_t i = 1; i <= 50; i++) {
        Grid__Request m = fake_request(f, i, i % 2 ? GRID__OP__PING : GRID__OP__GET, "key");
        fake_send(f, &m.base);
    }
    all = f->in;
    f->in = (struct buf)BUF_INIT;
    struct prng prng = {11};
    for (size_t at = 0; at < all.len;) {
        size_t n = (size_t)prng_below(&prng, 9) + 1;
        n = n < all.len - at ? n : all.len - at;
        fake_send_bytes(f, all.data + at, n);
        fake_turn(f);
        at += n;
    }
    ck_assert_uint_eq(f->in.len, 0);
    ck_assert_uint_eq(f->ops_len, 25);
    for (uint64_t i = 1; i <= 49; i += 2)
        fake_expect(f, i, GRID_OK);
    buf_release(&all);
    fake_free(f);
}
END_TEST

START_TEST(a_turn_takes_no_more_frames_than_its_budget_and_says_that_more_are_there)
{
    struct fake *f = fake_new();
    fake_greet(f);
    for (uint64_t i = 1; i <= 10; i++) {
        Grid__Request m = fake_request(f, i, GRID__OP__GET, "key");
        fake_send(f, &m.base);
    }
    f->budget = 4;
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 4);
    ck_assert(f->more);
    fake_turn(f);
    ck_assert(f->more);
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 10);
    ck_assert(!f->more);
    fake_send_bytes(f, "\x05\x00", 2);
    f->budget = 0;
    fake_turn(f);
    ck_assert(!f->more); /* half a frame is no work */
    fake_free(f);
}
END_TEST

START_TEST(too_many_unanswered_requests_stop_reading_until_answers_come)
{
    struct fake *f = fake_new();
    f->limits.requests = 3;
    fake_greet(f);
    for (uint64_t i = 1; i <= 5; i++) {
        Grid__Request m = fake_request(f, i, GRID__OP__GET, "key");
        fake_send(f, &m.base);
    }
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 3);
    ck_assert_uint_eq(session_in_flight(f->session), 3);
    ck_assert(!session_wants_read(f->session));
    ck_assert_ptr_eq(fake_answer(f->ops[1], (struct result){.status = GRID_OK}), f->session);
    ck_assert(session_wants_read(f->session));
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 4);
    fake_expect(f, 2, GRID_OK);
    fake_free(f);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_not_read)
{
    struct fake *f = fake_new();
    f->limits.output = 1000;
    fake_greet(f);
    for (uint64_t i = 1; i <= 1000; i++) {
        Grid__Request m = fake_request(f, i, GRID__OP__PING, "");
        fake_send(f, &m.base);
    }
    fake_turn(f);
    ck_assert(!session_wants_read(f->session));
    ck_assert_uint_gt(f->in.len, 0);
    ck_assert_uint_lt(session_output(f->session).len, 1100);
    uint64_t answered = 0;
    while (answered < 1000) {
        fake_expect(f, ++answered, GRID_OK);
        fake_turn(f);
    }
    fake_expect_nothing(f);
    fake_free(f);
}
END_TEST

START_TEST(values_beyond_the_output_limit_become_busy_while_writes_are_still_answered)
{
    struct fake *f = fake_new();
    f->limits.output_max = 5000;
    fake_greet(f);
    static uint8_t value[2000];
    for (uint64_t i = 1; i <= 5; i++) {
        Grid__Request m = fake_request(f, i, i == 4 ? GRID__OP__PUT : GRID__OP__GET, "key");
        fake_send(f, &m.base);
    }
    fake_turn(f);
    for (size_t i = 0; i < 5; i++) {
        struct result res = {.version = 1};
        if (i != 3)
            res.value = slice_make(value, sizeof value);
        fake_answer(f->ops[i], res);
    }
    fake_expect(f, 1, GRID_OK);
    fake_expect(f, 2, GRID_OK);
    fake_expect(f, 3, GRID_EBUSY);
    fake_expect(f, 4, GRID_OK);
    fake_expect(f, 5, GRID_EBUSY);
    fake_free(f);
}
END_TEST

START_TEST(a_frame_over_the_limit_is_answered_and_passed_over)
{
    struct fake *f = fake_new();
    char why[WHY_BYTES];
    ck_assert_int_eq(catalog_setting_set(f->catalog, slice_str("max_value"), 1024, why), GRID_OK);
    fake_greet(f);
    size_t body = 300000;
    uint8_t head[FRAME_HEADER_BYTES], junk[1000] = {0};
    frame_write_header(head, body);
    for (size_t round = 0; round < 2; round++) {
        fake_send_bytes(f, head, sizeof head);
        fake_turn(f);
        fake_send_bytes(f, "\x08\x2a\x10\x02", 4); /* number 42, PUT */
        for (size_t sent = 4; sent < body; sent += sizeof junk) {
            size_t n = body - sent < sizeof junk ? body - sent : sizeof junk;
            fake_send_bytes(f, junk, n);
            fake_turn(f);
            ck_assert_uint_le(f->in.len, 64);
        }
        fake_expect(f, 42, GRID_ETOO_LARGE);
        Grid__Request m = fake_request(f, 43, GRID__OP__PING, "");
        fake_send(f, &m.base);
        fake_turn(f);
        fake_expect(f, 43, GRID_OK);
    }
    fake_free(f);
}
END_TEST

START_TEST(a_frame_that_cannot_be_trusted_ends_the_connection_after_the_answers)
{
    static const struct {
        const char *bytes;
        size_t len;
        uint64_t number;
        enum grid_err want;
    } rows[] = {
        {"\x00\x00\x00\x00", 4, 0, GRID_EBAD_REQUEST},
        {"\xff\xff\xff\xff", 4, 0, GRID_ETOO_LARGE},
        {"\x04\x00\x00\x00\x08\x2a\xff\xff", 8, 42, GRID_EBAD_REQUEST},
        {"\x02\x00\x00\x00\xff\xff", 6, 0, GRID_EBAD_REQUEST},
        {"\x02\x00\x00\x00\x10\x20", 6, 0, GRID_EBAD_REQUEST}, /* no number */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fake *f = fake_new();
        fake_greet(f);
        Grid__Request m = fake_request(f, 1, GRID__OP__GET, "key");
        fake_send(f, &m.base);
        fake_send_bytes(f, rows[i].bytes, rows[i].len);
        fake_send(f, &m.base); /* never looked at */
        fake_turn(f);
        ck_assert_uint_eq(f->in.len, 0);
        ck_assert_uint_eq(f->ops_len, 1);
        fake_expect(f, rows[i].number, rows[i].want);
        ck_assert(!session_wants_read(f->session));
        ck_assert(!session_finished(f->session)); /* the first request is in flight */
        fake_answer(f->ops[0], (struct result){.version = 3});
        ck_assert(!session_finished(f->session));
        fake_expect(f, 1, GRID_OK);
        ck_assert(session_finished(f->session));
        ck_assert(*session_reason(f->session));
        fake_free(f);
    }
}
END_TEST

START_TEST(a_closed_session_drops_late_answers_and_goes_with_the_last)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Item items[2], *list[] = {&items[0], &items[1]};
    for (int i = 0; i < 2; i++) {
        grid__item__init(&items[i]);
        items[i].key = fake_bytes("key");
    }
    Grid__Request m = fake_request(f, 1, GRID__OP__GET_MANY, "");
    m.items = list;
    m.n_items = 2;
    fake_send(f, &m.base);
    m = fake_request(f, 2, GRID__OP__GET, "key");
    fake_send(f, &m.base);
    m = fake_request(f, 3, GRID__OP__ADMIN, "");
    Grid__Admin admin;
    grid__admin__init(&admin);
    admin.op = GRID__ADMIN_OP__STATUS;
    m.admin = &admin;
    fake_send(f, &m.base);
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 3);
    ck_assert_uint_eq(session_in_flight(f->session), 4);
    session_close(f->session);
    f->session = NULL;
    struct result res = {.value = slice_str("value")};
    for (size_t i = 0; i < 3; i++)
        ck_assert_ptr_null(fake_answer(f->ops[i], res));
    ck_assert_ptr_null(
        session_admin_result(&f->admin_ticket, GRID_OK, slice_make(NULL, 0), slice_make(NULL, 0)));
    fake_free(f); /* a leak checker sees whether the session is gone */
}
END_TEST

START_TEST(a_stopped_session_answers_what_is_in_flight_and_takes_no_more)
{
    struct fake *f = fake_new();
    fake_greet(f);
    Grid__Request m = fake_request(f, 1, GRID__OP__GET, "key");
    fake_send(f, &m.base);
    fake_turn(f);
    session_stop(f->session, "the node stops");
    session_stop(f->session, "again");
    ck_assert_str_eq(session_reason(f->session), "the node stops");
    fake_send(f, &m.base);
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 1);
    fake_answer(f->ops[0], (struct result){.status = GRID_ENOT_FOUND});
    fake_expect(f, 1, GRID_ENOT_FOUND);
    ck_assert(session_finished(f->session));
    fake_free(f);
}
END_TEST

START_TEST(a_full_arena_delays_a_request_by_a_turn_and_never_for_ever)
{
    struct fake *f = fake_new();
    fake_greet(f);
    arena_free(f->arena);
    f->arena = arena_new(256 << 10);
    char *value = calloc(1, 200001);
    memset(value, 'v', 200000);
    Grid__Request m = fake_request(f, 1, GRID__OP__BATCH, "key");
    Grid__Item item;
    grid__item__init(&item);
    item.op = GRID__OP__PUT;
    item.key = m.key;
    item.value = fake_bytes(value); /* messages within messages are copied to the arena */
    m.items = &(Grid__Item *){&item};
    m.n_items = 1;
    fake_send(f, &m.base);
    arena_alloc(f->arena, 150 << 10); /* another connection was first */
    fake_turn(f);
    ck_assert(f->more);
    ck_assert_uint_eq(f->ops_len, 0);
    arena_alloc(f->arena, 1);
    fake_turn(f);
    fake_expect(f, 1, GRID_EBUSY); /* the second time */
    fake_turn_end(f);
    fake_send(f, &m.base);
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 1);
    fake_turn_end(f);
    arena_free(f->arena);
    f->arena = arena_new(1000); /* the first chunk is there in any case */
    m.number = 2;
    fake_send(f, &m.base);
    fake_turn(f);
    fake_expect(f, 2, GRID_ETOO_LARGE);
    ck_assert(session_wants_read(f->session));
    free(value);
    fake_free(f);
}
END_TEST

START_TEST(output_sent_in_pieces_arrives_whole)
{
    struct fake *f = fake_new();
    f->limits.output = 64 << 20;
    fake_greet(f);
    static uint8_t value[100000];
    memset(value, 9, sizeof value);
    for (uint64_t i = 1; i <= 20; i++) {
        Grid__Request m = fake_request(f, i, GRID__OP__GET, "key");
        fake_send(f, &m.base);
    }
    fake_turn(f);
    struct prng prng = {5};
    struct buf got = BUF_INIT;
    for (size_t i = 0; i < 20; i++) {
        fake_answer(f->ops[i], (struct result){.value = slice_make(value, sizeof value)});
        struct slice out = session_output(f->session);
        size_t n = (size_t)prng_below(&prng, out.len);
        buf_add(&got, out.data, n);
        session_sent(f->session, n);
        session_check(f->session);
    }
    struct slice out = session_output(f->session);
    buf_add(&got, out.data, out.len);
    session_sent(f->session, out.len);
    fake_expect_nothing(f);
    size_t at = 0;
    for (uint64_t i = 1; i <= 20; i++) {
        size_t body;
        ck_assert_int_eq(frame_peek(got.data + at, got.len - at, 1 << 20, &body), FRAME_WHOLE);
        Grid__Response *m = grid__response__unpack(NULL, body, got.data + at + FRAME_HEADER_BYTES);
        ck_assert_uint_eq(m->number, i);
        ck_assert_uint_eq(m->value.len, sizeof value);
        ck_assert_int_eq(memcmp(m->value.data, value, sizeof value), 0);
        grid__response__free_unpacked(m, NULL);
        at += FRAME_HEADER_BYTES + body;
    }
    ck_assert_uint_eq(at, got.len);
    buf_release(&got);
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/stream", frames_cut_anywhere_are_taken_when_whole,
          a_turn_takes_no_more_frames_than_its_budget_and_says_that_more_are_there,
          too_many_unanswered_requests_stop_reading_until_answers_come,
          a_client_that_does_not_read_is_not_read,
          values_beyond_the_output_limit_become_busy_while_writes_are_still_answered,
          a_frame_over_the_limit_is_answered_and_passed_over,
          a_frame_that_cannot_be_trusted_ends_the_connection_after_the_answers,
          a_closed_session_drops_late_answers_and_goes_with_the_last,
          a_stopped_session_answers_what_is_in_flight_and_takes_no_more,
          a_full_arena_delays_a_request_by_a_turn_and_never_for_ever,
          output_sent_in_pieces_arrives_whole)
