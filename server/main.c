/* main.c - gridd: the command line, signals and systemd around one node of gridd.h. */
#include "gridd.h"

#include "conf.h"
#include "net/fdlimit.h"
#include "store/kv.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

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

/* A fault of the disk, or of what is on it. */
static void fault_told(void *ctx, const char *why)
{
    (void)ctx, (void)why;
    _exit(EXIT_FAULT);
}

static sigset_t signals_block(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return set;
}

static void end_at_once(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

/* Who asks again while the node stops does not want to wait. */
static void signals_end_at_once(const sigset_t *set)
{
    const struct sigaction action = {.sa_handler = end_at_once};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigprocmask(SIG_UNBLOCK, set, NULL);
}

static void run_until_asked(struct grid_node *node, const struct grid_node_conf *conf,
                            const sigset_t *set)
{
    for (;;) {
        int number = sigwaitinfo(set, NULL);
        if (number == SIGTERM || number == SIGINT)
            return;
        if (number != SIGHUP)
            continue;
        sd_notify(0, "RELOADING=1");
        (void)grid_node_reload(node, conf, NULL); /* it logs what is wrong */
        sd_notify(0, "READY=1");
    }
}

static int run(const struct grid_node_conf *conf)
{
    char why[GRID_NODE_WHY_BYTES];
    sigset_t set = signals_block();
    fdlimit_raise();
    kv_lmdb_guard();
    struct grid_node *node = grid_node_start(conf, why);
    if (!node) {
        fprintf(stderr, "gridd: %s\n", why);
        return EXIT_FAULT;
    }
    sd_notify(0, "READY=1");
    run_until_asked(node, conf, &set);
    sd_notify(0, "STOPPING=1");
    signal(SIGHUP, SIG_IGN);
    signals_end_at_once(&set);
    grid_node_stop(node);
    return 0;
}

static int run_dev(const struct arguments *a)
{
    char addresses[4][32];
    for (int i = 0; i < 4; i++)
        snprintf(addresses[i], sizeof addresses[i], "127.0.0.1:%ld", a->port_base + i);
    return run(&(struct grid_node_conf){.name = "dev",
                                        .grid = "dev",
                                        .data = a->data,
                                        .client = addresses[0],
                                        .peer = addresses[1],
                                        .http = addresses[2],
                                        .resp = addresses[3],
                                        .fault = fault_told});
}

/* 0, or all that is wrong with the file is told. */
static int check(const char *path)
{
    struct conf *c = NULL;
    struct buf faults = BUF_INIT;
    enum grid_err err = conf_load(path, NULL, 0, &faults, &c);
    if (faults.len)
        fwrite(faults.data, 1, faults.len, stderr);
    conf_free(c);
    buf_release(&faults);
    return err ? EXIT_FAULT : 0;
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
    if (a.dev)
        return run_dev(&a);
    code = check(a.config ? a.config : a.check);
    if (code || a.check)
        return code;
    return run(
        &(struct grid_node_conf){.file = a.config, .change_user = true, .fault = fault_told});
}
