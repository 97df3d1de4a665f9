/* tls.c - the server's certificates. Files are opened by ourselves first, because "no such file"
 * and "not PEM" are what the reader of the message wants to know, and OpenSSL's error queue tells
 * it in five lines. */
#include "net/tls_ctx_priv.h"

#include "base/alloc.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct tls {
    pthread_mutex_t lock; /* over `ctx` and `expires`: taken once per new connection */
    SSL_CTX *ctx;
    int64_t expires;
    enum tls_peer peer; /* never changes between nodes and clients */
};

/* TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else. */
static const char CIPHERS_12[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static enum grid_err fail(char *ret_why, const char *role, const char *path, const char *reason)
{
    snprintf(ret_why, NET_WHY_BYTES, "%s \"%.250s\": %s", role, path, reason);
    ERR_clear_error();
    return GRID_ETLS;
}

/* A BIO over the whole file, or NULL with ret_why. */
static BIO *open_pem(const char *role, const char *path, char *ret_why)
{
    FILE *f = path ? fopen(path, "re") : NULL;
    struct stat st;
    if (!path)
        fail(ret_why, role, "", "not configured");
    else if (!f)
        fail(ret_why, role, path, strerror(errno));
    else if (fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode))
        fail(ret_why, role, path, "not a regular file");
    else
        return BIO_new_fp(f, BIO_CLOSE);
    if (f)
        fclose(f);
    return NULL;
}

static const char NOT_PEM[] = "not a PEM file with what is expected in it";

static const char *why_not_pem(void)
{
    unsigned long e = ERR_peek_last_error();
    return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE
               ? NOT_PEM
               : "damaged PEM file";
}

static int64_t unix_time(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static enum grid_err check_dates(const X509 *cert, const char *role, const char *path,
                                 char *ret_why)
{
    struct {
        const ASN1_TIME *at;
        bool before;
        const char *text;
    } rules[] = {
        {X509_get0_notAfter(cert), true, "expired on"},
        {X509_get0_notBefore(cert), false, "not valid before"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int order = X509_cmp_current_time(rules[i].at);
        if (rules[i].before ? order > 0 : order < 0)
            continue;
        time_t at = (time_t)unix_time(rules[i].at);
        struct tm tm;
        char date[32], text[64];
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&at, &tm));
        snprintf(text, sizeof text, "%s %s", rules[i].text, date);
        return fail(ret_why, role, path, text);
    }
    return GRID_OK;
}

static enum grid_err load_ca(SSL_CTX *ctx, const char *path, char *ret_why)
{
    static const char ROLE[] = "certificate authority";
    BIO *bio = open_pem(ROLE, path, ret_why);
    if (!bio)
        return GRID_ETLS;
    enum grid_err err = GRID_OK;
    size_t count = 0;
    X509 *cert = NULL;
    while (!err && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        err = check_dates(cert, ROLE, path, ret_why);
        if (!err && (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) != 1 ||
                     SSL_CTX_add_client_CA(ctx, cert) != 1))
            err = fail(ret_why, ROLE, path, "cannot be used as an authority");
        X509_free(cert);
        count++;
    }
    unsigned long e = ERR_peek_last_error();
    if (!err && (count == 0 || ERR_GET_REASON(e) != PEM_R_NO_START_LINE))
        err = fail(ret_why, ROLE, path, why_not_pem());
    ERR_clear_error();
    BIO_free(bio);
    return err;
}

/* One that says what it is for, and not that it is for a server, every client would refuse. */
static enum grid_err check_usage(X509 *cert, const char *role, const char *path, char *ret_why)
{
    bool says = X509_get_extension_flags(cert) & EXFLAG_XKUSAGE;
    if (!says || X509_get_extended_key_usage(cert) & (XKU_SSL_SERVER | XKU_ANYEKU))
        return GRID_OK;
    return fail(ret_why, role, path, "was issued to a client, not to a node");
}

/* The first certificate is the server's, those behind it are its chain. */
static enum grid_err load_cert(SSL_CTX *ctx, const char *path, int64_t *ret_expires, char *ret_why)
{
    static const char ROLE[] = "certificate";
    BIO *bio = open_pem(ROLE, path, ret_why);
    if (!bio)
        return GRID_ETLS;
    enum grid_err err = GRID_OK;
    size_t count = 0;
    X509 *cert = NULL;
    while (!err && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        err = check_dates(cert, ROLE, path, ret_why);
        if (!err && count == 0)
            err = check_usage(cert, ROLE, path, ret_why);
        if (!err && count == 0)
            *ret_expires = unix_time(X509_get0_notAfter(cert));
        if (!err && (count == 0 ? SSL_CTX_use_certificate(ctx, cert)
                                : (int)SSL_CTX_add1_chain_cert(ctx, cert)) != 1)
            err = fail(ret_why, ROLE, path, ERR_reason_error_string(ERR_peek_last_error()));
        X509_free(cert);
        count++;
    }
    unsigned long e = ERR_peek_last_error();
    if (!err && (count == 0 || ERR_GET_REASON(e) != PEM_R_NO_START_LINE))
        err = fail(ret_why, ROLE, path, why_not_pem());
    ERR_clear_error();
    BIO_free(bio);
    return err;
}

/* A daemon cannot ask: a key with a pass phrase is refused instead of prompting on the terminal. */
static int no_pass_phrase(char *buf, int size, int writing, void *asked)
{
    (void)buf, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static enum grid_err load_key(SSL_CTX *ctx, const struct tls_conf *conf, char *ret_why)
{
    static const char ROLE[] = "private key";
    BIO *bio = open_pem(ROLE, conf->key, ret_why);
    if (!bio)
        return GRID_ETLS;
    bool asked = false;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_pass_phrase, &asked);
    BIO_free(bio);
    if (!key)
        return fail(ret_why, ROLE, conf->key, asked ? "is protected by a pass phrase" : NOT_PEM);
    bool fits = X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) == 1;
    bool used = fits && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    EVP_PKEY_free(key);
    if (used)
        return GRID_OK;
    char text[190];
    snprintf(text, sizeof text, "%s certificate \"%.150s\"",
             fits ? "cannot be used with" : "does not match", conf->cert);
    return fail(ret_why, ROLE, conf->key, text);
}

/* Only who may be a server is a node: a certificate that was issued to a client says clientAuth
 * alone, and one that says nothing was not issued for this. */
static int verify_node(int ok, X509_STORE_CTX *store)
{
    if (!ok || X509_STORE_CTX_get_error_depth(store) != 0)
        return ok;
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    bool says = X509_get_extension_flags(cert) & EXFLAG_XKUSAGE;
    if (says && X509_get_extended_key_usage(cert) & XKU_SSL_SERVER)
        return ok;
    X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
    return 0;
}

static void set_options(SSL_CTX *ctx, enum tls_peer peer)
{
    static const unsigned char SESSIONS[] = "gridd";
    static const int VERIFY[] = {
        [TLS_PEER_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
        [TLS_PEER_OPTIONAL] = SSL_VERIFY_PEER,
        [TLS_PEER_NONE] = SSL_VERIFY_NONE,
        [TLS_PEER_NODE] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
    };
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    /* Idle connections keep no record buffers (17 KiB each way); taking them anew costs two small
     * allocations. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    CHECK(SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1);
    /* Tickets only: no table of sessions to fill. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, peer == TLS_PEER_NODE ? 0 : 1);
    SSL_CTX_set_session_id_context(ctx, SESSIONS, sizeof SESSIONS - 1);
    SSL_CTX_set_verify(ctx, VERIFY[peer], peer == TLS_PEER_NODE ? verify_node : NULL);
}

static enum grid_err load(const struct tls_conf *conf, SSL_CTX **ret_ctx, int64_t *ret_expires,
                          char *ret_why)
{
    bool nodes = conf->peer == TLS_PEER_NODE;
    SSL_CTX *ctx = SSL_CTX_new(nodes ? TLS_method() : TLS_server_method());
    if (!ctx)
        return fail(ret_why, "TLS", "", "out of memory");
    ERR_clear_error();
    set_options(ctx, conf->peer);
    int64_t expires = 0;
    enum grid_err err =
        conf->ca || conf->peer != TLS_PEER_NONE ? load_ca(ctx, conf->ca, ret_why) : GRID_OK;
    if (!err)
        err = load_cert(ctx, conf->cert, &expires, ret_why);
    if (!err)
        err = load_key(ctx, conf, ret_why);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    *ret_ctx = ctx;
    *ret_expires = expires;
    return GRID_OK;
}

enum grid_err tls_new(const struct tls_conf *conf, struct tls **ret_tls,
                      char ret_why[NET_WHY_BYTES])
{
    SSL_CTX *ctx = NULL;
    int64_t expires = 0;
    /* A program may end while our threads run: what they use of OpenSSL is not freed then. No more
     * can be done where the program used it before. */
    if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL))
        return fail(ret_why, "TLS", "", "out of memory");
    enum grid_err err = load(conf, &ctx, &expires, ret_why);
    if (err)
        return err;
    struct tls *t = xcalloc(1, sizeof *t);
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    t->ctx = ctx;
    t->expires = expires;
    t->peer = conf->peer;
    *ret_tls = t;
    return GRID_OK;
}

enum grid_err tls_reload(struct tls *t, const struct tls_conf *conf, char ret_why[NET_WHY_BYTES])
{
    CHECK((t->peer == TLS_PEER_NODE) == (conf->peer == TLS_PEER_NODE));
    SSL_CTX *ctx = NULL;
    int64_t expires = 0;
    enum grid_err err = load(conf, &ctx, &expires, ret_why);
    if (err)
        return err;
    pthread_mutex_lock(&t->lock);
    SSL_CTX *old = t->ctx;
    t->ctx = ctx;
    t->expires = expires;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(old);
    return GRID_OK;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

int64_t tls_expires(struct tls *t)
{
    pthread_mutex_lock(&t->lock);
    int64_t expires = t->expires;
    pthread_mutex_unlock(&t->lock);
    return expires;
}

bool tls_between_nodes(const struct tls *t)
{
    return t->peer == TLS_PEER_NODE;
}

SSL_CTX *tls_ctx_ref(struct tls *t)
{
    pthread_mutex_lock(&t->lock);
    SSL_CTX *ctx = t->ctx;
    SSL_CTX_up_ref(ctx);
    pthread_mutex_unlock(&t->lock);
    return ctx;
}
