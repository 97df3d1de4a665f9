/* test_http_job.c - /v1/jobs: what becomes of requests, and what is said of their answers.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "compute/job.h"
#include "session/may.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"

#define JOB "/v1/jobs/bank.sweep"
#define PLACE "?cache=default/default&key=k"
#define ID "000112345678abcdef0123456789abcd"

static const struct op *asked(struct fake *f, const char *request)
{
    size_t before = f->ops_len;
    fake_turn_end(f);
    fake_text(f, request);
    ck_assert_msg(f->ops_len > 0, "%s: %zu ops, %zu before\n%s", request, f->ops_len, before,
                  fake_out(f));
    return f->ops[f->ops_len - 1];
}

static struct job_row row_of(const struct op *op)
{
    struct job_row row;
    ck_assert(op->kind == OP_CALL && op->procedure == command_job_submit);
    ck_assert(job_row_decode(op->args[1], &row));
    return row;
}

static struct job_id id_of(const struct op *op)
{
    struct job_id id;
    ck_assert(job_key_id(op->key, &id));
    return id;
}

#define ck_slice(s, text) ck_assert(slice_eq(s, slice_str(text)))

START_TEST(a_job_is_submitted_with_all_that_is_said_of_it)
{
    struct fake *f = fake_http();
    char id[JOB_ID_TEXT + 1], location[80];
    const struct op *op =
        asked(f, "POST " JOB PLACE "&affinity=a&priority=0&attempts=3&backoff_ms=7"
                 "&time_ms=9000&keep_ms=11&nodes=disk%3Dssd" HOST "Content-Length: 2\r\n\r\n{}");
    struct job_row row = row_of(op);
    struct job_id was = id_of(op);
    ck_slice(row.name, "bank.sweep");
    ck_slice(row.key, "k");
    ck_slice(row.affinity, "a");
    ck_slice(row.arg, "{}");
    ck_slice(row.labels, "disk=ssd");
    ck_assert_uint_eq(row.priority, 0);
    ck_assert_uint_eq(row.attempts_max, 3);
    ck_assert_uint_eq(row.backoff_ms, 7);
    ck_assert_uint_eq(row.keep_ms, 11);
    ck_assert_uint_eq(row.deadline, f->now_us / 1000 + 9000);
    ck_assert_uint_eq(row.cache, f->cache);
    ck_assert_uint_eq(job_id_slot(&was), op->slot);
    fake_answer(op, (struct result){.reply = REPLY_INTEGER, .number = JOB_TAKEN});
    const char *text = fake_out(f);
    job_id_text(&was, id);
    snprintf(location, sizeof location, "\r\nLocation: /v1/jobs/%s\r\n", id);
    ck_has(text, "HTTP/1.1 201 Created\r\n");
    ck_has(text, location);
    ck_has(text, id);
    op = asked(f, "POST " JOB PLACE HOST "\r\n");
    ck_assert_uint_eq(row_of(op).priority, JOB_PRIORITY_USUAL);
    fake_answer(op, (struct result){.status = GRID_EBUSY});
    ck_has(fake_out(f), "too many jobs wait already");
    op = asked(f, "POST " JOB PLACE HOST "\r\n");
    fake_answer(op, (struct result){.status = GRID_ENO_TASK, .value = slice_str("no bank")});
    text = fake_out(f);
    ck_has(text, "HTTP/1.1 404 ");
    ck_has(text, "no bank");
    fake_free(f);
}
END_TEST

START_TEST(a_job_without_a_key_has_one_of_its_own_and_may_run_anywhere)
{
    struct fake *f = fake_http();
    const char *request = "POST " JOB "?cache=default/default" HOST "Idempotency-Key: 1\r\n\r\n";
    const struct op *op = asked(f, request);
    struct job_row row = row_of(op);
    struct job_id id = id_of(op);
    char key[32];
    ck_slice(row.labels, "*");
    ck_assert(row.key.len == 20 && memcmp(row.key.data, "job-", 4) == 0);
    snprintf(key, sizeof key, "%.*s", (int)row.key.len, (const char *)row.key.data);
    ck_assert_uint_eq(job_id_slot(&id), op->slot);
    fake_answer(op, (struct result){.reply = REPLY_INTEGER, .number = JOB_TAKEN});
    (void)fake_out(f);
    op = asked(f, request); /* again: the same one */
    row = row_of(op);
    struct job_id again = id_of(op);
    ck_slice(row.key, key);
    ck_assert_mem_eq(&again, &id, sizeof id);
    fake_answer(op, (struct result){.reply = REPLY_INTEGER, .number = JOB_TAKEN});
    op = asked(f, "POST " JOB "?cache=default/default&nodes=disk%3Dssd" HOST "\r\n");
    row = row_of(op);
    ck_slice(row.labels, "*disk=ssd");
    ck_assert(!slice_eq(row.key, slice_str(key)));
    fake_answer(op, (struct result){.reply = REPLY_INTEGER, .number = JOB_TAKEN});
    (void)fake_out(f);
    fake_text(f, "POST " JOB "?cache=default/default&key=" HOST "\r\n");
    ck_has(fake_out(f), "HTTP/1.1 400 ");
    fake_text(f, "POST " JOB "?cache=default/default&nodes=*" HOST "\r\n");
    ck_has(fake_out(f), "HTTP/1.1 400 ");
    fake_free(f);
}
END_TEST

START_TEST(the_same_idempotency_key_is_the_same_job_and_none_is_another)
{
    static const char *const requests[] = {
        "POST " JOB PLACE HOST "Idempotency-Key: 1\r\n\r\n",
        "POST " JOB PLACE HOST "Idempotency-Key: 2\r\n\r\n",
        "POST " JOB PLACE "1" HOST "Idempotency-Key: 1\r\n\r\n",
        "POST " JOB PLACE "&affinity=k" HOST "Idempotency-Key: 1\r\n\r\n", /* as the first */
        "POST " JOB PLACE HOST "\r\n",
        "POST " JOB PLACE HOST "\r\n",
    };
    enum { LEN = sizeof requests / sizeof *requests, AGAIN = 3 };
    struct fake *f = fake_http();
    struct job_id ids[LEN];
    for (size_t i = 0; i < LEN; i++) {
        const struct op *op = asked(f, requests[i]);
        ids[i] = id_of(op);
        fake_answer(op, (struct result){.reply = REPLY_INTEGER});
        ck_has(fake_out(f), "HTTP/1.1 201");
        for (size_t k = 0; k < i; k++)
            ck_assert_msg((memcmp(&ids[i], &ids[k], sizeof ids[i]) == 0) == (i == AGAIN && !k),
                          "%zu and %zu", i, k);
    }
    fake_answer(asked(f, requests[0]),
                (struct result){.reply = REPLY_INTEGER, .number = JOB_FENCED});
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 422 ");
    ck_has(text, "used with another request");
    fake_free(f);
}
END_TEST

static struct slice row_bytes(struct buf *b, enum job_status status)
{
    const struct job_row row = {.name = slice_str("bank.sweep"),
                                .key = slice_str("k\xff"),
                                .status = status,
                                .progress = 4250,
                                .attempt = 2,
                                .cache = 1,
                                .node = slice_str("n1#3.4"),
                                .result = slice_str("\"so\"")};
    b->len = 0;
    job_row_encode(&row, b);
    return buf_slice(b);
}

START_TEST(a_job_is_shown_and_cancelled_by_its_id)
{
    struct fake *f = fake_http();
    struct buf bytes = BUF_INIT;
    const struct op *op = asked(f, "GET /v1/jobs/" ID HOST "\r\n");
    ck_assert(op->kind == OP_GET && op->key.len == JOB_KEY_BYTES);
    fake_answer(op, (struct result){.value = row_bytes(&bytes, JOB_RUNNING)});
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 200 OK");
    ck_has(text, "{\"id\":\"" ID "\",\"job\":\"bank.sweep\",\"status\":\"running\","
                 "\"progress\":0.4250,");
    ck_has(text, "\"key\":{\"base64\":");
    ck_has(text, "\"node\":\"n1\",");
    ck_has(text, "\"result\":\"\\\"so\\\"\"}\n");
    fake_answer(asked(f, "GET /v1/jobs/" ID HOST "\r\n"),
                (struct result){.status = GRID_ENOT_FOUND});
    ck_has(fake_out(f), "there is no such job");
    fake_answer(asked(f, "GET /v1/jobs/" ID HOST "\r\n"),
                (struct result){.value = slice_str("junk")});
    ck_has(fake_out(f), "\"code\":\"DAMAGED\"");

    static const struct {
        enum job_answer answer;
        const char *said;
    } ends[] = {{JOB_TAKEN, "HTTP/1.1 204"},
                {JOB_FENCED, "the job has ended already"},
                {JOB_GONE, "there is no such job"}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        fake_answer(asked(f, "DELETE /v1/jobs/" ID HOST "\r\n"),
                    (struct result){.value = row_bytes(&bytes, JOB_RUNNING)});
        op = f->ops[f->ops_len - 1];
        ck_assert(op->kind == OP_CALL && op->procedure == command_job_cancel);
        fake_answer(op, (struct result){.reply = REPLY_INTEGER, .number = ends[i].answer});
        ck_has(fake_out(f), ends[i].said);
    }
    buf_release(&bytes);
    fake_free(f);
}
END_TEST

/* By id nobody is asked for before it is known what code it runs. */
START_TEST(who_may_not_run_its_code_neither_sees_nor_cancels_a_job)
{
    static const char *const lines[] = {"*: compute=bank.*", "*: compute=shop.*, read, write"};
    static const char *const methods[] = {"GET", "DELETE"};
    struct buf bytes = BUF_INIT;
    for (size_t i = 0; i < 4; i++) {
        struct fake *f = fake_http();
        struct rights_list *l = rights_list_new(&lines[i % 2], 1);
        char request[128];
        f->ports.rights = l;
        session_rights_news(f->ports.errands);
        snprintf(request, sizeof request, "%s /v1/jobs/" ID HOST "\r\n", methods[i / 2]);
        const struct op *op = asked(f, request);
        size_t before = f->ops_len;
        fake_answer(op, (struct result){.value = row_bytes(&bytes, JOB_RUNNING)});
        ck_assert_uint_eq(f->ops_len, before + (i == 2));
        if (i == 2)
            fake_answer(f->ops[before], (struct result){.reply = REPLY_INTEGER});
        const char *text = fake_out(f);
        if (i % 2) {
            ck_has(text, "HTTP/1.1 403");
            ck_assert_ptr_null(strstr(text, "bank"));
        } else {
            ck_has(text, i ? "HTTP/1.1 204" : "HTTP/1.1 200");
        }
        session_free(f->session);
        f->session = NULL;
        fake_free(f);
        rights_list_free(l);
    }
    buf_release(&bytes);
}
END_TEST

START_TEST(what_is_wrong_is_said_before_it_is_asked)
{
    static const struct {
        const char *request;
        int status;
        const char *said;
    } cases[] = {
        {"POST " JOB "?key=k" HOST "\r\n", 400, "cache is missing"},
        {"POST " JOB "?cache=default/default&key=" HOST "\r\n", 400, "the key is empty"},
        {"POST " JOB "?cache=nope/default&key=k" HOST "\r\n", 404, "NO_CONTEXT"},
        {"POST " JOB PLACE "&priority=10" HOST "\r\n", 400, "priority"},
        {"POST " JOB PLACE "&attempts=1001" HOST "\r\n", 400, "attempts"},
        {"POST " JOB PLACE "&keep_ms=x" HOST "\r\n", 400, "keep_ms"},
        {"POST " JOB PLACE "&nodes=ssd" HOST "\r\n", 400, "LABEL=VALUE"},
        {"POST " JOB PLACE "&nodes=a%00%3Db" HOST "\r\n", 400, "LABEL=VALUE"},
        {"POST /v1/jobs/nodot" PLACE HOST "\r\n", 404, "MODULE.JOB"},
        {"POST " JOB PLACE HOST "Idempotency-Key: \r\n\r\n", 400, "1 to 128 bytes"},
        {"POST " JOB PLACE HOST "Content-Length: 99999999\r\n\r\n", 413, "TOO_LARGE"},
        {"GET /v1/jobs/bank.sweep" HOST "\r\n", 400, "32 digits"},
        {"GET /v1/jobs/" ID "0" HOST "\r\n", 400, "32 digits"},
        {"DELETE /v1/jobs/0%0012345678abcdef0123456789abcdef" HOST "\r\n", 400, "32 digits"},
        {"GET /v1/jobs/ffff12345678abcdef0123456789abcd" HOST "\r\n", 404, "no such job"},
        {"GET /v1/jobs/0001ffff5678abcdef0123456789abcd" HOST "\r\n", 404, "no such job"},
        {"PUT /v1/jobs/" ID HOST "\r\n", 405, "Allow: GET, HEAD, DELETE, POST, OPTIONS"},
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

UNIT_MAIN("session/http_job", a_job_is_submitted_with_all_that_is_said_of_it,
          a_job_without_a_key_has_one_of_its_own_and_may_run_anywhere,
          the_same_idempotency_key_is_the_same_job_and_none_is_another,
          a_job_is_shown_and_cancelled_by_its_id,
          who_may_not_run_its_code_neither_sees_nor_cancels_a_job,
          what_is_wrong_is_said_before_it_is_asked)
