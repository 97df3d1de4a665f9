/* tls.h - TLS 1.2+ for one client: who is trusted, who we are; and the TLS of one connection. The
 * socket is the stream's. What is to be sent is encrypted into a buffer, so that a flush stays one
 * write however many records it makes. */
#ifndef GRIDCLIENT_TLS_H
#define GRIDCLIENT_TLS_H

#include "grid.h"
#include "mem.h"

enum io {
    IO_DONE,
    IO_AGAIN,  /* the socket must become readable first */
    IO_CLOSED, /* the other side has ended it */
    IO_FAILED, /* broken; `why` has a text */
};

struct tls; /* opaque: certificates of a grid */

/* GRID_EBAD_REQUEST or GRID_ETLS: `why` names the file and what is wrong with it. */
GRID_MUST_USE enum grid_err gc_tls_new(const char *ca, const char *cert, const char *key,
                                       struct tls **ret_tls, char why[GRID_WHY_BYTES]);
void gc_tls_free(struct tls *t); /* NULL is fine */

struct tls_link; /* opaque: of one connection */

/* `host` (name or address) is what the server's certificate must be for. Reads from `fd`. NULL: no
 * memory. */
struct tls_link *gc_tls_link_new(struct tls *t, int fd, const char *host);
void gc_tls_link_free(struct tls_link *k); /* NULL is fine */
/* Each may leave bytes in gc_tls_link_out(), which the caller sends. */
enum io gc_tls_handshake(struct tls_link *k, char why[GRID_WHY_BYTES]);
enum io gc_tls_read(struct tls_link *k, void *to, size_t room, size_t *ret_len,
                    char why[GRID_WHY_BYTES]);
enum io gc_tls_write(struct tls_link *k, const void *data, size_t len, char why[GRID_WHY_BYTES]);
struct buf *gc_tls_link_out(struct tls_link *k);

#endif
