/* wire_priv.h - what the files of this room share: the arena as protobuf-c's allocator, strings,
 * packing of whole messages. */
#ifndef GRIDD_WIRE_WIRE_PRIV_H
#define GRIDD_WIRE_WIRE_PRIV_H

#include "base/buf.h"
#include "base/slice.h"
#include "client.pb-c.h"
#include "control/catalog.h"
#include "wire/arena.h"

#include <protobuf-c/protobuf-c.h>

/* Unpack `body` into the arena; NULL: malformed, or the arena is over its limit
 * (arena_refused()). */
ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *what, struct slice body,
                              struct arena *arena);
/* Append the bytes of `message` to `out`. */
void wire_pack(const ProtobufCMessage *message, struct buf *out);
/* The same as a whole frame. */
void wire_pack_frame(const ProtobufCMessage *message, struct buf *out);

/* Whether the string is well-formed UTF-8 (RFC 3629) without control characters. */
bool wire_text_ok(const char *s);
/* Copy into `to` of `cap` bytes; false: does not fit or is no clean text. */
bool wire_text_copy(char *to, size_t cap, const char *s);
/* protobuf-c wants char * and never NULL; it does not write. */
char *wire_text(const char *s);

/* Everything a catalog knows of a context; borrows its strings. */
void wire_fill_context(Grid__ContextInfo *to, const struct context_info *from);

/* Zeroed memory for a message that we make ourselves: never NULL, so the arena must have no
 * limit. */
void *wire_take(struct arena *a, size_t n, size_t bytes);

static inline struct slice wire_bytes(ProtobufCBinaryData b)
{
    return slice_make(b.data, b.len);
}

#endif
