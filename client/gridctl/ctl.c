/* ctl.c - see ctl.h. The outcome of every call becomes an exit code in one table. */
#include "ctl.h"
#include "help.h"
#include "text.h"
#include "value.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

uint64_t ctl_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t ctl_unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- outcomes --- */

int ctl_exit_code(enum grid_err err, bool names_subject)
{
    static const struct {
        enum grid_err err;
        int code;
    } codes[] = {
        {GRID_OK, EXIT_DONE},
        {GRID_ENOT_FOUND, EXIT_NOT_MET},
        {GRID_ECONDITION, EXIT_NOT_MET},
        {GRID_ENO_TASK, EXIT_NOT_MET},
        {GRID_ENO_SERVICE, EXIT_NOT_MET},
        {GRID_ETIMEOUT, EXIT_UNREACHABLE},
        {GRID_EUNREACHABLE, EXIT_UNREACHABLE},
        {GRID_ECLOSED, EXIT_UNREACHABLE},
        {GRID_ETLS, EXIT_UNREACHABLE},
        {GRID_EIN_DOUBT, EXIT_IN_DOUBT},
        {GRID_ECANCELLED, EXIT_IN_DOUBT},
        {GRID_ESTALE, EXIT_IN_DOUBT}, /* an earlier delivery may have been done */
    };
    bool missing = err == GRID_ENO_CONTEXT || err == GRID_ENO_CACHE || err == GRID_ENO_SETTING;
    if (names_subject && missing)
        return EXIT_NOT_MET;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].err == err)
            return codes[i].code;
    return EXIT_REFUSED;
}

static void begin_message(struct ctl *c)
{
    fflush(c->out_file);
    fprintf(c->err, "gridctl: ");
    if (c->args && c->args->command)
        fprintf(c->err, "%s: ", c->args->command->path);
}

int ctl_error(struct ctl *c, int code, const char *format, ...)
{
    va_list list;
    begin_message(c);
    va_start(list, format);
    vfprintf(c->err, format, list);
    va_end(list);
    putc('\n', c->err);
    return code;
}

static void print_line(FILE *f, const char *indent, const char *line, size_t len)
{
    struct text safe = {0};
    escape_add(&safe, line, len);
    if (len)
        fprintf(f, "%s%s\n", indent, text_str(&safe));
    text_release(&safe);
}

int ctl_fail(struct ctl *c, enum grid_err err, const char *what)
{
    const char *detail = c->grid ? grid_error(c->grid) : "";
    const char *text = grid_err_text(err);
    size_t len = strcspn(detail, "\n");
    /* Of a malformed request, a module's source, or code that is not there (be it a task, a map or
     * a broadcast) the detail says it all. */
    bool whole = len && (err == GRID_EBAD_REQUEST || err == GRID_ENO_TASK || strstr(detail, text));
    bool more = len && !whole && err != GRID_ENOT_FOUND;
    begin_message(c);
    fprintf(c->err, "%s%s", what ? what : "", what ? ": " : "");
    if (!whole)
        fprintf(c->err, "%s%s", text, more ? ": " : "\n");
    if (whole || more)
        print_line(c->err, "", detail, len);
    for (const char *at = detail + len; *at;) {
        at += 1 + strspn(at + 1, " \t");
        len = strcspn(at, "\n");
        print_line(c->err, "    ", at, len);
        at += len;
    }
    bool subject = c->args && c->args->command && c->args->command->names_subject;
    return ctl_exit_code(err, subject);
}

/* --- connecting --- */

/* Ask on the terminal without echo. False: nothing could be read. */
static bool ask_password(struct ctl *c, char *buf, int size)
{
    struct termios shown, hidden;
    int fd = fileno(c->in);
    if (fd < 0 || !isatty(fd) || tcgetattr(fd, &shown) < 0)
        return false;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fprintf(c->err, "Password: ");
    fflush(c->err);
    tcsetattr(fd, TCSAFLUSH, &hidden);
    bool ok = fgets(buf, size, c->in);
    tcsetattr(fd, TCSAFLUSH, &shown);
    putc('\n', c->err);
    buf[ok ? strcspn(buf, "\n") : 0] = '\0';
    return ok;
}

bool ctl_password(struct ctl *c, bool piped, char *buf, int size)
{
    const char *known = c->env ? c->env("GRIDCTL_PASSWORD") : NULL;
    if (known)
        return snprintf(buf, (size_t)size, "%s", known) < size;
    if (ask_password(c, buf, size))
        return true;
    if (!piped || !fgets(buf, size, c->in))
        return false;
    buf[strcspn(buf, "\r\n")] = '\0';
    return true;
}

static int check_files(struct ctl *c, const struct grid_options *o)
{
    const char *const files[] = {o->ca, o->cert, o->key};
    if (!o->cert != !o->key)
        return ctl_error(c, EXIT_USAGE, "--cert and --key go together");
    if (o->cert && !o->ca)
        return ctl_error(c, EXIT_USAGE, "--cert needs --ca: without it the connection is not TLS");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i] && access(files[i], R_OK) < 0)
            return ctl_error(c, EXIT_USAGE, "%s: %s", files[i], strerror(errno));
    return 0;
}

int ctl_connect(struct ctl *c, uint32_t timeout_ms)
{
    const struct args *a = &c->connection;
    char why[GRID_WHY_BYTES] = "", password[256] = "";
    if (c->grid)
        return 0;
    struct grid_options options = {
        .endpoints = args_global(a, "endpoints")->text,
        .ca = args_global(a, "ca")->text,
        .cert = args_global(a, "cert")->text,
        .key = args_global(a, "key")->text,
        .user = args_global(a, "user")->text,
        .name = "gridctl",
        .timeout_ms = timeout_ms ? timeout_ms : (uint32_t)args_global(a, "timeout")->number,
    };
    int code = check_files(c, &options);
    if (code)
        return code;
    if (options.user) {
        if (!ctl_password(c, false, password, sizeof password))
            return ctl_error(c, EXIT_USAGE,
                             "--user needs GRIDCTL_PASSWORD or a terminal to ask on");
        options.password = password;
    }
    enum grid_err err = grid_connect(&options, &c->grid, why);
    explicit_bzero(password, sizeof password);
    if (err == GRID_OK)
        return 0;
    c->grid = NULL;
    struct text safe = {0};
    escape_add(&safe, why, strnlen(why, sizeof why));
    const char *endpoints = options.endpoints ? options.endpoints : "127.0.0.1:7400";
    ctl_error(c, 0, "%s: %s%s%s", endpoints, grid_err_text(err), safe.len ? ": " : "",
              text_str(&safe));
    text_release(&safe);
    /* Nothing but a greeting was sent: whatever went wrong, nothing was done. */
    code = ctl_exit_code(err, false);
    return code == EXIT_IN_DOUBT || code == EXIT_NOT_MET ? EXIT_UNREACHABLE : code;
}

int ctl_open(struct ctl *c, const char *path, struct grid_cache **ret_cache)
{
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_cache_open(c->grid, path, ret_cache);
    return err == GRID_OK ? 0 : ctl_fail(c, err, path);
}

int ctl_cache(struct ctl *c, struct grid_cache **ret_cache)
{
    return ctl_open(c, args_text(c->args, "CACHE"), ret_cache);
}

int ctl_read_cache(struct ctl *c, struct grid_cache **ret_cache)
{
    int code = ctl_cache(c, ret_cache);
    if (!code)
        grid_read_local(c->grid, args_flag(c->args, "--local"));
    return code;
}

struct grid_bytes ctl_bytes(const char *text)
{
    return (struct grid_bytes){text, text ? strlen(text) : 0};
}

/* Up to one byte too much. 0, or errno. */
static int read_all(FILE *file, size_t bytes_max, struct text *to)
{
    for (;;) {
        text_reserve(to, 65536);
        size_t room = to->size - to->len - 1, left = bytes_max + 1 - to->len;
        size_t n = fread(to->data + to->len, 1, room < left ? room : left, file);
        to->len += n;
        to->data[to->len] = '\0';
        if (ferror(file))
            return errno;
        if (n == 0)
            return 0;
    }
}

int ctl_read(struct ctl *c, const char *path, size_t bytes_max, struct text *to)
{
    char size[VALUE_TEXT_BYTES];
    bool standard = strcmp(path, "-") == 0;
    if (standard && c->in_shell)
        return ctl_error(c, EXIT_USAGE, "- reads standard input, which is the shell's here");
    FILE *file = standard ? c->in : fopen(path, "re");
    int fault = file ? read_all(file, bytes_max, to) : errno;
    if (file && !standard)
        fclose(file);
    path = standard ? "standard input" : path;
    if (fault)
        return ctl_error(c, EXIT_USAGE, "%s: %s", path, strerror(fault));
    if (to->len > bytes_max)
        return ctl_error(c, EXIT_USAGE, "%s: more than %s", path, value_size_text(size, bytes_max));
    return 0;
}

bool ctl_release(struct ctl *c)
{
    grid_close(c->grid);
    c->grid = NULL;
    return ctl_flush(c);
}

bool ctl_flush(struct ctl *c)
{
    bool before = ferror(c->out_file);
    bool now = fflush(c->out_file) != 0;
    if (now && !c->out_errno)
        c->out_errno = errno;
    if (before && !c->out_errno)
        c->out_errno = EIO;
    return !before && !now;
}

/* --- running --- */

/* In a shell the connection is made already: options about it come too late. */
static bool connection_option(const struct args *a)
{
    for (size_t i = 0; i < GLOBALS_MAX && global_options[i].name; i++)
        if (global_options[i].type != ARG_FLAG && a->globals[i].set)
            return true;
    return false;
}

int ctl_run(struct ctl *c, const char *const *words, size_t len)
{
    struct args args;
    char why[ARGS_WHY_BYTES];
    enum args_outcome outcome = args_parse(words, len, c->in_shell ? NULL : c->env, &args, why);
    const struct args *outer_args = c->args;
    struct out *outer_out = c->out;
    c->args = NULL; /* messages about the line itself name their command */
    if (outcome == ARGS_HELP) {
        c->args = outer_args;
        help_print(c->out_file, args.path);
        return EXIT_DONE;
    }
    if (outcome == ARGS_WRONG && len == 0)
        help_print(c->err, "");
    if (outcome == ARGS_WRONG) {
        ctl_error(c, EXIT_USAGE, "%s", why);
        c->args = outer_args;
        return EXIT_USAGE;
    }
    c->args = &args;
    if (!c->in_shell)
        c->connection = args;
    int code;
    bool json = args_global(&args, "json")->set || args_global(&c->connection, "json")->set;
    if (c->in_shell && connection_option(&args)) {
        code = ctl_error(c, EXIT_USAGE, "only --json and --help may be given inside the shell");
    } else {
        c->out = out_new(c->out_file, json, c->out_is_terminal);
        code = args.command->run(c, &args);
        out_free(c->out);
    }
    c->args = outer_args;
    c->out = outer_out;
    return code;
}
