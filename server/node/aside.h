/* aside.h - calls that a shard does not do itself (shard_ports.aside): each kind has a function
 * here that begins it on the shard's thread, and it is answered from any thread. */
#ifndef GRIDD_NODE_ASIDE_H
#define GRIDD_NODE_ASIDE_H

#include "shard/op.h"

struct worker;

/* One that is under way: a copy of what was asked. */
struct aside {
    struct worker *worker; /* of the shard that leads the op's partition, or did */
    struct op op;
    /* then all that hangs on it */
};

/* On the worker's thread; takes it over. It must not answer before it returns. */
typedef void aside_fn(struct aside *a);

/* A port of the shard. */
void aside_begin(void *ctx, const struct op *op);
/* Answer it, and free it. Any thread; `res` is copied. */
void aside_answer(struct aside *a, const struct result *res);
/* ... with a status, and text for people (may be NULL). */
void aside_refuse(struct aside *a, enum grid_err err, const char *text);

#endif
