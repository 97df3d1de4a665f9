/* test_resp_function.c - FUNCTION and FCALL of Redis clients: what is asked of the control thread
 * and of shards, and how it is answered.
 * LINK: session compute wire command shard grid control replica data base pb frame */
#include "compute/library.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_resp.h"

#define SOURCE "#!lua name=lib"

static void answered(struct fake *f, enum grid_err err, const char *why)
{
    session_admin_result(&f->admin_ticket, err, slice_str(why), slice_str(""));
}

/* FUNCTION LOAD of a source that is one line, and one byte. */
static void load(struct fake *f, const char *option)
{
    fake_line(f, option[0] ? "*4" : "*3");
    fake_line(f, "$8\r\nFUNCTION\r\n$4\r\nLOAD");
    if (option[0])
        fake_line(f, option);
    fake_ask(f, "$16\r\n" SOURCE "\nx");
}

static void deploy(struct fake *f)
{
    static const struct module_function function = {
        .name = "Get", .help = "reads", .flags = MODULE_NO_WRITES | MODULE_ALLOW_STALE};
    struct module_info info = {.name = "lib",
                               .engine = MODULE_LUA,
                               .source = slice_str("src"),
                               .functions = &function,
                               .functions_len = 1};
    char why[WHY_BYTES];
    ck_assert_int_eq(catalog_module_deploy(f->catalog, &info, true, why), GRID_OK);
}

START_TEST(a_library_is_deployed_and_what_follows_waits_for_it)
{
    struct fake *f = fake_resp();
    load(f, "");
    ck_assert_uint_eq(f->admins, 1);
    ck_assert(f->admin.op == ADMIN_MODULE_DEPLOY && !f->admin.replace && !f->admin.name[0]);
    ck_assert(slice_eq(f->admin.source, slice_str(SOURCE "\nx")));
    fake_ask(f, "FCALL get 1 a");
    ck_assert_uint_eq(f->ops_len, 0);
    answered(f, GRID_OK, "");
    ck_says(f, "$3|lib|");
    fake_offer(f);
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert_uint_eq(f->admins, 1);
    fake_free(f);
}
END_TEST

START_TEST(why_it_was_not_deployed_is_said)
{
    struct fake *f = fake_resp();
    load(f, "$7\r\nREPLACE");
    ck_assert(f->admin.replace);
    answered(f, GRID_EBAD_REQUEST, "Error compiling function: lib:2: syntax");
    fake_offer(f);
    ck_says(f, "-ERR Error compiling function: lib:2: syntax|");
    load(f, "$7\r\nREPLACE");
    answered(f, GRID_ESTOPPING, "");
    fake_offer(f);
    ck_assert_ptr_nonnull(strstr(fake_said(f), "stopping"));
    load(f, "$3\r\nFOO");
    ck_says(f, "-ERR Unknown option given: FOO|");
    deploy(f);
    load(f, "");
    ck_says(f, "-ERR Library 'lib' already exists|");
    ck_assert_uint_eq(f->admins, 2);
    fake_free(f);
}
END_TEST

/* Two libraries, as DUMP gives them; the reply's bytes. */
static struct slice dumped(struct fake *f, struct buf *to)
{
    static const char *const sources[] = {"#!lua name=lib\n--1", "#!lua name=two\n--2"};
    static const struct module_function functions[] = {{.name = "f"}, {.name = "g"}};
    char why[WHY_BYTES];
    for (size_t i = 0; i < 2; i++) {
        struct module_info info = {.engine = MODULE_LUA,
                                   .source = slice_str(sources[i]),
                                   .functions = &functions[i],
                                   .functions_len = 1};
        snprintf(info.name, sizeof info.name, i ? "two" : "lib");
        ck_assert_int_eq(catalog_module_deploy(f->catalog, &info, true, why), GRID_OK);
    }
    fake_ask(f, "FUNCTION DUMP");
    struct slice out = session_output(f->session);
    size_t len = strtoul((const char *)out.data + 1, NULL, 10);
    const uint8_t *at = (const uint8_t *)memchr(out.data, '\n', out.len) + 1;
    ck_assert_uint_eq((size_t)(at - out.data) + len + 2, out.len);
    buf_add(to, at, len);
    session_sent(f->session, out.len);
    ck_assert_int_eq(catalog_module_remove(f->catalog, slice_make(NULL, 0), why), GRID_OK);
    return buf_slice(to);
}

static void restore(struct fake *f, struct slice dump, const char *policy)
{
    char head[64];
    fake_send_bytes(f, policy ? "*4\r\n" : "*3\r\n", 4);
    fake_send_bytes(f, "$8\r\nFUNCTION\r\n$7\r\nRESTORE\r\n", 27);
    int len = snprintf(head, sizeof head, "$%zu\r\n", dump.len);
    fake_send_bytes(f, head, (size_t)len);
    fake_send_bytes(f, dump.data, dump.len);
    fake_send_bytes(f, "\r\n", 2);
    len = snprintf(head, sizeof head, "$%zu\r\n%s\r\n", strlen(policy ? policy : ""),
                   policy ? policy : "");
    if (policy)
        fake_send_bytes(f, head, (size_t)len);
    fake_offer(f);
}

START_TEST(what_was_dumped_is_restored_one_library_after_the_other)
{
    static const char *const policies[] = {NULL, "append", "REPLACE", "Flush"};
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        struct fake *f = fake_resp();
        struct buf b = BUF_INIT;
        struct slice dump = dumped(f, &b);
        unsigned before = 0;
        restore(f, dump, policies[i]);
        fake_ask(f, "FCALL f 1 a"); /* waits for all of them */
        if (i == 3) {
            ck_assert(f->admin.op == ADMIN_MODULE_REMOVE && !f->admin.name[0]);
            answered(f, GRID_OK, "");
            fake_offer(f);
            before++;
        }
        for (unsigned k = 0; k < 2; k++) {
            ck_assert_uint_eq(f->admins, before + k + 1);
            ck_assert(f->admin.op == ADMIN_MODULE_DEPLOY && f->admin.replace == (i == 2));
            ck_assert_str_eq(f->admin.name, k ? "two" : "lib");
            ck_assert(slice_eq(f->admin.source,
                               slice_str(k ? "#!lua name=two\n--2" : "#!lua name=lib\n--1")));
            ck_assert_uint_eq(f->ops_len, 0);
            ck_says(f, "");
            answered(f, GRID_OK, "");
            fake_offer(f);
        }
        ck_says(f, "+OK|");
        ck_assert_uint_eq(f->ops_len, 1);
        buf_release(&b);
        fake_free(f);
    }
}
END_TEST

START_TEST(a_restore_that_fails_says_why_and_goes_no_further)
{
    struct fake *f = fake_resp();
    struct buf b = BUF_INIT;
    struct slice dump = dumped(f, &b);
    restore(f, dump, NULL);
    answered(f, GRID_EBAD_REQUEST, "Function f already exists");
    fake_offer(f);
    ck_says(f, "-ERR Function f already exists|");
    ck_assert_uint_eq(f->admins, 1);
    deploy(f); /* "lib" */
    restore(f, dump, "APPEND");
    ck_says(f, "-ERR Library lib already exists|");
    restore(f, dump, "NEVER");
    ck_says(f,
            "-ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.|");
    ck_assert_uint_eq(f->admins, 1);
    buf_release(&b);
    fake_free(f);
}
END_TEST

/* Each byte of it matters, and so does its length. */
START_TEST(what_is_no_dump_of_ours_is_refused)
{
    struct fake *f = fake_resp();
    struct buf b = BUF_INIT;
    struct slice dump = dumped(f, &b);
    for (size_t i = 0; i < dump.len; i++) {
        b.data[i] ^= 1;
        restore(f, dump, "FLUSH");
        ck_says(f, "-ERR DUMP payload version or checksum are wrong|");
        b.data[i] ^= 1;
        restore(f, slice_make(dump.data, i), "FLUSH");
        ck_says(f, "-ERR DUMP payload version or checksum are wrong|");
    }
    ck_assert_uint_eq(f->admins, 0);
    buf_release(&b);
    fake_free(f);
}
END_TEST

START_TEST(tasks_of_a_module_are_no_functions)
{
    static const struct module_function functions[] = {{.name = "f"},
                                                       {.name = "t", .kind = MODULE_TASK}};
    struct module_info info = {.name = "lib",
                               .engine = MODULE_LUA,
                               .source = slice_str("src"),
                               .functions = functions,
                               .functions_len = 2};
    char why[WHY_BYTES];
    struct fake *f = fake_resp();
    ck_assert_int_eq(catalog_module_deploy(f->catalog, &info, true, why), GRID_OK);
    info.functions = functions + 1;
    info.functions_len = 1;
    snprintf(info.name, sizeof info.name, "only");
    ck_assert_int_eq(catalog_module_deploy(f->catalog, &info, true, why), GRID_OK);
    fake_ask(f, "FUNCTION LIST");
    ck_says(f, "*2|*6|$12|library_name|$3|lib|$6|engine|$3|LUA|$9|functions|*1|*6|$4|name|$1|f|"
               "$11|description|$-1|$5|flags|*0|*6|$12|library_name|$4|only|$6|engine|$3|LUA|"
               "$9|functions|*0|");
    fake_ask(f, "FUNCTION STATS");
    ck_assert_ptr_nonnull(strstr(fake_said(f), "functions_count|:1|"));
    fake_free(f);
}
END_TEST

START_TEST(one_or_all_are_removed)
{
    struct fake *f = fake_resp();
    ck_asks(f, "FUNCTION DELETE a-b", "-ERR Library not found|");
    fake_ask(f, "FUNCTION DELETE lib");
    ck_assert(f->admins == 1 && f->admin.op == ADMIN_MODULE_REMOVE);
    ck_assert_str_eq(f->admin.name, "lib");
    answered(f, GRID_ENOT_FOUND, "Library not found");
    fake_offer(f);
    ck_says(f, "-ERR Library not found|");
    fake_ask(f, "FUNCTION FLUSH ASYNC");
    ck_assert(f->admins == 2 && f->admin.op == ADMIN_MODULE_REMOVE && !f->admin.name[0]);
    answered(f, GRID_OK, "");
    fake_offer(f);
    ck_says(f, "+OK|");
    ck_asks(f, "FUNCTION FLUSH FOO", "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option|");
    ck_assert_uint_eq(f->admins, 2);
    fake_free(f);
}
END_TEST

START_TEST(what_there_is_is_listed)
{
    struct fake *f = fake_resp();
    ck_asks(f, "FUNCTION LIST", "*0|");
    deploy(f);
    ck_asks(
        f, "FUNCTION LIST LIBRARYNAME l* WITHCODE",
        "*1|*8|$12|library_name|$3|lib|$6|engine|$3|LUA|$9|functions|*1|*6|$4|name|$3|Get|"
        "$11|description|$5|reads|$5|flags|*2|+no-writes|+allow-stale|$12|library_code|$3|src|");
    ck_asks(f, "FUNCTION LIST LIBRARYNAME x*", "*0|");
    ck_asks(f, "FUNCTION STATS",
            "*4|$14|running_script|$-1|$7|engines|*2|$3|LUA|*4|$15|libraries_count|:1|$15|"
            "functions_count|:1|");
    fake_free(f);
}
END_TEST

START_TEST(a_call_says_how_much_the_door_knows_of_modules)
{
    struct fake *f = fake_resp();
    deploy(f);
    f->catalog->modules_revision = 7;
    fake_ask(f, "FCALL get 2 {a}b {a}c d");
    ck_assert_uint_eq(f->ops_len, 1);
    const struct op *op = f->ops[0];
    ck_assert(op->kind == OP_CALL && op->procedure == command_fcall && op->makes_steps);
    ck_assert(!op->reads_only && op->args_len == 7 && op->keys_len == 2);
    ck_assert(slice_eq(op->keys[1], slice_str("{a}c")));
    ck_assert(op->args[6].len == LIBRARY_EXTRA_BYTES && load_u64(op->args[6].data) == 7);
    fake_raw(op, ":1\r\n");
    ck_says(f, ":1|");
    fake_free(f);
}
END_TEST

/* Others may know more than this door. */
START_TEST(a_function_that_is_not_known_is_asked_for_where_its_keys_are)
{
    struct fake *f = fake_resp();
    fake_ask(f, "FCALL_RO new 0");
    ck_assert_uint_eq(f->ops_len, 1);
    ck_assert(f->ops[0]->reads_only && slice_eq(f->ops[0]->key, slice_str("new")));
    fake_answer(f->ops[0], (struct result){.reply = REPLY_ERROR,
                                           .value = slice_str("ERR Function not found")});
    ck_says(f, "-ERR Function not found|");
    ck_asks(f, "FCALL a-b 0", "-ERR Function not found|");
    ck_asks(f, "FCALL new x", "-ERR Function not found|");
    deploy(f);
    ck_asks(f, "FCALL get x", "-ERR Bad number of keys provided|");
    ck_asks(f, "FCALL get -1", "-ERR Number of keys can't be negative|");
    ck_asks(f, "FCALL get 1", "-ERR Number of keys can't be greater than number of args|");
    ck_asks(f, "FCALL get 2 a b", "-CROSSSLOT Keys in request don't hash to the same slot|");
    fake_free(f);
}
END_TEST

START_TEST(libraries_are_not_changed_in_a_transaction)
{
    struct fake *f = fake_resp();
    ck_asks(f, "MULTI", "+OK|");
    ck_asks(f, "FUNCTION FLUSH", "-ERR Command not allowed inside a transaction|");
    ck_asks(f, "EXEC", "-EXECABORT Transaction discarded because of previous errors.|");
    fake_free(f);
}
END_TEST

/* The node stops while the library is on its way: there is one answer. */
START_TEST(what_is_under_way_is_answered_once_when_the_node_stops)
{
    struct fake *f = fake_resp();
    load(f, "");
    session_part(f->session, SESSION_REFUSES);
    answered(f, GRID_OK, "");
    fake_offer(f);
    ck_says(f, "$3|lib|");
    fake_ask(f, "PING");
    ck_assert_ptr_nonnull(strstr(fake_said(f), "LOADING"));
    fake_free(f);
}
END_TEST

UNIT_MAIN("session/resp_function", tasks_of_a_module_are_no_functions,
          what_was_dumped_is_restored_one_library_after_the_other,
          a_restore_that_fails_says_why_and_goes_no_further, what_is_no_dump_of_ours_is_refused,
          a_library_is_deployed_and_what_follows_waits_for_it, why_it_was_not_deployed_is_said,
          one_or_all_are_removed, what_there_is_is_listed,
          a_call_says_how_much_the_door_knows_of_modules,
          a_function_that_is_not_known_is_asked_for_where_its_keys_are,
          libraries_are_not_changed_in_a_transaction,
          what_is_under_way_is_answered_once_when_the_node_stops)
