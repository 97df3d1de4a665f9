/* prng.h - splitmix64: small, seedable, the same everywhere. Not for secrets. Source: Steele, Lea,
 * Flood (2014). */
#ifndef GRIDD_BASE_PRNG_H
#define GRIDD_BASE_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t state;
};

static inline uint64_t prng_next(struct prng *p)
{
    uint64_t z = p->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 .. n-1; n > 0. */
static inline uint64_t prng_below(struct prng *p, uint64_t n)
{
    return (uint64_t)(__extension__(unsigned __int128) prng_next(p) * n >> 64);
}

#endif
