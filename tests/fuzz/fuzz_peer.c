/* fuzz_peer.c - bytes as what another node sends: frames of a connection, or a message. What is
 * decoded is written and read again: it must be the same.
 * LINK: session compute wire shard command grid raft control replica data base pb frame */
#include "session/peer.h"
#include "tests/fuzz/fuzz.h"
#include "wire/admin.h"
#include "wire/peer.h"

static void frames(const uint8_t *data, size_t len, bool dialled)
{
    struct peer_hello self = {.grid = "shop",
                              .node = "a",
                              .node_id = "a",
                              .boot_id = "a",
                              .shards = 4,
                              .kind = PEER_DATA,
                              .window = {PEER_WINDOW_MIN, PEER_WINDOW_MIN, PEER_WINDOW_MIN}};
    struct peer *p = peer_new(dialled, &self, 1);
    struct buf out = BUF_INIT;
    struct peer_event e;
    do {
        size_t used = peer_input(p, data, len, 2, &e);
        CHECK(used <= len);
        data += used;
        len -= used;
        if (e.kind == PEER_ASKED)
            peer_admit(p);
        if (e.kind == PEER_MESSAGE)
            peer_consumed(p, e.class, e.body.len);
        if (peer_open(p))
            peer_send(p, PEER_BULK, slice_str("hello"));
        peer_output(p, &out, out.len, 3);
        peer_check(p);
    } while (e.kind != PEER_NOTHING && e.kind != PEER_REFUSED && e.kind != PEER_BROKEN);
    buf_release(&out);
    peer_free(p);
}

static void grid(struct slice in, struct arena *a)
{
    struct grid_message m, again;
    struct buf one = BUF_INIT, two = BUF_INIT;
    if (wire_grid_decode(in, a, &m) == GRID_OK) {
        wire_grid_encode(&m, &one);
        CHECK(wire_grid_decode(buf_slice(&one), a, &again) == GRID_OK);
        wire_grid_encode(&again, &two);
        CHECK(slice_eq(buf_slice(&one), buf_slice(&two)));
    }
    buf_release(&one);
    buf_release(&two);
}

static void shard(struct slice in, struct arena *a)
{
    struct shard_message m, again;
    struct buf one = BUF_INIT, two = BUF_INIT;
    if (wire_shard_decode(in, a, &m) == GRID_OK) {
        replica_history_check(&m.replica.history);
        wire_shard_encode(&m, &one);
        CHECK(wire_shard_decode(buf_slice(&one), a, &again) == GRID_OK);
        wire_shard_encode(&again, &two);
        CHECK(slice_eq(buf_slice(&one), buf_slice(&two)));
    }
    buf_release(&one);
    buf_release(&two);
}

static void admin(struct slice in, struct arena *a)
{
    struct admin_letter l, again;
    struct admin_reply reply;
    struct buf one = BUF_INIT, two = BUF_INIT;
    if (wire_admin_letter_decode(in, &l) == GRID_OK) {
        wire_admin_letter_encode(&l, &one);
        CHECK(wire_admin_letter_decode(buf_slice(&one), &again) == GRID_OK);
        wire_admin_letter_encode(&again, &two);
        CHECK(slice_eq(buf_slice(&one), buf_slice(&two)));
        if (l.is_answer && wire_admin_reply_decode(l.reply, a, &reply) == GRID_OK)
            wire_admin_reply_encode(&reply, &two);
    }
    buf_release(&one);
    buf_release(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice body = slice_make(data, len);
    struct arena *a = arena_new(64 << 20);
    switch (wire_peer_take(&body)) {
    case WIRE_PEER_GRID:
        grid(body, a);
        break;
    case WIRE_PEER_SHARD:
        shard(body, a);
        break;
    case WIRE_PEER_ADMIN:
        admin(body, a);
        break;
    default:
        if (len)
            frames(data + 1, len - 1, data[0] & 1);
    }
    arena_free(a);
    return 0;
}
