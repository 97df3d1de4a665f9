/* peer_frame.h - what a connection between two nodes carries: greeting, credit, signs of life, and
 * messages that are opaque here. Frames of proto/frame.h around a Frame of peer.proto. */
#ifndef GRIDD_WIRE_PEER_FRAME_H
#define GRIDD_WIRE_PEER_FRAME_H

#include "base/buf.h"
#include "base/err.h"

enum peer_class {
    PEER_URGENT,  /* beacons, heartbeats, consensus, acknowledgements */
    PEER_RECORDS, /* records, operations and their answers */
    PEER_BULK,    /* copies, snapshots */
    PEER_CLASSES
};
enum peer_kind { PEER_CONTROL = 1, PEER_DATA = 2 };

enum {
    PEER_ID_BYTES = 16,
    PEER_NAME_BYTES = 64,
    PEER_ADDRESS_BYTES = 320, /* host name and port */
    PEER_WHY_BYTES = 256,
    PEER_MESSAGE_BYTES_MAX = 64 << 20,
    PEER_FRAME_HEAD_BYTES = 9, /* in front of a message */
    PEER_FRAME_BYTES_MAX = PEER_MESSAGE_BYTES_MAX + PEER_FRAME_HEAD_BYTES,
    PEER_WINDOW_MIN = 64 << 10,
    PEER_SHARDS_MAX = 1024,
};

/* How one node presents itself. Text is never longer than the room it has, nor anything but what
 * people can read. */
struct peer_hello {
    uint32_t version, version_min;  /* spoken; in the answer: the one chosen, and the lowest */
    char grid[PEER_NAME_BYTES + 1]; /* name of the grid */
    uint8_t grid_id[PEER_ID_BYTES]; /* all zero: not founded yet, as far as this node knows */
    uint8_t node_id[PEER_ID_BYTES];
    uint8_t boot_id[PEER_ID_BYTES];
    uint64_t start; /* the node's 1st, 2nd...; 0: not told */
    char node[PEER_NAME_BYTES + 1];
    char address[PEER_ADDRESS_BYTES]; /* where it listens for peers, as others see it; may be "" */
    char software[PEER_NAME_BYTES + 1];
    uint32_t shards;               /* 1..PEER_SHARDS_MAX */
    enum peer_kind kind;           /* of the connection */
    uint32_t from_shard, to_shard; /* DATA: as the node that says it sees it; else 0 */
    uint32_t window[PEER_CLASSES]; /* credit it gives, at least PEER_WINDOW_MIN */
};

enum peer_frame_kind {
    PEER_FRAME_UNKNOWN, /* of a newer version: pass over */
    PEER_FRAME_HELLO,
    PEER_FRAME_REFUSAL,
    PEER_FRAME_GRANT,
    PEER_FRAME_PING,
    PEER_FRAME_MESSAGE,
};
struct peer_frame {
    enum peer_frame_kind kind;
    struct slice body;     /* MESSAGE, HELLO, REFUSAL: what is in it, borrowed */
    enum peer_class class; /* MESSAGE, GRANT */
    uint64_t bytes;        /* GRANT */
};

struct peer_refusal {
    enum grid_err status; /* never GRID_OK */
    char why[PEER_WHY_BYTES];
    char grid[PEER_NAME_BYTES + 1];
    bool has_id; /* older versions do not say it */
    uint8_t node_id[PEER_ID_BYTES];
};

/* Append a whole frame. */
void wire_peer_hello(struct buf *out, const struct peer_hello *h);
void wire_peer_refusal(struct buf *out, enum grid_err status, const char *why, const char *grid,
                       const uint8_t node_id[PEER_ID_BYTES]);
void wire_peer_grant(struct buf *out, enum peer_class class, uint64_t bytes);
void wire_peer_ping(struct buf *out);
/* A message: append its body between the two. `begin` is what wire_peer_begin() returned. */
size_t wire_peer_begin(struct buf *out, enum peer_class class);
void wire_peer_end(struct buf *out, size_t begin);

/* Read what is between two frame heads. GRID_EBAD_REQUEST: it is none. */
MUST_USE
enum grid_err wire_peer_frame(struct slice frame, struct peer_frame *ret_frame);
/* Read the body of a HELLO, a REFUSAL. GRID_EBAD_REQUEST: malformed, or says what none may. */
MUST_USE
enum grid_err wire_peer_hello_decode(struct slice body, struct peer_hello *ret_hello);
MUST_USE
enum grid_err wire_peer_refusal_decode(struct slice body, struct peer_refusal *ret_refusal);

#endif
