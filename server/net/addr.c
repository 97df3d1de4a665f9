/* addr.c - addresses as text, and text as addresses. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_BYTES = 256 };

socklen_t net_addr_len(const struct net_addr *a)
{
    return a->u.sa.sa_family == AF_INET6 ? sizeof a->u.v6 : sizeof a->u.v4;
}

bool net_addr_from(struct net_addr *ret_addr, const struct sockaddr *sa, socklen_t len)
{
    struct net_addr a;
    memset(&a, 0, sizeof a);
    if (sa->sa_family == AF_INET && len >= sizeof a.u.v4)
        memcpy(&a.u.v4, sa, sizeof a.u.v4);
    else if (sa->sa_family == AF_INET6 && len >= sizeof a.u.v6)
        memcpy(&a.u.v6, sa, sizeof a.u.v6);
    else
        return false;
    *ret_addr = a;
    return true;
}

const char *net_addr_text(const struct net_addr *a, char ret_text[NET_ADDR_BYTES])
{
    char ip[INET6_ADDRSTRLEN] = "";
    if (a->u.sa.sa_family == AF_INET && inet_ntop(AF_INET, &a->u.v4.sin_addr, ip, sizeof ip))
        snprintf(ret_text, NET_ADDR_BYTES, "%s:%u", ip, net_addr_port(a));
    else if (a->u.sa.sa_family == AF_INET6 &&
             inet_ntop(AF_INET6, &a->u.v6.sin6_addr, ip, sizeof ip))
        snprintf(ret_text, NET_ADDR_BYTES, "[%s]:%u", ip, net_addr_port(a));
    else
        snprintf(ret_text, NET_ADDR_BYTES, "unknown");
    return ret_text;
}

uint16_t net_addr_port(const struct net_addr *a)
{
    return ntohs(a->u.sa.sa_family == AF_INET6 ? a->u.v6.sin6_port : a->u.v4.sin_port);
}

void net_addr_set_port(struct net_addr *a, uint16_t port)
{
    if (a->u.sa.sa_family == AF_INET6)
        a->u.v6.sin6_port = htons(port);
    else
        a->u.v4.sin_port = htons(port);
}

bool net_addr_loopback(const struct net_addr *a)
{
    if (a->u.sa.sa_family == AF_INET)
        return ntohl(a->u.v4.sin_addr.s_addr) >> 24 == 127;
    if (a->u.sa.sa_family != AF_INET6)
        return false;
    const struct in6_addr *ip = &a->u.v6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(ip) || (IN6_IS_ADDR_V4MAPPED(ip) && ip->s6_addr[12] == 127);
}

/* "host:port" -> host and port; false when it has not that form. */
static bool split(const char *text, char host[HOST_BYTES], char port[8])
{
    const char *colon = strrchr(text, ':');
    if (!colon || strlen(colon + 1) > 5 || !colon[1] ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    if (strtoul(colon + 1, NULL, 10) > UINT16_MAX)
        return false;
    const char *begin = text;
    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && begin[0] == '[' && begin[len - 1] == ']';
    if (bracketed) {
        begin += 1;
        len -= 2;
    }
    if (len >= HOST_BYTES || (!bracketed && memchr(begin, ':', len)))
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

static void add_unique(const struct addrinfo *ai, struct net_addr *addrs, size_t *len)
{
    struct net_addr a;
    if (*len == NET_ADDRS_MAX || !net_addr_from(&a, ai->ai_addr, ai->ai_addrlen))
        return;
    for (size_t i = 0; i < *len; i++) {
        if (memcmp(&addrs[i], &a, sizeof a) == 0)
            return;
    }
    addrs[(*len)++] = a;
}

const char *net_local_text(int fd, char ret_text[NET_ADDR_BYTES])
{
    union {
        struct sockaddr sa;
        struct sockaddr_storage room;
    } u;
    socklen_t len = sizeof u;
    struct net_addr a = {0};
    if (getsockname(fd, &u.sa, &len) == 0)
        net_addr_from(&a, &u.sa, len);
    return net_addr_text(&a, ret_text);
}

bool net_addr_parse(const char *text, struct net_addr *ret_addr)
{
    char host[HOST_BYTES], port[8];
    if (!split(text, host, port) || !host[0])
        return false;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST};
    struct addrinfo *list = NULL;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return false;
    bool ok = net_addr_from(ret_addr, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return ok;
}

void net_tune_link(int fd, uint64_t lost_ms)
{
    enum { NOTSENT_BYTES = 256 << 10, PROBES = 3 };
    int lost = lost_ms > INT32_MAX ? INT32_MAX : (int)lost_ms;
    int every = lost / 1000 / PROBES > 0 ? lost / 1000 / PROBES : 1;
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, every},
        {IPPROTO_TCP, TCP_KEEPINTVL, every},
        {IPPROTO_TCP, TCP_KEEPCNT, PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, lost},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_BYTES},
        {IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1}, /* after a cut of 1 s: on within 0.2 s */
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

enum grid_err net_resolve(const char *text, struct net_addr ret_addrs[NET_ADDRS_MAX],
                          size_t *ret_len, char ret_why[NET_WHY_BYTES])
{
    char host[HOST_BYTES], port[8];
    if (!split(text, host, port)) {
        snprintf(ret_why, NET_WHY_BYTES,
                 "\"%.200s\" is not an address: expected \"host:port\", port 0 to 65535", text);
        return GRID_EBAD_REQUEST;
    }
    bool any = host[0] == '\0' || strcmp(host, "*") == 0;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | (any ? AI_PASSIVE : 0)};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(any ? NULL : host, port, &hints, &list);
    size_t len = 0;
    if (rc == 0) {
        for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
            add_unique(ai, ret_addrs, &len);
        freeaddrinfo(list);
    }
    if (len == 0) {
        snprintf(ret_why, NET_WHY_BYTES, "cannot resolve \"%.200s\": %s", text,
                 rc ? gai_strerror(rc) : "no internet address");
        return GRID_EBAD_REQUEST;
    }
    *ret_len = len;
    return GRID_OK;
}
