/* pool.h - threads for long work beside the shards: code of users that runs for longer than a turn
 * may. Shards come first (BACKGROUND_NICE). A work is run once, by one thread, the most urgent
 * first, else in the order they were posted; long work is cut in pieces by who posts it, or has
 * a pool of its own: a pool does not take a thread away from what runs.
 *
 *   pool_new -> posts are run -> pool_tell_stop: what runs ends soon, for it looks at
 *   pool_stopping(); what waits is run all the same, so that whoever waits for it is told
 *   -> pool_stop: threads have ended, nothing is left -> pool_free */
#ifndef GRIDD_NODE_POOL_H
#define GRIDD_NODE_POOL_H

#include "base/err.h"
#include "base/list.h"

struct pool; /* opaque */

enum pool_priority { POOL_FIRST, POOL_USUAL, POOL_LAST, POOL_PRIORITIES };

/* What a thread keeps from one work to the next: a machine for code, say. Freed at its end. */
struct pool_kept {
    void *state; /* NULL: nothing yet */
    void (*free)(void *state);
};

struct pool_thread {
    struct pool *pool;
    unsigned index; /* 0.. */
    struct pool_kept kept;
};

/* Embedded in what is to be done; the pool's until run() is called, which owns it then. */
struct pool_work {
    struct list link;
    enum pool_priority priority;
    void (*run)(struct pool_work *w, struct pool_thread *t);
};

/* Threads are named "name-0"... (at most 12 characters). NULL: the system gives no more, which was
 * logged. */
struct pool *pool_new(const char *name, unsigned threads);
/* Any thread. False: the pool has stopped, and the work is still the caller's. */
MUST_USE
bool pool_post(struct pool *p, struct pool_work *w);
/* Any thread: what runs is to end now. */
bool pool_stopping(const struct pool *p);
/* Works that wait for a thread. Any thread; it may have changed when it returns. */
size_t pool_waiting(struct pool *p);
unsigned pool_threads(const struct pool *p);
/* Any thread. */
void pool_tell_stop(struct pool *p);
/* Tell, and wait until all that was posted has been run. Not from its own threads; NULL and again
 * are fine. */
void pool_stop(struct pool *p);
/* Stops it first. NULL is fine. */
void pool_free(struct pool *p);

#endif
