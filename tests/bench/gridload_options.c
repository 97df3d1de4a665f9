/* gridload_options.c - the switches as a table: it parses, gives the defaults and prints the
 * help. */
#include "tests/bench/gridload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum switch_kind { TEXT, NUMBER, REAL, FLAG };

struct switch_ {
    const char *name;
    enum switch_kind kind;
    size_t place;
    const char *standard; /* default; NULL: none */
    double min, max;      /* NUMBER, REAL */
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct switch_ switches[] = {
    {"protocol", TEXT, AT(protocol), "grid", 0, 0,
     "grid, resp, resp-wait (SET and WAIT 1 0), memcached or echo"},
    {"host", TEXT, AT(host), "127.0.0.1", 0, 0, "numeric IPv4 address of the server"},
    {"port", NUMBER, AT(port), "7400", 1, 65535, "port of the server"},
    {"tls-ca", TEXT, AT(tls_ca), NULL, 0, 0, "TLS: trust this CA (PEM)"},
    {"tls-cert", TEXT, AT(tls_cert), NULL, 0, 0, "TLS: own certificate"},
    {"tls-key", TEXT, AT(tls_key), NULL, 0, 0, "TLS: own key"},
    {"connections", NUMBER, AT(connections), "50", 1, 20000, "connections"},
    {"depth", NUMBER, AT(depth), "1", 1, 65536, "requests in flight per connection"},
    {"rate", NUMBER, AT(rate), "0", 0, 1e9,
     "open loop: requests per second of all; 0: closed loop"},
    {"keys", NUMBER, AT(keys), "1000000", 1, 1e11, "key space"},
    {"value-bytes", NUMBER, AT(value_bytes), "100", 0, VALUE_BYTES_MAX, "size of a value"},
    {"put-percent", NUMBER, AT(put_percent), "0", 0, 100, "share of writes"},
    {"distribution", TEXT, AT(distribution), "uniform", 0, 0, "of keys: uniform or zipf"},
    {"theta", REAL, AT(theta), "0.99", 0.01, 0.9999, "skew of zipf"},
    {"seconds", REAL, AT(seconds), "5", 0.001, 1e6, "length of the measured window"},
    {"warmup", REAL, AT(warmup), "1", 0, 1e6, "seconds before it"},
    {"count", NUMBER, AT(count), "0", 0, 1e15, "stop after so many requests; 0: by time"},
    {"seed", NUMBER, AT(seed), "1", 0, 1e18, "of the random keys"},
    {"server-pid", TEXT, AT(server_pids), "", 0, 0,
     "process, or P,P..., whose CPU time is reported"},
    {"cache", TEXT, AT(cache), "default/default", 0, 0, "grid: context/cache"},
    {"durability", TEXT, AT(durability), NULL, 0, 0,
     "grid: make the context and cache so when they are not there: sync, async or memory"},
    {"shape", TEXT, AT(shape), "string", 0, 0,
     "resp: string (GET, SET), mset (MSET of ten keys), hash (HGET, HSET, ten fields a hash), "
     "evalsha or fcall (a script reads, adds and writes)"},
    {"task", TEXT, AT(task), NULL, 0, 0,
     "grid: writes run this task, MODULE.TASK, with argument 1"},
    {"fill", FLAG, AT(fill), NULL, 0, 0, "write every key once, in order, and stop"},
    {"check", FLAG, AT(check), NULL, 0, 0, "compare the whole value that comes back"},
    {"probe", FLAG, AT(probe), NULL, 0, 0,
     "try until one value is read rightly and all is warm (at most --seconds), print the times"},
    {"since", NUMBER, AT(since_ns), "0", 0, 1e18,
     "--probe: count from here, ns of CLOCK_MONOTONIC"},
    {"routed", FLAG, AT(routed), NULL, 0, 0,
     "grid: of several nodes: a connection to each, every key to its primary"},
    {"no-once", FLAG, AT(no_once), NULL, 0, 0, "grid: writes without exactly-once"},
};

enum { SWITCHES = sizeof switches / sizeof *switches };

static void help(FILE *to)
{
    fprintf(to, "gridload - put a server under load and measure it; prints one JSON object.\n\n");
    for (size_t i = 0; i < SWITCHES; i++) {
        const struct switch_ *s = &switches[i];
        fprintf(to, "  --%-13s %s%s%s%s\n", s->name, s->help, s->standard ? " [" : "",
                s->standard ? s->standard : "", s->standard ? "]" : "");
    }
}

static _Noreturn void usage(const char *what, const char *word)
{
    fprintf(stderr, "gridload: %s: %s (see --help)\n", what, word);
    exit(2);
}

static double number_read(const struct switch_ *s, const char *text)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= s->min && v <= s->max))
        usage("not a number within its limits", text);
    return v;
}

static void value_set(const struct switch_ *s, const char *text, struct options *o)
{
    void *place = (char *)o + s->place;
    switch (s->kind) {
    case TEXT:
        memcpy(place, &text, sizeof text);
        break;
    case NUMBER:
        *(uint64_t *)place = (uint64_t)number_read(s, text);
        break;
    case REAL:
        *(double *)place = number_read(s, text);
        break;
    case FLAG:
        *(bool *)place = true;
        break;
    }
}

static const struct switch_ *switch_find(const char *arg)
{
    for (size_t i = 0; i < SWITCHES && strncmp(arg, "--", 2) == 0; i++) {
        if (strcmp(arg + 2, switches[i].name) == 0)
            return &switches[i];
    }
    usage("unknown switch", arg);
}

static bool shape_known(const char *shape)
{
    static const char *const shapes[] = {"string", "mset", "hash", "evalsha", "fcall"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (strcmp(shape, shapes[i]) == 0)
            return true;
    return false;
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
    *ret_options = (struct options){0};
    for (size_t i = 0; i < SWITCHES; i++) {
        if (switches[i].standard)
            value_set(&switches[i], switches[i].standard, ret_options);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help(stdout);
            exit(0);
        }
        const struct switch_ *s = switch_find(argv[i]);
        if (s->kind != FLAG && i + 1 == argc)
            usage("needs a value", argv[i]);
        value_set(s, s->kind == FLAG ? NULL : argv[++i], ret_options);
    }
    if (!protocol_find(ret_options->protocol))
        usage("unknown protocol", ret_options->protocol);
    if (strcmp(ret_options->distribution, "uniform") && strcmp(ret_options->distribution, "zipf"))
        usage("unknown distribution", ret_options->distribution);
    if (!shape_known(ret_options->shape))
        usage("unknown shape", ret_options->shape);
    if (ret_options->task && strlen(ret_options->task) > TASK_BYTES_MAX)
        usage("too long for a task", ret_options->task);
}
