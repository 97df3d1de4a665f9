/* redis_msgpack.c - cmsgpack.pack(), unpack() and their kin: MessagePack as the library that Redis
 * has writes and reads it, with its error texts. Keys 1..n are an array; what is nested deeper than
 * NESTING_MAX, or cannot be told, is nil. A number without fraction is an integer. */
#include "compute/redis_priv.h"
#include "compute/redis_text.h"

#include <limits.h>
#include <math.h>

enum { NESTING_MAX = 16, DEPTH_MAX = 1000, FIRST_ITEMS = 64 };

/* --- writing ---------------------------------------------------------------------------------- */

static void add_number_of(struct text *b, uint8_t tag, uint64_t n, unsigned bytes)
{
    text_char(b, (char)tag);
    while (bytes-- > 0)
        text_char(b, (char)(n >> 8 * bytes));
}

/* How long something is: `fixed` and the length, or one of the tags for 1, 2 and 4 bytes of it; 0:
 * there is none. */
struct lengths {
    uint8_t fixed, fixed_max, tags[3];
};

static void add_length(lua_State *L, struct text *b, const struct lengths *l, uint64_t len)
{
    if (len <= l->fixed_max)
        text_char(b, (char)(l->fixed | len));
    else if (len <= UINT8_MAX && l->tags[0])
        add_number_of(b, l->tags[0], len, 1);
    else if (len <= UINT16_MAX)
        add_number_of(b, l->tags[1], len, 2);
    else if (len <= UINT32_MAX)
        add_number_of(b, l->tags[2], len, 4);
    else
        luaL_error(L, "it is too large for MessagePack");
}

static void add_integer(struct text *b, lua_Integer n)
{
    if (n >= 0) {
        if (n <= 0x7f)
            text_char(b, (char)n);
        else if (n <= UINT8_MAX)
            add_number_of(b, 0xcc, (uint64_t)n, 1);
        else if (n <= UINT16_MAX)
            add_number_of(b, 0xcd, (uint64_t)n, 2);
        else if (n <= UINT32_MAX)
            add_number_of(b, 0xce, (uint64_t)n, 4);
        else
            add_number_of(b, 0xcf, (uint64_t)n, 8);
    } else if (n >= -32) {
        text_char(b, (char)n);
    } else if (n >= INT8_MIN) {
        add_number_of(b, 0xd0, (uint64_t)n, 1);
    } else if (n >= INT16_MIN) {
        add_number_of(b, 0xd1, (uint64_t)n, 2);
    } else if (n >= INT32_MIN) {
        add_number_of(b, 0xd2, (uint64_t)n, 4);
    } else {
        add_number_of(b, 0xd3, (uint64_t)n, 8);
    }
}

static void add_number(lua_State *L, struct text *b, int at)
{
    lua_Number n = lua_tonumber(L, at);
    if (lua_isinteger(L, at)) {
        add_integer(b, lua_tointeger(L, at));
    } else if (n >= -0x1p63 && n < 0x1p63 && (lua_Number)(lua_Integer)n == n) {
        add_integer(b, (lua_Integer)n);
    } else if (isinf(n) || (fabs(n) <= 0x1.fffffep127 && (lua_Number)(float)n == n)) {
        uint32_t bits;
        float f = (float)n;
        memcpy(&bits, &f, sizeof bits);
        add_number_of(b, 0xca, bits, 4);
    } else {
        uint64_t bits;
        memcpy(&bits, &n, sizeof bits);
        add_number_of(b, 0xcb, bits, 8);
    }
}

static void add_string(lua_State *L, struct text *b, int at)
{
    static const struct lengths lengths = {0xa0, 31, {0xd9, 0xda, 0xdb}};
    size_t len;
    const char *s = lua_tolstring(L, at, &len);
    vm_charge(L, 1 + len / 64);
    add_length(L, b, &lengths, len);
    text_bytes(b, s, len);
}

/* How many fields there are; *ret_array: they are 1..n. */
static uint64_t count(lua_State *L, int at, bool *ret_array)
{
    uint64_t len = 0;
    lua_Number most = 0;
    *ret_array = true;
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), len++) {
        vm_charge(L, 1);
        lua_Number n = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        *ret_array &= n >= 1 && n <= 0x1p53 && floor(n) == n;
        most = n > most ? n : most;
    }
    *ret_array &= most == (lua_Number)len;
    return len;
}

static void add(lua_State *L, struct text *b, int at, int depth);

static void add_table(lua_State *L, struct text *b, int at, int depth)
{
    static const struct lengths array = {0x90, 15, {0, 0xdc, 0xdd}},
                                map = {0x80, 15, {0, 0xde, 0xdf}};
    bool is_array;
    luaL_checkstack(L, 8, "in function mp_encode_lua_table");
    uint64_t len = count(L, at, &is_array);
    add_length(L, b, is_array ? &array : &map, len);
    for (uint64_t i = 1; i <= len && is_array; i++) {
        lua_rawgeti(L, at, (lua_Integer)i);
        add(L, b, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    if (is_array)
        return;
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
        int value = lua_gettop(L);
        add(L, b, value - 1, depth);
        add(L, b, value, depth);
    }
}

static void add(lua_State *L, struct text *b, int at, int depth)
{
    vm_charge(L, 1);
    switch (lua_type(L, at)) {
    case LUA_TSTRING:
        add_string(L, b, at);
        return;
    case LUA_TNUMBER:
        add_number(L, b, at);
        return;
    case LUA_TBOOLEAN:
        text_char(b, (char)(lua_toboolean(L, at) ? 0xc3 : 0xc2));
        return;
    case LUA_TTABLE:
        if (depth < NESTING_MAX) {
            add_table(L, b, at, depth + 1);
            return;
        }
        break;
    default:
        break;
    }
    text_char(b, (char)0xc0);
}

static int msgpack_pack(lua_State *L)
{
    int args = lua_gettop(L);
    if (!args)
        return luaL_argerror(L, 0, "MessagePack pack needs input.");
    lua_pushnil(L);
    struct text b = {.L = L, .at = args + 1};
    for (int i = 1; i <= args; i++)
        add(L, &b, i, 0);
    lua_pushlstring(L, b.data, b.len);
    return 1;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reader {
    lua_State *L;
    const uint8_t *at, *end;
};

static void bad(const struct reader *r)
{
    luaL_error(r->L, "Bad data format in input.");
}

static const uint8_t *take(struct reader *r, uint64_t bytes)
{
    if (bytes > (uint64_t)(r->end - r->at))
        luaL_error(r->L, "Missing bytes in input.");
    const uint8_t *from = r->at;
    r->at += bytes;
    return from;
}

static uint64_t take_number(struct reader *r, unsigned bytes)
{
    uint64_t n = 0;
    const uint8_t *from = take(r, bytes);
    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | from[i];
    return n;
}

static void give_string(struct reader *r, uint64_t len)
{
    const uint8_t *from = take(r, len);
    vm_charge(r->L, 1 + len / 64);
    lua_pushlstring(r->L, (const char *)from, (size_t)len);
}

static void give(struct reader *r, int depth);

/* Memory is taken as they come. */
static void give_items(struct reader *r, uint64_t len, bool pairs, int depth)
{
    lua_State *L = r->L;
    int room = len < FIRST_ITEMS ? (int)len : FIRST_ITEMS;
    if (depth == DEPTH_MAX)
        bad(r);
    luaL_checkstack(L, 6, "in function mp_decode_to_lua_type");
    lua_createtable(L, pairs ? 0 : room, pairs ? room : 0);
    for (uint64_t i = 1; i <= len; i++) {
        give(r, depth + 1);
        if (!pairs) {
            lua_rawseti(L, -2, (lua_Integer)i);
            continue;
        }
        bool key =
            !lua_isnil(L, -1) && !(lua_type(L, -1) == LUA_TNUMBER && isnan(lua_tonumber(L, -1)));
        if (!key)
            bad(r);
        give(r, depth + 1);
        lua_rawset(L, -3);
    }
}

static void give_unsigned(lua_State *L, uint64_t n)
{
    if (n <= INT64_MAX)
        lua_pushinteger(L, (lua_Integer)n);
    else
        lua_pushnumber(L, (lua_Number)n);
}

static void give_float(struct reader *r, bool small)
{
    if (small) {
        float f;
        uint32_t bits = (uint32_t)take_number(r, 4);
        memcpy(&f, &bits, sizeof f);
        lua_pushnumber(r->L, (lua_Number)f);
    } else {
        double d;
        uint64_t bits = take_number(r, 8);
        memcpy(&d, &bits, sizeof d);
        lua_pushnumber(r->L, d);
    }
}

static void give_tagged(struct reader *r, uint8_t tag, int depth)
{
    switch (tag) {
    case 0xc0:
        lua_pushnil(r->L);
        return;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(r->L, tag == 0xc3);
        return;
    case 0xca:
    case 0xcb:
        give_float(r, tag == 0xca);
        return;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        give_unsigned(r->L, take_number(r, 1u << (tag - 0xcc)));
        return;
    case 0xd0:
        lua_pushinteger(r->L, (int8_t)take_number(r, 1));
        return;
    case 0xd1:
        lua_pushinteger(r->L, (int16_t)take_number(r, 2));
        return;
    case 0xd2:
        lua_pushinteger(r->L, (int32_t)take_number(r, 4));
        return;
    case 0xd3:
        lua_pushinteger(r->L, (int64_t)take_number(r, 8));
        return;
    case 0xd9:
    case 0xda:
    case 0xdb:
        give_string(r, take_number(r, 1u << (tag - 0xd9)));
        return;
    case 0xdc:
    case 0xdd:
        give_items(r, take_number(r, 2u << (tag - 0xdc)), false, depth);
        return;
    case 0xde:
    case 0xdf:
        give_items(r, take_number(r, 2u << (tag - 0xde)), true, depth);
        return;
    default:
        bad(r);
    }
}

/* The next value, pushed. */
static void give(struct reader *r, int depth)
{
    uint8_t tag = *take(r, 1);
    vm_charge(r->L, 1);
    if (tag < 0x80)
        lua_pushinteger(r->L, tag);
    else if (tag >= 0xe0)
        lua_pushinteger(r->L, (int8_t)tag);
    else if (tag < 0x90)
        give_items(r, tag & 0x0f, true, depth);
    else if (tag < 0xa0)
        give_items(r, tag & 0x0f, false, depth);
    else if (tag < 0xc0)
        give_string(r, tag & 0x1f);
    else
        give_tagged(r, tag, depth);
}

/* As many values as `limit` from `from` on, with where the next one is before them, -1 behind the
 * last one; both 0: all, and nothing before them. */
static int unpack(lua_State *L, lua_Integer limit, lua_Integer from)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    bool all = !limit && !from;
    int values = 0;
    if (from < 0 || limit < 0)
        /* as Redis says it: not the limit that was asked for */
        return luaL_error(L, "Invalid request to unpack with offset of %I and limit of %I.", from,
                          (lua_Integer)len);
    if ((lua_Unsigned)from > len)
        return luaL_error(L, "Start offset %I greater than input length %I.", from,
                          (lua_Integer)len);
    lua_settop(L, 1);
    struct reader r = {L, (const uint8_t *)s + from, (const uint8_t *)s + len};
    for (; r.at < r.end && (all || values < limit); values++) {
        luaL_checkstack(L, 2, "too many values");
        give(&r, 0);
    }
    if (all)
        return values;
    lua_pushinteger(L, r.at == r.end ? -1 : (lua_Integer)(r.at - (const uint8_t *)s));
    lua_insert(L, 2);
    return values + 1;
}

static int msgpack_unpack(lua_State *L)
{
    return unpack(L, 0, 0);
}

static int msgpack_unpack_one(lua_State *L)
{
    return unpack(L, 1, luaL_optinteger(L, 2, 0));
}

static int msgpack_unpack_limit(lua_State *L)
{
    return unpack(L, luaL_checkinteger(L, 2), luaL_optinteger(L, 3, 0));
}

void redis_open_msgpack(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"pack", msgpack_pack},
        {"unpack", msgpack_unpack},
        {"unpack_one", msgpack_unpack_one},
        {"unpack_limit", msgpack_unpack_limit},
        {NULL, NULL},
    };
    lua_newtable(L);
    vm_functions(L, ours);
    lua_pushliteral(L, "cmsgpack");
    lua_setfield(L, -2, "_NAME");
    lua_pushliteral(L, "lua-cmsgpack 0.4.0");
    lua_setfield(L, -2, "_VERSION");
    vm_protect(L);
    lua_setfield(L, -2, "cmsgpack");
}
