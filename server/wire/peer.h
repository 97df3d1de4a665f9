/* peer.h - what nodes say to each other, as bytes: one byte that says which kind it is, then the
 * message. Bytes come from outside: what is decoded is bounded by their length and the arena, and
 * every number that must be one of a few is. */
#ifndef GRIDD_WIRE_PEER_H
#define GRIDD_WIRE_PEER_H

#include "base/buf.h"
#include "grid/message.h"
#include "shard/message.h"
#include "wire/arena.h"

enum wire_peer_kind {
    WIRE_PEER_GRID = 1,    /* struct grid_message: control links */
    WIRE_PEER_SHARD = 2,   /* struct shard_message: data links */
    WIRE_PEER_FORWARD = 3, /* wire/forward.h: data links */
    WIRE_PEER_ADMIN = 4,   /* struct admin_letter (wire/admin.h): control links */
    WIRE_PEER_KINDS
};

/* Append the byte in front of a message. */
static inline void wire_peer_put(struct buf *out, enum wire_peer_kind kind)
{
    buf_add_u8(out, (uint8_t)kind);
}

/* Take it off; 0: none that this version knows. */
static inline enum wire_peer_kind wire_peer_take(struct slice *body)
{
    if (!body->len || body->data[0] >= WIRE_PEER_KINDS)
        return (enum wire_peer_kind)0;
    uint8_t kind = body->data[0];
    *body = slice_make(body->data + 1, body->len - 1);
    return (enum wire_peer_kind)kind;
}

/* Append the message, without that byte. */
void wire_grid_encode(const struct grid_message *m, struct buf *out);
/* What the message borrows is of the arena, and of `in`. GRID_EBAD_REQUEST: it is none.
 * GRID_EUNSUPPORTED: of a kind that this version does not know. GRID_ENOMEM: the arena is over its
 * limit. */
MUST_USE
enum grid_err wire_grid_decode(struct slice in, struct arena *arena,
                               struct grid_message *ret_message);

/* Append the message, without that byte; its records once, where they stay. */
void wire_shard_encode(const struct shard_message *m, struct buf *out);
/* The records are of `in`, their list of the arena; errors as above. The history is valid. */
MUST_USE
enum grid_err wire_shard_decode(struct slice in, struct arena *arena,
                                struct shard_message *ret_message);

#endif
