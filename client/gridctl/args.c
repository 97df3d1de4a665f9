/* args.c - from words to struct args.
 *
 *   [global options] WORD... [arguments and options in any order] [--] [arguments]
 *
 * An option is looked for in the command first, then among the global ones. "-" and "-5" are
 * arguments. */
#include "args.h"
#include "text.h"
#include "value.h"

#include <grid.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 480 };

typedef bool parse_fn(const char *text, const struct arg_spec *spec, struct arg_value *ret);

static bool parse_any(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)text, (void)spec, (void)ret;
    return true;
}

static bool parse_text(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec, (void)ret;
    return *text != '\0';
}

static bool parse_name(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec, (void)ret;
    return value_name(text, strlen(text));
}

static bool parse_cache(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec, (void)ret;
    return value_cache_path(text);
}

static bool parse_key(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec, (void)ret;
    return *text && strnlen(text, KEY_BYTES_MAX + 1) <= KEY_BYTES_MAX;
}

static bool parse_count(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec;
    return value_count(text, &ret->number);
}

static bool parse_integer(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec;
    return value_integer(text, &ret->integer);
}

static bool parse_ms(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec;
    uint64_t ms;
    if (!value_duration(text, 1, &ms) || ms == 0 || ms > 86400000)
        return false;
    ret->number = ms;
    return true;
}

static bool parse_ttl(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec;
    ret->number = 0;
    return strcmp(text, "none") == 0 || (value_duration(text, 1000, &ret->number) && ret->number);
}

static bool parse_size(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec;
    return value_size(text, &ret->number);
}

static bool parse_partitions(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec;
    uint64_t n;
    if (!value_count(text, &n) || n < 1 || n > 16384 || (n & (n - 1)) != 0)
        return false;
    ret->number = n;
    return true;
}

static bool parse_backups(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec;
    uint64_t n = GRID_BACKUPS_ALL;
    if (strcmp(text, "all") != 0 && (!value_count(text, &n) || n > 6))
        return false;
    ret->number = n;
    return true;
}

static bool parse_selector(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec, (void)ret;
    const char *equals = strchr(text, '=');
    return equals && value_name(text, (size_t)(equals - text)) &&
           value_name(equals + 1, strlen(equals + 1));
}

static bool parse_endpoints(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec, (void)ret;
    return value_endpoints(text);
}

static bool parse_host(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    (void)spec, (void)ret;
    return value_host(text);
}

static bool parse_choice(const char *text, const struct arg_spec *spec, struct arg_value *ret)
{
    const char *choice = spec->choices;
    for (uint64_t i = 0;; i++) {
        size_t len = strcspn(choice, "|");
        if (strlen(text) == len && memcmp(text, choice, len) == 0) {
            ret->number = i;
            return true;
        }
        if (!choice[len])
            return false;
        choice += len + 1;
    }
}

static const struct {
    const char *metavar;
    const char *expected; /* "x" is not ... */
    parse_fn *parse;
} types[ARG_TYPES_LEN] = {
    [ARG_FLAG] = {"", "", parse_any},
    [ARG_TEXT] = {"TEXT", "a text of at least one character", parse_text},
    [ARG_ANY] = {"TEXT", "", parse_any},
    [ARG_NAME] = {"NAME", "a name: 1 to 64 of a-z A-Z 0-9 _ - . beginning with a letter or digit",
                  parse_name},
    [ARG_CACHE] = {"CACHE", "a cache: CONTEXT/NAME, each 1 to 64 of a-z A-Z 0-9 _ - .",
                   parse_cache},
    [ARG_KEY] = {"KEY", "a key of 1 to 480 bytes", parse_key},
    [ARG_FILE] = {"FILE", "the name of a file", parse_text},
    [ARG_COUNT] = {"N", "a whole number from 0 to 9223372036854775807", parse_count},
    [ARG_INTEGER] = {"N", "a whole number from -9223372036854775808 to 9223372036854775807",
                     parse_integer},
    [ARG_MS] = {"MS", "a time from 1 to 86400000 milliseconds (500, 500ms, 10s)", parse_ms},
    [ARG_TTL] = {"D", "a duration above zero (500ms, 10s, 5m, 2h, 1d, or seconds) or `none`",
                 parse_ttl},
    [ARG_SIZE] = {"B", "a size in bytes (4096, 64K, 64M, 2G, 1T)", parse_size},
    [ARG_PARTITIONS] = {"N", "a power of two between 1 and 16384", parse_partitions},
    [ARG_BACKUPS] = {"N|all", "a number from 0 to 6 or `all`", parse_backups},
    [ARG_SELECTOR] = {"LABEL=VALUE", "LABEL=VALUE, each 1 to 64 of a-z A-Z 0-9 _ - .",
                      parse_selector},
    [ARG_ENDPOINTS] = {"HOST:PORT[,...]", "HOST:PORT[,HOST:PORT...] with ports from 1 to 65535",
                       parse_endpoints},
    [ARG_HOST] = {"H", "a host name or an IP address", parse_host},
    [ARG_CHOICE] = {"", "", parse_choice},
};

const char *arg_metavar(const struct arg_spec *spec)
{
    if (spec->metavar)
        return spec->metavar;
    return spec->type == ARG_CHOICE ? spec->choices : types[spec->type].metavar;
}

const struct command *command_find(const char *path)
{
    for (size_t i = 0; i < commands_len; i++)
        if (strcmp(commands[i].path, path) == 0)
            return &commands[i];
    return NULL;
}

bool command_group(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < commands_len; i++)
        if (len == 0 || (strncmp(commands[i].path, path, len) == 0 && commands[i].path[len] == ' '))
            return true;
    return false;
}

/* --- parsing --- */

struct parser {
    const char *const *words;
    size_t len, at;
    struct args *args;
    size_t given; /* arguments so far */
    bool ended;   /* seen -- */
    bool help;
    char *why;
};

/* Say what is wrong, with the command before it. Always false. */
__attribute__((format(printf, 2, 3))) static bool wrong(struct parser *p, const char *format, ...)
{
    int n = snprintf(p->why, ARGS_WHY_BYTES, "%s%s", p->args->path, *p->args->path ? ": " : "");
    va_list list;
    va_start(list, format);
    vsnprintf(p->why + n, ARGS_WHY_BYTES - (size_t)n, format, list);
    va_end(list);
    return false;
}

static bool set_value(struct parser *p, const struct arg_spec *spec, const char *dashes,
                      const char *text, struct arg_value *value)
{
    char shown[QUOTE_BYTES];
    if (value->set && !spec->repeats)
        return wrong(p, "%s%s is given twice", dashes, spec->name);
    if (!types[spec->type].parse(text, spec, value)) {
        const char *expected = types[spec->type].expected;
        if (spec->type == ARG_CHOICE)
            return wrong(p, "%s%s: %s is not one of %s", dashes, spec->name,
                         quote(shown, text, strlen(text)), spec->choices);
        return wrong(p, "%s%s: %s is not %s", dashes, spec->name, quote(shown, text, strlen(text)),
                     expected);
    }
    if (spec->repeats) {
        if (p->args->repeated_len == REPEATS_MAX)
            return wrong(p, "%s%s: at most %d of them", dashes, spec->name, REPEATS_MAX);
        p->args->repeated[p->args->repeated_len++] = text;
    }
    value->set = true;
    value->text = text;
    return true;
}

/* The option called `name` (length `len`, or one letter) among `specs`, or NULL. */
static const struct arg_spec *find_option(const struct arg_spec *specs, size_t n, const char *name,
                                          size_t len, bool letter)
{
    for (size_t i = 0; i < n && specs[i].name; i++) {
        if (letter ? specs[i].letter && specs[i].letter == *name
                   : strlen(specs[i].name) == len && memcmp(specs[i].name, name, len) == 0)
            return &specs[i];
    }
    return NULL;
}

static bool take_option(struct parser *p, const char *word)
{
    struct args *a = p->args;
    char shown[QUOTE_BYTES];
    bool letter = word[1] != '-';
    const char *name = word + (letter ? 1 : 2);
    const char *equals = letter ? NULL : strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct arg_spec *spec = NULL;
    struct arg_value *value = NULL;

    if (letter && len != 1)
        return wrong(p, "%s is no option; after -- it is an argument",
                     quote(shown, word, strlen(word)));
    if (a->command && (spec = find_option(a->command->options, OPTIONS_MAX, name, len, letter)))
        value = &a->options[spec - a->command->options];
    else if ((spec = find_option(global_options, GLOBALS_MAX, name, len, letter)))
        value = &a->globals[spec - global_options];
    if (!spec)
        return wrong(p, "%s is no option%s", quote(shown, word, strlen(word)),
                     a->command ? " of this command" : "");
    if (spec->type == ARG_FLAG) {
        if (equals)
            return wrong(p, "--%s takes no value", spec->name);
        value->set = true;
        return true;
    }
    if (equals)
        return set_value(p, spec, "--", equals + 1, value);
    if (p->at == p->len)
        return wrong(p, "--%s needs %s", spec->name, arg_metavar(spec));
    return set_value(p, spec, "--", p->words[p->at++], value);
}

/* A word of the command's name. */
static bool take_word(struct parser *p, const char *word)
{
    struct args *a = p->args;
    char path[sizeof a->path], shown[QUOTE_BYTES];
    int n = snprintf(path, sizeof path, "%s%s%s", a->path, *a->path ? " " : "", word);
    if (n > 0 && (size_t)n < sizeof path && !strchr(word, ' ') && *word) {
        a->command = command_find(path);
        if (a->command || command_group(path)) {
            memcpy(a->path, path, (size_t)n + 1);
            return true;
        }
    }
    return wrong(p, "%s is no command; see gridctl%s%s --help", quote(shown, word, strlen(word)),
                 *a->path ? " " : "", a->path);
}

static bool take_argument(struct parser *p, const char *word)
{
    struct args *a = p->args;
    const struct arg_spec *specs = a->command->args;
    char shown[QUOTE_BYTES];
    if (p->given == ARGS_MAX || !specs[p->given].name)
        return wrong(p, "%s is one argument too many", quote(shown, word, strlen(word)));
    const struct arg_spec *spec = &specs[p->given];
    struct arg_value *value = &a->args[p->given];
    p->given += !spec->repeats;
    return set_value(p, spec, "", word, value);
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] && !(word[1] >= '0' && word[1] <= '9');
}

static bool take(struct parser *p)
{
    const char *word = p->words[p->at++];
    if (!p->ended && strcmp(word, "--") == 0) {
        p->ended = true;
        return true;
    }
    if (!p->ended && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
        p->help = true;
        return true;
    }
    if (!p->ended && is_option(word))
        return take_option(p, word);
    return p->args->command ? take_argument(p, word) : take_word(p, word);
}

static bool complete(struct parser *p)
{
    const struct command *command = p->args->command;
    if (!command)
        return wrong(p, "a command is missing; see gridctl%s%s --help", *p->args->path ? " " : "",
                     p->args->path);
    for (size_t i = 0; i < ARGS_MAX && command->args[i].name; i++)
        if (!p->args->args[i].set && !command->args[i].optional)
            return wrong(p, "%s is missing; see gridctl %s --help", command->args[i].name,
                         command->path);
    for (size_t i = 0; i < OPTIONS_MAX && command->options[i].name; i++)
        if (!p->args->options[i].set && command->options[i].required)
            return wrong(p, "--%s is missing; see gridctl %s --help", command->options[i].name,
                         command->path);
    return true;
}

static bool take_environment(struct parser *p, args_env_fn *env)
{
    for (size_t i = 0; i < GLOBALS_MAX && global_options[i].name; i++) {
        const struct arg_spec *spec = &global_options[i];
        struct arg_value *value = &p->args->globals[i];
        const char *text = spec->env && !value->set ? env(spec->env) : NULL;
        if (!text || !*text)
            continue;
        struct arg_spec named = *spec;
        named.name = spec->env;
        if (!set_value(p, &named, "", text, value))
            return false;
    }
    return true;
}

enum args_outcome args_parse(const char *const *words, size_t len, args_env_fn *env,
                             struct args *ret_args, char why[ARGS_WHY_BYTES])
{
    *ret_args = (struct args){0};
    struct parser p = {.words = words, .len = len, .args = ret_args, .why = why};
    *why = '\0';
    while (p.at < p.len)
        if (!take(&p))
            return ARGS_WRONG;
    if (p.help)
        return ARGS_HELP;
    if (!ret_args->command && args_global(ret_args, "version")->set && !*ret_args->path) {
        ret_args->command = command_find("version");
        snprintf(ret_args->path, sizeof ret_args->path, "version");
    }
    if (!complete(&p) || (env && !take_environment(&p, env)))
        return ARGS_WRONG;
    return ARGS_RUN;
}

/* --- looking up --- */

const struct arg_value *args_value(const struct args *a, const char *name)
{
    bool option = strncmp(name, "--", 2) == 0;
    const struct arg_spec *specs = option ? a->command->options : a->command->args;
    const struct arg_value *values = option ? a->options : a->args;
    size_t n = option ? OPTIONS_MAX : ARGS_MAX;
    name += option ? 2 : 0;
    for (size_t i = 0; i < n && specs[i].name; i++)
        if (strcmp(specs[i].name, name) == 0)
            return &values[i];
    abort();
}

const char *args_text(const struct args *a, const char *name)
{
    const struct arg_value *value = args_value(a, name);
    return value->set ? value->text : NULL;
}

uint64_t args_number(const struct args *a, const char *name, uint64_t otherwise)
{
    const struct arg_value *value = args_value(a, name);
    return value->set ? value->number : otherwise;
}

bool args_flag(const struct args *a, const char *name)
{
    return args_value(a, name)->set;
}

const struct arg_value *args_global(const struct args *a, const char *name)
{
    for (size_t i = 0; i < GLOBALS_MAX && global_options[i].name; i++)
        if (strcmp(global_options[i].name, name) == 0)
            return &a->globals[i];
    abort();
}
