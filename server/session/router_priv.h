/* router_priv.h - what the files of the router share.
 *
 *   router.c         flights: operations that other nodes do for this one, and their partitions
 *   router_places.c  which partitions have any
 *   router_serve.c   links; operations that this node does for others
 *   router_errand.c  errands to all nodes */
#ifndef GRIDD_SESSION_ROUTER_PRIV_H
#define GRIDD_SESSION_ROUTER_PRIV_H

#include "base/list.h"
#include "session/router.h"
#include "session/sabotage.h"
#include "session/session_priv.h"
#include "wire/forward.h"

enum { ROUTER_BUCKETS = 4096, ROUTER_OWNERS = 1024 };

/* What a ticket of the router points at. */
struct router_waiter {
    enum waiter waiter; /* WAITER_ROUTER */
    void (*result)(struct router_waiter *w, const struct ticket *to, const struct result *res);
};

/* One partition that has operations under way; its key is context << 16 | index. */
struct place {
    uint32_t key;
    struct place *chain;
    struct list all;     /* router.places */
    struct list flights; /* in the order they came */
    uint32_t sent, held; /* of them: under way; not */
    uint32_t node;       /* to whom */
    uint64_t round;
    uint64_t epoch;  /* of the configuration they were sent by */
    msec_t again_at; /* not sent before */
    msec_t moved_at; /* somebody else leads since, by what is known here; 0: not so */
    unsigned tries;  /* refusals in a row, with that epoch */
    bool refused;    /* in this round: the next one begins when all are back */
};

enum flight_state { FLIGHT_HELD, FLIGHT_SENT };

struct flight {
    struct list all;     /* router.flights, in the order they came */
    struct list here;    /* place.flights */
    struct list owned;   /* router.by_owner: with what else its connection asked */
    struct list stamped; /* router.stamped, or linked to itself: it has the router's session */
    struct flight *chain;
    uint64_t number; /* of the last asking: what an older one is answered is not for it */
    struct place *place;
    enum flight_state state;
    bool asked;               /* it was sent */
    bool doubt;               /* ... in vain, and may have been done, or is yet to be */
    bool overtaken;           /* ... and must not be asked again: see overtake() */
    struct router_link *link; /* SENT; NULL: to the own shard */
    msec_t since;
    uint64_t revision; /* of the grid's state when it was sent */
    size_t bytes;
    struct op op;
};

struct router_link {
    struct list all; /* router.links or .gone */
    struct router *router;
    uint8_t node_id[GRID_ID_BYTES];
    uint32_t node; /* its number in the state; 0: not there */
    uint32_t shard;
    void *link;        /* NULL: it is down */
    struct list asked; /* what the other asked for and is not answered */
    struct refusal *refusals[64];
};

struct router {
    struct router_waiter waiter; /* of flights to the own shard */
    struct router_conf conf;
    struct router_ports ports;
    const struct grid_state *state; /* NULL: not known yet */
    struct replica_member self;
    struct list flights, stamped, places, trips;
    struct list links, gone; /* up; down, with operations that are not answered */
    struct flight *by_number[ROUTER_BUCKETS];
    struct list by_owner[ROUTER_OWNERS]; /* in the order they came */
    struct place *by_key[ROUTER_BUCKETS];
    uint64_t number; /* of the last flight or trip */
    uint64_t round;  /* the last that was begun */
    size_t waiting, bytes;
    msec_t now;
    struct buf out;
    struct router_stats stats;
};

static inline void router_now(struct router *r, msec_t now)
{
    if (now > r->now)
        r->now = now;
}

/* --- router_places.c -------------------------------------------------------------------------- */

static inline uint32_t place_key(const struct op *op)
{
    return cache_context(op->cache) << 16 | op->partition;
}

struct place *place_find(const struct router *r, uint32_t key);
struct place *place_new(struct router *r, uint32_t key);
void place_free(struct router *r, struct place *p);
struct list *flights_of(struct router *r, const void *owner);
struct flight *flight_find(const struct router *r, uint64_t number);
void flight_add(struct router *r, struct flight *f);
void flight_remove(struct router *r, struct flight *f);
/* It is asked again: under a number of its own. */
void flight_renumber(struct router *r, struct flight *f);

/* --- router.c --------------------------------------------------------------------------------- */

uint64_t router_revision(const struct router *r);
/* The answer to a flight that was sent by `l` (NULL: to the own shard) came; `revision`: of the
 * state that who answered knew. */
void flight_answered(struct router *r, struct router_link *l, uint64_t number, uint64_t revision,
                     const struct result *res);
/* Likewise, one that cannot be read here: why. */
void flight_unread(struct router *r, struct router_link *l, uint64_t number, enum grid_err err);
/* False: no node that means well answers so; sessions rely on what is looked at here. */
bool flight_may_be_told(const struct router *r, uint64_t number, const struct result *res);
/* All that was sent by `l` is held again. */
void flights_down(struct router *r, struct router_link *l);
/* Send what can be sent, of all partitions. */
void places_go(struct router *r);

/* --- router_serve.c --------------------------------------------------------------------------- */

/* What another node asked for, while it is done here. */
struct asked {
    struct router_waiter waiter;
    struct list all; /* router_link.asked */
    struct router_link *link;
    uint64_t number;
    uint64_t round; /* of an operation, as is what follows */
    uint64_t revision;
    uint32_t key;
    bool writes;
};

struct asked *asked_new(struct router_link *l, uint64_t number);
/* The link may be gone then. */
void asked_free(struct asked *a);
struct router_link *link_to(const struct router *r, uint32_t node, uint32_t partition);
/* The state has changed: their nodes have other numbers. */
void links_name(struct router *r);
void links_free(struct router *r);

/* --- router_errand.c -------------------------------------------------------------------------- */

void trip_told(struct router *r, struct router_link *l, const struct wire_forward *m);
/* The link is down, or its node: nothing more comes. */
void trips_down(struct router *r, const struct router_link *l);
/* Returns the ms until one is due; those that are, are answered. */
msec_t trips_tick(struct router *r);
void errand_serve(struct router *r, struct router_link *l, const struct wire_forward *m);
void trips_free(struct router *r);

#endif
