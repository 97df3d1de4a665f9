/* shell.c - one connection, many commands. On a terminal: libedit, history, completion; otherwise
 * a script, line by line. */
#include "commands.h"
#include "help.h"
#include "record.h"
#include "text.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Run one line. *ret_exit: it was `exit`, or nobody reads any more. */
static int run_line(struct ctl *c, const char *line, bool *ret_exit)
{
    struct words w;
    const char *why = words_split(line, &w);
    int code = EXIT_DONE;
    if (why)
        code = ctl_error(c, EXIT_USAGE, "%s", why);
    else if (w.len == 1 && (strcmp(w.list[0], "exit") == 0 || strcmp(w.list[0], "quit") == 0))
        *ret_exit = true;
    else if (w.len > 0 && strcmp(w.list[0], "shell") == 0)
        code = ctl_error(c, EXIT_USAGE, "this is the shell");
    else if (w.len > 0)
        code = ctl_run(c, w.list, w.len);
    words_release(&w);
    if (!ctl_flush(c))
        *ret_exit = true;
    return code;
}

/* --- a script --- */

static int run_script(struct ctl *c, bool keep_going)
{
    struct lines lines = {.file = c->in};
    struct text line = {0};
    const char *data;
    size_t len;
    enum lines_outcome outcome = LINES_OK;
    int code = EXIT_DONE, last = EXIT_DONE;
    bool ended = false;
    while (!ended && (outcome = lines_next(&lines, &data, &len)) == LINES_OK) {
        text_clear(&line);
        text_add(&line, data, len);
        if (memchr(data, '\0', len))
            code = ctl_error(c, EXIT_USAGE, "the line has a NUL byte");
        else
            code = run_line(c, line.data, &ended);
        last = code ? code : last;
        if (code == EXIT_DONE)
            continue;
        fprintf(c->err, "gridctl: shell: standard input:%llu: stopped with exit code %d\n",
                (unsigned long long)lines.number, code);
        if (!keep_going)
            break;
    }
    if (outcome == LINES_ERROR || outcome == LINES_TOO_LONG)
        last = ctl_error(c, EXIT_USAGE, "standard input: %s",
                         outcome == LINES_ERROR ? strerror(errno) : "the line is too long");
    text_release(&line);
    lines_release(&lines);
    return last;
}

/* --- a terminal --- */

struct editor {
    struct ctl *c;
    EditLine *el;
    History *history;
    struct text history_path;
    /* while completing */
    struct text common; /* what all that was found begin with */
    size_t found;
    bool list; /* print what is found */
};

static const char *prompt(EditLine *el)
{
    (void)el;
    return "gridctl> ";
}

static void found_word(void *arg, const char *word)
{
    struct editor *e = arg;
    if (e->list) {
        fprintf(e->c->out_file, "%s  ", word);
        return;
    }
    size_t len = strlen(word), same = 0;
    if (e->found++ == 0) {
        text_clear(&e->common);
        text_add(&e->common, word, len);
        return;
    }
    while (same < len && same < e->common.len && word[same] == e->common.data[same])
        same++;
    e->common.len = same;
    e->common.data[same] = '\0';
}

static unsigned char complete_line(EditLine *el, int key)
{
    struct editor *e;
    struct words w;
    const LineInfo *info = el_line(el);
    struct text typed = {0};
    unsigned char outcome = CC_ERROR;
    (void)key;
    el_get(el, EL_CLIENTDATA, &e);
    text_add(&typed, info->buffer, (size_t)(info->cursor - info->buffer));
    const char *why = words_split(text_str(&typed), &w);
    bool fresh = typed.len == 0 || typed.data[typed.len - 1] == ' ';
    if (!why && (fresh || w.len > 0)) {
        size_t before = fresh ? w.len : w.len - 1;
        const char *part = fresh ? "" : w.list[before];
        e->found = 0;
        e->list = false;
        help_complete(w.list, before, part, found_word, e);
        if (e->found == 1)
            text_add(&e->common, " ", 1);
        if (e->found && e->common.len > strlen(part)) {
            outcome = el_insertstr(el, e->common.data + strlen(part)) == 0 ? CC_REFRESH : CC_ERROR;
        } else if (e->found > 1) {
            e->list = true;
            putc('\n', e->c->out_file);
            help_complete(w.list, before, part, found_word, e);
            putc('\n', e->c->out_file);
            fflush(e->c->out_file);
            outcome = CC_REDISPLAY;
        }
    }
    words_release(&w);
    text_release(&typed);
    return outcome;
}

/* The history holds what was typed, values included: for its owner only. */
static void open_history(struct editor *e)
{
    HistEvent event;
    const char *home = getenv("HOME");
    e->history = history_init();
    if (!e->history)
        return;
    history(e->history, &event, H_SETSIZE, 1000);
    history(e->history, &event, H_SETUNIQUE, 1);
    el_set(e->el, EL_HIST, history, e->history);
    if (!home || !*home)
        return;
    text_addf(&e->history_path, "%s/.gridctl_history", home);
    int fd = open(e->history_path.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchmod(fd, 0600) < 0)
        text_clear(&e->history_path);
    else
        history(e->history, &event, H_LOAD, e->history_path.data);
    if (fd >= 0)
        close(fd);
}

static void close_history(struct editor *e)
{
    HistEvent event;
    if (!e->history)
        return;
    if (e->history_path.len)
        history(e->history, &event, H_SAVE, e->history_path.data);
    history_end(e->history);
    text_release(&e->history_path);
}

static int run_terminal(struct ctl *c)
{
    struct editor e = {.c = c};
    HistEvent event;
    bool ended = false;
    e.el = el_init("gridctl", c->in, c->out_file, c->err);
    if (!e.el)
        return ctl_error(c, EXIT_USAGE, "the terminal cannot be used");
    el_set(e.el, EL_CLIENTDATA, &e);
    el_set(e.el, EL_PROMPT, prompt);
    el_set(e.el, EL_EDITOR, "emacs");
    el_set(e.el, EL_SIGNAL, 1);
    el_set(e.el, EL_ADDFN, "gridctl-complete", "complete a word", complete_line);
    el_set(e.el, EL_BIND, "^I", "gridctl-complete", NULL);
    open_history(&e);
    el_source(e.el, NULL);
    fputs("help lists the commands, exit leaves.\n", c->out_file);
    while (!ended) {
        int len = 0;
        /* libedit shows the prompt first and takes the terminal over then: ^D in between is lost */
        el_set(e.el, EL_PREP_TERM, 1);
        const char *line = el_gets(e.el, &len);
        if (!line || len <= 0)
            break;
        if (e.history && line[strspn(line, " \t\n")])
            history(e.history, &event, H_ENTER, line);
        run_line(c, line, &ended);
    }
    if (!ended)
        putc('\n', c->out_file);
    close_history(&e);
    el_end(e.el);
    text_release(&e.common);
    return EXIT_DONE;
}

int cmd_shell(struct ctl *c, const struct args *a)
{
    int fd = fileno(c->in);
    bool terminal = fd >= 0 && isatty(fd) && isatty(fileno(c->out_file));
    c->in_shell = true;
    int code = terminal ? run_terminal(c) : run_script(c, args_flag(a, "--keep-going"));
    c->in_shell = false;
    return code;
}
