/* verify.c - copies compared: each node gives a digest of what it has of a partition, with the
 * version of its last record; equal versions must have equal digests. What changed in between, or
 * could not be read, is asked again; in the end the writes wait for a moment. */
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "node/membership.h"
#include "node/replication.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 40, PAUSE_MS = 100, PATIENT_ROUNDS = 5, FREEZE_MS = 200 };

char verify_owner;

static bool is_open(const struct admin_request *r, uint32_t partition)
{
    uint32_t at = partition - r->partition;
    return partition >= r->partition && at < r->count && r->only[at / 64] >> at % 64 & 1;
}

/* --- on a worker: digests of what it has ------------------------------------------------------ */

struct verifying {       /* one visit at a time, the others wait */
    struct list waiting; /* of struct verify_visit */
};

struct verify_visit {
    struct list link;
    struct visit *visit;
    uint32_t left;
};

static const struct context_info *context_of(const struct job *j)
{
    return catalog_context_named(j->catalog, slice_str(j->request.name));
}

/* Whether this node's copy counts. */
static bool has_copy(const struct worker *w, uint32_t context, uint32_t partition)
{
    const struct grid_state *s = replication_state(w);
    struct replica_config c;
    if (!w->replication)
        return true;
    if (!s || !grid_state_config(s, context, partition, &c))
        return false;
    for (unsigned i = 0; i < c.in_sync; i++)
        if (replica_member_eq(c.members[i], replication_self(w)))
            return true;
    return false;
}

static bool leads(const struct worker *w, uint32_t context, uint32_t partition)
{
    const struct grid_state *s = replication_state(w);
    return s && replica_member_eq(grid_state_primary(s, context, partition), replication_self(w));
}

static void visit_next(struct worker *w)
{
    struct verifying *all = w->verifying;
    while (!list_empty(&all->waiting)) {
        struct verify_visit *vv = list_entry(all->waiting.next, struct verify_visit, link);
        struct job *j = vv->visit->job;
        const struct context_info *info = context_of(j);
        struct share *share = &j->shares[vv->visit->index];
        share->digests = xcalloc(j->request.count + 1, sizeof *share->digests);
        vv->left = 1;
        for (uint32_t i = 0; info && i < j->request.count; i++) {
            uint32_t p = j->request.partition + i;
            if (p >= info->partitions || p % w->node->shards != w->index ||
                !is_open(&j->request, p) || !has_copy(w, info->id, p))
                continue;
            vv->left++;
            struct ticket to = {.owner = &verify_owner, .number = p, .thread = w->index};
            if (j->request.freeze && leads(w, info->id, p))
                (void)shard_freeze(w->shard, info->id, (uint16_t)p, FREEZE_MS,
                                   loop_wall_ms(w->loop));
            shard_digest(w->shard, info->id, (uint16_t)p, &to);
        }
        loop_timer_set(&w->tick, 0);
        if (--vv->left)
            return;
        list_remove(&vv->link);
        visit_end(vv->visit);
        free(vv);
    }
}

void verify_visit(struct worker *w, struct visit *v)
{
    if (!w->verifying) {
        w->verifying = xcalloc(1, sizeof *w->verifying);
        list_init(&w->verifying->waiting);
    }
    struct verify_visit *vv = xcalloc(1, sizeof *vv);
    vv->visit = v;
    bool first = list_empty(&w->verifying->waiting);
    list_push_back(&w->verifying->waiting, &vv->link);
    if (first)
        visit_next(w);
}

void verify_summed(struct worker *w, const struct ticket *to, const struct result *res)
{
    struct verify_visit *vv = list_entry(w->verifying->waiting.next, struct verify_visit, link);
    struct share *share = &vv->visit->job->shares[vv->visit->index];
    struct shard_partition_info now = {0};
    const struct context_info *info = context_of(vv->visit->job);
    (void)shard_partition_info(w->shard, info->id, (uint16_t)to->number, &now);
    struct verify_sum *d = &share->digests[share->digests_len++];
    *d = (struct verify_sum){.partition = (uint32_t)to->number,
                             .err = res->status,
                             .version = res->version,
                             .entries = now.entries,
                             .sum = (uint64_t)res->number};
    if (d->err == GRID_ENOT_PRIMARY && !now.version) /* nothing was ever in it */
        *d = (struct verify_sum){.partition = d->partition};
    if (--vv->left)
        return;
    list_remove(&vv->link);
    visit_end(vv->visit);
    free(vv);
    visit_next(w);
}

void verify_release(struct worker *w)
{
    struct list *it;
    while (w->verifying && (it = list_pop_front(&w->verifying->waiting))) {
        struct verify_visit *vv = list_entry(it, struct verify_visit, link);
        free(vv->visit);
        free(vv);
    }
    free(w->verifying);
    w->verifying = NULL;
}

/* --- on control ------------------------------------------------------------------------------- */

struct verdict { /* of a partition that is not found equal everywhere */
    uint32_t partition;
    const char *state;
    char names[REPLICA_MEMBERS_MAX][NAME_BYTES_MAX + 1];
    struct admin_copy copies[REPLICA_MEMBERS_MAX];
    size_t copies_len;
};

struct verdicts {
    unsigned rounds;
    uint32_t verified;
    uint64_t entries;
    struct verdict *list;
    size_t len;
    struct loop_timer pause;
};

bool verify_begin(struct job *j)
{
    struct admin_request *r = &j->request;
    if (r->op != ADMIN_VERIFY)
        return true;
    const struct context_info *info = catalog_context_named(j->node->catalog, slice_str(r->name));
    if (!info) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", r->name);
    } else if (r->partition >= info->partitions) {
        j->err = GRID_ENOT_FOUND;
        snprintf(j->why, sizeof j->why, "%s has %u partitions", r->name, info->partitions);
    }
    if (j->err)
        return false;
    j->verdicts = xcalloc(1, sizeof *j->verdicts);
    for (uint32_t i = 0; !j->remote && i < VERIFY_MAX; i++)
        if (i < r->count && r->partition + i < info->partitions)
            r->only[i / 64] |= UINT64_C(1) << i % 64;
    return true;
}

void verify_free(struct job *j)
{
    if (j->verdicts)
        free(j->verdicts->list);
    free(j->verdicts);
    j->verdicts = NULL;
}

static const char *state_of(enum grid_err err)
{
    return err == GRID_OK         ? "ok"
           : err == GRID_EBUSY    ? "changing"
           : err == GRID_EDAMAGED ? "damaged"
                                  : "unreadable";
}

/* What this node has. */
static bool own_copy(const struct job *j, uint32_t partition, struct admin_copy *to)
{
    const struct share *share = &j->shares[partition % j->node->shards];
    for (size_t i = 0; i < share->digests_len; i++) {
        const struct verify_sum *d = &share->digests[i];
        if (d->partition != partition)
            continue;
        *to = (struct admin_copy){.version = d->version,
                                  .digest = d->sum,
                                  .entries = d->entries,
                                  .state = state_of(d->err)};
        return true;
    }
    return false;
}

static bool other_copy(const struct word *w, uint32_t partition, struct admin_copy *to)
{
    static const char *const states[] = {"ok", "changing", "damaged", "unreadable"};
    for (size_t i = 0; w && i < w->reply.partitions_len; i++) {
        const struct admin_partition *p = &w->reply.partitions[i];
        if (p->partition != partition)
            continue;
        *to = (struct admin_copy){
            .version = p->version, .digest = p->digest, .entries = p->entries, .state = states[3]};
        for (size_t k = 0; k < sizeof states / sizeof *states; k++)
            if (strcmp(p->state, states[k]) == 0)
                to->state = states[k]; /* it outlives the word */
        return true;
    }
    return false;
}

static void copies_look(const struct job *j, const struct replica_config *c, struct verdict *v)
{
    const struct grid_state *s = membership_state(j->node);
    for (unsigned i = 0; i < c->in_sync; i++) {
        const struct grid_node *n = grid_state_node(s, c->members[i].node);
        bool self = n && memcmp(n->info.id, j->node->view.node_id, GRID_ID_BYTES) == 0;
        struct admin_copy *to = &v->copies[v->copies_len];
        bool there = self ? own_copy(j, v->partition, to)
                          : other_copy(census_word(j, c->members[i].node), v->partition, to);
        if (!there)
            *to = (struct admin_copy){.state = "no answer"};
        snprintf(v->names[v->copies_len++], sizeof v->names[0], "%s", n ? n->info.name : "?");
    }
}

/* NULL: equal. */
static const char *copies_compare(const struct verdict *v)
{
    bool different = false;
    for (size_t i = 0; i < v->copies_len; i++) {
        if (strcmp(v->copies[i].state, "ok") != 0 || v->copies[i].version != v->copies[0].version)
            return "unverified";
        different |= v->copies[i].digest != v->copies[0].digest ||
                     v->copies[i].entries != v->copies[0].entries;
    }
    return different ? "different" : NULL;
}

static void partition_look(const struct job *j, uint32_t context, struct verdict *v)
{
    struct replica_config c = {.led = true};
    if (!j->node->membership) {
        snprintf(v->names[0], sizeof v->names[0], "%s", j->node->conf.name);
        v->copies_len = 1;
        if (!own_copy(j, v->partition, &v->copies[0]))
            v->copies[0].state = "no answer";
        v->state = copies_compare(v);
        return;
    }
    if (!grid_state_config(membership_state(j->node), context, v->partition, &c))
        c.led = false;
    else
        copies_look(j, &c, v);
    v->state = c.lost ? "lost" : !c.led || !c.in_sync ? "waiting" : copies_compare(v);
}

static void again(void *ctx)
{
    job_visits(ctx);
}

bool verify_judge(struct job *j)
{
    struct verdicts *all = j->verdicts;
    struct admin_request *r = &j->request;
    const struct context_info *info = context_of(j);
    bool last = ++all->rounds == ROUNDS, open = false;
    for (uint32_t i = 0; info && i < r->count; i++) {
        struct verdict v = {.partition = r->partition + i};
        if (!is_open(r, v.partition))
            continue;
        partition_look(j, info->id, &v);
        if (v.state && strcmp(v.state, "unverified") == 0 && !last) {
            open = true;
            continue;
        }
        r->only[i / 64] &= ~(UINT64_C(1) << i % 64);
        if (v.state) {
            all->list = xrealloc(all->list, all->len + 1, sizeof *all->list);
            all->list[all->len++] = v;
        } else {
            all->verified++;
            all->entries += v.copies[0].entries;
        }
    }
    if (open) {
        r->freeze = all->rounds >= PATIENT_ROUNDS;
        loop_timer_init(&all->pause, j->node->loop, again, j);
        loop_timer_set(&all->pause, PAUSE_MS);
    }
    return !open;
}

/* To another node: what there is here. */
static void digests_reply(struct job *j, struct admin_reply *reply)
{
    size_t len = 0;
    for (unsigned s = 0; s < j->node->shards; s++)
        len += j->shares[s].digests_len;
    struct admin_partition *list = xcalloc(len + 1, sizeof *list);
    for (unsigned s = 0; s < j->node->shards; s++) {
        for (size_t i = 0; i < j->shares[s].digests_len; i++) {
            const struct verify_sum *d = &j->shares[s].digests[i];
            list[reply->partitions_len++] = (struct admin_partition){.context = j->request.name,
                                                                     .partition = d->partition,
                                                                     .shard = s,
                                                                     .entries = d->entries,
                                                                     .version = d->version,
                                                                     .digest = d->sum,
                                                                     .state = state_of(d->err)};
        }
    }
    reply->partitions = list;
    reply_encode(j, reply);
    free(list);
}

void verify_reply(struct job *j, struct admin_reply *reply)
{
    struct verdicts *all = j->verdicts;
    if (j->remote) {
        digests_reply(j, reply);
        return;
    }
    struct admin_partition *list = xcalloc(all->len + 1, sizeof *list);
    for (size_t i = 0; i < all->len; i++) {
        struct verdict *v = &all->list[i];
        for (size_t k = 0; k < v->copies_len; k++)
            v->copies[k].node = v->names[k];
        list[i] = (struct admin_partition){.context = j->request.name,
                                           .partition = v->partition,
                                           .shard = v->partition % j->node->shards,
                                           .state = v->state,
                                           .copies = v->copies,
                                           .copies_len = v->copies_len};
    }
    reply->partitions = list;
    reply->partitions_len = all->len;
    reply->verified = all->verified;
    reply->entries = all->entries;
    reply_encode(j, reply);
    free(list);
}
