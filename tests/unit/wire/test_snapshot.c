/* test_snapshot.c - the catalog through control.proto and back.
 * LINK: wire control base pb frame */
#include "wire/snapshot.h"

#include "base/alloc.h"
#include "base/prng.h"
#include "control.pb-c.h"
#include "control/settings.h"
#include "tests/lib/unit.h"

static struct catalog *example(void)
{
    struct catalog *c = catalog_new();
    char why[WHY_BYTES];
    struct context_info want = {.name = "orders",
                                .partitions = 64,
                                .backups = BACKUPS_ALL,
                                .durability = DURABILITY_ASYNC,
                                .full_policy = FULL_REFUSE,
                                .memory_limit = 1 << 30,
                                .min_in_sync = 1,
                                .nodes = "zone=dc1"};
    ck_assert_int_eq(catalog_context_create(c, &want, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("orders/lines"), 5000, why), GRID_OK);
    ck_assert_int_eq(catalog_cache_create(c, slice_str("orders/heads"), 0, why), GRID_OK);
    ck_assert_int_eq(catalog_setting_set(c, slice_str("max_value"), 4096, why), GRID_OK);
    const struct module_function job = {.name = "j", .kind = MODULE_JOB};
    struct module_info m = {.name = "m",
                            .engine = MODULE_LUA,
                            .source = slice_str("#!lua"),
                            .functions = &job,
                            .functions_len = 1};
    ck_assert_int_eq(catalog_module_deploy(c, &m, false, why), GRID_OK);
    ck_assert_int_eq(catalog_module_deploy(c, &m, true, why), GRID_OK);
    c->revision = 12;
    return c;
}

START_TEST(a_catalog_comes_back_as_it_was)
{
    struct catalog *c = example(), *d = NULL;
    struct buf first = BUF_INIT, second = BUF_INIT;
    wire_catalog_encode(c, &first);
    ck_assert_int_eq(wire_catalog_decode(buf_slice(&first), &d), GRID_OK);
    catalog_check(d);
    ck_assert_uint_eq(d->revision, 12);
    ck_assert_uint_eq(d->context_next, c->context_next);
    ck_assert_int_eq(catalog_setting(d, SETTING_max_value), 4096);
    const struct context_info *orders = catalog_context_named(d, slice_str("orders"));
    ck_assert_ptr_nonnull(orders);
    ck_assert_uint_eq(orders->backups, BACKUPS_ALL);
    ck_assert_str_eq(orders->nodes, "zone=dc1");
    ck_assert_uint_eq(catalog_cache_named(d, slice_str("orders/lines"))->ttl_ms, 5000);
    ck_assert_ptr_nonnull(catalog_job_version(d, slice_str("m.j"), 1));
    ck_assert_ptr_nonnull(catalog_job_version(d, slice_str("m.j"), 2));
    wire_catalog_encode(d, &second);
    ck_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
    catalog_unref(c);
    catalog_unref(d);
    buf_release(&first);
    buf_release(&second);
}
END_TEST

static void pack_format(uint32_t format, struct buf *out)
{
    Control__Catalog m;
    control__catalog__init(&m);
    m.format = format;
    m.revision = 1;
    m.context_next = 1;
    out->len = control__catalog__pack(&m, buf_reserve(out, 100));
}

START_TEST(a_newer_format_is_told_from_damage)
{
    static const struct {
        uint32_t format;
        enum grid_err want;
    } rows[] = {{CATALOG_FORMAT, GRID_OK}, {0, GRID_ECORRUPT}, {CATALOG_FORMAT + 1, GRID_ENEWER}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b = BUF_INIT;
        struct catalog *c = NULL;
        pack_format(rows[i].format, &b);
        ck_assert_int_eq(wire_catalog_decode(buf_slice(&b), &c), rows[i].want);
        catalog_unref(c);
        buf_release(&b);
    }
    struct catalog *c = NULL;
    ck_assert_int_eq(wire_catalog_decode(slice_str("\xff\xff\xff"), &c), GRID_ECORRUPT);
    ck_assert_int_eq(wire_catalog_decode(slice_make(NULL, 0), &c), GRID_ECORRUPT);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(a_changed_byte_gives_damage_or_another_sound_catalog)
{
    struct catalog *c = example();
    struct buf b = BUF_INIT;
    wire_catalog_encode(c, &b);
    struct prng prng = {3};
    for (int round = 0; round < 20000; round++) {
        size_t at = (size_t)prng_below(&prng, b.len);
        uint8_t was = b.data[at];
        b.data[at] = (uint8_t)prng_next(&prng);
        struct catalog *d = NULL;
        if (wire_catalog_decode(buf_slice(&b), &d) == GRID_OK)
            catalog_check(d);
        catalog_unref(d);
        b.data[at] = was;
    }
    catalog_unref(c);
    buf_release(&b);
}
END_TEST

START_TEST(settings_of_another_version_are_left_out_and_values_out_of_range_are_damage)
{
    char unknown[] = "colour_of_the_sky", known[] = "max_value";
    struct {
        char *name;
        int64_t value;
        enum grid_err want;
    } rows[] = {{unknown, 5, GRID_OK}, {known, 5000, GRID_OK}, {known, -5, GRID_ECORRUPT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Control__Setting setting, *list[] = {&setting};
        control__setting__init(&setting);
        setting.name = rows[i].name;
        setting.value = rows[i].value;
        Control__Catalog m;
        control__catalog__init(&m);
        m.format = 1;
        m.revision = 1;
        m.context_next = 1;
        m.settings = list;
        m.n_settings = 1;
        struct buf b = BUF_INIT;
        b.len = control__catalog__pack(&m, buf_reserve(&b, 200));
        struct catalog *c = NULL;
        ck_assert_int_eq(wire_catalog_decode(buf_slice(&b), &c), rows[i].want);
        catalog_unref(c);
        buf_release(&b);
    }
}
END_TEST

UNIT_MAIN("wire/snapshot", a_catalog_comes_back_as_it_was, a_newer_format_is_told_from_damage,
          a_changed_byte_gives_damage_or_another_sound_catalog,
          settings_of_another_version_are_left_out_and_values_out_of_range_are_damage)
