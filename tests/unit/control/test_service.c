/* test_service.c - services in a catalog: names, modes, where they are bound, and that a refused
 * change changes nothing.
 * LINK: control base */
#include "control/catalog.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static char why[WHY_BYTES];

static struct service_info wanted(enum service_mode mode, uint32_t copies)
{
    struct service_info info = {.name = "m.s", .mode = mode, .context = 1, .copies = copies};
    return info;
}

static struct catalog *with_module(void)
{
    struct catalog *c = catalog_new();
    struct module_function f = {.name = "s", .kind = MODULE_SERVICE};
    struct module_info m = {.name = "m",
                            .engine = MODULE_LUA,
                            .source = slice_str("x"),
                            .functions = &f,
                            .functions_len = 1};
    ck_assert_int_eq(catalog_module_deploy(c, &m, false, why), GRID_OK);
    return c;
}

static const struct service_info *deployed(struct catalog *c, const struct service_info *want,
                                           catalog_leads_fn *leads)
{
    ck_assert_int_eq(catalog_service_deploy(c, want, leads, NULL, why), GRID_OK);
    catalog_check(c);
    return &catalog_service(c, slice_str(want->name))->info;
}

static void refused(struct catalog *c, const struct service_info *want, enum grid_err err)
{
    size_t len = c->services_len;
    uint64_t revision = c->services_revision;
    why[0] = '\0';
    ck_assert_int_eq(catalog_service_deploy(c, want, NULL, NULL, why), err);
    ck_assert_uint_gt(strlen(why), 10);
    ck_assert(c->services_len == len && c->services_revision == revision);
    catalog_check(c);
}

START_TEST(versions_grow_and_a_token_says_version_and_epoch)
{
    struct catalog *c = with_module();
    struct service_info want = wanted(SERVICE_SINGLETON, 1);
    want.arg = slice_str("{}");
    const struct service_info *s = deployed(c, &want, NULL);
    ck_assert(s->version == 1 && slice_eq(s->arg, slice_str("{}")));
    ck_assert_int_eq(catalog_service_stop(c, slice_str("m.s"), why), GRID_OK);
    ck_assert_int_eq(catalog_service_stop(c, slice_str("m.s"), why), GRID_ENO_SERVICE);
    ck_assert_uint_eq(deployed(c, &want, NULL)->version, 3);
    ck_assert_uint_gt(service_token(2, 1), service_token(1, 0xffffff));
    ck_assert_uint_gt(service_token(1, 6), service_token(1, 5));
    catalog_unref(c);
}
END_TEST

START_TEST(what_no_service_can_be_is_refused)
{
    struct catalog *c = with_module();
    struct service_info want = wanted(SERVICE_COPIES, 0);
    refused(c, &want, GRID_EBAD_REQUEST);
    want.copies = SERVICE_COPIES_MAX + 1;
    refused(c, &want, GRID_EBAD_REQUEST);
    want = wanted(SERVICE_SINGLETON, 2);
    refused(c, &want, GRID_EBAD_REQUEST);
    want = wanted((enum service_mode)9, 1);
    refused(c, &want, GRID_EBAD_REQUEST);
    want = wanted(SERVICE_KEY, 1);
    snprintf(want.labels, sizeof want.labels, "a=b");
    refused(c, &want, GRID_EBAD_REQUEST);
    want = wanted(SERVICE_NODE, 1);
    snprintf(want.labels, sizeof want.labels, "=b");
    refused(c, &want, GRID_EBAD_REQUEST);
    want = wanted(SERVICE_NODE, 1);
    want.context = 7;
    refused(c, &want, GRID_ENO_CONTEXT);
    want = wanted(SERVICE_NODE, 1);
    snprintf(want.name, sizeof want.name, "m");
    refused(c, &want, GRID_EBAD_REQUEST);
    snprintf(want.name, sizeof want.name, "m.other");
    refused(c, &want, GRID_ENO_SERVICE);
    catalog_unref(c);
}
END_TEST

/* Partitions are led by four nodes in turn. */
static uint32_t four(const void *ctx, uint32_t context, uint32_t partition)
{
    (void)ctx;
    (void)context;
    return partition % 4 + 1;
}

START_TEST(copies_are_bound_on_as_many_nodes_as_there_are)
{
    struct catalog *c = with_module();
    struct service_info want = wanted(SERVICE_COPIES, 8);
    const struct service_info *s = deployed(c, &want, four);
    unsigned on[5] = {0};
    for (uint32_t i = 0; i < 8; i++) {
        on[four(NULL, 1, s->partitions[i])]++;
        for (uint32_t k = 0; k < i; k++)
            ck_assert_uint_ne(s->partitions[i], s->partitions[k]);
    }
    for (int n = 1; n <= 4; n++)
        ck_assert_uint_eq(on[n], 2);
    catalog_unref(c);
}
END_TEST

START_TEST(deployed_anew_those_that_are_bound_stay_where_they_are)
{
    struct catalog *c = with_module();
    struct service_info want = wanted(SERVICE_COPIES, 3), was;
    was = *deployed(c, &want, four);
    want.copies = 5;
    const struct service_info *s = deployed(c, &want, NULL);
    ck_assert(memcmp(s->partitions, was.partitions, 3 * sizeof *s->partitions) == 0);
    want = wanted(SERVICE_SINGLETON, 1);
    ck_assert_uint_eq(deployed(c, &want, NULL)->partitions[0], was.partitions[0]);
    catalog_unref(c);
}
END_TEST

START_TEST(a_context_with_services_is_not_dropped)
{
    struct catalog *c = with_module();
    struct context_info context = {.name = "shop", .partitions = 16};
    struct service_info want = wanted(SERVICE_SINGLETON, 1);
    ck_assert_int_eq(catalog_context_create(c, &context, why), GRID_OK);
    want.context = 2;
    ck_assert_uint_lt(deployed(c, &want, NULL)->partitions[0], 16);
    ck_assert_int_eq(catalog_context_drop(c, slice_str("shop"), why), GRID_ECONDITION);
    ck_assert_ptr_nonnull(strstr(why, "m.s"));
    ck_assert_int_eq(catalog_service_stop(c, slice_str("m.s"), why), GRID_OK);
    ck_assert_int_eq(catalog_context_drop(c, slice_str("shop"), why), GRID_OK);
    catalog_unref(c);
}
END_TEST

START_TEST(what_is_restored_is_judged)
{
    struct catalog *c = with_module();
    struct service_info s = wanted(SERVICE_SINGLETON, 1);
    c->services_revision = 5;
    s.version = 6;
    ck_assert_int_eq(catalog_restore_service(c, &s), GRID_ECORRUPT);
    s.version = 0;
    ck_assert_int_eq(catalog_restore_service(c, &s), GRID_ECORRUPT);
    s.version = 5;
    s.partitions[0] = PARTITIONS_DEFAULT;
    ck_assert_int_eq(catalog_restore_service(c, &s), GRID_ECORRUPT);
    s.partitions[0] = 3;
    s.context = 9;
    ck_assert_int_eq(catalog_restore_service(c, &s), GRID_ECORRUPT);
    s.context = 1;
    ck_assert_int_eq(catalog_restore_service(c, &s), GRID_OK);
    ck_assert_int_eq(catalog_restore_service(c, &s), GRID_ECORRUPT); /* twice */
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

UNIT_MAIN("control/service", versions_grow_and_a_token_says_version_and_epoch,
          what_no_service_can_be_is_refused, copies_are_bound_on_as_many_nodes_as_there_are,
          deployed_anew_those_that_are_bound_stay_where_they_are,
          a_context_with_services_is_not_dropped, what_is_restored_is_judged)
