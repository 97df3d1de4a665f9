/* test_task.c - atomic tasks in a shard: what they can do, and how they fail.
 * LINK: compute command shard replica control data base */
#include "tests/unit/compute/tasks.h"

/* --- registration ----------------------------------------------------------------------------- */

static const struct {
    const char *source, *says;
} sources[] = {
    {MOD "grid.task('t', type)", ""},
    {MOD "grid.task{name='t', run=type, description='what', read_only=true}", ""},
    {MOD "grid.task('t', type) redis.register_function('f', type)", ""},
    {MOD "grid.task('f', type) redis.register_function('F', type)",
     "Function already exists in the library"},
    {MOD "grid.task('f', type) grid.broadcast('F', type)",
     "m:2: grid.broadcast: there is a task f in the module already"},
    {MOD "grid.task('t')", "m:2: grid.task: wanted are a name and a function, or a table with "
                           "`name` and `run`"},
    {MOD "grid.task(1, type)", "m:2: grid.task: wanted are a name and a function, or a table with "
                               "`name` and `run`"},
    {MOD "grid.task{run=type}", "m:2: grid.task: wanted are a name and a function, or a table with "
                                "`name` and `run`"},
    {MOD "grid.task{name='t', run=1}", "m:2: grid.task: run must be a function, not a number"},
    {MOD "grid.task{name='t', run=type, read_only=1}",
     "m:2: grid.task: read_only must be a boolean, not a number"},
    {MOD "grid.task{name='t', run=type, foo=1}", "m:2: grid.task: there is no option 'foo'"},
    {MOD "grid.task{name='t', run=type, [{}]=1}",
     "m:2: grid.task: there is no option '(not a string)'"},
    {MOD "grid.task{name='t', run=type, description='a\\nb'}",
     "m:2: grid.task: a description is one line of UTF-8, of at most 255 bytes"},
    {MOD "grid.task('a.b', type)",
     "m:2: grid.task: a task is named by 1 to 64 letters, digits and _"},
    {MOD "grid.task(('x'):rep(65), type)",
     "m:2: grid.task: a task is named by 1 to 64 letters, digits and _"},
    {MOD "for i = 1, 129 do grid.task('f' .. i, type) end", "a library has at most 128 functions"},
    {MOD "grid.put('k', 'v')", "m:2: grid.put: only a task that runs can call it"},
    {MOD "grid.now()", "m:2: grid.now: only a task that runs can call it"},
    {MOD "grid.x = 1", "m:2: Attempt to modify a readonly table"},
    {MOD "grid.json.x = 1", "m:2: Attempt to modify a readonly table"},
};

START_TEST(a_source_registers_tasks_or_says_why_not)
{
    struct world *w = world_new();
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const char *text = load(w, sources[i].source);
        static const char before[] = "Error registering functions: ERR ";
        if (text[0] && strncmp(text, before, sizeof before - 1) == 0)
            text += sizeof before - 1;
        ck_assert_msg(strcmp(text, sources[i].says) == 0, "%s: %s", sources[i].source, text);
    }
    world_free(w);
}
END_TEST

/* --- what a task can do ----------------------------------------------------------------------- */

/* Run one after the other at key `k`; what they write stays. */
static const struct {
    const char *body, *says;
} calls[] = {
    {"return t.key .. '/' .. t.arg .. '/' .. t.cache", "k/A/c"},
    {"return", ""},
    {"return 'a\\0b' == t.arg", "false"},
    {"return {b={1,2}}", "{\"b\":[1,2]}"},
    {"return 10 // 1", "10"},
    {"return grid.get('k')", ""},
    {"return tostring(grid.put('k', 'v'))", "true"},
    {"return grid.get('k')", "v"},
    {"return tonumber(grid.get('k') or 5) or 'none'", "none"},
    {"return tostring(grid.put('c', 'k', 7.0)) .. grid.get('c', 'k')", "true7"},
    {"grid.put('k', 0.1) return grid.get(nil, 'k')", "0.10000000000000001"},
    {"grid.put('k', '') return '<' .. grid.get('k') .. '>'", "<>"},
    {"grid.put('d', 'k', 'other') return grid.get('k') .. grid.get('d', 'k')", "other"},
    {"return tostring(grid.delete('d', 'k')) .. tostring(grid.delete('d', 'k')) .. "
     "tostring(grid.get('d', 'k'))",
     "truefalsenil"},
    {"return grid.incr('n')", "1"},
    {"return grid.incr('n', 5)", "6"},
    {"return grid.incr('c', 'n', -2) + grid.incr('c', 'n')", "9"},
    {"grid.put('n', 'x') return tostring(pcall(grid.incr, 'n'))", "false"},
    {"grid.put('n', math.maxinteger) return select(2, pcall(grid.incr, 'n'))",
     "grid.incr: the number would overflow"},
    {"return tostring(grid.put('n', 1, {if_absent=true})) .. grid.get('n')",
     "false9223372036854775807"},
    {"return tostring(grid.put('new', 1, {if_present=true}))", "false"},
    {"return tostring(grid.put('new', 1, {if_absent=true, ttl=0}))", "true"},
    {"local v = grid.version('new') return {grid.put('new', 2, {if_version=v + 1}),"
     " grid.put('new', 3, {if_version=v}), grid.put('new', 4, {if_version=v}), grid.get('new'),"
     " tostring(grid.version('new'))}",
     "[false,true,false,\"3\",\"nil\"]"},
    {"return tostring(grid.version('none'))", "nil"},
    {"return {grid.expire('none', 1), grid.expire('new', 50), grid.expire('c', 'new', 0)}",
     "[false,true,true]"},
    {"return grid.now()", "1000000"},
    {"grid.emit('a') grid.emit({x=1}) grid.emit(5) grid.emit(true) return 'end'",
     "a\n{\"x\":1}\n5\ntrue\nend"},
    {"grid.emit('only')", "only\n"},
    {"return grid.json.decode(t.arg and '[1,null]')[1] .. tostring(grid.json.decode('null') == "
     "grid.json.null)",
     "1true"},
    {"return grid.json.encode({1})", "[1]"},
    {"grid.log('said', 1, {})", ""},
    {"local ok, e = pcall(grid.get) return e",
     "grid.get: wanted are a cache, which may be left out, and a key"},
    {"return select(2, pcall(grid.get, 1))", "grid.get: the key must be a string, not a number"},
    {"return select(2, pcall(grid.get, ''))", "grid.get: the key is empty"},
    {"return select(2, pcall(grid.get, ('x'):rep(481)))", "grid.get: a key has at most 480 bytes"},
    {"return select(2, pcall(grid.get, 'nope', 'k'))",
     "grid.get: there is no cache 'nope' in the context"},
    {"return select(2, pcall(grid.get, {}, 'k'))",
     "grid.get: the cache must be a string, not a table"},
    {"return select(2, pcall(grid.put, 'k'))",
     "grid.put: wanted are a cache, which may be left out, a key, a value and a table of options, "
     "which may be left out"},
    {"return select(2, pcall(grid.put, 'k', {}))",
     "grid.put: the value must be a string or a number, not a table"},
    {"return select(2, pcall(grid.put, 'k', 1, {foo=1}))", "grid.put: there is no option 'foo'"},
    {"return select(2, pcall(grid.put, 'k', 1, {1}))",
     "grid.put: there is no option '(not a string)'"},
    {"return select(2, pcall(grid.put, 'k', 1, {ttl=-1}))",
     "grid.put: the time to live, in ms, must be 0 at least"},
    {"return select(2, pcall(grid.put, 'k', 1, {ttl=1.5}))",
     "grid.put: the time to live, in ms, must be a whole number"},
    {"return select(2, pcall(grid.put, 'k', 1, {ttl=1 << 60}))",
     "grid.put: the time to live is more than 100 years"},
    {"return select(2, pcall(grid.put, 'k', 1, {if_absent=1}))",
     "grid.put: if_absent must be a boolean, not a number"},
    {"return select(2, pcall(grid.expire, 'k', 'x'))",
     "grid.expire: the time to live, in ms, must be a whole number"},
    {"return select(2, pcall(grid.scan, 1))",
     "grid.scan: the cache must be a string, not a number"},
    {"return select(2, pcall(grid.scan, nil, 1))",
     "grid.scan: the prefix must be a string, not a number"},
    {"return select(2, pcall(grid.scan, nil, ('x'):rep(481)))",
     "grid.scan: a key has at most 480 bytes"},
    {"return select(2, pcall(grid.scan, nil, nil, 0))", "grid.scan: the limit must be 1 at least"},
    {"return select(2, pcall(grid.emit))", "grid.emit: wanted is one row"},
    {"return select(2, pcall(redis.call, 'GET', 'k'))",
     "redis.call is not for tasks: they have `grid`"},
    {"return select(2, pcall(grid.task, 'u', type))", "grid.task: only while a module is loaded"},
    {"return tostring(rawget(_G, 'KEYS'))", "nil"},
    {"return tostring(pcall(function() x = 1 end))", "false"},
};

START_TEST(tasks_read_and_write_and_are_told_what_is_wrong)
{
    struct world *w = world_new();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        deploy_body(w, calls[i].body, false);
        const char *text = run(w, "A");
        ck_assert_msg(strcmp(text, calls[i].says) == 0, "%s: %s, expected %s", calls[i].body, text,
                      calls[i].says);
    }
    has(w, w->c, "n", "9223372036854775807");
    has(w, w->c, "new", "3");
    has(w, w->d, "k", NULL);
    world_free(w);
}
END_TEST

START_TEST(bytes_of_any_kind_come_and_go)
{
    struct world *w = world_new();
    deploy_body(w, "grid.put('b', '\\0\\255') return grid.get('b') .. t.arg", false);
    struct answered *a = begin(w, (struct asked){.name = "m.t", .key = "k", .arg = "\xff"});
    h_durable(w->h);
    ck_answer(a, GRID_OK);
    ck_assert(slice_eq(buf_slice(&a->value), slice_make("\0\xff\xff", 3)));
    world_free(w);
}
END_TEST

START_TEST(times_to_live_are_the_caches_or_what_is_said)
{
    struct world *w = world_new();
    deploy_body(w,
                "grid.put('c', 'a', 1) grid.put('d', 'a', 1) grid.put('d', 'b', 1, {ttl=0}) "
                "grid.put('c', 'b', 1, {ttl=5}) grid.incr('d', 'n') grid.put('c', 'x', 1, {ttl=9}) "
                "grid.incr('c', 'x') grid.put('c', 'e', 1) grid.expire('c', 'e', 7)",
                false);
    ck_assert_str_eq(run(w, ""), "");
    static const struct {
        char cache;
        const char *key;
        msec_t ttl;
    } want[] = {{'c', "a", 0},     {'d', "a", 60000}, {'d', "b", 0}, {'c', "b", 5},
                {'d', "n", 60000}, {'c', "x", 9},     {'c', "e", 7}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct answered *a = get_at(w, want[i].cache == 'c' ? w->c : w->d, want[i].key, "k");
        ck_answer(a, GRID_OK);
        ck_assert_uint_eq(a->deadline, want[i].ttl ? w->h->now + want[i].ttl : 0);
    }
    deploy_body(w, "grid.incr('d', 'a') return tostring(grid.get('b'))", false);
    w->h->now += 10;
    ck_assert_str_eq(run(w, ""), "nil");
    ck_assert_uint_eq(get_at(w, w->d, "a", "k")->deadline, w->h->now - 10 + 60000);
    world_free(w);
}
END_TEST

START_TEST(a_hash_of_a_redis_client_is_told_apart_replaced_and_expired)
{
    struct world *w = world_new();
    struct op op = h_op(OP_PUT, w->c, "k");
    op.partition = partition_of("k");
    op.type = VALUE_HASH;
    op.value = slice_make("\1f\1v", 4);
    ck_assert_int_eq(h_do(w->h, op)->times, 0);
    h_durable(w->h);
    deploy_body(w, "grid.expire('k', 100) return {pcall(grid.get, 'k')}", false);
    ck_assert_str_eq(run(w, ""),
                     "[false,\"grid.get: the value is a hash, which tasks cannot use\"]");
    deploy_body(w,
                "local s = grid.scan() grid.put('k', 'v') return {#s, s[1].key, "
                "tostring(s[1].value), grid.get('k')}",
                false);
    ck_assert_str_eq(run(w, ""), "[1,\"k\",\"nil\",\"v\"]");
    has(w, w->c, "k", "v");
    world_free(w);
}
END_TEST

/* --- scans ------------------------------------------------------------------------------------ */

START_TEST(a_scan_shows_the_partition_as_the_task_has_made_it)
{
    static const char body[] =
        "local function show(...) local list = {} for _, e in ipairs(grid.scan(...)) do "
        "list[#list + 1] = e.key .. '=' .. e.value end table.sort(list) "
        "return table.concat(list, ' ') end\n"
        "grid.put('u:3', 'c') grid.delete('u:1') grid.put('u:2', 'B') "
        "return {show('c', 'u:'), show(nil, 'v'), show(nil, nil, 2) ~= '', show('d'), "
        "#grid.scan(nil, 'u:', 1)}";
    struct world *w = world_new();
    put(w, w->c, "u:1", "a");
    put(w, w->c, "u:2", "b");
    put(w, w->c, "u:4", "d");
    put(w, w->c, "v", "w");
    put(w, w->d, "z", "y");
    struct op op = h_op(OP_PUT, w->c, "u:5");
    op.value = slice_str("elsewhere");
    op.partition = (uint16_t)((partition_of("k") + 1) % 4);
    h_do(w->h, op);
    h_durable(w->h);
    deploy_body(w, body, false);
    ck_assert_str_eq(run(w, ""), "[\"u:2=B u:3=c u:4=d\",\"v=w\",true,\"z=y\",1]");
    world_free(w);
}
END_TEST

START_TEST(a_scan_of_many_is_bounded_by_its_limit_and_by_steps)
{
    struct world *w = world_new();
    char key[16];
    for (int i = 0; i < 3000; i++) {
        sprintf(key, "key%d", i);
        struct op op = h_op(OP_PUT, w->c, key);
        op.value = slice_str("v");
        op.partition = partition_of("k");
        op.ticket.number = ANSWERS_MAX;
        shard_submit(w->h->s, &op, w->h->now);
    }
    h_durable(w->h);
    deploy_body(w,
                "return {#grid.scan(), #grid.scan(nil, nil, 2500), #grid.scan(nil, 'key1', "
                "20000)}",
                false);
    ck_assert_str_eq(run(w, ""), "[1000,2500,1111]");
    deploy_body(w, "while true do grid.scan('d') end", false);
    ck_assert_ptr_nonnull(strstr(run(w, ""), "too many steps"));
    world_free(w);
}
END_TEST

/* --- how they fail ---------------------------------------------------------------------------- */

static const struct {
    const char *body, *says; /* how it begins */
} failures[] = {
    {"error({code=5})", "TASK {\"code\":5}\ntraceback of m.t:\n  m:3"},
    {"error({f=print or type})", "TASK m:3: Script attempted to access nonexistent global"},
    {"error({f=type})", "TASK (an error that is a table)\n"},
    {"error(5)", "TASK m:3: 5\n"},
    {"error()", "TASK nil\n"},
    {"error('\\xff\\1\\n', 0)", "TASK ??\n\ntraceback"},
    {"error('\xc3\xa4', 0)", "TASK \xc3\xa4\n"},
    {"error(('\\x80'):rep(600), 0)", "TASK ????????"},
    {"error(('x'):rep(100000), 0)", "TASK xxxxxxxxxx"},
    {"local x = nil + 1", "TASK m:3: attempt to perform arithmetic on a nil value"},
    {"while true do end", "TASK m:3: too many steps\ntraceback of m.t:\n  m:3"},
    {"while true do pcall(error) end", "TASK m:3: too many steps"},
    {"while true do grid.put('k', 1) end", "TASK m:3: too many steps"},
    {"while true do grid.get('k') end", "TASK m:3: too many steps"},
    {"while true do grid.incr('k') end", "TASK m:3: too many steps"},
    {"while true do grid.expire('k', 5) end", "TASK m:3: too many steps"},
    {"while true do grid.delete('k') end", "TASK m:3: too many steps"},
    {"while true do grid.version('k') end", "TASK m:3: too many steps"},
    {"while true do grid.emit('') end", "TASK m:3: the result is larger than 65536 bytes"},
    {"while true do pcall(grid.emit, ('x'):rep(65536)) end", "TASK m:3: too many steps"},
    {"while true do grid.json.encode({}) end", "TASK m:3: too many steps"},
    {"local s = (' '):rep(2 ^ 20) .. '1' while true do grid.json.decode(s) end",
     "TASK m:3: too many steps"},
    {"for i = 1, 1e9 do grid.get('k' .. i) end", "TASK m:3: grid.get: a task looks at 10000 keys"},
    {"local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end", "TASK not enough memory"},
    {"local function f() return 1 + f() end f()", "TASK not enough memory\ntraceback of m.t:"},
    {"return ('x'):rep(65537)", "TASK the result is larger than 65536 bytes"},
    {"return ('x'):rep(1e9)", "TASK m:3: resulting string too large"},
    {"return type", "TASK a result is a string, a table, a number or a boolean, not a function"},
    {"local t = {} t.t = t return t", "TASK Cannot serialise"},
    {"grid.put('k', ('x'):rep(2 ^ 20 + 1))",
     "TASK m:3: grid.put: the value has 1048577 bytes, of "},
    {"local v = ('x'):rep(2 ^ 20) for i = 1, 40 do grid.put('k' .. i, v) end",
     "TASK m:3: grid.put: a task writes at most 33554432 bytes"},
    {"('x'):rep(1e5):find(('.-'):rep(50) .. 'y')", "TASK m:3: too many steps"},
    {"coroutine.wrap(function() grid.put('k', 1) error('in') end)()", "TASK m:3: in"},
    {"local c <close> = setmetatable({}, {__close=function() grid.put('k', 1) end}) error('x')",
     "TASK m:3: x"},
};

START_TEST(whatever_ends_a_task_is_told_and_nothing_is_changed)
{
    struct world *w = world_new();
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        deploy_body(w, failures[i].body, false);
        w->h->now += 200000; /* what was ended before is paid for */
        const char *text = run(w, "A");
        ck_assert_msg(strncmp(text, failures[i].says, strlen(failures[i].says)) == 0,
                      "%s: %s, expected %s", failures[i].body, text, failures[i].says);
        ck_assert_uint_le(strlen(text), TASK_DETAIL_MAX);
        has(w, w->c, "k", NULL);
        has(w, w->c, "k1", NULL);
    }
    deploy_body(w, "return 'well'", false);
    ck_assert_str_eq(run(w, ""), "well");
    world_free(w);
}
END_TEST

START_TEST(what_is_left_of_a_long_error_is_whole_characters)
{
    struct world *w = world_new();
    for (int first = 0; first < 5; first++) {
        char body[64], want[600] = "TASK ";
        snprintf(body, sizeof body, "error(('x'):rep(%d) .. ('\u20ac'):rep(200), 0)", first);
        memset(want + 5, 'x', (size_t)first);
        for (int at = first; at + 3 <= 512; at += 3)
            strcat(want, "\u20ac");
        strcat(want, "\ntraceback");
        deploy_body(w, body, false);
        const char *text = run(w, "");
        ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s, expected %s", text, want);
    }
    world_free(w);
}
END_TEST

START_TEST(a_read_only_task_writes_nothing_and_makes_no_record)
{
    static const char *const writes[] = {"grid.put('k', 1)", "grid.delete('k')", "grid.incr('k')",
                                         "grid.expire('k', 1)"};
    struct world *w = world_new();
    put(w, w->c, "k", "v");
    size_t records = w->h->log_len;
    for (size_t i = 0; i < 4; i++) {
        deploy_body(w, writes[i], true);
        for (int ro = 0; ro < 2; ro++) {
            struct asked a = {.name = "m.t", .key = "k", .ro = ro};
            ck_assert_ptr_nonnull(strstr(says(w, begin(w, a)), ": the task is read-only"));
        }
    }
    deploy_body(w, "return grid.get('k') .. #grid.scan() .. ('x'):rep(70000):sub(1, 2)", true);
    ck_assert_str_eq(says(w, begin(w, (struct asked){.name = "m.t", .key = "k", .ro = true})),
                     "v1xx");
    ck_assert_uint_eq(w->h->log_len, records);
    deploy_body(w, "return 1", false); /* the door has not heard of that yet */
    ck_assert_str_eq(says(w, begin(w, (struct asked){.name = "m.t", .key = "k", .ro = true})),
                     "BUSY ");
    world_free(w);
}
END_TEST

START_TEST(what_used_up_its_bounds_is_refused_until_that_is_paid)
{
    struct world *w = world_new();
    deploy(w, MOD "grid.task('t', function(t) grid.put('k', 1) while t.arg ~= '' do end end)\n"
                  "grid.task('u', function(t) return 'well' end)\n"
                  "grid.task('spin', function(t) for i = 1, tonumber(t.arg) do end end)");
    ck_assert_str_eq(run(w, ""), "");
    for (int i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(strstr(run(w, "x"), "too many steps"));
    size_t records = w->h->log_len;
    ck_assert_str_eq(run(w, ""), "TASK m.t is not run now: it used up its bounds 2 times; it runs "
                                 "again in 16000 ms");
    ck_assert_uint_eq(w->h->log_len, records);
    ck_assert_str_eq(says(w, begin(w, (struct asked){.name = "m.u", .key = "k"})), "well");
    struct asked spin = {.name = "m.spin", .key = "k", .arg = "1000"};
    ck_assert_str_eq(says(w, begin(w, spin)), "");
    w->h->now += 15999;
    ck_assert_ptr_nonnull(strstr(run(w, ""), "in 1 ms"));
    w->h->now += 1;
    ck_assert_str_eq(run(w, ""), "");
    ck_assert_ptr_nonnull(strstr(run(w, "x"), "too many steps"));
    ck_assert_ptr_nonnull(strstr(run(w, ""), "3 times; it runs again in 16000 ms"));
    deploy_body(w, "for i = 1, tonumber(t.arg) do end", false);
    ck_assert_str_eq(run(w, "1000"), "");
    world_free(w);
}
END_TEST

UNIT_MAIN("compute/task", a_source_registers_tasks_or_says_why_not,
          tasks_read_and_write_and_are_told_what_is_wrong, bytes_of_any_kind_come_and_go,
          times_to_live_are_the_caches_or_what_is_said,
          a_hash_of_a_redis_client_is_told_apart_replaced_and_expired,
          a_scan_shows_the_partition_as_the_task_has_made_it,
          a_scan_of_many_is_bounded_by_its_limit_and_by_steps,
          whatever_ends_a_task_is_told_and_nothing_is_changed,
          what_is_left_of_a_long_error_is_whole_characters,
          a_read_only_task_writes_nothing_and_makes_no_record,
          what_used_up_its_bounds_is_refused_until_that_is_paid)
