/* test_http_keys.c - what REST asks of the shards, and what it says of their answers.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "data/fields.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"

static const struct op *asked(struct fake *f, const char *request)
{
    fake_turn_end(f);
    fake_text(f, request);
    ck_assert_msg(f->ops_len == 1, "%s: %zu ops\n%s", request, f->ops_len, fake_out(f));
    return f->ops[0];
}

START_TEST(a_value_is_given_with_its_version_type_and_time)
{
    static const struct {
        struct result res;
        const char *head, *body;
    } cases[] = {
        {{.version = 7, .value = {(const uint8_t *)"\0\xff", 2}},
         "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n"
         "ETag: \"7\"\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n\r\n",
         NULL},
        {{.version = 7, .type = VALUE_MEDIA, .value = {(const uint8_t *)"\x0atext/plainhello", 16}},
         "\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n",
         "\r\n\r\nhello"},
        {{.version = 7, .type = VALUE_MEDIA, .value = {(const uint8_t *)"\x07te\r\nt: hello", 13}},
         "\r\nContent-Type: application/octet-stream\r\n",
         "\r\n\r\nhello"},
        {{.version = 7, .deadline = UINT64_C(1700000001001), .value = {(const uint8_t *)"v", 1}},
         "\r\nTTL: 2\r\n",
         "\r\n\r\nv"},
        {{.status = GRID_ENOT_FOUND}, "HTTP/1.1 404 Not Found\r\n", "\"code\":\"NOT_FOUND\"}\n"},
        {{.status = GRID_EBUSY}, "\r\nRetry-After: 1\r\n", "\"status\":503"},
        {{.status = GRID_ELOST}, "HTTP/1.1 500", "\"code\":\"LOST\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_http();
        fake_answer(asked(f, "GET " KEY_PATH HOST "\r\n"), cases[i].res);
        const char *text = fake_out(f);
        ck_has(text, cases[i].head);
        if (cases[i].body)
            ck_has(text, cases[i].body);
        fake_free(f);
    }
}
END_TEST

START_TEST(head_is_get_without_the_body)
{
    struct fake *f = fake_http();
    fake_answer(asked(f, "HEAD " KEY_PATH HOST "\r\n"),
                (struct result){.version = 7, .value = slice_str("hello")});
    const char *text = fake_out(f);
    ck_has(text, "\r\nContent-Length: 5\r\n");
    ck_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    fake_free(f);
}
END_TEST

START_TEST(a_hash_is_given_as_json)
{
    struct fake *f = fake_http();
    struct buf packed = BUF_INIT;
    fields_pack(&packed, slice_str("a"), slice_str("1"));
    fields_pack(&packed, slice_str("b\""), slice_make("\xff", 1));
    fake_answer(asked(f, "GET " KEY_PATH HOST "\r\n"),
                (struct result){.version = 7, .type = VALUE_HASH, .value = buf_slice(&packed)});
    const char *text = fake_out(f);
    ck_has(text, "\r\nContent-Type: application/json\r\n");
    ck_has(text, "\r\n\r\n{\"a\":\"1\",\"b\\\"\":{\"base64\":\"/w==\"}}\n");
    fields_pack(&packed, slice_make("\xfe", 1), slice_str("x"));
    fake_answer(asked(f, "GET " KEY_PATH HOST "\r\n"),
                (struct result){.version = 7, .type = VALUE_HASH, .value = buf_slice(&packed)});
    ck_has(fake_out(f), "\r\n\r\n[[\"a\",\"1\"],[\"b\\\"\",{\"base64\":\"/w==\"}],"
                        "[{\"base64\":\"/g==\"},\"x\"]]\n");
    buf_release(&packed);
    fake_free(f);
}
END_TEST

START_TEST(a_conditional_get_looks_at_the_version)
{
    static const struct {
        const char *field;
        int status;
    } cases[] = {
        {"If-None-Match: \"7\"\r\n", 304},
        {"If-None-Match: W/\"7\"\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"6\", \"8\"\r\n", 200},
        {"If-Match: \"7\"\r\n", 200},
        {"If-Match: *\r\n", 200},
        {"If-Match: \"6\"\r\n", 412},
        {"If-Match: W/\"7\"\r\n", 412},
        {"If-Match: \"6\"\r\nIf-None-Match: \"7\"\r\n", 412},
        {"If-Match: \"7\"\r\nIf-None-Match: \"7\"\r\n", 304},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_http();
        char request[200];
        snprintf(request, sizeof request, "GET " KEY_PATH HOST "%s\r\n", cases[i].field);
        fake_answer(asked(f, request), (struct result){.version = 7, .value = slice_str("hello")});
        const char *text = fake_out(f);
        ck_assert_msg(atoi(text + 9) == cases[i].status, "%s%s", cases[i].field, text);
        if (cases[i].status == 304)
            ck_assert(strstr(text, "Content-Length") == NULL && strstr(text, "ETag: \"7\""));
        fake_free(f);
    }
}
END_TEST

START_TEST(a_put_keeps_its_content_type)
{
    struct fake *f = fake_http();
    const struct op *op =
        asked(f, "PUT " KEY_PATH HOST "Content-Type: text/plain; charset=utf-8 \r\n"
                 "Content-Length: 5\r\n\r\nhello");
    ck_assert_int_eq(op->type, VALUE_MEDIA);
    ck_assert(slice_eq(op->value, slice_str("\x19text/plain; charset=utf-8hello")));
    fake_answer(op, (struct result){.version = 8});
    ck_has(fake_out(f), "HTTP/1.1 204 No Content\r\nETag: \"8\"\r\n");
    op = asked(f, "PUT " KEY_PATH HOST "Content-Type: application/octet-stream\r\n"
                  "Content-Length: 5\r\n\r\nhello");
    ck_assert_int_eq(op->type, VALUE_BYTES);
    ck_assert(slice_eq(op->value, slice_str("hello")));
    op = asked(f, "PUT " KEY_PATH HOST "Content-Length: 0\r\n\r\n");
    ck_assert_uint_eq(op->value.len, 0);
    fake_free(f);
}
END_TEST

START_TEST(conditions_and_times_go_with_the_op)
{
    static const struct {
        const char *fields;
        enum op_condition condition;
        uint64_t version;
        enum op_ttl ttl;
        msec_t ttl_ms;
    } cases[] = {
        {"", IF_ALWAYS, 0, TTL_DEFAULT, 0},
        {"If-Match: *\r\n", IF_PRESENT, 0, TTL_DEFAULT, 0},
        {"If-Match: \"7\"\r\n", IF_VERSION, 7, TTL_DEFAULT, 0},
        {"If-None-Match: *\r\n", IF_ABSENT, 0, TTL_DEFAULT, 0},
        {"TTL: 5\r\n", IF_ALWAYS, 0, TTL_SET, 5000},
        {"TTL: none\r\n", IF_ALWAYS, 0, TTL_NONE, 0},
        {"TTL: keep\r\n", IF_ALWAYS, 0, TTL_KEEP, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_http();
        char request[200];
        snprintf(request, sizeof request, "PUT " KEY_PATH HOST "%sContent-Length: 1\r\n\r\nv",
                 cases[i].fields);
        const struct op *op = asked(f, request);
        ck_assert_int_eq(op->kind, OP_PUT);
        ck_assert_int_eq(op->condition, cases[i].condition);
        ck_assert_uint_eq(op->version, cases[i].version);
        ck_assert_int_eq(op->ttl, cases[i].ttl);
        ck_assert_uint_eq(op->ttl_ms, cases[i].ttl_ms);
        fake_free(f);
    }
}
END_TEST

START_TEST(other_conditions_take_a_look_first)
{
    static const struct {
        const char *fields;
        uint64_t there; /* version; 0: nothing */
        enum op_condition condition;
        int status; /* 0: the op is done under the condition */
    } cases[] = {
        {"If-Match: \"6\", \"7\"\r\n", 7, IF_VERSION, 0},
        {"If-Match: \"6\", \"7\"\r\n", 8, 0, 412},
        {"If-Match: \"6\", \"7\"\r\n", 0, 0, 412},
        {"If-Match: \"foreign\"\r\n", 7, 0, 412},
        {"If-None-Match: \"6\"\r\n", 7, IF_VERSION, 0},
        {"If-None-Match: \"7\"\r\n", 7, 0, 412},
        {"If-None-Match: \"7\"\r\n", 0, IF_ABSENT, 0},
        {"If-Match: *\r\nIf-None-Match: \"6\"\r\n", 7, IF_VERSION, 0},
        {"If-Match: *\r\nIf-None-Match: \"6\"\r\n", 0, 0, 412},
        {"If-Match: *\r\nIf-None-Match: *\r\n", 7, 0, 412},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_http();
        char request[200];
        snprintf(request, sizeof request,
                 "PUT " KEY_PATH "?affinity=a" HOST
                 "%sContent-Type: a/b\r\nContent-Length: 1\r\n\r\nv",
                 cases[i].fields);
        const struct op *look = asked(f, request);
        ck_assert_int_eq(look->kind, OP_GET);
        ck_assert(look->keys_only);
        enum grid_err err = cases[i].there ? GRID_OK : GRID_ENOT_FOUND;
        fake_answer(look, (struct result){.status = err, .version = cases[i].there});
        if (cases[i].status) {
            ck_assert_int_eq(fake_status(f), cases[i].status);
        } else {
            ck_assert_uint_eq(f->ops_len, 2);
            const struct op *op = f->ops[1];
            ck_assert_int_eq(op->kind, OP_PUT);
            ck_assert_int_eq(op->condition, cases[i].condition);
            ck_assert_uint_eq(op->version, cases[i].there);
            ck_assert_uint_eq(op->partition, look->partition);
            ck_assert(slice_eq(op->value, slice_str("\x03"
                                                    "a/bv")));
            ck_assert(slice_eq(op->affinity, slice_str("a")));
            fake_answer(op, (struct result){.version = 9, .number = 1});
            ck_assert_int_eq(fake_status(f), 201);
        }
        fake_free(f);
    }
}
END_TEST

START_TEST(other_writes_say_what_they_did)
{
    struct fake *f = fake_http();
    const struct op *op = asked(f, "DELETE " KEY_PATH HOST "If-Match: \"7\"\r\n\r\n");
    ck_assert(op->kind == OP_DELETE && op->condition == IF_VERSION && op->version == 7);
    fake_answer(op, (struct result){.number = 1, .version = 8});
    ck_assert_str_eq(strstr(fake_out(f), "ETag") ? "tag" : "none", "none");
    op = asked(f, "POST " KEY_PATH "/incr?by=-9223372036854775808" HOST "\r\n");
    ck_assert(op->kind == OP_INCR && op->delta == INT64_MIN);
    fake_answer(op, (struct result){.number = -3, .version = 8});
    ck_has(fake_out(f), "\r\n\r\n{\"value\":-3}\n");
    op = asked(f, "POST " KEY_PATH "/incr" HOST "\r\n");
    ck_assert_int_eq(op->delta, 1);
    fake_answer(op, (struct result){.status = GRID_EOVERFLOW});
    ck_assert_int_eq(fake_status(f), 409);
    op = asked(f, "POST " KEY_PATH "/expire?ttl=250ms" HOST "\r\n");
    ck_assert(op->kind == OP_EXPIRE && op->ttl == TTL_SET && op->ttl_ms == 250);
    fake_answer(op, (struct result){.version = 9});
    ck_has(fake_out(f), "ETag: \"9\"");
    fake_free(f);
}
END_TEST

START_TEST(every_outcome_has_a_status_of_its_own_kind)
{
    static const int statuses[] = {
#define X(name, code, text, retryable) [code] = retryable,
#include "proto/status.def"
#undef X
    };
    for (size_t code = 1; code < sizeof statuses / sizeof *statuses; code++) {
        struct fake *f = fake_http();
        fake_answer(asked(f, "GET " KEY_PATH HOST "\r\n"),
                    (struct result){.status = (enum grid_err)code});
        const char *text = fake_out(f);
        int status = atoi(text + 9);
        ck_assert_msg(status >= 400 && status < 600, "%s", text);
        ck_assert_msg((status == 503) == (strstr(text, "Retry-After") != NULL), "%s", text);
        ck_assert_msg(!statuses[code] || status == 503, "%s", text);
        ck_assert_ptr_null(strstr(text, "Unknown"));
        ck_has(text, err_name((enum grid_err)code));
        fake_free(f);
    }
}
END_TEST

UNIT_MAIN("session/http_keys", a_value_is_given_with_its_version_type_and_time,
          head_is_get_without_the_body, a_hash_is_given_as_json,
          a_conditional_get_looks_at_the_version, a_put_keeps_its_content_type,
          conditions_and_times_go_with_the_op, other_conditions_take_a_look_first,
          other_writes_say_what_they_did, every_outcome_has_a_status_of_its_own_kind)
