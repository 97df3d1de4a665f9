/* test_state.c - the control state by its contract: nodes and their lives, and what becomes of the
 * partitions they hold (R1, R8-R12, C8).
 * LINK: control replica base */
#include "tests/unit/control/grid.h"

static uint32_t two_copies(struct grid_state *s, uint32_t min_in_sync)
{
    return make_context(s, "two", 8, 1, DURABILITY_SYNC, min_in_sync);
}

/* --- nodes ------------------------------------------------------------------------------------ */

START_TEST(a_new_grid_has_its_founders_and_a_default_context_all_in_sync)
{
    struct grid_state *s = founded(3);
    ck_assert_uint_eq(s->revision, 1);
    ck_assert_uint_eq(s->nodes_len, 3);
    ck_assert(s->nodes[2].voter && s->nodes[2].boot == 1 && s->nodes[2].state == NODE_UP);
    struct grid_summary sum;
    grid_state_summary(s, &sum);
    ck_assert_uint_eq(sum.partitions, 1024);
    ck_assert_uint_eq(sum.short_of_copies + sum.unled + sum.lost + sum.joining + sum.surplus, 0);
    struct replica_config c = config(s, 1, 5);
    ck_assert(c.led && c.in_sync == 2 && c.epoch == 1 && c.born == 1);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_command_before_the_founding_and_a_second_founding_are_refused)
{
    struct grid_state *s = grid_state_new();
    ck_assert_int_eq(enter(s, 1, 1), GRID_ECONDITION);
    ck_assert_uint_eq(s->revision, 0);
    grid_state_unref(s);
    s = founded(1);
    struct node_info i = info_of(2, 1);
    bool voter = true;
    struct grid_command c = {.kind = GRID_FOUND,
                             .u.found = {"other", i.id, &i, &voter, 1, NULL, 0}};
    ck_assert_int_eq(apply(s, &c), GRID_EEXISTS);
    ck_assert_uint_eq(s->revision, 1);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_boot_that_was_given_up_never_enters_again)
{
    struct grid_state *s = founded(3);
    gone_one(s, 2);
    ck_assert_int_eq(enter(s, 2, 1), GRID_ESTALE);
    ck_assert_int_eq(enter(s, 2, 2), GRID_OK);
    ck_assert(out.member.node == 2 && out.member.boot == 2);
    ck_assert_int_eq(enter(s, 2, 1), GRID_ESTALE);
    ck_assert_int_eq(enter(s, 2, 3), GRID_OK);
    ck_assert_int_eq(enter(s, 2, 2), GRID_ESTALE);
    ck_assert_int_eq(enter(s, 2, 1), GRID_ESTALE);
    ck_assert_uint_eq(grid_state_node(s, 2)->boot, 3);
    ck_assert(!grid_state_lives(s, (struct replica_member){2, 2}));
    ck_assert(grid_state_lives(s, (struct replica_member){2, 3}));
    grid_state_unref(s);
}
END_TEST

START_TEST(entering_twice_with_one_boot_changes_nothing)
{
    struct grid_state *s = founded(2);
    uint64_t revision = s->revision;
    ck_assert_int_eq(enter(s, 2, 1), GRID_OK);
    ck_assert(out.member.node == 2 && out.member.boot == 1 && !out.changed);
    ck_assert_uint_eq(s->revision, revision);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_removed_node_is_refused_for_ever_and_its_number_is_not_used_again)
{
    struct grid_state *s = founded(4);
    ck_assert_int_eq(removed(s, 2, false), GRID_OK);
    ck_assert_ptr_null(grid_state_node(s, 2));
    ck_assert_int_eq(enter(s, 2, 9), GRID_EDENIED);
    ck_assert_ptr_nonnull(strstr(out.why, "removed"));
    struct node_info i = info_of(2, 1);
    ck_assert_uint_eq(grid_state_removed(s, i.id), 2);
    ck_assert_int_eq(enter(s, 77, 1), GRID_OK);
    ck_assert_uint_eq(out.member.node, 5);
    ck_assert_int_eq(removed(s, 2, true), GRID_ENOT_FOUND);
    grid_state_unref(s);
}
END_TEST

static enum grid_err enter_as(struct grid_state *s, uint32_t n, const char *name)
{
    struct node_info i = info_of(n, 1);
    snprintf(i.name, sizeof i.name, "%s", name);
    struct grid_command c = {.kind = GRID_ENTER, .now = 5000, .u.enter = &i};
    return apply(s, &c);
}

START_TEST(a_new_node_takes_the_place_of_one_that_is_down_and_has_its_name)
{
    struct grid_state *s = founded(3);
    uint32_t two = two_copies(s, 1);
    gone_one(s, 2);
    uint64_t revision = s->revision;
    ck_assert_int_eq(enter_as(s, 20, "n2"), GRID_OK);
    ck_assert(out.member.node == 4 && s->revision == revision + 1);
    ck_assert_ptr_null(grid_state_node(s, 2));
    ck_assert_int_eq(grid_state_node(s, 4)->state, NODE_UP);
    ck_assert_uint_eq(s->nodes_len, 3);
    ck_assert(config(s, two, 0).led);
    ck_assert_int_eq(enter(s, 2, 7), GRID_EDENIED); /* whoever that was */
    grid_state_unref(s);
}
END_TEST

START_TEST(the_place_of_a_node_that_is_up_or_has_a_last_copy_is_not_taken)
{
    struct grid_state *s = founded(3);
    make_context(s, "one", 16, 0, DURABILITY_SYNC, 1);
    ck_assert_int_eq(enter_as(s, 20, "n2"), GRID_EEXISTS);
    ck_assert_ptr_nonnull(strstr(out.why, "is up"));
    gone_one(s, 2);
    uint64_t revision = s->revision;
    ck_assert_int_eq(enter_as(s, 20, "n2"), GRID_EEXISTS);
    ck_assert_ptr_nonnull(strstr(out.why, "last copy"));
    ck_assert_uint_eq(s->revision, revision);
    ck_assert_int_eq(enter(s, 2, 2), GRID_OK); /* with its own data */
    grid_state_unref(s);
}
END_TEST

START_TEST(a_name_in_use_is_refused_and_a_node_may_take_another)
{
    struct grid_state *s = founded(2);
    struct node_info i = info_of(3, 1);
    strcpy(i.name, "n1");
    struct grid_command c = {.kind = GRID_ENTER, .u.enter = &i};
    ck_assert_int_eq(apply(s, &c), GRID_EEXISTS);
    i = info_of(2, 2);
    strcpy(i.name, "renamed");
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert_uint_eq(grid_state_node_named(s, slice_str("renamed"))->number, 2);
    grid_state_unref(s);
}
END_TEST

START_TEST(addresses_and_labels_change_for_the_boot_that_is_up_only)
{
    struct grid_state *s = founded(2);
    struct node_info i = info_of(2, 1);
    strcpy(i.address[ADDRESS_PEER], "10.9.9.9:1");
    strcpy(i.labels, "zone=b,rack=7");
    struct grid_command c = {.kind = GRID_ALTER, .u.alter = &i};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    const struct grid_node *n = grid_state_node(s, 2);
    ck_assert_str_eq(n->info.address[ADDRESS_PEER], "10.9.9.9:1");
    ck_assert(slice_eq(grid_node_label(n, "rack"), slice_str("7")));
    ck_assert(slice_eq(grid_node_label(n, "zone"), slice_str("b")));
    ck_assert_uint_eq(grid_node_label(n, "one").len, 0);
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert(!out.changed);
    i = info_of(2, 2);
    ck_assert_int_eq(apply(s, &c), GRID_ESTALE);
    grid_state_unref(s);
}
END_TEST

START_TEST(what_a_node_says_badly_is_refused_with_the_reason)
{
    struct grid_state *s = founded(1);
    static const struct {
        const char *name, *labels, *address;
        uint32_t weight, shards;
    } rows[] = {{"", "", "", 1, 1},    {"a b", "", "", 1, 1},   {"x", "zone", "", 1, 1},
                {"x", "=a", "", 1, 1}, {"x", "a=b,", "", 1, 1}, {"x", "", "a b", 1, 1},
                {"x", "", "", 0, 1},   {"x", "", "", 1, 0}};
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct node_info i = info_of(2, 1);
        strcpy(i.name, rows[k].name);
        strcpy(i.labels, rows[k].labels);
        strcpy(i.address[0], rows[k].address);
        i.weight = rows[k].weight;
        i.shards = rows[k].shards;
        struct grid_command c = {.kind = GRID_ENTER, .u.enter = &i};
        ck_assert_int_eq(apply(s, &c), GRID_EBAD_REQUEST);
        ck_assert_uint_gt(strlen(out.why), 0);
    }
    ck_assert_uint_eq(s->nodes_len, 1);
    grid_state_unref(s);
}
END_TEST

/* --- lives that end --------------------------------------------------------------------------- */

START_TEST(one_entry_moves_every_partition_of_a_dead_node_to_who_has_the_records)
{
    struct grid_state *s = founded(3), *before = grid_state_copy(s);
    gone_one(s, 1);
    ck_assert_uint_eq(s->revision, before->revision + 1);
    for (uint32_t i = 0; i < 1024; i++) {
        struct replica_config a = config(before, 1, i), b = config(s, 1, i);
        if (a.members[0].node != 1 && a.members[1].node != 1) {
            ck_assert_mem_eq(&a, &b, sizeof a);
            continue;
        }
        struct replica_member left = a.members[a.members[0].node == 1];
        ck_assert(b.led && b.len == 1 && replica_member_eq(b.members[0], left));
        ck_assert_uint_eq(b.epoch, a.epoch + 1);
        uint32_t away[GRID_AWAY_MAX];
        ck_assert_uint_eq(grid_state_away(s, 1, i, away), 1);
        ck_assert_uint_eq(away[0], 1);
    }
    grid_state_unref(before);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_death_of_another_boot_is_ignored)
{
    struct grid_state *s = founded(3);
    enter(s, 2, 2);
    uint64_t revision = s->revision;
    struct replica_member old = {2, 1};
    struct grid_command c = {.kind = GRID_GONE, .u.gone = {&old, 1}};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert_uint_eq(s->revision, revision);
    ck_assert_int_eq(grid_state_node(s, 2)->state, NODE_UP);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_restart_leaves_sets_that_have_another_member_and_keeps_those_that_have_none)
{
    struct grid_state *s = founded(2);
    uint32_t one = make_context(s, "one", 16, 0, DURABILITY_SYNC, 1);
    struct grid_state *before = grid_state_copy(s);
    ck_assert_int_eq(enter(s, 1, 2), GRID_OK);
    for (uint32_t i = 0; i < 16; i++) {
        struct replica_config a = config(before, one, i), b = config(s, one, i);
        ck_assert(b.led);
        if (a.members[0].node == 2)
            ck_assert_uint_eq(b.epoch, a.epoch);
        else
            ck_assert(b.members[0].node == 1 && b.members[0].boot == 2 && b.epoch > a.epoch);
    }
    for (uint32_t i = 0; i < 1024; i++) {
        struct replica_config b = config(s, 1, i);
        ck_assert(b.led && b.len == 1 && b.members[0].node == 2);
    }
    grid_state_unref(before);
    grid_state_unref(s);
}
END_TEST

START_TEST(all_that_went_down_together_are_waited_for_and_the_most_advanced_leads)
{
    struct grid_state *s = founded(2);
    uint32_t two = two_copies(s, 1), both[] = {1, 2};
    struct replica_config was = config(s, two, 3);
    gone(s, both, 2);
    struct replica_config c = config(s, two, 3);
    ck_assert(!c.led && !c.lost && c.in_sync == 2 && c.epoch == was.epoch + 1);
    ck_assert_uint_eq(grid_state_primary(s, two, 3).node, 0);
    ck_assert_int_eq(enter(s, 2, 2), GRID_OK);
    c = config(s, two, 3);
    ck_assert(!c.led && c.in_sync == 2); /* not alone */
    ck_assert_int_eq(part(s, PART_LEAD, two, 3, (struct replica_member){1, 1}), GRID_ECONDITION);
    ck_assert_int_eq(enter(s, 1, 2), GRID_OK);
    ck_assert(!config(s, two, 3).led);
    ck_assert_int_eq(part(s, PART_LEAD, two, 3, (struct replica_member){1, 1}), GRID_ECONDITION);
    ck_assert_int_eq(part(s, PART_LEAD, two, 3, present(s, 1)), GRID_OK);
    c = config(s, two, 3);
    ck_assert(c.led && c.in_sync == 1 && c.len == 2 && c.members[0].node == 1);
    ck_assert(c.members[1].node == 2 && c.members[1].boot == 2);
    ck_assert_int_eq(part(s, PART_PROMOTE, two, 3, present(s, 2)), GRID_OK);
    ck_assert_uint_eq(config(s, two, 3).in_sync, 2);
    grid_state_unref(s);
}
END_TEST

START_TEST(deaths_one_after_the_other_leave_the_last_one_to_wait_for)
{
    struct grid_state *s = founded(2);
    uint32_t two = two_copies(s, 1);
    gone_one(s, 1);
    gone_one(s, 2);
    ck_assert_int_eq(enter(s, 1, 2), GRID_OK);
    ck_assert(!config(s, two, 0).led);
    ck_assert_int_eq(part(s, PART_LEAD, two, 0, present(s, 1)), GRID_ECONDITION);
    ck_assert_int_eq(enter(s, 2, 2), GRID_OK);
    struct replica_config c = config(s, two, 0);
    ck_assert(c.led && c.members[0].node == 2 && c.members[0].boot == 2);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_partition_in_memory_is_lost_with_its_last_copy_and_begins_again_empty)
{
    struct grid_state *s = founded(2);
    uint32_t mem = make_context(s, "mem", 4, 1, DURABILITY_MEMORY, 1), both[] = {1, 2};
    gone(s, both, 2);
    enter(s, 1, 2);
    struct replica_config c = config(s, mem, 2);
    ck_assert(c.lost && !c.led && c.len == 0);
    ck_assert_int_eq(part(s, PART_RECOVER, mem, 2, present(s, 1)), GRID_ECONDITION);
    ck_assert_int_eq(part(s, PART_RESET, mem, 2, present(s, 1)), GRID_OK);
    c = config(s, mem, 2);
    ck_assert(c.led && c.in_sync == 1 && c.members[0].boot == 2 && c.born == c.epoch);
    ck_assert_int_eq(part(s, PART_RESET, mem, 2, present(s, 1)), GRID_ECONDITION);
    grid_state_unref(s);
}
END_TEST

START_TEST(an_operator_may_accept_loss_where_the_last_copy_is_away)
{
    struct grid_state *s = founded(2);
    uint32_t two = two_copies(s, 1);
    gone_one(s, 1);
    enter(s, 1, 2);
    ck_assert_int_eq(part(s, PART_RECOVER, two, 1, present(s, 1)), GRID_ECONDITION); /* it is led */
    gone_one(s, 2);
    ck_assert_int_eq(part(s, PART_RECOVER, two, 1, present(s, 1)), GRID_OK);
    struct replica_config c = config(s, two, 1);
    ck_assert(c.led && c.in_sync == 1 && c.members[0].node == 1);
    enter(s, 2, 2); /* it is nobody's last copy any more */
    ck_assert(replica_config_find(&(struct replica_config){0}, c.members[0]) < 0);
    ck_assert_int_eq(grid_state_primary(s, two, 1).node, 1);
    grid_state_unref(s);
}
END_TEST

/* --- min_in_sync ------------------------------------------------------------------------------ */

START_TEST(who_drops_out_below_min_in_sync_stays_eligible_as_long_as_it_lives)
{
    struct grid_state *s = founded(3);
    uint32_t two = two_copies(s, 2);
    struct replica_config c = config(s, two, 0);
    struct replica_member first = c.members[0], second = c.members[1];
    ck_assert_int_eq(part(s, PART_SHRINK, two, 0, second), GRID_OK);
    c = config(s, two, 0);
    ck_assert(c.led && c.in_sync == 1 && c.complete == 2);
    ck_assert(replica_member_eq(c.members[1], second));
    gone_one(s, second.node); /* nobody grants the primary its reads on its behalf any more (R7) */
    c = config(s, two, 0);
    ck_assert(c.led && c.in_sync == 1 && c.complete == 1);
    gone_one(s, first.node);
    c = config(s, two, 0);
    ck_assert(!c.led && c.in_sync == 1 && c.complete == 1);
    enter(s, second.node, 2); /* who was alone may be alive, and answer reads: it is waited for */
    ck_assert_int_eq(part(s, PART_LEAD, two, 0, present(s, second.node)), GRID_ECONDITION);
    enter(s, first.node, 2);
    c = config(s, two, 0);
    ck_assert(c.led && c.members[0].node == first.node);
    uint32_t third = 6 - first.node - second.node;
    ck_assert_int_eq(part(s, PART_ADD_JOINING, two, 0, present(s, third)), GRID_OK);
    ck_assert_int_eq(part(s, PART_PROMOTE, two, 0, present(s, third)), GRID_OK);
    c = config(s, two, 0);
    ck_assert(c.in_sync == 2 && c.complete == 2);
    grid_state_unref(s);
}
END_TEST

START_TEST(an_eligible_member_that_never_went_down_leads_at_once)
{
    static const enum durability kinds[] = {DURABILITY_SYNC, DURABILITY_ASYNC, DURABILITY_MEMORY};
    for (int k = 0; k < 3; k++) {
        struct grid_state *s = founded(2);
        uint32_t two = make_context(s, "two", 1, 1, kinds[k], 2);
        struct replica_config c = config(s, two, 0);
        struct replica_member a = c.members[0], b = c.members[1];
        ck_assert_int_eq(part(s, PART_SHRINK, two, 0, b), GRID_OK);
        c = config(s, two, 0);
        ck_assert(c.in_sync == 1 && c.complete == 2);
        gone_one(s, a.node);
        c = config(s, two, 0);
        ck_assert(c.led && replica_member_eq(c.members[0], b) && c.in_sync == 1);
        ck_assert_int_eq(c.complete, 1);
        grid_state_unref(s);
    }
}
END_TEST

START_TEST(a_lower_min_in_sync_ends_eligibility_in_the_same_entry)
{
    struct grid_state *s = founded(2);
    uint32_t two = two_copies(s, 2);
    ck_assert_int_eq(part(s, PART_SHRINK, two, 0, config(s, two, 0).members[1]), GRID_OK);
    ck_assert_uint_eq(config(s, two, 0).complete, 2);
    struct context_info info = *catalog_context(s->catalog, two);
    info.min_in_sync = 1;
    struct grid_command c = {.kind = GRID_CONTEXT_ALTER, .u.context = &info};
    uint64_t epoch = config(s, two, 0).epoch;
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert_uint_eq(config(s, two, 0).complete, 1);
    ck_assert_uint_eq(config(s, two, 0).epoch, epoch + 1);
    grid_state_unref(s);
}
END_TEST

/* --- changes by compare-and-set --------------------------------------------------------------- */

START_TEST(a_change_that_names_another_epoch_is_refused)
{
    struct grid_state *s = founded(3);
    uint32_t two = two_copies(s, 1);
    struct replica_config c = config(s, two, 0);
    struct part_change p = {PART_SHRINK, two, 0, (uint32_t)c.epoch + 1, c.members[1]};
    struct grid_command m = {.kind = GRID_PARTS, .u.parts = {&p, 1}};
    ck_assert_int_eq(apply(s, &m), GRID_ESTALE);
    p.epoch = (uint32_t)c.epoch;
    ck_assert_int_eq(apply(s, &m), GRID_OK);
    ck_assert_int_eq(apply(s, &m), GRID_ESTALE);
    grid_state_unref(s);
}
END_TEST

START_TEST(changes_of_one_command_stand_alone)
{
    struct grid_state *s = founded(3);
    uint32_t two = two_copies(s, 1);
    struct part_change p[3];
    for (uint32_t i = 0; i < 3; i++) {
        struct replica_config c = config(s, two, i);
        p[i] =
            (struct part_change){PART_SHRINK, two, i, (uint32_t)c.epoch + (i == 1), c.members[1]};
    }
    struct grid_command m = {.kind = GRID_PARTS, .u.parts = {p, 3}};
    ck_assert_int_eq(apply(s, &m), GRID_OK);
    ck_assert(!out.part_err[0] && out.part_err[1] == GRID_ESTALE && !out.part_err[2]);
    ck_assert(config(s, two, 0).len == 1 && config(s, two, 1).len == 2);
    grid_state_unref(s);
}
END_TEST

START_TEST(what_cannot_be_done_is_refused_and_changes_nothing)
{
    struct grid_state *s = founded(4);
    uint32_t two = two_copies(s, 1);
    struct replica_config c = config(s, two, 0);
    struct replica_member a = c.members[0], b = c.members[1], other = {0, 1}, dead = {0, 1};
    for (uint32_t n = 1; n <= 4; n++)
        if (n != a.node && n != b.node)
            *(other.node ? &dead : &other) = (struct replica_member){n, 1};
    gone_one(s, dead.node);
    const struct {
        enum part_change_kind kind;
        struct replica_member member;
    } rows[] = {{PART_SHRINK, a},           {PART_SHRINK, other},
                {PART_SHRINK, {b.node, 7}}, {PART_ADD_JOINING, a},
                {PART_ADD_JOINING, b},      {PART_ADD_JOINING, dead},
                {PART_ADD_JOINING, {9, 1}}, {PART_PROMOTE, b},
                {PART_PROMOTE, other},      {PART_DROP_JOINING, b},
                {PART_HAND_OVER, a},        {PART_HAND_OVER, other},
                {PART_GIVE_BACK, b},        {PART_LEAD, a},
                {PART_RECOVER, a},          {PART_RESET, a}};
    uint64_t revision = s->revision;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(part(s, rows[i].kind, two, 0, rows[i].member), GRID_ECONDITION);
        ck_assert_uint_gt(strlen(out.why), 0);
    }
    ck_assert_int_eq(part(s, PART_SHRINK, two, 8, b), GRID_ENO_CONTEXT);
    ck_assert_int_eq(part(s, PART_SHRINK, 99, 0, b), GRID_ENO_CONTEXT);
    ck_assert_int_eq(part(s, (enum part_change_kind)99, two, 0, b), GRID_EBAD_REQUEST);
    ck_assert_uint_eq(s->revision, revision);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_copy_moves_by_joining_promotion_hand_over_and_shrink)
{
    struct grid_state *s = founded(3);
    uint32_t two = two_copies(s, 1);
    struct replica_config c = config(s, two, 0);
    struct replica_member a = c.members[0], b = c.members[1];
    struct replica_member n = present(s, 6 - a.node - b.node);
    ck_assert_int_eq(part(s, PART_ADD_JOINING, two, 0, n), GRID_OK);
    ck_assert(config(s, two, 0).complete == 2 && config(s, two, 0).len == 3);
    ck_assert_int_eq(part(s, PART_PROMOTE, two, 0, n), GRID_OK);
    ck_assert_int_eq(part(s, PART_HAND_OVER, two, 0, n), GRID_OK);
    c = config(s, two, 0);
    ck_assert(replica_member_eq(c.members[0], n) && c.in_sync == 3);
    ck_assert_int_eq(part(s, PART_SHRINK, two, 0, a), GRID_OK);
    c = config(s, two, 0);
    ck_assert(c.in_sync == 2 && c.len == 2 && c.epoch == 5 && c.born == 1);
    grid_state_unref(s);
}
END_TEST

START_TEST(voters_are_missing_until_as_many_vote_as_should)
{
    struct grid_state *s = founded(1);
    const uint32_t all[] = {1, 2, 3};
    ck_assert_uint_eq(grid_state_voters_missing(s), 0);
    ck_assert_int_eq(enter(s, 2, 1), GRID_OK);
    ck_assert_uint_eq(grid_state_voters_missing(s), 0); /* two are no better than one */
    ck_assert_int_eq(enter(s, 3, 1), GRID_OK);
    ck_assert_uint_eq(grid_state_voters_missing(s), 2);
    struct grid_command c = {.kind = GRID_VOTERS, .u.voters = {all, 3}};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert_uint_eq(grid_state_voters_missing(s), 0);
    gone_one(s, 3);
    ck_assert_uint_eq(grid_state_voters_missing(s), 0);
    ck_assert_int_eq(enter(s, 4, 1), GRID_OK);
    ck_assert_uint_eq(grid_state_voters_missing(s), 1);
    grid_state_unref(s);
}
END_TEST

START_TEST(what_too_few_others_can_hold_is_kept_by_a_drained_node)
{
    static const struct {
        uint32_t nodes, backups, min_in_sync, drained;
        bool keeps; /* node 1, all of its copies; or none */
    } CASES[] = {
        {2, 1, 1, 1, true},            /* one other, and two are asked */
        {3, 1, 1, 1, false},           /* the third takes them */
        {3, 2, 1, 1, true},            /* all three are asked */
        {3, BACKUPS_ALL, 1, 1, false}, /* all that are left */
        {3, BACKUPS_ALL, 3, 1, true},  /* too few for writes */
        {3, 2, 1, 2, true},            /* two go, two are to stay */
        {2, 0, 1, 1, false},           /* one is asked */
        {2, 0, 1, 2, true},            /* and there is nobody */
        {3, BACKUPS_ALL, 1, 3, true},
    };
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        struct grid_load loads[2][3]; /* of the default context alone; with another */
        for (int with = 0; with < 2; with++) {
            struct grid_state *s = founded(CASES[k].nodes);
            if (with)
                make_context(s, "c", 64, CASES[k].backups, DURABILITY_SYNC, CASES[k].min_in_sync);
            grid_state_loads(s, loads[with]);
            ck_assert_uint_eq(loads[with][0].kept, 0);
            for (uint32_t n = 1; n <= CASES[k].drained; n++)
                ck_assert_int_eq(drained(s, n, true), GRID_OK);
            grid_state_loads(s, loads[with]);
            grid_state_unref(s);
        }
        uint32_t copies = loads[1][0].copies - loads[0][0].copies;
        uint32_t kept = loads[1][0].kept - loads[0][0].kept;
        ck_assert_msg(copies && kept == (CASES[k].keeps ? copies : 0), "case %zu: %u of %u", k,
                      kept, copies);
    }
}
END_TEST

START_TEST(copies_for_which_there_are_too_few_nodes_are_counted_and_not_missing)
{
    static const struct {
        uint32_t nodes, backups, drained, unplaced; /* of each partition */
    } CASES[] = {{3, 2, 0, 0}, {2, 2, 0, 1}, {1, 2, 0, 2},           {1, 0, 0, 0},
                 {3, 2, 1, 1}, {4, 2, 1, 0}, {2, BACKUPS_ALL, 0, 0}, {8, 6, 0, 0}};
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        struct grid_state *s = founded(CASES[k].nodes);
        make_context(s, "c", 16, CASES[k].backups, DURABILITY_SYNC, 1);
        for (uint32_t n = 1; n <= CASES[k].drained; n++)
            ck_assert_int_eq(drained(s, n, true), GRID_OK);
        struct grid_summary sum = {0};
        grid_state_summary_add(s, 1, &sum);
        ck_assert_msg(sum.unplaced == 16 * CASES[k].unplaced, "case %zu: %llu", k,
                      (unsigned long long)sum.unplaced);
        ck_assert_uint_eq(sum.short_of_copies, 0);
        ck_assert_uint_eq(grid_state_unplaced(s, &s->catalog->contexts[1]), CASES[k].unplaced);
        grid_state_unref(s);
    }
}
END_TEST

/* --- removal ---------------------------------------------------------------------------------- */

START_TEST(a_node_with_a_last_copy_is_removed_only_with_accepted_loss)
{
    struct grid_state *s = founded(2);
    uint32_t one = make_context(s, "one", 16, 0, DURABILITY_SYNC, 1), kept = 0;
    ck_assert_int_eq(removed(s, 1, false), GRID_ECONDITION);
    ck_assert_ptr_nonnull(strstr(out.why, "last copy"));
    ck_assert_int_eq(grid_state_node(s, 1)->state, NODE_UP);
    ck_assert_int_eq(removed(s, 1, true), GRID_OK);
    for (uint32_t i = 0; i < 16; i++) {
        struct replica_config c = config(s, one, i);
        ck_assert(c.led != c.lost);
        kept += c.led;
    }
    ck_assert(kept > 0 && kept < 16);
    ck_assert(config(s, 1, 0).led);
    ck_assert_int_eq(removed(s, 2, true), GRID_ECONDITION); /* the last one */
    grid_state_unref(s);
}
END_TEST

START_TEST(who_is_left_of_those_waited_for_leads_when_the_other_is_removed)
{
    struct grid_state *s = founded(3);
    uint32_t two = two_copies(s, 1);
    struct replica_config c = config(s, two, 0);
    uint32_t pair[] = {c.members[0].node, c.members[1].node};
    gone(s, pair, 2);
    enter(s, pair[1], 2);
    ck_assert(!config(s, two, 0).led);
    ck_assert_int_eq(removed(s, pair[0], true), GRID_OK);
    c = config(s, two, 0);
    ck_assert(c.led && c.len == 1 && c.members[0].node == pair[1]);
    grid_state_unref(s);
}
END_TEST

/* --- sharing and sessions --------------------------------------------------------------------- */

START_TEST(a_copy_shares_what_does_not_change_and_its_original_keeps_what_it_had)
{
    struct grid_state *s = founded(3), *next = grid_state_copy(s);
    struct replica_config was = config(s, 1, 100);
    ck_assert_ptr_eq(s->tables[0], next->tables[0]);
    ck_assert_int_eq(part(next, PART_SHRINK, 1, 100, was.members[1]), GRID_OK);
    unsigned differ = 0;
    for (int i = 0; i < 1024 / 64; i++)
        differ += s->tables[0]->chunks[i] != next->tables[0]->chunks[i];
    ck_assert_uint_eq(differ, 1);
    ck_assert_ptr_eq(s->catalog, next->catalog);
    ck_assert_ptr_eq(s->nodes, next->nodes);
    struct replica_config still = config(s, 1, 100);
    ck_assert_mem_eq(&was, &still, sizeof was);
    struct grid_change at = {0};
    ck_assert(grid_state_next_change(s, next, &at));
    ck_assert(at.context == 1 && at.partition == 100);
    ck_assert(!grid_state_next_change(s, next, &at));
    grid_state_unref(s);
    grid_state_check(next);
    grid_state_unref(next);
}
END_TEST

START_TEST(a_command_is_applied_once_and_gets_the_same_answer_again)
{
    struct grid_state *s = founded(1);
    struct context_info info = {.name = "x", .partitions = 4, .min_in_sync = 1};
    struct grid_command c = {
        .kind = GRID_CONTEXT_CREATE, .session = 5, .number = 1, .u.context = &info};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    uint64_t revision = s->revision;
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert(out.repeated && !out.changed && s->revision == revision);
    c.number = 3;
    ck_assert_int_eq(apply(s, &c), GRID_EEXISTS);
    ck_assert(!out.repeated);
    c.number = 2; /* it was overtaken */
    strcpy(info.name, "y");
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert(!out.repeated);
    c.number = 3;
    ck_assert_int_eq(apply(s, &c), GRID_EEXISTS);
    ck_assert(out.repeated);
    c.number = 2 + GRID_SESSION_WINDOW;
    ck_assert_int_eq(apply(s, &c), GRID_EEXISTS);
    c.number = 2;
    ck_assert_int_eq(apply(s, &c), GRID_ESTALE);
    c.number = 0;
    ck_assert_int_eq(apply(s, &c), GRID_EBAD_REQUEST);
    grid_state_unref(s);
}
END_TEST

START_TEST(of_many_proposers_the_last_are_remembered)
{
    struct grid_state *s = founded(1);
    struct grid_command c = {.kind = GRID_POLICY, .number = 1};
    for (c.session = 1; c.session <= GRID_SESSIONS_MAX + 10; c.session++)
        ck_assert_int_eq(apply(s, &c), GRID_OK);
    c.session = 11;
    apply(s, &c);
    ck_assert(out.repeated);
    c.session = 10;
    apply(s, &c);
    ck_assert(!out.repeated);
    grid_state_unref(s);
}
END_TEST

/* --- contexts --------------------------------------------------------------------------------- */

START_TEST(a_context_is_made_where_its_selector_says_or_not_at_all)
{
    struct grid_state *s = founded(3);
    struct node_info i = info_of(2, 1);
    strcpy(i.labels, "role=data");
    struct grid_command alter = {.kind = GRID_ALTER, .u.alter = &i};
    ck_assert_int_eq(apply(s, &alter), GRID_OK);
    struct context_info info = {
        .name = "sel", .partitions = 4, .backups = BACKUPS_ALL, .min_in_sync = 1};
    struct grid_command c = {.kind = GRID_CONTEXT_CREATE, .u.context = &info};
    strcpy(info.nodes, "role=none");
    ck_assert_int_eq(apply(s, &c), GRID_ECONDITION);
    ck_assert_ptr_null(catalog_context_named(s->catalog, slice_str("sel")));
    strcpy(info.nodes, "role=data");
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    ck_assert(config(s, 2, 3).len == 1 && config(s, 2, 3).members[0].node == 2);
    struct grid_command drop = {.kind = GRID_CONTEXT_DROP, .u.name = slice_str("sel")};
    ck_assert_int_eq(apply(s, &drop), GRID_OK);
    struct replica_config none;
    ck_assert(!grid_state_config(s, 2, 3, &none));
    grid_state_unref(s);
}
END_TEST

START_TEST(durability_does_not_change_while_a_partition_waits_for_its_copies)
{
    struct grid_state *s = founded(2);
    uint32_t async = make_context(s, "a", 4, 1, DURABILITY_ASYNC, 1), both[] = {1, 2};
    struct context_info info = *catalog_context(s->catalog, async);
    struct grid_command c = {.kind = GRID_CONTEXT_ALTER, .u.context = &info};
    info.durability = DURABILITY_SYNC;
    gone(s, both, 2);
    ck_assert_int_eq(apply(s, &c), GRID_ECONDITION);
    enter(s, 1, 2);
    enter(s, 2, 2);
    for (uint32_t i = 0; i < 4; i++)
        ck_assert_int_eq(part(s, PART_LEAD, async, i, present(s, 1)), GRID_OK);
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    grid_state_unref(s);
}
END_TEST

START_TEST(a_data_directory_from_before_the_grid_is_the_first_founders)
{
    struct catalog *old = catalog_new();
    struct grid_state *s = grid_state_new();
    struct node_info i = info_of(1, 1);
    bool voter = true;
    struct grid_command c = {.kind = GRID_FOUND, .u.found = {"home", i.id, &i, &voter, 1, old, 7}};
    ck_assert_int_eq(apply(s, &c), GRID_OK);
    struct replica_config p = config(s, 1, 1023);
    ck_assert(p.led && p.len == 1 && p.epoch == 7 && p.born == 0 && p.members[0].node == 1);
    catalog_unref(old);
    grid_state_unref(s);
}
END_TEST

/* Every node, of every version, makes the same table of one command: a change of placement is a new
 * kind of command. */
START_TEST(what_placement_gives_is_part_of_the_log)
{
    struct grid_state *s = founded(7);
    uint32_t sum = 0;
    make_context(s, "a", 256, 2, DURABILITY_ASYNC, 1);
    make_context(s, "b", 1024, 1, DURABILITY_MEMORY, 1);
    for (uint32_t k = 1; k <= 3; k++) {
        for (uint32_t i = 0; i < catalog_context(s->catalog, k)->partitions; i++) {
            struct replica_config c = config(s, k, i);
            for (int j = 0; j < c.len; j++)
                sum = sum * 31 + c.members[j].node;
        }
    }
    ck_assert_uint_eq(sum, 4054933246u);
    grid_state_unref(s);
}
END_TEST

UNIT_MAIN("control/state", what_placement_gives_is_part_of_the_log,
          a_new_grid_has_its_founders_and_a_default_context_all_in_sync,
          a_command_before_the_founding_and_a_second_founding_are_refused,
          a_boot_that_was_given_up_never_enters_again, entering_twice_with_one_boot_changes_nothing,
          a_removed_node_is_refused_for_ever_and_its_number_is_not_used_again,
          a_new_node_takes_the_place_of_one_that_is_down_and_has_its_name,
          the_place_of_a_node_that_is_up_or_has_a_last_copy_is_not_taken,
          a_name_in_use_is_refused_and_a_node_may_take_another,
          addresses_and_labels_change_for_the_boot_that_is_up_only,
          what_a_node_says_badly_is_refused_with_the_reason,
          one_entry_moves_every_partition_of_a_dead_node_to_who_has_the_records,
          a_death_of_another_boot_is_ignored,
          a_restart_leaves_sets_that_have_another_member_and_keeps_those_that_have_none,
          all_that_went_down_together_are_waited_for_and_the_most_advanced_leads,
          deaths_one_after_the_other_leave_the_last_one_to_wait_for,
          a_partition_in_memory_is_lost_with_its_last_copy_and_begins_again_empty,
          an_operator_may_accept_loss_where_the_last_copy_is_away,
          who_drops_out_below_min_in_sync_stays_eligible_as_long_as_it_lives,
          an_eligible_member_that_never_went_down_leads_at_once,
          a_lower_min_in_sync_ends_eligibility_in_the_same_entry,
          a_change_that_names_another_epoch_is_refused, changes_of_one_command_stand_alone,
          what_cannot_be_done_is_refused_and_changes_nothing,
          a_copy_moves_by_joining_promotion_hand_over_and_shrink,
          what_too_few_others_can_hold_is_kept_by_a_drained_node,
          voters_are_missing_until_as_many_vote_as_should,
          copies_for_which_there_are_too_few_nodes_are_counted_and_not_missing,
          a_node_with_a_last_copy_is_removed_only_with_accepted_loss,
          who_is_left_of_those_waited_for_leads_when_the_other_is_removed,
          a_copy_shares_what_does_not_change_and_its_original_keeps_what_it_had,
          a_command_is_applied_once_and_gets_the_same_answer_again,
          of_many_proposers_the_last_are_remembered,
          a_context_is_made_where_its_selector_says_or_not_at_all,
          durability_does_not_change_while_a_partition_waits_for_its_copies,
          a_data_directory_from_before_the_grid_is_the_first_founders)
