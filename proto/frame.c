/* frame.c - four bytes. */
#include "proto/frame.h"

enum frame_status frame_peek(const uint8_t *data, size_t len, size_t limit, size_t *ret_body_len)
{
    *ret_body_len = 0;
    if (len < FRAME_HEADER_BYTES)
        return FRAME_MORE;
    size_t body =
        (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24;
    if (body == 0)
        return FRAME_EMPTY;
    if (body > limit)
        return FRAME_TOO_LARGE;
    *ret_body_len = body;
    return len - FRAME_HEADER_BYTES >= body ? FRAME_WHOLE : FRAME_MORE;
}

void frame_write_header(uint8_t to[FRAME_HEADER_BYTES], size_t body_len)
{
    to[0] = (uint8_t)body_len;
    to[1] = (uint8_t)(body_len >> 8);
    to[2] = (uint8_t)(body_len >> 16);
    to[3] = (uint8_t)(body_len >> 24);
}
