/* history_search.c - an order for the operations of one key, or the proof that there is none.
 *
 * Time is walked through once, from one invocation or return to the next. A configuration is a
 * state of the key and which of the operations on their way have happened in it; all that are
 * possible are kept. When an operation returns it must have happened: where it has not, all orders
 * of others on their way that end with it are tried, and no more (just in time). None left: that
 * return has no explanation.
 *
 *     invoked   a takes a free bit; what changes nothing and fits happens at once (nothing is lost)
 *     returned  now --(has happened)--------------------------> next, its bit free again
 *               now --> seen --(others)--> seen ... --(it)----> next
 *     in doubt  never returns: its bit stays taken, set or not
 *
 * What keeps the configurations few, and loses no order:
 *   - told versions grow: of those on their way, the write with the least is the next
 *   - one that asks for a version below the present one, or on a key that only grows for a smaller
 *     number, can never happen: the configuration is dead
 *   - a write in doubt that is overwritten unseen may as well not have happened
 *   - of writes in doubt that do the same, the first invoked is the next
 *   - of two that differ in nothing else, the one that needs less of what is in doubt is enough */
#include "base/alloc.h"
#include "base/hash.h"
#include "tests/lib/history_priv.h"

#include <stdlib.h>

#define NO_TWIN UINT32_MAX

struct config {
    struct key_state state;
    uint64_t happened[]; /* by bit */
};

struct set { /* of configurations, in the order they came */
    uint8_t *configs;
    size_t len, cap;
    uint32_t *table; /* index + 1; 0: free */
    size_t slots;    /* a power of two, at least twice `cap` */
};

struct event {
    int64_t time;
    uint32_t op;
    bool returns;
};

struct search {
    const struct history_op *ops;
    size_t n;
    struct event *events;
    size_t events_len;
    uint32_t *bits;  /* of each operation on its way */
    uint32_t *twins; /* of each in doubt: the one before it that does the same */
    uint32_t *going; /* operations on their way, in order of invocation */
    uint32_t *free_bits;
    size_t going_len, free_len;
    bool grows;        /* op_only_counts() all of them */
    uint64_t *doubted; /* the bits of those in doubt */
    size_t words, stride;
    struct set now, next, seen;
    struct config *from, *to;
    size_t bytes_max;
    uint64_t *steps, steps_max;
};

/* --- sets ------------------------------------------------------------------------------------- */

static struct config *set_at(const struct search *s, const struct set *set, size_t i)
{
    return (struct config *)(void *)(set->configs + i * s->stride);
}

static size_t set_slot(const struct search *s, const struct set *set, const struct config *c)
{
    uint64_t h = hash_key(slice_make(&c->state, sizeof c->state), 0);
    for (size_t i = 0; i < s->words; i++) {
        h = (h ^ (c->happened[i] & ~s->doubted[i])) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (size_t)h & (set->slots - 1);
}

static bool is_like(const struct search *s, const struct config *a, const struct config *b)
{
    bool like = memcmp(&a->state, &b->state, sizeof a->state) == 0;
    for (size_t i = 0; i < s->words && like; i++)
        like = !((a->happened[i] ^ b->happened[i]) & ~s->doubted[i]);
    return like;
}

/* Whether all that happened in `a` did in `b`. */
static bool is_within(const struct search *s, const struct config *a, const struct config *b)
{
    for (size_t i = 0; i < s->words; i++)
        if (a->happened[i] & ~b->happened[i])
            return false;
    return true;
}

static void set_grow(const struct search *s, struct set *set)
{
    set->cap = set->cap ? set->cap * 2 : 16;
    set->slots = set->cap * 2;
    set->configs = xrealloc(set->configs, set->cap, s->stride);
    free(set->table);
    set->table = xcalloc(set->slots, sizeof *set->table);
    for (size_t i = 0; i < set->len; i++) {
        size_t at = set_slot(s, set, set_at(s, set, i));
        while (set->table[at])
            at = (at + 1) & (set->slots - 1);
        set->table[at] = (uint32_t)(i + 1);
    }
}

/* Add `c` unless one is there that is like it and needs less of what is in doubt. With `replace`,
 * `c` takes the place of one that needs more. */
static void set_add(const struct search *s, struct set *set, const struct config *c, bool replace)
{
    if (set->len == set->cap)
        set_grow(s, set);
    size_t at = set_slot(s, set, c);
    for (; set->table[at]; at = (at + 1) & (set->slots - 1)) {
        struct config *there = set_at(s, set, set->table[at] - 1);
        ++*s->steps;
        if (!is_like(s, c, there))
            continue;
        if (is_within(s, there, c))
            return;
        if (replace && is_within(s, c, there)) {
            memcpy(there, c, s->stride);
            return;
        }
    }
    memcpy(set->configs + set->len * s->stride, c, s->stride);
    set->table[at] = (uint32_t)++set->len;
}

static void set_clear(struct set *set)
{
    if (set->len)
        memset(set->table, 0, set->slots * sizeof *set->table);
    set->len = 0;
}

static size_t set_bytes(const struct search *s, const struct set *set)
{
    return set->cap * s->stride + set->slots * sizeof *set->table;
}

static void set_release(struct set *set)
{
    free(set->configs);
    free(set->table);
}

/* --- configurations --------------------------------------------------------------------------- */

static bool has_happened(const struct search *s, const struct config *c, uint32_t op)
{
    return c->happened[s->bits[op] / 64] >> (s->bits[op] % 64) & 1;
}

static void let_happen(const struct search *s, struct config *c, uint32_t op)
{
    c->happened[s->bits[op] / 64] |= UINT64_C(1) << (s->bits[op] % 64);
}

static void forget(const struct search *s, struct config *c, uint32_t op)
{
    c->happened[s->bits[op] / 64] &= ~(UINT64_C(1) << (s->bits[op] % 64));
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
        if (!op_is_firm(op) || has_happened(s, c, x))
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

/* The least version that an operation on its way has still to make; UINT64_MAX: none. */
static uint64_t least_to_make(const struct search *s, const struct config *c)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < s->going_len; i++) {
        uint64_t made = op_made(&s->ops[s->going[i]]);
        if (made && made < least && !has_happened(s, c, s->going[i]))
            least = made;
    }
    return least;
}

static bool worth_trying(const struct search *s, const struct config *c, uint32_t x, uint64_t least)
{
    const struct history_op *op = &s->ops[x];
    if (has_happened(s, c, x) || op_made(op) > least)
        return false;
    if (c->state.loose && op->kind == HISTORY_PUT)
        return false;
    return op_is_firm(op) || s->twins[x] == NO_TWIN || has_happened(s, c, s->twins[x]);
}

/* --- events ----------------------------------------------------------------------------------- */

static bool within_limits(const struct search *s)
{
    return *s->steps < s->steps_max &&
           set_bytes(s, &s->now) + set_bytes(s, &s->next) + set_bytes(s, &s->seen) <= s->bytes_max;
}

static void swap_sets(struct search *s)
{
    struct set now = s->now;
    s->now = s->next;
    s->next = now;
}

/* Let each of those on their way happen next in s->from. */
static void expand(struct search *s, uint32_t returning)
{
    uint64_t least = least_to_make(s, s->from);
    for (size_t i = 0; i < s->going_len; i++) {
        uint32_t x = s->going[i];
        ++*s->steps;
        if (!worth_trying(s, s->from, x, least))
            continue;
        memcpy(s->to, s->from, s->stride);
        if (key_step(&s->ops[x], &s->to->state) == KEY_NO)
            continue;
        let_happen(s, s->to, x);
        if (!settle(s, s->to))
            continue;
        *s->steps += s->going_len;
        bool ends = has_happened(s, s->to, returning);
        if (ends)
            forget(s, s->to, returning);
        set_add(s, ends ? &s->next : &s->seen, s->to, ends);
    }
}

/* GOOD: go on, here and below. */
static enum history_verdict on_invoked(struct search *s, uint32_t x)
{
    s->bits[x] = s->free_bits[--s->free_len];
    s->going[s->going_len++] = x;
    *s->steps += s->now.len;
    if (!op_is_firm(&s->ops[x]))
        s->doubted[s->bits[x] / 64] |= UINT64_C(1) << (s->bits[x] % 64);
    if (!op_is_pure(&s->ops[x]))
        return HISTORY_GOOD;
    set_clear(&s->next);
    for (size_t i = 0; i < s->now.len; i++) {
        memcpy(s->to, set_at(s, &s->now, i), s->stride);
        if (settle(s, s->to))
            set_add(s, &s->next, s->to, true);
    }
    swap_sets(s);
    return s->now.len ? HISTORY_GOOD : HISTORY_BAD;
}

static enum history_verdict on_returned(struct search *s, uint32_t x)
{
    set_clear(&s->next);
    set_clear(&s->seen);
    for (size_t i = 0; i < s->now.len; i++) {
        memcpy(s->to, set_at(s, &s->now, i), s->stride);
        bool ends = has_happened(s, s->to, x);
        if (ends)
            forget(s, s->to, x);
        set_add(s, ends ? &s->next : &s->seen, s->to, ends);
    }
    for (size_t i = 0; i < s->seen.len && within_limits(s); i++) {
        memcpy(s->from, set_at(s, &s->seen, i), s->stride);
        expand(s, x);
    }
    if (!within_limits(s))
        return HISTORY_TOO_HARD;
    swap_sets(s);
    s->free_bits[s->free_len++] = s->bits[x];
    size_t at = 0;
    while (s->going[at] != x)
        at++;
    memmove(&s->going[at], &s->going[at + 1], (--s->going_len - at) * sizeof *s->going);
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

/* Twins of those in doubt; the last of each sort are in `last`. */
static void find_twins(struct search *s)
{
    uint32_t *last = xcalloc(s->n + 1, sizeof *last);
    size_t sorts = 0, met_len;
    int64_t *met = find_met(s, &met_len);
    for (uint32_t x = 0; x < s->n; x++) {
        s->twins[x] = NO_TWIN;
        if (s->ops[x].outcome != HISTORY_IN_DOUBT)
            continue;
        size_t i = 0;
        while (i < sorts && !does_the_same(&s->ops[last[i]], &s->ops[x], met, met_len))
            i++;
        if (i < sorts)
            s->twins[x] = last[i];
        else
            sorts++;
        last[i] = x;
    }
    free(met);
    free(last);
}

/* The events in order; returns how many operations are on their way at most. */
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
        going = s->events[i].returns ? going - 1 : going + 1;
        most = going > most ? going : most;
    }
    return most;
}

static void prepare(struct search *s)
{
    s->events = xcalloc(s->n * 2 + 1, sizeof *s->events);
    s->bits = xcalloc(s->n + 1, sizeof *s->bits);
    s->twins = xcalloc(s->n + 1, sizeof *s->twins);
    size_t most = find_events(s);
    s->going = xcalloc(most, sizeof *s->going);
    s->free_bits = xcalloc(most, sizeof *s->free_bits);
    while (s->free_len < most) {
        s->free_bits[s->free_len] = (uint32_t)(most - 1 - s->free_len);
        s->free_len++;
    }
    find_twins(s);
    s->grows = true;
    for (size_t i = 0; i < s->n; i++)
        s->grows &= op_only_counts(&s->ops[i]);
    s->words = (most + 63) / 64;
    s->stride = sizeof(struct config) + s->words * sizeof(uint64_t);
    s->doubted = xcalloc(s->words, sizeof *s->doubted);
    s->from = xcalloc(1, s->stride);
    s->to = xcalloc(1, s->stride);
    s->to->state = KEY_STATE_FIRST;
    set_add(s, &s->now, s->to, false);
}

static void release(struct search *s)
{
    set_release(&s->now);
    set_release(&s->next);
    set_release(&s->seen);
    free(s->events);
    free(s->bits);
    free(s->twins);
    free(s->going);
    free(s->free_bits);
    free(s->doubted);
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
    CHECK(n < NO_TWIN);
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
