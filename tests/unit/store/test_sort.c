/* test_sort.c - the order of a fold.
 * LINK: store data base */
#include "base/alloc.h"
#include "base/prng.h"
#include "store/notes_priv.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

/* What a note of this test is about. */
struct thing {
    unsigned rest; /* of its key, behind `start` */
    unsigned at;   /* in the log */
};

static int by(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int rest_order(const struct note *a, const struct note *b)
{
    const struct thing *x = a->what, *y = b->what;
    return by(x->rest, y->rest);
}

static int words_order(const void *a, const void *b)
{
    const struct note *m = a, *n = b;
    const struct thing *x = m->what, *y = n->what;
    int places = by(m->place, n->place), starts = by(m->start, n->start);
    return places ? places : starts ? starts : by(x->at, y->at);
}

static int whole_order(const void *a, const void *b)
{
    const struct note *m = a, *n = b;
    const struct thing *x = m->what, *y = n->what;
    int places = by(m->place, n->place), starts = by(m->start, n->start);
    int rests = by(x->rest, y->rest);
    return places ? places : starts ? starts : rests ? rests : by(x->at, y->at);
}

/* Few places or many, near each other or far apart; likewise what keys begin with. */
static void notes_random(struct prng *r, struct note *items, struct thing *things, size_t len)
{
    unsigned bits = (unsigned)prng_below(r, 64), shift = (unsigned)prng_below(r, 64);
    uint64_t starts = prng_below(r, 2) ? 3 : UINT64_MAX;
    for (size_t i = 0; i < len; i++) {
        things[i] = (struct thing){(unsigned)prng_below(r, 4), (unsigned)i};
        items[i] = (struct note){prng_next(r) >> bits << shift, prng_next(r) % starts, &things[i]};
    }
}

static void sort_check(struct prng *r, size_t len, bool rests)
{
    struct notes n = {.items = xcalloc(len + 1, sizeof *n.items), .len = len, .cap = len + 1};
    struct note *one = xcalloc(len + 1, sizeof *one);
    struct thing *things = xcalloc(len + 1, sizeof *things);
    notes_random(r, n.items, things, len);
    memcpy(one, n.items, len * sizeof *one);
    notes_sort(&n, rests ? rest_order : NULL);
    qsort(one, len, sizeof *one, rests ? whole_order : words_order);
    for (size_t i = 0; i < len; i++)
        ck_assert_ptr_eq(n.items[i].what, one[i].what);
    notes_release(&n);
    free(one);
    free(things);
}

START_TEST(notes_stand_as_one_sort_has_them)
{
    enum { MOST = 700 };
    struct prng r = {3};
    for (unsigned n = 0; n < 4000; n++)
        sort_check(&r, prng_below(&r, n & 1 ? 8 : MOST), n & 2);
}
END_TEST

/* --- notes of changes ------------------------------------------------------------------------- */

static struct effect put(const char *key, const char *value)
{
    return (struct effect){
        .kind = EFFECT_PUT, .cache = 7, .key = slice_str(key), .value = slice_str(value)};
}

START_TEST(changes_come_back_by_key_and_each_key_in_the_order_of_the_log)
{
    static const char *const keys[] = {"user:0000000001:b", "user:0000000001:a", "user:1",
                                       "user:0000000001:b", "user:0000000001:a"};
    struct notes n = {0};
    struct kept k = {0};
    for (unsigned i = 0; i < 5; i++) {
        struct effect e = put(keys[i], "value");
        note_change(&n, &k, 42, i, &e);
    }
    notes_sort_changes(&n);
    static const unsigned expected[] = {1, 4, 0, 3, 2};
    for (unsigned i = 0; i < 5; i++) {
        struct change c;
        note_change_get(&n.items[i], &c);
        ck_assert_uint_eq(c.version, expected[i]);
        ck_assert(slice_eq(c.effect.key, slice_str(keys[expected[i]])));
        ck_assert(slice_eq(c.effect.value, slice_str("value")));
        ck_assert_uint_eq(c.effect.cache, 7);
    }
    ck_assert(notes_same_key(&n, 0, 1));
    ck_assert(!notes_same_key(&n, 1, 2));
    notes_release(&n);
    kept_release(&k);
}
END_TEST

/* What keys have behind their common start may fit a number, and yet be of different lengths. */
START_TEST(keys_that_begin_alike_are_told_apart)
{
    static const struct slice keys[] = {{(const uint8_t *)"key:1\0", 6},
                                        {(const uint8_t *)"key:1", 5},
                                        {(const uint8_t *)"key:1\0\0", 7},
                                        {(const uint8_t *)"key:1", 5}};
    static const unsigned expected[] = {1, 3, 0, 2};
    struct notes n = {0};
    struct kept k = {0};
    for (unsigned i = 0; i < 4; i++) {
        struct effect e = {.kind = EFFECT_REMOVE, .key = keys[i]};
        note_change(&n, &k, 1, i, &e);
    }
    notes_sort_changes(&n);
    for (unsigned i = 0; i < 4; i++) {
        struct change c;
        note_change_get(&n.items[i], &c);
        ck_assert_uint_eq(c.version, expected[i]);
        ck_assert_int_eq(i > 0 && notes_same_key(&n, i - 1, i), i == 1);
    }
    notes_release(&n);
    kept_release(&k);
}
END_TEST

START_TEST(what_builds_on_others_begins_at_the_last_that_does_not)
{
    static const enum effect_kind kinds[] = {EFFECT_PUT, EFFECT_DEADLINE, EFFECT_PUT,
                                             EFFECT_DEADLINE, EFFECT_DEADLINE};
    struct notes n = {0};
    struct kept k = {0};
    for (unsigned i = 0; i < 5; i++) {
        struct effect e = {.kind = kinds[i], .key = slice_str("k"), .deadline = i};
        note_change(&n, &k, 1, i, &e);
    }
    ck_assert_uint_eq(note_base(n.items, 5), 2);
    ck_assert_uint_eq(note_base(n.items, 3), 2);
    ck_assert_uint_eq(note_base(n.items, 2), 0);
    ck_assert_uint_eq(note_base(n.items + 3, 2), 0);
    notes_release(&n);
    kept_release(&k);
}
END_TEST

/* --- their memory ----------------------------------------------------------------------------- */

START_TEST(what_is_kept_stays_and_its_memory_is_used_again)
{
    enum { EACH = 3000, MANY = 1000, LARGE = 3 << 20 };
    struct kept k = {0};
    for (unsigned round = 0; round < 2; round++) {
        size_t made = k.blocks_made;
        const uint8_t *first = NULL;
        for (unsigned i = 0; i < MANY; i++) {
            uint8_t *p = kept_room(&k, 2 * EACH);
            ck_assert_uint_eq((uintptr_t)p % 8, 0);
            memset(p, 'a', EACH);
            kept_take(&k, EACH + i % 8);
            first = first ? first : p;
        }
        uint8_t *large = kept_room(&k, LARGE);
        memset(large, 'x', LARGE);
        kept_take(&k, LARGE);
        ck_assert_uint_eq(large[LARGE - 1], 'x');
        ck_assert_uint_ge(k.bytes, MANY * EACH + LARGE);
        ck_assert_uint_eq(first[0], 'a');
        ck_assert_uint_eq(first[EACH - 1], 'a');
        ck_assert(round == 0 || k.blocks_made == made);
        kept_clear(&k);
        ck_assert_uint_eq(k.bytes, 0);
    }
    kept_release(&k);
}
END_TEST

UNIT_MAIN("store/sort", notes_stand_as_one_sort_has_them,
          changes_come_back_by_key_and_each_key_in_the_order_of_the_log,
          keys_that_begin_alike_are_told_apart,
          what_builds_on_others_begins_at_the_last_that_does_not,
          what_is_kept_stays_and_its_memory_is_used_again)
