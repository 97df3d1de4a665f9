/* test_service.c - the machine of a service: it keeps its variables, is bounded, and what it asks
 * goes to its host.
 * LINK: compute command shard replica control data base */
#include "compute/service.h"
#include "tests/lib/unit.h"

#include <stdio.h>

static struct {
    bool over, still;
    uint64_t us;
    struct service_ask last;
    char cache[32], key[32], value[32];
    enum grid_err err;
} w;

static bool over(void *ctx)
{
    (void)ctx;
    return w.over;
}

/* Each look at it takes 100 us. */
static uint64_t mono_us(void *ctx)
{
    (void)ctx;
    return w.us += w.still ? 0 : 100;
}

static msec_t wall_ms(void *ctx)
{
    (void)ctx;
    return 1234;
}

static void text(char to[32], struct slice from)
{
    snprintf(to, 32, "%.*s", (int)from.len, from.len ? (const char *)from.data : "");
}

static enum grid_err ask(void *ctx, const struct service_ask *a, struct service_got *got)
{
    (void)ctx;
    w.last = *a;
    text(w.cache, a->cache);
    text(w.key, a->key);
    text(w.value, a->value);
    got->version = 7;
    got->number = 12;
    buf_printf(&got->value, "%s", w.err ? "because" : "got");
    return w.err;
}

static const struct service_host host = {.ask = ask,
                                         .over = over,
                                         .mono_us = mono_us,
                                         .wall_ms = wall_ms,
                                         .node = "a",
                                         .arg = {(const uint8_t *)"arg", 3},
                                         .number = 2,
                                         .steps = INT64_MAX / 4,
                                         .time_us = 100000,
                                         .memory = 8 << 20};
static struct buf out;

static struct service_code *opened(const char *source)
{
    struct module_info m = {.name = "m", .source = slice_str(source)};
    memset(&w, 0, sizeof w);
    out.len = 0;
    return service_open(&m, slice_str("s"), &host, &out);
}

static bool run(struct service_code *c, enum service_function f, const char *method,
                const char *arg)
{
    bool broken;
    out.len = 0;
    bool good = service_run(c, f, 99, slice_str(method), slice_str(arg), &out, &broken);
    buf_add_u8(&out, 0);
    return good;
}

static const char *said(void)
{
    return out.len ? (const char *)out.data : "";
}

#define SERVICE(functions) "#!lua name=m\nlocal n = 0\ngrid.service('s', {" functions "})\n"

START_TEST(variables_stay_from_one_call_to_the_next)
{
    struct service_code *c =
        opened(SERVICE("start = function(s) n = 10; s.x = 1 end,"
                       "call = function(s, m, a) n = n + 1; s.x = s.x * 2; return m .. a .. n .. "
                       "' ' .. s.x end"));
    ck_assert_ptr_nonnull(c);
    ck_assert(run(c, SERVICE_FN_START, "", ""));
    ck_assert(run(c, SERVICE_FN_CALL, "m", "a"));
    ck_assert_str_eq(said(), "ma11 2");
    ck_assert(run(c, SERVICE_FN_CALL, "m", "b"));
    ck_assert_str_eq(said(), "mb12 4");
    service_close(c);
}
END_TEST

START_TEST(it_knows_who_it_is)
{
    struct service_code *c =
        opened(SERVICE("call = function(s) return s.name .. s.node .. s.arg .. s.number .. s.token "
                       ".. tostring(s.key) .. s.now() end"));
    ck_assert(run(c, SERVICE_FN_CALL, "m", ""));
    ck_assert_str_eq(said(), "m.saarg299nil1234");
    service_close(c);
}
END_TEST

START_TEST(what_it_asks_goes_to_its_host)
{
    struct service_code *c = opened(SERVICE(
        "call = function(s, m)"
        "  if m == 'get' then local v, version = s.get('c', 'k', {affinity = 'x'}) return v .. "
        "version end"
        "  if m == 'put' then return s.put('c', 'k', 'v', {ttl = 5, version = 0}) end"
        "  if m == 'delete' then return s.delete('c', 'k') end"
        "  if m == 'incr' then return s.incr('c', 'k', -3) end"
        "  if m == 'run' then return s.run('c', 'k', 'm.t', 'a') end"
        "  s.put('c', {}, 'v') end"));
    ck_assert(run(c, SERVICE_FN_CALL, "get", ""));
    ck_assert_str_eq(said(), "got7");
    ck_assert(slice_eq(w.last.affinity, slice_str("x")) || w.last.affinity.len == 1);
    ck_assert(run(c, SERVICE_FN_CALL, "put", ""));
    ck_assert_str_eq(said(), "7");
    ck_assert(w.last.kind == OP_PUT && w.last.condition == IF_ABSENT && w.last.ttl_ms == 5);
    ck_assert_str_eq(w.value, "v");
    ck_assert(run(c, SERVICE_FN_CALL, "delete", ""));
    ck_assert_str_eq(said(), "true");
    ck_assert(run(c, SERVICE_FN_CALL, "incr", ""));
    ck_assert_str_eq(said(), "12");
    ck_assert_int_eq(w.last.delta, -3);
    ck_assert(run(c, SERVICE_FN_CALL, "run", ""));
    ck_assert_str_eq(said(), "got");
    w.err = GRID_EBUSY;
    ck_assert(!run(c, SERVICE_FN_CALL, "put", ""));
    ck_assert_ptr_nonnull(strstr(said(), "s.put: "));
    ck_assert_ptr_nonnull(strstr(said(), "because"));
    ck_assert(!run(c, SERVICE_FN_CALL, "wrong", ""));
    ck_assert_ptr_nonnull(strstr(said(), "the key must be a string"));
    service_close(c);
}
END_TEST

START_TEST(an_error_has_its_line_and_nothing_else_ends)
{
    struct service_code *c = opened(SERVICE("call = function(s, m) n = n + 1\n"
                                            "if m == 'e' then error('no') end return n end"));
    ck_assert(!run(c, SERVICE_FN_CALL, "e", ""));
    ck_assert_ptr_nonnull(strstr(said(), "m:4: no\ntraceback of m.s:\n  m:4"));
    ck_assert(run(c, SERVICE_FN_CALL, "m", ""));
    ck_assert_str_eq(said(), "2");
    service_close(c);
}
END_TEST

START_TEST(what_has_no_end_is_ended_and_what_is_over_at_once)
{
    struct service_code *c = opened(SERVICE("call = function(s) while true do pcall(error) end end,"
                                            "stop = function(s) s.stopped = true end"));
    ck_assert(!run(c, SERVICE_FN_CALL, "m", ""));
    ck_assert_ptr_nonnull(strstr(said(), "too long"));
    w.over = true;
    uint64_t before = w.us;
    ck_assert(!run(c, SERVICE_FN_CALL, "m", ""));
    ck_assert_uint_lt(w.us - before, 10000);
    ck_assert_ptr_nonnull(strstr(said(), "does not live here"));
    w.over = false; /* its host gives stop() some time of its own */
    ck_assert(run(c, SERVICE_FN_STOP, "", ""));
    service_close(c);
    c = opened(SERVICE("call = function(s) end, stop = function(s) while true do end end"));
    w.over = true;
    before = w.us;
    ck_assert(!run(c, SERVICE_FN_STOP, "", ""));
    ck_assert_uint_lt(w.us - before, 10000);
    ck_assert_ptr_nonnull(strstr(said(), "its stop() was ended"));
    service_close(c);
}
END_TEST

START_TEST(memory_is_bounded_and_a_machine_without_any_is_broken)
{
    struct service_code *c = opened(SERVICE("call = function(s) s.all = s.all or {}\n"
                                            "for i = 1, 1e9 do\n"
                                            "s.all[#s.all + 1] = ('x'):rep(1000) .. i end end"));
    bool broken;
    w.still = true;
    out.len = 0;
    ck_assert(!service_run(c, SERVICE_FN_CALL, 1, slice_str("m"), slice_str(""), &out, &broken));
    ck_assert(broken);
    service_close(c);
}
END_TEST

START_TEST(health_is_what_it_answers)
{
    struct service_facts facts;
    struct service_code *c = opened(SERVICE("health = function(s) n = n + 1 return n < 2 end,"
                                            "tick = function(s) end, every = 50"));
    service_facts(c, &facts);
    ck_assert(facts.has_health && facts.every_ms == 50);
    ck_assert(run(c, SERVICE_FN_HEALTH, "", ""));
    ck_assert(!run(c, SERVICE_FN_HEALTH, "", ""));
    ck_assert(run(c, SERVICE_FN_START, "", "")); /* it has none */
    ck_assert(!run(c, SERVICE_FN_CALL, "m", ""));
    ck_assert_ptr_nonnull(strstr(said(), "no function call"));
    service_close(c);
}
END_TEST

START_TEST(a_first_level_that_fails_is_told)
{
    ck_assert_ptr_null(opened("error('at once')"));
    ck_assert_ptr_nonnull(strstr((const char *)out.data, "at once"));
    ck_assert_ptr_null(opened("grid.service('other', {call = print})"));
    ck_assert_ptr_null(opened("while true do end"));
    ck_assert_ptr_null(opened("x ="));
}
END_TEST

START_TEST(what_is_no_service_is_refused_where_it_is_deployed)
{
    static const struct {
        const char *source, *why;
    } rows[] = {
        {"grid.service('s')", "a name and a table"},
        {"grid.service('s', {nope = 1})", "no option 'nope'"},
        {"grid.service('s', {call = 1})", "call must be a function"},
        {"grid.service('s', {tick = function() end})", "go together"},
        {"grid.service('s', {every = 5})", "go together"},
        {"grid.service('s', {tick = function() end, every = 1})", "10 ms to a day"},
        {"grid.service('s x', {})", "letters, digits"},
        {"grid.service('s', {description = 'a\\nb'})", "one line"},
        {"grid.broadcast('s', 1)", "a name and a function"},
    };
    const struct library_limits limits = {.run = {.steps = 1000000, .memory = 8 << 20}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct module_info info;
        out.len = 0;
        ck_assert(!library_read(slice_str(rows[i].source), slice_str("m"), &limits, &info, &out));
        buf_add_u8(&out, 0);
        ck_assert_msg(strstr(said(), rows[i].why), "%s: %s", rows[i].source, said());
    }
}
END_TEST

UNIT_MAIN("compute/service", variables_stay_from_one_call_to_the_next, it_knows_who_it_is,
          what_it_asks_goes_to_its_host, an_error_has_its_line_and_nothing_else_ends,
          what_has_no_end_is_ended_and_what_is_over_at_once,
          memory_is_bounded_and_a_machine_without_any_is_broken, health_is_what_it_answers,
          a_first_level_that_fails_is_told, what_is_no_service_is_refused_where_it_is_deployed)
