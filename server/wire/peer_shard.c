/* peer_shard.c - what the replicas of a partition say to each other, by hand: records are copied
 * once, into the output of the link, and read where they came in. */
#include "wire/peer.h"

#include "base/codec.h"

/* Field numbers of peer.proto; test_peer.c reads them back with protobuf-c. */
enum {
    SHARD_KIND = 1,
    SHARD_CONTEXT = 2,
    SHARD_PARTITION = 3,
    SHARD_REPLICA_KIND = 4,
    SHARD_NODE = 5,
    SHARD_BOOT = 6,
    SHARD_EPOCH = 7,
    SHARD_ROUND = 8,
    SHARD_VERSION = 9,
    SHARD_COMMIT = 10,
    SHARD_NUMBER = 11,
    SHARD_FLAGS = 12,
    SHARD_COPY = 13,
    SHARD_HISTORY = 14,
    SHARD_RECORDS_FIELD = 15,
    HISTORY_LAST = 1,
    HISTORY_ENDS = 2,
    HISTORY_TORN = 3,
};
enum {
    FLAG_LAST = 1,
    FLAG_REFUSED = 2,
    FLAG_BROKEN = 4,
    FLAG_COPYING = 8,
    FLAG_SERVED = 16,
    FLAG_STRAY = 32
};
enum {
    NUMBER_BYTES_MAX = 1 + VARINT_BYTES_MAX, /* tags are below 16: one byte */
    HISTORY_BYTES_MAX = (3 + REPLICA_ENDS_MAX) * NUMBER_BYTES_MAX,
    HEAD_BYTES_MAX = 15 * NUMBER_BYTES_MAX + HISTORY_BYTES_MAX,
};
enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* --- writing ---------------------------------------------------------------------------------- */

/* Zero is left out. */
static uint8_t *put(uint8_t *at, unsigned field, uint64_t v)
{
    if (!v)
        return at;
    *at++ = (uint8_t)(field << 3 | WIRE_VARINT);
    return write_varint(at, v);
}

static uint8_t *put_history(uint8_t *at, const struct replica_history *h)
{
    uint8_t body[HISTORY_BYTES_MAX], ends[REPLICA_ENDS_MAX * VARINT_BYTES_MAX];
    uint8_t *end = ends;
    for (unsigned i = 0; i < h->ends_len; i++)
        end = write_varint(end, h->ends[i]);
    uint8_t *to = put(body, HISTORY_LAST, h->last);
    if (end > ends) {
        *to++ = HISTORY_ENDS << 3 | WIRE_BYTES;
        to = write_slice(to, slice_make(ends, (size_t)(end - ends)));
    }
    to = put(to, HISTORY_TORN, h->torn);
    if (to == body)
        return at;
    *at++ = (uint8_t)(SHARD_HISTORY << 3 | WIRE_BYTES);
    return write_slice(at, slice_make(body, (size_t)(to - body)));
}

void wire_shard_encode(const struct shard_message *m, struct buf *out)
{
    const struct replica_message *r = &m->replica;
    size_t bytes = HEAD_BYTES_MAX;
    for (size_t i = 0; i < m->records_len; i++)
        bytes += NUMBER_BYTES_MAX + m->records[i].len;
    uint8_t *at = buf_reserve(out, bytes);
    at = put(at, SHARD_KIND, m->kind);
    at = put(at, SHARD_CONTEXT, m->context);
    at = put(at, SHARD_PARTITION, m->partition);
    at = put(at, SHARD_REPLICA_KIND, r->kind);
    at = put(at, SHARD_NODE, r->from.node);
    at = put(at, SHARD_BOOT, r->from.boot);
    at = put(at, SHARD_EPOCH, r->epoch);
    at = put(at, SHARD_ROUND, r->round);
    at = put(at, SHARD_VERSION, r->version);
    at = put(at, SHARD_COMMIT, r->commit);
    at = put(at, SHARD_NUMBER, m->number);
    at = put(at, SHARD_FLAGS,
             (m->last ? FLAG_LAST : 0u) | (m->refused ? FLAG_REFUSED : 0u) |
                 (r->broken ? FLAG_BROKEN : 0u) | (r->copying ? FLAG_COPYING : 0u) |
                 (r->served ? FLAG_SERVED : 0u) | (r->stray ? FLAG_STRAY : 0u));
    at = put(at, SHARD_COPY, r->copy);
    at = put_history(at, &r->history);
    for (size_t i = 0; i < m->records_len; i++) {
        *at++ = (uint8_t)(SHARD_RECORDS_FIELD << 3 | WIRE_BYTES);
        at = write_slice(at, m->records[i]);
    }
    out->len = (size_t)(at - out->data);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct field {
    uint64_t number; /* of the field */
    unsigned how;
    uint64_t value; /* WIRE_VARINT */
    struct slice bytes;
};

static bool next_field(struct reader *in, struct field *f)
{
    if (in->bad || !read_left(in))
        return false;
    uint64_t tag = read_varint(in, UINT32_MAX);
    f->number = tag >> 3;
    f->how = tag & 7;
    if (f->how == WIRE_VARINT)
        f->value = read_varint(in, UINT64_MAX);
    else if (f->how == WIRE_BYTES)
        f->bytes = read_slice(in, 0, SIZE_MAX);
    else if (f->how == WIRE_FIXED64)
        read_bytes(in, 8);
    else if (f->how == WIRE_FIXED32)
        read_bytes(in, 4);
    else
        in->bad = true;
    return !in->bad;
}

static bool read_history(struct slice in, struct replica_history *h)
{
    struct reader r = {in.data, in.data + in.len, false};
    struct field f;
    while (next_field(&r, &f)) {
        if (f.number == HISTORY_LAST && f.how == WIRE_VARINT)
            h->last = f.value;
        else if (f.number == HISTORY_TORN && f.how == WIRE_VARINT)
            h->torn = f.value;
        if (f.number != HISTORY_ENDS || f.how != WIRE_BYTES)
            continue;
        struct reader ends = {f.bytes.data, f.bytes.data + f.bytes.len, false};
        while (!ends.bad && read_left(&ends)) {
            if (h->ends_len == REPLICA_ENDS_MAX)
                return false;
            h->ends[h->ends_len++] = read_varint(&ends, UINT64_MAX);
        }
        if (ends.bad)
            return false;
    }
    return !r.bad && replica_history_valid(h);
}

static bool set32(uint32_t *to, uint64_t v)
{
    *to = (uint32_t)v;
    return v <= UINT32_MAX;
}

static bool read_number(struct shard_message *m, const struct field *f)
{
    struct replica_message *r = &m->replica;
    uint64_t v = f->value;
    switch (f->number) {
    case SHARD_KIND:
        m->kind = (enum shard_message_kind)v;
        return v <= UINT8_MAX;
    case SHARD_CONTEXT:
        return set32(&m->context, v);
    case SHARD_PARTITION:
        m->partition = (uint16_t)v;
        return v <= UINT16_MAX;
    case SHARD_REPLICA_KIND:
        r->kind = (enum replica_message_kind)v;
        return v <= REPLICA_REFUSED;
    case SHARD_NODE:
        return set32(&r->from.node, v);
    case SHARD_BOOT:
        return set32(&r->from.boot, v);
    case SHARD_EPOCH:
        r->epoch = v;
        return true;
    case SHARD_ROUND:
        return set32(&r->round, v);
    case SHARD_VERSION:
        r->version = v;
        return true;
    case SHARD_COMMIT:
        r->commit = v;
        return true;
    case SHARD_NUMBER:
        m->number = v;
        return true;
    case SHARD_FLAGS:
        m->last = v & FLAG_LAST;
        m->refused = v & FLAG_REFUSED;
        r->broken = v & FLAG_BROKEN;
        r->copying = v & FLAG_COPYING;
        r->served = v & FLAG_SERVED;
        r->stray = v & FLAG_STRAY;
        return true;
    case SHARD_COPY:
        return set32(&r->copy, v);
    default:
        return true; /* of a newer version */
    }
}

static bool is_record(const struct field *f)
{
    return f->number == SHARD_RECORDS_FIELD && f->how == WIRE_BYTES;
}

/* All but the records, which are counted. */
static bool read_head(struct slice in, struct shard_message *m)
{
    struct reader r = {in.data, in.data + in.len, false};
    struct field f;
    bool ok = true;
    while (ok && next_field(&r, &f)) {
        if (is_record(&f))
            m->records_len++;
        else if (f.number == SHARD_HISTORY && f.how == WIRE_BYTES)
            ok = !m->replica.history.ends_len && read_history(f.bytes, &m->replica.history);
        else if (f.how == WIRE_VARINT)
            ok = read_number(m, &f);
    }
    return ok && !r.bad;
}

static bool makes_sense(const struct shard_message *m)
{
    bool replica = m->kind == SHARD_REPLICA;
    return m->replica.from.node && replica == (m->replica.kind != 0) &&
           (!replica || !m->records_len || m->replica.kind == REPLICA_RECORDS);
}

enum grid_err wire_shard_decode(struct slice in, struct arena *arena,
                                struct shard_message *ret_message)
{
    struct shard_message m = {0};
    if (!read_head(in, &m))
        return GRID_EBAD_REQUEST;
    if (m.kind < SHARD_REPLICA || m.kind > SHARD_MEND)
        return GRID_EUNSUPPORTED;
    if (!makes_sense(&m))
        return GRID_EBAD_REQUEST;
    struct slice *records = arena_calloc(arena, m.records_len, sizeof *records);
    if (!records)
        return GRID_ENOMEM;
    struct reader r = {in.data, in.data + in.len, false};
    struct field f;
    for (size_t at = 0; next_field(&r, &f);)
        if (is_record(&f))
            records[at++] = f.bytes;
    m.records = records;
    *ret_message = m;
    return GRID_OK;
}
