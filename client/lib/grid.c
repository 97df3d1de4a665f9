/* grid.c - connecting, closing, and the turn: send, wait, read, what time it is.
 * Without a base of the caller the waiting is poll(2) over the few links; with one, its events do
 * the same, and blocking calls still poll by themselves, so that they work inside the callbacks of
 * the base, too. */
#include "grid_priv.h"

#include <errno.h>
#include <event2/event.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TIMEOUT_MS_DEFAULT = 5000, PIPELINE_DEFAULT = 1000 };

uint64_t gc_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* xorshift64: only to spread clients in time. */
uint64_t gc_dice(struct grid *g, uint64_t range)
{
    g->dice ^= g->dice << 13;
    g->dice ^= g->dice >> 7;
    g->dice ^= g->dice << 17;
    return g->dice % range;
}

enum grid_err gc_fail(struct grid *g, enum grid_err err, const char *detail)
{
    if (err)
        snprintf(g->error, sizeof g->error, "%s", detail && *detail ? detail : grid_err_text(err));
    return err;
}

const char *grid_error(const struct grid *g)
{
    return g->error;
}

/* --- the turn --------------------------------------------------------------------------------- */

static uint64_t next_due(const struct grid *g)
{
    uint64_t due = gc_requests_due(g);
    list_for_each (it, &g->links) {
        const struct link *l = list_entry(it, struct link, node);
        if (l->due && (!due || l->due < due))
            due = l->due;
    }
    return due;
}

static void tick(struct grid *g)
{
    g->now = gc_now_ms();
    list_for_each (it, &g->links)
        gc_link_tick(list_entry(it, struct link, node));
    gc_requests_tick(g);
}

static void flush(struct grid *g)
{
    if (!g->dirty)
        return;
    g->dirty = false;
    list_for_each (it, &g->links) {
        struct link *l = list_entry(it, struct link, node);
        gc_link_tick(l);
        if (l->state == LINK_OPEN && !list_empty(&l->queued))
            gc_link_flush(l);
    }
}

/* One pollfd for each link, in their order; links that are down have fd -1. */
static size_t fill_fds(struct grid *g)
{
    size_t n = 0;
    list_for_each (it, &g->links) {
        const struct link *l = list_entry(it, struct link, node);
        if (n == g->fds_len) {
            size_t len = g->fds_len ? g->fds_len * 2 : 8;
            struct pollfd *fds = gc_calloc(len, sizeof *fds);
            if (n)
                memcpy(fds, g->fds, n * sizeof *fds);
            free(g->fds);
            g->fds = fds;
            g->fds_len = len;
        }
        short events = (short)(POLLIN | (l->wants_write ? POLLOUT : 0));
        g->fds[n++] = (struct pollfd){l->stream.fd, events, 0};
    }
    return n;
}

static int wait_ms(const struct grid *g, int timeout_ms)
{
    uint64_t due = next_due(g), now = gc_now_ms();
    uint64_t left = due > now ? due - now : 0;
    if (!due || (timeout_ms >= 0 && left > (uint64_t)timeout_ms))
        return timeout_ms;
    return left < INT32_MAX ? (int)left : INT32_MAX;
}

void gc_turn(struct grid *g, int timeout_ms)
{
    uint64_t before = g->answers;
    g->now = gc_now_ms();
    flush(g);
    if (g->answers != before)
        timeout_ms = 0; /* something has ended while it was sent */
    size_t n = fill_fds(g);
    int ready = poll(g->fds, n, wait_ms(g, timeout_ms));
    g->now = gc_now_ms();
    size_t i = 0;
    if (ready > 0) {
        /* Completions may add links: they come at the end. */
        for (struct list *it = g->links.next; i < n; it = it->next, i++) {
            struct link *l = list_entry(it, struct link, node);
            short got = g->fds[i].revents;
            if (got && l->stream.fd == g->fds[i].fd)
                gc_link_ready(l, got & ~POLLOUT, got & POLLOUT);
        }
    }
    tick(g);
    flush(g);
}

/* --- the caller's base ------------------------------------------------------------------------ */

static void set_timer(struct grid *g)
{
    uint64_t due = next_due(g);
    if (!due || (g->timer_at && g->timer_at <= due))
        return; /* it fires early enough, and looks again */
    uint64_t left = due > g->now ? due - g->now : 0;
    struct timeval t = {(time_t)(left / 1000), (suseconds_t)(left % 1000 * 1000)};
    g->timer_at = due;
    event_add(g->timer, &t);
}

static void on_timer(int fd, short what, void *arg)
{
    struct grid *g = arg;
    (void)fd, (void)what;
    g->timer_at = 0;
    tick(g);
    gc_settle(g);
}

static void on_soon(int fd, short what, void *arg)
{
    struct grid *g = arg;
    (void)fd, (void)what;
    g->now = gc_now_ms();
    gc_settle(g);
}

void gc_settle(struct grid *g)
{
    flush(g);
    set_timer(g);
}

void gc_wake(struct grid *g)
{
    if (g->base && !g->dirty)
        event_active(g->soon, 0, 0);
    g->dirty = true;
}

/* --- life ------------------------------------------------------------------------------------- */

static enum grid_err take_options(struct grid *g, const struct grid_options *o,
                                  char why[GRID_WHY_BYTES])
{
    const char *endpoints = o->endpoints && *o->endpoints ? o->endpoints : "127.0.0.1:7400";
    g->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS_DEFAULT;
    g->read_local = o->read_local;
    g->pipeline_max = o->pipeline_max ? o->pipeline_max : PIPELINE_DEFAULT;
    g->user = gc_strdup(o->user);
    g->password = gc_strdup(o->password);
    g->name = gc_strdup(o->name ? o->name : "libgridclient " GRIDD_VERSION);
    g->grid_name = gc_strdup(o->grid);
    struct wire_hello hello = {
        .client = g->name, .user = g->user, .password = g->password, .grid = g->grid_name};
    uint8_t frame[WIRE_HELLO_BYTES_MAX];
    const char *fault = NULL;
    if (!gc_wire_hello(frame, &hello))
        fault = "user, password, name and grid are too long together";
    if (!o->cert != !o->key)
        fault = "cert and key go together";
    if (o->cert && !o->ca)
        fault = "cert and key need ca: without it the connection is not TLS";
    if (fault) {
        gc_text_add(why, GRID_WHY_BYTES, "%s", fault);
        return GRID_EBAD_REQUEST;
    }
    enum grid_err err = gc_endpoints_parse(endpoints, &g->endpoints, &g->endpoints_len, why);
    return err || !o->ca ? err : gc_tls_new(o->ca, o->cert, o->key, &g->tls, why);
}

static enum grid_err be_random(struct grid *g)
{
    if (RAND_bytes(g->session, sizeof g->session) != 1)
        return GRID_EIO;
    memcpy(&g->dice, g->session, sizeof g->dice);
    g->dice |= 1;
    return GRID_OK;
}

static enum grid_err use_base(struct grid *g, struct event_base *base)
{
    if (!base)
        return GRID_OK;
    g->timer = event_new(base, -1, 0, on_timer, g);
    g->soon = event_new(base, -1, 0, on_soon, g);
    if (!g->timer || !g->soon)
        return GRID_ENOMEM;
    g->base = base;
    return GRID_OK;
}

/* Until the first Hello is answered, every endpoint has refused us for good, or the time is
 * over. */
static enum grid_err say_hello(struct grid *g, char why[GRID_WHY_BYTES])
{
    uint64_t end = gc_now_ms() + g->timeout_ms;
    struct link *home = g->home = gc_link_new(g, NULL, 0);
    g->now = gc_now_ms();
    gc_link_want(home);
    while (home->state != LINK_OPEN) {
        bool round_over = home->refusal && home->rounds;
        if (round_over || g->now >= end) {
            gc_text_add(why, GRID_WHY_BYTES, "%s", *home->why ? home->why : "no answer in time");
            return home->refusal ? home->refusal : GRID_EUNREACHABLE;
        }
        uint64_t left = end - g->now;
        gc_turn(g, left < INT32_MAX ? (int)left : INT32_MAX);
    }
    g->connected = true;
    return GRID_OK;
}

enum grid_err grid_connect(const struct grid_options *options, struct grid **ret_grid, char *why)
{
    static const struct grid_options defaults;
    char text[GRID_WHY_BYTES] = "";
    struct grid *g = gc_calloc(1, sizeof *g);
    struct list *lists[] = {&g->links,   &g->pending, &g->writes, &g->backlog,
                            &g->resting, &g->refused, &g->caches, &g->scans};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_init(lists[i]);
    g->frame_max = 64 << 10;
    if (!options)
        options = &defaults;
    enum grid_err err = take_options(g, options, text);
    if (!err)
        err = be_random(g);
    if (!err)
        err = use_base(g, options->base);
    if (!err)
        err = say_hello(g, text);
    if (why)
        snprintf(why, GRID_WHY_BYTES, "%s", err && !*text ? grid_err_text(err) : text);
    if (err)
        grid_close(g);
    else
        *ret_grid = g;
    return err;
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void grid_close(struct grid *g)
{
    if (!g)
        return;
    g->closing = true;
    gc_scans_detach(g);
    gc_requests_cancel_all(g);
    while (!list_empty(&g->links))
        gc_link_free(list_entry(g->links.next, struct link, node));
    while (!list_empty(&g->caches))
        gc_cache_free(list_entry(g->caches.next, struct grid_cache, node));
    if (g->timer)
        event_free(g->timer);
    if (g->soon)
        event_free(g->soon);
    gc_topology_release(&g->topology);
    gc_tls_free(g->tls);
    free(g->endpoints);
    free(g->by_shard);
    free(g->fds);
    free(g->table);
    wipe(g->user);
    wipe(g->password);
    free(g->name);
    free(g->grid_name);
    free(g);
}

void grid_read_local(struct grid *g, bool on)
{
    g->read_local = on;
}

/* --- driving ---------------------------------------------------------------------------------- */

size_t grid_poll(struct grid *g, int timeout_ms)
{
    uint64_t before = g->answers, start = gc_now_ms();
    if (g->depth)
        return g->unanswered;
    do {
        int left = g->unanswered ? timeout_ms : 0;
        if (left > 0) {
            uint64_t gone = gc_now_ms() - start;
            left = gone < (uint64_t)timeout_ms ? timeout_ms - (int)gone : 0;
        }
        gc_turn(g, left);
        if (left == 0)
            break;
    } while (g->unanswered && g->answers == before);
    return g->unanswered;
}

void grid_flush(struct grid *g)
{
    while (!g->depth && g->unanswered)
        gc_turn(g, -1);
}
