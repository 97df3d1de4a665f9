/* measure.c - see measure.h. */
#include "node/measure.h"
#include "node/membership.h"

#include "base/alloc.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- adding up -------------------------------------------------------------------------------- */

void measures_visit(struct worker *w, struct measures *to)
{
    *to = (struct measures){.log_records = w->log_records};
    shard_stats(w->shard, &to->stats);
    loop_stats(w->loop, &to->loop);
    wal_stats(w->wal, &to->wal);
    meters_merge(&to->meters, w->meters);
    jobs_stats(w, &to->jobs);
    to->log_lag = w->appended_lsn > to->wal.durable_lsn ? w->appended_lsn - to->wal.durable_lsn : 0;
}

/* All of struct shard_stats, loop_stats, wal_stats, checkpoint_stats and job_stats are sums. */
static void add_words(void *to, const void *from, size_t bytes)
{
    uint64_t *sum = to;
    const uint64_t *more = from;
    for (size_t i = 0; i < bytes / sizeof *sum; i++)
        sum[i] += more[i];
}

void measures_add(struct measures *to, const struct measures *from)
{
    add_words(&to->stats, &from->stats, sizeof to->stats);
    add_words(&to->loop, &from->loop, sizeof to->loop);
    add_words(&to->wal, &from->wal, sizeof to->wal);
    add_words(&to->jobs, &from->jobs, sizeof to->jobs);
    meters_merge(&to->meters, &from->meters);
    to->log_records += from->log_records;
    to->log_lag += from->log_lag;
}

/* What other threads of the shards count, and may be asked of them at any time. */
static void add_background(const struct node *n, struct measures *sum)
{
    for (unsigned i = 0; i < n->shards; i++) {
        const struct worker *w = &n->workers[i];
        struct checkpoint_stats stats;
        checkpoint_stats(w->checkpoint, &stats);
        uint64_t durable = wal_durable(w->wal);
        add_words(&sum->checkpoint, &stats, sizeof stats);
        sum->checkpoint_lag += durable > stats.applied_lsn ? durable - stats.applied_lsn : 0;
        sum->folded_records += metric_read(&w->folding.records);
        histogram_merge(&sum->syncs, &w->log.syncs);
        histogram_merge(&sum->folds, &w->folding.folds);
    }
}

/* --- the process ------------------------------------------------------------------------------ */

static uint64_t open_fds(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0) /* newer systems say it */
        return (uint64_t)st.st_size;
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n > 3 ? n - 3 : 0; /* ".", "..", and the one that reads */
}

/* Field `i` (from 3: behind the name, which may hold anything) of /proc/self/stat. */
static uint64_t stat_field(int i)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    const char *p = strrchr(text, ')');
    for (int at = 2; p && at < i; at++)
        p = strchr(p + 1, ' ');
    return p ? strtoull(p + 1, NULL, 10) : 0;
}

static void process_look(const struct node *n, struct process_stats *p)
{
    enum { THREADS = 20, RESIDENT_PAGES = 24 };
    struct rusage usage;
    struct rlimit files;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        p->cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                    (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        p->max_fds = files.rlim_cur;
    p->open_fds = open_fds();
    p->threads = stat_field(THREADS);
    p->resident_bytes = stat_field(RESIDENT_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    p->started_ms = n->started_wall_ms;
}

/* --- the grid --------------------------------------------------------------------------------- */

static void loads_look(const struct node *n, const struct grid_state *s, struct grid_stats *g)
{
    struct grid_load *loads = xcalloc(s->nodes_len, sizeof *loads);
    grid_state_loads(s, loads);
    for (size_t i = 0; i < s->nodes_len; i++) {
        g->nodes_down += s->nodes[i].state == NODE_DOWN;
        if (memcmp(s->nodes[i].info.id, n->view.node_id, GRID_ID_BYTES) != 0)
            continue;
        g->primaries = loads[i].primaries;
        g->backups = loads[i].copies - loads[i].primaries;
        g->joining_here = loads[i].joining;
    }
    free(loads);
}

static void grid_look(const struct node *n, struct grid_stats *g)
{
    struct grid_member_status member;
    struct grid_summary sum;
    if (!n->membership)
        return;
    const struct grid_state *s = membership_state(n);
    membership_status(n, &member);
    membership_counts(n, &g->peers, &g->leader_changes, &g->failovers);
    g->leader = member.leader;
    g->voter = member.voter;
    g->term = member.term;
    if (!grid_state_founded(s))
        return;
    grid_state_summary(s, &sum);
    g->revision = s->revision;
    g->nodes = s->nodes_len;
    g->unled = sum.unled;
    g->lost = sum.lost;
    g->short_of_copies = sum.short_of_copies;
    g->below_min = sum.below_min;
    g->joining = sum.joining;
    loads_look(n, s, g);
}

/* --- what is wrong ---------------------------------------------------------------------------- */

/* What can be; the order is that of the samples. */
static const char *const reasons[PROBLEMS_MAX] = {"stopping", "damaged_partitions", "disk_full",
                                                  "checkpoint_stuck", "grid"};

static bool any_worker(const struct node *n, bool (*is)(const struct worker *w))
{
    for (unsigned i = 0; i < n->shards; i++)
        if (is(&n->workers[i]))
            return true;
    return false;
}

static bool is_full(const struct worker *w)
{
    return atomic_load(&w->no_space) != 0;
}

static bool is_stuck(const struct worker *w)
{
    return atomic_load(&w->folding.stuck);
}

size_t measures_problems(const struct node *n, const struct measures *sum,
                         struct problem list[PROBLEMS_MAX])
{
    size_t len = 0;
    if (n->stopping)
        list[len++] = (struct problem){reasons[0], "the node is stopping"};
    if (sum->stats.partitions_damaged) {
        struct problem *p = &list[len++];
        p->reason = reasons[1];
        snprintf(p->text, sizeof p->text,
                 "%llu partitions are damaged on disk: see gridctl partition list",
                 (unsigned long long)sum->stats.partitions_damaged);
    }
    if (any_worker(n, is_full))
        list[len++] = (struct problem){reasons[2],
                                       "the disk is full: writes are refused when the log is full"};
    if (any_worker(n, is_stuck))
        list[len++] = (struct problem){
            reasons[3], "the checkpoint is damaged: the log grows until the next start"};
    if (n->membership) {
        struct grid_member_status s;
        membership_status(n, &s);
        struct problem *p = &list[len];
        if (s.phase != GRID_IN) {
            *p = (struct problem){.reason = reasons[4]};
            snprintf(p->text, sizeof p->text, "not in the grid: %s",
                     s.why[0] ? s.why : "it looks for it");
            len++;
        }
    }
    return len;
}

/* --- samples ---------------------------------------------------------------------------------- */

struct telling {
    struct node *node;
    const struct catalog *catalog;
    const struct measures *sum;
    const struct shard_usage *usage;
    struct buf *to;
};

static void tell_partitions(const struct telling *t)
{
    const struct shard_stats *s = &t->sum->stats;
    uint64_t warming = s->partitions - s->partitions_complete;
    warming -= s->partitions_damaged < warming ? s->partitions_damaged : warming;
    metric_add(t->to, METRIC_partitions, "ok", NULL,
               s->partitions - warming - s->partitions_damaged);
    metric_add(t->to, METRIC_partitions, "warming", NULL, warming);
    metric_add(t->to, METRIC_partitions, "damaged", NULL, s->partitions_damaged);
}

static void tell_context_entries(const struct telling *t)
{
    for (size_t i = 0; i < t->catalog->contexts_len; i++)
        metric_add(t->to, METRIC_context_entries, t->catalog->contexts[i].name, NULL,
                   t->usage[i].entries);
}

static void tell_context_bytes(const struct telling *t)
{
    for (size_t i = 0; i < t->catalog->contexts_len; i++)
        metric_add(t->to, METRIC_context_bytes, t->catalog->contexts[i].name, NULL,
                   t->usage[i].bytes);
}

static void tell_context_limit_bytes(const struct telling *t)
{
    for (size_t i = 0; i < t->catalog->contexts_len; i++)
        if (t->catalog->contexts[i].memory_limit)
            metric_add(t->to, METRIC_context_limit_bytes, t->catalog->contexts[i].name, NULL,
                       t->catalog->contexts[i].memory_limit);
}

static void tell_operation_duration_seconds(const struct telling *t)
{
    for (unsigned i = 0; i < METERS; i++) {
        const char *operation = meter_operation_text(i % METER_OPERATIONS);
        if (operation)
            metric_add_histogram(t->to, METRIC_operation_duration_seconds,
                                 meter_door_text(i / METER_OPERATIONS), operation,
                                 &t->sum->meters.latency[i]);
    }
}

static void tell_operation_errors(const struct telling *t)
{
    static const struct {
        enum grid_err err;
        const char *name;
    } statuses[] = {
#define X(name, code, text, retryable) {GRID_E##name, #name},
#include "proto/status.def"
#undef X
    };
    for (unsigned d = 0; d < METER_DOORS_LEN; d++)
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
            if (t->sum->meters.doors[d].errors[statuses[i].err])
                metric_add(t->to, METRIC_operation_errors, meter_door_text(d), statuses[i].name,
                           t->sum->meters.doors[d].errors[statuses[i].err]);
}

static void tell_requests(const struct telling *t)
{
    for (unsigned d = 0; d < METER_DOORS_LEN; d++)
        metric_add(t->to, METRIC_requests, meter_door_text(d), NULL,
                   t->sum->meters.doors[d].requests);
}

static void tell_connections(const struct telling *t)
{
    for (unsigned d = 0; d < METER_DOORS_LEN; d++)
        metric_add(t->to, METRIC_connections, meter_door_text(d), NULL,
                   t->sum->meters.doors[d].sessions);
}

/* What the listeners of a door counted. */
static struct listener_stats listened(const struct node *n, unsigned door)
{
    struct listener_stats sum = {0}, one;
    for (unsigned i = 0; i < n->entrances_len; i++) {
        if (meter_door_named(door_name(n->entrances[i].door)) != door)
            continue;
        listener_stats(n->entrances[i].listener, &one);
        add_words(&sum, &one, sizeof sum);
    }
    return sum;
}

static void tell_connections_accepted(const struct telling *t)
{
    for (unsigned d = 0; d < METER_DOORS_LEN; d++)
        metric_add(t->to, METRIC_connections_accepted, meter_door_text(d), NULL,
                   listened(t->node, d).accepted);
}

static void tell_connections_refused(const struct telling *t)
{
    for (unsigned d = 0; d < METER_DOORS_LEN; d++) {
        struct listener_stats s = listened(t->node, d);
        metric_add(t->to, METRIC_connections_refused, meter_door_text(d), "limit", s.refused_limit);
        metric_add(t->to, METRIC_connections_refused, meter_door_text(d), "descriptors",
                   s.refused_fds);
    }
}

static void tell_connections_dropped(const struct telling *t)
{
    metric_add(t->to, METRIC_connections_dropped, "idle", NULL, t->sum->loop.closed_idle);
    metric_add(t->to, METRIC_connections_dropped, "slow", NULL, t->sum->loop.closed_slow);
}

static void tell_received_bytes(const struct telling *t)
{
    for (unsigned d = 0; d < METER_DOORS_LEN; d++)
        metric_add(t->to, METRIC_received_bytes, meter_door_text(d), NULL,
                   t->sum->meters.doors[d].received);
}

static void tell_sent_bytes(const struct telling *t)
{
    for (unsigned d = 0; d < METER_DOORS_LEN; d++)
        metric_add(t->to, METRIC_sent_bytes, meter_door_text(d), NULL,
                   t->sum->meters.doors[d].sent);
}

static void tell_jobs(const struct telling *t)
{
    const struct runner_stats *s = &t->sum->jobs.runner;
    metric_add(t->to, METRIC_jobs, "queued", NULL, s->queued);
    metric_add(t->to, METRIC_jobs, "running", NULL, s->running);
    metric_add(t->to, METRIC_jobs, "ended", NULL, s->ended);
}

static void tell_jobs_ended(const struct telling *t)
{
    const struct runner_stats *s = &t->sum->jobs.runner;
    metric_add(t->to, METRIC_jobs_ended, "done", NULL, s->done);
    metric_add(t->to, METRIC_jobs_ended, "failed", NULL, s->failed);
    metric_add(t->to, METRIC_jobs_ended, "cancelled", NULL, s->cancelled);
}

static void tell_maps(const struct telling *t)
{
    metric_add(t->to, METRIC_maps, "done", NULL, t->sum->maps.done);
    metric_add(t->to, METRIC_maps, "failed", NULL, t->sum->maps.failed);
}

static void tell_log_sync_duration_seconds(const struct telling *t)
{
    metric_add_histogram(t->to, METRIC_log_sync_duration_seconds, NULL, NULL, &t->sum->syncs);
}

static void tell_checkpoint_duration_seconds(const struct telling *t)
{
    metric_add_histogram(t->to, METRIC_checkpoint_duration_seconds, NULL, NULL, &t->sum->folds);
}

static void tell_ready(const struct telling *t)
{
    struct problem list[PROBLEMS_MAX];
    metric_add(t->to, METRIC_ready, NULL, NULL, measures_problems(t->node, t->sum, list) == 0);
}

static void tell_problem(const struct telling *t)
{
    struct problem list[PROBLEMS_MAX];
    size_t len = measures_problems(t->node, t->sum, list);
    for (unsigned i = 0; i < PROBLEMS_MAX; i++) {
        bool there = false;
        for (size_t k = 0; k < len; k++)
            there |= list[k].reason == reasons[i];
        metric_add(t->to, METRIC_problem, reasons[i], NULL, there);
    }
}

static void tell_grid_partitions(const struct telling *t)
{
    const struct grid_stats *g = &t->sum->grid;
    metric_add(t->to, METRIC_grid_partitions, "primary", NULL, g->primaries);
    metric_add(t->to, METRIC_grid_partitions, "backup", NULL, g->backups);
    metric_add(t->to, METRIC_grid_partitions, "joining", NULL, g->joining_here);
}

static void tell_grid_copies_rejoined(const struct telling *t)
{
    static const char *const from[] = {"memory", "log", "copy"};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++)
        metric_add(t->to, METRIC_grid_copies_rejoined, from[i], NULL, t->sum->stats.rejoined[i]);
}

static void tell_grid_partitions_unhealthy(const struct telling *t)
{
    const struct grid_stats *g = &t->sum->grid;
    metric_add(t->to, METRIC_grid_partitions_unhealthy, "unled", NULL, g->unled);
    metric_add(t->to, METRIC_grid_partitions_unhealthy, "lost", NULL, g->lost);
    metric_add(t->to, METRIC_grid_partitions_unhealthy, "short", NULL, g->short_of_copies);
    metric_add(t->to, METRIC_grid_partitions_unhealthy, "below_min", NULL, g->below_min);
}

static void tell_build_info(const struct telling *t)
{
    metric_add(t->to, METRIC_build_info, GRIDD_VERSION, NULL, 1);
}

static void tell_node_info(const struct telling *t)
{
    metric_add(t->to, METRIC_node_info, t->node->view.node, t->node->view.grid, 1);
}

void measures_tell(struct node *n, const struct catalog *catalog, struct measures *sum,
                   const struct shard_usage *usage, struct buf *samples)
{
    add_background(n, sum);
    process_look(n, &sum->process);
    grid_look(n, &sum->grid);
    jobs_node_stats(n, &sum->jobs);
    mapping_stats(n, &sum->maps);
    sum->shards = n->shards;
    sum->certificate_expiry = n->tls ? (uint64_t)tls_expires(n->tls) : 0;
    const struct telling t = {n, catalog, sum, usage, samples};
#define SCALAR(name, type, unit, per, source, help)                                                \
    metric_add(samples, METRIC_##name, NULL, NULL, sum->source);
#define FAMILY(name, type, unit, per, label, second, help) tell_##name(&t);
#include "base/metrics.def"
#undef SCALAR
#undef FAMILY
}

/* --- for gridctl ------------------------------------------------------------------------------ */

/* "connections{grid}" */
static void name_add(struct buf *to, const struct metric_info *m, const struct metric_sample *s)
{
    buf_printf(to, "%s%s", m->name, m->type == METRIC_HISTOGRAM ? "_count" : "");
    for (unsigned i = 0; i < METRIC_LABELS && m->labels[i]; i++)
        buf_printf(to, "%s%.*s", i ? "," : "{", (int)s->labels[i].len,
                   (const char *)s->labels[i].data);
    if (m->labels[0])
        buf_add_u8(to, '}');
    buf_add_u8(to, 0);
}

struct admin_metric *measures_admin(struct slice samples, struct buf *names, size_t *ret_len)
{
    struct metric_sample s;
    size_t len = 0, cap = 0;
    struct admin_metric *list = NULL;
    size_t *places = NULL;
    while (metric_next(&samples, &s)) {
        const struct metric_info *m = &metric_table[s.metric];
        bool durations = m->type == METRIC_HISTOGRAM;
        uint64_t count = 0;
        for (unsigned i = 0; durations && i <= HISTOGRAM_BOUNDS; i++)
            count += s.buckets[i];
        if (durations && !count)
            continue;
        if (len == cap) {
            cap = cap ? 2 * cap : 128;
            list = xrealloc(list, cap, sizeof *list);
            places = xrealloc(places, cap, sizeof *places);
        }
        places[len] = names->len;
        name_add(names, m, &s);
        list[len++] = (struct admin_metric){NULL, durations ? count : s.value / m->per,
                                            durations ? "" : m->unit, m->type != METRIC_GAUGE};
    }
    for (size_t i = 0; i < len; i++)
        list[i].name = (const char *)names->data + places[i];
    free(places);
    *ret_len = len;
    return list;
}
