/* map_register.c - grid.map{name = , map = , reduce = , final = , description = }: what the first
 * level of a module says of a map. The function that is kept is a closure over all of them. */
#include "compute/map_priv.h"

static void field_known(lua_State *L)
{
    static const char *const known[] = {"name", "map", "reduce", "final", "description", NULL};
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(not a string)";
    for (const char *const *k = known; *k; k++)
        if (strcmp(name, *k) == 0)
            return;
    luaL_error(L, "grid.map: there is no option '%s'", name);
}

static struct slice text_field(lua_State *L, const char *name)
{
    size_t len = 0;
    lua_pushstring(L, name);
    int type = lua_rawget(L, 1);
    if (type != LUA_TSTRING && type != LUA_TNIL)
        luaL_error(L, "grid.map: %s must be a string, not a %s", name, lua_typename(L, type));
    const char *s = type == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    return slice_make(s, len); /* it stays on the stack */
}

/* Pushes it. */
static void function_field(lua_State *L, const char *name, bool needed)
{
    lua_pushstring(L, name);
    int type = lua_rawget(L, 1);
    if (type != LUA_TFUNCTION && (needed || type != LUA_TNIL))
        luaL_error(L, "grid.map: %s must be a function, not a %s", name, lua_typename(L, type));
}

static void reduce_field(lua_State *L)
{
    size_t len;
    lua_pushliteral(L, "reduce");
    int type = lua_rawget(L, 1);
    const char *s = type == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (s && map_reducer_named(slice_make(s, len)) == MAP_REDUCE_NOT)
        luaL_error(L, "grid.map: reduce is a function, or one of 'sum', 'count', 'min', 'max'");
    if (!s && type != LUA_TFUNCTION && type != LUA_TNIL)
        luaL_error(L, "grid.map: reduce must be a function or a string, not a %s",
                   lua_typename(L, type));
}

int grid_register_map(lua_State *L)
{
    const struct script *s = script_of(L);
    struct declared d = {.kind = MODULE_MAP};
    if (!s->loading)
        return luaL_error(L, "grid.map: only while a module is loaded");
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TTABLE)
        return luaL_error(L, "grid.map: wanted is a table with `name` and `map`");
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        vm_charge(L, 1);
        field_known(L);
        lua_pop(L, 1);
    }
    d.name = text_field(L, "name");
    d.help = text_field(L, "description");
    if (!d.name.data || !module_name_good(d.name))
        return luaL_error(L, "grid.map: a map is named by 1 to 64 letters, digits and _");
    if (!register_help_good(d.help))
        return luaL_error(L, "grid.map: a description is one line of UTF-8, of at most 255 bytes");
    function_field(L, "map", true);
    reduce_field(L);
    function_field(L, "final", false);
    if (lua_type(L, -1) == LUA_TFUNCTION && lua_isnil(L, -2))
        return luaL_error(L, "grid.map: final is for what was reduced");
    lua_pushcclosure(L, map_run_rows, MAP_UPS);
    d.callback = lua_gettop(L);
    return register_declared(L, &d);
}
