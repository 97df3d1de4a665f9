/* conf.c - one table of options makes the parser, the defaults and the limits. */
#include "conf.h"

#include "base/alloc.h"

#include <confuse.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum type { TEXT, NUMBER, BYTES, TIME, FLAG, TEXTS };

struct option {
    const char *section; /* NULL: top level */
    const char *key;
    enum type type;
    size_t place; /* in struct conf; of TEXTS the array, its length behind it */
    const char *standard;
    int64_t min, max;
};

#define AT(field) offsetof(struct conf, field)
static const struct option options[] = {
    {NULL, "peers", TEXTS, AT(peers), NULL, 0, 0},
    {"node", "name", TEXT, AT(name), NULL, 0, 0},
    {"node", "grid", TEXT, AT(grid), "grid", 0, 0},
    {"node", "data", TEXT, AT(data), "/var/lib/gridd", 0, 0},
    {"node", "user", TEXT, AT(user), NULL, 0, 0},
    {"node", "labels", TEXTS, AT(labels), NULL, 0, 0},
    {"node", "bootstrap_expect", NUMBER, AT(bootstrap_expect), "1", 1, 7},
    {"listen", "client", TEXT, AT(client), "127.0.0.1:7400", 0, 0},
    {"listen", "peer", TEXT, AT(peer), "127.0.0.1:7401", 0, 0},
    {"listen", "http", TEXT, AT(http), "127.0.0.1:7402", 0, 0},
    {"listen", "resp", TEXT, AT(resp), "127.0.0.1:7403", 0, 0},
    {"listen", "advertise_client", TEXT, AT(advertise_client), NULL, 0, 0},
    {"tls", "ca", TEXT, AT(ca), NULL, 0, 0},
    {"tls", "cert", TEXT, AT(cert), NULL, 0, 0},
    {"tls", "key", TEXT, AT(key), NULL, 0, 0},
    {"tls", "client_certificates", FLAG, AT(client_certificates), "true", 0, 0},
    {"tls", "insecure", FLAG, AT(insecure), "false", 0, 0},
    {"storage", "shards", NUMBER, AT(shards), "0", 0, 256},
    {"storage", "log_segment", BYTES, AT(log_segment), "64M", 1 << 20, INT64_C(1) << 32},
    {"log", "level", TEXT, AT(level), "info", 0, 0},
    {"log", "format", TEXT, AT(format), "logfmt", 0, 0},
    {"limits", "memory", BYTES, AT(memory), "0", 0, INT64_C(1) << 50},
    {"limits", "connections", NUMBER, AT(connections), "10000", 1, 1000000},
    {"limits", "idle_timeout", TIME, AT(idle_timeout), "0", 0, INT64_C(1) << 40},
    {"limits", "slow_reader", TIME, AT(slow_reader), "30s", 100, INT64_C(1) << 40},
    {"limits", "handshake_timeout", TIME, AT(handshake_timeout), "10s", 100, 3600000},
    {"limits", "requests_per_connection", NUMBER, AT(requests_per_connection), "1024", 1, 100000},
    {"limits", "output_per_connection", BYTES, AT(output_per_connection), "1M", 65536, 1 << 30},
};
enum { OPTIONS_LEN = sizeof options / sizeof *options };
static const char *const sections[] = {"node", "listen", "tls", "storage", "log", "limits"};
enum { SECTIONS_LEN = sizeof sections / sizeof *sections };

struct unit {
    const char *text;
    int64_t times;
};
static const struct unit byte_units[] = {{"", 1},        {"K", 1 << 10},          {"M", 1 << 20},
                                         {"G", 1 << 30}, {"T", INT64_C(1) << 40}, {NULL, 0}};
static const struct unit time_units[] = {{"", 1000},     {"ms", 1},       {"s", 1000}, {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit plain_units[] = {{"", 1}, {NULL, 0}};

static bool number_parse(const char *text, const struct unit *units, int64_t *ret_value)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || errno || n < 0)
        return false;
    for (; units->text; units++)
        if (strcmp(end, units->text) == 0)
            return !__builtin_mul_overflow(n, units->times, ret_value);
    return false;
}

/* Where libconfuse's callbacks find the fault list: it has no argument of ours, so it rides on the parse context. */
static _Thread_local struct buf *faults_now;
static _Thread_local const char *path_now;

static void fault_confuse(cfg_t *cfg, const char *fmt, va_list ap)
{
    char text[512];
    vsnprintf(text, sizeof text, fmt, ap);
    buf_printf(faults_now, "%s:%d: %s\n", path_now, cfg ? cfg->line : 0, text);
}

static const char *expected_of(enum type type)
{
    static const char *const texts[] = {"a text",
                                        "a whole number",
                                        "bytes such as 65536, 64M or 2G",
                                        "a time such as 500ms, 10s, 5m or 2h",
                                        "true or false",
                                        "a list of texts"};
    return texts[type];
}

static bool value_set(struct conf *c, const struct option *o, const char *text)
{
    char *at = (char *)c + o->place;
    if (o->type == TEXT) {
        char *copy = text ? xstrdup(text) : NULL;
        free(*(char **)at);
        memcpy(at, &copy, sizeof copy);
        return true;
    }
    if (o->type == FLAG) {
        bool flag =
            strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
        bool off =
            strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "off") == 0;
        memcpy(at, &flag, sizeof flag);
        return flag || off;
    }
    const struct unit *units = o->type == BYTES  ? byte_units
                               : o->type == TIME ? time_units
                                                 : plain_units;
    int64_t n;
    if (!number_parse(text, units, &n) || n < o->min || n > o->max)
        return false;
    memcpy(at, &n, sizeof n);
    return true;
}

/* libconfuse asks while it stands on the line: so a fault gets the right one. Every scalar is kept as text. */
static int value_validate(cfg_t *cfg, cfg_opt_t *opt)
{
    for (size_t i = 0; i < OPTIONS_LEN; i++) {
        const struct option *o = &options[i];
        const char *section = o->section ? o->section : "root";
        if (strcmp(cfg_name(cfg), section) != 0 || strcmp(cfg_opt_name(opt), o->key) != 0 ||
            o->type == TEXTS)
            continue;
        struct conf scratch = {0};
        const char *text = cfg_opt_getnstr(opt, 0);
        bool good = text && value_set(&scratch, o, text);
        if (o->type == TEXT)
            free(*(char **)((char *)&scratch + o->place));
        if (!good && o->type != FLAG && o->type != TEXT)
            cfg_error(cfg, "%s: \"%s\" is not %s between %lld and %lld", o->key, text ? text : "",
                      expected_of(o->type), (long long)o->min, (long long)o->max);
        else if (!good)
            cfg_error(cfg, "%s: \"%s\" is not %s", o->key, text ? text : "", expected_of(o->type));
        return good ? 0 : -1;
    }
    return 0;
}

static struct conf *conf_new(void)
{
    struct conf *c = xcalloc(1, sizeof *c);
    for (size_t i = 0; i < OPTIONS_LEN; i++)
        if (options[i].standard)
            CHECK(value_set(c, &options[i], options[i].standard));
    char host[65] = "node";
    gethostname(host, sizeof host - 1);
    c->name = xstrdup(host);
    return c;
}

static void texts_take(struct conf *c, const struct option *o, cfg_opt_t *opt)
{
    unsigned n = cfg_opt_size(opt);
    char **list = xcalloc(n, sizeof *list);
    for (unsigned i = 0; i < n; i++)
        list[i] = xstrdup(cfg_opt_getnstr(opt, i));
    memcpy((char *)c + o->place, &list, sizeof(char **));
    memcpy((char *)c + o->place + sizeof(char **), &n, sizeof n);
}

static void conf_take(struct conf *c, cfg_t *cfg)
{
    for (size_t i = 0; i < OPTIONS_LEN; i++) {
        const struct option *o = &options[i];
        cfg_t *from = o->section ? cfg_getsec(cfg, o->section) : cfg;
        cfg_opt_t *opt = from ? cfg_getopt(from, o->key) : NULL;
        if (!opt || cfg_opt_size(opt) == 0)
            continue;
        if (o->type == TEXTS)
            texts_take(c, o, opt);
        else if (cfg_opt_getnstr(opt, 0))
            CHECK(value_set(c, o, cfg_opt_getnstr(opt, 0)));
    }
}

static bool loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "localhost:", 10) == 0;
}

static void conf_judge(const struct conf *c, const char *path, struct buf *faults)
{
    const char *const addresses[] = {c->client, c->peer, c->http, c->resp};
    static const char *const names[] = {"client", "peer", "http", "resp"};
    for (size_t i = 0; i < 4; i++) {
        const char *colon = strrchr(addresses[i], ':');
        int64_t port;
        if (!colon || !number_parse(colon + 1, plain_units, &port) || port > 65535)
            buf_printf(faults, "%s: listen: %s: \"%s\" is not host:port\n", path, names[i],
                       addresses[i]);
        else if (!loopback(addresses[i]) && !c->cert && !c->insecure)
            buf_printf(faults,
                       "%s: listen: %s: \"%s\" is not loopback: it needs tls { ca cert key }, or "
                       "tls { insecure = "
                       "true } to go without\n",
                       path, names[i], addresses[i]);
    }
    if (!!c->cert != !!c->key)
        buf_printf(faults, "%s: tls: cert and key belong together\n", path);
    if (c->cert && !c->ca)
        buf_printf(faults, "%s: tls: ca is missing\n", path);
    if (c->bootstrap_expect != 1 || c->peers_len > 1)
        buf_printf(
            faults,
            "%s: this version runs grids of one node: peers may name one, bootstrap_expect is 1\n",
            path);
    if (strcmp(c->level, "debug") != 0 && strcmp(c->level, "info") != 0 &&
        strcmp(c->level, "warn") != 0 && strcmp(c->level, "error") != 0)
        buf_printf(faults, "%s: log: level: \"%s\" is not debug, info, warn or error\n", path,
                   c->level);
    if (strcmp(c->format, "logfmt") != 0 && strcmp(c->format, "json") != 0)
        buf_printf(faults, "%s: log: format: \"%s\" is not logfmt or json\n", path, c->format);
}

static void schema_make(cfg_opt_t *top, cfg_opt_t rows[SECTIONS_LEN][OPTIONS_LEN + 1])
{
    size_t top_len = 0;
    for (size_t s = 0; s <= SECTIONS_LEN; s++) {
        cfg_opt_t *to = s < SECTIONS_LEN ? rows[s] : top;
        size_t len = 0;
        for (size_t i = 0; i < OPTIONS_LEN; i++) {
            const struct option *o = &options[i];
            bool here =
                s < SECTIONS_LEN ? o->section && strcmp(o->section, sections[s]) == 0 : !o->section;
            cfg_opt_t list = CFG_STR_LIST(o->key, NULL, CFGF_NODEFAULT);
            cfg_opt_t text = CFG_STR(o->key, NULL, CFGF_NODEFAULT);
            if (here)
                to[len++] = o->type == TEXTS ? list : text;
        }
        top_len = len;
        to[len] = (cfg_opt_t)CFG_END();
    }
    for (size_t s = 0; s < SECTIONS_LEN; s++)
        top[top_len++] = (cfg_opt_t)CFG_SEC(sections[s], rows[s], CFGF_NONE);
    top[top_len] = (cfg_opt_t)CFG_END();
}

enum grid_err conf_load(const char *path, struct buf *faults, struct conf **ret_conf)
{
    cfg_opt_t rows[SECTIONS_LEN][OPTIONS_LEN + 1], top[SECTIONS_LEN + OPTIONS_LEN + 1];
    size_t before = faults->len;
    schema_make(top, rows);
    cfg_t *cfg = cfg_init(top, CFGF_NONE);
    CHECK(cfg);
    faults_now = faults;
    path_now = path;
    cfg_set_error_function(cfg, fault_confuse);
    for (size_t i = 0; i < OPTIONS_LEN; i++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s%s", options[i].section ? options[i].section : "",
                 options[i].section ? "|" : "", options[i].key);
        cfg_set_validate_func(cfg, name, value_validate);
    }
    struct conf *c = conf_new();
    int parsed = cfg_parse(cfg, path);
    if (parsed == CFG_FILE_ERROR)
        buf_printf(faults, "%s: cannot be read: %s\n", path, strerror(errno));
    else if (parsed == CFG_SUCCESS)
        conf_take(c, cfg);
    else if (faults->len == before)
        buf_printf(faults, "%s: not valid\n", path);
    if (parsed == CFG_SUCCESS)
        conf_judge(c, path, faults);
    cfg_free(cfg);
    faults_now = NULL;
    path_now = NULL;
    if (faults->len != before) {
        conf_free(c);
        return GRID_EBAD_REQUEST;
    }
    *ret_conf = c;
    return GRID_OK;
}

struct conf *conf_dev(const char *data, unsigned port_base)
{
    struct conf *c = conf_new();
    char **const addresses[] = {&c->client, &c->peer, &c->http, &c->resp};
    for (unsigned i = 0; i < 4; i++) {
        free(*addresses[i]);
        char text[32];
        snprintf(text, sizeof text, "127.0.0.1:%u", port_base + i);
        *addresses[i] = xstrdup(text);
    }
    char **const texts[] = {&c->name, &c->grid, &c->data};
    const char *const values[] = {"dev", "dev", data};
    for (unsigned i = 0; i < 3; i++) {
        free(*texts[i]);
        *texts[i] = xstrdup(values[i]);
    }
    return c;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < OPTIONS_LEN; i++)
        if (options[i].type == TEXT)
            free(*(char **)((char *)c + options[i].place));
    for (unsigned i = 0; i < c->peers_len; i++)
        free(c->peers[i]);
    for (unsigned i = 0; i < c->labels_len; i++)
        free(c->labels[i]);
    free(c->peers);
    free(c->labels);
    free(c);
}
