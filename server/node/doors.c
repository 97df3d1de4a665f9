/* doors.c - the addresses a node is reached at, and what is spoken at each.
 *
 * They are opened before the data directory is: who starts a node twice hears of the port, and
 * nothing was touched. How many shards there are is read from the directory, so the shards' own
 * ports are opened as the configuration lets expect, and made right afterwards. */
#include "node/membership.h"

#include "base/alloc.h"
#include "control/state.h"
#include "node/start_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* What may be listened on beside the addresses of resp_caches and of the shards. */
static const struct way {
    const struct door *door;
    const char *name;
    size_t address; /* in struct node_conf */
    size_t plain;   /* in struct node_conf: a bool; 0: never */
} ways[] = {
    {&grid_door, "client", offsetof(struct node_conf, listen_client), 0},
    {&http_door, "http", offsetof(struct node_conf, listen_http),
     offsetof(struct node_conf, http_plain)},
    {&resp_door, "resp", offsetof(struct node_conf, listen_resp),
     offsetof(struct node_conf, resp_plain)},
};
enum { WAYS = sizeof ways / sizeof *ways };

static const char *way_address(const struct node_conf *c, const struct way *w)
{
    return *(const char *const *)(const void *)((const char *)c + w->address);
}

static bool way_plain(const struct node_conf *c, const struct way *w)
{
    return w->plain && *(const bool *)((const char *)c + w->plain);
}

static const struct way *way_named(const char *name)
{
    for (size_t i = 0; i < WAYS; i++)
        if (strcmp(ways[i].name, name) == 0)
            return &ways[i];
    return NULL;
}

static void entered(void *ctx, int fd, const struct net_addr *peer)
{
    struct entrance *e = ctx;
    struct node *n = e->node;
    unsigned shard = e->shard >= 0 ? (unsigned)e->shard : n->next_worker++ % n->shards;
    worker_accept(&n->workers[shard], fd, peer, e);
}

static struct entrance *entrance_next(struct node *n, const struct way *w)
{
    struct entrance *e = n->entrances_len < ENTRANCES_MAX ? &n->entrances[n->entrances_len] : NULL;
    if (e)
        *e = (struct entrance){
            .node = n, .door = w->door, .shard = -1, .plain = way_plain(&n->conf, w)};
    return e;
}

static enum grid_err entrance_open(struct entrance *e, const struct way *w, const char *address,
                                   char *why)
{
    if (!e) {
        snprintf(why, NODE_WHY_BYTES, "more than %d addresses to listen on", ENTRANCES_MAX);
        return GRID_EBAD_REQUEST;
    }
    struct listener_conf conf = {address, w->name, &e->node->quota, e, entered};
    enum grid_err err = listener_new(e->node->loop, &conf, &e->listener, why);
    if (!err)
        e->node->entrances_len++;
    return err;
}

/* "host:port=context/cache" */
static enum grid_err cache_open(struct node *n, const struct way *w, const char *text, char *why)
{
    char address[NODE_WHY_BYTES];
    struct entrance *e = entrance_next(n, w);
    snprintf(address, sizeof address, "%.*s", (int)(strrchr(text, '=') - text), text);
    if (e)
        e->cache = strrchr(text, '=') + 1;
    return entrance_open(e, w, address, why);
}

static enum grid_err shard_open(struct node *n, const struct way *w, unsigned shard, char *why)
{
    const char *address = n->conf.listen_resp, *colon = strrchr(address, ':');
    unsigned port = n->resp_shard_port + shard;
    char text[NODE_WHY_BYTES];
    struct entrance *e = entrance_next(n, w);
    if (port > UINT16_MAX) {
        snprintf(why, NODE_WHY_BYTES, "shard %u would have the port %u: lower resp_shard_base",
                 shard, port);
        return GRID_EBAD_REQUEST;
    }
    snprintf(text, sizeof text, "%.*s:%u", (int)(colon - address), address, port);
    if (e)
        e->shard = (int)shard;
    return entrance_open(e, w, text, why);
}

static enum grid_err caches_open(struct node *n, char *why)
{
    const struct way *w = way_named("resp");
    for (size_t i = 0; w && i < n->conf.resp_caches_len; i++) {
        enum grid_err err = cache_open(n, w, n->conf.resp_caches[i], why);
        if (err)
            return err;
    }
    return GRID_OK;
}

static const struct entrance *entrance_of(const struct node *n, const char *name)
{
    const struct way *w = way_named(name);
    for (unsigned i = 0; w && i < n->entrances_len; i++)
        if (n->entrances[i].door == w->door && !n->entrances[i].cache && n->entrances[i].shard < 0)
            return &n->entrances[i];
    return NULL;
}

enum grid_err doors_open(struct node *n, char *why)
{
    for (size_t i = 0; i < WAYS; i++) {
        const char *address = way_address(&n->conf, &ways[i]);
        enum grid_err err =
            address ? entrance_open(entrance_next(n, &ways[i]), &ways[i], address, why) : GRID_OK;
        if (err)
            return err;
    }
    enum grid_err err = caches_open(n, why);
    const struct entrance *resp = entrance_of(n, "resp");
    n->entrances_fixed = n->entrances_len;
    if (err || !resp || !n->conf.resp_per_shard)
        return err;
    n->resp_shard_port = n->conf.resp_shard_base ? n->conf.resp_shard_base
                                                 : (unsigned)listener_port(resp->listener) + 1;
    return doors_fit(n, shards_expected(&n->conf), why);
}

enum grid_err doors_fit(struct node *n, unsigned shards, char *why)
{
    if (!n->resp_shard_port)
        return GRID_OK;
    while (n->entrances_len > n->entrances_fixed + shards)
        listener_free(n->entrances[--n->entrances_len].listener);
    enum grid_err err = GRID_OK;
    while (!err && n->entrances_len < n->entrances_fixed + shards)
        err = shard_open(n, way_named("resp"), n->entrances_len - n->entrances_fixed, why);
    return err;
}

/* --- what others are told --------------------------------------------------------------------- */

/* Host and port that others see of a door; the host stays empty when it listens everywhere. */
static uint16_t door_told(const struct node *n, const char *name, const char *listens,
                          const char *advertised, char host[NET_ADDR_BYTES + 256])
{
    const struct entrance *e = entrance_of(n, name);
    host[0] = '\0';
    if (!e)
        return 0;
    const char *address = advertised ? advertised : listens, *colon = strrchr(address, ':');
    size_t len = (size_t)(colon - address);
    if (len && address[0] == '[' && address[len - 1] == ']') {
        address++;
        len -= 2;
    }
    snprintf(host, NET_ADDR_BYTES + 256, "%.*s", (int)len, address);
    if (strcmp(host, "*") == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        host[0] = '\0';
    return advertised ? (uint16_t)strtoul(colon + 1, NULL, 10) : listener_port(e->listener);
}

void doors_tell(struct node *n)
{
    const struct node_conf *c = &n->conf;
    char http_host[sizeof n->resp_host];
    const char *address = c->advertise_client ? c->advertise_client : c->listen_client;
    snprintf(n->address, sizeof n->address, "%s", address);
    n->view.resp_port = door_told(n, "resp", c->listen_resp, c->advertise_resp, n->resp_host);
    n->view.http_port = door_told(n, "http", c->listen_http, c->advertise_http, http_host);
    n->view.resp_host = n->resp_host;
    n->view.resp_shard_port = (uint16_t)n->resp_shard_port;
    for (unsigned i = 0; i < n->entrances_fixed; i++) {
        const struct entrance *e = &n->entrances[i];
        char text[NET_ADDR_BYTES];
        buf_printf(&n->addresses, "%s%s %s%s%s%s", i ? ", " : "", listener_name(e->listener),
                   listener_text(e->listener, text), e->cache ? " (" : "", e->cache ? e->cache : "",
                   e->cache ? ")" : "");
    }
    if (n->resp_shard_port)
        buf_printf(&n->addresses, ", resp of the shards from port %u", n->resp_shard_port);
    static const char *const names[NODE_DOORS] = {
        [NODE_DOOR_CLIENT] = "client", [NODE_DOOR_HTTP] = "http", [NODE_DOOR_RESP] = "resp"};
    for (size_t i = 0; i < NODE_DOORS; i++) {
        const struct entrance *e = names[i] ? entrance_of(n, names[i]) : NULL;
        if (e)
            listener_text(e->listener, n->bound[i]);
    }
    if (n->membership)
        membership_address(n, n->bound[NODE_DOOR_PEER]);
}

/* The address that others are told: as it was advertised, else as it is listened on. */
static enum grid_err address_tell(char *to, const char *advertised, const char *listens,
                                  const struct listener *l, const char *key, char *why)
{
    const char *colon = strrchr(advertised ? advertised : listens, ':');
    size_t len = (size_t)(colon - (advertised ? advertised : listens));
    static const char *const anywhere[] = {"", "*", "0.0.0.0", "[::]", "::"};
    if (advertised) {
        snprintf(to, GRID_ADDRESS_BYTES_MAX + 1, "%s", advertised);
        return GRID_OK;
    }
    for (size_t i = 0; i < sizeof anywhere / sizeof *anywhere; i++) {
        if (len == strlen(anywhere[i]) && strncmp(listens, anywhere[i], len) == 0) {
            snprintf(why, NODE_WHY_BYTES,
                     "listen: %s: \"%s\" is every address: other nodes must be told one: "
                     "advertise_%s = \"HOST:PORT\"",
                     key, listens, key);
            return GRID_EBAD_REQUEST;
        }
    }
    unsigned port = l ? listener_port(l) : (unsigned)strtoul(colon + 1, NULL, 10);
    snprintf(to, GRID_ADDRESS_BYTES_MAX + 1, "%.*s:%u", (int)len, listens, port);
    return GRID_OK;
}

enum grid_err doors_addresses(const struct node *n, struct node_info *info,
                              const struct listener *peer, char *why)
{
    const struct node_conf *c = &n->conf;
    const struct {
        enum node_address which;
        const char *key, *listens, *advertised;
    } all[] = {{ADDRESS_CLIENT, "client", c->listen_client, c->advertise_client},
               {ADDRESS_PEER, "peer", c->listen_peer, c->advertise_peer},
               {ADDRESS_HTTP, "http", c->listen_http, c->advertise_http},
               {ADDRESS_RESP, "resp", c->listen_resp, c->advertise_resp}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct entrance *e = entrance_of(n, all[i].key);
        const struct listener *l = all[i].which == ADDRESS_PEER ? peer : e ? e->listener : NULL;
        if (!all[i].listens)
            continue;
        enum grid_err err = address_tell(info->address[all[i].which], all[i].advertised,
                                         all[i].listens, l, all[i].key, why);
        if (err)
            return err;
    }
    return GRID_OK;
}

const char *node_address(const struct node *n, enum node_door door)
{
    return n->bound[door][0] ? n->bound[door] : NULL;
}

void doors_close(struct node *n)
{
    for (unsigned i = 0; i < n->entrances_len; i++)
        listener_free(n->entrances[i].listener);
    n->entrances_len = 0;
}
