/* detector.h - which nodes the leader takes for dead (C9). Pure numbers, in memory alone: a new
 * leader starts anew and grants every node a full period. Safety never rests on it.
 *
 * A node is alive while its beacons come in, and while they prove that ours reach it, too: a beacon
 * echoes the time at which the newest of ours was sent. So a one-way cut is a cut. A closed link
 * shortens the wait to half, if no beacon comes in after it.
 * Invariant (grid_detector_check): numbers ascend. */
#ifndef GRIDD_GRID_DETECTOR_H
#define GRIDD_GRID_DETECTOR_H

#include "base/clock.h"
#include "replica/config.h"

#include <stddef.h>

struct grid_watch {
    struct replica_member node;
    msec_t heard;  /* last beacon of it */
    msec_t proven; /* when the newest beacon of ours that it echoed was sent */
    msec_t hint;   /* its link was closed then, and nothing came since; 0: no hint */
    bool came;     /* a beacon did, since the leader is one */
};

struct grid_detector {
    msec_t period; /* failure_timeout */
    msec_t beat;   /* time between two beacons */
    struct grid_watch *watches;
    size_t len;
};

void grid_detector_init(struct grid_detector *d, msec_t period, msec_t beat);
void grid_detector_release(struct grid_detector *d);
/* This node leads since `now`, or was asleep until now: all nodes get a full period. */
void grid_detector_start(struct grid_detector *d, msec_t now);
/* Whom to watch: `nodes`, ascending by number. Who is new gets a full period from `now`. */
void grid_detector_set(struct grid_detector *d, const struct replica_member *nodes, size_t len,
                       msec_t now);
/* A beacon of `node` came in at `now`; `echoed` is ours, the newest that it knows of; 0: none. */
void grid_detector_hear(struct grid_detector *d, struct replica_member node, msec_t echoed,
                        msec_t now);
/* The link to `node` was closed. */
void grid_detector_hint(struct grid_detector *d, struct replica_member node, msec_t now);
/* When the first is dead if nothing is heard; UINT64_MAX: never. */
msec_t grid_detector_next(const struct grid_detector *d);
/* What is known of a node, or NULL. */
const struct grid_watch *grid_detector_watch(const struct grid_detector *d, uint32_t number);
/* How long a node has been silent, all that speaks against it counted: it is dead at `period`. */
msec_t grid_detector_silence(const struct grid_detector *d, const struct grid_watch *w, msec_t now);
void grid_detector_check(const struct grid_detector *d);

#endif
