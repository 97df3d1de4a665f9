/* decimal.h - whole numbers as text, for all who add them up here: programs that read values out,
 * and code next to them. */
#ifndef TESTS_BENCH_DECIMAL_H
#define TESTS_BENCH_DECIMAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Zeros before it are passed over eight at a time. */
static inline int64_t decimal(const void *data, size_t len)
{
    static const char zeros[8] = "00000000";
    const char *s = data;
    size_t minus = len && *s == '-', at = minus;
    uint64_t n = 0;
    while (len - at >= sizeof zeros && memcmp(s + at, zeros, sizeof zeros) == 0)
        at += sizeof zeros;
    for (; at < len && s[at] >= '0' && s[at] <= '9'; at++)
        n = n * 10 + (uint64_t)(s[at] - '0');
    return (int64_t)(minus ? 0 - n : n);
}

#endif
