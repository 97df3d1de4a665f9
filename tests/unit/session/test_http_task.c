/* test_http_task.c - POST /v1/tasks: what becomes of it, and what is said of its answer.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "compute/task.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"

#define TASK "/v1/tasks/bank.transfer"
#define PLACE "?cache=default/default&key=k"

static const struct op *asked(struct fake *f, const char *request)
{
    fake_turn_end(f);
    fake_text(f, request);
    ck_assert_msg(f->ops_len == 1, "%s: %zu ops\n%s", request, f->ops_len, fake_out(f));
    return f->ops[0];
}

#define ck_slice(s, text) ck_assert(slice_eq(s, slice_str(text)))

START_TEST(a_task_is_called_with_the_body_at_the_key_or_its_affinity_key)
{
    struct fake *f = fake_http();
    const struct op *op = asked(f, "POST " TASK PLACE HOST "Content-Length: 3\r\n\r\n\"a\"");
    ck_assert(op->kind == OP_CALL && op->procedure == command_task && !op->has_session);
    ck_slice(op->args[0], "bank.transfer");
    ck_slice(op->args[1], "\"a\"");
    ck_slice(op->key, "k");
    ck_assert_uint_eq(op->cache, f->cache);
    uint32_t by_key = op->partition;
    fake_answer(op, (struct result){.reply = REPLY_BULK, .value = slice_str("\xff result")});
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                 "Content-Length: 8\r\n");
    ck_has(text, "\r\n\r\n\xff result");
    op = asked(f, "POST " TASK PLACE "&affinity=a%2Fb" HOST "\r\n");
    ck_slice(op->affinity, "a/b");
    ck_assert_uint_ne(op->partition, by_key);
    fake_answer(op, (struct result){.reply = REPLY_OK});
    ck_has(fake_out(f), "\r\nContent-Length: 0\r\n");
    op = asked(f, "POST /v1/tasks/bank%2Etransfer?key=%6b&cache=default%2Fdefault HTTP/1.1\r\n"
                  "Host: h\r\nAffinity: x\r\n\r\n");
    ck_slice(op->args[0], "bank.transfer");
    ck_slice(op->key, "k");
    ck_slice(op->affinity, "x");
    fake_answer(op, (struct result){.reply = REPLY_OK});
    fake_free(f);
}
END_TEST

START_TEST(one_that_failed_says_where_and_why)
{
    struct fake *f = fake_http();
    fake_answer(asked(f, "POST " TASK PLACE HOST "\r\n"),
                (struct result){.status = GRID_ETASK,
                                .value = slice_str("bank:3: no \"money\"\nstack traceback:")});
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 422 Unprocessable Content\r\n");
    ck_has(text, "\"detail\":\"bank:3: no \\\"money\\\"\\nstack traceback:\",\"code\":\"TASK\"");
    fake_answer(asked(f, "POST " TASK PLACE HOST "\r\n"), (struct result){.status = GRID_ETASK});
    ck_has(fake_out(f), "\"detail\":\"the task failed\"");
    fake_answer(asked(f, "POST " TASK PLACE HOST "\r\n"),
                (struct result){.status = GRID_EBUSY, .value = slice_str("junk")});
    ck_assert(!strstr(fake_out(f), "junk"));
    fake_answer(asked(f, "POST " TASK PLACE HOST "\r\n"),
                (struct result){.status = GRID_ENO_TASK, .value = slice_str("m.t is a map")});
    ck_has(fake_out(f), "\"detail\":\"m.t is a map\",\"code\":\"NO_TASK\"");
    fake_free(f);
}
END_TEST

START_TEST(a_failure_without_end_is_cut_off)
{
    static char why[10000];
    struct fake *f = fake_http();
    memset(why, 'x', sizeof why - 1);
    fake_answer(asked(f, "POST " TASK PLACE HOST "\r\n"),
                (struct result){.status = GRID_ETASK, .value = slice_str(why)});
    const char *text = strstr(fake_out(f), "\"detail\":\"");
    ck_assert_uint_eq(strspn(text + 10, "x"), TASK_DETAIL_MAX);
    fake_free(f);
}
END_TEST

START_TEST(what_is_wrong_is_said_before_it_is_asked)
{
    static const struct {
        const char *request;
        int status;
        const char *said;
    } cases[] = {
        {"POST " TASK "?key=k" HOST "\r\n", 400, "\"detail\":\"cache is missing\""},
        {"POST " TASK "?cache=default/default" HOST "\r\n", 400, "\"detail\":\"key is missing\""},
        {"POST " TASK "?cache=default/default&key=" HOST "\r\n", 400, "the key is empty"},
        {"POST " TASK "?cache=default/nope&key=k" HOST "\r\n", 404, "NO_CACHE"},
        {"POST " TASK "?cache=nope/default&key=k" HOST "\r\n", 404, "NO_CONTEXT"},
        {"POST " TASK "?cache=nope&key=k" HOST "\r\n", 404, "NO_CONTEXT"},
        {"POST " TASK "?cache=&key=k" HOST "\r\n", 404, "NO_CONTEXT"},
        {"POST " TASK "?cache=%f&key=k" HOST "\r\n", 400, "malformed %XX in the query"},
        {"POST /v1/tasks/b%f" PLACE HOST "\r\n", 400, "malformed %XX in the path"},
        {"POST /v1/tasks/nodot" PLACE HOST "\r\n", 404, "MODULE.TASK"},
        {"POST /v1/tasks/a.b.c" PLACE HOST "\r\n", 404, "MODULE.TASK"},
        {"GET " TASK PLACE HOST "\r\n", 405, "Allow: POST, OPTIONS"},
        {"POST " TASK PLACE HOST "Content-Encoding: gzip\r\n\r\n", 415, "Content-Encoding"},
        {"POST " TASK PLACE HOST "Content-Length: 99999999\r\n\r\n", 413, "TOO_LARGE"},
        {"POST " TASK PLACE HOST "Origin: http://elsewhere\r\n\r\n", 403, "another origin"},
        {"POST " TASK PLACE HOST "Idempotency-Key: \r\n\r\n", 400, "1 to 128 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_http();
        fake_text(f, cases[i].request);
        const char *text = fake_out(f);
        ck_assert_msg(f->ops_len == 0 && atoi(text + 9) == cases[i].status, "%s: %s",
                      cases[i].request, text);
        ck_has(text, cases[i].said);
        fake_free(f);
    }
}
END_TEST

/* The session that `query`, `once` and the body make. */
static struct record_session session_of(struct fake *f, const char *query, const char *once,
                                        const char *body)
{
    char text[400];
    snprintf(text, sizeof text,
             "POST %s" HOST "Idempotency-Key: %s\r\nContent-Length: %zu\r\n\r\n%s", query, once,
             strlen(body), body);
    const struct op *op = asked(f, text);
    struct record_session session = op->session;
    ck_assert(op->has_session && op->sole && session.number >= 1 && session.lowest == 1);
    fake_answer(op, (struct result){.reply = REPLY_OK, .repeated = true});
    ck_has(fake_out(f), "HTTP/1.1 200 OK");
    return session;
}

START_TEST(an_idempotency_key_is_a_session_of_its_own_for_each_user_cache_and_key)
{
    struct fake *f = fake_http();
    char why[WHY_BYTES];
    ck_assert_int_eq(catalog_cache_create(f->catalog, slice_str("default/other"), 0, why), GRID_OK);
    const struct record_session is[] = {
        session_of(f, TASK PLACE, "1", ""),
        session_of(f, TASK PLACE, "2", ""),
        session_of(f, TASK PLACE "1", "x", ""),
        session_of(f, TASK PLACE "x", "1", ""),
        session_of(f, TASK "?cache=default/other&key=k", "1", ""),
    };
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_mem_ne(&is[i].id, &is[k].id, sizeof is[i].id);
    struct record_session again = session_of(f, TASK PLACE "&affinity=k", "1", "");
    ck_assert_mem_eq(&again.id, &is[0].id, sizeof again.id);
    ck_assert_uint_eq(again.number, is[0].number);
    session_proved(f->session, "ann"); /* another user's is another one */
    again = session_of(f, TASK PLACE, "1", "");
    ck_assert_mem_ne(&again.id, &is[0].id, sizeof again.id);
    fake_free(f);
}
END_TEST

START_TEST(what_is_asked_with_it_is_the_number_and_another_thing_is_refused)
{
    struct fake *f = fake_http();
    const struct record_session is[] = {
        session_of(f, TASK PLACE, "1", ""),
        session_of(f, TASK PLACE, "1", "a"),
        session_of(f, TASK PLACE, "1", "b"),
        session_of(f, "/v1/tasks/bank.transfe" PLACE, "1", "r"),
    };
    for (size_t i = 0; i < sizeof is / sizeof *is; i++)
        for (size_t k = 0; k < i; k++) {
            ck_assert_mem_eq(&is[i].id, &is[k].id, sizeof is[i].id);
            ck_assert_uint_ne(is[i].number, is[k].number);
        }
    const struct op *op = asked(f, "POST " TASK PLACE HOST "Idempotency-Key: 1\r\n\r\n");
    fake_answer(op, (struct result){.status = GRID_EEXISTS});
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 422 Unprocessable Content\r\n");
    ck_has(text, "this Idempotency-Key was used with another request");
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/http_task", a_task_is_called_with_the_body_at_the_key_or_its_affinity_key,
          one_that_failed_says_where_and_why, a_failure_without_end_is_cut_off,
          what_is_wrong_is_said_before_it_is_asked,
          an_idempotency_key_is_a_session_of_its_own_for_each_user_cache_and_key,
          what_is_asked_with_it_is_the_number_and_another_thing_is_refused)
