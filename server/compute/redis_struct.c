/* redis_struct.c - struct.pack(), unpack(), size(): the library that Redis has, R. Ierusalimschy's
 * of old, by its formats:
 *   > < !n          order of bytes, alignment at most n; to begin with: the processor's, 1
 *   b h l T i[n]    integers of 1, 2, 8, 8 and n (4) bytes, with a sign in lower case
 *   f d             numbers
 *   s c[n] x        bytes and a zero; n bytes (0: all, or as many as the number before); a zero */
#include "compute/redis_priv.h"
#include "compute/redis_text.h"

#include <ctype.h>
#include <limits.h>

enum { INTEGER_MAX = 32, ALIGN_MAX = 8 };

struct format {
    lua_State *L;
    const char *at;
    size_t align;
    bool big;
};

/* What stands next in it. */
struct option {
    char letter;
    size_t size;
};

static struct format format_begin(lua_State *L)
{
    return (struct format){.L = L, .at = luaL_checkstring(L, 1), .align = 1};
}

static size_t number(struct format *f, size_t otherwise)
{
    size_t n = 0;
    if (!isdigit((unsigned char)*f->at))
        return otherwise;
    while (isdigit((unsigned char)*f->at)) {
        n = n * 10 + (size_t)(*f->at++ - '0');
        if (n > INT_MAX)
            luaL_error(f->L, "integral size overflow");
    }
    return n;
}

static size_t option_size(struct format *f, char letter)
{
    size_t size;
    switch (letter) {
    case 'b':
    case 'B':
    case 'x':
        return 1;
    case 'h':
    case 'H':
        return 2;
    case 'f':
        return sizeof(float);
    case 'l':
    case 'L':
    case 'T':
    case 'd':
        return 8;
    case 'c':
        return number(f, 1);
    case 'i':
    case 'I':
        size = number(f, sizeof(int));
        if (size > INTEGER_MAX)
            luaL_error(f->L, "integral size %d is larger than limit of %d", (int)size,
                       (int)INTEGER_MAX);
        return size;
    default:
        return 0;
    }
}

static void control(struct format *f, char letter)
{
    switch (letter) {
    case ' ':
        return;
    case '>':
    case '<':
        f->big = letter == '>';
        return;
    case '!':
        f->align = number(f, ALIGN_MAX);
        if (!f->align || f->align & (f->align - 1))
            luaL_error(f->L, "alignment %d is not a power of 2", (int)f->align);
        return;
    default:
        luaL_argerror(f->L, 1, lua_pushfstring(f->L, "invalid format option '%c'", letter));
    }
}

/* False: the format is at its end. `len`: bytes so far, which are aligned for it. */
static bool next(struct format *f, size_t *len, struct option *ret_option)
{
    if (!*f->at)
        return false;
    char letter = *f->at++;
    size_t size = option_size(f, letter), to = size < f->align ? size : f->align;
    vm_charge(f->L, 1);
    if (to && letter != 'c')
        *len += (to - (*len & (to - 1))) & (to - 1);
    *ret_option = (struct option){letter, size};
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

static uint64_t whole_at(lua_State *L, int at)
{
    if (lua_isinteger(L, at))
        return (uint64_t)lua_tointeger(L, at);
    lua_Number n = luaL_checknumber(L, at);
    if (n >= -0x1p63 && n < 0)
        return (uint64_t)(int64_t)n;
    if (n >= 0 && n < 0x1p64)
        return (uint64_t)n;
    return UINT64_C(1) << 63; /* as a processor converts what does not fit */
}

static void add_bits(const struct format *f, struct text *b, uint64_t n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        size_t byte = f->big ? bytes - 1 - i : i;
        text_char(b, (char)(byte < sizeof n ? n >> 8 * byte : 0));
    }
}

static void add_string(const struct format *f, struct text *b, const struct option *o, int at)
{
    size_t len;
    const char *s = luaL_checklstring(f->L, at, &len);
    size_t size = o->size ? o->size : len;
    luaL_argcheck(f->L, len >= size, at + 1, "string too short");
    vm_charge(f->L, size / 64);
    text_bytes(b, s, size);
    if (o->letter == 's')
        text_char(b, '\0');
}

static void add(struct format *f, struct text *b, const struct option *o, int *arg)
{
    lua_State *L = f->L;
    uint64_t bits = 0;
    uint32_t small;
    switch (o->letter) {
    case 'x':
        text_char(b, '\0');
        return;
    case 'f': {
        float n = (float)luaL_checknumber(L, (*arg)++);
        memcpy(&small, &n, sizeof small);
        add_bits(f, b, small, sizeof small);
        return;
    }
    case 'd': {
        lua_Number n = luaL_checknumber(L, (*arg)++);
        memcpy(&bits, &n, sizeof bits);
        add_bits(f, b, bits, sizeof bits);
        return;
    }
    case 'c':
    case 's':
        add_string(f, b, o, (*arg)++);
        return;
    default:
        if (o->size)
            add_bits(f, b, whole_at(L, (*arg)++), o->size);
        else
            control(f, o->letter);
    }
}

static int struct_pack(lua_State *L)
{
    struct format f = format_begin(L);
    struct option o;
    int arg = 2, args = lua_gettop(L);
    size_t len = 0;
    lua_pushnil(L); /* behind the arguments, so one that is missing is nil */
    lua_pushnil(L);
    struct text b = {.L = L, .at = args + 2};
    while (next(&f, &len, &o)) {
        while (b.len < len)
            text_char(&b, '\0');
        add(&f, &b, &o, &arg);
        len = b.len;
    }
    lua_pushlstring(L, b.data ? b.data : "", b.len);
    return 1;
}

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t read_bits(const struct format *f, const uint8_t *from, size_t bytes)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | from[f->big ? i : bytes - 1 - i];
    return n;
}

static void give_integer(const struct format *f, const uint8_t *from, const struct option *o)
{
    uint64_t n = read_bits(f, from, o->size), sign = 0;
    bool with_sign = islower((unsigned char)o->letter);
    if (with_sign && o->size && o->size < sizeof n)
        sign = UINT64_C(1) << (8 * o->size - 1);
    n = (n ^ sign) - sign;
    if (with_sign || n <= INT64_MAX)
        lua_pushinteger(f->L, (lua_Integer)n);
    else
        lua_pushnumber(f->L, (lua_Number)n);
}

static void give_number(const struct format *f, const uint8_t *from, const struct option *o)
{
    uint64_t bits = read_bits(f, from, o->size);
    uint32_t small = (uint32_t)bits;
    float single;
    double n;
    memcpy(&single, &small, sizeof single);
    memcpy(&n, &bits, sizeof n);
    lua_pushnumber(f->L, o->letter == 'f' ? (lua_Number)single : n);
}

static void give_bytes(lua_State *L, const uint8_t *from, size_t len)
{
    vm_charge(L, 1 + len / 64);
    lua_pushlstring(L, (const char *)from, len);
}

/* Pushes what it says, if anything; returns the bytes that it took. */
static size_t give(struct format *f, struct option *o, struct slice left, int *values)
{
    lua_State *L = f->L;
    const uint8_t *end;
    switch (o->letter) {
    case 'x':
        return o->size;
    case 'f':
    case 'd':
        give_number(f, left.data, o);
        break;
    case 'c':
        if (!o->size) {
            if (!*values || !lua_isnumber(L, -1))
                luaL_error(L, "format 'c0' needs a previous size");
            lua_Number size = lua_tonumber(L, -1);
            luaL_argcheck(L, size >= 0 && size <= (lua_Number)left.len, 2, "data string too short");
            o->size = (size_t)size;
            lua_pop(L, 1);
            --*values;
        }
        give_bytes(L, left.data, o->size);
        break;
    case 's':
        end = left.len ? memchr(left.data, 0, left.len) : NULL;
        if (!end) {
            luaL_error(L, "unfinished string in data");
            return 0;
        }
        o->size = (size_t)(end - left.data) + 1;
        give_bytes(L, left.data, o->size - 1);
        break;
    default:
        if (!o->size) {
            control(f, o->letter);
            return 0;
        }
        give_integer(f, left.data, o);
    }
    ++*values;
    return o->size;
}

static int struct_unpack(lua_State *L)
{
    struct format f = format_begin(L);
    struct option o;
    size_t len, at;
    const uint8_t *data = (const uint8_t *)luaL_checklstring(L, 2, &len);
    lua_Integer from = luaL_optinteger(L, 3, 1);
    int values = 0;
    luaL_argcheck(L, from > 0, 3, "offset must be 1 or greater");
    at = (size_t)from - 1;
    while (next(&f, &at, &o)) {
        luaL_argcheck(L, at <= len && o.size <= len - at, 2, "data string too short");
        luaL_checkstack(L, 2, "too many results");
        at += give(&f, &o, slice_make(data + at, len - at), &values);
    }
    lua_pushinteger(L, (lua_Integer)at + 1);
    return values + 1;
}

static int struct_size(lua_State *L)
{
    struct format f = format_begin(L);
    struct option o;
    size_t len = 0;
    while (next(&f, &len, &o)) {
        if (o.letter == 's')
            luaL_argerror(L, 1, "option 's' has no fixed size");
        if (o.letter == 'c' && !o.size)
            luaL_argerror(L, 1, "option 'c0' has no fixed size");
        if (!isalnum((unsigned char)o.letter))
            control(&f, o.letter);
        luaL_argcheck(L, len <= INT_MAX - o.size, 1, "format result too large");
        len += o.size;
    }
    lua_pushinteger(L, (lua_Integer)len);
    return 1;
}

void redis_open_struct(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"pack", struct_pack},
        {"unpack", struct_unpack},
        {"size", struct_size},
        {NULL, NULL},
    };
    lua_newtable(L);
    vm_functions(L, ours);
    vm_protect(L);
    lua_setfield(L, -2, "struct");
}
