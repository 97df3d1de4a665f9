/* test_catalog.c - lookups, copies, references, ids, restoring: what a published catalog promises.
 * LINK: control base */
#include "control/catalog.h"

#include "control/settings.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static char why[WHY_BYTES];

static void context_add(struct catalog *c, const char *name)
{
    struct context_info want = {.partitions = 16, .min_in_sync = 1};
    snprintf(want.name, sizeof want.name, "%s", name);
    ck_assert_msg(catalog_context_create(c, &want, why) == GRID_OK, "%s", why);
    catalog_check(c);
}

static void cache_add(struct catalog *c, const char *path, msec_t ttl)
{
    ck_assert_msg(catalog_cache_create(c, slice_str(path), ttl, why) == GRID_OK, "%s", why);
    catalog_check(c);
}

START_TEST(a_new_catalog_has_context_default_with_cache_default)
{
    struct catalog *c = catalog_new();
    catalog_check(c);
    ck_assert_uint_eq(c->revision, 1);
    const struct context_info *info = catalog_context_named(c, slice_str("default"));
    ck_assert_ptr_nonnull(info);
    ck_assert_uint_eq(info->partitions, 1024);
    ck_assert_uint_eq(info->backups, 1);
    ck_assert_int_eq(info->durability, DURABILITY_SYNC);
    ck_assert_int_eq(info->full_policy, FULL_REFUSE);
    ck_assert_uint_eq(info->caches_len, 1);
    ck_assert_ptr_nonnull(catalog_cache_named(c, slice_str("default/default")));
    catalog_unref(c);
}
END_TEST

START_TEST(an_empty_catalog_has_nothing_but_settings_at_their_defaults)
{
    struct catalog *c = catalog_new_empty();
    catalog_check(c);
    ck_assert_uint_eq(c->contexts_len, 0);
    for (unsigned i = 0; i < SETTINGS_LEN; i++)
        ck_assert_int_eq(catalog_setting(c, i), setting_rows[i].value);
    catalog_unref(c);
}
END_TEST

START_TEST(what_was_made_is_found_by_id_and_by_name)
{
    struct catalog *c = catalog_new();
    char name[40];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "ctx%d", i);
        context_add(c, name);
        snprintf(name, sizeof name, "ctx%d/a", i);
        cache_add(c, name, 0);
        snprintf(name, sizeof name, "ctx%d/b", i);
        cache_add(c, name, (msec_t)i);
    }
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "ctx%d", i);
        const struct context_info *info = catalog_context_named(c, slice_str(name));
        ck_assert_ptr_eq(catalog_context(c, info->id), info);
        snprintf(name, sizeof name, "ctx%d/b", i);
        const struct cache_info *cache = catalog_cache_named(c, slice_str(name));
        ck_assert_ptr_eq(catalog_cache(c, cache->id), cache);
        ck_assert_uint_eq(cache_context(cache->id), info->id);
        ck_assert_uint_eq(cache->ttl_ms, (msec_t)i);
    }
    catalog_unref(c);
}
END_TEST

START_TEST(what_was_not_made_is_not_found)
{
    struct catalog *c = catalog_new();
    static const char *const paths[] = {"",
                                        "/",
                                        "default",
                                        "default/",
                                        "/default",
                                        "default/x",
                                        "defaul/default",
                                        "x/default",
                                        "Default/default",
                                        "default/default/default",
                                        "default/defaul",
                                        "default/defaults"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        ck_assert_msg(!catalog_cache_named(c, slice_str(paths[i])), "%s", paths[i]);
    ck_assert_ptr_null(catalog_cache_named(c, slice_make(NULL, 0)));
    ck_assert_ptr_null(catalog_context_named(c, slice_str("")));
    ck_assert_ptr_null(catalog_context(c, 0));
    ck_assert_ptr_null(catalog_context(c, 2));
    ck_assert_ptr_null(catalog_cache(c, 0));
    ck_assert_ptr_null(catalog_cache(c, 1 << 16 | 0));
    ck_assert_ptr_null(catalog_cache(c, 1 << 16 | 2));
    ck_assert_ptr_null(catalog_cache(c, UINT32_MAX));
    catalog_unref(c);
}
END_TEST

START_TEST(a_name_may_hold_bytes_that_end_c_strings_only_in_requests)
{
    struct catalog *c = catalog_new();
    ck_assert_ptr_null(catalog_context_named(c, slice_make("default\0x", 9)));
    ck_assert_ptr_null(catalog_cache_named(c, slice_make("default/default\0", 16)));
    ck_assert_int_eq(catalog_cache_create(c, slice_make("default/a\0b", 11), 0, why),
                     GRID_EBAD_REQUEST);
    catalog_unref(c);
}
END_TEST

START_TEST(a_change_of_a_copy_is_not_seen_in_the_published_one)
{
    struct catalog *c = catalog_new();
    struct catalog *d = catalog_copy(c);
    context_add(d, "new");
    cache_add(d, "default/new", 0);
    ck_assert_int_eq(catalog_setting_set(d, slice_str("max_value"), 4096, why), GRID_OK);
    ck_assert_ptr_null(catalog_context_named(c, slice_str("new")));
    ck_assert_ptr_null(catalog_cache_named(c, slice_str("default/new")));
    ck_assert_int_ne(catalog_setting(c, SETTING_max_value), 4096);
    ck_assert_int_eq(catalog_cache_drop(d, slice_str("default/new"), why), GRID_OK);
    catalog_check(c);
    catalog_unref(c);
    catalog_check(d);
    ck_assert_ptr_nonnull(catalog_context_named(d, slice_str("new")));
    catalog_unref(d);
}
END_TEST

START_TEST(a_copy_has_one_reference_however_many_its_origin_has)
{
    struct catalog *c = catalog_new();
    catalog_ref(c);
    catalog_ref(c);
    struct catalog *d = catalog_copy(c);
    ck_assert_uint_eq(d->refs, 1);
    catalog_unref(d);
    catalog_unref(c);
    catalog_unref(c);
    catalog_check(c);
    catalog_unref(c);
    catalog_unref(NULL);
}
END_TEST

START_TEST(ids_of_contexts_are_never_used_again)
{
    struct catalog *c = catalog_new();
    context_add(c, "a");
    uint32_t id = catalog_context_named(c, slice_str("a"))->id;
    ck_assert_int_eq(catalog_context_drop(c, slice_str("a"), why), GRID_OK);
    catalog_check(c);
    ck_assert_ptr_null(catalog_context(c, id));
    context_add(c, "a");
    ck_assert_uint_gt(catalog_context_named(c, slice_str("a"))->id, id);
    catalog_unref(c);
}
END_TEST

START_TEST(ids_of_caches_are_never_used_again)
{
    struct catalog *c = catalog_new();
    cache_add(c, "default/a", 0);
    uint32_t id = catalog_cache_named(c, slice_str("default/a"))->id;
    ck_assert_int_eq(catalog_cache_drop(c, slice_str("default/a"), why), GRID_OK);
    catalog_check(c);
    cache_add(c, "default/a", 0);
    ck_assert_uint_gt(catalog_cache_named(c, slice_str("default/a"))->id, id);
    ck_assert_ptr_null(catalog_cache(c, id));
    catalog_unref(c);
}
END_TEST

START_TEST(a_dropped_cache_in_the_middle_leaves_its_neighbours)
{
    struct catalog *c = catalog_new();
    cache_add(c, "default/a", 1);
    cache_add(c, "default/b", 2);
    cache_add(c, "default/c", 3);
    ck_assert_int_eq(catalog_cache_drop(c, slice_str("default/b"), why), GRID_OK);
    catalog_check(c);
    ck_assert_uint_eq(catalog_cache_named(c, slice_str("default/a"))->ttl_ms, 1);
    ck_assert_uint_eq(catalog_cache_named(c, slice_str("default/c"))->ttl_ms, 3);
    ck_assert_ptr_null(catalog_cache_named(c, slice_str("default/b")));
    catalog_unref(c);
}
END_TEST

START_TEST(a_dropped_context_takes_its_caches_with_it)
{
    struct catalog *c = catalog_new();
    context_add(c, "a");
    context_add(c, "b");
    cache_add(c, "a/x", 0);
    cache_add(c, "b/x", 0);
    uint32_t gone = catalog_cache_named(c, slice_str("a/x"))->id;
    ck_assert_int_eq(catalog_context_drop(c, slice_str("a"), why), GRID_OK);
    catalog_check(c);
    ck_assert_ptr_null(catalog_cache(c, gone));
    ck_assert_ptr_null(catalog_cache_named(c, slice_str("a/x")));
    ck_assert_ptr_nonnull(catalog_cache_named(c, slice_str("b/x")));
    catalog_unref(c);
}
END_TEST

START_TEST(all_of_a_catalog_can_be_restored_into_an_empty_one)
{
    struct catalog *c = catalog_new();
    context_add(c, "a");
    cache_add(c, "a/x", 5);
    cache_add(c, "a/y", 6);
    struct catalog *d = catalog_new_empty();
    d->context_next = c->context_next;
    for (size_t i = 0; i < c->contexts_len; i++)
        ck_assert_int_eq(catalog_restore_context(d, &c->contexts[i]), GRID_OK);
    catalog_check(d);
    const struct cache_info *y = catalog_cache_named(c, slice_str("a/y"));
    ck_assert_uint_eq(catalog_cache_named(d, slice_str("a/y"))->id, y->id);
    catalog_unref(c); /* d has its own caches */
    ck_assert_uint_eq(catalog_cache_named(d, slice_str("a/y"))->ttl_ms, 6);
    catalog_unref(d);
}
END_TEST

/* A sound context with two caches, for one thing to be broken in it. */
static struct cache_info sound_caches[2];
static struct context_info sound(void)
{
    sound_caches[0] = (struct cache_info){.id = 5 << 16 | 1, .name = "x"};
    sound_caches[1] = (struct cache_info){.id = 5 << 16 | 3, .name = "y"};
    return (struct context_info){.id = 5,
                                 .name = "a",
                                 .partitions = 16,
                                 .min_in_sync = 1,
                                 .caches = sound_caches,
                                 .caches_len = 2,
                                 .cache_next = 4};
}

static void restore_check(struct context_info info, enum grid_err want, const char *what)
{
    struct catalog *c = catalog_new_empty();
    c->context_next = 10;
    ck_assert_msg(catalog_restore_context(c, &info) == want, "%s", what);
    ck_assert_uint_eq(c->contexts_len, want == GRID_OK);
    catalog_check(c);
    catalog_unref(c);
}

START_TEST(a_context_that_breaks_the_invariant_is_not_restored)
{
    restore_check(sound(), GRID_OK, "sound");
    struct context_info info = sound();
    info.id = 0;
    restore_check(info, GRID_ECORRUPT, "id 0");
    info = sound();
    info.id = 65536;
    restore_check(info, GRID_ECORRUPT, "id beyond 16 bits");
    info = sound();
    info.name[0] = '\0';
    restore_check(info, GRID_ECORRUPT, "no name");
    info = sound();
    info.partitions = 15;
    restore_check(info, GRID_ECORRUPT, "partitions no power of two");
    info = sound();
    info.durability = (enum durability)3;
    restore_check(info, GRID_ECORRUPT, "unknown durability");
    info = sound();
    sound_caches[1].id = 6 << 16 | 3;
    restore_check(info, GRID_ECORRUPT, "cache of another context");
    info = sound();
    sound_caches[1].id = 5 << 16 | 4;
    restore_check(info, GRID_ECORRUPT, "cache number not given yet");
    info = sound();
    sound_caches[1].id = sound_caches[0].id;
    restore_check(info, GRID_ECORRUPT, "two caches of one id");
    info = sound();
    sound_caches[0].name[0] = '/';
    restore_check(info, GRID_ECORRUPT, "cache with a bad name");
    info = sound();
    memcpy(sound_caches[1].name, "x", 2);
    restore_check(info, GRID_ECORRUPT, "two caches of one name");
}
END_TEST

START_TEST(contexts_are_restored_in_order_and_once)
{
    struct catalog *c = catalog_new_empty();
    c->context_next = 10;
    struct context_info info = sound();
    ck_assert_int_eq(catalog_restore_context(c, &info), GRID_OK);
    ck_assert_int_eq(catalog_restore_context(c, &info), GRID_ECORRUPT);
    struct context_info next = {.id = 4, .name = "b", .partitions = 1, .min_in_sync = 1};
    ck_assert_int_eq(catalog_restore_context(c, &next), GRID_ECORRUPT);
    next.id = 6;
    memcpy(next.name, "a", 2);
    ck_assert_int_eq(catalog_restore_context(c, &next), GRID_ECORRUPT);
    memcpy(next.name, "b", 2);
    ck_assert_int_eq(catalog_restore_context(c, &next), GRID_OK);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(each_context_has_a_hidden_cache_that_no_name_finds)
{
    struct catalog *c = catalog_new();
    const struct cache_info *hidden = catalog_cache(c, cache_hidden(1));
    ck_assert_ptr_nonnull(hidden);
    ck_assert_uint_eq(hidden->id, cache_hidden(1));
    ck_assert(!catalog_dropped(c, 1, CACHE_HIDDEN));
    ck_assert_ptr_null(catalog_cache(c, cache_hidden(2)));
    ck_assert_ptr_null(catalog_cache_named(c, slice_str("default/(hidden)")));
    ck_assert_uint_eq(catalog_context(c, 1)->caches_len, 1);
    struct catalog *copy = catalog_copy(c);
    ck_assert_uint_eq(catalog_cache(copy, cache_hidden(1))->id, cache_hidden(1));
    catalog_check(copy);
    catalog_unref(copy);
    catalog_unref(c);
}
END_TEST

UNIT_MAIN("control/catalog", each_context_has_a_hidden_cache_that_no_name_finds,
          a_new_catalog_has_context_default_with_cache_default,
          an_empty_catalog_has_nothing_but_settings_at_their_defaults,
          what_was_made_is_found_by_id_and_by_name, what_was_not_made_is_not_found,
          a_name_may_hold_bytes_that_end_c_strings_only_in_requests,
          a_change_of_a_copy_is_not_seen_in_the_published_one,
          a_copy_has_one_reference_however_many_its_origin_has,
          ids_of_contexts_are_never_used_again, ids_of_caches_are_never_used_again,
          a_dropped_cache_in_the_middle_leaves_its_neighbours,
          a_dropped_context_takes_its_caches_with_it,
          all_of_a_catalog_can_be_restored_into_an_empty_one,
          a_context_that_breaks_the_invariant_is_not_restored,
          contexts_are_restored_in_order_and_once)
