/* node_priv.h - the threads of a node and what they say to each other.
 *
 *   control --note--> worker (one per shard: loop, sessions, shard)
 *                        |--batch--> log thread --note (durable)--> worker
 *                        |--cold_job--> cold thread --note--> worker
 *                        |--flags--> checkpoint thread --note (checkpointed)--> worker
 *                        |--flags--> preparing thread --note (room)--> worker
 *   worker --note--> worker: operations on another shard's partitions, results, moved connections
 *   worker --note--> control: administration */
#ifndef GRIDD_NODE_NODE_PRIV_H
#define GRIDD_NODE_NODE_PRIV_H

#include "base/list.h"
#include "control/catalog.h"
#include "net/conn.h"
#include "net/listener.h"
#include "net/loop.h"
#include "node/node.h"
#include "session/grid_session.h"
#include "shard/shard.h"
#include "store/checkpoint.h"
#include "store/meta.h"
#include "store/wal.h"

#include <pthread.h>
#include <stdatomic.h>

struct node;
struct worker;

/* A message that knows what to do where it arrives. run() owns it. `thread` is the worker, or the
 * node for control. */
struct note {
    struct mail mail;
    void (*run)(struct note *n, void *thread);
};

/* Records of one turn on their way through the log thread and back. */
struct batch {
    struct note note;
    struct wal_batch wal;
    bool sync;             /* somebody waits */
    uint64_t durable;      /* on the way back: the log is durable up to here */
    struct batch *written; /* on the way back: further batches that the same sync covered */
};

struct log_thread {
    struct worker *worker;
    struct mailbox *box;
    pthread_t thread;
    atomic_bool stop;
};

/* Damaged partitions, and up to where the log's damage is known. */
struct damage {
    struct wal_place *places;
    size_t len, cap;
    uint64_t lsn;
};
struct give_up; /* damage.c */

struct checkpoint_thread {
    struct worker *worker;
    struct mailbox *box;      /* of notes that run on this thread, with the worker */
    struct damage unmarked;   /* to be marked in the checkpoint */
    struct give_up *give_ups; /* asked for and not done */
    pthread_t thread;
    atomic_bool stop;
    atomic_bool soon;  /* memory is short */
    atomic_bool purge; /* the catalog lost something */
    atomic_bool stuck; /* damaged: no more checkpoints until the next start */
    pthread_mutex_t catalog_lock;
    struct catalog *catalog; /* newest; under catalog_lock */
};

struct preparing_thread {
    struct mailbox *box; /* only woken, never posted to */
    pthread_t thread;
    atomic_bool stop;
    atomic_bool allowed; /* what recovery found damaged is marked */
};

/* What found no space on the disk when it was last tried. */
enum space { SPACE_LOG = 1, SPACE_STORE = 2 };

struct cold_thread {
    struct worker *worker;
    struct mailbox *box;
    pthread_t thread;
    atomic_bool stop;
};

/* One connection of a client. */
struct link {
    struct worker *worker;
    struct conn *conn;
    struct grid_session *session;
    struct list all;   /* worker.links */
    struct list dirty; /* worker.dirty, or linked to itself */
    bool paused;
    bool moving;
    uint32_t target; /* shard it moves to */
};

struct worker {
    struct node *node;
    unsigned index;
    pthread_t thread;
    struct loop *loop;
    struct loop_timer tick;
    struct shard *shard;
    struct catalog *catalog;
    struct arena *arena;
    struct session_ports ports;
    struct op **ops; /* of this turn */
    size_t ops_len, ops_cap;
    struct note **done; /* notes to be freed when the turn's ops are done */
    size_t done_len, done_cap;
    struct list links;
    struct list dirty;
    bool stopping;
    msec_t stop_by; /* loop time at which stopping becomes impolite */

    struct wal *wal;
    struct checkpoint *checkpoint;
    struct batch *batch;        /* being filled */
    struct batch *spare;        /* for reuse, by `written` */
    uint64_t appended_lsn;      /* last record given to the log */
    atomic_int log_interval_ms; /* setting log_sync_interval */
    atomic_uint no_space;       /* of enum space */
    bool tight;                 /* the log has little room, and will have more soon */
    struct log_thread log;
    struct preparing_thread preparing;
    struct checkpoint_thread folding;
    struct cold_thread cold;
};

/* What connections are made with from one reload to the next. Never changed, kept until the end:
 * connections borrow it. */
struct terms {
    struct conn_conf conn;
    struct session_limits limits;
    struct terms *older;
};

struct node {
    struct node_conf conf;
    struct meta *meta;
    struct tls *tls;
    struct quota quota;
    struct terms *terms; /* for new connections; control thread */
    struct node_view view;
    char address[NET_ADDR_BYTES + 64];
    struct loop *loop; /* of the control thread */
    struct listener *listener;
    struct loop_watch *signals;
    int signal_fd;
    void (*reload)(void *ctx);
    void *reload_ctx;
    unsigned next_worker;
    struct catalog *catalog;
    struct worker *workers;
    unsigned shards;
    atomic_uint tight; /* workers that are; then no connection is read */
    msec_t started_ms;
    bool stopping;
    unsigned workers_running;
    uint64_t memory_bytes;
    int64_t value_max; /* the log takes no larger records */
};

/* Log and exit(2): for what must never be retried (a failed sync). */
_Noreturn void node_fatal(const char *room, const char *why);

/* Start a thread of a shard; `what` and the shard's number are its name for debuggers and top(1). */
/* This thread works in the background: the shards come first when processors are short. */
enum { BACKGROUND_NICE = 5 };
void thread_give_way(void);
void thread_start(pthread_t *thread, const char *what, unsigned shard, void *(*body)(void *),
                  void *arg);

/* worker.c */
void worker_post(struct worker *w, struct note *n);
void worker_init(struct worker *w, struct node *n, unsigned index);
void worker_run(struct worker *w); /* the thread's body */
/* Control thread. */
void worker_accept(struct worker *w, int fd, const struct net_addr *peer);
void worker_stop(struct worker *w); /* any thread */
void worker_release(struct worker *w);
/* An op of this turn; borrowed until its end. */
void worker_submit(struct worker *w, struct op *op);
void worker_keep(struct worker *w, struct note *n); /* free `n` at the end of the turn */
void worker_reply(void *ctx, const struct ticket *to, const struct result *res);
void worker_dirty(struct worker *w, struct grid_session *s);

/* forward.c: ops and results between workers */
void forward_op(struct worker *from, const struct op *op, unsigned owner);
void forward_result(struct worker *from, const struct ticket *to, const struct result *res);

/* The log's room may have changed: read connections, or stop doing so. */
void worker_room(struct worker *w);

/* log.c, preparing.c, folding.c, cold.c */
void log_start(struct worker *w);
void log_end(struct worker *w);
uint64_t log_append(void *ctx, const struct record *rec, bool sync);
bool log_has_room(void *ctx, size_t bytes);
void log_hand_over(struct worker *w);
void preparing_start(struct worker *w);
void preparing_end(struct worker *w);
void preparing_wake(struct worker *w);
void preparing_allow(struct worker *w);
/* Remember, and log once, whether `what` found space on the disk. Any thread. */
void node_space(struct worker *w, enum space what, enum grid_err err, const char *why);
void folding_start(struct worker *w);
void folding_end(struct worker *w);
void folding_wake(struct worker *w);
void folding_set_catalog(struct worker *w, struct catalog *c);
void folding_soon(void *ctx);
bool folding_alive(void *ctx, uint32_t context, uint32_t cache); /* ctx: const struct catalog * */
void cold_start(struct worker *w);
void cold_end(struct worker *w);
void cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition, uint32_t cache,
              struct slice key);
void cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition, uint32_t cache,
               uint32_t after_cache, struct slice after, uint32_t limit, size_t bytes);

/* damage.c. On the worker: a row could not be read; give partitions up (`places` is taken over),
 * then `done` is called there. */
typedef void damage_done_fn(struct worker *w, void *ctx, enum grid_err err, const char *why);
void damage_found(struct worker *w, uint32_t context, uint16_t partition);
void damage_give_up(struct worker *w, struct wal_place *places, size_t len, damage_done_fn *done,
                    void *ctx);
/* On the checkpoint thread: what is known to be damaged goes to the checkpoint, what a fold met to
 * the worker, what was asked for and is folded in is given up; with an error it is refused. */
bool damage_unmarked(const struct worker *w); /* there is something to mark */
MUST_USE
enum grid_err damage_mark(struct worker *w, char *why);
void damage_met(struct worker *w, const struct wal_place *places, size_t len);
void damage_give_ups(struct worker *w, enum grid_err err);
/* Up to where has to be folded for what was asked; 0: nothing was. */
uint64_t damage_wanted_lsn(const struct worker *w);
void damage_add(struct damage *d, uint32_t context, uint16_t partition);
void damage_release(struct damage *d);

/* recovery.c: open the shard's store and bring its partitions back. */
MUST_USE
enum grid_err recovery_run(struct worker *w, bool create, char *why);

/* reload.c: new terms from `conf`; the certificates and the connections that are open stay. */
void terms_set(struct node *n, const struct node_conf *conf);
void terms_free(struct node *n);
struct tls_conf tls_conf_of(const struct node_conf *c);

/* administration.c */
void administration(void *worker, const struct ticket *to, const struct admin_request *request);

#endif
