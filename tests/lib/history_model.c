/* history_model.c - one key of a grid that does one thing at a time.
 *
 * A write in doubt has a version that nobody was told. It is above the one before it; the first who
 * meets it says which it is. Until then the state has the least it can be (`exact` is 0). */
#include "tests/lib/history_priv.h"

/* A write was done, and made op->version. */
static bool make(const struct history_op *op, struct key_state *s)
{
    uint64_t made = op_made(op);
    if (made && made <= s->version)
        return false;
    s->version = made ? made : s->version + 1;
    s->exact = made != 0;
    return true;
}

/* Somebody met `version`. */
static bool meet(uint64_t version, struct key_state *s)
{
    if (!version)
        return true;
    if (s->exact ? version != s->version : version < s->version)
        return false;
    s->version = version;
    s->exact = 1;
    return true;
}

static bool put(const struct history_op *op, struct key_state *s)
{
    s->there = 1;
    s->value = op->value;
    return make(op, s);
}

static bool take_away(const struct history_op *op, struct key_state *s)
{
    if (!s->there)
        return false;
    s->there = 0;
    s->value = 0;
    return make(op, s);
}

static bool incr(const struct history_op *op, struct key_state *s)
{
    s->there = 1;
    s->value = (int64_t)((uint64_t)s->value + (uint64_t)op->by);
    return (op->outcome == HISTORY_IN_DOUBT || s->value == op->value) && make(op, s);
}

static bool refused(const struct history_op *op, struct key_state *s)
{
    bool nothing = op->version == HISTORY_NOTHING;
    if (op->kind == HISTORY_PUT_IF_ABSENT)
        return s->there && !nothing && meet(op->version, s);
    if (op->kind != HISTORY_PUT_IF_VERSION)
        return !s->there;
    if (!s->there)
        return nothing || op->version == HISTORY_UNTOLD;
    if (op->version == HISTORY_UNTOLD) /* a version that is not exact may well be another */
        return !s->exact || s->version != op->expected;
    return !nothing && op->version != op->expected && meet(op->version, s);
}

static bool happens(const struct history_op *op, struct key_state *s)
{
    if (op->outcome == HISTORY_NO)
        return refused(op, s);
    switch (op->kind) {
    case HISTORY_READ:
        return s->there && s->value == op->value && meet(op->version, s);
    case HISTORY_PUT:
        return put(op, s);
    case HISTORY_DELETE:
        return take_away(op, s);
    case HISTORY_PUT_IF_ABSENT:
        return !s->there && put(op, s);
    case HISTORY_PUT_IF_VERSION:
        return s->there && meet(op->expected, s) && put(op, s);
    case HISTORY_INCR:
        return incr(op, s);
    }
    return false;
}

enum key_step key_step(const struct history_op *op, struct key_state *s)
{
    struct key_state after = *s;
    after.loose = op->outcome == HISTORY_IN_DOUBT;
    if (!happens(op, &after))
        return KEY_NO;
    enum key_step step = op_is_pure(op) && after.exact == s->exact ? KEY_SAME : KEY_NEW;
    *s = after;
    return step;
}
