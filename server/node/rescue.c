/* rescue.c - partitions of a grid that an operator has to decide about.
 *
 *   recover  those that wait for a node that is down: of the nodes that are up, the one whose copy
 *            has the last record leads with what it has, a whole copy before one that is damaged.
 *            Who has what is asked first
 *   reset    those whose last copy is gone: they begin again, empty */
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "node/membership.h"

#include <stdio.h>
#include <stdlib.h>

struct rescue {
    bool asked;    /* who has what; then it is done */
    unsigned left; /* changes under way */
};

/* --- changes ---------------------------------------------------------------------------------- */

static void rescue_end(struct job *j)
{
    if (--j->rescue->left)
        return;
    free(j->rescue);
    j->rescue = NULL;
    job_visits(j);
}

static void change_done(void *ctx, const struct grid_done *d)
{
    struct job *j = ctx;
    if (d->err == GRID_ECLOSED) { /* nobody is there to be told */
        if (!--j->rescue->left)
            job_free(j);
        return;
    }
    enum grid_err err = d->err ? d->err : d->parts_len ? (enum grid_err)d->part_err[0] : GRID_OK;
    if (err && err != GRID_ESTALE && !j->err) { /* stale: somebody was faster */
        j->err = err;
        snprintf(j->why, sizeof j->why, "not all could be done: %s", err_text(err));
    }
    j->rescued += !err;
    rescue_end(j);
}

static void change_ask(struct job *j, enum part_change_kind kind, uint32_t context,
                       uint32_t partition, struct replica_member member)
{
    const struct grid_state *s = membership_state(j->node);
    struct part_change change = {.kind = kind,
                                 .context = context,
                                 .partition = partition,
                                 .epoch = grid_state_epoch(s, context, partition),
                                 .member = member};
    j->rescue->left++;
    membership_change(j->node, &change, change_done, j);
}

typedef void rescue_fn(struct job *j, const struct context_info *info, uint32_t partition,
                       const struct replica_config *c);

/* Each partition that is asked for. */
static void rescue_each(struct job *j, rescue_fn *one)
{
    const struct grid_state *s = membership_state(j->node);
    j->rescue->left++;
    for (size_t i = 0; i < s->catalog->contexts_len; i++) {
        const struct context_info *info = &s->catalog->contexts[i];
        if (!job_wants(j, info))
            continue;
        for (uint32_t p = 0; p < info->partitions; p++) {
            struct replica_config c;
            if ((j->request.all_partitions || p == j->request.partition) &&
                grid_state_config(s, info->id, p, &c))
                one(j, info, p, &c);
        }
    }
    rescue_end(j);
}

/* --- reset ------------------------------------------------------------------------------------ */

static void reset_one(struct job *j, const struct context_info *info, uint32_t partition,
                      const struct replica_config *c)
{
    if (c->lost)
        change_ask(j, PART_RESET, info->id, partition, (struct replica_member){0, 0});
}

/* --- recover ---------------------------------------------------------------------------------- */

enum claim { CLAIM_NONE, CLAIM_AWAY, CLAIM_MEMBER };

struct copy {
    struct replica_member member; /* who has it; {0, 0}: nobody */
    uint64_t version;
    bool whole;
    enum claim claim;
};

static void copy_in(const struct admin_reply *r, const char *context, uint32_t partition,
                    struct copy *to)
{
    to->whole = true;
    for (size_t i = 0; i < r->partitions_len; i++)
        if (r->partitions[i].partition == partition &&
            strcmp(r->partitions[i].context, context) == 0) {
            to->version = r->partitions[i].version;
            to->whole = strcmp(r->partitions[i].state, "damaged") != 0;
        }
}

static void copy_here(const struct job *j, const struct context_info *wanted, uint32_t partition,
                      struct copy *to)
{
    const struct share *share = &j->shares[partition % j->node->shards];
    size_t at = 0;
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (!job_wants(j, info))
            continue;
        uint32_t first = partition % j->node->shards;
        uint32_t len =
            info->partitions > first ? (info->partitions - first - 1) / j->node->shards + 1 : 0;
        if (info->id == wanted->id) {
            const struct shard_partition_info *p =
                &share->partitions[at + partition / j->node->shards];
            to->version = p->version;
            to->whole = !p->damaged;
        }
        at += len;
    }
}

static enum claim claim_of(const struct grid_state *s, uint32_t context, uint32_t partition,
                           const struct replica_config *c, uint32_t node)
{
    uint32_t away[GRID_AWAY_MAX];
    for (unsigned i = 0; i < c->len; i++)
        if (c->members[i].node == node)
            return CLAIM_MEMBER;
    uint32_t len = grid_state_away(s, context, partition, away);
    for (uint32_t i = 0; i < len; i++)
        if (away[i] == node)
            return CLAIM_AWAY;
    return CLAIM_NONE;
}

/* At the same version rather a whole one; then that of who has the partition in sync before that of
 * who had it, and that one before that of who never did. */
static bool better(const struct copy *a, const struct copy *than)
{
    if (!than->member.node || a->version != than->version)
        return !than->member.node || a->version > than->version;
    if (a->whole != than->whole)
        return a->whole;
    return a->claim > than->claim;
}

static void recover_one(struct job *j, const struct context_info *info, uint32_t partition,
                        const struct replica_config *c)
{
    const struct grid_state *s = membership_state(j->node);
    struct copy best = {.claim = CLAIM_NONE};
    if (c->led || c->lost)
        return;
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *n = &s->nodes[i];
        bool self = memcmp(n->info.id, j->node->view.node_id, GRID_ID_BYTES) == 0;
        const struct word *w = self ? NULL : census_word(j, n->number);
        if (n->state != NODE_UP || (!self && !w))
            continue;
        struct copy copy = {.member = {n->number, n->boot},
                            .claim = claim_of(s, info->id, partition, c, n->number)};
        if (self)
            copy_here(j, info, partition, &copy);
        else
            copy_in(&w->reply, info->name, partition, &copy);
        if (better(&copy, &best))
            best = copy;
    }
    if (best.version || best.claim) { /* who has nothing, and never had, has no copy */
        change_ask(j, PART_RECOVER, info->id, partition, best.member);
    } else if (!j->err) {
        j->err = GRID_ECONDITION;
        snprintf(j->why, sizeof j->why, "no node that is up has a copy of partition %u of %s",
                 partition, info->name);
    }
}

bool rescue_heard(struct job *j)
{
    j->rescue->asked = true;
    j->request.op = ADMIN_PARTITION_RECOVER;
    rescue_each(j, recover_one);
    return false;
}

bool rescue_begin(struct job *j)
{
    const struct grid_state *s = membership_state(j->node);
    enum admin_op op = j->request.op;
    if (j->remote || (op != ADMIN_PARTITION_RECOVER && op != ADMIN_PARTITION_RESET))
        return false;
    if (j->request.name[0] && !catalog_context_named(s->catalog, slice_str(j->request.name))) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", j->request.name);
        return false;
    }
    j->rescue = xcalloc(1, sizeof *j->rescue);
    if (op == ADMIN_PARTITION_RESET) {
        rescue_each(j, reset_one);
    } else {
        j->request.op = ADMIN_PARTITION_LIST;
        job_visits(j);
    }
    return true;
}

/* One that waited, and was damaged where it goes on, counts twice. */
void rescue_reply(struct job *j, struct admin_reply *reply)
{
    reply->went_on = j->rescued;
    for (unsigned i = 0; j->shares && i < j->node->shards; i++)
        reply->went_on += j->shares[i].given_up;
    for (size_t i = 0; i < j->words_len; i++)
        if (j->words[i].there)
            reply->went_on += j->words[i].reply.went_on;
    reply_encode(j, reply);
}
