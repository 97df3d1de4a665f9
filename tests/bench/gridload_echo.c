/* gridload_echo.c - frames of the size of a value that must come back as they were sent: what a
 * server costs that does nothing but read and write. */
#include "tests/bench/gridload.h"

#include "base/buf.h"
#include "proto/frame.h"

static size_t echo_encode(const struct conn *c, const struct keys *keys, const struct request *r,
                          uint8_t *to)
{
    (void)c;
    frame_write_header(to, keys->value_bytes);
    value_write(keys, r->key, to + FRAME_HEADER_BYTES);
    return FRAME_HEADER_BYTES + keys->value_bytes;
}

static long echo_parse(struct slice in, struct answer *ret_answer)
{
    size_t len;
    switch (frame_peek(in.data, in.len, VALUE_BYTES_MAX, &len)) {
    case FRAME_WHOLE:
        ret_answer->value = slice_make(in.data + FRAME_HEADER_BYTES, len);
        return (long)(FRAME_HEADER_BYTES + len);
    case FRAME_MORE:
        return PARSE_MORE;
    case FRAME_TOO_LARGE:
    case FRAME_EMPTY:
        break;
    }
    return PARSE_MALFORMED;
}

const struct protocol protocol_echo = {.name = "echo", .encode = echo_encode, .parse = echo_parse};
