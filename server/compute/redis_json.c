/* redis_json.c - cjson.encode(), cjson.decode(): as the library that Redis has, with its error
 * texts and its way to tell arrays from objects: keys 1..n, and not much more holes than values.
 * Depth is bounded; size by memory and steps. */
#include "compute/redis_priv.h"
#include "compute/redis_text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 1000, SPARSE_RATIO = 2, SPARSE_SAFE = 10, NUMBER_BYTES = 64, SPACES_FREE = 8 };

/* --- encoding --------------------------------------------------------------------------------- */

static void encode(lua_State *L, struct text *b, int at, int depth);

static void add_text(lua_State *L, struct text *b, int at)
{
    static const char plain[] = "\"\\/\b\f\n\r\t", letters[] = "\"\\/bfnrt";
    size_t len;
    const char *s = lua_tolstring(L, at, &len);
    char code[8];
    vm_charge(L, 1 + len / 8);
    text_char(b, '"');
    for (size_t i = 0; i < len; i++) {
        const char *found = s[i] ? strchr(plain, s[i]) : NULL;
        if (found) {
            text_char(b, '\\');
            text_char(b, letters[found - plain]);
        } else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
            snprintf(code, sizeof code, "\\u%04x", (unsigned char)s[i]);
            text_string(b, code);
        } else {
            text_char(b, s[i]);
        }
    }
    text_char(b, '"');
}

static void add_number(lua_State *L, struct text *b, int at)
{
    char text[NUMBER_BYTES];
    if (lua_isinteger(L, at)) {
        snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(L, at));
    } else {
        if (!isfinite(lua_tonumber(L, at)))
            luaL_error(L, "Cannot serialise number: must not be NaN or Inf");
        snprintf(text, sizeof text, "%.14g", lua_tonumber(L, at));
    }
    text_string(b, text);
}

/* The length of an array; -1: it is an object. `at` is absolute. */
static lua_Integer array_length(lua_State *L, int at)
{
    lua_Integer most = 0, len = 0;
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), len++) {
        lua_Number n = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        vm_charge(L, 1);
        if (n < 1 || n > 0x1p53 || floor(n) != n) {
            lua_pop(L, 2);
            return -1;
        }
        most = (lua_Integer)n > most ? (lua_Integer)n : most;
    }
    if (most > len * SPARSE_RATIO && most > SPARSE_SAFE)
        luaL_error(L, "Cannot serialise table: excessively sparse array");
    return most ? most : -1;
}

static void add_array(lua_State *L, struct text *b, int at, lua_Integer len, int depth)
{
    text_char(b, '[');
    for (lua_Integer i = 1; i <= len; i++) {
        if (i > 1)
            text_char(b, ',');
        lua_rawgeti(L, at, i);
        encode(L, b, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    text_char(b, ']');
}

static void add_object(lua_State *L, struct text *b, int at, int depth)
{
    bool first = true;
    text_char(b, '{');
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), first = false) {
        int value = lua_gettop(L);
        if (!first)
            text_char(b, ',');
        if (lua_type(L, value - 1) == LUA_TNUMBER) {
            text_char(b, '"');
            add_number(L, b, value - 1);
            text_char(b, '"');
        } else if (lua_type(L, value - 1) == LUA_TSTRING) {
            add_text(L, b, value - 1);
        } else {
            luaL_error(L, "Cannot serialise %s: table key must be a number or string",
                       luaL_typename(L, value - 1));
        }
        text_char(b, ':');
        encode(L, b, value, depth);
    }
    text_char(b, '}');
}

static void encode(lua_State *L, struct text *b, int at, int depth)
{
    lua_Integer len;
    vm_charge(L, 1);
    switch (lua_type(L, at)) {
    case LUA_TSTRING:
        add_text(L, b, at);
        return;
    case LUA_TNUMBER:
        add_number(L, b, at);
        return;
    case LUA_TBOOLEAN:
        text_string(b, lua_toboolean(L, at) ? "true" : "false");
        return;
    case LUA_TTABLE:
        if (++depth > DEPTH_MAX)
            luaL_error(L, "Cannot serialise, excessive nesting (%d)", depth);
        luaL_checkstack(L, 8, NULL);
        len = array_length(L, at);
        if (len > 0)
            add_array(L, b, at, len, depth);
        else
            add_object(L, b, at, depth);
        return;
    case LUA_TNIL:
        text_string(b, "null");
        return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, at)) {
            text_string(b, "null");
            return;
        }
        break;
    default:
        break;
    }
    luaL_error(L, "Cannot serialise %s: type not supported", luaL_typename(L, at));
}

int redis_json_encode(lua_State *L)
{
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    lua_pushnil(L);
    struct text b = {.L = L, .at = 2};
    encode(L, &b, 1, 0);
    lua_pushlstring(L, b.data, b.len);
    return 1;
}

/* --- decoding --------------------------------------------------------------------------------- */

struct reader {
    lua_State *L;
    const char *start, *at, *end;
};

static void decode(struct reader *r, int depth);

/* What stands at `at`, as errors name it. */
static const char *token_name(const struct reader *r)
{
    static const char types[] = "{}[]:,\"", *const names[] = {"T_OBJ_BEGIN", "T_OBJ_END",
                                                              "T_ARR_BEGIN", "T_ARR_END",
                                                              "T_COLON",     "T_COMMA",
                                                              "T_STRING"};
    if (r->at >= r->end)
        return "T_END";
    const char *found = *r->at ? strchr(types, *r->at) : NULL;
    if (found)
        return names[found - types];
    if (isdigit((unsigned char)*r->at) || *r->at == '-')
        return "T_NUMBER";
    size_t left = (size_t)(r->end - r->at);
    if ((left >= 4 && memcmp(r->at, "true", 4) == 0) ||
        (left >= 5 && memcmp(r->at, "false", 5) == 0))
        return "T_BOOLEAN";
    return left >= 4 && memcmp(r->at, "null", 4) == 0 ? "T_NULL" : "invalid token";
}

static void expected(struct reader *r, const char *what)
{
    luaL_error(r->L, "Expected %s but found %s at character %d", what, token_name(r),
               (int)(r->at - r->start) + 1);
}

static void spaces(struct reader *r)
{
    const char *from = r->at;
    while (r->at < r->end && *r->at && strchr(" \t\n\r", *r->at))
        r->at++;
    if (unlikely(r->at - from >= SPACES_FREE))
        vm_charge(r->L, (uint64_t)(r->at - from) / SPACES_FREE);
}

static bool is_next(struct reader *r, char c)
{
    spaces(r);
    if (r->at >= r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static unsigned hex_read(struct reader *r)
{
    unsigned n = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        if (r->at >= r->end || !isxdigit((unsigned char)*r->at))
            expected(r, "unicode escape code");
        int c = tolower((unsigned char)*r->at);
        n = n * 16 + (unsigned)(isdigit(c) ? c - '0' : c - 'a' + 10);
    }
    return n;
}

static void add_code(luaL_Buffer *b, unsigned n)
{
    if (n < 0x80) {
        luaL_addchar(b, (char)n);
    } else if (n < 0x800) {
        luaL_addchar(b, (char)(0xc0 | n >> 6));
        luaL_addchar(b, (char)(0x80 | (n & 63)));
    } else if (n < 0x10000) {
        luaL_addchar(b, (char)(0xe0 | n >> 12));
        luaL_addchar(b, (char)(0x80 | (n >> 6 & 63)));
        luaL_addchar(b, (char)(0x80 | (n & 63)));
    } else {
        luaL_addchar(b, (char)(0xf0 | n >> 18));
        luaL_addchar(b, (char)(0x80 | (n >> 12 & 63)));
        luaL_addchar(b, (char)(0x80 | (n >> 6 & 63)));
        luaL_addchar(b, (char)(0x80 | (n & 63)));
    }
}

/* Behind a backslash. */
static void escape_read(struct reader *r, luaL_Buffer *b)
{
    static const char letters[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    char c = r->at < r->end ? *r->at++ : '\0';
    const char *found = c ? strchr(letters, c) : NULL;
    if (found) {
        luaL_addchar(b, plain[found - letters]);
        return;
    }
    if (c != 'u')
        luaL_error(r->L, "Expected value but found invalid escape code at character %d",
                   (int)(r->at - r->start) - 1);
    unsigned n = hex_read(r);
    if (n >= 0xd800 && n < 0xdc00 && r->end - r->at >= 6 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        unsigned low = hex_read(r);
        n = 0x10000 + ((n & 0x3ff) << 10) + (low & 0x3ff);
    }
    add_code(b, n);
}

/* Behind its quote. */
static void text_read(struct reader *r)
{
    luaL_Buffer b;
    const char *from = r->at;
    luaL_buffinit(r->L, &b);
    while (r->at < r->end && *r->at != '"') {
        if (*r->at != '\\') {
            luaL_addchar(&b, *r->at++);
            continue;
        }
        r->at++;
        escape_read(r, &b);
    }
    if (r->at >= r->end)
        luaL_error(r->L, "Expected value but found unexpected end of string at character %d",
                   (int)(r->at - r->start) + 1);
    vm_charge(r->L, 1 + (uint64_t)(r->at - from) / 8);
    r->at++;
    luaL_pushresult(&b);
}

static void number_read(struct reader *r)
{
    char text[NUMBER_BYTES], *end;
    size_t len = 0;
    bool whole = true;
    while (r->at + len < r->end && len + 1 < sizeof text && r->at[len] &&
           strchr("0123456789+-.eExXabcdfABCDF", r->at[len])) {
        text[len] = r->at[len];
        whole &= isdigit((unsigned char)text[len]) || text[len] == '-';
        len++;
    }
    text[len] = '\0';
    int64_t n;
    if (whole && arg_integer(slice_make(text, len), &n)) {
        lua_pushinteger(r->L, n);
    } else {
        lua_pushnumber(r->L, strtod(text, &end));
        len = (size_t)(end - text);
        if (!len)
            expected(r, "value");
    }
    r->at += len;
}

static void object_read(struct reader *r, int depth)
{
    lua_newtable(r->L);
    if (is_next(r, '}'))
        return;
    do {
        if (!is_next(r, '"'))
            expected(r, "object key string");
        text_read(r);
        if (!is_next(r, ':'))
            expected(r, "colon");
        decode(r, depth);
        lua_rawset(r->L, -3);
    } while (is_next(r, ','));
    if (!is_next(r, '}'))
        expected(r, "comma or object end");
}

static void array_read(struct reader *r, int depth)
{
    lua_newtable(r->L);
    if (is_next(r, ']'))
        return;
    lua_Integer len = 0;
    do {
        decode(r, depth);
        lua_rawseti(r->L, -2, ++len);
    } while (is_next(r, ','));
    if (!is_next(r, ']'))
        expected(r, "comma or array end");
}

static bool word_read(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

static void decode(struct reader *r, int depth)
{
    vm_charge(r->L, 2);
    spaces(r);
    luaL_checkstack(r->L, 8, NULL);
    char c = r->at < r->end ? *r->at : '\0';
    if ((c == '{' || c == '[') && depth >= DEPTH_MAX)
        luaL_error(r->L, "Found too many nested data structures (%d)", depth + 1);
    if (is_next(r, '{'))
        object_read(r, depth + 1);
    else if (is_next(r, '['))
        array_read(r, depth + 1);
    else if (is_next(r, '"'))
        text_read(r);
    else if (isdigit((unsigned char)c) || c == '-')
        number_read(r);
    else if (word_read(r, "true"))
        lua_pushboolean(r->L, 1);
    else if (word_read(r, "false"))
        lua_pushboolean(r->L, 0);
    else if (word_read(r, "null"))
        lua_pushlightuserdata(r->L, NULL);
    else
        expected(r, "value");
}

static int json_decode(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    struct reader r = {L, s, s, s + len};
    luaL_argcheck(L, lua_gettop(L) == 1, 1, "expected 1 argument");
    decode(&r, 0);
    spaces(&r);
    if (r.at < r.end)
        expected(&r, "the end");
    return 1;
}

void redis_json_functions(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"encode", redis_json_encode}, {"decode", json_decode}, {NULL, NULL}};
    lua_newtable(L);
    vm_functions(L, ours);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}

void redis_open_json(lua_State *L)
{
    redis_json_functions(L);
    lua_pushliteral(L, "cjson");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "2.1.0");
    lua_setfield(L, -2, "_VERSION");
    vm_protect(L);
    lua_setfield(L, -2, "cjson");
}
