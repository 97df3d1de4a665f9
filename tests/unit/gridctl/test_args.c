/* test_args.c - the command line: what is understood, what is refused, and in which words.
 * LINK: ctl
 */
#include "client/gridctl/args.h"
#include "tests/unit/gridctl/fake_jobs.h"

#include <check.h>

#include <string.h>

enum { WORDS = 16 };

struct line {
    const char *words[WORDS];
    const char *expected; /* good: the command; bad: a part of the message */
};

static size_t words_len(const struct line *line)
{
    size_t n = 0;
    while (n < WORDS && line->words[n])
        n++;
    return n;
}

static const struct line good[] = {
    {{"ping"}, "ping"},
    {{"ping", "--wait", "500"}, "ping"},
    {{"ping", "--wait=10s"}, "ping"},
    {{"--version"}, "version"},
    {{"-V"}, "version"},
    {{"status", "--json"}, "status"},
    {{"--json", "status"}, "status"},
    {{"--endpoints", "a:1,b:65535", "nodes"}, "nodes"},
    {{"--endpoints=[::1]:7400", "nodes"}, "nodes"},
    {{"nodes", "--endpoints", "10.0.0.1:7400"}, "nodes"},
    {{"--timeout", "10s", "top"}, "top"},
    {{"--user", "ann", "top"}, "top"},
    {{"context", "create", "orders"}, "context create"},
    {{"context", "create", "orders", "--partitions", "16384"}, "context create"},
    {{"context", "create", "o", "--partitions", "1", "--backups", "all"}, "context create"},
    {{"context", "create", "o", "--durability=memory", "--memory-limit", "64M"}, "context create"},
    {{"context", "create", "--nodes", "zone=dc1", "o", "--min-in-sync", "2"}, "context create"},
    {{"context", "--json", "list"}, "context list"},
    {{"context", "show", "default"}, "context show"},
    {{"context", "alter", "o", "--when-full", "evict"}, "context alter"},
    {{"context", "drop", "o"}, "context drop"},
    {{"cache", "create", "o/lines", "--ttl", "1d"}, "cache create"},
    {{"cache", "create", "o/lines", "--ttl", "none"}, "cache create"},
    {{"cache", "list"}, "cache list"},
    {{"cache", "list", "o"}, "cache list"},
    {{"cache", "drop", "o/lines"}, "cache drop"},
    {{"module", "deploy", "lib.lua"}, "module deploy"},
    {{"module", "deploy", "-", "--name", "lib"}, "module deploy"},
    {{"module", "list"}, "module list"},
    {{"module", "show", "_lib", "--source"}, "module show"},
    {{"module", "remove", "lib"}, "module remove"},
    {{"put", "c/d", "k", "v"}, "put"},
    {{"put", "c/d", "k", ""}, "put"},
    {{"put", "c/d", "k", "-"}, "put"},
    {{"put", "c/d", "k", "-5"}, "put"},
    {{"put", "c/d", "k", "v", "--ttl", "500ms", "--if-version", "12"}, "put"},
    {{"put", "c/d", "--", "-k", "--v"}, "put"},
    {{"put", "c/d", "k", "--affinity=a", "--if-absent", "v"}, "put"},
    {{"get", "c/d", "k", "--version"}, "get"},
    {{"get", "c/d", "--", "--version"}, "get"},
    {{"del", "c/d", "k"}, "del"},
    {{"incr", "c/d", "k"}, "incr"},
    {{"incr", "c/d", "k", "-9223372036854775808"}, "incr"},
    {{"expire", "c/d", "k", "10"}, "expire"},
    {{"expire", "c/d", "k", "none"}, "expire"},
    {{"scan", "c/d", "--prefix", "a", "--limit", "0", "--keys"}, "scan"},
    {{"load", "c/d", "-", "--format", "jsonl", "--key", "id"}, "load"},
    {{"--key", "k", "--cert", "c", "--ca", "a", "load", "c/d", "f", "--key", "2"}, "load"},
    {{"dump", "c/d", "--format=tsv"}, "dump"},
    {{"locate", "c/d", "k"}, "locate"},
    {{"partition", "list"}, "partition list"},
    {{"partition", "recover", "o", "--accept-loss"}, "partition recover"},
    {{"settings", "set", "max_value", "1M"}, "settings set"},
    {{"cert", "issue", "d", "a", "--host", "h", "--host", "::1"}, "cert issue"},
    {{"shell", "-k"}, "shell"},
    {{"completion", "bash"}, "completion bash"},
    {{"help", "context", "create"}, "help"},
};

START_TEST(a_good_line_names_its_command)
{
    struct args a;
    char why[ARGS_WHY_BYTES];
    const struct line *line = &good[_i];
    ck_assert_msg(args_parse(line->words, words_len(line), NULL, &a, why) == ARGS_RUN, "%s", why);
    ck_assert_str_eq(a.command->path, line->expected);
    ck_assert_str_eq(a.path, line->expected);
}
END_TEST

static const struct line bad[] = {
    {{NULL}, "a command is missing"},
    {{""}, "\"\" is no command"},
    {{"pign"}, "\"pign\" is no command"},
    {{"context"}, "context: a command is missing; see gridctl context --help"},
    {{"context", "lst"}, "context: \"lst\" is no command"},
    {{"context create"}, "is no command"},
    {{"cont"}, "is no command"},
    {{"status", "now"}, "status: \"now\" is one argument too many"},
    {{"--jsn", "status"}, "\"--jsn\" is no option"},
    {{"status", "--wait", "5"}, "status: \"--wait\" is no option of this command"},
    {{"-x"}, "\"-x\" is no option"},
    {{"status", "-jk"}, "is no option"},
    {{"ping", "--wait"}, "ping: --wait needs MS"},
    {{"ping", "--wait", "soon"}, "ping: --wait: \"soon\" is not a time"},
    {{"ping", "--wait", "0"}, "is not a time"},
    {{"ping", "--wait", "5", "--wait", "6"}, "ping: --wait is given twice"},
    {{"--json=yes", "ping"}, "--json takes no value"},
    {{"--endpoints", "nohost", "ping"}, "--endpoints: \"nohost\" is not HOST:PORT"},
    {{"--endpoints", "h:0", "ping"}, "is not HOST:PORT"},
    {{"--endpoints", "h:65536", "ping"}, "is not HOST:PORT"},
    {{"--endpoints", "a:1,,b:2", "ping"}, "is not HOST:PORT"},
    {{"--endpoints", "::1:7400", "ping"}, "is not HOST:PORT"},
    {{"--endpoints", "[zz]:7400", "ping"}, "is not HOST:PORT"},
    {{"--ca", "", "ping"}, "--ca: \"\" is not the name of a file"},
    {{"--timeout", "-5", "ping"}, "--timeout: \"-5\" is not a time"},
    {{"context", "create"}, "context create: NAME is missing"},
    {{"context", "create", "a/b"}, "context create: NAME: \"a/b\" is not a name"},
    {{"context", "create", "-a"}, "is no option"},
    {{"context", "create", "--", "-a"}, "is not a name"},
    {{"context", "create", "o", "--partitions", "7"},
     "context create: --partitions: \"7\" is not a power of two between 1 and 16384"},
    {{"context", "create", "o", "--partitions", "0"}, "is not a power of two"},
    {{"context", "create", "o", "--partitions", "32768"}, "is not a power of two"},
    {{"context", "create", "o", "--backups", "7"}, "--backups: \"7\" is not a number from 0 to 6"},
    {{"context", "create", "o", "--durability", "sometimes"},
     "--durability: \"sometimes\" is not one of sync|async|memory"},
    {{"context", "create", "o", "--durability", "syn"}, "is not one of"},
    {{"context", "create", "o", "--durability", ""}, "is not one of"},
    {{"context", "create", "o", "--memory-limit", "64X"}, "is not a size in bytes"},
    {{"context", "create", "o", "--memory-limit", "9999999999T"}, "is not a size in bytes"},
    {{"context", "create", "o", "--nodes", "dc1"}, "--nodes: \"dc1\" is not LABEL=VALUE"},
    {{"cache", "create", "lines"}, "cache create: CACHE: \"lines\" is not a cache"},
    {{"cache", "create", "a/b/c"}, "is not a cache"},
    {{"cache", "create", "/b"}, "is not a cache"},
    {{"cache", "create", "a/"}, "is not a cache"},
    {{"cache", "create", "a/b", "--ttl", "0"}, "is not a duration above zero"},
    {{"cache", "create", "a/b", "--ttl", "5 m"}, "is not a duration"},
    {{"cache", "create", "a/b", "--ttl", "-5"}, "is not a duration"},
    {{"cache", "create", "a/b", "--ttl", "99999999999999999999"}, "is not a duration"},
    {{"put", "a/b", "k"}, "put: VALUE is missing; see gridctl put --help"},
    {{"put", "a/b", "", "v"}, "put: KEY: \"\" is not a key of 1 to 480 bytes"},
    {{"put", "a/b", "k", "v", "w"}, "put: \"w\" is one argument too many"},
    {{"put", "a/b", "k", "v", "--if-version", "x"}, "is not a whole number from 0"},
    {{"put", "a/b", "k", "v", "--if-version", "-1"}, "is not a whole number from 0"},
    {{"get", "a/b", "--key"}, "get: --key needs FILE"},
    {{"incr", "a/b", "k", "1.5"}, "incr: BY: \"1.5\" is not a whole number"},
    {{"incr", "a/b", "k", "9223372036854775808"}, "is not a whole number"},
    {{"incr", "a/b", "k", ""}, "is not a whole number"},
    {{"expire", "a/b", "k", "1w"}, "expire: D: \"1w\" is not a duration"},
    {{"scan", "a/b", "--prefix", ""}, "is not a text of at least one character"},
    {{"load", "a/b", "f", "--format", "csv"}, "--format: \"csv\" is not one of tsv|jsonl"},
    {{"cert", "issue", "d", "../a"}, "cert issue: NAME: \"../a\" is not a name"},
    {{"cert", "issue", "d", "a", "--host", "a b"}, "is not a host name or an IP address"},
    {{"cert", "issue", "d", "a", "--host", "DNS:x"}, "is not a host name"},
    {{"\033[31m"}, "\"\\x1b[31m\" is no command"},
};

START_TEST(a_bad_line_is_refused_with_what_was_expected)
{
    struct args a;
    char why[ARGS_WHY_BYTES];
    const struct line *line = &bad[_i];
    ck_assert_int_eq(args_parse(line->words, words_len(line), NULL, &a, why), ARGS_WRONG);
    ck_assert_msg(strstr(why, line->expected), "%s", why);
}
END_TEST

START_TEST(help_is_found_at_every_level)
{
    static const struct line lines[] = {{{"--help"}, ""},
                                        {{"-h"}, ""},
                                        {{"context", "--help"}, "context"},
                                        {{"context", "create", "--help"}, "context create"},
                                        {{"put", "a/b", "--help"}, "put"}};
    struct args a;
    char why[ARGS_WHY_BYTES];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert_int_eq(args_parse(lines[i].words, words_len(&lines[i]), NULL, &a, why),
                         ARGS_HELP);
        ck_assert_str_eq(a.path, lines[i].expected);
    }
}
END_TEST

static const char *environment(const char *name)
{
    if (strcmp(name, "GRIDCTL_ENDPOINTS") == 0)
        return "env:1";
    return strcmp(name, "GRIDCTL_TIMEOUT") == 0 ? "never" : NULL;
}

START_TEST(the_line_goes_before_the_environment)
{
    const char *const words[] = {"ping", "--timeout", "5"};
    const char *const more[] = {"ping", "--timeout", "5", "--endpoints", "line:2"};
    struct args a;
    char why[ARGS_WHY_BYTES];
    ck_assert_int_eq(args_parse(words, 3, environment, &a, why), ARGS_RUN);
    ck_assert_str_eq(args_global(&a, "endpoints")->text, "env:1");
    ck_assert_int_eq(args_parse(more, 5, environment, &a, why), ARGS_RUN);
    ck_assert_str_eq(args_global(&a, "endpoints")->text, "line:2");
    ck_assert_int_eq(args_parse(words, 1, environment, &a, why), ARGS_WRONG);
    ck_assert_ptr_nonnull(strstr(why, "GRIDCTL_TIMEOUT: \"never\" is not a time"));
}
END_TEST

START_TEST(an_option_of_the_command_hides_the_global_one)
{
    const char *const words[] = {"--key", "k.pem", "load", "a/b", "f", "--key", "id"};
    struct args a;
    char why[ARGS_WHY_BYTES];
    ck_assert_int_eq(args_parse(words, 7, NULL, &a, why), ARGS_RUN);
    ck_assert_str_eq(args_global(&a, "key")->text, "k.pem");
    ck_assert_str_eq(args_text(&a, "--key"), "id");
}
END_TEST

START_TEST(a_long_word_is_cut_in_the_message)
{
    char word[5000];
    const char *const words[] = {word}, *const key[] = {"get", "a/b", word};
    struct args a;
    char why[ARGS_WHY_BYTES];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    ck_assert_int_eq(args_parse(words, 1, NULL, &a, why), ARGS_WRONG);
    ck_assert_uint_lt(strlen(why), 200);
    ck_assert_int_eq(args_parse(key, 3, NULL, &a, why), ARGS_WRONG);
    word[480] = '\0';
    ck_assert_int_eq(args_parse(key, 3, NULL, &a, why), ARGS_RUN);
}
END_TEST

START_TEST(more_repeats_than_there_is_room_for_are_refused)
{
    const char *words[4 + 2 * (REPEATS_MAX + 1)] = {"cert", "issue", "d", "a"};
    struct args a;
    char why[ARGS_WHY_BYTES];
    for (size_t i = 4; i < sizeof words / sizeof *words; i += 2) {
        words[i] = "--host";
        words[i + 1] = "h";
    }
    ck_assert_int_eq(args_parse(words, 4 + 2 * REPEATS_MAX, NULL, &a, why), ARGS_RUN);
    ck_assert_uint_eq(a.repeated_len, REPEATS_MAX);
    ck_assert_int_eq(args_parse(words, 6 + 2 * REPEATS_MAX, NULL, &a, why), ARGS_WRONG);
}
END_TEST

START_TEST(the_table_is_sound)
{
    for (size_t i = 0; i < commands_len; i++) {
        const struct command *command = &commands[i];
        size_t repeats = 0, k;
        bool optional = false;
        ck_assert_ptr_eq(command_find(command->path), command);
        ck_assert_msg(!command_group(command->path), "%s is a group too", command->path);
        ck_assert_ptr_nonnull(command->help);
        ck_assert(command->run != NULL);
        for (k = 0; k < ARGS_MAX && command->args[k].name; k++) {
            const struct arg_spec *s = &command->args[k];
            ck_assert_msg(!optional || s->optional, "%s: %s", command->path, s->name);
            ck_assert_ptr_nonnull(s->help);
            optional = s->optional;
            repeats += s->repeats;
        }
        for (k = 0; k < OPTIONS_MAX && command->options[k].name; k++) {
            ck_assert_ptr_nonnull(command->options[k].help);
            ck_assert((command->options[k].type == ARG_CHOICE) ==
                      (command->options[k].choices != NULL));
            repeats += command->options[k].repeats;
        }
        ck_assert_uint_le(repeats, 1);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gridctl/args");
    TCase *tcase = tcase_create("gridctl/args");
    tcase_add_loop_test(tcase, a_good_line_names_its_command, 0, (int)(sizeof good / sizeof *good));
    tcase_add_loop_test(tcase, a_bad_line_is_refused_with_what_was_expected, 0,
                        (int)(sizeof bad / sizeof *bad));
    tcase_add_test(tcase, help_is_found_at_every_level);
    tcase_add_test(tcase, the_line_goes_before_the_environment);
    tcase_add_test(tcase, an_option_of_the_command_hides_the_global_one);
    tcase_add_test(tcase, a_long_word_is_cut_in_the_message);
    tcase_add_test(tcase, more_repeats_than_there_is_room_for_are_refused);
    tcase_add_test(tcase, the_table_is_sound);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
