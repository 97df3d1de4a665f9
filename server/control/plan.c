/* plan.c - the planner as a whole, and who is gone. Copies: plan_copies.c, services:
 * plan_services.c, voters: plan_voters.c. */
#include "control/plan_priv.h"

#include "base/alloc.h"

#include <stdlib.h>

struct plan *plan_new(void)
{
    return xcalloc(1, sizeof(struct plan));
}

void plan_free(struct plan *p)
{
    for (size_t i = 0; p && i < p->len; i++)
        plan_target_release(&p->targets[i]);
    if (p)
        free(p->targets);
    free(p);
}

/* --- who is gone ----------------------------------------------------------------------------
 *
 * Those that went down at one moment are told in one entry, so that a partition whose copies are
 * all gone waits for all of them (R10). They are noticed one after the other, as heartbeats come:
 * so while another node is late, too, there is a little patience. */

static const struct plan_node *told(const struct plan_input *in, uint32_t number)
{
    for (size_t i = 0; i < in->nodes_len; i++)
        if (in->nodes[i].number == number)
            return &in->nodes[i];
    return NULL;
}

void plan_life(const struct plan_input *in, struct plan_output *out)
{
    msec_t limit = (msec_t)plan_setting(in, SETTING_failure_timeout), longest = 0;
    bool open = false;
    for (size_t i = 0; i < in->state->nodes_len; i++) {
        const struct grid_node *n = &in->state->nodes[i];
        const struct plan_node *t = told(in, n->number);
        if (n->state != NODE_UP)
            continue;
        msec_t silent = t ? t->silent_ms : UINT64_MAX;
        bool restarted = t && t->restarted;
        if (restarted || silent >= limit)
            out->gone[out->gone_len++] = (struct replica_member){n->number, n->boot};
        else
            open |= !t->heard || silent > limit / 2;
        if (!restarted && silent >= limit && silent > longest)
            longest = silent;
    }
    bool patient = open && longest < limit + limit / 4;
    out->may_enter = !open && !out->gone_len;
    if (patient)
        out->gone_len = 0;
}

void plan_next(struct plan *p, const struct plan_input *in, struct plan_output *ret_output)
{
    memset(ret_output, 0, sizeof *ret_output);
    if (!grid_state_founded(in->state))
        return;
    plan_life(in, ret_output);
    if (ret_output->gone_len)
        return; /* the rest follows from what that makes of the state */
    plan_voters(in, ret_output);
    plan_copies(p, in, ret_output);
    if (ret_output->settled)
        plan_services(p, in, ret_output);
}
