/* admin_priv.h - asking as an operator does, and answers copied into one allocation of the
 * caller's. */
#ifndef GRIDCLIENT_ADMIN_PRIV_H
#define GRIDCLIENT_ADMIN_PRIV_H

#include "grid_priv.h"

#include <stdio.h>

/* Turns a reply into something of the caller's. */
typedef enum grid_err convert_fn(const Grid__AdminReply *reply, void *to);

/* Ask and wait. convert NULL: only the outcome matters, and it changes something. */
enum grid_err gc_admin(struct grid *g, const Grid__Admin *m, convert_fn *convert, void *to);

static inline Grid__Admin message(Grid__AdminOp op)
{
    Grid__Admin m;
    grid__admin__init(&m);
    m.op = op;
    return m;
}

/* protobuf-c's strings are not const, though it only reads them. */
static inline char *text_of(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = {text ? text : ""};
    return u.out;
}

#define SET_TEXT(to, from) snprintf((to), sizeof(to), "%s", (from))

/* Where the next thing of the allocation goes; the sizes were counted before. */
struct heap {
    char *at;
};

static inline size_t rounded(size_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

static inline void *heap_take(struct heap *h, size_t bytes)
{
    void *p = h->at;
    h->at += rounded(bytes);
    return p;
}

static inline struct grid_bytes heap_copy(struct heap *h, ProtobufCBinaryData from)
{
    struct grid_bytes to = {heap_take(h, from.len), from.len};
    if (from.len)
        memcpy(h->at - rounded(from.len), from.data, from.len);
    return to;
}

struct out_list {
    void *list; /* a pointer to the caller's list pointer, by its type */
    size_t *len;
};

#endif
