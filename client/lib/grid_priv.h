/* grid_priv.h - what the files of this room share: the grid, its links, its requests.
 *
 *   caller -> request -> backlog (more than pipeline_max on their way)
 *                     -> link.queued -> link.sent -> answer -> finish
 *                              ^------------'  the connection broke: again, with the same number
 *             resting (BUSY and the like)   cache.waiting (to be opened again)
 *             refused (wrong before it was sent)
 *
 * A request is in exactly one of those lists by `queue`, and in grid.pending (by deadline) until it
 * is finished; a write also in grid.writes (by number, whose first is the session's lowest
 * unanswered number, R13).
 * Nothing here does I/O or runs a completion but gc_turn(), the events of the caller's base and
 * grid_close(). */
#ifndef GRIDCLIENT_GRID_PRIV_H
#define GRIDCLIENT_GRID_PRIV_H

#include "client.pb-c.h"
#include "list.h"
#include "mem.h"
#include "proto/slot.h"
#include "stream.h"
#include "topology.h"
#include "wait.h"
#include "wire.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

struct event;
struct event_base;
struct pollfd;

struct grid {
    struct endpoint *endpoints;
    size_t endpoints_len;
    size_t preferred; /* endpoint of the last good connection */
    struct tls *tls;  /* NULL: none */
    char *user, *password, *name, *grid_name;
    uint32_t timeout_ms, pipeline_max;
    uint8_t session[SESSION_BYTES];

    struct list links; /* all of them */
    struct link *home; /* the first, on any shard */
    struct link **by_shard;
    uint32_t shards; /* of by_shard; 0: not known yet */
    struct topology topology;
    uint64_t roam_at; /* `home` does not go elsewhere before */
    unsigned roams;   /* in a row */
    size_t frame_max; /* largest request body the server takes */
    struct pollfd *fds;
    size_t fds_len;

    uint64_t number; /* the last one given to a request */
    struct list pending, writes, backlog, resting, refused, caches, scans;
    size_t unanswered, on_their_way; /* all; asynchronous ones that are not in the backlog */
    struct request **table;          /* by number */
    size_t table_size;
    uint64_t rest_until;
    enum grid_err rest_status; /* of the last that rests; rest_why: what was said of it */
    uint64_t answers;
    uint64_t now;                   /* monotonic ms, of this turn */
    uint64_t dice;                  /* state of the generator that jitters */
    unsigned rests;                 /* in a row */
    unsigned depth;                 /* inside completions */
    bool connected, closing, dirty; /* grid_connect() is done; grid_close(); some is to be sent */
    bool read_local;
    char error[ERROR_BYTES], detail[ERROR_BYTES], rest_why[DETAIL_BYTES];

    struct event_base *base; /* the caller's; NULL: none */
    struct event *timer, *soon;
    uint64_t timer_at; /* 0: not set */
};

struct grid_cache {
    struct list node;
    struct grid *grid;
    char *path;
    uint32_t id, partitions; /* partitions 0: not known */
    bool opening;
    struct list waiting; /* requests, until it is open again */
};

/* --- requests: request.c ---------------------------------------------------------------------- */

/* How a request ended. response NULL: without an answer of the server. Valid until finish()
 * returns. */
struct outcome {
    enum grid_err err;
    const struct wire_response *response;
    const char *detail; /* never NULL */
};
struct request;
typedef void finish_fn(struct request *r, const struct outcome *o);

struct request {
    struct list queue, pending, write;
    struct request *chain; /* in the table */
    struct grid *grid;
    struct link *link;        /* where it is queued or sent */
    struct grid_cache *cache; /* NULL: of none */
    uint32_t op, cache_id;    /* cache_id: as sent last */
    uint32_t numbers;         /* how many it uses up */
    uint16_t slot;            /* where it goes; by key or partition */
    bool routed, local;       /* slot is set; it goes to `home`, whoever is primary */
    bool counted, once;       /* in grid.on_their_way; not sent again when it may have been done */
    bool is_async, is_write;  /* is_write: exactly once by R13 */
    bool changes;          /* done twice or not at all is not the same: in doubt when unanswered */
    bool on_wire, doubt;   /* encoded, not answered; an earlier sending got no answer */
    bool reopened;         /* its cache was opened again for it */
    enum grid_err refusal; /* wrong before it was sent */
    const char *why;       /* static */
    enum grid_err last_status;             /* retryable one of the server */
    uint64_t number, deadline, first_sent; /* first_sent 0: never */
    uint64_t stream_end, read_mark;        /* of link->sent_bytes, link->read_bytes */
    finish_fn *finish;
    union {
        grid_done_fn *done;
        void *to;
    };
    void *arg;
    size_t body_len;
    uint8_t body[];
};

/* A request of `body_len` bytes for the caller to fill in and submit. NULL: no memory. Frees itself
 * after finish(). */
struct request *gc_request_new(struct grid *g, uint32_t op, struct grid_cache *cache,
                               size_t body_len);
static inline void request_route(struct request *r, struct grid_bytes placed_by)
{
    r->slot = slot_of(placed_by.data, placed_by.len);
    r->routed = true;
}
/* Gives it its number, and a deadline unless it has one; ends by finish(), never before this
 * returns. */
void gc_request_submit(struct request *r);
/* The same for one that is wrong: ends with `err`. `why` is static. */
void gc_request_refuse(struct request *r, enum grid_err err, const char *why);
/* To the link where it belongs now. It is in no list by `queue`. */
void gc_request_send(struct request *r);
/* Forget it without finish(). Reads only. */
void gc_request_abandon(struct request *r);

void gc_requests_answer(struct grid *g, struct link *l, const struct wire_response *response);
/* Encode the next of l->queued behind l->out. False: none is left or there is no memory for it. */
bool gc_requests_encode(struct link *l);
/* The connection broke: what was on it is to be sent again. */
void gc_requests_return(struct link *l);
/* What waits for `l` goes where it belongs now. recall: what it has sent, too, if that answers. */
void gc_requests_reroute(struct link *l);
void gc_requests_recall(struct link *l);
/* Deadlines and rests that are over; requests that were refused. */
void gc_requests_tick(struct grid *g);
/* When gc_requests_tick() is needed next, 0: never. */
uint64_t gc_requests_due(const struct grid *g);
void gc_requests_cancel_all(struct grid *g);

/* --- links: link.c ---------------------------------------------------------------------------- */

/*   DOWN --start--> CONNECTING --> SECURING (TLS) --> GREETING --HelloReply--> OPEN
 *     ^                 |    `----------------------->  |                        |
 *     `------break------+-------------------------------+------------------------'   */
enum link_state {
    LINK_DOWN,
    LINK_CONNECTING,
    LINK_SECURING,
    LINK_GREETING,
    LINK_OPEN,
    LINK_STATES
};

struct link {
    struct list node; /* in grid.links */
    struct grid *grid;
    enum link_state state;
    const struct member *member; /* to this node; NULL: to any */
    uint32_t shard;              /* wanted, from 1; 0: any */
    struct stream stream;
    struct buf in, out;
    struct list queued, sent;
    uint64_t sent_bytes, encoded_bytes, read_bytes; /* of this connection */
    uint64_t last_ms;                               /* when bytes came last */
    uint64_t asked_ms;    /* when something was sent while nothing else was unanswered */
    uint64_t pinged_ms;   /* later than last_ms: nothing came since */
    unsigned patience_ms; /* after a ping */
    bool shunned;         /* to a node: it failed, others pass requests on until it is open again */
    bool retry;           /* shunned: connect though nothing waits for it */
    uint64_t retry_at;    /* not before */
    struct target *targets;
    size_t targets_len, target_at;
    uint64_t due;    /* end of an attempt, or the next one; 0: none */
    unsigned rounds; /* of all targets that have failed in a row */
    enum grid_err
        refusal; /* the last round ended so: TLS, AUTH, ...; GRID_OK: it was the network */
    char why[GRID_WHY_BYTES],
        trying[GRID_WHY_BYTES]; /* of the last round that failed; of this one */
    struct event *readable, *writable;
    bool writable_on, wants_write;
};

struct link *gc_link_new(struct grid *g, const struct member *member, uint32_t shard);
void gc_link_free(struct link *l);
/* A request was queued: connect if need be. No I/O yet. retry: though none is, if it is time.
 * sound: open, and no PING is unanswered. */
void gc_link_want(struct link *l);
void gc_link_retry(struct link *l);
bool gc_link_sound(const struct link *l);
void gc_link_flush(struct link *l); /* send what is queued: one write */
void gc_link_ready(struct link *l, bool readable, bool writable);
void gc_link_tick(struct link *l);
/* Break the connection off; `format` says why. */
__attribute__((format(printf, 2, 3))) void gc_link_break(struct link *l, const char *format, ...);

/* --- the grid: grid.c, route.c ---------------------------------------------------------------- */

uint64_t gc_now_ms(void);
uint64_t gc_dice(struct grid *g, uint64_t range); /* 0..range-1 */
/* One turn: send, wait up to timeout_ms (-1: until something is due), read, run completions. */
void gc_turn(struct grid *g, int timeout_ms);
/* Something is to be sent: in gc_turn(), or soon by the caller's base. */
void gc_wake(struct grid *g);
/* After an event of the caller's base: send what completions have asked for, set the timer. */
void gc_settle(struct grid *g);
/* What the server said of itself in a Hello on `l`. */
void gc_learn(struct grid *g, struct link *l, const struct wire_hello_reply *reply);
void gc_learn_topology(struct grid *g, struct link *l, struct grid_bytes body);
/* `home` is astray, or not in its grid: elsewhere, unless that was tried just now. */
void gc_roam(struct grid *g);
/* The link for `r`; that to the node which leads it, if there is one, else NULL. */
struct link *gc_route(struct grid *g, const struct request *r);
struct link *gc_route_straight(const struct grid *g, const struct request *r);
/* Requests of one bucket go over one link, as things are: 0 .. gc_buckets() - 1. */
size_t gc_buckets(const struct grid *g);
size_t gc_bucket(const struct grid_cache *c, struct grid_bytes placed_by);
/* Open r->cache again, then send `r` again. */
void gc_cache_reopen(struct request *r);
void gc_cache_free(struct grid_cache *c);
void gc_scans_detach(struct grid *g); /* their requests are gone */
/* For grid_error(). Returns err. */
enum grid_err gc_fail(struct grid *g, enum grid_err err, const char *detail);

/* One key: checked and encoded. NULL: no memory; else to be submitted (or it is marked refused).
 * async.c */
struct request *gc_key_request(struct grid_cache *c, uint32_t op, const struct wire_key *key);
/* NULL, or why the key or how to write it is wrong (with *ret_err). */
const char *gc_key_fault(const struct grid *g, const struct wire_key *k, enum grid_err *ret_err);
/* What the server says, as the caller hears it: an absent key of a delete is NOT_FOUND. */
enum grid_err gc_key_outcome(uint32_t op, enum grid_err err, int64_t result);

#endif
