/* administration.c - requests of operators. Each goes session -> control thread (changes the
 * catalog, keeps it on disk) -> every worker (takes the catalog in, or tells what it has) ->
 * control -> session: so a change that was answered is known to every shard. In a grid of several
 * nodes the change is a command of the control log, and goes on when its outcome is known here; it
 * is answered when it is known to the workers of all nodes that are up: use it at any of them. */
#include "node/administration_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "control/settings.h"
#include "node/inside.h"
#include "node/membership.h"
#include "node/replication.h"
#include "node/services.h"
#include "wire/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

/* --- at the end: the answer ------------------------------------------------------------------- */

void job_forget(struct job *j)
{
    for (unsigned i = 0; j->shares && i < j->node->shards; i++) {
        free(j->shares[i].contexts);
        free(j->shares[i].caches);
        free(j->shares[i].partitions);
        free(j->shares[i].digests);
        free(j->shares[i].instances);
        buf_release(&j->shares[i].texts);
    }
    free(j->shares);
    free(j->words);
    j->shares = NULL;
    j->words = NULL;
    j->words_len = j->words_left = 0;
    if (j->arena)
        arena_reset(j->arena);
}

void job_free(struct job *j)
{
    job_forget(j);
    arena_free(j->arena);
    verify_free(j);
    free(j->rescue);
    free(j->repair);
    module_release(j);
    buf_release(&j->reply);
    catalog_unref(j->catalog);
    free(j);
}

static void answer_run(struct note *n, void *thread)
{
    struct job *j = container_of(n, struct job, note);
    worker_dirty(thread,
                 session_admin_result(&j->to, j->err, slice_str(j->why), buf_slice(&j->reply)));
    job_free(j);
}

void job_answer(struct job *j)
{
    if (j->remote)
        census_answer(j);
    else if (j->heard)
        j->heard(j->heard_ctx, j->err, buf_slice(&j->reply));
    if (j->remote || j->heard || !j->node->workers) {
        job_free(j);
        return;
    }
    j->note.run = answer_run;
    worker_post(&j->node->workers[j->to.thread], &j->note);
}

void job_part(struct job *j)
{
    if (--j->left)
        return;
    if (!j->node->workers) /* they have ended meanwhile */
        j->err = GRID_ECLOSED;
    if (!j->err && j->rescue && !rescue_heard(j))
        return;
    if (!j->err && j->verdicts && !j->remote && !verify_judge(j))
        return;
    if (!j->err && j->repair && !repair_judge(j))
        return;
    if (!j->err)
        reply_make(j);
    job_answer(j);
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
    job_part(j);
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
        if (!job_wants(j, info))
            continue;
        for (uint32_t p = w->index; p < info->partitions; p += w->node->shards, at++)
            if (!shard_partition_info(w->shard, info->id, (uint16_t)p, &share->partitions[at]))
                share->partitions[at] = (struct shard_partition_info){0};
    }
}

/* In a grid of several what is damaged comes from another node, where there is one that has it. */
static bool gives_up(const struct worker *w, uint32_t context, uint32_t partition)
{
    const struct grid_state *s = replication_state(w);
    struct replica_config c;
    if (!w->replication)
        return true;
    return s && grid_state_config(s, context, partition, &c) && c.in_sync == 1 &&
           replica_member_eq(c.members[0], replication_self(w));
}

/* The damaged ones among the partitions asked for; the caller's. */
static struct wal_place *recover_places(struct worker *w, const struct job *j, size_t *ret_len)
{
    struct damage d = {0};
    for (size_t i = 0; i < j->catalog->contexts_len; i++) {
        const struct context_info *info = &j->catalog->contexts[i];
        if (!job_wants(j, info))
            continue;
        for (uint32_t p = w->index; p < info->partitions; p += w->node->shards) {
            struct shard_partition_info now;
            if (!gives_up(w, info->id, p))
                continue;
            if ((j->request.all_partitions || p == j->request.partition) &&
                shard_partition_info(w->shard, info->id, (uint16_t)p, &now) && now.damaged)
                damage_add(&d, info->id, (uint16_t)p);
        }
    }
    *ret_len = d.len;
    return d.places;
}

void visit_end(struct visit *v)
{
    v->note.run = visited_run;
    loop_post(v->job->node->loop, &v->note.mail);
}

static void visit_tell(struct worker *w, struct visit *v)
{
    struct job *j = v->job;
    struct share *share = &j->shares[v->index];
    if (j->changed) {
        catalog_unref(w->catalog);
        w->catalog = catalog_ref(j->catalog);
        shard_set_catalog(w->shard, w->catalog);
        services_look(w);
        folding_set_catalog(w, w->catalog);
        inside_news(w);
        atomic_store(&w->log_interval_ms,
                     (int)catalog_setting(w->catalog, SETTING_log_sync_interval));
    }
    if (j->request.op == ADMIN_PARTITION_LIST)
        partitions_visit(w, j, share);
    if (j->request.op == ADMIN_PARTITION_REPAIR)
        repair_visit(w, j, share);
    if (j->request.op == ADMIN_SERVICE_LIST)
        services_visit(w, j, share);
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
    visit_end(v);
}

static void recovered(struct worker *w, void *ctx, enum grid_err err, const char *why)
{
    struct visit *v = ctx;
    v->err = err;
    snprintf(v->why, sizeof v->why, "%s", why);
    v->job->shares[v->index].given_up = err ? 0 : v->given_up;
    visit_tell(w, v);
}

static void visit_run(struct note *note, void *thread)
{
    struct visit *v = container_of(note, struct visit, note);
    struct worker *w = thread;
    size_t len = 0;
    struct wal_place *places = NULL;
    if (v->job->request.op == ADMIN_VERIFY) {
        verify_visit(w, v);
        return;
    }
    if (v->job->request.op == ADMIN_PARTITION_RECOVER)
        places = recover_places(w, v->job, &len);
    v->given_up = len;
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

/* What the rows of settings.def do not say. Not judged when it is applied: a control log may have
 * what was allowed once. */
static enum grid_err setting_judge(const struct node *n, const struct admin_request *r, char *why)
{
    if (strcmp(r->name, setting_rows[SETTING_voters].name) == 0 && r->value % 2 == 0) {
        snprintf(why, WHY_BYTES,
                 "voters is %lld, an even number: no more of them may be lost than of %lld: set "
                 "%lld or %lld",
                 (long long)r->value, (long long)r->value - 1, (long long)r->value - 1,
                 (long long)r->value + 1);
        return GRID_EBAD_REQUEST;
    }
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
static enum grid_err change(struct job *j, struct catalog *c, bool *ret_change)
{
    struct node *n = j->node;
    const struct admin_request *r = &j->request;
    char *why = j->why;
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
    case ADMIN_MODULE_DEPLOY:
        return catalog_module_deploy(c, &j->module, r->replace, why);
    case ADMIN_MODULE_REMOVE:
        return catalog_module_remove(c, slice_str(r->name), why);
    case ADMIN_SERVICE_DEPLOY:
        return service_deploy(j, c, why);
    case ADMIN_SERVICE_STOP:
        return catalog_service_stop(c, slice_str(r->name), why);
    case ADMIN_NODE_DRAIN:
    case ADMIN_NODE_UNDRAIN:
    case ADMIN_NODE_REMOVE:
    case ADMIN_REBALANCE_PAUSE:
    case ADMIN_REBALANCE_RESUME:
    case ADMIN_PARTITION_REPAIR:
        snprintf(why, WHY_BYTES,
                 "%s: this node is alone: peers in its gridd.conf make it one of several",
                 admin_op_text(r->op));
        return GRID_EUNSUPPORTED;
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
        node_fail(n, "store", why);
    return err;
}

void job_visits(struct job *j)
{
    struct node *n = j->node;
    catalog_unref(j->catalog);
    j->catalog = catalog_ref(n->catalog);
    if (j->err) {
        job_answer(j);
        return;
    }
    job_forget(j);
    j->left = n->shards + 1;
    j->shares = xcalloc(n->shards, sizeof *j->shares);
    for (unsigned i = 0; i < n->shards; i++) {
        struct visit *v = xalloc(sizeof *v);
        *v = (struct visit){.note = {.run = visit_run}, .job = j, .index = i};
        worker_post(&n->workers[i], &v->note);
    }
    if (census_asks(j))
        census_begin(j);
    else
        job_part(j);
}

/* --- on control, in a grid of several nodes --------------------------------------------------- */

/* What a command borrows. */
struct borrowed {
    struct context_info context;
    struct service_info service;
};

/* False: the request changes nothing, or (err) asks for what is not there. */
static bool command_of(struct job *j, struct borrowed *info, struct grid_command *ret_command)
{
    const struct node *n = j->node;
    const struct admin_request *r = &j->request;
    struct grid_command *c = ret_command;
    *c = (struct grid_command){0};
    switch (r->op) {
    case ADMIN_CONTEXT_CREATE:
    case ADMIN_CONTEXT_ALTER:
        info->context = r->op == ADMIN_CONTEXT_ALTER ? context_altered(n->catalog, r) : r->context;
        c->kind = r->op == ADMIN_CONTEXT_ALTER ? GRID_CONTEXT_ALTER : GRID_CONTEXT_CREATE;
        c->u.context = &info->context;
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
    case ADMIN_MODULE_DEPLOY:
        c->kind = GRID_MODULE_DEPLOY;
        c->u.module.info = &j->module;
        c->u.module.replace = r->replace;
        return true;
    case ADMIN_MODULE_REMOVE:
        c->kind = GRID_MODULE_REMOVE;
        c->u.name = slice_str(r->name);
        return true;
    case ADMIN_SERVICE_DEPLOY:
        j->err = service_info_of(j, n->catalog, &info->service, j->why);
        c->kind = GRID_SERVICE_DEPLOY;
        c->u.service = &info->service;
        return !j->err;
    case ADMIN_SERVICE_STOP:
        c->kind = GRID_SERVICE_STOP;
        c->u.name = slice_str(r->name);
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
        job_free(j);
        return;
    }
    j->err = d->err;
    j->known = d->err ? 0 : d->revision;
    snprintf(j->why, sizeof j->why, "%s", d->why ? d->why : "");
    job_visits(j);
}

/* All but the state of a node is the grid's. Who was refused knows only how it once was. */
static enum grid_err grid_judge(const struct job *j, char *why)
{
    enum admin_op op = j->request.op;
    if (op == ADMIN_SETTINGS_SET && setting_judge(j->node, &j->request, why))
        return GRID_EBAD_REQUEST;
    if (op == ADMIN_STATUS || op == ADMIN_METRICS)
        return GRID_OK;
    if (grid_state_founded(membership_state(j->node)) && !membership_refused(j->node))
        return GRID_OK;
    char waits[WAITS_BYTES];
    snprintf(why, STORE_WHY_BYTES, "%s%s%s", err_text(GRID_EENTERING),
             membership_waits(j->node, waits) ? ": " : "", waits);
    return GRID_EENTERING;
}

static void job_run_in_grid(struct job *j)
{
    struct borrowed info;
    struct grid_command command;
    j->err = grid_judge(j, j->why);
    bool changes = !j->err && (command_of(j, &info, &command) || node_command_of(j, &command));
    if (changes)
        membership_propose(j->node, &command, command_done, j);
    else if (j->err || (!rescue_begin(j) && verify_begin(j) && repair_begin(j)) || j->err)
        job_visits(j);
}

static void job_run(struct note *note, void *thread)
{
    struct job *j = container_of(note, struct job, note);
    struct node *n = thread;
    if (j->err) {
        job_answer(j);
        return;
    }
    if (n->membership) {
        job_run_in_grid(j);
        return;
    }
    if (!verify_begin(j)) {
        job_answer(j);
        return;
    }
    struct catalog *next = catalog_copy(n->catalog);
    j->err = change(j, next, &j->changed);
    if (!j->err && j->changed) {
        next->revision = n->catalog->revision + 1;
        j->err = catalog_keep(n, next, j->why);
    }
    if (node_failed(n)) { /* the change may be on disk, or not: nobody is told */
        catalog_unref(next);
        job_free(j);
        return;
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
    job_visits(j);
}

struct job *job_new(struct node *n, const struct admin_request *request)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->node = n;
    j->note.run = job_run;
    j->request = *request;
    list_init(&j->asking);
    return j;
}

void administration(void *worker, const struct ticket *to, const struct admin_request *request)
{
    struct worker *w = worker;
    struct job *j = job_new(w->node, request);
    j->to = *to;
    if (request->op == ADMIN_MODULE_DEPLOY)
        module_read(w, j);
    if (request->op == ADMIN_SERVICE_DEPLOY)
        job_source_keep(j);
    loop_post(w->node->loop, &j->note.mail);
}
