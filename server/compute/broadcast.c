/* broadcast.c - see broadcast.h. */
#include "compute/broadcast_priv.h"

#include "base/log.h"
#include "compute/native.h"
#include "compute/report.h"
#include "control/catalog.h"

#include <stdio.h>

struct running { /* the script comes first: it is the run's ctx */
    struct script script;
    const struct broadcast *b;
    struct buf *out;
};

static struct running *running_of(lua_State *L)
{
    return (struct running *)(void *)script_of(L);
}

/* The value at `at` is more of the answer. */
static void answer_add(lua_State *L, int at, bool line)
{
    struct buf *out = running_of(L)->out;
    struct slice text = report_value(L, at, "a result");
    if (text.len + line > BROADCAST_ROWS_MAX - out->len)
        luaL_error(L, "the result is larger than %d bytes", BROADCAST_ROWS_MAX);
    vm_charge(L, 1 + text.len / 64);
    buf_add(out, text.data, text.len);
    if (line)
        buf_add_u8(out, '\n');
}

static int b_emit(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return luaL_error(L, "b.emit: wanted is one row");
    answer_add(L, 1, true);
    return 0;
}

static int b_log(lua_State *L)
{
    struct slice name = running_of(L)->b->name;
    char line[REPORT_LINE_BYTES];
    report_line(L, line);
    log_line(LOG_INFO, "broadcast", "%.*s: %s", (int)name.len, (const char *)name.data, line);
    return 0;
}

static void set_text(lua_State *L, const char *name, struct slice text)
{
    lua_pushlstring(L, text.len ? (const char *)text.data : "", text.len);
    lua_setfield(L, -2, name);
}

/* Labels by their names: b.labels.zone. */
static void labels_set(lua_State *L, const struct broadcast *b)
{
    lua_newtable(L);
    for (size_t i = 0; i < b->labels_len; i++) {
        const char *is = strchr(b->labels[i], '=');
        if (!is)
            continue;
        lua_pushlstring(L, b->labels[i], (size_t)(is - b->labels[i]));
        lua_pushstring(L, is + 1);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "labels");
}

static int push_given(lua_State *L, void *ctx)
{
    static const luaL_Reg ours[] = {{"emit", b_emit}, {"log", b_log}, {NULL, NULL}};
    const struct broadcast *b = ((struct running *)ctx)->b;
    lua_newtable(L);
    vm_functions(L, ours);
    set_text(L, "node", slice_str(b->node));
    set_text(L, "arg", b->arg);
    labels_set(L, b);
    return 1;
}

static void take_result(lua_State *L, void *ctx)
{
    (void)ctx;
    if (!lua_isnil(L, -1))
        answer_add(L, lua_gettop(L), false);
}

static void take_error(lua_State *L, void *ctx)
{
    struct running *r = ctx;
    report_error(L, r->out, r->b->name);
}

static uint64_t clock_us(void *ctx)
{
    return ((struct running *)ctx)->b->mono_us(NULL);
}

enum grid_err broadcast_run(const struct broadcast *b, const struct catalog *c, struct buf *out)
{
    const struct module *m;
    const struct module_function *f = catalog_code(c, MODULE_BROADCAST, b->name, &m);
    struct vm_conf conf = {
        .memory_max = b->limits.memory, .open = redis_open, .caught = redis_caught};
    struct running r = {.script = {.kind = MODULE_BROADCAST,
                                   .library = true,
                                   .logged = true, /* nothing is kept of a machine that goes */
                                   .push = push_given,
                                   .take = take_result},
                        .b = b,
                        .out = out};
    struct vm_run run;
    struct vm_fault fault;
    const struct native *native = f ? NULL : natives_find(b->natives, MODULE_BROADCAST, b->name);
    if (native)
        return broadcast_run_native(b, native, out);
    if (!f) {
        char why[WHY_BYTES];
        natives_missing(b->natives, c, MODULE_BROADCAST, b->name, b->node, why);
        buf_add_text(out, why);
        return GRID_ENO_TASK;
    }
    struct vm *vm = vm_new(&conf);
    if (!vm)
        return GRID_EBUSY;
    r.script.name = slice_str(f->name);
    library_run_new(&r.script, m, f, &run);
    run.steps = b->limits.steps;
    run.time_us = b->limits.time_us;
    run.now_us = clock_us;
    run.seed = clock_us(&r);
    run.error = take_error;
    run.ctx = &r;
    enum vm_end end = vm_run(vm, &run, &fault);
    if (end && end != VM_FAILED)
        report_fault(r.out, b->name, slice_str(fault.text), fault.trace);
    vm_free(vm);
    return end ? GRID_ETASK : GRID_OK;
}
