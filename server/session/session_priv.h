/* session_priv.h - what the doors share. */
#ifndef GRIDD_SESSION_SESSION_PRIV_H
#define GRIDD_SESSION_SESSION_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "base/rights.h"
#include "session/meters.h"
#include "session/session.h"
#include "wire/response.h"

enum session_state { GREETING, MOVING, OPEN, CLOSING, SESSION_STATES };

/* What ticket.owner points at begins with this. */
enum waiter { WAITER_SESSION = 1, WAITER_COLLECTOR, WAITER_ROUTER, WAITER_ASKER };
enum { CLIENT_NAME_BYTES = 64, WRONG_PASSWORDS = 5 };

/* The answers to a request that was split up; `items` in the order of its parts. */
struct collection {
    enum grid_err err; /* GATHER_SUM: the first error */
    int64_t sum;
    const struct wire_item *items; /* GATHER_PLACES */
    uint32_t len;
};

/* What a session speaks. Its struct begins with struct session and is zeroed before init(). */
struct door {
    const char *name;
    size_t bytes;                       /* of its struct */
    bool greets;                        /* begins in GREETING, else in OPEN */
    void (*init)(struct session *s);    /* NULL: nothing */
    void (*release)(struct session *s); /* of all but the struct itself; NULL: nothing */
    /* One step of session_input(): take one request from `data` (len > 0), or pass over bytes.
     * Returns the bytes used; 0: more bytes are needed, or turn->more was set. */
    size_t (*take)(struct session *s, const uint8_t *data, size_t len, struct session_turn *turn);
    /* Answers, never after the connection is gone. `number` and `part` are the ticket's. */
    void (*result)(struct session *s, uint64_t number, uint32_t part, const struct result *res);
    void (*collected)(struct session *s, uint64_t number, const struct collection *all);
    void (*admin_result)(struct session *s, uint64_t number, enum grid_err status,
                         struct slice detail, struct slice reply);
    void (*moved)(struct session *s);         /* NULL: never moves */
    bool (*expects)(const struct session *s); /* see session_expects(); NULL: never */
    bool (*full)(const struct session *s);    /* takes nothing for now; NULL: never */
    void (*news)(struct session *s);          /* see session_news(); NULL: nothing */
    void (*part)(struct session *s);          /* session.parting has changed; NULL: no words */
    void (*check)(const struct session *s);   /* NULL: nothing */
};

struct session {
    enum waiter waiter;
    unsigned state;
    const struct door *door;
    const struct session_ports *ports;
    const struct node_view *view;
    struct meters *meters; /* of its thread */
    uint16_t meter;        /* of operation 0 of its door */
    struct session_limits limits;
    struct session_peer peer;
    void *owner;
    char user[RIGHTS_NAME_BYTES]; /* who it is; "": nobody said */
    const struct rights *rights;  /* of its thread's; NULL: all (may.h) */
    struct {
        uint64_t revision;
        uint32_t cache;
        uint8_t known, has; /* 1 << enum right */
    } may;                  /* of the cache that was looked at last */
    struct list here;   /* in errands.sessions (or .waiting) of its thread, or linked to itself */
    bool closed;        /* the connection is gone: answers are dropped */
    uint32_t in_flight; /* ops, admin requests, errands; parts of collectors included */
    size_t collected;   /* bytes of values in collectors */
    struct list collectors;
    struct buf out;
    size_t sent;         /* bytes of `out` that are gone already */
    struct arena *arena; /* of the turn, during input only */
    /* What the last cache was in: a place, for a catalog of one revision may be made again. */
    struct {
        uint64_t revision;
        uint32_t cache; /* 0: none */
        size_t context;
    } known;
    struct task_known task;
    const char *reason;
    uint8_t wrong;   /* passwords so far */
    uint8_t parting; /* enum session_parting */
    char client[CLIENT_NAME_BYTES];
};

/* Requests of Redis clients that took long, newest last (resp_slowlog.c). */
enum { SLOWLOG_LEN = 128, SLOWLOG_NAME = 32 };
struct slow_request {
    uint64_t id, time_us;
    uint32_t took_us;
    char command[SLOWLOG_NAME];
    char address[64], client[64];
};

struct resp_channels; /* resp_pubsub.c */
/* NULL is fine. */
void resp_channels_free(struct resp_channels *all);
/* errand_known() of those about channels. */
bool resp_errand(struct errand *e);

struct resp_knobs; /* resp_config.c; NULL is fine */
void resp_knobs_free(struct resp_knobs *k);

struct errands {
    struct errand_host host;
    struct meters meters;
    struct list sessions; /* that are alive on this thread */
    struct list waiting;  /* that are closed, and still wait for answers */
    uint64_t clients;     /* Redis clients there were on this thread so far */
    struct slow_request slow[SLOWLOG_LEN];
    uint64_t slow_first, slow_next; /* numbers of those that are kept */
    struct resp_channels *channels; /* that they listen to; NULL: none yet */
    struct errand_jobs jobs;
    struct repeats *repeats; /* of broadcasts; NULL: not the first thread */
    msec_t began_ms;
    struct resp_knobs *knobs; /* what CONFIG SET said; NULL: nothing yet */
};

static inline const struct catalog *session_catalog(const struct session *s)
{
    return s->ports->catalog(s->ports->ctx);
}

/* NULL: the node is alone. */
static inline const struct grid_state *session_grid(const struct session *s)
{
    return s->ports->grid ? s->ports->grid(s->ports->ctx) : NULL;
}

/* What all nodes know (control/level.h); of one that is alone: what it knows itself. */
uint32_t session_level(const struct session *s);

/* It is one of several nodes, though perhaps nothing is known of them yet. */
static inline bool session_in_grid(const struct session *s)
{
    return s->ports->outside || session_grid(s);
}

static inline size_t session_unsent(const struct session *s)
{
    return s->out.len - s->sent;
}

void session_move_to(struct session *s, enum session_state to);
/* GREETING -> MOVING: to the thread of `shard`. */
void session_move(struct session *s, uint32_t shard);
/* Nobody has to say who he is here, or the peer's certificate did. Else the door asks, and calls
 * session_authenticate(). */
static inline bool session_trusts(const struct session *s)
{
    return !s->ports->authenticate || s->peer.user[0];
}
/* GRID_OK: `user` may come in. GRID_EAUTH, GRID_EBUSY: not; after WRONG_PASSWORDS of them the
 * session is stopped, behind the answer that the door gives. */
MUST_USE
enum grid_err session_authenticate(struct session *s, const char *user, const char *password);
/* Keep what fits of what the client calls itself, whole characters only. */
void session_set_client(struct session *s, struct slice name);
/* An answer of this many bytes would be more than a client that does not read may have waiting:
 * answer GRID_EBUSY instead. The answer to a write is small and always given. So is that of a task
 * that changed something: session_changed(). */
static inline bool session_too_much(const struct session *s, size_t bytes)
{
    return bytes && session_unsent(s) + s->collected + bytes > s->limits.output_max;
}

static inline bool session_changed(const struct result *res)
{
    return res->reply && res->version;
}

static inline struct ticket session_ticket(struct session *s, uint64_t number, uint32_t part)
{
    return (struct ticket){s, number, part, s->ports->shard, s->meters->now_us, s->meter};
}

/* A whole request or command was taken in. */
static inline void session_count_request(struct session *s)
{
    s->meters->doors[s->meter / METER_OPERATIONS].requests++;
}

/* Something was refused before an operation was made of it. */
static inline void session_count_refusal(struct session *s, enum grid_err err)
{
    s->meters->doors[s->meter / METER_OPERATIONS].errors[err]++;
}

/* The ticket of `op`, counted as what it is. */
static inline void session_stamp(struct op *op, struct ticket ticket)
{
    op->ticket = ticket;
    op->ticket.meter = (uint16_t)(ticket.meter + op->kind - op->reads_only);
}

/* Submit `op`, which is then in flight. */
static inline void session_submit(struct session *s, struct op *op, struct ticket ticket)
{
    session_stamp(op, ticket);
    s->in_flight++;
    s->ports->submit(s->ports->ctx, op);
}

/* The same from where a result came: `op` is borrowed for the call only. */
static inline void session_submit_again(struct session *s, const struct op *op,
                                        struct ticket ticket)
{
    struct op mine = *op;
    session_stamp(&mine, ticket);
    s->in_flight++;
    s->ports->submit_again(s->ports->ctx, &mine);
}

void session_admin(struct session *s, uint64_t number, const struct admin_request *request);
void session_everywhere(struct session *s, uint64_t number, const struct errand *errand);
void session_sleep(struct session *s, uint64_t number, msec_t ms);

/* --- place.c: where an op goes ---------------------------------------------------------------- */

/* Why something was refused; `why` is static or NULL. */
struct fault {
    enum grid_err err;
    const char *why;
};

static const struct fault no_fault = {GRID_OK, NULL};

/* The context of a cache (global id). NO_CONTEXT, NO_CACHE. */
struct fault session_context(struct session *s, uint32_t cache,
                             const struct context_info **ret_context);
void session_place_by(struct op *op, const struct context_info *context, struct slice placed_by);
/* COUNT of a whole cache: how many ops it is split up into; number `i` of them. */
uint32_t session_count_parts(const struct session *s, const struct context_info *context);
struct op session_count_op(const struct session *s, uint32_t cache, uint32_t i);
/* Check an op on one key (cache, key, affinity and value are set) and give it its partition. */
struct fault session_place(struct session *s, struct op *op);
/* task.c: the same for one that runs a task, which is `name`, and its value what that is given;
 * both stay until the arena of the turn is reset. It becomes a call. An answer of GRID_ETASK has
 * text, for people, as its value. GRID_ENO_TASK, GRID_EBUSY. */
struct fault session_task(struct session *s, struct op *op, struct slice name);

#endif
