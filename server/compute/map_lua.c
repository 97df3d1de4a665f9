/* map_lua.c - a map in its machine: the loop over rows, the entry that its function sees, emit(),
 * and what rows of one key are reduced to.
 *
 *   first level of the module, which calls grid.map{...} -> map_run_rows (a closure over its
 *   functions) is what is called then: PAGE: map(entry, emit) for each row -> emit -> table
 *   MERGE: rows of others -> table;  TAKE, FINISH: table -> rows
 *
 * No table is made for an entry: all rows are one userdata, which reads the page when it is asked;
 * what is not asked for is never copied. Functions that do each of their instructions once at most
 * (vm_facts.c) pay for them ahead, and nothing counts them. */
#include "compute/map_priv.h"

#include "base/list.h"
#include "shard/snapshot.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { ROW_STEPS = 10, EMIT_STEPS = 5, ROW_KEY_MAX = 64 << 10 };

static const char reduced_place, entry_meta_place; /* of the registry */

static struct map_machine *machine_of(lua_State *L)
{
    return container_of(script_of(L), struct map_machine, script);
}

enum map_reducer map_reducer_named(struct slice name)
{
    static const char *const names[] = {
#define X(name, text) [MAP_REDUCE_##name] = (text),
        MAP_REDUCERS(X)
#undef X
    };
    for (size_t i = MAP_REDUCE_CODE + 1; i < sizeof names / sizeof *names; i++)
        if (slice_eq(name, slice_str(names[i])))
            return (enum map_reducer)i;
    return MAP_REDUCE_NOT;
}

/* --- the entry that a map sees ---------------------------------------------------------------- */

struct seen {
    const uint8_t *at; /* NULL: its map has returned */
    struct snapshot_row row;
};

static struct slice seen_key(const struct seen *e)
{
    return slice_make(e->at + sizeof e->row, e->row.key_len);
}

static struct slice seen_value(const struct seen *e)
{
    return slice_make(e->at + sizeof e->row + e->row.key_len, e->row.value_len);
}

static int push_bytes(lua_State *L, struct slice s)
{
    vm_charge(L, 1 + s.len / 64);
    lua_pushlstring(L, s.len ? (const char *)s.data : "", s.len);
    return 1;
}

/* Digits with a sign before them, zeros first perhaps, that fit in 64 bits for sure. */
static bool plain_integer(struct slice text, int64_t *ret_number)
{
    const uint8_t *at = text.data, *end = text.data + text.len;
    int64_t n = 0;
    bool minus = at < end && *at == '-';
    at += minus;
    if (at == end)
        return false;
    while (end - at >= 8 && load_u64(at) == UINT64_C(0x3030303030303030))
        at += 8;
    while (at < end && *at == '0')
        at++;
    if (end - at > 18)
        return false;
    for (; at < end; at++) {
        unsigned digit = *at - (unsigned)'0';
        if (digit > 9)
            return false;
        n = n * 10 + digit;
    }
    *ret_number = minus ? -n : n;
    return true;
}

static void push_number(lua_State *L, struct slice text)
{
    char copy[64];
    int64_t n;
    if (plain_integer(text, &n) || arg_integer(text, &n)) {
        lua_pushinteger(L, n);
        return;
    }
    char *end;
    if (!text.len || text.len >= sizeof copy) {
        lua_pushnil(L);
        return;
    }
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    double d = strtod(copy, &end);
    if (end == copy + text.len && isfinite(d))
        lua_pushnumber(L, d);
    else
        lua_pushnil(L);
}

static void push_key(lua_State *L, const struct seen *e)
{
    push_bytes(L, seen_key(e));
}

/* A hash has none that it could show. */
static void push_value(lua_State *L, const struct seen *e)
{
    if (value_is_bytes((enum value_type)e->row.type))
        push_bytes(L, seen_value(e));
    else
        lua_pushnil(L);
}

static void push_its_number(lua_State *L, const struct seen *e)
{
    if (value_is_bytes((enum value_type)e->row.type))
        push_number(L, seen_value(e));
    else
        lua_pushnil(L);
}

static void push_size(lua_State *L, const struct seen *e)
{
    lua_pushinteger(L, (lua_Integer)e->row.value_len);
}

static void push_version(lua_State *L, const struct seen *e)
{
    lua_pushinteger(L, (lua_Integer)e->row.version);
}

static const struct {
    const char *name;
    size_t len;
    void (*push)(lua_State *L, const struct seen *e);
} seen_fields[] = {
#define FIELD(name, push)                                                                          \
    {                                                                                              \
        (name), sizeof(name) - 1, (push)                                                           \
    }
    FIELD("number", push_its_number), FIELD("value", push_value),     FIELD("key", push_key),
    FIELD("size", push_size),         FIELD("version", push_version),
#undef FIELD
};

static int entry_index(lua_State *L)
{
    const struct seen *e = lua_touserdata(L, 1);
    size_t len = 0;
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tolstring(L, 2, &len) : "(not a string)";
    if (unlikely(!e || !e->at))
        return luaL_error(L, "an entry is gone when its map has returned");
    for (size_t i = 0; i < sizeof seen_fields / sizeof *seen_fields; i++)
        if (len == seen_fields[i].len && memcmp(name, seen_fields[i].name, len) == 0) {
            seen_fields[i].push(L, e);
            return 1;
        }
    return luaL_error(L, "an entry has key, value, number, size and version, no '%s'", name);
}

static int entry_refuse(lua_State *L)
{
    return luaL_error(L, "an entry cannot be changed by a map");
}

static struct seen *entry_push(lua_State *L)
{
    struct seen *e = lua_newuserdatauv(L, sizeof *e, 0);
    e->at = NULL;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &entry_meta_place) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 3);
        lua_pushcfunction(L, entry_index);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, entry_refuse);
        lua_setfield(L, -2, "__newindex");
        lua_pushliteral(L, "entry");
        lua_setfield(L, -2, "__metatable");
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &entry_meta_place);
    }
    lua_setmetatable(L, -2);
    return e;
}

/* --- reducing --------------------------------------------------------------------------------- */

static bool number_less(lua_State *L, int a, int b)
{
    return lua_compare(L, a, b, LUA_OPLT);
}

/* Of the numbers at -2 (so far) and -1: the reduced one is in their place. */
static void numbers_reduce(lua_State *L, enum map_reducer how)
{
    if (how == MAP_REDUCE_MIN || how == MAP_REDUCE_MAX) {
        bool less = number_less(L, -1, -2);
        if (less == (how == MAP_REDUCE_MIN))
            lua_replace(L, -2);
        else
            lua_pop(L, 1);
        return;
    }
    int64_t sum;
    if (lua_isinteger(L, -1) && lua_isinteger(L, -2) &&
        !__builtin_add_overflow((int64_t)lua_tointeger(L, -2), (int64_t)lua_tointeger(L, -1),
                                &sum)) {
        lua_pop(L, 2);
        lua_pushinteger(L, sum);
        return;
    }
    double d = lua_tonumber(L, -2) + lua_tonumber(L, -1);
    lua_pop(L, 2);
    lua_pushnumber(L, d);
}

/* The key is at `key`, the value at -1, which goes; the table at `table`, the function at `fn`. */
static void reduce_add(lua_State *L, const struct map_machine *m, int table, int key, int fn)
{
    int value = lua_gettop(L);
    if (m->reducer != MAP_REDUCE_CODE && lua_type(L, value) != LUA_TNUMBER)
        luaL_error(L, "emit: what is reduced by the grid must be a number, not a %s",
                   luaL_typename(L, value));
    lua_pushvalue(L, key);
    if (lua_rawget(L, table) == LUA_TNIL) {
        lua_pop(L, 1);
    } else if (m->reducer == MAP_REDUCE_CODE) {
        vm_charge(L, m->reduce_steps);
        lua_pushvalue(L, fn);
        lua_pushvalue(L, key);
        lua_pushvalue(L, value + 1);
        lua_pushvalue(L, value);
        lua_call(L, 3, 1);
        if (lua_isnil(L, -1))
            luaL_error(L, "the reduce function returned nothing");
    } else {
        lua_insert(L, value);
        numbers_reduce(L, m->reducer);
    }
    lua_pushvalue(L, key);
    lua_insert(L, -2);
    lua_rawset(L, table);
    lua_settop(L, value - 1);
}

/* --- rows out --------------------------------------------------------------------------------- */

/* The value at `at`. */
static void value_write(lua_State *L, struct map_machine *m, struct slice key, int at)
{
    size_t len;
    uint8_t bits[8];
    double d;
    uint8_t what = 's';
    int type = lua_type(L, at);
    if (type == LUA_TNUMBER) {
        uint64_t n = (uint64_t)lua_tointeger(L, at);
        what = lua_isinteger(L, at) ? 'i' : 'd';
        d = lua_tonumber(L, at);
        if (what == 'd')
            memcpy(&n, &d, sizeof n);
        store_u64(bits, n);
        map_emitted_add(&m->emitted, key, slice_make(bits, 8), what);
        return;
    }
    if (type == LUA_TTABLE || type == LUA_TBOOLEAN) {
        what = 'j';
        lua_pushcfunction(L, redis_json_encode);
        lua_pushvalue(L, at);
        lua_call(L, 1, 1);
    } else if (type == LUA_TSTRING) {
        lua_pushvalue(L, at);
    } else {
        luaL_error(L, "emit: a value is a string, a number, a boolean or a table, not a %s",
                   lua_typename(L, type));
    }
    const char *s = lua_tolstring(L, -1, &len);
    vm_charge(L, 1 + len / 64);
    map_emitted_add(&m->emitted, key, slice_make(s, len), what);
    lua_pop(L, 1);
}

static void room_look(lua_State *L, struct map_machine *m)
{
    if (likely(m->emitted.len <= m->limits.rows_bytes))
        return;
    m->too_large = true;
    vm_halt(L);
}

/* --- emit ------------------------------------------------------------------------------------- */

enum { EMIT_TABLE = 1, EMIT_REDUCE, EMIT_LAST, EMIT_UPS = EMIT_LAST };

/* What was added up of the last key goes to the table, at `table`; the key is at -1, and goes. */
static void last_flush(lua_State *L, struct map_machine *m, int table)
{
    int key = lua_gettop(L);
    if (m->last_key) {
        m->last_key = NULL;
        lua_pushinteger(L, m->last_sum);
        reduce_add(L, m, table, key, 0);
    }
    lua_settop(L, key - 1);
}

/* emit() of a whole number that is added up: the value. False: it is another emit(). */
static bool is_summed(lua_State *L, const struct map_machine *m, int64_t *ret_value)
{
    int args = lua_gettop(L);
    *ret_value = 1;
    if (m->reducer == MAP_REDUCE_COUNT)
        return args == 1;
    if (m->reducer != MAP_REDUCE_SUM || args != 2 || !lua_isinteger(L, 2))
        return false;
    *ret_value = lua_tointeger(L, 2);
    return true;
}

/* False: the table has to know. */
static bool last_add(struct map_machine *m, const char *key, int64_t value)
{
    int64_t sum;
    if (key != m->last_key || __builtin_add_overflow(m->last_sum, value, &sum))
        return false;
    m->last_sum = sum;
    return true;
}

/* The key at 1 is the last one now. */
static void last_set(lua_State *L, struct map_machine *m, const char *key, int64_t value)
{
    lua_pushvalue(L, lua_upvalueindex(EMIT_LAST));
    last_flush(L, m, lua_upvalueindex(EMIT_TABLE));
    lua_pushvalue(L, 1);
    lua_replace(L, lua_upvalueindex(EMIT_LAST));
    m->last_key = key;
    m->last_sum = value;
}

/* emit(key, value): the key at 1 becomes a string. */
static int emit(lua_State *L)
{
    struct map_machine *m = machine_of(L);
    size_t len;
    int64_t value;
    bool summed = is_summed(L, m, &value);
    if (summed && lua_type(L, 1) == LUA_TSTRING && last_add(m, lua_tostring(L, 1), value)) {
        vm_of(L)->left -= EMIT_STEPS; /* who called it looks */
        return 0;
    }
    vm_charge(L, EMIT_STEPS);
    if (unlikely(lua_gettop(L) == 1 && m->reducer == MAP_REDUCE_COUNT))
        lua_pushinteger(L, 1);
    if (unlikely(lua_gettop(L) != 2 || !lua_isstring(L, 1)))
        return luaL_error(L, "emit: wanted are a key, which is a string or a number, and a value");
    const char *key = lua_tolstring(L, 1, &len);
    if (unlikely(len > ROW_KEY_MAX))
        return luaL_error(L, "emit: a key of a row has at most %d bytes", ROW_KEY_MAX);
    if (m->reducer == MAP_REDUCE_NOT) {
        value_write(L, m, slice_make(key, len), 2);
        room_look(L, m);
        return 0;
    }
    if (summed) {
        last_set(L, m, key, value);
        return 0;
    }
    if (unlikely(lua_isnil(L, 2)))
        return luaL_error(L, "emit: there is no value");
    if (m->reducer == MAP_REDUCE_COUNT) {
        lua_pushinteger(L, 1);
        lua_replace(L, 2);
    }
    lua_settop(L, 2);
    reduce_add(L, m, lua_upvalueindex(EMIT_TABLE), 1, lua_upvalueindex(EMIT_REDUCE));
    return 0;
}

/* --- the loops -------------------------------------------------------------------------------- */

/* What was reduced so far; pushed. */
static void push_reduced(lua_State *L, struct map_machine *m)
{
    if (m->has_table && lua_rawgetp(L, LUA_REGISTRYINDEX, &reduced_place) == LUA_TTABLE)
        return;
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reduced_place);
    m->has_table = true;
}

/* Of the function at -1, which goes: what one call of it takes at most; 0: nobody knows. */
static uint32_t steps_of(lua_State *L)
{
    struct vm_facts facts;
    bool known = !lua_iscfunction(L, -1) && vm_facts_stay(L, &facts) && facts.straight;
    lua_pop(L, 1);
    return known ? facts.steps : 0;
}

/* Whether what the map calls is counted ahead: else it is as it is done. */
static void page_arm(lua_State *L, struct map_machine *m)
{
    m->reduce_steps = 0;
    lua_pushvalue(L, lua_upvalueindex(MAP_UP_MAP));
    m->map_steps = steps_of(L);
    if (m->reducer == MAP_REDUCE_CODE) {
        lua_pushvalue(L, lua_upvalueindex(MAP_UP_REDUCE));
        m->reduce_steps = steps_of(L);
    }
    if (m->map_steps && (m->reduce_steps || m->reducer != MAP_REDUCE_CODE)) {
        vm_disarm(L); /* the module's first level was not like that */
        return;
    }
    m->map_steps = m->reduce_steps = 0;
    vm_arm(L);
}

static void page_run(lua_State *L, struct map_machine *m)
{
    page_arm(L, m);
    struct seen *e = entry_push(L);
    int entry = lua_gettop(L), table = entry + 1, function = entry + 2;
    push_reduced(L, m);
    lua_pushvalue(L, table);
    lua_pushvalue(L, lua_upvalueindex(MAP_UP_REDUCE));
    lua_pushnil(L);
    lua_pushcclosure(L, emit, EMIT_UPS);
    lua_pushlstring(L, m->arg.len ? (const char *)m->arg.data : "", m->arg.len);
    for (size_t at = 0; at < m->in.len;) {
        vm_charge(L, ROW_STEPS + m->map_steps);
        e->at = m->in.data + at;
        memcpy(&e->row, e->at, sizeof e->row);
        lua_pushvalue(L, lua_upvalueindex(MAP_UP_MAP));
        lua_pushvalue(L, entry);
        lua_pushvalue(L, function);
        lua_pushvalue(L, function + 1);
        lua_call(L, 3, 0);
        at += sizeof e->row + e->row.key_len + e->row.value_len;
    }
    e->at = NULL;
    lua_getupvalue(L, function, EMIT_LAST);
    last_flush(L, m, table);
}

static void value_push(lua_State *L, const struct map_emitted *row)
{
    uint64_t bits;
    double d;
    if (row->what == 's') {
        push_bytes(L, row->value);
    } else if (row->what == 'j') {
        redis_json_functions(L);
        lua_getfield(L, -1, "decode");
        push_bytes(L, row->value);
        lua_call(L, 1, 1);
        lua_remove(L, -2);
    } else {
        bits = load_u64(row->value.data);
        memcpy(&d, &bits, sizeof d);
        if (row->what == 'i')
            lua_pushinteger(L, (lua_Integer)bits);
        else
            lua_pushnumber(L, d);
    }
}

static void merge_run(lua_State *L, struct map_machine *m)
{
    struct map_emitted row;
    size_t at = 0;
    if (m->reducer == MAP_REDUCE_NOT) {
        buf_add(&m->emitted, m->in.data, m->in.len);
        room_look(L, m);
        return;
    }
    push_reduced(L, m);
    int table = lua_gettop(L);
    while (at < m->in.len) {
        vm_charge(L, ROW_STEPS);
        if (!map_emitted_read(m->in, &at, &row)) {
            m->bad = true;
            vm_halt(L);
        }
        push_bytes(L, row.key);
        value_push(L, &row);
        reduce_add(L, m, table, table + 1, lua_upvalueindex(MAP_UP_REDUCE));
        lua_settop(L, table);
    }
}

static void take_run(lua_State *L, struct map_machine *m)
{
    bool final = m->mode == MAP_FINISH && lua_isfunction(L, lua_upvalueindex(MAP_UP_FINAL));
    size_t len;
    if (m->reducer == MAP_REDUCE_NOT)
        return;
    push_reduced(L, m);
    int table = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        vm_charge(L, ROW_STEPS);
        if (final) {
            lua_pushvalue(L, lua_upvalueindex(MAP_UP_FINAL));
            lua_pushvalue(L, table + 1);
            lua_pushvalue(L, table + 2);
            lua_call(L, 2, 1);
            lua_replace(L, table + 2);
        }
        const char *key = lua_tolstring(L, table + 1, &len); /* a string, so it stays one */
        if (!lua_isnil(L, table + 2))
            value_write(L, m, slice_make(key, len), table + 2);
        room_look(L, m);
        lua_settop(L, table + 1);
    }
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reduced_place);
    m->has_table = false;
}

int map_run_rows(lua_State *L)
{
    static void (*const runs[])(lua_State *, struct map_machine *) = {
        [MAP_PAGE] = page_run,
        [MAP_MERGE] = merge_run,
        [MAP_TAKE] = take_run,
        [MAP_FINISH] = take_run,
    };
    struct map_machine *m = machine_of(L);
    int type = lua_type(L, lua_upvalueindex(MAP_UP_REDUCE));
    size_t len;
    m->last_key = NULL;
    m->reduce_steps = 0;
    if (m->mode != MAP_PAGE)
        vm_arm(L);
    m->reducer = type == LUA_TNIL ? MAP_REDUCE_NOT : MAP_REDUCE_CODE;
    if (type == LUA_TSTRING) {
        const char *name = lua_tolstring(L, lua_upvalueindex(MAP_UP_REDUCE), &len);
        m->reducer = map_reducer_named(slice_make(name, len));
    }
    if (m->reducer == MAP_REDUCE_COUNT && m->mode == MAP_MERGE)
        m->reducer = MAP_REDUCE_SUM; /* counts are added */
    lua_settop(L, 0);
    runs[m->mode](L, m);
    return 0;
}
