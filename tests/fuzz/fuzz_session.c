/* fuzz_session.c - bytes as what a client sends on a connection, in pieces, to a session whose node
 * answers now, later or never.
 * The first byte seeds the pieces and the answers; when it is odd, a good Hello comes first.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/prng.h"
#include "proto/frame.h"
#include "session/session.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { WAITING_MAX = 4096, TURNS_MAX = 200 };

struct node {
    struct catalog *catalog;
    struct prng prng;
    struct ticket waiting[WAITING_MAX];
    bool admin[WAITING_MAX];
    size_t waiting_len;
    bool moving;
};

static void wait_for(struct node *n, struct ticket t, bool admin)
{
    CHECK(n->waiting_len < WAITING_MAX);
    n->admin[n->waiting_len] = admin;
    n->waiting[n->waiting_len++] = t;
}

static void on_submit(void *ctx, struct op *op)
{
    CHECK((op->kind >= OP_GET && op->kind <= OP_COUNT) || op->kind == OP_CALL);
    CHECK(op->partition < PARTITIONS_MAX && (op->kind != OP_CALL || op->keys_len == 1));
    CHECK(op->key.len <= KEY_BYTES_MAX && op->affinity.len <= KEY_BYTES_MAX);
    wait_for(ctx, op->ticket, false);
}

static void on_admin(void *ctx, const struct ticket *to, const struct admin_request *r)
{
    CHECK(admin_op_known(r->op));
    wait_for(ctx, *to, true);
}

static void on_move(void *ctx, struct session *s, uint32_t shard)
{
    (void)s;
    (void)shard;
    ((struct node *)ctx)->moving = true;
}

static const struct catalog *on_catalog(void *ctx)
{
    return ((struct node *)ctx)->catalog;
}

/* Answer some of what waits, in any order. */
static void answer_some(struct node *n, size_t count)
{
    static const uint8_t value[3000];
    while (count-- && n->waiting_len) {
        size_t at = (size_t)prng_below(&n->prng, n->waiting_len);
        struct ticket t = n->waiting[at];
        bool admin = n->admin[at];
        n->waiting[at] = n->waiting[--n->waiting_len];
        n->admin[at] = n->admin[n->waiting_len];
        struct result res = {.status = (enum grid_err)prng_below(&n->prng, 3),
                             .version = prng_next(&n->prng),
                             .value = slice_make(value, (size_t)prng_below(&n->prng, 3000))};
        if (prng_below(&n->prng, 8) == 0)
            res.status = GRID_ETASK; /* its value is text */
        if (admin)
            session_admin_result(&t, res.status, slice_str("why"), slice_make(NULL, 0));
        else
            session_result(&t, &res);
    }
}

/* Whole frames only ever stand in the output. */
static void drain(struct session *s, struct prng *prng)
{
    struct slice out = session_output(s);
    if (out.len)
        session_sent(s, (size_t)prng_below(prng, out.len + 1));
}

static void turns(struct node *n, struct session *s, const struct session_ports *ports,
                  const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(1 << 20);
    size_t start = 0, there = 0;
    for (int i = 0; i < TURNS_MAX && !session_finished(s); i++) {
        if (there < len)
            there += 1 + (size_t)prng_below(&n->prng, len - there);
        struct session_turn turn = {.arena = a, .budget = (uint32_t)prng_below(&n->prng, 20)};
        size_t used = session_input(s, data + start, there - start, &turn);
        CHECK(used <= there - start);
        start += used;
        session_check(s);
        if (n->moving) {
            n->moving = false;
            session_moved(s, ports);
        }
        answer_some(n, (size_t)prng_below(&n->prng, 8));
        drain(s, &n->prng);
        session_check(s);
        arena_reset(a);
    }
    arena_free(a);
}

static void greet(struct session *s)
{
    static const uint8_t hello[] = "\x16\x00\x00\x00\x08\x01\x10\x01\x1a\x10"
                                   "0123456789abcdef";
    struct arena *a = arena_new(1 << 20);
    struct session_turn turn = {.arena = a, .budget = 1};
    CHECK(session_input(s, hello, sizeof hello - 1, &turn) == sizeof hello - 1);
    CHECK(session_greeted(s));
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    struct node *n = calloc(1, sizeof *n);
    CHECK(n);
    n->catalog = catalog_new();
    n->prng.state = data[0];
    struct session_ports ports = {.ctx = n,
                                  .submit = on_submit,
                                  .admin = on_admin,
                                  .move = on_move,
                                  .catalog = on_catalog,
                                  .errands = errands_new()};
    struct node_view view = {
        .grid = "shop", .node = "a", .address = "host:1", .version = "0.1", .shards = 3};
    struct session_peer peer = {.address = "127.0.0.1:9"};
    struct session_limits limits = {100, 1000, 10000, 20000, 5000};
    struct session *s = session_new(&grid_door, &ports, &view, &limits, &peer, NULL);
    if (data[0] & 1)
        greet(s);
    turns(n, s, &ports, data + 1, len - 1);
    session_close(s); /* some answers come too late */
    answer_some(n, WAITING_MAX);
    errands_free(ports.errands);
    catalog_unref(n->catalog);
    free(n);
    return 0;
}
