/* command.h - what changes the control state: the entries of the control log. Pure.
 * Applying is deterministic and total: whatever a command says, the state stays sound, and a
 * command that is refused changes nothing (but that its number is remembered). Nothing here reads
 * a clock: `now` is the proposer's. What is borrowed by a command is the caller's, and is not kept.
 *
 * R1: a partition's configuration changes only by a PARTS change that names its epoch, or because
 * the boot of a member ended (GONE, ENTER, REMOVE); each time its epoch grows by 1.
 * C8: commands carry (session, number) and are applied once. */
#ifndef GRIDD_CONTROL_COMMAND_H
#define GRIDD_CONTROL_COMMAND_H

#include "control/state.h"

enum { GRID_PARTS_MAX = 256, GRID_FOUNDERS_MAX = 64 };

enum grid_command_kind {
    GRID_FOUND = 1,
    GRID_ENTER = 2,
    GRID_GONE = 3,
    GRID_ALTER = 4,
    GRID_DRAIN = 5,
    GRID_REMOVE = 6,
    GRID_PARTS = 7,
    GRID_VOTERS = 8,
    GRID_POLICY = 9,
    GRID_CONTEXT_CREATE = 10,
    GRID_CONTEXT_ALTER = 11,
    GRID_CONTEXT_DROP = 12,
    GRID_CACHE_CREATE = 13,
    GRID_CACHE_DROP = 14,
    GRID_SETTING_SET = 15,
    GRID_MODULE_DEPLOY = 16,
    GRID_MODULE_REMOVE = 17,
    GRID_LEVELS = 18,
    GRID_SERVICE_DEPLOY = 19,
    GRID_SERVICE_STOP = 20,
    GRID_SERVICE_MOVE = 21,
};

/* Changes of one partition, by compare-and-set on its epoch. GRID_ESTALE: the epoch is another;
 * GRID_ECONDITION: not possible as things are. */
enum part_change_kind {
    /* Out of the in-sync set: asked by the primary of one that does not ack (R8), or by the planner
     * of one too many. Not the primary. Below min_in_sync it stays eligible. */
    PART_SHRINK = 1,
    PART_ADD_JOINING = 2,  /* a node that is up and no member yet begins to catch up */
    PART_DROP_JOINING = 3, /* it stops */
    /* Joining -> in sync. Asked by the primary alone, for it must count the member from the moment
     * of asking (R8). */
    PART_PROMOTE = 4,
    /* Another in-sync member becomes primary, the old one stays a backup. Asked by the primary
     * when it has stopped and drained (R12). */
    PART_HAND_OVER = 5,
    /* R10: an unled partition gets a primary of its in-sync or eligible members, one that is back;
     * the others that came back are joining, the rest is out. The planner makes sure that it is
     * the most advanced. */
    PART_LEAD = 6,
    PART_RECOVER = 7, /* the operator accepts loss: any node that is up leads with what it has */
    PART_RESET = 8,   /* a lost partition begins again, empty, where placement wants it */
    /* R9: the primary, alone in sync, cannot rely on what it has, and has committed nothing since
     * another was in sync, too: that one leads, or is waited for (R10). Asked by the primary. */
    PART_GIVE_BACK = 9,
    PART_KIND_MAX = PART_GIVE_BACK,
};

struct part_change {
    enum part_change_kind kind;
    uint32_t context;
    uint32_t partition;
    uint32_t epoch;               /* that it has today */
    struct replica_member member; /* whom it is about; RESET: nobody */
};

struct node_level {
    struct replica_member member;
    uint32_t level; /* the highest that it knows, 1.. */
};

struct grid_command {
    enum grid_command_kind kind;
    uint64_t session; /* of the proposer, random; 0: applied whenever it is met */
    uint64_t number;  /* 1.., per session; up to GRID_SESSION_WINDOW may be under way at a time */
    msec_t now;       /* unix ms, the proposer's */
    union {
        /* The first command. Founders get the numbers 1, 2, ... in this order, boot 1; those with
         * voter[i] are voters. `adopt` (or NULL) is the catalog of a data directory made before the
         * grid was: all its partitions are the first founder's, with `epoch`; 0 is 1. */
        struct {
            const char *grid;
            const uint8_t *grid_id;
            const struct node_info *founders;
            const bool *voter;
            size_t founders_len;
            const struct catalog *adopt;
            uint32_t epoch;
        } found;
        /* A node, new or known, begins a life. A known one that is up ends its old boot by that
         * (see GONE). Where it is the last one in sync, it leads again in its new boot; where an
         * unled partition waits for several, its boot is replaced in place (R10).
         * Said again with the same boot: GRID_OK and nothing changes. GRID_EDENIED: it was removed;
         * GRID_ESTALE: this boot is gone; GRID_EEXISTS: another node has the name; _EFULL;
         * GRID_EUNSUPPORTED: it does not know the level of the grid.
         * Where that one is down, and has the last copy of nothing, and this one is new, it takes
         * the place of that one, which is removed (as REMOVE has it).
         * Propose it for a node that is up in another boot only after a GONE that names that boot
         * and all others not heard of: else the last member of a set is taken to be alive though
         * it went down together with this one (plan.h does so). */
        const struct node_info *enter;
        /* These lives are over, all at the same moment; others than the present ones are ignored.
         * Each partition: members drop out; the primary comes from who is left in sync (or eligible
         * and up); when nobody is, the in-sync set stays as it was and waits (R10), or, of
         * a `memory` context, is lost. */
        struct {
            const struct replica_member *list;
            size_t len;
        } gone;
        /* Addresses, labels and weight as given, of the node with this id, boot id and name. */
        const struct node_info *alter;
        struct {
            uint32_t node;
            bool on;
        } drain;
        /* For ever. GRID_ECONDITION: it has the last copy of something, and loss is not accepted;
         * with accept_loss those are lost (or wait for the others, where there are some). */
        struct {
            uint32_t node;
            bool accept_loss;
        } remove;
        /* Each stands alone: some may be made and others not. */
        struct {
            const struct part_change *list;
            size_t len; /* 1..GRID_PARTS_MAX */
        } parts;
        /* The voters of raft are these, and no others. Unknown numbers are ignored. */
        struct {
            const uint32_t *list;
            size_t len;
        } voters;
        struct {
            bool rebalance_paused;
        } policy;
        /* As in catalog.h. A context is made with all its partitions, empty and in sync, on the
         * nodes that are up and selected; GRID_ECONDITION when there is none. Where its copies are
         * is what placement says: were that ever to say something else, it needs another kind. */
        const struct context_info *context; /* _CREATE, _ALTER */
        /* _DROP: of the context; MODULE_REMOVE: empty, all; SERVICE_STOP */
        struct slice name;
        struct {
            struct slice path;
            msec_t ttl_ms;
        } cache;
        struct {
            struct slice name;
            int64_t value;
        } setting;
        struct {
            const struct module_info *info;
            bool replace;
        } module;
        const struct service_info *service; /* its version and partitions do not matter */
        struct service_move move;           /* as in catalog.h */
        /* The grid's level becomes the lowest of these, if it is higher than today's. They are all
         * nodes, by number, in their last lives: GRID_ESTALE when others came meanwhile. */
        struct {
            const struct node_level *list;
            size_t len;
        } levels;
    } u;
};

struct grid_outcome {
    enum grid_err err;   /* as returned */
    char why[WHY_BYTES]; /* for the user, when err is set; empty when it was repeated */
    bool repeated;       /* applied before; err is what it was then, the state tells the rest */
    bool changed;        /* the revision grew */
    struct replica_member member;     /* ENTER, ALTER: who it is */
    uint8_t part_err[GRID_PARTS_MAX]; /* PARTS: enum grid_err of each; err is GRID_OK when at least
                                         one was made, else the first */
};

/* `working` is unpublished: from grid_state_copy() or grid_state_new(). */
enum grid_err grid_state_apply(struct grid_state *working, const struct grid_command *c,
                               struct grid_outcome *ret_outcome);

#endif
