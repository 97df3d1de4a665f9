/* history_search.c - an order for the operations of one key, or the proof that there is none.
 *
 * Time is walked through once, from one invocation or return to the next. A configuration is a
 * state of the key and which of the operations on their way have happened in it; all that are
 * possible are kept. When an operation returns it must have happened: where it has not, all orders
 * of others on their way that end with it are tried, and no more (just in time). None left: that
 * return has no explanation.
 *
 *     invoked   takes a free bit; what changes nothing and fits happens at once (nothing is lost)
 *     returned  now --(has happened)--------------------------> next, its bit free again
 *               now --> seen --(others)--> seen ... --(it)----> next
 *     in doubt  never returns; those of which nobody can tell one from the other are a sort, and it
 *               is enough to know how many of a sort have happened
 *
 * What keeps the configurations few, and loses no order:
 *   - one that has still to make or meet a version below the present one, or on a key that only
 *     grows a smaller number, can never happen: the configuration is dead
 *   - a write in doubt that is overwritten unseen may as well not have happened
 *   - of two that differ in nothing else, the one that needs less of what is in doubt is enough */
#include "base/alloc.h"
#include "tests/lib/history_priv.h"

#include <stdlib.h>

struct event {
    int64_t time;
    uint32_t op;
    bool returns;
};

struct sort {                    /* of operations in doubt */
    const struct history_op *op; /* one of them */
    uint32_t invoked;            /* how many, by now */
};

struct search {
    const struct history_op *ops;
    size_t n;
    struct event *events;
    size_t events_len;
    uint32_t *places; /* of firm operations on their way: the bit; of those in doubt: the sort */
    uint32_t *going;  /* firm operations on their way, in order of invocation */
    uint32_t *free_bits;
    size_t going_len, free_len;
    struct sort *sorts;
    size_t sorts_len;
    bool grows; /* op_only_counts() all of them */
    bool told;  /* there are versions; else they need not be counted */
    struct config_shape shape;
    struct configs now, next, seen;
    struct config *from, *to;
    size_t bytes_max;
    uint64_t *steps, steps_max;
};

/* --- configurations --------------------------------------------------------------------------- */

static bool has_happened(const struct search *s, const struct config *c, uint32_t op)
{
    return c->words[s->places[op] / 64] >> (s->places[op] % 64) & 1;
}

static void let_happen(const struct search *s, struct config *c, uint32_t op)
{
    c->words[s->places[op] / 64] |= UINT64_C(1) << (s->places[op] % 64);
}

static void forget(const struct search *s, struct config *c, uint32_t op)
{
    c->words[s->places[op] / 64] &= ~(UINT64_C(1) << (s->places[op] % 64));
}

/* Whether a firm operation may still happen, now or later. */
static bool may_happen(const struct search *s, const struct history_op *op,
                       const struct key_state *state)
{
    uint64_t made = op_made(op), met = op_met(op);
    if ((made && made <= state->version) || (met && met < state->version))
        return false;
    if (!s->grows || !state->there)
        return true;
    int64_t before;
    if (op->outcome == HISTORY_NO || __builtin_sub_overflow(op->value, op->by, &before))
        return false;
    return (op->kind == HISTORY_INCR ? before : op->value) >= state->value;
}

/* What changes nothing and fits, happens. Whether all others still may. */
static bool settle(const struct search *s, struct config *c)
{
    for (size_t i = 0; i < s->going_len; i++) {
        uint32_t x = s->going[i];
        const struct history_op *op = &s->ops[x];
        if (has_happened(s, c, x))
            continue;
        struct key_state after = c->state;
        if (op_is_pure(op) && key_step(op, &after) == KEY_SAME) {
            c->state = after;
            let_happen(s, c, x);
        } else if (!may_happen(s, op, &c->state)) {
            return false;
        }
    }
    return true;
}

/* --- events ----------------------------------------------------------------------------------- */

static bool within_limits(const struct search *s)
{
    size_t bytes = configs_bytes(&s->shape, &s->now) + configs_bytes(&s->shape, &s->next) +
                   configs_bytes(&s->shape, &s->seen);
    return *s->steps < s->steps_max && bytes <= s->bytes_max;
}

static void swap_sets(struct search *s)
{
    struct configs now = s->now;
    s->now = s->next;
    s->next = now;
}

static void take_up(const struct search *s, struct config *to, const struct config *from)
{
    memcpy(to, from, s->shape.bytes);
}

/* s->to, where something has just happened: to `next` if the one that returns has, too. */
static void add_next(struct search *s, uint32_t returning)
{
    *s->steps += s->going_len;
    bool ends = has_happened(s, s->to, returning);
    if (ends)
        forget(s, s->to, returning);
    *s->steps += configs_add(&s->shape, ends ? &s->next : &s->seen, s->to, ends);
}

/* Whether `op` can happen next in s->from: then s->to is what comes after it. */
static bool happens_next(struct search *s, const struct history_op *op)
{
    ++*s->steps;
    take_up(s, s->to, s->from);
    if ((s->from->state.loose && op->kind == HISTORY_PUT) || key_step(op, &s->to->state) == KEY_NO)
        return false;
    if (!s->told)
        s->to->state.version = 0;
    return true;
}

/* Let each of those on their way happen next in s->from. */
static void expand(struct search *s, uint32_t returning)
{
    for (size_t i = 0; i < s->going_len; i++) {
        uint32_t x = s->going[i];
        if (has_happened(s, s->from, x) || !happens_next(s, &s->ops[x]))
            continue;
        let_happen(s, s->to, x);
        if (settle(s, s->to))
            add_next(s, returning);
    }
    for (size_t i = 0; i < s->sorts_len; i++) {
        if (config_used(&s->shape, s->from)[i] == s->sorts[i].invoked ||
            !happens_next(s, s->sorts[i].op))
            continue;
        config_used(&s->shape, s->to)[i]++;
        if (settle(s, s->to))
            add_next(s, returning);
    }
}

/* GOOD: go on, here and below. */
static enum history_verdict on_invoked(struct search *s, uint32_t x)
{
    *s->steps += s->now.len;
    if (!op_is_firm(&s->ops[x])) {
        s->sorts[s->places[x]].invoked++;
        return HISTORY_GOOD;
    }
    s->places[x] = s->free_bits[--s->free_len];
    s->going[s->going_len++] = x;
    if (!op_is_pure(&s->ops[x]))
        return HISTORY_GOOD;
    configs_clear(&s->next);
    for (size_t i = 0; i < s->now.len; i++) {
        take_up(s, s->to, configs_at(&s->shape, &s->now, i));
        if (settle(s, s->to))
            *s->steps += configs_add(&s->shape, &s->next, s->to, true);
    }
    swap_sets(s);
    return s->now.len ? HISTORY_GOOD : HISTORY_BAD;
}

static void leave(struct search *s, uint32_t x)
{
    size_t at = 0;
    s->free_bits[s->free_len++] = s->places[x];
    while (s->going[at] != x)
        at++;
    memmove(&s->going[at], &s->going[at + 1], (--s->going_len - at) * sizeof *s->going);
}

static enum history_verdict on_returned(struct search *s, uint32_t x)
{
    configs_clear(&s->next);
    configs_clear(&s->seen);
    for (size_t i = 0; i < s->now.len; i++) {
        take_up(s, s->to, configs_at(&s->shape, &s->now, i));
        add_next(s, x);
    }
    for (size_t i = 0; i < s->seen.len && within_limits(s); i++) {
        take_up(s, s->from, configs_at(&s->shape, &s->seen, i));
        expand(s, x);
    }
    if (!within_limits(s))
        return HISTORY_TOO_HARD;
    swap_sets(s);
    leave(s, x);
    return s->now.len ? HISTORY_GOOD : HISTORY_BAD;
}

/* --- one search ------------------------------------------------------------------------------- */

static int event_cmp(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    if (x->returns != y->returns)
        return x->returns ? 1 : -1;
    return (x->op > y->op) - (x->op < y->op);
}

static int value_cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Whether nobody can tell one from the other. `met`: the values that reads met. */
static bool does_the_same(const struct history_op *a, const struct history_op *b,
                          const int64_t *met, size_t met_len)
{
    if (a->kind != b->kind || a->expected != b->expected)
        return false;
    if (a->kind == HISTORY_DELETE)
        return true;
    if (a->kind == HISTORY_INCR)
        return a->by == b->by;
    return a->value == b->value ||
           (met && !bsearch(&a->value, met, met_len, sizeof *met, value_cmp) &&
            !bsearch(&b->value, met, met_len, sizeof *met, value_cmp));
}

/* The values that reads met, sorted; NULL: increments meet values, too. */
static int64_t *find_met(const struct search *s, size_t *ret_len)
{
    int64_t *met = xcalloc(s->n + 1, sizeof *met);
    size_t len = 0;
    bool counts = false;
    for (uint32_t x = 0; x < s->n; x++) {
        counts |= s->ops[x].kind == HISTORY_INCR;
        if (s->ops[x].kind == HISTORY_READ && s->ops[x].outcome == HISTORY_OK)
            met[len++] = s->ops[x].value;
    }
    qsort(met, len, sizeof *met, value_cmp);
    *ret_len = len;
    if (!counts)
        return met;
    free(met);
    return NULL;
}

/* The sorts of those in doubt. */
static void find_sorts(struct search *s)
{
    size_t met_len;
    int64_t *met = find_met(s, &met_len);
    for (uint32_t x = 0; x < s->n; x++) {
        size_t i = 0;
        if (op_is_firm(&s->ops[x]))
            continue;
        while (i < s->sorts_len && !does_the_same(s->sorts[i].op, &s->ops[x], met, met_len))
            i++;
        s->sorts[i].op = &s->ops[x];
        s->places[x] = (uint32_t)i;
        s->sorts_len += i == s->sorts_len;
    }
    free(met);
}

/* The events in order; returns how many firm operations are on their way at most. */
static size_t find_events(struct search *s)
{
    for (uint32_t x = 0; x < s->n; x++) {
        s->events[s->events_len++] = (struct event){s->ops[x].invoked, x, false};
        if (op_is_firm(&s->ops[x]))
            s->events[s->events_len++] = (struct event){s->ops[x].returned, x, true};
    }
    qsort(s->events, s->events_len, sizeof *s->events, event_cmp);
    size_t going = 0, most = 1;
    for (size_t i = 0; i < s->events_len; i++) {
        if (!op_is_firm(&s->ops[s->events[i].op]))
            continue;
        going = s->events[i].returns ? going - 1 : going + 1;
        most = going > most ? going : most;
    }
    return most;
}

static void prepare(struct search *s)
{
    s->events = xcalloc(s->n * 2 + 1, sizeof *s->events);
    s->places = xcalloc(s->n + 1, sizeof *s->places);
    s->sorts = xcalloc(s->n + 1, sizeof *s->sorts);
    size_t most = find_events(s);
    s->going = xcalloc(most, sizeof *s->going);
    s->free_bits = xcalloc(most, sizeof *s->free_bits);
    for (; s->free_len < most; s->free_len++)
        s->free_bits[s->free_len] = (uint32_t)(most - 1 - s->free_len);
    find_sorts(s);
    s->grows = true;
    for (size_t i = 0; i < s->n; i++) {
        s->grows &= op_only_counts(&s->ops[i]);
        s->told |= op_made(&s->ops[i]) || op_met(&s->ops[i]) || s->ops[i].expected;
    }
    config_shape_init(&s->shape, most, s->sorts_len);
    s->from = xcalloc(1, s->shape.bytes);
    s->to = xcalloc(1, s->shape.bytes);
    s->to->state = KEY_STATE_FIRST;
    (void)configs_add(&s->shape, &s->now, s->to, false);
}

static void release(struct search *s)
{
    configs_release(&s->now);
    configs_release(&s->next);
    configs_release(&s->seen);
    free(s->events);
    free(s->places);
    free(s->sorts);
    free(s->going);
    free(s->free_bits);
    free(s->from);
    free(s->to);
}

enum history_verdict history_search(const struct history_op *ops, size_t n,
                                    const struct history_limits *limits, size_t *ret_at,
                                    uint64_t *steps)
{
    struct search s = {.ops = ops,
                       .n = n,
                       .bytes_max = limits->bytes_max,
                       .steps = steps,
                       .steps_max = *steps + limits->steps_max};
    enum history_verdict verdict = HISTORY_GOOD;
    CHECK(n < UINT32_MAX);
    prepare(&s);
    for (size_t i = 0; i < s.events_len && verdict == HISTORY_GOOD; i++) {
        const struct event *e = &s.events[i];
        verdict = e->returns ? on_returned(&s, e->op) : on_invoked(&s, e->op);
        if (verdict == HISTORY_BAD)
            *ret_at = e->op;
    }
    release(&s);
    return verdict;
}
