/* test_sessions.c - exactly-once results (R13): found, forgotten, bounded, stored and folded alike.
 * LINK: data base */
#include "base/prng.h"
#include "data/sessions.h"
#include "tests/lib/unit.h"

static struct session_id id_of(unsigned n)
{
    return (struct session_id){{(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16)}};
}

/* One in three has bytes for an answer, and no number then. */
static struct slice answer_of(uint64_t number)
{
    static uint8_t bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(number + i);
    return slice_make(bytes, number % 3 ? 0 : number % sizeof bytes);
}

static int64_t result_of(uint64_t number)
{
    return answer_of(number).len ? 0 : -(int64_t)number;
}

static struct slice kept(struct slice s)
{
    static uint8_t all[64][200];
    static unsigned next;
    uint8_t *to = all[next++ % 64];
    if (s.len)
        memcpy(to, s.data, s.len);
    return slice_make(to, s.len);
}

static struct session_change change(unsigned id, uint64_t number, uint64_t lowest, msec_t time)
{
    return (struct session_change){.session = {.id = id_of(id),
                                               .number = number,
                                               .lowest = lowest,
                                               .status = (enum grid_err)(number % 5),
                                               .result = result_of(number),
                                               .answer = kept(answer_of(number))},
                                   .version = number * 10,
                                   .time_ms = time};
}

static void apply(struct sessions *s, unsigned id, uint64_t number, uint64_t lowest, msec_t time)
{
    struct session_change c = change(id, number, lowest, time);
    sessions_apply(s, &c);
}

static enum session_state find(struct sessions *s, unsigned id, uint64_t number, uint64_t lowest)
{
    struct record_session rs = {.id = id_of(id), .number = number, .lowest = lowest};
    struct session_answer a;
    enum session_state state = sessions_find(s, &rs, &a);
    if (state == SESSION_REPEATED) {
        ck_assert_int_eq((int)a.status, (int)(number % 5));
        ck_assert_int_eq(a.result, result_of(number));
        ck_assert(slice_eq(a.answer, answer_of(number)));
        ck_assert_uint_eq(a.version, number * 10);
    }
    return state;
}

START_TEST(a_number_is_new_then_repeated_then_forgotten)
{
    struct sessions *s = sessions_new(1);
    ck_assert_int_eq(find(s, 1, 5, 5), SESSION_NEW);
    apply(s, 1, 5, 5, 1);
    ck_assert_int_eq(find(s, 1, 5, 5), SESSION_REPEATED);
    ck_assert_int_eq(find(s, 2, 5, 5), SESSION_NEW);
    apply(s, 1, 6, 6, 2);
    ck_assert_int_eq(find(s, 1, 5, 5), SESSION_FORGOTTEN);
    ck_assert_int_eq(find(s, 1, 7, 6), SESSION_NEW);
    ck_assert_int_eq(find(s, 1, 7, 8), SESSION_FORGOTTEN); /* its own lowest is above it */
    sessions_check(s);
    sessions_free(s);
}
END_TEST

static bool overtaken(const struct sessions *s, uint64_t number, uint64_t later)
{
    struct record_session rs = {.id = id_of(1), .number = number};
    return sessions_overtaken(s, &rs, later);
}

START_TEST(who_was_not_done_or_later_is_behind_what_was)
{
    static const uint64_t versions[] = {[3] = 30, [5] = 50, [7] = 20}; /* done in this order: */
    static const uint64_t order[] = {7, 3, 5};
    struct sessions *s = sessions_new(1);
    ck_assert(!overtaken(s, 2, 9));
    for (unsigned i = 0; i < 3; i++) {
        struct session_change c = change(1, order[i], 1, 1);
        c.version = versions[order[i]];
        sessions_apply(s, &c);
    }
    ck_assert(!overtaken(s, 2, 2) && overtaken(s, 2, 3) && overtaken(s, 2, 9));
    ck_assert(!overtaken(s, 3, 6) && overtaken(s, 3, 7));
    ck_assert(!overtaken(s, 4, 4) && overtaken(s, 4, 5));
    ck_assert(!overtaken(s, 5, 6) && overtaken(s, 5, 7));
    ck_assert(!overtaken(s, 7, 9) && !overtaken(s, 8, UINT64_MAX));
    sessions_free(s);
}
END_TEST

START_TEST(who_has_too_much_to_look_through_is_taken_for_overtaken)
{
    enum { MANY = 5000 };
    struct sessions *s = sessions_new(1);
    for (unsigned i = 1; i <= MANY; i++)
        apply(s, 1, i, 1, 1);
    ck_assert(!overtaken(s, 1, 4000) && !overtaken(s, 2000, MANY));
    ck_assert(overtaken(s, 1, MANY));
    sessions_free(s);
}
END_TEST

START_TEST(numbers_may_come_in_any_order)
{
    struct sessions *s = sessions_new(1);
    static const uint64_t order[] = {9, 3, 7, 1, 8, 2, 5};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        apply(s, 1, order[i], 1, i);
        sessions_check(s);
    }
    for (uint64_t n = 1; n <= 9; n++)
        ck_assert_int_eq(find(s, 1, n, 1), n == 4 || n == 6 ? SESSION_NEW : SESSION_REPEATED);
    sessions_free(s);
}
END_TEST

START_TEST(a_long_run_keeps_only_what_is_unanswered)
{
    struct sessions *s = sessions_new(1);
    for (uint64_t n = 1; n <= 100000; n++)
        apply(s, 1, n, n > 16 ? n - 16 : 1, n);
    sessions_check(s);
    ck_assert_uint_lt(sessions_bytes(s), 8192);
    ck_assert_int_eq(find(s, 1, 99984, 1), SESSION_REPEATED);
    ck_assert_int_eq(find(s, 1, 99983, 1), SESSION_FORGOTTEN);
    sessions_free(s);
}
END_TEST

START_TEST(a_session_without_answers_is_full_and_then_drops_the_oldest)
{
    struct sessions *s = sessions_new(1);
    for (uint64_t n = 1; n <= SESSION_RESULTS_MAX; n++)
        apply(s, 1, n, 1, 1);
    ck_assert_int_eq(find(s, 1, SESSION_RESULTS_MAX + 1, 1), SESSION_FULL);
    ck_assert_int_eq(find(s, 1, SESSION_RESULTS_MAX + 1, 2), SESSION_NEW);
    ck_assert_int_eq(find(s, 1, 1, 1), SESSION_REPEATED);
    apply(s, 1, SESSION_RESULTS_MAX + 1, 1, 1);
    ck_assert_int_eq(find(s, 1, 1, 1), SESSION_FORGOTTEN);
    sessions_check(s);
    sessions_free(s);
}
END_TEST

/* Of the largest answers that there are. */
static void apply_large(struct sessions *s, uint64_t number, uint64_t lowest)
{
    static uint8_t bytes[SESSION_ANSWER_MAX];
    struct session_change c = change(1, number, lowest, 1);
    c.session.result = 0;
    c.session.answer = slice_make(bytes, sizeof bytes);
    sessions_apply(s, &c);
}

START_TEST(answers_of_a_session_are_bounded_by_their_bytes)
{
    enum { MOST = SESSION_ANSWERS_MAX / (SESSION_ANSWER_MAX + 16) };
    struct sessions *s = sessions_new(1);
    struct session_answer a;
    struct record_session rs = {.id = id_of(1), .number = 1, .lowest = 1};
    struct buf stored = BUF_INIT;
    size_t empty = sessions_bytes(s);
    for (uint64_t n = 1; n <= MOST; n++)
        apply_large(s, n, 1);
    ck_assert_int_eq(sessions_find(s, &rs, &a), SESSION_REPEATED);
    ck_assert_uint_eq(a.answer.len, SESSION_ANSWER_MAX);
    sessions_check(s);
    rs.number = MOST + 1;
    ck_assert_int_eq(sessions_find(s, &rs, &a), SESSION_FULL); /* it would drop the oldest */
    rs.number = 1;
    apply_large(s, MOST + 1, 1);
    ck_assert_int_eq(sessions_find(s, &rs, &a), SESSION_FORGOTTEN);
    ck_assert_uint_le(sessions_bytes(s), SESSION_ANSWERS_MAX + 65536);
    ck_assert(sessions_store(s, &rs.id, &stored) && sessions_valid(buf_slice(&stored)));
    apply(s, 1, MOST + 2, MOST + 2, 1);
    ck_assert_uint_le(sessions_bytes(s), empty + 65536);
    sessions_check(s);
    sessions_free(s);
    buf_release(&stored);
}
END_TEST

START_TEST(an_answer_that_comes_again_takes_the_place_of_the_first)
{
    struct sessions *s = sessions_new(1);
    struct buf stored = BUF_INIT, merged = BUF_INIT;
    struct session_id id = id_of(1);
    for (uint64_t n = 3; n < 30; n++) {
        apply(s, 1, n, 3, 1);
        apply(s, 1, n, 3, 1);
    }
    sessions_check(s);
    ck_assert(sessions_store(s, &id, &stored));
    sessions_merge(s, &id, buf_slice(&stored), &merged);
    ck_assert(slice_eq(buf_slice(&stored), buf_slice(&merged)));
    sessions_free(s);
    buf_release(&stored);
    buf_release(&merged);
}
END_TEST

START_TEST(an_answer_of_any_length_takes_the_place_of_one_of_any_other)
{
    static const size_t lengths[] = {0, 1, 8, 9, 0, 9, 8, 200, 1};
    static uint8_t bytes[200] = {7, 6, 5, 4, 3, 2, 1, 0, 1, 2};
    struct sessions *s = sessions_new(1);
    struct session_answer a;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct session_change c = change(1, 9, 1, 1);
        c.session.answer = slice_make(bytes, lengths[i]);
        c.session.result = lengths[i] ? 0 : 42;
        sessions_apply(s, &c);
        sessions_check(s);
        ck_assert_int_eq((int)sessions_find(s, &c.session, &a), SESSION_REPEATED);
        ck_assert(slice_eq(a.answer, c.session.answer));
        ck_assert_int_eq(a.result, c.session.result);
    }
    sessions_free(s);
}
END_TEST

START_TEST(the_session_unused_for_longest_is_due_first)
{
    struct sessions *s = sessions_new(1);
    ck_assert_uint_eq(sessions_due_at(s, 100), 0);
    for (unsigned id = 0; id < 300; id++)
        apply(s, id, 1, 1, 1000 + id);
    apply(s, 0, 2, 1, 2000);
    ck_assert_ptr_null(sessions_due(s, 1100, 100));
    ck_assert_uint_eq(sessions_due_at(s, 100), 1101);
    for (unsigned id = 1; id < 300; id++) {
        const struct session_id *due = sessions_due(s, 1500, 100);
        struct session_id expected = id_of(id), got = *due;
        ck_assert_mem_eq(got.bytes, expected.bytes, SESSION_ID_BYTES);
        sessions_end(s, &got);
        sessions_check(s);
    }
    ck_assert_ptr_null(sessions_due(s, 1500, 100));
    ck_assert_uint_eq(sessions_len(s), 1);
    ck_assert_uint_eq(sessions_due_at(s, UINT64_MAX), UINT64_MAX);
    sessions_free(s);
}
END_TEST

START_TEST(memory_is_given_back_when_sessions_end)
{
    struct sessions *s = sessions_new(1);
    size_t empty = sessions_bytes(s);
    for (unsigned id = 0; id < 5000; id++)
        for (uint64_t n = 1; n < 4; n++)
            apply(s, id, n, 1, 1);
    sessions_check(s);
    for (unsigned id = 0; id < 5000; id++) {
        struct session_id gone = id_of(id);
        sessions_end(s, &gone);
    }
    sessions_check(s);
    ck_assert_uint_le(sessions_bytes(s), empty + 64);
    sessions_free(s);
}
END_TEST

/* --- the stored form -------------------------------------------------------------------------- */

START_TEST(folding_and_applying_give_the_same_bytes)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct prng r = {seed};
        struct sessions *s = sessions_new(seed), *restored = sessions_new(seed + 1);
        struct buf stored = BUF_INIT, next = BUF_INIT;
        uint64_t number = prng_below(&r, 3) ? 1 : prng_next(&r) / 2, lowest = number;
        for (int round = 0; round < 10; round++) {
            struct session_change changes[20];
            size_t len = 1 + prng_below(&r, 20);
            for (size_t i = 0; i < len; i++) {
                number += prng_below(&r, 3) + 1;
                lowest += prng_below(&r, number - lowest + 1);
                changes[i] = change(7, number, lowest, prng_below(&r, 1000));
                sessions_apply(s, &changes[i]);
            }
            next.len = 0;
            ck_assert_int_eq(sessions_fold(buf_slice(&stored), changes, len, &next), GRID_OK);
            stored.len = 0;
            buf_add(&stored, next.data, next.len);
            next.len = 0;
            struct session_id id = id_of(7);
            ck_assert(sessions_store(s, &id, &next));
            ck_assert(slice_eq(buf_slice(&stored), buf_slice(&next)));
        }
        ck_assert_int_eq(sessions_restore(restored, id_of(7), buf_slice(&stored)), GRID_OK);
        sessions_check(restored);
        ck_assert_int_eq(find(restored, 7, number, lowest), SESSION_REPEATED);
        sessions_free(s);
        sessions_free(restored);
        buf_release(&stored);
        buf_release(&next);
    }
}
END_TEST

START_TEST(restored_sessions_end_in_the_order_of_their_last_use)
{
    struct sessions *s = sessions_new(1);
    struct prng r = {4};
    for (unsigned id = 0; id < 200; id++) {
        struct session_change c = change(id, 1, 1, 1 + prng_below(&r, 500));
        struct buf stored = BUF_INIT;
        ck_assert_int_eq(sessions_fold(slice_make(NULL, 0), &c, 1, &stored), GRID_OK);
        ck_assert_int_eq(sessions_restore(s, id_of(id), buf_slice(&stored)), GRID_OK);
        ck_assert_int_eq(sessions_restore(s, id_of(id), buf_slice(&stored)), GRID_OK);
        buf_release(&stored);
    }
    sessions_check(s);
    ck_assert_uint_eq(sessions_len(s), 200);
    msec_t before = 0;
    while (sessions_len(s)) {
        msec_t at = sessions_due_at(s, 0);
        ck_assert_uint_ge(at, before);
        struct session_id due = *sessions_due(s, at, 0);
        sessions_end(s, &due);
        before = at;
    }
    sessions_free(s);
}
END_TEST

START_TEST(a_malformed_stored_session_is_refused_and_changes_nothing)
{
    struct prng r = {8};
    struct sessions *s = sessions_new(1);
    struct buf stored = BUF_INIT, again = BUF_INIT;
    struct session_change changes[5];
    for (uint64_t n = 0; n < 5; n++)
        changes[n] = change(1, 3 + n * 200, 2, 100000);
    ck_assert_int_eq(sessions_fold(slice_make(NULL, 0), changes, 5, &stored), GRID_OK);
    for (size_t len = 0; len < stored.len; len++)
        ck_assert_int_eq(sessions_restore(s, id_of(1), slice_make(stored.data, len)),
                         GRID_ECORRUPT);
    ck_assert_uint_eq(sessions_len(s), 0);
    for (int n = 0; n < 20000; n++) {
        uint8_t copy[256];
        memcpy(copy, stored.data, stored.len);
        copy[prng_below(&r, stored.len)] = (uint8_t)prng_next(&r);
        again.len = 0;
        enum grid_err err = sessions_fold(slice_make(copy, stored.len), NULL, 0, &again);
        ck_assert(err == GRID_OK || err == GRID_ECORRUPT);
        if (!err)
            ck_assert(slice_eq(buf_slice(&again), slice_make(copy, stored.len)));
        else
            ck_assert_uint_eq(again.len, 0);
    }
    sessions_free(s);
    buf_release(&stored);
    buf_release(&again);
}
END_TEST

UNIT_MAIN("data/sessions", a_number_is_new_then_repeated_then_forgotten,
          who_was_not_done_or_later_is_behind_what_was,
          who_has_too_much_to_look_through_is_taken_for_overtaken, numbers_may_come_in_any_order,
          a_long_run_keeps_only_what_is_unanswered,
          a_session_without_answers_is_full_and_then_drops_the_oldest,
          answers_of_a_session_are_bounded_by_their_bytes,
          an_answer_that_comes_again_takes_the_place_of_the_first,
          an_answer_of_any_length_takes_the_place_of_one_of_any_other,
          the_session_unused_for_longest_is_due_first, memory_is_given_back_when_sessions_end,
          folding_and_applying_give_the_same_bytes,
          restored_sessions_end_in_the_order_of_their_last_use,
          a_malformed_stored_session_is_refused_and_changes_nothing)
