/* vm_string.c - string.*: Lua's own where they touch what they are given once, charged by it; rep
 * and format of ours. Patterns: vm_pattern.c. */
#include "compute/vm_priv.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    SPEC_BYTES = 24,
    NUMBER_BYTES = 512, /* of one number formatted: 99 digits behind 309 before the point */
};

static int string_rep(lua_State *L)
{
    size_t len, separator_len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &separator_len);
    vm_charge(L, 1);
    if (n <= 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    size_t most = vm_of(L)->conf.memory_max, piece = len + separator_len;
    if (piece && (uint64_t)n > most / piece)
        return luaL_error(L, "resulting string too large");
    vm_charge(L, (uint64_t)n / 4 + (uint64_t)n * piece / STEP_BYTES);
    luaL_Buffer b;
    char *at = luaL_buffinitsize(L, &b, (size_t)n * piece - separator_len);
    for (lua_Integer i = 0; i < n && piece; i++) {
        memcpy(at, s, len);
        at += len;
        if (i + 1 < n)
            memcpy(at, separator, separator_len);
        at += separator_len;
    }
    luaL_pushresultsize(&b, (size_t)n * piece - separator_len);
    return 1;
}

/* --- format ----------------------------------------------------------------------------------- */

/* Reads "%[flags][width][.precision]" without the letter. `out` gets the text and `more` behind. */
static const char *spec_read(lua_State *L, const char *from, const char *end, const char *more,
                             char out[SPEC_BYTES])
{
    const char *p = from;
    while (p < end && *p && strchr("-+ #0", *p))
        p++;
    bool flags_fit = p - from <= 5;
    for (int digits = 0; p < end && isdigit((unsigned char)*p) && digits < 2; digits++)
        p++;
    if (p < end && *p == '.') {
        p++;
        for (int digits = 0; p < end && isdigit((unsigned char)*p) && digits < 2; digits++)
            p++;
    }
    if (!flags_fit || p >= end || isdigit((unsigned char)*p))
        luaL_error(L, "invalid format (width or precision too long)");
    snprintf(out, SPEC_BYTES, "%%%.*s%s%c", (int)(p - from), from, more, *p);
    return p;
}

static void add_integer(lua_State *L, luaL_Buffer *b, int arg, const char *spec)
{
    char text[NUMBER_BYTES];
    lua_Number n = luaL_checknumber(L, arg);
    long long whole;
    if (lua_isinteger(L, arg)) {
        whole = lua_tointeger(L, arg);
    } else {
        luaL_argcheck(L, n >= -0x1p63 && n < 0x1p63, arg, "number has no integer representation");
        whole = (long long)n;
    }
    int len = snprintf(text, sizeof text, spec, whole);
    luaL_addlstring(b, text, (size_t)len);
}

static void add_number(lua_State *L, luaL_Buffer *b, int arg, const char *spec)
{
    char text[NUMBER_BYTES];
    int len = snprintf(text, sizeof text, spec, luaL_checknumber(L, arg));
    luaL_addlstring(b, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

static void add_string(lua_State *L, luaL_Buffer *b, int arg, const char *spec)
{
    char text[NUMBER_BYTES];
    size_t len;
    const char *s = luaL_tolstring(L, arg, &len);
    vm_charge(L, 1 + len / STEP_BYTES);
    if (strcmp(spec, "%s") == 0 || (!strchr(spec, '.') && len >= 100)) {
        luaL_addvalue(b);
        return;
    }
    luaL_argcheck(L, len == strlen(s), arg, "string contains zeros");
    int n = snprintf(text, sizeof text, spec, s);
    lua_pop(L, 1);
    luaL_addlstring(b, text, (size_t)n);
}

static void add_quoted_string(lua_State *L, luaL_Buffer *b, int arg)
{
    size_t len;
    const char *s = lua_tolstring(L, arg, &len);
    char number[8];
    vm_charge(L, 1 + len / 4);
    luaL_addchar(b, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\' || c == '\n') {
            luaL_addchar(b, '\\');
            luaL_addchar(b, (char)c);
        } else if (iscntrl(c)) {
            bool digit = i + 1 < len && isdigit((unsigned char)s[i + 1]);
            snprintf(number, sizeof number, digit ? "\\%03d" : "\\%d", c);
            luaL_addstring(b, number);
        } else {
            luaL_addchar(b, (char)c);
        }
    }
    luaL_addchar(b, '"');
}

static void add_quoted(lua_State *L, luaL_Buffer *b, int arg)
{
    char text[64];
    switch (lua_type(L, arg)) {
    case LUA_TSTRING:
        add_quoted_string(L, b, arg);
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, arg))
            snprintf(text, sizeof text, "%lld", (long long)lua_tointeger(L, arg));
        else
            snprintf(text, sizeof text, "%a", lua_tonumber(L, arg));
        luaL_addstring(b, text);
        break;
    case LUA_TNIL:
    case LUA_TBOOLEAN:
        luaL_tolstring(L, arg, NULL);
        luaL_addvalue(b);
        break;
    default:
        luaL_argerror(L, arg, "value has no literal form");
    }
}

/* One directive, at its letter. */
static void add_directive(lua_State *L, luaL_Buffer *b, int arg, char letter, const char *from,
                          const char *end)
{
    char spec[SPEC_BYTES], text[8];
    switch (letter) {
    case 'c':
        text[0] = (char)luaL_checkinteger(L, arg);
        luaL_addlstring(b, text, 1);
        return;
    case 'd':
    case 'i':
    case 'o':
    case 'u':
    case 'x':
    case 'X':
        spec_read(L, from, end, "ll", spec);
        add_integer(L, b, arg, spec);
        return;
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        spec_read(L, from, end, "", spec);
        add_number(L, b, arg, spec);
        return;
    case 's':
        spec_read(L, from, end, "", spec);
        add_string(L, b, arg, spec);
        return;
    case 'q':
        if (*from != 'q')
            luaL_error(L, "specifier '%%q' cannot have modifiers");
        add_quoted(L, b, arg);
        return;
    default:
        luaL_error(L, "invalid conversion '%%%c' to 'format'", letter);
    }
}

static int string_format(lua_State *L)
{
    size_t len;
    const char *p = luaL_checklstring(L, 1, &len), *end = p + len;
    int args = lua_gettop(L), arg = 1;
    char ignored[SPEC_BYTES];
    luaL_Buffer b;
    vm_charge(L, 1 + len / 8);
    luaL_buffinit(L, &b);
    while (p < end) {
        if (*p != '%') {
            luaL_addchar(&b, *p++);
            continue;
        }
        p++;
        if (p < end && *p == '%') {
            luaL_addchar(&b, *p++);
            continue;
        }
        if (++arg > args)
            return luaL_argerror(L, arg, "no value");
        const char *letter = spec_read(L, p, end, "", ignored);
        vm_charge(L, 2);
        add_directive(L, &b, arg, *letter, p, end);
        p = letter + 1;
    }
    luaL_pushresult(&b);
    return 1;
}

/* --- the library ------------------------------------------------------------------------------ */

void vm_open_string(lua_State *L)
{
    static const luaL_Reg ours[] = {{"rep", string_rep}, {"format", string_format}, {NULL, NULL}};
    static const char *const counted[] = {"byte", "char", "lower",    "upper",  "reverse",
                                          "sub",  "pack", "packsize", "unpack", NULL};
    lua_pushcfunction(L, luaopen_string);
    lua_call(L, 0, 1);
    for (const char *const *name = counted; *name; name++) {
        lua_getfield(L, -1, *name);
        vm_charged(L);
        lua_setfield(L, -2, *name);
    }
    vm_functions(L, ours);
    vm_open_pattern(L);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    vm_protect(L);
    lua_setfield(L, -2, "string");
}
