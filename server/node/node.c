/* node.c - starting and stopping, and the control thread. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "compute/scripts.h"
#include "control/settings.h"
#include "net/fdlimit.h"
#include "node/administration_priv.h"
#include "node/membership.h"
#include "node/replication.h"
#include "node/routing.h"
#include "wire/snapshot.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

_Noreturn void node_fatal(const char *room, const char *why)
{
    log_error(room, "the node ends at once, nothing acknowledged is lost: %s", why);
    _exit(2);
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

static struct shard *shard_make(struct worker *w, uint64_t seed)
{
    struct shard_conf conf = {.index = w->index,
                              .shards = w->node->shards,
                              .epoch = w->node->view.epoch,
                              .memory_limit = w->node->memory_bytes / w->node->shards,
                              .hash_seed = seed};
    struct shard_ports ports = {.ctx = w,
                                .reply = worker_reply,
                                .log_append = log_append,
                                .log_has_room = log_has_room,
                                .cold_get = cold_get,
                                .cold_scan = cold_scan,
                                .checkpoint_soon = folding_soon,
                                .grid = w->node->membership ? &replication_ports : NULL,
                                .reroute = w->node->membership ? routing_reroute : NULL,
                                .mono_us = mono_us};
    return shard_new(&conf, &ports, w->catalog);
}

void thread_give_way(void)
{
    (void)!setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
}

void thread_start(pthread_t *thread, const char *what, unsigned shard, void *(*body)(void *),
                  void *arg)
{
    char name[16]; /* all that the system keeps */
    CHECK(pthread_create(thread, NULL, body, arg) == 0);
    snprintf(name, sizeof name, "%s-%u", what, shard);
    pthread_setname_np(*thread, name);
}

void helper_start(struct helper *h, struct worker *w, const char *what, void *(*body)(void *w))
{
    h->box = mailbox_new();
    thread_start(&h->thread, what, w->index, body, w);
}

void helper_end(struct helper *h, struct worker *w)
{
    atomic_store(&h->stop, true);
    mailbox_wake(h->box);
    pthread_join(h->thread, NULL);
    loop_turn(w->loop, false);
    mailbox_free(h->box);
    h->box = NULL;
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

static void recovering_start(struct recovering *r, struct worker *w, bool fresh, uint64_t seed)
{
    atomic_store(&w->log_interval_ms, (int)catalog_setting(w->catalog, SETTING_log_sync_interval));
    w->shard = shard_make(w, seed);
    *r = (struct recovering){.worker = w, .fresh = fresh};
    thread_start(&r->thread, "recover", w->index, recovering_body, r);
}

static enum grid_err workers_recover(struct node *n, char *why)
{
    uint64_t seed;
    bool fresh = meta_info(n->meta)->fresh;
    CHECK(getrandom(&seed, sizeof seed, 0) == sizeof seed);
    n->scripts = scripts_new();
    n->workers = xcalloc(n->shards, sizeof *n->workers);
    struct recovering *all = xcalloc(n->shards, sizeof *all);
    for (unsigned i = 0; i < n->shards; i++) {
        worker_init(&n->workers[i], n, i);
        recovering_start(&all[i], &n->workers[i], fresh, seed);
    }
    enum grid_err err = GRID_OK;
    for (unsigned i = 0; i < n->shards; i++) {
        pthread_join(all[i].thread, NULL);
        if (all[i].err && !err) {
            err = all[i].err;
            snprintf(why, NODE_WHY_BYTES, "%s", all[i].why);
        }
    }
    free(all);
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

static void threads_start(struct node *n)
{
    for (unsigned i = 0; i < n->shards; i++) {
        struct worker *w = &n->workers[i];
        log_start(w);
        cold_start(w);
        if (n->membership)
            reading_start(w);
        preparing_start(w);
        folding_start(w);
        thread_start(&w->thread, "shard", i, worker_body, w);
    }
    n->workers_running = n->shards;
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

enum grid_err node_start(const struct node_conf *conf, char *why, struct node **ret_node)
{
    struct node *n = xcalloc(1, sizeof *n);
    struct sysinfo system;
    n->conf = *conf;
    n->conf.labels_len = n->conf.peers_len = 0;
    lists_set(n, conf);
    n->signal_fd = -1;
    n->quota = (struct quota)QUOTA_INIT(conf->connections);
    n->memory_bytes = conf->memory_bytes;
    if (!n->memory_bytes && sysinfo(&system) == 0)
        n->memory_bytes = (uint64_t)system.totalram * system.mem_unit / 2;
    n->started_ms = clock_mono_ms();
    n->started_wall_ms = clock_wall_ms();
    n->loop = loop_new(&(struct loop_hooks){n, control_mail, control_turn_end});
    uint64_t files = fdlimit_raise();
    if (conf->connections && files < conf->connections + 256u)
        log_warn("node", "%llu open files are allowed: too few for %u connections",
                 (unsigned long long)files, conf->connections);

    kv_lmdb_guard();
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
    if (!err && n->membership)
        err = membership_open(n, why);
    if (!err)
        err = workers_recover(n, why);
    if (err) {
        node_free(n);
        return err;
    }
    doors_tell(n);
    users_set(n, conf); /* the first mail of each worker, before any connection */
    if (n->membership)
        membership_start(n);
    threads_start(n);
    *ret_node = n;
    return GRID_OK;
}

/* --- running and stopping --------------------------------------------------------------------- */

static void workers_stop(struct node *n)
{
    for (unsigned i = 0; i < n->shards; i++)
        worker_stop(&n->workers[i]);
    loop_stop(n->loop);
}

static void signal_ready(void *ctx, int fd)
{
    struct node *n = ctx;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            n->reload(n->reload_ctx);
        } else if (n->stopping) {
            log_warn("node", "asked twice: ending at once");
            _exit(0);
        } else {
            n->stopping = true;
            log_info("node", "stopping");
            doors_close(n);
            for (unsigned i = 0; i < n->shards; i++)
                worker_part(&n->workers[i]);
            if (n->membership)
                membership_leave(n, workers_stop);
            else
                workers_stop(n);
        }
    }
}

static void end_at_once(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

/* The loop no longer runs; whoever asks again while the rest is ended does not want to wait. */
static void signals_end_at_once(void)
{
    static const int asking[] = {SIGTERM, SIGINT};
    const struct sigaction action = {.sa_handler = end_at_once};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++) {
        sigaction(asking[i], &action, NULL);
        sigaddset(&set, asking[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void node_run(struct node *n, void (*reload)(void *ctx), void *ctx)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    n->reload = reload;
    n->reload_ctx = ctx;
    n->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(n->signal_fd >= 0);
    n->signals = loop_watch(n->loop, n->signal_fd, signal_ready, n);
    loop_run(n->loop);
    signals_end_at_once();
}

static void workers_end(struct node *n)
{
    for (unsigned i = 0; i < n->workers_running; i++) {
        worker_stop(&n->workers[i]);
        pthread_join(n->workers[i].thread, NULL);
    }
    for (unsigned i = 0; i < n->workers_running; i++) {
        cold_end(&n->workers[i]);
        if (n->membership)
            reading_end(&n->workers[i]);
        log_end(&n->workers[i]);
    }
    for (unsigned i = 0; i < n->workers_running; i++) {
        replication_stop(&n->workers[i]);
        loop_turn(n->workers[i].loop, false); /* results that workers told each other */
    }
    for (unsigned i = 0; i < n->workers_running; i++) {
        folding_end(&n->workers[i]);
        preparing_end(&n->workers[i]);
    }
}

void node_free(struct node *n)
{
    if (!n)
        return;
    doors_close(n);
    membership_stop(n);
    workers_end(n);
    for (unsigned i = 0; n->workers && i < n->shards; i++) {
        struct worker *w = &n->workers[i];
        if (w->loop)
            worker_release(w);
        if (n->workers_running)
            wal_close(w->wal);
        else
            wal_free(w->wal);
        checkpoint_close(w->checkpoint);
    }
    free(n->workers);
    scripts_free(n->scripts);
    loop_unwatch(n->signals);
    loop_free(n->loop);
    membership_free(n);
    if (n->signal_fd >= 0)
        close(n->signal_fd);
    tls_free(n->tls);
    terms_free(n);
    catalog_unref(n->catalog);
    meta_close(n->meta);
    buf_release(&n->addresses);
    lists_free(n);
    free(n);
}

unsigned node_shards(const struct node *n)
{
    return n->shards;
}
