/* test_log_read.c - what is told of a log that is read again.
 * LINK: shard replica control data base */
#include "shard/log_read.h"
#include "tests/lib/unit.h"

static uint64_t at(uint64_t epoch, uint64_t seq)
{
    return version_make(epoch, seq);
}

static bool take(struct log_read *l, uint64_t lsn, uint16_t partition, uint64_t version,
                 bool restates, size_t bytes)
{
    uint8_t value[4096] = {0};
    struct effect e = {.kind = EFFECT_PUT,
                       .key = slice_str("k"),
                       .value = slice_make(value, bytes),
                       .type = VALUE_BYTES};
    struct record r = {.context = 7,
                       .partition = partition,
                       .version = version,
                       .restates = restates,
                       .effects = &e,
                       .effects_len = 1};
    struct buf b = BUF_INIT;
    record_encode(&r, &b);
    bool more = log_read_take(l, lsn, 7, partition, buf_slice(&b));
    buf_release(&b);
    return more;
}

START_TEST(a_chain_begins_anew_where_a_record_is_missing_or_the_log_restates)
{
    static const struct {
        struct {
            uint64_t version;
            bool restates;
        } log[6];
        uint64_t from, last;
        unsigned ends;
        bool torn;
    } cases[] = {
        {{{1, 0}, {2, 0}, {3, 0}}, 0, 3, 0, false},
        {{{5, 0}, {6, 0}}, 4, 6, 0, true},
        {{{1, 0}, {2, 0}, {4, 0}, {5, 0}}, 3, 5, 0, true},               /* 3 is lost */
        {{{1, 0}, {2, 0}, {2, 1}, {3, 0}}, 0, 3, 0, false},              /* a piece of a copy */
        {{{1, 0}, {2, 0}, {(UINT64_C(2) << 40) + 9, 1}}, 9, 0, 0, true}, /* mended */
        {{{1, 0}, {(UINT64_C(2) << 40) + 2, 0}}, 0, 0, 1, false},
        {{{1, 0}, {2, 0}, {(UINT64_C(2) << 40) + 2, 0}}, 1, 0, 0, true}, /* 2 was cut */
        {{{1, 0}, {2, 0}, {1, 1}, {2, 0}, {3, 0}}, 1, 3, 0, true},       /* wiped, and told again */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct log_read *l = log_read_new(0, 0);
        uint64_t last = 0, lsn = 0;
        for (size_t k = 0; k < 6 && cases[i].log[k].version; k++) {
            uint64_t version = cases[i].log[k].version;
            last = version >> SEQ_BITS ? version : at(1, version);
            ck_assert(take(l, ++lsn, 3, last, cases[i].log[k].restates, 10));
        }
        const struct log_chain *c = log_read_chain(l, 7, 3);
        ck_assert_ptr_nonnull(c);
        ck_assert_ptr_null(log_read_chain(l, 7, 4));
        ck_assert_uint_eq(c->from, cases[i].from);
        ck_assert_uint_eq(c->history.last, last);
        ck_assert_uint_eq(c->history.ends_len, cases[i].ends);
        ck_assert_int_eq(c->history.torn, cases[i].torn);
        log_read_free(l);
    }
}
END_TEST

START_TEST(a_survey_keeps_many_partitions_apart_and_marks_where_to_begin)
{
    struct log_read *l = log_read_new(0, 0);
    uint64_t lsn = 0;
    for (uint64_t seq = 1; seq <= 20; seq++)
        for (uint16_t p = 0; p < 300; p++)
            (void)take(l, ++lsn, p, at(1, seq), false, 4000);
    for (uint16_t p = 0; p < 300; p++) {
        const struct log_chain *c = log_read_chain(l, 7, p);
        ck_assert_uint_eq(c->history.last, at(1, 20));
        ck_assert_uint_gt(c->marks_len, 3);
        for (uint64_t seq = 0; seq <= 20; seq++)
            ck_assert_uint_le(log_chain_start(c, seq ? at(1, seq) : 0), seq * 300);
        ck_assert_uint_gt(log_chain_start(c, at(1, 20)), 14 * 300);
    }
    log_read_free(l);
}
END_TEST

START_TEST(a_page_has_what_is_wanted_in_order_until_it_is_full)
{
    struct log_read *l = log_read_new(10, 3000);
    log_read_want(l, &(struct log_want){7, 5, at(1, 2)});
    log_read_want(l, &(struct log_want){7, 2, at(1, 1)});
    log_read_want(l, &(struct log_want){3, 9, 0});
    bool more = true;
    uint64_t lsn = 10;
    for (uint64_t seq = 1; seq <= 10 && more; seq++)
        for (uint16_t p = 0; p < 8 && more; p++) {
            (void)take(l, ++lsn, p, at(1, seq), true, 100); /* restates: nobody's */
            more = take(l, ++lsn, p, at(1, seq), false, 900);
        }
    ck_assert(!more);
    ck_assert_uint_eq(l->reached, lsn);
    static const struct {
        uint16_t partition;
        uint64_t seq;
    } wanted[] = {{2, 2}, {2, 3}, {5, 3}, {2, 4}};
    size_t place = 0, n = 0;
    struct slice bytes;
    for (; log_read_next(l, &place, &bytes); n++) {
        struct record r;
        ck_assert(record_peek(bytes, &r) && n < 4);
        ck_assert_uint_eq(r.partition, wanted[n].partition);
        ck_assert_uint_eq(r.version, at(1, wanted[n].seq));
    }
    ck_assert_uint_eq(n, 4);
    log_read_free(l);
}
END_TEST

UNIT_MAIN("shard/log_read", a_chain_begins_anew_where_a_record_is_missing_or_the_log_restates,
          a_survey_keeps_many_partitions_apart_and_marks_where_to_begin,
          a_page_has_what_is_wanted_in_order_until_it_is_full)
