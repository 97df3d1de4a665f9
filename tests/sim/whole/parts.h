/* parts.h - what a world is made of: links between threads, nodes, their shards. */
#ifndef TESTS_SIM_WHOLE_PARTS_H
#define TESTS_SIM_WHOLE_PARTS_H

#include "base/buf.h"
#include "grid/member.h"
#include "session/router.h"
#include "shard/shard.h"
#include "tests/sim/grid/disk.h"
#include "wire/arena.h"

enum {
    SHARDS_MAX = 2,
    ACTORS = 1 + SHARDS_MAX, /* threads of a node: control, shards */
    CLASSES = 3,
};
struct world;

/* --- the network: links between threads ------------------------------------------------------- */

struct parcel {
    struct parcel *next;
    msec_t at;
    struct buf bytes;
};

struct pipe { /* one direction and class: keeps order */
    struct parcel *first, **end;
    msec_t last;
    size_t bytes;
    bool armed, full;
};

struct end {
    unsigned node, actor;
    uint64_t gen;  /* that this end takes for up; 0: none */
    uint32_t told; /* number by which the shard was told */
    struct router_link *route;
    struct simlink *link; /* of which it is this side */
    unsigned side;
};

struct simlink {
    uint64_t gen; /* of what goes through; ends that believe in another talk to nobody */
    bool up;
    struct end ends[2];
    msec_t again_at;
    struct pipe pipes[2][CLASSES]; /* by sending end */
};

/* --- nodes ------------------------------------------------------------------------------------ */

struct machine;
struct simnode;

struct bad_copy {
    uint32_t context;
    uint16_t partition;
};

struct simshard {
    struct simnode *node;
    unsigned index;
    struct shard *s; /* NULL: down */
    struct grid_state *state;
    struct replica_member self;
    struct buf *log; /* record of each lsn */
    size_t log_len, log_cap, written, syncing, durable;
    size_t log_first;      /* records up to this lsn are not read again but by a start */
    struct log_read *read; /* asked for; NULL: nothing */
    bool wanted;           /* somebody waits for a sync */
    msec_t unsynced_since;
    msec_t mail_at, up_at; /* mail keeps order */
    bool room, over;
    msec_t turn_due, tick_due; /* 0: none */
    struct router *router;
    bool routing;    /* its clock is set */
    msec_t own_at;   /* mail to itself */
    struct op **ops; /* of this turn */
    size_t ops_len, ops_cap;
    bool astray;          /* as its sessions say */
    struct bad_copy *bad; /* what its checkpoint says is damaged */
    size_t bad_len;
};

struct simnode {
    struct world *w;
    unsigned index;
    struct node_info info;
    char address[32];
    uint32_t expect;
    bool running, removed;
    uint64_t life; /* counts processes: events of earlier ones are void */
    uint64_t starts;
    msec_t back_at; /* when it is started again, if it is down; 0: not before the end */
    msec_t stalled_until[ACTORS], stalled_at[ACTORS];
    double rate; /* of its clock */
    msec_t offset;
    msec_t slow_until; /* its disk */
    msec_t full_until; /* likewise */
    unsigned room;     /* records that its logs take all the same */
    /* control */
    struct simdisk disk;
    struct write *writes, **writes_end;
    msec_t disk_free_at;
    struct grid_member *member;
    msec_t wake;
    struct arena *arena, *scratch;
    struct catalog *catalog, *stored; /* known; on disk */
    struct grid_state *news, *last;   /* to be told; published last */
    struct replica_member self, told;
    bool in, refused, broadcast, astray;
    msec_t leave_by; /* a clean stop is under way */
    bool leave_sent, left;
    struct simshard shards[SHARDS_MAX];
    struct machine *machine; /* what code of users runs on; NULL: there is none in this seed */
    int wall;                /* ms that its clock of the day is ahead */
};

#endif
