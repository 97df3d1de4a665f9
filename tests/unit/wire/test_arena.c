/* test_arena.c - memory of one turn.
 * LINK: wire base pb */
#include "wire/arena.h"

#include "tests/lib/unit.h"

#include <stdint.h>
#include <string.h>

START_TEST(allocations_are_aligned_apart_and_writable)
{
    struct arena *a = arena_new(1 << 20);
    uint8_t *before = NULL;
    for (size_t bytes = 1; bytes < 2000; bytes += 7) {
        uint8_t *p = arena_alloc(a, bytes);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % 8, 0);
        ck_assert_ptr_ne(p, before);
        memset(p, 0xab, bytes);
        before = p;
        arena_check(a);
    }
    arena_free(a);
}
END_TEST

START_TEST(growth_keeps_what_was_given_out)
{
    struct arena *a = arena_new(64 << 20);
    char *first = arena_alloc(a, 6);
    memcpy(first, "first", 6);
    char *large = arena_alloc(a, 5 << 20);
    ck_assert_ptr_nonnull(large);
    memset(large, 1, 5 << 20);
    ck_assert_str_eq(first, "first");
    ck_assert_uint_ge(arena_used(a), (5 << 20) + 6);
    arena_check(a);
    arena_free(a);
}
END_TEST

START_TEST(over_its_limit_it_refuses_and_says_so_and_goes_on_after_a_reset)
{
    struct arena *a = arena_new(200 << 10);
    ck_assert_ptr_nonnull(arena_alloc(a, 100 << 10));
    ck_assert(!arena_refused(a));
    ck_assert_ptr_null(arena_alloc(a, 150 << 10));
    ck_assert(arena_refused(a));
    arena_forgive(a);
    ck_assert(!arena_refused(a));
    ck_assert_ptr_null(arena_alloc(a, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc(a, SIZE_MAX - 4));
    ck_assert_ptr_null(arena_calloc(a, SIZE_MAX / 2, 3));
    arena_reset(a);
    ck_assert(!arena_refused(a));
    ck_assert_uint_eq(arena_used(a), 0);
    ck_assert_ptr_nonnull(arena_alloc(a, 150 << 10));
    arena_check(a);
    arena_free(a);
}
END_TEST

START_TEST(calloc_clears_memory_that_was_used_before)
{
    struct arena *a = arena_new(1 << 20);
    memset(arena_alloc(a, 1000), 0xff, 1000);
    arena_reset(a);
    const uint8_t *p = arena_calloc(a, 10, 100);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(p[i], 0);
    ck_assert_ptr_nonnull(arena_calloc(a, 0, 100));
    arena_free(a);
}
END_TEST

START_TEST(a_reset_settles_on_one_chunk_for_turns_of_the_same_size)
{
    struct arena *a = arena_new(4 << 20);
    void *places[5] = {NULL};
    for (int turn = 0; turn < 5; turn++) {
        arena_reset(a);
        places[turn] = arena_alloc(a, 16);
        for (int i = 0; i < 50; i++)
            ck_assert_ptr_nonnull(arena_alloc(a, 8 << 10));
    }
    ck_assert_ptr_eq(places[3], places[4]);
    arena_free(a);
}
END_TEST

UNIT_MAIN("wire/arena", allocations_are_aligned_apart_and_writable, growth_keeps_what_was_given_out,
          over_its_limit_it_refuses_and_says_so_and_goes_on_after_a_reset,
          calloc_clears_memory_that_was_used_before,
          a_reset_settles_on_one_chunk_for_turns_of_the_same_size)
