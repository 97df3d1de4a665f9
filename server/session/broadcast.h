/* broadcast.h - code that runs once on each node (compute/broadcast.h): asked at a door. */
#ifndef GRIDD_SESSION_BROADCAST_H
#define GRIDD_SESSION_BROADCAST_H

#include "session/repeats.h"
#include "session/session_priv.h"

enum {
    GRID_PART_BROADCAST = 1 << 30, /* ticket.part of its answer; lower ones are of jobs */
    /* Of who asks for a broadcast: session, number, ms since it was asked first, sole. */
    BROADCAST_IDENTITY_BYTES = SESSION_ID_BYTES + 8 + 8 + 1,
};

struct broadcast_request {
    struct slice name, argument, nodes;
    /* Who asks, so that a node that ran it does not run it again. NULL: whoever, and it does. */
    const struct repeat_id *once;
    msec_t age_ms; /* since it was asked first */
    /* What becomes of it borrows these. */
    uint8_t identity[BROADCAST_IDENTITY_BYTES];
    char why[WHY_BYTES];
};
/* Make the errand of it. `why` of a fault may be the request's. */
struct fault broadcast_ask(struct session *s, struct broadcast_request *r,
                           struct errand *ret_errand);
/* What the nodes said, in their order: key is a node's name, version its enum grid_err, value its
 * rows or why. *ret_list is the caller's, or NULL: no memory. */
size_t broadcast_answers(struct session *s, const struct result *res, struct scan_item **ret_list);
/* errand_known() of such an errand. */
bool broadcast_errand(struct errand *e);

#endif
