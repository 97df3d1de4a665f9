/* test_native.c - functions in C: what a module may register, and tasks of it in a shard: what they
 * see and change, how they fail, exactly once, with keys that are on disk only.
 * LINK: compute command shard replica control data base */
#include <grid_module.h>

#include "compute/native.h"
#include "tests/unit/compute/tasks.h"

static struct grid_bytes text(const char *s)
{
    return (struct grid_bytes){s, strlen(s)};
}

/* --- what is registered ----------------------------------------------------------------------- */

static enum grid_err nothing(struct grid_call *c)
{
    (void)c;
    return GRID_OK;
}

static enum grid_err maps_nothing(struct grid_mapper *m, const struct grid_mapped *e)
{
    (void)m;
    (void)e;
    return GRID_OK;
}

static enum grid_err lives_on(struct grid_instance *i)
{
    (void)i;
    return GRID_OK;
}

static const char *refused(const struct grid_native_module *m)
{
    static char why[256];
    struct buf fault = BUF_INIT;
    struct natives *n = natives_new();
    bool good = natives_add(n, m, &fault);
    ck_assert(good == (fault.len == 0));
    snprintf(why, sizeof why, "%.*s", (int)fault.len, (const char *)fault.data);
    ck_assert(good || !natives_at(n, 0));
    buf_release(&fault);
    natives_free(n);
    return why;
}

START_TEST(a_module_that_is_wrong_is_refused_by_name_and_nothing_of_it_taken)
{
    static const char long_help[] = "two\nlines";
    const struct grid_native good = {.kind = GRID_NATIVE_TASK, .name = "t", .task = nothing};
    const struct grid_native map = {.kind = GRID_NATIVE_MAP, .name = "p", .map = maps_nothing};
    struct grid_native kind = good, name = good, flags = good, none = good, help = good;
    struct grid_native map_none = map, map_flags = map, map_by = map, map_how = map;
    kind.kind = (enum grid_native_kind)77;
    name.name = "no-name";
    flags.flags = 2;
    none.task = NULL;
    help.help = long_help;
    struct grid_native service_none = {.kind = GRID_NATIVE_SERVICE, .name = "s"};
    struct grid_native service_tick = {.kind = GRID_NATIVE_SERVICE, .name = "s", .tick = lives_on};
    map_none.map = NULL;
    map_flags.flags = GRID_NATIVE_NO_WRITES;
    map_by.reducer = GRID_REDUCE_BY;
    map_how.reducer = (enum grid_reducer)77;
    const struct {
        const struct grid_native *second;
        const char *why;
    } cases[] = {
        {&good, "native module m: m.t is registered twice"},
        {&kind, "m.t is of a kind"},
        {&name, "m.no-name is no name"},
        {&flags, "m.t has flags"},
        {&none, "m.t has no function"},
        {&help, "m.t has a help"},
        {&map_none, "m.p has no function"},
        {&map_flags, "m.p has flags"},
        {&map_by, "m.p has a reduce function without"},
        {&map_how, "m.p reduces in a way"},
        {&service_none, "m.s has no function"},
        {&service_tick, "m.s has a tick"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct grid_native functions[] = {good, *cases[i].second};
        const struct grid_native_module m = GRID_MODULE_INIT("m", functions);
        ck_assert_msg(strstr(refused(&m), cases[i].why), "%s", refused(&m));
    }
    const struct grid_native functions[] = {good};
    struct grid_native_module m = GRID_MODULE_INIT("m", functions);
    ck_assert_str_eq(refused(&m), "");
    m.abi = 9;
    ck_assert_str_eq(refused(&m), "a native module of ABI 9: this node takes 1");
    m.abi = GRID_MODULE_ABI;
    m.name = "a.b";
    ck_assert(strstr(refused(&m), "whose name is none"));
    m.name = "m";
    m.functions_len = 129;
    ck_assert(strstr(refused(&m), "more than 128"));
    m.functions_len = 1;
    m.function_size = 8;
    ck_assert(strstr(refused(&m), "native module m: "));
}
END_TEST

START_TEST(functions_are_found_by_their_paths_in_modules_of_newer_headers_too)
{
    struct newer { /* a function as a later header has it */
        struct grid_native now;
        void *later[3];
    };
    const struct newer functions[] = {
        {{.kind = GRID_NATIVE_TASK, .name = "z", .task = nothing}, {NULL}},
        {{.kind = GRID_NATIVE_TASK, .name = "a", .flags = 1, .help = "h", .task = nothing},
         {NULL}}};
    const struct grid_native_module newer = {GRID_MODULE_ABI, sizeof(struct newer), "n",
                                             &functions[0].now, 2};
    const struct grid_native one[] = {{.kind = GRID_NATIVE_TASK, .name = "z", .task = nothing}};
    const struct grid_native_module other = GRID_MODULE_INIT("m", one);
    struct buf fault = BUF_INIT;
    struct natives *n = natives_new();
    ck_assert(natives_add(n, &newer, &fault) && natives_add(n, &other, &fault));
    ck_assert(!natives_add(n, &other, &fault));
    ck_assert_str_eq(natives_at(n, 0)->path, "m.z");
    ck_assert_str_eq(natives_at(n, 1)->path, "n.a");
    ck_assert_ptr_null(natives_at(n, 3));
    const struct native *a = natives_find(n, MODULE_TASK, slice_str("n.a"));
    ck_assert(a && a->flags == MODULE_NO_WRITES && strcmp(a->help, "h") == 0);
    ck_assert_ptr_null(natives_find(n, MODULE_TASK, slice_str("n.b")));
    ck_assert_ptr_null(natives_find(n, MODULE_MAP, slice_str("n.a")));
    ck_assert_ptr_null(natives_find(NULL, MODULE_TASK, slice_str("n.a")));
    buf_release(&fault);
    natives_free(n);
}
END_TEST

/* --- tasks ------------------------------------------------------------------------------------ */

static unsigned begun; /* tasks */

/* Everything once; each line of the result is one claim that held. */
static enum grid_err all(struct grid_call *c)
{
    struct grid_seen seen;
    const struct grid_seen *list;
    size_t len;
    int64_t n = 0;
    const struct grid_write once = {.condition = GRID_IF_ABSENT},
                            later = {.ttl = GRID_TTL_SET, .ttl_ms = 1000};
    struct grid_write exact = {.condition = GRID_IF_VERSION, .version = 1};
    bool good = c->key.len == 1 && c->argument.len == 3 && strcmp(c->cache, "c") == 0 && c->now_ms;
    good = good && grid_call_get(c, NULL, text("none"), &seen) == GRID_ENOT_FOUND;
    good = good && grid_call_get(c, "nowhere", text("x"), &seen) == GRID_ENO_CACHE;
    good = good && grid_call_get(c, "", text("x"), &seen) == GRID_ENO_CACHE;
    good = good && grid_call_get(c, NULL, text(""), &seen) == GRID_EBAD_REQUEST;
    if (!good)
        return grid_call_fail(c, "reading");
    good = !grid_call_put(c, NULL, text("k1"), text("one"), NULL);
    good = good && grid_call_put(c, NULL, text("k1"), text("two"), &once) == GRID_ECONDITION;
    good = good && grid_call_put(c, NULL, text("k1"), text("two"), &exact) == GRID_ECONDITION;
    good =
        good && !grid_call_get(c, NULL, text("k1"), &seen) && seen.value.len == 3 && !seen.version;
    good = good && !grid_call_expire(c, NULL, text("k1"), &later);
    good =
        good && !grid_call_get(c, NULL, text("k1"), &seen) && seen.deadline_ms == c->now_ms + 1000;
    good = good && grid_call_expire(c, NULL, text("k9"), &later) == GRID_ENOT_FOUND;
    if (!good)
        return grid_call_fail(c, "writing");
    good =
        !grid_call_incr(c, "d", text("n"), 40, &n) && !grid_call_incr(c, "d", text("n"), 2, NULL);
    good =
        good && !grid_call_get(c, "d", text("n"), &seen) && seen.deadline_ms == c->now_ms + 60000;
    good = good && n == 40 && grid_call_incr(c, NULL, text("k1"), 1, &n) == GRID_ENOT_NUMBER;
    good = good && grid_call_incr(c, "d", text("n"), INT64_MAX, &n) == GRID_EOVERFLOW;
    if (!good)
        return grid_call_fail(c, "counting");
    good = !grid_call_put(c, NULL, text("k2"), text("2"), NULL) &&
           !grid_call_delete(c, NULL, text("k2"));
    good = good && grid_call_delete(c, NULL, text("k2")) == GRID_ENOT_FOUND;
    good = good && !grid_call_delete(c, NULL, text("was"));
    good = good && !grid_call_scan(c, NULL, text("k"), 0, &list, &len) && len == 2;
    good = good && !grid_call_scan(c, NULL, text(""), 1, &list, &len) && len == 1;
    good = good && !grid_call_scan(c, "d", text(""), 0, &list, &len) && len == 1 &&
           list[0].value.len == 2;
    if (!good)
        return grid_call_fail(c, "deleting, scanning");
    char *room = grid_call_alloc(c, 100);
    good = room && !grid_call_alloc(c, 33 << 20);
    memset(room, 'r', 100);
    good = good && !grid_call_emit(c, text("row")) && !grid_call_result(c, c->argument);
    grid_call_log(c, "was here");
    return good ? GRID_OK : grid_call_fail(c, "the rest");
}

static enum grid_err fails(struct grid_call *c)
{
    enum grid_err err = grid_call_put(c, NULL, text("k"), text("gone"), NULL);
    if (c->argument.len)
        return grid_call_fail(c, "no \xff money");
    return err ? err : GRID_ENOT_NUMBER;
}

static enum grid_err reads(struct grid_call *c)
{
    struct grid_seen seen;
    begun++;
    if (c->argument.len && grid_call_put(c, NULL, c->key, text("x"), NULL) != GRID_EDENIED)
        return GRID_OK;
    enum grid_err err = grid_call_get(c, NULL, c->key, &seen);
    return err ? err : grid_call_result(c, seen.value);
}

static enum grid_err counts(struct grid_call *c)
{
    int64_t n;
    char number[24];
    begun++;
    *(unsigned *)c->ctx += 1;
    enum grid_err err = grid_call_incr(c, NULL, text("other"), 1, &n);
    if (!err)
        err = grid_call_incr(c, NULL, c->key, 1, &n);
    snprintf(number, sizeof number, "%lld", (long long)n);
    return err ? err : grid_call_result(c, text(number));
}

static enum grid_err large(struct grid_call *c)
{
    static char bytes[TASK_RESULT_MAX + 1];
    bool refuses = grid_call_result(c, (struct grid_bytes){bytes, sizeof bytes}) == GRID_ETOO_LARGE;
    struct grid_bytes most = {bytes, TASK_RESULT_MAX};
    for (unsigned i = 0; i <= RECORD_EFFECTS_MAX && refuses; i++) {
        char key[16];
        struct grid_seen seen;
        snprintf(key, sizeof key, "x%u", i);
        enum grid_err err = grid_call_get(c, NULL, text(key), &seen);
        refuses = err == (i < RECORD_EFFECTS_MAX - 1u ? GRID_ENOT_FOUND : GRID_EFULL);
        if (err == GRID_EFULL)
            break;
    }
    return refuses ? grid_call_result(c, most) : GRID_OK;
}

static unsigned told;

static struct natives *natives_of_test(void)
{
    const struct grid_native functions[] = {
        {.kind = GRID_NATIVE_TASK, .name = "all", .task = all},
        {.kind = GRID_NATIVE_TASK, .name = "fails", .task = fails},
        {.kind = GRID_NATIVE_TASK, .name = "reads", .flags = GRID_NATIVE_NO_WRITES, .task = reads},
        {.kind = GRID_NATIVE_TASK, .name = "counts", .task = counts, .ctx = &told},
        {.kind = GRID_NATIVE_TASK, .name = "large", .task = large},
        {.kind = GRID_NATIVE_TASK, .name = "t", .task = nothing},
    };
    const struct grid_native_module m = GRID_MODULE_INIT("m", functions);
    struct buf fault = BUF_INIT;
    struct natives *n = natives_new();
    ck_assert(natives_add(n, &m, &fault));
    return n;
}

static struct world *native_world(struct natives **ret_natives)
{
    struct world *w = world_new();
    w->h->natives = *ret_natives = natives_of_test();
    h_restart(w->h, w->h->log_len, EPOCH + 1, 0);
    return w;
}

static void native_free(struct world *w, struct natives *n)
{
    world_free(w);
    natives_free(n);
}

static const char *native_run(struct world *w, const char *name, const char *arg)
{
    return says(w, begin(w, (struct asked){.name = name, .key = "k", .arg = arg}));
}

START_TEST(a_task_in_c_may_what_one_in_lua_may)
{
    struct natives *n;
    struct world *w = native_world(&n);
    put(w, w->c, "was", "there");
    put(w, w->c, "kept", "too");
    size_t records = w->h->log_len;
    ck_assert_str_eq(native_run(w, "m.all", "arg"), "row\narg");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    has(w, w->c, "k1", "one");
    has(w, w->c, "k2", NULL);
    has(w, w->c, "was", NULL);
    has(w, w->d, "n", "42");
    native_free(w, n);
}
END_TEST

START_TEST(one_that_fails_changes_nothing_and_says_why)
{
    struct natives *n;
    struct world *w = native_world(&n);
    size_t records = w->h->log_len;
    ck_assert_str_eq(native_run(w, "m.fails", "x"),
                     "TASK no ? money\ntraceback of m.fails:\n  native code");
    ck_assert_str_eq(native_run(w, "m.fails", ""),
                     "TASK the value is not a 64-bit decimal number\ntraceback of m.fails:\n"
                     "  native code");
    has(w, w->c, "k", NULL);
    ck_assert_uint_eq(w->h->log_len, records);
    native_free(w, n);
}
END_TEST

START_TEST(one_that_only_reads_writes_nothing)
{
    struct natives *n;
    struct world *w = native_world(&n);
    put(w, w->c, "k", "v");
    struct asked ro = {.name = "m.reads", .key = "k", .ro = true, .arg = "try"};
    ck_assert_str_eq(says(w, begin(w, ro)), "v");
    ro.name = "m.counts";
    ck_assert_str_eq(says(w, begin(w, ro)), "BUSY "); /* the door took it for one that reads */
    native_free(w, n);
}
END_TEST

START_TEST(what_a_task_in_c_may_take_is_bounded)
{
    struct natives *n;
    struct world *w = native_world(&n);
    struct answered *a = begin(w, (struct asked){.name = "m.large", .key = "k"});
    h_durable(w->h);
    ck_assert_int_eq(a->status, GRID_OK);
    ck_assert_uint_eq(a->value.len, TASK_RESULT_MAX);
    native_free(w, n);
}
END_TEST

START_TEST(a_deployed_task_comes_before_one_in_c_and_none_is_none)
{
    struct natives *n;
    struct world *w = native_world(&n);
    ck_assert_str_eq(native_run(w, "m.t", ""), "");
    deploy_body(w, "return 'lua'", false);
    ck_assert_str_eq(native_run(w, "m.t", ""), "lua");
    ck_assert_str_eq(native_run(w, "m.none", ""), "NO_TASK module m has no task none");
    native_free(w, n);
}
END_TEST

START_TEST(a_task_in_c_is_done_once_also_after_a_restart)
{
    struct natives *n;
    struct world *w = native_world(&n);
    begun = told = 0;
    struct asked once = {.name = "m.counts", .key = "k", .number = 1};
    ck_assert_str_eq(says(w, begin(w, once)), "1");
    ck_assert_str_eq(says(w, begin(w, once)), "1");
    h_restart(w->h, w->h->log_len, EPOCH + 2, 0);
    ck_assert_str_eq(says(w, begin(w, once)), "1");
    has(w, w->c, "k", "1");
    ck_assert_uint_eq(begun, 1);
    ck_assert_uint_eq(told, 1); /* its ctx is what was registered */
    native_free(w, n);
}
END_TEST

START_TEST(keys_on_disk_only_are_fetched_and_the_task_begins_again)
{
    struct natives *n;
    struct world *w = native_world(&n);
    put(w, w->c, "k", "5");
    put(w, w->c, "other", "7");
    h_checkpoint(w->h);
    h_restart(w->h, w->h->log_len, EPOCH + 2, 0);
    begun = 0;
    struct answered *a = begin(w, (struct asked){.name = "m.counts", .key = "k", .number = 2});
    h_cold(w->h);
    ck_assert_str_eq(says(w, a), "6");
    has(w, w->c, "other", "8");
    ck_assert_uint_gt(begun, 1);
    native_free(w, n);
}
END_TEST

UNIT_MAIN("compute/native", a_module_that_is_wrong_is_refused_by_name_and_nothing_of_it_taken,
          functions_are_found_by_their_paths_in_modules_of_newer_headers_too,
          a_task_in_c_may_what_one_in_lua_may, one_that_fails_changes_nothing_and_says_why,
          one_that_only_reads_writes_nothing, what_a_task_in_c_may_take_is_bounded,
          a_deployed_task_comes_before_one_in_c_and_none_is_none,
          a_task_in_c_is_done_once_also_after_a_restart,
          keys_on_disk_only_are_fetched_and_the_task_begins_again)
