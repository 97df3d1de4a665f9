/* complete.c - completion for bash (a script made from the table) and for the shell of gridctl. */
#include "help.h"
#include "text.h"

#include <string.h>

/* Call `found` with each word that may follow the command words `path`, once. */
static void next_words(const char *path, help_found_fn *found, void *arg)
{
    size_t len = strlen(path);
    char last[64] = "";
    for (size_t i = 0; i < commands_len; i++) {
        const char *rest = commands[i].path;
        if (commands[i].hidden || strncmp(rest, path, len) != 0 || (len && rest[len] != ' '))
            continue;
        rest += len + (len > 0);
        size_t n = strcspn(rest, " ");
        if (n >= sizeof last || (strlen(last) == n && memcmp(last, rest, n) == 0))
            continue;
        memcpy(last, rest, n);
        last[n] = '\0';
        found(arg, last);
    }
}

static void option_words(const struct arg_spec *specs, size_t n, help_found_fn *found, void *arg)
{
    char word[64] = "--";
    for (size_t i = 0; i < n && specs[i].name; i++) {
        size_t len = strnlen(specs[i].name, sizeof word - 3);
        memcpy(word + 2, specs[i].name, len);
        word[2 + len] = '\0';
        found(arg, word);
    }
}

/* --- bash --- */

#define BASH_FILES "mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); compopt -o filenames"

static void print_word(void *arg, const char *word)
{
    fprintf(arg, " %s", word);
}

static void print_choices(FILE *f, const struct arg_spec *s)
{
    for (const char *p = s->choices; *p; p++)
        putc(*p == '|' ? ' ' : *p, f);
}

/* Is `path` the words of a command's group, and the first in the table of that group? */
static bool first_of_group(size_t index, char *group, size_t size)
{
    const char *space = strrchr(commands[index].path, ' ');
    size_t len = space ? (size_t)(space - commands[index].path) : 0;
    if (len == 0 || len >= size)
        return false;
    memcpy(group, commands[index].path, len);
    group[len] = '\0';
    return index == 0 || strncmp(commands[index - 1].path, commands[index].path, len + 1) != 0;
}

static void bash_words(FILE *f)
{
    char group[64];
    fputs("    case $path in\n    '') words=\"", f);
    next_words("", print_word, f);
    fputs("\" ;;\n", f);
    for (size_t i = 0; i < commands_len; i++) {
        if (first_of_group(i, group, sizeof group)) {
            fprintf(f, "    ' %s') words=\"", group);
            next_words(group, print_word, f);
            fputs("\" ;;\n", f);
        }
        if (!commands[i].hidden && commands[i].options[0].name) {
            fprintf(f, "    ' %s') options=\"", commands[i].path);
            option_words(commands[i].options, OPTIONS_MAX, print_word, f);
            fputs("\" ;;\n", f);
        }
    }
    fputs("    esac\n", f);
}

static void bash_values(FILE *f)
{
    fputs("    case \"$path $previous\" in\n", f);
    for (size_t i = 0; i < commands_len; i++) {
        for (size_t k = 0; k < OPTIONS_MAX && commands[i].options[k].name; k++) {
            const struct arg_spec *s = &commands[i].options[k];
            if (s->type == ARG_FLAG)
                continue;
            fprintf(f, "    ' %s --%s') ", commands[i].path, s->name);
            if (s->type == ARG_FILE) {
                fputs(BASH_FILES "; return ;;\n", f);
                continue;
            }
            fputs("COMPREPLY=(", f);
            if (s->type == ARG_CHOICE) {
                fputs("$(compgen -W '", f);
                print_choices(f, s);
                fputs("' -- \"$current\")", f);
            }
            fputs("); return ;;\n", f);
        }
    }
    for (size_t i = 0; i < GLOBALS_MAX && global_options[i].name; i++) {
        if (global_options[i].type == ARG_FLAG)
            continue;
        bool file = global_options[i].type == ARG_FILE;
        fprintf(f, "    *' --%s') %s; return ;;\n", global_options[i].name,
                file ? BASH_FILES : "COMPREPLY=()");
    }
    fputs("    esac\n", f);
}

/* The loop that finds the command among the words typed so far. */
static void bash_path(FILE *f)
{
    char group[64];
    fputs("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n        ",
          f);
    const char *bar = "";
    for (size_t i = 0; i < GLOBALS_MAX && global_options[i].name; i++) {
        if (global_options[i].type == ARG_FLAG)
            continue;
        fprintf(f, "%s--%s", bar, global_options[i].name);
        bar = " | ";
    }
    fputs(
        ") ((i++)) ;;\n        -*) ;;\n        *)\n            case \"$path ${COMP_WORDS[i]}\" in\n"
        "            ",
        f);
    for (size_t i = 0; i < commands_len; i++) {
        if (first_of_group(i, group, sizeof group))
            fprintf(f, "' %s' | ", group);
        if (!commands[i].hidden)
            fprintf(f, "' %s'%s", commands[i].path, i + 1 < commands_len ? " | " : ")\n");
    }
    fputs("                path+=\" ${COMP_WORDS[i]}\" ;;\n"
          "            esac ;;\n        esac\n    done\n",
          f);
}

void help_bash(FILE *f)
{
    fputs("# gridctl.bash - completion for bash, made by `gridctl completion bash`\n"
          "_gridctl()\n{\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local path='' words='' options='' global i\n"
          "    COMPREPLY=()\n",
          f);
    bash_path(f);
    bash_values(f);
    bash_words(f);
    fputs("    global=\"", f);
    option_words(global_options, GLOBALS_MAX, print_word, f);
    fputs(
        "\"\n"
        "    if [[ $current == -* ]]; then\n"
        "        COMPREPLY=($(compgen -W \"$options $global\" -- \"$current\"))\n"
        "    elif [[ $words ]]; then\n"
        "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
        "    elif [[ $path == ' load' || $path == ' module deploy' || $path == ' cert '* ]]; then\n"
        "        " BASH_FILES "\n"
        "    fi\n"
        "}\n"
        "complete -F _gridctl gridctl\n",
        f);
}

/* --- the shell --- */

struct filter {
    const char *part;
    help_found_fn *found;
    void *arg;
};

static void pass_matching(void *arg, const char *word)
{
    struct filter *filter = arg;
    if (strncmp(word, filter->part, strlen(filter->part)) == 0)
        filter->found(filter->arg, word);
}

static void choice_words(const struct arg_spec *s, help_found_fn *found, void *arg)
{
    for (const char *p = s->choices; p;) {
        char word[64];
        size_t n = strcspn(p, "|");
        if (n < sizeof word) {
            memcpy(word, p, n);
            word[n] = '\0';
            found(arg, word);
        }
        p = p[n] ? p + n + 1 : NULL;
    }
}

void help_complete(const char *const *words, size_t len, const char *part, help_found_fn *found,
                   void *arg)
{
    struct filter filter = {part, found, arg};
    struct text path = {0};
    const struct command *command = NULL;
    for (size_t i = 0; i < len && !command; i++) {
        if (words[i][0] == '-' || (i == 0 && strcmp(words[i], "help") == 0))
            continue;
        text_addf(&path, "%s%s", path.len ? " " : "", words[i]);
        command = command_find(text_str(&path));
    }
    if (!command) {
        next_words(text_str(&path), pass_matching, &filter);
    } else if (*part == '-') {
        option_words(command->options, OPTIONS_MAX, pass_matching, &filter);
        pass_matching(&filter, "--json");
        pass_matching(&filter, "--help");
    } else if (strncmp(words[len - 1], "--", 2) == 0) {
        for (size_t i = 0; i < OPTIONS_MAX && command->options[i].name; i++)
            if (command->options[i].choices &&
                strcmp(command->options[i].name, words[len - 1] + 2) == 0)
                choice_words(&command->options[i], pass_matching, &filter);
    }
    text_release(&path);
}
