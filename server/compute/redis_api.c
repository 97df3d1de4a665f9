/* redis_api.c - redis.*: what scripts see of the grid, as Redis 7.0 has it. Where something has no
 * sense here (what a script replicates is what it changed), the answers are those of Redis. */
#include "compute/redis_priv.h"

#include "base/log.h"
#include "base/sha1.h"
#include "command/procedures.h"

#include <stdio.h>

enum {
    ARGS_SMALL = 16,
    CALL_STEPS = 50, /* of a command, beside its bytes */
    LOG_STEPS = 2000,
    LOG_BYTES = 1024,
    NUMBER_BYTES = 32,
    REDIS_VERSION_NUM = 0x0007000f,
};

/* --- errors ----------------------------------------------------------------------------------- */

static void push_error(lua_State *L, struct slice line)
{
    lua_createtable(L, 0, 2);
    lua_pushlstring(L, (const char *)line.data, line.len);
    lua_setfield(L, -2, "err");
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "ignore_error_stats_update");
}

int redis_raise(lua_State *L, struct slice line)
{
    push_error(L, line);
    return lua_error(L);
}

static int raise(lua_State *L, const char *line)
{
    return redis_raise(L, slice_str(line));
}

void redis_caught(lua_State *L)
{
    if (lua_type(L, -1) != LUA_TTABLE)
        return;
    lua_pushliteral(L, "err");
    if (lua_rawget(L, -2) == LUA_TSTRING)
        lua_replace(L, -2);
    else
        lua_pop(L, 1);
}

/* --- redis.call ------------------------------------------------------------------------------- */

/* What a script wants done. */
struct wanted {
    const struct procedure_info *procedure;
    struct slice *args, *keys;
    uint32_t args_len, keys_len;
};

/* A string, or a number, which is written to `number`. False: it is neither. */
static bool arg_read(lua_State *L, int at, char number[NUMBER_BYTES], struct slice *ret_arg)
{
    size_t len;
    const char *s = number;
    switch (lua_type(L, at)) {
    case LUA_TSTRING:
        s = lua_tolstring(L, at, &len);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, at))
            len = integer_format(lua_tointeger(L, at), number);
        else
            len = (size_t)snprintf(number, NUMBER_BYTES, "%.17g", lua_tonumber(L, at));
        break;
    default:
        return false;
    }
    *ret_arg = slice_make(s, len);
    return true;
}

/* Commands that Redis has and scripts may not use. */
static bool is_known(struct slice name)
{
    static const char *const names[] = {
        "eval",        "evalsha",      "eval_ro",      "evalsha_ro", "multi",      "exec",
        "discard",     "watch",        "unwatch",      "subscribe",  "psubscribe", "ssubscribe",
        "unsubscribe", "punsubscribe", "sunsubscribe", "auth",       "hello",      "quit",
        "reset",       "script",       "client",       "config",     "cluster",    "monitor",
        "save",        "shutdown",     "debug",        "slowlog",    "fcall",      "fcall_ro",
        "function",    NULL,
    };
    for (const char *const *n = names; *n; n++)
        if (arg_is(name, *n))
            return true;
    return false;
}

static int refuse_name(lua_State *L, struct slice name)
{
    return raise(L, is_known(name) ? "ERR This Redis command is not allowed from script"
                                   : "ERR Unknown Redis command called from script");
}

/* Finds the procedure and its keys; raises why not. */
static void wanted_find(lua_State *L, struct wanted *w)
{
    struct slice second = w->args_len > 1 ? w->args[1] : slice_make(NULL, 0);
    const struct procedure_info *p = procedure_named(w->args[0], second);
    if (!p)
        refuse_name(L, w->args[0]);
    if (p->arity >= 0 ? w->args_len != (uint32_t)p->arity : w->args_len < (uint32_t)-p->arity)
        raise(L, "ERR Wrong number of args calling Redis command from script");
    if (p->writes && script_of(L)->reads_only)
        raise(L, "ERR Write commands are not allowed from read-only scripts.");
    int64_t last = p->last >= 0 ? p->last : (int64_t)w->args_len + p->last;
    for (int64_t i = p->first; i <= last && i < (int64_t)w->args_len; i += p->step)
        w->keys[w->keys_len++] = w->args[i];
    w->procedure = p;
}

static struct slice error_text(enum grid_err err)
{
    if (err == GRID_ECROSS_PARTITION)
        return slice_str("ERR Script attempted to access a non local key in a cluster node");
    if (err == GRID_EBAD_REQUEST)
        return slice_str("ERR the key is empty");
    if (err == GRID_EBUSY)
        return slice_str("ERR a key that is not among KEYS is not in memory, and something was "
                         "changed already");
    return resp_error_of(err);
}

static bool reply_is_error(const struct reply *r)
{
    return r->kind == REPLY_ERROR ||
           (r->kind == REPLY_RAW && r->bytes.len && r->bytes.data[0] == '-');
}

static int give_error(lua_State *L, struct slice line, bool raises)
{
    push_error(L, line);
    return raises ? lua_error(L) : 1;
}

static int give_reply(lua_State *L, const struct reply *r, bool raises)
{
    if (r->kind == REPLY_ERROR)
        return give_error(L, r->bytes, raises);
    redis_push_reply(L, r);
    if (raises && reply_is_error(r))
        return lua_error(L);
    return 1;
}

static int run_wanted(lua_State *L, const struct wanted *w, bool raises)
{
    struct script *s = script_of(L);
    struct call *c = s->call;
    unsigned flags = c->flags;
    c->flags = s->resp3 ? flags | CALL_RESP3 : flags & ~(unsigned)CALL_RESP3;
    enum grid_err err =
        call_do(c, w->procedure->procedure, w->args, w->args_len, w->keys, w->keys_len);
    c->flags = flags;
    if (unlikely(call_again(c))) {
        s->halted = true;
        vm_halt(L);
    }
    if (unlikely(err))
        return give_error(L, error_text(err), raises);
    return give_reply(L, &c->reply, raises);
}

/* TIME, PING and ECHO need no key. */
static bool run_plain(lua_State *L, const struct wanted *w)
{
    char text[NUMBER_BYTES];
    struct slice name = w->args[0];
    if (arg_is(name, "time") && w->args_len == 1) {
        uint64_t ms = script_of(L)->call->now;
        lua_createtable(L, 2, 0);
        snprintf(text, sizeof text, "%llu", (unsigned long long)(ms / 1000));
        lua_pushstring(L, text);
        lua_rawseti(L, -2, 1);
        snprintf(text, sizeof text, "%llu", (unsigned long long)(ms % 1000 * 1000));
        lua_pushstring(L, text);
        lua_rawseti(L, -2, 2);
        return true;
    }
    bool ping = arg_is(name, "ping");
    if ((ping && w->args_len <= 2) || (arg_is(name, "echo") && w->args_len == 2)) {
        struct reply r = {REPLY_STATUS, 0, slice_str("PONG")};
        if (w->args_len == 2)
            r = (struct reply){REPLY_BULK, 0, w->args[1]};
        redis_push_reply(L, &r);
        return true;
    }
    return false;
}

static int do_call(lua_State *L, bool raises)
{
    struct slice small[2 * ARGS_SMALL];
    char numbers_small[ARGS_SMALL][NUMBER_BYTES], (*numbers)[NUMBER_BYTES] = numbers_small;
    uint32_t len = (uint32_t)lua_gettop(L);
    struct wanted w = {.args = small, .args_len = len};
    size_t bytes = 0;
    if (script_of(L)->loading)
        return luaL_error(L, "Script attempted to access nonexistent global variable 'call'");
    if (script_of(L)->task)
        return luaL_error(L, "redis.call is not for tasks: they have `grid`");
    if (!script_of(L)->call)
        return luaL_error(
            L, "redis.call is not for maps or services, but for scripts of Redis clients");
    if (!len)
        return raise(L, "ERR Please specify at least one argument for this redis lib call");
    if (len > ARGS_SMALL) {
        w.args = lua_newuserdatauv(L, len * (2 * sizeof *w.args + sizeof *numbers), 0);
        numbers = (void *)(w.args + 2 * (size_t)len);
    }
    w.keys = w.args + len;
    for (uint32_t i = 0; i < len; i++) {
        if (!arg_read(L, (int)i + 1, numbers[i], &w.args[i]))
            return raise(L, "ERR Lua redis lib command arguments must be strings or integers");
        bytes += w.args[i].len;
    }
    vm_charge(L, CALL_STEPS + bytes / 16);
    if (run_plain(L, &w))
        return 1;
    wanted_find(L, &w);
    return run_wanted(L, &w, raises);
}

static int redis_call(lua_State *L)
{
    return do_call(L, true);
}

/* What do_call() raised before it did anything is given, too. */
static int redis_pcall(lua_State *L)
{
    lua_pushcfunction(L, redis_call);
    lua_insert(L, 1);
    if (lua_pcall(L, lua_gettop(L) - 1, 1, 0))
        vm_go_on(L);
    return 1;
}

/* --- replies ---------------------------------------------------------------------------------- */

static int single_field(lua_State *L, const char *name)
{
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) {
        push_error(L, slice_str("ERR wrong number or type of arguments"));
        return 1;
    }
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, name);
    return 1;
}

static int redis_error_reply(lua_State *L)
{
    return single_field(L, "err");
}

static int redis_status_reply(lua_State *L)
{
    return single_field(L, "ok");
}

/* --- the rest --------------------------------------------------------------------------------- */

static int redis_sha1hex(lua_State *L)
{
    char hex[SHA1_HEX];
    size_t len;
    if (lua_gettop(L) != 1)
        return raise(L, "ERR wrong number of arguments");
    const char *s = luaL_checklstring(L, 1, &len);
    vm_charge(L, 16 + len / 4);
    sha1_hex(slice_make(s, len), hex);
    lua_pushlstring(L, hex, sizeof hex);
    return 1;
}

static int redis_setresp(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return raise(L, "ERR redis.setresp() requires one argument.");
    lua_Number version = lua_tonumber(L, 1);
    if (version != 2 && version != 3)
        return raise(L, "ERR RESP version must be 2 or 3.");
    script_of(L)->resp3 = version == 3;
    return 0;
}

static int redis_log(lua_State *L)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_DEBUG, LOG_INFO, LOG_WARN};
    int args = lua_gettop(L);
    char text[LOG_BYTES] = "";
    if (args < 2)
        return raise(L, "ERR redis.log() requires two arguments or more.");
    if (!lua_isnumber(L, 1))
        return raise(L, "ERR First argument must be a number (log level).");
    lua_Number level = lua_tonumber(L, 1);
    if (level < 0 || level > 3)
        return raise(L, "ERR Invalid debug level.");
    vm_charge(L, LOG_STEPS);
    for (int i = 2; i <= args; i++) {
        size_t at = strlen(text);
        const char *s = lua_tostring(L, i);
        if (s)
            snprintf(text + at, sizeof text - at, "%s%s", i > 2 ? " " : "", s);
    }
    log_line(levels[(int)level], "script", "%s", text);
    script_of(L)->logged = true;
    return 0;
}

static int redis_set_repl(lua_State *L)
{
    if (lua_gettop(L) != 1)
        return raise(L, "ERR redis.set_repl() requires two arguments.");
    lua_Number flags = lua_tonumber(L, 1);
    if (flags < 0 || flags > 3)
        return raise(L, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or "
                        "REPL_NONE.");
    return 0;
}

static int redis_replicate_commands(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

static int redis_breakpoint(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

static int redis_debug(lua_State *L)
{
    (void)L;
    return 0;
}

static int redis_acl_check_cmd(lua_State *L)
{
    char numbers[2][NUMBER_BYTES];
    struct slice name;
    if (!lua_gettop(L))
        return raise(L, "ERR Please specify at least one argument for this redis.acl_check_cmd() "
                        "call");
    if (!arg_read(L, 1, numbers[0], &name))
        return raise(L, "ERR redis.acl_check_cmd() require arguments to be strings or integers");
    struct slice second = {NULL, 0};
    if (lua_gettop(L) > 1)
        (void)arg_read(L, 2, numbers[1], &second);
    bool known = procedure_named(name, second) || is_known(name) || arg_is(name, "time") ||
                 arg_is(name, "ping") || arg_is(name, "echo");
    if (!known)
        return raise(L, "ERR Invalid command passed to redis.acl_check_cmd()");
    lua_pushboolean(L, 1);
    return 1;
}

static void numbers_add(lua_State *L)
{
    static const struct {
        const char *name;
        int number;
    } numbers[] = {
        {"LOG_DEBUG", 0},    {"LOG_VERBOSE", 1},
        {"LOG_NOTICE", 2},   {"LOG_WARNING", 3},
        {"REPL_NONE", 0},    {"REPL_AOF", 1},
        {"REPL_REPLICA", 2}, {"REPL_SLAVE", 2},
        {"REPL_ALL", 3},     {"REDIS_VERSION_NUM", REDIS_VERSION_NUM},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        lua_pushinteger(L, numbers[i].number);
        lua_setfield(L, -2, numbers[i].name);
    }
    lua_pushliteral(L, "7.0.15");
    lua_setfield(L, -2, "REDIS_VERSION");
}

static const char shown; /* place of the registry: what is behind the table `redis` */

void redis_show_register(lua_State *L, bool show)
{
    struct vm *vm = vm_of(L);
    if (likely(!(vm->host & SCRIPT_REGISTER) && !show))
        return;
    vm->host |= SCRIPT_REGISTER; /* before what may fail */
    lua_rawgetp(L, LUA_REGISTRYINDEX, &shown);
    lua_pushliteral(L, "register_function");
    if (show)
        lua_pushcfunction(L, redis_register_function);
    else
        lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    if (!show)
        vm->host &= ~(unsigned)SCRIPT_REGISTER;
}

void redis_open(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"call", redis_call},
        {"pcall", redis_pcall},
        {"error_reply", redis_error_reply},
        {"status_reply", redis_status_reply},
        {"sha1hex", redis_sha1hex},
        {"setresp", redis_setresp},
        {"log", redis_log},
        {"set_repl", redis_set_repl},
        {"replicate_commands", redis_replicate_commands},
        {"breakpoint", redis_breakpoint},
        {"debug", redis_debug},
        {"acl_check_cmd", redis_acl_check_cmd},
        {NULL, NULL},
    };
    lua_newtable(L);
    vm_functions(L, ours);
    numbers_add(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &shown);
    vm_protect(L);
    lua_setfield(L, -2, "redis");
    redis_open_json(L);
    redis_open_bit(L);
    redis_open_struct(L);
    redis_open_msgpack(L);
    grid_open(L);
}
