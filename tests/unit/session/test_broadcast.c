/* test_broadcast.c - POST /v1/broadcasts, and that a node runs what it is asked for once.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "compute/library.h"
#include "session/broadcast.h"
#include "session/repeats.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"

#include <stdlib.h>

#define CAST "/v1/broadcasts/m.b"

static uint64_t clock_now_us;

static uint64_t clock_us(void *nobody)
{
    (void)nobody;
    return clock_now_us;
}

static const struct catalog *host_catalog(void *ctx)
{
    return fake_catalog(ctx);
}

/* The node itself is all that is asked. */
static void everywhere_here(void *ctx, const struct ticket *to, const struct errand *e)
{
    struct fake *f = ctx;
    struct errand mine = *e;
    struct buf out = BUF_INIT;
    ck_assert(errand_known(&mine));
    int64_t number = (int64_t)errand_run(f->ports.errands, &mine, &out);
    session_result(to, &(struct result){.number = number, .value = buf_slice(&out)});
    buf_release(&out);
}

static void deploy(struct fake *f, const char *source)
{
    const struct library_limits limits = {.run = {.steps = 1000000, .memory = 8 << 20}};
    char why[WHY_BYTES];
    struct module_info info;
    struct buf fault = BUF_INIT;
    bool read = library_read(slice_str(source), slice_str("m"), &limits, &info, &fault);
    ck_assert_msg(read, "%.*s", (int)fault.len, (const char *)fault.data);
    ck_assert_int_eq(catalog_module_deploy(f->catalog, &info, true, why), GRID_OK);
    free((void *)(uintptr_t)info.functions);
    buf_release(&fault);
}

/* How often it ran is in the answer. */
static struct fake *node(void)
{
    struct fake *f = fake_http();
    clock_now_us = 5000000;
    f->ports.everywhere = everywhere_here;
    errands_host(
        f->ports.errands,
        &(struct errand_host){
            .ctx = f, .first = true, .node = "a", .catalog = host_catalog, .mono_us = clock_us});
    clock_now_us += 1000000;
    deploy(f, "grid.broadcast('b', function(b) b.emit(b.arg) if b.arg == 'no' then error('no') end "
              "end) grid.map{name = 'p', map = function() end}");
    return f;
}

static const char *asked(struct fake *f, const char *path, const char *once, const char *body)
{
    char text[1000];
    fake_turn_end(f);
    snprintf(text, sizeof text, "POST %s" HOST "%s%s%sContent-Length: %zu\r\n\r\n%s", path,
             once ? "Idempotency-Key: " : "", once ? once : "", once ? "\r\n" : "", strlen(body),
             body);
    fake_text(f, text);
    return fake_out(f);
}

START_TEST(each_node_is_told_for_itself)
{
    struct fake *f = node();
    ck_has(asked(f, CAST, NULL, "x"),
           "{\"nodes\":[{\"node\":\"a\",\"code\":\"OK\",\"rows\":\"x\\n\"}]}");
    ck_has(asked(f, CAST, NULL, "no"), "\"code\":\"TASK\",\"detail\":\"m:1: no");
    ck_has(asked(f, CAST "?nodes=zone%3Db", NULL, "x"), "{\"nodes\":[]}"); /* it has no labels */
    fake_free(f);
}
END_TEST

START_TEST(what_is_wrong_is_said_before_it_is_asked)
{
    static const struct {
        const char *path, *once;
        int status;
        const char *said;
    } cases[] = {
        {"/v1/broadcasts/m.x", NULL, 404, "module m has no broadcast x"},
        {"/v1/broadcasts/m.p", NULL, 404, "m.p is a map, not a broadcast"},
        {"/v1/broadcasts/x.b", NULL, 404, "no module x"},
        {CAST "?nodes=zone", NULL, 400, "LABEL=VALUE"},
        {CAST, "", 400, "1 to 128 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = node();
        const char *text = asked(f, cases[i].path, cases[i].once, "");
        ck_assert_msg(atoi(text + 9) == cases[i].status, "%s: %s", cases[i].path, text);
        ck_has(text, cases[i].said);
        fake_free(f);
    }
}
END_TEST

START_TEST(asked_again_with_the_same_key_it_does_not_run_again)
{
    struct fake *f = node();
    ck_has(asked(f, CAST, "1", "x"), "\"rows\":\"x\\n\"");
    ck_has(asked(f, CAST, "2", "no"), "m:1: no");
    deploy(f, "grid.broadcast('b', function(b) return 'again' end)");
    ck_has(asked(f, CAST, "1", "x"), "\"rows\":\"x\\n\"");
    ck_has(asked(f, CAST, "2", "no"), "m:1: no");
    ck_has(asked(f, CAST, "3", "x"), "\"rows\":\"again\"");
    ck_has(asked(f, CAST, NULL, "x"), "\"rows\":\"again\"");
    const char *text = asked(f, CAST, "1", "y");
    ck_has(text, "HTTP/1.1 422 ");
    ck_has(text, "used with another request");
    session_proved(f->session, "ann"); /* another user's is another one */
    ck_has(asked(f, CAST, "1", "x"), "\"rows\":\"again\"");
    fake_free(f);
}
END_TEST

/* As grid_dispatch() asks. */
static struct scan_item cast(struct fake *f, uint64_t number, msec_t age_ms, struct buf *out)
{
    const struct repeat_id once = {.session = {"s"}, .number = number};
    struct broadcast_request r = {.name = slice_str("m.b"), .once = &once, .age_ms = age_ms};
    struct errand e;
    struct fault fault = broadcast_ask(f->session, &r, &e);
    if (fault.err)
        return (struct scan_item){.version = fault.err};
    out->len = 0;
    (void)errand_run(f->ports.errands, &e, out);
    struct scan_item *list, one;
    ck_assert_uint_eq(
        broadcast_answers(f->session, &(struct result){.value = buf_slice(out)}, &list), 1);
    one = list[0];
    free(list);
    return one;
}

START_TEST(who_cannot_know_whether_it_ran_says_so)
{
    struct fake *f = node();
    struct buf out = BUF_INIT;
    ck_assert_uint_eq(cast(f, 1, 999, &out).version, GRID_OK);
    ck_assert_uint_eq(cast(f, 2, 1001, &out).version,
                      GRID_EIN_DOUBT);                          /* before it began its life */
    ck_assert_uint_eq(cast(f, 1, 1001, &out).version, GRID_OK); /* but this it knows */
    ck_assert_uint_eq(cast(f, 3, REPEATS_MS / 2 + 1, &out).version, GRID_ESTALE);
    ck_assert_uint_eq(cast(f, 4, 0, &out).version, GRID_OK); /* of a session each is another one */
    buf_release(&out);
    fake_free(f);
}
END_TEST

/* --- what is kept ----------------------------------------------------------------------------- */

static struct repeat_id id_of(unsigned i, uint64_t number)
{
    struct repeat_id id = {.number = number};
    memcpy(id.session.bytes, &i, sizeof i);
    return id;
}

static enum repeat find(struct repeats *r, unsigned i, msec_t now, enum grid_err *ret_err)
{
    struct slice said;
    struct repeat_id id = id_of(i, 1);
    return repeats_find(r, &id, now, ret_err, &said);
}

START_TEST(answers_go_before_identities_and_both_the_oldest_first)
{
    static uint8_t large[REPEATS_BYTES_MAX / 4];
    struct repeats *r = repeats_new();
    enum grid_err err = GRID_OK;
    for (unsigned i = 0; i < 6; i++) {
        struct repeat_id id = id_of(i, 1);
        repeats_add(r, &id, i, i == 5 ? GRID_ETASK : GRID_OK, slice_make(large, sizeof large));
        repeats_check(r);
    }
    for (unsigned i = 0; i < 6; i++) {
        ck_assert_int_eq(find(r, i, 6, &err), REPEAT_SAME);
        ck_assert_int_eq(err, i < 2 ? GRID_EIN_DOUBT : i == 5 ? GRID_ETASK : GRID_OK);
    }
    ck_assert_int_eq(find(r, 0, REPEATS_MS, &err), REPEAT_NEW);
    ck_assert_int_eq(find(r, 1, REPEATS_MS, &err), REPEAT_SAME);
    repeats_check(r);
    ck_assert_int_eq(find(r, 5, REPEATS_MS + 5, &err), REPEAT_NEW);
    ck_assert_uint_eq(repeats_len(r), 0);
    repeats_check(r);
    repeats_free(r);
}
END_TEST

START_TEST(there_are_never_more_than_so_many)
{
    struct repeats *r = repeats_new();
    enum grid_err err;
    for (unsigned i = 0; i < REPEATS_MAX + 10; i++) {
        struct repeat_id id = id_of(i, 1);
        ck_assert_int_eq(find(r, i, 1, &err), REPEAT_NEW);
        repeats_add(r, &id, 1, GRID_OK, slice_str("x"));
    }
    repeats_check(r);
    ck_assert_uint_le(repeats_len(r), REPEATS_MAX);
    ck_assert_int_eq(find(r, 0, 1, &err), REPEAT_NEW);
    ck_assert_int_eq(find(r, REPEATS_MAX, 1, &err), REPEAT_SAME);
    repeats_free(r);
}
END_TEST

START_TEST(a_node_that_knows_nothing_of_identities_sends_none_and_lies_are_refused)
{
    uint8_t identity[BROADCAST_IDENTITY_BYTES + 1] = {1};
    struct errand e = {.kind = ERRAND_BROADCAST, .args_len = 3, .args = {slice_str("m.b")}};
    ck_assert(errand_known(&e));
    e.args_len = 4;
    ck_assert(!errand_known(&e));
    e.args[3] = slice_make(identity, sizeof identity);
    ck_assert(!errand_known(&e));
    e.args[3].len--;
    ck_assert(errand_known(&e));
    e.args_len = 5;
    ck_assert(!errand_known(&e));
}
END_TEST

UNIT_MAIN("session/broadcast", each_node_is_told_for_itself,
          what_is_wrong_is_said_before_it_is_asked,
          asked_again_with_the_same_key_it_does_not_run_again,
          who_cannot_know_whether_it_ran_says_so,
          answers_go_before_identities_and_both_the_oldest_first, there_are_never_more_than_so_many,
          a_node_that_knows_nothing_of_identities_sends_none_and_lies_are_refused)
