/* job_api.c - what a job's code is given: j. */
#include "base/json.h"
#include "compute/job_run_priv.h"

#include <math.h>
#include <stdio.h>

enum { ASK_STEPS = 200, SCAN_LIMIT = 1000, RUN_BITS = 24 };

static struct job_run *job_of(lua_State *L, const char *function)
{
    struct job_run *r = script_of(L)->job;
    if (!r)
        luaL_error(L, "j.%s: only the job that runs can call it", function);
    if (r->ports->stopped(r->ports->ctx)) {
        r->over = true;
        vm_halt(L);
    }
    return r;
}

/* Of what waited: the attempt may be over. */
static void go_on(lua_State *L, struct job_run *r, const char *function, enum grid_err err)
{
    if (err && r->ports->stopped(r->ports->ctx))
        r->over = true;
    if (r->over)
        vm_halt(L);
    if (err)
        luaL_error(L, "j.%s: %s", function, err_text(err));
}

/* --- arguments -------------------------------------------------------------------------------- */

static struct slice string_at(lua_State *L, int at, const char *function, const char *what)
{
    size_t len;
    if (lua_type(L, at) != LUA_TSTRING)
        luaL_error(L, "j.%s: the %s must be a string, not a %s", function, what,
                   luaL_typename(L, at));
    const char *s = lua_tolstring(L, at, &len);
    return slice_make(s, len);
}

static uint32_t cache_named(lua_State *L, const struct job_run *r, struct slice name,
                            const char *function)
{
    uint32_t cache = 0;
    if (!job_cache_named(r, name, &cache))
        luaL_error(L, "j.%s: there is no cache '%s' in the context", function,
                   name.len ? (const char *)name.data : "");
    return cache;
}

/* A cache at 1 is left out where there are `least` arguments; nil is the job's. Behind it the key,
 * which is at 2 then. */
static struct job_key *key_at(lua_State *L, struct job_run *r, const char *function, int least)
{
    uint32_t cache = (uint32_t)r->row.cache;
    int n = lua_gettop(L);
    if (n == least) {
        lua_pushnil(L);
        lua_insert(L, 1);
    } else if (n != least + 1) {
        luaL_error(L, "j.%s: wrong number of arguments", function);
    }
    if (!lua_isnil(L, 1))
        cache = cache_named(L, r, string_at(L, 1, function, "cache"), function);
    struct slice key = string_at(L, 2, function, "key");
    if (!key.len || key.len > KEY_BYTES_MAX)
        luaL_error(L, "j.%s: a key has 1 to %d bytes", function, KEY_BYTES_MAX);
    vm_charge(L, ASK_STEPS);
    struct job_key *k = r->bytes < JOB_WRITTEN_MAX ? job_key_of(r, cache, key) : NULL;
    if (!k)
        luaL_error(L,
                   "j.%s: between two checkpoints a job reads and writes %d keys and %d bytes "
                   "at most",
                   function, JOB_KEYS_MAX, JOB_WRITTEN_MAX);
    return k;
}

static struct slice value_at(lua_State *L, int at, const char *function)
{
    size_t len;
    int type = lua_type(L, at);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        luaL_error(L, "j.%s: the value must be a string or a number, not a %s", function,
                   lua_typename(L, type));
    if (type == LUA_TNUMBER && !lua_isinteger(L, at)) {
        double n = lua_tonumber(L, at);
        if (fabs(n) < 1e15 && n == floor(n)) {
            lua_pushinteger(L, (lua_Integer)n);
            lua_replace(L, at);
        }
    }
    const char *s = lua_tolstring(L, at, &len);
    return slice_make(s, len);
}

static lua_Integer integer_at(lua_State *L, int at, const char *function, const char *what)
{
    int is = 0;
    lua_Integer n = lua_type(L, at) == LUA_TNUMBER ? lua_tointegerx(L, at, &is) : 0;
    if (!is)
        luaL_error(L, "j.%s: %s must be a whole number", function, what);
    return n;
}

static void push_slice(lua_State *L, struct slice s)
{
    vm_charge(L, 1 + s.len / 64);
    lua_pushlstring(L, s.len ? (const char *)s.data : "", s.len);
}

/* --- keys ------------------------------------------------------------------------------------- */

static void key_read(lua_State *L, struct job_run *r, struct job_key *k)
{
    bool adds = k->w.kind == JOB_ADD;
    go_on(L, r, adds ? "incr" : "get", job_key_read(r, k));
}

static int job_get(lua_State *L)
{
    struct job_run *r = job_of(L, "get");
    struct job_key *k = key_at(L, r, "get", 1);
    key_read(L, r, k);
    if (k->hash && k->w.kind == JOB_READ)
        return luaL_error(L, "j.get: the value is a hash, which jobs cannot use");
    if (k->there)
        push_slice(L, job_key_value(k));
    else
        lua_pushnil(L);
    return 1;
}

static int job_put(lua_State *L)
{
    struct job_run *r = job_of(L, "put");
    lua_Integer ttl = -1;
    int n = lua_gettop(L);
    if (n > 2 && lua_type(L, n) == LUA_TTABLE) {
        lua_getfield(L, n, "ttl");
        ttl = lua_isnil(L, -1) ? -1 : integer_at(L, n + 1, "put", "ttl, in ms,");
        if (ttl < -1 || (uint64_t)(ttl + 1) > JOB_MS_MAX)
            return luaL_error(L, "j.put: ttl, in ms, is 0 to 100 years");
        lua_settop(L, n - 1);
    }
    struct job_key *k = key_at(L, r, "put", 2);
    job_key_set(r, k, JOB_PUT, value_at(L, 3, "put"));
    k->w.ttl_ms = (uint64_t)(ttl + 1);
    return 0;
}

static int job_delete(lua_State *L)
{
    struct job_run *r = job_of(L, "delete");
    struct job_key *k = key_at(L, r, "delete", 1);
    job_key_set(r, k, JOB_DELETE, slice_make(NULL, 0));
    return 0;
}

/* Added to what is there when the step is done: nothing is read. */
static int job_incr(lua_State *L)
{
    struct job_run *r = job_of(L, "incr");
    lua_Integer by = 1;
    int n = lua_gettop(L);
    if (n > 1 && lua_type(L, n) == LUA_TNUMBER) {
        by = integer_at(L, n, "incr", "what is added");
        lua_settop(L, n - 1);
    }
    go_on(L, r, "incr", job_key_add(r, key_at(L, r, "incr", 1), by));
    return 0;
}

/* --- scan ------------------------------------------------------------------------------------- */

static int job_scan(lua_State *L)
{
    struct job_run *r = job_of(L, "scan");
    struct slice prefix = {NULL, 0}, cursor = {NULL, 0};
    uint32_t cache = (uint32_t)r->row.cache;
    lua_Integer limit = SCAN_LIMIT;
    if (lua_gettop(L) > 1 || (lua_gettop(L) == 1 && lua_type(L, 1) != LUA_TTABLE))
        return luaL_error(L, "j.scan: wanted is a table of cache, prefix, after and limit");
    lua_settop(L, 1);
    if (lua_istable(L, 1)) {
        if (lua_getfield(L, 1, "cache") != LUA_TNIL)
            cache = cache_named(L, r, string_at(L, -1, "scan", "cache"), "scan");
        if (lua_getfield(L, 1, "prefix") != LUA_TNIL)
            prefix = string_at(L, -1, "scan", "prefix");
        if (lua_getfield(L, 1, "after") != LUA_TNIL)
            cursor = string_at(L, -1, "scan", "cursor");
        if (lua_getfield(L, 1, "limit") != LUA_TNIL)
            limit = integer_at(L, lua_gettop(L), "scan", "the limit");
    }
    if (limit < 1 || limit > SCAN_LIMIT_MAX || prefix.len > KEY_BYTES_MAX)
        return luaL_error(L, "j.scan: a limit is 1 to %d, a prefix at most %d bytes",
                          SCAN_LIMIT_MAX, KEY_BYTES_MAX);
    struct job_page page = {.len = 0};
    go_on(L, r, "scan",
          r->ports->scan(r->ports->ctx, cache, prefix, cursor, (uint32_t)limit, &page));
    lua_createtable(L, (int)page.len, 0);
    for (size_t i = 0; i < page.len; i++) {
        vm_charge(L, 20);
        lua_createtable(L, 0, 3);
        push_slice(L, page.items[i].key);
        lua_setfield(L, -2, "key");
        if (!page.items[i].hash) {
            push_slice(L, page.items[i].value);
            lua_setfield(L, -2, "value");
        }
        lua_pushinteger(L, (lua_Integer)page.items[i].version);
        lua_setfield(L, -2, "version");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    if (!page.cursor.len)
        return 1;
    push_slice(L, page.cursor);
    return 2;
}

/* --- the rest --------------------------------------------------------------------------------- */

static double progress_at(lua_State *L, int at)
{
    double p = lua_type(L, at) == LUA_TNUMBER ? lua_tonumber(L, at) : -1;
    if (!(p >= 0 && p <= 1))
        luaL_error(L, "j.checkpoint: progress is a number from 0 to 1");
    return p;
}

static int job_checkpoint(lua_State *L)
{
    struct job_run *r = job_of(L, "checkpoint");
    enum grid_err err;
    size_t len = 0;
    int n = lua_gettop(L);
    struct job_step s = {.kind = JOB_STEP_MORE, .progress = JOB_PROGRESS_NONE};
    if (n > 2)
        return luaL_error(L, "j.checkpoint: wanted are a state, and how far it is, 0 to 1");
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        s.progress = (uint64_t)(progress_at(L, 2) * JOB_PROGRESS_WHOLE);
    if (lua_istable(L, 1) || lua_isboolean(L, 1)) {
        lua_pushcfunction(L, redis_json_encode);
        lua_pushvalue(L, 1);
        lua_call(L, 1, 1);
        lua_replace(L, 1);
    }
    const char *text = lua_isnil(L, 1) ? NULL : (const char *)value_at(L, 1, "checkpoint").data;
    if (text)
        (void)lua_tolstring(L, 1, &len);
    if (len > JOB_STATE_MAX)
        return luaL_error(L, "j.checkpoint: the state is larger than %d bytes", JOB_STATE_MAX);
    s.stated = text != NULL;
    s.bytes = slice_make(text, len);
    if (!job_step_do(r, &s, &err))
        go_on(L, r, "checkpoint", err);
    return 0;
}

static int job_run_task(lua_State *L)
{
    struct job_run *r = job_of(L, "run");
    struct job_got got = {.there = false};
    uint32_t cache = (uint32_t)r->row.cache;
    int n = lua_gettop(L);
    if (n < 2 || n > 4)
        return luaL_error(L, "j.run: wanted are a task, a key, an argument and a cache");
    lua_settop(L, 4);
    struct slice task = string_at(L, 1, "run", "task"), key = string_at(L, 2, "run", "key");
    struct slice arg = lua_isnil(L, 3) ? slice_make(NULL, 0) : value_at(L, 3, "run");
    if (!lua_isnil(L, 4))
        cache = cache_named(L, r, string_at(L, 4, "run", "cache"), "run");
    uint64_t number = (r->row.step << RUN_BITS) + ++r->runs;
    if (r->runs >> RUN_BITS)
        return luaL_error(L, "j.run: too many tasks between two checkpoints");
    enum grid_err err = r->ports->run(r->ports->ctx, task, cache, key, arg, number, &got);
    if (err == GRID_ETASK) {
        push_slice(L, got.value);
        return lua_error(L);
    }
    go_on(L, r, "run", err);
    push_slice(L, got.value);
    return 1;
}

static int job_log(lua_State *L)
{
    const struct job_run *r = job_of(L, "log");
    char line[REPORT_LINE_BYTES];
    report_line(L, line);
    r->ports->log(r->ports->ctx, line);
    return 0;
}

static int job_cancelled(lua_State *L)
{
    const struct job_run *r = script_of(L)->job;
    lua_pushboolean(L, !r || r->ports->stopped(r->ports->ctx));
    return 1;
}

int job_api_push(lua_State *L, void *ctx)
{
    static const luaL_Reg ours[] = {
        {"get", job_get},      {"put", job_put},   {"delete", job_delete},
        {"incr", job_incr},    {"scan", job_scan}, {"checkpoint", job_checkpoint},
        {"run", job_run_task}, {"log", job_log},   {"cancelled", job_cancelled},
        {NULL, NULL},
    };
    const struct job_run *r = ((struct script *)ctx)->job;
    char id[JOB_ID_TEXT + 1];
    job_id_text(&r->conf->id, id);
    const struct {
        const char *name;
        struct slice value;
    } texts[] = {{"id", slice_str(id)}, {"key", r->row.key}, {"arg", r->row.arg}};
    lua_newtable(L);
    vm_functions(L, ours);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        push_slice(L, texts[i].value);
        lua_setfield(L, -2, texts[i].name);
    }
    if (r->row.stated) {
        push_slice(L, buf_slice(&r->state));
        lua_setfield(L, -2, "state");
    }
    lua_pushinteger(L, (lua_Integer)r->row.attempt);
    lua_setfield(L, -2, "attempt");
    return 1;
}
