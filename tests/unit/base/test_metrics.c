/* test_metrics.c - the table keeps the rules of OpenMetrics; samples come back as they went in;
 * their text is what monitoring systems read.
 * LINK: base */
#include "base/metrics.h"
#include "tests/lib/unit.h"

#include <ctype.h>
#include <string.h>

static bool ends(const char *text, const char *with)
{
    size_t len = strlen(text), n = strlen(with);
    return len >= n && strcmp(text + len - n, with) == 0;
}

START_TEST(every_metric_has_help_and_a_name_that_ends_in_its_unit)
{
    for (unsigned i = 0; i < METRICS; i++) {
        const struct metric_info *m = &metric_table[i];
        ck_assert_msg(strlen(m->help) >= 7 &&
                          isupper((unsigned char)m->help[0]) | isdigit((unsigned char)m->help[0]),
                      "%s", m->name);
        ck_assert_msg(m->help[strlen(m->help) - 1] != '.' && !strpbrk(m->help, "\n\\"), "%s",
                      m->name);
        ck_assert_msg(!*m->unit || strcmp(m->unit, "seconds") == 0 || strcmp(m->unit, "bytes") == 0,
                      "%s", m->name);
        ck_assert_msg(ends(m->name, m->unit), "%s", m->name);
        ck_assert_msg(*m->unit || (!ends(m->name, "_seconds") && !ends(m->name, "_bytes")), "%s",
                      m->name);
        ck_assert_msg(!ends(m->name, "_total") && !ends(m->name, "_count") &&
                          !ends(m->name, "_sum") && !ends(m->name, "_bucket"),
                      "%s", m->name);
        ck_assert_msg(strspn(m->name, "abcdefghijklmnopqrstuvwxyz_") == strlen(m->name), "%s",
                      m->name);
        ck_assert_msg(m->per >= 1 && (m->type != METRIC_HISTOGRAM || m->per == 1000000), "%s",
                      m->name);
        for (unsigned k = 0; k < i; k++)
            ck_assert_str_ne(m->name, metric_table[k].name);
    }
}
END_TEST

START_TEST(bounds_grow_from_25_us_to_10_s)
{
    ck_assert_uint_eq(histogram_bounds_us[0], 25);
    ck_assert_uint_eq(histogram_bounds_us[HISTOGRAM_BOUNDS - 1], 10000000);
    for (unsigned i = 1; i < HISTOGRAM_BOUNDS; i++)
        ck_assert_uint_gt(histogram_bounds_us[i], histogram_bounds_us[i - 1]);
}
END_TEST

START_TEST(a_duration_counts_below_the_first_bound_that_is_not_less)
{
    struct histogram h = {0}, sum = {0};
    histogram_add(&h, 0, 2);
    histogram_add(&h, 25, 1);
    histogram_add(&h, 26, 4);
    histogram_add(&h, 10000000, 5);
    histogram_add(&h, 10000001, 1);
    histogram_add(&h, UINT32_MAX, 1);
    histogram_merge(&sum, &h);
    histogram_merge(&sum, &h);
    ck_assert_uint_eq(metric_read(&sum.buckets[0]), 6);
    ck_assert_uint_eq(metric_read(&sum.buckets[1]), 8);
    ck_assert_uint_eq(metric_read(&sum.buckets[HISTOGRAM_BOUNDS - 1]), 10);
    ck_assert_uint_eq(metric_read(&sum.buckets[HISTOGRAM_BOUNDS]), 4);
    ck_assert_uint_eq(histogram_count(&h), 14);
    ck_assert_uint_eq(metric_read(&h.sum_us),
                      25 + 4 * 26 + 5 * UINT64_C(10000000) + 10000001 + UINT64_C(4294967295));
}
END_TEST

START_TEST(samples_come_back_as_they_went_in)
{
    char long_label[300];
    memset(long_label, 'a', sizeof long_label - 1);
    long_label[sizeof long_label - 1] = '\0';
    struct buf b = BUF_INIT;
    struct histogram h = {0};
    histogram_add(&h, 30, 7);
    metric_add(&b, METRIC_entries, NULL, NULL, UINT64_MAX);
    metric_add(&b, METRIC_connections, long_label, NULL, 5);
    metric_add_histogram(&b, METRIC_operation_duration_seconds, "grid", "", &h);
    struct slice rest = buf_slice(&b);
    struct metric_sample s;
    ck_assert(metric_next(&rest, &s));
    ck_assert_int_eq(s.metric, METRIC_entries);
    ck_assert_uint_eq(s.value, UINT64_MAX);
    ck_assert(metric_next(&rest, &s));
    ck_assert_int_eq(s.metric, METRIC_connections);
    ck_assert_uint_eq(s.labels[0].len, METRIC_LABEL_BYTES_MAX);
    ck_assert_uint_eq(s.value, 5);
    ck_assert(metric_next(&rest, &s));
    ck_assert(slice_eq(s.labels[0], slice_str("grid")));
    ck_assert_uint_eq(s.labels[1].len, 0);
    ck_assert_uint_eq(s.buckets[1], 7);
    ck_assert_uint_eq(s.sum_us, 210);
    ck_assert(!metric_next(&rest, &s));
    buf_release(&b);
}
END_TEST

static const char open_text[] =
    "# HELP gridd_reads Reads of keys\n"
    "# TYPE gridd_reads counter\n"
    "gridd_reads_total 18446744073709551615\n"
    "# HELP gridd_context_bytes Memory that the data of a context takes\n"
    "# TYPE gridd_context_bytes gauge\n"
    "# UNIT gridd_context_bytes bytes\n"
    "gridd_context_bytes{context=\"a\\\\b\\\"c\\nd\"} 1\n"
    "gridd_context_bytes{context=\"\"} 0\n"
    "# HELP process_cpu_seconds Processor time used, of the user and of the system\n"
    "# TYPE process_cpu_seconds counter\n"
    "# UNIT process_cpu_seconds seconds\n"
    "process_cpu_seconds_total 12.000305\n"
    "# HELP process_start_time_seconds When the process started, seconds since 1970\n"
    "# TYPE process_start_time_seconds gauge\n"
    "# UNIT process_start_time_seconds seconds\n"
    "process_start_time_seconds 1700000000.12\n"
    "# EOF\n";

static void some_samples(struct buf *b)
{
    metric_add(b, METRIC_reads, NULL, NULL, UINT64_MAX);
    metric_add(b, METRIC_context_bytes, "a\\b\"c\nd", NULL, 1);
    metric_add(b, METRIC_context_bytes, "", NULL, 0);
    metric_add(b, METRIC_process_cpu_seconds, NULL, NULL, 12000305);
    metric_add(b, METRIC_process_start_time_seconds, NULL, NULL, UINT64_C(1700000000120));
}

START_TEST(text_is_openmetrics_with_escaped_labels_and_exact_values)
{
    struct buf b = BUF_INIT, text = BUF_INIT;
    some_samples(&b);
    metric_text(buf_slice(&b), METRIC_TEXT_OPEN, &text);
    buf_add_u8(&text, 0);
    ck_assert_str_eq((const char *)text.data, open_text);
    buf_release(&b);
    buf_release(&text);
}
END_TEST

START_TEST(the_older_format_calls_counters_total_in_the_lines_about_them)
{
    struct buf b = BUF_INIT, text = BUF_INIT;
    some_samples(&b);
    metric_text(buf_slice(&b), METRIC_TEXT_PLAIN, &text);
    buf_add_u8(&text, 0);
    ck_assert_ptr_nonnull(strstr((char *)text.data, "# TYPE gridd_reads_total counter\n"));
    ck_assert_ptr_nonnull(strstr((char *)text.data, "# HELP process_cpu_seconds_total Proc"));
    ck_assert_ptr_nonnull(strstr((char *)text.data, "# TYPE gridd_context_bytes gauge\n"));
    buf_release(&b);
    buf_release(&text);
}
END_TEST

START_TEST(a_histogram_is_told_cumulatively)
{
    struct buf b = BUF_INIT, text = BUF_INIT;
    struct histogram h = {0};
    histogram_add(&h, 20, 3);
    histogram_add(&h, 700, 2);
    histogram_add(&h, 20000000, 1);
    metric_add_histogram(&b, METRIC_operation_duration_seconds, "resp", "get", &h);
    metric_text(buf_slice(&b), METRIC_TEXT_OPEN, &text);
    buf_add_u8(&text, 0);
    static const char *const lines[] = {
        "# TYPE gridd_operation_duration_seconds histogram\n",
        "# UNIT gridd_operation_duration_seconds seconds\n",
        "_bucket{door=\"resp\",operation=\"get\",le=\"0.000025\"} 3\n",
        "le=\"0.0005\"} 3\n",
        "le=\"0.001\"} 5\n",
        "le=\"1.0\"} 5\n",
        "le=\"10.0\"} 5\n",
        "le=\"+Inf\"} 6\n",
        "_sum{door=\"resp\",operation=\"get\"} 20.00146\n",
        "_count{door=\"resp\",operation=\"get\"} 6\n",
    };
    const char *at = (const char *)text.data;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *found = strstr(at, lines[i]);
        ck_assert_msg(found, "%s is not in\n%s", lines[i], at);
        at = found;
    }
    buf_release(&b);
    buf_release(&text);
}
END_TEST

UNIT_MAIN("base/metrics", every_metric_has_help_and_a_name_that_ends_in_its_unit,
          bounds_grow_from_25_us_to_10_s, a_duration_counts_below_the_first_bound_that_is_not_less,
          samples_come_back_as_they_went_in,
          text_is_openmetrics_with_escaped_labels_and_exact_values,
          the_older_format_calls_counters_total_in_the_lines_about_them,
          a_histogram_is_told_cumulatively)
