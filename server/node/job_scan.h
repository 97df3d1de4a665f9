/* job_scan.h - what a job scans, as of one moment: who leads its partition reads a snapshot of a
 * cache (shard/snapshot.h) for command_job_scan (compute/job.h), beside its other work. */
#ifndef GRIDD_NODE_JOB_SCAN_H
#define GRIDD_NODE_JOB_SCAN_H

#include "node/aside.h"

aside_fn job_scan_begin;
/* The worker's loop has ended, its shard is there: forget what it was at. */
void job_scans_end(struct worker *w);

#endif
