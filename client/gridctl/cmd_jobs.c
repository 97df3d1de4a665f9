/* cmd_jobs.c - jobs: submitted, listed, shown, waited for, cancelled; and schedules. */
#include "commands.h"
#include "progress.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS(list) (list), sizeof(list) / sizeof *(list)
enum { LOOK_MS = 500, WHOLE = 10000, PERCENT = 100 };

static const char *const statuses[] = {"queued", "running", "done", "failed", "cancelled"};

static const char *status_text(enum grid_job_status s)
{
    return (size_t)s < sizeof statuses / sizeof *statuses ? statuses[s] : "?";
}

/* --- jobs as rows ----------------------------------------------------------------------------- */

static const struct out_column list_columns[] = {
    {"id", OUT_TEXT, false},        {"job", OUT_TEXT, false},
    {"status", OUT_TEXT, false},    {"progress", OUT_TEXT, false},
    {"node", OUT_TEXT, false},      {"attempt", OUT_NUMBER, false},
    {"age", OUT_DURATION, false},   {"cache", OUT_TEXT, true},
    {"key", OUT_ESCAPED, true},     {"priority", OUT_NUMBER, true},
    {"schedule", OUT_TEXT, true},   {"submitted_ms", OUT_NUMBER, true},
    {"ended_ms", OUT_NUMBER, true},
};

static void progress_cell(struct out *o, const struct grid_job_info *j)
{
    char text[16];
    snprintf(text, sizeof text, "%d.%d%%", j->progress / PERCENT, j->progress / 10 % 10);
    if (j->progress < 0)
        out_none(o, "-");
    else
        out_text(o, text);
}

static void list_row(struct out *o, const struct grid_job_info *j, uint64_t now)
{
    char id[GRID_JOB_TEXT];
    grid_job_text(&j->job, id);
    out_text(o, id);
    out_text(o, j->name);
    out_text(o, status_text(j->status));
    progress_cell(o, j);
    if (j->node[0])
        out_text(o, j->node);
    else
        out_none(o, "-");
    out_number(o, j->attempt);
    out_number(o, now > j->submitted_ms ? now - j->submitted_ms : 0);
    out_text(o, j->cache);
    out_bytes(o, j->key.data, j->key.len);
    out_number(o, j->priority);
    out_text(o, j->schedule);
    out_number(o, j->submitted_ms);
    out_number(o, j->ended_ms);
}

static const struct out_column show_columns[] = {
    {"id", OUT_TEXT, false},
    {"job", OUT_TEXT, false},
    {"status", OUT_TEXT, false},
    {"cache", OUT_TEXT, false},
    {"key", OUT_ESCAPED, false},
    {"progress", OUT_TEXT, false},
    {"node", OUT_TEXT, false},
    {"attempt", OUT_NUMBER, false},
    {"checkpoints", OUT_NUMBER, false},
    {"failures", OUT_NUMBER, false},
    {"attempts", OUT_NUMBER, false},
    {"priority", OUT_NUMBER, false},
    {"labels", OUT_TEXT, false},
    {"schedule", OUT_TEXT, false},
    {"submitted_ms", OUT_NUMBER, false},
    {"began_ms", OUT_NUMBER, false},
    {"ended_ms", OUT_NUMBER, false},
    {"deadline_ms", OUT_NUMBER, false},
    {"result", OUT_RAW, false},
};

static void job_print(struct ctl *c, const struct grid_job_info *j)
{
    char id[GRID_JOB_TEXT];
    struct out *o = c->out;
    grid_job_text(&j->job, id);
    out_begin(o, OUT_RECORD, COLUMNS(show_columns));
    out_text(o, id);
    out_text(o, j->name);
    out_text(o, status_text(j->status));
    out_text(o, j->cache);
    out_bytes(o, j->key.data, j->key.len);
    progress_cell(o, j);
    out_text(o, j->node);
    out_number(o, j->attempt);
    out_number(o, j->step);
    out_number(o, j->failures);
    out_number(o, j->attempts);
    out_number(o, j->priority);
    out_text(o, j->labels);
    out_text(o, j->schedule);
    out_number(o, j->submitted_ms);
    out_number(o, j->began_ms);
    out_number(o, j->ended_ms);
    out_number(o, j->deadline_ms);
    out_bytes(o, j->result.data, j->result.len);
    out_end(o);
}

static int job_named(struct ctl *c, const struct args *a, struct grid_job *ret_job)
{
    if (!grid_job_parse(args_text(a, "ID"), ret_job))
        return ctl_error(c, EXIT_USAGE, "an ID has 32 digits, 0 to 9 and a to f");
    return ctl_connect(c, 0);
}

/* --- commands --------------------------------------------------------------------------------- */

/* As they were submitted. */
static int job_order(const void *a, const void *b)
{
    const struct grid_job_info *x = a, *y = b;
    if (x->submitted_ms != y->submitted_ms)
        return x->submitted_ms < y->submitted_ms ? -1 : 1;
    return memcmp(&x->job, &y->job, sizeof x->job);
}

int cmd_jobs_list(struct ctl *c, const struct args *a)
{
    struct grid_job_info *list;
    size_t len;
    uint64_t now = ctl_unix_ms();
    uint64_t wanted = args_number(a, "--status", UINT64_MAX);
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_job_list(c->grid, &list, &len);
    if (err)
        return ctl_fail(c, err, NULL);
    if (len)
        qsort(list, len, sizeof *list, job_order);
    out_begin(c->out, OUT_TABLE, COLUMNS(list_columns));
    for (size_t i = 0; i < len; i++)
        if (wanted == UINT64_MAX || wanted == (uint64_t)list[i].status)
            list_row(c->out, &list[i], now);
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

int cmd_jobs_show(struct ctl *c, const struct args *a)
{
    struct grid_job job;
    struct grid_job_info *info;
    int code = job_named(c, a, &job);
    if (code)
        return code;
    enum grid_err err = grid_job_show(c->grid, &job, &info);
    if (err)
        return ctl_fail(c, err, args_text(a, "ID"));
    job_print(c, info);
    grid_free(info);
    return EXIT_DONE;
}

int cmd_jobs_cancel(struct ctl *c, const struct args *a)
{
    struct grid_job job;
    int code = job_named(c, a, &job);
    if (code)
        return code;
    enum grid_err err = grid_job_cancel(c->grid, &job);
    return err ? ctl_fail(c, err, args_text(a, "ID")) : EXIT_DONE;
}

/* Until it has ended, or `until` (unix ms). */
static enum grid_err follow(struct ctl *c, const struct grid_job *job, uint64_t until,
                            struct grid_job_info **ret_info)
{
    struct progress p;
    enum grid_err err;
    bool told = false;
    progress_start(&p, c->err_is_terminal ? c->err : NULL, "job", WHOLE, ctl_now_us());
    for (;;) {
        uint64_t now = ctl_unix_ms(), ms = LOOK_MS;
        if (until < now + ms)
            ms = until > now ? until - now : 0;
        err = grid_job_wait(c->grid, job, ms, ret_info);
        if (err != GRID_ETIMEOUT || ctl_unix_ms() >= until)
            break;
        if ((*ret_info)->progress >= 0 || told)
            progress_show(&p, (uint64_t)((*ret_info)->progress < 0 ? 0 : (*ret_info)->progress),
                          (*ret_info)->step, ctl_now_us());
        told |= (*ret_info)->progress >= 0;
        grid_free(*ret_info);
    }
    progress_end(&p);
    return err;
}

/* The result of one that is done, as it is; why another one is not. */
static int ended_print(struct ctl *c, const struct grid_job_info *j)
{
    if (out_json(c->out)) {
        job_print(c, j);
    } else if (j->status == GRID_JOB_DONE) {
        fwrite(j->result.data, 1, j->result.len, c->out_file);
        if (c->out_is_terminal && j->result.len)
            putc('\n', c->out_file);
    }
    if (j->status == GRID_JOB_DONE)
        return EXIT_DONE;
    return ctl_error(c, EXIT_REFUSED, "the job is %s: %.*s", status_text(j->status),
                     (int)j->result.len, (const char *)j->result.data);
}

/* `wait` ms at most; 0: for ever. */
static int wait_for(struct ctl *c, const struct grid_job *job, uint64_t wait)
{
    struct grid_job_info *info = NULL;
    char id[GRID_JOB_TEXT];
    grid_job_text(job, id);
    enum grid_err err = follow(c, job, wait ? ctl_unix_ms() + wait : UINT64_MAX, &info);
    if (err == GRID_ETIMEOUT && info) {
        grid_free(info);
        return ctl_error(c, EXIT_UNREACHABLE, "%s: it has not ended yet", id);
    }
    if (err)
        return ctl_fail(c, err, id);
    int code = ended_print(c, info);
    grid_free(info);
    return code;
}

int cmd_jobs_wait(struct ctl *c, const struct args *a)
{
    struct grid_job job;
    int code = job_named(c, a, &job);
    return code ? code : wait_for(c, &job, args_number(a, "--wait-for", 0));
}

static struct grid_job_how how_of(const struct args *a)
{
    return (struct grid_job_how){.priority = (unsigned)args_number(a, "--priority", 0),
                                 .attempts = (unsigned)args_number(a, "--attempts", 0),
                                 .backoff_ms = args_number(a, "--backoff", 0),
                                 .deadline_ms = args_number(a, "--deadline", 0),
                                 .keep_ms = args_number(a, "--keep", 0),
                                 .labels = args_text(a, "--nodes")};
}

int cmd_submit(struct ctl *c, const struct args *a)
{
    static const struct out_column columns[] = {{"id", OUT_TEXT, false}};
    const char *name = args_text(a, "JOB");
    struct grid_job_how how = how_of(a);
    how.delay_ms = args_number(a, "--delay", 0);
    struct grid_cache *cache;
    struct grid_job job;
    char id[GRID_JOB_TEXT];
    int code = ctl_open(c, args_text(a, "--cache"), &cache);
    if (code)
        return code;
    enum grid_err err = grid_task_submit(cache, name, ctl_bytes(args_text(a, "--key")),
                                         ctl_bytes(args_text(a, "--affinity")),
                                         ctl_bytes(args_text(a, "--arg")), &how, &job);
    if (err)
        return ctl_fail(c, err, name);
    if (args_flag(a, "--wait"))
        return wait_for(c, &job, 0);
    grid_job_text(&job, id);
    out_begin(c->out, OUT_LINE, COLUMNS(columns));
    out_text(c->out, id);
    out_end(c->out);
    return EXIT_DONE;
}

/* --- schedules -------------------------------------------------------------------------------- */

int cmd_schedule_create(struct ctl *c, const struct args *a)
{
    struct grid_cache *cache;
    struct grid_schedule want = {.name = args_text(a, "NAME"),
                                 .job = args_text(a, "JOB"),
                                 .cron = args_text(a, "--cron"),
                                 .every_ms = args_number(a, "--every", 0),
                                 .key = ctl_bytes(args_text(a, "--key")),
                                 .affinity = ctl_bytes(args_text(a, "--affinity")),
                                 .argument = ctl_bytes(args_text(a, "--arg")),
                                 .how = how_of(a)};
    const char *path = args_text(a, "--cache");
    if (!want.cron == !want.every_ms)
        return ctl_error(c, EXIT_USAGE, "one of --cron and --every is needed");
    int code = ctl_open(c, path ? path : "default/default", &cache);
    if (code)
        return code;
    enum grid_err err = grid_schedule_create(cache, &want);
    return err ? ctl_fail(c, err, want.name) : EXIT_DONE;
}

static const struct out_column schedule_columns[] = {
    {"name", OUT_TEXT, false},        {"job", OUT_TEXT, false},      {"when", OUT_TEXT, false},
    {"paused", OUT_BOOL, false},      {"fired", OUT_NUMBER, false},  {"last", OUT_TEXT, false},
    {"next_in", OUT_DURATION, false}, {"cache", OUT_TEXT, true},     {"key", OUT_ESCAPED, true},
    {"last_ms", OUT_NUMBER, true},    {"next_ms", OUT_NUMBER, true},
};

static void schedule_row(struct out *o, const struct grid_schedule_info *s, uint64_t now)
{
    char every[48];
    snprintf(every, sizeof every, "every %llu ms", (unsigned long long)s->every_ms);
    out_text(o, s->name);
    out_text(o, s->job);
    out_text(o, s->cron[0] ? s->cron : every);
    out_bool(o, s->paused);
    out_number(o, s->fired);
    out_text(o, s->runs_len ? status_text(s->runs[s->runs_len - 1].status) : "-");
    if (s->next_ms)
        out_number(o, s->next_ms > now ? s->next_ms - now : 0);
    else
        out_none(o, "-");
    out_text(o, s->cache);
    out_bytes(o, s->key.data, s->key.len);
    out_number(o, s->last_ms);
    out_number(o, s->next_ms);
}

int cmd_schedule_list(struct ctl *c, const struct args *a)
{
    struct grid_schedule_info *list;
    size_t len;
    (void)a;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_schedule_list(c->grid, &list, &len);
    if (err)
        return ctl_fail(c, err, NULL);
    out_begin(c->out, OUT_TABLE, COLUMNS(schedule_columns));
    for (size_t i = 0; i < len; i++)
        schedule_row(c->out, &list[i], ctl_unix_ms());
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

/* The one of that name; `*ret_list` is the caller's. */
static int schedule_find(struct ctl *c, const char *name, struct grid_schedule_info **ret_list,
                         const struct grid_schedule_info **ret_found)
{
    size_t len;
    int code = ctl_connect(c, 0);
    if (code)
        return code;
    enum grid_err err = grid_schedule_list(c->grid, ret_list, &len);
    if (err)
        return ctl_fail(c, err, name);
    *ret_found = NULL;
    for (size_t i = 0; i < len; i++) {
        if (strcmp((*ret_list)[i].name, name) != 0)
            continue;
        if (*ret_found) {
            grid_free(*ret_list);
            return ctl_error(c, EXIT_USAGE, "%s: there are several of that name", name);
        }
        *ret_found = &(*ret_list)[i];
    }
    if (*ret_found)
        return EXIT_DONE;
    grid_free(*ret_list);
    return ctl_error(c, EXIT_NOT_MET, "%s: there is no such schedule", name);
}

static const struct out_column run_columns[] = {
    {"job", OUT_TEXT, false},
    {"status", OUT_TEXT, false},
    {"tick_ms", OUT_NUMBER, false},
    {"ended_ms", OUT_NUMBER, false},
};

int cmd_schedule_show(struct ctl *c, const struct args *a)
{
    struct grid_schedule_info *list;
    const struct grid_schedule_info *s;
    int code = schedule_find(c, args_text(a, "NAME"), &list, &s);
    if (code)
        return code;
    out_begin(c->out, OUT_TABLE, COLUMNS(run_columns));
    for (size_t i = 0; i < s->runs_len; i++) {
        char id[GRID_JOB_TEXT];
        grid_job_text(&s->runs[i].job, id);
        out_text(c->out, id);
        out_text(c->out, status_text(s->runs[i].status));
        out_number(c->out, s->runs[i].tick_ms);
        out_number(c->out, s->runs[i].ended_ms);
    }
    out_end(c->out);
    grid_free(list);
    return EXIT_DONE;
}

static int act(struct ctl *c, const struct args *a, enum grid_schedule_act what)
{
    struct grid_schedule_info *list;
    const struct grid_schedule_info *s;
    struct grid_cache *cache;
    int code = schedule_find(c, args_text(a, "NAME"), &list, &s);
    if (code)
        return code;
    code = ctl_open(c, s->cache, &cache);
    if (!code) {
        enum grid_err err = grid_schedule_act(cache, s->name, s->key, s->affinity, what);
        code = err ? ctl_fail(c, err, s->name) : EXIT_DONE;
    }
    grid_free(list);
    return code;
}

int cmd_schedule_pause(struct ctl *c, const struct args *a)
{
    return act(c, a, GRID_SCHEDULE_PAUSE);
}

int cmd_schedule_resume(struct ctl *c, const struct args *a)
{
    return act(c, a, GRID_SCHEDULE_RESUME);
}

int cmd_schedule_remove(struct ctl *c, const struct args *a)
{
    return act(c, a, GRID_SCHEDULE_REMOVE);
}

int cmd_schedule_run_now(struct ctl *c, const struct args *a)
{
    return act(c, a, GRID_SCHEDULE_RUN);
}
