/* conn_read.c - input: socket -> (TLS) -> owner.
 *
 * Where the bytes lie (good until the end of the turn in each case):
 *   - little or nothing left over from before: the loop's chunk; the leftover is copied in front of
 *     what is read
 *   - a long unfinished request: the connection's own buffer, so that it is not copied once per
 *     turn; when the owner takes from it, the buffer is retired and lives until the end of the turn
 *
 * Level-triggered, persistent events: no epoll_ctl per request, and a connection that is not read
 * (bound of the turn, or of itself) is simply reported again. Edge-triggered would save a re-check
 * in the kernel per event, but needs the closing of the peer watched separately, since a short read
 * does not tell it.
 * Who was passed over because the turn was full is first in the next one, so that nobody
 * starves. */
#include "net/conn_priv.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum {
    COPY_BYTES = 4 << 10,                  /* leftovers up to here are copied */
    TLS_HELD_BYTES = 2 * TLS_RECORD_BYTES, /* more than OpenSSL may hold of records begun before */
    INPUT_MAX_DEFAULT = 128 << 20,
};

/* Memory for a read with the leftover in front of it. */
struct place {
    uint8_t *data;
    size_t held; /* leftover, at the front */
    size_t len;  /* leftover and new bytes */
    bool own;    /* in the connection's buffer */
};

static struct place place_make(struct conn *c, size_t room)
{
    size_t held = c->in.len;
    struct place p = {.held = held, .len = held, .own = held > COPY_BYTES};
    if (p.own) {
        buf_reserve(&c->in, room);
        p.data = c->in.data;
    } else {
        p.data = input_reserve(&c->loop->input, held + room);
        if (held)
            memcpy(p.data, c->in.data, held);
    }
    return p;
}

/* Keep data[taken..len) for the next time, and what was taken until the end of the turn. */
static void place_keep(struct conn *c, const struct place *p, size_t taken)
{
    struct input *pool = &c->loop->input;
    if (p->own && taken) {
        struct buf old = c->in;
        old.len = p->len;
        c->in = (struct buf)BUF_INIT;
        buf_add(&c->in, p->data + taken, p->len - taken);
        input_retire(pool, &old);
    } else if (p->own) {
        c->in.len = p->len;
    } else {
        if (taken)
            input_commit(pool, taken);
        c->in.len = 0;
        buf_add(&c->in, p->data + taken, p->len - taken);
        buf_shrink(&c->in, 0);
    }
}

/* Read up to `room` bytes; 0: nothing there, or the connection has ended. */
static size_t receive(struct conn *c, uint8_t *data, size_t room)
{
    ssize_t n = recv(c->fd, data, room, 0);
    loop_count(c->loop, STAT_READS, 1);
    if (n > 0) {
        loop_count(c->loop, STAT_BYTES_IN, (uint64_t)n);
        c->active_at = loop_mono_ms(c->loop);
        return (size_t)n;
    }
    if (n == 0)
        c->eof = true;
    else if (errno != EAGAIN && errno != EINTR) {
        c->broken = true;
        conn_fail(c, CONN_ENDED_BROKEN, strerror(errno));
    }
    return 0;
}

static void offer(struct conn *c, const struct place *p)
{
    bool fresh = p->len > p->held;
    bool wanted = c->again && p->len;
    c->again = false;
    if (!fresh && !wanted) {
        place_keep(c, p, 0);
        return;
    }
    size_t taken = c->handler->input(c->ctx, c, p->data, p->len);
    CHECK(taken <= p->len);
    place_keep(c, p, taken);
    size_t max = c->conf->input_max ? c->conf->input_max : INPUT_MAX_DEFAULT;
    if (c->in.len > max)
        conn_fail(c, CONN_ENDED_INPUT, NULL);
    c->again = c->again && c->in.len;
    if (c->again && c->state == CONN_OPEN)
        conn_make_ready(c);
}

/* The handshake failed: the alert is sent and lingered over, so that the peer can tell its user
 * why. */
static void refuse(struct conn *c, const char *why)
{
    loop_count(c->loop, STAT_HANDSHAKES_FAILED, 1);
    conn_state_set(c, CONN_FINISHING);
    c->end = CONN_ENDED_HANDSHAKE;
    c->why = xstrdup(why);
    c->end_known = true;
    conn_make_dirty(c);
}

static void handshake(struct conn *c)
{
    char why[NET_WHY_BYTES];
    enum tls_step step = tls_link_handshake(c->tls, why);
    if (step == TLS_MORE)
        return;
    if (step != TLS_DONE) {
        refuse(c, step == TLS_ENDED ? "the peer closed during the handshake" : why);
        return;
    }
    loop_count(c->loop, STAT_HANDSHAKES, 1);
    if (tls_link_resumed(c->tls))
        loop_count(c->loop, STAT_HANDSHAKES_RESUMED, 1);
    conn_state_set(c, CONN_OPEN);
    conn_arm(c);
    conn_opened(c);
}

void conn_handshake_begin(struct conn *c)
{
    if (!c->wire.cap)
        loop_buf_take(c->loop, &c->wire);
    tls_link_set_out(c->tls, &c->wire);
    tls_link_feed(c->tls, NULL, 0);
    handshake(c);
    conn_make_dirty(c);
}

/* Decrypt all that was fed; it fits, plaintext being shorter than ciphertext. */
static void decrypt(struct conn *c, struct place *p, size_t room)
{
    char why[NET_WHY_BYTES];
    while (tls_link_pending(c->tls)) {
        size_t n = 0;
        CHECK(p->len - p->held < room);
        enum tls_step step =
            tls_link_read(c->tls, p->data + p->len, room - (p->len - p->held), &n, why);
        if (step == TLS_DONE) {
            p->len += n;
            continue;
        }
        if (step == TLS_ENDED)
            c->eof = true;
        else if (step == TLS_FAILED)
            conn_fail(c, CONN_ENDED_TLS, why);
        return;
    }
}

static void read_tls(struct conn *c, size_t bytes)
{
    struct loop *l = c->loop;
    size_t n = bytes ? receive(c, l->scratch, bytes) : 0;
    if (!n && !c->again)
        return;
    if (!c->wire.cap)
        loop_buf_take(l, &c->wire);
    tls_link_set_out(c->tls, &c->wire);
    tls_link_feed(c->tls, l->scratch, n);
    if (c->state == CONN_HANDSHAKE)
        handshake(c);
    if (c->state == CONN_OPEN || c->state == CONN_MOVING) {
        size_t room = n + TLS_HELD_BYTES;
        struct place p = place_make(c, room);
        decrypt(c, &p, room);
        if (c->paused || c->state != CONN_OPEN) {
            /* Paused or detached by open(): what came with the handshake waits. */
            c->again = p.len > 0;
            place_keep(c, &p, 0);
        } else {
            offer(c, &p);
        }
    }
    tls_link_feed(c->tls, NULL, 0);
    if (c->wire.len)
        conn_make_dirty(c);
    else
        loop_buf_give(l, &c->wire);
}

static void read_plain(struct conn *c, size_t bytes)
{
    struct place p = place_make(c, bytes);
    if (bytes)
        p.len += receive(c, p.data + p.len, bytes);
    offer(c, &p);
}

static void at_eof(struct conn *c)
{
    c->eof_told = true;
    conn_watch(c, false);
    if (c->state == CONN_HANDSHAKE)
        conn_fail(c, CONN_ENDED_HANDSHAKE, "the peer closed during the handshake");
    else if (c->state == CONN_OPEN && c->handler->input_ended)
        c->handler->input_ended(c->ctx, c);
    else if (c->state == CONN_OPEN)
        conn_fail(c, CONN_ENDED_PEER, NULL);
}

static void discard(struct conn *c)
{
    receive(c, c->loop->scratch, LOOP_READ_BYTES);
    if (c->eof)
        conn_fail(c, CONN_ENDED_OWNER, NULL);
}

void conn_read(struct conn *c)
{
    struct loop *l = c->loop;
    if (c->state == CONN_LINGERING) {
        discard(c);
        return;
    }
    if (c->state == CONN_OPEN && !c->opened) {
        conn_make_ready(c);
        return;
    }
    if (c->state == CONN_CONNECTING || c->state > CONN_OPEN || c->paused || c->throttled) {
        conn_watch(c, false);
        return;
    }
    if (c->read_turn == l->turn || input_full(&l->input)) {
        conn_make_ready(c);
        return;
    }
    c->read_turn = l->turn;
    conn_watch(c, !c->eof);
    c->again = c->again && c->in.len;
    /* Whole requests that wait come before new bytes. */
    size_t bytes = c->again || c->eof    ? 0
                   : c->conf->read_bytes ? c->conf->read_bytes
                                         : LOOP_READ_BYTES;
    if (c->tls)
        read_tls(c, bytes);
    else
        read_plain(c, bytes);
    if (c->eof && !c->eof_told && !c->again && !c->paused && c->state <= CONN_OPEN)
        at_eof(c);
}
