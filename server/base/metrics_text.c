/* metrics_text.c - samples as text: OpenMetrics 1.0, and the older Prometheus format, which differs
 * in what a counter is called in the lines about it. */
#include "base/metrics.h"

#include <stdio.h>
#include <string.h>

/* What is the system's own keeps the name it has everywhere. */
static const char *prefix(const struct metric_info *m)
{
    return strncmp(m->name, "process_", 8) == 0 ? "" : "gridd_";
}

static void head(const struct metric_info *m, enum metric_text as, struct buf *to)
{
    static const char *const types[] = {"gauge", "counter", "histogram"};
    const char *total = m->type == METRIC_COUNTER && as == METRIC_TEXT_PLAIN ? "_total" : "";
    buf_printf(to, "# HELP %s%s%s %s\n", prefix(m), m->name, total, m->help);
    buf_printf(to, "# TYPE %s%s%s %s\n", prefix(m), m->name, total, types[m->type]);
    if (*m->unit)
        buf_printf(to, "# UNIT %s%s %s\n", prefix(m), m->name, m->unit);
}

static void label_add(struct buf *to, const char *name, struct slice value, const char *between)
{
    buf_printf(to, "%s%s=\"", between, name);
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if (c == '\\' || c == '"')
            buf_add_u8(to, '\\');
        if (c == '\n')
            buf_printf(to, "\\n");
        else
            buf_add_u8(to, c);
    }
    buf_add_u8(to, '"');
}

/* "{door=\"grid\",le=\"0.1\"}"; `le` NULL: none. */
static void labels_add(struct buf *to, const struct metric_info *m, const struct metric_sample *s,
                       const char *le)
{
    const char *between = "{";
    for (unsigned i = 0; i < METRIC_LABELS && m->labels[i]; i++, between = ",")
        label_add(to, m->labels[i], s->labels[i], between);
    if (le)
        label_add(to, "le", slice_str(le), between);
    if (le || m->labels[0])
        buf_add_u8(to, '}');
}

static void value_add(struct buf *to, uint64_t value, uint32_t per)
{
    buf_printf(to, " %llu", (unsigned long long)(value / per));
    uint32_t rest = (uint32_t)(value % per), digit = per / 10;
    if (rest)
        buf_add_u8(to, '.');
    for (; rest; rest %= digit ? digit : 1, digit /= 10)
        buf_add_u8(to, (uint8_t)('0' + rest / digit));
    buf_add_u8(to, '\n');
}

static void line_add(struct buf *to, const struct metric_info *m, const struct metric_sample *s,
                     const char *ending, const char *le, uint64_t value, uint32_t per)
{
    buf_printf(to, "%s%s%s", prefix(m), m->name, ending);
    labels_add(to, m, s, le);
    value_add(to, value, per);
}

/* A bound in seconds, as short as it is exact: "0.00025", "1.0". */
static const char *bound_text(unsigned i, char text[16])
{
    uint32_t us = histogram_bounds_us[i];
    int len = snprintf(text, 16, "%u.%06u", us / 1000000, us % 1000000);
    while (text[len - 1] == '0' && text[len - 2] != '.')
        text[--len] = '\0';
    return text;
}

static void histogram_text(struct buf *to, const struct metric_info *m,
                           const struct metric_sample *s)
{
    uint64_t n = 0;
    char text[16];
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        n += s->buckets[i];
        line_add(to, m, s, "_bucket", i < HISTOGRAM_BOUNDS ? bound_text(i, text) : "+Inf", n, 1);
    }
    line_add(to, m, s, "_sum", NULL, s->sum_us, m->per);
    line_add(to, m, s, "_count", NULL, n, 1);
}

void metric_text(struct slice samples, enum metric_text as, struct buf *to)
{
    struct metric_sample s;
    const struct metric_info *last = NULL;
    while (metric_next(&samples, &s)) {
        const struct metric_info *m = &metric_table[s.metric];
        if (m != last)
            head(m, as, to);
        last = m;
        if (m->type == METRIC_HISTOGRAM)
            histogram_text(to, m, &s);
        else
            line_add(to, m, &s, m->type == METRIC_COUNTER ? "_total" : "", NULL, s.value, m->per);
    }
    buf_printf(to, "# EOF\n");
}
