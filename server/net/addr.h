/* addr.h - an internet address with its port, small enough to keep one per connection. */
#ifndef GRIDD_NET_ADDR_H
#define GRIDD_NET_ADDR_H

#include "base/err.h"

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
    NET_WHY_BYTES = 512, /* room for one line that says why something failed */
    NET_ADDR_BYTES = 64, /* room for "[ipv6]:port" */
    NET_ADDRS_MAX = 8,   /* addresses one name may stand for */
};

struct net_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
};

/* "1.2.3.4:7400" or "[::1]:7400"; "unknown" for another family. Returns `ret_text`. */
const char *net_addr_text(const struct net_addr *a, char ret_text[NET_ADDR_BYTES]);
uint16_t net_addr_port(const struct net_addr *a);
void net_addr_set_port(struct net_addr *a, uint16_t port);
/* 127.0.0.0/8, ::1, or the former written as IPv6. */
bool net_addr_loopback(const struct net_addr *a);
socklen_t net_addr_len(const struct net_addr *a);
/* False for a family that is neither IPv4 nor IPv6. */
bool net_addr_from(struct net_addr *ret_addr, const struct sockaddr *sa, socklen_t len);

/* The address that "1.2.3.4:7401" or "[::1]:7401" is; false: another text, maybe a name. Never
 * blocks. */
bool net_addr_parse(const char *text, struct net_addr *ret_addr);
/* Make the socket one of a link between nodes; see conn_conf.lost_ms. */
void net_tune_link(int fd, uint64_t lost_ms);

/* Where the connected socket `fd` was accepted, for people; "unknown" when the system does not say.
 * Returns `ret_text`. */
const char *net_local_text(int fd, char ret_text[NET_ADDR_BYTES]);

/* Resolve "host:port", "[ipv6]:port", "name:port"; an empty host or "*" means every address of the
 * machine. May block on DNS: for start and reload, not for a loop in service.
 * GRID_EBAD_REQUEST: not of that form, or no such name; `ret_why` names the text and the reason. */
MUST_USE
enum grid_err net_resolve(const char *text, struct net_addr ret_addrs[NET_ADDRS_MAX],
                          size_t *ret_len, char ret_why[NET_WHY_BYTES]);

#endif
