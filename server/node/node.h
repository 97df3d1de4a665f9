/* node.h - one node, put together from the other rooms: a control thread, S shard threads, and for
 * each shard a log, a checkpoint and a cold-read thread, all its own. A process may have several;
 * no globals, no signals, no exit.
 *
 * Start: certificates, addresses, privileges, data directory, recovery, threads; whatever fails
 * leaves nothing behind but a line in `why`. Stop: no new connections, primaries to other nodes,
 * answer what is in flight, flush and sync the log, write a checkpoint. */
#ifndef GRIDD_NODE_NODE_H
#define GRIDD_NODE_NODE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>

struct node; /* opaque */
struct grid_native_module;

enum { NODE_WHY_BYTES = 768 };
enum node_door { NODE_DOOR_CLIENT, NODE_DOOR_PEER, NODE_DOOR_HTTP, NODE_DOOR_RESP, NODE_DOORS };

/* Strings are borrowed for the life of the node, labels and peers copied. Times in ms, 0: no
 * limit. */
struct node_conf {
    const char *name;
    const char *grid;
    const char *data; /* directory; made when missing */
    const char *user; /* become this user once the addresses are bound; NULL: stay */
    const char *const *labels;
    size_t labels_len;
    unsigned weight;          /* capacity beside the other nodes; 0: 1 */
    const char *const *peers; /* "host:port" where nodes of the grid are found; none: alone */
    size_t peers_len;
    unsigned bootstrap_expect; /* nodes that make a new grid together; 0: join one */
    const char *listen_client; /* "host:port" */
    const char *listen_peer;   /* used with peers only */
    const char *listen_http;   /* NULL here and below: that door is off */
    const char *listen_resp;
    const char *const *resp_caches; /* further RESP doors: "host:port=context/cache" */
    size_t resp_caches_len;
    bool resp_per_shard;      /* each shard has a RESP port of its own, too */
    uint16_t resp_shard_base; /* of shard 0; 0: the one behind listen_resp's */
    /* What others see; NULL: where it listens. */
    const char *advertise_client, *advertise_peer, *advertise_http, *advertise_resp;
    bool http_plain, resp_plain; /* without TLS, though there is a certificate */
    const char *ca, *cert, *key; /* NULL cert: no TLS */
    bool client_certificates;    /* required, else optional */
    const char *const *users;    /* credentials as text; none: nobody is asked */
    size_t users_len;
    const char *const *rights; /* lines that are good (base/rights.h); none: all may do all */
    size_t rights_len;
    unsigned shards;          /* of a new data directory; 0: one per core */
    unsigned job_threads;     /* jobs that run at once; 0: 4 for each shard */
    unsigned jobs_per_module; /* ... of one module; 0: no further limit */
    unsigned pool_threads;    /* for code that runs beside the shards; 0: as many as shards */
    uint64_t segment_bytes;   /* of the log; 0: 64 MiB */
    uint64_t memory_bytes;    /* for data; 0: half of the machine's */
    /* Native modules (grid_module.h): those of the program, up to a NULL, and the directory of
     * files; NULL: none. */
    const struct grid_native_module *const *modules;
    const char *module_dir;
    unsigned connections; /* at once */
    msec_t idle_ms, slow_reader_ms, handshake_ms;
    unsigned requests;    /* unanswered, of one connection */
    size_t output_bytes;  /* unsent, of one connection: then it is not read */
    struct log_sink *log; /* of all its threads; borrowed; NULL: that of the caller */
    /* A fault that the node cannot go on from (a sync failed), once, on the thread that met it, as
     * soon as it did. When it has returned the node ends as if killed: connections are closed, and
     * nothing is written. What was acknowledged is on disk. May be NULL. It may end the process, or
     * wake who calls node_stop(). */
    void (*fault)(void *ctx, const char *why);
    void *ctx;
};

/* Recover and start serving. The node is the caller's; release with node_stop(). Errors are those
 * of tls.h, listener.h, meta.h, wal.h, checkpoint.h; `why` (NODE_WHY_BYTES) is the line for the
 * user. */
MUST_USE
enum grid_err node_start(const struct node_conf *conf, char *why, struct node **ret_node);
/* Stop and free it; NULL is fine. Not from its own threads. */
void node_stop(struct node *n);

/* The rest may be called by any thread but the node's own, until node_stop() is. GRID_ECLOSED: the
 * node has failed. */

/* Take over what a running node can of `conf` (borrowed for the call): the certificates, read anew,
 * the users, and the limits of connections; they count for connections made from then on; of one of
 * several nodes its labels and weight, and where others are found. On
 * GRID_ETLS or GRID_EUNSUPPORTED (TLS turned on or off) everything stays as it was, and `why` says
 * why. */
MUST_USE
enum grid_err node_reload(struct node *n, const struct node_conf *conf, char *why);
/* Append all numbers of the node: samples of base/metrics.h. */
MUST_USE
enum grid_err node_measure(struct node *n, struct buf *samples);
/* "127.0.0.1:7400", as it is listened on; NULL: that door is off. Borrowed. */
const char *node_address(const struct node *n, enum node_door door);

#endif
