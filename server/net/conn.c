/* conn.c - the life of a connection.
 *
 *   conn_dial -> CONNECTING
 *                |    conn_finish, failed handshake
 *                v
 *            HANDSHAKE ------------------------------> FINISHING --> LINGERING
 *                |                                      ^   ^
 *                v            conn_finish               |   |
 *   conn_new -> OPEN -----------------------------------+   |
 *                ^ |  conn_detach                           |
 *                | +-------------> MOVING ------------------+         any of them --> ENDED
 *                +---- conn_attach ---+
 *
 * Nothing is closed or freed inside a callback: a connection that ends is put on loop->ending and
 * leaves with the turn. Deadlines are lazy: one timer per connection is set to the earliest of them
 * and looks again when it fires; activity only stores the time of the turn. */
#include "net/conn_priv.h"

#include "base/alloc.h"
#include "base/sm.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const STATES[] = {"connecting", "handshake", "open", "moving",
                                     "finishing",  "lingering", "ended"};

#define TO(state) (1u << CONN_##state)
static const uint32_t MOVES[] = {
    [CONN_CONNECTING] = TO(HANDSHAKE) | TO(OPEN) | TO(FINISHING) | TO(ENDED),
    [CONN_HANDSHAKE] = TO(OPEN) | TO(FINISHING) | TO(ENDED),
    [CONN_OPEN] = TO(MOVING) | TO(FINISHING) | TO(ENDED),
    [CONN_MOVING] = TO(OPEN) | TO(FINISHING) | TO(ENDED),
    [CONN_FINISHING] = TO(LINGERING) | TO(ENDED),
    [CONN_LINGERING] = TO(ENDED),
    [CONN_ENDED] = 0,
};
static const struct sm_table LIFE = {"conn", STATES, MOVES, sizeof MOVES / sizeof *MOVES};

static const char *const END_TEXTS[] = {
    [CONN_ENDED_OWNER] = "closed by this node",
    [CONN_ENDED_PEER] = "closed by the peer",
    [CONN_ENDED_BROKEN] = "connection broken",
    [CONN_ENDED_HANDSHAKE] = "TLS handshake failed",
    [CONN_ENDED_TLS] = "TLS error",
    [CONN_ENDED_IDLE] = "idle for too long",
    [CONN_ENDED_SLOW] = "the peer does not read its answers",
    [CONN_ENDED_INPUT] = "more unfinished input than allowed",
    [CONN_ENDED_STOP] = "the node stops",
};

static _Atomic uint64_t last_id;

const char *conn_end_text(enum conn_end end)
{
    return END_TEXTS[end];
}

void conn_state_set(struct conn *c, enum conn_state to)
{
    sm_move(&LIFE, &c->state, to);
}

/* --- deadlines -------------------------------------------------------------------------------- */

struct deadline {
    msec_t at; /* 0: none */
    enum conn_end end;
    const char *why;
};

static void earlier(struct deadline *d, msec_t since, msec_t ms, enum conn_end end, const char *why)
{
    if (ms && (!d->at || since + ms < d->at))
        *d = (struct deadline){since + ms, end, why};
}

static msec_t connect_ms(const struct conn_conf *conf)
{
    return conf->connect_ms ? conf->connect_ms : conf->handshake_ms;
}

static struct deadline next_deadline(const struct conn *c)
{
    struct deadline d = {0};
    if (c->state == CONN_LINGERING) {
        earlier(&d, c->state_at, c->conf->linger_ms, CONN_ENDED_OWNER, NULL);
        return d;
    }
    if (c->state == CONN_CONNECTING)
        earlier(&d, c->state_at, connect_ms(c->conf), CONN_ENDED_IDLE, "no connection in time");
    else if (c->state == CONN_HANDSHAKE)
        earlier(&d, c->state_at, c->conf->handshake_ms, CONN_ENDED_IDLE,
                "no TLS handshake in time");
    else
        earlier(&d, c->active_at, c->idle_ms, CONN_ENDED_IDLE, NULL);
    if (c->stranger && c->state == CONN_OPEN)
        earlier(&d, c->stranger_at, c->conf->handshake_ms, CONN_ENDED_IDLE,
                "no whole request in time");
    if (c->waits)
        earlier(&d, c->taken_at, c->conf->slow_reader_ms, CONN_ENDED_SLOW, NULL);
    return d;
}

void conn_arm(struct conn *c)
{
    struct deadline d = next_deadline(c);
    if (!d.at || !c->loop || c->state == CONN_ENDED)
        return;
    if (loop_timer_active(&c->deadline) && c->deadline.node.key <= d.at)
        return;
    msec_t now = loop_mono_ms(c->loop);
    loop_timer_set(&c->deadline, d.at > now ? d.at - now : 0);
}

static void on_deadline(void *ctx)
{
    struct conn *c = ctx;
    struct deadline d = next_deadline(c);
    bool due = d.at && d.at <= loop_mono_ms(c->loop);
    if (due && d.end == CONN_ENDED_SLOW && conn_queue_moved(c)) {
        c->taken_at = c->active_at = loop_mono_ms(c->loop);
        due = false;
    }
    if (due)
        conn_fail(c, d.end, d.why);
    else
        conn_arm(c);
}

/* --- lists and events ------------------------------------------------------------------------- */

void conn_make_ready(struct conn *c)
{
    if (c->loop && list_empty(&c->ready))
        list_push_back(&c->loop->ready, &c->ready);
}

void conn_make_dirty(struct conn *c)
{
    if (c->loop && list_empty(&c->dirty))
        list_push_back(&c->loop->dirty, &c->dirty);
}

void conn_watch(struct conn *c, bool on)
{
    if (c->watching == on || !c->loop)
        return;
    CHECK((on ? event_add(&c->read_event, NULL) : event_del(&c->read_event)) == 0);
    c->watching = on;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct conn *c = ctx;
    loop_begin(c->loop);
    conn_read(c);
}

void conn_opened(struct conn *c)
{
    c->opened = true;
    if (c->handler->open)
        c->handler->open(c->ctx, c);
}

/* On a loop: everything that conn_detach's end takes off. */
static void join_loop(struct conn *c, struct loop *l)
{
    c->loop = l;
    list_push_back(&l->conns, &c->all);
    loop_timer_init(&c->deadline, l, on_deadline, c);
    CHECK(event_assign(&c->read_event, l->base, c->fd, EV_READ | EV_PERSIST, on_readable, c) == 0);
    c->read_turn = l->turn - 1;
    conn_watch(c, c->state != CONN_CONNECTING);
    loop_count(l, STAT_OPENED, 1);
    conn_arm(c);
    if (c->state != CONN_CONNECTING)
        conn_make_ready(c);
}

static void leave_loop(struct conn *c)
{
    conn_watch(c, false);
    if (c->write_event)
        event_free(c->write_event);
    c->write_event = NULL;
    c->blocked = false;
    loop_timer_stop(&c->deadline);
    list_remove(&c->all);
    list_remove(&c->ready);
    list_remove(&c->dirty);
    list_remove(&c->leaving);
    loop_count(c->loop, STAT_CLOSED, 1);
    c->loop = NULL;
}

static struct conn *make(struct loop *l, int fd, const struct net_addr *peer,
                         const struct conn_conf *conf, const struct conn_handler *handler,
                         void *ctx, enum conn_state state)
{
    bool dialled = state == CONN_CONNECTING;
    struct tls_link *tls = conf->tls ? tls_link_new(conf->tls, dialled) : NULL;
    if (conf->tls && !tls) {
        close(fd);
        if (conf->quota && !dialled)
            quota_give(conf->quota);
        return NULL;
    }
    if (conf->lost_ms)
        net_tune_link(fd, conf->lost_ms);
    CHECK(conf->read_bytes <= LOOP_READ_BYTES);
    struct conn *c = xcalloc(1, sizeof *c);
    list_init(&c->all);
    list_init(&c->ready);
    list_init(&c->dirty);
    list_init(&c->leaving);
    c->conf = conf;
    c->handler = handler;
    c->ctx = ctx;
    c->tls = tls;
    c->fd = fd;
    c->peer = *peer;
    c->id = ++last_id;
    c->idle_ms = conf->idle_ms;
    c->state = state;
    c->dialled = dialled;
    c->state_at = c->active_at = c->taken_at = loop_mono_ms(l);
    join_loop(c, l);
    return c;
}

enum grid_err conn_new(struct loop *l, int fd, const struct net_addr *peer,
                       const struct conn_conf *conf, const struct conn_handler *handler, void *ctx,
                       struct conn **ret_conn)
{
    enum conn_state state = conf->tls ? CONN_HANDSHAKE : CONN_OPEN;
    struct conn *c = make(l, fd, peer, conf, handler, ctx, state);
    if (!c)
        return GRID_ENOMEM;
    *ret_conn = c;
    return GRID_OK;
}

enum grid_err conn_dial(struct loop *l, const struct net_addr *to, const struct conn_conf *conf,
                        const struct conn_handler *handler, void *ctx, struct conn **ret_conn)
{
    int fd = socket(to->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return GRID_EIO;
    struct conn *c = make(l, fd, to, conf, handler, ctx, CONN_CONNECTING);
    if (!c)
        return GRID_ENOMEM;
    if (connect(fd, &to->u.sa, net_addr_len(to)) != 0 && errno != EINPROGRESS)
        conn_fail(c, CONN_ENDED_BROKEN, strerror(errno));
    else
        conn_await_writable(c);
    *ret_conn = c;
    return GRID_OK;
}

void conn_connected(struct conn *c)
{
    int e = 0;
    socklen_t len = sizeof e;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len) != 0)
        e = errno;
    if (e) {
        c->broken = true;
        conn_fail(c, CONN_ENDED_BROKEN, strerror(e));
        return;
    }
    c->state_at = c->active_at = loop_mono_ms(c->loop);
    conn_state_set(c, c->tls ? CONN_HANDSHAKE : CONN_OPEN);
    conn_watch(c, true);
    conn_arm(c);
    if (c->tls)
        conn_handshake_begin(c);
    else
        conn_opened(c);
}

/* --- the connections' part of a turn ---------------------------------------------------------- */

static void look(struct conn *c)
{
    if (c->state == CONN_OPEN && !c->opened)
        conn_opened(c);
    if (c->has_room) {
        c->has_room = false;
        if (c->state == CONN_OPEN)
            c->handler->room(c->ctx, c);
    }
    conn_read(c);
}

void conn_turn_ready(struct loop *l)
{
    struct list now;
    list_init(&now);
    for (struct list *it; (it = list_pop_front(&l->ready));)
        list_push_back(&now, it);
    for (struct list *it; (it = list_pop_front(&now));)
        look(list_entry(it, struct conn, ready));
}

static void end(struct conn *c)
{
    struct loop *l = c->loop;
    if (c->end == CONN_ENDED_IDLE || c->end == CONN_ENDED_SLOW)
        loop_count(l, c->end == CONN_ENDED_IDLE ? STAT_CLOSED_IDLE : STAT_CLOSED_SLOW, 1);
    conn_flush(c); /* the one last attempt */
    c->handler->closed(c->ctx, c, c->end, c->why ? c->why : conn_end_text(c->end));
    leave_loop(c);
    close(c->fd);
    if (c->conf->quota && !c->dialled)
        quota_give(c->conf->quota);
    loop_buf_give(l, &c->out);
    loop_buf_give(l, &c->wire);
    buf_release(&c->in);
    tls_link_free(c->tls);
    free(c->why);
    free(c);
}

static void detach(struct conn *c)
{
    leave_loop(c);
    c->handler->detached(c->ctx, c);
}

bool conn_turn_work(const struct loop *l)
{
    return !list_empty(&l->dirty) || !list_empty(&l->moving) || !list_empty(&l->ending);
}

void conn_turn_end(struct loop *l)
{
    /* The end of one may be output or the end of another. */
    while (conn_turn_work(l)) {
        for (struct list *it; (it = list_pop_front(&l->dirty));)
            conn_flush(list_entry(it, struct conn, dirty));
        for (struct list *it; (it = list_pop_front(&l->moving));)
            detach(list_entry(it, struct conn, leaving));
        for (struct list *it; (it = list_pop_front(&l->ending));)
            end(list_entry(it, struct conn, leaving));
    }
    l->trash.len = 0;
    buf_shrink(&l->trash, 0);
}

void conn_stop_all(struct loop *l)
{
    list_for_each_safe (it, &l->conns)
        conn_fail(list_entry(it, struct conn, all), CONN_ENDED_STOP, NULL);
    conn_turn_end(l);
}

void conn_fail(struct conn *c, enum conn_end reason, const char *why)
{
    if (c->state == CONN_ENDED)
        return;
    if (!c->end_known) {
        c->end = reason;
        c->why = why ? xstrdup(why) : NULL;
        c->end_known = true;
    }
    conn_state_set(c, CONN_ENDED);
    conn_watch(c, false);
    list_remove(&c->ready);
    list_remove(&c->leaving);
    list_push_back(&c->loop->ending, &c->leaving);
}

/* --- for the owner ---------------------------------------------------------------------------- */

struct buf *conn_output(struct conn *c)
{
    if (c->state >= CONN_FINISHING && c->loop)
        return &c->loop->trash;
    if (c->loop && !c->out.cap)
        loop_buf_take(c->loop, &c->out);
    conn_make_dirty(c);
    return &c->out;
}

size_t conn_unsent(const struct conn *c)
{
    return c->out.len + c->wire.len - c->sent;
}

void conn_want_room(struct conn *c)
{
    CHECK(c->handler->room);
    c->wants_room = true;
    conn_make_dirty(c);
}

void conn_pause(struct conn *c)
{
    c->paused = true;
}

void conn_resume(struct conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    conn_again(c);
}

void conn_again(struct conn *c)
{
    c->again = true;
    conn_make_ready(c);
}

void conn_close(struct conn *c)
{
    CHECK(c->loop);
    conn_fail(c, CONN_ENDED_OWNER, NULL);
}

void conn_finish(struct conn *c)
{
    CHECK(c->loop);
    if (c->state >= CONN_FINISHING)
        return;
    list_remove(&c->leaving);
    conn_state_set(c, CONN_FINISHING);
    conn_make_dirty(c);
}

void conn_detach(struct conn *c)
{
    CHECK(c->handler->detached);
    conn_state_set(c, CONN_MOVING);
    list_push_back(&c->loop->moving, &c->leaving);
}

void conn_attach(struct conn *c, struct loop *l)
{
    CHECK(!c->loop && c->state == CONN_MOVING);
    conn_state_set(c, CONN_OPEN);
    c->again = c->in.len > 0;
    c->throttled = false;
    join_loop(c, l);
    if (conn_unsent(c))
        conn_make_dirty(c);
}

void conn_set_owner(struct conn *c, const struct conn_handler *handler, void *ctx)
{
    c->handler = handler;
    c->ctx = ctx;
}

void *conn_ctx(const struct conn *c)
{
    return c->ctx;
}

void conn_expect(struct conn *c)
{
    if (c->stranger)
        return;
    c->stranger = true;
    c->stranger_at = loop_mono_ms(c->loop);
    conn_arm(c);
}

void conn_greeted(struct conn *c)
{
    c->stranger = false;
}

void conn_set_idle(struct conn *c, msec_t idle_ms)
{
    c->idle_ms = idle_ms;
    conn_arm(c);
}

struct loop *conn_loop(const struct conn *c)
{
    return c->loop;
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}

const struct net_addr *conn_peer(const struct conn *c)
{
    return &c->peer;
}

bool conn_is_tls(const struct conn *c)
{
    return c->tls != NULL;
}

const char *conn_user(const struct conn *c)
{
    return c->tls ? tls_link_user(c->tls) : "";
}

bool conn_alive(const struct conn *c)
{
    return c->state < CONN_FINISHING;
}

void conn_check(const struct conn *c)
{
    buf_check(&c->in);
    buf_check(&c->out);
    buf_check(&c->wire);
    CHECK(c->sent <= (c->tls ? c->wire.len : c->out.len));
    CHECK(!c->blocked || c->write_event);
}
