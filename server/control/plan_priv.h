/* plan_priv.h - what the files of the planner share. */
#ifndef GRIDD_CONTROL_PLAN_PRIV_H
#define GRIDD_CONTROL_PLAN_PRIV_H

#include "control/plan.h"
#include "control/settings.h"
#include "control/state_priv.h"

/* Where the copies of a context should go. It stands until the nodes, or what is asked, change: so
 * that a walk that has begun is not led astray by where it has got. */
struct target {
    uint32_t context;
    uint64_t key; /* hash of what decided */
    uint32_t copies;
    uint32_t *wanted;         /* copies per partition: node numbers, the primary first; 0: none */
    msec_t *asked;            /* per partition: when its hand-over was asked for last; NULL */
    struct grid_table *table; /* looked at last (a reference), and with it: */
    const struct grid_nodes *nodes;
    bool paused;
    bool stale; /* `wanted` is out of date, its turn comes */
    bool quiet; /* nothing to do until one of these changes */
    bool done;  /* all is where it should be */
    uint32_t joining;
    uint32_t misplaced; /* partitions that are not where they should be */
};

struct plan {
    struct target *targets; /* in the order of the state's contexts */
    size_t len;
    uint32_t turn;               /* where asking begins */
    uint64_t pairs;              /* hash of those that were told last */
    struct plan_report *reports; /* sorted, of this call */
    uint64_t spread;             /* revision of the state whose services need no moves; 0: none */
};

void plan_target_release(struct target *t);
void plan_life(const struct plan_input *in, struct plan_output *out);
void plan_voters(const struct plan_input *in, struct plan_output *out);
void plan_copies(struct plan *p, const struct plan_input *in, struct plan_output *out);
void plan_services(struct plan *p, const struct plan_input *in, struct plan_output *out);

static inline int64_t plan_setting(const struct plan_input *in, enum setting_index index)
{
    return catalog_setting(in->state->catalog, index);
}

/* How long a node has been in its state. */
static inline msec_t plan_age(const struct plan_input *in, const struct grid_node *n)
{
    return in->now > n->since ? in->now - n->since : 0;
}

#endif
