/* membership_priv.h - what membership.c (the machine) and membership_conf.c (what gridd.conf says
 * of it) share. Control thread. */
#ifndef GRIDD_NODE_MEMBERSHIP_PRIV_H
#define GRIDD_NODE_MEMBERSHIP_PRIV_H

#include "net/listener.h"
#include "node/membership.h"
#include "node/peers.h"
#include "node/raft_disk.h"
#include "node/resolver.h"

enum { HEARD_MAX = 16, SEEDS_OF_CONF_MAX = PEERS_SEEDS_MAX - HEARD_MAX };

/* A proposal under way: whom to tell; with `shown` not before the workers were told of the state
 * that shows it. */
struct asked {
    struct list node; /* in membership.waiting: the outcome is there, the state is not */
    membership_done_fn *done;
    void *ctx;
    bool shown;
    uint64_t revision;
    struct replica_member member;
};

struct membership {
    struct node *node;
    struct node_info info;
    struct grid_member *member; /* NULL until membership_start() */
    bool fresh;                 /* the data directory was made by this start */
    struct raftstore *store;
    struct raftstore_found found; /* until the member is made */
    struct raft_disk *disk;
    struct arena *arena;   /* of messages: reset when one is dealt with */
    struct arena *scratch; /* of commands */
    struct peers *peers;
    struct peers **of_shards;
    char heard[HEARD_MAX][GRID_ADDRESS_BYTES_MAX + 1]; /* addresses that others told of */
    unsigned heard_next;
    struct resolver *resolver;
    struct tls *tls; /* NULL: plain */
    struct listener *listener;
    struct loop_timer timer;
    struct grid_state *news; /* published in this turn; NULL: none */
    struct replica_member self, told;
    bool told_astray;            /* see grid_member_astray() */
    uint32_t leader;             /* heard of last */
    uint64_t leaders, failovers; /* so far: see membership_counts() */
    struct grid_state *last;     /* that was published */
    pthread_mutex_t waits_lock;
    char waits[WAITS_BYTES]; /* for sessions; empty: it is in */
    struct list waiting;
    uint64_t revision; /* that the workers were told */
    bool unstored;     /* the catalog that they know is not on disk: there is no space */
    msec_t store_at;   /* then it is tried again */
    bool closed;
    bool broadcast; /* the HELLO of this step has gone to all links */
    bool drain_due; /* it leaves, and leads the control plane still */
    void (*left)(struct node *n);
};

/* membership_conf.c */
struct tls_conf tls_conf_of_peers(const struct node_conf *c);
/* What others are told of this node: m->info. */
MUST_USE
enum grid_err membership_info(struct membership *m, char *why);
/* Addresses to dial: those of the conf, and the latest that others told of. */
void membership_seeds(struct membership *m);
void membership_seed_add(struct membership *m, const char *address);

#endif
