/* plan_services.c - instances of mode copies, one a step from the node that has most of them to the
 * one that has fewest, while that is two more: which partition an instance is bound to decides who
 * has it. Looked at again only when the state changed. */
#include "control/level.h"
#include "control/plan_priv.h"

#include <stdio.h>

enum { CHOICES = 64 };

struct spread { /* of one service */
    const struct plan_input *in;
    const struct service_info *info;
    uint32_t partitions;
    bool leads[GRID_NODES_MAX]; /* some partition of the context; as state.nodes */
    uint32_t load[GRID_NODES_MAX];
};

static uint32_t leader_of(const struct spread *s, uint32_t partition)
{
    return grid_state_primary(s->in->state, s->info->context, partition).node;
}

static size_t place_of(const struct grid_state *s, uint32_t node)
{
    size_t at = 0;
    while (at < s->nodes_len && s->nodes[at].number != node)
        at++;
    return at;
}

static bool takes(const struct plan_input *in, const struct grid_node *n)
{
    bool may = n->state == NODE_UP && !n->draining;
    for (size_t i = 0; i < in->nodes_len && may; i++)
        may = in->nodes[i].number != n->number || !in->nodes[i].stops;
    return may;
}

/* False: some instance is led by nobody. */
static bool look(struct spread *s)
{
    const struct grid_state *state = s->in->state;
    for (uint32_t p = 0; p < s->partitions; p++) {
        size_t at = place_of(state, leader_of(s, p));
        if (at < state->nodes_len && !s->leads[at])
            s->leads[at] = takes(s->in, &state->nodes[at]);
    }
    for (uint32_t i = 0; i < s->info->copies; i++) {
        size_t at = place_of(state, leader_of(s, s->info->partitions[i]));
        if (at == state->nodes_len)
            return false;
        s->load[at]++;
    }
    return true;
}

static bool used(const struct service_info *info, uint32_t partition)
{
    for (uint32_t i = 0; i < info->copies; i++)
        if (info->partitions[i] == partition)
            return true;
    return false;
}

/* One that the node leads, and no instance is bound to; `partitions`: there is none. */
static uint32_t partition_on(const struct spread *s, uint32_t number, uint32_t node)
{
    struct slice name = slice_str(s->info->name);
    uint32_t first = 0;
    for (uint32_t choice = 0; choice < CHOICES; choice++) {
        first = service_candidate(name, number, choice, s->partitions);
        if (leader_of(s, first) == node && !used(s->info, first))
            return first;
    }
    for (uint32_t i = 0; i < s->partitions; i++) {
        uint32_t p = (first + i) % s->partitions;
        if (leader_of(s, p) == node && !used(s->info, p))
            return p;
    }
    return s->partitions;
}

/* False: it is spread as evenly as it can be. */
static bool move_one(struct spread *s, struct plan_output *out)
{
    const struct grid_state *state = s->in->state;
    size_t most = 0, fewest = state->nodes_len;
    for (size_t i = 0; i < state->nodes_len; i++) {
        if (s->load[i] > s->load[most])
            most = i;
        if (s->leads[i] && (fewest == state->nodes_len || s->load[i] < s->load[fewest]))
            fewest = i;
    }
    if (fewest == state->nodes_len || s->load[most] < s->load[fewest] + 2)
        return false;
    for (uint32_t i = s->info->copies; i-- > 0;) {
        uint32_t from = s->info->partitions[i];
        if (leader_of(s, from) != state->nodes[most].number)
            continue;
        uint32_t to = partition_on(s, i, state->nodes[fewest].number);
        if (to == s->partitions)
            return false;
        snprintf(out->moved, sizeof out->moved, "%s", s->info->name);
        out->move = (struct service_move){slice_str(out->moved), i, from, to};
        return true;
    }
    return false;
}

void plan_services(struct plan *p, const struct plan_input *in, struct plan_output *out)
{
    const struct catalog *c = in->state->catalog;
    bool whole = true;
    if (in->state->level < GRID_LEVEL_SPREAD || p->spread == in->state->revision)
        return;
    for (size_t i = 0; i < c->services_len && !out->moved[0]; i++) {
        const struct service_info *info = &c->services[i]->info;
        const struct context_info *context = catalog_context(c, info->context);
        struct spread s = {.in = in, .info = info};
        if (info->mode != SERVICE_COPIES || !context)
            continue;
        s.partitions = context->partitions;
        if (look(&s))
            (void)move_one(&s, out);
        else
            whole = false;
    }
    out->settled = !out->moved[0];
    p->spread = whole && out->settled ? in->state->revision : 0;
}
