/* member_priv.h - the insides of a member. Who does what with them: parts_priv.h. */
#ifndef GRIDD_GRID_MEMBER_PRIV_H
#define GRIDD_GRID_MEMBER_PRIV_H

#include "base/list.h"
#include "base/sm.h"
#include "control/settings.h"
#include "grid/detector.h"
#include "grid/member.h"
#include "grid/news_priv.h"
#include "grid/sabotage.h"

enum {
    HELLO_MS = 200,               /* between two HELLOs to the same */
    HELLO_SELDOM_MS = 2000,       /* when refused */
    FRESH_MS = 1000,              /* a HELLO or an echo is proof so long */
    FORGET_MS = 60000,            /* who is in no grid and silent */
    PEERS_MAX = 4096,             /* known at once */
    PLAN_MS = 100,                /* between two plans of a settled grid */
    RESEND_MS = 300,              /* a proposal that was not answered */
    FOLLOW_RESEND_MS = 200,       /* a delta that did not help */
    LAG_MS = 250,                 /* a voter behind for so long follows, too */
    ASLEEP_MS = 300,              /* no call for so long: this node slept, not the others */
    STABLE_MS = 10000,            /* a life so long is none of a flapping node */
    BACKOFF_MAX_MS = 1000,        /* between two lives of one */
    GRID_REFUSED_AFTER_MS = 3000, /* a foreign refusal counts when the own grid is silent */
    ALONE_MS = 5000,              /* who founds alone asks its peers for a grid so long */
    NEWS_MS = 1000,               /* reports are said again */
    TAIL_BYTES = 4 << 20,         /* commands kept for followers */
};

struct candidate { /* what a HELLO said */
    struct node_info info;
    uint32_t expect;
    bool of_grid; /* it has a grid already */
    uint8_t founder[GRID_ID_BYTES];
    uint8_t attempt[GRID_ID_BYTES];
    size_t heard_len; /* candidates that it hears itself */
    uint8_t heard[GRID_SIGHTS_MAX][GRID_ID_BYTES];
};

struct grid_peer {
    uint8_t id[GRID_ID_BYTES];
    char address[GRID_ADDRESS_BYTES_MAX + 1]; /* newest; "": not known */
    uint32_t number;                          /* 0: not known */
    msec_t seen;                              /* when anything came from it */
    msec_t closed_at;                         /* its link, and nothing came since; 0: no */
    /* HELLO */
    struct candidate *hello; /* NULL: never said one */
    msec_t hello_at;         /* when the last came */
    msec_t hello_sent;
    msec_t echo;     /* `sent` of its last WELCOME as leader */
    msec_t proven;   /* to this leader: when a HELLO with a fresh echo came; 0: none */
    msec_t enter_at; /* ENTER was submitted; 0: no */
    uint8_t enter_boot[GRID_ID_BYTES];
    char refused[WHY_BYTES]; /* why its ENTER failed; "": it did not */
    bool welcome;            /* is owed one */
    /* BEACON */
    struct replica_member life; /* of the newest beacon */
    msec_t heard;               /* when it came */
    msec_t newest;              /* its `sent`: granted, to be echoed */
    uint64_t revision;          /* of its state */
    bool stops;                 /* in order: it is given nothing more */
    uint32_t level;             /* the highest feature level it knows; 0: it tells none */
    msec_t held;                /* a lease it gave that waits for our state: our `sent` */
    uint64_t held_revision;
    msec_t hurry_until; /* its leases ran short */
    msec_t told_gone;
    /* followers */
    msec_t follow_at; /* when it last asked for the stream; 0: never */
    uint64_t sent_revision;
    msec_t sent_at;
};

struct proposal { /* of this node */
    struct list link;
    uint64_t number;
    struct buf bytes;
    msec_t deadline;
    msec_t sent; /* 0: not yet */
    uint64_t *tickets;
    size_t tickets_len;
    bool changes;  /* of many tickets, one per part change */
    bool answered; /* its outcome waits for the state that shows it */
    struct grid_outcome *outcome;
    size_t parts_len;
    uint64_t revision;
};

struct asked { /* of anyone, at the leader */
    struct list link;
    uint64_t session;
    uint64_t number;
    uint8_t origin[GRID_ID_BYTES];
    bool submitted;
    struct buf bytes;
};

struct change_wait { /* one part change until the next step */
    struct part_change change;
    msec_t deadline;
    uint64_t ticket;
};

struct pair { /* of nodes that are up and do not hear each other */
    uint32_t low, high;
    msec_t since;
    msec_t last;
};

struct job { /* at the disk */
    uint64_t job;
    uint64_t write; /* raft's number; 0: none */
    bool identity;  /* identity as of this job is on disk then */
    struct grid_identity as;
};

struct lead { /* only while this node leads the log */
    struct plan *plan;
    struct plan_output *out;
    msec_t since;
    msec_t plan_at;         /* next */
    uint64_t plan_index;    /* what the last plan proposed ends here */
    uint64_t plan_revision; /* of the state it was made of */
    struct news reports;    /* of all nodes */
    struct news progress;
    uint64_t voters_index; /* VOTERS is under way up to here */
    uint64_t enter_index;  /* ENTER likewise */
    uint64_t levels_index; /* LEVELS likewise */
    msec_t transfer_at;
    bool settled;
    uint32_t misplaced;
    struct pair *pairs;
    size_t pairs_len;
};

struct grid_member {
    /* as given */
    char grid[NAME_BYTES_MAX + 1];
    struct node_info info; /* boot_id: of the present or next life */
    char (*addresses)[GRID_ADDRESS_BYTES_MAX + 1];
    size_t addresses_len;
    uint32_t expect;
    struct catalog *adopt;
    uint32_t adopt_epoch;
    uint64_t catalog_known; /* 0: none of this grid */
    struct prng prng[2];
    struct grid_ports ports;
    struct grid_codec codec;
    msec_t now;
    msec_t wall;
    msec_t woke; /* everyone is granted a period from then */
    /* who it is */
    enum grid_phase phase;
    struct grid_identity identity; /* as it will be on disk */
    struct grid_identity stable;   /* as it is */
    struct replica_member self;    /* boot 0: not entered */
    char why[WHY_BYTES];           /* what it waits for */
    char refusal[WHY_BYTES];       /* as told last */
    bool for_good;                 /* likewise: it does not pass by itself */
    msec_t began_at, welcomed_at;
    bool has_data;
    bool met;     /* a grid of this name, which may have refused it: it never founds another one */
    bool leaving; /* no life after this one */
    msec_t entered_at;
    unsigned short_lives;
    msec_t hello_next;
    uint8_t attempt[GRID_ID_BYTES]; /* founding: own, or that obeyed */
    bool founding;                  /* its first snapshot is under way to the disk */
    struct buf founded;
    struct grid_peer **peers;
    size_t peers_len;
    msec_t forget_at;
    /* the disk */
    uint64_t job_last;
    struct job *jobs; /* in order */
    size_t jobs_len;
    /* the log */
    struct raft *raft;          /* NULL: takes no part */
    struct grid_state *applied; /* by the log; NULL without raft */
    struct control_tail *tail;
    uint32_t leader;
    uint64_t term;
    bool leading; /* as raft says */
    bool step_down;
    msec_t step_down_by;
    struct lead *lead; /* NULL: not the leader, or not ready */
    struct grid_detector detector;
    /* states */
    struct grid_state *state; /* published */
    struct grid_state *newer; /* to be published at the end of this call; NULL: none */
    struct grid_leases *leases;
    bool released;
    msec_t beat_next;
    msec_t hurry_next; /* of beacons to those whose leases run short; UINT64_MAX: of none do */
    /* the stream */
    struct buf piece;
    uint64_t piece_revision;
    uint64_t piece_total;
    bool piece_bad;
    msec_t lag_since;    /* others are ahead since; 0: none is */
    struct buf snapshot; /* encoded `state`, for followers */
    uint64_t snapshot_revision;
    /* proposals */
    uint64_t session;
    uint64_t number_next;
    struct list proposals;
    size_t proposals_len;
    struct change_wait *changes;
    size_t changes_len;
    size_t changes_cap;
    struct list asked; /* at the leader */
    size_t asked_len;
    bool submit_wanted;
    struct news reports; /* own */
    struct news progress;
    msec_t news_at;
    bool news_wanted;
    msec_t self_enter_at;
};

static inline bool id_is_zero(const uint8_t *id)
{
    static const uint8_t zero[GRID_ID_BYTES];
    return memcmp(id, zero, GRID_ID_BYTES) == 0;
}

static inline bool id_eq(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, GRID_ID_BYTES) == 0;
}

static inline void id_copy(uint8_t *to, const uint8_t *from)
{
    memcpy(to, from, GRID_ID_BYTES);
}

static inline bool member_founded(const struct grid_member *m)
{
    return m->state->revision > 0;
}

#endif
