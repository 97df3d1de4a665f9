/* pace.h - when the requests of one connection are meant to be sent. Pure: the time is an argument.
 *
 * Open loop: request k is meant for start + (k * stride + offset) / rate, whatever the server does.
 * A connection that is held up falls behind and later sends what is due at once, each request with
 * its own intended time; latency is counted from there, so a stall shows in every request that
 * should have been sent during it ("coordinated omission" is what the usual counting from the real
 * send hides; Gil Tene, 2013).
 * Closed loop (rate 0): a request is due whenever there is room, and is meant for the moment it is
 * sent. */
#ifndef GRIDD_TESTS_BENCH_PACE_H
#define GRIDD_TESTS_BENCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint64_t start_ns;
    uint64_t taken;  /* requests given out */
    double gap_ns;   /* between two requests of this connection; 0: closed loop */
    double first_ns; /* of the first one, after start */
};

/* `rate` requests per second over all of `connections` connections, in turn; this one is number
 * `index`. */
static inline void pace_init(struct pace *p, uint64_t start_ns, double rate, unsigned connections,
                             unsigned index)
{
    *p = (struct pace){.start_ns = start_ns};
    if (rate > 0) {
        p->gap_ns = 1e9 * connections / rate;
        p->first_ns = 1e9 * index / rate;
    }
}

/* When the next request is meant to be sent; open loop only. */
static inline uint64_t pace_next(const struct pace *p)
{
    return p->start_ns + (uint64_t)(p->first_ns + p->gap_ns * (double)p->taken);
}

static inline bool pace_due(const struct pace *p, uint64_t now_ns)
{
    return p->gap_ns <= 0 || pace_next(p) <= now_ns;
}

/* Take the next request, which must be due, and return its intended time. */
static inline uint64_t pace_take(struct pace *p, uint64_t now_ns)
{
    uint64_t intended = p->gap_ns <= 0 ? now_ns : pace_next(p);
    p->taken++;
    return intended;
}

#endif
