/* loop.h - the event loop of one thread, which runs in turns:
 *
 *   connections passed over or with input left over -> wait, unless there were any
 *        -> input of every ready connection (conn_handler.input, once per turn) -> mail -> timers
 *        -> hooks.turn_end -> one write per connection with output
 *        -> connections that ended are closed and freed -> the turn's input memory is released
 *
 * Bytes given to conn_handler.input stay valid until hooks.turn_end has returned.
 * A loop and everything on it belongs to the thread that runs it; what other threads may call says
 * so. */
#ifndef GRIDD_NET_LOOP_H
#define GRIDD_NET_LOOP_H

#include "base/clock.h"
#include "base/err.h"
#include "base/heap.h"
#include "net/mailbox.h"

struct loop; /* opaque */

struct loop_hooks {
    void *ctx;
    /* A message for this loop; it is the callee's. NULL: nobody posts. */
    void (*mail)(void *ctx, struct mail *m);
    /* All input of this turn has been given out: do the work. May be NULL. */
    void (*turn_end)(void *ctx);
    /* The loop begins to wait, or has waited: in between it touches nothing of its owner. May be
     * NULL. */
    void (*wait)(void *ctx, bool begins);
};

/* NULL: the system gives no more descriptors. `hooks` is copied. */
struct loop *loop_new(const struct loop_hooks *hooks);
/* NULL is fine. Connections still on it are closed (handler.closed is called, CONN_ENDED_STOP);
 * mail still in the mailbox is given to hooks.mail first. Not from inside a turn. */
void loop_free(struct loop *l);
/* Close all connections as they are, with what they have not sent (handler.closed is called,
 * CONN_ENDED_STOP). Not from inside a turn. */
void loop_cut(struct loop *l);

/* Run turns until loop_stop(). A stop before the run ends it after one turn. */
void loop_run(struct loop *l);
/* Any thread. The turn under way is finished first. */
void loop_stop(struct loop *l);
/* One turn; `may_block`: wait until there is something to do. */
void loop_turn(struct loop *l, bool may_block);
/* Do not wait before the next turn: there is work left that no event announces (shard_tick said
 * 0). */
void loop_again(struct loop *l);

/* The box others post to; mail is given to hooks.mail once per turn. Any thread. */
struct mailbox *loop_mailbox(struct loop *l);
void loop_post(struct loop *l, struct mail *m);

/* The time of this turn, read from the clocks at most once per turn. */
msec_t loop_wall_ms(struct loop *l);
msec_t loop_mono_ms(struct loop *l);
uint64_t loop_wall_us(struct loop *l);
uint64_t loop_mono_us(struct loop *l);

/* A timer, embedded in its owner; fires once, in a turn, then has to be set again.
 * loop_timer_init before first use; loop_timer_stop before the memory goes. */
struct loop_timer {
    struct heap_node node;
    struct loop *loop;
    void (*fire)(void *ctx);
    void *ctx;
};
void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fire)(void *ctx), void *ctx);
/* In `ms` from this turn's time; 0: as soon as may be. Replaces an earlier setting. */
void loop_timer_set(struct loop_timer *t, msec_t ms);
/* Fine when not set. */
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_active(const struct loop_timer *t);

/* Watch a descriptor of the owner's (signalfd, pipe) for input, level-triggered, until
 * loop_unwatch(). */
struct loop_watch; /* opaque */
struct loop_watch *loop_watch(struct loop *l, int fd, void (*ready)(void *ctx, int fd), void *ctx);
void loop_unwatch(struct loop_watch *w); /* NULL is fine; not from inside its own `ready` */

/* Counters since the start. Any thread may read; values are each exact, not of one instant. */
struct loop_stats {
    uint64_t turns, reads, writes, bytes_in, bytes_out;
    uint64_t connections;    /* now on this loop */
    uint64_t opened, closed; /* ever; a moved connection counts on both loops */
    uint64_t handshakes, handshakes_failed, handshakes_resumed;
    uint64_t closed_idle, closed_slow; /* by timeout */
};
void loop_stats(struct loop *l, struct loop_stats *ret_stats);

/* For tests: this function is asked for the monotonic time instead of the system's; NULL: the
 * system's again. */
void loop_set_clock(struct loop *l, msec_t (*mono_ms)(void *ctx), void *ctx);
void loop_check(const struct loop *l);

#endif
