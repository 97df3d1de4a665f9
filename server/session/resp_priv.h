/* resp_priv.h - a session of a Redis client, as its files share it.
 *
 *   bytes --resp_parse--> request --resp_table--> SAY: one reply, on the spot
 *                                                 CALL: a procedure at its keys' partition(s)
 *                                                 ACT: whatever else (jobs, transactions, errands)
 *
 * Replies go out in the order of the requests. Each request that is not answered at once has a slot
 * in a ring; ticket.number is its number. What answers the oldest goes straight into session.out,
 * what comes sooner than its turn waits in `later`.
 *
 *          head                         tail
 *            | pending | said | pending |        said: its reply is later[at, at + len)
 *
 * A command that needs several steps, or the connection for itself (RESP_ALONE), is not taken from
 * the input before it is done: it is offered again when nothing is in flight any more, so its
 * arguments need no copies and nothing can overtake it. */
#ifndef GRIDD_SESSION_RESP_PRIV_H
#define GRIDD_SESSION_RESP_PRIV_H

#include "command/resp.h"
#include "session/resp_parse.h"
#include "session/resp_table.h"
#include "session/resp_text.h"
#include "session/session_priv.h"

#define SAY(fn) resp_say_fn fn;
#define ACT(fn) resp_act_fn fn;
#define CALL(fn, how)
#define RUN(fn)
#define HOLDS
#define BOTH(fn) SAY(fn)
#define X(done, ...) done
#include "session/resp_commands.def"
#undef X
#undef SAY
#undef ACT
#undef CALL
#undef RUN
#undef HOLDS
#undef BOTH

/* Why a request is looked at twice. */
enum { RESP_NAME_MAX = 1024 };
enum {
    GATE_FRESH = 1,    /* nothing was asked yet */
    GATE_STRANGER = 2, /* has yet to authenticate */
    GATE_MULTI = 4,    /* in a transaction */
    GATE_PUBSUB = 8,   /* subscribed, in RESP2 */
    GATE_PARTING = 16, /* the node stops: nothing is done any more */
};

struct resp_multi; /* resp_multi.c */
struct resp_slot;
/* The answer to part `part` of a request. */
typedef void resp_result_fn(struct resp_session *r, struct resp_slot *slot, uint64_t number,
                            uint32_t part, const struct result *res);

struct resp_slot {
    resp_result_fn *result; /* NULL: the one answer is the reply */
    void *state;            /* its; released by state_free() when the session ends before */
    void (*state_free)(void *state);
    int64_t sum;
    enum grid_err error; /* the first */
    uint32_t left;       /* answers to come */
    uint32_t at, len;
    uint32_t began;                     /* meters.now_us when it was taken */
    const struct resp_command *command; /* that asked; NULL: several */
    bool said;                          /* the reply waits in `later` */
    bool silent;                        /* nobody wants the reply */
    bool writes;                        /* the reply is always given */
};

/* Kinds of names that clients listen to (resp_pubsub.c). */
enum resp_channel_kind { RESP_CHANNEL, RESP_PATTERN, RESP_SHARD_CHANNEL, RESP_CHANNEL_KINDS };

struct resp_session {
    struct session base;
    unsigned gate;
    bool resp3;
    bool alone; /* takes no more until nothing is in flight */
    struct resp_parser parser;
    uint32_t cache; /* global id */
    /* the ring */
    struct resp_slot *slots;
    uint64_t head, tail; /* numbers of the oldest request and of the next one */
    uint32_t slots_mask; /* places - 1 */
    struct buf later;
    size_t later_live; /* bytes in it that are still wanted */
    size_t mark;       /* where the reply that is being said begins */
    size_t expected;   /* bytes of a reply: of the largest, fading as smaller ones follow */
    /* a request that is taken in several steps */
    struct {
        void *state;
        void (*state_free)(void *state);
        uint64_t number; /* of its slot */
        uint32_t at;     /* the next of its keys */
        bool begun;
    } job;
    /* what it listens to */
    struct list subscriptions;
    size_t subscribed[RESP_CHANNEL_KINDS], subscribed_all, subscribed_bytes;
    /* CLIENT REPLY */
    bool reply_off, reply_skip, reply_skip_next;
    bool pushed; /* what is being said is told all the same */
    uint64_t id; /* of all clients of the node, never used again */
    uint64_t since_us, active_us;
    const struct resp_command *last;
    struct resp_multi *multi; /* NULL: there was no transaction yet */
    struct buf name;          /* CLIENT SETNAME */
    char user[64];
};

static inline struct resp_session *resp_of(struct session *s)
{
    return container_of(s, struct resp_session, base);
}

static inline const struct resp_session *resp_of_const(const struct session *s)
{
    return (const struct resp_session *)(const void *)s; /* `base` comes first */
}

/* --- resp_ring.c: replies in order ------------------------------------------------------------ */

void resp_ring_init(struct resp_session *r);
void resp_ring_release(struct resp_session *r);
/* A slot for the request that is taken now; *ret_number is its number. Borrowed until the next
 * one is made. */
struct resp_slot *resp_slot_new(struct resp_session *r, uint64_t *ret_number);
static inline struct resp_slot *resp_slot_at(struct resp_session *r, uint64_t number)
{
    return &r->slots[number & r->slots_mask];
}
/* Where the reply to request `number` is to be written, whole and at once; then resp_close(). */
struct buf *resp_open(struct resp_session *r, uint64_t number);
void resp_close(struct resp_session *r, uint64_t number);
/* The same for a request that needs no slot: it is answered while it is taken. */
struct buf *resp_open_now(struct resp_session *r);
void resp_close_now(struct resp_session *r);
/* The result of a call as a reply; a status that is not GRID_OK as an error. */
void resp_say_result(struct resp_session *r, struct buf *out, const struct result *res,
                     bool writes);
bool resp_ring_full(const struct resp_session *r);
/* More unread bytes than a client may have waiting. */
bool resp_too_much(const struct resp_session *r, size_t bytes);
void resp_ring_check(const struct resp_session *r);

/* --- resp_keyed.c: procedures ----------------------------------------------------------------- */

/* Do the procedure of q->command at the partition of its keys, or split it up. */
enum resp_taken resp_call(struct resp_session *r, const struct resp_request *q);
/* Indices of the first and last key of `args_len` arguments and their distance; 0: none. */
struct resp_keys {
    uint32_t first, last, step;
};
/* Of scripts when they are complete. */
struct resp_keys resp_keys_of(const struct resp_command *c, const struct slice *args,
                              uint32_t args_len);
/* The context of the session's cache; NULL: `*ret_err` says why. */
const struct context_info *resp_context(struct resp_session *r, enum grid_err *ret_err);
/* Not a key one can have: the text of the error; NULL: it is fine. */
const char *resp_key_fault(struct slice key);

static const char resp_crossslot[] = "CROSSSLOT Keys in request don't hash to the same slot";

/* --- resp_script.c ---------------------------------------------------------------------------- */

/* The request with what the procedure needs behind its arguments; of the turn. No command in
 * *ret_whole, which was zeros: an error was said, or (RESP_LATER) there is no room. */
enum resp_taken resp_script_complete(struct resp_session *r, const struct resp_request *q,
                                     struct resp_request *ret_whole);
struct resp_keys resp_script_keys(const struct resp_command *c, const struct slice *args,
                                  uint32_t args_len);

/* --- resp_rights.c ---------------------------------------------------------------------------- */

enum right resp_right(const struct resp_command *c);
/* False: `why` (MAY_WHY_BYTES) says which right is missing. */
bool resp_may(struct resp_session *r, const struct resp_request *q, char *why);

/* --- resp_multi.c ----------------------------------------------------------------------------- */

/* In a transaction: queue what is not to be done at once. */
enum resp_taken resp_multi_queue(struct resp_session *r, const struct resp_request *q);
/* Something was refused: a transaction it belongs to will be, too. */
void resp_multi_spoil(struct resp_session *r);
/* No transaction, nothing watched. */
void resp_multi_reset(struct resp_session *r);
void resp_multi_release(struct resp_session *r);

/* --- resp_client.c ---------------------------------------------------------------------------- */

/* NULL, or the error. */
const char *resp_client_rename(struct resp_session *r, struct slice name);

/* --- resp_cluster.c --------------------------------------------------------------------------- */

enum { RESP_MOVED = 192 };
/* Whether a client that came to this shard's own port, as clients of Redis Cluster do, is to ask
 * another one; `line` is the error then. */
bool resp_moved(struct resp_session *r, uint16_t slot, uint16_t partition, char line[RESP_MOVED]);

/* --- resp_slowlog.c --------------------------------------------------------------------------- */

/* Request `number` is answered now. */
void resp_slowlog_look(struct resp_session *r, uint64_t number);

/* --- resp_config.c ---------------------------------------------------------------------------- */

/* A parameter of CONFIG as this thread has it; `name` is one of resp_config.def. */
const char *resp_config_value(const struct errands *here, const char *name);

/* --- resp_pubsub.c ---------------------------------------------------------------------------- */

/* It listens to nothing any more. */
void resp_pubsub_release(struct resp_session *r);

/* --- resp_session.c -------------------------------------------------------------------------- */

/* As after connecting: who is there has yet to be proved, the cache is the entrance's. */
void resp_begin(struct resp_session *r);
/* Run the errand; its answer goes to `result`. */
void resp_everywhere(struct resp_session *r, const struct errand *e, resp_result_fn *result);
/* Do a request that may be done; its arguments are right in number. */
enum resp_taken resp_do(struct resp_session *r, const struct resp_request *q);
/* Error replies to what is taken now. */
void resp_refuse(struct resp_session *r, const char *line);
/* The arguments of a subcommand do not fit it; always RESP_TAKEN. */
enum resp_taken resp_refuse_subcommand(struct resp_session *r, const struct resp_request *q);
void resp_error_subcommand(struct buf *out, const struct resp_request *q);
/* `before` 'word' `behind`; always RESP_TAKEN. */
enum resp_taken resp_refuse_word(struct resp_session *r, const char *before, struct slice word,
                                 const char *behind);
void resp_error_word(struct buf *out, const char *before, struct slice word, const char *behind);
/* The arena of the turn is full: try again in the next one. */
enum resp_taken resp_no_room(struct session_turn *turn);

static inline void resp_ok(struct buf *out)
{
    buf_add(out, "+OK\r\n", 5);
}

static inline void resp_error_text(struct buf *out, const char *line)
{
    resp_error(out, slice_str(line));
}

#endif
