/* worker.c - a shard's thread. A turn: input of all connections is parsed into ops; at its end all
 * ops are done together (shard_submit_all), the log batch goes to the log thread, and what the
 * sessions have to say goes into the connections' output, which net sends with one write each. */
#include "node/node_priv.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/rights.h"
#include "control/settings.h"
#include "node/administration_priv.h"
#include "node/jobs.h"
#include "node/inside.h"
#include "node/job_scan.h"
#include "node/mapping.h"
#include "node/membership.h"
#include "node/replication.h"
#include "node/routing.h"
#include "node/services.h"

#include <stdlib.h>

enum {
    FRAMES_PER_TURN = 512, /* of one connection */
    OPS_BATCH = 64, /* ops that are done before more connections are read: in the first cache */
    ARENA_BYTES = 256 << 20, /* decoded requests of one turn */
    UNSENT_BYTES = 1 << 20,  /* what is handed to a connection before it is asked again */
    STOP_MS = 5000,          /* for answers in flight when the node stops */
    PART_MS = 300,           /* for what clients send before they know that it does */
};

void worker_post(struct worker *w, struct note *n)
{
    loop_post(w->loop, &n->mail);
}

/* What is answered from now on is answered in this turn. */
static inline void time_tell(struct worker *w)
{
    meters_turn(w->meters, (uint32_t)loop_mono_us(w->loop));
}

static void worker_mail(void *ctx, struct mail *m)
{
    struct note *n = container_of(m, struct note, mail);
    time_tell(ctx);
    n->run(n, ctx);
}

void worker_keep(struct worker *w, struct note *n)
{
    if (w->done_len == w->done_cap) {
        w->done_cap = w->done_cap ? w->done_cap * 2 : 64;
        w->done = xrealloc(w->done, w->done_cap, sizeof(struct note *));
    }
    w->done[w->done_len++] = n;
}

void worker_submit(struct worker *w, struct op *op)
{
    if (unlikely(w->router != NULL) && routing_takes(w, op))
        return;
    if (w->ops_len == w->ops_cap) {
        w->ops_cap = w->ops_cap ? w->ops_cap * 2 : 256;
        w->ops = xrealloc(w->ops, w->ops_cap, sizeof(struct op *));
    }
    w->ops[w->ops_len++] = op;
}

/* --- ports of the sessions -------------------------------------------------------------------- */

static void session_submit(void *ctx, struct op *op)
{
    struct worker *w = ctx;
    unsigned owner = op->partition % w->node->shards;
    if (owner == w->index)
        worker_submit(w, op);
    else
        forward_op(w, op, owner);
}

/* By mail, to this worker, too: so that a long chain of ops leaves room for others. */
static void session_submit_again(void *ctx, const struct op *op)
{
    struct worker *w = ctx;
    forward_op(w, op, op->partition % w->node->shards);
}

static const struct catalog *worker_catalog(void *ctx)
{
    return ((struct worker *)ctx)->catalog;
}

static const char *const *worker_labels(void *ctx, size_t *ret_len)
{
    const struct node_conf *c = &((struct worker *)ctx)->node->conf;
    *ret_len = c->labels_len;
    return (const char *const *)c->labels;
}

static uint64_t worker_mono_us(void *nobody)
{
    (void)nobody;
    return clock_mono_us();
}

static const struct grid_state *worker_grid(void *ctx)
{
    return replication_state(ctx);
}

static bool worker_astray(void *ctx)
{
    return replication_astray(ctx);
}

static bool worker_waits(void *ctx, char *why)
{
    struct worker *w = ctx;
    return w->replication && !replication_self(w).node && membership_waits(w->node, why);
}

static uint64_t session_now_us(void *ctx)
{
    return loop_wall_us(((struct worker *)ctx)->loop);
}

static void session_wake(void *ctx, struct session *s)
{
    worker_dirty(ctx, s);
}

static void link_move(void *ctx, struct session *s, uint32_t shard)
{
    (void)ctx;
    struct link *l = session_owner(s);
    l->moving = true;
    l->target = shard;
}

void worker_do(struct worker *w)
{
    msec_t now = loop_wall_ms(w->loop);
    if (w->replication)
        replication_take(w);
    shard_submit_all(w->shard, w->ops, w->ops_len, now);
    w->ops_len = 0;
    for (size_t i = 0; i < w->done_len; i++)
        free(w->done[i]);
    w->done_len = 0;
}

/* --- connections ------------------------------------------------------------------------------ */

static void link_dirty(struct link *l)
{
    if (list_empty(&l->dirty))
        list_push_back(&l->worker->dirty, &l->dirty);
}

void worker_dirty(struct worker *w, struct session *s)
{
    (void)w;
    if (s)
        link_dirty(session_owner(s));
}

static bool may_read(const struct link *l)
{
    return session_wants_read(l->session) &&
           likely(!atomic_load_explicit(&l->worker->node->tight, memory_order_relaxed));
}

static size_t link_input(void *ctx, struct conn *c, const uint8_t *data, size_t len)
{
    struct link *l = ctx;
    if (!may_read(l)) {
        l->paused = true;
        conn_pause(c);
        return 0;
    }
    time_tell(l->worker);
    struct session_turn turn = {l->worker->arena, FRAMES_PER_TURN, false};
    size_t used = session_input(l->session, data, len, &turn);
    link_dirty(l);
    if (unlikely(!session_greeted(l->session) || session_expects(l->session)))
        conn_expect(c);
    else
        conn_greeted(c);
    if (l->moving) {
        conn_detach(c);
    } else if (!session_wants_read(l->session)) {
        l->paused = true;
        conn_pause(c);
    } else if (turn.more) {
        conn_again(c);
    }
    return used;
}

static void link_open(void *ctx, struct conn *c)
{
    struct link *l = ctx;
    session_proved(l->session, conn_user(c));
}

static void link_input_ended(void *ctx, struct conn *c)
{
    (void)c;
    struct link *l = ctx;
    session_stop(l->session, "the client sends no more");
    link_dirty(l);
}

struct move {
    struct note note;
    struct link *link;
};

/* Tell the client, as far as its protocol can, that the node stops. */
static void link_part(struct link *l)
{
    struct worker *w = l->worker;
    bool told = !w->parted && session_part(l->session, w->parting);
    if (w->stopping && !told) {
        session_stop(l->session, "the node is stopping");
        link_dirty(l);
    }
}

static void links_part(struct worker *w)
{
    list_for_each (it, &w->links)
        link_part(list_entry(it, struct link, all));
}

static void move_run(struct note *n, void *thread)
{
    struct move *m = container_of(n, struct move, note);
    struct worker *w = thread;
    struct link *l = m->link;
    free(m);
    l->worker = w;
    l->moving = false;
    list_push_back(&w->links, &l->all);
    session_moved(l->session, &w->ports);
    conn_attach(l->conn, w->loop);
    link_part(l);
    link_dirty(l);
}

static void link_detached(void *ctx, struct conn *c)
{
    (void)c;
    struct link *l = ctx;
    struct worker *target = &l->worker->node->workers[l->target];
    list_remove(&l->all);
    list_remove(&l->dirty);
    struct move *m = xalloc(sizeof *m);
    *m = (struct move){{.run = move_run}, l};
    worker_post(target, &m->note);
}

static void note_post(struct worker *w, void (*run)(struct note *n, void *thread))
{
    struct note *n = xalloc(sizeof *n);
    *n = (struct note){.run = run};
    worker_post(w, n);
}

static void turn_run(struct note *n, void *thread)
{
    (void)thread; /* the turn's end does it */
    free(n);
}

/* A worker stops when the last one of the node is gone. Those that are closed later are of no
 * concern: other workers may be gone then. */
static void link_gone(const struct worker *w)
{
    struct node *n = w->node;
    bool last = atomic_fetch_sub(&n->links, 1) == 1 && w->stopping && !w->ended;
    for (unsigned i = 0; last && i < n->shards; i++)
        note_post(&n->workers[i], turn_run);
}

static void link_closed(void *ctx, struct conn *c, enum conn_end end, const char *text)
{
    struct link *l = ctx;
    char peer[NET_ADDR_BYTES];
    const char *reason = session_reason(l->session);
    enum log_level level = end == CONN_ENDED_HANDSHAKE ? LOG_WARN : LOG_INFO;
    if (end == CONN_ENDED_PEER || end == CONN_ENDED_STOP || end == CONN_ENDED_OWNER)
        level = LOG_DEBUG;
    log_line(level, "net", "%s: closed: %s%s%s", net_addr_text(conn_peer(c), peer), text,
             *reason ? " " : "", reason);
    session_close(l->session);
    list_remove(&l->all);
    list_remove(&l->dirty);
    link_gone(l->worker);
    free(l);
}

static const struct conn_handler link_handler = {
    .open = link_open,
    .input = link_input,
    .input_ended = link_input_ended,
    .detached = link_detached,
    .closed = link_closed,
};

struct accepted {
    struct note note;
    int fd;
    struct net_addr peer;
    const struct terms *terms;
    const struct entrance *at;
};

static struct session_peer peer_of(const struct accepted *a, bool tls)
{
    struct session_peer p = {.tls = tls, .own_port = a->at->shard >= 0, .cache = a->at->cache};
    net_addr_text(&a->peer, p.address);
    net_local_text(a->fd, p.local);
    return p;
}

static void accepted_run(struct note *n, void *thread)
{
    struct accepted *a = container_of(n, struct accepted, note);
    struct worker *w = thread;
    if (w->stopping) {
        listener_refuse(&w->node->quota, a->fd);
        link_gone(w);
        free(a);
        return;
    }
    struct link *l = xcalloc(1, sizeof *l);
    l->worker = w;
    list_init(&l->dirty);
    const struct conn_conf *conf = a->at->plain ? &a->terms->plain : &a->terms->conn;
    struct session_peer p = peer_of(a, conf->tls != NULL); /* while `fd` is ours */
    if (conn_new(w->loop, a->fd, &a->peer, conf, &link_handler, l, &l->conn)) {
        log_warn("net", "no memory for a connection");
        link_gone(w);
        free(l);
    } else {
        l->session = session_new(a->at->door, &w->ports, &w->node->view, &a->terms->limits, &p, l);
        list_push_back(&w->links, &l->all);
        if (!session_greeted(l->session) || session_expects(l->session))
            conn_expect(l->conn);
        link_part(l);
    }
    free(a);
}

void worker_accept(struct worker *w, int fd, const struct net_addr *peer, const struct entrance *at)
{
    struct accepted *a = xalloc(sizeof *a);
    *a = (struct accepted){{.run = accepted_run}, fd, *peer, w->node->terms, at};
    atomic_fetch_add(&w->node->links, 1);
    worker_post(w, &a->note);
}

/* --- the end of a turn ------------------------------------------------------------------------ */

void worker_reply(void *ctx, const struct ticket *to, const struct result *res)
{
    struct worker *w = ctx;
    if (unlikely(to->owner == &verify_owner))
        verify_summed(w, to, res);
    else if (likely(to->thread == w->index))
        worker_dirty(w, session_result(to, res));
    else
        forward_result(w, to, res);
}

static void link_flush(struct link *l)
{
    struct conn *c = l->conn;
    if (!conn_alive(c) || l->moving)
        return;
    struct slice out = session_output(l->session);
    if (out.len && conn_unsent(c) > UNSENT_BYTES) {
        list_push_back(&l->worker->dirty, &l->dirty); /* the next turn that finds room */
        return;
    }
    if (out.len) {
        buf_add(conn_output(c), out.data, out.len);
        session_sent(l->session, out.len);
    }
    if (session_finished(l->session)) {
        conn_finish(c);
    } else if (l->paused && may_read(l)) {
        l->paused = false;
        conn_resume(c);
    }
}

void worker_news(struct worker *w)
{
    list_for_each (it, &w->links) {
        struct link *l = list_entry(it, struct link, all);
        session_news(l->session);
        link_dirty(l);
    }
}

void worker_read_on(struct worker *w)
{
    list_for_each (it, &w->links) {
        struct link *l = list_entry(it, struct link, all);
        if (l->paused)
            link_dirty(l);
    }
}

/* Connections of the others may have asked for what is done here. */
static bool may_stop(const struct worker *w)
{
    return (atomic_load(&w->node->links) == 0 && inside_idle(w)) ||
           loop_mono_ms(w->loop) >= w->stop_by;
}

static void worker_turn_end(void *ctx)
{
    struct worker *w = ctx;
    worker_do(w);
    jobs_turn(w);
    if (w->router)
        routing_turn(w);
    if (w->replication)
        replication_work(w);
    services_turn(w);
    if (w->meters->touched)
        meters_turn_end(w->meters, (uint32_t)clock_mono_us());
    log_hand_over(w);
    pressure_turn(w);
    if (unlikely(chunks_wanting(shard_memory(w->shard))))
        preparing_wake(w);
    struct list flushing;
    list_init(&flushing);
    while (!list_empty(&w->dirty)) {
        struct list *n = list_pop_front(&w->dirty);
        list_push_back(&flushing, n);
    }
    for (struct list *n; (n = list_pop_front(&flushing));)
        link_flush(list_entry(n, struct link, dirty));
    if (w->replication)
        replication_send(w);
    arena_reset(w->arena);
    if (w->stopping && may_stop(w))
        loop_stop(w->loop);
}

static void worker_tick(void *ctx)
{
    struct worker *w = ctx;
    if (w->ended)
        return;
    pressure_look(w);
    chunks_settle(shard_memory(w->shard), loop_mono_ms(w->loop));
    loop_timer_set(&w->tick, shard_tick(w->shard, loop_wall_ms(w->loop)));
}

/* --- life ------------------------------------------------------------------------------------- */

static void part_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    if (!w->stopping)
        w->parting = SESSION_LEAVES;
    links_part(w);
    free(n);
}

static void parted(void *ctx)
{
    struct worker *w = ctx;
    w->parted = true;
    links_part(w);
}

static void stop_run(struct note *n, void *thread)
{
    struct worker *w = thread;
    w->stopping = true;
    w->parting = SESSION_REFUSES;
    w->stop_by = loop_mono_ms(w->loop) + STOP_MS;
    loop_timer_set(&w->part, PART_MS);
    links_part(w);
    sleeping_end(w);
    loop_timer_set(&w->tick, 0);
    free(n);
}

void worker_part(struct worker *w)
{
    note_post(w, part_run);
}

void worker_stop(struct worker *w)
{
    note_post(w, stop_run);
}

bool worker_init(struct worker *w, struct node *n, unsigned index)
{
    w->loop = loop_new(&(struct loop_hooks){w, worker_mail, worker_turn_end, inside_wait_turn});
    if (!w->loop)
        return false;
    w->node = n;
    w->index = index;
    w->settled = n->membership ? 0 : UINT64_MAX;
    w->catalog = catalog_ref(n->catalog);
    inside_news(w);
    w->arena = arena_new(ARENA_BYTES);
    list_init(&w->links);
    list_init(&w->dirty);
    list_init(&w->sleepers);
    list_init(&w->inside);
    loop_timer_init(&w->tick, w->loop, worker_tick, w);
    loop_timer_init(&w->part, w->loop, parted, w);
    pressure_init(w);
    w->ports = (struct session_ports){
        .ctx = w,
        .shard = index,
        .submit = session_submit,
        .submit_again = session_submit_again,
        .admin = administration,
        .move = link_move,
        .catalog = worker_catalog,
        .grid = worker_grid,
        .astray = worker_astray,
        .waits = worker_waits,
        .outside = n->membership != NULL,
        .everywhere = everywhere,
        .sleep = sleeping,
        .wake = session_wake,
        .now_us = session_now_us,
        .service = services_here,
        .errands = errands_new(),
        .natives = n->natives,
        .scripts = n->scripts,
    };
    jobs_worker_init(w);
    w->meters = errands_meters(w->ports.errands);
    errands_host(w->ports.errands, &(struct errand_host){.ctx = w,
                                                         .first = index == 0,
                                                         .node = n->conf.name,
                                                         .catalog = worker_catalog,
                                                         .labels = worker_labels,
                                                         .mono_us = worker_mono_us,
                                                         .natives = n->natives});
    services_init(w);
    return true;
}

void worker_run(struct worker *w)
{
    inside_own(w);
    loop_timer_set(&w->tick, 0);
    loop_run(w->loop);
    w->ended = true;
    inside_disown(w);
    if (!node_failed(w->node))
        return;
    replication_stop(w); /* as if the process had ended here: nobody hears of what is under way */
    loop_cut(w->loop);
}

void worker_release(struct worker *w)
{
    if (w->loop) {
        jobs_worker_release(w);
        loop_timer_stop(&w->tick);
        loop_timer_stop(&w->part);
        pressure_release(w);
        sleeping_release(w);
        mapping_worker_end(w);
        job_scans_end(w);
        services_rest(w);
        loop_free(w->loop);
        services_release(w);
    }
    replication_free(w);
    routing_release(w);
    shard_free(w->shard);
    inside_end(w);
    verify_release(w);
    damage_release(&w->folding.unmarked);
    arena_free(w->arena);
    errands_free(w->ports.errands);
    gate_free(w->gate);
    rights_list_free(w->ports.rights);
    catalog_unref(w->catalog);
    free(w->ops);
    for (size_t i = 0; i < w->done_len; i++)
        free(w->done[i]);
    free(w->done);
}
