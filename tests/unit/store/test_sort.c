/* test_sort.c - the order of a fold.
 * LINK: store data base */
#include "base/alloc.h"
#include "base/prng.h"
#include "store/checkpoint_priv.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

static int order(const void *a, const void *b, void *ctx)
{
    const struct sorted *x = a, *y = b;
    ck_assert_ptr_null(ctx);
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* Few places or many, near each other or far apart. */
static void items_random(struct prng *r, struct sorted *items, size_t len)
{
    unsigned bits = (unsigned)prng_below(r, 64), shift = (unsigned)prng_below(r, 64);
    for (size_t i = 0; i < len; i++)
        items[i] = (struct sorted){
            .place = prng_next(r) >> bits << shift, .start = prng_below(r, 3), .at = (uint32_t)i};
}

START_TEST(places_and_what_is_in_them_stand_as_one_sort_has_them)
{
    enum { MOST = 700 };
    struct prng r = {3};
    for (int n = 0; n < 2000; n++) {
        size_t len = prng_below(&r, n % 2 ? 8 : MOST);
        struct sorted *items = xcalloc(2 * len + 1, sizeof *items);
        struct sorted *one = xcalloc(len + 1, sizeof *one);
        items_random(&r, items, len);
        memcpy(one, items, len * sizeof *one);
        sorted_sort(items, items + len, len, order, NULL);
        qsort_r(one, len, sizeof *one, order, NULL);
        for (size_t i = 0; i < len; i++)
            ck_assert_int_eq(order(&items[i], &one[i], NULL), 0);
        free(items);
        free(one);
    }
}
END_TEST

UNIT_MAIN("store/sort", places_and_what_is_in_them_stand_as_one_sort_has_them)
