/* tls_ctx_priv.h - the OpenSSL context inside struct tls, for tls_link.c. */
#ifndef GRIDD_NET_TLS_CTX_PRIV_H
#define GRIDD_NET_TLS_CTX_PRIV_H

#include "net/tls.h"

#include <openssl/ssl.h>

/* A reference to the context in force; release with SSL_CTX_free(). Any thread. */
SSL_CTX *tls_ctx_ref(struct tls *t);
/* Made with TLS_PEER_NODE. */
bool tls_between_nodes(const struct tls *t);

#endif
