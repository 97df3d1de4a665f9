/* grid_session.h - one connection of the grid protocol as bytes <-> operations. No sockets, no
 * clock, no threads: bytes come in by grid_session_input(), what is wanted goes out by ports that
 * only enqueue and never call back, answers come by grid_session_result(), bytes go out by
 * grid_session_output().
 *
 *   GREETING --Hello--> OPEN
 *   GREETING --Hello for another shard--> MOVING --grid_session_moved()--> OPEN
 *   any of them --fault, stop--> CLOSING: nothing more is read, what is in flight is still answered
 *
 * A request that is split up (many keys, a count) is collected by a struct collector; requests in
 * flight hold the session, so it may be closed at any time: late results are dropped, the last one
 * frees it.
 * Used by the loop thread that owns the connection; results of other threads come to it by mailbox
 * first (ticket.thread).
 * Invariant (grid_session_check): see there. */
#ifndef GRIDD_SESSION_GRID_SESSION_H
#define GRIDD_SESSION_GRID_SESSION_H

#include "control/catalog.h"
#include "shard/op.h"
#include "wire/admin.h"
#include "wire/arena.h"

struct grid_session; /* opaque */

/* What a session wants done. One per loop thread, borrowed while a session uses it. None of
 * these calls back. */
struct session_ports {
    void *ctx;
    uint32_t shard; /* of this thread, from 0; also ticket.thread */
    /* Do `op`: borrowed, and yours to write to (shard_submit_all() does), until the arena of the
     * turn is reset. Answered by grid_session_result() with op->ticket. */
    void (*submit)(void *ctx, struct op *op);
    /* Do `request` (valid for the call; plain data, copy it). Answered by
     * grid_session_admin_result(). */
    void (*admin)(void *ctx, const struct ticket *to, const struct admin_request *request);
    /* Take the connection to the thread of `shard`, then call grid_session_moved() there.
     * Nothing is in flight. */
    void (*move)(void *ctx, struct grid_session *s, uint32_t shard);
    /* The newest catalog this thread has; valid until the next turn. */
    const struct catalog *(*catalog)(void *ctx);
    /* GRID_OK, or GRID_EAUTH. NULL: nobody is asked for user and password. */
    enum grid_err (*authenticate)(void *ctx, const char *user, const char *password);
};

/* What a client may know of the node. Borrowed for the session's life. */
struct node_view {
    const char *grid;
    const char *node;
    const char *address; /* client address, "host:port" */
    const char *version; /* of gridd */
    uint8_t node_id[16];
    uint32_t shards;
    uint64_t epoch;
};

struct session_limits {
    uint32_t requests; /* ops in flight (an item of a many-key request is one); then no reading */
    uint32_t items;    /* of one request; at most RECORD_EFFECTS_MAX */
    size_t output;     /* bytes waiting to be sent; then no reading */
    size_t output_max; /* bytes waiting to be sent; then reads are answered GRID_EBUSY */
    size_t reply;      /* bytes of values in one many-key answer; then items get GRID_ETOO_LARGE */
};
/* clang-format off */
#define SESSION_LIMITS_DEFAULT {1024, RECORD_EFFECTS_MAX, 1 << 20, 96 << 20, 64 << 20}
/* clang-format on */

/* One call of grid_session_input(). */
struct session_turn {
    struct arena *arena; /* holds what is submitted: reset it when the ops of the turn are done */
    uint32_t budget;     /* in: frames this call may take; out: what is left of it */
    bool more;           /* out: frames were left: call again next turn, with a fresh arena */
};

/* `owner` is handed back by grid_session_owner() and means nothing here. Release with
 * grid_session_close(). */
struct grid_session *grid_session_new(const struct session_ports *ports,
                                      const struct node_view *view,
                                      const struct session_limits *limits, void *owner);
void *grid_session_owner(const struct grid_session *s);

/* Take whole frames from `data`; returns the bytes used up (they may be overwritten at once). What
 * is left is the beginning of a frame, or frames that had to wait: offer it again, with what came
 * behind, when turn->more was set or grid_session_wants_read() has become true. */
size_t grid_session_input(struct grid_session *s, const uint8_t *data, size_t len,
                          struct session_turn *turn);
/* Whole bytes of the frame that begins at `data`, as far as it will be stored: how large the
 * reader's buffer has to become. Bounded by the frame limit; 4 while it is unknown. */
size_t grid_session_frame_bytes(const struct grid_session *s, const uint8_t *data, size_t len);
/* False: too much is unanswered or unsent, or the session is moving; do not read, do not call
 * input. */
bool grid_session_wants_read(const struct grid_session *s);

/* The answer to an op. Returns the session that may have output now or want to read again; NULL:
 * its connection is gone. */
struct grid_session *grid_session_result(const struct ticket *to, const struct result *res);
/* The answer to an admin request: `reply` as made by wire_admin_reply_encode(), or empty.
 * Returns as above. */
struct grid_session *grid_session_admin_result(const struct ticket *to, enum grid_err status,
                                               struct slice detail, struct slice reply);

/* Bytes to be sent. Borrowed until the next call that is not const. */
struct slice grid_session_output(const struct grid_session *s);
/* The first `n` of them are sent. */
void grid_session_sent(struct grid_session *s, size_t n);

/* The connection lives on the thread of `ports` now: says hello to the client. */
void grid_session_moved(struct grid_session *s, const struct session_ports *ports);
/* Take no more requests, answer what is in flight. `reason` is for the log; static. */
void grid_session_stop(struct grid_session *s, const char *reason);
/* CLOSING, nothing in flight, nothing to send: close the connection. */
bool grid_session_finished(const struct grid_session *s);
/* Why it is CLOSING; "" when it is not. */
const char *grid_session_reason(const struct grid_session *s);
/* Operations and admin requests that wait for an answer. */
uint32_t grid_session_in_flight(const struct grid_session *s);
/* Whether Hello was accepted; until then a connection deserves a short timeout only. */
bool grid_session_greeted(const struct grid_session *s);
/* What the client calls itself, for people; "" before Hello. */
const char *grid_session_client(const struct grid_session *s);

/* The connection is gone. Frees the session now, or with the last result that is in flight. */
void grid_session_close(struct grid_session *s); /* NULL is fine */
/* The same when no more results will come (the node ends). */
void grid_session_free(struct grid_session *s); /* NULL is fine */
void grid_session_check(const struct grid_session *s);

#endif
