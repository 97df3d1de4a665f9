/* test_module.c - modules in a catalog: names, bounds, versions, and that a refused change changes
 * nothing.
 * LINK: control base */
#include "control/catalog.h"
#include "base/alloc.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>

static char why[WHY_BYTES];

/* A module of one function. */
static struct module_info wanted(const char *name, const char *function)
{
    static struct module_function f;
    struct module_info want = {
        .engine = MODULE_LUA, .source = slice_str("x"), .functions = &f, .functions_len = 1};
    f = (struct module_function){.flags = MODULE_NO_WRITES};
    snprintf(want.name, sizeof want.name, "%s", name);
    snprintf(f.name, sizeof f.name, "%s", function);
    return want;
}

static enum grid_err deploy(struct catalog *c, const char *name, const char *function, bool replace)
{
    struct module_info want = wanted(name, function);
    return catalog_module_deploy(c, &want, replace, why);
}

static void refused(struct catalog *c, const struct module_info *want, enum grid_err err)
{
    size_t len = c->modules_len;
    uint64_t revision = c->modules_revision;
    why[0] = '\0';
    ck_assert_int_eq(catalog_module_deploy(c, want, true, why), err);
    ck_assert_uint_gt(strlen(why), 10);
    ck_assert_uint_eq(c->modules_len, len);
    ck_assert_uint_eq(c->modules_revision, revision);
    catalog_check(c);
}

START_TEST(a_module_is_found_by_its_name_and_its_functions_in_any_case)
{
    struct catalog *c = catalog_new();
    const struct module *m, *owner = NULL;
    ck_assert_int_eq(deploy(c, "lib", "Add", false), GRID_OK);
    ck_assert_int_eq(deploy(c, "alib", "sub", false), GRID_OK);
    ck_assert_ptr_nonnull(m = catalog_module_named(c, slice_str("lib")));
    ck_assert_ptr_null(catalog_module_named(c, slice_str("LIB")));
    const struct module_function *f = catalog_function(c, slice_str("aDD"), &owner);
    ck_assert(f && owner == m);
    ck_assert_str_eq(f->name, "Add");
    ck_assert_ptr_null(catalog_function(c, slice_str("ad"), &owner));
    ck_assert_ptr_null(catalog_function(c, slice_str(""), &owner));
    ck_assert(slice_eq(slice_make(m->digest, SHA1_HEX),
                       slice_str("11f6ad8ec52a2984abaafd7c3b516503785c2072")));
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(versions_grow_and_are_never_used_again)
{
    struct catalog *c = catalog_new();
    ck_assert_int_eq(deploy(c, "lib", "f", false), GRID_OK);
    ck_assert_uint_eq(catalog_module_named(c, slice_str("lib"))->info.version, 1);
    ck_assert_int_eq(deploy(c, "lib", "f", false), GRID_EEXISTS);
    ck_assert_int_eq(deploy(c, "lib", "f", true), GRID_OK);
    ck_assert_uint_eq(catalog_module_named(c, slice_str("lib"))->info.version, 2);
    ck_assert_int_eq(catalog_module_remove(c, slice_str("lib"), why), GRID_OK);
    ck_assert_int_eq(deploy(c, "lib", "f", true), GRID_OK);
    ck_assert_uint_eq(catalog_module_named(c, slice_str("lib"))->info.version, 4);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(a_function_is_in_one_module_only)
{
    struct catalog *c = catalog_new();
    ck_assert_int_eq(deploy(c, "one", "f", false), GRID_OK);
    struct module_info want = wanted("two", "F");
    refused(c, &want, GRID_EEXISTS);
    ck_assert_int_eq(deploy(c, "one", "g", true), GRID_OK);
    ck_assert_int_eq(deploy(c, "two", "F", true), GRID_OK);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(what_no_module_can_be_is_refused)
{
    static const char *const names[] = {"", "a-b", "a.b", "a b", "\xc3\xa4", "a\n"};
    struct catalog *c = catalog_new();
    struct module_info want;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        want = wanted(names[i], "f");
        refused(c, &want, GRID_EBAD_REQUEST);
        want = wanted("lib", names[i]);
        refused(c, &want, GRID_EBAD_REQUEST);
    }
    struct module_function twice[] = {{.name = "f"}, {.name = "F"}},
                           odd = {.name = "f", .flags = 64},
                           odd_kind = {.name = "f", .kind = MODULE_KINDS},
                           odd_job = {.name = "f", .flags = MODULE_NO_WRITES, .kind = MODULE_JOB},
                           odd_task = {.name = "f", .flags = MODULE_ALLOW_OOM, .kind = MODULE_TASK};
    want = wanted("lib", "f");
    want.functions = twice;
    want.functions_len = 2;
    refused(c, &want, GRID_EBAD_REQUEST);
    want.functions_len = 0;
    refused(c, &want, GRID_EBAD_REQUEST);
    want.functions_len = 1;
    want.functions = &odd;
    refused(c, &want, GRID_EBAD_REQUEST);
    want.functions = &odd_kind;
    refused(c, &want, GRID_EBAD_REQUEST);
    want.functions = &odd_job;
    refused(c, &want, GRID_EBAD_REQUEST);
    want.functions = &odd_task;
    refused(c, &want, GRID_EBAD_REQUEST);
    want = wanted("lib", "f");
    want.engine = (enum module_engine)2;
    refused(c, &want, GRID_EBAD_REQUEST);
    want.engine = MODULE_LUA;
    want.source.len = 0;
    refused(c, &want, GRID_EBAD_REQUEST);
    want.source.len = MODULE_SOURCE_MAX + 1;
    refused(c, &want, GRID_EBAD_REQUEST);
    catalog_unref(c);
}
END_TEST

START_TEST(a_task_is_named_with_its_module_and_is_no_function)
{
    struct catalog *c = catalog_new();
    const struct module *owner = NULL;
    struct module_function both[] = {{.name = "Pay", .kind = MODULE_TASK}, {.name = "f"}};
    struct module_info want = wanted("bank", "f");
    want.functions = both;
    want.functions_len = 2;
    ck_assert_int_eq(catalog_module_deploy(c, &want, false, why), GRID_OK);
    const struct module_function *f = catalog_task(c, slice_str("bank.Pay"), &owner);
    ck_assert(f && f->kind == MODULE_TASK && owner == c->modules[0]);
    ck_assert_ptr_null(catalog_code(c, MODULE_SERVICE, slice_str("bank.Pay"), &owner));
    ck_assert_ptr_null(catalog_function(c, slice_str("Pay"), &owner));
    static const char *const none[] = {"bank.pay", "Bank.Pay",  "bank.f", "bank",
                                       "Pay",      "bank.",     ".Pay",   "",
                                       ".",        "bank.Pay.", "b.Pay"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(!catalog_task(c, slice_str(none[i]), &owner), "%s", none[i]);
    both[1].name[0] = 'g'; /* a task of that name in another module is no matter */
    snprintf(want.name, sizeof want.name, "shop");
    ck_assert_int_eq(catalog_module_deploy(c, &want, false, why), GRID_OK);
    ck_assert(catalog_task(c, slice_str("shop.Pay"), &owner) && owner == c->modules[1]);
    catalog_check(c);
    catalog_unref(c);
}
END_TEST

START_TEST(all_modules_together_are_bounded)
{
    struct catalog *c = catalog_new();
    uint8_t *source = xcalloc(1, MODULE_SOURCE_MAX);
    char name[16], function[16];
    struct module_info want;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "lib%d", i);
        snprintf(function, sizeof function, "f%d", i);
        want = wanted(name, function);
        want.source = slice_make(source, MODULE_SOURCE_MAX);
        ck_assert_int_eq(catalog_module_deploy(c, &want, false, why), GRID_OK);
    }
    want = wanted("lib3", "f3");
    want.source = slice_make(source, MODULE_SOURCE_MAX);
    refused(c, &want, GRID_EFULL);
    want = wanted("lib2", "f2"); /* its own bytes make room */
    want.source = slice_make(source, MODULE_SOURCE_MAX - 1);
    ck_assert_int_eq(catalog_module_deploy(c, &want, true, why), GRID_OK);
    for (int i = 3; i < MODULES_MAX; i++) {
        snprintf(name, sizeof name, "lib%d", i);
        snprintf(function, sizeof function, "f%d", i);
        ck_assert_int_eq(deploy(c, name, function, false), GRID_OK);
    }
    want = wanted("more", "more");
    refused(c, &want, GRID_EFULL);
    free(source);
    catalog_unref(c);
}
END_TEST

START_TEST(one_is_removed_or_all_are)
{
    struct catalog *c = catalog_new();
    ck_assert_int_eq(deploy(c, "a", "fa", false), GRID_OK);
    ck_assert_int_eq(deploy(c, "b", "fb", false), GRID_OK);
    ck_assert_int_eq(deploy(c, "c", "fc", false), GRID_OK);
    ck_assert_int_eq(catalog_module_remove(c, slice_str("x"), why), GRID_ENOT_FOUND);
    struct catalog *before = catalog_copy(c);
    ck_assert_int_eq(catalog_module_remove(c, slice_str("b"), why), GRID_OK);
    ck_assert_uint_eq(c->modules_len, 2);
    ck_assert_int_eq(catalog_module_remove(c, slice_str(""), why), GRID_OK);
    ck_assert_uint_eq(c->modules_len, 0);
    ck_assert_uint_eq(before->modules_len, 3);
    catalog_check(before);
    catalog_unref(before);
    catalog_unref(c);
}
END_TEST

static uint64_t deploy_job(struct catalog *c, const char *name, const char *source)
{
    const struct module_function job = {.name = "j", .kind = MODULE_JOB};
    struct module_info want = {
        .engine = MODULE_LUA, .source = slice_str(source), .functions = &job, .functions_len = 1};
    snprintf(want.name, sizeof want.name, "%s", name);
    ck_assert_int_eq(catalog_module_deploy(c, &want, true, why), GRID_OK);
    catalog_check(c);
    return c->modules_revision;
}

START_TEST(versions_with_jobs_are_kept_when_they_are_replaced_the_newest_ones)
{
    struct catalog *c = catalog_new();
    uint64_t version[MODULE_OLD_MAX + 2];
    ck_assert_int_eq(deploy(c, "f", "fa", false), GRID_OK);
    ck_assert_int_eq(deploy(c, "f", "fa", true), GRID_OK);
    ck_assert_uint_eq(c->old_len, 0); /* it has no jobs */
    for (size_t i = 0; i < MODULE_OLD_MAX + 2; i++)
        version[i] = deploy_job(c, "m", i ? "later" : "first");
    ck_assert_uint_eq(c->old_len, MODULE_OLD_MAX);
    ck_assert_ptr_null(catalog_job_version(c, slice_str("m.j"), version[0]));
    for (size_t i = 1; i < MODULE_OLD_MAX + 2; i++) {
        const struct module *m = catalog_job_version(c, slice_str("m.j"), version[i]);
        ck_assert(m && m->info.version == version[i]);
    }
    ck_assert_ptr_null(catalog_job_version(c, slice_str("m.other"), version[2]));
    ck_assert_ptr_null(catalog_job_version(c, slice_str("n.j"), version[2]));
    deploy_job(c, "n", "x");
    deploy_job(c, "n", "y");
    struct catalog *copy = catalog_copy(c);
    ck_assert_int_eq(catalog_module_remove(c, slice_str("m"), why), GRID_OK);
    ck_assert_uint_eq(c->old_len, 1);
    catalog_check(copy);
    ck_assert_uint_eq(copy->old_len, MODULE_OLD_MAX + 1);
    catalog_modules_forget(copy);
    catalog_check(copy);
    catalog_unref(copy);
    catalog_unref(c);
}
END_TEST

START_TEST(versions_that_were_replaced_are_bounded_all_together)
{
    struct catalog *c = catalog_new();
    char *source = xcalloc(1, MODULE_SOURCE_MAX + 1), name[8];
    memset(source, 'x', MODULE_SOURCE_MAX - 100);
    for (unsigned i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "m%u", i % 3);
        deploy_job(c, name, source); /* catalog_check() counts */
    }
    ck_assert_uint_eq(c->old_len, 4);
    free(source);
    catalog_unref(c);
}
END_TEST

UNIT_MAIN("control/module", a_module_is_found_by_its_name_and_its_functions_in_any_case,
          a_task_is_named_with_its_module_and_is_no_function,
          versions_grow_and_are_never_used_again, a_function_is_in_one_module_only,
          what_no_module_can_be_is_refused, all_modules_together_are_bounded,
          one_is_removed_or_all_are,
          versions_with_jobs_are_kept_when_they_are_replaced_the_newest_ones,
          versions_that_were_replaced_are_bounded_all_together)
