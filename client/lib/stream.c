/* stream.c - see stream.h. */
#include "stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static enum io failed(int error, char why[GRID_WHY_BYTES])
{
    gc_text_add(why, GRID_WHY_BYTES, "%s", strerror(error));
    return IO_FAILED;
}

enum io gc_stream_connect(struct stream *s, const struct target *to, char why[GRID_WHY_BYTES])
{
    int on = 1;
    s->fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return failed(errno, why);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(s->fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &on, sizeof on);
    if (connect(s->fd, (const struct sockaddr *)&to->address, to->address_len) == 0)
        return IO_DONE;
    /* Interrupted: it goes on by itself, as when in progress. */
    if (errno == EINPROGRESS || errno == EINTR)
        return IO_AGAIN;
    return failed(errno, why);
}

enum io gc_stream_connected(struct stream *s, char why[GRID_WHY_BYTES])
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    return error ? failed(error, why) : IO_DONE;
}

static enum io send_bytes(int fd, struct buf *data, char why[GRID_WHY_BYTES])
{
    while (buf_len(data)) {
        ssize_t n = send(fd, data->data + data->start, buf_len(data), MSG_NOSIGNAL);
        if (n >= 0)
            gc_buf_consume(data, (size_t)n);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return IO_AGAIN;
        else if (errno != EINTR)
            return failed(errno, why);
    }
    return IO_DONE;
}

enum io gc_stream_start_tls(struct stream *s, struct tls *tls, const char *host,
                            char why[GRID_WHY_BYTES])
{
    s->tls = gc_tls_link_new(tls, s->fd, host);
    return s->tls ? IO_DONE : failed(ENOMEM, why);
}

/* What TLS has to say goes out after each step, the alert of a failed one included. IO_FAILED stays
 * what TLS itself refuses: a broken socket is IO_CLOSED. */
static enum io send_tls(struct stream *s, enum io step, char why[GRID_WHY_BYTES])
{
    char ignored[GRID_WHY_BYTES] = "";
    bool going_on = step == IO_DONE || step == IO_AGAIN;
    enum io sent = send_bytes(s->fd, gc_tls_link_out(s->tls), going_on ? why : ignored);
    return going_on && sent == IO_FAILED ? IO_CLOSED : step;
}

enum io gc_stream_handshake(struct stream *s, char why[GRID_WHY_BYTES])
{
    return send_tls(s, gc_tls_handshake(s->tls, why), why);
}

enum io gc_stream_read(struct stream *s, void *to, size_t room, size_t *ret_len,
                       char why[GRID_WHY_BYTES])
{
    if (s->tls) {
        enum io step = gc_tls_read(s->tls, to, room, ret_len, why);
        return buf_len(gc_tls_link_out(s->tls)) ? send_tls(s, step, why) : step;
    }
    ssize_t n;
    do
        n = recv(s->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *ret_len = (size_t)n;
        return IO_DONE;
    }
    if (n == 0)
        return IO_CLOSED;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return IO_AGAIN;
    return failed(errno, why);
}

enum io gc_stream_write(struct stream *s, struct buf *data, char why[GRID_WHY_BYTES])
{
    if (!s->tls)
        return send_bytes(s->fd, data, why);
    struct buf *out = gc_tls_link_out(s->tls);
    if (buf_len(out) == 0) {
        enum io step = gc_tls_write(s->tls, data->data + data->start, buf_len(data), why);
        if (step != IO_DONE)
            return step == IO_AGAIN ? IO_AGAIN : IO_FAILED;
        gc_buf_consume(data, buf_len(data));
    }
    return send_bytes(s->fd, out, why);
}

bool gc_stream_unsent(const struct stream *s, const struct buf *data)
{
    return buf_len(data) || (s->tls && buf_len(gc_tls_link_out(s->tls)));
}

void gc_stream_close(struct stream *s)
{
    gc_tls_link_free(s->tls);
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct stream){.fd = -1};
}
