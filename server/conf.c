/* conf.c - gridd.conf: a pass of libconfuse over the text, values by the table, then judgement.
 *
 * All faults are told in one run. A wrong value is noted and passed over. A key that nobody knows
 * would end a pass of libconfuse: it is noted, added to the schema as a list of texts (which takes
 * a single text, too), and the text is read once more. Only a broken structure and a section that
 * nobody knows end the reading. */
#include "conf.h"

#include "base/alloc.h"
#include "base/rights.h"
#include "conf_table.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAULTS_MAX = 50, UNKNOWN_MAX = 20, KEY_BYTES_MAX = 64 };

/* Stands behind the text: what is not closed meets it. */
#define END_KEY "end_of_gridd_conf"

struct fault {
    int line;
    char *text;
};

struct unknown {
    unsigned section; /* index; CONF_SECTIONS: top level */
    int line;
    char key[KEY_BYTES_MAX];
};

/* One reading. libconfuse's callbacks have no argument of ours: they find it in `reading_now`. */
struct reading {
    const char *name;
    struct fault faults[FAULTS_MAX];
    size_t faults_len;
    struct unknown unknown[UNKNOWN_MAX];
    size_t unknown_len;
    bool again;              /* an unknown key was added to the schema */
    int last;                /* line of the text */
    int lines[CONF_OPTIONS]; /* where each key was set last in this pass; 0: not */
    int sections[CONF_SECTIONS];
};
static _Thread_local struct reading *reading_now;

static void fault_add(struct reading *r, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fault_add(struct reading *r, int line, const char *fmt, ...)
{
    if (r->faults_len == FAULTS_MAX)
        return;
    if (line > r->last) /* END_KEY stands behind it */
        line = r->last;
    struct buf text = BUF_INIT;
    char line_text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line_text, sizeof line_text, fmt, ap);
    va_end(ap);
    buf_add(&text, line_text, strlen(line_text) + 1);
    /* in the order of the file; faults of one line in the order they were found */
    size_t at = r->faults_len++;
    for (; at > 0 && r->faults[at - 1].line > line; at--)
        r->faults[at] = r->faults[at - 1];
    r->faults[at] = (struct fault){line, (char *)text.data};
}

static void faults_clear(struct reading *r)
{
    for (size_t i = 0; i < r->faults_len; i++)
        free(r->faults[i].text);
    r->faults_len = 0;
}

/* Control bytes of a hostile file do not reach a terminal. */
static void faults_tell(struct reading *r, struct buf *to)
{
    for (size_t i = 0; i < r->faults_len; i++) {
        for (char *p = r->faults[i].text; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                *p = '?';
        if (r->faults[i].line)
            buf_printf(to, "%s:%d: %s\n", r->name, r->faults[i].line, r->faults[i].text);
        else
            buf_printf(to, "%s: %s\n", r->name, r->faults[i].text);
    }
    if (r->faults_len == FAULTS_MAX || r->unknown_len == UNKNOWN_MAX)
        buf_printf(to, "%s: there may be more\n", r->name);
}

static const char *section_of(const struct conf_option *o)
{
    return o->section ? o->section : "top level";
}

static void value_refuse(struct reading *r, int line, const struct conf_option *o, const char *text)
{
    struct buf expected = BUF_INIT;
    size_t shown = o->type == CONF_USERS ? strcspn(text, ":") : strlen(text); /* no hash in logs */
    conf_expected(o, &expected);
    fault_add(r, line, "%s: %s: \"%.*s\" is not %.*s", section_of(o), o->key, (int)shown, text,
              (int)expected.len, (const char *)expected.data);
    buf_release(&expected);
}

/* --- libconfuse's callbacks ------------------------------------------------------------------- */

static unsigned section_index(const char *name)
{
    unsigned s = 0;
    while (s < CONF_SECTIONS && strcmp(conf_sections[s], name) != 0)
        s++;
    return s; /* "root" is none: CONF_SECTIONS */
}

/* Whether the message of libconfuse is told in another way. */
static bool unknown_note(struct reading *r, cfg_t *cfg, const char *text)
{
    char key[KEY_BYTES_MAX];
    if (sscanf(text, "missing equal sign after option '%63[^']'", key) == 1) {
        for (size_t i = 0; i < r->unknown_len; i++)
            if (strcmp(r->unknown[i].key, key) == 0)
                return true;
        return false;
    }
    if (sscanf(text, "no such option '%63[^']'", key) != 1)
        return false;
    if (strcmp(key, END_KEY) == 0) {
        fault_add(r, cfg->line, "%s: the file ends before the }", cfg_name(cfg));
        return true;
    }
    if (r->unknown_len == UNKNOWN_MAX)
        return true;
    struct unknown *u = &r->unknown[r->unknown_len++];
    u->section = section_index(cfg_name(cfg));
    u->line = cfg->line;
    memcpy(u->key, key, sizeof key);
    r->again = true;
    return true;
}

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    struct reading *r = reading_now;
    char text[512];
    vsnprintf(text, sizeof text, fmt, ap);
    if (!unknown_note(r, cfg, text))
        fault_add(r, cfg->line, "%s", text);
}

/* Called while libconfuse stands behind the value: so a fault gets the right line. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    struct reading *r = reading_now;
    unsigned section = section_index(cfg_name(cfg));
    for (size_t i = 0; i < CONF_OPTIONS; i++) {
        const struct conf_option *o = &conf_options[i];
        bool here = o->section ? section < CONF_SECTIONS && strcmp(o->section, cfg_name(cfg)) == 0
                               : section == CONF_SECTIONS;
        if (!here || strcmp(cfg_opt_name(opt), o->key) != 0)
            continue;
        if (r->lines[i] && !conf_is_list(o))
            fault_add(r, cfg->line, "%s: %s was given before, in line %d", section_of(o), o->key,
                      r->lines[i]);
        r->lines[i] = cfg->line;
        if (!conf_is_list(o) && !conf_value_good(o, cfg_opt_getnstr(opt, 0)))
            value_refuse(r, cfg->line, o, cfg_opt_getnstr(opt, 0));
    }
    return 0;
}

static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
    unsigned s = section_index(cfg_opt_name(opt));
    if (s < CONF_SECTIONS && reading_now->sections[s]++)
        fault_add(reading_now, cfg->line, "%s: a second section of this name; put all into one",
                  conf_sections[s]);
    return 0;
}

/* --- a pass ----------------------------------------------------------------------------------- */

typedef cfg_opt_t schema_row[CONF_OPTIONS + UNKNOWN_MAX + CONF_SECTIONS + 2];

static void schema_make(const struct reading *r, schema_row rows[CONF_SECTIONS + 1])
{
    for (unsigned s = 0; s <= CONF_SECTIONS; s++) {
        cfg_opt_t *to = rows[s];
        for (size_t i = 0; i < CONF_OPTIONS; i++) {
            const struct conf_option *o = &conf_options[i];
            if (section_index(o->section ? o->section : "") != s)
                continue;
            cfg_opt_t list = CFG_STR_LIST(o->key, NULL, CFGF_NODEFAULT);
            cfg_opt_t text = CFG_STR(o->key, NULL, CFGF_NODEFAULT);
            *to++ = conf_is_list(o) ? list : text;
        }
        for (size_t i = 0; i < r->unknown_len; i++)
            if (r->unknown[i].section == s)
                *to++ = (cfg_opt_t)CFG_STR_LIST(r->unknown[i].key, NULL, CFGF_NODEFAULT);
        for (unsigned k = 0; s == CONF_SECTIONS && k < CONF_SECTIONS; k++)
            *to++ = (cfg_opt_t)CFG_SEC(conf_sections[k], rows[k], CFGF_NONE);
        if (s == CONF_SECTIONS)
            *to++ = (cfg_opt_t)CFG_STR(END_KEY, NULL, CFGF_NODEFAULT);
        *to = (cfg_opt_t)CFG_END();
    }
}

static void callbacks_set(cfg_t *cfg)
{
    cfg_set_error_function(cfg, on_error);
    for (size_t i = 0; i < CONF_OPTIONS; i++) {
        char path[80];
        const struct conf_option *o = &conf_options[i];
        snprintf(path, sizeof path, "%s%s%s", o->section ? o->section : "", o->section ? "|" : "",
                 o->key);
        cfg_set_validate_func(cfg, path, on_value);
    }
    for (unsigned s = 0; s < CONF_SECTIONS; s++)
        cfg_set_validate_func(cfg, conf_sections[s], on_section);
}

static const struct conf_option *option_at(size_t place)
{
    for (size_t i = 0; i < CONF_OPTIONS; i++)
        if (conf_options[i].place == place)
            return &conf_options[i];
    abort();
}

static struct conf *conf_new(void)
{
    struct conf *c = xcalloc(1, sizeof *c);
    for (size_t i = 0; i < CONF_OPTIONS; i++)
        if (conf_options[i].standard)
            CHECK(conf_value_set(c, &conf_options[i], conf_options[i].standard));
    char host[65] = "";
    gethostname(host, sizeof host - 1);
    c->name = xstrdup("node");
    (void)conf_value_set(c, option_at(offsetof(struct conf, name)), host);
    return c;
}

static void texts_take(struct reading *r, struct conf *c, const struct conf_option *o,
                       cfg_opt_t *opt)
{
    unsigned n = cfg_opt_size(opt);
    if (n > CONF_LIST_MAX) {
        fault_add(r, r->lines[o - conf_options], "%s: %s: more than %d entries", section_of(o),
                  o->key, CONF_LIST_MAX);
        n = CONF_LIST_MAX;
    }
    char **list = xcalloc(n, sizeof *list);
    for (unsigned i = 0; i < n; i++) {
        list[i] = xstrdup(cfg_opt_getnstr(opt, i));
        if (!conf_entry_good(o, list[i]))
            value_refuse(r, r->lines[o - conf_options], o, list[i]);
    }
    memcpy((char *)c + o->place, &list, sizeof(char **));
    memcpy((char *)c + o->place + sizeof(char **), &n, sizeof n);
}

/* A wrong scalar was noted when it was read: here it is passed over. */
static void conf_take(struct reading *r, struct conf *c, cfg_t *cfg)
{
    for (size_t i = 0; i < CONF_OPTIONS; i++) {
        const struct conf_option *o = &conf_options[i];
        cfg_t *from = o->section ? cfg_getsec(cfg, o->section) : cfg;
        cfg_opt_t *opt = from ? cfg_getopt(from, o->key) : NULL;
        if (!opt || cfg_opt_size(opt) == 0)
            continue;
        if (conf_is_list(o))
            texts_take(r, c, o, opt);
        else if (cfg_opt_getnstr(opt, 0))
            (void)conf_value_set(c, o, cfg_opt_getnstr(opt, 0));
    }
}

/* False: the structure is broken, or there is an unknown key more. */
static bool pass(struct reading *r, const char *text, struct conf *c)
{
    schema_row rows[CONF_SECTIONS + 1];
    r->again = false;
    faults_clear(r);
    memset(r->lines, 0, sizeof r->lines);
    memset(r->sections, 0, sizeof r->sections);
    schema_make(r, rows);
    cfg_t *cfg = cfg_init(rows[CONF_SECTIONS], CFGF_NONE);
    CHECK(cfg);
    callbacks_set(cfg);
    bool good = cfg_parse_buf(cfg, text) == CFG_SUCCESS;
    if (good)
        conf_take(r, c, cfg);
    else if (!r->again && !r->faults_len && !r->unknown_len)
        fault_add(r, cfg->line, "this is not a configuration");
    cfg_free(cfg);
    return good;
}

/* --- what was given --------------------------------------------------------------------------- */

static const struct conf_option *option_named(const char *section, const char *key)
{
    for (size_t i = 0; i < CONF_OPTIONS; i++)
        if (strcmp(conf_options[i].key, key) == 0 &&
            strcmp(section, conf_options[i].section ? conf_options[i].section : "") == 0)
            return &conf_options[i];
    abort();
}

static void list_free(struct conf *c, const struct conf_option *o)
{
    char *at = (char *)c + o->place, **list = *(char ***)at;
    unsigned n;
    memcpy(&n, at + sizeof(char **), sizeof n);
    while (n)
        free(list[--n]);
    free(list);
}

static void given_list_take(struct reading *r, struct conf *c, const struct conf_option *o,
                            const struct conf_given *g)
{
    unsigned n = g->len < CONF_LIST_MAX ? (unsigned)g->len : CONF_LIST_MAX;
    if (n < g->len)
        fault_add(r, 0, "%s: %s: more than %d entries", section_of(o), o->key, CONF_LIST_MAX);
    list_free(c, o);
    char **list = xcalloc(n, sizeof *list);
    for (unsigned i = 0; i < n; i++) {
        list[i] = xstrdup(g->values[i]);
        if (!conf_entry_good(o, list[i]))
            value_refuse(r, 0, o, list[i]);
    }
    memcpy((char *)c + o->place, &list, sizeof(char **));
    memcpy((char *)c + o->place + sizeof(char **), &n, sizeof n);
}

static void given_take(struct reading *r, struct conf *c, const struct conf_given *given,
                       size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const struct conf_option *o = option_named(given[i].section, given[i].key);
        r->lines[o - conf_options] = 0;
        if (conf_is_list(o))
            given_list_take(r, c, o, &given[i]);
        else if (!conf_value_set(c, o, given[i].values[0]))
            value_refuse(r, 0, o, given[i].values[0]);
    }
}

/* --- judgement: what values mean together ----------------------------------------------------- */

/* Where a field was set; 0: nowhere, it is the default. */
#define LINE(field) (r->lines[option_at(offsetof(struct conf, field)) - conf_options])

static bool loopback(const char *address)
{
    bool digits = address[strspn(address, "0123456789.")] == ':'; /* 127.example.org is a name */
    return (digits && strncmp(address, "127.", 4) == 0) || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "localhost:", 10) == 0;
}

/* An address that is listened on. */
struct door {
    const char *key, *address;
    int line;
    bool plain; /* without TLS, whatever the certificates */
    bool nodes; /* for nodes of the grid alone: with TLS they always show a certificate */
    const char *plain_key;
};

static void door_judge(struct reading *r, const struct conf *c, const struct door *d)
{
    if (loopback(d->address) || c->insecure)
        return;
    if (!c->cert)
        fault_add(r, d->line,
                  "listen: %s: \"%s\" is not loopback: it needs tls { ca cert key }, or "
                  "tls { insecure = true } to go without",
                  d->key, d->address);
    else if (d->plain)
        fault_add(
            r, d->line,
            "listen: %s: \"%s\" is not loopback: tls { %s = false } needs insecure = true, too",
            d->key, d->address, d->plain_key);
    else if (!c->client_certificates && !c->users_len && !d->nodes)
        fault_add(r, LINE(client_certificates),
                  "tls: client_certificates = false lets in everybody who reaches %s \"%s\": "
                  "name users, or say insecure = true, too, if that is meant",
                  d->key, d->address);
}

enum { DOORS_MAX = 4 + CONF_LIST_MAX };

static size_t doors_of(const struct reading *r, const struct conf *c, struct door doors[DOORS_MAX])
{
    const struct door fixed[] = {
        {"client", c->client, LINE(client), false, false, ""},
        {"peer", c->peer, LINE(peer), false, true, ""},
        {"http", conf_door(c->http), LINE(http), !c->tls_http, false, "http"},
        {"resp", conf_door(c->resp), LINE(resp), !c->tls_resp, false, "resp"},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (fixed[i].address)
            doors[n++] = fixed[i];
    for (unsigned i = 0; i < c->resp_caches_len; i++)
        doors[n++] = (struct door){
            "resp_caches", c->resp_caches[i], LINE(resp_caches), !c->tls_resp, false, "resp"};
    return n;
}

static bool address_same(const char *a, const char *b)
{
    size_t len = strcspn(a, "="); /* of resp_caches: the cache is behind it */
    return len == strcspn(b, "=") && strncmp(a, b, len) == 0 && strncmp(a + len - 2, ":0", 2) != 0;
}

static void listen_judge(struct reading *r, const struct conf *c)
{
    struct door doors[DOORS_MAX];
    size_t n = doors_of(r, c, doors);
    for (size_t i = 0; i < n; i++) {
        door_judge(r, c, &doors[i]);
        for (size_t k = 0; k < i; k++)
            if (address_same(doors[i].address, doors[k].address))
                fault_add(r, doors[i].line ? doors[i].line : doors[k].line,
                          "listen: %s and %s are the same address \"%.*s\"", doors[k].key,
                          doors[i].key, (int)strcspn(doors[i].address, "="), doors[i].address);
    }
    bool per_shard = strcmp(c->resp_ports, "per_shard") == 0;
    if (per_shard && !conf_door(c->resp))
        fault_add(r, LINE(resp_ports), "listen: resp_ports = per_shard needs resp to be on");
    if (c->resp_shard_base && !per_shard)
        fault_add(r, LINE(resp_shard_base),
                  "listen: resp_shard_base means nothing without resp_ports = per_shard");
}

static void users_judge(struct reading *r, const struct conf *c)
{
    for (unsigned i = 0; i < c->users_len; i++) {
        size_t len = strcspn(c->users[i], ":") + 1;
        for (unsigned k = 0; k < i; k++)
            if (strncmp(c->users[i], c->users[k], len) == 0)
                fault_add(r, LINE(users), "top level: users: \"%.*s\" is named twice", (int)len - 1,
                          c->users[i]);
    }
}

static void rights_judge(struct reading *r, const struct conf *c)
{
    for (unsigned i = 0; i < c->rights_len; i++) {
        size_t len = rights_line_name(c->rights[i]);
        for (unsigned k = 0; k < i; k++)
            if (rights_line_name(c->rights[k]) == len &&
                strncmp(c->rights[i], c->rights[k], len) == 0)
                fault_add(r, LINE(rights), "top level: rights: \"%.*s\" is named twice", (int)len,
                          c->rights[i]);
    }
}

static void file_judge(struct reading *r, int line, const char *key, const char *path)
{
    if (path && access(path, R_OK) != 0)
        fault_add(r, line, "tls: %s: \"%s\" cannot be read: %s", key, path, strerror(errno));
}

static void conf_judge(struct reading *r, const struct conf *c)
{
    listen_judge(r, c);
    users_judge(r, c);
    rights_judge(r, c);
    if (c->cert && !c->key)
        fault_add(r, LINE(cert), "tls: cert needs a key beside it");
    if (c->key && !c->cert)
        fault_add(r, LINE(key), "tls: key needs a cert beside it");
    if (c->cert && !c->ca)
        fault_add(r, LINE(cert), "tls: cert needs a ca beside it");
    if (c->ca && !c->cert)
        fault_add(r, LINE(ca), "tls: ca needs cert and key beside it");
    file_judge(r, LINE(ca), "ca", c->ca);
    file_judge(r, LINE(cert), "cert", c->cert);
    file_judge(r, LINE(key), "key", c->key);
    if (c->bootstrap_expect && !c->peers_len)
        fault_add(r, LINE(bootstrap_expect),
                  "node: bootstrap_expect needs peers = { \"HOST:PORT\" }, where the nodes of the "
                  "grid are found");
}

/* --- the whole -------------------------------------------------------------------------------- */

static void unknown_tell(struct reading *r)
{
    for (size_t i = 0; i < r->unknown_len; i++) {
        const struct unknown *u = &r->unknown[i];
        struct buf keys = BUF_INIT;
        for (size_t k = 0; k < CONF_OPTIONS; k++) {
            const char *section = conf_options[k].section;
            if (section_index(section ? section : "") == u->section)
                buf_printf(&keys, "%s%s", keys.len ? ", " : "", conf_options[k].key);
        }
        for (unsigned s = 0; u->section == CONF_SECTIONS && s < CONF_SECTIONS; s++)
            buf_printf(&keys, ", %s { }", conf_sections[s]);
        fault_add(r, u->line, "%s: no key \"%s\"; there are %.*s",
                  u->section < CONF_SECTIONS ? conf_sections[u->section] : "top level", u->key,
                  (int)keys.len, (const char *)keys.data);
        buf_release(&keys);
    }
}

enum grid_err conf_parse(const char *name, struct slice text, struct buf *faults,
                         struct conf **ret_conf)
{
    return conf_parse_with(name, text, NULL, 0, faults, ret_conf);
}

enum grid_err conf_parse_with(const char *name, struct slice text, const struct conf_given *given,
                              size_t given_len, struct buf *faults, struct conf **ret_conf)
{
    struct reading r = {.name = name, .last = conf_text_lines(text)};
    struct conf *c = conf_new();
    struct buf plain = BUF_INIT;
    char why[CONF_WHY_BYTES];
    int line = conf_text_plain(text, &plain, why);
    if (line) {
        fault_add(&r, line, "%s", why);
    } else {
        buf_printf(&plain, "\n%s = 1\n", END_KEY);
        buf_add_u8(&plain, 0);
        reading_now = &r;
        bool whole;
        do
            whole = pass(&r, (const char *)plain.data, c);
        while (!whole && r.again);
        reading_now = NULL;
        if (whole) {
            given_take(&r, c, given, given_len);
            conf_judge(&r, c);
        }
        unknown_tell(&r);
    }
    buf_release(&plain);
    if (r.faults_len) {
        faults_tell(&r, faults);
        faults_clear(&r);
        conf_free(c);
        return GRID_EBAD_REQUEST;
    }
    *ret_conf = c;
    return GRID_OK;
}

enum grid_err conf_load(const char *path, const struct conf_given *given, size_t given_len,
                        struct buf *faults, struct conf **ret_conf)
{
    FILE *file = fopen(path, "re");
    struct buf text = BUF_INIT;
    size_t n = 0;
    if (file) {
        n = fread(buf_reserve(&text, CONF_BYTES_MAX + 1), 1, CONF_BYTES_MAX + 1, file);
        text.len = n;
    }
    enum grid_err err = GRID_EBAD_REQUEST;
    if (!file || ferror(file))
        buf_printf(faults, "%s: cannot be read: %s\n", path, strerror(errno));
    else if (n > CONF_BYTES_MAX)
        buf_printf(faults, "%s: larger than %d bytes\n", path, CONF_BYTES_MAX);
    else
        err = conf_parse_with(path, buf_slice(&text), given, given_len, faults, ret_conf);
    if (file)
        fclose(file);
    buf_release(&text);
    return err;
}

static bool texts_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool value_same(const struct conf *a, const struct conf *b, const struct conf_option *o)
{
    const char *x = (const char *)a + o->place, *y = (const char *)b + o->place;
    if (conf_is_text(o))
        return texts_same(*(char *const *)x, *(char *const *)y);
    if (!conf_is_list(o))
        return memcmp(x, y, o->type == CONF_FLAG ? sizeof(bool) : sizeof(int64_t)) == 0;
    unsigned n, m;
    memcpy(&n, x + sizeof(char **), sizeof n);
    memcpy(&m, y + sizeof(char **), sizeof m);
    for (unsigned i = 0; n == m && i < n; i++)
        if (!texts_same((*(char **const *)x)[i], (*(char **const *)y)[i]))
            return false;
    return n == m;
}

void conf_differences(const struct conf *old, const struct conf *new, struct buf *ret_keys)
{
    for (size_t i = 0; i < CONF_OPTIONS; i++) {
        const struct conf_option *o = &conf_options[i];
        if (!o->reload && !value_same(old, new, o))
            buf_printf(ret_keys, "%s%s: %s", ret_keys->len ? ", " : "", section_of(o), o->key);
    }
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < CONF_OPTIONS; i++) {
        char *at = (char *)c + conf_options[i].place;
        if (conf_is_text(&conf_options[i]))
            free(*(char **)at);
        else if (conf_is_list(&conf_options[i]))
            list_free(c, &conf_options[i]);
    }
    free(c);
}
