/* test_spread.c - which node a job goes to.
 * LINK: coordination base */
#include "coordination/spread.h"
#include "tests/lib/unit.h"

static struct spread_load load_of(uint32_t node, uint32_t places, uint32_t running)
{
    return (struct spread_load){.member = {node, 1}, .places = places, .running = running};
}

static uint32_t pick(struct spread_load *list, size_t len, const char *module, uint64_t dice)
{
    struct spread_load *at[8] = {NULL};
    for (size_t i = 0; i < len; i++)
        at[i] = &list[i];
    struct spread_load *l = spread_pick(at, 8, slice_str(module), dice);
    return l ? l->member.node : 0;
}

START_TEST(the_one_with_the_least_of_its_places_taken_has_it)
{
    struct spread_load list[] = {load_of(1, 4, 2), load_of(2, 8, 3), load_of(3, 8, 8),
                                 load_of(4, 0, 0)};
    ck_assert_uint_eq(pick(list, 4, "m", 1), 2);
    list[1].running = 4;
    ck_assert_uint_eq(pick(list, 4, "m", 1), 1); /* as full, and fewer run */
    list[0].running = 4;
    list[1].running = 8;
    ck_assert_uint_eq(pick(list, 4, "m", 1), 0);
}
END_TEST

START_TEST(those_that_are_as_loaded_share_evenly)
{
    struct spread_load list[] = {load_of(1, 1000, 0), load_of(2, 1000, 0), load_of(3, 1000, 0)};
    unsigned first[4] = {0};
    for (uint64_t dice = 0; dice < 300; dice++)
        first[pick(list, 3, "m", dice * 7919)]++;
    for (unsigned n = 1; n <= 3; n++)
        ck_assert_msg(first[n] > 60, "%u of 300 at %u", first[n], n);
    for (unsigned i = 0; i < 300; i++) {
        uint32_t node = pick(list, 3, "m", i);
        spread_add(&list[node - 1], slice_str("m"));
    }
    for (unsigned n = 0; n < 3; n++)
        ck_assert_uint_eq(list[n].running, 100);
}
END_TEST

START_TEST(a_module_has_a_bound_of_its_own)
{
    struct spread_load list[] = {load_of(1, 8, 0), load_of(2, 8, 6)};
    list[0].of_module = list[1].of_module = 2;
    spread_add(&list[0], slice_str("m"));
    ck_assert_uint_eq(pick(list, 2, "m", 1), 1);
    spread_add(&list[0], slice_str("m"));
    ck_assert_uint_eq(pick(list, 2, "m", 1), 2);
    ck_assert_uint_eq(pick(list, 2, "other", 1), 1);
    spread_add(&list[1], slice_str("m"));
    spread_add(&list[1], slice_str("m"));
    ck_assert_uint_eq(pick(list, 2, "m", 1), 0);
}
END_TEST

START_TEST(what_is_told_is_read_and_nothing_else_is)
{
    struct spread_load l = load_of(7, 8, 0), back;
    struct buf bytes = BUF_INIT;
    l.of_module = 3;
    spread_add(&l, slice_str("m"));
    spread_add(&l, slice_str("m"));
    spread_add(&l, slice_str("other"));
    spread_encode(&l, &bytes);
    size_t one = bytes.len;
    spread_encode(&l, &bytes);
    struct slice at = buf_slice(&bytes);
    for (int i = 0; i < 2; i++) {
        ck_assert(spread_decode(&at, &back));
        ck_assert(back.member.node == 7 && back.running == 3 && back.of_module == 3);
        ck_assert(back.modules_len == 2 && back.modules[0].running == 2);
        ck_assert_str_eq(back.modules[1].name, "other");
    }
    ck_assert(!spread_decode(&at, &back));
    for (size_t len = 1; len < one; len++) {
        at = slice_make(bytes.data, len);
        ck_assert_msg(!spread_decode(&at, &back), "%zu bytes", len);
    }
    for (size_t i = 0; i < one; i++) { /* any of them, and no memory is touched that is not its */
        struct buf bad = BUF_INIT;
        buf_add(&bad, bytes.data, one);
        bad.data[i] ^= 0xff;
        at = buf_slice(&bad);
        (void)!spread_decode(&at, &back);
        buf_release(&bad);
    }
    buf_release(&bytes);
}
END_TEST

UNIT_MAIN("coordination/spread", the_one_with_the_least_of_its_places_taken_has_it,
          those_that_are_as_loaded_share_evenly, a_module_has_a_bound_of_its_own,
          what_is_told_is_read_and_nothing_else_is)
