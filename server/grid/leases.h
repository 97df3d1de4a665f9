/* leases.h - R7: on whose word a node may answer reads, and for whom it gave its own. Written by
 * the control thread alone (grid/member.h), read by all shards without locks.
 *
 *   holder                                  grantor
 *   beacon, sent at s (its clock) ------->  granted until: receipt + GRID_GRACE_MS (its clock)
 *   held until: s + GRID_LEASE_MS  <------  next beacon: echo of s, revision of its state
 *
 * Safe while the slower clock runs at more than LEASE / GRACE of the faster one. A lease holds only
 * for who has seen the revision it was granted at: the grantor may have become primary since.
 * Nothing is granted to a boot that is gone. What an earlier start of this process granted is not
 * known, so for GRID_GRACE_MS after the start everything counts as granted. */
#ifndef GRIDD_GRID_LEASES_H
#define GRIDD_GRID_LEASES_H

#include "base/clock.h"
#include "replica/config.h"

enum {
    GRID_LEASE_MS = 300,
    GRID_GRACE_MS = 500,
    GRID_NUMBERS_MAX =
        1 << 20, /* node numbers above have no leases: they cannot serve beside others */
};

struct grid_leases;

/* `now`: start of the process, as far as leases go. */
struct grid_leases *grid_leases_new(msec_t now);
void grid_leases_free(struct grid_leases *l); /* NULL is fine; no thread reads any more */

/* Shards. Whether `by` grants this node reads at `now`; asked after the read. `revision`: of the
 * grid state by whose configuration the shard acts. */
bool grid_lease_held(const struct grid_leases *l, struct replica_member by, uint64_t revision,
                     msec_t now);
/* Shards. When the last grant to `to` ends (R9: waited out before its partitions are served); the
 * past or 0: nothing to wait for. Final for a boot that the shard's grid state calls gone; for
 * another it may still grow, but what is granted later asks for the newer revision. {0, 0}: to
 * anybody; what was released counts, too. */
msec_t grid_lease_granted(const struct grid_leases *l, struct replica_member to);

/* Control thread. `by` echoed a beacon of ours sent at `sent`, its state being of `revision`. */
void grid_lease_hold(struct grid_leases *l, struct replica_member by, uint64_t revision,
                     msec_t sent);
/* Control thread. A beacon of `to` came in at `now`, and it is what its node runs as. */
void grid_lease_grant(struct grid_leases *l, struct replica_member to, msec_t now);
/* Control thread. `to` said that it serves no read any more, and its word is final. */
void grid_lease_release(struct grid_leases *l, struct replica_member to);
/* Control thread. This node's boot is gone: nothing is held any more. */
void grid_leases_drop(struct grid_leases *l);

#endif
