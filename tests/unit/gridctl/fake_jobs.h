/* fake_jobs.h - the fake grid, with jobs and schedules. */
#ifndef GRIDD_TESTS_GRIDCTL_FAKE_JOBS_H
#define GRIDD_TESTS_GRIDCTL_FAKE_JOBS_H

#include "tests/unit/gridctl/fake_grid.h"

static inline struct grid_job_info *fake_job(void)
{
    struct grid_job_info *j = calloc(1, sizeof *j);
    if (!j)
        abort();
    memset(j->job.id, 0xab, sizeof j->job.id);
    *j = (struct grid_job_info){.job = j->job,
                                .status = fake.job_status,
                                .name = "m.j",
                                .cache = "default/default",
                                .key = {"k", 1},
                                .progress = 5000,
                                .result = {"four", 4},
                                .node = "n1"};
    return j;
}

void grid_job_text(const struct grid_job *job, char ret_text[GRID_JOB_TEXT])
{
    for (size_t i = 0; i < GRID_JOB_ID; i++)
        snprintf(ret_text + 2 * i, 3, "%02x", job->id[i]);
}

bool grid_job_parse(const char *text, struct grid_job *ret_job)
{
    memset(ret_job->id, 0xab, sizeof ret_job->id);
    return strlen(text) == GRID_JOB_TEXT - 1;
}

enum grid_err grid_task_submit(struct grid_cache *c, const char *name, struct grid_bytes key,
                               struct grid_bytes affinity, struct grid_bytes argument,
                               const struct grid_job_how *how, struct grid_job *ret_job)
{
    (void)c;
    (void)affinity;
    snprintf(fake.text, sizeof fake.text, "submit %s %.*s %.*s %u %llu", name, (int)key.len,
             (const char *)key.data, (int)argument.len, (const char *)argument.data, how->priority,
             (unsigned long long)how->deadline_ms);
    memset(ret_job->id, 0xab, sizeof ret_job->id);
    return fake.err;
}

enum grid_err grid_job_show(struct grid *g, const struct grid_job *job,
                            struct grid_job_info **ret_info)
{
    (void)g;
    (void)job;
    if (!fake.err)
        *ret_info = fake_job();
    return fake.err;
}

enum grid_err grid_job_wait(struct grid *g, const struct grid_job *job, uint64_t timeout_ms,
                            struct grid_job_info **ret_info)
{
    (void)timeout_ms;
    enum grid_err err = grid_job_show(g, job, ret_info);
    return !err && (*ret_info)->status <= GRID_JOB_RUNNING ? GRID_ETIMEOUT : err;
}

enum grid_err grid_job_cancel(struct grid *g, const struct grid_job *job)
{
    (void)g;
    snprintf(fake.text, sizeof fake.text, "cancel %02x", job->id[0]);
    return fake.err;
}

enum grid_err grid_job_list(struct grid *g, struct grid_job_info **ret_list, size_t *ret_len)
{
    (void)g;
    *ret_len = 2; /* the younger one first */
    if (fake.err)
        return fake.err;
    struct grid_job_info *list = realloc(fake_job(), 2 * sizeof *list);
    list[1] = list[0];
    list[0].submitted_ms++;
    memset(list[0].job.id, 0xcd, sizeof list[0].job.id);
    *ret_list = list;
    return GRID_OK;
}

enum grid_err grid_schedule_create(struct grid_cache *c, const struct grid_schedule *want)
{
    (void)c;
    snprintf(fake.text, sizeof fake.text, "schedule %s %s %s %llu %.*s", want->name, want->job,
             want->cron ? want->cron : "-", (unsigned long long)want->every_ms, (int)want->key.len,
             (const char *)want->key.data);
    return fake.err;
}

enum grid_err grid_schedule_act(struct grid_cache *c, const char *name, struct grid_bytes key,
                                struct grid_bytes affinity, enum grid_schedule_act act)
{
    (void)c;
    (void)affinity;
    snprintf(fake.text, sizeof fake.text, "act %d %s %.*s", (int)act, name, (int)key.len,
             (const char *)key.data);
    return fake.err;
}

enum grid_err grid_schedule_list(struct grid *g, struct grid_schedule_info **ret_list,
                                 size_t *ret_len)
{
    (void)g;
    struct grid_schedule_info *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    *s = (struct grid_schedule_info){.name = "nightly",
                                     .job = "m.j",
                                     .cron = "0 3 * * *",
                                     .cache = "default/default",
                                     .key = {"k", 1},
                                     .fired = 2};
    *ret_len = 1;
    *ret_list = s;
    return fake.err;
}

#endif
