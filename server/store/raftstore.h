/* raftstore.h - what a node must not forget of the control plane: raft's term, vote, log and
 * snapshot, and the node's place in the grid. An LMDB environment of its own, DIR/control, so that
 * it never waits for a checkpoint.
 *
 * C1: a write is one synced transaction, all of it or nothing. Rows are sealed; what is missing or
 * damaged is told, never made anew. Used by one thread at a time. */
#ifndef GRIDD_STORE_RAFTSTORE_H
#define GRIDD_STORE_RAFTSTORE_H

#include "grid/member.h"
#include "raft/raft.h"
#include "store/kv.h"

enum { RAFTSTORE_FORMAT = 1 };

struct raftstore; /* opaque */

/* `create`: make it when it is missing; else it must be there. GRID_ENEWER, GRID_ECORRUPT,
 * GRID_ENO_SPACE, GRID_EIO, GRID_EDENIED with a line in `why` (STORE_WHY_BYTES). */
MUST_USE
enum grid_err raftstore_open(const char *path, bool create, char *why,
                             struct raftstore **ret_store);
/* The same over a kv, which it takes over. `path` is for messages. */
MUST_USE
enum grid_err raftstore_open_kv(struct kv **kv, const char *path, bool create, char *why,
                                struct raftstore **ret_store);
void raftstore_close(struct raftstore *s); /* NULL is fine */

struct raftstore_found {
    struct grid_identity identity; /* zeros: none */
    struct raft_stored raft;       /* zeros: nothing */
    /* private: what raft points into */
    struct raft_entry *entries;
    struct buf bytes;
};
/* All there is, of one read transaction. Release with raftstore_found_release(), error or not.
 * GRID_ECORRUPT: a row is damaged, or entries are missing between. */
MUST_USE
enum grid_err raftstore_read(struct raftstore *s, char *why, struct raftstore_found *ret_found);
void raftstore_found_release(struct raftstore_found *f);

/* A copy of what is to be written, for another thread. */
struct raftstore_job {
    uint64_t job;
    bool has_identity, has_raft;
    struct grid_identity identity;
    struct raft_persist raft; /* points into what follows */
};
struct raftstore_job *raftstore_job_new(const struct grid_persist *p); /* free() */
/* Write `len` jobs, in their order, in one synced transaction. GRID_ENO_SPACE: nothing was written,
 * may be tried again. Any other error: the caller ends the node. */
MUST_USE
enum grid_err raftstore_write(struct raftstore *s, struct raftstore_job *const *jobs, size_t len,
                              char *why);

#endif
