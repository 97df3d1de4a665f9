/* peers.h - the links of one thread to other nodes: dialled and accepted, greeted, kept, dialled
 * again. The control thread has one link to each node, each shard's thread one to every shard of
 * each node that may hold the same partitions (peers_pairs()).
 *
 *   control thread: listener -> peers_accept() -> Hello: a control link, stays here
 *                                                 a data link -> note -> peers of that shard
 *   shard's thread: dials from its own loop; what is accepted for it is brought to it
 *
 * A link is told up once and down once; between, messages of a class arrive in order, each at most
 * once. What waits when it goes down is dropped: who needs an answer asks again. Two links of one
 * pair never are up at once here: of two that are made at the same time the one that the smaller
 * node id dialled stays; one of a newer boot, or dialled anew by the same side, replaces what was,
 * unless that is heard and listens elsewhere: two processes have one node id (peers_twin.c).
 *
 * Order at the end: peers_stop() of all and resolver_stop(), loop_free() of the shards and of
 * control, then the rest in any order.
 * Used by the thread of its loop only. Callbacks come from inside loop turns, never from inside a
 * function of this file; all of these may be called from them, peers_free() excepted. */
#ifndef GRIDD_NODE_PEERS_H
#define GRIDD_NODE_PEERS_H

#include "net/conn.h"
#include "session/peer.h"

struct peers;      /* opaque */
struct peers_link; /* opaque */
struct resolver;   /* node/resolver.h */

struct peers_ports {
    void *ctx;
    /* The link may be used from now on, until `down` returns; peers_link_other() says to whom. */
    void (*up)(void *ctx, struct peers_link *k);
    /* `body` stays valid until the turn ends (loop_hooks.turn_end has returned). */
    void (*message)(void *ctx, struct peers_link *k, enum peer_class class, struct slice body);
    /* Bulk messages may be given again: less than PEERS_BULK_AHEAD waits. NULL: not told. */
    void (*room)(void *ctx, struct peers_link *k);
    void (*down)(void *ctx, struct peers_link *k, const char *why);
};

enum {
    PEERS_BULK_AHEAD = 1 << 20,  /* see peers_room() */
    PEERS_QUEUE_MAX = 256 << 20, /* a link with more that waits than this goes down */
    PEERS_SEEDS_MAX = 64,
};

struct peers_conf {
    struct loop *loop;
    enum peer_kind kind;
    struct peer_hello self;    /* kind, from_shard and window are filled in here */
    uint32_t shard;            /* DATA: whose thread this is, from 0 */
    struct tls *tls;           /* of TLS_PEER_NODE; NULL: plain. Borrowed */
    struct quota *quota;       /* of accepted connections; CONTROL only. Borrowed */
    struct resolver *resolver; /* for names; NULL: addresses are numbers. Borrowed */
    struct peers_ports ports;
    bool manual;                        /* who gets messages says peers_consumed() himself */
    msec_t ping_ms, silent_ms, dial_ms; /* 0: 250, 1000, 3000 */
};

/* Copies `conf`. Dials nobody until it is told whom. */
struct peers *peers_new(const struct peers_conf *conf);
/* All links end (down is told) in this turn, nothing is dialled or taken in any more. Then the loop
 * may be freed, and after it the rest by peers_free(). */
void peers_stop(struct peers *p);
void peers_free(struct peers *p); /* NULL is fine. Only when the loop is gone */

/* A node that links are wanted to. */
struct peers_node {
    uint8_t id[PEER_ID_BYTES];
    const char *address; /* "host:port" of its listen.peer */
    uint32_t shards;     /* DATA; 0: not known yet, nothing is dialled */
};
/* Links are wanted to these nodes and to no others: links to others go down (but a control link
 * that the other side dialled stays: it may be a node that wants to join). Copied; own id is passed
 * over. Cheap when nothing changed. */
void peers_set_nodes(struct peers *p, const struct peers_node *nodes, size_t len);
/* CONTROL: addresses where nodes may be found ("host:port"; a name may stand for several). Each
 * one is dialled until a link to who answers there is up; again when it is down. Copied. */
void peers_set_seeds(struct peers *p, const char *const *addresses, size_t len);
/* CONTROL: the link to the node that was last met at `address`, or NULL; then it is dialled, and
 * for a while from now on again and again. */
struct peers_link *peers_want(struct peers *p, const char *address);
/* What is said in Hellos from now on. Links that are up stay. */
void peers_set_grid_id(struct peers *p, const uint8_t id[PEER_ID_BYTES]);
/* CONTROL: the peers of the shards' threads, by shard: where accepted data links are brought, by a
 * `struct note` to their loops. Borrowed. */
void peers_set_shards(struct peers *p, struct peers *const *shards, uint32_t len);
/* CONTROL: a connection that the listener accepted, with its place in the quota. */
void peers_accept(struct peers *p, int fd, const struct net_addr *from);

/* Whether shard `a` of a node with `na` shards and shard `b` of one with `nb` hold the same
 * partitions, so that they are linked. */
bool peers_pairs(uint32_t a, uint32_t na, uint32_t b, uint32_t nb);

/* The link that is up to node `id` (and, DATA, to its shard), or NULL. */
struct peers_link *peers_find(struct peers *p, const uint8_t id[PEER_ID_BYTES], uint32_t shard);
/* DATA: any link to that node, to ask it for what another of its shards has; or NULL. */
struct peers_link *peers_find_any(struct peers *p, const uint8_t id[PEER_ID_BYTES]);
/* Each link that is up. */
void peers_each(struct peers *p, void (*each)(void *ctx, struct peers_link *k), void *ctx);
const struct peer_hello *peers_link_other(const struct peers_link *k);
bool peers_link_dialled(const struct peers_link *k);
/* In `down`: the other side or the network ended it, which says something of the other node: not
 * this one, for its silence, or because another link took its place. */
bool peers_link_lost(const struct peers_link *k);
/* The owner's own; NULL at first. */
void peers_link_set_owner(struct peers_link *k, void *owner);
void *peers_link_owner(const struct peers_link *k);
/* End it; down is told in this turn, then it is dialled anew. */
void peers_link_close(struct peers_link *k, const char *why);

/* Give a message (peer_begin() and peer_end()): it goes out at the end of this turn as far as
 * credit reaches. */
struct buf *peers_begin(struct peers_link *k, enum peer_class class);
void peers_end(struct peers_link *k);
void peers_send(struct peers_link *k, enum peer_class class, struct slice body);
/* Whether the next bulk message should be given now; when not, ports.room tells when. */
bool peers_room(struct peers_link *k);
/* With peers_conf.manual: bodies of so many bytes are dealt with. */
void peers_consumed(struct peers_link *k, enum peer_class class, size_t bytes);
/* At the end of loop_hooks.turn_end, when all of the turn has been given: hand it to the
 * sockets. */
void peers_turn_end(struct peers *p);

/* An address that is dialled again and again. */
struct peers_trouble {
    const char *address;
    const uint8_t *id; /* of the node that is meant; NULL: whoever answers */
    const char *why;
};
/* CONTROL: the one of that index; false: no more. Borrowed until the turn ends. */
bool peers_trouble(struct peers *p, size_t index, struct peers_trouble *ret_trouble);

/* Two processes that run with the node id of one. */
struct peers_twin {
    const char *node;
    const char *stays, *goes; /* addresses; the latter is refused */
};
/* CONTROL: as peers_trouble(). */
bool peers_twin(const struct peers *p, size_t index, struct peers_twin *ret_twin);

struct peers_stats {
    uint32_t links; /* up now */
    uint64_t ups, downs, refused;
    uint64_t messages_in, messages_out, bytes_in, bytes_out; /* bodies */
    size_t queued;                                           /* bytes that wait now */
};
void peers_stats(const struct peers *p, struct peers_stats *ret_stats);
void peers_check(const struct peers *p);

#endif
