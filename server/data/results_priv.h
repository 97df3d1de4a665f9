/* results_priv.h - one session of one partition: what is stored and folded, without the map around
 * it. */
#ifndef GRIDD_DATA_RESULTS_PRIV_H
#define GRIDD_DATA_RESULTS_PRIV_H

#include "base/list.h"
#include "data/sessions.h"

enum { ANSWER_NEAR = 8 }; /* bytes: numbers, mostly */

struct session_result {
    uint64_t number;
    uint64_t version;
    union {
        int64_t result;
        uint8_t near[ANSWER_NEAR]; /* the bytes of an answer, when they fit */
        uint8_t *far;              /* else: its own */
    };
    uint32_t answer_len;
    uint8_t status;
};

/* Borrowed from the result. */
static inline struct slice result_answer(const struct session_result *r)
{
    return slice_make(!r->answer_len                 ? NULL
                      : r->answer_len <= ANSWER_NEAR ? r->near
                                                     : r->far,
                      r->answer_len);
}

static inline int64_t result_number(const struct session_result *r)
{
    return r->answer_len ? 0 : r->result;
}

/* Results by growing number, results[first .. first + len). Most sessions have one at most: it has
 * its place here. */
struct results {
    struct session_id id;
    uint64_t lowest;
    msec_t last_used;
    struct list link; /* in sessions.by_use */
    msec_t listed;    /* last_used when it was put at the end of it */
    uint32_t first, len, cap;
    uint32_t answers; /* bytes of all answers, allocator's head included; of near ones, too */
    struct session_result *results; /* &one while cap is 1 */
    struct session_result one;
};

void results_init(struct results *s, const struct session_id *id);
void results_release(struct results *s);
/* The result of `number`, or NULL. */
const struct session_result *results_find(const struct results *s, uint64_t number);
/* No more of them should be kept. */
bool results_full(const struct results *s);
/* See sessions_overtaken(). */
bool results_overtaken(const struct results *s, uint64_t number, uint64_t later);
void results_apply(struct results *s, const struct session_change *change);
/* As if it had seen the records of the other, too. */
void results_merge(struct results *s, const struct results *other);
void results_encode(const struct results *s, struct buf *out);
/* Into an initialised, empty session. On GRID_ECORRUPT it is to be released all the same. */
MUST_USE
enum grid_err results_decode(struct results *s, struct slice stored);
/* Heap memory of its results and answers, allocator's head included. */
size_t results_bytes(const struct results *s);
void results_check(const struct results *s);

#endif
