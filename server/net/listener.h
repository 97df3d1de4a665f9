/* listener.h - accepts connections at an address, in batches, and hands out their descriptors.
 * Accepted sockets are non-blocking, close-on-exec, with TCP_NODELAY and keep-alive. */
#ifndef GRIDD_NET_LISTENER_H
#define GRIDD_NET_LISTENER_H

#include "net/addr.h"
#include "net/loop.h"
#include "net/quota.h"

struct listener; /* opaque */

struct listener_conf {
    /* "host:port" as net_resolve() takes it; port 0: the kernel chooses. A name that stands for
     * several addresses is listened on at all of them, on one port. Copied */
    const char *address;
    const char *name; /* "client", "resp": for messages; must outlive the listener */
    /* shared by all listeners of a node; must outlive listener and connections */
    struct quota *quota;
    void *ctx;
    /* A new connection: `fd` and its place in the quota are the callee's: give both to conn_new()
     * (on any thread) or to listener_refuse(). */
    void (*accepted)(void *ctx, int fd, const struct net_addr *peer);
};

/* Bind and listen; connections are accepted once `l` runs.
 * GRID_EBAD_REQUEST: bad address or name. GRID_EIN_USE: the port is taken. GRID_EDENIED: not
 * allowed. GRID_EIO: anything else. `ret_why`: one line that names the address and the reason. */
MUST_USE
enum grid_err listener_new(struct loop *l, const struct listener_conf *conf,
                           struct listener **ret_listener, char ret_why[NET_WHY_BYTES]);
/* Stop listening. NULL is fine. On the loop's thread, or while the loop does not run. */
void listener_free(struct listener *ls);

/* The port that is listened on. */
uint16_t listener_port(const struct listener *ls);
const char *listener_name(const struct listener *ls); /* listener_conf.name */
/* Its first address, with the port that is listened on. Returns `ret_text`. */
const char *listener_text(const struct listener *ls, char ret_text[NET_ADDR_BYTES]);
/* Whether every address is a loopback address: nobody outside the machine can connect. */
bool listener_loopback(const struct listener *ls);
/* Close a descriptor that `accepted` got and give its place back. */
void listener_refuse(struct quota *quota, int fd);

/* Counters since the start; any thread. */
struct listener_stats {
    uint64_t accepted;
    uint64_t refused_limit; /* closed at once: the quota was used up */
    uint64_t refused_fds;   /* closed at once: the process had no descriptor left */
};
void listener_stats(const struct listener *ls, struct listener_stats *ret_stats);

#endif
