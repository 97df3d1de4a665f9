/* test_change.c - changes of a catalog: limits, names, what alter may do, and that a refused
 * change changes nothing and says why.
 * LINK: control base */
#include "control/catalog.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static char why[WHY_BYTES];

static struct context_info wanted(const char *name)
{
    struct context_info want = {.partitions = 16, .backups = 1, .min_in_sync = 1};
    snprintf(want.name, sizeof want.name, "%s", name);
    return want;
}

/* Refused with `err`, saying something, and nothing was added or lost. */
static void create_refused(struct catalog *c, const struct context_info *want, enum grid_err err)
{
    size_t before = c->contexts_len;
    uint32_t next = c->context_next;
    why[0] = '\0';
    ck_assert_msg(catalog_context_create(c, want, why) == err, "%s: %s", want->name, why);
    ck_assert_uint_gt(strlen(why), 10);
    ck_assert_uint_eq(c->contexts_len, before);
    ck_assert_uint_eq(c->context_next, next);
    catalog_check(c);
}

static const char *const good_names[] = {"a", "A", "0", "a-b", "a_b", "a.b", "9lives", "Zz.-_"};
static const char *const bad_names[] = {"",    "-a",  "_a",       ".a",    "a b", "a/b", "a\n",
                                        "a:b", "a*b", "\xc3\xa4", "a\x7f", " a",  "a ",  "{a}"};

START_TEST(names_of_contexts_begin_with_a_letter_or_digit_and_hold_few_signs)
{
    struct catalog *c = catalog_new();
    for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
        struct context_info want = wanted(good_names[i]);
        ck_assert_msg(catalog_context_create(c, &want, why) == GRID_OK, "%s", good_names[i]);
    }
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        struct context_info want = wanted(bad_names[i]);
        create_refused(c, &want, GRID_EBAD_REQUEST);
    }
    catalog_unref(c);
}
END_TEST

START_TEST(names_of_caches_keep_the_same_rule)
{
    struct catalog *c = catalog_new();
    char path[80];
    for (size_t i = 0; i < sizeof good_names / sizeof *good_names; i++) {
        snprintf(path, sizeof path, "default/%s", good_names[i]);
        ck_assert_msg(catalog_cache_create(c, slice_str(path), 0, why) == GRID_OK, "%s", path);
    }
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        snprintf(path, sizeof path, "default/%s", bad_names[i]);
        ck_assert_msg(catalog_cache_create(c, slice_str(path), 0, why) == GRID_EBAD_REQUEST, "%s",
                      path);
    }
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(a_name_has_at_most_64_bytes)
{
    struct catalog *c = catalog_new();
    char path[100] = "default/";
    memset(path + 8, 'x', 64);
    ck_assert_int_eq(catalog_cache_create(c, slice_str(path), 0, why), GRID_OK);
    ck_assert_ptr_nonnull(catalog_cache_named(c, slice_str(path)));
    path[72] = 'x';
    ck_assert_int_eq(catalog_cache_create(c, slice_str(path), 0, why), GRID_EBAD_REQUEST);
    struct context_info want = wanted("");
    memset(want.name, 'y', 64);
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(partitions_are_a_power_of_two_up_to_16384)
{
    struct catalog *c = catalog_new();
    for (uint32_t n = 1; n <= 16384; n *= 2) {
        char name[20];
        snprintf(name, sizeof name, "p%u", n);
        struct context_info want = wanted(name);
        want.partitions = n;
        ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    }
    static const uint32_t bad[] = {3, 1000, 16383, 32768, UINT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct context_info want = wanted("x");
        want.partitions = bad[i];
        create_refused(c, &want, GRID_EBAD_REQUEST);
    }
    catalog_unref(c);
}
END_TEST

START_TEST(zero_partitions_and_min_in_sync_mean_the_default)
{
    struct catalog *c = catalog_new();
    struct context_info want = {.name = "a"};
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    ck_assert_uint_eq(catalog_context_named(c, slice_str("a"))->partitions, PARTITIONS_DEFAULT);
    ck_assert_uint_eq(catalog_context_named(c, slice_str("a"))->min_in_sync, 1);
    catalog_unref(c);
}
END_TEST

START_TEST(backups_are_0_to_6_or_all)
{
    struct catalog *c = catalog_new();
    static const uint32_t good[] = {0, 6, BACKUPS_ALL}, bad[] = {7, 254, 256, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        char name[20];
        snprintf(name, sizeof name, "b%zu", i);
        struct context_info want = wanted(name);
        want.backups = good[i];
        ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    }
    for (size_t i = 0; i < 4; i++) {
        struct context_info want = wanted("x");
        want.backups = bad[i];
        create_refused(c, &want, GRID_EBAD_REQUEST);
    }
    catalog_unref(c);
}
END_TEST

START_TEST(min_in_sync_is_1_to_as_many_as_there_are_copies)
{
    struct catalog *c = catalog_new();
    struct context_info want = wanted("a");
    want.min_in_sync = 3;
    create_refused(c, &want, GRID_EBAD_REQUEST); /* 1 backup: 2 copies */
    want.min_in_sync = 2;
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    want = wanted("b");
    want.backups = BACKUPS_ALL;
    want.min_in_sync = 8;
    create_refused(c, &want, GRID_EBAD_REQUEST);
    want.min_in_sync = 7;
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    catalog_unref(c);
}
END_TEST

START_TEST(unknown_durabilities_and_policies_are_refused)
{
    struct catalog *c = catalog_new();
    struct context_info want = wanted("a");
    want.durability = (enum durability)3;
    create_refused(c, &want, GRID_EBAD_REQUEST);
    want = wanted("a");
    want.full_policy = (enum full_policy)2;
    create_refused(c, &want, GRID_EBAD_REQUEST);
    catalog_unref(c);
}
END_TEST

START_TEST(nodes_are_chosen_by_label_equals_value)
{
    struct catalog *c = catalog_new();
    struct context_info want = wanted("a");
    snprintf(want.nodes, sizeof want.nodes, "zone");
    create_refused(c, &want, GRID_EBAD_REQUEST);
    snprintf(want.nodes, sizeof want.nodes, "zone=dc1");
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    ck_assert_str_eq(catalog_context_named(c, slice_str("a"))->nodes, "zone=dc1");
    catalog_unref(c);
}
END_TEST

START_TEST(a_context_exists_once)
{
    struct catalog *c = catalog_new();
    struct context_info want = wanted("default");
    create_refused(c, &want, GRID_EEXISTS);
    ck_assert_ptr_nonnull(strstr(why, "default"));
    catalog_unref(c);
}
END_TEST

START_TEST(a_cache_exists_once_in_its_context)
{
    struct catalog *c = catalog_new();
    struct context_info want = wanted("a");
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("a/x"), 0, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("a/x"), 9, why), GRID_EEXISTS);
    ck_assert_ptr_nonnull(strstr(why, "a/x"));
    ck_assert_int_eq(catalog_cache_create(c, slice_str("default/x"), 0, why), GRID_OK);
    ck_assert_uint_eq(catalog_cache_named(c, slice_str("a/x"))->ttl_ms, 0);
    catalog_unref(c);
}
END_TEST

START_TEST(a_cache_needs_a_context_and_a_slash)
{
    struct catalog *c = catalog_new();
    ck_assert_int_eq(catalog_cache_create(c, slice_str("nope/x"), 0, why), GRID_ENO_CONTEXT);
    ck_assert_ptr_nonnull(strstr(why, "nope"));
    ck_assert_int_eq(catalog_cache_create(c, slice_str("x"), 0, why), GRID_EBAD_REQUEST);
    ck_assert_int_eq(catalog_cache_create(c, slice_make(NULL, 0), 0, why), GRID_EBAD_REQUEST);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("default/a/b"), 0, why), GRID_EBAD_REQUEST);
    catalog_unref(c);
}
END_TEST

START_TEST(default_always_exists)
{
    struct catalog *c = catalog_new();
    ck_assert_int_eq(catalog_context_drop(c, slice_str("default"), why), GRID_EUNSUPPORTED);
    ck_assert_int_eq(catalog_cache_drop(c, slice_str("default/default"), why), GRID_EUNSUPPORTED);
    ck_assert_ptr_nonnull(catalog_cache_named(c, slice_str("default/default")));
    catalog_unref(c);
}
END_TEST

START_TEST(what_does_not_exist_cannot_be_dropped)
{
    struct catalog *c = catalog_new();
    ck_assert_int_eq(catalog_context_drop(c, slice_str("a"), why), GRID_ENO_CONTEXT);
    ck_assert_int_eq(catalog_context_drop(c, slice_make(NULL, 0), why), GRID_ENO_CONTEXT);
    ck_assert_int_eq(catalog_cache_drop(c, slice_str("a/b"), why), GRID_ENO_CONTEXT);
    ck_assert_int_eq(catalog_cache_drop(c, slice_str("default/b"), why), GRID_ENO_CACHE);
    ck_assert_int_eq(catalog_cache_drop(c, slice_str("default"), why), GRID_EBAD_REQUEST);
    catalog_unref(c);
}
END_TEST

START_TEST(alter_changes_what_may_change)
{
    struct catalog *c = catalog_new();
    struct context_info want = *catalog_context_named(c, slice_str("default"));
    want.backups = 2;
    want.min_in_sync = 3;
    want.durability = DURABILITY_ASYNC;
    want.full_policy = FULL_EVICT;
    want.memory_limit = 1 << 20;
    snprintf(want.nodes, sizeof want.nodes, "rack=2");
    ck_assert_int_eq(catalog_context_alter(c, &want, why), GRID_OK);
    const struct context_info *now = catalog_context_named(c, slice_str("default"));
    ck_assert_uint_eq(now->backups, 2);
    ck_assert_uint_eq(now->min_in_sync, 3);
    ck_assert_int_eq(now->durability, DURABILITY_ASYNC);
    ck_assert_int_eq(now->full_policy, FULL_EVICT);
    ck_assert_uint_eq(now->memory_limit, 1 << 20);
    ck_assert_str_eq(now->nodes, "rack=2");
    ck_assert_uint_eq(now->caches_len, 1);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(alter_keeps_partitions_and_the_kind_of_durability)
{
    struct catalog *c = catalog_new();
    struct context_info want = *catalog_context_named(c, slice_str("default"));
    want.backups = 0;
    want.partitions = 64;
    ck_assert_int_eq(catalog_context_alter(c, &want, why), GRID_EUNSUPPORTED);
    want.partitions = 1024;
    want.durability = DURABILITY_MEMORY;
    ck_assert_int_eq(catalog_context_alter(c, &want, why), GRID_EUNSUPPORTED);
    ck_assert_uint_eq(catalog_context_named(c, slice_str("default"))->backups, 1);
    struct context_info memory = wanted("m");
    memory.durability = DURABILITY_MEMORY;
    ck_assert_int_eq(catalog_context_create(c, &memory, why), GRID_OK);
    memory.durability = DURABILITY_SYNC;
    ck_assert_int_eq(catalog_context_alter(c, &memory, why), GRID_EUNSUPPORTED);
    memory.durability = DURABILITY_MEMORY;
    memory.memory_limit = 5;
    ck_assert_int_eq(catalog_context_alter(c, &memory, why), GRID_OK);
    catalog_unref(c);
}
END_TEST

START_TEST(alter_holds_values_to_the_limits_of_create)
{
    struct catalog *c = catalog_new();
    const struct context_info before = *catalog_context_named(c, slice_str("default"));
    struct context_info want = before;
    want.backups = 9;
    ck_assert_int_eq(catalog_context_alter(c, &want, why), GRID_EBAD_REQUEST);
    want = before;
    want.backups = 0;
    want.min_in_sync = 2;
    ck_assert_int_eq(catalog_context_alter(c, &want, why), GRID_EBAD_REQUEST);
    want = wanted("nope");
    ck_assert_int_eq(catalog_context_alter(c, &want, why), GRID_ENO_CONTEXT);
    ck_assert_uint_eq(catalog_context_named(c, slice_str("default"))->backups, before.backups);
    catalog_unref(c);
}
END_TEST

START_TEST(contexts_are_limited_in_number_and_a_full_catalog_says_so)
{
    struct catalog *c = catalog_new();
    char name[20];
    for (int i = 1; i < CONTEXTS_MAX; i++) {
        snprintf(name, sizeof name, "c%d", i);
        struct context_info want = wanted(name);
        ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    }
    struct context_info want = wanted("more");
    create_refused(c, &want, GRID_EFULL);
    ck_assert_int_eq(catalog_context_drop(c, slice_str("c7"), why), GRID_OK);
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(caches_are_limited_in_number_per_context)
{
    struct catalog *c = catalog_new();
    char path[40];
    for (int i = 1; i < CACHES_MAX; i++) {
        snprintf(path, sizeof path, "default/c%d", i);
        ck_assert_int_eq(catalog_cache_create(c, slice_str(path), 0, why), GRID_OK);
    }
    ck_assert_int_eq(catalog_cache_create(c, slice_str("default/more"), 0, why), GRID_EFULL);
    struct context_info want = wanted("a");
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("a/more"), 0, why), GRID_OK);
    catalog_unref(c);
}
END_TEST

START_TEST(used_up_numbers_are_full_and_never_wrap)
{
    struct catalog *c = catalog_new();
    c->context_next = 65535;
    struct context_info want = wanted("last");
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    want = wanted("more");
    create_refused(c, &want, GRID_EFULL);
    c->contexts[0].cache_next = 65534;
    ck_assert_int_eq(catalog_cache_create(c, slice_str("default/last"), 0, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("default/more"), 0, why), GRID_EFULL);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

UNIT_MAIN("control/change", names_of_contexts_begin_with_a_letter_or_digit_and_hold_few_signs,
          names_of_caches_keep_the_same_rule, a_name_has_at_most_64_bytes,
          partitions_are_a_power_of_two_up_to_16384,
          zero_partitions_and_min_in_sync_mean_the_default, backups_are_0_to_6_or_all,
          min_in_sync_is_1_to_as_many_as_there_are_copies,
          unknown_durabilities_and_policies_are_refused, nodes_are_chosen_by_label_equals_value,
          a_context_exists_once, a_cache_exists_once_in_its_context,
          a_cache_needs_a_context_and_a_slash, default_always_exists,
          what_does_not_exist_cannot_be_dropped, alter_changes_what_may_change,
          alter_keeps_partitions_and_the_kind_of_durability,
          alter_holds_values_to_the_limits_of_create,
          contexts_are_limited_in_number_and_a_full_catalog_says_so,
          caches_are_limited_in_number_per_context, used_up_numbers_are_full_and_never_wrap)
