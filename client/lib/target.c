/* target.c - see target.h. */
#include "target.h"
#include "mem.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>

static const char port_default[] = "7400";

static bool port_ok(const char *port, size_t len)
{
    unsigned long number = 0;
    for (size_t i = 0; i < len; i++) {
        if (port[i] < '0' || port[i] > '9')
            return false;
        number = number * 10 + (unsigned long)(port[i] - '0');
    }
    return len > 0 && len <= 5 && number >= 1 && number <= 65535;
}

/* "host", "host:port", "[v6]", "[v6]:port" */
static bool endpoint_parse(const char *text, size_t len, struct endpoint *ret_endpoint)
{
    const char *end = text + len, *host = text, *host_end, *port = port_default;
    size_t port_len = sizeof port_default - 1;
    if (len && *text == '[') {
        host++;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return false;
        text = host_end + 1;
    } else {
        host_end = memchr(text, ':', len);
        text = host_end = host_end ? host_end : end;
    }
    if (text < end) {
        port = text + 1;
        port_len = (size_t)(end - port);
        if (*text != ':' || !port_ok(port, port_len))
            return false;
    }
    size_t host_len = (size_t)(host_end - host);
    if (host_len == 0 || host_len >= HOST_BYTES)
        return false;
    memset(ret_endpoint, 0, sizeof *ret_endpoint);
    memcpy(ret_endpoint->host, host, host_len);
    memcpy(ret_endpoint->port, port, port_len);
    return true;
}

bool gc_endpoint_parse(struct grid_bytes text, struct endpoint *ret_endpoint)
{
    return text.len && endpoint_parse(text.data, text.len, ret_endpoint);
}

enum grid_err gc_endpoints_parse(const char *text, struct endpoint **ret_list, size_t *ret_len,
                                 char why[GRID_WHY_BYTES])
{
    struct endpoint *list = gc_calloc(ENDPOINTS_MAX, sizeof *list);
    size_t n = 0;
    for (const char *at = text;; at++) {
        at += strspn(at, " ");
        size_t whole = strcspn(at, ","), len = whole;
        while (len && at[len - 1] == ' ')
            len--;
        if (n == ENDPOINTS_MAX || !endpoint_parse(at, len, &list[n])) {
            free(list);
            if (n == ENDPOINTS_MAX)
                gc_text_add(why, GRID_WHY_BYTES, "more than %d endpoints", ENDPOINTS_MAX);
            else
                gc_text_add(why, GRID_WHY_BYTES, "'%.*s' is not HOST:PORT", (int)len, at);
            return GRID_EBAD_REQUEST;
        }
        n++;
        at += whole;
        if (!*at)
            break;
    }
    *ret_list = list;
    *ret_len = n;
    return GRID_OK;
}

size_t gc_targets_find(const struct endpoint *endpoints, size_t len, size_t first,
                       struct target targets[TARGETS_MAX], size_t have, char why[GRID_WHY_BYTES])
{
    size_t n = have;
    for (size_t i = 0; i < len; i++) {
        const struct endpoint *e = &endpoints[(first + i) % len];
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
        struct addrinfo *found;
        int rc = getaddrinfo(e->host, e->port, &hints, &found);
        if (rc) {
            gc_text_add(why, GRID_WHY_BYTES, "%s%s:%s: %s", *why ? "; " : "", e->host, e->port,
                        gai_strerror(rc));
            continue;
        }
        for (struct addrinfo *a = found; a && n < TARGETS_MAX; a = a->ai_next) {
            targets[n].endpoint = e;
            memcpy(&targets[n].address, a->ai_addr, a->ai_addrlen);
            targets[n++].address_len = a->ai_addrlen;
        }
        freeaddrinfo(found);
    }
    return n;
}
