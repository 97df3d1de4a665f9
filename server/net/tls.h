/* tls.h - what new TLS connections of a server are made from: certificates, and who may connect.
 * TLS 1.2 or 1.3, forward-secret ciphers only, no compression, no renegotiation, stateless session
 * tickets. Between nodes both sides are servers: TLS_PEER_NODE, also for dialling. Safe for use by
 * several threads: a connection takes the state as it is when the connection begins. */
#ifndef GRIDD_NET_TLS_H
#define GRIDD_NET_TLS_H

#include "net/addr.h"

struct tls; /* opaque */

enum tls_peer {
    TLS_PEER_REQUIRED, /* a client without a certificate of our authority is refused */
    TLS_PEER_OPTIONAL, /* a client may show one; one of another authority is refused */
    TLS_PEER_NONE,     /* clients are not asked */
    /* both ways: the other shows a certificate of our authority that says it may be a server (its
     * extended key usage names serverAuth); one that was issued to a client is refused */
    TLS_PEER_NODE,
};

struct tls_conf {
    const char
        *ca; /* PEM file: authorities of client certificates; may be NULL with TLS_PEER_NONE */
    const char *cert; /* PEM file: the server's certificate, then its chain */
    const char *key;  /* PEM file: its private key, without a pass phrase */
    enum tls_peer peer;
};

/* Read the files. *ret_tls is the caller's. GRID_ETLS: `ret_why` names the file and the reason:
 * missing, unreadable, not PEM, key does not match, expired, not yet valid. `conf` is borrowed for
 * the call. */
MUST_USE
enum grid_err tls_new(const struct tls_conf *conf, struct tls **ret_tls,
                      char ret_why[NET_WHY_BYTES]);
/* Read the files anew; connections that begin later use them. On error everything stays as it was.
 * Session tickets given out before are refused afterwards (a full handshake follows): they might
 * speak for a withdrawn authority. */
MUST_USE
enum grid_err tls_reload(struct tls *t, const struct tls_conf *conf, char ret_why[NET_WHY_BYTES]);
/* NULL is fine. Connections that are open go on. */
void tls_free(struct tls *t);
/* When the server's certificate expires, unix seconds. */
int64_t tls_expires(struct tls *t);

#endif
