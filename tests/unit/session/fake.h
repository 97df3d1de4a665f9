/* fake.h - both ends of a session for tests: a client that packs requests and reads responses, and
 * a node that keeps what was submitted until the test answers it. */
#ifndef GRIDD_TESTS_SESSION_FAKE_H
#define GRIDD_TESTS_SESSION_FAKE_H

#include "base/buf.h"
#include "client.pb-c.h"
#include "compute/scripts.h"
#include "control/settings.h"
#include "proto/frame.h"
#include "session/session.h"

#include <check.h>
#include <stdlib.h>

enum { FAKE_OPS = 12000, FAKE_SHARDS = 4, FAKE_SHARD = 1, FAKE_COPIES = 4096 };

struct fake {
    struct catalog *catalog;
    struct session_ports ports;
    struct node_view view;
    struct session_limits limits;
    struct session_peer peer;
    struct arena *arena;
    struct session *session;
    uint32_t cache; /* id of default/default */
    const struct op *ops[FAKE_OPS];
    size_t ops_len;
    struct ticket admin_ticket;
    struct admin_request admin;
    unsigned admins;
    struct ticket sleep_ticket;
    msec_t sleep_ms;
    int moved_to; /* -1: nowhere */
    const char *password;
    uint32_t budget;
    bool more;
    struct buf in; /* bytes sent by the client that the session has not taken */
    uint64_t now_us;
    uint8_t *copies[FAKE_COPIES]; /* of what was submitted again */
    size_t copies_len;
};

static inline void fake_submit(void *ctx, struct op *op)
{
    struct fake *f = ctx;
    ck_assert_uint_lt(f->ops_len, FAKE_OPS);
    f->ops[f->ops_len++] = op;
}

static inline struct slice fake_copy(uint8_t **to, struct slice s)
{
    uint8_t *at = *to;
    if (s.len)
        memcpy(at, s.data, s.len);
    *to += s.len;
    return slice_make(at, s.len);
}

static inline void fake_submit_again(void *ctx, const struct op *op)
{
    struct fake *f = ctx;
    ck_assert_uint_lt(f->copies_len, FAKE_COPIES);
    size_t bytes = op->key.len + op->affinity.len + op->value.len + op->prefix.len + op->cursor.len;
    uint8_t *at = f->copies[f->copies_len++] = malloc(sizeof *op + bytes);
    struct op *mine = (struct op *)(void *)at;
    at += sizeof *op;
    *mine = *op;
    mine->key = fake_copy(&at, op->key);
    mine->affinity = fake_copy(&at, op->affinity);
    mine->value = fake_copy(&at, op->value);
    mine->prefix = fake_copy(&at, op->prefix);
    mine->cursor = fake_copy(&at, op->cursor);
    fake_submit(ctx, mine);
}

static inline uint64_t fake_now_us(void *ctx)
{
    return ((struct fake *)ctx)->now_us;
}

static inline void fake_sleep(void *ctx, const struct ticket *to, msec_t ms)
{
    struct fake *f = ctx;
    f->sleep_ticket = *to;
    f->sleep_ms = ms;
}

static inline void fake_admin(void *ctx, const struct ticket *to, const struct admin_request *r)
{
    struct fake *f = ctx;
    f->admin_ticket = *to;
    f->admin = *r;
    f->admins++;
}

static inline void fake_move(void *ctx, struct session *s, uint32_t shard)
{
    struct fake *f = ctx;
    ck_assert_ptr_eq(s, f->session);
    f->moved_to = (int)shard;
}

static inline const struct catalog *fake_catalog(void *ctx)
{
    struct fake *f = ctx;
    return f->catalog;
}

static inline enum grid_err fake_authenticate(void *ctx, const char *user, const char *password)
{
    struct fake *f = ctx;
    return strcmp(user, "ann") == 0 && strcmp(password, f->password) == 0 ? GRID_OK : GRID_EAUTH;
}

static inline struct fake *fake_new(void)
{
    struct fake *f = calloc(1, sizeof *f);
    f->catalog = catalog_new();
    f->ports = (struct session_ports){.ctx = f,
                                      .shard = FAKE_SHARD,
                                      .submit = fake_submit,
                                      .submit_again = fake_submit_again,
                                      .now_us = fake_now_us,
                                      .sleep = fake_sleep,
                                      .admin = fake_admin,
                                      .move = fake_move,
                                      .catalog = fake_catalog,
                                      .errands = errands_new(),
                                      .scripts = scripts_new()};
    f->view = (struct node_view){.grid = "shop",
                                 .node = "a",
                                 .address = "127.0.0.1:7400",
                                 .version = "0.1.0",
                                 .node_id = {1, 2, 3},
                                 .shards = FAKE_SHARDS,
                                 .epoch = 5};
    f->limits = (struct session_limits)SESSION_LIMITS_DEFAULT;
    f->arena = arena_new(256 << 20);
    f->cache = catalog_cache_named(f->catalog, slice_str("default/default"))->id;
    f->moved_to = -1;
    f->budget = 100000;
    return f;
}

/* With limits and ports as they are now. */
static inline void fake_connect_to(struct fake *f, const struct door *door)
{
    f->session = session_new(door, &f->ports, &f->view, &f->limits, &f->peer, f);
}

static inline void fake_connect(struct fake *f)
{
    fake_connect_to(f, &grid_door);
}

static inline void fake_free(struct fake *f)
{
    session_free(f->session);
    errands_free(f->ports.errands);
    scripts_free(f->ports.scripts);
    arena_free(f->arena);
    catalog_unref(f->catalog);
    buf_release(&f->in);
    for (size_t i = 0; i < f->copies_len; i++)
        free(f->copies[i]);
    free(f);
}

/* --- the client ------------------------------------------------------------------------------- */

static inline void fake_send_bytes(struct fake *f, const void *data, size_t len)
{
    buf_add(&f->in, data, len);
}

static inline void fake_send(struct fake *f, const ProtobufCMessage *m)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *at = buf_reserve(&f->in, FRAME_HEADER_BYTES + len);
    frame_write_header(at, len);
    f->in.len += FRAME_HEADER_BYTES + protobuf_c_message_pack(m, at + FRAME_HEADER_BYTES);
}

/* One turn: what was sent is offered once. Submitted ops stay until fake_turn_end(). */
static inline void fake_turn(struct fake *f)
{
    struct session_turn turn = {.arena = f->arena, .budget = f->budget};
    size_t used = session_input(f->session, f->in.data, f->in.len, &turn);
    ck_assert_uint_le(used, f->in.len);
    buf_consume(&f->in, used);
    f->more = turn.more;
    session_check(f->session);
}

static inline void fake_turn_end(struct fake *f)
{
    f->ops_len = 0;
    arena_reset(f->arena);
}

static inline ProtobufCBinaryData fake_bytes(const char *text)
{
    union {
        const char *in;
        uint8_t *out;
    } u = {.in = text};
    return (ProtobufCBinaryData){strlen(text), u.out};
}

static inline Grid__Hello fake_hello(void)
{
    Grid__Hello m;
    grid__hello__init(&m);
    m.version = 1;
    m.version_min = 1;
    m.session = fake_bytes("0123456789abcdef");
    return m;
}

static inline Grid__Request fake_request(const struct fake *f, uint64_t number, unsigned op,
                                         const char *key)
{
    Grid__Request m;
    grid__request__init(&m);
    m.number = number;
    m.op = (Grid__Op)op;
    m.cache = f->cache;
    m.key = fake_bytes(key);
    return m;
}

/* The next frame of the output unpacked, or NULL; the caller's. */
static inline ProtobufCMessage *fake_receive(struct fake *f, const ProtobufCMessageDescriptor *what)
{
    struct slice out = session_output(f->session);
    size_t body;
    if (frame_peek(out.data, out.len, FRAME_BYTES_MAX, &body) != FRAME_WHOLE)
        return NULL;
    ProtobufCMessage *m =
        protobuf_c_message_unpack(what, NULL, body, out.data + FRAME_HEADER_BYTES);
    ck_assert_ptr_nonnull(m);
    session_sent(f->session, FRAME_HEADER_BYTES + body);
    return m;
}

static inline Grid__Response *fake_response(struct fake *f)
{
    return (Grid__Response *)(void *)fake_receive(f, &grid__response__descriptor);
}

/* The next response must have this number and status. */
static inline void fake_expect(struct fake *f, uint64_t number, enum grid_err status)
{
    Grid__Response *m = fake_response(f);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->number, number);
    ck_assert_msg(m->status == status, "request %lu: %s, wanted %s (%s)", (unsigned long)number,
                  err_name((enum grid_err)m->status), err_name(status), m->detail);
    grid__response__free_unpacked(m, NULL);
}

static inline void fake_expect_nothing(const struct fake *f)
{
    ck_assert_uint_eq(session_output(f->session).len, 0);
}

/* Say hello and take the reply. */
static inline void fake_greet(struct fake *f)
{
    fake_connect(f);
    Grid__Hello hello = fake_hello();
    fake_send(f, &hello.base);
    fake_turn(f);
    Grid__HelloReply *m =
        (Grid__HelloReply *)(void *)fake_receive(f, &grid__hello_reply__descriptor);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->status, GRID_OK);
    grid__hello_reply__free_unpacked(m, NULL);
}

/* --- the node --------------------------------------------------------------------------------- */

static inline struct session *fake_answer(const struct op *op, struct result res)
{
    return session_result(&op->ticket, &res);
}

#endif
