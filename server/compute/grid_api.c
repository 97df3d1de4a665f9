/* grid_api.c - grid.*: what tasks see of the grid. A cache is named within the context of the
 * request; left out it is the request's. Keys are those of the task's partition. */
#include "compute/task_priv.h"

#include "base/log.h"

#include <math.h>
#include <stdio.h>

enum {
    FIND_STEPS = 20, /* of a key, beside its bytes */
    SCAN_STEPS = 200,
    NUMBER_BYTES = 32,
    SCAN_LIMIT = 1000,
};
#define TTL_MS_MAX (INT64_C(100) * 366 * 24 * 3600 * 1000)

/* --- arguments -------------------------------------------------------------------------------- */

/* The task that calls; its function is named in errors. */
static struct task *task_of(lua_State *L, const char *function)
{
    const struct script *s = script_of(L);
    if (!s->task || s->loading)
        luaL_error(L, "grid.%s: only a task that runs can call it", function);
    return s->task;
}

static struct task *writer_of(lua_State *L, const char *function)
{
    struct task *t = task_of(L, function);
    if (t->reads_only)
        luaL_error(L, "grid.%s: the task is read-only", function);
    return t;
}

/* A cache at 1 is left out where there are `least` arguments only. */
static void cache_insert(lua_State *L, const char *function, int least, const char *wanted)
{
    int n = lua_gettop(L);
    if (n == least) {
        lua_pushnil(L);
        lua_insert(L, 1);
    } else if (n != least + 1) {
        luaL_error(L, "grid.%s: wanted are a cache, which may be left out, %s", function, wanted);
    }
}

static const struct cache_info *cache_at(lua_State *L, struct task *t, const char *function)
{
    size_t len;
    int type = lua_type(L, 1);
    if (type == LUA_TNIL)
        return task_cache(t, slice_make(NULL, 0));
    if (type != LUA_TSTRING)
        luaL_error(L, "grid.%s: the cache must be a string, not a %s", function,
                   lua_typename(L, type));
    const char *name = lua_tolstring(L, 1, &len);
    const struct cache_info *cache = len ? task_cache(t, slice_make(name, len)) : NULL;
    if (!cache)
        luaL_error(L, "grid.%s: there is no cache '%s' in the context", function, name);
    return cache;
}

static int refuse_key(lua_State *L, const char *function, enum grid_err err)
{
    if (err == GRID_EBAD_REQUEST)
        return luaL_error(L, "grid.%s: the key is empty", function);
    if (err == GRID_ETOO_LARGE)
        return luaL_error(L, "grid.%s: a key has at most %d bytes", function, KEY_BYTES_MAX);
    if (err == GRID_EFULL)
        return luaL_error(L, "grid.%s: a task looks at %d keys at most", function,
                          RECORD_EFFECTS_MAX);
    return luaL_error(L, "grid.%s: %s", function, err_text(err));
}

/* It has to be fetched, and the task begins again. */
static void look_again(lua_State *L, const struct task *t)
{
    if (likely(!call_again(t->call)))
        return;
    script_of(L)->halted = true;
    vm_halt(L);
}

/* The cache at 1, the key at 2. */
static struct task_key *key_at(lua_State *L, struct task *t, const char *function)
{
    struct task_key *k = NULL;
    size_t len;
    const struct cache_info *cache = cache_at(L, t, function);
    if (lua_type(L, 2) != LUA_TSTRING)
        luaL_error(L, "grid.%s: the key must be a string, not a %s", function, luaL_typename(L, 2));
    const char *key = lua_tolstring(L, 2, &len);
    vm_charge(L, FIND_STEPS + len / 16);
    enum grid_err err = task_find(t, cache, slice_make(key, len), &k);
    if (unlikely(err)) {
        look_again(L, t);
        refuse_key(L, function, err);
    }
    return k;
}

/* A number that is none of Lua's integers, but whole, is written as one. `text`: room for one. */
static struct slice value_at(lua_State *L, int at, const char *function, char text[NUMBER_BYTES])
{
    size_t len;
    int type = lua_type(L, at);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        luaL_error(L, "grid.%s: the value must be a string or a number, not a %s", function,
                   lua_typename(L, type));
    if (lua_isinteger(L, at))
        return slice_make(text, integer_format(lua_tointeger(L, at), text));
    if (type == LUA_TNUMBER) {
        double n = lua_tonumber(L, at);
        bool whole = fabs(n) < 1e15 && n == floor(n);
        int bytes = snprintf(text, NUMBER_BYTES, whole ? "%.0f" : "%.17g", n);
        lua_pushlstring(L, text, (size_t)bytes);
        lua_replace(L, at);
    }
    const char *s = lua_tolstring(L, at, &len);
    return slice_make(s, len);
}

/* A whole number of `least` at least. */
static lua_Integer integer_at(lua_State *L, int at, lua_Integer least, const char *function,
                              const char *what)
{
    int is = 0;
    lua_Integer n = lua_type(L, at) == LUA_TNUMBER ? lua_tointegerx(L, at, &is) : 0;
    if (!is)
        luaL_error(L, "grid.%s: %s must be a whole number", function, what);
    if (n < least)
        luaL_error(L, "grid.%s: %s must be %I at least", function, what, least);
    return n;
}

/* 0 means for ever. */
static msec_t deadline_at(lua_State *L, const struct task *t, int at, const char *function)
{
    lua_Integer ttl = integer_at(L, at, 0, function, "the time to live, in ms,");
    if (ttl > TTL_MS_MAX)
        luaL_error(L, "grid.%s: the time to live is more than 100 years", function);
    return ttl ? t->call->now + (msec_t)ttl : 0;
}

static msec_t deadline_new(const struct task *t, const struct task_key *k)
{
    return k->cache->ttl_ms ? t->call->now + k->cache->ttl_ms : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void bytes_only(lua_State *L, const struct task_key *k, const char *function)
{
    if (unlikely(k->there && !value_is_bytes((enum value_type)k->type)))
        luaL_error(L, "grid.%s: the value is a hash, which tasks cannot use", function);
}

static void push_slice(lua_State *L, struct slice s)
{
    vm_charge(L, 1 + s.len / 64);
    lua_pushlstring(L, s.len ? (const char *)s.data : "", s.len);
}

static int grid_get(lua_State *L)
{
    struct task *t = task_of(L, "get");
    cache_insert(L, "get", 1, "and a key");
    const struct task_key *k = key_at(L, t, "get");
    bytes_only(L, k, "get");
    if (k->there)
        push_slice(L, k->value);
    else
        lua_pushnil(L);
    return 1;
}

/* Of what the task itself has written there is no version yet. */
static int grid_version(lua_State *L)
{
    struct task *t = task_of(L, "version");
    cache_insert(L, "version", 1, "and a key");
    const struct task_key *k = key_at(L, t, "version");
    if (k->version)
        lua_pushinteger(L, (lua_Integer)k->version);
    else
        lua_pushnil(L);
    return 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* How a value is put; from a table, or as usual. */
struct put {
    bool ttl, absent, present, versioned;
    msec_t deadline;
    uint64_t version;
};

static bool option_flag(lua_State *L, const char *name)
{
    if (lua_type(L, -1) != LUA_TBOOLEAN)
        luaL_error(L, "grid.put: %s must be a boolean, not a %s", name, luaL_typename(L, -1));
    return lua_toboolean(L, -1);
}

/* The name is at -2, the value at -1. */
static void option_read(lua_State *L, const struct task *t, struct put *put)
{
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(not a string)";
    if (strcmp(name, "ttl") == 0) {
        put->deadline = deadline_at(L, t, lua_gettop(L), "put");
        put->ttl = true;
    } else if (strcmp(name, "if_absent") == 0) {
        put->absent = option_flag(L, name);
    } else if (strcmp(name, "if_present") == 0) {
        put->present = option_flag(L, name);
    } else if (strcmp(name, "if_version") == 0) {
        put->version = (uint64_t)integer_at(L, lua_gettop(L), 0, "put", "if_version");
        put->versioned = true;
    } else {
        luaL_error(L, "grid.put: there is no option '%s'", name);
    }
}

static struct put options_read(lua_State *L, const struct task *t, int at)
{
    struct put put = {.ttl = false};
    lua_pushnil(L);
    while (lua_next(L, at)) {
        vm_charge(L, 1);
        option_read(L, t, &put);
        lua_pop(L, 1);
    }
    return put;
}

static bool condition_met(const struct put *put, const struct task_key *k)
{
    return !(put->absent && k->there) && !(put->present && !k->there) &&
           !(put->versioned && (!k->there || k->version != put->version));
}

static void put_value(lua_State *L, struct task *t, struct task_key *k, struct slice value,
                      msec_t deadline, const char *function)
{
    if (value.len > call_value_max(t->call))
        luaL_error(L, "grid.%s: the value has %I bytes, of %I at most", function,
                   (lua_Integer)value.len, (lua_Integer)call_value_max(t->call));
    vm_charge(L, FIND_STEPS + value.len / 16);
    if (task_put(t, k, value, deadline))
        luaL_error(L, "grid.%s: a task writes at most %d bytes", function, TASK_WRITTEN_MAX);
}

static int grid_put(lua_State *L)
{
    struct task *t = writer_of(L, "put");
    struct put put = {.ttl = false};
    int n = lua_gettop(L);
    if (n > 2 && lua_type(L, n) == LUA_TTABLE) {
        put = options_read(L, t, n);
        lua_settop(L, n - 1);
    }
    cache_insert(L, "put", 2, "a key, a value and a table of options, which may be left out");
    struct task_key *k = key_at(L, t, "put");
    char text[NUMBER_BYTES];
    struct slice value = value_at(L, 3, "put", text);
    bool met = condition_met(&put, k);
    if (met)
        put_value(L, t, k, value, put.ttl ? put.deadline : deadline_new(t, k), "put");
    lua_pushboolean(L, met);
    return 1;
}

static int grid_delete(lua_State *L)
{
    struct task *t = writer_of(L, "delete");
    cache_insert(L, "delete", 1, "and a key");
    struct task_key *k = key_at(L, t, "delete");
    lua_pushboolean(L, k->there);
    if (k->there)
        task_remove(k);
    return 1;
}

/* A number is the delta, so what is left out can be told. */
static lua_Integer delta_at(lua_State *L)
{
    lua_Integer delta = 1;
    int n = lua_gettop(L);
    if (n > 1 && lua_type(L, n) == LUA_TNUMBER) {
        delta = integer_at(L, n, INT64_MIN, "incr", "what is added");
        lua_settop(L, n - 1);
    }
    return delta;
}

static int grid_incr(lua_State *L)
{
    struct task *t = writer_of(L, "incr");
    int64_t number = 0, delta = delta_at(L);
    char text[INTEGER_BYTES];
    cache_insert(L, "incr", 1, "a key, and a number, which may be left out");
    struct task_key *k = key_at(L, t, "incr");
    bytes_only(L, k, "incr");
    if (k->there && !arg_integer(k->value, &number))
        return luaL_error(L, "grid.incr: the value is not a 64-bit decimal number");
    if (__builtin_add_overflow(number, delta, &number))
        return luaL_error(L, "grid.incr: the number would overflow");
    put_value(L, t, k, slice_make(text, integer_format(number, text)),
              k->there ? k->deadline : deadline_new(t, k), "incr");
    lua_pushinteger(L, number);
    return 1;
}

static int grid_expire(lua_State *L)
{
    struct task *t = writer_of(L, "expire");
    cache_insert(L, "expire", 2, "a key and a time to live in ms");
    struct task_key *k = key_at(L, t, "expire");
    msec_t deadline = deadline_at(L, t, 3, "expire");
    lua_pushboolean(L, k->there);
    if (k->there)
        task_expire(k, deadline);
    return 1;
}

/* --- scanning --------------------------------------------------------------------------------- */

/* What is found so far is in the table at `list`. */
struct scan {
    struct task *task;
    const struct cache_info *cache;
    struct slice prefix;
    lua_Integer len, limit;
    int list;
};

static void scan_add(lua_State *L, struct scan *s, struct slice key, struct slice value,
                     uint64_t version, bool bytes)
{
    vm_charge(L, FIND_STEPS);
    lua_createtable(L, 0, 3);
    push_slice(L, key);
    lua_setfield(L, -2, "key");
    if (bytes) {
        push_slice(L, value);
        lua_setfield(L, -2, "value");
    }
    if (version) {
        lua_pushinteger(L, (lua_Integer)version);
        lua_setfield(L, -2, "version");
    }
    lua_rawseti(L, s->list, ++s->len);
}

/* What is stored, but for what the task has changed. */
static void scan_stored(lua_State *L, struct scan *s)
{
    uint64_t cursor = 0;
    do {
        const struct entry *const *entries;
        size_t len;
        vm_charge(L, SCAN_STEPS);
        enum grid_err err =
            call_scan(s->task->call, s->cache, s->prefix, cursor, &cursor, &entries, &len);
        if (unlikely(err)) {
            look_again(L, s->task);
            luaL_error(L, "grid.scan: %s", err_text(err));
        }
        for (size_t i = 0; i < len && s->len < s->limit; i++) {
            const struct entry *e = entries[i];
            bool bytes = value_is_bytes(entry_type(e));
            if (!task_made(s->task, s->cache, entry_key(e)))
                scan_add(L, s, entry_key(e), bytes ? entry_string(e) : entry_key(e),
                         entry_version(e), bytes);
        }
    } while (cursor && s->len < s->limit);
}

static void scan_made(lua_State *L, struct scan *s)
{
    const struct task *t = s->task;
    for (uint32_t i = 0; i < t->keys_len && s->len < s->limit; i++) {
        const struct task_key *k = t->keys[i];
        vm_charge(L, 1);
        if (k && k->changed && k->there && k->cache == s->cache &&
            slice_has_prefix(k->key, s->prefix))
            scan_add(L, s, k->key, k->value, 0, value_is_bytes((enum value_type)k->type));
    }
}

static int grid_scan(lua_State *L)
{
    size_t len = 0;
    struct scan s = {.task = task_of(L, "scan"), .limit = SCAN_LIMIT, .list = 4};
    if (lua_gettop(L) > 3)
        return luaL_error(L, "grid.scan: wanted are a cache, a prefix and a limit, which may be "
                             "left out or nil");
    lua_settop(L, 3);
    s.cache = cache_at(L, s.task, "scan");
    if (lua_type(L, 2) != LUA_TSTRING && lua_type(L, 2) != LUA_TNIL)
        return luaL_error(L, "grid.scan: the prefix must be a string, not a %s",
                          luaL_typename(L, 2));
    const char *prefix = lua_tolstring(L, 2, &len);
    s.prefix = slice_make(prefix, len);
    if (len > KEY_BYTES_MAX)
        return refuse_key(L, "scan", GRID_ETOO_LARGE);
    if (lua_type(L, 3) != LUA_TNIL)
        s.limit = integer_at(L, 3, 1, "scan", "the limit");
    if (s.limit > SCAN_LIMIT_MAX)
        s.limit = SCAN_LIMIT_MAX;
    lua_newtable(L);
    scan_made(L, &s);
    if (s.len < s.limit)
        scan_stored(L, &s);
    return 1;
}

/* --- the rest --------------------------------------------------------------------------------- */

static int grid_emit(lua_State *L)
{
    (void)task_of(L, "emit");
    if (lua_gettop(L) != 1)
        return luaL_error(L, "grid.emit: wanted is one row");
    task_answer_add(L, 1, true);
    return 0;
}

static int grid_log(lua_State *L)
{
    const struct task *t = task_of(L, "log");
    char line[REPORT_LINE_BYTES];
    report_line(L, line);
    log_line(LOG_INFO, "task", "%.*s: %s", (int)t->name.len, (const char *)t->name.data, line);
    return 0;
}

/* Unix ms, the same for the whole run. */
static int grid_now(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)task_of(L, "now")->call->now);
    return 1;
}

static void json_add(lua_State *L)
{
    redis_json_functions(L);
    vm_protect(L);
    lua_setfield(L, -2, "json");
}

void grid_open(lua_State *L)
{
    static const luaL_Reg ours[] = {
        {"task", grid_register_task},
        {"map", grid_register_map},
        {"service", grid_register_service},
        {"broadcast", grid_register_broadcast},
        {"job", grid_register_job},
        {"get", grid_get},
        {"version", grid_version},
        {"put", grid_put},
        {"delete", grid_delete},
        {"incr", grid_incr},
        {"expire", grid_expire},
        {"scan", grid_scan},
        {"emit", grid_emit},
        {"log", grid_log},
        {"now", grid_now},
        {NULL, NULL},
    };
    lua_newtable(L);
    vm_functions(L, ours);
    json_add(L);
    vm_protect(L);
    lua_setfield(L, -2, "grid");
}
