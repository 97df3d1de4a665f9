/* repeats.h - what ran on this node for whom, so that it does not run again for a client that asks
 * again: identities, and for as long as there is room what was answered. Pure.
 *
 * A client is a session with its numbers (R13). `sole`: it asks for one thing only (an
 * Idempotency-Key), whose number is that of its contents: another number is another thing. */
#ifndef GRIDD_SESSION_REPEATS_H
#define GRIDD_SESSION_REPEATS_H

#include "base/buf.h"
#include "data/record.h"

enum {
    REPEATS_MS = 10 * 60 * 1000,
    REPEATS_MAX = 65536,          /* then the oldest one is forgotten */
    REPEATS_BYTES_MAX = 16 << 20, /* of answers; then those of the oldest ones are */
};

struct repeats; /* opaque */

struct repeat_id {
    struct session_id session;
    uint64_t number;
    bool sole;
};

enum repeat { REPEAT_NEW, REPEAT_SAME, REPEAT_OTHER };

struct repeats *repeats_new(void);
void repeats_free(struct repeats *r); /* NULL is fine */
/* SAME: *ret_err and *ret_answer (borrowed until the next call) are as they were; GRID_EIN_DOUBT:
 * it ran, and its answer is kept no more. OTHER: something else was asked with that identity. */
enum repeat repeats_find(struct repeats *r, const struct repeat_id *id, msec_t now,
                         enum grid_err *ret_err, struct slice *ret_answer);
/* It ran; it is REPEAT_NEW. `now` only grows. */
void repeats_add(struct repeats *r, const struct repeat_id *id, msec_t now, enum grid_err err,
                 struct slice answer);
size_t repeats_len(const struct repeats *r);
void repeats_check(const struct repeats *r);

#endif
