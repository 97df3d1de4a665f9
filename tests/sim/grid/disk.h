/* disk.h - what a disk holds of the control plane, and writes that may or may not reach it. */
#ifndef TESTS_SIM_GRID_DISK_H
#define TESTS_SIM_GRID_DISK_H

#include "grid/member.h"

struct simdisk { /* one node's, as it would be read back */
    struct grid_identity identity;
    uint64_t term;
    uint32_t vote;
    struct raft_snapshot snapshot; /* its data is the disk's */
    struct raft_entry *entries;    /* data is the disk's */
    size_t entries_len;
};

struct write { /* under way to it */
    uint64_t job;
    bool has_identity, has_raft;
    struct grid_identity identity;
    struct simdisk raft;
    bool has_snapshot;
    uint64_t drop_to, cut_from;
    struct write *next;
};

void disk_apply(struct simdisk *d, struct write *w); /* takes what w has */
void disk_release(struct simdisk *d);
struct write *write_new(const struct grid_persist *p);
void write_free(struct write *w);

#endif
