/* embed.c - gridd.h: a node and the configuration it runs with. */
#include "embed_priv.h"

#include "base/alloc.h"
#include "base/metrics.h"
#include "conf.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- configuration ---------------------------------------------------------------------------- */

enum { GIVEN_MAX = 20, NUMBER_BYTES = 24 };

struct given {
    struct conf_given list[GIVEN_MAX];
    const char *values[GIVEN_MAX];
    char numbers[GIVEN_MAX][NUMBER_BYTES];
    size_t len;
};

static void give(struct given *g, const char *section, const char *key, const char *value)
{
    if (!value)
        return;
    CHECK(g->len < GIVEN_MAX);
    g->values[g->len] = value;
    g->list[g->len] = (struct conf_given){section, key, &g->values[g->len], 1};
    g->len++;
}

static void give_number(struct given *g, const char *section, const char *key, uint64_t value)
{
    char *text = g->numbers[g->len];
    snprintf(text, NUMBER_BYTES, "%llu", (unsigned long long)value);
    give(g, section, key, value ? text : NULL);
}

static void give_list(struct given *g, const char *section, const char *key,
                      const char *const *values)
{
    size_t n = 0;
    while (values && values[n])
        n++;
    if (!values)
        return;
    CHECK(g->len < GIVEN_MAX);
    g->list[g->len++] = (struct conf_given){section, key, values, n};
}

static void given_make(const struct grid_node_conf *c, struct given *g)
{
    const char *off = c->file || c->text ? NULL : "off";
    g->len = 0;
    give(g, "node", "name", c->name);
    give(g, "node", "grid", c->grid);
    give(g, "node", "data", c->data);
    give_list(g, "node", "labels", c->labels);
    give_number(g, "node", "weight", c->weight);
    give_number(g, "node", "bootstrap_expect", c->bootstrap_expect);
    give_list(g, "", "peers", c->peers);
    give_number(g, "storage", "shards", c->shards);
    give_number(g, "limits", "memory", c->memory);
    give(g, "listen", "client", c->client);
    give(g, "listen", "peer", c->peer);
    give(g, "listen", "http", c->http ? c->http : off);
    give(g, "listen", "resp", c->resp ? c->resp : off);
    give(g, "tls", "ca", c->ca);
    give(g, "tls", "cert", c->cert);
    give(g, "tls", "key", c->key);
}

/* Lines of faults as one. */
static void faults_join(const struct buf *faults, char *why)
{
    size_t n = faults->len < NODE_WHY_BYTES ? faults->len : NODE_WHY_BYTES - 1;
    memcpy(why, faults->data, n);
    while (n && why[n - 1] == '\n')
        n--;
    why[n] = '\0';
    for (char *p = why; (p = strchr(p, '\n')); p++)
        *p = ';';
}

/* The program may change its directory: what the node makes later is not made there. */
static bool data_fix(struct conf *c, char *why)
{
    char *here, *path = c->data;
    if (*path == '/')
        return true;
    if (!(here = getcwd(NULL, 0))) {
        snprintf(why, NODE_WHY_BYTES, "%s: the directory of the process: %s", path,
                 strerror(errno));
        return false;
    }
    while (strncmp(path, "./", 2) == 0)
        path += 2 + strspn(path + 2, "/");
    struct buf whole = BUF_INIT;
    buf_printf(&whole, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
    buf_add_u8(&whole, 0);
    free(here);
    free(c->data);
    c->data = xstrdup((const char *)whole.data);
    buf_release(&whole);
    return true;
}

/* libconfuse keeps what it reads in globals. */
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

static struct conf *conf_make(const struct grid_node_conf *c, char *why)
{
    struct conf *conf = NULL;
    struct buf faults = BUF_INIT;
    struct given g;
    given_make(c, &g);
    pthread_mutex_lock(&reading);
    enum grid_err err = c->file
                            ? conf_load(c->file, g.list, g.len, &faults, &conf)
                            : conf_parse_with("configuration", slice_str(c->text ? c->text : ""),
                                              g.list, g.len, &faults, &conf);
    pthread_mutex_unlock(&reading);
    if (err)
        faults_join(&faults, why);
    buf_release(&faults);
    if (err)
        return NULL;
    if (data_fix(conf, why))
        return conf;
    conf_free(conf);
    return NULL;
}

static struct node_conf node_conf_of(const struct conf *c)
{
    return (struct node_conf){
        .name = c->name,
        .grid = c->grid,
        .data = c->data,
        .module_dir = c->module_dir,
        .labels = (const char *const *)c->labels,
        .labels_len = c->labels_len,
        .weight = (unsigned)c->weight,
        .peers = (const char *const *)c->peers,
        .peers_len = c->peers_len,
        .bootstrap_expect = (unsigned)c->bootstrap_expect,
        .listen_client = c->client,
        .listen_peer = c->peer,
        .listen_http = conf_door(c->http),
        .listen_resp = conf_door(c->resp),
        .resp_caches = (const char *const *)c->resp_caches,
        .resp_caches_len = c->resp_caches_len,
        .resp_per_shard = strcmp(c->resp_ports, "per_shard") == 0,
        .resp_shard_base = (uint16_t)c->resp_shard_base,
        .advertise_client = c->advertise_client,
        .advertise_peer = c->advertise_peer,
        .advertise_http = c->advertise_http,
        .advertise_resp = c->advertise_resp,
        .http_plain = !c->tls_http,
        .resp_plain = !c->tls_resp,
        .ca = c->ca,
        .cert = c->cert,
        .key = c->key,
        .client_certificates = c->client_certificates,
        .users = (const char *const *)c->users,
        .users_len = c->users_len,
        .rights = (const char *const *)c->rights,
        .rights_len = c->rights_len,
        .shards = (unsigned)c->shards,
        .pool_threads = (unsigned)c->pool_threads,
        .job_threads = (unsigned)c->job_threads,
        .jobs_per_module = (unsigned)c->jobs_per_module,
        .segment_bytes = (uint64_t)c->log_segment,
        .memory_bytes = (uint64_t)c->memory,
        .connections = (unsigned)c->connections,
        .idle_ms = (msec_t)c->idle_timeout,
        .slow_reader_ms = (msec_t)c->slow_reader,
        .handshake_ms = (msec_t)c->handshake_timeout,
        .requests = (unsigned)c->requests_per_connection,
        .output_bytes = (size_t)c->output_per_connection,
    };
}

/* --- what it tells ---------------------------------------------------------------------------- */

static void line_tell(void *ctx, enum log_level level, const char *room, const char *text)
{
    struct grid_node *n = ctx;
    n->told(n->ctx, (enum grid_log_level)level, room, text);
}

static void log_apply(struct grid_node *n, const struct conf *c)
{
    enum log_level level = LOG_INFO;
    (void)log_level_parse(c->level, &level);
    atomic_store(&n->log.level, (int)level);
    atomic_store(&n->log.format, strcmp(c->format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
}

static void fault_tell(void *ctx, const char *why)
{
    struct grid_node *n = ctx;
    if (n->fault)
        n->fault(n->ctx, why);
}

/* --- life ------------------------------------------------------------------------------------- */

static void node_release(struct grid_node *n)
{
    conf_free(n->conf);
    free(n);
}

/* As this library knows it: a program may have been compiled with an older header, or a newer. */
static struct grid_node_conf conf_own(const struct grid_node_conf *c)
{
    struct grid_node_conf own;
    memset(&own, 0, sizeof own);
    memcpy(&own, c, c->size && c->size < sizeof own ? c->size : sizeof own);
    return own;
}

struct grid_node *grid_node_start(const struct grid_node_conf *given, char *why)
{
    char unread[NODE_WHY_BYTES];
    const struct grid_node_conf own = conf_own(given), *conf = &own;
    why = why ? why : unread;
    why[0] = '\0';
    struct conf *c = conf_make(conf, why);
    if (!c)
        return NULL;
    struct grid_node *n = xcalloc(1, sizeof *n);
    n->conf = c;
    n->ctx = conf->ctx;
    n->told = conf->log;
    n->fault = conf->fault;
    n->log.ctx = n;
    n->log.line = conf->log ? line_tell : NULL;
    log_apply(n, c);
    struct node_conf node = node_conf_of(c);
    node.user = conf->change_user ? c->user : NULL;
    node.modules = conf->modules;
    node.log = &n->log;
    node.fault = fault_tell;
    node.ctx = n;
    enum grid_err err = node_start(&node, why, &n->node);
    if (!err)
        return n;
    if (!why[0])
        snprintf(why, NODE_WHY_BYTES, "%s", err_text(err));
    node_release(n);
    return NULL;
}

void grid_node_stop(struct grid_node *n)
{
    if (!n)
        return;
    node_stop(n->node);
    node_release(n);
}

/* --- running ---------------------------------------------------------------------------------- */

static bool take_over(struct grid_node *n, const struct conf *new, char *why)
{
    struct node_conf conf = node_conf_of(new);
    struct buf text = BUF_INIT;
    enum grid_err err = node_reload(n->node, &conf, why);
    if (err) {
        if (!why[0])
            snprintf(why, NODE_WHY_BYTES, "%s", err_text(err));
        return false;
    }
    log_apply(n, new);
    conf_differences(n->conf, new, &text);
    log_info("node", "the configuration was read anew%s%.*s",
             text.len ? "; with a restart only: " : "", (int)text.len, (const char *)text.data);
    buf_release(&text);
    return true;
}

bool grid_node_reload(struct grid_node *n, const struct grid_node_conf *conf, char *why)
{
    char unread[NODE_WHY_BYTES];
    why = why ? why : unread;
    why[0] = '\0';
    struct log_sink *own = log_used();
    const struct grid_node_conf known = conf_own(conf);
    log_use(&n->log);
    struct conf *new = conf_make(&known, why);
    bool done = new &&take_over(n, new, why);
    if (!done)
        log_error("node", "not reloaded, the old settings stay: %s", why);
    log_use(own);
    conf_free(new);
    return done;
}

bool grid_node_ready(struct grid_node *n, char *why)
{
    struct buf samples = BUF_INIT, reasons = BUF_INIT;
    struct metric_sample s;
    bool ready = false;
    enum grid_err err = node_measure(n->node, &samples);
    struct slice rest = buf_slice(&samples);
    while (!err && metric_next(&rest, &s)) {
        ready |= s.metric == METRIC_ready && s.value;
        if (s.metric == METRIC_problem && s.value)
            buf_printf(&reasons, "%s%.*s", reasons.len ? ", " : "", (int)s.labels[0].len,
                       (const char *)s.labels[0].data);
    }
    if (why)
        snprintf(why, NODE_WHY_BYTES, "%.*s", err ? 0 : (int)reasons.len,
                 err ? "" : (const char *)reasons.data);
    if (why && err)
        snprintf(why, NODE_WHY_BYTES, "%s", err_text(err));
    buf_release(&samples);
    buf_release(&reasons);
    return ready;
}

char *grid_node_metrics(struct grid_node *n)
{
    struct buf samples = BUF_INIT, text = BUF_INIT;
    char *copy = NULL;
    if (node_measure(n->node, &samples) == GRID_OK) {
        metric_text(buf_slice(&samples), METRIC_TEXT_PLAIN, &text);
        buf_add_u8(&text, 0);
        copy = xstrdup((const char *)text.data);
    }
    buf_release(&samples);
    buf_release(&text);
    return copy;
}

const char *grid_node_address(const struct grid_node *n, enum grid_node_door door)
{
    return (unsigned)door < NODE_DOORS ? node_address(n->node, (enum node_door)door) : NULL;
}

const char *gridd_version(void)
{
    return GRIDD_VERSION;
}
