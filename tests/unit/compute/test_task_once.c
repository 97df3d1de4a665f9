/* test_task_once.c - atomic tasks in a shard: all or nothing, exactly once (R13), where what they
 * write lies, and what is on disk only.
 * LINK: compute command shard replica control data base */
#include "tests/unit/compute/tasks.h"

/* --- all or nothing --------------------------------------------------------------------------- */

START_TEST(all_that_it_writes_is_one_record_with_its_result)
{
    struct world *w = world_new();
    deploy_body(w,
                "for i = 1, 5 do grid.put('k' .. i, i) grid.incr('d', 'n') end grid.put('k', 1) "
                "grid.delete('k') return grid.get('d', 'n')",
                false);
    size_t records = w->h->log_len;
    struct answered *a = begin(w, (struct asked){.name = "m.t", .key = "k", .number = 1});
    ck_assert_int_eq(a->times, 0);
    ck_assert_str_eq(says(w, a), "5");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    struct record r;
    static struct effect effects[RECORD_EFFECTS_MAX];
    ck_assert_int_eq(
        record_decode(buf_slice(&w->h->log[records].bytes), effects, RECORD_EFFECTS_MAX, &r),
        GRID_OK);
    ck_assert_uint_eq(r.effects_len, 6);
    ck_assert(slice_eq(r.session.answer, slice_str("5")));
    deploy_body(w, "return grid.get('k1')", false);
    ck_assert_str_eq(run(w, ""), "1");
    ck_assert_uint_eq(w->h->log_len, records + 1); /* it changed nothing, and nobody asks again */
    world_free(w);
}
END_TEST

START_TEST(a_task_that_fails_changes_nothing_and_says_where)
{
    struct world *w = world_new();
    deploy(w, MOD "local function deep(n)\n  if n == 0 then error('no ' .. grid.get('k')) end\n"
                  "  local x = deep(n - 1)\n  return x\nend\n"
                  "grid.task('t', function(t)\n  grid.put('k', 'money') grid.put('d', 'x', 1)\n"
                  "  local x = deep(2)\n  return x\nend)");
    size_t records = w->h->log_len;
    ck_assert_str_eq(run(w, ""), "TASK m:3: no money\ntraceback of m.t:\n  m:3\n  m:4\n  m:4\n"
                                 "  m:9");
    has(w, w->c, "k", NULL);
    has(w, w->d, "x", NULL);
    ck_assert_uint_eq(w->h->log_len, records);
    world_free(w);
}
END_TEST

/* --- placing ---------------------------------------------------------------------------------- */

/* A key whose own partition that is, or is not. */
static const char *key_in(const char *place, bool is)
{
    static char keys[8][16];
    static unsigned next, n;
    char *key = keys[next++ % 8];
    do
        sprintf(key, "p%u", n++);
    while ((partition_of(key) == partition_of(place)) != is);
    return key;
}

START_TEST(new_entries_are_placed_as_the_task_was_but_where_their_keys_lead_there)
{
    struct world *w = world_new();
    const char *far = key_in("k", false), *near = key_in("k", true);
    char body[256];
    sprintf(body, "grid.put('%s', 1) grid.put('%s', 2)", far, near);
    deploy_body(w, body, false);
    ck_assert_str_eq(run(w, ""), "");
    struct op scan = {.kind = OP_SCAN, .cache = w->c, .limit = 10, .partition = partition_of("k")};
    struct answered *a = h_do(w->h, scan);
    ck_assert_uint_eq(a->items, 2);
    ck_assert_uint_eq(a->affinity, 1); /* "k", of the far one */
    has(w, w->c, far, "1");
    has(w, w->c, near, "2");
    says(w, begin(w, (struct asked){.name = "m.t", .key = "other", .affinity = "A"}));
    scan.partition = partition_of("A");
    if (scan.partition != partition_of("k")) {
        a = h_do(w->h, scan);
        ck_assert_uint_eq(a->items, 2);
        ck_assert_uint_eq(a->affinity, 2);
    }
    world_free(w);
}
END_TEST

/* --- names and versions ----------------------------------------------------------------------- */

START_TEST(what_is_no_task_is_told_and_a_shard_that_knows_less_does_nothing)
{
    struct world *w = world_new();
    deploy(w, MOD "redis.register_function('f', type) grid.task('t', function() return 'one' end)");
    static const char *const named = "NO_TASK a task is named MODULE.NAME";
    static const char *const none[][2] = {{"m.f", "NO_TASK m.f is a function, not a task"},
                                          {"m.x", "NO_TASK module m has no task x"},
                                          {"n.t", "NO_TASK no module n is deployed"},
                                          {"m", named},
                                          {"", named},
                                          {".", named},
                                          {"m.t.", named}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct asked a = {.name = none[i][0], .key = "k", .number = 5};
        ck_assert_str_eq(says(w, begin(w, a)), none[i][1]);
    }
    struct asked newer = {.name = "m.t", .key = "k", .revision = 2};
    ck_assert_str_eq(says(w, begin(w, newer)), "NOT_PRIMARY ");
    deploy(w, MOD "grid.task('t', function() return 'two' end)");
    ck_assert_str_eq(says(w, begin(w, newer)), "two");
    deploy(w, MOD "if false then grid.task('t', type) end grid.task('u', type)");
    ck_assert_str_eq(run(w, ""), "NO_TASK module m has no task t");
    ck_assert_uint_eq(w->h->log_len, 0);
    world_free(w);
}
END_TEST

/* --- exactly once (R13) ----------------------------------------------------------------------- */

START_TEST(a_repeated_task_is_done_once_and_gets_its_result_again)
{
    struct world *w = world_new();
    deploy_body(w, "return 'n is ' .. grid.incr('n') .. t.arg", false);
    struct asked a = {.name = "m.t", .key = "k", .arg = "!", .number = 1};
    ck_assert_str_eq(says(w, begin(w, a)), "n is 1!");
    for (int i = 0; i < 3; i++) {
        struct answered *again = begin(w, a);
        ck_assert_str_eq(says(w, again), "n is 1!");
        ck_assert(again->repeated);
        if (i == 1)
            h_restart(w->h, w->h->log_len, EPOCH + 1, 0);
    }
    a.number = 2;
    ck_assert_str_eq(says(w, begin(w, a)), "n is 2!");
    deploy_body(w, "return grid.incr('n') > 5", false); /* what was done stays done */
    a.number = 1;
    ck_assert_str_eq(says(w, begin(w, a)), "n is 1!");
    world_free(w);
}
END_TEST

START_TEST(a_repetition_of_one_that_failed_fails_again_though_it_could_be_done_now)
{
    struct world *w = world_new();
    deploy_body(w, "if not grid.get('k') then error('too early', 0) end return grid.incr('n')",
                false);
    struct asked a = {.name = "m.t", .key = "k", .number = 1};
    static const char early[] = "TASK too early\ntraceback of m.t:\n  m:3";
    ck_assert_str_eq(says(w, begin(w, a)), early);
    put(w, w->c, "k", "v");
    struct answered *again = begin(w, a);
    ck_assert_str_eq(says(w, again), early);
    ck_assert(again->repeated);
    h_restart(w->h, w->h->log_len, EPOCH + 1, 0);
    ck_assert_str_eq(says(w, begin(w, a)), early);
    has(w, w->c, "n", NULL);
    a.number = 2;
    ck_assert_str_eq(says(w, begin(w, a)), "1");
    world_free(w);
}
END_TEST

START_TEST(an_empty_result_and_the_largest_one_are_kept_as_well)
{
    struct world *w = world_new();
    deploy_body(w, "return ('x'):rep(tonumber(t.arg))", false);
    static const char *const lengths[] = {"0", "1", "65536"};
    for (unsigned i = 0; i < 3; i++) {
        struct asked a = {.name = "m.t", .key = "k", .arg = lengths[i], .number = 1 + i};
        for (int n = 0; n < 2; n++) {
            struct answered *got = begin(w, a);
            ck_assert_uint_eq(strlen(says(w, got)), strtoul(lengths[i], NULL, 10));
            ck_assert(!got->status && got->repeated == (n > 0));
        }
        if (i == 1)
            h_restart(w->h, w->h->log_len, EPOCH + 1, 0);
    }
    world_free(w);
}
END_TEST

START_TEST(who_asks_for_one_thing_only_gets_no_other)
{
    struct world *w = world_new();
    deploy_body(w, "return grid.incr('n')", false);
    struct asked a = {.name = "m.t", .key = "k", .number = 70, .sole = true};
    ck_assert_str_eq(says(w, begin(w, a)), "1");
    for (int i = 0; i < 2; i++) {
        static const uint64_t others[] = {1, 69, 71, UINT64_MAX};
        for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
            a.number = others[k];
            ck_assert_str_eq(says(w, begin(w, a)), "EXISTS ");
        }
        a.number = 70;
        ck_assert_str_eq(says(w, begin(w, a)), "1");
        h_restart(w->h, w->h->log_len, EPOCH + 1, 0);
    }
    a.number = 71, a.sole = false; /* one that asks for many does */
    ck_assert_str_eq(says(w, begin(w, a)), "2");
    world_free(w);
}
END_TEST

/* A client whose numbers are confused. */
START_TEST(a_number_that_named_another_kind_of_request_is_refused)
{
    struct world *w = world_new();
    deploy_body(w, "return ('x'):rep(tonumber(t.arg))", false);
    struct op op = h_op(OP_PUT, w->c, "k");
    op.partition = partition_of("k");
    op.value = slice_str("v");
    for (unsigned i = 0; i < 3; i++) {
        static const char *const lengths[] = {"0", "1", "x"};
        struct asked a = {.name = "m.t", .key = "k", .arg = lengths[i], .number = 1 + i};
        says(w, begin(w, a));
        session_set(&op, WHO, 1 + i, 1);
        struct answered *put = h_do(w->h, op);
        h_durable(w->h);
        ck_answer(put, i < 2 ? GRID_EBAD_REQUEST : GRID_ETASK);
    }
    has(w, w->c, "k", NULL);
    session_set(&op, WHO, 9, 1);
    struct answered *put = h_do(w->h, op);
    h_durable(w->h);
    ck_answer(put, GRID_OK);
    struct asked a = {.name = "m.t", .key = "k", .arg = "1", .number = 9};
    ck_assert_str_eq(says(w, begin(w, a)), "BAD_REQUEST ");
    world_free(w);
}
END_TEST

/* A log that is full refuses it; it may be done later. */
START_TEST(a_task_without_room_is_not_done_and_may_be_asked_again)
{
    struct world *w = world_new();
    deploy_body(w, "grid.put('a', 1) grid.put('d', 'a', 1) return 'done'", false);
    struct asked a = {.name = "m.t", .key = "k", .number = 1};
    w->h->log_full = true;
    ck_assert_str_eq(says(w, begin(w, a)), "FULL ");
    has(w, w->c, "a", NULL);
    w->h->log_full = false;
    ck_assert_str_eq(says(w, begin(w, a)), "done");
    has(w, w->d, "a", "1");
    world_free(w);
}
END_TEST

/* --- what is on disk only --------------------------------------------------------------------- */

static void all_to_disk(struct world *w)
{
    h_checkpoint(w->h);
    h_set_limits(w->h, 1);
    for (int i = 0; i < 20; i++)
        shard_tick(w->h->s, w->h->now);
    h_set_limits(w->h, 0);
    shard_check(w->h->s);
}

START_TEST(keys_on_disk_are_fetched_and_the_task_begins_again)
{
    struct world *w = world_new();
    for (int i = 0; i < 5; i++)
        put(w, i % 2 ? w->c : w->d, (const char *[]){"a", "b", "e", "f", "g"}[i], "5");
    deploy_body(w,
                "grid.put('c', 'sum', 0) for _, k in ipairs{'a', 'b', 'e', 'f', 'g'} do "
                "grid.incr('sum', tonumber(grid.get('c', k) or 100)) "
                "grid.incr('sum', tonumber(grid.get('d', k) or 100)) end return grid.get('sum')",
                false);
    all_to_disk(w);
    size_t records = w->h->log_len;
    struct answered *a = begin(w, (struct asked){.name = "m.t", .key = "k", .number = 1});
    ck_waits(a);
    h_cold(w->h);
    ck_assert_str_eq(says(w, a), "525");
    ck_assert_uint_eq(w->h->log_len, records + 1);
    has(w, w->c, "sum", "525");
    world_free(w);
}
END_TEST

static const char scan_body[] =
    "grid.put('u00', 'new') local n, m = 0, 0 for _, e in ipairs(grid.scan(nil, 'u', 500)) do "
    "n, m = n + 1, m + tonumber(e.key:sub(2)) end return n .. ' ' .. m .. ' ' .. "
    "#grid.scan(nil, t.arg)";

static void many_to_disk(struct world *w)
{
    char key[16];
    for (int i = 1; i <= 200; i++) {
        sprintf(key, "u%d", i);
        put(w, w->c, key, "v");
        sprintf(key, "t%d", i);
        put(w, w->c, key, "v");
        if (i == 100)
            put(w, w->d, key, "v");
    }
    all_to_disk(w);
}

START_TEST(a_scan_brings_in_what_is_on_disk)
{
    struct world *w = world_new();
    many_to_disk(w);
    put(w, w->c, "u201", "v");
    struct op op = h_op(OP_DELETE, w->c, "u7");
    op.partition = partition_of("k");
    struct answered *gone = h_do(w->h, op);
    h_cold(w->h);
    h_durable(w->h);
    ck_answer(gone, GRID_OK);
    deploy_body(w, scan_body, false);
    w->h->page_max = 30;
    struct answered *a =
        begin(w, (struct asked){.name = "m.t", .key = "k", .arg = "u1", .number = 1});
    ck_waits(a);
    h_cold(w->h);
    ck_assert_str_eq(says(w, a), "201 20294 111");
    a = begin(w, (struct asked){.name = "m.t", .key = "k", .arg = "t"});
    h_cold(w->h);
    ck_assert_str_eq(says(w, a), "BUSY "); /* one range at a time */
    world_free(w);
}
END_TEST

START_TEST(a_page_of_a_cache_that_was_dropped_is_not_taken_in)
{
    char why[WHY_BYTES], key[16];
    struct world *w = world_new();
    for (int i = 1; i <= 20; i++) {
        sprintf(key, "u%d", i);
        put(w, w->d, key, "v");
    }
    all_to_disk(w);
    deploy_body(w, "return #grid.scan('d', 'u')", false);
    w->h->capture = true;
    struct answered *a = begin(w, (struct asked){.name = "m.t", .key = "k", .number = 1});
    h_cold_one(w->h, 0, GRID_OK); /* its key */
    ck_assert_uint_eq(w->h->questions_len, 1);
    struct catalog *next = catalog_copy(w->h->catalog);
    ck_assert_int_eq(catalog_cache_drop(next, slice_str("x/d"), why), GRID_OK);
    h_publish(w->h, next);
    for (int i = 0; i < 20; i++)
        shard_tick(w->h->s, w->h->now);
    h_cold(w->h);
    static const char none[] = "TASK m:3: grid.scan: there is no cache 'd' in the context";
    ck_assert_int_eq(strncmp(says(w, a), none, sizeof none - 1), 0);
    shard_check(w->h->s);
    world_free(w);
}
END_TEST

/* What makes room for a page may be newer than that. */
START_TEST(a_page_that_was_read_takes_the_place_of_nothing_newer)
{
    struct world *w = world_new();
    many_to_disk(w);
    deploy_body(w, "return #grid.scan(nil, 'u')", false);
    w->h->capture = true;
    struct answered *a = begin(w, (struct asked){.name = "m.t", .key = "k", .number = 1});
    h_cold_one(w->h, 0, GRID_OK); /* its key */
    ck_assert_uint_eq(w->h->questions_len, 1);
    struct op op = h_op(OP_PUT, w->c, "u99");
    op.partition = partition_of("k");
    op.value = slice_str("new");
    struct answered *changed = h_do(w->h, op);
    ck_assert_uint_eq(w->h->questions_len, 2);
    h_cold_one(w->h, 1, GRID_OK);
    h_durable(w->h);
    ck_answer(changed, GRID_OK);
    h_checkpoint(w->h);
    h_set_limits(w->h, 1);
    h_cold_one(w->h, 0, GRID_OK);
    h_set_limits(w->h, 0);
    h_cold(w->h);
    ck_assert_str_eq(says(w, a), "200");
    changed = get_at(w, w->c, "u99", "k");
    h_cold(w->h);
    ck_value(changed, "new");
    world_free(w);
}
END_TEST

/* Whoever leads meanwhile says so. */
START_TEST(a_scan_that_cannot_read_the_disk_fails_and_changes_nothing)
{
    struct world *w = world_new();
    many_to_disk(w);
    deploy_body(w, scan_body, false);
    w->h->page_max = 30;
    struct answered *a = begin(w, (struct asked){.name = "m.t", .key = "k", .arg = "u1"});
    ck_waits(a);
    ck_assert_uint_eq(w->h->questions_len, 1);
    h_cold_one(w->h, 0, GRID_OK); /* its key */
    ck_assert_uint_eq(w->h->questions_len, 1);
    h_cold_one(w->h, 0, GRID_OK);
    ck_waits(a);
    h_cold_one(w->h, 0, GRID_EIO);
    ck_assert_str_eq(says(w, a), "IO ");
    a = begin(w, (struct asked){.name = "m.t", .key = "k", .arg = "u1"});
    h_cold(w->h);
    ck_assert_str_eq(says(w, a), "201 20100 111");
    world_free(w);
}
END_TEST

UNIT_MAIN("compute/task_once", all_that_it_writes_is_one_record_with_its_result,
          a_task_that_fails_changes_nothing_and_says_where,
          new_entries_are_placed_as_the_task_was_but_where_their_keys_lead_there,
          what_is_no_task_is_told_and_a_shard_that_knows_less_does_nothing,
          a_repeated_task_is_done_once_and_gets_its_result_again,
          a_repetition_of_one_that_failed_fails_again_though_it_could_be_done_now,
          an_empty_result_and_the_largest_one_are_kept_as_well,
          who_asks_for_one_thing_only_gets_no_other,
          a_number_that_named_another_kind_of_request_is_refused,
          a_task_without_room_is_not_done_and_may_be_asked_again,
          keys_on_disk_are_fetched_and_the_task_begins_again, a_scan_brings_in_what_is_on_disk,
          a_page_of_a_cache_that_was_dropped_is_not_taken_in,
          a_page_that_was_read_takes_the_place_of_nothing_newer,
          a_scan_that_cannot_read_the_disk_fails_and_changes_nothing)
