/* cmd_top.c - top: what the nodes do, once a second; what only grows is shown as a rate too.
 * On a terminal: alternate screen, q ends it; of a grid of several what is wrong and a line for
 * each node come first. Otherwise: one sample of one second. */
#include "commands.h"
#include "text.h"
#include "value.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { INTERVAL_MS = 1000, PROBLEMS_SHOWN = 4 };

struct sample {
    struct grid_status *status;
    uint64_t at_us;
};

static int take_sample(struct ctl *c, struct sample *s)
{
    enum grid_err err = grid_get_status(c->grid, &s->status);
    s->at_us = ctl_now_us();
    return err == GRID_OK ? 0 : ctl_fail(c, err, NULL);
}

static const struct grid_node_info *find_node(const struct grid_status *s, const char *id)
{
    for (size_t i = 0; i < s->nodes_len; i++)
        if (strcmp(s->nodes[i].id, id) == 0)
            return &s->nodes[i];
    return NULL;
}

/* How much a metric grew per second since `before`; 0 when it is not known, or began again. */
static double rate(const struct grid_node_info *before, const struct grid_metric *m, uint64_t us)
{
    for (size_t i = 0; before && i < before->metrics_len; i++) {
        const struct grid_metric *old = &before->metrics[i];
        if (strcmp(old->name, m->name) == 0 && m->value >= old->value && us)
            return (double)(m->value - old->value) * 1e6 / (double)us;
    }
    return 0;
}

static void rows(struct out *o, const struct sample *before, const struct sample *now, size_t limit)
{
    static const struct out_column columns[] = {{"node", OUT_TEXT, false},
                                                {"metric", OUT_TEXT, false},
                                                {"value", OUT_NUMBER, false},
                                                {"per_second", OUT_NUMBER, false},
                                                {"unit", OUT_TEXT, false}};
    size_t shown = 0;
    out_begin(o, OUT_TABLE, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < now->status->nodes_len; i++) {
        const struct grid_node_info *node = &now->status->nodes[i];
        const struct grid_node_info *old = find_node(before->status, node->id);
        for (size_t k = 0; k < node->metrics_len && shown < limit; k++, shown++) {
            const struct grid_metric *m = &node->metrics[k];
            out_text(o, node->name);
            out_text(o, m->name);
            out_number(o, m->value);
            if (m->counter)
                out_number(o, (uint64_t)(rate(old, m, now->at_us - before->at_us) + 0.5));
            else
                out_none(o, "");
            out_text(o, m->unit);
        }
    }
    out_end(o);
}

static const struct grid_metric *find_metric(const struct grid_node_info *node, const char *name)
{
    for (size_t i = 0; i < node->metrics_len; i++)
        if (strcmp(node->metrics[i].name, name) == 0)
            return &node->metrics[i];
    return NULL;
}

/* A line for each node; what a node that is silent does is not known. */
static void overview(struct out *o, const struct sample *before, const struct sample *now)
{
    static const struct out_column columns[] = {
        {"node", OUT_TEXT, false},        {"state", OUT_TEXT, false},
        {"primaries", OUT_NUMBER, false}, {"copies", OUT_NUMBER, false},
        {"joining", OUT_NUMBER, false},   {"reads/s", OUT_NUMBER, false},
        {"writes/s", OUT_NUMBER, false},  {"entries", OUT_NUMBER, false},
        {"memory", OUT_SIZE, false},      {"behind", OUT_NUMBER, false}};
    static const struct {
        const char *name;
        bool rate;
    } shown[] = {{"reads", true},
                 {"writes", true},
                 {"entries", false},
                 {"memory_bytes", false},
                 {"grid_replication_lag_records", false}};
    uint64_t us = now->at_us - before->at_us;
    out_begin(o, OUT_TABLE, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < now->status->nodes_len; i++) {
        const struct grid_node_info *n = &now->status->nodes[i];
        const struct grid_node_info *old = find_node(before->status, n->id);
        out_text(o, n->name);
        out_text(o, n->state);
        out_number(o, n->primaries);
        out_number(o, n->copies);
        out_number(o, n->joining);
        for (size_t k = 0; k < sizeof shown / sizeof *shown; k++) {
            const struct grid_metric *m = find_metric(n, shown[k].name);
            if (!m)
                out_none(o, "");
            else
                out_number(o, shown[k].rate ? (uint64_t)(rate(old, m, us) + 0.5) : m->value);
        }
    }
    out_end(o);
}

static int one_sample(struct ctl *c)
{
    struct sample before, now;
    struct timespec pause = {INTERVAL_MS / 1000, 0};
    int code = take_sample(c, &before);
    if (code)
        return code;
    nanosleep(&pause, NULL);
    code = take_sample(c, &now);
    if (code == 0) {
        rows(c->out, &before, &now, SIZE_MAX);
        grid_free(now.status);
    }
    grid_free(before.status);
    return code;
}

/* --- the live view --- */

static volatile sig_atomic_t stop_wanted;

static void want_stop(int signal_number)
{
    (void)signal_number;
    stop_wanted = 1;
}

static void draw(struct ctl *c, const struct sample *before, const struct sample *now)
{
    struct winsize size = {0};
    char entries[VALUE_TEXT_BYTES];
    FILE *f = c->out_file;
    const struct grid_status *s = now->status;
    size_t used = 4, problems = s->problems_len < PROBLEMS_SHOWN ? s->problems_len : PROBLEMS_SHOWN;
    struct text safe = {0};
    if (ioctl(fileno(f), TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        size.ws_row = 24;
    escape_add(&safe, s->grid, strlen(s->grid));
    fprintf(f, "\033[H\033[2Jgrid %s  %s  %zu node%s  %s entries  q: quit\n", text_str(&safe),
            s->healthy ? "healthy" : "NOT HEALTHY", s->nodes_len, s->nodes_len == 1 ? "" : "s",
            value_count_text(entries, s->entries));
    for (size_t i = 0; i < problems; i++, used++) {
        text_clear(&safe);
        escape_add(&safe, s->problems[i], strlen(s->problems[i]));
        fprintf(f, "  ! %.*s\n", size.ws_col > 8 ? size.ws_col - 4 : 76, text_str(&safe));
    }
    putc('\n', f);
    if (s->nodes_len > 1) {
        overview(c->out, before, now);
        putc('\n', f);
        used += s->nodes_len + 2;
    }
    rows(c->out, before, now, size.ws_row > used + 1 ? size.ws_row - used : 1);
    fflush(f);
    text_release(&safe);
}

/* Wait for the next second. True: someone wants to go. */
static bool wait_or_quit(int fd)
{
    uint64_t end = ctl_now_us() + INTERVAL_MS * 1000;
    for (uint64_t now = ctl_now_us(); now < end && !stop_wanted; now = ctl_now_us()) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char key = 0;
        if (poll(&p, 1, (int)((end - now) / 1000) + 1) <= 0)
            continue;
        if (read(fd, &key, 1) <= 0 || key == 'q' || key == 'Q')
            return true;
    }
    return stop_wanted;
}

static int live(struct ctl *c, int fd)
{
    struct sample before = {0}, now;
    int code = take_sample(c, &before);
    if (code == 0)
        draw(c, &before, &before);
    while (code == 0 && !wait_or_quit(fd)) {
        code = take_sample(c, &now);
        if (code)
            break;
        draw(c, &before, &now);
        grid_free(before.status);
        before = now;
    }
    grid_free(before.status);
    return code;
}

static int on_screen(struct ctl *c, int fd)
{
    struct termios old, raw;
    struct sigaction stop = {.sa_handler = want_stop}, old_int, old_term;
    if (tcgetattr(fd, &old) < 0)
        return ctl_error(c, EXIT_USAGE, "terminal: %s", strerror(errno));
    raw = old;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    stop_wanted = 0;
    sigaction(SIGINT, &stop, &old_int);
    sigaction(SIGTERM, &stop, &old_term);
    tcsetattr(fd, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l", c->out_file);
    /* A message printed on the alternate screen would vanish with it: keep it until then. */
    char *said = NULL;
    size_t len = 0;
    FILE *err = c->err, *memory = open_memstream(&said, &len);
    c->err = memory ? memory : err;
    int code = live(c, fd);
    c->err = err;
    if (memory)
        fclose(memory);
    fputs("\033[?25h\033[?1049l", c->out_file);
    fflush(c->out_file);
    tcsetattr(fd, TCSANOW, &old);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    fputs(said ? said : "", err);
    free(said);
    return code;
}

int cmd_top(struct ctl *c, const struct args *a)
{
    int fd = fileno(c->in);
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    (void)a;
    if (out_json(c->out) || fd < 0 || !isatty(fd) || !isatty(fileno(c->out_file)))
        return one_sample(c);
    return on_screen(c, fd);
}
