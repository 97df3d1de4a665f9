/* test_session.c - exactly once (R13).
 * LINK: shard replica control data base */
#include "tests/unit/shard/harness.h"

static struct answered *incr_as(struct harness *h, uint32_t cache, uint64_t number, uint64_t lowest)
{
    struct op op = h_op(OP_INCR, cache, "n");
    op.delta = 1;
    session_set(&op, 7, number, lowest);
    return h_do(h, op);
}

START_TEST(a_repeated_request_gets_the_stored_answer_and_is_not_done_again)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct answered *first = incr_as(h, c, 1, 1);
    h_durable(h);
    struct answered *again = incr_as(h, c, 1, 1);
    ck_answer(first, GRID_OK);
    ck_answer(again, GRID_OK);
    ck_assert(!first->repeated && again->repeated);
    ck_assert_int_eq(again->number, 1);
    ck_assert_uint_eq(again->version, first->version);
    ck_value(h_get(h, c, "n"), "1");
    h_free(h);
}
END_TEST

START_TEST(a_repetition_of_a_pending_request_waits_for_its_commit)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct answered *first = incr_as(h, c, 1, 1);
    struct answered *again = incr_as(h, c, 1, 1);
    ck_waits(first);
    ck_waits(again);
    ck_assert_uint_eq(h->log_len, 1);
    h_durable(h);
    ck_answer(first, GRID_OK);
    ck_answer(again, GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(a_request_below_the_lowest_unanswered_is_stale)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    incr_as(h, c, 1, 1);
    incr_as(h, c, 2, 2);
    ck_answer(incr_as(h, c, 1, 1), GRID_ESTALE);
    ck_value(h_get(h, c, "n"), "2");
    h_free(h);
}
END_TEST

START_TEST(a_request_older_than_half_the_session_ttl_is_stale)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
    struct op op = h_op(OP_INCR, c, "n");
    session_set(&op, 1, 1, 1);
    op.age_ms = 1800001;
    ck_answer(h_do(h, op), GRID_ESTALE);
    op.age_ms = UINT64_MAX;
    ck_answer(h_do(h, op), GRID_ESTALE);
    op.age_ms = 1800000;
    ck_answer(h_do(h, op), GRID_OK);
    h_free(h);
}
END_TEST

START_TEST(a_failed_condition_is_answered_the_same_again_although_it_would_hold_now)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct answered *put = h_put(h, c, "k", "1");
    h_durable(h);
    struct op cas = h_op(OP_PUT, c, "k");
    cas.condition = IF_ABSENT;
    session_set(&cas, 1, 1, 1);
    struct answered *first = h_do(h, cas);
    h_delete(h, c, "k");
    h_durable(h);
    struct answered *again = h_do(h, cas);
    ck_answer(first, GRID_ECONDITION);
    ck_answer(again, GRID_ECONDITION);
    ck_assert(again->repeated);
    ck_assert_uint_eq(again->version, put->version);
    ck_answer(h_get(h, c, "k"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

struct refused_case {
    enum op_kind kind;
    const char *value;
    int64_t delta;
    enum grid_err want;
};

static const struct refused_case refused_cases[] = {
    {OP_DELETE, NULL, 0, GRID_ENOT_FOUND},
    {OP_EXPIRE, NULL, 0, GRID_ENOT_FOUND},
    {OP_INCR, "text", 1, GRID_ENOT_NUMBER},
    {OP_INCR, "9223372036854775807", 1, GRID_EOVERFLOW},
};

START_TEST(other_refusals_are_repeated_too)
{
    for (size_t i = 0; i < sizeof refused_cases / sizeof *refused_cases; i++) {
        const struct refused_case *k = &refused_cases[i];
        struct harness *h = h_new();
        uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
        if (k->value)
            h_put(h, c, "k", k->value);
        struct op op = h_op(k->kind, c, "k");
        op.delta = k->delta;
        session_set(&op, 1, 1, 1);
        struct answered *first = h_do(h, op);
        h_put(h, c, "k", "1");
        struct answered *again = h_do(h, op);
        ck_answer(first, k->want);
        ck_answer(again, k->want);
        ck_assert(again->repeated);
        ck_value(h_get(h, c, "k"), "1");
        h_free(h);
    }
}
END_TEST

struct overtaken_case {
    uint64_t number, later;
    bool doubt;
    const char *value;
};

/* 2 was done, then 5, then 3 came late. */
static const struct overtaken_case overtaken_cases[] = {
    {1, 0, false, "4"}, {1, 1, false, "4"}, {1, 2, true, "3"},  {2, 5, false, "3"},
    {3, 4, false, "3"}, {3, 5, true, "3"},  {4, 5, true, "3"},  {4, 4, false, "4"},
    {5, 9, false, "3"}, {6, 9, false, "4"}, {7, 0, false, "4"},
};

START_TEST(what_is_asked_again_is_not_done_behind_a_later_one_but_left_in_doubt)
{
    for (size_t i = 0; i < sizeof overtaken_cases / sizeof *overtaken_cases; i++) {
        const struct overtaken_case *k = &overtaken_cases[i];
        struct harness *h = h_new();
        uint32_t c = h_context(h, "m", DURABILITY_MEMORY, 0, FULL_REFUSE);
        incr_as(h, c, 2, 1);
        incr_as(h, c, 5, 1);
        incr_as(h, c, 3, 1);
        struct op op = h_op(OP_INCR, c, "n");
        op.delta = 1;
        op.later = k->later;
        session_set(&op, 7, k->number, 1);
        struct answered *a = h_do(h, op);
        ck_answer(a, k->doubt ? GRID_EIN_DOUBT : GRID_OK);
        ck_assert(a->repeated || !k->doubt); /* the last word: nobody asks again */
        ck_value(h_get(h, c, "n"), k->value);
        h_free(h);
    }
}
END_TEST

START_TEST(a_failed_batch_repeats_where_it_failed)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    struct op ops[] = {h_op(OP_PUT, c, "a"), h_op(OP_DELETE, c, "none")};
    struct op op = {.kind = OP_BATCH, .cache = c, .batch = ops, .batch_len = 2};
    session_set(&op, 1, 1, 1);
    struct answered *first = h_do(h, op);
    h_durable(h);
    struct answered *again = h_do(h, op);
    ck_answer(first, GRID_ENOT_FOUND);
    ck_answer(again, GRID_ENOT_FOUND);
    ck_assert_uint_eq(first->failed_at, 1);
    ck_assert_uint_eq(again->failed_at, 1);
    ck_answer(h_get(h, c, "a"), GRID_ENOT_FOUND);
    h_free(h);
}
END_TEST

START_TEST(stored_answers_survive_a_restart_from_the_log)
{
    struct harness *h = h_new();
    uint32_t c = h_cache(h, "default/default");
    incr_as(h, c, 1, 1);
    incr_as(h, c, 2, 1);
    h_durable(h);
    h_restart(h, h->log_len, EPOCH + 1, 0);
    struct answered *again = incr_as(h, c, 2, 1);
    ck_answer(again, GRID_OK);
    ck_assert(again->repeated);
    ck_assert_int_eq(again->number, 2);
    ck_value(h_get(h, c, "n"), "2");
    h_free(h);
}
END_TEST

START_TEST(a_session_ends_by_record_when_its_time_to_live_is_over)
{
    struct harness *h = h_new();
    uint32_t c = h_context(h, "a", DURABILITY_ASYNC, 0, FULL_REFUSE);
    incr_as(h, c, 1, 1);
    size_t before = h->log_len;
    h->now += 3600000 - 1;
    shard_tick(h->s, h->now);
    ck_assert_uint_eq(h->log_len, before);
    h->now += 3600000;
    for (int i = 0; i < 10; i++)
        shard_tick(h->s, h->now);
    ck_assert_uint_eq(h->log_len, before + 1);
    struct effect effects[4];
    struct record r;
    ck_assert_int_eq(record_decode(buf_slice(&h->log[before].bytes), effects, 4, &r), GRID_OK);
    ck_assert_int_eq(r.effects[0].kind, EFFECT_SESSION_END);
    h_free(h);
}
END_TEST

UNIT_MAIN("shard/session", a_repeated_request_gets_the_stored_answer_and_is_not_done_again,
          a_repetition_of_a_pending_request_waits_for_its_commit,
          a_request_below_the_lowest_unanswered_is_stale,
          a_request_older_than_half_the_session_ttl_is_stale,
          a_failed_condition_is_answered_the_same_again_although_it_would_hold_now,
          other_refusals_are_repeated_too, a_failed_batch_repeats_where_it_failed,
          what_is_asked_again_is_not_done_behind_a_later_one_but_left_in_doubt,
          stored_answers_survive_a_restart_from_the_log,
          a_session_ends_by_record_when_its_time_to_live_is_over)
