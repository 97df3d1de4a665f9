/* repair.c - a copy of a partition that an operator does not trust, though all of it can be read,
 * is made anew. Its node says that it cannot go on from what it has, so that it hands over when it
 * leads (R12): the primary takes it out (R8), and it joins with a whole copy (R11). A node that
 * starts anew takes for damaged what it gave up: the answer comes when that is on its disk, and the
 * copy is taken out. All nodes are asked again and again; who is named does it, once. */
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "node/membership.h"
#include "node/replication.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 30, PAUSE_MS = 100 };
enum repair_state { REPAIR_NOT_HERE, REPAIR_BROKEN, REPAIR_NOTED, REPAIR_DONE };

struct repair {
    struct replica_member member; /* whose copy it is */
    unsigned rounds;
    struct loop_timer pause;
};

/* --- on the worker of the node that has it ---------------------------------------------------- */

static void give_up(struct worker *w, const struct context_info *info, uint32_t partition)
{
    shard_break(w->shard, info->id, partition);
    if (shard_broken(w->shard, info->id, partition) && info->durability != DURABILITY_MEMORY)
        damage_note(w, info->id, (uint16_t)partition);
    log_warn("node", "%s partition %u: an operator gives this copy up; it is made anew", info->name,
             partition);
}

void repair_visit(struct worker *w, struct job *j, struct share *share)
{
    const struct admin_request *r = &j->request;
    const struct context_info *info = catalog_context_named(j->catalog, slice_str(r->context.name));
    const struct grid_state *s = replication_state(w);
    struct replica_config c;
    if (strcmp(r->name, w->node->conf.name) != 0 || !info || !s ||
        r->partition % w->node->shards != w->index ||
        !grid_state_config(s, info->id, r->partition, &c))
        return;
    if (!r->freeze && (!c.led || c.in_sync < 2)) /* it may be the only one meanwhile */
        return;
    if (!r->freeze)
        give_up(w, info, r->partition);
    bool broken = shard_broken(w->shard, info->id, r->partition);
    if (broken || r->freeze)
        share->repaired = !damage_noted(w) ? REPAIR_BROKEN : broken ? REPAIR_NOTED : REPAIR_DONE;
    loop_timer_set(&w->tick, 0);
}

/* --- on control ------------------------------------------------------------------------------- */

static void refuse(struct job *j, enum grid_err err, const char *what)
{
    const struct admin_request *r = &j->request;
    j->err = err;
    snprintf(j->why, sizeof j->why, "%s: %s partition %u: %s", r->name, r->context.name,
             r->partition, what);
}

static bool in_sync(const struct replica_config *c, struct replica_member m)
{
    int at = replica_config_find(c, m);
    return at >= 0 && at < c->in_sync;
}

bool repair_begin(struct job *j)
{
    const struct admin_request *r = &j->request;
    const struct grid_state *s = membership_state(j->node);
    if (r->op != ADMIN_PARTITION_REPAIR)
        return true;
    const struct context_info *info = catalog_context_named(s->catalog, slice_str(r->context.name));
    const struct grid_node *node = grid_state_node_named(s, slice_str(r->name));
    struct replica_member member = {0, 0};
    struct replica_config c;
    if (node)
        member = (struct replica_member){node->number, node->boot};
    if (!info)
        refuse(j, GRID_ENO_CONTEXT, "no such context");
    else if (!grid_state_config(s, info->id, r->partition, &c))
        refuse(j, GRID_EBAD_REQUEST, "no such partition");
    else if (!node)
        refuse(j, GRID_EBAD_REQUEST, "no such node");
    else if (!c.led || !in_sync(&c, member))
        refuse(j, GRID_ECONDITION, "it has no copy that is in sync");
    else if (c.in_sync < 2)
        refuse(j, GRID_ECONDITION, "it has the only copy that is in sync");
    if (j->err)
        return false;
    j->repair = xcalloc(1, sizeof *j->repair);
    j->repair->member = member;
    return true;
}

static unsigned said_here(const struct job *j)
{
    unsigned most = REPAIR_NOT_HERE;
    for (unsigned i = 0; i < j->node->shards; i++)
        most = j->shares[i].repaired > most ? j->shares[i].repaired : most;
    return most;
}

static unsigned said(const struct job *j)
{
    unsigned most = said_here(j);
    for (size_t i = 0; i < j->words_len; i++)
        if (j->words[i].there && j->words[i].reply.verified > most)
            most = j->words[i].reply.verified;
    return most;
}

static bool taken_out(const struct job *j)
{
    const struct admin_request *r = &j->request;
    const struct grid_state *s = membership_state(j->node);
    const struct context_info *info = catalog_context_named(s->catalog, slice_str(r->context.name));
    struct replica_config c;
    return !info || !grid_state_config(s, info->id, r->partition, &c) ||
           !in_sync(&c, j->repair->member);
}

static void again(void *ctx)
{
    job_visits(ctx);
}

bool repair_judge(struct job *j)
{
    unsigned state = said(j);
    if (!grid_state_lives(membership_state(j->node), j->repair->member)) {
        refuse(j, GRID_EBUSY, "its node died, or starts anew: ask again when it is back");
        return true;
    }
    if (state == REPAIR_DONE || (state == REPAIR_NOTED && taken_out(j)))
        return true;
    if (++j->repair->rounds == ROUNDS) {
        refuse(j, GRID_EBUSY, "it is not made anew yet: is the rest of the grid well?");
        return true;
    }
    j->request.freeze |= state != REPAIR_NOT_HERE; /* from now on it is looked at alone */
    loop_timer_init(&j->repair->pause, j->node->loop, again, j);
    loop_timer_set(&j->repair->pause, PAUSE_MS);
    return false;
}

/* To another node: how it is here. */
void repair_reply(struct job *j, struct admin_reply *reply)
{
    reply->verified = said_here(j);
    reply_encode(j, reply);
}
