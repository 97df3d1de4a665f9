/* peers_priv.h - the links of a thread, for peers.c (a link's life), peers_way.c (whom to dial, and
 * when), peers_arrive.c (what is accepted) and peers_twin.c (who has the node id of another). */
#ifndef GRIDD_NODE_PEERS_PRIV_H
#define GRIDD_NODE_PEERS_PRIV_H

#include "base/list.h"
#include "node/peers.h"
#include "node/threads_priv.h"

enum { PEERS_SAID = 32, PEERS_REPEAT_MS = 600000, PEERS_TWINS = 4 };

/* A link that is wanted: to a node (and shard) that is known by its id, or to whoever answers at an
 * address. */
struct way {
    struct list all; /* peers.ways */
    char *address;
    bool has_id; /* the id is given, not learnt */
    bool met;    /* id is that of who answered last */
    bool self;   /* this node itself answered */
    bool seed;   /* of peers_set_seeds() */
    bool wanted; /* mark of peers_set_nodes(), peers_set_seeds() */
    uint8_t id[PEER_ID_BYTES];
    uint32_t shard;
    msec_t until; /* of peers_want(): given up then */
    struct net_addr addrs[NET_ADDRS_MAX];
    size_t addrs_len, addrs_at;
    bool resolving;
    struct peers_link *dialling; /* not up yet */
    msec_t dial_at;              /* not before */
    unsigned failures;           /* since a link was up */
    bool complained;             /* that it cannot be reached, since a link was up */
    char why[PEER_WHY_BYTES];    /* the last failure */
};

struct peers_link {
    struct list all;   /* peers.links */
    struct list dirty; /* peers.dirty, or linked to itself */
    struct peers *peers;
    struct conn *conn;
    struct peer *peer;
    struct way *way; /* it was dialled for; NULL: accepted, or the way is gone */
    msec_t since;
    bool dialled;
    bool opened;  /* connected, so that what is dialled has said Hello */
    bool up;      /* told, and not told down */
    bool closing; /* takes and gives nothing any more */
    bool lost;    /* ended by the other side, or the network */
    bool wants_room;
    bool moving;       /* to the thread of its shard */
    uint32_t shard;    /* of the other node */
    const char *ended; /* why, when `closing`: of why_text */
    char why_text[PEER_WHY_BYTES];
    void *owner;
    struct buf trash; /* what is given while it is closing */
};

struct twin { /* two processes with one node id, by their addresses */
    char node[sizeof((struct peer_hello){0}.node)];
    char stays[PEER_ADDRESS_BYTES], goes[PEER_ADDRESS_BYTES];
    msec_t first, last; /* when both were seen; 0: never */
};

struct peers {
    struct peers_conf conf;
    struct conn_conf in, out;  /* of what is accepted, dialled */
    struct conn_conf out_soon; /* dialled without patience */
    struct list ways, links, dirty;
    struct peers *const *shards; /* CONTROL: of the shards' threads */
    uint32_t shards_len;
    struct loop_timer timer;
    struct buf nodes; /* of the last peers_set_nodes(), to tell whether anything changed */
    msec_t pinged_at;
    bool stopped;
    struct {
        uint64_t hash;
        msec_t at;
    } said[PEERS_SAID]; /* what was logged lately */
    unsigned said_at;
    struct twin twins[PEERS_TWINS];
    struct peers_stats stats;
};

static inline bool peers_same(const uint8_t a[PEER_ID_BYTES], const uint8_t b[PEER_ID_BYTES])
{
    return memcmp(a, b, PEER_ID_BYTES) == 0;
}

/* This node dials first: of two links made at once its one stays. */
static inline bool peers_first(const struct peers *p, const uint8_t other[PEER_ID_BYTES])
{
    return memcmp(p->conf.self.node_id, other, PEER_ID_BYTES) < 0;
}

/* Whether to say `text`: not when it was said lately. */
bool peers_news(struct peers *p, const char *text);

/* peers.c */
struct peers_link *link_new(struct peers *p, struct way *way);
void link_dirty(struct peers_link *k);
/* End it in this turn, or when what is to be sent is sent. */
void link_end(struct peers_link *k, const char *why);
void link_finish(struct peers_link *k, const char *why);
/* Tell, if it is up; not from inside a call of the owner's. */
void link_down(struct peers_link *k, const char *why);
void link_up(struct peers_link *k);
extern const struct conn_handler peers_handler;

/* peers_arrive.c: an accepted connection said who it is; a dialled one was welcomed. */
void arrive_asked(struct peers_link *k);
void arrive_welcome(struct peers_link *k);
void arrive_detached(struct peers_link *k);
/* The other side, or this one, does not want it. */
void arrive_refused(struct peers_link *k, const struct peer_event *e);

/* peers_twin.c: whether both run, `was` being up. */
bool twins(const struct peers_link *k, const struct peers_link *was);
/* Of such two: `k` is the one that goes; `why` has PEER_WHY_BYTES. */
bool twin_refused(struct peers_link *k, const struct peers_link *was, enum grid_err *ret_status,
                  char *why);

/* peers_way.c */
struct way *way_find(struct peers *p, const uint8_t id[PEER_ID_BYTES], uint32_t shard);
/* The link that was dialled for it, or its conn, has ended. */
void way_failed(struct peers *p, struct way *w, const char *why, bool told);
void way_succeeded(struct way *w);
void ways_dial(struct peers *p);
void ways_free(struct peers *p);
void peers_arm(struct peers *p, msec_t ms);

#endif
