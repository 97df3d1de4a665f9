/* test_slab.c - sizes, alignment, exact accounting, memory that comes back.
 * LINK: data base */
#include "base/prng.h"
#include "data/slab.h"
#include "tests/lib/unit.h"

#include <string.h>

START_TEST(classes_waste_little_and_never_shrink_a_size)
{
    size_t before = 0;
    for (size_t bytes = 1; bytes < 40000; bytes++) {
        size_t size = slab_size(bytes);
        ck_assert_uint_ge(size, bytes);
        ck_assert_uint_ge(size, before);
        ck_assert_uint_le(size - bytes, bytes < 8       ? 7
                                        : bytes <= 512  ? 3
                                        : bytes <= 1024 ? 7
                                                        : bytes / 7);
        before = size;
    }
}
END_TEST

START_TEST(objects_are_aligned_as_their_size_is)
{
    struct slab *s = slab_new();
    for (size_t bytes = 4; bytes <= 70000; bytes = bytes < 2000 ? bytes + 4 : bytes * 2) {
        void *p[3];
        for (int i = 0; i < 3; i++) {
            p[i] = slab_alloc(s, bytes);
            size_t align = bytes % 64 == 0 ? 64 : bytes % 8 == 0 ? 8 : 4;
            ck_assert_uint_eq((uintptr_t)p[i] % align, 0);
        }
        for (int i = 0; i < 3; i++)
            slab_free(s, p[i], bytes);
    }
    slab_check(s);
    slab_free_all(s);
}
END_TEST

struct object {
    uint8_t *p;
    size_t bytes;
    uint8_t mark;
};

static size_t size_random(struct prng *r)
{
    static const size_t max[] = {64, 300, 2000, 9000, 40000, 200000};
    return 1 + prng_below(r, max[prng_below(r, sizeof max / sizeof *max)]);
}

START_TEST(objects_never_overlap_and_accounting_is_exact)
{
    enum { OBJECTS = 2000, STEPS = 40000 };
    static struct object objects[OBJECTS];
    struct prng r = {11};
    struct slab *s = slab_new();
    size_t used = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        struct object *o = &objects[prng_below(&r, OBJECTS)];
        if (o->p) {
            ck_assert_uint_eq(o->p[0], o->mark);
            ck_assert_uint_eq(o->p[o->bytes / 2], o->mark);
            ck_assert_uint_eq(o->p[o->bytes - 1], o->mark);
            slab_free(s, o->p, o->bytes);
            used -= slab_size(o->bytes);
            o->p = NULL;
        } else {
            o->bytes = size_random(&r);
            o->mark = (uint8_t)step;
            o->p = slab_alloc(s, o->bytes);
            memset(o->p, o->mark, o->bytes);
            used += slab_size(o->bytes);
        }
        ck_assert_uint_eq(slab_used(s), used);
        if (step % 1000 == 0)
            slab_check(s);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        slab_free(s, objects[i].p, objects[i].bytes);
    slab_check(s);
    ck_assert_uint_eq(slab_used(s), 0);
    ck_assert_uint_eq(slab_held(s), 0);
    slab_free_all(s);
}
END_TEST

START_TEST(memory_of_one_size_serves_another_once_it_is_free)
{
    enum { BYTES = 16 << 20, SMALL = 100, BIG = 5000 };
    static void *objects[BYTES / SMALL];
    struct slab *s = slab_new();
    size_t most = 0;
    for (int round = 0; round < 4; round++) {
        size_t bytes = round % 2 ? BIG : SMALL, n = BYTES / bytes;
        for (size_t i = 0; i < n; i++)
            objects[i] = slab_alloc(s, bytes);
        ck_assert_uint_le(slab_held(s), BYTES + BYTES / 8);
        most = slab_held(s) > most ? slab_held(s) : most;
        for (size_t i = 0; i < n; i++)
            slab_free(s, objects[i], bytes);
        ck_assert_uint_eq(slab_held(s), 0);
        slab_check(s);
    }
    ck_assert_uint_ge(most, BYTES);
    slab_free_all(s);
}
END_TEST

UNIT_MAIN("data/slab", classes_waste_little_and_never_shrink_a_size,
          objects_are_aligned_as_their_size_is, objects_never_overlap_and_accounting_is_exact,
          memory_of_one_size_serves_another_once_it_is_free)
