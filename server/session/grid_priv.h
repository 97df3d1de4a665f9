/* grid_priv.h - a session of the grid protocol, as its files share it. */
#ifndef GRIDD_SESSION_GRID_PRIV_H
#define GRIDD_SESSION_GRID_PRIV_H

#include "session/session_priv.h"
#include "wire/request.h"

enum { FRAME_SLACK = 64 << 10, DETAIL_BYTES = 160 };
enum { PROTOCOL_MIN = 1, PROTOCOL_MAX = 1 };

struct grid_session {
    struct session base;
    bool has_id;  /* the client asked for exactly-once (R13) */
    bool starved; /* the last frame found no room in the arena of its turn */
    struct session_id id;
    size_t skip;             /* bytes of a refused frame still to come */
    size_t frame_told;       /* frame limit the client was told */
    uint64_t topology;       /* revision the client has; 0: it does not want to know */
    bool wants_topology;     /* pushed (grid_topology.c) */
    struct grid_state *told; /* what it was pushed last; NULL: nothing yet */
    bool told_astray;        /* with it */
};

static inline struct grid_session *grid_of(struct session *s)
{
    return container_of(s, struct grid_session, base);
}

/* Revision to tell the client, 0: none. */
static inline uint64_t grid_news(const struct grid_session *g)
{
    if (likely(!g->topology))
        return 0;
    uint64_t newest = session_catalog(&g->base)->revision;
    return newest > g->topology ? newest : 0;
}

/* Answer `number` with an error. */
void grid_fail(struct grid_session *g, uint64_t number, enum grid_err err, const char *detail);

/* grid_hello.c: the first frame, and the answer to it. */
void grid_greet(struct grid_session *g, const struct wire_hello *hello);
void grid_refuse_hello(struct grid_session *g, enum grid_err err, const char *detail);
void grid_welcome(struct session *s);

/* grid_topology.c: push what is new; forget what was pushed. */
void grid_topology_push(struct session *s);
void grid_topology_release(struct session *s);

/* grid_dispatch.c: any later frame. `r` lives in the turn's arena. */
void grid_dispatch(struct grid_session *g, struct wire_request *r);

#endif
