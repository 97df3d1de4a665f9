/* plan.h - what the leader does next so that the grid becomes what it should be: a function of the
 * state and of what the leader was told. It keeps no promise of its own: all that is under way is
 * in the state, so the next leader goes on where this one ended.
 *
 * In this order: who is gone; who leads what nobody leads; copies that are missing; copies that
 * should be elsewhere; primaries that should be elsewhere; copies too many; when all that is done,
 * instances of services of mode copies (service.h), from nodes that have two more than others. A
 * copy moves so:
 *
 *   add joining -> (catches up; its primary promotes it) -> hand over, if a primary moves -> shrink
 *
 * The planner is called when the state changed and every 50..100 ms; without a change to make, that
 * is cheap. All it returns is compare-and-set: said twice or late, it does nothing. */
#ifndef GRIDD_CONTROL_PLAN_H
#define GRIDD_CONTROL_PLAN_H

#include "control/command.h"

struct plan; /* opaque: memory of where things should go. Losing it costs nothing but work */

struct plan_node { /* what the leader knows of a node that is up in the state */
    uint32_t number;
    msec_t silent_ms; /* since its last heartbeat in its present boot, or since the leader is one */
    bool heard;       /* a heartbeat came since the leader is one. Of itself: always */
    bool restarted;   /* it asks to enter with another boot: the present one is over */
    bool stops;       /* in order: it hands over by itself, and is given nothing */
};

struct plan_report { /* a member of an unled partition came back and says how far it has got */
    uint32_t context;
    uint32_t partition;
    struct replica_member member; /* in its present boot */
    uint32_t epoch;               /* of its last record; 0: it has none */
    uint64_t seq;
    bool broken; /* what it has cannot be relied on */
};

struct plan_progress { /* a primary says how a joining member gets on */
    uint32_t context;
    uint32_t partition;
    uint64_t bytes_left;
};

struct plan_pair { /* of nodes that are up, and see the leader, but not each other */
    uint32_t low, high;
};

struct plan_input {
    const struct grid_state *state;
    msec_t now;                    /* unix ms of the leader, for `since` of nodes */
    const struct plan_node *nodes; /* those that are up, any order; one that is missing counts as
                                      silent for ever */
    size_t nodes_len;
    const struct plan_report *reports; /* those about unled partitions, any order */
    size_t reports_len;
    const struct plan_progress *progress; /* of joining members that are known, any order */
    size_t progress_len;
    const struct plan_pair *pairs; /* no copy of the one's begins at the other; another stands in */
    size_t pairs_len;
    const uint32_t *voters; /* members of raft that vote, by number; NULL: as the state has it */
    size_t voters_len;
    uint32_t self; /* number of the leader; 0: not known */
};

struct plan_ask { /* for the primary: stop, drain, and propose PART_HAND_OVER to `to` (R12) */
    uint32_t context;
    uint32_t partition;
    uint32_t epoch;
    struct replica_member primary;
    struct replica_member to;
};

enum { PLAN_PARTS_MAX = GRID_PARTS_MAX, PLAN_ASKS_MAX = 64 };

struct plan_output {
    /* Propose in this order, as they are there: one GRID_GONE, one GRID_PARTS. */
    struct replica_member gone[GRID_NODES_MAX];
    size_t gone_len;
    struct part_change parts[PLAN_PARTS_MAX];
    size_t parts_len;
    char moved[SERVICE_NAME_BYTES + 1];  /* that move.name is of; empty: none */
    struct service_move move;            /* propose one GRID_SERVICE_MOVE */
    struct plan_ask asks[PLAN_ASKS_MAX]; /* send; to be said again while they come back */
    size_t asks_len;
    /* Change the membership of raft by one; 0: no change wanted. Add before drop. */
    uint32_t voter_add;
    uint32_t voter_drop;
    /* Whether a node may enter that is up in the state in another boot: not while it is open who is
     * gone (see ENTER). One that is unknown, or down, may at any time. */
    bool may_enter;
    bool settled;       /* nothing to do, nothing under way, nobody waited for */
    uint32_t misplaced; /* partitions whose copies are not yet where they should be */
};

struct plan *plan_new(void);
void plan_free(struct plan *p); /* NULL is fine */
void plan_next(struct plan *p, const struct plan_input *in, struct plan_output *ret_output);

#endif
