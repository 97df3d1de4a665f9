/* message.h - what members of the control plane say to each other, as plain structs; server/wire
 * makes bytes of them. What a message borrows lives as long as the call that carries it.
 *
 * Each kind may be lost, repeated, late or out of order: none is answered for its own sake alone,
 * and what is said is true for ever ("entered with this boot", "granted at revision 7") or named by
 * who it is about. From is proven by the link (TLS), or at least claimed; a member trusts what the
 * members of its grid say, and checks every number. */
#ifndef GRIDD_GRID_MESSAGE_H
#define GRIDD_GRID_MESSAGE_H

#include "control/plan.h"
#include "raft/raft.h"

enum {
    GRID_SIGHTS_MAX = GRID_FOUNDERS_MAX, /* of HELLO */
    GRID_QUIET_MAX = 64,                 /* of BEACON */
    GRID_NEWS_MAX = 512,                 /* reports, and progress, of one NEWS */
    GRID_PIECE_BYTES_MAX = 256 << 10,    /* of a snapshot */
    GRID_DELTA_BYTES_MAX = 256 << 10,    /* a delta is about that, or one command */
};

enum grid_message_kind {
    GRID_MSG_HELLO = 1,
    GRID_MSG_WELCOME = 2,
    GRID_MSG_BEACON = 3,
    GRID_MSG_RAFT = 4,
    GRID_MSG_PIECE = 5,
    GRID_MSG_DELTA = 6,
    GRID_MSG_PROPOSE = 7,
    GRID_MSG_OUTCOME = 8,
    GRID_MSG_NEWS = 9,
    GRID_MSG_ASK = 10,
};

struct grid_sight { /* another candidate that the sender knows of */
    uint8_t id[GRID_ID_BYTES];
    char address[GRID_ADDRESS_BYTES_MAX + 1]; /* of its peer door */
    bool heard;                               /* itself, lately; else hearsay */
};

/* From who is not in the grid yet, or lost sight of it: to all it knows. */
struct grid_hello {
    const struct node_info *info; /* with the boot id it means to enter with */
    const char *grid;             /* name */
    uint32_t bootstrap_expect;
    uint8_t founder[GRID_ID_BYTES];  /* promised to it alone, on disk; zeros: to nobody */
    uint8_t attempt[GRID_ID_BYTES];  /* of the founder: id of the grid to be; else of the founder's
                                       HELLO that was last obeyed; zeros: none */
    const struct grid_sight *sights; /* candidates; by id */
    size_t sights_len;
    msec_t echo; /* `sent` of the leader's last WELCOME; 0: none. An entry needs a fresh one */
};

/* To who says HELLO, from a member of a grid. */
struct grid_welcome {
    const char *grid;
    uint8_t boot_id[GRID_ID_BYTES]; /* of the HELLO */
    struct replica_member you;      /* number, if the node is known; boot, if this boot entered */
    bool gone;                      /* this boot id is over: come with another */
    const char *refused;            /* NULL, or why it is not let in: for people */
    bool for_good;                  /* likewise: it does not pass by itself */
    msec_t sent;                    /* sender's clock; 0: the sender does not lead */
    uint32_t leader;                /* 0: not known */
    uint8_t leader_id[GRID_ID_BYTES];
    const char *leader_address;
    const struct grid_sight *nodes; /* others to ask; `heard` means up */
    size_t nodes_len;
};

/* From each member to each other, every GRID_BEAT_MS: that it lives, and R7. */
struct grid_beacon {
    msec_t sent; /* sender's clock, 1.. */
    struct replica_member to;
    msec_t echo;           /* `sent` of the newest beacon of `to`, which is granted; 0: none */
    uint64_t revision;     /* of the sender's state: of the grant */
    uint64_t term;         /* the newest the sender knows */
    uint32_t leader;       /* in that term; 0: not known */
    bool probe;            /* answer at once */
    bool released;         /* the sender answers no read any more: its leases may be forgotten */
    bool follow;           /* send me what is newer than `revision` */
    bool restart;          /* of `follow`: what came is of no use, send a snapshot */
    bool stops;            /* the sender is about to leave: give it nothing more */
    bool gone;             /* the life `to` is over: begin another */
    uint32_t level;        /* the highest feature level that the sender knows; 0: it tells none */
    const uint32_t *quiet; /* to the leader: nodes that are up but have not been heard for long */
    size_t quiet_len;
};

struct grid_piece { /* of a snapshot of the state, to a follower */
    uint64_t revision;
    uint64_t offset;
    uint64_t total;
    struct slice bytes;
};

struct grid_delta {    /* to a follower */
    uint64_t revision; /* where it leads */
    struct slice bytes;
};

struct grid_propose { /* to the leader; said again until it is answered */
    uint64_t session;
    uint64_t number;
    struct slice command; /* encoded, with these two */
};

struct grid_answer {
    uint64_t session;
    uint64_t number;
    uint64_t revision; /* of the state that shows it */
    const struct grid_outcome *outcome;
    uint32_t parts_len; /* of the outcome's part_err */
};

struct grid_news { /* to the leader, from time to time */
    const struct plan_report *reports;
    size_t reports_len;
    const struct plan_progress *progress;
    size_t progress_len;
};

struct grid_message {
    enum grid_message_kind kind;
    uint8_t grid_id[GRID_ID_BYTES]; /* zeros: the sender has none yet */
    uint8_t from[GRID_ID_BYTES];    /* node id */
    struct replica_member member;   /* of the sender; {0, 0}: not entered */
    union {
        struct grid_hello hello;
        struct grid_welcome welcome;
        struct grid_beacon beacon;
        const struct raft_message *raft;
        struct grid_piece piece;
        struct grid_delta delta;
        struct grid_propose propose;
        struct grid_answer answer;
        struct grid_news news;
        struct plan_ask ask;
    } u;
};

#endif
