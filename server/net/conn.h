/* conn.h - one connection: a socket, TLS or not, its output, and its limits.
 *
 *   conn_new -> HANDSHAKE -> OPEN -> FINISHING -> LINGERING -> freed
 *                             |  ^
 *              conn_detach -> MOVING -> handler.detached -> conn_attach
 *
 *   conn_dial -> CONNECTING -> HANDSHAKE, or OPEN when plain
 *
 * Plain connections that were accepted begin as OPEN. Any state -> freed, when broken or timed out.
 *
 * Every connection ends with exactly one call of handler.closed, made at the end of a turn, never
 * from inside another callback or a conn_ function; until then the pointer is good. All functions
 * are for the thread of the loop it is on.
 *
 * Reading: at most read_bytes per turn, level-triggered; what input() leaves is offered again
 * together with new bytes. It is not read while the owner has paused it, nor while more than
 * output_high bytes wait to be sent. Writing: what was put into conn_output() during a turn goes
 * out in one write at its end (TLS: records of up to 16 KiB in one write). */
#ifndef GRIDD_NET_CONN_H
#define GRIDD_NET_CONN_H

#include "base/buf.h"
#include "net/addr.h"
#include "net/loop.h"
#include "net/quota.h"
#include "net/tls.h"

struct conn; /* opaque */

/* Why a connection ended. */
enum conn_end {
    CONN_ENDED_OWNER,  /* conn_close or conn_finish */
    CONN_ENDED_PEER,   /* the peer closed it */
    CONN_ENDED_BROKEN, /* reset, or another error of the socket */
    /* TLS could not be agreed on; text: why, the peer's certificate included */
    CONN_ENDED_HANDSHAKE,
    CONN_ENDED_TLS, /* a TLS error later on */
    /* nothing came or went for idle_ms, or no handshake or greeting in handshake_ms */
    CONN_ENDED_IDLE,
    CONN_ENDED_SLOW,  /* the peer took nothing of what waits for it during slow_reader_ms */
    CONN_ENDED_INPUT, /* more than input_max bytes came that input() did not take */
    CONN_ENDED_STOP,  /* loop_free */
};

struct conn_handler {
    /* Ready for requests: at once for a plain connection, after the handshake with TLS. Called in
     * the first turn after conn_new, before any input. May be NULL. */
    void (*open)(void *ctx, struct conn *c);
    /* `len` > 0 bytes that were not yet taken; returns how many of them are taken now, 0..len. They
     * stay valid until loop_hooks.turn_end returns, the untaken ones only until this call returns.
     * Who leaves whole requests must say conn_again() or have paused reading. */
    size_t (*input)(void *ctx, struct conn *c, const uint8_t *data, size_t len);
    /* The peer will send no more but may still read: the owner answers what it has, then calls
     * conn_finish(). NULL: the connection ends at once, CONN_ENDED_PEER. */
    void (*input_ended)(void *ctx, struct conn *c);
    /* See conn_want_room(). NULL: that is not used. */
    void (*room)(void *ctx, struct conn *c);
    /* Off its loop, after conn_detach(): the owner hands it to the thread of another loop, which
     * calls conn_attach(). NULL: conn_detach() is not used. */
    void (*detached)(void *ctx, struct conn *c);
    /* The end; frees what the owner keeps for it. `text`: one line for the log, never NULL. */
    void (*closed)(void *ctx, struct conn *c, enum conn_end end, const char *text);
};

struct conn_conf {
    struct tls *tls;     /* NULL: plain */
    struct quota *quota; /* given back at the end; NULL: none */
    msec_t connect_ms;   /* of what is dialled, until the other answers; 0: handshake_ms */
    msec_t handshake_ms; /* 0 here and below: no limit */
    msec_t idle_ms;
    /* looked at when it is over: a peer that stops reading is closed after one to two of it */
    msec_t slow_reader_ms;
    /* how long conn_finish() waits for the peer to close, so that it reads the last answer;
     * 0: not */
    msec_t linger_ms;
    size_t read_bytes;  /* per turn; 0: 64 KiB, which is also the most */
    size_t input_max;   /* untaken bytes kept; 0: 128 MiB */
    size_t output_high; /* reading stops above it, goes on below half of it; 0: 1 MiB */
    size_t output_low;  /* see conn_want_room() */
    /* A link between nodes: broken when what was sent is not acknowledged for so long, or
     * keep-alives are not answered; and the system queues little that is not on its way. 0: as
     * the listener made it */
    msec_t lost_ms;
};

/* Take over the connected non-blocking socket `fd` and its place in the quota. `conf` and `handler`
 * are borrowed until the end. On error (GRID_ENOMEM) both are given back: fd closed, quota
 * given. */
MUST_USE
enum grid_err conn_new(struct loop *l, int fd, const struct net_addr *peer,
                       const struct conn_conf *conf, const struct conn_handler *handler, void *ctx,
                       struct conn **ret_conn);

/* Connect to `to`; else as conn_new(), without a place in a quota. handler.open is called when the
 * connection is there, after the handshake with TLS (conf->tls is of TLS_PEER_NODE then), or
 * handler.closed: CONN_ENDED_BROKEN with the system's reason, CONN_ENDED_IDLE after connect_ms or
 * handshake_ms.
 * GRID_ENOMEM; GRID_EIO: the system gives no socket. */
MUST_USE
enum grid_err conn_dial(struct loop *l, const struct net_addr *to, const struct conn_conf *conf,
                        const struct conn_handler *handler, void *ctx, struct conn **ret_conn);

/* Where to append what shall be sent. Borrowed: the buffer may be appended to until control returns
 * to the loop; ask anew each time. What is appended to a connection that is ending is thrown
 * away. */
struct buf *conn_output(struct conn *c);
/* Bytes that wait for the peer to take them, this turn's included. */
size_t conn_unsent(const struct conn *c);

/* Call handler.room in a later turn, once, when at most output_low bytes are unsent. */
void conn_want_room(struct conn *c);

/* Stop giving input; idempotent. conn_resume: go on, first with what was left, in the next turn (in
 * this one when called from mail or open). */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* Offer what input() leaves once more in the next turn, though nothing new came. From inside
 * input() or later. */
void conn_again(struct conn *c);

/* End it at the end of this turn; one attempt is made to send what is there. Idempotent. */
void conn_close(struct conn *c);
/* Take no more input, send all output, then end. The peer gets linger_ms to read it. Idempotent. */
void conn_finish(struct conn *c);

/* Take the connection off its loop at the end of this turn: no more input here; then
 * handler.detached is called, unless it ended meanwhile. Output not yet sent and input not yet
 * taken stay with it. Only when OPEN. */
void conn_detach(struct conn *c);
/* On the thread of `l`, after detached: go on there. Input left over is offered soon. */
void conn_attach(struct conn *c, struct loop *l);

/* Another owner from now on (also between detached and attach). */
void conn_set_owner(struct conn *c, const struct conn_handler *handler, void *ctx);
void *conn_ctx(const struct conn *c);
/* The owner waits for what should not take long (a greeting, the rest of a request): until
 * conn_greeted() the connection has handshake_ms from the first of these calls; TLS included when
 * that comes with the connection. Both idempotent. */
void conn_expect(struct conn *c);
void conn_greeted(struct conn *c);
/* Its own idle limit from now on; 0: none. */
void conn_set_idle(struct conn *c, msec_t idle_ms);

struct loop *conn_loop(const struct conn *c); /* NULL while detached */
uint64_t conn_id(const struct conn *c);       /* unique in this process, never 0 */
const struct net_addr *conn_peer(const struct conn *c);
bool conn_is_tls(const struct conn *c);
/* Common name of the certificate the peer proved to have; "" without one. Borrowed until the
 * end. */
const char *conn_user(const struct conn *c);
/* False once it is ending: answers for it are pointless. */
bool conn_alive(const struct conn *c);
/* "peer closed", "idle"...: static. */
const char *conn_end_text(enum conn_end end);
void conn_check(const struct conn *c);

#endif
