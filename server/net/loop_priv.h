/* loop_priv.h - what a loop shares with the connections and listeners on it. */
#ifndef GRIDD_NET_LOOP_PRIV_H
#define GRIDD_NET_LOOP_PRIV_H

#include "base/list.h"
#include "net/input_priv.h"
#include "net/loop.h"

#include <event2/event.h>
#include <stdatomic.h>

enum {
    LOOP_READ_BYTES = 64 << 10,  /* the most one connection is read per turn */
    LOOP_SPARE_BUFS = 64,        /* output buffers kept warm between turns */
    LOOP_SPARE_BYTES = 64 << 10, /* larger ones are given back to the system */
};

enum loop_stat {
    STAT_TURNS,
    STAT_READS,
    STAT_WRITES,
    STAT_BYTES_IN,
    STAT_BYTES_OUT,
    STAT_OPENED,
    STAT_CLOSED,
    STAT_HANDSHAKES,
    STAT_HANDSHAKES_FAILED,
    STAT_HANDSHAKES_RESUMED,
    STAT_CLOSED_IDLE,
    STAT_CLOSED_SLOW,
    STATS,
};

struct loop {
    struct event_base *base;
    struct loop_hooks hooks;
    struct mailbox *mailbox;
    struct event *mail_event;
    struct event *alarm; /* wakes the loop for the earliest timer */
    msec_t alarm_at;     /* what it is set for; 0: not set */
    struct heap timers;  /* key: monotonic ms */
    atomic_bool stop;
    bool again;  /* do not block before the next turn */
    bool waits;  /* hooks.wait() was called */
    bool begun;  /* the turn has begun: woken, time not older than the turn */
    bool firing; /* timers are being fired */
    bool mono_known;
    bool wall_known;
    uint64_t mono_us;
    uint64_t wall_us;
    msec_t (*clock)(void *ctx);
    void *clock_ctx;
    uint32_t turn;
    struct list conns;  /* all connections on this loop */
    struct list ready;  /* input to be looked at without waiting for an event */
    struct list dirty;  /* output to be sent at the end of this turn */
    struct list moving; /* to be taken off at the end of this turn */
    struct list ending; /* to be closed at the end of this turn */
    struct input input;
    uint8_t *scratch; /* LOOP_READ_BYTES: ciphertext, and what is read to be thrown away */
    struct buf trash; /* output for connections that are ending */
    struct buf spare[LOOP_SPARE_BUFS];
    size_t spare_len;
    _Atomic uint64_t stats[STATS];
};

/* Every callback of the event base calls it first. */
void loop_begin(struct loop *l);

/* One writer, the loop's thread: no locked instruction needed. */
static inline void loop_count(struct loop *l, enum loop_stat stat, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&l->stats[stat], memory_order_relaxed);
    atomic_store_explicit(&l->stats[stat], v + n, memory_order_relaxed);
}

/* Give `b`, which has no memory, a warm buffer; give it back empty. */
void loop_buf_take(struct loop *l, struct buf *b);
void loop_buf_give(struct loop *l, struct buf *b);

/* conn.c: the connections' part of a turn. */
void conn_turn_ready(struct loop *l);
void conn_turn_end(struct loop *l);
/* Whether conn_turn_end has something to do. */
bool conn_turn_work(const struct loop *l);
void conn_stop_all(struct loop *l);

#endif
