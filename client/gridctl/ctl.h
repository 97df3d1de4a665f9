/* ctl.h - one run of gridctl, or one shell: where it speaks, how it connects, and the commands'
 * ways to end. A command returns an exit code; whoever decides it has printed the one line on
 * stderr that says why. */
#ifndef GRIDCTL_CTL_H
#define GRIDCTL_CTL_H

#include "args.h"
#include "out.h"

#include <grid.h>

#include <stdio.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_NOT_MET = 1,     /* not found, or the condition is not met */
    EXIT_USAGE = 2,       /* the command line, or a local file it names */
    EXIT_REFUSED = 3,     /* the server said no */
    EXIT_UNREACHABLE = 4, /* unreachable or timed out: not done */
    EXIT_IN_DOUBT = 5     /* may or may not have been done */
};

struct text;

struct ctl {
    FILE *in, *out_file, *err;
    bool out_is_terminal, err_is_terminal;
    args_env_fn *env;        /* NULL: none */
    struct out *out;         /* of the command that runs */
    const struct args *args; /* of the command that runs */
    struct args connection;  /* whose global options say how to connect */
    struct grid *grid;       /* NULL until the first command that needs it */
    bool in_shell;
    int out_errno; /* why stdout could not take something; 0: it could */
};

/* Everything closed and flushed; false: stdout could not take it all, see out_errno. */
bool ctl_release(struct ctl *c);
/* Flush stdout; false: it could not take it all, now or before. */
bool ctl_flush(struct ctl *c);

/* Parse and run one command. Returns its exit code. */
int ctl_run(struct ctl *c, const char *const *words, size_t len);

/* Connect, unless that is done. 0, or the exit code after a message. `timeout_ms` 0: --timeout or
 * the default. */
int ctl_connect(struct ctl *c, uint32_t timeout_ms);
/* GRIDCTL_PASSWORD, or what is typed on the terminal without echo, or, when that may be `piped`, a
 * line of standard input. False: there is none, or it is too long. The caller wipes `buf`. */
bool ctl_password(struct ctl *c, bool piped, char *buf, int size);
/* Connect and open a cache; the command's argument CACHE. */
int ctl_open(struct ctl *c, const char *path, struct grid_cache **ret_cache);
int ctl_cache(struct ctl *c, struct grid_cache **ret_cache);
/* The same for what it reads, by --local or not. */
int ctl_read_cache(struct ctl *c, struct grid_cache **ret_cache);
struct grid_bytes ctl_bytes(const char *text); /* NULL: empty */
/* Read a file, "-": standard input, behind what `to` holds, up to `bytes_max` of it in all. 0, or
 * the exit code after a message. */
int ctl_read(struct ctl *c, const char *path, size_t bytes_max, struct text *to);
/* More than any grid takes as a value. */
enum { VALUE_BYTES_MAX = 64 << 20 };

/* Print "gridctl: COMMAND: ..." on stderr and return `code`. */
int ctl_error(struct ctl *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for the outcome of a call on the grid: "WHAT: text: detail"; `what` may be NULL. Further
 * lines of the detail come below, indented. */
int ctl_fail(struct ctl *c, enum grid_err err, const char *what);
/* The exit code of an outcome; names_subject as in struct command. */
int ctl_exit_code(enum grid_err err, bool names_subject);

uint64_t ctl_now_us(void); /* monotonic */
uint64_t ctl_unix_ms(void);

#endif
