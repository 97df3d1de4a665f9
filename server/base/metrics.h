/* metrics.h - what a node counts: the table of metrics.def, values gathered from it, and their text
 * for monitoring systems.
 *
 * Counters are numbers of the thread that owns them. What is gathered is a sequence of samples in a
 * buffer: a family's samples stand together, in the order of the table. */
#ifndef GRIDD_BASE_METRICS_H
#define GRIDD_BASE_METRICS_H

#include "base/buf.h"
#include "base/slice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum metric {
#define SCALAR(name, type, unit, per, source, help) METRIC_##name,
#define FAMILY(name, type, unit, per, label, second, help) METRIC_##name,
#include "base/metrics.def"
#undef SCALAR
#undef FAMILY
    METRICS
};

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };
enum { METRIC_LABELS = 2, METRIC_LABEL_BYTES_MAX = 255 };

struct metric_info {
    const char *name; /* ends in the unit */
    enum metric_type type;
    const char *unit;                  /* "" none */
    uint32_t per;                      /* values are this many times the unit */
    const char *labels[METRIC_LABELS]; /* NULL: none */
    const char *help;
};
extern const struct metric_info metric_table[METRICS];

/* --- durations -------------------------------------------------------------------------------- */

enum { HISTOGRAM_BOUNDS = 18 };
extern const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS]; /* 25 us to 10 s, growing */

/* Written by one thread, read by any; each number is exact, not all of one instant. */
struct histogram {
    _Atomic uint64_t
        buckets[HISTOGRAM_BOUNDS + 1]; /* not cumulative; the last: beyond all bounds */
    _Atomic uint64_t sum_us;
};
/* `n` things took `us` each. */
void histogram_add(struct histogram *h, uint32_t us, uint32_t n);
/* Add what `from` has to `to`, which this thread owns. */
void histogram_merge(struct histogram *to, const struct histogram *from);
uint64_t histogram_count(const struct histogram *h);

/* A counter of one thread that others read. */
static inline void metric_count(_Atomic uint64_t *n, uint64_t by)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + by,
                          memory_order_relaxed);
}
static inline uint64_t metric_read(const _Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

/* --- samples ---------------------------------------------------------------------------------- */

struct metric_sample {
    enum metric metric;
    struct slice labels[METRIC_LABELS];     /* in the order of the table; empty where it has none */
    uint64_t value;                         /* not of histograms */
    uint64_t buckets[HISTOGRAM_BOUNDS + 1]; /* of histograms, not cumulative */
    uint64_t sum_us;
};
/* Labels: at most METRIC_LABEL_BYTES_MAX bytes are kept; NULL where the table has none. */
void metric_add(struct buf *to, enum metric m, const char *label, const char *second,
                uint64_t value);
void metric_add_histogram(struct buf *to, enum metric m, const char *label, const char *second,
                          const struct histogram *h);
/* The next sample of what metric_add() made; false: there are no more. Labels point into it. */
bool metric_next(struct slice *samples, struct metric_sample *ret_sample);

/* --- text ------------------------------------------------------------------------------------- */

enum metric_text {
    METRIC_TEXT_PLAIN, /* the Prometheus text format 0.0.4 */
    METRIC_TEXT_OPEN,  /* OpenMetrics 1.0 */
};
/* Append the text of `samples`. Both end in "# EOF" and tell units, which is a comment in PLAIN. */
void metric_text(struct slice samples, enum metric_text as, struct buf *to);

#endif
