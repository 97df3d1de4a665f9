/* wire.h - the protocol as bytes, without sockets: requests to bytes, bytes to replies. Pure.
 * What is decoded is borrowed from the input. Any input is fine: false is said of what is no
 * message; fields that are not known are passed over, as protobuf wants it.
 * A request's body (what does not change when it is sent again) is encoded once; the head (number,
 * cache, lowest, age) each time it is sent. */
#ifndef GRIDCLIENT_WIRE_H
#define GRIDCLIENT_WIRE_H

#include "grid.h"

enum { PROTOCOL_VERSION = 1, SESSION_BYTES = 16, KEY_BYTES_MAX = 480, MEDIA_BYTES_MAX = 127 };

/* --- out -------------------------------------------------------------------------------------- */

struct wire_hello {
    uint8_t session[SESSION_BYTES];
    uint32_t shard;                              /* from 1; 0: any */
    const char *client, *user, *password, *grid; /* NULL: "" */
    bool topology;                               /* wanted by push */
};
/* Whole frame of a Hello to `to`, which has room for WIRE_HELLO_BYTES_MAX. Returns its length; 0:
 * the strings are too long. */
enum { WIRE_HELLO_BYTES_MAX = 4096 };
size_t gc_wire_hello(uint8_t to[WIRE_HELLO_BYTES_MAX], const struct wire_hello *hello);

struct wire_head {
    uint64_t number;
    uint32_t op, cache;
    uint64_t lowest, age_ms; /* writes; lowest 0: no exactly-once */
};
enum { WIRE_HEAD_BYTES_MAX = 64 };
/* Frame header and head to `to`; `body_len` bytes of body come behind. Returns their length. */
size_t gc_wire_head(uint8_t to[WIRE_HEAD_BYTES_MAX], const struct wire_head *head, size_t body_len);

/* What is asked of one key. */
struct wire_key {
    uint32_t op, cache; /* items only */
    struct grid_bytes key, value, affinity;
    const struct grid_write *how; /* its affinity is ignored; NULL: all defaults */
    int64_t delta;
    struct grid_bytes name; /* requests only: of a task */
};
size_t gc_wire_key_len(const struct wire_key *k);
uint8_t *gc_wire_put_key(uint8_t *at, const struct wire_key *k);
/* The same as an Item of a batch or a many-key request. */
size_t gc_wire_item_len(const struct wire_key *k);
uint8_t *gc_wire_put_item(uint8_t *at, const struct wire_key *k);

/* Fields of Request besides those, by number in client.proto. */
enum {
    REQUEST_KEY = 4,
    REQUEST_VALUE = 5,
    REQUEST_AFFINITY = 6,
    REQUEST_PARTITION = 15,
    REQUEST_LIMIT = 16,
    REQUEST_PREFIX = 17,
    REQUEST_CURSOR = 18,
    REQUEST_KEYS_ONLY = 19,
    REQUEST_NAME = 20,
    REQUEST_ADMIN = 21,
    REQUEST_READ_LOCAL = 26,
    REQUEST_JOB = 42,
    REQUEST_METHOD = 40,
    REQUEST_AGAIN = 41,
    REQUEST_NODES = 43,
};
size_t gc_wire_number_len(unsigned field, uint64_t v);
size_t gc_wire_bytes_len(unsigned field, size_t len);
uint8_t *gc_wire_put_number(uint8_t *at, unsigned field, uint64_t v);         /* zero: nothing */
uint8_t *gc_wire_put_bytes(uint8_t *at, unsigned field, struct grid_bytes v); /* empty: nothing */

/* --- in --------------------------------------------------------------------------------------- */

struct wire_hello_reply {
    uint32_t status, version, version_max, shard, shards, frame_max;
    uint64_t topology, session_ttl_ms, value_max;
    struct grid_bytes detail, node_id, node, grid, server;
};
bool gc_wire_hello_reply(struct grid_bytes body, struct wire_hello_reply *ret_reply);

/* Repeated messages: walk with gc_wire_item_next(). */
struct wire_list {
    struct grid_bytes rest; /* of the body, from the first item on; others may lie between */
    uint32_t field;
    uint32_t len; /* items left */
};

struct wire_response {
    uint64_t number, version, deadline_ms, topology;
    uint32_t status, failed_at, repeated;
    int64_t result;
    uint32_t type;
    struct grid_bytes value, detail, cursor, media;
    struct grid_bytes context, location, admin, owners; /* messages; data NULL: not there */
    struct wire_list items;
};
bool gc_wire_response(struct grid_bytes body, struct wire_response *ret_response);

struct wire_item {
    uint32_t status;
    struct grid_bytes key, value;
    uint64_t version, deadline_ms;
    int64_t result;
    struct grid_bytes affinity;
    uint32_t type;
    struct grid_bytes media;
};
/* False: no more, or (list->len is not 0) the next one is malformed. */
bool gc_wire_item_next(struct wire_list *list, struct wire_item *ret_item);

struct wire_topology {
    uint64_t revision, since;
    struct wire_list nodes, contexts;
    uint32_t astray;
};
bool gc_wire_topology(struct grid_bytes body, struct wire_topology *ret_topology);
struct wire_node {
    uint32_t number, shards, up;
    struct grid_bytes name, address;
};
struct wire_owners {
    uint32_t id, partitions;
    struct grid_bytes primaries, changes; /* packed: gc_wire_number_next() */
};
/* False: no more, or (list->len is not 0) the next one is malformed. */
bool gc_wire_node_next(struct wire_list *list, struct wire_node *ret_node);
bool gc_wire_owners_next(struct wire_list *list, struct wire_owners *ret_owners);
/* The next of packed numbers. False: no more, or (packed->len is not 0) malformed. */
bool gc_wire_number_next(struct grid_bytes *packed, uint32_t *ret_number);

/* Of a ContextInfo, the number of partitions; 0: none that makes sense. */
uint32_t gc_wire_context_partitions(struct grid_bytes context);

#endif
