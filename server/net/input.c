/* input.c - the chunks that a turn's input lies in: taken per read, kept until the turn ends. */
#include "net/input_priv.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdlib.h>

enum { ALIGN = 16 };

struct input_chunk {
    struct input_chunk *next;
    uint8_t data[INPUT_CHUNK_BYTES];
};

void input_release(struct input *in)
{
    input_reset(in);
    for (struct input_chunk *c = in->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(in->retired);
    *in = (struct input){0};
}

static void next_chunk(struct input *in)
{
    struct input_chunk **place = in->filling ? &in->filling->next : &in->chunks;
    if (!*place) {
        *place = xalloc(sizeof **place);
        (*place)->next = NULL;
    }
    in->filling = *place;
    in->used = 0;
}

uint8_t *input_reserve(struct input *in, size_t bytes)
{
    CHECK(bytes <= INPUT_CHUNK_BYTES);
    if (!in->filling || INPUT_CHUNK_BYTES - in->used < bytes)
        next_chunk(in);
    return in->filling->data + in->used;
}

void input_commit(struct input *in, size_t bytes)
{
    size_t whole = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    size_t room = INPUT_CHUNK_BYTES - in->used;
    CHECK(bytes <= room);
    in->used += whole < room ? whole : room;
    in->turn_bytes += bytes;
}

void input_retire(struct input *in, struct buf *b)
{
    if (in->retired_len == in->retired_cap) {
        in->retired_cap = in->retired_cap ? in->retired_cap * 2 : 8;
        in->retired = xrealloc(in->retired, in->retired_cap, sizeof *in->retired);
    }
    in->turn_bytes += b->len;
    in->retired[in->retired_len++] = *b;
    *b = (struct buf)BUF_INIT;
}

void input_reset(struct input *in)
{
    for (size_t i = 0; i < in->retired_len; i++)
        buf_release(&in->retired[i]);
    in->retired_len = 0;
    in->filling = NULL;
    in->used = 0;
    in->turn_bytes = 0;
}
