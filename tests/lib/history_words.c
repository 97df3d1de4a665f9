/* history_words.c - a contradiction, told with as few operations as can be.
 *
 * Two things may be done to a history that has an order without taking that order away: leave out
 * what changes nothing, and put in doubt what was acknowledged. So if it has no order even then,
 * what was left out or doubted is not needed to see it. Larger pieces are tried first. */
#include "base/alloc.h"
#include "tests/lib/history_priv.h"

#include <stdlib.h>

enum {
    EFFORT = 100 * 1000 * 1000, /* steps of searches, about a second */
    SHOWN_MAX = 40              /* operations, the latest */
};

struct piece {
    struct history_op op; /* as it is told to the search */
    const struct history_op *told;
    bool out, doubted;
};

struct story {
    struct piece *pieces, *before;
    size_t n;
    struct history_op *room; /* for a search */
    uint64_t steps;
};

static bool still_bad(struct story *y)
{
    struct history_limits limits = {.bytes_max = 64 << 20, .steps_max = EFFORT / 4};
    size_t len = 0, at;
    for (size_t i = 0; i < y->n; i++)
        if (!y->pieces[i].out)
            y->room[len++] = y->pieces[i].op;
    y->steps += y->n + 8 * len;
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

/* Whether `op` met what `write` wrote. */
static bool has_met(const struct history_op *op, const struct history_op *write)
{
    if (op == write)
        return false;
    bool sees = op->kind == HISTORY_READ && op->outcome == HISTORY_OK;
    return (op_made(write) && op_met(op) == op_made(write)) ||
           (sees && write->kind != HISTORY_DELETE && op->value == write->value);
}

/* The latest of the needed, and of the others those that they met. */
static void tell(const struct story *y, struct buf *words)
{
    const struct history_op *needed[SHOWN_MAX];
    size_t needed_len = 0, before = 0, silent = 0;
    for (size_t i = y->n; i-- > 0;) {
        if (is_needed(&y->pieces[i]) && needed_len < SHOWN_MAX)
            needed[needed_len++] = y->pieces[i].told;
        else
            before += is_needed(&y->pieces[i]);
    }
    if (before)
        buf_printf(words, "    (%zu before these matter, too)\n", before);
    for (size_t i = 0; i < y->n; i++) {
        const struct piece *p = &y->pieces[i];
        bool shown = false;
        for (size_t j = 0; j < needed_len && !shown; j++)
            shown = needed[j] == p->told || (!p->out && has_met(needed[j], p->told));
        silent += !shown;
        if (!shown)
            continue;
        buf_add_text(words, "    ");
        history_op_words(p->told, words);
        buf_add_text(words, "\n");
    }
    if (silent > before)
        buf_printf(words, "    (%zu more until then, done or not, explain nothing)\n",
                   silent - before);
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
