/* frame.h - how messages lie on a connection, for both sides: 4-byte little-endian length, then
 * that many bytes of protobuf. The limit is checked before any memory is taken for a body. Pure. */
#ifndef GRIDD_PROTO_FRAME_H
#define GRIDD_PROTO_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER_BYTES = 4,
    FRAME_BYTES_HELLO = 16 << 10, /* limit before Hello was accepted */
    FRAME_BYTES_MAX = 80 << 20,   /* limit of any frame ever */
};

enum frame_status {
    FRAME_WHOLE,     /* a body of *ret_body_len bytes stands at data + FRAME_HEADER_BYTES */
    FRAME_MORE,      /* not whole yet: *ret_body_len is its length, or 0 while that is unknown */
    FRAME_TOO_LARGE, /* longer than `limit`; the connection cannot go on */
    FRAME_EMPTY,     /* length 0: not a message; the connection cannot go on */
};

/* Look at the frame that begins at data[0]. */
enum frame_status frame_peek(const uint8_t *data, size_t len, size_t limit, size_t *ret_body_len);
/* Write the header of a body of `body_len` bytes to `to`. */
void frame_write_header(uint8_t to[FRAME_HEADER_BYTES], size_t body_len);

#endif
