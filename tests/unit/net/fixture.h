/* fixture.h - a server on one loop and clients beside it, all in one thread: a client that waits
 * runs turns of the loop. The server answers each frame (4-byte little-endian length, body) with
 * itself, at the end of the turn, from the slices that input() got: so every test also proves that
 * input stays valid until then. Time moves only when a test says so. */
#ifndef GRIDD_TESTS_NET_FIXTURE_H
#define GRIDD_TESTS_NET_FIXTURE_H

#include "base/alloc.h"
#include "net/conn.h"
#include "net/listener.h"
#include "tests/lib/certs.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <unistd.h>

#define MAYBE_UNUSED __attribute__((unused))
enum { TURNS_MAX = 200000, ASKED_MAX = 65536 };

struct asked {
    struct conn *conn;
    const uint8_t *data;
    size_t len;
};

struct server {
    struct loop *loop;
    struct listener *listener;
    struct quota quota;
    struct tls *tls;
    struct conn_conf conf;
    struct conn_handler handler;
    msec_t now;
    char dir[64];
    /* behaviour */
    unsigned frames_per_input; /* 0: all */
    bool silent;               /* do not answer */
    bool raw;                  /* take whatever comes */
    size_t answer_extra;       /* bytes sent after each answer */
    /* what happened */
    struct conn *last;
    unsigned opened, closed, input_ended, frames, inputs;
    enum conn_end end;
    char why[NET_WHY_BYTES];
    char user[64];
    struct asked asked[ASKED_MAX];
    size_t asked_len;
};

static MAYBE_UNUSED void on_open(void *ctx, struct conn *c)
{
    struct server *s = ctx;
    s->opened++;
    s->last = c;
    snprintf(s->user, sizeof s->user, "%s", conn_user(c));
}

static MAYBE_UNUSED size_t on_input(void *ctx, struct conn *c, const uint8_t *data, size_t len)
{
    struct server *s = ctx;
    s->inputs++;
    size_t at = 0;
    unsigned n = 0;
    while (!s->raw && len - at >= 4 && len - at - 4 >= load_u32(data + at)) {
        if (s->frames_per_input && n++ == s->frames_per_input) {
            conn_again(c);
            break;
        }
        size_t whole = 4 + (size_t)load_u32(data + at);
        ck_assert_uint_lt(s->asked_len, ASKED_MAX);
        s->asked[s->asked_len++] = (struct asked){c, data + at, whole};
        at += whole;
        s->frames++;
    }
    return s->raw ? len : at;
}

static MAYBE_UNUSED void on_input_ended(void *ctx, struct conn *c)
{
    struct server *s = ctx;
    s->input_ended++;
    (void)c;
}

static MAYBE_UNUSED void on_closed(void *ctx, struct conn *c, enum conn_end end, const char *text)
{
    struct server *s = ctx;
    conn_check(c);
    s->closed++;
    s->end = end;
    snprintf(s->why, sizeof s->why, "%s", text);
}

static MAYBE_UNUSED void on_turn_end(void *ctx)
{
    struct server *s = ctx;
    for (size_t i = 0; i < s->asked_len && !s->silent; i++) {
        struct buf *out = conn_output(s->asked[i].conn);
        buf_add(out, s->asked[i].data, s->asked[i].len);
        if (s->answer_extra)
            memset(buf_reserve(out, s->answer_extra), 'x', s->answer_extra);
        out->len += s->answer_extra;
    }
    s->asked_len = 0;
}

static MAYBE_UNUSED void on_accepted(void *ctx, int fd, const struct net_addr *peer)
{
    struct server *s = ctx;
    struct conn *c = NULL;
    ck_assert_int_eq(conn_new(s->loop, fd, peer, &s->conf, &s->handler, s, &c), GRID_OK);
}

static MAYBE_UNUSED msec_t server_clock(void *ctx)
{
    return ((struct server *)ctx)->now;
}

static MAYBE_UNUSED struct server *server_new(bool tls, enum tls_peer peer)
{
    struct server *s = xcalloc(1, sizeof *s);
    char why[NET_WHY_BYTES] = "";
    s->now = 1000000;
    s->quota.max = 10000;
    s->handler = (struct conn_handler){.open = on_open, .input = on_input, .closed = on_closed};
    s->loop = loop_new(&(struct loop_hooks){.ctx = s, .turn_end = on_turn_end});
    loop_set_clock(s->loop, server_clock, s);
    snprintf(s->dir, sizeof s->dir, "/tmp/gridd-net-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    if (tls) {
        certs_make(s->dir);
        struct tls_conf tc = {certs_path(s->dir, "ca.crt"), certs_path(s->dir, "server.crt"),
                              certs_path(s->dir, "server.key"), peer};
        ck_assert_msg(tls_new(&tc, &s->tls, why) == GRID_OK, "%s", why);
    }
    s->conf = (struct conn_conf){.tls = s->tls, .quota = &s->quota, .linger_ms = 500};
    struct listener_conf lc = {"127.0.0.1:0", "test", &s->quota, s, on_accepted};
    ck_assert_msg(listener_new(s->loop, &lc, &s->listener, why) == GRID_OK, "%s", why);
    return s;
}

static MAYBE_UNUSED void server_free(struct server *s)
{
    listener_free(s->listener);
    loop_check(s->loop);
    loop_free(s->loop);
    tls_free(s->tls);
    ck_assert_uint_eq(s->quota.live, 0);
    static const char *const FILES[] = {"ca.crt",     "ca.key",     "server.crt",
                                        "server.key", "client.crt", "client.key",
                                        "other.crt",  "other.key",  "odd.pem"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++)
        unlink(certs_path(s->dir, FILES[i]));
    rmdir(s->dir);
    free(s);
}

static MAYBE_UNUSED void turn(struct server *s)
{
    loop_turn(s->loop, false);
}

struct client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl; /* NULL: plain */
};

static MAYBE_UNUSED void client_connect(struct server *s, struct client *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(listener_port(s->listener)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
}

/* `cert` NULL: shows none. `session` of an earlier connection or NULL. */
static MAYBE_UNUSED void client_tls(struct server *s, struct client *c, const char *cert,
                                    SSL_SESSION *session)
{
    c->ctx = SSL_CTX_new(TLS_client_method());
    ck_assert_int_eq(SSL_CTX_load_verify_locations(c->ctx, certs_path(s->dir, "ca.crt"), NULL), 1);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    if (cert) {
        char file[64];
        snprintf(file, sizeof file, "%s.crt", cert);
        ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(c->ctx, certs_path(s->dir, file)), 1);
        snprintf(file, sizeof file, "%s.key", cert);
        ck_assert_int_eq(
            SSL_CTX_use_PrivateKey_file(c->ctx, certs_path(s->dir, file), SSL_FILETYPE_PEM), 1);
    }
    c->ssl = SSL_new(c->ctx);
    SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_fd(c->ssl, c->fd);
    if (session)
        SSL_set_session(c->ssl, session);
    SSL_set_connect_state(c->ssl);
}

/* 1 done, 0 try again, -1 ended. */
static MAYBE_UNUSED int client_step(const struct client *c, int rc)
{
    if (rc > 0)
        return 1;
    if (!c->ssl)
        return rc < 0 && errno == EAGAIN ? 0 : -1;
    int e = SSL_get_error(c->ssl, rc);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static MAYBE_UNUSED bool client_handshake(struct server *s, struct client *c)
{
    int step = 0;
    for (int i = 0; i < TURNS_MAX && step == 0; i++) {
        ERR_clear_error();
        step = client_step(c, SSL_do_handshake(c->ssl));
        turn(s);
    }
    return step == 1;
}

static MAYBE_UNUSED struct client client_new(struct server *s)
{
    struct client c = {.fd = -1};
    client_connect(s, &c);
    if (s->tls) {
        client_tls(s, &c, "client", NULL);
        ck_assert(client_handshake(s, &c));
    }
    for (int i = 0; i < 10; i++)
        turn(s);
    return c;
}

static MAYBE_UNUSED void client_free(struct client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    close(c->fd);
}

/* One attempt: bytes written, 0 when it would block, -1 when the connection is gone. */
static MAYBE_UNUSED ssize_t client_write(struct client *c, const void *data, size_t len)
{
    int n = c->ssl ? SSL_write(c->ssl, data, len > 65536 ? 65536 : (int)len)
                   : (int)send(c->fd, data, len, MSG_NOSIGNAL);
    int step = client_step(c, n);
    return step == 1 ? n : step;
}

/* One attempt; -1 at the end. */
static MAYBE_UNUSED ssize_t client_read(struct client *c, void *data, size_t room)
{
    int n = c->ssl ? SSL_read(c->ssl, data, (int)room) : (int)recv(c->fd, data, room, 0);
    int step = client_step(c, n);
    return step == 1 ? n : step;
}

static MAYBE_UNUSED void client_send(struct server *s, struct client *c, const void *data,
                                     size_t len)
{
    const uint8_t *p = data;
    for (int i = 0; i < TURNS_MAX && len > 0; i++) {
        ssize_t n = client_write(c, p, len);
        if (n < 0)
            ck_abort_msg("the connection is gone");
        p += n;
        len -= (size_t)n;
        if (n == 0)
            turn(s);
    }
    ck_assert_uint_eq(len, 0);
}

static MAYBE_UNUSED void client_recv(struct server *s, struct client *c, void *data, size_t len)
{
    uint8_t *p = data;
    for (int i = 0; i < TURNS_MAX && len > 0; i++) {
        ssize_t n = client_read(c, p, len);
        if (n < 0)
            ck_abort_msg("the connection is gone");
        p += n;
        len -= (size_t)n;
        if (n == 0)
            turn(s);
    }
    ck_assert_uint_eq(len, 0);
}

/* Whether the connection ends (with or without a reset) after at most `len` more bytes. */
static MAYBE_UNUSED bool client_ended(struct server *s, struct client *c)
{
    uint8_t data[4096];
    ssize_t n = 0;
    for (int i = 0; i < 2000 && n >= 0; i++) {
        n = client_read(c, data, sizeof data);
        turn(s);
    }
    return n < 0;
}

/* A frame of `len` body bytes that depend on `seed`; the caller frees it. */
static MAYBE_UNUSED uint8_t *frame_new(size_t len, unsigned seed)
{
    uint8_t *f = xalloc(4 + len);
    store_u32(f, (uint32_t)len);
    for (size_t i = 0; i < len; i++)
        f[4 + i] = (uint8_t)(i * 31 + seed + i / 256);
    return f;
}

static MAYBE_UNUSED void echo_once(struct server *s, struct client *c, size_t len, unsigned seed)
{
    uint8_t *f = frame_new(len, seed), *back = xalloc(4 + len);
    client_send(s, c, f, 4 + len);
    client_recv(s, c, back, 4 + len);
    ck_assert_int_eq(memcmp(f, back, 4 + len), 0);
    free(f);
    free(back);
}

/* Turns until *what is `wanted`. */
static MAYBE_UNUSED void until(struct server *s, const unsigned *what, unsigned wanted)
{
    for (int i = 0; i < 10000 && *what != wanted; i++)
        turn(s);
    ck_assert_uint_eq(*what, wanted);
}

#endif
