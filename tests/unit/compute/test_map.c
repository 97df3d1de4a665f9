/* test_map.c - maps on their machine: pages in, rows out, rows of several machines combined; and
 * code that fails or does not end.
 * LINK: compute command shard replica control data base
 */
#include "base/clock.h"
#include "compute/library.h"
#include "compute/map.h"
#include "tests/lib/unit.h"
#include "tests/unit/compute/maps.h"

#include <stdio.h>
#include <stdlib.h>

static const char source[] =
    "#!lua name=m\n"
    "grid.map{name='sum', map=function(e, emit, arg) emit(string.sub(e.key, 1, 1), e.number) end,\n"
    "  reduce='sum'}\n"
    "grid.map{name='count', map=function(e, emit) emit(#e.value) end, reduce='count'}\n"
    "grid.map{name='least', map=function(e, emit) emit('k', e.number) end, reduce='min'}\n"
    "grid.map{name='join', map=function(e, emit) emit('k', {n=e.number, w=e.key}) end,\n"
    "  reduce=function(key, a, b) return {n=a.n + b.n, w=a.w < b.w and a.w or b.w} end,\n"
    "  final=function(key, v) return v.w .. v.n end}\n"
    "grid.map{name='rows', map=function(e, emit, arg) emit(e.key, arg .. e.value) end}\n"
    "grid.map{name='facts', map=function(e, emit) emit(e.version, e.size) end}\n"
    "local kept\n"
    "grid.map{name='keeps', map=function(e, emit) kept = kept or e; emit('x', kept.size) end}\n"
    "local gone\n"
    "grid.map{name='fails', map=function(e) error('because of ' .. e.key) end}\n"
    "grid.map{name='loops', map=function(e) while true do end end}\n"
    "grid.map{name='eats', map=function(e) local t = {} while true do t[#t + 1] = {} end end}\n"
    "grid.map{name='writes', map=function(e) e.value = 1 end}\n"
    "grid.map{name='asks', map=function(e) grid.get('k') end}\n"
    "grid.map{name='calls', map=function(e) redis.call('GET', 'k') end}\n"
    "grid.map{name='text', map=function(e, emit) emit('k', e.value) end, reduce='sum'}\n"
    "grid.map{name='mixed', map=function(e, emit) emit('a', e.number) emit('a', 0.5) emit('b', 1)\n"
    "  emit('a', math.maxinteger) emit('a', math.mininteger) end, reduce='sum'}\n"
    "grid.map{name='large', map=function(e, emit) emit('k', 1 << 62) end, reduce='sum'}\n"
    "grid.map{name='long', map=function(e, emit) emit(string.rep('y', 50)) end, reduce='count'}\n"
    "grid.map{name='numbers', map=function(e, emit) emit(7, 1) emit('7', 2) end, reduce='sum'}\n"
    "grid.map{name='two', map=function(e, emit) for i = 1, 2 do emit(i) end end, reduce='count'}\n"
    "grid.map{name='calls_emit', map=function(e, emit) pcall(emit, 'k', 1) end, reduce='sum'}\n"
    "grid.map{name='spins', map=function(e, emit) emit('k', 1) end,\n"
    "  reduce=function(key, a, b) while true do end end}\n"
    "grid.map{name='repeats', map=function(e) e.key:rep(1000000):find(('.-'):rep(30) .. 'z') end}\n"
    "grid.map{name='none', map=function(e, emit) emit('k') end}\n";

static struct module *module;

static void setup(void)
{
    struct module_info info;
    struct buf fault = BUF_INIT;
    struct library_limits limits = {.run = {100000000, 64 << 20, 0}};
    bool good = library_read(slice_str(source), slice_make(NULL, 0), &limits, &info, &fault);
    ck_assert_msg(good, "%.*s", (int)fault.len, (const char *)fault.data);
    info.version = 7;
    module = module_new(&info);
    free((void *)(uintptr_t)info.functions);
    buf_release(&fault);
}

static uint64_t now_us(void *nobody)
{
    (void)nobody;
    return clock_mono_us();
}

static struct map_machine *machine(const char *name, const char *arg)
{
    struct map_limits limits = {
        .memory = 16 << 20, .rows_bytes = 4096, .page_us = 1000000, .now_us = now_us};
    struct map_machine *m = map_machine_new(&limits);
    const struct module_function *f = module_function_named(module, slice_str(name));
    ck_assert_msg(f && f->kind == MODULE_MAP, "%s", name);
    map_begin(m, module, f, slice_str(arg));
    return m;
}

START_TEST(rows_are_reduced_where_they_are_and_again_where_they_meet)
{
    setup();
    map_says("sum", "", "a=84;b=-6;");
    map_says("count", "", "2=6;");
    map_says("least", "", "k=-3;");
    map_says("join", "", "k=a178;");
    map_says("rows", "x", "a1=x10;b1=x-3;a2=x32;a1=x10;b1=x-3;a2=x32;");
    map_says("facts", "", "4=2;5=2;6=2;4=2;5=2;6=2;");
    module_unref(module);
}
END_TEST

START_TEST(sums_are_the_same_whatever_is_emitted_in_between)
{
    setup();
    map_says("mixed", "", "a=75;b=6;");
    map_says("large", "", "k=2.7670116110564327e+19;");
    map_says("long", "", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy=6;");
    map_says("numbers", "", "7=18;");
    map_says("two", "", "1=6;2=6;");
    map_says("calls_emit", "", "k=6;");
    module_unref(module);
}
END_TEST

START_TEST(an_entry_is_what_is_looked_at_now_and_nothing_stays_of_it)
{
    setup();
    map_says("keeps", "", "x=2;x=2;x=2;x=2;x=2;x=2;");
    module_unref(module);
}
END_TEST

static void map_fails(const char *name, enum grid_err want, const char *says)
{
    struct buf page = BUF_INIT;
    struct map_machine *m = machine(name, "");
    char text[MAP_FAULT_BYTES];
    page_make(&page);
    map_failed(m, name, want, says, text);
    ck_assert_msg(strstr(text, "traceback of m."), "%s: %s", name, text);
    map_begin(m, module, module_function_named(module, slice_str("count")), slice_str(""));
    ck_assert_int_eq(map_page(m, buf_slice(&page)), GRID_OK); /* the machine is good for more */
    map_machine_free(m);
    buf_release(&page);
}

START_TEST(what_fails_or_does_not_end_is_told_with_its_line)
{
    setup();
    map_fails("fails", GRID_ETASK, "because of a1");
    map_fails("loops", GRID_ETASK, "too long");
    map_fails("spins", GRID_ETASK, "too long");
    map_fails("repeats", GRID_ETASK, "too long");
    map_fails("eats", GRID_ETASK, "memory");
    map_fails("writes", GRID_ETASK, "cannot be changed");
    map_fails("asks", GRID_ETASK, "only a task");
    map_fails("calls", GRID_ETASK, "not for maps");
    map_fails("text", GRID_ETASK, "must be a number");
    map_fails("none", GRID_ETASK, "wanted are a key");
    module_unref(module);
}
END_TEST

static bool over(void *ctx)
{
    (void)ctx;
    return true;
}

START_TEST(one_that_runs_when_its_node_stops_ends)
{
    struct map_limits limits = {
        .memory = 16 << 20, .rows_bytes = 4096, .now_us = now_us, .stopped = over};
    struct buf page = BUF_INIT;
    setup();
    struct map_machine *m = map_machine_new(&limits);
    map_begin(m, module, module_function_named(module, slice_str("loops")), slice_str(""));
    page_make(&page);
    ck_assert_int_eq(map_page(m, buf_slice(&page)), GRID_ESTOPPING);
    map_machine_free(m);
    buf_release(&page);
    module_unref(module);
}
END_TEST

START_TEST(rows_that_nobody_takes_are_bounded)
{
    setup();
    struct buf page = BUF_INIT;
    struct map_machine *m = machine("rows", "");
    enum grid_err err = GRID_OK;
    page_make(&page);
    for (int i = 0; i < 1000 && !err; i++)
        err = map_page(m, buf_slice(&page));
    ck_assert_int_eq(err, GRID_ETOO_LARGE);
    map_machine_free(m);
    buf_release(&page);
    module_unref(module);
}
END_TEST

START_TEST(any_bytes_may_come_as_rows_of_others)
{
    setup();
    struct buf page = BUF_INIT, emitted = BUF_INIT, shown = BUF_INIT;
    struct map_machine *m = machine("sum", "");
    page_make(&page);
    ck_assert_int_eq(map_page(m, buf_slice(&page)), GRID_OK);
    ck_assert_int_eq(map_take(m, &emitted), GRID_OK);
    for (size_t len = 1; len < emitted.len; len++) {
        uint8_t *copy = malloc(len); /* what is read beyond it is found */
        memcpy(copy, emitted.data, len);
        enum grid_err err = map_merge(m, slice_make(copy, len));
        ck_assert(err == GRID_EBAD_REQUEST || err == GRID_OK);
        free(copy);
    }
    emitted.data[8] = 'z';
    ck_assert_int_eq(map_merge(m, buf_slice(&emitted)), GRID_EBAD_REQUEST);
    ck_assert(!map_rows_show(buf_slice(&emitted), &shown));
    map_machine_free(m);
    buf_release(&page);
    buf_release(&emitted);
    buf_release(&shown);
    module_unref(module);
}
END_TEST

static const struct {
    const char *code, *says;
} wrong[] = {
    {"grid.map('a', function() end)", "wanted is a table"},
    {"grid.map{name='a'}", "map must be a function"},
    {"grid.map{map=function() end}", "named by"},
    {"grid.map{name='a', map=function() end, reduce='mean'}", "'sum', 'count'"},
    {"grid.map{name='a', map=function() end, reduce=1}", "not a number"},
    {"grid.map{name='a', map=function() end, final=function() end}", "final is for"},
    {"grid.map{name='a', map=function() end, other=1}", "no option 'other'"},
};

START_TEST(what_is_declared_wrong_is_told_when_it_is_deployed)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct module_info info;
        struct buf fault = BUF_INIT;
        struct library_limits limits = {.run = {100000000, 64 << 20, 0}};
        ck_assert(!library_read(slice_str(wrong[i].code), slice_str("m"), &limits, &info, &fault));
        buf_add_u8(&fault, 0);
        ck_assert_msg(strstr((char *)fault.data, wrong[i].says), "%s: %s", wrong[i].code,
                      (char *)fault.data);
        buf_release(&fault);
    }
}
END_TEST

/* Keys that a map is limited to: how many are read, and whether all bytes are. */
static const struct {
    const char *bytes;
    size_t len, keys;
    bool good;
} limited[] = {
    {"\1\0a\2\0bc", 7, 2, true},
    {"\1\x80"
     "a\2\0bc\1\0d",
     10, 2, true}, /* the first is placed by bc */
    {"\1", 1, 0, false},
    {"\0\0", 2, 0, false},
    {"\2\0a", 3, 0, false},
    {"\xff\x7f"
     "a",
     3, 0, false},
    {"\1\x80"
     "a",
     3, 0, false},
    {"\1\x80"
     "a\1",
     4, 0, false},
    {"\1\x80"
     "a\0\0",
     5, 0, false},
    {"\1\x80"
     "a\2\0b",
     6, 0, false},
    {"\1\x80"
     "a\1\x80"
     "b",
     6, 0, false}, /* what it is placed by is placed by nothing */
};

START_TEST(keys_are_read_with_what_they_are_placed_by_and_nothing_else_is_one)
{
    for (size_t i = 0; i < sizeof limited / sizeof *limited; i++) {
        uint8_t *bytes = malloc(limited[i].len); /* of just that size, for sanitizers */
        memcpy(bytes, limited[i].bytes, limited[i].len);
        struct slice in = slice_make(bytes, limited[i].len);
        struct map_key key;
        size_t at = 0, keys = 0;
        while (at < in.len && map_key_read(in, &at, &key)) {
            bool first = keys++ == 0 && i == 1;
            ck_assert(slice_eq(key.placed_by, first ? slice_str("bc") : key.key));
        }
        ck_assert_uint_eq(keys, limited[i].keys);
        ck_assert_msg((at == in.len && keys) == limited[i].good, "case %zu", i);
        free(bytes);
    }
}
END_TEST

UNIT_MAIN("compute/map", rows_are_reduced_where_they_are_and_again_where_they_meet,
          sums_are_the_same_whatever_is_emitted_in_between,
          an_entry_is_what_is_looked_at_now_and_nothing_stays_of_it,
          what_fails_or_does_not_end_is_told_with_its_line, one_that_runs_when_its_node_stops_ends,
          rows_that_nobody_takes_are_bounded, any_bytes_may_come_as_rows_of_others,
          what_is_declared_wrong_is_told_when_it_is_deployed,
          keys_are_read_with_what_they_are_placed_by_and_nothing_else_is_one)
