/* resp.h - replies in the protocol of Redis clients (RESP2 and RESP3), appended to a buffer.
 * `resp3`: what the connection speaks; types that RESP2 lacks are written as it has them.
 * Source: the Redis serialization protocol specification. */
#ifndef GRIDD_COMMAND_RESP_H
#define GRIDD_COMMAND_RESP_H

#include "base/buf.h"
#include "shard/op.h"

/* op.flags of an OP_CALL made for such a client. */
enum { CALL_RESP3 = 1 };

void resp_status(struct buf *out, struct slice word); /* +OK */
/* `line`: CODE and text; line ends within become spaces. */
void resp_error(struct buf *out, struct slice line);
void resp_integer(struct buf *out, int64_t number);
void resp_bulk(struct buf *out, struct slice bytes);
void resp_null(struct buf *out, bool resp3);
void resp_null_array(struct buf *out, bool resp3);
void resp_double(struct buf *out, double number, bool resp3);
void resp_boolean(struct buf *out, bool yes, bool resp3);
/* RESP3: bytes that are text for people. */
void resp_verbatim(struct buf *out, struct slice text, bool resp3);
/* Heads of what follows: `len` values; of a map pairs of them (RESP2: a flat array). */
void resp_array(struct buf *out, uint64_t len);
void resp_map(struct buf *out, uint64_t pairs, bool resp3);
void resp_set(struct buf *out, uint64_t len, bool resp3);
void resp_push(struct buf *out, uint64_t len, bool resp3);
/* A whole reply but REPLY_NONE. */
void resp_reply(struct buf *out, const struct reply *reply, bool resp3);
/* "ERR ..." as a Redis client knows it, for a status that is not GRID_OK. */
struct slice resp_error_of(enum grid_err err);

#endif
