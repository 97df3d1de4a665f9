/* test_hist.c - the latency histogram: error bound, percentiles, merging.
 * LINK: bench base */
#include "base/prng.h"
#include "tests/bench/hist.h"
#include "tests/lib/unit.h"

static struct hist h, other;

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

START_TEST(a_value_reads_back_within_one_percent_and_never_lower)
{
    struct prng prng = {1};
    for (int i = 0; i < 200000; i++) {
        uint64_t value = prng_next(&prng) >> (64 - HIST_VALUE_BITS + i % HIST_VALUE_BITS);
        hist_clear(&h);
        hist_record(&h, value);
        hist_record(&h, HIST_VALUE_MAX); /* so that max does not give the answer away */
        uint64_t read = hist_percentile(&h, 50);
        ck_assert_uint_ge(read, value);
        ck_assert_uint_le(read - value, value / HIST_STEPS);
    }
}
END_TEST

START_TEST(buckets_grow_without_gap_or_overlap_at_every_power_of_two)
{
    ck_assert_uint_eq(hist_bucket(0), 0);
    for (unsigned bit = 1; bit < HIST_VALUE_BITS; bit++) {
        uint64_t edge = UINT64_C(1) << bit;
        ck_assert_uint_eq(hist_bucket(edge), hist_bucket(edge - 1) + 1);
    }
    ck_assert_uint_eq(hist_bucket(HIST_VALUE_MAX), HIST_BUCKETS - 1);
}
END_TEST

START_TEST(percentiles_agree_with_the_sorted_values)
{
    static const double points[] = {0.1, 1, 25, 50, 90, 99, 99.9, 99.99, 100};
    static uint64_t values[100000];
    enum { N = sizeof values / sizeof *values };
    struct prng prng = {7};
    hist_clear(&h);
    for (size_t i = 0; i < N; i++) {
        values[i] = prng_below(&prng, UINT64_C(1) << (8 + prng_below(&prng, 28)));
        hist_record(&h, values[i]);
    }
    qsort(values, N, sizeof *values, by_value);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        uint64_t right = values[(size_t)(points[i] / 100 * N + 0.5) - 1];
        uint64_t read = hist_percentile(&h, points[i]);
        ck_assert_uint_ge(read, right);
        ck_assert_uint_le(read, right + right / HIST_STEPS);
    }
    ck_assert_uint_eq(hist_percentile(&h, 100), values[N - 1]);
    hist_check(&h);
}
END_TEST

START_TEST(merging_is_recording_everything_in_one)
{
    static struct hist whole;
    struct prng prng = {3};
    hist_clear(&h);
    hist_clear(&other);
    hist_clear(&whole);
    for (int i = 0; i < 10000; i++) {
        uint64_t value = prng_below(&prng, 50000000);
        hist_record(i % 3 ? &h : &other, value);
        hist_record(&whole, value);
    }
    hist_merge(&h, &other);
    hist_check(&h);
    ck_assert_mem_eq(&h, &whole, sizeof h);
}
END_TEST

START_TEST(an_empty_histogram_reads_as_zero_and_merges_as_nothing)
{
    hist_clear(&h);
    ck_assert_uint_eq(hist_percentile(&h, 99), 0);
    ck_assert(hist_mean(&h) <= 0);
    hist_record(&h, 5);
    hist_clear(&other);
    hist_merge(&h, &other);
    ck_assert_uint_eq(h.min, 5);
    ck_assert_uint_eq(h.max, 5);
    ck_assert_uint_eq(h.count, 1);
    hist_check(&h);
}
END_TEST

START_TEST(values_beyond_the_range_count_as_its_end)
{
    hist_clear(&h);
    hist_record(&h, UINT64_MAX);
    ck_assert_uint_eq(hist_percentile(&h, 50), HIST_VALUE_MAX);
    hist_check(&h);
}
END_TEST

UNIT_MAIN("bench/hist", a_value_reads_back_within_one_percent_and_never_lower,
          buckets_grow_without_gap_or_overlap_at_every_power_of_two,
          percentiles_agree_with_the_sorted_values, merging_is_recording_everything_in_one,
          an_empty_histogram_reads_as_zero_and_merges_as_nothing,
          values_beyond_the_range_count_as_its_end)
