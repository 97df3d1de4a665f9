/* tls_priv.h - TLS of one connection as a transform of bytes, without the socket: ciphertext in,
 * plaintext out and back. So one read and one write per turn serve any number of records, as for a
 * plain connection. */
#ifndef GRIDD_NET_TLS_PRIV_H
#define GRIDD_NET_TLS_PRIV_H

#include "base/buf.h"
#include "net/tls.h"

struct tls_link; /* opaque */

enum tls_step {
    TLS_DONE,   /* handshake complete; or some plaintext */
    TLS_MORE,   /* needs more ciphertext */
    TLS_ENDED,  /* the peer said good-bye */
    TLS_FAILED, /* ret_why says why; an alert may stand in the output */
};

enum { TLS_RECORD_BYTES = 16 << 10 };

/* `dialled`: we speak first (TLS_PEER_NODE only). NULL: out of memory. */
struct tls_link *tls_link_new(struct tls *t, bool dialled);
void tls_link_free(struct tls_link *k); /* NULL is fine */

/* Ciphertext from the peer, borrowed until the next call, which forgets what was not used. */
void tls_link_feed(struct tls_link *k, const uint8_t *data, size_t len);
/* Where ciphertext for the peer is appended from now on. */
void tls_link_set_out(struct tls_link *k, struct buf *out);
enum tls_step tls_link_handshake(struct tls_link *k, char ret_why[NET_WHY_BYTES]);
/* Decrypt into data[0..room), room > 0. TLS_DONE: *ret_len > 0 bytes. */
enum tls_step tls_link_read(struct tls_link *k, uint8_t *data, size_t room, size_t *ret_len,
                            char ret_why[NET_WHY_BYTES]);
/* Whether tls_link_read could give something without being fed. */
bool tls_link_pending(const struct tls_link *k);
/* Encrypt all of it. */
MUST_USE
bool tls_link_write(struct tls_link *k, const uint8_t *data, size_t len);
/* Say good-bye. */
void tls_link_close(struct tls_link *k);
/* After the handshake: common name of the peer's certificate, "" without one. */
const char *tls_link_user(const struct tls_link *k);
bool tls_link_resumed(const struct tls_link *k);

#endif
