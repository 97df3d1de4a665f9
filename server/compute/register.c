/* register.c - what the first level of a library registers: redis.register_function(), grid.task().
 * When a source is read all of it is kept; when a function is called, the one of its name. */
#include "base/json.h"
#include "compute/redis_priv.h"
#include "compute/service_priv.h"
#include "control/module.h"

#include <strings.h>

static int raise(lua_State *L, const char *line)
{
    return redis_raise(L, slice_str(line));
}

/* The string or number at `at`, which becomes a string in its place; NULL data: it is neither. */
static struct slice text_at(lua_State *L, int at)
{
    size_t len = 0;
    const char *s = lua_isstring(L, at) ? lua_tolstring(L, at, &len) : NULL;
    return slice_make(s, len);
}

bool register_help_good(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            return false;
    return text.len <= MODULE_HELP_MAX && utf8_valid(text);
}

/* --- redis.register_function ------------------------------------------------------------------ */

static unsigned flags_read(lua_State *L, int at)
{
    unsigned flags = 0;
    if (lua_type(L, at) != LUA_TTABLE)
        raise(L, "ERR flags argument to redis.register_function must be a table representing "
                 "function flags");
    for (lua_Integer i = 1; lua_rawgeti(L, at, i) != LUA_TNIL; i++) {
        vm_charge(L, 1);
        unsigned flag = lua_type(L, -1) == LUA_TSTRING ? module_flag_named(text_at(L, -1)) : 0;
        if (!flag)
            raise(L, "ERR unknown flag given");
        flags |= flag;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return flags;
}

/* One field of the table: its key is at -2, its value at -1. Both stay on the stack. */
static void field_read(lua_State *L, struct declared *d)
{
    struct slice key = {NULL, 0};
    int value = lua_gettop(L);
    if (lua_type(L, -2) == LUA_TSTRING)
        key = text_at(L, -2);
    if (!key.data) {
        raise(L, "ERR unknown argument given to redis.register_function");
    } else if (arg_is(key, "function_name")) {
        d->name = text_at(L, value);
        if (!d->name.data)
            raise(L,
                  "ERR function_name argument given to redis.register_function must be a string");
    } else if (arg_is(key, "description")) {
        d->help = text_at(L, value);
        if (!d->help.data)
            raise(L, "ERR description argument given to redis.register_function must be a string");
    } else if (arg_is(key, "callback")) {
        d->callback = value;
        if (lua_type(L, value) != LUA_TFUNCTION)
            raise(L, "ERR callback argument given to redis.register_function must be a function");
    } else if (arg_is(key, "flags")) {
        d->flags = flags_read(L, value);
    } else {
        raise(L, "ERR unknown argument given to redis.register_function");
    }
}

static void table_read(lua_State *L, struct declared *d)
{
    enum { FIELDS = 4 };
    if (lua_type(L, 1) != LUA_TTABLE)
        raise(L, "ERR calling redis.register_function with a single argument is only applicable to "
                 "Lua table (representing named arguments).");
    lua_pushnil(L);
    for (int i = 0; lua_next(L, 1); i++) {
        if (i == FIELDS)
            raise(L, "ERR unknown argument given to redis.register_function");
        field_read(L, d);
        lua_pushvalue(L, -2); /* the key again; the value stays for who borrows it */
    }
    if (!d->name.data)
        raise(L, "ERR redis.register_function must get a function name argument");
    if (!d->callback)
        raise(L, "ERR redis.register_function must get a callback argument");
}

static void pair_read(lua_State *L, struct declared *d)
{
    d->name = text_at(L, 1);
    d->callback = 2;
    if (!d->name.data)
        raise(L, "ERR first argument to redis.register_function must be a string");
    if (lua_type(L, 2) != LUA_TFUNCTION)
        raise(L, "ERR second argument to redis.register_function must be a function");
}

/* --- what is kept ----------------------------------------------------------------------------- */

#define BAD_NAME                                                                                   \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one " \
    "character long"

static void reading_add(lua_State *L, struct reading *r, const struct declared *d)
{
    struct module_function f = {.flags = d->flags, .kind = d->kind};
    memcpy(f.name, d->name.data, d->name.len);
    if (d->help.len)
        memcpy(f.help, d->help.data, d->help.len);
    for (size_t i = 0; i < r->len; i++) {
        if (strcasecmp(r->functions[i].name, f.name))
            continue;
        if (d->kind == MODULE_FUNCTION)
            raise(L, "ERR Function already exists in the library");
        luaL_error(L, "grid.%s: there is a %s %s in the module already", module_kind_text(d->kind),
                   module_kind_text(r->functions[i].kind), r->functions[i].name);
    }
    if (r->len == MODULE_FUNCTIONS_MAX)
        raise(L, "ERR a library has at most 128 functions");
    r->functions[r->len++] = f;
}

int register_declared(lua_State *L, const struct declared *d)
{
    const struct script *s = script_of(L);
    vm_charge(L, 1 + (d->name.len + d->help.len) / 16);
    if (s->reading) {
        reading_add(L, s->reading, d);
    } else if (d->kind == s->kind && slice_eq(d->name, s->name)) {
        if (d->kind == MODULE_SERVICE) {
            service_keep(L, d->callback);
            return 0;
        }
        lua_pushvalue(L, d->callback);
        redis_keep_function(L);
    }
    return 0;
}

static void function_judge(lua_State *L, const struct declared *d)
{
    if (d->name.len > MODULE_NAME_MAX)
        raise(L, "ERR function names have at most 64 characters");
    if (!module_name_good(d->name))
        raise(L, "ERR " BAD_NAME);
    if (!register_help_good(d->help))
        raise(L, "ERR a description is one line of UTF-8, of at most 255 bytes");
}

int redis_register_function(lua_State *L)
{
    struct declared d = {.kind = MODULE_FUNCTION};
    int args = lua_gettop(L);
    if (!script_of(L)->loading) /* a function has kept it */
        return raise(L, "ERR redis.register_function can only be called on FUNCTION LOAD command");
    if (args < 1 || args > 2)
        return raise(L, "ERR wrong number of arguments to redis.register_function");
    if (args == 1)
        table_read(L, &d);
    else
        pair_read(L, &d);
    if (script_of(L)->reading)
        function_judge(L, &d);
    return register_declared(L, &d);
}

/* --- grid.task -------------------------------------------------------------------------------- */

/* The field of the table at 1, which stays on the stack. False: it is not there. */
static bool task_field(lua_State *L, const char *function, const char *name, int type,
                       const char *what)
{
    lua_pushstring(L, name);
    int is = lua_rawget(L, 1);
    if (is != type && is != LUA_TNIL)
        luaL_error(L, "grid.%s: %s must be %s, not a %s", function, name, what,
                   lua_typename(L, is));
    return is != LUA_TNIL;
}

static void task_fields_known(lua_State *L, const char *function)
{
    static const char *const known[] = {"name", "run", "description", "read_only", NULL};
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        const char *const *k = known;
        vm_charge(L, 1);
        struct slice key = slice_make(NULL, 0);
        if (lua_type(L, -2) == LUA_TSTRING)
            key = text_at(L, -2);
        while (*k && !slice_eq(key, slice_str(*k)))
            k++;
        if (!*k)
            luaL_error(L, "grid.%s: there is no option '%s'", function,
                       key.data ? (const char *)key.data : "(not a string)");
        lua_pop(L, 1);
    }
}

static void task_table_read(lua_State *L, struct declared *d, const char *function)
{
    task_fields_known(L, function);
    if (task_field(L, function, "name", LUA_TSTRING, "a string"))
        d->name = text_at(L, -1);
    if (task_field(L, function, "description", LUA_TSTRING, "a string"))
        d->help = text_at(L, -1);
    if (task_field(L, function, "read_only", LUA_TBOOLEAN, "a boolean") && lua_toboolean(L, -1))
        d->flags = MODULE_NO_WRITES;
    if (task_field(L, function, "run", LUA_TFUNCTION, "a function"))
        d->callback = lua_gettop(L);
}

static int register_code(lua_State *L, enum module_kind kind)
{
    struct declared d = {.kind = kind};
    const char *what = module_kind_text(kind);
    const struct script *s = script_of(L);
    if (!s->loading)
        return luaL_error(L, "grid.%s: only while a module is loaded", what);
    if (lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TTABLE) {
        task_table_read(L, &d, what);
    } else {
        d.name = lua_type(L, 1) == LUA_TSTRING ? text_at(L, 1) : d.name;
        d.callback = lua_type(L, 2) == LUA_TFUNCTION && lua_gettop(L) == 2 ? 2 : 0;
    }
    if (!d.name.data || !d.callback)
        return luaL_error(L,
                          "grid.%s: wanted are a name and a function, or a table with `name` "
                          "and `run`",
                          what);
    if (d.flags && kind != MODULE_TASK)
        return luaL_error(L, "grid.%s: there is no option 'read_only'", what);
    if (s->reading && !module_name_good(d.name))
        return luaL_error(L, "grid.%s: a %s is named by 1 to 64 letters, digits and _", what, what);
    if (s->reading && !register_help_good(d.help))
        return luaL_error(L, "grid.%s: a description is one line of UTF-8, of at most 255 bytes",
                          what);
    return register_declared(L, &d);
}

int grid_register_task(lua_State *L)
{
    return register_code(L, MODULE_TASK);
}

int grid_register_job(lua_State *L)
{
    return register_code(L, MODULE_JOB);
}
