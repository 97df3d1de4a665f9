/* gather.h - work on many partitions that is done where they are led, by asks of many at a time:
 * which are done, which are asked for, and where the others are to be asked for next. Pure; it
 * knows neither what is done nor how it is asked.
 *
 *   waiting --gather_next()--> asked --gather_answered()--> done
 *      ^                          |
 *      '---- not done there, or no answer: again after a while, at who leads then
 *
 * A partition is in one ask at most, and what comes for an ask that has ended is passed over: so
 * each is done exactly once, wherever it moves meanwhile.
 * Invariant (gather_check): what is asked for is in just one ask; counts are right. */
#ifndef GRIDD_COORDINATION_GATHER_H
#define GRIDD_COORDINATION_GATHER_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

struct gather; /* opaque */

enum { GATHER_ASK_MAX = 64, GATHER_PER_PLACE = 2, GATHER_RETRY_MS = 20, GATHER_RETRY_MAX_MS = 500 };

struct gather_ask {
    uint32_t number; /* 1.. */
    uint64_t place;  /* where it is done */
    uint32_t len;
    uint16_t partitions[GATHER_ASK_MAX];
};

/* Where a partition is led: any number that stands for it; 0: nowhere now. */
typedef uint64_t gather_place_fn(void *ctx, uint16_t partition);

/* Of partitions 0..len - 1. `done`: a bit each of those that are not asked for (gather_bits());
 * empty: none. NULL: `done` is of no such partitions. */
struct gather *gather_new(uint32_t len, struct slice done);
void gather_free(struct gather *g); /* NULL is fine */
/* Only these of them are wanted, from the beginning. */
void gather_only(struct gather *g, const uint16_t *partitions, uint32_t len);

/* What to ask for now. False: nothing. GATHER_PER_PLACE asks of a place are under way at most. */
bool gather_next(struct gather *g, gather_place_fn *place, void *ctx, msec_t now,
                 struct gather_ask *ret_ask);
/* Those were done, all others of the ask were not. `alone`: the others are asked for one by one
 * from now on, for one of them spoils what is done with it. False: the ask has ended, or they are
 * not of it, or twice: nothing of it counts. */
MUST_USE
bool gather_answered(struct gather *g, uint32_t number, const uint16_t *done, uint32_t len,
                     bool alone, msec_t now);
/* None was done. */
void gather_failed(struct gather *g, uint32_t number, msec_t now);

bool gather_done(const struct gather *g);
uint32_t gather_asked(const struct gather *g); /* asks under way */
uint32_t gather_done_len(const struct gather *g);
/* A bit for each partition that is done, least first; for gather_new(). `to`: (len + 7) / 8. */
void gather_bits(const struct gather *g, uint8_t *to);
void gather_check(const struct gather *g);

#endif
