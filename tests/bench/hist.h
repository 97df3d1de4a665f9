/* hist.h - log-linear histogram of latencies in nanoseconds. Pure, no memory of its own.
 * Each power of two is cut into HIST_STEPS equal steps (the idea of HdrHistogram), so that what is
 * read back is never below a recorded value's bucket and at most 1/HIST_STEPS (0.8 %) above it.
 * Values beyond HIST_VALUE_MAX count as that. Invariant (hist_check): the buckets sum up to count;
 * min <= max when count > 0. */
#ifndef GRIDD_TESTS_BENCH_HIST_H
#define GRIDD_TESTS_BENCH_HIST_H

#include <stdint.h>

enum { HIST_STEP_BITS = 7, HIST_STEPS = 1 << HIST_STEP_BITS, HIST_VALUE_BITS = 44 };
enum { HIST_BUCKETS = (HIST_VALUE_BITS - HIST_STEP_BITS + 1) * HIST_STEPS };
#define HIST_VALUE_MAX ((UINT64_C(1) << HIST_VALUE_BITS) - 1) /* ns: almost five hours */

struct hist {
    uint64_t count;
    uint64_t sum;
    uint64_t min;
    uint64_t max;
    uint64_t buckets[HIST_BUCKETS];
};

void hist_clear(struct hist *h);
/* Add all of `from` to `h`. */
void hist_merge(struct hist *h, const struct hist *from);
/* The value that `percent` (0..100] of the recorded values do not exceed, within the error bound;
 * never above the largest recorded value. 0 when nothing was recorded. */
uint64_t hist_percentile(const struct hist *h, double percent);
double hist_mean(const struct hist *h);
void hist_check(const struct hist *h);

/* Values below 2 * HIST_STEPS have a bucket each; above, a bucket is as wide as the value's highest
 * bit allows. */
static inline unsigned hist_bucket(uint64_t value)
{
    if (value < HIST_STEPS)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HIST_STEP_BITS;
    return shift * HIST_STEPS + (unsigned)(value >> shift);
}

static inline void hist_record(struct hist *h, uint64_t value)
{
    if (value > HIST_VALUE_MAX)
        value = HIST_VALUE_MAX;
    h->buckets[hist_bucket(value)]++;
    h->count++;
    h->sum += value;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}

#endif
