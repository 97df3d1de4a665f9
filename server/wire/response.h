/* response.h - what a client is told, from plain structs to whole frames (length and protobuf) at
 * the end of a struct buf.
 * The hot fields are written straight into reserved space: a value is copied once. Callers bound
 * the sizes before. */
#ifndef GRIDD_WIRE_RESPONSE_H
#define GRIDD_WIRE_RESPONSE_H

#include "base/buf.h"
#include "shard/op.h"
#include "wire/admin.h"

struct wire_hello_reply {
    enum grid_err status;
    const char *detail; /* strings: UTF-8, NULL is "" */
    uint32_t version;
    uint32_t version_max;
    uint32_t shard; /* from 1 */
    uint32_t shards;
    struct slice node_id;
    const char *node;
    const char *grid;
    uint32_t frame_max;
    uint64_t topology;
    uint64_t session_ttl_ms;
    uint64_t value_max;
    const char *server;
};

enum { LOCATION_IN_SYNC_MAX = 32 };
struct wire_location {
    uint32_t partition;
    uint64_t epoch;
    const char *primary;        /* name of the node; "": nobody leads */
    const char *const *in_sync; /* names */
    size_t in_sync_len;
    uint32_t slot;
    uint32_t shard; /* from 1 */
    const char *address;
};

/* One place of a many-key answer. */
struct wire_item {
    enum grid_err status;
    uint64_t version;
    msec_t deadline;
    int64_t number;
    struct slice value;
    uint8_t type; /* enum value_type; `value` is its stored form */
};

/* `topology` in all of them: the newest revision for a client that has an older one, else 0
 * (left out). */
void wire_hello_reply(struct buf *out, const struct wire_hello_reply *reply);
/* The answer of one partition: every field of `res`. */
void wire_response_result(struct buf *out, uint64_t number, const struct result *res,
                          uint64_t topology);
/* An error, or GRID_OK with nothing to say. `detail` is for people; empty: none. */
void wire_response_status(struct buf *out, uint64_t number, enum grid_err status,
                          struct slice detail, uint64_t topology);
/* A batch that failed at an item before any partition saw it. */
void wire_response_failed_at(struct buf *out, uint64_t number, enum grid_err status,
                             struct slice detail, uint32_t failed_at, uint64_t topology);
void wire_response_items(struct buf *out, uint64_t number, const struct wire_item *items,
                         size_t items_len, uint64_t topology);
void wire_response_cache(struct buf *out, uint64_t number, const struct context_info *context,
                         const struct cache_info *cache, uint64_t topology);
void wire_response_location(struct buf *out, uint64_t number, const struct wire_location *location,
                            uint64_t topology);
/* `reply` as made by wire_admin_reply_encode(); may be empty. */
void wire_response_admin(struct buf *out, uint64_t number, enum grid_err status,
                         struct slice detail, struct slice reply, uint64_t topology);

/* Upper bound of the frame that wire_response_items() makes of `items_len` items with
 * `value_bytes` in all. */
size_t wire_response_items_max(size_t items_len, size_t value_bytes);

#endif
