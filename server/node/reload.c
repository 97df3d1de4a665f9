/* reload.c - what a running node takes over of a new configuration. The certificates are tried
 * first: when they are no good, nothing is changed. */
#include "node/node_priv.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINGER_MS = 1000 };

struct tls_conf tls_conf_of(const struct node_conf *c)
{
    return (struct tls_conf){c->ca, c->cert, c->key,
                             c->client_certificates ? TLS_PEER_REQUIRED : TLS_PEER_OPTIONAL};
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

enum grid_err node_reload(struct node *n, const struct node_conf *conf, char *why)
{
    if (!conf->cert != !n->tls) {
        snprintf(why, NODE_WHY_BYTES, "TLS is turned on and off by a restart only");
        return GRID_EUNSUPPORTED;
    }
    if (n->tls) {
        struct tls_conf tls = tls_conf_of(conf);
        enum grid_err err = tls_reload(n->tls, &tls, why);
        if (err)
            return err;
    }
    terms_set(n, conf);
    users_set(n, conf);
    return GRID_OK;
}
