/* peer_frame.c - frames between nodes. A message is written in place: its
 * length is a varint of four bytes, longer than it need be, so that it is filled in at the end. */
#include "wire/peer_frame.h"

#include "peer.pb-c.h"
#include "proto/frame.h"
#include "wire/wire_priv.h"

enum {
    FIELD_HELLO = 1,
    FIELD_REFUSAL = 2,
    FIELD_GRANT = 3,
    FIELD_PING = 4,
    FIELD_URGENT = 5,
    FIELD_BULK = FIELD_URGENT + PEER_CLASSES - 1,
    LENGTH_BYTES = 4,
    ARENA_BYTES = 64 << 10,
};
_Static_assert(PEER_MESSAGE_BYTES_MAX < 1 << 7 * LENGTH_BYTES, "a length fits");
_Static_assert(PEER_FRAME_HEAD_BYTES == FRAME_HEADER_BYTES + 1 + LENGTH_BYTES, "as written");
_Static_assert((int)PEER_FRAME_BYTES_MAX <= (int)FRAME_BYTES_MAX, "a frame like any");

/* --- writing ---------------------------------------------------------------------------------- */

static size_t begin_field(struct buf *out, unsigned field)
{
    size_t begin = out->len;
    uint8_t *at = buf_reserve(out, PEER_FRAME_HEAD_BYTES);
    at[FRAME_HEADER_BYTES] = (uint8_t)(field << 3 | 2);
    out->len += PEER_FRAME_HEAD_BYTES;
    return begin;
}

size_t wire_peer_begin(struct buf *out, enum peer_class class)
{
    return begin_field(out, FIELD_URGENT + (unsigned)class);
}

void wire_peer_end(struct buf *out, size_t begin)
{
    uint8_t *at = out->data + begin;
    size_t len = out->len - begin - PEER_FRAME_HEAD_BYTES;
    CHECK(len <= PEER_MESSAGE_BYTES_MAX);
    frame_write_header(at, out->len - begin - FRAME_HEADER_BYTES);
    uint8_t *length = at + FRAME_HEADER_BYTES + 1;
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)((len >> 7 * i & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

static ProtobufCBinaryData binary(const uint8_t *bytes, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)(void *)wire_text((const char *)bytes)};
}

static bool zeros(const uint8_t id[PEER_ID_BYTES])
{
    static const uint8_t none[PEER_ID_BYTES];
    return memcmp(id, none, PEER_ID_BYTES) == 0;
}

void wire_peer_hello(struct buf *out, const struct peer_hello *h)
{
    uint32_t window[PEER_CLASSES];
    memcpy(window, h->window, sizeof window);
    Peer__Hello m;
    peer__hello__init(&m);
    m.version = h->version;
    m.version_min = h->version_min;
    m.grid = wire_text(h->grid);
    m.grid_id = binary(h->grid_id, zeros(h->grid_id) ? 0 : PEER_ID_BYTES);
    m.node_id = binary(h->node_id, PEER_ID_BYTES);
    m.boot_id = binary(h->boot_id, PEER_ID_BYTES);
    m.start = h->start;
    m.node = wire_text(h->node);
    m.address = wire_text(h->address);
    m.software = wire_text(h->software);
    m.shards = h->shards;
    m.kind = (uint32_t)h->kind;
    m.from_shard = h->from_shard;
    m.to_shard = h->to_shard;
    m.window = window;
    m.n_window = PEER_CLASSES;
    size_t begin = begin_field(out, FIELD_HELLO);
    wire_pack(&m.base, out);
    wire_peer_end(out, begin);
}

void wire_peer_refusal(struct buf *out, enum grid_err status, const char *why, const char *grid,
                       const uint8_t node_id[PEER_ID_BYTES])
{
    Peer__Refusal m;
    peer__refusal__init(&m);
    m.status = (uint32_t)status;
    m.why = wire_text(why);
    m.grid = wire_text(grid);
    m.node_id = binary(node_id, PEER_ID_BYTES);
    size_t begin = begin_field(out, FIELD_REFUSAL);
    wire_pack(&m.base, out);
    wire_peer_end(out, begin);
}

void wire_peer_grant(struct buf *out, enum peer_class class, uint64_t bytes)
{
    Peer__Grant m;
    peer__grant__init(&m);
    m.class_ = (uint32_t) class;
    m.bytes = bytes;
    size_t begin = begin_field(out, FIELD_GRANT);
    wire_pack(&m.base, out);
    wire_peer_end(out, begin);
}

void wire_peer_ping(struct buf *out)
{
    wire_peer_end(out, begin_field(out, FIELD_PING));
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The one field of a Frame: its number and its bytes. */
static bool read_field(struct slice frame, unsigned *ret_field, struct slice *ret_body)
{
    if (frame.len < 2 || (frame.data[0] & 7) != 2 || frame.data[0] & 0x80 || frame.data[0] < 8)
        return false;
    size_t len = 0, at = 1;
    for (unsigned shift = 0;; shift += 7) {
        if (at == frame.len || shift >= 7 * 5)
            return false;
        uint8_t b = frame.data[at++];
        len |= (size_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            break;
    }
    if (len != frame.len - at)
        return false;
    *ret_field = frame.data[0] >> 3;
    *ret_body = slice_make(frame.data + at, len);
    return true;
}

static enum grid_err read_grant(struct slice body, struct peer_frame *f)
{
    struct arena *a = arena_new(ARENA_BYTES);
    const Peer__Grant *m =
        (const Peer__Grant *)(void *)wire_unpack(&peer__grant__descriptor, body, a);
    bool ok = m && m->class_ < PEER_CLASSES;
    if (ok) {
        f->class = (enum peer_class)m->class_;
        f->bytes = m->bytes;
    }
    arena_free(a);
    return ok ? GRID_OK : GRID_EBAD_REQUEST;
}

enum grid_err wire_peer_frame(struct slice frame, struct peer_frame *ret_frame)
{
    unsigned field;
    struct peer_frame f = {.kind = PEER_FRAME_UNKNOWN};
    if (!read_field(frame, &field, &f.body))
        return GRID_EBAD_REQUEST;
    enum grid_err err = GRID_OK;
    if (field >= FIELD_URGENT && field <= FIELD_BULK) {
        f.kind = PEER_FRAME_MESSAGE;
        f.class = (enum peer_class)(field - FIELD_URGENT);
        err = f.body.len ? GRID_OK : GRID_EBAD_REQUEST;
    } else if (field == FIELD_GRANT) {
        f.kind = PEER_FRAME_GRANT;
        err = read_grant(f.body, &f);
    } else if (field <= FIELD_PING) {
        static const enum peer_frame_kind KINDS[] = {
            [FIELD_HELLO] = PEER_FRAME_HELLO,
            [FIELD_REFUSAL] = PEER_FRAME_REFUSAL,
            [FIELD_PING] = PEER_FRAME_PING,
        };
        f.kind = KINDS[field];
    }
    if (!err)
        *ret_frame = f;
    return err;
}

static bool copy_id(uint8_t to[PEER_ID_BYTES], ProtobufCBinaryData from)
{
    if (from.len == PEER_ID_BYTES)
        memcpy(to, from.data, PEER_ID_BYTES);
    return from.len == PEER_ID_BYTES;
}

static bool copy_windows(struct peer_hello *h, const Peer__Hello *m)
{
    if (m->n_window < PEER_CLASSES)
        return false;
    for (unsigned i = 0; i < PEER_CLASSES; i++) {
        h->window[i] = m->window[i];
        if (h->window[i] < PEER_WINDOW_MIN)
            return false;
    }
    return true;
}

static bool copy_hello(struct peer_hello *h, const Peer__Hello *m)
{
    h->version = m->version;
    h->version_min = m->version_min;
    h->start = m->start;
    h->shards = m->shards;
    h->kind = (enum peer_kind)m->kind;
    h->from_shard = m->from_shard;
    h->to_shard = m->to_shard;
    bool data = m->kind == PEER_DATA;
    return wire_text_copy(h->grid, sizeof h->grid, m->grid) && h->grid[0] &&
           (!m->grid_id.len || copy_id(h->grid_id, m->grid_id)) &&
           copy_id(h->node_id, m->node_id) && copy_id(h->boot_id, m->boot_id) &&
           wire_text_copy(h->node, sizeof h->node, m->node) &&
           wire_text_copy(h->address, sizeof h->address, m->address) &&
           wire_text_copy(h->software, sizeof h->software, m->software) && m->shards > 0 &&
           m->shards <= PEER_SHARDS_MAX && (data || m->kind == PEER_CONTROL) &&
           (data ? m->from_shard < m->shards : !m->from_shard && !m->to_shard) &&
           copy_windows(h, m);
}

enum grid_err wire_peer_hello_decode(struct slice body, struct peer_hello *ret_hello)
{
    struct arena *a = arena_new(ARENA_BYTES);
    struct peer_hello h = {0};
    const Peer__Hello *m =
        (const Peer__Hello *)(void *)wire_unpack(&peer__hello__descriptor, body, a);
    bool ok = m && copy_hello(&h, m);
    if (ok)
        *ret_hello = h;
    arena_free(a);
    return ok ? GRID_OK : GRID_EBAD_REQUEST;
}

enum grid_err wire_peer_refusal_decode(struct slice body, struct peer_refusal *ret_refusal)
{
    struct arena *a = arena_new(ARENA_BYTES);
    struct peer_refusal r = {0};
    const Peer__Refusal *m =
        (const Peer__Refusal *)(void *)wire_unpack(&peer__refusal__descriptor, body, a);
    bool ok = m && m->status && m->status <= INT32_MAX &&
              wire_text_copy(r.why, sizeof r.why, m->why) &&
              wire_text_copy(r.grid, sizeof r.grid, m->grid);
    if (ok) {
        r.has_id = copy_id(r.node_id, m->node_id);
        r.status = (enum grid_err)m->status;
        *ret_refusal = r;
    }
    arena_free(a);
    return ok ? GRID_OK : GRID_EBAD_REQUEST;
}
