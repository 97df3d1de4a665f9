/* history_quick.c - what contradicts itself at a glance, in n log n steps whatever the key. Each
 * rule follows from there being an order, so that none is ever wrong; they find what a search
 * would, but also where a search is too hard, and they can say it in one sentence.
 *
 *   Q1 versions grow: who comes after somebody meets no less, and makes more
 *   Q2 no version is made twice
 *   Q3 a read sees the value that was written with its version, and one that somebody had asked for
 *   Q4 what was acknowledged is there unless somebody asked for its deletion
 *   Q5 a counter is at least what was acknowledged before, and at most what was asked for so far */
#include "base/alloc.h"
#include "tests/lib/history_priv.h"

#include <stdlib.h>

struct glance {
    const struct history_op *ops; /* by invocation */
    size_t n;
    const struct history_op **returned, **made, **valued; /* firm by return, writes by version,
                                                             writes by value and invocation */
    size_t returned_len, made_len, valued_len;
    int64_t *asked;       /* what increments among the first i + 1 asked for */
    uint64_t *deleted;    /* the highest version of a delete among them; UINT64_MAX: any */
    bool counts, guesses; /* increments alone; a number in doubt: any value may come of it */
    struct buf *words;
};

struct past { /* of what had returned before an operation was invoked */
    uint64_t version;
    const struct history_op *who, *write; /* that had it; the latest write */
    int64_t acked;
};

static bool say(const struct glance *g, const char *what, const struct history_op *a,
                const struct history_op *b)
{
    buf_printf(g->words, "  %s:\n", what);
    const struct history_op *both[] = {a, b};
    for (int i = 0; i < 2; i++)
        if (both[i]) {
            buf_add_text(g->words, "    ");
            history_op_words(both[i], g->words);
            buf_add_text(g->words, "\n");
        }
    return true;
}

/* --- indexes ---------------------------------------------------------------------------------- */

#define ORDER(x, y) (((x) > (y)) - ((x) < (y)))

static int by_return(const void *a, const void *b)
{
    const struct history_op *x = *(const struct history_op *const *)a;
    const struct history_op *y = *(const struct history_op *const *)b;
    return ORDER(x->returned, y->returned);
}

static int by_version(const void *a, const void *b)
{
    const struct history_op *x = *(const struct history_op *const *)a;
    const struct history_op *y = *(const struct history_op *const *)b;
    return ORDER(x->version, y->version);
}

static int by_value(const void *a, const void *b)
{
    const struct history_op *x = *(const struct history_op *const *)a;
    const struct history_op *y = *(const struct history_op *const *)b;
    return x->value != y->value ? ORDER(x->value, y->value) : ORDER(x->invoked, y->invoked);
}

static void index_op(struct glance *g, size_t i)
{
    const struct history_op *op = &g->ops[i];
    bool writes = !op_is_pure(op), firm = op_is_firm(op);
    if (firm)
        g->returned[g->returned_len++] = op;
    if (op_made(op))
        g->made[g->made_len++] = op;
    if (writes && op->kind != HISTORY_DELETE && (firm || op->kind != HISTORY_INCR))
        g->valued[g->valued_len++] = op;
    g->guesses |= !firm && op->kind == HISTORY_INCR;
    g->counts &= op_only_counts(op);
    g->asked[i] = (i ? g->asked[i - 1] : 0) + (g->counts && writes ? op->by : 0);
    uint64_t before = i ? g->deleted[i - 1] : 0, here = 0;
    if (op->kind == HISTORY_DELETE && writes)
        here = op_made(op) ? op_made(op) : UINT64_MAX;
    g->deleted[i] = here > before ? here : before;
}

static void glance_init(struct glance *g)
{
    size_t n = g->n + 1;
    g->returned = xcalloc(n, sizeof(void *));
    g->made = xcalloc(n, sizeof(void *));
    g->valued = xcalloc(n, sizeof(void *));
    g->asked = xcalloc(n, sizeof *g->asked);
    g->deleted = xcalloc(n, sizeof *g->deleted);
    g->counts = true;
    for (size_t i = 0; i < g->n; i++)
        index_op(g, i);
    qsort(g->returned, g->returned_len, sizeof(void *), by_return);
    qsort(g->made, g->made_len, sizeof(void *), by_version);
    qsort(g->valued, g->valued_len, sizeof(void *), by_value);
}

static void glance_release(struct glance *g)
{
    free(g->returned);
    free(g->made);
    free(g->valued);
    free(g->asked);
    free(g->deleted);
}

/* Number of operations invoked by `time`. */
static size_t invoked_by(const struct glance *g, int64_t time)
{
    size_t low = 0, high = g->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->ops[middle].invoked <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first write of `value`, or NULL. */
static const struct history_op *write_of(const struct glance *g, int64_t value)
{
    size_t low = 0, high = g->valued_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->valued[middle]->value < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < g->valued_len && g->valued[low]->value == value ? g->valued[low] : NULL;
}

static const struct history_op *maker_of(const struct glance *g, uint64_t version)
{
    struct history_op key = {.version = version};
    const struct history_op *wanted = &key;
    const struct history_op **found =
        bsearch(&wanted, g->made, g->made_len, sizeof(void *), by_version);
    return found ? *found : NULL;
}

/* --- rules ------------------------------------------------------------------------------------ */

static bool versions_go_back(const struct glance *g, const struct past *past,
                             const struct history_op *op) /* Q1 */
{
    uint64_t made = op_made(op), met = op_met(op);
    if (made && made <= past->version)
        return say(g, "a version is not above one from before", past->who, op);
    if (!met || met >= past->version)
        return false;
    return say(g,
               op_is_pure(past->who) ? "time goes back: something older is met than before"
                                     : "stale: what was done before is not met",
               past->who, op);
}

static bool one_version_twice(const struct glance *g) /* Q2 */
{
    for (size_t i = 1; i < g->made_len; i++)
        if (g->made[i]->version == g->made[i - 1]->version)
            return say(g, "one version was made twice", g->made[i - 1], g->made[i]);
    return false;
}

static bool value_is_nobodys(const struct glance *g, const struct history_op *op) /* Q3 */
{
    if (op->kind != HISTORY_READ || op->outcome != HISTORY_OK)
        return false;
    const struct history_op *maker = op_met(op) ? maker_of(g, op_met(op)) : NULL;
    if (maker && (maker->kind == HISTORY_DELETE || maker->value != op->value))
        return say(g, "a read sees another value than was written with its version", maker, op);
    if (maker && maker->invoked > op->returned)
        return say(g, "a read sees what was not yet asked for", op, maker);
    const struct history_op *writer = write_of(g, op->value);
    if (!g->guesses && (!writer || writer->invoked > op->returned))
        return say(g, "a read sees a value that nobody had written", op, writer);
    return false;
}

static bool is_gone(const struct glance *g, const struct past *past,
                    const struct history_op *op) /* Q4 */
{
    bool absent =
        op->outcome == HISTORY_NO &&
        (op->kind == HISTORY_READ || op->kind == HISTORY_DELETE || op->version == HISTORY_NOTHING);
    if (!absent || !past->write || past->write->kind == HISTORY_DELETE)
        return false;
    size_t n = invoked_by(g, op->returned);
    if (n && g->deleted[n - 1] > past->write->version)
        return false;
    return say(g, "what was acknowledged is gone, and nobody asked for that", past->write, op);
}

static bool miscounts(const struct glance *g, const struct past *past,
                      const struct history_op *op) /* Q5 */
{
    if (!g->counts || !op_is_firm(op))
        return false;
    int64_t value = op->outcome == HISTORY_OK ? op->value : 0;
    int64_t least = past->acked + (op->kind == HISTORY_INCR ? op->by : 0);
    int64_t most = g->asked[invoked_by(g, op->returned) - 1];
    if (value >= least && value <= most)
        return false;
    char what[160];
    snprintf(what, sizeof what,
             "a counter is %s: at least %lld were acknowledged, at most %lld asked",
             value < least ? "too small" : "too large", (long long)least, (long long)most);
    return say(g, what, op, NULL);
}

static void past_add(struct past *past, const struct history_op *op)
{
    uint64_t made = op_made(op), version = made ? made : op_met(op);
    if (version > past->version) {
        past->version = version;
        past->who = op;
    }
    if (made && (!past->write || made > past->write->version))
        past->write = op;
    if (op->kind == HISTORY_INCR && op->outcome == HISTORY_OK)
        past->acked = (int64_t)((uint64_t)past->acked + (uint64_t)op->by);
}

bool history_glance(const struct history_op *ops, size_t n, struct buf *words)
{
    struct glance g = {.ops = ops, .n = n, .words = words};
    struct past past = {0};
    glance_init(&g);
    bool bad = one_version_twice(&g);
    for (size_t i = 0, gone = 0; i < n && !bad; i++) {
        const struct history_op *op = &ops[i];
        for (; gone < g.returned_len && g.returned[gone]->returned < op->invoked; gone++)
            past_add(&past, g.returned[gone]);
        bad = versions_go_back(&g, &past, op) || value_is_nobodys(&g, op) ||
              is_gone(&g, &past, op) || miscounts(&g, &past, op);
    }
    glance_release(&g);
    return bad;
}
