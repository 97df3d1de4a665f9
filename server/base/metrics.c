/* metrics.c - the table, histograms, samples as bytes.
 *
 * A sample: metric (2 bytes), two labels (length, bytes), then its value; a histogram has its
 * buckets and the sum there. It never leaves the process, so the byte order is the machine's. */
#include "base/metrics.h"

#include "base/err.h"

#include <string.h>

const struct metric_info metric_table[METRICS] = {
#define SCALAR(name, type, unit, per, source, help)                                                \
    {#name, METRIC_##type, unit, per, {NULL, NULL}, help},
#define FAMILY(name, type, unit, per, label, second, help)                                         \
    {#name, METRIC_##type, unit, per, {label, second}, help},
#include "base/metrics.def"
#undef SCALAR
#undef FAMILY
};

/* --- durations -------------------------------------------------------------------------------- */

const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
    25,    50,    100,    250,    500,    1000,    2500,    5000,    10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

void histogram_add(struct histogram *h, uint32_t us, uint32_t n)
{
    unsigned i = 0;
    while (i < HISTOGRAM_BOUNDS && us > histogram_bounds_us[i])
        i++;
    metric_count(&h->buckets[i], n);
    metric_count(&h->sum_us, (uint64_t)us * n);
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        metric_count(&to->buckets[i], metric_read(&from->buckets[i]));
    metric_count(&to->sum_us, metric_read(&from->sum_us));
}

uint64_t histogram_count(const struct histogram *h)
{
    uint64_t n = 0;
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += metric_read(&h->buckets[i]);
    return n;
}

/* --- samples ---------------------------------------------------------------------------------- */

static void sample_begin(struct buf *to, enum metric m, const char *label, const char *second)
{
    const char *const labels[METRIC_LABELS] = {label, second};
    uint16_t number = (uint16_t)m;
    buf_add(to, &number, sizeof number);
    for (unsigned i = 0; i < METRIC_LABELS; i++) {
        size_t len = labels[i] ? strnlen(labels[i], METRIC_LABEL_BYTES_MAX) : 0;
        buf_add_u8(to, (uint8_t)len);
        if (len)
            buf_add(to, labels[i], len);
    }
}

void metric_add(struct buf *to, enum metric m, const char *label, const char *second,
                uint64_t value)
{
    CHECK(metric_table[m].type != METRIC_HISTOGRAM);
    sample_begin(to, m, label, second);
    buf_add(to, &value, sizeof value);
}

void metric_add_histogram(struct buf *to, enum metric m, const char *label, const char *second,
                          const struct histogram *h)
{
    CHECK(metric_table[m].type == METRIC_HISTOGRAM);
    sample_begin(to, m, label, second);
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        uint64_t n = metric_read(&h->buckets[i]);
        buf_add(to, &n, sizeof n);
    }
    uint64_t sum = metric_read(&h->sum_us);
    buf_add(to, &sum, sizeof sum);
}

static void take(struct slice *from, void *to, size_t len)
{
    CHECK(from->len >= len);
    memcpy(to, from->data, len);
    *from = slice_make(from->data + len, from->len - len);
}

bool metric_next(struct slice *samples, struct metric_sample *ret_sample)
{
    struct metric_sample s = {.value = 0};
    uint16_t number;
    if (!samples->len)
        return false;
    take(samples, &number, sizeof number);
    CHECK(number < METRICS);
    s.metric = number;
    for (unsigned i = 0; i < METRIC_LABELS; i++) {
        uint8_t len;
        take(samples, &len, sizeof len);
        CHECK(samples->len >= len);
        s.labels[i] = slice_make(samples->data, len);
        *samples = slice_make(samples->data + len, samples->len - len);
    }
    if (metric_table[number].type == METRIC_HISTOGRAM) {
        take(samples, s.buckets, sizeof s.buckets);
        take(samples, &s.sum_us, sizeof s.sum_us);
    } else {
        take(samples, &s.value, sizeof s.value);
    }
    *ret_sample = s;
    return true;
}
