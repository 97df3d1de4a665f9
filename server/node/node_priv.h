/* node_priv.h - the threads of a node and what they say to each other.
 *
 *   control --note--> worker (one per shard: loop, sessions, shard)
 *                        |--batch--> log thread --note (durable)--> worker
 *                        |--cold_job--> cold thread --note--> worker
 *                        |--reading_job--> reading thread --note--> worker
 *                        |--flags--> checkpoint thread --note (checkpointed)--> worker
 *                        |--flags--> preparing thread --note (room), chunks of memory--> worker
 *   worker --note--> worker: operations on another shard's partitions, results, moved connections
 *   worker --note--> control: administration */
#ifndef GRIDD_NODE_NODE_PRIV_H
#define GRIDD_NODE_NODE_PRIV_H

#include "base/list.h"
#include "control/catalog.h"
#include "net/conn.h"
#include "net/gate.h"
#include "net/listener.h"
#include "node/node.h"
#include "node/threads_priv.h"
#include "session/meters.h"
#include "session/session.h"
#include "shard/shard.h"
#include "store/meta.h"
/* An address that is listened on. */
struct entrance {
    struct node *node;
    struct listener *listener;
    const struct door *door;
    const char *cache; /* "context/cache" it is for; NULL: the default one */
    int shard;         /* whose own port it is; -1: connections go round */
    bool plain;        /* no TLS, though the node has a certificate */
};
enum { ENTRANCES_MAX = 1024 };

/* Of the control thread. */
enum node_life { NODE_STARTS, NODE_SERVES, NODE_ENDED };

/* One connection of a client. */
struct link {
    struct worker *worker;
    struct conn *conn;
    struct session *session;
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
    bool running;
    struct loop *loop;
    struct loop_timer tick;
    struct shard *shard;
    struct catalog *catalog;
    struct arena *arena;
    struct session_ports ports;
    struct meters *meters; /* of its sessions */
    struct gate *gate;     /* NULL: nobody is asked for a password */
    struct op **ops;       /* of this turn */
    size_t ops_len, ops_cap;
    struct note **done; /* notes to be freed when the turn's ops are done */
    size_t done_len, done_cap;
    struct list links;
    struct list dirty;
    struct list sleepers;
    struct job_thread jobs;
    struct list inside;           /* of struct inside_call, under way */
    struct loop_timer part;       /* clients have heard by then that the node stops */
    enum session_parting parting; /* what they hear */
    bool stopping;
    bool parted;
    bool ended;     /* its thread has: what is under way is answered, nothing is begun */
    msec_t stop_by; /* loop time at which stopping becomes impolite */

    struct wal *wal;
    struct checkpoint *checkpoint;
    struct batch *batch;             /* being filled */
    struct batch *spare;             /* for reuse, by `written` */
    uint64_t appended_lsn;           /* last record given to the log */
    atomic_int log_interval_ms;      /* setting log_sync_interval */
    atomic_uint no_space;            /* of enum space */
    uint64_t log_bytes, log_records; /* given to the log since the start */
    struct replication *replication; /* NULL: there are no other nodes */
    struct router *router;           /* likewise */
    struct services *services;       /* services.h */
    struct loop_timer route;         /* of the router, set when `routing` */
    bool routing;
    struct verifying *verifying; /* verify.c; NULL: nothing was ever verified */
    _Atomic uint64_t settled;    /* the log is folded up to here (R9); UINT64_MAX: all of it */
    bool tight;                  /* pressure.c: no connection is to be read for a while */
    bool paused;                 /* ... for that reason: what was written is paid for */
    struct loop_timer pause;
    uint64_t paid_lsn, debt_us;
    struct log_thread log;
    struct preparing_thread preparing;
    struct checkpoint_thread folding;
    struct helper cold;
    struct reading_thread reading; /* unused: there are no other nodes */
};

/* What connections are made with from one reload to the next. Never changed, kept until the end:
 * connections borrow it. */
struct terms {
    struct conn_conf conn, plain; /* plain: the same without TLS */
    struct session_limits limits;
    struct terms *older;
};

struct node {
    struct node_conf conf; /* labels and peers: of the lists below */
    char **labels, **peers;
    struct meta *meta;
    struct membership *membership;      /* NULL: the node is alone */
    unsigned draining, services_ending; /* workers that still hand over; whose services end */
    struct census *census;              /* census.c; NULL: nothing was ever asked */
    struct tls *tls;
    struct quota quota;
    struct scripts *scripts; /* of Redis clients */
    struct natives *natives; /* compute/native.h */
    struct native_files *native_files;
    struct pool *pool, *service_pool; /* pool.h: what takes long; NULL: it does not serve yet */
    struct jobs *jobs;                /* jobs.h; NULL: it has no workers */
    struct maps *maps;                /* mapping.h */
    struct terms *terms;              /* for new connections; control thread */
    struct node_view view;
    char address[NET_ADDR_BYTES + 256], resp_host[NET_ADDR_BYTES + 256];
    struct loop *loop; /* of the control thread */
    struct entrance entrances[ENTRANCES_MAX];
    unsigned entrances_len, entrances_fixed; /* behind `fixed`: the shards' own */
    unsigned resp_shard_port;                /* of shard 0; 0: they have none */
    struct buf addresses;                    /* that are listened on, for people; no text's end */
    pthread_t control;
    pthread_mutex_t lock; /* of the fields up to `told` */
    enum node_life state;
    enum grid_err start_err;
    char *start_why;
    pthread_cond_t told; /* state has changed, or something asked was answered */
    struct note stop;
    atomic_bool failed; /* nothing more is written or told */
    char bound[NODE_DOORS][NET_ADDR_BYTES];
    unsigned next_worker;
    struct catalog *catalog;
    struct worker *workers;
    unsigned shards;
    atomic_uint links;   /* connections of clients, at all workers */
    atomic_uint tight;   /* workers that are; then no connection is read */
    atomic_bool refused; /* by the grid, for good: nothing is passed on to it */
    msec_t started_ms, started_wall_ms;
    bool stopping;
    struct inside *inside;
    bool recovered; /* all workers are, and their threads were started */
    uint64_t memory_bytes;
    int64_t value_max; /* the log takes no larger records */
};

/* For what must never be retried (a failed sync): log it, tell the program, end the loops of all
 * threads. The caller sees to it that nothing follows from what failed. Any thread; the first time
 * counts. */
void node_fail(struct node *n, const char *room, const char *why);
static inline bool node_failed(const struct node *n)
{
    return unlikely(atomic_load_explicit(&n->failed, memory_order_acquire));
}
/* A start that finds no threads or descriptors. */
enum grid_err node_short(char *why);

unsigned shards_expected(const struct node_conf *c); /* node.c: of a new data directory */

/* worker.c */
void worker_post(struct worker *w, struct note *n);
MUST_USE
bool worker_init(struct worker *w, struct node *n, unsigned index); /* false: no descriptors */
void worker_run(struct worker *w);                                  /* the thread's body */
/* Control thread. */
void worker_accept(struct worker *w, int fd, const struct net_addr *peer,
                   const struct entrance *at);
void worker_part(struct worker *w); /* any thread: the node will stop, and serves until then */
void worker_stop(struct worker *w); /* any thread */
void worker_release(struct worker *w);
/* An op of this turn; borrowed until its end. */
void worker_submit(struct worker *w, struct op *op);
/* Do what was submitted so far. */
void worker_do(struct worker *w);
void worker_keep(struct worker *w, struct note *n); /* free `n` at the end of the turn */
void worker_reply(void *ctx, const struct ticket *to, const struct result *res);
void worker_dirty(struct worker *w, struct session *s);
/* What the grid agreed on has changed: tell the sessions. */
void worker_news(struct worker *w);
/* Give input to sessions that were not read for a while. */
void worker_read_on(struct worker *w);

/* pressure.c: whether connections are read; to be asked when the log's room or lag has changed, and
 * at the end of each turn. */
void pressure_look(struct worker *w);
void pressure_turn(struct worker *w);
void pressure_init(struct worker *w);
void pressure_release(struct worker *w);

/* forward.c: ops and results between workers */
void forward_op(struct worker *from, const struct op *op, unsigned owner);
void forward_result(struct worker *from, const struct ticket *to, const struct result *res);

/* everywhere.c: a port of the sessions; the same on this node's threads only */
void everywhere(void *worker, const struct ticket *to, const struct errand *errand);
void everywhere_here(struct worker *w, const struct ticket *to, const struct errand *errand);

/* sleeping.c: a port of the sessions; wake all now; forget all */
void sleeping(void *worker, const struct ticket *to, msec_t ms);
void sleeping_end(struct worker *w);
void sleeping_release(struct worker *w);

/* administration.c */
void administration(void *worker, const struct ticket *to, const struct admin_request *request);

#endif
