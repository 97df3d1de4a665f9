/* test_http_json.c - pages of keys, many keys at once, and what describes the server.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"

#include <jansson.h>
#include <strings.h>

#define CACHE_PATH "/v1/caches/default/default"
#define PARTITIONS 1024

static void post(struct fake *f, const char *path, const char *body)
{
    char request[4000];
    fake_turn_end(f);
    snprintf(request, sizeof request, "POST " CACHE_PATH "%s" HOST "Content-Length: %zu\r\n\r\n%s",
             path, strlen(body), body);
    fake_text(f, request);
}

/* The body of the only answer there, which must be JSON. */
static json_t *body_of(const char *text)
{
    json_error_t e;
    const char *body = strstr(text, "\r\n\r\n");
    ck_assert_msg(body != NULL, "%s", text);
    json_t *j = json_loads(body + 4, 0, &e);
    ck_assert_msg(j != NULL, "%s: %s", e.text, text);
    return j;
}

/* --- pages ------------------------------------------------------------------------------------ */

START_TEST(an_empty_cache_is_an_empty_page_after_all_partitions)
{
    struct fake *f = fake_http();
    fake_text(f, "GET " CACHE_PATH "?prefix=a%20" HOST "\r\n");
    for (unsigned i = 0; i < PARTITIONS; i++) {
        ck_assert_uint_eq(f->ops_len, i + 1);
        const struct op *op = f->ops[i];
        ck_assert(op->kind == OP_SCAN && op->keys_only && op->partition == i && op->limit == 1000);
        ck_assert(slice_eq(op->prefix, slice_str("a ")));
        fake_answer(op, (struct result){0});
    }
    ck_has(fake_out(f), "\r\n\r\n{\"entries\":[]}\n");
    fake_free(f);
}
END_TEST

START_TEST(a_page_ends_at_its_limit_and_the_next_goes_on_there)
{
    static const struct scan_item items[] = {
        {.key = {(const uint8_t *)"a\"b", 3}, .version = 5, .deadline = UINT64_C(1700000000500)},
        {.key = {(const uint8_t *)"\xff", 1}, .version = 6, .affinity = {(const uint8_t *)"x", 1}},
    };
    struct fake *f = fake_http();
    fake_text(f, "GET " CACHE_PATH "?limit=2" HOST "\r\n");
    fake_answer(f->ops[0], (struct result){0});
    fake_answer(f->ops[1],
                (struct result){.items = items, .items_len = 2, .cursor = slice_str("\x01there")});
    const char *text = fake_out(f);
    ck_has(text, "{\"entries\":[{\"key\":\"a\\\"b\",\"version\":\"5\",\"ttl_ms\":500},"
                 "{\"key\":{\"base64\":\"/w==\"},\"version\":\"6\",\"affinity\":\"x\"}],"
                 "\"cursor\":\"");
    char cursor[64], request[200];
    ck_assert_int_eq(sscanf(strstr(text, "cursor\":\""), "cursor\":\"%63[^\"]", cursor), 1);
    snprintf(request, sizeof request, "GET " CACHE_PATH "?limit=5&values=1&cursor=%s" HOST "\r\n",
             cursor);
    fake_turn_end(f);
    fake_text(f, request);
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(f->ops[0]->partition == 1 && f->ops[0]->limit == 5 && !f->ops[0]->keys_only);
    ck_assert(slice_eq(f->ops[0]->cursor, slice_str("\x01there")));
    fake_free(f);
}
END_TEST

START_TEST(keys_and_pages_may_be_read_locally)
{
    static const char *const queries[] = {"", "?read=primary", "?read=local"};
    struct fake *f = fake_http();
    for (size_t i = 0; i < 3; i++) {
        char request[300];
        for (int what = 0; what < 3; what++) {
            static const char *const forms[] = {
                "GET " CACHE_PATH "/k%s" HOST "\r\n", "GET " CACHE_PATH "%s" HOST "\r\n",
                "POST " CACHE_PATH "/_get%s" HOST "Content-Type: application/json\r\n"
                "Content-Length: 14\r\n\r\n{\"keys\":[\"k\"]}"};
            snprintf(request, sizeof request, forms[what], queries[i]);
            fake_turn_end(f);
            fake_text(f, request);
            ck_assert_uint_eq(f->ops_len, 1);
            ck_assert(f->ops[0]->local == (i == 2));
            fake_answer(f->ops[0], (struct result){.status = GRID_EDAMAGED});
            (void)fake_out(f);
        }
    }
    fake_free(f);
}
END_TEST

START_TEST(values_stand_in_a_page_as_they_are)
{
    static const struct scan_item items[] = {
        {.key = {(const uint8_t *)"a", 1}, .version = 5, .value = {(const uint8_t *)"\x00\xff", 2}},
        {.key = {(const uint8_t *)"b", 1},
         .version = 6,
         .type = VALUE_MEDIA,
         .value = {(const uint8_t *)"\x03t/xhi", 6}},
        {.key = {(const uint8_t *)"c", 1},
         .version = 7,
         .type = VALUE_HASH,
         .value = {(const uint8_t *)"\x01"
                                    "f\x01"
                                    "1",
                   4}},
    };
    struct fake *f = fake_http();
    fake_text(f, "GET " CACHE_PATH "?limit=3&values=true" HOST "\r\n");
    fake_answer(f->ops[0], (struct result){.items = items, .items_len = 3});
    ck_has(fake_out(f), "[{\"key\":\"a\",\"version\":\"5\",\"value\":{\"base64\":\"AP8=\"}},"
                        "{\"key\":\"b\",\"version\":\"6\",\"media\":\"t/x\",\"value\":\"hi\"},"
                        "{\"key\":\"c\",\"version\":\"7\",\"value\":{\"f\":\"1\"}}]");
    fake_free(f);
}
END_TEST

START_TEST(a_page_that_nobody_awaits_any_more_leaves_nothing_behind)
{
    struct fake *f = fake_http();
    fake_text(f, "GET " CACHE_PATH HOST "\r\n");
    fake_answer(f->ops[0], (struct result){0});
    session_close(f->session);
    ck_assert_ptr_null(fake_answer(f->ops[1], (struct result){0}));
    ck_assert_uint_eq(f->ops_len, 2);
    f->session = NULL;
    fake_free(f);
}
END_TEST

START_TEST(what_is_wrong_with_a_page_is_said)
{
    static const char *const bad[] = {
        "?limit=10001", "?limit=-1",   "?limit=x",     "?limit=",      "?values=maybe",
        "?read=backup", "?cursor=x",   "?cursor=AA==", "?cursor=__8=", "?cursor=AAQ",
        "?cursor=%ff",  "?prefix=%zz", "?info=2",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake *f = fake_http();
        char request[200];
        snprintf(request, sizeof request, "GET " CACHE_PATH "%s" HOST "\r\n", bad[i]);
        fake_text(f, request);
        int status = f->ops_len ? 0 : fake_status(f);
        ck_assert_msg(status == 400, "%s: %d", bad[i], status);
        fake_free(f);
    }
}
END_TEST

START_TEST(a_cache_is_told_with_its_entries_counted)
{
    struct fake *f = fake_http();
    fake_text(f, "GET " CACHE_PATH "?info=true" HOST "\r\n");
    ck_assert_uint_eq(f->ops_len, FAKE_SHARDS);
    for (size_t i = 0; i < FAKE_SHARDS; i++)
        fake_answer(f->ops[i], (struct result){.number = 10});
    json_t *j = body_of(fake_out(f));
    ck_assert_int_eq(json_integer_value(json_object_get(j, "entries")), 40);
    ck_assert_str_eq(json_string_value(json_object_get(j, "name")), "default/default");
    json_decref(j);
    fake_free(f);
}
END_TEST

/* --- many keys -------------------------------------------------------------------------------- */

START_TEST(many_keys_are_got_in_the_order_asked)
{
    struct fake *f = fake_http();
    post(f, "/_get",
         "{\"keys\":[\"a\",{\"base64\":\"/w==\"},{\"key\":\"c\",\"affinity\":\"q\"},\"\"]}");
    ck_assert_uint_eq(f->ops_len, 3);
    ck_assert(slice_eq(f->ops[1]->key, slice_make("\xff", 1)));
    ck_assert(slice_eq(f->ops[2]->affinity, slice_str("q")));
    fake_answer(f->ops[2], (struct result){.version = 3, .value = slice_str("three")});
    fake_answer(f->ops[1], (struct result){.status = GRID_ENOT_FOUND});
    fake_answer(
        f->ops[0],
        (struct result){.version = 1, .type = VALUE_MEDIA, .value = slice_str("\x03t/xone")});
    ck_has(fake_out(f),
           "{\"results\":[{\"version\":\"1\",\"media\":\"t/x\",\"value\":\"one\"},"
           "{\"status\":404,\"code\":\"NOT_FOUND\",\"detail\":\"not found\"},"
           "{\"version\":\"3\",\"value\":\"three\"},"
           "{\"status\":400,\"code\":\"BAD_REQUEST\",\"detail\":\"malformed request\"}]}\n");
    fake_free(f);
}
END_TEST

START_TEST(many_entries_are_put_each_as_it_says)
{
    struct fake *f = fake_http();
    post(f, "/_put",
         "{\"entries\":[{\"key\":\"a\",\"value\":\"1\",\"ttl\":5},"
         "{\"key\":\"b\",\"value\":{\"base64\":\"AP8=\"},\"media\":\"t/x\",\"ttl\":\"none\"},"
         "{\"key\":\"c\",\"value\":\"\\u0000\",\"if_absent\":true,\"affinity\":\"q\"},"
         "{\"key\":\"d\",\"value\":\"\",\"if_version\":\"7\",\"ttl\":\"1m\"}]}");
    ck_assert_uint_eq(f->ops_len, 4);
    ck_assert(f->ops[0]->ttl == TTL_SET && f->ops[0]->ttl_ms == 5000);
    ck_assert(f->ops[1]->ttl == TTL_NONE && f->ops[1]->type == VALUE_MEDIA);
    ck_assert(slice_eq(f->ops[1]->value, slice_make("\x03t/x\0\xff", 6)));
    ck_assert(f->ops[2]->condition == IF_ABSENT && f->ops[2]->value.len == 1);
    ck_assert(f->ops[3]->condition == IF_VERSION && f->ops[3]->version == 7);
    ck_assert(f->ops[3]->ttl_ms == 60000);
    for (size_t i = 0; i < 4; i++)
        fake_answer(f->ops[i], (struct result){.status = i == 3 ? GRID_ECONDITION : GRID_OK,
                                               .version = i,
                                               .number = i == 0});
    ck_has(fake_out(f), "{\"results\":[{\"status\":201,\"version\":\"0\"},"
                        "{\"status\":204,\"version\":\"1\"},{\"status\":204,\"version\":\"2\"},"
                        "{\"status\":412,\"code\":\"CONDITION\"");
    fake_free(f);
}
END_TEST

START_TEST(many_keys_are_deleted)
{
    struct fake *f = fake_http();
    post(f, "/_delete", "{\"keys\":[\"a\",\"b\"]}");
    fake_answer(f->ops[0], (struct result){.number = 1});
    fake_answer(f->ops[1], (struct result){.status = GRID_ENOT_FOUND});
    ck_has(fake_out(f), "{\"results\":[{\"status\":204},{\"status\":404,");
    fake_free(f);
}
END_TEST

START_TEST(what_is_wrong_with_many_keys_is_said_and_nothing_is_done)
{
    static const struct {
        const char *path, *body;
    } bad[] = {
        {"/_get", ""},
        {"/_get", "{"},
        {"/_get", "[]"},
        {"/_get", "{\"keys\":[]}"},
        {"/_get", "{\"keys\":{}}"},
        {"/_get", "{\"keys\":[\"a\",1]}"},
        {"/_get", "{\"keys\":[\"a\"],\"more\":1}"},
        {"/_get", "{\"keys\":[\"a\"],\"keys\":[\"b\"]}"},
        {"/_get", "{\"keys\":[\"a\"]} x"},
        {"/_get", "{\"keys\":[\"\xff\"]}"},
        {"/_get", "{\"keys\":[{\"base64\":\"!\"}]}"},
        {"/_get", "{\"keys\":[{\"key\":\"a\",\"value\":\"b\"}]}"},
        {"/_delete", "{\"entries\":[]}"},
        {"/_put", "{\"entries\":[\"a\"]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\"}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":1}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"tll\":1}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"ttl\":0}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"ttl\":9223372036854775807}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"ttl\":[]}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"media\":\"\"}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"media\":\"a\\r\\nb\"}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"if_absent\":1}]}"},
        {"/_put", "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"if_version\":7}]}"},
        {"/_put",
         "{\"entries\":[{\"key\":\"a\",\"value\":\"v\",\"if_absent\":true,\"if_version\":\"7\"}]}"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake *f = fake_http();
        post(f, bad[i].path, bad[i].body);
        ck_assert_uint_eq(f->ops_len, 0);
        const char *text = fake_out(f);
        ck_assert_msg(atoi(text + 9) == 400, "%s: %s", bad[i].body, text);
        json_decref(body_of(text));
        fake_free(f);
    }
}
END_TEST

START_TEST(json_of_more_than_a_megabyte_is_refused_unread)
{
    struct fake *f = fake_http();
    fake_text(f, "POST " CACHE_PATH "/_get" HOST "Content-Length: 1048577\r\n\r\n");
    ck_assert_int_eq(fake_status(f), 413);
    fake_free(f);
}
END_TEST

/* --- the server ------------------------------------------------------------------------------- */

START_TEST(status_and_caches_are_asked_of_the_node)
{
    struct fake *f = fake_http();
    fake_text(f, "GET /v1/status" HOST "\r\n");
    ck_assert(f->admins == 1 && f->admin.op == ADMIN_STATUS && f->admin.json);
    session_admin_result(&f->admin_ticket, GRID_OK, slice_make(NULL, 0), slice_str("{}\n"));
    ck_has(fake_out(f), "\r\n\r\n{}\n");
    fake_text(f, "GET /v1/caches" HOST "\r\n");
    ck_assert(f->admins == 2 && f->admin.op == ADMIN_CACHE_LIST);
    session_admin_result(&f->admin_ticket, GRID_ESTOPPING, slice_str("the node is stopping"),
                         slice_make(NULL, 0));
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 503");
    ck_has(text, "\"detail\":\"the node is stopping\"");
    fake_free(f);
}
END_TEST

START_TEST(the_description_names_every_operation_once)
{
    struct fake *f = fake_http();
    fake_text(f, "GET /v1/openapi.json" HOST "\r\n");
    json_t *j = body_of(fake_out(f)), *item, *operation, *names = json_object();
    const char *path, *method;
    json_object_foreach(json_object_get(j, "paths"), path, item)
    {
        json_object_foreach(item, method, operation)
        {
            const char *name = json_string_value(json_object_get(operation, "operationId"));
            size_t wanted = 0;
            ck_assert_msg(name && !json_object_get(names, name), "%s %s", method, path);
            json_object_set_new(names, name, json_true());
            ck_assert(json_object_size(json_object_get(operation, "responses")) >= 2);
            for (const char *at = path; (at = strchr(at, '{')); at++)
                wanted++;
            ck_assert_uint_ge(json_array_size(json_object_get(operation, "parameters")), wanted);
        }
    }
    ck_assert(json_object_get(names, "get") && json_object_get(names, "putMany"));
    json_decref(names);
    json_decref(j);
    fake_free(f);
}
END_TEST

/* ".It Cm METHOD No PATH" */
static bool page_has(FILE *page, const char *method, const char *path)
{
    char line[400], want[400];
    bool found = false;
    snprintf(want, sizeof want, ".It Cm %s No %s\n", method, path);
    rewind(page);
    while (fgets(line, sizeof line, page))
        found = found || strcasecmp(line, want) == 0;
    return found;
}

START_TEST(the_manual_page_names_every_operation)
{
    struct fake *f = fake_http();
    FILE *page = fopen("conf/man/gridd-http.7", "r");
    ck_assert_msg(page != NULL, "tests run from the top of the tree");
    fake_text(f, "GET /v1/openapi.json" HOST "\r\n");
    json_t *j = body_of(fake_out(f)), *item, *operation;
    const char *path, *method;
    json_object_foreach(json_object_get(j, "paths"), path, item)
        json_object_foreach(item, method, operation)
            ck_assert_msg(page_has(page, method, path), "%s %s", method, path);
    json_decref(j);
    fclose(page);
    fake_free(f);
}
END_TEST

START_TEST(options_tells_what_a_path_allows)
{
    struct fake *f = fake_http();
    fake_text(f, "OPTIONS " KEY_PATH HOST "\r\n");
    ck_has(fake_out(f), "Allow: GET, HEAD, PUT, DELETE, OPTIONS\r\n");
    fake_text(f, "OPTIONS " CACHE_PATH "/_get" HOST "\r\n");
    ck_has(fake_out(f), "OPTIONS\r\n");
    fake_text(f, "POST /v1/status" HOST "\r\n");
    const char *text = fake_out(f);
    ck_has(text, "HTTP/1.1 405");
    ck_has(text, "Allow: GET, HEAD, OPTIONS\r\n");
    fake_free(f);
}
END_TEST

START_TEST(the_first_page_is_served_from_memory)
{
    struct fake *f = fake_http();
    fake_text(f, "GET / HTTP/1.0\r\n\r\n");
    const char *text = fake_out(f);
    ck_has(text, "Content-Type: text/html; charset=utf-8");
    ck_has(text, "<title>gridd</title>");
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/http_json", an_empty_cache_is_an_empty_page_after_all_partitions,
          keys_and_pages_may_be_read_locally, a_page_ends_at_its_limit_and_the_next_goes_on_there,
          values_stand_in_a_page_as_they_are,
          a_page_that_nobody_awaits_any_more_leaves_nothing_behind,
          what_is_wrong_with_a_page_is_said, a_cache_is_told_with_its_entries_counted,
          many_keys_are_got_in_the_order_asked, many_entries_are_put_each_as_it_says,
          many_keys_are_deleted, what_is_wrong_with_many_keys_is_said_and_nothing_is_done,
          json_of_more_than_a_megabyte_is_refused_unread, status_and_caches_are_asked_of_the_node,
          the_description_names_every_operation_once, the_manual_page_names_every_operation,
          options_tells_what_a_path_allows, the_first_page_is_served_from_memory)
