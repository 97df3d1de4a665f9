/* redis_reply.c - replies of commands to values of Lua, and values to the reply of a script, as
 * Redis 7.0 converts them ("Redis Lua API reference"). */
#include "compute/redis_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* --- replies to values ------------------------------------------------------------------------ */

static void push_bytes(lua_State *L, struct slice s)
{
    vm_charge(L, 1);
    lua_pushlstring(L, s.len ? (const char *)s.data : "", s.len);
}

static void push_field(lua_State *L, const char *name, struct slice s)
{
    lua_createtable(L, 0, 1);
    push_bytes(L, s);
    lua_setfield(L, -2, name);
}

/* Of RESP2 false, of RESP3 nil. */
static void push_null(lua_State *L)
{
    if (script_of(L)->resp3)
        lua_pushnil(L);
    else
        lua_pushboolean(L, 0);
}

static size_t push_raw(lua_State *L, struct slice s);

/* `len` values, in an array, or the members of a set. */
static size_t push_items(lua_State *L, struct slice s, int64_t len, bool set)
{
    size_t at = 0;
    luaL_checkstack(L, 6, "the reply is nested too deeply");
    lua_createtable(L, set || len > INT32_MAX ? 0 : (int)len, set ? (int)len : 0);
    for (int64_t i = 1; i <= len; i++) {
        at += push_raw(L, slice_make(s.data + at, s.len - at));
        if (!set) {
            lua_rawseti(L, -2, i);
            continue;
        }
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
    return at;
}

static size_t push_pairs(lua_State *L, struct slice s, int64_t len)
{
    size_t at = 0;
    luaL_checkstack(L, 6, "the reply is nested too deeply");
    lua_createtable(L, 0, (int)len);
    for (int64_t i = 0; i < len; i++) {
        at += push_raw(L, slice_make(s.data + at, s.len - at));
        at += push_raw(L, slice_make(s.data + at, s.len - at));
        lua_rawset(L, -3);
    }
    return at;
}

/* { name = the table at -1 } */
static void wrap(lua_State *L, const char *name)
{
    lua_createtable(L, 0, 1);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
}

static void push_double(lua_State *L, struct slice text)
{
    char digits[64];
    snprintf(digits, sizeof digits, "%.*s", (int)text.len, (const char *)text.data);
    lua_createtable(L, 0, 1);
    lua_pushnumber(L, strtod(digits, NULL));
    lua_setfield(L, -2, "double");
}

static void push_verbatim(lua_State *L, struct slice s)
{
    lua_createtable(L, 0, 2);
    push_bytes(L, slice_make(s.data, 3));
    lua_setfield(L, -2, "format");
    push_bytes(L, slice_make(s.data + 4, s.len - 4));
    lua_setfield(L, -2, "string");
    wrap(L, "verbatim_string");
}

/* A command's own reply, at the front of `s`; well-formed. Returns its length. */
static size_t push_raw(lua_State *L, struct slice s)
{
    const uint8_t *end = memchr(s.data, '\r', s.len);
    CHECK(end);
    struct slice line = slice_make(s.data + 1, (size_t)(end - s.data) - 1);
    size_t head = (size_t)(end - s.data) + 2;
    char type = (char)s.data[0];
    int64_t n = 0;
    if (strchr("$=*%~>:", type))
        CHECK(arg_integer(line, &n));
    struct slice rest = slice_make(s.data + head, s.len - head);
    vm_charge(L, 1);
    switch (type) {
    case '+':
        push_field(L, "ok", line);
        return head;
    case '-':
        push_field(L, "err", line);
        return head;
    case ':':
        lua_pushinteger(L, n);
        return head;
    case '_':
        push_null(L);
        return head;
    case '#':
        lua_pushboolean(L, line.data[0] == 't');
        return head;
    case ',':
        push_double(L, line);
        return head;
    case '%':
        head += push_pairs(L, rest, n);
        wrap(L, "map");
        return head;
    case '~':
        head += push_items(L, rest, n, true);
        wrap(L, "set");
        return head;
    case '*':
        if (n >= 0)
            return head + push_items(L, rest, n, false);
        push_null(L);
        return head;
    default:
        if (n < 0) {
            push_null(L);
            return head;
        }
        rest.len = (size_t)n;
        if (type == '=')
            push_verbatim(L, rest);
        else
            push_bytes(L, rest);
        return head + (size_t)n + 2;
    }
}

void redis_push_reply(lua_State *L, const struct reply *r)
{
    switch (r->kind) {
    case REPLY_OK:
        push_field(L, "ok", slice_str("OK"));
        return;
    case REPLY_INTEGER:
        lua_pushinteger(L, r->number);
        return;
    case REPLY_BULK:
        push_bytes(L, r->bytes);
        return;
    case REPLY_STATUS:
        push_field(L, "ok", r->bytes);
        return;
    case REPLY_ERROR:
        push_field(L, "err", r->bytes);
        return;
    case REPLY_RAW:
        push_raw(L, r->bytes);
        return;
    default:
        push_null(L);
    }
}

/* --- values to replies ------------------------------------------------------------------------ */

static void write_value(lua_State *L, int depth);

static void room(lua_State *L, size_t bytes)
{
    struct script *s = script_of(L);
    vm_charge(L, 1 + bytes / STEP_BYTES);
    if (s->out->len + bytes > SCRIPT_RESULT_MAX) {
        s->too_large = true;
        vm_halt(L);
    }
}

/* Whether the table at -1 has such a field, of that type; it is pushed then. */
static bool has_field(lua_State *L, const char *name, int type)
{
    lua_pushstring(L, name);
    if (lua_rawget(L, -2) == type || (type == LUA_TSTRING && lua_type(L, -1) == LUA_TNUMBER))
        return true;
    lua_pop(L, 1);
    return false;
}

static struct slice text_at_top(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, -1, &len);
    room(L, len);
    return slice_make(s, len);
}

/* The table at -1, whose keys are members or, `pairs`, have values. */
static void write_members(lua_State *L, int depth, bool pairs)
{
    struct script *s = script_of(L);
    uint64_t len = 0;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), len++)
        vm_charge(L, 1);
    if (pairs)
        resp_map(s->out, len, s->client_resp3);
    else
        resp_set(s->out, len, s->client_resp3);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        write_value(L, depth + 1);
        if (pairs) {
            lua_pushvalue(L, -1);
            write_value(L, depth + 1);
        }
    }
}

static void write_array(lua_State *L, int depth)
{
    lua_Integer len = 0;
    for (int type = LUA_TBOOLEAN; type != LUA_TNIL; lua_pop(L, 1)) {
        type = lua_rawgeti(L, -1, len + 1);
        len += type != LUA_TNIL;
        vm_charge(L, 1);
    }
    resp_array(script_of(L)->out, (uint64_t)len);
    for (lua_Integer i = 1; i <= len; i++) {
        lua_rawgeti(L, -1, i);
        write_value(L, depth + 1);
    }
}

/* A line: one that says it is an error already loses the sign for that. */
static void write_error(struct script *s, struct slice line)
{
    if (line.len && line.data[0] == '-')
        line = slice_make(line.data + 1, line.len - 1);
    resp_error(s->out, line);
}

static void write_verbatim(lua_State *L)
{
    if (has_field(L, "string", LUA_TSTRING)) {
        resp_verbatim(script_of(L)->out, text_at_top(L), script_of(L)->client_resp3);
        lua_pop(L, 1);
    } else {
        resp_null(script_of(L)->out, script_of(L)->client_resp3);
    }
}

static void write_table(lua_State *L, int depth)
{
    struct script *s = script_of(L);
    if (has_field(L, "err", LUA_TSTRING)) {
        write_error(s, text_at_top(L));
    } else if (has_field(L, "ok", LUA_TSTRING)) {
        resp_status(s->out, text_at_top(L));
    } else if (has_field(L, "double", LUA_TNUMBER)) {
        resp_double(s->out, lua_tonumber(L, -1), s->client_resp3);
    } else if (has_field(L, "map", LUA_TTABLE)) {
        write_members(L, depth, true);
    } else if (has_field(L, "set", LUA_TTABLE)) {
        write_members(L, depth, false);
    } else if (has_field(L, "verbatim_string", LUA_TTABLE)) {
        write_verbatim(L);
    } else {
        write_array(L, depth);
        return;
    }
    lua_pop(L, 1);
}

static int64_t whole_of(lua_State *L)
{
    if (lua_isinteger(L, -1))
        return lua_tointeger(L, -1);
    lua_Number n = lua_tonumber(L, -1);
    if (n >= -0x1p63 && n < 0x1p63)
        return (int64_t)n;
    return INT64_MIN; /* as a processor converts what does not fit */
}

/* Pops it. */
static void write_value(lua_State *L, int depth)
{
    struct script *s = script_of(L);
    room(L, 24);
    if (depth > SCRIPT_NESTING || !lua_checkstack(L, 8)) {
        resp_error(s->out, slice_str("ERR reached lua stack limit"));
        lua_pop(L, 1);
        return;
    }
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        resp_bulk(s->out, text_at_top(L));
        break;
    case LUA_TNUMBER:
        resp_integer(s->out, whole_of(L));
        break;
    case LUA_TBOOLEAN:
        if (s->resp3)
            resp_boolean(s->out, lua_toboolean(L, -1), s->client_resp3);
        else if (lua_toboolean(L, -1))
            resp_integer(s->out, 1);
        else
            resp_null(s->out, s->client_resp3);
        break;
    case LUA_TTABLE:
        write_table(L, depth);
        break;
    default:
        resp_null(s->out, s->client_resp3);
    }
    lua_pop(L, 1);
}

void redis_write_value(lua_State *L)
{
    lua_pushvalue(L, -1);
    write_value(L, 0);
}
