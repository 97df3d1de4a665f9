/* vm_facts.c - what compiled code can do, read from its dump, so that code which cannot go on for
 * ever, or only reads its environment, is spared what guards against that.
 *
 * A dump (Lua 5.4, ldump.c): header, number of upvalues, function: source, lines, 3 bytes, its
 * instructions, constants, upvalues, functions within, and what is left of debugging. Nothing else
 * of Lua's inside is used; a Lua that does it otherwise is found out by facts_trusted(), and then
 * nothing is known of any code. */
#include "compute/vm_priv.h"

#include "base/buf.h"

#include <string.h>

enum {
    HEADER_BYTES = 31, /* and one: number of upvalues */
    DEPTH_MAX = 64,    /* of functions within functions */
    UPVALUES_MAX = 256,
};

/* Of lopcodes.h: those that matter. */
enum {
    OP_GETUPVAL = 9,
    OP_SETUPVAL = 10,
    OP_SETTABUP = 15,
    OP_JMP = 56,
    OP_FORLOOP = 73,
    OP_FORPREP = 74,
    OP_TFORPREP = 75,
    OP_TFORCALL = 76,
    OP_TFORLOOP = 77,
    OP_CLOSURE = 79,
};

struct reading {
    const uint8_t *at, *end;
    bool bad;
    struct vm_facts *facts;
};

static struct slice take(struct reading *r, uint64_t bytes)
{
    if (r->bad || bytes > (uint64_t)(r->end - r->at)) {
        r->bad = true;
        return slice_make(NULL, 0);
    }
    struct slice s = slice_make(r->at, (size_t)bytes);
    r->at += bytes;
    return s;
}

static uint8_t take_byte(struct reading *r)
{
    struct slice s = take(r, 1);
    return s.len ? *s.data : 0;
}

/* Seven bits a byte, the highest first; the last one has bit 7. */
static uint64_t take_size(struct reading *r)
{
    uint64_t n = 0;
    uint8_t b = 0;
    for (int i = 0; i < 9 && !(b & 0x80) && !r->bad; i++) {
        b = take_byte(r);
        n = n << 7 | (b & 0x7f);
    }
    r->bad |= !(b & 0x80);
    return r->bad ? 0 : n;
}

static void take_string(struct reading *r)
{
    uint64_t size = take_size(r);
    if (size)
        take(r, size - 1);
}

static void take_constants(struct reading *r)
{
    for (uint64_t n = take_size(r); n && !r->bad; n--) {
        uint8_t tag = take_byte(r) & 0x0f;
        if (tag == LUA_TSTRING)
            take_string(r);
        else if (tag == LUA_TNUMBER)
            take(r, 8);
    }
}

static void take_debug(struct reading *r)
{
    take(r, take_size(r)); /* lines */
    for (uint64_t n = take_size(r); n && !r->bad; n--) {
        take_size(r);
        take_size(r);
    }
    for (uint64_t n = take_size(r); n && !r->bad; n--) { /* variables */
        take_string(r);
        take_size(r);
        take_size(r);
    }
    for (uint64_t n = take_size(r); n && !r->bad; n--) /* names of upvalues */
        take_string(r);
}

/* `environment`: which upvalues are that. */
static void look_code(struct vm_facts *f, struct slice code, const bool *environment)
{
    for (size_t at = 0; at + 4 <= code.len; at += 4) {
        uint32_t i;
        memcpy(&i, code.data + at, sizeof i);
        unsigned a = i >> 7 & 0xff, b = i >> 16 & 0xff;
        switch (i & 0x7f) {
        case OP_SETUPVAL:
            f->sets_upvalues = true;
            f->keeps_environment &= !environment[b];
            break;
        case OP_GETUPVAL:
            f->keeps_environment &= !environment[b];
            break;
        case OP_SETTABUP:
            f->keeps_environment &= !environment[a];
            break;
        case OP_JMP: /* 25 bits, from -2^24 + 1 on */
            f->straight &= i >> 7 >= (1u << 24) - 1;
            break;
        case OP_CLOSURE:
        case OP_FORLOOP:
        case OP_FORPREP:
        case OP_TFORPREP:
        case OP_TFORCALL:
        case OP_TFORLOOP:
            f->straight = false;
            break;
        default:
            break;
        }
    }
    f->steps += (uint32_t)(code.len / 4);
}

static void take_function(struct reading *r, const bool *outer, int depth)
{
    bool environment[UPVALUES_MAX] = {false};
    if (depth == DEPTH_MAX) {
        r->bad = true;
        return;
    }
    take_string(r);
    take_size(r);
    take_size(r);
    take(r, 3);
    struct slice code = take(r, 4 * take_size(r));
    take_constants(r);
    uint64_t upvalues = take_size(r);
    if (upvalues > UPVALUES_MAX)
        r->bad = true;
    for (uint64_t i = 0; i < upvalues && !r->bad; i++) {
        struct slice u = take(r, 3); /* of the stack, which, kind */
        if (!r->bad && depth == 0)
            environment[i] = outer[i];
        else if (!r->bad)
            environment[i] = !u.data[0] && outer[u.data[1]];
    }
    if (!r->bad)
        look_code(r->facts, code, environment);
    for (uint64_t n = take_size(r); n && !r->bad; n--)
        take_function(r, environment, depth + 1);
    take_debug(r);
}

static int write_piece(lua_State *L, const void *piece, size_t bytes, void *ctx)
{
    (void)L;
    buf_add(ctx, piece, bytes);
    return 0;
}

static struct vm_facts facts_read(struct slice dump, const bool *environment)
{
    struct vm_facts f = {.straight = true, .keeps_environment = true};
    struct reading r = {.at = dump.data, .end = dump.data + dump.len, .facts = &f};
    take(&r, HEADER_BYTES + 1);
    take_function(&r, environment, 0);
    if (r.bad || r.at != r.end)
        return (struct vm_facts){.sets_upvalues = true};
    return f;
}

static struct vm_facts facts_of(lua_State *L)
{
    bool environment[UPVALUES_MAX] = {false};
    struct buf dump = BUF_INIT;
    lua_rawgeti(L, LUA_REGISTRYINDEX, VM_AT_ENVIRONMENT);
    for (int i = 0; i < UPVALUES_MAX && lua_getupvalue(L, -2, i + 1); i++) {
        environment[i] = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_dump(L, write_piece, &dump, true);
    struct vm_facts f = facts_read(buf_slice(&dump), environment);
    buf_release(&dump);
    return f;
}

struct vm_facts vm_facts_of(lua_State *L)
{
    if (!vm_of(L)->facts_trusted)
        return (struct vm_facts){.sets_upvalues = true};
    return facts_of(L);
}

/* --- functions that stay as they are ---------------------------------------------------------- */

struct looking {
    int root;
    bool calls; /* it can get at functions of Lua, itself among them */
};

static bool stays(lua_State *L, int at, struct looking *l, int depth, struct vm_facts *ret_facts);

/* One that has no state, or only a function like that, or only what cannot be changed: iterators
 * and wrapped coroutines are not like that. */
static bool stays_of_c(lua_State *L, int at)
{
    if (!lua_getupvalue(L, at, 1))
        return true;
    bool one = !lua_getupvalue(L, at, 2);
    if (!one)
        lua_pop(L, 1);
    bool good = one && lua_iscfunction(L, -1) && !lua_getupvalue(L, -1, 1);
    if (one && !good && vm_protected(L, -1)) {
        good = true;
        lua_pop(L, 1);
    }
    lua_settop(L, at);
    return good;
}

/* The value at -1. */
static bool value_stays(lua_State *L, struct looking *l, int depth)
{
    struct vm_facts facts;
    int at = lua_gettop(L);
    switch (lua_type(L, at)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
    case LUA_TLIGHTUSERDATA:
        return true;
    case LUA_TFUNCTION:
        if (lua_iscfunction(L, at))
            return stays_of_c(L, at);
        l->calls = true;
        return lua_rawequal(L, at, l->root) || stays(L, at, l, depth + 1, &facts);
    case LUA_TTABLE:
        lua_rawgeti(L, LUA_REGISTRYINDEX, VM_AT_SHOWN); /* seen by what keeps it */
        if (lua_rawequal(L, at, -1) || vm_protected(L, at)) {
            lua_settop(L, at);
            return true;
        }
        lua_settop(L, at);
        return false;
    default:
        return false;
    }
}

/* The function of Lua at `at`, which is the top. */
static bool stays(lua_State *L, int at, struct looking *l, int depth, struct vm_facts *ret_facts)
{
    enum { NESTED_MAX = 8, SLOTS = 8 };
    if (depth == NESTED_MAX || !lua_checkstack(L, SLOTS))
        return false;
    *ret_facts = vm_facts_of(L);
    if (!ret_facts->steps || ret_facts->sets_upvalues)
        return false;
    for (int i = 1; lua_getupvalue(L, at, i); i++) {
        bool good = value_stays(L, l, depth);
        lua_settop(L, at);
        if (!good)
            return false;
    }
    return true;
}

bool vm_facts_stay(lua_State *L, struct vm_facts *ret_facts)
{
    struct looking l = {.root = lua_gettop(L)};
    if (!stays(L, l.root, &l, 0, ret_facts))
        return false;
    ret_facts->straight &= !l.calls;
    return true;
}

/* --- whether this Lua is as it is read here --------------------------------------------------- */

static const struct {
    const char *text;
    bool straight, keeps_environment, sets_upvalues;
} known[] = {
    {"return x", true, true, false},
    {"local a = x if a then y(a) else z.b = {1, 'x', 2.5, nil, true} end return a", true, true,
     false},
    {"x = 1", true, false, false},
    {"local e = _ENV", true, false, false},
    {"_ENV = {}", true, false, true},
    {"while x do end", false, true, false},
    {"repeat until x", false, true, false},
    {"::a:: goto a", false, true, false},
    {"for i = 1, x do end", false, true, false},
    {"for k in x do end", false, true, false},
    {"local function f() return x end", false, true, false},
    {"return function() return function() x = 1 end end", false, false, false},
    {"return function() return _ENV end", false, false, false},
    {"local n return function() n = 1 end", false, true, true},
    {"return function(_ENV) x = 1 end", false, true, false},
};

bool vm_facts_trusted(lua_State *L)
{
    bool good = true;
    for (size_t i = 0; i < sizeof known / sizeof *known && good; i++) {
        const char *text = known[i].text;
        if (luaL_loadbufferx(L, text, strlen(text), "=known", "t"))
            lua_error(L); /* no memory */
        lua_rawgeti(L, LUA_REGISTRYINDEX, VM_AT_ENVIRONMENT);
        lua_setupvalue(L, -2, 1);
        struct vm_facts f = facts_of(L);
        lua_pop(L, 1);
        good = f.steps && f.straight == known[i].straight &&
               f.keeps_environment == known[i].keeps_environment &&
               f.sets_upvalues == known[i].sets_upvalues;
    }
    return good;
}
