/* conn_write.c - output: one send(2) per connection and turn. When the socket is full the rest
 * waits for the event that says it is not; no attempt is made before. */
#include "net/conn_priv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { OUTPUT_HIGH_DEFAULT = 1 << 20 };

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct conn *c = ctx;
    loop_begin(c->loop);
    c->blocked = false;
    if (c->state == CONN_CONNECTING)
        conn_connected(c);
    conn_make_dirty(c);
}

/* A slow reader may empty megabytes of kernel buffers before the socket takes more from us: that
 * counts as taking. */
bool conn_queue_moved(struct conn *c)
{
    int before = c->queued;
    if (ioctl(c->fd, SIOCOUTQ, &c->queued) != 0)
        return false;
    return c->queued < before;
}

void conn_await_writable(struct conn *c)
{
    if (!c->write_event) {
        c->write_event = event_new(c->loop->base, c->fd, EV_WRITE, on_writable, c);
        CHECK(c->write_event);
    }
    CHECK(event_add(c->write_event, NULL) == 0);
    c->blocked = true;
}

/* The rest waits for the socket. */
static void block(struct conn *c)
{
    conn_await_writable(c);
    if (!c->waits)
        c->taken_at = loop_mono_ms(c->loop);
    c->waits = true;
    conn_queue_moved(c);
    conn_arm(c);
}

static bool encrypt(struct conn *c)
{
    if (!c->out.len || !c->opened)
        return true;
    if (!c->wire.cap)
        loop_buf_take(c->loop, &c->wire);
    tls_link_set_out(c->tls, &c->wire);
    bool ok = tls_link_write(c->tls, c->out.data, c->out.len);
    loop_buf_give(c->loop, &c->out);
    return ok;
}

static void send_some(struct conn *c)
{
    struct buf *b = conn_sending(c);
    if (c->sent > b->len / 2) {
        buf_consume(b, c->sent);
        c->sent = 0;
    }
    ssize_t n = send(c->fd, b->data + c->sent, b->len - c->sent, MSG_NOSIGNAL);
    loop_count(c->loop, STAT_WRITES, 1);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        c->broken = true;
        conn_fail(c, CONN_ENDED_BROKEN, strerror(errno));
        return;
    }
    msec_t now = loop_mono_ms(c->loop);
    if (n > 0) {
        loop_count(c->loop, STAT_BYTES_OUT, (uint64_t)n);
        c->active_at = c->taken_at = now;
        c->sent += (size_t)n;
    }
    if (c->sent < b->len) {
        block(c);
        return;
    }
    c->sent = 0;
    c->waits = false;
    loop_buf_give(c->loop, b);
}

/* Reading stops while much is unsent. */
static void throttle(struct conn *c)
{
    size_t high = c->conf->output_high ? c->conf->output_high : OUTPUT_HIGH_DEFAULT;
    size_t unsent = conn_unsent(c);
    if (!c->throttled && unsent > high) {
        c->throttled = true;
    } else if (c->throttled && unsent <= high / 2) {
        c->throttled = false;
        conn_make_ready(c);
    }
}

static void tell_room(struct conn *c)
{
    if (!c->wants_room || conn_unsent(c) > c->conf->output_low)
        return;
    c->wants_room = false;
    c->has_room = true;
    conn_make_ready(c);
}

/* Everything is sent: tell the peer, and let it read in peace. Closing with input unread would
 * reset the connection, and the peer might lose the answer that says why. */
static void finished(struct conn *c)
{
    if (!c->conf->linger_ms || c->eof) {
        conn_fail(c, CONN_ENDED_OWNER, NULL);
        return;
    }
    if (!c->end_known) {
        c->end = CONN_ENDED_OWNER; /* how the peer leaves makes no difference any more */
        c->end_known = true;
    }
    conn_state_set(c, CONN_LINGERING);
    shutdown(c->fd, SHUT_WR);
    c->state_at = loop_mono_ms(c->loop);
    conn_watch(c, true);
    conn_arm(c);
}

void conn_flush(struct conn *c)
{
    if (c->broken)
        return;
    if (c->tls && !encrypt(c)) {
        c->broken = true;
        conn_fail(c, CONN_ENDED_TLS, "encryption failed");
        return;
    }
    bool leaving =
        c->state == CONN_FINISHING || (c->state == CONN_ENDED && c->end == CONN_ENDED_OWNER);
    if (leaving && c->tls && !c->said_bye) {
        c->said_bye = true;
        if (!c->wire.cap)
            loop_buf_take(c->loop, &c->wire);
        tls_link_set_out(c->tls, &c->wire);
        tls_link_close(c->tls);
    }
    struct buf *b = conn_sending(c);
    if (b->len > c->sent && !c->blocked)
        send_some(c);
    throttle(c);
    if (c->state == CONN_OPEN)
        tell_room(c);
    if (c->state == CONN_FINISHING && b->len == c->sent)
        finished(c);
}
