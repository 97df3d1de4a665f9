/* redis_bit.c - bit.*: operations on 32 bits, as of the BitOp library that Redis has. */
#include "compute/redis_priv.h"

#include <math.h>

/* Numbers wrap around. */
static uint32_t bits_at(lua_State *L, int at)
{
    if (lua_isinteger(L, at))
        return (uint32_t)lua_tointeger(L, at);
    lua_Number n = luaL_checknumber(L, at);
    if (!isfinite(n))
        return 0;
    n = fmod(nearbyint(n), 0x1p32);
    return (uint32_t)(int64_t)n;
}

static int give(lua_State *L, uint32_t bits)
{
    vm_charge(L, 1);
    lua_pushinteger(L, (int32_t)bits);
    return 1;
}

static int bit_tobit(lua_State *L)
{
    return give(L, bits_at(L, 1));
}

static int bit_bnot(lua_State *L)
{
    return give(L, ~bits_at(L, 1));
}

static int bit_bswap(lua_State *L)
{
    return give(L, __builtin_bswap32(bits_at(L, 1)));
}

static int bit_band(lua_State *L)
{
    uint32_t bits = bits_at(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits &= bits_at(L, i);
    return give(L, bits);
}

static int bit_bor(lua_State *L)
{
    uint32_t bits = bits_at(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits |= bits_at(L, i);
    return give(L, bits);
}

static int bit_bxor(lua_State *L)
{
    uint32_t bits = bits_at(L, 1);
    for (int i = lua_gettop(L); i > 1; i--)
        bits ^= bits_at(L, i);
    return give(L, bits);
}

static int bit_lshift(lua_State *L)
{
    return give(L, bits_at(L, 1) << (bits_at(L, 2) & 31));
}

static int bit_rshift(lua_State *L)
{
    return give(L, bits_at(L, 1) >> (bits_at(L, 2) & 31));
}

static int bit_arshift(lua_State *L)
{
    return give(L, (uint32_t)((int32_t)bits_at(L, 1) >> (bits_at(L, 2) & 31)));
}

static uint32_t roll(uint32_t bits, unsigned by)
{
    return by ? bits << by | bits >> (32 - by) : bits;
}

static int bit_rol(lua_State *L)
{
    return give(L, roll(bits_at(L, 1), bits_at(L, 2) & 31));
}

static int bit_ror(lua_State *L)
{
    return give(L, roll(bits_at(L, 1), (0 - bits_at(L, 2)) & 31));
}

static int bit_tohex(lua_State *L)
{
    uint32_t bits = bits_at(L, 1);
    int32_t digits = lua_isnone(L, 2) ? 8 : (int32_t)bits_at(L, 2);
    const char *letters = digits < 0 ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[8];
    uint32_t len = digits < 0 ? 0 - (uint32_t)digits : (uint32_t)digits;
    len = len > 8 ? 8 : len;
    for (uint32_t i = len; i > 0; i--, bits >>= 4)
        text[i - 1] = letters[bits & 15];
    vm_charge(L, 1);
    lua_pushlstring(L, text, len);
    return 1;
}

void redis_open_bit(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"tobit", bit_tobit},   {"tohex", bit_tohex},   {"bnot", bit_bnot},
        {"band", bit_band},     {"bor", bit_bor},       {"bxor", bit_bxor},
        {"lshift", bit_lshift}, {"rshift", bit_rshift}, {"arshift", bit_arshift},
        {"rol", bit_rol},       {"ror", bit_ror},       {"bswap", bit_bswap},
        {NULL, NULL},
    };
    lua_newtable(L);
    vm_functions(L, ours);
    vm_protect(L);
    lua_setfield(L, -2, "bit");
}
