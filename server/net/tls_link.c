/* tls_link.c - an SSL object between two runs of memory, by a BIO of our own.
 *
 * Why not SSL_set_fd: OpenSSL then makes one read(2) per record header and body (or one per record
 * with read-ahead) and one write(2) per 16 KiB record; here a turn makes one of each, and a full
 * socket is handled in one place. The cost is one copy of the ciphertext each way, within a buffer
 * that is in the cache. */
#include "net/tls_priv.h"

#include "base/alloc.h"
#include "net/tls_ctx_priv.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct tls_link {
    SSL *ssl;
    const uint8_t *in; /* ciphertext not yet used */
    size_t in_len;
    struct buf *out;
    char *user; /* NULL: no certificate */
    bool nodes; /* between nodes */
};

static int bio_read(BIO *bio, char *data, size_t room, size_t *ret_len)
{
    struct tls_link *k = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (k->in_len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    size_t n = room < k->in_len ? room : k->in_len;
    memcpy(data, k->in, n);
    k->in += n;
    k->in_len -= n;
    *ret_len = n;
    return 1;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *ret_len)
{
    struct tls_link *k = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    buf_add(k->out, data, len);
    *ret_len = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;

static void method_make(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gridd");
    CHECK(method);
    BIO_meth_set_read_ex(method, bio_read);
    BIO_meth_set_write_ex(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

struct tls_link *tls_link_new(struct tls *t, bool dialled)
{
    CHECK(!dialled || tls_between_nodes(t));
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, method_make);
    SSL_CTX *ctx = tls_ctx_ref(t);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    BIO *bio = ssl ? BIO_new(method) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    struct tls_link *k = xcalloc(1, sizeof *k);
    k->ssl = ssl;
    k->nodes = tls_between_nodes(t);
    BIO_set_data(bio, k);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    if (dialled)
        SSL_set_connect_state(ssl);
    else
        SSL_set_accept_state(ssl);
    return k;
}

void tls_link_free(struct tls_link *k)
{
    if (!k)
        return;
    SSL_free(k->ssl);
    free(k->user);
    free(k);
}

void tls_link_feed(struct tls_link *k, const uint8_t *data, size_t len)
{
    k->in = data;
    k->in_len = len;
}

void tls_link_set_out(struct tls_link *k, struct buf *out)
{
    k->out = out;
}

/* One line from OpenSSL's error queue, which is emptied. */
static void explain(const struct tls_link *k, char ret_why[NET_WHY_BYTES])
{
    unsigned long e = ERR_get_error();
    const char *reason = e ? ERR_reason_error_string(e) : "connection lost";
    long verdict = SSL_get_verify_result(k->ssl);
    if (ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        snprintf(ret_why, NET_WHY_BYTES, "the %s's certificate is refused: %s",
                 k->nodes ? "node" : "client",
                 k->nodes && verdict == X509_V_ERR_INVALID_PURPOSE
                     ? "it is a client's, not a node's"
                     : X509_verify_cert_error_string(verdict));
    else if (ERR_GET_LIB(e) == ERR_LIB_SSL &&
             ERR_GET_REASON(e) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        snprintf(ret_why, NET_WHY_BYTES, "the %s showed no certificate",
                 k->nodes ? "node" : "client");
    else
        snprintf(ret_why, NET_WHY_BYTES, "%s", reason ? reason : "unknown TLS error");
    ERR_clear_error();
}

/* The error queue is per thread and must be empty before each call that SSL_get_error() judges. */
static enum tls_step step_of(struct tls_link *k, int rc, char ret_why[NET_WHY_BYTES])
{
    if (rc == 1)
        return TLS_DONE;
    switch (SSL_get_error(k->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TLS_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        explain(k, ret_why);
        return TLS_FAILED;
    }
}

/* The first common name, when it is text without a NUL inside. */
static char *common_name(SSL *ssl)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    if (!cert)
        return NULL;
    char *name = NULL;
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    int len = at < 0 ? -1
                     : ASN1_STRING_to_UTF8(
                           &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (len > 0 && strlen((const char *)text) == (size_t)len)
        name = xstrdup((const char *)text);
    OPENSSL_free(text);
    X509_free(cert);
    return name;
}

enum tls_step tls_link_handshake(struct tls_link *k, char ret_why[NET_WHY_BYTES])
{
    ERR_clear_error();
    enum tls_step step = step_of(k, SSL_do_handshake(k->ssl), ret_why);
    if (step == TLS_DONE)
        k->user = common_name(k->ssl);
    return step;
}

enum tls_step tls_link_read(struct tls_link *k, uint8_t *data, size_t room, size_t *ret_len,
                            char ret_why[NET_WHY_BYTES])
{
    ERR_clear_error();
    return step_of(k, SSL_read_ex(k->ssl, data, room, ret_len), ret_why);
}

bool tls_link_pending(const struct tls_link *k)
{
    return k->in_len > 0 || SSL_has_pending(k->ssl);
}

bool tls_link_write(struct tls_link *k, const uint8_t *data, size_t len)
{
    ERR_clear_error();
    while (len > 0) {
        size_t n = 0;
        if (SSL_write_ex(k->ssl, data, len, &n) != 1)
            return false;
        data += n;
        len -= n;
    }
    return true;
}

void tls_link_close(struct tls_link *k)
{
    ERR_clear_error();
    if (SSL_is_init_finished(k->ssl))
        SSL_shutdown(k->ssl);
    ERR_clear_error();
}

const char *tls_link_user(const struct tls_link *k)
{
    return k->user ? k->user : "";
}

bool tls_link_resumed(const struct tls_link *k)
{
    return SSL_session_reused(k->ssl);
}
