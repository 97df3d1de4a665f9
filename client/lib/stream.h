/* stream.h - a nonblocking socket, with TLS or without. Never raises SIGPIPE. */
#ifndef GRIDCLIENT_STREAM_H
#define GRIDCLIENT_STREAM_H

#include "target.h"
#include "tls.h"

struct stream {
    int fd; /* -1: none */
    struct tls_link *tls;
};

/* Begin to connect. IO_AGAIN: when the socket is writable, gc_stream_connected() tells how it
 * went. */
enum io gc_stream_connect(struct stream *s, const struct target *to, char why[GRID_WHY_BYTES]);
enum io gc_stream_connected(struct stream *s, char why[GRID_WHY_BYTES]);
/* Begin TLS; gc_stream_handshake() until it is IO_DONE. */
enum io gc_stream_start_tls(struct stream *s, struct tls *tls, const char *host,
                            char why[GRID_WHY_BYTES]);
enum io gc_stream_handshake(struct stream *s, char why[GRID_WHY_BYTES]);
enum io gc_stream_read(struct stream *s, void *to, size_t room, size_t *ret_len,
                       char why[GRID_WHY_BYTES]);
/* Send from the front of `data` and consume what is gone from it. IO_AGAIN: gc_stream_unsent(), go
 * on when writable. */
enum io gc_stream_write(struct stream *s, struct buf *data, char why[GRID_WHY_BYTES]);
/* There are bytes left that wait for the socket to become writable. */
bool gc_stream_unsent(const struct stream *s, const struct buf *data);
void gc_stream_close(struct stream *s);

#endif
