/* service_api.c - `s`: what a service sees of the grid. A cache is "context/cache", or the name of
 * one in the service's context. What may be said besides is a table at the end. */
#include "compute/service_priv.h"

#include "base/log.h"

#include <stdio.h>

enum { ASK_STEPS = 1000, NUMBER_BYTES = 32 };

static struct slice text_at(lua_State *L, int at, const char *function, const char *what)
{
    size_t len = 0;
    if (!lua_isstring(L, at))
        luaL_error(L, "s.%s: the %s must be a string, not a %s", function, what,
                   luaL_typename(L, at));
    const char *text = lua_tolstring(L, at, &len);
    return slice_make(text, len);
}

static void ask_begin(lua_State *L, struct service_ask *a, enum op_kind kind, int args,
                      const char *function)
{
    int n = lua_gettop(L);
    if (service_of(L) == NULL || script_of(L)->loading)
        luaL_error(L, "s.%s: only a service that runs can call it", function);
    if (n < args || n > args + 1)
        luaL_error(L, "s.%s: wanted are %d arguments, and a table of options", function, args);
    lua_settop(L, args + 1);
    if (lua_type(L, args + 1) != LUA_TNIL && lua_type(L, args + 1) != LUA_TTABLE)
        luaL_error(L, "s.%s: the options must be a table, not a %s", function,
                   luaL_typename(L, args + 1));
    *a = (struct service_ask){.kind = kind};
    a->cache = text_at(L, 1, function, "cache");
    a->key = text_at(L, 2, function, "key");
}

/* The option at the top of the stack, where it stays; false: it is not said. */
static bool option(lua_State *L, int at, const char *name)
{
    if (lua_type(L, at) != LUA_TTABLE)
        return false;
    lua_pushstring(L, name);
    return lua_rawget(L, at) != LUA_TNIL;
}

static void options_read(lua_State *L, struct service_ask *a, int at, const char *function)
{
    if (option(L, at, "affinity"))
        a->affinity = text_at(L, -1, function, "affinity");
    if (option(L, at, "ttl")) {
        lua_Integer ms = lua_tointeger(L, -1);
        if (!lua_isinteger(L, -1) || ms < 0)
            luaL_error(L, "s.%s: ttl is a number of ms, 0: for ever", function);
        a->ttl = ms ? TTL_SET : TTL_NONE;
        a->ttl_ms = (msec_t)ms;
    }
    if (option(L, at, "version")) {
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 0)
            luaL_error(L, "s.%s: version is that of the key, 0: it must not be there", function);
        a->version = (uint64_t)lua_tointeger(L, -1);
        a->condition = a->version ? IF_VERSION : IF_ABSENT;
    }
}

static int fail(lua_State *L, const char *function, enum grid_err err, struct service_got *got)
{
    char text[SERVICE_ERROR_MAX];
    snprintf(text, sizeof text, "s.%s: %s%s%.*s", function, err_text(err),
             got->value.len ? ": " : "", (int)got->value.len,
             got->value.len ? (const char *)got->value.data : "");
    buf_release(&got->value);
    return luaL_error(L, "%s", text);
}

static enum grid_err ask(lua_State *L, const struct service_ask *a, struct service_got *got)
{
    const struct service_host *h = service_of(L)->host;
    vm_charge(L, ASK_STEPS + a->value.len / 16);
    *got = (struct service_got){.value = BUF_INIT};
    enum grid_err err = h->ask(h->ctx, a, got);
    return err;
}

/* The bytes that were got, which are freed: one value on the stack. */
static void push_got(lua_State *L, struct service_got *got)
{
    size_t len = got->value.len;
    luaL_Buffer b;
    char *to = luaL_buffinitsize(L, &b, len); /* what raises here leaks no more than one answer */
    if (len)
        memcpy(to, got->value.data, len);
    buf_release(&got->value);
    luaL_pushresultsize(&b, len);
}

static int s_get(lua_State *L)
{
    struct service_ask a;
    struct service_got got;
    ask_begin(L, &a, OP_GET, 2, "get");
    options_read(L, &a, 3, "get");
    enum grid_err err = ask(L, &a, &got);
    if (err == GRID_ENOT_FOUND) {
        buf_release(&got.value);
        lua_pushnil(L);
        lua_pushinteger(L, 0);
        return 2;
    }
    if (err)
        return fail(L, "get", err, &got);
    push_got(L, &got);
    lua_pushinteger(L, (lua_Integer)got.version);
    return 2;
}

/* The version that was written; nil: the condition is not met. */
static int s_put(lua_State *L)
{
    struct service_ask a;
    struct service_got got;
    ask_begin(L, &a, OP_PUT, 3, "put");
    a.value = text_at(L, 3, "put", "value");
    options_read(L, &a, 4, "put");
    enum grid_err err = ask(L, &a, &got);
    if (err && err != GRID_ECONDITION)
        return fail(L, "put", err, &got);
    buf_release(&got.value);
    if (err)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)got.version);
    return 1;
}

static int s_delete(lua_State *L)
{
    struct service_ask a;
    struct service_got got;
    ask_begin(L, &a, OP_DELETE, 2, "delete");
    options_read(L, &a, 3, "delete");
    enum grid_err err = ask(L, &a, &got);
    if (err && err != GRID_ENOT_FOUND && err != GRID_ECONDITION)
        return fail(L, "delete", err, &got);
    buf_release(&got.value);
    lua_pushboolean(L, !err && got.number != 0);
    return 1;
}

static int s_incr(lua_State *L)
{
    struct service_ask a;
    struct service_got got;
    ask_begin(L, &a, OP_INCR, 3, "incr");
    if (!lua_isinteger(L, 3))
        return luaL_error(L, "s.incr: what is added must be a whole number");
    a.delta = lua_tointeger(L, 3);
    options_read(L, &a, 4, "incr");
    enum grid_err err = ask(L, &a, &got);
    if (err)
        return fail(L, "incr", err, &got);
    buf_release(&got.value);
    lua_pushinteger(L, (lua_Integer)got.number);
    return 1;
}

/* s.run(cache, key, task, argument) */
static int s_run(lua_State *L)
{
    struct service_ask a;
    struct service_got got;
    ask_begin(L, &a, OP_CALL, 4, "run");
    a.task = text_at(L, 3, "run", "task");
    a.value = text_at(L, 4, "run", "argument");
    options_read(L, &a, 5, "run");
    enum grid_err err = ask(L, &a, &got);
    if (err)
        return fail(L, "run", err, &got);
    push_got(L, &got);
    return 1;
}

static int s_log(lua_State *L)
{
    char line[REPORT_LINE_BYTES];
    report_line(L, line);
    log_line(LOG_INFO, "service", "%s: %s", service_of(L)->name, line);
    return 0;
}

/* Unix ms. */
static int s_now(lua_State *L)
{
    const struct service_host *h = service_of(L)->host;
    lua_pushinteger(L, (lua_Integer)h->wall_ms(h->ctx));
    return 1;
}

void service_api(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"get", s_get}, {"put", s_put}, {"delete", s_delete}, {"incr", s_incr},
        {"run", s_run}, {"log", s_log}, {"now", s_now},       {NULL, NULL},
    };
    vm_functions(L, ours);
}
