/* service_register.c - what the first level of a module registers: grid.service(),
 * grid.broadcast(). */
#include "command/procedures.h"
#include "compute/service_call.h"
#include "compute/service_priv.h"

/* The string at `at`; NULL data: it is none. */
static struct slice text_at(lua_State *L, int at)
{
    size_t len = 0;
    const char *s = lua_type(L, at) == LUA_TSTRING ? lua_tolstring(L, at, &len) : NULL;
    return slice_make(s, len);
}

static int take(lua_State *L, const struct declared *d)
{
    const char *what = module_kind_text(d->kind);
    if (script_of(L)->reading && !module_name_good(d->name))
        return luaL_error(L, "grid.%s: it is named by 1 to 64 letters, digits and _", what);
    if (script_of(L)->reading && !register_help_good(d->help))
        return luaL_error(L, "grid.%s: a description is one line of UTF-8, of at most 255 bytes",
                          what);
    return register_declared(L, d);
}

static void loading_only(lua_State *L, const char *what)
{
    if (!script_of(L)->loading)
        luaL_error(L, "grid.%s: only while a module is loaded", what);
}

/* --- grid.service ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int type;
} fields[] = {
    {"start", LUA_TFUNCTION},     {"stop", LUA_TFUNCTION}, {"health", LUA_TFUNCTION},
    {"tick", LUA_TFUNCTION},      {"call", LUA_TFUNCTION}, {"every", LUA_TNUMBER},
    {"description", LUA_TSTRING},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static void field_judge(lua_State *L)
{
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(not a string)";
    for (int i = 0; i < FIELDS; i++) {
        if (strcmp(key, fields[i].name) != 0)
            continue;
        if (lua_type(L, -1) != fields[i].type)
            luaL_error(L, "grid.service: %s must be a %s, not a %s", key,
                       lua_typename(L, fields[i].type), luaL_typename(L, -1));
        return;
    }
    luaL_error(L, "grid.service: there is no option '%s'", key);
}

/* Leaves the field at the top of the stack. */
static int field(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, 2);
}

static void every_judge(lua_State *L)
{
    bool ticks = field(L, "tick") != LUA_TNIL;
    bool says = field(L, "every") != LUA_TNIL;
    lua_Integer ms = lua_tointeger(L, -1);
    if (ticks != says)
        luaL_error(L, "grid.service: tick and every (ms) go together");
    if (says && (!lua_isinteger(L, -1) || ms < 10 || ms > SERVICE_EVERY_MAX))
        luaL_error(L, "grid.service: every is 10 ms to a day");
}

int grid_register_service(lua_State *L)
{
    struct declared d = {.kind = MODULE_SERVICE, .callback = 2};
    loading_only(L, "service");
    d.name = text_at(L, 1);
    if (!d.name.data || lua_gettop(L) != 2 || lua_type(L, 2) != LUA_TTABLE)
        return luaL_error(L, "grid.service: wanted are a name and a table of functions: start, "
                             "stop, health, call, tick");
    lua_pushnil(L);
    for (int i = 0; lua_next(L, 2); i++) {
        vm_charge(L, 1);
        field_judge(L);
        lua_pop(L, 1);
    }
    every_judge(L);
    if (field(L, "description") != LUA_TNIL)
        d.help = text_at(L, -1);
    return take(L, &d);
}

/* --- grid.broadcast --------------------------------------------------------------------------- */

int grid_register_broadcast(lua_State *L)
{
    struct declared d = {.kind = MODULE_BROADCAST, .callback = 2};
    loading_only(L, "broadcast");
    d.name = text_at(L, 1);
    if (!d.name.data || lua_gettop(L) != 2 || lua_type(L, 2) != LUA_TFUNCTION)
        return luaL_error(L, "grid.broadcast: wanted are a name and a function");
    return take(L, &d);
}

/* --- the procedure of a call (service_call.h) ------------------------------------------------- */

void command_service(struct call *c)
{
    bool refused = call_refuse(c, GRID_EUNSUPPORTED);
    CHECK(refused); /* no call is a step */
    reply_null(c);
}

__attribute__((constructor)) static void procedures_make(void)
{
    static const struct procedure_info ours[] = {
        {.procedure = command_service, .number = 100, .arity = SERVICE_CALL_ARGS, .aside = true},
    };
    procedures_add(ours, sizeof ours / sizeof *ours);
}
