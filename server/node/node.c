/* node.c - starting and stopping, and the control thread. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "compute/scripts.h"
#include "control/settings.h"
#include "net/fdlimit.h"
#include "node/administration_priv.h"
#include "node/aside.h"
#include "node/jobs.h"
#include "node/inside.h"
#include "node/mapping.h"
#include "node/membership.h"
#include "node/pool.h"
#include "node/replication.h"
#include "node/routing.h"
#include "node/services.h"
#include "wire/snapshot.h"
#include "node/start_priv.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { WAIT_MS = 3000 }; /* that threads of a node that stops wait for answers at most */

void node_fail(struct node *n, const char *room, const char *why)
{
    if (atomic_exchange(&n->failed, true))
        return;
    log_error(room, "the node ends at once, nothing acknowledged is lost: %s", why);
    if (n->conf.fault)
        n->conf.fault(n->conf.ctx, why);
    for (unsigned i = 0; i < n->shards; i++)
        loop_stop(n->workers[i].loop);
    loop_stop(n->loop);
    inside_hurry(n, 0);
}

enum grid_err node_short(char *why)
{
    snprintf(why, NODE_WHY_BYTES, "the system gives no more descriptors or threads");
    return GRID_EIO;
}

/* --- starting --------------------------------------------------------------------------------- */

static enum grid_err user_drop(const struct node_conf *c, char *why)
{
    if (!c->user || geteuid() != 0)
        return GRID_OK;
    const struct passwd *p = getpwnam(c->user);
    if (!p) {
        snprintf(why, NODE_WHY_BYTES, "user \"%s\" does not exist", c->user);
        return GRID_EBAD_REQUEST;
    }
    if (mkdir(c->data, 0700) == 0 && chown(c->data, p->pw_uid, p->pw_gid) != 0) {
        snprintf(why, NODE_WHY_BYTES, "%s: cannot be given to %s: %s", c->data, c->user,
                 strerror(errno));
        return GRID_EIO;
    }
    if (initgroups(c->user, p->pw_gid) || setgid(p->pw_gid) || setuid(p->pw_uid)) {
        snprintf(why, NODE_WHY_BYTES, "cannot become user %s: %s", c->user, strerror(errno));
        return GRID_EDENIED;
    }
    return GRID_OK;
}

static enum grid_err tls_open(struct node *n, char *why)
{
    if (!n->conf.cert)
        return GRID_OK;
    struct tls_conf tls = tls_conf_of(&n->conf);
    return tls_new(&tls, &n->tls, why);
}

static enum grid_err catalog_load(struct node *n, char *why)
{
    struct buf bytes = BUF_INIT;
    uint64_t revision;
    enum grid_err err = meta_catalog_get(n->meta, why, &revision, &bytes);
    if (err == GRID_ENOT_FOUND) {
        n->catalog = catalog_new();
        wire_catalog_encode(n->catalog, &bytes);
        err = meta_catalog_set(n->meta, n->catalog->revision, buf_slice(&bytes), why);
    } else if (!err) {
        err = wire_catalog_decode(buf_slice(&bytes), &n->catalog);
        if (err)
            snprintf(why, NODE_WHY_BYTES, "%s/meta: the catalog: %s", n->conf.data, err_text(err));
    }
    buf_release(&bytes);
    return err;
}

unsigned shards_expected(const struct node_conf *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return c->shards ? c->shards : (unsigned)(cores > 0 ? cores : 1);
}

/* What was promised to a grid is not forgotten by a line left out of gridd.conf. */
static enum grid_err control_judge(const struct node *n, char *why)
{
    if (n->membership || !meta_info(n->meta)->control)
        return GRID_OK;
    snprintf(
        why, NODE_WHY_BYTES,
        "%s is of a node of a grid of several: say peers = { \"HOST:PORT\" }, or take it out of "
        "the grid with gridctl remove and begin with an empty directory",
        n->conf.data);
    return GRID_ECONDITION;
}

static enum grid_err data_open(struct node *n, char *why)
{
    struct meta_conf conf = {n->conf.data, n->conf.grid, shards_expected(&n->conf)};
    enum grid_err err = meta_open(&conf, why, &n->meta);
    if (err)
        return err;
    const struct meta_info *info = meta_info(n->meta);
    n->shards = info->shards;
    if (n->conf.shards && n->conf.shards != info->shards)
        log_warn("node", "%s was made with %u shards and keeps them", n->conf.data, info->shards);
    n->view = (struct node_view){.grid = info->grid,
                                 .node = n->conf.name,
                                 .address = n->address,
                                 .version = GRIDD_VERSION,
                                 .shards = info->shards,
                                 .epoch = info->boot};
    memcpy(n->view.node_id, info->node_id, sizeof n->view.node_id);
    err = control_judge(n, why);
    return err ? err : catalog_load(n, why);
}

static uint64_t mono_us(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static uint64_t cpu_us(void *ctx)
{
    (void)ctx;
    return clock_cpu_us();
}

static struct shard *shard_make(struct worker *w, uint64_t seed)
{
    struct shard_conf conf = {.index = w->index,
                              .shards = w->node->shards,
                              .epoch = w->node->view.epoch,
                              .memory_limit = w->node->memory_bytes / w->node->shards,
                              .hash_seed = seed,
                              .natives = w->node->natives};
    struct shard_ports ports = {.ctx = w,
                                .reply = worker_reply,
                                .log_append = log_append,
                                .log_has_room = log_has_room,
                                .cold_get = cold_get,
                                .cold_scan = cold_scan,
                                .checkpoint_soon = folding_soon,
                                .grid = w->node->membership ? &replication_ports : NULL,
                                .reroute = w->node->membership ? routing_reroute : NULL,
                                .mono_us = mono_us,
                                .cpu_us = cpu_us,
                                .led = jobs_led,
                                .touched = jobs_touched,
                                .admits = jobs_admits,
                                .aside = aside_begin};
    return shard_new(&conf, &ports, w->catalog);
}

/* The recovery of one shard, on a thread of its own: a start takes as long as the slowest shard. */
struct recovering {
    pthread_t thread;
    struct worker *worker;
    bool fresh;
    enum grid_err err;
    char why[NODE_WHY_BYTES];
};

static void *recovering_body(void *arg)
{
    struct recovering *r = arg;
    r->err = recovery_run(r->worker, r->fresh, r->why);
    return NULL;
}

static bool recovering_start(struct recovering *r, struct worker *w, bool fresh, uint64_t seed)
{
    atomic_store(&w->log_interval_ms, (int)catalog_setting(w->catalog, SETTING_log_sync_interval));
    w->shard = shard_make(w, seed);
    *r = (struct recovering){.worker = w, .fresh = fresh};
    return thread_start_shard(&r->thread, "recover", w->index, recovering_body, r);
}

static enum grid_err recovering_end(struct recovering *all, unsigned len, char *why)
{
    enum grid_err err = GRID_OK;
    for (unsigned i = 0; i < len; i++) {
        pthread_join(all[i].thread, NULL);
        if (all[i].err && !err) {
            err = all[i].err;
            snprintf(why, NODE_WHY_BYTES, "%s", all[i].why);
        }
    }
    return err;
}

static enum grid_err workers_recover(struct node *n, char *why)
{
    uint64_t seed;
    bool fresh = meta_info(n->meta)->fresh;
    CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
    n->scripts = scripts_new();
    mapping_init(n);
    n->workers = xcalloc(n->shards, sizeof *n->workers);
    jobs_init(n);
    struct recovering *all = xcalloc(n->shards, sizeof *all);
    unsigned i = 0;
    while (i < n->shards && worker_init(&n->workers[i], n, i) &&
           recovering_start(&all[i], &n->workers[i], fresh, seed))
        i++;
    enum grid_err err = recovering_end(all, i, why);
    free(all);
    if (!err && i < n->shards)
        err = node_short(why);
    if (err)
        return err;
    n->value_max = (int64_t)wal_record_max(n->workers[0].wal) - (64 << 10);
    return fresh ? meta_made(n->meta, why) : GRID_OK;
}

static void *worker_body(void *arg)
{
    worker_run(arg);
    return NULL;
}

static bool threads_start(struct node *n)
{
    n->pool = pool_new("work", n->conf.pool_threads ? n->conf.pool_threads : n->shards);
    n->service_pool = pool_new("service", n->shards + 1);
    if (!n->pool || !n->service_pool || !jobs_start(n))
        return false;
    for (unsigned i = 0; i < n->shards; i++) {
        struct worker *w = &n->workers[i];
        if (!log_start(w) || !cold_start(w) || (n->membership && !reading_start(w)) ||
            !preparing_start(w) || !folding_start(w))
            return false;
    }
    for (unsigned i = 0; i < n->shards; i++) {
        struct worker *w = &n->workers[i];
        if (!(w->running = thread_start_shard(&w->thread, "shard", i, worker_body, w)))
            return false;
    }
    return n->recovered = true;
}

static void control_mail(void *ctx, struct mail *m)
{
    struct note *note = container_of(m, struct note, mail);
    note->run(note, ctx);
}

static void control_turn_end(void *ctx)
{
    membership_turn_end(ctx);
}

static enum grid_err start(struct node *n, char *why)
{
    enum grid_err err = tls_open(n, why);
    terms_set(n, &n->conf);
    if (!err)
        err = doors_open(n, why);
    if (!err && n->conf.peers_len)
        err = membership_listen(n, why);
    if (!err)
        err = user_drop(&n->conf, why);
    if (!err)
        err = data_open(n, why);
    if (!err)
        err = doors_fit(n, n->shards, why);
    if (!err)
        err = natives_load(n, why);
    if (!err && n->membership)
        err = membership_open(n, why);
    if (!err)
        err = workers_recover(n, why);
    if (err)
        return err;
    inside_open(n);
    doors_tell(n);
    users_set(n, &n->conf); /* the first mail of each worker, before any connection */
    if (n->membership)
        err = membership_start(n, why);
    return !err && !threads_start(n) ? node_short(why) : err;
}

static void defaults_set(struct node *n)
{
    struct sysinfo system;
    n->memory_bytes = n->conf.memory_bytes;
    if (!n->memory_bytes && sysinfo(&system) == 0)
        n->memory_bytes = (uint64_t)system.totalram * system.mem_unit / 2;
    uint64_t files = fdlimit();
    if (n->conf.connections && files < n->conf.connections + 256u)
        log_warn("node", "%llu open files are allowed: too few for %u connections",
                 (unsigned long long)files, n->conf.connections);
}

/* --- stopping --------------------------------------------------------------------------------- */

/* The workers still answer what the pools ask of them, and those answer their clients. */
static void pools_stop(struct node *n)
{
    pool_stop(n->service_pool);
    pool_stop(n->pool);
}

static void workers_stop(struct node *n)
{
    inside_hurry(n, node_failed(n) ? 0 : WAIT_MS);
    pools_stop(n);
    jobs_stop(n);
    for (unsigned i = 0; i < n->shards; i++)
        worker_stop(&n->workers[i]);
    loop_stop(n->loop);
}

static void services_stop(struct node *n)
{
    if (n->recovered)
        services_end(n, workers_stop);
    else
        workers_stop(n);
}

/* On control: node_stop() was called. */
static void stop_run(struct note *note, void *thread)
{
    struct node *n = thread;
    (void)note;
    if (n->stopping || node_failed(n))
        return;
    n->stopping = true;
    log_info("node", "stopping");
    doors_close(n);
    jobs_tell_stop(n);
    for (unsigned i = 0; i < n->shards; i++)
        worker_part(&n->workers[i]);
    if (n->membership)
        membership_leave(n, services_stop);
    else
        services_stop(n);
}

static void workers_end(struct node *n)
{
    pools_stop(n);
    jobs_tell_stop(n);
    for (unsigned i = 0; i < n->shards; i++) {
        struct worker *w = &n->workers[i];
        if (!w->running)
            continue;
        worker_stop(w);
        pthread_join(w->thread, NULL);
    }
    for (unsigned i = 0; i < n->shards; i++) {
        cold_end(&n->workers[i]);
        reading_end(&n->workers[i]);
        log_end(&n->workers[i]);
    }
    for (unsigned i = 0; i < n->shards; i++) {
        replication_stop(&n->workers[i]);
        if (n->recovered)
            loop_turn(n->workers[i].loop, false); /* results that workers told each other */
    }
    for (unsigned i = 0; i < n->shards; i++) {
        folding_end(&n->workers[i]);
        preparing_end(&n->workers[i]);
    }
}

static void workers_free(struct node *n)
{
    for (unsigned i = 0; i < n->shards; i++) {
        struct worker *w = &n->workers[i];
        if (w->loop)
            worker_release(w);
        if (n->recovered && !node_failed(n))
            wal_close(w->wal);
        else
            wal_free(w->wal);
        checkpoint_close(w->checkpoint);
    }
    jobs_stop(n); /* of a node that failed: what it asked is answered by now */
    jobs_free(n);
    free(n->workers);
    n->workers = NULL;
    pool_free(n->pool);
    pool_free(n->service_pool);
}

static void end(struct node *n)
{
    doors_close(n);
    membership_stop(n);
    if (n->workers) {
        workers_end(n);
        workers_free(n);
    }
    scripts_free(n->scripts);
    natives_unload(n);
    mapping_release(n);
    loop_free(n->loop);
    membership_free(n);
    tls_free(n->tls);
    terms_free(n);
    catalog_unref(n->catalog);
    meta_close(n->meta);
    lists_free(n);
}

/* --- the control thread ----------------------------------------------------------------------- */

static void state_set(struct node *n, enum node_life state)
{
    pthread_mutex_lock(&n->lock);
    n->state = state;
    pthread_cond_broadcast(&n->told);
    pthread_mutex_unlock(&n->lock);
}

static void *control_body(void *arg)
{
    struct node *n = arg;
    defaults_set(n);
    n->start_err = start(n, n->start_why);
    if (!n->start_err) {
        log_info("node", "gridd " GRIDD_VERSION " %s of grid %s serves %.*s with %u shards from %s",
                 n->conf.name, n->conf.grid, (int)n->addresses.len, (const char *)n->addresses.data,
                 n->shards, n->conf.data);
        state_set(n, NODE_SERVES);
        loop_run(n->loop);
    }
    state_set(n, NODE_ENDED);
    inside_close(n);
    end(n);
    if (!n->start_err)
        log_info("node", "stopped");
    return NULL;
}

static void node_free(struct node *n)
{
    pthread_mutex_destroy(&n->lock);
    pthread_cond_destroy(&n->told);
    buf_release(&n->addresses);
    inside_release(n);
    free(n);
}

static struct node *node_new(const struct node_conf *conf, char *why)
{
    struct node *n = xcalloc(1, sizeof *n);
    n->conf = *conf;
    n->conf.labels_len = n->conf.peers_len = 0;
    lists_set(n, conf);
    n->quota = (struct quota)QUOTA_INIT(conf->connections);
    n->started_ms = clock_mono_ms();
    n->started_wall_ms = clock_wall_ms();
    n->start_why = why;
    n->stop = (struct note){.run = stop_run};
    inside_init(n);
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->told, NULL);
    return n;
}

enum grid_err node_start(const struct node_conf *conf, char *why, struct node **ret_node)
{
    struct node *n = node_new(conf, why);
    struct log_sink *own = log_used();
    n->loop = loop_new(&(struct loop_hooks){n, control_mail, control_turn_end, NULL});
    if (conf->log)
        log_use(conf->log);
    bool started = n->loop && thread_start(&n->control, "control", control_body, n);
    log_use(own);
    if (!started) {
        enum grid_err err = node_short(why);
        loop_free(n->loop);
        lists_free(n);
        node_free(n);
        return err;
    }
    pthread_mutex_lock(&n->lock);
    while (n->state == NODE_STARTS)
        pthread_cond_wait(&n->told, &n->lock);
    pthread_mutex_unlock(&n->lock);
    if (!n->start_err) {
        *ret_node = n;
        return GRID_OK;
    }
    pthread_join(n->control, NULL);
    enum grid_err err = n->start_err;
    node_free(n);
    return err;
}

void node_stop(struct node *n)
{
    if (!n)
        return;
    pthread_mutex_lock(&n->lock);
    if (n->state == NODE_SERVES)
        loop_post(n->loop, &n->stop.mail);
    pthread_mutex_unlock(&n->lock);
    pthread_join(n->control, NULL);
    node_free(n);
}
