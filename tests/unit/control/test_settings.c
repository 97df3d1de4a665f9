/* test_settings.c - the settings of a grid: their table, and changing them within limits.
 * LINK: control base */
#include "control/catalog.h"
#include "control/settings.h"
#include "tests/lib/unit.h"

#include <ctype.h>

static char why[WHY_BYTES];

START_TEST(every_default_is_within_its_limits)
{
    for (unsigned i = 0; i < SETTINGS_LEN; i++) {
        const struct setting_row *row = &setting_rows[i];
        ck_assert_msg(row->min < row->max, "%s", row->name);
        ck_assert_msg(row->min <= row->value && row->value <= row->max, "%s", row->name);
    }
}
END_TEST

START_TEST(every_setting_has_a_plain_name_of_its_own_a_unit_and_a_help_text)
{
    for (unsigned i = 0; i < SETTINGS_LEN; i++) {
        const struct setting_row *row = &setting_rows[i];
        for (const char *p = row->name; *p; p++)
            ck_assert_msg(islower((unsigned char)*p) || *p == '_', "%s", row->name);
        ck_assert_uint_gt(strlen(row->unit), 0);
        ck_assert_uint_gt(strlen(row->help), 10);
        for (unsigned k = 0; k < i; k++)
            ck_assert_str_ne(row->name, setting_rows[k].name);
    }
}
END_TEST

START_TEST(every_value_within_the_limits_is_taken_and_the_ends_belong_to_them)
{
    struct catalog *c = catalog_new();
    for (unsigned i = 0; i < SETTINGS_LEN; i++) {
        const struct setting_row *row = &setting_rows[i];
        const int64_t values[] = {row->min, row->max, row->value};
        for (int k = 0; k < 3; k++) {
            enum grid_err err = catalog_setting_set(c, slice_str(row->name), values[k], why);
            ck_assert_msg(err == GRID_OK, "%s: %s", row->name, why);
            ck_assert_int_eq(catalog_setting(c, i), values[k]);
        }
    }
    catalog_unref(c);
}
END_TEST

START_TEST(a_value_beyond_the_limits_is_refused_by_name_and_changes_nothing)
{
    struct catalog *c = catalog_new();
    for (unsigned i = 0; i < SETTINGS_LEN; i++) {
        const struct setting_row *row = &setting_rows[i];
        const int64_t values[] = {row->min - 1, row->max + 1, INT64_MIN, INT64_MAX};
        for (int k = 0; k < 4; k++) {
            ck_assert_int_eq(catalog_setting_set(c, slice_str(row->name), values[k], why),
                             GRID_EBAD_REQUEST);
            ck_assert_ptr_nonnull(strstr(why, row->name));
            ck_assert_int_eq(catalog_setting(c, i), row->value);
        }
    }
    catalog_unref(c);
}
END_TEST

START_TEST(setting_one_leaves_the_others)
{
    struct catalog *c = catalog_new();
    ck_assert_int_eq(catalog_setting_set(c, slice_str("max_value"), 2048, why), GRID_OK);
    for (unsigned i = 0; i < SETTINGS_LEN; i++)
        ck_assert_int_eq(catalog_setting(c, i),
                         i == SETTING_max_value ? 2048 : setting_rows[i].value);
    catalog_unref(c);
}
END_TEST

START_TEST(an_unknown_setting_is_told_by_name)
{
    struct catalog *c = catalog_new();
    static const char *const names[] = {"colour", "", "MAX_VALUE", "max_value ", "max_valu"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ck_assert_int_eq(catalog_setting_set(c, slice_str(names[i]), 1, why), GRID_ENO_SETTING);
        ck_assert_ptr_nonnull(strstr(why, names[i]));
    }
    catalog_unref(c);
}
END_TEST

UNIT_MAIN("control/settings", every_default_is_within_its_limits,
          every_setting_has_a_plain_name_of_its_own_a_unit_and_a_help_text,
          every_value_within_the_limits_is_taken_and_the_ends_belong_to_them,
          a_value_beyond_the_limits_is_refused_by_name_and_changes_nothing,
          setting_one_leaves_the_others, an_unknown_setting_is_told_by_name)
