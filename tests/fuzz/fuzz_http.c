/* fuzz_http.c - bytes as what an HTTP client sends on a connection, in pieces, to a session whose
 * node answers now, later or never.
 * LINK: session compute wire command shard control replica data base pb frame */
#include "base/prng.h"
#include "data/fields.h"
#include "session/session.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

enum { WAITING_MAX = 16384, TURNS_MAX = 300 };

struct waiting {
    struct ticket to;
    enum op_kind kind;
    uint32_t limit;
    bool admin;
};

struct node {
    struct catalog *catalog;
    struct prng prng;
    struct waiting waiting[WAITING_MAX];
    size_t len;
    unsigned again; /* ops that followed from a result */
};

static void on_submit(void *ctx, struct op *op)
{
    struct node *n = ctx;
    CHECK((op->kind >= OP_GET && op->kind <= OP_COUNT) || op->kind == OP_CALL);
    CHECK(op->partition < PARTITIONS_MAX && (op->kind != OP_CALL || op->keys_len == 1));
    CHECK(op->key.len <= KEY_BYTES_MAX && op->affinity.len <= KEY_BYTES_MAX);
    CHECK(op->kind != OP_SCAN || (op->limit && op->limit <= SCAN_LIMIT_MAX));
    CHECK(n->len < WAITING_MAX);
    n->waiting[n->len++] = (struct waiting){op->ticket, op->kind, op->limit, false};
}

static void on_submit_again(void *ctx, const struct op *op)
{
    struct op mine = *op;
    ((struct node *)ctx)->again++;
    on_submit(ctx, &mine);
}

static void on_admin(void *ctx, const struct ticket *to, const struct admin_request *r)
{
    struct node *n = ctx;
    CHECK(admin_op_known(r->op) || r->op == ADMIN_METRICS);
    CHECK(n->len < WAITING_MAX);
    n->waiting[n->len++] = (struct waiting){.to = *to, .admin = true};
}

static const struct catalog *on_catalog(void *ctx)
{
    return ((struct node *)ctx)->catalog;
}

static uint64_t on_now(void *ctx)
{
    (void)ctx;
    return UINT64_C(1700000000000000);
}

static enum grid_err on_authenticate(void *ctx, const char *user, const char *password)
{
    (void)ctx;
    return strlen(user) <= strlen(password) ? GRID_OK : GRID_EAUTH;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void answer(struct node *n, const struct waiting *w)
{
    static const uint8_t bytes[] =
        "\x0atext/plainsome \xff value that is long enough for a few more";
    struct scan_item item = {.key = slice_make("k\xff", (size_t)prng_below(&n->prng, 2) + 1),
                             .version = 9,
                             .type = VALUE_MEDIA,
                             .value = slice_make(bytes, sizeof bytes - 1)};
    struct buf packed = BUF_INIT;
    struct result res = {.status = (enum grid_err)prng_below(&n->prng, 3),
                         .version = prng_next(&n->prng),
                         .number = (int64_t)prng_below(&n->prng, 3)};
    fields_pack(&packed, slice_str("f\"\xfe"), slice_str("v"));
    if (w->kind == OP_SCAN) {
        res.items = &item;
        res.items_len = (uint32_t)prng_below(&n->prng, 2);
        res.cursor = slice_make(bytes, n->again < 100 ? (size_t)prng_below(&n->prng, 3) : 0);
    } else if (w->kind == OP_GET) {
        res.type = (uint8_t)prng_below(&n->prng, VALUE_TYPES);
        res.value = slice_make(bytes, (size_t)prng_below(&n->prng, sizeof bytes));
        if (res.type == VALUE_HASH)
            res.value = buf_slice(&packed);
    }
    if (w->kind == OP_CALL) {
        res.status = res.status ? GRID_ETASK : GRID_OK;
        res.reply = REPLY_BULK;
        res.value = slice_make(bytes, (size_t)prng_below(&n->prng, sizeof bytes));
    }
    if (w->admin)
        session_admin_result(&w->to, res.status, slice_str("why"), slice_make(NULL, 0));
    else
        session_result(&w->to, &res);
    buf_release(&packed);
}

/* Answer some of what waits, in any order. */
static void answer_some(struct node *n, size_t count)
{
    while (count-- && n->len) {
        size_t at = (size_t)prng_below(&n->prng, n->len);
        struct waiting w = n->waiting[at];
        n->waiting[at] = n->waiting[--n->len];
        answer(n, &w);
    }
}

/* --- a connection ----------------------------------------------------------------------------- */

static void drain(struct session *s, struct prng *prng)
{
    struct slice out = session_output(s);
    if (out.len)
        session_sent(s, (size_t)prng_below(prng, out.len + 1));
}

static void turns(struct node *n, struct session *s, const uint8_t *data, size_t len)
{
    struct arena *a = arena_new(1 << 20);
    size_t start = 0, there = 0;
    for (int i = 0; i < TURNS_MAX && !session_finished(s); i++) {
        if (there < len)
            there += 1 + (size_t)prng_below(&n->prng, len - there);
        /* a copy in a block of its own: what is read behind the end is seen */
        uint8_t *copy = malloc(there - start + 1);
        CHECK(copy);
        memcpy(copy, data + start, there - start);
        struct session_turn turn = {.arena = a, .budget = (uint32_t)prng_below(&n->prng, 20)};
        size_t used = session_input(s, copy, there - start, &turn);
        CHECK(used <= there - start);
        start += used;
        session_check(s);
        (void)session_expects(s);
        answer_some(n, (size_t)prng_below(&n->prng, 8));
        free(copy);
        drain(s, &n->prng);
        session_check(s);
        arena_reset(a);
    }
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
                                  .submit_again = on_submit_again,
                                  .admin = on_admin,
                                  .catalog = on_catalog,
                                  .now_us = on_now,
                                  .errands = errands_new()};
    if (data[0] & 1)
        ports.authenticate = on_authenticate;
    struct node_view view = {
        .grid = "shop", .node = "a", .address = "host:1", .version = "0.1", .shards = 3};
    struct session_peer peer = {.address = "127.0.0.1:9"};
    struct session_limits limits = {100, 1000, 10000, 20000, 5000};
    struct session *s = session_new(&http_door, &ports, &view, &limits, &peer, NULL);
    turns(n, s, data + 1, len - 1);
    session_close(s); /* some answers come too late */
    answer_some(n, WAITING_MAX);
    errands_free(ports.errands);
    catalog_unref(n->catalog);
    free(n);
    return 0;
}
