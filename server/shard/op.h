/* op.h - what a session asks of a shard, and what it is told. Plain structs; every slice is
 * borrowed: an op's until the submitting call returns (a shard copies what it parks), a result's
 * until reply() returns. */
#ifndef GRIDD_SHARD_OP_H
#define GRIDD_SHARD_OP_H

#include "base/clock.h"
#include "base/err.h"
#include "base/slice.h"
#include "data/record.h"

enum op_kind {
#define X(name, code, text, writes) OP_##name = (code),
#include "shard/op.def"
#undef X
    OP_CALL = 15,  /* a procedure: named inside the node only */
    OP_FETCH = 16, /* nobody's: fetch.c */
};

enum op_condition {
    IF_ALWAYS = 0,
    IF_ABSENT = 1,  /* the key must not exist */
    IF_PRESENT = 2, /* the key must exist */
    IF_VERSION = 3, /* the key must exist with exactly this version */
};

enum op_ttl {
    TTL_DEFAULT = 0, /* the cache's default; INCR of an existing key keeps what it has */
    TTL_SET = 1,     /* ttl_ms from now */
    TTL_NONE = 2,    /* for ever */
    TTL_KEEP = 3,    /* what the key has; for ever when it is new */
};

enum { SCAN_LIMIT_MAX = 10000, SCAN_BYTES_MAX = 1 << 20, SCAN_NUMBER_BITS = 49 };

/* Names a waiting request of a session. Opaque to the shard: handed back with the result. */
struct ticket {
    void *owner;     /* the connection or collector that asked */
    uint64_t number; /* the client's request number */
    uint32_t part;   /* which part of a request that was split up */
    uint32_t thread; /* loop thread the owner lives on */
    uint32_t began;  /* when it was asked: microseconds, the low bits */
    uint16_t meter;  /* what it is counted as (session/meters.h) */
};

/* How a procedure (call.h) answers; a door says it in its own protocol. */
enum reply_kind {
    REPLY_NONE = 0,
    REPLY_OK,
    REPLY_NULL,       /* no such thing */
    REPLY_NULL_ARRAY, /* not done: a transaction that was given up */
    REPLY_INTEGER,    /* number */
    REPLY_BULK,       /* bytes */
    REPLY_STATUS,     /* bytes: a word */
    REPLY_ERROR,      /* bytes: CODE and text in one line */
    REPLY_RAW,        /* bytes in the protocol of who made the op */
};

struct reply {
    enum reply_kind kind;
    int64_t number;
    struct slice bytes;
};

struct call;
typedef void procedure_fn(struct call *c);

/* One of several procedures of an OP_CALL: its parts of the op's args and keys. */
struct op_step {
    procedure_fn *procedure;
    uint32_t args_at, args_len;
    uint32_t keys_at, keys_len;
};

struct op {
    enum op_kind kind;
    enum op_condition condition;
    enum op_ttl ttl;
    bool all_partitions; /* COUNT: every partition of the context that this shard owns */
    bool keys_only;      /* SCAN: leave values out. GET: version and deadline only */
    bool numbered;       /* SCAN: by number_cursor; pages may be some items larger than limit */
    bool has_session;    /* exactly-once wanted (R13): session.* and age_ms are set; writes only */
    uint32_t cache;      /* global cache id */
    uint16_t partition;  /* of the context; by the session, from key or affinity or as given */
    uint16_t slot;       /* the slot it was computed from */
    uint32_t epoch;      /* direct: done by who has led since this epoch of the partition, nobody
                          * else in between; else NOT_PRIMARY. 0: by whoever leads */
    uint8_t type;        /* PUT: enum value_type; `value` is its stored form, which is checked */
    bool direct;         /* this node or none: NOT_PRIMARY is an answer, see shard_ports.reroute */
    bool asks_again;     /* who asked does so by itself: not held while nobody can come to lead */
    bool local;          /* GET, SCAN, COUNT of one partition: the copy here answers if it may, with
                          * what it knows to be committed (read = local); else the primary */
    bool sole;           /* with a session that asks for one thing, whose number is of what that is:
                          * when it asked for another one, EXISTS, and nothing is done */
    struct slice key;
    struct slice affinity; /* empty: the key itself */
    struct slice value;
    uint64_t version;       /* IF_VERSION */
    int64_t delta;          /* INCR */
    msec_t ttl_ms;          /* TTL_SET, > 0 */
    uint32_t limit;         /* SCAN: entries, 1..SCAN_LIMIT_MAX */
    struct slice prefix;    /* SCAN: keys that begin so */
    struct slice cursor;    /* SCAN: of the last result; empty: from the start of the partition */
    uint64_t number_cursor; /* SCAN: `number` of the last result; 0: from the start. One that
                             * nobody knows any more starts again */
    const struct op *batch; /* PUT, DELETE, INCR, EXPIRE of one partition, each key once */
    uint32_t batch_len;
    procedure_fn *procedure;  /* CALL */
    const struct slice *args; /* CALL; args[0] is the name it was called by */
    const struct slice *keys; /* CALL: of `cache`, all of this partition; the first is `key` */
    /* CALL: what the procedure runs in turn; mostly none. Its own args are those before the first
     * step's. */
    const struct op_step *steps;
    uint32_t args_len, keys_len, steps_len;
    unsigned flags;                /* CALL: for the procedure */
    bool reads_only;               /* CALL: it changes nothing */
    bool makes_steps;              /* CALL: the procedure makes its steps itself: call_do() */
    bool finds_keys;               /* CALL: it finds its keys itself: call_find() */
    bool aside;                    /* CALL: not done here, but handed on: shard_ports.aside */
    bool once;                     /* CALL aside: not to be asked again when it may have been done:
                                    * IN_DOUBT then */
    struct record_session session; /* id, number, lowest; status and result unused */
    uint64_t later; /* with a session: the last of its numbers that may have overtaken this one.
                     * When one of those between was done before it, the answer is IN_DOUBT, as a
                     * repetition, and it is not done any more. 0: none may have */
    msec_t age_ms;  /* since the client first sent it */
    uint64_t hash;  /* of cache and key; set by shard_submit_all(), 0: not known yet */
    struct ticket ticket;
};

struct scan_item {
    struct slice key;
    struct slice value;
    uint64_t version;
    msec_t deadline;
    struct slice affinity; /* empty: the key itself */
    uint8_t type;          /* enum value_type; `value` is its stored form, but empty of a HASH that
                            * is larger than max_value: read its fields */
};

struct result {
    enum grid_err status;
    enum reply_kind reply; /* CALL without an error: number and value are the reply's */
    uint8_t type;          /* GET: enum value_type; `value` is its stored form */
    bool repeated;         /* the stored result of an earlier delivery of the same request (R13) */
    uint64_t version;      /* GET, CONDITION: of the entry, 0 absent. Writes: of the record */
    msec_t deadline;       /* GET: unix ms, 0: for ever */
    int64_t number;        /* INCR: new one. PUT: 1 when the key is new. DELETE: 1 or 0.
                                    * BATCH: effects. COUNT: entries.
                                    * SCAN by numbers: where to go on, of SCAN_NUMBER_BITS bits;
                                    * 0: the partition is done */
    struct slice value;    /* GET */
    const struct scan_item *items; /* SCAN */
    uint32_t items_len;
    struct slice cursor; /* SCAN: where to go on; empty: the partition is done */
    uint32_t failed_at;  /* BATCH with an error: index of the op that failed */
};

/* "get", "put"...; "?" for a number that is none. */
const char *op_text(enum op_kind kind);
bool op_writes(enum op_kind kind);
/* Whether this one may change anything. */
static inline bool op_changes(const struct op *op)
{
    return op_writes(op->kind) && !op->reads_only;
}

/* An op outlives what it borrows: bytes that a copy of all that hangs on it takes. */
size_t op_copy_bytes(const struct op *op);
/* Copy that to `to` (aligned as malloc() does) and make `op`, itself a copy, point there. Returns
 * where the copy ends. */
uint8_t *op_copy_fill(struct op *op, void *to);
/* The same of a result. */
size_t result_copy_bytes(const struct result *res);
void result_copy_fill(struct result *res, void *to);

#endif
