/* resp_info.c - INFO: the metrics of the node under the names that Redis has for them. What gridd
 * does not have is told as what it is: 0, or left out. */
#include "session/resp_priv.h"

#include "base/alloc.h"
#include "base/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

enum shown {
    SHOW_NUMBER,  /* the sum over all labels */
    SHOW_SECONDS, /* of a counter of microseconds */
    SHOW_HUMAN,   /* bytes as 1.50M */
    SHOW_COUNT,   /* operations of a histogram */
    SHOW_TEXT,    /* as it stands here */
};

/* Groups of commands: which INFO shows without being asked. */
static const struct info_line {
    const char *section; /* NULL: the same */
    const char *key;
    enum shown shown;
    enum metric metric;
    const char *text; /* SHOW_TEXT; else a label that the samples must have, or NULL */
} lines[] = {
    {"Clients", "connected_clients", SHOW_NUMBER, METRIC_connections, "resp"},
    {NULL, "cluster_connections", SHOW_TEXT, METRICS, "0"},
    {NULL, "blocked_clients", SHOW_TEXT, METRICS, "0"},
    {NULL, "tracking_clients", SHOW_TEXT, METRICS, "0"},
    {"Memory", "used_memory", SHOW_NUMBER, METRIC_memory_bytes, NULL},
    {NULL, "used_memory_human", SHOW_HUMAN, METRIC_memory_bytes, NULL},
    {NULL, "used_memory_rss", SHOW_NUMBER, METRIC_process_resident_memory_bytes, NULL},
    {NULL, "used_memory_rss_human", SHOW_HUMAN, METRIC_process_resident_memory_bytes, NULL},
    {NULL, "used_memory_dataset", SHOW_NUMBER, METRIC_entry_bytes, NULL},
    {NULL, "maxmemory", SHOW_NUMBER, METRIC_memory_limit_bytes, NULL},
    {NULL, "maxmemory_human", SHOW_HUMAN, METRIC_memory_limit_bytes, NULL},
    {NULL, "maxmemory_policy", SHOW_TEXT, METRICS, "noeviction"},
    {NULL, "mem_allocator", SHOW_TEXT, METRICS, "slab"},
    {"Persistence", "loading", SHOW_TEXT, METRICS, "0"},
    {NULL, "async_loading", SHOW_TEXT, METRICS, "0"},
    {NULL, "rdb_bgsave_in_progress", SHOW_TEXT, METRICS, "0"},
    {NULL, "rdb_last_bgsave_status", SHOW_TEXT, METRICS, "ok"},
    {NULL, "aof_enabled", SHOW_TEXT, METRICS, "1"},
    {NULL, "aof_rewrite_in_progress", SHOW_TEXT, METRICS, "0"},
    {NULL, "aof_last_write_status", SHOW_TEXT, METRICS, "ok"},
    {NULL, "aof_current_size", SHOW_NUMBER, METRIC_log_size_bytes, NULL},
    {"Stats", "total_connections_received", SHOW_NUMBER, METRIC_connections_accepted, "resp"},
    {NULL, "total_commands_processed", SHOW_COUNT, METRIC_operation_duration_seconds, "resp"},
    {NULL, "total_net_input_bytes", SHOW_NUMBER, METRIC_received_bytes, "resp"},
    {NULL, "total_net_output_bytes", SHOW_NUMBER, METRIC_sent_bytes, "resp"},
    {NULL, "rejected_connections", SHOW_NUMBER, METRIC_connections_refused, "resp"},
    {NULL, "sync_full", SHOW_TEXT, METRICS, "0"},
    {NULL, "expired_keys", SHOW_NUMBER, METRIC_expired, NULL},
    {NULL, "evicted_keys", SHOW_NUMBER, METRIC_evicted, NULL},
    {NULL, "keyspace_hits", SHOW_NUMBER, METRIC_hits, NULL},
    {NULL, "keyspace_misses", SHOW_NUMBER, METRIC_misses, NULL},
    {NULL, "pubsub_channels", SHOW_NUMBER, METRIC_pubsub_channels, NULL},
    {NULL, "total_error_replies", SHOW_NUMBER, METRIC_operation_errors, "resp"},
    {"Replication", "role", SHOW_TEXT, METRICS, "master"},
    {NULL, "connected_slaves", SHOW_TEXT, METRICS, "0"},
    {NULL, "master_repl_offset", SHOW_NUMBER, METRIC_log_records, NULL},
    {"CPU", "used_cpu_total", SHOW_SECONDS, METRIC_process_cpu_seconds, NULL},
    {"Modules", NULL, SHOW_TEXT, METRICS, NULL},
    {"Errorstats", NULL, SHOW_TEXT, METRICS, NULL},
    {"Cluster", "cluster_enabled", SHOW_TEXT, METRICS, "1"},
};

/* --- one line --------------------------------------------------------------------------------- */

static uint64_t sample_value(const struct metric_sample *s, enum shown shown)
{
    uint64_t n = s->value;
    if (shown != SHOW_COUNT)
        return n;
    n = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        n += s->buckets[i];
    return n;
}

static uint64_t metric_sum(struct slice samples, enum metric metric, enum shown shown,
                           const char *label)
{
    struct metric_sample s;
    uint64_t sum = 0;
    while (metric_next(&samples, &s)) {
        if (s.metric == metric && (!label || slice_eq(s.labels[0], slice_str(label))))
            sum += sample_value(&s, shown);
    }
    return sum;
}

static void human(struct buf *out, uint64_t bytes)
{
    static const char units[] = "BKMGTP";
    double n = (double)bytes;
    size_t unit = 0;
    while (n >= 1024 && unit < sizeof units - 2) {
        n /= 1024;
        unit++;
    }
    if (unit)
        buf_printf(out, "%.2f%c\r\n", n, units[unit]);
    else
        buf_printf(out, "%" PRIu64 "B\r\n", bytes);
}

static void line_say(const struct info_line *l, struct slice samples, struct buf *out)
{
    if (!l->key)
        return;
    buf_printf(out, "%s:", l->key);
    if (l->shown == SHOW_TEXT) {
        buf_printf(out, "%s\r\n", l->text);
        return;
    }
    uint64_t n = metric_sum(samples, l->metric, l->shown, l->text);
    if (l->shown == SHOW_HUMAN)
        human(out, n);
    else if (l->shown == SHOW_SECONDS)
        buf_printf(out, "%" PRIu64 ".%06" PRIu64 "\r\n", n / 1000000, n % 1000000);
    else
        buf_printf(out, "%" PRIu64 "\r\n", n);
}

/* --- sections --------------------------------------------------------------------------------- */

/* What was asked for: names of sections, one behind the other, each ended by a NUL; empty: the
 * usual ones. */
static bool wanted(struct slice asked, const char *section)
{
    if (!asked.len)
        return true;
    for (const char *at = (const char *)asked.data, *end = at + asked.len; at < end;
         at += strlen(at) + 1) {
        struct slice word = slice_str(at);
        bool all = resp_word_is(word, "all") || resp_word_is(word, "everything") ||
                   resp_word_is(word, "default");
        if (all || strcasecmp(at, section) == 0)
            return true;
    }
    return false;
}

static void section_begin(struct buf *out, const char *name)
{
    buf_printf(out, "%s# %s\r\n", out->len ? "\r\n" : "", name);
}

static void server_say(struct resp_session *r, struct slice samples, struct buf *out)
{
    const struct node_view *v = r->base.view;
    uint64_t now = r->base.ports->now_us(r->base.ports->ctx);
    uint64_t start =
        metric_sum(samples, METRIC_process_start_time_seconds, SHOW_NUMBER, NULL) * 1000;
    uint64_t up = now > start ? (now - start) / 1000000 : 0;
    section_begin(out, "Server");
    buf_printf(out,
               "redis_version:" RESP_REDIS_VERSION "\r\ngridd_version:%s\r\nredis_mode:standalone"
               "\r\narch_bits:%zu\r\nrun_id:",
               v->version, sizeof(void *) * 8);
    for (size_t i = 0; i < 16; i++)
        buf_printf(out, "%02x", v->node_id[i]);
    buf_printf(out,
               "%08" PRIx64 "\r\ntcp_port:%u\r\nserver_time_usec:%" PRIu64
               "\r\nuptime_in_seconds:%" PRIu64 "\r\nuptime_in_days:%" PRIu64 "\r\n",
               v->epoch & UINT32_MAX, v->resp_port, now, up, up / 86400);
}

static void keyspace_say(struct buf *out, uint64_t keys)
{
    section_begin(out, "Keyspace");
    if (keys)
        buf_printf(out, "db0:keys=%" PRIu64 ",expires=0,avg_ttl=0\r\n", keys);
}

static void info_say(struct resp_session *r, struct slice asked, struct slice samples,
                     uint64_t keys, struct buf *text)
{
    const char *section = NULL;
    if (wanted(asked, "server"))
        server_say(r, samples, text);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const struct info_line *l = &lines[i];
        section = l->section ? l->section : section;
        if (!wanted(asked, section))
            continue;
        if (l->section)
            section_begin(text, section);
        line_say(l, samples, text);
    }
    if (wanted(asked, "keyspace"))
        keyspace_say(text, keys);
}

/* --- asking ----------------------------------------------------------------------------------- */

struct info {
    struct buf asked, samples;
};

static void info_free(void *state)
{
    struct info *i = state;
    buf_release(&i->asked);
    buf_release(&i->samples);
    free(i);
}

/* Part 0: the metrics; the others: keys of a shard. */
static void info_result(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                        uint32_t part, const struct result *res)
{
    struct info *i = slot->state;
    if (part == 0 && !res->status)
        buf_add(&i->samples, res->value.data, res->value.len);
    else if (part)
        slot->sum += res->number;
    if (--slot->left)
        return;
    struct buf text = BUF_INIT;
    info_say(r, buf_slice(&i->asked), buf_slice(&i->samples), (uint64_t)slot->sum, &text);
    resp_verbatim(resp_open(r, number), buf_slice(&text), r->resp3);
    resp_close(r, number);
    buf_release(&text);
}

enum resp_taken resp_info(struct resp_session *r, const struct resp_request *q)
{
    enum grid_err err;
    const struct context_info *context = resp_context(r, &err);
    uint32_t shards = r->base.view->shards;
    uint32_t counts = !context ? 0 : context->partitions < shards ? context->partitions : shards;
    struct op *ops = arena_calloc(r->base.arena, counts + 1, sizeof *ops);
    if (!ops)
        return resp_no_room(q->turn);
    uint64_t number;
    struct resp_slot *slot = resp_slot_new(r, &number);
    struct info *i = xcalloc(1, sizeof *i);
    for (uint32_t at = 1; at < q->args_len; at++) {
        buf_add(&i->asked, q->args[at].data, q->args[at].len);
        buf_add_u8(&i->asked, 0);
    }
    slot->result = info_result;
    slot->state = i;
    slot->state_free = info_free;
    slot->sum = 0;
    slot->left = 1 + counts;
    session_admin(&r->base, number, &(struct admin_request){.op = ADMIN_METRICS});
    for (uint32_t at = 0; at < counts; at++) {
        ops[at] = (struct op){
            .kind = OP_COUNT, .cache = r->cache, .all_partitions = true, .partition = (uint16_t)at};
        session_submit(&r->base, &ops[at], session_ticket(&r->base, number, at + 1));
    }
    return RESP_TAKEN;
}
