/* help.c - see help.h. */
#include "help.h"
#include "commands.h"
#include "text.h"

#include <string.h>

/* The options of `specs`, ended by one without a name or by `n`. */
static size_t specs_len(const struct arg_spec *specs, size_t n)
{
    size_t len = 0;
    while (len < n && specs[len].name)
        len++;
    return len;
}

static bool below(const struct command *command, const char *path)
{
    size_t len = strlen(path);
    return !command->hidden && (len == 0 || (strncmp(command->path, path, len) == 0 &&
                                             (command->path[len] == ' ' || !command->path[len])));
}

static void add_option(struct text *t, const struct arg_spec *s)
{
    if (s->letter)
        text_addf(t, "-%c, ", s->letter);
    text_addf(t, "--%s", s->name);
    if (s->type != ARG_FLAG)
        text_addf(t, " %s", arg_metavar(s));
}

static void add_usage(struct text *t, const struct command *command)
{
    text_add_str(t, command->path);
    for (size_t i = 0; i < specs_len(command->args, ARGS_MAX); i++) {
        const struct arg_spec *s = &command->args[i];
        const char *form = s->optional ? (s->repeats ? " [%s...]" : " [%s]") : " %s";
        struct text name = {0};
        text_addf(&name, "%s%s", s->name, s->type == ARG_ANY && !s->repeats ? "|-" : "");
        for (const char *p = form; *p; p++) {
            if (p[0] == '%' && p[1] == 's')
                text_add(t, name.data, name.len), p++;
            else
                text_add(t, p, 1);
        }
        text_release(&name);
    }
    for (size_t i = 0; i < specs_len(command->options, OPTIONS_MAX); i++) {
        if (!command->options[i].required)
            continue;
        text_add_str(t, " ");
        add_option(t, &command->options[i]);
    }
}

/* "  left   help", the help in a column of its own. */
static void print_pair(FILE *f, struct text *left, const char *help)
{
    enum { COLUMN = 30 };
    if (left->len + 4 > COLUMN)
        fprintf(f, "  %s\n%*s%s\n", text_str(left), COLUMN, "", help);
    else
        fprintf(f, "  %-*s%s\n", COLUMN - 2, text_str(left), help);
    text_clear(left);
}

static void print_options(FILE *f, const char *title, const struct arg_spec *specs, size_t n)
{
    struct text left = {0};
    fprintf(f, "\n%s:\n", title);
    for (size_t i = 0; i < specs_len(specs, n); i++) {
        add_option(&left, &specs[i]);
        print_pair(f, &left, specs[i].help);
    }
    text_release(&left);
}

static void print_command(FILE *f, const struct command *command)
{
    struct text t = {0};
    size_t options = specs_len(command->options, OPTIONS_MAX);
    size_t args = specs_len(command->args, ARGS_MAX);
    add_usage(&t, command);
    fprintf(f, "usage: gridctl %s%s\n\n%s\n", text_str(&t), options ? " [options]" : "",
            command->help);
    text_clear(&t);
    if (args)
        fputs("\nArguments:\n", f);
    for (size_t i = 0; i < args; i++) {
        text_add_str(&t, command->args[i].name);
        print_pair(f, &t, command->args[i].help);
    }
    if (options)
        print_options(f, "Options", command->options, options);
    if (command->examples[0])
        fputs("\nExamples:\n", f);
    for (size_t i = 0; i < EXAMPLES_MAX && command->examples[i]; i++)
        fprintf(f, "  %s\n", command->examples[i]);
    fputs("\nOptions of every command: gridctl --help\n", f);
    text_release(&t);
}

void help_print(FILE *f, const char *path)
{
    struct text left = {0};
    const struct command *command = command_find(path);
    if (command) {
        print_command(f, command);
        return;
    }
    fprintf(f, "usage: gridctl [options] %s%sCOMMAND ...\n\nCommands:\n", path, *path ? " " : "");
    for (size_t i = 0; i < commands_len; i++) {
        if (!below(&commands[i], path))
            continue;
        add_usage(&left, &commands[i]);
        print_pair(f, &left, commands[i].help);
    }
    text_release(&left);
    if (*path)
        return;
    print_options(f, "Options, before or behind the command", global_options, GLOBALS_MAX);
    fputs("\nEnvironment: GRIDCTL_ENDPOINTS, GRIDCTL_CA, GRIDCTL_CERT, GRIDCTL_KEY, GRIDCTL_USER,\n"
          "GRIDCTL_PASSWORD, GRIDCTL_TIMEOUT.\n"
          "Exit: 0 ok, 1 not found or condition not met, 2 usage, 3 refused by the server,\n"
          "4 unreachable or timed out (not done), 5 in doubt (may have been done).\n"
          "gridctl COMMAND --help says more.\n",
          f);
}

int cmd_help(struct ctl *c, const struct args *a)
{
    struct text path = {0};
    char shown[QUOTE_BYTES];
    for (size_t i = 0; i < a->repeated_len; i++)
        text_addf(&path, "%s%s", i ? " " : "", a->repeated[i]);
    const char *name = text_str(&path);
    int code = EXIT_DONE;
    if (command_find(name) || command_group(name))
        help_print(c->out_file, name);
    else
        code = ctl_error(c, EXIT_USAGE, "%s is no command", quote(shown, name, strlen(name)));
    text_release(&path);
    return code;
}

int cmd_completion_bash(struct ctl *c, const struct args *a)
{
    (void)a;
    help_bash(c->out_file);
    return EXIT_DONE;
}

int cmd_completion_mdoc(struct ctl *c, const struct args *a)
{
    (void)a;
    help_mdoc(c->out_file);
    return EXIT_DONE;
}

/* --- the manual --- */

/* A sentence in lines that are not too long for mandoc -Tlint. */
static void mdoc_sentence(FILE *f, const char *s)
{
    enum { LINE_MAX_BYTES = 78 };
    for (;;) {
        size_t len = strlen(s), cut = len;
        if (len < LINE_MAX_BYTES)
            break;
        for (cut = LINE_MAX_BYTES; cut > 0 && s[cut] != ' ';)
            cut--;
        if (cut == 0)
            break;
        fprintf(f, "%.*s\n", (int)cut, s);
        s += cut + 1;
    }
    fprintf(f, "%s.\n", s);
}

static void mdoc_option(FILE *f, const struct arg_spec *s)
{
    fprintf(f, ".It Fl ");
    if (s->letter)
        fprintf(f, "%c , Fl ", s->letter);
    fprintf(f, "\\-%s", s->name);
    if (s->type != ARG_FLAG)
        fprintf(f, " Ar %s", arg_metavar(s));
    putc('\n', f);
    mdoc_sentence(f, s->help);
}

void help_mdoc(FILE *f)
{
    fputs(".Bl -tag -width Ds\n", f);
    for (size_t i = 0; i < commands_len; i++) {
        const struct command *command = &commands[i];
        size_t options = specs_len(command->options, OPTIONS_MAX);
        if (command->hidden)
            continue;
        fprintf(f, ".It Cm %s", command->path);
        for (size_t k = 0; k < specs_len(command->args, ARGS_MAX); k++) {
            const struct arg_spec *s = &command->args[k];
            fprintf(f, " %sAr %s", s->optional ? "Op " : "", s->name);
        }
        for (size_t k = 0; k < options; k++) {
            const struct arg_spec *s = &command->options[k];
            if (s->required)
                fprintf(f, " Fl \\-%s Ar %s", s->name, arg_metavar(s));
        }
        putc('\n', f);
        mdoc_sentence(f, command->help);
        if (!options)
            continue;
        fputs(".Bl -tag -width Ds -compact\n", f);
        for (size_t k = 0; k < options; k++)
            mdoc_option(f, &command->options[k]);
        fputs(".El\n", f);
    }
    fputs(".El\n", f);
}
