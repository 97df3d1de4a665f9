/* reload.c - what a running node takes over of a new configuration. The certificates are tried
 * first: when they are no good, nothing is changed. */
#include "node/membership.h"

#include "base/alloc.h"
#include "base/log.h"
#include "node/start_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINGER_MS = 1000 };

struct tls_conf tls_conf_of(const struct node_conf *c)
{
    return (struct tls_conf){c->ca, c->cert, c->key,
                             c->client_certificates ? TLS_PEER_REQUIRED : TLS_PEER_OPTIONAL};
}

/* The old ones may be among the new ones: they are freed last. */
static void list_set(char ***own, const char *const **told, size_t *told_len,
                     const char *const *list, size_t len)
{
    char **copy = xcalloc(len + 1, sizeof *copy);
    for (size_t i = 0; i < len; i++)
        copy[i] = xstrdup(list[i]);
    for (size_t i = 0; i < *told_len; i++)
        free((*own)[i]);
    free(*own);
    *own = copy;
    *told = (const char *const *)copy;
    *told_len = len;
}

void lists_set(struct node *n, const struct node_conf *conf)
{
    list_set(&n->labels, &n->conf.labels, &n->conf.labels_len, conf->labels, conf->labels_len);
    list_set(&n->peers, &n->conf.peers, &n->conf.peers_len, conf->peers, conf->peers_len);
    n->conf.weight = conf->weight;
}

void lists_free(struct node *n)
{
    static const struct node_conf none;
    lists_set(n, &none);
    free(n->labels);
    free(n->peers);
}

void terms_set(struct node *n, const struct node_conf *conf)
{
    struct terms *t = xalloc(sizeof *t);
    t->conn = (struct conn_conf){.tls = n->tls,
                                 .quota = &n->quota,
                                 .handshake_ms = conf->handshake_ms,
                                 .idle_ms = conf->idle_ms,
                                 .slow_reader_ms = conf->slow_reader_ms,
                                 .linger_ms = LINGER_MS,
                                 .output_high = conf->output_bytes};
    t->plain = t->conn;
    t->plain.tls = NULL;
    t->limits = (struct session_limits)SESSION_LIMITS_DEFAULT;
    if (conf->requests)
        t->limits.requests = conf->requests;
    t->older = n->terms;
    n->terms = t;
    atomic_store(&n->quota.max, conf->connections);
}

void terms_free(struct node *n)
{
    for (struct terms *t = n->terms, *older; t; t = older) {
        older = t->older;
        free(t);
    }
}

enum grid_err reload_take(struct node *n, const struct node_conf *conf, char *why)
{
    if (!conf->cert != !n->tls) {
        snprintf(why, NODE_WHY_BYTES, "TLS is turned on and off by a restart only");
        return GRID_EUNSUPPORTED;
    }
    if (!conf->peers_len != !n->membership) {
        snprintf(why, NODE_WHY_BYTES,
                 "a node that is alone becomes one of several by a restart only, and the other way "
                 "round");
        return GRID_EUNSUPPORTED;
    }
    enum grid_err err = n->membership ? membership_judge(n, conf, why) : GRID_OK;
    if (err)
        return err;
    if (n->tls) {
        struct tls_conf tls = tls_conf_of(conf);
        err = tls_reload(n->tls, &tls, why);
        if (err)
            return err;
    }
    lists_set(n, conf);
    if (n->membership)
        membership_reload(n);
    terms_set(n, conf);
    users_set(n, conf);
    return GRID_OK;
}
