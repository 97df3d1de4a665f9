/* listener.c - accepts in batches. TCP_NODELAY and keep-alive are set on the listening socket:
 * accepted ones inherit them, so that accepting costs one system call per connection.
 *
 * Out of descriptors: the pending connection cannot be accepted, hence not refused either, and the
 * event would come again at once for ever. A descriptor held in reserve is given up for the moment
 * of accepting and closing it. */
#include "net/listener.h"

#include "base/alloc.h"
#include "base/log.h"
#include "net/loop_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ACCEPT_BATCH = 64, BACKLOG = 4096, LOG_EVERY_MS = 1000, RETRY_MS = 100 };

struct door {
    int fd;
    struct event *event;
    struct listener *listener;
    struct net_addr addr;
};

struct listener {
    struct loop *loop;
    struct listener_conf conf;
    char *address;
    struct door doors[NET_ADDRS_MAX];
    size_t doors_len;
    struct loop_timer
        retry; /* set while nothing is accepted because the system is short of memory */
    int reserve_fd;
    msec_t logged_at;
    uint64_t unlogged;
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused_limit;
    _Atomic uint64_t refused_fds;
};

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* At most one line a second, whatever the rate of refusals. */
static void log_refused(struct listener *ls, const char *why)
{
    msec_t now = loop_mono_ms(ls->loop);
    ls->unlogged++;
    if (ls->logged_at && now - ls->logged_at < LOG_EVERY_MS)
        return;
    log_warn("net", "%s %s: %llu connection(s) refused: %s", ls->conf.name, ls->address,
             (unsigned long long)ls->unlogged, why);
    ls->logged_at = now;
    ls->unlogged = 0;
}

static void refuse_without_fd(struct listener *ls, int door_fd)
{
    if (ls->reserve_fd >= 0)
        close(ls->reserve_fd);
    int fd = accept4(door_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        close(fd);
        atomic_fetch_add_explicit(&ls->refused_fds, 1, memory_order_relaxed);
    }
    ls->reserve_fd = open_reserve();
    log_refused(ls, "the process has no file descriptor left");
}

static void watch_doors(struct listener *ls, bool on)
{
    for (size_t i = 0; i < ls->doors_len; i++) {
        struct event *e = ls->doors[i].event;
        CHECK((on ? event_add(e, NULL) : event_del(e)) == 0);
    }
}

static void on_retry(void *ctx)
{
    watch_doors(ctx, true);
}

static void admit(struct listener *ls, int fd, const struct sockaddr *sa, socklen_t len)
{
    struct net_addr peer = {0};
    net_addr_from(&peer, sa, len);
    if (!quota_take(ls->conf.quota)) {
        close(fd);
        atomic_fetch_add_explicit(&ls->refused_limit, 1, memory_order_relaxed);
        log_refused(ls, "the limit of connections is reached");
        return;
    }
    atomic_fetch_add_explicit(&ls->accepted, 1, memory_order_relaxed);
    ls->conf.accepted(ls->conf.ctx, fd, &peer);
}

/* False: nothing more to accept for now. */
static bool accept_one(struct listener *ls, int door_fd)
{
    union {
        struct sockaddr sa;
        struct sockaddr_storage room;
    } u;
    socklen_t len = sizeof u;
    int fd = accept4(door_fd, &u.sa, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        admit(ls, fd, &u.sa, len);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
        refuse_without_fd(ls, door_fd);
        return false;
    case ENOMEM:
    case ENOBUFS:
        log_refused(ls, "the system has no memory for sockets");
        watch_doors(ls, false);
        loop_timer_set(&ls->retry, RETRY_MS);
        return false;
    default:
        return true; /* EINTR, or the one connection died before it was accepted */
    }
}

static void on_acceptable(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct door *d = ctx;
    loop_begin(d->listener->loop);
    int left = ACCEPT_BATCH;
    while (left-- > 0 && accept_one(d->listener, fd))
        continue;
}

static enum grid_err err_of(int e)
{
    return e == EADDRINUSE ? GRID_EIN_USE : e == EACCES || e == EPERM ? GRID_EDENIED : GRID_EIO;
}

/* A listening socket at *a, whose port is filled in; -1 with errno. */
static int open_door(struct net_addr *a)
{
    static const struct {
        int level, name, value;
    } OPTIONS[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 60},
        {IPPROTO_TCP, TCP_KEEPINTVL, 10},
        {IPPROTO_TCP, TCP_KEEPCNT, 6},
        {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1},
    };
    int fd = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++)
        setsockopt(fd, OPTIONS[i].level, OPTIONS[i].name, &OPTIONS[i].value, sizeof(int));
    int only = 1;
    if (a->u.sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    socklen_t len = net_addr_len(a);
    if (bind(fd, &a->u.sa, len) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, &a->u.sa, &len) == 0)
        return fd;
    int e = errno;
    close(fd);
    errno = e;
    return -1;
}

/* One of several addresses of a name that this machine does not have is not a fault. */
static bool skippable(int e, size_t addrs_len)
{
    return addrs_len > 1 && (e == EAFNOSUPPORT || e == EADDRNOTAVAIL);
}

static enum grid_err open_doors(struct listener *ls, char *ret_why)
{
    struct net_addr addrs[NET_ADDRS_MAX];
    size_t len = 0;
    enum grid_err err = net_resolve(ls->address, addrs, &len, ret_why);
    if (err)
        return err;
    int e = 0;
    for (size_t i = 0; i < len && (!e || skippable(e, len)); i++) {
        struct door *d = &ls->doors[ls->doors_len];
        *d = (struct door){.listener = ls, .addr = addrs[i]};
        if (ls->doors_len > 0)
            net_addr_set_port(&d->addr, listener_port(ls));
        d->fd = open_door(&d->addr);
        e = d->fd < 0 ? errno : 0;
        ls->doors_len += d->fd >= 0;
    }
    if (ls->doors_len && (!e || skippable(e, len)))
        return GRID_OK;
    char text[NET_ADDR_BYTES];
    snprintf(ret_why, NET_WHY_BYTES, "cannot listen on %s (%s): %s", ls->address,
             net_addr_text(&ls->doors[ls->doors_len].addr, text), strerror(e));
    return err_of(e);
}

enum grid_err listener_new(struct loop *l, const struct listener_conf *conf,
                           struct listener **ret_listener, char ret_why[NET_WHY_BYTES])
{
    struct listener *ls = xcalloc(1, sizeof *ls);
    ls->loop = l;
    ls->conf = *conf;
    ls->address = xstrdup(conf->address);
    ls->conf.address = ls->address;
    ls->reserve_fd = open_reserve();
    loop_timer_init(&ls->retry, l, on_retry, ls);
    enum grid_err err = open_doors(ls, ret_why);
    if (err) {
        listener_free(ls);
        return err;
    }
    for (size_t i = 0; i < ls->doors_len; i++) {
        struct door *d = &ls->doors[i];
        d->event = event_new(l->base, d->fd, EV_READ | EV_PERSIST, on_acceptable, d);
        CHECK(d->event && event_add(d->event, NULL) == 0);
    }
    *ret_listener = ls;
    return GRID_OK;
}

void listener_free(struct listener *ls)
{
    if (!ls)
        return;
    loop_timer_stop(&ls->retry);
    for (size_t i = 0; i < ls->doors_len; i++) {
        if (ls->doors[i].event)
            event_free(ls->doors[i].event);
        (void)shutdown(ls->doors[i].fd, SHUT_RD); /* a child of the program may have it, too */
        close(ls->doors[i].fd);
    }
    if (ls->reserve_fd >= 0)
        close(ls->reserve_fd);
    free(ls->address);
    free(ls);
}

uint16_t listener_port(const struct listener *ls)
{
    return net_addr_port(&ls->doors[0].addr);
}

const char *listener_name(const struct listener *ls)
{
    return ls->conf.name;
}

const char *listener_text(const struct listener *ls, char ret_text[NET_ADDR_BYTES])
{
    return net_addr_text(&ls->doors[0].addr, ret_text);
}

bool listener_loopback(const struct listener *ls)
{
    for (size_t i = 0; i < ls->doors_len; i++) {
        if (!net_addr_loopback(&ls->doors[i].addr))
            return false;
    }
    return true;
}

void listener_refuse(struct quota *quota, int fd)
{
    close(fd);
    quota_give(quota);
}

void listener_stats(const struct listener *ls, struct listener_stats *ret_stats)
{
    *ret_stats = (struct listener_stats){
        .accepted = atomic_load_explicit(&ls->accepted, memory_order_relaxed),
        .refused_limit = atomic_load_explicit(&ls->refused_limit, memory_order_relaxed),
        .refused_fds = atomic_load_explicit(&ls->refused_fds, memory_order_relaxed),
    };
}
