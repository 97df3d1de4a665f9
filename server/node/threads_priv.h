/* threads_priv.h - the threads beside a worker: log, checkpoint ("folding"), preparing, cold reads,
 * reading the log again; the notes they exchange, and the damage they find. The picture is in
 * node_priv.h. */
#ifndef GRIDD_NODE_THREADS_PRIV_H
#define GRIDD_NODE_THREADS_PRIV_H

#include "base/list.h"
#include "control/catalog.h"
#include "base/metrics.h"
#include "data/chunks.h"
#include "data/record.h"
#include "net/loop.h"
#include "store/checkpoint.h"
#include "store/wal.h"

#include <pthread.h>
#include <stdatomic.h>

struct node;
struct worker;
struct log_read;

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

/* A thread beside a worker. */
struct helper {
    struct mailbox *box; /* NULL: it has ended */
    pthread_t thread;
    atomic_bool stop;
};

struct log_thread {
    struct helper helper;
    struct histogram syncs;
};

/* Damaged partitions. */
struct damage {
    struct wal_place *places;
    size_t len, cap;
};
struct give_up; /* damage.c */
struct suspect; /* hole.c */

/* Records first..last that the log lost while the node runs, and nothing in it says whose. */
struct hole {
    struct note note;
    uint64_t first, last; /* 0: there is none */
    uint64_t reach;       /* what the shard remembers of its partitions goes up to here */
    bool answered;
    struct suspect *list;
    size_t len, cap;
};

struct checkpoint_thread {
    struct helper helper;     /* its box is of notes that run on this thread, with the worker */
    struct damage unmarked;   /* to be marked in the checkpoint */
    uint64_t noted;           /* so often the worker said what; */
    uint64_t heard;           /* so much of it is here, */
    _Atomic uint64_t marked;  /* or on disk */
    struct give_up *give_ups; /* asked for and not done */
    struct hole hole;
    atomic_bool soon;         /* memory is short */
    atomic_bool purge;        /* the catalog lost something */
    atomic_bool stuck;        /* damaged: no more checkpoints until the next start */
    struct histogram folds;   /* transactions */
    _Atomic uint64_t records; /* folded */
    _Atomic uint64_t rate;    /* records folded per ms, last time; 0: not known yet */
    pthread_mutex_t catalog_lock;
    struct catalog *catalog; /* newest; under catalog_lock */
};

struct preparing_thread {
    struct helper helper; /* only woken, never posted to */
    atomic_bool allowed;  /* what recovery found damaged is marked */
};

/* What found no space on the disk when it was last tried. CATALOG: nothing goes to the log, for a
 * start would not know what it is of. */
enum space { SPACE_LOG = 1, SPACE_STORE = 2, SPACE_CATALOG = 4, SPACE_CONTROL = 8 };

struct reading_thread {
    struct helper helper;
    _Atomic msec_t keep_until; /* the log is read until then, perhaps */
};

/* The jobs of a worker's partitions (jobs.h). */
struct runner;
struct job_thread {
    struct runner *runner;
    struct loop_timer timer; /* when it wants to be asked again */
    bool dirty;              /* ... at the end of this turn */
    bool later;              /* ... soon: some node may have a place then */
    msec_t watch_at;         /* mono; see job_places_watch() */
    struct list asking;      /* of job_places.c */
    struct list scans;       /* of job_scan.c */
};

/* This thread works in the background: the shards come first when processors are short. */
enum { BACKGROUND_NICE = 5 };
void thread_give_way(void);
/* threads.c: start a thread; `name` is for top(1) and debuggers. False: the system gives no more,
 * which is logged; nothing has changed. */
enum { THREAD_NAME_BYTES = 16 }; /* all that the system keeps */
MUST_USE
bool thread_start(pthread_t *ret_thread, const char *name, void *(*body)(void *arg), void *arg);
/* Named "what-shard". */
MUST_USE
bool thread_start_shard(pthread_t *ret_thread, const char *what, unsigned shard,
                        void *(*body)(void *arg), void *arg);
MUST_USE
bool helper_start(struct helper *h, struct worker *w, const char *what, void *(*body)(void *w));
/* It ends when it has done what was posted; what it tells the worker is taken in. Fine where it was
 * not started. */
void helper_end(struct helper *h, struct worker *w);

/* log.c, preparing.c, folding.c, cold.c, reading.c; start: see helper_start() */
MUST_USE
bool log_start(struct worker *w);
void log_end(struct worker *w);
uint64_t log_append(void *ctx, const struct record *rec, bool sync);
bool log_has_room(void *ctx, size_t bytes);
void log_hand_over(struct worker *w);
MUST_USE
bool preparing_start(struct worker *w);
void preparing_end(struct worker *w);
void preparing_wake(struct worker *w);
void preparing_allow(struct worker *w);
/* Remember, and log once, whether `what` found space on the disk. Any thread. */
void node_space(struct worker *w, enum space what, enum grid_err err, const char *why);
/* Remember it for all workers; whoever found it logs. Any thread. */
void node_full(struct node *n, enum space what, bool full);
MUST_USE
bool folding_start(struct worker *w);
void folding_end(struct worker *w);
void folding_wake(struct worker *w);
void folding_set_catalog(struct worker *w, struct catalog *c);
void folding_soon(void *ctx);
bool folding_alive(void *ctx, uint32_t context, uint32_t cache); /* ctx: const struct catalog * */
MUST_USE
bool cold_start(struct worker *w);
void cold_end(struct worker *w);
struct cold_entry cold_entry_of(const struct checkpoint_entry *e);
void cold_get(void *ctx, uint64_t token, uint32_t context, uint16_t partition, uint32_t cache,
              struct slice key);
void cold_scan(void *ctx, uint64_t token, uint32_t context, uint16_t partition, uint32_t cache,
               uint32_t after_cache, struct slice after, uint32_t limit, size_t bytes);
MUST_USE
bool reading_start(struct worker *w);
void reading_end(struct worker *w);
void reading_ask(void *ctx, struct log_read *l); /* a port of the shard */
/* More of the log is kept than its retention says. Any thread. */
bool reading_keeps(const struct worker *w);

/* damage.c. On the worker: a row could not be read; give partitions up (`places` is taken over),
 * then `done` is called there. */
typedef void damage_done_fn(struct worker *w, void *ctx, enum grid_err err, const char *why);
void damage_found(struct worker *w, uint32_t context, uint16_t partition);
/* On the worker: the next start shall take it for damaged; whether it will. */
void damage_note(struct worker *w, uint32_t context, uint16_t partition);
bool damage_noted(const struct worker *w);
void damage_give_up(struct worker *w, struct wal_place *places, size_t len, damage_done_fn *done,
                    void *ctx);
/* On the checkpoint thread: what is known to be damaged goes to the checkpoint, what a fold met to
 * the worker, what was asked for and is folded in is given up; with an error it is refused. */
bool damage_unmarked(const struct worker *w); /* there is something to mark */
MUST_USE
enum grid_err damage_mark(struct worker *w, char *why);
void damage_met(struct worker *w, const struct wal_place *places, size_t len);
void damage_give_ups(struct worker *w, enum grid_err err);

/* hole.c; checkpoint thread. */
void hole_ask(struct worker *w, uint64_t first, uint64_t last);
/* Whose the records were is marked, and told to the worker. GRID_EBUSY: it is not known yet; call
 * again. GRID_ENO_SPACE, GRID_EIO. */
MUST_USE
enum grid_err hole_settle(struct worker *w, char *why);
void hole_release(struct hole *h);
/* Up to where has to be folded for what was asked; 0: nothing was. */
uint64_t damage_wanted_lsn(const struct worker *w);
void damage_add(struct damage *d, uint32_t context, uint16_t partition);
void damage_release(struct damage *d);

#endif
