/* history.c - operations by key, and the verdict on them. */
#include "tests/lib/history_priv.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdlib.h>

enum { TOLD_MAX = 10 };

struct key {
    char *name;
    struct history_op *ops;
    size_t len, cap;
};

struct history {
    struct key *keys;
    size_t len, cap;
    uint32_t *table; /* index + 1 by hash of the name; 0: free */
    size_t slots;
    uint64_t ops, doubted;
};

struct history *history_new(void)
{
    struct history *h = xcalloc(1, sizeof *h);
    h->slots = 64;
    h->table = xcalloc(h->slots, sizeof *h->table);
    return h;
}

static size_t key_slot(const struct history *h, const char *name)
{
    size_t mask = h->slots - 1, at = (size_t)hash_key(slice_str(name), 0) & mask;
    while (h->table[at] && strcmp(h->keys[h->table[at] - 1].name, name) != 0)
        at = (at + 1) & mask;
    return at;
}

static void grow(struct history *h)
{
    h->cap = h->cap ? h->cap * 2 : 32;
    h->slots = h->cap * 2;
    h->keys = xrealloc(h->keys, h->cap, sizeof *h->keys);
    free(h->table);
    h->table = xcalloc(h->slots, sizeof *h->table);
    for (size_t i = 0; i < h->len; i++)
        h->table[key_slot(h, h->keys[i].name)] = (uint32_t)(i + 1);
}

static struct key *key_of(struct history *h, const char *name)
{
    if (h->len == h->cap)
        grow(h);
    size_t at = key_slot(h, name);
    if (!h->table[at]) {
        h->keys[h->len] = (struct key){.name = xstrdup(name)};
        h->table[at] = (uint32_t)++h->len;
    }
    return &h->keys[h->table[at] - 1];
}

void history_add(struct history *h, const char *key, const struct history_op *op)
{
    CHECK(op->outcome == HISTORY_IN_DOUBT || op->invoked <= op->returned);
    CHECK(h->ops < HISTORY_OPS_MAX && strlen(key) <= HISTORY_KEY_BYTES);
    h->ops++;
    h->doubted += op->outcome == HISTORY_IN_DOUBT;
    struct key *k = key_of(h, key);
    if (op_is_void(op))
        return;
    if (k->len == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 16;
        k->ops = xrealloc(k->ops, k->cap, sizeof *k->ops);
    }
    k->ops[k->len] = *op;
    if (op->outcome == HISTORY_IN_DOUBT)
        k->ops[k->len].version = HISTORY_UNTOLD;
    k->len++;
}

/* Sorted by all that a judge looks at: a verdict does not depend on the order of history_add(). */
static int op_cmp(const void *a, const void *b)
{
    const struct history_op *x = a, *y = b;
    if (x->invoked != y->invoked)
        return x->invoked < y->invoked ? -1 : 1;
    if (x->returned != y->returned)
        return x->returned < y->returned ? -1 : 1;
    return (x->client > y->client) - (x->client < y->client);
}

static enum history_verdict judge_key(struct key *k, const struct history_limits *limits,
                                      struct buf *words)
{
    uint64_t steps = 0;
    size_t at;
    if (k->len)
        qsort(k->ops, k->len, sizeof *k->ops, op_cmp);
    size_t before = words->len;
    buf_printf(words, "key %s:\n", k->name);
    if (history_glance(k->ops, k->len, words))
        return HISTORY_BAD;
    enum history_verdict verdict = history_search(k->ops, k->len, limits, &at, &steps);
    if (verdict == HISTORY_BAD)
        history_explain(k->ops, k->len, at, words);
    else if (verdict == HISTORY_TOO_HARD)
        buf_printf(words, "  too hard: %zu operations, gave up after %llu steps\n", k->len,
                   (unsigned long long)steps);
    else
        words->len = before;
    return verdict;
}

enum history_verdict history_judge(struct history *h, const struct history_limits *limits,
                                   struct buf *words)
{
    struct history_limits l = limits ? *limits : (struct history_limits){0};
    struct buf told = BUF_INIT;
    size_t keys[HISTORY_BAD + 1] = {0};
    if (!l.bytes_max)
        l.bytes_max = 256 << 20;
    if (!l.steps_max)
        l.steps_max = 500 * 1000 * 1000;
    for (size_t i = 0; i < h->len; i++) {
        size_t before = told.len;
        enum history_verdict verdict = judge_key(&h->keys[i], &l, &told);
        keys[verdict]++;
        if (keys[HISTORY_BAD] + keys[HISTORY_TOO_HARD] > TOLD_MAX)
            told.len = before;
    }
    enum history_verdict verdict = keys[HISTORY_BAD]        ? HISTORY_BAD
                                   : keys[HISTORY_TOO_HARD] ? HISTORY_TOO_HARD
                                                            : HISTORY_GOOD;
    static const char *const verdicts[] = {"good", "too hard", "bad"};
    buf_printf(words, "%s: %llu operations (%llu in doubt) on %zu keys: %zu bad, %zu too hard\n",
               verdicts[verdict], (unsigned long long)h->ops, (unsigned long long)h->doubted,
               h->len, keys[HISTORY_BAD], keys[HISTORY_TOO_HARD]);
    buf_add(words, told.data, told.len);
    buf_release(&told);
    return verdict;
}

void history_check(const struct history *h)
{
    uint64_t ops = 0;
    CHECK(h->len <= h->cap && h->slots >= 2 * h->len);
    for (size_t i = 0; i < h->len; i++) {
        const struct key *k = &h->keys[i];
        CHECK(h->table[key_slot(h, k->name)] == i + 1 && k->len <= k->cap);
        for (size_t j = 0; j < k->len; j++)
            CHECK(!op_is_void(&k->ops[j]));
        ops += k->len;
    }
    CHECK(ops <= h->ops && h->doubted <= h->ops);
}

void history_free(struct history *h)
{
    if (!h)
        return;
    for (size_t i = 0; i < h->len; i++) {
        free(h->keys[i].name);
        free(h->keys[i].ops);
    }
    free(h->keys);
    free(h->table);
    free(h);
}
