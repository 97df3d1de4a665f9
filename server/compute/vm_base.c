/* vm_base.c - the environment: the basic functions, coroutines and numbers; tables that refuse
 * changes.
 *
 * A protected table is an empty one whose metatable shows the real one, and which only functions of
 * this file can tell from another. What is here instead of Lua's own charges for what it touches,
 * cannot catch the end of a run, reads no bytecode, and sets no finalizers. */
#include "compute/vm_priv.h"

#include <math.h>
#include <string.h>

static const char mark;

/* --- tables that refuse changes --------------------------------------------------------------- */

int vm_refuse_change(lua_State *L)
{
    return luaL_error(L, "Attempt to modify a readonly table");
}

void vm_protect(lua_State *L)
{
    lua_newtable(L);
    lua_newtable(L);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, vm_refuse_change);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pushboolean(L, 1);
    lua_rawsetp(L, -2, &mark);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

bool vm_protected(lua_State *L, int at)
{
    if (lua_type(L, at) != LUA_TTABLE || !lua_getmetatable(L, at))
        return false;
    if (lua_rawgetp(L, -1, &mark) == LUA_TNIL) {
        lua_pop(L, 2);
        return false;
    }
    lua_pushliteral(L, "__index");
    lua_rawget(L, -3);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return true;
}

void vm_functions(lua_State *L, const luaL_Reg *functions)
{
    luaL_setfuncs(L, functions, 0);
}

int vm_charged_call(lua_State *L)
{
    size_t bytes = 0;
    for (int i = 1; i <= lua_gettop(L); i++)
        if (lua_type(L, i) == LUA_TSTRING)
            bytes += lua_rawlen(L, i);
    vm_charge(L, 1 + bytes / 4);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void vm_charged(lua_State *L)
{
    lua_pushcclosure(L, vm_charged_call, 1);
}

/* --- tables ----------------------------------------------------------------------------------- */

static int base_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    vm_charge(L, 1);
    if (vm_protected(L, 1))
        lua_replace(L, 1);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int base_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") != LUA_TNIL) {
        lua_pushvalue(L, 1);
        lua_call(L, 1, 3);
        return 3;
    }
    lua_pushcfunction(L, base_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static int base_rawget(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (vm_protected(L, 1))
        lua_replace(L, 1);
    lua_rawget(L, 1);
    return 1;
}

static int base_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    if (vm_protected(L, 1)) {
        lua_pushliteral(L, "Attempt to modify a readonly table");
        return lua_error(L);
    }
    lua_rawset(L, 1);
    return 1;
}

static int base_setmetatable(lua_State *L)
{
    int type = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    lua_settop(L, 2);
    if (vm_protected(L, 1)) {
        lua_pushliteral(L, "Attempt to modify a readonly table");
        return lua_error(L);
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "finalizers (__gc) are not supported");
        lua_pop(L, 1);
    }
    lua_setmetatable(L, 1);
    return 1;
}

static int base_getmetatable(lua_State *L)
{
    luaL_checkany(L, 1);
    if (!lua_getmetatable(L, 1)) {
        lua_pushnil(L);
        return 1;
    }
    luaL_getmetafield(L, 1, "__metatable");
    return 1;
}

/* --- errors ----------------------------------------------------------------------------------- */

/* As of Lua 5.1: numbers, too, are told with where it was. */
static int base_error(lua_State *L)
{
    int level = (int)luaL_optinteger(L, 2, 1);
    lua_settop(L, 1);
    if (lua_isstring(L, 1) && level > 0) {
        luaL_where(L, level);
        lua_insert(L, 1);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

/* `extra` values are below the results. */
static int finish(lua_State *L, int status, lua_KContext extra)
{
    vm_go_on(L);
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)extra;
    if (vm_of(L)->conf.caught)
        vm_of(L)->conf.caught(L);
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

static int base_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    vm_charge(L, 4);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    return finish(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish), 0);
}

/* The handler runs where the error was raised: at the end of a run it does not, for there are no
 * hooks now that would end it. */
static int handler(lua_State *L)
{
    if (vm_of(L)->over)
        return 1;
    vm_charge(L, 4);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int base_xpcall(lua_State *L)
{
    int args = lua_gettop(L) - 2;
    luaL_checktype(L, 2, LUA_TFUNCTION);
    vm_charge(L, 4);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handler, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2);
    return finish(L, lua_pcallk(L, args, LUA_MULTRET, 2, 2, finish), 2);
}

/* --- the rest --------------------------------------------------------------------------------- */

/* Lua's own takes what has a base, or is no number. */
static int base_tonumber(lua_State *L)
{
    size_t len;
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TNUMBER)
        return 1;
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING) {
        const char *s = lua_tolstring(L, 1, &len);
        vm_charge(L, 1 + len / 4);
        if (lua_stringtonumber(L, s) == len + 1)
            return 1;
        lua_pushnil(L);
        return 1;
    }
    return vm_charged_call(L);
}

static int base_load(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    const char *name = luaL_optstring(L, 2, text);
    bool environment = !lua_isnone(L, 4);
    if (len > VM_TEXT_MAX)
        return luaL_error(L, "the text is too large");
    vm_charge(L, 16 + 8 * len);
    vm_arm(L);
    if (luaL_loadbufferx(L, text, len, name, "t")) {
        vm_go_on(L);
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (environment)
        lua_pushvalue(L, 4);
    else
        lua_pushvalue(L, lua_upvalueindex(1));
    if (!lua_setupvalue(L, -2, 1))
        lua_pop(L, 1);
    return 1;
}

static int base_collectgarbage(lua_State *L)
{
    static const char *const options[] = {"collect", "count", "step", NULL};
    struct vm *vm = vm_of(L);
    if (luaL_checkoption(L, 1, "collect", options) == 1) {
        lua_pushnumber(L, (lua_Number)vm->bytes / 1024);
        return 1;
    }
    vm_charge(L, 64 + vm->bytes / 32);
    lua_gc(L, LUA_GCCOLLECT);
    lua_pushinteger(L, 0);
    return 1;
}

static int base_gcinfo(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)(vm_of(L)->bytes / 1024));
    return 1;
}

/* Fields of the library at -1 into the table below it. */
static void take_fields(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_getfield(L, -1, *names);
        lua_setfield(L, -3, *names);
    }
}

void vm_open_base(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"next", base_next},
        {"pairs", base_pairs},
        {"rawget", base_rawget},
        {"rawset", base_rawset},
        {"setmetatable", base_setmetatable},
        {"getmetatable", base_getmetatable},
        {"error", base_error},
        {"pcall", base_pcall},
        {"xpcall", base_xpcall},
        {"collectgarbage", base_collectgarbage},
        {"gcinfo", base_gcinfo},
        {NULL, NULL},
    };
    static const char *const theirs[] = {"assert", "ipairs", "rawequal", "rawlen",
                                         "select", "type",   "_VERSION", NULL};
    static const char *const counted[] = {"tonumber", "tostring", NULL};
    lua_pushcfunction(L, luaopen_base);
    lua_call(L, 0, 1);
    take_fields(L, theirs);
    take_fields(L, counted);
    lua_pop(L, 1);
    for (const char *const *name = counted; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_pushcclosure(L, strcmp(*name, "tonumber") ? vm_charged_call : base_tonumber, 1);
        lua_setfield(L, -2, *name);
    }
    vm_functions(L, ours);
    lua_getfield(L, -1, "_G");
    lua_pushcclosure(L, base_load, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "load");
    lua_setfield(L, -2, "loadstring");
}

/* --- coroutines ------------------------------------------------------------------------------- */

static lua_State *coroutine_at(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

static int coroutine_create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    vm_charge(L, COROUTINE_STEPS);
    vm_arm(L);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

/* `args` values are on top. Returns how many it gave; -1: an error, whose value is on top. */
static int resume(lua_State *L, lua_State *co, int args)
{
    int len = 0;
    vm_charge(L, 8);
    if (!lua_checkstack(co, args)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, args);
    vm_of(L)->running = co;
    int status = lua_resume(co, L, args, &len);
    vm_of(L)->running = L;
    vm_go_on(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, len + 1)) {
        lua_pop(co, len);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, len);
    return len;
}

static int coroutine_resume(lua_State *L)
{
    lua_State *co = coroutine_at(L);
    int len = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, len >= 0);
    len = len < 0 ? 1 : len;
    lua_insert(L, -(len + 1));
    return len + 1;
}

static int wrapped(lua_State *L)
{
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int len = resume(L, co, lua_gettop(L));
    if (len < 0)
        return lua_error(L);
    return len;
}

static int coroutine_wrap(lua_State *L)
{
    coroutine_create(L);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int coroutine_yield(lua_State *L)
{
    vm_charge(L, 4);
    return lua_yield(L, lua_gettop(L));
}

static const char *coroutine_state(lua_State *L, lua_State *co)
{
    lua_Debug ar;
    if (L == co)
        return "running";
    switch (lua_status(co)) {
    case LUA_YIELD:
        return "suspended";
    case LUA_OK:
        if (lua_getstack(co, 0, &ar))
            return "normal";
        return lua_gettop(co) ? "suspended" : "dead";
    default:
        return "dead";
    }
}

static int coroutine_status(lua_State *L)
{
    lua_pushstring(L, coroutine_state(L, coroutine_at(L)));
    return 1;
}

static int coroutine_isyieldable(lua_State *L)
{
    lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
    lua_pushboolean(L, lua_isyieldable(co));
    return 1;
}

static int coroutine_running(lua_State *L)
{
    int main = lua_pushthread(L);
    lua_pushboolean(L, main);
    return 2;
}

/* Handlers that close others nest on the stack of C, which Lua does not count here. */
static int coroutine_close(lua_State *L)
{
    struct vm *vm = vm_of(L);
    lua_State *co = coroutine_at(L);
    const char *state = coroutine_state(L, co);
    vm_charge(L, 16);
    if (strcmp(state, "dead") != 0 && strcmp(state, "suspended") != 0)
        return luaL_error(L, "cannot close a %s coroutine", state);
    if (vm->closing >= CLOSING_MAX)
        return luaL_error(L, "too many coroutines are being closed");
    vm->closing++;
    int status = lua_resetthread(co);
    vm->closing--;
    vm_go_on(L);
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK)
        return 1;
    lua_xmove(co, L, 1);
    return 2;
}

void vm_open_coroutine(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"create", coroutine_create},
        {"resume", coroutine_resume},
        {"wrap", coroutine_wrap},
        {"yield", coroutine_yield},
        {"status", coroutine_status},
        {"isyieldable", coroutine_isyieldable},
        {"running", coroutine_running},
        {"close", coroutine_close},
        {NULL, NULL},
    };
    lua_newtable(L);
    vm_functions(L, ours);
    vm_protect(L);
    lua_setfield(L, -2, "coroutine");
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* As drand48() and lrand48() have it, so that a seed gives everywhere the same. */
static int32_t random_next(struct vm *vm)
{
    vm->random = (vm->random * UINT64_C(0x5deece66d) + 0xb) & ((UINT64_C(1) << 48) - 1);
    return (int32_t)(vm->random >> 17);
}

static int math_random(lua_State *L)
{
    double r = (double)(random_next(vm_of(L)) % INT32_MAX) / INT32_MAX;
    int args = lua_gettop(L);
    if (args == 0) {
        lua_pushnumber(L, r);
        return 1;
    }
    lua_Integer low = args == 1 ? 1 : luaL_checkinteger(L, 1);
    lua_Integer high = luaL_checkinteger(L, args == 1 ? 1 : 2);
    if (args > 2)
        return luaL_error(L, "wrong number of arguments");
    luaL_argcheck(L, low <= high, args == 1 ? 1 : 2, "interval is empty");
    double n = floor(r * ((double)high - (double)low + 1)) + (double)low;
    lua_pushinteger(L, n >= (double)high ? high : (lua_Integer)n);
    return 1;
}

static int math_randomseed(lua_State *L)
{
    uint32_t seed = (uint32_t)(int64_t)luaL_checknumber(L, 1);
    vm_of(L)->random = (uint64_t)seed << 16 | 0x330e;
    return 0;
}

static int math_pow(lua_State *L)
{
    lua_pushnumber(L, pow(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

static int math_log10(lua_State *L)
{
    lua_pushnumber(L, log10(luaL_checknumber(L, 1)));
    return 1;
}

static int math_ldexp(lua_State *L)
{
    lua_pushnumber(L, ldexp(luaL_checknumber(L, 1), (int)luaL_checkinteger(L, 2)));
    return 1;
}

static int math_frexp(lua_State *L)
{
    int exponent;
    lua_pushnumber(L, frexp(luaL_checknumber(L, 1), &exponent));
    lua_pushinteger(L, exponent);
    return 2;
}

void vm_open_math(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"random", math_random},
        {"randomseed", math_randomseed},
        {"pow", math_pow},
        {"log10", math_log10},
        {"ldexp", math_ldexp},
        {"frexp", math_frexp},
        {NULL, NULL},
    };
    lua_pushcfunction(L, luaopen_math);
    lua_call(L, 0, 1);
    vm_functions(L, ours);
    vm_protect(L);
    lua_setfield(L, -2, "math");
}
