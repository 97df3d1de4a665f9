/* wire.c - the few parts of protobuf that client.proto uses: numbers, signed numbers, bytes,
 * messages as bytes. Decoding goes by a table per message: field number -> kind and place in the
 * struct. */
#include "wire.h"
#include "proto/frame.h"
#include "proto/slot.h"

#include <string.h>

/* --- out -------------------------------------------------------------------------------------- */

enum { TYPE_VARINT = 0, TYPE_64 = 1, TYPE_BYTES = 2, TYPE_32 = 5 };

static inline size_t varint_len(uint64_t v)
{
    return (size_t)(70 - __builtin_clzll(v | 1)) / 7; /* ceil(bits / 7) */
}

static inline uint8_t *put_varint(uint8_t *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}

static inline uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static inline size_t tag_len(unsigned field)
{
    return field < 16 ? 1 : 2;
}

static inline size_t number_len(unsigned field, uint64_t v)
{
    return v ? tag_len(field) + varint_len(v) : 0;
}

static inline size_t bytes_len(unsigned field, size_t len)
{
    return len ? tag_len(field) + varint_len(len) + len : 0;
}

static inline uint8_t *put_number(uint8_t *at, unsigned field, uint64_t v)
{
    if (!v)
        return at;
    at = put_varint(at, field << 3 | TYPE_VARINT);
    return put_varint(at, v);
}

static inline uint8_t *put_bytes(uint8_t *at, unsigned field, struct grid_bytes v)
{
    if (!v.len)
        return at;
    at = put_varint(at, field << 3 | TYPE_BYTES);
    at = put_varint(at, v.len);
    memcpy(at, v.data, v.len);
    return at + v.len;
}

size_t gc_wire_number_len(unsigned field, uint64_t v)
{
    return number_len(field, v);
}

size_t gc_wire_bytes_len(unsigned field, size_t len)
{
    return bytes_len(field, len);
}

uint8_t *gc_wire_put_number(uint8_t *at, unsigned field, uint64_t v)
{
    return put_number(at, field, v);
}

uint8_t *gc_wire_put_bytes(uint8_t *at, unsigned field, struct grid_bytes v)
{
    return put_bytes(at, field, v);
}

static struct grid_bytes text_bytes(const char *text)
{
    return (struct grid_bytes){text, text ? strlen(text) : 0};
}

size_t gc_wire_hello(uint8_t to[WIRE_HELLO_BYTES_MAX], const struct wire_hello *h)
{
    enum { VERSION = 1, VERSION_MIN, SESSION, SHARD, CLIENT, USER, PASSWORD, GRID, TOPOLOGY };
    const char *const texts[] = {h->client, h->user, h->password, h->grid};
    size_t strings = 0;
    for (unsigned i = 0; i < 4; i++)
        strings += bytes_len(CLIENT + i, text_bytes(texts[i]).len);
    if (strings > WIRE_HELLO_BYTES_MAX - 64)
        return 0;
    uint8_t *at = to + FRAME_HEADER_BYTES;
    at = put_number(at, VERSION, PROTOCOL_VERSION);
    at = put_number(at, VERSION_MIN, PROTOCOL_VERSION);
    at = put_bytes(at, SESSION, (struct grid_bytes){h->session, SESSION_BYTES});
    at = put_number(at, SHARD, h->shard);
    for (unsigned i = 0; i < 4; i++)
        at = put_bytes(at, CLIENT + i, text_bytes(texts[i]));
    at = put_number(at, TOPOLOGY, h->topology);
    size_t len = (size_t)(at - to);
    frame_write_header(to, len - FRAME_HEADER_BYTES);
    return len;
}

size_t gc_wire_head(uint8_t to[WIRE_HEAD_BYTES_MAX], const struct wire_head *h, size_t body_len)
{
    enum { NUMBER = 1, OP = 2, CACHE = 3, LOWEST = 7, AGE = 8 };
    uint8_t *at = to + FRAME_HEADER_BYTES;
    at = put_number(at, NUMBER, h->number);
    at = put_number(at, OP, h->op);
    at = put_number(at, CACHE, h->cache);
    at = put_number(at, LOWEST, h->lowest);
    at = put_number(at, AGE, h->age_ms);
    size_t len = (size_t)(at - to);
    frame_write_header(to, len - FRAME_HEADER_BYTES + body_len);
    return len;
}

/* Request and Item have the same fields of a key at other numbers: three runs, each in the same
 * order. */
struct key_form {
    uint8_t key, condition; /* key, value, affinity; condition, version, delta, ttl, ttl_ms */
    uint8_t media;          /* media, type */
};
static const struct key_form in_request = {4, 9, 24}, in_item = {3, 6, 11};
static const struct grid_write plainly;

static size_t key_len(const struct wire_key *k, struct key_form f)
{
    const struct grid_write *how = k->how ? k->how : &plainly;
    size_t len = bytes_len(f.key, k->key.len) + bytes_len(f.key + 1u, k->value.len) +
                 bytes_len(f.key + 2u, k->affinity.len) + number_len(f.condition, how->condition) +
                 number_len(f.condition + 1u, how->version) +
                 number_len(f.condition + 2u, zigzag(k->delta)) +
                 number_len(f.condition + 3u, how->ttl) +
                 number_len(f.condition + 4u, how->ttl_ms) + bytes_len(f.media, how->media.len) +
                 number_len(f.media + 1u, how->type);
    return len;
}

static uint8_t *put_key(uint8_t *at, const struct wire_key *k, struct key_form f)
{
    const struct grid_write *how = k->how ? k->how : &plainly;
    at = put_bytes(at, f.key, k->key);
    at = put_bytes(at, f.key + 1u, k->value);
    at = put_bytes(at, f.key + 2u, k->affinity);
    at = put_number(at, f.condition, how->condition);
    at = put_number(at, f.condition + 1u, how->version);
    at = put_number(at, f.condition + 2u, zigzag(k->delta));
    at = put_number(at, f.condition + 3u, how->ttl);
    at = put_number(at, f.condition + 4u, how->ttl_ms);
    at = put_bytes(at, f.media, how->media);
    return put_number(at, f.media + 1u, how->type);
}

size_t gc_wire_key_len(const struct wire_key *k)
{
    return key_len(k, in_request) + bytes_len(REQUEST_NAME, k->name.len);
}

uint8_t *gc_wire_put_key(uint8_t *at, const struct wire_key *k)
{
    return put_bytes(put_key(at, k, in_request), REQUEST_NAME, k->name);
}

enum { REQUEST_ITEMS = 14, ITEM_OP = 1, ITEM_CACHE = 2 };

static size_t item_body_len(const struct wire_key *k)
{
    return number_len(ITEM_OP, k->op) + number_len(ITEM_CACHE, k->cache) + key_len(k, in_item);
}

size_t gc_wire_item_len(const struct wire_key *k)
{
    size_t len = item_body_len(k);
    return tag_len(REQUEST_ITEMS) + varint_len(len) + len;
}

uint8_t *gc_wire_put_item(uint8_t *at, const struct wire_key *k)
{
    at = put_varint(at, REQUEST_ITEMS << 3 | TYPE_BYTES);
    at = put_varint(at, item_body_len(k));
    at = put_number(at, ITEM_OP, k->op);
    at = put_number(at, ITEM_CACHE, k->cache);
    return put_key(at, k, in_item);
}

/* --- in --------------------------------------------------------------------------------------- */

enum kind { UNKNOWN, NUMBER32, NUMBER64, SIGNED, BYTES, LIST };

struct field {
    uint8_t kind; /* enum kind */
    uint16_t at;  /* offset in the struct */
};

struct reader {
    const uint8_t *at, *end;
};

static inline bool get_varint(struct reader *r, uint64_t *ret_v)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && r->at < r->end; shift += 7) {
        uint8_t byte = *r->at++;
        v |= shift < 63 ? (uint64_t)(byte & 0x7f) << shift : (uint64_t)byte << 63;
        if (byte < 0x80) {
            *ret_v = v;
            return true;
        }
    }
    return false;
}

/* The value behind a tag: a number (varint, fixed) or bytes. False: it does not fit or is of a kind
 * that is none. */
static inline bool get_value(struct reader *r, unsigned type, uint64_t *ret_number,
                             struct grid_bytes *ret_bytes)
{
    static const uint8_t fixed_bytes[8] = {[TYPE_64] = 8, [TYPE_32] = 4};
    uint64_t len = fixed_bytes[type];
    if (type == TYPE_VARINT)
        return get_varint(r, ret_number);
    if (type == TYPE_BYTES ? !get_varint(r, &len) : len == 0)
        return false;
    if (len > (size_t)(r->end - r->at))
        return false;
    *ret_bytes = (struct grid_bytes){r->at, (size_t)len};
    r->at += len;
    return true;
}

static void keep(const struct field *f, char *place, uint64_t number, struct grid_bytes bytes)
{
    switch ((enum kind)f->kind) {
    case NUMBER32:
        *(uint32_t *)(void *)place = (uint32_t)number;
        break;
    case NUMBER64:
        *(uint64_t *)(void *)place = number;
        break;
    case SIGNED:
        *(int64_t *)(void *)place = (int64_t)(number >> 1 ^ -(number & 1));
        break;
    case BYTES:
        *(struct grid_bytes *)(void *)place = bytes;
        break;
    case LIST:
    case UNKNOWN:
        break;
    }
}

static bool decode(struct grid_bytes body, const struct field *fields, size_t fields_len, void *to)
{
    struct reader r = {body.data, (const uint8_t *)body.data + body.len};
    while (r.at < r.end) {
        const uint8_t *start = r.at;
        uint64_t tag, number = 0;
        struct grid_bytes bytes = {NULL, 0};
        if (!get_varint(&r, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
            return false;
        unsigned type = tag & 7;
        if (!get_value(&r, type, &number, &bytes))
            return false;
        const struct field *f = tag >> 3 < fields_len ? &fields[tag >> 3] : NULL;
        if (!f || f->kind == UNKNOWN)
            continue;
        char *place = (char *)to + f->at;
        if (type != (f->kind >= BYTES ? TYPE_BYTES : TYPE_VARINT))
            continue; /* not what we know under this number */
        keep(f, place, number, bytes);
        if (f->kind == LIST) {
            struct wire_list *list = (struct wire_list *)(void *)place;
            if (list->len++ == 0)
                list->rest = (struct grid_bytes){start, (size_t)(r.end - start)};
            list->field = (uint32_t)(tag >> 3);
        }
    }
    return true;
}

#define FIELD(type, member, kind)                                                                  \
    {                                                                                              \
        kind, offsetof(struct type, member)                                                        \
    }
#define DECODE(body, fields, to) decode(body, fields, sizeof(fields) / sizeof *(fields), to)

bool gc_wire_hello_reply(struct grid_bytes body, struct wire_hello_reply *ret_reply)
{
    static const struct field fields[] = {
        [1] = FIELD(wire_hello_reply, status, NUMBER32),
        [2] = FIELD(wire_hello_reply, detail, BYTES),
        [3] = FIELD(wire_hello_reply, version, NUMBER32),
        [4] = FIELD(wire_hello_reply, version_max, NUMBER32),
        [5] = FIELD(wire_hello_reply, shard, NUMBER32),
        [6] = FIELD(wire_hello_reply, shards, NUMBER32),
        [7] = FIELD(wire_hello_reply, node_id, BYTES),
        [8] = FIELD(wire_hello_reply, node, BYTES),
        [9] = FIELD(wire_hello_reply, grid, BYTES),
        [10] = FIELD(wire_hello_reply, frame_max, NUMBER32),
        [11] = FIELD(wire_hello_reply, topology, NUMBER64),
        [12] = FIELD(wire_hello_reply, session_ttl_ms, NUMBER64),
        [13] = FIELD(wire_hello_reply, value_max, NUMBER64),
        [14] = FIELD(wire_hello_reply, server, BYTES),
    };
    *ret_reply = (struct wire_hello_reply){0};
    return DECODE(body, fields, ret_reply);
}

bool gc_wire_response(struct grid_bytes body, struct wire_response *ret_response)
{
    static const struct field fields[] = {
        [1] = FIELD(wire_response, number, NUMBER64),
        [2] = FIELD(wire_response, status, NUMBER32),
        [3] = FIELD(wire_response, version, NUMBER64),
        [4] = FIELD(wire_response, value, BYTES),
        [5] = FIELD(wire_response, deadline_ms, NUMBER64),
        [6] = FIELD(wire_response, result, SIGNED),
        [7] = FIELD(wire_response, detail, BYTES),
        [8] = FIELD(wire_response, items, LIST),
        [9] = FIELD(wire_response, cursor, BYTES),
        [10] = FIELD(wire_response, failed_at, NUMBER32),
        [11] = FIELD(wire_response, repeated, NUMBER32),
        [12] = FIELD(wire_response, context, BYTES),
        [13] = FIELD(wire_response, location, BYTES),
        [14] = FIELD(wire_response, admin, BYTES),
        [15] = FIELD(wire_response, topology, NUMBER64),
        [16] = FIELD(wire_response, type, NUMBER32),
        [17] = FIELD(wire_response, media, BYTES),
        [18] = FIELD(wire_response, owners, BYTES),
    };
    *ret_response = (struct wire_response){0};
    return DECODE(body, fields, ret_response);
}

static bool item_decode(struct grid_bytes body, struct wire_item *ret_item)
{
    static const struct field fields[] = {
        [1] = FIELD(wire_item, status, NUMBER32),      [2] = FIELD(wire_item, key, BYTES),
        [3] = FIELD(wire_item, value, BYTES),          [4] = FIELD(wire_item, version, NUMBER64),
        [5] = FIELD(wire_item, deadline_ms, NUMBER64), [6] = FIELD(wire_item, result, SIGNED),
        [7] = FIELD(wire_item, affinity, BYTES),       [8] = FIELD(wire_item, type, NUMBER32),
        [9] = FIELD(wire_item, media, BYTES),
    };
    *ret_item = (struct wire_item){0};
    return DECODE(body, fields, ret_item);
}

/* The next message of the list; *ret_rest is what is behind it. */
static bool list_next(const struct wire_list *list, struct grid_bytes *ret_message,
                      struct grid_bytes *ret_rest)
{
    struct reader r = {list->rest.data, (const uint8_t *)list->rest.data + list->rest.len};
    uint64_t tag = 0, number;
    if (list->len == 0)
        return false;
    do {
        if (!get_varint(&r, &tag) || !get_value(&r, tag & 7, &number, ret_message))
            return false;
    } while (tag != ((uint64_t)list->field << 3 | TYPE_BYTES));
    *ret_rest = (struct grid_bytes){r.at, (size_t)(r.end - r.at)};
    return true;
}

bool gc_wire_item_next(struct wire_list *list, struct wire_item *ret_item)
{
    struct grid_bytes body, rest;
    if (!list_next(list, &body, &rest) || !item_decode(body, ret_item))
        return false;
    list->rest = rest;
    list->len--;
    return true;
}

bool gc_wire_topology(struct grid_bytes body, struct wire_topology *ret_topology)
{
    static const struct field fields[] = {
        [1] = FIELD(wire_topology, revision, NUMBER64), [2] = FIELD(wire_topology, since, NUMBER64),
        [3] = FIELD(wire_topology, nodes, LIST),        [4] = FIELD(wire_topology, contexts, LIST),
        [5] = FIELD(wire_topology, astray, NUMBER32),
    };
    *ret_topology = (struct wire_topology){0};
    return DECODE(body, fields, ret_topology);
}

bool gc_wire_node_next(struct wire_list *list, struct wire_node *ret_node)
{
    static const struct field fields[] = {
        [1] = FIELD(wire_node, number, NUMBER32), [2] = FIELD(wire_node, name, BYTES),
        [3] = FIELD(wire_node, address, BYTES),   [4] = FIELD(wire_node, shards, NUMBER32),
        [5] = FIELD(wire_node, up, NUMBER32),
    };
    struct grid_bytes body, rest;
    *ret_node = (struct wire_node){0};
    if (!list_next(list, &body, &rest) || !DECODE(body, fields, ret_node))
        return false;
    list->rest = rest;
    list->len--;
    return true;
}

bool gc_wire_owners_next(struct wire_list *list, struct wire_owners *ret_owners)
{
    static const struct field fields[] = {
        [1] = FIELD(wire_owners, id, NUMBER32),
        [2] = FIELD(wire_owners, partitions, NUMBER32),
        [3] = FIELD(wire_owners, primaries, BYTES),
        [4] = FIELD(wire_owners, changes, BYTES),
    };
    struct grid_bytes body, rest;
    *ret_owners = (struct wire_owners){0};
    if (!list_next(list, &body, &rest) || !DECODE(body, fields, ret_owners))
        return false;
    list->rest = rest;
    list->len--;
    return true;
}

bool gc_wire_number_next(struct grid_bytes *packed, uint32_t *ret_number)
{
    struct reader r = {packed->data, (const uint8_t *)packed->data + packed->len};
    uint64_t number;
    if (packed->len == 0 || !get_varint(&r, &number) || number > UINT32_MAX)
        return false;
    *packed = (struct grid_bytes){r.at, (size_t)(r.end - r.at)};
    *ret_number = (uint32_t)number;
    return true;
}

uint32_t gc_wire_context_partitions(struct grid_bytes context)
{
    struct context {
        uint32_t partitions;
    } c = {0};
    static const struct field fields[] = {[3] = FIELD(context, partitions, NUMBER32)};
    if (!DECODE(context, fields, &c) || c.partitions > SLOTS)
        return 0;
    return (c.partitions & (c.partitions - 1)) == 0 ? c.partitions : 0;
}
