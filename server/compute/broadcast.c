/* broadcast.c - see broadcast.h. */
#include "compute/broadcast.h"

#include "base/json.h"
#include "base/log.h"
#include "compute/redis_priv.h"
#include "control/catalog.h"

#include <stdio.h>

enum { LOG_STEPS = 2000, LOG_BYTES = 1024, ERROR_MAX = 2048 };

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
    size_t len;
    int type = lua_type(L, at);
    if (type == LUA_TTABLE || type == LUA_TBOOLEAN || type == LUA_TNUMBER) {
        lua_pushcfunction(L, redis_json_encode);
        lua_pushvalue(L, at);
        lua_call(L, 1, 1);
        lua_replace(L, at);
    } else if (type != LUA_TSTRING) {
        luaL_error(L, "a result is a string, a table, a number or a boolean, not a %s",
                   lua_typename(L, type));
    }
    const char *s = lua_tolstring(L, at, &len);
    if (len + line > BROADCAST_ROWS_MAX - out->len)
        luaL_error(L, "the result is larger than %d bytes", BROADCAST_ROWS_MAX);
    vm_charge(L, 1 + len / 64);
    buf_add(out, s, len);
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
    vm_charge(L, LOG_STEPS);
    log_line(LOG_INFO, "broadcast", "%.*s: %.*s", (int)name.len, (const char *)name.data, LOG_BYTES,
             luaL_tolstring(L, 1, NULL));
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

static void say(struct running *r, struct slice text, const char *trace)
{
    struct buf *out = r->out;
    out->len = 0;
    buf_printf(out, "%.*s\ntraceback of %.*s:", (int)(text.len < ERROR_MAX ? text.len : ERROR_MAX),
               text.len ? (const char *)text.data : "", (int)r->b->name.len,
               (const char *)r->b->name.data);
    for (const char *end; (end = strchr(trace, '\n')); trace = end + 1)
        buf_printf(out, "\n  %.*s", (int)(end - trace), trace);
    bool good = utf8_valid(buf_slice(out));
    for (size_t i = 0; i < out->len; i++)
        if (out->data[i] == 0x7f || (out->data[i] >= 0x80 && !good) ||
            (out->data[i] < ' ' && out->data[i] != '\n'))
            out->data[i] = '?';
}

static void take_error(lua_State *L, void *ctx)
{
    size_t len;
    const char *text = luaL_tolstring(L, -1, &len);
    say(ctx, slice_make(text, len), vm_of(L)->trace);
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
    if (!f)
        return GRID_ENO_TASK;
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
        say(&r, slice_str(fault.text), fault.trace);
    vm_free(vm);
    return end ? GRID_ETASK : GRID_OK;
}
