/* broadcast_priv.h - what the files of broadcasts share. */
#ifndef GRIDD_COMPUTE_BROADCAST_PRIV_H
#define GRIDD_COMPUTE_BROADCAST_PRIV_H

#include "compute/broadcast.h"

struct native;
/* native_broadcast.c: one in C; as broadcast_run(). */
MUST_USE
enum grid_err broadcast_run_native(const struct broadcast *b, const struct native *f,
                                   struct buf *out);

#endif
