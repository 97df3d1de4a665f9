/* snapshot.h - the catalog as bytes of control.proto, as it is kept on disk. */
#ifndef GRIDD_WIRE_SNAPSHOT_H
#define GRIDD_WIRE_SNAPSHOT_H

#include "base/buf.h"
#include "control/catalog.h"

enum { CATALOG_FORMAT = 1 };

/* Append the encoded catalog to `out`. */
void wire_catalog_encode(const struct catalog *c, struct buf *out);
/* *ret_catalog is the caller's; release with catalog_unref(). GRID_ENEWER: written in a later
 * format; GRID_ECORRUPT: malformed, or breaks the catalog's invariant. Settings this version
 * does not know are left out. */
MUST_USE
enum grid_err wire_catalog_decode(struct slice in, struct catalog **ret_catalog);

#endif
