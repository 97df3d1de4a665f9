/* response.c - answers. The fields of Response that hot operations use are written by hand (tag,
 * varint, bytes: that is all of protobuf they need); messages within messages go through
 * protobuf-c. */
#include "wire/response.h"

#include "client.pb-c.h"
#include "proto/frame.h"
#include "wire/wire_priv.h"

/* Field numbers of client.proto. test_response.c reads them back with protobuf-c. */
enum {
    RESPONSE_NUMBER = 1,
    RESPONSE_STATUS = 2,
    RESPONSE_VERSION = 3,
    RESPONSE_VALUE = 4,
    RESPONSE_DEADLINE = 5,
    RESPONSE_RESULT = 6,
    RESPONSE_DETAIL = 7,
    RESPONSE_ITEMS = 8,
    RESPONSE_CURSOR = 9,
    RESPONSE_FAILED_AT = 10,
    RESPONSE_REPEATED = 11,
    RESPONSE_ADMIN = 14,
    RESPONSE_TOPOLOGY = 15,
    RESPONSE_TYPE = 16,
    RESPONSE_MEDIA = 17,
    ITEM_STATUS = 1,
    ITEM_KEY = 2,
    ITEM_VALUE = 3,
    ITEM_VERSION = 4,
    ITEM_DEADLINE = 5,
    ITEM_RESULT = 6,
    ITEM_AFFINITY = 7,
    ITEM_TYPE = 8,
    ITEM_MEDIA = 9,
};

enum {
    VARINT_BYTES_MAX = 10,
    FIELD_BYTES_MAX = 1 + VARINT_BYTES_MAX, /* tag (field numbers < 16) and number or length */
    FIXED_BYTES_MAX = FRAME_HEADER_BYTES + 14 * FIELD_BYTES_MAX,
    ITEM_BYTES_MAX = 10 * FIELD_BYTES_MAX,
};

static inline uint8_t *put_varint(uint8_t *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}

/* A number field; proto3 leaves zero out. */
static inline uint8_t *put_number(uint8_t *at, unsigned field, uint64_t v)
{
    if (!v)
        return at;
    *at++ = (uint8_t)(field << 3);
    return put_varint(at, v);
}

static inline uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline uint8_t *put_length(uint8_t *at, unsigned field, size_t len)
{
    *at++ = (uint8_t)(field << 3 | 2);
    return put_varint(at, len);
}

static inline uint8_t *put_bytes(uint8_t *at, unsigned field, struct slice v)
{
    if (!v.len)
        return at;
    at = put_length(at, field, v.len);
    memcpy(at, v.data, v.len);
    return at + v.len;
}

/* Type and media type of an answer: their tags take two bytes, lengths up to 127 one. */
static uint8_t *put_type(uint8_t *at, enum value_type type, struct slice media)
{
    at = put_varint(at, RESPONSE_TYPE << 3);
    at = put_varint(at, type);
    if (!media.len)
        return at;
    at = put_varint(at, RESPONSE_MEDIA << 3 | 2);
    at = put_varint(at, media.len);
    memcpy(at, media.data, media.len);
    return at + media.len;
}

/* Make room for a frame, leave its header open. */
static uint8_t *frame_begin(struct buf *out, size_t bytes_max)
{
    return buf_reserve(out, bytes_max) + FRAME_HEADER_BYTES;
}

static void frame_end(struct buf *out, const uint8_t *end)
{
    uint8_t *start = out->data + out->len;
    size_t len = (size_t)(end - start);
    frame_write_header(start, len - FRAME_HEADER_BYTES);
    out->len += len;
}

static inline uint8_t *put_head(uint8_t *at, uint64_t number, enum grid_err status)
{
    at = put_number(at, RESPONSE_NUMBER, number);
    return put_number(at, RESPONSE_STATUS, (uint64_t)status);
}

struct item_view {
    enum grid_err status;
    struct slice key;
    struct slice value;
    uint64_t version;
    msec_t deadline;
    int64_t number;
    struct slice affinity;
    uint8_t type;
    struct slice media;
};

/* `stored` as a client is shown it: the media type apart. */
static void item_value(struct item_view *i, uint8_t type, struct slice stored)
{
    i->type = type;
    i->media = value_media((enum value_type)type, stored);
    i->value = value_bytes((enum value_type)type, stored);
}

static size_t varint_len(uint64_t v)
{
    return (size_t)(70 - __builtin_clzll(v | 1)) / 7; /* ceil(bits / 7) */
}

static size_t number_len(uint64_t v)
{
    return v ? 1 + varint_len(v) : 0;
}

static size_t bytes_len(struct slice v)
{
    return v.len ? 1 + varint_len(v.len) + v.len : 0;
}

static uint8_t *put_item(uint8_t *at, const struct item_view *i)
{
    size_t len = number_len((uint64_t)i->status) + bytes_len(i->key) + bytes_len(i->value) +
                 number_len(i->version) + number_len(i->deadline) + number_len(zigzag(i->number)) +
                 bytes_len(i->affinity) + number_len(i->type) + bytes_len(i->media);
    at = put_length(at, RESPONSE_ITEMS, len);
    at = put_number(at, ITEM_STATUS, (uint64_t)i->status);
    at = put_bytes(at, ITEM_KEY, i->key);
    at = put_bytes(at, ITEM_VALUE, i->value);
    at = put_number(at, ITEM_VERSION, i->version);
    at = put_number(at, ITEM_DEADLINE, i->deadline);
    at = put_number(at, ITEM_RESULT, zigzag(i->number));
    at = put_bytes(at, ITEM_AFFINITY, i->affinity);
    at = put_number(at, ITEM_TYPE, i->type);
    return put_bytes(at, ITEM_MEDIA, i->media);
}

static size_t scan_bytes(const struct result *res)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < res->items_len; i++)
        bytes += ITEM_BYTES_MAX + res->items[i].key.len + res->items[i].value.len +
                 res->items[i].affinity.len;
    return bytes;
}

static uint8_t *put_scan(uint8_t *at, const struct result *res)
{
    for (uint32_t i = 0; i < res->items_len; i++) {
        const struct scan_item *from = &res->items[i];
        struct item_view item = {.key = from->key,
                                 .version = from->version,
                                 .deadline = from->deadline,
                                 .affinity = from->affinity};
        item_value(&item, from->type, from->value);
        at = put_item(at, &item);
    }
    return at;
}

void wire_response_result(struct buf *out, uint64_t number, const struct result *res,
                          uint64_t topology)
{
    size_t bytes = FIXED_BYTES_MAX + res->value.len + res->cursor.len;
    if (unlikely(res->items_len))
        bytes += scan_bytes(res);
    uint8_t *at = frame_begin(out, bytes);
    at = put_head(at, number, res->status);
    at = put_number(at, RESPONSE_VERSION, res->version);
    at = put_bytes(at, RESPONSE_VALUE, value_bytes(res->type, res->value));
    at = put_number(at, RESPONSE_DEADLINE, res->deadline);
    at = put_number(at, RESPONSE_RESULT, zigzag(res->number));
    if (unlikely(res->items_len))
        at = put_scan(at, res);
    at = put_bytes(at, RESPONSE_CURSOR, res->cursor);
    at = put_number(at, RESPONSE_FAILED_AT, res->failed_at);
    at = put_number(at, RESPONSE_REPEATED, res->repeated);
    at = put_number(at, RESPONSE_TOPOLOGY, topology);
    if (unlikely(res->type))
        at = put_type(at, res->type, value_media(res->type, res->value));
    frame_end(out, at);
}

void wire_response_failed_at(struct buf *out, uint64_t number, enum grid_err status,
                             struct slice detail, uint32_t failed_at, uint64_t topology)
{
    uint8_t *at = frame_begin(out, FIXED_BYTES_MAX + detail.len);
    at = put_head(at, number, status);
    at = put_bytes(at, RESPONSE_DETAIL, detail);
    at = put_number(at, RESPONSE_FAILED_AT, failed_at);
    at = put_number(at, RESPONSE_TOPOLOGY, topology);
    frame_end(out, at);
}

void wire_response_status(struct buf *out, uint64_t number, enum grid_err status,
                          struct slice detail, uint64_t topology)
{
    wire_response_failed_at(out, number, status, detail, 0, topology);
}

size_t wire_response_items_max(size_t items_len, size_t value_bytes)
{
    return FIXED_BYTES_MAX + items_len * ITEM_BYTES_MAX + value_bytes;
}

void wire_response_items(struct buf *out, uint64_t number, const struct wire_item *items,
                         size_t items_len, uint64_t topology)
{
    size_t value_bytes = 0;
    for (size_t i = 0; i < items_len; i++)
        value_bytes += items[i].value.len;
    uint8_t *at = frame_begin(out, wire_response_items_max(items_len, value_bytes));
    at = put_head(at, number, GRID_OK);
    for (size_t i = 0; i < items_len; i++) {
        const struct wire_item *from = &items[i];
        struct item_view item = {.status = from->status,
                                 .version = from->version,
                                 .deadline = from->deadline,
                                 .number = from->number};
        item_value(&item, from->type, from->value);
        at = put_item(at, &item);
    }
    at = put_number(at, RESPONSE_TOPOLOGY, topology);
    frame_end(out, at);
}

void wire_response_admin(struct buf *out, uint64_t number, enum grid_err status,
                         struct slice detail, struct slice reply, uint64_t topology)
{
    uint8_t *at = frame_begin(out, FIXED_BYTES_MAX + detail.len + reply.len);
    at = put_head(at, number, status);
    at = put_bytes(at, RESPONSE_DETAIL, detail);
    if (!status) { /* there even when it is empty */
        at = put_length(at, RESPONSE_ADMIN, reply.len);
        if (reply.len)
            memcpy(at, reply.data, reply.len);
        at += reply.len;
    }
    at = put_number(at, RESPONSE_TOPOLOGY, topology);
    frame_end(out, at);
}

void wire_hello_reply(struct buf *out, const struct wire_hello_reply *r)
{
    Grid__HelloReply m;
    grid__hello_reply__init(&m);
    m.status = (uint32_t)r->status;
    m.detail = wire_text(r->detail);
    m.version = r->version;
    m.version_max = r->version_max;
    m.shard = r->shard;
    m.shards = r->shards;
    m.node_id.data = (uint8_t *)(void *)wire_text((const char *)r->node_id.data);
    m.node_id.len = r->node_id.len;
    m.node = wire_text(r->node);
    m.grid = wire_text(r->grid);
    m.frame_max = r->frame_max;
    m.topology = r->topology;
    m.session_ttl_ms = r->session_ttl_ms;
    m.value_max = r->value_max;
    m.server = wire_text(r->server);
    wire_pack_frame(&m.base, out);
}

void wire_response_cache(struct buf *out, uint64_t number, const struct context_info *context,
                         const struct cache_info *cache, uint64_t topology)
{
    Grid__ContextInfo info;
    wire_fill_context(&info, context);
    Grid__Response m;
    grid__response__init(&m);
    m.number = number;
    m.result = cache->id;
    m.context = &info;
    m.topology = topology;
    wire_pack_frame(&m.base, out);
}

void wire_response_location(struct buf *out, uint64_t number, const struct wire_location *location,
                            uint64_t topology)
{
    Grid__Location l;
    grid__location__init(&l);
    char *in_sync[LOCATION_IN_SYNC_MAX];
    for (size_t i = 0; i < location->in_sync_len && i < LOCATION_IN_SYNC_MAX; i++)
        in_sync[l.n_in_sync++] = wire_text(location->in_sync[i]);
    l.partition = location->partition;
    l.epoch = location->epoch;
    l.primary = wire_text(location->primary);
    l.in_sync = in_sync;
    l.slot = location->slot;
    l.shard = location->shard;
    l.address = wire_text(location->address);
    Grid__Response m;
    grid__response__init(&m);
    m.number = number;
    m.location = &l;
    m.topology = topology;
    wire_pack_frame(&m.base, out);
}
