/* grid.h - libgridclient: remote caching on a grid of gridd nodes.
 *
 * A struct grid is one client: an identity for exactly-once requests, and a connection to each
 * shard it needs.
 * Threads: a struct grid and all that came from it may be used by one thread at a time. Use one per
 * thread, or lock. There is no global state; two grids never share anything.
 * Blocking calls return an outcome and set their ret_ outputs on GRID_OK only. Each has an
 * asynchronous twin that takes a completion function; blocking calls may be mixed with asynchronous
 * ones, whose completions then run inside them.
 * Deadlines: every call ends within its timeout (grid_options.timeout_ms). Until then the client
 * reconnects and repeats by itself; a write is done at most once however often it is repeated. When
 * the timeout passes, a request that was surely not done says GRID_ETIMEOUT or GRID_EUNREACHABLE,
 * and a write that may have been done says GRID_EIN_DOUBT.
 * Keys are 1..480 bytes, values 0..16 MiB (a setting of the grid), both any bytes. */
#ifndef GRID_H
#define GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GRID_API __attribute__((visibility("default")))
#define GRID_MUST_USE __attribute__((warn_unused_result))
#else
#define GRID_API
#define GRID_MUST_USE
#endif

/* Outcomes. Numbers are for ever; new ones may come: treat an unknown one as a failure. */
enum grid_err {
    GRID_OK = 0,
    GRID_ENOT_FOUND = 1, /* no such key */
    /* the key exists, is absent, or has another version than asked for */
    GRID_ECONDITION = 2,
    GRID_ENOT_PRIMARY = 3, /* never seen by callers: the client finds the owner */
    GRID_EFULL = 4,        /* the memory or disk limit is reached; reads go on */
    GRID_ETOO_LARGE = 5,   /* key, value or request larger than the limit */
    GRID_EBAD_REQUEST = 6,
    GRID_ENO_CONTEXT = 7,
    GRID_ENO_CACHE = 8,
    GRID_EEXISTS = 9, /* context or cache exists already */
    GRID_EBUSY = 10,
    GRID_ENOT_NUMBER = 11, /* incr: the value is not a 64-bit decimal number */
    GRID_EOVERFLOW = 12,   /* incr: the number would overflow */
    GRID_EDENIED = 13,
    GRID_EAUTH = 14,
    GRID_EPROTOCOL = 15, /* client and server have no protocol version in common */
    /* a write was repeated so late that exactly-once cannot be promised: not done again */
    GRID_ESTALE = 16,
    GRID_EDAMAGED = 17, /* the partition's data on disk is damaged; see gridctl status */
    GRID_ELOST = 18,
    GRID_ECROSS_PARTITION = 19, /* the keys of a batch belong to different partitions */
    GRID_ESTOPPING = 20,
    GRID_ETIMEOUT = 21,     /* not done */
    GRID_EIN_DOUBT = 22,    /* may or may not have been done */
    GRID_EUNREACHABLE = 23, /* not done */
    GRID_ENOMEM = 24,
    GRID_EIO = 25,
    GRID_ECORRUPT = 26,
    GRID_EUNSUPPORTED = 27,
    GRID_ECANCELLED = 28, /* grid_close() came first; a write may or may not have been done */
    GRID_ECLOSED = 29,
    GRID_ETLS = 30, /* certificate or handshake: see grid_error() */
    GRID_ENO_SPACE = 31,
    GRID_ENEWER = 32,
    GRID_EIN_USE = 33,
    GRID_ENO_SETTING = 34,
    GRID_EWRONG_TYPE = 35,
    GRID_EFEW_COPIES = 36, /* not done: fewer copies in sync than min_in_sync */
    GRID_EENTERING = 37,   /* retryable: the node has not entered the grid yet */
    GRID_ETASK = 38,       /* the task failed, and changed nothing */
    GRID_ENO_TASK = 39,    /* no such module, or it has no such task */
    GRID_ESERVICE = 48,    /* what the service answered is an error: see grid_error() */
    GRID_ENO_SERVICE = 49  /* not deployed, or no code for it is where it should live */
};

struct grid;       /* one client */
struct grid_cache; /* one cache of it; lives as long as the grid */

struct grid_bytes {
    const void *data;
    size_t len;
};

/* Zero-initialise, then set what you need. Strings are copied. */
struct grid_options {
    /* "host:port[,host:port...]"; default "127.0.0.1:7400"; IPv6 as [::1]:7400. A name is looked up
     * whenever a connection is made, which waits for the resolver; an address is not. */
    const char *endpoints;
    const char *ca;   /* PEM files; setting ca turns TLS on */
    const char *cert; /* client certificate and key: both or none */
    const char *key;
    const char *user; /* user and password, where the grid asks for them */
    const char *password;
    const char *name;    /* who you are, shown to operators */
    const char *grid;    /* refuse a grid of another name; NULL: any */
    uint32_t timeout_ms; /* of each call; default 5000 */
    /* unanswered asynchronous requests; default 1000; more wait in the client. Less than the nodes'
     * requests_per_connection: who has used that up is not heard when it asks for a sign of life */
    uint32_t pipeline_max;
    /* run on this libevent base; NULL: a base of its own, driven by grid_poll() and blocking
     * calls */
    struct event_base *base;
    bool read_local; /* see grid_read_local() */
};

/* Connect and greet a server. *ret_grid is the caller's, release with grid_close().
 * On an error, `why` (may be NULL; size at least GRID_WHY_BYTES) says what happened, for people. */
#define GRID_WHY_BYTES 256
GRID_API GRID_MUST_USE enum grid_err grid_connect(const struct grid_options *options,
                                                  struct grid **ret_grid, char *why);
/* Ends all requests with GRID_ECANCELLED, completions included, and frees everything. NULL is fine.
 * Not from a completion. A completion that hears GRID_ECANCELLED should start nothing more: it
 * would be cancelled, too. */
GRID_API void grid_close(struct grid *g);

/* "not found"; static. */
GRID_API const char *grid_err_text(enum grid_err err);
/* "NOT_FOUND"; static. */
GRID_API const char *grid_err_name(enum grid_err err);
/* What the last failed call on `g` said, for people; "" when nothing; valid until the next call. */
GRID_API const char *grid_error(const struct grid *g);
/* Version of this library, "0.1.0"; static. */
GRID_API const char *grid_version(void);

/* Open "context/cache". *ret_cache belongs to the grid. */
GRID_API GRID_MUST_USE enum grid_err grid_cache_open(struct grid *g, const char *path,
                                                     struct grid_cache **ret_cache);

/* From now on, reads (get, get_many, scans that begin, count) ask the node this client is connected
 * to first: of `endpoints` the first one that answers. If that has a copy in sync, it answers from
 * it, which saves the way to the primary; else, or when it may not, the primary answers as always.
 * Such an answer is never of a write that was not committed. As long as the node is in sync it has
 * all that was acknowledged to anybody, so what was written before is read. Only a node that has
 * been put out of the set and does not know yet may answer as things were before, for 300 ms at
 * most: until then a read may miss the latest writes, the caller's own, too, or be older than the
 * one before. Expiry goes by that node's clock. Writes are as always. */
GRID_API void grid_read_local(struct grid *g, bool on);

/* --- one key ---------------------------------------------------------------------------------- */

enum grid_condition {
    GRID_ALWAYS = 0,
    GRID_IF_ABSENT = 1,
    GRID_IF_PRESENT = 2,
    GRID_IF_VERSION = 3
};
enum grid_ttl {
    GRID_TTL_DEFAULT = 0, /* the cache's default */
    GRID_TTL_SET = 1,     /* ttl_ms from now */
    GRID_TTL_NONE = 2,    /* for ever */
    GRID_TTL_KEEP = 3     /* what the key has */
};

/* What a value is. */
enum grid_type {
    GRID_BYTES = 0,
    GRID_MEDIA = 1, /* bytes with a media type, "text/plain" */
    GRID_HASH = 2   /* fields: read with grid_hash_next(), made with grid_hash_add() */
};

/* How to write; NULL or all zero: always, the cache's time to live, placed by the key itself. */
struct grid_write {
    enum grid_condition condition;
    uint64_t version; /* GRID_IF_VERSION */
    enum grid_ttl ttl;
    uint64_t ttl_ms; /* GRID_TTL_SET, > 0 */
    /* placed with everything of the same affinity key; empty: the key itself */
    struct grid_bytes affinity;
    enum grid_type type;     /* put: of the value; need not be said with a media type */
    struct grid_bytes media; /* put: media type, up to 127 bytes; empty: none */
};

/* A value that was read. The bytes are the caller's: release with grid_value_release(). */
struct grid_value {
    void *data;
    size_t len;
    uint64_t version;
    uint64_t deadline_ms; /* unix ms; 0: for ever */
    enum grid_type type;
    struct grid_bytes media; /* lies behind the bytes; empty: none */
};
GRID_API void grid_value_release(struct grid_value *v);

/* The next field of a value of type GRID_HASH, each once, in no order; *at is 0 at first. False:
 * that was the last one, or (*at < hash.len) the bytes are no hash. */
GRID_API bool grid_hash_next(struct grid_bytes hash, size_t *at, struct grid_bytes *ret_field,
                             struct grid_bytes *ret_value);
/* Write one more field of a hash that is to be put; the caller sees to it that no field comes
 * twice. Returns the bytes it takes. `to` NULL: only that. */
GRID_API size_t grid_hash_add(void *to, struct grid_bytes field, struct grid_bytes value);

/* `affinity` is needed (and must be the same) where the key was written with one; {NULL, 0}
 * otherwise. */
GRID_API GRID_MUST_USE enum grid_err grid_get(struct grid_cache *c, struct grid_bytes key,
                                              struct grid_bytes affinity,
                                              struct grid_value *ret_value);
/* ret_version may be NULL, here and below. GRID_ECONDITION sets *ret_version to the version there
 * is, 0: absent. */
GRID_API GRID_MUST_USE enum grid_err grid_put(struct grid_cache *c, struct grid_bytes key,
                                              struct grid_bytes value, const struct grid_write *how,
                                              uint64_t *ret_version);
/* GRID_ENOT_FOUND: there was none. */
GRID_API GRID_MUST_USE enum grid_err grid_delete(struct grid_cache *c, struct grid_bytes key,
                                                 const struct grid_write *how);
/* Add `by` to a decimal number; a missing key counts as 0 and is made. */
GRID_API GRID_MUST_USE enum grid_err grid_incr(struct grid_cache *c, struct grid_bytes key,
                                               int64_t by, const struct grid_write *how,
                                               int64_t *ret_number);
/* Change the time to live to how->ttl (SET, NONE or DEFAULT). GRID_ENOT_FOUND: no such key. */
GRID_API GRID_MUST_USE enum grid_err grid_expire(struct grid_cache *c, struct grid_bytes key,
                                                 const struct grid_write *how,
                                                 uint64_t *ret_version);

/* --- tasks ------------------------------------------------------------------------------------ */

/* Run an atomic task of a deployed module, "module.task", where `key` is kept, whether it is there
 * or not: in the partition of `affinity`, or of the key when that is empty. The task is told `key`,
 * `argument` and the cache, and sees and changes keys of that partition, in all caches of the
 * context. All that it changes is done at once, exactly once, with its result; the bytes of that are
 * as those of grid_get(), of no type. ret_result may be NULL.
 * GRID_ETASK: it failed and changed nothing; grid_error() says why, with module and line, then where
 * it was called from, in several lines. GRID_ENO_TASK: there is none of that name. */
GRID_API GRID_MUST_USE enum grid_err grid_task_run(struct grid_cache *c, const char *name,
                                                   struct grid_bytes key,
                                                   struct grid_bytes affinity,
                                                   struct grid_bytes argument,
                                                   struct grid_value *ret_result);

/* --- maps ------------------------------------------------------------------------------------- */

struct grid_map_row {             /* borrowed until the next call on the map */
    struct grid_bytes key, value; /* numbers as decimal text, tables as JSON */
};
struct grid_map_options {
    const struct grid_bytes *keys; /* only these; NULL: all of the cache */
    size_t keys_len;
    uint32_t timeout_ms; /* of all of it; 0: 60 s */
    /* Of `keys`, as many: what each is placed by, empty: itself. NULL: all by themselves. */
    const struct grid_bytes *affinities;
};
struct grid_map;
/* Run a map of a deployed module, "module.map", over the entries of a cache, each where it lies. It
 * emits rows; when it has a reduce function there is one row for each key, in order, else they come
 * as they are emitted, in no order. Each entry counts exactly once: each partition is read as of
 * one moment between the call and its last row, whatever is written, moves or dies meanwhile.
 * Nothing is asked before grid_map_next(). Release with grid_map_free(). */
GRID_API GRID_MUST_USE enum grid_err grid_task_map(struct grid_cache *c, const char *name,
                                                   struct grid_bytes argument,
                                                   const struct grid_map_options *how,
                                                   struct grid_map **ret_map);
/* GRID_ENOT_FOUND: the end. GRID_ETASK: the map failed, grid_error() says why, as grid_task_run().
 * GRID_ETOO_LARGE: more rows than the grid takes: reduce them. GRID_ETIMEOUT. */
GRID_API GRID_MUST_USE enum grid_err grid_map_next(struct grid_map *m,
                                                   struct grid_map_row *ret_row);
/* Partitions that are done, and all; those of rows that were not read yet among them. */
GRID_API void grid_map_progress(const struct grid_map *m, uint64_t *ret_done, uint64_t *ret_total);
GRID_API void grid_map_free(struct grid_map *m);

/* Of requests that are not waited for: see grid_get_async(). */
struct grid_result;
typedef void grid_done_fn(void *arg, const struct grid_result *result);

/* --- services --------------------------------------------------------------------------------- */

/* Call a method of a service that is deployed, "module.service", wherever it lives now. `key`: of
 * mode key, whose instance; of mode copies equal keys go to the same one, no key to any; else
 * {NULL, 0}. The result is as that of grid_task_run(); NULL is fine.
 * A call is done once at most: GRID_EIN_DOUBT when its node was lost before it answered. With
 * `again`, which says that twice is fine, it is asked again then.
 * GRID_ESERVICE: it answered an error, see grid_error(). GRID_EBUSY: too many wait for it. */
GRID_API GRID_MUST_USE enum grid_err grid_service_call(struct grid *g, const char *name,
                                                       struct grid_bytes key, const char *method,
                                                       struct grid_bytes argument, bool again,
                                                       struct grid_value *ret_result);
/* The same without waiting; see grid_get_async() for `done`, which gets the answer as its value.
 * All is copied before it returns. */
GRID_API void grid_service_call_async(struct grid *g, const char *name, struct grid_bytes key,
                                      const char *method, struct grid_bytes argument, bool again,
                                      grid_done_fn *done, void *arg);

/* --- jobs ------------------------------------------------------------------------------------- */

/* A job is long work of a module, "module.job", in the partition of its key: it is queued there, run
 * beside the shards by a node of the grid, and goes on from its last checkpoint when that dies; what
 * it writes is done exactly once. A task can be submitted, too. Known by its id to any client. */
enum { GRID_NAME_BYTES = 132 };
enum { GRID_JOB_ID = 16, GRID_JOB_TEXT = 33, GRID_LABELS_BYTES = 132 };
struct grid_job {
    uint8_t id[GRID_JOB_ID];
};
/* 32 digits and a zero. */
GRID_API void grid_job_text(const struct grid_job *job, char ret_text[GRID_JOB_TEXT]);
GRID_API bool grid_job_parse(const char *text, struct grid_job *ret_job);

enum grid_job_status {
    GRID_JOB_QUEUED = 0,
    GRID_JOB_RUNNING = 1,
    GRID_JOB_DONE = 2,
    GRID_JOB_FAILED = 3,
    GRID_JOB_CANCELLED = 4
};

struct grid_job_how {     /* zeros: as usual */
    unsigned priority;    /* 1 goes first, 9 last; 0: 5 */
    unsigned attempts;    /* it has failed when it failed so often; 0: once */
    uint64_t backoff_ms;  /* before it is tried again, twice as long each time; 0: 1 s */
    uint64_t deadline_ms; /* from now; it fails then, queued or running. 0: it has none */
    uint64_t delay_ms;    /* it does not begin earlier */
    uint64_t keep_ms;     /* how long it can be asked for when it has ended; 0: an hour */
    const char *labels;   /* LABEL=VALUE of nodes that may run it; NULL: any */
};

struct grid_job_info {
    struct grid_job job;
    enum grid_job_status status;
    char name[GRID_NAME_BYTES];
    char cache[GRID_NAME_BYTES]; /* context/cache */
    struct grid_bytes key;
    unsigned priority, failures, attempts;
    uint64_t attempt, step; /* times it was begun; checkpoints it made */
    int progress;           /* of 10000; -1: it said nothing */
    uint64_t submitted_ms, due_ms, began_ms, ended_ms, deadline_ms; /* unix ms; 0: not yet, none */
    struct grid_bytes result;   /* or why it failed; empty in lists */
    char node[GRID_NAME_BYTES]; /* that runs it, or ran it last */
    char labels[GRID_LABELS_BYTES];
    char schedule[GRID_NAME_BYTES]; /* that it is a run of; "" */
};

/* Queue it; *ret_job is set even when this ends in doubt, and tells then. `how` may be NULL. It runs
 * on the node that leads its key, if that has the labels, else on the least loaded one that has; one
 * without a key (empty) gets a random one, and runs on the least loaded of all nodes with the labels.
 * GRID_EBUSY: too many wait there. GRID_ENO_TASK: neither the grid nor the node that leads its key
 * has a job or task of that name. */
GRID_API GRID_MUST_USE enum grid_err
grid_task_submit(struct grid_cache *c, const char *name, struct grid_bytes key,
                 struct grid_bytes affinity, struct grid_bytes argument,
                 const struct grid_job_how *how, struct grid_job *ret_job);
/* *ret_job is set before it returns; see grid_get_async() for `done`. */
GRID_API void grid_task_submit_async(struct grid_cache *c, const char *name, struct grid_bytes key,
                                     struct grid_bytes affinity, struct grid_bytes argument,
                                     const struct grid_job_how *how, struct grid_job *ret_job,
                                     grid_done_fn *done, void *arg);
/* As it is now; *ret_info is the caller's, release with grid_free(). GRID_ENOT_FOUND: there is none
 * of that id, or it ended too long ago. */
GRID_API GRID_MUST_USE enum grid_err grid_job_show(struct grid *g, const struct grid_job *job,
                                                   struct grid_job_info **ret_info);
/* The same when it has ended. GRID_ETIMEOUT: not within timeout_ms; *ret_info is set. */
GRID_API GRID_MUST_USE enum grid_err grid_job_wait(struct grid *g, const struct grid_job *job,
                                                   uint64_t timeout_ms,
                                                   struct grid_job_info **ret_info);
/* It is over at once; what it wrote by its checkpoints stays. GRID_ECONDITION: it had ended. */
GRID_API GRID_MUST_USE enum grid_err grid_job_cancel(struct grid *g, const struct grid_job *job);
GRID_API GRID_MUST_USE enum grid_err grid_job_list(struct grid *g, struct grid_job_info **ret_list,
                                                   size_t *ret_len);

/* A schedule submits a job (or a task) by itself: one in the grid for each tick, whatever dies. Of
 * ticks that were missed the latest is caught up with. It lives in the partition of its key. */
struct grid_schedule {
    const char *name; /* as caches are named; once in a partition */
    const char *cron; /* five fields, UTC; or NULL: */
    uint64_t every_ms;
    const char *job;                           /* module.job or module.task */
    struct grid_bytes key, affinity, argument; /* key empty: its name, and runs go to any node */
    struct grid_job_how how; /* delay_ms has no meaning; deadline_ms counts from the tick */
};
struct grid_schedule_run {
    struct grid_job job;
    enum grid_job_status status;
    uint64_t tick_ms, ended_ms;
};
struct grid_schedule_info {
    char name[GRID_NAME_BYTES], job[GRID_NAME_BYTES], cron[GRID_NAME_BYTES];
    char cache[GRID_NAME_BYTES];
    uint64_t every_ms;
    struct grid_bytes key, affinity, argument;
    bool paused;
    uint64_t made_ms, last_ms, next_ms, fired;
    struct grid_schedule_run *runs; /* of late, newest last */
    size_t runs_len;
};
enum grid_schedule_act {
    GRID_SCHEDULE_PAUSE = 4,
    GRID_SCHEDULE_RESUME = 5,
    GRID_SCHEDULE_REMOVE = 6,
    GRID_SCHEDULE_RUN = 7 /* once now, beside its ticks */
};
/* GRID_EEXISTS: there is one of that name there. GRID_ENO_TASK: as for grid_task_submit(). */
GRID_API GRID_MUST_USE enum grid_err grid_schedule_create(struct grid_cache *c,
                                                          const struct grid_schedule *want);
/* Cache, key and affinity are those it was made with; empty: its name. */
GRID_API GRID_MUST_USE enum grid_err grid_schedule_act(struct grid_cache *c, const char *name,
                                                       struct grid_bytes key,
                                                       struct grid_bytes affinity,
                                                       enum grid_schedule_act act);
GRID_API GRID_MUST_USE enum grid_err
grid_schedule_list(struct grid *g, struct grid_schedule_info **ret_list, size_t *ret_len);

/* --- on each node ----------------------------------------------------------------------------- */

struct grid_node_answer {
    char node[132];
    enum grid_err err;      /* GRID_ETIMEOUT, _EIN_DOUBT: it may have done it, or not */
    struct grid_bytes rows; /* what it emitted and its result; of an error, why */
};
/* Run code that a module has for that, "module.name", once on each node that is up; `nodes`
 * (LABEL=VALUE; NULL: all) says on which. Each node answers for itself. *ret_list is the caller's,
 * release with grid_free(). Asked again when a connection broke: a node that ran it answers what it
 * answered, for 10 minutes; GRID_EIN_DOUBT: it does not know any more, or began anew meanwhile. */
GRID_API GRID_MUST_USE enum grid_err
grid_task_broadcast(struct grid *g, const char *name, const char *nodes, struct grid_bytes argument,
                    struct grid_node_answer **ret_list, size_t *ret_len);

/* --- many keys -------------------------------------------------------------------------------- */

enum grid_op { GRID_PUT = 2, GRID_DELETE = 3, GRID_INCR = 4, GRID_EXPIRE = 5 };

/* One key of a many-key request or a batch. Inputs first; outputs are set by the call. */
struct grid_item {
    enum grid_op op;          /* batch only */
    struct grid_cache *cache; /* batch only: another cache of the same context; NULL: the call's */
    struct grid_bytes key;
    struct grid_bytes value;  /* put */
    int64_t delta;            /* incr */
    struct grid_write how;    /* a batch ignores how.affinity: it has one of its own */
    enum grid_err err;        /* out: of this key */
    struct grid_value result; /* out: get: the value, the caller's. Others: version only */
    int64_t number;           /* out: incr in a batch is not told; 0 */
};
/* Each key for itself; GRID_OK when every item has an outcome in err (which may be an error). */
GRID_API GRID_MUST_USE enum grid_err grid_get_many(struct grid_cache *c, struct grid_item *items,
                                                   size_t n);
GRID_API GRID_MUST_USE enum grid_err grid_put_many(struct grid_cache *c, struct grid_item *items,
                                                   size_t n);
GRID_API GRID_MUST_USE enum grid_err grid_delete_many(struct grid_cache *c, struct grid_item *items,
                                                      size_t n);
/* All or nothing, in one partition: that of `affinity`, or of the first key when it is empty. Each
 * key at most once. On an error *ret_failed_at (may be NULL) is the index of the item that
 * failed. */
GRID_API GRID_MUST_USE enum grid_err grid_batch(struct grid_cache *c, struct grid_bytes affinity,
                                                struct grid_item *items, size_t n,
                                                uint64_t *ret_version, size_t *ret_failed_at);

/* --- scan, count ------------------------------------------------------------------------------ */

struct grid_entry { /* borrowed until the next call on the scan */
    struct grid_bytes key;
    struct grid_bytes value;
    uint64_t version;
    uint64_t deadline_ms;
    struct grid_bytes affinity; /* empty: the key itself */
    enum grid_type type;        /* a GRID_HASH without a value is larger than the grid shows */
    struct grid_bytes media;
};
struct grid_scan_options {
    struct grid_bytes prefix; /* only keys that begin so */
    bool keys_only;
    uint32_t page; /* entries fetched at a time; default 1000 */
};
struct grid_scan;
/* In no order. A key present during the whole scan comes at least once; one that changes meanwhile
 * may come twice or not. Not asynchronous. Release with grid_scan_free(). */
GRID_API GRID_MUST_USE enum grid_err grid_scan_start(struct grid_cache *c,
                                                     const struct grid_scan_options *how,
                                                     struct grid_scan **ret_scan);
/* GRID_ENOT_FOUND: the end. */
GRID_API GRID_MUST_USE enum grid_err grid_scan_next(struct grid_scan *s,
                                                    struct grid_entry *ret_entry);
GRID_API void grid_scan_free(struct grid_scan *s);
GRID_API GRID_MUST_USE enum grid_err grid_count(struct grid_cache *c, uint64_t *ret_count);

/* --- asynchronous ----------------------------------------------------------------------------- */

/* The outcome of one asynchronous request; borrowed until the completion returns. */
struct grid_result {
    enum grid_err err;
    struct grid_bytes value; /* get; task: its result; service: its answer */
    uint64_t version;
    uint64_t deadline_ms;
    int64_t number;     /* incr: the new number; delete: 1 */
    const char *detail; /* for people, as grid_error(); "" when nothing */
    enum grid_type type;
    struct grid_bytes media;
};
/* Key, value, affinity and name are copied before the call returns. `done` is called exactly once, never
 * before the call returns, from grid_poll(), the caller's event loop, a blocking call or
 * grid_close(). It may start requests; it must not block or close. */
GRID_API void grid_get_async(struct grid_cache *c, struct grid_bytes key,
                             struct grid_bytes affinity, grid_done_fn *done, void *arg);
GRID_API void grid_put_async(struct grid_cache *c, struct grid_bytes key, struct grid_bytes value,
                             const struct grid_write *how, grid_done_fn *done, void *arg);
GRID_API void grid_delete_async(struct grid_cache *c, struct grid_bytes key,
                                const struct grid_write *how, grid_done_fn *done, void *arg);
GRID_API void grid_incr_async(struct grid_cache *c, struct grid_bytes key, int64_t by,
                              const struct grid_write *how, grid_done_fn *done, void *arg);
GRID_API void grid_expire_async(struct grid_cache *c, struct grid_bytes key,
                                const struct grid_write *how, grid_done_fn *done, void *arg);
GRID_API void grid_task_run_async(struct grid_cache *c, const char *name, struct grid_bytes key,
                                  struct grid_bytes affinity, struct grid_bytes argument,
                                  grid_done_fn *done, void *arg);
typedef void grid_map_row_fn(void *arg, const struct grid_map_row *row);
/* `row` for each row, then `done` once; both as said above. */
GRID_API GRID_MUST_USE enum grid_err grid_task_map_async(struct grid_cache *c, const char *name,
                                                         struct grid_bytes argument,
                                                         const struct grid_map_options *how,
                                                         grid_map_row_fn *row, grid_done_fn *done,
                                                         void *arg);
/* Send what is queued, wait up to timeout_ms (-1: until something happens, 0: not at all), run
 * completions. Returns the number of requests still unanswered. */
GRID_API size_t grid_poll(struct grid *g, int timeout_ms);
/* Poll until nothing is unanswered; every request ends by its own deadline. */
GRID_API void grid_flush(struct grid *g);

/* --- about the grid (what gridctl speaks) ----------------------------------------------------- */

enum grid_durability { GRID_SYNC = 0, GRID_ASYNC = 1, GRID_MEMORY = 2 };
enum { GRID_BACKUPS_ALL = 255 };

struct grid_context_info {
    char name[GRID_NAME_BYTES];
    uint32_t id, partitions, backups, min_in_sync, caches;
    enum grid_durability durability;
    bool evict;            /* at the memory limit: evict, else refuse (memory contexts) */
    uint64_t memory_limit; /* bytes on one node; 0: only the node's own */
    char nodes[GRID_NAME_BYTES];
    uint64_t entries, bytes;
    uint32_t copies; /* that the nodes there are can hold; `backups` and 1 are asked for */
};
struct grid_cache_info {
    char name[GRID_NAME_BYTES]; /* context/cache */
    uint32_t id;
    uint64_t ttl_ms, entries;
};
struct grid_setting_info {
    char name[GRID_NAME_BYTES];
    int64_t value, standard, min, max;
    char unit[16];
    char help[256];
};
struct grid_partition_info {
    char context[GRID_NAME_BYTES];
    uint32_t partition, shard;
    uint64_t epoch, seq, entries;
    char state[16];                /* ok, warming, damaged, lost... */
    char primary[GRID_NAME_BYTES]; /* "": nobody */
    char **in_sync, **joining;     /* names of nodes */
    size_t in_sync_len, joining_len;
};
struct grid_copy_info { /* of a partition, on a node */
    char node[GRID_NAME_BYTES];
    uint64_t version, digest, entries; /* of its last record: epoch << 40 | seq */
    char state[16];                    /* ok, damaged, changing, unreadable, no answer */
};
struct grid_difference { /* a partition that is not known to be the same everywhere */
    uint32_t partition;
    char state[16]; /* different; unverified, lost, waiting */
    struct grid_copy_info *copies;
    size_t copies_len;
};
struct grid_verified {
    uint32_t partitions; /* whose copies are equal */
    uint64_t entries;    /* in them, each once */
    struct grid_difference *differences;
    size_t differences_len;
};
struct grid_metric {
    char name[64];
    uint64_t value;
    char unit[16];
    bool counter;
};
struct grid_node_info {
    char name[GRID_NAME_BYTES], id[40], address[GRID_NAME_BYTES], version[32], state[16];
    uint64_t uptime_ms;
    uint32_t shards;
    char **labels;
    size_t labels_len;
    struct grid_metric *metrics;
    size_t metrics_len;
    uint32_t number, primaries, copies, joining; /* partitions; number 0: it is alone */
    uint32_t kept; /* of copies: it is drained, and there are too few other nodes to take them */
    bool voter, leader;
    uint32_t level; /* the highest feature level it knows; 0: its version tells none */
};
struct grid_status {
    char grid[GRID_NAME_BYTES];
    bool healthy;
    char **problems;
    size_t problems_len;
    char **notes; /* to be known, and nothing is wrong */
    size_t notes_len;
    struct grid_node_info *nodes;
    size_t nodes_len;
    uint64_t contexts, caches, entries, partitions, partitions_damaged, revision;
    uint64_t bytes; /* of keys and values in memory, all copies */
    /* Partitions nobody leads; without a copy; with fewer copies than asked; that take no writes
     * (min_in_sync). Copies on their way, and bytes they need. Partitions that are not yet where
     * they should be. */
    uint64_t unled, lost, short_of_copies, below_min, joining, bytes_left, misplaced;
    uint64_t unplaced; /* copies that contexts ask, and for which there are too few nodes */
    bool rebalance_paused;
    uint32_t level; /* feature level that all nodes know: what needs a higher one is refused */
};
struct grid_function_info { /* of a module */
    char name[GRID_NAME_BYTES];
    char kind[16]; /* function: of Redis clients; task: grid_task_run() */
    char help[256];
    char flags[96]; /* "no-writes,allow-oom" */
};
struct grid_module_info {
    char name[GRID_NAME_BYTES];
    char engine[16];  /* lua */
    char digest[41];  /* SHA-1 of the source, in hex */
    uint64_t version; /* greater than all that were deployed before, of any module */
    uint64_t size;    /* of the source, bytes */
    struct grid_function_info *functions;
    size_t functions_len;
    struct grid_bytes source; /* of one that was asked for by its name; else empty */
};
enum grid_service_mode {                     /* where the instances of a service live */
                         GRID_SINGLETON = 0, /* one in the grid, where a partition is led */
                         GRID_PER_NODE = 1,  /* one on each node */
                         GRID_PER_KEY = 2,   /* one for each key that is called, with its primary */
                         GRID_COPIES = 3     /* so many, each where a partition is led */
};
struct grid_service { /* to be deployed. Zero-initialise, then set what you need */
    const char *name; /* module.service */
    enum grid_service_mode mode;
    const char *context;   /* whose partitions it lives with; NULL: default */
    uint32_t copies;       /* GRID_COPIES: 1..32 */
    const char *labels;    /* GRID_PER_NODE: only where this is, "LABEL=VALUE" */
    struct grid_bytes arg; /* for its code, up to 4096 bytes */
};
struct grid_instance_info {
    uint32_t number, partition; /* which of the copies; where it is bound to */
    struct grid_bytes key;      /* GRID_PER_KEY */
    char node[GRID_NAME_BYTES]; /* "": nobody has it */
    char state[16];             /* running, starting, waiting, stopping, no code, nowhere */
    uint64_t token;             /* fencing token: grows whenever another has it; 0: none */
    uint64_t since_ms;          /* unix ms: it came to this state */
    uint64_t calls, failures;   /* answered since it began, and with an error */
    struct grid_bytes error;    /* the last one, a text of several lines */
};
struct grid_service_info {
    char name[GRID_NAME_BYTES], mode[16], context[GRID_NAME_BYTES], labels[GRID_NAME_BYTES];
    uint32_t copies;
    uint64_t version;
    struct grid_bytes arg;
    struct grid_instance_info *instances;
    size_t instances_len;
};
struct grid_location {
    uint32_t partition, slot, shard;
    uint64_t epoch;
    char primary[GRID_NAME_BYTES], address[GRID_NAME_BYTES];
    char (*in_sync)[GRID_NAME_BYTES];
    size_t in_sync_len;
};
/* Which fields of grid_context_info grid_context_alter() shall change. */
enum grid_context_field {
    GRID_FIELD_BACKUPS = 1,
    GRID_FIELD_DURABILITY = 2,
    GRID_FIELD_MEMORY_LIMIT = 4,
    GRID_FIELD_MIN_IN_SYNC = 8,
    GRID_FIELD_NODES = 16,
    GRID_FIELD_EVICT = 32
};

GRID_API GRID_MUST_USE enum grid_err grid_ping(struct grid *g);
/* Lists and what they hold are one allocation of the caller's: release with grid_free(). */
GRID_API GRID_MUST_USE enum grid_err grid_get_status(struct grid *g,
                                                     struct grid_status **ret_status);
GRID_API GRID_MUST_USE enum grid_err grid_locate(struct grid_cache *c, struct grid_bytes key,
                                                 struct grid_bytes affinity,
                                                 struct grid_location **ret_location);
/* partitions 0, backups as given; caches, id, entries, bytes are ignored. partitions 0: the grid's
 * default. */
GRID_API GRID_MUST_USE enum grid_err grid_context_create(struct grid *g,
                                                         const struct grid_context_info *want);
GRID_API GRID_MUST_USE enum grid_err
grid_context_alter(struct grid *g, const struct grid_context_info *want, unsigned fields);
GRID_API GRID_MUST_USE enum grid_err grid_context_drop(struct grid *g, const char *name);
/* name NULL: all. */
GRID_API GRID_MUST_USE enum grid_err grid_context_list(struct grid *g, const char *name,
                                                       struct grid_context_info **ret_list,
                                                       size_t *ret_len);
GRID_API GRID_MUST_USE enum grid_err grid_cache_create(struct grid *g, const char *path,
                                                       uint64_t ttl_ms);
GRID_API GRID_MUST_USE enum grid_err grid_cache_drop(struct grid *g, const char *path);
/* context NULL: all. */
GRID_API GRID_MUST_USE enum grid_err grid_cache_list(struct grid *g, const char *context,
                                                     struct grid_cache_info **ret_list,
                                                     size_t *ret_len);
GRID_API GRID_MUST_USE enum grid_err
grid_setting_list(struct grid *g, struct grid_setting_info **ret_list, size_t *ret_len);
GRID_API GRID_MUST_USE enum grid_err grid_setting_set(struct grid *g, const char *name,
                                                      int64_t value);
GRID_API GRID_MUST_USE enum grid_err grid_partition_list(struct grid *g, const char *context,
                                                         struct grid_partition_info **ret_list,
                                                         size_t *ret_len);
/* Deploy a library of functions, in the place of one of its name. `name` NULL: what its first line
 * says ("#!lua name=NAME"). Where it is no such library, nothing is deployed, and
 * grid_error() says why, with its name and line. One module in *ret_module. */
GRID_API GRID_MUST_USE enum grid_err grid_module_deploy(struct grid *g, const char *name,
                                                        struct grid_bytes source,
                                                        struct grid_module_info **ret_module);
/* name NULL: all, without their sources. */
GRID_API GRID_MUST_USE enum grid_err grid_module_list(struct grid *g, const char *name,
                                                      struct grid_module_info **ret_list,
                                                      size_t *ret_len);
GRID_API GRID_MUST_USE enum grid_err grid_module_remove(struct grid *g, const char *name);
/* Deploy a service, in the place of one of its name: GRID_ENO_SERVICE: no module has its code. */
GRID_API GRID_MUST_USE enum grid_err grid_service_deploy(struct grid *g,
                                                         const struct grid_service *want);
/* name NULL: all. With their instances, as the nodes tell that can be reached. */
GRID_API GRID_MUST_USE enum grid_err grid_service_list(struct grid *g, const char *name,
                                                       struct grid_service_info **ret_list,
                                                       size_t *ret_len);
GRID_API GRID_MUST_USE enum grid_err grid_service_stop(struct grid *g, const char *name);
/* Give up what is damaged in the context's partitions and go on with what is readable. Loses data:
 * say so to a person first. *ret_partitions (NULL is fine): how many go on. */
GRID_API GRID_MUST_USE enum grid_err grid_partition_recover(struct grid *g, const char *context,
                                                            uint64_t *ret_partitions);
/* Partitions of the context whose last copy is lost begin again, empty; *ret_partitions as above. */
GRID_API GRID_MUST_USE enum grid_err grid_partition_reset(struct grid *g, const char *context,
                                                          uint64_t *ret_partitions);
/* Give up the copy that a node has of a partition, and make it anew from another that is in sync:
 * for one that grid_verify() found different. Refused where it has the only one. */
GRID_API GRID_MUST_USE enum grid_err grid_partition_repair(struct grid *g, const char *context,
                                                           uint32_t partition, const char *node);
/* Compare the copies of up to `count` (at most GRID_VERIFY_MAX) partitions, from `first` on, by what
 * is in them at the same version. It goes on while data changes; takes seconds, then. */
enum { GRID_VERIFY_MAX = 256 };
GRID_API GRID_MUST_USE enum grid_err grid_verify(struct grid *g, const char *context,
                                                 uint32_t first, uint32_t count,
                                                 struct grid_verified **ret_verified);
/* Move everything away from a node (on), or let it have copies again. What too few others are left
 * to hold stays: grid_node_info.kept. */
GRID_API GRID_MUST_USE enum grid_err grid_node_drain(struct grid *g, const char *node, bool on);
/* Take a node out of the grid for ever. Refused where it has the last copy of something, unless
 * `accept_loss`. */
GRID_API GRID_MUST_USE enum grid_err grid_node_remove(struct grid *g, const char *node,
                                                      bool accept_loss);
/* Whether copies move for balance; missing ones are always made. */
GRID_API GRID_MUST_USE enum grid_err grid_rebalance(struct grid *g, bool on);
GRID_API void grid_free(void *list);

#ifdef __cplusplus
}
#endif
#endif
