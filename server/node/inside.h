/* inside.h - operations that code inside the node asks for, as a client would, without a
 * connection: of any partition, here or at another node. They go to the worker of the partition,
 * and from there, when another node leads it, by the router, which asks again, keeps the order and
 * says IN_DOUBT as it does for sessions.
 *
 * Any thread. When the node ends, what is under way is answered IN_DOUBT (changes that were begun)
 * or CLOSED, by the control thread, after the workers: `on` is NULL then. What is asked after that
 * is answered CLOSED, before inside_ask() returns. A node that stops waits for what is under way
 * and takes nothing new: STOPPING. While it is not in its grid: ENTERING. */
#ifndef GRIDD_NODE_INSIDE_H
#define GRIDD_NODE_INSIDE_H

#include "base/list.h"
#include "session/session.h"

struct node;
struct worker;

struct inside_call { /* the caller's; stays until done */
    struct op op;    /* placed. All it borrows is copied by inside_ask(); its ticket is set there */
    /* On the thread of the partition's worker, once; it may free the call, and ask anything. `res`
     * is borrowed. */
    void (*done)(struct inside_call *c, const struct result *res, struct worker *on);
    /* private */
    struct asker asker;
    struct list here; /* worker.inside */
    struct worker *worker;
    bool changes;
};
void inside_ask(struct node *n, struct inside_call *c);

/* The same, and wait: not on a thread of the node. *ret_answer is the caller's, release it with
 * inside_answer_release(). Threads of pools wait here, and have to end before the workers are let
 * go: when the node stops nobody waits for longer than a while (what nobody can come to lead is
 * held for as long as that is so), and when it fails nobody waits any more: IN_DOUBT or CLOSED. */
struct inside_answer {
    struct result result; /* what it borrows is in `memory` */
    void *memory;
};
void inside_wait(struct node *n, const struct op *op, struct inside_answer *ret_answer);
void inside_answer_release(struct inside_answer *a);

/* The cache ("context/cache"), key and affinity of an op whose value is set, and so its partition.
 * All are borrowed by the op. Errors are those of requests; *ret_why is static, or NULL. */
MUST_USE
enum grid_err inside_place(struct node *n, struct slice cache, struct slice key,
                           struct slice affinity, struct op *op, const char **ret_why);
/* An op that is placed, and whose value is an argument, becomes the call of a task: see
 * op_task(). */
MUST_USE
enum grid_err inside_task(struct node *n, struct op *op, struct slice name, struct task_room *room,
                          const char **ret_why);
/* The newest catalog of which a worker has heard; the caller's, release with catalog_unref(). */
struct catalog *inside_catalog(struct node *n);

/* Threads of the program around the node read what lies in memory here, without the worker: it
 * lends its shard while it waits for something to do. `take` is called at once, on this thread,
 * with GRID_OK or GRID_ENOT_FOUND; it copies, and does nothing else. False: it was not called, so
 * ask. What is under way is behind it or not, as from another client. From the first inside_lend()
 * on. */
typedef void inside_take_fn(void *ctx, const struct result *res);
void inside_lend(struct node *n);
bool inside_peek(struct node *n, const struct op *get, inside_take_fn *take, void *ctx);

/* --- for the node ----------------------------------------------------------------------------- */

void inside_init(struct node *n);
void inside_release(struct node *n);
/* A worker has a new catalog. */
void inside_news(struct worker *w);
/* Workers are there, and take what is asked. Then: they take nothing any more. */
void inside_open(struct node *n);
void inside_close(struct node *n);
/* The worker's thread: its shard is its own from now on, but while it waits (`begins`, or it has
 * waited), until it ends. */
void inside_own(struct worker *w);
void inside_wait_turn(void *worker, bool begins);
void inside_disown(struct worker *w);
/* Nobody waits any more in so many ms. Any thread. */
void inside_hurry(struct node *n, msec_t ms);
/* Nothing is under way at this worker. */
bool inside_idle(const struct worker *w);
/* It has ended, and its shard is gone. */
void inside_end(struct worker *w);

#endif
