/* preparing.c - the preparing thread of a shard: keeps log segments ready, so that neither a fold
 * nor the filling of a segment keeps writers waiting, and memory while much of it is taken.
 *
 * Room that is low, on a disk that is not full, is a matter of moments: until there is more no
 * connection of the node is read (worker.c), so nobody is refused for it. On a full disk writes
 * are answered FULL and reads go on. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"

#include <stdlib.h>

enum { RETRY_MS = 1000 };

void preparing_wake(struct worker *w)
{
    mailbox_wake(w->preparing.helper.box);
}

void preparing_allow(struct worker *w)
{
    if (!atomic_exchange(&w->preparing.allowed, true))
        preparing_wake(w);
}

void node_space(struct worker *w, enum space what, enum grid_err err, const char *why)
{
    unsigned full = err == GRID_ENO_SPACE ? what : 0;
    unsigned before = full ? atomic_fetch_or(&w->no_space, full)
                           : atomic_fetch_and(&w->no_space, ~(unsigned)what);
    if (full && !before)
        log_error("store", "shard %u: %s; reads go on, writes are refused when the log is full",
                  w->index, why);
    if (!full && before == what)
        log_info("store", "shard %u: there is space on the disk again", w->index);
}

void node_full(struct node *n, enum space what, bool full)
{
    for (unsigned i = 0; i < n->shards; i++)
        if (full)
            atomic_fetch_or(&n->workers[i].no_space, what);
        else
            atomic_fetch_and(&n->workers[i].no_space, ~(unsigned)what);
}

static void room_run(struct note *n, void *thread)
{
    free(n);
    pressure_look(thread);
}

static bool prepare(struct worker *w)
{
    char why[STORE_WHY_BYTES] = "";
    if (!atomic_load(&w->preparing.allowed) || !wal_wants_room(w->wal) || node_failed(w->node))
        return true;
    enum grid_err err = wal_prepare(w->wal, why);
    if (err != GRID_OK && err != GRID_ENO_SPACE) {
        node_fail(w->node, "store", why);
        return true;
    }
    node_space(w, SPACE_LOG, err, why);
    struct note *n = xalloc(sizeof *n);
    *n = (struct note){.run = room_run};
    worker_post(w, n);
    return err == GRID_OK;
}

static void *preparing_body(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load(&w->preparing.helper.stop)) {
        bool done = prepare(w); /* before each chunk: writers wait for it */
        if (!chunks_prepare(shard_memory(w->shard)))
            mailbox_wait(w->preparing.helper.box, done ? -1 : RETRY_MS);
    }
    return NULL;
}

bool preparing_start(struct worker *w)
{
    return helper_start(&w->preparing.helper, w, "prepare", preparing_body);
}

void preparing_end(struct worker *w)
{
    helper_end(&w->preparing.helper, w);
}
