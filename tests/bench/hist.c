/* hist.c - reading a histogram.
 *
 *   bucket   0 .. 127   128 .. 255   256 .. 383    384 .. 511    ...
 *   value    0 .. 127   128 .. 255   256 .. 511    512 .. 1023   ...
 *   width        1           1            2             4        ...
 */
#include "tests/bench/hist.h"

#include "base/err.h"

#include <math.h>
#include <string.h>

void hist_clear(struct hist *h)
{
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

void hist_merge(struct hist *h, const struct hist *from)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        h->buckets[i] += from->buckets[i];
    h->count += from->count;
    h->sum += from->sum;
    if (from->min < h->min)
        h->min = from->min;
    if (from->max > h->max)
        h->max = from->max;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < 2 * HIST_STEPS)
        return bucket;
    unsigned shift = bucket / HIST_STEPS - 1;
    uint64_t step = bucket - shift * HIST_STEPS;
    return ((step + 1) << shift) - 1;
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
    if (h->count == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil((double)h->count * percent / 100.0);
    if (rank == 0)
        rank = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen >= rank)
            return bucket_top(i) < h->max ? bucket_top(i) : h->max;
    }
    return h->max;
}

double hist_mean(const struct hist *h)
{
    return h->count ? (double)h->sum / (double)h->count : 0;
}

void hist_check(const struct hist *h)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        seen += h->buckets[i];
    CHECK(seen == h->count);
    CHECK(h->count == 0 || h->min <= h->max);
}
