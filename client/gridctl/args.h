/* args.h - the command line as data: what a command takes (struct command) and what was given
 * (struct args). Pure: nothing is printed, allocated, opened or read from the environment here;
 * results point into argv. */
#ifndef GRIDCTL_ARGS_H
#define GRIDCTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arg_type {
    ARG_FLAG = 0,
    ARG_TEXT,  /* not empty */
    ARG_ANY,   /* any text, also none */
    ARG_NAME,  /* of a context, a node, a setting */
    ARG_CACHE, /* CONTEXT/CACHE */
    ARG_KEY,   /* 1 to 480 bytes */
    ARG_FILE,
    ARG_COUNT,      /* number: 0 and up */
    ARG_INTEGER,    /* integer */
    ARG_MS,         /* number: milliseconds, also 2s */
    ARG_TTL,        /* number: milliseconds, 0 for `none`; a plain number is seconds */
    ARG_SIZE,       /* number: bytes */
    ARG_PARTITIONS, /* number */
    ARG_BACKUPS,    /* number, GRID_BACKUPS_ALL for `all` */
    ARG_SELECTOR,   /* LABEL=VALUE */
    ARG_ENDPOINTS,
    ARG_HOST,
    ARG_CHOICE, /* number: index among choices */
    ARG_TYPES_LEN
};

struct arg_spec {
    const char *name; /* argument: KEY; option: prefix, written --prefix */
    enum arg_type type;
    const char *help;
    const char *metavar; /* how the value of an option is shown; NULL: the type's */
    const char *choices; /* ARG_CHOICE: "sync|async|memory" */
    const char *env;     /* global options: the variable that sets it too */
    char letter;         /* also -k */
    bool optional;       /* arguments */
    bool required;       /* options */
    bool repeats;        /* at most one of a command, an argument the last one */
};

enum {
    ARGS_MAX = 3,
    OPTIONS_MAX = 14,
    GLOBALS_MAX = 10,
    EXAMPLES_MAX = 4,
    REPEATS_MAX = 32,
    ARGS_WHY_BYTES = 512
};

struct ctl;
struct args;

/* One command: the parser, --help, the completion and the list in the manual are made from it. */
struct command {
    const char *path; /* "context create" */
    const char *help; /* one line */
    struct arg_spec args[ARGS_MAX];
    struct arg_spec options[OPTIONS_MAX];
    const char *examples[EXAMPLES_MAX];
    int (*run)(struct ctl *c, const struct args *a); /* returns the exit code */
    bool names_subject; /* what it is about may be missing on the server: exit 1, not 3 */
    bool hidden;
};

struct arg_value {
    bool set;
    const char *text;
    uint64_t number;
    int64_t integer;
};

struct args {
    const struct command *command;
    char path[64]; /* the command words understood so far */
    struct arg_value args[ARGS_MAX], options[OPTIONS_MAX], globals[GLOBALS_MAX];
    const char *repeated[REPEATS_MAX];
    size_t repeated_len;
};

enum args_outcome {
    ARGS_RUN,   /* args->command is to be run */
    ARGS_HELP,  /* --help: about args->path */
    ARGS_WRONG, /* `why` says what */
};

typedef const char *args_env_fn(const char *name);

/* Understand `words` (without the program's name). `env` (getenv, NULL: none) gives the global
 * options not set on the line. */
enum args_outcome args_parse(const char *const *words, size_t len, args_env_fn *env,
                             struct args *ret_args, char why[ARGS_WHY_BYTES]);

/* Look up by the name in the table: "KEY", "--prefix"; a name the command does not have is a
 * programmer's error (abort). */
const struct arg_value *args_value(const struct args *a, const char *name);
/* NULL when not given. */
const char *args_text(const struct args *a, const char *name);
uint64_t args_number(const struct args *a, const char *name, uint64_t otherwise);
bool args_flag(const struct args *a, const char *name);
/* A global option by name, without dashes. */
const struct arg_value *args_global(const struct args *a, const char *name);

/* "N", "D", "FILE": how the value of `spec` is shown. */
const char *arg_metavar(const struct arg_spec *spec);

/* The table, in the order help shows it, and the options every command has. */
extern const struct command commands[];
extern const size_t commands_len;
extern const struct arg_spec global_options[GLOBALS_MAX];

/* Is `path` a command or the first words of one? */
const struct command *command_find(const char *path);
bool command_group(const char *path);

#endif
