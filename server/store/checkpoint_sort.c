/* checkpoint_sort.c - the order of a fold: by place first, byte by byte, then each place for
 * itself, which is so little that it stays in the first cache. */
#include "store/checkpoint_priv.h"

#include <stdlib.h>

enum { BYTE_VALUES = 256 };

/* By one byte of the place; what is alike stays in its order. */
static void byte_sort(const struct sorted *from, struct sorted *to, size_t len, unsigned shift)
{
    size_t at[BYTE_VALUES] = {0};
    for (size_t i = 0; i < len; i++)
        at[from[i].place >> shift & 0xff]++;
    for (size_t value = 0, before = 0; value < BYTE_VALUES; value++) {
        size_t n = at[value];
        at[value] = before;
        before += n;
    }
    for (size_t i = 0; i < len; i++)
        to[at[from[i].place >> shift & 0xff]++] = from[i];
}

static void places_sort(struct sorted *items, struct sorted *spare, size_t len)
{
    uint64_t differ = 0;
    struct sorted *from = items, *to = spare;
    for (size_t i = 1; i < len; i++)
        differ |= items[i].place ^ items[0].place;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (!(differ >> shift & 0xff))
            continue;
        byte_sort(from, to, len, shift);
        struct sorted *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, len * sizeof *items);
}

void sorted_sort(struct sorted *items, struct sorted *spare, size_t len, sorted_order_fn *order,
                 void *ctx)
{
    places_sort(items, spare, len);
    for (size_t i = 0, n; i < len; i += n) {
        n = 1;
        while (i + n < len && items[i + n].place == items[i].place)
            n++;
        if (n > 1)
            qsort_r(items + i, n, sizeof *items, order, ctx);
    }
}
