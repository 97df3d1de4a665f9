/* wait.h - a blocking call: blocking.c. */
#ifndef GRIDCLIENT_WAIT_H
#define GRIDCLIENT_WAIT_H

#include "wire.h"

/* A line; what is kept of all that a server says: of a task that failed, several. */
enum { DETAIL_BYTES = 256, ERROR_BYTES = 4096 + 1 };

struct request;
struct grid;

/* Wait for one request; `take` (may be NULL) gets the answer to keep what it wants of it, whatever
 * its status is. */
struct wait {
    bool done;
    enum grid_err err;
    enum grid_err (*take)(struct wait *w, const struct wire_response *response);
    void *to;
    char *detail; /* of ERROR_BYTES; gc_wait()'s */
};
/* The value's bytes and media type are copied. False: no memory. */
bool gc_value_take(struct grid_value *v, struct grid_bytes value, struct grid_bytes media);
/* A `take`: the value to the struct grid_value at `to`, unless that is NULL. */
enum grid_err gc_take_value(struct wait *w, const struct wire_response *a);
/* `r` may be NULL: no memory. Keeps the error for grid_error(). */
GRID_MUST_USE enum grid_err gc_wait(struct grid *g, struct request *r, struct wait *w);
/* Whether a blocking call may be made now; else the error is kept. */
GRID_MUST_USE enum grid_err gc_may_block(struct grid *g);

/* async.c: submit `r` (NULL: there was no memory) and call `done` when it ends. */
void gc_start_async(struct grid *g, struct request *r, grid_done_fn *done, void *arg);

#endif
