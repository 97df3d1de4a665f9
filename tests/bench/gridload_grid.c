/* gridload_grid.c - the grid protocol. What happens once per connection goes through protobuf-c;
 * the GETs and PUTs of the run are written and read by hand, field by field as client.proto has
 * them, so that the client stays cheaper than any server. Every connection is a client of its own:
 * own session, own numbers (R13), on the shard whose keys it asks for. */
#include "tests/bench/gridload.h"

#include "base/alloc.h"
#include "client.pb-c.h"
#include "proto/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum { FRAME_LIMIT = VALUE_BYTES_MAX + (1 << 20) };

#define TAG(field, wire) ((field) << 3 | (wire))

/* --- setup ------------------------------------------------------------------------------------ */

static bool message_send(struct conn *c, const ProtobufCMessage *m)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *frame = xalloc(FRAME_HEADER_BYTES + len);
    frame_write_header(frame, len);
    protobuf_c_message_pack(m, frame + FRAME_HEADER_BYTES);
    bool ok = conn_send_all(c, slice_make(frame, FRAME_HEADER_BYTES + len));
    free(frame);
    return ok;
}

/* The next message of the server, unpacked as `type`; NULL when there is none. The caller's to
 * free. */
static ProtobufCMessage *message_receive(struct conn *c, const ProtobufCMessageDescriptor *type)
{
    size_t len;
    while (frame_peek(c->in, c->in_len, FRAME_LIMIT, &len) == FRAME_MORE) {
        if (!conn_receive(c))
            return NULL;
    }
    if (frame_peek(c->in, c->in_len, FRAME_LIMIT, &len) != FRAME_WHOLE)
        return NULL;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, NULL, len, c->in + FRAME_HEADER_BYTES);
    c->in_len -= FRAME_HEADER_BYTES + len;
    memmove(c->in, c->in + FRAME_HEADER_BYTES + len, c->in_len);
    return m;
}

static bool complain(const char *what, uint32_t status, const char *detail)
{
    fprintf(stderr, "gridload: %s: %s%s%s\n", what,
            status ? err_text((enum grid_err)status) : "no answer", detail && *detail ? ": " : "",
            detail ? detail : "");
    return false;
}

static bool hello(struct conn *c, uint32_t shard, bool topology, uint32_t *ret_shards)
{
    uint8_t session[SESSION_BYTES];
    CHECK(getrandom(session, sizeof session, 0) == (ssize_t)sizeof session);
    char name[] = "gridload";
    Grid__Hello h;
    grid__hello__init(&h);
    h.version = h.version_min = 1;
    h.session = (ProtobufCBinaryData){sizeof session, session};
    h.shard = shard + 1;
    h.topology = topology;
    h.client = name;
    if (!message_send(c, &h.base))
        return complain("Hello", 0, NULL);
    Grid__HelloReply *r =
        (Grid__HelloReply *)(void *)message_receive(c, &grid__hello_reply__descriptor);
    if (!r)
        return complain("Hello", 0, NULL);
    bool ok = r->status == 0 && r->shards > 0;
    if (ok)
        *ret_shards = r->shards;
    else
        complain("Hello", r->status, r->detail);
    grid__hello_reply__free_unpacked(r, NULL);
    return ok;
}

/* The answer to one request, or NULL when the connection broke. */
static Grid__Response *ask(struct conn *c, Grid__Request *q)
{
    q->number = 1;
    if (!message_send(c, &q->base))
        return NULL;
    for (;;) {
        Grid__Response *r =
            (Grid__Response *)(void *)message_receive(c, &grid__response__descriptor);
        if (!r || r->number == q->number)
            return r;
        grid__response__free_unpacked(r, NULL); /* a push */
    }
}

static enum grid_err cache_open(struct conn *c, const char *name, struct keys *keys,
                                uint32_t *ret_context)
{
    char *copy = xstrdup(name);
    Grid__Request q;
    grid__request__init(&q);
    q.op = GRID__OP__OPEN_CACHE;
    q.name = copy;
    Grid__Response *r = ask(c, &q);
    free(copy);
    enum grid_err status = r ? (enum grid_err)r->status : GRID_ECLOSED;
    if (r && status == GRID_OK) {
        c->cache = (uint32_t)r->result;
        if (r->context && r->context->partitions)
            keys->partitions = r->context->partitions;
        *ret_context = r->context ? r->context->id : 0;
    }
    if (r)
        grid__response__free_unpacked(r, NULL);
    return status;
}

static enum grid_err admin(struct conn *c, Grid__Admin *a)
{
    Grid__Request q;
    grid__request__init(&q);
    q.op = GRID__OP__ADMIN;
    q.admin = a;
    Grid__Response *r = ask(c, &q);
    enum grid_err status = r ? (enum grid_err)r->status : GRID_ECLOSED;
    if (status != GRID_OK && status != GRID_EEXISTS)
        complain("making the context and cache", status, r ? r->detail : NULL);
    if (r)
        grid__response__free_unpacked(r, NULL);
    return status;
}

static bool cache_create(struct conn *c, const char *name, const char *durability)
{
    static const char *const kinds[] = {"sync", "async", "memory"};
    char *context = xstrdup(name), *cache = xstrdup(name);
    char *slash = strchr(context, '/');
    if (slash)
        *slash = '\0';
    Grid__ContextInfo about_context;
    grid__context_info__init(&about_context);
    about_context.name = context;
    for (uint32_t i = 0; i < 3; i++) {
        if (strcmp(durability, kinds[i]) == 0)
            about_context.durability = i;
    }
    Grid__Admin a;
    grid__admin__init(&a);
    a.op = GRID__ADMIN_OP__CONTEXT_CREATE;
    a.context = &about_context;
    a.name = context;
    enum grid_err status = admin(c, &a);
    Grid__CacheInfo about_cache;
    grid__cache_info__init(&about_cache);
    about_cache.name = cache;
    Grid__Admin b;
    grid__admin__init(&b);
    b.op = GRID__ADMIN_OP__CACHE_CREATE;
    b.name = cache;
    b.cache = &about_cache;
    if (status == GRID_OK || status == GRID_EEXISTS)
        status = admin(c, &b);
    free(context);
    free(cache);
    return status == GRID_OK || status == GRID_EEXISTS;
}

/* --- who is primary --------------------------------------------------------------------------- */

/* "host:port" with a numeric IPv4 address. */
static bool address_read(const char *text, struct place *p)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof p->host)
        return false;
    memcpy(p->host, text, (size_t)(colon - text));
    p->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    return p->port != 0;
}

/* A place for each shard of each node, in the nodes' order. False: an address is not understood. */
static bool places_make(const Grid__Topology *t, struct keys *keys)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_nodes; i++)
        n += t->nodes[i]->shards;
    keys->places = xcalloc(n, sizeof *keys->places);
    keys->shards = 0;
    for (size_t i = 0; i < t->n_nodes; i++) {
        for (uint32_t shard = 0; shard < t->nodes[i]->shards; shard++) {
            struct place *p = &keys->places[keys->shards++];
            p->shard = shard;
            if (!address_read(t->nodes[i]->address, p))
                return false;
        }
    }
    return keys->shards > 0;
}

/* False: nobody leads it yet. */
static bool owner_find(const Grid__Topology *t, uint32_t partition, uint32_t primary,
                       uint32_t *ret_owner)
{
    uint32_t first = 0;
    for (size_t i = 0; i < t->n_nodes; i++) {
        if (t->nodes[i]->number == primary && t->nodes[i]->shards) {
            *ret_owner = first + partition % t->nodes[i]->shards;
            return true;
        }
        first += t->nodes[i]->shards;
    }
    return false;
}

static bool routes_take(const Grid__Topology *t, uint32_t context, struct keys *keys)
{
    for (size_t i = 0; i < t->n_contexts; i++) {
        const Grid__TopologyContext *about = t->contexts[i];
        if (about->id != context || about->n_primaries != keys->partitions)
            continue;
        keys->owners = xcalloc(keys->partitions, sizeof *keys->owners);
        for (uint32_t p = 0; p < keys->partitions; p++) {
            if (!owner_find(t, p, about->primaries[p], &keys->owners[p]))
                return false;
        }
        return places_make(t, keys);
    }
    return false;
}

static bool routes_ask(const struct options *o, uint32_t context, struct keys *keys)
{
    enum { BYTES = 4 << 20 };
    struct conn c = {.fd = -1, .in = xalloc(BYTES), .in_cap = BYTES};
    SSL_CTX *tls = o->tls_ca ? tls_new(o) : NULL;
    uint32_t shards;
    bool ok = conn_open(&c, o, NULL, tls) && hello(&c, 0, true, &shards);
    Grid__Response *r =
        ok ? (Grid__Response *)(void *)message_receive(&c, &grid__response__descriptor) : NULL;
    ok = r && r->owners && routes_take(r->owners, context, keys);
    if (r)
        grid__response__free_unpacked(r, NULL);
    conn_close(&c);
    if (tls)
        SSL_CTX_free(tls);
    return ok;
}

/* Once; by a connection of its own, for which the topology is pushed whole. */
static bool routes_learn(const struct options *o, uint32_t context, struct keys *keys)
{
    for (int tries = 0; tries < 100; tries++) {
        if (routes_ask(o, context, keys))
            return true;
        free(keys->owners);
        free(keys->places);
        keys->owners = NULL;
        keys->places = NULL;
        usleep(50000);
    }
    return complain("who is primary", 0, NULL);
}

static bool grid_setup(struct conn *c, const struct options *o, struct keys *keys)
{
    uint32_t shards, context = 0;
    if (!hello(c, keys->places ? keys->places[c->shard].shard : c->shard, false, &shards))
        return false;
    if (!o->routed)
        keys->shards = shards;
    c->once = !o->no_once;
    c->task = slice_str(o->task ? o->task : "");
    enum grid_err status = cache_open(c, o->cache, keys, &context);
    if (o->durability && (status == GRID_ENO_CONTEXT || status == GRID_ENO_CACHE)) {
        if (!cache_create(c, o->cache, o->durability))
            return false;
        status = cache_open(c, o->cache, keys, &context);
    }
    if (status != GRID_OK)
        return complain(o->cache, status, NULL);
    return !o->routed || keys->owners || routes_learn(o, context, keys);
}

static bool grid_warm(struct conn *c, const struct options *o)
{
    char *context = xstrdup(o->cache);
    char *slash = strchr(context, '/');
    if (slash)
        *slash = '\0';
    Grid__Admin a;
    grid__admin__init(&a);
    a.op = GRID__ADMIN_OP__PARTITION_LIST;
    a.name = context;
    Grid__Request q;
    grid__request__init(&q);
    q.op = GRID__OP__ADMIN;
    q.admin = &a;
    Grid__Response *r = ask(c, &q);
    bool warm = r && r->admin && r->admin->n_partitions > 0;
    for (size_t i = 0; warm && i < r->admin->n_partitions; i++)
        warm = strcmp(r->admin->partitions[i]->state, "warming") != 0;
    if (r)
        grid__response__free_unpacked(r, NULL);
    free(context);
    return warm;
}

/* --- the run ---------------------------------------------------------------------------------- */

static uint8_t *varint_write(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_value_write(uint8_t *p, const struct keys *keys, const struct request *r)
{
    p = varint_write(p, keys->value_bytes);
    value_write(keys, r->key, p);
    return p + keys->value_bytes;
}

/* ... and the name of the task. */
static uint8_t *argument_write(uint8_t *p, struct slice task)
{
    *p++ = 1;
    *p++ = '1';
    p = varint_write(p, TAG(20, WIRE_BYTES));
    p = varint_write(p, task.len);
    memcpy(p, task.data, task.len);
    return p + task.len;
}

static size_t grid_encode(const struct conn *c, const struct keys *keys, const struct request *r,
                          uint8_t *to)
{
    uint8_t *p = to + FRAME_HEADER_BYTES;
    *p++ = TAG(1, WIRE_VARINT);
    p = varint_write(p, r->number);
    *p++ = TAG(2, WIRE_VARINT);
    bool run = r->op == LOAD_PUT && c->task.len;
    *p++ = r->op == LOAD_GET ? GRID__OP__GET : run ? GRID__OP__RUN : GRID__OP__PUT;
    *p++ = TAG(3, WIRE_VARINT);
    p = varint_write(p, c->cache);
    *p++ = TAG(4, WIRE_BYTES);
    *p++ = KEY_TEXT_BYTES;
    memcpy(p, r->key, KEY_TEXT_BYTES);
    p += KEY_TEXT_BYTES;
    if (r->op == LOAD_PUT) {
        *p++ = TAG(5, WIRE_BYTES);
        p = run ? argument_write(p, c->task) : put_value_write(p, keys, r);
        if (c->once) { /* age_ms is 0 on the first sending, and 0 is not sent */
            *p++ = TAG(7, WIRE_VARINT);
            p = varint_write(p, r->lowest);
        }
    }
    frame_write_header(to, (size_t)(p - to) - FRAME_HEADER_BYTES);
    return (size_t)(p - to);
}

static const uint8_t *varint_read(const uint8_t *p, const uint8_t *end, uint64_t *ret_v)
{
    uint64_t v = 0;
    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        v |= (uint64_t)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80)) {
            *ret_v = v;
            return p;
        }
    }
    return NULL;
}

/* One field: its number, and its varint or bytes. NULL: malformed. */
static const uint8_t *field_read(const uint8_t *p, const uint8_t *end, uint64_t *ret_field,
                                 uint64_t *ret_v, struct slice *ret_bytes)
{
    uint64_t tag;
    p = varint_read(p, end, &tag);
    if (!p)
        return NULL;
    *ret_field = tag >> 3;
    switch (tag & 7) {
    case WIRE_VARINT:
        return varint_read(p, end, ret_v);
    case WIRE_BYTES:
        p = varint_read(p, end, ret_v);
        if (!p || *ret_v > (uint64_t)(end - p))
            return NULL;
        *ret_bytes = slice_make(p, *ret_v);
        return p + *ret_v;
    case WIRE_FIXED64:
        return end - p >= 8 ? p + 8 : NULL;
    case WIRE_FIXED32:
        return end - p >= 4 ? p + 4 : NULL;
    default:
        return NULL;
    }
}

static bool response_parse(const uint8_t *p, const uint8_t *end, struct answer *a)
{
    uint64_t status = 0;
    struct slice detail = {0};
    while (p < end) {
        uint64_t field, v = 0;
        struct slice bytes = {0};
        p = field_read(p, end, &field, &v, &bytes);
        if (!p)
            return false;
        if (field == 1)
            a->number = v;
        else if (field == 2)
            status = v;
        else if (field == 4)
            a->value = bytes;
        else if (field == 7)
            detail = bytes;
    }
    if (status == 0)
        return true;
    a->kind = status == GRID_ENOT_FOUND ? ANSWER_MISSING : ANSWER_REFUSED;
    a->error = detail.len ? detail : slice_str(err_text((enum grid_err)status));
    return true;
}

static long grid_parse(struct slice in, struct answer *ret_answer)
{
    size_t len;
    enum frame_status status = frame_peek(in.data, in.len, FRAME_LIMIT, &len);
    if (status == FRAME_MORE)
        return PARSE_MORE;
    if (status != FRAME_WHOLE)
        return PARSE_MALFORMED;
    const uint8_t *body = in.data + FRAME_HEADER_BYTES;
    if (!response_parse(body, body + len, ret_answer))
        return PARSE_MALFORMED;
    if (ret_answer->number == 0)
        ret_answer->kind = ANSWER_PUSH;
    return (long)(FRAME_HEADER_BYTES + len);
}

const struct protocol protocol_grid = {.name = "grid",
                                       .setup = grid_setup,
                                       .encode = grid_encode,
                                       .parse = grid_parse,
                                       .warm = grid_warm};
