/* services.h - what tests of services share: the module whose service they deploy. */
#ifndef GRIDD_TESTS_COORDINATION_SERVICES_H
#define GRIDD_TESTS_COORDINATION_SERVICES_H

#include "control/catalog.h"
#include "tests/lib/unit.h"

/* Module m, with service s; its code is not looked at. Another version each time. */
static void code_deploy(struct catalog *c)
{
    char why[WHY_BYTES];
    struct module_function f = {.name = "s", .kind = MODULE_SERVICE};
    struct module_info m = {.name = "m",
                            .engine = MODULE_LUA,
                            .source = slice_str("x"),
                            .functions = &f,
                            .functions_len = 1};
    ck_assert_int_eq(catalog_module_deploy(c, &m, true, why), GRID_OK);
}

#endif
