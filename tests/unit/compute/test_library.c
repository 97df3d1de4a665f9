/* test_library.c - libraries of functions: what a source registers, calls in a shard, versions.
 * Replies and errors are those of redis-server 7.0.15, but that code is named by its library.
 * LINK: session compute wire command shard replica control data base pb frame */
#include "compute/library.h"

#include "base/alloc.h"
#include "compute/eval.h"
#include "compute/vm.h"
#include "control/catalog.h"
#include "shard/shard_priv.h"

#include "tests/unit/command/cases.h"

#include <stdlib.h>

#define R "redis.register_function"
#define LIB "#!lua name=lib\n"
#define REG "Error registering functions: ERR "
#define BAD_NAME                                                                                   \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one " \
    "character long"

static const struct library_limits limits = {.run = {.steps = 10000000, .memory = 4 << 20}};

/* What reading says: the functions with their flags and texts, or why not. Static. */
static const char *reading(const char *source, const char *name)
{
    static char text[2048];
    struct module_info info;
    struct buf fault = BUF_INIT;
    if (!library_read(slice_str(source), slice_str(name), &limits, &info, &fault)) {
        snprintf(text, sizeof text, "%.*s", (int)fault.len, (const char *)fault.data);
        buf_release(&fault);
        return text;
    }
    size_t at = (size_t)snprintf(text, sizeof text, "%s:", info.name);
    for (size_t i = 0; i < info.functions_len; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, " %s/%u/%s", info.functions[i].name,
                               info.functions[i].flags, info.functions[i].help);
    ck_assert_uint_eq(fault.len, 0);
    free((void *)(uintptr_t)info.functions);
    return text;
}

static const struct {
    const char *source, *says;
} sources[] = {
    {LIB R "('f', function() end)", "lib: f/0/"},
    {"#!LUA NAME='lib' \n" R "(1, function() end) return 5", "lib: 1/0/"},
    {LIB R "{function_name='f', callback=print or type, flags={'no-writes','allow-oom'},"
           " description='what \xc3\xa4'} " R "('g', type)",
     "Error registering functions: ERR lib:2: Script attempted to access nonexistent global "
     "variable 'print'"},
    {LIB R "{function_name='f', callback=type, flags={'no-writes','allow-oom'},"
           " description='what \xc3\xa4'} " R "('g', type)",
     "lib: f/3/what \xc3\xa4 g/0/"},
    {"return 1", "Missing library metadata"},
    {"#!lua name=lib", "Invalid library metadata"},
    {"#!lua\nreturn 1", "Library name was not given"},
    {"#!lua name=a-b\nreturn 1", BAD_NAME},
    {"#!lua name=\nreturn 1", BAD_NAME},
    {"#!lua foo=1 name=x\nreturn 1", "Invalid metadata value given: foo=1"},
    {"#!lua name=x name=y\nreturn 1",
     "Invalid metadata value, name argument was given multiple times"},
    {"#!py name=x\nreturn 1", "Engine 'py' not found"},
    {LIB "return 1", "No functions registered"},
    {LIB "return +", "Error compiling function: lib:2: unexpected symbol near '+'"},
    {LIB "error('boom')", "Error registering functions: ERR lib:2: boom"},
    {LIB "local function g()\n error('boom') end\ng()",
     "Error registering functions: ERR lib:3: boom, called from @lib:4"},
    {LIB "error({err='My boom'})", "Error registering functions: My boom"},
    {LIB "redis.call('ping')",
     "Error registering functions: ERR lib:2: Script attempted to access nonexistent global "
     "variable 'call'"},
    {LIB "x=1", "Error registering functions: ERR lib:2: Attempt to modify a readonly table"},
    {LIB "while true do end", "Error registering functions: ERR lib:2: too many steps"},
    {LIB "local t = {} for i = 1, 9 do t[i] = ('x'):rep(1e6) end",
     "Error registering functions: ERR not enough memory"},
    {LIB "pcall(" R ")", "No functions registered"},
    {LIB R "()", REG "wrong number of arguments to redis.register_function"},
    {LIB R "('f')", REG "calling redis.register_function with a single argument is only applicable "
                        "to Lua table (representing named arguments)."},
    {LIB R "('f', 1)", REG "second argument to redis.register_function must be a function"},
    {LIB R "({}, type)", REG "first argument to redis.register_function must be a string"},
    {LIB R "('f-x', type)", REG BAD_NAME},
    {LIB R "('', type)", REG BAD_NAME},
    {LIB R "('f', type, 3)", REG "wrong number of arguments to redis.register_function"},
    {LIB R "('f', type) " R "('F', type)", REG "Function already exists in the library"},
    {LIB R "{}", REG "redis.register_function must get a function name argument"},
    {LIB R "{function_name='f'}", REG "redis.register_function must get a callback argument"},
    {LIB R "{function_name='f', callback=1}",
     REG "callback argument given to redis.register_function must be a function"},
    {LIB R "{function_name='f', callback=type, foo=1}",
     REG "unknown argument given to redis.register_function"},
    {LIB R "{function_name='f', callback=type, [1]=1}",
     REG "unknown argument given to redis.register_function"},
    {LIB R "{function_name='f', callback=type, flags=1}",
     REG "flags argument to redis.register_function must be a table representing function flags"},
    {LIB R "{function_name='f', callback=type, flags={1}}", REG "unknown flag given"},
    {LIB R "{function_name='f', callback=type, flags={'foo'}}", REG "unknown flag given"},
    {LIB R "{function_name='f', callback=type, description='a\\nb'}",
     REG "a description is one line of UTF-8, of at most 255 bytes"},
    {LIB R "(('x'):rep(65), type)", REG "function names have at most 64 characters"},
    {LIB "for i = 1, 129 do " R "('f' .. i, type) end", REG "a library has at most 128 functions"},
};

START_TEST(a_source_says_what_it_registers_or_why_not)
{
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const char *says = reading(sources[i].source, "");
        ck_assert_msg(strcmp(says, sources[i].says) == 0, "%s: %s, expected %s", sources[i].source,
                      says, sources[i].says);
    }
}
END_TEST

START_TEST(a_name_that_is_given_comes_before_that_of_the_first_line)
{
    ck_assert_str_eq(reading(R "('f', type)", "mine"), "mine: f/0/");
    ck_assert_str_eq(reading(LIB R "('f', type)", "mine"), "mine: f/0/");
    ck_assert_str_eq(reading("#!lua\n" R "('f', type)", "mine"), "mine: f/0/");
    ck_assert_str_eq(reading(R "('f', type)\nerror('x')", "mine"),
                     "Error registering functions: ERR mine:2: x");
    ck_assert_str_eq(reading(R "('f', type)", "a-b"), BAD_NAME);
}
END_TEST

START_TEST(a_source_that_is_too_large_is_not_read)
{
    char *source = xcalloc(1, MODULE_SOURCE_MAX + 2);
    memset(source, '\n', MODULE_SOURCE_MAX + 1);
    ck_assert_str_eq(reading(source, "lib"),
                     "The library is too large: 262145 bytes, of 262144 at most");
    free(source);
}
END_TEST

/* --- calls ------------------------------------------------------------------------------------ */

static void deploy(struct world *w, const char *source)
{
    char why[WHY_BYTES];
    struct module_info info;
    struct buf fault = BUF_INIT;
    struct catalog *next = catalog_copy(w->h->catalog);
    ck_assert(library_read(slice_str(source), slice_str(""), &limits, &info, &fault));
    ck_assert_int_eq(catalog_module_deploy(next, &info, true, why), GRID_OK);
    free((void *)(uintptr_t)info.functions);
    h_publish(w->h, next);
}

/* As a door does that knows `revision` of the modules. */
static struct answered *begin(struct world *w, procedure_fn *procedure, const char *words,
                              uint64_t revision)
{
    static struct words line;
    static uint8_t extra[LIBRARY_EXTRA_BYTES];
    struct slice args[WORDS_MAX + 2] = {slice_str("fcall")};
    line = (struct words){0};
    words_read(&line, words);
    int64_t keys = strtoll((const char *)line.at[1].data, NULL, 10);
    keys = keys + 1 < line.len && keys > 0 ? keys : 0;
    memcpy(args + 1, line.at, line.len * sizeof *args);
    store_u64(extra, revision);
    args[1 + line.len] = slice_make(extra, sizeof extra);
    struct op op = {.kind = OP_CALL,
                    .cache = w->cache,
                    .procedure = procedure,
                    .makes_steps = true,
                    .reads_only = procedure == command_fcall_ro,
                    .flags = w->flags,
                    .key = keys ? args[3] : args[1],
                    .args = args,
                    .args_len = 2 + line.len};
    op.keys = keys ? args + 3 : &op.key;
    op.keys_len = keys ? (uint32_t)keys : 1;
    return h_do(w->h, op);
}

static const char *call(struct world *w, procedure_fn *procedure, const char *words)
{
    struct answered *a = begin(w, procedure, words, w->h->catalog->modules_revision);
    h_durable(w->h);
    world_answered(w, a);
    return w->text;
}

#define FCALL(w, words, says) ck_assert_str_eq(call(w, command_fcall, words), says)

static const char library[] = LIB R
    "{function_name='f', callback=function(k,a) return {k,a,#k,#a} end, flags={'no-writes'}}\n" R
    "('w', function(k,a) return redis.call('SET',k[1],a[1]) end)\n" R
    "('e', function(k,a)\n error('boom') end)\n" R "('n', function(k,a) return KEYS end)\n" R
    "('g', function(k,a) gg=1 end)\n" R "('r', function(k,a) " R "('u', type) end)\n" R
    "('t', function(k,a) error({err='My x'}) end)\n" R
    "('c', function(k,a) return redis.call('NOPE') end)\n" R
    "{function_name='wr', callback=function(k,a) return redis.call('SET',k[1],a[1]) end,"
    " flags={'no-writes'}}\n"
    "local n = 0 " R "('count', function() n = n + 1 return n end)\n"
    "local function deep(m)\n  if m == 0 then error('deep') end\n  local x = deep(m - 1)\n"
    "  return x\nend\n" R "('d', function()\n  local x = deep(2)\n  return x end)\n" R
    "('loop', function(k) redis.call('SET',k[1],'x')\n while true do end end)\n" R
    "('b', function() return redis.call('FCALL','f',0) end)\n"
    "local kept = " R "\n" R "('kept', function() kept('u', type) end)\n";

static const struct {
    const char *words, *says;
} calls[] = {
    {"f 1 a b", "*4 *1 $1 a *1 $1 b :1 :1"},
    {"F 1 a b", "*4 *1 $1 a *1 $1 b :1 :1"},
    {"f 0", "*4 *0 *0 :0 :0"},
    {"nope 0", "-ERR Function not found"},
    {"nope x", "-ERR Function not found"},
    {"f x", "-ERR Bad number of keys provided"},
    {"f -1", "-ERR Number of keys can't be negative"},
    {"f 2 a", "-ERR Number of keys can't be greater than number of args"},
    {"w 1 a b", "+OK"},
    {"wr 1 a b", "-ERR Write commands are not allowed from read-only scripts. script: wr, on "
                 "@lib:11."},
    {"e 0", "-ERR lib:5: boom script: e, on @lib:5."},
    {"n 0", "-ERR lib:6: Script attempted to access nonexistent global variable 'KEYS' script: n, "
            "on @lib:6."},
    {"g 0", "-ERR lib:7: Attempt to modify a readonly table script: g, on @lib:7."},
    {"r 0", "-ERR lib:8: attempt to call a nil value (field 'register_function') script: r, on "
            "@lib:8."},
    {"kept 0", "-ERR redis.register_function can only be called on FUNCTION LOAD command script: "
               "kept, on @lib:25."},
    {"t 0", "-My x script: t, on @lib:9."},
    {"c 0", "-ERR Unknown Redis command called from script script: c, on @lib:10."},
    {"count 0", ":1"},
    {"count 0", ":1"},
    {"d 0", "-ERR lib:14: deep script: d, on @lib:14, called from @lib:15, called from @lib:15, "
            "called from @lib:19."},
    {"loop 1 q", "-ERR the script was ended: lib:22: too many steps; what it changed before stays "
                 "script: loop, on @lib:22."},
    {"b 0", "-ERR This Redis command is not allowed from script script: b, on @lib:23."},
};

START_TEST(functions_are_called_as_in_redis)
{
    struct world *w = world_new();
    deploy(w, library);
    for (int again = 0; again < 2; again++, w->h->now += 200000) /* functions that were kept, too */
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
            FCALL(w, calls[i].words, calls[i].says);
    ck_assert_str_eq(call(w, command_fcall_ro, "f 1 a b"), "*4 *1 $1 a *1 $1 b :1 :1");
    ck_assert_str_eq(call(w, command_fcall_ro, "w 1 a b"),
                     "-ERR Can not execute a script with write flag using *_ro command.");
    ASK(w, "GET a", "$1 b");
    ASK(w, "GET q", "$1 x");
    world_free(w);
}
END_TEST

START_TEST(a_call_is_one_record_and_none_when_it_changes_nothing)
{
    struct world *w = world_new();
    deploy(w, LIB R "('two', function(k) redis.call('SET',k[1],1) return redis.call('INCR',k[1])"
                    " end) " R "('none', function(k) return redis.call('GET',k[1]) end)");
    size_t records = w->h->log_len;
    FCALL(w, "two 1 a", ":2");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    FCALL(w, "none 1 a", "$1 2");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    world_free(w);
}
END_TEST

START_TEST(the_newest_version_is_called)
{
    struct world *w = world_new();
    char why[WHY_BYTES];
    deploy(w, LIB R "('f', function() return 1 end)");
    FCALL(w, "f 0", ":1");
    deploy(w, LIB R "('f', function() return 2 end) " R "('g', function() return 3 end)");
    FCALL(w, "f 0", ":2");
    FCALL(w, "g 0", ":3");
    deploy(w, LIB R "('f', function() return 1 end)");
    FCALL(w, "f 0", ":1");
    FCALL(w, "g 0", "-ERR Function not found");
    struct catalog *next = catalog_copy(w->h->catalog);
    ck_assert_int_eq(catalog_module_remove(next, slice_str("lib"), why), GRID_OK);
    h_publish(w->h, next);
    FCALL(w, "f 0", "-ERR Function not found");
    world_free(w);
}
END_TEST

/* Who knows more asks again, until the shard knows it, too. */
START_TEST(a_shard_that_knows_less_than_the_door_does_nothing)
{
    struct world *w = world_new();
    deploy(w, LIB R "('w', function(k) return redis.call('SET',k[1],1) end)");
    size_t records = w->h->log_len;
    struct answered *a = begin(w, command_fcall, "w 1 a", 2);
    ck_assert_int_eq(a->status, GRID_ENOT_PRIMARY);
    a = begin(w, command_fcall, "new 1 a", 2);
    ck_assert_int_eq(a->status, GRID_ENOT_PRIMARY);
    ck_assert_uint_eq(w->h->log_len, records);
    deploy(w, LIB R "('new', function(k) return redis.call('SET',k[1],1) end)");
    FCALL(w, "new 1 a", "+OK");
    world_free(w);
}
END_TEST

/* MULTI, SET a 1, FCALL w, EXEC of a door that knows more. */
START_TEST(a_transaction_waits_for_what_its_functions_need)
{
    struct world *w = world_new();
    uint8_t extra[LIBRARY_EXTRA_BYTES];
    struct slice key = slice_str("a");
    const struct slice args[] = {slice_str("exec"),
                                 slice_str("set"),
                                 key,
                                 slice_str("1"),
                                 slice_str("fcall"),
                                 slice_str("w"),
                                 slice_str("1"),
                                 key,
                                 slice_make(extra, sizeof extra)};
    const struct slice keys[] = {key, key};
    const struct op_step steps[] = {{command_set, 1, 3, 0, 1}, {command_fcall, 4, 5, 1, 1}};
    struct op op = {.kind = OP_CALL,
                    .cache = w->cache,
                    .procedure = command_exec,
                    .key = key,
                    .args = args,
                    .args_len = 9,
                    .keys = keys,
                    .keys_len = 2,
                    .steps = steps,
                    .steps_len = 2};
    deploy(w, LIB R "('w', function(k) return redis.call('INCR',k[1]) end)");
    store_u64(extra, w->h->catalog->modules_revision + 1);
    size_t records = w->h->log_len;
    struct answered *a = h_do(w->h, op);
    h_durable(w->h);
    ck_assert_int_eq(a->status, GRID_ENOT_PRIMARY);
    ck_assert_uint_eq(w->h->log_len, records);
    deploy(w, LIB R "('w', function(k) return redis.call('INCRBY',k[1],10) end)");
    a = h_do(w->h, op);
    h_durable(w->h);
    world_answered(w, a);
    ck_assert_str_eq(w->text, "*2 +OK :11");
    world_free(w);
}
END_TEST

/* Whatever a function can reach begins anew: it is kept only when that makes no difference. */
static const struct {
    const char *code, *says;
    bool kept;
} locals[] = {
    {"local x = 3 " R "('f', function() return x end)", ":3", true},
    {"local s, t = 'a', type " R "('f', function(k, a) return s .. t(a) end)", "$6 atable", true},
    {"local function g(n) return n + 1 end " R "('f', function() return g(1) end)", ":2", true},
    {"local function f(n) if type(n) == 'table' then n = 3 end if n == 0 then return 7 end"
     " return f(n - 1) end " R "('f', f)",
     ":7", true},
    {R "('f', function() local n = 0 for i = 1, 3 do n = n + i end return n end)", ":6", true},
    {R "('f', function() local n = 0 local function up() n = n + 1 end up() return n end)", ":1",
     false},
    {"local n = 0 " R "('f', function() n = n + 1 return n end)", ":1", false},
    {"local n = 0 local function up() n = n + 1 return n end " R
     "('f', function() return up() end)",
     ":1", false},
    {"local t = {} " R "('f', function() t[#t + 1] = 1 return #t end)", ":1", false},
    {"local t = {} local function g() return t end " R
     "('f', function() g()[#t + 1] = 1 return #t end)",
     ":1", false},
    {"local it = ('abc'):gmatch('.') " R "('f', function() return it() end)", "$1 a", false},
    {"local co = coroutine.wrap(function() for i = 1, 9 do coroutine.yield(i) end end) " R
     "('f', function() return co() end)",
     ":1", false},
    {"local co = coroutine.create(function() for i = 1, 9 do coroutine.yield(i) end end) " R
     "('f', function() return select(2, coroutine.resume(co)) end)",
     ":1", false},
    {"local f = load('n = (rawget(_ENV, \"n\") or 0) + 1 return n', 'x', 't', setmetatable({},"
     " {__index = _G})) " R "('f', function() return f() end)",
     ":1", false},
    {"local r = math.random() " R "('f', function() return r < 1 end)", ":1", false},
    {"redis.setresp(3) " R "('f', function() return {map={a=1}} end)", "*2 $1 a :1", false},
    {"redis.log(redis.LOG_DEBUG, 'x') " R "('f', function() return 1 end)", ":1", false},
};

START_TEST(a_call_finds_nothing_that_another_left)
{
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++) {
        struct world *w = world_new();
        char source[1024], key[10] = "f";
        snprintf(source, sizeof source, LIB "%s", locals[i].code);
        deploy(w, source);
        for (int again = 0; again < 3; again++)
            FCALL(w, "f 0", locals[i].says);
        store_u64((uint8_t *)key + 1, w->h->catalog->modules[0]->info.version);
        struct vm *const *vm = w->h->s->call.kept.state; /* it comes first there */
        ck_assert_msg(vm_has(*vm, slice_make(key, sizeof key)) == locals[i].kept, "%s",
                      locals[i].code);
        world_free(w);
    }
}
END_TEST

/* What a script before left in the environment is not there. */
START_TEST(arguments_of_scripts_are_hidden_from_functions)
{
    struct world *w = world_new();
    char sha[SHA1_HEX];
    struct slice text = slice_str("return KEYS[1]");
    sha1_hex(text, sha);
    struct slice args[] = {slice_str("eval"), text, slice_str("1"), slice_str("secret"),
                           slice_make(sha, SHA1_HEX)};
    struct op op = {.kind = OP_CALL,
                    .cache = w->cache,
                    .procedure = command_eval,
                    .makes_steps = true,
                    .key = args[3],
                    .keys = args + 3,
                    .keys_len = 1,
                    .args = args,
                    .args_len = 5};
    h_do(w->h, op);
    deploy(w, LIB R "('f', function() return rawget(_G, 'KEYS') end)");
    FCALL(w, "f 0", "$-1");
    h_do(w->h, op);
    FCALL(w, "f 0", "$-1");
    world_free(w);
}
END_TEST

START_TEST(resp3_is_answered)
{
    struct world *w = world_new();
    deploy(w, LIB R "('f', function() redis.setresp(3) return {map={a=1}} end)");
    w->flags = CALL_RESP3;
    FCALL(w, "f 0", "%1 $1 a :1");
    world_free(w);
}
END_TEST

UNIT_MAIN("compute/library", a_source_says_what_it_registers_or_why_not,
          a_name_that_is_given_comes_before_that_of_the_first_line,
          a_source_that_is_too_large_is_not_read, functions_are_called_as_in_redis,
          a_call_is_one_record_and_none_when_it_changes_nothing, the_newest_version_is_called,
          a_shard_that_knows_less_than_the_door_does_nothing,
          a_transaction_waits_for_what_its_functions_need, a_call_finds_nothing_that_another_left,
          arguments_of_scripts_are_hidden_from_functions, resp3_is_answered)
