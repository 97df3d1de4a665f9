/* history_priv.h - what the files of the history checker share: one key's operations, the key's
 * state as a grid would have it, the search, the glance. */
#ifndef GRIDD_TESTS_HISTORY_PRIV_H
#define GRIDD_TESTS_HISTORY_PRIV_H

#include "tests/lib/history.h"

/* --- model.c: one key ------------------------------------------------------------------------- */

/* Compared byte by byte: no padding, and a value of 0 where there is none. */
struct key_state {
    int64_t value;
    uint64_t version; /* of the last write; without `exact` that, or any above */
    uint8_t there;
    uint8_t exact;
    uint8_t loose; /* the last step was one in doubt that nobody has seen yet */
    uint8_t zero[5];
};
#define KEY_STATE_FIRST ((struct key_state){.exact = 1})

enum key_step {
    KEY_NO,   /* the operation could not have told what it told; `s` is as before */
    KEY_SAME, /* it could, and but for `loose` nothing is different afterwards */
    KEY_NEW   /* it could, and `s` is what comes after it */
};
/* Let `op` happen in `s`. */
enum key_step key_step(const struct history_op *op, struct key_state *s);

/* It happened, or must not have: nobody may leave it out. */
static inline bool op_is_firm(const struct history_op *op)
{
    return op->outcome == HISTORY_OK || op->outcome == HISTORY_NO;
}
/* It changes nothing, whenever it happened. */
static inline bool op_is_pure(const struct history_op *op)
{
    return op->kind == HISTORY_READ || op->outcome == HISTORY_NO;
}
/* The version it made; 0: none, or not told. */
static inline uint64_t op_made(const struct history_op *op)
{
    return op_is_pure(op) || op->outcome != HISTORY_OK ? 0 : op->version;
}
/* The version it met; 0: none, or not told. */
static inline uint64_t op_met(const struct history_op *op)
{
    if (op->outcome == HISTORY_OK && op->kind == HISTORY_PUT_IF_VERSION)
        return op->expected;
    return op_is_pure(op) && op->version != HISTORY_NOTHING ? op->version : 0;
}
/* An operation of a counter that only grows, and never so far that it overflows. */
static inline bool op_only_counts(const struct history_op *op)
{
    return op->kind == HISTORY_READ ||
           (op->kind == HISTORY_INCR && op->by > 0 && op->by <= INT32_MAX);
}
/* Nothing about it matters to a judge. */
static inline bool op_is_void(const struct history_op *op)
{
    return op->outcome == HISTORY_FAILED ||
           (op->outcome == HISTORY_IN_DOUBT && op->kind == HISTORY_READ);
}

/* --- history_configs.c ------------------------------------------------------------------------ */

/* A state, and what has happened: a bit for each firm operation on its way, and of each sort of
 * those in doubt how many. */
struct config {
    struct key_state state;
    uint64_t words[];
};

struct config_shape { /* of all configurations of a search */
    size_t firm_words, sorts, bytes;
};

struct configs { /* in the order they came */
    uint8_t *all;
    size_t len, cap;
    uint32_t *table; /* index + 1; 0: free */
    size_t places;   /* a power of two, twice `cap` */
};

void config_shape_init(struct config_shape *shape, size_t firm, size_t sorts);
static inline uint32_t *config_used(const struct config_shape *shape, struct config *c)
{
    return (uint32_t *)(void *)(c->words + shape->firm_words);
}
/* Borrowed until the next configs_add(). */
struct config *configs_at(const struct config_shape *shape, const struct configs *set, size_t i);
/* Add `c` unless one is there that is like it and needs no more of what is in doubt. With
 * `replace`, `c` takes the place of one that needs more. Returns how many it was compared to. */
size_t configs_add(const struct config_shape *shape, struct configs *set, const struct config *c,
                   bool replace);
void configs_clear(struct configs *set);
size_t configs_bytes(const struct config_shape *shape, const struct configs *set);
void configs_release(struct configs *set);

/* --- history_search.c ------------------------------------------------------------------------- */

/* Look for an order that explains `ops`, sorted by time of invocation, none of them void. BAD:
 * *ret_at is the index of the first to return that none explains. *steps counts on. */
enum history_verdict history_search(const struct history_op *ops, size_t n,
                                    const struct history_limits *limits, size_t *ret_at,
                                    uint64_t *steps);

/* --- history_quick.c -------------------------------------------------------------------------- */

/* Look for what contradicts itself at a glance: versions, values that nobody wrote, counters,
 * what was acknowledged and is gone. Returns whether something does, with words. `ops` as above. */
bool history_glance(const struct history_op *ops, size_t n, struct buf *words);

/* --- history_words.c -------------------------------------------------------------------------- */

/* Say why `ops` has no explanation, ops[at] being the first to have none: as few of them as a
 * bounded effort finds. */
void history_explain(const struct history_op *ops, size_t n, size_t at, struct buf *words);

#endif
