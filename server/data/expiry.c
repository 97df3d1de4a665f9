/* expiry.c - a heap with four children per node: half as deep as a binary one, and siblings share
 * a cache line. */
#include "data/expiry.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { CHILDREN = 4, NODES_MIN = 4 };

static msec_t deadline_at(const struct expiry *x, uint32_t i)
{
    return load_u64(entry_extra_at(x->nodes[i]));
}

static uint32_t place_of(const struct entry *e)
{
    return load_u32(entry_extra_at(e) + 8);
}

static void node_set(struct expiry *x, uint32_t i, struct entry *e)
{
    x->nodes[i] = e;
    store_u32(e->data + (entry_extra_at(e) - e->data) + 8, i);
}

static void node_up(struct expiry *x, uint32_t i)
{
    struct entry *e = x->nodes[i];
    msec_t deadline = deadline_at(x, i);
    while (i > 0 && deadline_at(x, (i - 1) / CHILDREN) > deadline) {
        node_set(x, i, x->nodes[(i - 1) / CHILDREN]);
        i = (i - 1) / CHILDREN;
    }
    node_set(x, i, e);
}

static uint32_t child_min(const struct expiry *x, uint32_t i)
{
    uint64_t first = (uint64_t)i * CHILDREN + 1;
    if (first >= x->len)
        return x->len;
    uint32_t best = (uint32_t)first;
    for (uint32_t c = best + 1; c < x->len && c < first + CHILDREN; c++)
        if (deadline_at(x, c) < deadline_at(x, best))
            best = c;
    return best;
}

static void node_down(struct expiry *x, uint32_t i)
{
    struct entry *e = x->nodes[i];
    msec_t deadline = deadline_at(x, i);
    for (;;) {
        uint32_t child = child_min(x, i);
        if (child == x->len || deadline_at(x, child) >= deadline)
            break;
        node_set(x, i, x->nodes[child]);
        i = child;
    }
    node_set(x, i, e);
}

static void nodes_resize(struct expiry *x, uint32_t cap)
{
    x->nodes = xrealloc(x->nodes, cap, sizeof(struct entry *));
    x->cap = cap;
}

static bool has_deadline(const struct entry *e)
{
    return e->bits & ENTRY_DEADLINE;
}

void expiry_add(struct expiry *x, struct entry *e)
{
    if (!has_deadline(e))
        return;
    if (x->len == x->cap) {
        CHECK(x->cap < UINT32_MAX / 2);
        nodes_resize(x, x->cap < NODES_MIN ? (uint32_t)NODES_MIN : x->cap + x->cap / 2);
    }
    node_set(x, x->len++, e);
    node_up(x, x->len - 1);
}

void expiry_remove(struct expiry *x, const struct entry *e)
{
    if (!has_deadline(e))
        return;
    uint32_t i = place_of(e);
    CHECK(i < x->len && x->nodes[i] == e);
    struct entry *last = x->nodes[--x->len];
    if (last != e) {
        node_set(x, i, last);
        node_up(x, i);
        node_down(x, place_of(last));
    }
    if (x->len == 0)
        expiry_release(x);
    else if (x->len < x->cap / 4)
        nodes_resize(x, x->cap / 2);
}

void expiry_replace(struct expiry *x, const struct entry *old, struct entry *e)
{
    if (!has_deadline(old) || !has_deadline(e)) {
        expiry_remove(x, old);
        expiry_add(x, e);
        return;
    }
    uint32_t i = place_of(old);
    CHECK(i < x->len && x->nodes[i] == old);
    node_set(x, i, e);
    node_up(x, i);
    node_down(x, place_of(e));
}

const struct entry *expiry_min(const struct expiry *x)
{
    return x->len ? x->nodes[0] : NULL;
}

size_t expiry_bytes(const struct expiry *x)
{
    return x->cap * sizeof(struct entry *);
}

void expiry_release(struct expiry *x)
{
    free(x->nodes);
    *x = (struct expiry){.nodes = NULL};
}

void expiry_check(const struct expiry *x)
{
    CHECK(x->len <= x->cap && (x->cap == 0) == (x->nodes == NULL));
    for (uint32_t i = 0; i < x->len; i++) {
        CHECK(has_deadline(x->nodes[i]) && place_of(x->nodes[i]) == i);
        CHECK(i == 0 || deadline_at(x, (i - 1) / CHILDREN) <= deadline_at(x, i));
    }
}
