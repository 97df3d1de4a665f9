/* meters.h - what the sessions of one thread count. Written by that thread alone.
 *
 * A latency is measured from the turn in which an operation was taken in to its answer. Most are
 * answered in that same turn: they are only counted, and at the end of the turn all of them get the
 * time that has really passed (meters_turn_end): so they cost an addition each, and the clock is
 * read once. What is answered later is measured by itself. */
#ifndef GRIDD_SESSION_METERS_H
#define GRIDD_SESSION_METERS_H

#include "base/err.h"
#include "base/metrics.h"

/* In the order of ticket.meter: door * METER_OPERATIONS + operation. An operation is an enum
 * op_kind, but for these. */
#define METER_DOORS(X) X(GRID, "grid") X(RESP, "resp") X(HTTP, "http")
enum meter_door {
#define X(name, text) METER_##name,
    METER_DOORS(X)
#undef X
        METER_DOORS_LEN
};
enum {
    METER_OPERATIONS = 16,
    METERS = METER_DOORS_LEN * METER_OPERATIONS,
    METER_ADMIN = 9,       /* administration */
    METER_EVERYWHERE = 10, /* errands */
    METER_CALL_READS = 14, /* procedures that change nothing; OP_CALL: all others */
};

enum { /* codes ascend */
#define X(name, code, text, retryable) METER_STATUS_##name = (code),
#include "proto/status.def"
#undef X
       METER_STATUSES
};

struct meters {
    uint32_t now_us;  /* of this turn; what ticket.began is compared with */
    uint64_t touched; /* bits: `turn` is not 0 there */
    uint32_t turn[METERS];
    struct histogram latency[METERS];
    struct {
        uint64_t sessions, requests, received, sent;
        uint64_t errors[METER_STATUSES]; /* by enum grid_err */
    } doors[METER_DOORS_LEN];
    uint64_t wrong_passwords;
    uint64_t channels, subscriptions, published;
};

/* What meters_done() leaves to others. */
__attribute__((cold, noinline)) void meters_other(struct meters *m, uint16_t meter, uint32_t began,
                                                  enum grid_err status);
/* The operation of ticket.meter and ticket.began was answered. */
static inline void meters_done(struct meters *m, uint16_t meter, uint32_t began,
                               enum grid_err status)
{
    m->turn[meter]++;
    m->touched |= UINT64_C(1) << meter;
    if (unlikely(status || began != m->now_us))
        meters_other(m, meter, began, status);
}

/* Monotonic microseconds, the low bits: the turn's time. */
void meters_turn(struct meters *m, uint32_t now_us);
/* All is answered that this turn could answer; `now_us` is read from the clock just now. Call when
 * `touched` is not 0. */
void meters_turn_end(struct meters *m, uint32_t now_us);
/* Add what `from` counted to `to`. */
void meters_merge(struct meters *to, const struct meters *from);
const char *meter_door_text(enum meter_door door); /* "grid" */
/* METER_DOORS_LEN: none is called so. */
enum meter_door meter_door_named(const char *name);
const char *meter_operation_text(unsigned operation); /* "get", "call"; NULL: there is none */

#endif
