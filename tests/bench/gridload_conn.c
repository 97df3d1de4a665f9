/* gridload_conn.c - sockets and TLS. Blocking while a connection is set up, then non-blocking.
 * TLS reads ahead, so that a turn costs one read() however many records came, as it does without
 * TLS. */
#include "tests/bench/gridload.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SETUP_SECONDS = 30 };

SSL_CTX *tls_new(const struct options *o)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    bool ok = ctx && SSL_CTX_load_verify_locations(ctx, o->tls_ca, NULL) == 1;
    if (ok && o->tls_cert)
        ok = SSL_CTX_use_certificate_chain_file(ctx, o->tls_cert) == 1;
    if (ok && o->tls_key)
        ok = SSL_CTX_use_PrivateKey_file(ctx, o->tls_key, SSL_FILETYPE_PEM) == 1;
    if (!ok) {
        fprintf(stderr, "gridload: cannot use the certificates given: ");
        ERR_print_errors_fp(stderr);
        exit(2);
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ctx, 1);
    return ctx;
}

static bool tls_start(struct conn *c, SSL_CTX *tls)
{
    c->ssl = SSL_new(tls);
    CHECK(c->ssl != NULL);
    SSL_set_fd(c->ssl, c->fd);
    return SSL_connect(c->ssl) == 1;
}

bool conn_open(struct conn *c, const struct options *o, const struct place *place, SSL_CTX *tls)
{
    uint16_t port = place ? place->port : (uint16_t)o->port;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, place ? place->host : o->host, &to.sin_addr) != 1) {
        errno = EINVAL;
        return false;
    }
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    struct timeval limit = {.tv_sec = SETUP_SECONDS};
    int on = 1;
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (const struct sockaddr *)&to, sizeof to) != 0)
        return false;
    if (!tls || tls_start(c, tls))
        return true;
    errno = EPROTO; /* the handshake */
    return false;
}

void conn_nonblocking(struct conn *c)
{
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
}

/* Bytes moved, 0: not now, -1: over. */
static ssize_t tls_result(struct conn *c, int n)
{
    if (n > 0)
        return n;
    int err = SSL_get_error(c->ssl, n);
    return err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t plain_result(ssize_t n)
{
    if (n > 0)
        return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static ssize_t read_some(struct conn *c)
{
    size_t room = c->in_cap - c->in_len;
    if (c->ssl)
        return tls_result(c, SSL_read(c->ssl, c->in + c->in_len, (int)room));
    return plain_result(recv(c->fd, c->in + c->in_len, room, 0));
}

static ssize_t write_some(struct conn *c, struct slice data)
{
    size_t len = data.len < INT32_MAX ? data.len : INT32_MAX;
    if (c->ssl)
        return tls_result(c, SSL_write(c->ssl, data.data, (int)len));
    return plain_result(send(c->fd, data.data, len, MSG_NOSIGNAL));
}

bool conn_send_all(struct conn *c, struct slice data)
{
    while (data.len > 0) {
        ssize_t n = write_some(c, data);
        if (n <= 0)
            return false;
        data = slice_make(data.data + n, data.len - (size_t)n);
    }
    return true;
}

bool conn_receive(struct conn *c)
{
    ssize_t n = c->in_len < c->in_cap ? read_some(c) : -1;
    if (n > 0)
        c->in_len += (size_t)n;
    return n > 0;
}

bool conn_read(struct conn *c)
{
    do {
        ssize_t n = read_some(c);
        if (n < 0)
            return false;
        c->in_len += (size_t)n;
        if (n == 0)
            break;
    } while (c->ssl && c->in_len < c->in_cap && SSL_has_pending(c->ssl));
    return true;
}

bool conn_write(struct conn *c)
{
    while (c->out_sent < c->out_len) {
        ssize_t n = write_some(c, slice_make(c->out + c->out_sent, c->out_len - c->out_sent));
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        c->out_sent += (size_t)n;
    }
    c->out_sent = c->out_len = 0;
    return true;
}

void conn_close(struct conn *c)
{
    if (c->ssl)
        SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    free(c->out);
    free(c->ring);
    *c = (struct conn){.fd = -1};
}
