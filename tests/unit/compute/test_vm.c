/* test_vm.c - the machine: whatever code does, its run ends, within its bounds, and the next one is
 * as if it had not been.
 * LINK: compute command shard replica control data base */
#include "compute/vm.h"

#include "base/buf.h"
#include "base/clock.h"

#include "tests/lib/unit.h"

#include <lauxlib.h>
#include <lua.h>

#define LENGTH(list) (sizeof(list) / sizeof *(list))

enum { STEPS = 2000000, MEMORY = 8 << 20 };

struct fixture {
    struct vm *vm;
    struct vm_fault fault;
    char result[256];
    uint64_t steps;
};

static void take(lua_State *L, void *ctx)
{
    struct fixture *f = ctx;
    const char *s = luaL_tolstring(L, -1, NULL);
    snprintf(f->result, sizeof f->result, "%s", s);
}

static struct fixture fixture(void)
{
    struct vm_conf conf = {.memory_max = MEMORY};
    struct fixture f = {.vm = vm_new(&conf), .steps = STEPS};
    ck_assert_ptr_nonnull(f.vm);
    return f;
}

/* A clock that others move, too, and what this thread has had of it. */
struct clocks {
    uint64_t wall, cpu;
};

static uint64_t clocks_wall(void *ctx)
{
    struct clocks *c = ctx;
    c->cpu++;
    return c->wall += 50;
}

static uint64_t clocks_cpu(void *ctx)
{
    return ((struct clocks *)ctx)->cpu;
}

START_TEST(a_run_may_have_less_memory_than_its_machine)
{
    struct fixture f = fixture();
    struct vm_run r = {.code = {.text = slice_str("return #string.rep('x', 1000000)"), .name = "t"},
                       .steps = STEPS,
                       .memory = 500000,
                       .take = take,
                       .ctx = &f};
    for (int i = 0; i < 3; i++) {
        r.memory = 500000;
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), VM_MEMORY);
        r.memory = i == 1 ? MEMORY : 0;
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), VM_DONE);
        ck_assert_str_eq(f.result, "1000000");
    }
    vm_free(f.vm);
}
END_TEST

START_TEST(time_that_others_have_the_processor_does_not_count)
{
    for (int others = 0; others < 2; others++) {
        struct fixture f = fixture();
        struct clocks c = {.wall = 1000};
        struct vm_run r = {.code = {.text = slice_str("for i = 1, 64000 do end"), .name = "t"},
                           .steps = STEPS,
                           .time_us = 2000,
                           .now_us = clocks_wall,
                           .cpu_us = others ? clocks_cpu : NULL,
                           .ctx = &c};
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), others ? VM_DONE : VM_TIME);
        if (!others)
            ck_assert_uint_ge(vm_took_us(f.vm, &r), 2000);
        r.code.text = slice_str("while true do end");
        r.steps = 100000;
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), others ? VM_STEPS : VM_TIME);
        r.steps = INT64_MAX / 4;
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), VM_TIME);
        vm_free(f.vm);
    }
}
END_TEST

/* What one instruction can do that takes long is left to the clock. */
static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static enum vm_end run(struct fixture *f, const char *text)
{
    struct vm_run r = {.code = {.text = slice_str(text), .name = "t"},
                       .steps = f->steps,
                       .time_us = 1000000,
                       .now_us = now_us,
                       .take = take,
                       .ctx = f};
    f->result[0] = '\0';
    return vm_run(f->vm, &r, &f->fault);
}

/* The next run goes as if nothing had been. */
static void still_works(struct fixture *f)
{
    ck_assert_int_eq(
        run(f, "local t = {} for i = 1, 100 do t[i] = i end return #t .. ('x'):rep(3)"), VM_DONE);
    ck_assert_str_eq(f->result, "100xxx");
    ck_assert_uint_le(vm_bytes(f->vm), MEMORY);
}

/* --- code that would not end ------------------------------------------------------------------ */

static const char *const endless[] = {
    "while true do end",
    "repeat until false",
    "while true do pcall(error) end",
    "while true do pcall(function() while true do end end) end",
    "local function f() while true do pcall(f) end end f()",
    "xpcall(function() while true do end end, function() while true do end end)",
    "while true do xpcall(error, function() while true do end end) end",
    "local function h() xpcall(h, h) return h() end xpcall(h, h) while true do end",
    "local co = coroutine.wrap(function() while true do coroutine.yield() end end)"
    " while true do co() end",
    "while true do coroutine.wrap(function() end)() end",
    "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
    "local function f() coroutine.wrap(f)() end while true do pcall(f) end",
    "local function f() local c = coroutine.create(f) coroutine.resume(c) coroutine.close(c) end"
    " while true do pcall(f) end",
    "local mt = {__close = function() while true do end end}"
    " while true do pcall(function() local x <close> = setmetatable({}, mt) error() end) end",
    "local mt = {__close = function() while true do end end}"
    " local x <close> = setmetatable({}, mt) while true do end",
    "local mt = {__close = function() while true do end end}"
    " local c = coroutine.create(function() local x <close> = setmetatable({}, mt)"
    " while true do end end) coroutine.resume(c) coroutine.close(c)",
    "local mt = {__close = function() while true do end end}"
    " local c = coroutine.create(function() local x <close> = setmetatable({}, mt)"
    " coroutine.yield() end) coroutine.resume(c) coroutine.close(c)",
    "local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x",
    "local t = setmetatable({}, {__eq = function() while true do end end})"
    " return t == setmetatable({}, getmetatable(t))",
    "local t = setmetatable({}, {__len = function() return 1 << 60 end}) return table.concat(t)",
    "local t = setmetatable({}, {__index = function() return 'x' end})"
    " return table.concat(t, '', 1, 1 << 60)",
    "local t = setmetatable({}, {__index = function() return 1 end,"
    " __len = function() return 1 << 30 end}) table.sort(t)",
    "local t = {} for i = 1, 10000 do t[i] = i end"
    " while true do table.sort(t, function(a, b) return true end) end",
    "table.move({}, 1, 1 << 60, 2)",
    "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)",
    "table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)",
    "return ('a'):rep(30000):find(('.-'):rep(20) .. 'b')",
    "return ('a'):rep(30000):find(('a*'):rep(20) .. 'b')",
    "return ('('):rep(100000):find('%b()')",
    "return (('x'):rep(1000)):gsub('', function() while true do end end)",
    "for w in ('x'):rep(100000):gmatch('.-b') do end",
    "return ('a'):rep(100000):find('[' .. ('b'):rep(100000) .. ']')",
    "while true do ('x'):rep(1000000):upper() end",
    "while true do ('x'):rep(1000000):byte(1, 100000) end",
    "while true do load('return ' .. ('1+'):rep(10000) .. '1') end",
    "while true do collectgarbage() end",
    "local s = ('x'):rep(1 << 20) while true do string.format('%s', s) end",
    "while true do pcall(string.rep, 'x', 1 << 40) end",
    "local t = {} for i = 1, 100000 do t[i] = true end"
    " for i = 1, 100000 do t[i] = nil end while true do next(t) end",
    "local function f(...) return select('#', ...) end"
    " local t = {} for i = 1, 10000 do t[i] = 1 end while true do f(unpack(t)) end",
    "local s = 'x' while true do pcall(function() while true do s = s .. s end end) end",
    "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
    "goto a ::a:: goto a",
    "for i = 1, math.huge do end",
    "local t = setmetatable({}, {__pairs = function() return function() return 1 end end})"
    " for k in pairs(t) do end",
    "for k in function() return 1 end do end",
    "local mt = {__tostring = function() while true do end end} tostring(setmetatable({}, mt))",
    "local mt = {__concat = function() while true do end end} return setmetatable({}, mt) .. 'x'",
    "local mt = {} mt.__index = setmetatable({}, {__index = function() while true do end end})"
    " return setmetatable({}, mt).x",
    /* what has no loops may make code that has */
    "load('while true do end')()",
    "return setmetatable({}, {__index = load('while true do end')}).x",
    "local co = coroutine.wrap(load) co('while true do end')()",
    "local co = coroutine.wrap(pcall) co(load('while true do end'))",
    "coroutine.wrap(load('while true do end'))()",
    "table.sort({1, 2, 3}, load('while true do end'))",
    "return ('x'):gsub('x', load('while true do end'))",
    "local x <close> = setmetatable({}, {__close = load('while true do end')})",
    "local t = {} t.f = load('local t = ... return t.f(t)') t.f(t)",
};

START_TEST(code_that_would_not_end_is_ended)
{
    for (size_t i = 0; i < LENGTH(endless); i++) {
        struct fixture f = fixture();
        enum vm_end end = run(&f, endless[i]);
        if (end != VM_STEPS && end != VM_FAILED && end != VM_MEMORY && end != VM_TIME)
            ck_abort_msg("%s: ended by %d: %s", endless[i], end, f.result);
        still_works(&f);
        vm_free(f.vm);
    }
}
END_TEST

START_TEST(the_end_says_where)
{
    struct fixture f = fixture();
    ck_assert_int_eq(run(&f, "local x\nwhile true do end"), VM_STEPS);
    ck_assert_str_eq(f.fault.text, "t:2: too many steps");
    ck_assert_uint_eq(vm_left(f.vm), 0);
    still_works(&f);
    vm_free(f.vm);
}
END_TEST

/* Code without loops has its bounds, too: what it does at once, and how long it is. */
START_TEST(code_without_loops_is_ended)
{
    struct fixture f = fixture();
    struct buf text = BUF_INIT;
    buf_printf(&text, "local s = ('x'):rep(100000) ");
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "s = s .. 'y' ");
    buf_add_u8(&text, 0);
    ck_assert_int_eq(run(&f, (const char *)text.data), VM_STEPS);
    still_works(&f);
    text.len = 0;
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "x = 1 ");
    buf_add_u8(&text, 0);
    f.steps = 500;
    ck_assert_int_eq(run(&f, (const char *)text.data), VM_STEPS);
    f.steps = STEPS;
    still_works(&f);
    buf_release(&text);
    vm_free(f.vm);
}
END_TEST

static uint64_t later(void *ctx)
{
    struct fixture *f = ctx;
    return f->steps += 100;
}

START_TEST(the_clock_ends_it_too)
{
    struct fixture f = fixture();
    struct vm_run r = {
        .code = {.text = slice_str("while true do pcall(next, {}) end"), .name = "t"},
        .steps = UINT64_MAX,
        .time_us = 10000,
        .now_us = later,
        .ctx = &f};
    ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), VM_TIME);
    ck_assert_str_eq(f.fault.text, "t:1: it took too long");
    still_works(&f);
    vm_free(f.vm);
}
END_TEST

/* --- memory, depth ---------------------------------------------------------------------------- */

static const char *const greedy[] = {
    "return ('x'):rep(10 * 1024 * 1024 * 1024)",
    "return ('x'):rep(1 << 62)",
    "return ('x'):rep(1 << 20, ('y'):rep(1 << 20))",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end",
    "return string.format('%s%s%s', ('x'):rep(3000000), ('x'):rep(3000000), ('x'):rep(3000000))",
    "local t = {} for i = 1, 100 do t[i] = ('x'):rep(100000) end return table.concat(t)",
    "return ('x'):rep(1000000):gsub('x', ('y'):rep(1000))",
    "return table.pack(unpack({}, 1, 1 << 24))",
    "return unpack({}, 1, 1 << 30)",
    "local function f() return 1 + f() end return f()",
    "local function f(...) return f(1, ...) end return f()",
    "local function f() return pcall(f) end local ok, why = f() error('deep')",
    "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
    "local t = {} t.__index = function(t, k) return t[k] end setmetatable(t, t) return t.x",
    "return load(('('):rep(1000) .. '1' .. (')'):rep(1000))()",
    "return load(('x={'):rep(1000))()",
    "return ('x'):find(('('):rep(100) .. 'x')",
    "return ('x'):rep(100000):match(('x?'):rep(100000) .. ('x'):rep(100000))",
    "return string.dump(function() end)",
    "return load('\\27Lua')()",
    "return load('\\27LuaS\\0\\25\\147', 'x', 'b')()",
    "local t = setmetatable({}, {__gc = function() end})",
    "for i = 1, 300 do local c = coroutine.wrap(function() end) end return nothing",
    "string.rep = 1",
    "local mt = getmetatable('') mt.__index = nil",
    "rawset(string, 'rep', 1)",
    "rawset(_G, 'x', 1)",
    "setmetatable(_G, {})",
    "setmetatable(string, nil)",
    "getmetatable(_G).__index.x = 1",
    "x = 1",
    "_G.x = 1",
    "function f() end",
    "_ENV.x = 1",
    "_ENV.string = nil",
    "string = nil",
    "string.rep, math = nil",
    "rawset(_ENV, 'string', nil)",
    "local e = _ENV e.string = nil",
    "(function() string = nil end)()",
    "(function() local e = _ENV e.string = nil end)()",
    "(function() return function() _ENV.string = nil end end)()()",
    "local function f() setmetatable(_ENV, nil) end f()",
    "load('string = nil')()",
    "table.insert(_ENV, 1)",
    "table.insert(string, 1)",
    "return require",
    "return os.time()",
    "return io",
    "return debug",
    "return package",
    "return dofile",
    "return loadfile",
    "return print",
    "return string.format('%d', 'x')",
    "return string.format('%500d', 1)",
    "return string.format('%y', 1)",
    "return ('x'):rep(10):find('[a')",
    "return ('x'):rep(10):find('%')",
    "return ('x'):rep(10):gsub('x', '%2')",
    "return coroutine.yield()",
    "return math.random(0)",
    "error()",
    "error({})",
    "error(setmetatable({}, {__tostring = function() error('x') end}))",
};

START_TEST(what_goes_too_far_is_an_error)
{
    for (size_t i = 0; i < LENGTH(greedy); i++) {
        struct fixture f = fixture();
        enum vm_end end = run(&f, greedy[i]);
        if (end != VM_FAILED && end != VM_MEMORY && end != VM_STEPS && end != VM_TIME)
            ck_abort_msg("%s: ended by %d: %s", greedy[i], end, f.result);
        still_works(&f);
        vm_free(f.vm);
    }
}
END_TEST

/* --- nothing is left behind ------------------------------------------------------------------- */

START_TEST(a_run_leaves_nothing_to_the_next)
{
    struct fixture f = fixture();
    struct vm_run r = {.code = {slice_str("key"),
                                slice_str("local a = seen; _ENV = {} seen = 1"
                                          " return 'first'"),
                                "t"},
                       .steps = STEPS,
                       .take = take,
                       .ctx = &f};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), VM_FAILED);
        ck_assert_str_eq(f.fault.text,
                         "t:1: Script attempted to access nonexistent global variable 'seen'");
    }
    r.code = (struct vm_code){slice_str("other"),
                              slice_str("local a = math.random() _ENV = {} x = 1 return a"), "t"};
    char first[256] = "";
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), VM_DONE);
        if (i == 0)
            snprintf(first, sizeof first, "%s", f.result);
        ck_assert_str_eq(f.result, first);
    }
    ck_assert(vm_has(f.vm, slice_str("other")));
    vm_forget(f.vm);
    ck_assert(!vm_has(f.vm, slice_str("other")));
    vm_free(f.vm);
}
END_TEST

START_TEST(code_that_is_kept_is_bounded)
{
    struct fixture f = fixture();
    char key[16], text[64];
    for (int i = 0; i < 5000; i++) {
        int n = snprintf(key, sizeof key, "%d", i);
        snprintf(text, sizeof text, "local t = {%d, '%d', {}} return t[1]", i, i);
        struct vm_run r = {.code = {slice_make(key, (size_t)n), slice_str(text), "t"},
                           .steps = STEPS,
                           .take = take,
                           .ctx = &f};
        ck_assert_int_eq(vm_run(f.vm, &r, &f.fault), VM_DONE);
        ck_assert_str_eq(f.result, key);
        ck_assert_uint_le(vm_bytes(f.vm), MEMORY);
    }
    ck_assert(vm_has(f.vm, slice_str("4999")));
    ck_assert(!vm_has(f.vm, slice_str("0")));
    vm_free(f.vm);
}
END_TEST

START_TEST(syntax_errors_are_told_apart)
{
    struct fixture f = fixture();
    struct vm_code code = {.text = slice_str("return 1\nreturn +"), .name = "user_script"};
    ck_assert_int_eq(vm_compile(f.vm, &code, &f.fault), VM_SYNTAX);
    ck_assert_str_eq(f.fault.text, "user_script:2: <eof> expected near 'return'");
    code.text = slice_make("\x1bLua", 4);
    ck_assert_int_eq(vm_compile(f.vm, &code, &f.fault), VM_SYNTAX);
    char deep[300]; /* more levels than the compiler goes: no matter of memory */
    memset(deep, '(', sizeof deep);
    code.text = slice_make(deep, sizeof deep);
    ck_assert_int_eq(vm_compile(f.vm, &code, &f.fault), VM_SYNTAX);
    code.text = slice_str("return 1");
    ck_assert_int_eq(vm_compile(f.vm, &code, &f.fault), VM_DONE);
    still_works(&f);
    vm_free(f.vm);
}
END_TEST

/* --- what the libraries of ours give ---------------------------------------------------------- */

static const struct {
    const char *text, *result;
} values[] = {
    {"return ('hello world'):find('o w')", "5"},
    {"return ('hello world'):match('^(%w+)')", "hello"},
    {"return (('hello world'):gsub('o', '0', 1))", "hell0 world"},
    {"return (('hello world'):gsub('(%w+) (%w+)', '%2 %1'))", "world hello"},
    {"return (('abc'):gsub('', '-'))", "-a-b-c-"},
    {"return (('abc'):gsub('%w', {a = '1', b = true and 'x'}))", "1xc"},
    {"local t = {} for k, v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t+1] = k .. v end"
     " return table.concat(t, '|')",
     "a1|b2"},
    {"return ('THE (quick) fox'):find('%((%a+)%)')", "5"},
    {"return ('x'):rep(3, ',')", "x,x,x"},
    {"return ('x'):rep(0) .. ('x'):rep(-1) .. (''):rep(5)", ""},
    {"return ('THE (quick) fox'):gsub('%f[%a]%a+', 'W')", "W (W) W"},
    {"return ('[[x]]'):match('[]]+')", "]]"},
    {"return ('a-b'):match('[a%-]+')", "a-"},
    {"return ('f(a(b)c)d'):match('%b()')", "(a(b)c)"},
    {"return ('abcabc'):match('(abc)%1')", "abc"},
    {"return ('abc'):match('()b()')", "2"},
    {"return tostring(('abc'):find('d'))", "nil"},
    {"return ('a.b'):find('.', 1, true)", "2"},
    {"return ('abc'):find('b', -1) or 'none'", "none"},
    {"return ('  trim  '):match('^%s*(.-)%s*$')", "trim"},
    {"return string.format('%5d|%-5s|%05.1f|%x|%q|%s|%%', 42, 'ab', 3.14159, 255, 'a\"b', nil)",
     "   42|ab   |003.1|ff|\"a\\\"b\"|nil|%"},
    {"return string.format('%d', 3.7)", "3"},
    {"return string.format('%10.3s|', 'abcdef')", "       abc|"},
    {"return string.format('%c%c', 72, 105)", "Hi"},
    {"local t = {5, 2, 8, 1, 9, 3} table.sort(t) return table.concat(t, ',')", "1,2,3,5,8,9"},
    {"local t = {5, 2, 8} table.sort(t, function(a, b) return a > b end) return table.concat(t, "
     "',')",
     "8,5,2"},
    {"local t = {1, 2, 3} table.insert(t, 2, 'x') return table.concat(t, ',')", "1,x,2,3"},
    {"local t = {1, 2, 3} local r = table.remove(t, 1) return r .. table.concat(t, ',')", "12,3"},
    {"local t = table.move({1, 2, 3}, 1, 3, 2) return table.concat(t, ',')", "1,1,2,3"},
    {"return select('#', unpack({1, nil, 3}, 1, 3))", "3"},
    {"return table.maxn({1, 2, [10] = 3})", "10"},
    {"local n = 0 for k in pairs(string) do n = n + 1 end return n > 10", "true"},
    {"return rawget(_G, 'pcall') == pcall", "true"},
    {"return getmetatable('')", "false"},
    {"return select(2, pcall(error, 'x'))", "x"},
    {"return select(2, xpcall(error, function(e) return 'h' .. e end, 'x'))", "hx"},
    {"local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)"
     " return c(1) .. ',' .. c(5)",
     "2,10"},
    {"local c = coroutine.create(function() error('x', 0) end)"
     " local ok, why = coroutine.resume(c) return why .. coroutine.status(c)",
     "xdead"},
    {"local ok, v = pcall(function() return coroutine.wrap(function()"
     " local ok = pcall(coroutine.yield, 3) return 4 end)() end) return v",
     "3"},
    {"local log = '' do local x <close> = setmetatable({}, {__close = function() log = 'closed' "
     "end})"
     " end return log",
     "closed"},
    {"return math.random(100) .. ',' .. math.random(5, 9)", "1,5"},
    {"return load('return 1 + 1')()", "2"},
    {"return load('return x', 'n', 't', {x = 7})()", "7"},
    {"return select(2, load('return +'))", "[string \"return +\"]:1: unexpected symbol near '+'"},
    {"return tostring(1e15) .. tostring(2^53) .. math.pow(2, 3)", "1e+159.007199254741e+158.0"},
};

START_TEST(libraries_give_what_they_should)
{
    for (size_t i = 0; i < LENGTH(values); i++) {
        struct fixture f = fixture();
        enum vm_end end = run(&f, values[i].text);
        if (end != VM_DONE)
            ck_abort_msg("%s: %s", values[i].text, f.fault.text);
        ck_assert_msg(strcmp(f.result, values[i].result) == 0, "%s: %s, expected %s",
                      values[i].text, f.result, values[i].result);
        vm_free(f.vm);
    }
}
END_TEST

UNIT_MAIN("compute/vm", a_run_may_have_less_memory_than_its_machine,
          code_that_would_not_end_is_ended, the_end_says_where, code_without_loops_is_ended,
          the_clock_ends_it_too, time_that_others_have_the_processor_does_not_count,
          what_goes_too_far_is_an_error, a_run_leaves_nothing_to_the_next,
          code_that_is_kept_is_bounded, syntax_errors_are_told_apart,
          libraries_give_what_they_should)
