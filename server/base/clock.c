/* clock.c - the two clocks. */
#include "base/clock.h"

#include <time.h>

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_wall_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000u;
}

uint64_t clock_mono_us(void)
{
    return clock_ns(CLOCK_BOOTTIME) / 1000u;
}

msec_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000u;
}

msec_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000u;
}

uint64_t clock_cpu_us(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1000u;
}

uint64_t clock_mono_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}
