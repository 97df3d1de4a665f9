/* administration.c - requests of operators. Each goes session -> control thread (changes the
 * catalog, keeps it on disk) -> every worker (takes the catalog in, or tells what it has) ->
 * control -> session: so a change that was answered is known to every shard. In a grid of several
 * nodes the change is a command of the control log, and goes on when its outcome is known here. */
#include "node/measure.h"

#include "base/alloc.h"
#include "base/log.h"
#include "control/settings.h"
#include "node/membership.h"
#include "wire/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

struct share { /* what one worker tells */
    struct measures measures;
    struct shard_usage *contexts; /* as in the catalog */
    uint64_t *caches;             /* all caches, in catalog order */
    struct shard_partition_info
        *partitions; /* all partitions of the contexts asked for, in order */
};

struct job {
    struct note note;
    struct node *node;
    struct ticket to;
    struct admin_request request;
    struct catalog *catalog;
    bool changed;
    unsigned left;
    enum grid_err err;
    char why[STORE_WHY_BYTES];
    struct buf reply;
    struct share *shares; /* one per worker */
};

struct visit {
    struct note note;
    struct job *job;
    unsigned index;
    enum grid_err err;
    char why[STORE_WHY_BYTES];
};

static bool wanted(const struct job *j, const struct context_info *info)
{
    return !j->request.name[0] || strcmp(j->request.name, info->name) == 0;
}

/* --- at the end: the answer ------------------------------------------------------------------- */

static void answer_run(struct note *n, void *thread)
{
    struct job *j = container_of(n, struct job, note);
    worker_dirty(thread,
                 session_admin_result(&j->to, j->err, slice_str(j->why), buf_slice(&j->reply)));
    for (unsigned i = 0; j->shares && i < j->node->shards; i++) {
        free(j->shares[i].contexts);
        free(j->shares[i].caches);
        free(j->shares[i].partitions);
    }
    free(j->shares);
    buf_release(&j->reply);
    catalog_unref(j->catalog);
    free(j);
}

static void answer(struct job *j)
{
    j->note.run = answer_run;
    worker_post(&j->node->workers[j->to.thread], &j->note);
}

static void encode(struct job *j, const struct admin_reply *reply)
{
    if (j->request.json)
        wire_admin_reply_json(reply, &j->reply);
    else
        wire_admin_reply_encode(reply, &j->reply);
}

static void contexts_reply(struct job *j, struct admin_reply *reply)
{
    struct admin_context *list = xcalloc(j->catalog->contexts_len, sizeof *list);
    const char *name = j->request.op == ADMIN_CONTEXT_SHOW ? j->request.context.name : "";
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (name[0] && strcmp(name, info->name) != 0)
            continue;
        struct admin_context *c = &list[reply->contexts_len++];
        c->info = info;
        for (unsigned s = 0; s < j->node->shards; s++) {
            c->entries += j->shares[s].contexts[i].entries;
            c->bytes += j->shares[s].contexts[i].bytes;
        }
    }
    if (name[0] && !reply->contexts_len) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", name);
    }
    reply->contexts = list;
    encode(j, reply);
    free(list);
}

static void caches_reply(struct job *j, struct admin_reply *reply)
{
    size_t total = 0, at = 0;
    bool found = !j->request.name[0];
    for (size_t i = 0; i < j->catalog->contexts_len; i++)
        total += j->catalog->contexts[i].caches_len;
    struct admin_cache *list = xcalloc(total, sizeof *list);
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        found |= wanted(j, info);
        for (size_t k = 0; k < info->caches_len; k++, at++) {
            if (!wanted(j, info))
                continue;
            struct admin_cache *c = &list[reply->caches_len++];
            c->context = info;
            c->info = &info->caches[k];
            for (unsigned s = 0; s < j->node->shards; s++)
                c->entries += j->shares[s].caches[at];
        }
    }
    if (!found) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", j->request.name);
    }
    reply->caches = list;
    encode(j, reply);
    free(list);
}

/* Who has a partition, by the grid. `names` has room for two times REPLICA_MEMBERS_MAX. */
static void partition_place(const struct grid_state *s, uint32_t context,
                            struct admin_partition *to, const char **names)
{
    struct replica_config c;
    if (!grid_state_config(s, context, to->partition, &c))
        return;
    size_t joining = REPLICA_MEMBERS_MAX;
    to->epoch = c.epoch;
    to->in_sync = names;
    to->joining = names + REPLICA_MEMBERS_MAX;
    for (unsigned i = 0; i < c.len; i++) {
        const struct grid_node *n = grid_state_node(s, c.members[i].node);
        if (n && i < c.in_sync)
            names[to->in_sync_len++] = n->info.name;
        else if (n && i >= c.complete)
            names[joining + to->joining_len++] = n->info.name;
    }
    to->primary = c.led && to->in_sync_len ? names[0] : NULL;
    if (c.lost || !c.led)
        to->state = c.lost ? "lost" : "waiting";
}

static void partitions_reply(struct job *j, struct admin_reply *reply)
{
    size_t total = 0;
    for (size_t i = 0; i < j->catalog->contexts_len; i++)
        total += j->catalog->contexts[i].partitions;
    struct admin_partition *list = xcalloc(total, sizeof *list);
    size_t *at = xcalloc(j->node->shards, sizeof *at);
    bool found = !j->request.name[0];
    const char **names =
        j->node->membership ? xcalloc(total, 2 * REPLICA_MEMBERS_MAX * sizeof *names) : NULL;
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (!wanted(j, info))
            continue;
        found = true;
        for (uint32_t p = 0; p < info->partitions; p++) {
            unsigned s = p % j->node->shards;
            const struct shard_partition_info *from = &j->shares[s].partitions[at[s]++];
            struct admin_partition *to = &list[reply->partitions_len];
            *to = (struct admin_partition){.context = info->name,
                                           .partition = p,
                                           .shard = s,
                                           .epoch = from->epoch,
                                           .seq = from->version & SEQ_MASK,
                                           .entries = from->entries,
                                           .state = from->state ? from->state : "ok"};
            if (names)
                partition_place(membership_state(j->node), info->id, to,
                                names + reply->partitions_len * 2 * REPLICA_MEMBERS_MAX);
            reply->partitions_len++;
        }
    }
    if (!found) {
        j->err = GRID_ENO_CONTEXT;
        snprintf(j->why, sizeof j->why, "no context %s", j->request.name);
    }
    reply->partitions = list;
    encode(j, reply);
    free(list);
    free(at);
    free(names);
}

/* What all workers together have. */
static void samples_make(struct job *j, struct measures *ret_sum, struct buf *samples)
{
    struct shard_usage *usage = xcalloc(j->catalog->contexts_len, sizeof *usage);
    for (unsigned s = 0; s < j->node->shards; s++) {
        measures_add(ret_sum, &j->shares[s].measures);
        for (size_t i = 0; i < j->catalog->contexts_len; i++) {
            usage[i].entries += j->shares[s].contexts[i].entries;
            usage[i].bytes += j->shares[s].contexts[i].bytes;
        }
    }
    measures_tell(j->node, j->catalog, ret_sum, usage, samples);
    free(usage);
}

static void metrics_reply(struct job *j, struct admin_reply *reply)
{
    (void)reply; /* plain samples, for sessions of this node */
    struct measures *sum = xcalloc(1, sizeof *sum);
    samples_make(j, sum, &j->reply);
    free(sum);
}

/* What `status` says of a grid of several: all its nodes, what is missing, what moves. */
enum { GRID_PROBLEMS_MAX = 5 };
struct grid_view {
    char problems[GRID_PROBLEMS_MAX][160];
    size_t problems_len;
    struct admin_node *nodes;
    struct grid_load *loads;
    const char **labels; /* one text per node: as it was written */
    struct replica_member self;
};

static const char *node_text(const struct grid_node *n, bool self, const char *state)
{
    if (n->state == NODE_DOWN)
        return "down";
    return self && strcmp(state, "serving") != 0 ? state : n->draining ? "draining" : "serving";
}

static void grid_look(const struct node *n, const struct admin_node *here,
                      struct admin_status *status, struct grid_view *view)
{
    const struct grid_state *s = membership_state(n);
    struct grid_member_status member;
    struct grid_summary sum;
    membership_status(n, &member);
    if (!grid_state_founded(s))
        return;
    view->nodes = xcalloc(s->nodes_len, sizeof *view->nodes);
    view->loads = xcalloc(s->nodes_len, sizeof *view->loads);
    view->labels = xcalloc(s->nodes_len, sizeof *view->labels);
    grid_state_loads(s, view->loads);
    grid_state_summary(s, &sum);
    for (size_t i = 0; i < s->nodes_len; i++) {
        const struct grid_node *from = &s->nodes[i];
        bool self = memcmp(from->info.id, n->view.node_id, GRID_ID_BYTES) == 0;
        view->labels[i] = from->info.labels;
        view->nodes[i] = self ? *here
                              : (struct admin_node){.name = from->info.name,
                                                    .node_id = from->info.id,
                                                    .address = from->info.address[ADDRESS_CLIENT],
                                                    .version = "",
                                                    .shards = from->info.shards,
                                                    .labels = &view->labels[i],
                                                    .labels_len = from->info.labels[0] != 0};
        struct admin_node *to = &view->nodes[i];
        to->state = node_text(from, self, here->state);
        to->number = from->number;
        to->voter = from->voter;
        to->leader = from->number == member.leader;
        to->primaries = view->loads[i].primaries;
        to->copies = view->loads[i].copies;
        to->joining = view->loads[i].joining;
    }
    status->nodes = view->nodes;
    status->nodes_len = s->nodes_len;
    status->partitions = sum.partitions;
    status->unled = sum.unled;
    status->lost = sum.lost;
    status->short_of_copies = sum.short_of_copies;
    status->below_min = sum.below_min;
    status->joining = sum.joining;
    status->rebalance_paused = s->rebalance_paused;
    status->revision = s->revision;
}

static void problem_add(struct grid_view *view, uint64_t count, const char *format)
{
    if (count)
        snprintf(view->problems[view->problems_len++], sizeof view->problems[0], format,
                 (unsigned long long)count);
}

static void grid_problems(const struct admin_status *s, struct grid_view *view)
{
    uint64_t down = 0;
    for (size_t i = 0; i < s->nodes_len; i++)
        down += strcmp(s->nodes[i].state, "down") == 0;
    problem_add(view, down, "%llu nodes are down: see gridctl nodes");
    problem_add(view, s->lost,
                "%llu partitions have lost their last copy: gridctl partition list, reset");
    problem_add(view, s->unled,
                "%llu partitions have no primary: they wait for a node that is down to come back");
    problem_add(view, s->below_min,
                "%llu partitions take no writes: fewer copies than min_in_sync");
    problem_add(view, s->short_of_copies, "%llu partitions have fewer copies than they should");
}

static void grid_view_release(struct grid_view *view)
{
    free(view->nodes);
    free(view->loads);
    free(view->labels);
}

static void status_reply(struct job *j, struct admin_reply *reply)
{
    struct node *n = j->node;
    struct measures *sum = xcalloc(1, sizeof *sum);
    struct buf samples = BUF_INIT, names = BUF_INIT;
    samples_make(j, sum, &samples);
    struct problem list[PROBLEMS_MAX];
    const char *problems[PROBLEMS_MAX + GRID_PROBLEMS_MAX];
    size_t problems_len = measures_problems(n, sum, list);
    for (size_t i = 0; i < problems_len; i++)
        problems[i] = list[i].text;
    struct grid_view grid = {0};
    struct admin_node node = {.name = n->conf.name,
                              .node_id = n->view.node_id,
                              .address = n->view.address,
                              .version = n->view.version,
                              .uptime_ms = clock_mono_ms() - n->started_ms,
                              .shards = n->shards,
                              .labels = n->conf.labels,
                              .labels_len = n->conf.labels_len,
                              .state = n->stopping ? "stopping" : "serving"};
    struct admin_metric *metrics = measures_admin(buf_slice(&samples), &names, &node.metrics_len);
    node.metrics = metrics;
    struct admin_status status = {.grid = n->view.grid,
                                  .healthy = problems_len == 0,
                                  .problems = problems,
                                  .problems_len = problems_len,
                                  .nodes = &node,
                                  .nodes_len = 1,
                                  .contexts = (uint32_t)j->catalog->contexts_len,
                                  .entries = sum->stats.entries,
                                  .bytes = sum->stats.entry_bytes,
                                  .partitions = sum->stats.partitions,
                                  .partitions_damaged = sum->stats.partitions_damaged,
                                  .revision = j->catalog->revision};
    if (n->membership)
        grid_look(n, &node, &status, &grid);
    if (grid.nodes) {
        grid_problems(&status, &grid);
        status.problems_len = problems_len + grid.problems_len;
        for (size_t i = 0; i < grid.problems_len; i++)
            problems[problems_len + i] = grid.problems[i];
        status.healthy = status.problems_len == 0;
    }
    for (size_t i = 0; i < j->catalog->contexts_len; i++)
        status.caches += (uint32_t)j->catalog->contexts[i].caches_len;
    reply->status = &status;
    encode(j, reply);
    grid_view_release(&grid);
    free(metrics);
    free(sum);
    buf_release(&samples);
    buf_release(&names);
}

static void settings_reply(struct job *j, struct admin_reply *reply)
{
    reply->settings = j->catalog->settings;
    encode(j, reply);
}

static void plain_reply(struct job *j, struct admin_reply *reply)
{
    encode(j, reply);
}

/* On control, once per worker. */
static void visited_run(struct note *note, void *thread)
{
    struct visit *v = container_of(note, struct visit, note);
    struct job *j = v->job;
    (void)thread;
    if (v->err && !j->err) {
        j->err = v->err;
        snprintf(j->why, sizeof j->why, "%s", v->why);
    }
    free(v);
    if (--j->left)
        return;
    if (j->err) {
        answer(j);
        return;
    }
    static void (*const replies[])(struct job *, struct admin_reply *) = {
        [ADMIN_STATUS] = status_reply,           [ADMIN_CONTEXT_LIST] = contexts_reply,
        [ADMIN_CONTEXT_SHOW] = contexts_reply,   [ADMIN_CACHE_LIST] = caches_reply,
        [ADMIN_SETTINGS_LIST] = settings_reply,  [ADMIN_PARTITION_LIST] = partitions_reply,
        [ADMIN_PARTITION_RECOVER] = plain_reply,
    };
    struct admin_reply reply = {.revision = j->catalog->revision};
    unsigned op = (unsigned)j->request.op;
    void (*make)(struct job *, struct admin_reply *) =
        op < sizeof replies / sizeof *replies ? replies[op] : NULL;
    if (op == ADMIN_METRICS)
        make = metrics_reply;
    (make ? make : plain_reply)(j, &reply);
    answer(j);
}

/* --- on each worker --------------------------------------------------------------------------- */

static void partitions_visit(struct worker *w, struct job *j, struct share *share)
{
    size_t total = 0, at = 0;
    for (size_t i = 0; i < j->catalog->contexts_len; i++)
        total += j->catalog->contexts[i].partitions;
    share->partitions = xcalloc(total, sizeof *share->partitions);
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (!wanted(j, info))
            continue;
        for (uint32_t p = w->index; p < info->partitions; p += w->node->shards, at++)
            if (!shard_partition_info(w->shard, info->id, (uint16_t)p, &share->partitions[at]))
                share->partitions[at] = (struct shard_partition_info){0};
    }
}

/* The damaged ones among the partitions asked for; the caller's. */
static struct wal_place *recover_places(struct worker *w, const struct job *j, size_t *ret_len)
{
    struct damage d = {0};
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (!wanted(j, info))
            continue;
        for (uint32_t p = w->index; p < info->partitions; p += w->node->shards) {
            struct shard_partition_info now;
            if ((j->request.all_partitions || p == j->request.partition) &&
                shard_partition_info(w->shard, info->id, (uint16_t)p, &now) && now.damaged)
                damage_add(&d, info->id, (uint16_t)p);
        }
    }
    *ret_len = d.len;
    return d.places;
}

static void visit_tell(struct worker *w, struct visit *v)
{
    struct job *j = v->job;
    struct share *share = &j->shares[v->index];
    if (j->changed) {
        catalog_unref(w->catalog);
        w->catalog = catalog_ref(j->catalog);
        shard_set_catalog(w->shard, w->catalog);
        folding_set_catalog(w, w->catalog);
        atomic_store(&w->log_interval_ms,
                     (int)catalog_setting(w->catalog, SETTING_log_sync_interval));
    }
    if (j->request.op == ADMIN_PARTITION_LIST)
        partitions_visit(w, j, share);
    if (j->request.op == ADMIN_STATUS || j->request.op == ADMIN_METRICS)
        measures_visit(w, &share->measures);
    size_t caches = 0, at = 0;
    for (size_t i = 0; i < j->catalog->contexts_len; i++)
        caches += j->catalog->contexts[i].caches_len;
    share->contexts = xcalloc(j->catalog->contexts_len, sizeof *share->contexts);
    share->caches = xcalloc(caches, sizeof *share->caches);
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        shard_context_usage(w->shard, info->id, &share->contexts[i]);
        for (size_t k = 0; k < info->caches_len; k++)
            share->caches[at++] = shard_cache_entries(w->shard, info->caches[k].id);
    }
    v->note.run = visited_run;
    loop_post(w->node->loop, &v->note.mail);
}

static void recovered(struct worker *w, void *ctx, enum grid_err err, const char *why)
{
    struct visit *v = ctx;
    v->err = err;
    snprintf(v->why, sizeof v->why, "%s", why);
    visit_tell(w, v);
}

static void visit_run(struct note *note, void *thread)
{
    struct visit *v = container_of(note, struct visit, note);
    struct worker *w = thread;
    size_t len = 0;
    struct wal_place *places = NULL;
    if (v->job->request.op == ADMIN_PARTITION_RECOVER)
        places = recover_places(w, v->job, &len);
    if (len)
        damage_give_up(w, places, len, recovered, v);
    else
        visit_tell(w, v);
}

/* --- on control ------------------------------------------------------------------------------- */

static struct context_info context_altered(const struct catalog *c, const struct admin_request *r)
{
    const struct context_info *now = catalog_context_named(c, slice_str(r->context.name));
    struct context_info want = now ? *now : r->context;
    if (r->fields & FIELD_BACKUPS)
        want.backups = r->context.backups;
    if (r->fields & FIELD_DURABILITY)
        want.durability = r->context.durability;
    if (r->fields & FIELD_MEMORY_LIMIT)
        want.memory_limit = r->context.memory_limit;
    if (r->fields & FIELD_MIN_IN_SYNC)
        want.min_in_sync = r->context.min_in_sync;
    if (r->fields & FIELD_FULL_POLICY)
        want.full_policy = r->context.full_policy;
    if (r->fields & FIELD_NODES)
        memcpy(want.nodes, r->context.nodes, sizeof want.nodes);
    return want;
}

static enum grid_err context_alter(struct catalog *c, const struct admin_request *r, char *why)
{
    struct context_info want = context_altered(c, r);
    return catalog_context_alter(c, &want, why);
}

/* What this node can do alone. */
static enum grid_err setting_judge(const struct node *n, const struct admin_request *r, char *why)
{
    if (strcmp(r->name, "max_value") == 0 && r->value > n->value_max) {
        snprintf(why, WHY_BYTES,
                 "max_value is %lld, but the log takes values up to %lld bytes: raise log_segment",
                 (long long)r->value, (long long)n->value_max);
        return GRID_EBAD_REQUEST;
    }
    return GRID_OK;
}

static enum grid_err setting_set(struct node *n, struct catalog *c, const struct admin_request *r,
                                 char *why)
{
    enum grid_err err = setting_judge(n, r, why);
    return err ? err : catalog_setting_set(c, slice_str(r->name), r->value, why);
}

/* GRID_EUNSUPPORTED with *ret_change false: the request changes nothing. */
static enum grid_err change(struct node *n, struct catalog *c, const struct admin_request *r,
                            char *why, bool *ret_change)
{
    *ret_change = true;
    switch (r->op) {
    case ADMIN_CONTEXT_CREATE:
        return catalog_context_create(c, &r->context, why);
    case ADMIN_CONTEXT_ALTER:
        return context_alter(c, r, why);
    case ADMIN_CONTEXT_DROP:
        return catalog_context_drop(c, slice_str(r->context.name), why);
    case ADMIN_CACHE_CREATE:
        return catalog_cache_create(c, slice_str(r->name), r->ttl_ms, why);
    case ADMIN_CACHE_DROP:
        return catalog_cache_drop(c, slice_str(r->name), why);
    case ADMIN_SETTINGS_SET:
        return setting_set(n, c, r, why);
    default:
        *ret_change = false;
        return GRID_OK;
    }
}

static enum grid_err catalog_keep(struct node *n, struct catalog *c, char *why)
{
    struct buf bytes = BUF_INIT;
    wire_catalog_encode(c, &bytes);
    enum grid_err err = meta_catalog_set(n->meta, c->revision, buf_slice(&bytes), why);
    buf_release(&bytes);
    if (err && err != GRID_ENO_SPACE)
        node_fatal("store", why);
    return err;
}

static void visits_begin(struct job *j)
{
    struct node *n = j->node;
    j->catalog = catalog_ref(n->catalog);
    if (j->err) {
        answer(j);
        return;
    }
    j->left = n->shards;
    j->shares = xcalloc(n->shards, sizeof *j->shares);
    for (unsigned i = 0; i < n->shards; i++) {
        struct visit *v = xalloc(sizeof *v);
        *v = (struct visit){.note = {.run = visit_run}, .job = j, .index = i};
        worker_post(&n->workers[i], &v->note);
    }
}

/* --- on control, in a grid of several nodes --------------------------------------------------- */

/* False: the request changes nothing. `info` holds what the command borrows. */
static bool command_of(const struct node *n, const struct admin_request *r,
                       struct context_info *info, struct grid_command *ret_command)
{
    struct grid_command *c = ret_command;
    *c = (struct grid_command){0};
    switch (r->op) {
    case ADMIN_CONTEXT_CREATE:
    case ADMIN_CONTEXT_ALTER:
        *info = r->op == ADMIN_CONTEXT_ALTER ? context_altered(n->catalog, r) : r->context;
        c->kind = r->op == ADMIN_CONTEXT_ALTER ? GRID_CONTEXT_ALTER : GRID_CONTEXT_CREATE;
        c->u.context = info;
        return true;
    case ADMIN_CONTEXT_DROP:
        c->kind = GRID_CONTEXT_DROP;
        c->u.name = slice_str(r->context.name);
        return true;
    case ADMIN_CACHE_CREATE:
    case ADMIN_CACHE_DROP:
        c->kind = r->op == ADMIN_CACHE_CREATE ? GRID_CACHE_CREATE : GRID_CACHE_DROP;
        c->u.cache.path = slice_str(r->name);
        c->u.cache.ttl_ms = r->ttl_ms;
        return true;
    case ADMIN_REBALANCE_PAUSE:
    case ADMIN_REBALANCE_RESUME:
        c->kind = GRID_POLICY;
        c->u.policy.rebalance_paused = r->op == ADMIN_REBALANCE_PAUSE;
        return true;
    case ADMIN_SETTINGS_SET:
        c->kind = GRID_SETTING_SET;
        c->u.setting.name = slice_str(r->name);
        c->u.setting.value = r->value;
        return true;
    default:
        return false;
    }
}

/* DRAIN, UNDRAIN, REMOVE name a node. False: it is none of them, or (err) there is no such node. */
static bool node_command_of(struct job *j, struct grid_command *ret_command)
{
    const struct admin_request *r = &j->request;
    struct grid_command *c = ret_command;
    if (r->op != ADMIN_NODE_DRAIN && r->op != ADMIN_NODE_UNDRAIN && r->op != ADMIN_NODE_REMOVE)
        return false;
    const struct grid_node *node =
        grid_state_node_named(membership_state(j->node), slice_str(r->name));
    if (!node) {
        j->err = GRID_ENOT_FOUND;
        snprintf(j->why, sizeof j->why, "no node %s", r->name);
        return false;
    }
    *c = (struct grid_command){.kind = r->op == ADMIN_NODE_REMOVE ? GRID_REMOVE : GRID_DRAIN};
    if (c->kind == GRID_REMOVE) {
        c->u.remove.node = node->number;
        c->u.remove.accept_loss = r->accept_loss;
    } else {
        c->u.drain.node = node->number;
        c->u.drain.on = r->op == ADMIN_NODE_DRAIN;
    }
    return true;
}

static void command_done(void *ctx, const struct grid_done *d)
{
    struct job *j = ctx;
    if (d->err == GRID_ECLOSED) { /* nobody is there to be told */
        free(j);
        return;
    }
    j->err = d->err;
    snprintf(j->why, sizeof j->why, "%s", d->why ? d->why : "");
    visits_begin(j);
}

static void job_run_in_grid(struct job *j)
{
    struct context_info info;
    struct grid_command command;
    if (j->request.op == ADMIN_SETTINGS_SET)
        j->err = setting_judge(j->node, &j->request, j->why);
    bool changes = !j->err && (command_of(j->node, &j->request, &info, &command) ||
                               node_command_of(j, &command));
    if (changes && !grid_state_founded(membership_state(j->node))) {
        j->err = GRID_EUNREACHABLE;
        snprintf(j->why, sizeof j->why, "this node has not entered the grid yet");
    }
    if (changes && !j->err)
        membership_propose(j->node, &command, command_done, j);
    else
        visits_begin(j);
}

static void job_run(struct note *note, void *thread)
{
    struct job *j = container_of(note, struct job, note);
    struct node *n = thread;
    if (n->membership) {
        job_run_in_grid(j);
        return;
    }
    struct catalog *next = catalog_copy(n->catalog);
    j->err = change(n, next, &j->request, j->why, &j->changed);
    if (!j->err && j->changed) {
        next->revision = n->catalog->revision + 1;
        j->err = catalog_keep(n, next, j->why);
    }
    if (j->err || !j->changed) {
        catalog_unref(next);
    } else {
        catalog_unref(n->catalog);
        n->catalog = next;
        log_info("control", "revision %llu: %s %s", (unsigned long long)next->revision,
                 admin_op_text(j->request.op),
                 j->request.name[0] ? j->request.name : j->request.context.name);
    }
    visits_begin(j);
}

void administration(void *worker, const struct ticket *to, const struct admin_request *request)
{
    struct worker *w = worker;
    struct job *j = xcalloc(1, sizeof *j);
    j->node = w->node;
    j->note.run = job_run;
    j->to = *to;
    j->request = *request;
    loop_post(w->node->loop, &j->note.mail);
}
