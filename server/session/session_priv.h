/* session_priv.h - what the files of this room share. */
#ifndef GRIDD_SESSION_SESSION_PRIV_H
#define GRIDD_SESSION_SESSION_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "session/grid_session.h"
#include "wire/request.h"
#include "wire/response.h"

enum session_state { GREETING, MOVING, OPEN, CLOSING, SESSION_STATES };

/* What ticket.owner points at begins with this. */
enum waiter { WAITER_SESSION = 1, WAITER_COLLECTOR };

enum { CLIENT_NAME_BYTES = 64, FRAME_SLACK = 64 << 10, DETAIL_BYTES = 160 };
enum { PROTOCOL_MIN = 1, PROTOCOL_MAX = 1 };

struct grid_session {
    enum waiter waiter;
    unsigned state;
    const struct session_ports *ports;
    const struct node_view *view;
    struct session_limits limits;
    void *owner;
    bool closed;  /* the connection is gone: answers are dropped */
    bool has_id;  /* the client asked for exactly-once (R13) */
    bool starved; /* the last frame found no room in the arena of its turn */
    struct session_id id;
    uint32_t in_flight; /* ops and admin requests without an answer, parts of collectors included */
    size_t collected;   /* bytes of values in collectors */
    struct list collectors;
    struct buf out;
    size_t sent;         /* bytes of `out` that are gone already */
    size_t skip;         /* bytes of a refused frame still to come */
    size_t frame_told;   /* frame limit the client was told */
    uint64_t topology;   /* revision the client has; 0: it does not want to know */
    struct arena *arena; /* of the turn, during input only */
    /* What the last request's cache was in; a catalog never changes and is never made twice with
     * one revision. */
    struct {
        uint64_t revision;
        uint32_t cache; /* 0: none */
        const struct context_info *context;
    } known;
    const char *reason;
    char client[CLIENT_NAME_BYTES];
};

static inline const struct catalog *session_catalog(const struct grid_session *s)
{
    return s->ports->catalog(s->ports->ctx);
}

/* Revision to tell the client, 0: none. */
static inline uint64_t session_news(const struct grid_session *s)
{
    if (likely(!s->topology))
        return 0;
    uint64_t newest = session_catalog(s)->revision;
    return newest > s->topology ? newest : 0;
}

static inline size_t session_unsent(const struct grid_session *s)
{
    return s->out.len - s->sent;
}

void session_move_to(struct grid_session *s, enum session_state to);
/* Largest body of a frame that is taken now. */
size_t session_frame_max(const struct grid_session *s);
/* Answer `number` with an error. */
void session_fail(struct grid_session *s, uint64_t number, enum grid_err err, const char *detail);
/* An answer was dropped or given: free a closed session that waits for nothing. Returns it, or
 * NULL when its connection is gone. */
struct grid_session *session_answered(struct grid_session *s);

/* hello.c: the first frame, and the answer to it. */
void session_greet(struct grid_session *s, const struct wire_hello *hello);
void session_refuse_hello(struct grid_session *s, enum grid_err err, const char *detail);
void session_welcome(struct grid_session *s);

/* dispatch.c: any later frame. `r` lives in the turn's arena. */
void session_dispatch(struct grid_session *s, struct wire_request *r);

#endif
