/* redis_text.h - bytes that a function of C writes step by step: a userdata at a place of the
 * stack, for a buffer of Lua's must be on top of it, which walking tables does not allow. */
#ifndef GRIDD_COMPUTE_REDIS_TEXT_H
#define GRIDD_COMPUTE_REDIS_TEXT_H

#include "compute/vm_priv.h"

#include <string.h>

enum { TEXT_BYTES = 128 };

struct text {
    lua_State *L;
    int at;
    char *data;
    size_t len, cap;
};

static inline void text_room(struct text *b, size_t more)
{
    if (likely(b->cap - b->len >= more))
        return;
    size_t least = b->len + (more > TEXT_BYTES ? more : (size_t)TEXT_BYTES);
    size_t cap = b->cap * 2 > least ? b->cap * 2 : least;
    char *data = lua_newuserdatauv(b->L, cap, 0);
    if (b->len)
        memcpy(data, b->data, b->len);
    lua_replace(b->L, b->at);
    b->data = data;
    b->cap = cap;
}

static inline void text_char(struct text *b, char c)
{
    text_room(b, 1);
    b->data[b->len++] = c;
}

static inline void text_bytes(struct text *b, const void *bytes, size_t len)
{
    text_room(b, len);
    if (len)
        memcpy(b->data + b->len, bytes, len);
    b->len += len;
}

static inline void text_string(struct text *b, const char *s)
{
    text_bytes(b, s, strlen(s));
}

#endif
