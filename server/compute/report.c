/* report.c - see report.h. */
#include "compute/report.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

enum { LINE_STEPS = 2000 };

/* --- faults ----------------------------------------------------------------------------------- */

/* People read it: what is no UTF-8 is shown as that. */
static void clean(struct buf *out)
{
    bool good = utf8_valid(buf_slice(out));
    for (size_t i = 0; i < out->len; i++) {
        uint8_t c = out->data[i];
        if ((c >= 0x80 && !good) || (c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            out->data[i] = '?';
    }
}

/* Bytes of its beginning, which ends with a whole character. */
static int beginning(struct slice text)
{
    size_t len = text.len < SCRIPT_FAULT_MAX ? text.len : SCRIPT_FAULT_MAX;
    for (size_t back = 0; len < text.len && back < 4 && back < len; back++)
        if ((text.data[len - back] & 0xc0) != 0x80)
            return (int)(len - back);
    return (int)len;
}

void report_fault(struct buf *out, struct slice name, struct slice text, const char *trace)
{
    out->len = 0;
    buf_printf(out, "%.*s\ntraceback of %.*s:", beginning(text),
               text.len ? (const char *)text.data : "", (int)name.len, (const char *)name.data);
    for (const char *end; (end = strchr(trace, '\n')); trace = end + 1)
        buf_printf(out, "\n  %.*s", (int)(end - trace), trace);
    if (out->len > REPORT_FAULT_MAX)
        out->len = REPORT_FAULT_MAX;
    clean(out);
}

void report_error(lua_State *L, struct buf *out, struct slice name)
{
    size_t len;
    if (lua_type(L, -1) == LUA_TTABLE) {
        lua_pushcfunction(L, redis_json_encode);
        lua_insert(L, -2);
        if (lua_pcall(L, 1, 1, 0)) {
            lua_pop(L, 1);
            lua_pushliteral(L, "(an error that is a table)");
        }
    }
    const char *text = luaL_tolstring(L, -1, &len);
    report_fault(out, name, slice_make(text, len), vm_of(L)->trace);
}

/* --- lines and values ------------------------------------------------------------------------- */

void report_line(lua_State *L, char ret_line[REPORT_LINE_BYTES])
{
    ret_line[0] = '\0';
    vm_charge(L, LINE_STEPS);
    for (int i = 1; i <= lua_gettop(L); i++) {
        size_t at = strlen(ret_line);
        if (at + 1 == REPORT_LINE_BYTES)
            return;
        const char *s = lua_isstring(L, i) ? lua_tostring(L, i) : luaL_typename(L, i);
        snprintf(ret_line + at, REPORT_LINE_BYTES - at, "%s%s", i > 1 ? " " : "", s);
    }
}

struct slice report_value(lua_State *L, int at, const char *what)
{
    size_t len;
    int type = lua_type(L, at);
    if (type == LUA_TTABLE || type == LUA_TBOOLEAN || type == LUA_TNUMBER) {
        at = lua_absindex(L, at);
        lua_pushcfunction(L, redis_json_encode);
        lua_pushvalue(L, at);
        lua_call(L, 1, 1);
        lua_replace(L, at);
    } else if (type != LUA_TSTRING) {
        luaL_error(L, "%s is a string, a table, a number or a boolean, not a %s", what,
                   lua_typename(L, type));
    }
    const char *s = lua_tolstring(L, at, &len);
    return slice_make(s, len);
}
