/* test_conf.c - gridd.conf: what is right is taken, what is wrong is told with its line, all of it
 * in one run, and nothing else is said.
 * LINK: conf base */
#include "conf.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SALT "00112233445566778899aabbccddeeff"
#define HASH "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"

struct wrong {
    const char *text;
    const char
        *faults[4]; /* how each line goes on behind "f:", in order; the end may be left out */
};

static const struct wrong wrongs[] = {
    /* keys and structure */
    {"node { nme = \"x\" }", {"1: node: no key \"nme\"; there are name, grid, data, user, labels"}},
    {"\n\nnode {\n  nme = \"x\"\n}\n", {"4: node: no key \"nme\""}},
    {"nodes = \"x\"",
     {"1: top level: no key \"nodes\"; there are peers, users, rights, node { }, listen"}},
    {"peer = { \"a:1\" }", {"1: top level: no key \"peer\""}},
    {"log {\n level = info\n colour = 3\n size = 4 }\n",
     {"3: log: no key \"colour\"", "4: log: no key \"size\""}},
    {"storge { shards = 1 }", {"1: top level: no key \"storge\""}},
    {"node { name = \"a\"\n\n", {"2: node: the file ends before the }"}},
    {"/* closed */ # and /*\n/* not closed\nnode { nme = 1 }\n",
     {"2: what begins here has no end: /*"}},
    {"/* one\n two */\n# three\nnode { nme = 1 }", {"4: node: no key \"nme\""}},
    {"node { name = \"a\\\nb\"\n nme = 1 }", {"3: node: no key \"nme\""}},
    {"node { name = 'a\nb'\n nme = 1 }", {"2: node: name", "3: node: no key \"nme\""}},
    {"node name = \"a\" }", {"1:"}},
    {"node { name \"a\" }", {"1: "}},
    {"node { name = }", {"1: "}},
    {"\nnode { name = \"a }\n", {"2: what begins here has no end: \"a"}},
    {"}", {"1: "}},
    {"node { name = \"a\" }\nnode { grid = \"b\" }\n",
     {"2: node: a second section of this name; put all into one"}},
    {"node { name = \"a\"\n name = \"b\" }", {"2: node: name was given before, in line 1"}},
    {"include(\"/etc/passwd\")", {"1: top level: no key \"include\""}},
    {"\x01", {"1: byte 1: this is no text"}},
    {"node { }\n\x7f\x1b[31m = 1", {"2: byte 27: this is no text"}},
    /* names and texts */
    {"node { name = \"\" }", {"1: node: name: \"\" is not a name: 1 to 64 of"}},
    {"node { name = \"two words\" }", {"1: node: name: \"two words\" is not a name"}},
    {"node { name = \"-a\" }", {"1: node: name: \"-a\" is not a name"}},
    {"node { grid = \"a/b\" }", {"1: node: grid: \"a/b\" is not a name"}},
    {"node { data = \"\" }", {"1: node: data: \"\" is not a text that is not empty"}},
    {"node { labels = { \"zone\" } }", {"1: node: labels: \"zone\" is not NAME=VALUE"}},
    {"node { labels = { \"a=1\", \"=2\" } }", {"1: node: labels: \"=2\" is not NAME=VALUE"}},
    {"log { level = loud }", {"1: log: level: \"loud\" is not one of debug|info|warn|error"}},
    {"log { level = \"debug|info\" }", {"1: log: level: \"debug|info\" is not one of"}},
    {"log { format = xml }", {"1: log: format: \"xml\" is not one of logfmt|json"}},
    {"tls { insecure = perhaps }", {"1: tls: insecure: \"perhaps\" is not true or false"}},
    /* addresses */
    {"listen { client = \"localhost\" }", {"1: listen: client: \"localhost\" is not host:port"}},
    {"listen { client = \"127.0.0.1:99999\" }", {"1: listen: client: \"127.0.0.1:99999\" is not"}},
    {"listen { client = \"127.0.0.1:\" }", {"1: listen: client: \"127.0.0.1:\" is not host:port"}},
    {"listen { client = \"127.0.0.1:-1\" }", {"1: listen: client:"}},
    {"listen { client = \"0.0.0.0:7400\" }",
     {"1: listen: client: \"0.0.0.0:7400\" is not loopback: it needs tls"}},
    {"listen {\n http = \"*:7402\"\n}", {"2: listen: http: \"*:7402\" is not loopback"}},
    {"listen { client = \"0.0.0.0:7400\" }\n"
     "tls { ca = \"/dev/null\" cert = \"/dev/null\" key = \"/dev/null\"\n"
     "client_certificates = false }",
     {"3: tls: client_certificates = false lets in everybody who reaches client"}},
    {"listen { client = \"127.0.0.1:5\"\n resp = \"127.0.0.1:5\" }",
     {"2: listen: client and resp are the same address"}},
    {"listen { client = off }", {"1: listen: client: \"off\" is not host:port"}},
    {"listen { http = on }", {"1: listen: http: \"on\" is not host:port or off"}},
    {"listen { resp_caches = { \"127.0.0.1:1\" } }",
     {"1: listen: resp_caches: \"127.0.0.1:1\" is not host:port=context/cache"}},
    {"listen { resp_caches = { \"127.0.0.1:1=a\" } }", {"1: listen: resp_caches:"}},
    {"listen { resp_caches = { \"127.0.0.1:1=a/\" } }", {"1: listen: resp_caches:"}},
    {"listen { resp_caches = { \"127.0.0.1:1=/b\" } }", {"1: listen: resp_caches:"}},
    {"listen { resp_caches = { \"127.0.0.1:1=a/b/c\" } }", {"1: listen: resp_caches:"}},
    {"listen { resp_caches = { \"127.0.0.1:x=a/b\" } }", {"1: listen: resp_caches:"}},
    {"listen {\n resp_caches = { \"127.0.0.1:7403=a/b\" } }",
     {"2: listen: resp and resp_caches are the same address \"127.0.0.1:7403\""}},
    {"listen {\n resp_caches = { \"10.0.0.1:7403=a/b\" } }",
     {"2: listen: resp_caches: \"10.0.0.1:7403=a/b\" is not loopback: it needs tls"}},
    {"listen { resp = off\n resp_ports = per_shard }",
     {"2: listen: resp_ports = per_shard needs resp to be on"}},
    {"listen { resp_shard_base = 9000 }", {"1: listen: resp_shard_base means nothing without"}},
    {"listen { resp_ports = perhaps }", {"1: listen: resp_ports: \"perhaps\" is not one of"}},
    {"listen { http = \"10.0.0.1:7402\" }\n"
     "tls { ca = \"/dev/null\" cert = \"/dev/null\" key = \"/dev/null\" http = false }",
     {"1: listen: http: \"10.0.0.1:7402\" is not loopback: tls { http = false } needs insecure"}},
    {"listen { advertise_client = 7 }", {"1: listen: advertise_client: \"7\" is not host:port"}},
    {"users = { \"ann:secret\" }", {"1: top level: users: \"ann\" is not a line of gridctl"}},
    {"users = {\n\"a:pbkdf2-sha256:1:" SALT ":" HASH "\",\n\"a:pbkdf2-sha256:2:" SALT ":" HASH
     "\" }",
     {"3: top level: users: \"a\" is named twice"}},
    {"rights = { \"ann: reads\" }", {"1: top level: rights: \"ann: reads\" is not NAME: RIGHT"}},
    {"rights = {\n\"ann: read\",\n\"ann : write\" }",
     {"3: top level: rights: \"ann\" is named twice"}},
    {"peers = { \"a\" }", {"1: top level: peers: \"a\" is not host:port"}},
    {"node { bootstrap_expect = 3 }", {"1: node: bootstrap_expect needs peers"}},
    /* numbers, bytes, times */
    {"storage { shards = two }",
     {"1: storage: shards: \"two\" is not a whole number between 0 and 256"}},
    {"storage { shards = -1 }", {"1: storage: shards: \"-1\" is not"}},
    {"storage { shards = 257 }", {"1: storage: shards: \"257\" is not"}},
    {"storage { shards = 1.5 }", {"1: storage: shards: \"1.5\" is not"}},
    {"storage { shards = \" 4\" }", {"1: storage: shards: \" 4\" is not"}},
    {"storage { shards = 4M }", {"1: storage: shards: \"4M\" is not"}},
    {"storage { log_segment = 64X }", {"1: storage: log_segment: \"64X\" is not bytes such as"}},
    {"storage { log_segment = 64MB }", {"1: storage: log_segment:"}},
    {"storage { log_segment = 1K }", {"1: storage: log_segment: \"1K\" is not"}},
    {"limits { memory = 99999999999999999999 }", {"1: limits: memory:"}},
    {"limits { memory = 9999999999T }", {"1: limits: memory:"}},
    {"limits { connections = 0 }", {"1: limits: connections: \"0\" is not a whole number between"}},
    {"limits { slow_reader = 10 seconds }", {"1: limits: no key \"seconds\"; there are memory"}},
    {"limits { slow_reader = 99ms }", {"1: limits: slow_reader: \"99ms\" is not a time such as"}},
    {"limits { idle_timeout = 1y }", {"1: limits: idle_timeout:"}},
    /* certificates */
    {"tls { cert = \"/dev/null\" ca = \"/dev/null\" }", {"1: tls: cert needs a key beside it"}},
    {"tls { key = \"/dev/null\" ca = \"/dev/null\" }",
     {"1: tls: key needs a cert beside it", "1: tls: ca needs cert and key beside it"}},
    {"tls { cert = \"/dev/null\"\n key = \"/dev/null\" }", {"1: tls: cert needs a ca beside it"}},
    {"tls { ca = \"/dev/null\" }", {"1: tls: ca needs cert and key beside it"}},
    {"tls { cert = \"/dev/null\" key = \"/dev/null\"\nca = \"/nowhere/ca.crt\" }",
     {"2: tls: ca: \"/nowhere/ca.crt\" cannot be read: No such file or directory"}},
    /* all in one run, in the order of the file */
    {"node { name = \"a b\" }\nlisten { client = \"x\" cleint = 3 }\nlog { level = 3 }\n",
     {"1: node: name:", "2: listen: client:", "2: listen: no key \"cleint\"", "3: log: level:"}},
    {"foo = 1\nstorage { shards = x }\nbar = { 1, 2 }\ntls { insecure = 1 }\n",
     {"1: top level: no key \"foo\"", "2: storage: shards:", "3: top level: no key \"bar\"",
      "4: tls: insecure:"}},
};

static void wrong_check(const struct wrong *w)
{
    struct buf faults = BUF_INIT;
    struct conf *c = NULL;
    ck_assert_msg(conf_parse("f", slice_str(w->text), &faults, &c) == GRID_EBAD_REQUEST,
                  "%s\nwas taken", w->text);
    ck_assert_ptr_null(c);
    buf_add_u8(&faults, 0);
    char *rest = (char *)faults.data;
    for (int i = 0; i < 4 && w->faults[i]; i++) {
        char *line = strsep(&rest, "\n");
        ck_assert_msg(line && strncmp(line, "f:", 2) == 0 &&
                          strncmp(line + 2, w->faults[i], strlen(w->faults[i])) == 0,
                      "%s\nexpected: f:%s\nsaw: %s", w->text, w->faults[i], line);
    }
    ck_assert_msg(rest && !*rest, "%s\nsaid further: %s", w->text, rest);
    buf_release(&faults);
}

START_TEST(what_is_wrong_is_told_with_its_line_and_nothing_else)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++)
        wrong_check(&wrongs[i]);
}
END_TEST

static struct conf *good(const char *text)
{
    struct buf faults = BUF_INIT;
    struct conf *c = NULL;
    enum grid_err err = conf_parse("f", slice_str(text), &faults, &c);
    ck_assert_msg(err == GRID_OK, "%.*s", (int)faults.len, (const char *)faults.data);
    ck_assert_uint_eq(faults.len, 0);
    return c;
}

START_TEST(an_empty_file_is_all_defaults)
{
    struct conf *c = good("");
    ck_assert_str_eq(c->client, "127.0.0.1:7400");
    ck_assert_str_eq(c->grid, "grid");
    ck_assert_str_eq(c->level, "info");
    ck_assert_int_eq(c->log_segment, 64 << 20);
    ck_assert_int_eq(c->slow_reader, 30000);
    ck_assert_int_eq(c->connections, 10000);
    ck_assert(c->client_certificates && !c->insecure && c->tls_http && c->tls_resp);
    ck_assert_str_eq(conf_door(c->http), "127.0.0.1:7402");
    ck_assert_str_eq(conf_door(c->resp), "127.0.0.1:7403");
    ck_assert_str_eq(c->resp_ports, "shared");
    ck_assert_uint_eq(c->resp_caches_len, 0);
    ck_assert_ptr_null(c->cert);
    ck_assert_uint_gt(strlen(c->name), 0);
    conf_free(c);
}
END_TEST

START_TEST(units_are_multiplied)
{
    static const struct {
        const char *text;
        int64_t ms;
    } times[] = {{"1500ms", 1500}, {"20", 20000},   {"20s", 20000},
                 {"5m", 300000},   {"2h", 7200000}, {"1d", 86400000}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[80];
        snprintf(text, sizeof text, "limits { idle_timeout = %s }", times[i].text);
        struct conf *c = good(text);
        ck_assert_int_eq(c->idle_timeout, times[i].ms);
        conf_free(c);
    }
    struct conf *c = good("limits { memory = 3G output_per_connection = 128K } # and a comment\n");
    ck_assert_int_eq(c->memory, INT64_C(3) << 30);
    ck_assert_int_eq(c->output_per_connection, 128 << 10);
    conf_free(c);
}
END_TEST

START_TEST(a_whole_file_is_read)
{
    struct conf *c = good("peers = { \"10.0.0.1:7401\" }\n"
                          "node   { name = \"a\"  grid = \"shop\"  data = \"/d\"  user = gridd\n"
                          "         labels = { \"zone=dc1\", \"rack=4\" } }\n"
                          "listen { client = \"[::1]:7400\"  advertise_client = \"h:1\" }\n"
                          "tls { ca = \"/dev/null\" cert = '/dev/null' key = /dev/null\n"
                          "      client_certificates = no insecure = yes }\n"
                          "storage { shards = 4 }  log { level = debug format = json }\n");
    ck_assert_uint_eq(c->peers_len, 1);
    ck_assert_str_eq(c->peers[0], "10.0.0.1:7401");
    ck_assert_uint_eq(c->labels_len, 2);
    ck_assert_str_eq(c->labels[1], "rack=4");
    ck_assert_str_eq(c->name, "a");
    ck_assert_str_eq(c->user, "gridd");
    ck_assert_str_eq(c->client, "[::1]:7400");
    ck_assert_str_eq(c->cert, "/dev/null");
    ck_assert(!c->client_certificates && c->insecure);
    ck_assert_int_eq(c->shards, 4);
    ck_assert_str_eq(c->format, "json");
    conf_free(c);
}
END_TEST

START_TEST(a_listener_for_others_is_fine_with_certificates_or_when_said_so)
{
    conf_free(good("listen { client = \"0.0.0.0:7400\" } tls { insecure = true }"));
    conf_free(good("listen { client = \"*:7400\" }\n"
                   "tls { ca = /dev/null cert = /dev/null key = /dev/null }"));
    conf_free(good("listen { client = \"*:7400\" }\n"
                   "users = { \"a:pbkdf2-sha256:1:" SALT ":" HASH "\" }\n"
                   "tls { ca = /dev/null cert = /dev/null key = /dev/null\n"
                   " client_certificates = false }"));
}
END_TEST

START_TEST(a_door_that_is_off_needs_no_certificate)
{
    struct conf *c = good("listen { http = off  resp = \"\" }");
    ck_assert_ptr_null(conf_door(c->http));
    ck_assert_ptr_null(conf_door(c->resp));
    conf_free(c);
}
END_TEST

START_TEST(doors_for_other_caches_and_without_tls_are_read)
{
    struct conf *c = good("listen { resp_caches = { \"127.0.0.1:1=a/b\", \"[::1]:1=c/d.e\" }\n"
                          " resp_ports = per_shard  resp_shard_base = 9000\n"
                          " advertise_resp = \"h:1\"  advertise_http = \"h:2\" }\n"
                          "tls { ca = /dev/null cert = /dev/null key = /dev/null http = false }");
    ck_assert_uint_eq(c->resp_caches_len, 2);
    ck_assert_str_eq(c->resp_caches[1], "[::1]:1=c/d.e");
    ck_assert_int_eq(c->resp_shard_base, 9000);
    ck_assert_str_eq(c->advertise_resp, "h:1");
    ck_assert(!c->tls_http && c->tls_resp);
    conf_free(c);
}
END_TEST

START_TEST(a_list_has_an_end)
{
    struct buf text = BUF_INIT, faults = BUF_INIT;
    struct conf *c;
    buf_printf(&text, "listen { resp_caches = { \"127.0.0.1:0=a/b\"");
    for (int i = 0; i < CONF_LIST_MAX; i++)
        buf_printf(&text, ", \"127.0.0.1:0=a/b\"");
    buf_printf(&text, " } }");
    ck_assert_int_eq(conf_parse("f", buf_slice(&text), &faults, &c), GRID_EBAD_REQUEST);
    ck_assert(slice_eq(buf_slice(&faults),
                       slice_str("f:1: listen: resp_caches: more than 256 entries\n")));
    buf_release(&text);
    buf_release(&faults);
}
END_TEST

START_TEST(after_a_broken_file_a_good_one_is_read)
{
    static const char *const broken[] = {"node { name = \"a", "node { name = 'a", "/* begins", "{",
                                         "node { labels = { \"a=1\""};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct buf faults = BUF_INIT;
        struct conf *c;
        ck_assert_int_eq(conf_parse("f", slice_str(broken[i]), &faults, &c), GRID_EBAD_REQUEST);
        ck_assert_uint_gt(faults.len, 0);
        c = good("node { name = \"b\" }");
        ck_assert_str_eq(c->name, "b");
        conf_free(c);
        buf_release(&faults);
    }
}
END_TEST

START_TEST(a_hundred_unknown_keys_end_in_a_bounded_list)
{
    struct buf text = BUF_INIT, faults = BUF_INIT;
    struct conf *c;
    for (int i = 0; i < 100; i++)
        buf_printf(&text, "key%d = %d\n", i, i);
    ck_assert_int_eq(conf_parse("f", buf_slice(&text), &faults, &c), GRID_EBAD_REQUEST);
    size_t lines = 0;
    for (size_t i = 0; i < faults.len; i++)
        lines += faults.data[i] == '\n';
    ck_assert_uint_ge(lines, 10);
    ck_assert_uint_le(lines, 60);
    buf_release(&text);
    buf_release(&faults);
}
END_TEST

START_TEST(a_file_that_is_missing_a_folder_or_too_large_is_told)
{
    char path[] = "/tmp/gridd-conf-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, CONF_BYTES_MAX + 1), 0);
    close(fd);
    const char *const paths[] = {"/nowhere/gridd.conf", "/tmp", path};
    for (int i = 0; i < 3; i++) {
        struct buf faults = BUF_INIT;
        struct conf *c;
        ck_assert_int_eq(conf_load(paths[i], NULL, 0, &faults, &c), GRID_EBAD_REQUEST);
        buf_add_u8(&faults, 0);
        ck_assert_ptr_nonnull(strstr((char *)faults.data, paths[i]));
        buf_release(&faults);
    }
    unlink(path);
}
END_TEST

START_TEST(differences_name_what_a_running_node_cannot_take_over)
{
    struct conf *a = good("node { data = \"/a\" labels = { \"x=1\" } weight = 1 } "
                          "listen { resp_caches = { \"127.0.0.1:7413=a/b\" } }");
    struct conf *b = good("node { data = \"/b\" labels = { \"x=2\" } weight = 2 } "
                          "listen { resp_caches = { \"127.0.0.1:7413=a/c\" } }");
    struct buf keys = BUF_INIT;
    conf_differences(a, a, &keys);
    ck_assert_uint_eq(keys.len, 0);
    conf_differences(a, b, &keys);
    ck_assert(slice_eq(buf_slice(&keys), slice_str("node: data, listen: resp_caches")));
    buf_release(&keys);
    conf_free(a);
    conf_free(b);
}
END_TEST

START_TEST(what_is_given_takes_the_place_of_what_the_text_says)
{
    static const char *const peers[] = {"127.0.0.1:1", "127.0.0.1:2"}, *const data[] = {"/d"},
                             *const off[] = {"off"}, *const memory[] = {"1G"};
    static const struct conf_given given[] = {{"", "peers", peers, 2},
                                              {"node", "data", data, 1},
                                              {"listen", "http", off, 1},
                                              {"limits", "memory", memory, 1}};
    struct buf faults = BUF_INIT;
    struct conf *c = NULL;
    const char *text = "peers = { \"a:1\", \"b:1\", \"c:1\" }\n node { name = x data = y }";
    ck_assert_int_eq(conf_parse_with("f", slice_str(text), given, 4, &faults, &c), GRID_OK);
    ck_assert_str_eq(c->name, "x");
    ck_assert_str_eq(c->data, "/d");
    ck_assert_ptr_null(conf_door(c->http));
    ck_assert_str_eq(c->resp, "127.0.0.1:7403");
    ck_assert_int_eq(c->memory, 1 << 30);
    ck_assert_uint_eq(c->peers_len, 2);
    ck_assert_str_eq(c->peers[1], "127.0.0.1:2");
    conf_free(c);
}
END_TEST

START_TEST(what_is_wrong_with_what_is_given_is_told_without_a_line)
{
    static const char *const labels[] = {"a=1", "zone"}, *const client[] = {"0.0.0.0:7400"},
                             *const name[] = {"two words"};
    static const struct conf_given given[] = {
        {"node", "labels", labels, 2}, {"listen", "client", client, 1}, {"node", "name", name, 1}};
    static const char *const told[] = {"f: node: labels: \"zone\" is not NAME=VALUE\n",
                                       "f: listen: client: \"0.0.0.0:7400\" is not loopback",
                                       "f: node: name: \"two words\" is not a name"};
    struct buf faults = BUF_INIT;
    struct conf *c = NULL;
    const char *text = "\n\nlisten { client = \"localhost:1\" }";
    ck_assert_int_eq(conf_parse_with("f", slice_str(text), given, 3, &faults, &c),
                     GRID_EBAD_REQUEST);
    buf_add_u8(&faults, 0);
    for (size_t i = 0; i < 3; i++)
        ck_assert_msg(strstr((const char *)faults.data, told[i]), "%s", (const char *)faults.data);
    buf_release(&faults);
}
END_TEST

UNIT_MAIN("conf/conf", what_is_wrong_is_told_with_its_line_and_nothing_else,
          an_empty_file_is_all_defaults, units_are_multiplied, a_whole_file_is_read,
          a_listener_for_others_is_fine_with_certificates_or_when_said_so,
          a_door_that_is_off_needs_no_certificate, doors_for_other_caches_and_without_tls_are_read,
          a_list_has_an_end, after_a_broken_file_a_good_one_is_read,
          a_hundred_unknown_keys_end_in_a_bounded_list,
          a_file_that_is_missing_a_folder_or_too_large_is_told,
          differences_name_what_a_running_node_cannot_take_over,
          what_is_given_takes_the_place_of_what_the_text_says,
          what_is_wrong_with_what_is_given_is_told_without_a_line)
