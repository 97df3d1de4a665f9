/* session.h - one connection as bytes <-> operations, whatever it speaks. No sockets, no clock, no
 * threads: bytes come in by session_input(), what is wanted goes out by ports that only enqueue
 * and never call back, answers come by session_result(), bytes go out by session_output().
 *
 *   GREETING --session_welcome()--> OPEN
 *   GREETING --session_move()--> MOVING --session_moved()--> OPEN
 *   any of them --fault, stop--> CLOSING: nothing more is read, what is in flight is still answered
 *
 * What it speaks is its door: a table of functions (session_priv.h). Requests in flight hold the
 * session, so it may be closed at any time: late results are dropped, the last one frees it.
 * Used by the loop thread that owns the connection; results of other threads come to it by mailbox
 * first (ticket.thread).
 * Invariant (session_check): see there. */
#ifndef GRIDD_SESSION_SESSION_H
#define GRIDD_SESSION_SESSION_H

#include "control/catalog.h"
#include "session/errand.h"
#include "shard/op.h"
#include "wire/admin.h"
#include "wire/arena.h"

enum { WAITS_BYTES = 256 };

struct session;    /* opaque */
struct grid_state; /* control/state.h */
struct door;       /* opaque */

extern const struct door grid_door; /* protobuf: client.proto */
extern const struct door http_door; /* HTTP/1.1 */
extern const struct door resp_door; /* Redis clients */

struct natives;
struct scripts;
struct rights_list; /* base/rights.h */
/* What sessions want done. One per loop thread, borrowed while a session uses it. None of these
 * calls back. */
struct session_ports {
    void *ctx;
    uint32_t shard; /* of this thread, from 0; also ticket.thread */
    /* Do `op`: borrowed, and yours to write to (shard_submit_all() does), until the arena of the
     * turn is reset. Answered by session_result() with op->ticket. */
    void (*submit)(void *ctx, struct op *op);
    /* The same in a later turn, when an answer leads to the next op: copied. */
    void (*submit_again)(void *ctx, const struct op *op);
    /* Do `request` (valid for the call; plain data, copy it). Answered by
     * session_admin_result(). */
    void (*admin)(void *ctx, const struct ticket *to, const struct admin_request *request);
    /* Take the connection to the thread of `shard`, then call session_moved() there. Nothing is
     * in flight. */
    void (*move)(void *ctx, struct session *s, uint32_t shard);
    /* The newest catalog this thread has; valid until the next turn. */
    const struct catalog *(*catalog)(void *ctx);
    /* What the grid agreed on, as this thread knows it; NULL: the node is alone. Valid until the
     * next turn. */
    const struct grid_state *(*grid)(void *ctx);
    /* Others may know more than `grid`: the node has lost touch with them. NULL: never. */
    bool (*astray)(void *ctx);
    /* What the node waits for before it serves anything, as a line for people in `why`
     * (WAITS_BYTES); false: it serves. NULL: it always does. */
    bool (*waits)(void *ctx, char *why);
    bool outside; /* the node is not in its grid, or not yet: ask waits() */
    /* GRID_OK, GRID_EAUTH, or GRID_EBUSY: too many were wrong just now. NULL: nobody is asked for
     * user and password. May change from one turn to the next; see session_trusts(). */
    enum grid_err (*authenticate)(void *ctx, const char *user, const char *password);
    /* Run `errand` (copied) on every thread, this one too, by errand_run(); answered by
     * session_result(): `number` is the sum of what they returned, `value` what they wrote, one
     * behind the other. In the order of the calls, as seen by any one thread. */
    void (*everywhere)(void *ctx, const struct ticket *to, const struct errand *errand);
    /* Call the service of this node (of mode node) that `op` names: copied; answered as an op is.
     * NULL: there are none. */
    void (*service)(void *ctx, const struct op *op);
    /* Answer after `ms`, by session_result() with REPLY_OK. */
    void (*sleep)(void *ctx, const struct ticket *to, msec_t ms);
    /* `s` has output that no input of its own led to, or wants to be closed. */
    void (*wake)(void *ctx, struct session *s);
    /* Unix time of this turn, in microseconds. */
    uint64_t (*now_us)(void *ctx);
    /* What users may do; NULL: all of them everything. session_rights_news() when it changes. */
    struct rights_list *rights;    /* the node's */
    struct errands *errands;       /* what the sessions of this thread keep for each other */
    const struct natives *natives; /* compute/native.h; of the node, may be NULL */
    struct scripts *scripts;       /* compute/scripts.h; of the node. NULL: no Redis clients come */
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
    const char *resp_host;    /* that others see; "": the one they came to (session_peer.local) */
    uint16_t resp_port;       /* shared by all shards; 0 without that door */
    uint16_t resp_shard_port; /* of shard 0, the others behind it; 0: they have none of their own */
    uint16_t http_port;
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

/* Who is at the other end. Copied. */
struct session_peer {
    char address[64]; /* "host:port" */
    char user[64];    /* common name of the certificate it proved to have; "" without one */
    char local[64];   /* address it came to */
    bool tls;
    bool own_port; /* it came to the port of this one shard */
    /* "context/cache" of the address it came to; NULL: the default one. Borrowed for the
     * session's life */
    const char *cache;
};

/* One call of session_input(). */
struct session_turn {
    struct arena *arena; /* holds what is submitted: reset it when the ops of the turn are done */
    uint32_t budget;     /* in: requests this call may take; out: what is left of it */
    bool more;           /* out: some were left: call again next turn, with a fresh arena */
};

/* `owner` is handed back by session_owner() and means nothing here. Release with
 * session_close(). */
struct session *session_new(const struct door *door, const struct session_ports *ports,
                            const struct node_view *view, const struct session_limits *limits,
                            const struct session_peer *peer, void *owner);
/* The peer proved to be `user` (the common name of its certificate; "" without one); before any
 * input. */
void session_proved(struct session *s, const char *user);
void *session_owner(const struct session *s);
/* "grid", "resp", "http". */
const char *session_door(const struct session *s);
const char *door_name(const struct door *door);

/* Take whole requests from `data`; returns the bytes used up (they may be overwritten at once).
 * What is left is the beginning of a request, or requests that had to wait: offer it again, with
 * what came behind, when turn->more was set or session_wants_read() has become true. */
size_t session_input(struct session *s, const uint8_t *data, size_t len, struct session_turn *turn);
/* False: too much is unanswered or unsent, or the session is moving; do not read, do not call
 * input. */
bool session_wants_read(const struct session *s);
/* A request has begun and is not whole yet, or none has ever come: it deserves a short timeout only
 * (doors that greet nobody: HTTP). */
bool session_expects(const struct session *s);

/* Who asks without a connection, from inside the node: what ticket.owner points at begins with one.
 * session_result() calls `result`, once. Of several threads' that of ticket.thread. */
struct asker {
    unsigned waiter; /* set by asker_init() */
    void (*result)(struct asker *a, const struct ticket *to, const struct result *res);
};
void asker_init(struct asker *a,
                void (*result)(struct asker *a, const struct ticket *to, const struct result *res));
/* Check an op on one key (cache, key, affinity and value are set) and give it its partition. Errors
 * are those of requests; `*ret_why` is static, or NULL. */
MUST_USE
enum grid_err op_place(const struct catalog *c, struct op *op, const char **ret_why);
/* A task that is there, of modules of that revision; len 0: none. */
enum { TASK_KNOWN_BYTES = 48 };
struct task_known {
    uint64_t revision;
    uint8_t len, reads_only, name[TASK_KNOWN_BYTES];
};
/* An op on one key, which is placed, becomes the call of the task `name`, which its value is given
 * to. `room` is borrowed as the op's slices are. GRID_ENO_TASK. */
struct task_room {
    struct slice slices[4];
    uint8_t revision[8];
};
MUST_USE
enum grid_err op_task(const struct catalog *c, const struct natives *natives, struct op *op,
                      struct slice name, struct task_room *room, const char **ret_why);

/* The answer to an op or errand. Returns the session that may have output now or want to read
 * again; NULL: its connection is gone. */
struct session *session_result(const struct ticket *to, const struct result *res);
/* The answer to an admin request: `reply` as made by wire_admin_reply_encode(), or empty.
 * Returns as above. */
struct session *session_admin_result(const struct ticket *to, enum grid_err status,
                                     struct slice detail, struct slice reply);

/* Bytes to be sent. Borrowed until the next call that is not const. */
struct slice session_output(const struct session *s);
/* The first `n` of them are sent. */
void session_sent(struct session *s, size_t n);

/* The connection lives on the thread of `ports` now: says hello to the client. */
void session_moved(struct session *s, const struct session_ports *ports);
enum session_parting {
    SESSION_STAYS,
    SESSION_LEAVES,  /* what comes is done; HTTP clients are told to use another connection */
    SESSION_REFUSES, /* what comes is refused, so that clients know that it was not done */
};
/* The node is about to stop: `how` only grows. False: the door has no words for it (grid clients
 * ask again elsewhere, exactly once): session_stop() is all there is. */
bool session_part(struct session *s, enum session_parting how);
/* Take no more requests, answer what is in flight. `reason` is for the log; static. */
void session_stop(struct session *s, const char *reason);
/* CLOSING, nothing in flight, nothing to send: close the connection. */
bool session_finished(const struct session *s);
/* Why it is CLOSING; "" when it is not. */
const char *session_reason(const struct session *s);
/* Operations and admin requests that wait for an answer. */
uint32_t session_in_flight(const struct session *s);
/* Whether the greeting is done; until then a connection deserves a short timeout only. */
bool session_greeted(const struct session *s);
/* What the client calls itself, for people; "" when it does not. */
const char *session_client(const struct session *s);

/* ports.rights has changed, for all sessions of the thread. */
void session_rights_news(struct errands *here);
/* What the grid agreed on has changed: the session may have output now. */
void session_news(struct session *s);

/* The connection is gone. Frees the session now, or with the last result that is in flight. */
void session_close(struct session *s); /* NULL is fine */
/* The same when no more results will come (the node ends). */
void session_free(struct session *s); /* NULL is fine */
void session_check(const struct session *s);

#endif
