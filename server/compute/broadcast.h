/* broadcast.h - code of a module that runs once on a node, with what it is given and what it sees
 * of that node: grid.broadcast(). On a machine of its own, within the bounds of a task. Pure. */
#ifndef GRIDD_COMPUTE_BROADCAST_H
#define GRIDD_COMPUTE_BROADCAST_H

#include "base/buf.h"
#include "shard/call.h"

enum { BROADCAST_ROWS_MAX = 64 << 10, BROADCAST_LABELS_BYTES = 129 };

struct broadcast {
    struct slice name; /* MODULE.NAME */
    struct slice arg;
    const char *node; /* its name */
    const char *const *labels;
    size_t labels_len;
    struct call_limits limits;
    uint64_t (*mono_us)(void *nobody);
    const struct natives *natives; /* of the node; NULL: none */
};

/* Rows and result go to `out`, which was empty; or, of an error, why: GRID_ETASK, GRID_ENO_TASK. */
MUST_USE
enum grid_err broadcast_run(const struct broadcast *b, const struct catalog *c, struct buf *out);

#endif
