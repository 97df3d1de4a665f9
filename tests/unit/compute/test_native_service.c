/* test_native_service.c - services in C: their life, and what they ask of a host, as those in Lua.
 * LINK: compute command shard replica control data base */
#include <grid_module.h>

#include "compute/native.h"
#include "compute/service.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
    bool over;
    struct service_ask last;
    char cache[32], key[32], value[32], task[32], affinity[32];
    enum grid_err err;
    int64_t number;
} w;

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

/* --- the host --------------------------------------------------------------------------------- */

static bool host_over(void *ctx)
{
    (void)ctx;
    return w.over;
}

static void copy(char to[32], struct slice from)
{
    snprintf(to, 32, "%.*s", (int)from.len, from.len ? (const char *)from.data : "");
}

static enum grid_err host_ask(void *ctx, const struct service_ask *a, struct service_got *got)
{
    (void)ctx;
    w.last = *a;
    copy(w.cache, a->cache);
    copy(w.key, a->key);
    copy(w.value, a->value);
    copy(w.task, a->task);
    copy(w.affinity, a->affinity);
    got->version = 7;
    got->number = w.number;
    buf_printf(&got->value, "%s", w.err ? "because" : "got");
    return w.err;
}

static const struct service_host host = {.ask = host_ask,
                                         .over = host_over,
                                         .node = "a",
                                         .arg = {(const uint8_t *)"arg", 3},
                                         .key = {(const uint8_t *)"k", 1},
                                         .number = 2};

/* --- the service ------------------------------------------------------------------------------ */

static unsigned stopped;

static enum grid_err start(struct grid_instance *i)
{
    ck_assert_ptr_null(i->own);
    ck_assert(i->argument.len == 3 && i->key.len == 1 && i->number == 2 && i->ctx == &stopped);
    ck_assert_str_eq(i->name, "m.s");
    ck_assert_str_eq(i->node, "a");
    i->own = calloc(1, sizeof(unsigned));
    return w.err == GRID_EFULL ? GRID_EFULL : GRID_OK;
}

static enum grid_err stop(struct grid_instance *i)
{
    stopped++;
    free(i->own);
    return GRID_OK;
}

static enum grid_err health(struct grid_instance *i)
{
    (void)i;
    return w.err;
}

static enum grid_err tick(struct grid_instance *i)
{
    *(unsigned *)i->own += 100;
    return GRID_OK;
}

static bool is(struct grid_bytes b, const char *s)
{
    return b.len == strlen(s) && memcmp(b.data, s, b.len) == 0;
}

static enum grid_err asks(struct grid_instance *i)
{
    struct grid_seen seen;
    struct grid_bytes result;
    uint64_t version;
    int64_t number;
    const struct grid_write how = {.condition = GRID_IF_VERSION,
                                   .version = 5,
                                   .ttl = GRID_TTL_SET,
                                   .ttl_ms = 9,
                                   .affinity = text("near")};
    ck_assert_int_eq(grid_instance_get(i, "c", text("x"), text("near"), &seen), GRID_OK);
    ck_assert(is(seen.value, "got") && seen.version == 7 && is(seen.key, "x"));
    ck_assert(w.last.kind == OP_GET && strcmp(w.cache, "c") == 0 &&
              strcmp(w.affinity, "near") == 0);
    ck_assert_int_eq(grid_instance_put(i, "d/c", text("y"), text("v"), &how, &version), GRID_OK);
    ck_assert(w.last.kind == OP_PUT && w.last.condition == IF_VERSION && w.last.version == 5);
    ck_assert(w.last.ttl == TTL_SET && w.last.ttl_ms == 9 && strcmp(w.affinity, "near") == 0);
    ck_assert(version == 7 && strcmp(w.value, "v") == 0 && strcmp(w.cache, "d/c") == 0);
    w.number = 12;
    ck_assert_int_eq(grid_instance_incr(i, "c", text("n"), -4, NULL, &number), GRID_OK);
    ck_assert(w.last.kind == OP_INCR && w.last.delta == -4 && number == 12);
    ck_assert_int_eq(grid_instance_delete(i, "c", text("n"), NULL), GRID_OK);
    w.number = 0;
    ck_assert_int_eq(grid_instance_delete(i, "c", text("n"), NULL), GRID_ENOT_FOUND);
    ck_assert_int_eq(grid_instance_run(i, "c", "m.t", text("n"), text(""), text("a"), &result),
                     GRID_OK);
    ck_assert(is(result, "got") && is(seen.value, "got") && strcmp(w.task, "m.t") == 0);
    const struct grid_write wrong = {.media = text("text/plain")};
    ck_assert_int_eq(grid_instance_put(i, "c", text("y"), text("v"), &wrong, NULL),
                     GRID_EBAD_REQUEST);
    return GRID_OK;
}

static enum grid_err call(struct grid_instance *i, struct grid_bytes method, struct grid_bytes arg)
{
    char said[64];
    struct grid_seen seen;
    unsigned n = ++*(unsigned *)i->own;
    if (is(method, "asks"))
        return asks(i);
    if (is(method, "fails"))
        return grid_instance_fail(i, "no \xff luck");
    if (is(method, "refused"))
        return grid_instance_get(i, "c", text("x"), text(""), &seen);
    if (is(method, "over"))
        return grid_instance_over(i) ? GRID_OK : GRID_EBUSY;
    if (is(method, "much")) { /* what it holds is bounded, and it says what it needs no more */
        while (grid_instance_alloc(i, 1 << 20))
            ;
        enum grid_err err;
        while (!(err = grid_instance_get(i, "c", text("x"), text(""), &seen)))
            ;
        ck_assert_int_eq(err, GRID_EFULL);
        ck_assert_int_eq(grid_instance_put(i, "c", text("x"), text("v"), NULL, NULL), GRID_OK);
        grid_instance_forget(i);
        return grid_instance_get(i, "c", text("x"), text(""), &seen);
    }
    if (is(method, "large")) {
        char *most = grid_instance_alloc(i, 16 << 20);
        memset(most, 'x', 16 << 20);
        ck_assert_ptr_null(grid_instance_alloc(i, 17 << 20));
        enum grid_err err = grid_instance_answer(i, (struct grid_bytes){most, 16 << 20});
        return err ? err : grid_instance_answer(i, text("x"));
    }
    snprintf(said, sizeof said, "%u %llu ", n, (unsigned long long)i->token);
    enum grid_err err = grid_instance_answer(i, text(said));
    return err ? err : grid_instance_answer(i, arg);
}

static const struct grid_native functions[] = {
    {.kind = GRID_NATIVE_SERVICE,
     .name = "s",
     .ctx = &stopped,
     .start = start,
     .stop = stop,
     .health = health,
     .tick = tick,
     .every_ms = 50,
     .call = call},
    {.kind = GRID_NATIVE_SERVICE, .name = "quiet", .start = health},
};

/* --- its life --------------------------------------------------------------------------------- */

static struct natives *natives;
static struct buf out;

static struct service_code *opened(const char *name)
{
    static const struct grid_native_module m = GRID_MODULE_INIT("m", functions);
    struct buf fault = BUF_INIT;
    memset(&w, 0, sizeof w);
    stopped = 0;
    natives = natives_new();
    ck_assert(natives_add(natives, &m, &fault));
    return service_open_native(natives_find(natives, MODULE_SERVICE, slice_str(name)), &host);
}

static bool run(struct service_code *c, enum service_function f, const char *method,
                const char *arg)
{
    bool broken = true;
    out.len = 0;
    bool good = service_run(c, f, 99, slice_str(method), slice_str(arg), &out, &broken);
    ck_assert(!broken);
    return good;
}

static bool says(struct service_code *c, const char *method, bool good, const char *want)
{
    return run(c, SERVICE_FN_CALL, method, "arg") == good &&
           slice_eq(buf_slice(&out), slice_str(want));
}

static void closed(struct service_code *c)
{
    service_close(c);
    natives_free(natives);
    buf_release(&out);
}

START_TEST(an_instance_keeps_what_is_its_own_from_start_to_stop)
{
    struct service_code *c = opened("m.s");
    struct service_facts facts;
    service_facts(c, &facts);
    ck_assert(facts.every_ms == 50 && facts.has_health);
    ck_assert(run(c, SERVICE_FN_START, "", ""));
    ck_assert(says(c, "m", true, "1 99 arg"));
    ck_assert(run(c, SERVICE_FN_TICK, "", ""));
    ck_assert(says(c, "m", true, "102 99 arg"));
    ck_assert(run(c, SERVICE_FN_STOP, "", ""));
    ck_assert_uint_eq(stopped, 1);
    closed(c);
}
END_TEST

START_TEST(it_asks_its_host_for_all_that_one_in_lua_may)
{
    struct service_code *c = opened("m.s");
    ck_assert(run(c, SERVICE_FN_START, "", ""));
    ck_assert(says(c, "asks", true, ""));
    ck_assert(says(c, "much", true, ""));
    w.over = true;
    ck_assert(says(c, "over", true, ""));
    ck_assert(run(c, SERVICE_FN_STOP, "", ""));
    closed(c);
}
END_TEST

START_TEST(what_fails_says_why_and_lives_on)
{
    struct service_code *c = opened("m.s");
    ck_assert(run(c, SERVICE_FN_START, "", ""));
    ck_assert(says(c, "fails", false, "no ? luck\ntraceback of m.s:\n  native code"));
    w.err = GRID_EDENIED;
    ck_assert(!run(c, SERVICE_FN_CALL, "refused", ""));
    buf_add_u8(&out, 0);
    ck_assert(strstr((char *)out.data, err_text(GRID_EDENIED)) &&
              strstr((char *)out.data, ": because"));
    ck_assert(!run(c, SERVICE_FN_HEALTH, "", ""));
    w.err = GRID_OK;
    ck_assert(run(c, SERVICE_FN_HEALTH, "", ""));
    ck_assert(!run(c, SERVICE_FN_CALL, "large", ""));
    ck_assert_uint_lt(out.len, SERVICE_ERROR_MAX); /* nothing is left of the answer */
    ck_assert(says(c, "m", true, "4 99 arg"));
    ck_assert(run(c, SERVICE_FN_STOP, "", ""));
    closed(c);
}
END_TEST

START_TEST(one_whose_start_fails_is_stopped_all_the_same)
{
    struct service_code *c = opened("m.s");
    w.err = GRID_EFULL;
    ck_assert(!run(c, SERVICE_FN_START, "", ""));
    ck_assert(run(c, SERVICE_FN_STOP, "", ""));
    ck_assert_uint_eq(stopped, 1);
    closed(c);
}
END_TEST

START_TEST(functions_that_are_not_there_are_done_but_for_call)
{
    struct service_code *c = opened("m.quiet");
    ck_assert(run(c, SERVICE_FN_START, "", "") && run(c, SERVICE_FN_HEALTH, "", ""));
    ck_assert(run(c, SERVICE_FN_TICK, "", "") && run(c, SERVICE_FN_STOP, "", ""));
    ck_assert(!run(c, SERVICE_FN_CALL, "m", ""));
    closed(c);
}
END_TEST

UNIT_MAIN("compute/native_service", an_instance_keeps_what_is_its_own_from_start_to_stop,
          it_asks_its_host_for_all_that_one_in_lua_may, what_fails_says_why_and_lives_on,
          one_whose_start_fails_is_stopped_all_the_same,
          functions_that_are_not_there_are_done_but_for_call)
