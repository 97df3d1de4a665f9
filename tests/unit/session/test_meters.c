/* test_meters.c - what sessions count: each answer once, with the time it took, by door and
 * operation; errors by status; bytes; sessions where they live.
 * LINK: session compute wire command shard replica control data base frame pb */
#include "fake.h"

#include "session/meters.h"
#include "tests/lib/unit.h"

enum { GET = METER_GRID * METER_OPERATIONS + OP_GET, PUT = METER_GRID * METER_OPERATIONS + OP_PUT };

static uint64_t below(const struct meters *m, unsigned meter, unsigned bound)
{
    return metric_read(&m->latency[meter].buckets[bound]);
}

START_TEST(answers_of_the_turn_get_the_time_that_passed_until_its_end)
{
    struct meters *m = calloc(1, sizeof *m);
    meters_turn(m, 1000);
    for (int i = 0; i < 3; i++)
        meters_done(m, GET, 1000, GRID_OK);
    meters_done(m, PUT, 1000, GRID_EFULL);
    ck_assert_uint_eq(histogram_count(&m->latency[GET]), 0);
    meters_turn_end(m, 1040);
    ck_assert_uint_eq(below(m, GET, 1), 3); /* 40 us: below 50 */
    ck_assert_uint_eq(below(m, PUT, 1), 1);
    ck_assert_uint_eq(metric_read(&m->latency[GET].sum_us), 120);
    ck_assert_uint_eq(m->doors[METER_GRID].errors[GRID_EFULL], 1);
    meters_turn_end(m, 9999); /* nothing more happened */
    ck_assert_uint_eq(histogram_count(&m->latency[GET]), 3);
    free(m);
}
END_TEST

START_TEST(a_later_answer_gets_the_time_since_it_was_asked)
{
    struct meters *m = calloc(1, sizeof *m);
    uint32_t before_the_wrap = UINT32_MAX - 99;
    meters_turn(m, 200);
    meters_done(m, PUT, before_the_wrap, GRID_OK); /* 300 us ago */
    meters_done(m, GET, 200, GRID_OK);
    meters_turn_end(m, 210);
    ck_assert_uint_eq(below(m, PUT, 4), 1); /* below 500 us */
    ck_assert_uint_eq(metric_read(&m->latency[PUT].sum_us), 300);
    ck_assert_uint_eq(below(m, GET, 0), 1);
    ck_assert_uint_eq(histogram_count(&m->latency[PUT]), 1);
    free(m);
}
END_TEST

/* Of a newer node, which passed it on. */
START_TEST(a_status_that_is_not_known_is_counted_nowhere)
{
    struct meters *m = calloc(1, sizeof *m), none = {0};
    for (unsigned status = METER_STATUSES; status < 256; status++)
        meters_done(m, PUT, 0, (enum grid_err)status);
    ck_assert_mem_eq(&m->doors, &none.doors, sizeof none.doors);
    ck_assert(!m->wrong_passwords && !m->channels && !m->subscriptions && !m->published);
    free(m);
}
END_TEST

START_TEST(merged_meters_are_sums)
{
    struct meters *m = calloc(1, sizeof *m), *sum = calloc(1, sizeof *sum);
    meters_turn(m, 5);
    meters_done(m, GET, 5, GRID_EBUSY);
    meters_turn_end(m, 6);
    m->doors[METER_RESP].sent = 7;
    m->wrong_passwords = 2;
    meters_merge(sum, m);
    meters_merge(sum, m);
    ck_assert_uint_eq(histogram_count(&sum->latency[GET]), 2);
    ck_assert_uint_eq(sum->doors[METER_GRID].errors[GRID_EBUSY], 2);
    ck_assert_uint_eq(sum->doors[METER_RESP].sent, 14);
    ck_assert_uint_eq(sum->wrong_passwords, 4);
    free(m);
    free(sum);
}
END_TEST

START_TEST(a_session_is_counted_where_it_lives_with_its_bytes_and_operations)
{
    struct fake *f = fake_new();
    struct meters *m = errands_meters(f->ports.errands);
    fake_greet(f);
    ck_assert_uint_eq(m->doors[METER_GRID].sessions, 1);
    ck_assert_uint_gt(m->doors[METER_GRID].received, 0);
    ck_assert_uint_eq(m->doors[METER_GRID].requests, 1);
    Grid__Request get = fake_request(f, 1, GRID__OP__GET, "k");
    meters_turn(m, 100);
    fake_send(f, &get.base);
    fake_turn(f);
    struct ticket to = f->ops[0]->ticket;
    ck_assert_uint_eq(to.meter, GET);
    ck_assert_uint_eq(to.began, 100);
    struct result res = {.status = GRID_ENOT_FOUND};
    meters_turn(m, 400);
    session_result(&to, &res);
    ck_assert_uint_eq(metric_read(&m->latency[GET].sum_us), 300);
    ck_assert_uint_eq(m->doors[METER_GRID].errors[GRID_ENOT_FOUND], 1);
    uint64_t sent = m->doors[METER_GRID].sent;
    size_t waiting = session_output(f->session).len;
    session_sent(f->session, waiting);
    ck_assert_uint_eq(m->doors[METER_GRID].sent, sent + waiting);
    session_close(f->session);
    f->session = NULL;
    ck_assert_uint_eq(m->doors[METER_GRID].sessions, 0);
    fake_free(f);
}
END_TEST

START_TEST(every_door_and_operation_has_a_name)
{
    for (unsigned d = 0; d < METER_DOORS_LEN; d++)
        ck_assert_uint_eq(meter_door_named(meter_door_text(d)), d);
    ck_assert_uint_eq(meter_door_named("gopher"), METER_DOORS_LEN);
    ck_assert_str_eq(meter_operation_text(OP_GET), "get");
    ck_assert_str_eq(meter_operation_text(OP_CALL), "call");
    ck_assert_str_eq(meter_operation_text(METER_CALL_READS), "call_reads");
    ck_assert_ptr_null(meter_operation_text(METER_OPERATIONS));
}
END_TEST

UNIT_MAIN("session/meters", answers_of_the_turn_get_the_time_that_passed_until_its_end,
          a_later_answer_gets_the_time_since_it_was_asked,
          a_status_that_is_not_known_is_counted_nowhere, merged_meters_are_sums,
          a_session_is_counted_where_it_lives_with_its_bytes_and_operations,
          every_door_and_operation_has_a_name)
