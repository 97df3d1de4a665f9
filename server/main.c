/* main.c - the command line of gridd: reads what to run, runs one node, says what went wrong. */
#include "base/log.h"
#include "conf.h"
#include "node/node.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

enum { EXIT_FAULT = 2, PORT_BASE = 7400, PORT_BASE_MAX = 65532 };

static const char usage[] =
    "usage: gridd --config FILE            run in the foreground, log to stderr\n"
    "       gridd --dev [--data DIR] [--port-base N]\n"
    "                                      a grid of one on loopback, no TLS; data in "
    "./gridd-data;\n"
    "                                      ports N client, N+1 peer, N+2 HTTP, N+3 RESP; N = "
    "7400\n"
    "       gridd --check-config FILE      exit 0, or say each fault with file:line\n"
    "       gridd --version | --help\n";

struct arguments {
    const char *config, *check, *data;
    long port_base;
    bool dev, version, help;
};

static int fault(const char *what)
{
    fprintf(stderr, "gridd: %s\n%s", what, usage);
    return EXIT_FAULT;
}

static int arguments_read(int argc, char **argv, struct arguments *a)
{
    static const struct option long_options[] = {{"config", required_argument, NULL, 'c'},
                                                 {"dev", no_argument, NULL, 'd'},
                                                 {"check-config", required_argument, NULL, 'k'},
                                                 {"data", required_argument, NULL, 'D'},
                                                 {"port-base", required_argument, NULL, 'p'},
                                                 {"version", no_argument, NULL, 'v'},
                                                 {"help", no_argument, NULL, 'h'},
                                                 {NULL, 0, NULL, 0}};
    *a = (struct arguments){.data = "./gridd-data", .port_base = PORT_BASE};
    bool dev_only = false;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        char *end = NULL;
        switch (c) {
        case 'c':
            a->config = optarg;
            break;
        case 'k':
            a->check = optarg;
            break;
        case 'd':
            a->dev = true;
            break;
        case 'v':
            a->version = true;
            break;
        case 'h':
            a->help = true;
            break;
        case 'D':
            a->data = optarg;
            dev_only = true;
            if (!*optarg)
                return fault("--data: expected a directory");
            break;
        case 'p':
            a->port_base = strtol(optarg, &end, 10);
            dev_only = true;
            if (*end || end == optarg || a->port_base < 1 || a->port_base > PORT_BASE_MAX)
                return fault("--port-base: expected a number from 1 to 65532");
            break;
        default:
            return fault("see the usage");
        }
    }
    if (optind < argc)
        return fault("there are words behind the options");
    int ways = !!a->config + !!a->check + a->dev + a->version + a->help;
    if (ways != 1)
        return fault("expected one of --config, --dev, --check-config, --version, --help");
    return dev_only && !a->dev ? fault("--data and --port-base go with --dev") : 0;
}

static struct node_conf node_conf_of(const struct conf *c)
{
    return (struct node_conf){
        .name = c->name,
        .grid = c->grid,
        .data = c->data,
        .user = c->user,
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
        .shards = (unsigned)c->shards,
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

static void signals_prepare(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static void log_apply(const struct conf *c)
{
    enum log_level level = LOG_INFO;
    (void)log_level_parse(c->level, &level);
    log_setup(level, strcmp(c->format, "json") == 0 ? LOG_JSON : LOG_LOGFMT);
}

/* What runs, and from which file. `conf` is the one it was started with: the node borrows it. */
struct running {
    const char *path; /* NULL: --dev */
    const struct conf *conf;
    struct node *node;
};

/* Faults end in newlines, and a log line is one. */
static void reload_refuse(struct buf *why)
{
    for (size_t i = 0; i < why->len; i++)
        if (why->data[i] == '\n')
            why->data[i] = i + 1 < why->len ? ';' : ' ';
    log_error("node", "not reloaded, the old settings stay: %.*s", (int)why->len,
              (const char *)why->data);
}

static void reload(void *ctx)
{
    struct running *r = ctx;
    struct conf *new = NULL;
    struct buf text = BUF_INIT;
    char why[NODE_WHY_BYTES] = "";
    if (!r->path) {
        log_info("node", "nothing to reload: started with --dev");
        return;
    }
    sd_notify(0, "RELOADING=1");
    if (conf_load(r->path, &text, &new) != GRID_OK) {
        reload_refuse(&text);
    } else {
        struct node_conf conf = node_conf_of(new);
        if (node_reload(r->node, &conf, why) != GRID_OK) {
            buf_add(&text, why, strlen(why));
            reload_refuse(&text);
        } else {
            log_apply(new);
            conf_differences(r->conf, new, &text);
            log_info("node", "%s was read anew%s%.*s", r->path,
                     text.len ? "; with a restart only: " : "", (int)text.len,
                     (const char *)text.data);
        }
    }
    sd_notify(0, "READY=1");
    conf_free(new);
    buf_release(&text);
}

/* `path`: the file of `c`, NULL with --dev. */
static int run(const struct conf *c, const char *path)
{
    log_apply(c);
    signals_prepare();
    char why[NODE_WHY_BYTES] = "";
    struct node_conf conf = node_conf_of(c);
    struct running running = {path, c, NULL};
    enum grid_err err = node_start(&conf, why, &running.node);
    struct node *node = running.node;
    if (err) {
        fprintf(stderr, "gridd: %s\n", why[0] ? why : err_text(err));
        return EXIT_FAULT;
    }
    log_info("node", "gridd " GRIDD_VERSION " %s of grid %s serves %s with %u shards from %s",
             c->name, c->grid, node_addresses(node), node_shards(node), c->data);
    sd_notify(0, "READY=1");
    node_run(node, reload, &running);
    sd_notify(0, "STOPPING=1");
    node_free(node);
    log_info("node", "stopped");
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments a;
    int code = arguments_read(argc, argv, &a);
    if (code)
        return code;
    if (a.version || a.help) {
        fputs(a.version ? "gridd " GRIDD_VERSION "\n" : usage, stdout);
        return 0;
    }
    struct conf *c = NULL;
    struct buf faults = BUF_INIT;
    if (a.dev)
        c = conf_dev(a.data, (unsigned)a.port_base);
    else if (conf_load(a.config ? a.config : a.check, &faults, &c) != GRID_OK)
        fprintf(stderr, "%.*s", (int)faults.len, (const char *)faults.data);
    code = !c ? EXIT_FAULT : a.check ? 0 : run(c, a.config);
    conf_free(c);
    buf_release(&faults);
    return code;
}
