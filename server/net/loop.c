/* loop.c - turns around event_base_loop(EVLOOP_ONCE).
 *
 * libevent waits and calls back for descriptors; everything else of a turn is ours, so that its
 * order is fixed. The base is used by one thread: no locks. Timers are a heap of our own with one
 * libevent timer for the earliest, so that a connection's deadline costs nothing while it moves
 * into the future, and tests can bring their own clock.
 *
 * Before it blocks the loop tells the mailbox (mailbox_sleep); the first callback takes that back,
 * so that senders signal only a loop that really waits. */
#include "net/loop_priv.h"

#include "base/alloc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { DESCRIPTORS_OF_BASE = 8 };

static void on_mail_event(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    loop_begin(ctx); /* edge-triggered: nothing to read off */
}

static void on_alarm(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    struct loop *l = ctx;
    l->alarm_at = 0;
    loop_begin(l);
}

/* libevent ends the process when it finds no descriptor for its own use. */
static bool descriptors_left(int fd)
{
    int taken[DESCRIPTORS_OF_BASE];
    size_t n = 0;
    while (n < DESCRIPTORS_OF_BASE && (taken[n] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0)
        n++;
    bool enough = n == DESCRIPTORS_OF_BASE;
    while (n)
        close(taken[--n]);
    return enough;
}

static struct event_base *base_new(void)
{
    struct event_config *conf = event_config_new();
    CHECK(conf);
    CHECK(event_config_set_flag(conf, EVENT_BASE_FLAG_NOLOCK) == 0);
    CHECK(event_config_require_features(conf, EV_FEATURE_ET | EV_FEATURE_O1) == 0);
    struct event_base *base = event_base_new_with_config(conf);
    event_config_free(conf);
    return base;
}

struct loop *loop_new(const struct loop_hooks *hooks)
{
    struct mailbox *mailbox = mailbox_new();
    struct event_base *base = mailbox && descriptors_left(mailbox_fd(mailbox)) ? base_new() : NULL;
    if (!base) {
        mailbox_free(mailbox);
        return NULL;
    }
    struct loop *l = xcalloc(1, sizeof *l);
    l->hooks = *hooks;
    l->base = base;
    l->mailbox = mailbox;
    l->mail_event =
        event_new(l->base, mailbox_fd(l->mailbox), EV_READ | EV_ET | EV_PERSIST, on_mail_event, l);
    CHECK(l->mail_event && event_add(l->mail_event, NULL) == 0);
    l->alarm = evtimer_new(l->base, on_alarm, l);
    CHECK(l->alarm);
    l->scratch = xalloc(LOOP_READ_BYTES);
    list_init(&l->conns);
    list_init(&l->ready);
    list_init(&l->dirty);
    list_init(&l->moving);
    list_init(&l->ending);
    return l;
}

static void take_mail(struct loop *l)
{
    for (struct mail *m = mailbox_take(l->mailbox), *next; m; m = next) {
        next = m->next;
        CHECK(l->hooks.mail);
        l->hooks.mail(l->hooks.ctx, m);
    }
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    loop_begin(l);
    take_mail(l);
    conn_stop_all(l);
    event_free(l->mail_event);
    event_free(l->alarm);
    mailbox_free(l->mailbox);
    heap_release(&l->timers);
    event_base_free(l->base);
    input_release(&l->input);
    for (size_t i = 0; i < l->spare_len; i++)
        buf_release(&l->spare[i]);
    buf_release(&l->trash);
    free(l->scratch);
    free(l);
}

void loop_cut(struct loop *l)
{
    loop_begin(l);
    conn_stop_all(l);
}

void loop_begin(struct loop *l)
{
    if (likely(l->begun))
        return;
    l->begun = true;
    if (l->waits) {
        l->waits = false;
        l->hooks.wait(l->hooks.ctx, false);
    }
    l->mono_known = l->wall_known = false;
    mailbox_awake(l->mailbox);
}

uint64_t loop_mono_us(struct loop *l)
{
    if (!l->mono_known) {
        l->mono_us = l->clock ? l->clock(l->clock_ctx) * 1000 : clock_mono_us();
        l->mono_known = true;
    }
    return l->mono_us;
}

uint64_t loop_wall_us(struct loop *l)
{
    if (!l->wall_known) {
        l->wall_us = clock_wall_us();
        l->wall_known = true;
    }
    return l->wall_us;
}

msec_t loop_mono_ms(struct loop *l)
{
    return loop_mono_us(l) / 1000;
}

msec_t loop_wall_ms(struct loop *l)
{
    return loop_wall_us(l) / 1000;
}

/* Make the event base return in time for the earliest timer; false: it is due now. */
static bool set_alarm(struct loop *l)
{
    struct heap_node *min = heap_min(&l->timers);
    if (!min)
        return true;
    l->mono_known = false;
    msec_t now = loop_mono_ms(l);
    if (min->key <= now)
        return false;
    if (l->alarm_at == min->key)
        return true;
    msec_t ms = min->key - now;
    struct timeval tv = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    CHECK(event_add(l->alarm, &tv) == 0);
    l->alarm_at = min->key;
    return true;
}

static void fire_timers(struct loop *l)
{
    struct heap_node *min = heap_min(&l->timers);
    if (!min)
        return;
    msec_t now = loop_mono_ms(l);
    l->firing = true;
    while (min && min->key <= now) {
        struct loop_timer *t = container_of(min, struct loop_timer, node);
        heap_remove(&l->timers, min);
        t->fire(t->ctx);
        min = heap_min(&l->timers);
    }
    l->firing = false;
}

void loop_turn(struct loop *l, bool may_block)
{
    l->turn++;
    bool block = may_block && !l->again && list_empty(&l->ready) && !conn_turn_work(l) &&
                 set_alarm(l) && mailbox_sleep(l->mailbox);
    l->again = false;
    l->begun = false;
    if (!block) {
        loop_begin(l);
        conn_turn_ready(l);
    } else if (l->hooks.wait) {
        l->waits = true;
        l->hooks.wait(l->hooks.ctx, true);
    }
    /* NONBLOCK alone would go on for as long as a level-triggered event is there. */
    event_base_loop(l->base, block ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK);
    loop_begin(l);
    take_mail(l);
    conn_turn_ready(l);
    fire_timers(l);
    if (l->hooks.turn_end)
        l->hooks.turn_end(l->hooks.ctx);
    conn_turn_end(l);
    input_reset(&l->input);
    loop_count(l, STAT_TURNS, 1);
}

void loop_run(struct loop *l)
{
    do
        loop_turn(l, true);
    while (!atomic_load_explicit(&l->stop, memory_order_acquire));
}

void loop_stop(struct loop *l)
{
    atomic_store_explicit(&l->stop, true, memory_order_release);
    mailbox_wake(l->mailbox);
}

void loop_again(struct loop *l)
{
    l->again = true;
}

struct mailbox *loop_mailbox(struct loop *l)
{
    return l->mailbox;
}

void loop_post(struct loop *l, struct mail *m)
{
    mailbox_post(l->mailbox, m);
}

void loop_timer_init(struct loop_timer *t, struct loop *l, void (*fire)(void *ctx), void *ctx)
{
    *t = (struct loop_timer){.loop = l, .fire = fire, .ctx = ctx};
}

void loop_timer_set(struct loop_timer *t, msec_t ms)
{
    struct loop *l = t->loop;
    heap_remove(&l->timers, &t->node);
    /* One that fires now and sets itself to "at once" must not keep the turn from ending. */
    heap_push(&l->timers, &t->node, loop_mono_ms(l) + (ms || !l->firing ? ms : 1));
}

void loop_timer_stop(struct loop_timer *t)
{
    if (t->loop)
        heap_remove(&t->loop->timers, &t->node);
}

bool loop_timer_active(const struct loop_timer *t)
{
    return t->node.place != 0;
}

struct loop_watch {
    struct loop *loop;
    struct event *event;
    void (*ready)(void *ctx, int fd);
    void *ctx;
};

static void on_watch(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct loop_watch *w = ctx;
    loop_begin(w->loop);
    w->ready(w->ctx, fd);
}

struct loop_watch *loop_watch(struct loop *l, int fd, void (*ready)(void *ctx, int fd), void *ctx)
{
    struct loop_watch *w = xalloc(sizeof *w);
    *w = (struct loop_watch){.loop = l, .ready = ready, .ctx = ctx};
    w->event = event_new(l->base, fd, EV_READ | EV_PERSIST, on_watch, w);
    CHECK(w->event && event_add(w->event, NULL) == 0);
    return w;
}

void loop_unwatch(struct loop_watch *w)
{
    if (!w)
        return;
    event_free(w->event);
    free(w);
}

void loop_buf_take(struct loop *l, struct buf *b)
{
    if (l->spare_len)
        *b = l->spare[--l->spare_len];
}

void loop_buf_give(struct loop *l, struct buf *b)
{
    if (b->cap && b->cap <= LOOP_SPARE_BYTES && l->spare_len < LOOP_SPARE_BUFS) {
        b->len = 0;
        l->spare[l->spare_len++] = *b;
        *b = (struct buf)BUF_INIT;
    } else {
        buf_release(b);
    }
}

void loop_stats(struct loop *l, struct loop_stats *ret_stats)
{
    uint64_t v[STATS];
    for (int i = 0; i < STATS; i++)
        v[i] = atomic_load_explicit(&l->stats[i], memory_order_relaxed);
    *ret_stats = (struct loop_stats){
        .turns = v[STAT_TURNS],
        .reads = v[STAT_READS],
        .writes = v[STAT_WRITES],
        .bytes_in = v[STAT_BYTES_IN],
        .bytes_out = v[STAT_BYTES_OUT],
        .connections = v[STAT_OPENED] > v[STAT_CLOSED] ? v[STAT_OPENED] - v[STAT_CLOSED] : 0,
        .opened = v[STAT_OPENED],
        .closed = v[STAT_CLOSED],
        .handshakes = v[STAT_HANDSHAKES],
        .handshakes_failed = v[STAT_HANDSHAKES_FAILED],
        .handshakes_resumed = v[STAT_HANDSHAKES_RESUMED],
        .closed_idle = v[STAT_CLOSED_IDLE],
        .closed_slow = v[STAT_CLOSED_SLOW],
    };
}

void loop_set_clock(struct loop *l, msec_t (*mono_ms)(void *ctx), void *ctx)
{
    l->clock = mono_ms;
    l->clock_ctx = ctx;
    l->mono_known = false;
}

void loop_check(const struct loop *l)
{
    heap_check(&l->timers);
    CHECK(l->spare_len <= LOOP_SPARE_BUFS);
    for (size_t i = 0; i < l->spare_len; i++)
        CHECK(l->spare[i].len == 0);
    uint64_t conns = 0;
    list_for_each (it, &l->conns)
        conns++;
    CHECK(conns == l->stats[STAT_OPENED] - l->stats[STAT_CLOSED]);
}
