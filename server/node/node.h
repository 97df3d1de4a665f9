/* node.h - one node, put together from the other rooms: control thread (the caller's), S shard
 * threads, and for each shard a log, a checkpoint and a cold-read thread. One per process today; no
 * globals.
 *
 * Start: certificates, addresses, privileges, data directory, recovery, threads; whatever fails
 * leaves nothing behind but a line in `why`. Order of stopping: see node_run. */
#ifndef GRIDD_NODE_NODE_H
#define GRIDD_NODE_NODE_H

#include "base/clock.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct node; /* opaque */

enum { NODE_WHY_BYTES = 768 };

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
    unsigned shards;        /* of a new data directory; 0: one per core */
    uint64_t segment_bytes; /* of the log; 0: 64 MiB */
    uint64_t memory_bytes;  /* for data; 0: half of the machine's */
    unsigned connections;   /* at once */
    msec_t idle_ms, slow_reader_ms, handshake_ms;
    unsigned requests;   /* unanswered, of one connection */
    size_t output_bytes; /* unsent, of one connection: then it is not read */
};

/* Recover and start serving. The node is the caller's; release with node_free(). Errors are those
 * of tls.h, listener.h, meta.h, wal.h, checkpoint.h; `why` (NODE_WHY_BYTES) is the line for the
 * user. */
MUST_USE
enum grid_err node_start(const struct node_conf *conf, char *why, struct node **ret_node);
/* Run the control thread until SIGTERM or SIGINT (which the caller has blocked in all threads):
 * then no new connections, answer what is in flight, flush and sync the log, write a checkpoint.
 * SIGHUP: `reload` is called, which may call node_reload(). A second SIGTERM or SIGINT ends the
 * process at once. */
void node_run(struct node *n, void (*reload)(void *ctx), void *ctx);
/* Take over what a running node can of `conf` (borrowed for the call): the certificates, read anew,
 * the users, and the limits of connections; they count for connections made from then on; of one of
 * several nodes its labels and weight, and where others are found. On
 * GRID_ETLS or GRID_EUNSUPPORTED (TLS turned on or off) everything stays as it was, and `why` says
 * why. */
MUST_USE
enum grid_err node_reload(struct node *n, const struct node_conf *conf, char *why);
void node_free(struct node *n); /* NULL is fine */
/* What is listened on, for people: "client 127.0.0.1:7400, http ...". Borrowed. */
const char *node_addresses(const struct node *n);
/* Shards of the data directory. */
unsigned node_shards(const struct node *n);

#endif
