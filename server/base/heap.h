/* heap.h - intrusive binary min-heap. The owner embeds struct heap_node; order is by `key`, ties in
 * any order. Invariant (heap_check): no node is smaller than its parent; each node knows its
 * place. */
#ifndef GRIDD_BASE_HEAP_H
#define GRIDD_BASE_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    size_t place; /* 1-based; 0: in no heap */
};

struct heap {
    struct heap_node **nodes;
    size_t len;
    size_t cap;
};

#define HEAP_INIT                                                                                  \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void heap_push(struct heap *h, struct heap_node *n, uint64_t key);
/* Fine for a node that is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);
/* The smallest, or NULL. Stays in. */
struct heap_node *heap_min(const struct heap *h);
void heap_release(struct heap *h);
void heap_check(const struct heap *h);

#endif
