/* request.h - what a client says, from protobuf to plain structs. Everything decoded is borrowed
 * from the arena until it is reset, and from the body: both stay until the ops are done. Two kinds
 * of fault: a body that is no message is an error of the call (the connection cannot be trusted
 * further); a message with a
 * value that none may have is decoded and says so in `refused` (it is answered, life goes on). */
#ifndef GRIDD_WIRE_REQUEST_H
#define GRIDD_WIRE_REQUEST_H

#include "shard/op.h"
#include "wire/admin.h"
#include "wire/arena.h"
#include "wire/jobs.h"

enum { CURSOR_BYTES_MAX = 1024 };

struct wire_hello {
    uint32_t version;
    uint32_t version_min;
    struct slice session; /* as sent: any length */
    uint32_t shard;       /* from 1; 0: any */
    const char *client;   /* strings: UTF-8, never NULL */
    const char *user;
    const char *password;
    const char *grid;
    bool topology; /* wants it pushed */
};

/* Operations that are none of enum op_kind; codes of enum Op in client.proto. But for RUN, which is
 * an OP_CALL, no single partition answers them. */
enum wire_op {
    WIRE_RUN = 9,
    WIRE_SUBMIT = 10,
    WIRE_MAP = 11,
    WIRE_SERVICE_CALL = 12,
    WIRE_JOB = 13,
    WIRE_BROADCAST = 14,
    WIRE_GET_MANY = 16,
    WIRE_PUT_MANY = 17,
    WIRE_DELETE_MANY = 18,
    WIRE_PING = 32,
    WIRE_OPEN_CACHE = 33,
    WIRE_LOCATE = 34,
    WIRE_ADMIN = 35,
};

struct wire_request {
    uint64_t number;
    unsigned code;         /* enum op_kind or enum wire_op as sent; may be any number */
    enum grid_err refused; /* not GRID_OK: a value out of range, `why` (static) says which */
    const char *why;
    uint64_t topology;  /* revision the client has; 0: does not want to know */
    uint32_t partition; /* SCAN, COUNT with one_partition; as sent */
    bool one_partition;
    struct slice media; /* PUT: as sent; op.value and op.type are what they mean */
    uint32_t type;
    /* The request's fields. kind is `code`; session.number and session.lowest are set. The session
     * fills in partition, slot, has_session, session.id, all_partitions and ticket. BATCH: batch
     * points at the items. */
    struct op op;
    struct op *items; /* BATCH, *_MANY: kind set, cache the request's where an item names none */
    uint32_t items_len;
    struct slice name;                 /* OPEN_CACHE: UTF-8; RUN, SERVICE_CALL: any bytes */
    struct slice nodes;                /* BROADCAST: LABEL=VALUE; empty: all */
    struct slice method;               /* SERVICE_CALL: any bytes */
    bool again;                        /* SERVICE_CALL: twice is fine */
    const struct admin_request *admin; /* ADMIN; NULL: none was sent */
    struct job_ask job;                /* SUBMIT, JOB; zeros: none was sent */
};

/* Decode the body of a client's first frame. GRID_EBAD_REQUEST: malformed, or a string that is not
 * UTF-8; GRID_ENOMEM: the arena is over its limit. */
MUST_USE
enum grid_err wire_hello_decode(struct slice body, struct arena *arena,
                                struct wire_hello *ret_hello);
/* Decode the body of any later frame. Errors as above. More than RECORD_EFFECTS_MAX items:
 * `refused` GRID_ETOO_LARGE, no items. */
MUST_USE
enum grid_err wire_request_decode(struct slice body, struct arena *arena,
                                  struct wire_request **ret_request);
/* The request number, when the body begins with it (every client of ours does so); else 0. For
 * bodies that are too large or malformed: `body` may be cut off anywhere. */
uint64_t wire_request_number(struct slice body);

#endif
