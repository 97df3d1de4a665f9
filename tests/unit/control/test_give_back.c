/* test_give_back.c - R9: who leads alone and cannot rely on what it has gives the lead back.
 * LINK: control replica base */
#include "tests/unit/control/grid.h"

START_TEST(a_lead_is_given_back_to_who_was_in_sync_and_is_waited_for_when_it_is_down)
{
    static const struct {
        enum durability durability;
        bool down, back, done, leads;
    } rows[] = {{DURABILITY_SYNC, false, false, true, true},
                {DURABILITY_SYNC, true, false, true, false},
                {DURABILITY_ASYNC, true, true, true, true},
                {DURABILITY_MEMORY, false, false, true, true},
                {DURABILITY_MEMORY, true, true, false, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct grid_state *s = founded(2);
        uint32_t x = make_context(s, "x", 4, 1, rows[i].durability, 1);
        struct replica_config c = config(s, x, 0);
        struct replica_member bad = c.members[0], good = c.members[1];
        if (rows[i].down)
            gone_one(s, good.node);
        else
            ck_assert_int_eq(part(s, PART_SHRINK, x, 0, good), GRID_OK);
        if (rows[i].back)
            ck_assert_int_eq(enter(s, good.node, 2), GRID_OK);
        ck_assert_int_eq(part(s, PART_GIVE_BACK, x, 0, bad), GRID_ECONDITION);
        ck_assert_int_eq(part(s, PART_GIVE_BACK, x, 0, (struct replica_member){9, 1}),
                         GRID_ECONDITION);
        ck_assert_int_eq(part(s, PART_GIVE_BACK, x, 0, good),
                         rows[i].done ? GRID_OK : GRID_ECONDITION);
        c = config(s, x, 0);
        ck_assert(c.led == rows[i].leads && c.in_sync == 1);
        ck_assert_uint_eq(c.members[0].node, rows[i].done ? good.node : bad.node);
        ck_assert_uint_eq(c.len, rows[i].done && rows[i].leads ? 2 : 1);
        if (!rows[i].leads) {
            ck_assert_int_eq(enter(s, good.node, 2), GRID_OK);
            ck_assert(config(s, x, 0).led);
        }
        grid_state_unref(s);
    }
}
END_TEST

START_TEST(where_one_copy_is_enough_no_lead_is_given_back)
{
    struct grid_state *s = founded(2);
    uint32_t x = make_context(s, "x", 4, 0, DURABILITY_SYNC, 1);
    struct replica_member a = config(s, x, 0).members[0], b = present(s, 3 - a.node);
    ck_assert_int_eq(part(s, PART_GIVE_BACK, x, 0, b), GRID_ECONDITION);
    grid_state_unref(s);
}
END_TEST

START_TEST(who_gives_a_lead_back_is_no_member_where_there_are_as_many_as_there_can_be)
{
    struct grid_state *s = founded(3);
    for (uint32_t n = 4; n <= REPLICA_MEMBERS_MAX + 1; n++)
        ck_assert_int_eq(enter(s, n, 1), GRID_OK);
    uint32_t x = make_context(s, "x", 4, BACKUPS_ALL, DURABILITY_SYNC, 1);
    struct replica_config c = config(s, x, 0);
    struct replica_member bad = c.members[0], good = c.members[1];
    for (unsigned i = 1; i < c.len; i++)
        ck_assert_int_eq(part(s, PART_SHRINK, x, 0, c.members[i]), GRID_OK);
    for (uint32_t n = 1; n <= REPLICA_MEMBERS_MAX + 1; n++)
        if (n != bad.node && n != good.node)
            ck_assert_int_eq(part(s, PART_ADD_JOINING, x, 0, present(s, n)), GRID_OK);
    ck_assert_uint_eq(config(s, x, 0).len, REPLICA_MEMBERS_MAX);
    ck_assert_int_eq(part(s, PART_GIVE_BACK, x, 0, good), GRID_OK);
    c = config(s, x, 0);
    ck_assert(c.led && c.in_sync == 1 && c.len == REPLICA_MEMBERS_MAX);
    ck_assert_uint_eq(c.members[0].node, good.node);
    ck_assert_int_lt(replica_config_find(&c, bad), 0);
    grid_state_unref(s);
}
END_TEST

UNIT_MAIN("control/give_back",
          a_lead_is_given_back_to_who_was_in_sync_and_is_waited_for_when_it_is_down,
          where_one_copy_is_enough_no_lead_is_given_back,
          who_gives_a_lead_back_is_no_member_where_there_are_as_many_as_there_can_be)
