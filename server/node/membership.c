/* membership.c - drives the member of the control plane: messages, disk, timer in; links, disk,
 * workers out. Everything a callback of the member wants done is done by the end of the turn. */
#include "node/membership.h"

#include "base/alloc.h"
#include "base/log.h"
#include "control/settings.h"
#include "node/administration_priv.h"
#include "node/membership_priv.h"
#include "node/replication.h"
#include "wire/control.h"
#include "wire/peer.h"
#include "wire/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { ASK_MS = 5000, LEAVE_MS = 2000, TAIL_BYTES = 4 << 20, ARENA_BYTES = 64 << 20 };
enum { STORE_AGAIN_MS = 500 };

/* --- what it waits for ----------------------------------------------------------------------- */

static void waits_set(struct membership *m, const char *why)
{
    pthread_mutex_lock(&m->waits_lock);
    snprintf(m->waits, sizeof m->waits, "%s", why);
    pthread_mutex_unlock(&m->waits_lock);
}

bool membership_waits(struct node *n, char *why)
{
    struct membership *m = n->membership;
    pthread_mutex_lock(&m->waits_lock);
    snprintf(why, WAITS_BYTES, "%s", m->waits);
    pthread_mutex_unlock(&m->waits_lock);
    return why[0] != 0;
}

/* Not the time of the turn: a process that was stopped in between would take a beacon for older
 * than it is, and what it grants would end before what the other holds (R7). */
static msec_t now_of(const struct membership *m)
{
    (void)m;
    return clock_mono_ms();
}

/* --- what the member wants -------------------------------------------------------------------- */

static enum peer_class class_of(enum grid_message_kind kind)
{
    return kind == GRID_MSG_PIECE ? PEER_BULK : kind == GRID_MSG_DELTA ? PEER_RECORDS : PEER_URGENT;
}

struct sending {
    const struct grid_message *msg;
};

static void send_on(void *ctx, struct peers_link *k)
{
    const struct grid_message *msg = ((const struct sending *)ctx)->msg;
    struct buf *out = peers_begin(k, class_of(msg->kind));
    wire_peer_put(out, WIRE_PEER_GRID);
    wire_grid_encode(msg, out);
    peers_end(k);
}

/* A node that is known by its address alone is dialled as one of the seeds; whoever answers there
 * hears what is said to all. */
static void member_send(void *ctx, const struct grid_to *to, const struct grid_message *msg)
{
    struct membership *m = ctx;
    static const uint8_t nobody[GRID_ID_BYTES];
    struct sending sending = {msg};
    if (memcmp(to->id, nobody, sizeof nobody) == 0) {
        if (!m->broadcast)
            peers_each(m->peers, send_on, &sending);
        m->broadcast = true;
        return;
    }
    struct peers_link *k = peers_find(m->peers, to->id, 0);
    if (k)
        send_on(&sending, k);
    else if (to->address && to->address[0])
        membership_seed_add(m, to->address);
}

static void member_persist(void *ctx, const struct grid_persist *p)
{
    struct membership *m = ctx;
    raft_disk_persist(m->disk, p);
}

/* Lives of others that ended. */
static void failovers_count(struct membership *m, const struct grid_state *now)
{
    for (size_t i = 0; m->last && i < m->last->nodes_len; i++) {
        const struct grid_node *was = &m->last->nodes[i], *is = grid_state_node(now, was->number);
        if (was->state == NODE_UP && was->number != m->self.node)
            m->failovers += !is || is->state == NODE_DOWN || is->boot != was->boot;
    }
    grid_state_unref(m->last);
    m->last = grid_state_ref((struct grid_state *)(uintptr_t)now);
}

static void member_publish(void *ctx, struct grid_state *state)
{
    struct membership *m = ctx;
    if (m->last && m->last->level < state->level)
        log_info("grid", "all nodes know feature level %u: it may be used", state->level);
    failovers_count(m, state);
    grid_state_unref(m->news);
    m->news = grid_state_ref(state);
}

static void member_done(void *ctx, const struct grid_done *d)
{
    struct membership *m = ctx;
    struct asked *a = (struct asked *)(uintptr_t)d->ticket;
    if (d->ticket == GRID_TICKET_NONE) { /* the member's own */
        if (d->err && !m->closed)
            log_warn("grid", "the grid was not told what this node is now: %s", d->why);
        return;
    }
    if (a->shown && !d->err && d->revision > m->revision) {
        a->revision = d->revision;
        a->member = d->member;
        list_push_back(&m->waiting, &a->node);
        return;
    }
    struct grid_done closed = *d;
    if (m->closed) /* whatever it was: nobody is there any more */
        closed.err = GRID_ECLOSED;
    a->done(a->ctx, &closed);
    free(a);
}

/* The workers have been told of all up to m->revision. */
static void waiting_tell(struct membership *m)
{
    struct list *it = m->waiting.next;
    while (it != &m->waiting) {
        struct asked *a = list_entry(it, struct asked, node);
        it = it->next;
        if (a->revision > m->revision && !m->closed)
            continue;
        list_remove(&a->node);
        a->done(a->ctx, &(struct grid_done){.revision = a->revision,
                                            .err = m->closed ? GRID_ECLOSED : GRID_OK,
                                            .member = a->member});
        free(a);
    }
}

static void member_ask(void *ctx, const struct plan_ask *ask)
{
    struct membership *m = ctx;
    replication_hand_over(m->node, ask);
}

static void member_notice(void *ctx, const struct grid_notice *notice)
{
    struct membership *m = ctx;
    switch (notice->kind) {
    case GRID_NOTICE_FOUNDED:
        log_info("grid", "the grid %s is founded", m->node->conf.grid);
        break;
    case GRID_NOTICE_IN:
        m->self = notice->member;
        log_info("grid", "in the grid %s as node %u, start %u", m->node->conf.grid, m->self.node,
                 m->self.boot);
        break;
    case GRID_NOTICE_GONE:
        m->self = (struct replica_member){0, 0};
        waits_set(m, "it was taken for dead, and enters again");
        if (!m->node->stopping) /* it says itself that it leaves */
            log_warn("grid",
                     "the grid took this node for dead: it enters again, as after a restart");
        break;
    case GRID_NOTICE_REFUSED:
        log_error("grid", "not let into the grid: %s", notice->why);
        break;
    case GRID_NOTICE_BROKEN:
        node_fail(m->node, "grid", notice->why);
        break;
    case GRID_NOTICE_LEADER:
        m->leaders += notice->leader && notice->leader != m->leader;
        m->leader = notice->leader ? notice->leader : m->leader;
        if (notice->leader)
            log_info("grid", "node %u leads in term %llu", notice->leader,
                     (unsigned long long)notice->term);
        replication_again(m->node);
        break;
    }
}

/* --- news for the workers --------------------------------------------------------------------- */

/* What the data directory is recovered with at the next start, so on disk before any worker knows
 * it. On a full disk it comes later, for leases and configurations cannot wait for it: until then
 * no worker writes to its log, or a start would take the records for those of something dropped. */
static void catalog_store(struct membership *m)
{
    struct node *n = m->node;
    char why[STORE_WHY_BYTES] = "";
    struct buf bytes = BUF_INIT;
    wire_catalog_encode(n->catalog, &bytes);
    enum grid_err err = meta_catalog_set(n->meta, n->catalog->revision, buf_slice(&bytes), why);
    buf_release(&bytes);
    if (err && err != GRID_ENO_SPACE) {
        node_fail(n, "store", why);
        return;
    }
    m->store_at = now_of(m) + STORE_AGAIN_MS;
    if (m->unstored == (err != GRID_OK))
        return;
    m->unstored = err != GRID_OK;
    node_full(n, SPACE_CATALOG, m->unstored);
    if (m->unstored)
        log_error("store", "%s; reads go on, writes are refused until there is", why);
    else
        log_info("store", "the catalog is on the disk again");
}

static void catalog_take(struct membership *m, struct catalog *c)
{
    struct node *n = m->node;
    if (c == n->catalog)
        return;
    catalog_unref(n->catalog);
    n->catalog = catalog_ref(c);
    catalog_store(m);
}

static void links_want(struct membership *m, const struct grid_state *s)
{
    struct peers_node *nodes = xcalloc(s->nodes_len, sizeof *nodes);
    for (size_t i = 0; i < s->nodes_len; i++) {
        memcpy(nodes[i].id, s->nodes[i].info.id, GRID_ID_BYTES);
        nodes[i].address = s->nodes[i].info.address[ADDRESS_PEER];
        nodes[i].shards = s->nodes[i].info.shards;
    }
    peers_set_grid_id(m->peers, s->grid_id);
    peers_set_nodes(m->peers, nodes, s->nodes_len);
    free(nodes);
}

/* Never a state that was not published: a start has an older one than the disk's at first, and the
 * workers would take what was made since for dropped. */
static void news_tell(struct membership *m)
{
    struct grid_state *s = m->last;
    bool astray = grid_member_astray(m->member, now_of(m));
    bool same = replica_member_eq(m->self, m->told) && astray == m->told_astray;
    if (!s || (!m->news && same))
        return;
    if (grid_state_founded(s)) {
        catalog_take(m, s->catalog);
        if (node_failed(m->node))
            return;
        links_want(m, s);
    }
    replication_news(m->node, s, m->self, astray);
    m->told = m->self;
    m->told_astray = astray;
    m->revision = s->revision;
    grid_state_unref(m->news);
    m->news = NULL;
    waiting_tell(m);
}

/* --- what comes in ---------------------------------------------------------------------------- */

static void link_up(void *ctx, struct peers_link *k)
{
    struct membership *m = ctx;
    const struct peer_hello *other = peers_link_other(k);
    log_info("grid", "linked with node %s at %s", other->node, other->address);
    loop_timer_set(&m->timer, 0);
}

static void link_down(void *ctx, struct peers_link *k, const char *why)
{
    struct membership *m = ctx;
    const struct peer_hello *other = peers_link_other(k);
    log_info("grid", "no link with node %s at %s: %s", other->node, other->address, why);
    census_lost(m->node, other->node_id);
    if (m->member && peers_link_lost(k))
        grid_member_closed(m->member, now_of(m), other->node_id);
}

static void link_message(void *ctx, struct peers_link *k, enum peer_class class, struct slice body)
{
    struct membership *m = ctx;
    (void)class;
    const struct peer_hello *other = peers_link_other(k);
    struct grid_message msg;
    enum wire_peer_kind kind = wire_peer_take(&body);
    if (kind == WIRE_PEER_ADMIN)
        census_message(m->node, other->node_id, body);
    if (kind != WIRE_PEER_GRID)
        return;
    enum grid_err err = wire_grid_decode(body, m->arena, &msg);
    if (!err && memcmp(msg.from, other->node_id, sizeof msg.from) != 0)
        err = GRID_EBAD_REQUEST;
    if (err && err != GRID_EUNSUPPORTED)
        peers_link_close(k, "it said what makes no sense");
    else if (!err)
        grid_member_receive(m->member, now_of(m), &msg, other->address);
    arena_reset(m->arena);
}

static void disk_written(void *ctx, uint64_t job)
{
    struct membership *m = ctx;
    grid_member_persisted(m->member, now_of(m), job);
}

/* These two on the disk's own thread. */
static void disk_broken(void *ctx, const char *why)
{
    node_fail(((struct membership *)ctx)->node, "control", why);
}

static void disk_full(void *ctx, bool full)
{
    node_full(((struct membership *)ctx)->node, SPACE_CONTROL, full);
}

static void timer_fired(void *ctx)
{
    (void)ctx; /* the turn's end steps */
}

/* What sessions say for as long as it is not in. */
static void waits_tell(struct membership *m)
{
    struct grid_member_status s;
    grid_member_status(m->member, now_of(m), &s);
    bool in = s.phase == GRID_IN && m->told.node;
    waits_set(m, in ? "" : s.why[0] ? s.why : "it enters the grid");
    /* Other refusals may be over soon: a node that starts anew is let in when its last life is. */
    atomic_store(&m->node->refused, s.for_good);
}

bool membership_refused(struct node *n)
{
    struct grid_member_status s;
    membership_status(n, &s);
    return s.phase == GRID_REFUSED;
}

static void left(void *ctx, const struct grid_done *d)
{
    struct membership *m = ctx;
    if (d->err == GRID_ECLOSED)
        return;
    if (d->err)
        log_warn("grid", "the grid was not told that this node leaves: %s", d->why);
    m->left(m->node);
}

static void drained(struct node *n)
{
    struct membership *m = n->membership;
    struct asked *a = xalloc(sizeof *a);
    *a = (struct asked){.done = left, .ctx = m};
    grid_member_released(m->member, now_of(m));
    enum grid_err err = grid_member_leave(m->member, now_of(m) + LEAVE_MS, (uint64_t)(uintptr_t)a);
    if (err)
        member_done(m, &(struct grid_done){
                           .ticket = (uint64_t)(uintptr_t)a, .err = err, .why = err_text(err)});
    loop_timer_set(&m->timer, 0);
}

/* Whoever could lead in its place is gone, and so are those that had to agree to anything: there is
 * nothing to wait for. */
static bool is_last(const struct membership *m)
{
    const struct grid_state *s = membership_state(m->node);
    uint64_t linked, leaders, failovers;
    unsigned voters = 0;
    membership_counts(m->node, &linked, &leaders, &failovers);
    for (size_t i = 0; s && i < s->nodes_len; i++)
        voters += s->nodes[i].voter;
    return linked == 0 && voters > 1;
}

static void drain_begin(struct membership *m)
{
    if (m->drain_due && is_last(m)) {
        m->drain_due = false;
        m->left(m->node);
        return;
    }
    if (!m->drain_due || !grid_member_may_drain(m->member))
        return;
    m->drain_due = false;
    replication_drain(m->node, drained);
}

void membership_turn_end(struct node *n)
{
    struct membership *m = n->membership;
    if (!m || !m->member || node_failed(n))
        return;
    m->broadcast = false;
    grid_member_step(m->member, now_of(m), loop_wall_ms(n->loop));
    if (!node_failed(n))
        news_tell(m);
    if (node_failed(n))
        return;
    drain_begin(m);
    if (m->unstored && now_of(m) >= m->store_at)
        catalog_store(m);
    if (m->waits[0])
        waits_tell(m);
    peers_turn_end(m->peers);
    msec_t now = now_of(m), next = grid_member_next(m->member);
    if (m->unstored && m->store_at < next)
        next = m->store_at;
    loop_timer_set(&m->timer, next > now ? next - now : 0);
}

/* --- proposals -------------------------------------------------------------------------------- */

void membership_propose(struct node *n, const struct grid_command *c, membership_done_fn *done,
                        void *ctx)
{
    struct membership *m = n->membership;
    struct asked *a = xalloc(sizeof *a);
    *a = (struct asked){.done = done, .ctx = ctx, .shown = true};
    list_init(&a->node);
    enum grid_err err =
        grid_member_propose(m->member, c, now_of(m) + ASK_MS, (uint64_t)(uintptr_t)a);
    if (err)
        member_done(m, &(struct grid_done){
                           .ticket = (uint64_t)(uintptr_t)a, .err = err, .why = err_text(err)});
    loop_timer_set(&m->timer, 0);
}

void membership_known(struct node *n, uint64_t revision, membership_done_fn *done, void *ctx)
{
    struct membership *m = n->membership;
    struct asked *a = xalloc(sizeof *a);
    *a = (struct asked){.done = done, .ctx = ctx, .revision = revision};
    list_push_back(&m->waiting, &a->node);
    waiting_tell(m);
}

void membership_tell(struct node *n, const struct plan_report *report,
                     const struct plan_progress *progress)
{
    if (report)
        grid_member_report(n->membership->member, report);
    if (progress)
        grid_member_progress(n->membership->member, progress);
}

void membership_change(struct node *n, const struct part_change *change, membership_done_fn *done,
                       void *ctx)
{
    struct membership *m = n->membership;
    struct asked *a = xalloc(sizeof *a);
    *a = (struct asked){.done = done, .ctx = ctx};
    enum grid_err err =
        grid_member_change(m->member, change, now_of(m) + ASK_MS, (uint64_t)(uintptr_t)a);
    if (err)
        member_done(m, &(struct grid_done){
                           .ticket = (uint64_t)(uintptr_t)a, .err = err, .why = err_text(err)});
}

void membership_counts(const struct node *n, uint64_t *ret_peers, uint64_t *ret_leaders,
                       uint64_t *ret_failovers)
{
    const struct membership *m = n->membership;
    struct peers_stats stats;
    peers_stats(m->peers, &stats);
    *ret_peers = stats.links;
    *ret_leaders = m->leaders;
    *ret_failovers = m->failovers;
}

bool membership_post(struct node *n, const uint8_t *id, struct slice bytes)
{
    struct membership *m = n->membership;
    struct peers_link *k = peers_find(m->peers, id, 0);
    if (!k)
        return false;
    peers_send(k, PEER_BULK, bytes);
    loop_timer_set(&m->timer, 0); /* it goes out at the end of the turn */
    return true;
}

/* --- to look at ------------------------------------------------------------------------------- */

const struct grid_state *membership_state(const struct node *n)
{
    return grid_member_state(n->membership->member);
}

struct replica_member membership_self(const struct node *n)
{
    return n->membership->self;
}

void membership_status(const struct node *n, struct grid_member_status *ret_status)
{
    grid_member_status(n->membership->member, now_of(n->membership), ret_status);
}

bool membership_trouble(const struct node *n, size_t index, struct peers_trouble *ret_trouble)
{
    return peers_trouble(n->membership->peers, index, ret_trouble);
}

bool membership_twin(const struct node *n, size_t index, struct peers_twin *ret_twin)
{
    return peers_twin(n->membership->peers, index, ret_twin);
}

uint32_t membership_level(const struct node *n, const struct grid_node *of)
{
    return grid_member_level(n->membership->member, of);
}

struct grid_leases *membership_leases(const struct node *n)
{
    return grid_member_leases(n->membership->member);
}

/* --- life ------------------------------------------------------------------------------------- */

static void entered(void *ctx, int fd, const struct net_addr *from)
{
    peers_accept(((struct membership *)ctx)->peers, fd, from);
}

/* Bound with the doors, before the data directory is touched: who starts a node twice hears of the
 * port. */
enum grid_err membership_listen(struct node *n, char *why)
{
    struct membership *m = n->membership = xcalloc(1, sizeof *m);
    m->node = n;
    list_init(&m->waiting);
    pthread_mutex_init(&m->waits_lock, NULL);
    snprintf(m->waits, sizeof m->waits, "it starts");
    m->arena = arena_new(ARENA_BYTES);
    m->scratch = arena_new(ARENA_BYTES);
    if (n->conf.cert) {
        struct tls_conf tls = tls_conf_of_peers(&n->conf);
        enum grid_err err = tls_new(&tls, &m->tls, why);
        if (err)
            return err;
    }
    struct listener_conf conf = {n->conf.listen_peer, "peer", &n->quota, m, entered};
    return listener_new(n->loop, &conf, &m->listener, why);
}

void membership_address(const struct node *n, char ret_text[NET_ADDR_BYTES])
{
    listener_text(n->membership->listener, ret_text);
}

/* What a node that was alone has stored would be taken for the grid's: the numbers of contexts and
 * records are the same. */
static enum grid_err data_judge(const struct node *n, char *why)
{
    const struct meta_info *info = meta_info(n->meta);
    if (info->fresh || info->control || n->conf.bootstrap_expect == 1)
        return GRID_OK;
    snprintf(why, NODE_WHY_BYTES,
             "%s is of a node that was alone: let it found the grid, with bootstrap_expect = 1, or "
             "begin with an empty directory",
             n->conf.data);
    return GRID_ECONDITION;
}

enum grid_err membership_open(struct node *n, char *why)
{
    struct membership *m = n->membership;
    char path[4096];
    snprintf(path, sizeof path, "%s/control", n->conf.data);
    enum grid_err err = data_judge(n, why);
    m->fresh = meta_info(n->meta)->fresh;
    if (!err)
        err = membership_info(m, why);
    if (!err)
        err = raftstore_open(path, !meta_info(n->meta)->control, why, &m->store);
    if (!err && !meta_info(n->meta)->control)
        err = meta_control_made(n->meta, why);
    return err ? err : raftstore_read(m->store, why, &m->found);
}

/* --- codec of the member ---------------------------------------------------------------------- */

static void codec_command_encode(void *ctx, const struct grid_command *c, struct buf *out)
{
    (void)ctx;
    wire_command_encode(c, out);
}

static enum grid_err codec_command_decode(void *ctx, struct slice in, struct grid_command *c)
{
    struct membership *m = ctx;
    arena_reset(m->scratch);
    return wire_command_decode(in, m->scratch, c);
}

static void codec_command_release(void *ctx, struct grid_command *c)
{
    (void)ctx;
    wire_command_release(c);
}

static void codec_state_encode(void *ctx, const struct grid_state *s, struct buf *out)
{
    (void)ctx;
    wire_state_encode(s, out);
}

static enum grid_err codec_state_decode(void *ctx, struct slice in, struct grid_state **ret_state)
{
    (void)ctx;
    return wire_state_decode(in, ret_state);
}

static enum grid_err codec_delta_apply(void *ctx, struct grid_state *working, struct slice delta)
{
    struct membership *m = ctx;
    arena_reset(m->scratch);
    return wire_delta_apply(working, delta, m->scratch);
}

static struct grid_member *member_make(struct membership *m)
{
    struct node *n = m->node;
    struct grid_ports ports = {m,           member_send, member_persist, member_publish,
                               member_done, member_ask,  member_notice};
    struct grid_codec codec = {
        .ctx = m,
        .command_encode = codec_command_encode,
        .command_decode = codec_command_decode,
        .command_release = codec_command_release,
        .state_encode = codec_state_encode,
        .state_decode = codec_state_decode,
        .tail_new = control_tail_new,
        .tail_free = control_tail_free,
        .tail_add = control_tail_add,
        .tail_delta = control_tail_delta,
        .delta_apply = codec_delta_apply,
    };
    struct grid_member_conf conf = {
        .grid = n->view.grid,
        .info = &m->info,
        .peers = n->conf.peers,
        .peers_len = n->conf.peers_len < GRID_PEERS_MAX ? n->conf.peers_len : GRID_PEERS_MAX,
        .bootstrap_expect = n->conf.bootstrap_expect,
        .identity = m->found.identity,
        .raft = &m->found.raft,
        /* A node that has been alone founds a grid with what it has. */
        .adopt = n->conf.bootstrap_expect == 1 && !m->fresh ? n->catalog : NULL,
        .has_data = n->conf.bootstrap_expect == 1 && !m->fresh,
        .adopt_epoch = (uint32_t)meta_info(n->meta)->boot,
        .catalog_known = n->catalog->revision,
    };
    CHECK(getrandom(conf.seed, sizeof conf.seed, 0) == sizeof conf.seed);
    return grid_member_new(&conf, &ports, &codec, now_of(m), clock_wall_ms());
}

/* What this node says of itself on links. */
static struct peer_hello hello_make(const struct membership *m)
{
    struct peer_hello h = {.shards = m->info.shards};
    snprintf(h.grid, sizeof h.grid, "%s", m->node->view.grid);
    memcpy(h.grid_id, m->found.identity.grid_id, sizeof h.grid_id);
    memcpy(h.node_id, m->info.id, sizeof h.node_id);
    memcpy(h.boot_id, m->info.boot_id, sizeof h.boot_id);
    h.start = meta_info(m->node->meta)->boot;
    snprintf(h.node, sizeof h.node, "%s", m->info.name);
    snprintf(h.address, sizeof h.address, "%s", m->info.address[ADDRESS_PEER]);
    snprintf(h.software, sizeof h.software, "gridd " GRIDD_VERSION);
    return h;
}

enum grid_err membership_start(struct node *n, char *why)
{
    struct membership *m = n->membership;
    m->resolver = resolver_new();
    m->disk =
        m->resolver
            ? raft_disk_new(m->store, n->loop,
                            &(struct raft_disk_ports){m, disk_written, disk_full, disk_broken})
            : NULL;
    if (!m->disk)
        return node_short(why);
    struct peers_conf conf = {
        .loop = n->loop,
        .kind = PEER_CONTROL,
        .self = hello_make(m),
        .tls = m->tls,
        .quota = &n->quota,
        .resolver = m->resolver,
        .ports = {m, link_up, link_message, NULL, link_down},
    };
    m->peers = peers_new(&conf);
    m->member = member_make(m);
    struct replication_conf r = {conf.self, m->tls, m->resolver, grid_member_leases(m->member)};
    m->of_shards = xcalloc(n->shards, sizeof *m->of_shards);
    for (unsigned i = 0; i < n->shards; i++) {
        replication_init(&n->workers[i], &r);
        m->of_shards[i] = replication_peers(&n->workers[i]);
    }
    peers_set_shards(m->peers, m->of_shards, n->shards);
    raftstore_found_release(&m->found);
    loop_timer_init(&m->timer, n->loop, timer_fired, m);
    loop_timer_set(&m->timer, 0);
    membership_seeds(m);
    return GRID_OK;
}

/* --- leaving ---------------------------------------------------------------------------------- */

void membership_leave(struct node *n, void (*done)(struct node *n))
{
    struct membership *m = n->membership;
    m->left = done;
    grid_member_step_down(m->member, now_of(m));
    m->drain_due = true;
    loop_timer_set(&m->timer, 0);
}

void membership_stop(struct node *n)
{
    struct membership *m = n->membership;
    if (!m)
        return;
    listener_free(m->listener);
    m->listener = NULL;
    if (m->peers)
        peers_stop(m->peers);
    if (m->resolver)
        resolver_stop(m->resolver);
    if (m->member)
        loop_timer_stop(&m->timer);
    raft_disk_free(m->disk);
    m->disk = NULL;
    m->closed = true;
}

void membership_free(struct node *n)
{
    struct membership *m = n->membership;
    if (!m)
        return;
    census_free(n);
    grid_member_free(m->member);
    waiting_tell(m);
    peers_free(m->peers);
    resolver_free(m->resolver);
    raftstore_found_release(&m->found);
    raftstore_close(m->store);
    grid_state_unref(m->news);
    grid_state_unref(m->last);
    tls_free(m->tls);
    arena_free(m->arena);
    arena_free(m->scratch);
    free(m->of_shards);
    pthread_mutex_destroy(&m->waits_lock);
    free(m);
    n->membership = NULL;
}
