/* history_words.c - a contradiction, told with as few operations as can be.
 *
 * Two things may be done to a history that has an order without taking that order away: leave out
 * what changes nothing, and put in doubt what was acknowledged. So if it has no order even then,
 * what was left out or doubted is not needed to see it. Larger pieces are tried first. */
#include "base/alloc.h"
#include "tests/lib/history_priv.h"

#include <stdlib.h>

enum { EFFORT = 20 * 1000 * 1000 }; /* steps of searches, about a second */

struct piece {
    struct history_op op; /* as it is told to the search */
    const struct history_op *told;
    bool out, doubted;
};

struct story {
    struct piece *pieces, *before;
    size_t n;
    struct history_op *room;
    uint64_t steps;
};

static bool still_bad(struct story *y)
{
    struct history_limits limits = {.bytes_max = 64 << 20, .steps_max = EFFORT / 4};
    size_t len = 0, at;
    for (size_t i = 0; i < y->n; i++)
        if (!y->pieces[i].out)
            y->room[len++] = y->pieces[i].op;
    y->steps += y->n;
    return history_search(y->room, len, &limits, &at, &y->steps) == HISTORY_BAD;
}

static bool is_needed(const struct piece *p)
{
    return !p->out && !p->doubted && op_is_firm(p->told);
}

static void weaken(struct piece *p)
{
    p->out = op_is_pure(p->told);
    p->doubted = !p->out;
    if (p->doubted) {
        p->op.outcome = HISTORY_IN_DOUBT;
        p->op.version = HISTORY_UNTOLD;
    }
}

/* Weaken a run of `len` needed pieces, pure or not, from `from`; undo it if that explains too much.
 * Returns where the next run begins. */
static size_t try_run(struct story *y, size_t from, size_t len, bool pure)
{
    size_t to = from, taken = 0;
    memcpy(y->before, y->pieces, y->n * sizeof *y->pieces);
    for (; to < y->n && taken < len; to++) {
        if (!is_needed(&y->pieces[to]) || op_is_pure(y->pieces[to].told) != pure)
            continue;
        weaken(&y->pieces[to]);
        taken++;
    }
    if (taken && !still_bad(y))
        memcpy(y->pieces, y->before, y->n * sizeof *y->pieces);
    return to;
}

static void shrink(struct story *y, bool pure)
{
    for (size_t len = y->n; len > 0 && y->steps < EFFORT; len /= 2)
        for (size_t at = 0; at < y->n && y->steps < EFFORT;)
            at = try_run(y, at, len, pure);
}

/* Whether one of the needed met what `p` wrote. */
static bool is_met(const struct story *y, const struct piece *p)
{
    for (size_t i = 0; i < y->n; i++) {
        const struct history_op *op = y->pieces[i].told;
        if (!is_needed(&y->pieces[i]) || op == p->told)
            continue;
        if (op_made(p->told) && op_met(op) == op_made(p->told))
            return true;
        bool sees = op->kind == HISTORY_READ && op->outcome == HISTORY_OK;
        if (sees && p->told->kind != HISTORY_DELETE && op->value == p->told->value)
            return true;
    }
    return false;
}

static void tell(const struct story *y, struct buf *words)
{
    size_t silent = 0;
    for (size_t i = 0; i < y->n; i++) {
        const struct piece *p = &y->pieces[i];
        if (!is_needed(p) && (p->out || !is_met(y, p))) {
            silent++;
            continue;
        }
        buf_add_text(words, "    ");
        history_op_words(p->told, words);
        buf_add_text(words, "\n");
    }
    if (silent)
        buf_printf(words, "    (%zu more until then, done or not, explain nothing)\n", silent);
}

void history_explain(const struct history_op *ops, size_t n, size_t at, struct buf *words)
{
    struct story y = {.pieces = xcalloc(n + 1, sizeof *y.pieces),
                      .before = xcalloc(n + 1, sizeof *y.before),
                      .room = xcalloc(n + 1, sizeof *y.room)};
    for (size_t i = 0; i < n && ops[i].invoked <= ops[at].returned; i++)
        y.pieces[y.n++] = (struct piece){.op = ops[i], .told = &ops[i]};
    shrink(&y, true);
    shrink(&y, false);
    buf_add_text(words, "  no order explains these:\n");
    tell(&y, words);
    free(y.pieces);
    free(y.before);
    free(y.room);
}
