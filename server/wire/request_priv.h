/* request_priv.h - the two ways to read a Request: in place, and by protobuf-c. */
#ifndef GRIDD_WIRE_REQUEST_PRIV_H
#define GRIDD_WIRE_REQUEST_PRIV_H

#include "wire/request.h"

/* Read the fields into the zeroed `r`; bytes point into `body`. False: not a request of flat
 * fields alone, or odd in some way; `r` is then of no use. */
bool request_flat(struct slice body, struct wire_request *r);
/* Read any Request by protobuf-c; bytes point into the arena. Errors: wire_request_decode(). */
MUST_USE
enum grid_err request_unpack(struct slice body, struct arena *arena, struct wire_request *r);
/* Set what follows from the fields that were read, and check their ranges. GRID_ENOMEM: the arena
 * is over its limit. */
MUST_USE
enum grid_err request_settle(struct wire_request *r, struct arena *arena);

#endif
