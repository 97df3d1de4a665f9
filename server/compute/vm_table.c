/* vm_table.c - table.*: as Lua's, charged by element. sort() is a heapsort, so that no order
 * function makes it longer. */
#include "compute/vm_priv.h"

enum { WHOLE = INT32_MAX };

static lua_Integer length_of(lua_State *L, int at)
{
    luaL_checktype(L, at, LUA_TTABLE);
    return luaL_len(L, at);
}

static int table_insert(lua_State *L)
{
    lua_Integer len = length_of(L, 1), at = len + 1;
    int args = lua_gettop(L);
    vm_charge(L, 1);
    if (args == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)at - 1u < (lua_Unsigned)len + 1u, 2,
                      "position out of bounds");
        for (lua_Integer i = len + 1; i > at; i--) {
            vm_charge(L, 1);
            lua_geti(L, 1, i - 1);
            lua_seti(L, 1, i);
        }
    } else if (args != 2) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_seti(L, 1, at);
    return 0;
}

static int table_remove(lua_State *L)
{
    lua_Integer len = length_of(L, 1), at = luaL_optinteger(L, 2, len);
    if (lua_gettop(L) > 1)
        luaL_argcheck(L,
                      (lua_Unsigned)len + 1u - (lua_Unsigned)at <= (lua_Unsigned)len || at == len,
                      2, "position out of bounds");
    lua_geti(L, 1, at);
    for (; at < len; at++) {
        vm_charge(L, 1);
        lua_geti(L, 1, at + 1);
        lua_seti(L, 1, at);
    }
    vm_charge(L, 1);
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

static int table_move(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2), end = luaL_checkinteger(L, 3);
    lua_Integer to = luaL_checkinteger(L, 4);
    int into = lua_isnoneornil(L, 5) ? 1 : 5;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, into, LUA_TTABLE);
    if (end >= from) {
        luaL_argcheck(L, from > 0 || end < LUA_MAXINTEGER + from, 3, "too many elements to move");
        lua_Integer len = end - from + 1;
        luaL_argcheck(L, to <= LUA_MAXINTEGER - len + 1, 4, "destination wrap around");
        bool up = to > end || to <= from || (into != 1 && !lua_compare(L, 1, into, LUA_OPEQ));
        for (lua_Integer i = 0; i < len; i++) {
            lua_Integer k = up ? i : len - 1 - i;
            vm_charge(L, 1);
            lua_geti(L, 1, from + k);
            lua_seti(L, into, to + k);
        }
    }
    lua_pushvalue(L, into);
    return 1;
}

static void add_element(lua_State *L, luaL_Buffer *b, lua_Integer i)
{
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
    vm_charge(L, 1 + (lua_type(L, -1) == LUA_TSTRING ? lua_rawlen(L, -1) / STEP_BYTES : 0));
    luaL_addvalue(b);
}

static int table_concat(lua_State *L)
{
    lua_Integer end = length_of(L, 1);
    size_t separator_len;
    const char *separator = luaL_optlstring(L, 2, "", &separator_len);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    end = luaL_optinteger(L, 4, end);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; i < end; i++) {
        add_element(L, &b, i);
        luaL_addlstring(&b, separator, separator_len);
    }
    if (i == end)
        add_element(L, &b, i);
    luaL_pushresult(&b);
    return 1;
}

static int table_pack(lua_State *L)
{
    int len = lua_gettop(L);
    vm_charge(L, (uint64_t)len);
    lua_createtable(L, len, 1);
    lua_insert(L, 1);
    for (int i = len; i >= 1; i--)
        lua_seti(L, 1, i);
    lua_pushinteger(L, len);
    lua_setfield(L, 1, "n");
    return 1;
}

static int table_unpack(lua_State *L)
{
    lua_Integer from = luaL_optinteger(L, 2, 1);
    lua_Integer end = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    if (from > end)
        return 0;
    lua_Unsigned len = (lua_Unsigned)end - (lua_Unsigned)from;
    if (len >= WHOLE || !lua_checkstack(L, (int)++len))
        return luaL_error(L, "too many results to unpack");
    vm_charge(L, len);
    for (; from < end; from++)
        lua_geti(L, 1, from);
    lua_geti(L, 1, end);
    return (int)len;
}

/* --- sorting ---------------------------------------------------------------------------------- */

/* Whether the value at `a` comes before that at `b`. */
static bool before(lua_State *L, int a, int b)
{
    vm_charge(L, 2);
    if (lua_isnil(L, 2))
        return lua_compare(L, a, b, LUA_OPLT);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a < 0 ? a - 1 : a);
    lua_pushvalue(L, b < 0 ? b - 2 : b);
    lua_call(L, 2, 1);
    bool yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* Element `i` (from 0) of the heap of `len` goes down to where it belongs. */
static void sift(lua_State *L, lua_Integer i, lua_Integer len)
{
    lua_geti(L, 1, i + 1);
    for (lua_Integer child; (child = 2 * i + 1) < len; i = child) {
        lua_geti(L, 1, child + 1);
        if (child + 1 < len) {
            lua_geti(L, 1, child + 2);
            if (before(L, -2, -1)) {
                lua_replace(L, -2);
                child++;
            } else {
                lua_pop(L, 1);
            }
        }
        if (!before(L, -2, -1)) {
            lua_pop(L, 1);
            break;
        }
        lua_seti(L, 1, i + 1);
    }
    lua_seti(L, 1, i + 1);
}

static int table_sort(lua_State *L)
{
    lua_Integer len = length_of(L, 1);
    if (len < 2)
        return 0;
    luaL_argcheck(L, len < WHOLE, 1, "array too big");
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    for (lua_Integer i = len / 2 - 1; i >= 0; i--)
        sift(L, i, len);
    for (lua_Integer end = len - 1; end > 0; end--) {
        lua_geti(L, 1, 1);
        lua_geti(L, 1, end + 1);
        lua_seti(L, 1, 1);
        lua_seti(L, 1, end + 1);
        sift(L, 0, end);
    }
    return 0;
}

/* --- of Lua 5.1 ------------------------------------------------------------------------------- */

static int table_getn(lua_State *L)
{
    lua_pushinteger(L, length_of(L, 1));
    return 1;
}

static int table_maxn(lua_State *L)
{
    lua_Number most = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        vm_charge(L, 1);
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > most)
            most = lua_tonumber(L, -1);
    }
    if (most == (lua_Number)(lua_Integer)most)
        lua_pushinteger(L, (lua_Integer)most);
    else
        lua_pushnumber(L, most);
    return 1;
}

void vm_open_table(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"insert", table_insert}, {"remove", table_remove},
        {"move", table_move},     {"concat", table_concat},
        {"pack", table_pack},     {"unpack", table_unpack},
        {"sort", table_sort},     {"getn", table_getn},
        {"maxn", table_maxn},     {NULL, NULL},
    };
    lua_newtable(L);
    vm_functions(L, ours);
    lua_getfield(L, -1, "unpack");
    lua_setfield(L, -3, "unpack");
    vm_protect(L);
    lua_setfield(L, -2, "table");
}
