/* test_commands.c - each command against a grid in memory: what it prints where, and its exit code.
 * LINK: ctl
 */
#include "client/gridctl/help.h"
#include "client/gridctl/text.h"
#include "tests/unit/gridctl/runs.h"

#include <jansson.h>
#include <unistd.h>

/* A step of a story: the line, its exit code, all of stdout, and a part of stderr ("": nothing at
 * all). */
struct step {
    const char *line;
    int code;
    const char *out, *err;
};

static void play(const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int code = run(steps[i].line);
        ck_assert_msg(code == steps[i].code, "%s: %d: %s", steps[i].line, code, err);
        if (steps[i].out)
            ck_assert_str_eq(out, steps[i].out);
        ck_assert_msg(*steps[i].err ? strstr(err, steps[i].err) != NULL : !*err, "%s: %s",
                      steps[i].line, err);
    }
}

#define PLAY(steps) play(steps, sizeof(steps) / sizeof *(steps))

START_TEST(reads_are_local_where_that_is_said_and_there_alone)
{
    static const char *const reads[] = {"get default/default k", "scan default/default",
                                        "count default/default", "dump default/default"};
    ck_assert_int_eq(run("put default/default k v"), 0);
    for (size_t i = 0; i < 4; i++)
        for (int local = 1; local >= 0; local--) {
            char line[100];
            snprintf(line, sizeof line, "%s%s", reads[i], local ? " --local" : "");
            ck_assert_int_eq(run(line), 0);
            ck_assert(fake.read_local == local);
        }
    ck_assert_int_eq(run("put default/default k v --local"), 2);
    ck_assert(strstr(err, "--local"));
}
END_TEST

START_TEST(one_key_from_put_to_del)
{
    static const struct step steps[] = {
        {"get default/default k", 1, "", "gridctl: get: default/default \"k\": not found"},
        {"del default/default k", 1, "", "not found"},
        {"expire default/default k 5", 1, "", "not found"},
        {"put default/default k 'a b'", 0, "1\n", ""},
        {"get default/default k", 0, "a b\n", ""},
        {"get default/default k --version", 0, "1\ta b\n", ""},
        {"--json get default/default k", 0,
         "{\"key\": \"k\", \"version\": 1, \"deadline_ms\": 0, \"value\": \"a b\"}\n", ""},
        {"put default/default k x --if-absent", 1, "", "condition not met: the key has version 1"},
        {"put default/default n x --if-version 4", 1, "",
         "condition not met: there is no such key"},
        {"put default/default k x --if-version 1", 0, "2\n", ""},
        {"put default/default k x --json", 0, "{\"version\": 3}\n", ""},
        {"put default/default k x --if-absent --if-version 1", 2, "", "exclude each other"},
        {"incr default/default i", 0, "1\n", ""},
        {"incr default/default i -5 --json", 0, "{\"number\": -4}\n", ""},
        {"expire default/default k 5m", 0, "", ""},
        {"count default/default", 0, "2\n", ""},
        {"del default/default k", 0, "", ""},
        {"count default/default --json", 0, "{\"count\": 1}\n", ""},
        {"get nope/nope k", 3, "", "gridctl: get: nope/nope: "},
    };
    PLAY(steps);
}
END_TEST

START_TEST(a_ttl_is_milliseconds_on_the_wire)
{
    ck_assert_int_eq(run("put default/default k v --ttl 5m"), 0);
    ck_assert_int_eq(fake.how.ttl, GRID_TTL_SET);
    ck_assert_uint_eq(fake.how.ttl_ms, 300000);
    ck_assert_int_eq(run("put default/default k v"), 0);
    ck_assert_int_eq(fake.how.ttl, GRID_TTL_DEFAULT);
    ck_assert_int_eq(run("expire default/default k none"), 0);
    ck_assert_int_eq(fake.how.ttl, GRID_TTL_NONE);
    ck_assert_int_eq(run("put default/default k v --affinity home"), 0);
    ck_assert_uint_eq(fake.how.affinity.len, 4);
}
END_TEST

START_TEST(a_value_from_standard_input_is_taken_as_it_is)
{
    ck_assert_int_eq(run_with("put default/default k -", "a\tb\n"), 0);
    ck_assert_uint_eq(fake.entries[0].value_len, 4);
    ck_assert_int_eq(run("get default/default k"), 0);
    ck_assert_str_eq(out, "a\tb\n\n");
}
END_TEST

START_TEST(scan_escapes_and_json_keeps_bytes)
{
    static const struct step steps[] = {
        {"put default/default 'a\tb' 'x\\y'", 0, "1\n", ""},
        {"put default/default b \xff", 0, "1\n", ""},
        {"scan default/default", 0, "a\\tb\tx\\\\y\nb\t\\xff\n", ""},
        {"scan default/default --keys", 0, "a\\tb\nb\n", ""},
        {"scan default/default --limit 1 --keys", 0, "a\\tb\n", ""},
        {"scan default/default --limit 0", 0, "", ""},
        {"scan default/default --prefix b --json", 0,
         "{\"key\": \"b\", \"value\": {\"base64\": \"/w==\"}, \"version\": 1, \"deadline_ms\": "
         "0}\n",
         ""},
        {"dump default/default", 0, "a\\tb\tx\\\\y\nb\t\\xff\n", ""},
        {"dump default/default --format jsonl", 0,
         "{\"key\": \"a\\u0009b\", \"value\": \"x\\\\y\"}\n"
         "{\"key\": \"b\", \"value\": {\"base64\": \"/w==\"}}\n",
         ""},
    };
    PLAY(steps);
}
END_TEST

START_TEST(outcomes_have_their_exit_codes)
{
    static const struct {
        enum grid_err err;
        int code;
    } cases[] = {{GRID_EFULL, 3},      {GRID_ETOO_LARGE, 3},   {GRID_EDENIED, 3},
                 {GRID_ENO_CACHE, 3},  {GRID_ETIMEOUT, 4},     {GRID_EUNREACHABLE, 4},
                 {GRID_ETLS, 4},       {GRID_EIN_DOUBT, 5},    {GRID_ESTALE, 5},
                 {GRID_ECONDITION, 1}, {GRID_ENOT_NUMBER, 3},  {GRID_ETASK, 3},
                 {GRID_ENO_TASK, 1},   {(enum grid_err)999, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.err = cases[i].err;
        fake.detail = "because of \033[2J";
        ck_assert_int_eq(run("incr default/default k"), cases[i].code);
        ck_assert_str_eq(out, "");
        ck_assert_ptr_nonnull(strstr(err, "because of \\x1b[2J"));
        ck_assert_int_eq(run("ping"), cases[i].code);
    }
}
END_TEST

START_TEST(not_connecting_is_never_in_doubt)
{
    static const struct {
        enum grid_err err;
        int code;
    } cases[] = {{GRID_EUNREACHABLE, 4},
                 {GRID_ETIMEOUT, 4},
                 {GRID_EIN_DOUBT, 4},
                 {GRID_EAUTH, 3},
                 {GRID_EPROTOCOL, 3}};
    fake.detail = "connection refused";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.connect_err = cases[i].err;
        ck_assert_int_eq(run("put default/default k v"), cases[i].code);
        ck_assert_ptr_nonnull(strstr(err, "127.0.0.1:7400"));
        ck_assert_ptr_nonnull(strstr(err, "connection refused"));
    }
    fake.connects = 0;
    fake.connect_err = GRID_EUNREACHABLE;
    ck_assert_int_eq(run("ping --wait 60ms"), 4);
    ck_assert_uint_gt(fake.connects, 1);
}
END_TEST

START_TEST(certificates_are_checked_before_connecting)
{
    static const struct step steps[] = {
        {"--cert c ping", 2, "", "--cert and --key go together"},
        {"--cert c --key k ping", 2, "", "--cert needs --ca"},
        {"--ca /nonexistent/ca.crt ping", 2, "", "/nonexistent/ca.crt: No such file"},
        {"--user ann ping", 2, "", "--user needs GRIDCTL_PASSWORD"},
    };
    PLAY(steps);
    ck_assert_uint_eq(fake.connects, 0);
}
END_TEST

START_TEST(contexts_and_caches)
{
    static const struct step steps[] = {
        {"context create o --partitions 16 --durability memory --memory-limit 1K --when-full evict",
         0, "", ""},
        {"context alter o", 2, "", "nothing to change is given"},
        {"context drop nope", 1, "", "nope"},
        {"context drop default", 0, "", ""},
        {"context show nope", 1, "", "nope"},
        {"context show default", 0, NULL, ""},
        {"context list", 0,
         "NAME     PARTITIONS  BACKUPS  COPIES  DURABILITY  MEMORY-LIMIT  MIN-IN-SYNC  WHEN-FULL  "
         "NODES  CACHES  ENTRIES    BYTES\n"
         "default        1024      all       2  sync                   -            1  refuse     "
         "all         1        3  3.0 MiB\n",
         ""},
        {"cache create default/c --ttl 1d", 0, "", ""},
        {"cache list", 0, "NAME              TTL  ENTRIES\ndefault/default  none        3\n", ""},
        {"cache drop nope/c", 1, "", "nope/c"},
        {"--json cache drop default/default", 0, "{\"name\": \"default/default\"}\n", ""},
    };
    PLAY(steps);
    ck_assert_uint_eq(fake.ttl_ms, 86400000);
    ck_assert_str_eq(fake.context.name, "o");
    ck_assert_uint_eq(fake.context.partitions, 16);
    ck_assert_int_eq(fake.context.durability, GRID_MEMORY);
    ck_assert_uint_eq(fake.context.memory_limit, 1024);
    ck_assert(fake.context.evict);
    ck_assert_uint_eq(fake.context.backups, 1);
    ck_assert_int_eq(run("context alter o --backups all --memory-limit 0"), 0);
    ck_assert_uint_eq(fake.fields, GRID_FIELD_BACKUPS | GRID_FIELD_MEMORY_LIMIT);
    ck_assert_uint_eq(fake.context.backups, GRID_BACKUPS_ALL);
}
END_TEST

START_TEST(modules)
{
    static const struct step steps[] = {
        {"module deploy /nonexistent/lib.lua", 2, "", "/nonexistent/lib.lua: No such file"},
        {"module list", 0,
         "NAME  ENGINE  VERSION  SIZE  FUNCTIONS\nlib   lua           3   4 B  f\n", ""},
        {"module show nope", 1, "", "nope"},
        {"module remove nope", 1, "", "nope"},
        {"module remove lib", 0, "", ""},
        {"--json module remove lib", 0, "{\"name\": \"lib\"}\n", ""},
        {"--json module show lib", 0, NULL, ""},
    };
    PLAY(steps);
    ck_assert_int_eq(run("module show lib"), 0);
    ck_assert_ptr_nonnull(strstr(
        out, "FUNCTION  KIND      FLAGS      DESCRIPTION\nf         function  no-writes  h\n"));
    ck_assert_int_eq(run("--json module show lib"), 0);
    ck_assert_ptr_nonnull(strstr(out, "\"functions\": [\"f\"]"));
    ck_assert_ptr_nonnull(strstr(out, "\"kinds\": [\"function\"]"));
    ck_assert_ptr_nonnull(strstr(out, "\"flags\": [\"no-writes\"]"));
    ck_assert_int_eq(run("module show lib --source"), 0);
    ck_assert_mem_eq(out, "x\n\0z", 4);
}
END_TEST

START_TEST(services)
{
    static const struct {
        const char *line, *said; /* to the grid */
        int code;
        const char *out;
    } cases[] = {
        {"service deploy m.s", "deploy m.s mode 0 copies 1 context - labels -", 0, ""},
        {"service deploy m.s --copies 3 --context shop",
         "deploy m.s mode 3 copies 3 context shop labels -", 0, ""},
        {"service deploy m.s --mode node --nodes zone=a",
         "deploy m.s mode 1 copies 1 context - labels zone=a", 0, ""},
        {"service deploy m.s --mode key --copies 3", NULL, 2, ""},
        {"service deploy m.s --mode copies", NULL, 2, ""},
        {"service deploy m.s --nodes zone=a", NULL, 2, ""},
        {"service stop m.s", "stop m.s", 0, ""},
        {"service call m.s add", "service m.s add  ", 0, "four"},
        {"service call m.s add --key k --arg 7 --again", "service m.s add k 7 again", 0, "four"},
        {"broadcast m.b --nodes zone=a --arg 1", "m.b zone=a 1", 1,
         "NODE  OUTCOME  ROWS\na     ok       1\\n2\nb     NAME\n"},
        {"service list", NULL, 0,
         "NAME  MODE    CONTEXT  VERSION  RUNNING  NODES  CALLS  FAILURES\n"
         "m.s   copies  default        3        1  a          5         1\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_reset();
        ck_assert_int_eq(run(cases[i].line), cases[i].code);
        if (cases[i].said)
            ck_assert_str_eq(fake.text, cases[i].said);
        ck_assert_str_eq(out, cases[i].out);
    }
    ck_assert_int_eq(run("service show m.s"), 0);
    ck_assert_ptr_nonnull(strstr(out, "m:1: no\n"));
    ck_assert_ptr_null(strstr(out, "traceback"));
    ck_assert_int_eq(run("--json service show m.s"), 0);
    ck_assert_ptr_nonnull(strstr(out, "traceback"));
}
END_TEST

START_TEST(a_fault_in_a_module_is_told_by_itself)
{
    fake.err = GRID_EBAD_REQUEST;
    fake.detail = "stock:2: unexpected symbol near '='";
    ck_assert_int_eq(run_with("module deploy -", "local x = = 1"), 3);
    ck_assert_str_eq(err, "gridctl: module deploy: -: stock:2: unexpected symbol near '='\n");
    fake.detail = "";
    ck_assert_int_eq(run_with("module deploy -", "x"), 3);
    ck_assert_str_eq(err, "gridctl: module deploy: -: text\n");
}
END_TEST

#define TASK_RUN "run bank.transfer --cache default/default --key k"

START_TEST(a_task_is_told_where_and_what_and_its_result_comes_out_to_the_byte)
{
    static const struct step steps[] = {
        {TASK_RUN, 0, "bank.transfer()", ""},
        {TASK_RUN " --arg '{\"a\": 5}'", 0, "bank.transfer({\"a\": 5})", ""},
        {TASK_RUN " --arg ''", 0, "bank.transfer()", ""},
        {"--json " TASK_RUN " --arg x", 0, "{\"result\": \"bank.transfer(x)\"}\n", ""},
        {TASK_RUN " --arg x --arg-file y", 2, "", "exclude each other"},
        {TASK_RUN " --arg-file /nonexistent/a", 2, "", "/nonexistent/a: No such file"},
        {TASK_RUN " --arg-file /", 2, "", "/: Is a directory"},
        {"run --cache default/default --key k", 2, "", "run: TASK is missing"},
        {"run a.b --key k", 2, "", "run: --cache is missing; see gridctl run --help"},
        {"run a.b --cache default/default", 2, "", "run: --key is missing"},
        {"run a.b --cache default/default --key ''", 2, "", "a key of 1 to 480 bytes"},
        {"run a.b --cache default --key k", 2, "", "a cache: CONTEXT/NAME"},
        {"run a.b --cache default/nope --key k", 3, "", "default/nope"},
    };
    PLAY(steps);
    ck_assert_int_eq(run(TASK_RUN " --affinity branch"), 0);
    ck_assert_str_eq(fake.text, "k@branch");
    ck_assert_int_eq(run_with(TASK_RUN " --arg-file -", "a\n\xff\n"), 0);
    ck_assert_str_eq(out, "bank.transfer(a\n\xff\n)");
    ck_assert_int_eq(run_with("shell", TASK_RUN " --arg-file -\n"), 2);
}
END_TEST

#define MAP_RUN "map index.sizes --cache default/default"

START_TEST(rows_of_a_map_come_one_a_line)
{
    static const struct step steps[] = {
        {MAP_RUN, 0, "index.sizes\t\n", ""},
        {MAP_RUN " --arg x", 0, "index.sizes\tx\n", ""},
        {"--json " MAP_RUN " --arg x", 0, "{\"key\": \"index.sizes\", \"value\": \"x\"}\n", ""},
        {MAP_RUN " --time soon", 2, "", "--time"},
        {MAP_RUN " --keys /nonexistent/a", 2, "", "/nonexistent/a: No such file"},
        {"map --cache default/default", 2, "", "map: MAP is missing"},
        {"map a.b", 2, "", "map: --cache is missing"},
    };
    PLAY(steps);
    ck_assert_int_eq(run_with(MAP_RUN " --arg v --keys -", "a\n\nb c"), 0);
    ck_assert_str_eq(out, "a\tv\nb c\tv\n");
    ck_assert_int_eq(run_with(MAP_RUN " --keys -", "\n"), 2);
    fake.err = GRID_ETASK;
    ck_assert_int_eq(run(MAP_RUN), 3);
}
END_TEST

START_TEST(a_task_that_failed_is_told_with_all_its_lines)
{
    fake.err = GRID_ETASK;
    fake.detail = "bank:7: only 5 \033[31m\nstack traceback:\n\tbank:7: in f\n";
    ck_assert_int_eq(run(TASK_RUN), 3);
    ck_assert_str_eq(out, "");
    ck_assert_str_eq(err, "gridctl: run: bank.transfer: text: bank:7: only 5 \\x1b[31m\n"
                          "    stack traceback:\n"
                          "    bank:7: in f\n");
    fake.err = GRID_ENO_TASK;
    fake.detail = "no module bank";
    ck_assert_int_eq(run(TASK_RUN), 1);
    ck_assert_str_eq(err, "gridctl: run: bank.transfer: no module bank\n");
    fake.err = GRID_EIN_DOUBT;
    ck_assert_int_eq(run(TASK_RUN), 5);
}
END_TEST

START_TEST(a_context_shows_how_many_of_its_copies_there_can_be)
{
    fake.backups = 3;
    ck_assert_int_eq(run("context show default"), 0);
    ck_assert_ptr_nonnull(strstr(out, "\ncopies        2 of 4\n"));
    ck_assert_int_eq(run("--json context show default"), 0);
    ck_assert_ptr_nonnull(strstr(out, "\"copies\": 2,"));
    fake.backups = 1;
    ck_assert_int_eq(run("context show default"), 0);
    ck_assert_ptr_nonnull(strstr(out, "\ncopies        2\n"));
}
END_TEST

START_TEST(settings_take_units)
{
    static const struct step steps[] = {
        {"settings get max_value", 0, "16777216\n", ""},
        {"settings get nope", 1, "", "nope: no such setting"},
        {"settings set nope 5", 1, "", "nope: no such setting"},
        {"settings set log_sync_interval 5x", 2, "", "\"5x\" is not a number from 1 to 10000 ms"},
        {"settings set log_sync_interval 11s", 2, "", "\"11s\" is not from 1 to 10000 ms"},
        {"settings set log_sync_interval 2K", 2, "", "is not a number"},
        {"settings set log_sync_interval 2s", 0, "", ""},
    };
    PLAY(steps);
    ck_assert_int_eq(fake.setting, 2000);
    ck_assert_int_eq(run("settings set max_value 1M"), 0);
    ck_assert_int_eq(fake.setting, 1048576);
}
END_TEST

START_TEST(locate_and_partitions)
{
    static const struct step steps[] = {
        {"locate default/default k --json", 0,
         "{\"partition\": 7, \"epoch\": 3, \"primary\": \"a\", \"in_sync\": [\"a\", \"b\"], "
         "\"slot\": 9, "
         "\"shard\": 1, \"address\": \"127.0.0.1:7400\"}\n",
         ""},
        {"locate default/default k", 0,
         "partition  7\nepoch      3\nprimary    a\nin sync    a,b\nslot       9\nshard      1\n"
         "address    127.0.0.1:7400\n",
         ""},
        {"partition list", 0,
         "CONTEXT  PARTITION  SHARD  EPOCH  SEQ  ENTRIES  STATE  PRIMARY  IN-SYNC  JOINING\n"
         "default          7      2      3   40        5  ok     a        a,b\n",
         ""},
        {"partition recover default", 2, "", "--accept-loss is needed"},
        {"partition recover default --accept-loss", 0, "partitions  3\n", ""},
        {"partition repair default x b", 2, "", "PARTITION"},
        {"partition repair default 7", 2, "", "NODE is missing"},
        {"partition repair default 7 b", 0, "", ""},
        {"partition reset default", 2, "", "--accept-loss is needed"},
        {"partition reset default --accept-loss", 0, "partitions  0\n", ""},
        {"drain a", 0, "", ""},
        {"undrain a", 0, "", ""},
        {"remove a", 0, "", ""},
        {"rebalance pause", 0, "", ""},
        {"rebalance resume", 0, "", ""},
    };
    PLAY(steps);
    ck_assert_int_eq(run("partition repair default 7 b"), 0);
    ck_assert_uint_eq(fake.partition, 7);
    ck_assert_int_eq(run("partition repair default 4294967303 b"), 0); /* not 7 again */
    ck_assert_uint_eq(fake.partition, UINT32_MAX);
}
END_TEST

START_TEST(verify_tells_which_copies_differ_and_exits_1)
{
    static const struct step equal[] = {
        {"verify", 0, "1024 of 1024 partitions are equal, 1,024 entries\n", ""},
        {"verify default --json", 0,
         "{\n  \"ok\": true,\n  \"partitions\": 1024,\n  \"equal\": 1024,\n"
         "  \"entries\": 1024,\n  \"differences\": []\n}\n",
         ""},
        {"verify nothing", 1, "", "nothing: text"},
    };
    PLAY(equal);
    fake.differs = true;
    ck_assert_int_eq(run("verify default"), 1);
    ck_assert_str_eq(out, "default 3: different: a 2.9 (5 entries, 0000000000000000), "
                          "b 2.9 (5 entries, 0000000000000001)\n"
                          "1023 of 1024 partitions are equal, 1,024 entries\n");
    ck_assert_int_eq(run("verify --json"), 1);
    ck_assert_ptr_nonnull(strstr(out, "\"ok\": false"));
    ck_assert_ptr_nonnull(strstr(out, "\"node\": \"b\""));
}
END_TEST

START_TEST(status_says_what_is_wrong_and_exits_1)
{
    ck_assert_int_eq(run("status"), 0);
    ck_assert_ptr_nonnull(strstr(out, "grid shop: healthy\n"));
    ck_assert_ptr_nonnull(strstr(out, "1,234,567"));
    ck_assert_ptr_nonnull(strstr(out, "3.0 MiB"));
    ck_assert_ptr_nonnull(strstr(out, "1m 1s"));
    fake.unhealthy = true;
    ck_assert_int_eq(run("status"), 1);
    ck_assert_ptr_nonnull(strstr(out, "! disk \\x1b[31mfull"));
    ck_assert_ptr_nonnull(strstr(out, "- too few \\x1bnodes"));
    ck_assert_int_eq(run("status --json"), 1);
    json_t *j = json_loads(out, 0, NULL);
    ck_assert_ptr_nonnull(j);
    ck_assert(json_is_false(json_object_get(j, "healthy")));
    json_t *node = json_array_get(json_object_get(j, "nodes"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(node, "name")), "a");
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_object_get(node, "metrics"), "memory")), 4096);
    json_decref(j);
}
END_TEST

START_TEST(json_is_one_document_for_every_list)
{
    static const char *const lines[] = {
        "nodes",         "context list",   "context show default",     "cache list",
        "settings list", "partition list", "settings get max_value",   "version",
        "ping",          "status",         "locate default/default k", "count default/default"};
    char line[128];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(line, sizeof line, "%s --json", lines[i]);
        ck_assert_int_eq(run(line), 0);
        json_t *j = json_loads(out, 0, NULL);
        ck_assert_msg(j != NULL, "%s: %s", line, out);
        json_decref(j);
    }
}
END_TEST

/* --- load --- */

START_TEST(load_reads_a_dump_back)
{
    char *dumped;
    for (int i = 0; i < 3000; i++) {
        char key[32], value[32];
        int key_len = snprintf(key, sizeof key, "key\t%d\\", i);
        int value_len = snprintf(value, sizeof value, "\xff%c%d\n", i % 256, i);
        fake_set((struct grid_bytes){key, (size_t)key_len},
                 (struct grid_bytes){value, (size_t)value_len});
    }
    for (int format = 0; format < 2; format++) {
        ck_assert_int_eq(
            run(format ? "dump default/default --format jsonl" : "dump default/default"), 0);
        dumped = strdup(out);
        fake_reset();
        ck_assert_int_eq(
            run_with(format ? "load default/default - --format jsonl" : "load default/default -",
                     dumped),
            0);
        ck_assert_ptr_nonnull(strstr(err, "loaded 3000 records in "));
        ck_assert_uint_eq(fake.len, 3000);
        ck_assert_uint_eq(fake.entries[1234].value_len, 7);
        ck_assert_int_eq(memcmp(fake.entries[1234].value,
                                "\xff\xd2"
                                "1234\n",
                                7),
                         0);
        free(dumped);
    }
}
END_TEST

START_TEST(load_stops_at_the_first_bad_line_and_keeps_what_was_before)
{
    ck_assert_int_eq(run_with("load default/default -", "a\t1\n\nb\t2\nbad\nc\t3\n"), 2);
    ck_assert_ptr_nonnull(strstr(err, "gridctl: load: standard input:4: no TAB"));
    ck_assert_ptr_nonnull(strstr(err, "loaded 2 records"));
    ck_assert_uint_eq(fake.len, 2);
}
END_TEST

START_TEST(load_names_the_line_that_was_refused)
{
    fake.err = GRID_EFULL;
    fake.detail = "limit of context default";
    fake.puts_until_err = 2;
    ck_assert_int_eq(run_with("load default/default -", "a\t1\nb\t2\nc\t3\nd\t4\n"), 3);
    ck_assert_ptr_nonnull(strstr(err, "standard input:3: "));
    ck_assert_ptr_nonnull(strstr(err, "limit of context default"));
    ck_assert_ptr_nonnull(strstr(err, "2 records were not written, 0 are in doubt"));
    ck_assert_ptr_nonnull(strstr(err, "loaded 2 records"));
    fake.err = GRID_EIN_DOUBT;
    fake.puts_until_err = 3;
    ck_assert_int_eq(run_with("load default/default -", "a\t1\nb\t2\nc\t3\nd\t4\n"), 5);
}
END_TEST

START_TEST(load_refuses_files_and_options_that_make_no_sense)
{
    static const struct step steps[] = {
        {"load default/default /nonexistent", 2, "", "/nonexistent: No such file"},
        {"load default/default /tmp", 2, "", "/tmp: is a directory"},
        {"load default/default - --key x", 2, "", "\"x\" is not a column number"},
        {"load default/default - --format jsonl --raw", 2, "", "--header and --raw are for tsv"},
        {"load nope/nope - --format jsonl", 3, "", "nope/nope"},
    };
    play(steps, 4);
    char input[] = "{}\n";
    ck_assert_int_eq(run_with(steps[4].line, input), 3);
    ck_assert_int_eq(
        run_with("load default/default - --format jsonl --key id", "{\"id\":7,\"a\": 1}\n"), 0);
    ck_assert_str_eq(fake.entries[0].key, "7");
    ck_assert_str_eq(fake.entries[0].value, "{\"id\":7,\"a\":1}");
}
END_TEST

/* --- shell, help, completion, manual --- */

START_TEST(a_script_stops_at_the_first_error_unless_told)
{
    static const char script[] = "# comment\nput default/default k 'a b'\nget default/default k\n"
                                 "get default/default nope\ncount default/default\nexit\nping\n";
    ck_assert_int_eq(run_with("shell", script), 1);
    ck_assert_str_eq(out, "1\na b\n");
    ck_assert_ptr_nonnull(strstr(err, "standard input:4"));
    ck_assert_uint_eq(fake.connects, 1);
    ck_assert_int_eq(run_with("shell -k", script), 1);
    ck_assert_str_eq(out, "2\na b\n1\n");
    ck_assert_int_eq(run_with("shell", "shell\n"), 2);
    ck_assert_int_eq(run_with("shell", "get 'x\n"), 2);
    ck_assert_int_eq(run_with("shell", "--endpoints a:1 ping\n"), 2);
    ck_assert_int_eq(run_with("shell", "put default/default k -\n"), 2);
    ck_assert_int_eq(run_with("shell --json", "count default/default\nhelp ping\n"), 0);
    ck_assert_int_eq(strncmp(out, "{\"count\": 1}\nusage: gridctl ping", 31), 0);
}
END_TEST

START_TEST(help_names_every_command)
{
    ck_assert_int_eq(run("--help"), 0);
    for (size_t i = 0; i < commands_len; i++)
        ck_assert_int_eq(strstr(out, commands[i].path) != NULL, !commands[i].hidden);
    ck_assert_int_eq(run("context --help"), 0);
    ck_assert_ptr_nonnull(strstr(out, "context alter NAME"));
    ck_assert_ptr_null(strstr(out, "cache create"));
    ck_assert_int_eq(run("put --help"), 0);
    ck_assert_ptr_nonnull(strstr(out, "usage: gridctl put CACHE KEY VALUE|- [options]"));
    ck_assert_int_eq(run("run --help"), 0);
    ck_assert_ptr_nonnull(strstr(out, "usage: gridctl run TASK --cache CACHE --key KEY [options]"));
    ck_assert_int_eq(run("help nope"), 2);
    ck_assert_int_eq(run(""), 2);
    ck_assert_str_eq(out, "");
    ck_assert_ptr_nonnull(strstr(err, "usage: gridctl"));
}
END_TEST

static void collect(void *arg, const char *word)
{
    struct text *t = arg;
    text_addf(t, "%s ", word);
}

START_TEST(completion_knows_what_may_follow)
{
    static const struct {
        const char *words[3];
        size_t len;
        const char *part, *expected;
    } cases[] = {
        {{NULL}, 0, "st", "status "},
        {{NULL}, 0, "c", "context cache count cert completion "},
        {{"context"}, 1, "", "create list show alter drop "},
        {{"completion"}, 1, "", "bash "},
        {{"help", "cache"}, 2, "d", "drop "},
        {{"get", "a/b"}, 2, "--", "--affinity --version --local --json --help "},
        {{"dump", "a/b", "--format"}, 3, "", "tsv jsonl "},
        {{"dump", "a/b"}, 2, "", ""},
        {{"nope"}, 1, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text found = {0};
        help_complete(cases[i].words, cases[i].len, cases[i].part, collect, &found);
        ck_assert_str_eq(text_str(&found), cases[i].expected);
        text_release(&found);
    }
}
END_TEST

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s (from the top of the source tree)", path);
    char *data = calloc(1, 1 << 20);
    ck_assert_ptr_nonnull(data);
    ck_assert_uint_lt(fread(data, 1, 1 << 20, f), 1 << 20);
    fclose(f);
    return data;
}

START_TEST(the_installed_completion_and_the_manual_are_made_from_the_table)
{
    char *script = read_file("conf/completion/gridctl.bash"),
         *manual = read_file("client/man/gridctl.1");
    ck_assert_int_eq(run("completion bash"), 0);
    ck_assert_str_eq(out, script);
    ck_assert_int_eq(run("completion mdoc"), 0);
    ck_assert_msg(strstr(manual, out) != NULL,
                  "gridctl completion mdoc is not in gridctl.1 as it is");
    free(script);
    free(manual);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gridctl/commands");
    TCase *tcase = tcase_create("gridctl/commands");
    const TTest *const tests[] = {
        one_key_from_put_to_del,
        reads_are_local_where_that_is_said_and_there_alone,
        a_ttl_is_milliseconds_on_the_wire,
        a_value_from_standard_input_is_taken_as_it_is,
        scan_escapes_and_json_keeps_bytes,
        outcomes_have_their_exit_codes,
        not_connecting_is_never_in_doubt,
        certificates_are_checked_before_connecting,
        contexts_and_caches,
        modules,
        services,
        a_fault_in_a_module_is_told_by_itself,
        a_task_is_told_where_and_what_and_its_result_comes_out_to_the_byte,
        a_task_that_failed_is_told_with_all_its_lines,
        rows_of_a_map_come_one_a_line,
        a_context_shows_how_many_of_its_copies_there_can_be,
        settings_take_units,
        locate_and_partitions,
        status_says_what_is_wrong_and_exits_1,
        verify_tells_which_copies_differ_and_exits_1,
        json_is_one_document_for_every_list,
        load_reads_a_dump_back,
        load_stops_at_the_first_bad_line_and_keeps_what_was_before,
        load_names_the_line_that_was_refused,
        load_refuses_files_and_options_that_make_no_sense,
        a_script_stops_at_the_first_error_unless_told,
        help_names_every_command,
        completion_knows_what_may_follow,
        the_installed_completion_and_the_manual_are_made_from_the_table};
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
