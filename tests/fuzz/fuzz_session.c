/* fuzz_session.c - bytes as what a client sends on a connection, in pieces, to a session whose node
 * answers now, later or never.
 * The first byte seeds the pieces and the answers; when it is odd, a good Hello comes first.
 * LINK: session wire shard control data base pb frame */
#include "base/prng.h"
#include "proto/frame.h"
#include "session/grid_session.h"
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
    CHECK(op->kind >= OP_GET && op->kind <= OP_COUNT && op->partition < PARTITIONS_MAX);
    CHECK(op->key.len <= KEY_BYTES_MAX && op->affinity.len <= KEY_BYTES_MAX);
    wait_for(ctx, op->ticket, false);
}

static void on_admin(void *ctx, const struct ticket *to, const struct admin_request *r)
{
    CHECK(admin_op_known(r->op));
    wait_for(ctx, *to, true);
}

static void on_move(void *ctx, struct grid_session *s, uint32_t shard)
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
        if (admin)
            grid_session_admin_result(&t, res.status, slice_str("why"), slice_make(NULL, 0));
        else
            grid_session_result(&t, &res);
    }
}

/* Whole frames only ever stand in the output. */
static void drain(struct grid_session *s, struct prng *prng)
{
    struct slice out = grid_session_output(s);
    if (out.len)
        grid_session_sent(s, (size_t)prng_below(prng, out.len + 1));
}

static void turns(struct node *n, struct grid_session *s, const struct session_ports *ports,
                  const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(1 << 20);
    size_t start = 0, there = 0;
    for (int i = 0; i < TURNS_MAX && !grid_session_finished(s); i++) {
        if (there < len)
            there += 1 + (size_t)prng_below(&n->prng, len - there);
        struct session_turn turn = {.arena = a, .budget = (uint32_t)prng_below(&n->prng, 20)};
        size_t used = grid_session_input(s, data + start, there - start, &turn);
        CHECK(used <= there - start);
        start += used;
        CHECK(grid_session_frame_bytes(s, data + start, there - start) <= FRAME_BYTES_MAX);
        grid_session_check(s);
        if (n->moving) {
            n->moving = false;
            grid_session_moved(s, ports);
        }
        answer_some(n, (size_t)prng_below(&n->prng, 8));
        drain(s, &n->prng);
        grid_session_check(s);
        arena_reset(a);
    }
    arena_free(a);
}

static void greet(struct grid_session *s)
{
    static const uint8_t hello[] = "\x16\x00\x00\x00\x08\x01\x10\x01\x1a\x10"
                                   "0123456789abcdef";
    struct arena *a = arena_new(1 << 20);
    struct session_turn turn = {.arena = a, .budget = 1};
    CHECK(grid_session_input(s, hello, sizeof hello - 1, &turn) == sizeof hello - 1);
    CHECK(grid_session_greeted(s));
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
    struct session_ports ports = {n, 0, on_submit, on_admin, on_move, on_catalog, NULL};
    struct node_view view = {"shop", "a", "host:1", "0.1", {0}, 3, 1};
    struct session_limits limits = {100, 1000, 10000, 20000, 5000};
    struct grid_session *s = grid_session_new(&ports, &view, &limits, NULL);
    if (data[0] & 1)
        greet(s);
    turns(n, s, &ports, data + 1, len - 1);
    grid_session_close(s); /* some answers come too late */
    answer_some(n, WAITING_MAX);
    catalog_unref(n->catalog);
    free(n);
    return 0;
}
