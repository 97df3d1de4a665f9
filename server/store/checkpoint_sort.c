/* checkpoint_sort.c - the order of a fold: by place, byte by byte; then each place for itself,
 * which is so little that it stays in the first caches, by how its keys begin. What is alike stays
 * in the order of the log. */
#include "store/notes_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

enum { BYTE_VALUES = 256, WORD_BITS = 64, FEW = 24 };

static inline uint64_t word_of(const struct note *n, bool start)
{
    return start ? n->start : n->place;
}

static void byte_sort(const struct note *from, struct note *to, size_t len, bool start,
                      unsigned shift)
{
    size_t at[BYTE_VALUES] = {0};
    for (size_t i = 0; i < len; i++)
        at[word_of(&from[i], start) >> shift & 0xff]++;
    for (size_t value = 0, before = 0; value < BYTE_VALUES; value++) {
        size_t n = at[value];
        at[value] = before;
        before += n;
    }
    for (size_t i = 0; i < len; i++)
        to[at[word_of(&from[i], start) >> shift & 0xff]++] = from[i];
}

static void few_sort(struct note *items, size_t len, bool start)
{
    for (size_t i = 1; i < len; i++) {
        struct note n = items[i];
        size_t at = i;
        for (; at && word_of(&items[at - 1], start) > word_of(&n, start); at--)
            items[at] = items[at - 1];
        items[at] = n;
    }
}

static void word_sort(struct note *items, struct note *spare, size_t len, bool start)
{
    uint64_t differ = 0;
    struct note *from = items, *to = spare;
    if (len < FEW) {
        few_sort(items, len, start);
        return;
    }
    for (size_t i = 1; i < len; i++)
        differ |= word_of(&items[i], start) ^ word_of(items, start);
    for (unsigned shift = 0; shift < WORD_BITS; shift += 8) {
        if (!(differ >> shift & 0xff))
            continue;
        byte_sort(from, to, len, start, shift);
        struct note *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, len * sizeof *items);
}

/* Two halves, both in order. */
static void merge(struct note *items, struct note *spare, size_t half, size_t len,
                  note_order_fn *order)
{
    memcpy(spare, items, half * sizeof *items);
    size_t a = 0, b = half, at = 0;
    while (a < half)
        items[at++] = b < len && order(&items[b], &spare[a]) < 0 ? items[b++] : spare[a++];
}

static void order_sort(struct note *items, struct note *spare, size_t len, note_order_fn *order)
{
    if (len < 2)
        return;
    size_t half = len / 2;
    order_sort(items, spare, half, order);
    order_sort(items + half, spare, len - half, order);
    if (order(&items[half], &items[half - 1]) < 0)
        merge(items, spare, half, len, order);
}

/* How many from `items` on are alike. */
static size_t alike(const struct note *items, size_t len, bool start)
{
    size_t n = 1;
    while (n < len && word_of(&items[n], start) == word_of(items, start))
        n++;
    return n;
}

static void place_sort(struct note *items, struct note *spare, size_t len, note_order_fn *order)
{
    word_sort(items, spare, len, true);
    for (size_t i = 0, n; order && i < len; i += n) {
        n = alike(items + i, len - i, true);
        order_sort(items + i, spare, n, order);
    }
}

void notes_sort(struct notes *n, note_order_fn *order)
{
    if (n->len > n->spare_cap) {
        free(n->spare);
        n->spare = xcalloc(n->cap, sizeof *n->spare);
        n->spare_cap = n->cap;
    }
    word_sort(n->items, n->spare, n->len, false);
    for (size_t i = 0, len; i < n->len; i += len) {
        len = alike(n->items + i, n->len - i, false);
        place_sort(n->items + i, n->spare, len, order);
    }
}
