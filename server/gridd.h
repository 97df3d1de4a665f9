/* gridd.h - libgridd: a node of a grid inside of a program.
 *
 * grid_node_start() makes the program a full member of a grid, with partitions, log, checkpoint and
 * threads of its own, as gridd is; gridd itself is little more than a main() around it. A program
 * may have several nodes, each with its directory and addresses. Clients reach it as any other
 * node: with libgridclient (grid.h) at grid_node_address(), gridctl, Redis clients, HTTP.
 *
 * What it does not do: it installs no signal handler and changes no signal mask but of its own
 * threads, which take no signals; never ends the process for a fault of the disk or the network
 * (see `fault`); changes no limit, user (see `change_user`), locale or directory of the process;
 * writes to stderr only where there is no `log`. Its descriptors are closed by exec; a child of
 * fork() has none of its threads and must not use it; it keeps the directory and the addresses from
 * others for as long as it lives, should this process be killed.
 * What ends the process all the same: a bug that it finds in itself, and no memory left for
 * bookkeeping, the system's for watched descriptors included (both say so on stderr, and abort);
 * LMDB, where a file that was damaged from outside makes it meet an assertion or a page that is not
 * there; libevent, should another thread take the last descriptors in the instant between a
 * starting node's look at them and their use. And exit(), or the end of main(), beside a node that
 * runs may crash where the program used OpenSSL before its first node: what OpenSSL has is freed,
 * and the node's threads use that. Stop nodes first, or call _exit().
 *
 * Threads: every function may be called by any thread that is not the node's own, so not from `log`
 * or `fault`; nothing of a node once its grid_node_stop() was called. */
#ifndef GRIDD_H
#define GRIDD_H

#include <grid_module.h> /* and grid.h: outcomes, struct grid_bytes and the like */

#ifdef __cplusplus
extern "C" {
#endif

struct grid_node; /* a node that runs */

enum grid_log_level { GRID_LOG_DEBUG, GRID_LOG_INFO, GRID_LOG_WARN, GRID_LOG_ERROR };

/* Zero-initialise, then set what you need. All is copied, and checked as gridd.conf is.
 * A key of gridd.conf(5) has the value of its field here; where that is NULL or 0, what `file` or
 * `text` says; else its default. Without file and text the doors http and resp are off. */
struct grid_node_conf {
    /* sizeof(struct grid_node_conf): a later libgridd takes what is behind it for 0. 0: the program
     * was compiled with the header of the very library that it runs with. */
    size_t size;
    const char *file; /* a gridd.conf */
    const char *text; /* what would be in one; with `file`: not used */

    const char *name; /* of the node; default: the host's */
    const char *grid;
    /* Directory; made when it is missing; used by one node at a time. From where the process is
     * when the node starts: it may go elsewhere later. */
    const char *data;
    const char *const *labels; /* "NAME=VALUE"; NULL behind the last one */
    unsigned weight;           /* its share of the data beside other nodes; default 1 */
    unsigned shards;           /* threads that have partitions; default: one per processor */
    uint64_t memory;           /* bytes for data; default: half of the machine's. Set it here */
    /* Where nodes of the grid are found, "HOST:PORT" of their door peer; NULL behind the last one.
     * Without: the node is a grid of one for ever, and has no door peer. */
    const char *const *peers;
    unsigned bootstrap_expect; /* so many nodes found a new grid together; 0: it joins one */
    /* "HOST:PORT" that is listened on; port 0: the system chooses, see grid_node_address(). What
     * is not loopback needs TLS. http, resp: maybe "off" */
    const char *client, *peer, *http, *resp;
    const char *ca, *cert, *key; /* PEM files; all three: TLS */
    /* Become the user of the key `user`, when all is bound, as gridd does: of the whole process.
     * Else that key is not looked at. */
    bool change_user;

    /* Functions in C that the node runs, up to a NULL: grid_module.h. They, not the structs that
     * name them, stay until the node has stopped. */
    const struct grid_native_module *const *modules;

    void *ctx; /* of the two below */
    /* A line of the log, not below the level of the configuration: `part` is who says it ("store"),
     * `text` has no newline at its end. From any thread of the node, and from yours in
     * grid_node_start() and grid_node_reload(), several at a time; it should be quick. NULL: to
     * stderr, in the format of the configuration. */
    void (*log)(void *ctx, enum grid_log_level level, const char *part, const char *text);
    /* A fault that the node cannot go on from: a write or sync of its disk that failed, a control
     * log that cannot be read. Called once, at once, on the node's thread that met it. When it has
     * returned, the node ends as if it had been killed: nothing more is written or answered, its
     * connections are closed, other nodes take over; what it has acknowledged is kept. It stays to
     * be released with grid_node_stop(), and may be started again from its directory, when what was
     * wrong is mended. NULL: only the log says so. */
    void (*fault)(void *ctx, const char *why);
};

#define GRID_NODE_WHY_BYTES 768

/* Recover what is in the directory, listen, and run. It has not entered its grid when this returns:
 * see grid_node_ready(). The caller's, release with grid_node_stop(). NULL: nothing was started,
 * and `why` (GRID_NODE_WHY_BYTES, or NULL) says what is wrong, for people. */
GRID_API GRID_MUST_USE struct grid_node *grid_node_start(const struct grid_node_conf *conf,
                                                         char *why);
/* Take no new connections, hand what it is primary of over to others in sync, answer what was
 * asked, write log and checkpoint, and free everything. Takes up to some seconds; longer where the
 * system still looks for the address of a name in `peers`. Its directory may then be started
 * again, by this process, too. NULL is fine. */
GRID_API void grid_node_stop(struct grid_node *n);

/* Whether it is in its grid and serves; else `why` (GRID_NODE_WHY_BYTES, or NULL) has reasons, as
 * /readyz of gridd-http(7) gives them. Clients need not wait for it: they ask again. */
GRID_API bool grid_node_ready(struct grid_node *n, char *why);

enum grid_node_door { GRID_DOOR_CLIENT, GRID_DOOR_PEER, GRID_DOOR_HTTP, GRID_DOOR_RESP };
/* "127.0.0.1:7400", where it listens; NULL: that door is off. The node's. */
GRID_API const char *grid_node_address(const struct grid_node *n, enum grid_node_door door);

/* The text of /metrics (Prometheus); the caller's, release with free(). NULL: the node has
 * failed. */
GRID_API GRID_MUST_USE char *grid_node_metrics(struct grid_node *n);

/* Take over what a running node can of `conf` (files read anew): what gridd.conf(5) says of SIGHUP;
 * `log`, `fault` and `ctx` stay. False: everything is as it was, and `why` (GRID_NODE_WHY_BYTES, or
 * NULL) says why. */
GRID_API bool grid_node_reload(struct grid_node *n, const struct grid_node_conf *conf, char *why);

/* --- calls of the program to the grid, by its own node ---------------------------------------- */

/* They are what grid.h has, without a connection: what the node leads is done in its threads, all
 * else goes to other nodes by its links. Any number of threads may call at a time. A get of what is
 * in memory and led here takes no other thread at all: it is copied on yours.
 * Blocking ones ask again for ten seconds where nobody can do it; a write is done at most once.
 * Outcomes as in grid.h; besides, nothing was done at: GRID_EENTERING: the node is not in its grid
 * (yet), GRID_ESTOPPING, GRID_ECLOSED: it stops, or has failed, GRID_EBUSY, GRID_EUNREACHABLE:
 * nobody leads the partition just then. */
struct grid_node_cache; /* "context/cache", as one node reaches it */

/* The caller's, release with grid_node_cache_free() before the node stops. */
GRID_API GRID_MUST_USE enum grid_err grid_node_cache_open(struct grid_node *n, const char *path,
                                                          struct grid_node_cache **ret_cache);
GRID_API void grid_node_cache_free(struct grid_node_cache *c); /* NULL is fine */

/* As grid_get() to grid_task_run(). What was read is the caller's, release with free(v.data). */
GRID_API GRID_MUST_USE enum grid_err grid_node_get(struct grid_node_cache *c, struct grid_bytes key,
                                                   struct grid_bytes affinity,
                                                   struct grid_value *ret_value);
GRID_API GRID_MUST_USE enum grid_err grid_node_put(struct grid_node_cache *c, struct grid_bytes key,
                                                   struct grid_bytes value,
                                                   const struct grid_write *how,
                                                   uint64_t *ret_version);
GRID_API GRID_MUST_USE enum grid_err
grid_node_delete(struct grid_node_cache *c, struct grid_bytes key, const struct grid_write *how);
GRID_API GRID_MUST_USE enum grid_err grid_node_incr(struct grid_node_cache *c,
                                                    struct grid_bytes key, int64_t by,
                                                    const struct grid_write *how,
                                                    int64_t *ret_number);
GRID_API GRID_MUST_USE enum grid_err grid_node_expire(struct grid_node_cache *c,
                                                      struct grid_bytes key,
                                                      const struct grid_write *how,
                                                      uint64_t *ret_version);
/* `why` (GRID_NODE_WHY_BYTES, or NULL): of GRID_ETASK. ret_result may be NULL. */
GRID_API GRID_MUST_USE enum grid_err grid_node_run(struct grid_node_cache *c, const char *name,
                                                   struct grid_bytes key,
                                                   struct grid_bytes affinity,
                                                   struct grid_bytes argument,
                                                   struct grid_value *ret_result, char *why);

/* Without waiting: all is copied before the call returns, and `done` is called once, on a thread of
 * the node: it must not block, nor call anything blocking of the node or of gridd.h; it may start
 * more. Its result is borrowed. When the node has ended it may be called before the call returns,
 * or by the thread that ends the node. One thread's calls of one partition are begun in their
 * order, but a grid_node_get() beside them need not wait for them. */
GRID_API void grid_node_get_async(struct grid_node_cache *c, struct grid_bytes key,
                                  struct grid_bytes affinity, grid_done_fn *done, void *arg);
GRID_API void grid_node_put_async(struct grid_node_cache *c, struct grid_bytes key,
                                  struct grid_bytes value, const struct grid_write *how,
                                  grid_done_fn *done, void *arg);
GRID_API void grid_node_delete_async(struct grid_node_cache *c, struct grid_bytes key,
                                     const struct grid_write *how, grid_done_fn *done, void *arg);
GRID_API void grid_node_incr_async(struct grid_node_cache *c, struct grid_bytes key, int64_t by,
                                   const struct grid_write *how, grid_done_fn *done, void *arg);
GRID_API void grid_node_expire_async(struct grid_node_cache *c, struct grid_bytes key,
                                     const struct grid_write *how, grid_done_fn *done, void *arg);
GRID_API void grid_node_run_async(struct grid_node_cache *c, const char *name,
                                  struct grid_bytes key, struct grid_bytes affinity,
                                  struct grid_bytes argument, grid_done_fn *done, void *arg);

/* "0.1.0"; static. */
GRID_API const char *gridd_version(void);

#ifdef __cplusplus
}
#endif
#endif
