/* raft_disk.h - the thread that writes the control plane's store: a slow disk never delays a
 * heartbeat. Jobs are written in their order, all that wait in one synced transaction. */
#ifndef GRIDD_NODE_RAFT_DISK_H
#define GRIDD_NODE_RAFT_DISK_H

#include "net/loop.h"
#include "store/raftstore.h"

struct raft_disk; /* opaque */

/* Starts the thread, which uses `store` (borrowed) from now on. `written` is called on `loop`'s
 * thread, by a note: all jobs up to this one are on disk. The others are on the disk's thread: a
 * full disk is waited for, said once, and told to `full`, as is its end; after a write that failed
 * nothing more is written, and `broken` is told why. NULL: there is no thread to be had. */
struct raft_disk_ports {
    void *ctx;
    void (*written)(void *ctx, uint64_t job);
    void (*full)(void *ctx, bool full);
    void (*broken)(void *ctx, const char *why);
};
struct raft_disk *raft_disk_new(struct raftstore *store, struct loop *loop,
                                const struct raft_disk_ports *ports);
/* The loop's thread. Copies. */
void raft_disk_persist(struct raft_disk *d, const struct grid_persist *p);
/* What was given is written first. NULL is fine. */
void raft_disk_free(struct raft_disk *d);

#endif
