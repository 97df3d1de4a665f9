/* conn_priv.h - one connection, for conn.c (life), conn_read.c and conn_write.c. */
#ifndef GRIDD_NET_CONN_PRIV_H
#define GRIDD_NET_CONN_PRIV_H

#include "base/list.h"
#include "net/conn.h"
#include "net/loop_priv.h"
#include "net/tls_priv.h"

#include <event2/event_struct.h>

enum conn_state {
    CONN_CONNECTING,
    CONN_HANDSHAKE,
    CONN_OPEN,
    CONN_MOVING,    /* to be taken off its loop, or off it */
    CONN_FINISHING, /* output is still being sent */
    /* everything sent and shut down; what the peer sends is thrown away until it closes */
    CONN_LINGERING,
    CONN_ENDED,
};

struct conn {
    struct list all;     /* loop->conns */
    struct list ready;   /* loop->ready */
    struct list dirty;   /* loop->dirty */
    struct list leaving; /* loop->moving or loop->ending */
    struct loop *loop;   /* NULL while detached */
    const struct conn_conf *conf;
    const struct conn_handler *handler;
    void *ctx;
    struct tls_link *tls; /* NULL: plain */
    struct buf in;        /* input not yet taken */
    struct buf out;       /* plaintext output */
    struct buf wire;      /* TLS: ciphertext output */
    size_t sent;          /* bytes at the front of the sending buffer that are sent */
    struct event read_event;
    struct event *write_event; /* made when the socket is full for the first time */
    struct loop_timer
        deadline;     /* set to the earliest deadline or before it; looks again when it fires */
    msec_t state_at;  /* when handshake or linger began */
    msec_t active_at; /* when bytes last came or went */
    msec_t taken_at;  /* when the peer last took something, or something began to wait */
    msec_t idle_ms;
    uint64_t id;
    char *why;  /* text for closed(); NULL: none */
    int queued; /* bytes in the kernel's send queue when that was last looked at */
    int fd;
    uint32_t read_turn; /* the turn it was last read in */
    unsigned state;     /* enum conn_state */
    enum conn_end end;
    struct net_addr peer;
    bool end_known; /* end and why are final */
    bool dialled;   /* by us: no place in the quota */
    bool opened;    /* handler.open was called */
    bool stranger;  /* something is expected of it: see conn_expect() */
    msec_t stranger_at;
    bool watching;   /* read_event is added */
    bool blocked;    /* the socket is full; write_event is added */
    bool paused;     /* by the owner */
    bool throttled;  /* too much unsent */
    bool again;      /* offer `in` without new bytes */
    bool broken;     /* the socket is of no more use */
    bool waits;      /* something unsent was left by a send */
    bool eof;        /* the peer sends no more */
    bool eof_told;   /* and the owner knows */
    bool said_bye;   /* TLS close_notify is in the output */
    bool wants_room; /* the owner does */
    bool has_room;   /* and is to be told */
};

/* What is on its way to the socket. */
static inline struct buf *conn_sending(struct conn *c)
{
    return c->tls ? &c->wire : &c->out;
}

void conn_state_set(struct conn *c, enum conn_state to);
/* End it at the end of this turn; the first reason given stays. `why` NULL: conn_end_text(). */
void conn_fail(struct conn *c, enum conn_end end, const char *why);
/* See to it that the deadline timer fires in time. */
void conn_arm(struct conn *c);
void conn_make_ready(struct conn *c);
void conn_make_dirty(struct conn *c);
void conn_watch(struct conn *c, bool on);
/* Handler.open, once. */
void conn_opened(struct conn *c);

/* conn_write.c: see to it that on_writable is called. */
void conn_await_writable(struct conn *c);
/* The socket that was dialled is connected, or not. */
void conn_connected(struct conn *c);
/* conn_read.c: we speak first. */
void conn_handshake_begin(struct conn *c);
/* conn_read.c: read what there is, offer it. At most once per turn. */
void conn_read(struct conn *c);
/* conn_write.c: encrypt and send what there is. */
void conn_flush(struct conn *c);
/* Whether the peer took something out of the kernel's queue since the last call. */
bool conn_queue_moved(struct conn *c);

#endif
