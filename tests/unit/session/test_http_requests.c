/* test_http_requests.c - requests taken from a connection, whole or in pieces, good or not.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"

#define GET_K "GET " KEY_PATH HOST "\r\n"

/* What is refused before anything is asked of the node; ends: the connection does. */
static const struct {
    const char *request;
    int status;
    bool ends;
} refused[] = {
    {"GET /nothing" HOST "\r\n", 404, false},
    {"GET /v1/caches/default/default/" HOST "\r\n", 404, false},
    {"GET /v1/caches/default//k" HOST "\r\n", 404, false},
    {"GET /v1/caches/none/default/k" HOST "\r\n", 404, false},
    {"GET /v1/caches/default/none/k" HOST "\r\n", 404, false},
    {"GET /v1/caches/default/default/%4" HOST "\r\n", 400, false},
    {"GET /v1/caches/default/default/%gg" HOST "\r\n", 400, false},
    {"GET " KEY_PATH "?affinity=%2" HOST "\r\n", 400, false},
    {"PATCH " KEY_PATH HOST "\r\n", 405, false},
    {"FOO " KEY_PATH HOST "\r\n", 501, true},
    {"get " KEY_PATH HOST "\r\n", 501, true},
    {"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 404, false},
    {"GET k HTTP/1.1\r\nHost: h\r\n\r\n", 400, true},
    {"GET " KEY_PATH "#part" HOST "\r\n", 400, true},
    {"GET " KEY_PATH " HTTP/2.0\r\nHost: h\r\n\r\n", 505, true},
    {"GET " KEY_PATH "\r\n\r\n", 505, true},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 501, true},
    {"GET " KEY_PATH " HTTP/1.1\r\n\r\n", 400, true},
    {"GET " KEY_PATH " HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, true},
    {"GET " KEY_PATH " HTTP/1.1\nHost: a\n\n", 400, true},
    {"GET " KEY_PATH " HTTP/1.1\r\nHost: a\n\r\n", 400, true},
    {"GET " KEY_PATH HOST "A: b\r\n c\r\n\r\n", 400, true},
    {"GET " KEY_PATH HOST "A:\r\n c\r\n\r\n", 400, true},
    {"GET " KEY_PATH HOST "A : b\r\n\r\n", 400, true},
    {"GET " KEY_PATH HOST "A B: b\r\n\r\n", 400, true},
    {"GET " KEY_PATH HOST "A: \x01\r\n\r\n", 400, true},
    {"GET " KEY_PATH HOST "Ttl: 1\r\nTTL: 2\r\n\r\n", 400, true},
    {"\x16\x03\x01\x02", 501, true},
    {"PUT " KEY_PATH HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400,
     true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, true},
    {"PUT " KEY_PATH HOST
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, true},
    {"PUT " KEY_PATH " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: -1\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: +1\r\n\r\na", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: 1 1\r\n\r\na", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: 0x1\r\n\r\na", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: 99999999999999999999\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: 18446744073709551614\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: 1844674407370955160\r\n\r\n", 413, true},
    {"PUT " KEY_PATH HOST "Content-Length: 16777217\r\n\r\n", 413, true},
    {"GET " KEY_PATH HOST "Content-Length: 65537\r\n\r\n", 413, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\n\r\n000000001\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413, true},
    {"PUT " KEY_PATH HOST "Transfer-Encoding: chunked\r\n\r\n0\rX\r\n\r\n", 400, true},
    {"PUT " KEY_PATH HOST "Content-Length: 3\r\nExpect: tea\r\n\r\nabc", 417, true},
    {"PUT " KEY_PATH HOST "Content-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc", 415, false},
    {"PUT " KEY_PATH HOST "TTL: soon\r\nContent-Length: 3\r\n\r\nabc", 400, false},
    {"PUT " KEY_PATH HOST "TTL: 0\r\nContent-Length: 3\r\n\r\nabc", 400, false},
    {"PUT " KEY_PATH HOST "If-Match: 5\r\nContent-Length: 3\r\n\r\nabc", 400, false},
    {"PUT " KEY_PATH HOST "If-None-Match:\r\nContent-Length: 3\r\n\r\nabc", 400, false},
    {"POST " KEY_PATH "/incr?by=x" HOST "\r\n", 400, false},
    {"POST " KEY_PATH "/incr?by=9223372036854775808" HOST "\r\n", 400, false},
    {"POST " KEY_PATH "/incr" HOST "Origin: http://evil\r\n\r\n", 403, false},
    {"POST " KEY_PATH "/incr" HOST "Origin: null\r\n\r\n", 403, false},
    {"POST " KEY_PATH "/incr" HOST "Origin: http://hh\r\n\r\n", 403, false},
    {"POST " KEY_PATH "/expire" HOST "\r\n", 400, false},
    {"POST " KEY_PATH "/expire?ttl=keep" HOST "\r\n", 400, false},
};

START_TEST(what_cannot_be_done_is_refused_with_its_status)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct fake *f = fake_http();
        fake_text(f, refused[i].request);
        const char *text = fake_out(f);
        int status = *text ? atoi(text + 9) : 0;
        ck_assert_msg(status == refused[i].status, "%s: %d, wanted %d", refused[i].request, status,
                      refused[i].status);
        ck_has(text, "\r\nContent-Type: application/problem+json\r\n");
        ck_assert_msg((strstr(text, "Connection: close") != NULL) == refused[i].ends, "%s",
                      refused[i].request);
        ck_assert_int_eq(session_finished(f->session), refused[i].ends);
        ck_assert_uint_eq(f->ops_len, 0);
        fake_free(f);
    }
}
END_TEST

START_TEST(a_refused_request_is_the_same_byte_by_byte)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct fake *f = fake_http();
        for (const char *at = refused[i].request; *at && !session_reason(f->session)[0]; at++) {
            fake_send_bytes(f, at, 1);
            fake_turn(f);
        }
        int status = fake_status(f);
        ck_assert_msg(status == refused[i].status, "%s: %d, wanted %d", refused[i].request, status,
                      refused[i].status);
        fake_free(f);
    }
}
END_TEST

START_TEST(a_node_that_stops_takes_leave_with_the_last_answer_and_refuses_what_still_comes)
{
    struct fake *f = fake_http();
    fake_text(f, GET_K GET_K);
    ck_assert(session_part(f->session, SESSION_LEAVES));
    fake_answer(f->ops[0], (struct result){.status = GRID_ENOT_FOUND});
    ck_assert_ptr_null(strstr(fake_out(f), "Connection: close"));
    fake_answer(f->ops[1], (struct result){.status = GRID_ENOT_FOUND});
    ck_has(fake_out(f), "Connection: close");
    ck_assert(session_finished(f->session));
    fake_free(f);
    f = fake_http();
    ck_assert(session_part(f->session, SESSION_LEAVES));
    fake_text(f, GET_K); /* it is done as long as the node can */
    ck_assert_uint_eq(f->ops_len, 1);
    fake_answer(f->ops[0], (struct result){.status = GRID_ENOT_FOUND});
    ck_has(fake_out(f), "Connection: close");
    ck_assert(session_finished(f->session));
    fake_free(f);
    f = fake_http();
    ck_assert(session_part(f->session, SESSION_REFUSES));
    ck_assert(!session_finished(f->session));
    fake_text(f, GET_K);
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 503 ");
    ck_has(text, "\r\nRetry-After: 1\r\n");
    ck_has(text, "Connection: close");
    ck_has(text, "\"STOPPING\"");
    ck_assert(session_finished(f->session));
    ck_assert_uint_eq(f->ops_len, 0);
    fake_free(f);
}
END_TEST

START_TEST(a_request_in_pieces_is_taken_when_it_is_whole)
{
    static const char put[] = "PUT /v1/caches/default/default/a%2fb?affinity=x+y%2B" HOST
                              "Content-Length: 5\r\nTTL: 2m\r\n\r\nhello";
    for (size_t cut = 1; cut < sizeof put - 1; cut++) {
        struct fake *f = fake_http();
        fake_send_bytes(f, put, cut);
        fake_turn(f);
        ck_assert_uint_eq(f->ops_len, 0);
        ck_assert(session_expects(f->session));
        fake_send_bytes(f, put + cut, sizeof put - 1 - cut);
        fake_turn(f);
        ck_assert_uint_eq(f->ops_len, 1);
        ck_assert(!session_expects(f->session));
        const struct op *op = f->ops[0];
        ck_assert_int_eq(op->kind, OP_PUT);
        ck_assert(slice_eq(op->key, slice_str("a/b")));
        ck_assert(slice_eq(op->affinity, slice_str("x y+")));
        ck_assert_uint_eq(op->value.len, 5);
        ck_assert_uint_eq(op->ttl_ms, 120000);
        fake_answer(op, (struct result){.version = 7, .number = 1});
        ck_assert_int_eq(fake_status(f), 201);
        fake_free(f);
    }
}
END_TEST

START_TEST(chunks_are_put_together)
{
    static const char put[] =
        "PUT " KEY_PATH HOST "Transfer-Encoding: Chunked\r\n\r\n"
        "3;name=\"v\"\r\nabc\r\n0A\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n" GET_K;
    for (size_t cut = 1; cut < sizeof put - 1; cut++) {
        struct fake *f = fake_http();
        fake_send_bytes(f, put, cut);
        fake_turn(f);
        fake_send_bytes(f, put + cut, sizeof put - 1 - cut);
        fake_turn(f);
        ck_assert_uint_eq(f->ops_len, 2);
        ck_assert(slice_eq(f->ops[0]->value, slice_str("abc0123456789")));
        ck_assert_int_eq(f->ops[1]->kind, OP_GET);
        fake_free(f);
    }
}
END_TEST

START_TEST(answers_come_in_the_order_of_the_requests)
{
    struct fake *f = fake_http();
    fake_text(f, GET_K "GET /nothing" HOST "\r\n" GET_K GET_K);
    ck_assert_uint_eq(f->ops_len, 3);
    fake_answer(f->ops[2], (struct result){.version = 3, .value = slice_str("three")});
    fake_answer(f->ops[1], (struct result){.version = 2, .value = slice_str("two")});
    ck_assert_int_eq(fake_status(f), 0);
    fake_answer(f->ops[0], (struct result){.version = 1, .value = slice_str("one")});
    const char *text = fake_out(f);
    const char *one = strstr(text, "\r\n\r\none"), *none = strstr(text, "404");
    const char *two = strstr(text, "\r\n\r\ntwo"), *three = strstr(text, "\r\n\r\nthree");
    ck_assert(one && none && two && three && one < none && none < two && two < three);
    fake_free(f);
}
END_TEST

START_TEST(no_more_than_64_requests_wait_and_then_it_goes_on)
{
    struct fake *f = fake_http();
    for (int i = 0; i < 70; i++)
        fake_send_bytes(f, GET_K, sizeof GET_K - 1);
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 64);
    ck_assert(!session_wants_read(f->session));
    for (int i = 63; i >= 0; i--)
        fake_answer(f->ops[i], (struct result){.version = 1, .value = slice_str("v")});
    ck_assert(session_wants_read(f->session));
    fake_out(f);
    fake_turn_end(f);
    fake_turn(f);
    ck_assert_uint_eq(f->ops_len, 6);
    fake_free(f);
}
END_TEST

START_TEST(the_head_is_bounded)
{
    struct fake *f = fake_http();
    static char long_text[20000];
    memset(long_text, 'a', sizeof long_text);
    fake_send_bytes(f, "GET /", 5);
    fake_send_bytes(f, long_text, 9000);
    fake_turn(f);
    ck_assert_int_eq(fake_status(f), 414);
    fake_free(f);

    f = fake_http();
    fake_send_bytes(f, "GET /a" HOST "X: ", 4 + sizeof HOST + 4);
    fake_send_bytes(f, long_text, sizeof long_text);
    fake_turn(f);
    ck_assert_int_eq(fake_status(f), 431);
    fake_free(f);

    f = fake_http();
    fake_send_bytes(f, "GET /a" HOST, 5 + sizeof HOST);
    for (int i = 0; i < 101; i++)
        fake_send_bytes(f, "A: b\r\n", 6);
    fake_turn(f);
    ck_assert_int_eq(fake_status(f), 431);
    ck_assert(session_finished(f->session));
    fake_free(f);
}
END_TEST

START_TEST(a_connection_is_kept_as_the_version_and_connection_say)
{
    static const struct {
        const char *request;
        bool kept, told;
    } cases[] = {
        {"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", true, false},
        {"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false, false},
        {"GET /x HTTP/1.0\r\n\r\n", false, false},
        {"GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_http();
        fake_text(f, cases[i].request);
        const char *text = fake_out(f);
        ck_assert_int_eq(strstr(text, "Connection: keep-alive") != NULL, cases[i].told);
        ck_assert_int_eq(strstr(text, "Connection: close") == NULL, cases[i].kept);
        ck_assert_int_eq(session_finished(f->session), !cases[i].kept);
        fake_free(f);
    }
}
END_TEST

START_TEST(nothing_behind_a_request_that_closes_is_done)
{
    struct fake *f = fake_http();
    fake_text(f, "GET " KEY_PATH HOST "Connection: close\r\n\r\n" GET_K);
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(!session_finished(f->session));
    fake_answer(f->ops[0], (struct result){.version = 1, .value = slice_str("v")});
    ck_has(fake_out(f), "Connection: close");
    ck_assert(session_finished(f->session));
    fake_free(f);
}
END_TEST

START_TEST(continue_is_said_once_and_after_what_came_before)
{
    struct fake *f = fake_http();
    fake_text(f, GET_K "PUT " KEY_PATH HOST "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
    ck_assert_int_eq(fake_status(f), 0);
    fake_answer(f->ops[0], (struct result){.version = 1, .value = slice_str("v")});
    const char *text = fake_out(f), *ok = strstr(text, "200 OK"),
               *go = strstr(text, "100 Continue");
    ck_assert(ok && go && ok < go);
    fake_turn_end(f);
    fake_text(f, "a");
    ck_assert_int_eq(fake_status(f), 0);
    fake_text(f, "bc");
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(slice_eq(f->ops[0]->value, slice_str("abc")));
    fake_free(f);
}
END_TEST

START_TEST(what_will_be_refused_is_refused_instead_of_continued)
{
    struct fake *f = fake_http();
    fake_text(f, "PUT " KEY_PATH HOST "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
    ck_assert_int_eq(fake_status(f), 413);
    ck_assert(session_finished(f->session));
    fake_free(f);
}
END_TEST

START_TEST(a_small_body_that_nobody_wants_does_not_cost_the_connection)
{
    struct fake *f = fake_http();
    fake_text(f, "PUT /nothing" HOST "Content-Length: 3\r\n\r\nabc" GET_K);
    ck_assert_int_eq(fake_status(f), 404);
    ck_assert_uint_eq(f->ops_len, 1);
    fake_free(f);
}
END_TEST

START_TEST(a_large_body_is_expected_only_as_long_as_it_does_not_come)
{
    struct fake *f = fake_http();
    static char bytes[70000];
    fake_text(f, "PUT " KEY_PATH HOST "Content-Length: 1000000\r\n\r\n");
    ck_assert(session_expects(f->session));
    fake_send_bytes(f, bytes, sizeof bytes);
    fake_turn(f);
    ck_assert(!session_expects(f->session));
    fake_send_bytes(f, bytes, 1);
    fake_turn(f);
    ck_assert(session_expects(f->session));
    fake_free(f);
}
END_TEST

START_TEST(the_first_request_is_expected_later_ones_are_not)
{
    struct fake *f = fake_http();
    ck_assert(session_expects(f->session));
    fake_text(f, GET_K);
    ck_assert(!session_expects(f->session));
    fake_answer(f->ops[0], (struct result){.version = 1});
    ck_assert(!session_expects(f->session));
    fake_free(f);
}
END_TEST

START_TEST(a_page_of_this_server_may_change_things_and_every_page_may_look)
{
    struct fake *f = fake_http();
    fake_text(f, "POST " KEY_PATH "/incr" HOST "Origin: http://h\r\n\r\n"
                 "GET http://h" KEY_PATH HOST "Origin: http://evil\r\n\r\n"
                 "GET https://h" KEY_PATH HOST "\r\n");
    ck_assert_uint_eq(f->ops_len, 3);
    fake_free(f);
}
END_TEST

START_TEST(late_answers_of_a_closed_connection_are_dropped)
{
    struct fake *f = fake_http();
    fake_text(f, GET_K GET_K);
    session_close(f->session);
    ck_assert_ptr_null(fake_answer(f->ops[1], (struct result){.version = 1}));
    ck_assert_ptr_null(fake_answer(f->ops[0], (struct result){.version = 1}));
    f->session = NULL;
    fake_free(f);
}
END_TEST

START_TEST(users_are_asked_for_where_there_are_users)
{
    static const struct {
        const char *field;
        int status; /* 0: it is done */
    } cases[] = {
        {"", 401},
        {"Authorization: Basic YW5uOnNlY3JldA==\r\n", 0}, /* ann:secret */
        {"Authorization: basic  YW5uOnNlY3JldA==\r\n", 0},
        {"Authorization: Basic YW5uOndyb25n\r\n", 401}, /* ann:wrong */
        {"Authorization: Basic YW5u\r\n", 401},         /* ann */
        {"Authorization: Basic YW5uOnMAY3JldA==\r\n", 401},
        {"Authorization: Basic !\r\n", 401},
        {"Authorization: Bearer YW5uOnNlY3JldA==\r\n", 401},
        {"Authorization:\r\n", 401},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_new();
        char request[400];
        f->password = "secret";
        f->ports.authenticate = fake_authenticate;
        fake_connect_to(f, &http_door);
        snprintf(request, sizeof request, "GET " KEY_PATH HOST "%s\r\n", cases[i].field);
        fake_text(f, request);
        const char *text = fake_out(f);
        ck_assert_msg((*text ? atoi(text + 9) : 0) == cases[i].status, "%s: %s", request, text);
        if (cases[i].status)
            ck_has(text, "WWW-Authenticate: Basic realm=\"gridd\"");
        ck_assert_uint_eq(f->ops_len, cases[i].status == 0);
        fake_free(f);
    }
}
END_TEST

UNIT_MAIN("session/http_requests", what_cannot_be_done_is_refused_with_its_status,
          a_refused_request_is_the_same_byte_by_byte, a_request_in_pieces_is_taken_when_it_is_whole,
          a_node_that_stops_takes_leave_with_the_last_answer_and_refuses_what_still_comes,
          chunks_are_put_together, answers_come_in_the_order_of_the_requests,
          no_more_than_64_requests_wait_and_then_it_goes_on, the_head_is_bounded,
          a_connection_is_kept_as_the_version_and_connection_say,
          nothing_behind_a_request_that_closes_is_done,
          continue_is_said_once_and_after_what_came_before,
          what_will_be_refused_is_refused_instead_of_continued,
          a_small_body_that_nobody_wants_does_not_cost_the_connection,
          a_large_body_is_expected_only_as_long_as_it_does_not_come,
          the_first_request_is_expected_later_ones_are_not,
          a_page_of_this_server_may_change_things_and_every_page_may_look,
          late_answers_of_a_closed_connection_are_dropped,
          users_are_asked_for_where_there_are_users)
