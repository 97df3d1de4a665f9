/* test_map_room.c - who has to go when maps hold too much together. */
#include "compute/map_room.h"
#include "tests/lib/unit.h"

START_TEST(what_is_given_back_is_there_for_others)
{
    struct map_room r = {0};
    size_t a = 0, b = 0;
    ck_assert(map_room_set(&r, &a, MAP_ROOM_MAX - MAP_ROOM_SMALL));
    ck_assert(map_room_set(&r, &b, MAP_ROOM_SMALL));
    ck_assert(!map_room_set(&r, &b, MAP_ROOM_SMALL + 1));
    ck_assert(map_room_set(&r, &a, 0));
    ck_assert(map_room_set(&r, &b, MAP_ROOM_MAX));
    ck_assert(map_room_set(&r, &b, 0));
    ck_assert_uint_eq(r.held, 0);
}
END_TEST

START_TEST(a_small_one_goes_on_beside_large_ones)
{
    struct map_room r = {0};
    size_t a = 0, b = 0;
    ck_assert(!map_room_set(&r, &a, MAP_ROOM_MAX + 1u));
    ck_assert(map_room_set(&r, &b, MAP_ROOM_SMALL - 1));
    ck_assert(!map_room_set(&r, &b, MAP_ROOM_SMALL));
}
END_TEST

UNIT_MAIN("compute/map_room", what_is_given_back_is_there_for_others,
          a_small_one_goes_on_beside_large_ones)
