/* test_rights.c - what users may do, at each door: who lacks a right is told which, and nothing is
 * asked of any shard.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "compute/job.h"
#include "session/may.h"
#include "session/resp_priv.h"
#include "tests/lib/unit.h"
#include "tests/unit/session/fake_http.h"
#include "tests/unit/session/fake_resp.h"

static struct rights_list *give(struct fake *f, const char *line)
{
    struct rights_list *l = rights_list_new(&line, 1);
    f->ports.rights = l;
    return l;
}

static void second_cache(struct fake *f)
{
    char why[WHY_BYTES];
    ck_assert_int_eq(catalog_cache_create(f->catalog, slice_str("default/other"), 0, why), GRID_OK);
}

/* --- the grid's protocol ---------------------------------------------------------------------- */

static const struct {
    unsigned op;
    const char *right; /* that is enough; NULL: none is needed */
    bool at_once;      /* answered, not asked of a shard */
} ops[] = {
    {GRID__OP__GET, "read", false},
    {GRID__OP__SCAN, "read", false},
    {GRID__OP__COUNT, "read", false},
    {GRID__OP__GET_MANY, "read", false},
    {GRID__OP__PUT, "write", false},
    {GRID__OP__DELETE, "write", false},
    {GRID__OP__INCR, "write", false},
    {GRID__OP__EXPIRE, "write", false},
    {GRID__OP__BATCH, "write", false},
    {GRID__OP__PUT_MANY, "write", false},
    {GRID__OP__DELETE_MANY, "write", false},
    {GRID__OP__RUN, "compute", false},
    {GRID__OP__PING, NULL, true},
    {GRID__OP__LOCATE, NULL, true},
};

static enum grid_err asked(struct fake *f, unsigned op)
{
    static uint64_t number = 1;
    char task[] = "m.t";
    Grid__Request m = fake_request(f, number++, op, "k");
    Grid__Item item;
    Grid__Item *items[] = {&item};
    grid__item__init(&item);
    item.key = fake_bytes("k");
    item.op = GRID__OP__PUT;
    if (op == GRID__OP__RUN)
        m.name = task;
    if (op == GRID__OP__BATCH || op >= GRID__OP__GET_MANY) {
        m.items = items;
        m.n_items = op < GRID__OP__PING;
    }
    f->ops_len = 0;
    fake_send(f, &m.base);
    fake_turn(f);
    Grid__Response *r = fake_response(f);
    enum grid_err err = r ? (enum grid_err)r->status : GRID_OK;
    if (err == GRID_EDENIED)
        ck_assert_ptr_nonnull(strstr(r->detail, "has not the right"));
    if (r)
        grid__response__free_unpacked(r, NULL);
    return err;
}

START_TEST(each_operation_takes_its_right)
{
    static const char *const rights[] = {"read", "write", "compute", "admin"};
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
        struct fake *f = fake_new();
        char line[32];
        snprintf(line, sizeof line, "*: %s", rights[i]);
        struct rights_list *l = give(f, line);
        fake_greet(f);
        for (size_t k = 0; k < sizeof ops / sizeof *ops; k++) {
            bool may = !ops[k].right || strcmp(ops[k].right, rights[i]) == 0;
            ck_assert_msg((asked(f, ops[k].op) == GRID_EDENIED) != may, "%s, %u", rights[i],
                          ops[k].op);
            ck_assert_msg((f->ops_len > 0) == (may && !ops[k].at_once), "%s, %u", rights[i],
                          ops[k].op);
            for (size_t n = 0; n < f->ops_len; n++)
                fake_answer(f->ops[n], (struct result){0});
            session_sent(f->session, session_output(f->session).len);
        }
        fake_free(f);
        rights_list_free(l);
    }
}
END_TEST

/* Whatever becomes of them for who may call them. */
START_TEST(maps_and_services_take_compute)
{
    static const unsigned calls[] = {GRID__OP__RUN, GRID__OP__MAP, GRID__OP__SERVICE_CALL};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct fake *f = fake_new();
        struct rights_list *l = give(f, "*: read, write, admin, compute=other.*");
        fake_greet(f);
        char name[] = "m.t";
        Grid__Request m = fake_request(f, 1, calls[i], "k");
        m.name = name;
        fake_send(f, &m.base);
        fake_turn(f);
        ck_assert_uint_eq(f->ops_len, 0);
        fake_expect(f, 1, GRID_EDENIED);
        fake_free(f);
        rights_list_free(l);
    }
}
END_TEST

static enum grid_err job_asked(struct fake *f, Grid__JobAction action, const char *name,
                               struct slice row)
{
    static uint64_t number = 1000;
    uint8_t id[JOB_ID_BYTES] = {0, 0, 0, 1};
    char named[16], schedule[] = "s";
    Grid__JobAsk ask;
    Grid__Request m = fake_request(f, number++, GRID__OP__JOB, "k");
    grid__job_ask__init(&ask);
    snprintf(named, sizeof named, "%s", name);
    id[1] = (uint8_t)cache_context(f->cache);
    ask.action = action;
    ask.id = (ProtobufCBinaryData){sizeof id, id};
    ask.schedule = schedule;
    m.job = &ask;
    m.name = named;
    f->ops_len = 0;
    fake_send(f, &m.base);
    fake_turn(f);
    if (f->ops_len)
        fake_answer(f->ops[0], (struct result){.value = row, .reply = REPLY_INTEGER});
    Grid__Response *r = fake_response(f);
    enum grid_err err = r ? (enum grid_err)r->status : GRID_OK;
    if (r)
        grid__response__free_unpacked(r, NULL);
    session_sent(f->session, session_output(f->session).len);
    return err;
}

/* What is asked by an id says nothing of the code: of whatever job it is of another's module. */
START_TEST(a_job_takes_compute_of_its_own_code)
{
    struct fake *f = fake_new();
    struct buf row = BUF_INIT;
    struct slice none = {NULL, 0};
    struct rights_list *l = give(f, "*: compute=m.*, read, write");
    fake_greet(f);
    job_row_encode(&(struct job_row){.name = slice_str("m.j"), .key = slice_str("k")}, &row);
    ck_assert_int_eq(job_asked(f, GRID__JOB_ACTION__JOB_SHOW, "", buf_slice(&row)), GRID_OK);
    row.len = 0;
    job_row_encode(&(struct job_row){.name = slice_str("x.j"), .key = slice_str("k")}, &row);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(job_asked(f, GRID__JOB_ACTION__JOB_SHOW, i ? "m.j" : "", buf_slice(&row)),
                         GRID_EDENIED);
    ck_assert_int_eq(job_asked(f, GRID__JOB_ACTION__JOB_CANCEL, "", none), GRID_EDENIED);
    ck_assert_int_eq(job_asked(f, GRID__JOB_ACTION__JOB_CANCEL, "x.j", none), GRID_EDENIED);
    ck_assert_uint_eq(f->ops_len, 0);
    ck_assert_int_eq(job_asked(f, GRID__JOB_ACTION__JOB_CANCEL, "m.j", none), GRID_OK);
    ck_assert(f->ops[0]->args_len == 2 && slice_eq(f->ops[0]->args[1], slice_str("m.j")));
    static const Grid__JobAction all[] = {
        GRID__JOB_ACTION__JOB_LIST, GRID__JOB_ACTION__SCHEDULE_PAUSE,
        GRID__JOB_ACTION__SCHEDULE_REMOVE, GRID__JOB_ACTION__SCHEDULE_RUN};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ck_assert_int_eq(job_asked(f, all[i], "m.j", none), GRID_EDENIED);
        ck_assert_uint_eq(f->ops_len, 0);
    }
    buf_release(&row);
    session_free(f->session);
    f->session = NULL;
    fake_free(f);
    rights_list_free(l);
}
END_TEST

START_TEST(caches_and_code_are_told_apart_by_their_names)
{
    struct fake *f = fake_new();
    struct rights_list *l = give(f, "*: read=default/de*, compute=m.*");
    second_cache(f);
    fake_greet(f);
    ck_assert_int_eq(asked(f, GRID__OP__GET), GRID_OK);
    ck_assert_int_eq(asked(f, GRID__OP__RUN), GRID_OK);
    ck_assert_int_eq(asked(f, GRID__OP__PUT), GRID_EDENIED);
    uint32_t first = f->cache;
    for (int i = 0; i < 3; i++) { /* what is remembered is of the one cache */
        f->cache = catalog_cache_named(f->catalog, slice_str("default/other"))->id;
        ck_assert_int_eq(asked(f, GRID__OP__GET), GRID_EDENIED);
        ck_assert_int_eq(asked(f, GRID__OP__GET_MANY), GRID_EDENIED);
        f->cache = first;
        ck_assert_int_eq(asked(f, GRID__OP__GET), GRID_OK);
    }
    f->cache = 0x7fff;
    ck_assert_int_eq(asked(f, GRID__OP__GET), GRID_EDENIED);
    session_free(f->session);
    f->session = NULL;
    fake_free(f);
    rights_list_free(l);
}
END_TEST

/* Every operation of administrators that is not among those that only look. */
START_TEST(administration_takes_admin_unless_it_only_looks)
{
    static const enum admin_op looks[] = {
        ADMIN_STATUS,        ADMIN_CONTEXT_LIST,   ADMIN_CONTEXT_SHOW, ADMIN_CACHE_LIST,
        ADMIN_SETTINGS_LIST, ADMIN_PARTITION_LIST, ADMIN_MODULE_LIST,  ADMIN_SERVICE_LIST,
    };
    for (unsigned op = 0; op <= ADMIN_METRICS; op++) {
        bool only = false;
        for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
            only |= looks[i] == (enum admin_op)op;
        enum right right = session_admin_right((enum admin_op)op);
        if (only)
            ck_assert_int_eq(right, RIGHT_ANYBODY);
        else
            ck_assert_msg(right == RIGHT_ADMIN || right == RIGHT_COMPUTE, "%u", op);
    }
    for (int i = 0; i < 2; i++) {
        struct fake *f = fake_new();
        struct rights_list *l = give(f, i ? "*: admin" : "*: read, write, compute");
        Grid__Admin admin;
        grid__admin__init(&admin);
        admin.op = GRID__ADMIN_OP__MODULE_REMOVE;
        char name[] = "m";
        admin.name = name;
        fake_greet(f);
        Grid__Request m = fake_request(f, 1, GRID__OP__ADMIN, "");
        m.admin = &admin;
        fake_send(f, &m.base);
        fake_turn(f);
        ck_assert_uint_eq(f->admins, (unsigned)i);
        if (i)
            session_admin_result(&f->admin_ticket, GRID_OK, slice_str(""), slice_make(NULL, 0));
        fake_expect(f, 1, i ? GRID_OK : GRID_EDENIED);
        fake_free(f);
        rights_list_free(l);
    }
}
END_TEST

START_TEST(a_user_has_the_rights_of_that_name_until_they_change)
{
    static const char *const lines[] = {"*:", "ann: read", "cert: write"};
    struct rights_list *l = rights_list_new(lines, 3), *other = rights_list_new(lines, 1);
    struct fake *f = fake_new();
    f->ports.rights = l;
    fake_greet(f);
    ck_assert_int_eq(asked(f, GRID__OP__GET), GRID_EDENIED);
    session_is(f->session, "ann");
    ck_assert_int_eq(asked(f, GRID__OP__GET), GRID_OK);
    ck_assert_int_eq(asked(f, GRID__OP__PUT), GRID_EDENIED);
    session_proved(f->session, "cert");
    ck_assert_int_eq(asked(f, GRID__OP__GET), GRID_EDENIED);
    ck_assert_int_eq(asked(f, GRID__OP__PUT), GRID_OK);
    f->ports.rights = other;
    session_rights_news(f->ports.errands);
    ck_assert_int_eq(asked(f, GRID__OP__PUT), GRID_EDENIED);
    f->ports.rights = NULL;
    session_rights_news(f->ports.errands);
    ck_assert_int_eq(asked(f, GRID__OP__PUT), GRID_OK);
    session_free(f->session);
    f->session = NULL;
    fake_free(f);
    rights_list_free(l);
    rights_list_free(other);
}
END_TEST

/* --- Redis clients ---------------------------------------------------------------------------- */

/* Commands that anybody may ask who came in: a new one is thought about here. */
static const char *const of_anybody[] = {
    "ping",    "echo",    "auth",    "hello",    "quit",      "reset",    "select", "client",
    "command", "time",    "config",  "memory",   "object",    "wait",     "multi",  "exec",
    "discard", "unwatch", "asking",  "readonly", "readwrite", "grid.use", "pubsub", "cluster",
    "info",    "latency", "slowlog", "function", "script",    "acl"};

START_TEST(each_command_takes_a_right_or_is_known_to_take_none)
{
    for (uint32_t i = 0; i < resp_commands_len(); i++) {
        const struct resp_command *c = resp_command_at(i);
        if (resp_right(c) != RIGHT_ANYBODY)
            continue;
        ck_assert_msg(!c->procedure, "%s", c->name);
        size_t len = strcspn(c->name, "|");
        bool known = false;
        for (size_t k = 0; k < sizeof of_anybody / sizeof *of_anybody; k++)
            known |= strlen(of_anybody[k]) == len && memcmp(of_anybody[k], c->name, len) == 0;
        ck_assert_msg(known, "%s", c->name);
    }
}
END_TEST

static const struct {
    const char *line, *right; /* NULL: the command is let through */
} commands[] = {
    {"PING", NULL},
    {"GET k", NULL},
    {"MGET k l", NULL},
    {"SET k v", "write=default/default"},
    {"GETDEL k", "write=default/default"},
    {"FLUSHALL", "write=default/default"},
    {"WATCH k", NULL},
    {"PUBLISH c m", "write=default/default"},
    {"EVAL 'return_1' 0", "compute=eval"},
    {"SCRIPT LOAD 'return_1'", "compute=eval"},
    {"SCRIPT FLUSH", "admin"},
    {"FCALL f 0", "compute=f"},
    {"FUNCTION LOAD x", "admin"},
    {"FUNCTION DELETE x", "admin"},
    {"FUNCTION FLUSH", "admin"},
    {"CONFIG SET a b", "admin"},
    {"CLIENT KILL 1.2.3.4:5", "admin"},
    {"CLIENT LIST", "admin"},
    {"DEBUG SLEEP 0", "admin"},
};

START_TEST(redis_clients_are_told_which_right_is_missing)
{
    struct fake *f = fake_resp_new();
    struct rights_list *l = give(f, "*: read");
    fake_connect_to(f, &resp_door);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char line[64], want[96];
        snprintf(line, sizeof line, "%s\r\n", commands[i].line);
        fake_send_bytes(f, line, strlen(line));
        f->ops_len = 0;
        fake_offer(f);
        const char *text = fake_out(f);
        bool denied = strncmp(text, "-NOPERM", 7) == 0;
        ck_assert_msg(denied == (commands[i].right != NULL), "%s: %s", commands[i].line, text);
        snprintf(want, sizeof want, "nobody has not the right %s\r\n", commands[i].right);
        if (denied)
            ck_has(text, want);
        for (size_t n = 0; n < f->ops_len; n++)
            fake_answer(f->ops[n], (struct result){.reply = REPLY_NULL});
        (void)fake_out(f);
    }
    session_free(f->session);
    f->session = NULL;
    fake_free(f);
    rights_list_free(l);
}
END_TEST

START_TEST(what_is_denied_spoils_a_transaction)
{
    struct fake *f = fake_resp_new();
    struct rights_list *l = give(f, "*: read");
    fake_connect_to(f, &resp_door);
    static const char lines[] = "MULTI\r\nGET k\r\nSET k v\r\nEXEC\r\n";
    fake_send_bytes(f, lines, sizeof lines - 1);
    fake_offer(f);
    const char *text = fake_out(f);
    ck_has(text, "+OK\r\n+QUEUED\r\n-NOPERM");
    ck_has(text, "-EXECABORT");
    fake_free(f);
    rights_list_free(l);
}
END_TEST

/* --- HTTP ------------------------------------------------------------------------------------- */

static const struct {
    const char *method, *path;
    int status; /* 0: it was asked of a shard or the node */
} routes[] = {
    {"GET", "/v1/caches/default/default/k", 0},
    {"GET", "/v1/caches/default/default", 0},
    {"PUT", "/v1/caches/default/default/k", 403},
    {"DELETE", "/v1/caches/default/default/k", 403},
    {"POST", "/v1/caches/default/default/k/incr", 403},
    {"POST", "/v1/caches/default/default/_delete", 403},
    {"GET", "/v1/caches/default/other/k", 403},
    {"GET", "/v1/caches/nope/nope/k", 404},
    {"POST", "/v1/tasks/m%2Et?cache=default/default&key=k", 0},
    {"POST", "/v1/tasks/n.t?cache=default/default&key=k", 403},
    {"GET", "/v1/status", 0},
    {"GET", "/healthz", 200},
};

START_TEST(http_clients_are_told_which_right_is_missing)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct fake *f = fake_new();
        struct rights_list *l = give(f, "*: read=*/default, compute=m.*");
        f->now_us = UINT64_C(1700000000) * 1000000;
        second_cache(f);
        fake_connect_to(f, &http_door);
        char text[256];
        snprintf(text, sizeof text, "%s %s" HOST "Content-Length: 0\r\n\r\n", routes[i].method,
                 routes[i].path);
        fake_text(f, text);
        const char *out = fake_out(f);
        ck_assert_msg((*out ? atoi(out + 9) : 0) == routes[i].status, "%s: %s", routes[i].path,
                      out);
        ck_assert_msg((f->ops_len + f->admins > 0) == !routes[i].status, "%s", routes[i].path);
        if (routes[i].status == 403)
            ck_has(out, "has not the right");
        session_free(f->session);
        f->session = NULL;
        fake_free(f);
        rights_list_free(l);
    }
}
END_TEST

UNIT_MAIN("session/rights", each_operation_takes_its_right, maps_and_services_take_compute,
          caches_and_code_are_told_apart_by_their_names, a_job_takes_compute_of_its_own_code,
          administration_takes_admin_unless_it_only_looks,
          a_user_has_the_rights_of_that_name_until_they_change,
          each_command_takes_a_right_or_is_known_to_take_none,
          redis_clients_are_told_which_right_is_missing, what_is_denied_spoils_a_transaction,
          http_clients_are_told_which_right_is_missing)
