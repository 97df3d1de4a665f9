/* heap.c - sift up, sift down. */
#include "base/heap.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdlib.h>

static void heap_set(struct heap *h, size_t i, struct heap_node *n)
{
    h->nodes[i] = n;
    n->place = i + 1;
}

static void heap_up(struct heap *h, size_t i)
{
    struct heap_node *n = h->nodes[i];
    while (i > 0 && h->nodes[(i - 1) / 2]->key > n->key) {
        heap_set(h, i, h->nodes[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_set(h, i, n);
}

static void heap_down(struct heap *h, size_t i)
{
    struct heap_node *n = h->nodes[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->len)
            break;
        if (child + 1 < h->len && h->nodes[child + 1]->key < h->nodes[child]->key)
            child++;
        if (h->nodes[child]->key >= n->key)
            break;
        heap_set(h, i, h->nodes[child]);
        i = child;
    }
    heap_set(h, i, n);
}

void heap_push(struct heap *h, struct heap_node *n, uint64_t key)
{
    CHECK(n->place == 0);
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->nodes = xrealloc(h->nodes, h->cap, sizeof(struct heap_node *));
    }
    n->key = key;
    heap_set(h, h->len++, n);
    heap_up(h, h->len - 1);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (!n->place)
        return;
    size_t i = n->place - 1;
    CHECK(i < h->len && h->nodes[i] == n);
    n->place = 0;
    struct heap_node *last = h->nodes[--h->len];
    if (last == n)
        return;
    heap_set(h, i, last);
    heap_up(h, i);
    heap_down(h, last->place - 1);
}

struct heap_node *heap_min(const struct heap *h)
{
    return h->len ? h->nodes[0] : NULL;
}

void heap_release(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap)HEAP_INIT;
}

void heap_check(const struct heap *h)
{
    CHECK(h->len <= h->cap);
    for (size_t i = 0; i < h->len; i++) {
        CHECK(h->nodes[i]->place == i + 1);
        CHECK(i == 0 || h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
    }
}
