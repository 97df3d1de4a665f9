/* echo_server.c - the machine's limit: a bare libevent server, raw events, one thread. Each frame
 * (4-byte little-endian length, body) is answered with itself; the answers to one read go out in
 * one write. No limits, no timeouts, nothing of gridd: what is above it in a measurement is what
 * gridd costs.
 *
 *   echo_server PORT [--tls CERT KEY CA]
 * PORT 0: the kernel chooses; the port is printed on stdout. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, FRAME_MAX = 64 << 20, HEADER = 4 };

struct peer {
    struct event *readable;
    struct event *writable;
    SSL *ssl;
    int fd;
    uint8_t *in; /* input not yet answered */
    size_t in_len, in_cap;
    uint8_t *out; /* answers not yet sent */
    size_t out_len, out_cap;
};

static struct event_base *base;
static SSL_CTX *tls;

static void need(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "echo_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void room(uint8_t **data, size_t *cap, size_t wanted)
{
    if (wanted <= *cap)
        return;
    *cap = wanted * 2;
    *data = realloc(*data, *cap);
    need(*data != NULL, "memory");
}

static void peer_free(struct peer *p)
{
    event_free(p->readable);
    event_free(p->writable);
    SSL_free(p->ssl);
    close(p->fd);
    free(p->in);
    free(p->out);
    free(p);
}

/* > 0 bytes, 0: would block, -1: ended. */
static ssize_t peer_read(struct peer *p, uint8_t *data, size_t len)
{
    if (!p->ssl) {
        ssize_t n = recv(p->fd, data, len, 0);
        return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    int n = SSL_read(p->ssl, data, (int)len);
    return n > 0 ? n : SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static ssize_t peer_write(struct peer *p, const uint8_t *data, size_t len)
{
    if (!p->ssl) {
        ssize_t n = send(p->fd, data, len, MSG_NOSIGNAL);
        return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    int n = SSL_write(p->ssl, data, (int)len);
    return n > 0 ? n : SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* False: the peer is gone. */
static int flush(struct peer *p)
{
    size_t at = 0;
    while (at < p->out_len) {
        ssize_t n = peer_write(p, p->out + at, p->out_len - at);
        if (n < 0)
            return 0;
        if (n == 0)
            break;
        at += (size_t)n;
    }
    memmove(p->out, p->out + at, p->out_len - at);
    p->out_len -= at;
    if (p->out_len)
        event_add(p->writable, NULL);
    return 1;
}

/* Move whole frames from input to output; false: a frame is too long. */
static int answer(struct peer *p)
{
    size_t at = 0;
    while (p->in_len - at >= HEADER) {
        const uint8_t *f = p->in + at;
        size_t body = (size_t)f[0] | (size_t)f[1] << 8 | (size_t)f[2] << 16 | (size_t)f[3] << 24;
        if (body > FRAME_MAX)
            return 0;
        if (p->in_len - at < HEADER + body)
            break;
        at += HEADER + body;
    }
    room(&p->out, &p->out_cap, p->out_len + at);
    memcpy(p->out + p->out_len, p->in, at);
    p->out_len += at;
    memmove(p->in, p->in + at, p->in_len - at);
    p->in_len -= at;
    return 1;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct peer *p = ctx;
    ssize_t n;
    do {
        room(&p->in, &p->in_cap, p->in_len + READ_BYTES);
        n = peer_read(p, p->in + p->in_len, READ_BYTES);
        p->in_len += n > 0 ? (size_t)n : 0;
    } while (n > 0 && p->ssl && SSL_has_pending(p->ssl));
    if (n < 0 || !answer(p) || !flush(p))
        peer_free(p);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct peer *p = ctx;
    if (!flush(p))
        peer_free(p);
}

static void on_accept(evutil_socket_t listener, short what, void *ctx)
{
    (void)what, (void)ctx;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct peer *p = calloc(1, sizeof *p);
    need(p != NULL, "memory");
    p->fd = fd;
    if (tls) {
        p->ssl = SSL_new(tls);
        need(p->ssl && SSL_set_fd(p->ssl, fd), "SSL_new");
        SSL_set_accept_state(p->ssl);
    }
    p->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, p);
    p->writable = event_new(base, fd, EV_WRITE, on_writable, p);
    need(p->readable && p->writable && event_add(p->readable, NULL) == 0, "event");
}

static void tls_start(char **files)
{
    tls = SSL_CTX_new(TLS_server_method());
    need(tls && SSL_CTX_use_certificate_chain_file(tls, files[0]) == 1 &&
             SSL_CTX_use_PrivateKey_file(tls, files[1], SSL_FILETYPE_PEM) == 1 &&
             SSL_CTX_load_verify_locations(tls, files[2], NULL) == 1,
         "certificates");
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"echo", 4);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

int main(int argc, char **argv)
{
    if ((argc != 2 && argc != 6) || (argc == 6 && strcmp(argv[2], "--tls") != 0)) {
        fprintf(stderr, "usage: echo_server PORT [--tls CERT KEY CA]\n");
        return 2;
    }
    if (argc == 6)
        tls_start(argv + 3);
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(argv[1])),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    need(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* inherited by accepted sockets */
    need(bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 1024) == 0 &&
             getsockname(fd, (struct sockaddr *)&a, &len) == 0,
         "listen");
    base = event_base_new();
    need(base != NULL, "event base");
    struct event *accept_event = event_new(base, fd, EV_READ | EV_PERSIST, on_accept, NULL);
    need(accept_event && event_add(accept_event, NULL) == 0, "event");
    printf("%u\n", ntohs(a.sin_port));
    fflush(stdout);
    event_base_dispatch(base);
    return 0;
}
