/* peer.h - one connection between two nodes as bytes <-> messages, without the socket: greeting,
 * credit, signs of life. Pure; used by the thread whose loop the connection is on.
 *
 *   dialled:  ASKING ---- the other's Hello ----> OPEN
 *   accepted: ASKED --Hello--> DECIDING --peer_admit()--> OPEN
 *   any of them --fault, peer_refuse()--> CLOSED: nothing is taken or given any more
 *
 * Messages of one class arrive in the order they were given, each at most once. Classes overtake
 * each other: urgent ones go first, bulk ones only while little else waits, so that a copy never
 * delays a record. A message is opaque here (wire/peer.h knows them).
 *
 * Credit: a receiver lets at most `window` bytes of a class be under way that it has not said to
 * have consumed; only while no more than half of that is, a message may go beyond it (so the
 * largest one can go at all). What finds no credit waits here, in order.
 * Invariant (peer_check): granted <= sent, sent - granted <= window / 2 + the largest message or
 * <= window; likewise for what came. */
#ifndef GRIDD_SESSION_PEER_H
#define GRIDD_SESSION_PEER_H

#include "base/clock.h"
#include "wire/peer_frame.h"

enum {
    PEER_VERSION_MIN = 1, /* of the protocol between nodes */
    PEER_VERSION_MAX = 1,
    PEER_BULK_AHEAD = 256 << 10, /* bulk waits while so much is unsent in front of it */
};

struct peer; /* opaque */

/* A new connection, dialled by this node or accepted. `self` is copied; of a dialled one kind and
 * shards are what is asked for, of an accepted one they are filled in from what comes. Release with
 * peer_free(). */
struct peer *peer_new(bool dialled, const struct peer_hello *self, msec_t now);
void peer_free(struct peer *p); /* NULL is fine */

enum peer_event_kind {
    PEER_NOTHING, /* all that is whole was taken */
    PEER_ASKED,   /* accepted: the other's Hello is there and fits: peer_admit() or peer_refuse() */
    PEER_UP,      /* dialled: the other's Hello is there and fits: messages may go */
    PEER_MESSAGE, /* `body` of `class`, borrowed from the input; then peer_consumed() */
    PEER_REFUSED, /* the other does not want it: `why`, `status` */
    PEER_BROKEN,  /* nonsense, a foreign grid, no common version...: `why`, `status`; end the
                   * connection when what peer_output() gives is sent */
};
struct peer_event {
    enum peer_event_kind kind;
    enum peer_class class;
    struct slice body;
    enum grid_err status; /* GRID_ECONDITION: another grid; GRID_EPROTOCOL; GRID_EBUSY: there is
                           * such a connection already; GRID_EBAD_REQUEST: nonsense... */
    const char *why;      /* a line for people; borrowed until peer_free() */
    const uint8_t *who;   /* REFUSED: id of the node that does, as `why`; NULL: it did not say */
};

/* Take the next frame from data; returns the bytes it took and what it was. 0 and PEER_NOTHING: the
 * rest is not whole, or the owner has to decide first. */
size_t peer_input(struct peer *p, const uint8_t *data, size_t len, msec_t now,
                  struct peer_event *ret_event);
/* What the other said of itself. Only after its Hello came. */
const struct peer_hello *peer_other(const struct peer *p);
/* DECIDING -> OPEN: answer with our own Hello (kind and shards turned round). */
void peer_admit(struct peer *p);
/* Say why not; then CLOSED. */
void peer_refuse(struct peer *p, enum grid_err status, const char *why);
bool peer_open(const struct peer *p);
bool peer_dialled(const struct peer *p);

/* Give a message: append its body (at most PEER_MESSAGE_BYTES_MAX) to what peer_begin() returns,
 * then say peer_end(), which returns its length; nothing else of `p` may be called between. An
 * empty one is taken back. Only when open. */
struct buf *peer_begin(struct peer *p, enum peer_class class);
size_t peer_end(struct peer *p);
/* The same with a body that is there already: copied. */
void peer_send(struct peer *p, enum peer_class class, struct slice body);
/* Bytes of `class` that wait here: for credit, or for their turn. */
size_t peer_queued(const struct peer *p, enum peer_class class);
/* `bytes` of messages that came (their bodies) are dealt with: the other may send as many more. */
void peer_consumed(struct peer *p, enum peer_class class, size_t bytes);

/* Move what may go now to `out`, where `unsent` bytes wait for the socket already. */
void peer_output(struct peer *p, struct buf *out, size_t unsent, msec_t now);
/* Whether peer_output() would do more once the socket has taken what waits. */
bool peer_waits(const struct peer *p);

/* Signs of life: one is given when nothing else went for `ping_ms`. */
void peer_tick(struct peer *p, msec_t now, msec_t ping_ms);
/* When something last came. */
msec_t peer_heard(const struct peer *p);
void peer_check(const struct peer *p);

#endif
