/* input_priv.h - the memory that a turn's input lies in: chunks that are filled front to back and
 * emptied all at once at the end of the turn. So what is read costs its own size, an idle
 * connection costs none, and a small request is read into memory that is warm from the turn
 * before. */
#ifndef GRIDD_NET_INPUT_PRIV_H
#define GRIDD_NET_INPUT_PRIV_H

#include "base/buf.h"

enum {
    INPUT_CHUNK_BYTES = 256 << 10,
    INPUT_TURN_BYTES =
        4 << 20, /* reading stops for the turn above it; what is ready waits for the next */
};

struct input_chunk;

struct input {
    struct input_chunk *chunks;  /* all, in the order of filling; kept between turns */
    struct input_chunk *filling; /* NULL: none yet in this turn */
    size_t used;                 /* of `filling` */
    size_t turn_bytes;           /* given out in this turn, retired buffers included */
    struct buf *retired; /* buffers of single connections to be released at the end of the turn */
    size_t retired_len;
    size_t retired_cap;
};

void input_release(struct input *in);
/* `bytes` <= INPUT_CHUNK_BYTES to fill, good until the next input_ call. */
uint8_t *input_reserve(struct input *in, size_t bytes);
/* The first `bytes` of what was reserved last stay until the end of the turn. */
void input_commit(struct input *in, size_t bytes);
/* Take over the memory of `b` until the end of the turn; `b` is empty afterwards. */
void input_retire(struct input *in, struct buf *b);
void input_reset(struct input *in);

static inline bool input_full(const struct input *in)
{
    return in->turn_bytes >= INPUT_TURN_BYTES;
}

#endif
