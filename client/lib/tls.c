/* tls.c - OpenSSL over a BIO of our own: reading is recv(2) on the socket (with read-ahead, so that
 * a record is one call), writing appends to a buffer. So there is no SIGPIPE, and one write per
 * flush. Files are opened by ourselves first, because "no such file" and "not PEM" are what people
 * need to hear. */
#include "tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { HOST_BYTES = 256 };

struct tls {
    SSL_CTX *ctx;
    BIO_METHOD *method;
    /* The newest ticket and whom it is from: the next connection to that host is resumed, which
     * saves most of the handshake. A resumed one shows no certificate, so the host is compared. */
    SSL_SESSION *ticket;
    char ticket_host[HOST_BYTES];
};

struct tls_link {
    struct tls *tls;
    char host[HOST_BYTES];
    SSL *ssl;
    int fd;
    int read_errno; /* of the last recv; 0: end of stream */
    bool failed;
    struct buf out;
};

/* --- the BIO ---------------------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *data, size_t room, size_t *ret_len)
{
    struct tls_link *k = BIO_get_data(bio);
    ssize_t n;
    BIO_clear_retry_flags(bio);
    do
        n = recv(k->fd, data, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *ret_len = (size_t)n;
        return 1;
    }
    k->read_errno = n < 0 ? errno : 0;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_read(bio);
    return 0;
}

static int bio_write(BIO *bio, const char *data, size_t len, size_t *ret_len)
{
    struct tls_link *k = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!gc_buf_reserve(&k->out, len))
        return 0;
    memcpy(k->out.data + k->out.end, data, len);
    k->out.end += len;
    *ret_len = len;
    return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

/* --- certificates ----------------------------------------------------------------------------- */

static bool readable(const char *role, const char *path, char why[GRID_WHY_BYTES])
{
    BIO *bio = BIO_new_file(path, "r");
    if (!bio) {
        int e = errno;
        gc_text_add(why, GRID_WHY_BYTES, "%s %s: %s", role, path, strerror(e ? e : EIO));
    }
    BIO_free(bio);
    ERR_clear_error();
    return bio;
}

static enum grid_err unusable(const char *role, const char *path, char why[GRID_WHY_BYTES])
{
    unsigned long e = ERR_peek_last_error();
    int reason = ERR_GET_REASON(e);
    const char *text = ERR_reason_error_string(e);
    if (ERR_GET_LIB(e) == ERR_LIB_X509 && reason == X509_R_KEY_VALUES_MISMATCH)
        text = "does not belong to the certificate";
    else if (ERR_GET_LIB(e) == ERR_LIB_PEM || ERR_GET_LIB(e) == ERR_LIB_X509 ||
             ERR_GET_LIB(e) == ERR_LIB_OSSL_DECODER || reason == ERR_R_PEM_LIB)
        text = "not a PEM file with what is expected in it";
    gc_text_add(why, GRID_WHY_BYTES, "%s %s: %s", role, path, text ? text : "cannot be used");
    ERR_clear_error();
    return GRID_ETLS;
}

/* No terminal is asked for a pass phrase. */
static int no_pass_phrase(char *buf, int size, int writing, void *asked)
{
    (void)buf, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static enum grid_err use_key(SSL_CTX *ctx, const char *key, char why[GRID_WHY_BYTES])
{
    bool asked = false;
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
    int ok = SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM);
    SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
    if (ok == 1)
        return GRID_OK;
    if (!asked)
        return unusable("key", key, why);
    ERR_clear_error();
    gc_text_add(why, GRID_WHY_BYTES, "key %s: is protected by a pass phrase", key);
    return GRID_ETLS;
}

static enum grid_err load(SSL_CTX *ctx, const char *ca, const char *cert, const char *key,
                          char why[GRID_WHY_BYTES])
{
    ERR_clear_error();
    if (!readable("ca", ca, why))
        return GRID_ETLS;
    if (SSL_CTX_load_verify_file(ctx, ca) != 1)
        return unusable("ca", ca, why);
    if (!cert)
        return GRID_OK;
    if (!readable("cert", cert, why) || !readable("key", key, why))
        return GRID_ETLS;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return unusable("cert", cert, why);
    return use_key(ctx, key, why);
}

/* Returns 1: the session is kept. */
static int on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct tls_link *k = SSL_get_app_data(ssl);
    SSL_SESSION_free(k->tls->ticket);
    k->tls->ticket = ticket;
    memcpy(k->tls->ticket_host, k->host, HOST_BYTES);
    return 1;
}

enum grid_err gc_tls_new(const char *ca, const char *cert, const char *key, struct tls **ret_tls,
                         char why[GRID_WHY_BYTES])
{
    struct tls *t = gc_calloc(1, sizeof *t);
    t->ctx = SSL_CTX_new(TLS_client_method());
    t->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "grid");
    if (!t->ctx || !t->method) {
        gc_tls_free(t);
        return GRID_ENOMEM;
    }
    BIO_meth_set_read_ex(t->method, bio_read);
    BIO_meth_set_write_ex(t->method, bio_write);
    BIO_meth_set_ctrl(t->method, bio_ctrl);
    SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(t->ctx, 1);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->ctx, on_ticket);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
    enum grid_err err = load(t->ctx, ca, cert, key, why);
    if (err)
        gc_tls_free(t);
    else
        *ret_tls = t;
    return err;
}

void gc_tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_SESSION_free(t->ticket);
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->method);
    free(t);
}

/* --- one connection --------------------------------------------------------------------------- */

/* OpenSSL's macro wants `host` without const. */
static bool expect_host(SSL *ssl, char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct tls_link *gc_tls_link_new(struct tls *t, int fd, const char *host)
{
    struct tls_link *k = gc_calloc(1, sizeof *k);
    k->tls = t;
    k->fd = fd;
    k->ssl = SSL_new(t->ctx);
    snprintf(k->host, sizeof k->host, "%s", host);
    BIO *bio = k->ssl ? BIO_new(t->method) : NULL;
    if (!bio || strlen(host) >= HOST_BYTES || !expect_host(k->ssl, k->host)) {
        BIO_free(bio);
        gc_tls_link_free(k);
        return NULL;
    }
    BIO_set_data(bio, k);
    BIO_set_init(bio, 1);
    SSL_set_bio(k->ssl, bio, bio);
    SSL_set_connect_state(k->ssl);
    SSL_set_app_data(k->ssl, k);
    if (t->ticket && strcmp(t->ticket_host, k->host) == 0)
        SSL_set_session(k->ssl, t->ticket); /* on a failure: a whole handshake */
    return k;
}

void gc_tls_link_free(struct tls_link *k)
{
    if (!k)
        return;
    /* A broken connection does not spoil the ticket (RFC 5246 7.2.1); a fault of TLS does. */
    if (k->ssl && !k->failed)
        SSL_set_shutdown(k->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(k->ssl);
    gc_buf_release(&k->out);
    free(k);
}

struct buf *gc_tls_link_out(struct tls_link *k)
{
    return &k->out;
}

/* Alerts and faults as people should hear them. */
static const char *explanation(int reason)
{
    static const struct {
        int reason;
        const char *text;
    } texts[] = {
        {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the server wants a client certificate"},
        {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE,
         "the server refuses the handshake; it may want a client certificate"},
        {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the server does not trust the client's certificate"},
        {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the server refuses the client's certificate"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the client's certificate has expired"},
        {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the server refuses the client's certificate"},
        {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "no TLS version in common with the server"},
        {SSL_R_WRONG_VERSION_NUMBER, "the server does not speak TLS"},
        {SSL_R_UNSUPPORTED_PROTOCOL, "no TLS version in common with the server"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].reason == reason)
            return texts[i].text;
    return NULL;
}

static enum io explain(struct tls_link *k, char why[GRID_WHY_BYTES])
{
    unsigned long e = ERR_peek_error();
    k->failed = true;
    const char *text = explanation(ERR_GET_REASON(e));
    if (ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        gc_text_add(why, GRID_WHY_BYTES, "the server's certificate is not trusted: %s",
                    X509_verify_cert_error_string(SSL_get_verify_result(k->ssl)));
    else
        gc_text_add(why, GRID_WHY_BYTES, "%s", text ? text : ERR_reason_error_string(e));
    ERR_clear_error();
    return IO_FAILED;
}

/* The error queue is per thread and must be empty before each call that SSL_get_error() judges. */
static enum io outcome(struct tls_link *k, int rc, char why[GRID_WHY_BYTES])
{
    if (rc == 1)
        return IO_DONE;
    int error = SSL_get_error(k->ssl, rc);
    int reason = ERR_GET_REASON(ERR_peek_error());
    if (error == SSL_ERROR_WANT_READ)
        return IO_AGAIN;
    if (error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SYSCALL ||
        reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        ERR_clear_error();
        if (error == SSL_ERROR_SYSCALL && k->read_errno)
            gc_text_add(why, GRID_WHY_BYTES, "%s", strerror(k->read_errno));
        return IO_CLOSED;
    }
    return explain(k, why);
}

enum io gc_tls_handshake(struct tls_link *k, char why[GRID_WHY_BYTES])
{
    ERR_clear_error();
    k->read_errno = 0;
    return outcome(k, SSL_do_handshake(k->ssl), why);
}

enum io gc_tls_read(struct tls_link *k, void *to, size_t room, size_t *ret_len,
                    char why[GRID_WHY_BYTES])
{
    ERR_clear_error();
    k->read_errno = 0;
    return outcome(k, SSL_read_ex(k->ssl, to, room, ret_len), why);
}

enum io gc_tls_write(struct tls_link *k, const void *data, size_t len, char why[GRID_WHY_BYTES])
{
    size_t written;
    ERR_clear_error();
    if (len == 0)
        return IO_DONE;
    return outcome(k, SSL_write_ex(k->ssl, data, len, &written), why);
}
