/* peek.h - what a GET would be answered at once, for who looks in from beside the shard's thread
 * while nobody else is here. */
#ifndef GRIDD_SHARD_PEEK_H
#define GRIDD_SHARD_PEEK_H

#include "shard/op.h"

struct shard;

/* GRID_OK or GRID_ENOT_FOUND, and *ret_res, borrowed until the shard is used again. GRID_EBUSY:
 * nothing was done, submit it. Calls no ports but grid->lease_held and grid->mono. `now`: unix
 * ms. */
MUST_USE
enum grid_err shard_peek(struct shard *s, const struct op *op, msec_t now, struct result *ret_res);

#endif
