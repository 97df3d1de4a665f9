/* target.h - endpoints ("host:port,...") and the addresses they stand for. */
#ifndef GRIDCLIENT_TARGET_H
#define GRIDCLIENT_TARGET_H

#include "grid.h"

#include <sys/socket.h>

enum { HOST_BYTES = 254, ENDPOINTS_MAX = 64, TARGETS_MAX = 128, PORT_BYTES = 8 };

struct endpoint {
    char host[HOST_BYTES]; /* name or address, without brackets */
    char port[PORT_BYTES];
};

/* Parse `text`. *ret_list is the caller's, free(). GRID_EBAD_REQUEST: `why` says what is wrong. */
GRID_MUST_USE enum grid_err gc_endpoints_parse(const char *text, struct endpoint **ret_list,
                                               size_t *ret_len, char why[GRID_WHY_BYTES]);

/* One "host:port" as a node tells it. False: it is none. */
bool gc_endpoint_parse(struct grid_bytes text, struct endpoint *ret_endpoint);

/* An address to try. */
struct target {
    const struct endpoint *endpoint;
    struct sockaddr_storage address;
    socklen_t address_len;
};

/* Look all names up (numbers need no look-up, names wait for the resolver), endpoints in turn from
 * `first` on; behind the `have` targets that are there. Returns how many there are then; when it is
 * 0, `why` tells. */
size_t gc_targets_find(const struct endpoint *endpoints, size_t len, size_t first,
                       struct target targets[TARGETS_MAX], size_t have, char why[GRID_WHY_BYTES]);

#endif
