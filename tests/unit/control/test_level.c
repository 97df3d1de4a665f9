/* test_level.c - the feature level of a grid: that of its oldest node, and never lower again.
 * LINK: control replica base */
#include "control/level.h"

#include "control/settings.h"
#include "tests/unit/control/grid.h"

#include <stdio.h>

enum { NEW = GRID_LEVEL };

static enum grid_err enter_knowing(struct grid_state *s, uint32_t n, uint32_t life, uint32_t level)
{
    struct node_info i = info_of(n, life);
    i.level = level;
    struct grid_command c = {.kind = GRID_ENTER, .now = 2000, .u.enter = &i};
    return apply(s, &c);
}

/* All nodes in their last lives; the one numbered `older` knows the first level alone. */
static enum grid_err levels(struct grid_state *s, uint32_t older, size_t leave_out)
{
    struct node_level list[GRID_NODES_MAX];
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        list[i] =
            (struct node_level){{n->number, n->boot}, n->number == older ? GRID_LEVEL_FIRST : NEW};
    }
    struct grid_command c = {.kind = GRID_LEVELS, .u.levels = {list, s->nodes_len - leave_out}};
    return apply(s, &c);
}

START_TEST(a_grid_begins_at_the_level_of_its_oldest_founder)
{
    struct node_info founders[] = {info_of(1, 1), info_of(2, 1)};
    const bool voter[] = {true, true};
    const uint8_t id[GRID_ID_BYTES] = "grid";
    const uint32_t known[][3] = {
        {0, 0, 1}, {NEW, 0, 1}, {NEW, 1, 1}, {NEW, NEW, NEW}, {7, NEW, NEW}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct grid_state *s = grid_state_new();
        founders[0].level = known[i][0];
        founders[1].level = known[i][1];
        struct grid_command c = {.kind = GRID_FOUND,
                                 .u.found = {"home", id, founders, voter, 2, NULL, 0}};
        ck_assert_int_eq(apply(s, &c), GRID_OK);
        ck_assert_uint_eq(s->level, known[i][2]);
        grid_state_unref(s);
    }
}
END_TEST

START_TEST(the_level_rises_when_all_nodes_know_more_and_not_before)
{
    struct grid_state *s = founded(3);
    uint64_t was = s->revision;
    ck_assert_int_eq(levels(s, 2, 0), GRID_OK);
    ck_assert_uint_eq(s->level, GRID_LEVEL_FIRST);
    ck_assert_uint_eq(s->revision, was); /* nothing changed */
    ck_assert_int_eq(levels(s, 0, 0), GRID_OK);
    ck_assert_uint_eq(s->level, NEW);
    ck_assert_uint_eq(s->revision, was + 1);
    ck_assert_uint_eq(s->nodes[1].info.level, NEW);
    ck_assert_int_eq(levels(s, 2, 0), GRID_OK); /* one that is late lowers nothing */
    ck_assert_uint_eq(s->level, NEW);
    grid_state_unref(s);
}
END_TEST

START_TEST(it_does_not_rise_when_a_node_came_or_began_another_life_meanwhile)
{
    struct grid_state *s = founded(3);
    ck_assert_int_eq(levels(s, 0, 1), GRID_ESTALE);
    struct node_level list[] = {{{1, 1}, NEW}, {{2, 1}, NEW}, {{3, 1}, NEW}};
    struct grid_command c = {.kind = GRID_LEVELS, .u.levels = {list, 3}};
    ck_assert_int_eq(enter_knowing(s, 3, 2, 0), GRID_OK); /* it was made older again */
    ck_assert_int_eq(apply(s, &c), GRID_ESTALE);
    list[2].member.boot = 2;
    list[1].member.node = 4;
    ck_assert_int_eq(apply(s, &c), GRID_ESTALE);
    ck_assert_uint_eq(s->level, GRID_LEVEL_FIRST);
    grid_state_unref(s);
}
END_TEST

START_TEST(who_does_not_know_the_level_of_the_grid_does_not_enter)
{
    struct grid_state *s = founded(3);
    ck_assert_int_eq(enter_knowing(s, 4, 1, 0), GRID_OK);
    ck_assert_int_eq(levels(s, 0, 0), GRID_OK);
    uint64_t was = s->revision;
    ck_assert_int_eq(enter_knowing(s, 5, 1, 0), GRID_EUNSUPPORTED);
    char level[32];
    snprintf(level, sizeof level, "feature level %d", NEW);
    ck_assert_ptr_nonnull(strstr(out.why, level));
    ck_assert_ptr_nonnull(strstr(out.why, "up to 1"));
    ck_assert_ptr_nonnull(strstr(out.why, "newer version"));
    gone_one(s, 4);
    ck_assert_int_eq(enter_knowing(s, 4, 2, 1), GRID_EUNSUPPORTED); /* known, and made older */
    ck_assert_uint_eq(s->revision, was + 1);
    ck_assert_int_eq(enter_knowing(s, 4, 2, NEW), GRID_OK);
    ck_assert_int_eq(enter_knowing(s, 5, 1, NEW + 1), GRID_OK);
    ck_assert_uint_eq(s->level, NEW);
    grid_state_unref(s);
}
END_TEST

START_TEST(until_it_rose_a_node_may_be_made_older_again)
{
    struct grid_state *s = founded(2);
    ck_assert_int_eq(enter_knowing(s, 1, 2, NEW), GRID_OK);
    ck_assert_uint_eq(node_info_level(&s->nodes[0].info), NEW);
    ck_assert_int_eq(enter_knowing(s, 1, 3, 0), GRID_OK);
    ck_assert_uint_eq(node_info_level(&s->nodes[0].info), GRID_LEVEL_FIRST);
    grid_state_unref(s);
}
END_TEST

START_TEST(what_older_nodes_cannot_read_needs_a_level)
{
    const struct module_function task = {.kind = MODULE_TASK}, job = {.kind = MODULE_JOB};
    const struct module_info tasks = {.functions = &task, .functions_len = 1};
    const struct module_info jobs = {.functions = &job, .functions_len = 1};
    const struct service_info lua = {.name = "m.s"}, native = {.name = "m.s", .native = true};
    const struct {
        struct grid_command c;
        uint32_t level;
    } rows[] = {
        {{.kind = GRID_DRAIN}, GRID_LEVEL_FIRST},
        {{.kind = GRID_LEVELS}, GRID_LEVEL_FIRST},
        {{.kind = GRID_SETTING_SET, .u.setting = {slice_str("voters"), 1}}, GRID_LEVEL_FIRST},
        {{.kind = GRID_SETTING_SET, .u.setting = {slice_str("no_such"), 1}}, GRID_LEVEL_FIRST},
        {{.kind = GRID_SETTING_SET, .u.setting = {slice_str("script_time"), 1}},
         GRID_LEVEL_MODULES},
        {{.kind = GRID_MODULE_DEPLOY, .u.module.info = &tasks}, GRID_LEVEL_MODULES},
        {{.kind = GRID_MODULE_DEPLOY, .u.module.info = &jobs}, GRID_LEVEL_WORK},
        {{.kind = GRID_MODULE_REMOVE}, GRID_LEVEL_MODULES},
        {{.kind = GRID_SERVICE_DEPLOY, .u.service = &lua}, GRID_LEVEL_WORK},
        {{.kind = GRID_SERVICE_DEPLOY, .u.service = &native}, GRID_LEVEL_NATIVE},
        {{.kind = GRID_SERVICE_STOP}, GRID_LEVEL_WORK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_uint_eq(grid_command_level(&rows[i].c), rows[i].level);
#define X(setting, level) ck_assert_str_eq(setting_rows[SETTING_##setting].name, #setting);
    SETTING_LEVELS(X)
#undef X
}
END_TEST

UNIT_MAIN("control/level", a_grid_begins_at_the_level_of_its_oldest_founder,
          the_level_rises_when_all_nodes_know_more_and_not_before,
          it_does_not_rise_when_a_node_came_or_began_another_life_meanwhile,
          who_does_not_know_the_level_of_the_grid_does_not_enter,
          until_it_rose_a_node_may_be_made_older_again, what_older_nodes_cannot_read_needs_a_level)
